/* test_store.c - what every store backend must do: one set of tests, run on each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/store/store.h"
#include "tests/lib/slow_store.h"

static struct gg_store *open_memory(void)
{
    struct gg_store *store = NULL;
    assert_int_equal(gg_store_open_memory(&store), GG_OK);
    return store;
}

static const struct backend {
    const char *name;
    struct gg_store *(*open)(void);
} backends[] = {
    {.name = "memory", .open = open_memory},
    {.name = "slow", .open = slow_store_open},
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
    return 0;
}

static struct gg_id id_of(uint8_t last)
{
    return (struct gg_id){.bytes = {[0] = 9, [GG_ID_BYTES - 1] = last}};
}

static void put(struct gg_store *store, uint64_t number, uint8_t id, const char *text)
{
    struct gg_id full = id_of(id);
    assert_int_equal(gg_store_put(store, number, &full, gg_slice_text(text)), GG_OK);
}

struct seen {
    int count;
    uint8_t ids[8];
    char last[32];
    int stop_after; /* 0: never. */
};

static enum gg_err remember(void *ctx, const struct gg_id *id, struct gg_slice value)
{
    struct seen *seen = ctx;
    assert_true(seen->count < 8);
    seen->ids[seen->count++] = id->bytes[GG_ID_BYTES - 1];
    gg_slice_copy(value, seen->last, sizeof seen->last);
    return seen->count == seen->stop_after ? GG_ERR_BUSY : GG_OK;
}

static void scan_of_empty_store_visits_nothing(void **state)
{
    struct seen seen = {0};

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 0);
}

static void scan_visits_in_rising_order_of_id(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 7, "seven");
    put(*state, 2, 3, "three");
    put(*state, 5, 200, "last");

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.ids[0], 3);
    assert_int_equal(seen.ids[1], 7);
    assert_int_equal(seen.ids[2], 200);
    assert_string_equal(seen.last, "last");
}

static void put_replaces_old_value(void **state)
{
    struct seen seen = {0};
    put(*state, 1, 5, "ready");
    put(*state, 2, 5, "");

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_OK);

    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "");
}

static void del_removes_and_of_unknown_id_is_ok(void **state)
{
    struct seen seen = {0};
    struct gg_id five = id_of(5);
    struct gg_id six = id_of(6);
    put(*state, 1, 5, "gone");
    put(*state, 2, 7, "stays");

    assert_int_equal(gg_store_del(*state, 3, &five), GG_OK);
    assert_int_equal(gg_store_del(*state, 4, &six), GG_OK);

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.ids[0], 7);
}

static void visitor_error_ends_scan(void **state)
{
    struct seen seen = {.stop_after = 1};
    put(*state, 1, 1, "a");
    put(*state, 2, 2, "b");

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_ERR_BUSY);

    assert_int_equal(seen.count, 1);
}

static void value_is_copied(void **state)
{
    struct seen seen = {0};
    struct gg_id id = id_of(1);
    char text[] = "before";
    assert_int_equal(gg_store_put(*state, 1, &id, gg_slice_text(text)), GG_OK);

    text[0] = 'X';

    assert_int_equal(gg_store_scan(*state, remember, &seen), GG_OK);
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
    struct gg_id id = id_of(1);
    put(*state, 3, 1, "a");
    assert_int_equal(gg_store_commit(*state), GG_OK);
    assert_int_equal(gg_store_del(*state, 8, &id), GG_OK);

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

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(scan_of_empty_store_visits_nothing),
        TEST(scan_visits_in_rising_order_of_id),
        TEST(put_replaces_old_value),
        TEST(del_removes_and_of_unknown_id_is_ok),
        TEST(visitor_error_ends_scan),
        TEST(value_is_copied),
        TEST(nothing_is_durable_without_commit),
        TEST(sync_makes_all_before_it_durable),
        TEST(commit_never_makes_later_records_durable),
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        backend = &backends[i];
        failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
    }
    return failed;
}
