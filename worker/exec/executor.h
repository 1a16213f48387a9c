/* executor.h - one pre-forked process that runs attempts of a C handler, one at a time.
 *
 * It is our own program with a role argument, started by the keeper and exec'ed anew;
 * it loads the shared object and speaks over the socket at its descriptor 3: the same
 * messages as everywhere (common/codec.h), each behind its length, 4 bytes big-endian.
 *
 *   to it    assign, stop
 *   from it  heartbeat (it can take work), progress, partial, checkpoint, outcome
 *
 * The other side is worker/lib/executor.c. Which executor gets the next attempt, and
 * whether a dead one is replaced, is worker/sup's affair.
 */
#ifndef GG_WORKER_EXEC_EXECUTOR_H
#define GG_WORKER_EXEC_EXECUTOR_H

#include "worker/exec/run.h"

struct gg_executor;

/* What its owner is told. After `died` the executor is gone; an attempt it had in hand
 * has been reported as ended before. */
struct gg_executor_hooks {
    void *ctx;
    void (*ready)(void *ctx, uint32_t index); /* Started, or done with its attempt. */
    void (*died)(void *ctx, uint32_t index, const char *reason);
};

/* Start one. `arguments` is how (ended by NULL), `index` what its owner calls it.
 * GG_OK: `ready` or `died` follows. */
GG_MUST_USE enum gg_err gg_executor_start(const struct gg_run_world *world,
                                          const struct gg_executor_hooks *hooks,
                                          const char *const *arguments, uint32_t index,
                                          struct gg_executor **out_executor);

/* Give it an attempt; it must be idle. GG_OK: `ended` of the world's hooks follows. On
 * GG_ERR_TOO_LARGE or GG_ERR_NO_MEMORY nothing was begun. */
GG_MUST_USE enum gg_err gg_executor_begin(struct gg_executor *executor,
                                          const struct gg_run_spec *spec);

/* Tell the handler that its attempt is cancelled; after `grace_ms` the whole executor
 * is killed. 0: now. */
void gg_executor_stop(struct gg_executor *executor, uint64_t grace_ms);

void gg_executor_lease(struct gg_executor *executor, int64_t deadline_ms);

/* Close it; an idle one ends by itself then. */
void gg_executor_drop(struct gg_executor **executor_p);

#endif
