/* test_core_walk.c - counts anew what the core keeps count of, and follows each of its
 * lists to the end. */
#include "tests/unit/test_core_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/agent.h"
#include "broker/core/lease.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"

/* In which lists a job was met. */
enum { IN_LINE = 1, IN_RUNNING = 2, IN_DEAD = 4, IN_LEASES = 8, IN_ANSWERING = 16 };

struct walk {
    struct gg_core *core;
    uint8_t *met; /* By index of the job. */
    uint32_t room;
    uint64_t waiters;
    uint64_t timed_waiters;
};

static char fault_text[160];

#define MUST(cond)                                                                     \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            (void)snprintf(fault_text, sizeof fault_text, "line %d: %s", __LINE__,     \
                           #cond);                                                     \
            return fault_text;                                                         \
        }                                                                              \
    } while (0)

#define TRY(call)                                                                      \
    do {                                                                               \
        const char *fault = (call);                                                    \
        if (fault != NULL) {                                                           \
            return fault;                                                              \
        }                                                                              \
    } while (0)

/* ---- lists ---- */

static const char *walk_line(struct walk *walk, struct gg_queue *queue, int priority)
{
    struct gg_queue_lines *others = queue->others;
    if (priority != GG_PRIORITY_DEFAULT && others == NULL) {
        return NULL;
    }
    struct gg_link *line = gg_queue_line(queue, (uint8_t)priority);
    bool filled = others != NULL &&
                  (others->filled[priority / 64] >> (priority % 64) & 1) != 0;
    MUST(filled == (priority != GG_PRIORITY_DEFAULT && !gg_list_empty(line)));
    GG_LIST_EACH(line, it)
    {
        struct gg_job *job = GG_CONTAINER(it, struct gg_job, line);
        MUST(job->state == GG_JOB_READY && job->queue == queue);
        MUST(job->priority == priority && walk->met[job->index] == 0);
        MUST(it->next->prev == it);
        walk->met[job->index] |= IN_LINE;
    }
    if (queue->held == NULL) {
        return NULL;
    }
    MUST(queue->awaited > 0 && walk->core->recovery != NULL);
    GG_LIST_EACH(&queue->held[priority], at)
    {
        struct gg_job *job = GG_CONTAINER(at, struct gg_job, line);
        MUST(job->state == GG_JOB_READY && job->queue == queue && job->recovered);
        MUST(job->priority == priority && walk->met[job->index] == 0);
        walk->met[job->index] |= IN_LINE;
    }
    return NULL;
}

/* A job that may start while someone may run it has been given to him. */
static const char *walk_supply(struct gg_core *core, struct gg_queue *queue)
{
    struct gg_job *first = gg_queue_first(queue);
    bool waits = first != NULL && !queue->paused && !core->starved &&
                 !gg_mono_reached(first->expires, core->now.mono);
    GG_LIST_EACH(&queue->subs, it)
    {
        struct gg_sub *sub = GG_CONTAINER(it, struct gg_sub, of_queue);
        MUST(sub->queue == queue);
        MUST(sub->pool->agent->peer != GG_PEER_NONE);
        bool credit = gg_pool_has_credit(core, sub->pool);
        MUST(gg_list_linked(&sub->open));
        MUST(!credit || gg_list_empty(&sub->pool->shut));
        MUST(!credit || !waits);
        bool in_heap = gg_heap_has(&sub->urgent);
        int64_t noted = in_heap ? gg_heap_at(&sub->pool->urgent, &sub->urgent)
                                : INT64_MAX;
        MUST(queue->noted == INT64_MAX || (in_heap && noted <= queue->noted));
        MUST(!waits || (in_heap && noted <= gg_job_urgency(first)));
    }
    return NULL;
}

static const char *walk_queue(struct walk *walk, struct gg_queue *queue)
{
    uint64_t unstarted = 0;
    uint64_t running = 0;
    for (int i = 0; i < GG_PRIORITIES; i++) {
        TRY(walk_line(walk, queue, i));
    }
    GG_LIST_EACH(&queue->running, it)
    {
        struct gg_job *job = GG_CONTAINER(it, struct gg_job, line);
        MUST(job->state == GG_JOB_RUNNING && job->queue == queue);
        MUST(walk->met[job->index] == 0);
        walk->met[job->index] |= IN_RUNNING;
        unstarted += !job->started;
        running++;
    }
    MUST(queue->unstarted == unstarted);
    MUST(queue->count[GG_JOB_RUNNING] == running);
    return walk_supply(walk->core, queue);
}

static const char *walk_dead(struct walk *walk)
{
    uint64_t bytes = 0;
    GG_LIST_EACH(&walk->core->dead, it)
    {
        struct gg_job *job = GG_CONTAINER(it, struct gg_job, line);
        MUST(job->state == GG_JOB_FAILED && walk->met[job->index] == 0);
        walk->met[job->index] |= IN_DEAD;
        bytes += job->newest->dead_charged;
    }
    MUST(bytes == walk->core->dead_bytes);
    MUST(gg_list_empty(&walk->core->leaving));
    GG_LIST_EACH(&walk->core->answering, at)
    {
        struct gg_job *job = GG_CONTAINER(at, struct gg_extra, answering)->job;
        MUST(gg_job_ended(job) && job->answering && !gg_list_empty(&job->waiters));
        walk->met[job->index] |= IN_ANSWERING;
    }
    return NULL;
}

/* ---- agents ---- */

static uint32_t leases_of_pool(const struct gg_agent *agent, uint8_t number)
{
    uint32_t count = 0;
    GG_LIST_EACH(&agent->leases, it)
    {
        count += GG_CONTAINER(it, struct gg_job_attempt, lease)->pool == number;
    }
    return count;
}

static const char *walk_agent(struct walk *walk, struct gg_agent *agent)
{
    uint32_t busy = 0;
    uint64_t last = 0;
    GG_LIST_EACH(&agent->leases, it)
    {
        const struct gg_job_attempt *attempt = GG_CONTAINER(it, struct gg_job_attempt,
                                                            lease);
        const struct gg_job *job = attempt->job;
        MUST(job->state == GG_JOB_RUNNING && job->newest == attempt);
        MUST(attempt->agent == agent);
        MUST((walk->met[job->index] & IN_LEASES) == 0);
        MUST(attempt->fence > last);
        MUST(!job->settled);
        last = attempt->fence;
        walk->met[job->index] |= IN_LEASES;
        busy++;
    }
    MUST(agent->busy == busy);
    MUST(gg_heap_has(&agent->timer));
    MUST(agent->peer != GG_PEER_NONE || agent->pool_count == 0);
    if (agent->peer != GG_PEER_NONE) {
        struct gg_session *session = gg_session_of(walk->core, agent->peer);
        MUST(session != NULL && session->agent == agent);
    }
    uint32_t named = 1;
    for (uint32_t i = 0; i < walk->room; i++) {
        struct gg_job *job = gg_registry_at(walk->core, i);
        named += job != NULL && gg_job_newest(job)->agent == agent;
    }
    MUST(agent->refs == named);
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        struct gg_pool *pool = agent->pools[i];
        MUST(pool->busy == leases_of_pool(agent, pool->number));
        GG_LIST_EACH(&pool->subs, at)
        {
            MUST(GG_CONTAINER(at, struct gg_sub, of_pool)->pool == pool);
        }
    }
    return NULL;
}

/* ---- jobs ---- */

static size_t history_bytes(const struct gg_timeline *history)
{
    if (history == NULL) {
        return 0;
    }
    size_t bytes = sizeof *history + history->room * sizeof history->entries[0];
    for (uint16_t i = 0; i < history->count; i++) {
        bytes += gg_blob_slice(history->entries[i].text).len +
                 gg_blob_slice(history->entries[i].output).len;
    }
    return bytes;
}

/* What the job costs, counted anew. */
static size_t cost_of(const struct gg_job *job)
{
    size_t bytes = GG_JOB_BYTES + gg_blob_slice(job->payload).len +
                   gg_blob_slice(gg_job_newest(job)->result).len + gg_job_key(job).len;
    const struct gg_extra *extra = job->extra;
    if (extra != NULL) {
        bytes += sizeof *extra + gg_blob_slice(extra->error_text).len +
                 gg_blob_slice(extra->progress_text).len +
                 gg_blob_slice(extra->checkpoint).len + extra->partial.bytes.len +
                 history_bytes(extra->history);
        for (uint8_t i = 0; i < extra->tag_count; i++) {
            bytes += gg_blob_slice(extra->tags[i]).len;
        }
    }
    return bytes;
}

static const char *walk_timer(const struct walk *walk, const struct gg_job *job)
{
    int64_t at = 0;
    enum gg_timer_kind kind = GG_TIMER_NONE;
    bool waits = gg_job_deadline(job, &at, &kind);
    MUST(job->timer_kind == (waits ? kind : GG_TIMER_NONE));
    MUST(gg_heap_has(&job->timer) == waits);
    /* A deadline that moves on leaves its timer where it is. */
    MUST(!waits || gg_heap_at(&walk->core->job_timers[kind], &job->timer) <= at);
    return NULL;
}

static const char *walk_waiters(struct walk *walk, const struct gg_job *job)
{
    uint32_t count = 0;
    GG_LIST_EACH(&job->waiters, it)
    {
        const struct gg_waiter *waiter = GG_CONTAINER(it, struct gg_waiter, of_job);
        MUST(waiter->job == job);
        MUST(gg_session_of(walk->core, waiter->peer) != NULL);
        MUST(gg_list_linked(&waiter->of_session));
        walk->timed_waiters += gg_heap_has(&waiter->timer);
        count++;
    }
    MUST(job->waiter_count == count);
    MUST(count == 0 || job->answering || gg_job_waits(job) ||
         job->state == GG_JOB_RUNNING);
    walk->waiters += count;
    return NULL;
}

static const char *walk_job(struct walk *walk, struct gg_job *job)
{
    static const uint8_t lists[GG_JOB_STATE_COUNT] = {
        [GG_JOB_READY] = IN_LINE,
        [GG_JOB_RUNNING] = IN_RUNNING | IN_LEASES,
        [GG_JOB_FAILED] = IN_DEAD,
    };
    const struct gg_job_attempt *attempt = gg_job_newest(job);
    uint8_t answering = job->answering ? IN_ANSWERING : 0;
    MUST(walk->met[job->index] == (lists[job->state] | answering));
    MUST((lists[job->state] != 0) == gg_list_linked(&job->line));
    MUST((job->state == GG_JOB_RUNNING) == gg_list_linked(&attempt->lease));
    MUST(job->answering ==
         (job->extra != NULL && gg_list_linked(&job->extra->answering)));
    MUST(job->newest == NULL || job->newest->job == job);
    MUST(job->extra == NULL || job->extra->job == job);
    MUST(job->terms->refs > 0);
    MUST(gg_registry_by_id(walk->core, &job->id) == job);
    MUST(!job->key_held ||
         gg_registry_by_key(walk->core, job->queue, gg_job_key(job)) == job);
    MUST(job->charged == cost_of(job));
    MUST(job->attempt <= job->attempts_max || job->state == GG_JOB_EVICTED);
    MUST(job->state != GG_JOB_RUNNING || job->attempt > 0);
    MUST(!job->cancelling || job->state == GG_JOB_RUNNING);
    MUST(job->state != GG_JOB_EVICTED || attempt->agent == NULL);
    MUST(walk->core->unkept_first == 0 &&
         walk->core->unkept_last == 0); /* Records leave at the end of the step. */
    MUST(job->unkept == 0);
    MUST(!job->recovered || gg_job_waits(job) ||
         attempt->fence >> GG_FENCE_SHIFT < walk->core->epoch);
    MUST(!job->unsent || (job->state == GG_JOB_RUNNING && job->payload_loading));
    TRY(walk_timer(walk, job));
    return walk_waiters(walk, job);
}

/* ---- sums ---- */

struct sums {
    uint64_t jobs;
    uint64_t bytes;
    uint64_t apart;
    uint64_t keys;
    uint64_t timers[GG_TIMER_KIND_COUNT];
    uint64_t count[GG_JOB_STATE_COUNT];
};

static struct sums sums_of(struct gg_core *core, const struct gg_queue *queue,
                           const struct gg_realm *realm)
{
    struct sums sums = {0};
    for (uint32_t i = 0; i < gg_registry_room(core); i++) {
        struct gg_job *job = gg_registry_at(core, i);
        if (job == NULL || (queue != NULL && job->queue != queue) ||
            (realm != NULL && job->queue->realm != realm)) {
            continue;
        }
        sums.jobs++;
        sums.bytes += job->charged;
        sums.apart += job->payload_apart ? gg_blob_slice(job->payload).len : 0;
        sums.apart += job->result_apart ? gg_blob_slice(gg_job_newest(job)->result).len
                                        : 0;
        sums.keys += job->key_held;
        sums.timers[job->timer_kind]++;
        sums.count[job->state]++;
    }
    return sums;
}

static const char *check_sums(struct gg_core *core)
{
    struct sums all = sums_of(core, NULL, NULL);
    MUST(core->jobs == all.jobs && gg_ids_count(&core->ids) == all.jobs);
    MUST(gg_index_count(&core->by_key) == all.keys);
    MUST(core->memory_bytes == all.bytes);
    MUST(core->apart_bytes == all.apart);
    for (int kind = GG_TIMER_NONE + 1; kind < GG_TIMER_KIND_COUNT; kind++) {
        MUST(core->job_timers[kind].count == all.timers[kind]);
    }
    MUST(memcmp(core->count, all.count, sizeof all.count) == 0);
    for (uint32_t i = 0; i < core->queue_count; i++) {
        const struct gg_queue *queue = core->queues[i];
        struct sums part = sums_of(core, queue, NULL);
        MUST(queue->jobs == part.jobs && queue->bytes == part.bytes);
        for (int state = 0; state < GG_JOB_STATE_COUNT; state++) {
            MUST(queue->count[state] == part.count[state]);
        }
    }
    for (uint32_t i = 0; i < core->realm_count; i++) {
        struct sums part = sums_of(core, NULL, &core->realms[i]);
        MUST(core->realms[i].jobs == part.jobs);
        MUST(core->realms[i].bytes == part.bytes);
    }
    return NULL;
}

static const char *check_sessions(const struct walk *walk)
{
    struct gg_core *core = walk->core;
    uint64_t waiters = 0;
    for (uint32_t i = 0; i < core->session_room; i++) {
        const struct gg_session *session = gg_session_of(core, i);
        if (session == NULL) {
            continue;
        }
        GG_LIST_EACH(&session->waiters, it)
        {
            MUST(GG_CONTAINER(it, struct gg_waiter, of_session)->peer == i);
            waiters++;
        }
        MUST(session->agent == NULL || session->agent->peer == i);
    }
    MUST(waiters == walk->waiters);
    MUST(core->waits.count == walk->timed_waiters);
    uint32_t subscriptions = 0;
    for (uint64_t i = 0; i < core->bounds.subscriptions_max; i++) {
        const struct gg_subscription *sub = &core->subscriptions[i];
        subscriptions += sub->used;
        MUST(!sub->used || gg_session_of(core, sub->peer) != NULL);
        MUST(!sub->used || sub->unacked <= GG_EVENTS_UNACKED_MAX);
    }
    MUST(core->subscription_count == subscriptions);
    return NULL;
}

static const char *walk_all(struct walk *walk)
{
    struct gg_core *core = walk->core;
    for (uint32_t i = 0; i < core->queue_count; i++) {
        TRY(walk_queue(walk, core->queues[i]));
    }
    TRY(walk_dead(walk));
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        TRY(walk_agent(walk, agent));
    }
    for (uint32_t i = 0; i < walk->room; i++) {
        struct gg_job *job = gg_registry_at(core, i);
        if (job != NULL) {
            TRY(walk_job(walk, job));
        }
    }
    TRY(check_sums(core));
    return check_sessions(walk);
}

const char *core_walk(struct gg_core *core)
{
    struct walk walk = {.core = core, .room = gg_registry_room(core)};
    walk.met = calloc(walk.room + 1, 1);
    if (walk.met == NULL) {
        return "no memory for the walk";
    }
    const char *fault = walk_all(&walk);
    free(walk.met);
    return fault;
}
