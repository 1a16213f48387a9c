#include "worker/staff_handover.h"

#include "common/log.h"
#include "worker/staff_sources.h"

enum { DISOWN_GRACE_MS = 5000 };

/* ---- writing ---- */

/* Those that nobody waits for any more: the next agent has them ended. */
static void save_orphans(const struct gg_staff *staff, struct gg_pack *pack)
{
    for (uint32_t p = 0; p < GG_SUP_POOLS_MAX; p++) {
        const struct gg_staff_pool *pool = &staff->pools[p];
        for (uint32_t i = 0; pool->used && i < pool->room; i++) {
            const struct gg_executor *executor = pool->executors[i];
            if (executor != NULL && gg_executor_fence(executor) == 0 &&
                gg_executor_number(executor) != 0) {
                gg_pack_number(pack, gg_executor_number(executor));
            }
        }
        for (uint32_t i = 0; pool->used && i < GG_SOURCES_MAX; i++) {
            uint64_t number = gg_staff_sources_number(pool, i);
            if (number != 0) {
                gg_pack_number(pack, number);
            }
        }
    }
    gg_pack_number(pack, 0);
}

static uint32_t executor_index(const struct gg_staff_pool *pool, const void *executor)
{
    uint32_t i = 0;
    while (i < pool->room && pool->executors[i] != executor) {
        i++;
    }
    return i;
}

static void save_one(const struct gg_staff *staff, const struct gg_attempt *attempt,
                     struct gg_pack *pack)
{
    const struct gg_staff_pool *pool = &staff->pools[attempt->pool];
    gg_pack_number(pack, attempt->fence);
    gg_pack_number(pack, pool->settings.kind);
    if (pool->settings.kind == GG_POOL_PROGRAM) {
        gg_program_save(attempt->executor, pack);
        return;
    }
    gg_pack_number(pack, executor_index(pool, attempt->executor));
    gg_executor_save(attempt->executor, pack);
}

void gg_staff_save(const struct gg_staff *staff, struct gg_pack *pack)
{
    save_orphans(staff, pack);
    GG_LIST_EACH(&staff->agent->attempts.in_hand, it)
    {
        const struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->executor != NULL && attempt->state != GG_ATTEMPT_FINISHED) {
            save_one(staff, attempt, pack);
        }
    }
    gg_pack_number(pack, 0); /* No fence. */
}

/* ---- reading ---- */

/* Take the executor in; NULL: there is no room for it, or no such pool. */
static struct gg_executor *take_executor(struct gg_staff *staff,
                                         struct gg_staff_pool *pool, uint32_t index,
                                         uint64_t kind, struct gg_pack *pack)
{
    struct gg_executor_hooks hooks;
    struct gg_executor_spec spec = {.index = index};
    bool fits = pool != NULL && pool->settings.kind == kind &&
                gg_staff_executor_room(pool, index);
    if (pool != NULL) {
        hooks = gg_staff_executor_hooks(pool);
        spec.style.cage = &pool->settings.cage;
    } else {
        hooks = (struct gg_executor_hooks){.ctx = NULL};
    }
    spec.talk = kind == GG_POOL_HANDLER ? &gg_talk_handler : &gg_talk_coprocess;
    struct gg_executor *executor = gg_executor_restore(&staff->world, &hooks, &spec,
                                                       pack);
    if (executor != NULL && (!fits || gg_sup_adopt(&staff->sup, pool->index, index,
                                                   gg_mono_now()) != GG_OK)) {
        gg_child_disown(staff->world.keeper, gg_executor_number(executor), 0);
        gg_executor_drop(&executor);
    }
    if (executor != NULL) {
        pool->executors[index] = executor;
    }
    return executor;
}

static void report_lost(struct gg_staff *staff, uint64_t fence)
{
    struct gg_ending ending = {.kind = GG_OUTCOME_LOST, .exit_status = GG_UNSAID};
    gg_ending_set_text(&ending, gg_slice_text("the agent was restarted without a place "
                                              "for it"));
    gg_log(GG_LOG_WARN, "not_taken_over", "fence=%llu", (unsigned long long)fence);
    gg_worker_ended(staff->agent, gg_mono_now(), fence, &ending);
}

static void take_one(struct gg_staff *staff, uint64_t fence, struct gg_pack *pack)
{
    struct gg_attempt *attempt = gg_attempts_find(&staff->agent->attempts, fence);
    bool open = attempt != NULL && attempt->state != GG_ATTEMPT_FINISHED;
    struct gg_staff_pool *pool = open ? &staff->pools[attempt->pool] : NULL;
    uint64_t kind = gg_unpack_number(pack);
    void *executor = NULL;
    if (kind == GG_POOL_PROGRAM) {
        struct gg_program *program = gg_program_restore(&staff->world, fence, pack);
        bool fits = pool != NULL && pool->settings.kind == kind;
        if (program != NULL && !fits) {
            gg_child_disown(staff->world.keeper, gg_program_number(program), 0);
            gg_program_drop(&program);
        }
        executor = program;
    } else {
        uint32_t index = (uint32_t)gg_unpack_number(pack);
        executor = take_executor(staff, pool, index, kind, pack);
        if (executor != NULL) {
            pool->last_jobs[index] = attempt->id;
        }
    }
    if (open) {
        attempt->executor = executor;
    }
    if (open && executor == NULL) {
        report_lost(staff, fence);
    }
}

bool gg_staff_restore(struct gg_staff *staff, struct gg_pack *pack)
{
    for (uint64_t number = gg_unpack_number(pack); number != 0;
         number = gg_unpack_number(pack)) {
        gg_child_disown(staff->world.keeper, number, DISOWN_GRACE_MS);
    }
    for (uint64_t fence = gg_unpack_number(pack); fence != 0 && !pack->bad;
         fence = gg_unpack_number(pack)) {
        take_one(staff, fence, pack);
    }
    return !pack->bad;
}
