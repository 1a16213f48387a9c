/* doctor.c - `ganger doctor`: a line for each check, and what to do about it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/version.h"

enum { CLOCK_WARN_MS = 2000, LIMIT_PERCENT = 80, CONFUSED_CLOCK_MS = 60000 };

enum level { FINE, WARN, FAIL };

static const char *const level_names[] = {
    [FINE] = "ok", [WARN] = "warn", [FAIL] = "fail"};

struct visit {
    struct gg_call *call;
    struct gg_table *table;
    struct gg_json_list list;
    bool failed;
    uint64_t fine;    /* Things of one kind that are as they should be. */
    uint64_t trouble; /* Those that are not. */
};

/* One line. `advice` is what to do, "" where there is nothing. */
__attribute__((format(printf, 5, 6))) static void find(struct visit *visit,
                                                       const char *check,
                                                       enum level level,
                                                       const char *advice,
                                                       const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    visit->failed = visit->failed || level == FAIL;
    visit->trouble += level == FINE ? 0 : 1;
    if (visit->table == NULL) {
        gg_json_list_add(&visit->list,
                         gg_json_finding(check, level_names[level], text, advice));
        return;
    }
    struct gg_row *row = gg_table_row(visit->table, NULL);
    gg_row_text(visit->table, row, 0, level_names[level]);
    gg_row_text(visit->table, row, 1, check);
    gg_row_print(visit->table, row, 2, "%s%s%s", text,
                 advice[0] != '\0' ? "; try: " : "", advice);
}

static void check_file(struct visit *visit, const char *path, const char *what)
{
    struct stat about;
    if (path == NULL || path[0] == '\0' || stat(path, &about) != 0) {
        return;
    }
    if ((about.st_mode & 077) != 0) {
        char advice[512];
        (void)snprintf(advice, sizeof advice, "chmod 600 %.400s", path);
        find(visit, "key files", FAIL, advice,
             "%s %s can be read by others (mode %03o)", what, path,
             (unsigned)(about.st_mode & 0777));
    } else {
        find(visit, "key files", FINE, "", "%s %s is its owner's alone", what, path);
    }
}

static void check_key_files(struct visit *visit)
{
    const struct gg_options *said = &visit->call->options;
    const char *ring = said->keys != NULL ? said->keys : getenv("GANGER_KEYS");
    check_file(visit,
               said->key_file != NULL ? said->key_file : getenv("GANGER_KEY_FILE"),
               "the key file");
    check_file(visit, ring != NULL ? ring : "/etc/ganger/keys", "the file of keys");
}

static void check_clock(struct visit *visit, int64_t broker_at, int64_t here_at)
{
    int64_t off = broker_at - here_at;
    uint64_t size = (uint64_t)(off < 0 ? -off : off);
    char text[GG_DURATION_TEXT_BYTES];
    gg_duration_format(size, text);
    enum level level = size > CONFUSED_CLOCK_MS ? FAIL : WARN;
    find(visit, "clock", size <= CLOCK_WARN_MS ? FINE : level,
         size <= CLOCK_WARN_MS ? "" : "set both clocks by NTP",
         "the broker's is %s %s this one", text, off < 0 ? "behind" : "ahead of");
}

static void check_limits(struct visit *visit, const ganger_broker *broker)
{
    visit->trouble = 0;
    for (size_t i = 0; i < broker->limit_count; i++) {
        const ganger_stat *limit = &broker->limits[i];
        if (limit->most == 0 ||
            (double)limit->value * 100.0 < (double)limit->most * LIMIT_PERCENT) {
            continue;
        }
        find(visit, "limits", limit->value >= limit->most ? FAIL : WARN,
             "raise it in the broker's settings, or submit less",
             "%s%s%s is at %" PRIu64 " of %" PRIu64, limit->name,
             limit->label[0] != '\0' ? " of " : "", limit->label, limit->value,
             limit->most);
    }
    if (visit->trouble == 0) {
        find(visit, "limits", FINE, "", "%zu limits, all below %d %%",
             broker->limit_count, LIMIT_PERCENT);
    }
}

static void check_store(struct visit *visit, const ganger_broker *broker)
{
    find(visit, "store", FINE, "", "%s; accepted jobs survive %s", broker->store,
         broker->durability == 2 ? "a power cut" : "everything but the broker's end");
    if (broker->store_path[0] == '\0') {
        return;
    }
    find(visit, "disk", broker->space == 0 ? FINE : WARN,
         broker->space == 0 ? "" : "make room on the disk of the data folder", "%s: %s",
         broker->store_path, gg_space_text(broker->space));
    if (broker->clock_behind_ms > 0) {
        find(visit, "clock", WARN, "set the broker's clock by NTP",
             "the broker's is behind one it knew before: jobs with a date wait");
    }
}

/* The part behind "gangerd " and before anything else. */
static bool same_version(const char *program)
{
    const char *space = strrchr(program, ' ');
    return strcmp(space != NULL ? space + 1 : program, GG_VERSION) == 0;
}

static void check_broker(struct visit *visit)
{
    ganger_broker broker;
    ganger *handle = visit->call->broker;
    ganger_err err = ganger_broker_status(handle, gg_answer_ms(visit->call), &broker);
    int64_t here_at = gg_wall_now().ms;
    if (err != GANGER_OK) {
        find(visit, "broker", FAIL,
             err == GANGER_NOT_ALLOWED ? "a key with role observe" : "look at its log",
             "it does not say how it is: %s", ganger_last_error(handle));
        return;
    }
    bool serving = strcmp(broker.state, "serving") == 0;
    find(visit, "broker", serving ? FINE : WARN,
         serving ? "" : "wait for its successor", "%s at %s, pid %" PRIu64 ", %s",
         broker.program, ganger_endpoint(handle), broker.pid, broker.state);
    find(visit, "version", same_version(broker.program) ? FINE : WARN,
         same_version(broker.program) ? "" : "install the same version on both sides",
         "this program is " GG_VERSION ", the broker %s", broker.program);
    check_store(visit, &broker);
    check_clock(visit, broker.now_at, here_at);
    check_limits(visit, &broker);
}

static bool on_queue(void *ctx, const ganger_queue *queue)
{
    struct visit *visit = ctx;
    char advice[200];
    char since[GG_WALL_TEXT_BYTES] = "?";
    uint64_t waiting = queue->ready + queue->scheduled;
    if (queue->paused) {
        if (queue->paused_at > 0) {
            gg_wall_format((struct gg_wall){queue->paused_at}, since);
        }
        (void)snprintf(advice, sizeof advice, "ganger queue resume %s", queue->queue);
        find(visit, "queues", WARN, advice,
             "%s is paused since %s (%s), %" PRIu64 " jobs wait", queue->queue, since,
             queue->reason[0] != '\0' ? queue->reason : "no reason said", waiting);
    } else if (queue->ready > 0 && queue->workers == 0) {
        (void)snprintf(advice, sizeof advice, "ganger-worker --queue %s -- COMMAND",
                       queue->queue);
        find(visit, "queues", WARN, advice,
             "%" PRIu64 " jobs wait in %s and no agent serves it", queue->ready,
             queue->queue);
    } else {
        visit->fine++;
    }
    return true;
}

static bool on_worker(void *ctx, const ganger_worker *worker)
{
    struct visit *visit = ctx;
    char seen[GG_DURATION_TEXT_BYTES];
    if (strcmp(worker->state, "suspect") != 0) {
        visit->fine++;
        return true;
    }
    gg_duration_format(worker->last_seen_ms, seen);
    find(visit, "agents", WARN, "look at its host and its network",
         "%s on %s (pid %" PRIu64 ") has been silent for %s", worker->name,
         worker->host, worker->pid, seen);
    return true;
}

static void check_fleet(struct visit *visit)
{
    ganger *handle = visit->call->broker;
    int timeout_ms = gg_answer_ms(visit->call);
    visit->fine = 0;
    ganger_err err = ganger_queues(handle, NULL, NULL, timeout_ms, on_queue, visit);
    if (err != GANGER_OK) {
        find(visit, "queues", FAIL, "", "cannot list them: %s",
             ganger_last_error(handle));
    } else {
        find(visit, "queues", FINE, "", "%" PRIu64 " in order", visit->fine);
    }
    visit->fine = 0;
    err = ganger_workers(handle, NULL, false, timeout_ms, on_worker, visit);
    if (err != GANGER_OK) {
        find(visit, "agents", FAIL, "", "cannot list them: %s",
             ganger_last_error(handle));
    } else {
        find(visit, "agents", visit->fine > 0 ? FINE : WARN,
             visit->fine > 0 ? "" : "ganger-worker --queue QUEUE -- COMMAND",
             "%" PRIu64 " in order", visit->fine);
    }
}

static void tell_unreached(struct visit *visit, int status)
{
    const char *advice = "";
    if (status == GG_EXIT_NO_BROKER) {
        advice = "gangerd there, or another --broker";
    } else if (status == GG_EXIT_NOT_ALLOWED) {
        advice = "--key-file FILE and --server-key KEY that fit this broker";
    }
    find(visit, "reach", FAIL, advice, "%s", ganger_last_error(visit->call->broker));
}

int gg_doctor_run(struct gg_call *call)
{
    if (call->arg_count > 0) {
        return gg_doctor_folder(call);
    }
    static const struct gg_column columns[] = {
        {NULL, GG_COLUMN_STATE}, {NULL, 0}, {NULL, GG_COLUMN_WRAP}};
    struct visit visit = {.call = call, .list = {.format = call->options.format}};
    if (!gg_json_wanted(call->options.format)) {
        visit.table = gg_table_new(columns, 3, false);
    }
    check_key_files(&visit);
    int64_t start = gg_mono_us();
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        tell_unreached(&visit, status);
    } else {
        find(&visit, "reach", FINE, "", "a broker answers at %s after %.1f ms",
             ganger_endpoint(call->broker), (double)(gg_mono_us() - start) / 1000.0);
        check_broker(&visit);
        check_fleet(&visit);
    }
    gg_table_finish(&visit.table);
    gg_json_list_end(&visit.list);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    return visit.failed ? GG_EXIT_NO : GG_EXIT_DONE;
}
