/* load.h - one submitter of the load generator: a window of jobs in flight, each timed
 * from its submission to its result. */
#ifndef GG_CLIENT_CLI_LOAD_H
#define GG_CLIENT_CLI_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/command.h"
#include "client/cli/histogram.h"

struct gg_load {
    const char *queue;
    uint64_t jobs;       /* Stop after so many; UINT64_MAX: by time. */
    uint64_t run_for_ms; /* Stop submitting after this time; 0: by number. */
    uint64_t size;
    uint64_t window;
    uint64_t keep_ms; /* GANGER_DEFAULT, or how long results are kept. */
};

/* What came of it. Plain data: it goes through a pipe. */
struct gg_load_report {
    uint64_t succeeded;
    uint64_t failed;
    int64_t start_us;
    int64_t end_us;
    ganger_err err; /* Why it was given up; GANGER_OK: it was not. */
    char text[256];
    struct gg_histogram latency_us;
};

/* Carry it out on an open connection. */
void gg_load_run(ganger *broker, const struct gg_load *load,
                 struct gg_load_report *out);

#endif
