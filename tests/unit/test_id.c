/* test_id.c - ids: their time, their order, their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/id.h"
#include "common/rng.h"

static struct gg_id id_of(uint8_t first, uint8_t rest)
{
    struct gg_id id;
    memset(id.bytes, rest, sizeof id.bytes);
    id.bytes[0] = first;
    return id;
}

static void new_id_holds_its_time_and_random_bits(void **state)
{
    (void)state;
    struct gg_rng rng = {.state = 1};
    struct gg_wall now = {INT64_C(0x0123456789ab)};
    struct gg_id a = gg_id_new(now, &rng);
    struct gg_id b = gg_id_new(now, &rng);

    assert_memory_equal(a.bytes, "\x01\x23\x45\x67\x89\xab", 6);
    assert_int_equal(gg_id_time(&a).ms, now.ms);
    assert_false(gg_id_equal(&a, &b));
    assert_true(gg_id_equal(&a, &a));
    assert_false(gg_id_is_none(&a));
}

static void ids_and_their_texts_sort_by_time(void **state)
{
    (void)state;
    struct gg_rng rng = {.state = 2};
    struct gg_id before = gg_id_new((struct gg_wall){0}, &rng);
    for (int64_t ms = 1; ms < (INT64_C(1) << 48); ms = ms * 3 + 1) {
        struct gg_id id = gg_id_new((struct gg_wall){ms}, &rng);
        char text_before[GG_ID_TEXT_BYTES];
        char text[GG_ID_TEXT_BYTES];
        gg_id_format(&before, text_before);
        gg_id_format(&id, text);
        assert_true(memcmp(before.bytes, id.bytes, sizeof id.bytes) < 0);
        assert_true(strcmp(text_before, text) < 0);
        before = id;
    }
}

static void text_is_crockford_base32(void **state)
{
    (void)state;
    char text[GG_ID_TEXT_BYTES];
    struct gg_id id = id_of(0, 0);
    gg_id_format(&id, text);
    assert_string_equal(text, "00000000000000000000000000");
    id = id_of(0xff, 0xff);
    gg_id_format(&id, text);
    assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    id = id_of(0, 0);
    id.bytes[15] = 1;
    gg_id_format(&id, text);
    assert_string_equal(text, "00000000000000000000000001");
    /* The example of the ULID specification: its time is 1469918176385. */
    assert_true(gg_id_parse("01ARYZ6S41TSV4RRFFQ69G5FAV", &id));
    assert_int_equal(gg_id_time(&id).ms, INT64_C(1469918176385));
}

static void text_is_read_back_in_both_cases(void **state)
{
    (void)state;
    struct gg_rng rng = {.state = 3};
    for (int round = 0; round < 1000; round++) {
        int64_t ms = (int64_t)(gg_rng_next(&rng) >> 16);
        struct gg_id id = gg_id_new((struct gg_wall){ms}, &rng);
        struct gg_id back = {0};
        char text[GG_ID_TEXT_BYTES];
        gg_id_format(&id, text);
        assert_int_equal(strlen(text), GG_ID_TEXT_BYTES - 1);
        assert_true(gg_id_parse(text, &back));
        assert_true(gg_id_equal(&id, &back));
        for (char *c = text; *c != '\0'; c++) {
            *c = (char)(*c >= 'A' ? *c + 'a' - 'A' : *c);
        }
        assert_true(gg_id_parse(text, &back));
        assert_true(gg_id_equal(&id, &back));
    }
}

static void text_that_is_no_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "0000000000000000000000000",   /* 25 */
        "000000000000000000000000000", /* 27 */
        "80000000000000000000000000",  /* 129 bits */
        "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "0000000000000000000000000U", /* Not in the alphabet: */
        "0000000000000000000000000I",
        "0000000000000000000000000L",
        "0000000000000000000000000O",
        "0000000000000000000000000 ",
        "-0000000000000000000000000",
        "0000000000000\xc3\xa9zzzzzzzzzzz",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gg_id id = id_of(1, 2);
        assert_false(gg_id_parse(bad[i], &id));
        assert_int_equal(id.bytes[0], 1);
    }
}

static void id_of_zeros_is_none(void **state)
{
    (void)state;
    struct gg_id id = id_of(0, 0);
    assert_true(gg_id_is_none(&id));
    id.bytes[15] = 1;
    assert_false(gg_id_is_none(&id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_id_holds_its_time_and_random_bits),
        cmocka_unit_test(ids_and_their_texts_sort_by_time),
        cmocka_unit_test(text_is_crockford_base32),
        cmocka_unit_test(text_is_read_back_in_both_cases),
        cmocka_unit_test(text_that_is_no_id_is_refused),
        cmocka_unit_test(id_of_zeros_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
