#include "client/cli/histogram.h"

#include <stddef.h>

/* Values below 32 have a bucket each; from there on the 5 bits below the leading one
 * choose among the 32 buckets of that power of two. */
static size_t bucket_of(uint64_t value)
{
    if (value < GG_HISTOGRAM_STEPS) {
        return (size_t)value;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = power - 5U;
    size_t step = (size_t)(value >> shift) - GG_HISTOGRAM_STEPS;
    size_t bucket = ((size_t)shift + 1) * GG_HISTOGRAM_STEPS + step;
    return bucket < GG_HISTOGRAM_BUCKETS ? bucket : GG_HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t top_of(size_t bucket)
{
    if (bucket < GG_HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / GG_HISTOGRAM_STEPS) - 1U;
    uint64_t step = bucket % GG_HISTOGRAM_STEPS + GG_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void gg_histogram_add(struct gg_histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->most = value > histogram->most ? value : histogram->most;
    histogram->buckets[bucket_of(value)]++;
}

void gg_histogram_merge(struct gg_histogram *into, const struct gg_histogram *from)
{
    into->count += from->count;
    into->most = from->most > into->most ? from->most : into->most;
    for (size_t i = 0; i < GG_HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

uint64_t gg_histogram_at(const struct gg_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * share);
    uint64_t seen = 0;
    wanted = wanted < 1 ? 1 : wanted;
    for (size_t i = 0; i < GG_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t top = top_of(i);
            return top < histogram->most ? top : histogram->most;
        }
    }
    return histogram->most;
}
