/* fuzz_core.c - steps of the core, read from bytes as operations; after some of them
 * everything the core keeps is counted anew.
 *
 * Input: which bounds; then operations, each a byte that says what and bytes that say
 * with what. What the core said earlier (jobs assigned, tokens) is there to be used.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "tests/fuzz/bites.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/any_record.h"
#include "tests/lib/driver.h"
#include "tests/unit/test_core_walk.h"

enum {
    CLIENTS = 3,
    AGENTS = 3,
    JOBS_MAX = 32,
    HANDS_MAX = 32,
    TOKENS_MAX = 32,
    STEPS_MAX = 400,
    WALK_EVERY = 32,
};

struct hand {
    struct gg_id id;
    uint64_t fence;
};

struct play {
    struct gg_driver driver;
    struct bites bites;
    struct gg_rng rng;
    struct gg_id jobs[JOBS_MAX];
    uint32_t job_count;
    struct hand hands[HANDS_MAX];
    uint32_t hand_count;
    uint64_t tokens[TOKENS_MAX];
    uint32_t token_count;
};

static const char *const queues[] = {"q0", "q1", "r0", "q*", "*", ""};
static const uint16_t times[] = {0, 1, 50, 500, 3000, 15000, 60000, 65535};

static struct gg_slice a_queue(struct play *play, uint32_t below)
{
    return gg_slice_text(queues[bite_below(&play->bites, below)]);
}

static uint64_t a_time(struct play *play)
{
    return times[bite_below(&play->bites, 8)];
}

/* ---- what the core says ---- */

static void hear(void *ctx, struct gg_driver *driver)
{
    struct play *play = ctx;
    struct gg_command command;
    for (uint32_t i = 0; i < driver->fx.count; i++) {
        if (!gg_driver_heard(driver, i, &command)) {
            continue;
        }
        if (command.code == GG_CMD_ASSIGN) {
            struct hand *hand = &play->hands[play->hand_count++ % HANDS_MAX];
            *hand = (struct hand){command.as.assign.id, command.as.assign.fence};
        }
        if (driver->fx.items[i].token != 0) {
            play->tokens[play->token_count++ % TOKENS_MAX] = driver->fx.items[i].token;
        }
    }
}

/* ---- clients ---- */

static void do_submit(struct play *play, uint32_t peer)
{
    struct bites *bites = &play->bites;
    struct gg_submit submit;
    gg_record_default(GG_RECORD_SUBMIT, &submit);
    uint32_t known = bite(bites);
    if (known < 32 && play->job_count > 0) {
        submit.id = play->jobs[known % play->job_count % JOBS_MAX];
    } else {
        submit.id = gg_id_new(play->driver.now.wall, &play->rng);
        play->jobs[play->job_count++ % JOBS_MAX] = submit.id;
    }
    submit.queue = a_queue(play, 3);
    uint32_t options = bite(bites);
    submit.key = options % 4 == 0 ? bite_bytes(bites, 2) : (struct gg_slice){0};
    submit.payload = options % 8 < 4 ? bite_bytes(bites, 64) : (struct gg_slice){0};
    submit.wait = (options & 8) != 0;
    submit.priority = (options & 16) != 0 ? bite(bites) : 128;
    submit.delay_ms = (options & 32) != 0 ? a_time(play) : 0;
    submit.expires_ms = (options & 64) != 0 ? a_time(play) : 0;
    submit.attempts = (options & 128) != 0 ? bite_below(bites, 4) : 0;
    submit.unique_until = options % 3;
    submit.keep_ms = options % 5 == 0 ? a_time(play) : GG_UNSAID;
    submit.keep_failed_ms = options % 7 == 0 ? a_time(play) : GG_UNSAID;
    submit.backoff = options % 3 == 0 ? GG_BACKOFF_FIXED : GG_BACKOFF_DEFAULT;
    submit.backoff_ms = options % 3 == 0 ? a_time(play) : 0;
    gg_driver_say(&play->driver, peer, GG_CMD_SUBMIT, 1 + bite_below(bites, 16),
                  &submit);
}

static void do_target(struct play *play, uint32_t peer)
{
    static const enum gg_command_code codes[] = {GG_CMD_GET,     GG_CMD_WAIT,
                                                 GG_CMD_CANCEL,  GG_CMD_RETRY,
                                                 GG_CMD_HISTORY, GG_CMD_WHY};
    struct bites *bites = &play->bites;
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    enum gg_command_code code = codes[bite_below(bites, 6)];
    uint32_t which = bite(bites);
    if (play->job_count > 0 && which < 200) {
        target.id = play->jobs[which % play->job_count % JOBS_MAX];
    } else {
        target.queue = a_queue(play, 3);
        target.key = bite_bytes(bites, 2);
    }
    uint32_t options = bite(bites);
    target.timeout_ms = (options & 1) != 0 ? a_time(play) : 0;
    target.want_progress = (options & 2) != 0;
    target.want_partial = (options & 4) != 0;
    target.want_result = (options & 8) != 0;
    target.want_why = (options & 16) != 0;
    target.want_output = (options & 32) != 0;
    target.dry_run = (options & 192) == 192;
    gg_driver_say(&play->driver, peer, code, 1 + bite_below(bites, 16), &target);
}

static void do_operate(struct play *play, uint32_t peer)
{
    static const enum gg_command_code codes[] = {
        GG_CMD_PAUSE,       GG_CMD_RESUME,       GG_CMD_PURGE,
        GG_CMD_LIST_QUEUES, GG_CMD_LIST_WORKERS, GG_CMD_GET_STATS};
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    enum gg_command_code code = codes[bite_below(&play->bites, 6)];
    uint32_t options = bite(&play->bites);
    scope.queue = a_queue(play, 6);
    scope.cancel_running = (options & 1) != 0;
    scope.dry_run = (options & 6) == 6;
    scope.want_runs = (options & 8) != 0;
    scope.states = (options & 16) != 0 ? (uint64_t)bite(&play->bites) * 2 : 0;
    gg_driver_say(&play->driver, peer, code, 1 + bite_below(&play->bites, 16), &scope);
}

static void do_watch(struct play *play, uint32_t peer)
{
    struct gg_driver *driver = &play->driver;
    uint64_t request = 1 + bite_below(&play->bites, 16);
    struct gg_unsubscribe end = {.request = 1 + bite_below(&play->bites, 16)};
    struct gg_events events;
    struct gg_list_jobs list;
    switch (bite_below(&play->bites, 4)) {
    case 0:
        gg_record_default(GG_RECORD_EVENTS, &events);
        events.queue = a_queue(play, 6);
        gg_driver_say(driver, peer, GG_CMD_SUBSCRIBE, request, &events);
        return;
    case 1:
        gg_driver_say(driver, peer, GG_CMD_UNSUBSCRIBE, request, &end);
        return;
    case 2:
        gg_driver_say(driver, peer, GG_CMD_UNWAIT, 0, &end);
        return;
    default:
        gg_record_default(GG_RECORD_LIST_JOBS, &list);
        list.after = bite(&play->bites);
        list.limit = 1 + bite_below(&play->bites, 8);
        gg_driver_say(driver, peer, GG_CMD_LIST_JOBS, request, &list);
    }
}

/* ---- agents ---- */

static struct hand a_hand(struct play *play)
{
    uint32_t which = bite(&play->bites);
    struct hand hand = {.fence = 1};
    if (play->hand_count > 0) {
        hand = play->hands[which % play->hand_count % HANDS_MAX];
    }
    if (gg_id_is_none(&hand.id)) {
        hand.id.bytes[0] = 1;
    }
    hand.fence -= which > 240 && hand.fence > 1 ? 1 : 0;
    return hand;
}

static void do_agent_hello(struct play *play, uint32_t peer)
{
    struct gg_buf patterns;
    struct gg_buf pools;
    struct gg_buf held;
    gg_buf_init(&patterns, 4096);
    gg_buf_init(&pools, 4096);
    gg_buf_init(&held, 4096);
    gg_text_write(&patterns, a_queue(play, 5));
    struct gg_pool_info pool = {.pool = 1,
                                .slots = bite_below(&play->bites, 5),
                                .queues = {gg_buf_slice(&patterns), 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    uint32_t count = bite_below(&play->bites, 4);
    for (uint32_t i = 0; i < count; i++) {
        struct hand hand = a_hand(play);
        struct gg_held one = {.id = hand.id,
                              .fence = hand.fence,
                              .pool = 1,
                              .started = bite_below(&play->bites, 2) == 1};
        gg_record_write(&held, GG_RECORD_HELD, &one, NULL);
    }
    struct gg_hello hello;
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.version_min = 1;
    hello.version_max = 1;
    hello.kind = GG_PEER_AGENT;
    hello.name = gg_slice_text(bite_below(&play->bites, 2) == 0 ? "w0" : "w1");
    hello.incarnation = 1 + bite_below(&play->bites, 3);
    hello.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    hello.held = (struct gg_list){gg_buf_slice(&held), count};
    gg_driver_hello_agent(&play->driver, peer, &hello);
    gg_buf_fini(&held);
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

static void do_heartbeat(struct play *play, uint32_t peer)
{
    struct gg_buf fences;
    struct gg_buf pools;
    gg_buf_init(&fences, 4096);
    gg_buf_init(&pools, 4096);
    struct gg_heartbeat beat = {.draining = bite_below(&play->bites, 8) == 7};
    uint32_t count = bite_below(&play->bites, 5);
    for (uint32_t i = 0; i < count; i++) {
        gg_num_write(&fences, a_hand(play).fence);
    }
    struct gg_pool_info pool = {.pool = 1 + bite_below(&play->bites, 3),
                                .slots = bite_below(&play->bites, 5)};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    beat.held = (struct gg_list){gg_buf_slice(&fences), count};
    beat.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    gg_driver_say(&play->driver, peer, GG_CMD_HEARTBEAT, 0, &beat);
    gg_buf_fini(&pools);
    gg_buf_fini(&fences);
}

static void do_outcome(struct play *play, uint32_t peer)
{
    struct hand hand = a_hand(play);
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = hand.id;
    outcome.fence = hand.fence;
    outcome.kind = 1 + bite_below(&play->bites, 10);
    uint32_t options = bite(&play->bites);
    outcome.never_started = (options & 1) != 0;
    outcome.snooze_ms = (options & 2) != 0 ? a_time(play) : 0;
    if (outcome.kind == GG_OUTCOME_SUCCEEDED) {
        outcome.result = bite_bytes(&play->bites, 16);
    } else {
        outcome.text = gg_slice_text((options & 4) != 0 ? "what went wrong" : "");
    }
    outcome.output = gg_slice_text((options & 8) != 0 ? "and its last words" : "");
    gg_driver_say(&play->driver, peer, GG_CMD_OUTCOME, 0, &outcome);
}

static void do_report(struct play *play, uint32_t peer)
{
    struct gg_driver *driver = &play->driver;
    struct hand hand = a_hand(play);
    struct gg_started started = {.id = hand.id, .fence = hand.fence};
    struct gg_progress progress = {.id = hand.id,
                                   .fence = hand.fence,
                                   .progress_ppm = bite(&play->bites),
                                   .progress_text = gg_slice_text("half")};
    struct gg_partial partial = {.id = hand.id,
                                 .fence = hand.fence,
                                 .offset = bite(&play->bites),
                                 .data = gg_slice_text("piece")};
    struct gg_checkpoint point = {
        .id = hand.id, .fence = hand.fence, .data = gg_slice_text("here")};
    switch (bite_below(&play->bites, 6)) {
    case 0:
        gg_driver_say(driver, peer, GG_CMD_PROGRESS, 0, &progress);
        return;
    case 1:
        gg_driver_say(driver, peer, GG_CMD_PARTIAL, 0, &partial);
        return;
    case 2:
        gg_driver_say(driver, peer, GG_CMD_CHECKPOINT, 0, &point);
        return;
    default:
        gg_driver_say(driver, peer, GG_CMD_STARTED, 0, &started);
    }
}

/* ---- anything that can be said ---- */

/* A submission that is about a job of ours, so that it is not too old. */
static void make_ours(struct play *play, struct gg_submit *submit)
{
    submit->id = gg_id_new(play->driver.now.wall, &play->rng);
    submit->queue = a_queue(play, 3);
    submit->run_at = submit->run_at == 0 ? 0 : (uint64_t)play->driver.now.wall.ms + 500;
    if (submit->durability > GG_DURABILITY_FSYNC) {
        submit->durability = 0;
    }
    play->jobs[play->job_count++ % JOBS_MAX] = submit->id;
}

static void about_ours(struct play *play, enum gg_record_id record, void *of)
{
    struct gg_target *target = of;
    struct gg_steer *steer = of;
    struct gg_list_jobs *list = of;
    if (record == GG_RECORD_SUBMIT) {
        make_ours(play, of);
    } else if (record == GG_RECORD_TARGET && play->job_count > 0) {
        target->id = play->jobs[bite(&play->bites) % play->job_count % JOBS_MAX];
    } else if (record == GG_RECORD_STEER) {
        steer->action = 1 + bite_below(&play->bites, 10);
        steer->worker = gg_slice_text("w*");
    } else if (record == GG_RECORD_LIST_JOBS) {
        list->queue = gg_slice_text("*");
        list->older_ms = bite_below(&play->bites, 2) * UINT64_C(1000);
        list->states &= 1023;
    }
}

/* A command with every field that its table knows, at random; some fields are made to
 * fit what there is. */
static void do_any(struct play *play, uint32_t peer)
{
    static const struct {
        enum gg_command_code code;
        enum gg_record_id record;
    } commands[] = {
#define X(symbol, code, record, member, senders, name, meaning)                        \
    {GG_CMD_##symbol, GG_RECORD_##record},
        GG_COMMAND_LIST(X)
#undef X
    };
    uint32_t which = bite_below(&play->bites, sizeof commands / sizeof commands[0]);
    enum gg_command_code code = commands[which].code;
    enum gg_record_id record = commands[which].record;
    struct gg_rng rng = {.state = bite(&play->bites) + 1U};
    union gg_any_record any;
    struct gg_arena arena = {0};
    if (code == GG_CMD_HELLO || code == GG_CMD_BYE || code == GG_CMD_BACKUP) {
        return; /* The shell makes events of the first two, and has the third. */
    }
    gg_any_fill(&arena, &rng, record, &any);
    about_ours(play, record, &any);
    gg_driver_say(&play->driver, peer, code, 1 + bite_below(&play->bites, 16), &any);
    gg_arena_fini(&arena);
}

/* ---- the play ---- */

static void act(struct play *play)
{
    static void (*const acts[])(struct play * play, uint32_t peer) = {
        do_submit,      do_submit, do_target,    do_operate, do_watch,
        do_agent_hello, do_report, do_heartbeat, do_outcome, do_outcome,
    };
    uint32_t first = bite(&play->bites);
    uint32_t what = first % 14;
    uint32_t peer = bite_below(&play->bites, CLIENTS);
    if (first >= 253) {
        gg_driver_space(&play->driver, (enum gg_core_space)(first - 253));
    } else if (first >= 240) {
        do_any(play, first < 250 ? peer : CLIENTS + peer);
    } else if (what < 10) {
        acts[what](play, what < 5 ? peer : CLIENTS + peer);
    } else if (what == 10) {
        gg_driver_close(&play->driver, bite_below(&play->bites, CLIENTS + AGENTS),
                        bite_below(&play->bites, 2) == 1);
    } else if (what == 11) {
        gg_driver_hello_client(&play->driver, peer);
    } else if (what == 12 && play->token_count > 0) {
        gg_driver_receipt(
            &play->driver,
            play->tokens[bite(&play->bites) % play->token_count % TOKENS_MAX]);
    } else {
        gg_driver_wait(&play->driver, (int64_t)a_time(play), hear, play);
    }
    hear(play, &play->driver);
}

static void walk(struct gg_core *core)
{
    const char *fault = core_walk(core);
    if (fault != NULL) {
        (void)fprintf(stderr, "the walk: %s\n", fault);
    }
    GG_ASSERT(fault == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct play play;
    struct gg_bounds bounds;
    play = (struct play){.bites = {data, data + len}, .rng = {1}};
    gg_driver_tiny_bounds(&bounds);
    bounds.durable = (bite(&play.bites) & 1) != 0;
    gg_driver_init(&play.driver, &bounds, 1000, 7);
    for (int step = 0; step < STEPS_MAX && bites_left(&play.bites); step++) {
        act(&play);
        if (step % WALK_EVERY == 0) {
            walk(play.driver.core);
        }
    }
    walk(play.driver.core);
    gg_driver_fini(&play.driver);
    return 0;
}
