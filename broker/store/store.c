#include "broker/store/store.h"

#include <stddef.h>

#include "common/assert.h"
#include "common/map.h"

const char *gg_store_kind_name(uint8_t kind)
{
    switch (kind) {
#define X(symbol, number, name)                                                        \
    case symbol:                                                                       \
        return name;
        GG_STORE_KIND_LIST(X)
#undef X
    default:
        return "unknown";
    }
}

struct gg_store_key gg_store_key_named(enum gg_store_kind kind, struct gg_slice name)
{
    struct gg_store_key key = {.kind = (uint8_t)kind};
    gg_hash_wide(name, key.id.bytes);
    return key;
}

void gg_store_init(struct gg_store *store, const struct gg_store_ops *ops)
{
    GG_ASSERT(ops->name != NULL);
    GG_ASSERT(ops->put != NULL);
    GG_ASSERT(ops->del != NULL);
    GG_ASSERT(ops->put_blob != NULL);
    GG_ASSERT(ops->del_blob != NULL);
    GG_ASSERT(ops->scan != NULL);
    GG_ASSERT(ops->commit != NULL);
    GG_ASSERT(ops->sync != NULL);
    GG_ASSERT(ops->durable != NULL);
    GG_ASSERT(ops->descriptor != NULL);
    GG_ASSERT(ops->load != NULL);
    GG_ASSERT(ops->backup != NULL);
    GG_ASSERT(ops->answered != NULL);
    GG_ASSERT(ops->space != NULL);
    GG_ASSERT(ops->status != NULL);
    GG_ASSERT(ops->error != NULL);
    GG_ASSERT(ops->close != NULL);

    *store = (struct gg_store){.ops = ops};
}

/* What is in a closed group may be durable: nothing can join it. */
static void check_number(const struct gg_store *store, uint64_t number)
{
    GG_ASSERT(number >= store->number);
    GG_ASSERT(number > store->closed);
}

static enum gg_err appended(struct gg_store *store, uint64_t number, enum gg_err err)
{
    if (err == GG_OK) {
        store->number = number;
    }
    return err;
}

enum gg_err gg_store_put(struct gg_store *store, uint64_t number,
                         const struct gg_store_key *key, struct gg_slice value)
{
    check_number(store, number);
    GG_ASSERT(key->kind > 0 && key->kind < GG_STORE_KIND_COUNT);
    return appended(store, number, store->ops->put(store, number, key, value));
}

enum gg_err gg_store_del(struct gg_store *store, uint64_t number,
                         const struct gg_store_key *key)
{
    check_number(store, number);
    GG_ASSERT(key->kind > 0 && key->kind < GG_STORE_KIND_COUNT);
    return appended(store, number, store->ops->del(store, number, key));
}

enum gg_err gg_store_put_blob(struct gg_store *store, uint64_t number,
                              const struct gg_store_blob_key *key, struct gg_blob *blob)
{
    check_number(store, number);
    return appended(store, number, store->ops->put_blob(store, number, key, blob));
}

enum gg_err gg_store_del_blob(struct gg_store *store, uint64_t number,
                              const struct gg_store_blob_key *key)
{
    check_number(store, number);
    return appended(store, number, store->ops->del_blob(store, number, key));
}

enum gg_err gg_store_scan(struct gg_store *store, enum gg_store_kind kind,
                          gg_store_visit_fn *visit, void *ctx)
{
    return store->ops->scan(store, kind, visit, ctx);
}

enum gg_err gg_store_commit(struct gg_store *store)
{
    enum gg_err err = store->ops->commit(store);
    if (err == GG_OK) {
        store->closed = store->number;
    }
    return err;
}

enum gg_err gg_store_sync(struct gg_store *store)
{
    enum gg_err err = store->ops->sync(store);
    if (err == GG_OK) {
        store->closed = store->number;
    }
    return err;
}

enum gg_err gg_store_durable(struct gg_store *store, uint64_t *out_number)
{
    return store->ops->durable(store, out_number);
}

int gg_store_descriptor(const struct gg_store *store)
{
    return store->ops->descriptor(store);
}

enum gg_err gg_store_load(struct gg_store *store, uint64_t ticket,
                          const struct gg_store_blob_key *key)
{
    return store->ops->load(store, ticket, key);
}

enum gg_err gg_store_backup(struct gg_store *store, uint64_t ticket, const char *path)
{
    return store->ops->backup(store, ticket, path);
}

bool gg_store_answered(struct gg_store *store, struct gg_store_answer *out_answer)
{
    return store->ops->answered(store, out_answer);
}

enum gg_store_space gg_store_space(const struct gg_store *store)
{
    return store->ops->space(store);
}

void gg_store_status(struct gg_store *store, struct gg_store_status *out_status)
{
    *out_status = (struct gg_store_status){.backend = store->ops->name, .path = ""};
    store->ops->status(store, out_status);
}

void gg_store_error(struct gg_store *store, char text[GG_STORE_TEXT_BYTES])
{
    text[0] = '\0';
    store->ops->error(store, text);
}

void gg_store_close(struct gg_store **store_p)
{
    struct gg_store *store = *store_p;
    *store_p = NULL;
    if (store != NULL) {
        store->ops->close(store);
    }
}
