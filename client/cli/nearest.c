#include "client/cli/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t gg_nearest_distance(const char *a, const char *b)
{
    size_t rows[3][GG_NEAREST_WORD_MAX + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > GG_NEAREST_WORD_MAX || b_len > GG_NEAREST_WORD_MAX) {
        return SIZE_MAX;
    }

    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                           a[i - 2] == b[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            row[j] = swapped ? least(row[j], two_above[j - 2] + 1) : row[j];
        }
    }
    return rows[a_len % 3][b_len];
}

void gg_nearest_offer(struct gg_nearest *nearest, const char *word)
{
    size_t len = strlen(nearest->typed);
    size_t most = len < 4 ? 1 : len < 9 ? 2 : len / 3;
    size_t distance = gg_nearest_distance(nearest->typed, word);
    if (distance > most || (nearest->best != NULL && distance >= nearest->distance)) {
        return;
    }
    nearest->best = word;
    nearest->distance = distance;
}
