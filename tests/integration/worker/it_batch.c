/* it_batch.c - several jobs in the hand of one executor of the real agent: each of them
 * is a job of its own. Each test is done with a co-process and with a handler in C.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

/* One job that was long is forgotten after so many that were short. */
enum {
    BEHIND = 4,
    WARM_UPS = 48,
    TRIES_MAX = 9,
    LATE_MS = 1500,
    START_WITHIN_MS = 4000,
    LEASE_MS = 30000, /* Longer than an agent is stopped here. */
    GOES_ON_MS = 500, /* Time for an executor to see that a gate is open, and go on. */
};

/* The same wishes in the words of both; @ is a place for a path or a text. */
struct language {
    const char *count;    /* Succeed with the number of this job in its process. */
    const char *pid;      /* Succeed with the process's id. */
    const char *until;    /* Say "on", and succeed when a file is there. */
    const char *print;    /* Write to standard error. */
    const char *ever;     /* Never end. */
    const char *die;      /* By KILL, at once. */
    bool takes_terms;     /* A stop ends the whole process. */
    const char *settings; /* Of its pool, with a place for the folder it is in. */
    const char *folder;   /* The variable that names it. */
};

static const struct language languages[] = {
    {"answer $jobs", "answer $$",
     "echo partial on; while [ ! -e '@' ]; do sleep 0.02; done; answer done",
     "echo @ >&2; answer printed", "trap '' TERM; while :; do sleep 0.05; done",
     "kill -9 $$", true,
     "coprocess = '@/tests/integration/worker/coprocess.sh' it_batch", "GG_SOURCE_DIR"},
    {"count", "pid", "until @", "print @", "hang", "kill", false,
     "handler = @/../lib/test_handler.so", "GG_BIN_DIR"},
};

static const struct language *words; /* The one under test; set by main(). */

/* The words with `text` in their place. */
static void say(char *out, size_t room, const char *words_of_it, const char *text)
{
    const char *at = strchr(words_of_it, '@');
    int before = at == NULL ? (int)strlen(words_of_it) : (int)(at - words_of_it);
    int len = snprintf(out, room, "%.*s%s%s", before, words_of_it,
                       at == NULL ? "" : text, at == NULL ? "" : at + 1);
    assert_in_range(len, 0, room - 1);
}

struct fixture {
    struct fake_broker broker;
    struct fake_job *first;
    struct fake_job *behind[BEHIND];
    struct fake_job *last;
    pid_t executor;           /* That they are with. */
    uint64_t start_within_ms; /* Of all that is assigned from now on; 0: for ever. */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fake_open(&f->broker);
    f->broker.welcome.lease_ms = LEASE_MS;
    FILE *file = fopen(f->broker.config, "we");
    assert_non_null(file);
    (void)fprintf(file, "[pool a]\nqueues = a\nsize = 1\nbatch = 8\n");
    char settings[512];
    say(settings, sizeof settings, words->settings, getenv(words->folder));
    (void)fprintf(file, "%s\n", settings);
    (void)fclose(file);
    const char *const arguments[] = {"--config", f->broker.config, "--grace", "2s",
                                     NULL};
    fake_start_agent(&f->broker, arguments);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_close(&f->broker);
    free(f);
    return 0;
}

static struct fake_job *assign(struct fixture *f, const char *payload,
                               uint64_t run_timeout_ms)
{
    struct gg_assign more;
    gg_record_default(GG_RECORD_ASSIGN, &more);
    more.run_timeout_ms = run_timeout_ms;
    more.start_within_ms = f->start_within_ms;
    return fake_assign(&f->broker, payload, &more);
}

static const struct fake_job *run(struct fixture *f, const char *payload)
{
    const struct fake_job *job = assign(f, payload, 0);
    fake_until(&f->broker, job->outcomes > 0);
    return job;
}

static bool all_ended(const struct fixture *f)
{
    bool all = f->first->outcomes > 0 && (f->last == NULL || f->last->outcomes > 0);
    for (int i = 0; i < BEHIND; i++) {
        all = all && f->behind[i]->outcomes > 0;
    }
    return all;
}

/* Begin `first`, and have `behind` on their way to its executor already. Whether that
 * is so depends on how fast it has been, and the last of all shows it: it is withdrawn,
 * and would come back at once if it waited in the agent. */
static void line_up(struct fixture *f, const char *first, uint64_t first_timeout_ms,
                    const char *const behind[BEHIND], uint64_t timeout_ms)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        char text[256];
        fake_close_gate(&f->broker);
        say(text, sizeof text, first, f->broker.gate);
        for (int j = 0; j < WARM_UPS; j++) {
            assert_int_equal(run(f, words->count)->kind, GG_OUTCOME_SUCCEEDED);
        }
        f->executor = (pid_t)strtol(run(f, words->pid)->result, NULL, 10);
        (void)kill(f->broker.agent, SIGSTOP); /* They arrive together. */
        f->first = assign(f, text, first_timeout_ms);
        for (int j = 0; j < BEHIND; j++) {
            f->behind[j] = assign(f, behind[j], timeout_ms);
        }
        f->last = assign(f, words->count, 0);
        (void)kill(f->broker.agent, SIGCONT);
        fake_until(&f->broker, f->first->started);
        fake_stop(&f->broker, f->last, GG_STOP_WITHDRAWN, 0);
        uint32_t beats = f->broker.heartbeats;
        fake_until(&f->broker, f->broker.heartbeats > beats);
        if (f->last->outcomes == 0) {
            assert_int_equal(f->first->outcomes, 0);
            return;
        }
        fake_open_gate(&f->broker);
        fake_until(&f->broker, all_ended(f));
        (void)run(f, words->die); /* What it has written now is held against it. */
    }
    fail_msg("the executor was never fast enough");
}

/* What stands behind: counts, in the language under test. */
static void line_up_counts(struct fixture *f, const char *first,
                           uint64_t first_timeout_ms)
{
    const char *const behind[BEHIND] = {words->count, words->count, words->count,
                                        words->count};
    line_up(f, first, first_timeout_ms, behind, LATE_MS);
}

static void those_behind_are_done_in_order_and_their_time_begins_with_them(void **state)
{
    struct fixture *f = *state;
    line_up_counts(f, words->until, 0);
    uint32_t beats = f->broker.heartbeats;
    fake_until(&f->broker, f->broker.heartbeats > beats + 2); /* More than LATE_MS. */
    assert_int_equal(f->first->outcomes, 0);

    fake_open_gate(&f->broker);

    fake_until(&f->broker, all_ended(f));
    assert_int_equal(f->first->kind, GG_OUTCOME_SUCCEEDED);
    long number = strtol(f->behind[0]->result, NULL, 10);
    for (int i = 0; i < BEHIND; i++) {
        assert_int_equal(f->behind[i]->kind, GG_OUTCOME_SUCCEEDED);
        assert_int_equal(f->behind[i]->outcomes, 1);
        assert_int_equal(strtol(f->behind[i]->result, NULL, 10), number + i);
    }
    /* Withdrawn: a handler has not begun it, and a co-process cannot be asked. */
    assert_int_equal(f->last->never_started, !words->takes_terms);
    assert_int_equal(f->last->kind, words->takes_terms ? GG_OUTCOME_SUCCEEDED
                                                       : GG_OUTCOME_HANDED_BACK);
}

/* It was behind one with whose executor it never began. A co-process's had been told as
 * started, as nothing could have kept it from that: it goes back. A handler's is begun
 * by the next process, as its `place` there. */
static void assert_not_begun_with_it(const struct fake_job *job, int place)
{
    assert_int_equal(job->outcomes, 1);
    assert_int_equal(job->never_started, words->takes_terms);
    assert_int_equal(job->kind, words->takes_terms ? GG_OUTCOME_HANDED_BACK
                                                   : GG_OUTCOME_SUCCEEDED);
    assert_int_equal(strtol(job->result, NULL, 10), words->takes_terms ? 0 : place);
}

static void death_is_that_of_the_one_in_work_and_the_others_run_elsewhere(void **state)
{
    struct fixture *f = *state;
    line_up_counts(f, words->until, 0);

    assert_int_equal(kill(f->executor, SIGKILL), 0);

    fake_until(&f->broker, all_ended(f));
    assert_int_equal(f->first->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(f->first->signal, SIGKILL);
    for (int i = 0; i < BEHIND; i++) {
        assert_not_begun_with_it(f->behind[i], i + 1);
    }
}

/* All of it happens while nobody hears it: what was said before the death counts. */
static void outcomes_of_one_that_died_unheard_count(void **state)
{
    struct fixture *f = *state;
    const char *const behind[BEHIND] = {words->count, words->count, words->die,
                                        words->count};
    line_up(f, words->until, 0, behind, 0);

    (void)kill(f->broker.agent, SIGSTOP);
    fake_open_gate(&f->broker);
    while (kill(f->executor, 0) == 0) {
        fake_turn(&f->broker, 10);
    }
    (void)kill(f->broker.agent, SIGCONT);

    fake_until(&f->broker, all_ended(f));
    assert_int_equal(f->first->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(f->behind[0]->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(f->behind[1]->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(f->behind[2]->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(f->behind[2]->signal, SIGKILL);
    assert_not_begun_with_it(f->behind[3], 1);
}

static void one_that_hangs_is_stopped_and_the_others_run_elsewhere(void **state)
{
    struct fixture *f = *state;
    f->broker.welcome.grace_ms = 200;
    line_up_counts(f, words->ever, 3000);

    fake_until(&f->broker, all_ended(f));

    assert_int_equal(f->first->kind, GG_OUTCOME_TIMED_OUT);
    for (int i = 0; i < BEHIND; i++) {
        assert_not_begun_with_it(f->behind[i], i + 1);
    }
}

/* Who has paused the queue was told until when it may begin, and the agent is stopped.
 * That of a co-process has been told as started. */
static void one_behind_is_not_begun_late_though_its_agent_is_stopped(void **state)
{
    struct fixture *f = *state;
    f->start_within_ms = words->takes_terms ? 0 : START_WITHIN_MS;
    line_up_counts(f, words->until, 0);
    (void)kill(f->broker.agent, SIGSTOP);
    int64_t late = gg_mono_now().ms + (int64_t)f->start_within_ms;
    for (int i = 0; i < BEHIND; i++) {
        assert_int_equal(f->behind[i]->started, words->takes_terms);
        assert_int_equal(f->behind[i]->outcomes, 0);
    }
    while (gg_mono_now().ms <= late) {
        fake_turn(&f->broker, 100);
    }
    fake_open_gate(&f->broker);
    for (int64_t end = gg_mono_now().ms + GOES_ON_MS; gg_mono_now().ms < end;) {
        fake_turn(&f->broker, 100);
    }

    (void)kill(f->broker.agent, SIGCONT);

    fake_until(&f->broker, all_ended(f));
    for (int i = 0; i < BEHIND; i++) {
        assert_int_equal(f->behind[i]->kind, words->takes_terms
                                                 ? GG_OUTCOME_SUCCEEDED
                                                 : GG_OUTCOME_HANDED_BACK);
        assert_int_equal(f->behind[i]->never_started, !words->takes_terms);
    }
}

/* A handler does not begin it; a co-process that has is told, and the others do not
 * suffer for it. */
static void one_behind_is_cancelled_and_no_other(void **state)
{
    struct fixture *f = *state;
    line_up_counts(f, words->until, 0);

    fake_stop(&f->broker, f->behind[1], GG_STOP_CANCELLED, 10000);
    uint32_t beats = f->broker.heartbeats;
    fake_until(&f->broker, f->broker.heartbeats > beats);
    fake_open_gate(&f->broker);

    fake_until(&f->broker, all_ended(f));
    assert_int_equal(f->first->kind, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(f->behind[0]->kind, GG_OUTCOME_SUCCEEDED);
    if (words->takes_terms) {
        assert_int_equal(f->behind[1]->kind, GG_OUTCOME_CANCELLED);
        for (int i = 2; i < BEHIND; i++) { /* Or it had begun as the signal came. */
            assert_true(f->behind[i]->kind == GG_OUTCOME_SUCCEEDED ||
                        f->behind[i]->kind == GG_OUTCOME_HANDED_BACK);
        }
        return;
    }
    long number = strtol(f->behind[0]->result, NULL, 10);
    assert_int_equal(f->behind[1]->kind, GG_OUTCOME_HANDED_BACK);
    assert_true(f->behind[1]->never_started);
    assert_int_equal(strtol(f->behind[2]->result, NULL, 10), number + 1);
    assert_int_equal(strtol(f->behind[3]->result, NULL, 10), number + 2);
}

static void drain_lets_those_behind_end_too(void **state)
{
    struct fixture *f = *state;
    line_up_counts(f, words->until, 0);

    assert_int_equal(kill(f->broker.agent, SIGTERM), 0);
    fake_until(&f->broker, f->broker.draining);
    fake_open_gate(&f->broker);

    fake_until(&f->broker, all_ended(f));
    for (int i = 0; i < BEHIND; i++) {
        assert_int_equal(f->behind[i]->kind, GG_OUTCOME_SUCCEEDED);
    }
    assert_int_equal(fake_wait_agent(&f->broker), 0);
}

/* Nobody can tell at first which of them has written; then they come one at a time. */
static void what_is_written_is_kept_with_the_one_that_wrote_it(void **state)
{
    struct fixture *f = *state;
    char one[128];
    char two[128];
    say(one, sizeof one, words->print, "number-one");
    say(two, sizeof two, words->print, "number-two");
    const char *const behind[BEHIND] = {words->count, one, words->count, two};
    line_up(f, words->until, 0, behind, 0);

    fake_open_gate(&f->broker);
    fake_until(&f->broker, all_ended(f));
    assert_non_null(strstr(f->behind[1]->output, "number-one"));
    assert_non_null(strstr(f->behind[3]->output, "number-two"));

    (void)kill(f->broker.agent, SIGSTOP);
    f->first = assign(f, words->count, 0);
    f->last = NULL;
    for (int i = 0; i < BEHIND; i++) {
        f->behind[i] = assign(f, behind[i], 0);
    }
    (void)kill(f->broker.agent, SIGCONT);
    fake_until(&f->broker, all_ended(f));
    assert_string_equal(f->first->output, "");
    assert_string_equal(f->behind[0]->output, "");
    assert_string_equal(f->behind[1]->output, "number-one\n");
    assert_string_equal(f->behind[2]->output, "");
    assert_string_equal(f->behind[3]->output, "number-two\n");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(those_behind_are_done_in_order_and_their_time_begins_with_them),
        TEST(death_is_that_of_the_one_in_work_and_the_others_run_elsewhere),
        TEST(outcomes_of_one_that_died_unheard_count),
        TEST(one_that_hangs_is_stopped_and_the_others_run_elsewhere),
        TEST(one_behind_is_not_begun_late_though_its_agent_is_stopped),
        TEST(one_behind_is_cancelled_and_no_other),
        TEST(drain_lets_those_behind_end_too),
        TEST(what_is_written_is_kept_with_the_one_that_wrote_it),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        words = &languages[i];
        failed += cmocka_run_group_tests_name(i == 0 ? "co-process" : "handler", tests,
                                              NULL, NULL);
    }
    return failed;
}
