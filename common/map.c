#include "common/map.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/assert.h"

enum { FIRST_SLOTS = 64, MOVES_PER_PUT = 16 };

uint64_t gg_hash(struct gg_slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.len, seed);
}

void gg_hash_wide(struct gg_slice bytes, uint8_t out[GG_HASH_WIDE_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data, bytes.len));
    memcpy(out, canonical.digest, GG_HASH_WIDE_BYTES);
}

static void *table_find(const struct gg_map_table *table, uint64_t hash,
                        gg_map_match_fn *match, const void *key)
{
    if (table->count == 0) {
        return NULL;
    }
    for (size_t i = hash & table->mask; table->slots[i].item != NULL;
         i = (i + 1) & table->mask) {
        if (table->slots[i].hash == hash && match(table->slots[i].item, key)) {
            return table->slots[i].item;
        }
    }
    return NULL;
}

static void table_put(struct gg_map_table *table, uint64_t hash, void *item)
{
    size_t i = hash & table->mask;
    while (table->slots[i].item != NULL) {
        i = (i + 1) & table->mask;
    }
    table->slots[i] = (struct gg_map_slot){.hash = hash, .item = item};
    table->count++;
}

/* Empty slot `gap` and close the hole behind it (Knuth, TAOCP 6.4, algorithm R). */
static void table_cut(struct gg_map_table *table, size_t gap)
{
    size_t i = gap;
    for (;;) {
        i = (i + 1) & table->mask;
        if (table->slots[i].item == NULL) {
            break;
        }
        size_t home = table->slots[i].hash & table->mask;
        if (((i - home) & table->mask) >= ((i - gap) & table->mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct gg_map_slot){0};
    table->count--;
}

static bool table_remove(struct gg_map_table *table, uint64_t hash, const void *item)
{
    if (table->count == 0) {
        return false;
    }
    for (size_t i = hash & table->mask; table->slots[i].item != NULL;
         i = (i + 1) & table->mask) {
        if (table->slots[i].item == item) {
            table_cut(table, i);
            return true;
        }
    }
    return false;
}

/* Move a few items of the old table over. A hole closed in the old table can bring an
 * item into a slot already passed, so a slot is left only once it is empty. */
static void move_some(struct gg_map *map)
{
    struct gg_map_table *old = &map->old;
    for (int n = 0; n < MOVES_PER_PUT && old->slots != NULL; n++) {
        if (old->count == 0) {
            free(old->slots);
            *old = (struct gg_map_table){0};
            return;
        }
        struct gg_map_slot slot = old->slots[map->moved];
        if (slot.item == NULL) {
            map->moved = (map->moved + 1) & old->mask;
            continue;
        }
        table_cut(old, map->moved);
        table_put(&map->now, slot.hash, slot.item);
    }
}

void *gg_map_find(const struct gg_map *map, uint64_t hash, gg_map_match_fn *match,
                  const void *key)
{
    void *item = table_find(&map->now, hash, match, key);
    return item != NULL ? item : table_find(&map->old, hash, match, key);
}

enum gg_err gg_map_reserve(struct gg_map *map)
{
    struct gg_map_table *now = &map->now;
    size_t slots = now->slots == NULL ? 0 : now->mask + 1;
    if (gg_map_count(map) + 1 <= slots / 2) {
        return GG_OK;
    }
    while (map->old.slots != NULL) {
        move_some(map);
    }
    if (gg_map_count(map) + 1 <= slots / 2) {
        return GG_OK;
    }
    size_t bigger = slots == 0 ? FIRST_SLOTS : slots * 2;
    struct gg_map_slot *fresh = calloc(bigger, sizeof *fresh);
    if (fresh == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    map->old = *now;
    map->moved = 0;
    *now = (struct gg_map_table){.slots = fresh, .mask = bigger - 1};
    return GG_OK;
}

void gg_map_put(struct gg_map *map, uint64_t hash, void *item)
{
    GG_ASSERT(map->now.slots != NULL && map->now.count <= map->now.mask);
    table_put(&map->now, hash, item);
    move_some(map);
}

bool gg_map_remove(struct gg_map *map, uint64_t hash, const void *item)
{
    return table_remove(&map->now, hash, item) || table_remove(&map->old, hash, item);
}

static void *table_at(const struct gg_map_table *table, size_t *place, size_t base)
{
    for (; table->slots != NULL && *place - base <= table->mask; (*place)++) {
        void *item = table->slots[*place - base].item;
        if (item != NULL) {
            (*place)++;
            return item;
        }
    }
    return NULL;
}

void *gg_map_next(const struct gg_map *map, size_t *place)
{
    size_t slots = map->now.slots == NULL ? 0 : map->now.mask + 1;
    if (*place < slots) {
        void *item = table_at(&map->now, place, 0);
        if (item != NULL) {
            return item;
        }
    }
    return *place < slots ? NULL : table_at(&map->old, place, slots);
}

void gg_map_fini(struct gg_map *map)
{
    free(map->now.slots);
    free(map->old.slots);
    *map = (struct gg_map){0};
}
