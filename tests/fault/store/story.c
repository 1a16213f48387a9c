#include "tests/fault/store/story.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum {
    KEYS = 40,
    OPS_PER_STEP = 6,
    RECORD_BYTES_MAX = 600,
    LARGE_BYTES = 9000,
    BLOB_BYTES = 20000,
    LIMIT_MS = 20000,
};

static const uint8_t kinds[] = {GG_STORE_JOB, GG_STORE_QUEUE};

_Thread_local bool story_making_up;

struct story *story_new(uint64_t seed)
{
    struct story *story = calloc(1, sizeof *story);
    GG_ASSERT(story != NULL);
    story->rng.state = seed;
    return story;
}

/* The contents that belong to `serial`, the same each time. */
static struct gg_blob *contents(uint64_t serial, bool blob)
{
    static uint8_t bytes[BLOB_BYTES];
    struct gg_rng rng = {.state = serial};
    size_t len = gg_rng_below(&rng, RECORD_BYTES_MAX);
    if (blob) {
        len = gg_rng_below(&rng, BLOB_BYTES);
    } else if (gg_rng_below(&rng, 30) == 0) {
        len = LARGE_BYTES; /* More than a page. */
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)gg_rng_next(&rng);
    }
    story_making_up = true;
    struct gg_blob *made = gg_blob_new(gg_slice_of(bytes, len));
    story_making_up = false;
    GG_ASSERT(made != NULL);
    return made;
}

static struct gg_id id_of(uint32_t key)
{
    struct gg_id id = {.bytes = {7}};
    memcpy(id.bytes + 3, &key, sizeof key);
    return id;
}

/* ---- telling it ---- */

static enum gg_err tell(struct story *story, const struct story_op *op)
{
    struct gg_id id = id_of(op->key);
    struct gg_store_key key = {.kind = op->kind, .id = id};
    struct gg_store_blob_key blob_key = {.id = id, .part = 1};
    if (op->serial == 0) {
        return op->blob ? gg_store_del_blob(story->store, op->number, &blob_key)
                        : gg_store_del(story->store, op->number, &key);
    }
    struct gg_blob *made = contents(op->serial, op->blob);
    enum gg_err err = op->blob
                          ? gg_store_put_blob(story->store, op->number, &blob_key, made)
                          : gg_store_put(story->store, op->number, &key,
                                         gg_blob_slice(made));
    gg_blob_unref(&made);
    return err;
}

static struct story_op next_op(struct story *story)
{
    struct story_op op = {.number = gg_store_number(story->store) + 1};
    bool removes = gg_rng_below(&story->rng, 3) == 0;
    op.blob = !story->records_only && gg_rng_below(&story->rng, 8) == 0;
    op.serial = removes ? 0 : ++story->serial;
    if (!op.blob) {
        op.kind = kinds[gg_rng_below(&story->rng, sizeof kinds)];
        op.key = (uint32_t)gg_rng_below(&story->rng, KEYS);
    } else if (removes) {
        op.key = (uint32_t)gg_rng_below(&story->rng, story->blob_count + 1);
    } else {
        op.key = story->blob_count++;
    }
    return op;
}

enum gg_err story_listen(struct story *story)
{
    uint64_t durable = 0;
    enum gg_err err = gg_store_durable(story->store, &durable);
    if (err == GG_OK && durable > story->told) {
        story->told = durable;
    }
    return err;
}

enum gg_err story_step(struct story *story)
{
    enum gg_err err = GG_OK;
    uint64_t count = 1 + gg_rng_below(&story->rng, OPS_PER_STEP);
    for (uint64_t i = 0; i < count && err == GG_OK; i++) {
        GG_ASSERT(story->op_count < STORY_OPS_MAX);
        struct story_op op = next_op(story);
        err = tell(story, &op);
        if (err == GG_OK) {
            story->ops[story->op_count++] = op;
        }
    }
    if (err == GG_OK && gg_rng_below(&story->rng, 3) > 0) {
        err = gg_store_commit(story->store);
    }
    if (err == GG_OK && gg_rng_below(&story->rng, 4) == 0) {
        err = gg_store_sync(story->store);
    }
    return err == GG_OK ? story_listen(story) : err;
}

void story_forget_after(struct story *story, uint64_t number)
{
    while (story->op_count > 0 && story->ops[story->op_count - 1].number > number) {
        story->op_count--;
    }
    if (story->told > number) {
        story->told = number;
    }
}

/* ---- what must be there ---- */

static bool wrong(struct story *story, const char *what, uint32_t key)
{
    (void)snprintf(story->why, sizeof story->why, "%s, key %u", what, key);
    return false;
}

/* The contents' serial as of `number`; 0: it is not there. */
static uint64_t serial_at(const struct story *story, uint64_t number, bool blob,
                          uint8_t kind, uint32_t key)
{
    uint64_t serial = 0;
    for (uint32_t i = 0; i < story->op_count; i++) {
        const struct story_op *op = &story->ops[i];
        if (op->number <= number && op->blob == blob && op->kind == kind &&
            op->key == key) {
            serial = op->serial;
        }
    }
    return serial;
}

struct reading {
    struct story *story;
    uint64_t number;
    uint8_t kind;
    uint32_t count;
    bool right;
};

static enum gg_err hold_record(void *ctx, const struct gg_store_key *key,
                               struct gg_slice value)
{
    struct reading *reading = ctx;
    uint32_t index = 0;
    memcpy(&index, key->id.bytes + 3, sizeof index);
    uint64_t serial = serial_at(reading->story, reading->number, false, reading->kind,
                                index);
    reading->count++;
    if (serial == 0) {
        reading->right = wrong(reading->story, "a record is back", index);
        return GG_OK;
    }
    struct gg_blob *expected = contents(serial, false);
    if (!gg_slice_equal(gg_blob_slice(expected), value)) {
        reading->right = wrong(reading->story, "a record has other contents", index);
    }
    gg_blob_unref(&expected);
    return GG_OK;
}

static bool holds_records(struct story *story, struct gg_store *store, uint8_t kind)
{
    struct reading reading = {
        .story = story, .number = gg_store_number(store), .kind = kind, .right = true};
    uint32_t expected = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        expected += serial_at(story, reading.number, false, kind, key) != 0;
    }
    if (gg_store_scan(store, (enum gg_store_kind)kind, hold_record, &reading) !=
        GG_OK) {
        gg_store_error(store, story->why);
        return false;
    }
    if (reading.right && reading.count != expected) {
        return wrong(story, "a record is missing", reading.count);
    }
    return reading.right;
}

static bool load(struct gg_store *store, uint32_t key, struct gg_store_answer *out)
{
    struct gg_store_blob_key blob_key = {.id = id_of(key), .part = 1};
    uint64_t durable = 0;
    if (gg_store_load(store, key, &blob_key) != GG_OK) {
        return false;
    }
    while (gg_store_durable(store, &durable) == GG_OK) {
        if (gg_store_answered(store, out)) {
            return true;
        }
        struct pollfd fd = {.fd = gg_store_descriptor(store), .events = POLLIN};
        if (poll(&fd, 1, LIMIT_MS) != 1) {
            return false;
        }
    }
    return false;
}

static bool holds_blob(struct story *story, struct gg_store *store, uint32_t key)
{
    struct gg_store_answer answer;
    uint64_t serial = serial_at(story, gg_store_number(store), true, 0, key);
    if (!load(store, key, &answer)) {
        return wrong(story, "a load is not answered", key);
    }
    if (serial == 0) {
        bool gone = answer.err == GG_ERR_NOT_FOUND;
        gg_blob_unref(&answer.blob);
        return gone || wrong(story, "a blob is back", key);
    }
    if (answer.err != GG_OK) {
        (void)snprintf(story->why, sizeof story->why, "%.200s", answer.text);
        return false;
    }
    struct gg_blob *expected = contents(serial, true);
    bool same = gg_slice_equal(gg_blob_slice(expected), gg_blob_slice(answer.blob));
    gg_blob_unref(&expected);
    gg_blob_unref(&answer.blob);
    return same || wrong(story, "a blob has other contents", key);
}

bool story_holds(struct story *story, struct gg_store *store)
{
    bool right = true;
    if (gg_store_number(store) < story->told) {
        (void)snprintf(story->why, sizeof story->why,
                       "record %llu was said to be durable, and %llu is the last",
                       (unsigned long long)story->told,
                       (unsigned long long)gg_store_number(store));
        return false;
    }
    for (size_t i = 0; i < sizeof kinds && right; i++) {
        right = holds_records(story, store, kinds[i]);
    }
    for (uint32_t key = 0; key < story->blob_count && right; key++) {
        right = holds_blob(story, store, key);
    }
    return right;
}
