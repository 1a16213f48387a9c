/* test_text.c - control characters never reach a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/text.h"

static void assert_safe(const char *bytes, size_t len, const char *expected)
{
    char *text = gg_text_safe(bytes, len);
    assert_string_equal(text, expected);
    free(text);
}

static void plain_text_stays_as_it_is(void **state)
{
    (void)state;
    assert_safe("", 0, "");
    assert_safe("a b", 3, "a b");
    assert_safe("\xe2\x82\xac \xf0\x9f\x90\x98", 8, "\xe2\x82\xac \xf0\x9f\x90\x98");
}

static void control_characters_are_written_out(void **state)
{
    (void)state;
    assert_safe("\x1b[2J", 4, "\\x1b[2J");
    assert_safe("a\0b", 3, "a\\x00b");
    assert_safe("\r\n\t\x7f", 4, "\\x0d\\n\\t\\x7f");
    assert_safe("\xc2\x9b"
                "2J",
                4, "\\xc2\\x9b2J");
}

static void broken_bytes_are_written_out(void **state)
{
    (void)state;
    assert_safe("\xff", 1, "\\xff");
    assert_safe("\xe2\x82", 2, "\\xe2\\x82");
    assert_safe("\xc0\xaf", 2, "\\xc0\\xaf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays_as_it_is),
        cmocka_unit_test(control_characters_are_written_out),
        cmocka_unit_test(broken_bytes_are_written_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
