/* test_heap.c - the timer heap against a list searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/heap.h"
#include "common/rng.h"

enum { NODES = 500, STEPS = 20000 };

struct fixture {
    struct gg_heap heap;
    struct gg_rng rng;
    struct gg_heap_node nodes[NODES];
    int64_t at[NODES]; /* The model. */
    bool in[NODES];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 11;
    assert_int_equal(gg_heap_reserve(&f->heap, NODES), GG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_heap_fini(&f->heap);
    free(f);
    return 0;
}

static void set(struct fixture *f, uint64_t i, int64_t at)
{
    gg_heap_set(&f->heap, &f->nodes[i], at);
    f->at[i] = at;
    f->in[i] = true;
}

static void cut(struct fixture *f, uint64_t i)
{
    gg_heap_remove(&f->heap, &f->nodes[i]);
    f->in[i] = false;
}

static void expect_first(struct fixture *f)
{
    int64_t least = INT64_MAX;
    uint32_t count = 0;
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(gg_heap_has(&f->nodes[i]), f->in[i]);
        if (f->in[i]) {
            count++;
            least = f->at[i] < least ? f->at[i] : least;
        }
    }
    const struct gg_heap_node *first = gg_heap_first(&f->heap);
    assert_int_equal(f->heap.count, count);
    if (count == 0) {
        assert_null(first);
        assert_int_equal(gg_heap_first_at(&f->heap), INT64_MAX);
        return;
    }
    assert_int_equal(gg_heap_at(&f->heap, first), least);
    assert_int_equal(gg_heap_first_at(&f->heap), least);
    assert_true(f->in[first - f->nodes]);
}

static void nodes_come_out_in_order_of_time(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < NODES; i++) {
        set(f, i, (int64_t)gg_rng_next(&f->rng));
    }
    int64_t before = INT64_MIN;
    struct gg_heap_node *first;
    while ((first = gg_heap_first(&f->heap)) != NULL) {
        assert_true(gg_heap_at(&f->heap, first) >= before);
        before = gg_heap_at(&f->heap, first);
        cut(f, (uint64_t)(first - f->nodes));
    }
    expect_first(f);
}

static void random_steps_agree_with_the_model(void **state)
{
    struct fixture *f = *state;
    for (int step = 0; step < STEPS; step++) {
        uint64_t i = gg_rng_below(&f->rng, NODES);
        if (gg_rng_below(&f->rng, 3) == 0) {
            cut(f, i);
        } else {
            set(f, i, (int64_t)gg_rng_below(&f->rng, 1000) - 500);
        }
        if (step % 7 == 0) {
            expect_first(f);
        }
    }
}

static void equal_times_are_all_kept(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < NODES; i++) {
        set(f, i, 5);
    }
    for (uint64_t i = 0; i < NODES; i++) {
        expect_first(f);
        cut(f, i);
    }
    expect_first(f);
}

static void node_moves_both_ways(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < 50; i++) {
        set(f, i, (int64_t)i * 10);
    }
    set(f, 49, -1);
    assert_ptr_equal(gg_heap_first(&f->heap), &f->nodes[49]);
    set(f, 49, 1000);
    assert_ptr_equal(gg_heap_first(&f->heap), &f->nodes[0]);
    expect_first(f);
}

static void removing_what_is_not_in_is_harmless(void **state)
{
    struct fixture *f = *state;
    cut(f, 3);
    set(f, 3, 1);
    cut(f, 3);
    cut(f, 3);
    expect_first(f);
}

static void reserve_keeps_what_is_in(void **state)
{
    struct fixture *f = *state;
    set(f, 1, 20);
    set(f, 2, 10);
    assert_int_equal(gg_heap_reserve(&f->heap, 100000), GG_OK);
    assert_true(f->heap.room >= 100000);
    expect_first(f);
    assert_int_equal(gg_heap_reserve(&f->heap, 1), GG_OK);
    assert_true(f->heap.room >= 100000);
}

/* Doubling must not run over: it would go round for ever. */
static void room_beyond_any_table_is_refused(void **state)
{
    struct fixture *f = *state;
    set(f, 1, 20);
    assert_int_equal(gg_heap_reserve(&f->heap, UINT32_MAX), GG_ERR_NO_MEMORY);
    expect_first(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nodes_come_out_in_order_of_time),
        TEST(random_steps_agree_with_the_model),
        TEST(equal_times_are_all_kept),
        TEST(node_moves_both_ways),
        TEST(removing_what_is_not_in_is_harmless),
        TEST(reserve_keeps_what_is_in),
        TEST(room_beyond_any_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
