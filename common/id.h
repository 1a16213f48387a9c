/* id.h - 128-bit job ids: made by the client, time-ordered, 26 characters as text.
 *
 * Layout (big-endian, so that bytes sort by time): 48 bits of milliseconds since 1970,
 * then 80 random bits. The time in an id bounds how long the broker must remember it
 * (the resend window); it gives no order to anything.
 *
 * Text: Crockford's base32 (https://www.crockford.com/base32.html), as ULID writes it:
 * 26 characters, upper case; reading takes both cases.
 */
#ifndef GG_COMMON_ID_H
#define GG_COMMON_ID_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/clock.h"

enum { GG_ID_BYTES = 16, GG_ID_TEXT_BYTES = 27 };

struct gg_id {
    uint8_t bytes[GG_ID_BYTES];
};

struct gg_rng;

/* A new id at `now` with 80 bits from `rng`. */
struct gg_id gg_id_new(struct gg_wall now, struct gg_rng *rng);

/* The client's time inside the id. */
static inline struct gg_wall gg_id_time(const struct gg_id *id)
{
    uint64_t first = 0;
    memcpy(&first, id->bytes, sizeof first);
    return (struct gg_wall){(int64_t)(be64toh(first) >> 16)};
}

void gg_id_format(const struct gg_id *id, char text[GG_ID_TEXT_BYTES]);

/* Returns false, leaving *out_id alone, when `text` is not an id of 26 characters. */
bool gg_id_parse(const char *text, struct gg_id *out_id);

static inline bool gg_id_equal(const struct gg_id *a, const struct gg_id *b)
{
    return memcmp(a->bytes, b->bytes, GG_ID_BYTES) == 0;
}

/* Seeded hash of an id for a map, so that peers cannot choose ids that collide: both
 * halves meet the seed before they are multiplied (the mix of wyhash,
 * https://github.com/wangyi-fudan/wyhash). */
static inline uint64_t gg_id_hash(const struct gg_id *id, uint64_t seed)
{
    __extension__ typedef unsigned __int128 u128;
    uint64_t low = 0;
    uint64_t high = 0;
    memcpy(&low, id->bytes, sizeof low);
    memcpy(&high, id->bytes + sizeof low, sizeof high);
    uint64_t turned = (seed << 32 | seed >> 32) ^ UINT64_C(0xa0761d6478bd642f);
    u128 product = (u128)(low ^ seed) * (high ^ turned);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The id of all zeros means "none". */
static inline bool gg_id_is_none(const struct gg_id *id)
{
    static const struct gg_id none;
    return gg_id_equal(id, &none);
}

#endif
