/* async.c - requests whose answers come to a callback. */
#include "client/src/ask.h"
#include "client/src/view.h"

/* The user's function goes through the request as one without arguments. */
static ganger_answer_fn *fn_of(void (*hook)(void))
{
    return (ganger_answer_fn *)hook;
}

static void call(ganger *handle, void *ctx, const struct gg_reply *reply,
                 const ganger_answer *answer)
{
    gg_handle_call(handle);
    fn_of(reply->hook)(ctx, answer);
    gg_handle_return(handle);
}

static void call_moments(ganger *handle, void *ctx, const struct gg_reply *reply,
                         ganger_answer *answer)
{
    struct gg_view view = {.arena = &handle->shown, .epoch = reply->epoch};
    struct gg_list list = reply->command->as.event.moments;
    struct gg_moment_info info;
    struct gg_fault fault;
    ganger_moment moment;
    answer->moment = &moment;
    while (gg_session_has(handle->session, reply->request) &&
           gg_list_next_record(&list, GG_RECORD_MOMENT, &info, &fault)) {
        gg_arena_clear(&handle->shown);
        gg_view_moment(&view, &info, &moment);
        call(handle, ctx, reply, answer);
    }
}

/* The job an answer is about, or NULL where it is about none. */
static const ganger_job *view_answer(ganger *handle, const struct gg_reply *reply,
                                     ganger_answer *answer, ganger_job *job)
{
    struct gg_view view = {.arena = &handle->shown, .epoch = reply->epoch};
    const struct gg_command *command = reply->command;
    if (command == NULL) {
        if (reply->accepted != NULL) {
            gg_view_blank(reply->accepted, reply->epoch, job);
        }
        return reply->accepted != NULL ? job : NULL;
    }
    switch (command->code) {
    case GG_CMD_JOB:
        gg_view_job(&view, &command->as.job, job);
        return job;
    case GG_CMD_PROGRESS:
        gg_view_progress(&view, &command->as.progress, job);
        return job;
    case GG_CMD_PARTIAL:
        gg_view_blank(&command->as.partial.id, reply->epoch, job);
        job->fence = command->as.partial.fence;
        answer->partial = (ganger_bytes){command->as.partial.data.data,
                                         command->as.partial.data.len};
        answer->partial_offset = command->as.partial.offset;
        answer->partial_gap = command->as.partial.gap;
        return job;
    case GG_CMD_CANCELLED:
        gg_view_blank(&command->as.cancelled.id, reply->epoch, job);
        job->state = (ganger_state)command->as.cancelled.state;
        job->waiters = (unsigned)command->as.cancelled.waiters;
        answer->verdict = (ganger_verdict)command->as.cancelled.verdict;
        return job;
    default:
        return NULL;
    }
}

static void deliver(void *ctx, const struct gg_reply *reply)
{
    ganger *handle = reply->owner;
    ganger_job job;
    gg_arena_clear(&handle->shown);
    ganger_answer answer = {
        .request = reply->request,
        .err = (ganger_err)reply->err,
        .text = reply->text.len > 0 ? gg_arena_text(&handle->shown, reply->text)
                                    : gg_err_text(reply->err),
        .final = reply->final,
    };
    if (reply->err != GG_OK) {
        handle->retry_ms = reply->retry_ms > UINT32_MAX ? UINT32_MAX
                                                        : (unsigned)reply->retry_ms;
    }
    if (reply->command != NULL && reply->command->code == GG_CMD_EVENT) {
        call_moments(handle, ctx, reply, &answer);
        return;
    }
    answer.job = view_answer(handle, reply, &answer, &job);
    call(handle, ctx, reply, &answer);
}

static uint64_t start(ganger *handle, enum gg_command_code code, const void *record,
                      int timeout_ms, ganger_answer_fn *fn, void *ctx)
{
    if (fn == NULL) {
        gg_blob_unref(&handle->lent);
        (void)gg_handle_fail(handle, GG_ERR_USAGE, "there is no function to answer to");
        return 0;
    }
    const struct gg_asker asker = {
        .fn = deliver,
        .ctx = ctx,
        .hook = (void (*)(void))fn,
    };
    uint64_t number = 0;
    ganger_err err = gg_ask(handle, code, record, timeout_ms > 0 ? timeout_ms : -1,
                            &asker, &number);
    return err == GANGER_OK ? number : 0;
}

uint64_t ganger_submit_start(ganger *handle, const ganger_submission *submission,
                             bool until_end, int timeout_ms, ganger_answer_fn *fn,
                             void *ctx)
{
    struct gg_submit submit;
    if (handle == NULL) {
        gg_ask_give_back(submission, 1);
        return 0;
    }
    if (gg_ask_submit(handle, submission, &submit) != GANGER_OK) {
        return 0;
    }
    submit.wait = until_end;
    return start(handle, GG_CMD_SUBMIT, &submit, timeout_ms, fn, ctx);
}

uint64_t ganger_get_start(ganger *handle, const ganger_target *target, bool with_result,
                          int timeout_ms, ganger_answer_fn *fn, void *ctx)
{
    struct gg_target record;
    if (handle == NULL || gg_ask_target(handle, target, &record) != GANGER_OK) {
        return 0;
    }
    record.want_result = with_result;
    return start(handle, GG_CMD_GET, &record, timeout_ms, fn, ctx);
}

uint64_t ganger_wait_start(ganger *handle, const ganger_target *target, bool progress,
                           bool partial, int timeout_ms, ganger_answer_fn *fn,
                           void *ctx)
{
    struct gg_target record;
    if (handle == NULL || gg_ask_target(handle, target, &record) != GANGER_OK) {
        return 0;
    }
    record.want_result = true;
    record.want_progress = progress;
    record.want_partial = partial;
    return start(handle, GG_CMD_WAIT, &record, timeout_ms, fn, ctx);
}

uint64_t ganger_cancel_start(ganger *handle, const ganger_target *target,
                             const char *reason, int timeout_ms, ganger_answer_fn *fn,
                             void *ctx)
{
    struct gg_target record;
    if (handle == NULL || gg_ask_target(handle, target, &record) != GANGER_OK ||
        gg_ask_reason(handle, reason, &record.reason) != GANGER_OK) {
        return 0;
    }
    return start(handle, GG_CMD_CANCEL, &record, timeout_ms, fn, ctx);
}

uint64_t ganger_events_start(ganger *handle, const char *realm, const char *pattern,
                             const ganger_id *id, ganger_answer_fn *fn, void *ctx)
{
    struct gg_events events = {0};
    if (handle == NULL || gg_ask_realm(handle, realm, &events.realm) != GANGER_OK ||
        gg_ask_pattern(handle, pattern, &events.queue) != GANGER_OK) {
        return 0;
    }
    if (id != NULL) {
        memcpy(events.id.bytes, id->bytes, sizeof events.id.bytes);
    }
    return start(handle, GG_CMD_SUBSCRIBE, &events, 0, fn, ctx);
}

void ganger_forget(ganger *handle, uint64_t request)
{
    if (handle != NULL) {
        gg_session_forget(handle->session, request);
    }
}

size_t ganger_in_flight(const ganger *handle)
{
    return handle == NULL ? 0 : gg_session_in_flight(handle->session);
}

ganger_id ganger_id_new(ganger *handle)
{
    ganger_id out = {{0}};
    if (handle != NULL) {
        struct gg_id id = gg_session_new_id(handle->session, gg_wall_now());
        memcpy(out.bytes, id.bytes, sizeof out.bytes);
    }
    return out;
}
