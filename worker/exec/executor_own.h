/* executor_own.h - the inside of an executor: of executor.c, which runs it, of
 * executor_ring.c and of executor_handover.c. Nobody else's.
 */
#ifndef GG_WORKER_EXEC_EXECUTOR_OWN_H
#define GG_WORKER_EXEC_EXECUTOR_OWN_H

#include "common/ring.h"
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
    struct gg_link talking;
    struct gg_mono rest_at;
    int64_t told_lease_ms; /* What the keeper holds; 0 none. */
    struct gg_listener socket;
    struct gg_listener errors;
    struct gg_ring ring; /* Without a page: it says all in its socket. */
    int ring_fd;
    bool rings; /* It is known to use its ring. */
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

/* Something has been appended to `in`: take what is there whole. False: it is not what
 * an executor says, or not now; it has been hung up. */
bool gg_executor_heard(struct gg_executor *executor);

/* The one in work has not been reported as such: it is now. Where it was to be stopped
 * while it was behind others, its time for that begins. */
void gg_executor_begin_first(struct gg_executor *executor);

/* It has gone, or is to go: its end is on its way from the keeper. */
void gg_executor_hang_up(struct gg_executor *executor);

/* There are these bytes in the socket of one that uses its ring. False: they are no
 * bells, and it has been hung up. */
bool gg_executor_rang(struct gg_executor *executor, struct gg_slice bells);

/* Take what is in its ring. */
void gg_executor_hear(struct gg_executor *executor);
void gg_executor_close_ring(struct gg_executor *executor);

#endif
