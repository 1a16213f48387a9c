/* test_sup.c - supervision of a pool: who gets work, what is replaced, when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "worker/sup/sup.h"

#include <cmocka.h>

enum { SLOTS = 3, RESTARTS = 2, WINDOW_MS = 5000 };

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static int setup(void **state)
{
    static struct gg_sup sup;
    assert_int_equal(gg_sup_init(&sup, SLOTS, RESTARTS, WINDOW_MS), GG_OK);
    *state = &sup;
    return 0;
}

static int teardown(void **state)
{
    gg_sup_fini(*state);
    return 0;
}

/* Start what is due and let it become ready; returns how many there were. */
static uint32_t start_all(struct gg_sup *sup, int64_t now)
{
    uint32_t index = 0;
    uint32_t count = 0;
    while (gg_sup_next_start(sup, at(now), &index)) {
        gg_sup_ready(sup, index);
        count++;
    }
    return count;
}

static void all_slots_are_started_and_take_work(void **state)
{
    struct gg_sup *sup = *state;
    uint32_t index = 0;

    assert_int_equal(start_all(sup, 0), SLOTS);

    for (int i = 0; i < SLOTS; i++) {
        assert_true(gg_sup_take(sup, &index));
    }
    assert_false(gg_sup_take(sup, &index));
    gg_sup_give(sup, index);
    assert_true(gg_sup_take(sup, &index));
}

static void death_with_a_job_costs_the_pool_nothing(void **state)
{
    struct gg_sup *sup = *state;
    (void)start_all(sup, 0);

    for (int i = 0; i < 20; i++) {
        uint32_t index = 0;
        assert_true(gg_sup_take(sup, &index));
        gg_sup_died(sup, index, at(i));
        assert_int_equal(start_all(sup, i), 1);
    }

    assert_int_equal(gg_sup_slots(sup, at(20)), SLOTS);
}

static void deaths_without_a_job_close_the_pool(void **state)
{
    struct gg_sup *sup = *state;
    uint32_t index = 0;

    for (int i = 0; i <= RESTARTS; i++) {
        assert_int_equal(gg_sup_slots(sup, at(i)), SLOTS);
        assert_true(gg_sup_next_start(sup, at(i), &index));
        gg_sup_died(sup, index, at(i));
    }

    assert_int_equal(gg_sup_slots(sup, at(10)), 0);
    assert_false(gg_sup_next_start(sup, at(10), &index));
}

static void slow_deaths_stay_within_the_budget(void **state)
{
    struct gg_sup *sup = *state;

    int64_t now = 0;
    for (int i = 0; i < 20; i++) {
        gg_sup_start_failed(sup, at(now));
        now += WINDOW_MS / RESTARTS;
    }

    assert_int_equal(gg_sup_slots(sup, at(now)), SLOTS);
}

static void closed_pool_opens_again_after_a_growing_pause(void **state)
{
    struct gg_sup *sup = *state;
    int64_t now = 0;
    int64_t pauses[3];
    for (int round = 0; round < 3; round++) {
        struct gg_mono opens;
        while (gg_sup_slots(sup, at(now)) > 0) {
            gg_sup_start_failed(sup, at(now));
        }
        assert_true(gg_sup_next_wake(sup, &opens));
        pauses[round] = opens.ms - now;
        now = opens.ms;
        assert_int_equal(gg_sup_slots(sup, opens), SLOTS);
    }

    assert_int_equal(pauses[0], 1000);
    assert_int_equal(pauses[1], 2000);
    assert_int_equal(pauses[2], 4000);
    gg_sup_start_worked(sup);
    assert_int_equal(sup->backoff_ms, 1000);
}

static void dead_idle_executor_gets_no_work(void **state)
{
    struct gg_sup *sup = *state;
    uint32_t index = 0;
    (void)start_all(sup, 0);

    gg_sup_died(sup, 1, at(0));

    for (int i = 0; i < SLOTS - 1; i++) {
        assert_true(gg_sup_take(sup, &index));
        assert_int_not_equal(index, 1);
    }
    assert_false(gg_sup_take(sup, &index));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_slots_are_started_and_take_work),
        TEST(death_with_a_job_costs_the_pool_nothing),
        TEST(deaths_without_a_job_close_the_pool),
        TEST(slow_deaths_stay_within_the_budget),
        TEST(closed_pool_opens_again_after_a_growing_pause),
        TEST(dead_idle_executor_gets_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
