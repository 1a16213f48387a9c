/* act.c - `ganger cancel` and `ganger retry`, by name or by filter. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/filter.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/target.h"

struct ids {
    ganger_id *items;
    size_t count;
    size_t room;
};

static bool on_found(void *ctx, const ganger_job *job)
{
    struct ids *ids = ctx;
    if (ids->count == ids->room) {
        ids->room = ids->room == 0 ? 256 : ids->room * 2;
        ids->items = gg_say_need(
            reallocarray(ids->items, ids->room, sizeof ids->items[0]));
    }
    ids->items[ids->count++] = job->id;
    return true;
}

typedef int act_fn(struct gg_call *call, const ganger_target *target);

static void print_line(const struct gg_call *call, const ganger_id *id,
                       const char *word, unsigned waiters)
{
    char text[GANGER_ID_TEXT_BYTES];
    ganger_id_format(id, text);
    enum gg_format format = call->options.format;
    if (gg_json_wanted(format)) {
        gg_json_print(gg_json_acted(id, word, waiters), true);
    } else if (format == GG_FORMAT_ID) {
        (void)puts(text);
    } else if (waiters > 0) {
        (void)printf("%s %s (%u waiting for it)\n", text, word, waiters);
    } else {
        (void)printf("%s %s\n", text, word);
    }
}

static int failed(const struct gg_call *call, ganger_err err,
                  const ganger_target *target)
{
    char name[GG_TARGET_TEXT_BYTES];
    char what[GG_TARGET_TEXT_BYTES + 64];
    const struct gg_command *command = call->command;
    gg_target_text(target, name);
    (void)snprintf(what, sizeof what, "cannot %s %s",
                   command->verb != NULL ? command->verb : command->noun, name);
    return gg_failed(call, err, what);
}

/* The job's id where only its key is known, for what is printed. */
static ganger_id id_of(struct gg_call *call, const ganger_target *target)
{
    ganger_job job;
    if (target->queue != NULL && ganger_get(call->broker, target, false, false,
                                            gg_answer_ms(call), &job) == GANGER_OK) {
        return job.id;
    }
    return target->id;
}

/* What would be acted on, if it is there. */
static int try_one(struct gg_call *call, const ganger_target *target)
{
    ganger_job job;
    ganger_err err = ganger_get(call->broker, target, false, false, gg_answer_ms(call),
                                &job);
    if (err != GANGER_OK) {
        return failed(call, err, target);
    }
    print_line(call, &job.id, "dry_run", 0);
    return GG_EXIT_DONE;
}

static int cancel_one(struct gg_call *call, const ganger_target *target)
{
    static const char *const words[] = {
        [GANGER_VERDICT_CANCELLED] = "cancelled",
        [GANGER_VERDICT_CANCELLING] = "cancelling",
        [GANGER_VERDICT_TOO_LATE] = "too_late",
    };
    ganger_verdict verdict = GANGER_VERDICT_TOO_LATE;
    unsigned waiters = 0;
    ganger_id id = id_of(call, target);
    ganger_err err = ganger_cancel(call->broker, target, call->options.reason,
                                   gg_answer_ms(call), &verdict, &waiters);
    if (err != GANGER_OK) {
        return failed(call, err, target);
    }
    print_line(call, &id, words[verdict], waiters);
    return verdict == GANGER_VERDICT_TOO_LATE ? GG_EXIT_STATE : GG_EXIT_DONE;
}

static int retry_one(struct gg_call *call, const ganger_target *target)
{
    ganger_job job;
    ganger_err err = ganger_retry(call->broker, target, call->options.reason,
                                  gg_answer_ms(call), &job);
    if (err != GANGER_OK) {
        return failed(call, err, target);
    }
    print_line(call, &job.id, ganger_state_name(job.state), 0);
    return GG_EXIT_DONE;
}

/* Say how many, and get leave. Returns 0 to go on, else the exit status. */
static int get_leave(const struct gg_call *call, size_t count, const char *verb)
{
    char question[80];
    gg_say("%zu %s fit %s", count, count == 1 ? "job" : "jobs", call->options.filter);
    if (call->options.dry_run || count == 0 || call->options.yes) {
        return GG_EXIT_DONE;
    }
    (void)snprintf(question, sizeof question, "%s %zu %s?", verb, count,
                   count == 1 ? "job" : "jobs");
    if (gg_say_ask(question)) {
        return GG_EXIT_DONE;
    }
    gg_say("nothing was done");
    gg_say_try("the same with --yes, or --dry-run to see which");
    return GG_EXIT_NO;
}

static int act_on_filter(struct gg_call *call, const char *verb, act_fn *act)
{
    struct gg_filter filter;
    struct gg_filter_fault fault;
    struct ids ids = {0};
    if (!gg_filter_parse(call->options.filter, &filter, &fault)) {
        return gg_say_usage("--filter, column %zu: %s", fault.column, fault.text);
    }
    if (filter.what.realm == NULL) {
        filter.what.realm = gg_texts_last(&call->options.realms);
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_list(call->broker, &filter.what, gg_answer_ms(call),
                                 on_found, &ids);
    if (err != GANGER_OK) {
        status = gg_failed(call, err, "cannot list jobs");
    } else {
        status = get_leave(call, ids.count, verb);
    }
    size_t count = status == GG_EXIT_DONE ? ids.count : 0;
    for (size_t i = 0; i < count; i++) {
        ganger_target target = {.id = ids.items[i]};
        if (call->options.dry_run) {
            print_line(call, &target.id, "dry_run", 0);
            continue;
        }
        int one = act(call, &target);
        status = one != GG_EXIT_DONE ? one : status;
        if (one == GG_EXIT_TIME || one == GG_EXIT_NO_BROKER) {
            break; /* The next one would wait as long. */
        }
    }
    free(ids.items);
    return status;
}

static int act_on(struct gg_call *call, const char *verb, act_fn *act)
{
    struct gg_targets targets;
    if (call->options.filter != NULL) {
        if (call->arg_count > 0 || call->options.key != NULL) {
            return gg_say_usage("name jobs, or give a --filter, not both");
        }
        return act_on_filter(call, verb, act);
    }
    if (!gg_targets_read(call, &targets)) {
        return GG_EXIT_USAGE;
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    for (size_t i = 0; i < targets.count; i++) {
        if (call->options.dry_run) {
            int tried = try_one(call, &targets.items[i]);
            status = tried != GG_EXIT_DONE ? tried : status;
            continue;
        }
        int one = act(call, &targets.items[i]);
        status = one != GG_EXIT_DONE ? one : status;
        if (one == GG_EXIT_TIME || one == GG_EXIT_NO_BROKER) {
            break;
        }
    }
    return status;
}

int gg_act_cancel(struct gg_call *call)
{
    return act_on(call, "Cancel", cancel_one);
}

int gg_act_retry(struct gg_call *call)
{
    return act_on(call, "Retry", retry_one);
}
