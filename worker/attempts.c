#include "worker/attempts.h"

#include <stdlib.h>

#include "common/assert.h"

enum { SPARE_PLACES = 256, MEMORY_SETS_MIN = 1024 };

#define BIT(n) (1U << (n))

/* Which states may follow which: the drawing in attempts.h, and nothing more. */
static const unsigned allowed_next[GG_ATTEMPT_STATE_COUNT] = {
    [GG_ATTEMPT_FREE] = BIT(GG_ATTEMPT_ASSIGNED),
    [GG_ATTEMPT_ASSIGNED] = BIT(GG_ATTEMPT_STARTING) | BIT(GG_ATTEMPT_FINISHED),
    [GG_ATTEMPT_STARTING] = BIT(GG_ATTEMPT_ASSIGNED) | BIT(GG_ATTEMPT_RUNNING) |
                            BIT(GG_ATTEMPT_STOPPING) | BIT(GG_ATTEMPT_FINISHED),
    [GG_ATTEMPT_RUNNING] = BIT(GG_ATTEMPT_STOPPING) | BIT(GG_ATTEMPT_FINISHED),
    [GG_ATTEMPT_STOPPING] = BIT(GG_ATTEMPT_STOPPING) | BIT(GG_ATTEMPT_FINISHED),
    [GG_ATTEMPT_FINISHED] = BIT(GG_ATTEMPT_FREE),
};

static uint64_t hash_fence(uint64_t fence)
{
    return fence * UINT64_C(0x9e3779b97f4a7c15);
}

static bool has_fence(const void *item, const void *key)
{
    return ((const struct gg_attempt *)item)->fence == *(const uint64_t *)key;
}

enum gg_err gg_attempts_init(struct gg_attempts *attempts, uint32_t slots,
                             uint64_t seed)
{
    size_t sets = MEMORY_SETS_MIN;
    while (sets < slots) {
        sets *= 2;
    }
    *attempts = (struct gg_attempts){
        .place_count = slots + SPARE_PLACES, .memory_mask = sets - 1, .seed = seed};
    gg_list_init(&attempts->in_hand);
    gg_list_init(&attempts->free);
    attempts->places = calloc(attempts->place_count, sizeof *attempts->places);
    attempts->memories = calloc(sets * GG_MEMORY_WAYS, sizeof *attempts->memories);
    if (attempts->places == NULL || attempts->memories == NULL ||
        gg_heap_reserve(&attempts->timers, attempts->place_count) != GG_OK) {
        gg_attempts_fini(attempts);
        return GG_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < attempts->place_count; i++) {
        gg_list_push_back(&attempts->free, &attempts->places[i].link);
    }
    return GG_OK;
}

static void drop_outcome(struct gg_attempt *attempt)
{
    gg_blob_unref(&attempt->result);
    gg_blob_unref(&attempt->detail.text);
    gg_blob_unref(&attempt->detail.output);
}

void gg_attempts_fini(struct gg_attempts *attempts)
{
    for (uint32_t i = 0; attempts->places != NULL && i < attempts->place_count; i++) {
        gg_attempt_drop_work(&attempts->places[i]);
        drop_outcome(&attempts->places[i]);
    }
    free(attempts->places);
    free(attempts->memories);
    attempts->places = NULL;
    attempts->memories = NULL;
    gg_map_fini(&attempts->by_fence);
    gg_heap_fini(&attempts->timers);
}

struct gg_attempt *gg_attempts_find(const struct gg_attempts *attempts, uint64_t fence)
{
    return gg_map_find(&attempts->by_fence, hash_fence(fence), has_fence, &fence);
}

struct gg_attempt *gg_attempts_take(struct gg_attempts *attempts,
                                    const struct gg_id *id, uint64_t fence)
{
    struct gg_link *link = gg_list_first(&attempts->free);
    if (link == NULL || gg_map_reserve(&attempts->by_fence) != GG_OK) {
        return NULL;
    }
    struct gg_attempt *attempt = GG_CONTAINER(link, struct gg_attempt, link);
    GG_ASSERT(attempt->state == GG_ATTEMPT_FREE);
    gg_list_remove(link);
    attempt->id = *id;
    attempt->fence = fence;
    attempt->state = GG_ATTEMPT_ASSIGNED;
    attempt->start_by_ms = INT64_MAX;
    attempt->run_until_ms = INT64_MAX;
    attempt->lease_ms = INT64_MAX;
    attempt->exit_status = GG_UNSAID;
    gg_map_put(&attempts->by_fence, hash_fence(fence), attempt);
    gg_list_push_back(&attempts->in_hand, link);
    attempts->count++;
    return attempt;
}

void gg_attempt_drop_work(struct gg_attempt *attempt)
{
    struct gg_work *work = attempt->work;
    if (work != NULL) {
        gg_blob_unref(&work->payload);
        gg_blob_unref(&work->key);
        gg_blob_unref(&work->checkpoint);
        gg_blob_unref(&work->progress_text);
        gg_blob_unref(&work->stored_checkpoint);
        free(work);
        attempt->work = NULL;
    }
}

struct gg_work *gg_work_new(const struct gg_assign *assign, struct gg_blob *holder)
{
    struct gg_work *work = calloc(1, sizeof *work);
    bool good = work != NULL;
    if (good && assign->payload.len > 0) {
        good = (work->payload = gg_blob_keep(assign->payload, holder)) != NULL;
    }
    if (good && assign->key.len > 0) {
        good = (work->key = gg_blob_new(assign->key)) != NULL;
    }
    if (good && assign->checkpoint.len > 0) {
        good = (work->checkpoint = gg_blob_new(assign->checkpoint)) != NULL;
    }
    if (good) {
        work->attempt = assign->attempt;
        work->attempts_max = assign->attempts_max;
        work->run_timeout_ms = assign->run_timeout_ms;
        gg_name_set(&work->queue, assign->queue);
        gg_name_set(&work->realm,
                    assign->realm.len > 0 ? assign->realm : gg_slice_text("default"));
        return work;
    }
    if (work != NULL) {
        struct gg_attempt half = {.work = work};
        gg_attempt_drop_work(&half);
    }
    return NULL;
}

void gg_attempts_release(struct gg_attempts *attempts, struct gg_attempt *attempt)
{
    GG_ASSERT(attempt->state == GG_ATTEMPT_FINISHED);

    (void)gg_map_remove(&attempts->by_fence, hash_fence(attempt->fence), attempt);
    gg_heap_remove(&attempts->timers, &attempt->timer);
    gg_list_remove(&attempt->link);
    gg_list_remove(&attempt->line);
    gg_list_remove(&attempt->todo);
    gg_list_remove(&attempt->said);
    gg_attempt_drop_work(attempt);
    drop_outcome(attempt);
    /* All but the small result, which is not read without its length. */
    memset(attempt, 0, offsetof(struct gg_attempt, small));
    gg_list_push_front(&attempts->free, &attempt->link);
    attempts->count--;
}

static struct gg_memory *set_of(const struct gg_attempts *attempts,
                                const struct gg_id *id)
{
    uint64_t hash = gg_id_hash(id, attempts->seed);
    return attempts->memories + (hash & attempts->memory_mask) * GG_MEMORY_WAYS;
}

uint64_t gg_attempts_highest(const struct gg_attempts *attempts, const struct gg_id *id)
{
    const struct gg_memory *set = set_of(attempts, id);
    for (int i = 0; i < GG_MEMORY_WAYS; i++) {
        if (set[i].fence != 0 && gg_id_equal(&set[i].id, id)) {
            return set[i].fence;
        }
    }
    return 0;
}

void gg_attempts_remember(struct gg_attempts *attempts, const struct gg_id *id,
                          uint64_t fence)
{
    struct gg_memory *set = set_of(attempts, id);
    struct gg_memory *oldest = set;
    for (int i = 0; i < GG_MEMORY_WAYS; i++) {
        if (set[i].fence != 0 && gg_id_equal(&set[i].id, id)) {
            oldest = &set[i];
            break;
        }
        oldest = set[i].fence < oldest->fence ? &set[i] : oldest;
    }
    *oldest = (struct gg_memory){.id = *id, .fence = fence};
}

/* When the attempt next needs attention, from its state alone; INT64_MAX never. */
static int64_t deadline_of(const struct gg_attempt *attempt)
{
    int64_t other = INT64_MAX;
    switch ((enum gg_attempt_state)attempt->state) {
    case GG_ATTEMPT_ASSIGNED:
        other = attempt->start_by_ms;
        break;
    case GG_ATTEMPT_RUNNING:
        other = attempt->run_until_ms;
        break;
    case GG_ATTEMPT_STARTING:
        other = attempt->behind ? attempt->start_by_ms : INT64_MAX;
        break;
    case GG_ATTEMPT_STOPPING:
        break;
    case GG_ATTEMPT_FREE:
    case GG_ATTEMPT_FINISHED:
    case GG_ATTEMPT_STATE_COUNT:
        return INT64_MAX;
    }
    return other < attempt->lease_ms ? other : attempt->lease_ms;
}

void gg_attempt_set_timer(struct gg_attempts *attempts, struct gg_attempt *attempt)
{
    int64_t at = deadline_of(attempt);
    if (at == INT64_MAX) {
        gg_heap_remove(&attempts->timers, &attempt->timer);
    } else {
        gg_heap_set(&attempts->timers, &attempt->timer, at);
    }
}

void gg_attempt_set_state(struct gg_attempts *attempts, struct gg_attempt *attempt,
                          enum gg_attempt_state next)
{
    GG_ASSERT(next < GG_ATTEMPT_STATE_COUNT);
    GG_ASSERT((allowed_next[attempt->state] & BIT(next)) != 0);

    attempt->state = (uint8_t)next;
    gg_attempt_set_timer(attempts, attempt);
}
