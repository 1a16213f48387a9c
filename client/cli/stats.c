/* stats.c - `ganger stats` and `ganger broker status`. */
#include <ctype.h>
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
    struct gg_json_list list;
    char last[80]; /* Of prom: the metric whose head was written. */
};

static struct gg_table *stat_table(void)
{
    static const struct gg_column columns[] = {
        {"NAME", 0},
        {"OF", 0},
        {"VALUE", GG_COLUMN_RIGHT},
        {"LIMIT", GG_COLUMN_RIGHT},
        {"MEANING", 0},
    };
    return gg_table_new(columns, sizeof columns / sizeof columns[0], true);
}

static void stat_row(struct gg_table *table, const ganger_stat *stat)
{
    struct gg_row *row = gg_table_row(table, NULL);
    gg_row_text(table, row, 0, stat->name);
    gg_row_text(table, row, 1, stat->label);
    gg_row_print(table, row, 2, "%" PRIu64, stat->value);
    if (stat->most > 0) {
        gg_row_print(table, row, 3, "%" PRIu64, stat->most);
    } else {
        gg_row_text(table, row, 3, "");
    }
    gg_row_text(table, row, 4, stat->meaning);
}

/* A label's value, escaped as Prometheus' text format wants it. */
static void print_label(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"') {
            (void)putchar('\\');
        }
        if (iscntrl((unsigned char)*text)) {
            (void)fputs(*text == '\n' ? "\\n" : "?", stdout);
        } else {
            (void)putchar(*text);
        }
    }
}

static void print_metric_name(const char *name)
{
    (void)fputs("ganger_", stdout);
    for (; *name != '\0'; name++) {
        (void)putchar(isalnum((unsigned char)*name) ? *name : '_');
    }
}

static void print_head(struct showing *showing, const ganger_stat *stat)
{
    if (strcmp(showing->last, stat->name) == 0) {
        return;
    }
    (void)snprintf(showing->last, sizeof showing->last, "%s", stat->name);
    (void)fputs("# HELP ", stdout);
    print_metric_name(stat->name);
    (void)putchar(' ');
    print_label(stat->meaning);
    (void)fputs("\n# TYPE ", stdout);
    print_metric_name(stat->name);
    (void)puts(stat->counter ? " counter" : " gauge");
}

static void print_prom(struct showing *showing, const ganger_stat *stat)
{
    print_head(showing, stat);
    print_metric_name(stat->name);
    if (stat->label_name[0] != '\0') {
        (void)printf("{%s=\"", stat->label_name);
        print_label(stat->label);
        (void)fputs("\"}", stdout);
    }
    (void)printf(" %" PRIu64 "\n", stat->value);
}

static bool on_stat(void *ctx, const ganger_stat *stat)
{
    struct showing *showing = ctx;
    if (showing->table != NULL) {
        stat_row(showing->table, stat);
    } else if (showing->format == GG_FORMAT_PROM) {
        print_prom(showing, stat);
    } else {
        gg_json_list_add(&showing->list, gg_json_stat(stat));
    }
    return true;
}

int gg_stats_show(struct gg_call *call)
{
    enum gg_format format = call->options.format;
    struct showing showing = {.format = format, .list = {.format = format}};
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    if (!gg_json_wanted(format) && format != GG_FORMAT_PROM) {
        showing.table = stat_table();
    }
    ganger_err err = ganger_stats(call->broker, gg_answer_ms(call), on_stat, &showing);
    gg_table_finish(&showing.table);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot read the statistics");
    }
    gg_json_list_end(&showing.list);
    return GG_EXIT_DONE;
}

static void print_broker(const ganger_broker *broker)
{
    static const struct gg_column columns[] = {{NULL, 0}, {NULL, 0}};
    struct gg_table *table = gg_table_new(columns, 2, false);
    gg_table_pair(table, "program", "%s", broker->program);
    gg_table_pair(table, "state", "%s", broker->state);
    gg_table_pair(table, "pid", "%" PRIu64, broker->pid);
    gg_table_pair(table, "epoch", "%" PRIu64, broker->epoch);
    gg_table_pair_time(table, "serving since", broker->started_at);
    gg_table_pair(table, "store", "%s, best durability %s", broker->store,
                  broker->durability == 2 ? "fsync" : "none");
    gg_table_pair(table, "clients", "%s", broker->client_endpoint);
    gg_table_pair(table, "agents", "%s", broker->agent_endpoint);
    gg_table_pair(table, "keys", "%s",
                  broker->curve ? "required" : "not required (loopback)");
    gg_table_finish(&table);
    if (broker->limit_count > 0) {
        (void)putchar('\n');
        table = stat_table();
        for (size_t i = 0; i < broker->limit_count; i++) {
            stat_row(table, &broker->limits[i]);
        }
        gg_table_finish(&table);
    }
}

int gg_broker_show(struct gg_call *call)
{
    ganger_broker broker;
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_broker_status(call->broker, gg_answer_ms(call), &broker);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot look at the broker");
    }
    if (gg_json_wanted(call->options.format)) {
        gg_json_print(gg_json_broker(&broker), call->options.format == GG_FORMAT_JSONL);
    } else {
        print_broker(&broker);
    }
    return GG_EXIT_DONE;
}
