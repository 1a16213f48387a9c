#include "client/cli/parse.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/nearest.h"
#include "client/cli/say.h"

enum { KEY_BASE = 1000, OPTIONS_MAX = 64, ROWS_MAX = 128 };

struct parsing {
    struct gg_call *call;
    bool said[OPTIONS_MAX];
    bool refused; /* The reason was said already. */
};

/* "--name" out of "--name=value", for looking up; false for a letter or a long word. */
static bool option_word(const char *text, char word[GG_NEAREST_WORD_MAX + 1])
{
    if (strncmp(text, "--", 2) != 0) {
        return false;
    }
    size_t len = strcspn(text + 2, "=");
    if (len == 0 || len > GG_NEAREST_WORD_MAX) {
        return false;
    }
    memcpy(word, text + 2, len);
    word[len] = '\0';
    return true;
}

/* Say what is wrong with the option that argp stopped at. */
static void explain(const char *text)
{
    char word[GG_NEAREST_WORD_MAX + 1];
    if (!option_word(text, word)) {
        (void)gg_say_usage("there is no option '%s', or its value is missing", text);
        return;
    }
    struct gg_nearest nearest = {.typed = word};
    for (size_t i = 0; i < gg_option_count; i++) {
        const struct gg_option *option = &gg_option_table[i];
        if (strcmp(option->name, word) == 0) {
            (void)gg_say_usage(option->arg == NULL ? "--%s takes no value"
                                                   : "--%s needs a value",
                               word);
            return;
        }
        if (!option->hidden) {
            gg_nearest_offer(&nearest, option->name);
        }
    }
    if (nearest.best != NULL) {
        (void)gg_say_usage("there is no option --%s; did you mean --%s?", word,
                           nearest.best);
    } else {
        (void)gg_say_usage("there is no option --%s", word);
    }
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    struct gg_call *call = parsing->call;
    if (key == ARGP_KEY_ARG) {
        call->args[call->arg_count++] = arg;
        return 0;
    }
    if (key == ARGP_KEY_ERROR && !parsing->refused) {
        parsing->refused = true;
        explain(state->argv[state->next > 0 ? state->next - 1 : 0]);
        return 0;
    }
    if (key < KEY_BASE) {
        const struct gg_option *row = NULL;
        for (size_t i = 0; key > 0 && i < gg_option_count; i++) {
            row = gg_option_table[i].letter == key ? &gg_option_table[i] : row;
        }
        if (row == NULL) {
            return ARGP_ERR_UNKNOWN;
        }
        key = KEY_BASE + (int)(row - gg_option_table);
    }
    size_t index = (size_t)(key - KEY_BASE);
    if (index >= gg_option_count) {
        return ARGP_ERR_UNKNOWN;
    }
    parsing->said[index] = true;
    if (!gg_option_take(&gg_option_table[index], arg, &call->options)) {
        parsing->refused = true;
        return EINVAL;
    }
    return 0;
}

/* argp's rows for the options of `sets`. */
static size_t option_rows(unsigned sets, bool for_help, struct argp_option *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < gg_option_count; i++) {
        const struct gg_option *option = &gg_option_table[i];
        if ((option->sets & sets) == 0 || (for_help && option->hidden)) {
            continue;
        }
        bool global = option->sets == GG_SET_GLOBAL;
        rows[count++] = (struct argp_option){
            .name = option->name,
            .key = option->letter != 0 ? option->letter : KEY_BASE + (int)i,
            .arg = option->arg,
            .flags = option->kind == GG_OPTION_WAIT ? OPTION_ARG_OPTIONAL : 0,
            .doc = option->help,
            .group = global ? 9 : 1,
        };
    }
    return count;
}

/* Does the command take all that was said, and in this number? */
static bool fits(const struct parsing *parsing)
{
    const struct gg_call *call = parsing->call;
    const struct gg_command *command = call->command;
    const char *verb = command->verb != NULL ? command->verb : "";
    const char *space = command->verb != NULL ? " " : "";
    for (size_t i = 0; i < gg_option_count; i++) {
        if (parsing->said[i] && (gg_option_table[i].sets & command->sets) == 0) {
            (void)gg_say_usage("'%s%s%s' does not take --%s", command->noun, space,
                               verb, gg_option_table[i].name);
            return false;
        }
    }
    enum gg_format format = call->options.format;
    if (format != GG_FORMAT_DEFAULT && (command->formats >> format & 1) == 0) {
        (void)gg_say_usage("'%s%s%s' does not write -o %s", command->noun, space, verb,
                           gg_format_name(format));
        return false;
    }
    if (call->arg_count < command->args_min || call->arg_count > command->args_max) {
        (void)gg_say_usage("usage: ganger %s%s%s %s", command->noun, space, verb,
                           command->args);
        gg_say_try("ganger %s%s%s --help", command->noun, space, verb);
        return false;
    }
    return true;
}

void gg_parse_unknown(char **words, size_t count)
{
    bool noun_known = false;
    for (size_t i = 0; i < gg_command_count; i++) {
        noun_known = noun_known || strcmp(gg_command_table[i].noun, words[0]) == 0;
    }
    const char *word = noun_known && count > 1 ? words[1] : words[0];
    struct gg_nearest nearest = {.typed = word};
    for (size_t i = 0; i < gg_command_count; i++) {
        const struct gg_command *command = &gg_command_table[i];
        if (!noun_known) {
            gg_nearest_offer(&nearest, command->noun);
        } else if (command->verb != NULL && strcmp(command->noun, words[0]) == 0) {
            gg_nearest_offer(&nearest, command->verb);
        }
    }
    const char *noun = noun_known ? words[0] : "";
    const char *space = noun_known ? " " : "";
    if (noun_known && count < 2) {
        (void)gg_say_usage("'%s' needs to be told what to do", words[0]);
        gg_say_try("ganger %s --help", words[0]);
    } else if (nearest.best != NULL) {
        (void)gg_say_usage("there is no command '%s%s%s'; did you mean '%s%s%s'?", noun,
                           space, word, noun, space, nearest.best);
    } else {
        (void)gg_say_usage("there is no command '%s%s%s'", noun, space, word);
        gg_say_try("ganger help");
    }
}

/* Find the command and take its words off the arguments. */
static bool resolve(struct parsing *parsing)
{
    struct gg_call *call = parsing->call;
    size_t used = 0;
    call->command = gg_command_find(call->args, call->arg_count, &used);
    call->args += used;
    call->arg_count -= used;
    if (call->options.help || call->options.version) {
        return true;
    }
    if (call->command == NULL) {
        if (call->arg_count == 0) {
            (void)gg_say_usage("what shall be done?");
            gg_say_try("ganger help");
        } else {
            gg_parse_unknown(call->args, call->arg_count);
        }
        return false;
    }
    return fits(parsing);
}

bool gg_parse(int argc, char **argv, struct gg_call *out)
{
    struct argp_option rows[OPTIONS_MAX] = {0};
    struct parsing parsing = {.call = out};
    struct argp argp = {.options = rows, .parser = on_option};
    *out = (struct gg_call){0};
    out->words = gg_say_need(calloc((size_t)argc + 1, sizeof *argv));
    out->args = out->words;
    gg_options_init(&out->options);
    (void)option_rows(~0U, false, rows);
    if (argp_parse(&argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP, NULL,
                   &parsing) != 0) {
        return false;
    }
    return resolve(&parsing);
}

void gg_parse_fini(struct gg_call *call)
{
    free(call->words);
    call->words = NULL;
    call->args = NULL;
}

void gg_parse_help(const struct gg_command *command, FILE *to)
{
    struct argp_option rows[OPTIONS_MAX] = {0};
    char name[64];
    char doc[1024];
    (void)option_rows(command->sets, true, rows);
    (void)snprintf(name, sizeof name, "ganger %s%s%s", command->noun,
                   command->verb != NULL ? " " : "",
                   command->verb != NULL ? command->verb : "");
    (void)snprintf(doc, sizeof doc, "%s.\v%s", command->help,
                   command->more != NULL ? command->more : "");
    struct argp argp = {.options = rows, .args_doc = command->args, .doc = doc};
    (void)setenv("ARGP_HELP_FMT", "no-dup-args-note,usage-indent=8", 0);
    argp_help(&argp, to, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
}

bool gg_parse_help_noun(const char *noun, FILE *to)
{
    bool found = false;
    for (size_t i = 0; i < gg_command_count; i++) {
        const struct gg_command *command = &gg_command_table[i];
        if (command->verb == NULL || strcmp(command->noun, noun) != 0) {
            continue;
        }
        (void)fprintf(to, "%sganger %s %s%s%s\n    %s.\n", found ? "\n" : "", noun,
                      command->verb, command->args[0] != '\0' ? " " : "", command->args,
                      command->help);
        found = true;
    }
    if (found) {
        (void)fprintf(to, "\n'ganger %s VERB --help' tells more.\n", noun);
    }
    return found;
}

static const struct {
    enum gg_command_group group;
    const char *title;
} groups[] = {
    {GG_GROUP_DAILY, "Daily work:"},
    {GG_GROUP_FLEET, "The fleet:"},
    {GG_GROUP_NOUN, "By noun and verb:"},
    {GG_GROUP_TOOL, "Tools:"},
};

enum { NAME_BYTES = 80 };

static struct argp_option command_row(const struct gg_command *command,
                                      char name[NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, "%s%s%s", command->noun,
                   command->verb != NULL ? " " : "",
                   command->verb != NULL ? command->verb : "");
    return (struct argp_option){
        .name = name,
        .flags = OPTION_DOC | OPTION_NO_USAGE,
        .doc = command->help,
        .group = (int)command->group,
    };
}

/* The rows of one group, behind its title; returns how many there are by then. */
static size_t group_rows(size_t group, struct argp_option *rows, size_t count)
{
    static char names[ROWS_MAX][NAME_BYTES];
    rows[count++] = (struct argp_option){
        .doc = groups[group].title,
        .group = (int)groups[group].group,
    };
    for (size_t i = 0; i < gg_command_count; i++) {
        if (gg_command_table[i].group == groups[group].group) {
            rows[count] = command_row(&gg_command_table[i], names[count]);
            count++;
        }
    }
    return count;
}

/* argp's layout with commands for rows: columns and line breaks are its work. */
void gg_parse_overview(FILE *to)
{
    struct argp_option rows[ROWS_MAX] = {0};
    size_t count = 0;
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        count = group_rows(g, rows, count);
    }
    char name[] = "ganger";
    struct argp argp = {
        .options = rows,
        .args_doc = "COMMAND",
        .doc = "Submit jobs to a Ganger broker, wait for them, look after the fleet.\v"
               "'ganger COMMAND --help' tells more; 'ganger help errors' lists errors "
               "and exit codes.",
    };
    (void)setenv("ARGP_HELP_FMT", "no-dup-args-note,usage-indent=8", 0);
    argp_help(&argp, to, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
}
