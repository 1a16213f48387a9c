#include "worker/source_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "common/record.h"
#include "worker/words.h"

#define AT(member) offsetof(struct gg_source_settings, member)

/* clang-format off */
const struct gg_setting gg_source_settings_table[] = {
    {"program", GG_SETTING_TEXT, NULL, 0, 0, AT(program),
     "The program that brings jobs, with `ganger submit` or a client library; words as "
     "those of a pool. It finds GANGER_BROKER and the pool's GANGER_QUEUE."},
    {"queue", GG_SETTING_TEXT, NULL, 0, 0, AT(queue),
     "Instead of a program: a queue, or pattern, of the pool that others submit to; "
     "healthy while jobs come from there."},
    {"every", GG_SETTING_DURATION, "0", 0, GG_DAY_MS, AT(every_ms),
     "Run the program again so long after each run; status 0 is healthy. 0: it stays, "
     "and says `ready` on descriptor 3 when it is."},
    {"silence", GG_SETTING_DURATION, "0", 0, GG_DAY_MS, AT(silence_ms),
     "Not healthy when no job came from the queue, or no line `ready` or `alive` from "
     "the program, for this long; 0: never for that."},
    {"patience", GG_SETTING_DURATION, "30s", 1, GG_DAY_MS, AT(patience_ms),
     "A program is stopped that is not ready, or a run that is not over, within this."},
    {"retry_min", GG_SETTING_DURATION, "1s", 1, GG_DAY_MS, AT(retry_ms_min),
     "One that is not healthy is tried again after this, which doubles."},
    {"retry_max", GG_SETTING_DURATION, "60s", 1, GG_DAY_MS, AT(retry_ms_max),
     "The longest time until it is tried again."},
    {"settle", GG_SETTING_DURATION, "3s", 0, GG_DAY_MS, AT(settle_ms),
     "It takes over from a source behind it when it has been healthy for this long."},
    {"shutdown", GG_SETTING_DURATION, "5s", 0, GG_DAY_MS, AT(shutdown_ms),
     "From TERM to KILL where its program is stopped; 0: KILL at once."},
    {"environment", GG_SETTING_TEXT, NULL, 0, 0, AT(environment),
     "Variables for its program, as NAME=value words; may be said again for more. A "
     "key of its own goes here: GANGER_KEY_FILE=..."},
    {NULL, GG_SETTING_NUMBER, NULL, 0, 0, 0, NULL},
};
/* clang-format on */

enum gg_err gg_source_settings_init(struct gg_source_settings *source, const char *name)
{
    *source = (struct gg_source_settings){.program = NULL};
    (void)snprintf(source->name, sizeof source->name, "%s", name);
    return gg_settings_init(gg_source_settings_table, source);
}

void gg_source_settings_fini(struct gg_source_settings *source)
{
    gg_settings_fini(gg_source_settings_table, source);
}

enum gg_err gg_source_settings_set(struct gg_source_settings *source, const char *name,
                                   const char *value,
                                   struct gg_settings_fault *out_fault)
{
    const char *before = strcmp(name, "environment") == 0 ? source->environment
                         : strcmp(name, "program") == 0   ? source->program
                                                          : NULL;
    char *joined = NULL;
    if (before != NULL && asprintf(&joined, "%s %s", before, value) < 0) {
        return GG_ERR_NO_MEMORY;
    }
    enum gg_err err = gg_settings_set(gg_source_settings_table, source, name,
                                      joined == NULL ? value : joined, out_fault);
    free(joined);
    return err;
}

/* May `text` be split into words? NULL may. */
static bool splits(const char *text)
{
    char *words[GG_SOURCE_WORDS_MAX + 1];
    uint32_t count = 0;
    char *copy = text == NULL ? NULL : strdup(text);
    bool good = text == NULL ||
                (copy != NULL &&
                 gg_words_split(copy, words, GG_SOURCE_WORDS_MAX, &count) && count > 0);
    free(copy);
    return good;
}

enum gg_err gg_source_settings_check(const struct gg_source_settings *source,
                                     struct gg_settings_fault *out_fault)
{
    if ((source->program == NULL) == (source->queue == NULL)) {
        return gg_settings_refuse(out_fault, "say one of program and queue", "");
    }
    if (source->queue != NULL && !gg_pattern_valid(gg_slice_text(source->queue))) {
        return gg_settings_refuse(
            out_fault, "queue: not a name or pattern of a queue: ", source->queue);
    }
    if (source->queue != NULL && source->every_ms > 0) {
        return gg_settings_refuse(out_fault, "every: a queue is not run", "");
    }
    if (source->every_ms > 0 && source->silence_ms > 0) {
        return gg_settings_refuse(out_fault,
                                  "silence: a program with every has its status", "");
    }
    if (!splits(source->program) || !splits(source->environment)) {
        return gg_settings_refuse(
            out_fault,
            "program or environment: more than 500 words, or a quote without its end",
            "");
    }
    if (source->retry_ms_max < source->retry_ms_min) {
        return gg_settings_refuse(out_fault, "retry_max is less than retry_min", "");
    }
    return GG_OK;
}

static char **text_of(const struct gg_setting *row,
                      const struct gg_source_settings *source)
{
    return (char **)(void *)((char *)(uintptr_t)source + row->offset);
}

enum gg_err gg_source_settings_copy(const struct gg_source_settings *from,
                                    struct gg_source_settings *out)
{
    bool whole = true;
    *out = *from;
    for (const struct gg_setting *row = gg_source_settings_table; row->name; row++) {
        if (row->kind == GG_SETTING_TEXT && *text_of(row, from) != NULL) {
            *text_of(row, out) = strdup(*text_of(row, from));
            whole = whole && *text_of(row, out) != NULL;
        }
    }
    if (!whole) {
        gg_source_settings_fini(out);
        return GG_ERR_NO_MEMORY;
    }
    return GG_OK;
}

static bool equal_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

bool gg_source_settings_equal(const struct gg_source_settings *a,
                              const struct gg_source_settings *b)
{
    for (const struct gg_setting *row = gg_source_settings_table; row->name; row++) {
        bool same = row->kind == GG_SETTING_TEXT
                        ? equal_text(*text_of(row, a), *text_of(row, b))
                        : memcmp((const char *)a + row->offset,
                                 (const char *)b + row->offset, sizeof(uint64_t)) == 0;
        if (!same) {
            return false;
        }
    }
    return strcmp(a->name, b->name) == 0;
}

struct gg_source_config gg_source_settings_config(
    const struct gg_source_settings *source)
{
    enum gg_source_kind kind = source->queue != NULL  ? GG_SOURCE_QUEUE
                               : source->every_ms > 0 ? GG_SOURCE_EVERY
                                                      : GG_SOURCE_STAYS;
    return (struct gg_source_config){
        .kind = kind,
        .every_ms = source->every_ms,
        .silence_ms = source->silence_ms,
        .patience_ms = source->patience_ms,
        .retry_ms_min = source->retry_ms_min,
        .retry_ms_max = source->retry_ms_max,
        .settle_ms = source->settle_ms,
    };
}
