/* steer.h - orders of operators to agents: scale, add, remove, quiet, stop, release.
 *
 *   client ──steer──▶ broker ──steer, a number──▶ agent
 *          ◀──done──         ◀──steered──────────
 *
 * The broker passes an order on and waits; what it means is the agent's affair. It goes
 * to every agent in reach whose name fits and whose realm the key may see, and is
 * answered when all of them have answered or gone.
 */
#ifndef GG_BROKER_CORE_STEER_H
#define GG_BROKER_CORE_STEER_H

#include "broker/core/state.h"

void gg_on_steer(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_steer *steer);

/* An agent's answer. */
void gg_on_steered(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                   uint64_t number, const struct gg_steered *steered);

/* How an agent's pools are; kept as it is, for whoever looks. */
void gg_on_report(struct gg_agent *agent, const struct gg_report *report);

/* A session has ended: orders of it are forgotten, orders to it count as failed. */
void gg_steer_close(struct gg_core *core, struct gg_effects *fx, uint32_t peer);

void gg_steer_fini(struct gg_core *core);

#endif
