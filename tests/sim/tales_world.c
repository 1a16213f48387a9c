/* tales_world.c - hand-made histories in which it is what really happened that breaks
 * the broker's word: processes, what people read, what a restart has left, the end. */
#include "broker/core/registry.h"
#include "common/assert.h"
#include "tests/sim/tale.h"

static struct gg_id one = {.bytes = {[0] = 1, [15] = 1}};

static uint64_t run_of(struct tale *t, const struct gg_submit *job)
{
    tale_agent(t, A0, "a0");
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_accepted(t, job);
    return tale_assigned(t, 1, A0);
}

static uint64_t one_run(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    return run_of(t, &job);
}

/* ---- processes ---- */

static void refused_job_runs(struct tale *t)
{
    tale_client(t, ALICE, GG_ROLE_ALL, "*");
    tale_refused(t, 1);
    tale_fine(t);
    oracle_run_begins(&t->sim, 0, &one, FENCE + 1);
}

static void job_has_two_processes(struct tale *t)
{
    uint64_t fence = one_run(t);
    t->sim.swarm.patient_cut = true;
    oracle_run_begins(&t->sim, 0, &one, fence);
    tale_fine(t);
    oracle_run_begins(&t->sim, 1, &one, fence + 1);
}

static void job_has_nine_processes(struct tale *t)
{
    uint64_t fence = one_run(t);
    for (uint32_t i = 0; i < FACT_RUNS_MAX; i++) {
        oracle_run_begins(&t->sim, i, &one, fence);
    }
    tale_fine(t);
    oracle_run_begins(&t->sim, FACT_RUNS_MAX, &one, fence);
}

static void job_for_once_starts_twice(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.attempts = 1;
    uint64_t fence = run_of(t, &job);
    oracle_run_begins(&t->sim, 0, &one, fence);
    oracle_run_ends(&t->sim, 0, &one, fence);
    tale_fine(t);
    oracle_run_begins(&t->sim, 0, &one, fence);
}

static void job_runs_for_ever(struct tale *t)
{
    struct gg_submit job = tale_job(1);
    job.run_timeout_ms = 1000;
    uint64_t fence = run_of(t, &job);
    oracle_run_begins(&t->sim, 0, &one, fence);
    t->sim.now += 600000;
    tale_fine(t);
    oracle_run_ends(&t->sim, 0, &one, fence);
}

static void process_starts_in_a_paused_queue(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_hears(t, ALICE, tale_pause("q0"));
    tale_says(t, ALICE, tale_done(0));
    tale_step_ends(t);
    t->sim.now++;
    tale_fine(t);
    oracle_run_begins(&t->sim, 0, &one, fence);
}

static void process_of_a_cancelled_job_starts(struct tale *t)
{
    uint64_t fence = one_run(t);
    tale_cancelled(t, 1);
    tale_fine(t);
    oracle_run_begins(&t->sim, 0, &one, fence);
}

/* ---- what people read ---- */

static void client_reads_another_result(struct tale *t)
{
    uint64_t fence = one_run(t);
    struct gg_command answer = tale_shown(1, GG_JOB_SUCCEEDED);
    answer.as.job.fence = fence;
    answer.as.job.result = gg_slice_text("43");
    tale_succeeded(t, 1, A0, fence);
    tale_fine(t);
    tale_read(t, GG_CMD_WAIT, 1, answer);
}

static void client_reads_of_another_job(struct tale *t)
{
    struct gg_submit second = tale_job(2);
    (void)one_run(t);
    tale_accepted(t, &second);
    tale_fine(t);
    tale_read(t, GG_CMD_WAIT, 1, tale_shown(2, GG_JOB_READY));
}

/* A durable broker, and a job that its client knows to be on disk. */
static void safe_job(struct tale *t, enum gg_job_state shown)
{
    t->sim.swarm.durable = true;
    struct gg_command answer = tale_shown(1, shown);
    answer.as.job.durability = GG_DURABILITY_FSYNC;
    if (shown == GG_JOB_READY) {
        (void)one_run(t);
    } else {
        tale_succeeded(t, 1, A0, one_run(t));
    }
    tale_read(t, GG_CMD_SUBMIT, 1, answer);
}

static void durable_job_is_called_lost(struct tale *t)
{
    safe_job(t, GG_JOB_READY);
    tale_fine(t);
    tale_read(t, GG_CMD_WAIT, 1, tale_error(GG_ERR_LOST_WITH_BROKER));
}

/* ---- the broker dies and is back ---- */

static void durable_job_is_gone_by_restart(struct tale *t)
{
    safe_job(t, GG_JOB_READY);
    oracle_broker_down(&t->sim);
    tale_fine(t);
    oracle_restored(&t->sim, &one, NULL);
}

static void ended_job_waits_again_by_restart(struct tale *t)
{
    struct gg_command now = tale_shown(1, GG_JOB_READY);
    safe_job(t, GG_JOB_SUCCEEDED);
    oracle_broker_down(&t->sim);
    tale_fine(t);
    oracle_restored(&t->sim, &one, &now.as.job);
}

static void result_is_another_by_restart(struct tale *t)
{
    struct gg_command now = tale_shown(1, GG_JOB_SUCCEEDED);
    now.as.job.result = gg_slice_text("43");
    safe_job(t, GG_JOB_SUCCEEDED);
    oracle_broker_down(&t->sim);
    tale_fine(t);
    oracle_restored(&t->sim, &one, &now.as.job);
}

static void cancel_is_forgotten_by_restart(struct tale *t)
{
    struct gg_command now = tale_shown(1, GG_JOB_SUCCEEDED);
    safe_job(t, GG_JOB_READY);
    tale_cancelling(t, 1);
    tale_read(t, GG_CMD_CANCEL, 1, tale_verdict(1, GG_VERDICT_CANCELLING));
    oracle_broker_down(&t->sim);
    tale_fine(t);
    oracle_restored(&t->sim, &one, &now.as.job);
}

/* ---- the end ---- */

static void job_never_ends(struct tale *t)
{
    (void)one_run(t);
    tale_fine(t);
    oracle_judge_end(&t->sim);
}

static void client_waits_for_ever(struct tale *t)
{
    t->sim.swarm.clients = 1;
    t->sim.clients[0].asked[0] = (struct sim_asked){.used = true, .code = GG_CMD_WAIT};
    tale_fine(t);
    oracle_judge_end(&t->sim);
}

static void core_of(struct tale *t)
{
    t->sim.broker.core = gg_core_new(&t->sim.broker.bounds, &t->sim.broker.about, 1, 7);
    t->sim.nodes[SIM_BROKER].up = true;
    GG_ASSERT(t->sim.broker.core != NULL);
    oracle_look_inside(&t->sim);
}

static void jobs_are_left_at_the_end(struct tale *t)
{
    core_of(t);
    oracle_judge_empty(&t->sim);
    tale_fine(t);
    t->sim.broker.core->jobs++;
    oracle_judge_empty(&t->sim);
}

static void memory_grows_beyond_its_limit(struct tale *t)
{
    core_of(t);
    tale_fine(t);
    t->sim.broker.core->memory_bytes = t->sim.broker.bounds.memory_bytes_max + 1;
    oracle_look_inside(&t->sim);
}

static void core_counts_a_job_that_is_not_there(struct tale *t)
{
    core_of(t);
    tale_fine(t);
    t->sim.broker.core->jobs++;
    oracle_look_inside(&t->sim);
}

static void canary_sings(struct tale *t)
{
    tale_fine(t);
    oracle_canary(&t->sim);
}

const struct tale_row *tales_of_world(size_t *out_count)
{
    static const struct tale_row rows[] = {
        TALE(REFUSED, refused_job_runs),
        TALE(ONE_PROCESS, job_has_two_processes),
        TALE(ONE_PROCESS, job_has_nine_processes),
        TALE(AT_MOST_ONCE, job_for_once_starts_twice),
        TALE(RUN_LIMIT, job_runs_for_ever),
        TALE(PAUSE, process_starts_in_a_paused_queue),
        TALE(CANCEL, process_of_a_cancelled_job_starts),
        TALE(RETAINED, client_reads_another_result),
        TALE(RESEND, client_reads_of_another_job),
        TALE(NO_LOSS, durable_job_is_called_lost),
        TALE(NO_LOSS, durable_job_is_gone_by_restart),
        TALE(FINAL, ended_job_waits_again_by_restart),
        TALE(RETAINED, result_is_another_by_restart),
        TALE(CANCEL, cancel_is_forgotten_by_restart),
        TALE(IN_TIME, job_never_ends),
        TALE(WAITS_END, client_waits_for_ever),
        TALE(BOUNDED, jobs_are_left_at_the_end),
        TALE(BOUNDED, memory_grows_beyond_its_limit),
        TALE(SOUND, core_counts_a_job_that_is_not_there),
        TALE(CANARY, canary_sings),
    };
    *out_count = sizeof rows / sizeof rows[0];
    return rows;
}
