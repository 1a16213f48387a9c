/* agent_time.c - when the agent has something to do next, and whom it waits for. */
#include "worker/agent.h"

bool gg_worker_is_silent(const struct gg_worker *agent, struct gg_mono now)
{
    return (agent->state == GG_WORKER_HELLO_SENT || agent->state == GG_WORKER_UP) &&
           now.ms - agent->heard_ms > (int64_t)agent->dead_after_ms;
}

struct gg_mono gg_worker_next_wake(const struct gg_worker *agent)
{
    int64_t at = gg_heap_first_at(&agent->attempts.timers);
    if (agent->draining && agent->drain_until_ms < at) {
        at = agent->drain_until_ms;
    }
    if (agent->state == GG_WORKER_UP && agent->beat_at_ms < at) {
        at = agent->beat_at_ms;
    }
    if (agent->state == GG_WORKER_UP || agent->state == GG_WORKER_HELLO_SENT) {
        int64_t dead = agent->heard_ms + (int64_t)agent->dead_after_ms + 1;
        /* A tick that comes later than this is taken for a stop of our own. */
        int64_t tick = agent->ticked_ms + (int64_t)agent->heartbeat_ms;
        at = dead < at ? dead : at;
        at = tick < at ? tick : at;
    }
    return (struct gg_mono){at};
}
