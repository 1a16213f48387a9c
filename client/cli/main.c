/* main.c - `ganger`, the command line: parse, route, end. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/parse.h"
#include "client/cli/say.h"
#include "common/version.h"

/* The help of what was typed, as far as it was typed: command, noun, all. */
static void help(const struct gg_call *call)
{
    if (call->command != NULL) {
        gg_parse_help(call->command, stdout);
    } else if (call->arg_count == 0 || !gg_parse_help_noun(call->args[0], stdout)) {
        gg_parse_overview(stdout);
    }
}

static int route(struct gg_call *call)
{
    if (call->options.version) {
        (void)puts("ganger " GG_VERSION);
        return GG_EXIT_DONE;
    }
    if (call->options.help) {
        help(call);
        return GG_EXIT_DONE;
    }
    return call->command->run(call);
}

static int end(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    gg_say("cannot write to standard output");
    return status == GG_EXIT_DONE ? GG_EXIT_FAULT : status;
}

int main(int argc, char **argv)
{
    struct gg_call call;
    int status = GG_EXIT_USAGE;
    if (gg_parse(argc, argv, &call)) {
        gg_say_when_interrupted("");
        status = route(&call);
        gg_disconnect(&call);
    }
    gg_parse_fini(&call);
    return end(status);
}
