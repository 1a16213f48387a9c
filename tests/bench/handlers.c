/* handlers.c - what an agent does with jobs of C handlers, without broker and sockets.
 *
 *   handlers JOBS PROCESSES BATCH BYTES
 *
 * The production agent core, its staff, keeper and executors, as in ganger-worker; the
 * broker is a function that assigns a job for each outcome and confirms it, in messages
 * as they come from a socket. Prints jobs a second, and how many for one wake of it.
 */
#include <errno.h>
#include <ganger/worker.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/rng.h"
#include "common/spin.h"
#include "tests/lib/scratch.h"
#include "worker/exec/keeper.h"
#include "worker/staff.h"

enum {
    EXECUTOR_FD = 3,
    WAIT_MS = 1000,
    BYTES_MAX = 4096,
    KEEPER_END_MS = 5000,
    SPIN_US = 50
};

struct world {
    struct gg_poller poller;
    struct gg_keeper_client keeper;
    struct gg_worker *agent;
    struct gg_staff staff;
    const char *folder;

    /* The broker. */
    struct gg_rng rng;
    struct gg_buf out;
    uint32_t out_count;
    uint64_t sequence;
    uint64_t heard;
    uint64_t fence;
    uint64_t session;
    uint64_t left; /* Jobs to assign. */
    uint64_t ended;
    uint64_t turns;
    struct gg_spin spin;
    struct gg_slice payload;
    struct gg_wall wall;
};

static uint8_t bytes[BYTES_MAX];

static int echo(ganger_job *job)
{
    size_t len = 0;
    const void *payload = ganger_job_payload(job, &len);
    return ganger_job_succeed(job, payload, len);
}

static const struct ganger_handler handler = {GANGER_HANDLER_ABI, echo, NULL, NULL};

_Noreturn static void stop(const char *what)
{
    (void)fprintf(stderr, "handlers: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the broker ---- */

static void say(struct world *world, enum gg_command_code code, const void *record)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    if (world->out_count == 0) {
        gg_buf_clear(&world->out);
        gg_buf_append(&world->out, prefix, sizeof prefix);
    }
    gg_command_write(&world->out, code, 0, record, NULL);
    world->out_count++;
}

static void send_all(struct world *world, enum gg_message_type type)
{
    if (world->out_count == 0) {
        return;
    }
    const struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                                     .type = (uint8_t)type,
                                     .session = world->session,
                                     .sequence = ++world->sequence,
                                     .acked = world->heard};
    gg_prefix_write(&header, world->out_count, world->out.data);
    world->out_count = 0;
    (void)gg_worker_receive(world->agent, gg_mono_now(), gg_buf_slice(&world->out),
                            (struct gg_slice){0}, NULL);
}

static void welcome(struct world *world)
{
    struct gg_welcome record;
    gg_record_default(GG_RECORD_WELCOME, &record);
    record.version = GG_PROTOCOL_VERSION;
    record.epoch = 1;
    record.heartbeat_ms = 1000;
    record.dead_after_ms = 3000;
    record.lease_ms = 15000;
    record.frame_bytes_max = 1 << 26;
    record.requests_max = 1000;
    record.durability = 1;
    record.result_bytes_max = 1 << 20;
    say(world, GG_CMD_WELCOME, &record);
    send_all(world, GG_MESSAGE_WELCOME);
}

static void assign(struct world *world)
{
    struct gg_assign record;
    if (world->left == 0) {
        return;
    }
    world->left--;
    gg_record_default(GG_RECORD_ASSIGN, &record);
    record.id = gg_id_new(world->wall, &world->rng);
    record.fence = ++world->fence;
    record.pool = 1;
    record.attempt = 1;
    record.attempts_max = 5;
    record.queue = gg_slice_text("p");
    record.payload = world->payload;
    record.start_within_ms = 10000;
    say(world, GG_CMD_ASSIGN, &record);
}

static void on_command(struct world *world, const struct gg_command *command)
{
    if (command->code == GG_CMD_HEARTBEAT) {
        struct gg_heartbeat beat;
        gg_record_default(GG_RECORD_HEARTBEAT, &beat);
        say(world, GG_CMD_HEARTBEAT, &beat);
    } else if (command->code == GG_CMD_OUTCOME) {
        struct gg_confirm confirm = {.id = command->as.outcome.id,
                                     .fence = command->as.outcome.fence};
        GG_ASSERT(command->as.outcome.kind == GG_OUTCOME_SUCCEEDED &&
                  command->as.outcome.result.len == world->payload.len);
        world->ended++;
        say(world, GG_CMD_CONFIRM, &confirm);
        assign(world);
    }
}

/* Take what the agent has to say, and answer it. */
static void broker(struct world *world)
{
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    while (gg_worker_front(world->agent, &frame, &attachment)) {
        struct gg_message message;
        struct gg_command command;
        struct gg_fault fault;
        GG_ASSERT(gg_message_open(frame, gg_blob_slice(attachment), &message, &fault) ==
                  GG_OK);
        world->heard = message.header.sequence;
        while (gg_message_next(&message, &command, &fault)) {
            on_command(world, &command);
        }
        gg_worker_sent(world->agent);
    }
    send_all(world, GG_MESSAGE_COMMANDS);
}

/* ---- the agent ---- */

static void turn(struct world *world)
{
    gg_poller_dispatch(&world->poller);
    gg_staff_hear(&world->staff);
    struct gg_now now = gg_now();
    world->wall = now.wall;
    world->turns++;
    broker(world);
    gg_worker_tick(world->agent, now.mono);
    gg_staff_turn(&world->staff, now);
}

/* As worker/io.c does it. */
static bool look_again(struct world *world)
{
    bool found = false;
    if (!gg_spin_wanted(&world->spin)) {
        return false;
    }
    int64_t end_us = gg_mono_us() + SPIN_US;
    do {
        found = gg_staff_has_more(&world->staff);
        (void)sched_yield();
    } while (!found && gg_mono_us() < end_us);
    gg_spin_learn(&world->spin, found);
    return found;
}

static void wait_for_something(struct world *world)
{
    if (look_again(world)) {
        return;
    }
    struct pollfd item = {.fd = world->poller.fd, .events = POLLIN};
    (void)poll(&item, 1, gg_staff_may_sleep(&world->staff) ? WAIT_MS : 0);
}

static void add_pool(struct world *world, const char *processes, const char *batch)
{
    const char *const said[][2] = {{"queues", "p"},
                                   {"handler", "/proc/self/exe"},
                                   {"size", processes},
                                   {"batch", batch}};
    struct gg_pool_settings pool;
    struct gg_settings_fault fault = {.text = ""};
    bool good = gg_pool_settings_init(&pool, "p") == GG_OK;
    for (size_t i = 0; good && i < sizeof said / sizeof said[0]; i++) {
        good = gg_pool_settings_set(&pool, said[i][0], said[i][1], &fault) == GG_OK;
    }
    good = good && gg_pool_settings_check(&pool, &fault) == GG_OK &&
           gg_staff_add(&world->staff, gg_mono_now(), &pool, &fault) == GG_OK;
    if (!good) {
        stop(fault.text);
    }
    gg_pool_settings_fini(&pool);
}

static void start(struct world *world, const char *processes, const char *batch)
{
    struct gg_worker_config config = {.name = gg_slice_text("bench"),
                                      .host = gg_slice_text("here"),
                                      .program = gg_slice_text("handlers"),
                                      .incarnation = 1,
                                      .slots_max = GG_WORKER_SLOTS_MAX};
    (void)scratch_new();
    world->folder = scratch_above();
    if (gg_poller_init(&world->poller) != GG_OK ||
        gg_worker_new(&config, &world->agent) != GG_OK) {
        stop("cannot start");
    }
    struct gg_run_world shared = {.poller = &world->poller,
                                  .keeper = &world->keeper,
                                  .temp_folder = world->folder};
    gg_staff_init(&world->staff, world->agent, &shared);
    add_pool(world, processes, batch);
    if (gg_keeper_start(&world->keeper, &world->poller, -1, world->folder) != GG_OK) {
        stop("no keeper");
    }
    world->session = 1;
    gg_rng_seed(&world->rng);
    gg_buf_init(&world->out, 1 << 26);
    gg_worker_hello(world->agent, gg_now(), world->session);
    broker(world);
    welcome(world);
}

/* So many jobs, `at_once` in hand; returns the seconds. */
static double run(struct world *world, uint64_t jobs, uint64_t at_once)
{
    int64_t began_us = gg_mono_us();
    uint64_t all = world->ended + jobs;
    world->left = jobs;
    for (uint64_t i = 0; i < at_once; i++) {
        assign(world);
    }
    for (turn(world); world->ended < all; turn(world)) {
        wait_for_something(world);
    }
    return (double)(gg_mono_us() - began_us) / 1e6;
}

int main(int argc, char **argv)
{
    static struct world world;
    if (argc == 3 && strcmp(argv[1], "--role=keeper") == 0) {
        return gg_keeper_main(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "--role=executor") == 0) {
        return ganger_executor_main(EXECUTOR_FD, &handler);
    }
    if (argc != 5) {
        (void)fprintf(stderr, "usage: handlers JOBS PROCESSES BATCH BYTES\n");
        return 64;
    }
    uint64_t jobs = strtoul(argv[1], NULL, 10);
    uint64_t at_once = strtoul(argv[2], NULL, 10) * strtoul(argv[3], NULL, 10);
    size_t size = strtoul(argv[4], NULL, 10);
    world.payload = gg_slice_of(bytes, size < BYTES_MAX ? size : BYTES_MAX);
    start(&world, argv[2], argv[3]);
    (void)run(&world, jobs / 10 + 100, at_once); /* All is there, and warm. */
    world.turns = 0;
    double took = run(&world, jobs, at_once);
    (void)printf("jobs_per_second=%.0f\njobs_per_turn=%.1f\n", (double)jobs / took,
                 (double)jobs / (double)world.turns);
    world.staff.ending = true;
    gg_keeper_end(&world.keeper, KEEPER_END_MS);
    gg_staff_fini(&world.staff);
    gg_worker_destroy(&world.agent);
    gg_buf_fini(&world.out);
    gg_poller_fini(&world.poller);
    scratch_remove();
    return 0;
}
