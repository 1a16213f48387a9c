/* oracle_truth.c - what really happened: processes that ran, what people and agents
 * were told, what a broker still knows after its death, whether all came to an end. */
#include "broker/core/registry.h"
#include "common/assert.h"
#include "tests/sim/facts.h"
#include "tests/unit/test_core_walk.h"

enum { STOP_SLACK_MS = 100, RUN_MEAN_FACTOR = 12 };

/* ---- processes ---- */

/* A second process of the job while the first still runs. That is promised where a cut
 * connection gives up no lease before its time; elsewhere a cut-off agent may be in the
 * last seconds of one. */
static void check_rivals(struct sim *sim, const struct fact *fact, uint64_t fence)
{
    for (int i = 0; i < FACT_RUNS_MAX; i++) {
        const struct fact_run *run = &fact->runs[i];
        bool same_broker = sim->swarm.durable ||
                           run->fence >> 24 == fence >> 24; /* Its epoch. */
        if (!run->used || run->orphan || !same_broker) {
            continue;
        }
        sim_mark(SIM_MARK_RIVAL);
        if (sim->swarm.patient_cut) {
            facts_fail(sim, ORACLE_ONE_PROCESS,
                       "job %02x%02x runs under %llu and %llu at once", FACT_NAME(fact),
                       (unsigned long long)run->fence, (unsigned long long)fence);
        }
    }
}

void oracle_run_given(struct sim *sim, const struct gg_id *id)
{
    const struct fact *fact = facts_find(id);
    bool ever = fact != NULL && fact->order != 0; /* Perhaps by a dead one. */
    if (fact == NULL || (fact->refused && !ever)) {
        facts_fail(sim, ORACLE_REFUSED, "a job runs that was refused");
    }
}

void oracle_run_begins_late(struct sim *sim, uint32_t agent, const struct gg_id *id,
                            uint64_t fence)
{
    struct fact *fact = facts_find(id);
    if (fact == NULL) {
        return; /* oracle_run_given() has said it. */
    }
    check_rivals(sim, fact, fence);
    bool of_this_broker = fact->epoch == sim->broker.epoch && !fact->unsure;
    if (facts.paused[fact->queue] && sim->now > facts.may_start_until[fact->queue] &&
        of_this_broker) {
        facts_fail(sim, ORACLE_PAUSE, "job %02x%02x starts in a paused queue",
                   FACT_NAME(fact));
    }
    if (fact->never_again && of_this_broker) {
        facts_fail(sim, ORACLE_CANCEL, "job %02x%02x starts after it was cancelled",
                   FACT_NAME(fact));
    }
    fact->starts++;
    if (fact->ask.attempts == 1 && fact->starts > 1 && !fact->snoozed &&
        (sim->swarm.durable || of_this_broker)) {
        facts_fail(sim, ORACLE_AT_MOST_ONCE, "job %02x%02x starts for the %u. time",
                   FACT_NAME(fact), fact->starts);
    }
    for (int i = 0; i < FACT_RUNS_MAX; i++) {
        if (!fact->runs[i].used) {
            fact->runs[i] = (struct fact_run){
                .used = true, .agent = agent, .fence = fence, .since = sim->now};
            return;
        }
    }
    facts_fail(sim, ORACLE_ONE_PROCESS, "job %02x%02x runs too often at once",
               FACT_NAME(fact));
}

void oracle_run_begins(struct sim *sim, uint32_t agent, const struct gg_id *id,
                       uint64_t fence)
{
    oracle_run_given(sim, id);
    oracle_run_begins_late(sim, agent, id, fence);
}

static struct fact_run *find_run(struct fact *fact, uint32_t agent, uint64_t fence)
{
    for (int i = 0; fact != NULL && i < FACT_RUNS_MAX; i++) {
        struct fact_run *run = &fact->runs[i];
        if (run->used && run->agent == agent && run->fence == fence) {
            return run;
        }
    }
    return NULL;
}

void oracle_run_since(uint32_t agent, const struct gg_id *id, uint64_t fence,
                      int64_t since)
{
    struct fact_run *run = find_run(facts_find(id), agent, fence);
    if (run != NULL) {
        run->since = since;
    }
}

void oracle_run_ends(struct sim *sim, uint32_t agent, const struct gg_id *id,
                     uint64_t fence)
{
    struct fact *fact = facts_find(id);
    struct fact_run *run = find_run(fact, agent, fence);
    if (run == NULL) {
        return;
    }
    /* While its agent is stopped the keeper watches the lease alone. */
    int64_t most = (int64_t)(fact->ask.run_timeout_ms + sim->swarm.grace_ms +
                             sim->swarm.lease_ms) +
                   sim->swarm.spawn_ms + STOP_SLACK_MS;
    if (fact->ask.run_timeout_ms > 0 && sim->now - run->since > most) {
        facts_fail(sim, ORACLE_RUN_LIMIT, "job %02x%02x ran %lld ms of %llu",
                   FACT_NAME(fact), (long long)(sim->now - run->since),
                   (unsigned long long)fact->ask.run_timeout_ms);
    }
    run->used = false;
}

/* ---- what people are told ---- */

static void told_job(struct sim *sim, struct fact *fact, const struct gg_job_info *job)
{
    if (job->durability > fact->shown_durable) {
        fact->shown_durable = (uint8_t)job->durability;
    }
    bool end = job->state >= GG_JOB_SUCCEEDED && job->state <= GG_JOB_EXPIRED;
    if (end && fact->state == job->state) {
        fact->shown_state = (uint8_t)job->state;
    }
    /* An answer of an earlier life of the id may come late. */
    if (job->state == GG_JOB_SUCCEEDED && job->result.len > 0 &&
        fact->state == GG_JOB_SUCCEEDED && job->fence == fact->fence &&
        !gg_slice_equal(job->result, gg_slice_of(fact->result, fact->result_len))) {
        facts_fail(sim, ORACLE_RETAINED, "job %02x%02x: a client read another result",
                   FACT_NAME(fact));
    }
}

void oracle_received(const struct gg_id *id)
{
    struct fact *fact = facts_find(id);
    if (fact != NULL) {
        fact->received = true;
    }
}

/* By a broker that is durable. Who took it for volatile is told so too when it was made
 * durable since, and has had its time. */
static void check_lost(struct sim *sim, const struct sim_asked *asked)
{
    const struct fact *fact = facts_find(&asked->id);
    bool durable = fact != NULL && fact->shown_durable == GG_DURABILITY_FSYNC;
    bool gone = fact != NULL && (!fact->accepted || fact->state == GG_JOB_EVICTED);
    if (!sim->swarm.mixed || (durable && !gone)) {
        facts_fail(sim, ORACLE_NO_LOSS, "job %02x%02x, %s, is called lost",
                   asked->id.bytes[14], asked->id.bytes[15],
                   durable ? "durable" : "of a durable broker");
    }
}

void oracle_reply(struct sim *sim, const struct sim_asked *asked,
                  const struct gg_reply *reply)
{
    const struct gg_command *command = reply->command;
    if (command == NULL) {
        return; /* The library gave up: nothing is known by that. */
    }
    if (command->code == GG_CMD_JOBS) {
        struct gg_list list = command->as.jobs.jobs;
        struct gg_job_info job;
        struct gg_fault fault;
        while (gg_list_next_record(&list, GG_RECORD_JOB, &job, &fault)) {
            struct fact *fact = facts_find(&job.id);
            GG_ASSERT(fact != NULL);
            told_job(sim, fact, &job);
        }
    } else if (command->code == GG_CMD_JOB) {
        struct fact *fact = facts_find(&command->as.job.id);
        bool waited = reply->final && asked->code != GG_CMD_GET;
        if (waited && command->as.job.state >= GG_JOB_SUCCEEDED) {
            sim_mark(SIM_MARK_WAIT_ENDED);
        }
        if (fact != NULL) {
            told_job(sim, fact, &command->as.job);
        }
        const struct fact *asker = facts_find(&asked->id);
        if (!gg_id_equal(&command->as.job.id, &asked->id) &&
            (fact == NULL || asker == NULL || asker->ask.key.len == 0 ||
             !gg_slice_equal(asker->ask.key, fact->ask.key))) {
            facts_fail(sim, ORACLE_RESEND, "an answer is about another job");
        }
    } else if (command->code == GG_CMD_CANCELLED) {
        struct fact *fact = facts_find(&command->as.cancelled.id);
        if (fact != NULL && fact->never_again &&
            command->as.cancelled.verdict == GG_VERDICT_CANCELLED) {
            fact->shown_state = GG_JOB_CANCELLED;
        } else if (fact != NULL && fact->cancelling) {
            fact->shown_cancelling = true;
        }
    } else if (command->code == GG_CMD_DONE && asked->code == GG_CMD_PAUSE &&
               facts.paused[asked->queue] && asked->reaches &&
               asked->at > facts.resumed_at[asked->queue]) {
        facts.shown_paused[asked->queue] = true;
    } else if (command->code == GG_CMD_ERROR &&
               command->as.error.error == GG_ERR_LOST_WITH_BROKER &&
               sim->swarm.durable) {
        check_lost(sim, asked);
    }
}

void oracle_confirmed(struct sim *sim, const struct gg_confirm *confirm)
{
    struct fact *fact = facts_find(&confirm->id);
    (void)sim;
    if (fact != NULL && confirm->error == GG_OK && fact_ended(fact) &&
        fact->ended_by_outcome && confirm->fence == fact->fence) {
        fact->shown_state = fact->state;
    }
    if (fact != NULL && confirm->error == GG_OK && confirm->fence == fact->fence) {
        fact->shown_not_before = true;
    }
}

/* ---- death and return of the broker ---- */

void oracle_broker_down(struct sim *sim)
{
    for (uint32_t i = 0; i < facts.agent_count; i++) {
        facts.agents[i].here = false;
        facts.agents[i].open = 0;
        memset(facts.agents[i].open_in, 0, sizeof facts.agents[i].open_in);
        facts.agents[i].closed_at = sim->now;
    }
    for (uint32_t i = 0; i < facts.count; i++) {
        struct fact *fact = &facts.items[i];
        fact->lease_open = false;
        fact->unsure = true;
        fact->lost = false;
        if (!sim->swarm.durable) {
            fact->accepted = false; /* It has died with its broker. */
            fact->state = GG_JOB_NONE;
            fact->never_again = false;
            fact->starts = 0;
        }
    }
    for (int q = 0; q < SIM_QUEUES_MAX; q++) {
        facts.paused[q] = sim->swarm.durable && facts.shown_paused[q];
        facts.shown_paused[q] = facts.paused[q];
        facts.assigned_order[q][0] = 0;
        facts.assigned_order[q][1] = 0;
    }
    facts.pause_count = 0;
    memset(facts.keys, 0, sizeof facts.keys);
}

/* What had been shown must still be so. */
static void check_restored(struct sim *sim, const struct fact *fact, uint8_t state)
{
    bool end = state >= GG_JOB_SUCCEEDED && state <= GG_JOB_EXPIRED;
    if (fact->shown_state != 0 && state != fact->shown_state &&
        state != GG_JOB_EVICTED) {
        facts_fail(sim, ORACLE_FINAL, "job %02x%02x had ended as %u, is %u by restart",
                   FACT_NAME(fact), fact->shown_state, state);
    }
    if (end && fact->shown_cancelling && state != GG_JOB_CANCELLED) {
        facts_fail(sim, ORACLE_CANCEL, "job %02x%02x was being cancelled, ends as %u",
                   FACT_NAME(fact), state);
    }
}

/* A job that its broker did not have to keep is gone with it. */
static void lose(const struct sim *sim, struct fact *fact)
{
    if (sim->swarm.mixed && fact->shown_durable == GG_DURABILITY_NONE) {
        sim_mark(SIM_MARK_VOLATILE_LOST);
    }
    for (int i = 0; i < FACT_RUNS_MAX; i++) {
        fact->runs[i].orphan = fact->runs[i].used;
    }
    fact->accepted = false;
    fact->state = GG_JOB_NONE;
    fact->never_again = false;
    fact->shown_state = 0;
    fact->starts = 0;
}

void oracle_restored(struct sim *sim, const struct gg_id *id,
                     const struct gg_job_info *job)
{
    struct fact *fact = facts_find(id);
    GG_ASSERT(fact != NULL);
    sim_mark(SIM_MARK_RESTORED);
    if (job == NULL) {
        bool durable = fact->shown_durable == GG_DURABILITY_FSYNC;
        bool may_be_gone = fact_ended(fact) || fact->state == GG_JOB_EVICTED;
        if (durable && !may_be_gone) {
            facts_fail(sim, ORACLE_NO_LOSS, "job %02x%02x was accepted, and is gone",
                       FACT_NAME(fact));
        }
        lose(sim, fact);
        return;
    }
    uint8_t state = (uint8_t)job->state;
    check_restored(sim, fact, state);
    bool ends = state >= GG_JOB_SUCCEEDED && state <= GG_JOB_EXPIRED;
    fact->state = state;
    fact->attempt = (uint32_t)job->attempt;
    if (job->attempts_max > 0) {
        fact->attempts_max = (uint32_t)job->attempts_max;
    }
    fact->cancelling = job->cancelling;
    fact->never_again = ends && fact->never_again;
    if (ends && fact->ended_at == 0) {
        fact->ended_at = sim->now;
    }
    bool put_off = state == GG_JOB_SCHEDULED && job->fence == fact->fence;
    if (!put_off && !fact->shown_not_before) {
        fact->not_before = 0; /* What put it off was not on disk. */
    }
    bool life_before = fact->again && job->fence != fact->fence;
    if (state == GG_JOB_SUCCEEDED && life_before) {
        fact->result_len = (uint8_t)job->result.len;
        memcpy(fact->result, job->result.data, job->result.len);
    } else if (state == GG_JOB_SUCCEEDED && job->result.len > 0) {
        bool same = gg_slice_equal(job->result,
                                   gg_slice_of(fact->result, fact->result_len));
        if (!same) {
            facts_fail(sim, ORACLE_RETAINED, "job %02x%02x has another result now",
                       FACT_NAME(fact));
        }
    }
}

/* ---- the end ---- */

bool oracle_all_ended(const struct sim *sim)
{
    (void)sim;
    for (uint32_t i = 0; i < facts.count; i++) {
        const struct fact *fact = &facts.items[i];
        if (fact->accepted && !fact_ended(fact) && fact->state != GG_JOB_EVICTED) {
            return false;
        }
    }
    return true;
}

uint64_t oracle_begun(void)
{
    return facts.begun;
}

int64_t oracle_bound_ms(const struct sim *sim)
{
    const struct sim_swarm *swarm = &sim->swarm;
    int64_t waiting = 0;
    for (uint32_t i = 0; i < facts.count; i++) {
        const struct fact *fact = &facts.items[i];
        waiting += fact->accepted && !fact_ended(fact);
    }
    /* A slot is taken until word of it has come and gone, not only while a job runs. */
    int64_t way = 2 * swarm->latency_ms + swarm->sync_ms;
    int64_t run = swarm->run_ms * RUN_MEAN_FACTOR + swarm->spawn_ms +
                  (int64_t)swarm->grace_ms + way;
    int64_t lanes = (int64_t)swarm->agents * swarm->slots;
    int64_t attempt = (int64_t)swarm->lease_ms * 2 + 5000 + run;
    return 5 * attempt + 5 * (waiting / lanes + 1) * run + 10000;
}

void oracle_judge_end(struct sim *sim)
{
    for (uint32_t i = 0; i < facts.count; i++) {
        const struct fact *fact = &facts.items[i];
        if (fact->accepted && !fact_ended(fact) && fact->state != GG_JOB_EVICTED) {
            facts_fail(sim, ORACLE_IN_TIME, "job %02x%02x has not ended, state %u",
                       FACT_NAME(fact), fact->state);
        }
    }
    for (uint32_t i = 0; i < sim->swarm.clients; i++) {
        for (int n = 0; n < SIM_ASKED_MAX; n++) {
            const struct sim_asked *asked = &sim->clients[i].asked[n];
            if (asked->used) {
                facts_fail(sim, ORACLE_WAITS_END, "client%u still waits for a %s", i,
                           gg_command_type_of(asked->code)->name);
            }
        }
    }
}

void oracle_judge_empty(struct sim *sim)
{
    const struct gg_core *core = sim->broker.core;
    if (core->count[GG_JOB_EVICTED] != core->jobs) {
        facts_fail(sim, ORACLE_BOUNDED,
                   "%llu jobs are left when all have had their time",
                   (unsigned long long)(core->jobs - core->count[GG_JOB_EVICTED]));
    }
}

void oracle_canary(struct sim *sim)
{
    facts_fail(sim, ORACLE_CANARY, "as it was told to");
}

void oracle_look_inside(struct sim *sim)
{
    struct gg_core *core = sim->broker.core;
    const struct gg_bounds *bounds = &sim->broker.bounds;
    if (!sim->nodes[SIM_BROKER].up) {
        return;
    }
    if (core->memory_bytes > bounds->memory_bytes_max ||
        core->jobs > bounds->jobs_max) {
        facts_fail(
            sim, ORACLE_BOUNDED, "%llu jobs and %llu bytes are beyond the limits",
            (unsigned long long)core->jobs, (unsigned long long)core->memory_bytes);
    }
    sim_marks[SIM_MARK_STALL] += core->stat[GG_STAT_STALLS];
    const char *fault = core_walk(core);
    if (fault != NULL) {
        facts_fail(sim, ORACLE_SOUND, "%s", fault);
    }
}
