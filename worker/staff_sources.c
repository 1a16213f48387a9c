#include "worker/staff_sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/name.h"
#include "worker/exec/source.h"
#include "worker/words.h"

enum { VARIABLE_BYTES = 512, OWN_VARIABLES = 3, REASON_BYTES = 200, TEXT_BYTES = 1024 };

struct gg_staff_sources {
    struct gg_sources tree;
    struct gg_source_process *processes[GG_SOURCES_MAX]; /* NULL while none runs. */
    char reasons[GG_SOURCES_MAX][REASON_BYTES];
    char text[TEXT_BYTES]; /* Of the last description. */
};

enum gg_err gg_staff_sources_open(struct gg_staff_pool *pool)
{
    struct gg_source_config configs[GG_SOURCES_MAX];
    uint32_t count = pool->settings.source_count;
    if (count == 0) {
        return GG_OK;
    }
    pool->sources = calloc(1, sizeof *pool->sources);
    if (pool->sources == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        configs[i] = gg_source_settings_config(&pool->settings.source_list[i]);
    }
    gg_sources_init(&pool->sources->tree, configs, count);
    return GG_OK;
}

void gg_staff_sources_close(struct gg_staff_pool *pool)
{
    for (uint32_t i = 0; pool->sources != NULL && i < GG_SOURCES_MAX; i++) {
        gg_source_drop(&pool->sources->processes[i]);
    }
    free(pool->sources);
    pool->sources = NULL;
}

/* ---- what their programs tell ---- */

static void set_reason(struct gg_staff_pool *pool, uint32_t index, const char *reason)
{
    char *text = pool->sources->reasons[index];
    (void)snprintf(text, REASON_BYTES, "%.190s", reason);
    gg_log(GG_LOG_WARN, "source_failed", "pool=%s source=%s reason=\"%s\"",
           pool->settings.name, pool->settings.source_list[index].name, text);
}

static void on_said(void *ctx, uint32_t index, bool ready)
{
    struct gg_staff_pool *pool = ctx;
    if (ready) {
        gg_sources_ready(&pool->sources->tree, index, gg_mono_now());
    } else {
        gg_sources_alive(&pool->sources->tree, index, gg_mono_now());
    }
}

static void on_ended(void *ctx, uint32_t index, bool good, const char *reason)
{
    struct gg_staff_pool *pool = ctx;
    const struct gg_source *source = &pool->sources->tree.items[index];
    bool well = good && source->config.kind == GG_SOURCE_EVERY;
    if (!source->stopping && !well && !pool->staff->ending) {
        set_reason(pool, index, reason);
    }
    pool->sources->processes[index] = NULL;
    gg_sources_ended(&pool->sources->tree, index, good, gg_mono_now());
}

/* ---- their programs ---- */

/* Its program and its variables, as words; both point into copies. */
struct command {
    char *program;
    char *environment;
    char own[OWN_VARIABLES][VARIABLE_BYTES];
    char *words[GG_SOURCE_WORDS_MAX + 1];
    char *variables[GG_SOURCE_WORDS_MAX + OWN_VARIABLES + 1];
};

/* False: no memory. Free `program` and `environment` in any case. */
static bool make_command(const struct gg_staff_pool *pool,
                         const struct gg_source_settings *settings, struct command *out)
{
    uint32_t count = 0;
    const char *environment = settings->environment;
    *out = (struct command){
        .program = strdup(settings->program),
        .environment = strdup(environment == NULL ? "" : environment)};
    if (out->program == NULL || out->environment == NULL) {
        return false;
    }
    const struct gg_pool_settings *of = &pool->settings;
    (void)snprintf(out->own[0], VARIABLE_BYTES, "GANGER_BROKER=%s",
                   pool->staff->broker == NULL ? "" : pool->staff->broker);
    (void)snprintf(out->own[1], VARIABLE_BYTES, "GANGER_QUEUE=%s", of->queue_list[0]);
    (void)snprintf(out->own[2], VARIABLE_BYTES, "GANGER_REALM=%s",
                   of->realm == NULL ? "default" : of->realm);
    for (int i = 0; i < OWN_VARIABLES; i++) {
        out->variables[i] = out->own[i];
    }
    return gg_words_split(out->program, out->words, GG_SOURCE_WORDS_MAX, &count) &&
           gg_words_split(out->environment, out->variables + OWN_VARIABLES,
                          GG_SOURCE_WORDS_MAX, &count);
}

static void start_source(struct gg_staff_pool *pool, uint32_t index)
{
    static struct command command; /* Too large for the stack. */
    const struct gg_source_settings *settings = &pool->settings.source_list[index];
    const struct gg_source_hooks hooks = {
        .ctx = pool, .said = on_said, .ended = on_ended};
    bool made = make_command(pool, settings, &command);
    const struct gg_source_spec spec = {
        .arguments = (const char *const *)command.words,
        .variables = (const char *const *)command.variables,
        .cage = &pool->settings.cage,
        .index = index,
    };
    errno = ENOMEM;
    if (!made || gg_source_start(&pool->staff->world, &hooks, &spec,
                                 &pool->sources->processes[index]) != GG_OK) {
        char reason[128];
        (void)snprintf(reason, sizeof reason, "cannot start it: %s", strerror(errno));
        on_ended(pool, index, false, reason);
    }
    free(command.program);
    free(command.environment);
}

static const char *late_reason(const struct gg_source *source)
{
    return source->config.kind == GG_SOURCE_QUEUE ? "no job came for its silence"
           : source->config.kind == GG_SOURCE_EVERY
               ? "its run was not over within its patience"
           : gg_mono_add(source->started, source->config.patience_ms).ms >
                   source->heard.ms
               ? "it was not ready within its patience, or silent"
               : "it was silent";
}

static void act(struct gg_staff_pool *pool, const struct gg_source_action *action)
{
    struct gg_staff_sources *sources = pool->sources;
    const struct gg_source_settings *list = pool->settings.source_list;
    switch (action->what) {
    case GG_SOURCE_DO_START:
        start_source(pool, action->source);
        return;
    case GG_SOURCE_DO_STOP:
        gg_source_stop(sources->processes[action->source],
                       list[action->source].shutdown_ms);
        return;
    case GG_SOURCE_DO_FAIL:
        set_reason(pool, action->source,
                   late_reason(&sources->tree.items[action->source]));
        return;
    case GG_SOURCE_DO_SWITCH:
        gg_log(GG_LOG_INFO, "source_in_use", "pool=%s source=%s", pool->settings.name,
               action->source == GG_SOURCE_NONE ? "none" : list[action->source].name);
        return;
    }
}

/* With every slot taken no job can come: that is no silence. */
static void note_full(struct gg_staff_pool *pool, struct gg_mono now)
{
    const struct gg_pool_now *served = &pool->staff->agent->pools[pool->index];
    for (uint32_t i = 0; i < pool->sources->tree.count; i++) {
        if (pool->sources->tree.items[i].config.kind == GG_SOURCE_QUEUE &&
            pool->sources->tree.items[i].state == GG_SOURCE_HEALTHY &&
            served->open >= served->window) {
            gg_sources_alive(&pool->sources->tree, i, now);
        }
    }
}

void gg_staff_sources_turn(struct gg_staff_pool *pool, struct gg_mono now)
{
    const struct gg_worker *agent = pool->staff->agent;
    struct gg_source_action action;
    if (pool->sources == NULL || pool->staff->ending) {
        return;
    }
    note_full(pool, now);
    bool wanted = !pool->removing && !agent->draining;
    bool may_start = agent->state == GG_WORKER_UP;
    while (gg_sources_next(&pool->sources->tree, now, wanted, may_start, &action)) {
        act(pool, &action);
    }
}

void gg_staff_sources_arrived(struct gg_staff_pool *pool, struct gg_slice queue,
                              struct gg_mono now)
{
    for (uint32_t i = 0; pool->sources != NULL && i < pool->sources->tree.count; i++) {
        const char *pattern = pool->settings.source_list[i].queue;
        if (pattern != NULL && gg_pattern_match(gg_slice_text(pattern), queue)) {
            gg_sources_alive(&pool->sources->tree, i, now);
        }
    }
}

bool gg_staff_sources_next_wake(const struct gg_staff_pool *pool,
                                struct gg_mono *out_at)
{
    return pool->sources != NULL && !pool->staff->ending &&
           gg_sources_next_wake(&pool->sources->tree, out_at);
}

bool gg_staff_sources_are_still(const struct gg_staff_pool *pool)
{
    return pool->sources == NULL || gg_sources_are_still(&pool->sources->tree);
}

const char *gg_staff_sources_describe(const struct gg_staff_pool *pool)
{
    struct gg_staff_sources *sources = pool->sources;
    if (sources == NULL) {
        return "";
    }
    const struct gg_source_settings *list = pool->settings.source_list;
    uint32_t active = sources->tree.active;
    int len = snprintf(sources->text, TEXT_BYTES, "%s",
                       active == GG_SOURCE_NONE ? "none" : list[active].name);
    for (uint32_t i = 0; i < sources->tree.count && i < active; i++) {
        if (len < 0 || len >= TEXT_BYTES || !sources->tree.items[i].failed) {
            continue;
        }
        len += snprintf(sources->text + len, TEXT_BYTES - (size_t)len,
                        ", as %s failed: %s", list[i].name, sources->reasons[i]);
    }
    return sources->text;
}

uint64_t gg_staff_sources_number(const struct gg_staff_pool *pool, uint32_t source)
{
    const struct gg_source_process *process = pool->sources == NULL
                                                  ? NULL
                                                  : pool->sources->processes[source];
    return process == NULL ? 0 : gg_source_number(process);
}
