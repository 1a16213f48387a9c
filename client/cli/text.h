/* text.h - text from elsewhere on its way to a person: control characters never reach a
 * terminal, where they could move the cursor, hide lines or type for the reader. */
#ifndef GG_CLIENT_CLI_TEXT_H
#define GG_CLIENT_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A copy on one line: well-formed UTF-8 as it is, control characters (C0, DEL, C1) and
 * broken bytes as \xNN, newline and tab as \n and \t. The caller frees it. */
char *gg_text_safe(const void *data, size_t len);

/* Write the same to `to`. */
void gg_text_print(FILE *to, const void *data, size_t len);

/* Write bytes that are somebody's data: exactly as they are, but on a terminal like
 * gg_text_print with newlines and tabs kept. */
void gg_text_data(FILE *to, const void *data, size_t len);

/* Colours only on a terminal, and not where NO_COLOR is set to anything. */
bool gg_text_colors(FILE *to);

#endif
