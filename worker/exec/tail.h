/* tail.h - the last 8 KiB of a stream, kept while it flows by. Pure. */
#ifndef GG_WORKER_EXEC_TAIL_H
#define GG_WORKER_EXEC_TAIL_H

#include "common/bytes.h"
#include "common/record.h"

struct gg_tail {
    size_t len;
    uint8_t bytes[GG_TAIL_BYTES_MAX];
};

static inline void gg_tail_clear(struct gg_tail *tail)
{
    tail->len = 0;
}

static inline void gg_tail_push(struct gg_tail *tail, struct gg_slice bytes)
{
    if (bytes.len == 0) {
        return;
    }
    if (bytes.len >= sizeof tail->bytes) {
        memcpy(tail->bytes, bytes.data + bytes.len - sizeof tail->bytes,
               sizeof tail->bytes);
        tail->len = sizeof tail->bytes;
        return;
    }
    size_t room = sizeof tail->bytes - bytes.len;
    if (tail->len > room) {
        memmove(tail->bytes, tail->bytes + tail->len - room, room);
        tail->len = room;
    }
    memcpy(tail->bytes + tail->len, bytes.data, bytes.len);
    tail->len += bytes.len;
}

static inline struct gg_slice gg_tail_slice(const struct gg_tail *tail)
{
    return gg_slice_of(tail->bytes, tail->len);
}

#endif
