/* state.h - what the core consists of; for the core's own files only.
 *
 *   core ── realms ── queues ── lines of READY jobs, by priority and age
 *     │                 └── subs ──┐ (a pool's subscription to a queue)
 *     ├── agents ── pools ─────────┘
 *     │      └── leases: RUNNING jobs
 *     ├── jobs: a table by index; maps by id and by key
 *     ├── sessions, by the shell's peer number ── waiters ── jobs
 *     └── timers: a heap for each kind of owner
 */
#ifndef GG_BROKER_CORE_STATE_H
#define GG_BROKER_CORE_STATE_H

#include "broker/core/adrift.h"
#include "broker/core/core.h"
#include "broker/core/history.h"
#include "broker/core/ids.h"
#include "broker/core/job.h"
#include "common/fetch.h"
#include "common/index.h"
#include "common/map.h"
#include "common/rng.h"

/* Jobs allocated together. A build for fuzzing has few, so that a small core is made
 * quickly, and has several chunks. */
#ifndef GG_JOB_CHUNK
#define GG_JOB_CHUNK 1024
#endif

enum {
    GG_PRIORITIES = 256,
    GG_PRIORITY_DEFAULT = 128,
    GG_JOB_ENDS = GG_JOB_EXPIRED - GG_JOB_SUCCEEDED + 1,
    GG_TERMS_PLACES = 64,         /* Terms that the next job may share. */
    GG_ATTEMPT_SLAB = 64,         /* Attempts allocated together. */
    GG_ANSWERS_PER_STEP = 256,    /* Waiters told in one step. */
    GG_DUE_PER_STEP = 512,        /* Timers handled in one step. */
    GG_SWEEP_PER_STEP = 2048,     /* Jobs looked at in one step by a purge or a list. */
    GG_EVENTS_UNACKED_MAX = 1000, /* Of one subscription; then a gap. */
    GG_AGENT_FORGET_MS = 60000,   /* A gone agent is shown this long. */
    GG_FENCE_SHIFT = 24,          /* Fence: epoch above this many bits of counter. */
};

struct gg_realm {
    struct gg_name name;
    uint64_t hash;   /* Of its name; seeds the hashes of its queues' names. */
    bool is_default; /* Then its name is left out on the wire. */
    uint64_t jobs;
    uint64_t bytes;
};

/* The lines of jobs whose priority is not the default one: few queues have them. */
struct gg_queue_lines {
    struct gg_link lines[GG_PRIORITIES]; /* struct gg_job.line */
    uint64_t filled[GG_PRIORITIES / 64]; /* Bit set: that line is not empty. */
};

/* With ten thousand queues each is in no cache when its next job comes: what every job
 * touches stands in the first four lines of it. */
struct gg_queue {
    struct gg_realm *realm;
    uint64_t hash;
    uint64_t jobs;
    uint64_t bytes;
    uint64_t unstarted;   /* RUNNING and not reported started. */
    int64_t noted;        /* All its subs are in their pools' heaps, none above this;
                      INT64_MAX: that is not sure. */
    struct gg_link *held; /* Lines of recovered jobs while it is awaited; NULL: none. */
    uint32_t awaited;     /* Agents that served it before a restart, not back yet. */
    bool unheard;         /* … and not back when their time was over. */
    bool paused;
    bool by_default_none; /* Jobs that do not say have durability none. */

    struct gg_link line;    /* struct gg_job.line of READY jobs of default priority. */
    struct gg_link running; /* struct gg_job.line */
    struct gg_link open;    /* struct gg_sub.open: may have credit. */
    struct gg_queue_lines *others; /* NULL: no job has had another priority. */
    uint64_t seq;                  /* Number of its last record. */

    uint32_t count[GG_JOB_STATE_COUNT]; /* Jobs by state. */
    uint64_t
        ended[GG_JOB_ENDS]; /* Jobs ended since the start, by how from SUCCEEDED on. */

    struct gg_name name;

    struct gg_link subs; /* struct gg_sub.of_queue */
    struct gg_wall paused_at;
    struct gg_blob *pause_reason;
    struct gg_mono held_until;
    struct gg_adrift adrift; /* Not RUNNING any more, and may yet be started. */
};

_Static_assert(offsetof(struct gg_queue, line) == GG_LINE_BYTES, "the first line");
_Static_assert(offsetof(struct gg_queue, name) <= 208,
               "names begin in the fourth line");

struct gg_agent;

struct gg_pool {
    struct gg_agent *agent;
    uint8_t number; /* The agent's; at least 1. */
    uint8_t pattern_count;
    uint32_t slots;
    uint32_t busy;
    uint32_t sub_count;
    struct gg_link subs;   /* struct gg_sub.of_pool */
    struct gg_link shut;   /* struct gg_sub.open of those it had no credit for. */
    struct gg_heap urgent; /* struct gg_sub.urgent, by gg_job_urgency(). */
    struct gg_name name;
    struct gg_name realm;
    struct gg_name
        patterns[GG_PATTERNS_MAX]; /* Some pages: what is busy stands before. */
};

/* A pool takes work from a queue. */
struct gg_sub {
    struct gg_pool *pool;
    struct gg_queue *queue;
    struct gg_link open; /* In queue->open while the pool may have credit, then in
                            pool->shut. */
    struct gg_heap_node urgent; /* Its queue's first job is no more urgent than this.
                                   Not in a heap: the queue has none that may start. */
    struct gg_link of_pool;
    struct gg_link of_queue;
};

enum gg_agent_state {
    GG_AGENT_UP = 1,
    GG_AGENT_SUSPECT,
    GG_AGENT_DRAINING,
    GG_AGENT_GONE
};

struct gg_agent {
    /* What each heartbeat looks at. */
    uint32_t peer; /* Open session, or GG_PEER_NONE. */
    bool suspect;
    bool draining;
    uint8_t pool_count;
    struct gg_mono last_seen;
    struct gg_heap_node timer;
    struct gg_link leases; /* struct gg_job_attempt.lease */
    uint32_t busy;
    uint32_t refs; /* Jobs that name it; the core's map counts as one. */
    struct gg_pool *pools[GG_POOLS_MAX];

    struct gg_blob *name; /* Shared with histories. */
    uint64_t hash;
    uint64_t incarnation;
    uint64_t pid;
    struct gg_blob *host;
    struct gg_blob *program;
    struct gg_name
        realm; /* Of its first pool: who may not see it does not see the agent. */
    struct gg_mono gone_since; /* While peer is NONE. */
    struct gg_wall connected_at;
    uint64_t seq;            /* Number of its last record; 0: it has none. */
    struct gg_blob *awaited; /* Its record, until it is back after a restart. */
    struct gg_blob *report;  /* How its pools are, packed as it said it. */
    uint32_t report_count;
};

struct gg_session {
    bool open;
    uint8_t kind; /* enum gg_peer_kind */
    const struct gg_grant *grant;
    struct gg_agent *agent; /* Of an agent's session. */
    struct gg_name name;
    struct gg_link waiters; /* struct gg_waiter.of_session */
};

/* Someone waits for a job. */
struct gg_waiter {
    struct gg_link of_job;
    struct gg_link of_session;
    struct gg_job *job;
    uint32_t peer;
    uint64_t request;
    bool is_sender; /* Of the job's id: only he will send it again. */
    bool existing;  /* He met the job under its key. */
    bool end_only;  /* He knows what he asked for. */
    bool want_progress;
    bool want_partial;
    struct gg_heap_node timer; /* Of a wait with a timeout. */
};

/* Someone watches events. */
struct gg_subscription {
    bool used;
    uint32_t generation; /* Of this place in the table. */
    uint32_t peer;
    uint64_t request;
    struct gg_name realm;
    struct gg_name pattern; /* Empty: all. */
    struct gg_id id;        /* Of one job; none: all. */
    uint64_t kinds;
    uint64_t seq;
    uint64_t after; /* Record of its last event: none overtakes another. */
    uint64_t dropped;
    uint32_t unacked;
};

/* A pause that waits until nothing of its queues can start. */
struct gg_settle {
    struct gg_link all;
    uint32_t peer;
    uint64_t request;
    uint64_t count;
    struct gg_name realm;
    struct gg_name pattern;
    struct gg_heap_node timer;
};

/* A purge under way: it walks the table of jobs, some in each step. */
struct gg_sweep {
    struct gg_link all;
    uint32_t peer;
    uint64_t request;
    uint64_t count;
    uint32_t next;
    uint32_t end;
    uint64_t states;
    bool dry_run;
    struct gg_name realm;
    struct gg_name pattern;
    struct gg_grant grant; /* Of who asked: he may leave before it is done. */
    struct gg_blob *reason;
};

struct gg_recovery; /* recover.c */
struct gg_asked;    /* apart.c */

struct gg_core {
    struct gg_bounds bounds;
    struct gg_core_about about;
    uint64_t epoch;       /* Of this broker. */
    uint64_t fence_epoch; /* Of the fences given now: it may have run ahead. */
    uint64_t seed;
    struct gg_rng rng;
    struct gg_now now;
    uint64_t fence_count; /* Leases given in this epoch. */
    uint64_t job_number;
    uint64_t record_number;
    bool closing;
    struct gg_blob *holder; /* Of the second frame, in this step; lent. */

    uint32_t unkept_first; /* struct gg_job.unkept: written at the end of the step. */
    uint32_t unkept_last;
    struct gg_buf scratch;   /* For the lists inside a record. */
    int64_t clock_ahead_ms;  /* Of the broker's clock before the monotonic one. */
    int64_t steady_ahead_ms; /* Of the steady wall clock before the monotonic one. */
    struct gg_wall mark_at;  /* Latest wall time that a record before the start knew. */
    struct gg_mono marked;   /* When the mark was written last. */
    struct gg_recovery *recovery; /* While records are read, and agents awaited. */

    struct gg_job **chunks; /* GG_JOB_CHUNK jobs each. */
    uint32_t chunk_count;
    uint32_t chunk_room;
    struct gg_link free_jobs;                /* struct gg_job.line */
    struct gg_terms *terms[GG_TERMS_PLACES]; /* terms.c */
    struct gg_terms *terms_last;
    struct gg_job_attempt_slab *attempt_slabs; /* registry.c */
    struct gg_job_attempt *spare_attempts;
    struct gg_ids ids;
    struct gg_index by_key;
    uint64_t jobs; /* Known, evicted ones included. */
    uint64_t count[GG_JOB_STATE_COUNT];
    uint64_t memory_bytes;
    uint64_t apart_bytes;  /* Payloads, results in memory that are on disk too. */
    struct gg_asked *asks; /* apart.c */
    uint32_t ask_count;
    uint32_t ask_room;
    struct gg_link dead; /* FAILED jobs, oldest first; struct gg_job.line */
    uint64_t dead_bytes;
    bool starved; /* Dispatch has stopped for want of memory. */

    struct gg_realm *realms; /* realms_max of them. */
    uint32_t realm_count;
    struct gg_queue **queues; /* queues_max of them. */
    uint32_t queue_count;
    struct gg_map by_queue;      /* By realm and name. */
    struct gg_queue *queue_last; /* Found last: most requests name the same again. */

    struct gg_map agents;         /* By name. */
    struct gg_session **sessions; /* By peer; NULL: never used. */
    uint32_t session_room;
    struct gg_link free_waiters; /* struct gg_waiter.of_job */
    struct gg_subscription *subscriptions;
    uint32_t subscription_count; /* In use. */
    struct gg_link settles;
    struct gg_link sweeps;
    struct gg_link orders; /* struct gg_order.link, in steer.c */
    uint32_t order_count;
    uint64_t order_number;    /* Of the newest. */
    struct gg_link answering; /* struct gg_extra.answering */
    struct gg_link leaving;   /* struct gg_job.line: ended in this step and not kept. */

    struct gg_heap job_timers[GG_TIMER_KIND_COUNT]; /* struct gg_job.timer */
    struct gg_heap waits;                           /* Waiters with a timeout. */
    struct gg_heap agent_timers;
    struct gg_heap settle_timers;

    uint64_t stat[32]; /* enum gg_stat_id */
    gg_core_stats_fn *stats_fn;
    void *stats_ctx;
    gg_core_store_fn *store_fn;
    void *store_ctx;
    enum gg_core_space space;
    struct gg_backup_asked {
        uint32_t peer; /* GG_PEER_NONE: he has gone. */
        uint64_t request;
        uint64_t number; /* Of the backup under way; 0: none is. */
        uint64_t last;
    } backup;
};

/* The core's own counters: X(symbol, name, meaning). */
/* clang-format off */
#define GG_STAT_LIST(X) \
    X(SUBMITTED,   "jobs_accepted_total",      "jobs accepted") \
    X(MERGED,      "jobs_merged_total",        "submissions answered with a job known under their key") \
    X(RESENT,      "submits_resent_total",     "submissions of an id already known") \
    X(REFUSED,     "requests_refused_total",   "requests answered with an error") \
    X(ASSIGNED,    "attempts_total",           "attempts assigned") \
    X(SUCCEEDED,   "jobs_succeeded_total",     "jobs ended as succeeded") \
    X(FAILED,      "jobs_failed_total",        "jobs ended as failed") \
    X(CANCELLED,   "jobs_cancelled_total",     "jobs ended as cancelled") \
    X(EXPIRED,     "jobs_expired_total",       "jobs ended as expired") \
    X(RETRIED,     "attempts_retried_total",   "attempts that failed and are tried again") \
    X(LEASES_LOST, "leases_lost_total",        "leases that ended without an outcome") \
    X(STALE,       "outcomes_stale_total",     "outcomes refused because a newer attempt exists or the job has ended") \
    X(EVICTED,     "jobs_evicted_total",       "jobs whose retention ended") \
    X(DEAD_CAPPED, "dead_letters_capped_total", "failed jobs dropped because the dead-letter list was full") \
    X(STALLS,      "clocks_restarted_total",  "times the broker itself was late and started all clocks anew")
/* clang-format on */

enum gg_stat_id {
#define X(symbol, name, meaning) GG_STAT_##symbol,
    GG_STAT_LIST(X)
#undef X
        GG_STAT_COUNT
};

/* The session of `peer` if it is open, else NULL. */
static inline struct gg_session *gg_session_of(struct gg_core *core, uint32_t peer)
{
    return peer < core->session_room && core->sessions[peer] != NULL &&
                   core->sessions[peer]->open
               ? core->sessions[peer]
               : NULL;
}

/* The realm a field names: absent means default. */
static inline struct gg_slice gg_realm_or_default(struct gg_slice realm)
{
    return realm.len == 0 ? gg_slice_text("default") : realm;
}

/* The broker's clock for ids: the wall clock at the start plus time passed, so that
 * a wall clock that is set does not make fresh ids look old. */
static inline struct gg_wall gg_steady_wall(const struct gg_core *core)
{
    return (struct gg_wall){core->now.mono.ms + core->steady_ahead_ms};
}

#endif
