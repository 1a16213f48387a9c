#include "broker/core/adrift.h"

/* Spans are so wide that those of all moments until `within_ms` from now have places of
 * their own. */
void gg_adrift_add(struct gg_adrift *adrift, struct gg_mono now, uint64_t within_ms,
                   struct gg_mono start_by)
{
    uint64_t width = within_ms / (GG_ADRIFT_SPANS - 2) + 1;
    uint64_t span = (uint64_t)start_by.ms / width;
    uint64_t place = span % GG_ADRIFT_SPANS;
    if (adrift->count[place] == 0 || gg_mono_reached(adrift->ends[place], now)) {
        adrift->ends[place].ms = (int64_t)((span + 1) * width);
        adrift->count[place] = 0;
    }
    adrift->count[place]++;
}

uint64_t gg_adrift_count(const struct gg_adrift *adrift, struct gg_mono now)
{
    uint64_t count = 0;
    for (int i = 0; i < GG_ADRIFT_SPANS; i++) {
        count += gg_mono_reached(adrift->ends[i], now) ? 0 : adrift->count[i];
    }
    return count;
}
