/* test_budget.c - how often something may be restarted, and when it is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "worker/sup/budget.h"

#include <cmocka.h>

enum { WINDOW_MS = 1000, SHORT_MS = 100, LONG_MS = 350 };

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static struct gg_budget budget(uint32_t restarts)
{
    return (struct gg_budget){.restarts_max = restarts,
                              .window_ms = WINDOW_MS,
                              .backoff_ms_min = SHORT_MS,
                              .backoff_ms_max = LONG_MS,
                              .backoff_ms = SHORT_MS};
}

static void only_restarts_of_the_window_count(void **state)
{
    struct gg_budget it = budget(2);
    (void)state;
    assert_true(gg_budget_spend(&it, at(10000)));
    assert_true(gg_budget_spend(&it, at(10500)));
    assert_int_equal(gg_budget_used(&it, at(10999)), 2);
    assert_int_equal(gg_budget_used(&it, at(11000)), 1);
    assert_true(gg_budget_spend(&it, at(11000)));

    assert_false(gg_budget_spend(&it, at(11200)));

    assert_int_equal(gg_budget_used(&it, at(11200)), 3);
    assert_int_equal(gg_budget_used(&it, at(20000)), 0);
}

static void backoff_doubles_to_its_limit_and_opens_in_time(void **state)
{
    static const int64_t expected[] = {SHORT_MS, 200, LONG_MS, LONG_MS};
    struct gg_budget it = budget(0);
    int64_t now = 5000;
    (void)state;
    for (int i = 0; i < 4; i++) {
        gg_budget_close(&it, at(now));
        assert_int_equal(it.opens_at.ms - now, expected[i]);
        assert_true(gg_budget_is_closed(&it, at(it.opens_at.ms - 1)));
        now = it.opens_at.ms;
        assert_false(gg_budget_is_closed(&it, at(now)));
    }
}

static void backoff_begins_anew_after_a_window_of_peace(void **state)
{
    struct gg_budget it = budget(0);
    (void)state;
    gg_budget_close(&it, at(5000));
    assert_false(gg_budget_is_closed(&it, at(5100)));
    gg_budget_close(&it, at(5200)); /* It has not stayed open for long. */
    assert_int_equal(it.opens_at.ms, 5200 + 200);
    assert_false(gg_budget_is_closed(&it, at(5400)));

    gg_budget_close(&it, at(5400 + WINDOW_MS));

    assert_int_equal(it.opens_at.ms, 5400 + WINDOW_MS + SHORT_MS);
}

static void backoff_begins_anew_after_something_worked(void **state)
{
    struct gg_budget it = budget(0);
    (void)state;
    gg_budget_close(&it, at(5000));
    assert_false(gg_budget_is_closed(&it, at(5100)));

    gg_budget_worked(&it);
    gg_budget_close(&it, at(5101));

    assert_int_equal(it.opens_at.ms, 5101 + SHORT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_restarts_of_the_window_count),
        cmocka_unit_test(backoff_doubles_to_its_limit_and_opens_in_time),
        cmocka_unit_test(backoff_begins_anew_after_a_window_of_peace),
        cmocka_unit_test(backoff_begins_anew_after_something_worked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
