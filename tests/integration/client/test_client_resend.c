/* test_client_resend.c - the library against a broker that loses, forgets, restarts and
 * falls silent: every request is answered once, and nothing is asked for twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/integration/client/fake.h"

struct answers {
    size_t count;
    size_t final_count;
    ganger_err err;
    ganger_state state;
    ganger_id id;
    uint64_t epoch;
    char result[64];
    char text[256];
    size_t result_len;
    unsigned moments;
    double progress;
    char partial[32];
};

struct fixture {
    struct fake fake;
    ganger *handle;
    struct answers got;
    size_t want;               /* Final answers, for answered(). */
    enum gg_command_code code; /* For heard(). */
    size_t times;
    int up, down;
};

static void on_state(void *ctx, bool connected, ganger_err why, const char *sentence)
{
    struct fixture *f = ctx;
    (void)why;
    assert_true(sentence[0] != '\0');
    f->up += connected ? 1 : 0;
    f->down += connected ? 0 : 1;
}

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct fixture *f = ctx;
    struct answers *got = &f->got;
    got->count++;
    got->final_count += answer->final ? 1 : 0;
    got->err = answer->err;
    (void)snprintf(got->text, sizeof got->text, "%s", answer->text);
    got->moments += answer->moment != NULL ? 1 : 0;
    if (answer->partial.len > 0) {
        gg_slice_copy(gg_slice_of(answer->partial.data, answer->partial.len),
                      got->partial, sizeof got->partial);
    }
    if (answer->job != NULL) {
        got->state = answer->job->state;
        got->id = answer->job->id;
        got->epoch = answer->job->epoch;
        got->result_len = answer->job->result.len;
        got->progress = answer->job->progress;
        gg_slice_copy(gg_slice_of(answer->job->result.data, answer->job->result.len),
                      got->result, sizeof got->result);
    }
}

static bool answered(void *ctx)
{
    struct fixture *f = ctx;
    return f->got.final_count >= f->want;
}

static bool heard(void *ctx)
{
    struct fixture *f = ctx;
    return fake_count(&f->fake, f->code) >= f->times;
}

static bool acknowledged(void *ctx)
{
    struct fixture *f = ctx;
    return f->fake.acked >= 2; /* 1 is the welcome, 2 the answer. */
}

static bool greeted_again(void *ctx)
{
    struct fixture *f = ctx;
    return f->fake.hellos >= 2;
}

static bool told_down(void *ctx)
{
    struct fixture *f = ctx;
    return f->down >= 1;
}

static void until_answered(struct fixture *f, size_t count)
{
    f->want = count;
    fake_run(&f->fake, f->handle, answered, f);
}

static void until_heard(struct fixture *f, enum gg_command_code code, size_t times)
{
    f->code = code;
    f->times = times;
    fake_run(&f->fake, f->handle, heard, f);
}

static void accept_all(struct fake *fake, const struct gg_command *command)
{
    if (command->code == GG_CMD_SUBMIT) {
        fake_send_job(fake, command->request, &command->as.submit.id, GG_JOB_READY,
                      NULL);
    }
}

static void run_all(struct fake *fake, const struct gg_command *command)
{
    accept_all(fake, command);
    if (command->code == GG_CMD_SUBMIT && command->as.submit.wait) {
        fake_send_job(fake, command->request, &command->as.submit.id, GG_JOB_SUCCEEDED,
                      "fine");
    }
    if (command->code == GG_CMD_WAIT) {
        fake_send_job(fake, command->request, &command->as.target.id, GG_JOB_SUCCEEDED,
                      "late");
    }
}

static void lose_all(struct fake *fake, const struct gg_command *command)
{
    const struct gg_error error = {.error = GG_ERR_LOST_WITH_BROKER};
    if (command->code == GG_CMD_WAIT && command->as.target.epoch < fake->epoch) {
        fake_send(fake, GG_CMD_ERROR, command->request, &error);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->fake.answer = run_all;
    fake_start(&f->fake);
    const ganger_options options = {.endpoint = f->fake.endpoint, .name = "tester"};
    assert_int_equal(ganger_open(&options, &f->handle), GANGER_OK);
    ganger_on_state(f->handle, on_state, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_stop(&f->fake);
    ganger_close(&f->handle);
    free(f);
    return 0;
}

static uint64_t submit(struct fixture *f, bool until_end)
{
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    submission.payload = (ganger_bytes){"hello", 5};
    uint64_t number = ganger_submit_start(f->handle, &submission, until_end, 0,
                                          on_answer, f);
    assert_true(number != 0);
    return number;
}

static void run_brings_the_result(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, true);

    until_answered(f, 1);

    assert_int_equal(f->got.count, 2);
    assert_int_equal(f->got.state, GANGER_SUCCEEDED);
    assert_string_equal(f->got.result, "fine");
    assert_int_equal(f->up, 1);
    assert_int_equal(f->down, 0);
}

static void lost_answer_is_asked_for_again_with_the_same_id(void **state)
{
    struct fixture *f = *state;
    f->fake.answer = NULL;
    (void)submit(f, false);
    until_heard(f, GG_CMD_SUBMIT, 1);
    struct gg_id first = fake_last(&f->fake, GG_CMD_SUBMIT)->id;

    fake_stop(&f->fake);
    f->fake.answer = accept_all;
    fake_start(&f->fake);
    until_answered(f, 1);

    assert_int_equal(fake_count(&f->fake, GG_CMD_SUBMIT), 2);
    assert_true(gg_id_equal(&fake_last(&f->fake, GG_CMD_SUBMIT)->id, &first));
    assert_int_equal(f->got.count, 1);
    assert_int_equal(f->got.err, GANGER_OK);
}

static void each_change_of_state_is_told_once(void **state)
{
    struct fixture *f = *state;
    f->fake.answer = NULL;
    (void)submit(f, false);
    until_heard(f, GG_CMD_SUBMIT, 1);

    fake_stop(&f->fake);
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    (void)ganger_submit_start(f->handle, &submission, false, 500, on_answer, f);
    until_answered(f, 1);
    assert_int_equal(f->got.err, GANGER_CONNECTION_REFUSED);
    assert_int_equal(f->down, 1);
    fake_start(&f->fake);
    until_heard(f, GG_CMD_SUBMIT, 2);

    assert_int_equal(f->up, 2);
    assert_int_equal(f->down, 1); /* Lost, then refused again and again: one state. */
}

static void run_accepted_by_an_older_broker_is_lost_not_repeated(void **state)
{
    struct fixture *f = *state;
    f->fake.answer = accept_all;
    (void)submit(f, true);
    until_heard(f, GG_CMD_SUBMIT, 1);
    while (f->got.count == 0) {
        assert_int_equal(ganger_poll(f->handle, 100), GANGER_OK);
    }

    fake_stop(&f->fake);
    f->fake.answer = lose_all;
    f->fake.epoch = 2;
    fake_start(&f->fake);
    until_answered(f, 1);

    assert_int_equal(fake_count(&f->fake, GG_CMD_SUBMIT), 1);
    assert_int_equal(fake_last(&f->fake, GG_CMD_WAIT)->epoch, 1);
    assert_int_equal(f->got.err, GANGER_LOST_WITH_BROKER);
    assert_string_equal(f->got.text, ganger_err_text(GANGER_LOST_WITH_BROKER));
}

static void run_goes_on_after_the_connection_was_cut(void **state)
{
    struct fixture *f = *state;
    f->fake.answer = accept_all;
    (void)submit(f, true);
    while (f->got.count == 0) {
        fake_step(&f->fake);
        assert_int_equal(ganger_poll(f->handle, 10), GANGER_OK);
    }

    fake_stop(&f->fake);
    f->fake.answer = run_all;
    fake_start(&f->fake);
    until_answered(f, 1);

    assert_int_equal(fake_count(&f->fake, GG_CMD_SUBMIT), 1);
    assert_int_equal(f->got.state, GANGER_SUCCEEDED);
    assert_string_equal(f->got.result, "late");
}

static void wait_for_an_accepted_job_carries_its_epoch(void **state)
{
    struct fixture *f = *state;
    f->fake.answer = accept_all;
    (void)submit(f, false);
    until_answered(f, 1);
    ganger_target target = {.id = f->got.id};

    assert_true(ganger_wait_start(f->handle, &target, false, false, 0, on_answer, f));
    until_heard(f, GG_CMD_WAIT, 1);

    assert_int_equal(fake_last(&f->fake, GG_CMD_WAIT)->epoch, 1);
}

static void idle_client_is_forgotten_and_does_not_notice(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, false);
    until_answered(f, 1);

    fake_forget(&f->fake);
    (void)submit(f, false);
    until_answered(f, 2);

    assert_int_equal(f->fake.hellos, 2);
    assert_int_equal(f->got.err, GANGER_OK);
    assert_int_equal(f->up, 1);
    assert_int_equal(f->down, 0);
}

static void answer_is_acknowledged_though_nothing_else_is_sent(void **state)
{
    struct fixture *f = *state;
    (void)submit(f, false);
    until_answered(f, 1);

    fake_run(&f->fake, f->handle, acknowledged, f);

    assert_int_equal(f->fake.seen_count, 1);
}

static void silent_broker_is_given_up_and_found_again(void **state)
{
    struct fixture *f = *state;
    f->fake.dead_after_ms = 300;
    f->fake.heartbeat_ms = 100;
    f->fake.answer = NULL;
    (void)submit(f, false);
    until_heard(f, GG_CMD_SUBMIT, 1);

    f->fake.deaf = true;
    fake_run(&f->fake, f->handle, told_down, f);
    f->fake.deaf = false;
    f->fake.answer = accept_all;
    until_answered(f, 1);

    fake_run(&f->fake, f->handle, greeted_again, f);
    assert_int_equal(f->got.err, GANGER_OK);
    assert_int_equal(f->up, 2);
    assert_int_equal(f->down, 1);
}

static void deadline_is_kept_with_and_without_a_broker(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    f->fake.answer = NULL;

    (void)ganger_submit_start(f->handle, &submission, false, 100, on_answer, f);
    until_answered(f, 1);
    assert_int_equal(f->got.err, GANGER_TIMED_OUT);
    fake_stop(&f->fake);
    (void)ganger_submit_start(f->handle, &submission, false, 200, on_answer, f);
    until_answered(f, 2);

    assert_true(f->got.err == GANGER_CONNECTION_REFUSED ||
                f->got.err == GANGER_NO_BROKER);
    assert_non_null(strstr(f->got.text, f->fake.endpoint));
}

static void thousands_leave_in_few_messages(void **state)
{
    enum { COUNT = 3000 };
    struct fixture *f = *state;
    for (int i = 0; i < COUNT; i++) {
        (void)submit(f, true);
    }

    until_answered(f, COUNT);

    assert_int_equal(f->got.count, 2 * COUNT);
    assert_int_equal(fake_count(&f->fake, GG_CMD_SUBMIT), COUNT);
    assert_true(f->fake.messages < 30);
    assert_int_equal(ganger_in_flight(f->handle), 0);
}

static void large_payload_and_result_go_whole(void **state)
{
    struct fixture *f = *state;
    static char big[700000];
    memset(big, 'x', sizeof big - 1);
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    submission.payload = (ganger_bytes){big, sizeof big - 1};
    f->fake.answer = NULL;
    (void)ganger_submit_start(f->handle, &submission, true, 0, on_answer, f);
    until_heard(f, GG_CMD_SUBMIT, 1);
    const struct fake_seen *seen = fake_last(&f->fake, GG_CMD_SUBMIT);

    fake_send_job(&f->fake, seen->request, &seen->id, GG_JOB_SUCCEEDED, big);
    until_answered(f, 1);

    assert_int_equal(seen->payload, sizeof big - 1);
    assert_int_equal(f->got.result_len, sizeof big - 1);
}

static void count_done(void *ctx)
{
    (void)atomic_fetch_add((atomic_int *)ctx, 1);
}

/* A payload that is lent is told to be done with once, whatever becomes of it. */
static void lent_payload_is_given_back_once(void **state)
{
    struct fixture *f = *state;
    static char large[100000];
    atomic_int done = 0;
    ganger_submission lent = GANGER_SUBMIT_INIT;
    lent.queue = "no spaces";
    lent.payload = (ganger_bytes){large, sizeof large};
    lent.payload_done = count_done;
    lent.payload_ctx = &done;
    assert_int_equal(ganger_submit_start(NULL, &lent, true, 0, on_answer, f), 0);
    assert_int_equal(ganger_submit_start(f->handle, &lent, true, 0, on_answer, f), 0);
    ganger_submission pair[] = {lent, lent};
    assert_int_equal(ganger_submit_many(f->handle, pair, 2, 0, NULL), GANGER_USAGE);
    assert_int_equal(atomic_load(&done), 4);

    lent.queue = "q";
    assert_true(ganger_submit_start(f->handle, &lent, true, 0, on_answer, f) != 0);
    until_answered(f, 1);
    assert_int_equal(fake_last(&f->fake, GG_CMD_SUBMIT)->payload, sizeof large);
    assert_true(ganger_submit_start(f->handle, &lent, true, 0, on_answer, f) != 0);
    ganger_close(&f->handle); /* With one in line: nothing holds it any more. */

    assert_int_equal(atomic_load(&done), 6);
}

/* … also of one that nobody waits for, which is none: the next one is not its heir. */
static void lent_payload_without_an_asker_is_given_back(void **state)
{
    struct fixture *f = *state;
    static char large[100000];
    atomic_int done = 0;
    ganger_submission lent = GANGER_SUBMIT_INIT;
    lent.queue = "q";
    lent.payload = (ganger_bytes){large, sizeof large};
    lent.payload_done = count_done;
    lent.payload_ctx = &done;

    assert_int_equal(ganger_submit_start(f->handle, &lent, true, 0, NULL, f), 0);
    assert_int_equal(atomic_load(&done), 1);
    assert_non_null(strstr(ganger_last_error(f->handle), "no function"));
    assert_true(ganger_submit_start(f->handle, &lent, true, 0, on_answer, f) != 0);
    until_answered(f, 1);
    ganger_close(&f->handle);

    assert_int_equal(atomic_load(&done), 2);
}

static void unique_key_is_the_hash_of_the_payload(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "q";
    submission.unique = true;

    (void)ganger_submit_start(f->handle, &submission, false, 0, on_answer, f);
    until_answered(f, 1);
    /* XXH3-128 of nothing, from the specification's own test vectors. */
    assert_string_equal(fake_last(&f->fake, GG_CMD_SUBMIT)->key_bytes,
                        "99aa06d3014798d86001c324468d497f");
}

static void wait_brings_progress_and_output(void **state)
{
    struct fixture *f = *state;
    ganger_target target = {.id = ganger_id_new(f->handle)};
    f->fake.answer = NULL;
    (void)ganger_wait_start(f->handle, &target, true, true, 0, on_answer, f);
    until_heard(f, GG_CMD_WAIT, 1);
    const struct fake_seen *seen = fake_last(&f->fake, GG_CMD_WAIT);
    const struct gg_progress progress = {
        .id = seen->id, .progress_ppm = 250000, .state = GG_JOB_RUNNING};
    const struct gg_partial partial = {.id = seen->id, .data = gg_slice_text("piece")};

    fake_send(&f->fake, GG_CMD_PROGRESS, seen->request, &progress);
    while (f->got.count < 1) {
        assert_int_equal(ganger_poll(f->handle, 100), GANGER_OK);
    }
    assert_true(f->got.progress > 0.24 && f->got.progress < 0.26);
    fake_send(&f->fake, GG_CMD_PARTIAL, seen->request, &partial);
    fake_send_job(&f->fake, seen->request, &seen->id, GG_JOB_FAILED, NULL);
    until_answered(f, 1);

    assert_int_equal(f->got.count, 3);
    assert_string_equal(f->got.partial, "piece");
    assert_int_equal(f->got.state, GANGER_FAILED);
}

static void subscription_is_made_again_and_can_be_ended(void **state)
{
    struct fixture *f = *state;
    uint64_t number = ganger_events_start(f->handle, NULL, "q*", NULL, on_answer, f);
    assert_true(number != 0);
    until_heard(f, GG_CMD_SUBSCRIBE, 1);
    fake_forget(&f->fake);
    (void)submit(f, false);
    until_heard(f, GG_CMD_SUBSCRIBE, 2);

    struct gg_buf list;
    gg_buf_init(&list, 4096);
    struct gg_moment_info moment;
    gg_record_default(GG_RECORD_MOMENT, &moment);
    moment.kind = GG_MOMENT_STARTED;
    gg_record_write(&list, GG_RECORD_MOMENT, &moment, NULL);
    gg_record_write(&list, GG_RECORD_MOMENT, &moment, NULL);
    const struct gg_event_info event = {.moments = {gg_buf_slice(&list), 2}};
    fake_send(&f->fake, GG_CMD_EVENT, number, &event);
    gg_buf_fini(&list);
    while (f->got.moments < 2) {
        assert_int_equal(ganger_poll(f->handle, 100), GANGER_OK);
    }
    ganger_forget(f->handle, number);
    until_heard(f, GG_CMD_UNSUBSCRIBE, 1);

    assert_int_equal(fake_last(&f->fake, GG_CMD_UNSUBSCRIBE)->request, number);
}

static bool never(void *ctx, const ganger_job *job)
{
    (void)ctx;
    (void)job;
    return false;
}

static void bad_arguments_are_refused_with_a_sentence(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = "no spaces";

    assert_int_equal(
        ganger_submit_start(f->handle, &submission, false, 0, on_answer, f), 0);

    assert_non_null(strstr(ganger_last_error(f->handle), "\"no spaces\""));
    submission.queue = "q";
    submission.tag_count = 1;
    assert_int_equal(
        ganger_submit_start(f->handle, &submission, false, 0, on_answer, f), 0);
    assert_non_null(strstr(ganger_last_error(f->handle), "tags"));
    submission.tag_count = 0;
    submission.backoff_count = 1;
    assert_int_equal(
        ganger_submit_start(f->handle, &submission, false, 0, on_answer, f), 0);
    const ganger_filter keyless = {.key = {.len = 1}};
    assert_int_equal(ganger_list(f->handle, &keyless, 0, never, NULL), GANGER_USAGE);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(run_brings_the_result),
        TEST(lost_answer_is_asked_for_again_with_the_same_id),
        TEST(each_change_of_state_is_told_once),
        TEST(run_accepted_by_an_older_broker_is_lost_not_repeated),
        TEST(run_goes_on_after_the_connection_was_cut),
        TEST(wait_for_an_accepted_job_carries_its_epoch),
        TEST(idle_client_is_forgotten_and_does_not_notice),
        TEST(answer_is_acknowledged_though_nothing_else_is_sent),
        TEST(silent_broker_is_given_up_and_found_again),
        TEST(deadline_is_kept_with_and_without_a_broker),
        TEST(thousands_leave_in_few_messages),
        TEST(large_payload_and_result_go_whole),
        TEST(lent_payload_is_given_back_once),
        TEST(lent_payload_without_an_asker_is_given_back),
        TEST(unique_key_is_the_hash_of_the_payload),
        TEST(wait_brings_progress_and_output),
        TEST(subscription_is_made_again_and_can_be_ended),
        TEST(bad_arguments_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
