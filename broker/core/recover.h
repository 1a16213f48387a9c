/* recover.h - the broker after a restart: records become what it knew, and what ran
 * goes on where it runs.
 *
 *   records ──▶ gg_core_restore() ──▶ gg_core_restored() ──▶ serving
 *                                                              │
 *   jobs that waited stand in lines of their own ◀─────────────┤ new ones go at once
 *          │ every agent that served the queue is back,        │
 *          ▼ or one lease has passed                           ▼
 *   before the others in the queue's lines                  the queue's lines
 *
 * A job that is in line on disk may be running all the same: the assignment of a job
 * that may run twice is not written down. The agent that runs it says so in its hello,
 * and goes on under its fence.
 */
#ifndef GG_BROKER_CORE_RECOVER_H
#define GG_BROKER_CORE_RECOVER_H

#include "broker/core/state.h"

/* The agent has said hello: it is awaited no longer. */
void gg_recover_agent(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent);

/* Agents that served the queue before the restart, are not back, and may begin what
 * they were given then: no record tells of it. */
uint32_t gg_recover_silent(const struct gg_core *core, const struct gg_queue *queue);

/* Let go what still awaits agents once a lease has passed. */
void gg_recover_due(struct gg_core *core, struct gg_effects *fx);

/* When that is; false: nothing awaits any. */
bool gg_recover_next(const struct gg_core *core, struct gg_mono *out_at);

/* Are jobs that waited before the restart held in this queue? */
static inline bool gg_queue_holds(const struct gg_queue *queue)
{
    return queue->held != NULL;
}

void gg_recover_fini(struct gg_core *core);

#endif
