/* test_terms.c - terms that say the same are one block while any job has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/core/terms.h"
#include "common/rng.h"
#include "tests/lib/scarce.h"

enum { KINDS = 8 * GG_TERMS_PLACES, HELD_MAX = 3000, STEPS = 20000 };

static int setup(void **state)
{
    struct gg_core *core = calloc(1, sizeof *core);
    assert_non_null(core);
    core->seed = 99;
    gg_scarce_set(UINT64_MAX);
    gg_scarce_look(false);
    *state = core;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* What the allocator is asked for is counted, and fails once from the nth on. */
static struct gg_terms *get_with_memory(struct gg_core *core,
                                        const struct gg_terms *wanted, uint64_t nth)
{
    gg_scarce_set(nth);
    gg_scarce_look(true);
    struct gg_terms *terms = gg_terms_get(core, wanted);
    gg_scarce_look(false);
    return terms;
}

static struct gg_terms *get(struct gg_core *core, const struct gg_terms *wanted)
{
    return get_with_memory(core, wanted, UINT64_MAX);
}

static struct gg_terms numbered(uint32_t kind)
{
    return (struct gg_terms){.run_timeout_ms = 1000 + kind / 16,
                             .attempts = (uint16_t)(1 + kind % 16)};
}

/* How many places hold `terms`; for NULL: how many are free. */
static uint32_t places_of(const struct gg_core *core, const struct gg_terms *terms)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < GG_TERMS_PLACES; i++) {
        count += core->terms[i] == terms ? 1 : 0;
    }
    return count;
}

static bool is_empty(const struct gg_core *core)
{
    return core->terms_last == NULL && places_of(core, NULL) == GG_TERMS_PLACES;
}

static void terms_that_say_the_same_share_a_block(void **state)
{
    struct gg_core *core = *state;
    struct gg_terms wanted = numbered(1);
    struct gg_terms other = numbered(2);

    struct gg_terms *first = get(core, &wanted);
    assert_int_equal(gg_scarce_count(), 1);
    struct gg_terms *second = get(core, &wanted); /* The last one that was asked for. */
    assert_int_equal(gg_scarce_count(), 0);
    struct gg_terms *another = get(core, &other);
    struct gg_terms *third = get(core, &wanted); /* Found in its place. */
    assert_int_equal(gg_scarce_count(), 0);

    assert_ptr_equal(first, second);
    assert_ptr_equal(first, third);
    assert_ptr_not_equal(first, another);
    assert_int_equal(first->refs, 3);
    assert_int_equal(first->run_timeout_ms, wanted.run_timeout_ms);
    assert_int_equal(first->attempts, wanted.attempts);
    gg_terms_unref(core, &first);
    gg_terms_unref(core, &second);
    gg_terms_unref(core, &third);
    gg_terms_unref(core, &another);
}

static void terms_that_differ_in_one_word_share_nothing(void **state)
{
    static const struct gg_terms each[] = {
        {.run_timeout_ms = 1}, {.keep_ms = 1},        {.keep_failed_ms = 1},
        {.backoff_ms = 1},     {.backoff_max_ms = 1}, {.attempts = 1},
        {.backoff = 1},        {.unique_until = 1},   {.refs = 0},
    };
    enum { COUNT = sizeof each / sizeof each[0] };
    struct gg_core *core = *state;
    struct gg_terms *got[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        got[i] = get(core, &each[i]);
        assert_non_null(got[i]);
    }

    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(got[i]->refs, 1);
        assert_memory_equal(got[i], &each[i], offsetof(struct gg_terms, refs));
        gg_terms_unref(core, &got[i]);
    }
    assert_true(is_empty(core));
}

static void references_of_who_asks_say_nothing(void **state)
{
    struct gg_core *core = *state;
    struct gg_terms wanted = numbered(1);
    wanted.refs = 7; /* A copy of terms in use. */
    struct gg_terms *first = get(core, &wanted);
    wanted.refs = 8;
    struct gg_terms *second = get(core, &wanted);

    assert_ptr_equal(first, second);
    assert_int_equal(first->refs, 2);
    gg_terms_unref(core, &first);
    gg_terms_unref(core, &second);
    assert_true(is_empty(core));
}

/* Where the last reference did not free, the sanitizer finds a leak; where one before
 * it did, a use after free. */
static void last_reference_frees_and_the_table_forgets(void **state)
{
    struct gg_core *core = *state;
    struct gg_terms wanted = numbered(1);
    struct gg_terms *first = get(core, &wanted);
    struct gg_terms *second = get(core, &wanted);

    gg_terms_unref(core, &first);
    assert_null(first);
    assert_int_equal(second->refs, 1);
    assert_int_equal(second->attempts, wanted.attempts);
    gg_terms_unref(core, &second);
    assert_true(is_empty(core));
    gg_terms_unref(core, &second); /* NULL by now. */

    struct gg_terms *again = get(core, &wanted);
    assert_int_equal(gg_scarce_count(), 1);
    assert_int_equal(again->refs, 1);
    gg_terms_unref(core, &again);
}

static void without_memory_there_are_none_and_nothing_has_changed(void **state)
{
    struct gg_core *core = *state;
    struct gg_terms *held[KINDS + GG_TERMS_PLACES] = {NULL};
    for (uint32_t i = 0; i < KINDS; i++) { /* Enough to fill every place. */
        struct gg_terms wanted = numbered(i);
        held[i] = get(core, &wanted);
    }
    struct gg_terms *places[GG_TERMS_PLACES];
    memcpy(places, core->terms, sizeof places);
    struct gg_terms *last = core->terms_last;
    struct gg_terms fresh = numbered(KINDS);

    assert_null(get_with_memory(core, &fresh, 0));
    assert_true(gg_scarce_has_failed());
    assert_memory_equal(core->terms, places, sizeof places);
    assert_ptr_equal(core->terms_last, last);

    for (uint32_t i = 0; i < GG_TERMS_PLACES; i++) { /* To share takes none. */
        assert_non_null(places[i]);
        held[KINDS + i] = get_with_memory(core, places[i], 0);
        assert_ptr_equal(held[KINDS + i], places[i]);
    }
    for (uint32_t i = 0; i < KINDS + GG_TERMS_PLACES; i++) {
        gg_terms_unref(core, &held[i]);
    }
    assert_true(is_empty(core));
}

/* More kinds than places: who has lost his place keeps his terms, and does not take the
 * place from the next when he goes. */
static void more_kinds_than_places_keep_what_they_say(void **state)
{
    static struct gg_terms *held[HELD_MAX];
    static uint32_t kinds[HELD_MAX];
    struct gg_core *core = *state;
    struct gg_rng rng = {.state = 5};
    uint32_t count = 0;
    uint32_t shared = 0;
    uint32_t lost = 0; /* Went when another had their place. */
    for (uint32_t step = 0; step < STEPS; step++) {
        if (count < HELD_MAX && gg_rng_below(&rng, 2) == 0) {
            kinds[count] = (uint32_t)gg_rng_below(&rng, KINDS);
            struct gg_terms wanted = numbered(kinds[count]);
            held[count] = get(core, &wanted);
            assert_non_null(held[count]);
            shared += gg_scarce_count() == 0 ? 1 : 0;
            assert_ptr_equal(core->terms_last, held[count]);
            count++;
        } else if (count > 0) {
            uint32_t i = (uint32_t)gg_rng_below(&rng, count);
            struct gg_terms said = numbered(kinds[i]);
            assert_memory_equal(held[i], &said, offsetof(struct gg_terms, refs));
            uint32_t places = places_of(core, held[i]);
            uint32_t free_before = places_of(core, NULL);
            uint32_t frees = held[i]->refs == 1 ? places : 0;
            gg_terms_unref(core, &held[i]);
            assert_int_equal(places_of(core, NULL), free_before + frees);
            lost += places == 0 ? 1 : 0;
            held[i] = held[--count];
            kinds[i] = kinds[count];
        }
    }

    assert_true(shared > STEPS / 50 && lost > STEPS / 50);
    while (count > 0) {
        gg_terms_unref(core, &held[--count]);
    }
    assert_true(is_empty(core));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(terms_that_say_the_same_share_a_block),
        TEST(terms_that_differ_in_one_word_share_nothing),
        TEST(references_of_who_asks_say_nothing),
        TEST(last_reference_frees_and_the_table_forgets),
        TEST(without_memory_there_are_none_and_nothing_has_changed),
        TEST(more_kinds_than_places_keep_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
