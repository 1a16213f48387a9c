/* sync.h - a request and the wait for its last answer. */
#ifndef GG_CLIENT_SRC_SYNC_H
#define GG_CLIENT_SRC_SYNC_H

#include "client/src/ask.h"
#include "client/src/view.h"

struct gg_call;

/* Look at an answer that is no error, while the message is there. */
typedef void gg_call_fn(struct gg_call *call, const struct gg_command *command);

/* One call: what is done with the answer, and how it ended. */
struct gg_call {
    ganger *handle;
    gg_call_fn *take;
    void *out;         /* For `take`. */
    const void *visit; /* For `take`: its own struct. */
    uint64_t epoch;
    enum gg_err err;
    bool done;
    struct gg_id accepted; /* Where the call failed after a job was accepted. */
    bool has_accepted;
};

/* Send and wait at most `timeout_ms`, -1: no limit. Sets the sentence of an error. */
GG_MUST_USE ganger_err gg_call_run(struct gg_call *call, enum gg_command_code code,
                                   const void *record, int timeout_ms);

/* A view on `call`'s answer that lives until the next call on the handle has ended. */
struct gg_view gg_call_view(const struct gg_call *call);

/* What is left of `timeout_ms` since `began`, for calls of many requests; -1: no
 * limit. */
int gg_time_left(struct gg_mono began, int timeout_ms);

#endif
