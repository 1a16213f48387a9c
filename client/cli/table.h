/* table.h - tables and trees on standard output: the one wrapper of libsmartcols. */
#ifndef GG_CLIENT_CLI_TABLE_H
#define GG_CLIENT_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gg_column_flags {
    GG_COLUMN_RIGHT = 1, /* A number. */
    GG_COLUMN_TREE = 2,
    GG_COLUMN_WRAP = 4,   /* Long text. */
    GG_COLUMN_WIDE = 8,   /* Only with -o wide. */
    GG_COLUMN_STATE = 16, /* Coloured by what it says. */
};

struct gg_column {
    const char *name; /* NULL in the first one: a table without headings. */
    unsigned flags;
};

struct gg_table;

/* A table with `count` columns; `wide` shows those marked so. Never NULL. */
struct gg_table *gg_table_new(const struct gg_column *columns, size_t count, bool wide);

/* Begin a row under `parent` (NULL: at the top); returns its handle. */
struct gg_row;
struct gg_row *gg_table_row(struct gg_table *table, struct gg_row *parent);

/* Fill in a cell; text is copied and made safe. NULL and "" show as "-". */
void gg_row_text(struct gg_table *table, struct gg_row *row, size_t column,
                 const char *text);
__attribute__((format(printf, 4, 5))) void gg_row_print(struct gg_table *table,
                                                        struct gg_row *row,
                                                        size_t column,
                                                        const char *format, ...);
/* A point in time, local, and an age. 0 shows as "-". */
void gg_row_time(struct gg_table *table, struct gg_row *row, size_t column,
                 int64_t wall_ms);
void gg_row_duration(struct gg_table *table, struct gg_row *row, size_t column,
                     uint64_t ms);

/* A row of a table of two columns: a name and what it is. */
__attribute__((format(printf, 3, 4))) void gg_table_pair(struct gg_table *table,
                                                         const char *name,
                                                         const char *format, ...);
void gg_table_pair_time(struct gg_table *table, const char *name, int64_t wall_ms);

/* Print it, unless it is empty, and free it; *table_p becomes NULL. */
void gg_table_finish(struct gg_table **table_p);

/* The same for a list of `what` ("such queues"): where it is empty, and not because its
 * asking failed (`whole`), somebody at a terminal is told so. */
void gg_table_finish_list(struct gg_table **table_p, bool whole, const char *what);

#endif
