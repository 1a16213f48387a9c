/* registry.h - what the broker knows: jobs by id and by key, and what they cost. */
#ifndef GG_BROKER_CORE_REGISTRY_H
#define GG_BROKER_CORE_REGISTRY_H

#include "broker/core/state.h"

/* Nothing is known yet; the core's seed is set. */
void gg_registry_init(struct gg_core *core);

/* The job with this id, evicted ones included, or NULL. */
struct gg_job *gg_registry_by_id(struct gg_core *core, const struct gg_id *id);

/* Somebody will soon ask for the job with this id. */
void gg_registry_foresee(const struct gg_core *core, const struct gg_id *id);

/* The job that holds this key in this queue, or NULL. */
struct gg_job *gg_registry_by_key(struct gg_core *core, const struct gg_queue *queue,
                                  struct gg_slice key);

/* The job at a place in the table, or NULL when the place is empty. */
struct gg_job *gg_registry_at(struct gg_core *core, uint32_t index);

/* The same, whether the place is empty or not; `index` is below the room. */
struct gg_job *gg_registry_slot(struct gg_core *core, uint32_t index);

/* How many places the table has. */
uint32_t gg_registry_room(const struct gg_core *core);

/* A new job in state NONE with this id, in the id map, counted to the queue; all
 * that can fail about its later life (timer, key) has its room reserved. NULL
 * without memory. */
struct gg_job *gg_registry_add(struct gg_core *core, struct gg_queue *queue,
                               const struct gg_id *id);

/* Forget a job in state NONE or EVICTED for good. It must be in no list. */
void gg_registry_remove(struct gg_core *core, struct gg_job *job);

/* Free all that belongs to the job but its place and its numbers in the accounts. */
void gg_registry_empty(struct gg_core *core, struct gg_job *job);

/* Let the job hold its key; nobody else does. */
void gg_registry_hold_key(struct gg_core *core, struct gg_job *job);

/* Free the job's key for others, if it holds it. */
void gg_registry_drop_key(struct gg_core *core, struct gg_job *job);

/* Account `bytes` more (or less) to the job, its queue, its realm and the core. */
void gg_charge(struct gg_core *core, struct gg_job *job, int64_t bytes);

/* The job's extra part, made and charged if it is not there; NULL without memory. */
struct gg_extra *gg_job_extra(struct gg_core *core, struct gg_job *job);

/* The job's newest attempt, made if it never had one; NULL without memory. */
struct gg_job_attempt *gg_job_attempt_get(struct gg_core *core, struct gg_job *job);

/* Replace a text of the job, as gg_text_replace() does, and charge the difference. */
void gg_job_text(struct gg_core *core, struct gg_job *job, struct gg_blob **blob_p,
                 struct gg_slice text, size_t max);

/* Put the job into `state` and keep the counts of its queue and the core. Does not
 * touch lines, leases or timers. */
void gg_move(struct gg_core *core, struct gg_job *job, enum gg_job_state state);

/* The same for a job that has been read from its record. */
void gg_restore_state(struct gg_core *core, struct gg_job *job,
                      enum gg_job_state state);

/* Free every job. */
void gg_registry_fini(struct gg_core *core);

#endif
