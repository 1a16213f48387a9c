/* test_sources.c - which source of a pool's jobs is in use, and which are tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "worker/sup/sources.h"

#include <cmocka.h>

enum { RETRY_MS = 1000, RETRY_MAX_MS = 4000, SETTLE_MS = 3000, EVERY_MS = 500 };
enum { PATIENCE_MS = 10000, SILENCE_MS = 5000, LISTEN = 0, POLL = 1, LAST = 2 };

struct fixture {
    struct gg_sources sources;
    uint32_t starts[GG_SOURCES_MAX];
    uint32_t stops[GG_SOURCES_MAX];
    uint32_t fails[GG_SOURCES_MAX];
    uint32_t switches;
};

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static struct gg_source_config config(enum gg_source_kind kind)
{
    return (struct gg_source_config){
        .kind = kind,
        .every_ms = EVERY_MS,
        .silence_ms = kind == GG_SOURCE_EVERY ? 0 : SILENCE_MS,
        .patience_ms = PATIENCE_MS,
        .retry_ms_min = RETRY_MS,
        .retry_ms_max = RETRY_MAX_MS,
        .settle_ms = SETTLE_MS,
    };
}

/* A listener, a poll behind it, and one more poll behind that. */
static int setup(void **state)
{
    const struct gg_source_config configs[] = {
        config(GG_SOURCE_STAYS), config(GG_SOURCE_EVERY), config(GG_SOURCE_EVERY)};
    struct fixture *f = calloc(1, sizeof *f);
    gg_sources_init(&f->sources, configs, 3);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* Count what is to be done at `now`; what is stopped ends at once, badly. */
static void turn_as(struct fixture *f, int64_t now, bool wanted, bool may_start)
{
    struct gg_source_action action;
    for (int i = 0; gg_sources_next(&f->sources, at(now), wanted, may_start, &action);
         i++) {
        assert_true(i < 100); /* It comes to rest. */
        if (action.what == GG_SOURCE_DO_START) {
            f->starts[action.source]++;
        } else if (action.what == GG_SOURCE_DO_STOP) {
            f->stops[action.source]++;
            gg_sources_ended(&f->sources, action.source, false, at(now));
        } else if (action.what == GG_SOURCE_DO_FAIL) {
            f->fails[action.source]++;
        } else {
            f->switches++;
        }
    }
}

static void turn(struct fixture *f, int64_t now)
{
    turn_as(f, now, true, true);
}

static void listener_is_up(struct fixture *f, int64_t now)
{
    turn(f, now);
    gg_sources_ready(&f->sources, LISTEN, at(now));
    turn(f, now);
    assert_int_equal(f->sources.active, LISTEN);
}

/* The listener has died, and the first run of the poll was good. */
static void poll_is_in_use(struct fixture *f, int64_t now)
{
    listener_is_up(f, now);
    gg_sources_ended(&f->sources, LISTEN, false, at(now));
    turn(f, now);
    gg_sources_ended(&f->sources, POLL, true, at(now));
    turn(f, now);
    assert_int_equal(f->sources.active, POLL);
}

static void only_the_first_runs_while_it_is_healthy(void **state)
{
    struct fixture *f = *state;

    turn(f, 0);
    assert_int_equal(f->sources.active, GG_SOURCE_NONE);
    listener_is_up(f, 0);

    assert_int_equal(f->starts[LISTEN], 1);
    assert_int_equal(f->starts[POLL], 0);
}

static void next_one_takes_over_at_once(void **state)
{
    struct fixture *f = *state;
    listener_is_up(f, 0);

    gg_sources_ended(&f->sources, LISTEN, false, at(100));
    turn(f, 100);

    assert_int_equal(f->starts[POLL], 1);
    assert_int_equal(f->sources.active, GG_SOURCE_NONE);
    gg_sources_ended(&f->sources, POLL, true, at(150));
    turn(f, 150);
    assert_int_equal(f->sources.active, POLL);
    assert_int_equal(f->starts[LAST], 0);
}

static void first_is_tried_again_and_takes_over_once_settled(void **state)
{
    struct fixture *f = *state;
    poll_is_in_use(f, 0);

    turn(f, RETRY_MS - 1);
    assert_int_equal(f->starts[LISTEN], 1);
    turn(f, RETRY_MS);
    assert_int_equal(f->starts[LISTEN], 2);
    gg_sources_ready(&f->sources, LISTEN, at(RETRY_MS));
    turn(f, RETRY_MS + SETTLE_MS - 1);
    assert_int_equal(f->sources.active, POLL);
    turn(f, RETRY_MS + SETTLE_MS);

    assert_int_equal(f->sources.active, LISTEN);
    uint32_t polls = f->starts[POLL];
    gg_sources_ended(&f->sources, POLL, true, at(RETRY_MS + SETTLE_MS));
    gg_sources_alive(&f->sources, LISTEN, at(RETRY_MS + SETTLE_MS + EVERY_MS));
    turn(f, RETRY_MS + SETTLE_MS + EVERY_MS);
    assert_int_equal(f->starts[POLL], polls); /* It rests. */
}

static void one_that_flaps_does_not_take_over(void **state)
{
    struct fixture *f = *state;
    poll_is_in_use(f, 0);

    for (int64_t now = RETRY_MS; now < 60000; now += 500) {
        turn(f, now);
        if (f->sources.items[LISTEN].runs) {
            gg_sources_ready(&f->sources, LISTEN, at(now));
            gg_sources_ended(&f->sources, LISTEN, false, at(now + 400));
        }
        if (f->sources.items[POLL].runs) {
            gg_sources_ended(&f->sources, POLL, true, at(now + 400));
        }
        assert_int_equal(f->sources.active, POLL);
    }

    /* Its back-off has grown: 1, 2, 4, 4, ... s. */
    assert_in_range(f->starts[LISTEN], 14, 18);
}

static void healthy_one_that_has_not_settled_is_better_than_none(void **state)
{
    struct fixture *f = *state;
    poll_is_in_use(f, 0);
    turn(f, RETRY_MS);
    gg_sources_ready(&f->sources, LISTEN, at(RETRY_MS));
    turn(f, RETRY_MS + 1);
    assert_int_equal(f->sources.active, POLL);

    gg_sources_ended(&f->sources, POLL, false, at(RETRY_MS + 2));
    turn(f, RETRY_MS + 2);

    assert_int_equal(f->sources.active, LISTEN);
    assert_int_equal(f->starts[LAST], 0);
}

static void all_are_tried_when_none_is_healthy(void **state)
{
    struct fixture *f = *state;
    turn(f, 0);

    gg_sources_ended(&f->sources, LISTEN, false, at(0));
    turn(f, 0);
    gg_sources_ended(&f->sources, POLL, false, at(0));
    turn(f, 0);
    gg_sources_ended(&f->sources, LAST, false, at(0));
    turn(f, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f->starts[i], 1);
    }
    turn(f, RETRY_MS);

    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f->starts[i], 2);
    }
    assert_int_equal(f->sources.active, GG_SOURCE_NONE);
    gg_sources_ended(&f->sources, LAST, true, at(RETRY_MS + 1));
    turn(f, RETRY_MS + 1);
    assert_int_equal(f->sources.active, LAST);
}

static void retry_of_the_first_does_not_hold_up_the_others(void **state)
{
    struct fixture *f = *state;
    poll_is_in_use(f, 0);
    turn(f, RETRY_MS);
    assert_int_equal(f->starts[LISTEN], 2); /* It hangs: not ready, not ended. */

    turn(f, RETRY_MS + 1);
    gg_sources_ended(&f->sources, POLL, false, at(RETRY_MS + 1));
    turn(f, RETRY_MS + 1);

    assert_int_equal(f->starts[LAST], 1);
}

static void silent_or_slow_one_is_stopped(void **state)
{
    struct fixture *f = *state;
    turn(f, 0);
    turn(f, PATIENCE_MS - 1);
    assert_int_equal(f->fails[LISTEN], 0);
    turn(f, PATIENCE_MS);
    assert_int_equal(f->fails[LISTEN], 1);
    assert_int_equal(f->stops[LISTEN], 1);
    assert_int_equal(f->starts[POLL], 1);

    int64_t now = PATIENCE_MS + RETRY_MS;
    turn(f, now);
    gg_sources_ready(&f->sources, LISTEN, at(now));
    turn(f, now);
    assert_int_equal(f->sources.active, LISTEN);
    gg_sources_alive(&f->sources, LISTEN, at(now + 3000));
    turn(f, now + SILENCE_MS);
    assert_int_equal(f->fails[LISTEN], 1);
    turn(f, now + 3000 + SILENCE_MS);
    assert_int_equal(f->fails[LISTEN], 2);
    assert_int_equal(f->stops[LISTEN], 2);
}

static void queue_is_healthy_while_jobs_come(void **state)
{
    struct fixture *f = *state;
    const struct gg_source_config configs[] = {config(GG_SOURCE_QUEUE),
                                               config(GG_SOURCE_EVERY)};
    gg_sources_init(&f->sources, configs, 2);
    turn(f, 0);
    assert_int_equal(f->sources.active, 0);

    gg_sources_alive(&f->sources, 0, at(4000));
    turn(f, SILENCE_MS);
    assert_int_equal(f->starts[POLL], 0);
    turn(f, 4000 + SILENCE_MS);
    assert_int_equal(f->starts[POLL], 1);
    gg_sources_ended(&f->sources, POLL, true, at(9100));
    turn(f, 9100);
    assert_int_equal(f->sources.active, POLL);

    gg_sources_alive(&f->sources, 0, at(9200));
    turn(f, 9200 + SETTLE_MS);
    assert_int_equal(f->sources.active, 0);
}

static void nothing_runs_that_is_not_wanted(void **state)
{
    struct fixture *f = *state;
    turn_as(f, 0, true, false); /* No broker. */
    assert_int_equal(f->starts[LISTEN], 0);
    poll_is_in_use(f, 0);
    turn(f, RETRY_MS);

    turn_as(f, RETRY_MS, false, true);

    struct gg_mono wake;
    assert_true(gg_sources_are_still(&f->sources));
    assert_int_equal(f->sources.active, GG_SOURCE_NONE);
    assert_false(gg_sources_next_wake(&f->sources, &wake));
    turn(f, RETRY_MS + 1);
    assert_int_equal(f->starts[LISTEN], 3);
}

/* Whoever turns only when told to sees everything in time. */
static void next_wake_misses_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t now = 0;
    for (int i = 0; i < 200; i++) {
        turn(f, now);
        for (uint32_t s = 0; s < 3; s++) {
            if (f->sources.items[s].runs && s != LISTEN) {
                gg_sources_ended(&f->sources, s, (i + (int)s) % 5 != 0, at(now));
            } else if (f->sources.items[s].runs && i % 7 == 3) {
                gg_sources_ready(&f->sources, s, at(now));
            }
        }
        turn(f, now);
        struct gg_mono wake;
        assert_true(gg_sources_next_wake(&f->sources, &wake));
        assert_true(wake.ms > now); /* Else the loop would spin. */
        struct fixture copy = *f;
        turn(&copy, wake.ms - 1);
        assert_memory_equal(copy.starts, f->starts, sizeof f->starts);
        assert_int_equal(copy.switches, f->switches);
        now = wake.ms;
    }
    assert_true(f->switches > 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(only_the_first_runs_while_it_is_healthy),
        CASE(next_one_takes_over_at_once),
        CASE(first_is_tried_again_and_takes_over_once_settled),
        CASE(one_that_flaps_does_not_take_over),
        CASE(healthy_one_that_has_not_settled_is_better_than_none),
        CASE(all_are_tried_when_none_is_healthy),
        CASE(retry_of_the_first_does_not_hold_up_the_others),
        CASE(silent_or_slow_one_is_stopped),
        CASE(queue_is_healthy_while_jobs_come),
        CASE(nothing_runs_that_is_not_wanted),
        CASE(next_wake_misses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
