/* test_map.c - the hash map against a plain array, through growth and removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/map.h"
#include "common/rng.h"

enum { KEYS = 3000, STEPS = 60000 };

struct item {
    uint32_t key;
    uint64_t hash;
    bool in;
    bool seen;
};

struct fixture {
    struct gg_map map;
    struct gg_rng rng;
    size_t count;
    struct item items[KEYS];
};

static bool match(const void *item, const void *key)
{
    const struct item *it = item;
    const uint32_t *wanted = key;
    return it->key == *wanted;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 3;
    for (uint32_t i = 0; i < KEYS; i++) {
        f->items[i].key = i;
        f->items[i].hash = gg_hash(gg_slice_of(&i, sizeof i), 99);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_map_fini(&f->map);
    free(f);
    return 0;
}

static void put(struct fixture *f, struct item *item)
{
    assert_int_equal(gg_map_reserve(&f->map), GG_OK);
    gg_map_put(&f->map, item->hash, item);
    item->in = true;
    f->count++;
}

static void cut(struct fixture *f, struct item *item)
{
    assert_int_equal(gg_map_remove(&f->map, item->hash, item), item->in);
    f->count -= item->in;
    item->in = false;
}

static void expect_found(struct fixture *f, struct item *item)
{
    void *found = gg_map_find(&f->map, item->hash, match, &item->key);
    assert_ptr_equal(found, item->in ? item : NULL);
}

/* A walk meets every item once, in whatever state of growth the map is. */
static void expect_walk(struct fixture *f)
{
    size_t place = 0;
    size_t met = 0;
    struct item *item;
    for (int i = 0; i < KEYS; i++) {
        f->items[i].seen = false;
    }
    while ((item = gg_map_next(&f->map, &place)) != NULL) {
        assert_true(item->in);
        assert_false(item->seen);
        item->seen = true;
        met++;
    }
    assert_int_equal(met, f->count);
    assert_int_equal(gg_map_count(&f->map), f->count);
}

static void empty_map_finds_and_removes_nothing(void **state)
{
    struct fixture *f = *state;
    expect_found(f, &f->items[0]);
    cut(f, &f->items[0]);
    expect_walk(f);
    gg_map_fini(&f->map);
    gg_map_fini(&f->map);
}

static void every_item_is_found_while_the_map_grows(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < KEYS; i++) {
        put(f, &f->items[i]);
        if (i % 61 == 0) {
            for (int j = 0; j < KEYS; j++) {
                expect_found(f, &f->items[j]);
            }
            expect_walk(f);
        }
    }
}

/* Fills up and empties in waves, so that items leave while the map is growing. */
static void random_steps(struct fixture *f, uint32_t keys)
{
    for (int step = 0; step < STEPS; step++) {
        struct item *item = &f->items[gg_rng_below(&f->rng, keys)];
        bool filling = step / (STEPS / 6) % 2 == 0;
        if (gg_rng_below(&f->rng, 4) == 0) {
            expect_found(f, item);
        } else if (!item->in && (filling || gg_rng_below(&f->rng, 3) == 0)) {
            put(f, item);
        } else if (item->in && (!filling || gg_rng_below(&f->rng, 3) == 0)) {
            cut(f, item);
        } else if (!item->in) {
            cut(f, item);
        }
        if (step % 997 == 0) {
            expect_walk(f);
        }
    }
    for (uint32_t i = 0; i < keys; i++) {
        expect_found(f, &f->items[i]);
    }
    expect_walk(f);
}

static void random_steps_agree_with_a_plain_array(void **state)
{
    random_steps(*state, KEYS);
}

static void small_map_agrees_with_a_plain_array(void **state)
{
    random_steps(*state, 70); /* About its first growth, again and again. */
}

/* Runs that wrap around the end, holes in them, and equal hashes of different keys. */
static void colliding_hashes_agree_with_a_plain_array(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < KEYS; i++) {
        f->items[i].hash = UINT64_MAX - gg_rng_below(&f->rng, 3);
    }
    random_steps(f, 90);
}

static void items_leave_while_the_map_is_growing(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < KEYS; i++) {
        put(f, &f->items[i]);
        if (f->map.old.slots != NULL) {
            cut(f, &f->items[gg_rng_below(&f->rng, (uint64_t)i + 1)]);
            cut(f, &f->items[gg_rng_below(&f->rng, (uint64_t)i + 1)]);
            expect_walk(f);
        }
    }
    for (int i = 0; i < KEYS; i++) {
        cut(f, &f->items[i]);
        expect_found(f, &f->items[i]);
    }
    expect_walk(f);
}

static void reserve_without_put_grows_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gg_map_reserve(&f->map), GG_OK);
    }
    assert_true(f->map.now.mask < 64);
}

static void hash_depends_on_bytes_and_seed(void **state)
{
    (void)state;
    assert_int_equal(gg_hash(gg_slice_text("a"), 1), gg_hash(gg_slice_text("a"), 1));
    assert_true(gg_hash(gg_slice_text("a"), 1) != gg_hash(gg_slice_text("a"), 2));
    assert_true(gg_hash(gg_slice_text("a"), 1) != gg_hash(gg_slice_text("b"), 1));
    assert_int_equal(gg_hash((struct gg_slice){0}, 1), gg_hash(gg_slice_text(""), 1));
}

/* It is on disk: it never changes. The reference implementation's value for nothing. */
static void wide_hash_is_the_same_for_ever(void **state)
{
    (void)state;
    static const uint8_t expected[GG_HASH_WIDE_BYTES] = {
        0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
        0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f,
    };
    uint8_t hash[GG_HASH_WIDE_BYTES];

    gg_hash_wide(gg_slice_text(""), hash);

    assert_memory_equal(hash, expected, sizeof hash);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_map_finds_and_removes_nothing),
        TEST(every_item_is_found_while_the_map_grows),
        TEST(random_steps_agree_with_a_plain_array),
        TEST(small_map_agrees_with_a_plain_array),
        TEST(colliding_hashes_agree_with_a_plain_array),
        TEST(items_leave_while_the_map_is_growing),
        TEST(reserve_without_put_grows_once),
        TEST(hash_depends_on_bytes_and_seed),
        TEST(wide_hash_is_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
