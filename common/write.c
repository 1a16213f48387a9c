#include "common/codec.h"

#include "common/assert.h"
#include "common/pack.h"

/* Each record has a writer of its own, made from its list: no table is walked for what
 * is sent most. A field that has its default is left out. */

/* What the writers of one record share. */
struct writer {
    struct gg_buf *out;
    struct gg_slice *attachment; /* Where a large BLOB may go; NULL: nowhere. */
    uint32_t count;              /* Fields written. */
};

static inline void write_number(struct writer *writer, uint8_t number)
{
    gg_buf_append(writer->out, &number, 1); /* Below 128 a number is its own byte. */
    writer->count++;
}

static inline void write_slice(struct gg_buf *out, struct gg_slice text)
{
    msgpack_pack_str(out, text.len);
    msgpack_pack_str_body(out, text.data, text.len);
}

static inline void write_bytes(struct gg_buf *out, struct gg_slice bytes)
{
    msgpack_pack_bin(out, bytes.len);
    msgpack_pack_bin_body(out, bytes.data, bytes.len);
}

static void write_u(struct writer *writer, uint8_t number, uint64_t value)
{
    write_number(writer, number);
    msgpack_pack_uint64(writer->out, value);
}

static void write_id(struct writer *writer, uint8_t number, const struct gg_id *id)
{
    write_number(writer, number);
    write_bytes(writer->out, gg_slice_of(id->bytes, GG_ID_BYTES));
}

static void write_text(struct writer *writer, uint8_t number, struct gg_slice text)
{
    write_number(writer, number);
    write_slice(writer->out, text);
}

static void write_blob(struct writer *writer, uint8_t number, struct gg_slice blob)
{
    write_number(writer, number);
    if (blob.len > GG_INLINE_BYTES_MAX && writer->attachment != NULL &&
        writer->attachment->data == NULL) {
        *writer->attachment = blob;
        msgpack_pack_true(writer->out);
    } else {
        write_bytes(writer->out, blob);
    }
}

static void write_list(struct writer *writer, uint8_t number,
                       const struct gg_list *list)
{
    write_number(writer, number);
    msgpack_pack_array(writer->out, list->count);
    gg_buf_append(writer->out, list->raw.data, list->raw.len);
}

#define WRITE_U(n, member, fallback)                                                   \
    if (member != (fallback)) {                                                        \
        write_u(&writer, n, member);                                                   \
    }
#define WRITE_BOOL(n, member, fallback)                                                \
    if (member) {                                                                      \
        write_number(&writer, n);                                                      \
        msgpack_pack_true(out);                                                        \
    }
#define WRITE_ID(n, member, fallback)                                                  \
    if (!gg_id_is_none(&(member))) {                                                   \
        write_id(&writer, n, &(member));                                               \
    }
#define WRITE_SLICE(write, n, member)                                                  \
    if ((member).len > 0) {                                                            \
        write(&writer, n, member);                                                     \
    }
#define WRITE_TEXT(n, member, fallback) WRITE_SLICE(write_text, n, member)
#define WRITE_NAME(n, member, fallback) WRITE_SLICE(write_text, n, member)
#define WRITE_GLOB(n, member, fallback) WRITE_SLICE(write_text, n, member)
#define WRITE_BLOB(n, member, fallback) WRITE_SLICE(write_blob, n, member)
#define WRITE_BYTES(n, member, fallback)                                               \
    if ((member).len > 0) {                                                            \
        write_number(&writer, n);                                                      \
        write_bytes(out, member);                                                      \
    }
#define WRITE_LIST(n, member, fallback)                                                \
    if ((member).count > 0) {                                                          \
        write_list(&writer, n, &(member));                                             \
    }
#define WRITE_NUMS   WRITE_LIST
#define WRITE_TEXTS  WRITE_LIST
#define WRITE_POOL   WRITE_LIST
#define WRITE_HELD   WRITE_LIST
#define WRITE_REASON WRITE_LIST
#define WRITE_MOMENT WRITE_LIST
#define WRITE_QUEUE  WRITE_LIST
#define WRITE_RUN    WRITE_LIST
#define WRITE_WORKER WRITE_LIST
#define WRITE_STAT   WRITE_LIST
#define WRITE_SUBMIT WRITE_LIST
#define WRITE_JOB    WRITE_LIST
#define WRITE(n, kind, name, fallback, least, most, meaning)                           \
    WRITE_##kind(n, record->name, fallback)

/* The head of a map is written last, when its entries are counted: one byte in all but
 * the longest records. */
static void end_map(struct gg_buf *out, size_t start, uint32_t count)
{
    if (out->failed) {
        return;
    }
    if (count < 16) {
        out->data[start] = (uint8_t)(0x80 | count); /* fixmap */
        return;
    }
    if (gg_buf_reserve(out, 2)) {
        memmove(out->data + start + 3, out->data + start + 1, out->len - start - 1);
        out->len += 2;
        out->data[start] = 0xde; /* map 16 */
        out->data[start + 1] = (uint8_t)(count >> 8);
        out->data[start + 2] = (uint8_t)count;
    }
}

#define X(symbol, tag, fields)                                                         \
    static void write_##symbol(struct gg_buf *out, const void *from,                   \
                               struct gg_slice *attachment)                            \
    {                                                                                  \
        const struct tag *record = from;                                               \
        struct writer writer = {.out = out, .attachment = attachment};                 \
        size_t start = out->len;                                                       \
        msgpack_pack_map(out, 0);                                                      \
        fields(WRITE) end_map(out, start, writer.count);                               \
    }
GG_RECORD_LIST(X)
#undef X

typedef void write_fn(struct gg_buf *out, const void *from,
                      struct gg_slice *attachment);

static write_fn *const writers[GG_RECORD_COUNT] = {
#define X(symbol, tag, fields) [GG_RECORD_##symbol] = write_##symbol,
    GG_RECORD_LIST(X)
#undef X
};

void gg_record_write(struct gg_buf *out, enum gg_record_id id, const void *record,
                     struct gg_slice *out_attachment)
{
    GG_ASSERT(id < GG_RECORD_COUNT);
    writers[id](out, record, out_attachment);
}

void gg_num_write(struct gg_buf *out, uint64_t value)
{
    msgpack_pack_uint64(out, value);
}

void gg_text_write(struct gg_buf *out, struct gg_slice text)
{
    write_slice(out, text);
}

void gg_command_write(struct gg_buf *out, enum gg_command_code code, uint64_t request,
                      const void *record, struct gg_slice *out_attachment)
{
    const struct gg_command_type *type = gg_command_type_of(code);
    GG_ASSERT(type != NULL);
    msgpack_pack_array(out, 3);
    msgpack_pack_uint8(out, (uint8_t)code);
    msgpack_pack_uint64(out, request);
    writers[type->record](out, record, out_attachment);
}
