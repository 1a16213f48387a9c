#include "worker/exec/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_BYTES = 1024,
    FILE_PATH_BYTES = GG_CGROUP_PATH_BYTES + 40,
    PIDS_MAX = 4096
};

static bool write_file(const char *folder, const char *file, const char *text)
{
    char path[FILE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int kept = errno;
    (void)close(fd);
    errno = kept;
    return good;
}

static bool write_number(const char *folder, const char *file, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return write_file(folder, file, text);
}

/* ---- finding the place ---- */

/* Where a hierarchy is mounted: `type` is cgroup or cgroup2, `option` one of its
 * controllers or NULL. */
static bool find_mount(const char *type, const char *option, char out[GG_CGROUP_BYTES])
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = fopen("/proc/self/mounts", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char *rest = NULL;
        const char *device = strtok_r(line, " ", &rest);
        const char *folder = strtok_r(NULL, " ", &rest);
        const char *kind = strtok_r(NULL, " ", &rest);
        char *options = strtok_r(NULL, " ", &rest);
        found = device != NULL && folder != NULL && kind != NULL && options != NULL &&
                strcmp(kind, type) == 0 && strlen(folder) < GG_CGROUP_BYTES;
        char *more = NULL;
        bool has = option == NULL;
        for (char *word = found ? strtok_r(options, ",", &more) : NULL;
             word != NULL && !has; word = strtok_r(NULL, ",", &more)) {
            has = strcmp(word, option) == 0;
        }
        found = found && has;
        if (found) {
            (void)snprintf(out, GG_CGROUP_BYTES, "%s", folder);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* Our own path in the hierarchy of `controller`, "" for version 2. */
static bool find_own(const char *controller, char *out, size_t room)
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char *rest = NULL;
        line[strcspn(line, "\n")] = '\0';
        char *number = strtok_r(line, ":", &rest);
        char *path = rest == NULL ? NULL : strchr(rest, ':');
        if (number == NULL || path == NULL) {
            continue;
        }
        *path++ = '\0';
        found = strcmp(rest, controller) == 0;
        if (found) {
            (void)snprintf(out, room, "%s", strcmp(path, "/") == 0 ? "" : path);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* A hierarchy may be mounted from our own group on, as in containers. */
static bool join_paths(const char *mount, const char *own, char out[GG_CGROUP_BYTES])
{
    struct stat info;
    int len = snprintf(out, GG_CGROUP_BYTES, "%s%s", mount, own);
    if (len > 0 && len < GG_CGROUP_BYTES && stat(out, &info) == 0) {
        return true;
    }
    (void)snprintf(out, GG_CGROUP_BYTES, "%s", mount);
    return stat(out, &info) == 0;
}

static bool has_word(const char *folder, const char *file, const char *word)
{
    char path[FILE_PATH_BYTES];
    char text[LINE_BYTES] = "";
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return false;
    }
    size_t len = fread(text, 1, sizeof text - 1, stream);
    (void)fclose(stream);
    text[len] = '\0';
    char *rest = NULL;
    for (char *at = strtok_r(text, " \n", &rest); at != NULL;
         at = strtok_r(NULL, " \n", &rest)) {
        if (strcmp(at, word) == 0) {
            return true;
        }
    }
    return false;
}

/* Version 2: a group with children must hold no process itself, so we step aside. */
static bool find_unified(struct gg_cgroup_place *out)
{
    char mount[GG_CGROUP_BYTES];
    char own[GG_CGROUP_BYTES];
    static const char step[] = "/ganger-agent";
    char aside[GG_CGROUP_PATH_BYTES];
    if (!find_mount("cgroup2", NULL, mount) || !find_own("", own, sizeof own) ||
        !join_paths(mount, own, out->memory) ||
        !has_word(out->memory, "cgroup.controllers", "memory") ||
        !has_word(out->memory, "cgroup.controllers", "pids")) {
        return false;
    }
    if (strlen(out->memory) > sizeof step - 1 &&
        strcmp(out->memory + strlen(out->memory) - (sizeof step - 1), step) == 0) {
        out->memory[strlen(out->memory) - (sizeof step - 1)] = '\0'; /* A restart. */
    }
    (void)snprintf(aside, sizeof aside, "%s%s", out->memory, step);
    if ((mkdir(aside, 0755) != 0 && errno != EEXIST) ||
        !write_number(aside, "cgroup.procs", (uint64_t)getpid()) ||
        !write_file(out->memory, "cgroup.subtree_control", "+memory +pids")) {
        return false;
    }
    (void)snprintf(out->pids, sizeof out->pids, "%s", out->memory);
    out->unified = true;
    return true;
}

static bool find_one(const char *controller, char out[GG_CGROUP_BYTES])
{
    char mount[GG_CGROUP_BYTES];
    char own[GG_CGROUP_BYTES];
    return find_mount("cgroup", controller, mount) &&
           find_own(controller, own, sizeof own) && join_paths(mount, own, out) &&
           access(out, W_OK) == 0;
}

enum gg_err gg_cgroup_find(struct gg_cgroup_place *out, char *why, size_t room)
{
    *out = (struct gg_cgroup_place){.unified = false};
    if (find_unified(out)) {
        return GG_OK;
    }
    int error = errno;
    if (find_one("memory", out->memory) && find_one("pids", out->pids)) {
        return GG_OK;
    }
    (void)snprintf(why, room,
                   "cgroup_: no cgroup with memory and pids may be written here (%s); "
                   "under systemd say Delegate=yes in the unit",
                   error == 0 ? "none is mounted" : strerror(error));
    return GG_ERR_CONFIG;
}

/* ---- one group ---- */

static bool make_one(const char *base, const char *name, char *out)
{
    int len = snprintf(out, GG_CGROUP_PATH_BYTES, "%s/%s", base, name);
    if (len < 0 || len >= GG_CGROUP_PATH_BYTES || mkdir(out, 0755) != 0) {
        out[0] = '\0';
        return false;
    }
    return true;
}

static bool bound(const struct gg_cage *cage, const struct gg_cgroup *group)
{
    const char *pids = group->unified ? group->memory : group->pids;
    if (cage->cgroup_memory_bytes > 0 && group->unified) {
        if (!write_number(group->memory, "memory.max", cage->cgroup_memory_bytes)) {
            return false;
        }
        (void)write_file(group->memory, "memory.swap.max", "0"); /* Not everywhere. */
    } else if (cage->cgroup_memory_bytes > 0 &&
               !write_number(group->memory, "memory.limit_in_bytes",
                             cage->cgroup_memory_bytes)) {
        return false;
    }
    return cage->cgroup_pids == 0 || write_number(pids, "pids.max", cage->cgroup_pids);
}

bool gg_cgroup_make(const struct gg_cage *cage, const char *name, struct gg_cgroup *out)
{
    *out = (struct gg_cgroup){.unified = cage->cgroup_unified};
    bool memory = cage->cgroup_memory_bytes > 0 || cage->cgroup_unified;
    bool pids = !cage->cgroup_unified; /* Also to find and kill all of it. */
    if (cage->cgroup_memory_bytes == 0 && cage->cgroup_pids == 0) {
        return true;
    }
    if ((memory && !make_one(cage->cgroup_memory, name, out->memory)) ||
        (pids && !make_one(cage->cgroup_pid, name, out->pids)) || !bound(cage, out)) {
        int kept = errno;
        (void)gg_cgroup_remove(out);
        errno = kept;
        return false;
    }
    return true;
}

static int open_procs(const char *folder)
{
    char path[FILE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    return open(path, O_WRONLY | O_CLOEXEC);
}

bool gg_cgroup_open(const struct gg_cgroup *group, int out_fds[2])
{
    const char *folders[2] = {group->memory, group->pids};
    bool good = true;
    for (int i = 0; i < 2; i++) {
        out_fds[i] = folders[i][0] == '\0' ? -1 : open_procs(folders[i]);
        good = good && (folders[i][0] == '\0' || out_fds[i] >= 0);
    }
    return good;
}

uint32_t gg_cgroup_kill(const struct gg_cgroup *group)
{
    const char *folder = group->pids[0] != '\0' ? group->pids : group->memory;
    char path[FILE_PATH_BYTES];
    uint32_t count = 0;
    if (folder[0] == '\0') {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    FILE *file = fopen(path, "re");
    int pid = 0;
    while (file != NULL && count < PIDS_MAX && fscanf(file, "%d", &pid) == 1) {
        if (pid > 1) {
            (void)kill(pid, SIGKILL);
            count++;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

bool gg_cgroup_ran_out(const struct gg_cgroup *group)
{
    char path[FILE_PATH_BYTES];
    char line[LINE_BYTES];
    bool found = false;
    if (group->memory[0] == '\0') {
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/%s", group->memory,
                   group->unified ? "memory.events" : "memory.oom_control");
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        found = found ||
                (strncmp(line, "oom_kill ", 9) == 0 && strtoul(line + 9, NULL, 10) > 0);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static bool remove_one(char *path)
{
    if (path[0] != '\0' && rmdir(path) != 0 && errno != ENOENT) {
        return false;
    }
    path[0] = '\0';
    return true;
}

bool gg_cgroup_remove(struct gg_cgroup *group)
{
    bool memory = remove_one(group->memory);
    return remove_one(group->pids) && memory;
}
