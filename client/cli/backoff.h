/* backoff.h - a retry policy as people write it.
 *
 *   fixed:5s          always the same delay
 *   exp:2s..10m       doubled each time, up to the second; exp:2s: up to the default
 *   list:1s,5s,1m     one after the other, the last one repeats
 */
#ifndef GG_CLIENT_CLI_BACKOFF_H
#define GG_CLIENT_CLI_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GG_BACKOFF_LIST_MAX = 32 };

struct gg_backoff_policy {
    int kind; /* As in ganger_submission: 0 not said, 1 fixed, 2 exponential, 3 list. */
    uint64_t first_ms;
    uint64_t most_ms;
    uint64_t list_ms[GG_BACKOFF_LIST_MAX];
    size_t list_count;
};

/* Returns false, leaving *out alone, for anything else. */
bool gg_backoff_parse(const char *text, struct gg_backoff_policy *out);

#endif
