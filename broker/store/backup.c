#include "broker/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "broker/store/blobs.h"
#include "broker/store/witness.h"

/* ---- a database written in one go ---- */

enum gg_err gg_copy_begin(struct gg_copy *copy, struct gg_files *files,
                          const struct gg_page_vfs *vfs, const char *path,
                          uint32_t mark, struct gg_store_report *report)
{
    *copy = (struct gg_copy){.files = files, .path = path, .report = report};
    enum gg_err err = gg_database_create(vfs, path, mark, report);
    if (err == GG_OK) {
        err = gg_database_open(&copy->database, vfs, path, report);
    }
    if (err != GG_OK) {
        return err;
    }
    int rc = gg_database_exec(&copy->database, "PRAGMA synchronous=OFF;"
                                               "PRAGMA journal_mode=OFF");
    if (rc == SQLITE_OK) {
        rc = gg_database_begin(&copy->database);
    }
    return rc == SQLITE_OK ? GG_OK : gg_database_fault(&copy->database, "open", report);
}

enum gg_err gg_copy_row(struct gg_copy *copy, uint8_t kind, const struct gg_row *row)
{
    gg_census_add(&copy->census, kind, row->sum);
    int rc = gg_database_write(&copy->database, GG_STATEMENT_INSERT, kind, row->row,
                               row->record.data, row->record.len);
    return rc == SQLITE_OK ? GG_OK
                           : gg_database_fault(&copy->database, "write", copy->report);
}

static enum gg_err sync_file(struct gg_files *files, const char *path,
                             struct gg_store_report *report)
{
    int fd = files->open(files, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        return gg_report_system(report, "open", path, errno);
    }
    enum gg_err err = files->fsync(files, fd) == 0
                          ? GG_OK
                          : gg_report_system(report, "sync", path, errno);
    (void)files->close(files, fd);
    return err;
}

enum gg_err gg_copy_end(struct gg_copy *copy, bool log, enum gg_err err)
{
    struct gg_database *database = &copy->database;
    if (database->sqlite == NULL) {
        return err;
    }
    if (err == GG_OK) {
        int rc = gg_database_write_census(database, &copy->census);
        if (rc == SQLITE_OK) {
            rc = gg_database_commit(database);
        }
        if (rc == SQLITE_OK && log) {
            rc = gg_database_exec(database, "PRAGMA synchronous=FULL;"
                                            "PRAGMA journal_mode=WAL");
        }
        if (rc != SQLITE_OK) {
            err = gg_database_fault(database, "write", copy->report);
        }
    }
    gg_database_rollback(database);
    gg_database_close(database);
    return err == GG_OK ? sync_file(copy->files, copy->path, copy->report) : err;
}

enum gg_err gg_copy_publish(struct gg_files *files, const struct gg_folder *folder,
                            uint64_t number, struct gg_store_report *report)
{
    struct gg_witness witness;
    struct gg_testimony now = {.number = number, .at = gg_wall_now(), .closed = true};
    enum gg_err err = gg_witness_open(&witness, files, folder->witness, 0, report);
    if (err != GG_OK) {
        return err;
    }
    if (gg_witness_write(&witness, &now) != 0 || gg_witness_sync(&witness) != 0) {
        err = gg_report_system(report, "write", folder->witness, errno);
    }
    gg_witness_close(&witness);
    if (err == GG_OK && files->rename(files, folder->making, folder->database) != 0) {
        err = gg_report_system(report, "rename", folder->making, errno);
    }
    if (err == GG_OK && gg_files_sync_folder(files, folder->path) != 0) {
        err = gg_report_system(report, "sync", folder->path, errno);
    }
    return err;
}

/* ---- the bytes of blobs inside a backup ---- */

static enum gg_err put_content(struct gg_copy *copy, sqlite3_stmt *insert, uint64_t row,
                               struct gg_slice bytes)
{
    int rc = sqlite3_bind_int64(insert, 1, (sqlite3_int64)row);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_blob64(insert, 2,
                                 bytes.len == 0 ? "" : (const void *)bytes.data,
                                 bytes.len, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(insert);
    }
    (void)sqlite3_reset(insert);
    (void)sqlite3_clear_bindings(insert);
    if (rc == SQLITE_DONE) {
        return GG_OK;
    }
    copy->database.rc = rc;
    return gg_database_fault(&copy->database, "write", copy->report);
}

/* ---- making one ---- */

struct backup {
    struct gg_copy copy;
    struct gg_database source;
    const struct gg_folder *folder;
    sqlite3_stmt *insert;
};

static enum gg_err back_up_row(void *ctx, uint8_t kind, const struct gg_row *row)
{
    struct backup *backup = ctx;
    enum gg_err err = gg_copy_row(&backup->copy, kind, row);
    if (err != GG_OK || kind != GG_LIVE_BLOB) {
        return err;
    }
    struct gg_blob *blob = NULL;
    err = gg_blobs_read(backup->copy.files, backup->folder->path, &row->id, &blob,
                        backup->copy.report);
    if (err == GG_OK) {
        err = put_content(&backup->copy, backup->insert, row->row, gg_blob_slice(blob));
    }
    gg_blob_unref(&blob);
    return err == GG_ERR_NOT_FOUND ? GG_ERR_STORE : err;
}

static enum gg_err back_up_rows(struct backup *backup, struct gg_store_report *report)
{
    struct gg_database *into = &backup->copy.database;
    struct gg_census expected = {0};
    if (gg_database_exec(into, "CREATE TABLE content(n INTEGER PRIMARY KEY, bytes BLOB "
                               "NOT NULL)") != SQLITE_OK) {
        return gg_database_fault(into, "create", report);
    }
    into->rc = sqlite3_prepare_v2(into->sqlite, "INSERT INTO content VALUES(?1,?2)", -1,
                                  &backup->insert, NULL);
    if (into->rc != SQLITE_OK) {
        return gg_database_fault(into, "prepare", report);
    }
    enum gg_err err = gg_database_census(&backup->source, &expected, report);
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && err == GG_OK; kind++) {
        err = gg_database_rows(&backup->source, kind, back_up_row, backup, report);
    }
    if (err == GG_OK) {
        err = gg_census_compare(&expected, &backup->copy.census,
                                backup->folder->database, report);
    }
    backup->copy.census.number = expected.number;
    (void)sqlite3_finalize(backup->insert);
    return err;
}

static enum gg_err publish_backup(struct gg_files *files, const char *part,
                                  const char *path, struct gg_store_report *report)
{
    char parent[GG_PATH_BYTES];
    (void)snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        (void)snprintf(parent, sizeof parent, ".");
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    if (files->rename(files, part, path) != 0) {
        return gg_report_system(report, "rename", part, errno);
    }
    return gg_files_sync_folder(files, parent) == 0
               ? GG_OK
               : gg_report_system(report, "sync", parent, errno);
}

enum gg_err gg_backup_make(struct gg_files *files, const struct gg_page_vfs *vfs,
                           const struct gg_folder *folder, const char *path,
                           struct gg_store_report *report)
{
    char part[GG_PATH_BYTES];
    struct stat stat_of;
    struct backup backup = {.folder = folder};
    if (stat(path, &stat_of) == 0) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: it is there already; name a new file", path);
    }
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) {
        return gg_report_fault(report, GG_ERR_CONFIG, "%s: the path is too long", path);
    }
    (void)files->unlink(files, part);
    enum gg_err err = gg_database_open_reader(&backup.source, vfs, folder->database,
                                              report);
    if (err != GG_OK) {
        return err;
    }
    err = gg_copy_begin(&backup.copy, files, vfs, part, GG_BACKUP_MARK, report);
    if (err == GG_OK) {
        err = back_up_rows(&backup, report);
    }
    err = gg_copy_end(&backup.copy, false, err);
    gg_database_close(&backup.source);
    if (err == GG_OK) {
        err = publish_backup(files, part, path, report);
    }
    if (err != GG_OK) {
        (void)files->unlink(files, part);
    }
    return err;
}

/* ---- restoring one ---- */

struct restore {
    struct gg_copy copy;
    struct gg_database source;
    struct gg_blobs blobs;
    sqlite3_stmt *select;
    uint64_t blob_count;
};

static enum gg_err no_content(struct restore *restore, const struct gg_row *row)
{
    return gg_report_fault(
        restore->copy.report, GG_ERR_STORE,
        "%s: damaged: the bytes of blob %llu do not fit their record",
        restore->source.path, (unsigned long long)row->row);
}

static enum gg_err restore_blob(struct restore *restore, const struct gg_row *row)
{
    char path[GG_PATH_BYTES];
    struct gg_store_blob_key key;
    uint64_t len = 0;
    uint64_t sum = 0;
    enum gg_err err = GG_OK;
    int rc = sqlite3_bind_int64(restore->select, 1, (sqlite3_int64)row->row);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(restore->select);
    }
    struct gg_slice bytes = {0};
    if (rc == SQLITE_ROW) {
        bytes = gg_slice_of(sqlite3_column_blob(restore->select, 0),
                            (size_t)sqlite3_column_bytes(restore->select, 0));
    }
    if (rc != SQLITE_ROW || !gg_blob_row_open(row->value, &key, &len, &sum) ||
        len != bytes.len || sum != gg_blob_sum(bytes)) {
        err = no_content(restore, row);
    } else if (gg_blobs_write(&restore->blobs, &row->id, &key, bytes, sum, path) != 0) {
        err = gg_report_system(restore->copy.report, "write", path, errno);
    }
    (void)sqlite3_reset(restore->select);
    return err;
}

static enum gg_err restore_row(void *ctx, uint8_t kind, const struct gg_row *row)
{
    struct restore *restore = ctx;
    enum gg_err err = gg_copy_row(&restore->copy, kind, row);
    return err == GG_OK && kind == GG_LIVE_BLOB ? restore_blob(restore, row) : err;
}

static enum gg_err restore_rows(struct restore *restore, struct gg_store_report *report)
{
    char path[GG_PATH_BYTES];
    struct gg_census expected = {0};
    struct gg_database *source = &restore->source;
    source->rc = sqlite3_prepare_v2(source->sqlite,
                                    "SELECT bytes FROM content WHERE n=?1", -1,
                                    &restore->select, NULL);
    if (source->rc != SQLITE_OK) {
        return gg_database_fault(source, "read", report);
    }
    enum gg_err err = gg_database_census(source, &expected, report);
    for (uint8_t kind = 0; kind < GG_LIVE_KIND_COUNT && err == GG_OK; kind++) {
        err = gg_database_rows(source, kind, restore_row, restore, report);
    }
    (void)sqlite3_finalize(restore->select);
    if (err == GG_OK) {
        err = gg_census_compare(&expected, &restore->copy.census, source->path, report);
    }
    if (err == GG_OK && gg_blobs_sync(&restore->blobs, path) != 0) {
        err = gg_report_system(report, "sync", path, errno);
    }
    restore->copy.census.number = expected.number;
    return err;
}

static void first_finding(void *ctx, const char *text)
{
    (void)gg_report_fault(ctx, GG_ERR_STORE, "%s; use another backup", text);
}

/* A sound backup, whole? */
static enum gg_err open_backup(struct restore *restore, struct gg_files *files,
                               const struct gg_page_vfs *vfs, const char *file,
                               struct gg_store_report *report)
{
    const struct gg_wal_scan none = {0};
    enum gg_err err = gg_folder_check_format(file, GG_BACKUP_MARK, files, report);
    if (err == GG_OK) {
        err = gg_pages_check(files, file, &none, first_finding, report, report);
    }
    if (err == GG_OK && report->fault[0] != '\0') {
        err = GG_ERR_BAD_FIELD;
    }
    return err == GG_OK ? gg_database_open_reader(&restore->source, vfs, file, report)
                        : err;
}

static enum gg_err restore_into(struct restore *restore, struct gg_files *files,
                                const struct gg_page_vfs *vfs,
                                const struct gg_folder *folder,
                                struct gg_store_report *report)
{
    struct gg_live none;
    uint64_t removed = 0;
    gg_live_init(&none, 0);
    gg_blobs_init(&restore->blobs, files, folder->path);
    enum gg_err err = gg_blobs_sweep(&restore->blobs, &none, &removed, report);
    if (err == GG_OK) {
        err = gg_copy_begin(&restore->copy, files, vfs, folder->making,
                            GG_DATABASE_MARK, report);
    }
    if (err == GG_OK) {
        err = restore_rows(restore, report);
    }
    err = gg_copy_end(&restore->copy, true, err);
    return err == GG_OK
               ? gg_copy_publish(files, folder, restore->copy.census.number, report)
               : err;
}

enum gg_err gg_store_restore(const char *file, const char *path,
                             const struct gg_store_options *options,
                             struct gg_store_report *out_report)
{
    *out_report = (struct gg_store_report){.fault = ""};
    struct gg_files *files = options->files == NULL ? gg_files_libc() : options->files;
    struct gg_folder folder = {.lock_fd = -1};
    struct gg_page_vfs *vfs = NULL;
    struct restore restore = {0};
    enum gg_err err = gg_page_vfs_new(options->vfs, &vfs);
    if (err == GG_OK) {
        err = open_backup(&restore, files, vfs, file, out_report);
    } else {
        (void)gg_report_fault(out_report, err, "no memory");
    }
    if (err == GG_OK) {
        err = gg_folder_open(&folder, path, files, out_report);
    }
    if (err == GG_OK && folder.has_database) {
        err = gg_report_fault(
            out_report, GG_ERR_CONFIG,
            "%s: this folder is in use already; restore into a new one", path);
    }
    if (err == GG_OK) {
        err = restore_into(&restore, files, vfs, &folder, out_report);
    }
    gg_database_close(&restore.source);
    gg_folder_close(&folder);
    gg_page_vfs_destroy(&vfs);
    return err;
}
