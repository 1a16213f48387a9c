#include "worker/sup/sources.h"

#include "common/assert.h"

static struct gg_source *source_of(struct gg_sources *sources, uint32_t source)
{
    GG_ASSERT(source < sources->count);

    return &sources->items[source];
}

void gg_sources_init(struct gg_sources *sources, const struct gg_source_config *configs,
                     uint32_t count)
{
    GG_ASSERT(count <= GG_SOURCES_MAX);

    *sources = (struct gg_sources){.count = count, .active = GG_SOURCE_NONE};
    for (uint32_t i = 0; i < count; i++) {
        sources->items[i].config = configs[i];
        sources->items[i].backoff_ms = configs[i].retry_ms_min;
    }
}

/* ---- health ---- */

static void fail(struct gg_source *source, struct gg_mono now)
{
    uint64_t most = source->config.retry_ms_max;
    source->state = GG_SOURCE_FAILED;
    source->failed = true;
    source->next_at = gg_mono_add(now, source->backoff_ms);
    source->backoff_ms = source->backoff_ms * 2 < most ? source->backoff_ms * 2 : most;
}

static void recover(struct gg_source *source, struct gg_mono now)
{
    if (source->state != GG_SOURCE_HEALTHY) {
        source->state = GG_SOURCE_HEALTHY;
        source->since = now;
    }
    source->failed = false;
}

/* When the source, as it is, fails by time alone; false: never. */
static bool fails_at(const struct gg_source *source, struct gg_mono *out_at)
{
    bool run = source->runs && !source->stopping;
    bool bounded = source->config.kind == GG_SOURCE_EVERY ||
                   source->state == GG_SOURCE_TRYING;
    if (run && bounded && source->state != GG_SOURCE_FAILED) {
        *out_at = gg_mono_add(source->started, source->config.patience_ms);
        return true;
    }
    if (source->state == GG_SOURCE_HEALTHY && source->config.silence_ms > 0 &&
        source->config.kind != GG_SOURCE_EVERY) {
        *out_at = gg_mono_add(source->heard, source->config.silence_ms);
        return true;
    }
    return false;
}

static bool is_settled(const struct gg_source *source, struct gg_mono now)
{
    return gg_mono_reached(gg_mono_add(source->since, source->config.settle_ms), now);
}

/* The first healthy one; where one behind it is in use, it has to be settled. */
static uint32_t choose(const struct gg_sources *sources, struct gg_mono now)
{
    uint32_t active = sources->active;
    if (active != GG_SOURCE_NONE && sources->items[active].state != GG_SOURCE_HEALTHY) {
        active = GG_SOURCE_NONE;
    }
    for (uint32_t i = 0; i < sources->count && i < active; i++) {
        const struct gg_source *source = &sources->items[i];
        if (source->state == GG_SOURCE_HEALTHY &&
            (active == GG_SOURCE_NONE || is_settled(source, now))) {
            return i;
        }
    }
    return active;
}

/* So many of the first are to run: up to the one in use, or to the first there is yet
 * hope of. */
static uint32_t wanted_count(const struct gg_sources *sources)
{
    if (!sources->wanted) {
        return 0;
    }
    for (uint32_t i = 0; i < sources->count; i++) {
        bool hope = sources->active == GG_SOURCE_NONE && !sources->items[i].failed;
        if (i == sources->active || hope) {
            return i + 1;
        }
    }
    return sources->count;
}

/* ---- what to do ---- */

/* Is a process of it due? */
static bool starts_at(const struct gg_source *source, struct gg_mono *out_at)
{
    bool again = source->state == GG_SOURCE_FAILED ||
                 (source->state == GG_SOURCE_HEALTHY &&
                  source->config.kind == GG_SOURCE_EVERY);
    if (source->runs || source->config.kind == GG_SOURCE_QUEUE) {
        return false;
    }
    *out_at = again ? source->next_at : (struct gg_mono){0};
    return again || source->state == GG_SOURCE_OFF;
}

static bool start_one(struct gg_source *source, bool may_start, struct gg_mono now)
{
    struct gg_mono at;
    if (source->config.kind == GG_SOURCE_QUEUE && source->state == GG_SOURCE_OFF) {
        source->heard = now; /* It has the time of its silence to show itself. */
        recover(source, now);
    }
    if (!may_start || !starts_at(source, &at) || !gg_mono_reached(at, now)) {
        return false;
    }
    if (source->state != GG_SOURCE_HEALTHY) {
        source->state = GG_SOURCE_TRYING;
    }
    source->runs = true;
    source->started = now;
    source->heard = now;
    return true;
}

/* True: its process is to be told to end. */
static bool stop_one(struct gg_source *source, bool wanted)
{
    bool stops = source->runs && !source->stopping &&
                 (!wanted || source->state == GG_SOURCE_FAILED);
    if (!wanted) {
        source->state = GG_SOURCE_OFF;
        source->failed = false;
        source->backoff_ms = source->config.retry_ms_min;
    }
    source->stopping = source->stopping || stops;
    return stops;
}

static bool found(struct gg_source_action *out, enum gg_source_what what,
                  uint32_t source)
{
    *out = (struct gg_source_action){.what = what, .source = source};
    return true;
}

bool gg_sources_next(struct gg_sources *sources, struct gg_mono now, bool wanted,
                     bool may_start, struct gg_source_action *out)
{
    struct gg_mono at;
    sources->wanted = wanted;
    sources->may_start = may_start;
    for (uint32_t i = 0; i < sources->count; i++) {
        struct gg_source *source = &sources->items[i];
        if (fails_at(source, &at) && gg_mono_reached(at, now)) {
            fail(source, now);
            return found(out, GG_SOURCE_DO_FAIL, i);
        }
    }
    uint32_t count = wanted_count(sources);
    for (uint32_t i = 0; i < sources->count; i++) {
        struct gg_source *source = &sources->items[i];
        if (stop_one(source, i < count)) {
            return found(out, GG_SOURCE_DO_STOP, i);
        }
        if (i < count && start_one(source, may_start, now)) {
            return found(out, GG_SOURCE_DO_START, i);
        }
    }
    uint32_t active = choose(sources, now);
    if (active != sources->active) {
        sources->active = active;
        return found(out, GG_SOURCE_DO_SWITCH, active);
    }
    if (active != GG_SOURCE_NONE && is_settled(&sources->items[active], now)) {
        sources->items[active].backoff_ms = sources->items[active].config.retry_ms_min;
    }
    return false;
}

/* ---- events ---- */

void gg_sources_ready(struct gg_sources *sources, uint32_t source, struct gg_mono now)
{
    struct gg_source *it = source_of(sources, source);
    it->heard = now;
    if (it->config.kind == GG_SOURCE_STAYS && it->runs && !it->stopping) {
        recover(it, now);
    }
}

void gg_sources_alive(struct gg_sources *sources, uint32_t source, struct gg_mono now)
{
    struct gg_source *it = source_of(sources, source);
    it->heard = now;
    if (it->config.kind == GG_SOURCE_QUEUE && it->state == GG_SOURCE_FAILED) {
        recover(it, now);
    }
}

void gg_sources_ended(struct gg_sources *sources, uint32_t source, bool good,
                      struct gg_mono now)
{
    struct gg_source *it = source_of(sources, source);
    bool asked = it->stopping;
    it->runs = false;
    it->stopping = false;
    if (asked) {
        return; /* What it is has been judged before. */
    }
    if (good && it->config.kind == GG_SOURCE_EVERY) {
        recover(it, now);
        it->next_at = gg_mono_add(now, it->config.every_ms);
    } else {
        fail(it, now);
    }
}

static void sooner(struct gg_mono at, bool *found_one, struct gg_mono *out_at)
{
    if (!*found_one || at.ms < out_at->ms) {
        *out_at = at;
        *found_one = true;
    }
}

bool gg_sources_next_wake(const struct gg_sources *sources, struct gg_mono *out_at)
{
    bool any = false;
    uint32_t count = wanted_count(sources);
    for (uint32_t i = 0; i < sources->count; i++) {
        const struct gg_source *source = &sources->items[i];
        struct gg_mono at;
        if (fails_at(source, &at)) {
            sooner(at, &any, out_at);
        }
        if (i < count && sources->may_start && starts_at(source, &at)) {
            sooner(at, &any, out_at);
        }
        if (i < sources->active && source->state == GG_SOURCE_HEALTHY) {
            sooner(gg_mono_add(source->since, source->config.settle_ms), &any, out_at);
        }
    }
    return any;
}

bool gg_sources_are_still(const struct gg_sources *sources)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        if (sources->items[i].runs) {
            return false;
        }
    }
    return true;
}
