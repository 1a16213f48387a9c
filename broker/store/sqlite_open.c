/* sqlite_open.c - from a folder to a store: read everything, believe nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/store/sqlite_state.h"
#include "common/rng.h"

/* ---- a new one ---- */

/* Made aside and renamed, so that a half-made database is never taken for one. */
static enum gg_err make_database(struct gg_sqlite *sqlite,
                                 struct gg_store_report *report)
{
    const struct gg_folder *folder = &sqlite->folder;
    enum gg_err err = gg_database_create(sqlite->vfs, folder->making, GG_DATABASE_MARK,
                                         report);
    if (err != GG_OK) {
        return err;
    }
    if (gg_files_sync_folder(sqlite->files, folder->path) != 0) {
        return gg_report_system(report, "sync", folder->path, errno);
    }
    if (sqlite->files->rename(sqlite->files, folder->making, folder->database) != 0) {
        return gg_report_system(report, "rename", folder->making, errno);
    }
    if (gg_files_sync_folder(sqlite->files, folder->path) != 0) {
        return gg_report_system(report, "sync", folder->path, errno);
    }
    return GG_OK;
}

/* ---- before SQLite sees it ---- */

static void first_finding(void *ctx, const char *text)
{
    (void)gg_report_fault(ctx, GG_ERR_STORE,
                          "%s; repair the folder or restore a backup", text);
}

static enum gg_err check_head_and_log(struct gg_sqlite *sqlite, struct gg_wal_scan *wal,
                                      struct gg_store_report *report)
{
    const struct gg_folder *folder = &sqlite->folder;
    enum gg_err err = gg_folder_check_format(folder->database, GG_DATABASE_MARK,
                                             sqlite->files, report);
    if (err == GG_OK) {
        err = gg_wal_read(sqlite->files, folder->log, wal, report);
    }
    if (err == GG_OK && wal->damaged) {
        err = gg_report_fault(
            report, GG_ERR_STORE,
            "%s: damaged at byte %llu: a frame does not fit its "
            "checksum, and whole commits follow it; repair the folder "
            "or restore a backup",
            folder->log, (unsigned long long)wal->bad_at);
    }
    return err;
}

/* Every page of the database against its checksum, in a thread of its own while the
 * records are counted: SQLite verifies each page that it reads, so it can be let in
 * before those it does not read are known to be sound. */
struct page_check {
    struct gg_sqlite *sqlite;
    const struct gg_wal_scan *wal;
    struct gg_store_report report;
    enum gg_err err;
    pthread_t thread;
    bool started;
};

static void *check_pages(void *ctx)
{
    struct page_check *check = ctx;
    check->err = gg_pages_check(check->sqlite->files, check->sqlite->folder.database,
                                check->wal, first_finding, &check->report,
                                &check->report);
    if (check->err == GG_OK && check->report.fault[0] != '\0') {
        check->err = GG_ERR_STORE;
    }
    return NULL;
}

static void begin_page_check(struct page_check *check)
{
    check->started = pthread_create(&check->thread, NULL, check_pages, check) == 0;
    if (!check->started) {
        (void)check_pages(check);
    }
}

/* What it found goes before what reading the same pages came to: it has the place. */
static enum gg_err end_page_check(struct page_check *check, enum gg_err err,
                                  struct gg_store_report *report)
{
    if (check->started) {
        (void)pthread_join(check->thread, NULL);
    }
    if (check->err != GG_OK) {
        (void)snprintf(report->fault, sizeof report->fault, "%s", check->report.fault);
        err = check->err;
    }
    return err;
}

/* ---- what is in it ---- */

struct count {
    struct gg_sqlite *sqlite;
    struct gg_census census;
    struct gg_store_report *report;
};

static enum gg_err expect_blob(struct gg_sqlite *sqlite, const struct gg_row *row,
                               struct gg_store_report *report)
{
    struct gg_store_blob_key key;
    uint64_t len = 0;
    uint64_t sum = 0;
    if (!gg_blob_row_open(row->value, &key, &len, &sum)) {
        return gg_report_fault(report, GG_ERR_STORE,
                               "%s: damaged: record %llu of table blob is no blob's",
                               sqlite->folder.database, (unsigned long long)row->row);
    }
    sqlite->blob_bytes += len;
    return gg_blobs_expect(&sqlite->blobs, &row->id, len, report);
}

static enum gg_err count_row(void *ctx, uint8_t kind, const struct gg_row *row)
{
    struct count *count = ctx;
    struct gg_sqlite *sqlite = count->sqlite;
    if (gg_live_reserve(&sqlite->live, 1) != GG_OK) {
        return gg_report_fault(count->report, GG_ERR_NO_MEMORY, "no memory");
    }
    if (gg_live_find(&sqlite->live, kind, &row->id) != NULL) {
        return gg_report_fault(count->report, GG_ERR_STORE,
                               "%s: damaged: record %llu of table %s is there twice",
                               sqlite->folder.database, (unsigned long long)row->row,
                               gg_table_name(kind));
    }
    gg_live_put(&sqlite->live, kind, &row->id, row->row, row->sum);
    gg_census_add(&count->census, kind, row->sum);
    if (row->row >= sqlite->next_row) {
        sqlite->next_row = row->row + 1;
    }
    return kind == GG_LIVE_BLOB ? expect_blob(sqlite, row, count->report) : GG_OK;
}

static enum gg_err count_rows(struct gg_sqlite *sqlite, struct gg_store_report *report)
{
    struct count count = {.sqlite = sqlite, .report = report};
    sqlite->next_row = 1;
    enum gg_err err = gg_database_census(&sqlite->database, &sqlite->census, report);
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && err == GG_OK; kind++) {
        err = gg_database_rows(&sqlite->database, kind, count_row, &count, report);
    }
    if (err != GG_OK) {
        return err;
    }
    return gg_census_compare(&sqlite->census, &count.census, sqlite->folder.database,
                             report);
}

static enum gg_err read_database(struct gg_sqlite *sqlite,
                                 const struct gg_wal_scan *wal,
                                 struct gg_store_report *report)
{
    struct page_check check = {.sqlite = sqlite, .wal = wal};
    begin_page_check(&check);
    enum gg_err err = gg_database_open(&sqlite->database, sqlite->vfs,
                                       sqlite->folder.database, report);
    if (err == GG_OK) {
        err = count_rows(sqlite, report);
    }
    return end_page_check(&check, err, report);
}

/* ---- the witness ---- */

static enum gg_err refuse_lost(const struct gg_sqlite *sqlite,
                               const struct gg_wal_scan *wal,
                               const struct gg_testimony *witness,
                               struct gg_store_report *report)
{
    char at[GG_WALL_TEXT_BYTES];
    gg_wall_format(witness->at, at);
    unsigned long long place = wal->torn ? wal->bad_at : wal->good_bytes;
    return gg_report_fault(
        report, GG_ERR_STORE,
        "%s: damaged: the log ends at record %llu (byte %llu), and record %llu was "
        "safe at %s; repair the folder or restore a backup",
        sqlite->folder.log, (unsigned long long)sqlite->census.number, place,
        (unsigned long long)witness->number, at);
}

static void say_unvouched(const struct gg_sqlite *sqlite, const struct gg_wal_scan *wal,
                          const struct gg_testimony *witness,
                          struct gg_store_report *report)
{
    char at[GG_WALL_TEXT_BYTES];
    gg_wall_format(witness->at, at);
    if (!witness->closed) {
        gg_report_notice(
            report,
            "%s was not closed in order: records up to %llu are there, and "
            "the witness vouches up to %llu (%s)",
            sqlite->folder.path, (unsigned long long)sqlite->census.number,
            (unsigned long long)witness->number, at);
    }
    if (wal->torn) {
        gg_report_notice(report,
                         "what the log holds from byte %llu on is no whole commit",
                         (unsigned long long)wal->bad_at);
    }
}

static enum gg_err ask_witness(struct gg_sqlite *sqlite, const struct gg_wal_scan *wal,
                               struct gg_store_report *report)
{
    const struct gg_folder *folder = &sqlite->folder;
    struct gg_testimony witness = {0};
    bool found = false;
    uint64_t serial = 0;
    enum gg_err err = gg_witness_read(sqlite->files, folder->witness, &found, &witness,
                                      &serial, report);
    if (err != GG_OK) {
        return err;
    }
    if (!found && sqlite->census.number > 0) {
        return gg_report_fault(report, GG_ERR_STORE,
                               "%s: damaged: it is missing or empty, though the folder "
                               "has been in use; repair the folder or restore a backup",
                               folder->witness);
    }
    if (found && sqlite->census.number < witness.number) {
        return refuse_lost(sqlite, wal, &witness, report);
    }
    if (found) {
        say_unvouched(sqlite, wal, &witness, report);
    }
    err = gg_witness_open(&sqlite->witness, sqlite->files, folder->witness, serial,
                          report);
    struct gg_testimony now = {.number = sqlite->census.number, .at = gg_wall_now()};
    if (err == GG_OK && (gg_witness_write(&sqlite->witness, &now) != 0 ||
                         gg_witness_sync(&sqlite->witness) != 0 ||
                         gg_files_sync_folder(sqlite->files, folder->path) != 0)) {
        err = gg_report_system(report, "write", folder->witness, errno);
    }
    return err;
}

static enum gg_err sweep(struct gg_sqlite *sqlite, struct gg_store_report *report)
{
    uint64_t removed = 0;
    return gg_blobs_sweep(&sqlite->blobs, &sqlite->live, &removed, report);
}

/* Begin with an empty log: the tail of a commit that a crash cut off would stay behind
 * new commits of the same log, and could look like damage at a later start. */
static enum gg_err empty_log(struct gg_sqlite *sqlite, struct gg_store_report *report)
{
    int frames = 0;
    int rc = gg_database_checkpoint(&sqlite->database, true, &frames);
    if (rc != SQLITE_OK && !gg_database_no_space(&sqlite->database)) {
        return gg_database_fault(&sqlite->database, "checkpoint", report);
    }
    return GG_OK;
}

static int count_frames(void *ctx, sqlite3 *connection, const char *name, int frames)
{
    (void)connection;
    (void)name;
    ((struct gg_sqlite *)ctx)->log_frames = frames;
    return SQLITE_OK;
}

enum gg_err gg_sqlite_recover(struct gg_sqlite *sqlite, struct gg_store_report *report)
{
    struct gg_wal_scan wal = {0};
    struct gg_rng rng;
    gg_rng_seed(&rng);
    gg_live_init(&sqlite->live, gg_rng_next(&rng));
    sqlite->batch.seed = gg_rng_next(&rng);
    gg_blobs_init(&sqlite->blobs, sqlite->files, sqlite->folder.path);
    enum gg_err err = GG_OK;
    if (!sqlite->folder.has_database) {
        err = make_database(sqlite, report);
    }
    if (err == GG_OK) {
        err = check_head_and_log(sqlite, &wal, report);
    }
    if (err == GG_OK) {
        err = read_database(sqlite, &wal, report);
    }
    if (err == GG_OK) {
        err = ask_witness(sqlite, &wal, report);
    }
    if (err == GG_OK) {
        err = sweep(sqlite, report);
    }
    if (err == GG_OK && wal.bytes > 0) {
        err = empty_log(sqlite, report);
    }
    gg_wal_fini(&wal);
    if (err == GG_OK && gg_database_adopt(&sqlite->database) != SQLITE_OK) {
        err = gg_database_fault(&sqlite->database, "open", report);
    }
    if (err == GG_OK) {
        (void)sqlite3_wal_hook(sqlite->database.sqlite, count_frames, sqlite);
        sqlite->base.number = sqlite->census.number;
        sqlite->base.closed = sqlite->census.number;
        atomic_store(&sqlite->durable, sqlite->census.number);
    }
    return err;
}
