/* procfs.h - families of processes, as /proc shows them. */
#ifndef GG_WORKER_EXEC_PROCFS_H
#define GG_WORKER_EXEC_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Process ids found by one look; `truncated` when there were more than fit. */
enum { GG_PIDS_MAX = 16384 };
struct gg_pids {
    size_t count;
    size_t room;
    pid_t *pids;
    bool truncated;
};

void gg_pids_fini(struct gg_pids *pids);

/* Add the children of `parent` to `out`. */
void gg_proc_children(pid_t parent, struct gg_pids *out);

/* Add all descendants of `root`, without itself, parents before children. */
void gg_proc_descendants(pid_t root, struct gg_pids *out);

/* Send `signal` to all descendants of `root` but not to `spared` and its own; returns
 * how many there were. */
size_t gg_proc_kill_descendants(pid_t root, pid_t spared, int signal);

/* Value of the variable `name` in the environment that the process was given; false
 * when it has none or may not be read. */
bool gg_proc_variable(pid_t pid, const char *name, char *out_value, size_t room);

/* Bytes of memory that the process has resident; 0 when it is not there. */
uint64_t gg_proc_memory(pid_t pid);

/* When the process was started, in clock ticks since boot; 0 when it is not there. */
uint64_t gg_proc_started(pid_t pid);

#endif
