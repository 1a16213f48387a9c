#include "worker/exec/executor_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/handler_wire.h"
#include "worker/exec/folder.h"

enum {
    PIECE_BYTES = 65536,
    TURN_READS_MAX = 4,
    FINAL_READS_MAX = 32,
    LEASE_SLACK_MS = 1000, /* The keeper may know it this much too early. */
    REST_MS = 1000,
    UNSENT_BYTES_MAX = 65536, /* Beyond it nothing more is put behind. */
    VARIABLE_BYTES = GG_FOLDER_BYTES + 16,
};

/* Stands before output that is kept with each attempt it may be of. */
#define MIXED_TEXT "[written by this attempt, or one done right before or after it]\n"

static void destroy(struct gg_executor *executor)
{
    gg_listener_close(executor->world->poller, &executor->socket);
    gg_listener_close(executor->world->poller, &executor->errors);
    gg_list_remove(&executor->resting);
    gg_list_remove(&executor->unsent);
    gg_list_remove(&executor->talking);
    gg_executor_close_ring(executor);
    gg_buf_fini(&executor->in);
    gg_buf_fini(&executor->out);
    if (executor->folder_fd >= 0) {
        (void)close(executor->folder_fd);
    }
    gg_folder_remove(executor->world, executor->folder);
    free(executor);
}

/* ---- sending ---- */

static void flush(struct gg_executor *executor)
{
    while (executor->sent < executor->out.len) {
        ssize_t put = send(executor->socket.fd, executor->out.data + executor->sent,
                           executor->out.len - executor->sent,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            break; /* Full: on_socket goes on. Broken: its end is reported. */
        }
        executor->sent += (size_t)put;
    }
    bool done = executor->sent == executor->out.len;
    if (done) {
        gg_buf_clear(&executor->out);
        executor->sent = 0;
    }
    gg_listener_change(executor->world->poller, &executor->socket,
                       done ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void gg_executor_send_all(const struct gg_run_world *world)
{
    GG_LIST_EACH(world->unsent, it)
    {
        struct gg_executor *executor = GG_CONTAINER(it, struct gg_executor, unsent);
        gg_list_remove(it);
        flush(executor);
    }
}

/* The keeper holds the lease that ends first, and need not know of each second by which
 * it grows. */
static void tell_lease(struct gg_executor *executor)
{
    int64_t deadline_ms = gg_hand_lease(&executor->hand);
    int64_t told = executor->told_lease_ms;
    bool near = told != 0 && told <= deadline_ms &&
                deadline_ms - told <= LEASE_SLACK_MS;
    if (told == deadline_ms || (deadline_ms != 0 && near)) {
        return;
    }
    executor->told_lease_ms = deadline_ms;
    gg_child_lease(executor->world->keeper, &executor->child, deadline_ms);
}

/* ---- stopping ---- */

static void announce_kill(struct gg_executor *executor, uint64_t grace_ms)
{
    executor->stopping = true;
    executor->disturbed = true;
    gg_child_stop(executor->world->keeper, &executor->child,
                  grace_ms > 0 ? executor->talk->stop_signal : 0, grace_ms);
}

void gg_executor_stop(struct gg_executor *executor, uint64_t fence, uint64_t grace_ms)
{
    size_t start = executor->out.len;
    uint32_t place = gg_hand_find(&executor->hand, fence);
    if (place == executor->hand.count) {
        return; /* It has just ended. */
    }
    struct gg_in_hand *item = gg_hand_at(&executor->hand, place);
    item->stop = true;
    item->grace_ms = grace_ms;
    if (grace_ms > 0 && executor->socket.fd >= 0) {
        executor->talk->write_stop(&executor->out, fence, grace_ms);
        if (executor->out.failed) {
            gg_buf_cut(&executor->out, start);
        }
        flush(executor);
    }
    if (place == 0 || grace_ms == 0) {
        announce_kill(executor, grace_ms);
    }
}

bool gg_executor_gives_back(const struct gg_executor *executor)
{
    return executor->talk->write_withdraw != NULL;
}

void gg_executor_withdraw(struct gg_executor *executor, uint64_t fence)
{
    size_t start = executor->out.len;
    uint32_t place = gg_hand_find(&executor->hand, fence);
    if (gg_executor_gives_back(executor) && place < executor->hand.count &&
        executor->socket.fd >= 0) {
        gg_hand_at(&executor->hand, place)->withdrawn = true;
        executor->talk->write_withdraw(&executor->out, fence);
        if (executor->out.failed) {
            gg_buf_cut(&executor->out, start);
        }
        flush(executor);
    }
}

void gg_executor_begin_first(struct gg_executor *executor)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    if (executor->hand.count == 0) {
        return;
    }
    const struct gg_in_hand *first = gg_hand_at(&executor->hand, 0);
    if (first->fence == executor->begun) {
        return;
    }
    executor->begun = first->fence;
    hooks->started(hooks->ctx, first->fence);
    if (first->stop) {
        announce_kill(executor, first->grace_ms);
    }
}

/* ---- what it says ---- */

/* The attempt in work is over: tell, and forget it. */
static void end_attempt(struct gg_executor *executor, struct gg_ending *ending)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    uint64_t fence = gg_hand_pop(&executor->hand, executor->heard_us).fence;
    ending->output = gg_tail_slice(&executor->tail);
    hooks->ended(hooks->ctx, fence, ending);
    gg_blob_unref(&ending->result);
    if (!executor->mixed || executor->hand.count == 0) {
        gg_tail_clear(&executor->tail);
        executor->mixed = false;
    }
}

static void read_errors(struct gg_executor *executor, int reads);

/* The next attempt finds the folder empty; what this one left is removed. */
static void clean_folder(struct gg_executor *executor, uint64_t fence)
{
    char old[GG_FOLDER_BYTES];
    if (executor->folder_fd < 0 || gg_folder_is_empty(executor->folder_fd)) {
        return;
    }
    int len = snprintf(old, sizeof old, "%s/old%llu", executor->world->temp_folder,
                       (unsigned long long)fence);
    (void)close(executor->folder_fd);
    if (len > 0 && (size_t)len < sizeof old && rename(executor->folder, old) == 0) {
        gg_folder_remove(executor->world, old);
    }
    (void)gg_folder_make_at(executor->folder, executor->cage);
    executor->folder_fd = open(executor->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The KILL that was announced for the attempt that is over now is not meant for those
 * that come after it. */
static void spare(struct gg_executor *executor)
{
    bool wanted = false;
    for (uint32_t i = 1; executor->stopping && i < executor->hand.count; i++) {
        wanted = wanted || gg_hand_at(&executor->hand, i)->stop;
    }
    if (executor->stopping && !wanted) {
        gg_child_spare(executor->world->keeper, &executor->child);
        executor->stopping = false;
    }
}

/* The last one it had is over. */
static void rest(struct gg_executor *executor)
{
    executor->disturbed = false;
    executor->rest_at = gg_mono_add(gg_mono_now(), REST_MS);
    gg_list_push_back(executor->world->resting, &executor->resting);
    read_errors(executor, TURN_READS_MAX);
    clean_folder(executor, gg_hand_at(&executor->hand, 0)->fence);
}

static void on_outcome(struct gg_executor *executor, const struct gg_said *said)
{
    struct gg_ending ending = {
        .kind = said->outcome, .exit_status = GG_UNSAID, .snooze_ms = said->snooze_ms};
    spare(executor);
    gg_ending_set_text(&ending, said->text);
    if (said->result.len > executor->result_bytes_max) {
        ending.kind = GG_OUTCOME_FAILED;
        (void)snprintf(ending.text, sizeof ending.text,
                       "the result has %zu bytes, more than the limit of %llu "
                       "(result_bytes_max)",
                       said->result.len,
                       (unsigned long long)executor->result_bytes_max);
    } else if (said->result.len > 0) {
        ending.result = gg_blob_new(said->result);
    }
    if (executor->hand.count == 1) {
        rest(executor);
    }
    end_attempt(executor, &ending);
    executor->hooks.ready(executor->hooks.ctx, executor->index);
}

/* It was told to stop, or withdrawn, before it had begun; or it was late. */
static bool on_returned(struct gg_executor *executor)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    const struct gg_in_hand *first = gg_hand_at(&executor->hand, 0);
    bool late = first->start_by_ms != 0 && first->start_by_ms <= gg_mono_now().ms;
    if (!first->stop && !first->withdrawn && !late) {
        return false;
    }
    spare(executor);
    if (executor->hand.count == 1) {
        rest(executor);
    }
    uint64_t fence = gg_hand_pop(&executor->hand, executor->heard_us).fence;
    hooks->returned(hooks->ctx, fence);
    executor->hooks.ready(executor->hooks.ctx, executor->index);
    return true;
}

/* False: it says what an executor does not say, or not now. */
static bool on_said(void *ctx, const struct gg_said *said)
{
    struct gg_executor *executor = ctx;
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    if (said->kind == GG_SAID_READY) {
        if (executor->is_ready) {
            return false;
        }
        executor->is_ready = true;
        executor->hooks.ready(executor->hooks.ctx, executor->index);
        return true;
    }
    uint64_t fence = gg_executor_in_hand(executor) == 0
                         ? 0
                         : gg_executor_fence(executor, 0);
    if (fence == 0 || (said->fence != 0 && said->fence != fence)) {
        return false;
    }
    switch (said->kind) {
    case GG_SAID_LINE:
        hooks->said(hooks->ctx, fence, &said->line);
        return true;
    case GG_SAID_OUTCOME:
        on_outcome(executor, said);
        return true;
    case GG_SAID_RETURNED:
        return on_returned(executor);
    case GG_SAID_READY:
    case GG_SAID_TOO_LARGE:
        break;
    }
    executor->result_too_large = true;
    return false;
}

/* All messages that have arrived whole. */
static bool take_messages(struct gg_executor *executor)
{
    size_t at = 0;
    size_t used = 0;
    do {
        struct gg_slice rest = gg_slice_of(executor->in.data + at,
                                           executor->in.len - at);
        used = executor->talk->read(rest, executor->result_bytes_max, on_said,
                                    executor);
        at += used == GG_TALK_BAD ? 0 : used;
    } while (used > 0 && used != GG_TALK_BAD);
    if (at > 0) {
        memmove(executor->in.data, executor->in.data + at, executor->in.len - at);
        gg_buf_cut(&executor->in, executor->in.len - at);
    }
    return used != GG_TALK_BAD;
}

/* What attempts have left that were done without a pause: whose is it? */
static void look_for_traces(struct gg_executor *executor)
{
    if (executor->hand.count > 1) {
        read_errors(executor, 1);
        if (executor->folder_fd >= 0 && !gg_folder_is_empty(executor->folder_fd)) {
            gg_hand_be_wary(&executor->hand);
        }
    }
}

void gg_executor_hang_up(struct gg_executor *executor)
{
    gg_listener_close(executor->world->poller, &executor->socket);
    gg_list_remove(&executor->talking);
    gg_child_stop(executor->world->keeper, &executor->child, 0, 0);
}

bool gg_executor_heard(struct gg_executor *executor)
{
    executor->heard_us = gg_mono_us();
    look_for_traces(executor);
    if (executor->in.failed || !take_messages(executor)) {
        executor->broken = !executor->result_too_large;
        gg_executor_hang_up(executor);
        return false;
    }
    return true;
}

/* Bytes of its socket. The first of all tells whether it uses its ring, or knows
 * nothing of it: then it says all in the socket. False: it has been hung up. */
static bool take_bytes(struct gg_executor *executor, struct gg_slice bytes)
{
    executor->rings = executor->rings ||
                      (executor->ring.page != NULL && bytes.data[0] == GG_HANDLER_BELL);
    if (executor->rings) {
        return gg_executor_rang(executor, bytes);
    }
    gg_executor_close_ring(executor);
    gg_buf_append(&executor->in, bytes.data, bytes.len);
    return gg_executor_heard(executor);
}

static void on_socket(struct gg_listener *watch, uint32_t events)
{
    struct gg_executor *executor = watch->ctx;
    uint8_t piece[PIECE_BYTES];
    if ((events & EPOLLOUT) != 0) {
        flush(executor);
    }
    for (int i = 0; i < TURN_READS_MAX; i++) {
        ssize_t got = recv(watch->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (got <= 0) {
            gg_executor_hang_up(executor);
            break;
        }
        if (!take_bytes(executor, gg_slice_of(piece, (size_t)got)) ||
            got < (ssize_t)sizeof piece) {
            break;
        }
    }
    gg_executor_begin_first(executor);
}

static void take_errors(struct gg_executor *executor, struct gg_slice bytes)
{
    if (executor->hand.count > 0) {
        gg_hand_be_wary(&executor->hand);
    }
    if (executor->hand.count > 1 && !executor->mixed) {
        executor->mixed = true;
        gg_tail_push(&executor->tail, gg_slice_text(MIXED_TEXT));
    }
    gg_tail_push(&executor->tail, bytes);
    if (executor->world->verbose) {
        (void)!write(STDERR_FILENO, bytes.data, bytes.len);
    }
}

static void read_errors(struct gg_executor *executor, int reads)
{
    uint8_t piece[PIECE_BYTES];
    for (int i = 0; i < reads && executor->errors.fd >= 0; i++) {
        ssize_t got = read(executor->errors.fd, piece, sizeof piece);
        if (got > 0) {
            take_errors(executor, gg_slice_of(piece, (size_t)got));
        }
        if (got == 0) {
            gg_listener_close(executor->world->poller, &executor->errors);
        }
        if (got < (ssize_t)sizeof piece) {
            return;
        }
    }
}

static void on_errors(struct gg_listener *watch, uint32_t events)
{
    (void)events;
    read_errors(watch->ctx, TURN_READS_MAX);
}

/* ---- its end ---- */

/* The attempt in work has ended with its executor; those behind it were not begun. */
static void give_back_hand(struct gg_executor *executor, struct gg_ending *ending)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    if (executor->hand.count == 0) {
        return;
    }
    bool innocent = executor->disturbed && !gg_hand_at(&executor->hand, 0)->stop;
    if (innocent && (ending->keeper_killed ||
                     (ending->signal != 0 &&
                      ending->signal == (uint64_t)executor->talk->stop_signal))) {
        ending->kind = GG_OUTCOME_HANDED_BACK;
    }
    end_attempt(executor, ending);
    for (uint32_t i = executor->hand.count; i > 0; i--) { /* Their order is kept. */
        hooks->returned(hooks->ctx, gg_hand_at(&executor->hand, i - 1)->fence);
    }
}

static void on_end(struct gg_executor *executor, const struct gg_keeper_report *report)
{
    struct gg_ending ending;
    read_errors(executor, FINAL_READS_MAX);
    struct gg_process_facts facts = {
        .wait_status = report->status,
        .keeper_killed = report->keeper_killed != 0,
        .keeper_lost = report->keeper_lost != 0,
        .ran_out_bytes = report->ran_out != 0 && executor->cage != NULL
                             ? executor->cage->cgroup_memory_bytes
                             : 0,
        .result_too_large = executor->result_too_large,
        .result_bytes_max = executor->result_bytes_max,
        .output = gg_tail_slice(&executor->tail),
    };
    gg_ending_judge(&facts, &ending);
    bool exited = WIFEXITED(report->status) && !facts.keeper_killed;
    if (exited && !executor->result_too_large) {
        /* An exit in the midst of an attempt is no outcome, whatever its status. */
        ending.kind = GG_OUTCOME_CRASHED;
        if (ending.exit_status == 0) {
            gg_ending_set_text(&ending,
                               gg_slice_text("the executor ended with status 0"));
        }
    }
    if (executor->broken) {
        gg_ending_set_text(&ending,
                           gg_slice_text("the executor did not keep to its protocol"));
    }
    char reason[GG_ENDING_TEXT_BYTES];
    (void)snprintf(reason, sizeof reason, "%s", ending.text);
    give_back_hand(executor, &ending);
    const struct gg_death death = {
        .reason = reason,
        .wait_status = report->status,
        .asked = executor->asked || report->keeper_killed != 0,
    };
    executor->hooks.died(executor->hooks.ctx, executor->index, &death);
    destroy(executor);
}

static void on_report(struct gg_child *child, const struct gg_keeper_report *report)
{
    struct gg_executor *executor = child->ctx;
    if (report->op == GG_KEEPER_ENDED) {
        if (executor->socket.fd >= 0) {
            on_socket(&executor->socket, EPOLLIN); /* What it said last. */
        }
        if (executor->ring.page != NULL) {
            gg_executor_hear(executor);
        }
        on_end(executor, report);
    } else if (report->op == GG_KEEPER_FAILED) {
        struct gg_ending ending;
        char stage[128];
        (void)snprintf(stage, sizeof stage, "cannot start an executor%s",
                       gg_keeper_stage_text(report->stage));
        gg_ending_not_started(stage, report->error, &ending);
        const struct gg_death death = {.reason = ending.text, .wait_status = -1};
        executor->hooks.died(executor->hooks.ctx, executor->index, &death);
        destroy(executor);
    }
}

/* ---- its beginning ---- */

struct gg_executor *gg_executor_make(const struct gg_run_world *world,
                                     const struct gg_executor_hooks *hooks,
                                     const struct gg_executor_spec *spec)
{
    struct gg_executor *executor = calloc(1, sizeof *executor);
    if (executor != NULL) {
        executor->world = world;
        executor->hooks = *hooks;
        executor->talk = spec->talk;
        executor->index = spec->index;
        executor->cage = spec->style.cage;
        executor->folder_fd = -1;
        executor->ring_fd = -1;
        executor->child = (struct gg_child){.on_report = on_report, .ctx = executor};
        executor->socket = (struct gg_listener){
            .fd = -1, .ready = on_socket, .ctx = executor};
        executor->errors = (struct gg_listener){
            .fd = -1, .ready = on_errors, .ctx = executor};
        gg_hand_init(&executor->hand);
        gg_buf_init(&executor->in, GG_EXECUTOR_SPARE_BYTES);
        gg_buf_init(&executor->out, SIZE_MAX / 2);
    }
    return executor;
}

/* Ends of the child's descriptors: ours are watched, the others are sent along. */
struct ends {
    int socket;
    int errors;
    int null;
};

static enum gg_err open_ends(struct gg_executor *executor, struct ends *out)
{
    struct gg_poller *poller = executor->world->poller;
    int pair[2] = {-1, -1};
    int errors[2] = {-1, -1};
    out->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out->null < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return GG_ERR_SYSTEM;
    }
    out->socket = pair[1];
    enum gg_err err = gg_listener_open(poller, &executor->socket, pair[0], EPOLLIN);
    if (err != GG_OK || pipe2(errors, O_CLOEXEC) != 0) {
        return GG_ERR_SYSTEM;
    }
    out->errors = errors[1];
    if (fcntl(errors[0], F_SETFL, O_NONBLOCK) != 0) {
        (void)close(errors[0]);
        return GG_ERR_SYSTEM;
    }
    return gg_listener_open(poller, &executor->errors, errors[0], EPOLLIN);
}

static enum gg_err start_child(struct gg_executor *executor,
                               const struct gg_executor_spec *spec)
{
    struct ends ends = {-1, -1, -1};
    char variable[VARIABLE_BYTES];
    (void)snprintf(variable, sizeof variable, "TMPDIR=%s", executor->folder);
    const char *const variables[] = {variable, NULL};
    enum gg_err err = open_ends(executor, &ends);
    if (err == GG_OK) {
        struct gg_child_spec child = {
            .folder = "",
            .arguments = spec->arguments,
            .variables = variables,
            .more_variables = spec->style.variables,
            .cage = spec->style.cage,
            .fds = {ends.null, ends.errors, ends.errors, ends.socket}};
        if (executor->talk == &gg_talk_coprocess) {
            child.fds[0] = ends.socket;
            child.fds[1] = ends.socket;
            child.fds[3] = -1;
        } else if (gg_ring_new(&executor->ring, &executor->ring_fd) == GG_OK) {
            child.fds[GG_HANDLER_RING_FD] = executor->ring_fd;
        }
        err = gg_child_start(executor->world->keeper, &executor->child, &child);
    }
    int left[] = {ends.null, ends.socket, ends.errors};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        if (left[i] >= 0) {
            (void)close(left[i]);
        }
    }
    return err;
}

enum gg_err gg_executor_start(const struct gg_run_world *world,
                              const struct gg_executor_hooks *hooks,
                              const struct gg_executor_spec *spec,
                              struct gg_executor **out_executor)
{
    struct gg_executor *executor = gg_executor_make(world, hooks, spec);
    if (executor == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    enum gg_err err = gg_folder_make(world, spec->style.cage, "e",
                                     world->keeper->next_number, executor->folder);
    if (err == GG_OK) {
        executor->folder_fd = open(executor->folder,
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        err = start_child(executor, spec);
    }
    if (err != GG_OK) {
        destroy(executor);
        return err;
    }
    *out_executor = executor;
    return GG_OK;
}

uint32_t gg_executor_room(const struct gg_executor *executor, int64_t now_us)
{
    bool blocked = executor->hand.count > 0 &&
                   executor->out.len - executor->sent > UNSENT_BYTES_MAX;
    return blocked ? 0 : gg_hand_room(&executor->hand, now_us);
}

enum gg_err gg_executor_give(struct gg_executor *executor,
                             const struct gg_run_spec *spec, int64_t now_us)
{
    size_t start = executor->out.len;
    executor->talk->write_job(&executor->out, spec, executor->folder);
    if (executor->out.failed) {
        gg_buf_cut(&executor->out, start);
        return GG_ERR_NO_MEMORY;
    }
    if (executor->hand.count == 0) {
        gg_tail_clear(&executor->tail);
    }
    executor->result_bytes_max = spec->result_bytes_max;
    executor->in.max = (size_t)spec->result_bytes_max * 2 + GG_EXECUTOR_SPARE_BYTES * 2;
    gg_list_remove(&executor->resting);
    gg_hand_put(&executor->hand, spec->fence, spec->deadline_ms, now_us);
    gg_hand_at(&executor->hand, executor->hand.count - 1)
        ->start_by_ms = spec->start_by_ms;
    if (executor->hand.count == 1 || spec->deadline_ms < executor->told_lease_ms) {
        tell_lease(executor); /* Else it ends later than that of another. */
    }
    if (!gg_list_linked(&executor->unsent)) {
        gg_list_push_back(executor->world->unsent, &executor->unsent);
    }
    gg_executor_begin_first(executor);
    return GG_OK;
}

void gg_executor_end(struct gg_executor *executor, uint64_t grace_ms)
{
    executor->asked = true;
    if (executor->socket.fd >= 0) {
        (void)shutdown(executor->socket.fd, SHUT_WR);
    }
    gg_child_stop(executor->world->keeper, &executor->child, 0, grace_ms);
}

uint32_t gg_executor_in_hand(const struct gg_executor *executor)
{
    return executor->hand.count;
}

uint64_t gg_executor_fence(struct gg_executor *executor, uint32_t index)
{
    return gg_hand_at(&executor->hand, index)->fence;
}

pid_t gg_executor_pid(const struct gg_executor *executor)
{
    return executor->child.pid;
}

void gg_executor_rest(const struct gg_run_world *world, struct gg_mono now)
{
    GG_LIST_EACH(world->resting, it)
    {
        struct gg_executor *executor = GG_CONTAINER(it, struct gg_executor, resting);
        if (!gg_mono_reached(executor->rest_at, now)) {
            return;
        }
        gg_list_remove(&executor->resting);
        tell_lease(executor);
    }
}

bool gg_executor_next_rest(const struct gg_run_world *world, struct gg_mono *out_at)
{
    struct gg_link *first = gg_list_first(world->resting);
    if (first == NULL) {
        return false;
    }
    *out_at = GG_CONTAINER(first, struct gg_executor, resting)->rest_at;
    return true;
}

void gg_executor_lease(struct gg_executor *executor, uint64_t fence,
                       int64_t deadline_ms)
{
    uint32_t place = gg_hand_find(&executor->hand, fence);
    if (place < executor->hand.count) {
        gg_hand_at(&executor->hand, place)->lease_ms = deadline_ms;
        tell_lease(executor);
    }
}

void gg_executor_drop(struct gg_executor **executor_p)
{
    if (*executor_p != NULL) {
        destroy(*executor_p);
        *executor_p = NULL;
    }
}

uint64_t gg_executor_number(const struct gg_executor *executor)
{
    return executor->child.number;
}
