/* group.h - what is appended and not yet durable: operations in one growing buffer.
 *
 * The loop's thread appends; commit hands the whole group over by a pointer, and the
 * writer's thread applies it straight out of the buffer: no copy and no allocation for
 * each record. Groups go back to the loop's thread when they are durable, which gives
 * up their blobs and uses their buffers again. */
#ifndef GG_BROKER_STORE_GROUP_H
#define GG_BROKER_STORE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/live.h"
#include "broker/store/store.h"

enum gg_op_type { GG_OP_PUT = 1, GG_OP_DEL, GG_OP_PUT_BLOB, GG_OP_DEL_BLOB };

/* A record as it is on disk: format, kind, id, the value, and a checksum over all of
 * these, seeded with the number of its row.
 *
 * A blob's row has as its id the hash of its key, and as its value the key, the length
 * of the bytes and their checksum. */
enum {
    GG_RECORD_FORMAT = 1,
    GG_RECORD_HEAD_BYTES = 2 + GG_ID_BYTES,
    GG_RECORD_SUM_BYTES = 8,
    GG_RECORD_EXTRA_BYTES = GG_RECORD_HEAD_BYTES + GG_RECORD_SUM_BYTES,
    GG_BLOB_ROW_BYTES = GG_ID_BYTES + 8 + 8 + 8,
};

struct gg_op {
    uint32_t len; /* Of the record behind this; 0 for a deletion. */
    uint8_t type; /* enum gg_op_type */
    uint8_t kind; /* GG_LIVE_BLOB for blobs. */
    bool dead;    /* A later operation of the batch has the last word. */
    uint32_t part;
    struct gg_id id; /* The key; of a blob: the hash of it. */
    struct gg_id blob_id;
    struct gg_blob *blob; /* PUT_BLOB: a reference. */
    uint64_t row;         /* Set by the writer: where it went, or was; 0: nowhere. */
    uint64_t sum;
    _Alignas(8) uint8_t record[];
};

struct gg_group {
    struct gg_group *next;        /* In the queue, or among the used ones. */
    struct gg_group *next_flying; /* The loop's list of those not yet durable. */
    uint8_t *data;
    size_t len;
    size_t room;
    uint32_t op_count;
    uint32_t blob_count; /* Operations on blobs. */
    uint64_t blob_bytes;
    uint64_t number; /* The highest in it. */
};

struct gg_group *gg_group_new(void);

/* Free it with the blobs it holds; *group_p becomes NULL. Safe on NULL. */
void gg_group_destroy(struct gg_group **group_p);

/* Empty it, giving up its blobs; the buffer stays unless it is very large. */
void gg_group_clear(struct gg_group *group);

/* Append; GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE enum gg_err gg_group_put(struct gg_group *group,
                                     const struct gg_store_key *key,
                                     struct gg_slice value);
GG_MUST_USE enum gg_err gg_group_del(struct gg_group *group,
                                     const struct gg_store_key *key);
GG_MUST_USE enum gg_err gg_group_put_blob(struct gg_group *group,
                                          const struct gg_store_blob_key *key,
                                          struct gg_blob *blob);
GG_MUST_USE enum gg_err gg_group_del_blob(struct gg_group *group,
                                          const struct gg_store_blob_key *key);

/* Walk: start with NULL; NULL at the end. */
struct gg_op *gg_group_next(const struct gg_group *group, const struct gg_op *op);

/* The last word of the group on a blob, or NULL. */
const struct gg_op *gg_group_find_blob(const struct gg_group *group,
                                       const struct gg_store_blob_key *key);

/* The id of a blob's row, and the name of its file. */
struct gg_id gg_blob_row_id(const struct gg_store_blob_key *key);

/* ---- a batch: all groups that are committed at once ---- */

/* Finds the operations that have the last word on their key, and marks the others
 * dead. */
struct gg_batch {
    struct gg_op **slots;
    uint64_t slot_count; /* A power of two. */
    uint64_t seed;
};

void gg_batch_fini(struct gg_batch *batch);

/* Mark them; `groups` is a list. GG_ERR_NO_MEMORY: nothing is marked. */
GG_MUST_USE enum gg_err gg_batch_mark(struct gg_batch *batch, struct gg_group *groups);

#endif
