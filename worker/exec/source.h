/* source.h - a program that brings jobs: it submits what it finds in an outside system.
 *
 * On descriptor 3 it writes lines:
 *
 *   ready    it is connected, and brings what comes
 *   alive    nothing has come, and it is there
 *
 * Any other line is passed over. The end of its standard error says why it ended.
 */
#ifndef GG_WORKER_EXEC_SOURCE_H
#define GG_WORKER_EXEC_SOURCE_H

#include "worker/exec/run.h"

struct gg_source_process;

/* `ended` comes once, and after it nothing more; `good`: with status 0. */
struct gg_source_hooks {
    void *ctx;
    void (*said)(void *ctx, uint32_t index, bool ready);
    void (*ended)(void *ctx, uint32_t index, bool good, const char *reason);
};

/* All lent for the call, but for what the cage is. */
struct gg_source_spec {
    const char *const *arguments;
    const char *const *variables; /* NAME=value, ended by NULL. */
    const struct gg_cage *cage;   /* NULL none. */
    uint32_t index;
};

/* GG_OK: `ended` will be called. Else errno says why. */
GG_MUST_USE enum gg_err gg_source_start(const struct gg_run_world *world,
                                        const struct gg_source_hooks *hooks,
                                        const struct gg_source_spec *spec,
                                        struct gg_source_process **out_source);

/* TERM now, KILL to all of it after `grace_ms`; 0: at once. */
void gg_source_stop(struct gg_source_process *source, uint64_t grace_ms);

/* What the keeper calls it. */
uint64_t gg_source_number(const struct gg_source_process *source);

/* Forget it; the keeper's end is its end. */
void gg_source_drop(struct gg_source_process **source_p);

#endif
