#include "worker/sup/sup.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

static struct gg_sup_pool *pool_of(struct gg_sup *sup, uint32_t pool)
{
    GG_ASSERT(pool < GG_SUP_POOLS_MAX && sup->pools[pool].used);

    return &sup->pools[pool];
}

static struct gg_sup_executor *executor_of(struct gg_sup_pool *pool, uint32_t executor)
{
    GG_ASSERT(executor < pool->room);

    return &pool->executors[executor];
}

/* ---- pools come and go ---- */

void gg_sup_init(struct gg_sup *sup)
{
    *sup = (struct gg_sup){.end = 0};
}

static void forget_pool(struct gg_sup_pool *pool)
{
    free(pool->executors);
    free(pool->idle);
    *pool = (struct gg_sup_pool){.used = false};
}

void gg_sup_fini(struct gg_sup *sup)
{
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        forget_pool(&sup->pools[i]);
    }
}

/* Room for `more` executors in all; it never shrinks. */
static enum gg_err make_room(struct gg_sup_pool *pool, uint32_t room)
{
    if (!pool->config.stays || room <= pool->room) {
        return GG_OK;
    }
    struct gg_sup_executor *executors = realloc(pool->executors,
                                                room * sizeof *executors);
    if (executors == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    pool->executors = executors;
    uint32_t *idle = realloc(pool->idle, room * sizeof *idle);
    if (idle == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    pool->idle = idle;
    memset(&pool->executors[pool->room], 0,
           (room - pool->room) * sizeof *pool->executors);
    pool->room = room;
    return GG_OK;
}

enum gg_err gg_sup_add(struct gg_sup *sup, uint32_t pool,
                       const struct gg_sup_config *config)
{
    GG_ASSERT(pool < GG_SUP_POOLS_MAX && !sup->pools[pool].used);
    GG_ASSERT(config->restarts_max <= GG_RESTARTS_MAX);

    struct gg_sup_pool *it = &sup->pools[pool];
    *it = (struct gg_sup_pool){.used = true, .config = *config};
    sup->end = pool < sup->end ? sup->end : pool + 1;
    it->budget = (struct gg_budget){.restarts_max = config->restarts_max,
                                    .window_ms = config->window_ms,
                                    .backoff_ms_min = config->backoff_ms_min,
                                    .backoff_ms_max = config->backoff_ms_max,
                                    .backoff_ms = config->backoff_ms_min};
    enum gg_err err = make_room(it, config->size + config->overflow);
    if (err != GG_OK) {
        forget_pool(it);
    }
    return err;
}

/* Executors that there shall be without overflow. */
static uint32_t wanted(const struct gg_sup_pool *pool)
{
    if (pool->removing || pool->ended >= pool->config.size) {
        return 0;
    }
    return pool->config.size - pool->ended;
}

/* ---- stopping ---- */

static void drop_idle(struct gg_sup_pool *pool, uint32_t executor)
{
    for (uint32_t i = 0; i < pool->idle_count; i++) {
        if (pool->idle[i] == executor) {
            pool->idle_count--;
            memmove(&pool->idle[i], &pool->idle[i + 1],
                    (pool->idle_count - i) * sizeof *pool->idle);
            return;
        }
    }
}

static void stop(struct gg_sup_pool *pool, uint32_t executor, bool restarts)
{
    struct gg_sup_executor *it = executor_of(pool, executor);
    if (it->state == GG_EXECUTOR_DOWN) {
        return;
    }
    if (it->state != GG_EXECUTOR_STOPPING) {
        drop_idle(pool, executor);
        pool->starting -= it->state == GG_EXECUTOR_STARTING ? 1 : 0;
        it->state = GG_EXECUTOR_STOPPING;
        it->told = false;
        it->stays_away = false;
        it->restarts = false;
        pool->stopping++;
        pool->untold++;
    }
    if (restarts && !it->restarts) {
        it->restarts = true;
        it->stays_away = pool->config.restart == GG_RESTART_TEMPORARY;
        pool->restarting++;
    }
}

/* Are there more than there may be? */
static bool is_beyond(const struct gg_sup_pool *pool)
{
    uint32_t most = pool->removing ? 0 : wanted(pool) + pool->config.overflow;
    return pool->live - pool->stopping > most;
}

/* Stop idle ones that are beyond what there may be. */
static void trim(struct gg_sup_pool *pool)
{
    while (is_beyond(pool) && pool->idle_count > 0) {
        stop(pool, pool->idle[0], false);
    }
}

void gg_sup_remove(struct gg_sup *sup, uint32_t pool, struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    (void)now;
    it->removing = true;
    for (uint32_t i = 0; i < it->room; i++) {
        if (it->executors[i].state == GG_EXECUTOR_STARTING) {
            stop(it, i, false);
        }
    }
    trim(it);
}

bool gg_sup_is_gone(const struct gg_sup *sup, uint32_t pool)
{
    return !sup->pools[pool].used;
}

enum gg_err gg_sup_scale(struct gg_sup *sup, uint32_t pool, uint32_t size,
                         struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    (void)now;
    enum gg_err err = make_room(it, size + it->config.overflow);
    if (err == GG_OK) {
        it->config.size = size;
        it->ended = 0;
        trim(it);
    }
    return err;
}

void gg_sup_restart(struct gg_sup *sup, uint32_t pool)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    it->ended = 0;
    for (uint32_t i = 0; i < it->room; i++) {
        if (it->executors[i].state == GG_EXECUTOR_BUSY) {
            it->executors[i].jobs = UINT64_MAX; /* Recycled when it is done. */
        } else {
            stop(it, i, false);
        }
    }
}

/* ---- the strategy of a group ---- */

/* Does what befalls `cause` touch `other`, by the strategy of their group? */
static bool is_touched(const struct gg_sup_pool *cause, const struct gg_sup_pool *other)
{
    if (!other->used || cause->config.group == GG_SUP_NO_GROUP ||
        cause->config.group != other->config.group) {
        return false;
    }
    switch (cause->config.strategy) {
    case GG_ONE_FOR_ONE:
        return false;
    case GG_ONE_FOR_ALL:
        return true;
    case GG_REST_FOR_ONE:
        return other > cause; /* Pools stand in the order of the file. */
    }
    GG_BUG("unknown strategy");
}

static void restart_with(struct gg_sup *sup, const struct gg_sup_pool *cause)
{
    for (uint32_t p = 0; p < sup->end; p++) {
        struct gg_sup_pool *other = &sup->pools[p];
        for (uint32_t i = 0; is_touched(cause, other) && i < other->room; i++) {
            stop(other, i, true);
        }
    }
}

/* One more restart: within the budget, or the pool and what goes with it closes. */
static void spend(struct gg_sup *sup, struct gg_sup_pool *pool, struct gg_mono now)
{
    if (pool->budget.closed || gg_budget_spend(&pool->budget, now)) {
        return;
    }
    gg_budget_close(&pool->budget, now);
    for (uint32_t p = 0; p < sup->end; p++) {
        struct gg_sup_pool *other = &sup->pools[p];
        if (other != pool && is_touched(pool, other) && !other->budget.closed) {
            other->budget.closed = true;
            other->budget.opens_at = pool->budget.opens_at;
        }
    }
}

/* Must this pool's starts wait for others of its group? */
static bool must_wait(const struct gg_sup *sup, const struct gg_sup_pool *pool)
{
    if (pool->config.group == GG_SUP_NO_GROUP ||
        pool->config.strategy == GG_ONE_FOR_ONE) {
        return false;
    }
    for (uint32_t p = 0; p < sup->end; p++) {
        const struct gg_sup_pool *other = &sup->pools[p];
        if (!other->used || other->config.group != pool->config.group) {
            continue;
        }
        bool unready = other->starting > 0 || other->live < wanted(other);
        if (other->restarting > 0 || (other < pool && other->config.stays && unready)) {
            return true;
        }
    }
    return false;
}

/* ---- actions ---- */

static bool next_stop(struct gg_sup_pool *pool, uint32_t *out_executor)
{
    for (uint32_t i = 0; pool->untold > 0 && i < pool->room; i++) {
        struct gg_sup_executor *it = &pool->executors[i];
        if (it->state == GG_EXECUTOR_STOPPING && !it->told) {
            it->told = true;
            pool->untold--;
            *out_executor = i;
            return true;
        }
    }
    return false;
}

/* Stop idle ones whose time has come: too old, or overflow that nobody needs. */
static void retire(struct gg_sup_pool *pool, struct gg_mono now)
{
    uint64_t age_ms = pool->config.recycle_ms;
    for (uint32_t i = pool->idle_count; age_ms > 0 && i > 0; i--) {
        uint32_t executor = pool->idle[i - 1];
        if (gg_mono_reached(gg_mono_add(pool->executors[executor].born, age_ms), now)) {
            stop(pool, executor, false);
        }
    }
    while (pool->idle_count > 0 && pool->live - pool->stopping > wanted(pool)) {
        struct gg_mono since = pool->executors[pool->idle[0]].since;
        if (!gg_mono_reached(gg_mono_add(since, pool->config.overflow_idle_ms), now)) {
            return;
        }
        stop(pool, pool->idle[0], false);
    }
}

/* How many there should be now, with those that work waits for. */
static uint32_t due(const struct gg_sup_pool *pool)
{
    uint32_t base = wanted(pool);
    uint32_t lacking = pool->waiting > pool->starting + pool->idle_count
                           ? pool->waiting - pool->starting - pool->idle_count
                           : 0;
    if (pool->removing || pool->live < base) {
        return base;
    }
    uint32_t most = base + pool->config.overflow;
    return pool->live + lacking < most ? pool->live + lacking : most;
}

static bool next_start(struct gg_sup *sup, struct gg_sup_pool *pool, struct gg_mono now,
                       uint32_t *out_executor)
{
    if (!pool->config.stays || pool->live >= due(pool) || must_wait(sup, pool)) {
        return false;
    }
    for (uint32_t i = 0; i < pool->room; i++) {
        struct gg_sup_executor *it = &pool->executors[i];
        if (it->state == GG_EXECUTOR_DOWN) {
            *it = (struct gg_sup_executor){.state = GG_EXECUTOR_STARTING, .born = now};
            pool->live++;
            pool->starting++;
            *out_executor = i;
            return true;
        }
    }
    return false;
}

bool gg_sup_next(struct gg_sup *sup, struct gg_mono now, struct gg_sup_action *out)
{
    for (uint32_t p = 0; p < sup->end; p++) {
        struct gg_sup_pool *pool = &sup->pools[p];
        if (!pool->used) {
            continue;
        }
        out->pool = p;
        retire(pool, now);
        if (next_stop(pool, &out->executor)) {
            out->what = GG_SUP_STOP;
            return true;
        }
        if (!gg_budget_is_closed(&pool->budget, now) &&
            next_start(sup, pool, now, &out->executor)) {
            out->what = GG_SUP_START;
            return true;
        }
        if (pool->removing && pool->live == 0) {
            forget_pool(pool);
        }
    }
    return false;
}

/* ---- what becomes of executors ---- */

static void push_idle(struct gg_sup_pool *pool, uint32_t executor, struct gg_mono now)
{
    pool->executors[executor].state = GG_EXECUTOR_IDLE;
    pool->executors[executor].since = now;
    pool->idle[pool->idle_count++] = executor;
    trim(pool);
}

void gg_sup_ready(struct gg_sup *sup, uint32_t pool, uint32_t executor,
                  struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    if (executor_of(it, executor)->state == GG_EXECUTOR_STARTING) {
        it->starting--;
        push_idle(it, executor, now);
    }
}

static void take(struct gg_sup_pool *pool, uint32_t executor)
{
    drop_idle(pool, executor);
    pool->executors[executor].state = GG_EXECUTOR_BUSY;
    pool->executors[executor].in_hand = 1;
    pool->executors[executor].jobs++;
}

bool gg_sup_take(struct gg_sup *sup, uint32_t pool, uint32_t *out_executor)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    if (it->idle_count == 0) {
        return false;
    }
    *out_executor = it->idle[it->config.fifo ? 0 : it->idle_count - 1];
    take(it, *out_executor);
    return true;
}

bool gg_sup_take_at(struct gg_sup *sup, uint32_t pool, uint32_t executor)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    if (executor_of(it, executor)->state != GG_EXECUTOR_IDLE) {
        return false;
    }
    take(it, executor);
    return true;
}

bool gg_sup_take_more(struct gg_sup *sup, uint32_t pool, uint32_t executor)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    struct gg_sup_executor *at = executor_of(it, executor);
    uint64_t jobs_max = it->config.recycle_jobs;
    bool spent = at->jobs == UINT64_MAX || (jobs_max > 0 && at->jobs >= jobs_max);
    if (at->state != GG_EXECUTOR_BUSY || at->in_hand > it->config.ahead_each || spent ||
        is_beyond(it)) {
        return false;
    }
    at->in_hand++;
    at->jobs++;
    return true;
}

enum gg_err gg_sup_adopt(struct gg_sup *sup, uint32_t pool, uint32_t executor,
                         uint32_t in_hand, struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    enum gg_err err = make_room(it, executor + 1);
    if (err != GG_OK) {
        return err;
    }
    GG_ASSERT(executor_of(it, executor)->state == GG_EXECUTOR_DOWN);
    it->executors[executor] = (struct gg_sup_executor){.state = GG_EXECUTOR_BUSY,
                                                       .in_hand = in_hand,
                                                       .jobs = in_hand,
                                                       .born = now,
                                                       .since = now};
    it->live++;
    return GG_OK;
}

static bool is_spent(const struct gg_sup_pool *pool,
                     const struct gg_sup_executor *executor, uint64_t bytes,
                     struct gg_mono now)
{
    const struct gg_sup_config *config = &pool->config;
    return executor->jobs == UINT64_MAX ||
           (config->recycle_jobs > 0 && executor->jobs >= config->recycle_jobs) ||
           (config->recycle_bytes > 0 && bytes >= config->recycle_bytes) ||
           (config->recycle_ms > 0 &&
            gg_mono_reached(gg_mono_add(executor->born, config->recycle_ms), now));
}

void gg_sup_give(struct gg_sup *sup, uint32_t pool, uint32_t executor, uint64_t bytes,
                 struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    struct gg_sup_executor *at = executor_of(it, executor);
    gg_budget_worked(&it->budget);
    if (at->state != GG_EXECUTOR_BUSY) {
        return; /* It is being stopped. */
    }
    bool spent = is_spent(it, at, bytes, now);
    at->in_hand--;
    if (at->in_hand > 0) {
        at->jobs = spent ? UINT64_MAX : at->jobs; /* No more after those it has. */
        return;
    }
    push_idle(it, executor, now);
    if (at->state == GG_EXECUTOR_IDLE && spent) {
        stop(it, executor, false);
    }
}

static bool is_replaced(const struct gg_sup_pool *pool, enum gg_sup_end how)
{
    switch (pool->config.restart) {
    case GG_RESTART_PERMANENT:
        return true;
    case GG_RESTART_TRANSIENT:
        return how != GG_END_NORMAL;
    case GG_RESTART_TEMPORARY:
        return false;
    }
    GG_BUG("unknown restart class");
}

/* It died by itself. */
static void on_death(struct gg_sup *sup, struct gg_sup_pool *pool, bool with_job,
                     enum gg_sup_end how, struct gg_mono now)
{
    if (!is_replaced(pool, how)) {
        pool->ended += pool->ended < pool->config.size ? 1 : 0;
        return;
    }
    pool->restarts_count++;
    if (!with_job) {
        spend(sup, pool, now);
    }
    restart_with(sup, pool);
}

void gg_sup_died(struct gg_sup *sup, uint32_t pool, uint32_t executor,
                 enum gg_sup_end how, struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    struct gg_sup_executor was = *executor_of(it, executor);
    GG_ASSERT(was.state != GG_EXECUTOR_DOWN);

    drop_idle(it, executor);
    it->executors[executor] = (struct gg_sup_executor){.state = GG_EXECUTOR_DOWN};
    it->live--;
    it->starting -= was.state == GG_EXECUTOR_STARTING ? 1 : 0;
    if (was.state == GG_EXECUTOR_STOPPING) {
        it->stopping--;
        it->untold -= was.told ? 0 : 1;
        it->restarting -= was.restarts ? 1 : 0;
        it->ended += was.stays_away && it->ended < it->config.size ? 1 : 0;
    } else if (how != GG_END_ASKED) {
        on_death(sup, it, was.state == GG_EXECUTOR_BUSY, how, now);
    }
}

void gg_sup_wants(struct gg_sup *sup, uint32_t pool, uint32_t waiting)
{
    pool_of(sup, pool)->waiting = waiting;
}

void gg_sup_start_failed(struct gg_sup *sup, uint32_t pool, struct gg_mono now)
{
    spend(sup, pool_of(sup, pool), now);
}

void gg_sup_start_worked(struct gg_sup *sup, uint32_t pool)
{
    gg_budget_worked(&pool_of(sup, pool)->budget);
}

uint32_t gg_sup_slots(struct gg_sup *sup, uint32_t pool, struct gg_mono now)
{
    struct gg_sup_pool *it = pool_of(sup, pool);
    uint32_t base = wanted(it);
    bool ended = base == 0 && it->config.size > 0;
    if (gg_budget_is_closed(&it->budget, now) || ended || it->removing) {
        return 0;
    }
    return base * (1 + it->config.ahead_each) + it->config.overflow;
}

/* ---- time ---- */

static void earlier(struct gg_mono at, bool *found, struct gg_mono *out_at)
{
    if (!*found || at.ms < out_at->ms) {
        *out_at = at;
        *found = true;
    }
}

bool gg_sup_next_wake(const struct gg_sup *sup, struct gg_mono *out_at)
{
    bool found = false;
    for (uint32_t p = 0; p < sup->end; p++) {
        const struct gg_sup_pool *pool = &sup->pools[p];
        if (!pool->used) {
            continue;
        }
        if (pool->budget.closed) {
            earlier(pool->budget.opens_at, &found, out_at);
        }
        if (pool->idle_count > 0 && pool->live - pool->stopping > wanted(pool)) {
            struct gg_mono since = pool->executors[pool->idle[0]].since;
            earlier(gg_mono_add(since, pool->config.overflow_idle_ms), &found, out_at);
        }
        for (uint32_t i = 0; pool->config.recycle_ms > 0 && i < pool->idle_count; i++) {
            struct gg_mono born = pool->executors[pool->idle[i]].born;
            earlier(gg_mono_add(born, pool->config.recycle_ms), &found, out_at);
        }
    }
    return found;
}
