/* check.c - looking at a data folder that may be damaged, and saving what can be read.
 *
 * Nothing in the folder changes: SQLite builds its index of the log, which goes again,
 * and is told not to move the log on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/store/backup.h"
#include "broker/store/blobs.h"
#include "broker/store/witness.h"

enum { ROWS_MAX_BITS = 56 }; /* No row has a larger number (live.h). */

struct look {
    struct gg_files *files;
    struct gg_page_vfs *vfs;
    struct gg_folder folder;
    struct gg_wal_scan wal;
    struct gg_database source;
    struct gg_census expected; /* By the last commit; */
    bool has_expected;         /* if that can be read. */
    struct gg_census readable;
    uint64_t number; /* The highest that anything speaks of. */
    gg_store_finding_fn *found;
    void *ctx;
    struct gg_store_census *totals;
    struct gg_store_report *report;

    struct gg_copy *copy; /* Of a repair; NULL: only look. */
    struct gg_blobs blobs;
};

__attribute__((format(printf, 2, 3))) static void find(struct look *look,
                                                       const char *format, ...)
{
    char text[GG_STORE_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    look->totals->damaged_count++;
    look->found(look->ctx, text);
}

static void take_finding(void *ctx, const char *text)
{
    find(ctx, "%s", text);
}

/* A fault that the pieces below have told becomes a finding; memory stays an error. */
static enum gg_err as_finding(struct look *look, enum gg_err err)
{
    if (err == GG_OK || err == GG_ERR_NO_MEMORY) {
        return err;
    }
    if (look->report->fault[0] != '\0') {
        find(look, "%s", look->report->fault);
        look->report->fault[0] = '\0';
    }
    return GG_OK;
}

/* ---- blobs ---- */

/* The blob of a row, verified against it. */
static enum gg_err read_blob(struct look *look, const struct gg_row *row,
                             struct gg_store_blob_key *out_key, uint64_t *out_sum,
                             struct gg_blob **out_blob)
{
    uint64_t len = 0;
    if (!gg_blob_row_open(row->value, out_key, &len, out_sum)) {
        return gg_report_fault(look->report, GG_ERR_STORE,
                               "%s: record %llu of table blob is no blob's",
                               look->folder.database, (unsigned long long)row->row);
    }
    enum gg_err err = gg_blobs_read(look->files, look->folder.path, &row->id, out_blob,
                                    look->report);
    if (err == GG_OK && gg_blob_sum(gg_blob_slice(*out_blob)) != *out_sum) {
        gg_blob_unref(out_blob);
        return gg_report_fault(look->report, GG_ERR_STORE,
                               "%s: blob %llu is not the one its record names",
                               look->folder.path, (unsigned long long)row->row);
    }
    return err;
}

static enum gg_err take_blob(struct look *look, const struct gg_row *row)
{
    char path[GG_PATH_BYTES];
    char id[GG_ID_TEXT_BYTES];
    struct gg_store_blob_key key = {0};
    struct gg_blob *blob = NULL;
    uint64_t sum = 0;
    enum gg_err err = read_blob(look, row, &key, &sum, &blob);
    if (err != GG_OK) {
        gg_id_format(&key.id, id);
        find(look, "the blob %u of %s is lost", key.part, id);
        return as_finding(look, err);
    }
    look->totals->blob_count++;
    if (look->copy != NULL) {
        if (gg_blobs_write(&look->blobs, &row->id, &key, gg_blob_slice(blob), sum,
                           path) != 0) {
            err = gg_report_system(look->report, "write", path, errno);
        } else {
            err = gg_copy_row(look->copy, GG_LIVE_BLOB, row);
        }
    }
    gg_blob_unref(&blob);
    return err;
}

/* ---- records ---- */

static enum gg_err take_row(struct look *look, uint8_t kind, uint64_t number,
                            struct gg_slice record)
{
    struct gg_row row;
    char id[GG_ID_TEXT_BYTES];
    if (!gg_record_open(record, kind, number, &row)) {
        gg_id_format(&row.id, id);
        find(look, "%s: record %llu of table %s, key %s, does not fit its checksum",
             look->folder.database, (unsigned long long)number, gg_table_name(kind),
             id);
        return GG_OK;
    }
    gg_census_add(&look->readable, kind, row.sum);
    if (kind == GG_LIVE_BLOB) {
        return take_blob(look, &row);
    }
    look->totals->record_count++;
    return look->copy == NULL ? GG_OK : gg_copy_row(look->copy, kind, &row);
}

static sqlite3_stmt *prepare(struct look *look, uint8_t kind, const char *columns)
{
    char sql[160];
    sqlite3_stmt *statement = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM \"%s\" WHERE n>=?1 ORDER BY n",
                   columns, gg_table_name(kind));
    return sqlite3_prepare_v2(look->source.sqlite, sql, -1, &statement, NULL) ==
                   SQLITE_OK
               ? statement
               : NULL;
}

/* Can the first row from `from` on be read, or is it known that there is none? */
static bool readable(sqlite3_stmt *probe, uint64_t from)
{
    (void)sqlite3_bind_int64(probe, 1, (sqlite3_int64)from);
    int rc = sqlite3_step(probe);
    (void)sqlite3_reset(probe);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Where reading works again behind a place `from` that cannot be read; 0: nowhere. */
static uint64_t next_readable(sqlite3_stmt *probe, uint64_t from)
{
    int bits = 0;
    while (bits < ROWS_MAX_BITS && !readable(probe, from + (1ULL << bits))) {
        bits++;
    }
    if (bits == ROWS_MAX_BITS) {
        return 0;
    }
    uint64_t bad = bits == 0 ? from : from + (1ULL << (bits - 1));
    uint64_t good = from + (1ULL << bits);
    while (good - bad > 1) {
        uint64_t middle = bad + (good - bad) / 2;
        if (readable(probe, middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    return good;
}

/* Read rows from *from on until the end (true) or a place that cannot be read. */
static bool read_on(struct look *look, sqlite3_stmt *rows, uint8_t kind, uint64_t *from,
                    enum gg_err *out_err)
{
    int rc = sqlite3_bind_int64(rows, 1, (sqlite3_int64)*from);
    while (rc == SQLITE_OK && *out_err == GG_OK) {
        rc = sqlite3_step(rows);
        if (rc == SQLITE_ROW) {
            uint64_t number = (uint64_t)sqlite3_column_int64(rows, 0);
            const void *data = sqlite3_column_blob(rows, 1);
            size_t len = (size_t)sqlite3_column_bytes(rows, 1);
            if (data == NULL && sqlite3_errcode(look->source.sqlite) != SQLITE_ROW) {
                rc = sqlite3_errcode(look->source.sqlite);
                break; /* Its overflow pages cannot be read. */
            }
            *out_err = take_row(look, kind, number, gg_slice_of(data, len));
            *from = number + 1;
            rc = SQLITE_OK;
        }
    }
    if (rc == SQLITE_NOMEM) {
        *out_err = gg_report_fault(look->report, GG_ERR_NO_MEMORY, "no memory");
    }
    (void)sqlite3_reset(rows);
    return rc == SQLITE_DONE || *out_err != GG_OK;
}

static enum gg_err read_table(struct look *look, uint8_t kind)
{
    enum gg_err err = GG_OK;
    uint64_t from = 1;
    sqlite3_stmt *rows = prepare(look, kind, "n, record");
    sqlite3_stmt *probe = prepare(look, kind, "n, length(record)");
    if (rows == NULL || probe == NULL) {
        find(look, "%s: table %s cannot be read: %s", look->folder.database,
             gg_table_name(kind), sqlite3_errmsg(look->source.sqlite));
        from = 0;
    }
    while (from != 0 && !read_on(look, rows, kind, &from, &err)) {
        uint64_t next = next_readable(probe, from);
        char end[32] = "the end";
        if (next != 0) {
            (void)snprintf(end, sizeof end, "%llu", (unsigned long long)next);
        }
        find(look, "%s: table %s: records from %llu up to %s cannot be read (page %u)",
             look->folder.database, gg_table_name(kind), (unsigned long long)from, end,
             gg_page_vfs_damaged(look->vfs));
        from = next;
    }
    (void)sqlite3_finalize(rows);
    (void)sqlite3_finalize(probe);
    return err;
}

static void compare(struct look *look)
{
    for (int kind = 0; kind < GG_LIVE_KIND_COUNT && look->has_expected; kind++) {
        uint64_t expected = look->expected.counts[kind];
        uint64_t readable_count = look->readable.counts[kind];
        if (readable_count != expected) {
            find(look,
                 "%s: table %s: %llu records can be read, the last commit left %llu",
                 look->folder.database, gg_table_name((uint8_t)kind),
                 (unsigned long long)readable_count, (unsigned long long)expected);
        } else if (look->readable.sums[kind] != look->expected.sums[kind]) {
            find(look,
                 "%s: table %s: not all records are those that the last commit left",
                 look->folder.database, gg_table_name((uint8_t)kind));
        }
    }
}

static enum gg_err read_records(struct look *look)
{
    enum gg_err err = gg_database_open_reader(&look->source, look->vfs,
                                              look->folder.database, look->report);
    if (err != GG_OK) {
        return as_finding(look, err);
    }
    err = gg_database_census(&look->source, &look->expected, look->report);
    look->has_expected = err == GG_OK;
    err = as_finding(look, err);
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && err == GG_OK; kind++) {
        err = read_table(look, kind);
    }
    compare(look);
    gg_database_close(&look->source);
    return err;
}

/* ---- the files ---- */

static enum gg_err look_at_witness(struct look *look)
{
    struct gg_testimony witness = {0};
    bool there = false;
    uint64_t serial = 0;
    enum gg_err err = gg_witness_read(look->files, look->folder.witness, &there,
                                      &witness, &serial, look->report);
    if (err != GG_OK) {
        return as_finding(look, err);
    }
    look->number = look->expected.number;
    if (!there) {
        find(look, "%s: it is missing or empty", look->folder.witness);
    } else if (look->has_expected && witness.number > look->expected.number) {
        char at[GG_WALL_TEXT_BYTES];
        gg_wall_format(witness.at, at);
        find(look,
             "%s: it ends at record %llu, and record %llu was safe at %s: what came "
             "between is lost",
             look->folder.log, (unsigned long long)look->expected.number,
             (unsigned long long)witness.number, at);
    }
    if (witness.number > look->number) {
        look->number = witness.number;
    }
    return GG_OK;
}

static enum gg_err look_at_files(struct look *look)
{
    enum gg_err err = gg_folder_check_format(look->folder.database, GG_DATABASE_MARK,
                                             look->files, look->report);
    if (err == GG_ERR_CONFIG) {
        return err; /* Newer than we are: not for us to judge. */
    }
    err = as_finding(look, err);
    if (err == GG_OK) {
        err = as_finding(
            look, gg_wal_read(look->files, look->folder.log, &look->wal, look->report));
    }
    if (err == GG_OK && look->wal.damaged) {
        find(look,
             "%s: the frame at byte %llu does not fit its checksum, and whole commits "
             "follow it: they are lost",
             look->folder.log, (unsigned long long)look->wal.bad_at);
    }
    if (err == GG_OK) {
        err = as_finding(look,
                         gg_pages_check(look->files, look->folder.database, &look->wal,
                                        take_finding, look, look->report));
    }
    return err;
}

static enum gg_err look_at_all(struct look *look)
{
    enum gg_err err = look_at_files(look);
    if (err == GG_OK) {
        err = read_records(look);
    }
    if (err == GG_OK) {
        err = look_at_witness(look);
    }
    return err;
}

static enum gg_err open_look(struct look *look, const char *path,
                             const struct gg_store_options *options)
{
    enum gg_err err = gg_page_vfs_new(options->vfs, &look->vfs);
    if (err != GG_OK) {
        return gg_report_fault(look->report, err, "no memory");
    }
    err = gg_folder_lock(&look->folder, path, look->report);
    if (err == GG_OK && !look->folder.has_database) {
        err = gg_report_fault(look->report, GG_ERR_CONFIG,
                              "%s: there is no ganger.db in it", path);
    }
    return err;
}

static void close_look(struct look *look)
{
    gg_database_close(&look->source);
    gg_wal_fini(&look->wal);
    if (look->folder.lock_fd >= 0) {
        (void)look->files->unlink(look->files, look->folder.index);
    }
    gg_folder_close(&look->folder);
    gg_page_vfs_destroy(&look->vfs);
}

static struct look new_look(const struct gg_store_options *options,
                            gg_store_finding_fn *found, void *ctx,
                            struct gg_store_census *out_census,
                            struct gg_store_report *out_report)
{
    *out_census = (struct gg_store_census){0};
    *out_report = (struct gg_store_report){.fault = ""};
    return (struct look){
        .files = options->files == NULL ? gg_files_libc() : options->files,
        .folder = {.lock_fd = -1},
        .found = found,
        .ctx = ctx,
        .totals = out_census,
        .report = out_report,
    };
}

enum gg_err gg_store_check(const char *path, const struct gg_store_options *options,
                           gg_store_finding_fn *found, void *ctx,
                           struct gg_store_census *out_census,
                           struct gg_store_report *out_report)
{
    struct look look = new_look(options, found, ctx, out_census, out_report);
    enum gg_err err = open_look(&look, path, options);
    if (err == GG_OK) {
        err = look_at_all(&look);
    }
    close_look(&look);
    return err;
}

/* ---- repair ---- */

static enum gg_err save_into(struct look *look, const struct gg_folder *into)
{
    struct gg_live none;
    struct gg_copy copy;
    char path[GG_PATH_BYTES];
    uint64_t removed = 0;
    gg_live_init(&none, 0);
    gg_blobs_init(&look->blobs, look->files, into->path);
    enum gg_err err = gg_blobs_sweep(&look->blobs, &none, &removed, look->report);
    if (err != GG_OK) {
        return err;
    }
    err = gg_copy_begin(&copy, look->files, look->vfs, into->making, GG_DATABASE_MARK,
                        look->report);
    look->copy = &copy;
    if (err == GG_OK) {
        err = look_at_all(look);
    }
    copy.census.number = look->number;
    if (err == GG_OK && gg_blobs_sync(&look->blobs, path) != 0) {
        err = gg_report_system(look->report, "sync", path, errno);
    }
    err = gg_copy_end(&copy, true, err);
    return err == GG_OK ? gg_copy_publish(look->files, into, look->number, look->report)
                        : err;
}

enum gg_err gg_store_repair(const char *path, const char *into,
                            const struct gg_store_options *options,
                            gg_store_finding_fn *found, void *ctx,
                            struct gg_store_census *out_census,
                            struct gg_store_report *out_report)
{
    struct look look = new_look(options, found, ctx, out_census, out_report);
    struct gg_folder target = {.lock_fd = -1};
    enum gg_err err = open_look(&look, path, options);
    if (err == GG_OK) {
        err = gg_folder_open(&target, into, look.files, out_report);
    }
    if (err == GG_OK && target.has_database) {
        err = gg_report_fault(out_report, GG_ERR_CONFIG,
                              "%s: this folder is in use already; name a new one",
                              into);
    }
    if (err == GG_OK) {
        err = save_into(&look, &target);
    }
    close_look(&look);
    gg_folder_close(&target);
    return err;
}
