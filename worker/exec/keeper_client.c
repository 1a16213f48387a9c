#include "worker/exec/keeper_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/exec/procfs.h"

enum { SEND_WAIT_MS = 5000, SWEEP_MS = 10, SWEEPS_MAX = 500, SOCKET_BYTES = 1 << 20 };

static uint64_t hash_of(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

static bool has_number(const void *item, const void *key)
{
    return ((const struct gg_child *)item)->number == *(const uint64_t *)key;
}

const char *gg_keeper_stage_text(int stage)
{
    switch ((enum gg_keeper_stage)stage) {
    case GG_STAGE_FORK:
        return ": no process can be forked";
    case GG_STAGE_FOLDER:
        return ": its folder";
    case GG_STAGE_DESCRIPTORS:
        return ": its descriptors";
    case GG_STAGE_EXEC:
        return "";
    case GG_STAGE_CGROUP:
        return ": its cgroup";
    case GG_STAGE_PRIORITY:
        return ": nice or io_priority";
    case GG_STAGE_LIMIT:
        return ": its limits";
    case GG_STAGE_USER:
        return ": its user";
    }
    return "";
}

/* ---- the keeper's life ---- */

/* Secrets and the broker's place are not the jobs' business. */
static bool is_private(const char *variable)
{
    static const char *const names[] = {
        "GANGER_BROKER=", "GANGER_KEY_FILE=", "GANGER_SERVER_KEY=", "NOTIFY_SOCKET=",
        "GANGER_CHILD="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static char **public_environment(void)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **out = calloc(count + 1, sizeof *out);
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < count; i++) {
        if (!is_private(environ[i])) {
            out[used++] = environ[i];
        }
    }
    return out;
}

static _Noreturn void become_keeper(int fd, int lock_fd, const char *temp_folder,
                                    char **variables)
{
    char program[] = "ganger-worker";
    char role[] = "--role=keeper";
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s", temp_folder);
    char *arguments[] = {program, role, folder, NULL};
    (void)setsid();
    int high = fcntl(fd, F_DUPFD, 64);
    int lock_high = lock_fd < 0 ? -1 : fcntl(lock_fd, F_DUPFD, 64);
    int null = open("/dev/null", O_RDWR);
    if (high < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
        dup2(high, GG_KEEPER_FD) < 0) {
        _exit(71);
    }
    if (lock_high >= 0) {
        (void)dup2(lock_high, GG_KEEPER_LOCK_FD);
        (void)close_range(GG_KEEPER_LOCK_FD + 1, ~0U, 0);
    } else {
        (void)close_range(GG_KEEPER_FD + 1, ~0U, 0);
    }
    (void)execve("/proc/self/exe", arguments, variables);
    _exit(71);
}

static void on_readable(struct gg_listener *watch, uint32_t events);

static enum gg_err launch(struct gg_keeper_client *keeper)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return GG_ERR_SYSTEM;
    }
    int bytes = SOCKET_BYTES;
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    char **variables = public_environment();
    pid_t pid = variables == NULL ? -1 : fork();
    if (pid == 0) {
        become_keeper(ends[1], keeper->lock_fd, keeper->temp_folder, variables);
    }
    free(variables);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return GG_ERR_SYSTEM;
    }
    keeper->pid = pid;
    keeper->starts_count++;
    keeper->watch.ready = on_readable;
    keeper->watch.ctx = keeper;
    return gg_listener_open(keeper->poller, &keeper->watch, ends[0], EPOLLIN);
}

enum gg_err gg_keeper_start(struct gg_keeper_client *keeper, struct gg_poller *poller,
                            int lock_fd, const char *temp_folder)
{
    *keeper = (struct gg_keeper_client){.poller = poller,
                                        .next_number = 1,
                                        .lock_fd = lock_fd,
                                        .temp_folder = temp_folder,
                                        .watch.fd = -1};
    /* Orphans of a keeper that was killed come to us. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return launch(keeper);
}

/* Kill and reap all that descends from us, and wait for it, boundedly. */
static void end_descendants(void)
{
    for (int i = 0; i < SWEEPS_MAX; i++) {
        (void)gg_proc_kill_descendants(getpid(), 0, SIGKILL);
        pid_t reaped = 0;
        do {
            reaped = waitpid(-1, NULL, WNOHANG);
        } while (reaped > 0);
        if (reaped < 0) {
            return;
        }
        (void)poll(NULL, 0, SWEEP_MS);
    }
}

/* The keeper has died, or does not answer: everything of it is killed, every child is
 * reported as ended, and a new keeper is started. */
static void replace(struct gg_keeper_client *keeper)
{
    gg_log(GG_LOG_ERROR, "keeper_lost", "pid=%d children=%zu", (int)keeper->pid,
           gg_map_count(&keeper->children));
    gg_listener_close(keeper->poller, &keeper->watch);
    (void)kill(keeper->pid, SIGKILL);
    struct gg_map lost = keeper->children;
    keeper->children = (struct gg_map){0};
    size_t place = 0;
    for (const struct gg_child *child = gg_map_next(&lost, &place); child != NULL;
         child = gg_map_next(&lost, &place)) {
        if (child->pid > 0) {
            (void)kill(-child->pid, SIGKILL);
        }
    }
    end_descendants();
    if (launch(keeper) != GG_OK) {
        gg_log(GG_LOG_ERROR, "keeper_failed", "reason=\"%s\"", strerror(errno));
    }
    place = 0;
    for (struct gg_child *child = gg_map_next(&lost, &place); child != NULL;
         child = gg_map_next(&lost, &place)) {
        struct gg_keeper_report report = {.op = GG_KEEPER_ENDED,
                                          .child = child->number,
                                          .pid = child->pid,
                                          .status = SIGKILL,
                                          .keeper_killed = 1,
                                          .keeper_lost = 1};
        child->number = 0;
        child->on_report(child, &report);
    }
    gg_map_fini(&lost);
}

void gg_keeper_end(struct gg_keeper_client *keeper, uint64_t wait_ms)
{
    struct gg_mono until = gg_mono_add(gg_mono_now(), wait_ms);
    gg_listener_close(keeper->poller, &keeper->watch);
    while (keeper->pid > 0 && waitpid(keeper->pid, NULL, WNOHANG) == 0 &&
           !gg_mono_reached(until, gg_mono_now())) {
        (void)poll(NULL, 0, SWEEP_MS);
    }
    end_descendants();
    keeper->pid = 0;
    gg_map_fini(&keeper->children);
}

/* ---- reports ---- */

static void on_report(struct gg_keeper_client *keeper,
                      const struct gg_keeper_report *report)
{
    uint64_t hash = hash_of(report->child);
    struct gg_child *child = gg_map_find(&keeper->children, hash, has_number,
                                         &report->child);
    if (child == NULL) {
        return;
    }
    if (report->op == GG_KEEPER_STARTED) {
        child->pid = report->pid;
    } else {
        (void)gg_map_remove(&keeper->children, hash, child);
        child->number = 0;
    }
    child->on_report(child, report);
}

static void on_readable(struct gg_listener *watch, uint32_t events)
{
    enum { REPORTS_A_PASS = 256 };
    struct gg_keeper_client *keeper = watch->ctx;
    (void)events;
    for (int i = 0; i < REPORTS_A_PASS; i++) {
        struct gg_keeper_report report;
        ssize_t got = recv(watch->fd, &report, sizeof report, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got != (ssize_t)sizeof report) {
            replace(keeper);
            return;
        }
        on_report(keeper, &report);
    }
}

/* ---- orders ---- */

/* Send one message; a keeper that takes none for seconds is as good as dead. */
static enum gg_err send_order(struct gg_keeper_client *keeper, struct msghdr *message)
{
    if (keeper->watch.fd < 0) {
        return GG_ERR_SYSTEM;
    }
    for (;;) {
        if (sendmsg(keeper->watch.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return GG_OK;
        }
        struct pollfd item = {.fd = keeper->watch.fd, .events = POLLOUT};
        if (errno != EINTR && errno != EAGAIN) {
            return GG_ERR_SYSTEM; /* Its end is noticed by the reader. */
        }
        if (poll(&item, 1, SEND_WAIT_MS) == 0) {
            (void)kill(keeper->pid, SIGKILL);
            return GG_ERR_SYSTEM;
        }
    }
}

static void order(struct gg_keeper_client *keeper, struct gg_keeper_order what)
{
    if (what.child == 0) {
        return; /* It has ended. */
    }
    struct iovec part = {.iov_base = &what, .iov_len = sizeof what};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    (void)send_order(keeper, &message);
}

void gg_child_lease(struct gg_keeper_client *keeper, const struct gg_child *child,
                    int64_t deadline_ms)
{
    order(keeper, (struct gg_keeper_order){.op = GG_KEEPER_LEASE,
                                           .child = child->number,
                                           .deadline_ms = deadline_ms});
}

void gg_child_stop(struct gg_keeper_client *keeper, const struct gg_child *child,
                   int signal, uint64_t grace_ms)
{
    order(keeper, (struct gg_keeper_order){.op = GG_KEEPER_STOP,
                                           .child = child->number,
                                           .signal = signal,
                                           .grace_ms = grace_ms});
}

void gg_child_spare(struct gg_keeper_client *keeper, const struct gg_child *child)
{
    order(keeper,
          (struct gg_keeper_order){.op = GG_KEEPER_SPARE, .child = child->number});
}

/* Append texts ended by NUL each; returns how many. */
static uint32_t append_texts(struct gg_buf *buf, const char *const *texts)
{
    uint32_t count = 0;
    for (; texts != NULL && texts[count] != NULL; count++) {
        gg_buf_append(buf, texts[count], strlen(texts[count]) + 1);
    }
    return count;
}

/* Put the descriptors that are there, in order; a gap cannot be sent. */
static void attach(struct msghdr *message, char *control, const int *fds)
{
    size_t count = 0;
    while (count < GG_KEEPER_FDS_MAX && fds[count] >= 0) {
        count++;
    }
    if (count == 0) {
        return;
    }
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
}

enum gg_err gg_child_start(struct gg_keeper_client *keeper, struct gg_child *child,
                           const struct gg_child_spec *spec)
{
    struct gg_buf texts;
    gg_buf_init(&texts, GG_KEEPER_TEXT_BYTES_MAX);
    gg_buf_append(&texts, spec->folder, strlen(spec->folder) + 1);
    struct gg_keeper_order what = {.op = GG_KEEPER_SPAWN,
                                   .child = keeper->next_number,
                                   .deadline_ms = spec->deadline_ms};
    what.argument_count = append_texts(&texts, spec->arguments);
    what.variable_count = append_texts(&texts, spec->variables);
    what.variable_count += append_texts(&texts, spec->more_variables);
    if (spec->cage != NULL) {
        what.cage = *spec->cage;
    }
    if (texts.failed || what.argument_count > GG_KEEPER_WORDS_MAX ||
        what.variable_count > GG_KEEPER_WORDS_MAX) {
        gg_buf_fini(&texts);
        return GG_ERR_TOO_LARGE;
    }
    if (gg_map_reserve(&keeper->children) != GG_OK) {
        gg_buf_fini(&texts);
        return GG_ERR_NO_MEMORY;
    }
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * GG_KEEPER_FDS_MAX)] = {0};
    struct iovec parts[2] = {{.iov_base = &what, .iov_len = sizeof what},
                             {.iov_base = texts.data, .iov_len = texts.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    attach(&message, control, spec->fds);
    enum gg_err err = send_order(keeper, &message);
    gg_buf_fini(&texts);
    if (err == GG_OK) {
        child->number = keeper->next_number++;
        child->pid = 0;
        gg_map_put(&keeper->children, hash_of(child->number), child);
    }
    return err;
}

/* ---- handing over ---- */

void gg_keeper_save(const struct gg_keeper_client *keeper, struct gg_pack *pack)
{
    gg_pack_number(pack, (uint64_t)keeper->pid);
    gg_pack_number(pack, keeper->next_number);
    gg_pack_number(pack, keeper->starts_count);
    gg_pack_fd(pack, keeper->watch.fd);
}

enum gg_err gg_keeper_restore(struct gg_keeper_client *keeper, struct gg_poller *poller,
                              int lock_fd, const char *temp_folder,
                              struct gg_pack *pack)
{
    *keeper = (struct gg_keeper_client){
        .poller = poller, .lock_fd = lock_fd, .temp_folder = temp_folder};
    keeper->pid = (pid_t)gg_unpack_number(pack);
    keeper->next_number = gg_unpack_number(pack);
    keeper->starts_count = gg_unpack_number(pack);
    int fd = gg_unpack_fd(pack);
    keeper->watch = (struct gg_listener){.fd = -1, .ready = on_readable, .ctx = keeper};
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return fd < 0 ? GG_ERR_SYSTEM
                  : gg_listener_open(poller, &keeper->watch, fd, EPOLLIN);
}

void gg_child_save(const struct gg_child *child, struct gg_pack *pack)
{
    gg_pack_number(pack, child->number);
    gg_pack_number(pack, (uint64_t)child->pid);
}

bool gg_child_adopt(struct gg_keeper_client *keeper, struct gg_child *child)
{
    if (child->number == 0 || gg_map_reserve(&keeper->children) != GG_OK) {
        return false;
    }
    gg_map_put(&keeper->children, hash_of(child->number), child);
    return true;
}

void gg_child_disown(struct gg_keeper_client *keeper, uint64_t number,
                     uint64_t grace_ms)
{
    struct gg_child *child = gg_map_find(&keeper->children, hash_of(number), has_number,
                                         &number);
    if (child != NULL) {
        (void)gg_map_remove(&keeper->children, hash_of(number), child);
        child->number = 0;
    }
    order(keeper, (struct gg_keeper_order){.op = GG_KEEPER_STOP,
                                           .child = number,
                                           .signal = SIGTERM,
                                           .grace_ms = grace_ms});
}
