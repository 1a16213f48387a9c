/* disk_vfs.c - the side of the disk that SQLite sees. */
#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/assert.h"
#include "tests/lib/disk_state.h"

/* ---- SQLite's calls ---- */

struct disk_file {
    sqlite3_file base; /* First. */
    sqlite3_io_methods methods;
    char path[DISK_PATH_BYTES];
    bool folder_unsynced; /* Its first sync syncs its folder too. */
    bool forgotten;       /* Deleted when closed; no cut brings it back. */
    _Alignas(8) uint8_t under[];
};

static struct disk_file *from_file(sqlite3_file *file)
{
    return (struct disk_file *)(void *)file;
}

static sqlite3_file *under(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)from_file(file)->under;
}

static int sqlite_error(enum disk_fault fault, int error)
{
    return fault == DISK_FULL || fault == DISK_SHORT ? SQLITE_FULL : error;
}

static int file_close(sqlite3_file *file)
{
    return under(file)->pMethods->xClose(under(file));
}

static int file_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
    return under(file)->pMethods->xRead(under(file), data, len, at);
}

static int file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    disk_lock();
    enum disk_fault fault = disk_count(false);
    int done = fault == DISK_SOUND ? len : fault == DISK_SHORT ? len / 2 : 0;
    int rc = SQLITE_OK;
    if (done > 0) {
        rc = under(file)->pMethods->xWrite(under(file), data, done, at);
        if (rc == SQLITE_OK && !from_file(file)->forgotten) {
            disk_change(from_file(file)->path, at, done, data);
        }
    }
    if (fault != DISK_SOUND) {
        rc = sqlite_error(fault, SQLITE_IOERR_WRITE);
    }
    disk_unlock();
    return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    disk_lock();
    enum disk_fault fault = disk_count(true);
    int rc = SQLITE_IOERR_TRUNCATE;
    if (fault == DISK_SOUND) {
        rc = under(file)->pMethods->xTruncate(under(file), size);
        disk_change(from_file(file)->path, size, -1, NULL);
    }
    disk_unlock();
    return rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    disk_wait_for_sync();
    disk_lock();
    enum disk_fault fault = disk_count(true);
    int rc = SQLITE_IOERR_FSYNC;
    if (fault == DISK_SOUND) {
        rc = SQLITE_OK;
        disk_sync_node(disk_node_of(from_file(file)->path));
        if (from_file(file)->folder_unsynced) {
            disk_sync_folder_of(from_file(file)->path);
            from_file(file)->folder_unsynced = false;
        }
    }
    disk_unlock();
    return rc;
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

static int file_shm_lock(sqlite3_file *file, int offset, int number, int flags)
{
    return under(file)->pMethods->xShmLock(under(file), offset, number, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    under(file)->pMethods->xShmBarrier(under(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return under(file)->pMethods->xShmUnmap(under(file), remove);
}

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

static sqlite3_vfs *below(void)
{
    static sqlite3_vfs *found;
    if (found == NULL) {
        found = sqlite3_vfs_find("unix");
    }
    return found;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *out_flags)
{
    (void)vfs;
    struct stat stat_of;
    struct disk_file *own = from_file(file);
    disk_lock();
    if (name != NULL) {
        disk_take_in(name);
    }
    bool creates = (flags & SQLITE_OPEN_CREATE) != 0 && name != NULL &&
                   stat(name, &stat_of) != 0;
    enum disk_fault fault = creates ? disk_count(false) : DISK_SOUND;
    file->pMethods = NULL;
    int rc = fault == DISK_SOUND
                 ? below()->xOpen(below(), name, under(file), flags, out_flags)
                 : SQLITE_CANTOPEN;
    if (rc == SQLITE_OK) {
        own->forgotten = name == NULL || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
        own->folder_unsynced = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) !=
                               0;
        (void)snprintf(own->path, sizeof own->path, "%s", name == NULL ? "" : name);
        if (!own->forgotten && creates) {
            (void)disk_node_of(name);
        }
        file->pMethods = &file_methods;
    }
    disk_unlock();
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    disk_lock();
    enum disk_fault fault = disk_count(true);
    int rc = SQLITE_IOERR_DELETE;
    if (fault == DISK_SOUND) {
        rc = below()->xDelete(below(), name, 0);
        if (rc == SQLITE_OK) {
            disk_set_name(name, NULL);
            if (sync != 0) {
                disk_sync_folder_of(name);
            }
        }
    }
    disk_unlock();
    return rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return below()->xAccess(below(), name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int len, char *out)
{
    (void)vfs;
    return below()->xFullPathname(below(), name, len, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    return below()->xRandomness(below(), len, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return below()->xSleep(below(), microseconds);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    return below()->xCurrentTime(below(), out);
}

static int vfs_current_time64(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    return below()->xCurrentTimeInt64(below(), out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    (void)len;
    (void)out;
    return disk_last_errno();
}

const char *disk_vfs(void)
{
    static sqlite3_vfs vfs;
    if (vfs.zName == NULL) {
        vfs = (sqlite3_vfs){
            .iVersion = 2,
            .szOsFile = (int)offsetof(struct disk_file, under) + below()->szOsFile,
            .mxPathname = below()->mxPathname,
            .zName = "disk",
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
        int rc = sqlite3_vfs_register(&vfs, 0);
        GG_ASSERT(rc == SQLITE_OK);
    }
    return vfs.zName;
}
