#include "common/wire.h"

static uint64_t big_endian(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* Read a number of `bytes` bytes behind the type byte. */
static bool read_number(struct gg_reader *reader, unsigned bytes, uint64_t *out_value)
{
    if ((size_t)(reader->end - reader->at) < bytes) {
        return false;
    }
    *out_value = big_endian(reader->at, bytes);
    reader->at += bytes;
    return true;
}

static bool read_raw(struct gg_reader *reader, enum gg_wire_kind kind, uint64_t len,
                     struct gg_token *out)
{
    if ((uint64_t)(reader->end - reader->at) < len) {
        return false;
    }
    out->kind = kind;
    out->value = 0;
    out->raw = gg_slice_of(reader->at, (size_t)len);
    reader->at += len;
    return true;
}

/* A raw value whose length stands in `bytes` bytes; ext has one byte more, its type. */
static bool read_sized(struct gg_reader *reader, enum gg_wire_kind kind, unsigned bytes,
                       struct gg_token *out)
{
    uint64_t len = 0;
    return read_number(reader, bytes, &len) &&
           read_raw(reader, kind, kind == GG_WIRE_EXT ? len + 1 : len, out);
}

static bool read_container(struct gg_reader *reader, enum gg_wire_kind kind,
                           unsigned bytes, struct gg_token *out)
{
    *out = (struct gg_token){.kind = kind};
    return read_number(reader, bytes, &out->value);
}

static bool read_unsigned(struct gg_reader *reader, unsigned bytes,
                          struct gg_token *out)
{
    *out = (struct gg_token){.kind = GG_WIRE_UINT};
    return read_number(reader, bytes, &out->value);
}

/* A signed integer may hold a value that is not negative; then it is a UINT. */
static bool read_signed(struct gg_reader *reader, unsigned bytes, struct gg_token *out)
{
    *out = (struct gg_token){.kind = GG_WIRE_UINT};
    if (!read_number(reader, bytes, &out->value)) {
        return false;
    }
    if (out->value >> (bytes * 8 - 1) != 0) {
        *out = (struct gg_token){.kind = GG_WIRE_NEGATIVE};
    }
    return true;
}

static bool read_float(struct gg_reader *reader, unsigned bytes, struct gg_token *out)
{
    uint64_t ignored = 0;
    *out = (struct gg_token){.kind = GG_WIRE_FLOAT};
    return read_number(reader, bytes, &ignored);
}

/* The formats 0xc0 to 0xdf, one row of the specification's table each: a flat
 * switch. */
static bool read_format(struct gg_reader *reader, uint8_t format, struct gg_token *out)
{
    switch (format) {
    case 0xc0:
        *out = (struct gg_token){.kind = GG_WIRE_NIL};
        return true;
    case 0xc2:
    case 0xc3:
        *out = (struct gg_token){.kind = GG_WIRE_BOOL, .value = format & 1};
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return read_sized(reader, GG_WIRE_BIN, 1U << (format - 0xc4), out);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return read_sized(reader, GG_WIRE_EXT, 1U << (format - 0xc7), out);
    case 0xca:
    case 0xcb:
        return read_float(reader, 4U << (format - 0xca), out);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_unsigned(reader, 1U << (format - 0xcc), out);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_signed(reader, 1U << (format - 0xd0), out);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return read_raw(reader, GG_WIRE_EXT, (1U << (format - 0xd4)) + 1, out);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_sized(reader, GG_WIRE_STR, 1U << (format - 0xd9), out);
    case 0xdc:
    case 0xdd:
        return read_container(reader, GG_WIRE_ARRAY, 2U << (format - 0xdc), out);
    case 0xde:
    case 0xdf:
        return read_container(reader, GG_WIRE_MAP, 2U << (format - 0xde), out);
    default:
        return false; /* 0xc1 is never used. */
    }
}

bool gg_reader_next_any(struct gg_reader *reader, struct gg_token *out_token)
{
    if (reader->at == reader->end) {
        return false;
    }
    uint8_t format = *reader->at++;
    if (format < 0x80) {
        *out_token = (struct gg_token){.kind = GG_WIRE_UINT, .value = format};
        return true;
    }
    if (format < 0x90) {
        *out_token = (struct gg_token){.kind = GG_WIRE_MAP, .value = format & 0x0f};
        return true;
    }
    if (format < 0xa0) {
        *out_token = (struct gg_token){.kind = GG_WIRE_ARRAY, .value = format & 0x0f};
        return true;
    }
    if (format < 0xc0) {
        return read_raw(reader, GG_WIRE_STR, format & 0x1f, out_token);
    }
    if (format >= 0xe0) {
        *out_token = (struct gg_token){.kind = GG_WIRE_NEGATIVE};
        return true;
    }
    if (format == 0xc4 && reader->at < reader->end) { /* bin 8: ids, small payloads */
        uint8_t len = *reader->at++;
        return read_raw(reader, GG_WIRE_BIN, len, out_token);
    }
    if (format == 0xcf && reader->end - reader->at >= 8) { /* uint 64: fences */
        uint64_t big = 0;
        memcpy(&big, reader->at, sizeof big);
        reader->at += sizeof big;
        *out_token = (struct gg_token){.kind = GG_WIRE_UINT,
                                       .value = __builtin_bswap64(big)};
        return true;
    }
    return read_format(reader, format, out_token);
}

static bool is_container(const struct gg_token *token)
{
    return token->kind == GG_WIRE_ARRAY || token->kind == GG_WIRE_MAP;
}

/* Values inside a container head; 0 for everything else. */
static uint64_t children(const struct gg_token *token)
{
    switch (token->kind) {
    case GG_WIRE_ARRAY:
        return token->value;
    case GG_WIRE_MAP:
        return token->value * 2;
    case GG_WIRE_NIL:
    case GG_WIRE_BOOL:
    case GG_WIRE_UINT:
    case GG_WIRE_NEGATIVE:
    case GG_WIRE_FLOAT:
    case GG_WIRE_STR:
    case GG_WIRE_BIN:
    case GG_WIRE_EXT:
        break;
    }
    return 0;
}

bool gg_reader_skip(struct gg_reader *reader)
{
    uint64_t outside[GG_WIRE_DEPTH_MAX]; /* Values not yet over, by depth. */
    uint64_t here = 1;                   /* And in the container we are in. */
    uint64_t nodes = 1;
    int depth = 0;
    struct gg_token token;
    for (;;) {
        if (!gg_reader_next(reader, &token)) {
            return false;
        }
        uint64_t inside = children(&token);
        nodes += inside;
        /* Each value takes a byte at least. */
        if (is_container(&token) && (depth == GG_WIRE_DEPTH_MAX ||
                                     inside > (uint64_t)(reader->end - reader->at) ||
                                     nodes > GG_WIRE_NODES_MAX)) {
            return false;
        }
        if (inside > 0) {
            outside[depth++] = here;
            here = inside;
            continue;
        }
        while (--here == 0) { /* The last value of a container: that is over too. */
            if (depth == 0) {
                return true;
            }
            here = outside[--depth];
        }
    }
}

bool gg_wire_check(struct gg_slice bytes)
{
    struct gg_reader reader = gg_reader_of(bytes);
    return gg_reader_skip(&reader) && reader.at == reader.end;
}
