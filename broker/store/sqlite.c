/* sqlite.c - the loop's side of the store on disk. */
#include "broker/store/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/store/ahead.h"
#include "broker/store/sqlite_state.h"
#include "common/assert.h"

enum {
    SPARE_MAX = 16,
    BALLAST_BYTES = 16 << 20,
    WAITING_BYTES_MAX = 64 << 20,
};

static struct gg_sqlite *from_base(struct gg_store *store)
{
    return (struct gg_sqlite *)(void *)store;
}

/* ---- from any thread ---- */

void gg_sqlite_signal(struct gg_sqlite *sqlite)
{
    uint64_t one = 1;
    atomic_store(&sqlite->news, true);
    if (write(sqlite->event_fd, &one, sizeof one) < 0) {
        GG_ASSERT(errno == EAGAIN); /* Readable already, and more than that. */
    }
}

void gg_sqlite_fail(struct gg_sqlite *sqlite, const char *text)
{
    (void)pthread_mutex_lock(&sqlite->lock);
    if (!atomic_load(&sqlite->failed)) {
        (void)snprintf(sqlite->error, sizeof sqlite->error, "%s", text);
        atomic_store(&sqlite->failed, true);
    }
    (void)pthread_cond_broadcast(&sqlite->settled);
    (void)pthread_mutex_unlock(&sqlite->lock);
    gg_sqlite_signal(sqlite);
}

void gg_sqlite_answer(struct gg_sqlite *sqlite, struct gg_question *question)
{
    (void)pthread_mutex_lock(&sqlite->lock);
    gg_list_push_back(&sqlite->answers, &question->link);
    (void)pthread_mutex_unlock(&sqlite->lock);
    gg_sqlite_signal(sqlite);
}

/* ---- groups ---- */

/* Take back what is durable: give up its blobs, keep its buffers. */
static void take_back(struct gg_sqlite *sqlite)
{
    uint64_t told = 0;
    if (!atomic_exchange(&sqlite->news, false)) {
        return;
    }
    if (read(sqlite->event_fd, &told, sizeof told) < 0) {
        GG_ASSERT(errno == EAGAIN);
    }
    (void)pthread_mutex_lock(&sqlite->lock);
    struct gg_group *done = sqlite->done;
    sqlite->done = NULL;
    (void)pthread_mutex_unlock(&sqlite->lock);
    while (done != NULL) { /* In the order in which they were closed. */
        struct gg_group *group = done;
        done = group->next;
        GG_ASSERT(sqlite->flying_first == group);
        sqlite->flying_first = group->next_flying;
        if (sqlite->flying_first == NULL) {
            sqlite->flying_last = NULL;
        }
        sqlite->waiting_bytes -= group->len + group->blob_bytes;
        gg_group_clear(group);
        if (sqlite->spare_count < SPARE_MAX) {
            group->next = sqlite->spare;
            sqlite->spare = group;
            sqlite->spare_count++;
        } else {
            gg_group_destroy(&group);
        }
    }
}

/* The group that is open; NULL without memory. */
static struct gg_group *open_group(struct gg_sqlite *sqlite)
{
    if (sqlite->open == NULL && sqlite->spare != NULL) {
        sqlite->open = sqlite->spare;
        sqlite->spare = sqlite->open->next;
        sqlite->spare_count--;
        sqlite->open->next = NULL;
    }
    if (sqlite->open == NULL) {
        sqlite->open = gg_group_new();
    }
    return sqlite->open;
}

/* Begin to append: the open group, or why not. */
static enum gg_err begin(struct gg_sqlite *sqlite, struct gg_group **out_group)
{
    if (atomic_load(&sqlite->failed)) {
        return GG_ERR_STORE;
    }
    *out_group = open_group(sqlite);
    return *out_group == NULL ? GG_ERR_NO_MEMORY : GG_OK;
}

static enum gg_err end(struct gg_sqlite *sqlite, struct gg_group *group,
                       uint64_t number, size_t len_before, enum gg_err err)
{
    if (err == GG_OK) {
        group->number = number;
        sqlite->waiting_bytes += group->len - len_before;
    }
    return err;
}

static enum gg_err sqlite_put(struct gg_store *store, uint64_t number,
                              const struct gg_store_key *key, struct gg_slice value)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_group *group = NULL;
    enum gg_err err = begin(sqlite, &group);
    if (err != GG_OK) {
        return err;
    }
    size_t before = group->len;
    return end(sqlite, group, number, before, gg_group_put(group, key, value));
}

static enum gg_err sqlite_del(struct gg_store *store, uint64_t number,
                              const struct gg_store_key *key)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_group *group = NULL;
    enum gg_err err = begin(sqlite, &group);
    if (err != GG_OK) {
        return err;
    }
    size_t before = group->len;
    return end(sqlite, group, number, before, gg_group_del(group, key));
}

static enum gg_err sqlite_put_blob(struct gg_store *store, uint64_t number,
                                   const struct gg_store_blob_key *key,
                                   struct gg_blob *blob)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_group *group = NULL;
    enum gg_err err = begin(sqlite, &group);
    if (err != GG_OK) {
        return err;
    }
    size_t before = group->len;
    err = end(sqlite, group, number, before, gg_group_put_blob(group, key, blob));
    if (err == GG_OK) {
        group->blob_bytes += blob->len;
        sqlite->waiting_bytes += blob->len;
    }
    return err;
}

static enum gg_err sqlite_del_blob(struct gg_store *store, uint64_t number,
                                   const struct gg_store_blob_key *key)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_group *group = NULL;
    enum gg_err err = begin(sqlite, &group);
    if (err != GG_OK) {
        return err;
    }
    size_t before = group->len;
    return end(sqlite, group, number, before, gg_group_del_blob(group, key));
}

static enum gg_err sqlite_commit(struct gg_store *store)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_group *group = sqlite->open;
    if (atomic_load(&sqlite->failed)) {
        return GG_ERR_STORE;
    }
    take_back(sqlite);
    if (group == NULL || group->op_count == 0) {
        return GG_OK;
    }
    sqlite->open = NULL;
    group->next = NULL;
    group->next_flying = NULL;
    if (sqlite->flying_last == NULL) {
        sqlite->flying_first = group;
    } else {
        sqlite->flying_last->next_flying = group;
    }
    sqlite->flying_last = group;
    (void)pthread_mutex_lock(&sqlite->lock);
    if (sqlite->queue_last == NULL) {
        sqlite->queue_first = group;
    } else {
        sqlite->queue_last->next = group;
    }
    sqlite->queue_last = group;
    (void)pthread_cond_signal(&sqlite->wake_writer);
    (void)pthread_mutex_unlock(&sqlite->lock);
    return GG_OK;
}

static enum gg_err sqlite_sync(struct gg_store *store)
{
    struct gg_sqlite *sqlite = from_base(store);
    enum gg_err err = sqlite_commit(store);
    if (err != GG_OK) {
        return err;
    }
    (void)pthread_mutex_lock(&sqlite->lock);
    while (atomic_load(&sqlite->durable) < store->number &&
           !atomic_load(&sqlite->failed)) {
        (void)pthread_cond_wait(&sqlite->settled, &sqlite->lock);
    }
    (void)pthread_mutex_unlock(&sqlite->lock);
    take_back(sqlite);
    return atomic_load(&sqlite->failed) ? GG_ERR_STORE : GG_OK;
}

static enum gg_err sqlite_durable(struct gg_store *store, uint64_t *out_number)
{
    struct gg_sqlite *sqlite = from_base(store);
    take_back(sqlite);
    if (atomic_load(&sqlite->failed)) {
        return GG_ERR_STORE;
    }
    *out_number = atomic_load(&sqlite->durable);
    return GG_OK;
}

static int sqlite_descriptor(const struct gg_store *store)
{
    return ((const struct gg_sqlite *)(const void *)store)->event_fd;
}

/* ---- reading ---- */

static enum gg_err sqlite_scan(struct gg_store *store, enum gg_store_kind kind,
                               gg_store_visit_fn *visit, void *ctx)
{
    struct gg_sqlite *sqlite = from_base(store);
    struct gg_store_report report = {.fault = ""};
    struct gg_database database;
    enum gg_err err = sqlite_sync(store);
    if (err != GG_OK) {
        return err;
    }
    err = gg_database_open_reader(&database, sqlite->vfs, sqlite->folder.database,
                                  &report);
    if (err == GG_OK) {
        err = gg_ahead_visit(&database, (uint8_t)kind, visit, ctx, &report);
        gg_database_close(&database);
    }
    if (report.fault[0] != '\0' && err == GG_ERR_STORE) {
        gg_sqlite_fail(sqlite, report.fault);
    }
    return err;
}

/* The last word on a blob among what is not yet durable, or NULL. */
static const struct gg_op *find_waiting_blob(const struct gg_sqlite *sqlite,
                                             const struct gg_store_blob_key *key)
{
    const struct gg_op *last = sqlite->open == NULL
                                   ? NULL
                                   : gg_group_find_blob(sqlite->open, key);
    if (last != NULL) {
        return last;
    }
    for (const struct gg_group *group = sqlite->flying_first; group != NULL;
         group = group->next_flying) {
        const struct gg_op *op = gg_group_find_blob(group, key);
        last = op == NULL ? last : op;
    }
    return last;
}

static enum gg_err sqlite_load(struct gg_store *store, uint64_t ticket,
                               const struct gg_store_blob_key *key)
{
    struct gg_sqlite *sqlite = from_base(store);
    if (atomic_load(&sqlite->failed)) {
        return GG_ERR_STORE;
    }
    struct gg_question *question = calloc(1, sizeof *question);
    if (question == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    question->answer.ticket = ticket;
    question->row = gg_blob_row_id(key);
    const struct gg_op *op = find_waiting_blob(sqlite, key);
    if (op != NULL && op->blob != NULL) { /* On its way to the disk. */
        question->answer.blob = gg_blob_ref(op->blob);
        gg_sqlite_answer(sqlite, question);
        return GG_OK;
    }
    (void)pthread_mutex_lock(&sqlite->lock);
    gg_list_push_back(&sqlite->loads, &question->link);
    (void)pthread_cond_signal(&sqlite->wake_reader);
    (void)pthread_mutex_unlock(&sqlite->lock);
    return GG_OK;
}

static bool sqlite_answered(struct gg_store *store, struct gg_store_answer *out_answer)
{
    struct gg_sqlite *sqlite = from_base(store);
    (void)pthread_mutex_lock(&sqlite->lock);
    struct gg_link *link = gg_list_first(&sqlite->answers);
    if (link != NULL) {
        gg_list_remove(link);
    }
    (void)pthread_mutex_unlock(&sqlite->lock);
    if (link == NULL) {
        return false;
    }
    struct gg_question *question = GG_CONTAINER(link, struct gg_question, link);
    *out_answer = question->answer;
    free(question);
    return true;
}

static void join_backup(struct gg_sqlite *sqlite)
{
    if (sqlite->backup_started) {
        (void)pthread_join(sqlite->backup_thread, NULL);
        sqlite->backup_started = false;
    }
}

static enum gg_err sqlite_backup(struct gg_store *store, uint64_t ticket,
                                 const char *path)
{
    struct gg_sqlite *sqlite = from_base(store);
    if (atomic_load(&sqlite->failed)) {
        return GG_ERR_STORE;
    }
    if (atomic_load(&sqlite->backup_running)) {
        return GG_ERR_BUSY;
    }
    join_backup(sqlite);
    struct gg_question *question = calloc(1, sizeof *question);
    if (question == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    question->answer.ticket = ticket;
    if (snprintf(sqlite->backup_path, sizeof sqlite->backup_path, "%s", path) >=
        (int)sizeof sqlite->backup_path) {
        question->answer.err = GG_ERR_TOO_LARGE;
        (void)snprintf(question->answer.text, sizeof question->answer.text,
                       "the path is too long");
        gg_sqlite_answer(sqlite, question);
        return GG_OK;
    }
    sqlite->backup_question = question;
    atomic_store(&sqlite->backup_running, true);
    if (pthread_create(&sqlite->backup_thread, NULL, gg_sqlite_back_up, sqlite) != 0) {
        atomic_store(&sqlite->backup_running, false);
        free(question);
        return GG_ERR_NO_MEMORY;
    }
    sqlite->backup_started = true;
    return GG_OK;
}

/* ---- how it is ---- */

static enum gg_store_space sqlite_space(const struct gg_store *store)
{
    const struct gg_sqlite *sqlite = (const struct gg_sqlite *)(const void *)store;
    uint64_t free_bytes = atomic_load(&sqlite->space.free_bytes);
    if (sqlite->waiting_bytes > sqlite->waiting_bytes_max) {
        return GG_STORE_SPACE_BEHIND;
    }
    /* What waits takes its room in the log and in the database. */
    if (atomic_load(&sqlite->space.shown_low) ||
        free_bytes < sqlite->space.ballast_bytes + 2 * sqlite->waiting_bytes) {
        return GG_STORE_SPACE_LOW;
    }
    return GG_STORE_SPACE_OK;
}

static uint64_t size_of(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0 ? (uint64_t)stat_of.st_size : 0;
}

/* The least latency of bucket `index`; each is an eighth of a power of two. */
static uint64_t bucket_us(size_t index)
{
    if (index < 8) {
        return index;
    }
    return (8 + index % 8) << (index / 8 - 1);
}

static uint64_t percentile(const struct gg_writer_stats *stats, uint64_t percent)
{
    uint64_t rank = (stats->group_count * percent + 99) / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < GG_LATENCY_BUCKETS; i++) {
        seen += stats->latency[i];
        if (seen >= rank && seen > 0) {
            return bucket_us(i);
        }
    }
    return 0;
}

static void sqlite_status(struct gg_store *store, struct gg_store_status *out_status)
{
    struct gg_sqlite *sqlite = from_base(store);
    (void)pthread_mutex_lock(&sqlite->lock);
    struct gg_writer_stats stats = sqlite->stats;
    (void)pthread_mutex_unlock(&sqlite->lock);
    out_status->path = sqlite->folder.path;
    out_status->free_bytes = atomic_load(&sqlite->space.free_bytes);
    out_status->record_count = stats.record_count;
    out_status->record_bytes = stats.record_bytes;
    out_status->blob_count = stats.blob_count;
    out_status->blob_bytes = stats.blob_bytes;
    out_status->disk_bytes = size_of(sqlite->folder.database) +
                             size_of(sqlite->folder.log) + stats.blob_bytes +
                             size_of(sqlite->space.path);
    out_status->group_count = stats.group_count;
    out_status->waiting_bytes = sqlite->waiting_bytes;
    out_status->committed_at = stats.committed_at;
    out_status->commit_p50_us = percentile(&stats, 50);
    out_status->commit_p99_us = percentile(&stats, 99);
    out_status->space = sqlite_space(store);
}

static void sqlite_error(struct gg_store *store, char text[GG_STORE_TEXT_BYTES])
{
    struct gg_sqlite *sqlite = from_base(store);
    (void)pthread_mutex_lock(&sqlite->lock);
    (void)snprintf(text, GG_STORE_TEXT_BYTES, "%s", sqlite->error);
    (void)pthread_mutex_unlock(&sqlite->lock);
}

/* ---- the end ---- */

static void destroy_groups(struct gg_group *group, bool flying)
{
    while (group != NULL) {
        struct gg_group *next = flying ? group->next_flying : group->next;
        gg_group_destroy(&group);
        group = next;
    }
}

static void destroy_questions(struct gg_link *list)
{
    struct gg_link *link = NULL;
    while ((link = gg_list_first(list)) != NULL) {
        struct gg_question *question = GG_CONTAINER(link, struct gg_question, link);
        gg_list_remove(link);
        gg_blob_unref(&question->answer.blob);
        free(question);
    }
}

static void stop_threads(struct gg_sqlite *sqlite)
{
    (void)pthread_mutex_lock(&sqlite->lock);
    sqlite->stopping = true;
    (void)pthread_cond_broadcast(&sqlite->wake_reader);
    (void)pthread_mutex_unlock(&sqlite->lock);
    join_backup(sqlite); /* First: it reads what the writer would close. */
    if (sqlite->reader_started) {
        (void)pthread_join(sqlite->reader, NULL);
    }
    (void)pthread_mutex_lock(&sqlite->lock);
    (void)pthread_cond_broadcast(&sqlite->wake_writer);
    (void)pthread_mutex_unlock(&sqlite->lock);
    if (sqlite->writer_started) {
        (void)pthread_join(sqlite->writer, NULL);
    }
}

/* Also of one that was opened by half. */
static void sqlite_close(struct gg_store *store)
{
    struct gg_sqlite *sqlite = from_base(store);
    stop_threads(sqlite);
    gg_database_close(&sqlite->database);
    gg_witness_close(&sqlite->witness);
    gg_page_vfs_destroy(&sqlite->vfs);
    gg_folder_close(&sqlite->folder);
    gg_group_destroy(&sqlite->open);
    destroy_groups(sqlite->flying_first, true);
    destroy_groups(sqlite->spare, false);
    destroy_questions(&sqlite->loads);
    destroy_questions(&sqlite->answers);
    gg_live_fini(&sqlite->live);
    gg_batch_fini(&sqlite->batch);
    free(sqlite->deferred);
    if (sqlite->event_fd >= 0) {
        (void)close(sqlite->event_fd);
    }
    (void)pthread_mutex_destroy(&sqlite->lock);
    (void)pthread_cond_destroy(&sqlite->wake_writer);
    (void)pthread_cond_destroy(&sqlite->wake_reader);
    (void)pthread_cond_destroy(&sqlite->settled);
    free(sqlite);
}

static const struct gg_store_ops sqlite_ops = {
    .name = "sqlite",
    .put = sqlite_put,
    .del = sqlite_del,
    .put_blob = sqlite_put_blob,
    .del_blob = sqlite_del_blob,
    .scan = sqlite_scan,
    .commit = sqlite_commit,
    .sync = sqlite_sync,
    .durable = sqlite_durable,
    .descriptor = sqlite_descriptor,
    .load = sqlite_load,
    .backup = sqlite_backup,
    .answered = sqlite_answered,
    .space = sqlite_space,
    .status = sqlite_status,
    .error = sqlite_error,
    .close = sqlite_close,
};

/* ---- the beginning ---- */

void gg_store_options_default(struct gg_store_options *out_options)
{
    *out_options = (struct gg_store_options){
        .ballast_bytes = BALLAST_BYTES,
        .waiting_bytes_max = WAITING_BYTES_MAX,
    };
}

static struct gg_sqlite *new_sqlite(const struct gg_store_options *options)
{
    pthread_condattr_t clock;
    struct gg_sqlite *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL) {
        return NULL;
    }
    gg_store_init(&sqlite->base, &sqlite_ops);
    sqlite->files = options->files == NULL ? gg_files_libc() : options->files;
    sqlite->waiting_bytes_max = options->waiting_bytes_max;
    sqlite->folder.lock_fd = -1;
    sqlite->witness.fd = -1;
    sqlite->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    gg_list_init(&sqlite->loads);
    gg_list_init(&sqlite->answers);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&sqlite->lock, NULL);
    (void)pthread_cond_init(&sqlite->wake_writer, &clock);
    (void)pthread_cond_init(&sqlite->wake_reader, &clock);
    (void)pthread_cond_init(&sqlite->settled, &clock);
    (void)pthread_condattr_destroy(&clock);
    return sqlite;
}

static enum gg_err start_threads(struct gg_sqlite *sqlite,
                                 struct gg_store_report *report)
{
    sqlite->writer_started = pthread_create(&sqlite->writer, NULL, gg_sqlite_write,
                                            sqlite) == 0;
    sqlite->reader_started = sqlite->writer_started &&
                             pthread_create(&sqlite->reader, NULL, gg_sqlite_read,
                                            sqlite) == 0;
    return sqlite->reader_started
               ? GG_OK
               : gg_report_fault(report, GG_ERR_NO_MEMORY, "no thread can be started");
}

enum gg_err gg_store_open_sqlite(const char *path,
                                 const struct gg_store_options *options,
                                 struct gg_store **out_store,
                                 struct gg_store_report *out_report)
{
    *out_report = (struct gg_store_report){.fault = ""};
    struct gg_sqlite *sqlite = new_sqlite(options);
    if (sqlite == NULL || sqlite->event_fd < 0) {
        free(sqlite);
        return gg_report_fault(out_report, GG_ERR_NO_MEMORY, "no memory");
    }
    enum gg_err err = gg_folder_open(&sqlite->folder, path, sqlite->files, out_report);
    if (err == GG_OK) {
        err = gg_page_vfs_new(options->vfs, &sqlite->vfs);
        if (err != GG_OK) {
            (void)gg_report_fault(out_report, err, "no memory");
        }
    }
    if (err == GG_OK) {
        gg_space_make_way(sqlite->files, sqlite->folder.path);
        err = gg_sqlite_recover(sqlite, out_report);
    }
    if (err == GG_OK) {
        err = gg_space_init(&sqlite->space, sqlite->files, sqlite->folder.path,
                            options->ballast_bytes, out_report);
    }
    if (err == GG_OK) {
        err = start_threads(sqlite, out_report);
    }
    if (err != GG_OK) {
        struct gg_store *half = &sqlite->base;
        gg_store_close(&half);
        return err;
    }
    *out_store = &sqlite->base;
    return GG_OK;
}
