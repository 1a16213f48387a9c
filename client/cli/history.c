/* history.c - `ganger history` and `ganger logs`: what happened to a job. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/moment.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "client/cli/target.h"
#include "client/cli/text.h"

struct telling {
    struct gg_table *table;
    struct gg_json_list list;
    bool with_output;
    uint64_t outputs;
};

static bool on_moment(void *ctx, const ganger_moment *moment)
{
    struct telling *telling = ctx;
    if (telling->table == NULL) {
        gg_json_list_add(&telling->list, gg_json_moment(moment, telling->with_output));
        return true;
    }
    char detail[GG_MOMENT_DETAIL_BYTES];
    struct gg_row *row = gg_table_row(telling->table, NULL);
    gg_moment_detail(moment, detail);
    gg_row_time(telling->table, row, 0, moment->at);
    gg_row_text(telling->table, row, 1, moment->name);
    gg_row_text(telling->table, row, 2,
                moment->state != GANGER_NONE ? ganger_state_name(moment->state) : "");
    if (moment->attempt > 0) {
        gg_row_print(telling->table, row, 3, "%u", moment->attempt);
    } else {
        gg_row_text(telling->table, row, 3, "");
    }
    gg_row_text(telling->table, row, 4, moment->worker);
    gg_row_print(telling->table, row, 5, "%" PRIu64, moment->fence);
    gg_row_text(telling->table, row, 6, detail);
    return true;
}

static bool on_output(void *ctx, const ganger_moment *moment)
{
    struct telling *telling = ctx;
    if (moment->output.len == 0) {
        return true;
    }
    telling->outputs++;
    (void)fflush(stdout);
    gg_say("attempt %u on %s:", moment->attempt,
           moment->worker[0] != '\0' ? moment->worker : "?");
    gg_text_data(stdout, moment->output.data, moment->output.len);
    return true;
}

static int tell(struct gg_call *call, struct telling *telling, ganger_moment_fn *fn)
{
    struct gg_targets targets;
    if (!gg_targets_read(call, &targets)) {
        return GG_EXIT_USAGE;
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_history(call->broker, &targets.items[0],
                                    telling->with_output, gg_answer_ms(call), fn,
                                    telling);
    if (err != GANGER_OK) {
        char name[GG_TARGET_TEXT_BYTES];
        char what[GG_TARGET_TEXT_BYTES + 64];
        gg_target_text(&targets.items[0], name);
        (void)snprintf(what, sizeof what, "cannot tell the history of %s", name);
        return gg_failed(call, err, what);
    }
    return GG_EXIT_DONE;
}

int gg_job_history(struct gg_call *call)
{
    static const struct gg_column columns[] = {
        {"TIME", 0},
        {"EVENT", 0},
        {"STATE", GG_COLUMN_STATE},
        {"ATTEMPT", GG_COLUMN_RIGHT},
        {"WORKER", 0},
        {"FENCE", GG_COLUMN_WIDE | GG_COLUMN_RIGHT},
        {"DETAIL", GG_COLUMN_WRAP},
    };
    enum gg_format format = call->options.format;
    struct telling telling = {.list = {.format = format}};
    if (!gg_json_wanted(format)) {
        telling.table = gg_table_new(columns, sizeof columns / sizeof columns[0],
                                     format == GG_FORMAT_WIDE);
    }
    int status = tell(call, &telling, on_moment);
    gg_table_finish(&telling.table);
    if (status == GG_EXIT_DONE) {
        gg_json_list_end(&telling.list);
    }
    return status;
}

int gg_job_logs(struct gg_call *call)
{
    bool as_json = call->options.format == GG_FORMAT_JSON;
    struct telling telling = {
        .list = {.format = call->options.format},
        .with_output = true,
    };
    int status = tell(call, &telling, as_json ? on_moment : on_output);
    if (status == GG_EXIT_DONE && as_json) {
        gg_json_list_end(&telling.list);
    } else if (status == GG_EXIT_DONE && telling.outputs == 0) {
        gg_say("no attempt has left output on its standard error");
    }
    return status;
}
