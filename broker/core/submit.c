#include "broker/core/submit.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/lease.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/registry.h"
#include "broker/core/terms.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"
#include "common/codec.h"

/* How one submission fares; the text is for the error that answers it. */
struct verdict {
    enum gg_err err;
    struct gg_job *job; /* New, or met under its id or key. */
    bool met_id;
    bool met_key;
    uint64_t after; /* Record of what the text tells of. */
    char text[256];
};

__attribute__((format(printf, 3, 4))) static void refuse(struct verdict *verdict,
                                                         enum gg_err err,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(verdict->text, sizeof verdict->text, format, args);
    va_end(args);
    verdict->err = err;
}

/* ---- checks ---- */

/* The end of the year 9999: dates as text end there, and sums of times stay small. */
static const uint64_t run_at_max = UINT64_C(253402300799999);

static bool lists_fit(const struct gg_submit *submit)
{
    struct gg_list tags = submit->tags;
    struct gg_slice tag;
    for (uint32_t left = tags.count; left > 0; left--) {
        if (!gg_list_next_text(&tags, &tag) || !gg_name_valid(tag)) {
            return false;
        }
    }
    struct gg_list delays = submit->backoff_list;
    uint64_t delay = 0;
    for (uint32_t left = delays.count; left > 0; left--) {
        if (!gg_list_next_num(&delays, &delay) || delay > GG_YEAR_MS) {
            return false;
        }
    }
    return submit->backoff != GG_BACKOFF_LIST || submit->backoff_list.count > 0;
}

/* The id's time must lie in the window in which ids are remembered. */
static void check_id_time(const struct gg_core *core, const struct gg_submit *submit,
                          struct verdict *verdict)
{
    int64_t age = gg_steady_wall(core).ms - gg_id_time(&submit->id).ms;
    int64_t window = (int64_t)core->bounds.id_window_ms;
    if (age >= window) { /* From then on the id of a job is not remembered. */
        refuse(
            verdict, GG_ERR_ID_TOO_OLD,
            "the id is not known and %lld s old; ids are remembered for %lld s: make "
            "a new one",
            (long long)(age / 1000), (long long)(window / 1000));
    } else if (age < -window) {
        refuse(verdict, GG_ERR_BAD_FIELD,
               "id: its time is %lld s ahead of the broker's; make ids by now_at of "
               "welcome",
               (long long)(-age / 1000));
    }
}

static void check_fields(const struct gg_core *core, const struct gg_submit *submit,
                         struct verdict *verdict)
{
    if (submit->payload.len > core->bounds.payload_bytes_max) {
        refuse(verdict, GG_ERR_TOO_LARGE, "payload: %zu bytes, the limit is %llu",
               submit->payload.len, (unsigned long long)core->bounds.payload_bytes_max);
    } else if (!lists_fit(submit)) {
        refuse(
            verdict, GG_ERR_BAD_FIELD,
            "tags must be names, and a back-off list needs delays of at most a year");
    } else if (submit->run_at > run_at_max) {
        refuse(verdict, GG_ERR_BAD_FIELD, "run_at: it lies beyond the year 9999");
    } else if (submit->durability == GG_DURABILITY_FSYNC && !core->bounds.durable) {
        refuse(verdict, GG_ERR_NOT_DURABLE,
               "durability fsync was asked for; this broker keeps jobs in memory only");
    } else if (core->closing) {
        refuse(verdict, GG_ERR_CLOSING, "the broker is shutting down");
    }
}

/* What the submission says, else its queue, else the broker. */
static bool wants_fsync(const struct gg_core *core, const struct gg_queue *queue,
                        const struct gg_submit *submit)
{
    if (!core->bounds.durable || submit->durability == GG_DURABILITY_NONE) {
        return false;
    }
    return submit->durability == GG_DURABILITY_FSYNC || !queue->by_default_none;
}

/* What it will hold in memory. A payload that is on disk too stays there only while
 * there is room for such ones. */
static uint64_t cost_of(const struct gg_core *core, const struct gg_queue *queue,
                        const struct gg_submit *submit)
{
    bool apart = gg_is_large(submit->payload.len) && wants_fsync(core, queue, submit) &&
                 core->apart_bytes + submit->payload.len >
                     core->bounds.payload_memory_bytes_max;
    return GG_JOB_BYTES + (apart ? 0 : submit->payload.len) + submit->key.len;
}

/* Jobs that wait in the queue, those of a submission under way included, which have no
 * state yet. */
static uint64_t waiting_in(const struct gg_queue *queue)
{
    uint64_t waiting = queue->jobs;
    for (int state = GG_JOB_RUNNING; state < GG_JOB_STATE_COUNT; state++) {
        waiting -= queue->count[state];
    }
    return waiting;
}

/* Can the store take a durable job? What runs can end all the same: room for that is
 * held in reserve. */
static void check_space(const struct gg_core *core, const struct gg_queue *queue,
                        const struct gg_submit *submit, struct verdict *verdict)
{
    if (core->space == GG_CORE_SPACE_OK || !wants_fsync(core, queue, submit)) {
        return;
    }
    if (core->space == GG_CORE_SPACE_LOW) {
        refuse(verdict, GG_ERR_STORE_FULL,
               "the disk of %s is full: no durable job is taken until there is room",
               core->about.store_path);
    } else {
        refuse(verdict, GG_ERR_BUSY,
               "the disk of %s does not keep up: more waits to be written than may",
               core->about.store_path);
    }
}

static void check_limits(const struct gg_core *core, const struct gg_queue *queue,
                         const struct gg_submit *submit, struct verdict *verdict)
{
    const struct gg_bounds *bounds = &core->bounds;
    uint64_t cost = cost_of(core, queue, submit);
    uint64_t waiting = waiting_in(queue);
    if (core->jobs >= bounds->jobs_max) {
        refuse(verdict, GG_ERR_BUSY, "%llu jobs are known, as many as may be",
               (unsigned long long)core->jobs);
    } else if (core->memory_bytes + cost + bounds->reserve_bytes >
               bounds->memory_bytes_max) {
        refuse(verdict, GG_ERR_NO_MEMORY, "%llu bytes are in use, the limit is %llu",
               (unsigned long long)core->memory_bytes,
               (unsigned long long)bounds->memory_bytes_max);
    } else if (queue->realm->jobs >= bounds->realm_jobs_max ||
               queue->realm->bytes + cost > bounds->realm_bytes_max) {
        refuse(verdict, GG_ERR_REALM_FULL, "realm %s holds %llu jobs and %llu bytes",
               queue->realm->name.text, (unsigned long long)queue->realm->jobs,
               (unsigned long long)queue->realm->bytes);
    } else if (waiting >= bounds->queue_jobs_max ||
               queue->bytes + cost > bounds->queue_bytes_max) {
        refuse(verdict, GG_ERR_QUEUE_FULL,
               "queue %s holds %llu waiting jobs and %llu bytes", queue->name.text,
               (unsigned long long)waiting, (unsigned long long)queue->bytes);
    }
}

/* ---- a new job ---- */

/* What few jobs have. A large payload may be kept apart some time. */
static bool copy_extra(struct gg_core *core, struct gg_job *job,
                       const struct gg_submit *submit)
{
    if (submit->tags.count == 0 && submit->backoff_list.count == 0 &&
        !gg_is_large(submit->payload.len)) {
        return true;
    }
    struct gg_extra *extra = gg_job_extra(core, job);
    if (extra == NULL) {
        return false;
    }
    struct gg_list tags = submit->tags;
    struct gg_slice tag;
    while (gg_list_next_text(&tags, &tag)) {
        extra->tags[extra->tag_count] = gg_blob_new(tag);
        if (extra->tags[extra->tag_count] == NULL) {
            return false;
        }
        extra->tag_count++;
        gg_charge(core, job, (int64_t)tag.len);
    }
    struct gg_list delays = submit->backoff_list;
    while (gg_list_next_num(&delays, &extra->backoff_list[extra->backoff_count])) {
        extra->backoff_count++;
    }
    return true;
}

/* Of a job with a key: is the next payload under that key the same? Unseeded, so that a
 * stored digest means the same after a restart. */
static uint64_t digest(const struct gg_submit *submit)
{
    return gg_hash(submit->payload, submit->payload.len);
}

static bool copy_bytes(struct gg_core *core, struct gg_job *job,
                       const struct gg_submit *submit)
{
    if (submit->payload.len > 0) {
        job->payload = gg_blob_keep(submit->payload, core->holder);
        if (job->payload == NULL) {
            return false;
        }
    }
    if (submit->key.len > 0) {
        job->key = gg_key_new(submit->key, digest(submit));
        if (job->key == NULL) {
            return false;
        }
    }
    return copy_extra(core, job, submit);
}

static void set_times(const struct gg_core *core, struct gg_job *job,
                      const struct gg_submit *submit)
{
    job->submitted_at = core->now.wall;
    if (submit->expires_ms > 0) {
        job->expires = gg_mono_add(core->now.mono, submit->expires_ms);
    }
    if (submit->run_at > (uint64_t)core->now.wall.ms) {
        job->run_at = (struct gg_wall){(int64_t)submit->run_at};
        job->by_date = true;
    } else if (submit->delay_ms > 0) {
        job->due = gg_mono_add(core->now.mono, submit->delay_ms);
    }
}

static bool set_options(struct gg_core *core, struct gg_job *job,
                        const struct gg_submit *submit)
{
    uint64_t attempts = submit->attempts != 0 ? submit->attempts
                                              : core->bounds.attempts;
    struct gg_terms terms = {
        .run_timeout_ms = submit->run_timeout_ms,
        .keep_ms = submit->keep_ms,
        .keep_failed_ms = submit->keep_failed_ms,
        .backoff_ms = submit->backoff_ms,
        .backoff_max_ms = submit->backoff_max_ms,
        .attempts = (uint16_t)attempts,
        .backoff = (uint8_t)submit->backoff,
        .unique_until = (uint8_t)submit->unique_until,
    };
    job->terms = gg_terms_get(core, &terms);
    if (job->terms == NULL) {
        return false;
    }
    job->attempts_max = (uint16_t)attempts;
    job->priority = (uint8_t)submit->priority;
    job->durability = wants_fsync(core, job->queue, submit) ? GG_DURABILITY_FSYNC
                                                            : GG_DURABILITY_NONE;
    gg_job_set_retention(job);
    return true;
}

/* Make the job; nobody can see it before launch(). */
static void create(struct gg_core *core, struct gg_queue *queue,
                   const struct gg_submit *submit, struct verdict *verdict)
{
    struct gg_job *job = gg_queue_reserve(queue, (uint8_t)submit->priority) == GG_OK
                             ? gg_registry_add(core, queue, &submit->id)
                             : NULL;
    if (job == NULL || !copy_bytes(core, job, submit) ||
        !set_options(core, job, submit)) {
        if (job != NULL) {
            gg_registry_remove(core, job);
        }
        refuse(verdict, GG_ERR_NO_MEMORY, "out of memory");
        return;
    }
    set_times(core, job, submit);
    gg_charge(core, job, (int64_t)(submit->payload.len + submit->key.len));
    gg_registry_hold_key(core, job);
    verdict->job = job;
}

/* ---- one submission ---- */

/* Is the job known under its id or key? Then the verdict says so. */
static void meet(struct gg_core *core, const struct gg_session *session,
                 const struct gg_submit *submit, const struct gg_queue *queue,
                 struct verdict *verdict)
{
    struct gg_job *job = gg_registry_by_id(core, &submit->id);
    if (job != NULL) {
        if (!gg_grant_queue(session->grant, gg_name_slice(&job->queue->realm->name),
                            gg_name_slice(&job->queue->name))) {
            refuse(verdict, GG_ERR_BAD_FIELD, "id: it is in use; make another one");
            return;
        }
        verdict->job = job;
        verdict->met_id = true;
        return;
    }
    job = queue == NULL || submit->key.len == 0
              ? NULL
              : gg_registry_by_key(core, queue, submit->key);
    if (job == NULL) {
        return;
    }
    if (job->key->payload_digest != digest(submit)) {
        char id[GG_ID_TEXT_BYTES];
        gg_id_format(&job->id, id);
        refuse(verdict, GG_ERR_KEY_CONFLICT,
               "the key is held by job %s, which has another payload", id);
        verdict->after = job->seq;
        return;
    }
    verdict->job = job;
    verdict->met_key = true;
}

/* Find or make the job of one submission. */
static void take(struct gg_core *core, uint32_t peer, const struct gg_submit *submit,
                 struct verdict *verdict)
{
    *verdict = (struct verdict){.err = GG_OK};
    const struct gg_session *session = core->sessions[peer];
    struct gg_slice realm = gg_realm_or_default(submit->realm);
    if (!gg_grant_queue(session->grant, realm, submit->queue)) {
        refuse(verdict, GG_ERR_NOT_ALLOWED, "key %s may not submit to %.*s/%.*s",
               session->grant->name.text, GG_PRINT(realm), GG_PRINT(submit->queue));
        return;
    }
    struct gg_queue *queue = gg_queue_find(core, realm, submit->queue);
    meet(core, session, submit, queue, verdict);
    if (verdict->err != GG_OK || verdict->job != NULL) {
        return;
    }
    check_id_time(core, submit, verdict);
    if (verdict->err == GG_OK) {
        check_fields(core, submit, verdict);
    }
    if (verdict->err == GG_OK && queue == NULL) {
        enum gg_err err = gg_queue_get(core, realm, submit->queue, &queue);
        if (err != GG_OK) {
            refuse(verdict, err, "there are as many queues or realms as may be");
        }
    }
    if (verdict->err == GG_OK) {
        check_limits(core, queue, submit, verdict);
    }
    if (verdict->err == GG_OK) {
        check_space(core, queue, submit, verdict);
    }
    if (verdict->err == GG_OK) {
        create(core, queue, submit, verdict);
    }
}

/* From here on the job is accepted. */
static void launch(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    core->stat[GG_STAT_SUBMITTED]++;
    if (job->due.ms != 0) { /* Or run_at. */
        gg_move(core, job, GG_JOB_SCHEDULED);
        gg_job_arm(core, job);
    } else {
        gg_line_up(core, job, false);
    }
    gg_persist(core, job);
    if (!gg_job_unwatched(core, job)) {
        gg_watch_job(core, fx, job,
                     &(struct gg_entry){.kind = GG_MOMENT_ACCEPTED,
                                        .until = gg_job_until(job, core->now)});
    }
}

/* A job that had durability none is made durable when a durable submission meets it. */
static void make_durable(struct gg_core *core, struct gg_job *job)
{
    if (job->durability == GG_DURABILITY_NONE && job->state != GG_JOB_EVICTED) {
        job->durability = GG_DURABILITY_FSYNC;
        gg_persist(core, job);
    }
}

static void note_meeting(struct gg_core *core, struct gg_effects *fx,
                         const struct verdict *verdict, const struct gg_submit *submit)
{
    struct gg_job *job = verdict->job;
    core->stat[verdict->met_id ? GG_STAT_RESENT : GG_STAT_MERGED]++;
    if (wants_fsync(core, job->queue, submit)) {
        make_durable(core, job);
    }
    if (verdict->met_key) {
        gg_watch_moment(core, fx, job, GG_MOMENT_RESUBMITTED);
    }
}

/* May the asker be told the end alone? Not where the job dies with the broker though he
 * did not ask for that: he has to know, or he submits it again after a restart. */
static bool needs_no_acceptance(const struct gg_core *core, const struct gg_job *job,
                                const struct gg_submit *submit)
{
    return submit->end_only &&
           (job->durability == GG_DURABILITY_FSYNC ||
            submit->durability == GG_DURABILITY_NONE || !core->bounds.durable);
}

/* What the receipt of the first answer means. None is needed where a second answer
 * follows to the sender of the id: its receipt will do. */
static enum gg_receipt receipt_for(const struct verdict *verdict,
                                   const struct gg_submit *submit, bool ended)
{
    if (ended && submit->wait) {
        return verdict->met_key ? GG_RECEIPT_FINAL : GG_RECEIPT_BOTH;
    }
    bool sender = !verdict->met_key && (verdict->met_id || !submit->wait);
    return sender ? GG_RECEIPT_ACCEPTED : GG_RECEIPT_NONE;
}

void gg_on_submit(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_submit *submit)
{
    struct verdict verdict;
    take(core, peer, submit, &verdict);
    if (verdict.err != GG_OK) {
        gg_refuse_after(core, fx, peer, request, verdict.after, verdict.err, "%s",
                        verdict.text);
        return;
    }
    struct gg_job *job = verdict.job;
    bool met = verdict.met_id || verdict.met_key;
    if (met) {
        note_meeting(core, fx, &verdict, submit);
    } else {
        launch(core, fx, job);
        gg_dispatch_queue(core, fx, job->queue); /* First to who can begin on it. */
    }
    bool ended = !gg_job_waits(job) && job->state != GG_JOB_RUNNING;
    struct gg_waiter *waiter = NULL;
    enum gg_err err = !submit->wait || ended
                          ? GG_OK
                          : gg_waiter_add(core, peer, request, job, 0, &waiter);
    if (err != GG_OK) {
        gg_refuse(
            core, fx, peer, request, err,
            "the job is accepted, but as many wait for it as may: ask again later");
        return;
    }
    if (waiter != NULL) {
        waiter->is_sender = !verdict.met_key;
        waiter->existing = verdict.met_key;
        waiter->end_only = needs_no_acceptance(core, job, submit);
        if (waiter->end_only) {
            return;
        }
    }
    gg_say_job(core, fx, peer, request, job,
               &(struct gg_job_view){.existing = verdict.met_key,
                                     .brief = submit->wait && !met,
                                     .patient = submit->wait && !met,
                                     .with_result = met && ended,
                                     .receipt = receipt_for(&verdict, submit, ended)});
}

/* ---- many at once ---- */

/* How one of many fared; 0: it is new. */
enum { MET_ID = 1, MET_KEY = 2, MET_FSYNC = 4 };

static void take_all(struct gg_core *core, uint32_t peer, struct gg_list jobs,
                     struct gg_job **out_jobs, uint8_t *out_met,
                     struct verdict *verdict)
{
    struct gg_submit submit;
    struct gg_fault fault = {0};
    uint32_t total = jobs.count;
    for (uint32_t i = 0; i < total; i++) {
        *verdict = (struct verdict){.err = GG_OK};
        if (!gg_list_next_record(&jobs, GG_RECORD_SUBMIT, &submit, &fault)) {
            refuse(verdict, fault.err, "job %u: %s: %s", i,
                   fault.field == NULL ? "record" : fault.field, fault.what);
        } else {
            take(core, peer, &submit, verdict);
        }
        if (verdict->err != GG_OK) {
            return;
        }
        out_jobs[i] = verdict->job;
        out_met[i] = (uint8_t)(verdict->met_id    ? MET_ID
                               : verdict->met_key ? MET_KEY
                                                  : 0);
        if (out_met[i] != 0 && wants_fsync(core, verdict->job->queue, &submit)) {
            out_met[i] |= MET_FSYNC;
        }
    }
}

/* Refused whole: jobs made so far vanish again; nobody has seen them. */
static void undo(struct gg_core *core, struct gg_job **jobs, const uint8_t *met)
{
    for (uint32_t i = 0; i < GG_SUBMITS_MAX && jobs[i] != NULL; i++) {
        if (met[i] == 0) {
            gg_registry_remove(core, jobs[i]);
        }
    }
}

static void say_jobs(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, struct gg_job **jobs, const uint8_t *met,
                     uint32_t count)
{
    struct gg_buf list;
    gg_buf_init(&list, (size_t)1 << 20);
    uint64_t after = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gg_job_info info;
        gg_record_default(GG_RECORD_JOB, &info);
        info.id = jobs[i]->id;
        info.state = jobs[i]->state;
        info.durability = jobs[i]->durability;
        info.existing = (met[i] & MET_KEY) != 0;
        info.epoch = core->epoch;
        gg_record_write(&list, GG_RECORD_JOB, &info, NULL);
        after = jobs[i]->seq > after ? jobs[i]->seq : after;
    }
    struct gg_jobs answer = {.jobs = {.raw = gg_buf_slice(&list), .count = count}};
    gg_effects_need(fx, &list);
    gg_say(core, fx, peer, request, GG_CMD_JOBS, &answer, after);
    gg_buf_fini(&list);
}

void gg_on_submit_many(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                       uint64_t request, const struct gg_submit_many *many)
{
    struct gg_job *jobs[GG_SUBMITS_MAX] = {NULL};
    uint8_t met[GG_SUBMITS_MAX] = {0};
    struct verdict verdict = {.err = GG_OK};
    take_all(core, peer, many->jobs, jobs, met, &verdict);
    if (verdict.err != GG_OK) {
        undo(core, jobs, met);
        gg_refuse_after(core, fx, peer, request, verdict.after, verdict.err, "%s",
                        verdict.text);
        return;
    }
    for (uint32_t i = 0; i < many->jobs.count; i++) {
        if (met[i] == 0) {
            launch(core, fx, jobs[i]);
        } else if ((met[i] & MET_FSYNC) != 0) {
            make_durable(core, jobs[i]);
        }
    }
    say_jobs(core, fx, peer, request, jobs, met, many->jobs.count);
    for (uint32_t i = 0; i < many->jobs.count; i++) {
        gg_dispatch_queue(core, fx, jobs[i]->queue);
    }
}
