#include "client/cli/filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/nearest.h"
#include "common/bytes.h"
#include "common/duration.h"
#include "common/name.h"

enum field { STATE, QUEUE, REALM, TAG, KEY, AGE_OVER, AGE_UNDER, ERROR, FIELD_COUNT };

static const struct {
    const char *name;
    const char *sign;
    enum field field;
} fields[] = {
    {"state", ":", STATE},   {"queue", ":", QUEUE}, {"realm", ":", REALM},
    {"tag", ":", TAG},       {"key", ":", KEY},     {"age", ">", AGE_OVER},
    {"age", "<", AGE_UNDER}, {"error", "~", ERROR},
};

struct reader {
    const char *text;
    size_t at;
    struct gg_filter *out;
    struct gg_filter_fault *fault;
    bool seen[FIELD_COUNT];
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct reader *reader,
                                                        size_t at, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    reader->fault->column = at + 1;
    (void)vsnprintf(reader->fault->text, sizeof reader->fault->text, format, args);
    va_end(args);
    return false;
}

/* The value at the reader's place, without its quotes, into `value`. */
static bool read_value(struct reader *reader, char value[GG_FILTER_VALUE_MAX + 1])
{
    size_t start = reader->at;
    size_t len = 0;
    bool quoted = reader->text[reader->at] == '"';
    reader->at += quoted ? 1 : 0;
    for (;;) {
        char c = reader->text[reader->at];
        if (quoted ? c == '"' : c == ' ' || c == '\0') {
            break;
        }
        if (c == '\0') {
            return wrong(reader, start, "the quote that begins here has no end");
        }
        char next = reader->text[reader->at + 1];
        if (quoted && c == '\\' && (next == '"' || next == '\\')) {
            c = next;
            reader->at++;
        }
        if (len == GG_FILTER_VALUE_MAX) {
            return wrong(reader, start, "a value has at most %d bytes",
                         GG_FILTER_VALUE_MAX);
        }
        value[len++] = c;
        reader->at++;
    }
    reader->at += quoted ? 1 : 0;
    value[len] = '\0';
    if (len == 0) {
        return wrong(reader, start, "a value is missing");
    }
    if (reader->text[reader->at] != ' ' && reader->text[reader->at] != '\0') {
        return wrong(reader, reader->at, "a space is missing between conditions");
    }
    return true;
}

static bool state_bit(struct reader *reader, size_t at, const char *name)
{
    struct gg_nearest nearest = {.typed = name};
    for (int state = GANGER_SCHEDULED; state < GANGER_EVICTED; state++) {
        const char *known = ganger_state_name((ganger_state)state);
        if (strcmp(known, name) == 0) {
            reader->out->what.states |= 1U << state;
            return true;
        }
        gg_nearest_offer(&nearest, known);
    }
    return wrong(reader, at, "there is no state '%.32s'; did you mean '%s'?", name,
                 nearest.best != NULL ? nearest.best : "failed");
}

static bool read_states(struct reader *reader, size_t at, char *value)
{
    char *rest = value;
    for (char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        if (!state_bit(reader, at + (size_t)(name - value), name)) {
            return false;
        }
    }
    return true;
}

static bool read_age(struct reader *reader, size_t at, const char *value,
                     uint64_t *out_ms)
{
    if (!gg_duration_parse(value, out_ms) || *out_ms == 0) {
        return wrong(reader, at, "'%.32s' is not a duration; write 30s, 5m, 2h or 7d",
                     value);
    }
    return true;
}

static bool keep_name(struct reader *reader, size_t at, bool pattern, const char *value,
                      char *room)
{
    struct gg_slice slice = gg_slice_text(value);
    if (pattern ? !gg_pattern_valid(slice) : !gg_name_valid(slice)) {
        return wrong(reader, at, "'%.64s' is not a %s", value,
                     pattern ? "pattern" : "name");
    }
    memcpy(room, value, slice.len + 1);
    return true;
}

static bool take(struct reader *reader, enum field field, size_t at, char *value)
{
    struct gg_filter *out = reader->out;
    switch (field) {
    case STATE:
        return read_states(reader, at, value);
    case QUEUE:
        out->what.queue = out->queue;
        return keep_name(reader, at, true, value, out->queue);
    case REALM:
        out->what.realm = out->realm;
        return keep_name(reader, at, false, value, out->realm);
    case TAG:
        out->what.tag = out->tag;
        return keep_name(reader, at, false, value, out->tag);
    case KEY:
        if (strlen(value) > GG_KEY_BYTES_MAX) {
            return wrong(reader, at, "a key has at most %d bytes", GG_KEY_BYTES_MAX);
        }
        memcpy(out->key, value, strlen(value) + 1);
        out->what.key = (ganger_bytes){.data = out->key, .len = strlen(value)};
        return true;
    case AGE_OVER:
        return read_age(reader, at, value, &out->what.older_ms);
    case AGE_UNDER:
        return read_age(reader, at, value, &out->what.younger_ms);
    case ERROR:
        memcpy(out->error, value, strlen(value) + 1);
        out->what.error_has = out->error;
        return true;
    case FIELD_COUNT:
        break;
    }
    return wrong(reader, at, "this condition is not known");
}

/* Which condition begins at the reader's place; moves on to its value. */
static bool read_field(struct reader *reader, enum field *out)
{
    const char *text = reader->text + reader->at;
    size_t len = strcspn(text, ":<>~ ");
    char sign[2] = {text[len], '\0'};
    struct gg_nearest nearest;
    char word[GG_NEAREST_WORD_MAX + 1];
    gg_slice_copy(gg_slice_of(text, len), word, sizeof word);
    nearest = (struct gg_nearest){.typed = word};
    const char *right_sign = NULL;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        gg_nearest_offer(&nearest, fields[i].name);
        if (strcmp(fields[i].name, word) != 0) {
            continue;
        }
        right_sign = fields[i].sign;
        if (strcmp(fields[i].sign, sign) == 0) {
            *out = fields[i].field;
            reader->at += len + 1;
            return true;
        }
    }
    if (right_sign != NULL) {
        return wrong(reader, reader->at, "after '%s' comes '%s'%s", word, right_sign,
                     right_sign[0] == '<' ? " or '>'" : "");
    }
    return wrong(reader, reader->at, "there is no condition '%s'; did you mean '%s'?",
                 word, nearest.best != NULL ? nearest.best : "state");
}

bool gg_filter_parse(const char *text, struct gg_filter *out,
                     struct gg_filter_fault *out_fault)
{
    *out = (struct gg_filter){0};
    struct reader reader = {.text = text, .out = out, .fault = out_fault};
    if (strlen(text) > GG_FILTER_BYTES_MAX) {
        return wrong(&reader, GG_FILTER_BYTES_MAX, "a filter has at most %d bytes",
                     GG_FILTER_BYTES_MAX);
    }
    for (;;) {
        reader.at += strspn(text + reader.at, " ");
        if (text[reader.at] == '\0') {
            return true;
        }
        enum field field = FIELD_COUNT;
        size_t start = reader.at;
        char value[GG_FILTER_VALUE_MAX + 1];
        if (!read_field(&reader, &field)) {
            return false;
        }
        if (reader.seen[field]) {
            return wrong(&reader, start, "this condition stands twice");
        }
        reader.seen[field] = true;
        size_t value_at = reader.at;
        if (!read_value(&reader, value) || !take(&reader, field, value_at, value)) {
            return false;
        }
    }
}
