/* oracle_out.c - what the broker says: assignments and answers. */
#include "tests/sim/facts.h"

/* ---- what comes out: assignments ---- */

static void check_turn(struct sim *sim, struct fact *fact)
{
    const struct gg_submit *ask = &fact->ask;
    bool plain = !fact->assigned_before && !fact->by_hand && !fact->unsure &&
                 ask->delay_ms == 0;
    uint64_t *newest = &facts.assigned_order[fact->queue][ask->priority == 128];
    if (plain && fact->order < *newest) {
        facts_fail(sim, ORACLE_ORDER, "job %02x%02x starts after a younger one",
                   FACT_NAME(fact));
    }
    if (plain) {
        *newest = fact->order;
    }
    fact->assigned_before = true;
}

static void check_times(struct sim *sim, const struct fact *fact)
{
    if (sim->now < fact->not_before) {
        facts_fail(sim, ORACLE_NOT_BEFORE, "job %02x%02x starts %lld ms too early",
                   FACT_NAME(fact), (long long)(fact->not_before - sim->now));
    }
    if (fact->ask.expires_ms > 0 && !fact->by_hand &&
        sim->now >= fact->accepted_at + (int64_t)fact->ask.expires_ms) {
        facts_fail(sim, ORACLE_EXPIRY, "job %02x%02x starts after its deadline",
                   FACT_NAME(fact));
    }
}

/* A number that a job has written. */
static uint64_t number_of(struct gg_slice text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return number;
}

/* Over a restart the newest may be lost; what is handed on is still the job's. */
static void check_checkpoint(struct sim *sim, struct fact *fact,
                             const struct gg_assign *assign)
{
    uint64_t given = number_of(assign->checkpoint);
    if (given != 0) {
        sim_mark(SIM_MARK_CHECKPOINT);
    }
    if (given != fact->checkpoint && !(fact->unsure && given <= fact->fence_most)) {
        facts_fail(sim, ORACLE_CHECKPOINT, "job %02x%02x is given %llu, not %llu",
                   FACT_NAME(fact), (unsigned long long)given,
                   (unsigned long long)fact->checkpoint);
    }
    fact->checkpoint = given;
}

/* An agent's second pool serves the first queue only. */
static void check_pool(struct sim *sim, const struct fact *fact,
                       const struct fact_agent *agent, const struct gg_assign *assign)
{
    uint64_t place = (assign->pool - 1) % FACT_POOLS;
    if (place > 0) {
        sim_mark(SIM_MARK_SECOND_POOL);
    }
    if (assign->pool > FACT_POOLS || (place > 0 && fact->queue != 0)) {
        facts_fail(sim, ORACLE_SERVED, "job %02x%02x of q%u is given to pool %llu",
                   FACT_NAME(fact), fact->queue, (unsigned long long)assign->pool);
    }
    if (agent->open_in[place] >= agent->slots[place] && agent->here) {
        facts_fail(sim, ORACLE_WINDOW, "%s is given more than its %u slots",
                   agent->name, agent->slots[place]);
    }
}

static void check_assign(struct sim *sim, uint32_t peer, const struct gg_assign *assign)
{
    struct fact *fact = facts_find(&assign->id);
    struct fact_agent *agent = facts_agent_at(peer);
    if (agent == NULL && facts.ev->type == GG_EV_HELLO && facts.ev->peer == peer) {
        struct gg_slice name = facts.ev->command->as.hello.name;
        agent = facts_agent((const char *)name.data, name.len);
        facts_read_pools(agent, facts.ev->command->as.hello.pools);
    }
    if (fact == NULL || !fact->accepted || agent == NULL) {
        facts_fail(sim, ORACLE_REFUSED, "a job runs that nobody was promised");
        return;
    }
    if (assign->fence <= facts.last_fence) {
        facts_fail(sim, ORACLE_FENCE, "job %02x%02x: fence %llu after %llu",
                   FACT_NAME(fact), (unsigned long long)assign->fence,
                   (unsigned long long)facts.last_fence);
    }
    if (fact->lease_open && !facts_may_end(sim, fact)) {
        facts_fail(sim, ORACLE_ONE_LEASE, "job %02x%02x has two live leases",
                   FACT_NAME(fact));
    }
    facts_close_lease(fact);
    if (fact_ended(fact) || fact->state == GG_JOB_EVICTED) {
        facts_fail(sim, ORACLE_FINAL, "job %02x%02x is run again after its end",
                   FACT_NAME(fact));
    }
    if (fact->never_again) {
        facts_fail(sim, ORACLE_CANCEL, "job %02x%02x starts after it was cancelled",
                   FACT_NAME(fact));
    }
    if (facts.paused[fact->queue]) {
        facts_fail(sim, ORACLE_PAUSE, "job %02x%02x is given out by a paused queue",
                   FACT_NAME(fact));
    }
    if (assign->attempt > fact->attempts_max) {
        facts_fail(sim, ORACLE_ATTEMPTS, "job %02x%02x: attempt %llu of %u",
                   FACT_NAME(fact), (unsigned long long)assign->attempt,
                   fact->attempts_max);
    }
    check_pool(sim, fact, agent, assign);
    check_times(sim, fact);
    check_checkpoint(sim, fact, assign);
    check_turn(sim, fact);
    facts.last_fence = assign->fence;
    fact->fence = assign->fence;
    fact->fence_most = assign->fence;
    fact->attempt = (uint32_t)assign->attempt;
    fact->unsure = false;
    fact->not_before = 0;
    fact->holder = (uint32_t)(agent - facts.agents);
    fact->pool = (uint8_t)((assign->pool - 1) % FACT_POOLS);
    facts_open_lease(sim, fact);
}

/* ---- what comes out: answers ---- */

static void check_output(struct sim *sim, const struct gg_partial *partial)
{
    const struct fact *fact = facts_find(&partial->id);
    sim_mark(SIM_MARK_PARTIAL);
    for (size_t i = 0; i < partial->data.len; i++) {
        if (partial->data.data[i] != SIM_LETTER(partial->fence)) {
            facts_fail(sim, ORACLE_OUTPUT,
                       "job %02x%02x: output of another attempt than %llu",
                       FACT_NAME(fact), (unsigned long long)partial->fence);
        }
    }
}

static void check_progress(struct sim *sim, const struct gg_progress *progress)
{
    const struct fact *fact = facts_find(&progress->id);
    uint64_t told = number_of(progress->progress_text);
    if (told == 0) {
        return;
    }
    sim_mark(SIM_MARK_PROGRESS);
    if (told != progress->fence || (told != fact->fence && !fact->unsure)) {
        facts_fail(sim, ORACLE_OUTPUT, "job %02x%02x: progress of %llu, not %llu",
                   FACT_NAME(fact), (unsigned long long)told,
                   (unsigned long long)fact->fence);
    }
}

static void check_confirm(struct sim *sim, const struct gg_confirm *confirm)
{
    const struct fact *fact = facts_find(&confirm->id);
    if (confirm->error == GG_ERR_STALE) {
        sim_mark(SIM_MARK_STALE);
    }
    if (confirm->error != GG_OK) {
        return;
    }
    if (!facts.newest && !(fact != NULL && fact->unsure)) {
        facts_fail(sim, ORACLE_STALE,
                   "an outcome of fence %llu is taken, not the newest",
                   (unsigned long long)confirm->fence);
    }
    if (fact != NULL && fact_ended(fact) && !facts.ended_in_step) {
        sim_mark(SIM_MARK_SAID_AGAIN);
    }
}

static void check_job(struct sim *sim, const struct gg_job_info *job)
{
    struct fact *fact = facts_find(&job->id);
    if (fact == NULL || !fact->accepted) {
        facts_fail(sim, ORACLE_RESEND, "an answer names a job that was never accepted");
        return;
    }
    bool shown_end = job->state >= GG_JOB_SUCCEEDED && job->state <= GG_JOB_EXPIRED;
    if (shown_end != fact_ended(fact) || (shown_end && job->state != fact->state)) {
        facts_fail(sim, ORACLE_FINAL, "job %02x%02x is shown as %llu and was %u",
                   FACT_NAME(fact), (unsigned long long)job->state, fact->state);
    }
    if (job->state == GG_JOB_SUCCEEDED && job->result.len > 0 &&
        !gg_slice_equal(job->result, gg_slice_of(fact->result, fact->result_len))) {
        facts_fail(sim, ORACLE_RETAINED, "job %02x%02x shows another result",
                   FACT_NAME(fact));
    }
    if (job->state == GG_JOB_SUCCEEDED && fact->result_len > 0 &&
        facts.ev->type == GG_EV_COMMAND && facts.ev->command->code == GG_CMD_GET) {
        sim_mark(SIM_MARK_RESULT_READ);
        if (job->result.len == 0) {
            facts_fail(sim, ORACLE_RETAINED, "job %02x%02x shows no result",
                       FACT_NAME(fact));
        }
    }
}

static void check_error(struct sim *sim, uint32_t peer, const struct gg_command *answer)
{
    static const uint8_t marks[] = {
        [GG_ERR_KEY_CONFLICT] = SIM_MARK_KEY_CONFLICT,
        [GG_ERR_QUEUE_FULL] = SIM_MARK_QUEUE_FULL,
        [GG_ERR_BUSY] = SIM_MARK_BUSY,
        [GG_ERR_NO_MEMORY] = SIM_MARK_NO_MEMORY,
        [GG_ERR_TOO_MANY] = SIM_MARK_TOO_MANY,
        [GG_ERR_ID_TOO_OLD] = SIM_MARK_ID_TOO_OLD,
        [GG_ERR_KEY_TAKEN] = SIM_MARK_KEY_TAKEN,
        [GG_ERR_LOST_WITH_BROKER] = SIM_MARK_LOST_WITH_BROKER,
    };
    uint64_t err = answer->as.error.error;
    if (err < sizeof marks && marks[err] != 0) {
        sim_mark((enum sim_mark)marks[err]);
    }
    const struct gg_event *ev = facts.ev;
    if (ev->type != GG_EV_COMMAND || ev->peer != peer ||
        ev->command->request != answer->request) {
        return;
    }
    if (ev->command->code == GG_CMD_SUBMIT) {
        struct fact *fact = facts_find(&ev->command->as.submit.id);
        fact->refused = fact->refused || !fact->accepted;
        /* Of these two only the waiting may have been refused. */
        if (facts.accepted_in_step && err != GG_ERR_TOO_MANY &&
            err != GG_ERR_NO_MEMORY) {
            facts_fail(sim, ORACLE_REFUSED, "job %02x%02x is refused, and kept",
                       FACT_NAME(fact));
        }
        return;
    }
    if (err == GG_ERR_NOT_FOUND || err == GG_ERR_LOST_WITH_BROKER) {
        const struct fact *fact = facts_find(&ev->command->as.target.id);
        if (fact != NULL && fact->accepted && fact->state != GG_JOB_EVICTED &&
            fact->state != GG_JOB_NONE && facts_reaches(peer, fact->ask.queue)) {
            facts_fail(sim, ORACLE_NO_LOSS, "job %02x%02x is not known any more",
                       FACT_NAME(fact));
        }
    }
}

static void check_cancelled(struct sim *sim, const struct gg_cancelled *answer)
{
    struct fact *fact = facts_find(&answer->id);
    if (fact == NULL) {
        return;
    }
    if (answer->verdict == GG_VERDICT_CANCELLED) {
        sim_mark(SIM_MARK_CANCELLED);
        fact->never_again = true;
        if (fact->state != GG_JOB_CANCELLED) {
            facts_fail(sim, ORACLE_CANCEL,
                       "job %02x%02x is called cancelled, not ended", FACT_NAME(fact));
        }
    } else if (answer->verdict == GG_VERDICT_CANCELLING) {
        sim_mark(SIM_MARK_CANCELLING);
        /* One that has ended may yet be begun where nobody is reached. */
        bool adrift = fact->state == GG_JOB_CANCELLED && sim->now < fact->begins_until;
        fact->cancelling = !adrift;
        if (!fact->lease_open && !fact->unsure && !adrift) {
            facts_fail(sim, ORACLE_CANCEL,
                       "job %02x%02x is being cancelled, not running", FACT_NAME(fact));
        }
    } else {
        sim_mark(SIM_MARK_TOO_LATE);
        if (!fact_ended(fact) && fact->state != GG_JOB_EVICTED) {
            facts_fail(sim, ORACLE_CANCEL, "job %02x%02x: too late, but it goes on",
                       FACT_NAME(fact));
        }
    }
}

static void check_done(struct sim *sim, uint32_t peer, const struct gg_command *answer)
{
    for (uint32_t i = 0; i < facts.pause_count; i++) {
        const struct fact_pause *pause = &facts.pauses[i];
        if (pause->peer != peer || pause->request != answer->request) {
            continue;
        }
        bool settled = answer->as.done.unsettled == 0;
        SIM_TRACE(sim, "broker   q%u is paused, %llu unsettled", pause->queue,
                  (unsigned long long)answer->as.done.unsettled);
        facts.paused[pause->queue] = true;
        facts.may_start_until[pause->queue] =
            settled ? 0 : sim->now + (int64_t)sim->broker.bounds.start_within_ms;
        sim_mark(settled ? SIM_MARK_PAUSED : SIM_MARK_UNSETTLED);
        facts.pauses[i] = facts.pauses[--facts.pause_count];
        return;
    }
}

void oracle_out(struct sim *sim, uint32_t peer, const struct gg_command *command)
{
    facts_rights_out(sim, peer, command);
    switch (command->code) {
    case GG_CMD_WELCOME:
        facts.welcomed = true;
        return;
    case GG_CMD_EVENT:
        facts_on_event(sim, &command->as.event);
        return;
    case GG_CMD_ASSIGN:
        check_assign(sim, peer, &command->as.assign);
        return;
    case GG_CMD_CONFIRM:
        check_confirm(sim, &command->as.confirm);
        return;
    case GG_CMD_JOB:
        check_job(sim, &command->as.job);
        return;
    case GG_CMD_ERROR:
        check_error(sim, peer, command);
        return;
    case GG_CMD_CANCELLED:
        check_cancelled(sim, &command->as.cancelled);
        return;
    case GG_CMD_PARTIAL:
        check_output(sim, &command->as.partial);
        return;
    case GG_CMD_PROGRESS:
        check_progress(sim, &command->as.progress);
        return;
    case GG_CMD_DONE:
        check_done(sim, peer, command);
        return;
    default:
        return;
    }
}
