/* test_core_random.c - a long life of peers that do anything in any order, right and
 * wrong; after each step everything that the core keeps is counted anew.
 *
 * The seeds are fixed. A fault names its seed and step; `GG_SEED=n GG_SEEDS=m` in the
 * environment runs others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/core/registry.h"
#include "tests/lib/stage.h"
#include "tests/unit/test_core_walk.h"

enum {
    SEEDS = 12,
    STEPS = 1000,
    CLIENTS = 4, /* Peers 0 to 3; agents' connections are 4 to 8. */
    PEERS = 9,
    NAMES = 3,
    IDS_MAX = 2048,
    HAND_MAX = 2048,
    TOKENS_MAX = 4096,
    NONE = -1,
    SUBMIT_REQUEST = 1000, /* And the index of what is submitted. */
};

/* A job that was submitted, as its sender knows it. */
struct known {
    struct gg_submit submit;
    bool accepted;
    bool acked; /* Its sender acknowledged an answer. */
    bool once;  /* At most once, and nobody asked for another run. */
    bool ran;   /* The broker was told that an attempt started. */
};

struct hand {
    struct gg_id id;
    uint64_t fence;
    uint32_t name; /* Of the agent it was assigned to. */
    uint32_t pool;
};

struct token {
    uint64_t token;
    int known; /* Whose sender it would tell of, or NONE. */
};

struct world {
    struct stage stage;
    struct gg_rng rng;
    uint64_t seed;
    int step;
    bool agent_open[PEERS];
    bool client_open[PEERS];
    uint32_t name_of[PEERS];
    uint64_t incarnation[NAMES];
    uint64_t fence; /* Highest seen. */
    struct known known[IDS_MAX];
    int known_count;
    struct hand hand[HAND_MAX];
    uint32_t hand_count;
    struct token tokens[TOKENS_MAX];
    uint32_t token_count;
};

static uint64_t pick(struct world *world, uint64_t below)
{
    return gg_rng_below(&world->rng, below);
}

static bool chance(struct world *world, uint64_t percent)
{
    return pick(world, 100) < percent;
}

static void fault(const struct world *world, const char *what)
{
    print_error("GG_SEED=%llu, step %d: %s\n", (unsigned long long)world->seed,
                world->step, what);
    fail();
}

/* ---- what the core says ---- */

static int find_known(const struct world *world, const struct gg_id *id)
{
    for (int i = 0; i < world->known_count; i++) {
        if (gg_id_equal(&world->known[i].submit.id, id)) {
            return i;
        }
    }
    return NONE;
}

static void hear_assign(struct world *world, uint32_t peer,
                        const struct gg_assign *assign)
{
    if (assign->fence <= world->fence) {
        fault(world, "a fence does not rise");
    }
    world->fence = assign->fence;
    const struct gg_job *job = gg_registry_by_id(world->stage.core, &assign->id);
    if (job != NULL && gg_job_newest(job)->fence == assign->fence &&
        job->expires.ms <=
            job->newest->lease_until.ms - (int64_t)world->stage.bounds.lease_ms) {
        fault(world, "a job is started past its start deadline");
    }
    int n = find_known(world, &assign->id);
    if (n != NONE && world->known[n].once && world->known[n].ran) {
        fault(world, "a job that runs at most once is started again");
    }
    if (world->hand_count < HAND_MAX) {
        world->hand[world->hand_count++] = (struct hand){
            .id = assign->id,
            .fence = assign->fence,
            .name = world->name_of[peer],
            .pool = (uint32_t)assign->pool};
    }
}

static void hear_token(struct world *world, const struct said *said)
{
    uint64_t n = said->command.request - SUBMIT_REQUEST;
    bool mine = said->command.code == GG_CMD_JOB && n < (uint64_t)world->known_count &&
                gg_id_equal(&said->command.as.job.id, &world->known[n].submit.id);
    if (world->token_count < TOKENS_MAX) {
        world->tokens[world->token_count++] = (struct token){
            .token = said->effect.token, .known = mine ? (int)n : NONE};
    }
}

/* Nobody is given more than he said he takes. */
static void check_window(struct world *world, const struct said *said)
{
    const struct gg_session *session = gg_session_of(world->stage.core,
                                                     said->effect.peer);
    const struct gg_agent *agent = session == NULL ? NULL : session->agent;
    for (uint8_t i = 0; agent != NULL && i < agent->pool_count; i++) {
        const struct gg_pool *pool = agent->pools[i];
        if (pool->number == said->command.as.assign.pool && pool->busy > pool->slots) {
            fault(world, "a pool has more than its window");
        }
    }
    if (agent == NULL || agent->busy > world->stage.bounds.assign_window_max) {
        fault(world, "an agent has more than the broker's window");
    }
}

static void hear(struct world *world)
{
    struct stage *stage = &world->stage;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        const struct said *said = &stage->said[i];
        if (said->effect.type == GG_FX_RESET) {
            world->agent_open[said->effect.peer] = false;
            world->client_open[said->effect.peer] = false;
        }
        if (said->effect.type == GG_FX_SEND && said->command.code == GG_CMD_ASSIGN) {
            hear_assign(world, said->effect.peer, &said->command.as.assign);
            check_window(world, said);
        }
        if (said->effect.token != 0) {
            hear_token(world, said);
        }
    }
    stage->said_count = 0;
    const char *what = core_walk(stage->core);
    if (what != NULL) {
        fault(world, what);
    }
}

static void say(struct world *world, uint32_t peer, enum gg_command_code code,
                uint64_t request, const void *record)
{
    stage_say(&world->stage, peer, code, request, record);
    hear(world);
}

/* ---- clients ---- */

static const char *queue_name(struct world *world)
{
    static const char *const names[] = {"q0", "q1", "q2", "r0"};
    return names[pick(world, 4)];
}

static struct gg_slice pattern(struct world *world)
{
    static const char *const patterns[] = {"", "q*", "q0", "q1", "r0", "*"};
    return gg_slice_text(patterns[pick(world, 6)]);
}

static void set_submit_options(struct world *world, struct gg_submit *submit)
{
    static const char *const keys[] = {"k0", "k1", "k2", "k3"};
    static const char *const payloads[] = {"", "small", "another"};
    submit->payload = gg_slice_text(payloads[chance(world, 80) ? 1 : pick(world, 3)]);
    submit->priority = chance(world, 70) ? 128 : pick(world, 256);
    if (chance(world, 40)) {
        submit->key = gg_slice_text(keys[pick(world, 4)]);
        submit->unique_until = pick(world, 3);
    }
    submit->delay_ms = chance(world, 15) ? pick(world, 5000) : 0;
    if (chance(world, 5)) {
        submit->run_at = chance(world, 10)
                             ? gg_rng_next(&world->rng)
                             : (uint64_t)world->stage.now.wall.ms + pick(world, 4000);
    }
    submit->expires_ms = chance(world, 15) ? pick(world, 5000) : 0;
    submit->attempts = pick(world, 4);
    submit->backoff = pick(world, 3);
    submit->backoff_ms = submit->backoff == 0 ? 0 : pick(world, 1000);
    submit->keep_ms = chance(world, 50) ? GG_UNSAID : pick(world, 3) * 1000;
    submit->keep_failed_ms = chance(world, 50) ? GG_UNSAID : pick(world, 3000);
    submit->wait = chance(world, 50);
}

static int new_submission(struct world *world)
{
    if (world->known_count == IDS_MAX) {
        return NONE;
    }
    int n = world->known_count++;
    struct known *known = &world->known[n];
    *known = (struct known){
        .submit = stage_submission(&world->stage, queue_name(world))};
    set_submit_options(world, &known->submit);
    known->once = known->submit.attempts == 1;
    return n;
}

static void do_submit(struct world *world, uint32_t peer)
{
    bool again = world->known_count > 0 && chance(world, 20);
    int n = again ? (int)pick(world, (uint64_t)world->known_count)
                  : new_submission(world);
    if (n == NONE) {
        return;
    }
    struct known *known = &world->known[n];
    uint64_t before = world->stage.core->stat[GG_STAT_SUBMITTED];
    stage_say(&world->stage, peer, GG_CMD_SUBMIT, SUBMIT_REQUEST + (uint64_t)n,
              &known->submit);
    bool made = world->stage.core->stat[GG_STAT_SUBMITTED] != before;
    if (made && known->accepted && !known->acked) {
        fault(world, "an id was forgotten before its sender had an answer");
    }
    if (made) {
        known->accepted = true;
        known->acked = false;
        known->once = known->submit.attempts == 1;
        known->ran = false;
    }
    hear(world);
}

static void do_submit_many(struct world *world, uint32_t peer)
{
    struct gg_buf list;
    gg_buf_init(&list, 1 << 20);
    struct gg_submit_many many = {0};
    uint32_t count = 1 + (uint32_t)pick(world, 5);
    int first = world->known_count;
    for (uint32_t i = 0; i < count; i++) {
        int n = new_submission(world);
        if (n != NONE) {
            world->known[n].submit.wait = false;
            gg_record_write(&list, GG_RECORD_SUBMIT, &world->known[n].submit, NULL);
            many.jobs.count++;
        }
    }
    many.jobs.raw = gg_buf_slice(&list);
    if (many.jobs.count > 0) {
        uint64_t before = world->stage.core->stat[GG_STAT_SUBMITTED];
        stage_say(&world->stage, peer, GG_CMD_SUBMIT_MANY, 1, &many);
        uint64_t made = world->stage.core->stat[GG_STAT_SUBMITTED] - before;
        for (int n = first; made == many.jobs.count && n < world->known_count; n++) {
            world->known[n].accepted = true;
        }
        hear(world);
    }
    gg_buf_fini(&list);
}

static void do_target(struct world *world, uint32_t peer)
{
    static const enum gg_command_code codes[] = {
        GG_CMD_GET,    GG_CMD_WAIT,  GG_CMD_WAIT,    GG_CMD_CANCEL,
        GG_CMD_CANCEL, GG_CMD_RETRY, GG_CMD_HISTORY, GG_CMD_WHY,
    };
    if (world->known_count == 0) {
        return;
    }
    enum gg_command_code code = codes[pick(world, 8)];
    int n = (int)pick(world, (uint64_t)world->known_count);
    const struct gg_submit *submit = &world->known[n].submit;
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    if (submit->key.len > 0 && chance(world, 30)) {
        target.queue = submit->queue;
        target.key = submit->key;
    } else {
        target.id = submit->id;
    }
    target.timeout_ms = chance(world, 30) ? 1 + pick(world, 3000) : 0;
    target.want_progress = chance(world, 30);
    target.want_partial = chance(world, 30);
    target.want_result = true;
    target.want_why = true;
    target.want_output = true;
    target.dry_run = chance(world, 10);
    for (int i = 0; code == GG_CMD_RETRY && i < world->known_count; i++) {
        world->known[i].once = false; /* By key it can be any of them. */
    }
    say(world, peer, code, pick(world, 20), &target);
}

static void do_operate(struct world *world, uint32_t peer)
{
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = pattern(world);
    scope.dry_run = chance(world, 10);
    switch (pick(world, 8)) {
    case 0:
        scope.cancel_running = chance(world, 10);
        say(world, peer, GG_CMD_PAUSE, 50, &scope);
        return;
    case 1:
    case 2:
    case 3:
        say(world, peer, GG_CMD_RESUME, 51, &scope);
        return;
    case 4:
        scope.states = chance(world, 50) ? 0 : (gg_rng_next(&world->rng) & 0x7ef);
        if (chance(world, 30)) {
            say(world, peer, GG_CMD_PURGE, 52, &scope);
        }
        return;
    case 5:
        say(world, peer, GG_CMD_LIST_QUEUES, 53, &scope);
        return;
    case 6:
        scope.want_runs = true;
        say(world, peer, GG_CMD_LIST_WORKERS, 54, &scope);
        return;
    default:
        say(world, peer, GG_CMD_GET_STATS, 55, &scope);
    }
}

static void do_watch(struct world *world, uint32_t peer)
{
    struct gg_unsubscribe end = {
        .request = chance(world, 50) ? pick(world, 20)
                                     : SUBMIT_REQUEST + pick(world, IDS_MAX)};
    struct gg_events events;
    struct gg_list_jobs list;
    switch (pick(world, 5)) {
    case 0:
        gg_record_default(GG_RECORD_EVENTS, &events);
        events.queue = pattern(world);
        say(world, peer, GG_CMD_SUBSCRIBE, pick(world, 20), &events);
        return;
    case 1:
        say(world, peer, GG_CMD_UNSUBSCRIBE, 60, &end);
        return;
    case 2:
        gg_record_default(GG_RECORD_LIST_JOBS, &list);
        say(world, peer, GG_CMD_LIST_JOBS, 61, &list);
        return;
    default:
        say(world, peer, GG_CMD_UNWAIT, 0, &end);
    }
}

static void open_client(struct world *world, uint32_t peer)
{
    stage_client(&world->stage, peer);
    world->client_open[peer] = true;
    hear(world);
}

static void client_acts(struct world *world)
{
    uint32_t peer = (uint32_t)pick(world, CLIENTS);
    if (!world->client_open[peer]) {
        open_client(world, peer);
        return;
    }
    uint64_t what = pick(world, 100);
    if (what < 55) {
        do_submit(world, peer);
    } else if (what < 60) {
        do_submit_many(world, peer);
    } else if (what < 80) {
        do_target(world, peer);
    } else if (what < 88) {
        do_operate(world, peer);
    } else if (what < 95) {
        do_watch(world, peer);
    } else if (what < 98) {
        stage_close(&world->stage, peer, chance(world, 50));
        world->client_open[peer] = false;
        hear(world);
    } else {
        open_client(world, peer);
    }
}

/* ---- agents ---- */

static void open_agent(struct world *world, uint32_t peer)
{
    static const char *const names[NAMES] = {"w0", "w1", "w2"};
    static const char *const patterns[] = {"q*", "q0", "r0", "*"};
    struct gg_held held[32];
    uint32_t count = 0;
    uint32_t name = (uint32_t)pick(world, NAMES);
    if (chance(world, 20)) {
        world->incarnation[name]++;
    }
    for (uint32_t i = 0; i < world->hand_count && count < 32; i++) {
        const struct hand *hand = &world->hand[world->hand_count - 1 - i];
        if (hand->name == name && chance(world, 70)) {
            held[count++] = (struct gg_held){.id = hand->id,
                                             .fence = hand->fence - chance(world, 5),
                                             .pool = pick(world, 3),
                                             .started = chance(world, 50)};
        }
    }
    world->name_of[peer] = name;
    world->agent_open[peer] = true;
    stage_agent_again(&world->stage, peer, names[name], world->incarnation[name],
                      patterns[pick(world, 4)], (uint32_t)pick(world, 6), held, count);
    hear(world);
}

static void do_heartbeat(struct world *world, uint32_t peer)
{
    struct gg_buf fences;
    struct gg_buf pools;
    struct gg_buf texts;
    gg_buf_init(&fences, 65536);
    gg_buf_init(&pools, 65536);
    gg_buf_init(&texts, 65536);
    struct gg_heartbeat beat = {.draining = chance(world, 5)};
    for (uint32_t i = 0; i < world->hand_count; i++) {
        if (world->hand[i].name == world->name_of[peer] && chance(world, 80)) {
            gg_num_write(&fences, world->hand[i].fence);
            beat.held.count++;
        }
    }
    gg_text_write(&texts, gg_slice_text("q1"));
    for (uint32_t i = 1; i <= 2; i++) {
        struct gg_pool_info pool = {
            .pool = i,
            .slots = pick(world, 6),
            .queues = {.raw = gg_buf_slice(&texts), .count = 1}};
        if (chance(world, 40)) {
            gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
            beat.pools.count++;
        }
    }
    beat.held.raw = gg_buf_slice(&fences);
    beat.pools.raw = gg_buf_slice(&pools);
    say(world, peer, GG_CMD_HEARTBEAT, 0, &beat);
    gg_buf_fini(&texts);
    gg_buf_fini(&pools);
    gg_buf_fini(&fences);
}

static bool holds(struct world *world, const struct hand *hand)
{
    size_t place = 0;
    const struct gg_agent *agent;
    while ((agent = gg_map_next(&world->stage.core->agents, &place)) != NULL) {
        GG_LIST_EACH(&agent->leases, it)
        {
            if (GG_CONTAINER(it, struct gg_job_attempt, lease)->fence == hand->fence) {
                return true;
            }
        }
    }
    return false;
}

static void do_started(struct world *world, uint32_t peer, const struct hand *hand)
{
    struct gg_started started = {.id = hand->id, .fence = hand->fence};
    int n = find_known(world, &hand->id);
    if (n != NONE && hand->name == world->name_of[peer] && holds(world, hand)) {
        world->known[n].ran = true;
    }
    say(world, peer, GG_CMD_STARTED, 0, &started);
}

static void do_outcome(struct world *world, uint32_t peer, const struct hand *hand)
{
    static const char long_text[] = "a sentence of some length about what went wrong";
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = hand->id;
    outcome.fence = hand->fence - chance(world, 5);
    outcome.kind = chance(world, 40) ? GG_OUTCOME_SUCCEEDED : 1 + pick(world, 10);
    outcome.never_started = chance(world, 50);
    outcome.snooze_ms = pick(world, 2000);
    if (outcome.kind == GG_OUTCOME_SUCCEEDED) {
        outcome.result = gg_slice_of("result and more", pick(world, 15));
    }
    outcome.text = gg_slice_of(long_text, pick(world, sizeof long_text));
    outcome.output = gg_slice_of(long_text, pick(world, sizeof long_text));
    int n = find_known(world, &hand->id);
    if (n != NONE && outcome.kind == GG_OUTCOME_SNOOZED) {
        world->known[n].once = false; /* The job itself asks for another run. */
    }
    if (chance(world, 90)) {
        stage_say(&world->stage, peer, GG_CMD_OUTCOME, 0, &outcome);
    }
    hear(world);
}

static void do_report(struct world *world, uint32_t peer, const struct hand *hand)
{
    struct gg_progress progress = {.id = hand->id,
                                   .fence = hand->fence,
                                   .progress_ppm = pick(world, 1000000),
                                   .progress_text = gg_slice_text("half")};
    struct gg_partial partial = {.id = hand->id,
                                 .fence = hand->fence,
                                 .offset = pick(world, 3) * 5,
                                 .data = gg_slice_text("12345")};
    struct gg_checkpoint point = {
        .id = hand->id, .fence = hand->fence, .data = gg_slice_text("here")};
    switch (pick(world, 3)) {
    case 0:
        say(world, peer, GG_CMD_PROGRESS, 0, &progress);
        return;
    case 1:
        say(world, peer, GG_CMD_PARTIAL, 0, &partial);
        return;
    default:
        say(world, peer, GG_CMD_CHECKPOINT, 0, &point);
    }
}

static void agent_acts(struct world *world)
{
    uint32_t peer = CLIENTS + (uint32_t)pick(world, PEERS - CLIENTS);
    uint64_t what = pick(world, 100);
    if (!world->agent_open[peer]) {
        if (what < 30) {
            open_agent(world, peer);
        }
        return;
    }
    if (what < 20) {
        do_heartbeat(world, peer);
    } else if (what < 22) {
        open_agent(world, peer);
    } else if (what < 24) {
        stage_close(&world->stage, peer, chance(world, 30));
        world->agent_open[peer] = false;
        hear(world);
    } else if (world->hand_count > 0) {
        uint64_t recent = world->hand_count < 24 ? world->hand_count : 24;
        struct hand hand = world->hand[world->hand_count - 1 - pick(world, recent)];
        if (what < 45) {
            do_started(world, peer, &hand);
        } else if (what < 55) {
            do_report(world, peer, &hand);
        } else {
            do_outcome(world, peer, &hand);
        }
    }
}

/* ---- receipts and time ---- */

static void give_receipt(struct world *world)
{
    if (world->token_count == 0) {
        return;
    }
    uint64_t n = pick(world, world->token_count);
    struct token token = world->tokens[n];
    if (chance(world, 90)) {
        world->tokens[n] = world->tokens[--world->token_count];
    }
    if (token.known != NONE) {
        world->known[token.known].acked = true;
    }
    stage_receipt(&world->stage, token.token);
    hear(world);
}

static void pass_time(struct world *world)
{
    uint64_t kind = pick(world, 100);
    if (kind < 3) { /* The broker itself does not run for a while. */
        int64_t ms = (int64_t)pick(world, 20000);
        world->stage.now.mono.ms += ms;
        world->stage.now.wall.ms += ms;
    } else if (kind < 5) { /* Somebody sets the clock. */
        world->stage.now.wall.ms += (int64_t)pick(world, 7200000) - 3600000;
    }
    int64_t left = (int64_t)pick(world, kind < 80 ? 100 : kind < 97 ? 1500 : 20000);
    for (; left > 0; left -= 200) {
        stage_wait(&world->stage, left < 200 ? left : 200);
        hear(world);
    }
}

/* ---- a life ---- */

static void tiny_bounds(struct gg_bounds *bounds)
{
    bounds->jobs_max = 60;
    bounds->memory_bytes_max = 60000;
    bounds->reserve_bytes = 12000;
    bounds->queue_jobs_max = 10;
    bounds->realm_jobs_max = 50;
    bounds->queues_max = 3;
    bounds->agents_max = 2;
    bounds->result_bytes_max = 10;
    bounds->waiters_max = 2;
    bounds->dead_jobs_max = 3;
    bounds->assign_window_max = 4;
    bounds->partial_bytes_max = 12;
    bounds->subscriptions_max = 2;
    bounds->id_window_ms = 20000;
    bounds->keep_failed_ms = 60000;
    bounds->crashes_max = 2;
}

static void durable_bounds(struct gg_bounds *bounds)
{
    bounds->durable = true;
    bounds->dead_bytes_max = 5000;
    bounds->gone_grace_ms = 0;
}

static void end_of_the_world(struct world *world)
{
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    open_client(world, 0);
    for (uint32_t peer = 0; peer < PEERS; peer++) {
        if (peer != 0) {
            stage_close(&world->stage, peer, false);
            hear(world);
        }
    }
    for (int i = 0; i < 40; i++) {
        stage_wait(&world->stage, 1000);
        hear(world);
    }
    say(world, 0, GG_CMD_PURGE, 1, &scope);
    stage_wait(&world->stage, 1);
    stage_close(&world->stage, 0, true);
    hear(world);
    for (int quarter = 0; quarter < 32 * 4; quarter++) {
        stage_wait(&world->stage, (int64_t)GG_DAY_MS / 4);
        hear(world);
    }
    const struct gg_core *core = world->stage.core;
    assert_int_equal(core->jobs, 0);
    assert_int_equal(core->memory_bytes, 0);
    assert_int_equal(core->dead_bytes, 0);
    assert_int_equal(gg_map_count(&core->agents), 0);
    assert_int_equal(core->subscription_count, 0);
    for (int kind = GG_TIMER_NONE + 1; kind < GG_TIMER_KIND_COUNT; kind++) {
        assert_int_equal(core->job_timers[kind].count, 0);
    }
    assert_int_equal(core->waits.count, 0);
    assert_int_equal(core->agent_timers.count + core->settle_timers.count, 0);
    assert_true(gg_list_empty(&core->settles) && gg_list_empty(&core->sweeps));
}

static void live(uint64_t seed)
{
    static struct world world;
    world = (struct world){.rng = {seed}, .seed = seed};
    stage_init(&world.stage, seed % 2 == 0   ? tiny_bounds
                             : seed % 3 == 0 ? durable_bounds
                                             : NULL);
    if (seed % 3 == 1) { /* Fences are about to run over. */
        world.stage.core->fence_count = (UINT64_C(1) << GG_FENCE_SHIFT) - 40;
    }
    for (world.step = 0; world.step < STEPS; world.step++) {
        uint64_t what = pick(&world, 100);
        if (what < 35) {
            client_acts(&world);
        } else if (what < 75) {
            agent_acts(&world);
        } else if (what < 85) {
            give_receipt(&world);
        } else {
            pass_time(&world);
        }
    }
    if (seed % 5 != 0) { /* Else it is destroyed in the midst of life. */
        end_of_the_world(&world);
    }
    stage_fini(&world.stage);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void whatever_peers_do_the_core_stays_sound(void **state)
{
    (void)state;
    uint64_t first = number_of("GG_SEED", 1);
    uint64_t count = number_of("GG_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        live(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_peers_do_the_core_stays_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
