#include "broker/core/core.h"

#include <stdlib.h>

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/apart.h"
#include "broker/core/ending.h"
#include "broker/core/lease.h"
#include "broker/core/operate.h"
#include "broker/core/outcome.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/recover.h"
#include "broker/core/registry.h"
#include "broker/core/steer.h"
#include "broker/core/submit.h"
#include "broker/core/timers.h"
#include "broker/core/view.h"
#include "broker/core/watch.h"
#include "common/assert.h"

/* ---- life time ---- */

static bool allocate_tables(struct gg_core *core)
{
    const struct gg_bounds *bounds = &core->bounds;
    core->realms = calloc(bounds->realms_max, sizeof *core->realms);
    core->queues = calloc(bounds->queues_max, sizeof *core->queues);
    core->subscriptions = calloc(bounds->subscriptions_max,
                                 sizeof *core->subscriptions);
    return core->realms != NULL && core->queues != NULL && core->subscriptions != NULL;
}

struct gg_core *gg_core_new(const struct gg_bounds *bounds,
                            const struct gg_core_about *about, uint64_t epoch,
                            uint64_t seed)
{
    struct gg_core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        return NULL;
    }
    core->bounds = *bounds;
    core->about = *about;
    core->epoch = epoch;
    core->fence_epoch = epoch;
    core->seed = seed;
    core->rng.state = seed;
    core->now = about->started;
    gg_registry_init(core);
    gg_list_init(&core->dead);
    gg_list_init(&core->free_waiters);
    gg_list_init(&core->settles);
    gg_list_init(&core->sweeps);
    gg_list_init(&core->orders);
    gg_list_init(&core->answering);
    gg_list_init(&core->leaving);
    gg_buf_init(&core->scratch, GG_KEEP_BYTES_MAX);
    core->marked = core->now.mono;
    core->clock_ahead_ms = core->now.wall.ms - core->now.mono.ms;
    core->steady_ahead_ms = core->clock_ahead_ms;
    if (!allocate_tables(core)) {
        gg_core_destroy(&core);
    }
    return core;
}

static void free_sessions(struct gg_core *core)
{
    for (uint32_t i = 0; i < core->session_room; i++) {
        if (core->sessions[i] != NULL && core->sessions[i]->open) {
            gg_watch_close(core, i);
        }
        free(core->sessions[i]);
    }
    free(core->sessions);
    struct gg_link *first;
    while ((first = gg_list_first(&core->free_waiters)) != NULL) {
        gg_list_remove(first);
        free(GG_CONTAINER(first, struct gg_waiter, of_job));
    }
}

void gg_core_destroy(struct gg_core **core_p)
{
    struct gg_core *core = *core_p;
    *core_p = NULL;
    if (core == NULL) {
        return;
    }
    free_sessions(core);
    gg_operate_fini(core);
    gg_steer_fini(core);
    gg_recover_fini(core);
    gg_apart_fini(core);
    gg_registry_fini(core);
    gg_agents_fini(core);
    gg_queues_fini(core);
    for (int kind = 0; kind < GG_TIMER_KIND_COUNT; kind++) {
        gg_heap_fini(&core->job_timers[kind]);
    }
    gg_heap_fini(&core->waits);
    gg_heap_fini(&core->agent_timers);
    gg_heap_fini(&core->settle_timers);
    gg_buf_fini(&core->scratch);
    free(core->subscriptions);
    free(core);
}

void gg_core_set_stats(struct gg_core *core, gg_core_stats_fn *fn, void *ctx)
{
    core->stats_fn = fn;
    core->stats_ctx = ctx;
}

void gg_core_set_store(struct gg_core *core, gg_core_store_fn *fn, void *ctx)
{
    core->store_fn = fn;
    core->store_ctx = ctx;
}

/* ---- sessions ---- */

/* The place of session `peer`, made if need be; NULL without memory. */
static struct gg_session *session_place(struct gg_core *core, uint32_t peer)
{
    if (peer >= core->session_room) {
        uint32_t room = core->session_room == 0 ? 64 : core->session_room;
        while (room <= peer) {
            room *= 2;
        }
        struct gg_session **sessions = realloc(core->sessions,
                                               room * sizeof(struct gg_session *));
        if (sessions == NULL) {
            return NULL;
        }
        for (uint32_t i = core->session_room; i < room; i++) {
            sessions[i] = NULL;
        }
        core->sessions = sessions;
        core->session_room = room;
    }
    if (core->sessions[peer] == NULL) {
        core->sessions[peer] = calloc(1, sizeof(struct gg_session));
    }
    return core->sessions[peer];
}

static void on_closed(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      bool bye)
{
    struct gg_session *session = gg_session_of(core, peer);
    if (session == NULL) {
        return;
    }
    gg_watch_close(core, peer);
    gg_operate_close(core, peer);
    gg_apart_close(core, peer);
    gg_steer_close(core, fx, peer);
    session->open = false;
    if (session->agent != NULL) {
        gg_agent_closed(core, fx, session->agent, bye);
        session->agent = NULL;
    }
}

static void on_hello(struct gg_core *core, struct gg_effects *fx,
                     const struct gg_event *ev)
{
    const struct gg_hello *hello = &ev->command->as.hello;
    on_closed(core, fx, ev->peer, false);
    struct gg_session *session = session_place(core, ev->peer);
    if (session == NULL) {
        gg_refuse_session(core, fx, ev->peer, GG_ERR_NO_MEMORY, "out of memory");
        return;
    }
    *session = (struct gg_session){
        .open = true, .kind = (uint8_t)hello->kind, .grant = ev->grant};
    gg_name_set(&session->name, hello->name);
    gg_list_init(&session->waiters);
    if (hello->kind != GG_PEER_AGENT) {
        gg_say_welcome(core, fx, ev->peer);
        return;
    }
    if ((ev->grant->roles & GG_ROLE_WORK) == 0) {
        session->open = false;
        gg_refuse_session(core, fx, ev->peer, GG_ERR_NOT_ALLOWED,
                          "key %s does not have the role work", ev->grant->name.text);
        return;
    }
    gg_agent_hello(core, fx, ev->peer, hello);
}

/* ---- commands about one job ---- */

/* The job a target names, if the peer may know of it; else the refusal has been
 * said. */
static struct gg_job *find_target(struct gg_core *core, struct gg_effects *fx,
                                  uint32_t peer, uint64_t request,
                                  const struct gg_target *target)
{
    struct gg_job *job = NULL;
    if (!gg_id_is_none(&target->id)) {
        job = gg_registry_by_id(core, &target->id);
    } else if (target->queue.len > 0 && target->key.len > 0) {
        const struct gg_queue *queue = gg_queue_find(core, target->realm,
                                                     target->queue);
        job = queue == NULL ? NULL : gg_registry_by_key(core, queue, target->key);
    } else {
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_FIELD,
                  "a job is named by its id, or by queue and key");
        return NULL;
    }
    if (job != NULL && gg_grant_queue(core->sessions[peer]->grant,
                                      gg_name_slice(&job->queue->realm->name),
                                      gg_name_slice(&job->queue->name))) {
        return job;
    }
    if (target->epoch != 0 && target->epoch < core->epoch &&
        (!core->bounds.durable || target->durability == GG_DURABILITY_NONE)) {
        gg_refuse(core, fx, peer, request, GG_ERR_LOST_WITH_BROKER,
                  "the job was kept in memory by a broker that has ended since");
    } else {
        gg_refuse(core, fx, peer, request, GG_ERR_NOT_FOUND,
                  "no such job is known; it may have been evicted");
    }
    return NULL;
}

static void on_get(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t request, struct gg_job *job, const struct gg_target *target)
{
    gg_say_job(core, fx, peer, request, job,
               &(struct gg_job_view){.with_result = target->want_result,
                                     .with_why = target->want_why});
}

static void on_wait(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    uint64_t request, struct gg_job *job,
                    const struct gg_target *target)
{
    if (!gg_job_waits(job) && job->state != GG_JOB_RUNNING) {
        gg_say_job(
            core, fx, peer, request, job,
            &(struct gg_job_view){.with_result = true, .receipt = GG_RECEIPT_FINAL});
        return;
    }
    struct gg_waiter *waiter = NULL;
    enum gg_err err = gg_waiter_add(core, peer, request, job, target->timeout_ms,
                                    &waiter);
    if (err != GG_OK) {
        gg_refuse(core, fx, peer, request, err, "%u wait for the job, as many as may",
                  job->waiter_count);
        return;
    }
    waiter->want_progress = target->want_progress;
    waiter->want_partial = target->want_partial;
    if (waiter->want_partial) {
        gg_replay_partial(core, fx, waiter, target->offset);
    }
    if (waiter->want_progress) {
        gg_replay_progress(core, fx, waiter);
    }
}

static void on_target(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      const struct gg_command *command)
{
    const struct gg_target *target = &command->as.target;
    uint64_t request = command->request;
    struct gg_job *job = find_target(core, fx, peer, request, target);
    if (job == NULL) {
        return;
    }
    switch (command->code) {
    case GG_CMD_GET:
        on_get(core, fx, peer, request, job, target);
        return;
    case GG_CMD_WAIT:
        on_wait(core, fx, peer, request, job, target);
        return;
    case GG_CMD_CANCEL:
        gg_on_cancel(core, fx, peer, request, job, target);
        return;
    case GG_CMD_RETRY:
        gg_on_retry(core, fx, peer, request, job, target);
        return;
    case GG_CMD_HISTORY:
        gg_view_history(core, fx, peer, request, job, target->want_output);
        return;
    case GG_CMD_WHY:
        gg_view_why(core, fx, peer, request, job);
        return;
    default:
        GG_BUG("not a command about one job");
    }
}

/* ---- the rest of what clients ask ---- */

static void on_subscribe(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                         const struct gg_command *command)
{
    enum gg_err err = gg_subscribe(core, peer, command->request, &command->as.events);
    if (err != GG_OK) {
        gg_refuse(core, fx, peer, command->request, err,
                  "there are as many subscriptions as may be");
    }
}

static void on_unsubscribe(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                           const struct gg_command *command)
{
    struct gg_done done = {
        .count = gg_unsubscribe(core, peer, command->as.unsubscribe.request)};
    gg_say_done(core, fx, peer, command->request, &done);
}

static void on_unwait(struct gg_core *core, uint32_t peer,
                      const struct gg_command *command)
{
    struct gg_waiter *waiter = gg_waiter_find(core->sessions[peer],
                                              command->as.unsubscribe.request);
    if (waiter != NULL) {
        gg_waiter_free(core, waiter);
    }
}

/* A flat switch over what clients may say. */
static void on_client(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      const struct gg_command *command)
{
    uint64_t request = command->request;
    switch (command->code) {
    case GG_CMD_SUBMIT:
        gg_on_submit(core, fx, peer, request, &command->as.submit);
        return;
    case GG_CMD_SUBMIT_MANY:
        gg_on_submit_many(core, fx, peer, request, &command->as.submit_many);
        return;
    case GG_CMD_GET:
    case GG_CMD_WAIT:
    case GG_CMD_CANCEL:
    case GG_CMD_RETRY:
    case GG_CMD_HISTORY:
    case GG_CMD_WHY:
        on_target(core, fx, peer, command);
        return;
    case GG_CMD_LIST_JOBS:
        gg_view_jobs(core, fx, peer, request, &command->as.list_jobs);
        return;
    case GG_CMD_LIST_QUEUES:
        gg_view_queues(core, fx, peer, request, &command->as.scope);
        return;
    case GG_CMD_LIST_WORKERS:
        gg_view_workers(core, fx, peer, request, &command->as.scope);
        return;
    case GG_CMD_PAUSE:
        gg_on_pause(core, fx, peer, request, &command->as.scope);
        return;
    case GG_CMD_RESUME:
        gg_on_resume(core, fx, peer, request, &command->as.scope);
        return;
    case GG_CMD_PURGE:
        gg_on_purge(core, fx, peer, request, &command->as.scope);
        return;
    case GG_CMD_STEER:
        gg_on_steer(core, fx, peer, request, &command->as.steer);
        return;
    case GG_CMD_GET_STATS:
        gg_view_stats(core, fx, peer, request);
        return;
    case GG_CMD_GET_BROKER:
        gg_view_broker(core, fx, peer, request);
        return;
    case GG_CMD_SUBSCRIBE:
        on_subscribe(core, fx, peer, command);
        return;
    case GG_CMD_UNSUBSCRIBE:
        on_unsubscribe(core, fx, peer, command);
        return;
    case GG_CMD_UNWAIT:
        on_unwait(core, peer, command);
        return;
    case GG_CMD_BACKUP:
        gg_on_backup(core, fx, peer, request, &command->as.backup);
        return;
    default:
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_STATE,
                  "%s is not for an open client session",
                  gg_command_type_of(command->code)->name);
    }
}

static void on_agent(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     struct gg_agent *agent, const struct gg_command *command)
{
    switch (command->code) {
    case GG_CMD_STEERED:
        gg_on_steered(core, fx, peer, command->request, &command->as.steered);
        return;
    case GG_CMD_REPORT:
        gg_on_report(agent, &command->as.report);
        return;
    case GG_CMD_STARTED:
        gg_on_started(core, fx, agent, &command->as.started);
        return;
    case GG_CMD_PROGRESS:
        gg_on_progress(core, fx, agent, &command->as.progress);
        return;
    case GG_CMD_PARTIAL:
        gg_on_partial(core, fx, agent, &command->as.partial);
        return;
    case GG_CMD_CHECKPOINT:
        gg_on_checkpoint(core, agent, &command->as.checkpoint);
        return;
    case GG_CMD_OUTCOME:
        gg_on_outcome(core, fx, agent, &command->as.outcome);
        return;
    default:
        gg_refuse(core, fx, peer, command->request, GG_ERR_BAD_STATE,
                  "%s is not for an open agent session",
                  gg_command_type_of(command->code)->name);
    }
}

static void on_heartbeat(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                         const struct gg_session *session,
                         const struct gg_command *command)
{
    struct gg_heartbeat answer = {0};
    gg_say(core, fx, peer, command->request, GG_CMD_HEARTBEAT, &answer, 0);
    if (session->agent != NULL) {
        gg_agent_heartbeat(core, fx, session->agent, &command->as.heartbeat);
    }
}

/* May a peer of this kind, with this key, say this? */
static bool may_say(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    const struct gg_session *session, const struct gg_command *command)
{
    const struct gg_command_type *type = gg_command_type_of(command->code);
    GG_ASSERT(type != NULL); /* The codec has refused unknown commands. */
    if (!gg_grant_command(session->grant, (enum gg_command_code)command->code)) {
        gg_refuse(core, fx, peer, command->request, GG_ERR_NOT_ALLOWED,
                  "key %s has no role that may send %s", session->grant->name.text,
                  type->name);
        return false;
    }
    if ((type->senders & session->kind) == 0) {
        gg_refuse(core, fx, peer, command->request, GG_ERR_NOT_ALLOWED,
                  "%s is not for %s to send", type->name,
                  session->kind == GG_PEER_AGENT ? "an agent" : "a client");
        return false;
    }
    return true;
}

static void route(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  const struct gg_session *session, const struct gg_command *command)
{
    if (command->code == GG_CMD_HEARTBEAT) {
        on_heartbeat(core, fx, peer, session, command);
    } else if (session->agent != NULL) {
        on_agent(core, fx, peer, session->agent, command);
    } else {
        on_client(core, fx, peer, command);
    }
}

static void on_command(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                       const struct gg_command *command)
{
    const struct gg_session *session = gg_session_of(core, peer);
    if (session == NULL) {
        return; /* The shell has been told so already. */
    }
    struct gg_agent *agent = session->agent;
    bool back = agent != NULL && gg_agent_heard(core, fx, agent);
    if (may_say(core, fx, peer, session, command)) {
        route(core, fx, peer, session, command);
    }
    if (back) {
        gg_agent_feed(core, fx, agent); /* Only now: it may have said "less". */
    }
}

static void on_receipt(struct gg_core *core, struct gg_effects *fx, uint64_t token)
{
    uint32_t index = (uint32_t)(token >> 32);
    enum gg_receipt kind = (enum gg_receipt)(token & GG_RECEIPT_MASK);
    if (kind == GG_RECEIPT_EVENT) {
        gg_on_event_receipt(core, index, token);
        return;
    }
    struct gg_job *job = gg_registry_at(core, index);
    if (job == NULL || !gg_token_fits(token, job->generation)) {
        return; /* The job it was about is gone. */
    }
    if (kind != GG_RECEIPT_FINAL) {
        gg_on_accept_receipt(core, fx, job);
    }
    if (kind != GG_RECEIPT_ACCEPTED) {
        gg_on_final_receipt(core, fx, job);
    }
}

/* ---- time ---- */

static void on_job_due(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    switch ((enum gg_job_state)job->state) {
    case GG_JOB_SCHEDULED:
    case GG_JOB_BLOCKED:
    case GG_JOB_READY:
        if (gg_mono_reached(gg_job_expiry(job), core->now.mono)) {
            struct gg_queue *queue = job->queue;
            gg_end_waiting(core, fx, job, GG_JOB_EXPIRED, GG_ERR_EXPIRED);
            gg_dispatch_queue(core, fx, queue);
        } else {
            gg_line_up(core, job, false);
            gg_watch_moment(core, fx, job, GG_MOMENT_READY);
            gg_dispatch_queue(core, fx, job->queue);
        }
        return;
    case GG_JOB_RUNNING:
        gg_lease_due(core, fx, job);
        return;
    case GG_JOB_SUCCEEDED:
    case GG_JOB_FAILED:
    case GG_JOB_CANCELLED:
    case GG_JOB_EXPIRED:
    case GG_JOB_EVICTED:
        gg_ended_due(core, fx, job);
        return;
    case GG_JOB_NONE:
    case GG_JOB_STATE_COUNT:
        break;
    }
    GG_BUG("a timer of no job");
}

static void on_tick(struct gg_core *core, struct gg_effects *fx)
{
    gg_recover_due(core, fx);
    gg_agents_due(core, fx);
    gg_waiters_due(core, fx);
    gg_settles_due(core, fx);
    int looks = GG_DUE_PER_STEP;
    for (;;) {
        struct gg_job *job = gg_timers_due(core, &looks);
        if (job == NULL) {
            break;
        }
        on_job_due(core, fx, job);
    }
    gg_sweeps_go_on(core, fx);
}

bool gg_core_next_wake(const struct gg_core *core, struct gg_mono *out_at)
{
    if (!gg_list_empty(&core->answering) || !gg_list_empty(&core->sweeps)) {
        *out_at = core->now.mono;
        return true;
    }
    return gg_timers_next(core, out_at);
}

/* A step long after something was due means that the broker itself did not run. Whoever
 * was silent meanwhile may have spoken: judge nobody, start all clocks anew. */
static void watch_for_stall(struct gg_core *core, struct gg_now now)
{
    struct gg_mono due;
    if (gg_timers_next(core, &due) &&
        gg_mono_reached(gg_mono_add(due, core->bounds.stall_ms), now.mono) &&
        gg_mono_reached(gg_mono_add(core->now.mono, core->bounds.stall_ms), now.mono)) {
        core->now = now;
        core->stat[GG_STAT_STALLS]++;
        gg_agents_forgive(core);
    }
}

static void take_time(struct gg_core *core, struct gg_now now)
{
    if (now.mono.ms < core->now.mono.ms) {
        now.mono = core->now.mono;
    }
    if (now.mono.ms != core->now.mono.ms) {
        watch_for_stall(core, now);
    }
    core->now = now;
}

void gg_core_foresee(const struct gg_core *core, const struct gg_command *command)
{
    if (command->code == GG_CMD_SUBMIT) {
        gg_registry_foresee(core, &command->as.submit.id);
    } else if (command->code == GG_CMD_OUTCOME) {
        gg_registry_foresee(core, &command->as.outcome.id);
    }
}

void gg_core_step(struct gg_core *core, const struct gg_event *ev,
                  struct gg_effects *fx)
{
    take_time(core, ev->now);
    switch (ev->type) {
    case GG_EV_HELLO:
        on_hello(core, fx, ev);
        break;
    case GG_EV_COMMAND:
        core->holder = ev->blob;
        on_command(core, fx, ev->peer, ev->command);
        core->holder = NULL;
        break;
    case GG_EV_RECEIPT:
        on_receipt(core, fx, ev->token);
        break;
    case GG_EV_CLOSED:
        on_closed(core, fx, ev->peer, ev->bye);
        break;
    case GG_EV_TICK:
        on_tick(core, fx);
        break;
    case GG_EV_CLOSING:
        core->closing = true;
        break;
    case GG_EV_SPACE:
        core->space = ev->space;
        break;
    case GG_EV_ANSWERED:
        if (ev->token >= GG_BACKUP_TOKEN) {
            gg_backup_answered(core, fx, ev);
        } else {
            gg_apart_loaded(core, fx, ev);
        }
        break;
    }
    gg_answer_waiters(core, fx);
    gg_dispatch_again(core, fx);
    gg_evict_leaving(core, fx);
    gg_persist_step(core, fx);
}
