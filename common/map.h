/* map.h - hash table of pointers: open addressing, linear probing, growth step by step.
 *
 * The table stores (hash, element); the caller hashes and compares. Growth moves a few
 * slots with each insertion, so that no single step stalls on a million elements.
 */
#ifndef GG_COMMON_MAP_H
#define GG_COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/err.h"
#include "common/fetch.h"

struct gg_map_slot {
    uint64_t hash;
    void *item; /* NULL: empty. */
};

struct gg_map_table {
    struct gg_map_slot *slots;
    size_t mask;
    size_t count;
};

struct gg_map {
    struct gg_map_table now;
    struct gg_map_table old; /* While growing; its slots move over in small steps. */
    size_t moved;            /* Slots of `old` already moved. */
};

/* Does `item` have `key`? */
typedef bool gg_map_match_fn(const void *item, const void *key);

/* Seeded hash of bytes (XXH3), so that peers cannot choose keys that collide. */
uint64_t gg_hash(struct gg_slice bytes, uint64_t seed);

/* Hash of 128 bits (XXH3, its canonical byte order), the same on every machine and for
 * ever: it may be stored. Not seeded, so not for tables that peers fill. */
enum { GG_HASH_WIDE_BYTES = 16 };
void gg_hash_wide(struct gg_slice bytes, uint8_t out[GG_HASH_WIDE_BYTES]);

/* The item that matches, or NULL. */
void *gg_map_find(const struct gg_map *map, uint64_t hash, gg_map_match_fn *match,
                  const void *key);

/* Have the place of `hash` on its way into the cache. */
static inline void gg_map_fetch(const struct gg_map *map, uint64_t hash)
{
    if (map->now.slots != NULL) {
        gg_fetch(&map->now.slots[hash & map->now.mask]);
    }
    if (map->old.slots != NULL) {
        gg_fetch(&map->old.slots[hash & map->old.mask]);
    }
}

/* Make sure that the next gg_map_put() cannot fail. GG_ERR_NO_MEMORY changes
 * nothing. */
GG_MUST_USE enum gg_err gg_map_reserve(struct gg_map *map);

/* Add `item`, which must not be in yet; gg_map_reserve() has been called since the last
 * gg_map_put(). */
void gg_map_put(struct gg_map *map, uint64_t hash, void *item);

/* Take `item` out; returns false when it was not in. */
bool gg_map_remove(struct gg_map *map, uint64_t hash, const void *item);

static inline size_t gg_map_count(const struct gg_map *map)
{
    return map->now.count + map->old.count;
}

/* Walk all items in no order: start with *place = 0; NULL at the end. Put nothing
 * meanwhile. */
void *gg_map_next(const struct gg_map *map, size_t *place);

/* Free the tables; the items belong to the caller. */
void gg_map_fini(struct gg_map *map);

#endif
