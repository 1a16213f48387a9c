#include "client/cli/load.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/say.h"
#include "common/clock.h"

enum {
    POLL_MS = 1000,
    ANSWERS_A_LOOK = 16, /* Answers of one poll for each look at the clock. */
    GIVE_UP_US = 10 * 1000 * 1000,
    LENT_BYTES = 16384, /* Smaller payloads are copied in any case. */
};

/* All jobs have the same payload; how many frames hold it. */
static atomic_int_fast64_t lent;

static void give_back(void *ctx)
{
    (void)ctx;
    (void)atomic_fetch_sub(&lent, 1);
}

struct slot {
    struct running *running;
    struct slot *next; /* In the list of free ones. */
    int64_t start_us;
};

struct running {
    struct gg_load_report *out;
    struct slot *free;
    uint64_t in_flight;
    int64_t last_us;    /* When an answer came last. */
    unsigned int heard; /* Answers since the clock was looked at; 0: look. */
};

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct slot *slot = ctx;
    struct running *running = slot->running;
    struct gg_load_report *out = running->out;
    if (!answer->final) {
        return;
    }
    if (running->heard++ % ANSWERS_A_LOOK == 0) {
        running->last_us = gg_mono_us();
    }
    if (answer->err == GANGER_OK && answer->job != NULL &&
        answer->job->state == GANGER_SUCCEEDED) {
        out->succeeded++;
        gg_histogram_add(&out->latency_us,
                         (uint64_t)(running->last_us - slot->start_us));
    } else {
        out->failed++;
        if (out->text[0] == '\0') {
            ganger_err err = answer->err != GANGER_OK || answer->job == NULL
                                 ? answer->err
                                 : answer->job->error;
            (void)snprintf(out->text, sizeof out->text, "%s [%s]", ganger_err_text(err),
                           ganger_err_name(err));
        }
    }
    slot->next = running->free;
    running->free = slot;
    running->in_flight--;
}

/* Put jobs in flight until the window is full; false when one cannot be submitted. */
static bool fill(ganger *broker, struct running *running,
                 const ganger_submission *submission, uint64_t *left)
{
    int64_t now_us = gg_mono_us();
    while (running->free != NULL && *left > 0) {
        struct slot *slot = running->free;
        slot->start_us = now_us;
        (void)atomic_fetch_add(&lent, submission->payload_done != NULL);
        if (ganger_submit_start(broker, submission, true, 0, on_answer, slot) == 0) {
            running->out->err = GANGER_USAGE;
            (void)snprintf(running->out->text, sizeof running->out->text, "%s",
                           ganger_last_error(broker));
            return false;
        }
        running->free = slot->next;
        running->in_flight++;
        (*left)--;
    }
    return true;
}

static void loop(ganger *broker, struct running *running,
                 const ganger_submission *submission, const struct gg_load *load)
{
    struct gg_load_report *out = running->out;
    uint64_t left = load->jobs;
    int64_t stop_us = out->start_us + (int64_t)load->run_for_ms * 1000;
    while (left > 0 || running->in_flight > 0) {
        if (load->run_for_ms > 0 && gg_mono_us() >= stop_us) {
            left = 0;
        }
        if (!fill(broker, running, submission, &left)) {
            return;
        }
        running->heard = 0;
        if (running->in_flight > 0 && ganger_poll(broker, POLL_MS) != GANGER_OK) {
            out->err = GANGER_NO_MEMORY;
            return;
        }
        if (gg_mono_us() - running->last_us > GIVE_UP_US) {
            out->err = GANGER_TIMED_OUT;
            (void)snprintf(out->text, sizeof out->text,
                           "no job has ended for 10 s; does an agent serve queue %s?",
                           load->queue);
            return;
        }
    }
}

void gg_load_run(ganger *broker, const struct gg_load *load, struct gg_load_report *out)
{
    *out = (struct gg_load_report){.start_us = gg_mono_us()};
    struct running running = {.out = out, .last_us = out->start_us};
    struct slot *slots = gg_say_need(calloc(load->window, sizeof *slots));
    char *payload = gg_say_need(malloc(load->size + 1));
    for (uint64_t i = 0; i < load->window; i++) {
        slots[i] = (struct slot){.running = &running, .next = running.free};
        running.free = &slots[i];
    }
    memset(payload, 'x', load->size + 1);
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = load->queue;
    submission.payload = (ganger_bytes){.data = payload, .len = load->size};
    submission.keep_ms = load->keep_ms;
    submission.end_only = true;
    submission.payload_done = load->size >= LENT_BYTES ? give_back : NULL;
    loop(broker, &running, &submission, load);
    out->end_us = running.last_us;
    /* Else callbacks and frames may still need them: the process ends soon. */
    if (running.in_flight == 0 && atomic_load(&lent) == 0) {
        free(payload);
        free(slots);
    }
}
