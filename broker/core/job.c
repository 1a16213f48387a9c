#include "broker/core/job.h"

#include <stdlib.h>

#include "broker/core/history.h"
#include "common/assert.h"

#define BIT(state) (1U << (state))
#define ENDS                                                                           \
    (BIT(GG_JOB_SUCCEEDED) | BIT(GG_JOB_FAILED) | BIT(GG_JOB_CANCELLED) |              \
     BIT(GG_JOB_EXPIRED))

/* Which states may follow which: the drawing in job.h, and nothing more. */
static const unsigned allowed_next[GG_JOB_STATE_COUNT] = {
    [GG_JOB_NONE] = BIT(GG_JOB_SCHEDULED) | BIT(GG_JOB_READY),
    [GG_JOB_SCHEDULED] = BIT(GG_JOB_READY) | ENDS,
    [GG_JOB_BLOCKED] = BIT(GG_JOB_READY) | BIT(GG_JOB_CANCELLED) | BIT(GG_JOB_EXPIRED),
    [GG_JOB_READY] = BIT(GG_JOB_RUNNING) | ENDS,
    [GG_JOB_RUNNING] = BIT(GG_JOB_READY) | BIT(GG_JOB_SCHEDULED) | ENDS,
    [GG_JOB_SUCCEEDED] = BIT(GG_JOB_EVICTED),
    [GG_JOB_FAILED] = BIT(GG_JOB_EVICTED) | BIT(GG_JOB_READY),
    [GG_JOB_CANCELLED] = BIT(GG_JOB_EVICTED) | BIT(GG_JOB_READY),
    [GG_JOB_EXPIRED] = BIT(GG_JOB_EVICTED) | BIT(GG_JOB_READY),
    [GG_JOB_EVICTED] = BIT(GG_JOB_NONE),
};

void gg_job_set_state(struct gg_job *job, enum gg_job_state next)
{
    GG_ASSERT(next < GG_JOB_STATE_COUNT);
    GG_ASSERT((allowed_next[job->state] & BIT(next)) != 0);
    job->state = (uint8_t)next;
}

void gg_job_restore_state(struct gg_job *job, enum gg_job_state state)
{
    GG_ASSERT(job->state == GG_JOB_NONE);
    GG_ASSERT(state > GG_JOB_NONE && state < GG_JOB_STATE_COUNT);
    job->state = (uint8_t)state;
}

void gg_job_set_retention(struct gg_job *job)
{
    bool unsaid = job->terms->keep_ms == GG_UNSAID;
    job->until_delivered = job->terms->keep_ms == 0 || (unsaid && job->key == NULL);
    job->plain = job->until_delivered && job->key == NULL;
}

const struct gg_job_attempt gg_job_attempt_none = {.exit_status = -1};

struct gg_key *gg_key_new(struct gg_slice key, uint64_t payload_digest)
{
    GG_ASSERT(key.len > 0 && key.len <= UINT8_MAX);
    struct gg_key *made = malloc(sizeof *made + key.len);
    if (made != NULL) {
        made->payload_digest = payload_digest;
        made->len = (uint8_t)key.len;
        memcpy(made->bytes, key.data, key.len);
    }
    return made;
}

struct gg_wall gg_job_finished_at(const struct gg_job *job)
{
    return job->state >= GG_JOB_SUCCEEDED ? job->finished_at : (struct gg_wall){0};
}

struct gg_wall gg_job_until(const struct gg_job *job, struct gg_now now)
{
    if (job->state == GG_JOB_SCHEDULED && job->by_date) {
        return job->run_at;
    }
    if (job->state == GG_JOB_SCHEDULED || gg_job_ended(job)) {
        return (struct gg_wall){now.wall.ms + job->due.ms - now.mono.ms};
    }
    return (struct gg_wall){0};
}

static void extra_free(struct gg_extra *extra)
{
    if (extra == NULL) {
        return;
    }
    gg_blob_unref(&extra->error_text);
    gg_blob_unref(&extra->progress_text);
    gg_blob_unref(&extra->checkpoint);
    gg_history_destroy(&extra->history);
    gg_buf_fini(&extra->partial.bytes);
    for (uint8_t i = 0; i < extra->tag_count; i++) {
        gg_blob_unref(&extra->tags[i]);
    }
    free(extra);
}

void gg_job_release(struct gg_job *job)
{
    gg_blob_unref(&job->payload);
    if (job->newest != NULL) {
        gg_blob_unref(&job->newest->result);
    }
    free(job->key);
    job->key = NULL;
    extra_free(job->extra);
    job->extra = NULL;
}

void gg_text_replace(struct gg_blob **blob_p, struct gg_slice text, size_t max)
{
    gg_blob_unref(blob_p);
    if (text.len > 0) {
        *blob_p = gg_blob_new(gg_slice_of(text.data, text.len < max ? text.len : max));
    }
}
