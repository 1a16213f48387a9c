/* staff.h - who runs the attempts of the agent's pools: programs, or executors.
 *
 * Joins three parts that know nothing of each other: the agent (what shall run),
 * worker/sup (which executor, how often again, what with it) and worker/exec (the
 * processes).
 */
#ifndef GG_WORKER_STAFF_H
#define GG_WORKER_STAFF_H

#include "worker/agent.h"
#include "worker/exec/cgroup.h"
#include "worker/exec/executor.h"
#include "worker/exec/folder.h"
#include "worker/exec/program.h"
#include "worker/pools.h"
#include "worker/sup/sup.h"

enum { GG_CAUSE_BYTES = 300 };

struct gg_staff_sources; /* See staff_sources.h. */

/* One pool at work; pool i of the agent and of the tree is pool i here. */
struct gg_staff_pool {
    struct gg_staff *staff;
    uint32_t index;
    bool used;
    bool removing;
    bool was_closed;
    struct gg_pool_settings settings;
    struct gg_executor **executors;   /* By number; NULL while down. */
    struct gg_id *last_jobs;          /* Of each executor. */
    uint32_t room;                    /* Of both. */
    char cause[GG_CAUSE_BYTES];       /* Of the last death or start that failed. */
    struct gg_staff_sources *sources; /* NULL: it names none. */
};

struct gg_staff {
    struct gg_worker *agent; /* Lent. */
    struct gg_run_world world;
    struct gg_link resting;
    struct gg_link unsent;
    struct gg_link talking;
    struct gg_spare_folders spare_folders;
    struct gg_sup sup;
    struct gg_cgroup_place cgroups; /* Empty until a pool asks for one. */
    uint32_t end;                   /* No place from here on has been used. */
    struct gg_staff_pool pools[GG_SUP_POOLS_MAX];
    const char *broker; /* Where sources submit; lent. */
    bool ending;        /* Start no executors any more. */
    int64_t turn_us;    /* When this turn began. */
    uint64_t reported_session;
    uint64_t report_sum;      /* Of what was reported last. */
    struct gg_mono report_at; /* Not before this. */
};

/* `world.hooks` is filled in here. */
void gg_staff_init(struct gg_staff *staff, struct gg_worker *agent,
                   const struct gg_run_world *world);
void gg_staff_fini(struct gg_staff *staff);

/* Add a pool; the settings are copied. GG_ERR_TOO_MANY: there is no room for it;
 * GG_ERR_CONFIG: the system does not allow what it asks for. *out_fault says it. */
GG_MUST_USE enum gg_err gg_staff_add(struct gg_staff *staff, struct gg_mono now,
                                     const struct gg_pool_settings *settings,
                                     struct gg_settings_fault *out_fault);

/* The pool of that name that is not being removed; NULL: none. */
struct gg_staff_pool *gg_staff_find(struct gg_staff *staff, const char *name);

/* Let a pool go: what runs may end, nothing else is begun. */
void gg_staff_remove(struct gg_staff *staff, struct gg_staff_pool *pool,
                     struct gg_mono now);

/* Another size; idle executors go first. On an error nothing has changed. */
GG_MUST_USE enum gg_err gg_staff_scale(struct gg_staff *staff,
                                       struct gg_staff_pool *pool, uint32_t size,
                                       struct gg_mono now);

/* For those who take an executor over: what it tells whom, and a free place at `index`;
 * false: it is taken, or there is no memory. */
struct gg_executor_hooks gg_staff_executor_hooks(struct gg_staff_pool *pool);
bool gg_staff_executor_room(struct gg_staff_pool *pool, uint32_t index);

/* Hear what executors have said. */
void gg_staff_hear(struct gg_staff *staff);

/* Start, stop and renew what the agent says, replace what has died. */
void gg_staff_turn(struct gg_staff *staff, struct gg_now now);

/* Has an executor that talks said more? */
bool gg_staff_has_more(const struct gg_staff *staff);

/* False: an executor has said more; turn again before sleeping. */
bool gg_staff_may_sleep(struct gg_staff *staff);

/* When to turn again at the latest; false when nothing waits for time. */
bool gg_staff_next_wake(const struct gg_staff *staff, struct gg_mono *out_at);

#endif
