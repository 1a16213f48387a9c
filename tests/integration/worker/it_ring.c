/* it_ring.c - what a handler's executor says through shared memory, and what one may do
 * to that memory: the real agent, and a handler that is up to no good.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

static int setup(void **state)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/../lib/test_handler.so",
                   getenv("GG_BIN_DIR"));
    const char *const arguments[] = {"--queue",   "a",  "--slots", "1",
                                     "--handler", path, NULL};
    int status = fake_setup(state);
    fake_start_agent(*state, arguments);
    return status;
}

static const struct fake_job *run(struct fake_broker *broker, const char *payload)
{
    const struct fake_job *job = fake_assign(broker, payload, NULL);
    fake_until(broker, job->outcomes > 0);
    return job;
}

/* The executor had to be replaced: the next job is the first of its process. */
static void assert_replaced(struct fake_broker *broker)
{
    const struct fake_job *job = run(broker, "count");
    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(job->result, "1");
}

static void result_larger_than_the_ring_comes_whole(void **state)
{
    struct fake_broker *broker = *state;
    static const char *const sizes[] = {"1", "32000", "32768", "100000", "1000000"};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        const char *size = sizes[i % (sizeof sizes / sizeof sizes[0])];
        char payload[64];
        (void)snprintf(payload, sizeof payload, "fill %s", size);
        const struct fake_job *job = run(broker, payload);
        assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
        assert_int_equal(job->result_len, strtoul(size, NULL, 10));
    }
    assert_string_equal(run(broker, "count")->result, "11"); /* By one process. */
}

static void count_that_cannot_be_ends_the_executor(void **state)
{
    struct fake_broker *broker = *state;
    assert_string_equal(run(broker, "count")->result, "1");

    const struct fake_job *job = run(broker, "lie");

    assert_int_equal(job->kind, GG_OUTCOME_CRASHED);
    assert_non_null(strstr(job->text, "did not keep to its protocol"));
    assert_replaced(broker);
}

static void bytes_that_are_no_message_end_the_executor(void **state)
{
    struct fake_broker *broker = *state;
    const struct fake_job *job = run(broker, "scribble");

    assert_int_equal(job->kind, GG_OUTCOME_CRASHED);
    assert_non_null(strstr(job->text, "did not keep to its protocol"));
    assert_replaced(broker);
}

static void half_an_outcome_of_one_that_died_does_not_count(void **state)
{
    struct fake_broker *broker = *state;
    const struct fake_job *job = run(broker, "half");

    assert_int_equal(job->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(job->signal, SIGKILL);
    assert_int_equal(job->outcomes, 1);
    assert_replaced(broker);
}

static void byte_that_is_no_bell_ends_the_executor(void **state)
{
    struct fake_broker *broker = *state;
    const struct fake_job *job = run(broker, "whisper");

    assert_int_equal(job->kind, GG_OUTCOME_CRASHED);
    assert_non_null(strstr(job->text, "did not keep to its protocol"));
    assert_replaced(broker);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(result_larger_than_the_ring_comes_whole),
        TEST(count_that_cannot_be_ends_the_executor),
        TEST(bytes_that_are_no_message_end_the_executor),
        TEST(half_an_outcome_of_one_that_died_does_not_count),
        TEST(byte_that_is_no_bell_ends_the_executor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
