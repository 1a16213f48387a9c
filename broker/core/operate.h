/* operate.h - what people and clients do to jobs and queues: cancel, retry, pause,
 * resume, purge. Each leaves an audit line: who, what, how many, why.
 */
#ifndef GG_BROKER_CORE_OPERATE_H
#define GG_BROKER_CORE_OPERATE_H

#include "broker/core/state.h"

void gg_on_cancel(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, struct gg_job *job, const struct gg_target *target);
void gg_on_retry(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, struct gg_job *job, const struct gg_target *target);
void gg_on_pause(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_scope *scope);
void gg_on_resume(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_scope *scope);
void gg_on_purge(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_scope *scope);

/* Answer the pauses whose queues have nothing left that can start. */
void gg_settles_check(struct gg_core *core, struct gg_effects *fx);

/* Answer the pauses that have waited long enough for silent agents. */
void gg_settles_due(struct gg_core *core, struct gg_effects *fx);

/* Go on with the purges under way, some jobs in each step. */
void gg_sweeps_go_on(struct gg_core *core, struct gg_effects *fx);

/* Whoever asked is gone: pauses and purges go on, nobody is answered. */
void gg_operate_close(struct gg_core *core, uint32_t peer);

void gg_operate_fini(struct gg_core *core);

/* Tokens from here up are backups', those below of loads. */
#define GG_BACKUP_TOKEN (UINT64_C(1) << 63)

/* Copy everything that is kept into a file; and what came of it. */
void gg_on_backup(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_backup *backup);
void gg_backup_answered(struct gg_core *core, struct gg_effects *fx,
                        const struct gg_event *ev);

#endif
