/* test_err.c - every error has one number, one name, a sentence, an exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "common/err.h"

static const struct {
    enum gg_err err;
    unsigned number;
    const char *name;
} rows[] = {
#define X(symbol, number, name, exit, text) {symbol, number, name},
    GG_ERR_LIST(X)
#undef X
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Numbers are added at the end and never left out, so a table of them has no holes. */
static void numbers_count_up_from_zero(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        assert_int_equal(rows[i].number, i);
        assert_int_equal(rows[i].err, i);
    }
}

static void every_name_is_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        assert_string_equal(gg_err_name(rows[i].err), rows[i].name);
        assert_true(strspn(rows[i].name, "abcdefghijklmnopqrstuvwxyz_") ==
                    strlen(rows[i].name));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].name, rows[j].name);
        }
    }
}

static void every_sentence_has_neither_capital_nor_full_stop(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        const char *text = gg_err_text(rows[i].err);
        assert_true(strlen(text) > 3);
        assert_true(text[0] >= 'a' && text[0] <= 'z');
        assert_true(text[strlen(text) - 1] != '.');
    }
}

static void only_success_exits_with_zero(void **state)
{
    (void)state;
    assert_int_equal(gg_err_exit(GG_OK), 0);
    for (int i = 1; i < ROWS; i++) {
        int code = gg_err_exit(rows[i].err);
        assert_true(code > 0 && code < 126); /* From 126 up the shell has its own. */
    }
}

static void number_of_a_newer_peer_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(gg_err_name((enum gg_err)ROWS), "unknown");
    assert_string_equal(gg_err_text((enum gg_err)ROWS), "unknown error");
    assert_int_equal(gg_err_exit((enum gg_err)ROWS), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_count_up_from_zero),
        cmocka_unit_test(every_name_is_told_once),
        cmocka_unit_test(every_sentence_has_neither_capital_nor_full_stop),
        cmocka_unit_test(only_success_exits_with_zero),
        cmocka_unit_test(number_of_a_newer_peer_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
