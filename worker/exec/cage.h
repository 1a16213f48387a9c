/* cage.h - what a job's process may use: limits, user, priority, a cgroup of its own.
 *
 * The agent checks what is asked for when a pool is added; the keeper's child enters
 * the cage between fork and exec. What cannot be had is a failure to start with its
 * name, never a job that runs without it.
 */
#ifndef GG_WORKER_EXEC_CAGE_H
#define GG_WORKER_EXEC_CAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"
#include "worker/exec/keeper_wire.h"

/* Can this process put its children into the cage? GG_ERR_CONFIG: `why` says which part
 * the system does not allow, and what would help. */
GG_MUST_USE enum gg_err gg_cage_check(const struct gg_cage *cage, char *why,
                                      size_t room);

/* Join the groups whose cgroup.procs files are open at `cgroup_fds`, -1 none. False:
 * errno says why. */
bool gg_cage_join(const int cgroup_fds[2]);

/* Enter the rest of it, as a child that is about to become another program. False:
 * *out_stage says what failed, errno why. */
bool gg_cage_enter(const struct gg_cage *cage, enum gg_keeper_stage *out_stage);

/* Does a variable stay in a clean environment? */
bool gg_cage_keeps(const char *variable);

#endif
