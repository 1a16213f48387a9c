#include "worker/handover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

enum { PROBE_MS = 5000, PROBE_LOOK_MS = 5, PIECE_BYTES = 65536 };

static const char variable[] = "GANGER_HANDOVER";

int gg_handover_answer(const char *format)
{
    return strtol(format, NULL, 10) == GG_HANDOVER_FORMAT ? 0 : 1;
}

static _Noreturn void ask(const char *program)
{
    char role[] = GG_HANDOVER_ROLE;
    char name[] = "ganger-worker";
    char format[16];
    (void)snprintf(format, sizeof format, "%d", GG_HANDOVER_FORMAT);
    char *argv[] = {name, role, format, NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execv(program, argv);
    _exit(127);
}

bool gg_handover_probe(const char *program)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        ask(program);
    }
    struct gg_mono until = gg_mono_add(gg_mono_now(), PROBE_MS);
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        if (gg_mono_reached(until, gg_mono_now())) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return false;
        }
        (void)poll(NULL, 0, PROBE_LOOK_MS);
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A memory file with all of it, at its beginning; -1: errno says why. */
static int write_file(struct gg_slice bytes)
{
    int fd = memfd_create("ganger-handover", 0);
    size_t done = 0;
    while (fd >= 0 && done < bytes.len) {
        ssize_t put = write(fd, bytes.data + done, bytes.len - done);
        if (put < 0 && errno != EINTR) {
            (void)close(fd);
            return -1;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void gg_handover_exec(const char *program, char **argv, const struct gg_pack *pack)
{
    char number[16];
    errno = ENOMEM;
    int fd = gg_pack_is_whole(pack) ? write_file(gg_buf_slice(&pack->buf)) : -1;
    if (fd < 0) {
        return;
    }
    (void)snprintf(number, sizeof number, "%d", fd);
    gg_pack_keep_fds(pack, true);
    if (setenv(variable, number, 1) == 0) {
        (void)execv(program, argv);
    }
    int kept = errno;
    (void)unsetenv(variable);
    gg_pack_keep_fds(pack, false);
    (void)close(fd);
    errno = kept;
}

bool gg_handover_take(struct gg_pack *out)
{
    uint8_t piece[PIECE_BYTES];
    const char *number = getenv(variable);
    if (number == NULL) {
        return false;
    }
    int fd = (int)strtol(number, NULL, 10);
    (void)unsetenv(variable);
    gg_pack_init(out);
    ssize_t got = 0;
    do {
        got = read(fd, piece, sizeof piece);
        if (got > 0) {
            gg_buf_append(&out->buf, piece, (size_t)got);
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    out->bad = got < 0 || out->buf.failed;
    (void)close(fd);
    return true;
}
