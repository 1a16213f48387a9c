#include "common/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ini.h>

#include "common/assert.h"
#include "common/duration.h"

enum { FILE_BYTES_MAX = 1 << 20 };

enum gg_err gg_settings_refuse(struct gg_settings_fault *out_fault, const char *what,
                               const char *value)
{
    (void)snprintf(out_fault->text, sizeof out_fault->text, "%s%.200s", what, value);
    return GG_ERR_CONFIG;
}

static const struct gg_setting *find(const struct gg_setting *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static bool parse_number(const char *text, char **out_rest, uint64_t *out)
{
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *out = strtoull(text, out_rest, 10);
    return errno == 0;
}

/* "64M": a whole number with K, M or G (1024 each). */
static bool parse_bytes(const char *text, uint64_t *out)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0}, {"K", 10}, {"M", 20}, {"G", 30}};
    char *rest = NULL;
    uint64_t count = 0;
    if (!parse_number(text, &rest, &count)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].unit) == 0 && count <= UINT64_MAX >> units[i].shift) {
            *out = count << units[i].shift;
            return true;
        }
    }
    return false;
}

static bool parse_amount(const struct gg_setting *row, const char *text, uint64_t *out)
{
    char *rest = NULL;
    switch (row->kind) {
    case GG_SETTING_NUMBER:
        return parse_number(text, &rest, out) && *rest == '\0';
    case GG_SETTING_DURATION:
        return gg_duration_parse(text, out);
    case GG_SETTING_BYTES:
        return parse_bytes(text, out);
    case GG_SETTING_BOOL:
        *out = strcmp(text, "yes") == 0;
        return *out != 0 || strcmp(text, "no") == 0;
    case GG_SETTING_TEXT:
        break;
    }
    GG_BUG("a text is no amount");
}

static const char *kind_text(enum gg_setting_kind kind)
{
    switch (kind) {
    case GG_SETTING_NUMBER:
        return "a whole number";
    case GG_SETTING_DURATION:
        return "a duration such as 500ms, 30s or 2h";
    case GG_SETTING_BYTES:
        return "a size such as 4096, 64M or 2G";
    case GG_SETTING_BOOL:
        return "yes or no";
    case GG_SETTING_TEXT:
        return "a text";
    }
    GG_BUG("unknown kind of setting");
}

static enum gg_err set_text(const char *value, char **member)
{
    char *copy = NULL;
    if (value != NULL && value[0] != '\0') {
        copy = strdup(value);
        if (copy == NULL) {
            return GG_ERR_NO_MEMORY;
        }
    }
    free(*member);
    *member = copy;
    return GG_OK;
}

static enum gg_err set_row(const struct gg_setting *row, void *out, const char *value,
                           struct gg_settings_fault *out_fault)
{
    void *member = (char *)out + row->offset;
    if (row->kind == GG_SETTING_TEXT) {
        return set_text(value, member);
    }
    uint64_t amount = 0;
    if (!parse_amount(row, value, &amount)) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%s: '%.100s' is not %s", row->name, value,
                       kind_text(row->kind));
        return GG_ERR_CONFIG;
    }
    if (row->kind == GG_SETTING_BOOL) {
        *(bool *)member = amount != 0;
        return GG_OK;
    }
    if (amount < row->least || amount > row->most) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%s: %.100s is out of bounds (%" PRIu64 " to %" PRIu64 ")",
                       row->name, value, row->least, row->most);
        return GG_ERR_CONFIG;
    }
    *(uint64_t *)member = amount;
    return GG_OK;
}

enum gg_err gg_settings_init(const struct gg_setting *table, void *out)
{
    for (const struct gg_setting *row = table; row->name != NULL; row++) {
        if (row->kind == GG_SETTING_TEXT) {
            *(char **)(void *)((char *)out + row->offset) = NULL;
        }
    }
    for (const struct gg_setting *row = table; row->name != NULL; row++) {
        struct gg_settings_fault fault;
        enum gg_err err = set_row(row, out, row->fallback, &fault);
        GG_ASSERT(err != GG_ERR_CONFIG); /* The table's own defaults are in bounds. */
        if (err != GG_OK) {
            gg_settings_fini(table, out);
            return err;
        }
    }
    return GG_OK;
}

enum gg_err gg_settings_set(const struct gg_setting *table, void *out, const char *name,
                            const char *value, struct gg_settings_fault *out_fault)
{
    const struct gg_setting *row = find(table, name);
    if (row == NULL) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "there is no setting '%.100s'", name);
        return GG_ERR_CONFIG;
    }
    return set_row(row, out, value, out_fault);
}

struct loading {
    const struct gg_setting *table;
    void *out;
    struct gg_settings_fault *fault;
    enum gg_err err;
};

/* inih calls this for each line; 0 makes the line the one it reports. */
static int on_line(void *user, const char *section, const char *name, const char *value)
{
    struct loading *loading = user;
    if (loading->err != GG_OK) {
        return 1; /* Report the first fault only. */
    }
    if (section[0] != '\0') {
        (void)snprintf(loading->fault->text, sizeof loading->fault->text,
                       "[%.100s]: sections are not known here", section);
        loading->err = GG_ERR_CONFIG;
        return 0;
    }
    loading->err = gg_settings_set(loading->table, loading->out, name,
                                   value == NULL ? "" : value, loading->fault);
    return loading->err == GG_OK;
}

/* Only a plain file of a sane size is read: no device, folder or gigabyte. */
static bool readable(const char *path, struct gg_settings_fault *out_fault)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        (void)snprintf(out_fault->text, sizeof out_fault->text, "%.200s: %s", path,
                       strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s: not a plain file of at most 1 MiB", path);
        return false;
    }
    return true;
}

enum gg_err gg_settings_load(const struct gg_setting *table, void *out,
                             const char *path, struct gg_settings_fault *out_fault)
{
    if (!readable(path, out_fault)) {
        return GG_ERR_CONFIG;
    }
    struct loading loading = {.table = table, .out = out, .fault = out_fault};
    int line = ini_parse(path, on_line, &loading);
    if (loading.err != GG_OK) {
        struct gg_settings_fault inner = *out_fault;
        (void)snprintf(out_fault->text, sizeof out_fault->text, "%.100s:%d: %.350s",
                       path, line, inner.text);
        return loading.err;
    }
    if (line != 0) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s:%d: the line is not 'name = value'", path, line);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

void gg_settings_print(const struct gg_setting *table, FILE *to)
{
    for (const struct gg_setting *row = table; row->name != NULL; row++) {
        (void)fprintf(to, "# %s\n# %s = %s\n\n", row->help, row->name,
                      row->fallback == NULL ? "" : row->fallback);
    }
}

void gg_settings_fini(const struct gg_setting *table, void *out)
{
    for (const struct gg_setting *row = table; row->name != NULL; row++) {
        if (row->kind == GG_SETTING_TEXT) {
            char **member = (void *)((char *)out + row->offset);
            free(*member);
            *member = NULL;
        }
    }
}
