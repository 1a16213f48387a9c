#include "broker/core/steer.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/agent.h"
#include "broker/core/answer.h"
#include "broker/core/registry.h"
#include "common/codec.h"
#include "common/name.h"

enum {
    ORDERS_MAX = 64,  /* Under way at once. */
    AGENTS_MAX = 256, /* That one order goes to. */
    REASON_BYTES = 256,
    REPORT_BYTES_MAX = 65536,
};

/* An order under way. */
struct gg_order {
    struct gg_link link;
    uint32_t peer; /* Who asked. */
    uint64_t request;
    uint64_t number; /* That its agents answer. */
    uint64_t done;
    bool found;      /* One of them knew what it is about. */
    enum gg_err err; /* Of the first that refused. */
    char text[REASON_BYTES];
    uint32_t waits_count;
    uint32_t waits[AGENTS_MAX]; /* Sessions that have not answered. */
};

static const char *const names[GG_STEER_COUNT] = {
    [GG_STEER_SCALE] = "scale",     [GG_STEER_ADD] = "add",
    [GG_STEER_REMOVE] = "remove",   [GG_STEER_QUIET] = "quiet",
    [GG_STEER_RESUME] = "resume",   [GG_STEER_STOP] = "stop",
    [GG_STEER_RESTART] = "restart", [GG_STEER_RELEASE] = "release",
};

static void forget(struct gg_core *core, struct gg_order *order)
{
    gg_list_remove(&order->link);
    core->order_count--;
    free(order);
}

/* Answer an order that nobody is waited for any more. Who does not know the pool does
 * not spoil what others have done. */
static void settle(struct gg_core *core, struct gg_effects *fx, struct gg_order *order)
{
    if (order->waits_count > 0) {
        return;
    }
    bool good = order->err == GG_OK ||
                (order->err == GG_ERR_NOT_FOUND && order->done > 0);
    if (good) {
        struct gg_done done = {.count = order->done};
        gg_say_done(core, fx, order->peer, order->request, &done);
    } else {
        gg_refuse(core, fx, order->peer, order->request, order->err, "%s", order->text);
    }
    forget(core, order);
}

static void fail(struct gg_order *order, enum gg_err err, struct gg_slice text)
{
    bool weaker = order->err == GG_OK || order->err == GG_ERR_NOT_FOUND;
    if (weaker) {
        order->err = err;
        gg_slice_copy(text, order->text, sizeof order->text);
    }
}

/* ---- asking ---- */

static bool fits(const struct gg_core *core, const struct gg_agent *agent,
                 const struct gg_grant *grant, const struct gg_steer *steer)
{
    enum gg_agent_state state = gg_agent_state_of(agent);
    (void)core;
    return (state == GG_AGENT_UP || state == GG_AGENT_DRAINING) &&
           gg_pattern_match(steer->worker, gg_blob_slice(agent->name)) &&
           gg_grant_realm(grant, gg_name_slice(&agent->realm));
}

/* Sessions of all agents that the order is for; beyond AGENTS_MAX they are only
 * counted. */
static uint32_t find_agents(struct gg_core *core, uint32_t peer,
                            const struct gg_steer *steer, uint32_t out[AGENTS_MAX])
{
    const struct gg_grant *grant = core->sessions[peer]->grant;
    const struct gg_agent *agent;
    uint32_t count = 0;
    size_t place = 0;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        if (fits(core, agent, grant, steer)) {
            if (count < AGENTS_MAX) {
                out[count] = agent->peer;
            }
            count++;
        }
    }
    return count;
}

/* The agent that runs the job, for a release; refuses where there is none. */
static bool find_holder(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                        uint64_t request, const struct gg_steer *steer, uint32_t *out)
{
    const struct gg_job *job = gg_registry_by_id(core, &steer->id);
    const struct gg_grant *grant = core->sessions[peer]->grant;
    if (job == NULL || !gg_grant_queue(grant, gg_name_slice(&job->queue->realm->name),
                                       gg_name_slice(&job->queue->name))) {
        gg_refuse(core, fx, peer, request, GG_ERR_NOT_FOUND, "there is no such job");
        return false;
    }
    const struct gg_agent *agent = job->state == GG_JOB_RUNNING ? job->newest->agent
                                                                : NULL;
    if (agent == NULL || agent->peer == GG_PEER_NONE || agent->suspect) {
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_STATE,
                  "no agent in reach runs that job");
        return false;
    }
    *out = agent->peer;
    return true;
}

static void audit(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  const struct gg_steer *steer, uint32_t count)
{
    char reason[REASON_BYTES];
    gg_slice_copy(steer->reason, reason, sizeof reason);
    for (char *c = reason; *c != '\0'; c++) {
        *c = *c == '"' || *c == '\\' || *c == '\n' ? '\'' : *c;
    }
    gg_note(fx, GG_FX_AUDIT,
            "event=audit what=%s who=%s workers=%.*s pool=%.*s count=%u reason=\"%s\"",
            names[steer->action], core->sessions[peer]->grant->name.text,
            GG_PRINT(steer->worker), GG_PRINT(steer->pool), count, reason);
}

static void pass_on(struct gg_core *core, struct gg_effects *fx, struct gg_order *order,
                    const struct gg_steer *steer)
{
    for (uint32_t i = 0; i < order->waits_count; i++) {
        gg_say(core, fx, order->waits[i], order->number, GG_CMD_STEER, steer, 0);
    }
}

/* False: it is refused already. */
static bool choose(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t request, const struct gg_steer *steer,
                   struct gg_order *order)
{
    if (steer->action >= GG_STEER_COUNT) {
        gg_refuse(core, fx, peer, request, GG_ERR_BAD_FIELD, "there is no action %llu",
                  (unsigned long long)steer->action);
        return false;
    }
    if (steer->action == GG_STEER_RELEASE) {
        order->waits_count = 1;
        return find_holder(core, fx, peer, request, steer, &order->waits[0]);
    }
    order->waits_count = find_agents(core, peer, steer, order->waits);
    if (order->waits_count == 0) {
        gg_refuse(core, fx, peer, request, GG_ERR_NOT_FOUND,
                  "no agent in reach is called %.*s", GG_PRINT(steer->worker));
        return false;
    }
    if (order->waits_count > AGENTS_MAX) {
        gg_refuse(core, fx, peer, request, GG_ERR_TOO_MANY,
                  "%u agents fit %.*s, more than %d in one order", order->waits_count,
                  GG_PRINT(steer->worker), AGENTS_MAX);
        return false;
    }
    return true;
}

void gg_on_steer(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_steer *steer)
{
    if (core->order_count >= ORDERS_MAX) {
        gg_refuse(core, fx, peer, request, GG_ERR_BUSY,
                  "%d orders to agents are under way", ORDERS_MAX);
        return;
    }
    struct gg_order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        gg_refuse(core, fx, peer, request, GG_ERR_NO_MEMORY, "out of memory");
        return;
    }
    if (!choose(core, fx, peer, request, steer, order)) {
        free(order);
        return;
    }
    if (steer->dry_run) {
        struct gg_done done = {.count = order->waits_count, .dry_run = true};
        gg_say_done(core, fx, peer, request, &done);
        free(order);
        return;
    }
    order->peer = peer;
    order->request = request;
    order->number = ++core->order_number;
    gg_list_push_back(&core->orders, &order->link);
    core->order_count++;
    audit(core, fx, peer, steer, order->waits_count);
    pass_on(core, fx, order, steer);
}

/* ---- answers ---- */

/* Was the session waited for? It is not any more. */
static bool strike(struct gg_order *order, uint32_t peer)
{
    for (uint32_t i = 0; i < order->waits_count; i++) {
        if (order->waits[i] == peer) {
            order->waits[i] = order->waits[--order->waits_count];
            return true;
        }
    }
    return false;
}

void gg_on_steered(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t number, const struct gg_steered *steered)
{
    GG_LIST_EACH(&core->orders, it)
    {
        struct gg_order *order = GG_CONTAINER(it, struct gg_order, link);
        if (order->number != number || !strike(order, peer)) {
            continue;
        }
        if (steered->error == GG_OK) {
            order->done++;
        } else {
            fail(order, (enum gg_err)steered->error, steered->text);
        }
        settle(core, fx, order);
        return;
    }
}

void gg_on_report(struct gg_agent *agent, const struct gg_report *report)
{
    struct gg_list list = report->pools;
    struct gg_pool_state state;
    struct gg_fault fault;
    while (gg_list_next_record(&list, GG_RECORD_POOL_STATE, &state, &fault)) {
    }
    if (list.count == 0 && report->pools.raw.len <= REPORT_BYTES_MAX) {
        gg_text_replace(&agent->report, report->pools.raw, REPORT_BYTES_MAX);
        agent->report_count = agent->report == NULL ? 0 : report->pools.count;
    }
}

void gg_steer_close(struct gg_core *core, struct gg_effects *fx, uint32_t peer)
{
    GG_LIST_EACH(&core->orders, it)
    {
        struct gg_order *order = GG_CONTAINER(it, struct gg_order, link);
        if (order->peer == peer) {
            forget(core, order);
        } else if (strike(order, peer)) {
            fail(order, GG_ERR_BAD_STATE, gg_slice_text("an agent went away first"));
            settle(core, fx, order);
        }
    }
}

void gg_steer_fini(struct gg_core *core)
{
    GG_LIST_EACH(&core->orders, it)
    {
        forget(core, GG_CONTAINER(it, struct gg_order, link));
    }
}
