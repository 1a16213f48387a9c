/* help.c - `ganger help`, `ganger help COMMAND`, `ganger help errors`. */
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/parse.h"
#include "client/cli/say.h"
#include "client/cli/table.h"

enum { ERR_NUMBERS_MAX = 256 };

static int help_errors(const struct gg_call *call)
{
    static const struct gg_column columns[] = {
        {"CODE", GG_COLUMN_RIGHT},
        {"NAME", 0},
        {"EXIT", GG_COLUMN_RIGHT},
        {"SENTENCE", 0},
    };
    struct gg_json_list list = {.format = call->options.format};
    struct gg_table *table = NULL;
    if (!gg_json_wanted(list.format)) {
        table = gg_table_new(columns, sizeof columns / sizeof columns[0], false);
    }
    for (ganger_err err = 0; err < ERR_NUMBERS_MAX; err++) {
        if (strcmp(ganger_err_name(err), "unknown") == 0) {
            continue;
        }
        if (table == NULL) {
            gg_json_list_add(&list, gg_json_error(err));
            continue;
        }
        struct gg_row *row = gg_table_row(table, NULL);
        gg_row_print(table, row, 0, "%d", err);
        gg_row_text(table, row, 1, ganger_err_name(err));
        gg_row_print(table, row, 2, "%d", ganger_err_exit(err));
        gg_row_text(table, row, 3, ganger_err_text(err));
    }
    gg_table_finish(&table);
    gg_json_list_end(&list);
    return GG_EXIT_DONE;
}

int gg_help_run(struct gg_call *call)
{
    size_t used = 0;
    if (call->arg_count == 0) {
        gg_parse_overview(stdout);
        return GG_EXIT_DONE;
    }
    if (strcmp(call->args[0], "errors") == 0) {
        return help_errors(call);
    }
    const struct gg_command *command = gg_command_find(call->args, call->arg_count,
                                                       &used);
    if (command != NULL) {
        gg_parse_help(command, stdout);
        return GG_EXIT_DONE;
    }
    if (call->arg_count == 1 && gg_parse_help_noun(call->args[0], stdout)) {
        return GG_EXIT_DONE;
    }
    gg_parse_unknown(call->args, call->arg_count);
    return GG_EXIT_USAGE;
}
