/* shell.c - the loop: wait, drain, tick, make durable, let out, send. */
#include "broker/io/shell.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/io/shell_state.h"
#include "common/log.h"

enum {
    LOOKS_MAX = 16,
    BUDGET = 200, /* Messages of one endpoint in one pass. */
    TICKS_MAX = 8,
    WAIT_MS_MAX = 1000,
    STUCK_WAIT_MS = 5, /* libzmq does not say when one peer takes messages again. */
    HELD_WAIT_MS = 1,  /* For a store that cannot be polled. */
    LEAVE_MS_MAX = 1000,
    HOUSEKEEPING_MS = 500, /* Every socket is read at least so often, too. */
};

/* ---- waiting ---- */

static int64_t wait_ms(const struct gg_shell *shell)
{
    int64_t now_ms = gg_mono_now().ms;
    int64_t wait = shell->housekeeping_at.ms - now_ms;
    struct gg_mono at;
    if (gg_core_next_wake(shell->core, &at) && at.ms - now_ms < wait) {
        wait = at.ms - now_ms;
    }
    if (shell->outbox.stuck_count > 0 && wait > STUCK_WAIT_MS) {
        wait = STUCK_WAIT_MS;
    }
    if (shell->outbox.held_count > 0 && gg_store_descriptor(shell->store) < 0 &&
        wait > HELD_WAIT_MS) {
        wait = HELD_WAIT_MS;
    }
    bool more = !shell->drained[GG_ENDPOINT_AGENT] ||
                !shell->drained[GG_ENDPOINT_CLIENT] ||
                !gg_list_empty(&shell->leaving) ||
                !gg_list_empty(&shell->outbox.doomed);
    if (more || wait < 0) {
        return 0;
    }
    return wait < WAIT_MS_MAX ? wait : WAIT_MS_MAX;
}

/* Ask libzmq about an endpoint. True: a message waits there. */
static bool ask(struct gg_shell *shell, enum gg_endpoint endpoint)
{
    shell->drained[endpoint] = !gg_router_pending(&shell->routers[endpoint]);
    return !shell->drained[endpoint];
}

/* The same of an endpoint that was used since it was last asked. */
static bool ask_touched(struct gg_shell *shell, enum gg_endpoint endpoint)
{
    return shell->routers[endpoint].touched && ask(shell, endpoint);
}

/* Look for more work for a short while before sleeping, while it pays. True: there is
 * some. */
static bool look_again(struct gg_shell *shell)
{
    if (shell->config->spin_us == 0 || !gg_spin_wanted(&shell->spin)) {
        return false;
    }
    int64_t end_us = gg_mono_us() + (int64_t)shell->config->spin_us;
    bool found = false;
    do {
        found = ask(shell, GG_ENDPOINT_AGENT) || ask(shell, GG_ENDPOINT_CLIENT);
        (void)sched_yield(); /* Who has work goes first. */
    } while (!found && gg_mono_us() < end_us);
    gg_spin_learn(&shell->spin, found);
    return found;
}

/* What the loop sleeps on, besides the time. */
enum wake { WAKE_SIGNAL, WAKE_AGENT, WAKE_CLIENT, WAKE_MONITOR, WAKE_STORE, WAKES_MAX };

static bool watch(struct gg_shell *shell, int fd, enum wake wake)
{
    struct epoll_event item = {.events = EPOLLIN, .data.u32 = wake};
    return epoll_ctl(shell->wake_fd, EPOLL_CTL_ADD, fd, &item) == 0;
}

bool gg_shell_watch(struct gg_shell *shell)
{
    const struct gg_router *agents = &shell->routers[GG_ENDPOINT_AGENT];
    const struct gg_router *clients = &shell->routers[GG_ENDPOINT_CLIENT];
    int store_fd = gg_store_descriptor(shell->store);
    shell->wake_fd = epoll_create1(EPOLL_CLOEXEC);
    return shell->wake_fd >= 0 && watch(shell, shell->signal_fd, WAKE_SIGNAL) &&
           watch(shell, agents->fd, WAKE_AGENT) &&
           watch(shell, clients->fd, WAKE_CLIENT) &&
           watch(shell, agents->monitor_fd, WAKE_MONITOR) &&
           watch(shell, clients->monitor_fd, WAKE_MONITOR) &&
           (store_fd < 0 || watch(shell, store_fd, WAKE_STORE));
}

/* Sleep until a descriptor has something to tell, and note which. True: a signal. */
static bool sleep_on_descriptors(struct gg_shell *shell, int64_t timeout_ms)
{
    struct epoll_event items[WAKES_MAX + 1];
    bool signals = false;
    int count = epoll_wait(shell->wake_fd, items, WAKES_MAX + 1, (int)timeout_ms);
    for (int i = 0; i < count; i++) {
        switch ((enum wake)items[i].data.u32) {
        case WAKE_SIGNAL:
            signals = true;
            break;
        case WAKE_AGENT:
            shell->drained[GG_ENDPOINT_AGENT] = false;
            break;
        case WAKE_CLIENT:
            shell->drained[GG_ENDPOINT_CLIENT] = false;
            break;
        case WAKE_MONITOR:
            shell->monitors_quiet = false;
            break;
        case WAKE_STORE: /* It is asked in each pass. */
        case WAKES_MAX:
            break;
        }
    }
    return signals;
}

/* Wait for a message, an event, a signal, the store or the time. zmq_poll() would ask
 * each of its sockets twice; here only those are asked, and read, that were used or
 * have something to tell. */
static bool wait_for_input(struct gg_shell *shell)
{
    int64_t timeout_ms = wait_ms(shell);
    if (timeout_ms > 0 && shell->looks < LOOKS_MAX && look_again(shell)) {
        shell->looks++; /* Signals and the store have their turn soon enough. */
        return false;
    }
    shell->looks = 0;
    gg_outbox_flush(&shell->outbox, true); /* Before a sleep nothing stays behind. */
    bool agents_wait = ask_touched(shell, GG_ENDPOINT_AGENT);
    bool clients_wait = ask_touched(shell, GG_ENDPOINT_CLIENT);
    return sleep_on_descriptors(shell, agents_wait || clients_wait ? 0 : timeout_ms);
}

/* ---- one pass ---- */

static void on_signals(struct gg_shell *shell)
{
    struct signalfd_siginfo info;
    while (read(shell->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            gg_shell_reload_keys(shell, true);
        } else {
            gg_log(GG_LOG_INFO, "stopping", "signal=%u", info.ssi_signo);
            shell->closing = true;
        }
    }
}

/* A turn that comes this late was not a peer's silence but ours: whatever came
 * meanwhile is read first, and silence counts from now. */
static void check_stall(struct gg_shell *shell, struct gg_mono before)
{
    int64_t late_ms = shell->now.mono.ms - before.ms - WAIT_MS_MAX;
    if (late_ms > (int64_t)shell->config->bounds.stall_ms) {
        gg_log(GG_LOG_WARN, "stalled", "late_ms=%" PRId64, late_ms);
        gg_metrics_add(&shell->metrics, GG_METRIC_STALLS, 1);
        gg_peers_forgive(&shell->peers, shell->now.mono);
    }
}

static void tick(struct gg_shell *shell)
{
    struct gg_mono at;
    for (int i = 0;
         i < TICKS_MAX && shell->failed == GG_OK &&
         gg_core_next_wake(shell->core, &at) && gg_mono_reached(at, shell->now.mono);
         i++) {
        struct gg_event ev = {.type = GG_EV_TICK, .now = shell->now};
        gg_shell_step(shell, &ev);
    }
}

/* A peer whose connection is closed and whose messages have all been read, or NULL. */
static struct gg_peer *find_left(struct gg_shell *shell)
{
    GG_LIST_EACH(&shell->leaving, link)
    {
        struct gg_peer *peer = GG_CONTAINER(link, struct gg_peer, leaving);
        int64_t left_ms = shell->now.mono.ms - peer->left_at.ms;
        if (shell->drained[peer->route.endpoint] || left_ms > LEAVE_MS_MAX) {
            return peer;
        }
    }
    return NULL;
}

/* The end of one session may be the end of others: look anew each time. */
static void close_left(struct gg_shell *shell)
{
    struct gg_peer *peer = NULL;
    for (int i = 0;
         i < BUDGET && shell->failed == GG_OK && (peer = find_left(shell)) != NULL;
         i++) {
        gg_shell_end(shell, peer, false);
    }
}

static void close_doomed(struct gg_shell *shell)
{
    struct gg_link *link = NULL;
    while (shell->failed == GG_OK &&
           (link = gg_list_first(&shell->outbox.doomed)) != NULL) {
        struct gg_peer *peer = GG_CONTAINER(link, struct gg_peer, dooming);
        int fd = peer->fd;
        gg_log(GG_LOG_DEBUG, "session_lost", "why=%s", peer->doomed);
        gg_shell_end(shell, peer, false);
        gg_shell_kick(shell, fd);
    }
}

/* Begin to make durable what the pass recorded, let out what is durable, send. */
static void let_out(struct gg_shell *shell)
{
    enum gg_err err = GG_OK;
    uint64_t durable = 0;
    if (shell->failed != GG_OK) {
        return;
    }
    if (shell->uncommitted) {
        err = gg_store_commit(shell->store);
        shell->uncommitted = false;
        gg_metrics_add(&shell->metrics, GG_METRIC_STORE_COMMITS, 1);
    }
    if (err == GG_OK) {
        err = gg_store_durable(shell->store, &durable);
    }
    if (err != GG_OK) {
        shell->failed = err;
        return;
    }
    if (durable > shell->outbox.durable) {
        gg_outbox_release(&shell->outbox, durable);
    }
    gg_outbox_flush(&shell->outbox, shell->closing);
}

/* Read what has come. Where nothing is known to wait there is no look, unless at
 * `everything`. */
static void read_in(struct gg_shell *shell, bool everything)
{
    static const enum gg_endpoint agents_first[] = {GG_ENDPOINT_AGENT,
                                                    GG_ENDPOINT_CLIENT};
    if (everything || !shell->monitors_quiet) {
        gg_shell_monitors(shell);
    }
    for (int i = 0; i < GG_ENDPOINT_COUNT; i++) {
        enum gg_endpoint endpoint = agents_first[i];
        if (everything || !shell->drained[endpoint]) {
            gg_shell_drain(shell, endpoint, BUDGET);
        }
    }
}

static void pass(struct gg_shell *shell, bool signals)
{
    struct gg_mono before = shell->now.mono;
    shell->now = gg_now();
    if (shell->now.mono.ms < before.ms) {
        shell->now.mono = before;
    }
    gg_metrics_add(&shell->metrics, GG_METRIC_PASSES, 1);
    check_stall(shell, before);
    bool housekeeping = gg_mono_reached(shell->housekeeping_at, shell->now.mono);
    read_in(shell, housekeeping);
    tick(shell);
    gg_shell_ask_store(shell);
    close_left(shell);
    close_doomed(shell);
    if (housekeeping) {
        shell->housekeeping_at = gg_mono_add(shell->now.mono, HOUSEKEEPING_MS);
        gg_shell_housekeeping(shell);
    }
    if (signals) {
        on_signals(shell);
    }
    let_out(shell);
}

/* ---- the end ---- */

/* Refuse new work, make everything durable, say what is left to say. */
static void close_in_order(struct gg_shell *shell)
{
    struct gg_event ev = {.type = GG_EV_CLOSING, .now = shell->now};
    gg_shell_step(shell, &ev);
    enum gg_err err = gg_store_sync(shell->store);
    if (shell->failed == GG_OK) {
        shell->failed = err;
    }
    shell->uncommitted = false;
    let_out(shell);
}

enum gg_err gg_shell_run(struct gg_shell *shell)
{
    uint64_t dropped = 0;
    while (!shell->closing && shell->failed == GG_OK) {
        pass(shell, wait_for_input(shell));
        if (shell->fx.dropped != dropped) {
            gg_log(GG_LOG_ERROR, "no_memory", "effects_dropped=%" PRIu64,
                   shell->fx.dropped - dropped);
            dropped = shell->fx.dropped;
            if (shell->config->bounds.durable) {
                shell->failed = GG_ERR_NO_MEMORY; /* A record may be among them. */
            }
        }
    }
    if (shell->failed == GG_OK) {
        close_in_order(shell);
    }
    if (shell->failed != GG_OK) {
        char text[GG_STORE_TEXT_BYTES] = "";
        gg_store_error(shell->store, text);
        gg_log(GG_LOG_ERROR, "failed", "error=%s what=\"%s\"",
               gg_err_name(shell->failed),
               text[0] != '\0' ? text : gg_err_text(shell->failed));
    }
    return shell->failed;
}
