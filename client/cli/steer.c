/* steer.c - orders to agents: `ganger worker quiet|resume|stop|restart`,
 * `ganger pool scale|add|remove`, `ganger job release`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"

enum { DEFINITION_BYTES = 4096, SIZE_MAX_SAID = 7000, MARGIN_MS = 2000 };

/* What is asked, and what is said of it. */
struct deed {
    int action;
    const char *verb; /* "Restart" */
    const char *done; /* "told to restart" */
    bool ask;         /* Also where only one agent is named. */
};

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

static ganger_order order_of(const struct gg_call *call, const struct deed *deed,
                             const char *worker)
{
    return (ganger_order){
        .action = deed->action,
        .worker = worker,
        .size = GANGER_DEFAULT,
        .grace_ms = call->options.grace_ms == GG_OPTION_UNSAID ? GANGER_DEFAULT
                                                               : call->options.grace_ms,
        .save = call->options.save,
        .reason = call->options.reason,
    };
}

static int get_leave(const struct gg_call *call, const struct deed *deed,
                     const char *worker, uint64_t count)
{
    char question[160];
    bool many = is_pattern(worker) && count > 1;
    if (call->options.yes || (!deed->ask && !many)) {
        return GG_EXIT_DONE;
    }
    (void)snprintf(question, sizeof question, "%s on %" PRIu64 " agents?", deed->verb,
                   count);
    if (gg_say_ask(question)) {
        return GG_EXIT_DONE;
    }
    gg_say("nothing was done");
    gg_say_try("the same with --yes, or --dry-run");
    return GG_EXIT_NO;
}

static void print(const struct gg_call *call, const struct deed *deed,
                  const ganger_touched *touched)
{
    if (gg_json_wanted(call->options.format)) {
        gg_json_print(gg_json_touched(touched, call->options.dry_run), false);
        return;
    }
    (void)printf("%s%" PRIu64 " agent%s %s\n",
                 call->options.dry_run ? "would be: " : "", touched->count,
                 touched->count == 1 ? "" : "s", deed->done);
}

/* Size first, leave second, deed third. */
static int give(struct gg_call *call, const struct deed *deed, ganger_order *order)
{
    ganger_touched touched = {0};
    char what[128];
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    (void)snprintf(what, sizeof what, "cannot %s %s %s", call->command->verb,
                   call->command->noun, call->args[0]);
    order->dry_run = true;
    ganger_err err = ganger_steer(call->broker, order, gg_answer_ms(call), &touched);
    if (err != GANGER_OK) {
        return gg_failed(call, err, what);
    }
    if (!call->options.dry_run) {
        status = get_leave(call, deed, order->worker == NULL ? "" : order->worker,
                           touched.count);
        if (status != GG_EXIT_DONE) {
            return status;
        }
        order->dry_run = false;
        err = ganger_steer(call->broker, order, gg_answer_ms(call) + MARGIN_MS,
                           &touched);
        if (err != GANGER_OK) {
            return gg_failed(call, err, what);
        }
    }
    print(call, deed, &touched);
    return GG_EXIT_DONE;
}

/* ---- agents ---- */

static int steer_workers(struct gg_call *call, const struct deed *deed)
{
    ganger_order order = order_of(call, deed, call->args[0]);
    return give(call, deed, &order);
}

int gg_steer_quiet(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_QUIET, "Quiet", "told to be quiet",
                                     false};
    return steer_workers(call, &deed);
}

int gg_steer_resume(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_RESUME, "Resume", "told to go on",
                                     false};
    return steer_workers(call, &deed);
}

int gg_steer_stop(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_STOP, "Stop", "told to stop", true};
    return steer_workers(call, &deed);
}

int gg_steer_restart(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_RESTART, "Restart", "told to restart",
                                     false};
    return steer_workers(call, &deed);
}

/* ---- pools ---- */

/* The agents that are meant: all, where it is not said. */
static const char *workers_of(const struct gg_call *call)
{
    return call->options.worker == NULL ? "*" : call->options.worker;
}

int gg_steer_scale(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_SCALE, "Scale", "scaled", false};
    ganger_order order = order_of(call, &deed, workers_of(call));
    char name[65];
    const char *equals = strchr(call->args[0], '=');
    char *end = NULL;
    if (equals == NULL || equals == call->args[0] ||
        (size_t)(equals - call->args[0]) >= sizeof name) {
        return gg_say_usage("say the pool and its size, as reports=4");
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - call->args[0]),
                   call->args[0]);
    order.size = strtoull(equals + 1, &end, 10);
    if (equals[1] < '0' || equals[1] > '9' || *end != '\0' ||
        order.size > SIZE_MAX_SAID) {
        return gg_say_usage("%s is not a size from 0 to %d", equals + 1, SIZE_MAX_SAID);
    }
    order.pool = name;
    return give(call, &deed, &order);
}

/* --set name=value becomes a line each. False: they are too long. */
static bool write_definition(const struct gg_call *call, char out[DEFINITION_BYTES])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < call->options.settings.count; i++) {
        int more = snprintf(out + len, DEFINITION_BYTES - len, "%s\n",
                            call->options.settings.items[i]);
        if (more < 0 || (size_t)more >= DEFINITION_BYTES - len) {
            return false;
        }
        len += (size_t)more;
    }
    return true;
}

int gg_steer_add(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_ADD, "Add the pool", "took the pool",
                                     false};
    char definition[DEFINITION_BYTES];
    ganger_order order = order_of(call, &deed, workers_of(call));
    if (!write_definition(call, definition)) {
        return gg_say_usage("--set: more than 4 KiB in all");
    }
    order.pool = call->args[0];
    order.definition = definition[0] == '\0' ? NULL : definition;
    return give(call, &deed, &order);
}

int gg_steer_remove(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_REMOVE, "Remove the pool",
                                     "let the pool go", true};
    ganger_order order = order_of(call, &deed, workers_of(call));
    order.pool = call->args[0];
    return give(call, &deed, &order);
}

/* ---- one job ---- */

int gg_steer_release(struct gg_call *call)
{
    static const struct deed deed = {GANGER_STEER_RELEASE, "Release",
                                     "told to give it back", false};
    ganger_order order = order_of(call, &deed, NULL);
    if (!ganger_id_parse(call->args[0], &order.id)) {
        return gg_say_usage("%s is not a job's id", call->args[0]);
    }
    return give(call, &deed, &order);
}
