/* job.h - one attempt inside an executor: what the public header's calls work on. */
#ifndef GG_WORKER_LIB_JOB_H
#define GG_WORKER_LIB_JOB_H

#include <ganger/worker.h>

#include "common/codec.h"
#include "common/ring.h"
#include "common/spin.h"

enum { GG_STOPS_MAX = 128 }; /* Two for each attempt there may be in its hand. */

/* An attempt that is to be given up, or only not to be begun. */
struct gg_stop_order {
    uint64_t fence;
    bool withdrawn;
};

/* The executor's end of its socket, and of its ring. */
struct gg_executor_link {
    int fd;
    struct gg_ring ring; /* Without a page: the socket takes all that is said. */
    struct gg_buf in;
    size_t at;    /* Where the first message begins that has not been dealt with. */
    size_t noted; /* Looked for stops up to here. */
    struct gg_buf out;
    struct gg_buf held;    /* The message of the job in work. */
    struct gg_buf outcome; /* Reported, and sent when `run` returns. */
    struct gg_stop_order stops[GG_STOPS_MAX]; /* A ring. */
    uint32_t stop_count;                      /* Since the start. */
    int64_t looked_us;                        /* Into the socket, for stops. */
    int64_t looked_ms;                        /* Then, on CLOCK_BOOTTIME. */
    struct gg_spin spin;
    bool closed; /* The agent has gone. */
};

struct ganger_job {
    struct gg_executor_link *link;
    struct gg_assign assign; /* Its slices point into `held`. */
    char id[GG_ID_TEXT_BYTES];
    char queue[65];
    char realm[65];
    bool cancelled;
    bool reported;
    uint64_t partial_offset;
};

/* Make `out` one framed command; false without memory. */
bool gg_executor_encode(struct gg_buf *out, enum gg_command_code code,
                        const void *record);

/* Send bytes, or one command; false when the agent has gone. */
bool gg_executor_put(struct gg_executor_link *link, struct gg_slice bytes);
bool gg_executor_send(struct gg_executor_link *link, enum gg_command_code code,
                      const void *record);

/* Take what has arrived, waiting for something if `wait`. False: nothing, or the agent
 * has gone (link->closed). */
bool gg_executor_read(struct gg_executor_link *link, bool wait);

/* Has the agent said that this attempt is to be given up? Before it has begun, a wish
 * to have it back counts too. */
bool gg_executor_is_stopped(const struct gg_executor_link *link, uint64_t fence,
                            bool begun);

#endif
