/* test_core_submit.c - taking jobs in: ids, keys, limits, all or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/registry.h"
#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { ALICE, BOB, WORKER };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, ALICE);
    stage_client(stage, BOB);
    return 0;
}

static const struct gg_job_info *job_said_to(const struct stage *stage, uint32_t peer)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_JOB, 0);
    assert_non_null(said);
    return &said->command.as.job;
}

static enum gg_err error_said_to(const struct stage *stage, uint32_t peer)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_ERROR, 0);
    assert_non_null(said);
    return (enum gg_err)said->command.as.error.error;
}

static void accepted_job_is_ready_and_names_its_durability(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");

    struct gg_id id = stage_submit(stage, ALICE, 5, &submit);

    assert_true(gg_id_equal(&id, &submit.id));
    const struct gg_job_info *job = job_said_to(stage, ALICE);
    assert_int_equal(job->state, GG_JOB_READY);
    assert_int_equal(job->durability, GG_DURABILITY_NONE);
    assert_false(job->existing);
    assert_int_equal(stage_heard(stage, ALICE, GG_CMD_JOB, 0)->command.request, 5);
}

static void large_payload_is_kept_where_it_came_in(void **state)
{
    struct stage *stage = *state;
    static const uint8_t large[GG_INLINE_BYTES_MAX + 1];
    struct gg_blob *frame = gg_blob_new(gg_slice_of(large, sizeof large));
    assert_non_null(frame);
    struct gg_command command = {.code = GG_CMD_SUBMIT, .request = 1};
    command.as.submit = stage_submission(stage, "reports");
    command.as.submit.payload = gg_blob_slice(frame);
    struct gg_event ev = {.type = GG_EV_COMMAND,
                          .now = stage->now,
                          .peer = ALICE,
                          .command = &command,
                          .blob = frame};

    gg_effects_clear(&stage->fx);
    gg_core_step(stage->core, &ev, &stage->fx);

    const struct gg_job *job = gg_registry_by_id(stage->core, &command.as.submit.id);
    assert_non_null(job);
    assert_ptr_equal(job->payload, frame);
    assert_true(job->charged >= sizeof large);
    gg_blob_unref(&frame);
}

static void resend_of_an_id_makes_no_second_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);

    struct gg_id id = stage_submit(stage, ALICE, 2, &submit);
    stage_agent(stage, WORKER, "w", "reports", 4);

    assert_true(gg_id_equal(&id, &submit.id));
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void equal_keys_make_one_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit first = stage_submission(stage, "reports");
    first.key = gg_slice_text("2024");
    struct gg_submit second = stage_submission(stage, "reports");
    second.key = first.key;
    struct gg_id id = stage_submit(stage, ALICE, 1, &first);

    struct gg_id met = stage_submit(stage, BOB, 1, &second);

    assert_true(gg_id_equal(&id, &met));
    assert_true(job_said_to(stage, BOB)->existing);
}

static void key_with_another_payload_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_submit first = stage_submission(stage, "reports");
    first.key = gg_slice_text("2024");
    first.payload = gg_slice_text("a");
    struct gg_submit second = stage_submission(stage, "reports");
    second.key = first.key;
    second.payload = gg_slice_text("b");
    (void)stage_submit(stage, ALICE, 1, &first);

    (void)stage_submit(stage, BOB, 1, &second);

    assert_int_equal(error_said_to(stage, BOB), GG_ERR_KEY_CONFLICT);
}

static void same_key_in_another_queue_is_another_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit first = stage_submission(stage, "reports");
    first.key = gg_slice_text("2024");
    struct gg_submit second = stage_submission(stage, "mail");
    second.key = first.key;
    struct gg_id id = stage_submit(stage, ALICE, 1, &first);

    struct gg_id other = stage_submit(stage, BOB, 1, &second);

    assert_false(gg_id_equal(&id, &other));
    assert_false(job_said_to(stage, BOB)->existing);
}

static void unknown_id_older_than_the_window_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    stage_wait(stage, (int64_t)stage->bounds.id_window_ms + 1);

    (void)stage_submit(stage, ALICE, 1, &submit);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_ID_TOO_OLD);
}

static void id_from_the_future_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_wall later = {stage->now.wall.ms + (int64_t)stage->bounds.id_window_ms +
                            1};
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.id = gg_id_new(later, &stage->rng);

    (void)stage_submit(stage, ALICE, 1, &submit);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_BAD_FIELD);
}

static void wall_clock_set_by_a_day_refuses_no_fresh_id(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    stage->now.wall.ms += INT64_C(86400000);

    (void)stage_submit(stage, ALICE, 1, &submit);

    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_READY);
}

static void payload_at_the_limit_is_taken_and_one_byte_more_refused(void **state)
{
    struct stage *stage = *state;
    static uint8_t bytes[(1 << 20) + 1];
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.payload = gg_slice_of(bytes, stage->bounds.payload_bytes_max);
    struct gg_submit larger = stage_submission(stage, "reports");
    larger.payload = gg_slice_of(bytes, stage->bounds.payload_bytes_max + 1);

    (void)stage_submit(stage, ALICE, 1, &submit);
    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_READY);
    (void)stage_submit(stage, ALICE, 2, &larger);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_TOO_LARGE);
}

static void fsync_on_a_volatile_broker_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.durability = GG_DURABILITY_FSYNC;

    (void)stage_submit(stage, ALICE, 1, &submit);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_NOT_DURABLE);
}

static void job_with_a_delay_waits_for_it(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.delay_ms = 500;
    (void)stage_submit(stage, ALICE, 1, &submit);
    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_SCHEDULED);

    stage_wait(stage, 499);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    stage_wait(stage, 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void date_follows_the_wall_clock(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.run_at = (uint64_t)stage->now.wall.ms + 3600000;
    (void)stage_submit(stage, ALICE, 1, &submit);
    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_SCHEDULED);

    stage->now.wall.ms += 3600000; /* Somebody sets the clock. */
    stage_wait(stage, 1000);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void start_deadline_expires_a_waiting_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.expires_ms = 100;
    submit.wait = true;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit);

    stage_wait(stage, 100);

    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_EXPIRED);
    assert_int_equal(stage_state(stage, ALICE, &id), GG_JOB_EXPIRED);
}

static void end_only_is_answered_once_and_briefly(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 4);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.wait = true;
    submit.end_only = true;

    (void)stage_submit(stage, ALICE, 5, &submit);

    assert_null(stage_heard(stage, ALICE, GG_CMD_JOB, 0));
    struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                  ->command.as.assign;
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "42");
    const struct gg_job_info *job = job_said_to(stage, ALICE);
    assert_int_equal(stage_heard(stage, ALICE, GG_CMD_JOB, 0)->command.request, 5);
    assert_int_equal(job->state, GG_JOB_SUCCEEDED);
    assert_true(gg_slice_equal(job->queue, gg_slice_text("reports")));
    assert_true(gg_slice_equal(job->result, gg_slice_text("42")));
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->durability, GG_DURABILITY_NONE);
    assert_int_equal(job->worker.len, 0);
    assert_int_equal(job->finished_at, 0);
}

static void end_only_hears_in_full_of_what_did_not_succeed(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.wait = true;
    submit.end_only = true;
    submit.expires_ms = 100;
    (void)stage_submit(stage, ALICE, 5, &submit);

    stage_wait(stage, 100);

    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_EXPIRED);
    assert_int_not_equal(job_said_to(stage, ALICE)->finished_at, 0);
}

static void end_only_that_met_a_key_hears_so_at_the_end(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 4);
    struct gg_submit first = stage_submission(stage, "reports");
    first.key = gg_slice_text("2024");
    struct gg_submit second = stage_submission(stage, "reports");
    second.key = first.key;
    second.wait = true;
    second.end_only = true;
    struct gg_id id = stage_submit(stage, ALICE, 1, &first);
    struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                  ->command.as.assign;

    (void)stage_submit(stage, BOB, 1, &second);

    assert_null(stage_heard(stage, BOB, GG_CMD_JOB, 0));
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "42");
    assert_true(job_said_to(stage, BOB)->existing);
    assert_true(gg_id_equal(&job_said_to(stage, BOB)->id, &id));
}

static void pack(struct gg_buf *out, const struct gg_submit *submit)
{
    gg_record_write(out, GG_RECORD_SUBMIT, submit, NULL);
}

static void many_are_accepted_in_order(void **state)
{
    struct stage *stage = *state;
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    struct gg_submit jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = stage_submission(stage, "reports");
        pack(&list, &jobs[i]);
    }
    struct gg_submit_many many = {.jobs = {.raw = gg_buf_slice(&list), .count = 3}};

    stage_say(stage, ALICE, GG_CMD_SUBMIT_MANY, 9, &many);

    const struct said *said = stage_heard(stage, ALICE, GG_CMD_JOBS, 0);
    assert_non_null(said);
    struct gg_list answers = said->command.as.jobs.jobs;
    struct gg_job_info info;
    struct gg_fault fault;
    for (int i = 0; i < 3; i++) {
        assert_true(gg_list_next_record(&answers, GG_RECORD_JOB, &info, &fault));
        assert_true(gg_id_equal(&info.id, &jobs[i].id));
        assert_int_equal(info.state, GG_JOB_READY);
    }
    gg_buf_fini(&list);
}

static void one_bad_job_refuses_all_of_many(void **state)
{
    struct stage *stage = *state;
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    struct gg_submit good = stage_submission(stage, "reports");
    struct gg_submit bad = stage_submission(stage, "reports");
    bad.durability = GG_DURABILITY_FSYNC;
    pack(&list, &good);
    pack(&list, &bad);
    struct gg_submit_many many = {.jobs = {.raw = gg_buf_slice(&list), .count = 2}};

    stage_say(stage, ALICE, GG_CMD_SUBMIT_MANY, 9, &many);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_NOT_DURABLE);
    assert_int_equal(stage_state(stage, ALICE, &good.id), GG_JOB_NONE);
    gg_buf_fini(&list);
}

static void full_queue_refuses_by_name_and_says_when_to_try_again(void **state)
{
    struct stage *stage = *state;
    stage_fini(stage);
    stage_init(stage, NULL);
    stage->bounds.queue_jobs_max = 2;
    gg_core_destroy(&stage->core);
    stage->core = gg_core_new(&stage->bounds, &stage->about, 1000, 7);
    stage_client(stage, ALICE);
    for (int i = 0; i < 2; i++) {
        struct gg_submit submit = stage_submission(stage, "reports");
        (void)stage_submit(stage, ALICE, 1, &submit);
    }
    struct gg_submit third = stage_submission(stage, "reports");

    (void)stage_submit(stage, ALICE, 1, &third);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_QUEUE_FULL);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_ERROR, 0);
    assert_true(said->command.as.error.retry_ms > 0);
    assert_int_equal(stage_state(stage, ALICE, &third.id), GG_JOB_NONE);
}

static void closing_broker_refuses_new_work(void **state)
{
    struct stage *stage = *state;
    struct gg_event closing = {.type = GG_EV_CLOSING, .now = stage->now};
    gg_core_step(stage->core, &closing, &stage->fx);
    struct gg_submit submit = stage_submission(stage, "reports");

    (void)stage_submit(stage, ALICE, 1, &submit);

    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_CLOSING);
}

static void date_beyond_all_calendars_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.run_at = UINT64_C(1) << 63;

    (void)stage_submit(stage, ALICE, 1, &submit);

    const struct said *said = stage_heard(stage, ALICE, GG_CMD_ERROR, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.error.error, GG_ERR_BAD_FIELD);
}

static void many_that_do_not_all_fit_are_refused_whole(void **state)
{
    struct stage *stage = *state;
    stage->core->bounds.queue_jobs_max = 2;
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    for (int i = 0; i < 3; i++) {
        struct gg_submit submit = stage_submission(stage, "reports");
        gg_record_write(&list, GG_RECORD_SUBMIT, &submit, NULL);
    }
    struct gg_submit_many many = {.jobs = {.raw = gg_buf_slice(&list), .count = 3}};

    stage_say(stage, ALICE, GG_CMD_SUBMIT_MANY, 9, &many);

    const struct said *said = stage_heard(stage, ALICE, GG_CMD_ERROR, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.error.error, GG_ERR_QUEUE_FULL);
    assert_int_equal(stage->core->jobs, 0);
    gg_buf_fini(&list);
}

/* Not even in the millisecond in which it is forgotten. */
static void resend_never_makes_a_second_job(void **state)
{
    enum { NEAR_MS = 3 };
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.keep_ms = 1000;
    (void)stage_submit(stage, ALICE, 1, &submit);
    struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                  ->command.as.assign;
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "ok");

    stage_wait(stage, (int64_t)stage->bounds.id_window_ms - NEAR_MS);
    for (int i = 0; i < 2 * NEAR_MS; i++) {
        stage_say(stage, ALICE, GG_CMD_SUBMIT, 2, &submit);
        const struct said *said = stage_heard(stage, ALICE, GG_CMD_JOB, 0);
        assert_true(said == NULL || said->command.as.job.state != GG_JOB_READY);
        stage_wait(stage, 1);
    }
    stage_say(stage, ALICE, GG_CMD_SUBMIT, 3, &submit);
    assert_int_equal(error_said_to(stage, ALICE), GG_ERR_ID_TOO_OLD);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(accepted_job_is_ready_and_names_its_durability),
        TEST(large_payload_is_kept_where_it_came_in),
        TEST(resend_of_an_id_makes_no_second_job),
        TEST(equal_keys_make_one_job),
        TEST(key_with_another_payload_is_refused),
        TEST(same_key_in_another_queue_is_another_job),
        TEST(unknown_id_older_than_the_window_is_refused),
        TEST(id_from_the_future_is_refused),
        TEST(wall_clock_set_by_a_day_refuses_no_fresh_id),
        TEST(payload_at_the_limit_is_taken_and_one_byte_more_refused),
        TEST(fsync_on_a_volatile_broker_is_refused),
        TEST(job_with_a_delay_waits_for_it),
        TEST(date_follows_the_wall_clock),
        TEST(start_deadline_expires_a_waiting_job),
        TEST(end_only_is_answered_once_and_briefly),
        TEST(end_only_hears_in_full_of_what_did_not_succeed),
        TEST(end_only_that_met_a_key_hears_so_at_the_end),
        TEST(many_are_accepted_in_order),
        TEST(one_bad_job_refuses_all_of_many),
        TEST(full_queue_refuses_by_name_and_says_when_to_try_again),
        TEST(closing_broker_refuses_new_work),
        TEST(date_beyond_all_calendars_is_refused),
        TEST(many_that_do_not_all_fit_are_refused_whole),
        TEST(resend_never_makes_a_second_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
