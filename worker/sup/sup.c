#include "worker/sup/sup.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum { BACKOFF_MS_MIN = 1000, BACKOFF_MS_MAX = 60000 };

enum gg_err gg_sup_init(struct gg_sup *sup, uint32_t slots, uint32_t restarts_max,
                        uint64_t window_ms)
{
    GG_ASSERT(slots > 0);
    GG_ASSERT(restarts_max <= GG_RESTARTS_MAX);

    *sup = (struct gg_sup){.slots = slots, .backoff_ms = BACKOFF_MS_MIN};
    sup->budget.restarts_max = restarts_max;
    sup->budget.window_ms = window_ms;
    sup->states = calloc(slots, sizeof *sup->states);
    sup->idle = calloc(slots, sizeof *sup->idle);
    if (sup->states == NULL || sup->idle == NULL) {
        gg_sup_fini(sup);
        return GG_ERR_NO_MEMORY;
    }
    return GG_OK;
}

void gg_sup_fini(struct gg_sup *sup)
{
    free(sup->states);
    free(sup->idle);
    sup->states = NULL;
    sup->idle = NULL;
}

/* Spend one restart; false when that is more than the budget allows. */
static bool spend(struct gg_budget *budget, struct gg_mono now)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < budget->count; i++) {
        if (!gg_mono_reached(gg_mono_add(budget->spent[i], budget->window_ms), now)) {
            budget->spent[kept++] = budget->spent[i];
        }
    }
    budget->spent[kept++] = now;
    budget->count = kept;
    return budget->count <= budget->restarts_max;
}

static void spend_or_close(struct gg_sup *sup, struct gg_mono now)
{
    if (sup->closed || spend(&sup->budget, now)) {
        return;
    }
    sup->closed = true;
    sup->opens_at = gg_mono_add(now, sup->backoff_ms);
    sup->budget.count = 0;
    sup->backoff_ms = sup->backoff_ms * 2 < BACKOFF_MS_MAX ? sup->backoff_ms * 2
                                                           : BACKOFF_MS_MAX;
}

static bool is_closed(struct gg_sup *sup, struct gg_mono now)
{
    if (sup->closed && gg_mono_reached(sup->opens_at, now)) {
        sup->closed = false;
    }
    return sup->closed;
}

bool gg_sup_next_start(struct gg_sup *sup, struct gg_mono now, uint32_t *out_executor)
{
    if (is_closed(sup, now)) {
        return false;
    }
    for (uint32_t i = 0; i < sup->slots; i++) {
        if (sup->states[i] == GG_EXECUTOR_DOWN) {
            sup->states[i] = GG_EXECUTOR_STARTING;
            *out_executor = i;
            return true;
        }
    }
    return false;
}

static void push_idle(struct gg_sup *sup, uint32_t executor)
{
    sup->states[executor] = GG_EXECUTOR_IDLE;
    sup->idle[sup->idle_count++] = executor;
}

void gg_sup_ready(struct gg_sup *sup, uint32_t executor)
{
    GG_ASSERT(executor < sup->slots);
    GG_ASSERT(sup->states[executor] == GG_EXECUTOR_STARTING);

    push_idle(sup, executor);
    gg_sup_start_worked(sup);
}

bool gg_sup_take(struct gg_sup *sup, uint32_t *out_executor)
{
    if (sup->idle_count == 0) {
        return false;
    }
    uint32_t executor = sup->idle[--sup->idle_count];
    sup->states[executor] = GG_EXECUTOR_BUSY;
    *out_executor = executor;
    return true;
}

void gg_sup_give(struct gg_sup *sup, uint32_t executor)
{
    GG_ASSERT(executor < sup->slots);
    GG_ASSERT(sup->states[executor] == GG_EXECUTOR_BUSY);

    push_idle(sup, executor);
}

void gg_sup_died(struct gg_sup *sup, uint32_t executor, struct gg_mono now)
{
    GG_ASSERT(executor < sup->slots);
    GG_ASSERT(sup->states[executor] != GG_EXECUTOR_DOWN);

    bool with_job = sup->states[executor] == GG_EXECUTOR_BUSY;
    for (uint32_t i = 0; i < sup->idle_count; i++) {
        if (sup->idle[i] == executor) {
            sup->idle_count--;
            memmove(&sup->idle[i], &sup->idle[i + 1],
                    (sup->idle_count - i) * sizeof *sup->idle);
            break;
        }
    }
    sup->states[executor] = GG_EXECUTOR_DOWN;
    if (!with_job) {
        spend_or_close(sup, now);
    }
}

void gg_sup_start_failed(struct gg_sup *sup, struct gg_mono now)
{
    spend_or_close(sup, now);
}

void gg_sup_start_worked(struct gg_sup *sup)
{
    sup->backoff_ms = BACKOFF_MS_MIN;
}

uint32_t gg_sup_slots(struct gg_sup *sup, struct gg_mono now)
{
    return is_closed(sup, now) ? 0 : sup->slots;
}

bool gg_sup_next_wake(const struct gg_sup *sup, struct gg_mono *out_at)
{
    if (!sup->closed) {
        return false;
    }
    *out_at = sup->opens_at;
    return true;
}
