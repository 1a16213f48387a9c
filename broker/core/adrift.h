/* adrift.h - attempts whose leases were given up although they may begin yet: the agent
 * is out of reach, and has them until their start-by times.
 *
 * Only their number counts, so it takes the same few bytes however many there are: they
 * are told apart by the span of time in which they may begin at the latest, and stay
 * counted until that span is over.
 */
#ifndef GG_BROKER_CORE_ADRIFT_H
#define GG_BROKER_CORE_ADRIFT_H

#include "common/clock.h"

enum { GG_ADRIFT_SPANS = 8 };

/* All zeros: none. */
struct gg_adrift {
    struct gg_mono ends[GG_ADRIFT_SPANS];
    uint32_t count[GG_ADRIFT_SPANS];
};

/* One more, that may begin until `start_by`: at most `within_ms` from now. */
void gg_adrift_add(struct gg_adrift *adrift, struct gg_mono now, uint64_t within_ms,
                   struct gg_mono start_by);

/* How many there are. */
uint64_t gg_adrift_count(const struct gg_adrift *adrift, struct gg_mono now);

#endif
