/* timers.h - everything that waits for a time: one heap for each kind of owner.
 *
 * Four-ary heaps with positions: most timers here are set further and further into the
 * future, which costs one comparison.
 */
#ifndef GG_BROKER_CORE_TIMERS_H
#define GG_BROKER_CORE_TIMERS_H

#include "broker/core/state.h"

/* When `job` next needs attention, from its state alone. False when it waits for no
 * time. *out_kind says which clock *out_at is on. */
bool gg_job_deadline(const struct gg_job *job, int64_t *out_at,
                     enum gg_timer_kind *out_kind);

/* Make room for the timers of so many jobs, whether or not they have one now.
 * GG_ERR_NO_MEMORY changes nothing that is seen. */
GG_MUST_USE enum gg_err gg_timers_reserve(struct gg_core *core, uint32_t jobs);

/* Set the job's timer to its deadline, or stop it. */
void gg_job_arm(struct gg_core *core, struct gg_job *job);
void gg_job_disarm(struct gg_core *core, struct gg_job *job);

/* Set or move a timer in a heap that is not the jobs'. GG_ERR_NO_MEMORY: not set. */
GG_MUST_USE enum gg_err gg_timer_set(struct gg_heap *heap, struct gg_heap_node *node,
                                     struct gg_mono at);

/* The job whose timer is due, taken out of its heap; NULL when none is, or when *looks
 * timers have been looked at: those left are due at once. */
struct gg_job *gg_timers_due(struct gg_core *core, int *looks);

/* The earliest time that anything waits for. False when nothing does. */
bool gg_timers_next(const struct gg_core *core, struct gg_mono *out_at);

#endif
