/* staff.h - who runs the attempts of the agent's pool: programs, or executors.
 *
 * Joins three parts that know nothing of each other: the agent (what shall run),
 * worker/sup (which executor, how often again) and worker/exec (the processes).
 */
#ifndef GG_WORKER_STAFF_H
#define GG_WORKER_STAFF_H

#include "worker/agent.h"
#include "worker/exec/executor.h"
#include "worker/exec/program.h"
#include "worker/settings.h"
#include "worker/sup/sup.h"

struct gg_staff {
    const struct gg_worker_settings *settings;
    struct gg_worker *agent; /* Lent. */
    struct gg_run_world world;
    struct gg_link resting;
    struct gg_sup sup;
    struct gg_executor *
        *executors; /* One a slot; NULL while down. With --handler only. */
    bool was_closed;
    bool ending; /* Start no executors any more. */
};

/* `world.hooks` is filled in here. */
GG_MUST_USE enum gg_err gg_staff_init(struct gg_staff *staff,
                                      const struct gg_worker_settings *settings,
                                      struct gg_worker *agent,
                                      const struct gg_run_world *world);
void gg_staff_fini(struct gg_staff *staff);

/* Start, stop and renew what the agent says, replace what has died. */
void gg_staff_turn(struct gg_staff *staff, struct gg_now now);

/* When to turn again at the latest; false when nothing waits for time. */
bool gg_staff_next_wake(const struct gg_staff *staff, struct gg_mono *out_at);

#endif
