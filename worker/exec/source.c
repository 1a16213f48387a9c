#include "worker/exec/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/assert.h"
#include "worker/exec/tail.h"

enum { PIECE_BYTES = 65536, READS_MAX = 4, LINE_BYTES_MAX = 256 };

struct gg_source_process {
    const struct gg_run_world *world;
    struct gg_source_hooks hooks;
    uint32_t index;
    struct gg_child child;
    struct gg_listener errors;
    struct gg_listener says;
    char line[LINE_BYTES_MAX];
    size_t line_len; /* LINE_BYTES_MAX: it is too long to mean anything. */
    struct gg_tail tail;
};

static void destroy(struct gg_source_process *source)
{
    gg_listener_close(source->world->poller, &source->errors);
    gg_listener_close(source->world->poller, &source->says);
    free(source);
}

/* ---- what it says ---- */

static void take_line(struct gg_source_process *source)
{
    bool ready = source->line_len == 5 && memcmp(source->line, "ready", 5) == 0;
    bool alive = source->line_len == 5 && memcmp(source->line, "alive", 5) == 0;
    source->line_len = 0;
    if (ready || alive) {
        source->hooks.said(source->hooks.ctx, source->index, ready);
    }
}

static void take_bytes(struct gg_source_process *source, const uint8_t *bytes,
                       size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            take_line(source);
        } else if (source->line_len < LINE_BYTES_MAX) {
            source->line[source->line_len++] = (char)bytes[i];
        }
    }
}

static void read_pipe(struct gg_source_process *source, struct gg_listener *watch)
{
    uint8_t piece[PIECE_BYTES];
    for (int i = 0; i < READS_MAX && watch->fd >= 0; i++) {
        ssize_t got = read(watch->fd, piece, sizeof piece);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            gg_listener_close(source->world->poller, watch);
        }
        if (got <= 0) {
            return;
        }
        GG_ASSERT((size_t)got <= sizeof piece); /* The compiler cannot know. */
        if (watch == &source->says) {
            take_bytes(source, piece, (size_t)got);
            continue;
        }
        gg_tail_push(&source->tail, gg_slice_of(piece, (size_t)got));
        if (source->world->verbose) {
            (void)!write(STDERR_FILENO, piece, (size_t)got);
        }
    }
}

static void on_pipe(struct gg_listener *watch, uint32_t events)
{
    (void)events;
    read_pipe(watch->ctx, watch);
}

/* ---- its end ---- */

static void on_report(struct gg_child *child, const struct gg_keeper_report *report)
{
    struct gg_source_process *source = child->ctx;
    struct gg_ending ending;
    if (report->op == GG_KEEPER_STARTED) {
        return;
    }
    if (report->op == GG_KEEPER_FAILED) {
        char stage[128];
        (void)snprintf(stage, sizeof stage, "cannot start it%s",
                       gg_keeper_stage_text(report->stage));
        gg_ending_not_started(stage, report->error, &ending);
    } else {
        read_pipe(source, &source->says);
        read_pipe(source, &source->errors);
        const struct gg_process_facts facts = {
            .wait_status = report->status,
            .keeper_killed = report->keeper_killed != 0,
            .keeper_lost = report->keeper_lost != 0,
            .output = gg_tail_slice(&source->tail),
        };
        gg_ending_judge(&facts, &ending);
    }
    bool good = ending.kind == GG_OUTCOME_SUCCEEDED;
    source->hooks.ended(source->hooks.ctx, source->index, good,
                        good ? "exit status 0" : ending.text);
    destroy(source);
}

/* ---- its beginning ---- */

/* A pipe whose reading end is ours; *out_theirs is the other. */
static enum gg_err open_pipe(struct gg_source_process *source,
                             struct gg_listener *watch, int *out_theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return GG_ERR_SYSTEM;
    }
    *out_theirs = ends[1];
    *watch = (struct gg_listener){.fd = -1, .ready = on_pipe, .ctx = source};
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        (void)close(ends[0]);
        return GG_ERR_SYSTEM;
    }
    return gg_listener_open(source->world->poller, watch, ends[0], EPOLLIN);
}

static enum gg_err start_child(struct gg_source_process *source,
                               const struct gg_source_spec *spec)
{
    int fds[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), -1, -1};
    enum gg_err err = fds[0] < 0 ? GG_ERR_SYSTEM : GG_OK;
    err = err == GG_OK ? open_pipe(source, &source->errors, &fds[1]) : err;
    err = err == GG_OK ? open_pipe(source, &source->says, &fds[2]) : err;
    if (err == GG_OK) {
        const struct gg_child_spec child = {
            .folder = "",
            .arguments = spec->arguments,
            .variables = spec->variables,
            .cage = spec->cage,
            .fds = {fds[0], fds[1], fds[1], fds[2]},
        };
        err = gg_child_start(source->world->keeper, &source->child, &child);
    }
    int kept = errno;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    errno = kept;
    return err;
}

enum gg_err gg_source_start(const struct gg_run_world *world,
                            const struct gg_source_hooks *hooks,
                            const struct gg_source_spec *spec,
                            struct gg_source_process **out_source)
{
    struct gg_source_process *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    source->world = world;
    source->hooks = *hooks;
    source->index = spec->index;
    source->errors.fd = -1;
    source->says.fd = -1;
    source->child = (struct gg_child){.on_report = on_report, .ctx = source};
    enum gg_err err = start_child(source, spec);
    if (err != GG_OK) {
        int kept = errno;
        destroy(source);
        errno = kept;
        return err;
    }
    *out_source = source;
    return GG_OK;
}

void gg_source_stop(struct gg_source_process *source, uint64_t grace_ms)
{
    gg_child_stop(source->world->keeper, &source->child, grace_ms > 0 ? SIGTERM : 0,
                  grace_ms);
}

uint64_t gg_source_number(const struct gg_source_process *source)
{
    return source->child.number;
}

void gg_source_drop(struct gg_source_process **source_p)
{
    if (*source_p != NULL) {
        destroy(*source_p);
        *source_p = NULL;
    }
}
