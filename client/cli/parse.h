/* parse.h - from argv to a call, with argp; and the help that argp prints. */
#ifndef GG_CLIENT_CLI_PARSE_H
#define GG_CLIENT_CLI_PARSE_H

#include <stdbool.h>
#include <stdio.h>

#include "client/cli/command.h"

/* Fill in *out from argv, whose order changes. False: what was typed is not valid, and
 * the reason was said; the caller exits with 64. With --help or --version out->command
 * may be NULL. The caller ends *out with gg_parse_fini() either way. */
bool gg_parse(int argc, char **argv, struct gg_call *out);
void gg_parse_fini(struct gg_call *call);

/* The help of one command, or of all. */
void gg_parse_help(const struct gg_command *command, FILE *to);
void gg_parse_overview(FILE *to);

/* The verbs of a noun, a sentence each. False, without a word: it is no noun. */
bool gg_parse_help_noun(const char *noun, FILE *to);

/* Say that `words` name no command, and which one may have been meant. */
void gg_parse_unknown(char **words, size_t count);

#endif
