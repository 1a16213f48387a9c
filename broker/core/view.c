#include "broker/core/view.h"

#include <stdlib.h>

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/why.h"
#include "common/codec.h"

enum {
    PAGE_BYTES_MAX = 512 << 10, /* A page ends here even if it has few entries. */
    LIST_BYTES_MAX = 1 << 20,
};

/* ---- jobs ---- */

static bool has_tag(const struct gg_job *job, struct gg_slice tag)
{
    for (uint8_t i = 0; job->extra != NULL && i < job->extra->tag_count; i++) {
        if (gg_slice_equal(gg_blob_slice(job->extra->tags[i]), tag)) {
            return true;
        }
    }
    return false;
}

static bool text_has(struct gg_slice text, struct gg_slice part)
{
    return part.len == 0 ||
           (text.len > 0 && memmem(text.data, text.len, part.data, part.len) != NULL);
}

static bool age_fits(const struct gg_core *core, const struct gg_job *job,
                     const struct gg_list_jobs *wanted)
{
    int64_t age = core->now.wall.ms - job->submitted_at.ms;
    uint64_t old = age > 0 ? (uint64_t)age : 0;
    return old >= wanted->older_ms &&
           (wanted->younger_ms == 0 || old <= wanted->younger_ms);
}

static bool job_fits(const struct gg_core *core, const struct gg_grant *grant,
                     const struct gg_job *job, const struct gg_list_jobs *wanted)
{
    if (job == NULL || job->state == GG_JOB_EVICTED ||
        (wanted->states != 0 && (wanted->states >> job->state & 1) == 0) ||
        !gg_queue_fits(job->queue, wanted->realm, wanted->queue) ||
        !age_fits(core, job, wanted)) {
        return false;
    }
    if (wanted->tag.len > 0 && !has_tag(job, wanted->tag)) {
        return false;
    }
    if (wanted->key.len > 0 && !gg_slice_equal(gg_job_key(job), wanted->key)) {
        return false;
    }
    struct gg_slice error = job->extra == NULL ? (struct gg_slice){0}
                                               : gg_blob_slice(job->extra->error_text);
    return text_has(error, wanted->error_has) &&
           gg_grant_queue(grant, gg_name_slice(&job->queue->realm->name),
                          gg_name_slice(&job->queue->name));
}

static void pack_job(const struct gg_core *core, const struct gg_job *job,
                     struct gg_buf *out)
{
    struct gg_buf tags;
    gg_buf_init(&tags, 65536);
    struct gg_job_info info;
    gg_job_describe(core, job, &info);
    info.tags = gg_job_tags(job, &tags);
    gg_record_write(out, GG_RECORD_JOB, &info, NULL);
    out->failed = out->failed || tags.failed;
    gg_buf_fini(&tags);
}

void gg_view_jobs(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_list_jobs *wanted)
{
    struct gg_buf list;
    gg_buf_init(&list, LIST_BYTES_MAX);
    struct gg_jobs page = {0};
    uint64_t after = 0;
    uint32_t room = gg_registry_room(core);
    uint32_t place = wanted->after < room ? (uint32_t)wanted->after : room;
    const struct gg_grant *grant = core->sessions[peer]->grant;
    for (; place < room && page.jobs.count < wanted->limit &&
           list.len < PAGE_BYTES_MAX && page.scanned < GG_SWEEP_PER_STEP;
         place++) {
        const struct gg_job *job = gg_registry_at(core, place);
        page.scanned++;
        if (job_fits(core, grant, job, wanted)) {
            pack_job(core, job, &list);
            page.jobs.count++;
            after = job->seq > after ? job->seq : after;
        }
    }
    page.jobs.raw = gg_buf_slice(&list);
    page.next = place < room ? place : 0;
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_JOBS, &page, after);
    gg_buf_fini(&list);
}

void gg_view_history(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, const struct gg_job *job, bool with_output)
{
    struct gg_buf list;
    gg_buf_init(&list, LIST_BYTES_MAX);
    struct gg_history answer = {.id = job->id};
    const struct gg_timeline *history = job->extra == NULL ? NULL : job->extra->history;
    struct gg_moment_info info;
    for (uint16_t i = 0; history != NULL && i < history->count; i++) {
        if (i == GG_HISTORY_FIRST && history->dropped > 0) {
            gg_record_default(GG_RECORD_MOMENT, &info);
            info.kind = GG_MOMENT_GAP;
            info.at = (uint64_t)history->entries[i].at.ms;
            info.count = history->dropped;
            gg_record_write(&list, GG_RECORD_MOMENT, &info, NULL);
            answer.moments.count++;
        }
        gg_entry_info(&history->entries[i], with_output, &info);
        gg_record_write(&list, GG_RECORD_MOMENT, &info, NULL);
        answer.moments.count++;
    }
    answer.moments.raw = gg_buf_slice(&list);
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_MOMENTS, &answer, job->seq);
    gg_buf_fini(&list);
}

void gg_view_why(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_job *job)
{
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    struct gg_reasons answer = {
        .id = job->id, .state = job->state, .reasons = gg_why_list(core, job, &list)};
    uint64_t after = job->queue->seq > job->seq ? job->queue->seq : job->seq;
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_REASONS, &answer, after);
    gg_buf_fini(&list);
}

/* ---- pages by name ---- */

/* Names come in order; a page begins after the name that the last one ended with. */
static bool name_before(struct gg_slice a, struct gg_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order < 0 || (order == 0 && a.len < b.len);
}

static uint64_t age_ms(const struct gg_core *core, struct gg_mono since)
{
    int64_t age = core->now.mono.ms - since.ms;
    return age > 0 ? (uint64_t)age : 0;
}

/* How many agents serve the queue. Subscriptions stand agent by agent in the list. */
static void count_supply(const struct gg_queue *queue, struct gg_queue_info *out)
{
    const struct gg_agent *last = NULL;
    GG_LIST_EACH(&queue->subs, it)
    {
        const struct gg_pool *pool = GG_CONTAINER(it, struct gg_sub, of_queue)->pool;
        out->workers += pool->agent != last;
        out->slots += pool->slots;
        last = pool->agent;
    }
}

static void pack_queue(const struct gg_core *core, const struct gg_queue *queue,
                       struct gg_buf *out)
{
    struct gg_queue_info info;
    gg_record_default(GG_RECORD_QUEUE, &info);
    info.queue = gg_name_slice(&queue->name);
    info.realm = gg_name_slice(&queue->realm->name);
    info.paused = queue->paused;
    info.ready = queue->count[GG_JOB_READY];
    info.scheduled = queue->count[GG_JOB_SCHEDULED];
    info.blocked = queue->count[GG_JOB_BLOCKED];
    info.running = queue->count[GG_JOB_RUNNING];
    info.failed = queue->count[GG_JOB_FAILED];
    info.succeeded_total = queue->ended[0];
    info.failed_total = queue->ended[GG_JOB_FAILED - GG_JOB_SUCCEEDED];
    info.bytes = queue->bytes;
    info.paused_at = queue->paused ? (uint64_t)queue->paused_at.ms : 0;
    info.reason = gg_blob_slice(queue->pause_reason);
    const struct gg_job *first = gg_queue_first(queue);
    info.oldest_ms = first == NULL ? 0 : age_ms(core, first->ready_since);
    count_supply(queue, &info);
    gg_record_write(out, GG_RECORD_QUEUE, &info, NULL);
}

/* The queue with the next name after `after`, or NULL. */
static const struct gg_queue *next_queue(const struct gg_core *core, uint32_t peer,
                                         const struct gg_scope *scope,
                                         struct gg_slice after)
{
    const struct gg_grant *grant = core->sessions[peer]->grant;
    const struct gg_queue *best = NULL;
    for (uint32_t i = 0; i < core->queue_count; i++) {
        const struct gg_queue *queue = core->queues[i];
        struct gg_slice name = gg_name_slice(&queue->name);
        if (name_before(after, name) &&
            (best == NULL || name_before(name, gg_name_slice(&best->name))) &&
            gg_queue_fits(queue, scope->realm, scope->queue) &&
            gg_grant_queue(grant, gg_name_slice(&queue->realm->name), name)) {
            best = queue;
        }
    }
    return best;
}

void gg_view_queues(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    uint64_t request, const struct gg_scope *scope)
{
    struct gg_buf list;
    gg_buf_init(&list, LIST_BYTES_MAX);
    struct gg_queues page = {0};
    struct gg_slice after = scope->after;
    const struct gg_queue *queue;
    while ((queue = next_queue(core, peer, scope, after)) != NULL) {
        if (page.queues.count == scope->limit || list.len > PAGE_BYTES_MAX) {
            page.next = after;
            break;
        }
        pack_queue(core, queue, &list);
        page.queues.count++;
        after = gg_name_slice(&queue->name);
    }
    page.queues.raw = gg_buf_slice(&list);
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_QUEUES, &page, core->record_number);
    gg_buf_fini(&list);
}

/* ---- agents ---- */

static void pack_pools(const struct gg_agent *agent, struct gg_buf *out)
{
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        const struct gg_pool *pool = agent->pools[i];
        struct gg_buf patterns;
        gg_buf_init(&patterns, 65536);
        for (uint8_t k = 0; k < pool->pattern_count; k++) {
            gg_text_write(&patterns, gg_name_slice(&pool->patterns[k]));
        }
        struct gg_pool_info info = {
            .pool = pool->number,
            .slots = pool->slots,
            .busy = pool->busy,
            .name = gg_name_slice(&pool->name),
            .realm = gg_name_slice(&pool->realm),
            .queues = {.raw = gg_buf_slice(&patterns), .count = pool->pattern_count},
        };
        gg_record_write(out, GG_RECORD_POOL, &info, NULL);
        out->failed = out->failed || patterns.failed;
        gg_buf_fini(&patterns);
    }
}

static uint32_t pack_runs(const struct gg_agent *agent, const struct gg_grant *grant,
                          struct gg_buf *out)
{
    uint32_t count = 0;
    GG_LIST_EACH(&agent->leases, it)
    {
        const struct gg_job *job = GG_CONTAINER(it, struct gg_job_attempt, lease)->job;
        if (count == GG_PAGE_MAX || out->len > PAGE_BYTES_MAX / 4) {
            break;
        }
        if (!gg_grant_queue(grant, gg_name_slice(&job->queue->realm->name),
                            gg_name_slice(&job->queue->name))) {
            continue;
        }
        struct gg_run_info info = {
            .id = job->id,
            .queue = gg_name_slice(&job->queue->name),
            .realm = gg_name_slice(&job->queue->realm->name),
            .attempt = job->attempt,
            .started_at = (uint64_t)job->newest->started_at.ms,
            .progress_ppm = job->newest->progress_ppm,
            .pool = job->newest->pool,
            .started = job->started,
        };
        if (job->extra != NULL) {
            info.progress_text = gg_blob_slice(job->extra->progress_text);
        }
        gg_record_write(out, GG_RECORD_RUN, &info, NULL);
        count++;
    }
    return count;
}

static void pack_worker(const struct gg_core *core, const struct gg_agent *agent,
                        const struct gg_grant *grant, bool with_runs,
                        struct gg_buf *out)
{
    struct gg_buf pools;
    struct gg_buf runs;
    gg_buf_init(&pools, LIST_BYTES_MAX);
    gg_buf_init(&runs, LIST_BYTES_MAX);
    pack_pools(agent, &pools);
    struct gg_worker_info info;
    gg_record_default(GG_RECORD_WORKER, &info);
    info.name = gg_blob_slice(agent->name);
    info.host = gg_blob_slice(agent->host);
    info.pid = agent->pid;
    info.version = gg_blob_slice(agent->program);
    info.state = gg_agent_state_of(agent);
    info.busy = agent->busy;
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        info.slots += agent->pools[i]->slots;
    }
    info.pools = (struct gg_list){.raw = gg_buf_slice(&pools),
                                  .count = agent->pool_count};
    info.states.raw = gg_blob_slice(agent->report);
    info.states.count = agent->report_count;
    info.last_seen_ms = age_ms(core, agent->last_seen);
    info.connected_at = (uint64_t)agent->connected_at.ms;
    if (with_runs) {
        info.runs.count = pack_runs(agent, grant, &runs);
        info.runs.raw = gg_buf_slice(&runs);
    }
    gg_record_write(out, GG_RECORD_WORKER, &info, NULL);
    out->failed = out->failed || pools.failed || runs.failed;
    gg_buf_fini(&runs);
    gg_buf_fini(&pools);
}

/* The agent with the next name after `after` that the grant may see, or NULL. */
static const struct gg_agent *next_agent(const struct gg_core *core,
                                         const struct gg_grant *grant,
                                         const struct gg_scope *scope,
                                         struct gg_slice after)
{
    const struct gg_agent *best = NULL;
    const struct gg_agent *agent;
    size_t place = 0;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        struct gg_slice name = gg_blob_slice(agent->name);
        if (name_before(after, name) &&
            (best == NULL || name_before(name, gg_blob_slice(best->name))) &&
            (scope->queue.len == 0 || gg_pattern_match(scope->queue, name)) &&
            gg_grant_realm(grant, gg_name_slice(&agent->realm))) {
            best = agent;
        }
    }
    return best;
}

void gg_view_workers(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, const struct gg_scope *scope)
{
    struct gg_buf list;
    gg_buf_init(&list, LIST_BYTES_MAX);
    struct gg_workers page = {0};
    struct gg_slice after = scope->after;
    const struct gg_agent *agent;
    const struct gg_grant *grant = core->sessions[peer]->grant;
    while ((agent = next_agent(core, grant, scope, after)) != NULL) {
        if (page.workers.count == scope->limit || list.len > PAGE_BYTES_MAX) {
            page.next = after;
            break;
        }
        pack_worker(core, agent, grant, scope->want_runs, &list);
        page.workers.count++;
        after = gg_blob_slice(agent->name);
    }
    page.workers.raw = gg_buf_slice(&list);
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_WORKERS, &page, core->record_number);
    gg_buf_fini(&list);
}

/* ---- figures ---- */

struct figures {
    struct gg_buf out;
    uint32_t count;
};

static void figure(struct figures *figures, const char *name, uint64_t value,
                   uint64_t most, bool counter, const char *meaning)
{
    struct gg_stat_info stat = {.name = gg_slice_text(name),
                                .value = value,
                                .most = most,
                                .counter = counter,
                                .meaning = gg_slice_text(meaning)};
    gg_record_write(&figures->out, GG_RECORD_STAT, &stat, NULL);
    figures->count++;
}

static void limits(const struct gg_core *core, struct figures *out)
{
    const struct gg_bounds *bounds = &core->bounds;
    figure(out, "jobs", core->jobs, bounds->jobs_max, false,
           "jobs known, remembered ids included");
    figure(out, "memory_bytes", core->memory_bytes, bounds->memory_bytes_max, false,
           "records, payloads, results and history");
    figure(out, "realms", core->realm_count, bounds->realms_max, false, "realms");
    figure(out, "queues", core->queue_count, bounds->queues_max, false, "queues");
    figure(out, "agents", gg_map_count(&core->agents), bounds->agents_max, false,
           "agents known");
    figure(out, "dead_letters", core->count[GG_JOB_FAILED], bounds->dead_jobs_max,
           false, "failed jobs kept");
    figure(out, "dead_letter_bytes", core->dead_bytes, bounds->dead_bytes_max, false,
           "bytes of failed jobs kept");
    figure(out, "subscriptions", core->subscription_count, bounds->subscriptions_max,
           false, "event subscriptions");
    figure(out, "payload_bytes_max", bounds->payload_bytes_max, 0, false,
           "largest payload");
    figure(out, "result_bytes_max", bounds->result_bytes_max, 0, false,
           "largest result");
    figure(out, "frame_bytes_max", core->about.frame_bytes_max, 0, false,
           "largest frame");
    figure(out, "waiters_max", bounds->waiters_max, 0, false, "waiters of one job");
    figure(out, "queue_jobs_max", bounds->queue_jobs_max, 0, false,
           "waiting jobs of one queue");
    figure(out, "queue_bytes_max", bounds->queue_bytes_max, 0, false,
           "bytes of one queue");
    figure(out, "realm_jobs_max", bounds->realm_jobs_max, 0, false,
           "jobs of one realm");
    figure(out, "realm_bytes_max", bounds->realm_bytes_max, 0, false,
           "bytes of one realm");
}

static void job_counts(const struct gg_core *core, struct figures *out)
{
    static const char *const names[GG_JOB_STATE_COUNT] = {
        [GG_JOB_SCHEDULED] = "jobs_scheduled", [GG_JOB_BLOCKED] = "jobs_blocked",
        [GG_JOB_READY] = "jobs_ready",         [GG_JOB_RUNNING] = "jobs_running",
        [GG_JOB_SUCCEEDED] = "jobs_kept",      [GG_JOB_EVICTED] = "ids_remembered",
    };
    for (int state = 0; state < GG_JOB_STATE_COUNT; state++) {
        if (names[state] != NULL) {
            figure(out, names[state], core->count[state], 0, false,
                   "jobs in that state");
        }
    }
}

static void counters(const struct gg_core *core, struct figures *out)
{
    static const struct {
        const char *name;
        const char *meaning;
    } rows[] = {
#define X(symbol, name, meaning) {name, meaning},
        GG_STAT_LIST(X)
#undef X
    };
    for (int i = 0; i < GG_STAT_COUNT; i++) {
        figure(out, rows[i].name, core->stat[i], 0, true, rows[i].meaning);
    }
}

void gg_view_stats(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t request)
{
    struct figures figures = {0};
    gg_buf_init(&figures.out, LIST_BYTES_MAX);
    limits(core, &figures);
    job_counts(core, &figures);
    counters(core, &figures);
    if (core->stats_fn != NULL) {
        figures.count += core->stats_fn(core->stats_ctx, &figures.out);
    }
    struct gg_stats answer = {
        .stats = {.raw = gg_buf_slice(&figures.out), .count = figures.count}};
    gg_effects_need(fx, &figures.out);
    gg_say(core, fx, peer, request, GG_CMD_STATS, &answer, core->record_number);
    gg_buf_fini(&figures.out);
}

void gg_view_broker(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    uint64_t request)
{
    struct figures figures = {0};
    gg_buf_init(&figures.out, LIST_BYTES_MAX);
    limits(core, &figures);
    const struct gg_core_about *about = &core->about;
    struct gg_broker_info info = {
        .program = gg_slice_text(about->program),
        .epoch = core->epoch,
        .pid = about->pid,
        .started_at = (uint64_t)about->started.wall.ms,
        .durability = core->bounds.durable ? GG_DURABILITY_FSYNC : GG_DURABILITY_NONE,
        .store = gg_slice_text(about->store),
        .limits = {.raw = gg_buf_slice(&figures.out), .count = figures.count},
        .state = gg_slice_text(core->closing ? "closing" : "serving"),
        .client_endpoint = gg_slice_text(about->client_endpoint),
        .agent_endpoint = gg_slice_text(about->agent_endpoint),
        .curve = about->curve,
        .now_at = (uint64_t)core->now.wall.ms,
    };
    if (core->now.wall.ms < core->mark_at.ms) {
        info.clock_behind_ms = (uint64_t)(core->mark_at.ms - core->now.wall.ms);
    }
    if (core->store_fn != NULL) {
        core->store_fn(core->store_ctx, &info);
    }
    gg_effects_need(fx, &figures.out);
    gg_say(core, fx, peer, request, GG_CMD_BROKER, &info, 0);
    gg_buf_fini(&figures.out);
}
