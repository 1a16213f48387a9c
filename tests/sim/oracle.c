/* oracle.c - at the broker's door: what goes in and out, in the order of things. */
#include "tests/sim/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "tests/sim/facts.h"

struct facts facts;

/* ---- the table ---- */

static const char *const check_names[ORACLE_CHECK_COUNT] = {
#define X(symbol, meaning) [ORACLE_##symbol] = #symbol,
    ORACLE_CHECK_LIST(X)
#undef X
};

void facts_convict(struct fact_site *site, struct sim *sim, enum oracle_check check,
                   const char *format, ...)
{
    va_list args;
    char text[200];
    if (facts.verdict[0] != '\0') {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    site->convicted = true;
    facts.broken = check;
    (void)snprintf(facts.verdict, sizeof facts.verdict, "%s at %.3f s: %s",
                   check_names[check], (double)sim->now / 1000.0, text);
    SIM_TRACE(sim, "ORACLE   %s", facts.verdict);
}

const char *oracle_verdict(void)
{
    return facts.verdict[0] == '\0' ? NULL : facts.verdict;
}

enum oracle_check oracle_broken(void)
{
    return facts.broken;
}

static uint64_t hash_of(const struct gg_id *id)
{
    uint64_t hash = 0;
    memcpy(&hash, id->bytes + 8, sizeof hash);
    return hash * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

struct fact *facts_find(const struct gg_id *id)
{
    for (uint64_t at = hash_of(id);; at++) {
        uint32_t place = facts.places[at % facts.place_room];
        if (place == 0) {
            return NULL;
        }
        if (gg_id_equal(&facts.items[place - 1].ask.id, id)) {
            return &facts.items[place - 1];
        }
    }
}

static void enter(uint32_t place)
{
    uint64_t at = hash_of(&facts.items[place].ask.id);
    while (facts.places[at % facts.place_room] != 0) {
        at++;
    }
    facts.places[at % facts.place_room] = place + 1;
}

static void grow(void)
{
    facts.room = facts.room == 0 ? 512 : facts.room * 2;
    facts.items = realloc(facts.items, facts.room * sizeof *facts.items);
    free(facts.places);
    facts.place_room = facts.room * 2;
    facts.places = calloc(facts.place_room, sizeof *facts.places);
    GG_ASSERT(facts.items != NULL && facts.places != NULL);
    for (uint32_t i = 0; i < facts.count; i++) {
        enter(i);
    }
}

enum { GG_FORGET_MS = 60000 }; /* A gone agent is known this long. */

void oracle_begin(const struct sim *sim)
{
    (void)sim;
    struct fact *items = facts.items;
    uint32_t *places = facts.places;
    uint32_t room = facts.room;
    uint32_t place_room = facts.place_room;
    facts = (struct facts){
        .items = items, .places = places, .room = room, .place_room = place_room};
    if (places != NULL) {
        memset(places, 0, place_room * sizeof *places);
    } else {
        grow();
    }
}

void oracle_end(void)
{
    free(facts.items);
    free(facts.places);
    facts = (struct facts){0};
}

void oracle_asked(struct sim *sim, const struct gg_submit *submit)
{
    (void)sim;
    if (facts.count == facts.room) {
        grow();
    }
    struct fact *fact = &facts.items[facts.count];
    *fact = (struct fact){.ask = *submit};
    fact->queue = (uint8_t)(submit->queue.data[1] - '0');
    enter(facts.count++);
}

bool oracle_known(const struct sim *sim, uint64_t back, struct gg_submit *out)
{
    (void)sim;
    if (back >= facts.count) {
        return false;
    }
    *out = facts.items[facts.count - 1 - back].ask;
    return true;
}

bool oracle_accepted(uint32_t n, struct gg_id *out)
{
    for (uint32_t i = 0; i < facts.count; i++) {
        if (facts.items[i].accepted && n-- == 0) {
            *out = facts.items[i].ask.id;
            return true;
        }
    }
    return false;
}

bool oracle_running(const struct sim *sim, uint64_t pick, struct gg_id *id,
                    uint64_t *out_fence)
{
    (void)sim;
    uint32_t near = facts.count < 40 ? facts.count : 40;
    for (uint32_t n = 0; n < near; n++) {
        const struct fact *fact = &facts.items[facts.count - 1 - (pick + n) % near];
        if (fact->lease_open) {
            *id = fact->ask.id;
            *out_fence = fact->fence;
            return true;
        }
    }
    return false;
}

/* ---- agents and leases ---- */

struct fact_agent *facts_agent(const char *name, size_t len)
{
    for (uint32_t i = 0; i < facts.agent_count; i++) {
        if (strlen(facts.agents[i].name) == len &&
            memcmp(facts.agents[i].name, name, len) == 0) {
            return &facts.agents[i];
        }
    }
    GG_ASSERT(facts.agent_count < FACT_AGENTS_MAX && len < 16);
    struct fact_agent *agent = &facts.agents[facts.agent_count++];
    *agent = (struct fact_agent){.peer = GG_PEER_NONE, .honest = name[0] == 'a'};
    memcpy(agent->name, name, len);
    return agent;
}

struct fact_agent *facts_agent_at(uint32_t peer)
{
    for (uint32_t i = 0; i < facts.agent_count; i++) {
        if (facts.agents[i].here && facts.agents[i].peer == peer) {
            return &facts.agents[i];
        }
    }
    return NULL;
}

void facts_close_lease(struct fact *fact)
{
    if (fact->lease_open) {
        fact->lease_open = false;
        facts.agents[fact->holder].open--;
        facts.agents[fact->holder].open_in[fact->pool]--;
    }
}

void facts_open_lease(const struct sim *sim, struct fact *fact)
{
    fact->lease_open = true;
    fact->lost = false;
    fact->state = GG_JOB_RUNNING;
    fact->lease_until = sim->now + (int64_t)sim->broker.bounds.lease_ms;
    facts.agents[fact->holder].open++;
    facts.agents[fact->holder].open_in[fact->pool]++;
}

void facts_read_pools(struct fact_agent *agent, struct gg_list pools)
{
    struct gg_pool_info pool;
    struct gg_fault fault;
    while (gg_list_next_record(&pools, GG_RECORD_POOL, &pool, &fault)) {
        agent->slots[(pool.pool - 1) % FACT_POOLS] = (uint32_t)pool.slots;
    }
}

static bool is_held(uint64_t fence)
{
    for (uint32_t i = 0; i < facts.held_count; i++) {
        if (facts.held[i] == fence) {
            return true;
        }
    }
    return false;
}

/* Is there a reason by which this lease may be over? By outcome, by proof of death, by
 * a connection that closed and stayed away, by its deadline. */
bool facts_may_end(const struct sim *sim, const struct fact *fact)
{
    const struct fact_agent *holder = &facts.agents[fact->holder];
    const struct gg_event *ev = facts.ev;
    int64_t grace = (int64_t)sim->broker.bounds.gone_grace_ms;
    if (fact->lease_until <= sim->now) {
        return true;
    }
    if (!holder->here && sim->now - holder->closed_at >= grace) {
        return true;
    }
    if (ev->type == GG_EV_HELLO && ev->command->as.hello.kind == GG_PEER_AGENT) {
        const struct gg_hello *hello = &ev->command->as.hello;
        bool its = gg_slice_equal(hello->name, gg_slice_text(holder->name));
        return its &&
               (hello->incarnation != holder->incarnation || !is_held(fact->fence));
    }
    if (ev->type == GG_EV_CLOSED) {
        return ev->bye && holder->peer == ev->peer;
    }
    return ev->type == GG_EV_COMMAND && ev->command->code == GG_CMD_OUTCOME &&
           holder->here && holder->peer == ev->peer &&
           ev->command->as.outcome.fence == fact->fence;
}

/* ---- what comes in ---- */

static void hear_held(struct gg_list list)
{
    struct gg_held one;
    struct gg_fault fault;
    facts.held_count = 0;
    while (facts.held_count < FACT_HELD_MAX &&
           gg_list_next_record(&list, GG_RECORD_HELD, &one, &fault)) {
        facts.held[facts.held_count++] = one.fence;
    }
}

/* Renew what the agent holds and lists; what a hello does not list is over. */
static void settle(const struct sim *sim, uint32_t holder, bool whole)
{
    int64_t until = sim->now + (int64_t)sim->broker.bounds.lease_ms;
    for (uint32_t i = 0; i < facts.count && facts.agents[holder].open > 0; i++) {
        struct fact *fact = &facts.items[i];
        if (!fact->lease_open || fact->holder != holder) {
            continue;
        }
        if (is_held(fact->fence)) {
            fact->lease_until = until;
        } else if (whole && fact->fence <= facts.step_fence) {
            facts_close_lease(fact);
        }
    }
}

static void hear_heartbeat(const struct sim *sim, struct fact_agent *agent,
                           const struct gg_heartbeat *beat)
{
    struct gg_list list = beat->held;
    facts.held_count = 0;
    while (facts.held_count < FACT_HELD_MAX &&
           gg_list_next_num(&list, &facts.held[facts.held_count])) {
        facts.held_count++;
    }
    if (agent->honest) { /* Who lists them in no order may be renewed in part. */
        settle(sim, (uint32_t)(agent - facts.agents), false);
    }
    facts_read_pools(agent, beat->pools);
}

/* An outcome of the newest fence from who holds it, or held it last, must count. */
static void hear_outcome(const struct sim *sim, struct fact_agent *agent,
                         const struct gg_outcome_info *outcome)
{
    struct fact *fact = facts_find(&outcome->id);
    bool success = outcome->kind == GG_OUTCOME_SUCCEEDED &&
                   outcome->result.len <= sim->broker.bounds.result_bytes_max;
    /* Not under an older fence than the one that was taken back: what follows a lost
     * lease is on disk before it leaves, so the broker knows the newer one. */
    bool older = fact != NULL && fact->lease_open && outcome->fence < fact->fence;
    if (fact != NULL && fact->unsure && !older) {
        fact->fence = outcome->fence; /* Taken back, or too late: the broker knows. */
        fact->holder = (uint32_t)(agent - facts.agents);
    }
    facts.newest = fact != NULL && fact->fence == outcome->fence &&
                   (fact->unsure || fact->holder == (uint32_t)(agent - facts.agents));
    if (!facts.newest || !agent->honest) {
        return;
    }
    facts.must_end = fact->lease_open && success && !fact->cancelling;
    facts.step_id = outcome->id;
}

static void hear_pause(const struct sim *sim, const struct gg_event *ev)
{
    uint8_t queue = (uint8_t)(ev->command->as.scope.queue.data[1] - '0');
    if (ev->command->code == GG_CMD_RESUME) {
        facts.paused[queue] = false;
        facts.shown_paused[queue] = false;
        facts.resumed_at[queue] = sim->now;
        facts.may_start_until[queue] = 0;
        for (uint32_t i = 0; i < facts.pause_count;) {
            if (facts.pauses[i].queue == queue) { /* Its answer says nothing now. */
                facts.pauses[i] = facts.pauses[--facts.pause_count];
            } else {
                i++;
            }
        }
    } else if (facts.pause_count < FACT_PAUSES_MAX) {
        facts.pauses[facts.pause_count++] = (struct fact_pause){
            .peer = ev->peer, .request = ev->command->request, .queue = queue};
    }
}

/* Of the attempt that holds the lease: it is handed on from now on. */
static void hear_checkpoint(const struct fact_agent *agent,
                            const struct gg_checkpoint *checkpoint)
{
    struct fact *fact = facts_find(&checkpoint->id);
    if (fact != NULL && fact->lease_open && fact->fence == checkpoint->fence &&
        fact->holder == (uint32_t)(agent - facts.agents)) {
        fact->checkpoint = checkpoint->fence;
    }
}

static void hear_command(struct sim *sim, const struct gg_event *ev)
{
    const struct gg_command *command = ev->command;
    struct fact_agent *agent = facts_agent_at(ev->peer);
    if (command->code == GG_CMD_SUBMIT) {
        const struct fact *fact = facts_find(&command->as.submit.id);
        if (fact != NULL && fact->accepted) {
            sim_mark(SIM_MARK_RESENT);
        }
    }
    if (agent != NULL && command->code == GG_CMD_HEARTBEAT) {
        hear_heartbeat(sim, agent, &command->as.heartbeat);
    } else if (agent != NULL && command->code == GG_CMD_OUTCOME) {
        hear_outcome(sim, agent, &command->as.outcome);
    } else if (agent != NULL && command->code == GG_CMD_CHECKPOINT) {
        hear_checkpoint(agent, &command->as.checkpoint);
    } else if ((command->code == GG_CMD_PAUSE || command->code == GG_CMD_RESUME) &&
               facts_reaches(ev->peer, command->as.scope.queue)) {
        hear_pause(sim, ev);
    }
}

/* A session is over: what was asked in it is not answered any more. */
static void drop_pauses(uint32_t peer)
{
    for (uint32_t i = 0; i < facts.pause_count;) {
        if (facts.pauses[i].peer == peer) {
            facts.pauses[i] = facts.pauses[--facts.pause_count];
        } else {
            i++;
        }
    }
}

void oracle_in(struct sim *sim, const struct gg_event *ev)
{
    facts.ev = ev;
    facts.welcomed = false;
    facts.ended_in_step = false;
    facts.accepted_in_step = false;
    facts.must_end = false;
    facts.newest = false;
    facts.step_fence = facts.last_fence;
    facts.step_begun = facts.begun;
    facts_rights_in(ev);
    if (ev->type == GG_EV_HELLO || ev->type == GG_EV_CLOSED) {
        drop_pauses(ev->peer);
    }
    if (ev->type == GG_EV_COMMAND) {
        hear_command(sim, ev);
    } else if (ev->type == GG_EV_HELLO && ev->command->as.hello.kind == GG_PEER_AGENT) {
        hear_held(ev->command->as.hello.held);
    }
}

/* ---- the end of a step ---- */

static void end_hello(const struct gg_event *ev)
{
    const struct gg_hello *hello = &ev->command->as.hello;
    struct fact_agent *agent = facts_agent((const char *)hello->name.data,
                                           hello->name.len);
    if (hello->incarnation != agent->incarnation) {
        sim_mark(SIM_MARK_NEW_LIFE);
    }
    agent->here = true;
    agent->peer = ev->peer;
    agent->incarnation = hello->incarnation;
    memset(agent->slots, 0, sizeof agent->slots);
    facts_read_pools(agent, hello->pools);
}

/* What the core has taken back is leased again without an assignment. */
static void take_back(const struct sim *sim, uint32_t holder)
{
    for (uint32_t i = 0; i < facts.count; i++) {
        struct fact *fact = &facts.items[i];
        if (fact->accepted && !fact->lease_open && fact->holder == holder &&
            fact->state == GG_JOB_READY && fact->lost && is_held(fact->fence) &&
            fact->ask.attempts != 1) {
            sim_mark(SIM_MARK_TAKEN_BACK);
            facts_open_lease(sim, fact);
        }
    }
}

void oracle_step_end(struct sim *sim)
{
    const struct gg_event *ev = facts.ev;
    facts_rights_end(sim);
    if (facts.must_end && !facts.ended_in_step) {
        facts_fail(sim, ORACLE_KEPT_OUTCOME,
                   "a success of the newest fence is ignored");
    }
    if (ev->type == GG_EV_HELLO && facts.welcomed &&
        ev->command->as.hello.kind == GG_PEER_AGENT) {
        end_hello(ev);
        struct fact_agent *agent = facts_agent_at(ev->peer);
        if (sim->now - agent->closed_at < GG_FORGET_MS) {
            take_back(sim, (uint32_t)(agent - facts.agents));
        }
        settle(sim, (uint32_t)(agent - facts.agents), true);
    }
    if (ev->type == GG_EV_CLOSED) {
        struct fact_agent *agent = facts_agent_at(ev->peer);
        if (agent != NULL) {
            agent->here = false;
            agent->closed_at = sim->now;
        }
    }
    facts.held_count = 0;
}
