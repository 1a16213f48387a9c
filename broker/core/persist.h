/* persist.h - what is written down of what the core knows, and when.
 *
 * A job's record is written at the end of the step that changed it, once, as it stands
 * then; its number is given when it is asked for, so that what is said meanwhile waits
 * for it. Records leave in the order of their numbers.
 */
#ifndef GG_BROKER_CORE_PERSIST_H
#define GG_BROKER_CORE_PERSIST_H

#include "broker/core/state.h"

/* Write the job down as it stands at the end of this step, if it is a durable one. */
void gg_persist(struct gg_core *core, struct gg_job *job);

/* Remove the job's record, if it ever had one. */
void gg_erase(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Write down the queue's controls, or remove them where they are as they begin. */
void gg_persist_queue(struct gg_core *core, struct gg_effects *fx,
                      struct gg_queue *queue);

/* Write down that the agent is here and what it serves; that it no longer is. */
void gg_persist_agent(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent);
void gg_erase_agent(struct gg_core *core, struct gg_effects *fx,
                    struct gg_agent *agent);

/* Write down the broker itself: its epoch, and the mark of its clocks. */
void gg_persist_meta(struct gg_core *core, struct gg_effects *fx);

/* At the end of each step: write what the step asked for; the mark with it, when it is
 * older than a second. */
void gg_persist_step(struct gg_core *core, struct gg_effects *fx);

/* When the mark must be written although nothing happens; false: never. */
bool gg_persist_due(const struct gg_core *core, struct gg_mono *out_at);

/* The broker's own clock, which goes on over restarts, and back. */
uint64_t gg_clock_on(const struct gg_core *core, struct gg_mono at);
struct gg_mono gg_clock_back(const struct gg_core *core, uint64_t on);

#endif
