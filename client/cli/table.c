#include "client/cli/table.h"

#include <libsmartcols.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/say.h"
#include "client/cli/text.h"
#include "common/clock.h"
#include "common/duration.h"

enum { COLUMNS_MAX = 24, CELL_BYTES_MAX = 4600 };

struct gg_table {
    struct libscols_table *scols;
    size_t place[COLUMNS_MAX]; /* Of our column among those shown, or NOT_SHOWN. */
    bool state[COLUMNS_MAX];
    bool colors;
    size_t rows;
};

static const size_t NOT_SHOWN = SIZE_MAX;

/* What the words of states look like; the rest is plain. */
static const struct {
    const char *word;
    const char *color;
} colors[] = {
    {"succeeded", "green"}, {"ok", "green"},        {"up", "green"},
    {"open", "green"},      {"running", "cyan"},    {"ready", "blue"},
    {"failed", "red"},      {"fail", "red"},        {"gone", "red"},
    {"expired", "red"},     {"cancelled", "brown"}, {"paused", "brown"},
    {"warn", "brown"},      {"suspect", "brown"},   {"draining", "brown"},
};

struct gg_table *gg_table_new(const struct gg_column *columns, size_t count, bool wide)
{
    static bool locale_set;
    if (!locale_set) {
        (void)setlocale(LC_CTYPE, "");
        locale_set = true;
    }
    struct gg_table *table = gg_say_need(calloc(1, sizeof *table));
    table->scols = gg_say_need(scols_new_table());
    table->colors = gg_text_colors(stdout);
    (void)scols_table_enable_colors(table->scols, table->colors);
    (void)scols_table_enable_noheadings(table->scols, columns[0].name == NULL);
    size_t shown = 0;
    for (size_t i = 0; i < count && i < COLUMNS_MAX; i++) {
        unsigned flags = columns[i].flags;
        table->state[i] = (flags & GG_COLUMN_STATE) != 0;
        if ((flags & GG_COLUMN_WIDE) != 0 && !wide) {
            table->place[i] = NOT_SHOWN;
            continue;
        }
        int scols_flags = ((flags & GG_COLUMN_RIGHT) != 0 ? SCOLS_FL_RIGHT : 0) |
                          ((flags & GG_COLUMN_TREE) != 0 ? SCOLS_FL_TREE : 0) |
                          ((flags & GG_COLUMN_WRAP) != 0 ? SCOLS_FL_WRAP : 0);
        const char *name = columns[i].name != NULL ? columns[i].name : "";
        (void)gg_say_need(scols_table_new_column(table->scols, name, 0, scols_flags));
        table->place[i] = shown++;
    }
    return table;
}

struct gg_row *gg_table_row(struct gg_table *table, struct gg_row *parent)
{
    table->rows++;
    return gg_say_need(
        scols_table_new_line(table->scols, (struct libscols_line *)(void *)parent));
}

static const char *color_of(const char *text)
{
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(colors[i].word, text) == 0) {
            return colors[i].color;
        }
    }
    return NULL;
}

void gg_row_text(struct gg_table *table, struct gg_row *row, size_t column,
                 const char *text)
{
    struct libscols_line *line = (struct libscols_line *)(void *)row;
    size_t place = table->place[column];
    if (place == NOT_SHOWN) {
        return;
    }
    if (text == NULL || text[0] == '\0') {
        text = "-";
    }
    if (scols_line_refer_data(line, place, gg_text_safe(text, strlen(text))) != 0) {
        (void)gg_say_need(NULL);
    }
    const char *color = table->state[column] && table->colors ? color_of(text) : NULL;
    if (color != NULL) {
        (void)scols_cell_set_color(scols_line_get_cell(line, place), color);
    }
}

__attribute__((format(printf, 4, 0))) static void print_cell(struct gg_table *table,
                                                             struct gg_row *row,
                                                             size_t column,
                                                             const char *format,
                                                             va_list args)
{
    char text[CELL_BYTES_MAX];
    (void)vsnprintf(text, sizeof text, format, args);
    gg_row_text(table, row, column, text);
}

void gg_row_print(struct gg_table *table, struct gg_row *row, size_t column,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_cell(table, row, column, format, args);
    va_end(args);
}

void gg_row_time(struct gg_table *table, struct gg_row *row, size_t column,
                 int64_t wall_ms)
{
    char text[GG_WALL_TEXT_BYTES] = "";
    if (wall_ms > 0) {
        gg_wall_format((struct gg_wall){wall_ms}, text);
    }
    gg_row_text(table, row, column, text);
}

void gg_row_duration(struct gg_table *table, struct gg_row *row, size_t column,
                     uint64_t ms)
{
    char text[GG_DURATION_TEXT_BYTES];
    gg_duration_format(ms, text);
    gg_row_text(table, row, column, text);
}

void gg_table_pair(struct gg_table *table, const char *name, const char *format, ...)
{
    struct gg_row *row = gg_table_row(table, NULL);
    va_list args;
    gg_row_text(table, row, 0, name);
    va_start(args, format);
    print_cell(table, row, 1, format, args);
    va_end(args);
}

void gg_table_pair_time(struct gg_table *table, const char *name, int64_t wall_ms)
{
    struct gg_row *row = gg_table_row(table, NULL);
    gg_row_text(table, row, 0, name);
    gg_row_time(table, row, 1, wall_ms);
}

void gg_table_finish(struct gg_table **table_p)
{
    struct gg_table *table = *table_p;
    if (table == NULL) {
        return;
    }
    if (table->rows > 0) {
        (void)scols_print_table(table->scols);
    }
    scols_unref_table(table->scols);
    free(table);
    *table_p = NULL;
}

void gg_table_finish_list(struct gg_table **table_p, bool whole, const char *what)
{
    bool empty = *table_p != NULL && (*table_p)->rows == 0;
    gg_table_finish(table_p);
    if (whole && empty && gg_say_to_terminal()) {
        gg_say("there are no %s", what);
    }
}
