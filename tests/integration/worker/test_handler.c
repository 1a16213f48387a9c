/* test_handler.c - a handler that does what its payload says, the bad things too. */
#include <ganger/worker.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int is(const char *payload, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(payload, word, len) == 0;
}

static void talk(ganger_job *job)
{
    (void)ganger_job_progress(job, 0.5, "half");
    (void)ganger_job_partial(job, "piece", 5);
    (void)ganger_job_checkpoint(job, "point", 5);
    (void)ganger_job_snooze(job, 1234, "later");
}

static int run(ganger_job *job)
{
    size_t len = 0;
    const char *payload = ganger_job_payload(job, &len);
    if (is(payload, len, "crash")) {
        (void)raise(SIGSEGV);
        (void)raise(SIGKILL); /* A sanitizer may have caught the other. */
    } else if (is(payload, len, "exit")) {
        _Exit(0);
    } else if (is(payload, len, "hang")) {
        for (;;) {
            (void)poll(NULL, 0, -1);
        }
    } else if (is(payload, len, "wait")) {
        while (!ganger_job_cancelled(job)) {
            (void)poll(NULL, 0, 5);
        }
    } else if (is(payload, len, "talk")) {
        talk(job);
        return 0;
    }
    return ganger_job_succeed(job, payload, len);
}

GANGER_HANDLER(run);
