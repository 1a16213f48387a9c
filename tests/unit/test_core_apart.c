/* test_core_apart.c - large payloads and results are on disk, and read when they are
 * needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/registry.h"
#include "tests/unit/durable_stage.h"
#include "tests/unit/test_core_walk.h"

static uint8_t large[40000] = {[0] = 'a', [39999] = 'z'};

static struct gg_id submit_large(struct stage *stage)
{
    struct gg_submit submit = stage_submission(stage, "q");
    submit.key = gg_slice_text("large");
    submit.payload = gg_slice_of(large, sizeof large);
    return stage_submit(stage, CLIENT, 1, &submit);
}

static void large_payload_is_read_when_it_is_dispatched(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_large(stage);
    assert_int_equal(stage_effects(stage, GG_FX_PERSIST_BLOB), 1);
    assert_true(stage->kept[stage->kept_count - 1].bytes->len < 400);

    crash(stage);
    assert_true(stage->core->memory_bytes < sizeof large);
    stage_agent(stage, AGENT, "w", "q", 2);
    assert_null(assigned(stage, AGENT, 0));
    assert_int_equal(stage_load(stage), 1);

    const struct gg_assign *assign = assigned(stage, AGENT, 0);
    assert_true(gg_id_equal(&assign->id, &id));
    assert_true(gg_slice_equal(assign->payload, gg_slice_of(large, sizeof large)));
}

static void no_memory(struct gg_bounds *bounds)
{
    bounds->durable = true;
    bounds->payload_memory_bytes_max = 0;
}

static void backlog_may_be_larger_than_memory(void **state)
{
    (void)state;
    static struct stage stage;
    stage_init(&stage, no_memory);
    stage_client(&stage, CLIENT);
    struct gg_id ids[8];
    for (int i = 0; i < 8; i++) {
        struct gg_submit submit = stage_submission(&stage, "q");
        submit.payload = gg_slice_of(large, sizeof large);
        ids[i] = stage_submit(&stage, CLIENT, 1, &submit);
    }
    assert_true(stage.core->memory_bytes < sizeof large);

    stage_agent(&stage, AGENT, "w", "q", 3);
    assert_int_equal(stage_effects(&stage, GG_FX_LOAD), 3);
    assert_int_equal(stage_load(&stage), 3);
    assert_true(gg_id_equal(&assigned(&stage, AGENT, 0)->id, &ids[0]));
    struct gg_assign assign = *assigned(&stage, AGENT, 0);
    assert_true(stage.core->memory_bytes < sizeof large);
    stage_outcome(&stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "done");

    assert_int_equal(stage_effects(&stage, GG_FX_ERASE_BLOB), 1);
    assert_int_equal(stage_effects(&stage, GG_FX_LOAD), 1); /* Of the fourth. */
    assert_null(core_walk(stage.core));
    stage_fini(&stage);
}

static void attempt_whose_payload_is_read_can_be_taken_back(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_large(stage);
    crash(stage);
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_effects *fx = &stage->fx;
    assert_int_equal(stage_effects(stage, GG_FX_LOAD), 1);
    uint64_t token = 0;
    for (uint32_t i = 0; i < fx->count; i++) {
        token = fx->items[i].type == GG_FX_LOAD ? fx->items[i].token : token;
    }
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text("q");

    stage_say(stage, CLIENT, GG_CMD_PAUSE, 9, &scope);

    assert_non_null(stage_heard(stage, CLIENT, GG_CMD_DONE, 0)); /* At once. */
    assert_int_equal(stage_count(stage, GG_CMD_STOP), 0);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
    struct gg_blob *blob = gg_blob_new(gg_slice_of(large, sizeof large));
    gg_effects_clear(fx);
    gg_core_step(stage->core,
                 &(struct gg_event){.type = GG_EV_ANSWERED,
                                    .now = stage->now,
                                    .token = token,
                                    .text = "",
                                    .blob = blob},
                 fx);
    gg_blob_unref(&blob);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
    stage_say(stage, CLIENT, GG_CMD_RESUME, 10, &scope);
    assert_non_null(assigned(stage, AGENT, 0)); /* It is in memory by now. */
}

static void payload_that_cannot_be_read_fails_its_job(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_large(stage);
    crash(stage);
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        stage->kept[i].part += stage->kept[i].kind == KEPT_BLOB ? 2 : 0;
    }

    stage_agent(stage, AGENT, "w", "q", 1);
    assert_int_equal(stage_load(stage), 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_FAILED);
}

/* The attempt succeeds, with a large result. */
static void finish_large(struct stage *stage, const struct gg_assign *assign)
{
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = assign->id;
    outcome.fence = assign->fence;
    outcome.kind = GG_OUTCOME_SUCCEEDED;
    outcome.result = gg_slice_of(large, sizeof large);
    stage_say(stage, AGENT, GG_CMD_OUTCOME, 0, &outcome);
}

static void large_result_is_read_when_it_is_asked_for(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");
    stage_agent(stage, AGENT, "w", "q", 1);
    finish_large(stage, assigned(stage, AGENT, 0));
    assert_int_equal(stage_effects(stage, GG_FX_PERSIST_BLOB), 1);

    crash(stage);
    assert_null(get(stage, &id));
    assert_int_equal(stage_load(stage), 1);

    const struct said *said = stage_heard(stage, CLIENT, GG_CMD_JOB, 0);
    assert_int_equal(said->command.as.job.state, GG_JOB_SUCCEEDED);
    assert_true(
        gg_slice_equal(said->command.as.job.result, gg_slice_of(large, sizeof large)));
    stage_wait(stage, 700000);
    uint32_t blobs = 0;
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        blobs += stage->kept[i].kind != KEPT_BLOB ? 0 : stage->kept[i].erased ? 0 : 1;
    }
    stage_crash(stage, stage_written(stage), DOWN_MS);
    stage_client(stage, CLIENT);
    assert_int_equal(blobs, 1); /* That one has been removed since. */
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        assert_int_not_equal(stage->kept[i].kind, KEPT_BLOB);
    }
}

/* However many are asked for: each is read, shown, and given up again. */
static void results_may_be_larger_than_memory(void **state)
{
    (void)state;
    static struct stage stage;
    stage_init(&stage, no_memory);
    stage_client(&stage, CLIENT);
    stage_agent(&stage, AGENT, "w", "q", 1);
    struct gg_id ids[4];
    for (int i = 0; i < 4; i++) {
        struct gg_submit submit = stage_submission(&stage, "q");
        submit.keep_ms = 60000;
        ids[i] = stage_submit(&stage, CLIENT, 1, &submit);
        finish_large(&stage, assigned(&stage, AGENT, 0));
    }
    assert_true(stage.core->memory_bytes < sizeof large);

    for (int i = 0; i < 4; i++) {
        assert_null(get(&stage, &ids[i]));
        assert_int_equal(stage_load(&stage), 1);
        const struct said *said = stage_heard(&stage, CLIENT, GG_CMD_JOB, 0);
        assert_true(gg_slice_equal(said->command.as.job.result,
                                   gg_slice_of(large, sizeof large)));
    }

    assert_true(stage.core->memory_bytes < sizeof large);
    assert_null(core_walk(stage.core));
    stage_wait(&stage, 120000);
    assert_null(core_walk(stage.core));
    stage_fini(&stage);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, durable_setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(large_payload_is_read_when_it_is_dispatched),
        TEST(backlog_may_be_larger_than_memory),
        TEST(attempt_whose_payload_is_read_can_be_taken_back),
        TEST(payload_that_cannot_be_read_fails_its_job),
        TEST(large_result_is_read_when_it_is_asked_for),
        TEST(results_may_be_larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
