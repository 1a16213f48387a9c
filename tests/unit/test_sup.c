/* test_sup.c - the tree of executors: what is restarted with what, and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "worker/sup/sup.h"

#include <cmocka.h>

enum { RESTARTS = 2, WINDOW_MS = 5000, BACKOFF_MS = 1000, BACKOFF_MAX_MS = 60000 };

struct fixture {
    struct gg_sup sup;
    uint32_t starts[GG_SUP_POOLS_MAX]; /* Per pool, since they were cleared. */
    uint32_t stops[GG_SUP_POOLS_MAX];
    uint32_t order[256]; /* Pools in the order of their starts. */
    uint32_t order_count;
};

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    gg_sup_init(&f->sup);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_sup_fini(&f->sup);
    free(f);
    return 0;
}

static struct gg_sup_config config(uint32_t size)
{
    return (struct gg_sup_config){.stays = true,
                                  .size = size,
                                  .restarts_max = RESTARTS,
                                  .window_ms = WINDOW_MS,
                                  .backoff_ms_min = BACKOFF_MS,
                                  .backoff_ms_max = BACKOFF_MAX_MS};
}

static void add(struct fixture *f, uint32_t pool, struct gg_sup_config it)
{
    assert_int_equal(gg_sup_add(&f->sup, pool, &it), GG_OK);
}

/* Do what the tree says until it says nothing more: all starts succeed. */
static void settle(struct fixture *f, int64_t now)
{
    struct gg_sup_action action;
    while (gg_sup_next(&f->sup, at(now), &action)) {
        if (action.what == GG_SUP_START) {
            f->starts[action.pool]++;
            f->order[f->order_count++ % 256] = action.pool;
            gg_sup_ready(&f->sup, action.pool, action.executor, at(now));
        } else {
            f->stops[action.pool]++;
            gg_sup_died(&f->sup, action.pool, action.executor, GG_END_ASKED, at(now));
        }
    }
}

static void forget_counts(struct fixture *f)
{
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        f->starts[i] = 0;
        f->stops[i] = 0;
    }
    f->order_count = 0;
}

static uint32_t take(struct fixture *f, uint32_t pool)
{
    uint32_t executor = UINT32_MAX;
    assert_true(gg_sup_take(&f->sup, pool, &executor));
    return executor;
}

/* ---- one pool ---- */

static void all_of_a_pool_are_started_and_take_work(void **state)
{
    struct fixture *f = *state;
    uint32_t executor = 0;
    add(f, 0, config(3));

    settle(f, 0);

    assert_int_equal(f->starts[0], 3);
    for (int i = 0; i < 3; i++) {
        executor = take(f, 0);
    }
    assert_false(gg_sup_take(&f->sup, 0, &executor));
    gg_sup_give(&f->sup, 0, executor, 0, at(1));
    assert_int_equal(take(f, 0), executor);
}

static void warmest_goes_first_or_the_one_that_rested_longest(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config fifo = config(2);
    fifo.fifo = true;
    add(f, 0, config(2));
    add(f, 1, fifo);
    settle(f, 0);
    for (uint32_t pool = 0; pool < 2; pool++) {
        uint32_t first = take(f, pool);
        uint32_t second = take(f, pool);

        gg_sup_give(&f->sup, pool, first, 0, at(1));
        gg_sup_give(&f->sup, pool, second, 0, at(2));

        assert_int_equal(take(f, pool), pool == 0 ? second : first);
    }
}

static void death_with_a_job_costs_the_pool_nothing(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(3));
    settle(f, 0);
    forget_counts(f);

    for (int i = 0; i < 20; i++) {
        gg_sup_died(&f->sup, 0, take(f, 0), GG_END_FAILED, at(i));
        settle(f, i);
    }

    assert_int_equal(f->starts[0], 20);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(20)), 3);
}

/* Kill idle executor 0 until its pool closes; when it did. */
static int64_t exhaust(struct fixture *f, uint32_t pool, int64_t now)
{
    while (gg_sup_slots(&f->sup, pool, at(now)) > 0) {
        gg_sup_died(&f->sup, pool, 0, GG_END_FAILED, at(now));
        settle(f, now);
    }
    return now;
}

static void deaths_without_a_job_close_the_pool_for_its_backoff(void **state)
{
    struct fixture *f = *state;
    struct gg_mono wake;
    add(f, 0, config(2));
    settle(f, 0);
    forget_counts(f);

    (void)exhaust(f, 0, 100);

    assert_int_equal(f->starts[0], RESTARTS);
    assert_true(gg_sup_next_wake(&f->sup, &wake));
    assert_int_equal(wake.ms, 100 + BACKOFF_MS);
    settle(f, 99 + BACKOFF_MS);
    assert_int_equal(f->starts[0], RESTARTS);
    settle(f, 100 + BACKOFF_MS);
    assert_int_equal(f->starts[0], RESTARTS + 1);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(100 + BACKOFF_MS)), 2);
}

static void deaths_that_are_spread_out_close_nothing(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(1));
    settle(f, 0);

    for (int64_t now = 0; now < 100 * WINDOW_MS; now += WINDOW_MS / RESTARTS + 1) {
        gg_sup_died(&f->sup, 0, 0, GG_END_FAILED, at(now));
        settle(f, now);
        assert_int_equal(gg_sup_slots(&f->sup, 0, at(now)), 1);
    }
}

static void backoff_doubles_until_a_job_is_done(void **state)
{
    struct fixture *f = *state;
    struct gg_mono wake;
    int64_t now = 0;
    add(f, 0, config(1));
    settle(f, now);

    for (int64_t backoff = BACKOFF_MS; backoff < 200000; backoff *= 2) {
        now = exhaust(f, 0, now);
        assert_true(gg_sup_next_wake(&f->sup, &wake));
        int64_t expected = backoff < BACKOFF_MAX_MS ? backoff : BACKOFF_MAX_MS;
        assert_int_equal(wake.ms - now, expected);
        now = wake.ms;
        settle(f, now);
    }
    gg_sup_give(&f->sup, 0, take(f, 0), 0, at(now));
    now = exhaust(f, 0, now);

    assert_true(gg_sup_next_wake(&f->sup, &wake));
    assert_int_equal(wake.ms - now, BACKOFF_MS);
}

static void programs_that_cannot_be_started_close_the_pool(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config programs = config(2);
    programs.stays = false;
    add(f, 0, programs);
    settle(f, 0);
    assert_int_equal(f->starts[0], 0);

    for (int i = 0; i < RESTARTS; i++) {
        gg_sup_start_failed(&f->sup, 0, at(i));
    }
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(10)), 2);
    gg_sup_start_failed(&f->sup, 0, at(10));

    assert_int_equal(gg_sup_slots(&f->sup, 0, at(10)), 0);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(10 + BACKOFF_MS)), 2);
}

/* ---- strategy x class x way of dying ---- */

enum way { EXIT_0, EXIT_1, SIGNAL, HANG, AGENT_KILLED, WAY_COUNT };
enum { A = 1, B = 2, C = 4 };

/* Pools A, B and C of one executor each, in one group; the one in B dies. */
static const struct row {
    enum gg_strategy strategy;
    enum gg_restart restart;
    unsigned restarted[WAY_COUNT]; /* In the order of enum way. */
} rows[] = {
    {GG_ONE_FOR_ONE, GG_RESTART_PERMANENT, {B, B, B, B, A | B | C}},
    {GG_ONE_FOR_ONE, GG_RESTART_TRANSIENT, {0, B, B, B, A | B | C}},
    {GG_ONE_FOR_ONE, GG_RESTART_TEMPORARY, {0, 0, 0, 0, A | B | C}},
    {GG_ONE_FOR_ALL,
     GG_RESTART_PERMANENT,
     {A | B | C, A | B | C, A | B | C, A | B | C, A | B | C}},
    {GG_ONE_FOR_ALL,
     GG_RESTART_TRANSIENT,
     {0, A | B | C, A | B | C, A | B | C, A | B | C}},
    {GG_ONE_FOR_ALL, GG_RESTART_TEMPORARY, {0, 0, 0, 0, A | B | C}},
    {GG_REST_FOR_ONE, GG_RESTART_PERMANENT, {B | C, B | C, B | C, B | C, A | B | C}},
    {GG_REST_FOR_ONE, GG_RESTART_TRANSIENT, {0, B | C, B | C, B | C, A | B | C}},
    {GG_REST_FOR_ONE, GG_RESTART_TEMPORARY, {0, 0, 0, 0, A | B | C}},
};

static struct gg_sup_config group_config(enum gg_strategy strategy,
                                         enum gg_restart restart)
{
    struct gg_sup_config it = config(1);
    it.group = 1;
    it.strategy = strategy;
    it.restart = restart;
    return it;
}

static void add_group(struct fixture *f, enum gg_strategy strategy,
                      enum gg_restart restart)
{
    for (uint32_t pool = 0; pool < 3; pool++) {
        add(f, pool, group_config(strategy, restart));
    }
    add(f, 3, config(1)); /* A stranger: nothing of this is its affair. */
    settle(f, 0);
    forget_counts(f);
}

static void die(struct fixture *f, const struct row *row, enum way way)
{
    if (way == AGENT_KILLED) { /* The next agent begins with a tree of its own. */
        gg_sup_fini(&f->sup);
        gg_sup_init(&f->sup);
        for (uint32_t pool = 0; pool < 3; pool++) {
            add(f, pool, group_config(row->strategy, row->restart));
        }
        return;
    }
    if (way == HANG) { /* Its job ran into its limit, and KILL. */
        (void)take(f, 1);
    }
    gg_sup_died(&f->sup, 1, 0, way == EXIT_0 ? GG_END_NORMAL : GG_END_FAILED, at(1));
}

static void strategy_and_class_say_what_is_restarted(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (enum way way = EXIT_0; way < WAY_COUNT; way++) {
            struct fixture *f = *state;
            add_group(f, rows[i].strategy, rows[i].restart);

            die(f, &rows[i], way);
            settle(f, 2);

            unsigned restarted = (f->starts[0] > 0 ? A : 0U) |
                                 (f->starts[1] > 0 ? B : 0U) |
                                 (f->starts[2] > 0 ? C : 0U);
            assert_int_equal(restarted, rows[i].restarted[way]);
            assert_int_equal(f->starts[3], 0);
            gg_sup_fini(&f->sup);
            gg_sup_init(&f->sup);
            forget_counts(f);
        }
    }
}

static void starts_wait_until_all_that_restart_have_ended(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_action action;
    add_group(f, GG_ONE_FOR_ALL, GG_RESTART_PERMANENT);
    uint32_t busy = take(f, 2);

    gg_sup_died(&f->sup, 1, 0, GG_END_FAILED, at(1));

    for (int i = 0; i < 2; i++) {
        assert_true(gg_sup_next(&f->sup, at(1), &action));
        assert_int_equal(action.what, GG_SUP_STOP);
        assert_int_not_equal(action.pool, 1);
    }
    assert_false(gg_sup_next(&f->sup, at(1), &action));
    gg_sup_died(&f->sup, 0, 0, GG_END_ASKED, at(2));
    assert_false(gg_sup_next(&f->sup, at(2), &action));
    gg_sup_died(&f->sup, 2, busy, GG_END_ASKED, at(3));
    settle(f, 3);
    assert_int_equal(f->order_count, 3);
    assert_int_equal(f->order[0], 0);
    assert_int_equal(f->order[1], 1);
    assert_int_equal(f->order[2], 2);
}

static void pool_of_a_group_starts_when_those_before_it_are_ready(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_action action;
    add(f, 0, group_config(GG_REST_FOR_ONE, GG_RESTART_PERMANENT));
    add(f, 1, group_config(GG_REST_FOR_ONE, GG_RESTART_PERMANENT));

    assert_true(gg_sup_next(&f->sup, at(0), &action));
    assert_int_equal(action.pool, 0);
    assert_false(gg_sup_next(&f->sup, at(0), &action));
    gg_sup_ready(&f->sup, 0, 0, at(1));

    assert_true(gg_sup_next(&f->sup, at(1), &action));
    assert_int_equal(action.pool, 1);
}

/* As in OTP: stopped with the others, not brought back. */
static void temporary_neighbour_is_stopped_and_stays_away(void **state)
{
    struct fixture *f = *state;
    add(f, 0, group_config(GG_ONE_FOR_ALL, GG_RESTART_PERMANENT));
    add(f, 1, group_config(GG_ONE_FOR_ALL, GG_RESTART_TEMPORARY));
    settle(f, 0);
    forget_counts(f);

    gg_sup_died(&f->sup, 0, 0, GG_END_FAILED, at(1));
    settle(f, 1);

    assert_int_equal(f->starts[0], 1);
    assert_int_equal(f->stops[1], 1);
    assert_int_equal(f->starts[1], 0);
    assert_int_equal(gg_sup_slots(&f->sup, 1, at(1)), 0);
}

static void exhausted_budget_closes_by_strategy(void **state)
{
    static const uint32_t open[][3] = {
        [GG_ONE_FOR_ONE] = {1, 0, 1},
        [GG_ONE_FOR_ALL] = {0, 0, 0},
        [GG_REST_FOR_ONE] = {1, 0, 0},
    };
    for (enum gg_strategy s = GG_ONE_FOR_ONE; s <= GG_REST_FOR_ONE; s++) {
        struct fixture *f = *state;
        add_group(f, s, GG_RESTART_PERMANENT);

        (void)exhaust(f, 1, 100);

        for (uint32_t pool = 0; pool < 3; pool++) {
            assert_int_equal(gg_sup_slots(&f->sup, pool, at(100)), open[s][pool]);
        }
        assert_int_equal(gg_sup_slots(&f->sup, 3, at(100)), 1);
        settle(f, 100 + BACKOFF_MS);
        for (uint32_t pool = 0; pool < 4; pool++) {
            assert_int_equal(gg_sup_slots(&f->sup, pool, at(100 + BACKOFF_MS)), 1);
            (void)take(f, pool);
        }
        gg_sup_fini(&f->sup);
        gg_sup_init(&f->sup);
        forget_counts(f);
    }
}

/* ---- overflow, size, recycling ---- */

static void overflow_comes_with_work_and_goes_when_idle(void **state)
{
    struct fixture *f = *state;
    struct gg_mono wake;
    struct gg_sup_config it = config(1);
    it.overflow = 2;
    it.overflow_idle_ms = 300;
    add(f, 0, it);
    settle(f, 0);
    assert_int_equal(f->starts[0], 1);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(0)), 3);

    (void)take(f, 0);
    gg_sup_wants(&f->sup, 0, 5);
    settle(f, 1);
    assert_int_equal(f->starts[0], 3);
    gg_sup_wants(&f->sup, 0, 0);
    uint32_t second = take(f, 0);
    gg_sup_give(&f->sup, 0, second, 0, at(100));

    settle(f, 299);
    assert_int_equal(f->stops[0], 0);
    assert_true(gg_sup_next_wake(&f->sup, &wake));
    assert_int_equal(wake.ms, 301); /* The one that never had work. */
    settle(f, 301);
    assert_int_equal(f->stops[0], 1);
    settle(f, 400);
    assert_int_equal(f->stops[0], 2);
    assert_false(gg_sup_next_wake(&f->sup, &wake));
}

static void pool_may_be_all_overflow(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(0);
    it.overflow = 2;
    it.overflow_idle_ms = 300;
    add(f, 0, it);
    settle(f, 0);
    assert_int_equal(f->starts[0], 0);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(0)), 2);

    gg_sup_wants(&f->sup, 0, 1);
    settle(f, 1);
    uint32_t executor = take(f, 0);
    gg_sup_wants(&f->sup, 0, 0);
    gg_sup_give(&f->sup, 0, executor, 0, at(10));
    settle(f, 310);

    assert_int_equal(f->starts[0], 1);
    assert_int_equal(f->stops[0], 1);
}

static void smaller_size_takes_idle_ones_first_and_busy_ones_when_done(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(4));
    settle(f, 0);
    uint32_t one = take(f, 0);
    uint32_t two = take(f, 0);

    assert_int_equal(gg_sup_scale(&f->sup, 0, 1, at(1)), GG_OK);
    settle(f, 1);

    assert_int_equal(f->stops[0], 2);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(1)), 1);
    gg_sup_give(&f->sup, 0, one, 0, at(2));
    settle(f, 2);
    assert_int_equal(f->stops[0], 3);
    gg_sup_give(&f->sup, 0, two, 0, at(3));
    settle(f, 3);
    assert_int_equal(f->stops[0], 3);
    assert_int_equal(f->starts[0], 4);
}

static void larger_size_starts_more(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(1));
    settle(f, 0);

    assert_int_equal(gg_sup_scale(&f->sup, 0, 16, at(1)), GG_OK);
    settle(f, 1);

    assert_int_equal(f->starts[0], 16);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(1)), 16);
}

static void size_said_anew_opens_places_of_temporary_ones(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(2);
    it.restart = GG_RESTART_TEMPORARY;
    add(f, 0, it);
    settle(f, 0);
    gg_sup_died(&f->sup, 0, 0, GG_END_FAILED, at(1));
    settle(f, 1);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(1)), 1);

    assert_int_equal(gg_sup_scale(&f->sup, 0, 2, at(2)), GG_OK);
    settle(f, 2);

    assert_int_equal(f->starts[0], 3);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(2)), 2);
}

static void executor_is_replaced_after_its_jobs_its_memory_or_its_time(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(1);
    it.recycle_jobs = 2;
    it.recycle_bytes = 1000;
    it.recycle_ms = 60000;
    add(f, 0, it);
    settle(f, 0);

    gg_sup_give(&f->sup, 0, take(f, 0), 999, at(1));
    settle(f, 1);
    assert_int_equal(f->stops[0], 0);
    gg_sup_give(&f->sup, 0, take(f, 0), 999, at(2));
    settle(f, 2);
    assert_int_equal(f->stops[0], 1);
    gg_sup_give(&f->sup, 0, take(f, 0), 1000, at(3));
    settle(f, 3);
    assert_int_equal(f->stops[0], 2);
    settle(f, 60002);
    assert_int_equal(f->stops[0], 2);
    settle(f, 60003);
    assert_int_equal(f->stops[0], 3);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(60003)), 1);
}

static void busy_one_takes_more_up_to_its_bound(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(1);
    uint32_t other = 0;
    it.ahead_each = 2;
    add(f, 0, it);
    settle(f, 0);
    assert_false(gg_sup_take_more(&f->sup, 0, 0)); /* It is idle. */

    uint32_t busy = take(f, 0);
    assert_true(gg_sup_take_more(&f->sup, 0, busy));
    assert_true(gg_sup_take_more(&f->sup, 0, busy));
    assert_false(gg_sup_take_more(&f->sup, 0, busy));
    gg_sup_give(&f->sup, 0, busy, 0, at(1));
    assert_true(gg_sup_take_more(&f->sup, 0, busy));
    for (int i = 0; i < 3; i++) {
        assert_false(gg_sup_take(&f->sup, 0, &other));
        gg_sup_give(&f->sup, 0, busy, 0, at(2));
    }

    assert_int_equal(take(f, 0), busy);
}

static void one_that_is_to_go_takes_no_more(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(2);
    it.ahead_each = 9;
    it.recycle_jobs = 3;
    it.recycle_bytes = 1000;
    add(f, 0, it);
    settle(f, 0);

    uint32_t busy = take(f, 0);
    assert_true(gg_sup_take_more(&f->sup, 0, busy));
    assert_true(gg_sup_take_more(&f->sup, 0, busy));
    assert_false(gg_sup_take_more(&f->sup, 0, busy)); /* Its three jobs. */
    uint32_t large = take(f, 0);
    assert_true(gg_sup_take_more(&f->sup, 0, large));
    gg_sup_give(&f->sup, 0, large, 1000, at(1));
    assert_false(gg_sup_take_more(&f->sup, 0, large)); /* It has grown. */
    settle(f, 1);
    assert_int_equal(f->stops[0], 0); /* What they have is done first. */
    gg_sup_give(&f->sup, 0, large, 0, at(2));
    settle(f, 2);
    assert_int_equal(f->stops[0], 1);
    for (int i = 0; i < 3; i++) {
        gg_sup_give(&f->sup, 0, busy, 0, at(3));
    }
    settle(f, 3);
    assert_int_equal(f->stops[0], 2);

    busy = take(f, 0);
    (void)take(f, 0);
    assert_int_equal(gg_sup_scale(&f->sup, 0, 1, at(4)), GG_OK);
    assert_false(gg_sup_take_more(&f->sup, 0, busy)); /* One of both is to go. */
    gg_sup_give(&f->sup, 0, busy, 0, at(5));
    settle(f, 5);
    assert_int_equal(f->stops[0], 3);
}

static void attempts_in_hand_follow_the_size(void **state)
{
    struct fixture *f = *state;
    struct gg_sup_config it = config(2);
    it.ahead_each = 3;
    it.overflow = 1;
    add(f, 0, it);
    settle(f, 0);

    assert_int_equal(gg_sup_slots(&f->sup, 0, at(0)), 2 * 4 + 1);
    assert_int_equal(gg_sup_room(&it), 2 * 4 + 1);
    assert_int_equal(gg_sup_scale(&f->sup, 0, 5, at(1)), GG_OK);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(1)), 5 * 4 + 1);
    assert_int_equal(gg_sup_scale(&f->sup, 0, 0, at(2)), GG_OK);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(2)), 1);
}

static void removed_pool_is_gone_when_its_last_job_is_done(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(2));
    settle(f, 0);
    uint32_t busy = take(f, 0);

    gg_sup_remove(&f->sup, 0, at(1));
    settle(f, 1);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(1)), 0);
    assert_false(gg_sup_is_gone(&f->sup, 0));
    gg_sup_give(&f->sup, 0, busy, 0, at(2));
    settle(f, 2);

    assert_true(gg_sup_is_gone(&f->sup, 0));
    add(f, 0, config(1));
}

static void restart_by_hand_takes_each_when_it_is_idle(void **state)
{
    struct fixture *f = *state;
    add(f, 0, config(2));
    settle(f, 0);
    uint32_t busy = take(f, 0);
    forget_counts(f);

    gg_sup_restart(&f->sup, 0);
    settle(f, 1);
    assert_int_equal(f->starts[0], 1);
    gg_sup_give(&f->sup, 0, busy, 0, at(2));
    settle(f, 2);

    assert_int_equal(f->starts[0], 2);
    assert_int_equal(gg_sup_slots(&f->sup, 0, at(2)), 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_of_a_pool_are_started_and_take_work),
        TEST(warmest_goes_first_or_the_one_that_rested_longest),
        TEST(death_with_a_job_costs_the_pool_nothing),
        TEST(deaths_without_a_job_close_the_pool_for_its_backoff),
        TEST(deaths_that_are_spread_out_close_nothing),
        TEST(backoff_doubles_until_a_job_is_done),
        TEST(programs_that_cannot_be_started_close_the_pool),
        TEST(strategy_and_class_say_what_is_restarted),
        TEST(starts_wait_until_all_that_restart_have_ended),
        TEST(pool_of_a_group_starts_when_those_before_it_are_ready),
        TEST(temporary_neighbour_is_stopped_and_stays_away),
        TEST(exhausted_budget_closes_by_strategy),
        TEST(overflow_comes_with_work_and_goes_when_idle),
        TEST(pool_may_be_all_overflow),
        TEST(smaller_size_takes_idle_ones_first_and_busy_ones_when_done),
        TEST(larger_size_starts_more),
        TEST(size_said_anew_opens_places_of_temporary_ones),
        TEST(executor_is_replaced_after_its_jobs_its_memory_or_its_time),
        TEST(busy_one_takes_more_up_to_its_bound),
        TEST(one_that_is_to_go_takes_no_more),
        TEST(attempts_in_hand_follow_the_size),
        TEST(removed_pool_is_gone_when_its_last_job_is_done),
        TEST(restart_by_hand_takes_each_when_it_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
