#include "broker/core/queue.h"

#include <stdlib.h>

#include "broker/core/agent.h"

static uint64_t hash_name(const struct gg_realm *realm, struct gg_slice name)
{
    return gg_hash(name, realm->hash);
}

static struct gg_realm *find_realm(const struct gg_core *core, struct gg_slice name)
{
    for (uint32_t i = 0; i < core->realm_count; i++) {
        if (gg_slice_equal(gg_name_slice(&core->realms[i].name), name)) {
            return &core->realms[i];
        }
    }
    return NULL;
}

struct queue_query {
    const struct gg_realm *realm;
    struct gg_slice name;
};

static bool match_queue(const void *item, const void *key)
{
    const struct gg_queue *queue = item;
    const struct queue_query *query = key;
    return queue->realm == query->realm &&
           gg_slice_equal(gg_name_slice(&queue->name), query->name);
}

static struct gg_queue *find_in(const struct gg_core *core,
                                const struct gg_realm *realm, struct gg_slice name)
{
    struct queue_query query = {.realm = realm, .name = name};
    return gg_map_find(&core->by_queue, hash_name(realm, name), match_queue, &query);
}

struct gg_queue *gg_queue_find(const struct gg_core *core, struct gg_slice realm_name,
                               struct gg_slice name)
{
    struct gg_queue *last = core->queue_last;
    struct gg_slice wanted = gg_realm_or_default(realm_name);
    if (last != NULL && gg_slice_equal(gg_name_slice(&last->name), name) &&
        gg_slice_equal(gg_name_slice(&last->realm->name), wanted)) {
        return last;
    }
    const struct gg_realm *realm = find_realm(core, wanted);
    return realm == NULL ? NULL : find_in(core, realm, name);
}

static struct gg_realm *get_realm(struct gg_core *core, struct gg_slice name)
{
    struct gg_realm *realm = find_realm(core, name);
    if (realm != NULL || core->realm_count == core->bounds.realms_max) {
        return realm;
    }
    realm = &core->realms[core->realm_count++];
    *realm = (struct gg_realm){
        .hash = gg_hash(name, core->seed),
        .is_default = gg_slice_equal(name, gg_realm_or_default((struct gg_slice){0}))};
    gg_name_set(&realm->name, name);
    return realm;
}

static bool is_volatile(const struct gg_core *core, struct gg_slice name)
{
    for (uint8_t i = 0; i < core->bounds.volatile_count; i++) {
        if (gg_pattern_match(gg_name_slice(&core->bounds.volatile_queues[i]), name)) {
            return true;
        }
    }
    return false;
}

static struct gg_queue *new_queue(struct gg_core *core, struct gg_realm *realm,
                                  struct gg_slice name)
{
    size_t lines = (sizeof(struct gg_queue) + GG_LINE_BYTES - 1) / GG_LINE_BYTES;
    struct gg_queue *queue = aligned_alloc(GG_LINE_BYTES, lines * GG_LINE_BYTES);
    if (queue == NULL) {
        return NULL;
    }
    *queue = (struct gg_queue){.realm = realm};
    queue->hash = hash_name(realm, name);
    queue->noted = INT64_MAX;
    queue->by_default_none = is_volatile(core, name);
    gg_name_set(&queue->name, name);
    gg_list_init(&queue->line);
    gg_list_init(&queue->running);
    gg_list_init(&queue->subs);
    gg_list_init(&queue->open);
    return queue;
}

static void free_queue(struct gg_queue *queue)
{
    gg_blob_unref(&queue->pause_reason);
    free(queue->held);
    free(queue->others);
    free(queue);
}

/* Make room in the table by forgetting a queue that holds nothing: no job, no pool, no
 * pause. False when there is none. */
static bool forget_idle(struct gg_core *core)
{
    for (uint32_t i = 0; i < core->queue_count; i++) {
        struct gg_queue *queue = core->queues[i];
        if (queue->jobs == 0 && gg_list_empty(&queue->subs) && !queue->paused) {
            core->queues[i] = core->queues[--core->queue_count];
            core->queue_last = NULL;
            (void)gg_map_remove(&core->by_queue, queue->hash, queue);
            free_queue(queue);
            return true;
        }
    }
    return false;
}

enum gg_err gg_queue_get(struct gg_core *core, struct gg_slice realm_name,
                         struct gg_slice name, struct gg_queue **out_queue)
{
    struct gg_queue *queue = gg_queue_find(core, realm_name, name);
    if (queue == NULL) {
        struct gg_realm *realm = get_realm(core, gg_realm_or_default(realm_name));
        if (realm == NULL ||
            (core->queue_count == core->bounds.queues_max && !forget_idle(core))) {
            return GG_ERR_TOO_MANY;
        }
        queue = new_queue(core, realm, name);
        if (queue == NULL) {
            return GG_ERR_NO_MEMORY;
        }
        enum gg_err err = gg_map_reserve(&core->by_queue);
        err = err != GG_OK ? err : gg_agents_subscribe(core, queue);
        if (err != GG_OK) {
            free_queue(queue);
            return err;
        }
        gg_map_put(&core->by_queue, queue->hash, queue);
        core->queues[core->queue_count++] = queue;
    }
    core->queue_last = queue;
    *out_queue = queue;
    return GG_OK;
}

enum gg_err gg_queue_reserve(struct gg_queue *queue, uint8_t priority)
{
    if (priority == GG_PRIORITY_DEFAULT || queue->others != NULL) {
        return GG_OK;
    }
    queue->others = calloc(1, sizeof *queue->others);
    if (queue->others == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    for (int i = 0; i < GG_PRIORITIES; i++) {
        gg_list_init(&queue->others->lines[i]);
    }
    return GG_OK;
}

struct gg_link *gg_queue_line(struct gg_queue *queue, uint8_t priority)
{
    return priority == GG_PRIORITY_DEFAULT ? &queue->line
                                           : &queue->others->lines[priority];
}

void gg_queue_mark(struct gg_queue *queue, uint8_t priority)
{
    if (priority == GG_PRIORITY_DEFAULT) {
        return;
    }
    uint64_t *word = &queue->others->filled[priority / 64];
    uint64_t bit = UINT64_C(1) << (priority % 64);
    bool empty = gg_list_empty(&queue->others->lines[priority]);
    *word = empty ? *word & ~bit : *word | bit;
}

void gg_queue_push(struct gg_core *core, struct gg_job *job, bool front)
{
    struct gg_queue *queue = job->queue;
    bool held = job->recovered && queue->held != NULL;
    struct gg_link *line = held ? &queue->held[job->priority]
                                : gg_queue_line(queue, job->priority);
    if (front) {
        gg_list_push_front(line, &job->line);
    } else {
        gg_list_push_back(line, &job->line);
    }
    if (!held) {
        gg_queue_mark(queue, job->priority);
    }
    job->ready_since = core->now.mono;
}

/* The next in line may be older than the one that goes: it came back. */
void gg_queue_pull(struct gg_job *job)
{
    struct gg_queue *queue = job->queue;
    gg_list_remove(&job->line);
    gg_queue_mark(queue, job->priority);
    if (queue->noted != INT64_MAX) {
        gg_queue_note(queue);
    }
}

void gg_queue_note(struct gg_queue *queue)
{
    const struct gg_job *first = gg_queue_first(queue);
    if (first == NULL || gg_job_urgency(first) >= queue->noted) {
        return;
    }
    queue->noted = gg_job_urgency(first);
    GG_LIST_EACH(&queue->subs, it)
    {
        struct gg_sub *sub = GG_CONTAINER(it, struct gg_sub, of_queue);
        struct gg_heap *urgent = &sub->pool->urgent;
        if (!gg_heap_has(&sub->urgent) ||
            gg_heap_at(urgent, &sub->urgent) > queue->noted) {
            gg_heap_set(urgent, &sub->urgent, queue->noted);
        }
    }
}

static struct gg_job *job_at(struct gg_link *link)
{
    return link == NULL ? NULL : GG_CONTAINER(link, struct gg_job, line);
}

/* The first job of the lines from `from` to before `to`, both in whole words. */
static struct gg_job *first_of(const struct gg_queue_lines *others, int from, int to)
{
    for (int i = from / 64; i < to / 64; i++) {
        if (others->filled[i] != 0) {
            int priority = i * 64 + __builtin_ctzll(others->filled[i]);
            return job_at(gg_list_first(&others->lines[priority]));
        }
    }
    return NULL;
}

struct gg_job *gg_queue_first(const struct gg_queue *queue)
{
    const struct gg_queue_lines *others = queue->others;
    if (others == NULL) {
        return job_at(gg_list_first(&queue->line));
    }
    struct gg_job *first = first_of(others, 0, GG_PRIORITY_DEFAULT);
    first = first != NULL ? first : job_at(gg_list_first(&queue->line));
    return first != NULL ? first : first_of(others, GG_PRIORITY_DEFAULT, GG_PRIORITIES);
}

bool gg_queue_fits(const struct gg_queue *queue, struct gg_slice realm,
                   struct gg_slice pattern)
{
    return gg_slice_equal(gg_name_slice(&queue->realm->name),
                          gg_realm_or_default(realm)) &&
           (pattern.len == 0 || gg_pattern_match(pattern, gg_name_slice(&queue->name)));
}

void gg_queues_fini(struct gg_core *core)
{
    for (uint32_t i = 0; i < core->queue_count; i++) {
        free_queue(core->queues[i]);
    }
    free(core->queues);
    gg_map_fini(&core->by_queue);
    free(core->realms);
}
