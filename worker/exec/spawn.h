/* spawn.h - fork and exec one child, clean: own session, only its own descriptors. */
#ifndef GG_WORKER_EXEC_SPAWN_H
#define GG_WORKER_EXEC_SPAWN_H

#include <sys/types.h>

#include "common/err.h"
#include "worker/exec/keeper_wire.h"

/* All lent for the call. */
struct gg_spawn {
    const char *folder;         /* Working folder; "" keeps the caller's. */
    char *const *arguments;     /* Ended by NULL; the first is looked up in PATH. */
    char *const *variables;     /* The whole environment, ended by NULL. */
    int fds[GG_KEEPER_FDS_MAX]; /* Become 0, 1, 2 and 3; -1 leaves that one closed. */
    const struct gg_cage *cage;
    int cgroup_fds[2]; /* The groups it joins; -1 none. */
};

/* Let no signal be ignored or handled here: children inherit that. Once, before. */
void gg_spawn_prepare(void);

/* Start the child as leader of a session of its own, killed by the kernel when the
 * caller dies. Waits until exec has happened. On GG_ERR_SYSTEM nothing runs, *out_stage
 * and *out_error say what failed. The caller must be single-threaded. */
GG_MUST_USE enum gg_err gg_spawn(const struct gg_spawn *spawn, pid_t *out_pid,
                                 enum gg_keeper_stage *out_stage, int *out_error);

#endif
