/* test_store_sqlite.c - the store on disk beyond the contract: it opens again, refuses
 * what it must with a sentence, backs up, restores, checks and repairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/sqlite.h"
#include "tests/lib/disk.h"
#include "tests/lib/scratch.h"

enum { PATH_BYTES = 4096, FOLDER_BYTES = 2048, LIMIT_MS = 20000, MANY = 3000 };

struct fixture {
    const char *path;
    struct gg_store_options options;
    struct gg_store *store;
    struct gg_store_report report;
    uint64_t number;
    struct gg_store_census census;
    char findings[4096];
};

static enum gg_err try_open(struct fixture *f)
{
    return gg_store_open_sqlite(f->path, &f->options, &f->store, &f->report);
}

static void open_store(struct fixture *f)
{
    enum gg_err err = try_open(f);
    assert_string_equal(f->report.fault, "");
    assert_int_equal(err, GG_OK);
    f->number = gg_store_number(f->store);
}

static void expect_refusal(struct fixture *f, enum gg_err err, const char *says)
{
    enum gg_err result = try_open(f);
    assert_null(f->store);
    if (strstr(f->report.fault, says) == NULL) {
        assert_string_equal(f->report.fault, says); /* Shows both. */
    }
    assert_int_equal(result, err);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->path = scratch_new();
    gg_store_options_default(&f->options);
    f->options.ballast_bytes = 1 << 16;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_store_close(&f->store);
    scratch_remove();
    free(f);
    return 0;
}

static struct gg_store_key key_of(uint32_t number)
{
    struct gg_store_key key = {.kind = GG_STORE_JOB, .id = {.bytes = {9}}};
    memcpy(key.id.bytes + 4, &number, sizeof number);
    return key;
}

static void put(struct fixture *f, uint32_t id, const char *text)
{
    struct gg_store_key key = key_of(id);
    assert_int_equal(gg_store_put(f->store, ++f->number, &key, gg_slice_text(text)),
                     GG_OK);
}

static void put_blob(struct fixture *f, uint32_t id, const char *text)
{
    struct gg_store_blob_key key = {.id = key_of(id).id, .part = 1};
    struct gg_blob *blob = gg_blob_new(gg_slice_text(text));
    assert_non_null(blob);
    assert_int_equal(gg_store_put_blob(f->store, ++f->number, &key, blob), GG_OK);
    gg_blob_unref(&blob);
}

static void sync_store(struct fixture *f)
{
    assert_int_equal(gg_store_sync(f->store), GG_OK);
}

struct seen {
    int count;
    char last[64];
};

static enum gg_err remember(void *ctx, const struct gg_store_key *key,
                            struct gg_slice value)
{
    struct seen *seen = ctx;
    (void)key;
    seen->count++;
    gg_slice_copy(value, seen->last, sizeof seen->last);
    return GG_OK;
}

static struct seen scan(struct fixture *f)
{
    struct seen seen = {0};
    assert_int_equal(gg_store_scan(f->store, GG_STORE_JOB, remember, &seen), GG_OK);
    return seen;
}

static struct gg_store_answer await(struct fixture *f)
{
    struct gg_store_answer answer;
    for (;;) {
        uint64_t durable = 0;
        assert_int_equal(gg_store_durable(f->store, &durable), GG_OK);
        if (gg_store_answered(f->store, &answer)) {
            return answer;
        }
        struct pollfd fd = {.fd = gg_store_descriptor(f->store), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
    }
}

static struct gg_store_answer load(struct fixture *f, uint32_t id)
{
    struct gg_store_blob_key key = {.id = key_of(id).id, .part = 1};
    assert_int_equal(gg_store_load(f->store, id, &key), GG_OK);
    return await(f);
}

static void expect_blob(struct fixture *f, uint32_t id, const char *text)
{
    struct gg_store_answer answer = load(f, id);
    assert_string_equal(answer.text, "");
    assert_true(gg_slice_equal(gg_blob_slice(answer.blob), gg_slice_text(text)));
    gg_blob_unref(&answer.blob);
}

static const char *inside(const struct fixture *f, const char *name)
{
    static char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", f->path, name);
    return path;
}

/* Change bytes of a file in place. */
static void scribble(const char *path, off_t at, const void *bytes, size_t len)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    (void)close(fd);
}

/* As after a kill: what the folder holds now, opened without an orderly end. */
static void kill_and_copy(struct fixture *f)
{
    static char copy[FOLDER_BYTES];
    (void)snprintf(copy, sizeof copy, "%s/copy", scratch_above());
    scratch_copy_tree(f->path, copy);
    gg_store_close(&f->store);
    f->path = copy;
}

/* ---- it comes back ---- */

static void everything_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put(f, 1, "one");
    put(f, 2, "two");
    put_blob(f, 2, "payload");
    sync_store(f);
    gg_store_close(&f->store);

    open_store(f);

    assert_int_equal(gg_store_number(f->store), 3);
    assert_int_equal(scan(f).count, 2);
    expect_blob(f, 2, "payload");
    assert_string_equal(f->report.notice, "");
}

static void everything_is_there_after_a_kill(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put(f, 1, "one");
    put_blob(f, 1, "payload");
    sync_store(f);
    kill_and_copy(f);

    open_store(f);

    assert_int_equal(scan(f).count, 1);
    expect_blob(f, 1, "payload");
    assert_non_null(strstr(f->report.notice, "not closed in order"));
}

static void groups_of_many_records_come_back(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (uint32_t i = 0; i < MANY; i++) {
        put(f, i, "some text that is a little longer");
        if (i % 100 == 0) {
            assert_int_equal(gg_store_commit(f->store), GG_OK);
        }
    }
    for (uint32_t i = 0; i < MANY; i += 2) {
        struct gg_store_key key = key_of(i);
        assert_int_equal(gg_store_del(f->store, ++f->number, &key), GG_OK);
    }
    sync_store(f);
    kill_and_copy(f);

    open_store(f);

    assert_int_equal(scan(f).count, MANY / 2);
}

static void blob_without_its_record_is_removed_at_start(void **state)
{
    struct fixture *f = *state;
    struct stat stat_of;
    open_store(f);
    put(f, 1, "one");
    sync_store(f);
    gg_store_close(&f->store);
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s", inside(f, "blobs/ab"));
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s",
                   inside(f, "blobs/ab/abababababababababababababababab"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);

    open_store(f);

    assert_int_equal(stat(path, &stat_of), -1);
}

static void folder_is_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    struct stat stat_of;
    open_store(f);

    assert_int_equal(stat(f->path, &stat_of), 0);

    assert_int_equal(stat_of.st_mode & 0777, 0700);
    put(f, 1, "one");
    sync_store(f);
    assert_int_equal(stat(inside(f, "ganger.db"), &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    assert_int_equal(stat(inside(f, "ganger.db-wal"), &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
}

/* ---- it refuses ---- */

static void second_broker_is_refused_with_the_owner(void **state)
{
    struct fixture *f = *state;
    char pid[32];
    open_store(f);
    struct gg_store *first = f->store;
    f->store = NULL;
    (void)snprintf(pid, sizeof pid, "process %d", getpid());

    expect_refusal(f, GG_ERR_CONFIG, pid);

    f->store = first;
}

static void what_is_no_folder_of_ours_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[FOLDER_BYTES];
    const char *real = f->path;
    (void)snprintf(path, sizeof path, "%s/no/data", scratch_above());
    f->path = path;
    expect_refusal(f, GG_ERR_CONFIG, "create that first");
    (void)snprintf(path, sizeof path, "%s/file", scratch_above());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    expect_refusal(f, GG_ERR_CONFIG, "not a folder");
    (void)snprintf(path, sizeof path, "%s", scratch_above());
    expect_refusal(f, GG_ERR_CONFIG, "not a data folder");
    assert_non_null(strstr(f->report.fault, "it holds"));
    f->path = real;
    open_store(f);
}

static void folder_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    gg_store_close(&f->store);
    if (geteuid() == 0) {
        print_message("root may write anything: tried by others only\n");
        return;
    }
    assert_int_equal(chmod(inside(f, "lock"), 0400), 0);

    expect_refusal(f, GG_ERR_CONFIG, "cannot be written");
}

static void newer_format_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    gg_store_close(&f->store);
    scribble(inside(f, "ganger.db"), 60, "\0\0\0\7", 4);

    expect_refusal(f, GG_ERR_CONFIG, "version 7");

    assert_non_null(strstr(f->report.fault, "up to 1"));
}

static void missing_database_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put(f, 1, "one");
    sync_store(f);
    gg_store_close(&f->store);
    assert_int_equal(unlink(inside(f, "ganger.db")), 0);

    expect_refusal(f, GG_ERR_STORE, "ganger.db: damaged: it is missing");
}

static void missing_blob_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put_blob(f, 1, "payload");
    sync_store(f);
    gg_store_close(&f->store);
    scratch_remove_tree(inside(f, "blobs"));

    expect_refusal(f, GG_ERR_STORE, "it is missing");
}

static void older_copy_of_the_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char old[PATH_BYTES];
    open_store(f);
    put(f, 1, "one");
    sync_store(f);
    gg_store_close(&f->store);
    (void)snprintf(old, sizeof old, "%s/old", scratch_above());
    scratch_copy_tree(inside(f, "ganger.db"), old);
    open_store(f);
    put(f, 2, "two");
    sync_store(f);
    gg_store_close(&f->store);

    assert_int_equal(rename(old, inside(f, "ganger.db")), 0);

    expect_refusal(f, GG_ERR_STORE, "record 2 was safe");
}

/* ---- damage ---- */

static void flipped_bit_of_a_page_is_refused_with_its_place(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (uint32_t i = 0; i < MANY; i++) {
        put(f, i, "some text that is a little longer");
    }
    sync_store(f);
    gg_store_close(&f->store);
    scribble(inside(f, "ganger.db"), 4096 * 20 + 100, "\x55", 1);

    expect_refusal(f, GG_ERR_STORE, "page 21 (byte 81920)");
}

static void log_cut_by_whole_commits_is_refused(void **state)
{
    struct fixture *f = *state;
    struct stat stat_of;
    open_store(f);
    put(f, 1, "one");
    sync_store(f);
    assert_int_equal(stat(inside(f, "ganger.db-wal"), &stat_of), 0);
    off_t after_first = stat_of.st_size;
    put(f, 2, "two");
    sync_store(f);
    kill_and_copy(f);
    assert_int_equal(truncate(inside(f, "ganger.db-wal"), after_first), 0);

    expect_refusal(f, GG_ERR_STORE, "record 2 was safe");
}

static void bad_frame_that_commits_follow_is_refused_with_its_place(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (uint32_t i = 0; i < 5; i++) {
        put(f, i, "text");
        sync_store(f);
    }
    kill_and_copy(f);
    scribble(inside(f, "ganger.db-wal"), 32 + 24 + 1000, "\x55", 1);

    expect_refusal(f, GG_ERR_STORE, "damaged at byte 32");
}

static void take_finding(void *ctx, const char *text)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->findings);
    (void)snprintf(f->findings + len, sizeof f->findings - len, "%s\n", text);
}

/* The path of the one blob in the folder that has `len` bytes. */
static void find_blob_file(const struct fixture *f, off_t len, char out[PATH_BYTES])
{
    glob_t found;
    struct stat stat_of;
    out[0] = '\0';
    assert_int_equal(glob(inside(f, "blobs/*/*"), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        assert_int_equal(stat(found.gl_pathv[i], &stat_of), 0);
        if (stat_of.st_size == len + 64) {
            (void)snprintf(out, PATH_BYTES, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    assert_string_not_equal(out, "");
}

static void damaged_blob_is_an_error_of_its_load_only(void **state)
{
    struct fixture *f = *state;
    char path[PATH_BYTES];
    open_store(f);
    put_blob(f, 1, "payload");
    put_blob(f, 2, "another one");
    sync_store(f);
    find_blob_file(f, 7, path);
    scribble(path, 66, "\x55", 1);

    struct gg_store_answer answer = load(f, 1);

    assert_int_equal(answer.err, GG_ERR_STORE);
    assert_null(answer.blob);
    assert_non_null(strstr(answer.text, path));
    expect_blob(f, 2, "another one");
}

static void sound_folder_has_no_findings(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (uint32_t i = 0; i < MANY; i++) {
        put(f, i, "some text");
    }
    put_blob(f, 1, "payload");
    sync_store(f);
    kill_and_copy(f);

    assert_int_equal(
        gg_store_check(f->path, &f->options, take_finding, f, &f->census, &f->report),
        GG_OK);

    assert_string_equal(f->findings, "");
    assert_int_equal(f->census.damaged_count, 0);
    assert_int_equal(f->census.record_count, MANY);
    assert_int_equal(f->census.blob_count, 1);
    open_store(f); /* The check has changed nothing. */
    assert_int_equal(scan(f).count, MANY);
}

static void repair_saves_what_can_be_read_and_lists_the_rest(void **state)
{
    struct fixture *f = *state;
    char into[FOLDER_BYTES];
    open_store(f);
    for (uint32_t i = 0; i < MANY; i++) {
        put(f, i, "some text that is a little longer");
    }
    put_blob(f, 1, "payload");
    sync_store(f);
    gg_store_close(&f->store);
    scribble(inside(f, "ganger.db"), 4096 * 40 + 100, "\x55", 1);
    (void)snprintf(into, sizeof into, "%s/repaired", scratch_above());

    enum gg_err err = gg_store_repair(f->path, into, &f->options, take_finding, f,
                                      &f->census, &f->report);

    assert_string_equal(f->report.fault, "");
    assert_int_equal(err, GG_OK);
    assert_true(f->census.damaged_count > 0);
    assert_non_null(strstr(f->findings, "page 41"));
    assert_true(f->census.record_count < MANY);
    assert_true(f->census.record_count > MANY - 200);
    f->path = into;
    open_store(f);
    assert_int_equal(scan(f).count, f->census.record_count);
    assert_int_equal(gg_store_number(f->store), MANY + 1);
    expect_blob(f, 1, "payload");
}

/* ---- backups ---- */

static void back_up(struct fixture *f, const char *file)
{
    assert_int_equal(gg_store_backup(f->store, 5, file), GG_OK);
    struct gg_store_answer answer = await(f);
    assert_string_equal(answer.text, "");
    assert_int_equal(answer.err, GG_OK);
    assert_int_equal(answer.ticket, 5);
}

static void restored_backup_has_everything_of_its_moment(void **state)
{
    struct fixture *f = *state;
    char file[PATH_BYTES];
    char into[FOLDER_BYTES];
    (void)snprintf(file, sizeof file, "%s/backup", scratch_above());
    (void)snprintf(into, sizeof into, "%s/restored", scratch_above());
    open_store(f);
    put(f, 1, "one");
    put_blob(f, 1, "payload");
    put_blob(f, 2, "");
    sync_store(f);
    back_up(f, file);
    put(f, 2, "after it");
    sync_store(f);
    gg_store_close(&f->store);

    enum gg_err err = gg_store_restore(file, into, &f->options, &f->report);

    assert_string_equal(f->report.fault, "");
    assert_int_equal(err, GG_OK);
    f->path = into;
    open_store(f);
    assert_int_equal(scan(f).count, 1);
    assert_int_equal(gg_store_number(f->store), 3);
    expect_blob(f, 1, "payload");
    expect_blob(f, 2, "");
    put(f, 3, "it goes on");
    sync_store(f);
}

/* Each backup, taken while records that belong together change, restores to one moment:
 * both records of a pair are of the same round. */
static void backup_under_load_is_of_one_moment(void **state)
{
    struct fixture *f = *state;
    char file[PATH_BYTES];
    char into[FOLDER_BYTES];
    uint64_t durable = 0;
    (void)snprintf(file, sizeof file, "%s/backup", scratch_above());
    (void)snprintf(into, sizeof into, "%s/restored", scratch_above());
    open_store(f);
    for (uint32_t i = 0; i < MANY; i++) {
        put(f, 100 + i, "ballast of the backup");
    }
    sync_store(f);
    assert_int_equal(gg_store_backup(f->store, 5, file), GG_OK);
    struct gg_store_answer answer;
    for (int round = 0; !gg_store_answered(f->store, &answer); round++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%d", round);
        put(f, 1, text);
        put(f, 2, text);
        put_blob(f, (uint32_t)(1000000 + round), text);
        assert_int_equal(gg_store_commit(f->store), GG_OK);
        assert_int_equal(gg_store_durable(f->store, &durable), GG_OK);
        if (round > 0) {
            struct gg_store_blob_key old = {
                .id = key_of((uint32_t)(1000000 + round - 1)).id, .part = 1};
            assert_int_equal(gg_store_del_blob(f->store, ++f->number, &old), GG_OK);
        }
        if (round % 20 == 0) {
            sync_store(f);
        }
    }
    assert_string_equal(answer.text, "");
    gg_store_close(&f->store);

    enum gg_err err = gg_store_restore(file, into, &f->options, &f->report);

    assert_string_equal(f->report.fault, "");
    assert_int_equal(err, GG_OK);
    f->path = into;
    open_store(f);
    int count = scan(f).count;
    assert_true(count == MANY || count == MANY + 2);
}

static void damaged_backup_is_refused(void **state)
{
    struct fixture *f = *state;
    char file[PATH_BYTES];
    char into[FOLDER_BYTES];
    (void)snprintf(file, sizeof file, "%s/backup", scratch_above());
    (void)snprintf(into, sizeof into, "%s/restored", scratch_above());
    open_store(f);
    put(f, 1, "one");
    sync_store(f);
    back_up(f, file);
    scribble(file, 4096 * 4 + 50, "\x55", 1);

    assert_int_equal(gg_store_restore(file, into, &f->options, &f->report),
                     GG_ERR_BAD_FIELD);

    assert_non_null(strstr(f->report.fault, "page 5"));
}

static void backup_onto_something_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);

    assert_int_equal(gg_store_backup(f->store, 1, f->path), GG_OK);

    struct gg_store_answer answer = await(f);
    assert_int_equal(answer.err, GG_ERR_CONFIG);
    assert_non_null(strstr(answer.text, "there already"));
}

/* ---- room ---- */

/* Wait until the store says so. */
static void await_space(struct fixture *f, enum gg_store_space space)
{
    while (gg_store_space(f->store) != space) {
        uint64_t durable = 0;
        struct pollfd fd = {.fd = gg_store_descriptor(f->store), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
        assert_int_equal(gg_store_durable(f->store, &durable), GG_OK);
    }
}

static void nearly_full_disk_is_said_and_so_is_its_end(void **state)
{
    struct fixture *f = *state;
    struct stat stat_of;
    disk_reset();
    f->options.files = disk_files();
    f->options.vfs = disk_vfs();
    open_store(f);
    assert_int_equal(gg_store_space(f->store), GG_STORE_SPACE_OK);
    assert_int_equal(stat(inside(f, "ballast"), &stat_of), 0);

    disk_set_free(f->options.ballast_bytes / 2);
    put(f, 1, "one");
    sync_store(f);
    await_space(f, GG_STORE_SPACE_LOW);
    put(f, 2, "running work still ends");
    sync_store(f);
    disk_set_free(f->options.ballast_bytes * 8);

    await_space(f, GG_STORE_SPACE_OK); /* Without a commit that would look. */
    gg_store_close(&f->store);
    disk_reset();
}

/* The commit that finds no room takes the ballast's; when there is room again, that is
 * made anew. */
static void full_disk_costs_the_ballast_and_no_record(void **state)
{
    struct fixture *f = *state;
    struct stat stat_of;
    disk_reset();
    f->options.files = disk_files();
    f->options.vfs = disk_vfs();
    open_store(f);
    disk_set_free(0);
    disk_plan(1, DISK_FULL, false);

    put(f, 1, "one");
    sync_store(f);

    assert_true(disk_struck());
    assert_int_equal(stat(inside(f, "ballast"), &stat_of), -1);
    assert_int_equal(gg_store_space(f->store), GG_STORE_SPACE_LOW);
    disk_set_free(f->options.ballast_bytes * 8);
    await_space(f, GG_STORE_SPACE_OK);
    assert_int_equal(stat(inside(f, "ballast"), &stat_of), 0);
    kill_and_copy(f);
    disk_reset();
    open_store(f);
    assert_int_equal(scan(f).count, 1);
    gg_store_close(&f->store);
    disk_reset();
}

static void more_waiting_than_the_bound_is_said(void **state)
{
    struct fixture *f = *state;
    f->options.waiting_bytes_max = 100;
    open_store(f);
    assert_int_equal(gg_store_space(f->store), GG_STORE_SPACE_OK);

    put(f, 1, "one");
    put(f, 2, "two");

    assert_int_equal(gg_store_space(f->store), GG_STORE_SPACE_BEHIND);
    sync_store(f);
    assert_int_equal(gg_store_space(f->store), GG_STORE_SPACE_OK);
}

/* What was deleted is given back: the file does not keep the size of its worst day. */
static void emptied_store_gives_its_room_back(void **state)
{
    struct fixture *f = *state;
    enum { RECORDS = 40000, RECORD_BYTES = 2000, BOUND = 64 << 20 };
    struct gg_store_status status;
    uint8_t bytes[RECORD_BYTES] = {1};
    open_store(f);
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct gg_store_key key = key_of(i);
        assert_int_equal(
            gg_store_put(f->store, ++f->number, &key, gg_slice_of(bytes, sizeof bytes)),
            GG_OK);
        if (i % 1000 == 0) {
            sync_store(f);
        }
    }
    sync_store(f);
    gg_store_status(f->store, &status);
    assert_true(status.disk_bytes > BOUND);
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct gg_store_key key = key_of(i);
        assert_int_equal(gg_store_del(f->store, ++f->number, &key), GG_OK);
        if (i % 1000 == 0) {
            sync_store(f);
        }
    }
    for (uint32_t i = 0; i < 100; i++) {
        put(f, i, "small");
        sync_store(f);
    }

    gg_store_close(&f->store);

    struct stat stat_of;
    assert_int_equal(stat(inside(f, "ganger.db"), &stat_of), 0);
    assert_true(stat_of.st_size < BOUND);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(everything_is_there_after_reopening),
        TEST(everything_is_there_after_a_kill),
        TEST(groups_of_many_records_come_back),
        TEST(blob_without_its_record_is_removed_at_start),
        TEST(folder_is_for_its_owner_only),
        TEST(second_broker_is_refused_with_the_owner),
        TEST(what_is_no_folder_of_ours_is_refused),
        TEST(folder_that_cannot_be_written_is_refused),
        TEST(newer_format_is_refused_by_name),
        TEST(missing_database_is_refused),
        TEST(missing_blob_is_refused),
        TEST(older_copy_of_the_database_is_refused),
        TEST(flipped_bit_of_a_page_is_refused_with_its_place),
        TEST(log_cut_by_whole_commits_is_refused),
        TEST(bad_frame_that_commits_follow_is_refused_with_its_place),
        TEST(damaged_blob_is_an_error_of_its_load_only),
        TEST(sound_folder_has_no_findings),
        TEST(repair_saves_what_can_be_read_and_lists_the_rest),
        TEST(restored_backup_has_everything_of_its_moment),
        TEST(backup_under_load_is_of_one_moment),
        TEST(damaged_backup_is_refused),
        TEST(backup_onto_something_is_refused),
        TEST(nearly_full_disk_is_said_and_so_is_its_end),
        TEST(full_disk_costs_the_ballast_and_no_record),
        TEST(more_waiting_than_the_bound_is_said),
        TEST(emptied_store_gives_its_room_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
