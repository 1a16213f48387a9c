/* test_clock.c - times as types, and the calendar as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"

static void sum_stays_at_the_largest_time(void **state)
{
    (void)state;
    struct gg_mono at = {1000};
    assert_int_equal(gg_mono_add(at, 0).ms, 1000);
    assert_int_equal(gg_mono_add(at, 5).ms, 1005);
    assert_int_equal(gg_mono_add(at, INT64_MAX - 1000).ms, INT64_MAX);
    assert_int_equal(gg_mono_add(at, INT64_MAX - 999).ms, INT64_MAX);
    assert_int_equal(gg_mono_add(at, UINT64_MAX).ms, INT64_MAX);
}

static void time_is_reached_when_it_comes(void **state)
{
    (void)state;
    assert_false(gg_mono_reached((struct gg_mono){10}, (struct gg_mono){9}));
    assert_true(gg_mono_reached((struct gg_mono){10}, (struct gg_mono){10}));
    assert_true(gg_mono_reached((struct gg_mono){10}, (struct gg_mono){11}));
}

static void clocks_go_forward(void **state)
{
    (void)state;
    struct gg_now before = gg_now();
    int64_t us = gg_mono_us();
    assert_true(before.mono.ms > 0 && before.wall.ms > INT64_C(1600000000000));
    assert_true(gg_mono_now().ms >= before.mono.ms);
    assert_true(gg_wall_now().ms > INT64_C(1600000000000));
    assert_true(gg_mono_us() >= us);
}

static void calendar_is_written_in_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795248930123), "2026-11-21T08:15:30.123Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(253402300800000), "-"},
        {INT64_MAX, "-"},
        {-1, "-"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[GG_WALL_TEXT_BYTES];
        gg_wall_format((struct gg_wall){rows[i].ms}, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void rfc_3339_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:01Z", 1000},
        {"2026-11-21T08:15:30.123Z", INT64_C(1795248930123)},
        {"2026-11-21T08:15:30.123999999Z", INT64_C(1795248930123)},
        {"2026-11-21T10:15:30.123+02:00", INT64_C(1795248930123)},
        {"2026-11-21T02:45:30.123-0530", INT64_C(1795248930123)},
        {"2000-02-29T00:00:00+00:00", INT64_C(951782400000)},
        {"2000-02-29T00:00:00-00:00", INT64_C(951782400000)},
        {"1969-12-31T23:59:59Z", -1000},
        {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gg_wall at = {77};
        if (!gg_wall_parse(rows[i].text, &at)) {
            fail_msg("'%s' is not read", rows[i].text);
        }
        assert_int_equal(at.ms, rows[i].ms);
    }
}

static void what_is_no_time_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-11-21",
        "2026-11-21T08:15Z",
        "2026-11-21T08:15:30",   /* No offset: whose time is it? */
        "2026-11-21T08:15:30.Z", /* A fraction without digits. */
        "2026-13-21T08:15:30Z",
        "2026-00-21T08:15:30Z",
        "2026-02-30T08:15:30Z", /* Days that the calendar does not have. */
        "2026-02-29T08:15:30Z",
        "2026-11-31T08:15:30Z",
        "2026-11-00T08:15:30Z",
        "2026-11-21T24:15:30Z",
        "2026-11-21T08:60:30Z",
        "2026-11-21T08:15:61Z",
        "2026-11-21T08:15:30+24:00",
        "2026-11-21T08:15:30+02:60",
        "2026-11-21T08:15:30+2",
        "2026-11-21T08:15:30+-1:30",
        "2026-11-21T08:15:30+02: 3",
        "2026-11-21T08:15:30+02:-3",
        "2026-11-21T08:15:30ZZ",
        "2026-11-21T08:15:30Z ",
        " 2026-11-21T08:15:30Z",
        "2026-11-21  08:15:30Z",
        "26-11-21T08:15:30Z",
        "2026-1-21T08:15:30Z",
        "2026-11-21T8:15:30Z",
        "2026-11-21T08:15:30 Z",
        "12026-11-21T08:15:30Z",
        "-026-11-21T08:15:30Z",
        "2026-11-21T08:15:30+02:00:00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gg_wall at = {77};
        if (gg_wall_parse(bad[i], &at)) {
            fail_msg("'%s' is read as %lld", bad[i], (long long)at.ms);
        }
        assert_int_equal(at.ms, 77);
    }
}

static void written_calendar_is_read_back(void **state)
{
    (void)state;
    for (int64_t ms = 1; ms < INT64_C(253402300800000); ms = ms * 2 + 17) {
        char text[GG_WALL_TEXT_BYTES];
        struct gg_wall back = {0};
        gg_wall_format((struct gg_wall){ms}, text);
        assert_true(gg_wall_parse(text, &back));
        assert_int_equal(back.ms, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_stays_at_the_largest_time),
        cmocka_unit_test(time_is_reached_when_it_comes),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(calendar_is_written_in_utc),
        cmocka_unit_test(rfc_3339_is_read),
        cmocka_unit_test(what_is_no_time_is_refused_and_changes_nothing),
        cmocka_unit_test(written_calendar_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
