/* arena.h - memory for what a callback or a caller gets to look at: taken piece by
 * piece, given back all at once.
 *
 * A job as the user sees it is a struct that points to a dozen texts, each ended by
 * NUL. They live as long as the next call; one arena holds them all, and after the
 * first few answers it allocates no more.
 */
#ifndef GG_CLIENT_SRC_ARENA_H
#define GG_CLIENT_SRC_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"

struct gg_arena_chunk;

struct gg_arena {
    struct gg_arena_chunk *chunks; /* The newest first. */
    size_t used;                   /* Of the newest. */
    bool failed;                   /* Memory ran out since the last clear. */
};

/* `bytes` bytes, aligned for anything; NULL, and `failed`, without memory. */
void *gg_arena_take(struct gg_arena *arena, size_t bytes);

/* A copy of `slice`, ended by NUL; "" for an empty one and without memory. */
const char *gg_arena_text(struct gg_arena *arena, struct gg_slice slice);

/* A copy of `slice`; empty where memory ran out. */
struct gg_slice gg_arena_copy(struct gg_arena *arena, struct gg_slice slice);

/* Forget all that was taken; keep one chunk for the next time. */
void gg_arena_clear(struct gg_arena *arena);

void gg_arena_fini(struct gg_arena *arena);

#endif
