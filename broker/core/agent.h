/* agent.h - agents, their pools, and which queues those serve.
 *
 * An agent is UP while its session is open and it is heard; SUSPECT when it is silent
 * (no new work, its leases run on to their deadlines); GONE when its session is over:
 * after a grace period its leases end. It is forgotten when no lease and no job names
 * it.
 */
#ifndef GG_BROKER_CORE_AGENT_H
#define GG_BROKER_CORE_AGENT_H

#include "broker/core/state.h"

/* Subscribe every pool that fits to a queue that is about to be added.
 * GG_ERR_NO_MEMORY: none is. */
GG_MUST_USE enum gg_err gg_agents_subscribe(struct gg_core *core,
                                            struct gg_queue *queue);

/* Open an agent's session: settle what it has in hand, take its pools, give it work. */
void gg_agent_hello(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    const struct gg_hello *hello);

/* Windows, leases and liveness. */
void gg_agent_heartbeat(struct gg_core *core, struct gg_effects *fx,
                        struct gg_agent *agent, const struct gg_heartbeat *heartbeat);

/* Anything came from the agent. True: it had been silent, and can be given work again:
 * call gg_agent_feed() once what it says has been dealt with. */
bool gg_agent_heard(struct gg_core *core, struct gg_effects *fx,
                    struct gg_agent *agent);

/* Give work to all its pools that have credit. */
void gg_agent_feed(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent);

/* The agent's session is over; with `bye` it said that it has nothing in hand. */
void gg_agent_closed(struct gg_core *core, struct gg_effects *fx,
                     struct gg_agent *agent, bool bye);

/* The agent of that name as a record tells of it, gone until it says hello; NULL
 * without memory. */
struct gg_agent *gg_agent_restore(struct gg_core *core, struct gg_slice name);

/* All records have been read: until then agents may come back for what they run. */
void gg_agents_await(struct gg_core *core, struct gg_mono until);

/* Act on agents whose timer is due. */
void gg_agents_due(struct gg_core *core, struct gg_effects *fx);

/* The broker itself was late: start all clocks of silence and all leases anew. */
void gg_agents_forgive(struct gg_core *core);

/* enum gg_agent_state, for people. */
enum gg_agent_state gg_agent_state_of(const struct gg_agent *agent);

/* Can the agent be given work now? */
bool gg_agent_takes_work(const struct gg_core *core, const struct gg_agent *agent);

/* Count a job that names the agent; and give that up: the last one frees the agent. */
struct gg_agent *gg_agent_ref(struct gg_agent *agent);
void gg_agent_unref(struct gg_agent **agent_p);

/* Free all agents. */
void gg_agents_fini(struct gg_core *core);

#endif
