/* patience.h - waiting for the end of jobs, with the reason named within a second.
 *
 * The wait runs on the asynchronous side; whoever waits longer than a second is told on
 * standard error why, once for each change of the reason, and on a terminal sees the
 * progress of the job.
 */
#ifndef GG_CLIENT_CLI_PATIENCE_H
#define GG_CLIENT_CLI_PATIENCE_H

#include <ganger/client.h>

#include "client/cli/command.h"

/* How a wait ended. Owned copies; freed with gg_ending_fini(). */
struct gg_ending {
    ganger_err err; /* Of the wait; GANGER_OK: the job ended. */
    char *err_text;
    bool ended;
    bool accepted; /* `id` is known. */
    ganger_id id;
    char *queue;
    ganger_state state;
    ganger_err error;
    char *error_text;
    bool has_result;
    char *result;
    size_t result_len;
    char *json; /* The object that -o json prints, where that was asked for. */
};

void gg_ending_fini(struct gg_ending *ending);

struct gg_patience {
    struct gg_call *call;
    bool partial; /* Pieces of output go to standard output as they come. */
    bool want_json;
    bool json_submitted; /* In the shape of a submission's answer. */
    int timeout_ms;      /* -1: for ever. */
};

/* Submit and wait. *out is filled in whatever comes. */
void gg_patience_run(const struct gg_patience *patience,
                     const ganger_submission *submission, struct gg_ending *out);

/* Wait for a job that is known. */
void gg_patience_wait(const struct gg_patience *patience, const ganger_target *target,
                      struct gg_ending *out);

#endif
