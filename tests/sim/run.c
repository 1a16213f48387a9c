#include "tests/sim/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum {
    LOOK_EVERY = 4000, /* Events between looks inside the core. */
    WANT_EVERY = 512,  /* … between looks whether all has ended. */
    EVENTS_MAX = 4000000,
    SOURCES = 9,
    DOWN_MS = 300,
    ANSWERS_MS = 75000, /* A client takes a silent broker for dead after 30 s. */
    EMPTY_MS = 200000,  /* The longest retention there is here. */
};

/* Sources of faults, in the order of their bits. */
enum source {
    CUTS,
    DEAF,
    APART,
    PAUSES,
    BROKER_PAUSES,
    BROKER_CRASHES,
    AGENT_CRASHES,
    CLIENT_CRASHES,
    WALL_JUMPS,
};

void sim_limits_none(struct sim_limits *limits)
{
    *limits = (struct sim_limits){
        .faults = UINT64_MAX, .acts = UINT64_MAX, .chaos_ms = INT64_MAX};
}

/* ---- what a seed draws ---- */

/* A value between least and most whose logarithm is even. */
static int64_t log_uniform(struct gg_rng *rng, int64_t least, int64_t most)
{
    int doublings = 0;
    while (least << (doublings + 1) <= most) {
        doublings++;
    }
    int64_t base = least << gg_rng_below(rng, (uint64_t)doublings + 1);
    int64_t value = base + (int64_t)gg_rng_below(rng, (uint64_t)base);
    return value < most ? value : most;
}

/* On in one seed of `of`: else 0. */
static int64_t sometimes(struct gg_rng *rng, uint64_t of, int64_t least, int64_t most)
{
    bool on = gg_rng_below(rng, of) == 0;
    int64_t value = log_uniform(rng, least, most);
    return on ? value : 0;
}

static bool coin(struct gg_rng *rng)
{
    return gg_rng_below(rng, 2) == 0;
}

static void draw_world(struct gg_rng *rng, struct sim_swarm *swarm)
{
    static const uint64_t leases[] = {15000, 15000, 4000, 2000};
    static const uint64_t graces[] = {25000, 1000, 200};
    swarm->clients = 1 + (uint32_t)gg_rng_below(rng, SIM_CLIENTS_MAX);
    swarm->agents = 1 + (uint32_t)gg_rng_below(rng, SIM_AGENTS_MAX);
    swarm->liars = gg_rng_below(rng, 4) == 0 ? 1 + (uint32_t)gg_rng_below(rng, 2) : 0;
    swarm->slots = 1 + (uint32_t)gg_rng_below(rng, SIM_SLOTS_MAX);
    swarm->queues = 1 + (uint32_t)gg_rng_below(rng, SIM_QUEUES_MAX);
    swarm->keys = coin(rng) ? (uint32_t)gg_rng_below(rng, SIM_KEYS_MAX + 1) : 0;
    swarm->tiny = coin(rng);
    swarm->durable = coin(rng);
    swarm->patient_cut = coin(rng);
    swarm->lease_ms = leases[gg_rng_below(rng, 4)];
    swarm->grace_ms = graces[gg_rng_below(rng, 3)];
    swarm->chaos_ms = log_uniform(rng, 5000, 120000);
}

static void draw_faults(struct gg_rng *rng, struct sim_swarm *swarm)
{
    swarm->loss_ppm = (uint32_t)sometimes(rng, 3, 100, 40000);
    swarm->twice_ppm = (uint32_t)sometimes(rng, 3, 100, 40000);
    swarm->reorder_ppm = (uint32_t)sometimes(rng, 4, 100, 20000);
    swarm->latency_ms = log_uniform(rng, 1, gg_rng_below(rng, 8) == 0 ? 1500 : 40);
    swarm->pass_ms = coin(rng) ? 0 : log_uniform(rng, 1, 30);
    swarm->sync_ms = log_uniform(rng, 1, gg_rng_below(rng, 8) == 0 ? 2000 : 30);
    swarm->cut_ms = sometimes(rng, 2, 300, 60000);
    swarm->half_open_ppm = (uint32_t)gg_rng_below(rng, 1000000);
    swarm->deaf_ms = sometimes(rng, 3, 2000, 60000);
    swarm->apart_ms = sometimes(rng, 3, 2000, 60000);
    swarm->pause_ms = sometimes(rng, 2, 1000, 60000);
    swarm->pause_len_ms = log_uniform(rng, 50, 30000);
    swarm->broker_pause_ms = sometimes(rng, 3, 3000, 60000);
    swarm->broker_crash_ms = sometimes(rng, 3, 3000, 60000);
    swarm->agent_crash_ms = sometimes(rng, 2, 1000, 60000);
    swarm->client_crash_ms = sometimes(rng, 3, 1000, 60000);
    swarm->wall_jump_ms = sometimes(rng, 4, 2000, 60000);
}

static void draw_work(struct gg_rng *rng, struct sim_swarm *swarm)
{
    swarm->submit_ms = log_uniform(rng, 20, 3000);
    swarm->run_ms = log_uniform(rng, 2, 4000);
    swarm->spawn_ms = log_uniform(rng, 1, 200);
    swarm->fail_ppm = coin(rng) ? (uint32_t)gg_rng_below(rng, 600000) : 0;
    swarm->stubborn_ppm = coin(rng) ? (uint32_t)gg_rng_below(rng, 300000) : 0;
    swarm->operators = coin(rng);
    /* More moments in a step than a subscriber may owe would be a gap. */
    swarm->purges = gg_rng_below(rng, 4) == 0 && swarm->tiny;
    swarm->delays = coin(rng);
    swarm->expiries = coin(rng);
    swarm->priorities = coin(rng);
    swarm->cancels = coin(rng);
    swarm->drains = gg_rng_below(rng, 3) == 0;
    swarm->many = coin(rng);
    swarm->talks = coin(rng);
    swarm->pools = coin(rng);
    swarm->mixed = coin(rng) && swarm->durable;
}

/* In one seed of three the clients' keys may do this or that only. */
static void draw_keys(struct gg_rng *rng, struct sim_swarm *swarm)
{
    static const uint8_t roles[] = {GG_ROLE_ALL, GG_ROLE_SUBMIT, GG_ROLE_OBSERVE,
                                    GG_ROLE_SUBMIT | GG_ROLE_OBSERVE, GG_ROLE_OPERATE};
    bool keyed = gg_rng_below(rng, 3) == 0;
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        uint8_t drawn = roles[gg_rng_below(rng, sizeof roles)];
        bool narrow = coin(rng);
        swarm->roles[i] = keyed ? drawn : GG_ROLE_ALL;
        swarm->first_queue[i] = keyed && narrow;
    }
}

/* ---- faults ---- */

static int64_t mean_of(const struct sim *sim, enum source source)
{
    const struct sim_swarm *swarm = &sim->swarm;
    const int64_t means[SOURCES] = {
        swarm->cut_ms,         swarm->deaf_ms,         swarm->apart_ms,
        swarm->pause_ms,       swarm->broker_pause_ms, swarm->broker_crash_ms,
        swarm->agent_crash_ms, swarm->client_crash_ms, swarm->wall_jump_ms,
    };
    return means[source];
}

static void schedule_fault(struct sim *sim, enum source source)
{
    int64_t mean = mean_of(sim, source);
    if (mean > 0) {
        sim_after(sim, sim_about(&sim->fault_rng, mean), SIM_EV_FAULT, SIM_BROKER,
                  (uint64_t)source);
    }
}

static uint16_t a_peer(struct sim *sim)
{
    return (uint16_t)(1 + gg_rng_below(&sim->fault_rng, sim->node_count - 1));
}

static void stop_for(struct sim *sim, uint16_t node, int64_t ms)
{
    struct sim_node *it = &sim->nodes[node];
    if (it->up && it->stopped_until <= sim->now) {
        SIM_TRACE(sim, "node %-3u is stopped for %lld ms", node, (long long)ms);
        it->stopped_until = sim->now + ms;
        sim_after(sim, ms, SIM_EV_RESUME, node, 0);
    }
}

static void cut_one(struct sim *sim)
{
    uint16_t node = a_peer(sim);
    bool silent = sim_chance(&sim->fault_rng, sim->swarm.half_open_ppm);
    bool one_side = gg_rng_below(&sim->fault_rng, 4) == 0;
    SIM_TRACE(sim, "node %-3u is cut off%s", node, silent ? ", nobody is told" : "");
    sim_cut(sim, sim->nodes[node].conn, !silent, !silent && !one_side);
}

static void block(struct sim *sim, enum source source)
{
    uint16_t node = a_peer(sim);
    struct sim_node *it = &sim->nodes[node];
    SIM_TRACE(sim, "node %-3u %s", node,
              source == APART ? "reaches nobody" : "has lost one direction");
    if (source == APART) {
        sim_cut(sim, it->conn, false, coin(&sim->fault_rng));
        it->apart = true;
    } else if (coin(&sim->fault_rng)) {
        it->deaf = true;
    } else {
        it->mute = true;
    }
    sim_after(sim, sim_about(&sim->fault_rng, 6000), SIM_EV_MEND, node, 0);
}

static void crash_broker(struct sim *sim)
{
    if (sim->nodes[SIM_BROKER].up) {
        sim_broker_stop(sim);
        sim_after(sim, sim_about(&sim->fault_rng, DOWN_MS), SIM_EV_BACK, SIM_BROKER, 0);
    }
}

static void crash_agent(struct sim *sim)
{
    uint32_t i = (uint32_t)gg_rng_below(&sim->fault_rng, sim->swarm.agents);
    uint16_t node = sim_agent_node(sim, i);
    if (!sim->nodes[node].up) {
        return;
    }
    if (sim->swarm.drains && coin(&sim->fault_rng) &&
        sim->nodes[node].stopped_until <= sim->now) {
        sim_agent_drain(sim, i);
        return;
    }
    sim_agent_stop(sim, i);
    sim_after(sim, 10 + sim_about(&sim->fault_rng, DOWN_MS), SIM_EV_BACK, node, 0);
}

static void crash_client(struct sim *sim)
{
    uint32_t i = (uint32_t)gg_rng_below(&sim->fault_rng, sim->swarm.clients);
    if (sim->nodes[sim_client_node(i)].up) {
        sim_client_stop(sim, i);
        sim_after(sim, sim_about(&sim->fault_rng, DOWN_MS), SIM_EV_BACK,
                  sim_client_node(i), 0);
    }
}

/* Somebody sets a clock, up to a day off. Over the restart of a durable broker the wall
 * clock is all there is to tell how long it was away. */
static void jump(struct sim *sim)
{
    uint16_t node = sim->swarm.durable
                        ? a_peer(sim)
                        : (uint16_t)gg_rng_below(&sim->fault_rng, sim->node_count);
    int64_t day_ms = 86400000;
    sim->nodes[node].wall_ahead_ms += (int64_t)gg_rng_below(&sim->fault_rng,
                                                            (uint64_t)day_ms * 2) -
                                      day_ms;
}

static void strike(struct sim *sim, enum source source)
{
    struct gg_rng *rng = &sim->fault_rng;
    uint16_t node = 0;
    switch (source) {
    case CUTS:
        cut_one(sim);
        return;
    case DEAF:
    case APART:
        block(sim, source);
        return;
    case PAUSES:
        node = a_peer(sim); /* Draws in an order that no compiler chooses. */
        stop_for(sim, node, sim_about(rng, sim->swarm.pause_len_ms));
        return;
    case BROKER_PAUSES:
        stop_for(sim, SIM_BROKER, sim_about(rng, 3000));
        return;
    case BROKER_CRASHES:
        crash_broker(sim);
        return;
    case AGENT_CRASHES:
        crash_agent(sim);
        return;
    case CLIENT_CRASHES:
        crash_client(sim);
        return;
    case WALL_JUMPS:
        jump(sim);
        return;
    }
}

static void on_fault(struct sim *sim, const struct sim_event *ev)
{
    if (sim->healing) {
        return;
    }
    if (sim->faults_left > 0) {
        sim->faults_left--;
        sim->fault_count[ev->a]++;
        strike(sim, (enum source)ev->a);
    }
    schedule_fault(sim, (enum source)ev->a);
}

static void mend(struct sim *sim, uint16_t node)
{
    struct sim_node *it = &sim->nodes[node];
    /* What was sent meanwhile is lost, and TCP would have given up by then. */
    if (it->apart || it->deaf || it->mute) {
        it->apart = false;
        it->deaf = false;
        it->mute = false;
        if (coin(&sim->fault_rng)) {
            sim_cut(sim, it->conn, true, true);
        }
    }
}

/* ---- the run ---- */

static void dispatch(struct sim *sim, struct sim_event *ev)
{
    uint32_t clients = sim->swarm.clients;
    uint32_t agents = sim->swarm.agents;
    if (ev->kind == SIM_EV_FAULT) {
        on_fault(sim, ev);
    } else if (ev->kind == SIM_EV_MEND) {
        mend(sim, ev->node);
    } else if (ev->node == SIM_BROKER && ev->kind == SIM_EV_BACK) {
        if (!sim->nodes[SIM_BROKER].up) {
            sim_broker_start(sim);
        }
    } else if (ev->node == SIM_BROKER) {
        sim_broker_on(sim, ev);
    } else if (ev->node <= clients) {
        sim_client_on(sim, ev->node - 1U, ev);
    } else if (ev->node <= clients + agents) {
        sim_agent_on(sim, ev->node - 1U - clients, ev);
    } else {
        sim_liar_on(sim, ev->node - 1U - clients - agents, ev);
    }
    sim_packet_free(&ev->packet);
}

/* Go on until `until`, a verdict, or (where asked for) all has ended. */
static void go_on(struct sim *sim, int64_t until, bool until_ended)
{
    struct sim_event ev;
    while (oracle_verdict() == NULL && sim->heap_count > 0 &&
           sim->heap[0].at <= until && sim->events < EVENTS_MAX) {
        if (!sim_next(sim, &ev)) {
            return;
        }
        dispatch(sim, &ev);
        if (sim->events % LOOK_EVERY == 0) {
            oracle_look_inside(sim);
        }
        if (until_ended && sim->events % WANT_EVERY == 0 && oracle_all_ended(sim)) {
            return;
        }
    }
}

static void begin(struct sim *sim, uint64_t seed, const struct sim_limits *limits)
{
    struct gg_rng rng = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    draw_world(&rng, &sim->swarm);
    draw_faults(&rng, &sim->swarm);
    draw_work(&rng, &sim->swarm);
    draw_keys(&rng, &sim->swarm);
    if (sim->swarm.chaos_ms > limits->chaos_ms) {
        sim->swarm.chaos_ms = limits->chaos_ms;
    }
    sim->seed = seed;
    sim->faults_left = limits->faults;
    sim->acts_left = limits->acts;
    sim->net_rng.state = gg_rng_next(&rng);
    sim->fault_rng.state = gg_rng_next(&rng);
    sim->work_rng.state = gg_rng_next(&rng);
    sim->job_rng.state = gg_rng_next(&rng);
    sim->node_count = 1 + sim->swarm.clients + sim->swarm.agents + sim->swarm.liars;
    sim->conn_count = 1;
    sim->conn_room = 64;
    sim->conns = calloc(sim->conn_room, sizeof *sim->conns);
    GG_ASSERT(sim->conns != NULL);
    gg_buf_init(&sim->scratch, 1 << 24);
    for (uint32_t n = 0; n < sim->node_count; n++) {
        sim->nodes[n].ahead_ms = 3600000 + (int64_t)gg_rng_below(&rng, 100000000);
        sim->nodes[n].wall_ahead_ms = (int64_t)gg_rng_below(&rng, 2000);
        sim->nodes[n].wake_at = INT64_MAX;
    }
    /* Last of all, so that half of the seeds are the worlds they were before. */
    sim->swarm.behind_ppm = coin(&rng) ? (uint32_t)gg_rng_below(&rng, 500000) : 0;
    oracle_begin(sim);
    sim_broker_start(sim);
    for (uint32_t i = 0; i < sim->swarm.agents; i++) {
        sim_agent_start(sim, i);
    }
    for (uint32_t i = 0; i < sim->swarm.clients; i++) {
        sim_client_start(sim, i);
    }
    for (uint32_t i = 0; i < sim->swarm.liars; i++) {
        sim_liar_start(sim, i);
    }
    for (int source = 0; source < SOURCES; source++) {
        if ((limits->without >> source & 1) == 0) {
            schedule_fault(sim, (enum source)source);
        }
    }
}

/* No fault strikes any more: what is stopped goes on in its time, the network is whole,
 * queues are resumed. */
static void heal(struct sim *sim)
{
    int64_t all_run_at = sim->now;
    SIM_TRACE(sim, "---- healing");
    sim->healing = true;
    sim->quiet = true;
    for (uint16_t n = 0; n < sim->node_count; n++) {
        mend(sim, n);
        if (sim->nodes[n].stopped_until > all_run_at) {
            all_run_at = sim->nodes[n].stopped_until;
        }
    }
    if (!sim->nodes[SIM_BROKER].up) {
        sim_after(sim, 0, SIM_EV_BACK, SIM_BROKER, 0);
    }
    go_on(sim, all_run_at, false);
}

static void end(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->swarm.clients; i++) {
        sim_client_stop(sim, i);
    }
    for (uint32_t i = 0; i < sim->swarm.agents; i++) {
        sim_agent_stop(sim, i);
    }
    sim_broker_stop(sim);
    for (uint32_t i = 0; i < sim->heap_count; i++) {
        sim_packet_free(&sim->heap[i].packet);
    }
    sim_disk_fini(&sim->disk);
    gg_buf_fini(&sim->scratch);
    free(sim->heap);
    free(sim->conns);
}

static void judge(struct sim *sim)
{
    uint64_t begun;
    do { /* What was asked for in time may still be on its way. */
        begun = oracle_begun();
        go_on(sim, sim->now + oracle_bound_ms(sim), true);
        go_on(sim, sim->now + ANSWERS_MS, false);
    } while (oracle_begun() != begun);
    if (oracle_verdict() != NULL) {
        return;
    }
    oracle_judge_end(sim);
    oracle_look_inside(sim);
    go_on(sim, sim->now + EMPTY_MS, false);
    oracle_judge_empty(sim);
    oracle_look_inside(sim);
}

struct sim_result sim_run(uint64_t seed, const struct sim_limits *limits, bool trace)
{
    static struct sim sim;
    sim = (struct sim){.trace = trace};
    begin(&sim, seed, limits);
    go_on(&sim, sim.swarm.chaos_ms, false);
    if (oracle_verdict() == NULL) {
        heal(&sim);
    }
    if (oracle_verdict() == NULL) {
        judge(&sim);
    }
    if (limits->canary) {
        oracle_canary(&sim);
    }
    struct sim_result result = {.failed = oracle_verdict() != NULL,
                                .check = oracle_broken(),
                                .events = sim.events,
                                .virtual_ms = sim.now,
                                .hash = sim.hash,
                                .acts = limits->acts - sim.acts_left,
                                .chaos_ms = sim.swarm.chaos_ms};
    for (int source = 0; source < SOURCES; source++) {
        result.faults += sim.fault_count[source];
        result.kills += source >= PAUSES && source <= CLIENT_CRASHES
                            ? sim.fault_count[source]
                            : 0;
    }
    if (result.failed) {
        /* Its time was not up then: something goes round and round. */
        bool spent = sim.events >= EVENTS_MAX;
        (void)snprintf(result.verdict, sizeof result.verdict, "%s%s", oracle_verdict(),
                       spent ? " (all events are spent)" : "");
    }
    end(&sim);
    return result;
}
