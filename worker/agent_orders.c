#include <stdlib.h>

#include "worker/agent.h"
#include "worker/agent_say.h"

enum { ORDERS_MAX = 16 };

static void say_steered(struct gg_worker *agent, uint64_t request, enum gg_err err,
                        const char *text)
{
    struct gg_steered steered = {.error = (uint64_t)err, .text = gg_slice_text(text)};
    if (agent->state == GG_WORKER_UP) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_STEERED, request, &steered, NULL);
    }
}

static void forget(struct gg_worker *agent, struct gg_worker_order *order)
{
    gg_list_remove(&order->link);
    agent->order_count--;
    gg_blob_unref(&order->definition);
    free(order);
}

void gg_on_order(struct gg_worker *agent, uint64_t request,
                 const struct gg_steer *steer)
{
    struct gg_blob *definition = NULL;
    if (agent->order_count == ORDERS_MAX) {
        say_steered(agent, request, GG_ERR_BUSY, "the agent has too many orders");
        return;
    }
    struct gg_worker_order *order = calloc(1, sizeof *order);
    if (order != NULL && steer->definition.len > 0) {
        definition = gg_blob_new(steer->definition);
    }
    if (order == NULL || (steer->definition.len > 0 && definition == NULL)) {
        say_steered(agent, request, GG_ERR_NO_MEMORY, "out of memory");
        free(order);
        return;
    }
    order->request = request;
    order->action = (enum gg_steering)steer->action;
    order->size = steer->size;
    order->grace_ms = steer->grace_ms;
    order->save = steer->save;
    order->id = steer->id;
    gg_name_set(&order->pool, steer->pool);
    order->definition = definition;
    agent->order_count++;
    gg_list_push_back(&agent->orders, &order->link);
}

struct gg_worker_order *gg_worker_next_order(struct gg_worker *agent)
{
    struct gg_link *first = gg_list_first(&agent->orders);
    return first == NULL ? NULL : GG_CONTAINER(first, struct gg_worker_order, link);
}

void gg_worker_answer(struct gg_worker *agent, struct gg_worker_order *order,
                      enum gg_err err, const char *text)
{
    say_steered(agent, order->request, err, text);
    forget(agent, order);
}

void gg_orders_fini(struct gg_worker *agent)
{
    while (agent->order_count > 0) {
        forget(agent, gg_worker_next_order(agent));
    }
}

void gg_worker_report(struct gg_worker *agent, const struct gg_pool_state *states,
                      uint32_t count)
{
    struct gg_report report;
    if (agent->state != GG_WORKER_UP) {
        return;
    }
    gg_record_default(GG_RECORD_REPORT, &report);
    gg_buf_clear(&agent->scratch);
    for (uint32_t i = 0; i < count; i++) {
        gg_record_write(&agent->scratch, GG_RECORD_POOL_STATE, &states[i], NULL);
    }
    report.pools.raw = gg_buf_slice(&agent->scratch);
    report.pools.count = count;
    if (!agent->scratch.failed) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_REPORT, 0, &report, NULL);
    }
}

uint64_t gg_worker_fence_of(const struct gg_worker *agent, const struct gg_id *id)
{
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        const struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->state != GG_ATTEMPT_FINISHED &&
            memcmp(&attempt->id, id, sizeof *id) == 0) {
            return attempt->fence;
        }
    }
    return 0;
}
