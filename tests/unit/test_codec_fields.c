/* test_codec_fields.c - every field of every record, driven by the tables themselves:
 * what is written is read back, what is wrong is refused and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/lib/any_record.h"

enum { ROUNDS = 60, BYTES_MAX = 1 << 26 };

struct fixture {
    struct gg_arena arena;
    struct gg_rng rng;
    struct gg_buf buf;
    struct gg_buf value;
    union gg_any_record record;
    union gg_any_record back;
    struct gg_fault fault;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 20260101;
    gg_buf_init(&f->buf, BYTES_MAX);
    gg_buf_init(&f->value, BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_arena_fini(&f->arena);
    gg_buf_fini(&f->buf);
    gg_buf_fini(&f->value);
    free(f);
    return 0;
}

/* Visit every field of every record with a record that is otherwise the least. */
typedef void visit_fn(struct fixture *f, enum gg_record_id id,
                      const struct gg_field *field);

static void each_field(struct fixture *f, visit_fn *visit)
{
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        const struct gg_record *type = gg_record_of((enum gg_record_id)id);
        for (uint16_t i = 0; i < type->count; i++) {
            gg_any_fill_least(&f->arena, (enum gg_record_id)id, &f->record);
            visit(f, (enum gg_record_id)id, &type->fields[i]);
        }
        gg_arena_fini(&f->arena);
    }
}

/* Read f->record with f->value as the value of `field`. */
static enum gg_err read_with(struct fixture *f, enum gg_record_id id,
                             const struct gg_field *field)
{
    gg_buf_clear(&f->buf);
    gg_any_write_with(&f->buf, id, &f->record, field->number, gg_buf_slice(&f->value));
    assert_false(f->buf.failed);
    return gg_record_read(gg_buf_slice(&f->buf), id, &f->back, &f->fault);
}

static void expect(struct fixture *f, enum gg_record_id id,
                   const struct gg_field *field, enum gg_err expected, const char *with)
{
    enum gg_err err = read_with(f, id, field);
    if (err != expected || f->fault.err != expected) {
        fail_msg("%s.%s with %s: %s (%s), expected %s", gg_record_of(id)->name,
                 field->name, with, gg_err_name(err),
                 f->fault.what == NULL ? "-" : f->fault.what, gg_err_name(expected));
    }
    if (expected != GG_OK) {
        assert_non_null(f->fault.what);
        assert_string_equal(f->fault.field, field->name);
    }
}

/* ---- the tables ---- */

static void field_numbers_are_their_places_and_below_must_understand(void **state)
{
    (void)state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        const struct gg_record *type = gg_record_of((enum gg_record_id)id);
        assert_true(type->count > 0 && type->count < GG_MUST_UNDERSTAND);
        for (uint16_t i = 0; i < type->count; i++) {
            const struct gg_field *field = &type->fields[i];
            assert_int_equal(field->number, i + 1);
            assert_true(field->least <= field->most);
            assert_true(field->fallback == 0 || field->kind == GG_FIELD_U);
            assert_true(strlen(field->meaning) > 0);
        }
    }
}

static void member_of_command_is_record_of_its_code(void **state)
{
    (void)state;
#define X(symbol, code, record, member, senders, text, meaning)                        \
    assert_int_equal(gg_record_of(GG_RECORD_##record)->bytes,                          \
                     sizeof(((struct gg_command *)NULL)->as.member));                  \
    assert_string_equal(gg_command_type_of(code)->name, text);
    GG_COMMAND_LIST(X)
#undef X
    assert_null(gg_command_type_of(0));
    assert_null(gg_command_type_of(GG_CMD_CODE_MAX + 1));
    assert_null(gg_command_type_of(UINT64_MAX));
}

/* ---- round trips ---- */

static void what_is_written_is_read_back(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        for (int round = 0; round < ROUNDS; round++) {
            gg_any_fill(&f->arena, &f->rng, (enum gg_record_id)id, &f->record);
            gg_buf_clear(&f->buf);
            gg_record_write(&f->buf, (enum gg_record_id)id, &f->record, NULL);
            assert_false(f->buf.failed);

            enum gg_err err = gg_record_read(
                gg_buf_slice(&f->buf), (enum gg_record_id)id, &f->back, &f->fault);

            if (err != GG_OK) {
                fail_msg("%s: %s: %s", gg_record_of((enum gg_record_id)id)->name,
                         f->fault.what, f->fault.field);
            }
            const struct gg_field *differs = gg_any_differ((enum gg_record_id)id,
                                                           &f->record, &f->back);
            if (differs != NULL) {
                fail_msg("%s.%s is read back as something else",
                         gg_record_of((enum gg_record_id)id)->name, differs->name);
            }
        }
        gg_arena_fini(&f->arena);
    }
}

/* Entries of arrays stay packed when the outer record is read; they must open too. */
static void entries_of_every_array_are_read_back(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        const struct gg_record *type = gg_record_of((enum gg_record_id)id);
        gg_any_fill(&f->arena, &f->rng, (enum gg_record_id)id, &f->record);
        for (uint16_t i = 0; i < type->count; i++) {
            const struct gg_field *field = &type->fields[i];
            if (field->kind < GG_FIELD_NUMS) {
                continue;
            }
            struct gg_list list;
            memcpy(&list, (char *)&f->record + field->offset, sizeof list);
            uint64_t number = 0;
            struct gg_slice text;
            for (uint32_t left = list.count; left > 0; left--) {
                assert_int_equal(list.count, left);
                bool taken = field->kind == GG_FIELD_NUMS
                                 ? gg_list_next_num(&list, &number)
                             : field->kind == GG_FIELD_TEXTS
                                 ? gg_list_next_text(&list, &text)
                                 : gg_list_next_record(&list,
                                                       (enum gg_record_id)field->record,
                                                       &f->back, &f->fault);
                assert_true(taken);
            }
            assert_int_equal(list.raw.len, 0);
            assert_false(gg_list_next_num(&list, &number));
            assert_false(gg_list_next_text(&list, &text));
            assert_false(
                gg_list_next_record(&list, GG_RECORD_POOL, &f->back, &f->fault));
            assert_int_equal(f->fault.err, GG_OK);
        }
    }
}

static void absent_field_has_its_default(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        gg_any_fill_least(&f->arena, (enum gg_record_id)id, &f->record);
        memset(&f->back, 0xa5, sizeof f->back);
        gg_buf_clear(&f->buf);
        gg_record_write(&f->buf, (enum gg_record_id)id, &f->record, NULL);

        assert_int_equal(gg_record_read(gg_buf_slice(&f->buf), (enum gg_record_id)id,
                                        &f->back, &f->fault),
                         GG_OK);

        assert_null(gg_any_differ((enum gg_record_id)id, &f->record, &f->back));
    }
}

/* ---- wrong kinds ---- */

static const struct {
    const char *what;
    const char *bytes;
    size_t len;
    enum gg_wire_kind kind;
} values[] = {
#define VALUE(what, text, kind)                                                        \
    {                                                                                  \
        what, text, sizeof text - 1, kind                                              \
    }
    VALUE("nil", "\xc0", GG_WIRE_NIL),
    VALUE("false", "\xc2", GG_WIRE_BOOL),
    VALUE("true", "\xc3", GG_WIRE_BOOL),
    VALUE("1", "\x01", GG_WIRE_UINT),
    VALUE("-1", "\xff", GG_WIRE_NEGATIVE),
    VALUE("int64 -1", "\xd3\xff\xff\xff\xff\xff\xff\xff\xff", GG_WIRE_NEGATIVE),
    VALUE("1.0", "\xca\x3f\x80\x00\x00", GG_WIRE_FLOAT),
    VALUE("\"a\"", "\xa1\x61", GG_WIRE_STR),
    VALUE("bin 1", "\xc4\x01\x61", GG_WIRE_BIN),
    VALUE("ext 1", "\xd4\x01\x61", GG_WIRE_EXT),
    VALUE("[]", "\x90", GG_WIRE_ARRAY),
    VALUE("{}", "\x80", GG_WIRE_MAP),
#undef VALUE
};

/* Which kind of value a field takes; ids take bytes, but not one. */
static bool takes(const struct gg_field *field, enum gg_wire_kind kind)
{
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        return kind == GG_WIRE_UINT;
    case GG_FIELD_BOOL:
        return kind == GG_WIRE_BOOL;
    case GG_FIELD_ID:
        return false;
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        return kind == GG_WIRE_STR;
    case GG_FIELD_BYTES:
    case GG_FIELD_BLOB:
        return kind == GG_WIRE_BIN;
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        return kind == GG_WIRE_ARRAY;
    }
    return false;
}

static void try_wrong_kinds(struct fixture *f, enum gg_record_id id,
                            const struct gg_field *field)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!takes(field, values[i].kind)) {
            gg_buf_clear(&f->value);
            gg_buf_append(&f->value, values[i].bytes, values[i].len);
            expect(f, id, field, GG_ERR_BAD_MESSAGE, values[i].what);
        }
    }
}

static void wrong_kind_is_refused_in_every_field(void **state)
{
    each_field(*state, try_wrong_kinds);
}

/* ---- bounds ---- */

static void put_number(struct fixture *f, uint64_t number)
{
    gg_buf_clear(&f->value);
    gg_num_write(&f->value, number);
}

static void try_number_bounds(struct fixture *f, enum gg_record_id id,
                              const struct gg_field *field)
{
    put_number(f, field->least);
    expect(f, id, field, GG_OK, "the least");
    put_number(f, field->most);
    expect(f, id, field, GG_OK, "the most");
    if (field->least > 0) {
        put_number(f, field->least - 1);
        expect(f, id, field, GG_ERR_BAD_FIELD, "less than the least");
    }
    if (field->most < UINT64_MAX) {
        put_number(f, field->most + 1);
        expect(f, id, field, GG_ERR_BAD_FIELD, "more than the most");
    }
}

static void put_string(struct fixture *f, uint8_t format, size_t len)
{
    const uint8_t head[] = {format, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                            (uint8_t)(len >> 8), (uint8_t)len};
    gg_buf_clear(&f->value);
    gg_buf_append(&f->value, head, sizeof head);
    for (size_t i = 0; i < len; i++) {
        gg_buf_append(&f->value, "a", 1);
    }
}

static void try_length_bounds(struct fixture *f, enum gg_record_id id,
                              const struct gg_field *field)
{
    uint8_t format = field->kind == GG_FIELD_BYTES ? 0xc6 : 0xdb; /* bin 32, str 32 */
    put_string(f, format, field->least);
    expect(f, id, field, GG_OK, "the shortest");
    put_string(f, format, field->most);
    expect(f, id, field, GG_OK, "the longest");
    put_string(f, format, field->most + 1);
    expect(f, id, field, GG_ERR_TOO_LARGE, "one byte more than the longest");
    if (field->least > 0) {
        put_string(f, format, field->least - 1);
        expect(f, id, field, GG_ERR_BAD_MESSAGE, "one byte less than the shortest");
    }
}

static void try_id_bounds(struct fixture *f, enum gg_record_id id,
                          const struct gg_field *field)
{
    static const uint8_t head[] = {0xc4, GG_ID_BYTES};
    static const uint8_t zeros[GG_ID_BYTES + 1] = {0};
    gg_buf_clear(&f->value);
    gg_buf_append(&f->value, head, sizeof head);
    gg_buf_append(&f->value, zeros, GG_ID_BYTES);
    expect(f, id, field, field->least == 0 ? GG_OK : GG_ERR_BAD_FIELD, "16 zeros");
    put_string(f, 0xc6, GG_ID_BYTES);
    expect(f, id, field, GG_OK, "16 bytes");
    put_string(f, 0xc6, GG_ID_BYTES - 1);
    expect(f, id, field, GG_ERR_BAD_MESSAGE, "15 bytes");
    put_string(f, 0xc6, GG_ID_BYTES + 1);
    expect(f, id, field, GG_ERR_BAD_MESSAGE, "17 bytes");
}

static void put_array(struct fixture *f, uint64_t count)
{
    const uint8_t head[] = {0xdd, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                            (uint8_t)(count >> 8), (uint8_t)count};
    gg_buf_clear(&f->value);
    gg_buf_append(&f->value, head, sizeof head);
    for (uint64_t i = 0; i < count; i++) {
        gg_buf_append(&f->value, "\x01", 1);
    }
}

static void try_count_bounds(struct fixture *f, enum gg_record_id id,
                             const struct gg_field *field)
{
    put_array(f, field->least);
    expect(f, id, field, GG_OK, "the fewest entries");
    if (field->least > 0) {
        put_array(f, field->least - 1);
        expect(f, id, field, GG_ERR_TOO_MANY, "one entry less than the fewest");
    }
    put_array(f, field->most);
    expect(f, id, field, GG_OK, "the most entries");
    put_array(f, field->most + 1);
    expect(f, id, field, GG_ERR_TOO_MANY, "one entry more than the most");
}

static void try_bounds(struct fixture *f, enum gg_record_id id,
                       const struct gg_field *field)
{
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        try_number_bounds(f, id, field);
        return;
    case GG_FIELD_ID:
        try_id_bounds(f, id, field);
        return;
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
    case GG_FIELD_BYTES:
        try_length_bounds(f, id, field);
        return;
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        try_count_bounds(f, id, field);
        return;
    case GG_FIELD_BOOL:
    case GG_FIELD_BLOB: /* Its bound is the broker's setting. */
        return;
    }
}

static void every_field_keeps_its_bounds(void **state)
{
    each_field(*state, try_bounds);
}

static void try_bad_text(struct fixture *f, enum gg_record_id id,
                         const struct gg_field *field)
{
    static const struct {
        const char *what;
        const char *bytes;
        bool text, name, glob; /* Where it is valid. */
    } texts[] = {
        {"half a letter", "\xa2\xc3\x28", false, false, false},
        {"a slash",
         "\xa3"
         "a/b",
         true, false, false},
        {"a leading dot", "\xa2.a", true, false, true},
        {"a star",
         "\xa2"
         "a*",
         true, false, true},
        {"an accent",
         "\xa3\xc3\xa9"
         "a",
         true, false, false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool valid = field->kind == GG_FIELD_TEXT   ? texts[i].text
                     : field->kind == GG_FIELD_NAME ? texts[i].name
                                                    : texts[i].glob;
        if (field->kind < GG_FIELD_TEXT || field->kind > GG_FIELD_GLOB) {
            return;
        }
        gg_buf_clear(&f->value);
        gg_buf_append(&f->value, texts[i].bytes, strlen(texts[i].bytes));
        expect(f, id, field, valid ? GG_OK : GG_ERR_BAD_NAME, texts[i].what);
    }
}

static void texts_names_and_patterns_are_checked(void **state)
{
    each_field(*state, try_bad_text);
}

/* What a page, a heartbeat or a hello may hold by its bounds, a receiver must take. */
static void try_full_array(struct fixture *f, enum gg_record_id id,
                           const struct gg_field *field)
{
    if (field->kind < GG_FIELD_NUMS) {
        return;
    }
    gg_any_fill_most(&f->arena, &f->rng, (enum gg_record_id)field->record, &f->back);
    gg_buf_clear(&f->value);
    const uint8_t head[] = {0xdd, (uint8_t)(field->most >> 24),
                            (uint8_t)(field->most >> 16), (uint8_t)(field->most >> 8),
                            (uint8_t)field->most};
    gg_buf_append(&f->value, head, sizeof head);
    for (uint64_t i = 0; i < field->most; i++) {
        if (field->kind == GG_FIELD_RECORDS) {
            gg_record_write(&f->value, (enum gg_record_id)field->record, &f->back,
                            NULL);
        } else {
            gg_num_write(&f->value, i);
        }
    }
    expect(f, id, field, GG_OK, "as many full entries as may be");
}

static void array_of_full_entries_fits_into_one_message(void **state)
{
    each_field(*state, try_full_array);
}

/* ---- growth ---- */

static void try_missing(struct fixture *f, enum gg_record_id id,
                        const struct gg_field *field)
{
    bool required = field->least > 0 && field->fallback < field->least;
    gg_buf_clear(&f->value);
    expect(f, id, field, required ? GG_ERR_BAD_MESSAGE : GG_OK, "no such field");
}

static void record_without_required_field_is_refused(void **state)
{
    each_field(*state, try_missing);
}

/* A field that is there twice could be read differently by two receivers. */
static void try_twice(struct fixture *f, enum gg_record_id id,
                      const struct gg_field *field)
{
    gg_buf_clear(&f->buf);
    gg_buf_append(&f->buf, "\x82", 1);
    for (int i = 0; i < 2; i++) {
        static const char *const valid[] = {
            [GG_FIELD_U] = "\x01",
            [GG_FIELD_BOOL] = "\xc3",
            [GG_FIELD_TEXT] = "\xa1s",
            [GG_FIELD_NAME] = "\xa1s",
            [GG_FIELD_GLOB] = "\xa1s",
            [GG_FIELD_BYTES] = "\xc4\x01s",
            [GG_FIELD_BLOB] = "\xc4\x01s",
            [GG_FIELD_NUMS] = "\x91\x01",
            [GG_FIELD_TEXTS] = "\x91\x01",
            [GG_FIELD_RECORDS] = "\x91\x01",
            [GG_FIELD_ID] = "\xc4\x10sixteen bytes it",
        };
        gg_num_write(&f->buf, field->number);
        gg_buf_append(&f->buf, valid[field->kind], strlen(valid[field->kind]));
    }

    enum gg_err err = gg_record_read(gg_buf_slice(&f->buf), id, &f->back, &f->fault);

    assert_int_equal(err, GG_ERR_BAD_MESSAGE);
    assert_string_equal(f->fault.field, field->name);
    assert_string_equal(f->fault.what, "the field is there twice");
}

static void field_that_is_there_twice_is_refused(void **state)
{
    each_field(*state, try_twice);
}

static enum gg_err read_with_number(struct fixture *f, enum gg_record_id id,
                                    uint64_t number)
{
    gg_any_fill_least(&f->arena, id, &f->record);
    gg_buf_clear(&f->buf);
    gg_any_write_with(&f->buf, id, &f->record, number,
                      gg_slice_text("\x92\x81\x01\xa1x\xc3"));
    return gg_record_read(gg_buf_slice(&f->buf), id, &f->back, &f->fault);
}

static void unknown_field_is_skipped_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        uint64_t first = gg_record_of((enum gg_record_id)id)->count + UINT64_C(1);
        for (uint64_t number = first; number < GG_MUST_UNDERSTAND; number++) {
            assert_int_equal(read_with_number(f, (enum gg_record_id)id, number), GG_OK);
            assert_null(gg_any_differ((enum gg_record_id)id, &f->record, &f->back));
        }
        gg_arena_fini(&f->arena);
    }
}

static void field_that_must_be_understood_is_refused(void **state)
{
    static const uint64_t numbers[] = {GG_MUST_UNDERSTAND, 65,        127, 128, 1000,
                                       UINT32_MAX,         UINT64_MAX};
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            assert_int_equal(read_with_number(f, (enum gg_record_id)id, numbers[i]),
                             GG_ERR_NOT_UNDERSTOOD);
        }
        assert_int_equal(read_with_number(f, (enum gg_record_id)id, 0),
                         GG_ERR_BAD_MESSAGE);
        gg_arena_fini(&f->arena);
    }
}

/* ---- hostile bytes ---- */

static void record_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int id = 0; id < GG_RECORD_COUNT; id++) {
        gg_any_fill(&f->arena, &f->rng, (enum gg_record_id)id, &f->record);
        gg_buf_clear(&f->buf);
        gg_record_write(&f->buf, (enum gg_record_id)id, &f->record, NULL);
        for (size_t len = 0; len < f->buf.len; len++) {
            /* A copy of its own, so that the sanitizer sees a read beyond the end. */
            uint8_t *copy = malloc(len == 0 ? 1 : len);
            assert_non_null(copy);
            memcpy(copy, f->buf.data, len);
            assert_int_equal(gg_record_read(gg_slice_of(copy, len),
                                            (enum gg_record_id)id, &f->back, &f->fault),
                             GG_ERR_BAD_MESSAGE);
            free(copy);
        }
    }
}

/* Whatever comes: an answer, never a crash, and every refusal says what. */
static void mutated_record_is_read_or_refused(void **state)
{
    struct fixture *f = *state;
    int refused = 0;
    for (int round = 0; round < 20000; round++) {
        enum gg_record_id id = (enum gg_record_id)(round % GG_RECORD_COUNT);
        gg_any_fill(&f->arena, &f->rng, id, &f->record);
        gg_buf_clear(&f->buf);
        gg_record_write(&f->buf, id, &f->record, NULL);
        for (uint64_t n = 1 + gg_rng_below(&f->rng, 3); n > 0; n--) {
            f->buf.data[gg_rng_below(&f->rng, f->buf.len)] = (uint8_t)gg_rng_next(
                &f->rng);
        }

        enum gg_err err = gg_record_read(gg_buf_slice(&f->buf), id, &f->back,
                                         &f->fault);

        assert_int_equal(err, f->fault.err);
        assert_true(err == GG_OK || f->fault.what != NULL);
        refused += err != GG_OK;
        gg_arena_fini(&f->arena);
    }
    assert_true(refused > 5000);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(field_numbers_are_their_places_and_below_must_understand),
        TEST(member_of_command_is_record_of_its_code),
        TEST(what_is_written_is_read_back),
        TEST(entries_of_every_array_are_read_back),
        TEST(absent_field_has_its_default),
        TEST(wrong_kind_is_refused_in_every_field),
        TEST(every_field_keeps_its_bounds),
        TEST(array_of_full_entries_fits_into_one_message),
        TEST(texts_names_and_patterns_are_checked),
        TEST(record_without_required_field_is_refused),
        TEST(field_that_is_there_twice_is_refused),
        TEST(unknown_field_is_skipped_and_changes_nothing),
        TEST(field_that_must_be_understood_is_refused),
        TEST(record_cut_anywhere_is_refused),
        TEST(mutated_record_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
