/* test_duration.c - lengths of time, read and written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "common/duration.h"

static void whole_numbers_with_a_unit_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", 500},
        {"30s", 30000},
        {"5m", 300000},
        {"2h", 7200000},
        {"7d", 604800000},
        {"007s", 7000},
        {"36600d", UINT64_C(3162240000000)},
        {"3162240000000ms", UINT64_C(3162240000000)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 77;
        assert_true(gg_duration_parse(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
}

static void everything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "s",
        "1",
        "-1s",
        "+1s",
        " 1s",
        "1 s",
        "1s ",
        "1.5s",
        "1S",
        "1w",
        "1h30m",
        "0x10s",
        "1msx",
        "36601d",
        "3162240000001ms",
        "18446744073709551615ms",
        "18446744073709551616ms",
        "99999999999999999999999d",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t ms = 77;
        if (gg_duration_parse(bad[i], &ms)) {
            fail_msg("'%s' was read as %llu ms", bad[i], (unsigned long long)ms);
        }
        assert_int_equal(ms, 77);
    }
}

static void length_is_written_in_its_two_largest_units(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "0ms"},       {40, "40ms"},        {999, "999ms"},
        {1000, "1.0s"},   {2500, "2.5s"},      {59999, "59.9s"},
        {60000, "1m"},    {61000, "1m 1s"},    {3599999, "59m 59s"},
        {3600000, "1h"},  {3900000, "1h 5m"},  {86399999, "23h 59m"},
        {86400000, "1d"}, {90000000, "1d 1h"}, {UINT64_MAX, "213503982334d 14h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[GG_DURATION_TEXT_BYTES];
        gg_duration_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_with_a_unit_are_read),
        cmocka_unit_test(everything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(length_is_written_in_its_two_largest_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
