/* test_wire.c - the bounded reader, held against msgpack-c in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "common/rng.h"
#include "common/wire.h"

enum { VALID_ROUNDS = 4000, MUTATED_ROUNDS = 20000, STEPS_MAX = 300 };

#define BYTES(text) gg_slice_of(text, sizeof(text) - 1)

/* ---- the same value, read by both ---- */

static void compare(struct gg_reader *reader, const msgpack_object *object);

static void compare_map(struct gg_reader *reader, const msgpack_object *object)
{
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        compare(reader, &object->via.map.ptr[i].key);
        compare(reader, &object->via.map.ptr[i].val);
    }
}

static void compare_raw(const struct gg_token *token, const char *data, uint32_t size)
{
    assert_int_equal(token->raw.len, size);
    assert_memory_equal(token->raw.data, data, size);
}

/* A flat switch over what msgpack-c knows. */
static void compare(struct gg_reader *reader, const msgpack_object *object)
{
    struct gg_token token;
    assert_true(gg_reader_next(reader, &token));
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        assert_int_equal(token.kind, GG_WIRE_NIL);
        return;
    case MSGPACK_OBJECT_BOOLEAN:
        assert_int_equal(token.kind, GG_WIRE_BOOL);
        assert_int_equal(token.value, object->via.boolean);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        assert_int_equal(token.kind, GG_WIRE_UINT);
        assert_int_equal(token.value, object->via.u64);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert_int_equal(token.kind, GG_WIRE_NEGATIVE);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        assert_int_equal(token.kind, GG_WIRE_FLOAT);
        return;
    case MSGPACK_OBJECT_STR:
        assert_int_equal(token.kind, GG_WIRE_STR);
        compare_raw(&token, object->via.str.ptr, object->via.str.size);
        return;
    case MSGPACK_OBJECT_BIN:
        assert_int_equal(token.kind, GG_WIRE_BIN);
        compare_raw(&token, object->via.bin.ptr, object->via.bin.size);
        return;
    case MSGPACK_OBJECT_EXT: /* Ours has the type as its first byte. */
        assert_int_equal(token.kind, GG_WIRE_EXT);
        assert_int_equal(token.raw.data[0], (uint8_t)object->via.ext.type);
        token.raw = gg_slice_of(token.raw.data + 1, token.raw.len - 1);
        compare_raw(&token, object->via.ext.ptr, object->via.ext.size);
        return;
    case MSGPACK_OBJECT_ARRAY:
        assert_int_equal(token.kind, GG_WIRE_ARRAY);
        assert_int_equal(token.value, object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            compare(reader, &object->via.array.ptr[i]);
        }
        return;
    case MSGPACK_OBJECT_MAP:
        assert_int_equal(token.kind, GG_WIRE_MAP);
        assert_int_equal(token.value, object->via.map.size);
        compare_map(reader, object);
        return;
    }
    fail_msg("msgpack-c knows a type that we do not");
}

/* What we accept, msgpack-c must decode to its last byte, as the same values. */
static void expect_msgpack_agrees(struct gg_slice bytes)
{
    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    size_t used = 0;
    msgpack_unpack_return got = msgpack_unpack_next(&result, (const char *)bytes.data,
                                                    bytes.len, &used);
    assert_int_equal(got, MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(used, bytes.len);

    struct gg_reader reader = gg_reader_of(bytes);
    compare(&reader, &result.data);
    assert_ptr_equal(reader.at, reader.end);
    msgpack_unpacked_destroy(&result);
}

static bool msgpack_accepts(struct gg_slice bytes)
{
    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    size_t used = 0;
    msgpack_unpack_return got = msgpack_unpack_next(&result, (const char *)bytes.data,
                                                    bytes.len, &used);
    msgpack_unpacked_destroy(&result);
    return got == MSGPACK_UNPACK_SUCCESS && used == bytes.len;
}

/* ---- random values ---- */

struct maker {
    struct gg_rng rng;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
};

static size_t pack_length(struct maker *m)
{
    static const size_t lengths[] = {0, 1, 2, 4, 8, 16, 31, 32, 255, 256, 70000};
    return lengths[gg_rng_below(&m->rng, gg_rng_below(&m->rng, 20) == 0 ? 11 : 9)];
}

static void pack_raw(struct maker *m, uint64_t kind)
{
    static const char zeros[70000];
    size_t len = pack_length(m);
    if (kind == 0) {
        (void)msgpack_pack_str_with_body(&m->packer, zeros, len);
    } else if (kind == 1) {
        (void)msgpack_pack_bin_with_body(&m->packer, zeros, len);
    } else {
        (void)msgpack_pack_ext_with_body(&m->packer, zeros, len,
                                         (int8_t)gg_rng_below(&m->rng, 100));
    }
}

static void pack_scalar(struct maker *m)
{
    uint64_t bits = gg_rng_next(&m->rng) >> gg_rng_below(&m->rng, 64);
    switch (gg_rng_below(&m->rng, 8)) {
    case 0:
        (void)msgpack_pack_nil(&m->packer);
        return;
    case 1:
        (void)msgpack_pack_true(&m->packer);
        return;
    case 2:
        (void)msgpack_pack_uint64(&m->packer, bits);
        return;
    case 3:
        (void)msgpack_pack_int64(&m->packer, (int64_t)bits);
        return;
    case 4: /* A signed format that holds a value above zero: ours is a UINT too. */
        (void)msgpack_pack_fix_int64(&m->packer, (int64_t)(bits >> 1));
        return;
    case 5:
        (void)msgpack_pack_double(&m->packer, (double)bits);
        return;
    default:
        pack_raw(m, bits % 3);
        return;
    }
}

/* At most `depth` containers inside each other. */
static void pack_any(struct maker *m, int depth)
{
    uint64_t kind = depth == 0 ? 2 : gg_rng_below(&m->rng, 4);
    if (kind >= 2) {
        pack_scalar(m);
        return;
    }
    uint64_t count = gg_rng_below(&m->rng, gg_rng_below(&m->rng, 30) == 0 ? 20 : 5);
    if (kind == 0) {
        (void)msgpack_pack_array(&m->packer, count);
    } else {
        (void)msgpack_pack_map(&m->packer, count);
        count *= 2;
    }
    for (; count > 0; count--) {
        pack_any(m, depth - 1);
    }
}

static struct gg_slice make(struct maker *m)
{
    msgpack_sbuffer_clear(&m->buffer);
    pack_any(m, GG_WIRE_DEPTH_MAX);
    return gg_slice_of(m->buffer.data, m->buffer.size);
}

static int setup(void **state)
{
    struct maker *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->rng.state = 7;
    msgpack_sbuffer_init(&m->buffer);
    msgpack_packer_init(&m->packer, &m->buffer, msgpack_sbuffer_write);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct maker *m = *state;
    msgpack_sbuffer_destroy(&m->buffer);
    free(m);
    return 0;
}

/* ---- differential ---- */

static void what_msgpack_packs_is_read_as_the_same_values(void **state)
{
    struct maker *m = *state;
    for (int round = 0; round < VALID_ROUNDS; round++) {
        struct gg_slice bytes = make(m);

        assert_true(gg_wire_check(bytes));

        expect_msgpack_agrees(bytes);
    }
}

/* Valid bytes cut short are never a whole value. The copy lets the sanitizer see any
 * read beyond the end. */
static void value_cut_anywhere_is_refused(void **state)
{
    struct maker *m = *state;
    for (int round = 0; round < 300; round++) {
        struct gg_slice bytes = make(m);
        for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / STEPS_MAX) {
            uint8_t *copy = malloc(len == 0 ? 1 : len);
            assert_non_null(copy);
            memcpy(copy, bytes.data, len);
            assert_false(gg_wire_check(gg_slice_of(copy, len)));
            free(copy);
        }
    }
}

static void mutate(struct gg_rng *rng, uint8_t *bytes, size_t len)
{
    for (uint64_t n = 1 + gg_rng_below(rng, 4); n > 0; n--) {
        size_t at = gg_rng_below(rng, 4) == 0 ? gg_rng_below(rng, len)
                                              : gg_rng_below(rng, len < 40 ? len : 40);
        bytes[at] = gg_rng_below(rng, 2) == 0 ? (uint8_t)gg_rng_next(rng)
                                              : (uint8_t)(0xc0 + gg_rng_below(rng, 32));
    }
}

static void mutated_bytes_we_accept_msgpack_reads_alike(void **state)
{
    struct maker *m = *state;
    int accepted = 0;
    for (int round = 0; round < MUTATED_ROUNDS; round++) {
        struct gg_slice bytes = make(m);
        if (bytes.len > 4096) {
            continue;
        }
        uint8_t *copy = malloc(bytes.len);
        assert_non_null(copy);
        memcpy(copy, bytes.data, bytes.len);
        mutate(&m->rng, copy, bytes.len);
        struct gg_slice mutated = gg_slice_of(copy, bytes.len);
        if (gg_wire_check(mutated)) {
            accepted++;
            expect_msgpack_agrees(mutated);
        }
        free(copy);
    }
    assert_true(accepted > MUTATED_ROUNDS / 20);
    assert_true(accepted < MUTATED_ROUNDS);
}

/* Here none can claim much, so msgpack-c may see them all: both ways. */
static void all_inputs_of_two_bytes_are_judged_as_msgpack_judges(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 0x10000; value++) {
        const uint8_t two[] = {(uint8_t)(value >> 8), (uint8_t)value};
        assert_int_equal(gg_wire_check(gg_slice_of(two, 2)),
                         msgpack_accepts(gg_slice_of(two, 2)));
        assert_int_equal(gg_wire_check(gg_slice_of(two, 1)),
                         msgpack_accepts(gg_slice_of(two, 1)));
    }
}

/* ---- claimed sizes ---- */

static void head_that_claims_more_than_there_is_is_refused(void **state)
{
    (void)state;
    assert_false(gg_wire_check(BYTES("\xdf\xff\xff\xff\xff"))); /* map 32 */
    assert_false(gg_wire_check(BYTES("\xdf\x80\x00\x00\x00"))); /* times 2: 2^32 */
    assert_false(gg_wire_check(BYTES("\xdd\xff\xff\xff\xff"))); /* array 32 */
    assert_false(gg_wire_check(BYTES("\xde\xff\xff")));         /* map 16 */
    assert_false(gg_wire_check(BYTES("\xdc\xff\xff")));         /* array 16 */
    assert_false(gg_wire_check(BYTES("\xc6\xff\xff\xff\xff"))); /* bin 32 */
    assert_false(gg_wire_check(BYTES("\xdb\xff\xff\xff\xff"))); /* str 32 */
    assert_false(gg_wire_check(BYTES("\xc9\xff\xff\xff\xff"))); /* ext 32 */
    assert_false(gg_wire_check(BYTES("\xc9\xff\xff\xff\xff\x01")));
    assert_false(gg_wire_check(BYTES("\xc4\x02\x61")));
    assert_true(gg_wire_check(BYTES("\xc4\x01\x61")));
}

/* Each level alone claims less than the rest of the bytes; together far more. */
static void nested_arrays_that_claim_much_together_are_refused(void **state)
{
    (void)state;
    enum { COPIES = 2000 };
    struct gg_buf buf;
    gg_buf_init(&buf, 1 << 16);
    for (int i = 0; i < COPIES; i++) {
        gg_buf_append(&buf, "\xdd\x00\x00\x07\xd0", 5); /* array 32 of 2000 */
    }
    assert_false(buf.failed);

    assert_false(gg_wire_check(gg_buf_slice(&buf)));

    gg_buf_fini(&buf);
}

/* ---- the bounds ---- */

static bool check_nested(uint8_t format, const char *inside)
{
    struct gg_buf buf;
    gg_buf_init(&buf, 1024);
    for (int i = 0; i < GG_WIRE_DEPTH_MAX; i++) {
        gg_buf_append(&buf, &format, 1);
        if (format == 0x81) {
            gg_buf_append(&buf, "\x01", 1);
        }
    }
    gg_buf_append(&buf, inside, strlen(inside));
    bool accepted = gg_wire_check(gg_buf_slice(&buf));
    gg_buf_fini(&buf);
    return accepted;
}

static void containers_nest_to_the_bound_and_no_deeper(void **state)
{
    (void)state;
    assert_true(check_nested(0x91, "\x01"));
    assert_true(check_nested(0x81, "\x01"));
    assert_false(check_nested(0x91, "\x91\x01"));
    assert_false(check_nested(0x81, "\x81\x01\x01"));
    assert_false(check_nested(0x91, "\x90")); /* An empty one is a container too. */
    assert_false(check_nested(0x81, "\x80"));
}

static bool check_count(uint32_t entries)
{
    const uint8_t head[] = {0xdd, (uint8_t)(entries >> 24), (uint8_t)(entries >> 16),
                            (uint8_t)(entries >> 8), (uint8_t)entries};
    uint8_t *bytes = malloc(sizeof head + entries);
    assert_non_null(bytes);
    memcpy(bytes, head, sizeof head);
    memset(bytes + sizeof head, 0xc0, entries);
    bool accepted = gg_wire_check(gg_slice_of(bytes, sizeof head + entries));
    free(bytes);
    return accepted;
}

static void values_are_counted_to_the_bound_and_no_further(void **state)
{
    (void)state;
    assert_true(check_count(GG_WIRE_NODES_MAX - 1));
    assert_false(check_count(GG_WIRE_NODES_MAX));
}

/* ---- single values ---- */

static void one_value_and_nothing_behind_it(void **state)
{
    (void)state;
    assert_false(gg_wire_check((struct gg_slice){0}));
    assert_false(gg_wire_check(gg_slice_of("", 0)));
    assert_true(gg_wire_check(BYTES("\x00")));
    assert_false(gg_wire_check(BYTES("\x00\x00")));
    assert_false(gg_wire_check(BYTES("\xc1"))); /* Never used. */
    assert_false(gg_wire_check(BYTES("\x91\xc1")));
}

static struct gg_token first_of(struct gg_slice bytes)
{
    struct gg_token token = {0};
    struct gg_reader reader = gg_reader_of(bytes);
    assert_true(gg_reader_next(&reader, &token));
    assert_ptr_equal(reader.at, reader.end);
    return token;
}

static void integer_is_unsigned_in_any_format_that_can_hold_it(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t value;
    } rows[] = {
        {"\x7f", 1, 127},
        {"\xcc\x7f", 2, 127},
        {"\xcd\x00\x7f", 3, 127},
        {"\xce\x00\x00\x00\x7f", 5, 127},
        {"\xcf\x00\x00\x00\x00\x00\x00\x00\x7f", 9, 127},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, UINT64_MAX},
        {"\xd0\x7f", 2, 127},
        {"\xd1\x7f\xff", 3, 32767},
        {"\xd2\x7f\xff\xff\xff", 5, INT32_MAX},
        {"\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gg_token token = first_of(gg_slice_of(rows[i].bytes, rows[i].len));
        assert_int_equal(token.kind, GG_WIRE_UINT);
        assert_int_equal(token.value, rows[i].value);
    }
}

static void integer_below_zero_is_negative_in_every_format(void **state)
{
    (void)state;
    assert_int_equal(first_of(BYTES("\xff")).kind, GG_WIRE_NEGATIVE);
    assert_int_equal(first_of(BYTES("\xe0")).kind, GG_WIRE_NEGATIVE);
    assert_int_equal(first_of(BYTES("\xd0\x80")).kind, GG_WIRE_NEGATIVE);
    assert_int_equal(first_of(BYTES("\xd1\x80\x00")).kind, GG_WIRE_NEGATIVE);
    assert_int_equal(first_of(BYTES("\xd2\x80\x00\x00\x00")).kind, GG_WIRE_NEGATIVE);
    assert_int_equal(first_of(BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")).kind,
                     GG_WIRE_NEGATIVE);
}

static void skip_moves_past_one_value_whole(void **state)
{
    (void)state;
    struct gg_slice bytes = BYTES("\x92\x81\x01\xa1x\xc4\x02yz\x05");
    struct gg_reader reader = gg_reader_of(bytes);
    struct gg_token token;

    assert_true(gg_reader_skip(&reader));

    assert_true(gg_reader_next(&reader, &token));
    assert_int_equal(token.value, 5);
    assert_false(gg_reader_next(&reader, &token));
    assert_false(gg_reader_skip(&reader));
}

static void reader_of_nothing_has_nothing(void **state)
{
    (void)state;
    struct gg_token token;
    struct gg_reader reader = gg_reader_of((struct gg_slice){0});

    assert_false(gg_reader_next(&reader, &token));
    assert_false(gg_reader_skip(&reader));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_msgpack_packs_is_read_as_the_same_values),
        TEST(value_cut_anywhere_is_refused),
        TEST(mutated_bytes_we_accept_msgpack_reads_alike),
        TEST(all_inputs_of_two_bytes_are_judged_as_msgpack_judges),
        TEST(head_that_claims_more_than_there_is_is_refused),
        TEST(nested_arrays_that_claim_much_together_are_refused),
        TEST(containers_nest_to_the_bound_and_no_deeper),
        TEST(values_are_counted_to_the_bound_and_no_further),
        TEST(one_value_and_nothing_behind_it),
        TEST(integer_is_unsigned_in_any_format_that_can_hold_it),
        TEST(integer_below_zero_is_negative_in_every_format),
        TEST(skip_moves_past_one_value_whole),
        TEST(reader_of_nothing_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
