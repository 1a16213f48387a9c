/* test_nearest.c - "did you mean". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cli/command.h"
#include "client/cli/nearest.h"

static const char *nearest_command(const char *typed)
{
    struct gg_nearest nearest = {.typed = typed};
    for (size_t i = 0; i < gg_command_count; i++) {
        gg_nearest_offer(&nearest, gg_command_table[i].noun);
    }
    return nearest.best;
}

static void distances_count_edits(void **state)
{
    (void)state;
    assert_int_equal(gg_nearest_distance("", ""), 0);
    assert_int_equal(gg_nearest_distance("", "abc"), 3);
    assert_int_equal(gg_nearest_distance("submit", "subnit"), 1);
    assert_int_equal(gg_nearest_distance("submit", "sumbit"), 1);
    assert_int_equal(gg_nearest_distance("kitten", "sitting"), 3);
}

static void long_words_are_far_from_all(void **state)
{
    (void)state;
    assert_int_equal(gg_nearest_distance("a", "123456789012345678901234567890123"),
                     SIZE_MAX);
}

static void slips_of_the_finger_find_their_command(void **state)
{
    (void)state;
    assert_string_equal(nearest_command("subnit"), "submit");
    assert_string_equal(nearest_command("staus"), "status");
    assert_string_equal(nearest_command("histroy"), "history");
    assert_string_equal(nearest_command("quue"), "queue");
}

static void another_word_altogether_finds_none(void **state)
{
    (void)state;
    assert_null(nearest_command("xyz"));
    assert_null(nearest_command("elephant"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_count_edits),
        cmocka_unit_test(long_words_are_far_from_all),
        cmocka_unit_test(slips_of_the_finger_find_their_command),
        cmocka_unit_test(another_word_altogether_finds_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
