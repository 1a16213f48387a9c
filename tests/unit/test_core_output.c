/* test_core_output.c - what attempts say while they run: progress, partial output,
 * checkpoints; and whose words they are when the next attempt begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/walked_stage.h"

enum { CLIENT = 1, AGENT = 2, BACKOFF_MS = 10 };

static void small_output(struct gg_bounds *bounds)
{
    bounds->partial_bytes_max = 8;
}

static int setup(void **state)
{
    struct stage *stage = walked_open(state, small_output);
    stage_client(stage, CLIENT);
    stage_agent(stage, AGENT, "w", "q", 1);
    return 0;
}

static struct gg_assign submit(struct stage *stage)
{
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 3;
    submit.backoff = GG_BACKOFF_FIXED;
    submit.backoff_ms = BACKOFF_MS;
    (void)stage_submit(stage, CLIENT, 1, &submit);
    return stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0)->command.as.assign;
}

/* The attempt fails and the next one begins. */
static struct gg_assign next_attempt(struct stage *stage,
                                     const struct gg_assign *assign)
{
    stage_outcome(stage, AGENT, assign, GG_OUTCOME_FAILED, "not yet");
    stage_wait(stage, BACKOFF_MS + 1);
    return stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0)->command.as.assign;
}

static void say_partial(struct stage *stage, const struct gg_assign *assign,
                        uint64_t offset, const char *text)
{
    struct gg_partial partial;
    gg_record_default(GG_RECORD_PARTIAL, &partial);
    partial.id = assign->id;
    partial.fence = assign->fence;
    partial.offset = offset;
    partial.data = gg_slice_text(text);
    stage_say(stage, AGENT, GG_CMD_PARTIAL, 0, &partial);
}

static void say_progress(struct stage *stage, const struct gg_assign *assign,
                         const char *text)
{
    struct gg_progress progress;
    gg_record_default(GG_RECORD_PROGRESS, &progress);
    progress.id = assign->id;
    progress.fence = assign->fence;
    progress.progress_ppm = 500000;
    progress.progress_text = gg_slice_text(text);
    stage_say(stage, AGENT, GG_CMD_PROGRESS, 0, &progress);
}

static void wait_for_all(struct stage *stage, const struct gg_id *id, uint64_t request,
                         uint64_t offset)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = *id;
    target.want_progress = true;
    target.want_partial = true;
    target.offset = offset;
    stage_say(stage, CLIENT, GG_CMD_WAIT, request, &target);
}

static void assert_partial(struct stage *stage, uint32_t n, uint64_t offset,
                           uint64_t gap, const char *text)
{
    const struct said *said = stage_heard(stage, CLIENT, GG_CMD_PARTIAL, n);
    assert_non_null(said);
    const struct gg_partial *partial = &said->command.as.partial;
    assert_int_equal(partial->offset, offset);
    assert_int_equal(partial->gap, gap);
    assert_true(gg_slice_equal(partial->data, gg_slice_text(text)));
}

static void output_is_shown_as_it_comes_and_to_who_comes_late(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);
    wait_for_all(stage, &assign.id, 7, 0);

    say_partial(stage, &assign, 0, "one ");
    assert_partial(stage, 0, 0, 0, "one ");
    say_partial(stage, &assign, 4, "two ");
    say_partial(stage, &assign, 8, "more");
    assert_partial(stage, 0, 8, 0, "more");

    wait_for_all(stage, &assign.id, 8, 0);
    assert_partial(stage, 0, 4, 4, "two more"); /* The first is out of the buffer. */
    wait_for_all(stage, &assign.id, 9, 8);
    assert_partial(stage, 0, 8, 0, "more");
    wait_for_all(stage, &assign.id, 10, 12);
    assert_null(stage_heard(stage, CLIENT, GG_CMD_PARTIAL, 0));
}

static void output_behind_a_lost_piece_begins_anew(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);
    say_partial(stage, &assign, 0, "one ");
    say_partial(stage, &assign, 9, "3");

    wait_for_all(stage, &assign.id, 7, 0);

    assert_partial(stage, 0, 9, 9, "3");
}

static void piece_larger_than_all_that_is_kept_keeps_its_end(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);

    say_partial(stage, &assign, 0, "0123456789ab");
    wait_for_all(stage, &assign.id, 7, 0);

    assert_partial(stage, 0, 4, 4, "456789ab");
}

/* Also where its first piece is lost and the second continues where the other ended. */
static void output_of_an_earlier_attempt_is_not_the_next_ones(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);
    say_partial(stage, &assign, 0, "old ");
    struct gg_assign again = next_attempt(stage, &assign);

    wait_for_all(stage, &assign.id, 7, 0);
    assert_null(stage_heard(stage, CLIENT, GG_CMD_PARTIAL, 0));
    say_partial(stage, &again, 4, "new");
    wait_for_all(stage, &assign.id, 8, 0);

    assert_partial(stage, 0, 4, 4, "new");
}

static void progress_of_an_earlier_attempt_is_not_the_next_ones(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);
    say_progress(stage, &assign, "half of it");
    wait_for_all(stage, &assign.id, 7, 0);
    assert_true(gg_slice_equal(stage_heard(stage, CLIENT, GG_CMD_PROGRESS, 0)
                                   ->command.as.progress.progress_text,
                               gg_slice_text("half of it")));

    struct gg_assign again = next_attempt(stage, &assign);
    wait_for_all(stage, &assign.id, 8, 0);
    const struct gg_progress *shown = &stage_heard(stage, CLIENT, GG_CMD_PROGRESS, 0)
                                           ->command.as.progress;

    assert_int_equal(shown->fence, again.fence);
    assert_int_equal(shown->progress_ppm, 0);
    assert_int_equal(shown->progress_text.len, 0);
}

static void words_of_an_attempt_that_is_over_are_dropped(void **state)
{
    struct stage *stage = *state;
    struct gg_assign assign = submit(stage);
    struct gg_checkpoint point = {
        .id = assign.id, .fence = assign.fence, .data = gg_slice_text("page 7")};
    wait_for_all(stage, &assign.id, 7, 0);
    stage_say(stage, AGENT, GG_CMD_CHECKPOINT, 0, &point);
    struct gg_assign again = next_attempt(stage, &assign);
    assert_true(gg_slice_equal(again.checkpoint, gg_slice_text("page 7")));

    point.data = gg_slice_text("page 1");
    stage_say(stage, AGENT, GG_CMD_CHECKPOINT, 0, &point);
    say_partial(stage, &assign, 0, "late");
    assert_null(stage_heard(stage, CLIENT, GG_CMD_PARTIAL, 0));
    say_progress(stage, &assign, "late");
    assert_null(stage_heard(stage, CLIENT, GG_CMD_PROGRESS, 0));

    again = next_attempt(stage, &again);
    assert_true(gg_slice_equal(again.checkpoint, gg_slice_text("page 7")));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(output_is_shown_as_it_comes_and_to_who_comes_late),
        TEST(output_behind_a_lost_piece_begins_anew),
        TEST(piece_larger_than_all_that_is_kept_keeps_its_end),
        TEST(output_of_an_earlier_attempt_is_not_the_next_ones),
        TEST(progress_of_an_earlier_attempt_is_not_the_next_ones),
        TEST(words_of_an_attempt_that_is_over_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
