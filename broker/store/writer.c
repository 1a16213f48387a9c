/* writer.c - the thread that owns the database: group commit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/sqlite_state.h"
#include "common/assert.h"

enum {
    LOOK_MS = 250,            /* How often a disk that is nearly full is looked at. */
    LOOK_COMMITS = 32,        /* How often the database's free pages are counted. */
    CHECKPOINT_FRAMES = 1000, /* About 4 MiB: a piece that delays one commit. */
    BATCH_OPS_MAX = 4096, /* A commit's own pages stay within the log's usual size, */
    BATCH_BYTES_MAX = 4 << 20, /* and nobody waits long for it. */
    SHRINK_MS = 5,             /* Between two pieces, while nothing else is to do. */
    SHRINK_PAGES = 512,        /* Given back after one commit. */
    FREE_PAGES_MAX = 8192,     /* 32 MiB of free pages beside as much as is in use. */
    FREE_PAGES_MIN = 64,       /* What is left in a database when the disk is full. */
};

/* How an attempt at something went. */
enum outcome { DONE, NO_SPACE, FAILED };

/* ---- blobs ---- */

static enum outcome system_outcome(const char *call, const char *path,
                                   struct gg_store_report *report)
{
    if (errno == ENOSPC || errno == EDQUOT) {
        (void)gg_report_system(report, call, path, errno);
        return NO_SPACE;
    }
    (void)gg_report_system(report, call, path, errno);
    return FAILED;
}

static enum outcome write_blob(struct gg_sqlite *sqlite, struct gg_op *op,
                               struct gg_store_report *report)
{
    char path[GG_PATH_BYTES];
    struct gg_store_blob_key key = {.id = op->blob_id, .part = op->part};
    struct gg_slice bytes = gg_blob_slice(op->blob);
    uint64_t sum = gg_blob_sum(bytes);
    gg_blob_row_set_sum(op->record + GG_RECORD_HEAD_BYTES, sum);
    const struct gg_live_slot *old = gg_live_find(&sqlite->live, op->kind, &op->id);
    if (old != NULL) { /* Over it would be half of each if the power failed now. */
        if (gg_record_seal(op->record, op->len, gg_live_row(old)) == old->sum) {
            return DONE;
        }
        gg_blobs_path(sqlite->folder.path, &op->id, path);
        (void)gg_report_fault(report, GG_ERR_STORE,
                              "%s: other bytes under the same key", path);
        return FAILED;
    }
    if (gg_blobs_write(&sqlite->blobs, &op->id, &key, bytes, sum, path) != 0) {
        return system_outcome("write", path, report);
    }
    return DONE;
}

/* On disk and synced before the transaction that names them. */
static enum outcome write_blobs(struct gg_sqlite *sqlite, struct gg_group *groups,
                                struct gg_store_report *report)
{
    enum outcome outcome = DONE;
    bool written = false;
    for (struct gg_group *group = groups; group != NULL; group = group->next) {
        struct gg_op *op = NULL;
        while (outcome == DONE && group->blob_count > 0 &&
               (op = gg_group_next(group, op)) != NULL) {
            if (op->type == GG_OP_PUT_BLOB && !op->dead) {
                outcome = write_blob(sqlite, op, report);
                written = true;
            }
        }
    }
    char path[GG_PATH_BYTES];
    if (outcome == DONE && written && gg_blobs_sync(&sqlite->blobs, path) != 0) {
        (void)gg_report_system(report, "sync", path, errno);
        return FAILED;
    }
    return outcome;
}

static void defer(struct gg_sqlite *sqlite, const struct gg_id *id)
{
    if (sqlite->deferred_count == sqlite->deferred_room) {
        size_t room = sqlite->deferred_room == 0 ? 64 : sqlite->deferred_room * 2;
        struct gg_id *grown = realloc(sqlite->deferred, room * sizeof *grown);
        if (grown == NULL) {
            return; /* The next start removes the file. */
        }
        sqlite->deferred = grown;
        sqlite->deferred_room = room;
    }
    sqlite->deferred[sqlite->deferred_count++] = *id;
}

/* The row is gone for good; while a backup may be reading the file, that stays. */
static void remove_blob(struct gg_sqlite *sqlite, const struct gg_id *id)
{
    char path[GG_PATH_BYTES];
    struct stat stat_of;
    gg_blobs_path(sqlite->folder.path, id, path);
    if (stat(path, &stat_of) == 0 && stat_of.st_size >= GG_BLOB_HEAD_BYTES) {
        sqlite->blob_bytes -= (uint64_t)stat_of.st_size - GG_BLOB_HEAD_BYTES;
    }
    if (atomic_load(&sqlite->backup_running)) {
        defer(sqlite, id);
    } else {
        (void)sqlite->files->unlink(sqlite->files, path);
    }
}

static void remove_deferred(struct gg_sqlite *sqlite)
{
    if (sqlite->deferred_count == 0 || atomic_load(&sqlite->backup_running)) {
        return;
    }
    for (size_t i = 0; i < sqlite->deferred_count; i++) {
        char path[GG_PATH_BYTES];
        if (gg_live_find(&sqlite->live, GG_LIVE_BLOB, &sqlite->deferred[i]) == NULL) {
            gg_blobs_path(sqlite->folder.path, &sqlite->deferred[i], path);
            (void)sqlite->files->unlink(sqlite->files, path);
        }
    }
    sqlite->deferred_count = 0;
}

/* ---- the transaction ---- */

static int apply_put(struct gg_sqlite *sqlite, struct gg_op *op,
                     struct gg_census *census, uint64_t *next_row)
{
    const struct gg_live_slot *old = gg_live_find(&sqlite->live, op->kind, &op->id);
    enum gg_statement statement = GG_STATEMENT_INSERT;
    if (old != NULL) {
        statement = GG_STATEMENT_UPDATE;
        op->row = gg_live_row(old);
        gg_census_take(census, op->kind, old->sum);
    } else {
        op->row = (*next_row)++;
    }
    op->sum = gg_record_seal(op->record, op->len, op->row);
    gg_census_add(census, op->kind, op->sum);
    return gg_database_write(&sqlite->database, statement, op->kind, op->row,
                             op->record, op->len);
}

static int apply_del(struct gg_sqlite *sqlite, struct gg_op *op,
                     struct gg_census *census)
{
    const struct gg_live_slot *old = gg_live_find(&sqlite->live, op->kind, &op->id);
    op->row = 0;
    if (old == NULL) {
        return SQLITE_OK; /* It came and went, or was never there. */
    }
    op->row = gg_live_row(old);
    gg_census_take(census, op->kind, old->sum);
    return gg_database_write(&sqlite->database, GG_STATEMENT_DELETE, op->kind, op->row,
                             NULL, 0);
}

static int apply_group(struct gg_sqlite *sqlite, struct gg_group *group,
                       struct gg_census *census, uint64_t *next_row)
{
    int rc = SQLITE_OK;
    struct gg_op *op = NULL;
    while (rc == SQLITE_OK && (op = gg_group_next(group, op)) != NULL) {
        if (op->dead) {
            continue;
        }
        rc = op->len > 0 ? apply_put(sqlite, op, census, next_row)
                         : apply_del(sqlite, op, census);
    }
    census->number = group->number;
    return rc;
}

static enum outcome database_outcome(struct gg_sqlite *sqlite, const char *call,
                                     struct gg_store_report *report)
{
    (void)gg_database_fault(&sqlite->database, call, report);
    return gg_database_no_space(&sqlite->database) ? NO_SPACE : FAILED;
}

/* One transaction of all groups, synced. Only a success changes the writer's state. */
static enum outcome transact(struct gg_sqlite *sqlite, struct gg_group *groups,
                             struct gg_store_report *report)
{
    struct gg_database *database = &sqlite->database;
    struct gg_census census = sqlite->census;
    uint64_t next_row = sqlite->next_row;
    int rc = gg_database_begin(database);
    for (struct gg_group *group = groups; group != NULL && rc == SQLITE_OK;
         group = group->next) {
        rc = apply_group(sqlite, group, &census, &next_row);
    }
    if (rc == SQLITE_OK) {
        rc = gg_database_write_census(database, &census);
    }
    if (rc == SQLITE_OK) {
        rc = gg_database_commit(database);
    }
    if (rc != SQLITE_OK) {
        enum outcome outcome = database_outcome(sqlite, "commit", report);
        gg_database_rollback(database);
        return outcome;
    }
    sqlite->census = census;
    sqlite->next_row = next_row;
    return DONE;
}

/* What is durable now, in memory too. */
static void adopt(struct gg_sqlite *sqlite, struct gg_group *groups)
{
    for (struct gg_group *group = groups; group != NULL; group = group->next) {
        for (struct gg_op *op = NULL; (op = gg_group_next(group, op)) != NULL;) {
            if (op->dead) {
                continue;
            }
            if (op->len > 0) {
                if (op->blob != NULL &&
                    gg_live_find(&sqlite->live, op->kind, &op->id) == NULL) {
                    sqlite->blob_bytes += op->blob->len;
                }
                gg_live_put(&sqlite->live, op->kind, &op->id, op->row, op->sum);
            } else if (op->row != 0) {
                gg_live_remove(&sqlite->live, op->kind, &op->id);
                if (op->type == GG_OP_DEL_BLOB) {
                    remove_blob(sqlite, &op->id);
                }
            }
        }
    }
}

static enum outcome try_commit(struct gg_sqlite *sqlite, struct gg_group *groups,
                               struct gg_store_report *report)
{
    enum outcome outcome = write_blobs(sqlite, groups, report);
    return outcome == DONE ? transact(sqlite, groups, report) : outcome;
}

static uint64_t count_ops(const struct gg_group *groups)
{
    uint64_t count = 0;
    for (; groups != NULL; groups = groups->next) {
        count += groups->op_count;
    }
    return count;
}

/* All of it durable, or the store has failed. Out of space frees the ballast and tries
 * the same once more: new work is refused from then on, so that this was the worst. */
static bool commit(struct gg_sqlite *sqlite, struct gg_group *groups)
{
    struct gg_store_report report = {.fault = ""};
    enum outcome outcome = FAILED;
    if (gg_batch_mark(&sqlite->batch, groups) != GG_OK ||
        gg_live_reserve(&sqlite->live, count_ops(groups)) != GG_OK) {
        (void)gg_report_fault(&report, GG_ERR_NO_MEMORY, "%s: no memory for a commit",
                              sqlite->folder.path);
    } else {
        outcome = try_commit(sqlite, groups, &report);
        if (outcome == NO_SPACE && gg_space_free_ballast(&sqlite->space)) {
            report = (struct gg_store_report){.fault = ""};
            outcome = try_commit(sqlite, groups, &report);
        }
    }
    if (outcome != DONE) {
        gg_sqlite_fail(sqlite, report.fault);
        return false;
    }
    adopt(sqlite, groups);
    return true;
}

/* ---- after a commit ---- */

static void testify(struct gg_sqlite *sqlite)
{
    struct gg_testimony now = {.number = sqlite->census.number, .at = gg_wall_now()};
    if (gg_witness_write(&sqlite->witness, &now) == 0) {
        if (!atomic_exchange(&sqlite->witness_dirty, true)) {
            (void)pthread_mutex_lock(&sqlite->lock);
            (void)pthread_cond_signal(&sqlite->wake_reader);
            (void)pthread_mutex_unlock(&sqlite->lock);
        }
        return;
    }
    if (errno != ENOSPC && errno != EDQUOT) {
        struct gg_store_report report = {.fault = ""};
        (void)gg_report_system(&report, "write", sqlite->folder.witness, errno);
        gg_sqlite_fail(sqlite, report.fault);
    }
}

static size_t bucket_of(uint64_t us)
{
    size_t power = 0;
    while (us >> power >= 16) {
        power++;
    }
    size_t index = us < 8 ? us : (power + 1) * 8 + (us >> power) - 8;
    return index < GG_LATENCY_BUCKETS ? index : GG_LATENCY_BUCKETS - 1;
}

/* Tell the loop, and hand its groups back. */
static void settle(struct gg_sqlite *sqlite, struct gg_group *groups, uint64_t us)
{
    struct gg_writer_stats *stats = &sqlite->stats;
    struct gg_group *last = groups;
    uint64_t records = 0;
    for (int kind = GG_LIVE_BLOB + 1; kind < GG_LIVE_KIND_COUNT; kind++) {
        records += sqlite->census.counts[kind];
    }
    while (last->next != NULL) {
        last = last->next;
    }
    (void)pthread_mutex_lock(&sqlite->lock);
    stats->record_count = records;
    stats->blob_count = sqlite->census.counts[GG_LIVE_BLOB];
    stats->blob_bytes = sqlite->blob_bytes;
    stats->group_count++;
    stats->committed_at = gg_wall_now();
    stats->latency[bucket_of(us)]++;
    struct gg_group **end = &sqlite->done;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = groups;
    atomic_store(&sqlite->durable, sqlite->census.number);
    atomic_store(&sqlite->news, true); /* Before a waiting loop goes on. */
    (void)pthread_cond_broadcast(&sqlite->settled);
    (void)pthread_mutex_unlock(&sqlite->lock);
    gg_sqlite_signal(sqlite);
}

static void fail_database(struct gg_sqlite *sqlite, const char *call)
{
    struct gg_store_report report = {.fault = ""};
    (void)gg_database_fault(&sqlite->database, call, &report);
    gg_sqlite_fail(sqlite, report.fault);
}

/* How large is what is in use, and is much more free? */
static void look_at_pages(struct gg_sqlite *sqlite)
{
    int64_t all = gg_database_pragma(&sqlite->database, "page_count");
    int64_t unused = gg_database_pragma(&sqlite->database, "freelist_count");
    if (all < 0 || unused < 0) {
        fail_database(sqlite, "read");
        return;
    }
    int64_t used = all - unused;
    sqlite->unlooked = 0;
    sqlite->shrinking = sqlite->space.low ? unused > FREE_PAGES_MIN
                                          : unused > used + FREE_PAGES_MAX;
    (void)pthread_mutex_lock(&sqlite->lock);
    sqlite->stats.record_bytes = (uint64_t)used * GG_PAGE_BYTES;
    (void)pthread_mutex_unlock(&sqlite->lock);
}

/* The log's contents move to the database when there is a piece of them. For want of
 * room they stay in the log. */
static void checkpoint(struct gg_sqlite *sqlite)
{
    int left = 0;
    int rc = gg_database_checkpoint(&sqlite->database, false, &left);
    if (rc != SQLITE_OK && gg_database_no_space(&sqlite->database) &&
        gg_space_free_ballast(&sqlite->space)) {
        rc = gg_database_checkpoint(&sqlite->database, false, &left);
    }
    if (rc != SQLITE_OK && !gg_database_no_space(&sqlite->database)) {
        fail_database(sqlite, "checkpoint");
        return;
    }
    sqlite->checkpoint_from = CHECKPOINT_FRAMES;
    if (rc != SQLITE_OK || left > 0) { /* A reader holds it; not again at once. */
        sqlite->checkpoint_from += sqlite->log_frames;
    }
    look_at_pages(sqlite);
}

static void shrink(struct gg_sqlite *sqlite)
{
    int rc = gg_database_shrink(&sqlite->database, SHRINK_PAGES);
    if (rc != SQLITE_OK && !gg_database_no_space(&sqlite->database)) {
        fail_database(sqlite, "shrink");
        return;
    }
    look_at_pages(sqlite);
    sqlite->shrinking = sqlite->shrinking && rc == SQLITE_OK;
    if (sqlite->space.low || !sqlite->shrinking) { /* The file gets shorter only now. */
        checkpoint(sqlite);
    }
}

static void keep_house(struct gg_sqlite *sqlite)
{
    if (sqlite->log_frames >= sqlite->checkpoint_from) {
        checkpoint(sqlite);
    } else if (++sqlite->unlooked >= LOOK_COMMITS) {
        look_at_pages(sqlite);
    }
    if (gg_space_look(&sqlite->space)) {
        if (sqlite->space.low) {
            look_at_pages(sqlite);
        }
        gg_sqlite_signal(sqlite);
    }
    if (sqlite->shrinking && !atomic_load(&sqlite->failed)) {
        shrink(sqlite);
    }
    remove_deferred(sqlite);
}

/* ---- the thread ---- */

/* What waits, as one batch within bounds; it ends before a second group with blobs, so
 * that a blob is never removed and written anew in one transaction. */
static struct gg_group *take_batch(struct gg_sqlite *sqlite)
{
    struct gg_group *first = sqlite->queue_first;
    struct gg_group *last = first;
    bool blobs = first->blob_count > 0;
    uint64_t ops = first->op_count;
    uint64_t bytes = first->len;
    for (struct gg_group *next = last->next; next != NULL; next = last->next) {
        ops += next->op_count;
        bytes += next->len;
        if ((blobs && next->blob_count > 0) || ops > BATCH_OPS_MAX ||
            bytes > BATCH_BYTES_MAX) {
            break;
        }
        blobs = blobs || next->blob_count > 0;
        last = next;
    }
    sqlite->queue_first = last->next;
    if (last->next == NULL) {
        sqlite->queue_last = NULL;
    }
    last->next = NULL;
    return first;
}

/* The next batch; NULL: look after the house, or (*out_stop) end. */
static struct gg_group *wait_for_batch(struct gg_sqlite *sqlite, bool *out_stop)
{
    bool busy = sqlite->space.low || sqlite->shrinking || sqlite->deferred_count > 0;
    struct timespec until = gg_mono_timespec(sqlite->shrinking ? SHRINK_MS : LOOK_MS);
    struct gg_group *groups = NULL;
    int timed_out = 0;
    (void)pthread_mutex_lock(&sqlite->lock);
    while (sqlite->queue_first == NULL && !sqlite->stopping && timed_out == 0) {
        timed_out = busy ? pthread_cond_timedwait(&sqlite->wake_writer, &sqlite->lock,
                                                  &until)
                         : pthread_cond_wait(&sqlite->wake_writer, &sqlite->lock);
    }
    if (sqlite->queue_first != NULL && !atomic_load(&sqlite->failed)) {
        groups = take_batch(sqlite);
    }
    *out_stop = groups == NULL && (sqlite->stopping || atomic_load(&sqlite->failed));
    (void)pthread_mutex_unlock(&sqlite->lock);
    return groups;
}

/* In order: the log is empty, the witness says so. */
static void close_in_order(struct gg_sqlite *sqlite)
{
    int left = 0;
    if (atomic_load(&sqlite->failed) ||
        gg_database_checkpoint(&sqlite->database, true, &left) != SQLITE_OK ||
        left > 0) {
        return;
    }
    struct gg_testimony now = {
        .number = sqlite->census.number, .at = gg_wall_now(), .closed = true};
    if (gg_witness_write(&sqlite->witness, &now) == 0) {
        (void)gg_witness_sync(&sqlite->witness);
    }
}

void *gg_sqlite_write(void *ctx)
{
    struct gg_sqlite *sqlite = ctx;
    bool stop = false;
    sqlite->checkpoint_from = CHECKPOINT_FRAMES;
    look_at_pages(sqlite);
    while (!stop) {
        struct gg_group *groups = wait_for_batch(sqlite, &stop);
        if (groups != NULL) {
            int64_t begun_us = gg_mono_us();
            if (!commit(sqlite, groups)) {
                break; /* The groups stay with the loop's list. */
            }
            testify(sqlite);
            settle(sqlite, groups, (uint64_t)(gg_mono_us() - begun_us));
        }
        if (!stop && !atomic_load(&sqlite->failed)) {
            keep_house(sqlite);
        }
    }
    close_in_order(sqlite);
    return NULL;
}
