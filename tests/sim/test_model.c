/* test_model.c - random operations on the core and on the reference model beside it:
 * every answer, every assignment and every job must be the same.
 *
 *   test_model [SEEDS [FIRST]]    a difference is shrunk and printed as a short story
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/registry.h"
#include "common/assert.h"
#include "tests/lib/driver.h"
#include "tests/sim/model.h"

enum {
    OPS = 220,
    CLIENT = 0,
    FIRST_AGENT = 1, /* Peer of agent 0. */
    REQUEST = 7,
    HANDS_MAX = 512,
    HELD_MAX = 32,
    LONG_LEASE_MS = 100000000,
};

enum what {
    SUBMIT,
    AGAIN,
    GET,
    CANCEL,
    RETRY,
    PAUSE,
    RESUME,
    HELLO,
    HEARTBEAT,
    CLOSE,
    STARTED,
    OUTCOME,
    WAIT,
    WHAT_COUNT
};

static const char *const names[WHAT_COUNT] = {
    "submit", "submit again", "get",   "cancel",  "retry",   "pause", "resume",
    "hello",  "heartbeat",    "close", "started", "outcome", "wait",
};

/* How often each comes, of 100. */
static const uint8_t weights[WHAT_COUNT] = {20, 3, 5, 6, 5, 2, 4, 6, 14, 2, 10, 17, 6};

struct op {
    uint8_t what;
    uint8_t a;
    uint8_t b;
    uint8_t c;
    uint8_t d;
    uint8_t e;
};

/* What an agent was given; `agent` is -1 once it has let go of it. */
struct hand {
    int job;
    int agent;
    int first_agent;
    bool started;
    uint64_t fence;
};

struct pair {
    struct gg_driver driver;
    struct model model;
    struct gg_bounds bounds;
    struct gg_rng rng;
    struct gg_id ids[MODEL_JOBS_MAX];
    struct model_job asks[MODEL_JOBS_MAX]; /* As first asked, by id. */
    int places[MODEL_JOBS_MAX];            /* Of the id in the model; -1: refused. */
    int id_count;
    struct hand hands[HANDS_MAX];
    int hand_count;
    int incarnations[MODEL_AGENTS];
    bool open[MODEL_AGENTS];
    int64_t start;
    struct gg_command answer; /* To the client, code 0: none. */
    enum gg_err confirmed;
    int slots_max;
    char fault[200];
};

static void differ(struct pair *pair, const char *what, uint64_t core, uint64_t model)
{
    if (pair->fault[0] == '\0') {
        (void)snprintf(pair->fault, sizeof pair->fault,
                       "%s: the core says %" PRIu64 ", the model %" PRIu64, what, core,
                       model);
    }
}

/* ---- what the core says ---- */

static int id_index(const struct pair *pair, const struct gg_id *id)
{
    for (int i = 0; i < pair->id_count; i++) {
        if (gg_id_equal(&pair->ids[i], id)) {
            return i;
        }
    }
    return -1;
}

static void hear_assign(struct pair *pair, uint32_t peer,
                        const struct gg_assign *assign)
{
    int index = id_index(pair, &assign->id);
    GG_ASSERT(index >= 0 && pair->hand_count < HANDS_MAX);
    /* A job is given while its submission is carried out: its place comes next. */
    int job = pair->places[index] >= 0 ? pair->places[index] : pair->model.job_count;
    int agent = (int)peer - FIRST_AGENT;
    struct model_given given = {.job = job,
                                .agent = agent,
                                .attempt = (int)assign->attempt,
                                .fence = assign->fence};
    GG_ASSERT(pair->model.given_count < MODEL_GIVEN_MAX);
    pair->model.given[pair->model.given_count++] = given;
    pair->hands[pair->hand_count++] = (struct hand){
        .job = job, .agent = agent, .first_agent = agent, .fence = assign->fence};
}

static void hear(void *ctx, struct gg_driver *driver)
{
    struct pair *pair = ctx;
    struct gg_command command;
    for (uint32_t i = 0; i < driver->fx.count; i++) {
        if (!gg_driver_heard(driver, i, &command)) {
            continue;
        }
        uint32_t peer = driver->fx.items[i].peer;
        if (command.code == GG_CMD_ASSIGN) {
            hear_assign(pair, peer, &command.as.assign);
        } else if (command.code == GG_CMD_CONFIRM) {
            pair->confirmed = (enum gg_err)command.as.confirm.error;
        } else if (peer == CLIENT && command.request == REQUEST) {
            pair->answer = command;
        }
    }
}

/* What is due at once is part of the step. */
static void step_over(struct pair *pair)
{
    hear(pair, &pair->driver);
    gg_driver_wait(&pair->driver, 0, hear, pair);
}

static void compare_answer(struct pair *pair, const struct model_answer *expected)
{
    const struct gg_command *got = &pair->answer;
    enum gg_err err = got->code == GG_CMD_ERROR ? (enum gg_err)got->as.error.error
                                                : GG_OK;
    if (err != expected->err) {
        differ(pair, "error", err, expected->err);
    }
    if (err != GG_OK) {
        return;
    }
    if (got->code == GG_CMD_CANCELLED) {
        if ((int)got->as.cancelled.verdict != expected->verdict) {
            differ(pair, "verdict", got->as.cancelled.verdict,
                   (uint64_t)expected->verdict);
        }
        return;
    }
    int job = id_index(pair, &got->as.job.id);
    job = job < 0 ? -1 : pair->places[job];
    if (job != expected->job) {
        differ(pair, "job", (uint64_t)job, (uint64_t)expected->job);
    } else if ((int)got->as.job.state != expected->state) {
        differ(pair, "state", got->as.job.state, (uint64_t)expected->state);
    } else if (got->as.job.existing != expected->existing) {
        differ(pair, "existing", got->as.job.existing, expected->existing);
    }
}

/* Every job, one by one. */
static void compare_jobs(struct pair *pair)
{
    for (int i = 0; i < pair->id_count; i++) {
        if (pair->places[i] < 0) {
            continue;
        }
        const struct model_job *model = &pair->model.jobs[pair->places[i]];
        const struct gg_job *core = gg_registry_by_id(pair->driver.core, &pair->ids[i]);
        int state = core == NULL ? GG_JOB_NONE : core->state;
        if (state != model->state) {
            differ(pair, "state of a job", (uint64_t)state, (uint64_t)model->state);
        } else if (state != GG_JOB_NONE && state != GG_JOB_EVICTED) {
            if (core->attempt != model->attempt) {
                differ(pair, "attempt", core->attempt, (uint64_t)model->attempt);
            } else if (gg_job_newest(core)->fence != model->fence) {
                differ(pair, "fence", gg_job_newest(core)->fence, model->fence);
            } else if (core->key_held != model->key_held) {
                differ(pair, "key held", core->key_held, model->key_held);
            } else if (state == GG_JOB_SUCCEEDED &&
                       (int)gg_job_newest(core)->result_bytes != model->result) {
                differ(pair, "result", gg_job_newest(core)->result_bytes,
                       (uint64_t)model->result);
            }
        }
    }
}

/* ---- operations ---- */

static void submit(struct pair *pair, int index)
{
    static const char *const keys[] = {"", "one", "two"};
    const struct model_job *ask = &pair->asks[index];
    struct gg_submit submit;
    gg_record_default(GG_RECORD_SUBMIT, &submit);
    submit.id = pair->ids[index];
    submit.queue = gg_slice_text(ask->queue == 0 ? "q0" : "q1");
    submit.key = gg_slice_text(keys[ask->key]);
    submit.payload = gg_slice_of("payload", (size_t)ask->payload);
    submit.priority = (uint64_t)ask->priority;
    submit.attempts = (uint64_t)ask->attempts;
    submit.delay_ms = (uint64_t)(ask->due - ask->at);
    submit.expires_ms = ask->expires == MODEL_NEVER
                            ? 0
                            : (uint64_t)(ask->expires - ask->at);
    submit.keep_ms = MODEL_KEEP_MS;
    submit.keep_failed_ms = MODEL_KEEP_FAILED_MS;
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = MODEL_BACKOFF_MS;
    gg_driver_say(&pair->driver, CLIENT, GG_CMD_SUBMIT, REQUEST, &submit);
    step_over(pair);
    struct model_job now = *ask; /* Delays run from when it is taken. */
    now.due += pair->model.now - ask->at;
    now.expires += ask->expires == MODEL_NEVER ? 0 : pair->model.now - ask->at;
    int before = pair->model.job_count;
    struct model_answer expected = model_submit(&pair->model, &now,
                                                pair->places[index]);
    if (pair->model.job_count > before) {
        pair->places[index] = before;
    }
    compare_answer(pair, &expected);
}

static void do_submit(struct pair *pair, const struct op *op)
{
    static const int delays[] = {0, 0, 0, 1000, 4000};
    static const int ends[] = {MODEL_NEVER, MODEL_NEVER, MODEL_NEVER, 2000, 9000};
    int index = pair->id_count;
    int now = pair->model.now;
    if (index == MODEL_JOBS_MAX) {
        return;
    }
    int end = ends[op->d % 5];
    pair->ids[index] = gg_id_new(pair->driver.now.wall, &pair->rng);
    pair->places[index] = -1;
    pair->asks[index] = (struct model_job){
        .queue = op->a % MODEL_QUEUES,
        .key = op->a / 2 % 5 < 3 ? op->a / 2 % 5 : 0,
        .payload = op->b % 8 == 0 ? 1 : 2,
        .priority = op->b / 8 % 4 == 0 ? 10 : 128,
        .attempts = 1 + op->c % 3,
        .at = now,
        .due = now + delays[op->c / 3 % 5],
        .expires = end == MODEL_NEVER ? end : now + end,
    };
    pair->id_count++;
    submit(pair, index);
}

static void do_target(struct pair *pair, const struct op *op)
{
    static const enum gg_command_code codes[WHAT_COUNT] = {
        [GET] = GG_CMD_GET, [CANCEL] = GG_CMD_CANCEL, [RETRY] = GG_CMD_RETRY};
    if (pair->model.job_count == 0) {
        return;
    }
    int job = op->a % pair->model.job_count;
    int index = 0;
    while (pair->places[index] != job) {
        index++;
    }
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = pair->ids[index];
    gg_driver_say(&pair->driver, CLIENT, codes[op->what], REQUEST, &target);
    step_over(pair);
    struct model_answer expected = op->what == GET ? model_get(&pair->model, job)
                                   : op->what == CANCEL
                                       ? model_cancel(&pair->model, job)
                                       : model_retry(&pair->model, job);
    compare_answer(pair, &expected);
}

static void do_pause(struct pair *pair, const struct op *op)
{
    struct gg_scope scope;
    int queue = op->a % MODEL_QUEUES;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text(queue == 0 ? "q0" : "q1");
    gg_driver_say(&pair->driver, CLIENT,
                  op->what == PAUSE ? GG_CMD_PAUSE : GG_CMD_RESUME, REQUEST, &scope);
    step_over(pair);
    bool answered = pair->answer.code == GG_CMD_DONE;
    bool expected = model_pause(&pair->model, queue, op->what == PAUSE, answered);
    if (answered != expected) {
        differ(pair, "answered at once", answered, expected);
    }
}

/* Fences that the agent has in hand, with bit n of `drop` leaving the n-th out. */
static int held_of(struct pair *pair, int agent, unsigned drop, uint64_t *fences,
                   bool *started, struct gg_id *ids)
{
    int count = 0;
    int met = 0;
    int most = pair->slots_max == 1 ? 1 : HELD_MAX;
    for (int i = 0; i < pair->hand_count && count < most; i++) {
        struct hand *hand = &pair->hands[i];
        if (hand->agent != agent) {
            continue;
        }
        if ((drop >> met++ % 8 & 1) != 0) {
            continue;
        }
        int index = 0;
        while (pair->places[index] != hand->job) {
            index++;
        }
        fences[count] = hand->fence;
        started[count] = hand->started;
        ids[count++] = pair->ids[index];
    }
    return count;
}

static uint64_t slots_of(const struct pair *pair, const struct op *op)
{
    bool idle = pair->slots_max == 1 && op->a % MODEL_AGENTS != 0;
    return idle ? 0 : (uint64_t)op->b % ((uint64_t)pair->slots_max + 1);
}

static void do_hello(struct pair *pair, const struct op *op)
{
    int agent = op->a % MODEL_AGENTS;
    uint64_t fences[HELD_MAX];
    bool started[HELD_MAX];
    struct gg_id ids[HELD_MAX];
    if (op->d % 4 == 0) {
        pair->incarnations[agent]++;
        for (int i = 0; i < pair->hand_count; i++) {
            struct hand *hand = &pair->hands[i];
            hand->agent = hand->agent == agent ? -1 : hand->agent;
        }
    }
    int count = held_of(pair, agent, op->c & op->d, fences, started, ids);
    struct gg_buf patterns;
    struct gg_buf pools;
    struct gg_buf held;
    gg_buf_init(&patterns, 256);
    gg_buf_init(&pools, 256);
    gg_buf_init(&held, 4096);
    gg_text_write(&patterns, gg_slice_text("q*"));
    struct gg_pool_info pool = {
        .pool = 1, .slots = slots_of(pair, op), .queues = {gg_buf_slice(&patterns), 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    for (int i = 0; i < count; i++) {
        struct gg_held one = {
            .id = ids[i], .fence = fences[i], .pool = 1, .started = started[i]};
        gg_record_write(&held, GG_RECORD_HELD, &one, NULL);
    }
    struct gg_hello hello;
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.kind = GG_PEER_AGENT;
    hello.name = gg_slice_text(agent == 0 ? "w0" : "w1");
    hello.incarnation = (uint64_t)pair->incarnations[agent];
    hello.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    hello.held = (struct gg_list){gg_buf_slice(&held), (uint32_t)count};
    gg_driver_hello_agent(&pair->driver, (uint32_t)(FIRST_AGENT + agent), &hello);
    step_over(pair);
    if (pair->open[agent]) {
        model_closed(&pair->model, agent, false);
    }
    pair->open[agent] = true;
    model_hello(&pair->model, agent, pair->incarnations[agent], (int)slots_of(pair, op),
                fences, started, count);
    gg_buf_fini(&held);
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

static void do_heartbeat(struct pair *pair, const struct op *op, int agent)
{
    uint64_t fences[HELD_MAX];
    bool started[HELD_MAX];
    struct gg_id ids[HELD_MAX];
    int count = held_of(pair, agent, op->c & op->d & op->e, fences, started, ids);
    struct gg_buf pools;
    struct gg_buf held;
    gg_buf_init(&pools, 256);
    gg_buf_init(&held, 4096);
    struct gg_pool_info pool = {.pool = 1, .slots = slots_of(pair, op)};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    for (int i = 0; i < count; i++) {
        gg_num_write(&held, fences[i]);
    }
    struct gg_heartbeat beat = {
        .pools = {gg_buf_slice(&pools), 1},
        .held = {gg_buf_slice(&held), (uint32_t)count},
    };
    gg_driver_say(&pair->driver, (uint32_t)(FIRST_AGENT + agent), GG_CMD_HEARTBEAT, 0,
                  &beat);
    step_over(pair);
    model_heartbeat(&pair->model, agent, (int)slots_of(pair, op), fences, count);
    gg_buf_fini(&held);
    gg_buf_fini(&pools);
}

static void do_close(struct pair *pair, const struct op *op, int agent)
{
    bool bye = op->b % 2 == 0;
    gg_driver_close(&pair->driver, (uint32_t)(FIRST_AGENT + agent), bye);
    step_over(pair);
    pair->open[agent] = false;
    model_closed(&pair->model, agent, bye);
}

/* One of the latest attempts; now and then one that is long over. */
static struct hand *a_hand(struct pair *pair, const struct op *op)
{
    int near = pair->hand_count < 6 ? pair->hand_count : 6;
    int back = op->d % 8 == 0 ? op->b % pair->hand_count : op->b % near;
    return &pair->hands[pair->hand_count - 1 - back];
}

static const struct gg_id *id_of(const struct pair *pair, int job)
{
    int index = 0;
    while (pair->places[index] != job) {
        index++;
    }
    return &pair->ids[index];
}

static void do_started(struct pair *pair, const struct op *op)
{
    struct hand *hand = a_hand(pair, op);
    int agent = hand->first_agent;
    if (!pair->open[agent]) {
        return;
    }
    struct gg_started started = {.id = *id_of(pair, hand->job), .fence = hand->fence};
    hand->started = true;
    gg_driver_say(&pair->driver, (uint32_t)(FIRST_AGENT + agent), GG_CMD_STARTED, 0,
                  &started);
    step_over(pair);
    model_started(&pair->model, agent, hand->fence);
}

static void do_outcome(struct pair *pair, const struct op *op)
{
    static const enum gg_outcome kinds[] = {
        GG_OUTCOME_SUCCEEDED,  GG_OUTCOME_SUCCEEDED, GG_OUTCOME_SUCCEEDED,
        GG_OUTCOME_FAILED,     GG_OUTCOME_FAILED,    GG_OUTCOME_REJECTED,
        GG_OUTCOME_SNOOZED,    GG_OUTCOME_CRASHED,   GG_OUTCOME_TIMED_OUT,
        GG_OUTCOME_CANCELLED,  GG_OUTCOME_LOST,      GG_OUTCOME_HANDED_BACK,
        GG_OUTCOME_NOT_STARTED};
    struct hand *hand = a_hand(pair, op);
    int agent = op->e % 8 == 0 ? op->a % MODEL_AGENTS : hand->first_agent;
    if (!pair->open[agent]) {
        return;
    }
    hand->agent = -1;
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = *id_of(pair, hand->job);
    outcome.fence = hand->fence;
    outcome.kind = kinds[op->c % 13];
    outcome.never_started = op->e % 2 == 0;
    outcome.snooze_ms = MODEL_SNOOZE_MS;
    int result = outcome.kind == GG_OUTCOME_SUCCEEDED ? op->e % 3 : 0;
    outcome.result = gg_slice_of("result", (size_t)result);
    gg_driver_say(&pair->driver, (uint32_t)(FIRST_AGENT + agent), GG_CMD_OUTCOME, 0,
                  &outcome);
    step_over(pair);
    enum gg_err expected = model_outcome(&pair->model, agent, hand->fence,
                                         (enum gg_outcome)outcome.kind,
                                         outcome.never_started, result);
    if (pair->confirmed != expected) {
        differ(pair, "confirm", pair->confirmed, expected);
    }
}

/* All that the core has given so far was due. */
static void check_given(struct pair *pair)
{
    model_check(&pair->model);
    if (pair->model.fault == NULL) {
        pair->model.given_count = 0;
        pair->model.given_used = 0;
    }
}

static void let_both_pass(void *ctx, struct gg_driver *driver)
{
    struct pair *pair = ctx;
    hear(pair, driver);
    model_pass(&pair->model, (int)(driver->now.mono.ms - pair->start));
    check_given(pair);
}

/* The model looks at all its deadlines whenever the core has looked at one, and at the
 * end, so that it sees what the core forgets. */
static void pass(struct pair *pair, int ms)
{
    gg_driver_wait(&pair->driver, ms, let_both_pass, pair);
    let_both_pass(pair, &pair->driver);
}

static void act(struct pair *pair, const struct op *op)
{
    static const int times[] = {1000, 1000, 2000, 3000, 5000, 12000, 20000, 70000};
    int agent = op->a % MODEL_AGENTS;
    switch ((enum what)op->what) {
    case SUBMIT:
        do_submit(pair, op);
        return;
    case AGAIN:
        if (pair->id_count > 0) {
            submit(pair, op->a % pair->id_count);
        }
        return;
    case GET:
    case CANCEL:
    case RETRY:
        do_target(pair, op);
        return;
    case PAUSE:
    case RESUME:
        do_pause(pair, op);
        return;
    case HELLO:
        do_hello(pair, op);
        return;
    case HEARTBEAT:
        if (pair->open[agent]) {
            do_heartbeat(pair, op, agent);
        }
        return;
    case CLOSE:
        if (pair->open[agent]) {
            do_close(pair, op, agent);
        }
        return;
    case STARTED:
        if (pair->hand_count > 0) {
            do_started(pair, op);
        }
        return;
    case OUTCOME:
        if (pair->hand_count > 0) {
            do_outcome(pair, op);
        }
        return;
    case WAIT:
        pass(pair, times[op->a % 8]);
        return;
    case WHAT_COUNT:
        break;
    }
    GG_BUG("no such operation");
}

/* ---- one run ---- */

/* Which of two leases ends first is nobody's promise when both end at once: there is
 * one lease at a time, or they outlast the run. */
static void begin(struct pair *pair, uint64_t seed)
{
    *pair = (struct pair){.rng = {5}};
    gg_bounds_default(&pair->bounds);
    pair->bounds.queue_jobs_max = 12;
    pair->slots_max = seed % 2 == 0 ? 1 : 3;
    if (pair->slots_max > 1) {
        pair->bounds.lease_ms = LONG_LEASE_MS;
    }
    gg_driver_init(&pair->driver, &pair->bounds, 1000, 7);
    pair->start = pair->driver.now.mono.ms;
    struct model_bounds bounds = {
        .lease_ms = (int)pair->bounds.lease_ms,
        .silent_ms = (int)pair->bounds.dead_after_ms,
        .grace_ms = (int)pair->bounds.gone_grace_ms,
        .start_within_ms = (int)pair->bounds.start_within_ms,
        .adrift_ms = (int)pair->bounds.start_within_ms / (GG_ADRIFT_SPANS - 2) + 1,
        .forget_ms = GG_AGENT_FORGET_MS,
        .window_ms = (int)pair->bounds.id_window_ms,
        .crashes_max = (int)pair->bounds.crashes_max,
        .queue_jobs_max = (int)pair->bounds.queue_jobs_max,
    };
    pair->model.bounds = bounds;
    gg_driver_hello_client(&pair->driver, CLIENT);
}

/* Run `ops`; returns how many were carried out before the two differed, or -1. Each
 * operation moves the clock by 1 ms and waits are whole seconds, so that no two
 * deadlines meet in one millisecond. */
static int run(struct pair *pair, const struct op *ops, int count, uint64_t seed)
{
    int at = -1;
    begin(pair, seed);
    for (int i = 0; i < count && at < 0; i++) {
        pair->answer.code = 0;
        pair->confirmed = GG_OK;
        pass(pair, 1);
        act(pair, &ops[i]);
        check_given(pair);
        compare_jobs(pair);
        if (pair->model.fault != NULL || pair->fault[0] != '\0') {
            at = i;
        }
    }
    gg_driver_fini(&pair->driver);
    return at;
}

/* Leave out pieces, halves first, as long as a difference remains. */
static int shrink(struct pair *pair, struct op *ops, int count, uint64_t seed)
{
    struct op less[OPS];
    for (int piece = count / 2; piece > 0; piece = piece == 1 ? 0 : (piece + 1) / 2) {
        for (int from = 0; from + piece <= count;) {
            memcpy(less, ops, (size_t)from * sizeof *ops);
            memcpy(less + from, ops + from + piece,
                   (size_t)(count - from - piece) * sizeof *ops);
            int at = run(pair, less, count - piece, seed);
            if (at >= 0) {
                count = at + 1;
                memcpy(ops, less, (size_t)count * sizeof *ops);
            } else {
                from += piece;
            }
        }
    }
    return count;
}

static void make(struct op *ops, uint64_t seed)
{
    struct gg_rng rng = {.state = seed};
    for (int i = 0; i < OPS; i++) {
        uint64_t pick = gg_rng_below(&rng, 100);
        uint8_t what = 0;
        while (pick >= weights[what]) {
            pick -= weights[what++];
        }
        uint64_t bits = gg_rng_next(&rng);
        ops[i] = (struct op){.what = what,
                             .a = (uint8_t)bits,
                             .b = (uint8_t)(bits >> 8),
                             .c = (uint8_t)(bits >> 16),
                             .d = (uint8_t)(bits >> 24),
                             .e = (uint8_t)(bits >> 32)};
    }
}

static void tell(struct pair *pair, struct op *ops, int count, uint64_t seed)
{
    count = shrink(pair, ops, count, seed);
    (void)run(pair, ops, count, seed);
    (void)printf("seed %" PRIu64 ": after %d operations: %s\n", seed, count,
                 pair->model.fault != NULL ? pair->model.fault : pair->fault);
    (void)printf("  at %d ms, assignment %d of %d in the step\n", pair->model.now,
                 pair->model.given_used, pair->model.given_count);
    for (int i = 0; i < pair->model.job_count; i++) {
        const struct model_job *job = &pair->model.jobs[i];
        (void)printf("  job %d: state %d queue %d attempt %d of %d agent %d line %d\n",
                     i, job->state, job->queue, job->attempt, job->attempt_max,
                     job->agent, job->line);
    }
    for (int i = 0; i < pair->model.given_count; i++) {
        (void)printf("  the core gives job %d to agent %d\n", pair->model.given[i].job,
                     pair->model.given[i].agent);
    }
    for (int i = 0; i < count; i++) {
        (void)printf("  %2d %-12s %3u %3u %3u %3u %3u\n", i + 1, names[ops[i].what],
                     ops[i].a, ops[i].b, ops[i].c, ops[i].d, ops[i].e);
    }
}

int main(int argc, char **argv)
{
    static struct pair pair;
    static struct op ops[OPS];
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        make(ops, seed);
        int at = run(&pair, ops, OPS, seed);
        if (at >= 0) {
            tell(&pair, ops, at + 1, seed);
            return 1;
        }
    }
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " operations, no difference\n", seeds,
                 seeds * OPS);
    return 0;
}
