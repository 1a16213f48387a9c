#include "broker/core/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/apart.h"
#include "broker/core/why.h"
#include "common/codec.h"

enum {
    ARENA_BYTES_MAX = 256 << 20, /* Of one step; far above what a step can ask for. */
    TEXT_BYTES = 512,
};

void gg_effects_init(struct gg_effects *fx)
{
    *fx = (struct gg_effects){0};
    gg_buf_init(&fx->arena, ARENA_BYTES_MAX);
}

void gg_effects_clear(struct gg_effects *fx)
{
    for (uint32_t i = 0; i < fx->count; i++) {
        gg_blob_unref(&fx->items[i].attachment);
    }
    fx->count = 0;
    gg_buf_clear(&fx->arena);
}

void gg_effects_fini(struct gg_effects *fx)
{
    gg_effects_clear(fx);
    gg_buf_fini(&fx->arena);
    free(fx->items);
    *fx = (struct gg_effects){0};
}

struct gg_effect *gg_effect_begin(struct gg_effects *fx, enum gg_effect_type type)
{
    if (fx->count == fx->room) {
        uint32_t room = fx->room == 0 ? 64 : fx->room * 2;
        struct gg_effect *items = realloc(fx->items, room * sizeof *items);
        if (items == NULL) {
            fx->dropped++;
            return NULL;
        }
        fx->items = items;
        fx->room = room;
    }
    struct gg_effect *effect = &fx->items[fx->count++];
    *effect = (struct gg_effect){
        .type = (uint8_t)type,
        .peer = GG_PEER_NONE,
        .offset = (uint32_t)fx->arena.len,
    };
    return effect;
}

void gg_effect_end(struct gg_effects *fx, struct gg_effect *effect)
{
    if (fx->arena.failed) {
        gg_buf_cut(&fx->arena, effect->offset);
        fx->count--;
        fx->dropped++;
        return;
    }
    effect->len = (uint32_t)(fx->arena.len - effect->offset);
}

void gg_effects_need(struct gg_effects *fx, const struct gg_buf *list)
{
    fx->arena.failed = fx->arena.failed || list->failed;
}

static void send_as(struct gg_effects *fx, enum gg_effect_type type, uint32_t peer,
                    uint64_t request, enum gg_command_code code, const void *record,
                    uint64_t after)
{
    struct gg_effect *effect = gg_effect_begin(fx, type);
    if (effect == NULL) {
        return;
    }
    effect->peer = peer;
    effect->after = after;
    gg_command_write(&fx->arena, code, request, record, NULL);
    gg_effect_end(fx, effect);
}

void gg_say(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
            uint64_t request, enum gg_command_code code, const void *record,
            uint64_t after)
{
    (void)core;
    send_as(fx, code == GG_CMD_WELCOME ? GG_FX_WELCOME : GG_FX_SEND, peer, request,
            code, record, after);
}

void gg_say_event(struct gg_effects *fx, uint32_t peer, uint64_t request,
                  const struct gg_event_info *event, uint64_t after, uint64_t token)
{
    uint32_t before = fx->count;
    send_as(fx, GG_FX_SEND, peer, request, GG_CMD_EVENT, event, after);
    if (fx->count > before) {
        fx->items[before].token = token;
    }
}

void gg_say_welcome(struct gg_core *core, struct gg_effects *fx, uint32_t peer)
{
    const struct gg_bounds *bounds = &core->bounds;
    const struct gg_session *session = core->sessions[peer];
    bool agent = session->kind == GG_PEER_AGENT;
    struct gg_welcome welcome = {
        .version = GG_PROTOCOL_VERSION,
        .epoch = core->epoch,
        .program = gg_slice_text(core->about.program),
        .heartbeat_ms = agent ? bounds->heartbeat_ms : bounds->client_heartbeat_ms,
        .dead_after_ms = agent ? bounds->dead_after_ms : bounds->client_dead_after_ms,
        .lease_ms = bounds->lease_ms,
        .frame_bytes_max = core->about.frame_bytes_max,
        .payload_bytes_max = bounds->payload_bytes_max,
        .result_bytes_max = bounds->result_bytes_max,
        .inline_bytes_max = GG_INLINE_BYTES_MAX,
        .requests_max = bounds->requests_max,
        .now_at = (uint64_t)gg_steady_wall(core).ms,
        .durability = bounds->durable ? GG_DURABILITY_FSYNC : GG_DURABILITY_NONE,
        .roles = session->grant->roles,
        .id_window_ms = bounds->id_window_ms,
        .client_endpoint = gg_slice_text(core->about.client_endpoint),
        .agent_endpoint = gg_slice_text(core->about.agent_endpoint),
        .grace_ms = bounds->grace_ms,
    };
    gg_say(core, fx, peer, 0, GG_CMD_WELCOME, &welcome, 0);
}

static uint64_t latest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void gg_say_assign(struct gg_effects *fx, uint32_t peer, struct gg_assign *assign,
                   const struct gg_job *job)
{
    struct gg_effect *effect = gg_effect_begin(fx, GG_FX_SEND);
    if (effect == NULL) {
        return;
    }
    struct gg_slice attachment = {0};
    effect->peer = peer;
    /* The agent's record too: after a restart it is asked what it runs. And the
     * queue's: a start shows that its pause is over. */
    effect->after = latest(job->seq, latest(job->newest->agent->seq, job->queue->seq));
    assign->payload = gg_blob_slice(job->payload);
    gg_command_write(&fx->arena, GG_CMD_ASSIGN, 0, assign, &attachment);
    if (attachment.data != NULL) {
        effect->attachment = gg_blob_ref(job->payload);
    }
    gg_effect_end(fx, effect);
}

void gg_say_patiently(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      uint64_t request, enum gg_command_code code, const void *record,
                      uint64_t after)
{
    uint32_t before = fx->count;
    gg_say(core, fx, peer, request, code, record, after);
    if (fx->count > before) {
        fx->items[before].patient = true;
    }
}

/* Only what is over a limit, or a name in use, is worth trying again. */
static uint64_t retry_hint(const struct gg_core *core, enum gg_err err)
{
    return gg_err_exit(err) == gg_err_exit(GG_ERR_BUSY) || err == GG_ERR_NAME_TAKEN
               ? core->bounds.retry_hint_ms
               : 0;
}

void gg_refuse_after(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, uint64_t after, enum gg_err err,
                     const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct gg_error error = {
        .error = err, .text = gg_slice_text(text), .retry_ms = retry_hint(core, err)};
    core->stat[GG_STAT_REFUSED]++;
    gg_say(core, fx, peer, request, GG_CMD_ERROR, &error, after);
}

void gg_refuse(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
               uint64_t request, enum gg_err err, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gg_refuse_after(core, fx, peer, request, 0, err, "%s", text);
}

void gg_refuse_session(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                       enum gg_err err, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct gg_reset reset = {
        .error = err,
        .text = gg_slice_text(text),
        .version_min = GG_PROTOCOL_VERSION,
        .version_max = GG_PROTOCOL_VERSION,
        .retry_ms = retry_hint(core, err),
    };
    send_as(fx, GG_FX_RESET, peer, 0, GG_CMD_RESET, &reset, 0);
}

void gg_say_done(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_done *done)
{
    gg_say(core, fx, peer, request, GG_CMD_DONE, done, core->record_number);
}

struct gg_list gg_job_tags(const struct gg_job *job, struct gg_buf *out)
{
    if (job->extra == NULL || job->extra->tag_count == 0) {
        return (struct gg_list){0};
    }
    for (uint8_t i = 0; i < job->extra->tag_count; i++) {
        gg_text_write(out, gg_blob_slice(job->extra->tags[i]));
    }
    return (struct gg_list){.raw = gg_buf_slice(out), .count = job->extra->tag_count};
}

static uint64_t date(struct gg_wall at)
{
    return at.ms > 0 ? (uint64_t)at.ms : 0;
}

/* What has to do with time and place. */
static void describe_times(const struct gg_core *core, const struct gg_job *job,
                           struct gg_job_info *out)
{
    out->submitted_at = date(job->submitted_at);
    out->started_at = date(gg_job_newest(job)->started_at);
    out->finished_at = date(gg_job_finished_at(job));
    if (job->state == GG_JOB_SCHEDULED) {
        out->run_at = date(gg_job_until(job, core->now));
    }
    if (gg_job_waits(job) && job->expires.ms != INT64_MAX) {
        out->expires_at = (uint64_t)(core->now.wall.ms + job->expires.ms -
                                     core->now.mono.ms);
    }
    if (gg_job_ended(job)) {
        out->evicts_at = date(gg_job_until(job, core->now));
    }
    const struct gg_agent *agent = gg_job_newest(job)->agent;
    if (agent != NULL) {
        out->worker = gg_blob_slice(agent->name);
    }
}

static void describe_names(const struct gg_job *job, struct gg_job_info *out)
{
    out->id = job->id;
    if (!job->queue->realm->is_default) {
        out->realm = gg_name_slice(&job->queue->realm->name);
    }
    out->queue = gg_name_slice(&job->queue->name);
    out->key = gg_job_key(job);
}

static uint64_t exit_status_of(const struct gg_job_attempt *attempt)
{
    return attempt->exit_status < 0 ? GG_UNSAID : (uint64_t)attempt->exit_status;
}

void gg_job_describe(const struct gg_core *core, const struct gg_job *job,
                     struct gg_job_info *out)
{
    const struct gg_job_attempt *attempt = gg_job_newest(job);
    gg_record_default(GG_RECORD_JOB, out);
    describe_names(job, out);
    out->state = job->state;
    out->durability = job->durability;
    out->attempt = job->attempt;
    out->attempts_max = job->attempts_max;
    out->progress_ppm = attempt->progress_ppm;
    out->error = job->error;
    out->result_bytes = attempt->result_bytes;
    out->priority = job->priority;
    out->waiters = job->waiter_count;
    out->cancelling = job->cancelling;
    out->result_gone = (job->state == GG_JOB_SUCCEEDED ||
                        job->state == GG_JOB_EVICTED) &&
                       attempt->result == NULL && attempt->result_bytes > 0 &&
                       !job->result_apart;
    out->exit_status = exit_status_of(attempt);
    out->signal = attempt->signal;
    out->fence = attempt->fence;
    out->epoch = core->epoch;
    if (job->extra != NULL) {
        out->progress_text = gg_blob_slice(job->extra->progress_text);
        out->error_text = gg_blob_slice(job->extra->error_text);
    }
    describe_times(core, job, out);
}

/* What concerns the one who submitted it and waits: that it is accepted, and then that
 * it succeeded. */
static void describe_briefly(const struct gg_core *core, const struct gg_job *job,
                             struct gg_job_info *out)
{
    gg_record_default(GG_RECORD_JOB, out);
    out->state = job->state;
    out->durability = job->durability;
    if (job->state == GG_JOB_SUCCEEDED) {
        describe_names(job, out);
        out->attempt = job->attempt;
        out->exit_status = exit_status_of(gg_job_newest(job));
    } else {
        out->id = job->id;
        out->epoch = core->epoch;
    }
}

void gg_say_job(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                uint64_t request, struct gg_job *job, const struct gg_job_view *view)
{
    if (gg_result_asked(core, fx, peer, request, job, view)) {
        return; /* It is read first. */
    }
    struct gg_buf lists;
    gg_buf_init(&lists, 65536);
    struct gg_job_info info;
    if (view->brief) {
        describe_briefly(core, job, &info);
    } else {
        gg_job_describe(core, job, &info);
        info.tags = gg_job_tags(job, &lists);
    }
    info.existing = view->existing;
    struct gg_buf reasons;
    gg_buf_init(&reasons, 65536);
    if (view->with_why) {
        info.why = gg_why_list(core, job, &reasons);
    }
    if (view->with_result) {
        info.result = gg_blob_slice(gg_job_newest(job)->result);
    }
    gg_effects_need(fx, &lists);
    gg_effects_need(fx, &reasons);
    struct gg_effect *effect = gg_effect_begin(fx, GG_FX_SEND);
    if (effect != NULL) {
        struct gg_slice attachment = {0};
        effect->peer = peer;
        effect->after = view->with_why && job->queue->seq > job->seq ? job->queue->seq
                                                                     : job->seq;
        effect->patient = view->patient;
        effect->token = view->receipt == 0
                            ? 0
                            : gg_token(job->index, job->generation, view->receipt);
        gg_command_write(&fx->arena, GG_CMD_JOB, request, &info, &attachment);
        if (attachment.data != NULL) {
            effect->attachment = gg_blob_ref(job->newest->result);
        }
        gg_effect_end(fx, effect);
    }
    gg_buf_fini(&reasons);
    gg_buf_fini(&lists);
}

void gg_note(struct gg_effects *fx, enum gg_effect_type type, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct gg_effect *effect = gg_effect_begin(fx, type);
    if (effect != NULL) {
        gg_buf_append(&fx->arena, text, strlen(text));
        gg_effect_end(fx, effect);
    }
}
