/* test_shell_store.c - the whole shell on a store that is slow or fails: nobody is told
 * what is not safe. The shell runs in a thread of its own, the test is its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/io/shell.h"
#include "common/codec.h"
#include "common/rng.h"
#include "tests/lib/slow_store.h"

enum { LIMIT_MS = 20000, NOTHING_MS = 300, FRAME_BYTES = 65536 };

struct fixture {
    struct gg_shell_config config;
    struct gg_store *store; /* The shell's; only its knobs are used here. */
    struct gg_shell *shell;
    pthread_t thread;
    enum gg_err result;

    void *context;
    void *socket;
    struct gg_header header; /* Of our next message. */
    struct gg_rng rng;
    uint8_t frame[FRAME_BYTES];
};

static void *run_shell(void *ctx)
{
    struct fixture *f = ctx;
    f->result = gg_shell_run(f->shell);
    return NULL;
}

static void send_one(struct fixture *f, enum gg_command_code code, uint64_t request,
                     const void *record)
{
    static const uint8_t empty[GG_PREFIX_BYTES];
    struct gg_buf out;
    gg_buf_init(&out, FRAME_BYTES);
    gg_buf_append(&out, empty, sizeof empty);
    gg_command_write(&out, code, request, record, NULL);
    f->header.sequence++;
    gg_prefix_write(&f->header, 1, out.data);
    assert_false(out.failed);
    assert_true(zmq_send(f->socket, out.data, out.len, 0) >= 0);
    gg_buf_fini(&out);
}

/* The code of the first command of the next message, 0 when none comes in time. */
static uint16_t next_code(struct fixture *f, int limit_ms)
{
    assert_int_equal(
        zmq_setsockopt(f->socket, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms), 0);
    int len = zmq_recv(f->socket, f->frame, sizeof f->frame, 0);
    if (len < 0) {
        return 0;
    }
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    assert_int_equal(gg_message_open(gg_slice_of(f->frame, (size_t)len),
                                     (struct gg_slice){0}, &message, &fault),
                     GG_OK);
    assert_true(gg_message_next(&message, &command, &fault));
    f->header.acked = message.header.sequence;
    return command.code;
}

static void submit(struct fixture *f)
{
    struct gg_submit submit;
    gg_record_default(GG_RECORD_SUBMIT, &submit);
    submit.id = gg_id_new(gg_wall_now(), &f->rng);
    submit.queue = gg_slice_text("reports");
    send_one(f, GG_CMD_SUBMIT, 1, &submit);
}

static void say_hello(struct fixture *f)
{
    struct gg_hello hello = {.version_min = 1, .version_max = 1, .kind = 1};
    f->header = (struct gg_header){
        .version = GG_PROTOCOL_VERSION,
        .type = GG_MESSAGE_HELLO,
        .session = gg_rng_next(&f->rng) | 1,
    };
    send_one(f, GG_CMD_HELLO, 0, &hello);
    assert_int_equal(next_code(f, LIMIT_MS), GG_CMD_WELCOME);
    f->header.type = GG_MESSAGE_COMMANDS;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->config = (struct gg_shell_config){
        .program = "test",
        .epoch = 7,
        .client_addresses = {"tcp://127.0.0.1:0"},
        .client_count = 1,
        .client_fd = -1,
        .agent_fd = -1,
        .connections_max = 10,
        .key_sessions_max = 10,
        .hello_within_ms = 5000,
        .backlog_bytes_max = 1 << 20,
        .in_flight_bytes_max = 1 << 20,
    };
    gg_bounds_default(&f->config.bounds);
    f->config.bounds.durable = true;
    gg_rng_seed(&f->rng);
    f->store = slow_store_open();
    struct gg_store *given = f->store;
    struct gg_shell_fault fault;
    assert_int_equal(gg_shell_open(&f->config, &given, &f->shell, &fault), GG_OK);
    assert_null(given);
    assert_int_equal(pthread_create(&f->thread, NULL, run_shell, f), 0);

    f->context = zmq_ctx_new();
    f->socket = zmq_socket(f->context, ZMQ_DEALER);
    int linger = 0;
    assert_int_equal(zmq_setsockopt(f->socket, ZMQ_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(zmq_connect(f->socket, gg_shell_client_address(f->shell)), 0);
    say_hello(f);
    *state = f;
    return 0;
}

static void end(struct fixture *f)
{
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    gg_shell_close(&f->shell);
    assert_null(f->shell);
    (void)zmq_close(f->socket);
    (void)zmq_ctx_term(f->context);
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void accepted_is_said_once_the_store_is_safe(void **state)
{
    struct fixture *f = *state;
    submit(f);
    assert_int_equal(next_code(f, NOTHING_MS), 0);

    slow_store_set_prompt(f->store, true);

    assert_int_equal(next_code(f, LIMIT_MS), GG_CMD_JOB);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    end(f);
    assert_int_equal(f->result, GG_OK);
}

/* An answer that needs no record does not wait for those that do. */
static void heartbeat_is_answered_while_the_store_is_slow(void **state)
{
    struct fixture *f = *state;
    struct gg_heartbeat heartbeat = {0};
    submit(f);

    send_one(f, GG_CMD_HEARTBEAT, 2, &heartbeat);

    assert_int_equal(next_code(f, LIMIT_MS), GG_CMD_HEARTBEAT);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    end(f);
    assert_int_equal(f->result, GG_OK);
}

/* Never on in memory: it stops, says so, and has told nobody. */
static void failed_store_ends_the_broker_and_nothing_is_said(void **state)
{
    struct fixture *f = *state;
    submit(f);
    assert_int_equal(next_code(f, NOTHING_MS), 0);

    slow_store_break(f->store);

    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_int_equal(f->result, GG_ERR_STORE);
    gg_shell_close(&f->shell);
    assert_int_equal(next_code(f, NOTHING_MS), 0);
    (void)zmq_close(f->socket);
    (void)zmq_ctx_term(f->context);
}

int main(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(accepted_is_said_once_the_store_is_safe),
        TEST(heartbeat_is_answered_while_the_store_is_slow),
        TEST(failed_store_ends_the_broker_and_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
