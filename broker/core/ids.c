#include "broker/core/ids.h"

#include "common/assert.h"

enum {
    MOVES_PER_PUT = 8,  /* Ids that go over with one that is added … */
    LOOKS_PER_PUT = 64, /* … and places that are looked at for them. */
};

void gg_ids_init(struct gg_ids *ids, uint64_t seed, gg_ids_id_fn *id_of,
                 const void *owner)
{
    *ids = (struct gg_ids){
        .id_of = id_of, .owner = owner, .seed = seed, .late_max = GG_IDS_LATE_MAX};
}

static bool is_late(const struct gg_ids *ids, const struct gg_id *id)
{
    return gg_id_time(id).ms >= ids->since.ms;
}

static bool match(void *ctx, uint32_t number, const void *key)
{
    const struct gg_ids *ids = ctx;
    return gg_id_equal(ids->id_of(ids->owner, number), key);
}

uint32_t gg_ids_find(struct gg_ids *ids, const struct gg_id *id)
{
    uint64_t hash = gg_id_hash(id, ids->seed);
    const struct gg_index *index = is_late(ids, id) ? &ids->late : &ids->others;
    uint32_t number = gg_index_find(index, hash, id, match, ids);
    return number != GG_INDEX_NONE || gg_index_count(&ids->changing) == 0
               ? number
               : gg_index_find(&ids->changing, hash, id, match, ids);
}

void gg_ids_foresee(const struct gg_ids *ids, const struct gg_id *id)
{
    gg_index_fetch(is_late(ids, id) ? &ids->late : &ids->others,
                   gg_id_hash(id, ids->seed));
}

/* ---- since when ids are late ---- */

/* Not later than `id`, which somebody has made just now by his clock, nor than the
 * broker's own: one wrong clock does not make all others' ids old. Where clocks are
 * ahead many are late still; so as many have to come as were moved before it is tried
 * again. */
static void move_on(struct gg_ids *ids, const struct gg_id *id, struct gg_wall now)
{
    struct gg_wall made = gg_id_time(id);
    struct gg_wall since = made.ms < now.ms ? made : now;
    if (since.ms <= ids->since.ms || gg_index_count(&ids->changing) > 0) {
        return;
    }
    struct gg_index empty = ids->changing; /* With its slots, for the next late ones. */
    ids->changing = ids->late;
    ids->late = empty;
    ids->since = since;
    size_t moves = gg_index_count(&ids->changing);
    ids->rest = moves > ids->late_max ? moves : ids->late_max;
}

/* All places are asked for before the first is needed. */
static void move_some(struct gg_ids *ids)
{
    uint32_t numbers[MOVES_PER_PUT];
    struct gg_index *to[MOVES_PER_PUT];
    uint64_t hashes[MOVES_PER_PUT];
    size_t count = gg_index_take(&ids->changing, numbers, MOVES_PER_PUT, LOOKS_PER_PUT);
    for (size_t i = 0; i < count; i++) {
        const struct gg_id *id = ids->id_of(ids->owner, numbers[i]);
        to[i] = is_late(ids, id) ? &ids->late : &ids->others;
        hashes[i] = gg_id_hash(id, ids->seed);
        gg_index_fetch(to[i], hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        gg_index_put(to[i], hashes[i], numbers[i]);
    }
}

enum gg_err gg_ids_reserve(struct gg_ids *ids, const struct gg_id *id,
                           struct gg_wall now)
{
    if (ids->rest == 0 && gg_index_count(&ids->late) >= ids->late_max) {
        move_on(ids, id, now);
    }
    enum gg_err err = gg_index_reserve(&ids->late, 1 + MOVES_PER_PUT);
    return err != GG_OK ? err : gg_index_reserve(&ids->others, 1 + MOVES_PER_PUT);
}

/* ---- what is in ---- */

void gg_ids_put(struct gg_ids *ids, const struct gg_id *id, uint32_t number)
{
    gg_index_put(is_late(ids, id) ? &ids->late : &ids->others,
                 gg_id_hash(id, ids->seed), number);
    ids->rest -= ids->rest > 0;
    if (gg_index_count(&ids->changing) > 0) {
        move_some(ids);
    }
}

void gg_ids_remove(struct gg_ids *ids, const struct gg_id *id, uint32_t number)
{
    uint64_t hash = gg_id_hash(id, ids->seed);
    struct gg_index *index = is_late(ids, id) ? &ids->late : &ids->others;
    bool was_in = gg_index_remove(index, hash, number) ||
                  gg_index_remove(&ids->changing, hash, number);
    GG_ASSERT(was_in);
}

size_t gg_ids_count(const struct gg_ids *ids)
{
    return gg_index_count(&ids->late) + gg_index_count(&ids->others) +
           gg_index_count(&ids->changing);
}

void gg_ids_fini(struct gg_ids *ids)
{
    gg_index_fini(&ids->late);
    gg_index_fini(&ids->others);
    gg_index_fini(&ids->changing);
}
