/* events.c - `ganger events`: what happens, as it happens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/moment.h"
#include "client/cli/say.h"
#include "client/cli/text.h"
#include "common/clock.h"

struct following {
    struct gg_call *call;
    bool ended;
    ganger_err err;
    char text[512];
};

static void print_line(const ganger_moment *moment)
{
    static const ganger_id none;
    char at[GG_WALL_TEXT_BYTES];
    char id[GANGER_ID_TEXT_BYTES] = "-";
    char detail[GG_MOMENT_DETAIL_BYTES];
    gg_wall_format((struct gg_wall){moment->at}, at);
    if (memcmp(&moment->id, &none, sizeof none) != 0) {
        ganger_id_format(&moment->id, id);
    }
    gg_moment_detail(moment, detail);
    char *worker = gg_text_safe(moment->worker, strlen(moment->worker));
    char *safe = gg_text_safe(detail, strlen(detail));
    const char *queue = moment->queue[0] != '\0' ? moment->queue : "-";
    (void)printf("%s %s %s %s", at, moment->name, queue, id);
    if (moment->attempt > 0) {
        (void)printf(" attempt=%u", moment->attempt);
    }
    if (worker[0] != '\0') {
        (void)printf(" worker=%s", worker);
    }
    (void)printf("%s%s\n", safe[0] != '\0' ? " " : "", safe);
    free(worker);
    free(safe);
}

static void on_event(void *ctx, const ganger_answer *answer)
{
    struct following *following = ctx;
    if (answer->moment != NULL) {
        if (gg_json_wanted(following->call->options.format)) {
            gg_json_print(gg_json_moment(answer->moment, false), true);
        } else {
            print_line(answer->moment);
        }
        (void)fflush(stdout);
    }
    if (answer->final) {
        following->ended = true;
        following->err = answer->err;
        (void)snprintf(following->text, sizeof following->text, "%s", answer->text);
    }
}

static void on_state(void *ctx, bool connected, ganger_err why, const char *sentence)
{
    (void)ctx;
    if (connected) {
        gg_say("connected again");
    } else {
        gg_say("the connection is gone: %s",
               sentence[0] != '\0' ? sentence : ganger_err_text(why));
    }
}

int gg_events_follow(struct gg_call *call)
{
    struct following following = {.call = call};
    const struct gg_options *said = &call->options;
    ganger_id id;
    if (said->id != NULL && !ganger_id_parse(said->id, &id)) {
        return gg_say_usage("--id takes a job's id, not '%s'", said->id);
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_on_state(call->broker, on_state, NULL);
    uint64_t request = ganger_events_start(
        call->broker, gg_texts_last(&said->realms), gg_texts_last(&said->queues),
        said->id != NULL ? &id : NULL, on_event, &following);
    if (request == 0) {
        return gg_failed(call, GANGER_BAD_FIELD, "cannot follow events");
    }
    while (!following.ended) {
        if (ganger_poll(call->broker, -1) != GANGER_OK) {
            return gg_failed(call, GANGER_NO_MEMORY, "cannot follow events");
        }
    }
    return gg_failed_text(call, following.err, "events ended", following.text);
}
