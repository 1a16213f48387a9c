#include "common/heap.h"

#include <stdlib.h>

#include "common/assert.h"

enum { CHILDREN = 4, ROOM_MAX = 1 << 30 };

static void place(struct gg_heap *heap, uint32_t i, struct gg_heap_node *node)
{
    heap->nodes[i] = node;
    node->place = i + 1;
}

static void rise(struct gg_heap *heap, uint32_t i, struct gg_heap_node *node)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / CHILDREN;
        if (heap->nodes[parent]->at <= node->at) {
            break;
        }
        place(heap, i, heap->nodes[parent]);
        i = parent;
    }
    place(heap, i, node);
}

static void sink(struct gg_heap *heap, uint32_t i, struct gg_heap_node *node)
{
    for (;;) {
        uint32_t first = i * CHILDREN + 1;
        if (first >= heap->count) {
            break;
        }
        uint32_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < end; child++) {
            if (heap->nodes[child]->at < heap->nodes[least]->at) {
                least = child;
            }
        }
        if (node->at <= heap->nodes[least]->at) {
            break;
        }
        place(heap, i, heap->nodes[least]);
        i = least;
    }
    place(heap, i, node);
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
    struct gg_heap_node **nodes = realloc(heap->nodes, room * sizeof *nodes);
    if (nodes == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    heap->nodes = nodes;
    heap->room = room;
    return GG_OK;
}

void gg_heap_set(struct gg_heap *heap, struct gg_heap_node *node, int64_t at)
{
    node->at = at;
    if (node->place == 0) {
        GG_ASSERT(heap->count < heap->room);
        rise(heap, heap->count++, node);
        return;
    }
    uint32_t i = node->place - 1;
    if (i > 0 && heap->nodes[(i - 1) / CHILDREN]->at > at) {
        rise(heap, i, node);
    } else {
        sink(heap, i, node);
    }
}

void gg_heap_remove(struct gg_heap *heap, struct gg_heap_node *node)
{
    if (node->place == 0) {
        return;
    }
    uint32_t i = node->place - 1;
    node->place = 0;
    struct gg_heap_node *last = heap->nodes[--heap->count];
    if (last == node) {
        return;
    }
    last->place = i + 1;
    heap->nodes[i] = last;
    gg_heap_set(heap, last, last->at);
}

void gg_heap_fini(struct gg_heap *heap)
{
    free(heap->nodes);
    *heap = (struct gg_heap){0};
}
