/* agent_say.h - the agent's side of the talk: each command it sends, put together from
 * what it knows. Pure; used by agent.c only. Nothing is added while no session is open.
 */
#ifndef GG_WORKER_AGENT_SAY_H
#define GG_WORKER_AGENT_SAY_H

#include "worker/agent.h"

void gg_say_started(struct gg_worker *agent, struct gg_attempt *attempt);
void gg_say_progress(struct gg_worker *agent, struct gg_attempt *attempt);
void gg_say_checkpoint(struct gg_worker *agent, const struct gg_attempt *attempt);
void gg_say_outcome(struct gg_worker *agent, const struct gg_attempt *attempt);

/* Hand back an assignment that there was no room to remember. */
void gg_say_unkept(struct gg_worker *agent, const struct gg_id *id, uint64_t fence);

/* Keep a copy of `bytes` in *blob_p instead of what is there; nothing when empty. */
void gg_say_keep(struct gg_blob **blob_p, struct gg_slice bytes);

/* Windows and leases, in full; from its sending the leases will run. */
void gg_say_heartbeat(struct gg_worker *agent, struct gg_mono now);

/* agent_orders.c: an order has come, where there is room for it; forget all. */
void gg_on_order(struct gg_worker *agent, uint64_t request,
                 const struct gg_steer *steer);
void gg_orders_fini(struct gg_worker *agent);

#endif
