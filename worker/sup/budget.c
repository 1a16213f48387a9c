#include "worker/sup/budget.h"

static bool is_recent(const struct gg_budget *budget, uint32_t i, struct gg_mono now)
{
    return !gg_mono_reached(gg_mono_add(budget->spent[i], budget->window_ms), now);
}

bool gg_budget_spend(struct gg_budget *budget, struct gg_mono now)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < budget->count; i++) {
        if (is_recent(budget, i, now)) {
            budget->spent[kept++] = budget->spent[i];
        }
    }
    budget->spent[kept++] = now;
    budget->count = kept;
    return budget->count <= budget->restarts_max;
}

uint32_t gg_budget_used(const struct gg_budget *budget, struct gg_mono now)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < budget->count; i++) {
        used += is_recent(budget, i, now) ? 1 : 0;
    }
    return used;
}

void gg_budget_close(struct gg_budget *budget, struct gg_mono now)
{
    if (gg_mono_reached(gg_mono_add(budget->opened_at, budget->window_ms), now)) {
        budget->backoff_ms = budget->backoff_ms_min;
    }
    budget->closed = true;
    budget->count = 0;
    budget->opens_at = gg_mono_add(now, budget->backoff_ms);
    budget->backoff_ms = budget->backoff_ms * 2 < budget->backoff_ms_max
                             ? budget->backoff_ms * 2
                             : budget->backoff_ms_max;
}

bool gg_budget_is_closed(struct gg_budget *budget, struct gg_mono now)
{
    if (budget->closed && gg_mono_reached(budget->opens_at, now)) {
        budget->closed = false;
        budget->opened_at = now;
    }
    return budget->closed;
}

void gg_budget_worked(struct gg_budget *budget)
{
    budget->backoff_ms = budget->backoff_ms_min;
}
