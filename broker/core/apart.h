/* apart.h - large payloads and results: kept on disk beside the record that names them,
 * read when somebody needs them.
 *
 *   accepted --> blob, record --> memory, while there is room for it
 *                                     | else
 *   assigned <-- LOADED <-- LOAD <----' when it is dispatched
 *
 * An attempt whose payload is being read has its slot and its fence, but its agent
 * knows nothing of it yet (job->unsent): it can be taken back without asking. Its lease
 * begins when it is sent. Only durable jobs have anything apart.
 */
#ifndef GG_BROKER_CORE_APART_H
#define GG_BROKER_CORE_APART_H

#include "broker/core/answer.h"
#include "broker/core/state.h"
#include "common/codec.h"

/* Would these bytes be kept apart? */
static inline bool gg_is_large(size_t len)
{
    return len > GG_INLINE_BYTES_MAX;
}

/* The job's record is about to be written: write what it names and is not on disk yet,
 * and remove what it names no longer. */
void gg_apart_write(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* The record is written, or a blob was read: may they stay in memory too? */
void gg_apart_settle(struct gg_core *core, struct gg_job *job);

/* The job is to be forgotten: what it has apart too. */
void gg_apart_erase(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Give up what is in memory of it. */
void gg_payload_drop(struct gg_core *core, struct gg_job *job);
void gg_result_drop(struct gg_core *core, struct gg_job *job);

/* Read the payload of a RUNNING job if it is not in memory. True: it is, go on. False:
 * the attempt is sent once it is there. */
bool gg_payload_ready(struct gg_core *core, struct gg_effects *fx, struct gg_job *job);

/* Is the result to be read before it can be shown? Then who asks is answered later. */
bool gg_result_asked(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, struct gg_job *job,
                     const struct gg_job_view *view);

/* What GG_FX_LOAD has brought. */
void gg_apart_loaded(struct gg_core *core, struct gg_effects *fx,
                     const struct gg_event *ev);

/* The peer's session is over: nobody asks any longer. */
void gg_apart_close(struct gg_core *core, uint32_t peer);
void gg_apart_fini(struct gg_core *core);

#endif
