/* outcome.h - what agents report of the attempts they have in hand. */
#ifndef GG_BROKER_CORE_OUTCOME_H
#define GG_BROKER_CORE_OUTCOME_H

#include "broker/core/state.h"

/* Each is about the attempt under `fence` and is dropped, or answered as stale, when
 * that is not the job's newest or another agent has it. */
void gg_on_outcome(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_outcome_info *outcome);
void gg_on_started(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_started *started);
void gg_on_progress(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                    const struct gg_progress *progress);
void gg_on_partial(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_partial *partial);
void gg_on_checkpoint(struct gg_core *core, struct gg_agent *agent,
                      const struct gg_checkpoint *checkpoint);

#endif
