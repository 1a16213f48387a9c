/* test_codec_cut.c - bytes that end too early, looked at without the check that a whole
 * message gets first; and numbers written longer than need be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/read.h"
#include "tests/lib/any_record.h"

enum { ROUNDS = 12, BYTES_MAX = 1 << 20, WORTH_BYTES_MAX = 700 };

struct fixture {
    struct gg_arena arena;
    struct gg_rng rng;
    struct gg_buf buf;
    struct gg_buf other;
    union gg_any_record record;
    union gg_any_record back;
    struct gg_fault fault;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 20261121;
    gg_buf_init(&f->buf, BYTES_MAX);
    gg_buf_init(&f->other, BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_arena_fini(&f->arena);
    gg_buf_fini(&f->buf);
    gg_buf_fini(&f->other);
    free(f);
    return 0;
}

typedef void visit_fn(struct fixture *f, enum gg_record_id id);

/* Visit records of every kind, written to f->buf: two with every field, the others
 * random. */
static void each_record(struct fixture *f, visit_fn *visit)
{
    for (int n = 0; n < GG_RECORD_COUNT * ROUNDS; n++) {
        enum gg_record_id id = (enum gg_record_id)(n / ROUNDS);
        if (n % ROUNDS < 2) {
            gg_any_fill_most(&f->arena, &f->rng, id, &f->record);
        } else {
            gg_any_fill(&f->arena, &f->rng, id, &f->record);
        }
        gg_buf_clear(&f->buf);
        gg_record_write(&f->buf, id, &f->record, NULL);
        assert_false(f->buf.failed);
        /* With every field but lists a record is not whole where a list must be. */
        if (gg_record_read(gg_buf_slice(&f->buf), id, &f->back, &f->fault) == GG_OK) {
            visit(f, id);
        }
        gg_arena_fini(&f->arena);
    }
}

/* In memory that ends where the bytes do, so that a byte read behind them is seen. */
static uint8_t *cut(const struct gg_buf *buf, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, buf->data, len);
    return copy;
}

/* ---- ends ---- */

static void refuse_every_prefix(struct fixture *f, enum gg_record_id id)
{
    for (size_t len = 0; len < f->buf.len && f->buf.len < WORTH_BYTES_MAX; len++) {
        uint8_t *bytes = cut(&f->buf, len);
        struct gg_reader reader = gg_reader_of(gg_slice_of(bytes, len));
        struct gg_source source = {0};
        f->fault = (struct gg_fault){.err = GG_OK};

        enum gg_err err = gg_read_record(id, &reader, &source, &f->back, &f->fault);

        assert_int_equal(err, GG_ERR_BAD_MESSAGE);
        assert_non_null(f->fault.what);
        free(bytes);
    }
}

static void record_that_ends_early_is_refused_at_every_byte(void **state)
{
    each_record(*state, refuse_every_prefix);
}

static void unknown_field_that_ends_early_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gg_source source = {0};
    gg_any_fill_least(&f->arena, GG_RECORD_TARGET, &f->record);
    gg_any_write_with(&f->buf, GG_RECORD_TARGET, &f->record, 60,
                      gg_slice_text("\xa3"
                                    "abc"));
    uint8_t *bytes = cut(&f->buf, f->buf.len - 1);
    struct gg_reader reader = gg_reader_of(gg_slice_of(bytes, f->buf.len - 1));

    enum gg_err err = gg_read_record(GG_RECORD_TARGET, &reader, &source, &f->back,
                                     &f->fault);

    assert_int_equal(err, GG_ERR_BAD_MESSAGE);
    free(bytes);
}

/* Nobody writes it, and it says the same as no field. */
static void empty_list_is_one_where_it_may_be(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        const struct gg_record *type = gg_record_of((enum gg_record_id)id);
        for (uint16_t i = 0; i < type->count; i++) {
            const struct gg_field *field = &type->fields[i];
            if (field->kind < GG_FIELD_NUMS) {
                continue;
            }
            gg_buf_clear(&f->buf);
            gg_any_fill_least(&f->arena, (enum gg_record_id)id, &f->record);
            gg_any_write_with(&f->buf, (enum gg_record_id)id, &f->record, field->number,
                              gg_slice_text("\x90"));
            enum gg_err err = gg_record_read(
                gg_buf_slice(&f->buf), (enum gg_record_id)id, &f->back, &f->fault);
            assert_int_equal(err, field->least > 0 ? GG_ERR_TOO_MANY : GG_OK);
            gg_arena_fini(&f->arena);
        }
    }
}

static void command_that_ends_early_leaves_no_other(void **state)
{
    struct fixture *f = *state;
    struct gg_command command;
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.queue = gg_slice_text("q");
    gg_command_write(&f->buf, GG_CMD_GET, 300, &target, NULL);

    for (size_t len = 0; len < f->buf.len; len++) {
        uint8_t *bytes = cut(&f->buf, len);
        struct gg_message message = {.reader = gg_reader_of(gg_slice_of(bytes, len)),
                                     .left = 2};
        assert_true(gg_message_next(&message, &command, &f->fault));
        assert_int_not_equal(f->fault.err, GG_OK);
        assert_false(gg_message_next(&message, &command, &f->fault));
        free(bytes);
    }
}

static void list_that_ends_early_has_no_more_entries(void **state)
{
    uint64_t number = 0;
    struct gg_slice text;
    struct gg_list list = {.raw = gg_slice_of("", 0), .count = 1};
    (void)state;

    assert_false(gg_list_next_num(&list, &number));
    assert_false(gg_list_next_text(&list, &text));
    assert_int_equal(list.count, 1);
}

static void number_that_ends_early_is_no_value(void **state)
{
    static const uint8_t formats[] = {0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1,
                                      0xd2, 0xd3, 0xc4, 0xc5, 0xc7, 0xd9, 0xdc, 0xde};
    (void)state;
    for (size_t i = 0; i < sizeof formats; i++) {
        struct gg_reader reader = gg_reader_of(gg_slice_of(&formats[i], 1));
        struct gg_token token;
        assert_false(gg_reader_next(&reader, &token));
    }
}

/* ---- long forms ---- */

/* The record in f->buf with each field number in two bytes, which one would do for. */
static void widen(struct fixture *f)
{
    struct gg_reader reader = gg_reader_of(gg_buf_slice(&f->buf));
    uint64_t entries = 0;
    assert_true(gg_reader_open(&reader, GG_WIRE_MAP, &entries));
    gg_buf_clear(&f->other);
    gg_buf_append(&f->other, f->buf.data, (size_t)(reader.at - f->buf.data));
    for (; entries > 0; entries--) {
        struct gg_token number;
        assert_true(gg_reader_next(&reader, &number));
        uint8_t wide[] = {0xcc, (uint8_t)number.value};
        const uint8_t *value = reader.at;
        assert_true(gg_reader_skip(&reader));
        gg_buf_append(&f->other, wide, sizeof wide);
        gg_buf_append(&f->other, value, (size_t)(reader.at - value));
    }
}

static void read_widened(struct fixture *f, enum gg_record_id id)
{
    widen(f);
    enum gg_err err = gg_record_read(gg_buf_slice(&f->other), id, &f->back, &f->fault);
    assert_int_equal(err, GG_OK);
    assert_null(gg_any_differ(id, &f->record, &f->back));
}

static void field_numbers_in_long_form_are_the_same_numbers(void **state)
{
    each_record(*state, read_widened);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(record_that_ends_early_is_refused_at_every_byte),
        TEST(unknown_field_that_ends_early_is_refused),
        TEST(empty_list_is_one_where_it_may_be),
        TEST(command_that_ends_early_leaves_no_other),
        TEST(list_that_ends_early_has_no_more_entries),
        TEST(number_that_ends_early_is_no_value),
        TEST(field_numbers_in_long_form_are_the_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
