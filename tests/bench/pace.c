/* pace.c - submissions by the library: one at a time, in a window, or at a fixed rate.
 *
 *   pace lone  ENDPOINT QUEUE COUNT   each accepted before the next is sent; the time
 *                                     from the submission to the acceptance
 *   pace flood ENDPOINT QUEUE COUNT WINDOW   WINDOW of them in flight, and …
 *   pace rate  ENDPOINT QUEUE COUNT RATE     RATE a second whatever comes back: the
 *                                            time from the submission to the end
 *
 * Prints name=value pairs; 100 bytes each. */
#include <ganger/client.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/clock.h"

enum { PAYLOAD_BYTES = 100, ANSWER_MS = 10000, WARM_UP = 50 };

struct pace {
    uint64_t count;
    uint64_t window; /* In flight at most; 0: not limited. */
    uint64_t rate;   /* A second; 0: as fast as they come back. */
};

struct trips {
    int64_t *us; /* Of those that are done. */
    uint64_t begun;
    uint64_t done;
    uint64_t failed;
};

struct trip {
    struct trips *trips;
    int64_t begun_us;
};

static int by_size(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void print(struct trips *trips, double seconds)
{
    qsort(trips->us, trips->done, sizeof *trips->us, by_size);
    (void)printf("done=%" PRIu64 " failed=%" PRIu64 " rate=%.0f p50_us=%" PRId64
                 " p99_us=%" PRId64 "\n",
                 trips->done, trips->failed, (double)trips->done / seconds,
                 trips->done == 0 ? 0 : trips->us[trips->done / 2],
                 trips->done == 0 ? 0 : trips->us[trips->done * 99 / 100]);
}

static int stop(ganger *handle)
{
    (void)fprintf(stderr, "pace: %s\n", ganger_last_error(handle));
    return 1;
}

static int lone(ganger *handle, const ganger_submission *ask, struct trips *trips,
                uint64_t count)
{
    for (uint64_t i = 0; i < count + WARM_UP; i++) {
        int64_t begun_us = gg_mono_us();
        if (ganger_submit(handle, ask, ANSWER_MS, NULL) != GANGER_OK) {
            return stop(handle);
        }
        if (i >= WARM_UP) {
            trips->us[trips->done++] = gg_mono_us() - begun_us;
        }
    }
    print(trips, 1.0);
    return 0;
}

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct trip *trip = ctx;
    if (!answer->final) {
        return;
    }
    if (answer->err == GANGER_OK && answer->job->state == GANGER_SUCCEEDED) {
        trip->trips->us[trip->trips->done++] = gg_mono_us() - trip->begun_us;
    } else {
        trip->trips->failed++;
    }
}

/* How many may have begun by now. */
static uint64_t due(const struct pace *pace, const struct trips *trips, int64_t us)
{
    uint64_t due = pace->rate > 0 ? (uint64_t)us * pace->rate / 1000000
                                  : trips->done + trips->failed + pace->window;
    return due < pace->count ? due : pace->count;
}

static int load(ganger *handle, const ganger_submission *ask, struct trips *trips,
                const struct pace *pace)
{
    struct trip *all = calloc(pace->count, sizeof *all);
    GG_ASSERT(all != NULL);
    int64_t start_us = gg_mono_us();
    int status = 0;
    while (trips->done + trips->failed < pace->count && status == 0) {
        uint64_t until = due(pace, trips, gg_mono_us() - start_us);
        for (; trips->begun < until && status == 0; trips->begun++) {
            struct trip *trip = &all[trips->begun];
            *trip = (struct trip){.trips = trips, .begun_us = gg_mono_us()};
            if (ganger_submit_start(handle, ask, true, 0, on_answer, trip) == 0) {
                status = stop(handle);
            }
        }
        if (status == 0 &&
            ganger_poll(handle, pace->rate > 0 ? 1 : 1000) != GANGER_OK) {
            status = stop(handle);
        }
    }
    print(trips, (double)(gg_mono_us() - start_us) / 1e6);
    free(all); /* Callbacks that are left are not called: the handle is closed next. */
    return status;
}

static bool read_pace(int argc, char **argv, struct pace *out)
{
    if (argc < 5) {
        return false;
    }
    out->count = strtoull(argv[4], NULL, 10);
    if (strcmp(argv[1], "lone") == 0) {
        return argc == 5;
    }
    bool flood = strcmp(argv[1], "flood") == 0;
    if (argc != 6 || (!flood && strcmp(argv[1], "rate") != 0)) {
        return false;
    }
    *(flood ? &out->window : &out->rate) = strtoull(argv[5], NULL, 10);
    return true;
}

int main(int argc, char **argv)
{
    static const char payload[PAYLOAD_BYTES] = {'x'};
    struct pace pace = {0};
    if (!read_pace(argc, argv, &pace)) {
        (void)fprintf(stderr, "usage: pace lone ENDPOINT QUEUE COUNT | "
                              "flood ENDPOINT QUEUE COUNT WINDOW | "
                              "rate ENDPOINT QUEUE COUNT RATE\n");
        return 64;
    }
    bool alone = pace.window == 0 && pace.rate == 0;
    struct trips trips = {.us = calloc(pace.count + 1, sizeof *trips.us)};
    GG_ASSERT(trips.us != NULL);
    ganger_submission ask = GANGER_SUBMIT_INIT;
    ask.queue = argv[3];
    ask.payload = (ganger_bytes){.data = payload, .len = sizeof payload};
    ask.keep_ms = 0;
    ask.end_only = !alone;
    const ganger_options options = {.endpoint = argv[2], .program = "pace"};
    ganger *handle = NULL;
    if (ganger_open(&options, &handle) != GANGER_OK) {
        return stop(handle);
    }
    int status = alone ? lone(handle, &ask, &trips, pace.count)
                       : load(handle, &ask, &trips, &pace);
    ganger_close(&handle);
    free(trips.us);
    return status;
}
