/* sim_client.c - a client's process: the production session over this world's network,
 * and a person who asks for things at random, twice now and then; some operate. */
#include <stdio.h>

#include "common/assert.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

enum { RECONNECT_MS = 20, SENDS_MAX = 50, KNOWN_NEAR = 40, MANY_BYTES_MAX = 1 << 16 };

static void turn(struct sim *sim, uint32_t i);

/* ---- asking ---- */

static void on_news(void *owner, bool opened, enum gg_err why, struct gg_slice text)
{
    (void)owner;
    (void)text;
    GG_ASSERT(opened == (why == GG_OK));
}

static void on_reply(void *ctx, const struct gg_reply *reply)
{
    struct sim *sim = reply->owner;
    struct sim_asked *asked = ctx;
    GG_ASSERT(asked->used);
    oracle_reply(sim, asked, reply);
    if (reply->final) {
        asked->used = false;
    }
}

static struct sim_asked *free_place(struct sim_client *client)
{
    for (int n = 0; n < SIM_ASKED_MAX; n++) {
        if (!client->asked[n].used) {
            return &client->asked[n];
        }
    }
    return NULL;
}

/* Put a request in line; some people do not wait for ever. */
static void ask(struct sim *sim, uint32_t i, enum gg_command_code code,
                const struct gg_id *id, uint8_t queue, const void *record)
{
    struct sim_client *client = &sim->clients[i];
    struct gg_mono now = sim_now(sim, sim_client_node(i)).mono;
    struct sim_asked *asked = free_place(client);
    if (asked == NULL) {
        return;
    }
    struct gg_asker asker = {.fn = on_reply, .ctx = asked};
    struct gg_request *request = gg_session_begin(client->session, code, &asker);
    GG_ASSERT(request != NULL);
    *asked = (struct sim_asked){.used = true,
                                .code = (uint8_t)code,
                                .queue = queue,
                                .reaches = queue == 0 || !sim->swarm.first_queue[i],
                                .number = request->number,
                                .at = sim->now,
                                .epoch_life = sim->nodes[SIM_BROKER].life};
    if (id != NULL) {
        asked->id = *id;
    }
    struct gg_mono end = gg_mono_add(now, (uint64_t)sim_about(&sim->work_rng, 4000));
    bool hurried = !sim->healing && gg_rng_below(&sim->work_rng, 3) == 0;
    enum gg_err err = gg_session_write(request, record, NULL);
    err = err == GG_OK
              ? gg_session_put(client->session, request, now, hurried ? &end : NULL)
              : err;
    GG_ASSERT(err == GG_OK);
}

/* ---- what people ask for ---- */

static uint64_t draw(struct sim *sim, uint64_t below)
{
    return gg_rng_below(&sim->work_rng, below);
}

static void draw_submission(struct sim *sim, uint32_t i, struct gg_submit *submit)
{
    static const char *const queues[] = {"q0", "q1", "q2"};
    static const char *const keys[] = {"", "one", "two", "three", "four"};
    const struct sim_swarm *swarm = &sim->swarm;
    gg_record_default(GG_RECORD_SUBMIT, submit);
    submit->id = gg_session_new_id(sim->clients[i].session,
                                   sim_now(sim, sim_client_node(i)).wall);
    submit->queue = gg_slice_text(queues[draw(sim, swarm->queues)]);
    submit->key = gg_slice_text(keys[draw(sim, swarm->keys + 1)]);
    submit->payload = gg_slice_text(draw(sim, 12) == 0 ? "other payload" : "payload");
    submit->wait = draw(sim, 2) == 0;
    submit->attempts = draw(sim, 4);
    submit->backoff = GG_BACKOFF_FIXED;
    submit->backoff_ms = 50 + draw(sim, 1000);
    submit->priority = swarm->priorities && draw(sim, 3) == 0 ? 10 : 128;
    submit->delay_ms = swarm->delays && draw(sim, 5) == 0 ? draw(sim, 3000) : 0;
    submit->expires_ms = swarm->expiries && draw(sim, 4) == 0 ? 50 + draw(sim, 4000)
                                                              : 0;
    submit->run_timeout_ms = draw(sim, 4) == 0 ? (uint64_t)swarm->run_ms * 2 + 10 : 0;
    submit->keep_ms = draw(sim, 2) == 0 ? 2000 + draw(sim, 6000) : GG_UNSAID;
    submit->keep_ms = draw(sim, 20) == 0 ? 0 : submit->keep_ms;
    submit->keep_failed_ms = 2000 + draw(sim, 20000);
    if (submit->keep_failed_ms % 200 == 0) {
        submit->keep_failed_ms = 0; /* Without a draw: older cases stay as they are. */
    }
    if (swarm->mixed && draw(sim, 3) == 0) {
        submit->durability = draw(sim, 2) == 0 ? GG_DURABILITY_NONE
                                               : GG_DURABILITY_FSYNC;
    }
    uint64_t until = draw(sim, 10);
    submit->unique_until = until < 2 && submit->key.len > 0 ? until + 1 : 0;
}

static void do_submit(struct sim *sim, uint32_t i)
{
    struct gg_submit submit;
    struct gg_submit again;
    if (draw(sim, 10) == 0 && oracle_known(sim, draw(sim, KNOWN_NEAR), &again)) {
        ask(sim, i, GG_CMD_SUBMIT, &again.id, 0, &again);
        return;
    }
    draw_submission(sim, i, &submit);
    oracle_asked(sim, &submit);
    ask(sim, i, GG_CMD_SUBMIT, &submit.id, 0, &submit);
}

/* Several in one request; some of them may have been asked for before. */
static void do_many(struct sim *sim, uint32_t i)
{
    struct gg_submit_many many;
    struct gg_submit submit;
    struct gg_buf jobs;
    gg_record_default(GG_RECORD_SUBMIT_MANY, &many);
    gg_buf_init(&jobs, MANY_BYTES_MAX);
    many.jobs.count = 2 + (uint32_t)draw(sim, 3);
    for (uint32_t n = 0; n < many.jobs.count; n++) {
        if (draw(sim, 10) != 0 || !oracle_known(sim, draw(sim, KNOWN_NEAR), &submit)) {
            draw_submission(sim, i, &submit);
            submit.wait = false;
            oracle_asked(sim, &submit);
        }
        gg_record_write(&jobs, GG_RECORD_SUBMIT, &submit, NULL);
    }
    many.jobs.raw = gg_buf_slice(&jobs);
    ask(sim, i, GG_CMD_SUBMIT_MANY, NULL, 0, &many);
    gg_buf_fini(&jobs);
}

static void do_target(struct sim *sim, uint32_t i)
{
    struct gg_submit known;
    struct gg_target target;
    uint64_t what = draw(sim, 10);
    enum gg_command_code code = what < 4   ? GG_CMD_GET
                                : what < 7 ? GG_CMD_WAIT
                                : what < 9 ? GG_CMD_CANCEL
                                           : GG_CMD_RETRY;
    if ((code == GG_CMD_CANCEL && !sim->swarm.cancels) ||
        (code == GG_CMD_RETRY && !sim->swarm.operators) ||
        !oracle_known(sim, draw(sim, KNOWN_NEAR), &known)) {
        return;
    }
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = known.id;
    target.want_result = true;
    target.want_progress = code == GG_CMD_WAIT && sim->swarm.talks;
    target.want_partial = code == GG_CMD_WAIT && sim->swarm.talks;
    uint8_t durability = 0;
    target.epoch = gg_session_epoch_of(sim->clients[i].session, &known.id, &durability);
    target.durability = durability;
    ask(sim, i, code, &known.id, 0, &target);
}

static void do_operate(struct sim *sim, uint32_t i)
{
    static const char *const queues[] = {"q0", "q1", "q2"};
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    uint8_t queue = (uint8_t)draw(sim, sim->swarm.queues);
    uint64_t what = draw(sim, 20);
    scope.queue = gg_slice_text(queues[queue]);
    if (what == 0 && sim->swarm.purges) {
        ask(sim, i, GG_CMD_PURGE, NULL, queue, &scope);
        return;
    }
    scope.cancel_running = what == 1 && sim->swarm.cancels;
    ask(sim, i, what < 8 ? GG_CMD_PAUSE : GG_CMD_RESUME, NULL, queue, &scope);
}

static void act(struct sim *sim, uint32_t i)
{
    uint64_t what = draw(sim, 100);
    if (sim->acts_left == 0) {
        return;
    }
    sim->acts_left--;
    if (what < 8 && sim->swarm.many) {
        do_many(sim, i);
    } else if (what < 65) {
        do_submit(sim, i);
    } else if (what < 92) {
        do_target(sim, i);
    } else if (sim->swarm.operators) {
        do_operate(sim, i);
    }
}

/* ---- the loop ---- */

static void reconnect(struct sim *sim, uint32_t i)
{
    uint16_t node = sim_client_node(i);
    gg_session_link_down(sim->clients[i].session);
    sim_disconnect(sim, node);
    sim_after(sim, RECONNECT_MS, SIM_EV_CONNECTED, node, 0);
}

static void write_out(struct sim *sim, uint32_t i)
{
    uint16_t node = sim_client_node(i);
    struct gg_session *session = sim->clients[i].session;
    struct gg_outgoing out;
    for (int n = 0; n < SENDS_MAX && sim->nodes[node].conn != 0 &&
                    gg_session_next(session, sim_now(sim, node), &out);
         n++) {
        sim_send(sim, sim->nodes[node].conn, true, out.frame, out.attachment);
        gg_session_sent(session, sim_now(sim, node).mono);
    }
}

static void turn(struct sim *sim, uint32_t i)
{
    uint16_t node = sim_client_node(i);
    struct gg_session *session = sim->clients[i].session;
    struct gg_mono now = sim_now(sim, node).mono;
    struct gg_mono at;
    gg_session_tick(session, now, GG_ERR_NO_BROKER, gg_slice_text("no broker"));
    if (sim->nodes[node].conn != 0 && gg_session_is_dead(session, now)) {
        reconnect(sim, i);
    }
    write_out(sim, i);
    if (gg_session_wake(session, &at)) {
        sim_wake(sim, node, sim_world_time(sim, node, at));
    }
}

static void on_connected(struct sim *sim, uint32_t i, uint32_t conn)
{
    uint16_t node = sim_client_node(i);
    if (conn == 0 || sim->conns[conn].broken) {
        sim->nodes[node].conn = 0;
        sim_connect(sim, node);
    } else {
        gg_session_link_up(sim->clients[i].session, sim_now(sim, node).mono);
    }
}

/* The oracle reads along. */
static void read_jobs(const struct sim_packet *packet)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (gg_message_open(sim_packet_frame(packet), sim_packet_attachment(packet),
                        &message, &fault) == GG_OK) {
        while (gg_message_next(&message, &command, &fault)) {
            if (fault.err == GG_OK && command.code == GG_CMD_JOB) {
                oracle_received(&command.as.job.id);
            }
        }
    }
}

static void on_arrival(struct sim *sim, uint32_t i, const struct sim_packet *packet)
{
    uint16_t node = sim_client_node(i);
    uint32_t conn = sim_packet_conn(packet);
    if (sim->nodes[node].conn != conn || sim->conns[conn].broken) {
        return;
    }
    read_jobs(packet);
    enum gg_err err = gg_session_receive(sim->clients[i].session, sim_now(sim, node),
                                         sim_packet_frame(packet),
                                         sim_packet_attachment(packet));
    GG_ASSERT(err == GG_OK);
}

void sim_client_on(struct sim *sim, uint32_t i, const struct sim_event *ev)
{
    uint16_t node = sim_client_node(i);
    if (ev->kind == SIM_EV_BACK) {
        sim_client_start(sim, i);
        return;
    }
    if (!sim->nodes[node].up) {
        return;
    }
    switch ((enum sim_event_kind)ev->kind) {
    case SIM_EV_ARRIVE:
        on_arrival(sim, i, ev->packet);
        break;
    case SIM_EV_CONNECTED:
        on_connected(sim, i, (uint32_t)ev->a);
        break;
    case SIM_EV_LOST:
        if (sim->nodes[node].conn == (uint32_t)ev->a) {
            reconnect(sim, i);
        }
        break;
    case SIM_EV_ACT:
        if (!sim->quiet) {
            act(sim, i);
            sim_after(sim, sim_about(&sim->work_rng, sim->swarm.submit_ms), SIM_EV_ACT,
                      node, 0);
        }
        break;
    case SIM_EV_WAKE:
        sim->nodes[node].wake_at = INT64_MAX;
        break;
    case SIM_EV_NONE:
    case SIM_EV_LEFT:
    case SIM_EV_PASS:
    case SIM_EV_SYNCED:
    case SIM_EV_SPAWNED:
    case SIM_EV_DONE:
    case SIM_EV_KILL:
    case SIM_EV_DEADLINE:
    case SIM_EV_BACK:
    case SIM_EV_RESUME:
    case SIM_EV_FAULT:
    case SIM_EV_MEND:
        break;
    }
    turn(sim, i);
}

/* ---- life ---- */

void sim_client_start(struct sim *sim, uint32_t i)
{
    char name[16];
    struct sim_client *client = &sim->clients[i];
    uint16_t node = sim_client_node(i);
    (void)snprintf(name, sizeof name, "client%u", i);
    struct gg_session_setup setup = {.seed = gg_rng_next(&sim->work_rng),
                                     .name = name,
                                     .host = "sim",
                                     .program = "sim",
                                     .pid = 1,
                                     .owner = sim,
                                     .news = on_news};
    *client = (struct sim_client){0};
    enum gg_err err = gg_session_new(&setup, &client->session);
    GG_ASSERT(err == GG_OK);
    sim->nodes[node].up = true;
    sim->nodes[node].conn = 0;
    sim->nodes[node].wake_at = INT64_MAX;
    sim_connect(sim, node);
    sim_after(sim, sim_about(&sim->work_rng, sim->swarm.submit_ms), SIM_EV_ACT, node,
              0);
}

void sim_client_stop(struct sim *sim, uint32_t i)
{
    uint16_t node = sim_client_node(i);
    if (!sim->nodes[node].up) {
        return;
    }
    sim->nodes[node].up = false;
    sim->nodes[node].stopped_until = 0;
    sim->nodes[node].life++;
    sim_disconnect(sim, node);
    gg_session_destroy(&sim->clients[i].session);
}
