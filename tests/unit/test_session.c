/* test_session.c - what a client decides, message by message. */
#include "client/src/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SENT_MAX = 64, REPLIES_MAX = 16 };

/* A command as the broker would see it. */
struct sent {
    uint16_t code;
    uint64_t request;
    struct gg_id id;
    uint64_t epoch;
    size_t payload;
};

struct seen {
    uint64_t request;
    enum gg_err err;
    uint16_t code;
    bool final;
    bool has_accepted;
    char text[128];
};

struct fixture {
    struct gg_session *session;
    struct gg_now now;
    struct gg_buf bytes;
    uint64_t broker_sequence;
    struct gg_header header; /* Of the last message of the session. */
    struct sent sent[SENT_MAX];
    size_t sent_count; /* Commands in that message. */
    struct seen replies[REPLIES_MAX];
    size_t reply_count;
    int opened;
    int refused;
    enum gg_err why;
};

static void on_news(void *owner, bool opened, enum gg_err why, struct gg_slice text)
{
    struct fixture *f = owner;
    (void)text;
    f->opened += opened ? 1 : 0;
    f->refused += opened ? 0 : 1;
    f->why = why;
}

static void on_reply(void *ctx, const struct gg_reply *reply)
{
    struct fixture *f = ctx;
    assert_true(f->reply_count < REPLIES_MAX);
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

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->now.mono.ms = 1000000;
    f->now.wall.ms = 1700000000000;
    gg_buf_init(&f->bytes, 1 << 24);
    const struct gg_session_setup with = {
        .seed = 7, .name = "me", .owner = f, .news = on_news};
    assert_int_equal(gg_session_new(&with, &f->session), GG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_session_destroy(&f->session);
    gg_buf_fini(&f->bytes);
    free(f);
    return 0;
}

static void pass(struct fixture *f, int64_t ms)
{
    f->now.mono.ms += ms;
    f->now.wall.ms += ms;
    gg_session_tick(f->session, f->now.mono, GG_ERR_CONNECTION_REFUSED,
                    gg_slice_text("nobody there"));
}

static void note_sent(struct fixture *f, const struct gg_command *command)
{
    assert_true(f->sent_count < SENT_MAX);
    struct sent *sent = &f->sent[f->sent_count++];
    *sent = (struct sent){.code = command->code, .request = command->request};
    if (command->code == GG_CMD_SUBMIT) {
        sent->id = command->as.submit.id;
        sent->payload = command->as.submit.payload.len;
    }
    if (command->code == GG_CMD_WAIT || command->code == GG_CMD_GET) {
        sent->id = command->as.target.id;
        sent->epoch = command->as.target.epoch;
    }
    if (command->code == GG_CMD_UNWAIT || command->code == GG_CMD_UNSUBSCRIBE) {
        sent->request = command->as.unsubscribe.request;
    }
}

/* The next message, as sent; false when there is none. */
static bool take(struct fixture *f)
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

static enum gg_err receive(struct fixture *f, enum gg_message_type type, uint64_t acked,
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

static void welcome(struct fixture *f, uint64_t epoch, uint64_t requests_max)
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
        .durability = 1,
    };
    f->broker_sequence = 0;
    assert_int_equal(receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record),
                     GG_OK);
}

static void reset(struct fixture *f, enum gg_err why)
{
    const struct gg_reset record = {.error = (uint64_t)why};
    assert_int_equal(receive(f, GG_MESSAGE_RESET, 0, GG_CMD_RESET, 0, &record), GG_OK);
}

static void answer_job(struct fixture *f, uint64_t request, const struct gg_id *id,
                       enum gg_job_state job_state)
{
    struct gg_job_info record;
    gg_record_default(GG_RECORD_JOB, &record);
    record.id = *id;
    record.state = (uint64_t)job_state;
    assert_int_equal(receive(f, GG_MESSAGE_COMMANDS, f->header.sequence, GG_CMD_JOB,
                             request, &record),
                     GG_OK);
}

static void connect_as(struct fixture *f, uint64_t epoch, uint64_t requests_max)
{
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    welcome(f, epoch, requests_max);
    assert_int_equal(gg_session_state_of(f->session), GG_SESSION_OPEN);
}

static uint64_t ask(struct fixture *f, enum gg_command_code code, const void *record,
                    int64_t within_ms)
{
    const struct gg_asker asker = {.fn = on_reply, .ctx = f};
    struct gg_request *request = gg_session_begin(f->session, code, &asker);
    assert_non_null(request);
    assert_int_equal(gg_session_write(request, record), GG_OK);
    uint64_t number = request->number;
    struct gg_mono end = {f->now.mono.ms + within_ms};
    assert_int_equal(
        gg_session_put(f->session, request, f->now.mono, within_ms == 0 ? NULL : &end),
        GG_OK);
    return number;
}

static uint64_t submit(struct fixture *f, uint8_t id, bool until_end, size_t bytes,
                       int64_t within_ms)
{
    static const uint8_t payload[40000];
    struct gg_submit record;
    gg_record_default(GG_RECORD_SUBMIT, &record);
    record.id.bytes[0] = id;
    record.queue = gg_slice_text("q");
    record.wait = until_end;
    record.payload = gg_slice_of(payload, bytes);
    return ask(f, GG_CMD_SUBMIT, &record, within_ms);
}

static uint64_t wait_for(struct fixture *f, uint8_t id, uint64_t epoch)
{
    struct gg_target record;
    gg_record_default(GG_RECORD_TARGET, &record);
    record.id.bytes[0] = id;
    record.epoch = epoch;
    return ask(f, GG_CMD_WAIT, &record, 0);
}

/* ---- sessions ---- */

static void nothing_is_sent_before_welcome_but_hello(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, 1, false, 5, 0);

    assert_false(take(f));
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    assert_int_equal(f->header.sequence, 1);
    assert_true(f->header.session != 0);
    assert_false(take(f));
    welcome(f, 5, 100);

    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
    assert_int_equal(f->header.sequence, 2);
    assert_int_equal(f->opened, 1);
}

static void what_gathered_leaves_in_one_message(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    for (uint8_t i = 1; i <= 20; i++) {
        (void)submit(f, i, false, 5, 0);
    }

    assert_true(take(f));

    assert_int_equal(f->sent_count, 20);
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[19].id.bytes[0], 20);
    assert_false(take(f));
}

static void requests_above_window_wait_in_line(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 2);
    uint64_t first = submit(f, 1, false, 5, 0);
    (void)submit(f, 2, false, 5, 0);
    (void)submit(f, 3, false, 5, 0);

    assert_true(take(f));
    assert_int_equal(f->sent_count, 2);
    assert_false(take(f));
    answer_job(f, first, &f->sent[0].id, GG_JOB_READY);

    assert_true(take(f));
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].id.bytes[0], 3);
}

static void unanswered_goes_again_in_order_with_same_ids(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    (void)submit(f, 1, false, 5, 0);
    uint64_t second = submit(f, 2, false, 5, 0);
    (void)submit(f, 3, false, 5, 0);
    assert_true(take(f));
    answer_job(f, second, &f->sent[1].id, GG_JOB_READY);
    uint64_t old_session = f->header.session;

    gg_session_link_down(f->session);
    assert_false(take(f));
    (void)submit(f, 4, false, 5, 0);
    connect_as(f, 5, 100);

    assert_true(f->header.session != old_session);
    assert_true(take(f));
    assert_int_equal(f->sent_count, 3);
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[1].id.bytes[0], 3);
    assert_int_equal(f->sent[2].id.bytes[0], 4);
}

static void reset_of_idle_session_is_not_noticed_by_the_asker(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    pass(f, 3600000);
    assert_false(gg_session_is_dead(f->session, f->now.mono));
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));

    reset(f, GG_ERR_NO_SESSION);
    assert_true(take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    welcome(f, 5, 100);
    assert_true(take(f));
    answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 1);
    assert_int_equal(f->replies[0].err, GG_OK);
    assert_int_equal(f->refused, 0);
}

static void resets_in_a_row_slow_down(void **state)
{
    struct fixture *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));
    reset(f, GG_ERR_NO_SESSION);
    assert_true(take(f));

    reset(f, GG_ERR_NO_SESSION);

    assert_false(take(f));
    pass(f, 100);
    assert_true(take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
}

static void refusal_of_hello_is_told_and_tried_later(void **state)
{
    struct fixture *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));

    reset(f, GG_ERR_NOT_ALLOWED);

    assert_int_equal(f->refused, 1);
    assert_int_equal(f->why, GG_ERR_NOT_ALLOWED);
    assert_false(take(f));
    pass(f, 1000);
    assert_true(take(f));
}

static void gap_in_the_sequence_begins_a_new_session(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));
    struct gg_id id = f->sent[0].id;
    f->broker_sequence++;

    answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 0);
    assert_true(take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
}

static void messages_of_other_sessions_are_ignored(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));
    struct gg_id id = f->sent[0].id;
    uint64_t session = f->header.session;

    f->header.session = session + 1;
    answer_job(f, number, &id, GG_JOB_READY);
    assert_int_equal(f->reply_count, 0);
    f->header.session = session;
    f->broker_sequence = 1;
    answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 1);
}

static void garbage_is_not_ganger(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);

    assert_int_equal(gg_session_receive(f->session, f->now,
                                        gg_slice_text("HTTP/1.1 400 Bad Request"),
                                        (struct gg_slice){0}),
                     GG_ERR_BAD_MESSAGE);
}

/* ---- runs, waits and epochs ---- */

static void run_is_answered_twice(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, true, 5, 0);
    assert_true(take(f));
    struct gg_id id = f->sent[0].id;

    answer_job(f, number, &id, GG_JOB_READY);
    answer_job(f, number, &id, GG_JOB_SUCCEEDED);

    assert_int_equal(f->reply_count, 2);
    assert_false(f->replies[0].final);
    assert_true(f->replies[1].final);
    assert_int_equal(gg_session_in_flight(f->session), 0);
}

static void run_not_yet_accepted_goes_again_as_submission(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    (void)submit(f, 9, true, 500, 0);
    assert_true(take(f));

    gg_session_link_down(f->session);
    connect_as(f, 6, 100);

    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
    assert_int_equal(f->sent[0].id.bytes[0], 9);
    assert_int_equal(f->sent[0].payload, 500);
}

static void accepted_run_goes_again_as_wait_with_its_epoch(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 9, true, 5, 0);
    assert_true(take(f));
    struct gg_id holder = {{77}}; /* A key was met: another job than the one sent. */
    answer_job(f, number, &holder, GG_JOB_RUNNING);

    gg_session_link_down(f->session);
    connect_as(f, 6, 100);

    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_WAIT);
    assert_int_equal(f->sent[0].request, number);
    assert_int_equal(f->sent[0].id.bytes[0], 77);
    assert_int_equal(f->sent[0].epoch, 5);
    answer_job(f, number, &holder, GG_JOB_SUCCEEDED);
    assert_true(f->replies[1].final);
    assert_int_equal(gg_session_epoch_of(f->session, &holder), 5);
}

static void wait_the_broker_took_carries_its_epoch_to_the_next(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    (void)wait_for(f, 1, 0);
    assert_true(take(f));
    (void)wait_for(f, 2, 3);
    assert_true(take(f));
    const struct gg_heartbeat heartbeat = {0};
    (void)receive(f, GG_MESSAGE_COMMANDS, f->header.sequence, GG_CMD_HEARTBEAT, 0,
                  &heartbeat);
    (void)wait_for(f, 3, 0);
    assert_true(take(f));

    gg_session_link_down(f->session);
    connect_as(f, 6, 100);

    assert_true(take(f));
    assert_int_equal(f->sent_count, 3);
    assert_int_equal(f->sent[0].epoch, 5);
    assert_int_equal(f->sent[1].epoch, 3); /* The asker's own stays. */
    assert_int_equal(f->sent[2].epoch, 0); /* Not known to have arrived. */
}

/* ---- acknowledgement, heartbeats, silence ---- */

static void answers_are_acknowledged_within_50_ms(void **state)
{
    struct fixture *f = *state;
    struct gg_mono at;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));
    answer_job(f, number, &f->sent[0].id, GG_JOB_READY);
    assert_false(take(f));
    assert_true(gg_session_wake(f->session, &at));
    assert_int_equal(at.ms, f->now.mono.ms + 50);

    pass(f, 50);

    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_HEARTBEAT);
    assert_int_equal(f->header.acked, 2);
    const struct gg_heartbeat heartbeat = {0};
    (void)receive(f, GG_MESSAGE_COMMANDS, f->header.sequence, GG_CMD_HEARTBEAT, 0,
                  &heartbeat);
    assert_false(gg_session_wake(f->session, &at));
    pass(f, 100000);
    assert_false(take(f));
}

static void other_messages_acknowledge_by_the_way(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));
    answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    (void)submit(f, 2, false, 5, 0);
    assert_true(take(f));

    assert_int_equal(f->header.acked, 2);
    pass(f, 60);
    assert_false(take(f));
}

static void heartbeats_only_while_something_is_in_flight(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    pass(f, 5000);
    assert_false(take(f));
    (void)wait_for(f, 1, 0);
    assert_true(take(f));

    pass(f, 999);
    assert_false(take(f));
    pass(f, 1);

    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_HEARTBEAT);
}

static void silent_broker_is_dead_after_its_own_interval(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    pass(f, 60000);
    assert_false(gg_session_is_dead(f->session, f->now.mono));
    (void)wait_for(f, 1, 0);
    assert_true(take(f));
    pass(f, 2999);
    assert_false(gg_session_is_dead(f->session, f->now.mono));

    pass(f, 1);

    assert_true(gg_session_is_dead(f->session, f->now.mono));
}

static void hello_without_answer_is_dead_soon(void **state)
{
    struct fixture *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));

    pass(f, 2500);

    assert_true(gg_session_is_dead(f->session, f->now.mono));
}

/* ---- ends ---- */

static void deadline_ends_a_request_and_tells_the_broker(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, true, 5, 200);
    assert_true(take(f));
    answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    pass(f, 200);

    assert_int_equal(f->reply_count, 2);
    assert_int_equal(f->replies[1].err, GG_ERR_TIMED_OUT);
    assert_true(f->replies[1].final);
    assert_true(f->replies[1].has_accepted);
    assert_true(take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_UNWAIT);
    assert_int_equal(f->sent[0].request, number);
}

static void deadline_without_session_says_why_there_is_none(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, 1, false, 5, 200);

    pass(f, 200);

    assert_int_equal(f->replies[0].err, GG_ERR_CONNECTION_REFUSED);
    assert_string_equal(f->replies[0].text, "nobody there");
}

static void forgotten_request_is_not_answered(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);
    uint64_t number = submit(f, 1, false, 5, 0);
    assert_true(take(f));
    struct gg_id id = f->sent[0].id;

    gg_session_forget(f->session, number);
    uint64_t next = submit(f, 2, false, 5, 0);
    answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 0);
    assert_true(next != number);
    assert_int_equal(gg_session_in_flight(f->session), 1);
}

static void thousand_forgotten_waits_are_told_in_bounded_messages(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 1200 };
    static uint64_t numbers[COUNT];
    struct gg_outgoing out;
    size_t messages = 0;
    connect_as(f, 5, 65536);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = wait_for(f, 1, 0);
    }
    while (gg_session_next(f->session, f->now, &out)) {
        gg_session_sent(f->session, f->now.mono);
        messages++;
    }
    assert_int_equal(messages, 5); /* Of 256 commands. */

    for (int i = 0; i < COUNT; i++) {
        gg_session_forget(f->session, numbers[i]);
    }
    for (messages = 0; gg_session_next(f->session, f->now, &out); messages++) {
        struct gg_message message;
        struct gg_fault fault;
        assert_int_equal(gg_message_open(out.frame, out.attachment, &message, &fault),
                         GG_OK);
        assert_true(message.left <= 256);
        gg_session_sent(f->session, f->now.mono);
    }

    assert_int_equal(messages, 5);
}

static void too_large_is_refused_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, 1, false, 1001, 0);

    connect_as(f, 5, 100);
    assert_false(take(f));

    assert_int_equal(f->replies[0].err, GG_ERR_TOO_LARGE);
    assert_string_equal(f->replies[0].text,
                        "the payload has 1001 bytes; the broker takes at most 1000");
    (void)submit(f, 2, false, 1000, 0);
    assert_true(take(f));
}

static void large_payload_goes_as_second_frame_and_again(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, 1, false, 20000, 0);
    (void)submit(f, 2, false, 20000, 0);
    gg_session_link_up(f->session, f->now.mono);
    assert_true(take(f));
    const struct gg_welcome record = {
        .version = 1,
        .epoch = 1,
        .heartbeat_ms = 1000,
        .dead_after_ms = 3000,
        .frame_bytes_max = 1 << 20,
        .requests_max = 10,
        .durability = 1,
    };
    f->broker_sequence = 0;
    (void)receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record);

    assert_true(take(f));
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].payload, 20000);
    assert_true(take(f));
    assert_int_equal(f->sent[0].id.bytes[0], 2);
    reset(f, GG_ERR_NO_SESSION);
    assert_true(take(f));
    f->broker_sequence = 0;
    (void)receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record);

    assert_true(take(f));
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[0].payload, 20000);
}

static void ids_are_made_by_the_brokers_clock(void **state)
{
    struct fixture *f = *state;
    connect_as(f, 5, 100);

    struct gg_id id = gg_session_new_id(f->session, f->now.wall);

    assert_int_equal(gg_id_time(&id).ms, f->now.wall.ms + 60000);
}

static void table_of_requests_has_an_end(void **state)
{
    struct fixture *f = *state;
    const struct gg_asker asker = {.fn = on_reply, .ctx = f};
    struct gg_request *last = NULL;
    for (int i = 0; i < GG_REQUESTS_MAX; i++) {
        last = gg_session_begin(f->session, GG_CMD_GET, &asker);
        assert_non_null(last);
    }
    assert_null(gg_session_begin(f->session, GG_CMD_GET, &asker));
    uint64_t number = last->number;

    gg_session_abandon(f->session, last);

    struct gg_request *again = gg_session_begin(f->session, GG_CMD_GET, &asker);
    assert_non_null(again);
    assert_true(again->number != number);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_sent_before_welcome_but_hello),
        TEST(what_gathered_leaves_in_one_message),
        TEST(requests_above_window_wait_in_line),
        TEST(unanswered_goes_again_in_order_with_same_ids),
        TEST(reset_of_idle_session_is_not_noticed_by_the_asker),
        TEST(resets_in_a_row_slow_down),
        TEST(refusal_of_hello_is_told_and_tried_later),
        TEST(gap_in_the_sequence_begins_a_new_session),
        TEST(messages_of_other_sessions_are_ignored),
        TEST(garbage_is_not_ganger),
        TEST(run_is_answered_twice),
        TEST(run_not_yet_accepted_goes_again_as_submission),
        TEST(accepted_run_goes_again_as_wait_with_its_epoch),
        TEST(wait_the_broker_took_carries_its_epoch_to_the_next),
        TEST(answers_are_acknowledged_within_50_ms),
        TEST(other_messages_acknowledge_by_the_way),
        TEST(heartbeats_only_while_something_is_in_flight),
        TEST(silent_broker_is_dead_after_its_own_interval),
        TEST(hello_without_answer_is_dead_soon),
        TEST(deadline_ends_a_request_and_tells_the_broker),
        TEST(deadline_without_session_says_why_there_is_none),
        TEST(forgotten_request_is_not_answered),
        TEST(thousand_forgotten_waits_are_told_in_bounded_messages),
        TEST(too_large_is_refused_before_it_is_sent),
        TEST(large_payload_goes_as_second_frame_and_again),
        TEST(ids_are_made_by_the_brokers_clock),
        TEST(table_of_requests_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
