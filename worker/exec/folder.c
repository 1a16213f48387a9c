#include "worker/exec/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
