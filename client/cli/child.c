#include "client/cli/child.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/say.h"

enum { EXIT_NOT_THERE = 127 };

/* The program `name` in the folder of this one, if it is there; else the name alone. */
static void locate(const char *name, char path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    if (folder > 0 && folder + strlen(name) < PATH_MAX) {
        memcpy(path + folder, name, strlen(name) + 1);
        if (access(path, X_OK) == 0) {
            return;
        }
    }
    (void)snprintf(path, PATH_MAX, "%s", name);
}

pid_t gg_child_start(char *const argv[], int stderr_fd)
{
    char path[PATH_MAX];
    pid_t parent = getpid();
    locate(argv[0], path);
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(EXIT_NOT_THERE);
    }
    if (stderr_fd >= 0) {
        (void)dup2(stderr_fd, STDERR_FILENO);
    }
    (void)execvp(path, argv);
    _exit(EXIT_NOT_THERE);
}

int gg_child_run(char *const argv[])
{
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = gg_child_start(argv, -1);
    if (pid < 0) {
        gg_say("cannot start %s: %s", argv[0], strerror(errno));
        return GG_EXIT_FAULT;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) == EXIT_NOT_THERE) {
        gg_say("%s cannot be run, or was stopped", argv[0]);
        return GG_EXIT_FAULT;
    }
    return WEXITSTATUS(status);
}

void gg_child_stop(pid_t *pid_p, int grace_ms)
{
    pid_t pid = *pid_p;
    if (pid <= 0) {
        return;
    }
    *pid_p = 0;
    int fd = pidfd_open(pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    (void)kill(pid, SIGTERM);
    if (fd < 0 || poll(&ended, 1, grace_ms) != 1) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}
