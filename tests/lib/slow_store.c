#include "tests/lib/slow_store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"

enum { COMMITS_MAX = 64 };

struct slow {
    struct gg_store base;
    struct gg_store *inner;
    uint64_t durable;
    uint64_t waiting[COMMITS_MAX]; /* Last number of each commit, oldest first. */
    int waiting_count;
    atomic_bool prompt; /* Set from any thread. */
    atomic_bool broken;
    atomic_int space; /* enum gg_store_space */
};

static struct slow *from_base(struct gg_store *store)
{
    return (struct slow *)(void *)store;
}

static enum gg_err slow_put(struct gg_store *store, uint64_t number,
                            const struct gg_store_key *key, struct gg_slice value)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE : gg_store_put(slow->inner, number, key, value);
}

static enum gg_err slow_del(struct gg_store *store, uint64_t number,
                            const struct gg_store_key *key)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE : gg_store_del(slow->inner, number, key);
}

static enum gg_err slow_put_blob(struct gg_store *store, uint64_t number,
                                 const struct gg_store_blob_key *key,
                                 struct gg_blob *blob)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE
                        : gg_store_put_blob(slow->inner, number, key, blob);
}

static enum gg_err slow_del_blob(struct gg_store *store, uint64_t number,
                                 const struct gg_store_blob_key *key)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE : gg_store_del_blob(slow->inner, number, key);
}

static enum gg_err slow_scan(struct gg_store *store, enum gg_store_kind kind,
                             gg_store_visit_fn *visit, void *ctx)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE : gg_store_scan(slow->inner, kind, visit, ctx);
}

bool slow_store_answer(struct gg_store *store)
{
    struct slow *slow = from_base(store);
    if (slow->waiting_count == 0) {
        return false;
    }
    slow->durable = slow->waiting[0];
    slow->waiting_count--;
    for (int i = 0; i < slow->waiting_count; i++) {
        slow->waiting[i] = slow->waiting[i + 1];
    }
    return true;
}

static enum gg_err slow_commit(struct gg_store *store)
{
    struct slow *slow = from_base(store);
    if (slow->broken) {
        return GG_ERR_STORE;
    }
    GG_ASSERT(slow->waiting_count < COMMITS_MAX);
    slow->waiting[slow->waiting_count++] = store->number;
    while (slow->prompt && slow_store_answer(store)) {
    }
    return GG_OK;
}

static enum gg_err slow_sync(struct gg_store *store)
{
    enum gg_err err = slow_commit(store);
    while (slow_store_answer(store)) {
    }
    return err;
}

static enum gg_err slow_durable(struct gg_store *store, uint64_t *out_number)
{
    struct slow *slow = from_base(store);
    if (slow->broken) {
        return GG_ERR_STORE;
    }
    while (slow->prompt && slow_store_answer(store)) {
    }
    *out_number = slow->durable;
    return GG_OK;
}

static int slow_descriptor(const struct gg_store *store)
{
    (void)store;
    return -1;
}

/* Loads wait for nothing: it is commits that are slow. */
static enum gg_err slow_load(struct gg_store *store, uint64_t ticket,
                             const struct gg_store_blob_key *key)
{
    struct slow *slow = from_base(store);
    return slow->broken ? GG_ERR_STORE : gg_store_load(slow->inner, ticket, key);
}

static enum gg_err slow_backup(struct gg_store *store, uint64_t ticket,
                               const char *path)
{
    return gg_store_backup(from_base(store)->inner, ticket, path);
}

static bool slow_answered(struct gg_store *store, struct gg_store_answer *out_answer)
{
    return gg_store_answered(from_base(store)->inner, out_answer);
}

static enum gg_store_space slow_space(const struct gg_store *store)
{
    const struct slow *slow = (const struct slow *)(const void *)store;
    return (enum gg_store_space)atomic_load(&slow->space);
}

static void slow_status(struct gg_store *store, struct gg_store_status *out_status)
{
    gg_store_status(from_base(store)->inner, out_status);
    out_status->backend = store->ops->name;
    out_status->space = slow_space(store);
}

static void slow_error(struct gg_store *store, char text[GG_STORE_TEXT_BYTES])
{
    if (from_base(store)->broken) {
        (void)snprintf(text, GG_STORE_TEXT_BYTES, "the test broke the store");
    }
}

static void slow_close(struct gg_store *store)
{
    struct slow *slow = from_base(store);
    gg_store_close(&slow->inner);
    free(slow);
}

static const struct gg_store_ops slow_ops = {
    .name = "slow",
    .put = slow_put,
    .del = slow_del,
    .put_blob = slow_put_blob,
    .del_blob = slow_del_blob,
    .scan = slow_scan,
    .commit = slow_commit,
    .sync = slow_sync,
    .durable = slow_durable,
    .descriptor = slow_descriptor,
    .load = slow_load,
    .backup = slow_backup,
    .answered = slow_answered,
    .space = slow_space,
    .status = slow_status,
    .error = slow_error,
    .close = slow_close,
};

struct gg_store *slow_store_open(void)
{
    struct slow *slow = calloc(1, sizeof *slow);
    GG_ASSERT(slow != NULL);
    gg_store_init(&slow->base, &slow_ops);
    enum gg_err err = gg_store_open_memory(&slow->inner);
    GG_ASSERT(err == GG_OK);
    return &slow->base;
}

void slow_store_set_prompt(struct gg_store *store, bool prompt)
{
    from_base(store)->prompt = prompt;
}

void slow_store_break(struct gg_store *store)
{
    from_base(store)->broken = true;
}

void slow_store_set_space(struct gg_store *store, enum gg_store_space space)
{
    from_base(store)->space = (int)space;
}
