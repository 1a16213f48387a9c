#include "broker/core/ending.h"

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/lease.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/retry.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"
#include "common/assert.h"

/* ---- retention ---- */

/* How long the job is kept from its end on. */
static uint64_t retention_ms(const struct gg_core *core, const struct gg_job *job)
{
    const struct gg_terms *terms = job->terms;
    if (job->state == GG_JOB_SUCCEEDED) {
        if (job->until_delivered) {
            /* Somebody waits, or may come for it; at most this long. */
            return terms->keep_ms == 0 && job->waiter_count == 0
                       ? 0
                       : core->bounds.keep_unkeyed_ms;
        }
        return terms->keep_ms == GG_UNSAID ? core->bounds.keep_keyed_ms
                                           : terms->keep_ms;
    }
    if (terms->keep_failed_ms != GG_UNSAID) {
        return terms->keep_failed_ms;
    }
    return job->state == GG_JOB_FAILED ? core->bounds.keep_failed_ms
                                       : core->bounds.keep_keyed_ms;
}

/* Most jobs that nobody waits for are not kept at all: these take no way over a timer,
 * of which only so many are looked at in a step, but go when the step has ended. */
static void begin_retention(struct gg_core *core, struct gg_job *job)
{
    uint64_t keep = retention_ms(core, job);
    job->due = gg_mono_add(core->now.mono, keep);
    if (keep == 0 && job->state != GG_JOB_FAILED && job->waiter_count == 0) {
        gg_list_push_back(&core->leaving, &job->line);
    } else {
        gg_job_arm(core, job);
    }
}

/* The dead-letter list is capped: beyond it the oldest goes, counted and said. */
static void cap_dead(struct gg_core *core, struct gg_effects *fx)
{
    while (core->count[GG_JOB_FAILED] > core->bounds.dead_jobs_max ||
           core->dead_bytes > core->bounds.dead_bytes_max) {
        struct gg_link *first = gg_list_first(&core->dead);
        if (first == NULL) {
            return;
        }
        struct gg_job *job = GG_CONTAINER(first, struct gg_job, line);
        core->stat[GG_STAT_DEAD_CAPPED]++;
        gg_evict(core, fx, job);
    }
}

static void enter_dead(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    gg_list_push_back(&core->dead, &job->line);
    job->newest->dead_charged = job->charged; /* Who never ran does not fail. */
    core->dead_bytes += job->charged;
    cap_dead(core, fx);
}

/* ---- ending ---- */

static void count_end(struct gg_core *core, struct gg_job *job)
{
    static const enum gg_stat_id stats[GG_JOB_STATE_COUNT] = {
        [GG_JOB_SUCCEEDED] = GG_STAT_SUCCEEDED,
        [GG_JOB_FAILED] = GG_STAT_FAILED,
        [GG_JOB_CANCELLED] = GG_STAT_CANCELLED,
        [GG_JOB_EXPIRED] = GG_STAT_EXPIRED,
    };
    core->stat[stats[job->state]]++;
    job->queue->ended[job->state - GG_JOB_SUCCEEDED]++;
}

/* A success keeps its key and drops its payload; all else frees the key at once and
 * keeps the payload, so that it can be tried again by hand. */
static void settle_key(struct gg_core *core, struct gg_job *job)
{
    if (job->state == GG_JOB_SUCCEEDED) {
        gg_payload_drop(core, job);
        if (job->terms->unique_until == GG_UNIQUE_EVICTED) {
            return;
        }
    }
    gg_registry_drop_key(core, job);
}

/* Tell some of the job's waiters; those left are told in later steps. */
static void tell_waiters(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job, uint32_t *budget)
{
    struct gg_link *first;
    while (*budget > 0 && (first = gg_list_first(&job->waiters)) != NULL) {
        struct gg_waiter *waiter = GG_CONTAINER(first, struct gg_waiter, of_job);
        struct gg_job_view view = {
            .with_result = true,
            .existing = waiter->existing,
            .brief = waiter->end_only && job->state == GG_JOB_SUCCEEDED,
            .receipt = waiter->is_sender ? GG_RECEIPT_BOTH : GG_RECEIPT_FINAL};
        gg_say_job(core, fx, waiter->peer, waiter->request, job, &view);
        gg_waiter_free(core, waiter);
        (*budget)--;
    }
}

void gg_answer_waiters(struct gg_core *core, struct gg_effects *fx)
{
    uint32_t budget = GG_ANSWERS_PER_STEP;
    struct gg_link *first;
    while (budget > 0 && (first = gg_list_first(&core->answering)) != NULL) {
        struct gg_job *job = GG_CONTAINER(first, struct gg_extra, answering)->job;
        tell_waiters(core, fx, job, &budget);
        if (!gg_list_empty(&job->waiters)) {
            return;
        }
        gg_list_remove(first);
        job->answering = false;
    }
}

void gg_finish(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
               enum gg_job_state state, enum gg_err err)
{
    GG_ASSERT(job->newest == NULL || !gg_list_linked(&job->newest->lease));
    GG_ASSERT(!gg_list_linked(&job->line));
    gg_move(core, job, state);
    job->error = (uint16_t)err;
    job->cancelling = false;
    job->in_backoff = false;
    job->lost = false;
    job->recovered = false;
    job->finished_at = core->now.wall;
    count_end(core, job);
    settle_key(core, job);
    begin_retention(core, job);
    gg_persist(core, job);
    gg_watch_moment(core, fx, job, GG_MOMENT_ENDED);
    uint32_t budget = GG_ANSWERS_PER_STEP;
    tell_waiters(core, fx, job, &budget);
    if (!gg_list_empty(&job->waiters)) {
        gg_list_push_back(&core->answering, &job->extra->answering);
        job->answering = true;
    }
    if (state == GG_JOB_FAILED) {
        enter_dead(core, fx, job);
    }
}

void gg_end_waiting(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                    enum gg_job_state state, enum gg_err err)
{
    GG_ASSERT(gg_job_waits(job));
    if (job->state == GG_JOB_READY) {
        gg_queue_pull(job);
    }
    gg_finish(core, fx, job, state, err);
}

/* ---- trying again ---- */

static uint64_t backoff_ms(struct gg_core *core, const struct gg_job *job)
{
    const struct gg_terms *terms = job->terms;
    struct gg_backoff_policy policy = {
        .kind = GG_BACKOFF_EXPONENTIAL,
        .first_ms = terms->backoff_ms != 0 ? terms->backoff_ms
                                           : core->bounds.backoff_ms,
        .most_ms = terms->backoff_max_ms != 0 ? terms->backoff_max_ms
                                              : core->bounds.backoff_max_ms,
    };
    if (terms->backoff != GG_BACKOFF_DEFAULT) {
        policy.kind = (enum gg_backoff)terms->backoff;
        policy.first_ms = terms->backoff_ms;
    }
    if (policy.kind == GG_BACKOFF_LIST) {
        policy.list = job->extra->backoff_list;
        policy.list_count = job->extra->backoff_count;
    }
    uint32_t granted = job->attempts_max -
                       terms->attempts; /* Before a retry by hand. */
    uint32_t failures = job->attempt > granted ? job->attempt - granted : 1;
    return gg_backoff_delay(&policy, failures, &core->rng);
}

void gg_fail_attempt(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                     enum gg_err err)
{
    if (job->attempt >= job->attempts_max) {
        gg_finish(core, fx, job, GG_JOB_FAILED, err);
        return;
    }
    uint64_t delay = backoff_ms(core, job);
    gg_move(core, job, GG_JOB_SCHEDULED);
    job->error = (uint16_t)err;
    job->in_backoff = true;
    job->by_date = false;
    job->due = gg_mono_add(core->now.mono, delay);
    gg_job_arm(core, job);
    core->stat[GG_STAT_RETRIED]++;
    gg_persist(core, job);
    gg_watch_job(core, fx, job,
                 &(struct gg_entry){.kind = GG_MOMENT_RETRY,
                                    .until = gg_job_until(job, core->now)});
}

/* ---- forgetting ---- */

/* Until when a resend of the id must find it. */
static struct gg_mono remembered_until(const struct gg_core *core,
                                       const struct gg_job *job)
{
    int64_t age = gg_steady_wall(core).ms - gg_id_time(&job->id).ms;
    int64_t left = (int64_t)core->bounds.id_window_ms - age;
    return (struct gg_mono){core->now.mono.ms + (left > 0 ? left : 0)};
}

static void forget(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    gg_erase(core, fx, job);
    gg_registry_remove(core, job);
}

void gg_evict(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    GG_ASSERT(gg_job_ended(job));
    if (job->answering) {
        uint32_t all =
            UINT32_MAX; /* Retention is over: the last waiters are told now. */
        tell_waiters(core, fx, job, &all);
        gg_list_remove(&job->extra->answering);
        job->answering = false;
    }
    if (job->state == GG_JOB_FAILED) {
        core->dead_bytes -= job->newest->dead_charged;
    }
    if (gg_list_linked(&job->line)) {
        gg_list_remove(&job->line); /* Of the dead, or of those that leave. */
    }
    core->stat[GG_STAT_EVICTED]++;
    gg_watch_moment(core, fx, job, GG_MOMENT_EVICTED);
    gg_registry_drop_key(core, job);
    gg_move(core, job, GG_JOB_EVICTED);
    if (job->newest != NULL) {
        gg_agent_unref(&job->newest->agent);
    }
    gg_payload_drop(core, job);
    gg_result_drop(core, job);
    gg_job_release(job);
    gg_charge(core, job, (int64_t)GG_JOB_BYTES - (int64_t)job->charged);
    job->due = remembered_until(core, job);
    if (job->answer_acked || gg_mono_reached(job->due, core->now.mono)) {
        forget(core, fx, job);
    } else {
        gg_persist(core, job); /* Only that the id is remembered. */
        gg_job_arm(core, job);
    }
}

void gg_evict_leaving(struct gg_core *core, struct gg_effects *fx)
{
    struct gg_link *first;
    while ((first = gg_list_first(&core->leaving)) != NULL) {
        gg_list_remove(first);
        gg_evict(core, fx, GG_CONTAINER(first, struct gg_job, line));
    }
}

void gg_ended_due(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->state == GG_JOB_EVICTED) {
        forget(core, fx, job);
    } else {
        gg_evict(core, fx, job);
    }
}

void gg_on_accept_receipt(struct gg_core *core, struct gg_effects *fx,
                          struct gg_job *job)
{
    job->answer_acked = true;
    if (job->state == GG_JOB_EVICTED) {
        forget(core, fx, job);
    }
}

void gg_on_final_receipt(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job)
{
    if (job->state == GG_JOB_SUCCEEDED && job->until_delivered && !job->answering) {
        gg_evict(core, fx, job);
    }
}
