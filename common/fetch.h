/* fetch.h - have memory on its way into the cache before it is needed. */
#ifndef GG_COMMON_FETCH_H
#define GG_COMMON_FETCH_H

#include <stddef.h>

enum { GG_LINE_BYTES = 64 };

/* Begin to fetch the line at `place`, which may be any address. The empty statement is
 * what keeps it: gcc 12 takes a function that only prefetches for one without effect,
 * and leaves its calls out. */
static inline void gg_fetch(const void *place)
{
    __builtin_prefetch(place, 1);
    __asm__ volatile("");
}

/* The same of all lines of `bytes` bytes. */
static inline void gg_fetch_all(const void *place, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += GG_LINE_BYTES) {
        gg_fetch((const char *)place + i);
    }
}

#endif
