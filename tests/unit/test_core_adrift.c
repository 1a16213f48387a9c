/* test_core_adrift.c - a pause counts what was given up and may begin all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { ALICE, W1, W2, AT_MS = 1000000, WITHIN_MS = 10000 };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, ALICE);
    return 0;
}

/* An agent of one slot has been given a job, and its connection is closed. */
static struct gg_assign given_and_cut(struct stage *stage, bool started)
{
    stage_agent(stage, W1, "w1", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    const struct said *said = stage_heard(stage, W1, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    struct gg_assign assign = said->command.as.assign;
    if (started) {
        stage_started(stage, W1, &assign);
    }
    stage_close(stage, W1, false);
    return assign;
}

/* The lease is given up: the job waits. */
static void give_up(struct stage *stage, const struct gg_assign *assign)
{
    stage_wait(stage, (int64_t)stage->bounds.gone_grace_ms);
    assert_int_equal(stage_state(stage, ALICE, &assign->id), GG_JOB_READY);
}

/* What a pause says hangs at agents that do not answer. */
static uint64_t unsettled(struct stage *stage)
{
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    stage_say(stage, ALICE, GG_CMD_PAUSE, 3, &scope);
    if (stage_heard(stage, ALICE, GG_CMD_DONE, 0) == NULL) {
        stage_wait(stage, (int64_t)stage->bounds.pause_settle_ms);
    }
    const struct said *done = stage_heard(stage, ALICE, GG_CMD_DONE, 0);
    assert_non_null(done);
    return done->command.as.done.unsettled;
}

static void attempt_given_up_may_begin_until_its_start_by(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, false);
    give_up(stage, &assign);

    assert_int_equal(unsettled(stage), 1);

    stage_wait(stage, (int64_t)stage->bounds.start_within_ms);
    assert_int_equal(unsettled(stage), 0);
}

static void so_may_that_of_a_cancelled_job(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, false);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = assign.id;
    stage_say(stage, ALICE, GG_CMD_CANCEL, 2, &target);
    stage_wait(stage, (int64_t)stage->bounds.gone_grace_ms);
    assert_int_equal(stage_state(stage, ALICE, &assign.id), GG_JOB_CANCELLED);

    assert_int_equal(unsettled(stage), 1);
}

static uint64_t verdict_on(struct stage *stage, const struct gg_assign *assign)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = assign->id;
    stage_say(stage, ALICE, GG_CMD_CANCEL, 2, &target);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_CANCELLED, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.cancelled.state, GG_JOB_CANCELLED);
    return said->command.as.cancelled.verdict;
}

/* "Cancelled" says that it never starts. */
static void job_that_may_yet_begin_is_not_called_cancelled(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, false);
    give_up(stage, &assign);

    assert_int_equal(verdict_on(stage, &assign), GG_VERDICT_CANCELLING);
}

static void job_whose_time_to_begin_is_over_is_cancelled(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, false);
    give_up(stage, &assign);
    stage_wait(stage, (int64_t)stage->bounds.start_within_ms);

    assert_int_equal(verdict_on(stage, &assign), GG_VERDICT_CANCELLED);
}

static void job_of_a_dead_agent_is_cancelled(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, false);
    stage_agent_again(stage, W2, "w1", 2, "mail", 1, NULL, 0);

    assert_int_equal(verdict_on(stage, &assign), GG_VERDICT_CANCELLED);
}

static void started_attempt_does_not_begin_again(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = given_and_cut(stage, true);
    give_up(stage, &assign);

    assert_int_equal(unsettled(stage), 0);
}

static void attempt_of_a_dead_agent_does_not_begin(void **state)
{
    struct stage *stage = *state;
    (void)given_and_cut(stage, false);

    stage_agent_again(stage, W2, "w1", 2, "mail", 1, NULL, 0);

    assert_int_equal(unsettled(stage), 0);
}

/* Never too few, and nobody for much longer than he may begin. */
static void each_is_counted_until_its_own_time(void **state)
{
    enum { ADDED = 2000, WIDTH_MS = WITHIN_MS / (GG_ADRIFT_SPANS - 2) + 1 };
    static int64_t start_by[ADDED];
    struct gg_adrift adrift = {0};
    struct gg_mono now = {AT_MS};
    struct gg_rng rng = {.state = 1};
    (void)state;

    for (int i = 0; i < ADDED; i++) {
        now.ms += (int64_t)gg_rng_below(&rng, 40);
        start_by[i] = now.ms + 1 + (int64_t)gg_rng_below(&rng, WITHIN_MS);
        gg_adrift_add(&adrift, now, WITHIN_MS, (struct gg_mono){start_by[i]});
        uint64_t least = 0;
        uint64_t most = 0;
        for (int n = 0; n <= i; n++) {
            least += start_by[n] > now.ms;
            most += start_by[n] + WIDTH_MS > now.ms;
        }
        assert_in_range(gg_adrift_count(&adrift, now), least, most);
    }
    now.ms += WITHIN_MS + WIDTH_MS;
    assert_int_equal(gg_adrift_count(&adrift, now), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(attempt_given_up_may_begin_until_its_start_by),
        TEST(so_may_that_of_a_cancelled_job),
        TEST(job_that_may_yet_begin_is_not_called_cancelled),
        TEST(job_whose_time_to_begin_is_over_is_cancelled),
        TEST(job_of_a_dead_agent_is_cancelled),
        TEST(started_attempt_does_not_begin_again),
        TEST(attempt_of_a_dead_agent_does_not_begin),
        cmocka_unit_test(each_is_counted_until_its_own_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
