/* drive.c - the clients of a broker under test, where `ganger bench` is not enough.
 *
 *   drive fill ENDPOINT     submits jobs and does not wait for their ends
 *   drive drain ENDPOINT    waits until so many jobs above `base` have succeeded
 *   drive run ENDPOINT      submits jobs, `window` at a time, and waits for their ends
 *   drive trip ENDPOINT     one job after the other, each from submission to end
 *   drive fan ENDPOINT      rounds of `window` submissions of one key each: one job
 *   drive probe ENDPOINT    asks for the status of one job, again and again
 *   drive pace ENDPOINT     submits `rate` jobs a second, whatever comes back
 *
 * Options: --jobs N (or rounds, or questions), --size BYTES, --window N, --rate N,
 * --queue NAME, --queues N (q0, q1 … in turn), --delay MS, --keep MS, --base N. Each
 * prints one line of name=value. Times are in microseconds.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ganger/client.h"

enum {
    LOOK_MS = 5,
    POLL_MS = 1000,
    ANSWER_MS = 10000,
    WAIT_US = 1000,
    BURST_US = 100, /* Between two bursts of `pace`: a timer is no finer. */
};

struct options {
    uint64_t jobs;
    uint64_t size;
    uint64_t window;
    uint64_t rate;
    uint64_t queues;
    uint64_t delay;
    uint64_t keep;
    uint64_t base;
    const char *queue;
};

struct drive {
    ganger *broker;
    struct options said;
    char *payload;
    char queue[80];
    uint64_t begun;
    uint64_t ended;
    double *us; /* How long each took; NULL: nobody asks. */
    int64_t last_us;
};

/* A request on its way. */
struct trip {
    struct drive *drive;
    int64_t start_us;
};

_Noreturn static void stop(const char *what, const char *why)
{
    (void)fprintf(stderr, "drive: %s: %s\n", what, why);
    exit(1);
}

static void *need(void *memory)
{
    if (memory == NULL) {
        stop("memory", "there is none");
    }
    return memory;
}

static void need_ok(struct drive *drive, const char *what, ganger_err err)
{
    if (err != GANGER_OK) {
        stop(what, ganger_last_error(drive->broker));
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void print_times(double *us, uint64_t count)
{
    qsort(us, count, sizeof *us, compare);
    (void)printf("p50_us=%.0f p99_us=%.0f max_us=%.0f\n", us[count / 2],
                 us[count * 99 / 100], us[count - 1]);
}

/* ---- submitting ---- */

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct trip *trip = ctx;
    struct drive *drive = trip->drive;
    if (!answer->final) {
        return;
    }
    if (answer->err != GANGER_OK) {
        stop("a job", answer->text);
    }
    drive->last_us = gg_mono_us();
    if (drive->us != NULL) {
        drive->us[drive->ended] = (double)(drive->last_us - trip->start_us);
    }
    drive->ended++;
    free(trip);
}

static ganger_submission next_job(struct drive *drive)
{
    ganger_submission job = GANGER_SUBMIT_INIT;
    if (drive->said.queues > 0) {
        (void)snprintf(drive->queue, sizeof drive->queue, "q%" PRIu64,
                       drive->begun % drive->said.queues);
    }
    job.queue = drive->queue;
    job.payload = (ganger_bytes){.data = drive->payload, .len = drive->said.size};
    job.delay_ms = drive->said.delay;
    job.keep_ms = drive->said.keep;
    job.end_only = true;
    return job;
}

static void begin(struct drive *drive, const ganger_submission *job, bool until_end,
                  int64_t start_us)
{
    struct trip *trip = need(malloc(sizeof *trip));
    *trip = (struct trip){.drive = drive, .start_us = start_us};
    if (ganger_submit_start(drive->broker, job, until_end, 0, on_answer, trip) == 0) {
        stop("submit", ganger_last_error(drive->broker));
    }
    drive->begun++;
}

static void submit_all(struct drive *drive, bool until_end)
{
    int64_t start_us = gg_mono_us();
    while (drive->ended < drive->said.jobs) {
        while (drive->begun < drive->said.jobs &&
               drive->begun - drive->ended < drive->said.window) {
            ganger_submission job = next_job(drive);
            begin(drive, &job, until_end, gg_mono_us());
        }
        need_ok(drive, "poll", ganger_poll(drive->broker, POLL_MS));
    }
    double seconds = (double)(drive->last_us - start_us) / 1e6;
    (void)printf("jobs_per_second=%.0f seconds=%.3f\n",
                 (double)drive->said.jobs / seconds, seconds);
}

static void fill(struct drive *drive)
{
    submit_all(drive, false);
}

static void run(struct drive *drive)
{
    submit_all(drive, true);
}

/* As run, one at a time, and how long each took. */
static void trip(struct drive *drive)
{
    drive->us = need(calloc(drive->said.jobs, sizeof *drive->us));
    drive->said.window = 1;
    submit_all(drive, true);
    print_times(drive->us, drive->said.jobs);
    free(drive->us);
}

/* ---- draining ---- */

static bool find_succeeded(void *ctx, const ganger_stat *stat)
{
    if (strcmp(stat->name, "jobs_succeeded_total") == 0) {
        *(uint64_t *)ctx = stat->value;
        return false;
    }
    return true;
}

static uint64_t succeeded(struct drive *drive)
{
    uint64_t count = 0;
    need_ok(drive, "stats",
            ganger_stats(drive->broker, ANSWER_MS, find_succeeded, &count));
    return count;
}

/* From the first end seen to the last; what had ended by the first look is not counted.
 * The line "looks" says that it has been: let work begin then, and all counts. */
static void drain(struct drive *drive)
{
    uint64_t base = drive->said.base;
    uint64_t first = succeeded(drive);
    uint64_t now = first;
    int64_t start_us = gg_mono_us();
    (void)puts("looks");
    (void)fflush(stdout);
    while (now < base + drive->said.jobs) {
        need_ok(drive, "poll", ganger_poll(drive->broker, LOOK_MS));
        now = succeeded(drive);
        if (first <= base) {
            first = now;
            start_us = gg_mono_us();
        }
    }
    double seconds = (double)(gg_mono_us() - start_us) / 1e6;
    (void)printf("jobs_per_second=%.0f seconds=%.3f\n", (double)(now - first) / seconds,
                 seconds);
}

/* ---- one job and many who wait ---- */

static void fan(struct drive *drive)
{
    uint64_t waiters = drive->said.window;
    double *rounds = need(calloc(drive->said.jobs, sizeof *rounds));
    for (uint64_t round = 0; round < drive->said.jobs; round++) {
        char key[64];
        ganger_submission job = next_job(drive);
        int len = snprintf(key, sizeof key, "%" PRId64 "-%" PRIu64, gg_mono_us(),
                           round);
        job.key = (ganger_bytes){.data = key, .len = (size_t)len};
        int64_t start_us = gg_mono_us();
        drive->begun = 0;
        drive->ended = 0;
        for (uint64_t i = 0; i < waiters; i++) {
            begin(drive, &job, true, start_us);
        }
        while (drive->ended < waiters) {
            need_ok(drive, "poll", ganger_poll(drive->broker, POLL_MS));
        }
        rounds[round] = (double)(drive->last_us - start_us);
    }
    print_times(rounds, drive->said.jobs);
    free(rounds);
}

/* ---- latency ---- */

static void probe(struct drive *drive)
{
    ganger_job kept;
    ganger_submission job = next_job(drive);
    job.queue = "probed";
    job.delay_ms = 3600000;
    double *us = need(calloc(drive->said.jobs, sizeof *us));
    need_ok(drive, "submit", ganger_submit(drive->broker, &job, ANSWER_MS, &kept));
    ganger_target target = {.id = kept.id};
    for (uint64_t i = 0; i < drive->said.jobs; i++) {
        int64_t start_us = gg_mono_us();
        need_ok(drive, "status",
                ganger_get(drive->broker, &target, false, false, ANSWER_MS, &kept));
        us[i] = (double)(gg_mono_us() - start_us);
    }
    print_times(us, drive->said.jobs);
    free(us);
}

static void wait_until(struct drive *drive, int64_t at_us)
{
    int64_t left_us = at_us - gg_mono_us();
    if (left_us <= 0 || ganger_wait_ms(drive->broker) == 0) {
        return;
    }
    struct timespec left = {.tv_nsec = left_us * 1000};
    struct pollfd item = {.fd = ganger_fd(drive->broker), .events = POLLIN};
    (void)ppoll(&item, 1, &left, NULL);
}

/* A burst every BURST_US holds the jobs that are due by then; what it takes counts from
 * when they were due, however late this program is. */
static void pace(struct drive *drive)
{
    drive->us = need(calloc(drive->said.jobs, sizeof *drive->us));
    int64_t start_us = gg_mono_us();
    int64_t burst_us = start_us;
    while (drive->ended < drive->said.jobs) {
        int64_t now_us = gg_mono_us();
        for (; burst_us <= now_us && drive->begun < drive->said.jobs;
             burst_us += BURST_US) {
            uint64_t due = (uint64_t)(burst_us - start_us + BURST_US) *
                           drive->said.rate / 1000000;
            while (drive->begun < due && drive->begun < drive->said.jobs) {
                ganger_submission job = next_job(drive);
                begin(drive, &job, true, burst_us);
            }
        }
        need_ok(drive, "process", ganger_process(drive->broker));
        wait_until(drive,
                   drive->begun < drive->said.jobs ? burst_us : now_us + WAIT_US);
    }
    (void)printf("jobs_per_second=%.0f ",
                 (double)drive->said.jobs * 1e6 / (double)(drive->last_us - start_us));
    print_times(drive->us, drive->said.jobs);
    free(drive->us);
}

/* ---- the words ---- */

static bool read_options(char **words, struct options *out)
{
    const struct {
        const char *name;
        uint64_t *value;
    } names[] = {
        {"--jobs", &out->jobs}, {"--size", &out->size},     {"--window", &out->window},
        {"--rate", &out->rate}, {"--queues", &out->queues}, {"--delay", &out->delay},
        {"--keep", &out->keep}, {"--base", &out->base},
    };
    for (; words[0] != NULL; words += 2) {
        bool known = strcmp(words[0], "--queue") == 0 && words[1] != NULL;
        out->queue = known ? words[1] : out->queue;
        for (size_t i = 0; words[1] != NULL && i < sizeof names / sizeof *names; i++) {
            if (strcmp(words[0], names[i].name) == 0) {
                *names[i].value = strtoull(words[1], NULL, 10);
                known = true;
            }
        }
        if (!known) {
            return false;
        }
    }
    return out->jobs > 0 && out->window > 0 && out->rate > 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        void (*act)(struct drive *drive);
    } acts[] = {
        {"fill", fill}, {"drain", drain}, {"run", run},   {"trip", trip},
        {"fan", fan},   {"probe", probe}, {"pace", pace},
    };
    struct drive drive = {.said = {.jobs = 100000,
                                   .size = 100,
                                   .window = 4000,
                                   .rate = 100000,
                                   .queue = "bench"}};
    for (size_t i = 0; argc > 2 && i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(argv[1], acts[i].word) != 0 ||
            !read_options(argv + 3, &drive.said)) {
            continue;
        }
        (void)snprintf(drive.queue, sizeof drive.queue, "%s", drive.said.queue);
        drive.payload = need(malloc(drive.said.size + 1));
        memset(drive.payload, 'x', drive.said.size + 1);
        const ganger_options where = {.endpoint = argv[2]};
        if (ganger_open(&where, &drive.broker) != GANGER_OK) {
            stop("open", argv[2]);
        }
        acts[i].act(&drive);
        ganger_close(&drive.broker);
        free(drive.payload);
        return 0;
    }
    (void)fprintf(stderr, "usage: drive fill|drain|run|trip|fan|probe|pace ENDPOINT "
                          "[--jobs N] [--size BYTES] [--window N] [--rate N] "
                          "[--queue NAME] [--queues N] [--delay MS] [--keep MS] "
                          "[--base N]\n");
    return 64;
}
