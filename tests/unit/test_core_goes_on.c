/* test_core_goes_on.c - what ran when the broker died goes on where it runs, and nobody
 * else is given it meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/registry.h"
#include "tests/unit/durable_stage.h"

/* ---- what ran goes on ---- */

static void running_attempt_is_taken_back_under_its_fence(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_assign assign = *assigned(stage, AGENT, 0); /* No record tells of it. */

    crash(stage);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
    stage_agent(stage, SECOND, "other", "q", 1);
    assert_null(assigned(stage, SECOND, 0)); /* The first may still run it. */
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_count(stage, GG_CMD_STOP), 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    const struct said *confirm = stage_heard(stage, AGENT, GG_CMD_CONFIRM, 0);
    assert_int_equal(confirm->command.as.confirm.error, GG_OK);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_SUCCEEDED);
}

static void running_attempt_is_taken_back_after_second_restart(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};
    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_SUCCEEDED);
}

static void newest_of_two_attempts_in_hand_is_the_one(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign older = *assigned(stage, AGENT, 0);
    stage_close(stage, AGENT, false);
    stage_wait(stage, 5000);
    stage_agent(stage, SECOND, "other", "q", 1);
    struct gg_assign newer = *assigned(stage, SECOND, 0);
    struct gg_held stale = {.id = id, .fence = older.fence, .pool = 1, .started = true};
    struct gg_held held = {.id = id, .fence = newer.fence, .pool = 1, .started = true};

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &stale, 1);
    const struct said *stop = stage_heard(stage, AGENT, GG_CMD_STOP, 0);
    assert_non_null(stop);
    assert_int_equal(stop->command.as.stop.fence, older.fence);
    stage_agent_again(stage, SECOND, "other", 1, "q", 1, &held, 1);

    assert_int_equal(gg_job_newest(gg_registry_by_id(stage->core, &id))->fence,
                     newer.fence);
}

static enum gg_err confirmed(struct stage *stage, uint32_t peer)
{
    const struct said *confirm = stage_heard(stage, peer, GG_CMD_CONFIRM, 0);
    assert_non_null(confirm);
    return (enum gg_err)confirm->command.as.confirm.error;
}

/* The newer attempt's agent has not said yet that it runs it. */
static void late_success_of_older_attempt_is_stale_after_restart(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign older = *assigned(stage, AGENT, 0);
    stage_close(stage, AGENT, false);
    stage_wait(stage, 5000);
    stage_agent(stage, SECOND, "other", "q", 1);
    struct gg_assign newer = *assigned(stage, SECOND, 0);
    struct gg_held held = {.id = id, .fence = newer.fence, .pool = 1, .started = true};

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, NULL, 0);
    stage_outcome(stage, AGENT, &older, GG_OUTCOME_SUCCEEDED, "old");
    assert_int_equal(confirmed(stage, AGENT), GG_ERR_STALE);
    stage_agent_again(stage, SECOND, "other", 1, "q", 1, &held, 1);
    stage_outcome(stage, SECOND, &newer, GG_OUTCOME_SUCCEEDED, "new");
    assert_int_equal(confirmed(stage, SECOND), GG_OK);

    assert_true(gg_slice_equal(get(stage, &id)->result, gg_slice_text("new")));
}

/* An agent that stayed away over one restart and is back after the next. */
static void attempt_nobody_told_of_is_stale_once_another_was_given(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign older = *assigned(stage, AGENT, 0);
    struct gg_held stale = {.id = id, .fence = older.fence, .pool = 1, .started = true};
    crash(stage);
    stage_wait(stage, (int64_t)stage->bounds.lease_ms);
    stage_agent(stage, SECOND, "other", "q", 1);
    struct gg_assign newer = *assigned(stage, SECOND, 0);

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &stale, 1);

    assert_non_null(stage_heard(stage, AGENT, GG_CMD_STOP, 0));
    assert_int_equal(gg_job_newest(gg_registry_by_id(stage->core, &id))->fence,
                     newer.fence);
}

/* The older of two attempts of which no record tells comes to nothing first: the newer
 * one may still run at an agent that is awaited. */
static void job_of_lost_older_attempt_waits_for_awaited_agents(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_assign older = *assigned(stage, AGENT, 0);
    crash(stage);
    stage_wait(stage, (int64_t)stage->bounds.lease_ms);
    stage_agent(stage, SECOND, "other", "q", 1);
    struct gg_assign newer = *assigned(stage, SECOND, 0);
    struct gg_held stale = {.id = id, .fence = older.fence, .pool = 1};
    struct gg_held held = {.id = id, .fence = newer.fence, .pool = 1, .started = true};

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &stale, 1);
    stage_outcome(stage, AGENT, &older, GG_OUTCOME_LOST, "killed with its lease");
    assert_null(assigned(stage, AGENT, 0));
    stage_agent_again(stage, SECOND, "other", 1, "q", 1, &held, 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_count(stage, GG_CMD_STOP), 0);
    assert_int_equal(gg_job_newest(gg_registry_by_id(stage->core, &id))->fence,
                     newer.fence);
}

static void held_job_goes_once_its_agents_are_back(void **state)
{
    struct stage *stage = *state;
    (void)submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    stage_agent(stage, SECOND, "other", "r", 1);

    crash(stage);
    stage_agent(stage, SECOND, "third", "q", 1);
    assert_null(assigned(stage, SECOND, 0));
    stage_agent_again(stage, AGENT, "w", 1, "q", 0, NULL, 0);

    assert_non_null(assigned(stage, SECOND, 0)); /* "other" never served the queue. */
}

static void job_accepted_after_restart_is_not_held_up(void **state)
{
    struct stage *stage = *state;
    (void)submit_keyed(stage, "old");
    stage_agent(stage, AGENT, "w", "q", 1);

    crash(stage);
    stage_agent(stage, SECOND, "other", "q", 1);
    struct gg_id fresh = submit_keyed(stage, "new");

    assert_true(gg_id_equal(&assigned(stage, SECOND, 0)->id, &fresh));
}

static void held_job_goes_once_a_lease_has_passed(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");

    crash(stage);
    stage_agent(stage, SECOND, "other", "q", 1);
    int64_t lease_ms = (int64_t)stage->bounds.lease_ms;
    for (int64_t ms = 1000; ms < lease_ms; ms += 1000) {
        stage_heartbeat(stage, SECOND, NULL, 0);
        assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
        stage_wait(stage, 1000);
        assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    }
    stage_heartbeat(stage, SECOND, NULL, 0);
    stage_wait(stage, 1000);

    assert_non_null(assigned(stage, SECOND, 0));
    assert_true(gg_id_equal(&assigned(stage, SECOND, 0)->id, &id));
}

static void agent_that_said_goodbye_is_not_awaited(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    stage_close(stage, AGENT, true);
    struct gg_id id = submit_keyed(stage, "k");

    crash(stage);
    stage_agent(stage, SECOND, "other", "q", 1);

    assert_true(gg_id_equal(&assigned(stage, SECOND, 0)->id, &id));
}

/* It may run, started in time: that is judged once its agents had their say. */
static void start_deadline_is_not_judged_while_agents_are_awaited(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.expires_ms = 2000;
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    crash(stage);
    stage_wait(stage, 3000);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};

    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_RUNNING);
    crash(stage);
    stage_wait(stage, 3000);
    stage_agent_again(stage, AGENT, "w", 2, "q", 1, NULL, 0);
    stage_wait(stage, 1);

    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_EXPIRED);
}

/* ---- at most once ---- */

static struct gg_id submit_once(struct stage *stage)
{
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 1;
    return stage_submit(stage, CLIENT, 1, &submit);
}

static void once_is_on_disk_before_it_is_assigned(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    uint64_t before = stage_written(stage);

    (void)submit_once(stage);

    const struct said *said = stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0);
    assert_true(said->effect.after > before);
    assert_true(said->effect.after <= stage_written(stage));
}

/* The first is written with its assignment, which is asked for after the others. */
static void answer_to_many_waits_for_the_record_of_each(void **state)
{
    enum { MANY = 3 };
    struct stage *stage = *state;
    struct gg_submit jobs[MANY];
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    for (int i = 0; i < MANY; i++) {
        jobs[i] = stage_submission(stage, "q");
        jobs[i].attempts = 1;
        gg_record_write(&list, GG_RECORD_SUBMIT, &jobs[i], NULL);
    }
    struct gg_submit_many many = {.jobs = {.raw = gg_buf_slice(&list), .count = MANY}};
    stage_agent(stage, AGENT, "w", "q", 1);
    stage_say(stage, CLIENT, GG_CMD_SUBMIT_MANY, 9, &many);
    gg_buf_fini(&list);
    const struct said *answer = stage_heard(stage, CLIENT, GG_CMD_JOBS, 0);
    assert_non_null(answer);

    stage_crash(stage, answer->effect.after, DOWN_MS);

    stage_client(stage, CLIENT);
    for (int i = 0; i < MANY; i++) {
        assert_int_not_equal(stage_state(stage, CLIENT, &jobs[i].id), GG_JOB_NONE);
    }
}

static void once_that_may_have_started_is_never_started_again(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_once(stage);

    crash(stage);
    stage_agent(stage, SECOND, "other", "q", 1);
    stage_wait(stage, 20000);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_FAILED);
}

static void once_that_never_reached_its_agent_is_started(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_once(stage);

    crash(stage);
    stage_agent(stage, AGENT, "w", "q", 1); /* The same incarnation, empty hands. */

    assert_true(gg_id_equal(&assigned(stage, AGENT, 0)->id, &id));
    assert_int_equal(assigned(stage, AGENT, 0)->attempt, 1);
}

static void once_that_runs_goes_on(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_once(stage);
    struct gg_assign assign = *assigned(stage, AGENT, 0);

    crash(stage);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_SUCCEEDED);
}

/* What agents that are not back yet have in hand, nobody knows. */
static void pause_after_restart_waits_for_agents_not_back_yet(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    struct gg_id id = submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_assign assign = *assigned(stage, AGENT, 0); /* No record tells of it. */
    crash(stage);

    stage_say(stage, CLIENT, GG_CMD_PAUSE, 5, &scope);
    assert_int_equal(stage_count(stage, GG_CMD_DONE), 0);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1};
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);
    assert_int_equal(stage_count(stage, GG_CMD_DONE), 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_HANDED_BACK, "");

    const struct said *done = stage_heard(stage, CLIENT, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.unsettled, 0);
}

static void agents_that_stay_away_are_unsettled_until_their_start_by(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    (void)submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    crash(stage);

    stage_say(stage, CLIENT, GG_CMD_PAUSE, 5, &scope);
    stage_wait(stage, (int64_t)stage->bounds.pause_settle_ms);
    const struct said *done = stage_heard(stage, CLIENT, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.unsettled, 1);

    stage_wait(stage, (int64_t)stage->bounds.start_within_ms);
    stage_say(stage, CLIENT, GG_CMD_PAUSE, 6, &scope);
    done = stage_heard(stage, CLIENT, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.unsettled, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, durable_setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(running_attempt_is_taken_back_under_its_fence),
        TEST(running_attempt_is_taken_back_after_second_restart),
        TEST(newest_of_two_attempts_in_hand_is_the_one),
        TEST(late_success_of_older_attempt_is_stale_after_restart),
        TEST(attempt_nobody_told_of_is_stale_once_another_was_given),
        TEST(job_of_lost_older_attempt_waits_for_awaited_agents),
        TEST(held_job_goes_once_its_agents_are_back),
        TEST(job_accepted_after_restart_is_not_held_up),
        TEST(held_job_goes_once_a_lease_has_passed),
        TEST(agent_that_said_goodbye_is_not_awaited),
        TEST(start_deadline_is_not_judged_while_agents_are_awaited),
        TEST(pause_after_restart_waits_for_agents_not_back_yet),
        TEST(agents_that_stay_away_are_unsettled_until_their_start_by),
        TEST(once_is_on_disk_before_it_is_assigned),
        TEST(answer_to_many_waits_for_the_record_of_each),
        TEST(once_that_may_have_started_is_never_started_again),
        TEST(once_that_never_reached_its_agent_is_started),
        TEST(once_that_runs_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
