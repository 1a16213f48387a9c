#include "tests/integration/client/fake.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/clock.h"

enum { RUN_MS_MAX = 10000, TURN_MS_MAX = 50 };

void fake_start(struct fake *fake)
{
    int none = 0;
    fake->context = zmq_ctx_new();
    fake->router = zmq_socket(fake->context, ZMQ_ROUTER);
    assert_non_null(fake->router);
    (void)zmq_setsockopt(fake->router, ZMQ_LINGER, &none, sizeof none);
    /* A router drops what a peer does not take, and a script cannot wait for that. */
    (void)zmq_setsockopt(fake->router, ZMQ_SNDHWM, &none, sizeof none);
    const char *where = fake->endpoint[0] == '\0' ? "tcp://127.0.0.1:*"
                                                  : fake->endpoint;
    assert_int_equal(zmq_bind(fake->router, where), 0);
    size_t size = sizeof fake->endpoint;
    assert_int_equal(
        zmq_getsockopt(fake->router, ZMQ_LAST_ENDPOINT, fake->endpoint, &size), 0);
    fake->requests_max = fake->requests_max == 0 ? 10000 : fake->requests_max;
    fake->heartbeat_ms = fake->heartbeat_ms == 0 ? 1000 : fake->heartbeat_ms;
    fake->dead_after_ms = fake->dead_after_ms == 0 ? 3000 : fake->dead_after_ms;
    fake->epoch = fake->epoch == 0 ? 1 : fake->epoch;
    fake->session = 0;
}

void fake_stop(struct fake *fake)
{
    if (fake->router != NULL) {
        (void)zmq_close(fake->router);
        (void)zmq_ctx_term(fake->context);
        fake->router = NULL;
    }
}

void fake_forget(struct fake *fake)
{
    fake->session = 0;
}

static void send_as(struct fake *fake, enum gg_message_type type, uint64_t session,
                    enum gg_command_code code, uint64_t request, const void *record)
{
    static const uint8_t room[GG_PREFIX_BYTES];
    struct gg_slice large = {0};
    struct gg_buf bytes;
    gg_buf_init(&bytes, 1 << 26);
    gg_buf_append(&bytes, room, sizeof room);
    gg_command_write(&bytes, code, request, record, &large);
    const struct gg_header header = {
        .version = 1,
        .type = (uint8_t)type,
        .session = session,
        .sequence = ++fake->sequence,
        .acked = fake->heard,
    };
    gg_prefix_write(&header, 1, bytes.data);
    (void)zmq_send(fake->router, fake->peer, fake->peer_len, ZMQ_SNDMORE);
    (void)zmq_send(fake->router, bytes.data, bytes.len,
                   large.data == NULL ? 0 : ZMQ_SNDMORE);
    if (large.data != NULL) {
        (void)zmq_send(fake->router, large.data, large.len, 0);
    }
    gg_buf_fini(&bytes);
}

void fake_send(struct fake *fake, enum gg_command_code code, uint64_t request,
               const void *record)
{
    send_as(fake, GG_MESSAGE_COMMANDS, fake->session, code, request, record);
}

void fake_send_job(struct fake *fake, uint64_t request, const struct gg_id *id,
                   enum gg_job_state state, const char *result)
{
    struct gg_job_info job;
    gg_record_default(GG_RECORD_JOB, &job);
    job.id = *id;
    job.state = (uint64_t)state;
    job.queue = gg_slice_text("q");
    job.durability = 1;
    job.epoch = fake->epoch;
    if (result != NULL) {
        job.result = gg_slice_text(result);
        job.result_bytes = job.result.len;
    }
    fake_send(fake, GG_CMD_JOB, request, &job);
}

static void send_welcome(struct fake *fake, uint64_t session)
{
    const struct gg_welcome welcome = {
        .version = 1,
        .epoch = fake->epoch,
        .program = gg_slice_text("fake 1"),
        .heartbeat_ms = fake->heartbeat_ms,
        .dead_after_ms = fake->dead_after_ms,
        .frame_bytes_max = 1 << 21,
        .payload_bytes_max = 1 << 20,
        .result_bytes_max = 1 << 20,
        .inline_bytes_max = 16384,
        .requests_max = fake->requests_max,
        .now_at = (uint64_t)(gg_wall_now().ms + fake->clock_ahead_ms),
        .durability = 1,
        .roles = 15,
    };
    fake->session = session;
    fake->sequence = 0;
    fake->hellos++;
    send_as(fake, GG_MESSAGE_WELCOME, session, GG_CMD_WELCOME, 0, &welcome);
}

static void note(struct fake *fake, const struct gg_command *command)
{
    if (command->code == GG_CMD_HEARTBEAT) {
        return;
    }
    assert_true(fake->seen_count < FAKE_SEEN_MAX);
    struct fake_seen *seen = &fake->seen[fake->seen_count++];
    *seen = (struct fake_seen){
        .code = command->code,
        .request = command->request,
        .session = fake->session,
    };
    if (command->code == GG_CMD_SUBMIT) {
        const struct gg_submit *submit = &command->as.submit;
        seen->id = submit->id;
        seen->wait = submit->wait;
        seen->payload = submit->payload.len;
        gg_slice_copy(submit->key, seen->key_bytes, sizeof seen->key_bytes);
    }
    if (command->code == GG_CMD_SUBMIT_MANY) {
        struct gg_list jobs = command->as.submit_many.jobs;
        struct gg_submit submit;
        struct gg_fault fault;
        assert_true(gg_list_next_record(&jobs, GG_RECORD_SUBMIT, &submit, &fault));
        seen->id = submit.id;
    }
    if (command->code >= GG_CMD_GET && command->code <= GG_CMD_RETRY) {
        seen->id = command->as.target.id;
        seen->epoch = command->as.target.epoch;
    }
    if (command->code == GG_CMD_UNWAIT || command->code == GG_CMD_UNSUBSCRIBE) {
        seen->request = command->as.unsubscribe.request;
    }
}

static void on_message(struct fake *fake, struct gg_message *message)
{
    struct gg_command command;
    struct gg_fault fault;
    if (fake->deaf) {
        return;
    }
    fake->heard = message->header.sequence;
    if (message->header.type == GG_MESSAGE_HELLO) {
        fake->acked = 0;
        send_welcome(fake, message->header.session);
        return;
    }
    if (message->header.session != fake->session) {
        const struct gg_reset reset = {.error = GG_ERR_NO_SESSION};
        send_as(fake, GG_MESSAGE_RESET, message->header.session, GG_CMD_RESET, 0,
                &reset);
        return;
    }
    fake->acked = message->header.acked;
    fake->messages++;
    while (gg_message_next(message, &command, &fault)) {
        assert_int_equal(fault.err, GG_OK);
        note(fake, &command);
        if (command.code == GG_CMD_HEARTBEAT) {
            const struct gg_heartbeat heartbeat = {0};
            fake_send(fake, GG_CMD_HEARTBEAT, 0, &heartbeat);
        } else if (fake->answer != NULL && fake->router != NULL) {
            fake->answer(fake, &command);
        }
    }
}

void fake_step(struct fake *fake)
{
    zmq_msg_t frames[3];
    while (fake->router != NULL) {
        int peer_len = zmq_recv(fake->router, fake->peer, sizeof fake->peer,
                                ZMQ_DONTWAIT);
        if (peer_len < 0) {
            return;
        }
        fake->peer_len = (size_t)peer_len;
        size_t count = 0;
        int more = 1;
        while (more != 0 && count < 3) {
            (void)zmq_msg_init(&frames[count]);
            assert_true(zmq_msg_recv(&frames[count], fake->router, 0) >= 0);
            more = zmq_msg_more(&frames[count++]);
        }
        assert_int_equal(more, 0);
        struct gg_message message;
        struct gg_fault fault;
        struct gg_slice attachment = {0};
        if (count > 1) {
            attachment = gg_slice_of(zmq_msg_data(&frames[1]),
                                     zmq_msg_size(&frames[1]));
        }
        assert_int_equal(gg_message_open(gg_slice_of(zmq_msg_data(&frames[0]),
                                                     zmq_msg_size(&frames[0])),
                                         attachment, &message, &fault),
                         GG_OK);
        on_message(fake, &message);
        for (size_t i = 0; i < count; i++) {
            (void)zmq_msg_close(&frames[i]);
        }
    }
}

void fake_run(struct fake *fake, ganger *handle, fake_done_fn *done, void *ctx)
{
    struct gg_mono end = gg_mono_add(gg_mono_now(), RUN_MS_MAX);
    for (;;) {
        fake_step(fake);
        assert_int_equal(ganger_process(handle), GANGER_OK);
        if (done(ctx)) {
            return;
        }
        assert_false(gg_mono_reached(end, gg_mono_now()));
        struct pollfd fds[2] = {{.fd = ganger_fd(handle), .events = POLLIN}};
        nfds_t count = 1;
        if (fake->router != NULL) {
            size_t size = sizeof fds[1].fd;
            (void)zmq_getsockopt(fake->router, ZMQ_FD, &fds[1].fd, &size);
            fds[1].events = POLLIN;
            count = 2;
        }
        int wait_ms = ganger_wait_ms(handle);
        (void)poll(fds, count, wait_ms < TURN_MS_MAX ? wait_ms : TURN_MS_MAX);
    }
}

size_t fake_count(const struct fake *fake, enum gg_command_code code)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->seen_count; i++) {
        count += fake->seen[i].code == code ? 1 : 0;
    }
    return count;
}

const struct fake_seen *fake_last(const struct fake *fake, enum gg_command_code code)
{
    for (size_t i = fake->seen_count; i > 0; i--) {
        if (fake->seen[i - 1].code == code) {
            return &fake->seen[i - 1];
        }
    }
    return NULL;
}
