#include "client/src/view.h"

#include "client/src/names.h"

static const char *text_of(const struct gg_view *view, struct gg_slice text)
{
    return gg_arena_text(view->arena, text);
}

static ganger_bytes bytes_of(const struct gg_view *view, struct gg_slice bytes)
{
    if (view->keep) {
        bytes = gg_arena_copy(view->arena, bytes);
    }
    return (ganger_bytes){.data = bytes.data, .len = bytes.len};
}

static ganger_id id_of(const struct gg_id *id)
{
    ganger_id out;
    memcpy(out.bytes, id->bytes, sizeof out.bytes);
    return out;
}

/* Absent is all ones; people see -1. */
static int exit_status_of(uint64_t value)
{
    return value > INT32_MAX ? -1 : (int)value;
}

static void *array_of(const struct gg_view *view, uint32_t count, size_t size)
{
    return count == 0 ? NULL : gg_arena_take(view->arena, count * size);
}

static void view_tags(const struct gg_view *view, struct gg_list list, ganger_job *out)
{
    const char **tags = array_of(view, list.count, sizeof *tags);
    struct gg_slice tag;
    size_t count = 0;
    while (tags != NULL && gg_list_next_text(&list, &tag)) {
        tags[count++] = text_of(view, tag);
    }
    out->tags = tags;
    out->tag_count = count;
}

static void view_reasons(const struct gg_view *view, struct gg_list list,
                         ganger_job *out)
{
    ganger_reason *reasons = array_of(view, list.count, sizeof *reasons);
    struct gg_reason reason;
    struct gg_fault fault;
    size_t count = 0;
    while (reasons != NULL &&
           gg_list_next_record(&list, GG_RECORD_REASON, &reason, &fault)) {
        reasons[count++] = (ganger_reason){
            .code = (int)reason.code,
            .name = gg_why_name(reason.code),
            .text = text_of(view, reason.text),
            .since_at = (int64_t)reason.since_at,
            .object = text_of(view, reason.object),
        };
    }
    out->why = reasons;
    out->why_count = count;
}

void gg_view_job(const struct gg_view *view, const struct gg_job_info *job,
                 ganger_job *out)
{
    *out = (ganger_job){
        .id = id_of(&job->id),
        .realm = job->realm.len == 0 ? "default" : text_of(view, job->realm),
        .queue = text_of(view, job->queue),
        .key = bytes_of(view, job->key),
        .existing = job->existing,
        .cancelling = job->cancelling,
        .state = (ganger_state)job->state,
        .durability = (int)job->durability,
        .attempt = (unsigned)job->attempt,
        .max_attempts = (unsigned)job->attempts_max,
        .priority = (unsigned)job->priority,
        .progress = (double)job->progress_ppm / 1e6,
        .progress_text = text_of(view, job->progress_text),
        .worker = text_of(view, job->worker),
        .submitted_at = (int64_t)job->submitted_at,
        .started_at = (int64_t)job->started_at,
        .finished_at = (int64_t)job->finished_at,
        .run_at = (int64_t)job->run_at,
        .expires_at = (int64_t)job->expires_at,
        .evicts_at = (int64_t)job->evicts_at,
        .error = (ganger_err)job->error,
        .error_text = text_of(view, job->error_text),
        .exit_status = exit_status_of(job->exit_status),
        .signal = (int)job->signal,
        .result_gone = job->result_gone,
        .result = bytes_of(view, job->result),
        .result_bytes = job->result.len > 0 ? job->result.len : job->result_bytes,
        .waiters = (unsigned)job->waiters,
        .fence = job->fence,
        .epoch = job->epoch != 0 ? job->epoch : view->epoch,
    };
    bool empty = job->state == GG_JOB_SUCCEEDED && job->result_bytes == 0;
    out->has_result = job->result.len > 0 || (empty && !job->result_gone);
    view_tags(view, job->tags, out);
    view_reasons(view, job->why, out);
}

void gg_view_blank(const struct gg_id *id, uint64_t epoch, ganger_job *out)
{
    *out = (ganger_job){
        .id = id_of(id),
        .realm = "",
        .queue = "",
        .progress_text = "",
        .worker = "",
        .error_text = "",
        .exit_status = -1,
        .epoch = epoch,
    };
}

void gg_view_progress(const struct gg_view *view, const struct gg_progress *progress,
                      ganger_job *out)
{
    gg_view_blank(&progress->id, view->epoch, out);
    out->state = (ganger_state)progress->state;
    out->attempt = (unsigned)progress->attempt;
    out->fence = progress->fence;
    out->progress = (double)progress->progress_ppm / 1e6;
    out->progress_text = text_of(view, progress->progress_text);
}

void gg_view_moment(const struct gg_view *view, const struct gg_moment_info *moment,
                    ganger_moment *out)
{
    const char *text = text_of(view, moment->text);
    *out = (ganger_moment){
        .at = (int64_t)moment->at,
        .kind = (int)moment->kind,
        .name = gg_moment_name(moment->kind),
        .state = (ganger_state)moment->state,
        .attempt = (unsigned)moment->attempt,
        .fence = moment->fence,
        .worker = text_of(view, moment->worker),
        .error = (ganger_err)moment->error,
        .text = text,
        .exit_status = exit_status_of(moment->exit_status),
        .signal = (int)moment->signal,
        .output = bytes_of(view, moment->output),
        .until_at = (int64_t)moment->until_at,
        .count = moment->count,
        .id = id_of(&moment->id),
        .realm = text_of(view, moment->realm),
        .queue = text_of(view, moment->queue),
        .seq = moment->seq,
    };
}

void gg_view_queue(const struct gg_view *view, const struct gg_queue_info *queue,
                   ganger_queue *out)
{
    *out = (ganger_queue){
        .realm = text_of(view, queue->realm),
        .queue = text_of(view, queue->queue),
        .paused = queue->paused,
        .paused_at = (int64_t)queue->paused_at,
        .reason = text_of(view, queue->reason),
        .ready = queue->ready,
        .scheduled = queue->scheduled,
        .blocked = queue->blocked,
        .running = queue->running,
        .failed = queue->failed,
        .workers = queue->workers,
        .slots = queue->slots,
        .oldest_ms = queue->oldest_ms,
        .succeeded_total = queue->succeeded_total,
        .failed_total = queue->failed_total,
        .bytes = queue->bytes,
    };
}

/* The patterns of a pool as one text, separated by spaces. */
static const char *join(const struct gg_view *view, struct gg_list list)
{
    size_t room = list.raw.len + list.count + 1;
    char *joined = gg_arena_take(view->arena, room);
    if (joined == NULL) {
        return "";
    }
    struct gg_slice text;
    size_t len = 0;
    while (gg_list_next_text(&list, &text)) {
        if (len > 0) {
            joined[len++] = ' ';
        }
        memcpy(joined + len, text.data, text.len);
        len += text.len;
    }
    joined[len] = '\0';
    return joined;
}

static void view_pools(const struct gg_view *view, struct gg_list list,
                       ganger_worker *out)
{
    ganger_pool *pools = array_of(view, list.count, sizeof *pools);
    struct gg_pool_info pool;
    struct gg_fault fault;
    size_t count = 0;
    while (pools != NULL && gg_list_next_record(&list, GG_RECORD_POOL, &pool, &fault)) {
        pools[count++] = (ganger_pool){
            .pool = (unsigned)pool.pool,
            .name = text_of(view, pool.name),
            .realm = text_of(view, pool.realm),
            .slots = (unsigned)pool.slots,
            .busy = (unsigned)pool.busy,
            .queues = join(view, pool.queues),
            .state = "",
            .kind = "",
            .group = "",
            .cause = "",
            .source = "",
        };
    }
    out->pools = pools;
    out->pool_count = count;
}

/* How the pools are, laid over what they serve. */
static void view_states(const struct gg_view *view, struct gg_list list,
                        const ganger_worker *worker)
{
    struct gg_pool_state state;
    struct gg_fault fault;
    while (gg_list_next_record(&list, GG_RECORD_POOL_STATE, &state, &fault)) {
        for (size_t i = 0; i < worker->pool_count; i++) {
            ganger_pool *pool = (ganger_pool *)(uintptr_t)&worker->pools[i];
            if (pool->pool != state.pool) {
                continue;
            }
            pool->state = gg_pool_state_name(state.state);
            pool->kind = gg_pool_kind_name(state.kind);
            pool->group = text_of(view, state.group);
            pool->cause = text_of(view, state.cause);
            pool->source = text_of(view, state.source);
            pool->size = (unsigned)state.size;
            pool->overflow = (unsigned)state.overflow;
            pool->executors = (unsigned)state.executors;
            pool->restarts = (unsigned)state.restarts;
            pool->restarts_max = (unsigned)state.restarts_max;
            pool->restarts_window_ms = state.window_ms;
            pool->restarts_total = state.restarts_count;
            pool->opens_at = (int64_t)state.opens_at;
        }
    }
}

static void view_runs(const struct gg_view *view, struct gg_list list,
                      ganger_worker *out)
{
    ganger_running *runs = array_of(view, list.count, sizeof *runs);
    struct gg_run_info run;
    struct gg_fault fault;
    size_t count = 0;
    while (runs != NULL && gg_list_next_record(&list, GG_RECORD_RUN, &run, &fault)) {
        runs[count++] = (ganger_running){
            .id = id_of(&run.id),
            .realm = text_of(view, run.realm),
            .queue = text_of(view, run.queue),
            .attempt = (unsigned)run.attempt,
            .pool = (unsigned)run.pool,
            .started_at = (int64_t)run.started_at,
            .progress = (double)run.progress_ppm / 1e6,
            .progress_text = text_of(view, run.progress_text),
            .started = run.started,
        };
    }
    out->running = runs;
    out->running_count = count;
}

void gg_view_worker(const struct gg_view *view, const struct gg_worker_info *worker,
                    ganger_worker *out)
{
    *out = (ganger_worker){
        .name = text_of(view, worker->name),
        .host = text_of(view, worker->host),
        .pid = worker->pid,
        .version = text_of(view, worker->version),
        .state = gg_worker_state_name(worker->state),
        .slots = (unsigned)worker->slots,
        .busy = (unsigned)worker->busy,
        .last_seen_ms = worker->last_seen_ms,
        .connected_at = (int64_t)worker->connected_at,
    };
    view_pools(view, worker->pools, out);
    view_states(view, worker->states, out);
    view_runs(view, worker->runs, out);
}

void gg_view_stat(const struct gg_view *view, const struct gg_stat_info *stat,
                  ganger_stat *out)
{
    *out = (ganger_stat){
        .name = text_of(view, stat->name),
        .value = stat->value,
        .most = stat->most,
        .counter = stat->counter,
        .meaning = text_of(view, stat->meaning),
        .label_name = text_of(view, stat->label_name),
        .label = text_of(view, stat->label),
    };
}

void gg_view_broker(const struct gg_view *view, const struct gg_broker_info *broker,
                    ganger_broker *out)
{
    *out = (ganger_broker){
        .program = text_of(view, broker->program),
        .state = text_of(view, broker->state),
        .store = text_of(view, broker->store),
        .client_endpoint = text_of(view, broker->client_endpoint),
        .agent_endpoint = text_of(view, broker->agent_endpoint),
        .epoch = broker->epoch,
        .pid = broker->pid,
        .started_at = (int64_t)broker->started_at,
        .now_at = (int64_t)broker->now_at,
        .durability = (int)broker->durability,
        .curve = broker->curve,
        .store_path = text_of(view, broker->store_path),
        .committed_at = (int64_t)broker->committed_at,
        .commits = broker->commits,
        .commit_p50_us = broker->commit_p50_us,
        .commit_p99_us = broker->commit_p99_us,
        .disk_bytes = broker->disk_bytes,
        .free_bytes = broker->free_bytes,
        .records = broker->records,
        .record_bytes = broker->record_bytes,
        .blobs = broker->blobs,
        .blob_bytes = broker->blob_bytes,
        .waiting_bytes = broker->waiting_bytes,
        .space = (int)broker->space,
        .clock_behind_ms = broker->clock_behind_ms,
    };
    struct gg_list list = broker->limits;
    ganger_stat *limits = array_of(view, list.count, sizeof *limits);
    struct gg_stat_info stat;
    struct gg_fault fault;
    size_t count = 0;
    while (limits != NULL &&
           gg_list_next_record(&list, GG_RECORD_STAT, &stat, &fault)) {
        gg_view_stat(view, &stat, &limits[count++]);
    }
    out->limits = limits;
    out->limit_count = count;
}
