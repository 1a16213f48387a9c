/* test_session_runs.c - runs and waits: what goes again when a session is lost. */
#include "tests/lib/seat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void run_is_answered_twice(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 1, true, 5, 0);
    assert_true(seat_take(f));
    struct gg_id id = f->sent[0].id;

    seat_answer_job(f, number, &id, GG_JOB_READY);
    seat_answer_job(f, number, &id, GG_JOB_SUCCEEDED);

    assert_int_equal(f->reply_count, 2);
    assert_false(f->replies[0].final);
    assert_true(f->replies[1].final);
    assert_int_equal(gg_session_in_flight(f->session), 0);
}

static void run_not_yet_accepted_goes_again_as_submission(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)seat_submit(f, 9, true, 500, 0);
    assert_true(seat_take(f));

    gg_session_link_down(f->session);
    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
    assert_int_equal(f->sent[0].id.bytes[0], 9);
    assert_int_equal(f->sent[0].payload, 500);
}

static void accepted_run_goes_again_as_wait_with_its_epoch(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = seat_submit(f, 9, true, 5, 0);
    assert_true(seat_take(f));
    struct gg_id holder = {{77}}; /* A key was met: another job than the one sent. */
    seat_answer_job(f, number, &holder, GG_JOB_RUNNING);

    gg_session_link_down(f->session);
    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_WAIT);
    assert_int_equal(f->sent[0].request, number);
    assert_int_equal(f->sent[0].id.bytes[0], 77);
    assert_int_equal(f->sent[0].epoch, 5);
    seat_answer_job(f, number, &holder, GG_JOB_SUCCEEDED);
    assert_true(f->replies[1].final);
    uint8_t durability = 0;
    assert_int_equal(gg_session_epoch_of(f->session, &holder, &durability), 5);
}

/* Submit with end_only; the broker acknowledges the message if `taken`. */
static uint64_t submit_end_only_as(struct seat *f, bool taken, uint64_t durability)
{
    struct gg_submit record;
    gg_record_default(GG_RECORD_SUBMIT, &record);
    record.id.bytes[0] = 9;
    record.queue = gg_slice_text("q");
    record.wait = true;
    record.end_only = true;
    record.durability = durability;
    uint64_t number = seat_ask(f, GG_CMD_SUBMIT, &record, 0);
    assert_true(seat_take(f));
    const struct gg_heartbeat heartbeat = {0};
    (void)seat_receive(f, GG_MESSAGE_COMMANDS, f->header.sequence - !taken,
                       GG_CMD_HEARTBEAT, 0, &heartbeat);
    gg_session_link_down(f->session);
    return number;
}

static uint64_t submit_end_only(struct seat *f, bool taken)
{
    return submit_end_only_as(f, taken, 0);
}

static void end_only_the_broker_took_goes_again_to_the_same_one(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)submit_end_only(f, true);

    seat_connect_as(f, 5, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
}

static void end_only_the_broker_took_is_not_submitted_to_the_next(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    uint64_t number = submit_end_only(f, true);

    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_WAIT);
    assert_int_equal(f->sent[0].request, number);
    assert_int_equal(f->sent[0].id.bytes[0], 9);
    assert_int_equal(f->sent[0].epoch, 5);
}

static void end_only_the_broker_did_not_take_goes_again(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)submit_end_only(f, false);

    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
}

static void end_only_goes_again_to_a_broker_that_remembers(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)submit_end_only(f, true);

    f->durability = GG_DURABILITY_FSYNC;
    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_SUBMIT);
}

/* The broker remembers, but not this job: it may have started already. */
static void end_only_of_a_volatile_job_is_not_submitted_to_the_next(void **state)
{
    struct seat *f = *state;
    f->durability = GG_DURABILITY_FSYNC;
    seat_connect_as(f, 5, 100);
    (void)submit_end_only_as(f, true, GG_DURABILITY_NONE);

    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent[0].code, GG_CMD_WAIT);
    assert_int_equal(f->sent[0].id.bytes[0], 9);
    assert_int_equal(f->sent[0].epoch, 5);
    assert_int_equal(f->sent[0].durability, GG_DURABILITY_NONE);
}

static void wait_the_broker_took_carries_its_epoch_to_the_next(void **state)
{
    struct seat *f = *state;
    seat_connect_as(f, 5, 100);
    (void)seat_wait_for(f, 1, 0);
    assert_true(seat_take(f));
    (void)seat_wait_for(f, 2, 3);
    assert_true(seat_take(f));
    const struct gg_heartbeat heartbeat = {0};
    (void)seat_receive(f, GG_MESSAGE_COMMANDS, f->header.sequence, GG_CMD_HEARTBEAT, 0,
                       &heartbeat);
    (void)seat_wait_for(f, 3, 0);
    assert_true(seat_take(f));

    gg_session_link_down(f->session);
    seat_connect_as(f, 6, 100);

    assert_true(seat_take(f));
    assert_int_equal(f->sent_count, 3);
    assert_int_equal(f->sent[0].epoch, 5);
    assert_int_equal(f->sent[1].epoch, 3); /* The asker's own stays. */
    assert_int_equal(f->sent[2].epoch, 0); /* Not known to have arrived. */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, seat_setup, seat_teardown)
    const struct CMUnitTest tests[] = {
        TEST(run_is_answered_twice),
        TEST(run_not_yet_accepted_goes_again_as_submission),
        TEST(accepted_run_goes_again_as_wait_with_its_epoch),
        TEST(end_only_the_broker_took_goes_again_to_the_same_one),
        TEST(end_only_the_broker_took_is_not_submitted_to_the_next),
        TEST(end_only_the_broker_did_not_take_goes_again),
        TEST(end_only_goes_again_to_a_broker_that_remembers),
        TEST(end_only_of_a_volatile_job_is_not_submitted_to_the_next),
        TEST(wait_the_broker_took_carries_its_epoch_to_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
