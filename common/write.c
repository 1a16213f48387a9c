#include "common/codec.h"

#include "common/assert.h"
#include "common/pack.h"

/* Each record has a writer of its own, made from its list: no table is walked for what
 * is sent most. A field that has its default is left out. Room is made once, for the
 * longest form of every field; after that nothing can fail. */

enum {
    NUMBER_BYTES = 1, /* Below 128 a field's number is its own byte. */
    UINT_BYTES = 9,
    LENGTH_BYTES = 5, /* The longest head of a string, a byte string, an array. */
    MAP_BYTES = 3,
};

static uint8_t *put_wide(uint8_t *at, uint64_t value)
{
    msgpack_pack_uint64(&at, value);
    return at;
}

static inline uint8_t *put_value(uint8_t *at, uint64_t value)
{
    if (value < 0x80) { /* Most values are small: their own byte. */
        *at = (uint8_t)value;
        return at + 1;
    }
    return put_wide(at, value);
}

static inline uint8_t *put_raw(uint8_t *at, struct gg_slice bytes)
{
    if (bytes.len > 0) {
        memcpy(at, bytes.data, bytes.len);
    }
    return at + bytes.len;
}

static uint8_t *put_text(uint8_t *at, struct gg_slice text)
{
    msgpack_pack_str(&at, text.len);
    return put_raw(at, text);
}

static uint8_t *put_bytes(uint8_t *at, struct gg_slice bytes)
{
    msgpack_pack_bin(&at, bytes.len);
    return put_raw(at, bytes);
}

static inline uint8_t *put_id(uint8_t *at, const struct gg_id *id)
{
    msgpack_pack_bin(&at, GG_ID_BYTES);
    memcpy(at, id->bytes, GG_ID_BYTES);
    return at + GG_ID_BYTES;
}

static inline uint8_t *put_true(uint8_t *at)
{
    msgpack_pack_true(&at);
    return at;
}

static uint8_t *put_list(uint8_t *at, const struct gg_list *list)
{
    msgpack_pack_array(&at, list->count);
    return put_raw(at, list->raw);
}

/* Does the blob go into the second frame? `attachment` NULL: there is none; with data:
 * it is taken. */
static inline bool goes_apart(struct gg_slice blob, const struct gg_slice *attachment)
{
    return blob.len > GG_INLINE_BYTES_MAX && attachment != NULL &&
           attachment->data == NULL;
}

static uint8_t *put_blob(uint8_t *at, struct gg_slice blob, struct gg_slice *attachment)
{
    if (goes_apart(blob, attachment)) {
        *attachment = blob;
        return put_true(at);
    }
    return put_bytes(at, blob);
}

/* ---- the room that a field may take ---- */

/* clang-format off */
#define NEED_U(member)     UINT_BYTES
#define NEED_BOOL(member)  1
#define NEED_ID(member)    2 + GG_ID_BYTES
#define NEED_BYTES(member) LENGTH_BYTES + (member).len
#define NEED_TEXT          NEED_BYTES
#define NEED_NAME          NEED_BYTES
#define NEED_GLOB          NEED_BYTES
/* Of two large ones in a record the second stands inline. */
#define NEED_BLOB(member)                                                              \
    LENGTH_BYTES + (goes_apart(member, apart) ? (apart = NULL, (size_t)0) : (member).len)
#define NEED_LIST(member)  LENGTH_BYTES + (member).raw.len
#define NEED_NUMS          NEED_LIST
#define NEED_TEXTS         NEED_LIST
#define NEED_POOL          NEED_LIST
#define NEED_HELD          NEED_LIST
#define NEED_REASON        NEED_LIST
#define NEED_MOMENT        NEED_LIST
#define NEED_QUEUE         NEED_LIST
#define NEED_RUN           NEED_LIST
#define NEED_POOL_STATE    NEED_LIST
#define NEED_WORKER        NEED_LIST
#define NEED_STAT          NEED_LIST
#define NEED_SUBMIT        NEED_LIST
#define NEED_JOB           NEED_LIST
#define NEED(n, kind, name, fallback, least, most, meaning)                            \
    need += NUMBER_BYTES + NEED_##kind(record->name);

/* ---- a field, unless it has its default ---- */

#define PUT_IF(condition, n, put)                                                      \
    if (condition) {                                                                   \
        *at++ = (n);                                                                   \
        at = (put);                                                                    \
        count++;                                                                       \
    }
#define PUT_U(n, member, fallback)                                                     \
    PUT_IF((member) != (fallback), n, put_value(at, member))
#define PUT_BOOL(n, member, fallback)  PUT_IF(member, n, put_true(at))
#define PUT_ID(n, member, fallback)                                                    \
    PUT_IF(!gg_id_is_none(&(member)), n, put_id(at, &(member)))
#define PUT_BYTES(n, member, fallback)                                                 \
    PUT_IF((member).len > 0, n, put_bytes(at, member))
#define PUT_TEXT(n, member, fallback)  PUT_IF((member).len > 0, n, put_text(at, member))
#define PUT_NAME                       PUT_TEXT
#define PUT_GLOB                       PUT_TEXT
#define PUT_BLOB(n, member, fallback)                                                  \
    PUT_IF((member).len > 0, n, put_blob(at, member, attachment))
#define PUT_LIST(n, member, fallback)                                                  \
    PUT_IF((member).count > 0, n, put_list(at, &(member)))
#define PUT_NUMS                       PUT_LIST
#define PUT_TEXTS                      PUT_LIST
#define PUT_POOL                       PUT_LIST
#define PUT_HELD                       PUT_LIST
#define PUT_REASON                     PUT_LIST
#define PUT_MOMENT                     PUT_LIST
#define PUT_QUEUE                      PUT_LIST
#define PUT_RUN                        PUT_LIST
#define PUT_POOL_STATE                 PUT_LIST
#define PUT_WORKER                     PUT_LIST
#define PUT_STAT                       PUT_LIST
#define PUT_SUBMIT                     PUT_LIST
#define PUT_JOB                        PUT_LIST
#define PUT(n, kind, name, fallback, least, most, meaning)                             \
    PUT_##kind(n, record->name, fallback)
/* clang-format on */

/* The head of a map is written last, when its entries are counted: one byte in all but
 * the longest records. Returns the end. */
static uint8_t *end_map(uint8_t *start, uint8_t *at, uint32_t count)
{
    if (count < 16) {
        *start = (uint8_t)(0x80 | count); /* fixmap */
        return at;
    }
    memmove(start + MAP_BYTES, start + 1, (size_t)(at - start) - 1);
    start[0] = 0xde; /* map 16 */
    start[1] = (uint8_t)(count >> 8);
    start[2] = (uint8_t)count;
    return at + MAP_BYTES - 1;
}

#define X(symbol, tag, fields)                                                         \
    static void write_##symbol(struct gg_buf *out, const void *from,                   \
                               struct gg_slice *attachment)                            \
    {                                                                                  \
        const struct tag *record = from;                                               \
        const struct gg_slice *apart = attachment;                                     \
        size_t need = MAP_BYTES;                                                       \
        (void)record;                                                                  \
        (void)apart;                                                                   \
        fields(NEED) if (!gg_buf_room(out, need))                                      \
        {                                                                              \
            return;                                                                    \
        }                                                                              \
        uint8_t *start = out->data + out->len;                                         \
        uint8_t *at = start + 1;                                                       \
        uint32_t count = 0;                                                            \
        fields(PUT) out->len = (size_t)(end_map(start, at, count) - out->data);        \
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
    if (gg_buf_room(out, UINT_BYTES)) {
        out->len = (size_t)(put_value(out->data + out->len, value) - out->data);
    }
}

void gg_text_write(struct gg_buf *out, struct gg_slice text)
{
    if (gg_buf_room(out, LENGTH_BYTES + text.len)) {
        out->len = (size_t)(put_text(out->data + out->len, text) - out->data);
    }
}

void gg_command_write(struct gg_buf *out, enum gg_command_code code, uint64_t request,
                      const void *record, struct gg_slice *out_attachment)
{
    const struct gg_command_type *type = gg_command_type_of(code);
    GG_ASSERT(type != NULL);
    if (!gg_buf_room(out, 1 + 2 * UINT_BYTES)) {
        return;
    }
    uint8_t *at = out->data + out->len;
    msgpack_pack_array(&at, 3);
    at = put_value(at, code);
    at = put_value(at, request);
    out->len = (size_t)(at - out->data);
    writers[type->record](out, record, out_attachment);
}
