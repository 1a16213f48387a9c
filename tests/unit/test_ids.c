/* test_ids.c - ids of all times in and out against a plain array, while the late ones
 * change their table again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/core/ids.h"
#include "common/rng.h"

enum { JOBS = 4000, STEPS = 60000, LATE_MAX = 50, START_MS = 1000000 };

struct fixture {
    struct gg_ids ids;
    struct gg_rng rng;
    struct gg_wall now;
    size_t count;
    struct gg_id id[JOBS]; /* By number. */
    bool in[JOBS];
};

static const struct gg_id *id_of(const void *owner, uint32_t number)
{
    const struct fixture *f = owner;
    assert_true(number < JOBS);
    return &f->id[number];
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 5;
    f->now.ms = START_MS;
    gg_ids_init(&f->ids, 99, id_of, f);
    f->ids.late_max = LATE_MAX;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_ids_fini(&f->ids);
    free(f);
    return 0;
}

/* A new id of job `number`, made `ahead_ms` after now. */
static void put(struct fixture *f, uint32_t number, int64_t ahead_ms)
{
    f->id[number] = gg_id_new((struct gg_wall){f->now.ms + ahead_ms}, &f->rng);
    assert_int_equal(gg_ids_find(&f->ids, &f->id[number]), GG_INDEX_NONE);
    assert_int_equal(gg_ids_reserve(&f->ids, &f->id[number], f->now), GG_OK);
    gg_ids_put(&f->ids, &f->id[number], number);
    f->in[number] = true;
    f->count++;
}

static void cut(struct fixture *f, uint32_t number)
{
    gg_ids_remove(&f->ids, &f->id[number], number);
    f->in[number] = false;
    f->count--;
}

static void expect_all(struct fixture *f)
{
    for (uint32_t i = 0; i < JOBS; i++) {
        assert_int_equal(gg_ids_find(&f->ids, &f->id[i]), f->in[i] ? i : GG_INDEX_NONE);
    }
    assert_int_equal(gg_ids_count(&f->ids), f->count);
}

/* What the table of late ids is for: it stays small whatever waits for long. */
static void late_ids_stay_few(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < JOBS; i++) {
        f->now.ms++;
        put(f, i, 0);
        assert_true(gg_index_count(&f->ids.late) <= LATE_MAX);
        assert_true(gg_index_count(&f->ids.changing) <= LATE_MAX);
    }
    expect_all(f);
}

/* Of few that come and go nothing moves. */
static void what_goes_soon_never_changes_its_table(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < JOBS; i++) {
        f->now.ms++;
        put(f, i, 0);
        if (i >= LATE_MAX / 2) {
            cut(f, i - LATE_MAX / 2);
        }
        assert_int_equal(gg_index_count(&f->ids.late), f->count);
    }
    expect_all(f);
}

static void clocks_that_are_behind_still_let_late_ids_be_few(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < JOBS; i++) {
        f->now.ms++;
        put(f, i, -INT64_C(600000));
        assert_true(gg_index_count(&f->ids.late) <= LATE_MAX);
    }
    expect_all(f);
}

/* One id of a year to come: all others are made now, and late as ever. */
static void clock_far_ahead_makes_nobody_elses_ids_old(void **state)
{
    struct fixture *f = *state;
    put(f, 0, INT64_C(1) << 40);
    for (uint32_t i = 1; i < JOBS; i++) {
        f->now.ms++;
        put(f, i, i % 10 == 0 ? INT64_C(1) << 40 : 0);
        assert_true(f->ids.since.ms <= f->now.ms);
    }
    expect_all(f);
    f->now.ms++;
    cut(f, 1);
    put(f, 1, 0);
    assert_true(gg_index_count(&f->ids.others) > 0);
    assert_true(gg_id_time(&f->id[1]).ms >= f->ids.since.ms);
}

/* All of them are ahead: nothing can go over, and nothing is moved over and over. */
static void clocks_that_are_all_ahead_cost_no_more_than_a_move_each(void **state)
{
    struct fixture *f = *state;
    int changes = 0;
    for (uint32_t i = 0; i < JOBS; i++) {
        struct gg_wall since = f->ids.since;
        f->now.ms++;
        put(f, i, INT64_C(1) << 30);
        changes += f->ids.since.ms != since.ms;
    }
    assert_true(changes >= 3 && changes <= 8); /* At 50, 100, 200 … 3200. */
    expect_all(f);
}

static void clock_set_back_loses_nothing(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < JOBS; i++) {
        f->now.ms += i == JOBS / 2 ? -100000 : 1;
        put(f, i, 0);
    }
    expect_all(f);
}

static void random_steps_agree_with_a_plain_array(void **state)
{
    struct fixture *f = *state;
    static const int64_t aheads[] = {0, 0, 0, -30, -5000, 700, INT64_C(1) << 40};
    for (int step = 0; step < STEPS; step++) {
        f->now.ms += gg_rng_below(&f->rng, 4) == 0;
        uint32_t number = (uint32_t)gg_rng_below(&f->rng, JOBS);
        bool filling = step / (STEPS / 6) % 2 == 0;
        if (!f->in[number] && (filling || gg_rng_below(&f->rng, 3) == 0)) {
            put(f, number, aheads[gg_rng_below(&f->rng, 7)]);
        } else if (f->in[number] && (!filling || gg_rng_below(&f->rng, 3) == 0)) {
            cut(f, number);
        }
        if (step % 997 == 0) {
            expect_all(f);
        }
    }
    expect_all(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(late_ids_stay_few),
        TEST(what_goes_soon_never_changes_its_table),
        TEST(clocks_that_are_behind_still_let_late_ids_be_few),
        TEST(clock_far_ahead_makes_nobody_elses_ids_old),
        TEST(clocks_that_are_all_ahead_cost_no_more_than_a_move_each),
        TEST(clock_set_back_loses_nothing),
        TEST(random_steps_agree_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
