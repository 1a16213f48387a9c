/* executor_own.h - the inside of an executor: of executor.c, which runs it, and of
 * executor_handover.c. Nobody else's.
 */
#ifndef GG_WORKER_EXEC_EXECUTOR_OWN_H
#define GG_WORKER_EXEC_EXECUTOR_OWN_H

#include "worker/exec/executor.h"
#include "worker/exec/folder.h"
#include "worker/exec/hand.h"
#include "worker/exec/tail.h"

enum { GG_EXECUTOR_SPARE_BYTES = 65536 }; /* Of a message, beside payload or result. */

struct gg_executor {
    const struct gg_run_world *world;
    const struct gg_talk *talk;
    const struct gg_cage *cage; /* Lent; NULL none. */
    struct gg_executor_hooks hooks;
    uint32_t index;
    struct gg_child child;
    struct gg_link resting;
    struct gg_link unsent;
    struct gg_mono rest_at;
    int64_t told_lease_ms; /* What the keeper holds; 0 none. */
    struct gg_listener socket;
    struct gg_listener errors;
    struct gg_buf in;
    struct gg_buf out;
    size_t sent; /* Bytes of `out` that have left. */
    struct gg_tail tail;
    bool mixed; /* The tail is of more than one attempt. */
    bool is_ready;
    struct gg_hand hand;
    uint64_t begun; /* Fence of the attempt last reported as started. */
    uint64_t result_bytes_max;
    int64_t heard_us; /* When it was last read from. */
    bool broken;      /* It does not keep to the protocol; it is being killed. */
    bool stopping;    /* A KILL has been announced to the keeper. */
    bool disturbed;   /* It was told to stop since it was last idle. */
    bool asked;       /* It has been told to end. */
    bool result_too_large;
    int folder_fd; /* Of `folder`. */
    char folder[GG_FOLDER_BYTES];
};

/* One without a process; NULL without memory. */
struct gg_executor *gg_executor_make(const struct gg_run_world *world,
                                     const struct gg_executor_hooks *hooks,
                                     const struct gg_executor_spec *spec);

#endif
