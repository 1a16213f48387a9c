/* index.h - hash table of numbers: where in a table of its owner is what has a key?
 *
 * Like map.h (open addressing, linear probing, growth step by step), for tables of many
 * millions: a slot has eight bytes, half of them of the hash, and up to five of eight
 * slots are taken. Numbers are below GG_INDEX_NONE.
 */
#ifndef GG_COMMON_INDEX_H
#define GG_COMMON_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/fetch.h"

#define GG_INDEX_NONE UINT32_MAX

enum { GG_INDEX_RESERVE_MAX = 32 }; /* The smallest table has room for 40. */

struct gg_index_slot {
    uint32_t hash;  /* Its lower half. */
    uint32_t taken; /* The number + 1; 0: empty. */
};

struct gg_index_table {
    struct gg_index_slot *slots;
    size_t mask;
    size_t count;
};

struct gg_index {
    struct gg_index_table now;
    struct gg_index_table old; /* While growing; its slots move over in small steps. */
    size_t moved;              /* Slots of `old` already moved, of `now` taken. */
    size_t room;               /* For so many numbers `now` is large enough. */
};

/* Does what has this number have `key`? */
typedef bool gg_index_match_fn(void *ctx, uint32_t number, const void *key);

/* The number that matches, or GG_INDEX_NONE. */
uint32_t gg_index_find(const struct gg_index *index, uint64_t hash, const void *key,
                       gg_index_match_fn *match, void *ctx);

/* Have the place of `hash` on its way into the cache, and the next line: the slots that
 * are looked at there end in it as often as not. */
static inline void gg_index_fetch(const struct gg_index *index, uint64_t hash)
{
    if (index->now.slots != NULL) {
        gg_fetch_all(&index->now.slots[(uint32_t)hash & index->now.mask],
                     2 * GG_LINE_BYTES);
    }
    if (index->old.slots != NULL) {
        gg_fetch_all(&index->old.slots[(uint32_t)hash & index->old.mask],
                     2 * GG_LINE_BYTES);
    }
}

/* Let a full index grow; gg_index_reserve() calls it. */
GG_MUST_USE enum gg_err gg_index_grow(struct gg_index *index);

/* Make sure that the next `puts` (at most GG_INDEX_RESERVE_MAX) gg_index_put() cannot
 * fail. GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE static inline enum gg_err gg_index_reserve(struct gg_index *index,
                                                       size_t puts)
{
    return index->now.count + index->old.count + puts <= index->room
               ? GG_OK
               : gg_index_grow(index);
}

/* Add `number`, which must not be in yet; gg_index_reserve() has made sure of it. */
void gg_index_put(struct gg_index *index, uint64_t hash, uint32_t number);

/* Take some numbers out, whichever come next, at most `max`, looking at `looks` slots.
 * Returns how many; while there are any, so many calls find them all. */
size_t gg_index_take(struct gg_index *index, uint32_t *numbers, size_t max,
                     size_t looks);

/* Take `number` out; returns false when it was not in. */
bool gg_index_remove(struct gg_index *index, uint64_t hash, uint32_t number);

static inline size_t gg_index_count(const struct gg_index *index)
{
    return index->now.count + index->old.count;
}

/* Free the tables. */
void gg_index_fini(struct gg_index *index);

#endif
