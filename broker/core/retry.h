/* retry.h - how long to wait before the next attempt. */
#ifndef GG_BROKER_CORE_RETRY_H
#define GG_BROKER_CORE_RETRY_H

#include <stdint.h>

#include "common/record.h"
#include "common/rng.h"

struct gg_backoff_policy {
    enum gg_backoff kind; /* Not DEFAULT. */
    uint64_t first_ms;    /* FIXED: the delay. EXPONENTIAL: the first. */
    uint64_t most_ms;     /* EXPONENTIAL: no longer than this, jitter excepted. */
    const uint64_t *list; /* LIST: lent. */
    uint8_t list_count;   /* At least 1 for LIST. */
};

/* Delay after `failures` failed attempts (at least 1), never less than the policy says:
 *   fixed        first
 *   exponential  min(first * 2^(failures - 1), most) plus up to 20 % at random, so that
 *                jobs that failed together do not come back together
 *   list         the failures-th entry; the last one repeats */
uint64_t gg_backoff_delay(const struct gg_backoff_policy *policy, uint32_t failures,
                          struct gg_rng *rng);

#endif
