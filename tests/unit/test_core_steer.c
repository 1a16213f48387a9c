/* test_core_steer.c - orders to agents: who gets them, when they are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/walked_stage.h"

enum { BOSS, ONE, TWO, OTHER };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, BOSS);
    stage_agent(stage, ONE, "build-1", "q", 1);
    stage_agent(stage, TWO, "build-2", "q", 1);
    stage_agent(stage, OTHER, "mail", "q", 1);
    return 0;
}

static struct gg_steer scale(const char *workers)
{
    struct gg_steer steer;
    gg_record_default(GG_RECORD_STEER, &steer);
    steer.worker = gg_slice_text(workers);
    steer.action = GG_STEER_SCALE;
    steer.pool = gg_slice_text("encode");
    steer.size = 4;
    return steer;
}

/* Give the order; the broker's number of it. */
static uint64_t give(struct stage *stage, const struct gg_steer *steer, uint32_t peer)
{
    stage_say(stage, BOSS, GG_CMD_STEER, 7, steer);
    const struct said *said = stage_heard(stage, peer, GG_CMD_STEER, 0);
    assert_non_null(said);
    return said->command.request;
}

static void answer(struct stage *stage, uint32_t peer, uint64_t number, enum gg_err err)
{
    struct gg_steered steered = {.error = err, .text = gg_slice_text("why not")};
    stage_say(stage, peer, GG_CMD_STEERED, number, &steered);
}

static void order_goes_to_all_that_fit_and_is_answered_when_all_have(void **state)
{
    struct stage *stage = *state;
    struct gg_steer steer = scale("build-*");

    uint64_t number = give(stage, &steer, ONE);
    assert_int_equal(stage_count(stage, GG_CMD_STEER), 2);
    answer(stage, ONE, number, GG_OK);
    assert_null(stage_heard(stage, BOSS, GG_CMD_DONE, 0));
    answer(stage, ONE, number, GG_OK); /* Said twice: counted once. */
    assert_null(stage_heard(stage, BOSS, GG_CMD_DONE, 0));
    answer(stage, TWO, number, GG_OK);

    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_DONE, 0)->command.as.done.count,
                     2);
}

static void who_does_not_know_the_pool_spoils_nothing(void **state)
{
    struct stage *stage = *state;
    struct gg_steer steer = scale("*");

    uint64_t number = give(stage, &steer, ONE);
    answer(stage, ONE, number, GG_ERR_NOT_FOUND);
    answer(stage, TWO, number, GG_OK);
    answer(stage, OTHER, number, GG_ERR_NOT_FOUND);
    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_DONE, 0)->command.as.done.count,
                     1);
    number = give(stage, &steer, ONE);
    answer(stage, ONE, number, GG_ERR_NOT_FOUND);
    answer(stage, TWO, number, GG_ERR_TOO_MANY);
    answer(stage, OTHER, number, GG_OK);

    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_ERROR, 0)->command.as.error.error,
                     GG_ERR_TOO_MANY);
}

static void agent_that_goes_away_is_not_waited_for(void **state)
{
    struct stage *stage = *state;
    struct gg_steer steer = scale("build-*");
    uint64_t number = give(stage, &steer, ONE);
    answer(stage, ONE, number, GG_OK);

    stage_close(stage, TWO, false);

    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_ERROR, 0)->command.as.error.error,
                     GG_ERR_BAD_STATE);
}

static void nobody_to_ask_is_an_answer(void **state)
{
    struct stage *stage = *state;
    struct gg_steer steer = scale("nobody");

    stage_say(stage, BOSS, GG_CMD_STEER, 7, &steer);

    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_ERROR, 0)->command.as.error.error,
                     GG_ERR_NOT_FOUND);
    steer = scale("*");
    steer.dry_run = true;
    stage_say(stage, BOSS, GG_CMD_STEER, 8, &steer);
    assert_int_equal(stage_count(stage, GG_CMD_STEER), 0);
    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_DONE, 0)->command.as.done.count,
                     3);
}

static void orders_under_way_are_bounded_and_end_with_their_asker(void **state)
{
    struct stage *stage = *state;
    struct gg_steer steer = scale("mail");
    for (int i = 0; i < 64; i++) {
        (void)give(stage, &steer, OTHER);
    }

    stage_say(stage, BOSS, GG_CMD_STEER, 7, &steer);
    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_ERROR, 0)->command.as.error.error,
                     GG_ERR_BUSY);
    stage_close(stage, BOSS, true);
    stage_client(stage, BOSS);

    uint64_t number = give(stage, &steer, OTHER);
    answer(stage, OTHER, number, GG_OK);
    assert_non_null(stage_heard(stage, BOSS, GG_CMD_DONE, 0));
}

static void release_goes_to_the_agent_that_runs_the_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    struct gg_steer steer = scale("");
    steer.action = GG_STEER_RELEASE;
    steer.id = stage_submit(stage, BOSS, 1, &submit);
    uint32_t holder = stage_heard(stage, ONE, GG_CMD_ASSIGN, 0) != NULL   ? ONE
                      : stage_heard(stage, TWO, GG_CMD_ASSIGN, 0) != NULL ? TWO
                                                                          : OTHER;

    assert_true(give(stage, &steer, holder) > 0);
    assert_int_equal(stage_count(stage, GG_CMD_STEER), 1);

    steer.id.bytes[0] ^= 1;
    stage_say(stage, BOSS, GG_CMD_STEER, 8, &steer);
    assert_int_equal(stage_heard(stage, BOSS, GG_CMD_ERROR, 0)->command.as.error.error,
                     GG_ERR_NOT_FOUND);
}

static void report_is_shown_as_it_was_said(void **state)
{
    struct stage *stage = *state;
    struct gg_buf list;
    struct gg_pool_state one;
    struct gg_scope scope;
    struct gg_fault fault;
    struct gg_worker_info worker;
    gg_buf_init(&list, 4096);
    gg_record_default(GG_RECORD_POOL_STATE, &one);
    one.pool = 1;
    one.state = GG_POOL_DOWN;
    one.kind = 2;
    one.cause = gg_slice_text("exit status 7");
    gg_record_write(&list, GG_RECORD_POOL_STATE, &one, NULL);
    struct gg_report report = {.pools = {.raw = gg_buf_slice(&list), .count = 1}};

    stage_say(stage, OTHER, GG_CMD_REPORT, 0, &report);
    gg_buf_fini(&list);
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text("mail");
    stage_say(stage, BOSS, GG_CMD_LIST_WORKERS, 3, &scope);

    struct gg_list workers = stage_heard(stage, BOSS, GG_CMD_WORKERS, 0)
                                 ->command.as.workers.workers;
    assert_true(gg_list_next_record(&workers, GG_RECORD_WORKER, &worker, &fault));
    assert_true(
        gg_list_next_record(&worker.states, GG_RECORD_POOL_STATE, &one, &fault));
    assert_int_equal(one.state, GG_POOL_DOWN);
    assert_true(gg_slice_equal(one.cause, gg_slice_text("exit status 7")));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(order_goes_to_all_that_fit_and_is_answered_when_all_have),
        TEST(who_does_not_know_the_pool_spoils_nothing),
        TEST(agent_that_goes_away_is_not_waited_for),
        TEST(nobody_to_ask_is_an_answer),
        TEST(orders_under_way_are_bounded_and_end_with_their_asker),
        TEST(release_goes_to_the_agent_that_runs_the_job),
        TEST(report_is_shown_as_it_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
