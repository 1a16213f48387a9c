#include "broker/core/why.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/core/agent.h"
#include "broker/core/lease.h"
#include "common/codec.h"

enum { TEXT_BYTES = 256 };

struct reasons {
    struct gg_buf *out;
    uint32_t count;
};

__attribute__((format(printf, 6, 7))) static void add(
    struct reasons *reasons, enum gg_why code, struct gg_wall since,
    struct gg_slice object, uint64_t count, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct gg_reason reason = {
        .code = code,
        .text = gg_slice_text(text),
        .since_at = since.ms > 0 ? (uint64_t)since.ms : 0,
        .object = object,
        .count = count,
    };
    gg_record_write(reasons->out, GG_RECORD_REASON, &reason, NULL);
    reasons->count++;
}

static void why_running(const struct gg_job *job, struct reasons *reasons)
{
    const struct gg_job_attempt *attempt = job->newest;
    struct gg_slice worker = gg_blob_slice(attempt->agent->name);
    enum gg_agent_state state = gg_agent_state_of(attempt->agent);
    if (job->cancelling) {
        add(reasons, GG_WHY_CANCELLING, attempt->started_at, worker, 0,
            "it is being stopped on %.*s", GG_PRINT(worker));
    }
    if (state == GG_AGENT_SUSPECT || state == GG_AGENT_GONE) {
        add(reasons, GG_WHY_LEASE, attempt->started_at, worker, 0,
            "its agent %.*s is %s; it is tried again when the lease ends",
            GG_PRINT(worker), state == GG_AGENT_GONE ? "gone" : "silent");
    }
    add(reasons, GG_WHY_RUNNING, attempt->started_at, worker, job->attempt,
        "it is running on %.*s, attempt %u", GG_PRINT(worker), job->attempt);
}

static void why_scheduled(const struct gg_core *core, const struct gg_job *job,
                          struct reasons *reasons)
{
    char at[GG_WALL_TEXT_BYTES];
    gg_wall_format(gg_job_until(job, core->now), at);
    if (job->in_backoff) {
        add(reasons, GG_WHY_BACKOFF, gg_job_newest(job)->started_at, gg_slice_text(at),
            job->attempt, "attempt %u of %u failed (%s); it is tried again at %s",
            job->attempt, job->attempts_max, gg_err_name((enum gg_err)job->error), at);
    } else {
        add(reasons, GG_WHY_SCHEDULED, job->submitted_at, gg_slice_text(at), 0,
            "it may not start before %s", at);
    }
}

/* What the queue's agents are doing. */
struct supply {
    uint32_t pools;
    uint32_t up;
    uint32_t silent;
    uint64_t slots;
    bool credit;
};

static struct supply supply_of(const struct gg_core *core, const struct gg_queue *queue)
{
    struct supply supply = {0};
    GG_LIST_EACH(&queue->subs, it)
    {
        const struct gg_pool *pool = GG_CONTAINER(it, struct gg_sub, of_queue)->pool;
        supply.pools++;
        supply.slots += pool->slots;
        supply.silent += pool->agent->suspect;
        supply.up += gg_agent_state_of(pool->agent) == GG_AGENT_UP;
        supply.credit = supply.credit || gg_pool_has_credit(core, pool);
    }
    return supply;
}

static void why_ready(const struct gg_core *core, const struct gg_job *job,
                      struct reasons *reasons)
{
    const struct gg_queue *queue = job->queue;
    struct gg_slice name = gg_name_slice(&queue->name);
    struct gg_wall none = {0};
    struct supply supply = supply_of(core, queue);
    if (core->starved) {
        add(reasons, GG_WHY_NO_MEMORY, none, gg_slice_text("memory"),
            core->memory_bytes,
            "the broker's memory bound is reached: no attempt starts");
    }
    if (supply.pools == 0) {
        add(reasons, GG_WHY_NO_WORKER, job->submitted_at, name, 0,
            "no worker serves queue %s", queue->name.text);
    } else if (supply.up == 0 && supply.silent > 0) {
        add(reasons, GG_WHY_SUSPECT, none, name, supply.silent,
            "the %u agents that serve queue %s are silent", supply.silent,
            queue->name.text);
    } else if (supply.up == 0) {
        add(reasons, GG_WHY_NO_WORKER, none, name, supply.pools,
            "the agents that serve queue %s take no new work", queue->name.text);
    } else if (!supply.credit) {
        add(reasons, GG_WHY_NO_CREDIT, none, name, supply.slots,
            "all %llu slots of queue %s are taken", (unsigned long long)supply.slots,
            queue->name.text);
    }
    if (queue->count[GG_JOB_READY] > 1) {
        add(reasons, GG_WHY_BEHIND, none, name, queue->count[GG_JOB_READY],
            "%llu jobs are in line in queue %s",
            (unsigned long long)queue->count[GG_JOB_READY], queue->name.text);
    }
}

static void why_paused(const struct gg_queue *queue, struct reasons *reasons)
{
    struct gg_slice reason = gg_blob_slice(queue->pause_reason);
    add(reasons, GG_WHY_PAUSED, queue->paused_at, gg_name_slice(&queue->name), 0,
        "queue %s is paused%s%.*s", queue->name.text, reason.len > 0 ? ": " : "",
        GG_PRINT(reason));
}

struct gg_list gg_why_list(const struct gg_core *core, const struct gg_job *job,
                           struct gg_buf *out)
{
    struct reasons reasons = {.out = out};
    if (gg_job_waits(job) && job->queue->paused) {
        why_paused(job->queue, &reasons);
    }
    if (job->state == GG_JOB_SCHEDULED) {
        why_scheduled(core, job, &reasons);
    } else if (job->state == GG_JOB_READY) {
        why_ready(core, job, &reasons);
    } else if (job->state == GG_JOB_RUNNING) {
        why_running(job, &reasons);
    } else {
        add(&reasons, GG_WHY_ENDED, gg_job_finished_at(job), (struct gg_slice){0}, 0,
            "it has ended");
    }
    return (struct gg_list){.raw = gg_buf_slice(out), .count = reasons.count};
}
