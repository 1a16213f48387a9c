/* staff_sources.h - the sources of a pool at work: what worker/sup/sources decides is
 * done here, with the processes of worker/exec/source. */
#ifndef GG_WORKER_STAFF_SOURCES_H
#define GG_WORKER_STAFF_SOURCES_H

#include "worker/staff.h"

/* Begin with the sources of the pool's settings; nothing where it has none. */
GG_MUST_USE enum gg_err gg_staff_sources_open(struct gg_staff_pool *pool);
void gg_staff_sources_close(struct gg_staff_pool *pool);

/* Start, stop and switch. */
void gg_staff_sources_turn(struct gg_staff_pool *pool, struct gg_mono now);

/* An attempt of that queue is begun. */
void gg_staff_sources_arrived(struct gg_staff_pool *pool, struct gg_slice queue,
                              struct gg_mono now);

/* When to turn again at the latest; false when nothing waits for time. */
bool gg_staff_sources_next_wake(const struct gg_staff_pool *pool,
                                struct gg_mono *out_at);

/* Has every process of them ended? */
bool gg_staff_sources_are_still(const struct gg_staff_pool *pool);

/* "poll, as listen failed: exit status 1": the one in use, and why none before it is.
 * "" where the pool has none. Valid until the next call. */
const char *gg_staff_sources_describe(const struct gg_staff_pool *pool);

/* What the keeper calls the process of that source; 0: none runs. */
uint64_t gg_staff_sources_number(const struct gg_staff_pool *pool, uint32_t source);

#endif
