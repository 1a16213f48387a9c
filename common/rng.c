#include "common/rng.h"

#include <sys/random.h>

#include "common/clock.h"

void gg_rng_seed(struct gg_rng *rng)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (long)sizeof seed) {
        seed = (uint64_t)gg_mono_us(); /* Ids then differ by time alone. */
    }
    rng->state = seed;
}
