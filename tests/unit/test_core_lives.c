/* test_core_lives.c - the broker dies again and again, at any instant between a record
 * and its being on disk; nobody may notice more than a pause.
 *
 * Peers hear only what the records behind it allow, as the shell's outbox does it. They
 * write down what they were told, and each later word and each restart is held against
 * that. Without the hold the same life must be found out: that is the second test.
 *
 * `GG_SEED=n GG_SEEDS=m` in the environment runs other lives.
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
    SEEDS = 30,
    STEPS = 700,
    CLIENT = 0,
    AGENTS = 3, /* Peers 1 to 3. */
    JOBS_MAX = 600,
    HANDS_MAX = 64,
    HEARD_MAX = 8192,
    MARKS_MAX = 1024,
    KEYS = 6,
    GET_REQUEST = 5000,
    PAUSE_REQUEST = 6000,
    RESULT_BYTES = 24,
};

/* A job as its submitter and the world remember it. */
struct deed {
    struct gg_submit submit;
    char key[8];
    bool told;       /* The accepted answer has been heard. */
    uint8_t ended;   /* State it was told to have ended in; 0: none. */
    uint64_t fence;  /* Highest heard. */
    uint32_t starts; /* Attempts that really ran. */
    char result[RESULT_BYTES];
};

/* An attempt at an agent. */
struct hand {
    struct gg_id id;
    uint64_t fence;
    bool started;
    bool finished;
    uint8_t outcome;
};

struct agent {
    bool open;
    uint64_t session;
    uint64_t incarnation;
    struct hand hands[HANDS_MAX];
    uint32_t hand_count;
};

/* One thing said that waits for its record. */
struct heard {
    uint64_t after;
    uint64_t session; /* Of an agent: what is for an older one is thrown away. */
    uint32_t peer;
    uint16_t code;
    uint64_t request;
    struct gg_id id;
    uint64_t fence;
    uint8_t state;  /* Of JOB. */
    uint8_t reason; /* Of STOP. */
    uint64_t unsettled;
    bool existing;
    char result[RESULT_BYTES];
};

struct world {
    struct stage stage;
    struct gg_rng rng;
    uint64_t seed;
    int step;
    bool no_hold;
    const char *wrong; /* The first promise that was broken. */
    struct agent agents[AGENTS];
    struct deed deeds[JOBS_MAX];
    int deed_count;
    int holder[KEYS]; /* Whose job each key was said to be; -1: nobody's yet. */
    struct heard heard[HEARD_MAX];
    uint32_t heard_count;
    uint64_t marks[MARKS_MAX]; /* Ends of the groups that are not on disk. */
    uint32_t mark_count;
    uint64_t durable;
    uint64_t pause; /* Number of the last one. */
    bool pause_asked;
    bool pause_told;
    int crashes;
};

static uint64_t pick(struct world *world, uint64_t below)
{
    return gg_rng_below(&world->rng, below);
}

static bool chance(struct world *world, uint64_t percent)
{
    return pick(world, 100) < percent;
}

static void wrong(struct world *world, const char *what)
{
    if (world->wrong == NULL) {
        world->wrong = what;
        if (!world->no_hold) {
            print_error("GG_SEED=%llu, step %d, life %d: %s\n",
                        (unsigned long long)world->seed, world->step, world->crashes,
                        what);
        }
    }
}

static struct deed *deed_of(struct world *world, const struct gg_id *id)
{
    for (int i = 0; i < world->deed_count; i++) {
        if (gg_id_equal(&world->deeds[i].submit.id, id)) {
            return &world->deeds[i];
        }
    }
    return NULL;
}

/* ---- what is heard, once its record allows ---- */

static struct hand *hand_of(struct agent *agent, const struct gg_id *id, uint64_t fence)
{
    for (uint32_t i = 0; i < agent->hand_count; i++) {
        struct hand *hand = &agent->hands[i];
        if (gg_id_equal(&hand->id, id) && hand->fence == fence) {
            return hand;
        }
    }
    return NULL;
}

static void drop_hand(struct agent *agent, struct hand *hand)
{
    if (hand != NULL) {
        *hand = agent->hands[--agent->hand_count];
    }
}

static void hear_assign(struct world *world, const struct heard *heard)
{
    struct agent *agent = &world->agents[heard->peer - 1];
    struct deed *deed = deed_of(world, &heard->id);
    if (heard->fence <= deed->fence) {
        wrong(world, "a fence does not grow");
    }
    deed->fence = heard->fence;
    if (deed->ended != 0) {
        wrong(world, "a job that was told to have ended is started again");
    }
    if (deed->submit.attempts == 1 && deed->starts > 0) {
        wrong(world, "a job that runs at most once is started again");
    }
    if (world->pause_told) {
        wrong(world, "a job is started in a queue told to be paused");
    }
    if (!agent->open || agent->hand_count == HANDS_MAX) {
        return; /* It is lost on the way. */
    }
    for (uint32_t i = 0; i < agent->hand_count; i++) {
        /* One that is only still to be confirmed is in nobody's way. */
        if (gg_id_equal(&agent->hands[i].id, &heard->id) && !agent->hands[i].finished) {
            wrong(world, "an agent is given a job that it runs");
        }
    }
    agent->hands[agent->hand_count++] = (struct hand){.id = heard->id,
                                                      .fence = heard->fence};
}

static void hear_job(struct world *world, const struct heard *heard)
{
    struct deed *deed = deed_of(world, &heard->id);
    bool submitted = heard->request < GET_REQUEST;
    if (submitted && deed->key[0] != '\0') {
        int *holder = &world->holder[deed->key[1] - '0'];
        int self = (int)(deed - world->deeds);
        if (*holder >= 0 && *holder != self) {
            wrong(world, "two jobs were told to hold one key");
        }
        *holder = self;
    }
    if (submitted && heard->existing) {
        deed = &world->deeds[heard->request]; /* What was asked for is that job. */
    }
    deed->told = deed->told || (submitted && !heard->existing);
    deed = deed_of(world, &heard->id);
    bool ended = heard->state >= GG_JOB_SUCCEEDED && heard->state <= GG_JOB_EXPIRED;
    if (deed->ended != 0 && heard->state != deed->ended) {
        wrong(world, "a job that was told to have ended is told to be otherwise");
    }
    if (ended && deed->ended == 0) {
        deed->ended = heard->state;
    }
    if (heard->state == GG_JOB_SUCCEEDED && heard->request >= GET_REQUEST) {
        if (deed->result[0] != '\0' && strcmp(deed->result, heard->result) != 0) {
            wrong(world, "a result has changed");
        }
        (void)snprintf(deed->result, RESULT_BYTES, "%s", heard->result);
    }
}

static void hear_stop(struct world *world, const struct heard *heard)
{
    struct agent *agent = &world->agents[heard->peer - 1];
    struct hand *hand = hand_of(agent, &heard->id, heard->fence);
    if (hand == NULL || hand->finished) {
        return;
    }
    if (heard->reason == GG_STOP_STALE || heard->reason == GG_STOP_LOST_WITH_BROKER) {
        drop_hand(agent, hand);
        return;
    }
    hand->finished = true;
    hand->outcome = heard->reason == GG_STOP_CANCELLED ? GG_OUTCOME_CANCELLED
                                                       : GG_OUTCOME_HANDED_BACK;
}

static void hear(struct world *world, const struct heard *heard)
{
    struct agent *agent = NULL;
    if (heard->peer != CLIENT &&
        heard->session != world->agents[heard->peer - 1].session) {
        return;
    }
    switch (heard->code) {
    case GG_CMD_ASSIGN:
        hear_assign(world, heard);
        return;
    case GG_CMD_JOB:
        hear_job(world, heard);
        return;
    case GG_CMD_STOP:
        hear_stop(world, heard);
        return;
    case GG_CMD_CONFIRM:
        agent = &world->agents[heard->peer - 1];
        drop_hand(agent, hand_of(agent, &heard->id, heard->fence));
        return;
    case GG_CMD_DONE:
        /* What is unsettled may still start, and the answer says so. */
        world->pause_told = world->pause_told ||
                            (heard->request == PAUSE_REQUEST + world->pause &&
                             world->pause_asked && heard->unsettled == 0);
        return;
    default:
        return;
    }
}

/* ---- the outbox and the disk ---- */

static bool take_said(const struct said *said, struct heard *out)
{
    const struct gg_command *command = &said->command;
    *out = (struct heard){.after = said->effect.after,
                          .peer = said->effect.peer,
                          .code = command->code,
                          .request = command->request};
    switch (command->code) {
    case GG_CMD_ASSIGN:
        out->id = command->as.assign.id;
        out->fence = command->as.assign.fence;
        return true;
    case GG_CMD_JOB:
        out->id = command->as.job.id;
        out->state = (uint8_t)command->as.job.state;
        out->existing = command->as.job.existing;
        gg_slice_copy(command->as.job.result, out->result, RESULT_BYTES);
        return true;
    case GG_CMD_STOP:
        out->id = command->as.stop.id;
        out->fence = command->as.stop.fence;
        out->reason = (uint8_t)command->as.stop.reason;
        return true;
    case GG_CMD_CONFIRM:
        out->id = command->as.confirm.id;
        out->fence = command->as.confirm.fence;
        return true;
    case GG_CMD_DONE:
        out->unsettled = command->as.done.unsettled;
        return true;
    default:
        return false;
    }
}

/* Let out what is allowed, in the order of its records. */
static void release(struct world *world)
{
    for (;;) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < world->heard_count; i++) {
            const struct heard *heard = &world->heard[i];
            if ((world->no_hold || heard->after <= world->durable) &&
                (best == UINT32_MAX || heard->after < world->heard[best].after)) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            return;
        }
        struct heard heard = world->heard[best];
        memmove(&world->heard[best], &world->heard[best + 1],
                (--world->heard_count - best) * sizeof heard);
        hear(world, &heard);
    }
}

/* After each step: a group of records ends, and what was said is held. */
static void end_step(struct world *world)
{
    struct stage *stage = &world->stage;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        const struct said *said = &stage->said[i];
        if (said->effect.type == GG_FX_SEND) {
            assert_true(world->heard_count < HEARD_MAX);
            struct heard *heard = &world->heard[world->heard_count];
            world->heard_count += take_said(said, heard);
            heard->session = said->effect.peer == CLIENT
                                 ? 0
                                 : world->agents[said->effect.peer - 1].session;
        }
    }
    stage->said_count = 0;
    uint64_t written = stage_written(stage);
    uint64_t last = world->mark_count == 0 ? world->durable
                                           : world->marks[world->mark_count - 1];
    if (written > last && world->mark_count < MARKS_MAX) {
        world->marks[world->mark_count++] = written;
    }
    release(world);
    const char *fault = core_walk(stage->core);
    if (fault != NULL) {
        wrong(world, fault);
    }
}

/* Some of the groups, in their order, are on disk. */
static void commit(struct world *world)
{
    uint32_t count = (uint32_t)pick(world, world->mark_count + 1);
    if (count > 0) {
        world->durable = world->marks[count - 1];
        world->mark_count -= count;
        memmove(world->marks, world->marks + count,
                world->mark_count * sizeof world->marks[0]);
    }
    release(world);
}

/* Every accepted job is still known, and what had ended still has. */
static void audit(struct world *world)
{
    for (int i = 0; i < world->deed_count; i++) {
        const struct deed *deed = &world->deeds[i];
        const struct gg_job *job = gg_registry_by_id(world->stage.core,
                                                     &deed->submit.id);
        if (deed->told && job == NULL) {
            wrong(world, "an accepted job is lost");
        } else if (deed->ended != 0 && job->state != deed->ended) {
            wrong(world, "a job that had ended is not where it was");
        } else if (deed->result[0] != '\0' &&
                   !gg_slice_equal(gg_blob_slice(gg_job_newest(job)->result),
                                   gg_slice_text(deed->result))) {
            wrong(world, "a result is not what it was");
        }
    }
}

static void open_client(struct world *world)
{
    stage_client(&world->stage, CLIENT);
    end_step(world);
}

static void crash(struct world *world)
{
    for (uint32_t i = 0; i < AGENTS; i++) {
        world->agents[i].open = false;
    }
    world->heard_count = 0; /* Nobody will ever hear it. */
    world->mark_count = 0;
    world->pause_asked = world->pause_told; /* Else it may hold, or not. */
    stage_crash(&world->stage, world->durable, (int64_t)pick(world, 2000));
    world->crashes++;
    world->durable = stage_written(&world->stage); /* It serves once that is safe. */
    audit(world);
    open_client(world);
}

/* ---- who does what ---- */

static void submit(struct world *world)
{
    bool again = world->deed_count > 0 && chance(world, 15);
    int n = again ? (int)pick(world, (uint64_t)world->deed_count) : world->deed_count;
    if (n == JOBS_MAX) {
        return;
    }
    struct deed *deed = &world->deeds[n];
    if (!again) {
        world->deed_count++;
        *deed = (struct deed){.submit = stage_submission(&world->stage, "q")};
        deed->submit.payload = gg_slice_text("p");
        deed->submit.keep_ms = GG_DAY_MS;
        deed->submit.keep_failed_ms = GG_DAY_MS;
        deed->submit.attempts = chance(world, 30) ? 1 : 900;
        deed->submit.backoff = GG_BACKOFF_FIXED;
        deed->submit.backoff_ms = pick(world, 500);
        if (chance(world, 40)) { /* Those always succeed, so their key stays theirs. */
            (void)snprintf(deed->key, sizeof deed->key, "k%llu",
                           (unsigned long long)pick(world, KEYS));
            deed->submit.attempts = 900;
        }
        deed->submit.key = gg_slice_text(deed->key);
    }
    stage_say(&world->stage, CLIENT, GG_CMD_SUBMIT, (uint64_t)n, &deed->submit);
    end_step(world);
}

static void ask(struct world *world, enum gg_command_code code)
{
    if (world->deed_count == 0) {
        return;
    }
    struct deed *deed = &world->deeds[pick(world, (uint64_t)world->deed_count)];
    if (code == GG_CMD_CANCEL && deed->key[0] != '\0') {
        return;
    }
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = deed->submit.id;
    target.want_result = true;
    stage_say(&world->stage, CLIENT, code, GET_REQUEST, &target);
    end_step(world);
}

static void control(struct world *world)
{
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text("q");
    bool pause = !world->pause_asked;
    world->pause_asked = pause;
    world->pause++;
    if (!pause) {
        world->pause_told = false;
    }
    stage_say(&world->stage, CLIENT, pause ? GG_CMD_PAUSE : GG_CMD_RESUME,
              PAUSE_REQUEST + world->pause, &scope);
    end_step(world);
}

static void open_agent(struct world *world, uint32_t peer)
{
    static const char *const names[AGENTS] = {"w1", "w2", "w3"};
    struct agent *agent = &world->agents[peer - 1];
    struct gg_held held[HANDS_MAX];
    for (uint32_t i = 0; i < agent->hand_count; i++) {
        held[i] = (struct gg_held){.id = agent->hands[i].id,
                                   .fence = agent->hands[i].fence,
                                   .pool = 1,
                                   .started = agent->hands[i].started};
    }
    agent->open = true;
    agent->session++;
    stage_agent_again(&world->stage, peer, names[peer - 1], agent->incarnation, "q", 4,
                      held, agent->hand_count);
    end_step(world);
}

static void work(struct world *world, uint32_t peer, struct hand *hand)
{
    struct deed *deed = deed_of(world, &hand->id);
    struct gg_assign assign = {.id = hand->id, .fence = hand->fence};
    if (!hand->started && !hand->finished) {
        hand->started = true;
        deed->starts++;
        if (chance(world, 70)) {
            stage_started(&world->stage, peer, &assign);
            end_step(world);
        }
        return;
    }
    if (!hand->finished) {
        hand->finished = true;
        hand->outcome = deed->key[0] != '\0' || chance(world, 60) ? GG_OUTCOME_SUCCEEDED
                                                                  : GG_OUTCOME_FAILED;
    }
    char result[RESULT_BYTES];
    (void)snprintf(result, sizeof result, "r%llx", (unsigned long long)hand->fence);
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = hand->id;
    outcome.fence = hand->fence;
    outcome.kind = hand->outcome;
    outcome.never_started = !hand->started;
    outcome.result = hand->outcome == GG_OUTCOME_SUCCEEDED ? gg_slice_text(result)
                                                           : (struct gg_slice){0};
    stage_say(&world->stage, peer, GG_CMD_OUTCOME, 0, &outcome);
    end_step(world);
}

static void agent_acts(struct world *world)
{
    uint32_t peer = 1 + (uint32_t)pick(world, AGENTS);
    struct agent *agent = &world->agents[peer - 1];
    if (chance(world, 2)) { /* It dies, and its attempts with it. */
        agent->incarnation++;
        agent->hand_count = 0;
        agent->open = false;
        stage_close(&world->stage, peer, false);
        end_step(world);
        return;
    }
    if (!agent->open) {
        open_agent(world, peer);
        return;
    }
    if (agent->hand_count > 0 && chance(world, 80)) {
        work(world, peer, &agent->hands[pick(world, agent->hand_count)]);
        return;
    }
    uint64_t fences[HANDS_MAX];
    for (uint32_t i = 0; i < agent->hand_count; i++) {
        fences[i] = agent->hands[i].fence;
    }
    stage_heartbeat(&world->stage, peer, fences, agent->hand_count);
    end_step(world);
}

/* The agents kill what they could not renew in time, as agents do. */
static void pass_time(struct world *world)
{
    stage_wait(&world->stage, (int64_t)pick(world, 400));
    end_step(world);
}

static void bounds(struct gg_bounds *out)
{
    out->durable = true;
    out->lease_ms = 60000; /* Longer than a life: no attempt outlives its lease. */
    out->gone_grace_ms = 59000;
    out->id_window_ms = 3600000;
}

/* Returns the promise that was broken, or NULL. */
static const char *live(uint64_t seed, bool no_hold)
{
    static struct world world;
    world = (struct world){.rng = {seed}, .seed = seed, .no_hold = no_hold};
    for (int i = 0; i < KEYS; i++) {
        world.holder[i] = -1;
    }
    stage_init(&world.stage, bounds);
    open_client(&world);
    for (world.step = 0; world.step < STEPS && world.wrong == NULL; world.step++) {
        uint64_t what = pick(&world, 100);
        if (what < 20) {
            submit(&world);
        } else if (what < 30) {
            ask(&world, chance(&world, 80) ? GG_CMD_GET : GG_CMD_CANCEL);
        } else if (what < 33) {
            control(&world);
        } else if (what < 75) {
            agent_acts(&world);
        } else if (what < 90) {
            commit(&world);
        } else if (what < 97) {
            pass_time(&world);
        } else {
            crash(&world);
        }
    }
    const char *found = world.wrong;
    stage_fini(&world.stage);
    return found;
}

static uint64_t number_from(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text == NULL ? fallback : strtoull(text, NULL, 10);
}

static void whatever_dies_promises_hold(void **state)
{
    (void)state;
    uint64_t first = number_from("GG_SEED", 1);
    uint64_t count = number_from("GG_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        assert_null(live(seed, false));
    }
}

/* Were things said before they are on disk, somebody would notice. */
static void without_the_hold_it_is_found_out(void **state)
{
    (void)state;
    int found = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        found += live(seed, true) != NULL;
    }
    assert_true(found > SEEDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_dies_promises_hold),
        cmocka_unit_test(without_the_hold_it_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
