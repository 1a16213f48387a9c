#include "worker/agent_handover.h"

#include <stdlib.h>

/* ---- writing ---- */

static void save_work(const struct gg_work *work, struct gg_pack *pack)
{
    gg_pack_number(pack, work != NULL);
    if (work == NULL) {
        return;
    }
    gg_pack_number(pack, work->attempt);
    gg_pack_number(pack, work->attempts_max);
    gg_pack_number(pack, work->run_timeout_ms);
    gg_pack_bytes(pack, gg_name_slice(&work->realm));
    gg_pack_bytes(pack, gg_name_slice(&work->queue));
    gg_pack_blob(pack, work->payload);
    gg_pack_blob(pack, work->key);
    gg_pack_blob(pack, work->checkpoint);
    gg_pack_number(pack, work->progress_ppm);
    gg_pack_blob(pack, work->progress_text);
    gg_pack_number(pack, work->has_progress);
    gg_pack_blob(pack, work->stored_checkpoint);
    gg_pack_number(pack, work->partial_offset);
}

static void save_attempt(const struct gg_worker *agent,
                         const struct gg_attempt *attempt, struct gg_pack *pack)
{
    gg_pack_bytes(pack, gg_slice_of(attempt->id.bytes, sizeof attempt->id.bytes));
    gg_pack_number(pack, attempt->fence);
    gg_pack_bytes(pack, agent->pools[attempt->pool].config.name);
    gg_pack_number(pack, attempt->state);
    gg_pack_number(pack, attempt->why);
    gg_pack_number(pack, attempt->todo_mask);
    gg_pack_number(pack, (uint64_t)attempt->started_ms);
    gg_pack_number(pack, (uint64_t)attempt->start_by_ms);
    gg_pack_number(pack, (uint64_t)attempt->run_until_ms);
    gg_pack_number(pack, (uint64_t)attempt->lease_ms);
    gg_pack_number(pack, attempt->grace_ms);
    gg_pack_number(pack, attempt->kind);
    gg_pack_number(pack, attempt->exit_status);
    gg_pack_number(pack, attempt->signal);
    gg_pack_number(pack, attempt->snooze_ms);
    gg_pack_number(pack, attempt->run_ms);
    gg_pack_number(pack, attempt->never_started);
    gg_pack_number(pack, attempt->behind);
    gg_pack_number(pack, attempt->withdrawn);
    gg_pack_number(pack, attempt->told);
    gg_pack_blob(pack, attempt->result);
    gg_pack_blob(pack, attempt->detail.text);
    gg_pack_blob(pack, attempt->detail.output);
    gg_pack_bytes(pack, gg_slice_of(attempt->small, attempt->small_len));
    save_work(attempt->work, pack);
}

void gg_worker_save(const struct gg_worker *agent, struct gg_pack *pack)
{
    const struct gg_attempts *attempts = &agent->attempts;
    gg_pack_number(pack, agent->config.incarnation);
    gg_pack_number(pack, agent->epoch);
    gg_pack_number(pack, agent->draining);
    gg_pack_number(pack, agent->taken_count);
    size_t memories = (attempts->memory_mask + 1) * GG_MEMORY_WAYS;
    gg_pack_bytes(pack, gg_slice_of((const uint8_t *)attempts->memories,
                                    memories * sizeof *attempts->memories));
    gg_pack_number(pack, attempts->count);
    GG_LIST_EACH(&attempts->in_hand, it)
    {
        save_attempt(agent, GG_CONTAINER(it, struct gg_attempt, link), pack);
    }
}

/* ---- reading ---- */

static struct gg_work *take_work(struct gg_pack *pack)
{
    if (gg_unpack_number(pack) == 0) {
        return NULL;
    }
    struct gg_work *work = calloc(1, sizeof *work);
    if (work == NULL) {
        pack->bad = true;
        return NULL;
    }
    work->attempt = gg_unpack_number(pack);
    work->attempts_max = gg_unpack_number(pack);
    work->run_timeout_ms = gg_unpack_number(pack);
    gg_name_set(&work->realm, gg_unpack_bytes(pack));
    gg_name_set(&work->queue, gg_unpack_bytes(pack));
    work->payload = gg_unpack_blob(pack);
    work->key = gg_unpack_blob(pack);
    work->checkpoint = gg_unpack_blob(pack);
    work->progress_ppm = gg_unpack_number(pack);
    work->progress_text = gg_unpack_blob(pack);
    work->has_progress = gg_unpack_number(pack) != 0;
    work->stored_checkpoint = gg_unpack_blob(pack);
    work->partial_offset = gg_unpack_number(pack);
    return work;
}

static void take_times(struct gg_attempt *attempt, struct gg_pack *pack)
{
    attempt->started_ms = (int64_t)gg_unpack_number(pack);
    attempt->start_by_ms = (int64_t)gg_unpack_number(pack);
    attempt->run_until_ms = (int64_t)gg_unpack_number(pack);
    attempt->lease_ms = (int64_t)gg_unpack_number(pack);
    attempt->grace_ms = gg_unpack_number(pack);
}

static void take_outcome(struct gg_attempt *attempt, struct gg_pack *pack)
{
    attempt->kind = gg_unpack_number(pack);
    attempt->exit_status = gg_unpack_number(pack);
    attempt->signal = gg_unpack_number(pack);
    attempt->snooze_ms = gg_unpack_number(pack);
    attempt->run_ms = gg_unpack_number(pack);
    attempt->never_started = gg_unpack_number(pack) != 0;
    attempt->behind = gg_unpack_number(pack) != 0;
    attempt->withdrawn = gg_unpack_number(pack) != 0;
    attempt->told = gg_unpack_number(pack) != 0;
    attempt->result = gg_unpack_blob(pack);
    attempt->detail.text = gg_unpack_blob(pack);
    attempt->detail.output = gg_unpack_blob(pack);
    struct gg_slice small = gg_unpack_bytes(pack);
    if (small.len > 0 && small.len <= sizeof attempt->small) {
        memcpy(attempt->small, small.data, small.len);
        attempt->small_len = (uint8_t)small.len;
    }
}

/* By the moves that are allowed, to where it was. */
static void walk_to(struct gg_attempts *attempts, struct gg_attempt *attempt,
                    enum gg_attempt_state state)
{
    if (state == GG_ATTEMPT_FINISHED) {
        gg_attempt_set_state(attempts, attempt, state);
        return;
    }
    while (attempt->state < state) {
        gg_attempt_set_state(attempts, attempt,
                             (enum gg_attempt_state)(attempt->state + 1));
    }
    gg_attempt_set_timer(attempts, attempt);
}

static void count_in(struct gg_worker *agent, struct gg_attempt *attempt)
{
    struct gg_pool_now *pool = &agent->pools[attempt->pool];
    pool->in_hand++;
    if (attempt->state == GG_ATTEMPT_FINISHED) {
        return;
    }
    pool->open++;
    if (attempt->state == GG_ATTEMPT_ASSIGNED) {
        gg_list_push_back(&pool->line, &attempt->line);
        pool->waiting++;
    } else if (attempt->todo_mask != 0) {
        gg_list_push_back(&agent->todo, &attempt->todo);
    }
}

static bool take_attempt(struct gg_worker *agent, struct gg_pack *pack)
{
    struct gg_id id = {.bytes = {0}};
    struct gg_slice bytes = gg_unpack_bytes(pack);
    if (bytes.len != sizeof id.bytes) {
        return false;
    }
    memcpy(id.bytes, bytes.data, sizeof id.bytes);
    uint64_t fence = gg_unpack_number(pack);
    uint32_t pool = gg_worker_pool_named(agent, gg_unpack_bytes(pack));
    uint64_t state = gg_unpack_number(pack);
    struct gg_attempt *attempt = gg_attempts_take(&agent->attempts, &id, fence);
    if (attempt == NULL || state >= GG_ATTEMPT_STATE_COUNT) {
        return false;
    }
    attempt->pool = pool < GG_POOLS_MAX ? pool : 0;
    attempt->why = (uint8_t)gg_unpack_number(pack);
    attempt->todo_mask = (uint8_t)gg_unpack_number(pack);
    take_times(attempt, pack);
    take_outcome(attempt, pack);
    attempt->work = take_work(pack);
    if (pool == GG_POOLS_MAX && state != GG_ATTEMPT_FINISHED) {
        attempt->kind = GG_OUTCOME_HANDED_BACK; /* Its pool has gone. */
        attempt->never_started = state == GG_ATTEMPT_ASSIGNED;
        state = GG_ATTEMPT_FINISHED;
    }
    walk_to(&agent->attempts, attempt, (enum gg_attempt_state)state);
    count_in(agent, attempt);
    return true;
}

uint32_t gg_worker_pool_named(const struct gg_worker *agent, struct gg_slice name)
{
    uint32_t i = 0;
    while (i < GG_POOLS_MAX && (!agent->pools[i].used ||
                                !gg_slice_equal(agent->pools[i].config.name, name))) {
        i++;
    }
    return i;
}

static void take_memories(struct gg_worker *agent, struct gg_slice bytes)
{
    struct gg_memory memory;
    for (size_t at = 0; at + sizeof memory <= bytes.len; at += sizeof memory) {
        memcpy(&memory, bytes.data + at, sizeof memory);
        if (memory.fence != 0) {
            gg_attempts_remember(&agent->attempts, &memory.id, memory.fence);
        }
    }
}

bool gg_worker_restore(struct gg_worker *agent, struct gg_pack *pack)
{
    agent->config.incarnation = gg_unpack_number(pack);
    agent->epoch = gg_unpack_number(pack);
    agent->draining = gg_unpack_number(pack) != 0;
    agent->taken_count = gg_unpack_number(pack);
    take_memories(agent, gg_unpack_bytes(pack));
    uint64_t count = gg_unpack_number(pack);
    for (uint64_t i = 0; i < count; i++) {
        if (!take_attempt(agent, pack)) {
            return false;
        }
    }
    return !pack->bad;
}
