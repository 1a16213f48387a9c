#include "worker/exec/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

bool gg_folder_make_at(const char *path, const struct gg_cage *cage)
{
    if (mkdir(path, 0700) != 0) {
        return false;
    }
    return cage == NULL || !cage->has_user ||
           chown(path, (uid_t)cage->uid, (gid_t)cage->gid) == 0;
}

enum gg_err gg_folder_make(const struct gg_run_world *world, const struct gg_cage *cage,
                           const char *prefix, uint64_t number,
                           char out[GG_FOLDER_BYTES])
{
    int len = snprintf(out, GG_FOLDER_BYTES, "%s/%s%llu", world->temp_folder, prefix,
                       (unsigned long long)number);
    errno = ENAMETOOLONG;
    if (len < 0 || len >= GG_FOLDER_BYTES || !gg_folder_make_at(out, cage)) {
        out[0] = '\0';
        return GG_ERR_SYSTEM;
    }
    return GG_OK;
}

/* ---- spare ones ---- */

enum { SPARE_MS = 1000 };

static bool write_path(const struct gg_run_world *world, uint64_t number,
                       char out[GG_FOLDER_BYTES])
{
    int len = snprintf(out, GG_FOLDER_BYTES, "%s/%llu", world->temp_folder,
                       (unsigned long long)number);
    return len > 0 && len < GG_FOLDER_BYTES;
}

enum gg_err gg_folder_take(const struct gg_run_world *world, const struct gg_cage *cage,
                           uint64_t number, char out[GG_FOLDER_BYTES],
                           uint64_t *out_number)
{
    struct gg_spare_folders *spare = world->spare_folders;
    bool other = cage != NULL && cage->has_user;
    uint32_t uid = other ? cage->uid : geteuid();
    uint32_t gid = other ? cage->gid : getegid();
    for (uint32_t i = spare->count; i > 0; i--) {
        if (spare->items[i - 1].uid == uid && spare->items[i - 1].gid == gid &&
            write_path(world, spare->items[i - 1].number, out)) {
            *out_number = spare->items[i - 1].number;
            spare->items[i - 1] = spare->items[--spare->count];
            return GG_OK;
        }
    }
    *out_number = number;
    return gg_folder_make(world, cage, "", number, out);
}

/* Has anybody given it attributes: lists of rights, for what is made in it, are among
 * them. The system's own do not count. */
static bool has_attributes(int fd)
{
    static const char systems[] = "security.";
    char names[256];
    ssize_t len = flistxattr(fd, names, sizeof names);
    bool any = len < 0 && errno != ENOTSUP;
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        any = any || strncmp(names + at, systems, sizeof systems - 1) != 0;
    }
    return any;
}

/* Nothing in it, and nothing about it that its last user has changed. */
static bool is_as_made(const char *folder, struct stat *out)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, out) == 0 && (out->st_mode & 07777) == 0700 &&
                !has_attributes(fd) && gg_folder_is_empty(fd);
    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

void gg_folder_leave(const struct gg_run_world *world, const char *folder,
                     uint64_t number, struct gg_mono now)
{
    struct gg_spare_folders *spare = world->spare_folders;
    struct stat stat;
    if (number == 0 || spare->count == GG_SPARE_FOLDERS_MAX ||
        !is_as_made(folder, &stat)) {
        gg_folder_remove(world, folder);
        return;
    }
    spare->items[spare->count].number = number;
    spare->items[spare->count].uid = stat.st_uid;
    spare->items[spare->count++].gid = stat.st_gid;
    spare->drop_at = gg_mono_add(now, SPARE_MS);
}

void gg_folder_trim(const struct gg_run_world *world, struct gg_mono now)
{
    struct gg_spare_folders *spare = world->spare_folders;
    char path[GG_FOLDER_BYTES];
    if (spare->count == 0 || !gg_mono_reached(spare->drop_at, now)) {
        return;
    }
    for (; spare->count > 0; spare->count--) {
        if (write_path(world, spare->items[spare->count - 1].number, path)) {
            gg_folder_remove(world, path);
        }
    }
}

bool gg_folder_next_trim(const struct gg_run_world *world, struct gg_mono *out_at)
{
    *out_at = world->spare_folders->drop_at;
    return world->spare_folders->count > 0;
}

/* ---- removing ---- */

static void on_removed(struct gg_child *child, const struct gg_keeper_report *report)
{
    if (report->op != GG_KEEPER_STARTED) {
        free(child);
    }
}

void gg_folder_remove(const struct gg_run_world *world, const char *folder)
{
    /* Most jobs leave it empty. */
    if (folder[0] == '\0' || rmdir(folder) == 0 || errno == ENOENT) {
        return;
    }
    struct gg_child *child = calloc(1, sizeof *child);
    const char *const arguments[] = {"rm", "-rf", "--", folder, NULL};
    struct gg_child_spec spec = {
        .folder = "/", .arguments = arguments, .fds = {-1, -1, -1, -1}};
    if (child != NULL) {
        child->on_report = on_removed;
        if (gg_child_start(world->keeper, child, &spec) != GG_OK) {
            free(child);
        }
    }
}

bool gg_folder_is_empty(int fd)
{
    _Alignas(struct dirent64) char entries[4 * sizeof(struct dirent64)];
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return false;
    }
    int names = 0;
    ssize_t got = getdents64(fd, entries, sizeof entries);
    for (ssize_t at = 0; at < got; names++) {
        const struct dirent64 *entry = (const void *)(entries + at);
        at += entry->d_reclen;
    }
    return got >= 0 && names <= 2; /* "." and "..", which come first or not at all. */
}
