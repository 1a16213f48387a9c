#include "client/src/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { CHUNK_BYTES_MIN = 4096, ALIGNMENT = 16 };

struct gg_arena_chunk {
    struct gg_arena_chunk *next;
    size_t room;
    _Alignas(ALIGNMENT) uint8_t data[];
};

static bool add_chunk(struct gg_arena *arena, size_t bytes)
{
    size_t room = CHUNK_BYTES_MIN;
    while (room < bytes) {
        room *= 2;
    }
    struct gg_arena_chunk *chunk = malloc(sizeof *chunk + room);
    if (chunk == NULL) {
        arena->failed = true;
        return false;
    }
    chunk->next = arena->chunks;
    chunk->room = room;
    arena->chunks = chunk;
    arena->used = 0;
    return true;
}

void *gg_arena_take(struct gg_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        arena->failed = true;
        return NULL;
    }
    size_t size = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->chunks == NULL || arena->chunks->room - arena->used < size) {
        if (!add_chunk(arena, size)) {
            return NULL;
        }
    }
    void *at = arena->chunks->data + arena->used;
    arena->used += size;
    return at;
}

const char *gg_arena_text(struct gg_arena *arena, struct gg_slice slice)
{
    if (slice.len == 0) {
        return "";
    }
    char *text = gg_arena_take(arena, slice.len + 1);
    if (text == NULL) {
        return "";
    }
    memcpy(text, slice.data, slice.len);
    text[slice.len] = '\0';
    return text;
}

struct gg_slice gg_arena_copy(struct gg_arena *arena, struct gg_slice slice)
{
    uint8_t *copy = slice.len == 0 ? NULL : gg_arena_take(arena, slice.len);
    if (copy == NULL) {
        return (struct gg_slice){0};
    }
    memcpy(copy, slice.data, slice.len);
    return gg_slice_of(copy, slice.len);
}

static void free_from(struct gg_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct gg_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void gg_arena_clear(struct gg_arena *arena)
{
    enum { KEPT_BYTES_MAX = 65536 };
    arena->used = 0;
    arena->failed = false;
    if (arena->chunks == NULL) {
        return;
    }
    if (arena->chunks->room > KEPT_BYTES_MAX) {
        free_from(arena->chunks);
        arena->chunks = NULL;
        return;
    }
    free_from(arena->chunks->next);
    arena->chunks->next = NULL;
}

void gg_arena_fini(struct gg_arena *arena)
{
    free_from(arena->chunks);
    *arena = (struct gg_arena){0};
}
