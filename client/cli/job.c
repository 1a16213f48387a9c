#include "client/cli/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/filter.h"
#include "client/cli/json.h"
#include "client/cli/patience.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "client/cli/target.h"
#include "client/cli/text.h"
#include "common/clock.h"

enum { TABLE_LIMIT = 1000, WHAT_BYTES = GG_TARGET_TEXT_BYTES + 64 };

struct gg_table *gg_job_table(bool wide)
{
    static const struct gg_column columns[] = {
        {"ID", 0},
        {"QUEUE", 0},
        {"STATE", GG_COLUMN_STATE},
        {"ATTEMPT", GG_COLUMN_RIGHT},
        {"SUBMITTED", 0},
        {"KEY", GG_COLUMN_WIDE},
        {"REALM", GG_COLUMN_WIDE},
        {"WORKER", GG_COLUMN_WIDE},
        {"FINISHED", GG_COLUMN_WIDE},
        {"TAGS", GG_COLUMN_WIDE},
        {"ERROR", 0},
    };
    return gg_table_new(columns, sizeof columns / sizeof columns[0], wide);
}

static void join_tags(const ganger_job *job, char *text, size_t room)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < job->tag_count && len + 1 < room; i++) {
        int more = snprintf(text + len, room - len, "%s%s", i > 0 ? " " : "",
                            job->tags[i]);
        len += more > 0 ? (size_t)more : 0;
    }
}

static const char *error_text(const ganger_job *job)
{
    if (job->error == GANGER_OK) {
        return "";
    }
    return job->error_text[0] != '\0' ? job->error_text : ganger_err_text(job->error);
}

void gg_job_row(struct gg_table *table, const ganger_job *job)
{
    char id[GANGER_ID_TEXT_BYTES];
    char tags[1200];
    struct gg_row *row = gg_table_row(table, NULL);
    ganger_id_format(&job->id, id);
    join_tags(job, tags, sizeof tags);
    gg_row_text(table, row, 0, id);
    gg_row_text(table, row, 1, job->queue);
    gg_row_text(table, row, 2, ganger_state_name(job->state));
    gg_row_print(table, row, 3, "%u/%u", job->attempt, job->max_attempts);
    gg_row_time(table, row, 4, job->submitted_at);
    gg_row_print(table, row, 5, "%.*s", (int)job->key.len, (const char *)job->key.data);
    gg_row_text(table, row, 6, job->realm);
    gg_row_text(table, row, 7, job->worker);
    gg_row_time(table, row, 8, job->finished_at);
    gg_row_text(table, row, 9, tags);
    gg_row_text(table, row, 10, error_text(job));
}

static void pair_if(struct gg_table *table, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        gg_table_pair(table, name, "%s", text);
    }
}

static void pair_time_if(struct gg_table *table, const char *name, int64_t at)
{
    if (at > 0) {
        gg_table_pair_time(table, name, at);
    }
}

static void print_ending(struct gg_table *table, const ganger_job *job)
{
    if (job->error != GANGER_OK) {
        gg_table_pair(table, "error", "%s [%s]", error_text(job),
                      ganger_err_name(job->error));
    }
    if (job->signal > 0) {
        gg_table_pair(table, "signal", "%d (%s)", job->signal, strsignal(job->signal));
    } else if (job->exit_status > 0) {
        gg_table_pair(table, "exit status", "%d", job->exit_status);
    }
    if (job->state == GANGER_SUCCEEDED) {
        gg_table_pair(table, "result", "%" PRIu64 " bytes%s", job->result_bytes,
                      job->result_gone ? ", no longer kept" : "");
    }
    for (size_t i = 0; i < job->why_count && !ganger_state_final(job->state); i++) {
        gg_table_pair(table, i == 0 ? "why" : "", "%s", job->why[i].text);
    }
}

/* One job, a line for each thing that is known of it. */
static void print_details(const ganger_job *job)
{
    static const struct gg_column columns[] = {{NULL, 0}, {NULL, GG_COLUMN_STATE}};
    struct gg_table *table = gg_table_new(columns, 2, false);
    char text[1200];
    ganger_id_format(&job->id, text);
    gg_table_pair(table, "id", "%s", text);
    gg_table_pair(table, "queue", "%s", job->queue);
    if (strcmp(job->realm, "default") != 0) {
        pair_if(table, "realm", job->realm);
    }
    if (job->key.len > 0) {
        gg_table_pair(table, "key", "%.*s", (int)job->key.len,
                      (const char *)job->key.data);
    }
    gg_table_pair(table, "state", "%s", ganger_state_name(job->state));
    if (job->cancelling) {
        gg_table_pair(table, "", "told to stop");
    }
    gg_table_pair(table, "attempt", "%u of %u", job->attempt, job->max_attempts);
    if (job->state == GANGER_RUNNING) {
        gg_table_pair(table, "progress", "%.0f %% %s", job->progress * 100.0,
                      job->progress_text);
    }
    pair_if(table, "worker", job->worker);
    pair_time_if(table, "submitted", job->submitted_at);
    pair_time_if(table, "not before", job->run_at);
    pair_time_if(table, "start by", job->expires_at);
    pair_time_if(table, "started", job->started_at);
    pair_time_if(table, "finished", job->finished_at);
    pair_time_if(table, "kept until", job->evicts_at);
    gg_table_pair(table, "durability", "%s", job->durability == 2 ? "fsync" : "none");
    join_tags(job, text, sizeof text);
    pair_if(table, "tags", text);
    print_ending(table, job);
    gg_table_finish(&table);
}

/* Print jobs as they come, in the format that was asked for. */
struct printer {
    enum gg_format format;
    bool many;
    struct gg_table *table;
    struct gg_json_list list;
};

static void printer_init(struct printer *printer, const struct gg_call *call, bool many)
{
    enum gg_format format = call->options.format;
    *printer = (struct printer){
        .format = format,
        .many = many,
        .list = {.format = format},
    };
    bool table = format == GG_FORMAT_TABLE || format == GG_FORMAT_WIDE;
    if (table || (format == GG_FORMAT_DEFAULT && many)) {
        printer->table = gg_job_table(format == GG_FORMAT_WIDE);
    }
}

static void printer_add(struct printer *printer, const ganger_job *job)
{
    char id[GANGER_ID_TEXT_BYTES];
    if (printer->table != NULL) {
        gg_job_row(printer->table, job);
    } else if (printer->format == GG_FORMAT_ID) {
        ganger_id_format(&job->id, id);
        (void)puts(id);
    } else if (printer->format == GG_FORMAT_DEFAULT) {
        print_details(job);
    } else if (printer->many || printer->format == GG_FORMAT_JSONL) {
        gg_json_list_add(&printer->list, gg_json_job(job));
    } else {
        gg_json_print(gg_json_job(job), false);
    }
}

static void printer_finish(struct printer *printer)
{
    gg_table_finish(&printer->table);
    if (printer->many) {
        gg_json_list_end(&printer->list);
    }
}

static int fail_for(const struct gg_call *call, ganger_err err, const char *verb,
                    const ganger_target *target)
{
    char name[GG_TARGET_TEXT_BYTES];
    char what[WHAT_BYTES];
    gg_target_text(target, name);
    (void)snprintf(what, sizeof what, "cannot %s %s", verb, name);
    return gg_failed(call, err, what);
}

static int begin(struct gg_call *call, struct gg_targets *targets)
{
    return gg_targets_read(call, targets) ? gg_connect(call) : GG_EXIT_USAGE;
}

int gg_job_status(struct gg_call *call)
{
    struct gg_targets targets;
    struct printer printer;
    int status = begin(call, &targets);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    printer_init(&printer, call, targets.count > 1);
    bool with_result = gg_json_wanted(call->options.format);
    for (size_t i = 0; i < targets.count; i++) {
        ganger_job job;
        ganger_err err = ganger_get(call->broker, &targets.items[i], with_result, true,
                                    gg_answer_ms(call), &job);
        if (err != GANGER_OK) {
            status = fail_for(call, err, "show", &targets.items[i]);
            continue;
        }
        printer_add(&printer, &job);
    }
    printer_finish(&printer);
    return status;
}

static int no_result(const ganger_job *job)
{
    char id[GANGER_ID_TEXT_BYTES];
    ganger_id_format(&job->id, id);
    if (!ganger_state_final(job->state)) {
        gg_say("job %s has not ended: it is %s [bad_state]", id,
               ganger_state_name(job->state));
        gg_say_try("ganger wait %s --wait=1h && ganger result %s", id, id);
        return GG_EXIT_STATE;
    }
    if (job->state == GANGER_SUCCEEDED) {
        gg_say("the result of job %s is no longer kept [result_gone]", id);
        return GG_EXIT_UNKNOWN;
    }
    gg_say("job %s %s: %s [%s]", id, ganger_state_name(job->state), error_text(job),
           ganger_err_name(job->error));
    return GG_EXIT_NO;
}

int gg_job_result(struct gg_call *call)
{
    struct gg_targets targets;
    ganger_job job;
    int status = begin(call, &targets);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_get(call->broker, &targets.items[0], true, false,
                                gg_answer_ms(call), &job);
    if (err != GANGER_OK) {
        return fail_for(call, err, "get the result of", &targets.items[0]);
    }
    if (call->options.format == GG_FORMAT_JSON) {
        gg_json_print(gg_json_job(&job), false);
    } else if (job.has_result) {
        gg_text_data(stdout, job.result.data, job.result.len);
    }
    return job.has_result ? GG_EXIT_DONE : no_result(&job);
}

/* One job of a wait: print how it ended; returns the exit status. */
static int wait_for(struct gg_call *call, const ganger_target *target, int timeout_ms)
{
    struct gg_ending ending;
    struct gg_patience patience = {
        .call = call,
        .want_json = gg_json_wanted(call->options.format),
        .timeout_ms = timeout_ms,
    };
    char id[GANGER_ID_TEXT_BYTES];
    gg_patience_wait(&patience, target, &ending);
    ganger_id_format(&ending.id, id);
    int status = GG_EXIT_DONE;
    if (!ending.ended) {
        char name[GG_TARGET_TEXT_BYTES];
        char what[WHAT_BYTES];
        gg_target_text(target, name);
        (void)snprintf(what, sizeof what, "cannot wait for %s", name);
        if (ending.err == GANGER_TIMED_OUT) {
            gg_say("still running: job %s goes on [timed_out]", name);
            status = GG_EXIT_TIME;
        } else {
            status = gg_failed_text(call, ending.err, what, ending.err_text);
        }
    } else if (ending.json != NULL) {
        (void)puts(ending.json);
    } else if (call->options.format == GG_FORMAT_ID) {
        (void)puts(id);
    } else {
        (void)printf("%s %s\n", id, ganger_state_name(ending.state));
    }
    if (ending.ended && ending.state != GANGER_SUCCEEDED) {
        gg_say("job %s %s: %s [%s]", id, ganger_state_name(ending.state),
               ending.error_text, ganger_err_name(ending.error));
        status = GG_EXIT_NO;
    }
    gg_ending_fini(&ending);
    return status;
}

int gg_job_wait(struct gg_call *call)
{
    struct gg_targets targets;
    int status = begin(call, &targets);
    int64_t start = gg_mono_now().ms;
    int limit = gg_wait_ms(call);
    for (size_t i = 0; status <= GG_EXIT_NO && i < targets.count; i++) {
        int64_t passed = gg_mono_now().ms - start;
        int left = limit < 0 ? -1 : passed >= limit ? 0 : (int)(limit - passed);
        int one = wait_for(call, &targets.items[i], left);
        status = one > status ? one : status;
    }
    return status;
}

static void print_why(const ganger_job *job, bool many)
{
    char id[GANGER_ID_TEXT_BYTES];
    char since[GG_WALL_TEXT_BYTES];
    ganger_id_format(&job->id, id);
    for (size_t i = 0; i < job->why_count; i++) {
        const ganger_reason *reason = &job->why[i];
        char *text = gg_text_safe(reason->text, strlen(reason->text));
        (void)printf("%s%s%s: %s", many ? id : "", many ? " " : "", reason->name, text);
        if (reason->since_at > 0) {
            gg_wall_format((struct gg_wall){reason->since_at}, since);
            (void)printf(" (since %s)", since);
        }
        (void)putchar('\n');
        free(text);
    }
    if (job->why_count == 0) {
        (void)printf("%s%s%s\n", many ? id : "", many ? " " : "",
                     ganger_state_name(job->state));
    }
}

int gg_job_why(struct gg_call *call)
{
    struct gg_targets targets;
    int status = begin(call, &targets);
    bool as_json = gg_json_wanted(call->options.format);
    struct gg_json_list list = {.format = call->options.format};
    for (size_t i = 0; status == GG_EXIT_DONE && i < targets.count; i++) {
        ganger_job job;
        ganger_err err = ganger_get(call->broker, &targets.items[i], false, true,
                                    gg_answer_ms(call), &job);
        if (err != GANGER_OK) {
            return fail_for(call, err, "say why of", &targets.items[i]);
        }
        for (size_t r = 0; as_json && r < job.why_count; r++) {
            gg_json_list_add(&list, gg_json_reason(&job.why[r]));
        }
        if (!as_json) {
            print_why(&job, targets.count > 1);
        }
    }
    if (status == GG_EXIT_DONE) {
        gg_json_list_end(&list);
    }
    return status;
}

struct listing {
    struct printer printer;
    uint64_t limit;
    uint64_t shown;
    bool more;
};

static bool on_listed(void *ctx, const ganger_job *job)
{
    struct listing *listing = ctx;
    if (listing->shown == listing->limit) {
        listing->more = true;
        return false;
    }
    listing->shown++;
    printer_add(&listing->printer, job);
    return true;
}

int gg_job_list(struct gg_call *call)
{
    struct gg_filter filter;
    struct gg_filter_fault fault;
    const char *text = call->options.filter != NULL ? call->options.filter : "";
    if (!gg_filter_parse(text, &filter, &fault)) {
        return gg_say_usage("--filter, column %zu: %s", fault.column, fault.text);
    }
    if (filter.what.realm == NULL) {
        filter.what.realm = gg_texts_last(&call->options.realms);
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    struct listing listing = {.limit = call->options.limit};
    printer_init(&listing.printer, call, true);
    if (call->options.limit == GG_OPTION_UNSAID && listing.printer.table != NULL) {
        listing.limit = TABLE_LIMIT;
    }
    ganger_err err = ganger_list(call->broker, &filter.what, gg_answer_ms(call),
                                 on_listed, &listing);
    gg_table_finish_list(&listing.printer.table, err == GANGER_OK, "such jobs");
    printer_finish(&listing.printer);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot list jobs");
    }
    if (listing.more) {
        gg_say("there are more than these %" PRIu64 "; --limit N shows more",
               listing.shown);
    }
    return GG_EXIT_DONE;
}
