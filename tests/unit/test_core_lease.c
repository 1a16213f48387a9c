/* test_core_lease.c - who runs what, until when: credit, fences, silence, proof of
 * death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { ALICE, W1, W2, W3 };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, ALICE);
    return 0;
}

static struct gg_id submit_to(struct stage *stage, const char *queue)
{
    struct gg_submit submit = stage_submission(stage, queue);
    return stage_submit(stage, ALICE, 1, &submit);
}

/* The assignment said to `peer` in the last step, its slices cut off. */
static struct gg_assign assigned_to(const struct stage *stage, uint32_t peer)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    return said->command.as.assign;
}

static bool was_assigned(const struct stage *stage, uint32_t peer)
{
    return stage_heard(stage, peer, GG_CMD_ASSIGN, 0) != NULL;
}

static enum gg_err confirmed(const struct stage *stage, uint32_t peer)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_CONFIRM, 0);
    assert_non_null(said);
    return (enum gg_err)said->command.as.confirm.error;
}

static void window_is_never_exceeded(void **state)
{
    struct stage *stage = *state;
    for (int i = 0; i < 5; i++) {
        (void)submit_to(stage, "reports");
    }

    stage_agent(stage, W1, "w1", "reports", 2);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 2);
    struct gg_assign first = assigned_to(stage, W1);
    stage_outcome(stage, W1, &first, GG_OUTCOME_SUCCEEDED, "ok");
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void pattern_serves_queues_that_come_later(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "rep*", 1);

    (void)submit_to(stage, "reports");

    assert_true(was_assigned(stage, W1));
}

static void priority_goes_before_age(void **state)
{
    struct stage *stage = *state;
    (void)submit_to(stage, "reports");
    struct gg_submit urgent = stage_submission(stage, "reports");
    urgent.priority = 0;
    struct gg_id id = stage_submit(stage, ALICE, 2, &urgent);

    stage_agent(stage, W1, "w1", "reports", 1);

    struct gg_assign assign = assigned_to(stage, W1);
    assert_true(gg_id_equal(&assign.id, &id));
}

static void equal_priorities_go_in_the_order_of_acceptance(void **state)
{
    struct stage *stage = *state;
    struct gg_id first = submit_to(stage, "reports");
    (void)submit_to(stage, "reports");

    stage_agent(stage, W1, "w1", "reports", 1);

    struct gg_assign assign = assigned_to(stage, W1);
    assert_true(gg_id_equal(&assign.id, &first));
}

static void work_is_spread_over_agents_in_turn(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 4);
    stage_agent(stage, W2, "w2", "reports", 4);

    (void)submit_to(stage, "reports");
    bool first_to_w1 = was_assigned(stage, W1);
    (void)submit_to(stage, "reports");

    assert_true(was_assigned(stage, first_to_w1 ? W2 : W1));
}

static void lease_that_is_not_renewed_ends_and_the_next_fence_is_larger(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    (void)submit_to(stage, "reports");
    struct gg_assign old = assigned_to(stage, W1);
    stage_agent(stage, W2, "w2", "reports", 1);

    /* w1 is silent; w2 is heard, so that only w1 is suspect. */
    for (int i = 0; i < 14; i++) {
        stage_wait(stage, 1000);
        stage_heartbeat(stage, W2, NULL, 0);
        assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    }
    stage_wait(stage, 1000);

    struct gg_assign fresh = assigned_to(stage, W2);
    assert_true(fresh.fence > old.fence);
    assert_int_equal(fresh.attempt, 2);
    assert_non_null(stage_heard(stage, W1, GG_CMD_STOP, 0));
}

static void late_outcome_under_an_older_fence_is_stale(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");
    struct gg_assign old = assigned_to(stage, W1);
    stage_agent(stage, W2, "w2", "reports", 1);
    stage_wait(stage, 14000);
    stage_heartbeat(stage, W2, NULL, 0);
    stage_wait(stage, 1000);
    struct gg_assign fresh = assigned_to(stage, W2);

    stage_outcome(stage, W1, &old, GG_OUTCOME_SUCCEEDED, "old");
    assert_int_equal(confirmed(stage, W1), GG_ERR_STALE);
    stage_outcome(stage, W2, &fresh, GG_OUTCOME_SUCCEEDED, "new");

    assert_int_equal(confirmed(stage, W2), GG_OK);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_SUCCEEDED);
}

static void late_success_under_the_newest_fence_is_taken(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");
    struct gg_assign only = assigned_to(stage, W1);
    stage_wait(stage, 20000);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_READY);

    /* Hearing from w1 makes it eligible, but its outcome comes in the same breath: the
     * job may be assigned anew before; then the old outcome is stale. Take its slots
     * away. */
    stage_agent_again(stage, W1, "w1", 1, "reports", 0, NULL, 0);
    stage_outcome(stage, W1, &only, GG_OUTCOME_SUCCEEDED, "late");

    assert_int_equal(confirmed(stage, W1), GG_OK);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_SUCCEEDED);
}

static void outcome_of_another_agent_is_stale(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");
    struct gg_assign assign = assigned_to(stage, W1);
    stage_agent(stage, W2, "w2", "mail", 1);

    stage_outcome(stage, W2, &assign, GG_OUTCOME_SUCCEEDED, "forged");

    assert_int_equal(confirmed(stage, W2), GG_ERR_STALE);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_RUNNING);
}

static void outcome_said_twice_is_confirmed_twice_and_counts_once(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_assign assign = assigned_to(stage, W1);

    stage_outcome(stage, W1, &assign, GG_OUTCOME_SUCCEEDED, "ok");
    assert_int_equal(confirmed(stage, W1), GG_OK);
    stage_outcome(stage, W1, &assign, GG_OUTCOME_SUCCEEDED, "ok");

    assert_int_equal(confirmed(stage, W1), GG_OK);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_SUCCEEDED);
}

static void heartbeat_renews_the_leases_it_lists(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 2);
    struct gg_id kept = submit_to(stage, "reports");
    uint64_t fence = assigned_to(stage, W1).fence;
    struct gg_id dropped = submit_to(stage, "reports");

    for (int i = 0; i < 20; i++) {
        stage_wait(stage, 1000);
        stage_heartbeat(stage, W1, &fence, 1);
    }

    assert_int_equal(stage_state(stage, ALICE, &kept), GG_JOB_RUNNING);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_JOB, 0);
    assert_int_equal(said->command.as.job.attempt, 1);
    (void)stage_state(stage, ALICE, &dropped);
    said = stage_heard(stage, ALICE, GG_CMD_JOB, 0);
    assert_int_equal(said->command.as.job.attempt, 2);
}

static void silent_agent_gets_no_new_work(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 4);
    stage_wait(stage, (int64_t)stage->bounds.dead_after_ms);

    (void)submit_to(stage, "reports");
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    stage_heartbeat(stage, W1, NULL, 0);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

/* Twenty agents that beat each second, one after the other, for ten seconds. */
static void fleet_that_beats_wakes_broker_seldom(void **state)
{
    enum { FLEET = 20, SECONDS = 10, BEAT_MS = 1000 };
    struct stage *stage = *state;
    char name[8];
    for (uint32_t i = 1; i <= FLEET; i++) {
        (void)snprintf(name, sizeof name, "w%u", i);
        stage_agent(stage, i, name, "reports", 1);
        stage_wait(stage, BEAT_MS / FLEET);
    }
    uint32_t before = stage->ticks;
    for (int second = 0; second < SECONDS; second++) {
        for (uint32_t i = 1; i <= FLEET; i++) {
            stage_heartbeat(stage, i, NULL, 0);
            stage_wait(stage, BEAT_MS / FLEET);
        }
    }

    /* One for each agent every two or three seconds would be 60 at least. */
    assert_true(stage->ticks - before <= 3 * SECONDS);
    stage_wait(stage, (int64_t)stage->bounds.dead_after_ms - 2 * BEAT_MS);
    stage_heartbeat(stage, 1, NULL, 0);
    stage_wait(stage, 2 * BEAT_MS - BEAT_MS / FLEET);
    (void)submit_to(stage, "reports");
    assert_true(was_assigned(stage, 1)); /* All others have been silent too long. */
}

static void closed_session_ends_leases_after_the_grace_period(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    (void)submit_to(stage, "reports");
    stage_agent(stage, W2, "w2", "reports", 1);
    stage_close(stage, W1, false);

    stage_wait(stage, (int64_t)stage->bounds.gone_grace_ms - 1);
    stage_heartbeat(stage, W2, NULL, 0);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    stage_wait(stage, 1);

    assert_true(was_assigned(stage, W2));
}

static void goodbye_hands_back_at_once_and_uses_up_nothing(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    (void)submit_to(stage, "reports");
    stage_agent(stage, W2, "w2", "reports", 1);

    stage_close(stage, W1, true);

    assert_int_equal(assigned_to(stage, W2).attempt, 1);
}

static void newer_incarnation_proves_the_older_one_dead(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    (void)submit_to(stage, "reports");
    stage_close(stage, W1, false);

    stage_agent_again(stage, W2, "w1", 2, "reports", 1, NULL, 0);

    assert_int_equal(assigned_to(stage, W2).attempt, 2);
}

static void second_agent_of_a_live_name_is_refused(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);

    stage_agent_again(stage, W2, "w1", 2, "reports", 1, NULL, 0);

    const struct said *said = stage_heard(stage, W2, GG_CMD_RESET, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.reset.error, GG_ERR_NAME_TAKEN);
    (void)submit_to(stage, "reports");
    assert_true(was_assigned(stage, W1));
}

static void new_session_of_the_same_agent_keeps_what_it_holds(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 2);
    struct gg_id kept = submit_to(stage, "reports");
    struct gg_assign assign = assigned_to(stage, W1);
    (void)submit_to(stage,
                    "reports"); /* This assignment is lost with the connection. */
    struct gg_held held = {
        .id = assign.id, .fence = assign.fence, .pool = 1, .started = true};

    stage_agent_again(stage, W2, "w1", 1, "reports", 2, &held, 1);

    /* The lost one is assigned anew and has not used up an attempt. */
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
    assert_int_equal(assigned_to(stage, W2).attempt, 1);
    assert_int_equal(stage_count(stage, GG_CMD_STOP), 0);
    stage_outcome(stage, W2, &assign, GG_OUTCOME_SUCCEEDED, "ok");
    assert_int_equal(confirmed(stage, W2), GG_OK);
    assert_int_equal(stage_state(stage, ALICE, &kept), GG_JOB_SUCCEEDED);
}

static void hello_with_an_unreadable_attempt_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_held held = {.fence = 7, .pool = 1}; /* Without the id it must have. */

    stage_agent_again(stage, W1, "w1", 1, "reports", 1, &held, 1);

    const struct said *said = stage_heard(stage, W1, GG_CMD_RESET, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.reset.error, GG_ERR_BAD_FIELD);
    (void)submit_to(stage, "reports");
    assert_false(was_assigned(stage, W1));
}

static void attempt_of_an_older_broker_is_stopped_as_lost_with_it(void **state)
{
    struct stage *stage = *state;
    struct gg_held held = {.id = {{1, 2, 3}},
                           .fence = UINT64_C(999) << 24 | 5,
                           .pool = 1,
                           .started = true};

    stage_agent_again(stage, W1, "w1", 1, "reports", 1, &held, 1);

    const struct said *said = stage_heard(stage, W1, GG_CMD_STOP, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.stop.reason, GG_STOP_LOST_WITH_BROKER);
}

static void attempt_whose_lease_had_ended_is_taken_back(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");
    struct gg_assign assign = assigned_to(stage, W1);
    stage_close(stage, W1, false);
    stage_wait(stage, 5000);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_READY);
    struct gg_held held = {
        .id = assign.id, .fence = assign.fence, .pool = 1, .started = true};

    stage_agent_again(stage, W2, "w1", 1, "reports", 1, &held, 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_RUNNING);
    stage_outcome(stage, W2, &assign, GG_OUTCOME_SUCCEEDED, "ok");
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_SUCCEEDED);
}

static void at_most_once_is_never_started_again(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.attempts = 1;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);
    struct gg_assign assign = assigned_to(stage, W1);
    stage_started(stage, W1, &assign);
    stage_agent(stage, W2, "w2", "reports", 1);
    stage_close(stage, W1, false);

    stage_wait(stage, 5000);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_FAILED);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_JOB, 0);
    assert_int_equal(said->command.as.job.error, GG_ERR_LEASE_LOST);
}

static void stalled_broker_judges_nobody(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");

    /* Thirty seconds without a single step: the broker was stopped. */
    stage->now.mono.ms += 30000;
    stage->now.wall.ms += 30000;
    stage_wait(stage, 0);

    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_RUNNING);
}

/* Jobs that wait have no timer; all of them get one at once here. */
static void large_window_takes_a_large_backlog(void **state)
{
    struct stage *stage = *state;
    for (int i = 0; i < 500; i++) {
        (void)submit_to(stage, "reports");
    }

    stage_agent(stage, W1, "w1", "reports", 500);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 500);
}

static void draining_agent_gets_no_new_work(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 4);
    struct gg_heartbeat heartbeat = {.draining = true};
    stage_say(stage, W1, GG_CMD_HEARTBEAT, 0, &heartbeat);

    (void)submit_to(stage, "reports");

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

static void outcome_still_to_be_confirmed_counts_once_in_a_new_session(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_id id = submit_to(stage, "reports");
    struct gg_assign assign = assigned_to(stage, W1);
    stage_started(stage, W1, &assign);
    stage_outcome(stage, W1, &assign, GG_OUTCOME_SNOOZED, "later");
    struct gg_held held = {
        .id = assign.id, .fence = assign.fence, .pool = 1, .started = true};

    stage_agent_again(stage, W2, "w1", 1, "reports", 1, &held, 1);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_SCHEDULED);
    stage_outcome(stage, W2, &assign, GG_OUTCOME_SNOOZED, "later");

    assert_int_equal(confirmed(stage, W2), GG_OK);
    stage_wait(stage, 1);
    assert_int_equal(assigned_to(stage, W2).attempt, 1);
}

static void at_most_once_that_was_stopped_to_drain_is_never_started_again(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.attempts = 1;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);
    struct gg_assign assign = assigned_to(stage, W1);
    stage_started(stage, W1, &assign);

    stage_outcome(stage, W1, &assign, GG_OUTCOME_HANDED_BACK, "");

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_FAILED);
}

static void at_most_once_that_runs_at_goodbye_is_never_started_again(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.attempts = 1;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);
    struct gg_assign assign = assigned_to(stage, W1);
    stage_started(stage, W1, &assign);
    stage_agent(stage, W2, "w2", "reports", 1);

    stage_close(stage, W1, true);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_FAILED);
}

static void silent_agent_that_comes_back_with_less_gets_less(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 4);
    stage_wait(stage, 4000);
    (void)submit_to(stage, "reports");
    struct gg_heartbeat heartbeat = {.draining = true};

    stage_say(stage, W1, GG_CMD_HEARTBEAT, 0, &heartbeat);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

static void pool_that_lost_a_lease_gets_work_at_once(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 1);
    (void)submit_to(stage, "reports");
    struct gg_assign old = assigned_to(stage, W1);
    for (int i = 0; i < 14; i++) { /* Heard, but it does not list the lease. */
        stage_wait(stage, 1000);
        stage_heartbeat(stage, W1, NULL, 0);
    }

    stage_wait(stage, 1000);

    assert_true(assigned_to(stage, W1).fence > old.fence);
}

static void fences_that_run_over_do_not_make_the_broker_a_younger_one(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, W1, "w1", "reports", 2);
    (void)submit_to(stage, "reports");
    uint64_t before = assigned_to(stage, W1).fence;
    stage->core->fence_count = (UINT64_C(1) << GG_FENCE_SHIFT) - 1;

    (void)submit_to(stage, "reports");

    assert_true(assigned_to(stage, W1).fence > before);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = stage_submission(stage, "reports").id; /* Evicted, or never known. */
    target.epoch = 1000;
    stage_say(stage, ALICE, GG_CMD_GET, 5, &target);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_ERROR, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.error.error, GG_ERR_NOT_FOUND);
}

static void job_past_its_start_deadline_is_not_started(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.expires_ms = 500;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);
    stage->now.mono.ms += 600; /* The agent is heard before the timer is. */

    stage_agent(stage, W1, "w1", "reports", 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_EXPIRED);
}

static void older_incarnation_does_not_prove_the_newer_one_dead(void **state)
{
    struct stage *stage = *state;
    stage_agent_again(stage, W1, "w1", 5, "reports", 1, NULL, 0);
    struct gg_id id = submit_to(stage, "reports");
    stage_close(stage, W1, false);

    stage_agent_again(stage, W2, "w1", 4, "reports", 1, NULL, 0);

    const struct said *said = stage_heard(stage, W2, GG_CMD_RESET, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.reset.error, GG_ERR_NAME_TAKEN);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_RUNNING);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(window_is_never_exceeded),
        TEST(pattern_serves_queues_that_come_later),
        TEST(priority_goes_before_age),
        TEST(equal_priorities_go_in_the_order_of_acceptance),
        TEST(work_is_spread_over_agents_in_turn),
        TEST(lease_that_is_not_renewed_ends_and_the_next_fence_is_larger),
        TEST(late_outcome_under_an_older_fence_is_stale),
        TEST(late_success_under_the_newest_fence_is_taken),
        TEST(outcome_of_another_agent_is_stale),
        TEST(outcome_said_twice_is_confirmed_twice_and_counts_once),
        TEST(heartbeat_renews_the_leases_it_lists),
        TEST(silent_agent_gets_no_new_work),
        TEST(fleet_that_beats_wakes_broker_seldom),
        TEST(closed_session_ends_leases_after_the_grace_period),
        TEST(goodbye_hands_back_at_once_and_uses_up_nothing),
        TEST(newer_incarnation_proves_the_older_one_dead),
        TEST(second_agent_of_a_live_name_is_refused),
        TEST(new_session_of_the_same_agent_keeps_what_it_holds),
        TEST(hello_with_an_unreadable_attempt_is_refused),
        TEST(attempt_of_an_older_broker_is_stopped_as_lost_with_it),
        TEST(attempt_whose_lease_had_ended_is_taken_back),
        TEST(at_most_once_is_never_started_again),
        TEST(stalled_broker_judges_nobody),
        TEST(large_window_takes_a_large_backlog),
        TEST(draining_agent_gets_no_new_work),
        TEST(outcome_still_to_be_confirmed_counts_once_in_a_new_session),
        TEST(at_most_once_that_was_stopped_to_drain_is_never_started_again),
        TEST(at_most_once_that_runs_at_goodbye_is_never_started_again),
        TEST(silent_agent_that_comes_back_with_less_gets_less),
        TEST(pool_that_lost_a_lease_gets_work_at_once),
        TEST(fences_that_run_over_do_not_make_the_broker_a_younger_one),
        TEST(job_past_its_start_deadline_is_not_started),
        TEST(older_incarnation_does_not_prove_the_newer_one_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
