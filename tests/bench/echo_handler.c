/* echo_handler.c - a C handler that gives its payload back: for the benchmarks. */
#include <ganger/worker.h>

static int run(ganger_job *job)
{
    size_t len = 0;
    const void *payload = ganger_job_payload(job, &len);
    return ganger_job_succeed(job, payload, len);
}

GANGER_HANDLER(run);
