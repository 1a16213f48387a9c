/* rng.h - seeded random numbers (splitmix64): for ids, jitter and the simulator.
 *
 * Not for secrets. Source of the constants: Steele, Lea and Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014.
 */
#ifndef GG_COMMON_RNG_H
#define GG_COMMON_RNG_H

#include <stdint.h>

struct gg_rng {
    uint64_t state;
};

static inline uint64_t gg_rng_next(struct gg_rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* A number from 0 to below - 1; `below` is at least 1. The bias is below 2^-32 for the
 * ranges used here. */
static inline uint64_t gg_rng_below(struct gg_rng *rng, uint64_t below)
{
    return gg_rng_next(rng) % below;
}

/* Start from the kernel's entropy. Reads the world: shells only, never pure code. */
void gg_rng_seed(struct gg_rng *rng);

#endif
