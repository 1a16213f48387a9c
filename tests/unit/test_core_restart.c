/* test_core_restart.c - what the broker still knows after it died, and what it does
 * about what it cannot know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/durable_stage.h"

/* ---- jobs ---- */

static void accepted_job_is_run_after_restart(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");

    crash(stage);
    stage_agent(stage, AGENT, "w", "q", 1);

    const struct gg_assign *assign = assigned(stage, AGENT, 0);
    assert_non_null(assign);
    assert_true(gg_id_equal(&assign->id, &id));
    assert_true(gg_slice_equal(assign->payload, gg_slice_text("work")));
    assert_true(gg_slice_equal(assign->key, gg_slice_text("k")));
}

static void what_was_not_on_disk_is_not_known(void **state)
{
    struct stage *stage = *state;
    uint64_t before = stage_written(stage);
    struct gg_id id = submit_keyed(stage, "k");
    const struct said *answer = stage_heard(stage, CLIENT, GG_CMD_JOB, 0);
    uint64_t after = answer->effect.after;

    stage_crash(stage, before, DOWN_MS);
    stage_client(stage, CLIENT);

    assert_true(after > before); /* So nobody has seen it. */
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_NONE);
}

/* Who was not told that his job dies with the broker would submit it again. */
static void end_only_hears_of_an_acceptance_below_what_the_broker_can(void **state)
{
    struct stage *stage = *state;
    static const struct {
        const char *queue;
        uint64_t durability;
        bool told;
    } cases[] = {
        {"q", GG_DURABILITY_NONE, false},
        {"q", 0, false},
        {"memory", GG_DURABILITY_NONE, false},
        {"memory", 0, true},
    };
    for (uint64_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gg_submit submit = stage_submission(stage, cases[i].queue);
        submit.durability = cases[i].durability;
        submit.wait = true;
        submit.end_only = true;
        (void)stage_submit(stage, CLIENT, i + 1, &submit);
        const struct said *said = stage_heard(stage, CLIENT, GG_CMD_JOB, 0);
        assert_int_equal(said != NULL, cases[i].told);
        if (cases[i].told) {
            assert_int_equal(said->command.as.job.durability, GG_DURABILITY_NONE);
        }
    }
}

static void volatile_job_is_gone_and_its_attempt_stopped(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.durability = GG_DURABILITY_NONE;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    assert_int_equal(
        stage_heard(stage, CLIENT, GG_CMD_JOB, 0)->command.as.job.durability,
        GG_DURABILITY_NONE);

    crash(stage);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);

    const struct said *stop = stage_heard(stage, AGENT, GG_CMD_STOP, 0);
    assert_non_null(stop);
    assert_int_equal(stop->command.as.stop.reason, GG_STOP_LOST_WITH_BROKER);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_NONE);
}

static void durable_submit_that_meets_volatile_holder_makes_it_durable(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.key = gg_slice_text("k");
    submit.durability = GG_DURABILITY_NONE;
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    submit.durability = GG_DURABILITY_FSYNC;
    submit.id = gg_id_new(stage->now.wall, &stage->rng);

    stage_submit(stage, CLIENT, 2, &submit);
    const struct said *answer = stage_heard(stage, CLIENT, GG_CMD_JOB, 0);

    assert_int_equal(answer->command.as.job.durability, GG_DURABILITY_FSYNC);
    assert_true(answer->effect.after > 0);
    crash(stage);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
}

static void result_and_key_are_kept_over_restarts(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    crash(stage);
    crash(stage);

    const struct gg_job_info *job = get(stage, &id);
    assert_non_null(job);
    assert_int_equal(job->state, GG_JOB_SUCCEEDED);
    assert_true(gg_slice_equal(job->result, gg_slice_text("bytes")));
    assert_int_equal(job->attempt, 1);
    assert_true(gg_slice_equal(job->worker, gg_slice_text("w")));
    struct gg_id again = submit_keyed(stage, "k");
    assert_true(gg_id_equal(&again, &id));
}

/* More than any table holds without growing. */
static void many_keys_are_held_again(void **state)
{
    struct stage *stage = *state;
    struct gg_id ids[300];
    char key[16];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        ids[i] = submit_keyed(stage, key);
    }

    crash(stage);

    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        struct gg_id again = submit_keyed(stage, key);
        assert_true(gg_id_equal(&again, &ids[i]));
    }
}

static void payload_of_success_is_dropped_and_its_digest_kept(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    (void)submit_keyed(stage, "k");
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    crash(stage);
    struct gg_submit other = stage_submission(stage, "q");
    other.key = gg_slice_text("k");
    other.payload = gg_slice_text("other work");

    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 3, &other);

    const struct said *error = stage_heard(stage, CLIENT, GG_CMD_ERROR, 0);
    assert_int_equal(error->command.as.error.error, GG_ERR_KEY_CONFLICT);
}

static void failed_job_keeps_its_history_and_can_be_retried(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 2;
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 10;
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_FAILED, "first");
    stage_wait(stage, 20);
    assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_FAILED, "no such file");
    stage_close(stage, AGENT, true);

    crash(stage);

    const struct gg_job_info *job = get(stage, &id);
    assert_int_equal(job->state, GG_JOB_FAILED);
    assert_int_equal(job->attempt, 2);
    assert_true(gg_slice_equal(job->error_text, gg_slice_text("no such file")));
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = id;
    stage_say(stage, CLIENT, GG_CMD_HISTORY, 5, &target);
    const struct said *history = stage_heard(stage, CLIENT, GG_CMD_MOMENTS, 0);
    assert_true(history->command.as.history.moments.count >= 6);
    stage_say(stage, CLIENT, GG_CMD_RETRY, 6, &target);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_READY);
}

static void attempts_used_up_stay_used_up(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 2;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    stage_close(stage, AGENT, false);
    stage_wait(stage, 5000); /* The lease is lost: one attempt is gone. */
    crash(stage);
    stage_wait(stage, 20000);
    stage_agent_again(stage, AGENT, "w", 2, "q", 1, NULL, 0);
    const struct gg_assign *assign = assigned(stage, AGENT, 0);
    assert_non_null(assign);
    assert_int_equal(assign->attempt, 2);
    stage_close(stage, AGENT, false);
    stage_wait(stage, 5000);

    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_FAILED);
    crash(stage);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_FAILED);
}

static void resend_after_restart_makes_no_second_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.keep_ms = 0;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 1000); /* Evicted; but its sender has acknowledged nothing. */

    crash(stage);
    struct gg_id again = stage_submit(stage, CLIENT, 1, &submit);

    assert_true(gg_id_equal(&again, &id));
    assert_int_equal(stage_heard(stage, CLIENT, GG_CMD_JOB, 0)->command.as.job.state,
                     GG_JOB_EVICTED);
    stage_wait(stage, 130000);
    assert_int_equal(stage->core->jobs, 0);
    crash(stage);
    assert_int_equal(stage->core->jobs, 0);
}

static void order_of_acceptance_holds_over_restart(void **state)
{
    struct stage *stage = *state;
    struct gg_id first = submit_keyed(stage, "a");
    struct gg_id second = submit_keyed(stage, "b");
    crash(stage);
    struct gg_id third = submit_keyed(stage, "c");

    stage_agent(stage, AGENT, "w", "q", 3);

    assert_true(gg_id_equal(&assigned(stage, AGENT, 0)->id, &first));
    assert_true(gg_id_equal(&assigned(stage, AGENT, 1)->id, &second));
    assert_true(gg_id_equal(&assigned(stage, AGENT, 2)->id, &third));
}

/* ---- controls ---- */

static void pause_holds_over_restart(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text("q");
    scope.reason = gg_slice_text("new disk");
    stage_say(stage, CLIENT, GG_CMD_PAUSE, 1, &scope);
    const struct said *done = stage_heard(stage, CLIENT, GG_CMD_DONE, 0);
    assert_int_equal(done->effect.after, stage_written(stage));
    (void)submit_keyed(stage, "k");

    crash(stage);
    stage_agent(stage, AGENT, "w", "q", 1);

    assert_null(assigned(stage, AGENT, 0));
    stage_say(stage, CLIENT, GG_CMD_LIST_QUEUES, 2, &scope);
    stage_say(stage, CLIENT, GG_CMD_RESUME, 3, &scope);
    assert_non_null(assigned(stage, AGENT, 0));
    crash(stage);
    stage_say(stage, CLIENT, GG_CMD_LIST_QUEUES, 4, &scope);
    struct gg_list queues = stage_heard(stage, CLIENT, GG_CMD_QUEUES, 0)
                                ->command.as.queues.queues;
    struct gg_queue_info info;
    struct gg_fault fault;
    assert_true(gg_list_next_record(&queues, GG_RECORD_QUEUE, &info, &fault));
    assert_false(info.paused);
}

static void start_is_not_seen_before_the_resumption_is_safe(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text("q");
    struct gg_events events;
    gg_record_default(GG_RECORD_EVENTS, &events);
    stage_agent(stage, AGENT, "w", "q", 1);
    stage_say(stage, CLIENT, GG_CMD_PAUSE, 1, &scope);
    (void)submit_keyed(stage, "k");
    stage_say(stage, CLIENT, GG_CMD_SUBSCRIBE, 2, &events);

    stage_say(stage, CLIENT, GG_CMD_RESUME, 3, &scope);

    uint64_t resumed = stage_heard(stage, CLIENT, GG_CMD_DONE, 0)->effect.after;
    assert_int_equal(resumed, stage_written(stage));
    assert_true(stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0)->effect.after >= resumed);
    /* The events resumed and assigned come in that order. */
    assert_true(stage_heard(stage, CLIENT, GG_CMD_EVENT, 0)->effect.after >= resumed);
    assert_true(stage_heard(stage, CLIENT, GG_CMD_EVENT, 1)->effect.after >= resumed);
}

static void cancel_of_running_job_holds_over_restart(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_started(stage, AGENT, &assign);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = id;
    stage_say(stage, CLIENT, GG_CMD_CANCEL, 2, &target);

    crash(stage);
    struct gg_held held = {.id = id, .fence = assign.fence, .pool = 1, .started = true};
    stage_agent_again(stage, AGENT, "w", 1, "q", 1, &held, 1);

    const struct said *stop = stage_heard(stage, AGENT, GG_CMD_STOP, 0);
    assert_int_equal(stop->command.as.stop.reason, GG_STOP_CANCELLED);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "all the same");
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_CANCELLED);
}

/* ---- numbers that only grow ---- */

static void epoch_and_fences_grow(void **state)
{
    struct stage *stage = *state;
    uint64_t epoch = gg_core_epoch(stage->core);
    stage->core->fence_count = (UINT64_C(1) << GG_FENCE_SHIFT) - 2;
    stage_agent(stage, AGENT, "w", "q", 8);
    uint64_t last = 0;
    for (int i = 0; i < 6; i++) {
        struct gg_submit submit = stage_submission(stage, "q");
        (void)stage_submit(stage, CLIENT, 1, &submit);
        last = assigned(stage, AGENT, 0)->fence;
        stage_wait(stage, 1500); /* The mark is written again. */
        stage_heartbeat(stage, AGENT, NULL, 0);
    }
    assert_true(last >> GG_FENCE_SHIFT == epoch + 1); /* They have run over. */

    crash(stage);
    stage_agent_again(stage, AGENT, "w", 2, "q", 8, NULL, 0);

    assert_true(gg_core_epoch(stage->core) > epoch + 1);
    assert_true(assigned(stage, AGENT, 0)->fence > last);
}

/* ---- time ---- */

static void retention_goes_on_while_the_broker_is_away(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k"); /* Kept for 10 minutes. */
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 60000);

    stage_crash(stage, stage_written(stage), 8 * 60000);
    stage_client(stage, CLIENT);
    stage_wait(stage, 50000);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_SUCCEEDED);
    stage_wait(stage, 20000);

    assert_true(stage_state(stage, CLIENT, &id) != GG_JOB_SUCCEEDED);
}

static void wall_clock_set_back_makes_nothing_younger(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_assign assign = *assigned(stage, AGENT, 0);
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 5 * 60000);

    stage_crash(stage, stage_written(stage), -3 * 3600000); /* Three hours. */
    stage_client(stage, CLIENT);
    stage_wait(stage, 4 * 60000);
    assert_int_equal(stage_state(stage, CLIENT, &id), GG_JOB_SUCCEEDED);
    struct gg_submit fresh = stage_submission(stage, "q");
    fresh.id = gg_id_new(gg_steady_wall(stage->core), &stage->rng);
    struct gg_id taken = stage_submit(stage, CLIENT, 5, &fresh);
    assert_true(
        gg_id_equal(&taken, &fresh.id)); /* By the broker's clock, not theirs. */
    stage_wait(stage, 70000);

    assert_true(stage_state(stage, CLIENT, &id) != GG_JOB_SUCCEEDED);
}

static void date_is_kept_and_delay_goes_on(void **state)
{
    struct stage *stage = *state;
    struct gg_submit dated = stage_submission(stage, "q");
    dated.run_at = (uint64_t)stage->now.wall.ms + 60000;
    struct gg_submit delayed = stage_submission(stage, "q");
    delayed.delay_ms = 60000;
    struct gg_id first = stage_submit(stage, CLIENT, 1, &dated);
    struct gg_id second = stage_submit(stage, CLIENT, 2, &delayed);

    stage_crash(stage, stage_written(stage), 50000);
    stage_client(stage, CLIENT);
    stage_wait(stage, 5000);
    assert_int_equal(stage_state(stage, CLIENT, &first), GG_JOB_SCHEDULED);
    assert_int_equal(stage_state(stage, CLIENT, &second), GG_JOB_SCHEDULED);
    stage_wait(stage, 6000);

    assert_int_equal(stage_state(stage, CLIENT, &first), GG_JOB_READY);
    assert_int_equal(stage_state(stage, CLIENT, &second), GG_JOB_READY);
}

/* ---- records that cannot be read ---- */

static void damaged_and_newer_records_are_refused_by_name(void **state)
{
    struct stage *stage = *state;
    struct gg_id id = submit_keyed(stage, "k");
    const struct kept *kept = &stage->kept[stage->kept_count - 1];
    const char *what = NULL;
    struct gg_slice record = gg_blob_slice(kept->bytes);
    uint8_t *bytes = NULL;
    struct gg_blob *copy = gg_blob_room(record.len, &bytes);
    assert_non_null(copy);
    memcpy(bytes, record.data, record.len);
    struct gg_id other = gg_id_new(stage->now.wall, &stage->rng);

    assert_int_equal(
        gg_core_restore(stage->core, GG_KEEP_JOB, &other, gg_blob_slice(copy), &what),
        GG_ERR_STORE); /* It is another job's. */
    bytes[record.len - 1] ^= 4;
    assert_int_equal(
        gg_core_restore(stage->core, GG_KEEP_JOB, &id, gg_blob_slice(copy), &what),
        GG_ERR_STORE);
    assert_non_null(what);
    bytes[0] = GG_KEEP_FORMAT + 1;
    assert_int_equal(
        gg_core_restore(stage->core, GG_KEEP_JOB, &id, gg_blob_slice(copy), &what),
        GG_ERR_NOT_UNDERSTOOD);
    gg_blob_unref(&copy);
    crash(stage);
}

/* Whoever wrote such a record, it is no reason to fall over it. */
static void payload_in_a_record_may_be_larger_than_we_put_there(void **state)
{
    static const uint8_t large[GG_INLINE_BYTES_MAX + 1];
    struct stage *stage = *state;
    struct gg_keep_job job;
    struct gg_keep_fault fault;
    struct gg_buf bytes;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 1; /* Its start is written down. */
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    crash(stage);
    struct kept *kept = stage->kept;
    while (kept->kind != GG_KEEP_JOB || !gg_id_equal(&kept->id, &id)) {
        kept++;
    }
    assert_int_equal(
        gg_keep_read(gg_blob_slice(kept->bytes), GG_KEEP_JOB, &id, &job, &fault),
        GG_OK);
    job.payload = gg_slice_of(large, sizeof large);
    gg_buf_init(&bytes, 1 << 20);
    gg_keep_write(&bytes, GG_KEEP_JOB, &id, &job);
    gg_blob_unref(&kept->bytes);
    kept->bytes = gg_blob_new(gg_buf_slice(&bytes));
    assert_non_null(kept->bytes);
    gg_buf_fini(&bytes);

    crash(stage);
    stage_agent(stage, AGENT, "w", "q", 1);

    assert_non_null(assigned(stage, AGENT, 0));
    assert_int_equal(assigned(stage, AGENT, 0)->payload.len, sizeof large);
}

/* The record of the job as a running one of another id, under the same fence. */
static struct gg_blob *same_fence_again(const struct kept *kept,
                                        const struct gg_id *other)
{
    struct gg_keep_job job;
    struct gg_keep_fault fault;
    struct gg_buf bytes;
    gg_buf_init(&bytes, 4096);
    assert_int_equal(
        gg_keep_read(gg_blob_slice(kept->bytes), GG_KEEP_JOB, &kept->id, &job, &fault),
        GG_OK);
    assert_int_equal(job.state, GG_JOB_RUNNING);
    job.number++;
    job.key_held = 0;
    gg_keep_write(&bytes, GG_KEEP_JOB, other, &job);
    struct gg_blob *record = gg_blob_new(gg_buf_slice(&bytes));
    assert_non_null(record);
    gg_buf_fini(&bytes);
    return record;
}

/* A fence is one attempt: an outcome could end either. Found by fuzz_keep. */
static void two_running_jobs_under_one_fence_are_no_start(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, AGENT, "w", "q", 1);
    struct gg_id id = submit_keyed(stage, "k");
    struct gg_id other = gg_id_new(stage->now.wall, &stage->rng);
    crash(stage);
    const struct kept *kept = stage->kept;
    while (kept->kind != GG_KEEP_JOB || !gg_id_equal(&kept->id, &id)) {
        kept++;
    }
    struct gg_blob *again = same_fence_again(kept, &other);
    struct gg_core *core = gg_core_new(&stage->bounds, &stage->about, 1, 7);
    const char *what = NULL;
    gg_effects_clear(&stage->fx);

    assert_int_equal(
        gg_core_restore(core, GG_KEEP_JOB, &id, gg_blob_slice(kept->bytes), &what),
        GG_OK);
    assert_int_equal(
        gg_core_restore(core, GG_KEEP_JOB, &other, gg_blob_slice(again), &what), GG_OK);
    assert_int_equal(gg_core_restored(core, stage->now, 1, &stage->fx), GG_ERR_STORE);

    gg_core_destroy(&core);
    gg_blob_unref(&again);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, durable_setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(accepted_job_is_run_after_restart),
        TEST(what_was_not_on_disk_is_not_known),
        TEST(end_only_hears_of_an_acceptance_below_what_the_broker_can),
        TEST(volatile_job_is_gone_and_its_attempt_stopped),
        TEST(durable_submit_that_meets_volatile_holder_makes_it_durable),
        TEST(result_and_key_are_kept_over_restarts),
        TEST(many_keys_are_held_again),
        TEST(payload_of_success_is_dropped_and_its_digest_kept),
        TEST(failed_job_keeps_its_history_and_can_be_retried),
        TEST(attempts_used_up_stay_used_up),
        TEST(resend_after_restart_makes_no_second_job),
        TEST(order_of_acceptance_holds_over_restart),
        TEST(pause_holds_over_restart),
        TEST(start_is_not_seen_before_the_resumption_is_safe),
        TEST(cancel_of_running_job_holds_over_restart),
        TEST(epoch_and_fences_grow),
        TEST(retention_goes_on_while_the_broker_is_away),
        TEST(wall_clock_set_back_makes_nothing_younger),
        TEST(date_is_kept_and_delay_goes_on),
        TEST(damaged_and_newer_records_are_refused_by_name),
        TEST(payload_in_a_record_may_be_larger_than_we_put_there),
        TEST(two_running_jobs_under_one_fence_are_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
