/* spin.h - whether a short look for more work, before going to sleep, is worth it.
 *
 * Waking a thread that sleeps costs more than the work of a small message. A loop that
 * has just been busy mostly gets its next message within microseconds; one that is idle
 * does not, and should sleep at once. So each look that found something earns further
 * ones, each that found nothing costs one, and now and then a loop that has none left
 * tries again.
 */
#ifndef GG_COMMON_SPIN_H
#define GG_COMMON_SPIN_H

#include <stdbool.h>

enum { GG_SPIN_SCORE_MAX = 64, GG_SPIN_PROBE = 64 };

struct gg_spin {
    int score; /* Looks left; below 0: sleeps since the last try. */
};

/* Is it worth a look now? */
static inline bool gg_spin_wanted(struct gg_spin *spin)
{
    if (spin->score > 0) {
        return true;
    }
    spin->score = spin->score > -GG_SPIN_PROBE ? spin->score - 1 : 1;
    return false;
}

/* A look has found something, or not. */
static inline void gg_spin_learn(struct gg_spin *spin, bool found)
{
    if (!found) {
        spin->score--;
    } else if (spin->score < GG_SPIN_SCORE_MAX) {
        spin->score += 2;
    }
}

#endif
