#include "common/assert.h"
#include "worker/agent.h"
#include "worker/agent_say.h"

enum gg_err gg_worker_add_pool(struct gg_worker *agent, struct gg_mono now,
                               const struct gg_worker_pool *pool, uint32_t *out_index)
{
    uint32_t index = 0;
    while (index < GG_POOLS_MAX && agent->pools[index].used) {
        index++;
    }
    if (index == GG_POOLS_MAX || pool->slots > agent->slots_max - agent->slots) {
        return GG_ERR_TOO_MANY;
    }
    struct gg_pool_now *it = &agent->pools[index];
    *it = (struct gg_pool_now){
        .used = true,
        .config = *pool,
        .window = pool->slots,
        .in_hand = it->in_hand, /* Of its predecessor: given back, not yet confirmed. */
    };
    gg_list_init(&it->line);
    agent->slots += pool->slots;
    if (agent->state == GG_WORKER_UP) {
        gg_say_heartbeat(agent, now);
    }
    *out_index = index;
    return GG_OK;
}

enum gg_err gg_worker_resize_pool(struct gg_worker *agent, uint32_t pool,
                                  uint32_t slots)
{
    struct gg_pool_now *it = &agent->pools[pool];
    uint32_t others = agent->slots - it->config.slots;
    if (slots > agent->slots_max - others) {
        return GG_ERR_TOO_MANY;
    }
    it->config.slots = slots;
    agent->slots = others + slots;
    return GG_OK;
}

bool gg_worker_drop_pool(struct gg_worker *agent, struct gg_mono now, uint32_t pool)
{
    struct gg_pool_now *it = &agent->pools[pool];
    GG_ASSERT(it->used && it->window == 0);

    if (it->in_hand > 0) {
        return false;
    }
    agent->slots -= it->config.slots;
    *it = (struct gg_pool_now){.used = false};
    if (agent->state == GG_WORKER_UP) {
        gg_say_heartbeat(agent, now);
    }
    return true;
}
