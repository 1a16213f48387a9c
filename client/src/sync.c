/* sync.c - calls that wait: for jobs. */
#include "client/src/sync.h"

#include <stdlib.h>

static void settle(void *ctx, const struct gg_reply *reply)
{
    struct gg_call *call = ctx;
    call->epoch = reply->epoch;
    if (reply->err != GG_OK) {
        call->err = reply->err;
        (void)gg_handle_fail_slice(call->handle, reply->err, reply->text);
        call->handle->retry_ms = reply->retry_ms > UINT32_MAX
                                     ? UINT32_MAX
                                     : (unsigned)reply->retry_ms;
    } else if (reply->command != NULL && call->take != NULL && reply->final) {
        gg_handle_call(call->handle);
        call->take(call, reply->command);
        gg_handle_return(call->handle);
    }
    if (reply->accepted != NULL) {
        call->accepted = *reply->accepted;
        call->has_accepted = true;
    }
    call->done = reply->final;
}

ganger_err gg_call_run(struct gg_call *call, enum gg_command_code code,
                       const void *record, int timeout_ms)
{
    const struct gg_asker asker = {.fn = settle, .ctx = call};
    ganger *handle = call->handle;
    call->done = false;
    call->err = GG_OK;
    uint64_t number = 0;
    ganger_err err = gg_ask(handle, code, record, timeout_ms, &asker, &number);
    if (err != GANGER_OK) {
        return err;
    }
    err = ganger_process(handle);
    while (err == GANGER_OK && !call->done) {
        err = gg_handle_turn(handle, -1);
    }
    if (!call->done) {
        gg_session_forget(handle->session, number);
        return err;
    }
    if (call->err == GG_OK && handle->kept.failed) {
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    return (ganger_err)call->err;
}

struct gg_view gg_call_view(const struct gg_call *call)
{
    return (struct gg_view){
        .arena = &call->handle->kept,
        .keep = true,
        .epoch = call->epoch,
    };
}

int gg_time_left(struct gg_mono began, int timeout_ms)
{
    if (timeout_ms < 0) {
        return -1;
    }
    int64_t passed = gg_mono_now().ms - began.ms;
    return passed >= timeout_ms ? 0 : (int)(timeout_ms - passed);
}

static void take_job(struct gg_call *call, const struct gg_command *command)
{
    ganger_job job;
    if (command->code == GG_CMD_JOB && call->out != NULL) {
        struct gg_view view = gg_call_view(call);
        gg_view_job(&view, &command->as.job, &job);
        if (!call->handle->kept.failed) {
            *(ganger_job *)call->out = job;
        }
    }
}

static ganger_err submit(ganger *handle, const ganger_submission *submission,
                         bool until_end, int timeout_ms, ganger_job *out)
{
    if (!gg_handle_enter(handle)) {
        gg_ask_give_back(submission, 1);
        return GANGER_USAGE;
    }
    struct gg_submit record;
    ganger_err err = gg_ask_submit(handle, submission, &record);
    if (err != GANGER_OK) {
        return err;
    }
    record.wait = until_end;
    struct gg_call call = {.handle = handle, .take = take_job, .out = out};
    err = gg_call_run(&call, GG_CMD_SUBMIT, &record, timeout_ms);
    if (err != GANGER_OK && call.has_accepted && out != NULL) {
        gg_view_blank(&call.accepted, call.epoch, out);
    }
    return err;
}

ganger_err ganger_submit(ganger *handle, const ganger_submission *submission,
                         int timeout_ms, ganger_job *out)
{
    return submit(handle, submission, false, timeout_ms, out);
}

ganger_err ganger_run(ganger *handle, const ganger_submission *submission,
                      int timeout_ms, ganger_job *out)
{
    return submit(handle, submission, true, timeout_ms, out);
}

struct many {
    ganger_job *jobs;
    size_t count;
    size_t filled;
};

static void take_jobs(struct gg_call *call, const struct gg_command *command)
{
    struct many *many = call->out;
    struct gg_view view = gg_call_view(call);
    struct gg_list list = command->as.jobs.jobs;
    struct gg_job_info job;
    struct gg_fault fault;
    while (many->jobs != NULL && many->filled < many->count &&
           gg_list_next_record(&list, GG_RECORD_JOB, &job, &fault)) {
        gg_view_job(&view, &job, &many->jobs[many->filled++]);
    }
}

/* Ids are made by the broker's clock, and these are not made anew: one that was never
 * met is met first. Returns what is left of the time. */
static int meet(ganger *handle, int timeout_ms)
{
    struct gg_mono began = gg_mono_now();
    int left = timeout_ms;
    while (!gg_session_met(handle->session) && left != 0 &&
           gg_handle_turn(handle, left) == GANGER_OK) {
        left = gg_time_left(began, timeout_ms);
    }
    return left;
}

ganger_err ganger_submit_many(ganger *handle, const ganger_submission *submissions,
                              size_t count, int timeout_ms, ganger_job *out_jobs)
{
    if (!gg_handle_enter(handle)) {
        gg_ask_give_back(submissions, count);
        return GANGER_USAGE;
    }
    struct gg_submit_many record;
    timeout_ms = meet(handle, timeout_ms);
    ganger_err err = gg_ask_submit_many(handle, submissions, count, &record);
    if (err != GANGER_OK) {
        return err;
    }
    struct many many = {.jobs = out_jobs, .count = count};
    struct gg_call call = {.handle = handle, .take = take_jobs, .out = &many};
    err = gg_call_run(&call, GG_CMD_SUBMIT_MANY, &record, timeout_ms);
    if (err == GANGER_OK && out_jobs != NULL && many.filled < count) {
        return gg_handle_fail(handle, GG_ERR_BAD_MESSAGE,
                              "the broker answered for %zu of %zu jobs", many.filled,
                              count);
    }
    return err;
}

ganger_err ganger_get(ganger *handle, const ganger_target *target, bool with_result,
                      bool with_why, int timeout_ms, ganger_job *out)
{
    struct gg_target record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = gg_ask_target(handle, target, &record);
    if (err != GANGER_OK) {
        return err;
    }
    record.want_result = with_result;
    record.want_why = with_why;
    struct gg_call call = {.handle = handle, .take = take_job, .out = out};
    return gg_call_run(&call, GG_CMD_GET, &record, timeout_ms);
}

ganger_err ganger_wait(ganger *handle, const ganger_target *target, int timeout_ms,
                       ganger_job *out)
{
    struct gg_target record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = gg_ask_target(handle, target, &record);
    if (err != GANGER_OK) {
        return err;
    }
    record.want_result = true;
    struct gg_call call = {.handle = handle, .take = take_job, .out = out};
    return gg_call_run(&call, GG_CMD_WAIT, &record, timeout_ms);
}

struct cancelled {
    ganger_verdict verdict;
    unsigned waiters;
};

static void take_cancelled(struct gg_call *call, const struct gg_command *command)
{
    struct cancelled *out = call->out;
    out->verdict = (ganger_verdict)command->as.cancelled.verdict;
    out->waiters = (unsigned)command->as.cancelled.waiters;
}

ganger_err ganger_cancel(ganger *handle, const ganger_target *target,
                         const char *reason, int timeout_ms, ganger_verdict *out,
                         unsigned *out_waiters)
{
    struct gg_target record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = gg_ask_target(handle, target, &record);
    err = err != GANGER_OK ? err : gg_ask_reason(handle, reason, &record.reason);
    if (err != GANGER_OK) {
        return err;
    }
    struct cancelled cancelled = {0};
    struct gg_call call = {.handle = handle, .take = take_cancelled, .out = &cancelled};
    err = gg_call_run(&call, GG_CMD_CANCEL, &record, timeout_ms);
    if (err == GANGER_OK && out != NULL) {
        *out = cancelled.verdict;
    }
    if (err == GANGER_OK && out_waiters != NULL) {
        *out_waiters = cancelled.waiters;
    }
    return err;
}

ganger_err ganger_retry(ganger *handle, const ganger_target *target, const char *reason,
                        int timeout_ms, ganger_job *out)
{
    struct gg_target record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = gg_ask_target(handle, target, &record);
    err = err != GANGER_OK ? err : gg_ask_reason(handle, reason, &record.reason);
    if (err != GANGER_OK) {
        return err;
    }
    struct gg_call call = {.handle = handle, .take = take_job, .out = out};
    return gg_call_run(&call, GG_CMD_RETRY, &record, timeout_ms);
}

/* ---- many waits at once ---- */

enum { WAITS_MAX = 4096 }; /* In flight; the others follow as these end. */

struct crowd {
    ganger *handle;
    ganger_each_fn *fn;
    void *ctx;
    size_t in_flight;
    enum gg_err err;
    bool stopped;
};

struct wait {
    struct crowd *crowd;
    size_t index;
    uint64_t number; /* 0 once answered, and before it is asked. */
};

static void one_ended(void *ctx, const struct gg_reply *reply)
{
    struct wait *wait = ctx;
    struct crowd *crowd = wait->crowd;
    ganger *handle = crowd->handle;
    if (!reply->final) {
        return;
    }
    static const struct gg_id none;
    ganger_job job;
    struct gg_view view = {.arena = &handle->shown, .epoch = reply->epoch};
    wait->number = 0;
    crowd->in_flight--;
    if (crowd->stopped) {
        return;
    }
    if (reply->err == GG_ERR_TIMED_OUT || reply->command == NULL) {
        crowd->err = reply->err;
        (void)gg_handle_fail_slice(handle, reply->err, reply->text);
        return;
    }
    gg_arena_clear(&handle->shown);
    if (reply->command->code == GG_CMD_JOB) {
        gg_view_job(&view, &reply->command->as.job, &job);
    } else {
        gg_view_blank(&none, 0, &job);
        job.error = (ganger_err)reply->err;
        job.error_text = gg_arena_text(&handle->shown, reply->text);
    }
    gg_handle_call(handle);
    crowd->stopped = !crowd->fn(crowd->ctx, wait->index, &job);
    gg_handle_return(handle);
}

static ganger_err wait_one(struct crowd *crowd, struct wait *wait,
                           const ganger_target *target, int timeout_ms)
{
    const struct gg_asker asker = {.fn = one_ended, .ctx = wait};
    struct gg_target record;
    ganger_err err = gg_ask_target(crowd->handle, target, &record);
    if (err != GANGER_OK) {
        return err;
    }
    record.want_result = true;
    err = gg_ask(crowd->handle, GG_CMD_WAIT, &record, timeout_ms, &asker,
                 &wait->number);
    if (err == GANGER_OK) {
        crowd->in_flight++;
    }
    return err;
}

static ganger_err wait_all(struct crowd *crowd, struct wait *waits,
                           const ganger_target *targets, size_t count, int timeout_ms)
{
    struct gg_mono began = gg_mono_now();
    size_t asked = 0;
    while (crowd->err == GG_OK && !crowd->stopped) {
        while (asked < count && crowd->in_flight < WAITS_MAX) {
            waits[asked] = (struct wait){.crowd = crowd, .index = asked};
            ganger_err err = wait_one(crowd, &waits[asked], &targets[asked],
                                      gg_time_left(began, timeout_ms));
            if (err != GANGER_OK) {
                return err;
            }
            asked++;
        }
        if (crowd->in_flight == 0) {
            return GANGER_OK;
        }
        ganger_err err = gg_handle_turn(crowd->handle, -1);
        if (err != GANGER_OK) {
            return err;
        }
    }
    return (ganger_err)crowd->err;
}

ganger_err ganger_wait_many(ganger *handle, const ganger_target *targets, size_t count,
                            int timeout_ms, ganger_each_fn *fn, void *ctx)
{
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    if (fn == NULL || (targets == NULL && count > 0)) {
        return gg_handle_fail(handle, GG_ERR_USAGE,
                              "there are no targets, or no function");
    }
    struct wait *waits = calloc(count + 1, sizeof *waits);
    if (waits == NULL) {
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    struct crowd crowd = {.handle = handle, .fn = fn, .ctx = ctx};
    ganger_err err = wait_all(&crowd, waits, targets, count, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        gg_session_forget(handle->session, waits[i].number);
    }
    free(waits);
    return err;
}
