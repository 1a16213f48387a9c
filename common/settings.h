/* settings.h - settings from a table: the file's parser, the defaults, the help text.
 *
 * One row a setting; parser, `--help`, the example file and `broker status` read the
 * row. The file is INI (read by inih): `name = value` lines, `#` comments, no sections.
 */
#ifndef GG_COMMON_SETTINGS_H
#define GG_COMMON_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

enum gg_setting_kind {
    GG_SETTING_NUMBER,   /* uint64_t */
    GG_SETTING_DURATION, /* uint64_t, in ms; "30s" */
    GG_SETTING_BYTES,    /* uint64_t; "64M", "2G" */
    GG_SETTING_BOOL,     /* bool; yes or no */
    GG_SETTING_TEXT,     /* char *, owned by the settings; NULL when not said */
};

struct gg_setting {
    const char *name;
    enum gg_setting_kind kind;
    const char *fallback; /* As it would stand in the file; NULL only for TEXT. */
    uint64_t least;
    uint64_t most;
    size_t offset;    /* Where in the program's settings struct. */
    const char *help; /* One sentence: what for, when to change it. */
};

/* What was wrong, as a sentence with the value and what would be right. */
struct gg_settings_fault {
    char text[512];
};

/* GG_ERR_CONFIG, with the sentence `what` and the value that it is about. */
enum gg_err gg_settings_refuse(struct gg_settings_fault *out_fault, const char *what,
                               const char *value);

/* Fill `out` with the fallbacks of `table`, which ends with a row without a name.
 * GG_ERR_NO_MEMORY is the only failure. */
GG_MUST_USE enum gg_err gg_settings_init(const struct gg_setting *table, void *out);

/* Set one value from text. GG_ERR_CONFIG: no such setting, or a value out of bounds;
 * *out_fault says which, and nothing has changed. */
GG_MUST_USE enum gg_err gg_settings_set(const struct gg_setting *table, void *out,
                                        const char *name, const char *value,
                                        struct gg_settings_fault *out_fault);

/* Read a file of at most 1 MiB over what `out` holds. GG_ERR_CONFIG: cannot be read, or
 * a line is wrong; *out_fault says where. */
GG_MUST_USE enum gg_err gg_settings_load(const struct gg_setting *table, void *out,
                                         const char *path,
                                         struct gg_settings_fault *out_fault);

/* Write the table as an example file, every setting with its sentence and default. */
void gg_settings_print(const struct gg_setting *table, FILE *to);

/* Free the texts of `out`. */
void gg_settings_fini(const struct gg_setting *table, void *out);

#endif
