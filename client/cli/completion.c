/* completion.c - `ganger completion bash`: the completion script, made from the tables
 * of commands and options. */
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/say.h"

static void print_options(unsigned sets)
{
    for (size_t i = 0; i < gg_option_count; i++) {
        const struct gg_option *option = &gg_option_table[i];
        if ((option->sets & sets) != 0 && !option->hidden) {
            (void)printf(" --%s", option->name);
        }
    }
}

static bool first_of_noun(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(gg_command_table[i].noun, gg_command_table[index].noun) == 0) {
            return false;
        }
    }
    return true;
}

static void print_words(void)
{
    (void)fputs("    local words=\"", stdout);
    for (size_t i = 0; i < gg_command_count; i++) {
        if (first_of_noun(i)) {
            (void)printf("%s%s", i > 0 ? " " : "", gg_command_table[i].noun);
        }
    }
    (void)puts("\"");
}

static void print_verbs_of(size_t first)
{
    const char *noun = gg_command_table[first].noun;
    (void)printf("    %s) verbs=\"", noun);
    for (size_t i = first; i < gg_command_count; i++) {
        if (strcmp(noun, gg_command_table[i].noun) == 0) {
            (void)printf("%s%s", i > first ? " " : "", gg_command_table[i].verb);
        }
    }
    (void)puts("\" ;;");
}

static void print_verbs(void)
{
    (void)puts("    case $noun in");
    for (size_t i = 0; i < gg_command_count; i++) {
        if (gg_command_table[i].verb == NULL || !first_of_noun(i)) {
            continue;
        }
        print_verbs_of(i);
    }
    (void)puts("    esac");
}

static void print_option_cases(void)
{
    (void)puts("    case \"$noun $verb\" in");
    for (size_t i = 0; i < gg_command_count; i++) {
        const struct gg_command *command = &gg_command_table[i];
        (void)printf("    \"%s %s\"%s) options=\"", command->noun,
                     command->verb != NULL ? command->verb : "",
                     command->verb != NULL ? "" : "*");
        print_options(command->sets);
        (void)puts("\" ;;");
    }
    (void)fputs("    *) options=\"", stdout);
    print_options(GG_SET_GLOBAL);
    (void)puts("\" ;;\n    esac");
}

static void print_choices(const char *choices)
{
    (void)fputs("values=\"", stdout);
    for (; *choices != '\0'; choices++) {
        (void)putchar(*choices == '|' ? ' ' : *choices);
    }
    (void)puts("\" ;;");
}

/* The words an option's value may be, where they are few. */
static void print_value_cases(void)
{
    (void)puts("    case $before in");
    for (size_t i = 0; i < gg_option_count; i++) {
        const struct gg_option *option = &gg_option_table[i];
        if (option->hidden || option->arg == NULL || option->kind == GG_OPTION_WAIT) {
            continue;
        }
        (void)printf("    --%s%s) ", option->name,
                     strcmp(option->name, "output") == 0 ? "|-o" : "");
        if (option->choices != NULL) {
            print_choices(option->choices);
        } else if (strcmp(option->arg, "FILE") == 0) {
            (void)puts("COMPREPLY=($(compgen -f -- \"$current\")); return ;;");
        } else {
            (void)puts("return ;;");
        }
    }
    (void)puts("    esac");
}

int gg_completion_run(struct gg_call *call)
{
    if (strcmp(call->args[0], "bash") != 0) {
        return gg_say_usage("there is completion for bash, not for '%s'",
                            call->args[0]);
    }
    (void)puts("# bash completion for ganger; made by `ganger completion bash`.\n"
               "_ganger()\n"
               "{\n"
               "    local current=${COMP_WORDS[COMP_CWORD]}\n"
               "    local before=${COMP_WORDS[COMP_CWORD-1]}\n"
               "    local noun=${COMP_WORDS[1]} verb=${COMP_WORDS[2]}\n"
               "    local verbs=\"\" options=\"\" values=\"\"");
    print_words();
    print_verbs();
    print_value_cases();
    (void)puts("    if [ -n \"$values\" ]; then\n"
               "        COMPREPLY=($(compgen -W \"$values\" -- \"$current\"))\n"
               "        return\n"
               "    fi");
    print_option_cases();
    (void)puts(
        "    if [ \"$COMP_CWORD\" -eq 1 ] && [ \"${current#-}\" = \"$current\" ]; "
        "then\n"
        "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
        "    elif [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$verbs\" ]; then\n"
        "        COMPREPLY=($(compgen -W \"$verbs\" -- \"$current\"))\n"
        "    elif [ \"${current#-}\" != \"$current\" ]; then\n"
        "        COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
        "    elif [ \"${current#@}\" != \"$current\" ]; then\n"
        "        COMPREPLY=($(compgen -f -P @ -- \"${current#@}\"))\n"
        "    fi\n"
        "}\n"
        "complete -F _ganger ganger");
    return GG_EXIT_DONE;
}
