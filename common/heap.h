/* heap.h - a priority queue of timers with positions: insert, move and remove in
 * O(log n), the earliest in O(1).
 *
 * Intrusive: an element embeds a struct gg_heap_node, which holds its place. Its time
 * stands in the heap's own table, so that elements are not read to be compared: with a
 * million of them they are in no cache. Four children a node: half the depth of a
 * binary heap, one cache line of children.
 */
#ifndef GG_COMMON_HEAP_H
#define GG_COMMON_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct gg_heap_node {
    uint32_t place; /* Position + 1; 0 while not in a heap. */
};

struct gg_heap_entry {
    int64_t at; /* What the heap is ordered by. */
    struct gg_heap_node *node;
};

struct gg_heap {
    struct gg_heap_entry *entries;
    uint32_t count;
    uint32_t room;
};

static inline bool gg_heap_has(const struct gg_heap_node *node)
{
    return node->place != 0;
}

/* The node with the smallest time, or NULL when there is none. */
static inline struct gg_heap_node *gg_heap_first(const struct gg_heap *heap)
{
    return heap->count == 0 ? NULL : heap->entries[0].node;
}

/* The time of a node that is in the heap. */
static inline int64_t gg_heap_at(const struct gg_heap *heap,
                                 const struct gg_heap_node *node)
{
    return heap->entries[node->place - 1].at;
}

/* The smallest time; INT64_MAX when there is none. */
static inline int64_t gg_heap_first_at(const struct gg_heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->entries[0].at;
}

/* Make room for `count` nodes in all, so that gg_heap_set() cannot fail up to there.
 * GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE enum gg_err gg_heap_reserve(struct gg_heap *heap, uint32_t count);

/* Put `node` in, or move it, to time `at`. Room must have been reserved. */
void gg_heap_set(struct gg_heap *heap, struct gg_heap_node *node, int64_t at);

/* Take `node` out; harmless when it is not in. */
void gg_heap_remove(struct gg_heap *heap, struct gg_heap_node *node);

/* Free the table; the nodes belong to the caller. */
void gg_heap_fini(struct gg_heap *heap);

#endif
