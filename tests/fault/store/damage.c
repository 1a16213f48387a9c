/* damage.c - flipped bits, scribbled bytes, lost sectors, cut, swapped and missing
 * pieces in copies of a data folder, its log included. Each copy is refused with the
 * place, or starts with every fact right. What a cut log loses beyond what the witness
 * vouches for, as after a power cut, is said aloud.
 *
 *   GG_DAMAGED_COPIES=N    how many (default 400) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "tests/fault/store/story.h"
#include "tests/lib/scratch.h"

enum {
    COPIES = 400,
    STEPS = 70,
    PATH = 4096,
    PAGE_BYTES = 4096,
    FRAME_BYTES = PAGE_BYTES + 24,
    LOG_HEAD_BYTES = 32,
    SECTOR_BYTES = 512,
};

struct fixture {
    struct story *story;
    struct gg_rng rng;
    uint64_t number; /* Of the folder when it was copied. */
    char killed[PATH / 2];
    char closed[PATH / 2];
    char old_witness[PATH]; /* As it was some commits earlier. */
    char copy[PATH / 2];
    char file[PATH]; /* The damaged one. */
    char what[160];  /* What was done to it. */
    int refused;
    int sound;
    int of_blobs;
    int mended;
};

static struct gg_store *open_at(const char *path, struct gg_store_report *report)
{
    struct gg_store *store = NULL;
    struct gg_store_options options;
    gg_store_options_default(&options);
    options.ballast_bytes = 0;
    enum gg_err err = gg_store_open_sqlite(path, &options, &store, report);
    GG_ASSERT((err == GG_OK) == (store != NULL));
    return store;
}

static void go_on(struct fixture *f, int steps)
{
    for (int i = 0; i < steps; i++) {
        assert_int_equal(story_step(f->story), GG_OK);
    }
    assert_int_equal(gg_store_sync(f->story->store), GG_OK);
    assert_int_equal(story_listen(f->story), GG_OK);
}

/* A folder with a database, a log of many commits, blobs; once as a kill leaves it,
 * once closed in order. */
static int set_up(void **state, bool records_only)
{
    struct gg_store_report report;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    char path[PATH];
    char witness[PATH + 16];
    (void)snprintf(path, sizeof path, "%s", scratch_new());
    (void)snprintf(f->killed, sizeof f->killed, "%s/killed", scratch_above());
    (void)snprintf(f->closed, sizeof f->closed, "%s/closed", scratch_above());
    (void)snprintf(f->copy, sizeof f->copy, "%s/copy", scratch_above());
    (void)snprintf(f->old_witness, sizeof f->old_witness, "%s/witness",
                   scratch_above());
    (void)snprintf(witness, sizeof witness, "%s/witness", path);
    gg_rng_seed(&f->rng);
    f->story = story_new(gg_rng_next(&f->rng));
    f->story->records_only = records_only;
    f->story->store = open_at(path, &report);
    assert_non_null(f->story->store);
    go_on(f, STEPS);
    gg_store_close(&f->story->store);
    f->story->store = open_at(path, &report);
    assert_non_null(f->story->store);
    go_on(f, STEPS / 2);
    scratch_copy_tree(witness, f->old_witness);
    go_on(f, STEPS / 2);
    f->number = gg_store_number(f->story->store);
    scratch_copy_tree(path, f->killed);
    gg_store_close(&f->story->store);
    scratch_copy_tree(path, f->closed);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return set_up(state, false);
}

/* A blob that was removed later is missing in a log that was cut: no start, then. */
static int setup_records_only(void **state)
{
    return set_up(state, true);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_remove();
    free(f->story);
    free(f);
    return 0;
}

/* ---- damage ---- */

static off_t size_of(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0 ? stat_of.st_size : -1;
}

/* Choose one of the copy's files: often the database, the log or a blob. */
static void choose_file(struct fixture *f)
{
    static const char *const names[] = {
        "ganger.db",     "ganger.db", "ganger.db-wal", "ganger.db-wal",
        "ganger.db-wal", "witness",   "ganger.db-shm", "blobs/*/*"};
    do {
        glob_t found;
        char pattern[PATH + 32];
        (void)snprintf(pattern, sizeof pattern, "%s/%s", f->copy,
                       names[gg_rng_below(&f->rng, sizeof names / sizeof names[0])]);
        if (glob(pattern, 0, NULL, &found) == 0) {
            size_t chosen = gg_rng_below(&f->rng, found.gl_pathc);
            (void)snprintf(f->file, sizeof f->file, "%s", found.gl_pathv[chosen]);
            globfree(&found);
        } else {
            f->file[0] = '\0';
        }
    } while (f->file[0] == '\0' || size_of(f->file) <= 0);
}

static void overwrite(struct fixture *f, off_t at, const uint8_t *bytes, size_t len)
{
    int fd = open(f->file, O_RDWR | O_CLOEXEC);
    GG_ASSERT(fd >= 0);
    ssize_t done = pwrite(fd, bytes, len, at);
    GG_ASSERT(done == (ssize_t)len);
    (void)close(fd);
}

static void flip(struct fixture *f, off_t size)
{
    uint8_t byte = 0;
    off_t at = (off_t)gg_rng_below(&f->rng, (uint64_t)size);
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);
    GG_ASSERT(fd >= 0);
    ssize_t done = pread(fd, &byte, 1, at);
    GG_ASSERT(done == 1);
    (void)close(fd);
    byte ^= (uint8_t)(1U << gg_rng_below(&f->rng, 8));
    overwrite(f, at, &byte, 1);
    (void)snprintf(f->what, sizeof f->what, "a bit flipped at %lld", (long long)at);
}

static void scribble(struct fixture *f, off_t size)
{
    uint8_t bytes[64];
    size_t len = 1 + gg_rng_below(&f->rng, sizeof bytes);
    off_t at = (off_t)gg_rng_below(&f->rng, (uint64_t)size);
    if ((off_t)len > size - at) {
        len = (size_t)(size - at);
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)gg_rng_next(&f->rng);
    }
    overwrite(f, at, bytes, len);
    (void)snprintf(f->what, sizeof f->what, "%zu bytes written at %lld", len,
                   (long long)at);
}

static void lose_sector(struct fixture *f, off_t size)
{
    static const uint8_t zeros[SECTOR_BYTES];
    off_t at = (off_t)gg_rng_below(&f->rng, (uint64_t)size) / SECTOR_BYTES *
               SECTOR_BYTES;
    off_t len = size - at < SECTOR_BYTES ? size - at : SECTOR_BYTES;
    overwrite(f, at, zeros, (size_t)len);
    (void)snprintf(f->what, sizeof f->what, "a sector lost at %lld", (long long)at);
}

static void cut(struct fixture *f, off_t size)
{
    off_t at = (off_t)gg_rng_below(&f->rng, (uint64_t)size);
    int result = truncate(f->file, at);
    GG_ASSERT(result == 0);
    (void)snprintf(f->what, sizeof f->what, "cut at %lld", (long long)at);
}

static void cut_at_frame(struct fixture *f, off_t size)
{
    off_t frames = (size - LOG_HEAD_BYTES) / FRAME_BYTES;
    off_t at = frames <= 0
                   ? 0
                   : LOG_HEAD_BYTES +
                         (off_t)gg_rng_below(&f->rng, (uint64_t)frames) * FRAME_BYTES;
    int result = truncate(f->file, at);
    GG_ASSERT(result == 0);
    (void)snprintf(f->what, sizeof f->what, "cut at the frame at %lld", (long long)at);
}

/* A write that went to another place. */
static void misdirect(struct fixture *f, off_t size)
{
    uint8_t page[PAGE_BYTES];
    uint64_t pages = (uint64_t)size / PAGE_BYTES;
    if (pages < 2) {
        flip(f, size);
        return;
    }
    off_t from = (off_t)gg_rng_below(&f->rng, pages) * PAGE_BYTES;
    off_t to = (off_t)gg_rng_below(&f->rng, pages) * PAGE_BYTES;
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);
    GG_ASSERT(fd >= 0);
    ssize_t done = pread(fd, page, sizeof page, from);
    GG_ASSERT(done == (ssize_t)sizeof page);
    (void)close(fd);
    overwrite(f, to, page, sizeof page);
    (void)snprintf(f->what, sizeof f->what, "%lld copied over %lld", (long long)from,
                   (long long)to);
}

static void lose(struct fixture *f, off_t size)
{
    (void)size;
    (void)unlink(f->file);
    (void)snprintf(f->what, sizeof f->what, "removed");
}

static void damage(struct fixture *f)
{
    static void (*const ways[])(struct fixture *, off_t) = {
        flip, flip, flip, scribble, lose_sector, cut, cut_at_frame, misdirect, lose};
    choose_file(f);
    ways[gg_rng_below(&f->rng, sizeof ways / sizeof ways[0])](f, size_of(f->file));
}

/* ---- and what comes of it ---- */

static void silent(const struct fixture *f, const char *why)
{
    print_error("%s: %s: %s\n", f->file, f->what, why);
    fail();
}

static void count_finding(void *ctx, const char *text)
{
    int *count = ctx;
    GG_ASSERT(text[0] != '\0');
    (*count)++;
}

/* What a start refuses, a check finds, and a repair makes a folder of that starts. */
static void mend(struct fixture *f)
{
    char into[PATH / 2];
    struct gg_store_options options;
    struct gg_store_report report;
    struct gg_store_census census;
    int findings = 0;
    gg_store_options_default(&options);
    options.ballast_bytes = 0;
    enum gg_err err = gg_store_check(f->copy, &options, count_finding, &findings,
                                     &census, &report);
    if (err == GG_OK && findings == 0) {
        silent(f, "the start refuses it, the check finds nothing");
    }
    (void)snprintf(into, sizeof into, "%s/mended", scratch_above());
    err = gg_store_repair(f->copy, into, &options, count_finding, &findings, &census,
                          &report);
    if (err == GG_OK) {
        struct gg_store *store = open_at(into, &report);
        if (store == NULL) {
            silent(f, report.fault);
        }
        gg_store_close(&store);
        f->mended++;
    } else if (report.fault[0] == '\0') {
        silent(f, "the repair fails and does not say why");
    }
    scratch_remove_tree(into);
}

static void judge(struct fixture *f)
{
    struct gg_store_report report;
    struct gg_store *store = open_at(f->copy, &report);
    if (store == NULL) {
        if (strstr(report.fault, f->copy) == NULL) {
            silent(f, report.fault);
        }
        if (f->refused++ % 4 == 0) {
            mend(f);
        }
        return;
    }
    bool whole = gg_store_number(store) == f->number;
    bool right = story_holds(f->story, store);
    gg_store_close(&store);
    if (!whole) {
        silent(f, "records are missing, and it started");
    }
    if (right) {
        f->sound++;
    } else if (strstr(f->file, "/blobs/") != NULL &&
               strstr(f->story->why, f->file) != NULL) {
        f->of_blobs++; /* Refused when it is loaded, with its path. */
    } else {
        silent(f, f->story->why);
    }
}

static void no_damage_is_silent(void **state)
{
    struct fixture *f = *state;
    const char *text = getenv("GG_DAMAGED_COPIES");
    int copies = text == NULL ? COPIES : (int)strtol(text, NULL, 10);
    for (int i = 0; i < copies; i++) {
        scratch_copy_tree(i % 3 == 0 ? f->closed : f->killed, f->copy);
        damage(f);
        judge(f);
        scratch_remove_tree(f->copy);
    }
    print_message("%d copies: %d refused, %d started with every fact right, %d blobs "
                  "refused when loaded; %d of %d repaired\n",
                  copies, f->refused, f->sound, f->of_blobs, f->mended,
                  (f->refused + 3) / 4);
    assert_true(f->mended > 0);
    assert_true(f->refused > copies / 4);
}

/* The test itself: a folder that nobody has damaged starts. */
static void untouched_copies_start(void **state)
{
    struct fixture *f = *state;
    const char *const folders[] = {f->killed, f->closed};
    for (int i = 0; i < 2; i++) {
        scratch_copy_tree(folders[i], f->copy);
        judge(f);
        scratch_remove_tree(f->copy);
    }
    assert_int_equal(f->sound, 2);
}

/* After a power cut the witness may be older than the last commits. A log cut at a
 * commit then loses those that it does not vouch for: the start says up to where it
 * does, and what is there is one moment of the past, whole. */
static void what_the_witness_does_not_vouch_for_is_said(void **state)
{
    struct fixture *f = *state;
    struct gg_store_report report;
    int shorter = 0;
    uint64_t told = f->story->told;
    for (int i = 0; i < 60; i++) {
        char witness[PATH + 16];
        (void)snprintf(witness, sizeof witness, "%s/witness", f->copy);
        (void)snprintf(f->file, sizeof f->file, "%s/ganger.db-wal", f->copy);
        scratch_copy_tree(f->killed, f->copy);
        (void)unlink(witness);
        scratch_copy_tree(f->old_witness, witness);
        cut_at_frame(f, size_of(f->file));
        struct gg_store *store = open_at(f->copy, &report);
        if (store != NULL) {
            f->story->told = 0;
            shorter += gg_store_number(store) < f->number;
            bool right = story_holds(f->story, store);
            gg_store_close(&store);
            if (!right) {
                silent(f, f->story->why);
            }
            assert_non_null(strstr(report.notice, "vouches up to"));
        }
        scratch_remove_tree(f->copy);
    }
    f->story->told = told;
    assert_true(shorter > 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(untouched_copies_start),
        TEST(no_damage_is_silent),
        cmocka_unit_test_setup_teardown(what_the_witness_does_not_vouch_for_is_said,
                                        setup_records_only, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
