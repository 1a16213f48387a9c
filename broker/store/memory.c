/* memory.c - records in memory: what a volatile broker uses, and the yardstick of the
 * contract test. A commit is durable at once, as far as memory goes. */
#include <stdlib.h>
#include <string.h>

#include "broker/store/store.h"
#include "common/map.h"

struct record {
    struct gg_id id;
    size_t len;
    uint8_t value[];
};

struct memory {
    struct gg_store base; /* First: the interface hands out its address. */
    struct gg_map records;
    uint64_t committed;
};

static struct memory *from_base(struct gg_store *store)
{
    return (struct memory *)(void *)store;
}

static uint64_t hash_of(const struct gg_id *id)
{
    return gg_hash(gg_slice_of(id->bytes, GG_ID_BYTES), 0);
}

static bool has_id(const void *item, const void *key)
{
    return gg_id_equal(&((const struct record *)item)->id, key);
}

static void drop(struct memory *memory, const struct gg_id *id)
{
    uint64_t hash = hash_of(id);
    struct record *record = gg_map_find(&memory->records, hash, has_id, id);
    if (record != NULL) {
        (void)gg_map_remove(&memory->records, hash, record);
        free(record);
    }
}

static enum gg_err memory_put(struct gg_store *store, uint64_t number,
                              const struct gg_id *id, struct gg_slice value)
{
    (void)number;
    struct memory *memory = from_base(store);
    struct record *record = malloc(sizeof *record + value.len);
    if (record == NULL || gg_map_reserve(&memory->records) != GG_OK) {
        free(record);
        return GG_ERR_NO_MEMORY;
    }
    record->id = *id;
    record->len = value.len;
    if (value.len > 0) {
        memcpy(record->value, value.data, value.len);
    }
    drop(memory, id);
    gg_map_put(&memory->records, hash_of(id), record);
    return GG_OK;
}

static enum gg_err memory_del(struct gg_store *store, uint64_t number,
                              const struct gg_id *id)
{
    (void)number;
    drop(from_base(store), id);
    return GG_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct record *const *left = a;
    const struct record *const *right = b;
    return memcmp((*left)->id.bytes, (*right)->id.bytes, GG_ID_BYTES);
}

static enum gg_err memory_scan(struct gg_store *store, gg_store_visit_fn *visit,
                               void *ctx)
{
    struct memory *memory = from_base(store);
    size_t count = gg_map_count(&memory->records);
    if (count == 0) {
        return GG_OK;
    }
    const struct record **sorted = malloc(count * sizeof(struct record *));
    if (sorted == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = gg_map_next(&memory->records, &place);
    }
    qsort(sorted, count, sizeof(struct record *), by_id);
    enum gg_err err = GG_OK;
    for (size_t i = 0; i < count && err == GG_OK; i++) {
        err = visit(ctx, &sorted[i]->id, gg_slice_of(sorted[i]->value, sorted[i]->len));
    }
    free(sorted);
    return err;
}

static enum gg_err memory_commit(struct gg_store *store)
{
    from_base(store)->committed = store->number;
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

static void memory_close(struct gg_store *store)
{
    struct memory *memory = from_base(store);
    size_t place = 0;
    for (void *item = NULL; (item = gg_map_next(&memory->records, &place)) != NULL;) {
        free(item);
    }
    gg_map_fini(&memory->records);
    free(memory);
}

static const struct gg_store_ops memory_ops = {
    .name = "memory",
    .put = memory_put,
    .del = memory_del,
    .scan = memory_scan,
    .commit = memory_commit,
    .sync = memory_commit,
    .durable = memory_durable,
    .descriptor = memory_descriptor,
    .close = memory_close,
};

enum gg_err gg_store_open_memory(struct gg_store **out_store)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    gg_store_init(&memory->base, &memory_ops);
    *out_store = &memory->base;
    return GG_OK;
}
