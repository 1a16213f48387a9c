#include "broker/store/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { DISK_SHARE = 8, START_BYTES = 1 << 20 };

static void name_ballast(struct gg_space *space, struct gg_files *files,
                         const char *folder)
{
    space->files = files;
    space->folder = folder;
    (void)snprintf(space->path, sizeof space->path, "%s/ballast", folder);
}

static bool read_free(struct gg_space *space, uint64_t *out_total)
{
    struct statvfs disk;
    if (space->files->statvfs(space->files, space->folder, &disk) != 0) {
        return false;
    }
    atomic_store(&space->free_bytes, (uint64_t)disk.f_bavail * disk.f_frsize);
    *out_total = (uint64_t)disk.f_blocks * disk.f_frsize;
    return true;
}

/* Only where as much again stays free: a ballast that fills the disk helps nobody. */
static void make_ballast(struct gg_space *space)
{
    struct gg_files *files = space->files;
    uint64_t total = 0;
    if (atomic_load(&space->free_bytes) < space->ballast_bytes * 2) {
        return;
    }
    int fd = files->open(files, space->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    if (files->allocate(files, fd, (off_t)space->ballast_bytes) == 0) {
        space->ballast_there = true;
    } else {
        (void)files->unlink(files, space->path);
    }
    (void)files->close(files, fd);
    (void)read_free(space, &total);
}

bool gg_space_look(struct gg_space *space)
{
    uint64_t total = 0;
    if (!read_free(space, &total)) {
        return false; /* As it was: the next commit will tell. */
    }
    if (!space->ballast_there && space->ballast_bytes > 0) {
        make_ballast(space);
    }
    uint64_t bound = space->ballast_bytes;
    if (space->low) {
        bound += bound / 4; /* Not there and back with each job. */
    }
    bool low = atomic_load(&space->free_bytes) < bound ||
               (!space->ballast_there && space->ballast_bytes > 0);
    bool changed = low != space->low;
    space->low = low;
    atomic_store(&space->shown_low, low);
    return changed;
}

enum gg_err gg_space_init(struct gg_space *space, struct gg_files *files,
                          const char *folder, uint64_t ballast_bytes,
                          struct gg_store_report *report)
{
    uint64_t total = 0;
    name_ballast(space, files, folder);
    if (!read_free(space, &total)) {
        return gg_report_system(report, "statvfs", folder, errno);
    }
    space->ballast_bytes = ballast_bytes < total / DISK_SHARE ? ballast_bytes
                                                              : total / DISK_SHARE;
    struct stat stat_of;
    space->ballast_there = stat(space->path, &stat_of) == 0 &&
                           (uint64_t)stat_of.st_blocks * 512 >= space->ballast_bytes;
    (void)gg_space_look(space);
    return GG_OK;
}

bool gg_space_free_ballast(struct gg_space *space)
{
    if (!space->ballast_there) {
        return false;
    }
    space->ballast_there = false;
    space->low = true;
    atomic_store(&space->shown_low, true);
    (void)space->files->unlink(space->files, space->path);
    return true;
}

void gg_space_make_way(struct gg_files *files, const char *folder)
{
    struct gg_space space = {0};
    uint64_t total = 0;
    name_ballast(&space, files, folder);
    if (read_free(&space, &total) && atomic_load(&space.free_bytes) < START_BYTES) {
        (void)files->unlink(files, space.path);
    }
}
