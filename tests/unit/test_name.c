/* test_name.c - names, and patterns over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/name.h"
#include "common/rng.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void name_is_letters_digits_and_three_marks(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "Z", "0", "report-2024", "a.b_c-d", A64};
    static const char *const bad[] = {
        "",    ".a",       "_a",        "-a",    "a b", "a/b", "a*",  "a?",
        "a\n", "\xc3\xa9", "a\xc3\xa9", A64 "a", " a",  "a ",  "a:b", "a\x7f"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(gg_name_valid(gg_slice_text(good[i])));
        assert_true(gg_pattern_valid(gg_slice_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gg_name_valid(gg_slice_text(bad[i])));
    }
    assert_false(gg_name_valid(gg_slice_of("a\0b", 3)));
    assert_false(gg_name_valid((struct gg_slice){0}));
}

static void pattern_may_hold_stars_and_question_marks(void **state)
{
    (void)state;
    static const char *const good[] = {"*", "?", "a*", "*.b", ".*", "-?-", "**"};
    static const char *const bad[] = {"",          "a b",   "[a]",  "a/*",
                                      "\xc3\xa9*", A64 "*", "{a,b}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(gg_pattern_valid(gg_slice_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gg_pattern_valid(gg_slice_text(bad[i])));
    }
    assert_false(gg_pattern_valid((struct gg_slice){0}));
}

static void pattern_fits_all_of_a_name_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool fits;
    } rows[] = {
        {"a", "a", true},         {"a", "b", false},
        {"a", "aa", false},       {"aa", "a", false},
        {"*", "a", true},         {"*", "", true},
        {"", "", true},           {"", "a", false},
        {"?", "a", true},         {"?", "", false},
        {"?", "ab", false},       {"a*", "a", true},
        {"a*", "abc", true},      {"a*", "ba", false},
        {"*a", "a", true},        {"*a", "bca", true},
        {"*a", "ab", false},      {"a*c", "abbc", true},
        {"a*c", "abbcd", false},  {"*a*", "bab", true},
        {"*a*b*", "xaxbx", true}, {"*a*b*", "xbxax", false},
        {"a?c", "abc", true},     {"a?c", "ac", false},
        {"**", "abc", true},      {"*?", "a", true},
        {"*?", "", false},        {"?*?", "a", false},
        {"?*?", "ab", true},      {"*aab", "aaaab", true},
        {"a.b", "axb", false},    {"A", "a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fits = gg_pattern_match(gg_slice_text(rows[i].pattern),
                                     gg_slice_text(rows[i].name));
        if (fits != rows[i].fits) {
            fail_msg("'%s' over '%s': %d", rows[i].pattern, rows[i].name, fits);
        }
    }
}

/* What a pattern means, said in the shortest way; exponential, for short ones only. */
static bool fits_plainly(const char *pattern, const char *name)
{
    if (*pattern == '\0') {
        return *name == '\0';
    }
    if (*pattern == '*') {
        return fits_plainly(pattern + 1, name) ||
               (*name != '\0' && fits_plainly(pattern, name + 1));
    }
    return *name != '\0' && (*pattern == '?' || *pattern == *name) &&
           fits_plainly(pattern + 1, name + 1);
}

static void any_text(struct gg_rng *rng, const char *letters, char out[9])
{
    uint64_t len = gg_rng_below(rng, 9);
    for (uint64_t i = 0; i < len; i++) {
        out[i] = letters[gg_rng_below(rng, strlen(letters))];
    }
    out[len] = '\0';
}

static void random_patterns_fit_what_they_mean(void **state)
{
    (void)state;
    struct gg_rng rng = {.state = 5};
    int fitting = 0;
    for (int round = 0; round < 50000; round++) {
        char pattern[9];
        char name[9];
        any_text(&rng, "ab**?", pattern);
        any_text(&rng, "ab", name);
        bool fits = fits_plainly(pattern, name);
        assert_int_equal(gg_pattern_match(gg_slice_text(pattern), gg_slice_text(name)),
                         fits);
        fitting += fits;
    }
    assert_true(fitting > 5000);
}

static void hostile_pattern_ends_soon(void **state)
{
    (void)state;
    struct gg_slice pattern = gg_slice_text("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
    for (int i = 0; i < 1000; i++) {
        assert_false(gg_pattern_match(pattern, gg_slice_text(A64)));
    }
}

static void kept_name_is_a_c_string_too(void **state)
{
    (void)state;
    struct gg_name name;
    gg_name_set(&name, gg_slice_text(A64));
    assert_string_equal(name.text, A64);
    assert_true(gg_slice_equal(gg_name_slice(&name), gg_slice_text(A64)));
    gg_name_set(&name, gg_slice_text("b"));
    assert_string_equal(name.text, "b");
    gg_name_set(&name, (struct gg_slice){0});
    assert_string_equal(name.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_is_letters_digits_and_three_marks),
        cmocka_unit_test(pattern_may_hold_stars_and_question_marks),
        cmocka_unit_test(pattern_fits_all_of_a_name_or_nothing),
        cmocka_unit_test(random_patterns_fit_what_they_mean),
        cmocka_unit_test(hostile_pattern_ends_soon),
        cmocka_unit_test(kept_name_is_a_c_string_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
