/* test_agent.c - the agent: sessions, attempts and what they say, event by event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tests/lib/agent_stage.h"

#include <cmocka.h>

/* ---- sessions ---- */

static void hello_names_pools_windows_and_attempts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->said_count, 1);
    const struct gg_hello *hello = &f->said[0].as.hello;
    struct gg_list pools = hello->pools;
    struct gg_pool_info pool;
    struct gg_slice text;
    struct gg_fault fault;

    assert_true(gg_list_next_record(&pools, GG_RECORD_POOL, &pool, &fault));

    assert_int_equal(hello->kind, GG_PEER_AGENT);
    assert_int_equal(hello->incarnation, 9);
    assert_int_equal(pool.pool, 1);
    assert_int_equal(pool.slots, SLOTS);
    assert_true(gg_list_next_text(&pool.queues, &text));
    assert_true(gg_slice_equal(text, gg_slice_text("reports")));
    assert_true(gg_list_next_text(&pool.queues, &text));
    assert_true(gg_slice_equal(text, gg_slice_text("mail*")));
    assert_int_equal(hello->held.count, 0);
}

static void welcome_is_followed_by_heartbeat_with_windows(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(count(f, GG_CMD_HEARTBEAT), 1);
    assert_int_equal(heard(f, GG_CMD_HEARTBEAT, 0)->as.heartbeat.pools.count, 1);
    assert_int_equal(f->agent->state, GG_WORKER_UP);
}

static void messages_of_another_session_are_not_for_us(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    f->session++;

    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void gap_in_the_brokers_messages_ends_the_session(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    f->sequence++;

    assert_int_equal(tell(f, GG_CMD_ASSIGN, &assign), GG_NEWS_RESET);

    assert_int_equal(f->agent->state, GG_WORKER_DOWN);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void reset_ends_the_session_and_attempts_go_on(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_reset reset = {.error = GG_ERR_NO_SESSION};
    const struct gg_attempt *attempt = start(f, &assign);

    enum gg_worker_news news = tell_acked(f, GG_MESSAGE_RESET, GG_CMD_RESET, &reset, 0);
    say_hello(f);

    assert_int_equal(news, GG_NEWS_RESET);
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    struct gg_list list = f->said[0].as.hello.held;
    struct gg_held held;
    struct gg_fault fault;
    assert_true(gg_list_next_record(&list, GG_RECORD_HELD, &held, &fault));
    assert_int_equal(held.fence, FENCE);
    assert_true(held.started);
}

static void silence_is_judged_after_dead_after(void **state)
{
    struct fixture *f = *state;

    pass(f, 1500);
    pass(f, 1500);
    assert_false(gg_worker_is_silent(f->agent, f->now.mono));
    pass(f, 1);

    assert_true(gg_worker_is_silent(f->agent, f->now.mono));
}

/* After a stop of our own the broker is given its time again. */
static void own_stop_is_not_the_brokers_silence(void **state)
{
    struct fixture *f = *state;

    pass(f, 60000);

    assert_false(gg_worker_is_silent(f->agent, f->now.mono));
}

/* A hello can be lost on a connection that looks alive: whoever only comes when the
 * agent asks to be woken must still find the broker silent. */
static void lost_hello_is_noticed_by_the_agents_own_wakes(void **state)
{
    struct fixture *f = *state;
    struct gg_mono end = gg_mono_add(f->now.mono, 10000);

    while (!gg_worker_is_silent(f->agent, f->now.mono) && f->now.mono.ms < end.ms) {
        f->now.mono = gg_worker_next_wake(f->agent);
        gg_worker_tick(f->agent, f->now.mono);
    }

    assert_true(gg_worker_is_silent(f->agent, f->now.mono));
}

/* ---- attempts ---- */

/* Give it to an executor that does others first. */
static struct gg_attempt *give(struct fixture *f, uint64_t fence)
{
    struct gg_assign assign = assignment(f, fence);
    assign.run_timeout_ms = 2000;
    (void)tell(f, GG_CMD_ASSIGN, &assign);
    struct gg_attempt *attempt = gg_worker_next_start(f->agent, 0);
    gg_worker_starting(f->agent, attempt);
    gg_worker_behind(f->agent, fence);
    return attempt;
}

static void attempt_behind_another_begins_with_its_turn(void **state)
{
    struct fixture *f = *state;
    const struct gg_attempt *attempt = give(f, FENCE);

    pass_alive(f, 5000); /* More than it may run. */
    assert_int_equal(attempt->state, GG_ATTEMPT_STARTING);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STARTED), 0);
    gg_worker_started(f->agent, f->now.mono, FENCE);
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    pass_alive(f, 1000);
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    pass_alive(f, 2000);

    assert_int_equal(attempt->state, GG_ATTEMPT_STOPPING);
}

static void returned_attempts_wait_in_their_order_ahead_of_others(void **state)
{
    struct fixture *f = *state;
    struct gg_attempt *first = give(f, FENCE);
    struct gg_attempt *second = give(f, FENCE + 1);
    struct gg_assign assign = assignment(f, FENCE + 2);
    (void)tell(f, GG_CMD_ASSIGN, &assign);

    gg_worker_returned(f->agent, FENCE + 1);
    gg_worker_returned(f->agent, FENCE);
    gg_worker_returned(f->agent, FENCE + 7); /* There is none. */

    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 0);
    assert_ptr_equal(gg_worker_next_start(f->agent, 0), first);
    gg_worker_starting(f->agent, first);
    assert_ptr_equal(gg_worker_next_start(f->agent, 0), second);
    gg_worker_starting(f->agent, second);
    assert_int_equal(gg_worker_next_start(f->agent, 0)->fence, FENCE + 2);
    gg_worker_started(f->agent, f->now.mono, FENCE);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_SUCCEEDED);
}

static void returned_attempt_that_was_to_stop_goes_back_as_never_started(void **state)
{
    struct fixture *f = *state;
    struct gg_attempt *attempt = give(f, FENCE);
    struct gg_assign assign = {.id = attempt->id, .fence = FENCE};
    order_stop(f, &assign, GG_STOP_CANCELLED);
    assert_int_equal(attempt->state, GG_ATTEMPT_STOPPING);

    gg_worker_returned(f->agent, FENCE);

    listen_to(f);
    const struct gg_outcome_info *outcome = &heard(f, GG_CMD_OUTCOME, 0)->as.outcome;
    assert_int_equal(outcome->kind, GG_OUTCOME_HANDED_BACK);
    assert_true(outcome->never_started);
    assert_null(gg_worker_next_start(f->agent, 0));
}

/* The broker would not have it back then, when its queue is paused. */
static void attempt_told_to_stop_before_its_turn_is_not_started_after_a_reset(
    void **state)
{
    struct fixture *f = *state;
    struct gg_reset reset = {.error = GG_ERR_NO_SESSION};
    struct gg_attempt *attempt = give(f, FENCE);
    struct gg_assign assign = {.id = attempt->id, .fence = FENCE};
    gg_worker_behind(f->agent, FENCE);
    order_stop(f, &assign, GG_STOP_CANCELLED);
    assert_int_equal(attempt->state, GG_ATTEMPT_STOPPING);

    assert_int_equal(tell_acked(f, GG_MESSAGE_RESET, GG_CMD_RESET, &reset, 0),
                     GG_NEWS_RESET);
    say_hello(f);

    struct gg_list list = f->said[0].as.hello.held;
    struct gg_held held;
    struct gg_fault fault;
    assert_true(gg_list_next_record(&list, GG_RECORD_HELD, &held, &fault));
    assert_int_equal(held.fence, FENCE);
    assert_false(held.started);
}

/* What is there to do about one attempt. */
static unsigned todo_of(struct fixture *f, const struct gg_attempt *attempt)
{
    unsigned mask = 0;
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    return mask;
}

/* The answer to a pause is its return, or its start: nothing is said before. */
static void withdrawn_attempt_behind_another_is_asked_back(void **state)
{
    struct fixture *f = *state;
    for (uint64_t fence = FENCE; fence <= FENCE + 1; fence++) {
        const struct gg_attempt *attempt = give(f, fence);
        struct gg_assign assign = {.id = attempt->id, .fence = fence};

        order_stop(f, &assign, GG_STOP_WITHDRAWN);

        assert_int_equal(count(f, GG_CMD_STARTED) + count(f, GG_CMD_OUTCOME), 0);
        assert_int_equal(todo_of(f, attempt), GG_TODO_WITHDRAW);
    }
    gg_worker_returned(f->agent, FENCE);
    gg_worker_started(f->agent, f->now.mono, FENCE + 1);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_true(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.never_started);
    assert_int_equal(count(f, GG_CMD_STARTED), 1);
}

/* Not later than the broker allowed, or it is told. */
static void attempt_behind_another_is_asked_back_when_it_is_late(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.start_within_ms = 3000;
    (void)tell(f, GG_CMD_ASSIGN, &assign);
    struct gg_attempt *attempt = gg_worker_next_start(f->agent, 0);
    gg_worker_starting(f->agent, attempt);
    gg_worker_behind(f->agent, FENCE);

    for (int i = 0; i < 10 && (attempt->todo_mask & GG_TODO_WITHDRAW) == 0; i++) {
        unsigned mask = 0;
        (void)gg_worker_next_todo(f->agent, &mask);
        pass_alive(f, 1000);
    }
    assert_true((todo_of(f, attempt) & GG_TODO_WITHDRAW) != 0);
    assert_int_equal(attempt->state, GG_ATTEMPT_STARTING);
    gg_worker_returned(f->agent, FENCE);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STARTED), 0);
    assert_true(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.never_started);
}

/* Nothing keeps it from starting: a pause must not wait for it, nor count it later. */
static void attempt_that_does_not_come_back_is_told_as_started(void **state)
{
    struct fixture *f = *state;
    struct gg_attempt *attempt = give(f, FENCE);
    gg_worker_admit(f->agent, FENCE);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    gg_worker_started(f->agent, f->now.mono, FENCE);

    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STARTED), 0); /* Once is enough. */
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
}

/* Its executor has died. Begun elsewhere it would start a second time. */
static void attempt_told_as_started_goes_back_when_its_executor_ends(void **state)
{
    struct fixture *f = *state;
    (void)give(f, FENCE);
    gg_worker_admit(f->agent, FENCE);

    gg_worker_returned(f->agent, FENCE);

    listen_to(f);
    assert_null(gg_worker_next_start(f->agent, 0));
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_true(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.never_started);
}

static void returned_attempt_of_a_draining_agent_goes_back(void **state)
{
    struct fixture *f = *state;
    (void)give(f, FENCE);
    gg_worker_drain(f->agent, f->now.mono, 5000);

    gg_worker_returned(f->agent, FENCE);

    listen_to(f);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
}

static void assignment_waits_for_an_executor_and_is_told_as_started(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);

    const struct gg_attempt *attempt = start(f, &assign);
    listen_to(f);

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_true(gg_slice_equal(gg_blob_slice(attempt->work->payload),
                               gg_slice_text("payload")));
    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void outcome_is_kept_until_confirmed(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);

    gg_worker_lost(f->agent);
    say_hello(f);
    assert_int_equal(f->said[0].as.hello.outcomes, 1);
    welcome(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    confirm(f, &assign);
    gg_worker_lost(f->agent);
    say_hello(f);
    welcome(f);

    assert_int_equal(count(f, GG_CMD_OUTCOME), 0);
    assert_int_equal(f->agent->attempts.count, 0);
}

static void same_assignment_twice_is_one_attempt(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    assert_null(gg_worker_next_start(f->agent, 0));
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    (void)tell(f, GG_CMD_ASSIGN, &assign); /* Ended: the outcome again. */
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    confirm(f, &assign);
    (void)tell(f, GG_CMD_ASSIGN, &assign); /* Confirmed: nothing. */
    listen_to(f);

    assert_int_equal(f->said_count, 0);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void older_fence_of_a_job_is_never_run(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    end(f, FENCE, GG_OUTCOME_FAILED);
    confirm(f, &assign);
    assign.fence = FENCE - 1;

    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void newer_attempt_does_not_run_beside_the_older(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_attempt *older = start(f, &assign);
    unsigned mask = 0;
    listen_to(f);
    assign.fence = FENCE + 1;

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    listen_to(f);

    const struct gg_command *back = heard(f, GG_CMD_OUTCOME, 0);
    assert_int_equal(back->as.outcome.fence, FENCE + 1);
    assert_int_equal(back->as.outcome.kind, GG_OUTCOME_HANDED_BACK);
    assert_true(back->as.outcome.never_started);
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), older);
    assert_int_equal(mask & GG_TODO_STOP, GG_TODO_STOP);
}

static void assignment_over_the_window_goes_back(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        (void)start(f, &assign);
    }
    listen_to(f);

    struct gg_assign more = assignment(f, FENCE + SLOTS);
    (void)tell(f, GG_CMD_ASSIGN, &more);
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
    assert_null(gg_worker_next_start(f->agent, 0));
}

/* What has ended and waits to be confirmed is not in the window: a broker whose disk is
 * slow gives the next job first, and would be given it back for ever. */
static void window_counts_what_has_not_ended(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        (void)start(f, &assign);
        end(f, FENCE + i, GG_OUTCOME_SUCCEEDED);
    }

    struct gg_assign more = assignment(f, FENCE + SLOTS);
    (void)tell(f, GG_CMD_ASSIGN, &more);

    assert_non_null(gg_worker_next_start(f->agent, 0));
}

static void assignment_that_waited_too_long_goes_back(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.start_within_ms = 500;
    (void)tell(f, GG_CMD_ASSIGN, &assign);
    assert_non_null(gg_worker_next_start(f->agent, 0));

    pass(f, 500);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void large_result_travels_as_second_frame(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    static const uint8_t bytes[GG_INLINE_BYTES_MAX + 1];
    struct gg_ending ending = {.kind = GG_OUTCOME_SUCCEEDED, .exit_status = 0};
    ending.result = gg_blob_new(gg_slice_of(bytes, sizeof bytes));
    (void)start(f, &assign);

    gg_worker_ended(f->agent, f->now.mono, FENCE, &ending);
    gg_blob_unref(&ending.result);
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result.len, sizeof bytes);
    assert_int_equal(f->attachment_len, sizeof bytes);
}

/* ---- what it says ---- */

static void only_the_last_progress_of_a_pass_is_sent(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line line = {.kind = GG_LINE_PROGRESS, .ppm = 1};
    (void)start(f, &assign);
    listen_to(f);

    gg_worker_said(f->agent, FENCE, &line);
    line.ppm = 2;
    gg_worker_said(f->agent, FENCE, &line);
    listen_to(f);

    assert_int_equal(count(f, GG_CMD_PROGRESS), 1);
    assert_int_equal(heard(f, GG_CMD_PROGRESS, 0)->as.progress.progress_ppm, 2);
}

static void checkpoint_and_progress_are_told_again_in_a_new_session(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line progress = {.kind = GG_LINE_PROGRESS, .ppm = 7};
    struct gg_line point = {.kind = GG_LINE_CHECKPOINT, .text = gg_slice_text("p")};
    (void)start(f, &assign);
    gg_worker_said(f->agent, FENCE, &progress);
    gg_worker_said(f->agent, FENCE, &point);
    listen_to(f);

    gg_worker_lost(f->agent);
    say_hello(f);
    welcome(f);

    assert_int_equal(count(f, GG_CMD_PROGRESS), 1);
    assert_int_equal(count(f, GG_CMD_CHECKPOINT), 1);
}

static void partial_output_carries_its_place(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line line = {.kind = GG_LINE_PARTIAL, .text = gg_slice_text("four")};
    (void)start(f, &assign);
    gg_worker_said(f->agent, FENCE, &line);
    gg_worker_said(f->agent, FENCE, &line);

    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_PARTIAL, 0)->as.partial.offset, 0);
    assert_int_equal(heard(f, GG_CMD_PARTIAL, 1)->as.partial.offset, 4);
}

/* ---- the built-in no-op ---- */

static void echo_answers_at_once_in_one_message(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        (void)tell(f, GG_CMD_ASSIGN, &assign);
    }

    listen_to(f);

    assert_int_equal(f->frame_count, 1);
    assert_int_equal(count(f, GG_CMD_OUTCOME), SLOTS);
    assert_int_equal(count(f, GG_CMD_STARTED), 0);
    assert_true(gg_slice_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result,
                               gg_slice_text("payload")));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hello_names_pools_windows_and_attempts,
                                        setup_without_welcome, teardown),
        TEST(welcome_is_followed_by_heartbeat_with_windows),
        TEST(messages_of_another_session_are_not_for_us),
        TEST(gap_in_the_brokers_messages_ends_the_session),
        TEST(reset_ends_the_session_and_attempts_go_on),
        TEST(silence_is_judged_after_dead_after),
        TEST(own_stop_is_not_the_brokers_silence),
        cmocka_unit_test_setup_teardown(lost_hello_is_noticed_by_the_agents_own_wakes,
                                        setup_without_welcome, teardown),
        TEST(attempt_behind_another_begins_with_its_turn),
        TEST(returned_attempts_wait_in_their_order_ahead_of_others),
        TEST(returned_attempt_that_was_to_stop_goes_back_as_never_started),
        TEST(attempt_told_to_stop_before_its_turn_is_not_started_after_a_reset),
        TEST(withdrawn_attempt_behind_another_is_asked_back),
        TEST(attempt_behind_another_is_asked_back_when_it_is_late),
        TEST(attempt_that_does_not_come_back_is_told_as_started),
        TEST(attempt_told_as_started_goes_back_when_its_executor_ends),
        TEST(returned_attempt_of_a_draining_agent_goes_back),
        TEST(assignment_waits_for_an_executor_and_is_told_as_started),
        TEST(outcome_is_kept_until_confirmed),
        TEST(same_assignment_twice_is_one_attempt),
        TEST(older_fence_of_a_job_is_never_run),
        TEST(newer_attempt_does_not_run_beside_the_older),
        TEST(assignment_over_the_window_goes_back),
        TEST(window_counts_what_has_not_ended),
        TEST(assignment_that_waited_too_long_goes_back),
        TEST(large_result_travels_as_second_frame),
        TEST(only_the_last_progress_of_a_pass_is_sent),
        TEST(checkpoint_and_progress_are_told_again_in_a_new_session),
        TEST(partial_output_carries_its_place),
        cmocka_unit_test_setup_teardown(echo_answers_at_once_in_one_message, setup_echo,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
