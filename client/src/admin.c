/* admin.c - calls that wait: lists, history, queues, workers, numbers. */
#include "client/src/sync.h"
#include "common/name.h"

/* A list being visited, page by page. `rest` is what the visitor is called with. */
struct visit {
    union {
        ganger_job_fn *job;
        ganger_moment_fn *moment;
        ganger_queue_fn *queue;
        ganger_worker_fn *worker;
        ganger_stat_fn *stat;
    } fn;
    void *ctx;
    bool stopped;
    uint64_t next;       /* Cursor of jobs; 0: the page was the last. */
    char next_text[130]; /* Cursor of queues and agents; "": the page was the last. */
};

static bool is_page(const struct visit *visit)
{
    return !visit->stopped && (visit->next != 0 || visit->next_text[0] != '\0');
}

/* Entries are looked at one at a time: what the one before took is free again. */
static struct gg_view entry_view(const struct gg_call *call)
{
    gg_arena_clear(&call->handle->shown);
    return (struct gg_view){.arena = &call->handle->shown, .epoch = call->epoch};
}

static void visit_jobs(struct gg_call *call, const struct gg_command *command)
{
    struct visit *visit = call->out;
    struct gg_list list = command->as.jobs.jobs;
    struct gg_job_info info;
    struct gg_fault fault;
    visit->next = command->as.jobs.next;
    while (!visit->stopped &&
           gg_list_next_record(&list, GG_RECORD_JOB, &info, &fault)) {
        ganger_job job;
        struct gg_view view = entry_view(call);
        gg_view_job(&view, &info, &job);
        visit->stopped = !visit->fn.job(visit->ctx, &job);
    }
}

static void visit_moments(struct gg_call *call, const struct gg_command *command)
{
    struct visit *visit = call->out;
    struct gg_list list = command->as.history.moments;
    struct gg_moment_info info;
    struct gg_fault fault;
    while (!visit->stopped &&
           gg_list_next_record(&list, GG_RECORD_MOMENT, &info, &fault)) {
        ganger_moment moment;
        struct gg_view view = entry_view(call);
        gg_view_moment(&view, &info, &moment);
        visit->stopped = !visit->fn.moment(visit->ctx, &moment);
    }
}

static void visit_queues(struct gg_call *call, const struct gg_command *command)
{
    struct visit *visit = call->out;
    struct gg_list list = command->as.queues.queues;
    struct gg_queue_info info;
    struct gg_fault fault;
    gg_slice_copy(command->as.queues.next, visit->next_text, sizeof visit->next_text);
    while (!visit->stopped &&
           gg_list_next_record(&list, GG_RECORD_QUEUE, &info, &fault)) {
        ganger_queue queue;
        struct gg_view view = entry_view(call);
        gg_view_queue(&view, &info, &queue);
        visit->stopped = !visit->fn.queue(visit->ctx, &queue);
    }
}

static void visit_workers(struct gg_call *call, const struct gg_command *command)
{
    struct visit *visit = call->out;
    struct gg_list list = command->as.workers.workers;
    struct gg_worker_info info;
    struct gg_fault fault;
    gg_slice_copy(command->as.workers.next, visit->next_text, sizeof visit->next_text);
    while (!visit->stopped &&
           gg_list_next_record(&list, GG_RECORD_WORKER, &info, &fault)) {
        ganger_worker worker;
        struct gg_view view = entry_view(call);
        gg_view_worker(&view, &info, &worker);
        visit->stopped = !visit->fn.worker(visit->ctx, &worker);
    }
}

static void visit_stats(struct gg_call *call, const struct gg_command *command)
{
    struct visit *visit = call->out;
    struct gg_list list = command->as.stats.stats;
    struct gg_stat_info info;
    struct gg_fault fault;
    while (!visit->stopped &&
           gg_list_next_record(&list, GG_RECORD_STAT, &info, &fault)) {
        ganger_stat stat;
        struct gg_view view = entry_view(call);
        gg_view_stat(&view, &info, &stat);
        visit->stopped = !visit->fn.stat(visit->ctx, &stat);
    }
}

static ganger_err no_function(ganger *handle)
{
    return gg_handle_fail(handle, GG_ERR_USAGE, "there is no function to call");
}

static ganger_err ask_filter(ganger *handle, const ganger_filter *filter,
                             struct gg_list_jobs *out)
{
    static const ganger_filter all;
    filter = filter == NULL ? &all : filter;
    gg_record_default(GG_RECORD_LIST_JOBS, out);
    out->states = filter->states;
    out->older_ms = filter->older_ms;
    out->younger_ms = filter->younger_ms;
    out->limit = GG_PAGE_MAX;
    if (filter->tag != NULL) {
        out->tag = gg_slice_text(filter->tag);
    }
    if (filter->error_has != NULL) {
        out->error_has = gg_slice_text(filter->error_has);
    }
    ganger_err err = gg_ask_realm(handle, filter->realm, &out->realm);
    err = err != GANGER_OK
              ? err
              : gg_ask_bytes(handle, "key", filter->key, GG_KEY_BYTES_MAX, &out->key);
    return err != GANGER_OK ? err : gg_ask_pattern(handle, filter->queue, &out->queue);
}

ganger_err ganger_list(ganger *handle, const ganger_filter *filter, int timeout_ms,
                       ganger_job_fn *fn, void *ctx)
{
    struct gg_list_jobs record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = ask_filter(handle, filter, &record);
    if (err != GANGER_OK || fn == NULL) {
        return err != GANGER_OK ? err : no_function(handle);
    }
    struct gg_mono began = gg_mono_now();
    struct visit visit = {.fn.job = fn, .ctx = ctx};
    struct gg_call call = {.handle = handle, .take = visit_jobs, .out = &visit};
    do {
        record.after = visit.next;
        err = gg_call_run(&call, GG_CMD_LIST_JOBS, &record,
                          gg_time_left(began, timeout_ms));
    } while (err == GANGER_OK && is_page(&visit));
    return err;
}

ganger_err ganger_history(ganger *handle, const ganger_target *target, bool with_output,
                          int timeout_ms, ganger_moment_fn *fn, void *ctx)
{
    struct gg_target record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    ganger_err err = gg_ask_target(handle, target, &record);
    if (err != GANGER_OK || fn == NULL) {
        return err != GANGER_OK ? err : no_function(handle);
    }
    record.want_output = with_output;
    struct visit visit = {.fn.moment = fn, .ctx = ctx};
    struct gg_call call = {.handle = handle, .take = visit_moments, .out = &visit};
    return gg_call_run(&call, GG_CMD_HISTORY, &record, timeout_ms);
}

static ganger_err list_scopes(struct gg_call *call, enum gg_command_code code,
                              struct gg_scope *record, int timeout_ms)
{
    struct gg_mono began = gg_mono_now();
    struct visit *visit = call->out;
    ganger_err err = GANGER_OK;
    record->limit = GG_PAGE_MAX;
    do {
        char after[sizeof visit->next_text];
        memcpy(after, visit->next_text, sizeof after);
        record->after = gg_slice_text(after);
        err = gg_call_run(call, code, record, gg_time_left(began, timeout_ms));
    } while (err == GANGER_OK && is_page(visit));
    return err;
}

ganger_err ganger_queues(ganger *handle, const char *realm, const char *pattern,
                         int timeout_ms, ganger_queue_fn *fn, void *ctx)
{
    struct gg_scope record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    gg_record_default(GG_RECORD_SCOPE, &record);
    ganger_err err = gg_ask_realm(handle, realm, &record.realm);
    err = err != GANGER_OK ? err : gg_ask_pattern(handle, pattern, &record.queue);
    if (err != GANGER_OK || fn == NULL) {
        return err != GANGER_OK ? err : no_function(handle);
    }
    struct visit visit = {.fn.queue = fn, .ctx = ctx};
    struct gg_call call = {.handle = handle, .take = visit_queues, .out = &visit};
    return list_scopes(&call, GG_CMD_LIST_QUEUES, &record, timeout_ms);
}

ganger_err ganger_workers(ganger *handle, const char *pattern, bool with_running,
                          int timeout_ms, ganger_worker_fn *fn, void *ctx)
{
    struct gg_scope record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    gg_record_default(GG_RECORD_SCOPE, &record);
    ganger_err err = gg_ask_pattern(handle, pattern, &record.queue);
    if (err != GANGER_OK || fn == NULL) {
        return err != GANGER_OK ? err : no_function(handle);
    }
    record.want_runs = with_running;
    struct visit visit = {.fn.worker = fn, .ctx = ctx};
    struct gg_call call = {.handle = handle, .take = visit_workers, .out = &visit};
    return list_scopes(&call, GG_CMD_LIST_WORKERS, &record, timeout_ms);
}

ganger_err ganger_stats(ganger *handle, int timeout_ms, ganger_stat_fn *fn, void *ctx)
{
    struct gg_scope record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    if (fn == NULL) {
        return no_function(handle);
    }
    gg_record_default(GG_RECORD_SCOPE, &record);
    struct visit visit = {.fn.stat = fn, .ctx = ctx};
    struct gg_call call = {.handle = handle, .take = visit_stats, .out = &visit};
    return gg_call_run(&call, GG_CMD_GET_STATS, &record, timeout_ms);
}

static void take_broker(struct gg_call *call, const struct gg_command *command)
{
    ganger_broker broker;
    struct gg_view view = gg_call_view(call);
    gg_view_broker(&view, &command->as.broker, &broker);
    if (call->out != NULL && !call->handle->kept.failed) {
        *(ganger_broker *)call->out = broker;
    }
}

ganger_err ganger_broker_status(ganger *handle, int timeout_ms, ganger_broker *out)
{
    const struct gg_empty record = {0};
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    struct gg_call call = {.handle = handle, .take = take_broker, .out = out};
    return gg_call_run(&call, GG_CMD_GET_BROKER, &record, timeout_ms);
}

/* ---- pause, resume, purge ---- */

static void take_done(struct gg_call *call, const struct gg_command *command)
{
    ganger_touched *out = call->out;
    if (out != NULL) {
        out->count = command->as.done.count;
        out->unsettled = command->as.done.unsettled;
    }
}

static ganger_err touch(ganger *handle, enum gg_command_code code,
                        const ganger_scope *scope, int timeout_ms, ganger_touched *out)
{
    struct gg_scope record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    if (scope == NULL) {
        return gg_handle_fail(handle, GG_ERR_USAGE, "it is not said which queues");
    }
    gg_record_default(GG_RECORD_SCOPE, &record);
    ganger_err err = gg_ask_realm(handle, scope->realm, &record.realm);
    err = err != GANGER_OK ? err
                           : gg_ask_pattern(handle, scope->pattern, &record.queue);
    err = err != GANGER_OK ? err : gg_ask_reason(handle, scope->reason, &record.reason);
    if (err != GANGER_OK) {
        return err;
    }
    record.cancel_running = scope->cancel_running;
    record.dry_run = scope->dry_run;
    record.states = scope->states;
    struct gg_call call = {.handle = handle, .take = take_done, .out = out};
    return gg_call_run(&call, code, &record, timeout_ms);
}

ganger_err ganger_pause(ganger *handle, const ganger_scope *scope, int timeout_ms,
                        ganger_touched *out)
{
    return touch(handle, GG_CMD_PAUSE, scope, timeout_ms, out);
}

ganger_err ganger_resume(ganger *handle, const ganger_scope *scope, int timeout_ms,
                         ganger_touched *out)
{
    return touch(handle, GG_CMD_RESUME, scope, timeout_ms, out);
}

ganger_err ganger_purge(ganger *handle, const ganger_scope *scope, int timeout_ms,
                        ganger_touched *out)
{
    return touch(handle, GG_CMD_PURGE, scope, timeout_ms, out);
}

ganger_err ganger_broker_backup(ganger *handle, const char *path, const char *reason,
                                int timeout_ms)
{
    struct gg_backup record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    if (path == NULL || path[0] != '/' || strlen(path) > 4096) {
        return gg_handle_fail(handle, GG_ERR_USAGE,
                              "the path of a backup begins with '/'");
    }
    gg_record_default(GG_RECORD_BACKUP, &record);
    record.path = gg_slice_text(path);
    ganger_err err = gg_ask_reason(handle, reason, &record.reason);
    if (err != GANGER_OK) {
        return err;
    }
    struct gg_call call = {.handle = handle, .take = take_done, .out = NULL};
    return gg_call_run(&call, GG_CMD_BACKUP, &record, timeout_ms);
}
