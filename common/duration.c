#include "common/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LONGEST_MS = UINT64_C(100) * 366 * 24 * 3600 * 1000;

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 0},
};

bool gg_duration_parse(const char *text, uint64_t *out_ms)
{
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    char *unit = NULL;
    unsigned long long count = strtoull(text, &unit, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) != 0) {
            continue;
        }
        if (units[i].ms == 0 ? count != 0 : count > LONGEST_MS / units[i].ms) {
            return false;
        }
        *out_ms = count * units[i].ms;
        return true;
    }
    return false;
}

static void format_pair(uint64_t big, const char *big_unit, uint64_t small,
                        const char *small_unit, char *text)
{
    if (small == 0) {
        (void)snprintf(text, GG_DURATION_TEXT_BYTES, "%" PRIu64 "%s", big, big_unit);
    } else {
        (void)snprintf(text, GG_DURATION_TEXT_BYTES, "%" PRIu64 "%s %" PRIu64 "%s", big,
                       big_unit, small, small_unit);
    }
}

void gg_duration_format(uint64_t ms, char text[GG_DURATION_TEXT_BYTES])
{
    uint64_t seconds = ms / 1000;
    if (ms < 1000) {
        (void)snprintf(text, GG_DURATION_TEXT_BYTES, "%" PRIu64 "ms", ms);
    } else if (seconds < 60) {
        (void)snprintf(text, GG_DURATION_TEXT_BYTES, "%" PRIu64 ".%" PRIu64 "s",
                       seconds, ms % 1000 / 100);
    } else if (seconds < 3600) {
        format_pair(seconds / 60, "m", seconds % 60, "s", text);
    } else if (seconds < 86400) {
        format_pair(seconds / 3600, "h", seconds / 60 % 60, "m", text);
    } else {
        format_pair(seconds / 86400, "d", seconds / 3600 % 24, "h", text);
    }
}
