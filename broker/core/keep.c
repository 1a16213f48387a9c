#include "broker/core/keep.h"

#include <stddef.h>

#include "common/assert.h"
#include "common/map.h"

enum { NUMBER_BYTES_MAX = 10 };

/* ---- the tables ---- */

#define BYTES_U     false
#define BYTES_BYTES true
#define ROW(n, kind_, name_, fallback_, least_, most_, meaning_)                       \
    {n,      BYTES_##kind_, offsetof(struct OWNER, name_), fallback_, least_, most_,   \
     #name_, meaning_},

#define OWNER gg_keep_meta
static const struct gg_keep_field fields_META[] = {GG_KEEP_META_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_keep_queue
static const struct gg_keep_field fields_QUEUE[] = {GG_KEEP_QUEUE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_keep_agent
static const struct gg_keep_field fields_AGENT[] = {GG_KEEP_AGENT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_keep_job
static const struct gg_keep_field fields_JOB[] = {GG_KEEP_JOB_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_keep_pool
static const struct gg_keep_field fields_POOL[] = {GG_KEEP_POOL_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_keep_moment
static const struct gg_keep_field fields_MOMENT[] = {GG_KEEP_MOMENT_FIELDS(ROW)};
#undef OWNER

static const struct gg_keep_form_info forms[GG_FORM_COUNT] = {
#define X(symbol, tag, list)                                                           \
    [GG_FORM_##symbol] = {.name = #symbol,                                             \
                          .fields = fields_##symbol,                                   \
                          .count = sizeof fields_##symbol / sizeof fields_##symbol[0], \
                          .size = sizeof(struct tag)},
    GG_KEEP_FORM_LIST(X)
#undef X
};

const struct gg_keep_form_info *gg_keep_form_of(enum gg_keep_form form)
{
    GG_ASSERT(form > GG_FORM_NONE && form < GG_FORM_COUNT);
    return &forms[form];
}

void gg_keep_default(enum gg_keep_form form, void *record)
{
    const struct gg_keep_form_info *type = gg_keep_form_of(form);
    memset(record, 0, type->size);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_keep_field *field = &type->fields[i];
        if (!field->bytes) {
            *(uint64_t *)(void *)((char *)record + field->offset) = field->fallback;
        }
    }
}

/* ---- writing ---- */

static inline uint8_t *write_number(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

void gg_keep_number_add(struct gg_buf *out, uint64_t value)
{
    uint8_t bytes[NUMBER_BYTES_MAX];
    gg_buf_append(out, bytes, (size_t)(write_number(bytes, value) - bytes));
}

static void add_number(struct gg_buf *out, uint8_t number, uint64_t value)
{
    uint8_t bytes[1 + NUMBER_BYTES_MAX];
    bytes[0] = (uint8_t)(number << 1);
    gg_buf_append(out, bytes, (size_t)(write_number(bytes + 1, value) - bytes));
}

static void add_bytes(struct gg_buf *out, uint8_t number, struct gg_slice value)
{
    uint8_t bytes[1 + NUMBER_BYTES_MAX];
    bytes[0] = (uint8_t)(number << 1 | 1);
    gg_buf_append(out, bytes, (size_t)(write_number(bytes + 1, value.len) - bytes));
    gg_buf_append(out, value.data, value.len);
}

/* One writer for each form, made from its list, as for the wire. */
#define WRITE_U(n, member, fallback)                                                   \
    if ((member) != (fallback)) {                                                      \
        add_number(out, n, member);                                                    \
    }
#define WRITE_BYTES(n, member, fallback)                                               \
    if ((member).len > 0) {                                                            \
        add_bytes(out, n, member);                                                     \
    }
#define WRITE(n, kind, name, fallback, least, most, meaning)                           \
    WRITE_##kind(n, record->name, fallback)
#define X(symbol, tag, fields)                                                         \
    static void write_##symbol(struct gg_buf *out, const void *from)                   \
    {                                                                                  \
        const struct tag *record = from;                                               \
        fields(WRITE)                                                                  \
    }
GG_KEEP_FORM_LIST(X)
#undef X

typedef void write_fn(struct gg_buf *out, const void *from);

static write_fn *const writers[GG_FORM_COUNT] = {
#define X(symbol, tag, fields) [GG_FORM_##symbol] = write_##symbol,
    GG_KEEP_FORM_LIST(X)
#undef X
};

/* Over the fields, and over what the record is and whose. */
static uint32_t check_of(struct gg_slice fields, enum gg_keep_kind kind,
                         const struct gg_id *id)
{
    uint64_t seed = gg_hash(gg_slice_of(id->bytes, GG_ID_BYTES), (uint64_t)kind);
    return (uint32_t)gg_hash(fields, seed);
}

void gg_keep_write(struct gg_buf *out, enum gg_keep_kind kind, const struct gg_id *id,
                   const void *from)
{
    GG_ASSERT(kind >= GG_KEEP_META && kind < GG_KEEP_KIND_COUNT);
    size_t start = out->len;
    uint8_t head[GG_KEEP_HEAD_BYTES] = {GG_KEEP_FORMAT};
    gg_buf_append(out, head, sizeof head);
    writers[kind](out, from);
    if (out->failed) {
        return;
    }
    size_t fields = start + GG_KEEP_HEAD_BYTES;
    uint32_t check = check_of(gg_slice_of(out->data + fields, out->len - fields), kind,
                              id);
    for (int i = 0; i < 4; i++) {
        out->data[start + 1 + (size_t)i] = (uint8_t)(check >> (8 * i));
    }
}

void gg_keep_list_add(struct gg_buf *list, struct gg_slice entry)
{
    gg_keep_number_add(list, entry.len);
    gg_buf_append(list, entry.data, entry.len);
}

void gg_keep_list_add_form(struct gg_buf *list, enum gg_keep_form form,
                           const void *from)
{
    GG_ASSERT(form > GG_FORM_NONE && form < GG_FORM_COUNT);
    struct gg_buf entry;
    gg_buf_init(&entry, GG_KEEP_BYTES_MAX);
    writers[form](&entry, from);
    list->failed = list->failed || entry.failed;
    gg_keep_list_add(list, gg_buf_slice(&entry));
    gg_buf_fini(&entry);
}

/* ---- reading ---- */

bool gg_keep_number_next(struct gg_slice *from, uint64_t *out_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < from->len && i < NUMBER_BYTES_MAX; i++) {
        uint8_t byte = from->data[i];
        if (i == NUMBER_BYTES_MAX - 1 && byte > 1) {
            return false; /* More than 64 bits. */
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *from = gg_slice_of(from->data + i + 1, from->len - i - 1);
            *out_value = value;
            return true;
        }
    }
    return false;
}

bool gg_keep_list_next(struct gg_slice *list, struct gg_slice *out_entry)
{
    struct gg_slice rest = *list;
    uint64_t len = 0;
    if (!gg_keep_number_next(&rest, &len) || len > rest.len) {
        return false;
    }
    *out_entry = gg_slice_of(rest.data, (size_t)len);
    *list = gg_slice_of(rest.data + len, rest.len - (size_t)len);
    return true;
}

static enum gg_err fault(struct gg_keep_fault *out, enum gg_err err, const char *what,
                         const char *field)
{
    *out = (struct gg_keep_fault){.what = what, .field = field};
    return err;
}

/* The value at the front of `fields` into its member. */
static enum gg_err take_value(struct gg_slice *fields,
                              const struct gg_keep_field *field, bool bytes,
                              void *record, struct gg_keep_fault *out_fault)
{
    void *member = (char *)record + field->offset;
    uint64_t size = 0;
    if (bytes != field->bytes) {
        return fault(out_fault, GG_ERR_STORE, "a field is of another kind",
                     field->name);
    }
    if (bytes) {
        struct gg_slice value;
        if (!gg_keep_list_next(fields, &value)) {
            return fault(out_fault, GG_ERR_STORE, "the record ends early", field->name);
        }
        size = value.len;
        *(struct gg_slice *)member = value;
    } else {
        if (!gg_keep_number_next(fields, &size)) {
            return fault(out_fault, GG_ERR_STORE, "the record ends early", field->name);
        }
        *(uint64_t *)member = size;
    }
    if (size < field->least || size > field->most) {
        return fault(out_fault, GG_ERR_STORE, "a field is out of its bounds",
                     field->name);
    }
    return GG_OK;
}

/* A field of a newer broker: past it, if it may be skipped. */
static enum gg_err skip(struct gg_slice *fields, uint8_t tag,
                        struct gg_keep_fault *out_fault)
{
    struct gg_slice bytes;
    uint64_t value;
    if (tag >> 1 >= GG_KEEP_MUST_UNDERSTAND) {
        return fault(out_fault, GG_ERR_NOT_UNDERSTOOD,
                     "a field must be understood that only a newer broker knows", NULL);
    }
    bool done = (tag & 1) != 0 ? gg_keep_list_next(fields, &bytes)
                               : gg_keep_number_next(fields, &value);
    return done ? GG_OK : fault(out_fault, GG_ERR_STORE, "the record ends early", NULL);
}

static enum gg_err read_fields(struct gg_slice fields, enum gg_keep_form form,
                               void *record, struct gg_keep_fault *out_fault)
{
    const struct gg_keep_form_info *type = gg_keep_form_of(form);
    gg_keep_default(form, record);
    uint64_t seen = 0;
    while (fields.len > 0) {
        uint8_t tag = fields.data[0];
        uint8_t number = tag >> 1;
        fields = gg_slice_of(fields.data + 1, fields.len - 1);
        if (number == 0 || (tag & 0x80) != 0 || (seen >> number & 1) != 0) {
            return fault(out_fault, GG_ERR_STORE, "a field is twice, or none", NULL);
        }
        seen |= UINT64_C(1) << number;
        enum gg_err err = number > type->count
                              ? skip(&fields, tag, out_fault)
                              : take_value(&fields, &type->fields[number - 1], tag & 1,
                                           record, out_fault);
        if (err != GG_OK) {
            return err;
        }
    }
    for (uint16_t i = 0; i < type->count; i++) {
        if (type->fields[i].least > type->fields[i].fallback &&
            (seen >> (i + 1) & 1) == 0) {
            return fault(out_fault, GG_ERR_STORE, "a field is missing",
                         type->fields[i].name);
        }
    }
    return GG_OK;
}

bool gg_keep_form_read(struct gg_slice bytes, enum gg_keep_form form, void *out_record,
                       struct gg_keep_fault *out_fault)
{
    return read_fields(bytes, form, out_record, out_fault) == GG_OK;
}

enum gg_err gg_keep_read(struct gg_slice bytes, enum gg_keep_kind kind,
                         const struct gg_id *id, void *out_record,
                         struct gg_keep_fault *out_fault)
{
    if (kind < GG_KEEP_META || kind >= GG_KEEP_KIND_COUNT) {
        return fault(out_fault, GG_ERR_NOT_UNDERSTOOD,
                     "the kind of record is one of a newer broker", NULL);
    }
    if (bytes.len < GG_KEEP_HEAD_BYTES || bytes.data[0] == 0) {
        return fault(out_fault, GG_ERR_STORE, "the bytes are not a record", NULL);
    }
    if (bytes.data[0] > GG_KEEP_FORMAT) {
        return fault(out_fault, GG_ERR_NOT_UNDERSTOOD,
                     "the format of the record is one of a newer broker", NULL);
    }
    struct gg_slice fields = gg_slice_of(bytes.data + GG_KEEP_HEAD_BYTES,
                                         bytes.len - GG_KEEP_HEAD_BYTES);
    uint32_t check = 0;
    for (int i = 0; i < 4; i++) {
        check |= (uint32_t)bytes.data[1 + i] << (8 * i);
    }
    if (check != check_of(fields, kind, id)) {
        return fault(out_fault, GG_ERR_STORE, "the record's check does not hold", NULL);
    }
    return read_fields(fields, (enum gg_keep_form)kind, out_record, out_fault);
}
