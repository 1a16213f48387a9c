/* executor.c - the loop of an executor: take an attempt, run the handler, report.
 *
 * The other side is worker/exec/executor.c. Blocking and single-threaded: while the
 * handler runs nothing else happens here, but for ganger_job_cancelled() looking into
 * the socket. Frames are messages of common/codec.h behind four bytes of length
 * (common/handler_wire.h). Several jobs may have come at once; each outcome leaves
 * before the next job begins, so that whatever becomes of this process, the agent knows
 * which of them it was about.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handler_wire.h"
#include "worker/lib/job.h"

enum {
    LENGTH_BYTES = GG_HANDLER_LENGTH_BYTES,
    PIECE_BYTES = 65536,
    SPIN_US = 50,       /* A look for more work before sleeping. */
    LOOK_US = 1000,     /* For stops, before a job is begun. */
    FULL_WAIT_MS = 500, /* For room in the ring, before the socket is looked at. */
    EXIT_PROTOCOL = 76, /* EX_PROTOCOL */
    EXIT_CONFIG = 78,   /* EX_CONFIG */
};

bool gg_executor_encode(struct gg_buf *out, enum gg_command_code code,
                        const void *record)
{
    static const uint8_t room[LENGTH_BYTES + GG_PREFIX_BYTES];
    const struct gg_header header = {
        .version = GG_PROTOCOL_VERSION, .type = GG_MESSAGE_COMMANDS, .session = 1};
    gg_buf_clear(out);
    gg_buf_append(out, room, sizeof room);
    gg_command_write(out, code, 0, record, NULL);
    if (out->failed) {
        return false;
    }
    size_t len = out->len - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++) {
        out->data[i] = (uint8_t)(len >> (8 * (LENGTH_BYTES - 1 - i)));
    }
    gg_prefix_write(&header, 1, out->data + LENGTH_BYTES);
    return true;
}

static bool put_in_socket(struct gg_executor_link *link, struct gg_slice bytes)
{
    for (size_t done = 0; done < bytes.len && !link->closed;) {
        ssize_t put = send(link->fd, bytes.data + done, bytes.len - done, MSG_NOSIGNAL);
        link->closed = put < 0 && errno != EINTR;
        done += put > 0 ? (size_t)put : 0;
    }
    return !link->closed;
}

static bool put_in_ring(struct gg_executor_link *link, struct gg_slice bytes)
{
    static const uint8_t bell = GG_HANDLER_BELL;
    bool sleeps = false;
    size_t put = gg_ring_put(&link->ring, bytes, &sleeps);
    while (!sleeps || put_in_socket(link, gg_slice_of(&bell, 1))) {
        if (put == bytes.len) {
            return true;
        }
        bytes = gg_slice_of(bytes.data + put, bytes.len - put);
        gg_ring_wait(&link->ring, FULL_WAIT_MS);
        (void)gg_executor_read(link, false); /* Is the agent still there? */
        if (link->closed) {
            return false;
        }
        put = gg_ring_put(&link->ring, bytes, &sleeps);
    }
    return false;
}

bool gg_executor_put(struct gg_executor_link *link, struct gg_slice bytes)
{
    return link->ring.page != NULL ? put_in_ring(link, bytes)
                                   : put_in_socket(link, bytes);
}

bool gg_executor_send(struct gg_executor_link *link, enum gg_command_code code,
                      const void *record)
{
    return gg_executor_encode(&link->out, code, record) &&
           gg_executor_put(link, gg_buf_slice(&link->out));
}

/* Bytes of the message at `at`, its length included; 0: it is not there whole. */
static size_t frame_at(const struct gg_executor_link *link, size_t at,
                       bool *out_is_stop)
{
    const uint8_t *head = link->in.data + at;
    if (link->in.len - at < LENGTH_BYTES) {
        return 0;
    }
    size_t len = (size_t)(head[0] & ~GG_HANDLER_STOP_MARK) << 24 |
                 (size_t)head[1] << 16 | (size_t)head[2] << 8 | (size_t)head[3];
    *out_is_stop = (head[0] & GG_HANDLER_STOP_MARK) != 0;
    return link->in.len - at - LENGTH_BYTES < len ? 0 : LENGTH_BYTES + len;
}

/* Which attempt shall be given up? */
static void note_stop(struct gg_executor_link *link, struct gg_slice frame)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(frame, (struct gg_slice){0}, &message, &fault) == GG_OK &&
        gg_message_next(&message, &command, &fault) && fault.err == GG_OK &&
        command.code == GG_CMD_STOP) {
        link->stops[link->stop_count++ % GG_STOPS_MAX] = (struct gg_stop_order){
            .fence = command.as.stop.fence,
            .withdrawn = command.as.stop.reason == GG_STOP_WITHDRAWN};
    }
}

/* Look for stops among what has arrived; jobs stay where they are. */
static void note_stops(struct gg_executor_link *link)
{
    bool is_stop = false;
    size_t used = frame_at(link, link->noted, &is_stop);
    while (used > 0) {
        if (is_stop) {
            note_stop(link, gg_slice_of(link->in.data + link->noted + LENGTH_BYTES,
                                        used - LENGTH_BYTES));
        }
        link->noted += used;
        used = frame_at(link, link->noted, &is_stop);
    }
}

bool gg_executor_is_stopped(const struct gg_executor_link *link, uint64_t fence,
                            bool begun)
{
    for (int i = 0; i < GG_STOPS_MAX; i++) {
        if (link->stops[i].fence == fence && !(begun && link->stops[i].withdrawn)) {
            return true;
        }
    }
    return false;
}

/* What has been dealt with makes room. */
static void compact(struct gg_executor_link *link)
{
    if (link->at > 0) {
        memmove(link->in.data, link->in.data + link->at, link->in.len - link->at);
        gg_buf_cut(&link->in, link->in.len - link->at);
        link->noted -= link->at;
        link->at = 0;
    }
}

bool gg_executor_read(struct gg_executor_link *link, bool wait)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t got = 0;
    if (link->closed) {
        return false;
    }
    do {
        got = recv(link->fd, piece, sizeof piece, wait ? 0 : MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return false;
    }
    if (got > 0) {
        compact(link);
        gg_buf_append(&link->in, piece, (size_t)got);
        note_stops(link);
    }
    link->closed = got <= 0 || link->in.failed;
    return !link->closed;
}

/* Look for more work for a short while before sleeping, while it pays. */
static void look_again(struct gg_executor_link *link)
{
    if (!gg_spin_wanted(&link->spin)) {
        return;
    }
    int64_t end_us = gg_mono_us() + SPIN_US;
    bool found = false;
    do {
        (void)sched_yield(); /* Who has work goes first. */
        found = gg_executor_read(link, false);
    } while (!found && !link->closed && gg_mono_us() < end_us);
    gg_spin_learn(&link->spin, found);
}

/* The next job, waiting for it; valid until the next read. False: the agent is gone. */
static bool next_frame(struct gg_executor_link *link, struct gg_slice *out_frame)
{
    for (;;) {
        bool is_stop = false;
        size_t used = frame_at(link, link->at, &is_stop);
        if (used == 0) {
            size_t before = link->in.len - link->at;
            look_again(link);
            if (link->in.len - link->at == before && !gg_executor_read(link, true)) {
                return false;
            }
            continue;
        }
        *out_frame = gg_slice_of(link->in.data + link->at + LENGTH_BYTES,
                                 used - LENGTH_BYTES);
        link->at += used;
        if (!is_stop) {
            return true;
        }
    }
}

/* Read the assignment from the job's own copy of its frame. */
static bool open_job(ganger_job *job)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(gg_buf_slice(&job->link->held), (struct gg_slice){0}, &message,
                        &fault) != GG_OK ||
        !gg_message_next(&message, &command, &fault) || fault.err != GG_OK ||
        command.code != GG_CMD_ASSIGN) {
        return false;
    }
    job->assign = command.as.assign;
    gg_id_format(&job->assign.id, job->id);
    gg_slice_copy(job->assign.queue, job->queue, sizeof job->queue);
    gg_slice_copy(job->assign.realm, job->realm, sizeof job->realm);
    return true;
}

/* Was it stopped before its turn came, or is it later than it may begin? The agent
 * would have asked for it back, but may be stopped itself. */
static bool is_withdrawn(struct gg_executor_link *link, const struct gg_assign *assign)
{
    int64_t now_us = gg_mono_us();
    if (now_us - link->looked_us >= LOOK_US) { /* The one before was not short. */
        link->looked_us = now_us;
        link->looked_ms = gg_mono_now().ms;
        (void)gg_executor_read(link, false);
    }
    if (assign->start_within_ms != 0 &&
        assign->start_within_ms <= (uint64_t)link->looked_ms) {
        return true;
    }
    return link->stop_count > 0 && gg_executor_is_stopped(link, assign->fence, false);
}

static void hand_back(const ganger_job *job)
{
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = job->assign.id;
    outcome.fence = job->assign.fence;
    outcome.kind = GG_OUTCOME_HANDED_BACK;
    outcome.never_started = true;
    (void)gg_executor_send(job->link, GG_CMD_OUTCOME, &outcome);
}

static void run_job(ganger_job *job, const struct ganger_handler *handler)
{
    int status = handler->run(job);
    if (job->reported) {
        /* Only now: from here on the agent counts the next job as begun. */
    } else if (status == 0) {
        (void)ganger_job_succeed(job, NULL, 0);
    } else {
        char why[64];
        (void)snprintf(why, sizeof why, "the handler returned %d", status);
        (void)ganger_job_fail(job, why);
    }
    if (!job->link->outcome.failed) {
        (void)gg_executor_put(job->link, gg_buf_slice(&job->link->outcome));
    }
}

static bool serve_one(struct gg_executor_link *link,
                      const struct ganger_handler *handler)
{
    struct gg_slice frame;
    if (!next_frame(link, &frame)) {
        return false;
    }
    ganger_job job = {.link = link};
    gg_buf_clear(&link->held);
    gg_buf_clear(&link->outcome);
    gg_buf_append(&link->held, frame.data, frame.len);
    if (link->held.failed || !open_job(&job)) {
        return false;
    }
    if (is_withdrawn(link, &job.assign)) {
        hand_back(&job);
    } else {
        run_job(&job, handler);
    }
    return !link->outcome.failed;
}

/* The ring takes the place of standard input, which is empty from here on. */
static void open_ring(struct gg_executor_link *link)
{
    if (gg_ring_open(&link->ring, GG_HANDLER_RING_FD, 0) != GG_OK) {
        return; /* The agent has made none. */
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, GG_HANDLER_RING_FD);
        (void)close(null);
    }
}

int ganger_executor_main(int fd, const struct ganger_handler *handler)
{
    struct gg_executor_link link = {.fd = fd};
    struct gg_heartbeat ready;
    if (handler->abi != GANGER_HANDLER_ABI || handler->run == NULL) {
        (void)fprintf(stderr, "the handler speaks ABI %u, this library %u\n",
                      (unsigned)handler->abi, (unsigned)GANGER_HANDLER_ABI);
        return EXIT_CONFIG;
    }
    gg_buf_init(&link.in, SIZE_MAX / 2);
    gg_buf_init(&link.out, SIZE_MAX / 2);
    gg_buf_init(&link.held, SIZE_MAX / 2);
    gg_buf_init(&link.outcome, SIZE_MAX / 2);
    open_ring(&link);
    if (handler->open != NULL && handler->open() != 0) {
        (void)fprintf(stderr, "the handler's open() failed\n");
        return EXIT_CONFIG;
    }
    gg_record_default(GG_RECORD_HEARTBEAT, &ready);
    bool good = gg_executor_send(&link, GG_CMD_HEARTBEAT, &ready);
    while (good && serve_one(&link, handler)) {
    }
    if (handler->close != NULL) {
        handler->close();
    }
    gg_buf_fini(&link.in);
    gg_buf_fini(&link.out);
    gg_buf_fini(&link.held);
    gg_buf_fini(&link.outcome);
    gg_ring_close(&link.ring);
    return link.closed ? 0 : EXIT_PROTOCOL;
}
