#include "broker/store/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/store/sum.h"
#include "common/assert.h"

enum {
    SQL_BYTES = 160,
    BUSY_MS = 5000,
    CACHE_KIB = 16384,
    LOG_BYTES_KEPT = 16 << 20, /* A log that grew (a backup was read) shrinks to it. */
    CENSUS_BYTES_MAX = 16 + GG_LIVE_KIND_COUNT * 16 + 8,
};

const char *gg_table_name(uint8_t kind)
{
    return kind == GG_LIVE_BLOB ? "blob" : gg_store_kind_name(kind);
}

/* ---- faults ---- */

static int failed(struct gg_database *database, int rc)
{
    if (rc != SQLITE_OK) {
        database->rc = rc;
        database->number = sqlite3_system_errno(database->sqlite);
        (void)snprintf(database->what, sizeof database->what, "%s",
                       database->sqlite == NULL ? sqlite3_errstr(rc)
                                                : sqlite3_errmsg(database->sqlite));
    }
    return rc;
}

bool gg_database_no_space(const struct gg_database *database)
{
    int primary = database->rc & 0xff;
    return primary == SQLITE_FULL ||
           (primary == SQLITE_IOERR && database->rc != SQLITE_IOERR_FSYNC &&
            (database->number == ENOSPC || database->number == EDQUOT));
}

enum gg_err gg_database_fault(const struct gg_database *database, const char *call,
                              struct gg_store_report *report)
{
    char text[96] = "";
    char reason[64];
    uint32_t page = gg_page_vfs_damaged(database->vfs);
    if (database->rc == SQLITE_IOERR_DATA ||
        (page != 0 && (database->rc & 0xff) == SQLITE_CORRUPT)) {
        return gg_report_fault(
            report, GG_ERR_STORE,
            "%s: damaged: page %u (byte %llu) does not fit its checksum; repair the "
            "folder or restore a backup",
            database->path, page, (unsigned long long)(page - 1) * GG_PAGE_BYTES);
    }
    if (database->number != 0) {
        (void)snprintf(text, sizeof text, ": %s",
                       strerror_r(database->number, reason, sizeof reason));
    }
    return gg_report_fault(
        report, database->rc == SQLITE_NOMEM ? GG_ERR_NO_MEMORY : GG_ERR_STORE,
        "%s: %s: %s (%d)%s", database->path, call, database->what, database->rc, text);
}

/* ---- open and close ---- */

int gg_database_exec(struct gg_database *database, const char *sql)
{
    return failed(database, sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL));
}

static int prepare(struct gg_database *database, const char *sql, sqlite3_stmt **out)
{
    return failed(database, sqlite3_prepare_v3(database->sqlite, sql, -1,
                                               SQLITE_PREPARE_PERSISTENT, out, NULL));
}

static int connect_to(struct gg_database *database, const struct gg_page_vfs *vfs,
                      const char *path, int flags)
{
    *database = (struct gg_database){.vfs = vfs, .path = path};
    int rc = failed(database, sqlite3_open_v2(path, &database->sqlite,
                                              flags | SQLITE_OPEN_NOMUTEX,
                                              gg_page_vfs_name(vfs)));
    if (rc == SQLITE_OK) {
        rc = failed(database, sqlite3_extended_result_codes(database->sqlite, 1));
    }
    if (rc == SQLITE_OK) {
        rc = failed(database, sqlite3_busy_timeout(database->sqlite, BUSY_MS));
    }
    if (rc == SQLITE_OK) { /* The writer says when. */
        rc = failed(database, sqlite3_wal_autocheckpoint(database->sqlite, 0));
    }
    return rc;
}

/* The last connection copies the log into the database when it is closed, or not. */
static int copy_at_close(struct gg_database *database, bool copy)
{
    return failed(database,
                  sqlite3_db_config(database->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                                    copy ? 0 : 1, NULL));
}

static int set_up(struct gg_database *database)
{
    char sql[SQL_BYTES];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA secure_delete=OFF; PRAGMA synchronous=FULL;"
                   "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY;"
                   "PRAGMA journal_size_limit=%d; PRAGMA mmap_size=0",
                   CACHE_KIB, LOG_BYTES_KEPT);
    return gg_database_exec(database, sql);
}

static int prepare_kind(struct gg_database *database, uint8_t kind)
{
    static const char *const forms[GG_STATEMENT_COUNT] = {
        [GG_STATEMENT_INSERT] = "INSERT INTO \"%s\" VALUES(?1,?2)",
        [GG_STATEMENT_UPDATE] = "UPDATE \"%s\" SET record=?2 WHERE n=?1",
        [GG_STATEMENT_DELETE] = "DELETE FROM \"%s\" WHERE n=?1",
    };
    int rc = SQLITE_OK;
    for (int i = 0; i < GG_STATEMENT_COUNT && rc == SQLITE_OK; i++) {
        char sql[SQL_BYTES];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(sql, sizeof sql, forms[i], gg_table_name(kind));
#pragma GCC diagnostic pop
        rc = prepare(database, sql, &database->statements[kind][i]);
    }
    return rc;
}

static int make_tables(struct gg_database *database)
{
    int rc = gg_database_exec(database,
                              "CREATE TABLE IF NOT EXISTS state(one INTEGER PRIMARY "
                              "KEY, record BLOB NOT NULL)");
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && rc == SQLITE_OK; kind++) {
        char sql[SQL_BYTES];
        (void)snprintf(sql, sizeof sql,
                       "CREATE TABLE IF NOT EXISTS \"%s\"(n INTEGER PRIMARY KEY, "
                       "record BLOB NOT NULL)",
                       gg_table_name(kind));
        rc = gg_database_exec(database, sql);
    }
    return rc;
}

static int fill_new(struct gg_database *database, uint32_t mark)
{
    char sql[SQL_BYTES];
    int reserved = GG_PAGE_RESERVED;
    int rc = failed(database,
                    sqlite3_file_control(database->sqlite, "main",
                                         SQLITE_FCNTL_RESERVE_BYTES, &reserved));
    if (rc == SQLITE_OK) {
        rc = set_up(database);
    }
    if (rc == SQLITE_OK) {
        (void)snprintf(sql, sizeof sql,
                       "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;"
                       "PRAGMA journal_mode=WAL; PRAGMA application_id=%u;"
                       "PRAGMA user_version=%d",
                       GG_PAGE_BYTES, mark, GG_STORE_FORMAT);
        rc = gg_database_exec(database, sql);
    }
    struct gg_census census = {0};
    if (rc == SQLITE_OK) {
        rc = gg_database_exec(database, "BEGIN");
    }
    if (rc == SQLITE_OK) {
        rc = make_tables(database);
    }
    if (rc == SQLITE_OK) {
        rc = prepare(database, "INSERT OR REPLACE INTO state VALUES(1,?1)",
                     &database->state);
    }
    if (rc == SQLITE_OK) {
        rc = gg_database_write_census(database, &census);
    }
    if (rc == SQLITE_OK) {
        rc = gg_database_exec(database, "COMMIT");
    }
    int frames = 0;
    return rc == SQLITE_OK ? gg_database_checkpoint(database, true, &frames) : rc;
}

enum gg_err gg_database_create(const struct gg_page_vfs *vfs, const char *path,
                               uint32_t mark, struct gg_store_report *report)
{
    struct gg_database database;
    enum gg_err err = GG_OK;
    int rc = connect_to(&database, vfs, path,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (rc == SQLITE_OK) {
        rc = fill_new(&database, mark);
    }
    if (rc != SQLITE_OK) {
        err = gg_database_fault(&database, "create", report);
    } else if (chmod(path, 0600) != 0) { /* Its log gets the same mode. */
        err = gg_report_system(report, "chmod", path, errno);
    }
    gg_database_close(&database);
    return err;
}

enum gg_err gg_database_open(struct gg_database *database,
                             const struct gg_page_vfs *vfs, const char *path,
                             struct gg_store_report *report)
{
    int rc = connect_to(database, vfs, path, SQLITE_OPEN_READWRITE);
    if (rc == SQLITE_OK) {
        rc = copy_at_close(database, false);
    }
    if (rc == SQLITE_OK) {
        rc = set_up(database);
    }
    if (rc == SQLITE_OK) { /* Kinds that came with this version. */
        rc = make_tables(database);
    }
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && rc == SQLITE_OK; kind++) {
        rc = prepare_kind(database, kind);
    }
    if (rc == SQLITE_OK) {
        rc = prepare(database, "BEGIN IMMEDIATE", &database->begin);
    }
    if (rc == SQLITE_OK) {
        rc = prepare(database, "COMMIT", &database->commit);
    }
    if (rc == SQLITE_OK) {
        rc = prepare(database, "INSERT OR REPLACE INTO state VALUES(1,?1)",
                     &database->state);
    }
    if (rc != SQLITE_OK) {
        enum gg_err err = gg_database_fault(database, "open", report);
        gg_database_close(database);
        return err;
    }
    return GG_OK;
}

enum gg_err gg_database_open_reader(struct gg_database *database,
                                    const struct gg_page_vfs *vfs, const char *path,
                                    struct gg_store_report *report)
{
    /* Not read-only: reading a log needs its index, which is written. */
    int rc = connect_to(database, vfs, path, SQLITE_OPEN_READWRITE);
    if (rc == SQLITE_OK) {
        rc = copy_at_close(database, false);
    }
    if (rc == SQLITE_OK) {
        rc = gg_database_exec(database,
                              "PRAGMA query_only=1; PRAGMA mmap_size=0; BEGIN");
    }
    if (rc != SQLITE_OK) {
        enum gg_err err = gg_database_fault(database, "open", report);
        gg_database_close(database);
        return err;
    }
    return GG_OK;
}

int gg_database_adopt(struct gg_database *database)
{
    return copy_at_close(database, true);
}

void gg_database_close(struct gg_database *database)
{
    if (database->sqlite == NULL) {
        return;
    }
    for (int kind = 0; kind < GG_LIVE_KIND_COUNT; kind++) {
        for (int i = 0; i < GG_STATEMENT_COUNT; i++) {
            (void)sqlite3_finalize(database->statements[kind][i]);
        }
    }
    (void)sqlite3_finalize(database->begin);
    (void)sqlite3_finalize(database->commit);
    (void)sqlite3_finalize(database->state);
    int rc = sqlite3_close(database->sqlite);
    GG_ASSERT(rc == SQLITE_OK); /* It fails only while a statement is left. */
    *database = (struct gg_database){0};
}

/* ---- writing ---- */

static int run(struct gg_database *database, sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE) {
        rc = SQLITE_OK;
    }
    rc = failed(database, rc);
    (void)sqlite3_reset(statement);
    return rc;
}

int gg_database_begin(struct gg_database *database)
{
    return run(database, database->begin);
}

int gg_database_commit(struct gg_database *database)
{
    return run(database, database->commit);
}

void gg_database_rollback(struct gg_database *database)
{
    if (sqlite3_get_autocommit(database->sqlite) == 0) {
        (void)sqlite3_exec(database->sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
}

int gg_database_write(struct gg_database *database, enum gg_statement statement,
                      uint8_t kind, uint64_t row, const void *record, size_t len)
{
    sqlite3_stmt *prepared = database->statements[kind][statement];
    int rc = sqlite3_bind_int64(prepared, 1, (sqlite3_int64)row);
    if (rc == SQLITE_OK && statement != GG_STATEMENT_DELETE) {
        rc = sqlite3_bind_blob64(prepared, 2, record, len, SQLITE_STATIC);
    }
    return rc == SQLITE_OK ? run(database, prepared) : failed(database, rc);
}

int gg_database_checkpoint(struct gg_database *database, bool truncate, int *out_frames)
{
    int all = 0;
    int done = 0;
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(database->sqlite, "main", mode, &all, &done);
    *out_frames = all - done;
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) { /* Somebody reads: later. */
        return SQLITE_OK;
    }
    return failed(database, rc);
}

int gg_database_shrink(struct gg_database *database, int pages)
{
    char sql[SQL_BYTES];
    (void)snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", pages);
    return gg_database_exec(database, sql);
}

int64_t gg_database_pragma(struct gg_database *database, const char *name)
{
    char sql[SQL_BYTES];
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    (void)snprintf(sql, sizeof sql, "PRAGMA %s", name);
    int rc = sqlite3_prepare_v2(database->sqlite, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            value = sqlite3_column_int64(statement, 0);
        }
    }
    if (value < 0) {
        (void)failed(database, rc);
    }
    (void)sqlite3_finalize(statement);
    return value;
}

/* ---- records ---- */

uint64_t gg_record_seal(uint8_t *record, size_t len, uint64_t row)
{
    uint64_t sum = gg_sum(record, len - GG_RECORD_SUM_BYTES, row);
    gg_le64_put(record + len - GG_RECORD_SUM_BYTES, sum);
    return sum;
}

bool gg_record_open(struct gg_slice record, uint8_t kind, uint64_t row,
                    struct gg_row *out)
{
    *out = (struct gg_row){.row = row, .record = record};
    if (record.len < GG_RECORD_EXTRA_BYTES) {
        return false;
    }
    size_t sum_at = record.len - GG_RECORD_SUM_BYTES;
    memcpy(out->id.bytes, record.data + 2, GG_ID_BYTES);
    out->sum = gg_le64_get(record.data + sum_at);
    out->value = gg_slice_of(record.data + GG_RECORD_HEAD_BYTES,
                             sum_at - GG_RECORD_HEAD_BYTES);
    return record.data[0] == GG_RECORD_FORMAT && record.data[1] == kind &&
           out->sum == gg_sum(record.data, sum_at, row);
}

static enum gg_err take_row(struct gg_database *database, sqlite3_stmt *statement,
                            uint8_t kind, gg_row_fn *visit, void *ctx,
                            struct gg_store_report *report)
{
    struct gg_row row;
    char id[GG_ID_TEXT_BYTES];
    uint64_t number = (uint64_t)sqlite3_column_int64(statement, 0);
    const void *data = sqlite3_column_blob(statement, 1);
    struct gg_slice record = gg_slice_of(data,
                                         (size_t)sqlite3_column_bytes(statement, 1));
    if (data != NULL && gg_record_open(record, kind, number, &row)) {
        return visit(ctx, kind, &row);
    }
    if (data == NULL && sqlite3_errcode(database->sqlite) == SQLITE_NOMEM) {
        return gg_report_fault(report, GG_ERR_NO_MEMORY, "no memory");
    }
    gg_id_format(&row.id, id);
    return gg_report_fault(report, GG_ERR_STORE,
                           "%s: damaged: record %llu of table %s, key %s, does not fit "
                           "its checksum; repair the folder or restore a backup",
                           database->path, (unsigned long long)number,
                           gg_table_name(kind), id);
}

enum gg_err gg_database_rows(struct gg_database *database, uint8_t kind,
                             gg_row_fn *visit, void *ctx,
                             struct gg_store_report *report)
{
    char sql[SQL_BYTES];
    sqlite3_stmt *statement = NULL;
    enum gg_err err = GG_OK;
    (void)snprintf(sql, sizeof sql, "SELECT n, record FROM \"%s\" ORDER BY n",
                   gg_table_name(kind));
    int rc = prepare(database, sql, &statement);
    while (rc == SQLITE_OK && err == GG_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            err = take_row(database, statement, kind, visit, ctx, report);
            rc = SQLITE_OK;
        }
    }
    if (err == GG_OK && rc != SQLITE_DONE) {
        (void)failed(database, rc);
        err = gg_database_fault(database, "read", report);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

/* ---- the census ---- */

void gg_census_add(struct gg_census *census, uint8_t kind, uint64_t sum)
{
    census->counts[kind]++;
    census->sums[kind] += sum;
}

void gg_census_take(struct gg_census *census, uint8_t kind, uint64_t sum)
{
    census->counts[kind]--;
    census->sums[kind] -= sum;
}

/* Number, how many kinds, count and sum of each, checksum. */
int gg_database_write_census(struct gg_database *database,
                             const struct gg_census *census)
{
    uint8_t bytes[CENSUS_BYTES_MAX];
    gg_le64_put(bytes, census->number);
    gg_le64_put(bytes + 8, GG_LIVE_KIND_COUNT);
    size_t len = 16;
    for (int kind = 0; kind < GG_LIVE_KIND_COUNT; kind++, len += 16) {
        gg_le64_put(bytes + len, census->counts[kind]);
        gg_le64_put(bytes + len + 8, census->sums[kind]);
    }
    gg_le64_put(bytes + len, gg_sum(bytes, len, 0));
    int rc = sqlite3_bind_blob(database->state, 1, bytes, (int)len + 8,
                               SQLITE_TRANSIENT);
    return rc == SQLITE_OK ? run(database, database->state) : failed(database, rc);
}

static bool parse_census(struct gg_slice bytes, struct gg_census *out)
{
    if (bytes.len < 24) {
        return false;
    }
    uint64_t kinds = gg_le64_get(bytes.data + 8);
    size_t sum_at = bytes.len - 8;
    if (kinds > GG_LIVE_KIND_COUNT || sum_at != 16 + kinds * 16 ||
        gg_le64_get(bytes.data + sum_at) != gg_sum(bytes.data, sum_at, 0)) {
        return false;
    }
    *out = (struct gg_census){.number = gg_le64_get(bytes.data)};
    for (uint64_t kind = 0; kind < kinds; kind++) {
        out->counts[kind] = gg_le64_get(bytes.data + 16 + kind * 16);
        out->sums[kind] = gg_le64_get(bytes.data + 24 + kind * 16);
    }
    return true;
}

enum gg_err gg_database_census(struct gg_database *database,
                               struct gg_census *out_census,
                               struct gg_store_report *report)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare(database, "SELECT record FROM state WHERE one=1", &statement);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    enum gg_err err = GG_OK;
    if (rc == SQLITE_ROW) {
        struct gg_slice bytes = gg_slice_of(sqlite3_column_blob(statement, 0),
                                            (size_t)sqlite3_column_bytes(statement, 0));
        if (!parse_census(bytes, out_census)) {
            err = gg_report_fault(
                report, GG_ERR_STORE,
                "%s: damaged: the row of table state does not fit its "
                "checksum; repair the folder or restore a backup",
                database->path);
        }
    } else if (rc == SQLITE_DONE) {
        err = gg_report_fault(report, GG_ERR_STORE,
                              "%s: damaged: table state is empty; repair the folder or "
                              "restore a backup",
                              database->path);
    } else {
        (void)failed(database, rc);
        err = gg_database_fault(database, "read", report);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

enum gg_err gg_census_compare(const struct gg_census *expected,
                              const struct gg_census *counted, const char *path,
                              struct gg_store_report *report)
{
    for (int kind = 0; kind < GG_LIVE_KIND_COUNT; kind++) {
        if (expected->counts[kind] == counted->counts[kind] &&
            expected->sums[kind] == counted->sums[kind]) {
            continue;
        }
        return gg_report_fault(
            report, GG_ERR_STORE,
            "%s: damaged: table %s holds %llu records, the last commit left %llu%s; "
            "repair the folder or restore a backup",
            path, gg_table_name((uint8_t)kind),
            (unsigned long long)counted->counts[kind],
            (unsigned long long)expected->counts[kind],
            expected->counts[kind] == counted->counts[kind] ? ", and not all of these"
                                                            : "");
    }
    return GG_OK;
}
