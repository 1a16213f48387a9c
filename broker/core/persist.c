#include "broker/core/persist.h"

#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/registry.h"
#include "common/assert.h"

enum {
    MARK_BUSY_MS = 1000,  /* While records are written, the mark is so fresh. */
    MARK_IDLE_MS = 10000, /* Else this fresh. */
};

/* ---- clocks ---- */

static uint64_t clamp(int64_t ms)
{
    if (ms < 0) {
        return 0;
    }
    return (uint64_t)ms < GG_KEEP_TIME_MAX ? (uint64_t)ms : GG_KEEP_TIME_MAX;
}

uint64_t gg_clock_on(const struct gg_core *core, struct gg_mono at)
{
    if (core->clock_ahead_ms > 0 && at.ms > INT64_MAX - core->clock_ahead_ms) {
        return GG_KEEP_TIME_MAX;
    }
    return clamp(at.ms + core->clock_ahead_ms);
}

struct gg_mono gg_clock_back(const struct gg_core *core, uint64_t on)
{
    return (struct gg_mono){(int64_t)on - core->clock_ahead_ms};
}

/* ---- writing a record down ---- */

static void write_jobs(struct gg_core *core, struct gg_effects *fx);

static void write_record(struct gg_effects *fx, enum gg_keep_kind kind,
                         const struct gg_id *id, uint64_t number, const void *record)
{
    struct gg_effect *effect = gg_effect_begin(fx, GG_FX_PERSIST);
    if (effect == NULL) {
        return;
    }
    effect->kind = (uint8_t)kind;
    effect->id = *id;
    effect->after = number;
    gg_keep_write(&fx->arena, kind, id, record);
    gg_effect_end(fx, effect);
}

static void write_erasure(struct gg_effects *fx, enum gg_keep_kind kind,
                          const struct gg_id *id, uint64_t number)
{
    struct gg_effect *effect = gg_effect_begin(fx, GG_FX_ERASE);
    if (effect == NULL) {
        return;
    }
    effect->kind = (uint8_t)kind;
    effect->id = *id;
    effect->after = number;
    gg_effect_end(fx, effect);
}

/* What has a name instead of an id: hashes of it, the same on every machine. */
static struct gg_id id_of_name(struct gg_slice realm, struct gg_slice name)
{
    struct gg_id id;
    for (uint64_t half = 0; half < 2; half++) {
        uint64_t hash = gg_hash(name, gg_hash(realm, half + 1));
        memcpy(id.bytes + half * sizeof hash, &hash, sizeof hash);
    }
    return id;
}

/* ---- the broker itself ---- */

/* The fences may run on into the next epoch before the mark is written again. */
static uint64_t epoch_reached(const struct gg_core *core)
{
    return core->fence_epoch + (core->fence_count >> (GG_FENCE_SHIFT - 1) != 0 ? 1 : 0);
}

void gg_persist_meta(struct gg_core *core, struct gg_effects *fx)
{
    static const struct gg_id only;
    if (!core->bounds.durable) {
        return;
    }
    write_jobs(core, fx);
    struct gg_keep_meta record = {
        .epoch = epoch_reached(core),
        .mark_on = gg_clock_on(core, core->now.mono),
        .mark_at = clamp(core->now.wall.ms > core->mark_at.ms ? core->now.wall.ms
                                                              : core->mark_at.ms),
        .job_number = core->job_number,
    };
    core->marked = core->now.mono;
    write_record(fx, GG_KEEP_META, &only, ++core->record_number, &record);
}

bool gg_persist_due(const struct gg_core *core, struct gg_mono *out_at)
{
    *out_at = gg_mono_add(core->marked, MARK_IDLE_MS);
    return core->bounds.durable;
}

/* ---- queues and agents ---- */

void gg_persist_queue(struct gg_core *core, struct gg_effects *fx,
                      struct gg_queue *queue)
{
    if (!core->bounds.durable) {
        return;
    }
    write_jobs(core, fx);
    struct gg_id id = id_of_name(gg_name_slice(&queue->realm->name),
                                 gg_name_slice(&queue->name));
    queue->seq = ++core->record_number;
    if (!queue->paused) {
        write_erasure(fx, GG_KEEP_QUEUE, &id, queue->seq);
        return;
    }
    struct gg_keep_queue record = {
        .realm = gg_name_slice(&queue->realm->name),
        .queue = gg_name_slice(&queue->name),
        .paused = 1,
        .paused_at = clamp(queue->paused_at.ms),
        .reason = gg_blob_slice(queue->pause_reason),
    };
    write_record(fx, GG_KEEP_QUEUE, &id, queue->seq, &record);
}

static void list_pools(const struct gg_agent *agent, struct gg_buf *out)
{
    struct gg_buf patterns;
    gg_buf_init(&patterns, GG_KEEP_BYTES_MAX);
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        const struct gg_pool *pool = agent->pools[i];
        gg_buf_clear(&patterns);
        for (uint8_t j = 0; j < pool->pattern_count; j++) {
            gg_keep_list_add(&patterns, gg_name_slice(&pool->patterns[j]));
        }
        out->failed = out->failed || patterns.failed;
        struct gg_keep_pool entry = {
            .realm = gg_name_slice(&pool->realm),
            .patterns = gg_buf_slice(&patterns),
        };
        gg_keep_list_add_form(out, GG_FORM_POOL, &entry);
    }
    gg_buf_fini(&patterns);
}

void gg_persist_agent(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent)
{
    if (!core->bounds.durable) {
        return;
    }
    write_jobs(core, fx);
    gg_buf_clear(&core->scratch);
    list_pools(agent, &core->scratch);
    struct gg_id id = id_of_name((struct gg_slice){0}, gg_blob_slice(agent->name));
    struct gg_keep_agent record = {
        .name = gg_blob_slice(agent->name),
        .incarnation = agent->incarnation,
        .host = gg_blob_slice(agent->host),
        .pid = agent->pid,
        .program = gg_blob_slice(agent->program),
        .pools = gg_buf_slice(&core->scratch),
    };
    agent->seq = ++core->record_number;
    fx->dropped += core->scratch.failed;
    write_record(fx, GG_KEEP_AGENT, &id, agent->seq, &record);
}

void gg_erase_agent(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent)
{
    if (agent->seq == 0) {
        return;
    }
    write_jobs(core, fx);
    struct gg_id id = id_of_name((struct gg_slice){0}, gg_blob_slice(agent->name));
    agent->seq = 0;
    write_erasure(fx, GG_KEEP_AGENT, &id, ++core->record_number);
}

/* ---- jobs ---- */

/* Where a list stands in the scratch, which moves while it grows. */
struct place {
    size_t start;
    size_t end;
};

static struct gg_slice slice_at(const struct gg_buf *scratch, struct place place)
{
    return place.end == place.start
               ? (struct gg_slice){0}
               : gg_slice_of(scratch->data + place.start, place.end - place.start);
}

static void add_moment(struct gg_buf *scratch, const struct gg_entry *entry)
{
    struct gg_keep_moment record = {
        .at = clamp(entry->at.ms),
        .kind = entry->kind,
        .state = entry->state,
        .attempt = entry->attempt,
        .fence = entry->fence,
        .worker = gg_blob_slice(entry->worker),
        .error = entry->error,
        .text = gg_blob_slice(entry->text),
        .exit_status = (uint64_t)(entry->exit_status + 1),
        .signal = entry->signal,
        .output = gg_blob_slice(entry->output),
        .until_at = clamp(entry->until.ms),
    };
    gg_keep_list_add_form(scratch, GG_FORM_MOMENT, &record);
}

/* What few jobs have. */
static void describe_extra(struct gg_buf *scratch, const struct gg_extra *extra,
                           struct gg_keep_job *out)
{
    struct place tags = {scratch->len, 0};
    for (uint8_t i = 0; i < extra->tag_count; i++) {
        gg_keep_list_add(scratch, gg_blob_slice(extra->tags[i]));
    }
    tags.end = scratch->len;
    struct place delays = {scratch->len, 0};
    for (uint8_t i = 0; i < extra->backoff_count; i++) {
        gg_keep_number_add(scratch, extra->backoff_list[i]);
    }
    delays.end = scratch->len;
    struct place history = {scratch->len, 0};
    for (uint16_t i = 0; extra->history != NULL && i < extra->history->count; i++) {
        add_moment(scratch, &extra->history->entries[i]);
    }
    history.end = scratch->len;
    out->tags = slice_at(scratch, tags);
    out->backoff_list = slice_at(scratch, delays);
    out->history = slice_at(scratch, history);
    out->history_dropped = extra->history == NULL ? 0 : extra->history->dropped;
    out->error_text = gg_blob_slice(extra->error_text);
    out->checkpoint = gg_blob_slice(extra->checkpoint);
}

static void describe_times(const struct gg_core *core, const struct gg_job *job,
                           struct gg_keep_job *out)
{
    bool ended = gg_job_ended(job);
    if (job->state == GG_JOB_SCHEDULED && job->by_date) {
        out->run_at = clamp(job->run_at.ms);
    } else if (job->state == GG_JOB_SCHEDULED || ended) {
        out->due_on = gg_clock_on(core, job->due);
    }
    if (!ended && job->expires.ms != INT64_MAX) {
        out->expires_on = gg_clock_on(core, job->expires);
    }
    out->submitted_at = clamp(job->submitted_at.ms);
    out->started_at = clamp(gg_job_newest(job)->started_at.ms);
    out->finished_at = clamp(gg_job_finished_at(job).ms);
}

static void describe(const struct gg_core *core, const struct gg_job *job,
                     struct gg_keep_job *out)
{
    bool payload_here = !job->payload_apart;
    bool result_here = !job->result_apart;
    const struct gg_terms *terms = job->terms;
    const struct gg_job_attempt *attempt = gg_job_newest(job);
    *out = (struct gg_keep_job){
        .state = job->state,
        .queue = gg_name_slice(&job->queue->name),
        .number = job->number,
        .payload = gg_blob_slice(payload_here ? job->payload : NULL),
        .payload_apart = payload_here ? 0 : job->extra->payload_bytes,
        .payload_digest = job->key == NULL ? 0 : job->key->payload_digest,
        .key = gg_job_key(job),
        .key_held = job->key_held,
        .priority = job->priority,
        .attempt = job->attempt,
        .attempts_max = job->attempts_max,
        .attempts = terms->attempts,
        .unique_until = terms->unique_until,
        .run_timeout_ms = terms->run_timeout_ms,
        .keep_ms = terms->keep_ms,
        .keep_failed_ms = terms->keep_failed_ms,
        .backoff = terms->backoff,
        .backoff_ms = terms->backoff_ms,
        .backoff_max_ms = terms->backoff_max_ms,
        .fence = attempt->fence,
        .pool = attempt->pool,
        .started = job->started,
        .cancelling = job->cancelling,
        .lost = job->lost,
        .in_backoff = job->in_backoff,
        .crashes = job->crashes,
        .error = job->error,
        .exit_status = (uint64_t)(attempt->exit_status + 1),
        .signal = attempt->signal,
        .result = gg_blob_slice(result_here ? attempt->result : NULL),
        .result_bytes = attempt->result_bytes,
        .result_apart = job->result_apart,
    };
    if (!job->queue->realm->is_default) {
        out->realm = gg_name_slice(&job->queue->realm->name);
    }
    if (attempt->agent != NULL) {
        out->agent = gg_blob_slice(attempt->agent->name);
    }
    describe_times(core, job, out);
}

/* Of an evicted job only the id is remembered, and whom it may be shown to. */
static void describe_remembered(const struct gg_core *core, const struct gg_job *job,
                                struct gg_keep_job *out)
{
    gg_keep_default(GG_FORM_JOB, out);
    out->state = job->state;
    out->queue = gg_name_slice(&job->queue->name);
    if (!job->queue->realm->is_default) {
        out->realm = gg_name_slice(&job->queue->realm->name);
    }
    out->number = job->number;
    out->result_bytes = gg_job_newest(job)->result_bytes;
    out->due_on = gg_clock_on(core, job->due);
}

static void write_job(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    struct gg_keep_job record;
    gg_apart_write(core, fx, job);
    if (job->state == GG_JOB_EVICTED) {
        describe_remembered(core, job, &record);
    } else {
        describe(core, job, &record);
    }
    if (job->extra != NULL && job->state != GG_JOB_EVICTED) {
        gg_buf_clear(&core->scratch);
        describe_extra(&core->scratch, job->extra, &record);
        fx->dropped += core->scratch.failed; /* A record that is not whole is none. */
    }
    job->kept_running = job->state == GG_JOB_RUNNING;
    write_record(fx, GG_KEEP_JOB, &job->id, job->seq, &record);
    gg_apart_settle(core, job);
}

static void write_jobs(struct gg_core *core, struct gg_effects *fx)
{
    while (core->unkept_first != 0) {
        struct gg_job *job = gg_registry_slot(core, core->unkept_first - 1);
        core->unkept_first = job->unkept;
        core->unkept_last = job->unkept == 0 ? 0 : core->unkept_last;
        job->unkept = 0;
        write_job(core, fx, job);
    }
}

void gg_persist(struct gg_core *core, struct gg_job *job)
{
    if (!core->bounds.durable || job->durability != GG_DURABILITY_FSYNC) {
        return;
    }
    if (job->unkept != 0 || core->unkept_last == job->index + 1) {
        return; /* What waits for its number already waits for no other. */
    }
    job->seq = ++core->record_number;
    uint32_t self = job->index + 1;
    if (core->unkept_last == 0) {
        core->unkept_first = self;
    } else {
        gg_registry_slot(core, core->unkept_last - 1)->unkept = self;
    }
    core->unkept_last = self;
}

void gg_erase(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->seq == 0) {
        return;
    }
    write_jobs(core, fx); /* Its own, too: what has been said waits for that one. */
    job->seq = ++core->record_number;
    gg_apart_erase(core, fx, job);
    write_erasure(fx, GG_KEEP_JOB, &job->id, job->seq);
}

void gg_persist_step(struct gg_core *core, struct gg_effects *fx)
{
    struct gg_mono due;
    if (!core->bounds.durable) {
        return;
    }
    bool busy = core->unkept_first != 0;
    write_jobs(core, fx);
    if ((busy &&
         gg_mono_reached(gg_mono_add(core->marked, MARK_BUSY_MS), core->now.mono)) ||
        (gg_persist_due(core, &due) && gg_mono_reached(due, core->now.mono))) {
        gg_persist_meta(core, fx);
    }
}
