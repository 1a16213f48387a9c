/* test_core_ending.c - outcomes, retries, retention, waiters, receipts, what is stored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { ALICE, BOB, WORKER };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, ALICE);
    stage_client(stage, BOB);
    stage_agent(stage, WORKER, "w", "reports", 8);
    return 0;
}

/* Submit; the job is assigned in the same step. */
static struct gg_assign begin(struct stage *stage, const struct gg_submit *submit)
{
    (void)stage_submit(stage, ALICE, 1, submit);
    const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    return said->command.as.assign;
}

static const struct gg_job_info *job_said_to(const struct stage *stage, uint32_t peer)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_JOB, 0);
    assert_non_null(said);
    return &said->command.as.job;
}

static struct gg_assign next_attempt(struct stage *stage, int64_t wait_ms)
{
    for (int64_t waited = 0; waited < wait_ms; waited += 1000) {
        stage_wait(stage, 1000);
        const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
        if (said != NULL) {
            return said->command.as.assign;
        }
        stage_heartbeat(stage, WORKER, NULL, 0);
    }
    fail_msg("no next attempt");
    return (struct gg_assign){0};
}

static void result_goes_to_every_waiter(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    submit.wait = true;
    struct gg_assign assign = begin(stage, &submit);
    struct gg_submit again = stage_submission(stage, "reports");
    again.key = submit.key;
    again.wait = true;
    (void)stage_submit(stage, BOB, 1, &again);

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    assert_true(
        gg_slice_equal(job_said_to(stage, ALICE)->result, gg_slice_text("bytes")));
    assert_true(
        gg_slice_equal(job_said_to(stage, BOB)->result, gg_slice_text("bytes")));
}

static void later_caller_of_the_key_gets_the_kept_result_at_once(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    struct gg_submit again = stage_submission(stage, "reports");
    again.key = submit.key;

    (void)stage_submit(stage, BOB, 1, &again);

    assert_int_equal(job_said_to(stage, BOB)->state, GG_JOB_SUCCEEDED);
    assert_true(
        gg_slice_equal(job_said_to(stage, BOB)->result, gg_slice_text("bytes")));
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

static void result_is_kept_to_its_deadline_and_gone_after(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    submit.keep_ms = 300000;
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    stage_wait(stage, 299999);
    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_SUCCEEDED);
    stage_wait(stage, 1);

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_NONE);
}

static void key_is_free_again_after_retention(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    submit.keep_ms = 1000;
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 1000);
    stage_heartbeat(stage, WORKER, NULL, 0);
    struct gg_submit again = stage_submission(stage, "reports");
    again.key = submit.key;

    (void)stage_submit(stage, BOB, 1, &again);

    assert_false(job_said_to(stage, BOB)->existing);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void failed_attempt_is_tried_again_not_before_its_time(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 700;
    struct gg_assign first = begin(stage, &submit);

    stage_outcome(stage, WORKER, &first, GG_OUTCOME_FAILED, "boom");
    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_SCHEDULED);
    stage_wait(stage, 699);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    stage_wait(stage, 1);

    const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.assign.attempt, 2);
    assert_true(said->command.as.assign.fence > first.fence);
}

static void attempts_used_up_end_as_failed_and_free_the_key(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    submit.attempts = 2;
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 100;
    submit.wait = true;
    struct gg_assign first = begin(stage, &submit);
    stage_outcome(stage, WORKER, &first, GG_OUTCOME_FAILED, "boom");
    struct gg_assign second = next_attempt(stage, 3000);

    stage_outcome(stage, WORKER, &second, GG_OUTCOME_FAILED, "boom again");

    const struct gg_job_info *job = job_said_to(stage, ALICE);
    assert_int_equal(job->state, GG_JOB_FAILED);
    assert_int_equal(job->error, GG_ERR_FAILED);
    assert_true(gg_slice_equal(job->error_text, gg_slice_text("boom again")));
    struct gg_submit again = stage_submission(stage, "reports");
    again.key = submit.key;
    (void)stage_submit(stage, BOB, 1, &again);
    assert_false(job_said_to(stage, BOB)->existing);
}

static void rejection_is_not_tried_again(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    struct gg_assign assign = begin(stage, &submit);

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_REJECTED, "bad input");

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_FAILED);
    assert_int_equal(job_said_to(stage, ALICE)->error, GG_ERR_REJECTED);
}

static void snooze_counts_no_attempt(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.attempts = 2;
    struct gg_assign assign = begin(stage, &submit);
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = assign.id;
    outcome.fence = assign.fence;
    outcome.kind = GG_OUTCOME_SNOOZED;
    outcome.snooze_ms = 1000;

    stage_say(stage, WORKER, GG_CMD_OUTCOME, 0, &outcome);
    struct gg_assign again = next_attempt(stage, 2000);

    assert_int_equal(again.attempt, 1);
    assert_true(again.fence > assign.fence);
}

static void job_that_crashes_too_often_is_poison(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 100;
    struct gg_assign assign = begin(stage, &submit);
    for (int i = 0; i < 2; i++) {
        stage_outcome(stage, WORKER, &assign, GG_OUTCOME_CRASHED, "signal 11");
        assign = next_attempt(stage, 3000);
    }

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_CRASHED, "signal 11");

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_FAILED);
    assert_int_equal(job_said_to(stage, ALICE)->error, GG_ERR_POISON);
}

static void unkeyed_success_goes_once_its_waiter_has_got_it(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.wait = true;
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    uint64_t token = stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.token;
    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_SUCCEEDED);

    stage_receipt(stage, token);

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_NONE);
}

/* Check 13: the answer was lost, nothing is kept, and still nothing runs twice. */
static void resend_after_a_lost_answer_runs_nothing_again_even_if_nothing_is_kept(
    void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.keep_ms = 0;
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 1000);

    (void)stage_submit(stage, ALICE, 2, &submit);

    assert_int_equal(job_said_to(stage, ALICE)->state, GG_JOB_EVICTED);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

/* Whatever else has to be done then: it waits for no timer. */
static void what_is_not_kept_goes_with_the_step_that_ends_it(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.keep_ms = 0;
    struct gg_assign assign = begin(stage, &submit);
    stage_receipt(stage, stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.token);

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");

    assert_int_equal(stage->core->jobs, 0);
    assert_non_null(stage_heard(stage, WORKER, GG_CMD_CONFIRM, 0));
}

static void remembered_id_is_forgotten_when_its_answer_was_acknowledged(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.keep_ms = 0;
    struct gg_assign assign = begin(stage, &submit);
    uint64_t token = stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.token;
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    stage_wait(stage, 10);
    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_EVICTED);

    stage_receipt(stage, token);

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_NONE);
}

static void receipt_of_a_job_long_gone_touches_nobody_else(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.wait = true;
    struct gg_assign assign = begin(stage, &submit);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "a");
    uint64_t token = stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.token;
    stage_receipt(stage, token);
    struct gg_submit next = stage_submission(stage, "reports"); /* Takes its place. */
    struct gg_assign second = begin(stage, &next);
    stage_outcome(stage, WORKER, &second, GG_OUTCOME_SUCCEEDED, "b");

    stage_receipt(stage, token);

    assert_int_equal(stage_state(stage, ALICE, &next.id), GG_JOB_SUCCEEDED);
}

static void waiter_with_a_timeout_is_told_that_the_job_goes_on(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "mail");
    (void)stage_submit(stage, ALICE, 1, &submit);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = submit.id;
    target.timeout_ms = 250;
    stage_say(stage, BOB, GG_CMD_WAIT, 4, &target);
    assert_int_equal(stage_count(stage, GG_CMD_JOB), 0);

    stage_wait(stage, 250);

    const struct said *said = stage_heard(stage, BOB, GG_CMD_ERROR, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.error.error, GG_ERR_TIMED_OUT);
    assert_int_equal(said->command.request, 4);
}

static void thousand_waiters_are_told_in_bounded_steps(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    struct gg_assign assign = begin(stage, &submit);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = submit.id;
    for (uint64_t i = 0; i < 1000; i++) {
        stage_say(stage, BOB, GG_CMD_WAIT, 100 + i, &target);
    }

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "bytes");
    uint32_t told = stage_count(stage, GG_CMD_JOB);
    assert_true(told <= 600);
    stage_wait(stage, 0);
    told += stage_count(stage, GG_CMD_JOB);

    assert_int_equal(told, 1000);
}

static void progress_reaches_those_who_asked(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    struct gg_assign assign = begin(stage, &submit);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = submit.id;
    target.want_progress = true;
    stage_say(stage, BOB, GG_CMD_WAIT, 4, &target);
    struct gg_progress progress = {.id = assign.id,
                                   .fence = assign.fence,
                                   .progress_ppm = 420000,
                                   .progress_text = gg_slice_text("summing")};

    stage_say(stage, WORKER, GG_CMD_PROGRESS, 0, &progress);

    const struct said *said = stage_heard(stage, BOB, GG_CMD_PROGRESS, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.progress.progress_ppm, 420000);
}

static void partial_output_comes_in_order_and_from_any_point(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    struct gg_assign assign = begin(stage, &submit);
    struct gg_partial piece = {
        .id = assign.id, .fence = assign.fence, .data = gg_slice_text("hello ")};
    stage_say(stage, WORKER, GG_CMD_PARTIAL, 0, &piece);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = submit.id;
    target.want_partial = true;
    target.offset = 3;

    stage_say(stage, BOB, GG_CMD_WAIT, 4, &target);
    const struct said *said = stage_heard(stage, BOB, GG_CMD_PARTIAL, 0);
    assert_non_null(said);
    assert_true(gg_slice_equal(said->command.as.partial.data, gg_slice_text("lo ")));
    assert_int_equal(said->command.as.partial.offset, 3);
    piece.offset = 6;
    piece.data = gg_slice_text("world");
    stage_say(stage, WORKER, GG_CMD_PARTIAL, 0, &piece);

    said = stage_heard(stage, BOB, GG_CMD_PARTIAL, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.partial.offset, 6);
}

static void checkpoint_is_given_to_the_next_attempt(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    struct gg_assign assign = begin(stage, &submit);
    struct gg_checkpoint checkpoint = {
        .id = assign.id, .fence = assign.fence, .data = gg_slice_text("row 7")};
    stage_say(stage, WORKER, GG_CMD_CHECKPOINT, 0, &checkpoint);

    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_LOST, "lease");

    const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    assert_true(
        gg_slice_equal(said->command.as.assign.checkpoint, gg_slice_text("row 7")));
}

static uint32_t moments_of(struct stage *stage, const struct gg_id *id,
                           struct gg_moment_info *out, uint32_t room)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = *id;
    stage_say(stage, ALICE, GG_CMD_HISTORY, 4, &target);
    const struct said *said = stage_heard(stage, ALICE, GG_CMD_MOMENTS, 0);
    assert_non_null(said);
    struct gg_list list = said->command.as.history.moments;
    struct gg_fault fault;
    uint32_t count = 0;
    while (count < room &&
           gg_list_next_record(&list, GG_RECORD_MOMENT, &out[count], &fault)) {
        count++;
    }
    return count;
}

static void history_tells_each_attempt_with_its_end(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 100;
    struct gg_assign first = begin(stage, &submit);
    stage_outcome(stage, WORKER, &first, GG_OUTCOME_FAILED, "boom");
    struct gg_assign second = next_attempt(stage, 3000);
    stage_outcome(stage, WORKER, &second, GG_OUTCOME_SUCCEEDED, "ok");
    struct gg_moment_info moments[64];

    uint32_t count = moments_of(stage, &submit.id, moments, 64);

    assert_true(count >= 5);
    assert_int_equal(moments[0].kind, GG_MOMENT_ACCEPTED);
    assert_int_equal(moments[count - 1].kind, GG_MOMENT_ENDED);
    assert_int_equal(moments[count - 1].state, GG_JOB_SUCCEEDED);
    bool told = false;
    for (uint32_t i = 0; i < count; i++) {
        told = told ||
               (moments[i].kind == GG_MOMENT_OUTCOME && moments[i].attempt == 1 &&
                gg_slice_equal(moments[i].text, gg_slice_text("boom")));
    }
    assert_true(told);
}

static void long_history_keeps_its_ends_and_marks_the_gap(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    submit.attempts = 40;
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = 10;
    struct gg_assign assign = begin(stage, &submit);
    for (int i = 0; i < 39; i++) {
        stage_outcome(stage, WORKER, &assign, GG_OUTCOME_FAILED, "boom");
        assign = next_attempt(stage, 3000);
    }
    struct gg_moment_info moments[64];

    uint32_t count = moments_of(stage, &submit.id, moments, 64);

    assert_int_equal(count, 33);
    assert_int_equal(moments[0].kind, GG_MOMENT_ACCEPTED);
    assert_int_equal(moments[4].kind, GG_MOMENT_GAP);
    assert_true(moments[4].count > 0);
}

/* Check 3: what always fails takes nothing away from what succeeded. */
static void failing_neighbour_costs_no_result(void **state)
{
    struct stage *stage = *state;
    struct gg_id kept[20];
    for (int i = 0; i < 20; i++) {
        struct gg_submit submit = stage_submission(stage, "reports");
        char key[8] = {(char)('a' + i)};
        submit.key = gg_slice_text(key);
        struct gg_assign assign = begin(stage, &submit);
        stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, key);
        kept[i] = submit.id;
    }
    struct gg_submit bad = stage_submission(stage, "reports");
    bad.backoff = GG_BACKOFF_FIXED;
    bad.backoff_ms = 10;
    struct gg_assign assign = begin(stage, &bad);
    for (int i = 0; i < 4; i++) {
        stage_outcome(stage, WORKER, &assign, GG_OUTCOME_FAILED, "boom");
        assign = next_attempt(stage, 3000);
    }
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_FAILED, "boom");
    assert_int_equal(stage_state(stage, ALICE, &bad.id), GG_JOB_FAILED);

    for (int i = 0; i < 20; i++) {
        assert_int_equal(stage_state(stage, ALICE, &kept[i]), GG_JOB_SUCCEEDED);
    }
}

static void make_durable(struct gg_bounds *bounds)
{
    bounds->durable = true;
}

static void nothing_durable_is_said_before_its_record(void **state)
{
    struct stage *stage = *state;
    stage_fini(stage);
    stage_init(stage, make_durable);
    stage_client(stage, ALICE);
    stage_agent(stage, WORKER, "w", "reports", 8);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.wait = true;

    struct gg_assign assign = begin(stage, &submit);
    uint64_t accepted = stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.after;
    assert_int_equal(stage_effects(stage, GG_FX_PERSIST), 1);
    assert_true(accepted > 0);
    assert_int_equal(stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)->effect.after,
                     accepted);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "ok");

    uint64_t ended = stage_heard(stage, WORKER, GG_CMD_CONFIRM, 0)->effect.after;
    assert_true(ended > accepted);
    assert_int_equal(stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.after, ended);
}

static void dead_letters_beyond_the_cap_push_out_the_oldest(void **state)
{
    struct stage *stage = *state;
    stage_fini(stage);
    stage_init(stage, NULL);
    stage->bounds.dead_jobs_max = 2;
    gg_core_destroy(&stage->core);
    stage->core = gg_core_new(&stage->bounds, &stage->about, 1000, 7);
    stage_client(stage, ALICE);
    stage_agent(stage, WORKER, "w", "reports", 8);
    struct gg_id ids[3];
    for (int i = 0; i < 3; i++) {
        struct gg_submit submit = stage_submission(stage, "reports");
        struct gg_assign assign = begin(stage, &submit);
        stage_outcome(stage, WORKER, &assign, GG_OUTCOME_REJECTED, "no");
        ids[i] = submit.id;
    }

    assert_int_equal(stage_state(stage, ALICE, &ids[0]), GG_JOB_EVICTED);
    assert_int_equal(stage_state(stage, ALICE, &ids[2]), GG_JOB_FAILED);
}

static void what_falls_out_of_a_history_costs_nothing_any_more(void **state)
{
    struct stage *stage = *state;
    char output[1000];
    memset(output, 'x', sizeof output);
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    uint64_t bytes = 0;
    for (int i = 0; i < 100; i++) {
        const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
        assert_non_null(said);
        struct gg_outcome_info outcome;
        gg_record_default(GG_RECORD_OUTCOME, &outcome);
        outcome.id = said->command.as.assign.id;
        outcome.fence = said->command.as.assign.fence;
        outcome.kind = GG_OUTCOME_SNOOZED;
        outcome.output = gg_slice_of(output, sizeof output);
        stage_say(stage, WORKER, GG_CMD_OUTCOME, 0, &outcome);
        bytes = i == 50 ? stage->core->memory_bytes : bytes;
        stage_wait(stage, 0);
    }
    assert_true(stage->core->memory_bytes <= bytes + sizeof output);
}

static void receipt_of_another_does_not_let_the_id_be_forgotten(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("monday");
    submit.keep_ms = 0;
    submit.wait = true;
    struct gg_id id = stage_submit(stage, ALICE, 1, &submit); /* Never hears it. */
    const struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                        ->command.as.assign;
    struct gg_submit other = submit;
    other.id = stage_submission(stage, "reports").id;
    (void)stage_submit(stage, BOB, 1, &other);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "ok");
    const struct said *final = stage_heard(stage, BOB, GG_CMD_JOB, 0);
    assert_non_null(final);
    stage_receipt(stage, final->effect.token);

    stage_client(stage, ALICE);
    struct gg_id again = stage_submit(stage, ALICE, 1, &submit);

    assert_true(gg_id_equal(&again, &id));
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

static void receipt_of_an_older_subscription_is_known_as_such(void **state)
{
    struct stage *stage = *state;
    struct gg_events events;
    gg_record_default(GG_RECORD_EVENTS, &events);
    stage_say(stage, BOB, GG_CMD_SUBSCRIBE, 7, &events);
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    const struct said *said = stage_heard(stage, BOB, GG_CMD_EVENT, 0);
    assert_non_null(said);
    uint64_t old = said->effect.token;
    struct gg_unsubscribe end = {.request = 7};
    stage_say(stage, BOB, GG_CMD_UNSUBSCRIBE, 8, &end);
    stage_say(stage, BOB, GG_CMD_SUBSCRIBE, 9, &events);
    submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    uint32_t unacked = stage->core->subscriptions[0].unacked;

    stage_receipt(stage, old);

    assert_int_equal(stage->core->subscriptions[0].unacked, unacked);
}

static void agent_that_was_forgotten_is_freed_with_the_last_job(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    const struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                        ->command.as.assign;
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_REJECTED, "no");
    stage_close(stage, WORKER, true);

    stage_wait(stage, 100000);

    assert_int_equal(gg_map_count(&stage->core->agents), 0);
    assert_int_equal(stage->core->count[GG_JOB_FAILED], 1); /* It names the agent. */
}

static void partial_output_after_a_lost_piece_keeps_its_place(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    const struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                        ->command.as.assign;
    struct gg_partial partial = {
        .id = assign.id, .fence = assign.fence, .data = gg_slice_text("first")};
    stage_say(stage, WORKER, GG_CMD_PARTIAL, 0, &partial);
    partial.offset = 10; /* Five bytes were lost. */
    partial.data = gg_slice_text("third");
    stage_say(stage, WORKER, GG_CMD_PARTIAL, 0, &partial);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = assign.id;
    target.want_partial = true;

    stage_say(stage, BOB, GG_CMD_WAIT, 2, &target);

    const struct said *said = stage_heard(stage, BOB, GG_CMD_PARTIAL, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.partial.offset, 10);
    assert_int_equal(said->command.as.partial.gap, 10);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(result_goes_to_every_waiter),
        TEST(later_caller_of_the_key_gets_the_kept_result_at_once),
        TEST(result_is_kept_to_its_deadline_and_gone_after),
        TEST(key_is_free_again_after_retention),
        TEST(failed_attempt_is_tried_again_not_before_its_time),
        TEST(attempts_used_up_end_as_failed_and_free_the_key),
        TEST(rejection_is_not_tried_again),
        TEST(snooze_counts_no_attempt),
        TEST(job_that_crashes_too_often_is_poison),
        TEST(unkeyed_success_goes_once_its_waiter_has_got_it),
        TEST(resend_after_a_lost_answer_runs_nothing_again_even_if_nothing_is_kept),
        TEST(what_is_not_kept_goes_with_the_step_that_ends_it),
        TEST(remembered_id_is_forgotten_when_its_answer_was_acknowledged),
        TEST(receipt_of_a_job_long_gone_touches_nobody_else),
        TEST(waiter_with_a_timeout_is_told_that_the_job_goes_on),
        TEST(thousand_waiters_are_told_in_bounded_steps),
        TEST(progress_reaches_those_who_asked),
        TEST(partial_output_comes_in_order_and_from_any_point),
        TEST(checkpoint_is_given_to_the_next_attempt),
        TEST(history_tells_each_attempt_with_its_end),
        TEST(long_history_keeps_its_ends_and_marks_the_gap),
        TEST(failing_neighbour_costs_no_result),
        TEST(nothing_durable_is_said_before_its_record),
        TEST(dead_letters_beyond_the_cap_push_out_the_oldest),
        TEST(what_falls_out_of_a_history_costs_nothing_any_more),
        TEST(receipt_of_another_does_not_let_the_id_be_forgotten),
        TEST(receipt_of_an_older_subscription_is_known_as_such),
        TEST(agent_that_was_forgotten_is_freed_with_the_last_job),
        TEST(partial_output_after_a_lost_piece_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
