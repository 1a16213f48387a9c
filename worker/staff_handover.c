#include "worker/staff_handover.h"

#include "common/log.h"
#include "worker/agent_handover.h"
#include "worker/staff_sources.h"

enum { DISOWN_GRACE_MS = 5000 };

/* ---- writing ---- */

/* Those that nobody waits for any more: the next agent has them ended. */
static void save_orphans(const struct gg_staff *staff, struct gg_pack *pack)
{
    for (uint32_t p = 0; p < GG_SUP_POOLS_MAX; p++) {
        const struct gg_staff_pool *pool = &staff->pools[p];
        for (uint32_t i = 0; pool->used && i < pool->room; i++) {
            struct gg_executor *executor = pool->executors[i];
            if (executor != NULL && gg_executor_in_hand(executor) == 0 &&
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

/* Executors with what they have in hand, by the names of their pools. */
static void save_executors(const struct gg_staff *staff, struct gg_pack *pack)
{
    for (uint32_t p = 0; p < GG_SUP_POOLS_MAX; p++) {
        const struct gg_staff_pool *pool = &staff->pools[p];
        for (uint32_t i = 0; pool->used && i < pool->room; i++) {
            struct gg_executor *executor = pool->executors[i];
            if (executor != NULL && gg_executor_in_hand(executor) > 0) {
                gg_pack_number(pack, pool->settings.kind);
                gg_pack_bytes(pack, gg_slice_text(pool->settings.name));
                gg_pack_number(pack, i);
                gg_executor_save(executor, pack);
            }
        }
    }
    gg_pack_number(pack, 0); /* No kind. */
}

void gg_staff_save(const struct gg_staff *staff, struct gg_pack *pack)
{
    save_orphans(staff, pack);
    GG_LIST_EACH(&staff->agent->attempts.in_hand, it)
    {
        const struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->executor != NULL && attempt->state != GG_ATTEMPT_FINISHED &&
            staff->pools[attempt->pool].settings.kind == GG_POOL_PROGRAM) {
            gg_pack_number(pack, attempt->fence);
            gg_program_save(attempt->executor, pack);
        }
    }
    gg_pack_number(pack, 0); /* No fence. */
    save_executors(staff, pack);
}

/* ---- reading ---- */

static void report_lost(struct gg_staff *staff, uint64_t fence)
{
    struct gg_ending ending = {.kind = GG_OUTCOME_LOST, .exit_status = GG_UNSAID};
    gg_ending_set_text(&ending, gg_slice_text("the agent was restarted without a place "
                                              "for it"));
    gg_log(GG_LOG_WARN, "not_taken_over", "fence=%llu", (unsigned long long)fence);
    gg_worker_ended(staff->agent, gg_mono_now(), fence, &ending);
}

/* The attempt of that fence, if it has not ended. */
static struct gg_attempt *find_open(const struct gg_staff *staff, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&staff->agent->attempts, fence);
    return attempt != NULL && attempt->state != GG_ATTEMPT_FINISHED ? attempt : NULL;
}

static void take_program(struct gg_staff *staff, uint64_t fence, struct gg_pack *pack)
{
    struct gg_attempt *attempt = find_open(staff, fence);
    struct gg_program *program = gg_program_restore(&staff->world, fence, pack);
    bool fits = attempt != NULL &&
                staff->pools[attempt->pool].settings.kind == GG_POOL_PROGRAM;
    if (program != NULL && !fits) {
        gg_child_disown(staff->world.keeper, gg_program_number(program), 0);
        gg_program_drop(&program);
    }
    if (attempt != NULL) {
        attempt->executor = program;
    }
    if (attempt != NULL && program == NULL) {
        report_lost(staff, fence);
    }
}

/* Is there a place for it, and are all attempts that it has ours? */
static bool fits(const struct gg_staff *staff, struct gg_staff_pool *pool,
                 uint64_t kind, uint32_t index, struct gg_executor *executor)
{
    bool good = pool != NULL && pool->settings.kind == kind &&
                gg_staff_executor_room(pool, index);
    for (uint32_t i = 0; good && i < gg_executor_in_hand(executor); i++) {
        const struct gg_attempt *attempt = find_open(staff,
                                                     gg_executor_fence(executor, i));
        good = attempt != NULL && attempt->pool == pool->index;
    }
    return good;
}

/* Every attempt that it has is its now, or, where it was not taken, lost. */
static void settle_hand(struct gg_staff *staff, struct gg_staff_pool *pool,
                        uint32_t index, struct gg_executor *executor, bool taken)
{
    for (uint32_t i = 0; i < gg_executor_in_hand(executor); i++) {
        uint64_t fence = gg_executor_fence(executor, i);
        struct gg_attempt *attempt = find_open(staff, fence);
        if (taken) {
            attempt->executor = executor;
            pool->last_jobs[index] = attempt->id;
        } else if (attempt != NULL) {
            report_lost(staff, fence);
        }
    }
}

static void take_executor(struct gg_staff *staff, uint64_t kind, struct gg_pack *pack)
{
    uint32_t at = gg_worker_pool_named(staff->agent, gg_unpack_bytes(pack));
    struct gg_staff_pool *pool = at < GG_POOLS_MAX ? &staff->pools[at] : NULL;
    struct gg_executor_hooks hooks = {.ctx = NULL};
    struct gg_executor_spec spec = {.index = (uint32_t)gg_unpack_number(pack)};
    if (pool != NULL) {
        hooks = gg_staff_executor_hooks(pool);
        spec.style.cage = &pool->settings.cage;
    }
    spec.talk = kind == GG_POOL_HANDLER ? &gg_talk_handler : &gg_talk_coprocess;
    struct gg_executor *executor = gg_executor_restore(&staff->world, &hooks, &spec,
                                                       pack);
    if (executor == NULL) {
        return; /* What it had in hand has none: lose_the_rest(). */
    }
    bool taken = fits(staff, pool, kind, spec.index, executor) &&
                 gg_sup_adopt(&staff->sup, pool->index, spec.index,
                              gg_executor_in_hand(executor), gg_mono_now()) == GG_OK;
    settle_hand(staff, pool, spec.index, executor, taken);
    if (taken) {
        pool->executors[spec.index] = executor;
    } else {
        gg_child_disown(staff->world.keeper, gg_executor_number(executor), 0);
        gg_executor_drop(&executor);
    }
}

/* Attempts that were with an executor, and have none now. */
static void lose_the_rest(struct gg_staff *staff)
{
    GG_LIST_EACH(&staff->agent->attempts.in_hand, it)
    {
        const struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->executor == NULL && attempt->state != GG_ATTEMPT_ASSIGNED &&
            attempt->state != GG_ATTEMPT_FINISHED) {
            report_lost(staff, attempt->fence);
        }
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
        take_program(staff, fence, pack);
    }
    for (uint64_t kind = gg_unpack_number(pack); kind != 0 && !pack->bad;
         kind = gg_unpack_number(pack)) {
        take_executor(staff, kind, pack);
    }
    lose_the_rest(staff);
    return !pack->bad;
}
