/* queue.c - `ganger queue list|show|pause|resume|purge`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/filter.h"
#include "client/cli/json.h"
#include "client/cli/nearest.h"
#include "client/cli/say.h"
#include "client/cli/table.h"

enum { COUNT_BYTES = 64, NAME_BYTES = 65 };

struct showing {
    enum gg_format format;
    struct gg_table *table;
    struct gg_json_list list;
    const char *only; /* A name that must fit exactly; NULL: all. */
    uint64_t count;
};

static const struct gg_column columns[] = {
    {"QUEUE", 0},
    {"STATE", GG_COLUMN_STATE},
    {"READY", GG_COLUMN_RIGHT},
    {"SCHEDULED", GG_COLUMN_RIGHT},
    {"RUNNING", GG_COLUMN_RIGHT},
    {"FAILED", GG_COLUMN_RIGHT},
    {"WORKERS", GG_COLUMN_RIGHT},
    {"SLOTS", GG_COLUMN_RIGHT},
    {"OLDEST", GG_COLUMN_RIGHT},
    {"REALM", GG_COLUMN_WIDE},
    {"SUCCEEDED EVER", GG_COLUMN_WIDE | GG_COLUMN_RIGHT},
    {"FAILED EVER", GG_COLUMN_WIDE | GG_COLUMN_RIGHT},
    {"BYTES", GG_COLUMN_WIDE | GG_COLUMN_RIGHT},
    {"REASON", GG_COLUMN_WIDE},
};

static void fill_row(struct gg_table *table, const ganger_queue *queue)
{
    const uint64_t numbers[] = {queue->ready,  queue->scheduled, queue->running,
                                queue->failed, queue->workers,   queue->slots};
    struct gg_row *row = gg_table_row(table, NULL);
    gg_row_text(table, row, 0, queue->queue);
    gg_row_text(table, row, 1, queue->paused ? "paused" : "open");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        gg_row_print(table, row, 2 + i, "%" PRIu64, numbers[i]);
    }
    if (queue->ready > 0) {
        gg_row_duration(table, row, 8, queue->oldest_ms);
    } else {
        gg_row_text(table, row, 8, "");
    }
    gg_row_text(table, row, 9, queue->realm);
    gg_row_print(table, row, 10, "%" PRIu64, queue->succeeded_total);
    gg_row_print(table, row, 11, "%" PRIu64, queue->failed_total);
    gg_row_print(table, row, 12, "%" PRIu64, queue->bytes);
    gg_row_text(table, row, 13, queue->reason);
}

static bool on_queue(void *ctx, const ganger_queue *queue)
{
    struct showing *showing = ctx;
    if (showing->only != NULL && strcmp(queue->queue, showing->only) != 0) {
        return true;
    }
    showing->count++;
    if (showing->format == GG_FORMAT_ID) {
        (void)puts(queue->queue);
    } else if (showing->table != NULL) {
        fill_row(showing->table, queue);
    } else if (showing->only != NULL) {
        gg_json_print(gg_json_queue(queue), showing->format == GG_FORMAT_JSONL);
    } else {
        gg_json_list_add(&showing->list, gg_json_queue(queue));
    }
    return true;
}

static int show(struct gg_call *call, struct showing *showing, const char *pattern)
{
    enum gg_format format = call->options.format;
    showing->format = format;
    showing->list.format = format;
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    if (!gg_json_wanted(format) && format != GG_FORMAT_ID) {
        showing->table = gg_table_new(columns, sizeof columns / sizeof columns[0],
                                      format == GG_FORMAT_WIDE);
    }
    ganger_err err = ganger_queues(call->broker, gg_texts_last(&call->options.realms),
                                   pattern, gg_answer_ms(call), on_queue, showing);
    gg_table_finish_list(&showing->table, err == GANGER_OK && showing->only == NULL,
                         "such queues");
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot list queues");
    }
    return GG_EXIT_DONE;
}

int gg_queue_list(struct gg_call *call)
{
    struct showing showing = {0};
    int status = show(call, &showing, call->args[0]);
    if (status == GG_EXIT_DONE) {
        gg_json_list_end(&showing.list);
    }
    return status;
}

/* Whether the broker knows a queue, and which known one is most like it. */
struct lookup {
    const char *name;
    bool known;
    struct gg_nearest nearest;
    char like[NAME_BYTES];
};

static bool on_name(void *ctx, const ganger_queue *queue)
{
    struct lookup *lookup = ctx;
    lookup->known = lookup->known || strcmp(queue->queue, lookup->name) == 0;
    gg_nearest_offer(&lookup->nearest, queue->queue);
    if (lookup->nearest.best == queue->queue) { /* Lent for this call only. */
        (void)snprintf(lookup->like, sizeof lookup->like, "%s", queue->queue);
        lookup->nearest.best = lookup->like;
    }
    return !lookup->known;
}

/* Most often a queue that nobody has heard of is a mistyped one. */
static void say_unknown(const struct lookup *lookup, const char *code)
{
    if (lookup->nearest.best != NULL) {
        gg_say("there is no queue %s; did you mean '%s'?%s", lookup->name,
               lookup->nearest.best, code);
    } else {
        gg_say("there is no queue %s%s", lookup->name, code);
    }
}

static void look_up(struct gg_call *call, const char *name, struct lookup *out)
{
    const char *realm = gg_texts_last(&call->options.realms);
    *out = (struct lookup){.name = name, .nearest.typed = name};
    ganger_err err = ganger_queues(call->broker, realm, name, gg_answer_ms(call),
                                   on_name, out);
    if (err == GANGER_OK && !out->known) {
        err = ganger_queues(call->broker, realm, NULL, gg_answer_ms(call), on_name,
                            out);
    }
    out->known = out->known || err != GANGER_OK; /* Nobody can tell. */
}

int gg_queue_show(struct gg_call *call)
{
    struct showing showing = {.only = call->args[0]};
    int status = show(call, &showing, call->args[0]);
    if (status == GG_EXIT_DONE && showing.count == 0) {
        struct lookup lookup;
        look_up(call, call->args[0], &lookup);
        say_unknown(&lookup, " [not_found]");
        gg_say_try("ganger queue list");
        return GG_EXIT_UNKNOWN;
    }
    return status;
}

typedef ganger_err touch_fn(ganger *broker, const ganger_scope *scope, int timeout_ms,
                            ganger_touched *out);

struct deed {
    touch_fn *touch;
    const char *verb; /* "Pause" */
    const char *done; /* "paused" */
    const char *what; /* "queues" */
    bool ask;         /* Also where the pattern is a plain name. */
    bool makes;       /* A queue that is named in full and not known. */
};

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* "1 queue", "2 queues". */
static void count_text(uint64_t count, const char *what, char text[COUNT_BYTES])
{
    int len = (int)strlen(what) - (count == 1 ? 1 : 0);
    (void)snprintf(text, COUNT_BYTES, "%" PRIu64 " %.*s", count, len, what);
}

/* Who has mistyped a name must notice, also where the deed goes on. False: the broker
 * knows no such queue. */
static bool say_if_unknown(struct gg_call *call, const struct deed *deed)
{
    struct lookup lookup;
    if (is_pattern(call->args[0])) {
        return true;
    }
    look_up(call, call->args[0], &lookup);
    if (!lookup.known) {
        say_unknown(&lookup, "");
        if (deed->makes) {
            gg_say("a pause makes it: its jobs will wait from the first one on");
        }
    }
    return lookup.known;
}

static int get_leave(const struct gg_call *call, const struct deed *deed,
                     uint64_t count)
{
    char question[160];
    if (call->options.yes || (!deed->ask && !is_pattern(call->args[0]))) {
        return GG_EXIT_DONE;
    }
    char text[COUNT_BYTES];
    count_text(count, deed->what, text);
    (void)snprintf(question, sizeof question, "%s %s?", deed->verb, text);
    if (gg_say_ask(question)) {
        return GG_EXIT_DONE;
    }
    gg_say("nothing was done");
    gg_say_try("the same with --yes, or --dry-run");
    return GG_EXIT_NO;
}

static void print_touched(const struct gg_call *call, const struct deed *deed,
                          const ganger_touched *touched)
{
    if (gg_json_wanted(call->options.format)) {
        gg_json_print(gg_json_touched(touched, call->options.dry_run), false);
        return;
    }
    char count[COUNT_BYTES];
    count_text(touched->count, deed->what, count);
    (void)printf("%s%s %s\n", call->options.dry_run ? "would be: " : "", count,
                 deed->done);
    if (touched->unsettled > 0) {
        gg_say("%" PRIu64 " attempts at agents that do not answer may yet start, until "
               "their start-by time",
               touched->unsettled);
    }
}

/* Size first, leave second, deed third. */
static int touch(struct gg_call *call, const struct deed *deed, ganger_scope *scope)
{
    ganger_touched touched = {0};
    char what[128];
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    (void)snprintf(what, sizeof what, "cannot %s %s", call->command->verb,
                   call->args[0]);
    scope->dry_run = true;
    ganger_err err = deed->touch(call->broker, scope, gg_answer_ms(call), &touched);
    if (err != GANGER_OK) {
        return gg_failed(call, err, what);
    }
    bool known = say_if_unknown(call, deed);
    if (!call->options.dry_run) {
        char count[COUNT_BYTES];
        count_text(touched.count, deed->what, count);
        gg_say("%s: %s", call->args[0], count);
        status = get_leave(call, deed, touched.count);
        if (status != GG_EXIT_DONE) {
            return status;
        }
        scope->dry_run = false;
        err = deed->touch(call->broker, scope, gg_answer_ms(call), &touched);
        if (err != GANGER_OK) {
            return gg_failed(call, err, what);
        }
    }
    print_touched(call, deed, &touched);
    if (!known && deed->makes && !call->options.dry_run) {
        gg_say_try("ganger queue resume %s, if that was not meant", call->args[0]);
    }
    return GG_EXIT_DONE;
}

static ganger_scope scope_of(const struct gg_call *call)
{
    return (ganger_scope){
        .realm = gg_texts_last(&call->options.realms),
        .pattern = call->args[0],
        .reason = call->options.reason,
        .cancel_running = call->options.cancel_running,
    };
}

int gg_queue_pause(struct gg_call *call)
{
    static const struct deed deed = {ganger_pause, "Pause", "paused",
                                     "queues",     false,   true};
    ganger_scope scope = scope_of(call);
    return touch(call, &deed, &scope);
}

int gg_queue_resume(struct gg_call *call)
{
    static const struct deed deed = {ganger_resume, "Resume", "resumed",
                                     "queues",      false,    false};
    ganger_scope scope = scope_of(call);
    return touch(call, &deed, &scope);
}

static bool only_states(const ganger_filter *what)
{
    return what->realm == NULL && what->queue == NULL && what->tag == NULL &&
           what->key.len == 0 && what->older_ms == 0 && what->younger_ms == 0 &&
           what->error_has == NULL;
}

int gg_queue_purge(struct gg_call *call)
{
    static const struct deed deed = {ganger_purge, "Purge", "purged",
                                     "jobs",       true,    false};
    ganger_scope scope = scope_of(call);
    struct gg_filter filter;
    struct gg_filter_fault fault;
    if (call->options.filter != NULL) {
        if (!gg_filter_parse(call->options.filter, &filter, &fault)) {
            return gg_say_usage("--filter, column %zu: %s", fault.column, fault.text);
        }
        if (!only_states(&filter.what)) {
            return gg_say_usage("a purge is by queue and state: 'state:failed'");
        }
        scope.states = filter.what.states;
    }
    return touch(call, &deed, &scope);
}
