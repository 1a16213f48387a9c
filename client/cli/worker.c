/* worker.c - `ganger worker list|show` and `ganger tree`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/table.h"

struct showing {
    enum gg_format format;
    struct gg_table *table;
    struct gg_row *root; /* Of the tree: the broker. */
    struct gg_json_list list;
    bool with_running;
    uint64_t count;
};

static const struct gg_column list_columns[] = {
    {"NAME", 0},
    {"HOST", 0},
    {"PID", GG_COLUMN_RIGHT},
    {"STATE", GG_COLUMN_STATE},
    {"SLOTS", GG_COLUMN_RIGHT},
    {"BUSY", GG_COLUMN_RIGHT},
    {"LAST SEEN", GG_COLUMN_RIGHT},
    {"VERSION", GG_COLUMN_WIDE},
    {"CONNECTED", GG_COLUMN_WIDE},
    {"QUEUES", 0},
};

static const struct gg_column tree_columns[] = {
    {"NAME", GG_COLUMN_TREE},
    {"STATE", GG_COLUMN_STATE},
    {"BUSY", GG_COLUMN_RIGHT},
    {"SLOTS", GG_COLUMN_RIGHT},
    {"SINCE", 0},
    {"WHAT", 0},
};

static void join_queues(const ganger_worker *worker, char *text, size_t room)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < worker->pool_count && len + 1 < room; i++) {
        int more = snprintf(text + len, room - len, "%s%s", i > 0 ? " " : "",
                            worker->pools[i].queues);
        len += more > 0 ? (size_t)more : 0;
    }
}

static void list_row(struct gg_table *table, const ganger_worker *worker)
{
    char queues[4096];
    struct gg_row *row = gg_table_row(table, NULL);
    join_queues(worker, queues, sizeof queues);
    gg_row_text(table, row, 0, worker->name);
    gg_row_text(table, row, 1, worker->host);
    gg_row_print(table, row, 2, "%" PRIu64, worker->pid);
    gg_row_text(table, row, 3, worker->state);
    gg_row_print(table, row, 4, "%u", worker->slots);
    gg_row_print(table, row, 5, "%u", worker->busy);
    gg_row_duration(table, row, 6, worker->last_seen_ms);
    gg_row_text(table, row, 7, worker->version);
    gg_row_time(table, row, 8, worker->connected_at);
    gg_row_text(table, row, 9, queues);
}

static void running_row(struct gg_table *table, struct gg_row *parent,
                        const ganger_running *running)
{
    char id[GANGER_ID_TEXT_BYTES];
    struct gg_row *row = gg_table_row(table, parent);
    ganger_id_format(&running->id, id);
    gg_row_text(table, row, 0, id);
    gg_row_text(table, row, 1, running->started ? "running" : "assigned");
    gg_row_text(table, row, 2, "");
    gg_row_text(table, row, 3, "");
    gg_row_time(table, row, 4, running->started_at);
    gg_row_print(table, row, 5, "%s, attempt %u, %.0f %% %s", running->queue,
                 running->attempt, running->progress * 100.0, running->progress_text);
}

/* "video.*, coprocess, 4 executors, 1/3 restarts: exit status 7; last job ..." */
static void describe_pool(const ganger_pool *pool, char *text, size_t room)
{
    bool stays = strcmp(pool->kind, "coprocess") == 0 ||
                 strcmp(pool->kind, "handler") == 0;
    int len = snprintf(text, room, "%s", pool->queues);
    if (pool->kind[0] != '\0' && len >= 0 && (size_t)len < room) {
        len += snprintf(text + len, room - (size_t)len, ", %s", pool->kind);
    }
    if (stays && len >= 0 && (size_t)len < room) {
        len += snprintf(text + len, room - (size_t)len, ", %u executors",
                        pool->executors);
    }
    bool failed = pool->cause[0] != '\0' &&
                  (pool->restarts > 0 || strcmp(pool->state, "down") == 0);
    if (failed && len >= 0 && (size_t)len < room) {
        len += snprintf(text + len, room - (size_t)len, ", %u/%u restarts: %s",
                        pool->restarts, pool->restarts_max, pool->cause);
    }
    if (pool->source[0] != '\0' && len >= 0 && (size_t)len < room) {
        (void)snprintf(text + len, room - (size_t)len, ", source %s", pool->source);
    }
}

static void pool_rows(struct showing *showing, struct gg_row *parent,
                      const ganger_worker *worker, const ganger_pool *pool)
{
    char what[1024];
    struct gg_table *table = showing->table;
    struct gg_row *row = gg_table_row(table, parent);
    if (pool->name != NULL && pool->name[0] != '\0') {
        gg_row_text(table, row, 0, pool->name);
    } else {
        gg_row_print(table, row, 0, "pool %u", pool->pool);
    }
    gg_row_text(table, row, 1, pool->state);
    gg_row_print(table, row, 2, "%u", pool->busy);
    gg_row_print(table, row, 3, "%u", pool->slots);
    gg_row_time(table, row, 4, pool->opens_at);
    describe_pool(pool, what, sizeof what);
    gg_row_text(table, row, 5, what);
    for (size_t i = 0; i < worker->running_count; i++) {
        if (worker->running[i].pool == pool->pool) {
            running_row(table, row, &worker->running[i]);
        }
    }
}

static void tree_rows(struct showing *showing, const ganger_worker *worker)
{
    struct gg_table *table = showing->table;
    struct gg_row *row = gg_table_row(table, showing->root);
    gg_row_text(table, row, 0, worker->name);
    gg_row_text(table, row, 1, worker->state);
    gg_row_print(table, row, 2, "%u", worker->busy);
    gg_row_print(table, row, 3, "%u", worker->slots);
    gg_row_time(table, row, 4, worker->connected_at);
    gg_row_print(table, row, 5, "%s, pid %" PRIu64, worker->host, worker->pid);
    for (size_t i = 0; i < worker->pool_count; i++) {
        pool_rows(showing, row, worker, &worker->pools[i]);
    }
}

static bool on_worker(void *ctx, const ganger_worker *worker)
{
    struct showing *showing = ctx;
    showing->count++;
    if (showing->format == GG_FORMAT_ID) {
        (void)puts(worker->name);
    } else if (showing->table == NULL) {
        gg_json_list_add(&showing->list, gg_json_worker(worker, showing->with_running));
    } else if (showing->with_running) {
        tree_rows(showing, worker);
    } else {
        list_row(showing->table, worker);
    }
    return true;
}

static void begin(struct showing *showing, const struct gg_call *call,
                  bool with_running)
{
    enum gg_format format = call->options.format;
    showing->format = format;
    showing->list.format = format;
    showing->with_running = with_running;
    if (gg_json_wanted(format) || format == GG_FORMAT_ID) {
        return;
    }
    showing->table = with_running
                         ? gg_table_new(tree_columns,
                                        sizeof tree_columns / sizeof tree_columns[0],
                                        true)
                         : gg_table_new(list_columns,
                                        sizeof list_columns / sizeof list_columns[0],
                                        format == GG_FORMAT_WIDE);
}

static int finish(struct gg_call *call, struct showing *showing, ganger_err err)
{
    gg_table_finish_list(&showing->table, err == GANGER_OK && !showing->with_running,
                         "such agents");
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot list agents");
    }
    gg_json_list_end(&showing->list);
    return GG_EXIT_DONE;
}

int gg_worker_list(struct gg_call *call)
{
    struct showing showing = {0};
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    begin(&showing, call, false);
    ganger_err err = ganger_workers(call->broker, call->args[0], false,
                                    gg_answer_ms(call), on_worker, &showing);
    return finish(call, &showing, err);
}

int gg_worker_show(struct gg_call *call)
{
    struct showing showing = {0};
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    begin(&showing, call, true);
    ganger_err err = ganger_workers(call->broker, call->args[0], true,
                                    gg_answer_ms(call), on_worker, &showing);
    status = finish(call, &showing, err);
    if (status == GG_EXIT_DONE && showing.count == 0) {
        gg_say("there is no agent %s [not_found]", call->args[0]);
        gg_say_try("ganger worker list");
        return GG_EXIT_UNKNOWN;
    }
    return status;
}

static void root_row(struct showing *showing, const ganger_broker *broker)
{
    if (showing->table == NULL) {
        return;
    }
    showing->root = gg_table_row(showing->table, NULL);
    gg_row_text(showing->table, showing->root, 0, broker->client_endpoint);
    gg_row_text(showing->table, showing->root, 1, broker->state);
    gg_row_text(showing->table, showing->root, 2, "");
    gg_row_text(showing->table, showing->root, 3, "");
    gg_row_time(showing->table, showing->root, 4, broker->started_at);
    gg_row_print(showing->table, showing->root, 5, "%s, pid %" PRIu64, broker->program,
                 broker->pid);
}

int gg_worker_tree(struct gg_call *call)
{
    struct showing showing = {0};
    ganger_broker broker;
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_broker_status(call->broker, gg_answer_ms(call), &broker);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot look at the broker");
    }
    begin(&showing, call, true);
    root_row(&showing, &broker);
    err = ganger_workers(call->broker, NULL, true, gg_answer_ms(call), on_worker,
                         &showing);
    return finish(call, &showing, err);
}
