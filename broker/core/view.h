/* view.h - what operators look at: pages of jobs, queues and agents, figures, the
 * broker. Reads only; bounded work for each page.
 */
#ifndef GG_BROKER_CORE_VIEW_H
#define GG_BROKER_CORE_VIEW_H

#include "broker/core/state.h"

void gg_view_jobs(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_list_jobs *wanted);
void gg_view_history(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, const struct gg_job *job, bool with_output);
void gg_view_why(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_job *job);
void gg_view_queues(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    uint64_t request, const struct gg_scope *scope);
void gg_view_workers(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, const struct gg_scope *scope);
void gg_view_stats(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t request);
void gg_view_broker(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    uint64_t request);

#endif
