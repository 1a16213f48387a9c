#include "common/bytes.h"

#include <stdlib.h>

#include "common/assert.h"

/* How many bytes follow a lead byte, and the smallest value that needs them. */
static int utf8_follow(uint8_t lead, uint32_t *value, uint32_t *least)
{
    if (lead < 0x80) {
        *value = lead;
        *least = 0;
        return 0;
    }
    if ((lead & 0xe0) == 0xc0) {
        *value = lead & 0x1f;
        *least = 0x80;
        return 1;
    }
    if ((lead & 0xf0) == 0xe0) {
        *value = lead & 0x0f;
        *least = 0x800;
        return 2;
    }
    if ((lead & 0xf8) == 0xf0) {
        *value = lead & 0x07;
        *least = 0x10000;
        return 3;
    }
    return -1;
}

bool gg_utf8_valid(struct gg_slice slice)
{
    for (size_t i = 0; i < slice.len;) {
        uint32_t value = 0;
        uint32_t least = 0;
        int follow = utf8_follow(slice.data[i++], &value, &least);
        if (follow < 0 || slice.len - i < (size_t)follow) {
            return false;
        }
        for (; follow > 0; follow--, i++) {
            if ((slice.data[i] & 0xc0) != 0x80) {
                return false;
            }
            value = value << 6 | (slice.data[i] & 0x3f);
        }
        if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
            return false;
        }
    }
    return true;
}

static void set_up(struct gg_blob *blob, size_t len, bool far)
{
    atomic_init(&blob->refs, 1);
    blob->far = far;
    blob->len = len;
}

struct gg_blob *gg_blob_room(size_t len, uint8_t **out_data)
{
    struct gg_blob *blob = malloc(sizeof *blob + len);
    if (blob != NULL) {
        set_up(blob, len, false);
        *out_data = (uint8_t *)(blob + 1);
    }
    return blob;
}

struct gg_blob *gg_blob_new(struct gg_slice slice)
{
    uint8_t *data = NULL;
    struct gg_blob *blob = gg_blob_room(slice.len, &data);
    if (blob != NULL && slice.len > 0) {
        memcpy(data, slice.data, slice.len);
    }
    return blob;
}

void gg_far_blob_init(struct gg_far_blob *far, struct gg_slice bytes,
                      void (*release)(struct gg_far_blob *far))
{
    set_up(&far->blob, bytes.len, true);
    far->data = bytes.data;
    far->release = release;
}

struct gg_blob *gg_blob_keep(struct gg_slice slice, struct gg_blob *holder)
{
    struct gg_slice all = gg_blob_slice(holder);
    bool whole = holder != NULL && slice.data == all.data && slice.len == all.len;
    return whole ? gg_blob_ref(holder) : gg_blob_new(slice);
}

void gg_blob_free(struct gg_blob *blob)
{
    GG_ASSERT(atomic_load_explicit(&blob->refs, memory_order_relaxed) == 0);
    if (blob->far) {
        struct gg_far_blob *far = (struct gg_far_blob *)blob;
        far->release(far);
        return;
    }
    free(blob);
}

void gg_buf_fini(struct gg_buf *buf)
{
    free(buf->data);
    *buf = (struct gg_buf){.max = buf->max};
}

bool gg_buf_reserve(struct gg_buf *buf, size_t more)
{
    if (buf->failed || more > buf->max || buf->len > buf->max - more) {
        buf->failed = true;
        return false;
    }
    size_t want = buf->len + more;
    if (want <= buf->room) {
        return true;
    }
    size_t room = buf->room < 128 ? 256 : buf->room * 2;
    if (room < want) {
        room = want;
    }
    if (room > buf->max) {
        room = buf->max;
    }
    uint8_t *data = realloc(buf->data, room);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->room = room;
    return true;
}
