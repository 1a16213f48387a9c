/* test_histogram.c - quantiles, to one part in 32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cli/histogram.h"

static struct gg_histogram histogram;

static int setup(void **state)
{
    (void)state;
    histogram = (struct gg_histogram){0};
    return 0;
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 31; i++) {
        gg_histogram_add(&histogram, i);
    }
    assert_int_equal(gg_histogram_at(&histogram, 0.5), 15);
    assert_int_equal(gg_histogram_at(&histogram, 1.0), 31);
}

static void large_values_are_near_and_never_too_low(void **state)
{
    (void)state;
    for (uint64_t value = 32; value < UINT64_C(1) << 40; value = value * 3 / 2) {
        histogram = (struct gg_histogram){0};
        gg_histogram_add(&histogram, value);
        gg_histogram_add(&histogram, value * 4);
        uint64_t got = gg_histogram_at(&histogram, 0.5);
        assert_true(got >= value);
        assert_true(got <= value + value / 32);
    }
}

static void the_largest_value_has_a_bucket(void **state)
{
    (void)state;
    gg_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(gg_histogram_at(&histogram, 0.5), UINT64_MAX);
}

static void merging_adds_up(void **state)
{
    (void)state;
    static struct gg_histogram other;
    gg_histogram_add(&histogram, 10);
    gg_histogram_add(&other, 20);
    gg_histogram_merge(&histogram, &other);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram.most, 20);
    assert_int_equal(gg_histogram_at(&histogram, 0.5), 10);
}

static void nothing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(gg_histogram_at(&histogram, 0.99), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(small_values_are_exact, setup),
        cmocka_unit_test_setup(large_values_are_near_and_never_too_low, setup),
        cmocka_unit_test_setup(the_largest_value_has_a_bucket, setup),
        cmocka_unit_test_setup(merging_adds_up, setup),
        cmocka_unit_test_setup(nothing_is_zero, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
