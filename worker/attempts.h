/* attempts.h - attempts an agent has in hand, and what it remembers of others. Pure.
 *
 *                      ◀──returned──
 *   FREE ─take─▶ ASSIGNED ─▶ STARTING ─▶ RUNNING ─▶ STOPPING
 *                   │            │          │           │
 *                   └────────────┴──────────┴───────────┴──▶ FINISHED ─confirm─▶ FREE
 *
 * All memory is taken at the start: as many places as there are slots, and some more
 * for assignments that are handed back. An attempt that runs has its work (what the job
 * is) beside it; one that ends at once, as with the built-in no-op, has not.
 */
#ifndef GG_WORKER_ATTEMPTS_H
#define GG_WORKER_ATTEMPTS_H

#include "common/clock.h"
#include "common/heap.h"
#include "common/list.h"
#include "common/map.h"
#include "common/name.h"
#include "common/record.h"

enum {
    /* All attempts in hand must fit one hello: 9 values each of GG_WIRE_NODES_MAX. */
    GG_WORKER_SLOTS_MAX = 7000,
    GG_ATTEMPT_SMALL_BYTES =
        128,            /* A result of this size needs no memory of its own. */
    GG_MEMORY_WAYS = 4, /* Jobs of a set whose fences are remembered. */
};

enum gg_attempt_state {
    GG_ATTEMPT_FREE = 0,
    GG_ATTEMPT_ASSIGNED, /* Waits for an executor. */
    GG_ATTEMPT_STARTING, /* An executor has been asked, and may do others first. */
    GG_ATTEMPT_RUNNING,
    GG_ATTEMPT_STOPPING, /* Told to end; `why` says what for. */
    GG_ATTEMPT_FINISHED, /* Its outcome waits to be confirmed. */
    GG_ATTEMPT_STATE_COUNT
};

/* Why it is being stopped: decides its outcome. */
enum gg_attempt_why {
    GG_WHY_STOP_NONE = 0,
    GG_WHY_STOP_CANCELLED,
    GG_WHY_STOP_TIMED_OUT,
    GG_WHY_STOP_STALE,
    GG_WHY_STOP_LOST_WITH_BROKER,
    GG_WHY_STOP_DRAIN,
    GG_WHY_STOP_LEASE,
};

/* What the shell has to do about an attempt, as a bit mask. */
enum gg_attempt_todo {
    GG_TODO_STOP = 1,     /* Stop it with `grace_ms`. */
    GG_TODO_LEASE = 2,    /* Its lease now ends at `lease_ms`. */
    GG_TODO_WITHDRAW = 4, /* It is to come back, unless it has begun. */
};

/* What the job is, and what it has said: only of attempts that have an executor. */
struct gg_work {
    uint64_t attempt;
    uint64_t attempts_max;
    uint64_t run_timeout_ms;
    struct gg_name realm;
    struct gg_name queue;
    struct gg_blob *payload;
    struct gg_blob *key;
    struct gg_blob *checkpoint; /* From an earlier attempt. */
    uint64_t progress_ppm;
    struct gg_blob *progress_text;
    bool has_progress;
    bool progress_is_new; /* Not told yet. */
    struct gg_blob
        *stored_checkpoint; /* By this attempt: told again in each session. */
    uint64_t partial_offset;
};

/* Of an ending that has more to tell than a number. */
struct gg_detail {
    struct gg_blob *text;
    struct gg_blob *output;
};

struct gg_attempt {
    struct gg_link link; /* Among those in hand, or the free ones. */
    struct gg_link line; /* ASSIGNED: waits for an executor. */
    struct gg_link todo; /* The shell has something to do. */
    struct gg_link said; /* Its progress is new. */
    struct gg_heap_node timer;
    struct gg_id id;
    uint64_t fence;
    uint32_t pool;         /* Index of its pool. */
    uint8_t state;         /* enum gg_attempt_state */
    uint8_t why;           /* enum gg_attempt_why */
    uint8_t todo_mask;     /* enum gg_attempt_todo */
    uint8_t small_len;     /* Result, where it is small. */
    uint64_t first_listed; /* Sequence of the first heartbeat that listed it; 0 none. */
    int64_t started_ms;    /* 0 before. */
    int64_t start_by_ms;   /* Not to be started after this; INT64_MAX none. */
    int64_t run_until_ms;  /* End of its run timeout; INT64_MAX none. */
    int64_t lease_ms;      /* Kill it at this time; INT64_MAX never. */
    uint64_t grace_ms;     /* Of the stop. */
    struct gg_work *work;  /* NULL where it needs none. */
    void *executor;        /* The shell's own. */
    uint64_t kind;         /* enum gg_outcome once FINISHED; the rest goes with it. */
    uint64_t exit_status;
    uint64_t signal;
    uint64_t snooze_ms;
    uint64_t run_ms;
    bool never_started;
    bool behind;            /* STARTING: its executor does others first. */
    bool withdrawn;         /* It shall not begin any more, if that can be had. */
    bool told;              /* The broker knows that it has started. */
    struct gg_blob *result; /* Where it is not small. */
    struct gg_detail detail;
    uint8_t small[GG_ATTEMPT_SMALL_BYTES];
};

/* Highest fence taken for one of the jobs met last: sets of a few, oldest fence out. */
struct gg_memory {
    struct gg_id id;
    uint64_t fence; /* 0: empty. */
};

struct gg_attempts {
    struct gg_attempt *places;
    uint32_t place_count;
    struct gg_link in_hand; /* In the order they were taken. */
    struct gg_link free;
    uint32_t count; /* In hand. */
    struct gg_map by_fence;
    struct gg_heap timers;
    struct gg_memory *memories;
    size_t memory_mask; /* Over sets. */
    uint64_t seed;
};

/* Room for `slots` attempts and some to hand back. */
GG_MUST_USE enum gg_err gg_attempts_init(struct gg_attempts *attempts, uint32_t slots,
                                         uint64_t seed);
void gg_attempts_fini(struct gg_attempts *attempts);

struct gg_attempt *gg_attempts_find(const struct gg_attempts *attempts, uint64_t fence);

/* A place for a new attempt, in hand from here on; NULL when all are taken. */
struct gg_attempt *gg_attempts_take(struct gg_attempts *attempts,
                                    const struct gg_id *id, uint64_t fence);

/* Forget an attempt and all it holds. */
void gg_attempts_release(struct gg_attempts *attempts, struct gg_attempt *attempt);

/* The work that an assignment asks for, copied; NULL without memory. */
struct gg_work *gg_work_new(const struct gg_assign *assign, struct gg_blob *holder);

/* Is it with an executor, or on its way to one? */
static inline bool gg_attempt_has_executor(const struct gg_attempt *attempt)
{
    return attempt->state == GG_ATTEMPT_STARTING ||
           attempt->state == GG_ATTEMPT_RUNNING ||
           attempt->state == GG_ATTEMPT_STOPPING;
}

/* Give back the work of an attempt that will not run any more. */
void gg_attempt_drop_work(struct gg_attempt *attempt);

/* Highest fence taken for the job, 0 if it is not remembered; and remember `fence`. */
uint64_t gg_attempts_highest(const struct gg_attempts *attempts,
                             const struct gg_id *id);
void gg_attempts_remember(struct gg_attempts *attempts, const struct gg_id *id,
                          uint64_t fence);

/* Move it to `next`; moves that are not in the drawing are bugs. Sets its timer to the
 * one deadline that its state implies. */
void gg_attempt_set_state(struct gg_attempts *attempts, struct gg_attempt *attempt,
                          enum gg_attempt_state next);

/* Set its timer again after one of its times has changed. */
void gg_attempt_set_timer(struct gg_attempts *attempts, struct gg_attempt *attempt);

#endif
