#include "broker/core/operate.h"

#include <stdlib.h>

#include "broker/core/answer.h"
#include "broker/core/ending.h"
#include "broker/core/lease.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/recover.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"
#include "common/codec.h"

static const struct gg_name *who_of(const struct gg_core *core, uint32_t peer)
{
    return &core->sessions[peer]->grant->name;
}

/* What a person wrote, as the value of a quoted key: no quote of its own can end it. */
struct quoted {
    char text[256];
};

static struct quoted quote(struct gg_slice reason)
{
    struct quoted out;
    gg_slice_copy(reason, out.text, sizeof out.text);
    for (char *c = out.text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            *c = '\'';
        }
    }
    return out;
}

/* ---- cancel, retry ---- */

static void audit_job(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      const struct gg_job *job, const char *what,
                      struct gg_slice reason)
{
    char id[GG_ID_TEXT_BYTES];
    gg_id_format(&job->id, id);
    gg_note(fx, GG_FX_AUDIT,
            "event=audit what=%s who=%s job=%s queue=%s/%s count=1 reason=\"%s\"", what,
            who_of(core, peer)->text, id, job->queue->realm->name.text,
            job->queue->name.text, quote(reason).text);
}

static struct gg_entry moment_with_text(enum gg_moment kind, struct gg_slice text)
{
    struct gg_entry entry = {.kind = (uint8_t)kind};
    gg_text_replace(&entry.text, text, GG_TEXT_BYTES_MAX);
    return entry;
}

static void begin_cancelling(struct gg_core *core, struct gg_effects *fx,
                             struct gg_job *job, struct gg_slice reason)
{
    if (!job->cancelling) {
        job->cancelling = true;
        gg_persist(core, job);
        struct gg_entry entry = moment_with_text(GG_MOMENT_CANCEL, reason);
        gg_watch_job(core, fx, job, &entry);
    }
    if (job->unsent) {
        gg_lease_lost(core, fx, job, GG_LEASE_HANDED_BACK); /* Nobody has it. */
        return;
    }
    gg_lease_stop(core, fx, job, GG_STOP_CANCELLED);
}

void gg_on_cancel(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, struct gg_job *job, const struct gg_target *target)
{
    struct gg_cancelled answer = {
        .verdict = GG_VERDICT_TOO_LATE, .waiters = job->waiter_count, .id = job->id};
    bool waits = gg_job_waits(job);
    if (waits && !gg_lease_is_adrift(core, job)) {
        answer.verdict = GG_VERDICT_CANCELLED; /* It never starts. */
    } else if (waits || job->state == GG_JOB_RUNNING) {
        answer.verdict = GG_VERDICT_CANCELLING;
    }
    if (!target->dry_run && answer.verdict != GG_VERDICT_TOO_LATE) {
        audit_job(core, fx, peer, job, "cancel", target->reason);
        if (waits) {
            struct gg_entry entry = moment_with_text(GG_MOMENT_CANCEL, target->reason);
            gg_watch_job(core, fx, job, &entry);
            gg_end_waiting(core, fx, job, GG_JOB_CANCELLED, GG_ERR_CANCELLED);
        } else {
            begin_cancelling(core, fx, job, target->reason);
        }
    }
    answer.state = job->state;
    gg_say(core, fx, peer, request, GG_CMD_CANCELLED, &answer, job->seq);
}

/* Can it be put back in line? Otherwise the refusal has been said. */
static bool may_retry(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      uint64_t request, struct gg_job *job)
{
    if (!gg_job_ended(job) || job->state == GG_JOB_SUCCEEDED) {
        gg_refuse_after(
            core, fx, peer, request, job->seq, GG_ERR_BAD_STATE,
            "only a job that failed, expired or was cancelled can be retried");
        return false;
    }
    if (job->answering) {
        gg_refuse(core, fx, peer, request, GG_ERR_BUSY,
                  "its waiters are still being told");
        return false;
    }
    struct gg_job *holder = job->key == NULL || job->key_held
                                ? NULL
                                : gg_registry_by_key(core, job->queue, gg_job_key(job));
    if (holder != NULL) {
        gg_refuse_after(core, fx, peer, request, holder->seq, GG_ERR_KEY_TAKEN,
                        "another job holds its key by now");
        return false;
    }
    if (gg_index_reserve(&core->by_key, 1) != GG_OK) {
        gg_refuse(core, fx, peer, request, GG_ERR_NO_MEMORY, "out of memory");
        return false;
    }
    return true;
}

static void put_back(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                     struct gg_slice reason)
{
    if (job->state == GG_JOB_FAILED) {
        gg_list_remove(&job->line);
        core->dead_bytes -= job->newest->dead_charged;
    }
    gg_registry_hold_key(core, job);
    job->attempts_max = (uint16_t)(job->attempt + job->terms->attempts);
    job->crashes = 0;
    job->error = GG_OK;
    job->expires = (struct gg_mono){INT64_MAX}; /* It stands for its end no longer. */
    if (job->extra != NULL) {
        gg_job_text(core, job, &job->extra->error_text, (struct gg_slice){0}, 0);
    }
    gg_line_up(core, job, false);
    gg_persist(core, job);
    struct gg_entry entry = moment_with_text(GG_MOMENT_RETRIED, reason);
    gg_watch_job(core, fx, job, &entry);
}

void gg_on_retry(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, struct gg_job *job, const struct gg_target *target)
{
    if (!may_retry(core, fx, peer, request, job)) {
        return;
    }
    if (!target->dry_run) {
        audit_job(core, fx, peer, job, "retry", target->reason);
        put_back(core, fx, job, target->reason);
    }
    gg_say_job(core, fx, peer, request, job, &(struct gg_job_view){0});
    gg_dispatch_queue(core, fx, job->queue);
}

/* ---- pause, resume ---- */

/* May the peer touch it, and is it in the scope? */
static bool in_scope(const struct gg_core *core, uint32_t peer,
                     const struct gg_queue *queue, const struct gg_scope *scope)
{
    return gg_queue_fits(queue, scope->realm, scope->queue) &&
           gg_grant_queue(core->sessions[peer]->grant,
                          gg_name_slice(&queue->realm->name),
                          gg_name_slice(&queue->name));
}

static void pause_queue(struct gg_core *core, struct gg_effects *fx,
                        struct gg_queue *queue, const struct gg_scope *scope)
{
    if (!queue->paused) {
        queue->paused = true;
        queue->paused_at = core->now.wall;
        gg_text_replace(&queue->pause_reason, scope->reason, GG_TEXT_BYTES_MAX);
        gg_persist_queue(core, fx, queue);
        gg_watch_queue(core, fx, queue, GG_MOMENT_PAUSED, 0, scope->reason);
    }
    GG_LIST_EACH(&queue->running, it)
    {
        struct gg_job *job = GG_CONTAINER(it, struct gg_job, line);
        if (scope->cancel_running) {
            begin_cancelling(core, fx, job, scope->reason);
        } else if (job->unsent) {
            gg_lease_lost(core, fx, job, GG_LEASE_HANDED_BACK);
        } else if (!job->started) {
            gg_lease_stop(core, fx, job, GG_STOP_WITHDRAWN);
        }
    }
}

/* What of the scope's queues may still start: assigned, not reported as started, also
 * where the lease was given up since. An agent that is not back since a restart counts
 * as one: what it has, nobody knows. Queues that are not paused do not count: the
 * asker's key does not reach them, or somebody has resumed them since. */
static uint64_t unsettled(const struct gg_core *core, struct gg_slice realm,
                          struct gg_slice pattern)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < core->queue_count; i++) {
        const struct gg_queue *queue = core->queues[i];
        if (queue->paused && gg_queue_fits(queue, realm, pattern)) {
            count += queue->unstarted + gg_recover_silent(core, queue) +
                     gg_adrift_count(&queue->adrift, core->now.mono);
        }
    }
    return count;
}

static void end_settle(struct gg_core *core, struct gg_effects *fx,
                       struct gg_settle *settle, uint64_t left)
{
    gg_heap_remove(&core->settle_timers, &settle->timer);
    gg_list_remove(&settle->all);
    if (settle->peer != GG_PEER_NONE) {
        struct gg_done done = {.count = settle->count, .unsettled = left};
        gg_say_done(core, fx, settle->peer, settle->request, &done);
    }
    free(settle);
}

/* Answer once nothing can start; without memory to wait, now, with what is
 * unsettled. */
static void settle(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t request, const struct gg_scope *scope, uint64_t count)
{
    uint64_t left = unsettled(core, scope->realm, scope->queue);
    struct gg_settle *settle = left == 0 ? NULL : calloc(1, sizeof *settle);
    if (settle == NULL ||
        gg_timer_set(&core->settle_timers, &settle->timer,
                     gg_mono_add(core->now.mono, core->bounds.pause_settle_ms)) !=
            GG_OK) {
        free(settle);
        struct gg_done done = {.count = count, .unsettled = left};
        gg_say_done(core, fx, peer, request, &done);
        return;
    }
    settle->peer = peer;
    settle->request = request;
    settle->count = count;
    gg_name_set(&settle->realm, gg_realm_or_default(scope->realm));
    gg_name_set(&settle->pattern, scope->queue);
    gg_list_push_back(&core->settles, &settle->all);
}

void gg_settles_check(struct gg_core *core, struct gg_effects *fx)
{
    GG_LIST_EACH(&core->settles, it)
    {
        struct gg_settle *settle = GG_CONTAINER(it, struct gg_settle, all);
        if (unsettled(core, gg_name_slice(&settle->realm),
                      gg_name_slice(&settle->pattern)) == 0) {
            end_settle(core, fx, settle, 0);
        }
    }
}

void gg_settles_due(struct gg_core *core, struct gg_effects *fx)
{
    struct gg_heap_node *node;
    while ((node = gg_heap_first(&core->settle_timers)) != NULL &&
           gg_heap_at(&core->settle_timers, node) <= core->now.mono.ms) {
        struct gg_settle *settle = GG_CONTAINER(node, struct gg_settle, timer);
        uint64_t left = unsettled(core, gg_name_slice(&settle->realm),
                                  gg_name_slice(&settle->pattern));
        end_settle(core, fx, settle, left);
    }
}

static void audit_scope(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                        const char *what, const struct gg_scope *scope, uint64_t count)
{
    struct gg_slice realm = gg_realm_or_default(scope->realm);
    struct gg_slice queue = scope->queue.len == 0 ? gg_slice_text("*") : scope->queue;
    gg_note(fx, GG_FX_AUDIT,
            "event=audit what=%s who=%s queue=%.*s/%.*s count=%llu%s reason=\"%s\"",
            what, who_of(core, peer)->text, GG_PRINT(realm), GG_PRINT(queue),
            (unsigned long long)count,
            scope->cancel_running ? " cancel_running=yes" : "",
            quote(scope->reason).text);
}

/* Of a pattern's queues only those count that the key reaches. One that is named in
 * full and out of reach is refused: a kill switch that moved nothing must not look as
 * if it had. */
static bool may_touch(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      uint64_t request, const struct gg_scope *scope)
{
    const struct gg_grant *grant = core->sessions[peer]->grant;
    struct gg_slice realm = gg_realm_or_default(scope->realm);
    if (!gg_name_valid(scope->queue) || gg_grant_queue(grant, realm, scope->queue)) {
        return true;
    }
    gg_refuse(core, fx, peer, request, GG_ERR_NOT_ALLOWED,
              "key %s may not operate on %.*s/%.*s", grant->name.text, GG_PRINT(realm),
              GG_PRINT(scope->queue));
    return false;
}

/* A queue that is named in full can be paused before anything was submitted to it. */
static bool is_to_be_made(const struct gg_core *core, const struct gg_scope *scope)
{
    return gg_name_valid(scope->queue) &&
           gg_queue_find(core, scope->realm, scope->queue) == NULL;
}

static bool make_named(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                       uint64_t request, const struct gg_scope *scope)
{
    struct gg_queue *queue;
    enum gg_err err = gg_queue_get(core, scope->realm, scope->queue, &queue);
    if (err != GG_OK) {
        gg_refuse(core, fx, peer, request, err,
                  err == GG_ERR_TOO_MANY
                      ? "there are as many queues or realms as may be"
                      : "out of memory");
    }
    return err == GG_OK;
}

void gg_on_pause(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_scope *scope)
{
    if (!may_touch(core, fx, peer, request, scope)) {
        return;
    }
    bool make = is_to_be_made(core, scope);
    if (make && !scope->dry_run && !make_named(core, fx, peer, request, scope)) {
        return;
    }
    uint64_t count = make && scope->dry_run ? 1 : 0;
    for (uint32_t i = 0; i < core->queue_count; i++) {
        if (in_scope(core, peer, core->queues[i], scope)) {
            count++;
            if (!scope->dry_run) {
                pause_queue(core, fx, core->queues[i], scope);
            }
        }
    }
    if (scope->dry_run) {
        struct gg_done done = {.count = count, .dry_run = true};
        gg_say_done(core, fx, peer, request, &done);
        return;
    }
    audit_scope(core, fx, peer, "pause", scope, count);
    settle(core, fx, peer, request, scope, count);
}

void gg_on_resume(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_scope *scope)
{
    struct gg_done done = {.dry_run = scope->dry_run};
    if (!may_touch(core, fx, peer, request, scope)) {
        return;
    }
    for (uint32_t i = 0; i < core->queue_count; i++) {
        struct gg_queue *queue = core->queues[i];
        if (!queue->paused || !in_scope(core, peer, queue, scope)) {
            continue;
        }
        done.count++;
        if (!scope->dry_run) {
            queue->paused = false;
            queue->paused_at = (struct gg_wall){0};
            gg_blob_unref(&queue->pause_reason);
            gg_persist_queue(core, fx, queue);
            gg_watch_queue(core, fx, queue, GG_MOMENT_RESUMED, 0, scope->reason);
        }
    }
    if (!scope->dry_run) {
        audit_scope(core, fx, peer, "resume", scope, done.count);
    }
    gg_say_done(core, fx, peer, request, &done);
    gg_settles_check(core, fx);
    for (uint32_t i = 0; i < core->queue_count; i++) {
        gg_dispatch_queue(core, fx, core->queues[i]);
    }
}

/* ---- purge ---- */

enum { WAITING = 1 << GG_JOB_SCHEDULED | 1 << GG_JOB_BLOCKED | 1 << GG_JOB_READY };

void gg_on_purge(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_scope *scope)
{
    if ((scope->states & (1 << GG_JOB_RUNNING)) != 0) {
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_FIELD,
                  "states: running jobs are cancelled, not purged");
        return;
    }
    if (!may_touch(core, fx, peer, request, scope)) {
        return;
    }
    struct gg_sweep *sweep = calloc(1, sizeof *sweep);
    if (sweep == NULL) {
        gg_refuse(core, fx, peer, request, GG_ERR_NO_MEMORY, "out of memory");
        return;
    }
    sweep->peer = peer;
    sweep->request = request;
    sweep->states = scope->states == 0 ? WAITING : scope->states;
    sweep->end = gg_registry_room(core);
    sweep->dry_run = scope->dry_run;
    sweep->grant = *core->sessions[peer]->grant;
    gg_name_set(&sweep->realm, gg_realm_or_default(scope->realm));
    gg_name_set(&sweep->pattern, scope->queue);
    gg_text_replace(&sweep->reason, scope->reason, GG_TEXT_BYTES_MAX);
    gg_list_push_back(&core->sweeps, &sweep->all);
}

static void purge_job(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (gg_job_waits(job)) {
        gg_end_waiting(core, fx, job, GG_JOB_CANCELLED, GG_ERR_CANCELLED);
    }
    gg_evict(core, fx, job);
}

static bool sweep_wants(const struct gg_sweep *sweep, const struct gg_job *job)
{
    return job != NULL && (sweep->states >> job->state & 1) != 0 &&
           (gg_job_waits(job) || gg_job_ended(job)) &&
           gg_queue_fits(job->queue, gg_name_slice(&sweep->realm),
                         gg_name_slice(&sweep->pattern)) &&
           gg_grant_queue(&sweep->grant, gg_name_slice(&job->queue->realm->name),
                          gg_name_slice(&job->queue->name));
}

static void end_sweep(struct gg_core *core, struct gg_effects *fx,
                      struct gg_sweep *sweep)
{
    if (!sweep->dry_run) {
        gg_note(fx, GG_FX_AUDIT,
                "event=audit what=purge who=%s queue=%s/%s count=%llu reason=\"%s\"",
                sweep->grant.name.text, sweep->realm.text,
                sweep->pattern.len == 0 ? "*" : sweep->pattern.text,
                (unsigned long long)sweep->count,
                quote(gg_blob_slice(sweep->reason)).text);
    }
    if (sweep->peer != GG_PEER_NONE) {
        struct gg_done done = {.count = sweep->count, .dry_run = sweep->dry_run};
        gg_say_done(core, fx, sweep->peer, sweep->request, &done);
    }
    gg_list_remove(&sweep->all);
    gg_blob_unref(&sweep->reason);
    free(sweep);
}

void gg_sweeps_go_on(struct gg_core *core, struct gg_effects *fx)
{
    struct gg_link *first = gg_list_first(&core->sweeps);
    if (first == NULL) {
        return;
    }
    struct gg_sweep *sweep = GG_CONTAINER(first, struct gg_sweep, all);
    for (int n = 0; n < GG_SWEEP_PER_STEP && sweep->next < sweep->end; n++) {
        struct gg_job *job = gg_registry_at(core, sweep->next++);
        if (!sweep_wants(sweep, job)) {
            continue;
        }
        sweep->count++;
        if (!sweep->dry_run) {
            purge_job(core, fx, job);
        }
    }
    if (sweep->next == sweep->end) {
        end_sweep(core, fx, sweep);
    }
}

/* ---- backup ---- */

void gg_on_backup(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_backup *backup)
{
    if (!core->bounds.durable) {
        gg_refuse(core, fx, peer, request, GG_ERR_NOT_DURABLE,
                  "this broker keeps jobs in memory only: there is nothing to copy");
        return;
    }
    if (backup->path.len == 0 || backup->path.data[0] != '/') {
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_FIELD,
                  "path: it must begin with '/'");
        return;
    }
    if (core->backup.number != 0) {
        gg_refuse(core, fx, peer, request, GG_ERR_BUSY, "another backup is being made");
        return;
    }
    struct gg_effect *effect = gg_effect_begin(fx, GG_FX_BACKUP);
    if (effect == NULL) {
        gg_refuse(core, fx, peer, request, GG_ERR_NO_MEMORY, "out of memory");
        return;
    }
    core->backup.peer = peer;
    core->backup.request = request;
    core->backup.number = GG_BACKUP_TOKEN | ++core->backup.last;
    effect->token = core->backup.number;
    gg_buf_append(&fx->arena, backup->path.data, backup->path.len);
    gg_effect_end(fx, effect);
    gg_note(fx, GG_FX_AUDIT,
            "event=audit what=backup who=%s count=1 file=\"%s\" reason=\"%s\"",
            who_of(core, peer)->text, quote(backup->path).text,
            quote(backup->reason).text);
}

void gg_backup_answered(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_event *ev)
{
    struct gg_backup_asked asked = core->backup;
    if (asked.number == 0 || asked.number != ev->token) {
        return;
    }
    core->backup.number = 0;
    if (asked.peer == GG_PEER_NONE) {
        return;
    }
    if (ev->err != GG_OK) {
        gg_refuse(core, fx, asked.peer, asked.request, ev->err, "%s", ev->text);
        return;
    }
    struct gg_done done = {.count = 1};
    gg_say(core, fx, asked.peer, asked.request, GG_CMD_DONE, &done, 0);
}

void gg_operate_close(struct gg_core *core, uint32_t peer)
{
    core->backup.peer = core->backup.peer == peer ? GG_PEER_NONE : core->backup.peer;
    GG_LIST_EACH(&core->settles, it)
    {
        struct gg_settle *settle = GG_CONTAINER(it, struct gg_settle, all);
        settle->peer = settle->peer == peer ? GG_PEER_NONE : settle->peer;
    }
    GG_LIST_EACH(&core->sweeps, it)
    {
        struct gg_sweep *sweep = GG_CONTAINER(it, struct gg_sweep, all);
        sweep->peer = sweep->peer == peer ? GG_PEER_NONE : sweep->peer;
    }
}

void gg_operate_fini(struct gg_core *core)
{
    GG_LIST_EACH(&core->settles, it)
    {
        free(GG_CONTAINER(it, struct gg_settle, all));
    }
    GG_LIST_EACH(&core->sweeps, it)
    {
        struct gg_sweep *sweep = GG_CONTAINER(it, struct gg_sweep, all);
        gg_blob_unref(&sweep->reason);
        free(sweep);
    }
}
