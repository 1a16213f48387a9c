/* core_cost.c - jobs through the broker without sockets: for counting instructions.
 *
 *   core_cost SCENARIO JOBS
 *
 *   end_only   one answer a job, at its end: what `ganger bench` asks for
 *   answered   accepted and ended are told
 *   kept       with a key, ten minutes of retention, and its history
 *   fan_in     submissions of one key: all but the first meet the job
 *
 * A client and an agent of this program hand the broker messages as they come from
 * a socket and take what it would send. Only the broker's part runs in broker_reads():
 * instructions.py counts what is executed there, which no other load on the machine
 * can change. It covers the bounded check, decoding, the core, encoding and the outbox;
 * not libzmq and the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "broker/io/outbox.h"
#include "common/assert.h"
#include "common/rng.h"

enum { BATCH = 256, CLIENT = 0, AGENT = 1, ROLES = 2, PAYLOAD_BYTES = 100 };

/* One side of a connection: what it sends, and what it was sent last. */
struct side {
    struct gg_peer *peer;
    struct gg_buf out; /* Room for the prefix, then commands. */
    uint32_t count;
    uint64_t sequence;
    struct gg_buf in; /* Messages that the broker sent, each after its length. */
    uint64_t seen;    /* Highest sequence among them. */
};

struct world {
    struct gg_core *core;
    struct gg_bounds bounds;
    struct gg_core_about about;
    struct gg_grant grant;
    struct gg_effects fx;
    struct gg_peers peers;
    struct gg_outbox box;
    struct gg_now now;
    struct gg_rng rng;
    struct side sides[ROLES];
    uint64_t ended;
};

struct scenario {
    const char *name;
    bool end_only;
    const char *key; /* "": each has its own; NULL: none. */
    uint64_t keep_ms;
};

static const struct scenario scenarios[] = {
    {.name = "end_only", .end_only = true, .keep_ms = GG_UNSAID},
    {.name = "answered", .keep_ms = GG_UNSAID},
    {.name = "kept", .key = "", .keep_ms = 600000},
    {.name = "fan_in", .key = "one", .keep_ms = 600000},
};

/* ---- the broker ---- */

static enum gg_sent deliver(void *ctx, const struct gg_route *route,
                            struct gg_slice frame, struct gg_blob *attachment)
{
    struct world *world = ctx;
    struct side *side = &world->sides[route->id[0]];
    GG_ASSERT(attachment == NULL);
    uint64_t len = frame.len;
    gg_buf_append(&side->in, &len, sizeof len);
    gg_buf_append(&side->in, frame.data, frame.len);
    return GG_SENT;
}

static void step(struct world *world, const struct gg_event *ev)
{
    gg_effects_clear(&world->fx);
    gg_core_step(world->core, ev, &world->fx);
    for (uint32_t i = 0; i < world->fx.count; i++) {
        const struct gg_effect *effect = &world->fx.items[i];
        if (effect->type == GG_FX_SEND || effect->type == GG_FX_WELCOME) {
            gg_outbox_add(&world->box, gg_peers_at(&world->peers, effect->peer),
                          &world->fx, effect);
        }
    }
}

/* What the shell does with a message of an open session. */
__attribute__((noinline)) static void broker_reads(struct world *world,
                                                   struct gg_peer *peer,
                                                   struct gg_slice frame)
{
    struct gg_message message;
    struct gg_fault fault;
    struct gg_command command;
    if (gg_message_open(frame, (struct gg_slice){0}, &message, &fault) != GG_OK ||
        gg_peers_hear(&world->peers, peer, &message.header, world->now.mono) !=
            GG_HEARD) {
        GG_BUG("a message of our own is refused");
    }
    struct gg_event ev = {
        .type = GG_EV_RECEIPT, .now = world->now, .peer = peer->number};
    while (gg_peer_receipt(peer, &ev.token)) {
        step(world, &ev);
    }
    ev.type = GG_EV_COMMAND;
    ev.command = &command;
    while (gg_message_next(&message, &command, &fault)) {
        GG_ASSERT(fault.err == GG_OK);
        step(world, &ev);
    }
    gg_outbox_flush(&world->box, true);
}

/* ---- its peers ---- */

static void begin(struct side *side)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    gg_buf_clear(&side->out);
    gg_buf_append(&side->out, prefix, sizeof prefix);
    side->count = 0;
}

static void say(struct side *side, enum gg_command_code code, uint64_t request,
                const void *record)
{
    gg_command_write(&side->out, code, request, record, NULL);
    side->count++;
}

static void hand_over(struct world *world, struct side *side)
{
    struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = GG_MESSAGE_COMMANDS,
        .session = side->peer->session,
        .sequence = ++side->sequence,
        .acked = side->seen,
    };
    gg_prefix_write(&header, side->count, side->out.data);
    gg_buf_clear(&side->in);
    broker_reads(world, side->peer, gg_buf_slice(&side->out));
}

/* Look at each command that came; note how far the messages went. */
static void look(struct world *world, struct side *side,
                 void (*fn)(struct world *world, const struct gg_command *command))
{
    for (size_t at = 0; at < side->in.len;) {
        uint64_t len = 0;
        memcpy(&len, side->in.data + at, sizeof len);
        at += sizeof len;
        struct gg_message message;
        struct gg_fault fault;
        struct gg_command command;
        if (gg_message_open(gg_slice_of(side->in.data + at, len), (struct gg_slice){0},
                            &message, &fault) != GG_OK) {
            GG_BUG("a message of the broker's cannot be read");
        }
        at += len;
        side->seen = message.header.sequence;
        while (gg_message_next(&message, &command, &fault)) {
            fn(world, &command);
        }
    }
}

static void on_answer(struct world *world, const struct gg_command *command)
{
    GG_ASSERT(command->code == GG_CMD_JOB);
    world->ended += command->as.job.state == GG_JOB_SUCCEEDED;
}

static void on_assign(struct world *world, const struct gg_command *command)
{
    if (command->code == GG_CMD_ASSIGN) {
        const struct gg_assign *assign = &command->as.assign;
        struct gg_outcome_info outcome;
        gg_record_default(GG_RECORD_OUTCOME, &outcome);
        outcome.id = assign->id;
        outcome.fence = assign->fence;
        outcome.kind = GG_OUTCOME_SUCCEEDED;
        outcome.exit_status = 0;
        outcome.result = assign->payload;
        say(&world->sides[AGENT], GG_CMD_OUTCOME, assign->fence, &outcome);
    }
}

static void submit(struct world *world, const struct scenario *scenario,
                   uint64_t number)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    char key[32];
    int len = snprintf(key, sizeof key, "job-%llu", (unsigned long long)number);
    struct gg_submit record;
    gg_record_default(GG_RECORD_SUBMIT, &record);
    record.id = gg_id_new(world->now.wall, &world->rng);
    record.queue = gg_slice_text("bench");
    record.payload = gg_slice_of(payload, sizeof payload);
    record.wait = true;
    record.end_only = scenario->end_only;
    record.keep_ms = scenario->keep_ms;
    if (scenario->key != NULL) {
        record.key = scenario->key[0] != '\0' ? gg_slice_text(scenario->key)
                                              : gg_slice_of(key, (size_t)len);
    }
    say(&world->sides[CLIENT], GG_CMD_SUBMIT, number, &record);
}

/* ---- the run ---- */

static void open_session(struct world *world, uint8_t role,
                         const struct gg_hello *hello)
{
    struct side *side = &world->sides[role];
    struct gg_route route;
    gg_buf_init(&side->out, 1 << 24);
    gg_buf_init(&side->in, 1 << 24);
    GG_ASSERT(gg_route_set(&route,
                           role == AGENT ? GG_ENDPOINT_AGENT : GG_ENDPOINT_CLIENT,
                           gg_slice_of(&role, 1)));
    if (gg_peers_open(&world->peers, &route, 100U + role, world->now.mono,
                      &side->peer) != GG_OK) {
        GG_BUG("no session");
    }
    side->sequence = 1;
    struct gg_command command = {.code = GG_CMD_HELLO, .as.hello = *hello};
    step(world, &(struct gg_event){.type = GG_EV_HELLO,
                                   .now = world->now,
                                   .peer = side->peer->number,
                                   .grant = &world->grant,
                                   .command = &command});
    gg_outbox_flush(&world->box, true);
    side->seen = side->peer->sent;
}

static void open_sessions(struct world *world)
{
    struct gg_buf queues;
    struct gg_buf pools;
    gg_buf_init(&queues, 1024);
    gg_buf_init(&pools, 1024);
    gg_text_write(&queues, gg_slice_text("bench"));
    struct gg_pool_info pool;
    gg_record_default(GG_RECORD_POOL, &pool);
    pool.pool = 1;
    pool.slots = BATCH;
    pool.queues = (struct gg_list){gg_buf_slice(&queues), 1};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    struct gg_hello hello;
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.version_min = hello.version_max = GG_PROTOCOL_VERSION;
    hello.kind = GG_PEER_CLIENT;
    open_session(world, CLIENT, &hello);
    hello.kind = GG_PEER_AGENT;
    hello.name = gg_slice_text("agent");
    hello.incarnation = 1;
    hello.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    open_session(world, AGENT, &hello);
    gg_buf_fini(&queues);
    gg_buf_fini(&pools);
}

static void run(struct world *world, const struct scenario *scenario, uint64_t jobs)
{
    for (uint64_t done = 0; done < jobs; done += BATCH) {
        begin(&world->sides[CLIENT]);
        for (uint64_t i = 0; i < BATCH; i++) {
            submit(world, scenario, done + i + 1);
        }
        hand_over(world, &world->sides[CLIENT]);
        look(world, &world->sides[CLIENT], on_answer);
        begin(&world->sides[AGENT]);
        look(world, &world->sides[AGENT], on_assign);
        gg_buf_clear(&world->sides[CLIENT].in);
        hand_over(world, &world->sides[AGENT]);
        look(world, &world->sides[CLIENT], on_answer);
        world->now.mono.ms += 1;
        world->now.wall.ms += 1;
    }
}

int main(int argc, char **argv)
{
    const struct scenario *scenario = NULL;
    for (size_t i = 0; argc == 3 && i < sizeof scenarios / sizeof scenarios[0]; i++) {
        scenario = strcmp(argv[1], scenarios[i].name) == 0 ? &scenarios[i] : scenario;
    }
    if (scenario == NULL) {
        (void)fputs("usage: core_cost end_only|answered|kept|fan_in JOBS\n", stderr);
        return 64;
    }
    static struct world world;
    world.now = (struct gg_now){{1000000}, {INT64_C(1800000000000)}};
    world.rng = (struct gg_rng){42};
    gg_bounds_default(&world.bounds);
    world.about = (struct gg_core_about){.program = "gangerd bench",
                                         .store = "memory",
                                         .client_endpoint = "",
                                         .agent_endpoint = "",
                                         .frame_bytes_max = 1 << 20,
                                         .started = world.now};
    gg_grant_all(&world.grant, "local");
    gg_effects_init(&world.fx);
    gg_peers_init(&world.peers, 4, 7);
    gg_outbox_init(&world.box, &world.peers, deliver, &world);
    world.core = gg_core_new(&world.bounds, &world.about, 1000, 7);
    GG_ASSERT(world.core != NULL);
    open_sessions(&world);

    uint64_t jobs = strtoull(argv[2], NULL, 10) / BATCH * BATCH;
    run(&world, scenario, jobs);

    (void)printf("jobs=%llu succeeded=%llu\n", (unsigned long long)jobs,
                 (unsigned long long)world.ended);
    return world.ended == jobs ? 0 : 1; /* The process ends: memory is not freed. */
}
