/* wire.h - MessagePack, read in place and bounded.
 *
 * Problem: msgpack-c's unpacker allocates a zone and reserves what a header claims, so
 * five hostile bytes can ask it for 16 GiB. Something bounded must walk the bytes
 * before it. That walk is all that a decoder of flat records needs, so it is the
 * decoder: it copies nothing, allocates nothing, and never trusts a claimed size.
 * Packing is msgpack-c's (codec.c); tests hold both against msgpack-c's own unpacker.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
#ifndef GG_COMMON_WIRE_H
#define GG_COMMON_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

/* A full page of any list fits in. A receiver bounds the bytes of a frame, and every
 * value takes one at least. */
enum {
    GG_WIRE_DEPTH_MAX = 8,       /* Containers inside each other. */
    GG_WIRE_NODES_MAX = 1 << 20, /* Values in one frame, containers included. */
};

enum gg_wire_kind {
    GG_WIRE_NIL,
    GG_WIRE_BOOL,
    GG_WIRE_UINT,
    GG_WIRE_NEGATIVE, /* An integer below zero; no field has such a value. */
    GG_WIRE_FLOAT,
    GG_WIRE_STR,
    GG_WIRE_BIN,
    GG_WIRE_EXT,
    GG_WIRE_ARRAY,
    GG_WIRE_MAP,
};

/* One value; of a container only its head. */
struct gg_token {
    enum gg_wire_kind kind;
    uint64_t value;      /* UINT, BOOL: itself. ARRAY, MAP: entries. Else 0. */
    struct gg_slice raw; /* STR, BIN, EXT: the bytes, inside what is read. */
};

struct gg_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct gg_reader gg_reader_of(struct gg_slice bytes)
{
    /* NULL plus nothing is not defined in C. */
    const uint8_t *end = bytes.len == 0 ? bytes.data : bytes.data + bytes.len;
    return (struct gg_reader){.at = bytes.data, .end = end};
}

/* Read one value and move past it; past the head only for a container. False at the end
 * of the bytes, or where they are not MessagePack. */
bool gg_reader_next_any(struct gg_reader *reader, struct gg_token *out_token);

static inline bool gg_reader_next(struct gg_reader *reader, struct gg_token *out_token)
{
    if (reader->at < reader->end && *reader->at < 0x80) { /* Most values are small. */
        out_token->kind = GG_WIRE_UINT;
        out_token->value = *reader->at++;
        return true;
    }
    return gg_reader_next_any(reader, out_token);
}

/* Read the head of an array or a map, whose entries follow. False where the next value
 * is not of that `kind`. */
static inline bool gg_reader_open(struct gg_reader *reader, enum gg_wire_kind kind,
                                  uint64_t *out_entries)
{
    uint8_t shortest = kind == GG_WIRE_MAP ? 0x80 : 0x90; /* Up to 15 entries. */
    if (reader->at < reader->end && (*reader->at & 0xf0) == shortest) {
        *out_entries = *reader->at++ & 0x0f;
        return true;
    }
    struct gg_token token;
    bool is_kind = gg_reader_next_any(reader, &token) && token.kind == kind;
    *out_entries = is_kind ? token.value : 0;
    return is_kind;
}

/* Move past one whole value, containers and all. False as gg_reader_next(); also for
 * what gg_wire_check() would refuse. */
bool gg_reader_skip(struct gg_reader *reader);

/* Is `bytes` exactly one value within the bounds above, with no byte left over?
 * Costs at most one pass over the bytes, whatever they claim. */
bool gg_wire_check(struct gg_slice bytes);

#endif
