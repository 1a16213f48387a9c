/* test_ending.c - how a process ended, as an outcome. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include "worker/exec/ending.h"

#include <cmocka.h>

enum { EXITED = 256 }; /* Wait status of exit 1. */

static struct gg_ending judge(struct gg_process_facts facts)
{
    struct gg_ending ending;
    gg_ending_judge(&facts, &ending);
    return ending;
}

static void exit_status_decides(void **state)
{
    (void)state;
    assert_int_equal(judge((struct gg_process_facts){.wait_status = 0}).kind,
                     GG_OUTCOME_SUCCEEDED);
    assert_int_equal(judge((struct gg_process_facts){.wait_status = EXITED}).kind,
                     GG_OUTCOME_FAILED);
    assert_int_equal(judge((struct gg_process_facts){.wait_status = 65 * EXITED}).kind,
                     GG_OUTCOME_REJECTED);
    assert_int_equal(judge((struct gg_process_facts){.wait_status = 75 * EXITED}).kind,
                     GG_OUTCOME_FAILED);
}

static void signal_is_a_crash_with_its_name(void **state)
{
    (void)state;
    struct gg_ending ending = judge((struct gg_process_facts){.wait_status = SIGABRT});

    assert_int_equal(ending.kind, GG_OUTCOME_CRASHED);
    assert_int_equal(ending.signal, SIGABRT);
    assert_int_equal(ending.exit_status, GG_UNSAID);
    assert_string_equal(ending.text, "ended by signal 6 (SIGABRT)");
}

static void snooze_counts_only_with_exit_0(void **state)
{
    (void)state;
    struct gg_process_facts facts = {.snoozed = true, .snooze_ms = 5};

    assert_int_equal(judge(facts).kind, GG_OUTCOME_SNOOZED);
    assert_int_equal(judge(facts).snooze_ms, 5);
    facts.wait_status = EXITED;
    assert_int_equal(judge(facts).kind, GG_OUTCOME_FAILED);
}

static void too_large_a_result_is_a_failure_whatever_the_exit(void **state)
{
    (void)state;
    struct gg_ending ending = judge((struct gg_process_facts){
        .wait_status = SIGKILL, .result_too_large = true, .result_bytes_max = 77});

    assert_int_equal(ending.kind, GG_OUTCOME_FAILED);
    assert_non_null(strstr(ending.text, "77"));
}

static void keepers_kill_is_a_lost_lease(void **state)
{
    (void)state;
    assert_int_equal(
        judge((struct gg_process_facts){.wait_status = SIGKILL, .keeper_killed = true})
            .kind,
        GG_OUTCOME_LOST);
}

static void end_of_the_keeper_is_said_to_be_that(void **state)
{
    (void)state;
    struct gg_ending ending = judge((struct gg_process_facts){
        .wait_status = SIGKILL, .keeper_killed = true, .keeper_lost = true});

    assert_int_equal(ending.kind, GG_OUTCOME_LOST);
    assert_non_null(strstr(ending.text, "with the keeper"));
}

static void text_quotes_the_last_line_made_printable(void **state)
{
    (void)state;
    struct gg_ending ending = judge(
        (struct gg_process_facts){.wait_status = 3 * EXITED,
                                  .output = gg_slice_text("one\ntwo\x1b[31m\xff\n\n")});

    assert_string_equal(ending.text, "exit status 3: two?[31m?");
}

static void long_text_is_cut_at_a_character(void **state)
{
    struct gg_ending ending;
    char text[GG_ENDING_TEXT_BYTES + 16];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2) {
        text[i] = (char)0xc3; /* Two bytes a character. */
        text[i + 1] = (char)0xa4;
    }

    gg_ending_set_text(&ending, gg_slice_of(text, sizeof text - 2));

    assert_true(gg_utf8_valid(gg_slice_text(ending.text)));
    assert_int_equal(strlen(ending.text), GG_ENDING_TEXT_BYTES - 2);
}

static void failure_to_start_says_why(void **state)
{
    struct gg_ending ending;
    (void)state;

    gg_ending_not_started("cannot start x", ENOENT, &ending);

    assert_int_equal(ending.kind, GG_OUTCOME_NOT_STARTED);
    assert_string_equal(ending.text, "cannot start x: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_status_decides),
        cmocka_unit_test(signal_is_a_crash_with_its_name),
        cmocka_unit_test(snooze_counts_only_with_exit_0),
        cmocka_unit_test(too_large_a_result_is_a_failure_whatever_the_exit),
        cmocka_unit_test(keepers_kill_is_a_lost_lease),
        cmocka_unit_test(end_of_the_keeper_is_said_to_be_that),
        cmocka_unit_test(text_quotes_the_last_line_made_printable),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(failure_to_start_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
