/* sim_broker.c - the broker's process: production core, sessions and outbox; the shell
 * between them as broker/io has it, with the network and the disk of this world. */
#include <stdlib.h>

#include "broker/core/state.h"
#include "common/assert.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

enum { TICKS_MAX = 200, SESSIONS_MAX = 90, RESUME_MS = 1000, HASH_PRIME = 1099511627 };

static struct gg_route route_of(uint32_t conn)
{
    struct gg_route route = {.endpoint = GG_ENDPOINT_CLIENT, .len = 4};
    memcpy(route.id, &conn, sizeof conn);
    return route;
}

static uint32_t conn_of(const struct gg_route *route)
{
    uint32_t conn = 0;
    memcpy(&conn, route->id, sizeof conn);
    return conn;
}

static enum gg_sent send_out(void *ctx, const struct gg_route *route,
                             struct gg_slice frame, struct gg_blob *attachment)
{
    struct sim *sim = ctx;
    uint32_t conn = conn_of(route);
    if (!sim->conns[conn].broker_open) {
        return GG_SENT_GONE;
    }
    sim_send(sim, conn, false, frame, gg_blob_slice(attachment));
    return GG_SENT;
}

/* ---- effects ---- */

static void mix(struct sim *sim, uint64_t value)
{
    sim->hash = (sim->hash ^ value) * HASH_PRIME;
    sim->hash ^= sim->hash >> 29;
}

static void mix_effect(struct sim *sim, const struct gg_effect *effect)
{
    struct gg_slice bytes = gg_effect_bytes(&sim->broker.fx, effect);
    mix(sim, (uint64_t)sim->now << 8 | effect->type);
    mix(sim, effect->peer);
    for (size_t i = 0; i < bytes.len; i++) {
        sim->hash = (sim->hash ^ bytes.data[i]) * HASH_PRIME;
    }
}

static void decode(const struct gg_effects *fx, const struct gg_effect *effect,
                   struct gg_command *out)
{
    struct gg_message message = {
        .reader = gg_reader_of(gg_effect_bytes(fx, effect)),
        .attachment = gg_blob_slice(effect->attachment),
        .left = 1,
    };
    struct gg_fault fault;
    bool one = gg_message_next(&message, out, &fault);
    GG_ASSERT(one && fault.err == GG_OK && message.left == 0);
}

static void forget(struct sim *sim, struct gg_peer *peer)
{
    gg_outbox_drop(&sim->broker.box, peer);
    gg_peers_close(&sim->broker.peers, peer);
}

static void write_alone(struct sim *sim, uint32_t conn, const struct gg_header *header,
                        struct gg_slice command)
{
    uint8_t prefix[GG_PREFIX_BYTES];
    gg_prefix_write(header, 1, prefix);
    gg_buf_clear(&sim->scratch);
    gg_buf_append(&sim->scratch, prefix, sizeof prefix);
    gg_buf_append(&sim->scratch, command.data, command.len);
    sim_send(sim, conn, false, gg_buf_slice(&sim->scratch), (struct gg_slice){0});
}

static void carry_out_reset(struct sim *sim, const struct gg_effect *effect)
{
    struct gg_peer *peer = gg_peers_at(&sim->broker.peers, effect->peer);
    if (peer == NULL) {
        return;
    }
    struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                               .type = GG_MESSAGE_RESET,
                               .session = peer->session,
                               .sequence = peer->written + 1,
                               .acked = peer->heard};
    write_alone(sim, conn_of(&peer->route), &header,
                gg_effect_bytes(&sim->broker.fx, effect));
    forget(sim, peer);
}

static void carry_out(struct sim *sim, const struct gg_effect *effect)
{
    struct sim_broker *broker = &sim->broker;
    struct gg_command command;
    if (effect->type == GG_FX_PERSIST || effect->type == GG_FX_ERASE) {
        sim_disk_write(&sim->disk, &broker->fx, effect);
        sim_after(
            sim,
            1 + (int64_t)gg_rng_below(&sim->net_rng, (uint64_t)sim->swarm.sync_ms + 1),
            SIM_EV_SYNCED, SIM_BROKER, effect->after);
        return;
    }
    if (effect->type == GG_FX_LOG || effect->type == GG_FX_AUDIT) {
        SIM_TRACE(sim, "broker   %.*s", GG_PRINT(gg_effect_bytes(&broker->fx, effect)));
        return;
    }
    if (effect->after > sim->disk.synced) {
        sim_mark(SIM_MARK_HELD);
    }
    decode(&broker->fx, effect, &command);
    oracle_out(sim, effect->peer, &command);
    if (effect->peer == SIM_OBSERVER) {
        if (effect->token != 0) {
            GG_ASSERT(broker->receipt_count < SIM_RECEIPTS_MAX);
            broker->receipts[broker->receipt_count++] = effect->token;
        }
    } else if (effect->type == GG_FX_RESET) {
        carry_out_reset(sim, effect);
    } else {
        struct gg_peer *peer = gg_peers_at(&broker->peers, effect->peer);
        if (peer != NULL) {
            gg_outbox_add(&broker->box, peer, &broker->fx, effect);
        }
    }
}

static void step_once(struct sim *sim, struct gg_event ev)
{
    struct sim_broker *broker = &sim->broker;
    ev.now = sim_now(sim, SIM_BROKER);
    oracle_in(sim, &ev);
    gg_effects_clear(&broker->fx);
    gg_core_step(broker->core, &ev, &broker->fx);
    GG_ASSERT(broker->fx.dropped == 0);
    for (uint32_t i = 0; i < broker->fx.count; i++) {
        mix_effect(sim, &broker->fx.items[i]);
        carry_out(sim, &broker->fx.items[i]);
    }
    oracle_step_end(sim);
}

static void step(struct sim *sim, struct gg_event ev)
{
    struct sim_broker *broker = &sim->broker;
    step_once(sim, ev);
    while (broker->receipt_count > 0) {
        uint64_t token = broker->receipts[--broker->receipt_count];
        step_once(sim, (struct gg_event){.type = GG_EV_RECEIPT,
                                         .peer = SIM_OBSERVER,
                                         .token = token});
    }
}

/* ---- sessions ---- */

static void end_session(struct sim *sim, struct gg_peer *peer, bool bye)
{
    uint32_t number = peer->number;
    forget(sim, peer);
    step(sim, (struct gg_event){.type = GG_EV_CLOSED, .peer = number, .bye = bye});
}

static void say_reset(struct sim *sim, uint32_t conn, uint64_t session, enum gg_err err)
{
    struct gg_reset reset = {.error = err,
                             .version_min = GG_PROTOCOL_VERSION,
                             .version_max = GG_PROTOCOL_VERSION,
                             .retry_ms = sim->broker.bounds.retry_hint_ms};
    struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                               .type = GG_MESSAGE_RESET,
                               .session = session,
                               .sequence = 1};
    struct gg_buf command;
    gg_buf_init(&command, 4096);
    gg_command_write(&command, GG_CMD_RESET, 0, &reset, NULL);
    write_alone(sim, conn, &header, gg_buf_slice(&command));
    gg_buf_fini(&command);
}

/* What the key of whoever connects may do: agents have keys for all. */
static const struct gg_grant *grant_of(struct sim *sim, uint32_t conn)
{
    uint16_t node = sim->conns[conn].node;
    return node <= sim->swarm.clients ? &sim->broker.keys[node - 1]
                                      : &sim->broker.grant;
}

static void make_keys(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    gg_grant_all(&broker->grant, "local");
    for (uint32_t i = 0; i < sim->swarm.clients; i++) {
        gg_grant_all(&broker->keys[i], "client");
        broker->keys[i].roles = sim->swarm.roles[i];
        if (sim->swarm.first_queue[i]) {
            gg_name_set(&broker->keys[i].queues[0], gg_slice_text("q0"));
        }
    }
}

static void on_hello(struct sim *sim, uint32_t conn, const struct gg_header *header,
                     const struct gg_command *command)
{
    struct sim_broker *broker = &sim->broker;
    struct gg_route route = route_of(conn);
    struct gg_peer *peer = gg_peers_find(&broker->peers, &route);
    if (peer != NULL) {
        bool again = peer->session == header->session;
        end_session(sim, peer, false);
        if (again) {
            say_reset(sim, conn, header->session, GG_ERR_NO_SESSION);
            return;
        }
    }
    if (gg_peers_open(&broker->peers, &route, header->session,
                      sim_now(sim, SIM_BROKER).mono, &peer) != GG_OK) {
        say_reset(sim, conn, header->session, GG_ERR_TOO_MANY);
        return;
    }
    peer->grant = grant_of(sim, conn);
    gg_peers_greet(&broker->peers, peer, command->as.hello.kind == GG_PEER_AGENT);
    step(sim, (struct gg_event){.type = GG_EV_HELLO,
                                .peer = peer->number,
                                .grant = peer->grant,
                                .command = command});
}

static bool goes_on(struct sim *sim, uint32_t conn, struct gg_peer *peer,
                    const struct gg_header *header)
{
    enum gg_err err = GG_ERR_NO_SESSION;
    enum gg_hearing hearing = GG_HEARD_FOREIGN;
    if (peer != NULL) {
        hearing = gg_peers_hear(&sim->broker.peers, peer, header,
                                sim_now(sim, SIM_BROKER).mono);
    }
    if (hearing == GG_HEARD) {
        return true;
    }
    if (hearing == GG_HEARD_GAP || hearing == GG_HEARD_FUTURE) {
        sim_mark(SIM_MARK_GAP);
        err = hearing == GG_HEARD_GAP ? GG_ERR_NO_SESSION : GG_ERR_BAD_MESSAGE;
        end_session(sim, peer, false);
    }
    say_reset(sim, conn, header->session, err);
    return false;
}

static void on_commands(struct sim *sim, struct gg_peer *peer,
                        struct gg_message *message)
{
    uint64_t serial = peer->serial;
    struct gg_command command;
    struct gg_fault fault;
    struct gg_event receipt = {.type = GG_EV_RECEIPT, .peer = peer->number};
    while (peer->open && peer->serial == serial &&
           gg_peer_receipt(peer, &receipt.token)) {
        step(sim, receipt);
    }
    while (peer->open && peer->serial == serial && peer->doomed == NULL &&
           gg_message_next(message, &command, &fault)) {
        if (fault.err != GG_OK) {
            continue; /* Nobody here sends what cannot be read. */
        }
        if (command.code == GG_CMD_BYE) {
            end_session(sim, peer, true);
            return;
        }
        step(sim, (struct gg_event){.type = GG_EV_COMMAND,
                                    .peer = peer->number,
                                    .command = &command});
    }
}

static void on_arrival(struct sim *sim, const struct sim_packet *packet)
{
    uint32_t conn = sim_packet_conn(packet);
    struct gg_route route = route_of(conn);
    struct gg_peer *peer = gg_peers_find(&sim->broker.peers, &route);
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (sim->conns[conn].broken || !sim->conns[conn].broker_open ||
        gg_message_open(sim_packet_frame(packet), sim_packet_attachment(packet),
                        &message, &fault) != GG_OK) {
        return;
    }
    if (message.header.type == GG_MESSAGE_HELLO) {
        if (gg_message_next(&message, &command, &fault) && fault.err == GG_OK &&
            command.code == GG_CMD_HELLO) {
            on_hello(sim, conn, &message.header, &command);
        }
    } else if (goes_on(sim, conn, peer, &message.header)) {
        on_commands(sim, peer, &message);
    }
}

static void on_left(struct sim *sim, uint32_t conn)
{
    struct gg_route route = route_of(conn);
    struct gg_peer *peer = gg_peers_find(&sim->broker.peers, &route);
    sim->conns[conn].broker_open = false;
    if (peer != NULL) {
        end_session(sim, peer, false);
    }
}

/* ---- the loop ---- */

static void close_silent(struct sim *sim)
{
    struct gg_mono now = sim_now(sim, SIM_BROKER).mono;
    struct gg_mono limit = {now.ms - (int64_t)sim->broker.bounds.client_dead_after_ms};
    struct gg_peer *peer;
    while ((peer = gg_peers_silent(&sim->broker.peers, limit)) != NULL) {
        end_session(sim, peer, false);
    }
    struct gg_link *link;
    while ((link = gg_list_first(&sim->broker.box.doomed)) != NULL) {
        end_session(sim, GG_CONTAINER(link, struct gg_peer, dooming), false);
    }
}

/* The operators have gone home: every second all queues are resumed, since a pause may
 * still be on its way. */
static void resume_all(struct sim *sim)
{
    struct gg_command resume = {.code = GG_CMD_RESUME, .request = 3};
    gg_record_default(GG_RECORD_SCOPE, &resume.as.scope);
    static const char *const queues[] = {"q0", "q1", "q2"};
    if (!sim->healing || sim->now < sim->broker.resume_at) {
        return;
    }
    sim->broker.resume_at = sim->now + RESUME_MS;
    for (uint32_t i = 0; i < sim->swarm.queues; i++) {
        resume.as.scope.queue = gg_slice_text(queues[i]);
        step(sim, (struct gg_event){
                      .type = GG_EV_COMMAND, .peer = SIM_OBSERVER, .command = &resume});
    }
    sim_wake(sim, SIM_BROKER, sim->broker.resume_at);
}

static void pass(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    struct gg_mono at;
    struct gg_mono now = sim_now(sim, SIM_BROKER).mono;
    broker->pass_due = false;
    for (int i = 0; i < TICKS_MAX && gg_core_next_wake(broker->core, &at) &&
                    gg_mono_reached(at, now);
         i++) {
        step(sim, (struct gg_event){.type = GG_EV_TICK});
    }
    resume_all(sim);
    close_silent(sim);
    gg_outbox_flush(&broker->box, true);
    if (gg_core_next_wake(broker->core, &at)) {
        sim_wake(sim, SIM_BROKER, sim_world_time(sim, SIM_BROKER, at));
    }
}

static void want_pass(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    if (!broker->pass_due) {
        broker->pass_due = true;
        int64_t ms = (int64_t)gg_rng_below(&sim->net_rng,
                                           (uint64_t)sim->swarm.pass_ms + 1);
        sim_after(sim, ms, SIM_EV_PASS, SIM_BROKER, 0);
    }
}

/* The loop looks whether it was late before it reads: whoever was silent may have
 * spoken. */
static void forgive(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    if (sim->now - broker->passed_at > (int64_t)broker->bounds.stall_ms) {
        gg_peers_forgive(&broker->peers, sim_now(sim, SIM_BROKER).mono);
    }
}

void sim_broker_on(struct sim *sim, const struct sim_event *ev)
{
    struct sim_broker *broker = &sim->broker;
    if (!sim->nodes[SIM_BROKER].up) {
        return;
    }
    switch ((enum sim_event_kind)ev->kind) {
    case SIM_EV_ARRIVE:
        on_arrival(sim, ev->packet);
        break;
    case SIM_EV_LEFT:
        on_left(sim, (uint32_t)ev->a);
        break;
    case SIM_EV_SYNCED:
        if (ev->a > sim->disk.synced) {
            sim->disk.synced = ev->a;
            gg_outbox_release(&broker->box, ev->a);
        }
        break;
    case SIM_EV_RESUME:
        forgive(sim);
        break;
    case SIM_EV_WAKE:
        sim->nodes[SIM_BROKER].wake_at = INT64_MAX;
        break;
    case SIM_EV_PASS:
        pass(sim);
        broker->passed_at = sim->now;
        return;
    case SIM_EV_NONE:
    case SIM_EV_CONNECTED:
    case SIM_EV_LOST:
    case SIM_EV_SPAWNED:
    case SIM_EV_DONE:
    case SIM_EV_KILL:
    case SIM_EV_DEADLINE:
    case SIM_EV_ACT:
    case SIM_EV_BACK:
    case SIM_EV_FAULT:
    case SIM_EV_MEND:
        return;
    }
    want_pass(sim);
}

/* ---- life ---- */

static void tiny_bounds(struct gg_bounds *bounds)
{
    bounds->jobs_max = 60;
    bounds->memory_bytes_max = 90000;
    bounds->reserve_bytes = 16000;
    bounds->queue_jobs_max = 8;
    bounds->waiters_max = 2;
    bounds->dead_jobs_max = 3;
    bounds->assign_window_max = 3;
    bounds->id_window_ms = 20000;
    bounds->result_bytes_max = 40;
    bounds->partial_bytes_max = 9;
}

static void observe(struct sim *sim)
{
    struct gg_command hello = {.code = GG_CMD_HELLO};
    struct gg_command watch = {.code = GG_CMD_SUBSCRIBE, .request = 1};
    gg_record_default(GG_RECORD_HELLO, &hello.as.hello);
    gg_record_default(GG_RECORD_EVENTS, &watch.as.events);
    hello.as.hello.kind = GG_PEER_CLIENT;
    struct gg_event ev = {.type = GG_EV_HELLO,
                          .peer = SIM_OBSERVER,
                          .grant = &sim->broker.grant,
                          .command = &hello};
    step(sim, ev);
    step(sim, (struct gg_event){
                  .type = GG_EV_COMMAND, .peer = SIM_OBSERVER, .command = &watch});
}

static void set_bounds(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    const struct sim_swarm *swarm = &sim->swarm;
    gg_bounds_default(&broker->bounds);
    if (swarm->tiny) {
        tiny_bounds(&broker->bounds);
    }
    broker->bounds.durable = swarm->durable;
    if (swarm->mixed) {
        gg_name_set(&broker->bounds.volatile_queues[0], gg_slice_text("q2"));
        broker->bounds.volatile_count = 1;
    }
    broker->bounds.lease_ms = swarm->lease_ms;
    broker->bounds.grace_ms = swarm->grace_ms;
    broker->bounds.keep_failed_ms = 60000;
    broker->bounds.keep_keyed_ms = 20000;
    broker->bounds.keep_unkeyed_ms = 10000;
    broker->bounds.backoff_ms = 500;
    broker->bounds.backoff_max_ms = 4000;
    broker->bounds.subscriptions_max = 2;
    if (swarm->patient_cut) {
        broker->bounds.gone_grace_ms = swarm->lease_ms;
    }
}

/* The oracle asks for all it knows of, before anyone else is let in. */
static void compare_restored(struct sim *sim)
{
    struct gg_id id;
    for (uint32_t n = 0; oracle_accepted(n, &id); n++) {
        struct gg_command get = {.code = GG_CMD_GET, .request = 2};
        gg_record_default(GG_RECORD_TARGET, &get.as.target);
        get.as.target.id = id;
        get.as.target.want_result = true;
        struct gg_event ev = {.type = GG_EV_COMMAND,
                              .now = sim_now(sim, SIM_BROKER),
                              .peer = SIM_OBSERVER,
                              .command = &get};
        struct gg_command answer = {0};
        gg_effects_clear(&sim->broker.fx);
        gg_core_step(sim->broker.core, &ev, &sim->broker.fx);
        GG_ASSERT(sim->broker.fx.count >= 1);
        decode(&sim->broker.fx, &sim->broker.fx.items[0], &answer);
        bool known = answer.code == GG_CMD_JOB;
        oracle_restored(sim, &id, known ? &answer.as.job : NULL);
        n -= known ? 0 : 1; /* Not among the accepted ones any more. */
    }
}

/* The core of a durable broker begins with what the disk has. */
static void restore(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    if (!sim->swarm.durable) {
        return;
    }
    sim_disk_restore(&sim->disk, broker->core);
    gg_effects_clear(&broker->fx);
    enum gg_err err = gg_core_restored(broker->core, sim_now(sim, SIM_BROKER),
                                       sim->disk.written, &broker->fx);
    GG_ASSERT(err == GG_OK);
    for (uint32_t i = 0; i < broker->fx.count; i++) {
        sim_disk_write(&sim->disk, &broker->fx, &broker->fx.items[i]);
    }
    sim->disk.synced = sim->disk.written; /* It serves only then. */
    gg_outbox_release(&broker->box, sim->disk.synced);
    broker->epoch = gg_core_epoch(broker->core);
}

void sim_broker_start(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    /* A durable one is told nothing: its records must raise it. */
    uint64_t epoch = sim->swarm.durable ? 1 : broker->epoch + 1;
    *broker = (struct sim_broker){.epoch = epoch, .passed_at = sim->now};
    set_bounds(sim);
    broker->about = (struct gg_core_about){.program = "gangerd sim",
                                           .store = "memory",
                                           .client_endpoint = "sim",
                                           .agent_endpoint = "sim",
                                           .frame_bytes_max = 1 << 20,
                                           .started = sim_now(sim, SIM_BROKER)};
    make_keys(sim);
    gg_effects_init(&broker->fx);
    gg_peers_init(&broker->peers, SESSIONS_MAX, sim->seed);
    gg_outbox_init(&broker->box, &broker->peers, send_out, sim);
    broker->core = gg_core_new(&broker->bounds, &broker->about, epoch, sim->seed);
    GG_ASSERT(broker->core != NULL);
    broker->core->ids.late_max = 8; /* Ids change their table in each world. */
    restore(sim);
    sim->nodes[SIM_BROKER].up = true;
    sim->nodes[SIM_BROKER].wake_at = INT64_MAX;
    SIM_TRACE(sim, "broker   starts, epoch %llu", (unsigned long long)broker->epoch);
    observe(sim);
    compare_restored(sim);
    want_pass(sim);
}

void sim_broker_stop(struct sim *sim)
{
    struct sim_broker *broker = &sim->broker;
    struct sim_node *node = &sim->nodes[SIM_BROKER];
    if (!node->up) {
        return;
    }
    SIM_TRACE(sim, "broker   is killed");
    node->up = false;
    node->stopped_until = 0;
    node->life++;
    for (uint32_t i = 0; i < broker->peers.count; i++) {
        struct gg_peer *peer = gg_peers_at(&broker->peers, i);
        if (peer != NULL) {
            forget(sim, peer);
        }
    }
    for (uint32_t i = 1; i < sim->conn_count; i++) {
        struct sim_conn *conn = &sim->conns[i];
        if (conn->broker_open && !conn->broken) {
            sim_cut(sim, i, true, false); /* The kernel tells the other side. */
        }
        conn->broker_open = false;
    }
    gg_outbox_fini(&broker->box);
    gg_peers_fini(&broker->peers);
    gg_effects_fini(&broker->fx);
    gg_core_destroy(&broker->core);
    oracle_broker_down(sim);
    uint64_t more = sim->disk.written - sim->disk.synced + 1;
    sim_disk_crash(&sim->disk, sim->disk.synced + gg_rng_below(&sim->fault_rng, more));
}
