/* test_agent_limits.c - the agent at its limits, with pools that come and go, and with
 * orders that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tests/lib/agent_stage.h"

#include <cmocka.h>

enum { NO_POOL = 99 };

static const char *const queues[] = {"more"};

/* ---- limits ---- */

static void more_slots_than_an_agent_may_have_are_refused(void **state)
{
    struct gg_worker *agent = NULL;
    struct gg_worker_pool pools[] = {
        {.slots = UINT32_MAX, .queues = queues, .queue_count = 1},
        {.slots = UINT32_MAX, .queues = queues, .queue_count = 1}};
    struct gg_worker_config config = {
        .name = gg_slice_text("w"), .pools = pools, .pool_count = 2};
    (void)state;

    assert_int_equal(gg_worker_new(&config, &agent), GG_ERR_TOO_MANY);
    config.slots_max = 4; /* Room for four in all, and the pools want more. */
    assert_int_equal(gg_worker_new(&config, &agent), GG_ERR_TOO_MANY);

    assert_null(agent);
    gg_worker_destroy(&agent); /* Harmless. */
}

static void pool_grows_no_further_than_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct gg_worker_pool more = {.slots = 1, .queues = queues, .queue_count = 1};
    uint32_t index = NO_POOL;

    assert_int_equal(gg_worker_add_pool(f->agent, f->now.mono, &more, &index),
                     GG_ERR_TOO_MANY);
    assert_int_equal(gg_worker_resize_pool(f->agent, 0, SLOTS + 1), GG_ERR_TOO_MANY);
    assert_int_equal(gg_worker_resize_pool(f->agent, 0, SLOTS - 1), GG_OK);

    assert_int_equal(gg_worker_add_pool(f->agent, f->now.mono, &more, &index), GG_OK);
    assert_int_equal(index, 1);
}

static void orders_beyond_their_number_are_answered_busy(void **state)
{
    struct fixture *f = *state;
    struct gg_steer steer;
    gg_record_default(GG_RECORD_STEER, &steer);
    steer.worker = gg_slice_text("tester");
    steer.action = GG_STEER_QUIET;
    for (int i = 0; i < 17; i++) {
        (void)tell(f, GG_CMD_STEER, &steer);
    }

    listen_to(f);

    assert_int_equal(count(f, GG_CMD_STEERED), 1);
    assert_int_equal(heard(f, GG_CMD_STEERED, 0)->as.steered.error, GG_ERR_BUSY);
}

/* ---- pools that come and go ---- */

/* The broker had given it out before it heard that the pool was gone. */
static void assignment_to_dropped_pool_is_no_burden_to_its_successor(void **state)
{
    struct fixture *f = *state;
    struct gg_worker_pool more = {.slots = SLOTS, .queues = queues, .queue_count = 1};
    struct gg_assign assign = assignment(f, FENCE);
    uint32_t index = NO_POOL;
    gg_worker_set_window(f->agent, f->now.mono, 0, 0);
    assert_true(gg_worker_drop_pool(f->agent, f->now.mono, 0));
    (void)tell(f, GG_CMD_ASSIGN, &assign);
    listen_to(f);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);

    assert_int_equal(gg_worker_add_pool(f->agent, f->now.mono, &more, &index), GG_OK);
    assert_int_equal(index, 0);
    confirm(f, &assign);
    gg_worker_set_window(f->agent, f->now.mono, 0, 0);

    assert_true(gg_worker_drop_pool(f->agent, f->now.mono, 0));
}

static void pool_with_work_in_hand_is_not_dropped(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    gg_worker_set_window(f->agent, f->now.mono, 0, 0);

    assert_false(gg_worker_drop_pool(f->agent, f->now.mono, 0));
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_false(gg_worker_drop_pool(f->agent, f->now.mono, 0));
    confirm(f, &assign);
    assert_true(gg_worker_drop_pool(f->agent, f->now.mono, 0));
}

static void assignment_to_unknown_pool_goes_back(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.pool = 7;

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    listen_to(f);

    const struct gg_outcome_info *outcome = &heard(f, GG_CMD_OUTCOME, 0)->as.outcome;
    assert_int_equal(outcome->kind, GG_OUTCOME_HANDED_BACK);
    assert_true(outcome->never_started);
}

static void pools_change_silently_while_there_is_no_session(void **state)
{
    struct fixture *f = *state;
    struct gg_pool_state report = {.pool = 1, .state = GG_POOL_OPEN, .kind = 1};
    gg_worker_lost(f->agent);

    gg_worker_set_window(f->agent, f->now.mono, 0, 2);
    gg_worker_set_window(f->agent, f->now.mono, 0, 2);
    gg_worker_quiet(f->agent, f->now.mono, true);
    gg_worker_quiet(f->agent, f->now.mono, false);
    gg_worker_report(f->agent, &report, 1);
    gg_worker_bye(f->agent, "not now");
    gg_worker_set_window(f->agent, f->now.mono, 0, 0);
    assert_true(gg_worker_drop_pool(f->agent, f->now.mono, 0));

    listen_to(f);
    assert_int_equal(f->said_count, 0);
    assert_int_equal(f->agent->state, GG_WORKER_DOWN);
}

static void report_says_how_the_pools_are(void **state)
{
    struct fixture *f = *state;
    struct gg_pool_state states[] = {{.pool = 1, .state = GG_POOL_DOWN, .kind = 2},
                                     {.pool = 2, .state = GG_POOL_OPEN, .kind = 1}};
    struct gg_pool_state read;
    struct gg_fault fault;

    gg_worker_report(f->agent, states, 2);
    listen_to(f);

    struct gg_list list = heard(f, GG_CMD_REPORT, 0)->as.report.pools;
    assert_true(gg_list_next_record(&list, GG_RECORD_POOL_STATE, &read, &fault));
    assert_int_equal(read.state, GG_POOL_DOWN);
    assert_true(gg_list_next_record(&list, GG_RECORD_POOL_STATE, &read, &fault));
    assert_int_equal(read.pool, 2);
    assert_int_equal(list.count, 0);
}

/* ---- what is stopped ---- */

static void attempt_that_is_given_back_is_not_counted(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    (void)start(f, &assign);
    assert_int_equal(gg_worker_fence_of(f->agent, &assign.id), FENCE);

    gg_worker_give_back(f->agent, FENCE + 1, 100); /* Nobody's. */
    assert_null(gg_worker_next_todo(f->agent, &mask));
    gg_worker_give_back(f->agent, FENCE, 100);
    assert_non_null(gg_worker_next_todo(f->agent, &mask));
    assert_int_equal(mask, GG_TODO_STOP);
    end(f, FENCE, GG_OUTCOME_CRASHED);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
    assert_int_equal(gg_worker_fence_of(f->agent, &assign.id), 0);
}

/* The first reason counts; a shorter grace is taken, a longer one is not. */
static void second_stop_only_hurries(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    struct gg_attempt *attempt = start(f, &assign);
    gg_worker_give_back(f->agent, FENCE, 300);
    (void)gg_worker_next_todo(f->agent, &mask);

    gg_worker_give_back(f->agent, FENCE, 300);
    assert_null(gg_worker_next_todo(f->agent, &mask));
    struct gg_stop_info stop = {
        .id = assign.id, .fence = FENCE, .reason = GG_STOP_CANCELLED, .grace_ms = 100};
    (void)tell(f, GG_CMD_STOP, &stop);
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    assert_int_equal(attempt->grace_ms, 100);
    stop.reason = GG_STOP_TIMED_OUT;
    stop.grace_ms = 50;
    (void)tell(f, GG_CMD_STOP, &stop);
    assert_int_equal(attempt->grace_ms, 50);
    end(f, FENCE, GG_OUTCOME_CRASHED);
    (void)tell(f, GG_CMD_STOP, &stop); /* It has ended. */

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_CANCELLED);
}

static void success_within_the_grace_of_a_drain_counts(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    gg_worker_drain(f->agent, f->now.mono, 0);

    end(f, FENCE, GG_OUTCOME_SUCCEEDED);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_SUCCEEDED);
    assert_false(gg_worker_is_drained(f->agent)); /* It is not confirmed. */
    confirm(f, &assign);
    assert_true(gg_worker_is_drained(f->agent));
}

static void reasons_to_stop_of_a_newer_broker_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_attempt *attempt = start(f, &assign);

    order_stop(f, &assign, (enum gg_stop)60);
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    confirm(f, &assign); /* Of what it never said: nothing is forgotten for that. */

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_int_equal(f->agent->attempts.count, 1);
}

/* ---- what is said of what ---- */

static void words_about_unknown_attempts_are_nothing(void **state)
{
    struct fixture *f = *state;
    struct gg_line line = {.kind = GG_LINE_PROGRESS, .ppm = 5};
    struct gg_ending ending = {.kind = GG_OUTCOME_SUCCEEDED};

    gg_worker_said(f->agent, FENCE, &line);
    gg_worker_started(f->agent, f->now.mono, FENCE);
    gg_worker_ended(f->agent, f->now.mono, FENCE, &ending);
    struct gg_assign assign = assignment(f, FENCE);
    (void)tell(f, GG_CMD_ASSIGN, &assign); /* In line; nothing runs. */
    gg_worker_started(f->agent, f->now.mono, FENCE);
    gg_worker_ended(f->agent, f->now.mono, FENCE, &ending);

    listen_to(f);
    assert_int_equal(f->said_count, 0);
}

static void last_progress_goes_before_the_outcome(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line progress = {
        .kind = GG_LINE_PROGRESS, .ppm = 990000, .text = gg_slice_text("nearly")};
    struct gg_line snooze = {.kind = GG_LINE_SNOOZE};
    (void)start(f, &assign);
    listen_to(f);

    gg_worker_said(f->agent, FENCE, &snooze); /* Its ending tells it. */
    gg_worker_said(f->agent, FENCE, &progress);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);

    assert_int_equal(f->said_count, 2);
    assert_int_equal(f->said[0].code, GG_CMD_PROGRESS);
    assert_int_equal(f->said[1].code, GG_CMD_OUTCOME);
}

static void checkpoint_of_an_earlier_attempt_is_handed_on(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.checkpoint = gg_slice_text("page 7");
    assign.key = gg_slice_text("k");
    assign.payload = gg_slice_text("");

    const struct gg_attempt *attempt = start(f, &assign);

    assert_true(gg_slice_equal(gg_blob_slice(attempt->work->checkpoint),
                               gg_slice_text("page 7")));
}

static void refused_outcome_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_error refusal = {.error = GG_ERR_NOT_ALLOWED, .retry_ms = 100};
    (void)start(f, &assign);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);

    assert_int_equal(tell(f, GG_CMD_ERROR, &refusal), GG_NEWS_ERROR);
    assert_int_equal(f->agent->attempts.count, 1);
    assert_int_equal(f->agent->error_err, GG_ERR_NOT_ALLOWED);
}

static void large_payload_of_the_echo_comes_back_whole(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    char bytes[200];
    memset(bytes, 'x', sizeof bytes);
    assign.payload = gg_slice_of(bytes, sizeof bytes);

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    listen_to(f);
    assert_true(
        gg_slice_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result, assign.payload));
    struct gg_assign empty = assignment(f, FENCE + 1);
    empty.payload = gg_slice_text("");
    (void)tell(f, GG_CMD_ASSIGN, &empty);
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result.len, 0);
}

static void run_timeout_is_named_in_the_outcome(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.run_timeout_ms = 700;
    (void)start(f, &assign);
    pass(f, 701);

    end(f, FENCE, GG_OUTCOME_CRASHED);

    const struct gg_outcome_info *outcome = &heard(f, GG_CMD_OUTCOME, 0)->as.outcome;
    assert_int_equal(outcome->kind, GG_OUTCOME_TIMED_OUT);
    assert_true(gg_slice_equal(outcome->text,
                               gg_slice_text("stopped at its run timeout of 700 ms")));
}

/* Heartbeats that nobody acknowledges are not remembered without end. */
static void unanswered_heartbeats_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < GG_BEATS_MAX + 5; i++) {
        gg_worker_set_window(f->agent, f->now.mono, 0, i % 2 == 0 ? 1 : 2);
        listen_to(f);
    }

    assert_int_equal(f->agent->beat_count, GG_BEATS_MAX);
    assert_int_equal(f->agent->beats[GG_BEATS_MAX - 1].sequence, f->heard);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(more_slots_than_an_agent_may_have_are_refused),
        TEST(pool_grows_no_further_than_there_is_room),
        TEST(orders_beyond_their_number_are_answered_busy),
        TEST(assignment_to_dropped_pool_is_no_burden_to_its_successor),
        TEST(pool_with_work_in_hand_is_not_dropped),
        TEST(assignment_to_unknown_pool_goes_back),
        TEST(pools_change_silently_while_there_is_no_session),
        TEST(report_says_how_the_pools_are),
        TEST(attempt_that_is_given_back_is_not_counted),
        TEST(second_stop_only_hurries),
        TEST(success_within_the_grace_of_a_drain_counts),
        TEST(reasons_to_stop_of_a_newer_broker_are_left_alone),
        TEST(words_about_unknown_attempts_are_nothing),
        TEST(last_progress_goes_before_the_outcome),
        TEST(checkpoint_of_an_earlier_attempt_is_handed_on),
        TEST(refused_outcome_is_given_up),
        cmocka_unit_test_setup_teardown(large_payload_of_the_echo_comes_back_whole,
                                        setup_echo, teardown),
        TEST(run_timeout_is_named_in_the_outcome),
        TEST(unanswered_heartbeats_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
