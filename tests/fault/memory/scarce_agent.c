/* scarce_agent.c - the agent when memory runs out: one story, in which each allocation
 * of the agent's fails in turn. Whatever it could not do then, afterwards it knows of
 * all that it has taken: each attempt is ended and confirmed, none is left in hand.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/rng.h"
#include "tests/lib/scarce.h"
#include "worker/agent.h"

enum {
    SLOTS = 3,
    FENCE = 100,
    BIG_BYTES = 3000,
    TAKEN_MAX = 16,
    BODY_BYTES_MAX = 1 << 20
};

/* Only what the agent itself asks for may fail. */
#define SCARCE(call)                                                                   \
    do {                                                                               \
        gg_scarce_look(true);                                                          \
        call;                                                                          \
        gg_scarce_look(false);                                                         \
    } while (0)

struct story {
    struct gg_worker *agent;
    struct gg_now now;
    struct gg_rng rng;
    uint64_t session;
    uint64_t sequence;
    uint64_t heard;
    struct gg_id ids[TAKEN_MAX];
    uint32_t count;
};

static void tell(struct story *story, enum gg_message_type type,
                 enum gg_command_code code, const void *record)
{
    struct gg_buf frame;
    struct gg_slice lent = {0};
    struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                               .type = (uint8_t)type,
                               .session = story->session,
                               .sequence = ++story->sequence,
                               .acked = story->heard};
    uint8_t prefix[GG_PREFIX_BYTES];
    gg_prefix_write(&header, 1, prefix);
    gg_buf_init(&frame, BODY_BYTES_MAX);
    gg_buf_append(&frame, prefix, sizeof prefix);
    gg_command_write(&frame, code, 5, record, &lent);
    SCARCE((void)gg_worker_receive(story->agent, story->now.mono, gg_buf_slice(&frame),
                                   lent, NULL));
    gg_buf_fini(&frame);
}

/* Take what it says; what is confirmed at once, when `confirming`. */
static void listen(struct story *story, bool confirming)
{
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    struct gg_confirm confirms[TAKEN_MAX * 2];
    uint32_t count = 0;
    while (gg_worker_front(story->agent, &frame, &attachment)) {
        struct gg_message message;
        struct gg_command command;
        struct gg_fault fault;
        enum gg_err err = gg_message_open(frame, gg_blob_slice(attachment), &message,
                                          &fault);
        GG_ASSERT(err == GG_OK);
        story->heard = message.header.sequence;
        while (gg_message_next(&message, &command, &fault)) {
            GG_ASSERT(fault.err == GG_OK);
            if (command.code == GG_CMD_OUTCOME && count < TAKEN_MAX * 2) {
                confirms[count++] = (struct gg_confirm){
                    .id = command.as.outcome.id, .fence = command.as.outcome.fence};
            }
        }
        gg_worker_sent(story->agent);
    }
    for (uint32_t i = 0; confirming && i < count; i++) {
        tell(story, GG_MESSAGE_COMMANDS, GG_CMD_CONFIRM, &confirms[i]);
    }
}

static void meet(struct story *story, bool confirming)
{
    struct gg_welcome welcome;
    story->session = gg_rng_next(&story->rng) | 1;
    story->sequence = 0;
    story->heard = 0;
    SCARCE(gg_worker_hello(story->agent, story->now, story->session));
    if (story->agent->state != GG_WORKER_HELLO_SENT) {
        return; /* There was no memory for it: later. */
    }
    listen(story, false);
    gg_record_default(GG_RECORD_WELCOME, &welcome);
    welcome.version = GG_PROTOCOL_VERSION;
    welcome.epoch = 3;
    welcome.heartbeat_ms = 1000;
    welcome.dead_after_ms = 3000;
    welcome.lease_ms = 8000;
    welcome.frame_bytes_max = 1 << 20;
    welcome.requests_max = 10;
    welcome.durability = GG_DURABILITY_NONE;
    welcome.result_bytes_max = 1 << 20;
    tell(story, GG_MESSAGE_WELCOME, GG_CMD_WELCOME, &welcome);
    listen(story, confirming);
}

static void assign(struct story *story, uint64_t pool, size_t payload_bytes)
{
    static const char bytes[BIG_BYTES];
    struct gg_assign one;
    gg_record_default(GG_RECORD_ASSIGN, &one);
    one.id = gg_id_new(story->now.wall, &story->rng);
    one.fence = FENCE + story->count;
    one.pool = pool;
    one.attempt = 1;
    one.queue = gg_slice_text("q");
    one.key = gg_slice_text("a key");
    one.checkpoint = gg_slice_text("where it was");
    one.payload = gg_slice_of(bytes, payload_bytes);
    story->ids[story->count++] = one.id;
    tell(story, GG_MESSAGE_COMMANDS, GG_CMD_ASSIGN, &one);
}

static void run(struct story *story)
{
    struct gg_attempt *attempt;
    while ((attempt = gg_worker_next_start(story->agent, 0)) != NULL) {
        uint64_t fence = attempt->fence;
        struct gg_line lines[] = {
            {.kind = GG_LINE_PROGRESS, .ppm = 500000, .text = gg_slice_text("half")},
            {.kind = GG_LINE_PARTIAL, .text = gg_slice_text("a piece")},
            {.kind = GG_LINE_CHECKPOINT, .text = gg_slice_text("further")},
        };
        gg_worker_starting(story->agent, attempt);
        SCARCE(gg_worker_started(story->agent, story->now.mono, fence));
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
            SCARCE(gg_worker_said(story->agent, fence, &lines[i]));
        }
    }
}

/* All that still runs comes to its end. */
static void end(struct story *story)
{
    static const char bytes[BIG_BYTES];
    for (uint32_t i = 0; i < story->count; i++) {
        struct gg_ending ending = {.kind = i % 2 == 0 ? GG_OUTCOME_SUCCEEDED
                                                      : GG_OUTCOME_FAILED,
                                   .exit_status = 0};
        if (gg_worker_fence_of(story->agent, &story->ids[i]) == 0) {
            continue;
        }
        if (ending.kind == GG_OUTCOME_SUCCEEDED) {
            ending.result = gg_blob_new(gg_slice_of(bytes, sizeof bytes));
        } else {
            gg_ending_set_text(&ending, gg_slice_text("it did not go well"));
            ending.output = gg_slice_text("its last words");
        }
        SCARCE(gg_worker_ended(story->agent, story->now.mono, FENCE + i, &ending));
        gg_blob_unref(&ending.result);
    }
}

static void pass(struct story *story, int64_t ms)
{
    story->now.mono.ms += ms;
    story->now.wall.ms += ms;
    SCARCE(gg_worker_tick(story->agent, story->now.mono));
}

static void order(struct story *story)
{
    struct gg_steer steer;
    struct gg_pool_state state = {.pool = 1, .state = GG_POOL_OPEN, .kind = 1};
    gg_record_default(GG_RECORD_STEER, &steer);
    steer.worker = gg_slice_text("w");
    steer.action = GG_STEER_ADD;
    steer.definition = gg_slice_text("size 4");
    tell(story, GG_MESSAGE_COMMANDS, GG_CMD_STEER, &steer);
    struct gg_worker_order *got = gg_worker_next_order(story->agent);
    if (got != NULL) {
        GG_ASSERT(got->definition != NULL); /* Taken whole, or not at all. */
        SCARCE(gg_worker_answer(story->agent, got, GG_OK, "done"));
    }
    SCARCE(gg_worker_report(story->agent, &state, 1));
}

static void begin(struct story *story)
{
    static const char *const queues[] = {"q*"};
    struct gg_worker_pool pools[] = {
        {.slots = SLOTS, .queues = queues, .queue_count = 1},
        {.slots = SLOTS, .queues = queues, .queue_count = 1, .echo = true}};
    struct gg_worker_config config = {
        .name = gg_slice_text("w"), .incarnation = 1, .pools = pools, .pool_count = 2};
    enum gg_err err = GG_OK;
    *story = (struct story){.now = {{5000}, {1700000000000}}, .rng = {1}};
    SCARCE(err = gg_worker_new(&config, &story->agent));
    GG_ASSERT((err == GG_OK) == (story->agent != NULL));
    GG_ASSERT(err == GG_OK || err == GG_ERR_NO_MEMORY);
}

/* False once nothing failed any more. */
static bool tell_story(uint64_t n)
{
    struct story story;
    gg_scarce_set(n);
    begin(&story);
    if (story.agent == NULL) {
        return true;
    }
    meet(&story, true);
    for (int i = 0; i < 2; i++) {
        assign(&story, 1, 10);
        assign(&story, 2, BIG_BYTES);
    }
    run(&story);
    order(&story);
    pass(&story, 1100);
    listen(&story, false);
    SCARCE(gg_worker_lost(story.agent));
    assign(&story, 1, 0); /* Of a session that is over: it never was. */
    meet(&story, false);
    end(&story);
    listen(&story, true);
    /* Memory is back: all that it has in hand is said and confirmed. */
    gg_scarce_look(false);
    bool failed = gg_scarce_has_failed();
    for (int i = 0; i < 3 && story.agent->attempts.count > 0; i++) {
        gg_worker_lost(story.agent);
        meet(&story, true);
        run(&story);
        end(&story);
        listen(&story, true);
    }
    GG_ASSERT(story.agent->attempts.count == 0);
    gg_worker_destroy(&story.agent);
    return failed;
}

int main(void)
{
    uint64_t n = 0;
    while (tell_story(n)) {
        n++;
    }
    (void)printf("the story without each of its %llu pieces of memory, and whole\n",
                 (unsigned long long)n);
    return n == 0;
}
