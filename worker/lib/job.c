/* job.c - the calls of ganger/worker.h. */
#include "worker/lib/job.h"

#include <string.h>

static const void *lend(struct gg_slice slice, size_t *out_len)
{
    *out_len = slice.len;
    return slice.len == 0 ? NULL : slice.data;
}

const void *ganger_job_payload(const ganger_job *job, size_t *out_len)
{
    return lend(job->assign.payload, out_len);
}

const void *ganger_job_key(const ganger_job *job, size_t *out_len)
{
    return lend(job->assign.key, out_len);
}

const void *ganger_job_checkpoint_get(const ganger_job *job, size_t *out_len)
{
    return lend(job->assign.checkpoint, out_len);
}

const char *ganger_job_id(const ganger_job *job)
{
    return job->id;
}

const char *ganger_job_queue(const ganger_job *job)
{
    return job->queue;
}

const char *ganger_job_realm(const ganger_job *job)
{
    return job->realm;
}

uint64_t ganger_job_attempt(const ganger_job *job)
{
    return job->assign.attempt;
}

uint64_t ganger_job_attempts_max(const ganger_job *job)
{
    return job->assign.attempts_max;
}

uint64_t ganger_job_fence(const ganger_job *job)
{
    return job->assign.fence;
}

uint64_t ganger_job_run_timeout_ms(const ganger_job *job)
{
    return job->assign.run_timeout_ms;
}

int ganger_job_cancelled(ganger_job *job)
{
    if (!job->cancelled) {
        (void)gg_executor_read(job->link, false);
        job->cancelled = gg_executor_is_stopped(job->link, job->assign.fence, true);
    }
    return job->cancelled || job->link->closed ? 1 : 0;
}

/* A text argument as a field: false when it is too long or not UTF-8. */
static bool take_text(const char *text, struct gg_slice *out)
{
    *out = text == NULL ? (struct gg_slice){0} : gg_slice_text(text);
    return out->len <= GG_TEXT_BYTES_MAX && gg_utf8_valid(*out);
}

static int sent(bool good)
{
    return good ? 0 : -1;
}

int ganger_job_progress(ganger_job *job, double fraction, const char *text)
{
    struct gg_progress progress;
    gg_record_default(GG_RECORD_PROGRESS, &progress);
    if (!(fraction >= 0.0 && fraction <= 1.0) ||
        !take_text(text, &progress.progress_text)) {
        return -1;
    }
    progress.id = job->assign.id;
    progress.fence = job->assign.fence;
    progress.progress_ppm = (uint64_t)(fraction * 1000000.0 + 0.5);
    return sent(gg_executor_send(job->link, GG_CMD_PROGRESS, &progress));
}

int ganger_job_partial(ganger_job *job, const void *data, size_t len)
{
    struct gg_slice rest = gg_slice_of(data, len);
    while (rest.len > 0) {
        size_t piece = rest.len < GG_PARTIAL_BYTES_MAX ? rest.len
                                                       : GG_PARTIAL_BYTES_MAX;
        struct gg_partial partial;
        gg_record_default(GG_RECORD_PARTIAL, &partial);
        partial.id = job->assign.id;
        partial.fence = job->assign.fence;
        partial.offset = job->partial_offset;
        partial.data = gg_slice_of(rest.data, piece);
        if (!gg_executor_send(job->link, GG_CMD_PARTIAL, &partial)) {
            return -1;
        }
        job->partial_offset += piece;
        rest = gg_slice_of(rest.data + piece, rest.len - piece);
    }
    return 0;
}

int ganger_job_checkpoint(ganger_job *job, const void *data, size_t len)
{
    struct gg_checkpoint checkpoint;
    if (len > GG_CHECKPOINT_BYTES_MAX) {
        return -1;
    }
    gg_record_default(GG_RECORD_CHECKPOINT, &checkpoint);
    checkpoint.id = job->assign.id;
    checkpoint.fence = job->assign.fence;
    checkpoint.data = gg_slice_of(data, len);
    return sent(gg_executor_send(job->link, GG_CMD_CHECKPOINT, &checkpoint));
}

static int report(ganger_job *job, struct gg_outcome_info *outcome)
{
    if (job->reported) {
        return -1;
    }
    outcome->id = job->assign.id;
    outcome->fence = job->assign.fence;
    job->reported = true;
    return sent(gg_executor_encode(&job->link->outcome, GG_CMD_OUTCOME, outcome));
}

static void begin(struct gg_outcome_info *outcome, enum gg_outcome kind)
{
    gg_record_default(GG_RECORD_OUTCOME, outcome);
    outcome->kind = kind;
}

int ganger_job_succeed(ganger_job *job, const void *result, size_t len)
{
    struct gg_outcome_info outcome;
    if (result == NULL && len > 0) {
        return -1;
    }
    begin(&outcome, GG_OUTCOME_SUCCEEDED);
    outcome.result = gg_slice_of(result, len);
    return report(job, &outcome);
}

int ganger_job_fail(ganger_job *job, const char *why)
{
    struct gg_outcome_info outcome;
    begin(&outcome, GG_OUTCOME_FAILED);
    return take_text(why, &outcome.text) ? report(job, &outcome) : -1;
}

int ganger_job_reject(ganger_job *job, const char *why)
{
    struct gg_outcome_info outcome;
    begin(&outcome, GG_OUTCOME_REJECTED);
    return take_text(why, &outcome.text) ? report(job, &outcome) : -1;
}

int ganger_job_snooze(ganger_job *job, uint64_t delay_ms, const char *why)
{
    struct gg_outcome_info outcome;
    begin(&outcome, GG_OUTCOME_SNOOZED);
    outcome.snooze_ms = delay_ms;
    return delay_ms <= GG_YEAR_MS && take_text(why, &outcome.text)
               ? report(job, &outcome)
               : -1;
}
