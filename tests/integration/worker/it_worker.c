/* it_worker.c - the real agent against a fake broker: what its jobs may do to it. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

/* A shell runs its payload: each test says what its job does. */
static const char *const shell_agent[] = {
    "--queue", "reports", "--slots", "4",  "--lease-margin",  "500ms", "--grace",
    "2s",      "--",      "sh",      "-c", "eval \"$(cat)\"", "job",   NULL};

/* Run one job and wait for its outcome. */
static struct fake_job *run(struct fake_broker *broker, const char *script,
                            const struct gg_assign *more)
{
    struct fake_job *job = fake_assign(broker, script, more);
    fake_until(broker, job->outcomes > 0);
    return job;
}

static struct gg_assign blank(void)
{
    struct gg_assign assign;
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    return assign;
}

/* ---- what a job says ---- */

static void payload_goes_in_and_result_comes_out(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);

    const struct fake_job *job = run(broker, "printf 'a result'", NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(job->result, "a result");
    assert_int_equal(job->exit_status, 0);
    assert_true(job->started);
}

static void large_payload_and_result_travel_as_second_frame(void **state)
{
    static const char *const cat_agent[] = {"--queue", "reports", "--", "cat", NULL};
    struct fake_broker *broker = *state;
    size_t len = 900000;
    char *payload = malloc(len + 1);
    memset(payload, 'x', len);
    payload[len] = '\0';
    fake_start_agent(broker, cat_agent);

    const struct fake_job *job = run(broker, payload, NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(job->result_len, len);
    free(payload);
}

static void exit_status_tells_failure_from_rejection(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);

    const struct fake_job *failed = run(broker, "echo no disk >&2; exit 3", NULL);
    const struct fake_job *rejected = run(broker, "exit 65", NULL);

    assert_int_equal(failed->kind, GG_OUTCOME_FAILED);
    assert_int_equal(failed->exit_status, 3);
    assert_string_equal(failed->text, "exit status 3: no disk");
    assert_string_equal(failed->output, "no disk\n");
    assert_int_equal(rejected->kind, GG_OUTCOME_REJECTED);
}

static void lines_on_descriptor_three_are_passed_on(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);

    const struct fake_job *job = run(
        broker,
        "echo progress 0.42 summing >&3; echo partial one >&3; echo nonsense >&3;"
        "echo partial two >&3; echo checkpoint page 7 >&3; echo snooze 30s >&3",
        NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SNOOZED);
    assert_int_equal(job->snooze_ms, 30000);
    assert_int_equal(job->ppm, 420000);
    assert_string_equal(job->progress, "summing");
    assert_string_equal(job->partial, "one\ntwo\n");
    assert_string_equal(job->checkpoint, "page 7");
    assert_non_null(strstr(fake_log(broker), "event=bad_line"));
}

static void environment_names_the_job_and_no_secret(void **state)
{
    struct fake_broker *broker = *state;
    struct gg_assign more = blank();
    more.attempt = 3;
    more.key = gg_slice_text("monthly");
    more.checkpoint = gg_slice_text("page 7");
    fake_start_agent(broker, shell_agent);

    const struct fake_job *job = run(
        broker,
        "echo $GANGER_QUEUE $GANGER_REALM $GANGER_KEY $GANGER_ATTEMPT "
        "$GANGER_CHECKPOINT ${#GANGER_JOB_ID} broker=$GANGER_BROKER "
        "deadline=$GANGER_DEADLINE; [ -d \"$TMPDIR\" ] && touch \"$TMPDIR/file\"",
        &more);

    assert_string_equal(job->result,
                        "reports default monthly 3 page 7 26 broker= deadline=\n");
}

static void temporary_folder_is_gone_after_the_attempt(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);

    struct fake_job *job = run(
        broker, "mkdir $TMPDIR/deep; touch $TMPDIR/deep/file; printf %s $TMPDIR", NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    fake_until(broker, access(job->result, F_OK) != 0);
}

static void start_example(struct fake_broker *broker, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/worker/examples/%s", getenv("GG_SOURCE_DIR"),
                   name);
    const char *const arguments[] = {"--queue", "reports", "--", path, NULL};
    fake_start_agent(broker, arguments);
}

static void shell_example_works(void **state)
{
    struct fake_broker *broker = *state;
    start_example(broker, "upper.sh");

    const struct fake_job *job = run(broker, "some words", NULL);

    assert_string_equal(job->result, "SOME WORDS");
    assert_int_equal(job->ppm, 500000);
}

static void python_example_goes_on_from_its_checkpoint(void **state)
{
    struct fake_broker *broker = *state;
    struct gg_assign more = blank();
    start_example(broker, "primes.py");

    const struct fake_job *whole = run(broker, "20001", NULL);
    more.checkpoint = gg_slice_text("19998 2261");
    const struct fake_job *rest = run(broker, "20001", &more);

    assert_string_equal(whole->result, "2262\n");
    assert_string_equal(whole->checkpoint, "20001 2262");
    assert_string_equal(rest->result, "2261\n");
}

/* ---- bad jobs ---- */

static void bad_jobs_end_with_their_true_reason_beside_good_ones(void **state)
{
    struct fake_broker *broker = *state;
    struct gg_assign limited = blank();
    limited.run_timeout_ms = 200;
    fake_start_agent(broker, shell_agent);

    const struct fake_job *quiet = run(broker, "true", NULL);
    const struct fake_job *segfault = run(broker, "kill -SEGV $$", NULL);
    const struct fake_job *flood = run(broker, "head -c 1000000000 /dev/zero", NULL);
    const struct fake_job *deaf = run(
        broker, "trap '' TERM; while :; do sleep 60; done", &limited);
    const struct fake_job *closed = run(broker, "exec >&-; sleep 0.05; exit 4", NULL);
    const struct fake_job *forks = run(
        broker, "for i in 1 2 3 4 5; do sleep 987 & done; echo forked", NULL);

    assert_int_equal(quiet->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(quiet->result_len, 0);
    assert_int_equal(segfault->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(segfault->signal, SIGSEGV);
    assert_string_equal(segfault->text, "ended by signal 11 (SIGSEGV)");
    assert_int_equal(flood->kind, GG_OUTCOME_FAILED);
    assert_non_null(strstr(flood->text, "1048576"));
    assert_int_equal(deaf->kind, GG_OUTCOME_TIMED_OUT);
    assert_int_equal(closed->kind, GG_OUTCOME_FAILED);
    assert_int_equal(closed->exit_status, 4);
    assert_int_equal(forks->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(forks->result, "forked\n");
    for (int i = 0; i < 50; i++) {
        const struct fake_job *good = run(broker, "echo good", NULL);
        assert_int_equal(good->kind, GG_OUTCOME_SUCCEEDED);
    }
}

static void program_that_is_not_there_is_not_started(void **state)
{
    static const char *const absent[] = {"--queue", "reports",        "--slots", "4",
                                         "--",      "/no/such/thing", NULL};
    struct fake_broker *broker = *state;
    fake_start_agent(broker, absent);

    const struct fake_job *job = run(broker, "", NULL);

    assert_int_equal(job->kind, GG_OUTCOME_NOT_STARTED);
    assert_string_equal(job->text,
                        "cannot start /no/such/thing: No such file or directory");
    assert_false(job->started);
}

static void pool_that_starts_nothing_offers_no_slots(void **state)
{
    static const char *const absent[] = {"--queue", "reports",        "--slots", "4",
                                         "--",      "/no/such/thing", NULL};
    struct fake_broker *broker = *state;
    fake_start_agent(broker, absent);
    fake_until(broker, broker->slots == 4);

    for (int i = 0; i < 4; i++) {
        (void)run(broker, "", NULL);
    }

    fake_until(broker, broker->slots == 0);
    fake_until(broker, broker->slots == 4); /* It tries again. */
}

/* The main process ends while a grandchild in a session of its own holds stdout. */
static void grandchild_that_holds_stdout_delays_nothing_and_dies(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);

    const struct fake_job *job = run(
        broker, "setsid sh -c 'sleep 4711 & sleep 4711' & echo done", NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(job->result, "done\n");
    fake_until(broker, fake_count_processes("4711") == 0);
}

/* ---- stopping ---- */

static void cancelled_job_gets_term_and_ends_as_cancelled(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(
        broker,
        "trap 'echo bye >&2; exit 0' TERM; echo partial on >&3; sleep 60 & wait", NULL);
    fake_until(broker, job->partial[0] != '\0');

    fake_stop(broker, job, GG_STOP_CANCELLED, 5000);

    fake_until(broker, job->outcomes > 0);
    assert_int_equal(job->kind, GG_OUTCOME_CANCELLED);
    assert_string_equal(job->output, "bye\n");
}

static void term_drains_and_gives_back_what_does_not_end(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *slow = fake_assign(
        broker, "echo partial on >&3; while [ ! -e /proc/1/no ]; do sleep 60; done",
        NULL);
    struct fake_job *quick = fake_assign(
        broker, fake_gated(broker, "echo partial on >&3", "echo ended"), NULL);
    fake_until(broker, slow->partial[0] != '\0' && quick->partial[0] != '\0');

    (void)kill(broker->agent, SIGTERM);
    fake_until(broker, broker->draining);
    struct fake_job *late = fake_assign(broker, "echo too late", NULL);
    fake_open_gate(broker);
    int status = fake_wait_agent(broker);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(quick->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(slow->kind, GG_OUTCOME_HANDED_BACK);
    assert_false(slow->never_started);
    assert_int_equal(late->kind, GG_OUTCOME_HANDED_BACK);
    assert_true(late->never_started);
    fake_until(broker, broker->bye);
}

static void second_term_stops_at_once(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(
        broker, "trap '' TERM; echo partial on >&3; sleep 60", NULL);
    fake_until(broker, job->partial[0] != '\0');

    (void)kill(broker->agent, SIGTERM);
    fake_until(broker, broker->draining);
    (void)kill(broker->agent, SIGTERM);
    int status = fake_wait_agent(broker);

    assert_int_equal(job->kind, GG_OUTCOME_HANDED_BACK);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- outcomes and sessions ---- */

static void outcome_is_sent_in_each_session_until_confirmed(void **state)
{
    struct fake_broker *broker = *state;
    broker->confirms = false;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = run(broker, "echo once", NULL);

    fake_forget_session(broker);
    fake_until(broker, job->outcomes == 2);
    assert_int_equal(broker->hello_held, 1);
    broker->confirms = true;
    fake_forget_session(broker);
    fake_until(broker, job->outcomes == 3);
    fake_forget_session(broker);
    fake_until(broker, broker->hellos == 4);

    assert_int_equal(broker->hello_held, 0);
    assert_string_equal(job->result, "once\n");
}

static void same_assignment_twice_is_one_attempt(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = run(broker, "echo once", NULL);

    struct gg_assign again = blank();
    again.id = job->id;
    again.fence = job->fence;
    again.pool = 1;
    again.attempt = 1;
    again.queue = gg_slice_text("reports");
    again.payload = gg_slice_text("echo twice");
    fake_send(broker, GG_CMD_ASSIGN, &again);
    (void)run(broker, "echo other", NULL);

    assert_string_equal(job->result, "once\n");
    assert_int_equal(job->outcomes, 1);
}

/* Hellos of sockets that were given up may still come in any order: what was assigned
 * in such a session is assigned again in the next. */
static struct fake_job *run_in_some_session(struct fake_broker *broker,
                                            const char *script)
{
    struct fake_job *job = NULL;
    do {
        uint32_t before = broker->hellos;
        job = fake_assign(broker, script, NULL);
        fake_until(broker, job->outcomes > 0 || broker->hellos > before);
    } while (job->outcomes == 0);
    return job;
}

static void silent_broker_is_given_up_and_found_again(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.dead_after_ms = 400;
    fake_start_agent(broker, shell_agent);
    fake_until(broker, strstr(fake_log(broker), "event=connected") != NULL);

    broker->answers = false;
    fake_until(broker, strstr(fake_log(broker), "event=disconnected") != NULL);
    broker->answers = true;

    assert_int_equal(run_in_some_session(broker, "echo on")->kind,
                     GG_OUTCOME_SUCCEEDED);
}

static void outage_is_one_line_though_its_end_is_slow(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.dead_after_ms = 400;
    fake_start_agent(broker, shell_agent);
    fake_until(broker, strstr(fake_log(broker), "event=connected") != NULL);

    broker->welcomes = false;
    uint32_t hellos = broker->hellos;
    fake_forget_session(broker);
    fake_until(broker, broker->hellos >= hellos + 3); /* Each is given up. */
    broker->welcomes = true;

    assert_int_equal(run_in_some_session(broker, "echo on")->kind,
                     GG_OUTCOME_SUCCEEDED);
    const char *log = fake_log(broker);
    assert_non_null(strstr(log, "event=session_lost"));
    assert_null(strstr(log, "event=unreachable"));
    assert_null(strstr(log, "event=disconnected"));
}

/* ---- leases, and the end of the agent ---- */

static void job_is_killed_before_its_lease_ends_without_broker(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.lease_ms = 1500;
    broker->welcome.dead_after_ms = 60000;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(broker, "echo partial on >&3; sleep 6001", NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6001") > 0);

    broker->beats = false;
    int64_t since = gg_mono_now().ms;
    fake_until(broker, job->outcomes > 0);

    assert_int_equal(job->kind, GG_OUTCOME_LOST);
    assert_true(job->ended_ms - since < 1500);
    assert_int_equal(fake_count_processes("6001"), 0);
}

static void stopped_agents_job_is_killed_before_its_lease_ends(void **state)
{
    struct fake_broker *broker = *state;
    broker->welcome.lease_ms = 1500;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(
        broker, "setsid sleep 6002 & echo partial on >&3; sleep 6002", NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6002") > 1);

    int64_t since = gg_mono_now().ms;
    (void)kill(broker->agent, SIGSTOP);
    fake_until(broker, fake_count_processes("6002") == 0);
    assert_true(gg_mono_now().ms - since < 1500);
    (void)kill(broker->agent, SIGCONT);

    fake_until(broker, job->outcomes > 0);
    assert_int_equal(job->kind, GG_OUTCOME_LOST);
    assert_int_equal(run(broker, "echo on", NULL)->kind, GG_OUTCOME_SUCCEEDED);
}

static void killed_agent_leaves_no_process(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(
        broker,
        "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM; sleep 6003' & "
        "env -i setsid sleep 6003 & echo partial on >&3; sleep 6003",
        NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6003") >= 3);

    (void)kill(broker->agent, SIGKILL);
    (void)fake_wait_agent(broker);

    fake_until(broker, fake_count_processes("6003") == 0);
}

static void agent_of_same_name_waits_for_the_one_before(void **state)
{
    static const char *const named[] = {
        "--queue", "reports", "--name",          "it-twin", "--",
        "sh",      "-c",      "eval \"$(cat)\"", NULL};
    struct fake_broker *broker = *state;
    fake_start_agent(broker, named);
    struct fake_job *job = fake_assign(broker, "echo partial on >&3; sleep 6004", NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6004") > 0);

    (void)kill(broker->agent, SIGKILL);
    (void)fake_wait_agent(broker);
    fake_start_agent(broker, named);

    assert_int_equal(fake_count_processes("6004"), 0);
}

/* The keeper's process id: the agent's only child. */
static pid_t keeper_of(pid_t agent)
{
    char path[64];
    char text[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)agent,
                   (int)agent);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static void killed_keeper_is_replaced_and_its_jobs_are_lost(void **state)
{
    struct fake_broker *broker = *state;
    fake_start_agent(broker, shell_agent);
    struct fake_job *job = fake_assign(
        broker, "setsid sleep 6005 & echo partial on >&3; sleep 6005", NULL);
    fake_until(broker, job->partial[0] != '\0' && fake_count_processes("6005") > 1);

    (void)kill(keeper_of(broker->agent), SIGKILL);

    fake_until(broker, job->outcomes > 0);
    assert_int_equal(job->kind, GG_OUTCOME_LOST);
    assert_non_null(strstr(job->text, "with the keeper"));
    assert_int_equal(fake_count_processes("6005"), 0);
    assert_int_equal(run(broker, "echo on", NULL)->kind, GG_OUTCOME_SUCCEEDED);
}

/* ---- handlers in C ---- */

static void start_handler(struct fake_broker *broker, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/../lib/%s.so", getenv("GG_BIN_DIR"), name);
    const char *const arguments[] = {"--queue",   "reports", "--slots", "2",
                                     "--handler", path,      NULL};
    fake_start_agent(broker, arguments);
}

static void handler_counts_words(void **state)
{
    struct fake_broker *broker = *state;
    start_handler(broker, "word_count");

    const struct fake_job *some = run(broker, "one two  three", NULL);
    const struct fake_job *none = run(broker, "  ", NULL);

    assert_int_equal(some->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(some->result, "3\n");
    assert_int_equal(none->kind, GG_OUTCOME_REJECTED);
    assert_string_equal(none->text, "there is no word in it");
}

static void handler_that_crashes_or_hangs_harms_no_other(void **state)
{
    struct fake_broker *broker = *state;
    struct gg_assign limited = blank();
    limited.run_timeout_ms = 200;
    start_handler(broker, "test_handler");

    const struct fake_job *crash = run(broker, "crash", NULL);
    const struct fake_job *hang = run(broker, "hang", &limited);
    const struct fake_job *leave = run(broker, "exit", NULL);
    const struct fake_job *polite = run(broker, "wait", &limited);
    const struct fake_job *talk = run(broker, "talk", NULL);

    assert_int_equal(crash->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(hang->kind, GG_OUTCOME_TIMED_OUT);
    assert_int_equal(leave->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(polite->kind, GG_OUTCOME_TIMED_OUT);
    assert_int_equal(talk->kind, GG_OUTCOME_SNOOZED);
    assert_int_equal(talk->snooze_ms, 1234);
    assert_int_equal(talk->ppm, 500000);
    assert_string_equal(talk->progress, "half");
    assert_string_equal(talk->partial, "piece");
    assert_string_equal(talk->checkpoint, "point");
    for (int i = 0; i < 50; i++) {
        const struct fake_job *good = run(broker, "good", NULL);
        assert_int_equal(good->kind, GG_OUTCOME_SUCCEEDED);
        assert_string_equal(good->result, "good");
    }
}

/* ---- the built-in handler ---- */

static void noop_gives_the_payload_back(void **state)
{
    static const char *const noop[] = {"--queue",   "reports", "--slots", "100",
                                       "--builtin", "noop",    NULL};
    struct fake_broker *broker = *state;
    fake_start_agent(broker, noop);

    const struct fake_job *job = run(broker, "hundred bytes", NULL);

    assert_int_equal(job->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(job->result, "hundred bytes");
    assert_false(job->started); /* The outcome says it all. */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(payload_goes_in_and_result_comes_out),
        TEST(large_payload_and_result_travel_as_second_frame),
        TEST(exit_status_tells_failure_from_rejection),
        TEST(lines_on_descriptor_three_are_passed_on),
        TEST(environment_names_the_job_and_no_secret),
        TEST(temporary_folder_is_gone_after_the_attempt),
        TEST(shell_example_works),
        TEST(python_example_goes_on_from_its_checkpoint),
        TEST(bad_jobs_end_with_their_true_reason_beside_good_ones),
        TEST(program_that_is_not_there_is_not_started),
        TEST(pool_that_starts_nothing_offers_no_slots),
        TEST(grandchild_that_holds_stdout_delays_nothing_and_dies),
        TEST(cancelled_job_gets_term_and_ends_as_cancelled),
        TEST(term_drains_and_gives_back_what_does_not_end),
        TEST(second_term_stops_at_once),
        TEST(outcome_is_sent_in_each_session_until_confirmed),
        TEST(same_assignment_twice_is_one_attempt),
        TEST(silent_broker_is_given_up_and_found_again),
        TEST(outage_is_one_line_though_its_end_is_slow),
        TEST(job_is_killed_before_its_lease_ends_without_broker),
        TEST(stopped_agents_job_is_killed_before_its_lease_ends),
        TEST(killed_agent_leaves_no_process),
        TEST(agent_of_same_name_waits_for_the_one_before),
        TEST(killed_keeper_is_replaced_and_its_jobs_are_lost),
        TEST(handler_counts_words),
        TEST(handler_that_crashes_or_hangs_harms_no_other),
        TEST(noop_gives_the_payload_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
