#include "worker/exec/hand.h"

#include "common/assert.h"

enum {
    AHEAD_US = 20000, /* What is behind shall be begun within this. */
    TRIALS = 8,       /* Of a new executor. */
    WARY_MAX = 1000,
    MEAN_PARTS = 8,
};

void gg_hand_init(struct gg_hand *hand)
{
    *hand = (struct gg_hand){.wary_count = TRIALS};
}

uint32_t gg_hand_room(const struct gg_hand *hand, int64_t now_us)
{
    if (hand->count == 0) {
        return 1; /* And then more, by what is known of it. */
    }
    if (hand->wary_count > 0 || now_us - hand->began_us > AHEAD_US) {
        return 0;
    }
    int64_t most = 1 + AHEAD_US / (hand->mean_us + 1);
    most = most < GG_HAND_MAX ? most : GG_HAND_MAX;
    return most > (int64_t)hand->count ? (uint32_t)most - hand->count : 0;
}

void gg_hand_put(struct gg_hand *hand, uint64_t fence, int64_t lease_ms, int64_t now_us)
{
    GG_ASSERT(hand->count < GG_HAND_MAX);

    hand->began_us = hand->count == 0 ? now_us : hand->began_us;
    hand->count++;
    *gg_hand_at(hand, hand->count - 1) = (struct gg_in_hand){.fence = fence,
                                                             .lease_ms = lease_ms};
}

struct gg_in_hand *gg_hand_at(struct gg_hand *hand, uint32_t index)
{
    GG_ASSERT(index < hand->count);

    return &hand->items[(hand->first + index) % GG_HAND_MAX];
}

uint32_t gg_hand_find(struct gg_hand *hand, uint64_t fence)
{
    uint32_t i = 0;
    while (i < hand->count && gg_hand_at(hand, i)->fence != fence) {
        i++;
    }
    return i;
}

struct gg_in_hand gg_hand_pop(struct gg_hand *hand, int64_t now_us)
{
    struct gg_in_hand over = *gg_hand_at(hand, 0);
    int64_t took_us = now_us > hand->began_us ? now_us - hand->began_us : 0;
    hand->mean_us += (took_us - hand->mean_us) / MEAN_PARTS;
    hand->began_us = now_us;
    hand->wary_count -= hand->wary_count > 0 ? 1 : 0;
    hand->first = (hand->first + 1) % GG_HAND_MAX;
    hand->count--;
    return over;
}

void gg_hand_be_wary(struct gg_hand *hand)
{
    hand->wary_count = WARY_MAX;
}

int64_t gg_hand_lease(struct gg_hand *hand)
{
    int64_t first = 0;
    for (uint32_t i = 0; i < hand->count; i++) {
        int64_t lease_ms = gg_hand_at(hand, i)->lease_ms;
        first = lease_ms != 0 && (first == 0 || lease_ms < first) ? lease_ms : first;
    }
    return first;
}
