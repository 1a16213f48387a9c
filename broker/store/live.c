#include "broker/store/live.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/map.h"

enum { FIRST_SLOTS = 256 };

/* Where a key belongs: its hash scaled to the table, so that the table may have any
 * size and grow by a half instead of twofold. */
static uint64_t home_of(const struct gg_live *live, uint8_t kind,
                        const struct gg_id *id)
{
    uint64_t hash = gg_hash(gg_slice_of(id->bytes, GG_ID_BYTES), live->seed + kind);
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)hash * live->slot_count) >> 64);
}

static uint64_t after(const struct gg_live *live, uint64_t index)
{
    return index + 1 == live->slot_count ? 0 : index + 1;
}

/* The slot of the key, or the empty one where it would go. */
static struct gg_live_slot *seek(const struct gg_live *live, uint8_t kind,
                                 const struct gg_id *id)
{
    uint64_t index = home_of(live, kind, id);
    for (;;) {
        struct gg_live_slot *slot = &live->slots[index];
        if (slot->place == 0 ||
            (gg_live_kind(slot) == kind && gg_id_equal(&slot->id, id))) {
            return slot;
        }
        index = after(live, index);
    }
}

void gg_live_init(struct gg_live *live, uint64_t seed)
{
    *live = (struct gg_live){.seed = seed};
}

void gg_live_fini(struct gg_live *live)
{
    free(live->slots);
    *live = (struct gg_live){.seed = live->seed};
}

enum gg_err gg_live_reserve(struct gg_live *live, uint64_t more)
{
    uint64_t wanted = live->count + more;
    if (wanted + 1 <= live->slot_count / 5 * 4) {
        return GG_OK;
    }
    struct gg_live grown = *live;
    grown.slot_count = live->slot_count < FIRST_SLOTS ? FIRST_SLOTS : live->slot_count;
    while (grown.slot_count / 5 * 4 < wanted + 1) {
        grown.slot_count += grown.slot_count / 2;
    }
    grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    for (uint64_t i = 0; i < live->slot_count; i++) {
        const struct gg_live_slot *slot = &live->slots[i];
        if (slot->place != 0) {
            *seek(&grown, gg_live_kind(slot), &slot->id) = *slot;
        }
    }
    free(live->slots);
    *live = grown;
    return GG_OK;
}

const struct gg_live_slot *gg_live_find(const struct gg_live *live, uint8_t kind,
                                        const struct gg_id *id)
{
    if (live->count == 0) {
        return NULL;
    }
    const struct gg_live_slot *slot = seek(live, kind, id);
    return slot->place == 0 ? NULL : slot;
}

void gg_live_put(struct gg_live *live, uint8_t kind, const struct gg_id *id,
                 uint64_t row, uint64_t sum)
{
    GG_ASSERT(row > 0);
    GG_ASSERT(live->count + 1 < live->slot_count);
    struct gg_live_slot *slot = seek(live, kind, id);
    if (slot->place == 0) {
        live->count++;
    }
    *slot = (struct gg_live_slot){.id = *id, .sum = sum, .place = row << 8 | kind};
}

/* Close the gap: move back what could not be put there for want of room. */
void gg_live_remove(struct gg_live *live, uint8_t kind, const struct gg_id *id)
{
    if (live->count == 0) {
        return;
    }
    struct gg_live_slot *gap = seek(live, kind, id);
    if (gap->place == 0) {
        return;
    }
    live->count--;
    uint64_t gap_at = (uint64_t)(gap - live->slots);
    for (uint64_t i = after(live, gap_at); live->slots[i].place != 0;
         i = after(live, i)) {
        struct gg_live_slot *slot = &live->slots[i];
        uint64_t home = home_of(live, gg_live_kind(slot), &slot->id);
        /* May it move? Only if its home is not within (gap, i], going round. */
        bool stays = gap_at < i ? home > gap_at && home <= i
                                : home > gap_at || home <= i;
        if (!stays) {
            live->slots[gap_at] = *slot;
            gap_at = i;
        }
    }
    live->slots[gap_at].place = 0;
}
