/* power_cut.c - the power fails at any call the store makes; what was not synced
 * survives at random, torn at sectors. Nothing that was said to be durable is lost, and
 * no commit is there by half. Each story is cut several times in a row.
 *
 *   GG_POWER_CUTS=N    how many cuts (default 60) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "tests/fault/store/story.h"
#include "tests/lib/disk.h"
#include "tests/lib/scratch.h"

enum { CUTS = 60, CUTS_PER_STORY = 6, STEPS_MAX = 60, CALLS_MAX = 400, PATH = 4096 };

static uint64_t cuts_wanted(void)
{
    const char *text = getenv("GG_POWER_CUTS");
    return text == NULL ? CUTS : strtoull(text, NULL, 10);
}

static struct gg_store *open_at(const char *path, bool on_disk, char fault[PATH])
{
    struct gg_store *store = NULL;
    struct gg_store_options options;
    struct gg_store_report report;
    gg_store_options_default(&options);
    options.ballast_bytes = 4096;
    if (on_disk) {
        options.files = disk_files();
        options.vfs = disk_vfs();
    }
    enum gg_err err = gg_store_open_sqlite(path, &options, &store, &report);
    GG_ASSERT((err == GG_OK) == (store != NULL));
    (void)snprintf(fault, PATH, "%s", report.fault);
    return store;
}

/* Live in the folder until the power fails there. */
static void live(struct story *story, const char *path)
{
    char fault[PATH];
    disk_plan(1 + gg_rng_below(&story->rng, CALLS_MAX), DISK_DEAD, true);
    story->store = open_at(path, true, fault);
    if (story->store == NULL) {
        return;
    }
    enum gg_err err = GG_OK;
    for (int i = 0; i < STEPS_MAX && err == GG_OK; i++) {
        err = story_step(story);
    }
    (void)story_listen(story);
    gg_store_close(&story->store);
}

/* The folder after the cut, looked at with a sound disk. */
static void expect_back(struct story *story, const char *path, uint64_t seed)
{
    char fault[PATH];
    struct gg_store *store = open_at(path, false, fault);
    if (store == NULL || !story_holds(story, store)) {
        print_error("seed %llu: %s: %s\n", (unsigned long long)seed, path,
                    store == NULL ? fault : story->why);
        fail();
    }
    story_forget_after(story, gg_store_number(store));
    gg_store_close(&store);
}

static void nothing_durable_is_lost_when_the_power_is_cut(void **state)
{
    (void)state;
    struct gg_rng rng;
    gg_rng_seed(&rng);
    const char *chosen = getenv("GG_SEED");
    uint64_t seed = chosen == NULL ? gg_rng_next(&rng) : strtoull(chosen, NULL, 10);
    uint64_t wanted = cuts_wanted();
    print_message("first seed %llu\n", (unsigned long long)seed);
    for (uint64_t cut = 0; cut < wanted; seed++) {
        char path[PATH];
        char next[PATH];
        struct story *story = story_new(seed);
        (void)snprintf(path, sizeof path, "%s", scratch_new());
        for (int i = 0; i < CUTS_PER_STORY && cut < wanted; i++, cut++) {
            disk_reset();
            disk_adopt(path);
            live(story, path);
            (void)snprintf(next, sizeof next, "%s/%d", scratch_above(), i);
            disk_cut(path, next, (enum disk_survival)gg_rng_below(&story->rng, 3),
                     gg_rng_next(&story->rng));
            (void)snprintf(path, sizeof path, "%s/look%d", scratch_above(), i);
            scratch_copy_tree(next, path);
            expect_back(story, path, seed);
            (void)snprintf(path, sizeof path, "%s", next);
        }
        free(story);
        scratch_remove();
    }
    disk_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_durable_is_lost_when_the_power_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
