/* run.h - what an executor is told of an attempt, and what it tells back.
 *
 * Two kinds of executor keep this contract: program.c (a process an attempt) and
 * executor.c (a process that stays: a C handler, or a co-process). In what they call
 * back, `fence` says which attempt it is about; `ended` comes once for each attempt
 * that was begun, and after it nothing more.
 */
#ifndef GG_WORKER_EXEC_RUN_H
#define GG_WORKER_EXEC_RUN_H

#include "common/id.h"
#include "common/list.h"
#include "worker/exec/ending.h"
#include "worker/exec/keeper_client.h"
#include "worker/exec/lines.h"

/* How the processes of a pool run; lent for the call. */
struct gg_run_style {
    const struct gg_cage *cage;
    const char *const *variables; /* "NAME=value", ended by NULL. */
};

/* All lent for the call that begins the attempt. */
struct gg_run_spec {
    const struct gg_run_style *style; /* NULL: nothing special. */
    struct gg_id id;
    uint64_t fence;
    uint64_t attempt;
    uint64_t attempts_max;
    uint64_t run_timeout_ms; /* 0 none. */
    struct gg_slice realm;
    struct gg_slice queue;
    struct gg_slice key;
    struct gg_slice checkpoint;
    struct gg_blob *payload; /* A reference is taken; NULL is empty. */
    uint64_t result_bytes_max;
    int64_t deadline_ms; /* Of its lease, on CLOCK_BOOTTIME. */
    int64_t start_by_ms; /* Not to be begun from then on, on that clock; 0 none. */
    struct gg_wall now;
};

/* `returned`: it was given to an executor that has not begun it, and will not; in place
 * of `ended`. */
struct gg_run_hooks {
    void *ctx;
    void (*started)(void *ctx, uint64_t fence);
    void (*said)(void *ctx, uint64_t fence, const struct gg_line *line);
    void (*ended)(void *ctx, uint64_t fence, const struct gg_ending *ending);
    void (*returned)(void *ctx, uint64_t fence);
};

struct gg_spare_folders; /* See worker/exec/folder.h. */

/* What the executors of one agent share. */
struct gg_run_world {
    struct gg_poller *poller;
    struct gg_keeper_client *keeper;
    struct gg_run_hooks hooks;
    struct gg_link *resting; /* Idle executors whose lease the keeper still holds. */
    struct gg_link *unsent;  /* Those that have been given attempts in this turn. */
    struct gg_link *talking; /* Those that may have said more, and do not ring. */
    struct gg_spare_folders *spare_folders;
    const char *temp_folder; /* Each attempt gets a folder in it. */
    bool verbose;            /* Pass standard error of jobs on to our own. */
};

#endif
