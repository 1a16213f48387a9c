/* test_bytes.c - slices, UTF-8, shared payloads, buffers with a maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "common/bytes.h"
#include "common/rng.h"

static void slices_are_equal_by_their_bytes(void **state)
{
    (void)state;
    struct gg_slice none = {0};
    assert_true(gg_slice_equal(none, none));
    assert_true(gg_slice_equal(none, gg_slice_text("")));
    assert_false(gg_slice_equal(none, gg_slice_text("a")));
    assert_true(gg_slice_equal(gg_slice_text("ab"), gg_slice_of("abc", 2)));
    assert_false(gg_slice_equal(gg_slice_text("ab"), gg_slice_text("aB")));
    assert_false(gg_slice_equal(gg_slice_of("a\0b", 3), gg_slice_of("a\0c", 3)));
}

static void copied_slice_is_cut_and_always_ended(void **state)
{
    (void)state;
    char text[4] = "xyz";
    gg_slice_copy(gg_slice_text("abc"), text, sizeof text);
    assert_string_equal(text, "abc");
    gg_slice_copy(gg_slice_text("abcd"), text, sizeof text);
    assert_string_equal(text, "abc");
    gg_slice_copy((struct gg_slice){0}, text, sizeof text);
    assert_string_equal(text, "");
    gg_slice_copy(gg_slice_text("abc"), text, 1);
    assert_string_equal(text, "");
}

/* Found by fuzz_core: an agent's long sentence was handed on to a client as half a
 * character at its end, which the client cannot read. */
static void slice_is_cut_between_characters(void **state)
{
    (void)state;
    char text[4] = "xyz";
    gg_slice_copy(gg_slice_text("ab\u00e9"), text, sizeof text);
    assert_string_equal(text, "ab");
    gg_slice_copy(gg_slice_text("a\u20ac"), text, sizeof text);
    assert_string_equal(text, "a");
    gg_slice_copy(gg_slice_text("a\u00e9x"), text, sizeof text);
    assert_string_equal(text, "a\u00e9");
}

static void utf8_is_judged_as_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "abc",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc2",
        "\xc2\x41",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf0\x90\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "a\xffz",
        "\xe2\x82\xac\xe2",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(gg_utf8_valid(gg_slice_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gg_utf8_valid(gg_slice_text(bad[i])));
    }
    assert_true(gg_utf8_valid(gg_slice_of("a\0b", 3)));
    assert_true(gg_utf8_valid((struct gg_slice){0}));
}

static int encode(uint32_t value, uint8_t out[4])
{
    if (value < 0x80) {
        out[0] = (uint8_t)value;
        return 1;
    }
    int follow = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (uint8_t)(lead[follow] | value >> (6 * follow));
    for (int i = 1; i <= follow; i++) {
        out[i] = (uint8_t)(0x80 | (value >> (6 * (follow - i)) & 0x3f));
    }
    return follow + 1;
}

static void every_letter_of_unicode_is_valid_and_no_surrogate(void **state)
{
    (void)state;
    for (uint32_t value = 0; value <= 0x1fffff; value++) {
        uint8_t bytes[4];
        size_t len = (size_t)encode(value, bytes);
        bool letter = value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
        assert_int_equal(gg_utf8_valid(gg_slice_of(bytes, len)), letter);
    }
}

static void payload_lives_until_its_last_holder_goes(void **state)
{
    (void)state;
    char source[] = "payload";
    struct gg_blob *a = gg_blob_new(gg_slice_text(source));
    assert_non_null(a);
    source[0] = 'X'; /* The blob has its own copy. */
    struct gg_blob *b = gg_blob_ref(a);
    assert_ptr_equal(a, b);

    gg_blob_unref(&a);

    assert_null(a);
    assert_true(gg_slice_equal(gg_blob_slice(b), gg_slice_text("payload")));
    gg_blob_unref(&b);
    gg_blob_unref(&b);
    assert_null(b);
}

static void no_payload_and_empty_payload_are_empty(void **state)
{
    (void)state;
    struct gg_blob *blob = gg_blob_new((struct gg_slice){0});
    assert_non_null(blob);
    assert_int_equal(gg_blob_slice(blob).len, 0);
    gg_blob_unref(&blob);
    assert_int_equal(gg_blob_slice(NULL).len, 0);
}

struct lent {
    struct gg_far_blob far;
    int *released;
};

static void count_release(struct gg_far_blob *far)
{
    struct lent *lent = (struct lent *)far;
    (*lent->released)++;
    free(lent);
}

static struct gg_blob *lend(struct gg_slice bytes, int *released)
{
    struct lent *lent = malloc(sizeof *lent);
    assert_non_null(lent);
    lent->released = released;
    gg_far_blob_init(&lent->far, bytes, count_release);
    return &lent->far.blob;
}

static void far_payload_is_given_back_once_by_its_last_holder(void **state)
{
    (void)state;
    static const uint8_t sizes[] = {1, 0};
    for (size_t i = 0; i < sizeof sizes; i++) {
        static const uint8_t bytes[GG_BLOB_LARGE_BYTES];
        struct gg_slice lent = gg_slice_of(bytes, sizeof bytes - sizes[i]);
        int released = 0;
        struct gg_blob *a = lend(lent, &released);
        struct gg_blob *b = gg_blob_ref(a);
        assert_ptr_equal(gg_blob_slice(a).data, bytes);
        gg_blob_unref(&a);
        assert_int_equal(released, 0);
        gg_blob_unref(&b);
        assert_int_equal(released, 1);
    }
}

static void only_a_whole_payload_is_kept_with_its_holder(void **state)
{
    (void)state;
    int released = 0;
    struct gg_slice bytes = gg_slice_text("payload");
    struct gg_blob *holder = lend(bytes, &released);

    struct gg_blob *whole = gg_blob_keep(bytes, holder);
    struct gg_blob *part = gg_blob_keep(gg_slice_of(bytes.data, 3), holder);
    struct gg_blob *alone = gg_blob_keep(bytes, NULL);
    gg_blob_unref(&holder);

    assert_ptr_equal(gg_blob_slice(whole).data, bytes.data);
    assert_true(gg_slice_equal(gg_blob_slice(part), gg_slice_text("pay")));
    assert_ptr_not_equal(gg_blob_slice(part).data, bytes.data);
    assert_true(gg_slice_equal(gg_blob_slice(alone), bytes));
    assert_ptr_not_equal(gg_blob_slice(alone).data, bytes.data);
    assert_int_equal(released, 0);
    gg_blob_unref(&whole);
    assert_int_equal(released, 1);
    gg_blob_unref(&part);
    gg_blob_unref(&alone);
}

enum { COUNTERS = 4, TURNS = 20000 };

static void *count_up_and_down(void *shared)
{
    for (int i = 0; i < TURNS; i++) {
        struct gg_blob *mine = gg_blob_ref(shared);
        gg_blob_unref(&mine);
    }
    return NULL;
}

static void large_payload_is_counted_by_several_threads(void **state)
{
    (void)state;
    static const uint8_t bytes[GG_BLOB_LARGE_BYTES];
    int released = 0;
    pthread_t threads[COUNTERS];
    struct gg_blob *blob = lend(gg_slice_of(bytes, sizeof bytes), &released);
    for (int i = 0; i < COUNTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up_and_down, blob), 0);
    }
    for (int i = 0; i < COUNTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }

    assert_int_equal(atomic_load(&blob->refs), 1);
    assert_int_equal(released, 0);
    gg_blob_unref(&blob);
    assert_int_equal(released, 1);
}

static void buffer_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    struct gg_buf buf;
    gg_buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t)i;
        gg_buf_append(&buf, &byte, 1);
    }
    assert_false(buf.failed);
    assert_int_equal(buf.len, 1000);
    assert_int_equal(buf.room, 1000);

    gg_buf_append(&buf, "x", 1);

    assert_true(buf.failed);
    assert_int_equal(buf.len, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf.data[i], i & 0xff);
    }
    gg_buf_fini(&buf);
    assert_int_equal(buf.max, 1000);
    assert_false(buf.failed);
    gg_buf_append(&buf, "again", 5);
    assert_true(gg_slice_equal(gg_buf_slice(&buf), gg_slice_text("again")));
    gg_buf_fini(&buf);
}

static void append_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct gg_buf buf;
    gg_buf_init(&buf, 10);
    gg_buf_append(&buf, "12345", 5);
    gg_buf_append(&buf, "678901", 6);
    assert_true(buf.failed);
    assert_true(gg_slice_equal(gg_buf_slice(&buf), gg_slice_text("12345")));
    assert_false(gg_buf_reserve(&buf, 1)); /* Until someone has looked. */

    gg_buf_cut(&buf, 3);

    assert_false(buf.failed);
    gg_buf_append(&buf, "4567890", 7);
    assert_true(gg_slice_equal(gg_buf_slice(&buf), gg_slice_text("1234567890")));
    gg_buf_fini(&buf);
}

static void reserve_beyond_any_size_is_refused(void **state)
{
    (void)state;
    struct gg_buf buf;
    gg_buf_init(&buf, SIZE_MAX / 4);
    gg_buf_append(&buf, "a", 1);
    assert_false(gg_buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    gg_buf_clear(&buf);
    assert_true(gg_buf_reserve(&buf, 0));
    assert_true(gg_buf_reserve(&buf, 5000));
    assert_true(buf.room >= 5000);
    gg_buf_append(&buf, NULL, 0);
    assert_int_equal(buf.len, 0);
    gg_buf_fini(&buf);
    gg_buf_fini(&buf);
}

static void cleared_buffer_keeps_its_memory(void **state)
{
    (void)state;
    struct gg_buf buf;
    gg_buf_init(&buf, 1 << 20);
    gg_buf_append(&buf, "abc", 3);
    const uint8_t *data = buf.data;

    gg_buf_clear(&buf);
    gg_buf_append(&buf, "d", 1);

    assert_ptr_equal(buf.data, data);
    assert_int_equal(buf.len, 1);
    gg_buf_fini(&buf);
}

static void pieces_come_out_as_they_went_in(void **state)
{
    (void)state;
    static uint8_t model[100000];
    struct gg_rng rng = {.state = 9};
    struct gg_buf buf;
    gg_buf_init(&buf, sizeof model);
    size_t len = 0;
    for (;;) {
        size_t piece = gg_rng_below(&rng, 700);
        if (len + piece > sizeof model) {
            break;
        }
        for (size_t i = 0; i < piece; i++) {
            model[len + i] = (uint8_t)gg_rng_next(&rng);
        }
        gg_buf_append(&buf, model + len, piece);
        len += piece;
    }
    assert_false(buf.failed);
    assert_true(gg_slice_equal(gg_buf_slice(&buf), gg_slice_of(model, len)));
    gg_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_equal_by_their_bytes),
        cmocka_unit_test(copied_slice_is_cut_and_always_ended),
        cmocka_unit_test(slice_is_cut_between_characters),
        cmocka_unit_test(utf8_is_judged_as_rfc_3629_says),
        cmocka_unit_test(every_letter_of_unicode_is_valid_and_no_surrogate),
        cmocka_unit_test(payload_lives_until_its_last_holder_goes),
        cmocka_unit_test(no_payload_and_empty_payload_are_empty),
        cmocka_unit_test(far_payload_is_given_back_once_by_its_last_holder),
        cmocka_unit_test(only_a_whole_payload_is_kept_with_its_holder),
        cmocka_unit_test(large_payload_is_counted_by_several_threads),
        cmocka_unit_test(buffer_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(append_that_does_not_fit_changes_nothing),
        cmocka_unit_test(reserve_beyond_any_size_is_refused),
        cmocka_unit_test(cleared_buffer_keeps_its_memory),
        cmocka_unit_test(pieces_come_out_as_they_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
