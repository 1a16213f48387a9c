/* scarce_client.c - the client library when memory runs out: one story, against a
 * broker that answers all it understands, in which each allocation of the library's
 * fails in turn. Whatever it could not do then, each request that it took ends once,
 * each payload that was lent comes back once, and what is sent is what was asked for.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "tests/integration/client/fake.h"
#include "tests/lib/scarce.h"

enum {
    SMALL_BYTES = 100,
    MIDDLE_BYTES = 9000, /* More than a message's buffer has room for at first. */
    LARGE_BYTES = 100000,
    ASKED_MAX = 32,
    STORY_MS = 20000,
    KEY_BYTES = 32,
};

/* Only what the library itself asks for may fail. */
#define SCARCE(call)                                                                   \
    do {                                                                               \
        gg_scarce_look(true);                                                          \
        call;                                                                          \
        gg_scarce_look(false);                                                         \
    } while (0)

struct asked {
    bool begun;
    int ends;
};

struct story {
    struct fake fake;
    ganger *handle;
    struct asked asked[ASKED_MAX];
    uint32_t count;
    int lent;
    atomic_int given_back;
};

static uint8_t payload[LARGE_BYTES];

/* ---- the broker ---- */

static void answer(struct fake *fake, const struct gg_command *command)
{
    static const struct gg_id none;
    const struct gg_submit *submit = &command->as.submit;
    const struct gg_cancelled cancelled = {.verdict = GG_VERDICT_TOO_LATE,
                                           .id = command->as.target.id,
                                           .state = GG_JOB_SUCCEEDED};
    switch (command->code) {
    case GG_CMD_SUBMIT:
        /* All that is unique here has a key, and an id. */
        GG_ASSERT(submit->key.len == KEY_BYTES && !gg_id_equal(&submit->id, &none));
        fake_send_job(fake, command->request, &submit->id,
                      submit->wait ? GG_JOB_SUCCEEDED : GG_JOB_READY, NULL);
        return;
    case GG_CMD_GET:
    case GG_CMD_WAIT:
        fake_send_job(fake, command->request, &command->as.target.id, GG_JOB_SUCCEEDED,
                      "result");
        return;
    case GG_CMD_CANCEL:
        fake_send(fake, GG_CMD_CANCELLED, command->request, &cancelled);
        return;
    default:
        return;
    }
}

/* ---- what is asked ---- */

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct asked *asked = ctx;
    gg_scarce_look(false);
    GG_ASSERT(asked->begun && asked->ends == 0);
    GG_ASSERT(answer->err == GANGER_OK || answer->err == GANGER_NO_MEMORY);
    asked->ends += answer->final;
    gg_scarce_look(true);
}

static void on_given_back(void *ctx)
{
    (void)atomic_fetch_add((atomic_int *)ctx, 1);
}

static struct asked *next(struct story *story)
{
    GG_ASSERT(story->count < ASKED_MAX);
    return &story->asked[story->count++];
}

static uint64_t submit(struct story *story, size_t bytes, bool lend)
{
    struct asked *asked = next(story);
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    submission.payload = (ganger_bytes){payload, bytes};
    submission.unique = true;
    submission.tags = (const char *const[]){"one", "two"};
    submission.tag_count = 2;
    if (lend) {
        story->lent++;
        submission.payload_done = on_given_back;
        submission.payload_ctx = &story->given_back;
    }
    uint64_t number = 0;
    asked->begun = true;
    SCARCE(number = ganger_submit_start(story->handle, &submission, lend, 60000,
                                        on_answer, asked));
    asked->begun = number != 0;
    GG_ASSERT(number != 0 || gg_scarce_has_failed());
    return number;
}

static void look_at_one(struct story *story)
{
    struct asked *asked = next(story);
    ganger_target target = {.id = {{1}}};
    uint64_t number = 0;
    SCARCE(
        number = ganger_get_start(story->handle, &target, true, 0, on_answer, asked));
    asked->begun = number != 0;
    asked = next(story);
    SCARCE(number = ganger_wait_start(story->handle, &target, true, true, 0, on_answer,
                                      asked));
    asked->begun = number != 0;
    asked = next(story);
    SCARCE(number = ganger_cancel_start(story->handle, &target, "why", 0, on_answer,
                                        asked));
    asked->begun = number != 0;
}

static void ask_and_forget(struct story *story)
{
    uint64_t number = submit(story, LARGE_BYTES, true);
    SCARCE(ganger_forget(story->handle, number));
    story->asked[story->count - 1].begun = false;
}

/* The answer does not come within no time: all the same what was lent comes back. */
static void call_without_time(struct story *story)
{
    ganger_submission pair[2] = {GANGER_SUBMIT_INIT, GANGER_SUBMIT_INIT};
    ganger_err err = GANGER_OK;
    for (int i = 0; i < 2; i++) {
        pair[i].queue = "q";
        pair[i].unique = true;
        pair[i].payload = (ganger_bytes){payload, i == 0 ? SMALL_BYTES : LARGE_BYTES};
        pair[i].payload_done = on_given_back;
        pair[i].payload_ctx = &story->given_back;
    }
    SCARCE(err = ganger_submit_many(story->handle, pair, 2, 0, NULL));
    GG_ASSERT(err == GANGER_TIMED_OUT || gg_scarce_has_failed());
    story->lent += 2;
}

/* ---- the story ---- */

static void turn(struct story *story)
{
    fake_step(&story->fake);
    SCARCE((void)ganger_process(story->handle));
    struct pollfd ready = {.fd = ganger_fd(story->handle), .events = POLLIN};
    int wait_ms = ganger_wait_ms(story->handle);
    (void)poll(&ready, 1, wait_ms < 1 ? wait_ms : 1);
}

static bool all_ended(const struct story *story)
{
    for (uint32_t i = 0; i < story->count; i++) {
        if (story->asked[i].begun && story->asked[i].ends == 0) {
            return false;
        }
    }
    return ganger_in_flight(story->handle) == 0;
}

static void until_all_ended(struct story *story)
{
    struct gg_mono end = gg_mono_add(gg_mono_now(), STORY_MS);
    while (!all_ended(story)) {
        turn(story);
        GG_ASSERT(!gg_mono_reached(end, gg_mono_now())); /* One was left for ever. */
    }
}

static void tell(struct story *story)
{
    (void)submit(story, SMALL_BYTES, true);
    until_all_ended(story);
    (void)submit(story, SMALL_BYTES, false);
    (void)submit(story, MIDDLE_BYTES, false); /* The message grows within. */
    look_at_one(story);
    ask_and_forget(story);
    (void)submit(story, LARGE_BYTES, false);
    (void)submit(story, LARGE_BYTES, true);
    until_all_ended(story);
    call_without_time(story);
    fake_forget(&story->fake); /* All goes again, on the next session. */
    look_at_one(story);
    (void)submit(story, MIDDLE_BYTES, true);
    until_all_ended(story);
}

/* False: no allocation was left that could fail. */
static bool play(struct fake *fake, uint64_t n)
{
    struct story *story = calloc(1, sizeof *story);
    GG_ASSERT(story != NULL);
    story->fake = *fake;
    story->fake.answer = answer;
    fake_start(&story->fake);
    const ganger_options options = {.endpoint = story->fake.endpoint};
    ganger_err err = GANGER_OK;
    gg_scarce_set(n);
    SCARCE(err = ganger_open(&options, &story->handle));
    GG_ASSERT(err == GANGER_OK || err == GANGER_NO_MEMORY);
    if (err == GANGER_OK) {
        tell(story);
        (void)submit(story, LARGE_BYTES, true); /* One that is never sent. */
        ganger_close(&story->handle);
    }
    GG_ASSERT(atomic_load(&story->given_back) == story->lent);
    fake_stop(&story->fake);
    bool failed = gg_scarce_has_failed();
    free(story);
    return failed;
}

/* What is asked and forgotten again and again takes no more memory each time. */
static void repeat(void)
{
    struct story *story = calloc(1, sizeof *story);
    GG_ASSERT(story != NULL);
    const ganger_options options = {.endpoint = "127.0.0.1:1"};
    gg_scarce_set(UINT64_MAX);
    GG_ASSERT(ganger_open(&options, &story->handle) == GANGER_OK);
    for (int i = 0; i < 1000; i++) {
        story->count = 0;
        if (i == 1) {
            gg_scarce_set(UINT64_MAX);
        }
        ganger_forget(story->handle, submit(story, SMALL_BYTES, false));
    }
    GG_ASSERT(gg_scarce_count() == 0);
    ganger_close(&story->handle);
    free(story);
}

int main(void)
{
    static struct fake fake;
    uint64_t n = 0;
    repeat();
    while (play(&fake, n)) {
        n++;
    }
    (void)printf("%llu stories, each without one piece of memory\n",
                 (unsigned long long)n);
    return n == 0;
}
