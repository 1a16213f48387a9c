#include "broker/core/registry.h"

#include <stdlib.h>

#include "broker/core/agent.h"
#include "broker/core/terms.h"
#include "broker/core/timers.h"
#include "common/assert.h"

static struct gg_job *slot(const struct gg_core *core, uint32_t number)
{
    return &core->chunks[number / GG_JOB_CHUNK][number % GG_JOB_CHUNK];
}

static struct gg_job *slot_or_none(const struct gg_core *core, uint32_t number)
{
    return number == GG_INDEX_NONE ? NULL : slot(core, number);
}

static const struct gg_id *id_of(const void *owner, uint32_t number)
{
    return &slot(owner, number)->id;
}

void gg_registry_init(struct gg_core *core)
{
    gg_list_init(&core->free_jobs);
    gg_ids_init(&core->ids, core->seed, id_of, core);
}

struct gg_job *gg_registry_by_id(struct gg_core *core, const struct gg_id *id)
{
    return slot_or_none(core, gg_ids_find(&core->ids, id));
}

void gg_registry_foresee(const struct gg_core *core, const struct gg_id *id)
{
    gg_ids_foresee(&core->ids, id);
}

struct key_query {
    const struct gg_queue *queue;
    struct gg_slice key;
};

static bool match_key(void *ctx, uint32_t number, const void *key)
{
    const struct gg_job *job = slot(ctx, number);
    const struct key_query *query = key;
    return job->queue == query->queue && gg_slice_equal(gg_job_key(job), query->key);
}

/* A key is unique in realm and queue; the queue's own hash stands for both. */
static uint64_t hash_key(const struct gg_core *core, const struct gg_queue *queue,
                         struct gg_slice key)
{
    return gg_hash(key, core->seed ^ queue->hash);
}

struct gg_job *gg_registry_by_key(struct gg_core *core, const struct gg_queue *queue,
                                  struct gg_slice key)
{
    struct key_query query = {.queue = queue, .key = key};
    return slot_or_none(core, gg_index_find(&core->by_key, hash_key(core, queue, key),
                                            &query, match_key, core));
}

uint32_t gg_registry_room(const struct gg_core *core)
{
    return core->chunk_count * GG_JOB_CHUNK;
}

struct gg_job *gg_registry_slot(struct gg_core *core, uint32_t index)
{
    return slot(core, index);
}

struct gg_job *gg_registry_at(struct gg_core *core, uint32_t index)
{
    if (index >= gg_registry_room(core)) {
        return NULL;
    }
    struct gg_job *job = slot(core, index);
    return job->state == GG_JOB_NONE ? NULL : job;
}

/* Allocate the next chunk and put its jobs on the free list, lowest index first. */
static bool add_chunk(struct gg_core *core)
{
    if (core->chunk_count == core->chunk_room) {
        uint32_t room = core->chunk_room == 0 ? 16 : core->chunk_room * 2;
        struct gg_job **chunks = realloc(core->chunks, room * sizeof *chunks);
        if (chunks == NULL) {
            return false;
        }
        core->chunks = chunks;
        core->chunk_room = room;
    }
    uint32_t first = core->chunk_count * GG_JOB_CHUNK;
    if (gg_timers_reserve(core, first + GG_JOB_CHUNK) != GG_OK) {
        return false;
    }
    struct gg_job *chunk = calloc(GG_JOB_CHUNK, sizeof *chunk);
    if (chunk == NULL) {
        return false;
    }
    core->chunks[core->chunk_count++] = chunk;
    for (uint32_t i = 0; i < GG_JOB_CHUNK; i++) {
        chunk[i].index = first + i;
        gg_list_push_back(&core->free_jobs, &chunk[i].line);
    }
    return true;
}

static bool reserve(struct gg_core *core, const struct gg_id *id)
{
    if (gg_list_empty(&core->free_jobs) && !add_chunk(core)) {
        return false;
    }
    return gg_ids_reserve(&core->ids, id, core->now.wall) == GG_OK &&
           gg_index_reserve(&core->by_key, 1) == GG_OK;
}

struct gg_job *gg_registry_add(struct gg_core *core, struct gg_queue *queue,
                               const struct gg_id *id)
{
    if (!reserve(core, id)) {
        return NULL;
    }
    struct gg_job *job = GG_CONTAINER(gg_list_first(&core->free_jobs), struct gg_job,
                                      line);
    gg_list_remove(&job->line);
    uint32_t index = job->index;
    uint32_t generation = job->generation + 1;
    *job = (struct gg_job){
        .id = *id,
        .number = ++core->job_number,
        .index = index,
        .generation = generation,
        .queue = queue,
        .expires = {INT64_MAX},
    };
    gg_list_init(&job->waiters);
    gg_ids_put(&core->ids, id, index);
    core->jobs++;
    queue->jobs++;
    queue->realm->jobs++;
    gg_charge(core, job, GG_JOB_BYTES);
    return job;
}

/* Its result has gone with what the job pointed to. */
static void drop_attempt(struct gg_core *core, struct gg_job *job)
{
    struct gg_job_attempt *attempt = job->newest;
    job->newest = NULL;
    if (attempt == NULL) {
        return;
    }
    gg_agent_unref(&attempt->agent);
    attempt->next_spare = core->spare_attempts;
    core->spare_attempts = attempt;
}

void gg_registry_empty(struct gg_core *core, struct gg_job *job)
{
    gg_job_release(job);
    gg_terms_unref(core, &job->terms);
    drop_attempt(core, job);
}

void gg_registry_remove(struct gg_core *core, struct gg_job *job)
{
    GG_ASSERT(job->state == GG_JOB_NONE || job->state == GG_JOB_EVICTED);
    GG_ASSERT(gg_list_empty(&job->waiters));
    gg_registry_drop_key(core, job);
    gg_job_disarm(core, job);
    if (job->state == GG_JOB_EVICTED) {
        gg_move(core, job, GG_JOB_NONE);
    }
    gg_ids_remove(&core->ids, &job->id, job->index);
    gg_charge(core, job, -(int64_t)job->charged);
    core->jobs--;
    job->queue->jobs--;
    job->queue->realm->jobs--;
    job->payload_apart = false; /* What was here of them has been dropped. */
    job->result_apart = false;
    gg_registry_empty(core, job);
    gg_list_push_front(&core->free_jobs, &job->line);
}

void gg_registry_hold_key(struct gg_core *core, struct gg_job *job)
{
    if (job->key == NULL || job->key_held) {
        return;
    }
    gg_index_put(&core->by_key, hash_key(core, job->queue, gg_job_key(job)),
                 job->index);
    job->key_held = true;
}

void gg_registry_drop_key(struct gg_core *core, struct gg_job *job)
{
    if (job->key_held) {
        uint64_t hash = hash_key(core, job->queue, gg_job_key(job));
        (void)gg_index_remove(&core->by_key, hash, job->index);
        job->key_held = false;
    }
}

void gg_charge(struct gg_core *core, struct gg_job *job, int64_t bytes)
{
    uint64_t more = (uint64_t)bytes; /* Adding a negative number wraps as it should. */
    job->charged += more;
    job->queue->bytes += more;
    job->queue->realm->bytes += more;
    core->memory_bytes += more;
}

struct gg_extra *gg_job_extra(struct gg_core *core, struct gg_job *job)
{
    if (job->extra == NULL) {
        job->extra = calloc(1, sizeof *job->extra);
        if (job->extra != NULL) {
            job->extra->job = job;
            gg_charge(core, job, (int64_t)sizeof *job->extra);
        }
    }
    return job->extra;
}

/* Attempts allocated together; like the chunks of jobs they stay until the end, for
 * those that come later. */
struct gg_job_attempt_slab {
    struct gg_job_attempt_slab *next;
    struct gg_job_attempt attempts[GG_ATTEMPT_SLAB];
};

static bool add_slab(struct gg_core *core)
{
    struct gg_job_attempt_slab *slab = malloc(sizeof *slab);
    if (slab == NULL) {
        return false;
    }
    slab->next = core->attempt_slabs;
    core->attempt_slabs = slab;
    for (int i = GG_ATTEMPT_SLAB - 1; i >= 0; i--) {
        slab->attempts[i].next_spare = core->spare_attempts;
        core->spare_attempts = &slab->attempts[i];
    }
    return true;
}

struct gg_job_attempt *gg_job_attempt_get(struct gg_core *core, struct gg_job *job)
{
    if (job->newest != NULL) {
        return job->newest;
    }
    if (core->spare_attempts == NULL && !add_slab(core)) {
        return NULL;
    }
    struct gg_job_attempt *attempt = core->spare_attempts;
    core->spare_attempts = attempt->next_spare;
    *attempt = (struct gg_job_attempt){.job = job, .exit_status = -1};
    job->newest = attempt;
    return attempt;
}

void gg_job_text(struct gg_core *core, struct gg_job *job, struct gg_blob **blob_p,
                 struct gg_slice text, size_t max)
{
    int64_t before = (int64_t)gg_blob_slice(*blob_p).len;
    gg_text_replace(blob_p, text, max);
    gg_charge(core, job, (int64_t)gg_blob_slice(*blob_p).len - before);
}

void gg_move(struct gg_core *core, struct gg_job *job, enum gg_job_state state)
{
    if (job->state != GG_JOB_NONE) {
        job->queue->count[job->state]--;
        core->count[job->state]--;
    }
    gg_job_set_state(job, state);
    if (state != GG_JOB_NONE) {
        job->queue->count[state]++;
        core->count[state]++;
    }
}

void gg_restore_state(struct gg_core *core, struct gg_job *job, enum gg_job_state state)
{
    gg_job_restore_state(job, state);
    job->queue->count[state]++;
    core->count[state]++;
}

void gg_registry_fini(struct gg_core *core)
{
    for (uint32_t i = 0; i < gg_registry_room(core); i++) {
        struct gg_job *job = slot(core, i);
        if (job->state != GG_JOB_NONE) {
            gg_registry_empty(core, job);
        }
    }
    struct gg_job_attempt_slab *slab;
    while ((slab = core->attempt_slabs) != NULL) {
        core->attempt_slabs = slab->next;
        free(slab);
    }
    for (uint32_t i = 0; i < core->chunk_count; i++) {
        free(core->chunks[i]);
    }
    free(core->chunks);
    gg_ids_fini(&core->ids);
    gg_index_fini(&core->by_key);
}
