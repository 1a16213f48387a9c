#include "broker/core/lease.h"

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/ending.h"
#include "broker/core/operate.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"
#include "common/assert.h"
#include "common/codec.h"
#include "common/fetch.h"

static struct gg_job_attempt *lease_at(struct gg_link *link)
{
    return GG_CONTAINER(link, struct gg_job_attempt, lease);
}

/* ---- credit ---- */

bool gg_pool_has_credit(const struct gg_core *core, const struct gg_pool *pool)
{
    return pool->busy < pool->slots && gg_agent_takes_work(core, pool->agent);
}

static struct gg_pool *pool_of(const struct gg_agent *agent, uint8_t number)
{
    for (uint8_t i = 0; agent != NULL && i < agent->pool_count; i++) {
        if (agent->pools[i]->number == number) {
            return agent->pools[i];
        }
    }
    return NULL;
}

void gg_leases_count_pools(struct gg_agent *agent)
{
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        agent->pools[i]->busy = 0;
    }
    GG_LIST_EACH(&agent->leases, it)
    {
        struct gg_pool *pool = pool_of(agent, lease_at(it)->pool);
        if (pool != NULL) {
            pool->busy++;
        }
    }
}

/* ---- giving work ---- */

/* The next fence: larger than every one before, also of earlier epochs. When the
 * counter runs over, the fences take the next epoch (the broker's own stays): at a
 * million leases a second that is one in 16 s, while epochs are as far apart as two
 * starts of a broker. */
static uint64_t next_fence(struct gg_core *core)
{
    if (++core->fence_count >> GG_FENCE_SHIFT != 0) {
        core->fence_epoch++;
        core->fence_count = 1;
    }
    return core->fence_epoch << GG_FENCE_SHIFT | core->fence_count;
}

/* Put it among its agent's leases, which rise by fence. A new lease goes last. */
static void insert_lease(struct gg_job_attempt *attempt)
{
    struct gg_link *end = &attempt->agent->leases;
    struct gg_link *at = end->prev;
    while (at != end && lease_at(at)->fence > attempt->fence) {
        at = at->prev;
    }
    gg_list_insert_after(at, &attempt->lease);
}

static void hold_lease(struct gg_core *core, struct gg_job *job, struct gg_agent *agent,
                       uint8_t pool)
{
    struct gg_job_attempt *attempt = job->newest;
    struct gg_agent *before = attempt->agent;
    attempt->agent = gg_agent_ref(agent);
    gg_agent_unref(&before);
    attempt->pool = pool;
    insert_lease(attempt);
    agent->busy++;
    gg_list_push_back(&job->queue->running, &job->line);
    job->queue->unstarted++;
    job->started = false;
    job->lost = false;
    /* An attempt of an earlier broker need not be the newest: no record tells of all.
     * If it comes to nothing, those who are awaited have their say first. */
    job->recovered = attempt->fence >> GG_FENCE_SHIFT < core->epoch;
    attempt->lease_until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    gg_move(core, job, GG_JOB_RUNNING);
    gg_job_arm(core, job);
}

static void say_assign(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    struct gg_assign assign;
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    assign.id = job->id;
    assign.fence = job->newest->fence;
    assign.pool = job->newest->pool;
    assign.attempt = job->attempt;
    assign.queue = gg_name_slice(&job->queue->name);
    if (!job->queue->realm->is_default) {
        assign.realm = gg_name_slice(&job->queue->realm->name);
    }
    assign.key = gg_job_key(job);
    assign.run_timeout_ms = job->terms->run_timeout_ms;
    assign.start_within_ms = core->bounds.start_within_ms;
    assign.attempts_max = job->attempts_max;
    if (job->extra != NULL) {
        assign.checkpoint = gg_blob_slice(job->extra->checkpoint);
    }
    gg_say_assign(fx, job->newest->agent->peer, &assign, job);
}

/* Must the assignment be on disk before it leaves? Most need not be: after a restart
 * the agent that has it says so. But what may run at most once is never given twice on
 * a guess; a key that is free from the start on stays free; and where an older attempt
 * may still come back (its lease ended without an outcome, or its agent was away when
 * the restarted broker stopped waiting), a broker that does not know of this one would
 * take the older one for the newest. */
static bool needs_record(const struct gg_job *job)
{
    return gg_job_at_most_once(job) || job->lost ||
           (job->recovered && job->queue->unheard) ||
           (job->key != NULL && job->terms->unique_until == GG_UNIQUE_STARTED);
}

/* Jobs that have waited long are in no cache. Have the payload of the one behind `job`,
 * and the record of the one behind that, on their way while `job` is dealt with. */
static void fetch_behind(struct gg_job *job)
{
    struct gg_link *end = gg_queue_line(job->queue, job->priority);
    struct gg_link *next = job->line.next;
    if (next == end) {
        return;
    }
    const struct gg_blob *payload = GG_CONTAINER(next, struct gg_job, line)->payload;
    if (payload != NULL) {
        gg_fetch_all(payload, 2 * GG_LINE_BYTES);
    }
    next = next->next;
    if (next != end) {
        gg_fetch_all(GG_CONTAINER(next, struct gg_job, line), sizeof *job);
    }
}

/* What an earlier attempt has said of itself is not this one's. */
static void forget_words(struct gg_core *core, struct gg_job *job)
{
    struct gg_extra *extra = job->extra;
    job->newest->progress_ppm = 0;
    if (extra != NULL) {
        gg_job_text(core, job, &extra->progress_text, (struct gg_slice){0}, 0);
        gg_charge(core, job, -(int64_t)extra->partial.bytes.len);
        gg_buf_clear(&extra->partial.bytes);
        extra->partial.offset = 0;
    }
}

/* False without memory: nothing has changed. */
static bool assign(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                   struct gg_pool *pool)
{
    bool recorded = needs_record(job);
    fetch_behind(job);
    struct gg_job_attempt *attempt = gg_job_attempt_get(core, job);
    if (attempt == NULL) {
        core->starved = true;
        return false;
    }
    gg_queue_pull(job);
    job->attempt++;
    attempt->fence = next_fence(core);
    attempt->started_at = core->now.wall;
    attempt->start_by = gg_mono_add(core->now.mono, core->bounds.start_within_ms);
    attempt->exit_status = -1;
    attempt->signal = 0;
    forget_words(core, job);
    hold_lease(core, job, pool->agent, pool->number);
    pool->busy++;
    core->stat[GG_STAT_ASSIGNED]++;
    if (job->terms->unique_until == GG_UNIQUE_STARTED) {
        gg_registry_drop_key(core, job);
    }
    if (recorded) {
        gg_persist(core, job);
    }
    gg_watch_moment(core, fx, job, GG_MOMENT_ASSIGNED);
    if (gg_payload_ready(core, fx, job)) {
        say_assign(core, fx, job);
    }
    return true;
}

void gg_lease_send(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    job->unsent = false;
    job->newest->lease_until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    job->newest->start_by = gg_mono_add(core->now.mono, core->bounds.start_within_ms);
    say_assign(core, fx, job);
}

/* Dispatch stops before memory does, so that outcomes of what runs still have room. */
static bool memory_allows(const struct gg_core *core)
{
    return core->memory_bytes + core->bounds.reserve_bytes / 2 <=
           core->bounds.memory_bytes_max;
}

static bool may_dispatch(struct gg_core *core, const struct gg_queue *queue)
{
    if (queue->paused) {
        return false;
    }
    core->starved = core->starved || !memory_allows(core);
    return !core->starved;
}

void gg_dispatch_again(struct gg_core *core, struct gg_effects *fx)
{
    if (!core->starved || !memory_allows(core)) {
        return;
    }
    core->starved = false;
    for (uint32_t i = 0; i < core->queue_count; i++) {
        gg_dispatch_queue(core, fx, core->queues[i]);
    }
}

/* The next pool in turn that has credit, or NULL. Pools without leave the list of open
 * ones until they have credit again. */
static struct gg_pool *next_open(struct gg_core *core, struct gg_queue *queue)
{
    struct gg_link *first;
    while ((first = gg_list_first(&queue->open)) != NULL) {
        struct gg_sub *sub = GG_CONTAINER(first, struct gg_sub, open);
        bool credit = gg_pool_has_credit(core, sub->pool);
        if (credit && first->next == &queue->open) {
            return sub->pool; /* It is alone. */
        }
        gg_list_remove(&sub->open);
        if (credit) {
            gg_list_push_back(&queue->open, &sub->open);
            return sub->pool;
        }
        gg_list_push_back(&sub->pool->shut, &sub->open);
    }
    return NULL;
}

/* The job that may start next, or NULL. What stands before it and is past its start
 * deadline ends here: its timer may not have been looked at yet. */
static struct gg_job *first_to_start(struct gg_core *core, struct gg_effects *fx,
                                     struct gg_queue *queue)
{
    struct gg_job *job;
    for (int n = 0; n < GG_DUE_PER_STEP && may_dispatch(core, queue); n++) {
        job = gg_queue_first(queue);
        if (job == NULL || !gg_mono_reached(job->expires, core->now.mono)) {
            return job;
        }
        gg_end_waiting(core, fx, job, GG_JOB_EXPIRED, GG_ERR_EXPIRED);
    }
    return NULL; /* The timers end the others, and then dispatch goes on. */
}

void gg_dispatch_queue(struct gg_core *core, struct gg_effects *fx,
                       struct gg_queue *queue)
{
    struct gg_job *job;
    struct gg_pool *pool;
    while ((job = first_to_start(core, fx, queue)) != NULL &&
           (pool = next_open(core, queue)) != NULL && assign(core, fx, job, pool)) {
    }
    if (!queue->paused) {
        gg_queue_note(queue);
    }
}

/* The most urgent job of the queues that the pool serves. A queue's place in the heap
 * is put right when it comes first: its first job has only become less urgent. */
static struct gg_job *most_urgent(struct gg_core *core, struct gg_effects *fx,
                                  struct gg_pool *pool)
{
    struct gg_heap_node *first;
    while ((first = gg_heap_first(&pool->urgent)) != NULL) {
        struct gg_sub *sub = GG_CONTAINER(first, struct gg_sub, urgent);
        struct gg_job *job = first_to_start(core, fx, sub->queue);
        if (job == NULL && gg_queue_first(sub->queue) != NULL &&
            may_dispatch(core, sub->queue)) {
            return NULL; /* Many have expired at once: enough for this step. */
        }
        if (job == NULL) {
            gg_heap_remove(&pool->urgent, first);
            sub->queue->noted = INT64_MAX;
            continue;
        }
        int64_t at = gg_job_urgency(job);
        if (at <= gg_heap_first_at(&pool->urgent)) {
            return job;
        }
        gg_heap_set(&pool->urgent, first, at);
        if (at > sub->queue->noted) {
            sub->queue->noted = at;
        }
    }
    return NULL;
}

/* What has credit again stands in its queues' lists of open pools again. */
static void reopen(struct gg_pool *pool)
{
    GG_LIST_EACH(&pool->shut, it)
    {
        struct gg_sub *sub = GG_CONTAINER(it, struct gg_sub, open);
        gg_list_remove(&sub->open);
        gg_list_push_back(&sub->queue->open, &sub->open);
    }
}

void gg_dispatch_pool(struct gg_core *core, struct gg_effects *fx, struct gg_pool *pool)
{
    struct gg_job *job;
    while (gg_pool_has_credit(core, pool) &&
           (job = most_urgent(core, fx, pool)) != NULL && assign(core, fx, job, pool)) {
    }
    if (gg_pool_has_credit(core, pool)) {
        reopen(pool);
    }
}

void gg_dispatch_freed(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, struct gg_pool *pool)
{
    if (pool != NULL) {
        gg_dispatch_pool(core, fx, pool);
    }
    /* Where the agent's own window was full, its other pools have credit again too. */
    if (agent->busy + 1 == core->bounds.assign_window_max) {
        for (uint8_t i = 0; i < agent->pool_count; i++) {
            gg_dispatch_pool(core, fx, agent->pools[i]);
        }
    }
}

void gg_line_up(struct gg_core *core, struct gg_job *job, bool front)
{
    gg_move(core, job, GG_JOB_READY);
    job->in_backoff = false;
    job->by_date = false;
    gg_queue_push(core, job, front);
    gg_job_arm(core, job);
}

void gg_make_ready(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                   bool front)
{
    gg_line_up(core, job, front);
    gg_dispatch_queue(core, fx, job->queue);
}

/* ---- leases ---- */

bool gg_lease_restore(struct gg_core *core, struct gg_job *job)
{
    struct gg_job_attempt *attempt = job->newest;
    struct gg_agent *agent = attempt->agent;
    insert_lease(attempt);
    struct gg_link *before = attempt->lease.prev;
    bool alone = before == &agent->leases || lease_at(before)->fence != attempt->fence;
    agent->busy++;
    gg_list_push_back(&job->queue->running, &job->line);
    job->queue->unstarted += job->started ? 0 : 1;
    attempt->lease_until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    attempt->start_by = gg_mono_add(core->now.mono, core->bounds.start_within_ms);
    return alone;
}

struct gg_pool *gg_lease_release(struct gg_job *job)
{
    struct gg_agent *agent = job->newest->agent;
    gg_list_remove(&job->newest->lease);
    gg_list_remove(&job->line);
    job->unsent = false;
    agent->busy--;
    if (!job->started) {
        job->queue->unstarted--;
    }
    struct gg_pool *pool = pool_of(agent, job->newest->pool);
    if (pool != NULL && pool->busy > 0) {
        pool->busy--;
    }
    return pool;
}

void gg_lease_started(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->started) {
        return;
    }
    job->started = true;
    job->queue->unstarted--;
    gg_watch_moment(core, fx, job, GG_MOMENT_STARTED);
    gg_settles_check(core, fx);
}

void gg_lease_stop(struct gg_core *core, struct gg_effects *fx,
                   const struct gg_job *job, enum gg_stop reason)
{
    const struct gg_job_attempt *attempt = gg_job_newest(job);
    if (attempt->agent == NULL || attempt->agent->peer == GG_PEER_NONE || job->unsent) {
        return;
    }
    struct gg_stop_info stop = {.id = job->id,
                                .fence = attempt->fence,
                                .reason = reason,
                                .grace_ms = core->bounds.grace_ms};
    gg_say(core, fx, attempt->agent->peer, 0, GG_CMD_STOP, &stop, job->seq);
}

/* Its agent is out of reach and may begin it until its start-by time, whoever has the
 * job by then. What comes of it is not heard for sure, so nothing takes it back. */
static void cast_adrift(const struct gg_core *core, const struct gg_job *job)
{
    if (!job->started && !gg_mono_reached(job->newest->start_by, core->now.mono)) {
        gg_adrift_add(&job->queue->adrift, core->now.mono, core->bounds.start_within_ms,
                      job->newest->start_by);
    }
}

bool gg_lease_is_adrift(const struct gg_core *core, const struct gg_job *job)
{
    return job->state == GG_JOB_READY && job->lost && !job->started &&
           !gg_mono_reached(gg_job_newest(job)->start_by, core->now.mono);
}

void gg_lease_lost(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                   enum gg_lease_end why)
{
    bool back = why == GG_LEASE_HANDED_BACK;
    gg_watch_job(
        core, fx, job,
        &(struct gg_entry){.kind = GG_MOMENT_LEASE_LOST,
                           .error = back ? GG_ERR_WITHDRAWN : GG_ERR_LEASE_LOST});
    struct gg_agent *agent = job->newest->agent;
    if (why == GG_LEASE_GIVEN_UP && !job->unsent) {
        cast_adrift(core, job);
    } else {
        job->newest->start_by = (struct gg_mono){0};
    }
    struct gg_pool *pool = gg_lease_release(job);
    core->stat[GG_STAT_LEASES_LOST]++;
    if (!back || job->kept_running) {
        gg_persist(core, job); /* The attempt counts, also over a restart. */
    }
    if (job->cancelling) {
        gg_finish(core, fx, job, GG_JOB_CANCELLED, GG_ERR_CANCELLED);
    } else if (back && !(gg_job_at_most_once(job) && job->started)) {
        job->attempt--;
        gg_make_ready(core, fx, job, true);
    } else if (gg_job_at_most_once(job) || job->attempt >= job->attempts_max) {
        gg_finish(core, fx, job, GG_JOB_FAILED, GG_ERR_LEASE_LOST);
    } else {
        job->error = GG_ERR_LEASE_LOST;
        job->lost = true;
        gg_make_ready(core, fx, job, true);
    }
    gg_dispatch_freed(core, fx, agent, pool);
    gg_settles_check(core, fx);
}

void gg_lease_unreadable(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job, const char *why)
{
    struct gg_extra *extra = gg_job_extra(core, job);
    if (extra != NULL) {
        gg_job_text(core, job, &extra->error_text, gg_slice_text(why),
                    GG_TEXT_BYTES_MAX);
    }
    struct gg_agent *agent = job->newest->agent;
    struct gg_pool *pool = gg_lease_release(job);
    gg_finish(core, fx, job, GG_JOB_FAILED, GG_ERR_STORE);
    gg_dispatch_freed(core, fx, agent, pool);
    gg_settles_check(core, fx);
}

void gg_lease_due(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->unsent) { /* It begins when the payload has been read. */
        job->newest->lease_until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    }
    if (!gg_mono_reached(job->newest->lease_until, core->now.mono)) {
        gg_job_arm(core, job); /* Renewed since the timer was set. */
        return;
    }
    gg_lease_stop(core, fx, job, GG_STOP_STALE);
    gg_lease_lost(core, fx, job, GG_LEASE_LOST);
}

static bool held_by(const struct gg_job *job, const struct gg_agent *agent)
{
    return job->state == GG_JOB_RUNNING && job->newest->agent == agent;
}

/* Renewal only moves the deadline; the timer finds out when it is due. Both the
 * agent's list and the list of leases rise by fence, so one walk does; an agent that
 * lists them in another order starts the walk again, but not without end. */
void gg_leases_renew(struct gg_core *core, struct gg_agent *agent, struct gg_list held)
{
    enum { RESTARTS_MAX = 8 };
    struct gg_mono until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    struct gg_link *place = agent->leases.next;
    uint64_t last = 0;
    int restarts = 0;
    uint64_t fence = 0;
    while (gg_list_next_num(&held, &fence)) {
        if (fence < last && restarts++ < RESTARTS_MAX) {
            place = agent->leases.next;
        }
        last = fence;
        while (place != &agent->leases && lease_at(place)->fence < fence) {
            place = place->next;
        }
        if (place != &agent->leases && lease_at(place)->fence == fence) {
            lease_at(place)->lease_until = until;
        }
    }
}

void gg_leases_extend(struct gg_core *core, struct gg_agent *agent)
{
    struct gg_mono until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    GG_LIST_EACH(&agent->leases, it)
    {
        lease_at(it)->lease_until = until;
    }
}

void gg_leases_end_all(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, enum gg_lease_end why)
{
    struct gg_link *first;
    while ((first = gg_list_first(&agent->leases)) != NULL) {
        gg_lease_lost(core, fx, lease_at(first)->job, why);
    }
}

/* ---- after a new session ---- */

static void stop_unknown(struct gg_core *core, struct gg_effects *fx,
                         struct gg_agent *agent, const struct gg_held *held,
                         enum gg_stop reason)
{
    struct gg_stop_info stop = {.id = held->id,
                                .fence = held->fence,
                                .reason = reason,
                                .grace_ms = core->bounds.grace_ms};
    gg_say(core, fx, agent->peer, 0, GG_CMD_STOP, &stop, 0);
}

/* Can the attempt go on under its fence? Its lease had ended, but neither an outcome
 * nor a newer attempt came since. (An outcome that is still to be confirmed comes
 * again: taken back, it would count twice.) */
static bool may_take_back(const struct gg_job *job, const struct gg_agent *agent,
                          uint64_t fence)
{
    return job->state == GG_JOB_READY && job->lost &&
           gg_job_newest(job)->agent == agent && gg_job_newest(job)->fence == fence &&
           !gg_job_at_most_once(job);
}

/* Was the attempt given by a broker before this one, after the last record of the job?
 * Assignments of jobs that may run twice leave none. */
static bool is_unrecorded(const struct gg_core *core, const struct gg_job *job,
                          uint64_t fence)
{
    uint64_t known = gg_job_newest(job)->fence;
    return fence > known && fence >> GG_FENCE_SHIFT < core->epoch &&
           (gg_job_waits(job) ||
            (job->state == GG_JOB_RUNNING && known >> GG_FENCE_SHIFT < core->epoch));
}

/* Take over an attempt that no record tells of; job->newest is there to hold it. */
static void adopt(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                  struct gg_agent *agent, const struct gg_held *held)
{
    struct gg_agent *before = NULL;
    struct gg_pool *freed = NULL;
    if (job->state == GG_JOB_RUNNING) { /* Two have it: the older one must not. */
        gg_lease_stop(core, fx, job, GG_STOP_STALE);
        before = job->newest->agent;
        freed = gg_lease_release(job);
        gg_move(core, job, GG_JOB_READY);
    } else {
        if (job->state == GG_JOB_SCHEDULED) {
            gg_line_up(core, job, false);
        }
        gg_queue_pull(job);
    }
    if (job->attempt < job->attempts_max) {
        job->attempt++;
    }
    job->newest->fence = held->fence;
    job->newest->started_at = core->now.wall;
    job->newest->start_by = gg_mono_add(core->now.mono, core->bounds.start_within_ms);
    hold_lease(core, job, agent, (uint8_t)held->pool);
    if (job->terms->unique_until == GG_UNIQUE_STARTED) {
        gg_registry_drop_key(core, job);
    }
    gg_watch_moment(core, fx, job, GG_MOMENT_ASSIGNED);
    if (before != NULL) {
        gg_dispatch_freed(core, fx, before, freed);
    }
}

/* One attempt that the agent has in hand. */
static void settle_one(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, const struct gg_held *held)
{
    struct gg_job *job = gg_registry_by_id(core, &held->id);
    if (job == NULL) {
        bool older = held->fence >> GG_FENCE_SHIFT < core->epoch;
        stop_unknown(core, fx, agent, held,
                     older ? GG_STOP_LOST_WITH_BROKER : GG_STOP_STALE);
        return;
    }
    bool taken = held_by(job, agent) && job->newest->fence == held->fence;
    if (!taken && is_unrecorded(core, job, held->fence) &&
        gg_job_attempt_get(core, job) != NULL) {
        adopt(core, fx, job, agent, held);
        taken = true;
    }
    if (!taken && may_take_back(job, agent, held->fence)) {
        gg_queue_pull(job);
        hold_lease(core, job, agent, (uint8_t)held->pool);
        taken = true;
    }
    if (!taken) {
        stop_unknown(core, fx, agent, held, GG_STOP_STALE);
        return;
    }
    job->newest->pool = (uint8_t)held->pool;
    job->newest->lease_until = gg_mono_add(core->now.mono, core->bounds.lease_ms);
    job->settled = true;
    if (held->started) {
        gg_lease_started(core, fx, job);
    }
    if (job->cancelling) {
        gg_lease_stop(core, fx, job, GG_STOP_CANCELLED);
    } else if (job->queue->paused && !job->started) {
        gg_lease_stop(core, fx, job, GG_STOP_WITHDRAWN); /* Paused while it was away. */
    }
}

void gg_leases_settle(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent, struct gg_list held)
{
    struct gg_held one;
    struct gg_fault fault;
    while (gg_list_next_record(&held, GG_RECORD_HELD, &one, &fault)) {
        settle_one(core, fx, agent, &one);
    }
    /* What the agent does not have in hand never reached it. */
    struct gg_link lost;
    gg_list_init(&lost);
    GG_LIST_EACH(&agent->leases, it)
    {
        struct gg_job *job = lease_at(it)->job;
        if (!job->settled) {
            gg_list_remove(it);
            gg_list_push_back(&lost, it);
        }
        job->settled = false;
    }
    struct gg_link *first;
    while ((first = gg_list_first(&lost)) != NULL) {
        struct gg_job *job = lease_at(first)->job;
        gg_lease_lost(core, fx, job,
                      job->started ? GG_LEASE_LOST : GG_LEASE_HANDED_BACK);
    }
}
