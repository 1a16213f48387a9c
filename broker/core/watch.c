#include "broker/core/watch.h"

#include <stdlib.h>

#include "broker/core/answer.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"
#include "common/codec.h"

/* ---- waiters ---- */

struct gg_waiter *gg_waiter_find(struct gg_session *session, uint64_t request)
{
    GG_LIST_EACH(&session->waiters, it)
    {
        struct gg_waiter *waiter = GG_CONTAINER(it, struct gg_waiter, of_session);
        if (waiter->request == request) {
            return waiter;
        }
    }
    return NULL;
}

/* A request number is unique in its session, so a repeat can only be for the same job;
 * the shorter of the two lists is searched. */
static struct gg_waiter *find_repeat(struct gg_job *job, uint32_t peer,
                                     uint64_t request)
{
    GG_LIST_EACH(&job->waiters, it)
    {
        struct gg_waiter *waiter = GG_CONTAINER(it, struct gg_waiter, of_job);
        if (waiter->peer == peer && waiter->request == request) {
            return waiter;
        }
    }
    return NULL;
}

static struct gg_waiter *new_waiter(struct gg_core *core)
{
    struct gg_link *first = gg_list_first(&core->free_waiters);
    if (first == NULL) {
        return malloc(sizeof(struct gg_waiter));
    }
    gg_list_remove(first);
    return GG_CONTAINER(first, struct gg_waiter, of_job);
}

enum gg_err gg_waiter_add(struct gg_core *core, uint32_t peer, uint64_t request,
                          struct gg_job *job, uint64_t timeout_ms,
                          struct gg_waiter **out)
{
    struct gg_waiter *waiter = find_repeat(job, peer, request);
    if (waiter != NULL) {
        *out = waiter;
        return GG_OK;
    }
    if (job->waiter_count >= core->bounds.waiters_max) {
        return GG_ERR_TOO_MANY;
    }
    bool answerable = job->waiter_count < GG_ANSWERS_PER_STEP ||
                      gg_job_extra(core, job) != NULL;
    waiter = answerable ? new_waiter(core) : NULL;
    if (waiter == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    *waiter = (struct gg_waiter){.job = job, .peer = peer, .request = request};
    if (timeout_ms != 0 &&
        gg_timer_set(&core->waits, &waiter->timer,
                     gg_mono_add(core->now.mono, timeout_ms)) != GG_OK) {
        free(waiter);
        return GG_ERR_NO_MEMORY;
    }
    gg_list_push_back(&job->waiters, &waiter->of_job);
    gg_list_push_back(&core->sessions[peer]->waiters, &waiter->of_session);
    job->waiter_count++;
    *out = waiter;
    return GG_OK;
}

void gg_waiter_free(struct gg_core *core, struct gg_waiter *waiter)
{
    gg_heap_remove(&core->waits, &waiter->timer);
    gg_list_remove(&waiter->of_job);
    gg_list_remove(&waiter->of_session);
    waiter->job->waiter_count--;
    gg_list_push_front(&core->free_waiters, &waiter->of_job);
}

void gg_waiters_due(struct gg_core *core, struct gg_effects *fx)
{
    for (int n = 0; n < GG_DUE_PER_STEP; n++) {
        struct gg_heap_node *node = gg_heap_first(&core->waits);
        if (node == NULL || gg_heap_at(&core->waits, node) > core->now.mono.ms) {
            return;
        }
        struct gg_waiter *waiter = GG_CONTAINER(node, struct gg_waiter, timer);
        gg_refuse(core, fx, waiter->peer, waiter->request, GG_ERR_TIMED_OUT,
                  "the time to wait is over; the job goes on");
        gg_waiter_free(core, waiter);
    }
}

/* ---- subscriptions ---- */

enum gg_err gg_subscribe(struct gg_core *core, uint32_t peer, uint64_t request,
                         const struct gg_events *wanted)
{
    for (uint32_t i = 0; i < core->bounds.subscriptions_max; i++) {
        struct gg_subscription *sub = &core->subscriptions[i];
        if (sub->used) {
            continue;
        }
        *sub = (struct gg_subscription){.used = true,
                                        .generation = sub->generation + 1,
                                        .peer = peer,
                                        .request = request,
                                        .id = wanted->id,
                                        .kinds = wanted->kinds};
        gg_name_set(&sub->realm, gg_realm_or_default(wanted->realm));
        gg_name_set(&sub->pattern, wanted->queue);
        core->subscription_count++;
        return GG_OK;
    }
    return GG_ERR_TOO_MANY;
}

bool gg_unsubscribe(struct gg_core *core, uint32_t peer, uint64_t request)
{
    for (uint32_t i = 0; i < core->bounds.subscriptions_max; i++) {
        struct gg_subscription *sub = &core->subscriptions[i];
        if (sub->used && sub->peer == peer && sub->request == request) {
            sub->used = false;
            core->subscription_count--;
            return true;
        }
    }
    return false;
}

void gg_on_event_receipt(struct gg_core *core, uint32_t index, uint64_t token)
{
    if (index >= core->bounds.subscriptions_max) {
        return;
    }
    struct gg_subscription *sub = &core->subscriptions[index];
    if (gg_token_fits(token, sub->generation) && sub->unacked > 0) {
        sub->unacked--;
    }
}

void gg_watch_close(struct gg_core *core, uint32_t peer)
{
    struct gg_session *session = core->sessions[peer];
    struct gg_link *first;
    while ((first = gg_list_first(&session->waiters)) != NULL) {
        gg_waiter_free(core, GG_CONTAINER(first, struct gg_waiter, of_session));
    }
    for (uint32_t i = 0;
         core->subscription_count > 0 && i < core->bounds.subscriptions_max; i++) {
        struct gg_subscription *sub = &core->subscriptions[i];
        if (sub->used && sub->peer == peer) {
            sub->used = false;
            core->subscription_count--;
        }
    }
}

/* Pack the gap before the moment, if there is one, and the moment. */
static void send_event(struct gg_core *core, struct gg_effects *fx, uint32_t index,
                       struct gg_moment_info *info, uint64_t after)
{
    struct gg_subscription *sub = &core->subscriptions[index];
    if (sub->unacked >= GG_EVENTS_UNACKED_MAX) {
        sub->dropped++;
        return;
    }
    struct gg_buf list;
    gg_buf_init(&list, 65536);
    uint32_t count = 1;
    if (sub->dropped > 0) {
        struct gg_moment_info gap;
        gg_record_default(GG_RECORD_MOMENT, &gap);
        gap.kind = GG_MOMENT_GAP;
        gap.at = info->at;
        gap.count = sub->dropped;
        sub->seq += sub->dropped;
        sub->dropped = 0;
        gap.seq = sub->seq;
        gg_record_write(&list, GG_RECORD_MOMENT, &gap, NULL);
        count++;
    }
    info->seq = ++sub->seq;
    gg_record_write(&list, GG_RECORD_MOMENT, info, NULL);
    struct gg_event_info event = {
        .moments = {.raw = gg_buf_slice(&list), .count = count}};
    sub->unacked++;
    sub->after = after > sub->after ? after : sub->after;
    gg_effects_need(fx, &list);
    gg_say_event(fx, sub->peer, sub->request, &event, sub->after,
                 gg_token(index, sub->generation, GG_RECEIPT_EVENT));
    gg_buf_fini(&list);
}

static bool wants_kind(const struct gg_subscription *sub, uint64_t kind)
{
    return sub->used && (sub->kinds == 0 || (sub->kinds >> kind & 1) != 0);
}

static bool wants_queue(const struct gg_core *core, const struct gg_subscription *sub,
                        const struct gg_queue *queue)
{
    const struct gg_session *session = core->sessions[sub->peer];
    struct gg_slice realm = gg_name_slice(&queue->realm->name);
    struct gg_slice name = gg_name_slice(&queue->name);
    return gg_slice_equal(gg_name_slice(&sub->realm), realm) &&
           (sub->pattern.len == 0 ||
            gg_pattern_match(gg_name_slice(&sub->pattern), name)) &&
           gg_grant_queue(session->grant, realm, name);
}

static void publish_job(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_job *job, const struct gg_entry *entry)
{
    struct gg_moment_info info;
    gg_entry_info(entry, false, &info);
    info.id = job->id;
    info.realm = gg_name_slice(&job->queue->realm->name);
    info.queue = gg_name_slice(&job->queue->name);
    for (uint32_t i = 0; i < core->bounds.subscriptions_max; i++) {
        const struct gg_subscription *sub = &core->subscriptions[i];
        if (wants_kind(sub, entry->kind) &&
            (gg_id_is_none(&sub->id) || gg_id_equal(&sub->id, &job->id)) &&
            wants_queue(core, sub, job->queue)) {
            send_event(core, fx, i, &info, job->seq);
        }
    }
}

void gg_watch_queue(struct gg_core *core, struct gg_effects *fx, struct gg_queue *queue,
                    enum gg_moment kind, uint64_t count, struct gg_slice reason)
{
    struct gg_moment_info info;
    gg_record_default(GG_RECORD_MOMENT, &info);
    info.at = (uint64_t)core->now.wall.ms;
    info.kind = kind;
    info.count = count;
    info.text = reason;
    info.realm = gg_name_slice(&queue->realm->name);
    info.queue = gg_name_slice(&queue->name);
    for (uint32_t i = 0;
         core->subscription_count > 0 && i < core->bounds.subscriptions_max; i++) {
        const struct gg_subscription *sub = &core->subscriptions[i];
        if (wants_kind(sub, kind) && gg_id_is_none(&sub->id) &&
            wants_queue(core, sub, queue)) {
            send_event(core, fx, i, &info, core->record_number);
        }
    }
}

void gg_watch_agent(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                    enum gg_moment kind)
{
    struct gg_moment_info info;
    gg_record_default(GG_RECORD_MOMENT, &info);
    info.at = (uint64_t)core->now.wall.ms;
    info.kind = kind;
    info.worker = gg_blob_slice(agent->name);
    info.count = agent->busy;
    for (uint32_t i = 0;
         core->subscription_count > 0 && i < core->bounds.subscriptions_max; i++) {
        const struct gg_subscription *sub = &core->subscriptions[i];
        if (wants_kind(sub, kind) && gg_id_is_none(&sub->id) &&
            gg_grant_realm(core->sessions[sub->peer]->grant,
                           gg_name_slice(&agent->realm))) {
            send_event(core, fx, i, &info, core->record_number);
        }
    }
}

/* ---- the job's own timeline ---- */

static void complete(const struct gg_core *core, const struct gg_job *job,
                     struct gg_entry *entry)
{
    entry->at = entry->at.ms == 0 ? core->now.wall : entry->at;
    entry->state = job->state;
    entry->attempt = job->attempt;
    entry->fence = gg_job_newest(job)->fence;
    if (entry->exit_status == 0 && entry->kind != GG_MOMENT_OUTCOME) {
        entry->exit_status = -1;
    }
    const struct gg_agent *agent = gg_job_newest(job)->agent;
    if (entry->worker == NULL && agent != NULL && job->attempt > 0) {
        entry->worker = gg_blob_ref(agent->name);
    }
    if (entry->error == 0 && entry->kind == GG_MOMENT_ENDED) {
        entry->error = job->error;
    }
}

/* A plain job gets a timeline only once there is something to tell: then it begins with
 * what is known of its past. */
static void keep(struct gg_core *core, struct gg_job *job, struct gg_entry *entry)
{
    if (entry->kind == GG_MOMENT_RESUBMITTED) {
        gg_entry_release(entry); /* A thousand callers are no part of its life. */
        return;
    }
    bool telling = entry->kind != GG_MOMENT_ACCEPTED && entry->error != 0;
    bool has = job->extra != NULL && job->extra->history != NULL;
    struct gg_extra *extra = job->plain && !telling && !has ? NULL
                                                            : gg_job_extra(core, job);
    if (extra == NULL) {
        gg_entry_release(entry);
        return;
    }
    int64_t grown = 0;
    if (job->plain && !has) {
        struct gg_entry accepted = {.at = job->submitted_at,
                                    .kind = GG_MOMENT_ACCEPTED,
                                    .state = GG_JOB_READY,
                                    .exit_status = -1};
        grown += gg_history_add(&extra->history, &accepted);
    }
    grown += gg_history_add(&extra->history, entry);
    gg_charge(core, job, grown);
}

void gg_watch_job(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                  const struct gg_entry *what)
{
    if (gg_job_unwatched(core, job) && what->error == 0) {
        struct gg_entry unused = *what;
        gg_entry_release(&unused);
        return;
    }
    struct gg_entry entry = *what;
    complete(core, job, &entry);
    if (core->subscription_count > 0) {
        publish_job(core, fx, job, &entry);
    }
    keep(core, job, &entry);
}

/* ---- progress and partial output ---- */

void gg_replay_progress(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_waiter *waiter)
{
    const struct gg_job *job = waiter->job;
    struct gg_progress progress = {.id = job->id,
                                   .fence = gg_job_newest(job)->fence,
                                   .progress_ppm = gg_job_newest(job)->progress_ppm,
                                   .attempt = job->attempt,
                                   .state = job->state};
    if (job->extra != NULL) {
        progress.progress_text = gg_blob_slice(job->extra->progress_text);
    }
    gg_say(core, fx, waiter->peer, waiter->request, GG_CMD_PROGRESS, &progress,
           job->seq);
}

void gg_watch_progress(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    GG_LIST_EACH(&job->waiters, it)
    {
        const struct gg_waiter *waiter = GG_CONTAINER(it, struct gg_waiter, of_job);
        if (waiter->want_progress) {
            gg_replay_progress(core, fx, waiter);
        }
    }
}

static void say_partial(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_waiter *waiter, struct gg_partial *partial)
{
    const struct gg_job *job = waiter->job;
    partial->id = job->id;
    partial->fence = gg_job_newest(job)->fence;
    gg_say(core, fx, waiter->peer, waiter->request, GG_CMD_PARTIAL, partial, job->seq);
}

void gg_watch_partial(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                      uint64_t offset, struct gg_slice data)
{
    GG_LIST_EACH(&job->waiters, it)
    {
        const struct gg_waiter *waiter = GG_CONTAINER(it, struct gg_waiter, of_job);
        if (waiter->want_partial) {
            struct gg_partial partial = {.offset = offset, .data = data};
            say_partial(core, fx, waiter, &partial);
        }
    }
}

void gg_replay_partial(struct gg_core *core, struct gg_effects *fx,
                       const struct gg_waiter *waiter, uint64_t offset)
{
    const struct gg_extra *extra = waiter->job->extra;
    if (extra == NULL || extra->partial.offset + extra->partial.bytes.len <= offset) {
        return;
    }
    uint64_t first = extra->partial.offset;
    struct gg_slice kept = gg_buf_slice(&extra->partial.bytes);
    uint64_t gap = first > offset ? first - offset : 0;
    uint64_t skip = offset > first ? offset - first : 0;
    while (skip < kept.len) {
        uint64_t len = kept.len - skip;
        len = len < GG_PARTIAL_BYTES_MAX ? len : GG_PARTIAL_BYTES_MAX;
        struct gg_partial partial = {.offset = first + skip,
                                     .data = gg_slice_of(kept.data + skip, len),
                                     .gap = gap};
        say_partial(core, fx, waiter, &partial);
        skip += len;
        gap = 0;
    }
}
