/* fuzz_frame.c - the pre-check and the decoder of frames.
 *
 * The pre-check is held against a second reader of MessagePack written apart from it,
 * and against msgpack-c: what it accepts, both decode to the same length; what it
 * refuses, the second reader refuses, or it is beyond the bounds. Whatever command is
 * accepted can be said by the encoder and reads the same.
 *
 * Input: length of the second frame in 64s, then the first frame, then the second.
 */
#include <msgpack.h>

#include "common/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/round_trip.h"

/* ---- a second reader: recursive, without bounds of its own ---- */

struct plain {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t nodes;
    int deepest; /* Containers inside each other. */
};

static bool plain_number(struct plain *plain, int bytes, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < bytes; i++) {
        if (plain->at == plain->end) {
            return false;
        }
        *out = *out * 256 + *plain->at++;
    }
    return true;
}

static bool plain_jump(struct plain *plain, uint64_t bytes)
{
    if (bytes > (uint64_t)(plain->end - plain->at)) {
        return false;
    }
    plain->at += bytes;
    return true;
}

/* What stands behind a format byte: bytes of a length, whether it counts values (1 for
 * an array, 2 for a map), bytes that follow besides. -1: never used. */
struct shape {
    int length_bytes;
    int values;
    int more;
};

static struct shape shape_of(uint8_t format)
{
    static const struct shape shapes[0x20] = {
        {0, 0, 0}, {-1, 0, 0}, {0, 0, 0}, {0, 0, 0}, /* nil, never, false, true */
        {1, 0, 0}, {2, 0, 0},  {4, 0, 0},            /* bin */
        {1, 0, 1}, {2, 0, 1},  {4, 0, 1},            /* ext */
        {0, 0, 4}, {0, 0, 8},                        /* float */
        {0, 0, 1}, {0, 0, 2},  {0, 0, 4}, {0, 0, 8}, /* uint */
        {0, 0, 1}, {0, 0, 2},  {0, 0, 4}, {0, 0, 8}, /* int */
        {0, 0, 2}, {0, 0, 3},  {0, 0, 5}, {0, 0, 9}, {0, 0, 17}, /* fixext */
        {1, 0, 0}, {2, 0, 0},  {4, 0, 0},                        /* str */
        {2, 1, 0}, {4, 1, 0},  {2, 2, 0}, {4, 2, 0},             /* array, map */
    };
    return shapes[format - 0xc0];
}

static bool plain_value(struct plain *plain, int depth)
{
    if (plain->at == plain->end || ++plain->nodes > UINT64_C(1) << 21 || depth > 64) {
        return false;
    }
    uint8_t format = *plain->at++;
    uint64_t length = format & 0x0f;
    int values = format < 0x80 ? 0 : format < 0x90 ? 2 : format < 0xa0 ? 1 : 0;
    if (format >= 0xa0 && format < 0xc0) {
        return plain_jump(plain, format & 0x1f);
    }
    if (format >= 0xc0 && format < 0xe0) {
        struct shape shape = shape_of(format);
        values = shape.values;
        if (shape.length_bytes < 0 ||
            !plain_number(plain, shape.length_bytes, &length) ||
            !plain_jump(plain, (uint64_t)shape.more)) {
            return false;
        }
        if (values == 0) {
            return plain_jump(plain, length);
        }
    }
    if (values == 0) {
        return true;
    }
    if (depth + 1 > plain->deepest) {
        plain->deepest = depth + 1; /* An empty one counts too. */
    }
    for (uint64_t i = 0; i < length * (uint64_t)values; i++) {
        if (!plain_value(plain, depth + 1)) {
            return false;
        }
    }
    return true;
}

static void compare_readers(struct gg_slice body)
{
    struct plain plain = {.at = body.data, .end = body.data + body.len};
    bool sound = plain_value(&plain, 0) && plain.at == plain.end;
    bool bounded = sound && plain.nodes <= GG_WIRE_NODES_MAX &&
                   plain.deepest <= GG_WIRE_DEPTH_MAX;
    GG_ASSERT(gg_wire_check(body) == bounded);
    if (!bounded || body.len > 65536) {
        return; /* Never to msgpack-c what could make it reserve gigabytes. */
    }
    size_t used = 0;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return answer = msgpack_unpack_next(
        &unpacked, (const char *)body.data, body.len, &used);
    GG_ASSERT(answer == MSGPACK_UNPACK_SUCCESS || answer == MSGPACK_UNPACK_EXTRA_BYTES);
    GG_ASSERT(used == body.len);
    msgpack_unpacked_destroy(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) {
        return 0;
    }
    size_t second = (size_t)data[0] * 64 < len - 1 ? (size_t)data[0] * 64 : 0;
    struct gg_slice frame = gg_slice_of(data + 1, len - 1 - second);
    struct gg_slice attachment = gg_slice_of(second == 0 ? NULL : data + len - second,
                                             second);
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (frame.len > GG_HEADER_BYTES) {
        compare_readers(
            gg_slice_of(frame.data + GG_HEADER_BYTES, frame.len - GG_HEADER_BYTES));
    }
    if (gg_message_open(frame, attachment, &message, &fault) != GG_OK) {
        GG_ASSERT(fault.err != GG_OK && fault.what != NULL);
        return 0;
    }
    uint32_t left = message.left;
    while (gg_message_next(&message, &command, &fault)) {
        GG_ASSERT(message.left < left);
        left = message.left;
        if (fault.err == GG_OK) {
            round_trip_command(&command);
        } else {
            GG_ASSERT(fault.what != NULL);
        }
    }
    GG_ASSERT(message.reader.at == message.reader.end);
    return 0;
}
