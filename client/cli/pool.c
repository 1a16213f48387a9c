/* pool.c - `ganger pool list`: the pools of all agents, a row each. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "common/name.h"

struct listing {
    const struct gg_call *call;
    struct gg_table *table; /* NULL: JSON, or names. */
    struct gg_json_list list;
};

static const struct gg_column columns[] = {
    {"POOL", 0},
    {"WORKER", 0},
    {"STATE", GG_COLUMN_STATE},
    {"BUSY", GG_COLUMN_RIGHT},
    {"SLOTS", GG_COLUMN_RIGHT},
    {"KIND", 0},
    {"EXECUTORS", GG_COLUMN_RIGHT | GG_COLUMN_WIDE},
    {"RESTARTS", GG_COLUMN_RIGHT | GG_COLUMN_WIDE},
    {"REALM", GG_COLUMN_WIDE},
    {"QUEUES", 0},
};

static void pool_row(struct gg_table *table, const ganger_worker *worker,
                     const ganger_pool *pool)
{
    struct gg_row *row = gg_table_row(table, NULL);
    gg_row_text(table, row, 0, pool->name);
    gg_row_text(table, row, 1, worker->name);
    gg_row_text(table, row, 2, pool->state);
    gg_row_print(table, row, 3, "%u", pool->busy);
    gg_row_print(table, row, 4, "%u", pool->slots);
    gg_row_text(table, row, 5, pool->kind);
    gg_row_print(table, row, 6, "%u", pool->executors);
    gg_row_print(table, row, 7, "%u/%u", pool->restarts, pool->restarts_max);
    gg_row_text(table, row, 8, pool->realm);
    gg_row_text(table, row, 9, pool->queues);
}

static bool wanted(const struct gg_call *call, const ganger_pool *pool)
{
    return call->args[0] == NULL ||
           gg_pattern_match(gg_slice_text(call->args[0]), gg_slice_text(pool->name));
}

static bool on_worker(void *ctx, const ganger_worker *worker)
{
    struct listing *listing = ctx;
    for (size_t i = 0; i < worker->pool_count; i++) {
        const ganger_pool *pool = &worker->pools[i];
        if (!wanted(listing->call, pool)) {
            continue;
        }
        if (listing->call->options.format == GG_FORMAT_ID) {
            (void)puts(pool->name);
        } else if (listing->table == NULL) {
            gg_json_list_add(&listing->list, gg_json_pool(worker, pool));
        } else {
            pool_row(listing->table, worker, pool);
        }
    }
    return true;
}

int gg_pool_list(struct gg_call *call)
{
    enum gg_format format = call->options.format;
    struct listing listing = {.call = call, .list.format = format};
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    if (!gg_json_wanted(format) && format != GG_FORMAT_ID) {
        listing.table = gg_table_new(columns, sizeof columns / sizeof columns[0],
                                     format == GG_FORMAT_WIDE);
    }
    ganger_err err = ganger_workers(call->broker, call->options.worker, false,
                                    gg_answer_ms(call), on_worker, &listing);
    gg_table_finish_list(&listing.table, err == GANGER_OK, "such pools");
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot list pools");
    }
    gg_json_list_end(&listing.list);
    return GG_EXIT_DONE;
}
