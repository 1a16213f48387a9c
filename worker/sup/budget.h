/* budget.h - how often something may be restarted, and when it is tried again. Pure.
 *
 *   OPEN ──spend, beyond restarts_max in window_ms──▶ CLOSED ──back-off over──▶ OPEN
 *
 * The back-off doubles with each close, and begins anew once something has worked, or
 * what was opened has stayed open for longer than the window.
 */
#ifndef GG_WORKER_SUP_BUDGET_H
#define GG_WORKER_SUP_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

enum { GG_RESTARTS_MAX = 32 };

struct gg_budget {
    uint32_t restarts_max; /* At most GG_RESTARTS_MAX. */
    uint64_t window_ms;
    uint64_t backoff_ms_min;
    uint64_t backoff_ms_max;
    uint64_t backoff_ms;                       /* Of the next close. */
    struct gg_mono spent[GG_RESTARTS_MAX + 1]; /* The newest, oldest first. */
    uint32_t count;
    bool closed;
    struct gg_mono opens_at;  /* While closed. */
    struct gg_mono opened_at; /* The last time it did. */
};

/* Spend one restart; false when that is more than it allows. */
bool gg_budget_spend(struct gg_budget *budget, struct gg_mono now);

/* How many restarts of the window are spent. */
uint32_t gg_budget_used(const struct gg_budget *budget, struct gg_mono now);

/* Give up for a while. */
void gg_budget_close(struct gg_budget *budget, struct gg_mono now);

/* Opens one whose back-off is over. */
bool gg_budget_is_closed(struct gg_budget *budget, struct gg_mono now);

/* Something has worked: the next back-off is a short one again. */
void gg_budget_worked(struct gg_budget *budget);

#endif
