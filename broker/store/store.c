#include "broker/store/store.h"

#include <stddef.h>

#include "common/assert.h"

void gg_store_init(struct gg_store *store, const struct gg_store_ops *ops)
{
    GG_ASSERT(ops->name != NULL);
    GG_ASSERT(ops->put != NULL);
    GG_ASSERT(ops->del != NULL);
    GG_ASSERT(ops->scan != NULL);
    GG_ASSERT(ops->commit != NULL);
    GG_ASSERT(ops->sync != NULL);
    GG_ASSERT(ops->durable != NULL);
    GG_ASSERT(ops->descriptor != NULL);
    GG_ASSERT(ops->close != NULL);

    *store = (struct gg_store){.ops = ops};
}

enum gg_err gg_store_put(struct gg_store *store, uint64_t number,
                         const struct gg_id *id, struct gg_slice value)
{
    GG_ASSERT(number > store->number);

    enum gg_err err = store->ops->put(store, number, id, value);
    if (err == GG_OK) {
        store->number = number;
    }
    return err;
}

enum gg_err gg_store_del(struct gg_store *store, uint64_t number,
                         const struct gg_id *id)
{
    GG_ASSERT(number > store->number);

    enum gg_err err = store->ops->del(store, number, id);
    if (err == GG_OK) {
        store->number = number;
    }
    return err;
}

enum gg_err gg_store_scan(struct gg_store *store, gg_store_visit_fn *visit, void *ctx)
{
    return store->ops->scan(store, visit, ctx);
}

enum gg_err gg_store_commit(struct gg_store *store)
{
    return store->ops->commit(store);
}

enum gg_err gg_store_sync(struct gg_store *store)
{
    return store->ops->sync(store);
}

enum gg_err gg_store_durable(struct gg_store *store, uint64_t *out_number)
{
    return store->ops->durable(store, out_number);
}

int gg_store_descriptor(const struct gg_store *store)
{
    return store->ops->descriptor(store);
}

void gg_store_close(struct gg_store **store_p)
{
    struct gg_store *store = *store_p;
    *store_p = NULL;
    if (store != NULL) {
        store->ops->close(store);
    }
}
