/* queue.h - realms and queues by name, and the line of jobs that wait for a worker. */
#ifndef GG_BROKER_CORE_QUEUE_H
#define GG_BROKER_CORE_QUEUE_H

#include "broker/core/state.h"

/* The queue of that name, or NULL. An absent realm is the default one. */
struct gg_queue *gg_queue_find(const struct gg_core *core, struct gg_slice realm,
                               struct gg_slice name);

/* The queue of that name, made if there is none yet, with every pool that fits it
 * subscribed.
 *   GG_ERR_TOO_MANY   as many realms or queues as may be
 *   GG_ERR_NO_MEMORY  nothing has changed */
GG_MUST_USE enum gg_err gg_queue_get(struct gg_core *core, struct gg_slice realm,
                                     struct gg_slice name, struct gg_queue **out_queue);

/* Make room for jobs of that priority. GG_ERR_NO_MEMORY changes nothing. */
GG_MUST_USE enum gg_err gg_queue_reserve(struct gg_queue *queue, uint8_t priority);

/* The line of that priority, for which there is room. After its list was changed by
 * hand call gg_queue_mark(). */
struct gg_link *gg_queue_line(struct gg_queue *queue, uint8_t priority);
void gg_queue_mark(struct gg_queue *queue, uint8_t priority);

/* Put a READY job into its line: at the end, or at the front when it was handed
 * back. */
void gg_queue_push(struct gg_core *core, struct gg_job *job, bool front);

/* Take a READY job out of its line. */
void gg_queue_pull(struct gg_job *job);

/* Jobs stay in line: whatever pool has credit first must look into this queue. Said to
 * its pools once, until the queue is found empty, or its first job is more urgent. */
void gg_queue_note(struct gg_queue *queue);

/* The job that is first in line, or NULL. */
struct gg_job *gg_queue_first(const struct gg_queue *queue);

/* Does the queue's realm and name fit? An empty pattern fits all. */
bool gg_queue_fits(const struct gg_queue *queue, struct gg_slice realm,
                   struct gg_slice pattern);

/* Free all queues and realms. */
void gg_queues_fini(struct gg_core *core);

#endif
