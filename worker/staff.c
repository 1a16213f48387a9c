#include "worker/staff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/assert.h"
#include "common/log.h"
#include "worker/exec/procfs.h"
#include "worker/place.h"
#include "worker/staff_report.h"
#include "worker/staff_sources.h"

static struct gg_staff_pool *pool_of(struct gg_staff *staff, uint64_t fence)
{
    const struct gg_attempt *attempt = gg_attempts_find(&staff->agent->attempts, fence);
    GG_ASSERT(attempt != NULL);

    return &staff->pools[attempt->pool];
}

/* ---- what executors tell ---- */

static void on_started(void *ctx, uint64_t fence)
{
    struct gg_staff *staff = ctx;
    uint32_t index = pool_of(staff, fence)->index;
    gg_worker_started(staff->agent, gg_mono_now(), fence);
    if (!gg_sup_is_gone(&staff->sup, index)) { /* Its programs may outlive a pool. */
        gg_sup_start_worked(&staff->sup, index);
    }
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
        struct gg_staff_pool *pool = pool_of(staff, fence);
        (void)snprintf(pool->cause, sizeof pool->cause, "%.250s", ending->text);
        if (!gg_sup_is_gone(&staff->sup, pool->index)) {
            gg_sup_start_failed(&staff->sup, pool->index, now);
        }
        gg_log(GG_LOG_WARN, "not_started", "pool=%s fence=%llu reason=\"%s\"",
               pool->settings.name, (unsigned long long)fence, ending->text);
    }
    gg_worker_ended(staff->agent, now, fence, ending);
}

static void on_returned(void *ctx, uint64_t fence)
{
    struct gg_staff *staff = ctx;
    gg_worker_returned(staff->agent, fence);
}

static void on_executor_ready(void *ctx, uint32_t index)
{
    struct gg_staff_pool *pool = ctx;
    struct gg_sup *sup = &pool->staff->sup;
    struct gg_mono now = gg_mono_now();
    uint64_t bytes = 0;
    switch ((enum gg_executor_state)sup->pools[pool->index].executors[index].state) {
    case GG_EXECUTOR_STARTING:
        gg_sup_ready(sup, pool->index, index, now);
        return;
    case GG_EXECUTOR_STOPPING:
        if (gg_executor_in_hand(pool->executors[index]) == 0) {
            gg_executor_end(pool->executors[index], pool->settings.shutdown_ms);
        }
        return;
    case GG_EXECUTOR_BUSY:
        if (pool->settings.recycle_bytes > 0) {
            bytes = gg_proc_memory(gg_executor_pid(pool->executors[index]));
        }
        gg_sup_give(sup, pool->index, index, bytes, now);
        return;
    case GG_EXECUTOR_DOWN:
    case GG_EXECUTOR_IDLE:
    case GG_EXECUTOR_STATE_COUNT:
        break;
    }
    GG_BUG("an executor was ready twice");
}

static enum gg_sup_end end_of(const struct gg_death *death)
{
    if (death->asked) {
        return GG_END_ASKED;
    }
    bool normal = death->wait_status >= 0 && WIFEXITED(death->wait_status) &&
                  WEXITSTATUS(death->wait_status) == 0;
    return normal ? GG_END_NORMAL : GG_END_FAILED;
}

static void on_executor_died(void *ctx, uint32_t index, const struct gg_death *death)
{
    struct gg_staff_pool *pool = ctx;
    enum gg_sup_end how = end_of(death);
    pool->executors[index] = NULL;
    if (how != GG_END_ASKED && !pool->staff->ending) {
        char id[GG_ID_TEXT_BYTES] = "none";
        struct gg_id none = {.bytes = {0}};
        if (memcmp(&pool->last_jobs[index], &none, sizeof none) != 0) {
            gg_id_format(&pool->last_jobs[index], id);
        }
        (void)snprintf(pool->cause, sizeof pool->cause, "%.200s; last job %s",
                       death->reason[0] == '\0' ? "exit status 0" : death->reason, id);
        gg_log(GG_LOG_WARN, "executor_died", "pool=%s executor=%u reason=\"%s\"",
               pool->settings.name, index, pool->cause);
    }
    gg_sup_died(&pool->staff->sup, pool->index, index, how, gg_mono_now());
}

/* ---- life ---- */

void gg_staff_init(struct gg_staff *staff, struct gg_worker *agent,
                   const struct gg_run_world *world)
{
    *staff = (struct gg_staff){.agent = agent, .world = *world};
    staff->world.hooks = (struct gg_run_hooks){.ctx = staff,
                                               .started = on_started,
                                               .said = on_said,
                                               .ended = on_ended,
                                               .returned = on_returned};
    gg_list_init(&staff->resting);
    gg_list_init(&staff->unsent);
    gg_list_init(&staff->talking);
    staff->world.resting = &staff->resting;
    staff->world.unsent = &staff->unsent;
    staff->world.talking = &staff->talking;
    staff->world.spare_folders = &staff->spare_folders;
    gg_sup_init(&staff->sup);
}

static void forget_pool(struct gg_staff_pool *pool)
{
    for (uint32_t i = 0; i < pool->room; i++) {
        gg_executor_drop(&pool->executors[i]);
    }
    gg_staff_sources_close(pool);
    free(pool->executors);
    free(pool->last_jobs);
    gg_pool_settings_fini(&pool->settings);
    *pool = (struct gg_staff_pool){.used = false};
}

static bool is_program(const struct gg_staff *staff, const struct gg_attempt *attempt)
{
    return staff->pools[attempt->pool].settings.kind == GG_POOL_PROGRAM;
}

void gg_staff_fini(struct gg_staff *staff)
{
    if (staff->agent == NULL) {
        return; /* It never began. */
    }
    GG_LIST_EACH(&staff->agent->attempts.in_hand, it)
    {
        struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        struct gg_program *program = attempt->executor;
        if (program != NULL && is_program(staff, attempt)) {
            gg_program_drop(&program);
        }
        attempt->executor = NULL;
    }
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        if (staff->pools[i].used) {
            forget_pool(&staff->pools[i]);
        }
    }
    gg_sup_fini(&staff->sup);
}

/* ---- pools ---- */

static enum gg_err make_room(struct gg_staff_pool *pool, uint32_t room)
{
    if (!pool->settings.sup.stays || room <= pool->room) {
        return GG_OK;
    }
    struct gg_executor **executors = realloc(pool->executors, room * sizeof *executors);
    if (executors == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    pool->executors = executors;
    struct gg_id *jobs = realloc(pool->last_jobs, room * sizeof *jobs);
    if (jobs == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    pool->last_jobs = jobs;
    for (; pool->room < room; pool->room++) {
        pool->executors[pool->room] = NULL;
        pool->last_jobs[pool->room] = (struct gg_id){.bytes = {0}};
    }
    return GG_OK;
}

static uint32_t slots_of(const struct gg_pool_settings *settings)
{
    return (uint32_t)gg_sup_room(&settings->sup);
}

/* Executors it may have; each may have several attempts in hand. */
static uint32_t executors_of(const struct gg_sup_config *sup)
{
    return sup->size + sup->overflow;
}

/* The agent shall offer it; *out_index is where. */
static enum gg_err offer(struct gg_staff *staff, struct gg_mono now,
                         const struct gg_pool_settings *settings, uint32_t *out_index)
{
    struct gg_worker_pool offered = {
        .slots = slots_of(settings),
        .name = gg_slice_text(settings->name),
        .realm = gg_slice_text(settings->realm == NULL ? "" : settings->realm),
        .queues = (const char *const *)settings->queue_list,
        .queue_count = settings->queue_count,
        .echo = settings->kind == GG_POOL_NOOP,
    };
    return gg_worker_add_pool(staff->agent, now, &offered, out_index);
}

/* Agent, tree and staff agree on places: the first free one is the same in all. */
static struct gg_staff_pool *free_place(struct gg_staff *staff)
{
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        if (!staff->pools[i].used) {
            staff->pools[i] = (struct gg_staff_pool){.staff = staff, .index = i};
            staff->end = i < staff->end ? staff->end : i + 1;
            return &staff->pools[i];
        }
    }
    return NULL;
}

/* What the system must hold ready for a pool. */
static enum gg_err prepare(struct gg_staff *staff, struct gg_cage *cage,
                           struct gg_settings_fault *out_fault)
{
    struct gg_cgroup_place *place = &staff->cgroups;
    if (cage->has_user) {
        gg_place_open_folder(staff->world.temp_folder);
    }
    if (cage->cgroup_memory_bytes == 0 && cage->cgroup_pids == 0) {
        return GG_OK;
    }
    if (place->memory[0] == '\0') {
        enum gg_err err = gg_cgroup_find(place, out_fault->text,
                                         sizeof out_fault->text);
        if (err != GG_OK) {
            place->memory[0] = '\0';
            return err;
        }
    }
    cage->cgroup_unified = place->unified;
    memcpy(cage->cgroup_memory, place->memory, sizeof cage->cgroup_memory);
    memcpy(cage->cgroup_pid, place->pids, sizeof cage->cgroup_pid);
    return GG_OK;
}

enum gg_err gg_staff_add(struct gg_staff *staff, struct gg_mono now,
                         const struct gg_pool_settings *settings,
                         struct gg_settings_fault *out_fault)
{
    struct gg_staff_pool *pool = free_place(staff);
    (void)snprintf(out_fault->text, sizeof out_fault->text,
                   "no room for more pools or slots");
    if (pool == NULL) {
        return GG_ERR_TOO_MANY;
    }
    enum gg_err err = gg_pool_settings_copy(settings, &pool->settings);
    if (err != GG_OK) {
        return err;
    }
    uint32_t index = pool->index;
    pool->used = true;
    err = prepare(staff, &pool->settings.cage, out_fault);
    err = err == GG_OK ? make_room(pool, executors_of(&pool->settings.sup)) : err;
    err = err == GG_OK ? gg_staff_sources_open(pool) : err;
    err = err == GG_OK ? offer(staff, now, &pool->settings, &index) : err;
    if (err == GG_OK) {
        GG_ASSERT(index == pool->index);
        err = gg_sup_add(&staff->sup, index, &pool->settings.sup);
        if (err != GG_OK) {
            gg_worker_set_window(staff->agent, now, index, 0);
            (void)gg_worker_drop_pool(staff->agent, now, index);
        }
    }
    if (err != GG_OK) {
        forget_pool(pool);
    }
    return err;
}

struct gg_staff_pool *gg_staff_find(struct gg_staff *staff, const char *name)
{
    for (uint32_t i = 0; i < GG_SUP_POOLS_MAX; i++) {
        struct gg_staff_pool *pool = &staff->pools[i];
        if (pool->used && !pool->removing && strcmp(pool->settings.name, name) == 0) {
            return pool;
        }
    }
    return NULL;
}

void gg_staff_remove(struct gg_staff *staff, struct gg_staff_pool *pool,
                     struct gg_mono now)
{
    pool->removing = true;
    gg_sup_remove(&staff->sup, pool->index, now);
    gg_worker_set_window(staff->agent, now, pool->index, 0);
}

enum gg_err gg_staff_scale(struct gg_staff *staff, struct gg_staff_pool *pool,
                           uint32_t size, struct gg_mono now)
{
    uint32_t was = slots_of(&pool->settings);
    struct gg_sup_config wanted = pool->settings.sup;
    wanted.size = size;
    if (gg_sup_room(&wanted) > GG_WORKER_SLOTS_MAX) {
        return GG_ERR_TOO_MANY;
    }
    uint32_t slots = (uint32_t)gg_sup_room(&wanted);
    enum gg_err err = make_room(pool, executors_of(&wanted));
    err = err == GG_OK ? gg_worker_resize_pool(staff->agent, pool->index, slots) : err;
    if (err == GG_OK) {
        err = gg_sup_scale(&staff->sup, pool->index, size, now);
    }
    if (err != GG_OK) {
        err = gg_worker_resize_pool(staff->agent, pool->index, was) == GG_OK
                  ? err
                  : GG_ERR_NO_MEMORY;
        return err;
    }
    pool->settings.size = size;
    pool->settings.sup.size = size;
    return GG_OK;
}

/* A pool that was removed and has nothing in hand any more. */
static void bury(struct gg_staff *staff, struct gg_staff_pool *pool, struct gg_mono now)
{
    if (pool->removing && gg_sup_is_gone(&staff->sup, pool->index) &&
        gg_staff_sources_are_still(pool) &&
        gg_worker_drop_pool(staff->agent, now, pool->index)) {
        gg_log(GG_LOG_INFO, "pool_removed", "pool=%s", pool->settings.name);
        forget_pool(pool);
    }
}

/* ---- starting ---- */

static struct gg_run_style style_of(const struct gg_staff_pool *pool)
{
    return (struct gg_run_style){
        .cage = &pool->settings.cage,
        .variables = (const char *const *)pool->settings.variables};
}

struct gg_executor_hooks gg_staff_executor_hooks(struct gg_staff_pool *pool)
{
    return (struct gg_executor_hooks){
        .ctx = pool, .ready = on_executor_ready, .died = on_executor_died};
}

bool gg_staff_executor_room(struct gg_staff_pool *pool, uint32_t index)
{
    return index < GG_WORKER_SLOTS_MAX && make_room(pool, index + 1) == GG_OK &&
           index < pool->room && pool->executors[index] == NULL;
}

static void start_executor(struct gg_staff_pool *pool, uint32_t index,
                           struct gg_mono now)
{
    const char *const handler[] = {"/proc/self/exe", "--role=executor",
                                   pool->settings.words[0], NULL};
    bool in_c = pool->settings.kind == GG_POOL_HANDLER;
    const struct gg_executor_hooks hooks = gg_staff_executor_hooks(pool);
    const struct gg_executor_spec spec = {
        .talk = in_c ? &gg_talk_handler : &gg_talk_coprocess,
        .arguments = in_c ? handler : (const char *const *)pool->settings.words,
        .index = index,
        .style = style_of(pool),
    };
    pool->last_jobs[index] = (struct gg_id){.bytes = {0}};
    if (gg_executor_start(&pool->staff->world, &hooks, &spec,
                          &pool->executors[index]) != GG_OK) {
        char reason[128];
        (void)snprintf(reason, sizeof reason, "cannot start an executor: %s",
                       strerror(errno));
        const struct gg_death death = {.reason = reason, .wait_status = -1};
        on_executor_died(pool, index, &death);
    }
    (void)now;
}

/* It shall end; the attempts it has in hand go back to the broker first. */
static void stop_executor(struct gg_staff_pool *pool, uint32_t index)
{
    struct gg_executor *executor = pool->executors[index];
    uint32_t count = gg_executor_in_hand(executor);
    if (count == 0) {
        gg_executor_end(executor, pool->settings.shutdown_ms);
    }
    for (uint32_t i = 0; i < count; i++) {
        gg_worker_give_back(pool->staff->agent, gg_executor_fence(executor, i),
                            pool->settings.shutdown_ms);
    }
}

static void follow_tree(struct gg_staff *staff, struct gg_mono now)
{
    struct gg_sup_action action;
    while (!staff->ending && gg_sup_next(&staff->sup, now, &action)) {
        struct gg_staff_pool *pool = &staff->pools[action.pool];
        if (action.what == GG_SUP_START) {
            start_executor(pool, action.executor, now);
        } else {
            stop_executor(pool, action.executor);
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
        .start_by_ms = attempt->start_by_ms == INT64_MAX ? 0 : attempt->start_by_ms,
        .now = now.wall,
    };
}

static void begin_program(struct gg_staff_pool *pool, struct gg_attempt *attempt,
                          struct gg_now now)
{
    struct gg_staff *staff = pool->staff;
    struct gg_run_spec spec = spec_of(staff, attempt, now);
    const struct gg_run_style style = style_of(pool);
    struct gg_program *program = NULL;
    gg_staff_sources_arrived(pool, spec.queue, now.mono);
    spec.style = &style;
    struct gg_ending ending;
    gg_worker_starting(staff->agent, attempt);
    if (gg_program_begin(&staff->world, (const char *const *)pool->settings.words,
                         &spec, &program, &ending) == GG_OK) {
        attempt->executor = program;
        gg_blob_unref(&attempt->work->payload); /* The program holds it now. */
    } else {
        on_ended(staff, spec.fence, &ending);
    }
}

/* Jobs of one key, and those without a key by their id, fall to one executor. */
static uint32_t partition_of(const struct gg_staff_pool *pool,
                             const struct gg_attempt *attempt)
{
    struct gg_slice key = gg_blob_slice(attempt->work->key);
    if (key.len == 0) {
        key = gg_slice_of(attempt->id.bytes, sizeof attempt->id.bytes);
    }
    return (uint32_t)(gg_hash(key, 0) % pool->settings.partitions);
}

/* Give the attempt to an executor that the tree has been told of. */
static void give(struct gg_staff_pool *pool, struct gg_attempt *attempt, uint32_t index,
                 struct gg_now now)
{
    struct gg_staff *staff = pool->staff;
    struct gg_run_spec spec = spec_of(staff, attempt, now);
    gg_staff_sources_arrived(pool, spec.queue, now.mono);
    gg_worker_starting(staff->agent, attempt);
    attempt->executor = pool->executors[index];
    pool->last_jobs[index] = attempt->id;
    if (gg_executor_give(pool->executors[index], &spec, staff->turn_us) != GG_OK) {
        struct gg_ending ending;
        gg_ending_not_started("cannot pass the job to its executor", ENOMEM, &ending);
        gg_sup_give(&staff->sup, pool->index, index, 0, now.mono);
        on_ended(staff, spec.fence, &ending);
        return;
    }
    if (gg_executor_fence(pool->executors[index], 0) == spec.fence) {
        return; /* It is in work. */
    }
    if (gg_executor_gives_back(pool->executors[index])) {
        gg_worker_behind(staff->agent, spec.fence);
    } else {
        gg_worker_admit(staff->agent, spec.fence);
    }
}

/* Take the executor, idle or with others in hand; false: it has no room now. What may
 * run only once is put behind nothing: until it is told as started nobody knows. */
static bool take_at(struct gg_staff_pool *pool, const struct gg_attempt *attempt,
                    uint32_t index)
{
    struct gg_sup *sup = &pool->staff->sup;
    const struct gg_executor *executor = pool->executors[index];
    return executor != NULL && (gg_sup_take_at(sup, pool->index, index) ||
                                (attempt->work->attempts_max != 1 &&
                                 gg_executor_room(executor, pool->staff->turn_us) > 0 &&
                                 gg_sup_take_more(sup, pool->index, index)));
}

/* Oldest first: of one key an older one is never overtaken, as both want the same
 * executor. */
static void begin_partitioned(struct gg_staff_pool *pool, struct gg_now now)
{
    GG_LIST_EACH(&pool->staff->agent->pools[pool->index].line, it)
    {
        struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, line);
        uint32_t index = partition_of(pool, attempt);
        if (take_at(pool, attempt, index)) {
            give(pool, attempt, index, now);
        }
    }
}

/* What no executor is idle for goes behind what others have in work, one each in turn,
 * where it will be begun soon. */
static void begin_ahead(struct gg_staff_pool *pool, struct gg_now now)
{
    struct gg_worker *agent = pool->staff->agent;
    bool any = pool->settings.sup.ahead_each > 0;
    while (any) {
        any = false;
        for (uint32_t i = 0; i < pool->room; i++) {
            struct gg_attempt *attempt = gg_worker_next_start(agent, pool->index);
            if (attempt == NULL) {
                return;
            }
            if (take_at(pool, attempt, i)) {
                give(pool, attempt, i, now);
                any = true;
            }
        }
    }
}

static void begin_in_executors(struct gg_staff_pool *pool, struct gg_now now)
{
    struct gg_staff *staff = pool->staff;
    uint32_t index = 0;
    if (gg_sup_is_gone(&staff->sup, pool->index)) {
        return;
    }
    if (pool->settings.partitions > 0) {
        begin_partitioned(pool, now);
        return;
    }
    for (;;) {
        struct gg_attempt *attempt = gg_worker_next_start(staff->agent, pool->index);
        if (attempt == NULL) {
            return;
        }
        if (!gg_sup_take(&staff->sup, pool->index, &index)) {
            break;
        }
        give(pool, attempt, index, now);
    }
    begin_ahead(pool, now);
}

/* With a batch there are more in hand than run at a time; those stand in line here,
 * and go back to the broker when it wants them. */
static void begin_programs(struct gg_staff_pool *pool, struct gg_now now)
{
    struct gg_worker *agent = pool->staff->agent;
    const struct gg_pool_now *in_hand = &agent->pools[pool->index];
    while (in_hand->waiting > 0 &&
           in_hand->open - in_hand->waiting < pool->settings.size) {
        begin_program(pool, gg_worker_next_start(agent, pool->index), now);
    }
}

static void begin_attempts(struct gg_staff_pool *pool, struct gg_now now)
{
    if (pool->settings.kind == GG_POOL_PROGRAM) {
        begin_programs(pool, now);
    } else {
        begin_in_executors(pool, now);
    }
}

/* ---- stopping and renewing ---- */

static void do_program(const struct gg_attempt *attempt, unsigned mask)
{
    if ((mask & GG_TODO_LEASE) != 0) {
        gg_program_lease(attempt->executor, attempt->lease_ms);
    }
    if ((mask & GG_TODO_STOP) != 0) {
        gg_program_stop(attempt->executor, attempt->grace_ms);
    }
}

static void do_in_executor(const struct gg_attempt *attempt, unsigned mask)
{
    struct gg_executor *executor = attempt->executor;
    if ((mask & GG_TODO_LEASE) != 0) {
        gg_executor_lease(executor, attempt->fence, attempt->lease_ms);
    }
    if ((mask & GG_TODO_WITHDRAW) != 0) {
        gg_executor_withdraw(executor, attempt->fence);
    }
    if ((mask & GG_TODO_STOP) != 0) {
        gg_executor_stop(executor, attempt->fence, attempt->grace_ms);
    }
}

static void do_todos(struct gg_staff *staff)
{
    unsigned mask = 0;
    for (struct gg_attempt *attempt = gg_worker_next_todo(staff->agent, &mask);
         attempt != NULL; attempt = gg_worker_next_todo(staff->agent, &mask)) {
        if (attempt->executor != NULL && is_program(staff, attempt)) {
            do_program(attempt, mask);
        } else if (attempt->executor != NULL) {
            do_in_executor(attempt, mask);
        }
    }
}

static void set_window(struct gg_staff_pool *pool, struct gg_mono now)
{
    struct gg_staff *staff = pool->staff;
    const struct gg_sup_pool *in_tree = &staff->sup.pools[pool->index];
    uint32_t slots = in_tree->used ? gg_sup_slots(&staff->sup, pool->index, now) : 0;
    bool closed = in_tree->used && in_tree->budget.closed;
    if (closed && !pool->was_closed) {
        gg_log(GG_LOG_ERROR, "pool_closed",
               "pool=%s reason=\"more than %u restarts within %llu ms; trying again "
               "in %lld ms\" last=\"%s\"",
               pool->settings.name, in_tree->config.restarts_max,
               (unsigned long long)in_tree->config.window_ms,
               (long long)(in_tree->budget.opens_at.ms - now.ms), pool->cause);
    } else if (!closed && pool->was_closed) {
        gg_log(GG_LOG_INFO, "pool_open", "pool=%s", pool->settings.name);
    }
    pool->was_closed = closed;
    gg_worker_set_window(staff->agent, now, pool->index, slots);
}

static void turn_pool(struct gg_staff_pool *pool, struct gg_now now)
{
    struct gg_staff *staff = pool->staff;
    gg_staff_sources_turn(pool, now.mono);
    set_window(pool, now.mono);
    if (pool->settings.kind != GG_POOL_NOOP) {
        begin_attempts(pool, now);
    }
    if (!gg_sup_is_gone(&staff->sup, pool->index)) {
        gg_sup_wants(&staff->sup, pool->index,
                     staff->agent->pools[pool->index].waiting);
    }
    bury(staff, pool, now.mono);
}

/* ---- the turn ---- */

void gg_staff_hear(struct gg_staff *staff)
{
    gg_executor_hear_all(&staff->world);
}

bool gg_staff_has_more(const struct gg_staff *staff)
{
    return gg_executor_any_more(&staff->world);
}

bool gg_staff_may_sleep(struct gg_staff *staff)
{
    return gg_executor_all_heard(&staff->world);
}

void gg_staff_turn(struct gg_staff *staff, struct gg_now now)
{
    staff->turn_us = gg_mono_us();
    for (uint32_t i = 0; i < staff->end; i++) {
        if (staff->pools[i].used) {
            turn_pool(&staff->pools[i], now);
        }
    }
    gg_executor_send_all(&staff->world);
    follow_tree(staff, now.mono);
    gg_executor_rest(&staff->world, now.mono);
    gg_folder_trim(&staff->world, now.mono);
    do_todos(staff);
    gg_staff_report(staff, now);
}

bool gg_staff_next_wake(const struct gg_staff *staff, struct gg_mono *out_at)
{
    struct gg_mono at;
    bool any = gg_executor_next_rest(&staff->world, out_at);
    if (gg_sup_next_wake(&staff->sup, &at)) {
        *out_at = any && out_at->ms < at.ms ? *out_at : at;
        any = true;
    }
    if (gg_folder_next_trim(&staff->world, &at)) {
        *out_at = any && out_at->ms < at.ms ? *out_at : at;
        any = true;
    }
    for (uint32_t i = 0; i < staff->end; i++) {
        struct gg_mono source;
        if (staff->pools[i].used &&
            gg_staff_sources_next_wake(&staff->pools[i], &source) &&
            (!any || source.ms < out_at->ms)) {
            *out_at = source;
            any = true;
        }
    }
    return any;
}
