#include "tests/lib/seat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void on_news(void *owner, bool opened, enum gg_err why, struct gg_slice text)
{
    struct seat *f = owner;
    (void)text;
    f->opened += opened ? 1 : 0;
    f->refused += opened ? 0 : 1;
    f->why = why;
}

void seat_on_reply(void *ctx, const struct gg_reply *reply)
{
    struct seat *f = ctx;
    assert_true(f->reply_count < SEAT_REPLIES_MAX);
    struct seen *seen = &f->replies[f->reply_count++];
    *seen = (struct seen){
        .request = reply->request,
        .err = reply->err,
        .code = reply->command == NULL ? 0 : reply->command->code,
        .final = reply->final,
        .has_accepted = reply->accepted != NULL,
    };
    gg_slice_copy(reply->text, seen->text, sizeof seen->text);
}

int seat_setup(void **state)
{
    struct seat *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->now.mono.ms = 1000000;
    f->now.wall.ms = 1700000000000;
    f->durability = GG_DURABILITY_NONE;
    gg_buf_init(&f->bytes, 1 << 24);
    const struct gg_session_setup with = {
        .seed = 7, .name = "me", .owner = f, .news = on_news};
    assert_int_equal(gg_session_new(&with, &f->session), GG_OK);
    *state = f;
    return 0;
}

int seat_teardown(void **state)
{
    struct seat *f = *state;
    gg_session_destroy(&f->session);
    gg_buf_fini(&f->bytes);
    free(f);
    return 0;
}

void seat_pass(struct seat *f, int64_t ms)
{
    f->now.mono.ms += ms;
    f->now.wall.ms += ms;
    gg_session_tick(f->session, f->now.mono, GG_ERR_CONNECTION_REFUSED,
                    gg_slice_text("nobody there"));
}

static void note_sent(struct seat *f, const struct gg_command *command)
{
    assert_true(f->sent_count < SEAT_SENT_MAX);
    struct sent *sent = &f->sent[f->sent_count++];
    *sent = (struct sent){.code = command->code, .request = command->request};
    if (command->code == GG_CMD_SUBMIT) {
        sent->id = command->as.submit.id;
        sent->payload = command->as.submit.payload.len;
    }
    if (command->code == GG_CMD_WAIT || command->code == GG_CMD_GET) {
        sent->id = command->as.target.id;
        sent->epoch = command->as.target.epoch;
        sent->durability = command->as.target.durability;
    }
    if (command->code == GG_CMD_UNWAIT || command->code == GG_CMD_UNSUBSCRIBE) {
        sent->request = command->as.unsubscribe.request;
    }
}

bool seat_take(struct seat *f)
{
    struct gg_outgoing out;
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    f->sent_count = 0;
    if (!gg_session_next(f->session, f->now, &out)) {
        return false;
    }
    assert_int_equal(gg_message_open(out.frame, out.attachment, &message, &fault), 0);
    f->header = message.header;
    while (gg_message_next(&message, &command, &fault)) {
        assert_int_equal(fault.err, GG_OK);
        note_sent(f, &command);
    }
    gg_session_sent(f->session, f->now.mono);
    return true;
}

enum gg_err seat_receive(struct seat *f, enum gg_message_type type, uint64_t acked,
                         enum gg_command_code code, uint64_t request,
                         const void *record)
{
    static const uint8_t room[GG_PREFIX_BYTES];
    const struct gg_header header = {
        .version = 1,
        .type = (uint8_t)type,
        .session = f->header.session,
        .sequence = ++f->broker_sequence,
        .acked = acked,
    };
    gg_buf_clear(&f->bytes);
    gg_buf_append(&f->bytes, room, sizeof room);
    gg_command_write(&f->bytes, code, request, record, NULL);
    gg_prefix_write(&header, 1, f->bytes.data);
    return gg_session_receive(f->session, f->now, gg_buf_slice(&f->bytes),
                              (struct gg_slice){0});
}

void seat_welcome(struct seat *f, uint64_t epoch, uint64_t requests_max)
{
    const struct gg_welcome record = {
        .version = 1,
        .epoch = epoch,
        .heartbeat_ms = 1000,
        .dead_after_ms = 3000,
        .frame_bytes_max = 1 << 20,
        .payload_bytes_max = 1000,
        .inline_bytes_max = 16384,
        .requests_max = requests_max,
        .now_at = (uint64_t)f->now.wall.ms + 60000,
        .durability = f->durability,
    };
    f->broker_sequence = 0;
    assert_int_equal(seat_receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record),
                     GG_OK);
}

void seat_reset(struct seat *f, enum gg_err why)
{
    const struct gg_reset record = {.error = (uint64_t)why};
    assert_int_equal(seat_receive(f, GG_MESSAGE_RESET, 0, GG_CMD_RESET, 0, &record),
                     GG_OK);
}

void seat_answer_job(struct seat *f, uint64_t request, const struct gg_id *id,
                     enum gg_job_state job_state)
{
    struct gg_job_info record;
    gg_record_default(GG_RECORD_JOB, &record);
    record.id = *id;
    record.state = (uint64_t)job_state;
    assert_int_equal(seat_receive(f, GG_MESSAGE_COMMANDS, f->header.sequence,
                                  GG_CMD_JOB, request, &record),
                     GG_OK);
}

void seat_connect_as(struct seat *f, uint64_t epoch, uint64_t requests_max)
{
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    seat_welcome(f, epoch, requests_max);
    assert_int_equal(gg_session_state_of(f->session), GG_SESSION_OPEN);
}

uint64_t seat_ask(struct seat *f, enum gg_command_code code, const void *record,
                  int64_t within_ms)
{
    const struct gg_asker asker = {.fn = seat_on_reply, .ctx = f};
    struct gg_request *request = gg_session_begin(f->session, code, &asker);
    assert_non_null(request);
    assert_int_equal(gg_session_write(request, record, NULL), GG_OK);
    uint64_t number = request->number;
    struct gg_mono end = {f->now.mono.ms + within_ms};
    assert_int_equal(
        gg_session_put(f->session, request, f->now.mono, within_ms == 0 ? NULL : &end),
        GG_OK);
    return number;
}

uint64_t seat_submit(struct seat *f, uint8_t id, bool until_end, size_t bytes,
                     int64_t within_ms)
{
    static const uint8_t payload[40000];
    struct gg_submit record;
    gg_record_default(GG_RECORD_SUBMIT, &record);
    record.id.bytes[0] = id;
    record.queue = gg_slice_text("q");
    record.wait = until_end;
    record.payload = gg_slice_of(payload, bytes);
    return seat_ask(f, GG_CMD_SUBMIT, &record, within_ms);
}

uint64_t seat_wait_for(struct seat *f, uint8_t id, uint64_t epoch)
{
    struct gg_target record;
    gg_record_default(GG_RECORD_TARGET, &record);
    record.id.bytes[0] = id;
    record.epoch = epoch;
    return seat_ask(f, GG_CMD_WAIT, &record, 0);
}
