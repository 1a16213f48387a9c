#include "broker/store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "broker/store/database.h"
#include "broker/store/sum.h"

enum {
    NFS_MAGIC = 0x6969,
    SMB_MAGIC = 0x517B,
    TMPFS_MAGIC = 0x01021994,
    RAMFS_MAGIC = (int)0x858458f6,
    HEAD_BYTES = 100, /* Of an SQLite file. */
    FORMAT_AT = 60,
    MARK_AT = 68,
};
static const uint32_t CIFS_MAGIC = 0xFF534D42;
static const uint32_t SMB2_MAGIC = 0xFE534D42;

enum gg_err gg_folder_name(struct gg_folder *folder, const char *path,
                           struct gg_store_report *report)
{
    *folder = (struct gg_folder){.lock_fd = -1};
    if (path[0] == '\0' || strlen(path) >= sizeof folder->path) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "the path of the data folder is empty or too long");
    }
    (void)snprintf(folder->path, sizeof folder->path, "%s", path);
    (void)snprintf(folder->database, sizeof folder->database, "%s/ganger.db", path);
    (void)snprintf(folder->log, sizeof folder->log, "%s/ganger.db-wal", path);
    (void)snprintf(folder->index, sizeof folder->index, "%s/ganger.db-shm", path);
    (void)snprintf(folder->making, sizeof folder->making, "%s/making.db", path);
    (void)snprintf(folder->witness, sizeof folder->witness, "%s/witness", path);
    return GG_OK;
}

/* ---- the lock ---- */

static enum gg_err refuse_second(const struct gg_folder *folder, int fd,
                                 struct gg_store_report *report)
{
    char owner[32] = "";
    ssize_t len = pread(fd, owner, sizeof owner - 1, 0);
    owner[len > 0 ? len : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    return gg_report_fault(report, GG_ERR_CONFIG,
                           "%s: another broker has this data folder open (process %s); "
                           "stop it, or give this one a folder of its own",
                           folder->path, owner[0] == '\0' ? "unknown" : owner);
}

static enum gg_err take_lock(struct gg_folder *folder, struct gg_store_report *report)
{
    char path[1024];
    char pid[32];
    (void)snprintf(path, sizeof path, "%s/lock", folder->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EROFS || errno == EACCES)) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: the data folder cannot be written (%s); mount it "
                               "for writing and give it to the broker's user",
                               folder->path,
                               errno == EROFS ? "read-only file system"
                                              : "permission denied");
    }
    if (fd < 0) {
        return gg_report_system(report, "open", path, errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum gg_err err = errno == EWOULDBLOCK
                              ? refuse_second(folder, fd, report)
                              : gg_report_system(report, "flock", path, errno);
        (void)close(fd);
        return err;
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
        len = 0; /* On a full disk: locked all the same, by nobody's name. */
    }
    folder->lock_fd = fd;
    return GG_OK;
}

void gg_folder_close(struct gg_folder *folder)
{
    if (folder->lock_fd >= 0) {
        (void)close(folder->lock_fd);
        folder->lock_fd = -1;
    }
}

/* ---- what is it? ---- */

static enum gg_err expect_folder(const char *path, struct gg_store_report *report)
{
    struct stat stat_of;
    if (stat(path, &stat_of) != 0) {
        return gg_report_fault(report, GG_ERR_CONFIG, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(stat_of.st_mode)) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: this is not a folder; name another place for the "
                               "data folder",
                               path);
    }
    return GG_OK;
}

static enum gg_err make_folder(const char *path, struct gg_files *files,
                               struct gg_store_report *report)
{
    if (files->mkdir(files, path, 0700) == 0) {
        char parent[1024];
        (void)snprintf(parent, sizeof parent, "%s/..", path);
        (void)gg_files_sync_folder(files, parent); /* May not be ours to open. */
        return GG_OK;
    }
    switch (errno) {
    case EEXIST:
        return expect_folder(path, report);
    case ENOENT:
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: the folder above it does not exist; create that "
                               "first",
                               path);
    case EROFS:
    case EACCES:
        return gg_report_fault(
            report, GG_ERR_CONFIG,
            "%s: the data folder cannot be created (%s); create it "
            "for the broker's user",
            path, errno == EROFS ? "read-only file system" : "permission denied");
    case ENOTDIR:
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: what is above it is not a folder", path);
    default:
        return gg_report_system(report, "mkdir", path, errno);
    }
}

static bool is_ours(const char *name)
{
    static const char *const names[] = {".",       "..",      "lock",  "blobs",
                                        "ballast", "witness", "probe", "lost+found"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "making.db", 9) == 0;
}

/* What is in a folder without a database? Only what a start that was cut off leaves. */
static enum gg_err refuse_foreign(struct gg_folder *folder,
                                  struct gg_store_report *report)
{
    if (folder->has_witness) {
        return gg_report_fault(report, GG_ERR_STORE,
                               "%s: damaged: it is missing, though the folder has been "
                               "in use; restore a backup",
                               folder->database);
    }
    DIR *entries = opendir(folder->path);
    if (entries == NULL) {
        return gg_report_system(report, "open", folder->path, errno);
    }
    enum gg_err err = GG_OK;
    struct dirent *entry = NULL;
    while ((entry = readdir(entries)) != NULL) {
        if (!is_ours(entry->d_name)) {
            err = gg_report_fault(report, GG_ERR_CONFIG,
                                  "%s: this is not a data folder of a broker (it holds "
                                  "%.100s); name an empty or a new folder",
                                  folder->path, entry->d_name);
            break;
        }
    }
    (void)closedir(entries);
    return err;
}

static bool exists(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0;
}

/* ---- can it be used? ---- */

static enum gg_err refuse_file_system(const struct gg_folder *folder,
                                      struct gg_store_report *report)
{
    struct statfs disk;
    if (statfs(folder->path, &disk) != 0) {
        return gg_report_system(report, "statfs", folder->path, errno);
    }
    uint32_t type = (uint32_t)disk.f_type;
    if (type == NFS_MAGIC || type == SMB_MAGIC || type == CIFS_MAGIC ||
        type == SMB2_MAGIC) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: on a network file system the store cannot keep its "
                               "promises; put the data folder on a local disk",
                               folder->path);
    }
    if (type == TMPFS_MAGIC || type == (uint32_t)RAMFS_MAGIC) {
        gg_report_notice(report,
                         "%s is on a file system in memory: nothing there survives a "
                         "restart of the host",
                         folder->path);
    }
    return GG_OK;
}

/* Does it write, and does it sync? Better asked now than at the first job. */
static enum gg_err probe(const struct gg_folder *folder, struct gg_files *files,
                         struct gg_store_report *report)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/probe", folder->path);
    int fd = files->open(files, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return gg_report_system(report, "open", path, errno);
    }
    const char *call = NULL;
    if (gg_files_write(files, fd, path, sizeof path, 0) != 0) {
        call = errno == ENOSPC ? NULL : "write"; /* Full: it is the ballast's affair. */
    } else if (files->fsync(files, fd) != 0) {
        call = "sync";
    }
    int saved = errno;
    (void)files->close(files, fd);
    (void)files->unlink(files, path);
    if (call != NULL && strcmp(call, "sync") == 0) {
        return gg_report_fault(
            report, GG_ERR_CONFIG,
            "%s: this file system cannot sync (%s), so nothing there "
            "would be safe; put the data folder on another disk",
            folder->path, strerror(saved));
    }
    return call == NULL ? GG_OK : gg_report_system(report, call, path, saved);
}

static void remove_leftovers(const struct gg_folder *folder, struct gg_files *files)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char path[1100];
        (void)snprintf(path, sizeof path, "%s%s", folder->making, ends[i]);
        (void)files->unlink(files, path);
    }
}

enum gg_err gg_folder_lock(struct gg_folder *folder, const char *path,
                           struct gg_store_report *report)
{
    enum gg_err err = gg_folder_name(folder, path, report);
    if (err == GG_OK) {
        err = expect_folder(path, report);
    }
    if (err == GG_OK) {
        err = take_lock(folder, report);
    }
    if (err == GG_OK) {
        folder->has_database = exists(folder->database);
        folder->has_witness = exists(folder->witness);
    }
    return err;
}

enum gg_err gg_folder_open(struct gg_folder *folder, const char *path,
                           struct gg_files *files, struct gg_store_report *report)
{
    enum gg_err err = gg_folder_name(folder, path, report);
    if (err == GG_OK) {
        err = make_folder(path, files, report);
    }
    if (err == GG_OK && !exists(folder->database)) {
        folder->has_witness = exists(folder->witness);
        err = refuse_foreign(folder, report);
    }
    if (err == GG_OK) {
        err = refuse_file_system(folder, report);
    }
    if (err == GG_OK) {
        err = gg_folder_lock(folder, path, report);
    }
    if (err == GG_OK) {
        err = probe(folder, files, report);
    }
    if (err != GG_OK) {
        gg_folder_close(folder);
        return err;
    }
    remove_leftovers(folder, files);
    return GG_OK;
}

enum gg_err gg_folder_check_format(const char *database, uint32_t mark,
                                   struct gg_files *files,
                                   struct gg_store_report *report)
{
    uint8_t head[HEAD_BYTES];
    int fd = files->open(files, database, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 && errno == ENOENT && mark == GG_BACKUP_MARK) {
        return gg_report_fault(report, GG_ERR_NOT_FOUND, "%s: there is no such file",
                               database);
    }
    if (fd < 0) {
        return gg_report_system(report, "open", database, errno);
    }
    ssize_t len = gg_files_read(files, fd, head, sizeof head, 0);
    int saved = errno;
    (void)files->close(files, fd);
    if (len < 0) {
        return gg_report_system(report, "read", database, saved);
    }
    bool ours = len >= HEAD_BYTES && memcmp(head, "SQLite format 3", 16) == 0 &&
                gg_be32_get(head + MARK_AT) == mark;
    if (!ours && mark == GG_BACKUP_MARK) {
        return gg_report_fault(report, GG_ERR_BAD_FIELD,
                               "%s: this is not a backup; \"ganger broker backup\" "
                               "makes them",
                               database);
    }
    if (!ours) {
        return gg_report_fault(report, GG_ERR_STORE,
                               "%s: damaged at byte 0, or not a file of a broker; "
                               "restore a backup, or name another folder",
                               database);
    }
    uint32_t format = gg_be32_get(head + FORMAT_AT);
    if (format > GG_STORE_FORMAT) {
        return gg_report_fault(report, GG_ERR_CONFIG,
                               "%s: its format is version %u, and this program knows "
                               "versions up to %d; use the newer program, or restore a "
                               "backup of the older one",
                               database, format, GG_STORE_FORMAT);
    }
    return GG_OK;
}
