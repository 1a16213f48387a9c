/* nearest.h - the word that was probably meant: "did you mean …". */
#ifndef GG_CLIENT_CLI_NEAREST_H
#define GG_CLIENT_CLI_NEAREST_H

#include <stddef.h>

enum { GG_NEAREST_WORD_MAX = 32 }; /* Longer words are not looked up. */

/* How many insertions, deletions, replacements or swaps of neighbours turn one word
 * into the other (restricted Damerau-Levenshtein). Words longer than
 * GG_NEAREST_WORD_MAX are as far apart as can be: SIZE_MAX. */
size_t gg_nearest_distance(const char *a, const char *b);

/* The best word seen so far. Begin with all zeros but `typed`. */
struct gg_nearest {
    const char *typed;
    const char *best; /* NULL: none is near enough. */
    size_t distance;
};

/* Consider one more word; lent, must live as long as `nearest`. Near enough is at most
 * a third of the typed word's length, and 2 at least where the word has 4 letters. */
void gg_nearest_offer(struct gg_nearest *nearest, const char *word);

#endif
