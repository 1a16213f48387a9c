/* test_sup_between.c - executors that are between two states when something happens:
 * not ready yet, being stopped, gone by themselves when they were asked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "worker/sup/sup.h"

#include <cmocka.h>

enum { FIRST = 0, SECOND = 1, GROUP = 1, BACKOFF_MS = 1000 };

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static int setup(void **state)
{
    struct gg_sup *sup = calloc(1, sizeof *sup);
    gg_sup_init(sup);
    *state = sup;
    return 0;
}

static int teardown(void **state)
{
    gg_sup_fini(*state);
    free(*state);
    return 0;
}

static struct gg_sup_config config(uint32_t size)
{
    return (struct gg_sup_config){.stays = true,
                                  .size = size,
                                  .restarts_max = 1,
                                  .window_ms = 5000,
                                  .backoff_ms_min = BACKOFF_MS,
                                  .backoff_ms_max = 60000};
}

static void add(struct gg_sup *sup, uint32_t pool, struct gg_sup_config it)
{
    assert_int_equal(gg_sup_add(sup, pool, &it), GG_OK);
}

static void expect(struct gg_sup *sup, int64_t now, enum gg_sup_what what,
                   uint32_t pool)
{
    struct gg_sup_action action;
    assert_true(gg_sup_next(sup, at(now), &action));
    assert_int_equal(action.what, what);
    assert_int_equal(action.pool, pool);
    assert_int_equal(action.executor, 0);
}

static void expect_nothing(struct gg_sup *sup, int64_t now)
{
    struct gg_sup_action action;
    assert_false(gg_sup_next(sup, at(now), &action));
}

static void start(struct gg_sup *sup, uint32_t pool, int64_t now)
{
    expect(sup, now, GG_SUP_START, pool);
    gg_sup_ready(sup, pool, 0, at(now));
}

/* ---- not ready yet ---- */

static void one_that_dies_before_it_is_ready_is_started_again(void **state)
{
    struct gg_sup *sup = *state;
    add(sup, FIRST, config(1));
    expect(sup, 0, GG_SUP_START, FIRST);

    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(1));
    expect(sup, 1, GG_SUP_START, FIRST);
    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(2)); /* Beyond the budget. */

    expect_nothing(sup, 2);
    start(sup, FIRST, 2 + BACKOFF_MS);
    assert_int_equal(sup->pools[FIRST].restarts_count, 2);
}

static void pool_removed_while_it_starts_is_gone_with_its_end(void **state)
{
    struct gg_sup *sup = *state;
    add(sup, FIRST, config(1));
    expect(sup, 0, GG_SUP_START, FIRST);

    gg_sup_remove(sup, FIRST, at(1));
    assert_int_equal(gg_sup_slots(sup, FIRST, at(1)), 0);
    expect(sup, 1, GG_SUP_STOP, FIRST);
    gg_sup_ready(sup, FIRST, 0, at(2)); /* It had got there before it was told. */
    expect_nothing(sup, 2);
    assert_false(gg_sup_is_gone(sup, FIRST));
    gg_sup_died(sup, FIRST, 0, GG_END_ASKED, at(3));

    expect_nothing(sup, 3);
    assert_true(gg_sup_is_gone(sup, FIRST));
}

/* ---- being stopped ---- */

static void add_group(struct gg_sup *sup, enum gg_strategy strategy,
                      enum gg_restart second)
{
    struct gg_sup_config it = config(1);
    it.group = GROUP;
    it.strategy = strategy;
    add(sup, FIRST, it);
    it.restart = second;
    add(sup, SECOND, it);
    start(sup, FIRST, 0);
    start(sup, SECOND, 0);
}

static void job_done_while_its_executor_is_stopped_changes_nothing(void **state)
{
    struct gg_sup *sup = *state;
    uint32_t executor = 9;
    add_group(sup, GG_ONE_FOR_ALL, GG_RESTART_PERMANENT);
    assert_true(gg_sup_take(sup, SECOND, &executor));
    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(1));
    expect(sup, 1, GG_SUP_STOP, SECOND);

    gg_sup_give(sup, SECOND, executor, 0, at(2));

    assert_false(gg_sup_take(sup, SECOND, &executor));
    expect_nothing(sup, 2); /* The first waits for the second's end. */
    gg_sup_died(sup, SECOND, 0, GG_END_ASKED, at(3));
    start(sup, FIRST, 3);
    start(sup, SECOND, 3);
}

static void one_that_is_being_stopped_is_not_stopped_twice(void **state)
{
    struct gg_sup *sup = *state;
    add_group(sup, GG_ONE_FOR_ALL, GG_RESTART_PERMANENT);
    gg_sup_restart(sup, SECOND);
    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(1)); /* … and the group with it. */

    gg_sup_restart(sup, SECOND);
    expect(sup, 1, GG_SUP_STOP, SECOND);
    expect_nothing(sup, 1);

    assert_int_equal(sup->pools[SECOND].stopping, 1);
    gg_sup_died(sup, SECOND, 0, GG_END_ASKED, at(2));
    assert_int_equal(sup->pools[SECOND].restarting, 0);
    start(sup, FIRST, 2);
}

static void one_that_dies_before_its_stop_is_told_needs_none(void **state)
{
    struct gg_sup *sup = *state;
    add(sup, FIRST, config(1));
    start(sup, FIRST, 0);
    gg_sup_restart(sup, FIRST);

    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(1));

    start(sup, FIRST, 1);
    assert_int_equal(sup->pools[FIRST].restarts_count, 0); /* It was to go anyway. */
}

static void neighbours_in_a_group_of_one_for_one_live_on(void **state)
{
    struct gg_sup *sup = *state;
    add_group(sup, GG_ONE_FOR_ONE, GG_RESTART_PERMANENT);

    gg_sup_died(sup, FIRST, 0, GG_END_FAILED, at(1));

    start(sup, FIRST, 1);
    expect_nothing(sup, 1);
}

static void group_that_is_closed_stays_closed_for_one_backoff(void **state)
{
    struct gg_sup *sup = *state;
    add_group(sup, GG_ONE_FOR_ALL, GG_RESTART_PERMANENT);
    gg_sup_start_failed(sup, FIRST, at(1));
    gg_sup_start_failed(sup, FIRST, at(2));
    assert_int_equal(gg_sup_slots(sup, SECOND, at(2)), 0);

    gg_sup_start_failed(sup, SECOND, at(500)); /* Closed: it costs nothing more. */
    gg_sup_start_failed(sup, FIRST, at(500));

    assert_int_equal(gg_sup_slots(sup, FIRST, at(2 + BACKOFF_MS)), 1);
    assert_int_equal(gg_sup_slots(sup, SECOND, at(2 + BACKOFF_MS)), 1);
}

/* ---- gone as it was asked to ---- */

static void end_that_was_asked_for_is_no_failure(void **state)
{
    struct gg_sup *sup = *state;
    add(sup, FIRST, config(1));
    for (int64_t now = 0; now < 10; now++) {
        start(sup, FIRST, now);
        gg_sup_died(sup, FIRST, 0, GG_END_ASKED, at(now));
    }

    assert_int_equal(gg_sup_slots(sup, FIRST, at(10)), 1);
    assert_int_equal(sup->pools[FIRST].restarts_count, 0);
}

/* Its place is closed; its overflow has none. */
static void temporary_ones_close_no_more_places_than_there_are(void **state)
{
    struct gg_sup *sup = *state;
    struct gg_sup_action action;
    struct gg_sup_config it = config(1);
    it.overflow = 1;
    it.restart = GG_RESTART_TEMPORARY;
    add(sup, FIRST, it);
    gg_sup_wants(sup, FIRST, 2);
    while (gg_sup_next(sup, at(0), &action)) {
        assert_int_equal(action.what, GG_SUP_START);
    }
    assert_int_equal(sup->pools[FIRST].live, 2);

    gg_sup_died(sup, FIRST, 0, GG_END_NORMAL, at(1));
    gg_sup_died(sup, FIRST, 1, GG_END_NORMAL, at(1));

    assert_int_equal(sup->pools[FIRST].ended, 1);
    assert_int_equal(gg_sup_slots(sup, FIRST, at(1)), 0);
}

static void very_executor_is_taken_where_it_is_idle(void **state)
{
    struct gg_sup *sup = *state;
    add(sup, FIRST, config(1));
    start(sup, FIRST, 0);

    assert_true(gg_sup_take_at(sup, FIRST, 0));
    assert_false(gg_sup_take_at(sup, FIRST, 0));
    gg_sup_give(sup, FIRST, 0, 0, at(1));
    assert_true(gg_sup_take_at(sup, FIRST, 0));
}

static void earliest_of_all_that_waits_for_time_is_named(void **state)
{
    struct gg_sup *sup = *state;
    struct gg_mono wake;
    struct gg_sup_config old = config(1);
    struct gg_sup_config older = config(1);
    old.recycle_ms = 900;
    older.recycle_ms = 400;
    add(sup, FIRST, old);
    add(sup, SECOND, older);
    assert_false(gg_sup_next_wake(sup, &wake));
    start(sup, FIRST, 0);
    start(sup, SECOND, 0);

    assert_true(gg_sup_next_wake(sup, &wake));
    assert_int_equal(wake.ms, 400);
    expect(sup, 400, GG_SUP_STOP, SECOND);
    assert_true(gg_sup_next_wake(sup, &wake));

    assert_int_equal(wake.ms, 900);
}

static void program_that_starts_makes_the_backoff_short_again(void **state)
{
    struct gg_sup *sup = *state;
    struct gg_sup_config programs = config(2);
    programs.stays = false;
    add(sup, FIRST, programs);
    gg_sup_start_failed(sup, FIRST, at(0));
    gg_sup_start_failed(sup, FIRST, at(0));
    assert_int_equal(gg_sup_slots(sup, FIRST, at(BACKOFF_MS)), 2);

    gg_sup_start_worked(sup, FIRST);
    gg_sup_start_failed(sup, FIRST, at(BACKOFF_MS));
    gg_sup_start_failed(sup, FIRST, at(BACKOFF_MS));

    assert_int_equal(gg_sup_slots(sup, FIRST, at(2 * BACKOFF_MS)), 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_that_dies_before_it_is_ready_is_started_again),
        TEST(pool_removed_while_it_starts_is_gone_with_its_end),
        TEST(job_done_while_its_executor_is_stopped_changes_nothing),
        TEST(one_that_is_being_stopped_is_not_stopped_twice),
        TEST(one_that_dies_before_its_stop_is_told_needs_none),
        TEST(neighbours_in_a_group_of_one_for_one_live_on),
        TEST(group_that_is_closed_stays_closed_for_one_backoff),
        TEST(end_that_was_asked_for_is_no_failure),
        TEST(temporary_ones_close_no_more_places_than_there_are),
        TEST(very_executor_is_taken_where_it_is_idle),
        TEST(earliest_of_all_that_waits_for_time_is_named),
        TEST(program_that_starts_makes_the_backoff_short_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
