/* handler.c - the deeds of the conformance suite in C; README.md has their table. */
#include <ganger/worker.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512, LOOK_MS = 2 };

static int echo(ganger_job *job)
{
    size_t len = 0;
    const void *payload = ganger_job_payload(job, &len);
    return ganger_job_succeed(job, payload, len);
}

static int reverse(ganger_job *job)
{
    size_t len = 0;
    const unsigned char *payload = ganger_job_payload(job, &len);
    unsigned char *turned = malloc(len + 1);
    if (turned == NULL) {
        return ganger_job_fail(job, "no memory");
    }
    for (size_t i = 0; i < len; i++) {
        turned[i] = payload[len - 1 - i];
    }
    int status = ganger_job_succeed(job, turned, len);
    free(turned);
    return status;
}

/* The payload as a text. */
static const char *text_of(const ganger_job *job, char text[TEXT_BYTES])
{
    size_t len = 0;
    const char *payload = ganger_job_payload(job, &len);
    (void)snprintf(text, TEXT_BYTES, "%.*s", (int)len, payload == NULL ? "" : payload);
    return text;
}

static int fail(ganger_job *job)
{
    char text[TEXT_BYTES];
    return ganger_job_fail(job, text_of(job, text));
}

static int reject(ganger_job *job)
{
    char text[TEXT_BYTES];
    return ganger_job_reject(job, text_of(job, text));
}

static int crash(ganger_job *job)
{
    (void)job;
    return raise(SIGKILL);
}

static int progress(ganger_job *job)
{
    (void)ganger_job_progress(job, 0.25, "quarter");
    (void)ganger_job_partial(job, "one\n", 4);
    (void)ganger_job_partial(job, "two\n", 4);
    return ganger_job_succeed(job, "done", 4);
}

/* Runs until it is told to stop. */
static int stop(ganger_job *job)
{
    (void)ganger_job_progress(job, 0.5, "running");
    while (!ganger_job_cancelled(job)) {
        (void)poll(NULL, 0, LOOK_MS);
    }
    return ganger_job_fail(job, "stopped");
}

/* The first attempt keeps the payload for the second, and fails. */
static int checkpoint(ganger_job *job)
{
    size_t len = 0;
    const void *kept = ganger_job_checkpoint_get(job, &len);
    if (kept != NULL) {
        return ganger_job_succeed(job, kept, len);
    }
    const void *payload = ganger_job_payload(job, &len);
    (void)ganger_job_checkpoint(job, payload, len);
    return ganger_job_fail(job, "kept");
}

static int snooze(ganger_job *job)
{
    size_t len = 0;
    if (ganger_job_checkpoint_get(job, &len) != NULL) {
        return ganger_job_succeed(job, "awake", 5);
    }
    (void)ganger_job_checkpoint(job, "slept", 5);
    return ganger_job_snooze(job, 50, "tired");
}

static int describe(ganger_job *job)
{
    char text[TEXT_BYTES];
    size_t len = 0;
    const char *key = ganger_job_key(job, &len);
    int used = snprintf(text, sizeof text, "%s %s %.*s %llu %s", ganger_job_realm(job),
                        ganger_job_queue(job), (int)len, key == NULL ? "" : key,
                        (unsigned long long)ganger_job_attempt(job),
                        ganger_job_id(job));
    return ganger_job_succeed(job, text, (size_t)used);
}

static int run(ganger_job *job)
{
    static const struct {
        const char *name;
        int (*run)(ganger_job *job);
    } deeds[] = {
        {"echo", echo},         {"reverse", reverse},       {"fail", fail},
        {"reject", reject},     {"crash", crash},           {"progress", progress},
        {"stop", stop},         {"checkpoint", checkpoint}, {"snooze", snooze},
        {"describe", describe},
    };
    const char *deed = strrchr(ganger_job_queue(job), '.');
    for (size_t i = 0; deed != NULL && i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(deed + 1, deeds[i].name) == 0) {
            return deeds[i].run(job);
        }
    }
    return ganger_job_reject(job, "no such deed");
}

GANGER_HANDLER(run);
