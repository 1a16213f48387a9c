#include "broker/core/timers.h"

#include "broker/core/persist.h"
#include "broker/core/recover.h"

/* A wall clock may be set; a date is looked at again at least this often. */
enum { DATE_LOOK_MS = 1000 };

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct gg_mono gg_job_expiry(const struct gg_job *job)
{
    const struct gg_queue *queue = job->queue;
    if (job->recovered && queue->held != NULL &&
        job->expires.ms < queue->held_until.ms) {
        return queue->held_until;
    }
    return job->expires;
}

static inline bool deadline_of(const struct gg_job *job, int64_t *out_at,
                               enum gg_timer_kind *out_kind)
{
    *out_kind = job->state == GG_JOB_SCHEDULED ? GG_TIMER_DELAY : GG_TIMER_MONO;
    switch ((enum gg_job_state)job->state) {
    case GG_JOB_SCHEDULED:
        if (job->by_date) {
            *out_kind = GG_TIMER_WALL;
            *out_at = job->run_at.ms;
            return true;
        }
        *out_at = earlier(job->due.ms, gg_job_expiry(job).ms);
        return true;
    case GG_JOB_BLOCKED:
    case GG_JOB_READY:
        *out_at = gg_job_expiry(job).ms;
        return *out_at != INT64_MAX;
    case GG_JOB_RUNNING:
        *out_at = job->newest->lease_until.ms;
        return true;
    case GG_JOB_SUCCEEDED:
    case GG_JOB_FAILED:
    case GG_JOB_CANCELLED:
    case GG_JOB_EXPIRED:
    case GG_JOB_EVICTED:
        *out_at = job->due.ms;
        return true;
    case GG_JOB_NONE:
    case GG_JOB_STATE_COUNT:
        break;
    }
    return false;
}

bool gg_job_deadline(const struct gg_job *job, int64_t *out_at,
                     enum gg_timer_kind *out_kind)
{
    return deadline_of(job, out_at, out_kind);
}

enum gg_err gg_timers_reserve(struct gg_core *core, uint32_t jobs)
{
    enum gg_err err = GG_OK;
    for (int kind = GG_TIMER_NONE + 1; err == GG_OK && kind < GG_TIMER_KIND_COUNT;
         kind++) {
        err = gg_heap_reserve(&core->job_timers[kind], jobs);
    }
    return err;
}

void gg_job_disarm(struct gg_core *core, struct gg_job *job)
{
    if (job->timer_kind != GG_TIMER_NONE) {
        gg_heap_remove(&core->job_timers[job->timer_kind], &job->timer);
        job->timer_kind = GG_TIMER_NONE;
    }
}

void gg_job_arm(struct gg_core *core, struct gg_job *job)
{
    int64_t at = 0;
    enum gg_timer_kind kind = GG_TIMER_NONE;
    if (!deadline_of(job, &at, &kind)) {
        gg_job_disarm(core, job);
        return;
    }
    struct gg_heap *heap = &core->job_timers[kind];
    if (job->timer_kind != kind) {
        gg_job_disarm(core, job);
        job->timer_kind = (uint8_t)kind;
    } else if (gg_heap_at(heap, &job->timer) <= at) {
        return; /* Most deadlines only move on: look again when the old one comes. */
    }
    gg_heap_set(heap, &job->timer, at);
}

enum gg_err gg_timer_set(struct gg_heap *heap, struct gg_heap_node *node,
                         struct gg_mono at)
{
    enum gg_err err = gg_heap_reserve(heap, heap->count + 1);
    if (err == GG_OK) {
        gg_heap_set(heap, node, at.ms);
    }
    return err;
}

/* A job whose deadline has come. Those that have a later one by now are put back, as
 * many as *looks allows: the next wake is then due at once. */
static struct gg_job *due_in(struct gg_heap *heap, int64_t now, int *looks)
{
    struct gg_heap_node *node = NULL;
    while ((node = gg_heap_first(heap)) != NULL && gg_heap_at(heap, node) <= now &&
           (*looks)-- > 0) {
        struct gg_job *job = GG_CONTAINER(node, struct gg_job, timer);
        int64_t at = 0;
        enum gg_timer_kind kind = GG_TIMER_NONE;
        if (!deadline_of(job, &at, &kind) || at <= now) {
            gg_heap_remove(heap, node);
            job->timer_kind = GG_TIMER_NONE;
            return job;
        }
        gg_heap_set(heap, node, at);
    }
    return NULL;
}

struct gg_job *gg_timers_due(struct gg_core *core, int *looks)
{
    struct gg_heap *heaps = core->job_timers;
    struct gg_job *job = due_in(&heaps[GG_TIMER_MONO], core->now.mono.ms, looks);
    if (job == NULL) {
        job = due_in(&heaps[GG_TIMER_DELAY], core->now.mono.ms, looks);
    }
    return job != NULL ? job : due_in(&heaps[GG_TIMER_WALL], core->now.wall.ms, looks);
}

bool gg_timers_next(const struct gg_core *core, struct gg_mono *out_at)
{
    const struct gg_heap *heaps[] = {&core->job_timers[GG_TIMER_MONO],
                                     &core->job_timers[GG_TIMER_DELAY], &core->waits,
                                     &core->agent_timers, &core->settle_timers};
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < sizeof heaps / sizeof heaps[0]; i++) {
        at = earlier(at, gg_heap_first_at(heaps[i]));
    }
    const struct gg_heap *dates = &core->job_timers[GG_TIMER_WALL];
    if (gg_heap_first(dates) != NULL) {
        int64_t wait = gg_heap_first_at(dates) - core->now.wall.ms;
        wait = wait < 0 ? 0 : earlier(wait, DATE_LOOK_MS);
        at = earlier(at, core->now.mono.ms + wait);
    }
    struct gg_mono other;
    if (gg_recover_next(core, &other)) {
        at = earlier(at, other.ms);
    }
    if (gg_persist_due(core, &other)) {
        at = earlier(at, other.ms);
    }
    *out_at = (struct gg_mono){at};
    return at != INT64_MAX;
}
