#include "broker/core/recover.h"

#include <stdlib.h>

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/lease.h"
#include "broker/core/operate.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/terms.h"
#include "broker/core/timers.h"
#include "common/assert.h"

/* A job that has been read, until all are there: order decides. */
struct found {
    uint64_t order;
    struct gg_job *job;
    uint8_t state;
    bool key_held;
};

struct gg_recovery {
    struct gg_keep_meta meta;
    bool has_meta;
    struct found *found;
    size_t count;
    size_t room;
    uint32_t held_queues;
    struct gg_mono until;    /* Then nobody is awaited any longer. */
    struct gg_mono start_by; /* Of all that was given before. */
    uint32_t *expiring;      /* Places of jobs held that have a start deadline. */
    size_t expiring_count;
    size_t expiring_room;
};

static struct gg_recovery *recovery_of(struct gg_core *core)
{
    if (core->recovery == NULL) {
        core->recovery = calloc(1, sizeof *core->recovery);
    }
    return core->recovery;
}

static void free_recovery(struct gg_core *core)
{
    free(core->recovery->found);
    free(core->recovery->expiring);
    free(core->recovery);
    core->recovery = NULL;
}

void gg_recover_fini(struct gg_core *core)
{
    if (core->recovery == NULL) {
        return;
    }
    for (size_t i = 0; i < core->recovery->count; i++) {
        /* Reading has ended early: the registry does not know these yet. */
        gg_registry_empty(core, core->recovery->found[i].job);
    }
    free_recovery(core);
}

/* ---- records: queues, agents ---- */

static enum gg_err restore_queue(struct gg_core *core, const struct gg_keep_queue *from)
{
    struct gg_queue *queue = NULL;
    enum gg_err err = gg_queue_get(core, from->realm, from->queue, &queue);
    if (err != GG_OK) {
        return err;
    }
    queue->paused = from->paused != 0;
    queue->paused_at = (struct gg_wall){(int64_t)from->paused_at};
    gg_text_replace(&queue->pause_reason, from->reason, GG_TEXT_BYTES_MAX);
    return GG_OK;
}

static enum gg_err restore_agent(struct gg_core *core, struct gg_slice record,
                                 const struct gg_keep_agent *from)
{
    struct gg_agent *agent = gg_agent_restore(core, from->name);
    if (agent == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    agent->incarnation = from->incarnation;
    agent->pid = from->pid;
    agent->seq = 1; /* It has a record, and that is durable. */
    gg_text_replace(&agent->host, from->host, 255);
    gg_text_replace(&agent->program, from->program, 64);
    gg_blob_unref(&agent->awaited);
    agent->awaited = gg_blob_new(record);
    return agent->awaited == NULL ? GG_ERR_NO_MEMORY : GG_OK;
}

/* ---- records: jobs ---- */

static enum gg_err restore_blob(struct gg_blob **blob_p, struct gg_slice bytes)
{
    if (bytes.len > 0) {
        *blob_p = gg_blob_new(bytes);
        return *blob_p == NULL ? GG_ERR_NO_MEMORY : GG_OK;
    }
    return GG_OK;
}

static bool restore_moment(struct gg_core *core, struct gg_job *job,
                           struct gg_extra *extra, struct gg_slice entry)
{
    struct gg_keep_moment from;
    struct gg_keep_fault fault;
    if (!gg_keep_form_read(entry, GG_FORM_MOMENT, &from, &fault)) {
        return false;
    }
    struct gg_entry moment = {
        .at = {(int64_t)from.at},
        .until = {(int64_t)from.until_at},
        .fence = from.fence,
        .attempt = (uint16_t)from.attempt,
        .error = (uint16_t)from.error,
        .exit_status = (int16_t)((int)from.exit_status - 1),
        .signal = (uint8_t)from.signal,
        .kind = (uint8_t)from.kind,
        .state = (uint8_t)from.state,
    };
    const struct gg_agent *agent = gg_job_newest(job)->agent;
    if (agent != NULL && gg_slice_equal(from.worker, gg_blob_slice(agent->name))) {
        moment.worker = gg_blob_ref(agent->name); /* Most often the same. */
    } else {
        gg_text_replace(&moment.worker, from.worker, GG_NAME_BYTES_MAX);
    }
    gg_text_replace(&moment.text, from.text, GG_TEXT_BYTES_MAX);
    gg_text_replace(&moment.output, from.output, GG_TAIL_BYTES_MAX);
    gg_charge(core, job, gg_history_add(&extra->history, &moment));
    return true;
}

/* What few jobs have. False: no memory, or a list that is none. */
static bool restore_extra(struct gg_core *core, struct gg_job *job,
                          const struct gg_keep_job *from)
{
    if (from->tags.len + from->history.len + from->backoff_list.len +
                from->error_text.len + from->checkpoint.len + from->payload_apart ==
            0 &&
        !gg_is_large(from->payload.len)) {
        return true;
    }
    struct gg_extra *extra = gg_job_extra(core, job);
    if (extra == NULL) {
        return false;
    }
    struct gg_slice rest = from->tags;
    struct gg_slice entry;
    while (rest.len > 0) {
        if (extra->tag_count == GG_TAGS_MAX || !gg_keep_list_next(&rest, &entry) ||
            (extra->tags[extra->tag_count] = gg_blob_new(entry)) == NULL) {
            return false;
        }
        extra->tag_count++;
        gg_charge(core, job, (int64_t)entry.len);
    }
    extra->payload_bytes = from->payload_apart;
    rest = from->backoff_list;
    while (rest.len > 0) {
        if (extra->backoff_count == GG_BACKOFFS_MAX ||
            !gg_keep_number_next(&rest, &extra->backoff_list[extra->backoff_count])) {
            return false;
        }
        extra->backoff_count++;
    }
    rest = from->history;
    while (rest.len > 0) {
        if (!gg_keep_list_next(&rest, &entry) ||
            !restore_moment(core, job, extra, entry)) {
            return false;
        }
    }
    if (extra->history != NULL) {
        extra->history->dropped += (uint32_t)from->history_dropped;
    }
    gg_job_text(core, job, &extra->error_text, from->error_text, GG_TEXT_BYTES_MAX);
    gg_job_text(core, job, &extra->checkpoint, from->checkpoint,
                GG_CHECKPOINT_BYTES_MAX);
    return true;
}

/* Those of the broker's own clock are translated in settle(). */
static void restore_times(struct gg_job *job, const struct gg_keep_job *from)
{
    job->by_date = from->state == GG_JOB_SCHEDULED && from->run_at != 0;
    if (job->by_date) {
        job->run_at = (struct gg_wall){(int64_t)from->run_at};
    } else {
        job->due = (struct gg_mono){(int64_t)from->due_on};
    }
    if (from->state >= GG_JOB_SUCCEEDED) {
        job->finished_at = (struct gg_wall){(int64_t)from->finished_at};
    } else if (from->expires_on != 0) {
        job->expires = (struct gg_mono){(int64_t)from->expires_on};
    }
}

static bool restore_terms(struct gg_core *core, struct gg_job *job,
                          const struct gg_keep_job *from)
{
    struct gg_terms terms = {
        .run_timeout_ms = from->run_timeout_ms,
        .keep_ms = from->keep_ms,
        .keep_failed_ms = from->keep_failed_ms,
        .backoff_ms = from->backoff_ms,
        .backoff_max_ms = from->backoff_max_ms,
        .attempts = (uint16_t)from->attempts,
        .backoff = (uint8_t)from->backoff,
        .unique_until = (uint8_t)from->unique_until,
    };
    job->terms = gg_terms_get(core, &terms);
    return job->terms != NULL;
}

static enum gg_err restore_attempt(struct gg_core *core, struct gg_job *job,
                                   const struct gg_keep_job *from)
{
    if (from->fence == 0 && from->agent.len == 0 && from->result.len == 0 &&
        from->result_bytes == 0 && from->result_apart == 0 &&
        from->state != GG_JOB_FAILED) {
        return GG_OK; /* It never had one. */
    }
    struct gg_job_attempt *attempt = gg_job_attempt_get(core, job);
    if (attempt == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    attempt->fence = from->fence;
    attempt->pool = (uint8_t)from->pool;
    attempt->exit_status = (int16_t)((int)from->exit_status - 1);
    attempt->signal = (uint8_t)from->signal;
    attempt->started_at = (struct gg_wall){(int64_t)from->started_at};
    attempt->result_bytes = from->result_bytes;
    if (from->agent.len > 0 && from->state != GG_JOB_EVICTED) {
        struct gg_agent *agent = gg_agent_restore(core, from->agent);
        if (agent == NULL) {
            return GG_ERR_NO_MEMORY;
        }
        attempt->agent = gg_agent_ref(agent);
    }
    return restore_blob(&attempt->result, from->result);
}

static enum gg_err restore_key(struct gg_job *job, const struct gg_keep_job *from)
{
    if (from->key.len > 0) {
        job->key = gg_key_new(from->key, from->payload_digest);
        return job->key == NULL ? GG_ERR_NO_MEMORY : GG_OK;
    }
    return GG_OK;
}

static void restore_numbers(struct gg_job *job, const struct gg_keep_job *from)
{
    job->number = from->number;
    job->priority = (uint8_t)from->priority;
    job->durability = GG_DURABILITY_FSYNC;
    job->attempt = (uint16_t)from->attempt;
    job->attempts_max = (uint16_t)from->attempts_max;
    job->started = from->started != 0;
    job->cancelling = from->cancelling != 0 && from->state == GG_JOB_RUNNING;
    job->lost = from->lost != 0;
    job->in_backoff = from->in_backoff != 0;
    job->crashes = (uint8_t)from->crashes;
    job->error = (uint16_t)from->error;
    job->payload_apart = from->payload_apart != 0;
    job->result_apart = from->result_apart != 0;
    job->submitted_at = (struct gg_wall){(int64_t)from->submitted_at};
    restore_times(job, from);
    job->seq = 1; /* It has a record, and that is durable. */
    job->kept_running = from->state == GG_JOB_RUNNING;
}

/* A record that is whole can still say what no job can be. */
static bool makes_sense(const struct gg_keep_job *from)
{
    bool running = from->state == GG_JOB_RUNNING;
    if (from->state == GG_JOB_BLOCKED ||
        (from->backoff == GG_BACKOFF_LIST && from->backoff_list.len == 0) ||
        (from->attempts == 0 && from->state != GG_JOB_EVICTED) ||
        (from->payload.len > 0 && from->payload_apart != 0) ||
        (from->result.len > 0 && from->result_apart != 0)) {
        return false;
    }
    return gg_name_valid(from->queue) &&
           (from->realm.len == 0 || gg_name_valid(from->realm)) &&
           (from->attempt <= from->attempts_max || from->state == GG_JOB_EVICTED) &&
           (!running || (from->agent.len > 0 && from->attempt > 0 && from->fence > 0));
}

static bool note_found(struct gg_core *core, struct gg_job *job,
                       const struct gg_keep_job *from)
{
    struct gg_recovery *recovery = core->recovery;
    if (recovery->count == recovery->room) {
        size_t room = recovery->room == 0 ? 1024 : recovery->room * 2;
        struct found *found = realloc(recovery->found, room * sizeof *found);
        if (found == NULL) {
            return false;
        }
        recovery->found = found;
        recovery->room = room;
    }
    recovery->found[recovery->count++] = (struct found){
        .order = from->state == GG_JOB_FAILED ? from->finished_at : from->number,
        .job = job,
        .state = (uint8_t)from->state,
        .key_held = from->key_held != 0,
    };
    return true;
}

static enum gg_err fill_job(struct gg_core *core, struct gg_job *job,
                            const struct gg_keep_job *from)
{
    restore_numbers(job, from);
    if (!restore_terms(core, job, from) || restore_attempt(core, job, from) != GG_OK ||
        restore_blob(&job->payload, from->payload) != GG_OK ||
        restore_key(job, from) != GG_OK) {
        return GG_ERR_NO_MEMORY;
    }
    gg_charge(core, job,
              (int64_t)(from->payload.len + from->result.len + from->key.len));
    gg_job_set_retention(job);
    return restore_extra(core, job, from) && note_found(core, job, from)
               ? GG_OK
               : GG_ERR_NO_MEMORY;
}

static enum gg_err restore_job(struct gg_core *core, const struct gg_id *id,
                               const struct gg_keep_job *from, const char **out_what)
{
    struct gg_queue *queue = NULL;
    *out_what = "the record of a job contradicts itself";
    if (!makes_sense(from)) {
        return GG_ERR_STORE;
    }
    enum gg_err err = gg_queue_get(core, from->realm, from->queue, &queue);
    if (err != GG_OK) {
        *out_what = "queues_max or realms_max is below what is kept";
        return err;
    }
    *out_what = "out of memory";
    struct gg_job *job = gg_queue_reserve(queue, (uint8_t)from->priority) == GG_OK
                             ? gg_registry_add(core, queue, id)
                             : NULL;
    if (job == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    err = fill_job(core, job, from);
    if (err != GG_OK) {
        gg_registry_remove(core, job);
    }
    core->job_number = from->number > core->job_number ? from->number
                                                       : core->job_number;
    return err;
}

enum gg_err gg_core_restore(struct gg_core *core, enum gg_keep_kind kind,
                            const struct gg_id *id, struct gg_slice record,
                            const char **out_what)
{
    union {
        struct gg_keep_meta meta;
        struct gg_keep_job job;
        struct gg_keep_queue queue;
        struct gg_keep_agent agent;
    } from;
    struct gg_keep_fault fault = {0};
    struct gg_recovery *recovery = recovery_of(core);
    *out_what = "out of memory";
    if (recovery == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    enum gg_err err = gg_keep_read(record, kind, id, &from, &fault);
    if (err != GG_OK) {
        *out_what = fault.what;
        return err;
    }
    switch (kind) {
    case GG_KEEP_META:
        recovery->meta = from.meta;
        recovery->has_meta = true;
        core->job_number = from.meta.job_number;
        return GG_OK;
    case GG_KEEP_QUEUE:
        *out_what = "queues_max or realms_max is below what is kept";
        return restore_queue(core, &from.queue);
    case GG_KEEP_AGENT:
        return restore_agent(core, record, &from.agent);
    case GG_KEEP_JOB:
        return restore_job(core, id, &from.job, out_what);
    case GG_KEEP_KIND_COUNT:
        break;
    }
    GG_BUG("a kind that was read");
}

/* ---- clocks ---- */

/* The broker's clock goes on from its mark, by as much as the wall clock has; a wall
 * clock that was set back does not set it back. */
static void set_clocks(struct gg_core *core)
{
    const struct gg_keep_meta *mark = &core->recovery->meta;
    int64_t on = core->now.wall.ms > 0 ? core->now.wall.ms : 1;
    if (core->recovery->has_meta) {
        int64_t away = core->now.wall.ms - (int64_t)mark->mark_at;
        on = (int64_t)mark->mark_on + (away > 0 ? away : 0);
        core->mark_at = (struct gg_wall){(int64_t)mark->mark_at};
    }
    core->clock_ahead_ms = on - core->now.mono.ms;
    int64_t wall = core->now.wall.ms > core->mark_at.ms ? core->now.wall.ms
                                                        : core->mark_at.ms;
    core->steady_ahead_ms = wall - core->now.mono.ms;
}

/* ---- jobs find their places ---- */

static int by_order(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* Two records can say that they hold one key, when the one's key became free without a
 * record: the job accepted last holds it. */
static bool hold_key(struct gg_core *core, struct gg_job *job)
{
    if (job->key == NULL) {
        return true;
    }
    struct gg_job *other = gg_registry_by_key(core, job->queue, gg_job_key(job));
    if (other != NULL && other->number > job->number) {
        return true;
    }
    if (other != NULL) {
        gg_registry_drop_key(core, other);
    }
    if (gg_index_reserve(&core->by_key, 1) != GG_OK) {
        return false;
    }
    gg_registry_hold_key(core, job);
    return true;
}

/* Its start deadline may pass while it is held: it may have started in time. */
static bool note_expiring(struct gg_core *core, const struct gg_job *job)
{
    struct gg_recovery *recovery = core->recovery;
    if (!job->recovered || job->expires.ms == INT64_MAX) {
        return true;
    }
    if (recovery->expiring_count == recovery->expiring_room) {
        size_t room = recovery->expiring_room == 0 ? 64 : recovery->expiring_room * 2;
        uint32_t *expiring = realloc(recovery->expiring, room * sizeof *expiring);
        if (expiring == NULL) {
            return false;
        }
        recovery->expiring = expiring;
        recovery->expiring_room = room;
    }
    recovery->expiring[recovery->expiring_count++] = job->index;
    return true;
}

static enum gg_err settle(struct gg_core *core, const struct found *found)
{
    enum gg_err err = GG_OK;
    struct gg_job *job = found->job;
    if (!job->by_date) {
        job->due = gg_clock_back(core, (uint64_t)job->due.ms);
    }
    if (found->state < GG_JOB_SUCCEEDED && job->expires.ms != INT64_MAX) {
        job->expires = gg_clock_back(core, (uint64_t)job->expires.ms);
    }
    gg_restore_state(core, job, (enum gg_job_state)found->state);
    if (found->key_held && !hold_key(core, job)) {
        return GG_ERR_NO_MEMORY;
    }
    if (job->state == GG_JOB_SCHEDULED) {
        job->recovered = true;
    } else if (job->state == GG_JOB_READY) {
        job->recovered = true;
        gg_queue_push(core, job, false);
        int64_t age_ms = core->now.wall.ms - job->submitted_at.ms;
        job->ready_since.ms -= age_ms > 0 ? age_ms : 0;
    } else if (job->state == GG_JOB_RUNNING) {
        err = gg_lease_restore(core, job) ? GG_OK : GG_ERR_STORE;
    }
    if (job->state == GG_JOB_FAILED) {
        gg_list_push_back(&core->dead, &job->line);
        job->newest->dead_charged = job->charged;
        core->dead_bytes += job->charged;
    }
    gg_job_arm(core, job);
    return note_expiring(core, job) ? err : GG_ERR_NO_MEMORY;
}

/* ---- who is awaited ---- */

/* Call `each` for every queue that the agent served before the restart. */
static void each_queue(struct gg_core *core, const struct gg_agent *agent,
                       void (*each)(struct gg_core *core, struct gg_queue *queue))
{
    struct gg_keep_agent record;
    struct gg_keep_pool pool;
    struct gg_keep_fault fault;
    struct gg_slice bytes = gg_blob_slice(agent->awaited);
    bytes = gg_slice_of(bytes.data + GG_KEEP_HEAD_BYTES,
                        bytes.len - GG_KEEP_HEAD_BYTES);
    if (!gg_keep_form_read(bytes, GG_FORM_AGENT, &record, &fault)) {
        return;
    }
    for (uint32_t i = 0; i < core->queue_count; i++) {
        struct gg_queue *queue = core->queues[i];
        struct gg_slice pools = record.pools;
        struct gg_slice entry;
        bool serves = false;
        while (!serves && gg_keep_list_next(&pools, &entry) &&
               gg_keep_form_read(entry, GG_FORM_POOL, &pool, &fault)) {
            struct gg_slice pattern;
            while (!serves && gg_keep_list_next(&pool.patterns, &pattern)) {
                serves = gg_queue_fits(queue, pool.realm, pattern);
            }
        }
        if (serves) {
            each(core, queue);
        }
    }
}

static void await(struct gg_core *core, struct gg_queue *queue)
{
    (void)core;
    queue->awaited++;
}

/* Lines for the jobs of a queue whose agents are awaited. */
static enum gg_err hold_queue(struct gg_core *core, struct gg_queue *queue)
{
    queue->held = malloc(GG_PRIORITIES * sizeof *queue->held);
    if (queue->held == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    for (int i = 0; i < GG_PRIORITIES; i++) {
        gg_list_init(&queue->held[i]);
    }
    queue->held_until = core->recovery->until;
    core->recovery->held_queues++;
    return GG_OK;
}

/* Those that were held stand before all that came since. */
static void release(struct gg_core *core, struct gg_queue *queue)
{
    struct gg_link *held = queue->held;
    queue->held = NULL;
    core->recovery->held_queues--;
    for (int i = 0; i < GG_PRIORITIES; i++) {
        if (gg_list_empty(&held[i])) {
            continue;
        }
        struct gg_link *line = gg_queue_line(queue, (uint8_t)i);
        held[i].prev->next = line->next;
        line->next->prev = held[i].prev;
        line->next = held[i].next;
        line->next->prev = line;
        gg_queue_mark(queue, (uint8_t)i);
    }
    free(held);
}

static void no_longer_await(struct gg_core *core, struct gg_queue *queue)
{
    if (queue->awaited > 0 && --queue->awaited == 0 && gg_queue_holds(queue)) {
        release(core, queue);
    }
}

/* Start deadlines count again. */
static void arm_expiring(struct gg_core *core)
{
    const struct gg_recovery *recovery = core->recovery;
    for (size_t i = 0; i < recovery->expiring_count; i++) {
        struct gg_job *job = gg_registry_at(core, recovery->expiring[i]);
        if (job != NULL && job->recovered) {
            gg_job_arm(core, job);
        }
    }
}

static void end_if_done(struct gg_core *core)
{
    if (core->recovery->held_queues == 0) {
        free_recovery(core);
    }
}

void gg_recover_agent(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent)
{
    if (agent->awaited == NULL) {
        return;
    }
    if (core->recovery != NULL) {
        each_queue(core, agent, no_longer_await);
        arm_expiring(core);
        end_if_done(core);
        for (uint32_t i = 0; i < core->queue_count; i++) {
            gg_dispatch_queue(core, fx, core->queues[i]);
        }
        gg_settles_check(core, fx);
    }
    gg_blob_unref(&agent->awaited);
}

uint32_t gg_recover_silent(const struct gg_core *core, const struct gg_queue *queue)
{
    const struct gg_recovery *recovery = core->recovery;
    bool over = recovery == NULL || gg_mono_reached(recovery->start_by, core->now.mono);
    return over ? 0 : queue->awaited;
}

bool gg_recover_next(const struct gg_core *core, struct gg_mono *out_at)
{
    if (core->recovery != NULL) {
        *out_at = core->recovery->until;
    }
    return core->recovery != NULL;
}

void gg_recover_due(struct gg_core *core, struct gg_effects *fx)
{
    if (core->recovery == NULL ||
        !gg_mono_reached(core->recovery->until, core->now.mono)) {
        return;
    }
    for (uint32_t i = 0; i < core->queue_count; i++) {
        struct gg_queue *queue = core->queues[i];
        queue->unheard = queue->awaited > 0;
        queue->awaited = 0;
        if (gg_queue_holds(queue)) {
            release(core, queue);
        }
    }
    arm_expiring(core);
    end_if_done(core);
    for (uint32_t i = 0; i < core->queue_count; i++) {
        gg_dispatch_queue(core, fx, core->queues[i]);
    }
}

/* ---- all records have been read ---- */

static enum gg_err hold_queues(struct gg_core *core)
{
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        if (agent->awaited != NULL) {
            each_queue(core, agent, await);
        }
    }
    for (uint32_t i = 0; i < core->queue_count; i++) {
        if (core->queues[i]->awaited > 0 &&
            hold_queue(core, core->queues[i]) != GG_OK) {
            return GG_ERR_NO_MEMORY;
        }
    }
    return GG_OK;
}

static void raise_epoch(struct gg_core *core)
{
    const struct gg_recovery *recovery = core->recovery;
    uint64_t past = recovery->meta.epoch;
    for (size_t i = 0; i < recovery->count; i++) {
        const struct gg_job_attempt *attempt = gg_job_newest(recovery->found[i].job);
        uint64_t epoch = attempt->fence >> GG_FENCE_SHIFT;
        past = epoch > past ? epoch : past;
    }
    core->epoch = past >= core->epoch ? past + 1 : core->epoch;
    core->fence_epoch = core->epoch;
}

enum gg_err gg_core_restored(struct gg_core *core, struct gg_now now,
                             uint64_t record_number, struct gg_effects *fx)
{
    struct gg_recovery *recovery = recovery_of(core);
    if (recovery == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    core->now = now;
    core->record_number = record_number;
    set_clocks(core);
    raise_epoch(core);
    recovery->until = gg_mono_add(now.mono, core->bounds.lease_ms);
    recovery->start_by = gg_mono_add(now.mono, core->bounds.start_within_ms);
    if (hold_queues(core) != GG_OK) {
        return GG_ERR_NO_MEMORY;
    }
    if (recovery->count > 1) {
        qsort(recovery->found, recovery->count, sizeof *recovery->found, by_order);
    }
    enum gg_err err = GG_OK;
    for (size_t i = 0; i < recovery->count; i++) {
        enum gg_err one = settle(core, &recovery->found[i]);
        err = err == GG_OK ? one : err;
    }
    recovery->count = 0;
    gg_persist_meta(core, fx);
    gg_agents_await(core, recovery->until);
    end_if_done(core);
    return err;
}

uint64_t gg_core_epoch(const struct gg_core *core)
{
    return core->epoch;
}
