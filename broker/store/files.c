#include "broker/store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int libc_open(struct gg_files *self, const char *path, int flags, mode_t mode)
{
    (void)self;
    return open(path, flags, mode);
}

static int libc_close(struct gg_files *self, int fd)
{
    (void)self;
    return close(fd);
}

static ssize_t libc_pread(struct gg_files *self, int fd, void *data, size_t len,
                          off_t at)
{
    (void)self;
    return pread(fd, data, len, at);
}

static ssize_t libc_pwrite(struct gg_files *self, int fd, const void *data, size_t len,
                           off_t at)
{
    (void)self;
    return pwrite(fd, data, len, at);
}

static int libc_fsync(struct gg_files *self, int fd)
{
    (void)self;
    return fsync(fd);
}

static int libc_allocate(struct gg_files *self, int fd, off_t len)
{
    (void)self;
    int err = posix_fallocate(fd, 0, len);
    if (err != 0) {
        errno = err;
        return -1;
    }
    return 0;
}

static int libc_rename(struct gg_files *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}

static int libc_unlink(struct gg_files *self, const char *path)
{
    (void)self;
    return unlink(path);
}

static int libc_mkdir(struct gg_files *self, const char *path, mode_t mode)
{
    (void)self;
    return mkdir(path, mode);
}

static int libc_statvfs(struct gg_files *self, const char *path, struct statvfs *out)
{
    (void)self;
    return statvfs(path, out);
}

struct gg_files *gg_files_libc(void)
{
    static struct gg_files libc = {
        .open = libc_open,
        .close = libc_close,
        .pread = libc_pread,
        .pwrite = libc_pwrite,
        .fsync = libc_fsync,
        .allocate = libc_allocate,
        .rename = libc_rename,
        .unlink = libc_unlink,
        .mkdir = libc_mkdir,
        .statvfs = libc_statvfs,
    };
    return &libc;
}

int gg_files_write(struct gg_files *files, int fd, const void *data, size_t len,
                   off_t at)
{
    const uint8_t *from = data;
    while (len > 0) {
        ssize_t done = files->pwrite(files, fd, from, len, at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return -1;
        }
        from += done;
        len -= (size_t)done;
        at += done;
    }
    return 0;
}

ssize_t gg_files_read(struct gg_files *files, int fd, void *data, size_t len, off_t at)
{
    uint8_t *to = data;
    size_t count = 0;
    while (count < len) {
        ssize_t done = files->pread(files, fd, to + count, len - count,
                                    at + (off_t)count);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -1;
        }
        if (done == 0) {
            break;
        }
        count += (size_t)done;
    }
    return (ssize_t)count;
}

int gg_files_sync_folder(struct gg_files *files, const char *path)
{
    int fd = files->open(files, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int result = files->fsync(files, fd);
    int saved = errno;
    (void)files->close(files, fd);
    errno = saved;
    return result;
}
