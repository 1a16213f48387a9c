/* files.h - the few file calls of the store's own, behind a table, so that tests can
 * let any of them fail and can cut the power. SQLite's are behind its own table. */
#ifndef GG_BROKER_STORE_FILES_H
#define GG_BROKER_STORE_FILES_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* Each call as the system's, errno included; `self` is the table. */
struct gg_files {
    int (*open)(struct gg_files *self, const char *path, int flags, mode_t mode);
    int (*close)(struct gg_files *self, int fd);
    ssize_t (*pread)(struct gg_files *self, int fd, void *data, size_t len, off_t at);
    ssize_t (*pwrite)(struct gg_files *self, int fd, const void *data, size_t len,
                      off_t at);
    int (*fsync)(struct gg_files *self, int fd);
    int (*allocate)(struct gg_files *self, int fd, off_t len);
    int (*rename)(struct gg_files *self, const char *from, const char *to);
    int (*unlink)(struct gg_files *self, const char *path);
    int (*mkdir)(struct gg_files *self, const char *path, mode_t mode);
    int (*statvfs)(struct gg_files *self, const char *path, struct statvfs *out);
};

/* The system's own. */
struct gg_files *gg_files_libc(void);

/* Write all of it at `at`; 0, or -1 with errno (a short write counts as ENOSPC). */
int gg_files_write(struct gg_files *files, int fd, const void *data, size_t len,
                   off_t at);

/* Read up to `len` bytes from `at`, less only at the end of the file; -1 with errno. */
ssize_t gg_files_read(struct gg_files *files, int fd, void *data, size_t len, off_t at);

/* Sync the folder `path`, so that the names in it are safe; 0 or -1 with errno. */
int gg_files_sync_folder(struct gg_files *files, const char *path);

#endif
