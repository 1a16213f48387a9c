/* database.h - the SQLite connection: tables, statements, transactions.
 *
 * One table for each kind of record: `n INTEGER PRIMARY KEY, record BLOB`, nothing else
 * (live.h says why the key is not the id). One row of `state` holds the last durable
 * number and, for each kind, how many records there are and the sum of their checksums;
 * it is rewritten in each transaction, and counted again at each start. */
#ifndef GG_BROKER_STORE_DATABASE_H
#define GG_BROKER_STORE_DATABASE_H

#include "broker/store/group.h"
#include "broker/store/pages.h"
#include "broker/store/report.h"

enum {
    GG_DATABASE_MARK = 0x47474442, /* "GGDB": SQLite's application_id. */
    GG_BACKUP_MARK = 0x47474255,   /* "GGBU" */
};

/* What every transaction writes: how much must be there. */
struct gg_census {
    uint64_t number;
    uint64_t counts[GG_LIVE_KIND_COUNT];
    uint64_t sums[GG_LIVE_KIND_COUNT];
};

enum gg_statement {
    GG_STATEMENT_INSERT,
    GG_STATEMENT_UPDATE,
    GG_STATEMENT_DELETE,
    GG_STATEMENT_COUNT
};

struct gg_database {
    sqlite3 *sqlite;
    const struct gg_page_vfs *vfs;
    const char *path; /* Of the file; lent. */
    sqlite3_stmt *statements[GG_LIVE_KIND_COUNT][GG_STATEMENT_COUNT];
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *state;
    int rc;        /* Of the last call that failed. */
    int number;    /* The system's errno then. */
    char what[96]; /* SQLite's words for it. */
};

/* Create `path` with its tables, empty, in WAL mode, synced and closed. `mark` is its
 * application_id. The file must not be there. */
GG_MUST_USE enum gg_err gg_database_create(const struct gg_page_vfs *vfs,
                                           const char *path, uint32_t mark,
                                           struct gg_store_report *report);

/* Open it for writing: the one connection of the writer. Until gg_database_adopt() its
 * end leaves the files as they are, in case they turn out to be damaged. */
GG_MUST_USE enum gg_err gg_database_open(struct gg_database *database,
                                         const struct gg_page_vfs *vfs,
                                         const char *path,
                                         struct gg_store_report *report);

/* Open it for reading; a snapshot once the first read has been made. */
GG_MUST_USE enum gg_err gg_database_open_reader(struct gg_database *database,
                                                const struct gg_page_vfs *vfs,
                                                const char *path,
                                                struct gg_store_report *report);

/* Safe on what was never opened, if it is all zeros, and when called twice. */
void gg_database_close(struct gg_database *database);

/* ---- SQLite's result codes; 0 is success ---- */

int gg_database_exec(struct gg_database *database, const char *sql);
int gg_database_adopt(struct gg_database *database);
int gg_database_begin(struct gg_database *database);
int gg_database_write(struct gg_database *database, enum gg_statement statement,
                      uint8_t kind, uint64_t row, const void *record, size_t len);
int gg_database_write_census(struct gg_database *database,
                             const struct gg_census *census);
int gg_database_commit(struct gg_database *database);

/* Undo an open transaction; harmless without one. */
void gg_database_rollback(struct gg_database *database);

/* Copy what is in the log to the database file and sync it. *out_frames: how many
 * frames stay in the log; `truncate`: cut the log to nothing as well. */
int gg_database_checkpoint(struct gg_database *database, bool truncate,
                           int *out_frames);

/* Give up to `pages` free pages at the end of the file back. */
int gg_database_shrink(struct gg_database *database, int pages);

/* The value of a PRAGMA that is a number, e.g. "freelist_count"; -1: failed. */
int64_t gg_database_pragma(struct gg_database *database, const char *name);

/* Was it for want of room on the disk? */
bool gg_database_no_space(const struct gg_database *database);

/* What failed last, as a sentence: call, reason, path. */
enum gg_err gg_database_fault(const struct gg_database *database, const char *call,
                              struct gg_store_report *report);

/* ---- reading ---- */

/* A record as read and checked, valid until the next. */
struct gg_row {
    uint64_t row;
    uint64_t sum;
    struct gg_id id;
    struct gg_slice value;
    struct gg_slice record; /* All of it, as on disk. */
};

/* Seal `record` (its last 8 bytes are for the checksum) for `row`; returns the sum. */
uint64_t gg_record_seal(uint8_t *record, size_t len, uint64_t row);

/* False: damaged; out->id may still tell which it was, or nonsense. */
bool gg_record_open(struct gg_slice record, uint8_t kind, uint64_t row,
                    struct gg_row *out);

/* Anything but GG_OK ends the visit and becomes its result. */
typedef enum gg_err gg_row_fn(void *ctx, uint8_t kind, const struct gg_row *row);

/* Visit the rows of `kind` in rising order, checking each. A damaged record or page
 * ends it with GG_ERR_STORE and a fault that names it. */
GG_MUST_USE enum gg_err gg_database_rows(struct gg_database *database, uint8_t kind,
                                         gg_row_fn *visit, void *ctx,
                                         struct gg_store_report *report);

/* Read what must be there. */
GG_MUST_USE enum gg_err gg_database_census(struct gg_database *database,
                                           struct gg_census *out_census,
                                           struct gg_store_report *report);

/* The name of a kind's table. */
const char *gg_table_name(uint8_t kind);

void gg_census_add(struct gg_census *census, uint8_t kind, uint64_t sum);
void gg_census_take(struct gg_census *census, uint8_t kind, uint64_t sum);

/* Is what was counted what the last commit of `path` left? GG_ERR_STORE: no. */
GG_MUST_USE enum gg_err gg_census_compare(const struct gg_census *expected,
                                          const struct gg_census *counted,
                                          const char *path,
                                          struct gg_store_report *report);

#endif
