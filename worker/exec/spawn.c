#include "worker/exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/exec/cage.h"

/* What the child writes into the pipe when it could not become the program. */
struct failure {
    int stage;
    int error;
};

enum { PIPE_FD = GG_KEEPER_FDS_MAX, HIGH_FD = 64 };

static _Noreturn void fail(int fd, enum gg_keeper_stage stage)
{
    struct failure failure = {.stage = (int)stage, .error = errno};
    (void)!write(fd, &failure, sizeof failure);
    _exit(127);
}

/* Put the descriptors at 0 to 3 and close all others. They are first moved out of each
 * other's way. Returns the pipe's new place, or -1. */
static int place_descriptors(const struct gg_spawn *spawn, int pipe_fd)
{
    int moved[GG_KEEPER_FDS_MAX];
    int pipe_high = fcntl(pipe_fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (pipe_high < 0) {
        return -1;
    }
    for (int i = 0; i < GG_KEEPER_FDS_MAX; i++) {
        moved[i] = spawn->fds[i] < 0 ? -1 : fcntl(spawn->fds[i], F_DUPFD, HIGH_FD);
        if (spawn->fds[i] >= 0 && moved[i] < 0) {
            return -1;
        }
    }
    for (int i = 0; i < GG_KEEPER_FDS_MAX; i++) {
        (void)close(i);
        if (moved[i] >= 0 && dup2(moved[i], i) < 0) {
            return -1;
        }
    }
    if (dup3(pipe_high, PIPE_FD, O_CLOEXEC) < 0 ||
        close_range(PIPE_FD + 1, ~0U, 0) != 0) {
        return -1;
    }
    return PIPE_FD;
}

void gg_spawn_prepare(void)
{
    for (int number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_DFL);
    }
}

static _Noreturn void become(const struct gg_spawn *spawn, int pipe_fd, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127); /* It died before the line above. */
    }
    if (!gg_cage_join(spawn->cgroup_fds)) {
        fail(pipe_fd, GG_STAGE_CGROUP);
    }
    int fd = place_descriptors(spawn, pipe_fd);
    if (fd < 0) {
        fail(pipe_fd, GG_STAGE_DESCRIPTORS);
    }
    enum gg_keeper_stage stage = GG_STAGE_FORK;
    if (!gg_cage_enter(spawn->cage, &stage)) {
        fail(fd, stage);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* Another user has lost it. */
    if (getppid() != parent) {
        _exit(127);
    }
    if (spawn->folder[0] != '\0' && chdir(spawn->folder) != 0) {
        fail(fd, GG_STAGE_FOLDER);
    }
    (void)execvpe(spawn->arguments[0], spawn->arguments, spawn->variables);
    fail(fd, GG_STAGE_EXEC);
}

enum gg_err gg_spawn(const struct gg_spawn *spawn, pid_t *out_pid,
                     enum gg_keeper_stage *out_stage, int *out_error)
{
    int ends[2];
    *out_stage = GG_STAGE_FORK;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *out_error = errno;
        return GG_ERR_SYSTEM;
    }
    pid_t parent = getpid();
    /* The child borrows our memory until it becomes the program: to copy the tables of
     * it for each attempt would cost more than all else. It writes to its own stack. */
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (pid == 0) {
        become(spawn, ends[1], parent);
    }
    int fork_error = errno;
    (void)close(ends[1]);
    struct failure failure = {.stage = (int)GG_STAGE_FORK, .error = fork_error};
    ssize_t got = pid < 0 ? (ssize_t)sizeof failure : 0;
    while (pid > 0) {
        got = read(ends[0], &failure, sizeof failure);
        if (got >= 0 || errno != EINTR) {
            break;
        }
    }
    (void)close(ends[0]);
    if (got == 0) { /* Closed by exec. */
        *out_pid = pid;
        return GG_OK;
    }
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
    *out_stage = (enum gg_keeper_stage)failure.stage;
    *out_error = failure.error;
    return GG_ERR_SYSTEM;
}
