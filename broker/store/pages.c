#include "broker/store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/sum.h"
#include "common/assert.h"

enum { PAGES_PER_READ = 256, DATA_BYTES = GG_PAGE_BYTES - GG_PAGE_RESERVED };

static bool page_fits(const uint8_t *page, uint32_t number)
{
    return gg_le64_get(page + DATA_BYTES) == gg_sum(page, DATA_BYTES, number);
}

/* ---- a file ---- */

struct gg_page_vfs {
    sqlite3_vfs base; /* First: SQLite knows this address. */
    sqlite3_vfs *under;
    char name[48];
    atomic_uint damaged;
};

struct page_file {
    sqlite3_file base; /* First. */
    struct gg_page_vfs *vfs;
    uint8_t scratch[GG_PAGE_BYTES];
    _Alignas(8) uint8_t under[]; /* As SQLite aligns its files. */
};

static struct page_file *from_file(sqlite3_file *file)
{
    return (struct page_file *)(void *)file;
}

static sqlite3_file *under(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)from_file(file)->under;
}

static bool whole_page(int len, sqlite3_int64 at)
{
    return len == GG_PAGE_BYTES && at % GG_PAGE_BYTES == 0;
}

static uint32_t page_at(sqlite3_int64 at)
{
    return (uint32_t)(at / GG_PAGE_BYTES) + 1;
}

static int file_close(sqlite3_file *file)
{
    return under(file)->pMethods->xClose(under(file));
}

static int file_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
    int rc = under(file)->pMethods->xRead(under(file), data, len, at);
    if (!whole_page(len, at)) {
        return rc;
    }
    bool first_ever = rc == SQLITE_IOERR_SHORT_READ && at == 0;
    if (first_ever || (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)) {
        return rc;
    }
    if (rc != SQLITE_OK || !page_fits(data, page_at(at))) {
        atomic_store(&from_file(file)->vfs->damaged, page_at(at));
        return SQLITE_IOERR_DATA;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    if (!whole_page(len, at)) {
        return under(file)->pMethods->xWrite(under(file), data, len, at);
    }
    uint8_t *page = from_file(file)->scratch;
    memcpy(page, data, DATA_BYTES);
    gg_le64_put(page + DATA_BYTES, gg_sum(page, DATA_BYTES, page_at(at)));
    return under(file)->pMethods->xWrite(under(file), page, len, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return under(file)->pMethods->xTruncate(under(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    return under(file)->pMethods->xSync(under(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out_size)
{
    return under(file)->pMethods->xFileSize(under(file), out_size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return under(file)->pMethods->xLock(under(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return under(file)->pMethods->xUnlock(under(file), level);
}

static int file_check_lock(sqlite3_file *file, int *out_reserved)
{
    return under(file)->pMethods->xCheckReservedLock(under(file), out_reserved);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return under(file)->pMethods->xFileControl(under(file), op, arg);
}

static int file_sector_size(sqlite3_file *file)
{
    return under(file)->pMethods->xSectorSize(under(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return under(file)->pMethods->xDeviceCharacteristics(under(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend,
                        void volatile **out)
{
    return under(file)->pMethods->xShmMap(under(file), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return under(file)->pMethods->xShmLock(under(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    under(file)->pMethods->xShmBarrier(under(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return under(file)->pMethods->xShmUnmap(under(file), remove);
}

/* Version 2: no xFetch, so that every page comes through file_read(). */
static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- the layer ---- */

static struct gg_page_vfs *from_vfs(sqlite3_vfs *vfs)
{
    return (struct gg_page_vfs *)(void *)vfs;
}

/* Only the database itself has pages; all other files are the layer's below. */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *out_flags)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) {
        return below->xOpen(below, name, file, flags, out_flags);
    }
    from_file(file)->vfs = from_vfs(vfs);
    file->pMethods = NULL;
    int rc = below->xOpen(below, name, under(file), flags, out_flags);
    if (rc == SQLITE_OK) {
        file->pMethods = &file_methods;
    }
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xDelete(below, name, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xAccess(below, name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int len, char *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xFullPathname(below, name, len, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xRandomness(below, len, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xSleep(below, microseconds);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xCurrentTime(below, out);
}

static int vfs_current_time64(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xCurrentTimeInt64(below, out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int len, char *out)
{
    sqlite3_vfs *below = from_vfs(vfs)->under;
    return below->xGetLastError(below, len, out);
}

enum gg_err gg_page_vfs_new(const char *under_name, struct gg_page_vfs **out)
{
    sqlite3_vfs *below = sqlite3_vfs_find(under_name);
    struct gg_page_vfs *vfs = calloc(1, sizeof *vfs);
    if (below == NULL || vfs == NULL) {
        free(vfs);
        return GG_ERR_NO_MEMORY;
    }
    (void)snprintf(vfs->name, sizeof vfs->name, "ganger-%p", (void *)vfs);
    vfs->under = below;
    int below_bytes = below->szOsFile;
    int own_bytes = (int)offsetof(struct page_file, under);
    vfs->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = own_bytes + below_bytes,
        .mxPathname = below->mxPathname,
        .zName = vfs->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_current_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_current_time64,
    };
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        free(vfs);
        return GG_ERR_NO_MEMORY;
    }
    *out = vfs;
    return GG_OK;
}

void gg_page_vfs_destroy(struct gg_page_vfs **vfs_p)
{
    struct gg_page_vfs *vfs = *vfs_p;
    *vfs_p = NULL;
    if (vfs != NULL) {
        (void)sqlite3_vfs_unregister(&vfs->base);
        free(vfs);
    }
}

const char *gg_page_vfs_name(const struct gg_page_vfs *vfs)
{
    return vfs->name;
}

uint32_t gg_page_vfs_damaged(const struct gg_page_vfs *vfs)
{
    return atomic_load(&vfs->damaged);
}

/* ---- the whole file ---- */

struct checker {
    struct gg_files *files;
    const char *path;
    const struct gg_wal_scan *wal;
    gg_store_finding_fn *found;
    void *ctx;
    struct gg_store_report *report;
    int fd;
    uint32_t page_count; /* That there must be. */
    uint8_t *buffer;
};

/* A page of the file that nobody ever wrote is all zeros: SQLite leaves such gaps where
 * a page was free again before it was written. In use it would not pass file_read(). */
static bool untouched(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, GG_PAGE_BYTES - 1) == 0;
}

static void find(struct checker *checker, uint32_t page, const char *what)
{
    char text[GG_STORE_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s: page %u (byte %llu) %s", checker->path, page,
                   (unsigned long long)(page - 1) * GG_PAGE_BYTES, what);
    checker->found(checker->ctx, text);
}

static void check_page(struct checker *checker, const uint8_t *page, uint32_t number)
{
    if (gg_wal_has_page(checker->wal, number) || page_fits(page, number)) {
        return;
    }
    if (number == 1 || !untouched(page)) {
        find(checker, number, "does not fit its checksum");
    }
}

static void check_missing(struct checker *checker, uint32_t first)
{
    for (uint32_t page = first; page <= checker->page_count; page++) {
        if (!gg_wal_has_page(checker->wal, page)) {
            find(checker, page, "is missing: the file was cut");
            return;
        }
    }
}

static enum gg_err check_pages(struct checker *checker)
{
    uint32_t next = 1;
    ssize_t len = 0;
    do {
        len = gg_files_read(checker->files, checker->fd, checker->buffer,
                            (size_t)PAGES_PER_READ * GG_PAGE_BYTES,
                            (off_t)(next - 1) * GG_PAGE_BYTES);
        if (len < 0) {
            return gg_report_system(checker->report, "read", checker->path, errno);
        }
        for (ssize_t i = 0; i < len / GG_PAGE_BYTES; i++, next++) {
            if (next == 1 && checker->page_count == 0) {
                checker->page_count = gg_be32_get(checker->buffer + 28);
            }
            if (next <= checker->page_count) {
                check_page(checker, checker->buffer + i * GG_PAGE_BYTES, next);
            }
        }
    } while (len == (ssize_t)PAGES_PER_READ * GG_PAGE_BYTES);
    if (checker->page_count == 0) {
        checker->page_count = 1;
    }
    check_missing(checker, next);
    return GG_OK;
}

enum gg_err gg_pages_check(struct gg_files *files, const char *path,
                           const struct gg_wal_scan *wal, gg_store_finding_fn *found,
                           void *ctx, struct gg_store_report *report)
{
    struct checker checker = {
        .files = files,
        .path = path,
        .wal = wal,
        .found = found,
        .ctx = ctx,
        .report = report,
        .page_count = wal->page_count,
    };
    checker.fd = files->open(files, path, O_RDONLY | O_CLOEXEC, 0);
    if (checker.fd < 0) {
        return gg_report_system(report, "open", path, errno);
    }
    enum gg_err err = GG_ERR_NO_MEMORY;
    checker.buffer = malloc((size_t)PAGES_PER_READ * GG_PAGE_BYTES);
    if (checker.buffer == NULL) {
        (void)gg_report_fault(report, err, "no memory");
    } else {
        err = check_pages(&checker);
    }
    free(checker.buffer);
    (void)files->close(files, checker.fd);
    return err;
}
