/* test_filter.c - the filter's language: what it means, and where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/filter.h"

static struct gg_filter filter;
static struct gg_filter_fault fault;

static void assert_wrong(const char *text, size_t column, const char *part)
{
    assert_false(gg_filter_parse(text, &filter, &fault));
    assert_int_equal(fault.column, column);
    if (strstr(fault.text, part) == NULL) {
        fail_msg("'%s' says '%s', without '%s'", text, fault.text, part);
    }
}

static void the_whole_language_is_understood(void **state)
{
    (void)state;
    const char *text = "state:failed,ready queue:rep* realm:lab tag:nightly key:k-1 "
                       "age>1h age<2d error~\"timed out\"";

    assert_true(gg_filter_parse(text, &filter, &fault));

    assert_int_equal(filter.what.states, 1U << GANGER_FAILED | 1U << GANGER_READY);
    assert_string_equal(filter.what.queue, "rep*");
    assert_string_equal(filter.what.realm, "lab");
    assert_string_equal(filter.what.tag, "nightly");
    assert_int_equal(filter.what.key.len, 3);
    assert_memory_equal(filter.what.key.data, "k-1", 3);
    assert_int_equal(filter.what.older_ms, 3600000);
    assert_int_equal(filter.what.younger_ms, 172800000);
    assert_string_equal(filter.what.error_has, "timed out");
}

static void an_empty_filter_fits_all(void **state)
{
    (void)state;
    static const ganger_filter all;

    assert_true(gg_filter_parse("   ", &filter, &fault));

    assert_memory_equal(&filter.what, &all, sizeof all);
}

static void quotes_hold_quotes_and_backslashes(void **state)
{
    (void)state;
    assert_true(gg_filter_parse("error~\"a \\\"b\\\" \\\\ c\"", &filter, &fault));
    assert_string_equal(filter.what.error_has, "a \"b\" \\ c");
}

static void faults_name_their_place_and_the_nearest_word(void **state)
{
    (void)state;
    assert_wrong("stat:failed", 1, "did you mean 'state'");
    assert_wrong("queue:q state:faild", 15, "did you mean 'failed'");
    assert_wrong("state:ready,runing", 13, "did you mean 'running'");
    assert_wrong("age:1h", 1, "comes '<' or '>'");
    assert_wrong("age>soon", 5, "not a duration");
    assert_wrong("error~\"timed out", 7, "has no end");
    assert_wrong("queue:", 7, "missing");
    assert_wrong("queue:a queue:b", 9, "twice");
    assert_wrong("realm:a*", 7, "not a name");
    assert_wrong("tag:\"a\"b", 8, "space is missing");
    assert_wrong("nightly", 1, "no condition 'nightly'");
}

static void length_is_bounded_at_its_limit(void **state)
{
    (void)state;
    char text[GG_FILTER_BYTES_MAX + 2];
    memset(text, ' ', sizeof text);
    text[GG_FILTER_BYTES_MAX] = '\0';
    assert_true(gg_filter_parse(text, &filter, &fault));

    text[GG_FILTER_BYTES_MAX] = ' ';
    text[GG_FILTER_BYTES_MAX + 1] = '\0';
    assert_wrong(text, GG_FILTER_BYTES_MAX + 1, "at most");

    char value[300];
    (void)snprintf(value, sizeof value, "error~%0256d", 1);
    assert_true(gg_filter_parse(value, &filter, &fault));
    (void)snprintf(value, sizeof value, "error~%0257d", 1);
    assert_wrong(value, 7, "at most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_language_is_understood),
        cmocka_unit_test(an_empty_filter_fits_all),
        cmocka_unit_test(quotes_hold_quotes_and_backslashes),
        cmocka_unit_test(faults_name_their_place_and_the_nearest_word),
        cmocka_unit_test(length_is_bounded_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
