#include "worker/exec/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/log.h"
#include "worker/exec/tail.h"

enum {
    PIECE_BYTES = 65536,
    TURN_READS_MAX = 4,
    FINAL_READS_MAX = 32,
    LENGTH_BYTES = 4,
    MESSAGE_SPARE_BYTES = 65536, /* Beside a payload or a result. */
};

struct gg_executor {
    const struct gg_run_world *world;
    struct gg_executor_hooks hooks;
    uint32_t index;
    struct gg_child child;
    struct gg_listener socket;
    struct gg_listener errors;
    struct gg_buf in;
    struct gg_buf out;
    size_t sent; /* Bytes of `out` that have left. */
    struct gg_tail tail;
    bool is_ready;
    uint64_t fence; /* Of the attempt in hand; 0 none. */
    uint64_t result_bytes_max;
    bool broken; /* It does not keep to the protocol; it is being killed. */
};

static void destroy(struct gg_executor *executor)
{
    gg_listener_close(executor->world->poller, &executor->socket);
    gg_listener_close(executor->world->poller, &executor->errors);
    gg_buf_fini(&executor->in);
    gg_buf_fini(&executor->out);
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

/* Append one command as a message of its own. */
static enum gg_err queue(struct gg_executor *executor, enum gg_command_code code,
                         const void *record)
{
    static const uint8_t room[LENGTH_BYTES + GG_PREFIX_BYTES];
    const struct gg_header header = {
        .version = GG_PROTOCOL_VERSION, .type = GG_MESSAGE_COMMANDS, .session = 1};
    size_t start = executor->out.len;
    gg_buf_append(&executor->out, room, sizeof room);
    gg_command_write(&executor->out, code, 0, record, NULL);
    if (executor->out.failed) {
        gg_buf_cut(&executor->out, start);
        return GG_ERR_NO_MEMORY;
    }
    size_t len = executor->out.len - start - LENGTH_BYTES;
    uint8_t *at = executor->out.data + start;
    for (int i = 0; i < LENGTH_BYTES; i++) {
        at[i] = (uint8_t)(len >> (8 * (LENGTH_BYTES - 1 - i)));
    }
    gg_prefix_write(&header, 1, at + LENGTH_BYTES);
    flush(executor);
    return GG_OK;
}

/* ---- what it says ---- */

static void say(struct gg_executor *executor, enum gg_line_kind kind,
                struct gg_slice text, uint64_t ppm)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    struct gg_line line = {.kind = kind, .text = text, .ppm = ppm};
    hooks->said(hooks->ctx, executor->fence, &line);
}

/* The attempt in hand is over: tell, and forget it. */
static void end_attempt(struct gg_executor *executor, struct gg_ending *ending)
{
    const struct gg_run_hooks *hooks = &executor->world->hooks;
    uint64_t fence = executor->fence;
    executor->fence = 0;
    ending->output = gg_tail_slice(&executor->tail);
    hooks->ended(hooks->ctx, fence, ending);
    gg_blob_unref(&ending->result);
    gg_tail_clear(&executor->tail);
}

static bool is_handlers_own(uint64_t kind)
{
    return kind == GG_OUTCOME_SUCCEEDED || kind == GG_OUTCOME_FAILED ||
           kind == GG_OUTCOME_REJECTED || kind == GG_OUTCOME_SNOOZED;
}

static void read_errors(struct gg_executor *executor, int reads);

static void on_outcome(struct gg_executor *executor,
                       const struct gg_outcome_info *outcome)
{
    struct gg_ending ending = {.kind = (enum gg_outcome)outcome->kind,
                               .exit_status = GG_UNSAID,
                               .snooze_ms = outcome->snooze_ms};
    gg_child_spare(executor->world->keeper, &executor->child);
    gg_child_lease(executor->world->keeper, &executor->child, 0);
    read_errors(executor, TURN_READS_MAX);
    gg_ending_set_text(&ending, outcome->text);
    if (outcome->result.len > executor->result_bytes_max) {
        ending.kind = GG_OUTCOME_FAILED;
        (void)snprintf(ending.text, sizeof ending.text,
                       "the result has %zu bytes, more than the limit of %llu "
                       "(result_bytes_max)",
                       outcome->result.len,
                       (unsigned long long)executor->result_bytes_max);
    } else if (outcome->result.len > 0) {
        ending.result = gg_blob_new(outcome->result);
    }
    end_attempt(executor, &ending);
    executor->hooks.ready(executor->hooks.ctx, executor->index);
}

/* False: it says what an executor does not say. */
static bool on_command(struct gg_executor *executor, const struct gg_command *command)
{
    if (command->code == GG_CMD_HEARTBEAT && !executor->is_ready) {
        executor->is_ready = true;
        executor->hooks.ready(executor->hooks.ctx, executor->index);
        return true;
    }
    if (executor->fence == 0) {
        return false;
    }
    if (command->code == GG_CMD_PROGRESS) {
        say(executor, GG_LINE_PROGRESS, command->as.progress.progress_text,
            command->as.progress.progress_ppm);
    } else if (command->code == GG_CMD_PARTIAL) {
        say(executor, GG_LINE_PARTIAL, command->as.partial.data, 0);
    } else if (command->code == GG_CMD_CHECKPOINT) {
        say(executor, GG_LINE_CHECKPOINT, command->as.checkpoint.data, 0);
    } else if (command->code == GG_CMD_OUTCOME &&
               command->as.outcome.fence == executor->fence &&
               is_handlers_own(command->as.outcome.kind)) {
        on_outcome(executor, &command->as.outcome);
    } else {
        return false;
    }
    return true;
}

/* One whole message. */
static bool on_message(struct gg_executor *executor, struct gg_slice frame)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(frame, (struct gg_slice){0}, &message, &fault) != GG_OK) {
        return false;
    }
    while (gg_message_next(&message, &command, &fault)) {
        if (fault.err != GG_OK || !on_command(executor, &command)) {
            return false;
        }
    }
    return true;
}

/* All messages that have arrived whole. */
static bool take_messages(struct gg_executor *executor)
{
    size_t at = 0;
    bool good = true;
    while (good && executor->in.len - at >= LENGTH_BYTES) {
        const uint8_t *head = executor->in.data + at;
        size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
                     (size_t)head[2] << 8 | (size_t)head[3];
        if (len > executor->in.max - LENGTH_BYTES) {
            return false;
        }
        if (executor->in.len - at - LENGTH_BYTES < len) {
            break;
        }
        good = on_message(executor, gg_slice_of(head + LENGTH_BYTES, len));
        at += LENGTH_BYTES + len;
    }
    if (at > 0) {
        memmove(executor->in.data, executor->in.data + at, executor->in.len - at);
        gg_buf_cut(&executor->in, executor->in.len - at);
    }
    return good;
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
        if (got <= 0) { /* Its end is on its way from the keeper. */
            gg_listener_close(executor->world->poller, watch);
            gg_child_stop(executor->world->keeper, &executor->child, 0, 0);
            break;
        }
        gg_buf_append(&executor->in, piece, (size_t)got);
        if (executor->in.failed || !take_messages(executor)) {
            executor->broken = true;
            gg_listener_close(executor->world->poller, watch);
            gg_child_stop(executor->world->keeper, &executor->child, 0, 0);
            break;
        }
        if (got < (ssize_t)sizeof piece) {
            break;
        }
    }
}

static void take_errors(struct gg_executor *executor, struct gg_slice bytes)
{
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

static void on_end(struct gg_executor *executor, const struct gg_keeper_report *report)
{
    struct gg_ending ending;
    read_errors(executor, FINAL_READS_MAX);
    struct gg_process_facts facts = {
        .wait_status = report->status,
        .keeper_killed = report->keeper_killed != 0,
        .output = gg_tail_slice(&executor->tail),
    };
    gg_ending_judge(&facts, &ending);
    if (ending.kind == GG_OUTCOME_SUCCEEDED || ending.kind == GG_OUTCOME_FAILED ||
        ending.kind == GG_OUTCOME_REJECTED) {
        /* An exit in the midst of an attempt is no outcome, whatever its status. */
        ending.kind = GG_OUTCOME_CRASHED;
        if (ending.exit_status == 0) {
            gg_ending_set_text(
                &ending, gg_slice_text("the handler ended its process, status 0"));
        }
    }
    if (executor->broken) {
        gg_ending_set_text(&ending,
                           gg_slice_text("the executor did not keep to its protocol"));
    }
    char reason[GG_ENDING_TEXT_BYTES];
    (void)snprintf(reason, sizeof reason, "%s", ending.text);
    if (executor->fence != 0) {
        end_attempt(executor, &ending);
    }
    executor->hooks.died(executor->hooks.ctx, executor->index, reason);
    destroy(executor);
}

static void on_report(struct gg_child *child, const struct gg_keeper_report *report)
{
    struct gg_executor *executor = child->ctx;
    if (report->op == GG_KEEPER_ENDED) {
        if (executor->socket.fd >= 0) {
            on_socket(&executor->socket, EPOLLIN); /* What it said last. */
        }
        on_end(executor, report);
    } else if (report->op == GG_KEEPER_FAILED) {
        struct gg_ending ending;
        gg_ending_not_started("cannot start an executor", report->error, &ending);
        executor->hooks.died(executor->hooks.ctx, executor->index, ending.text);
        destroy(executor);
    }
}

/* ---- its beginning ---- */

static struct gg_executor *make(const struct gg_run_world *world,
                                const struct gg_executor_hooks *hooks, uint32_t index)
{
    struct gg_executor *executor = calloc(1, sizeof *executor);
    if (executor != NULL) {
        executor->world = world;
        executor->hooks = *hooks;
        executor->index = index;
        executor->child = (struct gg_child){.on_report = on_report, .ctx = executor};
        executor->socket = (struct gg_listener){
            .fd = -1, .ready = on_socket, .ctx = executor};
        executor->errors = (struct gg_listener){
            .fd = -1, .ready = on_errors, .ctx = executor};
        gg_buf_init(&executor->in, MESSAGE_SPARE_BYTES);
        gg_buf_init(&executor->out, SIZE_MAX / 2);
    }
    return executor;
}

enum gg_err gg_executor_start(const struct gg_run_world *world,
                              const struct gg_executor_hooks *hooks,
                              const char *const *arguments, uint32_t index,
                              struct gg_executor **out_executor)
{
    struct gg_executor *executor = make(world, hooks, index);
    int pair[2] = {-1, -1};
    int errors[2] = {-1, -1};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (executor == NULL) {
        (void)close(null);
        return GG_ERR_NO_MEMORY;
    }
    enum gg_err err = GG_ERR_SYSTEM;
    if (null >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
        pipe2(errors, O_CLOEXEC) == 0 && fcntl(errors[0], F_SETFL, O_NONBLOCK) == 0) {
        struct gg_child_spec spec = {.folder = "",
                                     .arguments = arguments,
                                     .fds = {null, errors[1], errors[1], pair[1]}};
        err = gg_listener_open(world->poller, &executor->socket, pair[0], EPOLLIN);
        pair[0] = -1;
        if (err == GG_OK) {
            err = gg_listener_open(world->poller, &executor->errors, errors[0],
                                   EPOLLIN);
            errors[0] = -1;
        }
        if (err == GG_OK) {
            err = gg_child_start(world->keeper, &executor->child, &spec);
        }
    }
    int left[] = {null, pair[0], pair[1], errors[0], errors[1]};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        if (left[i] >= 0) {
            (void)close(left[i]);
        }
    }
    if (err != GG_OK) {
        destroy(executor);
        return err;
    }
    *out_executor = executor;
    return GG_OK;
}

enum gg_err gg_executor_begin(struct gg_executor *executor,
                              const struct gg_run_spec *spec)
{
    struct gg_assign assign;
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    assign.id = spec->id;
    assign.fence = spec->fence;
    assign.pool = 1;
    assign.attempt = spec->attempt;
    assign.queue = spec->queue;
    assign.payload = gg_blob_slice(spec->payload);
    assign.realm = spec->realm;
    assign.key = spec->key;
    assign.run_timeout_ms = spec->run_timeout_ms;
    assign.checkpoint = spec->checkpoint;
    assign.attempts_max = spec->attempts_max;
    gg_tail_clear(&executor->tail);
    enum gg_err err = queue(executor, GG_CMD_ASSIGN, &assign);
    if (err != GG_OK) {
        return err;
    }
    executor->fence = spec->fence;
    executor->result_bytes_max = spec->result_bytes_max;
    executor->in.max = (size_t)spec->result_bytes_max * 2 + MESSAGE_SPARE_BYTES;
    gg_child_lease(executor->world->keeper, &executor->child, spec->deadline_ms);
    executor->world->hooks.started(executor->world->hooks.ctx, spec->fence);
    return GG_OK;
}

void gg_executor_stop(struct gg_executor *executor, uint64_t grace_ms)
{
    struct gg_stop_info stop = {
        .fence = executor->fence, .reason = GG_STOP_CANCELLED, .grace_ms = grace_ms};
    memset(stop.id.bytes, 0xff, sizeof stop.id.bytes);
    if (grace_ms > 0 && executor->socket.fd >= 0) {
        (void)queue(executor, GG_CMD_STOP, &stop);
    }
    gg_child_stop(executor->world->keeper, &executor->child, 0, grace_ms);
}

void gg_executor_lease(struct gg_executor *executor, int64_t deadline_ms)
{
    gg_child_lease(executor->world->keeper, &executor->child, deadline_ms);
}

void gg_executor_drop(struct gg_executor **executor_p)
{
    if (*executor_p != NULL) {
        destroy(*executor_p);
        *executor_p = NULL;
    }
}
