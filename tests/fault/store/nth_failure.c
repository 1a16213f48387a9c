/* nth_failure.c - the n-th write, sync or allocation of ours or of SQLite's fails, once
 * or for good. Whatever comes of it: nothing that the store said was durable is lost,
 * neither for one who kills it then nor when the power goes; nothing is there by half;
 * nothing leaks; and a store that has failed says why.
 *
 *   GG_EVERY_FAILURE=1    each n; otherwise a part of them, chosen by chance */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/assert.h"
#include "tests/fault/store/story.h"
#include "tests/lib/disk.h"
#include "tests/lib/scratch.h"

enum { STEPS = 12, SEED = 4, PATH = 4096, DISK_PART = 9, MEMORY_PART = 40 };

/* ---- allocations: ours by the linker's --wrap, SQLite's by its own table ---- */

static atomic_ulong allocation_count;
static atomic_ulong allocation_nth; /* 0: none fails. */
static atomic_bool allocations_fail_on;

void *__real_malloc(size_t size);                /* NOLINT */
void *__real_calloc(size_t count, size_t size);  /* NOLINT */
void *__real_realloc(void *memory, size_t size); /* NOLINT */
void *__wrap_malloc(size_t size);                /* NOLINT */
void *__wrap_calloc(size_t count, size_t size);  /* NOLINT */
void *__wrap_realloc(void *memory, size_t size); /* NOLINT */

static bool refused(void)
{
    unsigned long nth = atomic_load(&allocation_nth);
    if (story_making_up) {
        return false;
    }
    unsigned long count = atomic_fetch_add(&allocation_count, 1) + 1;
    return nth != 0 &&
           (count == nth || (count > nth && atomic_load(&allocations_fail_on)));
}

void *__wrap_malloc(size_t size) /* NOLINT */
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) /* NOLINT */
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) /* NOLINT */
{
    return refused() ? NULL : __real_realloc(memory, size);
}

static sqlite3_mem_methods memory_methods;

static void *sqlite_malloc(int size)
{
    return refused() ? NULL : memory_methods.xMalloc(size);
}

static void *sqlite_realloc(void *memory, int size)
{
    return refused() ? NULL : memory_methods.xRealloc(memory, size);
}

/* Returns how many there were since the last call. */
static unsigned long fail_allocations(unsigned long nth, bool for_good)
{
    unsigned long count = atomic_exchange(&allocation_count, 0);
    atomic_store(&allocations_fail_on, for_good);
    atomic_store(&allocation_nth, nth);
    return count;
}

/* ---- a story, and what is left of it ---- */

static bool failed_with_text(struct story *story, enum gg_err err)
{
    char text[GG_STORE_TEXT_BYTES] = "";
    gg_store_error(story->store, text);
    return err != GG_ERR_STORE || text[0] != '\0';
}

static struct gg_store *open_at(const char *path, bool on_disk,
                                struct gg_store_report *report)
{
    struct gg_store *store = NULL;
    struct gg_store_options options;
    gg_store_options_default(&options);
    options.ballast_bytes = 4096;
    if (on_disk) {
        options.files = disk_files();
        options.vfs = disk_vfs();
    }
    enum gg_err err = gg_store_open_sqlite(path, &options, &store, report);
    GG_ASSERT((err == GG_OK) == (store != NULL));
    GG_ASSERT(err == GG_OK || report->fault[0] != '\0');
    return store;
}

/* Open, live, close; whatever fails ends it. */
static void live(struct story *story, const char *path)
{
    struct gg_store_report report;
    enum gg_err err = GG_OK;
    story->store = open_at(path, true, &report);
    if (story->store == NULL) {
        return;
    }
    for (int i = 0; i < STEPS && err != GG_ERR_STORE; i++) {
        err = story_step(story);
    }
    if (err != GG_ERR_STORE) {
        err = gg_store_sync(story->store);
    }
    assert_true(failed_with_text(story, err));
    if (err == GG_OK) {
        assert_int_equal(story_listen(story), GG_OK);
    }
    gg_store_close(&story->store);
}

static void expect_back(struct story *story, const char *path, const char *when)
{
    struct gg_store_report report;
    struct gg_store *store = open_at(path, false, &report);
    if (store == NULL || !story_holds(story, store)) {
        print_error("%s: %s\n", when, store == NULL ? report.fault : story->why);
        fail();
    }
    gg_store_close(&store);
}

/* As it is after a kill, and as it is when the power goes at the end. */
static void expect_truth(struct story *story, const char *path, const char *when)
{
    char after_cut[PATH];
    (void)snprintf(after_cut, sizeof after_cut, "%s/cut", scratch_above());
    disk_cut(path, after_cut, DISK_NOTHING, 0);
    expect_back(story, after_cut, when);
    expect_back(story, path, when);
}

static uint64_t next_nth(struct gg_rng *rng, uint64_t nth, uint64_t part)
{
    return getenv("GG_EVERY_FAILURE") != NULL ? nth + 1
                                              : nth + 1 + gg_rng_below(rng, 2 * part);
}

static uint64_t count_calls(void)
{
    struct story *story = story_new(SEED);
    disk_reset();
    live(story, scratch_new());
    uint64_t calls = disk_calls();
    scratch_remove();
    free(story);
    return calls;
}

/* For each n until the story passes untouched. */
static void every_nth_call_fails(enum disk_fault fault, bool for_good)
{
    static const char *const names[] = {"sound", "full", "short", "error", "dead"};
    struct gg_rng rng;
    gg_rng_seed(&rng);
    uint64_t calls = count_calls();
    assert_true(calls > 50);
    for (uint64_t nth = 1; nth <= calls; nth = next_nth(&rng, nth, DISK_PART)) {
        char when[64];
        struct story *story = story_new(SEED);
        const char *path = scratch_new();
        (void)snprintf(when, sizeof when, "%s at call %llu%s", names[fault],
                       (unsigned long long)nth, for_good ? " and after" : "");
        disk_reset();
        disk_plan(nth, fault, for_good);
        live(story, path);
        disk_plan(0, DISK_SOUND, false);
        expect_truth(story, path, when);
        free(story);
        scratch_remove();
    }
    disk_reset();
}

static void full_disk_once_is_overcome_or_told(void **state)
{
    (void)state;
    every_nth_call_fails(DISK_FULL, false);
}

static void disk_that_stays_full_is_told(void **state)
{
    (void)state;
    every_nth_call_fails(DISK_FULL, true);
}

static void short_write_is_overcome_or_told(void **state)
{
    (void)state;
    every_nth_call_fails(DISK_SHORT, false);
}

static void failed_call_is_told(void **state)
{
    (void)state;
    every_nth_call_fails(DISK_ERROR, false);
}

static void disk_that_has_failed_is_told(void **state)
{
    (void)state;
    every_nth_call_fails(DISK_ERROR, true);
}

/* A failed sync is the end: no second one is believed. */
static void nothing_is_durable_after_a_failed_sync(void **state)
{
    (void)state;
    struct gg_store_report report;
    struct gg_store_key key = {.kind = GG_STORE_JOB, .id = {.bytes = {1}}};
    uint64_t durable = 0;
    bool struck = false;
    for (uint64_t nth = 1; nth < 12 && !struck; nth++) {
        disk_reset();
        struct gg_store *store = open_at(scratch_new(), true, &report);
        assert_non_null(store);
        disk_plan(nth, DISK_ERROR, false);
        assert_int_equal(gg_store_put(store, 1, &key, gg_slice_text("a")), GG_OK);
        enum gg_err err = gg_store_sync(store);
        struck = disk_struck() && err == GG_ERR_STORE;
        if (struck) {
            assert_int_equal(gg_store_durable(store, &durable), GG_ERR_STORE);
            assert_int_equal(gg_store_put(store, 2, &key, gg_slice_text("b")),
                             GG_ERR_STORE);
            assert_int_equal(gg_store_commit(store), GG_ERR_STORE);
            assert_int_equal(gg_store_sync(store), GG_ERR_STORE);
        }
        gg_store_close(&store);
        scratch_remove();
    }
    assert_true(struck);
    disk_reset();
}

static void disk_that_cannot_sync_is_refused_by_name(void **state)
{
    (void)state;
    bool named = false;
    for (uint64_t nth = 1; nth < 12 && !named; nth++) {
        struct gg_store_report report;
        disk_reset();
        disk_plan(nth, DISK_ERROR, true);
        struct gg_store *store = open_at(scratch_new(), true, &report);
        named = store == NULL && strstr(report.fault, "cannot sync") != NULL;
        gg_store_close(&store);
        scratch_remove();
    }
    assert_true(named);
    disk_reset();
}

/* SQLite needs a little room even to read. */
static void start_on_a_full_disk_takes_the_room_of_the_ballast(void **state)
{
    (void)state;
    struct gg_store_report report;
    struct stat stat_of;
    char ballast[PATH];
    disk_reset();
    const char *path = scratch_new();
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", path);
    struct gg_store *store = open_at(path, true, &report);
    assert_non_null(store);
    gg_store_close(&store);
    assert_int_equal(stat(ballast, &stat_of), 0);
    disk_set_free(0);

    store = open_at(path, true, &report);

    assert_non_null(store);
    assert_int_equal(stat(ballast, &stat_of), -1);
    assert_int_equal(gg_store_space(store), GG_STORE_SPACE_LOW);
    gg_store_close(&store);
    scratch_remove();
    disk_reset();
}

/* The first part of the allocations is those of opening. */
static unsigned long live_without_memory(struct story *story, const char *path,
                                         unsigned long nth, bool for_good)
{
    struct gg_store_report report;
    enum gg_err err = GG_OK;
    (void)fail_allocations(nth, for_good);
    story->store = open_at(path, false, &report);
    for (int i = 0; i < STEPS && err != GG_ERR_STORE && story->store != NULL; i++) {
        err = story_step(story);
    }
    unsigned long count = fail_allocations(0, false);
    if (story->store != NULL) {
        assert_true(failed_with_text(story, err));
    }
    gg_store_close(&story->store);
    return count;
}

static void every_nth_allocation_fails(bool for_good)
{
    struct gg_rng rng;
    gg_rng_seed(&rng);
    bool untouched = false;
    for (uint64_t nth = 1; !untouched; nth = next_nth(&rng, nth, MEMORY_PART)) {
        char when[64];
        struct story *story = story_new(SEED);
        const char *path = scratch_new();
        (void)snprintf(when, sizeof when, "allocation %llu%s", (unsigned long long)nth,
                       for_good ? " and after" : "");
        untouched = live_without_memory(story, path, nth, for_good) < nth;
        expect_back(story, path, when);
        free(story);
        scratch_remove();
    }
}

static void failed_allocation_is_told(void **state)
{
    (void)state;
    every_nth_allocation_fails(false);
}

static void end_of_memory_is_told(void **state)
{
    (void)state;
    every_nth_allocation_fails(true);
}

int main(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory_methods);
    GG_ASSERT(rc == SQLITE_OK);
    sqlite3_mem_methods ours = memory_methods;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    GG_ASSERT(rc == SQLITE_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk_once_is_overcome_or_told),
        cmocka_unit_test(disk_that_stays_full_is_told),
        cmocka_unit_test(short_write_is_overcome_or_told),
        cmocka_unit_test(failed_call_is_told),
        cmocka_unit_test(disk_that_has_failed_is_told),
        cmocka_unit_test(nothing_is_durable_after_a_failed_sync),
        cmocka_unit_test(disk_that_cannot_sync_is_refused_by_name),
        cmocka_unit_test(start_on_a_full_disk_takes_the_room_of_the_ballast),
        cmocka_unit_test(failed_allocation_is_told),
        cmocka_unit_test(end_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
