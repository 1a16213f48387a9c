/* bytes.h - lent slices, shared payloads, growing buffers with a maximum. */
#ifndef GG_COMMON_BYTES_H
#define GG_COMMON_BYTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

/* Bytes that belong to somebody else; valid as long as that one says. */
struct gg_slice {
    const uint8_t *data;
    size_t len;
};

static inline struct gg_slice gg_slice_of(const void *data, size_t len)
{
    return (struct gg_slice){.data = data, .len = len};
}

static inline struct gg_slice gg_slice_text(const char *text)
{
    return gg_slice_of(text, strlen(text));
}

static inline bool gg_slice_equal(struct gg_slice a, struct gg_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* For printf: "%.*s", GG_PRINT(slice). Only for text already checked as a name. */
#define GG_PRINT(slice) (int)(slice).len, (const char *)(slice).data

/* Copy `slice` as a C string into `text`, cut at the end of the room, but not within a
 * character of UTF-8; always ended. */
static inline void gg_slice_copy(struct gg_slice slice, char *text, size_t room)
{
    size_t len = slice.len < room - 1 ? slice.len : room - 1;
    while (len > 0 && len < slice.len && (slice.data[len] & 0xc0) == 0x80) {
        len--;
    }
    if (len > 0) {
        memcpy(text, slice.data, len);
    }
    text[len] = '\0';
}

/* True when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
bool gg_utf8_valid(struct gg_slice slice);

enum { GG_BLOB_LARGE_BYTES = 16384 };

/* A payload shared by counting, freed with its last holder. It never changes. From
 * GG_BLOB_LARGE_BYTES on a blob may be held by several threads, as a frame is on its
 * way out; one thread owns all references to a smaller one, whose counting costs less.
 */
struct gg_blob {
    _Atomic uint32_t refs;
    bool far; /* A struct gg_far_blob; else the bytes stand behind this. */
    size_t len;
};

/* Bytes that somebody else holds until `release` has been called. */
struct gg_far_blob {
    struct gg_blob blob;
    const uint8_t *data;
    void (*release)(struct gg_far_blob *far); /* By any thread, once; frees it. */
};

/* A copy of `slice` with one reference, owned by the caller; NULL without memory. */
struct gg_blob *gg_blob_new(struct gg_slice slice);

/* The same with room for `len` bytes that its maker fills in before he shares it. */
struct gg_blob *gg_blob_room(size_t len, uint8_t **out_data);

/* Set up `far` with one reference. */
void gg_far_blob_init(struct gg_far_blob *far, struct gg_slice bytes,
                      void (*release)(struct gg_far_blob *far));

static inline struct gg_blob *gg_blob_ref(struct gg_blob *blob)
{
    if (blob->len >= GG_BLOB_LARGE_BYTES) {
        (void)atomic_fetch_add_explicit(&blob->refs, 1, memory_order_release);
    } else {
        uint32_t refs = atomic_load_explicit(&blob->refs, memory_order_relaxed);
        atomic_store_explicit(&blob->refs, refs + 1, memory_order_relaxed);
    }
    return blob;
}

/* Free a blob that nobody refers to any more; gg_blob_unref() calls it. */
void gg_blob_free(struct gg_blob *blob);

/* Give up one reference; *blob_p becomes NULL. Safe on NULL. */
static inline void gg_blob_unref(struct gg_blob **blob_p)
{
    struct gg_blob *blob = *blob_p;
    if (blob == NULL) {
        return;
    }
    *blob_p = NULL;
    uint32_t refs = 0;
    if (blob->len >= GG_BLOB_LARGE_BYTES) {
        refs = atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) - 1;
    } else {
        refs = atomic_load_explicit(&blob->refs, memory_order_relaxed) - 1;
        atomic_store_explicit(&blob->refs, refs, memory_order_relaxed);
    }
    if (refs == 0) {
        gg_blob_free(blob);
    }
}

/* The bytes of `blob`, empty for NULL. */
static inline struct gg_slice gg_blob_slice(const struct gg_blob *blob)
{
    if (blob == NULL) {
        return (struct gg_slice){0};
    }
    return gg_slice_of(blob->far ? ((const struct gg_far_blob *)blob)->data
                                 : (const uint8_t *)(blob + 1),
                       blob->len);
}

/* A reference to `holder` where `slice` is all of it, else a copy; owned by the caller;
 * NULL without memory. `holder` may be NULL. */
struct gg_blob *gg_blob_keep(struct gg_slice slice, struct gg_blob *holder);

/* A buffer that grows up to `max` bytes. An append that does not fit, or finds no
 * memory, sets `failed` and changes nothing more: check once, at the end. */
struct gg_buf {
    uint8_t *data;
    size_t len;
    size_t room;
    size_t max;
    bool failed;
};

static inline void gg_buf_init(struct gg_buf *buf, size_t max)
{
    *buf = (struct gg_buf){.max = max};
}

/* Free what `buf` holds; it may be used again as if just set up. */
void gg_buf_fini(struct gg_buf *buf);

/* Make room for `more` bytes after len; false (and `failed`) when that cannot be. */
bool gg_buf_reserve(struct gg_buf *buf, size_t more);

/* The same, in line where there is room already. */
static inline bool gg_buf_room(struct gg_buf *buf, size_t more)
{
    return buf->room - buf->len >= more || gg_buf_reserve(buf, more);
}

static inline void gg_buf_append(struct gg_buf *buf, const void *data, size_t len)
{
    if (!gg_buf_room(buf, len)) {
        return;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
    }
}

/* Forget the contents, keep the memory. */
static inline void gg_buf_clear(struct gg_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

/* Forget everything after the first `len` bytes, a failed append included. */
static inline void gg_buf_cut(struct gg_buf *buf, size_t len)
{
    buf->len = len;
    buf->failed = false;
}

/* Valid until the next append. */
static inline struct gg_slice gg_buf_slice(const struct gg_buf *buf)
{
    return gg_slice_of(buf->data, buf->len);
}

#endif
