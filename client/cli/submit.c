/* submit.c - `ganger submit` and `ganger run`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/bulk.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/patience.h"
#include "client/cli/say.h"
#include "client/cli/submission.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

static void print_table(const ganger_job *job, const char *id)
{
    static const struct gg_column columns[] = {
        {"ID", 0},
        {"QUEUE", 0},
        {"STATE", GG_COLUMN_STATE},
        {"EXISTING", 0},
        {"DURABILITY", GG_COLUMN_WIDE},
    };
    struct gg_table *table = gg_table_new(columns, sizeof columns / sizeof columns[0],
                                          true);
    struct gg_row *row = gg_table_row(table, NULL);
    gg_row_text(table, row, 0, id);
    gg_row_text(table, row, 1, job->queue);
    gg_row_text(table, row, 2, ganger_state_name(job->state));
    gg_row_text(table, row, 3, job->existing ? "yes" : "no");
    gg_row_text(table, row, 4, job->durability == 2 ? "fsync" : "none");
    gg_table_finish(&table);
}

static void print_submitted(const struct gg_call *call, const ganger_job *job)
{
    char id[GANGER_ID_TEXT_BYTES];
    ganger_id_format(&job->id, id);
    switch (call->options.format) {
    case GG_FORMAT_JSON:
    case GG_FORMAT_JSONL:
        gg_json_print(gg_json_submitted(job), call->options.format == GG_FORMAT_JSONL);
        return;
    case GG_FORMAT_ID:
        (void)puts(id);
        return;
    case GG_FORMAT_TABLE:
    case GG_FORMAT_WIDE:
        print_table(job, id);
        return;
    case GG_FORMAT_DEFAULT:
    case GG_FORMAT_PROM:
    case GG_FORMAT_COUNT:
        (void)printf("%s %s\n", id, ganger_state_name(job->state));
        return;
    }
}

/* What is said of a job that did not end in time. */
static int still_running(const struct gg_ending *ending)
{
    char id[GANGER_ID_TEXT_BYTES];
    if (!ending->accepted) {
        gg_say("no answer in time; the job may have been accepted or not [timed_out]");
        return GG_EXIT_TIME;
    }
    ganger_id_format(&ending->id, id);
    gg_say("still running: job %s goes on [timed_out]", id);
    gg_say_try("ganger wait %s --wait=1h", id);
    return GG_EXIT_TIME;
}

static int wait_failed(const struct gg_call *call, const struct gg_ending *ending,
                       const char *what)
{
    if (ending->err == GANGER_TIMED_OUT) {
        return still_running(ending);
    }
    return gg_failed_text(call, ending->err, what, ending->err_text);
}

/* The ending of a job that did not succeed, on standard error. */
static int say_ending(const struct gg_ending *ending)
{
    char id[GANGER_ID_TEXT_BYTES];
    if (ending->state == GANGER_SUCCEEDED) {
        return GG_EXIT_DONE;
    }
    ganger_id_format(&ending->id, id);
    gg_say("job %s %s: %s [%s]", id, ganger_state_name(ending->state),
           ending->error_text, ganger_err_name(ending->error));
    gg_say_try("ganger history %s", id);
    return GG_EXIT_NO;
}

static int submit_and_wait(struct gg_call *call, const ganger_submission *submission)
{
    struct gg_ending ending;
    struct gg_patience patience = {
        .call = call,
        .want_json = gg_json_wanted(call->options.format),
        .json_submitted = true,
        .timeout_ms = gg_wait_ms(call),
    };
    gg_patience_run(&patience, submission, &ending);
    int status = GG_EXIT_DONE;
    if (ending.ended || ending.accepted) {
        ganger_job job = {
            .id = ending.id,
            .queue = ending.queue != NULL ? ending.queue : submission->queue,
            .state = ending.ended ? ending.state : GANGER_RUNNING,
        };
        if (ending.json != NULL) {
            (void)puts(ending.json);
        } else if (ending.ended) {
            print_submitted(call, &job);
        }
    }
    status = ending.ended ? say_ending(&ending)
                          : wait_failed(call, &ending, "cannot submit the job");
    gg_ending_fini(&ending);
    return status;
}

static int submit_one(struct gg_call *call, const ganger_submission *submission)
{
    ganger_job job;
    ganger_err err = ganger_submit(call->broker, submission, gg_answer_ms(call), &job);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot submit the job");
    }
    print_submitted(call, &job);
    return GG_EXIT_DONE;
}

/* What submit and run begin with: options, payload, connection. */
static int prepare(struct gg_call *call, ganger_submission *out, void **out_memory)
{
    *out_memory = NULL;
    int status = gg_submission_read(call, out);
    if (status == GG_EXIT_DONE) {
        status = gg_submission_payload(call->args[1], &out->payload, out_memory);
    }
    return status == GG_EXIT_DONE ? gg_connect(call) : status;
}

int gg_submit_run(struct gg_call *call)
{
    ganger_submission submission;
    void *memory = NULL;
    if (call->options.lines != NULL) {
        return gg_bulk_submit(call);
    }
    int status = prepare(call, &submission, &memory);
    if (status == GG_EXIT_DONE) {
        status = call->options.wait ? submit_and_wait(call, &submission)
                                    : submit_one(call, &submission);
    }
    free(memory);
    return status;
}

static void print_result(const struct gg_call *call, const struct gg_ending *ending)
{
    if (ending->json != NULL) {
        (void)puts(ending->json);
    } else if (!call->options.partial && ending->has_result) {
        gg_text_data(stdout, ending->result, ending->result_len);
    }
}

int gg_submit_and_wait(struct gg_call *call)
{
    ganger_submission submission;
    void *memory = NULL;
    int status = prepare(call, &submission, &memory);
    if (status == GG_EXIT_DONE) {
        struct gg_ending ending;
        struct gg_patience patience = {
            .call = call,
            .partial = call->options.partial,
            .want_json = call->options.format == GG_FORMAT_JSON,
            .timeout_ms = gg_wait_ms(call),
        };
        gg_patience_run(&patience, &submission, &ending);
        if (ending.ended) {
            print_result(call, &ending);
            status = say_ending(&ending);
        } else {
            status = wait_failed(call, &ending, "cannot run the job");
        }
        gg_ending_fini(&ending);
    }
    free(memory);
    return status;
}
