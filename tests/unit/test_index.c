/* test_index.c - the table of numbers against a plain array, through growth and
 * removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/index.h"
#include "common/map.h"
#include "common/rng.h"

enum { KEYS = 3000, STEPS = 60000 };

struct fixture {
    struct gg_index index;
    struct gg_rng rng;
    size_t count;
    uint64_t hashes[KEYS]; /* By number, which is the key too. */
    bool in[KEYS];
};

static bool match(void *ctx, uint32_t number, const void *key)
{
    const struct fixture *f = ctx;
    const uint32_t *wanted = key;
    assert_true(number < KEYS && f->in[number]);
    return number == *wanted;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 3;
    for (uint32_t i = 0; i < KEYS; i++) {
        f->hashes[i] = gg_hash(gg_slice_of(&i, sizeof i), 99);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_index_fini(&f->index);
    free(f);
    return 0;
}

static void put(struct fixture *f, uint32_t number)
{
    assert_int_equal(gg_index_reserve(&f->index, 1), GG_OK);
    gg_index_put(&f->index, f->hashes[number], number);
    f->in[number] = true;
    f->count++;
}

static void cut(struct fixture *f, uint32_t number)
{
    bool was_in = gg_index_remove(&f->index, f->hashes[number], number);
    assert_int_equal(was_in, f->in[number]);
    f->count -= f->in[number];
    f->in[number] = false;
}

static void expect_found(struct fixture *f, uint32_t number)
{
    uint32_t found = gg_index_find(&f->index, f->hashes[number], &number, match, f);
    assert_int_equal(found, f->in[number] ? number : GG_INDEX_NONE);
}

static void expect_all(struct fixture *f)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        expect_found(f, i);
    }
    assert_int_equal(gg_index_count(&f->index), f->count);
}

static void empty_index_finds_and_removes_nothing(void **state)
{
    struct fixture *f = *state;
    expect_all(f);
    cut(f, 0);
    gg_index_fini(&f->index);
    gg_index_fini(&f->index);
}

static void every_number_is_found_while_the_index_grows(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < KEYS; i++) {
        put(f, i);
        if (i % 61 == 0) {
            expect_all(f);
        }
    }
    expect_all(f);
}

static void a_grown_index_is_neither_full_nor_empty(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < KEYS; i++) {
        put(f, i);
        size_t slots = f->index.now.mask + 1;
        assert_true(slots == 64 || f->count >= slots * 5 / 16);
        assert_true(f->count <= slots * 5 / 8);
    }
}

/* Fills up and empties in waves, so that numbers leave while the index is growing. */
static void random_steps(struct fixture *f, uint32_t keys)
{
    for (int step = 0; step < STEPS; step++) {
        uint32_t number = (uint32_t)gg_rng_below(&f->rng, keys);
        bool filling = step / (STEPS / 6) % 2 == 0;
        if (gg_rng_below(&f->rng, 4) == 0) {
            expect_found(f, number);
        } else if (!f->in[number] && (filling || gg_rng_below(&f->rng, 3) == 0)) {
            put(f, number);
        } else if (!filling || gg_rng_below(&f->rng, 3) == 0) {
            cut(f, number);
        }
        if (step % 997 == 0) {
            expect_all(f);
        }
    }
    expect_all(f);
}

static void random_steps_agree_with_a_plain_array(void **state)
{
    random_steps(*state, KEYS);
}

static void small_index_agrees_with_a_plain_array(void **state)
{
    random_steps(*state, 70); /* About its first growth, again and again. */
}

/* Runs that wrap around the end, holes in them, and equal hashes of different keys. */
static void colliding_hashes_agree_with_a_plain_array(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < KEYS; i++) {
        f->hashes[i] = UINT64_MAX - gg_rng_below(&f->rng, 3);
    }
    random_steps(f, 90);
}

static void numbers_leave_while_the_index_is_growing(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < KEYS; i++) {
        put(f, i);
        if (f->index.old.slots != NULL) {
            cut(f, (uint32_t)gg_rng_below(&f->rng, (uint64_t)i + 1));
            cut(f, (uint32_t)gg_rng_below(&f->rng, (uint64_t)i + 1));
        }
    }
    expect_all(f);
    for (uint32_t i = 0; i < KEYS; i++) {
        cut(f, i);
    }
    expect_all(f);
}

static void what_is_taken_out_in_small_steps_is_all_there_was(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < KEYS; i++) {
        put(f, i);
    }
    for (int steps = 0; f->count > 0; steps++) {
        uint32_t numbers[8];
        size_t taken = gg_index_take(&f->index, numbers, 8, 32);
        assert_true(taken <= 8 && steps < KEYS);
        for (size_t i = 0; i < taken; i++) {
            assert_true(numbers[i] < KEYS && f->in[numbers[i]]);
            f->in[numbers[i]] = false;
            f->count--;
        }
        cut(f, (uint32_t)gg_rng_below(&f->rng, KEYS));
    }
    expect_all(f);
    random_steps(f, KEYS); /* It serves on. */
}

static void reserve_without_put_grows_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gg_index_reserve(&f->index, 1), GG_OK);
    }
    assert_true(f->index.now.mask < 64);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_index_finds_and_removes_nothing),
        TEST(every_number_is_found_while_the_index_grows),
        TEST(a_grown_index_is_neither_full_nor_empty),
        TEST(random_steps_agree_with_a_plain_array),
        TEST(small_index_agrees_with_a_plain_array),
        TEST(colliding_hashes_agree_with_a_plain_array),
        TEST(numbers_leave_while_the_index_is_growing),
        TEST(what_is_taken_out_in_small_steps_is_all_there_was),
        TEST(reserve_without_put_grows_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
