#include "worker/exec/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/exec/folder.h"
#include "worker/exec/tail.h"

enum {
    PIECE_BYTES = 65536,  /* One read. */
    TURN_READS_MAX = 4,   /* Reads of one pipe in one turn. */
    FINAL_READS_MAX = 32, /* After the end: what a full pipe can still hold. */
    VARIABLES_MAX = 12,
};

enum stream { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAM_SAY, STREAM_COUNT };

struct gg_program {
    const struct gg_run_world *world;
    struct gg_child child;
    uint64_t fence;
    char name[64]; /* For texts: the program as it was asked for. */
    struct gg_listener streams[STREAM_COUNT];
    struct gg_blob *payload;
    size_t fed;
    bool starved; /* Its payload could not be written to the end. */
    struct gg_buf result;
    bool result_too_large;
    uint64_t result_bytes_max;
    uint64_t ran_out_bytes; /* Limit of its cgroup's memory. */
    struct gg_tail tail;
    struct gg_lines lines;
    bool snoozed;
    uint64_t snooze_ms;
    bool warned;
    bool begun;             /* It has been told that it runs. */
    uint64_t folder_number; /* 0: an agent before us has made it. */
    char folder[GG_FOLDER_BYTES];
};

static void destroy(struct gg_program *program)
{
    for (int i = 0; i < STREAM_COUNT; i++) {
        gg_listener_close(program->world->poller, &program->streams[i]);
    }
    gg_blob_unref(&program->payload);
    gg_buf_fini(&program->result);
    gg_lines_fini(&program->lines);
    free(program);
}

/* ---- what it says ---- */

/* It may have something to say before the keeper tells of it. */
static void tell_begun(struct gg_program *program)
{
    const struct gg_run_hooks *hooks = &program->world->hooks;
    if (!program->begun) {
        program->begun = true;
        hooks->started(hooks->ctx, program->fence);
    }
}

static void on_line(void *ctx, const struct gg_line *line)
{
    struct gg_program *program = ctx;
    if (line->kind == GG_LINE_SNOOZE) {
        program->snoozed = true;
        program->snooze_ms = line->ms;
        return;
    }
    const struct gg_run_hooks *hooks = &program->world->hooks;
    tell_begun(program);
    hooks->said(hooks->ctx, program->fence, line);
}

static void take_result(struct gg_program *program, struct gg_slice bytes)
{
    if (program->result_too_large) {
        return;
    }
    gg_buf_append(&program->result, bytes.data, bytes.len);
    if (program->result.failed) {
        program->result_too_large = true;
        gg_buf_fini(&program->result);
        gg_child_stop(program->world->keeper, &program->child, 0, 0);
    }
}

static void take(struct gg_program *program, enum stream stream, struct gg_slice bytes)
{
    if (stream == STREAM_OUT) {
        take_result(program, bytes);
    } else if (stream == STREAM_ERR) {
        gg_tail_push(&program->tail, bytes);
        if (program->world->verbose) {
            (void)!write(STDERR_FILENO, bytes.data, bytes.len);
        }
    } else {
        gg_lines_push(&program->lines, bytes, on_line, program);
        if (program->lines.bad_count > 0 && !program->warned) {
            program->warned = true;
            gg_log(GG_LOG_WARN, "bad_line",
                   "fence=%llu program=\"%s\" reason=\"a line on descriptor 3 is not "
                   "understood\"",
                   (unsigned long long)program->fence, program->name);
        }
    }
}

/* Read at most `reads` pieces; closes the stream at its end. */
static void read_stream(struct gg_program *program, enum stream stream, int reads)
{
    uint8_t piece[PIECE_BYTES];
    struct gg_listener *watch = &program->streams[stream];
    for (int i = 0; i < reads && watch->fd >= 0; i++) {
        ssize_t got = read(watch->fd, piece, sizeof piece);
        if (got > 0) {
            take(program, stream, gg_slice_of(piece, (size_t)got));
        }
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            gg_listener_close(program->world->poller, watch);
        }
        if (got < (ssize_t)sizeof piece) {
            return;
        }
    }
}

static void on_stream(struct gg_listener *watch, uint32_t events)
{
    struct gg_program *program = watch->ctx;
    (void)events;
    read_stream(program, (enum stream)(watch - program->streams), TURN_READS_MAX);
}

/* Standard input takes some: a reader that has gone is no fault. Whoever gets half of
 * his payload for all of it may do half of the work: that is no success. */
static void on_input(struct gg_listener *watch, uint32_t events)
{
    struct gg_program *program = watch->ctx;
    struct gg_slice payload = gg_blob_slice(program->payload);
    (void)events;
    while (program->fed < payload.len) {
        ssize_t put = write(watch->fd, payload.data + program->fed,
                            payload.len - program->fed);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && errno == EAGAIN) {
            return;
        }
        if (put < 0) {
            program->starved = errno != EPIPE;
            break;
        }
        program->fed += (size_t)put;
    }
    gg_listener_close(program->world->poller, watch);
    gg_blob_unref(&program->payload);
}

/* ---- its end ---- */

static void finish(struct gg_program *program, struct gg_ending *ending)
{
    const struct gg_run_hooks hooks = program->world->hooks;
    uint64_t fence = program->fence;
    gg_folder_leave(program->world, program->folder, program->folder_number,
                    gg_mono_now());
    hooks.ended(hooks.ctx, fence, ending);
    gg_blob_unref(&ending->result);
    destroy(program);
}

static void on_ended(struct gg_program *program, const struct gg_keeper_report *report)
{
    struct gg_ending ending;
    for (enum stream stream = STREAM_OUT; stream <= STREAM_SAY; stream++) {
        read_stream(program, stream, FINAL_READS_MAX);
    }
    gg_lines_end(&program->lines, on_line, program);
    struct gg_process_facts facts = {
        .wait_status = report->status,
        .keeper_killed = report->keeper_killed != 0,
        .keeper_lost = report->keeper_lost != 0,
        .ran_out_bytes = report->ran_out != 0 ? program->ran_out_bytes : 0,
        .result_too_large = program->result_too_large,
        .result_bytes_max = program->result_bytes_max,
        .snoozed = program->snoozed,
        .snooze_ms = program->snooze_ms,
        .output = gg_tail_slice(&program->tail),
    };
    gg_ending_judge(&facts, &ending);
    ending.output = facts.output;
    if (ending.kind == GG_OUTCOME_SUCCEEDED && program->starved) {
        ending.kind = GG_OUTCOME_FAILED;
        gg_ending_set_text(&ending,
                           gg_slice_text("its payload could not be passed to it"));
    }
    if (ending.kind == GG_OUTCOME_SUCCEEDED && program->result.len > 0) {
        ending.result = gg_blob_new(gg_buf_slice(&program->result));
        if (ending.result == NULL) {
            ending.kind = GG_OUTCOME_FAILED;
            gg_ending_set_text(&ending,
                               gg_slice_text("the agent has no memory for the result"));
        }
    }
    finish(program, &ending);
}

static void on_report(struct gg_child *child, const struct gg_keeper_report *report)
{
    struct gg_program *program = child->ctx;
    if (report->op == GG_KEEPER_STARTED) {
        tell_begun(program);
    } else if (report->op == GG_KEEPER_FAILED) {
        char stage[128];
        struct gg_ending ending;
        (void)snprintf(stage, sizeof stage, "cannot start %s%s", program->name,
                       gg_keeper_stage_text(report->stage));
        gg_ending_not_started(stage, report->error, &ending);
        finish(program, &ending);
    } else {
        on_ended(program, report);
    }
}

/* ---- its beginning ---- */

/* The variables of an attempt, one after the other, and where each begins. */
struct environment {
    struct gg_buf texts;
    size_t starts[VARIABLES_MAX];
    size_t count;
    const char *variables[VARIABLES_MAX + 1];
};

/* A value with a NUL in it cannot be in an environment: it is left out. */
static void add_bytes(struct environment *env, const char *name, struct gg_slice value)
{
    if (value.len > 0 && memchr(value.data, '\0', value.len) != NULL) {
        return;
    }
    env->starts[env->count++] = env->texts.len;
    gg_buf_append(&env->texts, name, strlen(name));
    gg_buf_append(&env->texts, "=", 1);
    gg_buf_append(&env->texts, value.data, value.len);
    gg_buf_append(&env->texts, "", 1);
}

static void add_number(struct environment *env, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    add_bytes(env, name, gg_slice_text(text));
}

static bool make_environment(struct environment *env, const struct gg_run_spec *spec,
                             const char *folder)
{
    char id[GG_ID_TEXT_BYTES];
    char deadline[GG_WALL_TEXT_BYTES] = "";
    gg_id_format(&spec->id, id);
    if (spec->run_timeout_ms > 0) {
        gg_wall_format((struct gg_wall){spec->now.ms + (int64_t)spec->run_timeout_ms},
                       deadline);
    }
    *env = (struct environment){.count = 0};
    gg_buf_init(&env->texts, GG_KEEPER_TEXT_BYTES_MAX);
    add_bytes(env, "GANGER_JOB_ID", gg_slice_text(id));
    add_bytes(env, "GANGER_REALM", spec->realm);
    add_bytes(env, "GANGER_QUEUE", spec->queue);
    add_bytes(env, "GANGER_KEY", spec->key);
    add_number(env, "GANGER_ATTEMPT", spec->attempt);
    add_number(env, "GANGER_FENCE", spec->fence);
    add_bytes(env, "GANGER_DEADLINE", gg_slice_text(deadline));
    add_bytes(env, "GANGER_CHECKPOINT", spec->checkpoint);
    add_bytes(env, "TMPDIR", gg_slice_text(folder));
    for (size_t i = 0; i < env->count && !env->texts.failed; i++) {
        env->variables[i] = (const char *)env->texts.data + env->starts[i];
    }
    return !env->texts.failed;
}

/* A pipe: one end is ours, non-blocking and watched, the other the job's. */
static bool open_stream(struct gg_program *program, enum stream stream, int *out_theirs)
{
    int ends[2];
    bool input = stream == STREAM_IN;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    int ours = input ? ends[1] : ends[0];
    *out_theirs = input ? ends[0] : ends[1];
    struct gg_listener *watch = &program->streams[stream];
    watch->ctx = program;
    watch->ready = input ? on_input : on_stream;
    if (fcntl(ours, F_SETFL, O_NONBLOCK) != 0) {
        (void)close(ours);
        return false;
    }
    return gg_listener_open(program->world->poller, watch, ours,
                            input ? EPOLLOUT : EPOLLIN) == GG_OK;
}

static enum gg_err start_child(struct gg_program *program, const char *const *arguments,
                               const struct gg_run_spec *spec)
{
    struct environment env;
    struct gg_child_spec child = {.folder = "",
                                  .arguments = arguments,
                                  .fds = {-1, -1, -1, -1},
                                  .deadline_ms = spec->deadline_ms};
    if (spec->style != NULL) {
        child.cage = spec->style->cage;
        child.more_variables = spec->style->variables;
    }
    enum gg_err err = GG_OK;
    for (int i = 0; i < STREAM_COUNT && err == GG_OK; i++) {
        err = open_stream(program, (enum stream)i, &child.fds[i]) ? GG_OK
                                                                  : GG_ERR_SYSTEM;
    }
    if (err == GG_OK) {
        err = make_environment(&env, spec, program->folder) ? GG_OK : GG_ERR_TOO_LARGE;
        child.variables = env.variables;
        if (err == GG_OK) {
            err = gg_child_start(program->world->keeper, &program->child, &child);
        }
        gg_buf_fini(&env.texts);
    }
    int kept = errno;
    for (int i = 0; i < STREAM_COUNT; i++) {
        if (child.fds[i] >= 0) {
            (void)close(child.fds[i]);
        }
    }
    errno = kept;
    return err;
}

static struct gg_program *make(const struct gg_run_world *world,
                               const struct gg_run_spec *spec, const char *name)
{
    struct gg_program *program = malloc(sizeof *program);
    if (program == NULL) {
        return NULL;
    }
    /* Not in one piece: the tail is large and needs no zeros. */
    program->world = world;
    program->child = (struct gg_child){.on_report = on_report, .ctx = program};
    program->fence = spec->fence;
    program->payload = spec->payload == NULL ? NULL : gg_blob_ref(spec->payload);
    program->fed = 0;
    program->starved = false;
    program->result_too_large = false;
    program->result_bytes_max = spec->result_bytes_max;
    program->ran_out_bytes = 0;
    if (spec->style != NULL && spec->style->cage != NULL) {
        program->ran_out_bytes = spec->style->cage->cgroup_memory_bytes;
    }
    program->snoozed = false;
    program->snooze_ms = 0;
    program->warned = false;
    program->begun = false;
    program->folder[0] = '\0';
    program->folder_number = 0;
    gg_buf_init(&program->result, (size_t)spec->result_bytes_max);
    gg_tail_clear(&program->tail);
    gg_lines_init(&program->lines);
    (void)snprintf(program->name, sizeof program->name, "%s", name);
    for (int i = 0; i < STREAM_COUNT; i++) {
        program->streams[i] = (struct gg_listener){.fd = -1};
    }
    return program;
}

enum gg_err gg_program_begin(const struct gg_run_world *world,
                             const char *const *arguments,
                             const struct gg_run_spec *spec,
                             struct gg_program **out_program,
                             struct gg_ending *out_ending)
{
    struct gg_program *program = make(world, spec, arguments[0]);
    if (program == NULL) {
        gg_ending_not_started("cannot start the program", ENOMEM, out_ending);
        return GG_ERR_NO_MEMORY;
    }
    const struct gg_cage *cage = spec->style == NULL ? NULL : spec->style->cage;
    if (gg_folder_take(world, cage, spec->fence, program->folder,
                       &program->folder_number) != GG_OK) {
        gg_ending_not_started("cannot make the folder of the attempt", errno,
                              out_ending);
        destroy(program);
        return GG_ERR_SYSTEM;
    }
    errno = EIO; /* Where the keeper has just gone. */
    enum gg_err err = start_child(program, arguments, spec);
    if (err != GG_OK) {
        gg_ending_not_started("cannot ask the keeper for the program",
                              err == GG_ERR_TOO_LARGE ? E2BIG : errno, out_ending);
        (void)rmdir(program->folder);
        destroy(program);
        return err;
    }
    *out_program = program;
    return GG_OK;
}

void gg_program_stop(struct gg_program *program, uint64_t grace_ms)
{
    gg_child_stop(program->world->keeper, &program->child, SIGTERM, grace_ms);
}

void gg_program_lease(struct gg_program *program, int64_t deadline_ms)
{
    gg_child_lease(program->world->keeper, &program->child, deadline_ms);
}

void gg_program_drop(struct gg_program **program_p)
{
    if (*program_p != NULL) {
        destroy(*program_p);
        *program_p = NULL;
    }
}

/* ---- handing over ---- */

uint64_t gg_program_number(const struct gg_program *program)
{
    return program->child.number;
}

void gg_program_save(const struct gg_program *program, struct gg_pack *pack)
{
    gg_child_save(&program->child, pack);
    gg_pack_bytes(pack, gg_slice_text(program->name));
    gg_pack_bytes(pack, gg_slice_text(program->folder));
    gg_pack_number(pack, program->result_bytes_max);
    gg_pack_number(pack, program->ran_out_bytes);
    for (int i = 0; i < STREAM_COUNT; i++) {
        gg_pack_fd(pack, program->streams[i].fd);
    }
    gg_pack_blob(pack, program->payload);
    gg_pack_number(pack, program->fed);
    gg_pack_number(pack, program->starved);
    gg_pack_bytes(pack, gg_buf_slice(&program->result));
    gg_pack_number(pack, program->result_too_large);
    gg_pack_bytes(pack, gg_tail_slice(&program->tail));
    gg_pack_bytes(pack, gg_buf_slice(&program->lines.held));
    gg_pack_number(pack, program->lines.skipping);
    gg_pack_number(pack, program->snoozed);
    gg_pack_number(pack, program->snooze_ms);
    gg_pack_number(pack, program->warned);
}

/* Watch the streams that were open; those that cannot be are closed. */
static bool take_streams(struct gg_program *program, struct gg_pack *pack)
{
    bool good = true;
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct gg_listener *watch = &program->streams[i];
        int fd = gg_unpack_fd(pack);
        watch->ctx = program;
        watch->ready = i == STREAM_IN ? on_input : on_stream;
        if (fd >= 0) {
            good = gg_listener_open(program->world->poller, watch, fd,
                                    i == STREAM_IN ? EPOLLOUT : EPOLLIN) == GG_OK &&
                   good;
        }
    }
    return good;
}

static void take_state(struct gg_program *program, struct gg_pack *pack)
{
    program->payload = gg_unpack_blob(pack);
    program->fed = (size_t)gg_unpack_number(pack);
    program->starved = gg_unpack_number(pack) != 0;
    struct gg_slice result = gg_unpack_bytes(pack);
    gg_buf_append(&program->result, result.data, result.len);
    program->result_too_large = gg_unpack_number(pack) != 0;
    gg_tail_push(&program->tail, gg_unpack_bytes(pack));
    struct gg_slice held = gg_unpack_bytes(pack);
    gg_buf_append(&program->lines.held, held.data, held.len);
    program->lines.skipping = gg_unpack_number(pack) != 0;
    program->snoozed = gg_unpack_number(pack) != 0;
    program->snooze_ms = gg_unpack_number(pack);
    program->warned = gg_unpack_number(pack) != 0;
}

struct gg_program *gg_program_restore(const struct gg_run_world *world, uint64_t fence,
                                      struct gg_pack *pack)
{
    struct gg_child child = {.on_report = on_report};
    char name[sizeof((struct gg_program *)0)->name];
    char folder[GG_FOLDER_BYTES];
    child.number = gg_unpack_number(pack);
    child.pid = (pid_t)gg_unpack_number(pack);
    gg_slice_copy(gg_unpack_bytes(pack), name, sizeof name);
    gg_slice_copy(gg_unpack_bytes(pack), folder, sizeof folder);
    const struct gg_run_spec spec = {.fence = fence,
                                     .result_bytes_max = gg_unpack_number(pack)};
    struct gg_program *program = make(world, &spec, name);
    if (program == NULL) {
        pack->bad = true;
        return NULL;
    }
    program->ran_out_bytes = gg_unpack_number(pack);
    memcpy(program->folder, folder, sizeof folder);
    program->child = child;
    program->child.ctx = program;
    bool good = take_streams(program, pack);
    take_state(program, pack);
    if (!good || pack->bad || !gg_child_adopt(world->keeper, &program->child)) {
        gg_child_disown(world->keeper, child.number, 0);
        gg_program_drop(&program);
    }
    return program;
}
