#include "worker/io.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "common/log.h"
#include "common/rng.h"
#include "common/spin.h"
#include "common/version.h"
#include "worker/agent_handover.h"
#include "worker/contact.h"
#include "worker/handover.h"
#include "worker/place.h"
#include "worker/staff.h"
#include "worker/staff_handover.h"
#include "worker/steer.h"

#if GG_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

enum {
    EXIT_CONFIG_FAULT = 78,
    EXIT_SYSTEM_FAULT = 71,
    MESSAGES_A_TURN = 200,
    SENDS_A_TURN = 200,
    LOCK_LOOK_MS = 50,
    STOP_NOW_MS = 3000, /* After a second TERM. */
    KEEPER_END_MS = 5000,
    WAIT_MS_MAX = 60000,
    SPIN_US = 50,   /* A look for more work before sleeping. */
    LOOKS_MAX = 16, /* In a row that take the place of a full wait. */
    SLOTS_SPARE_MIN = 256,
    PROGRAM_BYTES = 4096,
};

struct io {
    struct gg_worker_settings *settings;
    struct gg_worker_keys keys;
    struct gg_poller poller;
    struct gg_listener signals;
    struct gg_keeper_client keeper;
    struct gg_worker *agent;
    struct gg_staff staff;
    struct gg_contact contact;
    struct gg_place_lock lock;
    char folder[GG_PLACE_BYTES];
    struct gg_spin spin;
    uint32_t looks;
    int terms_count;
    int64_t end_by_ms; /* Draining: exit at this time whatever is left. */
    struct gg_steering_state steering;
    bool reload; /* SIGHUP has come. */
    bool renew;  /* SIGUSR2 has come. */
    char **argv;
    struct gg_pack inherited; /* From the program before us, where there was one. */
    bool inherits;
    int64_t watchdog_ms; /* Tell systemd each so often that we live; 0 never. */
    int64_t alive_at_ms;
    char program[PROGRAM_BYTES]; /* Our own, as it was when we started. */
};

static void tell_systemd(const char *state)
{
#if GG_HAVE_SYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}

/* ---- signals ---- */

static void begin_to_leave(struct io *io, uint64_t grace_ms)
{
    gg_log(GG_LOG_INFO, "draining", "jobs=%u grace_ms=%llu", io->agent->attempts.count,
           (unsigned long long)grace_ms);
    tell_systemd("STOPPING=1");
    io->terms_count = 1;
    gg_worker_drain(io->agent, gg_mono_now(), grace_ms);
    io->end_by_ms = gg_mono_add(gg_mono_now(),
                                grace_ms + STOP_NOW_MS + io->agent->dead_after_ms)
                        .ms;
}

static void on_term(struct io *io)
{
    if (io->terms_count == 0) {
        begin_to_leave(io, io->settings->grace_ms);
        return;
    }
    io->steering.leave = GG_LEAVE_STOP; /* Whatever it was, not a restart any more. */
    if (io->terms_count == 1) {
        io->terms_count = 2;
        gg_log(GG_LOG_WARN, "stopping_now", "jobs=%u", io->agent->attempts.count);
        gg_worker_drain(io->agent, gg_mono_now(), 0);
        io->end_by_ms = gg_mono_add(gg_mono_now(), STOP_NOW_MS).ms;
    }
}

static void on_signals(struct gg_listener *watch, uint32_t events)
{
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            on_term(watch->ctx);
        } else if (info.ssi_signo == SIGHUP) {
            ((struct io *)watch->ctx)->reload = true;
        } else if (info.ssi_signo == SIGUSR2) {
            ((struct io *)watch->ctx)->renew = true;
        }
    }
}

static enum gg_err open_signals(struct io *io)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return GG_ERR_SYSTEM;
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return GG_ERR_SYSTEM;
    }
    io->signals = (struct gg_listener){.ready = on_signals, .ctx = io, .fd = -1};
    return gg_listener_open(&io->poller, &io->signals, fd, EPOLLIN);
}

/* ---- reload ---- */

/* Read the file of pools again; what it says wrong changes nothing. */
static void reload(struct io *io)
{
    static struct gg_worker_file fresh; /* Too large for the stack. */
    struct gg_worker_settings *settings = io->settings;
    struct gg_settings_fault fault = {.text = "no memory"};
    io->reload = false;
    if (settings->config_file == NULL || io->terms_count > 0) {
        gg_log(GG_LOG_WARN, "not_reloaded", "reason=\"%s\"",
               io->terms_count > 0 ? "the agent is ending"
                                   : "it was started without --config");
        return;
    }
    tell_systemd("RELOADING=1");
    if (gg_worker_file_load(settings->config_file, &fresh, &fault) != GG_OK ||
        gg_saved_apply(&settings->saved, &fresh, &fault) != GG_OK) {
        gg_log(GG_LOG_ERROR, "not_reloaded", "reason=\"%s\"", fault.text);
        gg_worker_file_fini(&fresh);
    } else {
        gg_steer_reload(&io->steering, &fresh, gg_mono_now());
        gg_worker_file_fini(&settings->file);
        settings->file = fresh;
        gg_log(GG_LOG_INFO, "reloaded", "pools=%u", fresh.pool_count);
    }
    tell_systemd("READY=1");
}

/* ---- a new program ---- */

/* Would the program that stands now where ours was take over? False, with `why`. */
static bool may_renew(const struct io *io, char *why, size_t room)
{
    static struct gg_worker_file fresh; /* Too large for the stack. */
    struct gg_settings_fault fault = {.text = ""};
    const char *config = io->settings->config_file;
    const char *reason = io->terms_count > 0       ? "the agent is ending"
                         : io->keeper.watch.fd < 0 ? "its keeper is being replaced"
                                                   : NULL;
    if (reason == NULL && !gg_handover_probe(io->program)) {
        reason = "the program does not start, or does not take over from this version: "
                 "`ganger worker restart` drains, and then starts it";
    }
    if (reason == NULL && config != NULL) {
        reason = gg_worker_file_load(config, &fresh, &fault) == GG_OK ? NULL
                                                                      : fault.text;
        gg_worker_file_fini(&fresh);
    }
    (void)snprintf(why, room, "%s", reason == NULL ? "" : reason);
    return reason == NULL;
}

/* Become what stands now where our program was, with all that runs. */
static void renew(struct io *io)
{
    struct gg_pack pack;
    char why[512];
    io->renew = false;
    if (!may_renew(io, why, sizeof why)) {
        gg_log(GG_LOG_ERROR, "not_renewed", "program=\"%s\" reason=\"%s\"", io->program,
               why);
        return;
    }
    gg_pack_init(&pack);
    gg_pack_fd(&pack, io->lock.fd);
    gg_pack_bytes(&pack, gg_slice_text(io->lock.fd < 0 ? "" : io->lock.path));
    gg_pack_bytes(&pack, gg_slice_text(io->folder));
    gg_keeper_save(&io->keeper, &pack);
    gg_worker_save(io->agent, &pack);
    gg_staff_save(&io->staff, &pack);
    gg_log(GG_LOG_INFO, "renewing", "program=\"%s\" jobs=%u", io->program,
           io->agent->attempts.count);
    tell_systemd("RELOADING=1");
    gg_handover_exec(io->program, io->argv, &pack);
    gg_log(GG_LOG_ERROR, "not_renewed", "program=\"%s\" reason=\"%s\"", io->program,
           strerror(errno));
    tell_systemd("READY=1");
    gg_pack_fini(&pack);
}

/* Its own places, as the program before us had them. */
static void inherit_place(struct io *io)
{
    io->lock.fd = gg_unpack_fd(&io->inherited);
    gg_slice_copy(gg_unpack_bytes(&io->inherited), io->lock.path, sizeof io->lock.path);
    gg_slice_copy(gg_unpack_bytes(&io->inherited), io->folder, sizeof io->folder);
}

static enum gg_err inherit_jobs(struct io *io, char *why, size_t room)
{
    if (!gg_worker_restore(io->agent, &io->inherited) ||
        !gg_staff_restore(&io->staff, &io->inherited)) {
        (void)snprintf(why, room, "what the program before handed over cannot be read");
        return GG_ERR_SYSTEM;
    }
    gg_log(GG_LOG_INFO, "renewed", "jobs=%u", io->agent->attempts.count);
    gg_pack_fini(&io->inherited);
    return GG_OK;
}

/* ---- the turn ---- */

static void write_socket(struct io *io)
{
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    for (int i = 0; i < SENDS_A_TURN; i++) {
        if (!gg_worker_front(io->agent, &frame, &attachment) ||
            !gg_socket_send(&io->contact.socket, frame, attachment)) {
            return;
        }
        gg_worker_sent(io->agent);
    }
}

static void read_socket(struct io *io, struct gg_mono now)
{
    struct gg_received message;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        if (io->contact.socket.socket == NULL ||
            !gg_socket_receive(&io->contact.socket, &message)) {
            return;
        }
        enum gg_worker_news news = gg_worker_receive(
            io->agent, now, message.frame, message.attachment, message.holder);
        gg_socket_release(&message);
        gg_contact_news(&io->contact, now, news);
        write_socket(io); /* What came of it goes while the next is on its way. */
    }
}

/* Milliseconds until something is due. */
static long wait_ms(const struct io *io)
{
    int64_t now = gg_mono_now().ms;
    int64_t at = gg_worker_next_wake(io->agent).ms;
    int64_t contact = gg_contact_next_wake(&io->contact).ms;
    struct gg_mono staff;
    at = contact < at ? contact : at;
    if (gg_staff_next_wake(&io->staff, &staff) && staff.ms < at) {
        at = staff.ms;
    }
    if (io->terms_count > 0 && io->end_by_ms < at) {
        at = io->end_by_ms;
    }
    if (io->watchdog_ms > 0 && io->alive_at_ms < at) {
        at = io->alive_at_ms;
    }
    if (at <= now) {
        return 0;
    }
    return at - now > WAIT_MS_MAX ? WAIT_MS_MAX : (long)(at - now);
}

/* Look for another message for a short while before sleeping, while it pays. */
static bool look_again(struct io *io)
{
    void *socket = io->contact.socket.socket;
    if (socket == NULL || io->looks >= LOOKS_MAX || !gg_spin_wanted(&io->spin)) {
        return false;
    }
    int64_t end_us = gg_mono_us() + SPIN_US;
    bool found = false;
    do {
        int events = 0;
        size_t size = sizeof events;
        found = gg_staff_has_more(&io->staff) ||
                (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 &&
                 (events & ZMQ_POLLIN) != 0);
        (void)sched_yield(); /* Who has work goes first. */
    } while (!found && gg_mono_us() < end_us);
    gg_spin_learn(&io->spin, found);
    return found;
}

static void wait_for_something(struct io *io)
{
    if (look_again(io)) {
        io->looks++; /* Programs and signals have their turn soon enough. */
        return;
    }
    io->looks = 0;
    zmq_pollitem_t items[3] = {{.fd = io->poller.fd, .events = ZMQ_POLLIN}};
    int count = 1;
    if (io->contact.socket.socket != NULL) {
        bool out = gg_contact_wants_out(&io->contact);
        items[count].socket = io->contact.socket.socket;
        items[count++].events = (short)(ZMQ_POLLIN | (out ? ZMQ_POLLOUT : 0));
        items[count].socket = io->contact.socket.monitor;
        items[count++].events = ZMQ_POLLIN;
    }
    (void)zmq_poll(items, count, gg_staff_may_sleep(&io->staff) ? wait_ms(io) : 0);
}

static bool is_over(const struct io *io, struct gg_mono now)
{
    return io->terms_count > 0 &&
           (gg_worker_is_drained(io->agent) || io->end_by_ms <= now.ms);
}

static void turn(struct io *io)
{
    wait_for_something(io);
    gg_poller_dispatch(&io->poller);
    gg_staff_hear(&io->staff);
    struct gg_now now = gg_now();
    gg_contact_turn(&io->contact, now);
    read_socket(io, now.mono);
    gg_worker_tick(io->agent, now.mono);
    gg_contact_judge(&io->contact, now.mono);
    gg_steer_turn(&io->steering, now.mono);
    if (io->steering.leave != GG_LEAVE_NOT && io->terms_count == 0) {
        begin_to_leave(io, io->steering.leave_grace_ms);
    }
    if (io->reload) {
        reload(io);
    }
    if (io->renew) {
        renew(io);
    }
    gg_staff_turn(&io->staff, now);
    write_socket(io);
    if (io->watchdog_ms > 0 && io->alive_at_ms <= now.mono.ms) {
        io->alive_at_ms = now.mono.ms + io->watchdog_ms;
        tell_systemd("WATCHDOG=1");
    }
}

/* Say good-bye; what has not left is given time by the socket's linger. */
static int leave(struct io *io)
{
    uint32_t left = io->agent->attempts.count;
    gg_worker_bye(io->agent, "the agent was told to end");
    write_socket(io);
    if (left > 0) {
        gg_log(GG_LOG_WARN, "left_behind",
               "jobs=%u reason=\"they did not end, or the broker did not confirm\"",
               left);
    } else {
        gg_log(GG_LOG_INFO, "drained", "%s", "");
    }
    return left > 0 ? 1 : 0;
}

/* ---- start and end ---- */

static enum gg_err lock_name(struct io *io, char *why, size_t room)
{
    if (!io->settings->name_given) {
        return GG_OK; /* The pid is in it. */
    }
    const char *name = io->settings->name;
    bool said = false;
    enum gg_err err = gg_place_lock(name, &io->lock, why, room);
    for (; err == GG_ERR_BUSY; err = gg_place_lock(name, &io->lock, why, room)) {
        if (!said) {
            gg_log(GG_LOG_WARN, "waiting_for_name",
                   "name=%s reason=\"an agent of this name, or what it ran, has not "
                   "ended yet\"",
                   name);
            said = true;
        }
        struct pollfd item = {.fd = io->signals.fd, .events = POLLIN};
        if (poll(&item, 1, LOCK_LOOK_MS) > 0) {
            (void)snprintf(why, room, "ended while waiting for the name %s", name);
            return GG_ERR_BUSY;
        }
    }
    return err;
}

/* Room for the pools as they are, and to grow where there is a file to change. */
static uint32_t slots_max_of(const struct gg_worker_settings *settings)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < settings->file.pool_count; i++) {
        const struct gg_pool_settings *pool = &settings->file.pools[i];
        slots += (uint32_t)gg_sup_room(&pool->sup);
    }
    uint32_t most = slots < SLOTS_SPARE_MIN ? SLOTS_SPARE_MIN : slots * 2;
    return most < GG_WORKER_SLOTS_MAX ? most : GG_WORKER_SLOTS_MAX;
}

static enum gg_err make_agent(struct io *io)
{
    const struct gg_worker_settings *settings = io->settings;
    struct gg_rng rng;
    gg_rng_seed(&rng);
    struct gg_worker_config config = {
        .name = gg_slice_text(settings->name),
        .host = gg_slice_text(settings->host),
        .program = gg_slice_text("ganger-worker " GG_VERSION),
        .pid = (uint64_t)getpid(),
        .incarnation = (uint64_t)gg_wall_now().ms,
        .margin_ms = settings->margin_ms,
        .seed = gg_rng_next(&rng),
        .slots_max = slots_max_of(settings),
    };
    return gg_worker_new(&config, &io->agent);
}

static enum gg_err add_pools(struct io *io, char *why, size_t room)
{
    for (uint32_t i = 0; i < io->settings->file.pool_count; i++) {
        const struct gg_pool_settings *pool = &io->settings->file.pools[i];
        struct gg_settings_fault fault;
        if (!pool->enabled) {
            continue;
        }
        enum gg_err err = gg_staff_add(&io->staff, gg_mono_now(), pool, &fault);
        if (err != GG_OK) {
            (void)snprintf(why, room, "[pool %s] %.400s", pool->name, fault.text);
            return GG_ERR_CONFIG;
        }
    }
    return GG_OK;
}

/* Everything up to the first turn, in order; false, with `why`, where it fails. */
static enum gg_err start(struct io *io, char *why, size_t room)
{
    const struct gg_worker_settings *settings = io->settings;
    const struct gg_worker_keys *keys = settings->key_file == NULL ? NULL : &io->keys;
    enum gg_err err = GG_OK;
    (void)snprintf(why, room, "the system refused a call while starting");
    if (keys != NULL) {
        err = gg_worker_keys_load(settings, &io->keys, why, room);
    }
    err = err == GG_OK ? gg_poller_init(&io->poller) : err;
    err = err == GG_OK ? open_signals(io) : err;
    if (err == GG_OK && io->inherits) {
        inherit_place(io);
    } else if (err == GG_OK) {
        err = lock_name(io, why, room);
        err = err == GG_OK ? gg_place_make_folder(settings->name, io->folder, why, room)
                           : err;
    }
    err = err == GG_OK ? make_agent(io) : err;
    if (err == GG_OK) { /* Before the keeper: it stands beside us in our cgroup. */
        struct gg_run_world world = {.poller = &io->poller,
                                     .keeper = &io->keeper,
                                     .temp_folder = io->folder,
                                     .verbose = settings->verbose};
        gg_staff_init(&io->staff, io->agent, &world);
        io->staff.broker = settings->broker;
        err = add_pools(io, why, room);
    }
    if (err == GG_OK && io->inherits) {
        err = gg_keeper_restore(&io->keeper, &io->poller, io->lock.fd, io->folder,
                                &io->inherited);
        err = err == GG_OK ? inherit_jobs(io, why, room) : err;
    } else if (err == GG_OK) {
        err = gg_keeper_start(&io->keeper, &io->poller, io->lock.fd, io->folder);
    }
    if (err == GG_OK) {
        err = gg_contact_init(&io->contact, settings, keys, io->agent, why, room);
    }
    return err;
}

static void end(struct io *io)
{
    io->staff.ending = true;
    if (io->keeper.pid > 0) {
        gg_contact_fini(&io->contact);
        gg_keeper_end(&io->keeper, KEEPER_END_MS);
    }
    if (io->agent != NULL) {
        gg_staff_fini(&io->staff);
    }
    gg_listener_close(&io->poller, &io->signals);
    gg_worker_destroy(&io->agent);
    gg_poller_fini(&io->poller);
    gg_place_unlock(&io->lock);
}

/* Half of what systemd waits for a sign of life; 0: it does not. */
static int64_t watchdog_of(void)
{
    uint64_t usec = 0;
#if GG_HAVE_SYSTEMD
    if (sd_watchdog_enabled(0, &usec) <= 0) {
        return 0;
    }
#endif
    return (int64_t)(usec / 2000);
}

/* Become what stands now where our program was when we started. */
static void start_again(const struct io *io, char **argv)
{
    gg_log(GG_LOG_INFO, "restarting", "program=\"%s\"", io->program);
    (void)execv(io->program, argv);
    gg_log(GG_LOG_ERROR, "cannot_restart", "program=\"%s\" reason=\"%s\"", io->program,
           strerror(errno));
}

int gg_io_run(struct gg_worker_settings *settings, char **argv)
{
    static struct io io; /* Too large for the stack. */
    char why[512];
    io = (struct io){.settings = settings, .lock.fd = -1, .end_by_ms = INT64_MAX};
    io.poller.fd = -1;
    io.signals.fd = -1;
    io.argv = argv;
    io.inherits = gg_handover_take(&io.inherited);
    io.watchdog_ms = watchdog_of();
    ssize_t len = readlink("/proc/self/exe", io.program, sizeof io.program - 1);
    io.program[len < 0 ? 0 : len] = '\0';
    io.steering = (struct gg_steering_state){
        .settings = settings, .staff = &io.staff, .saved = &settings->saved};
    if (settings->verbose) {
        gg_log_set_level(GG_LOG_DEBUG);
    }
    enum gg_err err = start(&io, why, sizeof why);
    if (err != GG_OK) {
        if (err != GG_ERR_BUSY) {
            gg_log(GG_LOG_ERROR, "cannot_start", "reason=\"%s\"", why);
        }
        end(&io);
        return err == GG_ERR_CONFIG ? EXIT_CONFIG_FAULT
               : err == GG_ERR_BUSY ? 0
                                    : EXIT_SYSTEM_FAULT;
    }
    gg_log(GG_LOG_INFO, "agent_started", "name=%s pid=%d broker=\"%s\" slots=%u",
           settings->name, (int)getpid(), settings->broker, io.agent->slots);
    tell_systemd("READY=1");
    do {
        turn(&io);
    } while (!is_over(&io, gg_mono_now()));
    int status = leave(&io);
    end(&io);
    if (io.steering.leave == GG_LEAVE_RESTART) {
        start_again(&io, argv);
        return EXIT_SYSTEM_FAULT;
    }
    return status;
}
