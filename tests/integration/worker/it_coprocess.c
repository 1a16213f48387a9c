/* it_coprocess.c - the real agent with co-processes: what they may do to it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

/* An agent with `slots` co-processes of a program in the source folder. */
static void start_agent(struct fake_broker *broker, const char *slots,
                        const char *program)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", getenv("GG_SOURCE_DIR"), program);
    const char *const arguments[] = {
        "--queue",        "reports", "--slots",     slots, "--grace", "2s",
        "--lease-margin", "500ms",   "--coprocess", "--",  path,      NULL};
    fake_start_agent(broker, arguments);
}

static void start_scripts(struct fake_broker *broker, const char *slots)
{
    start_agent(broker, slots, "tests/integration/worker/coprocess.sh");
}

static struct fake_job *run(struct fake_broker *broker, const char *script)
{
    struct fake_job *job = fake_assign(broker, script, NULL);
    fake_until(broker, job->outcomes > 0);
    return job;
}

static void one_process_runs_one_job_after_another(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "1");

    const struct fake_job *first = run(broker, "answer $$.$jobs");
    const struct fake_job *second = run(broker, "answer $$.$jobs");

    assert_int_equal(first->kind, GG_OUTCOME_SUCCEEDED);
    assert_non_null(strstr(first->result, ".1"));
    assert_non_null(strstr(second->result, ".2"));
    assert_int_equal(strtol(first->result, NULL, 10), strtol(second->result, NULL, 10));
}

static void endings_and_lines_are_passed_on(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "2");

    const struct fake_job *failed = run(broker, "echo log >&2; echo fail no disk");
    const struct fake_job *rejected = run(broker, "echo reject no such month");
    const struct fake_job *snoozed = run(broker, "echo snooze 30s");
    const struct fake_job *talked = run(
        broker, "echo progress 0.42 summing; echo partial one; echo partial two;"
                "echo checkpoint page 7; answer done");

    assert_int_equal(failed->kind, GG_OUTCOME_FAILED);
    assert_string_equal(failed->text, "no disk");
    assert_string_equal(failed->output, "log\n");
    assert_int_equal(rejected->kind, GG_OUTCOME_REJECTED);
    assert_int_equal(snoozed->kind, GG_OUTCOME_SNOOZED);
    assert_int_equal(snoozed->snooze_ms, 30000);
    assert_int_equal(talked->ppm, 420000);
    assert_string_equal(talked->partial, "one\ntwo\n");
    assert_string_equal(talked->checkpoint, "page 7");
    assert_string_equal(talked->result, "done");
}

static void folder_is_empty_for_each_job_and_gone_at_the_end(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "1");

    const struct fake_job *first = run(
        broker, "touch $folder/a; mkdir $TMPDIR/b; answer $folder");
    const struct fake_job *second = run(broker, "answer \"$(ls -A $folder)\"");

    assert_int_equal(first->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(second->result, "");
    (void)kill(broker->agent, SIGTERM);
    (void)fake_wait_agent(broker);
    fake_until(broker, access(first->result, F_OK) != 0);
}

static void bad_ones_end_with_their_true_reason_beside_good_ones(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "2");

    const struct fake_job *crashed = run(broker, "kill -SEGV $$");
    const struct fake_job *left = run(broker, "exit 0");
    const struct fake_job *exited = run(broker, "echo bad config >&2; exit 3");
    const struct fake_job *breach = run(broker, "echo hello; sleep 6010");
    const struct fake_job *large = run(broker, "echo ok 999999999; sleep 6010");
    const struct fake_job *good = run(broker, "answer good");

    assert_int_equal(crashed->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(crashed->signal, SIGSEGV);
    assert_int_equal(left->kind, GG_OUTCOME_CRASHED);
    assert_string_equal(left->text, "the executor ended with status 0");
    assert_string_equal(exited->text, "exit status 3: bad config");
    assert_int_equal(breach->kind, GG_OUTCOME_CRASHED);
    assert_string_equal(breach->text, "the executor did not keep to its protocol");
    assert_int_equal(large->kind, GG_OUTCOME_FAILED);
    assert_non_null(strstr(large->text, "result_bytes_max"));
    assert_int_equal(good->kind, GG_OUTCOME_SUCCEEDED);
    assert_null(strstr(fake_log(broker), "pool_closed"));
    assert_int_equal(fake_count_processes("6010"), 0);
}

/* TERM may be answered; the process lives on and its next job is not killed. */
static void cancelled_job_may_be_given_up_and_its_process_kept(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "1");
    struct fake_job *job = fake_assign(
        broker,
        "stop=; trap 'stop=1' TERM; echo partial on; "
        "while [ -z \"$stop\" ]; do sleep 0.05; done; echo fail given up",
        NULL);
    fake_until(broker, job->partial[0] != '\0');

    fake_stop(broker, job, GG_STOP_CANCELLED, 1000);
    fake_until(broker, job->outcomes > 0);
    const struct fake_job *next = run(broker, "sleep 1.2; answer $jobs");

    assert_int_equal(job->kind, GG_OUTCOME_CANCELLED);
    assert_string_equal(next->result, "2");
}

static void deaf_job_is_killed_and_its_process_replaced(void **state)
{
    struct fake_broker *broker = *state;
    start_scripts(broker, "1");
    struct fake_job *job = fake_assign(
        broker, "trap '' TERM; echo partial on; while :; do sleep 6011; done", NULL);
    fake_until(broker, job->partial[0] != '\0');

    fake_stop(broker, job, GG_STOP_CANCELLED, 100);
    fake_until(broker, job->outcomes > 0);

    assert_int_equal(job->kind, GG_OUTCOME_CANCELLED);
    assert_string_equal(run(broker, "answer $jobs")->result, "1");
    assert_int_equal(fake_count_processes("6011"), 0);
}

/* The lease of an ended attempt is taken back from an executor that rests. */
static void idle_ones_outlive_the_lease_of_their_last_job(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.lease_ms = 2500;
    start_scripts(broker, "1");
    const struct fake_job *first = run(broker, "answer $$");

    int64_t until = gg_mono_now().ms + 3000;
    fake_until(broker, gg_mono_now().ms > until);

    assert_string_equal(run(broker, "answer $$")->result, first->result);
}

static void stopped_agents_job_is_killed_before_its_lease_ends(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.lease_ms = 1500;
    start_scripts(broker, "1");
    struct fake_job *job = fake_assign(broker, "echo partial on; sleep 6012", NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6012") > 0);

    int64_t since = gg_mono_now().ms;
    (void)kill(broker->agent, SIGSTOP);
    fake_until(broker, fake_count_processes("6012") == 0);
    assert_true(gg_mono_now().ms - since < 1500);
    (void)kill(broker->agent, SIGCONT);

    fake_until(broker, job->outcomes > 0);
    assert_int_equal(job->kind, GG_OUTCOME_LOST);
    assert_int_equal(run(broker, "answer on")->kind, GG_OUTCOME_SUCCEEDED);
}

static void python_example_works(void **state)
{
    struct fake_broker *broker = *state;
    start_agent(broker, "1", "worker/examples/coprocess.py");

    const struct fake_job *good = run(broker, "one two three");
    const struct fake_job *bad = run(broker, "\xff\xfe");

    assert_string_equal(good->result, "3");
    assert_int_equal(bad->kind, GG_OUTCOME_REJECTED);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_process_runs_one_job_after_another),
        TEST(endings_and_lines_are_passed_on),
        TEST(folder_is_empty_for_each_job_and_gone_at_the_end),
        TEST(bad_ones_end_with_their_true_reason_beside_good_ones),
        TEST(cancelled_job_may_be_given_up_and_its_process_kept),
        TEST(deaf_job_is_killed_and_its_process_replaced),
        TEST(idle_ones_outlive_the_lease_of_their_last_job),
        TEST(stopped_agents_job_is_killed_before_its_lease_ends),
        TEST(python_example_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
