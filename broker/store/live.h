/* live.h - which records are in the database: key to place and checksum.
 *
 * It makes the hot table narrow: rows have a number that only grows, so that SQLite
 * appends new ones at the end of its tree and compares integers (measured: 2.3 µs of
 * processor time a job life where a table keyed by the id itself took 3.6, and with
 * 300,000 rows 2.7 instead of 5.7). It knows without asking the disk that a record is
 * not there. And it holds what a commit must take from the sum of checksums when a
 * record goes. 40 to 60 bytes a record. */
#ifndef GG_BROKER_STORE_LIVE_H
#define GG_BROKER_STORE_LIVE_H

#include <stdint.h>

#include "broker/store/store.h"

/* Blobs have rows too; their kind is the store's own. */
enum { GG_LIVE_BLOB = 0, GG_LIVE_KIND_COUNT = GG_STORE_KIND_COUNT };

struct gg_live_slot {
    struct gg_id id;
    uint64_t sum;
    uint64_t place; /* Row and kind; 0: the slot is empty. */
};

struct gg_live {
    struct gg_live_slot *slots;
    uint64_t slot_count;
    uint64_t count;
    uint64_t seed;
};

static inline uint64_t gg_live_row(const struct gg_live_slot *slot)
{
    return slot->place >> 8;
}

static inline uint8_t gg_live_kind(const struct gg_live_slot *slot)
{
    return (uint8_t)slot->place;
}

void gg_live_init(struct gg_live *live, uint64_t seed);
void gg_live_fini(struct gg_live *live);

/* Make room for `more` new keys. GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE enum gg_err gg_live_reserve(struct gg_live *live, uint64_t more);

/* NULL: not there. Valid until the next change. */
const struct gg_live_slot *gg_live_find(const struct gg_live *live, uint8_t kind,
                                        const struct gg_id *id);

/* Add or replace; `row` is at least 1. Room for a new key was reserved. */
void gg_live_put(struct gg_live *live, uint8_t kind, const struct gg_id *id,
                 uint64_t row, uint64_t sum);

/* Harmless when it is not there. */
void gg_live_remove(struct gg_live *live, uint8_t kind, const struct gg_id *id);

#endif
