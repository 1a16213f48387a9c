/* child.h - programs of ours that a command starts, and stops before it ends. */
#ifndef GG_CLIENT_CLI_CHILD_H
#define GG_CLIENT_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Start argv[0]: the program of that name beside this one, or else from PATH. It gets a
 * process group of its own, `stderr_fd` for its standard error (-1: ours), and TERM if
 * we die. Returns its id, or -1 with errno set when it cannot be forked; a program that
 * cannot be executed ends with 127. */
pid_t gg_child_start(char *const argv[], int stderr_fd);

/* Run it as it would run alone, and wait. Returns its exit status; GG_EXIT_FAULT when
 * it cannot be run, which has been said. */
int gg_child_run(char *const argv[]);

/* TERM, and KILL for what is still there after `grace_ms`; then reap it. *pid_p becomes
 * 0. Nothing for 0. */
void gg_child_stop(pid_t *pid_p, int grace_ms);

#endif
