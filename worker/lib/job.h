/* job.h - one attempt inside an executor: what the public header's calls work on. */
#ifndef GG_WORKER_LIB_JOB_H
#define GG_WORKER_LIB_JOB_H

#include <ganger/worker.h>

#include "common/codec.h"

/* The executor's end of its socket. */
struct gg_executor_link {
    int fd;
    struct gg_buf in;
    struct gg_buf out;
    bool closed; /* The agent has gone. */
};

struct ganger_job {
    struct gg_executor_link *link;
    struct gg_assign assign; /* Its slices point into `held`. */
    struct gg_buf held;      /* The message it came in. */
    struct gg_buf outcome;   /* Reported, and sent when `run` returns. */
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

/* The next whole message, waiting for it if `wait`. False: none, or the agent has gone
 * (link->closed). *out_frame is valid until gg_executor_consume(). */
bool gg_executor_receive(struct gg_executor_link *link, bool wait,
                         struct gg_slice *out_frame);
void gg_executor_consume(struct gg_executor_link *link, struct gg_slice frame);

#endif
