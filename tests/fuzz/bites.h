/* bites.h - fuzz input taken off the front, number by number; zeros when it is over. */
#ifndef GG_TESTS_FUZZ_BITES_H
#define GG_TESTS_FUZZ_BITES_H

#include <stdbool.h>

#include "common/bytes.h"

struct bites {
    const uint8_t *at;
    const uint8_t *end;
};

static inline bool bites_left(const struct bites *bites)
{
    return bites->at != bites->end;
}

static inline uint8_t bite(struct bites *bites)
{
    return bites_left(bites) ? *bites->at++ : 0;
}

/* A number below `below`, which is at most 256. */
static inline uint32_t bite_below(struct bites *bites, uint32_t below)
{
    return bite(bites) % below;
}

/* Up to `max` bytes, as many as the next byte says. */
static inline struct gg_slice bite_bytes(struct bites *bites, uint32_t max)
{
    size_t left = (size_t)(bites->end - bites->at);
    size_t len = bite_below(bites, max + 1);
    len = len < left ? len : (bites_left(bites) ? (size_t)(bites->end - bites->at) : 0);
    struct gg_slice out = gg_slice_of(bites->at, len);
    bites->at += len;
    return out;
}

#endif
