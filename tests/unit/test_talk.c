/* test_talk.c - the language of co-processes: what they are told and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "worker/exec/talk.h"

#include <cmocka.h>

enum { RESULT_MAX = 100 };

/* What was said last; the texts are copied out of the bytes. */
struct heard {
    uint32_t count;
    struct gg_said said;
    char text[256];
};

static bool hear(void *ctx, const struct gg_said *said)
{
    struct heard *heard = ctx;
    struct gg_slice text = said->kind == GG_SAID_LINE ? said->line.text
                           : said->result.len > 0     ? said->result
                                                      : said->text;
    heard->count++;
    heard->said = *said;
    gg_slice_copy(text, heard->text, sizeof heard->text);
    return true;
}

static size_t push(struct heard *heard, const char *bytes)
{
    return gg_talk_coprocess.read(gg_slice_text(bytes), RESULT_MAX, hear, heard);
}

static void ready_is_the_first_word_with_its_version(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_int_equal(push(&heard, "ready 1\n"), 8);
    assert_int_equal(heard.said.kind, GG_SAID_READY);
    assert_int_equal(push(&heard, "ready 2\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "ready\n"), GG_TALK_BAD);
}

static void result_is_taken_once_all_of_it_is_there(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_int_equal(push(&heard, "ok 5\nHE\nO"), 0);
    assert_int_equal(heard.count, 0);
    assert_int_equal(push(&heard, "ok 5\nHE\nLO\nready"), 11);

    assert_int_equal(heard.said.kind, GG_SAID_OUTCOME);
    assert_int_equal(heard.said.outcome, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(heard.text, "HE\nLO");
    assert_int_equal(push(&heard, "ok 0\n\n"), 6);
    assert_int_equal(heard.said.result.len, 0);
}

static void result_must_have_the_length_it_says(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_int_equal(push(&heard, "ok 2\nabc\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "ok\n\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "ok -1\n\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "ok 5x\nabcde\n"), GG_TALK_BAD);
    assert_int_equal(heard.count, 0);
}

static void result_above_the_limit_is_named_before_it_has_come(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_int_equal(push(&heard, "ok 100\n"), 0);
    assert_true(push(&heard, "ok 101\n") > 0);
    assert_int_equal(heard.said.kind, GG_SAID_TOO_LARGE);
    assert_true(push(&heard, "ok 99999999999999999999\n") == GG_TALK_BAD);
}

static void words_that_end_an_attempt(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_true(push(&heard, "fail no disk\n") > 0);
    assert_int_equal(heard.said.outcome, GG_OUTCOME_FAILED);
    assert_string_equal(heard.text, "no disk");
    assert_true(push(&heard, "reject no such month\n") > 0);
    assert_int_equal(heard.said.outcome, GG_OUTCOME_REJECTED);
    assert_true(push(&heard, "snooze 30s\n") > 0);
    assert_int_equal(heard.said.outcome, GG_OUTCOME_SNOOZED);
    assert_int_equal(heard.said.snooze_ms, 30000);
    assert_int_equal(push(&heard, "failure\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "snooze soon\n"), GG_TALK_BAD);
}

static void lines_in_between_are_those_of_descriptor_three(void **state)
{
    struct heard heard = {0};
    (void)state;

    assert_true(push(&heard, "progress 0.25 a quarter\n") > 0);
    assert_int_equal(heard.said.kind, GG_SAID_LINE);
    assert_int_equal(heard.said.line.ppm, 250000);
    assert_string_equal(heard.text, "a quarter");
    assert_true(push(&heard, "partial one\n") > 0);
    assert_string_equal(heard.text, "one\n");
    assert_int_equal(push(&heard, "hello\n"), GG_TALK_BAD);
    assert_int_equal(push(&heard, "\n"), GG_TALK_BAD);
}

static void line_without_end_is_a_breach(void **state)
{
    static char flood[GG_PARTIAL_BYTES_MAX + 64];
    struct heard heard = {0};
    (void)state;
    memset(flood, 'x', sizeof flood - 1);

    assert_int_equal(push(&heard, flood), GG_TALK_BAD);
    assert_int_equal(push(&heard, "xxx"), 0);
}

static void job_is_framed_and_its_values_stay_on_their_lines(void **state)
{
    struct gg_buf out;
    struct gg_run_spec spec = {.fence = 12, .attempt = 2, .attempts_max = 5};
    (void)state;
    gg_buf_init(&out, 4096);
    spec.queue = gg_slice_text("reports");
    spec.key = gg_slice_of("50%\n\xff", 5);
    spec.payload = gg_blob_new(gg_slice_text("a\nb"));

    gg_talk_coprocess.write_job(&out, &spec, "/tmp/x");
    gg_buf_append(&out, "", 1);

    assert_string_equal((const char *)out.data,
                        "job 3\nid=00000000000000000000000000\nqueue=reports\n"
                        "key=50%25%0A%FF\nattempt=2\nattempts=5\nfence=12\n"
                        "folder=/tmp/x\n\na\nb\n");
    gg_blob_unref(&spec.payload);
    gg_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_is_the_first_word_with_its_version),
        cmocka_unit_test(result_is_taken_once_all_of_it_is_there),
        cmocka_unit_test(result_must_have_the_length_it_says),
        cmocka_unit_test(result_above_the_limit_is_named_before_it_has_come),
        cmocka_unit_test(words_that_end_an_attempt),
        cmocka_unit_test(lines_in_between_are_those_of_descriptor_three),
        cmocka_unit_test(line_without_end_is_a_breach),
        cmocka_unit_test(job_is_framed_and_its_values_stay_on_their_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
