/* lease.h - credit, attempts and fences: who runs what, and until when.
 *
 * At any instant at most one attempt of a job holds a lease. A lease ends by outcome or
 * hand-back, by proof of death, when its agent's session has been gone for the grace
 * period, or at its deadline; only then can the job be assigned again, under a larger
 * fence.
 */
#ifndef GG_BROKER_CORE_LEASE_H
#define GG_BROKER_CORE_LEASE_H

#include "broker/core/state.h"

/* Why a lease ended without an outcome. */
enum gg_lease_end {
    GG_LEASE_LOST,        /* The attempt may have run; nothing starts it any more. */
    GG_LEASE_GIVEN_UP,    /* The same, but it may yet be started where it is. */
    GG_LEASE_HANDED_BACK, /* It provably did not, or was stopped in order. */
};

/* Assign jobs of `queue` as long as there are jobs and credit. */
void gg_dispatch_queue(struct gg_core *core, struct gg_effects *fx,
                       struct gg_queue *queue);

/* Assign jobs to `pool` from the queues it serves, while it has credit. */
void gg_dispatch_pool(struct gg_core *core, struct gg_effects *fx,
                      struct gg_pool *pool);

/* A lease has been released: give the credit that it left behind to others. `pool` may
 * be NULL. */
void gg_dispatch_freed(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, struct gg_pool *pool);

/* When dispatch had stopped for want of memory and there is room again: go on. */
void gg_dispatch_again(struct gg_core *core, struct gg_effects *fx);

/* Does the pool have credit for one more? */
bool gg_pool_has_credit(const struct gg_core *core, const struct gg_pool *pool);

/* Put a job into state READY and in line; nobody is given it yet. */
void gg_line_up(struct gg_core *core, struct gg_job *job, bool front);

/* The same, and give it to someone if that can be. */
void gg_make_ready(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                   bool front);

/* A job that was RUNNING when its record was written is that again, with a whole lease
 * from now. False: another of its agent's leases has the same fence. */
GG_MUST_USE bool gg_lease_restore(struct gg_core *core, struct gg_job *job);

/* Take the lease of a RUNNING job away; its pool gets its credit back, but no new work
 * yet: call gg_dispatch_freed() with the result, which may be NULL. */
struct gg_pool *gg_lease_release(struct gg_job *job);

/* The lease of a RUNNING job is over without an outcome: what becomes of the job. */
void gg_lease_lost(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                   enum gg_lease_end why);

/* Has the lease of the job's newest attempt been given up although its agent may yet
 * begin it? */
bool gg_lease_is_adrift(const struct gg_core *core, const struct gg_job *job);

/* The payload of an attempt has been read: send it, its lease begins now. */
void gg_lease_send(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* It cannot be read, nor will it ever be: the job fails. */
void gg_lease_unreadable(struct gg_core *core, struct gg_effects *fx,
                         struct gg_job *job, const char *why);

/* The deadline of a RUNNING job's timer has come: lost, or renewed meanwhile. */
void gg_lease_due(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Renew the leases of `agent` under these fences. */
void gg_leases_renew(struct gg_core *core, struct gg_agent *agent, struct gg_list held);

/* Give all leases of `agent` a full length from now. */
void gg_leases_extend(struct gg_core *core, struct gg_agent *agent);

void gg_leases_end_all(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, enum gg_lease_end why);

/* Hold what an agent says it has in hand against what the broker knows: take attempts
 * back, stop those of no use, hand back what never arrived. */
void gg_leases_settle(struct gg_core *core, struct gg_effects *fx,
                      struct gg_agent *agent, struct gg_list held);

/* Count each pool's leases anew, after the pools were told. */
void gg_leases_count_pools(struct gg_agent *agent);

/* The agent reported that the attempt's executor runs. */
void gg_lease_started(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Tell the agent that has the attempt to stop it. */
void gg_lease_stop(struct gg_core *core, struct gg_effects *fx,
                   const struct gg_job *job, enum gg_stop reason);

#endif
