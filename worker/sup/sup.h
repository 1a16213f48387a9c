/* sup.h - supervision of one pool: its slots, its executors, its restart budget. Pure.
 *
 *   DOWN ──due──▶ STARTING ──ready──▶ IDLE ──take──▶ BUSY ──give──▶ IDLE
 *    ▲               │ died            │ died         │ died
 *    ├───────────────┴─────(budget)────┘              │ (the job's affair: no budget)
 *    └────────────────────────────────────────────────┘
 *
 * An executor that dies is replaced. What dies without a job, or cannot be started,
 * costs the pool's budget: more than `restarts_max` in `window_ms` closes the pool: it
 * offers no slots, starts nothing, and tries again after a back-off that doubles each
 * time (1 s to 60 s) until something has worked. What dies with a job in hand is the
 * job's affair: the broker counts it, against the job, and the pool's other jobs go on.
 *
 * A pool that starts a program per attempt has no executors, only the budget: each
 * failure to start counts.
 */
#ifndef GG_WORKER_SUP_SUP_H
#define GG_WORKER_SUP_SUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"

enum gg_executor_state {
    GG_EXECUTOR_DOWN = 0,
    GG_EXECUTOR_STARTING,
    GG_EXECUTOR_IDLE,
    GG_EXECUTOR_BUSY,
    GG_EXECUTOR_STATE_COUNT
};

enum { GG_RESTARTS_MAX = 32 };

struct gg_budget {
    uint32_t restarts_max; /* At most GG_RESTARTS_MAX. */
    uint64_t window_ms;
    struct gg_mono spent[GG_RESTARTS_MAX + 1]; /* The newest, oldest first. */
    uint32_t count;
};

struct gg_sup {
    struct gg_budget budget;
    uint32_t slots;
    uint32_t idle_count;
    bool closed;
    struct gg_mono opens_at; /* While closed. */
    uint64_t backoff_ms;     /* Of the next close. */
    uint8_t *states;         /* enum gg_executor_state, one an executor. */
    uint32_t *idle;          /* Stack of idle executors: the warmest goes first. */
};

/* A pool of `slots` executors, all DOWN. GG_ERR_NO_MEMORY is the only failure. */
GG_MUST_USE enum gg_err gg_sup_init(struct gg_sup *sup, uint32_t slots,
                                    uint32_t restarts_max, uint64_t window_ms);
void gg_sup_fini(struct gg_sup *sup);

/* The next executor to start now; it is STARTING from here on. False: none. */
bool gg_sup_next_start(struct gg_sup *sup, struct gg_mono now, uint32_t *out_executor);

/* A started executor can take work. Forgives what was spent: something works. */
void gg_sup_ready(struct gg_sup *sup, uint32_t executor);

/* Take an idle executor for an attempt; false when there is none. */
bool gg_sup_take(struct gg_sup *sup, uint32_t *out_executor);

/* Its attempt has ended and it lives on. */
void gg_sup_give(struct gg_sup *sup, uint32_t executor);

/* The executor has ended, in whatever state it was. */
void gg_sup_died(struct gg_sup *sup, uint32_t executor, struct gg_mono now);

/* A program could not be started, or could: pools without executors. */
void gg_sup_start_failed(struct gg_sup *sup, struct gg_mono now);
void gg_sup_start_worked(struct gg_sup *sup);

/* Slots to offer now: none while closed. Opens a pool whose back-off is over. */
uint32_t gg_sup_slots(struct gg_sup *sup, struct gg_mono now);

/* When to look again; false when nothing waits for time. */
bool gg_sup_next_wake(const struct gg_sup *sup, struct gg_mono *out_at);

#endif
