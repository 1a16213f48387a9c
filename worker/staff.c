#include "worker/staff.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/log.h"

enum { RESTARTS_MAX = 3, RESTARTS_MS = 5000, POOL = 0 };

/* ---- what executors tell ---- */

static void on_started(void *ctx, uint64_t fence)
{
    struct gg_staff *staff = ctx;
    gg_worker_started(staff->agent, gg_mono_now(), fence);
    gg_sup_start_worked(&staff->sup);
}

static void on_said(void *ctx, uint64_t fence, const struct gg_line *line)
{
    struct gg_staff *staff = ctx;
    gg_worker_said(staff->agent, fence, line);
}

static void on_ended(void *ctx, uint64_t fence, const struct gg_ending *ending)
{
    struct gg_staff *staff = ctx;
    struct gg_mono now = gg_mono_now();
    if (ending->kind == GG_OUTCOME_NOT_STARTED) {
        gg_sup_start_failed(&staff->sup, now);
        gg_log(GG_LOG_WARN, "not_started", "fence=%llu reason=\"%s\"",
               (unsigned long long)fence, ending->text);
    }
    gg_worker_ended(staff->agent, now, fence, ending);
}

static void on_executor_ready(void *ctx, uint32_t index)
{
    struct gg_staff *staff = ctx;
    if (staff->sup.states[index] == GG_EXECUTOR_STARTING) {
        gg_sup_ready(&staff->sup, index);
    } else {
        gg_sup_give(&staff->sup, index);
    }
}

static void on_executor_died(void *ctx, uint32_t index, const struct gg_death *death)
{
    struct gg_staff *staff = ctx;
    staff->executors[index] = NULL;
    if (!staff->ending) {
        gg_log(GG_LOG_WARN, "executor_died", "executor=%u reason=\"%s\"", index,
               death->reason);
    }
    gg_sup_died(&staff->sup, index, gg_mono_now());
}

/* ---- life ---- */

enum gg_err gg_staff_init(struct gg_staff *staff,
                          const struct gg_worker_settings *settings,
                          struct gg_worker *agent, const struct gg_run_world *world)
{
    *staff = (struct gg_staff){.settings = settings, .agent = agent, .world = *world};
    staff->world.hooks = (struct gg_run_hooks){
        .ctx = staff, .started = on_started, .said = on_said, .ended = on_ended};
    gg_list_init(&staff->resting);
    staff->world.resting = &staff->resting;
    staff->executors = calloc(settings->slots, sizeof(struct gg_executor *));
    if (staff->executors == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    return gg_sup_init(&staff->sup, settings->slots, RESTARTS_MAX, RESTARTS_MS);
}

void gg_staff_fini(struct gg_staff *staff)
{
    for (uint32_t i = 0; staff->executors != NULL && i < staff->settings->slots; i++) {
        gg_executor_drop(&staff->executors[i]);
    }
    free(staff->executors);
    staff->executors = NULL;
    gg_sup_fini(&staff->sup);
}

/* ---- starting ---- */

static void start_executors(struct gg_staff *staff, struct gg_mono now)
{
    const char *const handler[] = {"/proc/self/exe", "--role=executor",
                                   staff->settings->handler, NULL};
    struct gg_executor_spec spec = {.talk = &gg_talk_handler, .arguments = handler};
    const struct gg_executor_hooks hooks = {
        .ctx = staff, .ready = on_executor_ready, .died = on_executor_died};
    if (staff->settings->coprocess) {
        spec.talk = &gg_talk_coprocess;
        spec.arguments = (const char *const *)staff->settings->command;
    }
    while (!staff->ending && gg_sup_next_start(&staff->sup, now, &spec.index)) {
        if (gg_executor_start(&staff->world, &hooks, &spec,
                              &staff->executors[spec.index]) != GG_OK) {
            gg_log(GG_LOG_WARN, "executor_failed", "executor=%u", spec.index);
            gg_sup_died(&staff->sup, spec.index, now);
        }
    }
}

static struct gg_run_spec spec_of(const struct gg_staff *staff,
                                  const struct gg_attempt *attempt, struct gg_now now)
{
    const struct gg_work *work = attempt->work;
    return (struct gg_run_spec){
        .id = attempt->id,
        .fence = attempt->fence,
        .attempt = work->attempt,
        .attempts_max = work->attempts_max,
        .run_timeout_ms = work->run_timeout_ms,
        .realm = gg_name_slice(&work->realm),
        .queue = gg_name_slice(&work->queue),
        .key = gg_blob_slice(work->key),
        .checkpoint = gg_blob_slice(work->checkpoint),
        .payload = work->payload,
        .result_bytes_max = staff->agent->result_bytes_max,
        .deadline_ms = attempt->lease_ms == INT64_MAX ? 0 : attempt->lease_ms,
        .now = now.wall,
    };
}

static void begin_program(struct gg_staff *staff, struct gg_attempt *attempt,
                          struct gg_now now)
{
    struct gg_run_spec spec = spec_of(staff, attempt, now);
    struct gg_program *program = NULL;
    struct gg_ending ending;
    gg_worker_starting(staff->agent, attempt);
    if (gg_program_begin(&staff->world, (const char *const *)staff->settings->command,
                         &spec, &program, &ending) == GG_OK) {
        attempt->executor = program;
        gg_blob_unref(&attempt->work->payload); /* The program holds it now. */
    } else {
        on_ended(staff, spec.fence, &ending);
    }
}

/* False: there is no executor for it now. */
static bool begin_handler(struct gg_staff *staff, struct gg_attempt *attempt,
                          struct gg_now now)
{
    uint32_t index = 0;
    if (!gg_sup_take(&staff->sup, &index)) {
        return false;
    }
    struct gg_run_spec spec = spec_of(staff, attempt, now);
    gg_worker_starting(staff->agent, attempt);
    attempt->executor = staff->executors[index];
    if (gg_executor_begin(staff->executors[index], &spec) != GG_OK) {
        struct gg_ending ending;
        gg_ending_not_started("cannot pass the job to its executor", 12, &ending);
        gg_sup_give(&staff->sup, index);
        on_ended(staff, spec.fence, &ending);
    }
    return true;
}

/* Processes that stay run the attempts, and not a program each. */
static bool has_executors(const struct gg_staff *staff)
{
    return staff->settings->handler != NULL || staff->settings->coprocess;
}

static void begin_attempts(struct gg_staff *staff, struct gg_now now)
{
    for (;;) {
        struct gg_attempt *attempt = gg_worker_next_start(staff->agent, POOL);
        if (attempt == NULL) {
            return;
        }
        if (!has_executors(staff)) {
            begin_program(staff, attempt, now);
        } else if (!begin_handler(staff, attempt, now)) {
            return;
        }
    }
}

/* ---- stopping and renewing ---- */

static void do_todos(struct gg_staff *staff)
{
    bool handler = has_executors(staff);
    unsigned mask = 0;
    for (struct gg_attempt *attempt = gg_worker_next_todo(staff->agent, &mask);
         attempt != NULL; attempt = gg_worker_next_todo(staff->agent, &mask)) {
        if (attempt->executor == NULL) {
            continue;
        }
        if ((mask & GG_TODO_LEASE) != 0 && handler) {
            gg_executor_lease(attempt->executor, attempt->lease_ms);
        } else if ((mask & GG_TODO_LEASE) != 0) {
            gg_program_lease(attempt->executor, attempt->lease_ms);
        }
        if ((mask & GG_TODO_STOP) != 0 && handler) {
            gg_executor_stop(attempt->executor, attempt->grace_ms);
        } else if ((mask & GG_TODO_STOP) != 0) {
            gg_program_stop(attempt->executor, attempt->grace_ms);
        }
    }
}

static void set_window(struct gg_staff *staff, struct gg_mono now)
{
    uint32_t slots = gg_sup_slots(&staff->sup, now);
    bool closed = slots == 0;
    if (closed != staff->was_closed) {
        gg_log(closed ? GG_LOG_ERROR : GG_LOG_INFO,
               closed ? "pool_closed" : "pool_open", closed ? "reason=\"%s\"" : "%s",
               closed ? "more than 3 executors or programs failed within 5 s; trying "
                        "again after a pause"
                      : "");
    }
    staff->was_closed = closed;
    gg_worker_set_window(staff->agent, now, POOL, slots);
}

void gg_staff_turn(struct gg_staff *staff, struct gg_now now)
{
    if (staff->settings->noop) {
        return;
    }
    set_window(staff, now.mono);
    if (has_executors(staff)) {
        start_executors(staff, now.mono);
        gg_executor_rest(&staff->world, now.mono);
    }
    begin_attempts(staff, now);
    do_todos(staff);
}

bool gg_staff_next_wake(const struct gg_staff *staff, struct gg_mono *out_at)
{
    struct gg_mono opens;
    bool opening = gg_sup_next_wake(&staff->sup, &opens);
    bool resting = gg_executor_next_rest(&staff->world, out_at);
    if (opening && (!resting || opens.ms < out_at->ms)) {
        *out_at = opens;
    }
    return opening || resting;
}
