/* memory.c - records in memory: what a volatile broker uses, and the yardstick of the
 * contract test. A commit is durable at once, as far as memory goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/store.h"
#include "common/list.h"
#include "common/map.h"

struct record {
    struct gg_store_key key;
    size_t len;
    uint8_t value[];
};

struct kept_blob {
    struct gg_store_blob_key key;
    struct gg_blob *blob;
};

struct waiting_answer {
    struct gg_link link;
    struct gg_store_answer answer;
};

struct memory {
    struct gg_store base; /* First: the interface hands out its address. */
    struct gg_map records;
    struct gg_map blobs;
    struct gg_link answers;
    uint64_t committed;
    uint64_t record_bytes;
    uint64_t blob_bytes;
    uint64_t group_count;
    struct gg_wall committed_at;
};

static struct memory *from_base(struct gg_store *store)
{
    return (struct memory *)(void *)store;
}

/* ---- records ---- */

static uint64_t hash_of(const struct gg_store_key *key)
{
    return gg_hash(gg_slice_of(key->id.bytes, GG_ID_BYTES), key->kind);
}

static bool has_key(const void *item, const void *key)
{
    const struct gg_store_key *mine = &((const struct record *)item)->key;
    const struct gg_store_key *wanted = key;
    return mine->kind == wanted->kind && gg_id_equal(&mine->id, &wanted->id);
}

static void drop(struct memory *memory, const struct gg_store_key *key)
{
    uint64_t hash = hash_of(key);
    struct record *record = gg_map_find(&memory->records, hash, has_key, key);
    if (record != NULL) {
        (void)gg_map_remove(&memory->records, hash, record);
        memory->record_bytes -= record->len;
        free(record);
    }
}

static enum gg_err memory_put(struct gg_store *store, uint64_t number,
                              const struct gg_store_key *key, struct gg_slice value)
{
    (void)number;
    struct memory *memory = from_base(store);
    struct record *record = malloc(sizeof *record + value.len);
    if (record == NULL || gg_map_reserve(&memory->records) != GG_OK) {
        free(record);
        return GG_ERR_NO_MEMORY;
    }
    record->key = *key;
    record->len = value.len;
    if (value.len > 0) {
        memcpy(record->value, value.data, value.len);
    }
    drop(memory, key);
    gg_map_put(&memory->records, hash_of(key), record);
    memory->record_bytes += value.len;
    return GG_OK;
}

static enum gg_err memory_del(struct gg_store *store, uint64_t number,
                              const struct gg_store_key *key)
{
    (void)number;
    drop(from_base(store), key);
    return GG_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct record *const *left = a;
    const struct record *const *right = b;
    return memcmp((*left)->key.id.bytes, (*right)->key.id.bytes, GG_ID_BYTES);
}

static enum gg_err memory_scan(struct gg_store *store, enum gg_store_kind kind,
                               gg_store_visit_fn *visit, void *ctx)
{
    struct memory *memory = from_base(store);
    size_t room = gg_map_count(&memory->records);
    if (room == 0) {
        return GG_OK;
    }
    const struct record **sorted = malloc(room * sizeof(struct record *));
    if (sorted == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    size_t count = 0;
    size_t place = 0;
    for (const struct record *record = NULL;
         (record = gg_map_next(&memory->records, &place)) != NULL;) {
        if (record->key.kind == kind) {
            sorted[count++] = record;
        }
    }
    qsort(sorted, count, sizeof(struct record *), by_id);
    enum gg_err err = GG_OK;
    for (size_t i = 0; i < count && err == GG_OK; i++) {
        err = visit(ctx, &sorted[i]->key,
                    gg_slice_of(sorted[i]->value, sorted[i]->len));
    }
    free(sorted);
    return err;
}

/* ---- blobs ---- */

static uint64_t blob_hash(const struct gg_store_blob_key *key)
{
    return gg_hash(gg_slice_of(key->id.bytes, GG_ID_BYTES), key->part);
}

static bool has_blob_key(const void *item, const void *key)
{
    const struct gg_store_blob_key *mine = &((const struct kept_blob *)item)->key;
    const struct gg_store_blob_key *wanted = key;
    return mine->part == wanted->part && gg_id_equal(&mine->id, &wanted->id);
}

static struct kept_blob *find_blob(const struct memory *memory,
                                   const struct gg_store_blob_key *key)
{
    return gg_map_find(&memory->blobs, blob_hash(key), has_blob_key, key);
}

static enum gg_err memory_del_blob(struct gg_store *store, uint64_t number,
                                   const struct gg_store_blob_key *key)
{
    (void)number;
    struct memory *memory = from_base(store);
    struct kept_blob *kept = find_blob(memory, key);
    if (kept != NULL) {
        (void)gg_map_remove(&memory->blobs, blob_hash(key), kept);
        memory->blob_bytes -= kept->blob->len;
        gg_blob_unref(&kept->blob);
        free(kept);
    }
    return GG_OK;
}

static enum gg_err memory_put_blob(struct gg_store *store, uint64_t number,
                                   const struct gg_store_blob_key *key,
                                   struct gg_blob *blob)
{
    struct memory *memory = from_base(store);
    struct kept_blob *kept = malloc(sizeof *kept);
    if (kept == NULL || gg_map_reserve(&memory->blobs) != GG_OK) {
        free(kept);
        return GG_ERR_NO_MEMORY;
    }
    (void)memory_del_blob(store, number, key);
    *kept = (struct kept_blob){.key = *key, .blob = gg_blob_ref(blob)};
    memory->blob_bytes += blob->len;
    gg_map_put(&memory->blobs, blob_hash(key), kept);
    return GG_OK;
}

static enum gg_err memory_load(struct gg_store *store, uint64_t ticket,
                               const struct gg_store_blob_key *key)
{
    struct memory *memory = from_base(store);
    const struct kept_blob *kept = find_blob(memory, key);
    struct waiting_answer *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    waiting->answer.ticket = ticket;
    if (kept == NULL) {
        waiting->answer.err = GG_ERR_NOT_FOUND;
        (void)snprintf(waiting->answer.text, sizeof waiting->answer.text, "no blob");
    } else {
        waiting->answer.blob = gg_blob_ref(kept->blob);
    }
    gg_list_push_back(&memory->answers, &waiting->link);
    return GG_OK;
}

static enum gg_err memory_backup(struct gg_store *store, uint64_t ticket,
                                 const char *path)
{
    (void)store;
    (void)ticket;
    (void)path;
    return GG_ERR_NOT_DURABLE;
}

static bool memory_answered(struct gg_store *store, struct gg_store_answer *out_answer)
{
    struct memory *memory = from_base(store);
    struct gg_link *link = gg_list_first(&memory->answers);
    if (link == NULL) {
        return false;
    }
    struct waiting_answer *waiting = GG_CONTAINER(link, struct waiting_answer, link);
    gg_list_remove(link);
    *out_answer = waiting->answer;
    free(waiting);
    return true;
}

/* ---- groups ---- */

static enum gg_err memory_commit(struct gg_store *store)
{
    struct memory *memory = from_base(store);
    if (memory->committed != store->number) {
        memory->committed = store->number;
        memory->committed_at = gg_wall_now();
        memory->group_count++;
    }
    return GG_OK;
}

static enum gg_err memory_durable(struct gg_store *store, uint64_t *out_number)
{
    *out_number = from_base(store)->committed;
    return GG_OK;
}

static int memory_descriptor(const struct gg_store *store)
{
    (void)store;
    return -1;
}

static enum gg_store_space memory_space(const struct gg_store *store)
{
    (void)store;
    return GG_STORE_SPACE_OK;
}

static void memory_status(struct gg_store *store, struct gg_store_status *out_status)
{
    const struct memory *memory = from_base(store);
    out_status->record_count = gg_map_count(&memory->records);
    out_status->record_bytes = memory->record_bytes;
    out_status->blob_count = gg_map_count(&memory->blobs);
    out_status->blob_bytes = memory->blob_bytes;
    out_status->group_count = memory->group_count;
    out_status->committed_at = memory->committed_at;
}

static void memory_error(struct gg_store *store, char text[GG_STORE_TEXT_BYTES])
{
    (void)store;
    text[0] = '\0';
}

static void memory_close(struct gg_store *store)
{
    struct memory *memory = from_base(store);
    size_t place = 0;
    for (void *item = NULL; (item = gg_map_next(&memory->records, &place)) != NULL;) {
        free(item);
    }
    gg_map_fini(&memory->records);
    place = 0;
    for (struct kept_blob *kept = NULL;
         (kept = gg_map_next(&memory->blobs, &place)) != NULL;) {
        gg_blob_unref(&kept->blob);
        free(kept);
    }
    gg_map_fini(&memory->blobs);
    for (struct gg_store_answer answer; memory_answered(store, &answer);) {
        gg_blob_unref(&answer.blob);
    }
    free(memory);
}

static const struct gg_store_ops memory_ops = {
    .name = "memory",
    .put = memory_put,
    .del = memory_del,
    .put_blob = memory_put_blob,
    .del_blob = memory_del_blob,
    .scan = memory_scan,
    .commit = memory_commit,
    .sync = memory_commit,
    .durable = memory_durable,
    .descriptor = memory_descriptor,
    .load = memory_load,
    .backup = memory_backup,
    .answered = memory_answered,
    .space = memory_space,
    .status = memory_status,
    .error = memory_error,
    .close = memory_close,
};

enum gg_err gg_store_open_memory(struct gg_store **out_store)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    gg_store_init(&memory->base, &memory_ops);
    gg_list_init(&memory->answers);
    *out_store = &memory->base;
    return GG_OK;
}
