/* ini.h - INI files with sections, read line by line (by inih). */
#ifndef GG_COMMON_INI_H
#define GG_COMMON_INI_H

#include <stdbool.h>
#include <stdio.h>

/* One `name = value` of a section ("" before the first). False: the line is wrong, and
 * the rest is not told. All texts are lent for the call. */
typedef bool gg_ini_line_fn(void *ctx, const char *section, const char *name,
                            const char *value);

/* Read `file` to its end. Returns 0, or the number of the first line that is not INI or
 * that `fn` refused. */
int gg_ini_read(FILE *file, gg_ini_line_fn *fn, void *ctx);

#endif
