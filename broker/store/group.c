#include "broker/store/group.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/sum.h"
#include "common/assert.h"

enum { FIRST_ROOM = 16384, KEPT_ROOM_MAX = 1 << 20, KEPT_SLOTS_MAX = 1 << 16 };

struct gg_group *gg_group_new(void)
{
    return calloc(1, sizeof(struct gg_group));
}

void gg_group_clear(struct gg_group *group)
{
    if (group->blob_count > 0) {
        for (struct gg_op *op = NULL; (op = gg_group_next(group, op)) != NULL;) {
            gg_blob_unref(&op->blob);
        }
    }
    if (group->room > KEPT_ROOM_MAX) {
        free(group->data);
        group->data = NULL;
        group->room = 0;
    }
    group->next = NULL;
    group->len = 0;
    group->op_count = 0;
    group->blob_count = 0;
    group->blob_bytes = 0;
    group->number = 0;
}

void gg_group_destroy(struct gg_group **group_p)
{
    struct gg_group *group = *group_p;
    *group_p = NULL;
    if (group != NULL) {
        gg_group_clear(group);
        free(group->data);
        free(group);
    }
}

/* ---- appending ---- */

static size_t size_of(size_t record_len)
{
    return sizeof(struct gg_op) + (record_len + 7) / 8 * 8;
}

/* A new operation with room for a record of `len` bytes; NULL without memory. */
static struct gg_op *append(struct gg_group *group, enum gg_op_type type, uint8_t kind,
                            const struct gg_id *id, size_t len)
{
    size_t size = size_of(len);
    if (len > UINT32_MAX) {
        return NULL;
    }
    if (group->room - group->len < size) {
        size_t room = group->room < FIRST_ROOM ? FIRST_ROOM : group->room * 2;
        while (room - group->len < size) {
            room *= 2;
        }
        uint8_t *grown = realloc(group->data, room);
        if (grown == NULL) {
            return NULL;
        }
        group->data = grown;
        group->room = room;
    }
    struct gg_op *op = (struct gg_op *)(void *)(group->data + group->len);
    *op = (struct gg_op){
        .len = (uint32_t)len, .type = (uint8_t)type, .kind = kind, .id = *id};
    if (len > 0) {
        op->record[0] = GG_RECORD_FORMAT;
        op->record[1] = kind;
        memcpy(op->record + 2, id->bytes, GG_ID_BYTES);
    }
    group->len += size;
    group->op_count++;
    return op;
}

enum gg_err gg_group_put(struct gg_group *group, const struct gg_store_key *key,
                         struct gg_slice value)
{
    struct gg_op *op = append(group, GG_OP_PUT, key->kind, &key->id,
                              value.len + GG_RECORD_EXTRA_BYTES);
    if (op == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    if (value.len > 0) {
        memcpy(op->record + GG_RECORD_HEAD_BYTES, value.data, value.len);
    }
    return GG_OK;
}

enum gg_err gg_group_del(struct gg_group *group, const struct gg_store_key *key)
{
    return append(group, GG_OP_DEL, key->kind, &key->id, 0) == NULL ? GG_ERR_NO_MEMORY
                                                                    : GG_OK;
}

struct gg_id gg_blob_row_id(const struct gg_store_blob_key *key)
{
    uint8_t bytes[GG_ID_BYTES + 4];
    struct gg_id id;
    memcpy(bytes, key->id.bytes, GG_ID_BYTES);
    gg_be32_put(bytes + GG_ID_BYTES, key->part);
    gg_hash_wide(gg_slice_of(bytes, sizeof bytes), id.bytes);
    return id;
}

static struct gg_op *append_blob(struct gg_group *group, enum gg_op_type type,
                                 const struct gg_store_blob_key *key, size_t len)
{
    struct gg_id id = gg_blob_row_id(key);
    struct gg_op *op = append(group, type, GG_LIVE_BLOB, &id, len);
    if (op != NULL) {
        op->blob_id = key->id;
        op->part = key->part;
        group->blob_count++;
    }
    return op;
}

enum gg_err gg_group_put_blob(struct gg_group *group,
                              const struct gg_store_blob_key *key, struct gg_blob *blob)
{
    struct gg_op *op = append_blob(group, GG_OP_PUT_BLOB, key,
                                   GG_BLOB_ROW_BYTES + GG_RECORD_EXTRA_BYTES);
    if (op == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    uint8_t *value = op->record + GG_RECORD_HEAD_BYTES;
    memcpy(value, key->id.bytes, GG_ID_BYTES);
    gg_le64_put(value + GG_ID_BYTES, key->part);
    gg_le64_put(value + GG_ID_BYTES + 8, blob->len);
    op->blob = gg_blob_ref(blob);
    return GG_OK;
}

enum gg_err gg_group_del_blob(struct gg_group *group,
                              const struct gg_store_blob_key *key)
{
    return append_blob(group, GG_OP_DEL_BLOB, key, 0) == NULL ? GG_ERR_NO_MEMORY
                                                              : GG_OK;
}

struct gg_op *gg_group_next(const struct gg_group *group, const struct gg_op *op)
{
    size_t at = 0;
    if (op != NULL) {
        at = (size_t)((const uint8_t *)op - group->data) + size_of(op->len);
    }
    return at == group->len ? NULL : (struct gg_op *)(void *)(group->data + at);
}

const struct gg_op *gg_group_find_blob(const struct gg_group *group,
                                       const struct gg_store_blob_key *key)
{
    const struct gg_op *last = NULL;
    if (group->blob_count == 0) {
        return NULL;
    }
    for (struct gg_op *op = NULL; (op = gg_group_next(group, op)) != NULL;) {
        if (op->kind == GG_LIVE_BLOB && op->part == key->part &&
            gg_id_equal(&op->blob_id, &key->id)) {
            last = op;
        }
    }
    return last;
}

/* ---- the last word ---- */

void gg_batch_fini(struct gg_batch *batch)
{
    free(batch->slots);
    *batch = (struct gg_batch){.seed = batch->seed};
}

static enum gg_err make_room(struct gg_batch *batch, uint64_t op_count)
{
    uint64_t wanted = 256;
    while (wanted < op_count * 2) {
        wanted *= 2;
    }
    bool fits = batch->slot_count >= wanted &&
                (batch->slot_count == wanted || batch->slot_count <= KEPT_SLOTS_MAX);
    if (!fits) {
        struct gg_op **slots = malloc(wanted * sizeof(struct gg_op *));
        if (slots == NULL) {
            return GG_ERR_NO_MEMORY;
        }
        free(batch->slots);
        batch->slots = slots;
        batch->slot_count = wanted;
    }
    return GG_OK;
}

static void mark(struct gg_op **slots, uint64_t mask, uint64_t seed, struct gg_op *op)
{
    uint64_t index = gg_hash(gg_slice_of(op->id.bytes, GG_ID_BYTES), seed + op->kind);
    for (;; index++) {
        struct gg_op *other = slots[index & mask];
        if (other != NULL &&
            (other->kind != op->kind || !gg_id_equal(&other->id, &op->id))) {
            continue;
        }
        if (other != NULL) {
            other->dead = true;
        }
        slots[index & mask] = op;
        return;
    }
}

enum gg_err gg_batch_mark(struct gg_batch *batch, struct gg_group *groups)
{
    uint64_t op_count = 0;
    for (const struct gg_group *group = groups; group != NULL; group = group->next) {
        op_count += group->op_count;
    }
    enum gg_err err = make_room(batch, op_count);
    if (err != GG_OK) {
        return err;
    }
    uint64_t used = 256;
    while (used < op_count * 2) {
        used *= 2;
    }
    GG_ASSERT(used <= batch->slot_count);
    memset(batch->slots, 0, used * sizeof(struct gg_op *));
    for (const struct gg_group *group = groups; group != NULL; group = group->next) {
        for (struct gg_op *op = NULL; (op = gg_group_next(group, op)) != NULL;) {
            mark(batch->slots, used - 1, batch->seed, op);
        }
    }
    return GG_OK;
}
