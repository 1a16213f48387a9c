/* test_handler.c - a handler that does what its payload says, the bad things too.
 *
 * Besides single words: "until PATH" waits for a file, "print TEXT" writes to standard
 * error, "count" and "pid" succeed with the number of the job in this process, and with
 * the process's id; "note PATH TEXT" appends a line to a file, "fill N" succeeds with N
 * bytes. "lie", "scribble", "half" and "whisper" spoil what the agent reads from us.
 */
#include <ganger/worker.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/handler_wire.h"
#include "common/ring.h"

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

static int succeed_with(ganger_job *job, long number)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%ld", number);
    return ganger_job_succeed(job, text, (size_t)len);
}

/* The payload after `word` and a space, ended by NUL; false: it is another word. */
static int rest(const char *payload, size_t len, const char *word, char *out,
                size_t room)
{
    size_t skip = strlen(word) + 1;
    if (len < skip || len - skip >= room || memcmp(payload, word, skip - 1) != 0) {
        return 0;
    }
    memcpy(out, payload + skip, len - skip);
    out[len - skip] = '\0';
    return 1;
}

static void note(char *text)
{
    char *line = strchr(text, ' ');
    *line++ = '\0';
    FILE *file = fopen(text, "ae");
    if (file != NULL) {
        (void)fprintf(file, "%s\n", line);
        (void)fclose(file);
    }
}

static int fill(ganger_job *job, unsigned long len)
{
    char *bytes = calloc(1, len);
    int done = bytes == NULL ? -1 : ganger_job_succeed(job, bytes, len);
    free(bytes);
    return done;
}

/* ---- bad manners ---- */

enum { SOCKET_FD = 3 };

/* Where our ring is mapped: anybody in this process can find it. */
static struct gg_ring_page *find_ring(void)
{
    char line[512];
    unsigned long at = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (strstr(line, "memfd:ganger-ring") != NULL) {
            at = strtoul(line, NULL, 16);
        }
    }
    if (maps == NULL || at == 0) {
        _Exit(1);
    }
    (void)fclose(maps);
    return (struct gg_ring_page *)at; /* NOLINT(performance-no-int-to-ptr) */
}

/* Say `bytes` as if the library had; the agent is woken, and we wait for what comes. */
static void say_falsely(const uint8_t *bytes, uint32_t len, uint32_t claimed)
{
    static const uint8_t bell = GG_HANDLER_BELL;
    struct gg_ring_page *page = find_ring();
    uint32_t at = page->put;
    for (uint32_t i = 0; i < len; i++) {
        page->bytes[(at + i) % GG_RING_BYTES] = bytes[i];
    }
    page->put = at + claimed;
    (void)!write(SOCKET_FD, &bell, 1);
}

static void wait_for_the_end(void)
{
    for (;;) {
        (void)poll(NULL, 0, -1);
    }
}

/* False: it is another word. */
static int misbehave(const char *payload, size_t len)
{
    static const uint8_t rubbish[] = {0,   0,   0,   9,   'n', 'o', 'm',
                                      'e', 's', 's', 'a', 'g', 'e'};
    static const uint8_t half[] = {0, 0, 0, 200, 1, 2, 3};
    if (is(payload, len, "lie")) {
        say_falsely(NULL, 0, GG_RING_BYTES * 3);
    } else if (is(payload, len, "scribble")) {
        say_falsely(rubbish, sizeof rubbish, sizeof rubbish);
    } else if (is(payload, len, "whisper")) {
        (void)!write(SOCKET_FD, rubbish, sizeof rubbish);
    } else if (is(payload, len, "half")) {
        say_falsely(half, sizeof half, sizeof half);
        (void)raise(SIGKILL);
    } else {
        return 0;
    }
    wait_for_the_end();
    return 1;
}

static int run(ganger_job *job)
{
    static long count;
    char text[512];
    size_t len = 0;
    const char *payload = ganger_job_payload(job, &len);
    count++;
    if (is(payload, len, "count")) {
        return succeed_with(job, count);
    }
    if (is(payload, len, "pid")) {
        return succeed_with(job, getpid());
    }
    if (rest(payload, len, "fill", text, sizeof text)) {
        return fill(job, strtoul(text, NULL, 10));
    }
    if (rest(payload, len, "until", text, sizeof text)) {
        (void)ganger_job_partial(job, "on", 2);
        while (access(text, F_OK) != 0) {
            (void)poll(NULL, 0, 20);
        }
    } else if (rest(payload, len, "print", text, sizeof text)) {
        (void)fprintf(stderr, "%s\n", text);
    } else if (rest(payload, len, "note", text, sizeof text)) {
        note(text);
    } else if (is(payload, len, "crash")) {
        (void)raise(SIGSEGV);
        (void)raise(SIGKILL); /* A sanitizer may have caught the other. */
    } else if (is(payload, len, "exit")) {
        _Exit(0);
    } else if (is(payload, len, "kill")) {
        (void)raise(SIGKILL);
    } else if (is(payload, len, "hang")) {
        wait_for_the_end();
    } else if (misbehave(payload, len)) {
        return 1;
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
