/* staff_handover.h - the processes of attempts, handed to the next agent: they run on.
 *
 * Executors with an attempt in hand, and programs, are taken over; idle executors and
 * sources end, and are started anew. Budgets and back-offs begin anew.
 */
#ifndef GG_WORKER_STAFF_HANDOVER_H
#define GG_WORKER_STAFF_HANDOVER_H

#include "worker/exec/pack.h"
#include "worker/staff.h"

void gg_staff_save(const struct gg_staff *staff, struct gg_pack *pack);

/* After gg_worker_restore(), gg_staff_add() of all pools, and gg_keeper_restore(). What
 * cannot be taken over is killed, and its attempt reported as lost. False: the pack is
 * not whole. */
GG_MUST_USE bool gg_staff_restore(struct gg_staff *staff, struct gg_pack *pack);

#endif
