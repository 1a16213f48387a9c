/* histogram.h - how often a time was how long, to 3 %, in fixed room.
 *
 * Buckets are 32 to a power of two, as in HdrHistogram (http://hdrhistogram.org): small
 * values are exact, large ones to one part in 32. Plain data: to send and to add up.
 */
#ifndef GG_CLIENT_CLI_HISTOGRAM_H
#define GG_CLIENT_CLI_HISTOGRAM_H

#include <stdint.h>

enum { GG_HISTOGRAM_STEPS = 32, GG_HISTOGRAM_BUCKETS = 60 * GG_HISTOGRAM_STEPS };

struct gg_histogram {
    uint64_t count;
    uint64_t most;
    uint64_t buckets[GG_HISTOGRAM_BUCKETS];
};

void gg_histogram_add(struct gg_histogram *histogram, uint64_t value);
void gg_histogram_merge(struct gg_histogram *into, const struct gg_histogram *from);

/* The value that a `share` of all are at or below, 0 to 1; 0 when there are none. */
uint64_t gg_histogram_at(const struct gg_histogram *histogram, double share);

#endif
