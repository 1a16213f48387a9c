#include "worker/steer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* What becomes of one order. */
struct verdict {
    enum gg_err err;
    struct gg_settings_fault fault;
};

static struct verdict done(void)
{
    return (struct verdict){.err = GG_OK};
}

__attribute__((format(printf, 2, 3))) static struct verdict refused(enum gg_err err,
                                                                    const char *format,
                                                                    ...)
{
    struct verdict verdict = {.err = err};
    va_list values;
    va_start(values, format);
    (void)vsnprintf(verdict.fault.text, sizeof verdict.fault.text, format, values);
    va_end(values);
    return verdict;
}

static struct verdict no_pool(const char *name)
{
    return refused(GG_ERR_NOT_FOUND, "the agent runs no pool called %s", name);
}

/* Done; and saved, where that was asked for. */
static struct verdict save(struct gg_steering_state *state,
                           const struct gg_worker_order *order, bool enabled,
                           uint64_t size, const char *definition)
{
    struct verdict verdict = {.err = GG_OK};
    if (order->save) {
        verdict.err = gg_saved_set(state->saved, order->pool.text, enabled, size,
                                   definition, &verdict.fault);
    }
    return verdict;
}

static struct verdict on_scale(struct gg_steering_state *state,
                               const struct gg_worker_order *order, struct gg_mono now)
{
    struct gg_staff_pool *pool = gg_staff_find(state->staff, order->pool.text);
    if (pool == NULL) {
        return no_pool(order->pool.text);
    }
    if (order->size > GG_WORKER_SLOTS_MAX) {
        return refused(GG_ERR_BAD_FIELD, "a size is 0 to %d", GG_WORKER_SLOTS_MAX);
    }
    if (pool->settings.partitions > 0) { /* Keys would move to other executors. */
        return refused(GG_ERR_BAD_STATE, "the pool has partitions: its size is theirs");
    }
    enum gg_err err = gg_staff_scale(state->staff, pool, (uint32_t)order->size, now);
    if (err != GG_OK) {
        return refused(err, "the agent has room for %u slots in all",
                       state->staff->agent->slots_max);
    }
    return save(state, order, true, order->size, NULL);
}

static struct verdict on_remove(struct gg_steering_state *state,
                                const struct gg_worker_order *order, struct gg_mono now)
{
    struct gg_staff_pool *pool = gg_staff_find(state->staff, order->pool.text);
    if (pool == NULL) {
        return no_pool(order->pool.text);
    }
    gg_staff_remove(state->staff, pool, now);
    return save(state, order, false, UINT64_MAX, NULL);
}

/* A definition that came from outside: programs of a stranger's choice. */
static enum gg_err define(struct gg_steering_state *state,
                          struct gg_pool_settings *pool, const char *text,
                          struct gg_settings_fault *out_fault)
{
    if (!state->settings->file.remote_pools) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "this agent takes no definitions from outside: write [pool %s] "
                       "into its file, or set remote_pools = yes there",
                       pool->name);
        return GG_ERR_NOT_ALLOWED;
    }
    return gg_pool_settings_define(pool, text, out_fault);
}

static enum gg_err add(struct gg_steering_state *state,
                       const struct gg_worker_order *order,
                       struct gg_pool_settings *pool, const char *definition,
                       struct gg_mono now, struct gg_settings_fault *out_fault)
{
    enum gg_err err = GG_OK;
    if (definition != NULL) {
        err = define(state, pool, definition, out_fault);
    }
    if (err == GG_OK && order->size != GG_UNSAID) {
        pool->size = order->size;
    }
    if (err == GG_OK) {
        err = gg_worker_file_check(&state->settings->file, pool, out_fault);
    }
    return err == GG_OK ? gg_staff_add(state->staff, now, pool, out_fault) : err;
}

static struct verdict add_new(struct gg_steering_state *state,
                              const struct gg_worker_order *order,
                              const char *definition, struct gg_mono now)
{
    struct verdict verdict = {.err = GG_OK};
    struct gg_pool_settings pool;
    const struct gg_pool_settings *known = NULL;
    for (uint32_t i = 0; i < state->settings->file.pool_count; i++) {
        if (strcmp(state->settings->file.pools[i].name, order->pool.text) == 0) {
            known = &state->settings->file.pools[i];
        }
    }
    if (known == NULL && definition == NULL) {
        return refused(GG_ERR_NOT_FOUND, "the agent's file has no [pool %s]",
                       order->pool.text);
    }
    verdict.err = known != NULL && definition == NULL
                      ? gg_pool_settings_copy(known, &pool)
                      : gg_pool_settings_init(&pool, order->pool.text);
    if (verdict.err != GG_OK) {
        return refused(verdict.err, "out of memory");
    }
    verdict.err = add(state, order, &pool, definition, now, &verdict.fault);
    gg_pool_settings_fini(&pool);
    return verdict.err == GG_OK ? save(state, order, true, order->size, definition)
                                : verdict;
}

static struct verdict on_add(struct gg_steering_state *state,
                             const struct gg_worker_order *order, struct gg_mono now)
{
    if (gg_staff_find(state->staff, order->pool.text) != NULL) {
        return refused(GG_ERR_BAD_STATE, "the agent runs a pool called %s already",
                       order->pool.text);
    }
    if (order->definition == NULL) {
        return add_new(state, order, NULL, now);
    }
    struct gg_slice bytes = gg_blob_slice(order->definition);
    char *text = malloc(bytes.len + 1);
    if (text != NULL) {
        gg_slice_copy(bytes, text, bytes.len + 1);
    }
    struct verdict verdict = text == NULL ? refused(GG_ERR_NO_MEMORY, "out of memory")
                                          : add_new(state, order, text, now);
    free(text);
    return verdict;
}

static struct verdict on_release(struct gg_steering_state *state,
                                 const struct gg_worker_order *order)
{
    struct gg_worker *agent = state->staff->agent;
    uint64_t fence = gg_worker_fence_of(agent, &order->id);
    if (fence == 0) {
        return refused(GG_ERR_BAD_STATE, "the agent does not run that job any more");
    }
    gg_worker_give_back(
        agent, fence, order->grace_ms == GG_UNSAID ? agent->grace_ms : order->grace_ms);
    return done();
}

static struct verdict on_leave(struct gg_steering_state *state,
                               const struct gg_worker_order *order)
{
    bool restart = order->action == GG_STEER_RESTART;
    state->leave = restart ? GG_LEAVE_RESTART : GG_LEAVE_STOP;
    state->leave_grace_ms = order->grace_ms == GG_UNSAID ? state->settings->grace_ms
                                                         : order->grace_ms;
    return done();
}

static struct verdict carry_out(struct gg_steering_state *state,
                                const struct gg_worker_order *order, struct gg_mono now)
{
    switch (order->action) {
    case GG_STEER_SCALE:
        return on_scale(state, order, now);
    case GG_STEER_ADD:
        return on_add(state, order, now);
    case GG_STEER_REMOVE:
        return on_remove(state, order, now);
    case GG_STEER_QUIET:
    case GG_STEER_RESUME:
        if (state->leave != GG_LEAVE_NOT) {
            return refused(GG_ERR_BAD_STATE, "the agent is ending");
        }
        gg_worker_quiet(state->staff->agent, now, order->action == GG_STEER_QUIET);
        return done();
    case GG_STEER_STOP:
    case GG_STEER_RESTART:
        return on_leave(state, order);
    case GG_STEER_RELEASE:
        return on_release(state, order);
    case GG_STEER_COUNT:
        break;
    }
    return refused(GG_ERR_UNKNOWN_COMMAND, "the agent does not know this order");
}

void gg_steer_turn(struct gg_steering_state *state, struct gg_mono now)
{
    struct gg_worker *agent = state->staff->agent;
    struct gg_worker_order *order;
    while ((order = gg_worker_next_order(agent)) != NULL) {
        struct verdict verdict = carry_out(state, order, now);
        gg_log(GG_LOG_INFO, "ordered", "action=%d pool=%s error=%s reason=\"%s\"",
               (int)order->action, order->pool.text, gg_err_name(verdict.err),
               verdict.fault.text);
        gg_worker_answer(agent, order, verdict.err, verdict.fault.text);
    }
}

/* ---- reload ---- */

static void reload_pool(struct gg_steering_state *state,
                        const struct gg_pool_settings *wanted, struct gg_mono now)
{
    struct gg_settings_fault fault = {.text = ""};
    struct gg_staff_pool *pool = gg_staff_find(state->staff, wanted->name);
    if (pool != NULL &&
        (!wanted->enabled || !gg_pool_settings_equal(&pool->settings, wanted))) {
        gg_staff_remove(state->staff, pool, now);
        pool = NULL;
    }
    enum gg_err err = GG_OK;
    if (pool == NULL && wanted->enabled) {
        err = gg_staff_add(state->staff, now, wanted, &fault);
    } else if (pool != NULL && pool->settings.size != wanted->size) {
        err = gg_staff_scale(state->staff, pool, (uint32_t)wanted->size, now);
    }
    if (err != GG_OK) {
        gg_log(GG_LOG_ERROR, "pool_refused", "pool=%s error=%s reason=\"%s\"",
               wanted->name, gg_err_name(err), fault.text);
    }
}

void gg_steer_reload(struct gg_steering_state *state, const struct gg_worker_file *file,
                     struct gg_mono now)
{
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        struct gg_staff_pool *pool = &state->staff->pools[i];
        bool known = false;
        for (uint32_t j = 0; pool->used && j < file->pool_count; j++) {
            known = known || strcmp(file->pools[j].name, pool->settings.name) == 0;
        }
        if (pool->used && !pool->removing && !known) {
            gg_staff_remove(state->staff, pool, now);
        }
    }
    for (uint32_t i = 0; i < file->pool_count; i++) {
        reload_pool(state, &file->pools[i], now);
    }
}
