/* sim_liar.c - an agent that does not keep the protocol: it reports attempts it never
 * ran, under fences one off, twice and with two results; it lists what it does not
 * hold, forgets what it does, and tells on jobs of others. */
#include <stdio.h>

#include "common/assert.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

enum { LIE_MS = 150, AGAIN_MS = 1000, KEPT = 32 };

static void send_frame(struct sim *sim, uint32_t i, uint8_t type,
                       enum gg_command_code code, const void *record)
{
    struct sim_liar *liar = &sim->liars[i];
    uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                               .type = type,
                               .session = liar->session,
                               .sequence = ++liar->sequence,
                               .acked = liar->heard};
    gg_prefix_write(&header, 1, prefix);
    gg_buf_clear(&sim->scratch);
    gg_buf_append(&sim->scratch, prefix, sizeof prefix);
    gg_command_write(&sim->scratch, code, 0, record, NULL);
    sim_send(sim, sim->nodes[sim_liar_node(sim, i)].conn, true,
             gg_buf_slice(&sim->scratch), (struct gg_slice){0});
}

static void keep(struct sim_liar *liar, const struct gg_id *id, uint64_t fence)
{
    liar->ids[liar->count % KEPT] = *id;
    liar->fences[liar->count++ % KEPT] = fence;
}

static void hello(struct sim *sim, uint32_t i)
{
    struct sim_liar *liar = &sim->liars[i];
    struct gg_buf patterns;
    struct gg_buf pools;
    char name[16];
    gg_buf_init(&patterns, 256);
    gg_buf_init(&pools, 256);
    gg_text_write(&patterns, gg_slice_text("q*"));
    struct gg_pool_info pool = {
        .pool = 1, .slots = 2, .queues = {gg_buf_slice(&patterns), 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    struct gg_hello record;
    gg_record_default(GG_RECORD_HELLO, &record);
    (void)snprintf(name, sizeof name, "liar%u", i);
    record.version_min = 1;
    record.version_max = 1;
    record.kind = GG_PEER_AGENT;
    record.name = gg_slice_text(name);
    record.incarnation = 1 + gg_rng_below(&sim->fault_rng, 3);
    record.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    liar->session = gg_rng_next(&sim->fault_rng) | 1;
    liar->sequence = 0;
    liar->heard = 0;
    liar->up = false;
    send_frame(sim, i, GG_MESSAGE_HELLO, GG_CMD_HELLO, &record);
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

static void lie(struct sim *sim, uint32_t i)
{
    struct sim_liar *liar = &sim->liars[i];
    struct gg_rng *rng = &sim->fault_rng;
    struct gg_id id;
    uint64_t fence = 0;
    if (gg_rng_below(rng, 4) == 0 &&
        oracle_running(sim, gg_rng_next(rng), &id, &fence)) {
        keep(liar, &id, fence);
    }
    uint64_t place = gg_rng_below(rng, KEPT);
    if (liar->fences[place] == 0) {
        return;
    }
    uint64_t off = gg_rng_below(rng, 6);
    fence = liar->fences[place] + (off == 0 ? 1 : 0) - (off == 1 ? 1 : 0);
    struct gg_outcome_info outcome;
    struct gg_started started = {.id = liar->ids[place], .fence = fence};
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = liar->ids[place];
    outcome.fence = fence;
    outcome.kind = 1 + gg_rng_below(rng, 10);
    outcome.never_started = gg_rng_below(rng, 2) == 0;
    outcome.snooze_ms = 500;
    outcome.result = gg_slice_text(outcome.kind != GG_OUTCOME_SUCCEEDED ? ""
                                   : gg_rng_below(rng, 2) == 0          ? "a lie"
                                                                        : "another");
    if (gg_rng_below(rng, 3) == 0) {
        send_frame(sim, i, GG_MESSAGE_COMMANDS, GG_CMD_STARTED, &started);
    } else {
        send_frame(sim, i, GG_MESSAGE_COMMANDS, GG_CMD_OUTCOME, &outcome);
    }
}

static void beat(struct sim *sim, uint32_t i)
{
    struct sim_liar *liar = &sim->liars[i];
    struct gg_buf held;
    gg_buf_init(&held, 4096);
    struct gg_heartbeat record = {0};
    for (int n = 0; n < KEPT; n++) {
        if (liar->fences[n] != 0 && gg_rng_below(&sim->fault_rng, 2) == 0) {
            gg_num_write(&held, liar->fences[n]);
            record.held.count++;
        }
    }
    record.held.raw = gg_buf_slice(&held);
    send_frame(sim, i, GG_MESSAGE_COMMANDS, GG_CMD_HEARTBEAT, &record);
    gg_buf_fini(&held);
}

static void on_arrival(struct sim *sim, uint32_t i, const struct sim_packet *packet)
{
    struct sim_liar *liar = &sim->liars[i];
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(sim_packet_frame(packet), sim_packet_attachment(packet),
                        &message, &fault) != GG_OK ||
        message.header.session != liar->session) {
        return;
    }
    liar->up = message.header.type != GG_MESSAGE_RESET;
    liar->heard = message.header.sequence;
    while (gg_message_next(&message, &command, &fault)) {
        if (command.code == GG_CMD_ASSIGN) {
            keep(liar, &command.as.assign.id, command.as.assign.fence);
        }
    }
}

static void on_wake(struct sim *sim, uint32_t i)
{
    if (!sim->liars[i].up) {
        hello(sim, i);
    } else if (gg_rng_below(&sim->fault_rng, 5) == 0) {
        beat(sim, i);
    } else {
        lie(sim, i);
    }
}

void sim_liar_on(struct sim *sim, uint32_t i, const struct sim_event *ev)
{
    struct sim_node *node = &sim->nodes[ev->node];
    if (ev->kind == SIM_EV_ARRIVE && node->conn == sim_packet_conn(ev->packet)) {
        on_arrival(sim, i, ev->packet);
    } else if (ev->kind == SIM_EV_CONNECTED) {
        if (ev->a == 0 || sim->conns[ev->a].broken) {
            node->conn = 0;
            sim_connect(sim, ev->node);
        } else {
            hello(sim, i);
        }
    } else if (ev->kind == SIM_EV_LOST && node->conn == (uint32_t)ev->a) {
        sim_disconnect(sim, ev->node);
        sim->liars[i].up = false;
        sim_connect(sim, ev->node);
    } else if (ev->kind == SIM_EV_WAKE) {
        node->wake_at = INT64_MAX;
        if (node->conn != 0 && !sim->healing) {
            on_wake(sim, i);
        }
    }
    if (!sim->healing) {
        sim_wake(sim, ev->node, sim->now + (sim->liars[i].up ? LIE_MS : AGAIN_MS));
    } else if (node->conn != 0) {
        sim_disconnect(sim, ev->node); /* The world has found it out. */
    }
}

void sim_liar_start(struct sim *sim, uint32_t i)
{
    uint16_t node = sim_liar_node(sim, i);
    sim->liars[i] = (struct sim_liar){0};
    sim->nodes[node].up = true;
    sim->nodes[node].wake_at = INT64_MAX;
    sim_connect(sim, node);
}
