/* watch.h - who waits for a job, who watches events, and the job's own timeline. */
#ifndef GG_BROKER_CORE_WATCH_H
#define GG_BROKER_CORE_WATCH_H

#include "broker/core/state.h"

/* Let a peer wait for a job that has not ended. The same peer and request again is the
 * same waiter. `timeout_ms` 0: no limit.
 *   GG_ERR_TOO_MANY   the job has as many waiters as may be
 *   GG_ERR_NO_MEMORY  nothing has changed */
GG_MUST_USE enum gg_err gg_waiter_add(struct gg_core *core, uint32_t peer,
                                      uint64_t request, struct gg_job *job,
                                      uint64_t timeout_ms, struct gg_waiter **out);

/* A waiter is gone; costs nothing after. */
void gg_waiter_free(struct gg_core *core, struct gg_waiter *waiter);

/* The waiter of that request, or NULL. */
struct gg_waiter *gg_waiter_find(struct gg_session *session, uint64_t request);

/* Answer waiters whose time is over. */
void gg_waiters_due(struct gg_core *core, struct gg_effects *fx);

/* Something happened to a job: into its history, and to those who watch. Of `what`
 * the kind, and what else is known, is filled in by the caller, who gives up its
 * references; time, state, attempt, fence, worker and error come from the job where
 * they are 0. */
void gg_watch_job(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                  const struct gg_entry *what);

/* Of most jobs nobody watches and nothing is kept: they have no timeline. */
static inline bool gg_job_unwatched(const struct gg_core *core,
                                    const struct gg_job *job)
{
    return core->subscription_count == 0 && job->plain && job->error == 0 &&
           job->extra == NULL;
}

/* gg_watch_job() of a moment that says all. */
static inline void gg_watch_moment(struct gg_core *core, struct gg_effects *fx,
                                   struct gg_job *job, enum gg_moment kind)
{
    if (!gg_job_unwatched(core, job)) {
        gg_watch_job(core, fx, job, &(struct gg_entry){.kind = (uint8_t)kind});
    }
}

/* Something happened to an agent; to a queue. */
void gg_watch_agent(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                    enum gg_moment kind);
void gg_watch_queue(struct gg_core *core, struct gg_effects *fx, struct gg_queue *queue,
                    enum gg_moment kind, uint64_t count, struct gg_slice reason);

/* Progress and partial output to the waiters who asked for it; progress also to one. */
void gg_watch_progress(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);
void gg_replay_progress(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_waiter *waiter);
void gg_watch_partial(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                      uint64_t offset, struct gg_slice data);

/* What is kept of the job's partial output from `offset` on, to one waiter. */
void gg_replay_partial(struct gg_core *core, struct gg_effects *fx,
                       const struct gg_waiter *waiter, uint64_t offset);

/* Begin and end subscriptions. GG_ERR_TOO_MANY: as many as may be. */
GG_MUST_USE enum gg_err gg_subscribe(struct gg_core *core, uint32_t peer,
                                     uint64_t request, const struct gg_events *wanted);
bool gg_unsubscribe(struct gg_core *core, uint32_t peer, uint64_t request);

/* The receipt of an event came: the subscriber keeps up. */
void gg_on_event_receipt(struct gg_core *core, uint32_t index, uint64_t token);

/* Everything the session waited for or watched is dropped. */
void gg_watch_close(struct gg_core *core, uint32_t peer);

#endif
