/* golden_store.c - the data folder of each format that was ever released still opens,
 * and holds what it held. `store/v1` was written by this program when format 1 was the
 * newest (GG_WRITE_GOLDEN=DIR does it); it is never written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/store/sqlite.h"
#include "tests/lib/scratch.h"

enum {
    RECORDS = 30,
    LARGE_BYTES = 5000,
    BLOB_BYTES = 300,
    PATH = 4096,
    LIMIT_MS = 20000
};

static uint8_t bytes[LARGE_BYTES];

static struct gg_store *open_at(const char *path)
{
    struct gg_store *store = NULL;
    struct gg_store_options options;
    struct gg_store_report report;
    gg_store_options_default(&options);
    options.ballast_bytes = 0;
    enum gg_err err = gg_store_open_sqlite(path, &options, &store, &report);
    assert_string_equal(report.fault, "");
    assert_int_equal(err, GG_OK);
    return store;
}

static struct gg_store_key key_of(uint8_t kind, uint8_t index)
{
    return (struct gg_store_key){.kind = kind, .id = {.bytes = {1, index}}};
}

/* The third of each kind is large, the others have as many bytes as their place. */
static struct gg_slice value_of(uint8_t index)
{
    return gg_slice_of(bytes, index == 3 ? LARGE_BYTES : index);
}

static void write_folder(const char *path)
{
    struct gg_store *store = open_at(path);
    uint64_t number = 0;
    for (uint8_t kind = 1; kind < GG_STORE_KIND_COUNT; kind++) {
        for (uint8_t i = 0; i < RECORDS; i++) {
            struct gg_store_key key = key_of(kind, i);
            assert_int_equal(gg_store_put(store, ++number, &key, value_of(i)), GG_OK);
        }
    }
    struct gg_store_blob_key key = {.id = key_of(1, 1).id, .part = 2};
    struct gg_blob *blob = gg_blob_new(gg_slice_of(bytes, BLOB_BYTES));
    assert_int_equal(gg_store_put_blob(store, ++number, &key, blob), GG_OK);
    gg_blob_unref(&blob);
    assert_int_equal(gg_store_sync(store), GG_OK);
    gg_store_close(&store);
}

static enum gg_err hold(void *ctx, const struct gg_store_key *key,
                        struct gg_slice value)
{
    int *count = ctx;
    struct gg_store_key expected = key_of(key->kind, key->id.bytes[1]);
    assert_true(gg_id_equal(&key->id, &expected.id));
    assert_true(gg_slice_equal(value, value_of(key->id.bytes[1])));
    (*count)++;
    return GG_OK;
}

static void expect_blob(struct gg_store *store)
{
    struct gg_store_blob_key key = {.id = key_of(1, 1).id, .part = 2};
    struct gg_store_answer answer;
    uint64_t durable = 0;
    assert_int_equal(gg_store_load(store, 1, &key), GG_OK);
    while (!gg_store_answered(store, &answer)) {
        struct pollfd fd = {.fd = gg_store_descriptor(store), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
        assert_int_equal(gg_store_durable(store, &durable), GG_OK);
    }
    assert_string_equal(answer.text, "");
    assert_true(
        gg_slice_equal(gg_blob_slice(answer.blob), gg_slice_of(bytes, BLOB_BYTES)));
    gg_blob_unref(&answer.blob);
}

static void folder_of_format_1_is_read(void **state)
{
    (void)state;
    char golden[PATH];
    const char *folder = getenv("GG_GOLDEN_DIR");
    assert_non_null(folder);
    (void)snprintf(golden, sizeof golden, "%s/v1", folder);
    const char *path = scratch_new();
    scratch_copy_tree(golden, path);

    struct gg_store *store = open_at(path);

    assert_int_equal(gg_store_number(store), 12 * RECORDS + 1);
    for (int kind = 1; kind <= 12; kind++) {
        int count = 0;
        assert_int_equal(gg_store_scan(store, (enum gg_store_kind)kind, hold, &count),
                         GG_OK);
        assert_int_equal(count, RECORDS);
    }
    expect_blob(store);
    gg_store_close(&store);
    scratch_remove();
}

int main(void)
{
    const char *write_to = getenv("GG_WRITE_GOLDEN");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    if (write_to != NULL) {
        write_folder(write_to);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(folder_of_format_1_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
