/* test_lines.c - what a program says on descriptor 3, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/record.h"
#include "worker/exec/lines.h"
#include "worker/exec/tail.h"

#include <cmocka.h>

/* What was visited, as text. */
struct seen {
    char text[4096];
    uint32_t count;
    size_t last_len;
};

static void see(void *ctx, const struct gg_line *line)
{
    struct seen *seen = ctx;
    size_t used = strlen(seen->text);
    seen->count++;
    seen->last_len = line->text.len;
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%d %llu %llu [%.*s];",
                   (int)line->kind, (unsigned long long)line->ppm,
                   (unsigned long long)line->ms,
                   (int)(line->text.len < 64 ? line->text.len : 64),
                   (const char *)line->text.data);
}

static struct seen parse(const char *text, uint64_t *out_bad)
{
    struct gg_lines lines;
    struct seen seen = {.count = 0};
    gg_lines_init(&lines);
    gg_lines_push(&lines, gg_slice_text(text), see, &seen);
    gg_lines_end(&lines, see, &seen);
    *out_bad = lines.bad_count;
    gg_lines_fini(&lines);
    return seen;
}

static void assert_lines(const char *text, const char *expected, uint64_t bad)
{
    uint64_t bad_count = 0;
    struct seen seen = parse(text, &bad_count);
    assert_string_equal(seen.text, expected);
    assert_int_equal(bad_count, bad);
}

static void good_lines_are_understood(void **state)
{
    (void)state;
    assert_lines("progress 0.42 summing up\n", "1 420000 0 [summing up];", 0);
    assert_lines("progress 1\nprogress 0\nprogress .5\n",
                 "1 1000000 0 [];1 0 0 [];1 500000 0 [];", 0);
    assert_lines("progress 0.1234567 x\n", "1 123456 0 [x];", 0);
    assert_lines("partial two words\n", "2 0 0 [two words\n];", 0);
    assert_lines("partial\n", "2 0 0 [\n];", 0);
    assert_lines("checkpoint page 7\n", "3 0 0 [page 7];", 0);
    assert_lines("snooze 30s\n", "4 0 30000 [];", 0);
    assert_lines("snooze 1500ms", "4 0 1500 [];", 0); /* Ended without a newline. */
}

static void bad_lines_are_counted_and_skipped(void **state)
{
    (void)state;
    assert_lines("progress\nprogress x\nprogress 1.5\nprogress -1\nprogress 0.5x\n", "",
                 5);
    assert_lines("snooze\nsnooze soon\nprogressive 1\nhello\n", "", 4);
    assert_lines("progress 0.5 \xff\xfe\n", "", 1);
    assert_lines("\n\n", "", 0);
    assert_lines("what\npartial after\n", "2 0 0 [after\n];", 1);
}

static void bytes_may_come_one_by_one(void **state)
{
    static const char text[] = "progress 0.5 half\npartial p\n";
    struct gg_lines lines;
    struct seen seen = {.count = 0};
    (void)state;
    gg_lines_init(&lines);

    for (size_t i = 0; i < sizeof text - 1; i++) {
        gg_lines_push(&lines, gg_slice_of(text + i, 1), see, &seen);
    }

    assert_string_equal(seen.text, "1 500000 0 [half];2 0 0 [p\n];");
    gg_lines_fini(&lines);
}

/* A line without end takes no more memory than the longest good one. */
static void endless_line_is_bounded_and_the_next_is_read(void **state)
{
    static const char piece[4096] = "partial ";
    struct gg_lines lines;
    struct seen seen = {.count = 0};
    (void)state;
    gg_lines_init(&lines);

    for (int i = 0; i < 1000; i++) {
        gg_lines_push(&lines, gg_slice_of(piece, sizeof piece), see, &seen);
    }
    assert_true(lines.held.room <= 65536);
    gg_lines_push(&lines, gg_slice_text("\npartial next\n"), see, &seen);

    assert_string_equal(seen.text, "2 0 0 [next\n];");
    assert_int_equal(lines.bad_count, 1);
    gg_lines_fini(&lines);
}

static void longest_partial_and_checkpoint_pass(void **state)
{
    static const size_t rows[][3] = {
        {GG_PARTIAL_BYTES_MAX - 1, 1, 'p'},
        {GG_PARTIAL_BYTES_MAX, 0, 'p'},
        {GG_CHECKPOINT_BYTES_MAX, 1, 'c'},
        {GG_CHECKPOINT_BYTES_MAX + 1, 0, 'c'},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = malloc(rows[i][0] + 32);
        const char *word = rows[i][2] == 'p' ? "partial " : "checkpoint ";
        size_t head = strlen(word);
        memcpy(text, word, head);
        memset(text + head, 'x', rows[i][0]);
        text[head + rows[i][0]] = '\0';
        uint64_t bad = 0;

        struct seen seen = parse(text, &bad);

        assert_int_equal(seen.count, rows[i][1]);
        assert_int_equal(bad, 1 - rows[i][1]);
        free(text);
    }
}

static void tail_keeps_the_last_bytes(void **state)
{
    static struct gg_tail tail;
    static uint8_t big[GG_TAIL_BYTES_MAX * 2];
    (void)state;
    gg_tail_clear(&tail);

    gg_tail_push(&tail, gg_slice_text("first"));
    assert_true(gg_slice_equal(gg_tail_slice(&tail), gg_slice_text("first")));
    gg_tail_push(&tail, gg_slice_of(big, GG_TAIL_BYTES_MAX - 3));
    assert_int_equal(tail.len, GG_TAIL_BYTES_MAX);
    assert_memory_equal(tail.bytes, "rst", 3);
    big[sizeof big - 1] = 'z';
    gg_tail_push(&tail, gg_slice_of(big, sizeof big));

    assert_int_equal(tail.len, GG_TAIL_BYTES_MAX);
    assert_int_equal(tail.bytes[GG_TAIL_BYTES_MAX - 1], 'z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_understood),
        cmocka_unit_test(bad_lines_are_counted_and_skipped),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(endless_line_is_bounded_and_the_next_is_read),
        cmocka_unit_test(longest_partial_and_checkpoint_pass),
        cmocka_unit_test(tail_keeps_the_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
