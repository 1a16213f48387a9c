/* cgroup.h - a control group for each child: its memory and its processes, bounded.
 *
 * Version 2 where memory and pids are delegated to us, else version 1 where both may be
 * written. The agent finds the place once; the keeper makes a folder in it for each
 * child that asks, and removes it when the child and all that it forked have gone.
 */
#ifndef GG_WORKER_EXEC_CGROUP_H
#define GG_WORKER_EXEC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/exec/keeper_wire.h"

enum { GG_CGROUP_PATH_BYTES = 400 };

/* Where groups can be made, by controller; with version 2 both are the same. */
struct gg_cgroup_place {
    bool unified; /* Version 2. */
    char memory[GG_CGROUP_BYTES];
    char pids[GG_CGROUP_BYTES];
};

/* Find the place; with version 2 this process moves into a group of its own, so that
 * others may stand beside it. Before the keeper is started. GG_ERR_CONFIG: `why` says
 * what the system does not allow. */
GG_MUST_USE enum gg_err gg_cgroup_find(struct gg_cgroup_place *out, char *why,
                                       size_t room);

/* The group of one child; empty paths: it has none of that kind. */
struct gg_cgroup {
    bool unified;
    char memory[GG_CGROUP_PATH_BYTES];
    char pids[GG_CGROUP_PATH_BYTES]; /* With version 2: empty, it is the same. */
};

/* Make what the cage asks for, under a name of its own. False: errno says why, and
 * nothing is left. */
bool gg_cgroup_make(const struct gg_cage *cage, const char *name,
                    struct gg_cgroup *out);

/* Open the files that a child joins it by; -1 none. False: errno says why. */
bool gg_cgroup_open(const struct gg_cgroup *group, int out_fds[2]);

/* Kill whoever is in it; how many processes were. */
uint32_t gg_cgroup_kill(const struct gg_cgroup *group);

/* Has the kernel killed in it for want of memory? */
bool gg_cgroup_ran_out(const struct gg_cgroup *group);

/* Remove it. False: somebody is in it yet. */
bool gg_cgroup_remove(struct gg_cgroup *group);

#endif
