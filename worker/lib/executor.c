/* executor.c - the loop of an executor: take an attempt, run the handler, report.
 *
 * The other side is worker/exec/executor.c. Blocking and single-threaded: while the
 * handler runs nothing else happens here, but for ganger_job_cancelled() looking into
 * the socket. Frames are messages of common/codec.h behind four bytes of length.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/lib/job.h"

enum {
    LENGTH_BYTES = 4,
    PIECE_BYTES = 65536,
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

bool gg_executor_put(struct gg_executor_link *link, struct gg_slice bytes)
{
    for (size_t done = 0; done < bytes.len && !link->closed;) {
        ssize_t put = send(link->fd, bytes.data + done, bytes.len - done, MSG_NOSIGNAL);
        link->closed = put < 0 && errno != EINTR;
        done += put > 0 ? (size_t)put : 0;
    }
    return !link->closed;
}

bool gg_executor_send(struct gg_executor_link *link, enum gg_command_code code,
                      const void *record)
{
    return gg_executor_encode(&link->out, code, record) &&
           gg_executor_put(link, gg_buf_slice(&link->out));
}

/* One more read; false when there is nothing, or no more. */
static bool read_more(struct gg_executor_link *link, bool wait)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t got = 0;
    do {
        got = recv(link->fd, piece, sizeof piece, wait ? 0 : MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return false;
    }
    if (got > 0) {
        gg_buf_append(&link->in, piece, (size_t)got);
    }
    link->closed = got <= 0 || link->in.failed;
    return !link->closed;
}

/* The message at the front, if it is there whole. */
static bool take_frame(const struct gg_executor_link *link, struct gg_slice *out_frame)
{
    const uint8_t *head = link->in.data;
    if (link->in.len < LENGTH_BYTES) {
        return false;
    }
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 |
                 (size_t)head[3];
    *out_frame = gg_slice_of(head + LENGTH_BYTES, len);
    return link->in.len - LENGTH_BYTES >= len;
}

bool gg_executor_receive(struct gg_executor_link *link, bool wait,
                         struct gg_slice *out_frame)
{
    while (!link->closed) {
        if (take_frame(link, out_frame)) {
            return true;
        }
        if (!read_more(link, wait)) {
            return false;
        }
    }
    return false;
}

void gg_executor_consume(struct gg_executor_link *link, struct gg_slice frame)
{
    size_t used = LENGTH_BYTES + frame.len;
    memmove(link->in.data, link->in.data + used, link->in.len - used);
    gg_buf_cut(&link->in, link->in.len - used);
}

/* Read the assignment from the job's own copy of its frame. */
static bool open_job(ganger_job *job)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(gg_buf_slice(&job->held), (struct gg_slice){0}, &message,
                        &fault) != GG_OK ||
        !gg_message_next(&message, &command, &fault) || fault.err != GG_OK ||
        command.code != GG_CMD_ASSIGN) {
        return false; /* A stop that came too late. */
    }
    job->assign = command.as.assign;
    gg_id_format(&job->assign.id, job->id);
    gg_slice_copy(job->assign.queue, job->queue, sizeof job->queue);
    gg_slice_copy(job->assign.realm, job->realm, sizeof job->realm);
    return true;
}

static void run_job(ganger_job *job, const struct ganger_handler *handler)
{
    int status = handler->run(job);
    if (job->reported) {
        /* Only now: from here on the agent gives this process its next job. */
    } else if (status == 0) {
        (void)ganger_job_succeed(job, NULL, 0);
    } else {
        char why[64];
        (void)snprintf(why, sizeof why, "the handler returned %d", status);
        (void)ganger_job_fail(job, why);
    }
    if (!job->outcome.failed) {
        (void)gg_executor_put(job->link, gg_buf_slice(&job->outcome));
    }
}

static bool serve_one(struct gg_executor_link *link,
                      const struct ganger_handler *handler)
{
    struct gg_slice frame;
    if (!gg_executor_receive(link, true, &frame)) {
        return false;
    }
    ganger_job job = {.link = link};
    gg_buf_init(&job.held, SIZE_MAX / 2);
    gg_buf_init(&job.outcome, SIZE_MAX / 2);
    gg_buf_append(&job.held, frame.data, frame.len);
    gg_executor_consume(link, frame);
    if (!job.held.failed && open_job(&job)) {
        run_job(&job, handler);
    }
    bool good = !job.held.failed && !job.outcome.failed;
    gg_buf_fini(&job.held);
    gg_buf_fini(&job.outcome);
    return good;
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
    return link.closed ? 0 : EXIT_PROTOCOL;
}
