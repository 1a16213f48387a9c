/* sum.h - checksums and numbers as they are on disk: XXH3-64, low byte first. */
#ifndef GG_BROKER_STORE_SUM_H
#define GG_BROKER_STORE_SUM_H

#include <stdint.h>

#include "common/map.h"

static inline void gg_le64_put(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint64_t gg_le64_get(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static inline uint32_t gg_be32_get(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void gg_be32_put(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* `seed` ties the bytes to their place. */
static inline uint64_t gg_sum(const void *data, size_t len, uint64_t seed)
{
    return gg_hash(gg_slice_of(data, len), seed);
}

#endif
