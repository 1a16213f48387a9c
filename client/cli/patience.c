#include "client/cli/patience.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/text.h"
#include "common/clock.h"

enum { NAME_AFTER_MS = 800, LOOK_EVERY_MS = 5000, LOOK_MS = 1000, REASON_MAX = 300 };

struct waiting {
    const struct gg_patience *patience;
    struct gg_ending *out;
    ganger_target target;
    bool done;
    bool changed;       /* The connection came or went: say so now. */
    bool want_progress; /* The job is accepted; its progress is not yet asked for. */
    uint64_t progress_request;
    char reason[REASON_MAX]; /* The last one that was said. */
};

void gg_ending_fini(struct gg_ending *ending)
{
    free(ending->err_text);
    free(ending->queue);
    free(ending->error_text);
    free(ending->result);
    free(ending->json);
    *ending = (struct gg_ending){0};
}

static char *copy_text(const char *text)
{
    return gg_say_need(strdup(text));
}

static void keep_result(struct gg_ending *out, const ganger_job *job)
{
    out->has_result = job->has_result;
    out->result_len = job->result.len;
    out->result = gg_say_need(malloc(job->result.len + 1));
    if (job->result.len > 0) {
        memcpy(out->result, job->result.data, job->result.len);
    }
}

static void keep_ending(struct waiting *waiting, const ganger_job *job)
{
    const struct gg_patience *patience = waiting->patience;
    struct gg_ending *out = waiting->out;
    out->ended = true;
    out->state = job->state;
    out->error = job->error;
    out->error_text = copy_text(
        job->error_text[0] != '\0' ? job->error_text : ganger_err_text(job->error));
    keep_result(out, job);
    if (patience->want_json) {
        out->json = gg_json_line(patience->json_submitted ? gg_json_submitted(job)
                                                          : gg_json_job(job));
    }
}

static void accept(struct waiting *waiting, const ganger_job *job)
{
    struct gg_ending *out = waiting->out;
    char what[128];
    char id[GANGER_ID_TEXT_BYTES];
    out->accepted = true;
    out->id = job->id;
    free(out->queue);
    out->queue = copy_text(job->queue);
    waiting->target = (ganger_target){.id = job->id, .epoch = job->epoch};
    waiting->want_progress = true;
    ganger_id_format(&job->id, id);
    (void)snprintf(what, sizeof what, "interrupted; job %s goes on", id);
    gg_say_when_interrupted(what);
}

static void show_progress(const ganger_job *job)
{
    char line[REASON_MAX];
    (void)snprintf(line, sizeof line, "%s %3.0f %% %s", ganger_state_name(job->state),
                   job->progress * 100.0, job->progress_text);
    gg_say_status(line);
}

static void show_partial(const ganger_answer *answer)
{
    if (answer->partial_gap > 0) {
        gg_say("%" PRIu64 " bytes of output are no longer kept", answer->partial_gap);
    }
    gg_text_data(stdout, answer->partial.data, answer->partial.len);
    (void)fflush(stdout);
}

static void on_progress(void *ctx, const ganger_answer *answer)
{
    struct waiting *waiting = ctx;
    if (answer->final) {
        waiting->progress_request = 0;
        return;
    }
    if (answer->partial.len > 0 || answer->partial_gap > 0) {
        if (waiting->patience->partial) {
            show_partial(answer);
        }
    } else if (answer->job != NULL) {
        show_progress(answer->job);
    }
}

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct waiting *waiting = ctx;
    struct gg_ending *out = waiting->out;
    if (!answer->final) {
        if (answer->job != NULL && !out->accepted) {
            accept(waiting, answer->job);
        }
        return;
    }
    waiting->done = true;
    out->err = answer->err;
    if (answer->job != NULL) {
        accept(waiting, answer->job);
    }
    if (answer->err == GANGER_OK && answer->job != NULL) {
        keep_ending(waiting, answer->job);
    } else {
        out->err_text = copy_text(answer->text);
    }
}

/* Ask why the job is not running, and say so if it is news. */
static void look(struct waiting *waiting)
{
    ganger_job job;
    char reason[REASON_MAX];
    ganger *broker = waiting->patience->call->broker;
    ganger_err err = ganger_get(broker, &waiting->target, false, true, LOOK_MS, &job);
    if (waiting->done) {
        return;
    }
    if (err != GANGER_OK) {
        (void)snprintf(reason, sizeof reason, "the broker does not answer: %s",
                       ganger_err_text(err));
    } else if (ganger_state_final(job.state)) {
        return;
    } else if (job.why_count > 0) {
        (void)snprintf(reason, sizeof reason, "%s: %s", ganger_state_name(job.state),
                       job.why[0].text);
    } else {
        (void)snprintf(reason, sizeof reason, "%s", ganger_state_name(job.state));
    }
    if (strcmp(reason, waiting->reason) != 0) {
        gg_say("still waiting: %s", reason);
        (void)snprintf(waiting->reason, sizeof waiting->reason, "%s", reason);
    }
}

static void ask_progress(struct waiting *waiting)
{
    bool partial = waiting->patience->partial;
    waiting->want_progress = false;
    if (!partial && !gg_say_to_terminal()) {
        return;
    }
    waiting->progress_request = ganger_wait_start(waiting->patience->call->broker,
                                                  &waiting->target, true, partial, 0,
                                                  on_progress, waiting);
}

static void on_state(void *ctx, bool connected, ganger_err why, const char *sentence)
{
    struct waiting *waiting = ctx;
    (void)connected;
    (void)why;
    (void)sentence;
    waiting->changed = true;
}

/* Run the asynchronous side until the end or the end of time. */
static void loop(struct waiting *waiting)
{
    const struct gg_patience *patience = waiting->patience;
    ganger *broker = patience->call->broker;
    int64_t start = gg_mono_now().ms;
    int64_t look_at = start + NAME_AFTER_MS;
    ganger_on_state(broker, on_state, waiting);
    while (!waiting->done) {
        int64_t now = gg_mono_now().ms;
        if (patience->timeout_ms >= 0 && now - start >= patience->timeout_ms) {
            waiting->out->err = GANGER_TIMED_OUT;
            break;
        }
        bool known = waiting->out->accepted || waiting->target.queue != NULL;
        bool said_once = waiting->reason[0] != '\0';
        if (known && (now >= look_at || (waiting->changed && said_once))) {
            waiting->changed = false;
            look(waiting);
            look_at = now + LOOK_EVERY_MS;
            continue;
        }
        if (waiting->want_progress && known) {
            ask_progress(waiting);
        }
        int64_t until = known ? look_at : now + NAME_AFTER_MS;
        int64_t end = patience->timeout_ms >= 0 ? start + patience->timeout_ms : until;
        int64_t ms = (until < end ? until : end) - now;
        if (ganger_poll(broker, (int)(ms > 0 ? ms : 0)) != GANGER_OK) {
            waiting->out->err = GANGER_NO_MEMORY;
            break;
        }
    }
    ganger_on_state(broker, NULL, NULL);
    if (waiting->progress_request != 0) {
        ganger_forget(broker, waiting->progress_request);
    }
    gg_say_status("");
}

static void begin_and_loop(struct waiting *waiting, uint64_t request)
{
    ganger *broker = waiting->patience->call->broker;
    if (request == 0) {
        waiting->out->err = GANGER_USAGE;
        waiting->out->err_text = copy_text(ganger_last_error(broker));
        return;
    }
    loop(waiting);
    if (!waiting->done) {
        ganger_forget(broker, request);
    }
    if (waiting->out->err_text == NULL) {
        waiting->out->err_text = copy_text(ganger_err_text(waiting->out->err));
    }
    gg_say_when_interrupted("");
}

void gg_patience_run(const struct gg_patience *patience,
                     const ganger_submission *submission, struct gg_ending *out)
{
    struct waiting waiting = {.patience = patience, .out = out};
    *out = (struct gg_ending){0};
    uint64_t request = ganger_submit_start(patience->call->broker, submission, true, 0,
                                           on_answer, &waiting);
    begin_and_loop(&waiting, request);
}

void gg_patience_wait(const struct gg_patience *patience, const ganger_target *target,
                      struct gg_ending *out)
{
    struct waiting waiting = {
        .patience = patience,
        .out = out,
        .target = *target,
        .want_progress = true,
    };
    *out = (struct gg_ending){.id = target->id, .accepted = target->queue == NULL};
    uint64_t request = ganger_wait_start(patience->call->broker, target, false, false,
                                         0, on_answer, &waiting);
    if (out->accepted) {
        char what[128];
        char id[GANGER_ID_TEXT_BYTES];
        ganger_id_format(&target->id, id);
        (void)snprintf(what, sizeof what, "interrupted; job %s goes on", id);
        gg_say_when_interrupted(what);
    }
    begin_and_loop(&waiting, request);
}
