/* sup.h - the tree: groups of pools of executors. Events in, actions out. Pure.
 *
 *   agent
 *    ├── group "media": rest_for_one        what else restarts when an executor dies
 *    │    ├── pool "encode": size 4, overflow 2, permanent, 3 restarts in 5 s
 *    │    │    ├── executor 0  BUSY
 *    │    │    └── executor 1  IDLE
 *    │    └── pool "upload": size 1, transient
 *    └── pool "reports"                     in no group: one_for_one
 *
 * An executor:
 *
 *   DOWN ──start──▶ STARTING ──ready──▶ IDLE ──take──▶ BUSY ──give──▶ IDLE
 *    ▲                 │                  │              │
 *    │                 └─stop─▶ STOPPING ◀┴─────stop─────┘
 *    └──────────── died, out of any of them ────────────────▶ (ENDED is counted only)
 *
 * One that is BUSY may be given more, which it does one after another: it is IDLE again
 * when the last of them has been given back.
 *
 * Whether a dead one is replaced is its pool's restart class: permanent always,
 * transient unless it ended with status 0, temporary never. One that is replaced
 * without having had a job in hand, or cannot be started, costs its pool's budget; one
 * that dies with a job is the job's affair: the broker counts it, against the job.
 *
 * When one is to be replaced, the strategy of its pool's group says what is restarted
 * with it: nothing (one_for_one), every executor of the group (one_for_all), those of
 * the pools that come after (rest_for_one). As in OTP, executors of temporary pools are
 * stopped with the others and stay away, nothing is started before all have ended, and
 * in these groups a pool starts when those before it are ready.
 *
 * A budget that is exhausted closes its pool: no slots, no starts, until its back-off
 * is over. Under one_for_all the whole group closes with it, under rest_for_one the
 * pools after it.
 *
 * A pool of programs has no executors that stay, only its size and its budget.
 */
#ifndef GG_WORKER_SUP_SUP_H
#define GG_WORKER_SUP_SUP_H

#include "common/err.h"
#include "worker/sup/budget.h"

enum { GG_SUP_POOLS_MAX = 64, GG_SUP_NO_GROUP = 0 };

enum gg_restart {
    GG_RESTART_PERMANENT = 0,
    GG_RESTART_TRANSIENT,
    GG_RESTART_TEMPORARY
};

enum gg_strategy { GG_ONE_FOR_ONE = 0, GG_ONE_FOR_ALL, GG_REST_FOR_ONE };

enum gg_executor_state {
    GG_EXECUTOR_DOWN = 0,
    GG_EXECUTOR_STARTING,
    GG_EXECUTOR_IDLE,
    GG_EXECUTOR_BUSY,
    GG_EXECUTOR_STOPPING,
    GG_EXECUTOR_STATE_COUNT
};

struct gg_sup_config {
    bool stays; /* Its executors take one attempt after another. */
    uint32_t size;
    uint32_t overflow;         /* More of them while work waits. */
    uint32_t ahead_each;       /* Attempts in hand beyond the one in work, for each. */
    uint64_t overflow_idle_ms; /* Such a one goes when it has been idle for this. */
    bool fifo;                 /* The one idle for longest goes first; else the last. */
    enum gg_restart restart;
    uint32_t restarts_max;
    uint64_t window_ms;
    uint64_t backoff_ms_min;
    uint64_t backoff_ms_max;
    uint64_t recycle_jobs;     /* Replaced after so many; 0 never. */
    uint64_t recycle_bytes;    /* Or with so much memory; 0 never. */
    uint64_t recycle_ms;       /* Or after so long; 0 never. */
    uint32_t group;            /* GG_SUP_NO_GROUP, or a number of its own. */
    enum gg_strategy strategy; /* Of that group. */
};

/* Attempts in hand at most. */
static inline uint64_t gg_sup_room(const struct gg_sup_config *config)
{
    return (uint64_t)config->size * (1 + config->ahead_each) + config->overflow;
}

/* How an executor ended. */
enum gg_sup_end {
    GG_END_NORMAL = 0, /* Exit status 0. */
    GG_END_FAILED,     /* Another exit status, or a signal, or it did not start. */
    GG_END_ASKED,      /* We ended it, for whatever reason. */
};

struct gg_sup_executor {
    uint8_t state;        /* enum gg_executor_state */
    bool told;            /* STOPPING: the action has been taken. */
    bool stays_away;      /* STOPPING: not to be replaced. */
    bool restarts;        /* STOPPING: for a restart; starts wait for it. */
    uint32_t in_hand;     /* Attempts it has. */
    uint64_t jobs;        /* Taken since its start. */
    struct gg_mono born;  /* Started. */
    struct gg_mono since; /* Idle. */
};

struct gg_sup_pool {
    bool used;
    bool removing; /* Nothing of it is started any more. */
    struct gg_sup_config config;
    struct gg_budget budget;
    uint32_t live;       /* Not DOWN. */
    uint32_t starting;   /* STARTING. */
    uint32_t stopping;   /* STOPPING. */
    uint32_t untold;     /* STOPPING, and no action taken yet. */
    uint32_t restarting; /* STOPPING for a restart. */
    uint32_t ended;      /* Places that their restart class has closed. */
    uint32_t waiting;    /* Attempts that wait for an executor. */
    uint32_t idle_count;
    uint32_t room; /* Of both arrays. */
    struct gg_sup_executor *executors;
    uint32_t *idle;          /* By time: the one idle for longest first. */
    uint64_t restarts_count; /* Since the start. */
};

struct gg_sup {
    uint32_t end; /* No place from here on has been used. */
    struct gg_sup_pool pools[GG_SUP_POOLS_MAX];
};

enum gg_sup_what { GG_SUP_START = 1, GG_SUP_STOP };

struct gg_sup_action {
    enum gg_sup_what what;
    uint32_t pool;
    uint32_t executor;
};

void gg_sup_init(struct gg_sup *sup);
void gg_sup_fini(struct gg_sup *sup);

/* Add a pool at `pool`, a place that is not used. GG_ERR_NO_MEMORY is the only
 * failure. */
GG_MUST_USE enum gg_err gg_sup_add(struct gg_sup *sup, uint32_t pool,
                                   const struct gg_sup_config *config);

/* Let a pool go: idle executors are stopped, busy ones when they are done. It is gone,
 * and its place free, once gg_sup_is_gone(). */
void gg_sup_remove(struct gg_sup *sup, uint32_t pool, struct gg_mono now);
bool gg_sup_is_gone(const struct gg_sup *sup, uint32_t pool);

/* Another size: idle ones go first. Places that were closed open again. On
 * GG_ERR_NO_MEMORY nothing has changed. */
GG_MUST_USE enum gg_err gg_sup_scale(struct gg_sup *sup, uint32_t pool, uint32_t size,
                                     struct gg_mono now);

/* Restart all executors of a pool, each when it is idle. */
void gg_sup_restart(struct gg_sup *sup, uint32_t pool);

/* The next thing to do now; false: nothing. A START makes the executor STARTING:
 * `ready` or `died` follows. A STOP is followed by `died`. */
bool gg_sup_next(struct gg_sup *sup, struct gg_mono now, struct gg_sup_action *out);

/* A started executor can take work. */
void gg_sup_ready(struct gg_sup *sup, uint32_t pool, uint32_t executor,
                  struct gg_mono now);

/* Take an idle executor for an attempt; false when there is none. */
bool gg_sup_take(struct gg_sup *sup, uint32_t pool, uint32_t *out_executor);

/* Take this very executor; false when it is not idle. */
bool gg_sup_take_at(struct gg_sup *sup, uint32_t pool, uint32_t executor);

/* One more for an executor that is busy. False: it is not, it has as many as it may, or
 * it is to be replaced, or to go, once it has done what it has. */
bool gg_sup_take_more(struct gg_sup *sup, uint32_t pool, uint32_t executor);

/* One that an agent before us has started, and that has `in_hand` attempts. On
 * GG_ERR_NO_MEMORY nothing has changed. */
GG_MUST_USE enum gg_err gg_sup_adopt(struct gg_sup *sup, uint32_t pool,
                                     uint32_t executor, uint32_t in_hand,
                                     struct gg_mono now);

/* An attempt of its has ended and it lives on, with `bytes` of memory where that is
 * known. */
void gg_sup_give(struct gg_sup *sup, uint32_t pool, uint32_t executor, uint64_t bytes,
                 struct gg_mono now);

/* It has ended, in whatever state it was. */
void gg_sup_died(struct gg_sup *sup, uint32_t pool, uint32_t executor,
                 enum gg_sup_end how, struct gg_mono now);

/* So many attempts wait for an executor of the pool. */
void gg_sup_wants(struct gg_sup *sup, uint32_t pool, uint32_t waiting);

/* A program could not be started, or could: pools without executors. */
void gg_sup_start_failed(struct gg_sup *sup, uint32_t pool, struct gg_mono now);
void gg_sup_start_worked(struct gg_sup *sup, uint32_t pool);

/* Attempts to take now in all: none while closed. Opens one whose back-off is over. */
uint32_t gg_sup_slots(struct gg_sup *sup, uint32_t pool, struct gg_mono now);

/* When to look again; false when nothing waits for time. */
bool gg_sup_next_wake(const struct gg_sup *sup, struct gg_mono *out_at);

#endif
