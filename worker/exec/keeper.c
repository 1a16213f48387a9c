#include "worker/exec/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "worker/exec/cage.h"
#include "worker/exec/cgroup.h"
#include "worker/exec/keeper_wire.h"
#include "worker/exec/procfs.h"
#include "worker/exec/spawn.h"

/* The mark in the environment of all that descends from a child. */
static const char mark_name[] = "GANGER_CHILD";

enum {
    MARK_BYTES = 64,
    SWEEP_MS = 20,
    SETTLE_MS = 1000,
    STARTED_MS = 1, /* A program that is done by then is told once, not twice. */
};

struct child {
    struct gg_link link;
    uint64_t number;
    pid_t pid;
    uint64_t started;     /* In clock ticks since boot; 0: not looked up yet. */
    int64_t deadline_ms;  /* Of its lease; 0 none. */
    int64_t kill_at_ms;   /* End of a grace; 0 none. */
    bool running;         /* Its main process has not been reaped. */
    bool dying;           /* KILL has been sent; whoever is left of it is to go too. */
    bool strays;          /* Processes of it were killed that have not been reaped. */
    int64_t settle_by_ms; /* Its end is told then, even if not all of it is gone. */
    struct gg_keeper_report started_report; /* op 0 once the agent has been told. */
    struct gg_keeper_report ended_report;   /* op 0 while there is nothing to tell. */
    struct gg_cgroup group;
};

struct keeper {
    struct gg_link children;
    int signals_fd;
    int timer_fd;
    pid_t self;
    bool untold;            /* A report did not fit into the socket. */
    bool orphans_left;      /* Orphans were killed that have not been reaped. */
    bool started;           /* Children have started that have not been told. */
    struct gg_mono tell_at; /* They are told then, or with the next end. */
};

static struct child *find_number(struct keeper *keeper, uint64_t number)
{
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        if (child->number == number && child->running) {
            return child;
        }
    }
    return NULL;
}

static struct child *find_pid(struct keeper *keeper, pid_t pid)
{
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        if (child->pid == pid && child->running) {
            return child;
        }
    }
    return NULL;
}

/* ---- telling the agent ---- */

static bool tell(struct gg_keeper_report *report)
{
    if (report->op == 0) {
        return true;
    }
    ssize_t sent = send(GG_KEEPER_FD, report, sizeof *report,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        return false; /* The agent is stopped or slow; it is told later. */
    }
    report->op = 0; /* Sent, or there is nobody to tell. */
    return true;
}

/* Has all of an ended child gone, as far as it can be killed? Its lease is given up
 * with the report, and another attempt must not meet what is left of this one. */
static bool is_settled(const struct child *child)
{
    if (child->ended_report.op != GG_KEEPER_ENDED || child->running) {
        return true;
    }
    bool group_is_gone = kill(-child->pid, 0) != 0 && errno == ESRCH &&
                         gg_cgroup_kill(&child->group) == 0;
    return (group_is_gone && !child->strays) || child->settle_by_ms <= gg_mono_now().ms;
}

/* Its cgroup goes with its last process: a child that is told stays until then. */
static void forget_child(struct keeper *keeper, struct child *child)
{
    if (!gg_cgroup_remove(&child->group)) {
        (void)gg_cgroup_kill(&child->group);
        keeper->orphans_left = true; /* Looked at again soon. */
        return;
    }
    gg_list_remove(&child->link);
    free(child);
}

/* Tell all that is untold, in order; forget children that have ended and been told. */
static void tell_all(struct keeper *keeper)
{
    keeper->untold = false;
    keeper->started = false;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is out of the list. */
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        if (!is_settled(child)) {
            (void)tell(&child->started_report);
            keeper->orphans_left = true;
            continue;
        }
        if (!tell(&child->started_report) || !tell(&child->ended_report)) {
            keeper->untold = true;
            return;
        }
        if (!child->running && gg_list_linked(&child->link)) {
            forget_child(keeper, child);
        }
    }
}

/* ---- killing ---- */

static void kill_child(struct child *child)
{
    child->dying = true;
    child->kill_at_ms = 0;
    child->deadline_ms = 0;
    (void)gg_proc_kill_descendants(child->pid, 0, SIGKILL);
    (void)gg_cgroup_kill(&child->group);
    (void)kill(-child->pid, SIGKILL);
    (void)kill(child->pid, SIGKILL);
}

/* Does a child that may still have processes run since before `started`? */
static bool any_child_since(struct keeper *keeper, uint64_t started)
{
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        if (child->running && !child->dying && child->started == 0) {
            child->started = gg_proc_started(child->pid);
        }
        if (child->running && !child->dying && child->started <= started) {
            return true;
        }
    }
    return false;
}

/* The child whose mark the process bears, ended ones too; false: it bears none of ours.
 * A marked one whose child has been forgotten gives true and NULL. */
static bool find_owner(struct keeper *keeper, pid_t pid, struct child **out_child)
{
    char mark[MARK_BYTES];
    char prefix[MARK_BYTES];
    int len = snprintf(prefix, sizeof prefix, "%d.", (int)keeper->self);
    if (!gg_proc_variable(pid, mark_name, mark, sizeof mark) ||
        strncmp(mark, prefix, (size_t)len) != 0) {
        return false;
    }
    uint64_t number = strtoull(mark + len, NULL, 10);
    *out_child = NULL;
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        *out_child = child->number == number ? child : *out_child;
    }
    return true;
}

/* A process that has become the keeper's own lives on only while the child it came from
 * does. */
static void judge_orphan(struct keeper *keeper, pid_t pid)
{
    struct child *owner = NULL;
    bool marked = find_owner(keeper, pid, &owner);
    bool may_live = marked ? owner != NULL && owner->running && !owner->dying
                           : any_child_since(keeper, gg_proc_started(pid));
    if (may_live) {
        return;
    }
    (void)gg_proc_kill_descendants(pid, 0, SIGKILL);
    (void)kill(pid, SIGKILL);
    keeper->orphans_left = true;
    if (owner != NULL) {
        owner->strays = true;
    }
}

static void sweep_orphans(struct keeper *keeper)
{
    struct gg_pids own = {0};
    gg_proc_children(keeper->self, &own);
    keeper->orphans_left = false;
    GG_LIST_EACH(&keeper->children, it)
    {
        GG_CONTAINER(it, struct child, link)->strays = false;
    }
    for (size_t i = 0; i < own.count; i++) {
        if (find_pid(keeper, own.pids[i]) == NULL) {
            judge_orphan(keeper, own.pids[i]);
        }
    }
    gg_pids_fini(&own);
}

/* ---- children that end ---- */

/* `pid` can be reaped: while it is not, its number and its group are still its own. */
static void reap(struct keeper *keeper, pid_t pid)
{
    struct child *child = find_pid(keeper, pid);
    int status = 0;
    if (child != NULL) {
        (void)kill(-pid, SIGKILL);
    }
    if (waitpid(pid, &status, WNOHANG) != pid || child == NULL) {
        return;
    }
    child->running = false;
    child->settle_by_ms = gg_mono_add(gg_mono_now(), SETTLE_MS).ms;
    child->ended_report.op = GG_KEEPER_ENDED;
    child->ended_report.pid = pid;
    child->ended_report.child = child->number;
    child->ended_report.status = status;
    child->ended_report.ran_out = gg_cgroup_ran_out(&child->group) ? 1 : 0;
    (void)gg_cgroup_kill(&child->group);
}

static void reap_all(struct keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(keeper->signals_fd, &info, sizeof info) > 0) {
    }
    for (;;) {
        siginfo_t who = {0};
        if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            who.si_pid == 0) {
            break;
        }
        reap(keeper, who.si_pid);
    }
    sweep_orphans(keeper);
    tell_all(keeper);
}

/* ---- deadlines ---- */

static void check_deadlines(struct keeper *keeper)
{
    uint64_t count = 0;
    (void)!read(keeper->timer_fd, &count, sizeof count);
    int64_t now_ms = gg_mono_now().ms;
    GG_LIST_EACH(&keeper->children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        if (!child->running) {
            continue;
        }
        if (child->deadline_ms != 0 && child->deadline_ms <= now_ms) {
            child->ended_report.keeper_killed = 1;
            kill_child(child);
        } else if (child->kill_at_ms != 0 && child->kill_at_ms <= now_ms) {
            kill_child(child);
        }
    }
}

/* Wake at the earliest deadline, on the clock that counts suspended time. */
static void set_timer(struct keeper *keeper)
{
    int64_t first = INT64_MAX;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above. */
    GG_LIST_EACH(&keeper->children, it)
    {
        const struct child *child = GG_CONTAINER(it, struct child, link);
        if (child->running && child->deadline_ms != 0 && child->deadline_ms < first) {
            first = child->deadline_ms;
        }
        if (child->running && child->kill_at_ms != 0 && child->kill_at_ms < first) {
            first = child->kill_at_ms;
        }
    }
    struct itimerspec when = {0};
    if (first != INT64_MAX) {
        int64_t at = first > 0 ? first : 1;
        when.it_value.tv_sec = at / 1000;
        when.it_value.tv_nsec = at % 1000 * 1000000;
    }
    (void)timerfd_settime(keeper->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- orders ---- */

/* An order as received: the struct, its texts, its descriptors. */
struct parcel {
    struct gg_keeper_order order;
    char texts[GG_KEEPER_TEXT_BYTES_MAX + 1];
    size_t texts_len;
    int fds[GG_KEEPER_FDS_MAX];
    int fd_count;
};

/* The next text of the parcel; NULL at its end. */
static char *next_text(struct parcel *parcel, size_t *at)
{
    if (*at >= parcel->texts_len) {
        return NULL;
    }
    char *text = parcel->texts + *at;
    *at += strlen(text) + 1;
    return text;
}

/* Is one of `variables` named as `variable` is? */
static bool is_named(char **variables, size_t count, const char *variable)
{
    const char *end = strchrnul(variable, '=');
    size_t len = (size_t)(end - variable);
    for (size_t i = 0; i < count; i++) {
        const char *other = strchrnul(variables[i], '=');
        if ((size_t)(other - variables[i]) == len &&
            memcmp(variables[i], variable, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The keeper's own environment with the variables of the parcel, and the mark. */
static char **make_environment(char **added, size_t added_count, char *mark, bool clean)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **variables = calloc(count + added_count + 2, sizeof *variables);
    if (variables == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (size_t i = 0; i < added_count; i++) {
        variables[used++] = added[i];
    }
    variables[used++] = mark;
    for (size_t i = 0; i < count; i++) {
        if (!is_named(variables, added_count + 1, environ[i]) &&
            (!clean || gg_cage_keeps(environ[i]))) {
            variables[used++] = environ[i];
        }
    }
    return variables;
}

static enum gg_err spawn_parcel(struct keeper *keeper, struct parcel *parcel,
                                const int cgroup_fds[2], pid_t *out_pid,
                                enum gg_keeper_stage *out_stage, int *out_error)
{
    char *arguments[GG_KEEPER_WORDS_MAX + 1] = {NULL};
    char *added[GG_KEEPER_WORDS_MAX + 1] = {NULL};
    char mark[MARK_BYTES];
    size_t at = 0;
    *out_stage = GG_STAGE_EXEC;
    *out_error = E2BIG;
    const char *folder = next_text(parcel, &at);
    if (folder == NULL || parcel->order.argument_count == 0 ||
        parcel->order.argument_count > GG_KEEPER_WORDS_MAX ||
        parcel->order.variable_count > GG_KEEPER_WORDS_MAX) {
        return GG_ERR_SYSTEM;
    }
    size_t added_count = 0;
    for (uint32_t i = 0; i < parcel->order.argument_count; i++) {
        arguments[i] = next_text(parcel, &at);
    }
    for (uint32_t i = 0; i < parcel->order.variable_count; i++) {
        added[added_count] = next_text(parcel, &at);
        added_count += added[added_count] != NULL ? 1 : 0;
    }
    (void)snprintf(mark, sizeof mark, "%s=%d.%llu", mark_name, (int)keeper->self,
                   (unsigned long long)parcel->order.child);
    char **variables = make_environment(added, added_count, mark,
                                        parcel->order.cage.clean_environment);
    if (variables == NULL || arguments[0] == NULL) {
        *out_error = ENOMEM;
        free(variables);
        return GG_ERR_SYSTEM;
    }
    struct gg_spawn spawn = {
        .folder = folder, .arguments = arguments, .variables = variables};
    spawn.cage = &parcel->order.cage;
    spawn.cgroup_fds[0] = cgroup_fds[0];
    spawn.cgroup_fds[1] = cgroup_fds[1];
    for (int i = 0; i < GG_KEEPER_FDS_MAX; i++) {
        spawn.fds[i] = i < parcel->fd_count ? parcel->fds[i] : -1;
    }
    enum gg_err err = gg_spawn(&spawn, out_pid, out_stage, out_error);
    free(variables);
    return err;
}

/* Make its cgroup, and start it in there. */
static enum gg_err start_child(struct keeper *keeper, struct parcel *parcel,
                               struct child *child, enum gg_keeper_stage *out_stage,
                               int *out_error)
{
    char name[64];
    int fds[2] = {-1, -1};
    enum gg_err err = GG_ERR_SYSTEM;
    (void)snprintf(name, sizeof name, "ganger.%d.%llu", (int)keeper->self,
                   (unsigned long long)child->number);
    *out_stage = GG_STAGE_CGROUP;
    if (gg_cgroup_make(&parcel->order.cage, name, &child->group) &&
        gg_cgroup_open(&child->group, fds)) {
        err = spawn_parcel(keeper, parcel, fds, &child->pid, out_stage, out_error);
    } else {
        *out_error = errno;
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    return err;
}

static void on_spawn(struct keeper *keeper, struct parcel *parcel)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL) {
        struct gg_keeper_report report = {.op = GG_KEEPER_FAILED,
                                          .child = parcel->order.child,
                                          .stage = GG_STAGE_FORK,
                                          .error = ENOMEM};
        (void)tell(&report);
        return;
    }
    child->number = parcel->order.child;
    child->deadline_ms = parcel->order.deadline_ms;
    gg_list_push_back(&keeper->children, &child->link);
    enum gg_keeper_stage stage = GG_STAGE_FORK;
    int error = 0;
    if (start_child(keeper, parcel, child, &stage, &error) == GG_OK) {
        child->running = true;
        child->started_report = (struct gg_keeper_report){
            .op = GG_KEEPER_STARTED, .pid = child->pid, .child = child->number};
        if (!keeper->started) {
            keeper->started = true;
            keeper->tell_at = gg_mono_add(gg_mono_now(), STARTED_MS);
        }
    } else {
        child->ended_report = (struct gg_keeper_report){.op = GG_KEEPER_FAILED,
                                                        .child = child->number,
                                                        .stage = (int32_t)stage,
                                                        .error = error};
        tell_all(keeper);
    }
}

static void on_stop(struct child *child, const struct gg_keeper_order *order)
{
    int64_t kill_at = gg_mono_add(gg_mono_now(), order->grace_ms).ms;
    if (order->grace_ms == 0) {
        kill_child(child);
        return;
    }
    if (order->signal != 0) {
        (void)kill(-child->pid, order->signal);
        (void)kill(-child->pid, SIGCONT); /* A stopped one would not hear it. */
    }
    if (child->kill_at_ms == 0 || kill_at < child->kill_at_ms) {
        child->kill_at_ms = kill_at;
    }
}

static void on_order(struct keeper *keeper, struct parcel *parcel)
{
    const struct gg_keeper_order *order = &parcel->order;
    struct child *child = find_number(keeper, order->child);
    if (order->op == GG_KEEPER_SPAWN) {
        on_spawn(keeper, parcel);
    } else if (child == NULL || child->dying) {
        return; /* It has ended meanwhile. */
    } else if (order->op == GG_KEEPER_LEASE) {
        child->deadline_ms = order->deadline_ms;
    } else if (order->op == GG_KEEPER_STOP) {
        on_stop(child, order);
    } else if (order->op == GG_KEEPER_SPARE) {
        child->kill_at_ms = 0;
    }
}

static void take_descriptors(struct msghdr *message, struct parcel *parcel)
{
    parcel->fd_count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && parcel->fd_count < GG_KEEPER_FDS_MAX; i++) {
            memcpy(&parcel->fds[parcel->fd_count++], CMSG_DATA(head) + i * sizeof(int),
                   sizeof(int));
        }
    }
}

/* Take orders while there are some. False: the agent has gone. */
static bool take_orders(struct keeper *keeper, struct parcel *parcel)
{
    for (;;) {
        _Alignas(
            struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * GG_KEEPER_FDS_MAX)];
        struct iovec parts[2] = {
            {.iov_base = &parcel->order, .iov_len = sizeof parcel->order},
            {.iov_base = parcel->texts, .iov_len = GG_KEEPER_TEXT_BYTES_MAX}};
        struct msghdr message = {.msg_iov = parts,
                                 .msg_iovlen = 2,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t got = recvmsg(GG_KEEPER_FD, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return errno == EAGAIN;
        }
        if (got < (ssize_t)sizeof parcel->order) {
            return false;
        }
        parcel->texts_len = (size_t)got - sizeof parcel->order;
        parcel->texts[parcel->texts_len] = '\0';
        take_descriptors(&message, parcel);
        on_order(keeper, parcel);
        for (int i = 0; i < parcel->fd_count; i++) {
            (void)close(parcel->fds[i]);
        }
    }
}

/* ---- the loop ---- */

/* The agent has gone: kill whatever descends from here until nothing does. */
static void end_everything(struct keeper *keeper)
{
    for (;;) {
        (void)gg_proc_kill_descendants(keeper->self, 0, SIGKILL);
        pid_t reaped = 0;
        do {
            reaped = waitpid(-1, NULL, WNOHANG);
        } while (reaped > 0);
        if (reaped < 0 && errno == ECHILD) {
            return;
        }
        struct pollfd item = {.fd = keeper->signals_fd, .events = POLLIN};
        (void)poll(&item, 1, SWEEP_MS);
        struct signalfd_siginfo info;
        while (read(keeper->signals_fd, &info, sizeof info) > 0) {
        }
    }
}

/* Killed orphans are looked at again until they are gone. */
static int wait_ms(const struct keeper *keeper)
{
    if (keeper->started) {
        return STARTED_MS;
    }
    return keeper->orphans_left ? SWEEP_MS : -1;
}

static bool is_time_to_tell(const struct keeper *keeper)
{
    return keeper->started && gg_mono_reached(keeper->tell_at, gg_mono_now());
}

static void turn_until_agent_goes(struct keeper *keeper, struct parcel *parcel)
{
    for (;;) {
        set_timer(keeper);
        struct pollfd items[] = {
            {.fd = GG_KEEPER_FD,
             .events = (short)(POLLIN | (keeper->untold ? POLLOUT : 0))},
            {.fd = keeper->signals_fd, .events = POLLIN},
            {.fd = keeper->timer_fd, .events = POLLIN},
        };
        (void)poll(items, 3, wait_ms(keeper));
        if (items[2].revents != 0) {
            check_deadlines(keeper);
        }
        if (items[1].revents != 0 || keeper->orphans_left) {
            reap_all(keeper);
        }
        if ((items[0].revents & POLLOUT) != 0 || is_time_to_tell(keeper)) {
            tell_all(keeper);
        }
        if ((items[0].revents & ~POLLOUT) != 0 && !take_orders(keeper, parcel)) {
            return;
        }
    }
}

static bool set_up(struct keeper *keeper)
{
    sigset_t set;
    (void)sigfillset(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    gg_spawn_prepare(); /* All of them are blocked. */
    keeper->self = getpid();
    keeper->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    keeper->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    gg_list_init(&keeper->children);
    (void)prctl(PR_SET_NAME, "ganger-keeper");
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && keeper->signals_fd >= 0 &&
           keeper->timer_fd >= 0 && fcntl(GG_KEEPER_FD, F_SETFD, FD_CLOEXEC) == 0;
}

static void remove_folder(const char *folder)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execlp("rm", "rm", "-rf", "--", folder, (char *)NULL);
}

int gg_keeper_main(const char *temp_folder)
{
    struct keeper keeper = {.untold = false};
    struct parcel *parcel = calloc(1, sizeof *parcel);
    if (parcel == NULL || !set_up(&keeper)) {
        gg_log(GG_LOG_ERROR, "keeper_failed", "reason=\"%s\"", strerror(errno));
        free(parcel);
        return 71; /* EX_OSERR */
    }
    turn_until_agent_goes(&keeper, parcel);
    end_everything(&keeper);
    GG_LIST_EACH(&keeper.children, it)
    {
        struct child *child = GG_CONTAINER(it, struct child, link);
        (void)gg_cgroup_remove(&child->group);
        free(child);
    }
    free(parcel);
    if (temp_folder[0] != '\0') {
        remove_folder(temp_folder);
    }
    return 0;
}
