#include "common/heap.h"

#include <stdlib.h>

#include "common/assert.h"

enum { CHILDREN = 4, ROOM_MAX = 1 << 30 };

static void place(struct gg_heap *heap, uint32_t i, struct gg_heap_entry entry)
{
    heap->entries[i] = entry;
    entry.node->place = i + 1;
}

static void rise(struct gg_heap *heap, uint32_t i, struct gg_heap_entry entry)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / CHILDREN;
        if (heap->entries[parent].at <= entry.at) {
            break;
        }
        place(heap, i, heap->entries[parent]);
        i = parent;
    }
    place(heap, i, entry);
}

static void sink(struct gg_heap *heap, uint32_t i, struct gg_heap_entry entry)
{
    for (;;) {
        uint32_t first = i * CHILDREN + 1;
        if (first >= heap->count) {
            break;
        }
        uint32_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < end; child++) {
            if (heap->entries[child].at < heap->entries[least].at) {
                least = child;
            }
        }
        if (entry.at <= heap->entries[least].at) {
            break;
        }
        place(heap, i, heap->entries[least]);
        i = least;
    }
    place(heap, i, entry);
}

enum gg_err gg_heap_reserve(struct gg_heap *heap, uint32_t count)
{
    if (count <= heap->room) {
        return GG_OK;
    }
    if (count > ROOM_MAX) {
        return GG_ERR_NO_MEMORY;
    }
    uint32_t room = heap->room < 64 ? 64 : heap->room;
    while (room < count) {
        room *= 2;
    }
    struct gg_heap_entry *entries = realloc(heap->entries, room * sizeof *entries);
    if (entries == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    heap->entries = entries;
    heap->room = room;
    return GG_OK;
}

void gg_heap_set(struct gg_heap *heap, struct gg_heap_node *node, int64_t at)
{
    struct gg_heap_entry entry = {.at = at, .node = node};
    if (node->place == 0) {
        GG_ASSERT(heap->count < heap->room);
        rise(heap, heap->count++, entry);
        return;
    }
    uint32_t i = node->place - 1;
    if (i > 0 && heap->entries[(i - 1) / CHILDREN].at > at) {
        rise(heap, i, entry);
    } else {
        sink(heap, i, entry);
    }
}

void gg_heap_remove(struct gg_heap *heap, struct gg_heap_node *node)
{
    if (node->place == 0) {
        return;
    }
    uint32_t i = node->place - 1;
    node->place = 0;
    struct gg_heap_entry last = heap->entries[--heap->count];
    if (last.node == node) {
        return;
    }
    last.node->place = i + 1;
    gg_heap_set(heap, last.node, last.at);
}

void gg_heap_fini(struct gg_heap *heap)
{
    free(heap->entries);
    *heap = (struct gg_heap){0};
}
