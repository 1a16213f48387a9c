#include "broker/core/retry.h"

#include "common/assert.h"

enum { JITTER_PERCENT = 20 };

static uint64_t exponential(const struct gg_backoff_policy *policy, uint32_t failures)
{
    uint64_t delay = policy->first_ms;
    for (uint32_t i = 1; i < failures && delay < policy->most_ms; i++) {
        delay = delay > UINT64_MAX / 2 ? UINT64_MAX : delay * 2;
    }
    return delay < policy->most_ms ? delay : policy->most_ms;
}

uint64_t gg_backoff_delay(const struct gg_backoff_policy *policy, uint32_t failures,
                          struct gg_rng *rng)
{
    GG_ASSERT(failures > 0);
    switch (policy->kind) {
    case GG_BACKOFF_FIXED:
        return policy->first_ms;
    case GG_BACKOFF_EXPONENTIAL: {
        uint64_t delay = exponential(policy, failures);
        return delay + gg_rng_below(rng, delay / 100 * JITTER_PERCENT + 1);
    }
    case GG_BACKOFF_LIST:
        GG_ASSERT(policy->list_count > 0);
        return policy->list[failures <= policy->list_count ? failures - 1
                                                           : policy->list_count - 1U];
    case GG_BACKOFF_DEFAULT:
        break;
    }
    GG_BUG("a policy without a kind");
}
