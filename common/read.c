#include "common/read.h"

#include "common/assert.h"
#include "common/name.h"

/* Each record has a reader of its own, made from its list, that takes the short form of
 * each field in line. What it does not take, long forms and faults among it, is read by
 * the table in record.c: one place says what is wrong. */

/* Number, and its bounds. */
static enum gg_err take_number(const struct gg_field *field,
                               const struct gg_token *token, uint64_t *out,
                               struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_UINT) {
        return gg_fault_bad(out_fault, "the field is not an unsigned integer",
                            field->name);
    }
    if (token->value < field->least || token->value > field->most) {
        return gg_fault_say(out_fault, GG_ERR_BAD_FIELD, "the number is out of bounds",
                            field->name);
    }
    *out = token->value;
    return GG_OK;
}

static enum gg_err check_length(const struct gg_field *field, struct gg_slice bytes,
                                struct gg_fault *out_fault)
{
    if (bytes.len > field->most) {
        return gg_fault_say(out_fault, GG_ERR_TOO_LARGE, "the field is too long",
                            field->name);
    }
    if (bytes.len < field->least) {
        return gg_fault_bad(out_fault, "the field is empty", field->name);
    }
    return GG_OK;
}

static enum gg_err take_text(const struct gg_field *field, const struct gg_token *token,
                             struct gg_slice *out, struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_STR) {
        return gg_fault_bad(out_fault, "the field is not a string", field->name);
    }
    enum gg_err err = check_length(field, token->raw, out_fault);
    if (err != GG_OK) {
        return err;
    }
    bool valid = field->kind == GG_FIELD_TEXT   ? gg_utf8_valid(token->raw)
                 : field->kind == GG_FIELD_NAME ? gg_name_valid(token->raw)
                                                : gg_pattern_valid(token->raw);
    if (!valid && token->raw.len > 0) { /* Where it may be empty it says nothing. */
        return gg_fault_say(out_fault, GG_ERR_BAD_NAME, "the text is not valid here",
                            field->name);
    }
    *out = token->raw;
    return GG_OK;
}

static enum gg_err take_bytes(const struct gg_field *field,
                              const struct gg_token *token, struct gg_slice *out,
                              struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BIN) {
        return gg_fault_bad(out_fault, "the field is not a byte string", field->name);
    }
    *out = token->raw;
    return check_length(field, token->raw, out_fault);
}

static enum gg_err take_id(const struct gg_field *field, const struct gg_token *token,
                           struct gg_id *out, struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BIN || token->raw.len != GG_ID_BYTES) {
        return gg_fault_bad(out_fault, "the field is not an id of 16 bytes",
                            field->name);
    }
    memcpy(out->bytes, token->raw.data, GG_ID_BYTES);
    if (field->least > 0 && gg_id_is_none(out)) {
        return gg_fault_say(out_fault, GG_ERR_BAD_FIELD, "the id is all zeros",
                            field->name);
    }
    return GG_OK;
}

/* An array stays packed; its entries are looked at when they are taken. */
static enum gg_err take_list(const struct gg_field *field, const struct gg_token *token,
                             struct gg_reader *reader, struct gg_list *out,
                             struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_ARRAY) {
        return gg_fault_bad(out_fault, "the field is not an array", field->name);
    }
    if (token->value > field->most || token->value < field->least) {
        return gg_fault_say(out_fault, GG_ERR_TOO_MANY, "the array has a wrong length",
                            field->name);
    }
    const uint8_t *start = reader->at;
    for (uint64_t i = 0; i < token->value; i++) {
        if (!gg_reader_skip(reader)) {
            return gg_fault_bad(out_fault, "the array ends early", field->name);
        }
    }
    out->raw = gg_slice_of(start, (size_t)(reader->at - start));
    out->count = (uint32_t)token->value;
    return GG_OK;
}

static enum gg_err take_blob(const struct gg_field *field, const struct gg_token *token,
                             struct gg_source *source, struct gg_slice *out,
                             struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BOOL) {
        return take_bytes(field, token, out, out_fault);
    }
    if (token->value == 0 || source->attachment.data == NULL || source->taken) {
        return gg_fault_bad(out_fault, "there is no second frame for the field",
                            field->name);
    }
    source->taken = true;
    *out = source->attachment;
    return GG_OK;
}

/* One value into its member: a flat switch over the kinds. */
static enum gg_err take_value(const struct gg_field *field, struct gg_reader *reader,
                              struct gg_source *source, void *member,
                              struct gg_fault *out_fault)
{
    struct gg_token token;
    if (!gg_reader_next(reader, &token)) {
        return gg_fault_bad(out_fault, "the record ends early", field->name);
    }
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        return take_number(field, &token, member, out_fault);
    case GG_FIELD_BOOL:
        if (token.kind != GG_WIRE_BOOL) {
            return gg_fault_bad(out_fault, "the field is not a boolean", field->name);
        }
        *(bool *)member = token.value != 0;
        return GG_OK;
    case GG_FIELD_ID:
        return take_id(field, &token, member, out_fault);
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        return take_text(field, &token, member, out_fault);
    case GG_FIELD_BYTES:
        return take_bytes(field, &token, member, out_fault);
    case GG_FIELD_BLOB:
        return take_blob(field, &token, source, member, out_fault);
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        return take_list(field, &token, reader, member, out_fault);
    }
    GG_BUG("unknown kind of field");
}

/* One entry of the map: a field of ours, one to skip, or one to refuse. */
static enum gg_err read_field(const struct gg_record *type, struct gg_reader *reader,
                              struct gg_source *source, uint64_t *seen, void *record,
                              struct gg_fault *out_fault)
{
    struct gg_token number;
    if (!gg_reader_next(reader, &number) || number.kind != GG_WIRE_UINT ||
        number.value == 0) {
        return gg_fault_bad(out_fault, "a field number is not a positive integer",
                            NULL);
    }
    if (number.value > type->count) {
        if (number.value >= GG_MUST_UNDERSTAND) {
            return gg_fault_say(out_fault, GG_ERR_NOT_UNDERSTOOD,
                                "a field that must be understood is not known", NULL);
        }
        return gg_reader_skip(reader)
                   ? GG_OK
                   : gg_fault_bad(out_fault, "the record ends early", NULL);
    }
    const struct gg_field *field = &type->fields[number.value - 1];
    uint64_t bit = UINT64_C(1) << number.value;
    if ((*seen & bit) != 0) {
        return gg_fault_bad(out_fault, "the field is there twice", field->name);
    }
    *seen |= bit;
    return take_value(field, reader, source, (char *)record + field->offset, out_fault);
}

/* ---- the fields that are most common, in their most common form ---- */

/* Each takes a value at `at` and returns where the next one begins, or NULL where it
 * does not know: then read_field() reads it by the table, or says what is wrong. */

static const uint8_t *quick_wide(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    unsigned bytes = 1U << (*at & 3); /* 0xcc to 0xcf: 1, 2, 4, 8 bytes. */
    if (*at < 0xcc || *at > 0xcf || (size_t)(end - at) < sizeof *out + 1) {
        return NULL;
    }
    uint64_t big = 0;
    memcpy(&big, at + 1, sizeof big);
    *out = __builtin_bswap64(big) >> (64 - 8 * bytes);
    return at + 1 + bytes;
}

static inline const uint8_t *quick_u(const uint8_t *at, const uint8_t *end,
                                     uint64_t *out, uint64_t least, uint64_t most)
{
    uint64_t value = *at;
    const uint8_t *next = at + 1;
    if (value >= 0x80) {
        next = quick_wide(at, end, &value);
    }
    if (next == NULL || value < least || value > most) {
        return NULL;
    }
    *out = value;
    return next;
}

static inline const uint8_t *quick_bool(const uint8_t *at, bool *out)
{
    if ((*at & 0xfe) != 0xc2) {
        return NULL;
    }
    *out = (*at & 1) != 0;
    return at + 1;
}

static inline const uint8_t *quick_id(const uint8_t *at, const uint8_t *end,
                                      struct gg_id *out, uint64_t least)
{
    if ((size_t)(end - at) < 2 + GG_ID_BYTES || at[0] != 0xc4 || at[1] != GG_ID_BYTES) {
        return NULL;
    }
    memcpy(out->bytes, at + 2, GG_ID_BYTES);
    return least > 0 && gg_id_is_none(out) ? NULL : at + 2 + GG_ID_BYTES;
}

static const uint8_t *quick_bytes(const uint8_t *at, const uint8_t *end,
                                  struct gg_slice *out)
{
    if (end - at < 2 || at[0] != 0xc4 || end - at - 2 < at[1]) {
        return NULL;
    }
    *out = gg_slice_of(at + 2, at[1]);
    return at + 2 + at[1];
}

/* Only the empty one, whose entries need no walk. */
static inline const uint8_t *quick_list(const uint8_t *at, struct gg_list *out,
                                        uint64_t least)
{
    if (*at != 0x90 || least > 0) {
        return NULL;
    }
    *out = (struct gg_list){.raw = gg_slice_of(at + 1, 0)};
    return at + 1;
}

typedef bool valid_fn(struct gg_slice text);

static inline const uint8_t *quick_text(const uint8_t *at, const uint8_t *end,
                                        struct gg_slice *out, valid_fn *valid)
{
    size_t len = *at & 0x1f;
    if (*at >> 5 != 5 || (size_t)(end - at - 1) < len || len == 0 ||
        !valid(gg_slice_of(at + 1, len))) {
        return NULL;
    }
    *out = gg_slice_of(at + 1, len);
    return at + 1 + len;
}

/* ---- records ---- */

/* What is short enough for the quick way is within the bounds of every such field. */
#define FITS(cond) (void)sizeof(char[(cond) ? 1 : -1])

/* clang-format off */
#define QUICK_U(out, least, most)     quick_u(at + 1, end, out, least, most)
#define QUICK_BOOL(out, least, most)  quick_bool(at + 1, out)
#define QUICK_ID(out, least, most)    quick_id(at + 1, end, out, least)
#define QUICK_BYTES(out, least, most) (FITS((least) == 0 && (most) >= 0xff), quick_bytes(at + 1, end, out))
#define QUICK_BLOB                    QUICK_BYTES
#define QUICK_SHORT(out, least, most, valid) (FITS((least) <= 1 && (most) >= 0x1f), quick_text(at + 1, end, out, valid))
#define QUICK_TEXT(out, least, most)  QUICK_SHORT(out, least, most, gg_utf8_valid)
#define QUICK_NAME(out, least, most)  QUICK_SHORT(out, least, most, gg_name_valid)
#define QUICK_GLOB(out, least, most)  QUICK_SHORT(out, least, most, gg_pattern_valid)
#define QUICK_LIST(out, least, most)  quick_list(at + 1, out, least)
#define QUICK_NUMS                    QUICK_LIST
#define QUICK_TEXTS                   QUICK_LIST
#define QUICK_POOL                    QUICK_LIST
#define QUICK_HELD                    QUICK_LIST
#define QUICK_REASON                  QUICK_LIST
#define QUICK_MOMENT                  QUICK_LIST
#define QUICK_QUEUE                   QUICK_LIST
#define QUICK_RUN                     QUICK_LIST
#define QUICK_POOL_STATE              QUICK_LIST
#define QUICK_WORKER                  QUICK_LIST
#define QUICK_STAT                    QUICK_LIST
#define QUICK_SUBMIT                  QUICK_LIST
#define QUICK_JOB                     QUICK_LIST
/* clang-format on */

#define QUICK(n, kind, name, fallback, least, most, meaning)                           \
    case n:                                                                            \
        next = QUICK_##kind(&record->name, least, most);                               \
        break;

/* The entries of a map, made from a record's list: the quick way where it goes. */
#define X(symbol, tag, fields)                                                         \
    static enum gg_err read_##symbol(struct gg_reader *reader, uint64_t count,         \
                                     struct gg_source *source, uint64_t *seen,         \
                                     void *to, struct gg_fault *out_fault)             \
    {                                                                                  \
        struct tag *record = to;                                                       \
        (void)record;                                                                  \
        const uint8_t *end = reader->end;                                              \
        for (; count > 0; count--) {                                                   \
            const uint8_t *at = reader->at;                                            \
            const uint8_t *next = NULL;                                                \
            bool again = end - at < 2 || at[0] >= GG_MUST_UNDERSTAND ||                \
                         (*seen >> at[0] & 1) != 0;                                    \
            switch (again ? 0 : at[0]) {                                               \
                fields(QUICK) default : break;                                         \
            }                                                                          \
            if (next != NULL) {                                                        \
                *seen |= UINT64_C(1) << at[0];                                         \
                reader->at = next;                                                     \
                continue;                                                              \
            }                                                                          \
            enum gg_err err = read_field(gg_record_of(GG_RECORD_##symbol), reader,     \
                                         source, seen, to, out_fault);                 \
            if (err != GG_OK) {                                                        \
                return err;                                                            \
            }                                                                          \
        }                                                                              \
        return GG_OK;                                                                  \
    }
GG_RECORD_LIST(X)
#undef X

typedef enum gg_err read_fn(struct gg_reader *reader, uint64_t count,
                            struct gg_source *source, uint64_t *seen, void *to,
                            struct gg_fault *out_fault);

static read_fn *const readers[GG_RECORD_COUNT] = {
#define X(symbol, tag, fields) [GG_RECORD_##symbol] = read_##symbol,
    GG_RECORD_LIST(X)
#undef X
};

enum gg_err gg_read_record(enum gg_record_id id, struct gg_reader *reader,
                           struct gg_source *source, void *record,
                           struct gg_fault *out_fault)
{
    const struct gg_record *type = gg_record_of(id);
    memcpy(record, type->defaults, type->bytes);
    uint64_t count = 0;
    if (!gg_reader_open(reader, GG_WIRE_MAP, &count)) {
        return gg_fault_bad(out_fault, "the record is not a map", NULL);
    }
    uint64_t seen = 0;
    enum gg_err err = readers[id](reader, count, source, &seen, record, out_fault);
    if (err != GG_OK) {
        return err;
    }
    uint64_t missing = type->required & ~seen;
    if (missing != 0) {
        return gg_fault_bad(out_fault, "the field is missing",
                            type->fields[__builtin_ctzll(missing) - 1].name);
    }
    return GG_OK;
}

void gg_record_default(enum gg_record_id id, void *record)
{
    const struct gg_record *type = gg_record_of(id);
    memcpy(record, type->defaults, type->bytes);
}

/* ---- lists ---- */

static struct gg_reader list_reader(const struct gg_list *list)
{
    return gg_reader_of(list->raw);
}

static void list_advance(struct gg_list *list, const struct gg_reader *reader)
{
    list->raw = gg_slice_of(reader->at, (size_t)(reader->end - reader->at));
    list->count--;
}

bool gg_list_next_record(struct gg_list *list, enum gg_record_id id, void *out_record,
                         struct gg_fault *out_fault)
{
    *out_fault = (struct gg_fault){.err = GG_OK};
    if (list->count == 0) {
        return false;
    }
    struct gg_reader reader = list_reader(list);
    struct gg_source source = {0};
    if (gg_read_record(id, &reader, &source, out_record, out_fault) != GG_OK) {
        return false;
    }
    list_advance(list, &reader);
    return true;
}

bool gg_list_next_num(struct gg_list *list, uint64_t *out_value)
{
    struct gg_token token;
    struct gg_reader reader = list_reader(list);
    if (list->count == 0 || !gg_reader_next(&reader, &token) ||
        token.kind != GG_WIRE_UINT) {
        return false;
    }
    *out_value = token.value;
    list_advance(list, &reader);
    return true;
}

bool gg_list_next_text(struct gg_list *list, struct gg_slice *out_text)
{
    struct gg_token token;
    struct gg_reader reader = list_reader(list);
    if (list->count == 0 || !gg_reader_next(&reader, &token) ||
        token.kind != GG_WIRE_STR || !gg_utf8_valid(token.raw)) {
        return false;
    }
    *out_text = token.raw;
    list_advance(list, &reader);
    return true;
}

enum gg_err gg_record_read(struct gg_slice bytes, enum gg_record_id id,
                           void *out_record, struct gg_fault *out_fault)
{
    *out_fault = (struct gg_fault){.err = GG_OK};
    struct gg_reader reader = gg_reader_of(bytes);
    struct gg_source source = {0};
    if (!gg_wire_check(bytes)) {
        return gg_fault_bad(out_fault, "the bytes are not one bounded value", NULL);
    }
    return gg_read_record(id, &reader, &source, out_record, out_fault);
}
