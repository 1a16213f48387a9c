#include "client/cli/bulk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/submission.h"
#include "common/clock.h"

enum { WINDOW = 4096, POLL_MS = 1000, SHOW_EVERY_MS = 100, BAR_WIDTH = 30 };

struct bulk {
    struct gg_call *call;
    ganger_submission submission;
    FILE *from;
    off_t size; /* Of the file; 0 unknown. */
    off_t read;
    uint64_t lines;
    uint64_t in_flight;
    uint64_t accepted;
    uint64_t existing;
    uint64_t refused;
    ganger_err first_err;
    char first_text[512];
    struct gg_json_list list;
    int64_t start_ms;
    int64_t shown_ms;
};

static void show(struct bulk *bulk)
{
    char line[160];
    char bar[BAR_WIDTH + 1];
    int64_t now = gg_mono_now().ms;
    if (!gg_say_to_terminal() || now - bulk->shown_ms < SHOW_EVERY_MS) {
        return;
    }
    bulk->shown_ms = now;
    uint64_t answered = bulk->accepted + bulk->refused;
    if (bulk->size > 0) {
        size_t full = (size_t)(bulk->read * BAR_WIDTH / bulk->size);
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
        bar[BAR_WIDTH] = '\0';
        (void)snprintf(line, sizeof line, "[%s] %" PRIu64 " submitted", bar, answered);
    } else {
        (void)snprintf(line, sizeof line, "%" PRIu64 " submitted", answered);
    }
    gg_say_status(line);
}

static void print_one(struct bulk *bulk, const ganger_job *job)
{
    char id[GANGER_ID_TEXT_BYTES];
    if (gg_json_wanted(bulk->list.format)) {
        gg_json_list_add(&bulk->list, gg_json_submitted(job));
        return;
    }
    ganger_id_format(&job->id, id);
    if (bulk->list.format == GG_FORMAT_ID) {
        (void)puts(id);
    } else {
        (void)printf("%s %s\n", id, ganger_state_name(job->state));
    }
}

static void on_answer(void *ctx, const ganger_answer *answer)
{
    struct bulk *bulk = ctx;
    if (!answer->final) {
        return;
    }
    bulk->in_flight--;
    if (answer->err == GANGER_OK && answer->job != NULL) {
        bulk->accepted++;
        bulk->existing += answer->job->existing ? 1 : 0;
        print_one(bulk, answer->job);
    } else {
        bulk->refused++;
        if (bulk->first_err == GANGER_OK) {
            bulk->first_err = answer->err;
            (void)snprintf(bulk->first_text, sizeof bulk->first_text, "%s",
                           answer->text);
        }
    }
    show(bulk);
}

static int open_lines(struct bulk *bulk, const char *name)
{
    struct stat about;
    if (strcmp(name, "-") == 0) {
        bulk->from = stdin;
        return GG_EXIT_DONE;
    }
    bulk->from = fopen(name, "re");
    if (bulk->from == NULL) {
        gg_say("cannot open %s: %s", name, strerror(errno));
        return GG_EXIT_INPUT;
    }
    if (fstat(fileno(bulk->from), &about) == 0 && S_ISREG(about.st_mode)) {
        bulk->size = about.st_size;
    }
    return GG_EXIT_DONE;
}

/* Submit lines until none is left or the window is full; false at the end. */
static bool fill(struct bulk *bulk, char **line, size_t *room)
{
    while (bulk->in_flight < WINDOW) {
        ssize_t len = getline(line, room, bulk->from);
        if (len < 0) {
            return false;
        }
        bulk->read += len;
        if (len > 0 && (*line)[len - 1] == '\n') {
            len--;
        }
        bulk->lines++;
        bulk->submission.payload = (ganger_bytes){.data = *line, .len = (size_t)len};
        bulk->in_flight++;
        if (ganger_submit_start(bulk->call->broker, &bulk->submission, false,
                                gg_answer_ms(bulk->call), on_answer, bulk) == 0) {
            ganger_answer refused = {
                .err = GANGER_BAD_FIELD,
                .text = ganger_last_error(bulk->call->broker),
                .final = true,
            };
            on_answer(bulk, &refused);
        }
    }
    return true;
}

static int summary(struct bulk *bulk)
{
    double seconds = (double)(gg_mono_now().ms - bulk->start_ms) / 1000.0;
    gg_say_status("");
    gg_say("%" PRIu64 " lines: %" PRIu64 " accepted (%" PRIu64
           " known before), %" PRIu64 " refused, in %.1f s",
           bulk->lines, bulk->accepted, bulk->existing, bulk->refused, seconds);
    if (bulk->refused == 0) {
        return GG_EXIT_DONE;
    }
    gg_say("first refusal: %s [%s]", bulk->first_text,
           ganger_err_name(bulk->first_err));
    return ganger_err_exit(bulk->first_err);
}

static int check_options(const struct gg_call *call)
{
    const struct gg_options *said = &call->options;
    if (call->arg_count > 1) {
        return gg_say_usage("with --lines the payloads come from the file");
    }
    if (said->key != NULL || said->id != NULL) {
        return gg_say_usage("with --lines a --key or --id would be the same for all; "
                            "--unique makes one of each line");
    }
    if (said->wait) {
        return gg_say_usage("--lines does not wait for results");
    }
    return GG_EXIT_DONE;
}

int gg_bulk_submit(struct gg_call *call)
{
    struct bulk bulk = {
        .call = call,
        .list = {.format = call->options.format},
        .start_ms = gg_mono_now().ms,
    };
    int status = check_options(call);
    status = status == GG_EXIT_DONE ? gg_submission_read(call, &bulk.submission)
                                    : status;
    status = status == GG_EXIT_DONE ? open_lines(&bulk, call->options.lines) : status;
    if (status != GG_EXIT_DONE) {
        return status;
    }
    status = gg_connect(call);
    char *line = NULL;
    size_t room = 0;
    if (status == GG_EXIT_DONE) {
        gg_say_when_interrupted("interrupted; what was accepted goes on");
        bool more = true;
        while (more || bulk.in_flight > 0) {
            more = more && fill(&bulk, &line, &room);
            (void)ganger_poll(call->broker, bulk.in_flight > 0 ? POLL_MS : 0);
        }
        gg_json_list_end(&bulk.list);
        status = summary(&bulk);
    }
    free(line);
    if (bulk.from != stdin) {
        (void)fclose(bulk.from);
    }
    return status;
}
