/* agent_handover.h - what the agent knows, handed to the one that takes its place in
 * the same process: attempts, outcomes to confirm, fences it remembers. Pure. */
#ifndef GG_WORKER_AGENT_HANDOVER_H
#define GG_WORKER_AGENT_HANDOVER_H

#include "worker/agent.h"
#include "worker/exec/pack.h"

void gg_worker_save(const struct gg_worker *agent, struct gg_pack *pack);

/* Into an agent that has its pools and has had no session; a pool is found by its name.
 * Attempts of a pool that is no longer there are handed back. False: the pack is not
 * whole. */
GG_MUST_USE bool gg_worker_restore(struct gg_worker *agent, struct gg_pack *pack);

/* The pool of that name; GG_POOLS_MAX: none. */
uint32_t gg_worker_pool_named(const struct gg_worker *agent, struct gg_slice name);

#endif
