#include "worker/exec/cage.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CPU_GRACE_S = 5, /* XCPU at the limit, KILL after this much more. */
    IOPRIO_CLASS_SHIFT = 13,
    IOPRIO_WHO_PROCESS = 1,
};

/* One limit of the cage and the kernel's number of it. */
struct limit {
    __rlimit_resource_t resource;
    uint64_t value; /* 0: not limited. */
    const char *name;
};

enum { LIMITS_COUNT = 5 };

static void list_limits(const struct gg_cage *cage, struct limit out[LIMITS_COUNT])
{
    out[0] = (struct limit){RLIMIT_AS, cage->memory_bytes, "limit_memory"};
    out[1] = (struct limit){RLIMIT_CPU, cage->cpu_s, "limit_cpu"};
    out[2] = (struct limit){RLIMIT_NOFILE, cage->files, "limit_files"};
    out[3] = (struct limit){RLIMIT_NPROC, cage->processes, "limit_processes"};
    out[4] = (struct limit){RLIMIT_FSIZE, cage->output_bytes, "limit_output"};
}

/* ---- before ---- */

static enum gg_err check_limits(const struct gg_cage *cage, char *why, size_t room)
{
    struct limit limits[LIMITS_COUNT];
    list_limits(cage, limits);
    for (int i = 0; i < LIMITS_COUNT; i++) {
        struct rlimit now;
        if (limits[i].value == 0 || getrlimit(limits[i].resource, &now) != 0) {
            continue;
        }
        if (now.rlim_max != RLIM_INFINITY && limits[i].value > now.rlim_max) {
            (void)snprintf(why, room,
                           "%s: %llu is more than the %llu that this process may set",
                           limits[i].name, (unsigned long long)limits[i].value,
                           (unsigned long long)now.rlim_max);
            return GG_ERR_CONFIG;
        }
    }
    if (cage->processes > 0 && geteuid() == 0 && !cage->has_user) {
        (void)snprintf(why, room,
                       "limit_processes is counted per user and root is not held to "
                       "it: say user, or cgroup_pids");
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

enum gg_err gg_cage_check(const struct gg_cage *cage, char *why, size_t room)
{
    bool other = cage->has_user &&
                 (cage->uid != geteuid() || (gid_t)cage->gid != getegid());
    if (other && geteuid() != 0) {
        (void)snprintf(why, room,
                       "user: only root can run jobs as another user (this process "
                       "is user %u)",
                       (unsigned)geteuid());
        return GG_ERR_CONFIG;
    }
    return check_limits(cage, why, room);
}

/* ---- in the child ---- */

static bool set_limits(const struct gg_cage *cage)
{
    struct limit limits[LIMITS_COUNT];
    list_limits(cage, limits);
    for (int i = 0; i < LIMITS_COUNT; i++) {
        if (limits[i].value > 0) {
            rlim_t most = limits[i].resource == RLIMIT_CPU
                              ? limits[i].value + CPU_GRACE_S
                              : limits[i].value;
            struct rlimit wanted = {.rlim_cur = limits[i].value, .rlim_max = most};
            if (setrlimit(limits[i].resource, &wanted) != 0) {
                return false;
            }
        }
    }
    return true;
}

static bool set_priority(const struct gg_cage *cage)
{
    if (cage->nice != 0 && setpriority(PRIO_PROCESS, 0, cage->nice) != 0) {
        return false;
    }
    int value = (int)(cage->io_class << IOPRIO_CLASS_SHIFT | cage->io_level);
    return cage->io_class == 0 ||
           syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) == 0;
}

static bool set_user(const struct gg_cage *cage)
{
    if (!cage->has_user) {
        return true;
    }
    gid_t gid = (gid_t)cage->gid;
    if (geteuid() == 0 && setgroups(1, &gid) != 0) {
        return false;
    }
    return setgid(gid) == 0 && setuid((uid_t)cage->uid) == 0;
}

bool gg_cage_join(const int cgroup_fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (cgroup_fds[i] >= 0 && write(cgroup_fds[i], "0", 1) != 1) {
            return false;
        }
    }
    return true;
}

bool gg_cage_enter(const struct gg_cage *cage, enum gg_keeper_stage *out_stage)
{
    *out_stage = GG_STAGE_PRIORITY;
    if (!set_priority(cage)) {
        return false;
    }
    *out_stage = GG_STAGE_LIMIT;
    if (!set_limits(cage)) {
        return false;
    }
    *out_stage = GG_STAGE_USER;
    if (!set_user(cage)) {
        return false;
    }
    return !cage->no_new_privileges || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool gg_cage_keeps(const char *variable)
{
    static const char *const names[] = {
        "PATH=", "LANG=", "LC_", "TZ=", "TMPDIR=", "TERM=", "LANGUAGE="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}
