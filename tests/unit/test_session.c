/* test_session.c - what a client decides, message by message. */
#include "tests/lib/seat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- sessions ---- */

static void nothing_is_sent_before_welcome_but_hello(void **state)
{
    struct seat *f = *state;
    (void)seat_submit(f, 1, false, 5, 0);

    assert_false(seat_take(f));
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    assert_int_equal(f->header.sequence, 1);
    assert_true(f->header.session != 0);
    assert_false(seat_take(f));
    seat_welcome(f, 5, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
    assert_int_equal(f->header.sequence, 2);
    assert_int_equal(f->opened, 1);
}

static void what_gathered_leaves_in_one_message(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    for (uint8_t i = 1; i <= 20; i++) {
        (void)seat_submit(f, i, false, 5, 0);
    }

    assert_true(seat_take(f));

    assert_int_equal(f->sent_count, 20);
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[19].id.bytes[0], 20);
    assert_false(seat_take(f));
}

static void requests_above_window_wait_in_line(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 2);
    uint64_t first = seat_submit(f, 1, false, 5, 0);
    (void)seat_submit(f, 2, false, 5, 0);
    (void)seat_submit(f, 3, false, 5, 0);

    assert_true(seat_take(f));
    assert_int_equal(f->sent_count, 2);
    assert_false(seat_take(f));
    seat_answer_job(f, first, &f->sent[0].id, GG_JOB_READY);

    assert_true(seat_take(f));
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].id.bytes[0], 3);
}

static void unanswered_goes_again_in_order_with_same_ids(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)seat_submit(f, 1, false, 5, 0);
    uint64_t second = seat_submit(f, 2, false, 5, 0);
    (void)seat_submit(f, 3, false, 5, 0);
    assert_true(seat_take(f));
    seat_answer_job(f, second, &f->sent[1].id, GG_JOB_READY);
    uint64_t old_session = f->header.session;

    gg_session_link_down(f->session);
    assert_false(seat_take(f));
    (void)seat_submit(f, 4, false, 5, 0);
    seat_connect_as(f, 5, 100);

    assert_true(f->header.session != old_session);
    assert_true(seat_take(f));
    assert_int_equal(f->sent_count, 3);
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[1].id.bytes[0], 3);
    assert_int_equal(f->sent[2].id.bytes[0], 4);
}

static void reset_of_idle_session_is_not_noticed_by_the_asker(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    seat_pass(f, 3600000);
    assert_false(gg_session_is_dead(f->session, f->now.mono));
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));

    seat_reset(f, GG_ERR_NO_SESSION);
    assert_true(seat_take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
    seat_welcome(f, 5, 100);
    assert_true(seat_take(f));
    seat_answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 1);
    assert_int_equal(f->replies[0].err, GG_OK);
    assert_int_equal(f->refused, 0);
}

static void resets_in_a_row_slow_down(void **state)
{
    struct seat *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));
    seat_reset(f, GG_ERR_NO_SESSION);
    assert_true(seat_take(f));

    seat_reset(f, GG_ERR_NO_SESSION);

    assert_false(seat_take(f));
    seat_pass(f, 100);
    assert_true(seat_take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
}

static void refusal_of_hello_is_told_and_tried_later(void **state)
{
    struct seat *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));

    seat_reset(f, GG_ERR_NOT_ALLOWED);

    assert_int_equal(f->refused, 1);
    assert_int_equal(f->why, GG_ERR_NOT_ALLOWED);
    assert_false(seat_take(f));
    seat_pass(f, 1000);
    assert_true(seat_take(f));
}

static void gap_in_the_sequence_begins_a_new_session(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));
    struct gg_id id = f->sent[0].id;
    f->broker_sequence++;

    seat_answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 0);
    assert_true(seat_take(f));
    assert_int_equal(f->header.type, GG_MESSAGE_HELLO);
}

static void messages_of_other_sessions_are_ignored(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));
    struct gg_id id = f->sent[0].id;
    uint64_t session = f->header.session;

    f->header.session = session + 1;
    seat_answer_job(f, number, &id, GG_JOB_READY);
    assert_int_equal(f->reply_count, 0);
    f->header.session = session;
    f->broker_sequence = 1;
    seat_answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 1);
}

static void garbage_is_not_ganger(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);

    assert_int_equal(gg_session_receive(f->session, f->now,
                                        gg_slice_text("HTTP/1.1 400 Bad Request"),
                                        (struct gg_slice){0}),
                     GG_ERR_BAD_MESSAGE);
}

/* ---- acknowledgement, heartbeats, silence ---- */

static void answers_are_acknowledged_within_50_ms(void **state)
{
    struct seat *f = *state;
    struct gg_mono at;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));
    seat_answer_job(f, number, &f->sent[0].id, GG_JOB_READY);
    assert_false(seat_take(f));
    assert_true(gg_session_wake(f->session, &at));
    assert_int_equal(at.ms, f->now.mono.ms + 50);

    seat_pass(f, 50);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_HEARTBEAT);
    assert_int_equal(f->header.acked, 2);
    const struct gg_heartbeat heartbeat = {0};
    (void)seat_receive(f, GG_MESSAGE_COMMANDS, f->header.sequence, GG_CMD_HEARTBEAT, 0,
                       &heartbeat);
    assert_false(gg_session_wake(f->session, &at));
    seat_pass(f, 100000);
    assert_false(seat_take(f));
}

static void other_messages_acknowledge_by_the_way(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));
    seat_answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    (void)seat_submit(f, 2, false, 5, 0);
    assert_true(seat_take(f));

    assert_int_equal(f->header.acked, 2);
    seat_pass(f, 60);
    assert_false(seat_take(f));
}

static void heartbeats_only_while_something_is_in_flight(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    seat_pass(f, 5000);
    assert_false(seat_take(f));
    (void)seat_wait_for(f, 1, 0);
    assert_true(seat_take(f));

    seat_pass(f, 999);
    assert_false(seat_take(f));
    seat_pass(f, 1);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_HEARTBEAT);
}

static void silent_broker_is_dead_after_its_own_interval(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    seat_pass(f, 60000);
    assert_false(gg_session_is_dead(f->session, f->now.mono));
    (void)seat_wait_for(f, 1, 0);
    assert_true(seat_take(f));
    seat_pass(f, 2999);
    assert_false(gg_session_is_dead(f->session, f->now.mono));

    seat_pass(f, 1);

    assert_true(gg_session_is_dead(f->session, f->now.mono));
}

static void hello_without_answer_is_dead_soon(void **state)
{
    struct seat *f = *state;
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));

    seat_pass(f, 2500);

    assert_true(gg_session_is_dead(f->session, f->now.mono));
}

/* ---- ends ---- */

static void deadline_ends_a_request_and_tells_the_broker(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, true, 5, 200);
    assert_true(seat_take(f));
    seat_answer_job(f, number, &f->sent[0].id, GG_JOB_READY);

    seat_pass(f, 200);

    assert_int_equal(f->reply_count, 2);
    assert_int_equal(f->replies[1].err, GG_ERR_TIMED_OUT);
    assert_true(f->replies[1].final);
    assert_true(f->replies[1].has_accepted);
    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_UNWAIT);
    assert_int_equal(f->sent[0].request, number);
}

static void deadline_without_session_says_why_there_is_none(void **state)
{
    struct seat *f = *state;
    (void)seat_submit(f, 1, false, 5, 200);

    seat_pass(f, 200);

    assert_int_equal(f->replies[0].err, GG_ERR_CONNECTION_REFUSED);
    assert_string_equal(f->replies[0].text, "nobody there");
}

static void forgotten_request_is_not_answered(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, false, 5, 0);
    assert_true(seat_take(f));
    struct gg_id id = f->sent[0].id;

    gg_session_forget(f->session, number);
    uint64_t next = seat_submit(f, 2, false, 5, 0);
    seat_answer_job(f, number, &id, GG_JOB_READY);

    assert_int_equal(f->reply_count, 0);
    assert_true(next != number);
    assert_int_equal(gg_session_in_flight(f->session), 1);
}

static void thousand_forgotten_waits_are_told_in_bounded_messages(void **state)
{
    struct seat *f = *state;
    enum { COUNT = 1200 };
    static uint64_t numbers[COUNT];
    struct gg_outgoing out;
    size_t messages = 0;
    seat_connect_as(f, 5, 65536);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = seat_wait_for(f, 1, 0);
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
    struct seat *f = *state;
    (void)seat_submit(f, 1, false, 1001, 0);

    seat_connect_as(f, 5, 100);
    assert_false(seat_take(f));

    assert_int_equal(f->replies[0].err, GG_ERR_TOO_LARGE);
    assert_string_equal(f->replies[0].text,
                        "the payload has 1001 bytes; the broker takes at most 1000");
    (void)seat_submit(f, 2, false, 1000, 0);
    assert_true(seat_take(f));
}

static void large_payload_goes_as_second_frame_and_again(void **state)
{
    struct seat *f = *state;
    (void)seat_submit(f, 1, false, 20000, 0);
    (void)seat_submit(f, 2, false, 20000, 0);
    gg_session_link_up(f->session, f->now.mono);
    assert_true(seat_take(f));
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
    (void)seat_receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record);

    assert_true(seat_take(f));
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].payload, 20000);
    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].id.bytes[0], 2);
    seat_reset(f, GG_ERR_NO_SESSION);
    assert_true(seat_take(f));
    f->broker_sequence = 0;
    (void)seat_receive(f, GG_MESSAGE_WELCOME, 1, GG_CMD_WELCOME, 0, &record);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].id.bytes[0], 1);
    assert_int_equal(f->sent[0].payload, 20000);
}

static void ids_are_made_by_the_brokers_clock(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);

    struct gg_id id = gg_session_new_id(f->session, f->now.wall);

    assert_int_equal(gg_id_time(&id).ms, f->now.wall.ms + 60000);
}

/* A submission with an id of the library's own making, asked for now. */
static uint64_t submit_unnamed(struct seat *f, struct gg_id *out_id)
{
    const struct gg_asker asker = {.fn = seat_on_reply, .ctx = f};
    struct gg_submit record;
    gg_record_default(GG_RECORD_SUBMIT, &record);
    record.queue = gg_slice_text("q");
    record.payload = gg_slice_text("payload");
    record.id = *out_id = gg_session_new_id(f->session, f->now.wall);
    struct gg_request *request = gg_session_begin(f->session, GG_CMD_SUBMIT, &asker);
    assert_non_null(request);
    assert_int_equal(gg_session_write(request, &record, NULL), GG_OK);
    gg_request_own_id(request);
    uint64_t number = request->number;
    assert_int_equal(gg_session_put(f->session, request, f->now.mono, NULL), GG_OK);
    return number;
}

static void id_is_made_anew_until_it_is_sent(void **state)
{
    struct seat *f = *state;
    struct gg_id made;
    uint64_t number = submit_unnamed(f, &made); /* By our own clock, a minute behind. */
    seat_pass(f, 3600000);
    seat_connect_as(f, 5, 100);
    assert_true(seat_take(f));
    struct gg_id sent = f->sent[0].id;
    assert_int_equal(gg_id_time(&sent).ms, f->now.wall.ms + 60000);
    assert_memory_not_equal(sent.bytes + 6, made.bytes + 6, 10);

    gg_session_link_down(f->session); /* The broker may have it. */
    seat_pass(f, 3600000);
    seat_connect_as(f, 5, 100);
    assert_true(seat_take(f));
    assert_memory_equal(f->sent[0].id.bytes, sent.bytes, sizeof sent.bytes);
    assert_int_equal(f->sent[0].payload, 7);
    seat_answer_job(f, number, &sent, GG_JOB_READY);
    assert_int_equal(f->replies[0].err, GG_OK);

    (void)submit_unnamed(f, &made); /* Young enough. */
    seat_pass(f, 500);
    assert_true(seat_take(f));
    assert_memory_equal(f->sent[0].id.bytes, made.bytes, sizeof made.bytes);
}

static void table_of_requests_has_an_end(void **state)
{
    struct seat *f = *state;
    const struct gg_asker asker = {.fn = seat_on_reply, .ctx = f};
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
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, seat_setup, seat_teardown)
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
        TEST(id_is_made_anew_until_it_is_sent),
        TEST(table_of_requests_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
