/* test_agent_handover.c - the agent: what it knows goes over to the next one whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tests/lib/agent_stage.h"
#include "worker/agent_handover.h"

#include <cmocka.h>

/* The agent that takes the place of the one in `f`, on a stage of its own. */
static struct fixture *renew(struct fixture *f)
{
    void *state = NULL;
    struct gg_pack pack;
    gg_pack_init(&pack);
    gg_worker_save(f->agent, &pack);
    assert_true(gg_pack_is_whole(&pack));
    (void)setup_without_welcome(&state);
    struct fixture *next = state;
    next->now = f->now;
    gg_worker_lost(next->agent);
    assert_true(gg_worker_restore(next->agent, &pack));
    assert_int_equal(pack.at, pack.buf.len);
    gg_pack_fini(&pack);
    return next;
}

static void drop(struct fixture *f)
{
    void *state = f;
    (void)teardown(&state);
}

static void attempts_and_their_leases_go_over(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    struct gg_assign ended = assignment(f, FENCE + 1);
    struct gg_assign waiting = assignment(f, FENCE + 2);
    const struct gg_attempt *before = start(f, &running);
    (void)start(f, &ended);
    end(f, FENCE + 1, GG_OUTCOME_SUCCEEDED);
    (void)tell(f, GG_CMD_ASSIGN, &waiting);

    struct fixture *next = renew(f);

    const struct gg_attempt *after = gg_attempts_find(&next->agent->attempts, FENCE);
    assert_non_null(after);
    assert_int_equal(after->state, GG_ATTEMPT_RUNNING);
    assert_int_equal(after->lease_ms, before->lease_ms);
    assert_int_equal(after->run_until_ms, before->run_until_ms);
    assert_int_equal(after->work->attempt, before->work->attempt);
    assert_int_equal(next->agent->pools[0].in_hand, 3);
    assert_int_equal(next->agent->pools[0].open, 2);
    assert_int_equal(gg_worker_next_start(next->agent, 0)->fence, FENCE + 2);
    drop(next);
}

static void broker_hears_of_all_of_them_and_of_the_outcome(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    struct gg_assign ended = assignment(f, FENCE + 1);
    (void)start(f, &running);
    (void)start(f, &ended);
    end(f, FENCE + 1, GG_OUTCOME_SUCCEEDED);

    struct fixture *next = renew(f);
    say_hello(next);

    const struct gg_hello *hello = &heard(next, GG_CMD_HELLO, 0)->as.hello;
    assert_int_equal(hello->held.count, 2);
    assert_int_equal(hello->outcomes, 1);
    assert_int_equal(hello->incarnation, f->agent->config.incarnation);
    welcome(next);
    assert_int_equal(count(next, GG_CMD_OUTCOME), 1);
    assert_int_equal(heard(next, GG_CMD_OUTCOME, 0)->as.outcome.fence, FENCE + 1);
    drop(next);
}

static void what_was_taken_is_not_taken_again(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    struct gg_assign done = assignment(f, FENCE + 1);
    (void)start(f, &running);
    (void)start(f, &done);
    end(f, FENCE + 1, GG_OUTCOME_SUCCEEDED);
    confirm(f, &done);

    struct fixture *next = renew(f);
    say_hello(next);
    welcome(next);
    (void)tell(next, GG_CMD_ASSIGN, &running);
    (void)tell(next, GG_CMD_ASSIGN, &done);

    assert_null(gg_worker_next_start(next->agent, 0));
    assert_int_equal(next->agent->attempts.count, 1);
    drop(next);
}

static void attempt_of_a_pool_that_has_gone_is_handed_back(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    (void)start(f, &running);
    f->agent->pools[0].config.name = gg_slice_text("gone");

    struct fixture *next = renew(f);
    say_hello(next);
    welcome(next);

    const struct gg_command *back = heard(next, GG_CMD_OUTCOME, 0);
    assert_int_equal(back->as.outcome.kind, GG_OUTCOME_HANDED_BACK);
    assert_false(back->as.outcome.never_started);
    assert_int_equal(next->agent->pools[0].open, 0);
    drop(next);
}

static void half_of_a_pack_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    (void)start(f, &running);
    struct gg_pack pack;
    gg_pack_init(&pack);
    gg_worker_save(f->agent, &pack);
    size_t whole = pack.buf.len;
    for (size_t len = whole - 1; len > 0; len -= len < 600 ? 1 : len / 2) {
        void *other = NULL;
        (void)setup_without_welcome(&other);
        struct fixture *next = other;
        pack.buf.len = len;
        pack.at = 0;
        pack.bad = false;
        assert_false(gg_worker_restore(next->agent, &pack));
        drop(next);
    }
    gg_pack_fini(&pack);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(attempts_and_their_leases_go_over),
        CASE(broker_hears_of_all_of_them_and_of_the_outcome),
        CASE(what_was_taken_is_not_taken_again),
        CASE(attempt_of_a_pool_that_has_gone_is_handed_back),
        CASE(half_of_a_pack_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
