/* oracle_events.c - the broker's own account of things, as its subscribers get it. */
#include "tests/sim/facts.h"

static void on_accepted(struct sim *sim, struct fact *fact)
{
    sim_mark(SIM_MARK_ACCEPTED);
    facts.accepted_in_step = true;
    facts.begun++;
    /* What its sender has acknowledged may be forgotten with its retention. */
    bool forgotten = fact->state == GG_JOB_EVICTED && fact->received;
    if (fact->accepted && !forgotten) {
        facts_fail(sim, ORACLE_RESEND, "job %02x%02x is accepted a second time",
                   FACT_NAME(fact));
    }
    struct fact fresh = {.ask = fact->ask,
                         .queue = fact->queue,
                         .refused = fact->refused,
                         .again = fact->accepted};
    memcpy(fresh.runs, fact->runs, sizeof fresh.runs);
    *fact = fresh;
    fact->accepted = true;
    fact->epoch = sim->broker.epoch;
    fact->order = ++facts.accept_order;
    fact->accepted_at = sim->now;
    fact->attempts_max = fact->ask.attempts == 0 ? (uint32_t)sim->broker.bounds.attempts
                                                 : (uint32_t)fact->ask.attempts;
    fact->not_before = fact->ask.delay_ms == 0 ? 0
                                               : sim->now + (int64_t)fact->ask.delay_ms;
    fact->shown_not_before = true; /* Its record, if there is one, says it. */
    for (uint32_t i = 0; i < facts.count && fact->ask.key.len > 0; i++) {
        const struct fact *other = &facts.items[i];
        bool live = other->accepted && other != fact && other->ask.unique_until == 0 &&
                    other->state != GG_JOB_EVICTED && other->state != GG_JOB_NONE &&
                    (!fact_ended(other) || other->state == GG_JOB_SUCCEEDED);
        if (live && other->queue == fact->queue &&
            gg_slice_equal(other->ask.key, fact->ask.key)) {
            facts_fail(sim, ORACLE_KEY, "jobs %02x%02x and %02x%02x have one key",
                       FACT_NAME(other), FACT_NAME(fact));
        }
    }
}

/* Why a job may have failed before its attempts were used up. */
static bool may_fail(const struct fact *fact, uint64_t error)
{
    return error == GG_ERR_REJECTED || error == GG_ERR_POISON ||
           fact->ask.attempts == 1 || fact->unsure ||
           fact->attempt >= fact->attempts_max;
}

static void on_succeeded(struct sim *sim, struct fact *fact)
{
    const struct gg_event *ev = facts.ev;
    const struct gg_outcome_info *outcome = NULL;
    if (ev->type == GG_EV_COMMAND && ev->command->code == GG_CMD_OUTCOME) {
        outcome = &ev->command->as.outcome;
    }
    const struct fact_agent *agent = facts_agent_at(ev->peer);
    if (outcome == NULL || !gg_id_equal(&outcome->id, &fact->ask.id) ||
        outcome->fence != fact->fence || outcome->kind != GG_OUTCOME_SUCCEEDED ||
        agent == NULL || fact->holder != (uint32_t)(agent - facts.agents)) {
        facts_fail(sim, ORACLE_STALE, "job %02x%02x succeeds by %llu, not %llu of %s",
                   FACT_NAME(fact),
                   (unsigned long long)(outcome == NULL ? 0 : outcome->fence),
                   (unsigned long long)fact->fence, facts.agents[fact->holder].name);
        return;
    }
    if (fact->cancelling) {
        facts_fail(sim, ORACLE_CANCEL, "job %02x%02x was being cancelled and succeeds",
                   FACT_NAME(fact));
    }
    fact->result_len = (uint8_t)(outcome->result.len < FACT_RESULT_BYTES
                                     ? outcome->result.len
                                     : FACT_RESULT_BYTES);
    memcpy(fact->result, outcome->result.data, fact->result_len);
    if (!fact->lease_open) {
        sim_mark(SIM_MARK_LATE_SUCCESS);
    }
}

static void on_ended(struct sim *sim, struct fact *fact,
                     const struct gg_moment_info *moment)
{
    if (fact_ended(fact)) {
        facts_fail(sim, ORACLE_FINAL, "job %02x%02x ends twice", FACT_NAME(fact));
    }
    if (moment->state == GG_JOB_SUCCEEDED) {
        on_succeeded(sim, fact);
    } else if (moment->state == GG_JOB_FAILED && !may_fail(fact, moment->error)) {
        facts_fail(sim, ORACLE_ATTEMPTS, "job %02x%02x fails (%s), attempt %u of %u",
                   FACT_NAME(fact), gg_err_name((enum gg_err)moment->error),
                   fact->attempt, fact->attempts_max);
    } else if (moment->state == GG_JOB_CANCELLED && !fact->cancel_asked &&
               facts.ev->type != GG_EV_TICK) {
        facts_fail(sim, ORACLE_CANCEL, "job %02x%02x is cancelled by nobody",
                   FACT_NAME(fact));
    } else if (moment->state == GG_JOB_EXPIRED) {
        sim_mark(SIM_MARK_EXPIRED);
        if (fact->ask.expires_ms == 0 || fact->by_hand ||
            sim->now < fact->accepted_at + (int64_t)fact->ask.expires_ms) {
            facts_fail(sim, ORACLE_EXPIRY, "job %02x%02x expires before its time",
                       FACT_NAME(fact));
        }
    }
    if (moment->error == GG_ERR_POISON) {
        sim_mark(SIM_MARK_POISON);
    }
    facts_close_lease(fact);
    fact->state = (uint8_t)moment->state;
    fact->cancelling = false;
    fact->lost = false;
    fact->ended_at = sim->now;
    fact->ended_by_outcome = facts.newest &&
                             gg_id_equal(&facts.ev->command->as.outcome.id,
                                         &fact->ask.id);
    facts.ended_in_step = true;
}

/* Until when the job must be kept, as far as that was promised. */
static int64_t kept_until(const struct sim *sim, const struct fact *fact)
{
    const struct gg_submit *ask = &fact->ask;
    if (fact->state != GG_JOB_SUCCEEDED) {
        return fact->ended_at + (int64_t)ask->keep_failed_ms;
    }
    if (ask->keep_ms == GG_UNSAID && ask->key.len > 0) {
        return fact->ended_at + (int64_t)sim->broker.bounds.keep_keyed_ms;
    }
    bool until_delivered = ask->keep_ms == GG_UNSAID || ask->keep_ms == 0;
    return until_delivered ? 0 : fact->ended_at + (int64_t)ask->keep_ms;
}

static void on_evicted(struct sim *sim, struct fact *fact)
{
    sim_mark(SIM_MARK_EVICTED);
    bool purge = facts.ev->type == GG_EV_TICK && sim->swarm.purges;
    bool capped = fact->state == GG_JOB_FAILED && sim->swarm.tiny;
    if (!fact_ended(fact)) {
        facts_fail(sim, ORACLE_NO_LOSS, "job %02x%02x is evicted before its end",
                   FACT_NAME(fact));
    } else if (capped && sim->now < kept_until(sim, fact)) {
        sim_mark(SIM_MARK_DEAD_CAPPED);
    } else if (purge && sim->now < kept_until(sim, fact)) {
        sim_mark(SIM_MARK_PURGED);
    } else if (sim->now < kept_until(sim, fact)) {
        facts_fail(sim, ORACLE_RETAINED, "job %02x%02x is evicted %lld ms early",
                   FACT_NAME(fact), (long long)(kept_until(sim, fact) - sim->now));
    }
    fact->state = GG_JOB_EVICTED;
}

static void on_retried(struct fact *fact, const struct gg_moment_info *moment)
{
    uint32_t more = fact->ask.attempts == 0 ? 5 : (uint32_t)fact->ask.attempts;
    sim_mark(SIM_MARK_RETRIED);
    facts.begun++;
    fact->state = GG_JOB_READY;
    fact->attempts_max = (uint32_t)moment->attempt + more;
    fact->by_hand = true;
    fact->never_again = false;
    fact->cancel_asked = false;
    fact->shown_state = 0;
    fact->shown_cancelling = false;
    fact->not_before = 0;
    fact->starts = 0;
}

static void on_lease_lost(struct sim *sim, struct fact *fact, uint64_t error)
{
    sim_mark(error == GG_ERR_LEASE_LOST ? SIM_MARK_LEASE_LOST : SIM_MARK_GIVEN_BACK);
    if (facts.ev->type == GG_EV_TICK && fact->lease_until <= sim->now) {
        sim_mark(SIM_MARK_LEASE_DUE);
    }
    if (fact->lease_open && !facts_may_end(sim, fact)) {
        facts_fail(sim, ORACLE_ONE_LEASE, "job %02x%02x loses its lease %lld ms early",
                   FACT_NAME(fact), (long long)(fact->lease_until - sim->now));
    }
    facts_close_lease(fact);
    fact->begins_until = sim->now + (int64_t)sim->broker.bounds.start_within_ms;
    fact->lost = error == GG_ERR_LEASE_LOST;
    fact->state = GG_JOB_READY;
}

static void on_outcome(const struct fact *fact, const struct gg_moment_info *moment)
{
    (void)fact;
    switch (moment->error) {
    case GG_ERR_REJECTED:
        sim_mark(SIM_MARK_REJECTED);
        break;
    case GG_ERR_SNOOZED:
        sim_mark(SIM_MARK_SNOOZED);
        break;
    case GG_ERR_RUN_TIMEOUT:
        sim_mark(SIM_MARK_TIMED_OUT);
        break;
    case GG_ERR_WITHDRAWN:
        sim_mark(SIM_MARK_GIVEN_BACK);
        break;
    default:
        break;
    }
}

static void trace_moment(struct sim *sim, const struct fact *fact,
                         const struct gg_moment_info *moment)
{
    static const char *const names[GG_MOMENT_COUNT] = {
        [GG_MOMENT_ACCEPTED] = "accepted",
        [GG_MOMENT_READY] = "ready",
        [GG_MOMENT_ASSIGNED] = "assigned",
        [GG_MOMENT_STARTED] = "started",
        [GG_MOMENT_OUTCOME] = "outcome",
        [GG_MOMENT_LEASE_LOST] = "lease lost",
        [GG_MOMENT_RETRY] = "waits to be retried",
        [GG_MOMENT_CANCEL] = "is to be cancelled",
        [GG_MOMENT_RETRIED] = "retried by hand",
        [GG_MOMENT_ENDED] = "ended",
        [GG_MOMENT_EVICTED] = "evicted",
        [GG_MOMENT_RESUBMITTED] = "met by its key",
    };
    const char *name = moment->kind < GG_MOMENT_COUNT ? names[moment->kind] : NULL;
    sim_say(sim, "broker   job %02x%02x %s, q%u state %u attempt %u fence %llu (%s)",
            FACT_NAME(fact), name == NULL ? "?" : name, fact->queue,
            (unsigned)moment->state, (unsigned)moment->attempt,
            (unsigned long long)moment->fence, gg_err_name((enum gg_err)moment->error));
}

static void on_job_moment(struct sim *sim, struct fact *fact,
                          const struct gg_moment_info *moment)
{
    if (sim->trace) {
        trace_moment(sim, fact, moment);
    }
    switch (moment->kind) {
    case GG_MOMENT_ACCEPTED:
        on_accepted(sim, fact);
        fact->state = (uint8_t)moment->state;
        break;
    case GG_MOMENT_ASSIGNED:
        if (moment->fence <= facts.last_fence) { /* Taken back from who still ran it. */
            fact->unsure = fact->unsure || moment->fence != fact->fence;
            fact->fence = moment->fence;
            if (moment->fence > fact->fence_most) { /* Accepted anew since. */
                fact->fence_most = moment->fence;
            }
            fact->not_before = 0; /* It was due when it began. */
        }
        break;
    case GG_MOMENT_OUTCOME:
        on_outcome(fact, moment);
        if (moment->error == GG_ERR_SNOOZED) {
            fact->snoozed = true;
            fact->shown_not_before = false;
            fact->not_before = sim->now +
                               (int64_t)facts.ev->command->as.outcome.snooze_ms;
        }
        if (facts.ev->type == GG_EV_COMMAND && fact->lease_open &&
            moment->fence == fact->fence && moment->error != GG_OK) {
            facts_close_lease(fact);
        }
        break;
    case GG_MOMENT_LEASE_LOST:
        on_lease_lost(sim, fact, moment->error);
        break;
    case GG_MOMENT_RETRY:
        sim_mark(SIM_MARK_BACKOFF);
        facts_close_lease(fact);
        fact->state = GG_JOB_SCHEDULED;
        fact->not_before = sim->now + (int64_t)fact->ask.backoff_ms;
        fact->shown_not_before = false;
        break;
    case GG_MOMENT_CANCEL:
        fact->cancel_asked = true;
        break;
    case GG_MOMENT_RETRIED:
        on_retried(fact, moment);
        break;
    case GG_MOMENT_ENDED:
        on_ended(sim, fact, moment);
        break;
    case GG_MOMENT_EVICTED:
        on_evicted(sim, fact);
        break;
    case GG_MOMENT_RESUBMITTED:
        sim_mark(SIM_MARK_KEY_MET);
        break;
    default:
        break;
    }
}

void facts_on_event(struct sim *sim, const struct gg_event_info *event)
{
    struct gg_list list = event->moments;
    struct gg_moment_info moment;
    struct gg_fault fault;
    while (gg_list_next_record(&list, GG_RECORD_MOMENT, &moment, &fault)) {
        if (moment.kind == GG_MOMENT_WORKER_SUSPECT) {
            sim_mark(SIM_MARK_SUSPECT);
        }
        struct fact *fact = gg_id_is_none(&moment.id) ? NULL : facts_find(&moment.id);
        if (fact != NULL) {
            on_job_moment(sim, fact, &moment);
        }
    }
}
