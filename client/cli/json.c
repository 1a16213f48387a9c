#include "client/cli/json.h"

#include <float.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/say.h"
#include "common/clock.h"

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, gg_say_need(value)) != 0) {
        (void)gg_say_need(NULL);
    }
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *base64(ganger_bytes bytes)
{
    size_t room = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = gg_say_need(malloc(room));
    (void)sodium_bin2base64(text, room, bytes.data, bytes.len,
                            sodium_base64_VARIANT_ORIGINAL);
    json_t *object = gg_say_need(json_object());
    set(object, "base64", json_string(text));
    free(text);
    return object;
}

json_t *gg_json_bytes(ganger_bytes bytes)
{
    json_t *text = json_stringn(bytes.len > 0 ? bytes.data : "", bytes.len);
    return text != NULL ? text : base64(bytes);
}

json_t *gg_json_time(int64_t wall_ms)
{
    char text[GG_WALL_TEXT_BYTES];
    if (wall_ms <= 0) {
        return json_null();
    }
    gg_wall_format((struct gg_wall){wall_ms}, text);
    return json_string(text);
}

json_t *gg_json_text(const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return json_null();
    }
    return gg_json_bytes((ganger_bytes){.data = text, .len = strlen(text)});
}

static json_t *id_text(const ganger_id *id)
{
    char text[GANGER_ID_TEXT_BYTES];
    ganger_id_format(id, text);
    return json_string(text);
}

static json_t *key_of(ganger_bytes key)
{
    return key.len > 0 ? gg_json_bytes(key) : json_null();
}

static json_t *durability_of(int durability)
{
    return durability == 1   ? json_string("none")
           : durability == 2 ? json_string("fsync")
                             : json_null();
}

static json_t *result_of(const ganger_job *job)
{
    return job->has_result ? gg_json_bytes(job->result) : json_null();
}

static void set_identity(json_t *object, const ganger_job *job)
{
    set(object, "id", id_text(&job->id));
    set(object, "realm", gg_json_text(job->realm));
    set(object, "queue", gg_json_text(job->queue));
    set(object, "key", key_of(job->key));
}

json_t *gg_json_submitted(const ganger_job *job)
{
    json_t *object = gg_say_need(json_object());
    set_identity(object, job);
    set(object, "existing", json_boolean(job->existing));
    set(object, "state", json_string(ganger_state_name(job->state)));
    set(object, "durability", durability_of(job->durability));
    if (job->has_result) {
        set(object, "result", gg_json_bytes(job->result));
    }
    return object;
}

static json_t *tags_of(const ganger_job *job)
{
    json_t *tags = gg_say_need(json_array());
    for (size_t i = 0; i < job->tag_count; i++) {
        (void)json_array_append_new(tags, gg_json_text(job->tags[i]));
    }
    return tags;
}

json_t *gg_json_reason(const ganger_reason *reason)
{
    json_t *object = gg_say_need(json_object());
    set(object, "code", gg_json_text(reason->name));
    set(object, "text", gg_json_text(reason->text));
    set(object, "since", gg_json_time(reason->since_at));
    set(object, "object", gg_json_text(reason->object));
    return object;
}

static json_t *reasons_of(const ganger_job *job)
{
    json_t *reasons = gg_say_need(json_array());
    for (size_t i = 0; i < job->why_count; i++) {
        (void)json_array_append_new(reasons, gg_json_reason(&job->why[i]));
    }
    return reasons;
}

/* The stored error: the sentence, or the code's own where there is none. */
static json_t *error_of(const ganger_job *job)
{
    if (job->error == GANGER_OK) {
        return json_null();
    }
    const char *text = job->error_text;
    return gg_json_text(text != NULL && text[0] != '\0' ? text
                                                        : ganger_err_text(job->error));
}

static void set_times(json_t *object, const ganger_job *job)
{
    set(object, "submitted_at", gg_json_time(job->submitted_at));
    set(object, "started_at", gg_json_time(job->started_at));
    set(object, "finished_at", gg_json_time(job->finished_at));
    set(object, "run_at", gg_json_time(job->run_at));
    set(object, "expires_at", gg_json_time(job->expires_at));
    set(object, "evicts_at", gg_json_time(job->evicts_at));
}

json_t *gg_json_job(const ganger_job *job)
{
    json_t *object = gg_say_need(json_object());
    set_identity(object, job);
    set(object, "state", json_string(ganger_state_name(job->state)));
    set(object, "durability", durability_of(job->durability));
    set(object, "attempt", number(job->attempt));
    set(object, "max_attempts", number(job->max_attempts));
    set(object, "priority", number(job->priority));
    set(object, "progress", json_real(job->progress));
    set(object, "progress_text", gg_json_text(job->progress_text));
    set(object, "worker", gg_json_text(job->worker));
    set_times(object, job);
    set(object, "error", error_of(job));
    set(object, "error_code",
        job->error != GANGER_OK ? json_string(ganger_err_name(job->error))
                                : json_null());
    set(object, "exit_status",
        job->exit_status >= 0 ? json_integer(job->exit_status) : json_null());
    set(object, "signal", job->signal > 0 ? json_integer(job->signal) : json_null());
    set(object, "cancelling", json_boolean(job->cancelling));
    set(object, "waiters", number(job->waiters));
    set(object, "fence", number(job->fence));
    set(object, "tags", tags_of(job));
    set(object, "result_bytes", number(job->result_bytes));
    set(object, "result", result_of(job));
    set(object, "why", reasons_of(job));
    return object;
}

json_t *gg_json_moment(const ganger_moment *moment, bool with_output)
{
    static const ganger_id none;
    json_t *object = gg_say_need(json_object());
    set(object, "at", gg_json_time(moment->at));
    set(object, "event", gg_json_text(moment->name));
    set(object, "seq", moment->seq > 0 ? number(moment->seq) : json_null());
    set(object, "id",
        memcmp(&moment->id, &none, sizeof none) != 0 ? id_text(&moment->id)
                                                     : json_null());
    set(object, "realm", gg_json_text(moment->realm));
    set(object, "queue", gg_json_text(moment->queue));
    set(object, "state",
        moment->state != GANGER_NONE ? json_string(ganger_state_name(moment->state))
                                     : json_null());
    set(object, "attempt", moment->attempt > 0 ? number(moment->attempt) : json_null());
    set(object, "fence", moment->fence > 0 ? number(moment->fence) : json_null());
    set(object, "worker", gg_json_text(moment->worker));
    set(object, "error",
        moment->error != GANGER_OK ? json_string(ganger_err_name(moment->error))
                                   : json_null());
    set(object, "text", gg_json_text(moment->text));
    set(object, "exit_status",
        moment->exit_status >= 0 ? json_integer(moment->exit_status) : json_null());
    set(object, "signal",
        moment->signal > 0 ? json_integer(moment->signal) : json_null());
    set(object, "until", gg_json_time(moment->until_at));
    set(object, "count", moment->count > 0 ? number(moment->count) : json_null());
    if (with_output) {
        set(object, "output", gg_json_bytes(moment->output));
    }
    return object;
}

json_t *gg_json_queue(const ganger_queue *queue)
{
    json_t *object = gg_say_need(json_object());
    set(object, "queue", gg_json_text(queue->queue));
    set(object, "realm", gg_json_text(queue->realm));
    set(object, "state", json_string(queue->paused ? "paused" : "open"));
    set(object, "ready", number(queue->ready));
    set(object, "scheduled", number(queue->scheduled));
    set(object, "blocked", number(queue->blocked));
    set(object, "running", number(queue->running));
    set(object, "failed", number(queue->failed));
    set(object, "workers", number(queue->workers));
    set(object, "slots", number(queue->slots));
    set(object, "oldest_ms", number(queue->oldest_ms));
    set(object, "succeeded_total", number(queue->succeeded_total));
    set(object, "failed_total", number(queue->failed_total));
    set(object, "bytes", number(queue->bytes));
    set(object, "paused_at", gg_json_time(queue->paused_at));
    set(object, "reason", gg_json_text(queue->reason));
    return object;
}

static json_t *running_of(const ganger_worker *worker)
{
    json_t *list = gg_say_need(json_array());
    for (size_t i = 0; i < worker->running_count; i++) {
        const ganger_running *running = &worker->running[i];
        json_t *object = gg_say_need(json_object());
        set(object, "id", id_text(&running->id));
        set(object, "realm", gg_json_text(running->realm));
        set(object, "queue", gg_json_text(running->queue));
        set(object, "attempt", number(running->attempt));
        set(object, "pool", number(running->pool));
        set(object, "started", json_boolean(running->started));
        set(object, "started_at", gg_json_time(running->started_at));
        set(object, "progress", json_real(running->progress));
        set(object, "progress_text", gg_json_text(running->progress_text));
        (void)json_array_append_new(list, object);
    }
    return list;
}

/* Each word of `text`. */
static void add_words(json_t *list, const char *text)
{
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        ganger_bytes word = {.data = text, .len = strcspn(text, " ")};
        (void)json_array_append_new(list, gg_json_bytes(word));
        text += word.len;
    }
}

/* The patterns of all its pools, each once a pool. */
static json_t *patterns_of(const ganger_worker *worker)
{
    json_t *list = gg_say_need(json_array());
    for (size_t i = 0; i < worker->pool_count; i++) {
        add_words(list, worker->pools[i].queues);
    }
    return list;
}

/* What its agent has reported of it. */
static void add_pool_state(json_t *object, const ganger_pool *pool)
{
    set(object, "state", gg_json_text(pool->state));
    set(object, "kind", gg_json_text(pool->kind));
    set(object, "group", gg_json_text(pool->group));
    set(object, "size", number(pool->size));
    set(object, "overflow", number(pool->overflow));
    set(object, "executors", number(pool->executors));
    set(object, "restarts", number(pool->restarts));
    set(object, "restarts_max", number(pool->restarts_max));
    set(object, "restarts_window_ms", number(pool->restarts_window_ms));
    set(object, "restarts_total", number(pool->restarts_total));
    set(object, "opens_at", gg_json_time(pool->opens_at));
    set(object, "cause", gg_json_text(pool->cause));
    set(object, "source", gg_json_text(pool->source));
}

static json_t *pool_of(const ganger_pool *pool)
{
    json_t *object = gg_say_need(json_object());
    set(object, "pool", number(pool->pool));
    set(object, "name", gg_json_text(pool->name));
    set(object, "realm", gg_json_text(pool->realm));
    set(object, "slots", number(pool->slots));
    set(object, "busy", number(pool->busy));
    set(object, "queues", gg_json_text(pool->queues));
    if (pool->state != NULL && pool->state[0] != '\0') {
        add_pool_state(object, pool);
    }
    return object;
}

static json_t *pools_of(const ganger_worker *worker)
{
    json_t *list = gg_say_need(json_array());
    for (size_t i = 0; i < worker->pool_count; i++) {
        (void)json_array_append_new(list, pool_of(&worker->pools[i]));
    }
    return list;
}

json_t *gg_json_pool(const ganger_worker *worker, const ganger_pool *pool)
{
    json_t *object = pool_of(pool);
    set(object, "worker", gg_json_text(worker->name));
    return object;
}

json_t *gg_json_worker(const ganger_worker *worker, bool with_running)
{
    json_t *object = gg_say_need(json_object());
    set(object, "name", gg_json_text(worker->name));
    set(object, "host", gg_json_text(worker->host));
    set(object, "pid", number(worker->pid));
    set(object, "version", gg_json_text(worker->version));
    set(object, "state", gg_json_text(worker->state));
    set(object, "slots", number(worker->slots));
    set(object, "busy", number(worker->busy));
    set(object, "queues", patterns_of(worker));
    set(object, "last_seen_ms", number(worker->last_seen_ms));
    set(object, "connected_at", gg_json_time(worker->connected_at));
    set(object, "pools", pools_of(worker));
    if (with_running) {
        set(object, "running", running_of(worker));
    }
    return object;
}

json_t *gg_json_stat(const ganger_stat *stat)
{
    json_t *object = gg_say_need(json_object());
    set(object, "name", gg_json_text(stat->name));
    set(object, "label_name", gg_json_text(stat->label_name));
    set(object, "label", gg_json_text(stat->label));
    set(object, "value", number(stat->value));
    set(object, "limit", stat->most > 0 ? number(stat->most) : json_null());
    set(object, "kind", json_string(stat->counter ? "counter" : "gauge"));
    set(object, "meaning", gg_json_text(stat->meaning));
    return object;
}

json_t *gg_json_broker(const ganger_broker *broker)
{
    json_t *object = gg_say_need(json_object());
    json_t *limits = gg_say_need(json_array());
    set(object, "program", gg_json_text(broker->program));
    set(object, "state", gg_json_text(broker->state));
    set(object, "store", gg_json_text(broker->store));
    set(object, "client_endpoint", gg_json_text(broker->client_endpoint));
    set(object, "agent_endpoint", gg_json_text(broker->agent_endpoint));
    set(object, "epoch", number(broker->epoch));
    set(object, "pid", number(broker->pid));
    set(object, "started_at", gg_json_time(broker->started_at));
    set(object, "now", gg_json_time(broker->now_at));
    set(object, "durability", durability_of(broker->durability));
    set(object, "curve", json_boolean(broker->curve));
    if (broker->store_path[0] != '\0') {
        set(object, "data", gg_json_text(broker->store_path));
        set(object, "committed_at", gg_json_time(broker->committed_at));
        set(object, "commits", number(broker->commits));
        set(object, "commit_p50_us", number(broker->commit_p50_us));
        set(object, "commit_p99_us", number(broker->commit_p99_us));
        set(object, "disk_bytes", number(broker->disk_bytes));
        set(object, "free_bytes", number(broker->free_bytes));
        set(object, "records", number(broker->records));
        set(object, "record_bytes", number(broker->record_bytes));
        set(object, "blobs", number(broker->blobs));
        set(object, "blob_bytes", number(broker->blob_bytes));
        set(object, "waiting_bytes", number(broker->waiting_bytes));
        set(object, "space", gg_json_text(gg_space_name(broker->space)));
        set(object, "clock_behind_ms", number(broker->clock_behind_ms));
    }
    for (size_t i = 0; i < broker->limit_count; i++) {
        (void)json_array_append_new(limits, gg_json_stat(&broker->limits[i]));
    }
    set(object, "limits", limits);
    return object;
}

json_t *gg_json_acted(const ganger_id *id, const char *answer, unsigned waiters)
{
    json_t *object = gg_say_need(json_object());
    set(object, "id", id_text(id));
    set(object, "answer", json_string(answer));
    set(object, "waiters", number(waiters));
    return object;
}

json_t *gg_json_touched(const ganger_touched *touched, bool dry_run)
{
    json_t *object = gg_say_need(json_object());
    set(object, "count", number(touched->count));
    set(object, "unsettled", number(touched->unsettled));
    set(object, "dry_run", json_boolean(dry_run));
    return object;
}

json_t *gg_json_key(const char *name, const char *key, const char *roles,
                    const char *realms, const char *queues)
{
    json_t *object = gg_say_need(json_object());
    set(object, "name", gg_json_text(name));
    set(object, "key", gg_json_text(key));
    set(object, "roles", gg_json_text(roles));
    set(object, "realms", gg_json_text(realms));
    set(object, "queues", gg_json_text(queues));
    return object;
}

json_t *gg_json_finding(const char *check, const char *level, const char *text,
                        const char *advice)
{
    json_t *object = gg_say_need(json_object());
    set(object, "check", json_string(check));
    set(object, "level", json_string(level));
    set(object, "text", gg_json_text(text));
    set(object, "advice", gg_json_text(advice));
    return object;
}

json_t *gg_json_error(ganger_err err)
{
    json_t *object = gg_say_need(json_object());
    set(object, "code", json_integer(err));
    set(object, "name", json_string(ganger_err_name(err)));
    set(object, "exit", json_integer(ganger_err_exit(err)));
    set(object, "text", json_string(ganger_err_text(err)));
    return object;
}

json_t *gg_json_measures(const struct gg_json_measure *measures, size_t count)
{
    json_t *object = gg_say_need(json_object());
    for (size_t i = 0; i < count; i++) {
        const struct gg_json_measure *one = &measures[i];
        json_t *value = one->whole ? json_integer((json_int_t)one->value)
                                   : json_real(one->value);
        if (one->value < 0) {
            json_decref(value);
            value = json_null();
        }
        set(object, one->name, value);
    }
    return object;
}

/* Reals have the digits that every double keeps: 0.4, not 0.40000000000000002. On a
 * terminal nothing but ASCII, so that no control character gets there. */
static size_t form(size_t flags)
{
    size_t safe = isatty(STDOUT_FILENO) == 1 ? JSON_ENSURE_ASCII : 0;
    return flags | safe | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DBL_DIG);
}

static void dump(json_t *object, size_t flags)
{
    if (json_dumpf(object, stdout, form(flags)) != 0) {
        gg_say("cannot write JSON");
    }
    json_decref(object);
}

void gg_json_print(json_t *object, bool on_one_line)
{
    dump(object, on_one_line ? JSON_COMPACT : JSON_INDENT(2));
    (void)fputc('\n', stdout);
}

char *gg_json_line(json_t *object)
{
    char *line = gg_say_need(json_dumps(object, form(JSON_COMPACT)));
    json_decref(object);
    return line;
}

void gg_json_list_add(struct gg_json_list *list, json_t *entry)
{
    if (list->format == GG_FORMAT_JSONL) {
        gg_json_print(entry, true);
        return;
    }
    (void)fputs(list->count == 0 ? "[\n" : ",\n", stdout);
    list->count++;
    dump(entry, JSON_INDENT(2));
}

void gg_json_list_end(struct gg_json_list *list)
{
    if (list->format == GG_FORMAT_JSON) {
        (void)fputs(list->count == 0 ? "[]\n" : "\n]\n", stdout);
    }
}
