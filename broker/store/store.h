/* store.h - where records survive a restart. One interface, several backends.
 *
 * The core never sees this header: the shell carries out GG_FX_PERSIST and GG_FX_ERASE
 * through it. Every record has the number that the core gave it, rising by one or more;
 * a number is durable once it and all below it would survive a power cut. Nothing may
 * be shown to the world before the number that it waits for is durable.
 *
 * put and del only append to the open group; commit closes the group and begins to make
 * it durable; durable says how far that has come. A backend with a writer thread
 * answers later and makes its descriptor readable; one without answers at once. One
 * thread calls all of it. Every backend must pass tests/contract/test_store.c.
 */
#ifndef GG_BROKER_STORE_STORE_H
#define GG_BROKER_STORE_STORE_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/err.h"
#include "common/id.h"

struct gg_store; /* Each backend has its own contents behind it. */

/* Called once a record by gg_store_scan(). `value` is valid during the call only.
 * Anything but GG_OK ends the scan and becomes its result. */
typedef enum gg_err gg_store_visit_fn(void *ctx, const struct gg_id *id,
                                      struct gg_slice value);

/* What a backend provides. All slots are required. */
struct gg_store_ops {
    const char *name;
    enum gg_err (*put)(struct gg_store *store, uint64_t number, const struct gg_id *id,
                       struct gg_slice value);
    enum gg_err (*del)(struct gg_store *store, uint64_t number, const struct gg_id *id);
    enum gg_err (*scan)(struct gg_store *store, gg_store_visit_fn *visit, void *ctx);
    enum gg_err (*commit)(struct gg_store *store);
    enum gg_err (*sync)(struct gg_store *store);
    enum gg_err (*durable)(struct gg_store *store, uint64_t *out_number);
    int (*descriptor)(const struct gg_store *store);
    void (*close)(struct gg_store *store);
};

/* First member of every backend's own struct. */
struct gg_store {
    const struct gg_store_ops *ops;
    uint64_t number; /* Highest one put or deleted so far. */
};

/* Append: save `value` under `id`, replacing what was there, as record `number`, which
 * is larger than every number before. The value is copied.
 *   GG_ERR_NO_MEMORY  no room for the copy; nothing changed
 *   GG_ERR_STORE      the store has failed, now or earlier */
GG_MUST_USE enum gg_err gg_store_put(struct gg_store *store, uint64_t number,
                                     const struct gg_id *id, struct gg_slice value);

/* Append: remove `id`. Removing what is not there is GG_OK, so that a replay is
 * harmless. Errors as gg_store_put(). */
GG_MUST_USE enum gg_err gg_store_del(struct gg_store *store, uint64_t number,
                                     const struct gg_id *id);

/* Visit every record once, in rising order of id, as it stands after all that was
 * appended. Do not change the store meanwhile. */
GG_MUST_USE enum gg_err gg_store_scan(struct gg_store *store, gg_store_visit_fn *visit,
                                      void *ctx);

/* Close the open group and begin to make it durable. Does not wait. */
GG_MUST_USE enum gg_err gg_store_commit(struct gg_store *store);

/* Commit, and wait until all that was appended is durable. */
GG_MUST_USE enum gg_err gg_store_sync(struct gg_store *store);

/* The highest number that is durable. GG_ERR_STORE: a commit has failed, and nothing
 * above the number told last may be relied on: the caller stops taking work, says so,
 * and exits. *out_number is untouched then. */
GG_MUST_USE enum gg_err gg_store_durable(struct gg_store *store, uint64_t *out_number);

/* Readable when gg_store_durable() may say something new; -1 for a store that answers
 * within gg_store_commit(). Only to be polled: the store reads it. */
int gg_store_descriptor(const struct gg_store *store);

/* Release *store_p and set it to NULL. Does not commit. Safe on NULL. */
void gg_store_close(struct gg_store **store_p);

/* Records in this process's memory, gone with it. On success the caller owns
 * *out_store; GG_ERR_NO_MEMORY leaves it untouched. */
GG_MUST_USE enum gg_err gg_store_open_memory(struct gg_store **out_store);

/* For backends only: fill in the base, checking that no slot was forgotten. */
void gg_store_init(struct gg_store *store, const struct gg_store_ops *ops);

#endif
