/* fuzz_command.c - messages as whole programs take them, by role: what a client hears
 * from a broker, what an agent hears, and what the core hears from peers whose keys
 * have any roles. Nobody may fall, and a command without its role changes nothing.
 *
 * Input: who listens, with which roles; then the bodies of messages, each behind two
 * bytes of length. The harness writes the headers, so that the bodies are reached.
 */
#include "broker/core/registry.h"
#include "client/src/session.h"
#include "common/assert.h"
#include "tests/fuzz/bites.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/driver.h"
#include "tests/unit/test_core_walk.h"
#include "worker/agent.h"

enum { SESSION = 77, BODY_BYTES_MAX = 4096, SLOTS = 3, REQUESTS = 4 };

/* The next body behind a header of the given type; false at the end of the input. */
static bool next_frame(struct bites *bites, uint64_t session, uint8_t type,
                       uint64_t sequence, struct gg_buf *frame)
{
    if (!bites_left(bites)) {
        return false;
    }
    uint8_t header[GG_HEADER_BYTES];
    size_t len = bite(bites);
    len = (len * 256 + bite(bites)) % BODY_BYTES_MAX;
    size_t left = (size_t)(bites->end - bites->at);
    len = len < left ? len : left;
    gg_header_write(&(struct gg_header){.version = GG_PROTOCOL_VERSION,
                                        .type = type,
                                        .session = session,
                                        .sequence = sequence,
                                        .acked = sequence},
                    header);
    gg_buf_clear(frame);
    gg_buf_append(frame, header, sizeof header);
    gg_buf_append(frame, bites->at, len);
    bites->at += len;
    return true;
}

static void write_welcome(struct gg_buf *frame, uint64_t session)
{
    uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_welcome welcome;
    gg_record_default(GG_RECORD_WELCOME, &welcome);
    welcome.version = GG_PROTOCOL_VERSION;
    welcome.epoch = 9;
    welcome.heartbeat_ms = 1000;
    welcome.dead_after_ms = 3000;
    welcome.lease_ms = 8000;
    welcome.frame_bytes_max = 1 << 20;
    welcome.requests_max = 16;
    welcome.durability = GG_DURABILITY_NONE;
    gg_prefix_write(&(struct gg_header){.version = GG_PROTOCOL_VERSION,
                                        .type = GG_MESSAGE_WELCOME,
                                        .session = session,
                                        .sequence = 1,
                                        .acked = 1},
                    1, prefix);
    gg_buf_clear(frame);
    gg_buf_append(frame, prefix, sizeof prefix);
    gg_command_write(frame, GG_CMD_WELCOME, 0, &welcome, NULL);
}

/* ---- a client ---- */

static void on_reply(void *ctx, const struct gg_reply *reply)
{
    uint32_t *count = ctx;
    GG_ASSERT(reply->request != 0);
    *count += reply->final ? 1 : 0;
}

static void on_news(void *owner, bool opened, enum gg_err why, struct gg_slice text)
{
    (void)owner;
    (void)text;
    GG_ASSERT(opened == (why == GG_OK));
}

static void ask(struct gg_session *session, uint32_t *count, enum gg_command_code code,
                struct gg_now now)
{
    struct gg_asker asker = {.fn = on_reply, .ctx = count};
    struct gg_request *request = gg_session_begin(session, code, &asker);
    union {
        struct gg_submit submit;
        struct gg_target target;
        struct gg_scope scope;
    } record;
    GG_ASSERT(request != NULL);
    gg_record_default((enum gg_record_id)gg_command_type_of(code)->record, &record);
    if (code == GG_CMD_SUBMIT) {
        record.submit.id = gg_session_new_id(session, now.wall);
        record.submit.queue = gg_slice_text("q0");
        record.submit.wait = true;
    } else if (code == GG_CMD_WAIT) {
        record.target.id = gg_session_new_id(session, now.wall);
    }
    enum gg_err err = gg_session_write(request, &record, NULL);
    err = err == GG_OK ? gg_session_put(session, request, now.mono, NULL) : err;
    GG_ASSERT(err == GG_OK);
}

static void send_all(struct gg_session *session, struct gg_now now, uint64_t *number)
{
    struct gg_outgoing out;
    struct gg_header header;
    while (gg_session_next(session, now, &out)) {
        enum gg_err err = gg_header_read(out.frame, &header);
        GG_ASSERT(err == GG_OK);
        *number = header.session;
        gg_session_sent(session, now.mono);
    }
}

static void try_client(struct bites *bites, struct gg_buf *frame)
{
    static const enum gg_command_code codes[] = {GG_CMD_SUBMIT, GG_CMD_WAIT,
                                                 GG_CMD_LIST_QUEUES, GG_CMD_PAUSE};
    struct gg_session_setup setup = {.seed = 3, .news = on_news};
    struct gg_session *session = NULL;
    struct gg_now now = {{5000}, {1700000000000}};
    uint64_t number = 0;
    uint64_t sequence = 2;
    uint32_t count = 0;
    enum gg_err err = gg_session_new(&setup, &session);
    GG_ASSERT(err == GG_OK);
    gg_session_link_up(session, now.mono);
    send_all(session, now, &number);
    write_welcome(frame, number);
    err = gg_session_receive(session, now, gg_buf_slice(frame), (struct gg_slice){0});
    GG_ASSERT(err == GG_OK && gg_session_state_of(session) == GG_SESSION_OPEN);
    for (int i = 0; i < REQUESTS; i++) {
        ask(session, &count, codes[i], now);
    }
    send_all(session, now, &number);
    while (next_frame(bites, number, GG_MESSAGE_COMMANDS, sequence++, frame)) {
        err = gg_session_receive(session, now, gg_buf_slice(frame),
                                 (struct gg_slice){0});
        GG_ASSERT(err == GG_OK || err == GG_ERR_BAD_MESSAGE || err == GG_ERR_TOO_MANY);
        now.mono.ms += 40;
        gg_session_tick(session, now.mono, GG_ERR_NO_BROKER, (struct gg_slice){0});
        send_all(session, now, &number);
    }
    GG_ASSERT(count + gg_session_in_flight(session) == REQUESTS);
    gg_session_destroy(&session);
}

/* ---- an agent ---- */

static void run_jobs(struct gg_worker *agent, struct gg_now now, bool *busy)
{
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    struct gg_attempt *attempt = gg_worker_next_start(agent, 0);
    if (attempt != NULL) {
        uint64_t fence = attempt->fence;
        gg_worker_starting(agent, attempt);
        gg_worker_started(agent, now.mono, fence);
        if (*busy) {
            struct gg_ending ending = {.kind = GG_OUTCOME_FAILED,
                                       .exit_status = GG_UNSAID};
            gg_worker_ended(agent, now.mono, fence, &ending);
        }
        *busy = !*busy;
    }
    unsigned mask = 0;
    while (gg_worker_next_todo(agent, &mask) != NULL) {
        GG_ASSERT(mask != 0);
    }
    while (gg_worker_front(agent, &frame, &attachment)) {
        gg_worker_sent(agent);
    }
}

static void try_agent(struct bites *bites, struct gg_buf *frame)
{
    static const char *const queues[] = {"q*"};
    struct gg_worker_pool pool = {.slots = SLOTS, .queues = queues, .queue_count = 1};
    struct gg_worker_config config = {.name = gg_slice_text("w0"),
                                      .incarnation = 1,
                                      .margin_ms = 500,
                                      .pools = &pool,
                                      .pool_count = 1};
    struct gg_worker *agent = NULL;
    struct gg_now now = {{5000}, {1700000000000}};
    uint64_t sequence = 2;
    bool busy = false;
    enum gg_err err = gg_worker_new(&config, &agent);
    GG_ASSERT(err == GG_OK);
    gg_worker_hello(agent, now, SESSION);
    write_welcome(frame, SESSION);
    enum gg_worker_news news = gg_worker_receive(agent, now.mono, gg_buf_slice(frame),
                                                 (struct gg_slice){0}, NULL);
    GG_ASSERT(news == GG_NEWS_WELCOME);
    while (next_frame(bites, SESSION, GG_MESSAGE_COMMANDS, sequence++, frame)) {
        (void)gg_worker_receive(agent, now.mono, gg_buf_slice(frame),
                                (struct gg_slice){0}, NULL);
        run_jobs(agent, now, &busy);
        now.mono.ms += 300;
        gg_worker_tick(agent, now.mono);
        if (agent->state == GG_WORKER_DOWN) {
            gg_worker_hello(agent, now, SESSION);
            sequence = 1;
        }
        GG_ASSERT(agent->attempts.count <= agent->attempts.place_count);
    }
    gg_worker_destroy(&agent);
}

/* ---- the core ---- */

static void hello(struct gg_driver *driver, bool is_agent)
{
    struct gg_buf patterns;
    struct gg_buf pools;
    if (!is_agent) {
        gg_driver_hello_client(driver, 0);
        return;
    }
    gg_buf_init(&patterns, 256);
    gg_buf_init(&pools, 256);
    gg_text_write(&patterns, gg_slice_text("q*"));
    struct gg_pool_info pool = {
        .pool = 1, .slots = SLOTS, .queues = {gg_buf_slice(&patterns), 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    struct gg_hello first;
    gg_record_default(GG_RECORD_HELLO, &first);
    first.kind = GG_PEER_AGENT;
    first.name = gg_slice_text("w0");
    first.incarnation = 1;
    first.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    gg_driver_hello_agent(driver, 0, &first);
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

static void step(struct gg_driver *driver, const struct gg_command *command)
{
    uint64_t jobs = driver->core->jobs;
    uint32_t queues = driver->core->queue_count;
    struct gg_event ev = {
        .type = GG_EV_COMMAND, .now = driver->now, .command = command};
    gg_effects_clear(&driver->fx);
    gg_core_step(driver->core, &ev, &driver->fx);
    if (!gg_grant_command(&driver->grant, (enum gg_command_code)command->code)) {
        GG_ASSERT(driver->core->jobs == jobs && driver->core->queue_count == queues);
    }
}

static void try_core(struct bites *bites, struct gg_buf *frame, bool is_agent)
{
    struct gg_driver driver;
    struct gg_bounds bounds;
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    gg_driver_tiny_bounds(&bounds);
    gg_driver_init(&driver, &bounds, 9, 3);
    uint8_t roles = bite(bites);
    driver.grant.roles = (roles & 0xf0) != 0 ? GG_ROLE_ALL : roles;
    hello(&driver, is_agent);
    while (next_frame(bites, SESSION, GG_MESSAGE_COMMANDS, 2, frame)) {
        if (gg_message_open(gg_buf_slice(frame), (struct gg_slice){0}, &message,
                            &fault) != GG_OK) {
            continue;
        }
        while (gg_message_next(&message, &command, &fault)) {
            if (fault.err == GG_OK && command.code != GG_CMD_BYE) {
                step(&driver, &command);
            }
        }
        gg_driver_wait(&driver, 700, NULL, NULL);
    }
    GG_ASSERT(core_walk(driver.core) == NULL);
    gg_driver_fini(&driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bites bites = {data, data + len};
    struct gg_buf frame;
    gg_buf_init(&frame, 1 << 20);
    switch (bite_below(&bites, 4)) {
    case 0:
        try_client(&bites, &frame);
        break;
    case 1:
        try_agent(&bites, &frame);
        break;
    case 2:
        try_core(&bites, &frame, false);
        break;
    default:
        try_core(&bites, &frame, true);
    }
    gg_buf_fini(&frame);
    return 0;
}
