/* test_store.c - what every store backend must do: one set of tests, run on each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>

#include "broker/store/sqlite.h"
#include "tests/lib/disk.h"
#include "tests/lib/scratch.h"
#include "tests/lib/slow_store.h"

enum { LIMIT_MS = 20000 };

static struct gg_store *open_memory(void)
{
    struct gg_store *store = NULL;
    assert_int_equal(gg_store_open_memory(&store), GG_OK);
    return store;
}

static struct gg_store *open_with(const struct gg_store_options *options)
{
    struct gg_store *store = NULL;
    struct gg_store_report report;
    enum gg_err err = gg_store_open_sqlite(scratch_new(), options, &store, &report);
    assert_string_equal(report.fault, "");
    assert_int_equal(err, GG_OK);
    return store;
}

static struct gg_store *open_sqlite(void)
{
    struct gg_store_options options;
    gg_store_options_default(&options);
    options.ballast_bytes = 0;
    return open_with(&options);
}

static struct gg_store *open_on_disk(void)
{
    struct gg_store_options options;
    disk_reset();
    gg_store_options_default(&options);
    options.ballast_bytes = 4096;
    options.files = disk_files();
    options.vfs = disk_vfs();
    return open_with(&options);
}

static const struct backend {
    const char *name;
    struct gg_store *(*open)(void);
} backends[] = {
    {.name = "memory", .open = open_memory},
    {.name = "slow", .open = slow_store_open},
    {.name = "sqlite", .open = open_sqlite},
    {.name = "sqlite on a disk that can fail", .open = open_on_disk},
};

static const struct backend *backend; /* The one under test; set by main(). */

static int setup(void **state)
{
    *state = backend->open();
    return 0;
}

static int teardown(void **state)
{
    struct gg_store *store = *state;
    gg_store_close(&store);
    gg_store_close(&store); /* Closing what is closed is harmless. */
    scratch_remove();
    disk_reset();
    return 0;
}

static struct gg_store_key key_of(uint8_t last)
{
    return (struct gg_store_key){
        .kind = GG_STORE_JOB,
        .id = {.bytes = {[0] = 9, [GG_ID_BYTES - 1] = last}},
    };
}

static struct gg_store_blob_key blob_key_of(uint8_t last, uint32_t part)
{
    return (struct gg_store_blob_key){.id = key_of(last).id, .part = part};
}

static void put(struct gg_store *store, uint64_t number, uint8_t id, const char *text)
{
    struct gg_store_key key = key_of(id);
    assert_int_equal(gg_store_put(store, number, &key, gg_slice_text(text)), GG_OK);
}

static void del(struct gg_store *store, uint64_t number, uint8_t id)
{
    struct gg_store_key key = key_of(id);
    assert_int_equal(gg_store_del(store, number, &key), GG_OK);
}

static void put_blob(struct gg_store *store, uint64_t number, uint8_t id, uint32_t part,
                     const char *text)
{
    struct gg_store_blob_key key = blob_key_of(id, part);
    struct gg_blob *blob = gg_blob_new(gg_slice_text(text));
    assert_non_null(blob);
    assert_int_equal(gg_store_put_blob(store, number, &key, blob), GG_OK);
    gg_blob_unref(&blob);
}

/* Wait for the answer to a question that has been asked. */
static struct gg_store_answer await(struct gg_store *store)
{
    struct gg_store_answer answer;
    for (;;) {
        uint64_t durable = 0;
        assert_int_equal(gg_store_durable(store, &durable), GG_OK);
        if (gg_store_answered(store, &answer)) {
            return answer;
        }
        struct pollfd fd = {.fd = gg_store_descriptor(store), .events = POLLIN};
        assert_true(fd.fd >= 0);
        assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
    }
}

static void expect_blob(struct gg_store *store, uint8_t id, uint32_t part,
                        const char *text)
{
    struct gg_store_blob_key key = blob_key_of(id, part);
    assert_int_equal(gg_store_load(store, 77, &key), GG_OK);
    struct gg_store_answer answer = await(store);
    assert_int_equal(answer.ticket, 77);
    if (text == NULL) {
        assert_int_equal(answer.err, GG_ERR_NOT_FOUND);
        assert_null(answer.blob);
        return;
    }
    assert_string_equal(answer.text, "");
    assert_int_equal(answer.err, GG_OK);
    assert_true(gg_slice_equal(gg_blob_slice(answer.blob), gg_slice_text(text)));
    gg_blob_unref(&answer.blob);
}

struct seen {
    int count;
    uint8_t ids[8];
    char last[32];
    int stop_after; /* 0: never. */
};

static enum gg_err remember(void *ctx, const struct gg_store_key *key,
                            struct gg_slice value)
{
    struct seen *seen = ctx;
    assert_true(seen->count < 8);
    seen->ids[seen->count++] = key->id.bytes[GG_ID_BYTES - 1];
    gg_slice_copy(value, seen->last, sizeof seen->last);
    return seen->count == seen->stop_after ? GG_ERR_BUSY : GG_OK;
}

static void scan_of_empty_store_visits_nothing(void **state)
{
    struct seen seen = {0};

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 0);
}

static void scan_visits_every_record_once(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 7, "seven");
    put(*state, 2, 3, "three");
    put(*state, 5, 200, "last");

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.ids[0] + seen.ids[1] + seen.ids[2], 3 + 7 + 200);
    assert_int_not_equal(seen.ids[0], seen.ids[1]);
    assert_int_not_equal(seen.ids[1], seen.ids[2]);
}

static void put_replaces_old_value(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 5, "ready");
    put(*state, 2, 5, "");

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "");
}

static void del_removes_and_of_unknown_id_is_ok(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 5, "gone");
    put(*state, 2, 7, "stays");

    del(*state, 3, 5);
    del(*state, 4, 6);

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.ids[0], 7);
}

static void visitor_error_ends_scan(void **state)
{
    struct seen seen = {.stop_after = 1};
    put(*state, 1, 1, "a");
    put(*state, 2, 2, "b");

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_ERR_BUSY);

    assert_int_equal(seen.count, 1);
}

static void value_is_copied(void **state)
{
    struct seen seen = {0};
    char text[] = "before";
    put(*state, 1, 1, text);

    text[0] = 'X';

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);
    assert_string_equal(seen.last, "before");
}

static void nothing_is_durable_without_commit(void **state)
{
    uint64_t durable = 99;
    put(*state, 1, 1, "a");

    assert_int_equal(gg_store_durable(*state, &durable), GG_OK);

    assert_int_equal(durable, 0);
}

static void sync_makes_all_before_it_durable(void **state)
{
    uint64_t durable = 0;
    put(*state, 3, 1, "a");
    assert_int_equal(gg_store_commit(*state), GG_OK);
    del(*state, 8, 1);

    assert_int_equal(gg_store_sync(*state), GG_OK);

    assert_int_equal(gg_store_durable(*state, &durable), GG_OK);
    assert_int_equal(durable, 8);
}

static void commit_never_makes_later_records_durable(void **state)
{
    uint64_t durable = 0;
    put(*state, 1, 1, "a");
    assert_int_equal(gg_store_commit(*state), GG_OK);
    put(*state, 2, 2, "b");

    assert_int_equal(gg_store_durable(*state, &durable), GG_OK);

    assert_true(durable < 2);
}

static void kinds_do_not_mix(void **state)
{
    struct seen seen = {0};
    struct gg_store_key queue = key_of(1);
    queue.kind = GG_STORE_QUEUE;
    put(*state, 1, 1, "a job");
    assert_int_equal(gg_store_put(*state, 2, &queue, gg_slice_text("a queue")), GG_OK);
    del(*state, 3, 1);

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(gg_store_scan(*state, GG_STORE_QUEUE, remember, &seen), GG_OK);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "a queue");
}

static void same_name_has_same_key(void **state)
{
    (void)state;
    struct gg_store_key a = gg_store_key_named(GG_STORE_QUEUE, gg_slice_text("a"));
    struct gg_store_key b = gg_store_key_named(GG_STORE_QUEUE, gg_slice_text("b"));
    struct gg_store_key again = gg_store_key_named(GG_STORE_QUEUE, gg_slice_text("a"));

    assert_true(gg_id_equal(&a.id, &again.id));
    assert_false(gg_id_equal(&a.id, &b.id));
    assert_int_equal(a.kind, GG_STORE_QUEUE);
}

static void records_of_one_group_may_share_a_number(void **state)
{
    struct seen seen = {0};
    uint64_t durable = 0;
    put(*state, 4, 1, "a");
    put(*state, 4, 2, "b");

    assert_int_equal(gg_store_sync(*state), GG_OK);

    assert_int_equal(gg_store_durable(*state, &durable), GG_OK);
    assert_int_equal(durable, 4);
    assert_int_equal(gg_store_number(*state), 4);
    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);
    assert_int_equal(seen.count, 2);
}

/* Within a group, over groups, and over syncs: only the last word on a key counts. */
static void last_word_on_a_key_counts(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 1, "one");
    put(*state, 2, 2, "two");
    assert_int_equal(gg_store_sync(*state), GG_OK);
    put(*state, 3, 1, "three");
    del(*state, 4, 1);
    del(*state, 5, 2);
    put(*state, 6, 2, "six");
    assert_int_equal(gg_store_commit(*state), GG_OK);
    put(*state, 7, 3, "seven");
    del(*state, 8, 3);
    put(*state, 9, 2, "nine");
    assert_int_equal(gg_store_sync(*state), GG_OK);

    assert_int_equal(gg_store_scan(*state, GG_STORE_JOB, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "nine");
}

static void blob_is_loaded_as_it_was_put(void **state)
{
    put_blob(*state, 1, 1, 0, "payload");
    put_blob(*state, 2, 1, 1, "result");
    put_blob(*state, 3, 2, 0, "");
    expect_blob(*state, 1, 0, "payload"); /* Before it is durable. */

    assert_int_equal(gg_store_sync(*state), GG_OK);

    expect_blob(*state, 1, 0, "payload");
    expect_blob(*state, 1, 1, "result");
    expect_blob(*state, 2, 0, "");
    expect_blob(*state, 2, 1, NULL);
}

static void removed_blob_is_not_found(void **state)
{
    struct gg_store_blob_key key = blob_key_of(1, 0);
    put_blob(*state, 1, 1, 0, "payload");
    assert_int_equal(gg_store_sync(*state), GG_OK);

    assert_int_equal(gg_store_del_blob(*state, 2, &key), GG_OK);
    assert_int_equal(gg_store_del_blob(*state, 3, &key), GG_OK);
    assert_int_equal(gg_store_sync(*state), GG_OK);

    expect_blob(*state, 1, 0, NULL);
}

static void blob_may_come_and_go_in_one_group(void **state)
{
    struct gg_store_blob_key key = blob_key_of(1, 0);
    put_blob(*state, 1, 1, 0, "first");
    assert_int_equal(gg_store_del_blob(*state, 2, &key), GG_OK);
    assert_int_equal(gg_store_sync(*state), GG_OK);
    expect_blob(*state, 1, 0, NULL);

    put_blob(*state, 3, 1, 0, "second");
    assert_int_equal(gg_store_sync(*state), GG_OK);
    expect_blob(*state, 1, 0, "second");
}

/* As a replay does. */
static void same_blob_may_be_put_again(void **state)
{
    put_blob(*state, 1, 1, 0, "payload");
    assert_int_equal(gg_store_sync(*state), GG_OK);

    put_blob(*state, 2, 1, 0, "payload");

    assert_int_equal(gg_store_sync(*state), GG_OK);
    expect_blob(*state, 1, 0, "payload");
}

static void status_counts_what_is_there(void **state)
{
    struct gg_store *store = *state;
    struct gg_store_status status;
    put(store, 1, 1, "12345");
    put(store, 2, 2, "x");
    del(store, 3, 2);
    put_blob(store, 3, 1, 0, "payload");
    assert_int_equal(gg_store_sync(store), GG_OK);

    gg_store_status(store, &status);

    assert_int_equal(status.record_count, 1);
    assert_true(status.record_bytes >= 5);
    assert_int_equal(status.blob_count, 1);
    assert_int_equal(status.blob_bytes, 7);
    assert_int_equal(status.space, GG_STORE_SPACE_OK);
    assert_int_equal(gg_store_space(store), GG_STORE_SPACE_OK);
    char text[GG_STORE_TEXT_BYTES] = "x";
    gg_store_error(store, text);
    assert_string_equal(text, "");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(scan_of_empty_store_visits_nothing),
        TEST(scan_visits_every_record_once),
        TEST(put_replaces_old_value),
        TEST(del_removes_and_of_unknown_id_is_ok),
        TEST(visitor_error_ends_scan),
        TEST(value_is_copied),
        TEST(nothing_is_durable_without_commit),
        TEST(sync_makes_all_before_it_durable),
        TEST(commit_never_makes_later_records_durable),
        TEST(kinds_do_not_mix),
        TEST(same_name_has_same_key),
        TEST(records_of_one_group_may_share_a_number),
        TEST(last_word_on_a_key_counts),
        TEST(blob_is_loaded_as_it_was_put),
        TEST(removed_blob_is_not_found),
        TEST(blob_may_come_and_go_in_one_group),
        TEST(same_blob_may_be_put_again),
        TEST(status_counts_what_is_there),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        backend = &backends[i];
        failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
    }
    return failed;
}
