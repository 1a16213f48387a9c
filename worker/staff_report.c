#include "worker/staff_report.h"

#include "worker/staff_sources.h"

enum { REPORT_EVERY_MS = 1000 };

static struct gg_pool_state state_of(const struct gg_staff_pool *pool,
                                     struct gg_now now)
{
    const struct gg_sup_pool *in_tree = &pool->staff->sup.pools[pool->index];
    const struct gg_pool_settings *settings = &pool->settings;
    struct gg_pool_state state;
    gg_record_default(GG_RECORD_POOL_STATE, &state);
    state.pool = pool->index + 1;
    state.state = pool->removing ? GG_POOL_REMOVING : GG_POOL_OPEN;
    state.kind = settings->kind;
    state.size = settings->size;
    state.overflow = settings->overflow;
    state.executors = in_tree->live;
    state.restarts = gg_budget_used(&in_tree->budget, now.mono);
    state.restarts_max = settings->max_restarts;
    state.window_ms = settings->max_seconds * 1000;
    state.restarts_count = in_tree->restarts_count;
    state.cause = gg_slice_text(pool->cause);
    state.group = gg_slice_text(settings->group == NULL ? "" : settings->group);
    state.source = gg_slice_text(gg_staff_sources_describe(pool));
    if (in_tree->used && in_tree->budget.closed) {
        state.state = GG_POOL_DOWN;
        state.opens_at = (uint64_t)(now.wall.ms + in_tree->budget.opens_at.ms -
                                    now.mono.ms);
    } else if (in_tree->used && in_tree->ended >= settings->size &&
               settings->size > 0) {
        state.state = GG_POOL_DOWN; /* Its executors have ended for good. */
    }
    return state;
}

/* What a report says, as one number: enough to see whether it has changed. */
static uint64_t sum_of(const struct gg_pool_state *state)
{
    const uint64_t parts[] = {
        state->pool,           state->state,          state->kind,
        state->size,           state->overflow,       state->executors,
        state->restarts,       state->restarts_max,   state->window_ms,
        state->restarts_count, state->opens_at / 1000};
    uint64_t sum = gg_hash(state->cause, 1) ^ gg_hash(state->group, 2) ^
                   gg_hash(state->source, 4);
    return sum ^ gg_hash(gg_slice_of(parts, sizeof parts), 3);
}

void gg_staff_report(struct gg_staff *staff, struct gg_now now)
{
    struct gg_pool_state states[GG_SUP_POOLS_MAX];
    uint32_t count = 0;
    uint64_t sum = 0;
    bool new_session = staff->reported_session != staff->agent->session;
    if (staff->agent->state != GG_WORKER_UP ||
        (!new_session && !gg_mono_reached(staff->report_at, now.mono))) {
        return;
    }
    for (uint32_t i = 0; i < staff->end; i++) {
        if (staff->pools[i].used) {
            states[count] = state_of(&staff->pools[i], now);
            sum = sum * 31 + sum_of(&states[count++]);
        }
    }
    staff->report_at = gg_mono_add(now.mono, REPORT_EVERY_MS);
    if (new_session || sum != staff->report_sum) {
        gg_worker_report(staff->agent, states, count);
    }
    staff->reported_session = staff->agent->session;
    staff->report_sum = sum;
}
