#include "broker/core/outcome.h"

#include <stdio.h>

#include "broker/core/answer.h"
#include "broker/core/ending.h"
#include "broker/core/lease.h"
#include "broker/core/operate.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"

/* ---- which attempt ---- */

/* The job that `agent` runs under `fence`, or NULL. */
static struct gg_job *running(struct gg_core *core, const struct gg_agent *agent,
                              const struct gg_id *id, uint64_t fence)
{
    struct gg_job *job = gg_registry_by_id(core, id);
    return job != NULL && job->state == GG_JOB_RUNNING && job->newest->fence == fence &&
                   job->newest->agent == agent
               ? job
               : NULL;
}

static void confirm(struct gg_core *core, struct gg_effects *fx,
                    const struct gg_agent *agent, const struct gg_outcome_info *outcome,
                    enum gg_err err, uint64_t after)
{
    struct gg_confirm answer = {
        .id = outcome->id, .fence = outcome->fence, .error = err};
    gg_say_patiently(core, fx, agent->peer, 0, GG_CMD_CONFIRM, &answer, after);
}

/* ---- how attempts end ---- */

/* The text of an attempt's end: the agent's, or one made from its numbers. */
static void keep_reason(struct gg_core *core, struct gg_job *job,
                        const struct gg_outcome_info *outcome)
{
    job->newest->exit_status = outcome->exit_status > 255
                                   ? -1
                                   : (int16_t)outcome->exit_status;
    job->newest->signal = (uint8_t)outcome->signal;
    struct gg_extra *extra = outcome->text.len == 0 ? job->extra
                                                    : gg_job_extra(core, job);
    if (extra != NULL) {
        gg_job_text(core, job, &extra->error_text, outcome->text, GG_TEXT_BYTES_MAX);
    }
}

static enum gg_err error_of(uint64_t kind)
{
    static const enum gg_err errors[GG_OUTCOME_COUNT] = {
        [GG_OUTCOME_FAILED] = GG_ERR_FAILED,
        [GG_OUTCOME_REJECTED] = GG_ERR_REJECTED,
        [GG_OUTCOME_SNOOZED] = GG_ERR_SNOOZED,
        [GG_OUTCOME_CRASHED] = GG_ERR_CRASHED,
        [GG_OUTCOME_TIMED_OUT] = GG_ERR_RUN_TIMEOUT,
        [GG_OUTCOME_CANCELLED] = GG_ERR_CANCELLED,
        [GG_OUTCOME_HANDED_BACK] = GG_ERR_WITHDRAWN,
        [GG_OUTCOME_LOST] = GG_ERR_LEASE_LOST,
        [GG_OUTCOME_NOT_STARTED] = GG_ERR_NOT_STARTED,
    };
    return errors[kind];
}

static void note_outcome(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job, const struct gg_outcome_info *outcome)
{
    if (outcome->kind == GG_OUTCOME_SUCCEEDED && gg_job_unwatched(core, job)) {
        return;
    }
    struct gg_entry entry = {.kind = GG_MOMENT_OUTCOME,
                             .error = (uint16_t)error_of(outcome->kind),
                             .exit_status = job->newest->exit_status,
                             .signal = job->newest->signal};
    if (outcome->kind != GG_OUTCOME_SUCCEEDED) {
        gg_text_replace(&entry.text, outcome->text, GG_TEXT_BYTES_MAX);
    }
    gg_text_replace(&entry.output, outcome->output, GG_TAIL_BYTES_MAX);
    gg_watch_job(core, fx, job, &entry);
}

/* Keep the result. False without memory: the outcome is then not taken, and the agent
 * sends it again. */
static bool keep_result(struct gg_core *core, struct gg_job *job,
                        const struct gg_outcome_info *outcome)
{
    if (outcome->result.len > 0) {
        job->newest->result = gg_blob_keep(outcome->result, core->holder);
        if (job->newest->result == NULL) {
            return false;
        }
    }
    job->newest->result_bytes = outcome->result.len;
    gg_charge(core, job, (int64_t)outcome->result.len);
    return true;
}

static void snooze(struct gg_core *core, struct gg_job *job, uint64_t ms)
{
    job->attempt--;
    gg_move(core, job, GG_JOB_SCHEDULED);
    job->by_date = false;
    job->due = gg_mono_add(core->now.mono, ms);
    gg_job_arm(core, job);
    gg_persist(core, job);
}

static void crash(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    job->crashes++;
    if (job->crashes >= core->bounds.crashes_max) {
        gg_finish(core, fx, job, GG_JOB_FAILED, GG_ERR_POISON);
    } else {
        gg_fail_attempt(core, fx, job, GG_ERR_CRASHED);
    }
}

/* An attempt that was lost is no fault of the job: again at once while attempts
 * last. */
static void lost(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (gg_job_at_most_once(job) || job->attempt >= job->attempts_max) {
        gg_finish(core, fx, job, GG_JOB_FAILED, GG_ERR_LEASE_LOST);
        return;
    }
    job->error = GG_ERR_LEASE_LOST;
    gg_persist(core, job);
    gg_make_ready(core, fx, job, true);
}

/* Not tried, or stopped in order: that uses up nothing. What runs at most once and may
 * have started does not start again all the same. */
static void hand_back(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                      bool never_started)
{
    if (gg_job_at_most_once(job) && (job->started || !never_started)) {
        lost(core, fx, job);
        return;
    }
    job->attempt--;
    if (job->kept_running) {
        gg_persist(core, job);
    }
    gg_make_ready(core, fx, job, true);
}

/* What becomes of a job whose lease has just been released: one row a kind of
 * outcome. */
static void apply(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                  const struct gg_outcome_info *outcome)
{
    if (job->cancelling) {
        gg_finish(core, fx, job, GG_JOB_CANCELLED, GG_ERR_CANCELLED);
        return;
    }
    switch ((enum gg_outcome)outcome->kind) {
    case GG_OUTCOME_SUCCEEDED:
        gg_finish(core, fx, job, GG_JOB_SUCCEEDED, GG_OK);
        return;
    case GG_OUTCOME_REJECTED:
        gg_finish(core, fx, job, GG_JOB_FAILED, GG_ERR_REJECTED);
        return;
    case GG_OUTCOME_SNOOZED:
        snooze(core, job, outcome->snooze_ms);
        return;
    case GG_OUTCOME_CRASHED:
        crash(core, fx, job);
        return;
    case GG_OUTCOME_HANDED_BACK:
        hand_back(core, fx, job, outcome->never_started);
        return;
    case GG_OUTCOME_LOST:
        lost(core, fx, job);
        return;
    case GG_OUTCOME_FAILED:
    case GG_OUTCOME_TIMED_OUT:
    case GG_OUTCOME_CANCELLED:
    case GG_OUTCOME_NOT_STARTED:
        gg_fail_attempt(core, fx, job, error_of(outcome->kind));
        return;
    case GG_OUTCOME_COUNT:
        break;
    }
}

/* The outcome of the attempt that holds the lease. */
static void take(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                 struct gg_job *job, const struct gg_outcome_info *outcome)
{
    bool success = outcome->kind == GG_OUTCOME_SUCCEEDED && !job->cancelling;
    struct gg_outcome_info refused = *outcome;
    if (success && outcome->result.len > core->bounds.result_bytes_max) {
        refused.kind = GG_OUTCOME_FAILED;
        refused.text = gg_slice_text("the result is larger than the broker takes");
        outcome = &refused;
    } else if (success && !keep_result(core, job, outcome)) {
        return;
    }
    keep_reason(core, job, outcome);
    if (!job->plain || outcome->kind != GG_OUTCOME_SUCCEEDED) {
        note_outcome(core, fx, job, outcome);
    }
    struct gg_pool *pool = gg_lease_release(job);
    apply(core, fx, job, outcome);
    confirm(core, fx, agent, outcome, GG_OK, job->seq);
    gg_dispatch_freed(core, fx, agent, pool);
    gg_settles_check(core, fx);
}

/* The lease was lost but no newer attempt has begun: nothing finished is thrown away
 * for lateness alone. A late failure changes nothing: the attempt already counts as
 * lost. */
static void take_late(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent, struct gg_job *job,
                      const struct gg_outcome_info *outcome)
{
    bool ends = outcome->kind == GG_OUTCOME_SUCCEEDED ||
                outcome->kind == GG_OUTCOME_REJECTED;
    if (ends && outcome->result.len <= core->bounds.result_bytes_max) {
        bool success = outcome->kind == GG_OUTCOME_SUCCEEDED;
        if (success && !keep_result(core, job, outcome)) {
            return;
        }
        keep_reason(core, job, outcome);
        note_outcome(core, fx, job, outcome);
        gg_end_waiting(core, fx, job, success ? GG_JOB_SUCCEEDED : GG_JOB_FAILED,
                       success ? GG_OK : GG_ERR_REJECTED);
    }
    confirm(core, fx, agent, outcome, GG_OK, job->seq);
}

void gg_on_outcome(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_outcome_info *outcome)
{
    struct gg_job *job = running(core, agent, &outcome->id, outcome->fence);
    if (job != NULL) {
        take(core, fx, agent, job, outcome);
        return;
    }
    job = gg_registry_by_id(core, &outcome->id);
    if (job == NULL && outcome->fence >> GG_FENCE_SHIFT < core->epoch) {
        confirm(core, fx, agent, outcome, GG_ERR_LOST_WITH_BROKER, 0);
        return;
    }
    bool newest = job != NULL && gg_job_newest(job)->fence == outcome->fence &&
                  gg_job_newest(job)->agent == agent;
    if (newest && gg_job_ended(job)) {
        confirm(core, fx, agent, outcome, GG_OK, job->seq); /* Said again. */
    } else if (newest && gg_job_waits(job) && outcome->kind != GG_OUTCOME_HANDED_BACK) {
        take_late(core, fx, agent, job, outcome);
    } else {
        core->stat[GG_STAT_STALE]++;
        confirm(core, fx, agent, outcome, GG_ERR_STALE, job == NULL ? 0 : job->seq);
    }
}

/* ---- while it runs ---- */

void gg_on_started(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_started *started)
{
    struct gg_job *job = running(core, agent, &started->id, started->fence);
    if (job != NULL) {
        gg_lease_started(core, fx, job);
    }
}

void gg_on_progress(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                    const struct gg_progress *progress)
{
    struct gg_job *job = running(core, agent, &progress->id, progress->fence);
    if (job == NULL) {
        return;
    }
    job->newest->progress_ppm = (uint32_t)progress->progress_ppm;
    struct gg_extra *extra = gg_job_extra(core, job);
    if (extra != NULL) {
        gg_job_text(core, job, &extra->progress_text, progress->progress_text,
                    GG_TEXT_BYTES_MAX);
    }
    gg_watch_progress(core, fx, job);
}

/* Keep the last bytes; what falls out at the front shows as a gap to who comes late. */
static void keep_partial(struct gg_core *core, struct gg_job *job,
                         struct gg_partial_buf *kept, struct gg_slice data)
{
    size_t max = (size_t)core->bounds.partial_bytes_max;
    size_t before = kept->bytes.len;
    if (kept->bytes.max == 0) {
        gg_buf_init(&kept->bytes, max);
    }
    size_t keep = data.len < max ? data.len : max;
    size_t drop = before + keep > max ? before + keep - max : 0;
    if (drop > 0) {
        memmove(kept->bytes.data, kept->bytes.data + drop, before - drop);
        gg_buf_cut(&kept->bytes, before - drop);
    }
    gg_buf_append(&kept->bytes, data.data + (data.len - keep), keep);
    kept->offset += drop + (data.len - keep);
    gg_charge(core, job, (int64_t)kept->bytes.len - (int64_t)before);
}

void gg_on_partial(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                   const struct gg_partial *partial)
{
    struct gg_job *job = running(core, agent, &partial->id, partial->fence);
    struct gg_extra *extra = job == NULL ? NULL : gg_job_extra(core, job);
    if (extra == NULL) {
        return;
    }
    struct gg_partial_buf *kept = &extra->partial;
    if (partial->offset != kept->offset + kept->bytes.len) {
        /* A new attempt, or a piece was lost with a connection: begin anew here. */
        gg_charge(core, job, -(int64_t)kept->bytes.len);
        gg_buf_clear(&kept->bytes);
        kept->offset = partial->offset;
    }
    keep_partial(core, job, kept, partial->data);
    gg_watch_partial(core, fx, job, partial->offset, partial->data);
}

void gg_on_checkpoint(struct gg_core *core, struct gg_agent *agent,
                      const struct gg_checkpoint *checkpoint)
{
    struct gg_job *job = running(core, agent, &checkpoint->id, checkpoint->fence);
    struct gg_extra *extra = job == NULL ? NULL : gg_job_extra(core, job);
    if (extra == NULL) {
        return;
    }
    gg_job_text(core, job, &extra->checkpoint, checkpoint->data,
                GG_CHECKPOINT_BYTES_MAX);
    gg_persist(core, job);
}
