#include "worker/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder_of(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] == '/' ? value : fallback;
}

/* Make `path` unless it is there, and make sure that it is ours alone. */
static enum gg_err own_folder(const char *path, char *out_why, size_t room)
{
    struct stat info;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        (void)snprintf(out_why, room, "cannot make the folder %s: %s", path,
                       strerror(errno));
        return GG_ERR_CONFIG;
    }
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
        (info.st_mode & 066) != 0) {
        (void)snprintf(out_why, room,
                       "%s is not a folder of our own (mode 0700 or 0711)", path);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

static enum gg_err make_lock_path(const char *name, struct gg_place_lock *lock,
                                  char *out_why, size_t room)
{
    char folder[GG_PLACE_BYTES];
    const char *runtime = folder_of("XDG_RUNTIME_DIR", NULL);
    if (runtime != NULL) {
        (void)snprintf(folder, sizeof folder, "%s/ganger", runtime);
    } else {
        (void)snprintf(folder, sizeof folder, "%s/ganger-%u",
                       folder_of("TMPDIR", "/tmp"), (unsigned)geteuid());
    }
    (void)snprintf(lock->path, sizeof lock->path, "%s/worker-%s.lock", folder, name);
    return own_folder(folder, out_why, room);
}

/* Is the file that was locked still the one at its path? Its last holder may have
 * removed it between our open and our lock. */
static bool is_in_place(const struct gg_place_lock *lock)
{
    struct stat ours;
    struct stat there;
    return fstat(lock->fd, &ours) == 0 && stat(lock->path, &there) == 0 &&
           ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

enum gg_err gg_place_lock(const char *name, struct gg_place_lock *out_lock,
                          char *out_why, size_t room)
{
    struct gg_place_lock lock;
    enum gg_err err = make_lock_path(name, &lock, out_why, room);
    if (err != GG_OK) {
        return err;
    }
    lock.fd = open(lock.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock.fd < 0) {
        (void)snprintf(out_why, room, "cannot open %s: %s", lock.path, strerror(errno));
        return GG_ERR_CONFIG;
    }
    if (flock(lock.fd, LOCK_EX | LOCK_NB) != 0 || !is_in_place(&lock)) {
        (void)close(lock.fd);
        return GG_ERR_BUSY;
    }
    *out_lock = lock;
    return GG_OK;
}

void gg_place_unlock(struct gg_place_lock *lock)
{
    if (lock->fd >= 0) {
        (void)unlink(lock->path);
        (void)close(lock->fd);
        lock->fd = -1;
    }
}

enum gg_err gg_place_make_folder(const char *name, char out[GG_PLACE_BYTES],
                                 char *out_why, size_t room)
{
    char above[GG_PLACE_BYTES];
    (void)snprintf(above, sizeof above, "%s/ganger-%u", folder_of("TMPDIR", "/tmp"),
                   (unsigned)geteuid());
    enum gg_err err = own_folder(above, out_why, room);
    if (err != GG_OK) {
        return err;
    }
    int len = snprintf(out, GG_PLACE_BYTES, "%s/%s.%d", above, name, (int)getpid());
    if (len < 0 || len >= GG_PLACE_BYTES) {
        (void)snprintf(out_why, room, "the path of the temporary folder is too long");
        return GG_ERR_CONFIG;
    }
    return own_folder(out, out_why, room);
}

void gg_place_open_folder(const char *path)
{
    char above[GG_PLACE_BYTES];
    (void)snprintf(above, sizeof above, "%s", path);
    char *end = strrchr(above, '/');
    (void)chmod(path, 0711);
    if (end != NULL) {
        *end = '\0';
        (void)chmod(above, 0711);
    }
}
