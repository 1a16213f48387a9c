/* ending.h - how jobs end, are tried again, are kept and are forgotten. */
#ifndef GG_BROKER_CORE_ENDING_H
#define GG_BROKER_CORE_ENDING_H

#include "broker/core/state.h"

/* The job ends: its waiters are told, its key and payload go where its state says, its
 * retention begins. It must have neither lease nor place in a line. */
void gg_finish(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
               enum gg_job_state state, enum gg_err err);

/* An attempt failed for `err`: the job waits to be tried again, or fails. It must have
 * neither lease nor place in a line. */
void gg_fail_attempt(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                     enum gg_err err);

/* A job that waits ends as cancelled or expired. */
void gg_end_waiting(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                    enum gg_job_state state, enum gg_err err);

/* The job's retention is over, or its last answer was delivered: forget all but its id,
 * and that too when nobody can send it again. */
void gg_evict(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Evict the jobs that ended in this step and are not kept. */
void gg_evict_leaving(struct gg_core *core, struct gg_effects *fx);

/* A receipt came for an answer about the job. */
void gg_on_accept_receipt(struct gg_core *core, struct gg_effects *fx,
                          struct gg_job *job);
void gg_on_final_receipt(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job);

/* The timer of a job that ended, or is evicted, is due. */
void gg_ended_due(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Tell waiters of jobs that ended, as many as fit in one step. */
void gg_answer_waiters(struct gg_core *core, struct gg_effects *fx);

#endif
