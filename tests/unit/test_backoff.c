/* test_backoff.c - retry policies as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/backoff.h"

static void each_policy_is_understood(void **state)
{
    (void)state;
    struct gg_backoff_policy policy;

    assert_true(gg_backoff_parse("fixed:5s", &policy));
    assert_int_equal(policy.kind, 1);
    assert_int_equal(policy.first_ms, 5000);

    assert_true(gg_backoff_parse("exp:2s..10m", &policy));
    assert_int_equal(policy.kind, 2);
    assert_int_equal(policy.first_ms, 2000);
    assert_int_equal(policy.most_ms, 600000);

    assert_true(gg_backoff_parse("exp:250ms", &policy));
    assert_int_equal(policy.first_ms, 250);
    assert_int_equal(policy.most_ms, 0);

    assert_true(gg_backoff_parse("list:1s,5s,1m", &policy));
    assert_int_equal(policy.kind, 3);
    assert_int_equal(policy.list_count, 3);
    assert_int_equal(policy.list_ms[2], 60000);
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "fixed",       "fixed:",
        "fixed:5",   "fixed:5s,6s", "exp:10m..2s",
        "exp:..2s",  "exp:2s..",    "exp:2s...3s",
        "list:",     "list:1s,",    "list:,1s",
        "linear:1s", "list:1s 2s",  "fixed:-1s",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gg_backoff_policy policy = {.kind = 7};
        if (gg_backoff_parse(bad[i], &policy) || policy.kind != 7) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

static void a_list_is_bounded_at_its_limit(void **state)
{
    (void)state;
    struct gg_backoff_policy policy;
    char text[256] = "list:1s";
    for (int i = 1; i < GG_BACKOFF_LIST_MAX; i++) {
        (void)strncat(text, ",1s", sizeof text - strlen(text) - 1);
    }
    assert_true(gg_backoff_parse(text, &policy));
    assert_int_equal(policy.list_count, GG_BACKOFF_LIST_MAX);

    (void)strncat(text, ",1s", sizeof text - strlen(text) - 1);
    assert_false(gg_backoff_parse(text, &policy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_is_understood),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(a_list_is_bounded_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
