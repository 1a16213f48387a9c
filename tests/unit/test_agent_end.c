/* test_agent_end.c - the agent: how attempts are stopped, lose their lease, drain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tests/lib/agent_stage.h"

#include <cmocka.h>

/* ---- stops ---- */

static void stop_reason_decides_the_outcome(void **state)
{
    static const struct {
        enum gg_stop reason;
        enum gg_outcome outcome;
    } rows[] = {
        {GG_STOP_CANCELLED, GG_OUTCOME_CANCELLED},
        {GG_STOP_TIMED_OUT, GG_OUTCOME_TIMED_OUT},
        {GG_STOP_STALE, GG_OUTCOME_LOST},
        {GG_STOP_LOST_WITH_BROKER, GG_OUTCOME_LOST},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        unsigned mask = 0;
        struct gg_attempt *attempt = start(f, &assign);

        order_stop(f, &assign, rows[i].reason);
        assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
        assert_int_equal(attempt->grace_ms, 500);
        end(f, FENCE + i, GG_OUTCOME_SUCCEEDED); /* It may say what it likes. */

        assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind, rows[i].outcome);
    }
}

static void withdrawal_takes_only_what_has_not_started(void **state)
{
    struct fixture *f = *state;
    struct gg_assign waiting = assignment(f, FENCE);
    struct gg_assign running = assignment(f, FENCE + 1);
    (void)start(f, &running);
    (void)tell(f, GG_CMD_ASSIGN, &waiting);
    listen_to(f);

    order_stop(f, &waiting, GG_STOP_WITHDRAWN);
    const struct gg_command *back = heard(f, GG_CMD_OUTCOME, 0);
    assert_int_equal(back->as.outcome.kind, GG_OUTCOME_HANDED_BACK);
    assert_true(back->as.outcome.never_started);
    order_stop(f, &running, GG_STOP_WITHDRAWN);

    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 0);
}

/* The stop has overtaken the assignment: it is answered, and what is late not run. */
static void withdrawal_of_what_never_came_is_answered(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);

    order_stop(f, &assign, GG_STOP_WITHDRAWN);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void run_timeout_stops_the_attempt(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    assign.run_timeout_ms = 700;
    struct gg_attempt *attempt = start(f, &assign);

    pass(f, 699);
    assert_null(gg_worker_next_todo(f->agent, &mask));
    pass(f, 1);

    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    end(f, FENCE, GG_OUTCOME_CRASHED);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_TIMED_OUT);
}

/* ---- leases ---- */

static void heartbeats_that_are_acknowledged_renew_the_lease(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    const struct gg_attempt *attempt = start(f, &assign);
    int64_t before = attempt->lease_ms;

    pass_alive(f, RENEWED_MS);

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_int_equal(attempt->lease_ms, before + RENEWED_MS);
}

/* The lease runs from the sending of the last heartbeat that was seen, not from its
 * answer, and the attempt dies a margin before its end. */
static void lost_contact_kills_a_margin_before_the_lease_ends(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    struct gg_attempt *attempt = start(f, &assign);
    pass_alive(f, 2000);
    while (gg_worker_next_todo(f->agent, &mask) != NULL) {
    }

    int64_t sent = f->now.mono.ms;
    gg_worker_lost(f->agent);
    pass(f, LEASE_MS - MARGIN_MS - 1);
    assert_null(gg_worker_next_todo(f->agent, &mask));
    pass(f, 1);

    assert_int_equal(f->now.mono.ms, sent + LEASE_MS - MARGIN_MS);
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    assert_int_equal(attempt->grace_ms, 0);
    end(f, FENCE, GG_OUTCOME_CRASHED);
    say_hello(f);
    welcome(f);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind, GG_OUTCOME_LOST);
}

/* What was assigned after the heartbeat is not renewed by its acknowledgement. */
static void heartbeat_renews_only_what_it_listed(void **state)
{
    struct fixture *f = *state;
    struct gg_heartbeat beat;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    pass(f, 1000);
    uint64_t listed_nothing = f->heard;
    struct gg_assign assign = assignment(f, FENCE);
    const struct gg_attempt *attempt = start(f, &assign);
    int64_t before = attempt->lease_ms;

    (void)tell_acked(f, GG_MESSAGE_COMMANDS, GG_CMD_HEARTBEAT, &beat, listed_nothing);

    assert_int_equal(attempt->lease_ms, before);
}

/* ---- drain ---- */

static void drain_takes_nothing_new_and_lets_run_what_runs(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    struct gg_assign waiting = assignment(f, FENCE + 1);
    struct gg_assign late = assignment(f, FENCE + 2);
    unsigned mask = 0;
    (void)start(f, &running);
    (void)tell(f, GG_CMD_ASSIGN, &waiting);
    listen_to(f);

    gg_worker_drain(f->agent, f->now.mono, 10000);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_true(heard(f, GG_CMD_HEARTBEAT, 0)->as.heartbeat.draining);
    (void)tell(f, GG_CMD_ASSIGN, &late);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_SUCCEEDED);
    assert_false(gg_worker_is_drained(f->agent));
    confirm(f, &running);
    confirm(f, &waiting);
    confirm(f, &late);

    assert_true(gg_worker_is_drained(f->agent));
    assert_null(gg_worker_next_todo(f->agent, &mask));
}

static void drain_hands_back_what_does_not_end_in_time(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    unsigned mask = 0;
    struct gg_attempt *attempt = start(f, &running);

    gg_worker_drain(f->agent, f->now.mono, 2000);
    pass_alive(f, 2000);
    while (gg_worker_next_todo(f->agent, &mask) == attempt &&
           (mask & GG_TODO_STOP) == 0) {
    }
    assert_int_equal(attempt->state, GG_ATTEMPT_STOPPING);
    end(f, FENCE, GG_OUTCOME_CRASHED);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
}

static void window_of_zero_hands_back_what_waits(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)tell(f, GG_CMD_ASSIGN, &assign);

    gg_worker_set_window(f->agent, f->now.mono, 0, 0);
    listen_to(f);

    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_int_equal(count(f, GG_CMD_HEARTBEAT), 1);
}

/* ---- slots, orders, pools ---- */

/* The broker may use a slot again before its confirm has come. */
static void slot_is_free_with_the_outcome_and_not_with_its_confirm(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assigns[SLOTS];
    for (uint32_t i = 0; i < SLOTS; i++) {
        assigns[i] = assignment(f, FENCE + i);
        (void)start(f, &assigns[i]);
    }
    end(f, FENCE, GG_OUTCOME_FAILED);

    struct gg_assign next = assignment(f, FENCE + SLOTS);
    assert_non_null(start(f, &next));
    struct gg_assign over = assignment(f, FENCE + SLOTS + 1);
    (void)tell(f, GG_CMD_ASSIGN, &over);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void quiet_agent_offers_nothing_and_keeps_what_runs(void **state)
{
    struct fixture *f = *state;
    struct gg_assign first = assignment(f, FENCE);
    const struct gg_attempt *attempt = start(f, &first);

    gg_worker_quiet(f->agent, f->now.mono, true);
    struct gg_assign late = assignment(f, FENCE + 1);
    (void)tell(f, GG_CMD_ASSIGN, &late);
    pass_alive(f, 60000);

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_null(gg_worker_next_start(f->agent, 0));
    gg_worker_quiet(f->agent, f->now.mono, false);
    struct gg_assign next = assignment(f, FENCE + 2);
    assert_non_null(start(f, &next));
}

static void order_is_kept_until_it_is_answered(void **state)
{
    struct fixture *f = *state;
    struct gg_steer steer;
    gg_record_default(GG_RECORD_STEER, &steer);
    steer.action = GG_STEER_SCALE;
    steer.pool = gg_slice_text("encode");
    steer.size = 7;

    for (int i = 0; i < 17; i++) {
        (void)tell(f, GG_CMD_STEER, &steer);
    }
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_STEERED), 1); /* There is room for 16. */
    assert_int_equal(heard(f, GG_CMD_STEERED, 0)->as.steered.error, GG_ERR_BUSY);
    struct gg_worker_order *order = gg_worker_next_order(f->agent);
    assert_int_equal(order->size, 7);
    assert_string_equal(order->pool.text, "encode");
    gg_worker_answer(f->agent, order, GG_OK, "");
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_STEERED, 0)->as.steered.error, GG_OK);
}

static void pool_that_is_added_is_told_in_full_once(void **state)
{
    static const char *const queues[] = {"new.*"};
    struct fixture *f = *state;
    struct gg_worker_pool pool = {
        .slots = 1, .name = gg_slice_text("new"), .queues = queues, .queue_count = 1};
    uint32_t index = 0;
    struct gg_pool_info info;
    struct gg_fault fault;

    assert_int_equal(gg_worker_resize_pool(f->agent, 0, SLOTS - 1), GG_OK);
    assert_int_equal(gg_worker_add_pool(f->agent, f->now.mono, &pool, &index), GG_OK);
    assert_int_equal(index, 1);
    listen_to(f);

    struct gg_list pools = heard(f, GG_CMD_HEARTBEAT, 0)->as.heartbeat.pools;
    assert_int_equal(pools.count, 2);
    assert_true(gg_list_next_record(&pools, GG_RECORD_POOL, &info, &fault));
    assert_int_equal(info.queues.count, 0);
    assert_true(gg_list_next_record(&pools, GG_RECORD_POOL, &info, &fault));
    assert_int_equal(info.queues.count, 1);
    assert_int_equal(gg_worker_add_pool(f->agent, f->now.mono, &pool, &index),
                     GG_ERR_TOO_MANY);
    gg_worker_set_window(f->agent, f->now.mono, 1, 0);
    assert_true(gg_worker_drop_pool(f->agent, f->now.mono, 1));
    listen_to(f);
    uint32_t last = count(f, GG_CMD_HEARTBEAT) - 1;
    assert_int_equal(heard(f, GG_CMD_HEARTBEAT, last)->as.heartbeat.pools.count, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(stop_reason_decides_the_outcome),
        TEST(withdrawal_takes_only_what_has_not_started),
        TEST(withdrawal_of_what_never_came_is_answered),
        TEST(run_timeout_stops_the_attempt),
        TEST(heartbeats_that_are_acknowledged_renew_the_lease),
        TEST(lost_contact_kills_a_margin_before_the_lease_ends),
        TEST(heartbeat_renews_only_what_it_listed),
        TEST(drain_takes_nothing_new_and_lets_run_what_runs),
        TEST(drain_hands_back_what_does_not_end_in_time),
        TEST(window_of_zero_hands_back_what_waits),
        cmocka_unit_test_setup_teardown(
            slot_is_free_with_the_outcome_and_not_with_its_confirm, setup, teardown),
        cmocka_unit_test_setup_teardown(quiet_agent_offers_nothing_and_keeps_what_runs,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(order_is_kept_until_it_is_answered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pool_that_is_added_is_told_in_full_once, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
