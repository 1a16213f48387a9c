/* world.c - time, and what carries messages: connections that keep order until they
 * break, and now and then something that no connection does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "tests/sim/sim.h"

enum { RECONNECT_MS = 100, WAIT_MS_MAX = 100000, REORDER_MS = 40 };

uint64_t sim_marks[SIM_MARK_COUNT];

struct sim_packet {
    uint32_t conn;
    bool up;
    size_t frame_len;
    size_t attachment_len;
    bool has_attachment;
    uint8_t bytes[];
};

void sim_say(struct sim *sim, const char *format, ...)
{
    va_list args;
    (void)printf("%9.3f ", (double)sim->now / 1000.0);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

/* ---- chance ---- */

bool sim_chance(struct gg_rng *rng, uint32_t ppm)
{
    return ppm > 0 && gg_rng_below(rng, 1000000) < ppm;
}

int64_t sim_about(struct gg_rng *rng, int64_t mean_ms)
{
    /* Many short ones and some long ones. */
    uint64_t most = (uint64_t)mean_ms * (gg_rng_below(rng, 8) == 0 ? 10 : 1) + 1;
    return 1 + (int64_t)gg_rng_below(rng, most);
}

/* ---- events: a binary heap by (at, order) ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct sim *sim, struct sim_event ev)
{
    if (sim->heap_count == sim->heap_room) {
        sim->heap_room = sim->heap_room == 0 ? 256 : sim->heap_room * 2;
        sim->heap = realloc(sim->heap, sim->heap_room * sizeof *sim->heap);
        GG_ASSERT(sim->heap != NULL);
    }
    uint32_t at = sim->heap_count++;
    while (at > 0 && before(&ev, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = ev;
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event first = sim->heap[0];
    struct sim_event last = sim->heap[--sim->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= sim->heap_count) {
            break;
        }
        if (child + 1 < sim->heap_count &&
            before(&sim->heap[child + 1], &sim->heap[child])) {
            child++;
        }
        if (!before(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    if (sim->heap_count > 0) {
        sim->heap[at] = last;
    }
    return first;
}

static void add(struct sim *sim, int64_t at, enum sim_event_kind kind, uint16_t node,
                uint64_t a, struct sim_packet *packet)
{
    push(sim, (struct sim_event){.at = at < sim->now ? sim->now : at,
                                 .order = sim->order++,
                                 .kind = (uint8_t)kind,
                                 .node = node,
                                 .life = sim->nodes[node].life,
                                 .a = a,
                                 .packet = packet});
}

void sim_after(struct sim *sim, int64_t ms, enum sim_event_kind kind, uint16_t node,
               uint64_t a)
{
    add(sim, sim->now + ms, kind, node, a, NULL);
}

void sim_wake(struct sim *sim, uint16_t node, int64_t at)
{
    struct sim_node *it = &sim->nodes[node];
    at = at <= sim->now ? sim->now + 1 : at;
    at = at > sim->now + WAIT_MS_MAX ? sim->now + WAIT_MS_MAX : at;
    if (at < it->wake_at) {
        it->wake_at = at;
        add(sim, at, SIM_EV_WAKE, node, (uint64_t)at, NULL);
    }
}

/* What a stopped process would do waits until it goes on; the world does not. */
static bool must_wait(const struct sim *sim, const struct sim_event *ev)
{
    const struct sim_node *node = &sim->nodes[ev->node];
    return node->stopped_until > sim->now && ev->kind != SIM_EV_DEADLINE &&
           ev->kind != SIM_EV_FAULT && ev->kind != SIM_EV_MEND &&
           ev->kind != SIM_EV_DONE && ev->kind != SIM_EV_KILL &&
           ev->kind != SIM_EV_BACK;
}

/* A timer strikes once for a time. One that is set to an earlier time leaves an event
 * behind, which is set again before it comes: if both struck, each would set the timer
 * anew, and their number would only grow. */
static bool wakes(struct sim_node *node, const struct sim_event *ev)
{
    bool first = (int64_t)ev->a != node->woken_for;
    node->woken_for = (int64_t)ev->a;
    return first;
}

bool sim_next(struct sim *sim, struct sim_event *out)
{
    while (sim->heap_count > 0) {
        *out = pop(sim);
        sim->now = out->at;
        struct sim_node *node = &sim->nodes[out->node];
        bool of_world = out->kind == SIM_EV_FAULT || out->kind == SIM_EV_MEND;
        if (out->life != node->life && !of_world) {
            sim_packet_free(&out->packet);
            continue;
        }
        if (must_wait(sim, out)) {
            out->at = node->stopped_until;
            push(sim, *out); /* With its old order: nothing overtakes. */
            continue;
        }
        if (out->kind == SIM_EV_WAKE && !wakes(node, out)) {
            continue;
        }
        sim->events++;
        return true;
    }
    return false;
}

/* ---- clocks ---- */

struct gg_now sim_now(const struct sim *sim, uint16_t node)
{
    const struct sim_node *it = &sim->nodes[node];
    return (struct gg_now){
        .mono = {sim->now + it->ahead_ms},
        .wall = {INT64_C(1800000000000) + sim->now + it->wall_ahead_ms},
    };
}

int64_t sim_world_time(const struct sim *sim, uint16_t node, struct gg_mono at)
{
    return at.ms == INT64_MAX ? INT64_MAX : at.ms - sim->nodes[node].ahead_ms;
}

/* ---- connections ---- */

static int64_t latency(struct sim *sim)
{
    return (int64_t)gg_rng_below(&sim->net_rng, (uint64_t)sim->swarm.latency_ms + 1);
}

void sim_connect(struct sim *sim, uint16_t node)
{
    struct sim_node *it = &sim->nodes[node];
    if (!sim->nodes[SIM_BROKER].up || it->apart || it->mute || it->deaf) {
        sim_after(sim, RECONNECT_MS, SIM_EV_CONNECTED, node, 0);
        return;
    }
    if (sim->conn_count == sim->conn_room) {
        sim->conn_room = sim->conn_room == 0 ? 64 : sim->conn_room * 2;
        sim->conns = realloc(sim->conns, sim->conn_room * sizeof *sim->conns);
        GG_ASSERT(sim->conns != NULL);
    }
    uint32_t conn = sim->conn_count++;
    sim->conns[conn] = (struct sim_conn){
        .node = node, .peer_open = true, .broker_open = true};
    it->conn = conn;
    sim_after(sim, 1 + latency(sim), SIM_EV_CONNECTED, node, conn);
}

void sim_cut(struct sim *sim, uint32_t conn, bool tell_peer, bool tell_broker)
{
    struct sim_conn *it = &sim->conns[conn];
    if (conn == 0 || it->broken) {
        return;
    }
    it->broken = true;
    if (tell_peer && it->peer_open) {
        sim_after(sim, latency(sim), SIM_EV_LOST, it->node, conn);
    }
    if (tell_broker && it->broker_open) {
        sim_after(sim, latency(sim), SIM_EV_LEFT, SIM_BROKER, conn);
    }
}

void sim_disconnect(struct sim *sim, uint16_t node)
{
    struct sim_node *it = &sim->nodes[node];
    uint32_t conn = it->conn;
    it->conn = 0;
    if (conn == 0) {
        return;
    }
    struct sim_conn *old = &sim->conns[conn];
    old->peer_open = false;
    /* What it sent may still arrive; then the broker sees the end, if it is reached. */
    if (!old->broken && old->broker_open && !it->apart && !it->mute) {
        int64_t after = old->last_up > sim->now ? old->last_up - sim->now : 0;
        sim_after(sim, after + 1, SIM_EV_LEFT, SIM_BROKER, conn);
    }
}

static struct sim_packet *make_packet(uint32_t conn, bool up, struct gg_slice frame,
                                      struct gg_slice attachment)
{
    struct sim_packet *packet = malloc(sizeof *packet + frame.len + attachment.len);
    GG_ASSERT(packet != NULL);
    *packet = (struct sim_packet){.conn = conn,
                                  .up = up,
                                  .frame_len = frame.len,
                                  .attachment_len = attachment.len,
                                  .has_attachment = attachment.data != NULL};
    memcpy(packet->bytes, frame.data, frame.len);
    if (attachment.len > 0) {
        memcpy(packet->bytes + frame.len, attachment.data, attachment.len);
    }
    return packet;
}

void sim_send(struct sim *sim, uint32_t conn, bool up, struct gg_slice frame,
              struct gg_slice attachment)
{
    struct sim_conn *it = &sim->conns[conn];
    const struct sim_node *node = &sim->nodes[it->node];
    const struct sim_swarm *swarm = &sim->swarm;
    bool lost = it->broken || node->apart || (up ? node->mute : node->deaf);
    if (lost || (!sim->healing && sim_chance(&sim->net_rng, swarm->loss_ppm))) {
        return;
    }
    int64_t *last = up ? &it->last_up : &it->last_down;
    int64_t at = sim->now + latency(sim);
    at = at < *last ? *last : at;
    bool late = !sim->healing && sim_chance(&sim->net_rng, swarm->reorder_ppm);
    bool twice = !sim->healing && sim_chance(&sim->net_rng, swarm->twice_ppm);
    *last = late ? *last : at;
    for (int n = 0; n <= (int)twice; n++) {
        struct sim_packet *packet = make_packet(conn, up, frame, attachment);
        int64_t when = at + (late ? REORDER_MS : 0) + n;
        add(sim, when, SIM_EV_ARRIVE, up ? SIM_BROKER : it->node, conn, packet);
    }
}

struct gg_slice sim_packet_frame(const struct sim_packet *packet)
{
    return gg_slice_of(packet->bytes, packet->frame_len);
}

struct gg_slice sim_packet_attachment(const struct sim_packet *packet)
{
    return gg_slice_of(packet->has_attachment ? packet->bytes + packet->frame_len
                                              : NULL,
                       packet->attachment_len);
}

uint32_t sim_packet_conn(const struct sim_packet *packet)
{
    return packet->conn;
}

bool sim_packet_up(const struct sim_packet *packet)
{
    return packet->up;
}

void sim_packet_free(struct sim_packet **packet_p)
{
    free(*packet_p);
    *packet_p = NULL;
}
