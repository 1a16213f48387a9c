/* tales_broker.c - hand-made histories in which the broker breaks its word: what it
 * hears, does and says at its door. Each is fine up to its last step. */
#include "tests/sim/tale.h"

/* Job 1, accepted; and running on agent a0, who has Alice's trust. */
static void one_job(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &job);
}

static uint64_t one_run(struct tale *t)
{
    tale_agent(t, A0, "a0");
    one_job(t);
    return tale_assigned(t, 1, A0);
}

static void moment(struct tale *t, enum gg_moment kind, enum gg_job_state state)
{
    tale_moment(t, 1, (struct gg_moment_info){.kind = kind, .state = state});
}

static void assign(struct tale *t, int n, uint64_t fence)
{
    tale_time(t, 1);
    tale_says(t, A0, tale_assign(n, fence));
}

/* ---- jobs: accepted, lost, found again ---- */

static void accepted_job_is_called_unknown(struct tale *t)
{
    one_job(t);
    tale_hears(t, ALICE, tale_ask(GG_CMD_GET, 1));
    tale_fine(t);
    tale_says(t, ALICE, tale_error(GG_ERR_NOT_FOUND));
}

static void job_is_evicted_before_its_end(struct tale *t)
{
    one_job(t);
    tale_time(t, 1);
    tale_fine(t);
    moment(t, GG_MOMENT_EVICTED, GG_JOB_EVICTED);
}

static void resend_makes_a_second_job(struct tale *t)
{
    one_job(t);
    tale_fine(t);
    moment(t, GG_MOMENT_ACCEPTED, GG_JOB_READY);
}

static void answer_names_a_job_nobody_has(struct tale *t)
{
    one_job(t);
    tale_hears(t, ALICE, tale_ask(GG_CMD_GET, 1));
    tale_fine(t);
    tale_says(t, ALICE, tale_shown(9, GG_JOB_READY));
}

static void two_jobs_have_one_key(struct tale *t)
{
    struct gg_submit first = tale_job(1);
    struct gg_submit second = tale_job(2);
    first.key = gg_slice_text("k");
    second.key = gg_slice_text("k");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &first);
    tale_fine(t);
    tale_accepted(t, &second);
}

static void refused_job_was_accepted(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    oracle_asked(&t->sim, &job);
    tale_hears(t, ALICE, (struct gg_command){.code = GG_CMD_SUBMIT, .as.submit = job});
    moment(t, GG_MOMENT_ACCEPTED, GG_JOB_READY);
    tale_fine(t);
    tale_says(t, ALICE, tale_error(GG_ERR_QUEUE_FULL));
}

static void job_is_given_out_that_nobody_was_promised(struct tale *t)
{
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_refused(t, 1);
    tale_fine(t);
    assign(t, 1, FENCE + 1);
}

/* ---- attempts ---- */

static void fourth_of_three_attempts(struct tale *t)
{
    tale_agent(t, A0, "a0");
    one_job(t);
    struct gg_command fourth = tale_assign(1, FENCE + 1);
    fourth.as.assign.attempt = 4;
    tale_time(t, 1);
    tale_fine(t);
    tale_says(t, A0, fourth);
}

static void job_fails_at_its_first_attempt(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_hears(t, A0, tale_outcome(1, fence, GG_OUTCOME_FAILED));
    tale_fine(t);
    tale_moment(t, 1,
                (struct gg_moment_info){.kind = GG_MOMENT_ENDED,
                                        .state = GG_JOB_FAILED,
                                        .error = GG_ERR_FAILED});
}

/* ---- leases and fences ---- */

static void job_is_given_out_twice(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_agent(t, A1, "a1");
    tale_time(t, 1);
    tale_fine(t);
    tale_says(t, A1, tale_assign(1, fence + 1));
}

static void lease_is_lost_for_no_reason(struct tale *t)
{
    (void)one_run(t);
    tale_time(t, 1);
    tale_fine(t);
    moment(t, GG_MOMENT_LEASE_LOST, GG_JOB_READY);
}

static void fence_goes_back(struct tale *t)
{
    struct gg_submit second = tale_job(2);
    uint64_t fence = one_run(t);
    tale_accepted(t, &second);
    tale_fine(t);
    assign(t, 2, fence);
}

static void success_of_an_older_fence_ends_the_job(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_hears(t, A0, tale_outcome(1, fence - 1, GG_OUTCOME_SUCCEEDED));
    tale_fine(t);
    moment(t, GG_MOMENT_ENDED, GG_JOB_SUCCEEDED);
}

static void outcome_of_an_older_fence_is_taken(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_hears(t, A0, tale_outcome(1, fence - 1, GG_OUTCOME_SUCCEEDED));
    tale_fine(t);
    tale_says(
        t, A0,
        (struct gg_command){.code = GG_CMD_CONFIRM,
                            .as.confirm = {.id = tale_id(1), .fence = fence - 1}});
}

static void success_of_the_newest_fence_is_ignored(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_hears(t, A0, tale_outcome(1, fence, GG_OUTCOME_SUCCEEDED));
    tale_fine(t);
    tale_step_ends(t);
}

static void agent_with_two_slots_gets_a_third_job(struct tale *t)
{
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    for (int n = 1; n <= 3; n++) {
        struct gg_submit job = tale_job(n);
        tale_accepted(t, &job);
    }
    (void)tale_assigned(t, 1, A0);
    uint64_t fence = tale_assigned(t, 2, A0);
    tale_fine(t);
    assign(t, 3, fence + 1);
}

static void job_goes_to_a_pool_of_another_queue(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.queue = gg_slice_text("q1");
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &job);
    struct gg_command second_pool = tale_assign(1, FENCE + 1);
    second_pool.as.assign.pool = 2;
    tale_time(t, 1);
    tale_fine(t);
    tale_says(t, A0, second_pool);
}

/* ---- turns and times ---- */

static void younger_job_starts_first(struct tale *t)
{
    struct gg_submit second = tale_job(2);
    tale_agent(t, A0, "a0");
    one_job(t);
    tale_accepted(t, &second);
    uint64_t fence = tale_assigned(t, 2, A0);
    tale_fine(t);
    assign(t, 1, fence + 1);
}

static void delayed_job_starts_at_once(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.delay_ms = 5000;
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &job);
    tale_fine(t);
    assign(t, 1, FENCE + 1);
}

static void job_with_deadline(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.expires_ms = 5000;
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &job);
}

static void job_starts_after_its_deadline(struct tale *t)
{
    job_with_deadline(t);
    tale_time(t, 5000);
    tale_fine(t);
    tale_says(t, A0, tale_assign(1, FENCE + 1));
}

static void job_expires_before_its_deadline(struct tale *t)
{
    job_with_deadline(t);
    tale_time(t, 4000);
    tale_fine(t);
    moment(t, GG_MOMENT_ENDED, GG_JOB_EXPIRED);
}

static void paused_queue_gives_out_a_job(struct tale *t)
{
    tale_agent(t, A0, "a0");
    one_job(t);
    tale_hears(t, ALICE, tale_pause("q0"));
    tale_says(t, ALICE, tale_done(0));
    tale_step_ends(t);
    tale_fine(t);
    assign(t, 1, FENCE + 1);
}

/* ---- cancels ---- */

/* The cancel of a job that waits, told as `verdict`. */
static void cancel(struct tale *t, enum gg_verdict verdict)
{
    one_job(t);
    tale_hears(t, ALICE, tale_ask(GG_CMD_CANCEL, 1));
    tale_fine(t);
    tale_says(t, ALICE, tale_verdict(1, verdict));
}

static void cancelled_job_has_not_ended(struct tale *t)
{
    cancel(t, GG_VERDICT_CANCELLED);
}

static void waiting_job_is_called_cancelling(struct tale *t)
{
    cancel(t, GG_VERDICT_CANCELLING);
}

static void too_late_for_a_job_that_waits(struct tale *t)
{
    cancel(t, GG_VERDICT_TOO_LATE);
}

static void job_is_cancelled_by_nobody(struct tale *t)
{
    one_job(t);
    tale_hears(t, ALICE, tale_ask(GG_CMD_GET, 1));
    tale_fine(t);
    moment(t, GG_MOMENT_ENDED, GG_JOB_CANCELLED);
}

static void job_that_is_being_cancelled_succeeds(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_cancelling(t, 1);
    tale_fine(t);
    tale_succeeded(t, 1, A0, fence);
}

static void cancelled_job_is_given_out(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_cancelled(t, 1);
    tale_time(t, 1);
    moment(t, GG_MOMENT_LEASE_LOST, GG_JOB_READY);
    tale_step_ends(t);
    tale_fine(t);
    assign(t, 1, fence + 1);
}

/* ---- ends and results ---- */

static void job_ends_twice(struct tale *t)
{
    one_job(t);
    tale_cancelled(t, 1);
    tale_time(t, 1);
    tale_fine(t);
    moment(t, GG_MOMENT_ENDED, GG_JOB_CANCELLED);
}

static void ended_job_is_given_out(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_succeeded(t, 1, A0, fence);
    tale_fine(t);
    assign(t, 1, fence + 1);
}

static void ended_job_is_shown_as_waiting(struct tale *t)
{
    one_job(t);
    tale_cancelled(t, 1);
    tale_hears(t, ALICE, tale_ask(GG_CMD_GET, 1));
    tale_fine(t);
    tale_says(t, ALICE, tale_shown(1, GG_JOB_READY));
}

static void kept_result_is_evicted_early(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.keep_ms = 60000;
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, &job);
    tale_succeeded(t, 1, A0, tale_assigned(t, 1, A0));
    tale_time(t, 59000);
    tale_fine(t);
    moment(t, GG_MOMENT_EVICTED, GG_JOB_EVICTED);
}

static void ask_for_result(struct tale *t, const char *result)
{
    struct gg_command answer = tale_shown(1, GG_JOB_SUCCEEDED);
    answer.as.job.result = gg_slice_text(result);
    tale_succeeded(t, 1, A0, one_run(t));
    tale_hears(t, ALICE, tale_ask(GG_CMD_GET, 1));
    tale_fine(t);
    tale_says(t, ALICE, answer);
}

static void another_result_is_shown(struct tale *t)
{
    ask_for_result(t, "43");
}

static void result_is_not_shown(struct tale *t)
{
    ask_for_result(t, "");
}

/* ---- what a job says ---- */

static void next_attempt_gets_an_old_checkpoint(struct tale *t)
{
    uint64_t fence = one_run(t);
    struct gg_command point = {.code = GG_CMD_CHECKPOINT,
                               .as.checkpoint = {.id = tale_id(1), .fence = fence}};
    struct gg_command next = tale_assign(1, fence + 1);
    next.as.assign.attempt = 2;
    next.as.assign.checkpoint = gg_slice_text("16777216");
    tale_hears(t, A0, point);
    tale_step_ends(t);
    tale_time(t, (int64_t)t->sim.broker.bounds.lease_ms);
    moment(t, GG_MOMENT_LEASE_LOST, GG_JOB_READY);
    tale_fine(t);
    tale_says(t, A0, next);
}

static void output_of_another_attempt_is_shown(struct tale *t)
{
    uint64_t fence = one_run(t);
    char other[] = {(char)SIM_LETTER(fence + 1), '\0'};
    tale_time(t, 1);
    tale_fine(t);
    tale_says(t, ALICE,
              (struct gg_command){.code = GG_CMD_PARTIAL,
                                  .as.partial = {.id = tale_id(1),
                                                 .fence = fence,
                                                 .data = gg_slice_text(other)}});
}

static void progress_of_another_attempt_is_shown(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_time(t, 1);
    tale_fine(t);
    tale_says(t, ALICE,
              (struct gg_command){
                  .code = GG_CMD_PROGRESS,
                  .as.progress = {.id = tale_id(1),
                                  .fence = fence,
                                  .progress_text = gg_slice_text("16777216")}});
}

/* ---- many, and rights ---- */

/* Alice asks for two jobs in one request. */
static void hears_two(struct tale *t)
{
    struct gg_submit jobs[2] = {tale_job(1), tale_job(2)};
    struct gg_command many = {.code = GG_CMD_SUBMIT_MANY};
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    oracle_asked(&t->sim, &jobs[0]);
    oracle_asked(&t->sim, &jobs[1]);
    many.as.submit_many.jobs = tale_list(t, GG_RECORD_SUBMIT, &jobs[0]);
    struct gg_buf *bytes = &t->lists[(t->list_count - 1) % 4];
    gg_record_write(bytes, GG_RECORD_SUBMIT, &jobs[1], NULL);
    many.as.submit_many.jobs = (struct gg_list){gg_buf_slice(bytes), 2};
    tale_hears(t, ALICE, many);
    moment(t, GG_MOMENT_ACCEPTED, GG_JOB_READY);
}

static void answers_one(struct tale *t, int n)
{
    struct gg_command jobs = {.code = GG_CMD_JOBS};
    struct gg_command one = tale_shown(n, GG_JOB_READY);
    jobs.as.jobs.jobs = tale_list(t, GG_RECORD_JOB, &one.as.job);
    tale_says(t, ALICE, jobs);
}

static void one_of_two_is_accepted_and_all_refused(struct tale *t)
{
    hears_two(t);
    tale_fine(t);
    tale_says(t, ALICE, tale_error(GG_ERR_QUEUE_FULL));
}

static void one_of_two_is_answered(struct tale *t)
{
    hears_two(t);
    tale_fine(t);
    answers_one(t, 1);
}

static void one_of_two_was_never_accepted(struct tale *t)
{
    hears_two(t);
    tale_fine(t);
    answers_one(t, 2);
}

static void pauses_without_the_role(struct tale *t)
{
    tale_client(t, BOB, GG_ROLE_SUBMIT, "*");
    tale_hears(t, BOB, tale_pause("q0"));
}

static void forbidden_command_is_carried_out(struct tale *t)
{
    pauses_without_the_role(t);
    tale_fine(t);
    tale_says(t, BOB, tale_done(0));
}

static void forbidden_command_is_not_answered(struct tale *t)
{
    pauses_without_the_role(t);
    tale_fine(t);
    tale_step_ends(t);
}

const struct tale_row *tales_of_broker(size_t *out_count)
{
    static const struct tale_row rows[] = {
        TALE(NO_LOSS, accepted_job_is_called_unknown),
        TALE(NO_LOSS, job_is_evicted_before_its_end),
        TALE(RESEND, resend_makes_a_second_job),
        TALE(RESEND, answer_names_a_job_nobody_has),
        TALE(KEY, two_jobs_have_one_key),
        TALE(REFUSED, refused_job_was_accepted),
        TALE(REFUSED, job_is_given_out_that_nobody_was_promised),
        TALE(ATTEMPTS, fourth_of_three_attempts),
        TALE(ATTEMPTS, job_fails_at_its_first_attempt),
        TALE(ONE_LEASE, job_is_given_out_twice),
        TALE(ONE_LEASE, lease_is_lost_for_no_reason),
        TALE(FENCE, fence_goes_back),
        TALE(STALE, success_of_an_older_fence_ends_the_job),
        TALE(STALE, outcome_of_an_older_fence_is_taken),
        TALE(KEPT_OUTCOME, success_of_the_newest_fence_is_ignored),
        TALE(WINDOW, agent_with_two_slots_gets_a_third_job),
        TALE(SERVED, job_goes_to_a_pool_of_another_queue),
        TALE(ORDER, younger_job_starts_first),
        TALE(NOT_BEFORE, delayed_job_starts_at_once),
        TALE(EXPIRY, job_starts_after_its_deadline),
        TALE(EXPIRY, job_expires_before_its_deadline),
        TALE(PAUSE, paused_queue_gives_out_a_job),
        TALE(CANCEL, cancelled_job_has_not_ended),
        TALE(CANCEL, waiting_job_is_called_cancelling),
        TALE(CANCEL, too_late_for_a_job_that_waits),
        TALE(CANCEL, job_is_cancelled_by_nobody),
        TALE(CANCEL, job_that_is_being_cancelled_succeeds),
        TALE(CANCEL, cancelled_job_is_given_out),
        TALE(FINAL, job_ends_twice),
        TALE(FINAL, ended_job_is_given_out),
        TALE(FINAL, ended_job_is_shown_as_waiting),
        TALE(RETAINED, kept_result_is_evicted_early),
        TALE(RETAINED, another_result_is_shown),
        TALE(RETAINED, result_is_not_shown),
        TALE(CHECKPOINT, next_attempt_gets_an_old_checkpoint),
        TALE(OUTPUT, output_of_another_attempt_is_shown),
        TALE(OUTPUT, progress_of_another_attempt_is_shown),
        TALE(WHOLE, one_of_two_is_accepted_and_all_refused),
        TALE(WHOLE, one_of_two_is_answered),
        TALE(WHOLE, one_of_two_was_never_accepted),
        TALE(ROLE, forbidden_command_is_carried_out),
        TALE(ROLE, forbidden_command_is_not_answered),
    };
    *out_count = sizeof rows / sizeof rows[0];
    return rows;
}
