/* stats.c - `ganger stats`, and the table of figures. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/stats.h"

struct showing {
    enum gg_format format;
    struct gg_table *table;
    struct gg_json_list list;
    char last[80]; /* Of prom: the metric whose head was written. */
};

struct gg_table *gg_stat_table(void)
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

void gg_stat_row(struct gg_table *table, const ganger_stat *stat)
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
        gg_stat_row(showing->table, stat);
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
        showing.table = gg_stat_table();
    }
    ganger_err err = ganger_stats(call->broker, gg_answer_ms(call), on_stat, &showing);
    gg_table_finish(&showing.table);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot read the statistics");
    }
    gg_json_list_end(&showing.list);
    return GG_EXIT_DONE;
}
