#include "tests/lib/any_record.h"

#include <stdlib.h>

#include "common/assert.h"

struct gg_arena_block {
    struct gg_arena_block *next;
    uint64_t bytes[];
};

void *gg_arena_take(struct gg_arena *arena, size_t bytes)
{
    struct gg_arena_block *block = calloc(1, sizeof *block + bytes);
    GG_ASSERT(block != NULL);
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

void gg_arena_fini(struct gg_arena *arena)
{
    while (arena->blocks != NULL) {
        struct gg_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

/* ---- random values ---- */

static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789._-";
enum { ALNUM_CHARS = 52, NAME_CHARS = sizeof name_chars - 1 };

static uint64_t between(struct gg_rng *rng, uint64_t least, uint64_t most)
{
    return most - least == UINT64_MAX ? gg_rng_next(rng)
                                      : least + gg_rng_below(rng, most - least + 1);
}

/* A number of any width: without this small ones would never come. */
static uint64_t any_number(struct gg_rng *rng, const struct gg_field *field)
{
    uint64_t most = field->most >> gg_rng_below(rng, 64);
    return between(rng, field->least, most < field->least ? field->least : most);
}

static struct gg_slice any_name(struct gg_arena *arena, struct gg_rng *rng, size_t len)
{
    char *text = gg_arena_take(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = name_chars[gg_rng_below(rng, i == 0 ? ALNUM_CHARS : NAME_CHARS)];
    }
    return gg_slice_of(text, len);
}

static struct gg_slice any_bytes(struct gg_arena *arena, struct gg_rng *rng, size_t len)
{
    uint8_t *bytes = gg_arena_take(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)gg_rng_next(rng);
    }
    return gg_slice_of(bytes, len);
}

/* Text with one letter of each length in UTF-8. */
static struct gg_slice any_text(struct gg_arena *arena, struct gg_rng *rng, size_t len)
{
    static const char *const letters[] = {"a", "é", "€", "𐍈"};
    char *text = gg_arena_take(arena, len + 1);
    for (size_t at = 0; at < len;) {
        const char *letter = letters[gg_rng_below(rng, 4)];
        size_t bytes = strlen(letter) <= len - at ? strlen(letter) : 1;
        memcpy(text + at, bytes == 1 ? "a" : letter, bytes);
        at += bytes;
    }
    return gg_slice_of(text, len);
}

static struct gg_id any_id(struct gg_rng *rng)
{
    struct gg_id id = gg_id_new((struct gg_wall){(int64_t)(gg_rng_next(rng) >> 16)},
                                rng);
    id.bytes[15] |= 1;
    return id;
}

static size_t any_length(struct gg_rng *rng, const struct gg_field *field)
{
    uint64_t most = (field->most < 600 ? field->most : 600) >> gg_rng_below(rng, 8);
    return between(rng, field->least, most < field->least ? field->least : most);
}

static struct gg_list any_list(struct gg_arena *arena, struct gg_rng *rng,
                               const struct gg_field *field)
{
    struct gg_buf buf;
    gg_buf_init(&buf, 1 << 20);
    uint64_t count = between(rng, field->least, field->most < 4 ? field->most : 4);
    for (uint64_t i = 0; i < count; i++) {
        if (field->kind == GG_FIELD_NUMS) {
            gg_num_write(&buf, gg_rng_next(rng) >> gg_rng_below(rng, 64));
        } else if (field->kind == GG_FIELD_TEXTS) {
            gg_text_write(&buf, any_name(arena, rng, between(rng, 1, 64)));
        } else {
            union gg_any_record entry;
            gg_any_fill(arena, rng, (enum gg_record_id)field->record, &entry);
            gg_record_write(&buf, (enum gg_record_id)field->record, &entry, NULL);
        }
    }
    GG_ASSERT(!buf.failed);
    struct gg_list list = {.count = (uint32_t)count};
    if (buf.len > 0) {
        uint8_t *raw = gg_arena_take(arena, buf.len);
        memcpy(raw, buf.data, buf.len);
        list.raw = gg_slice_of(raw, buf.len);
    }
    gg_buf_fini(&buf);
    return list;
}

static void any_value(struct gg_arena *arena, struct gg_rng *rng,
                      const struct gg_field *field, void *member)
{
    struct gg_slice *slice = member;
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        *(uint64_t *)member = any_number(rng, field);
        return;
    case GG_FIELD_BOOL:
        *(bool *)member = true;
        return;
    case GG_FIELD_ID:
        *(struct gg_id *)member = any_id(rng);
        return;
    case GG_FIELD_TEXT:
        *slice = any_text(arena, rng, any_length(rng, field));
        return;
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        *slice = any_name(arena, rng, any_length(rng, field));
        return;
    case GG_FIELD_BYTES:
        *slice = any_bytes(arena, rng, any_length(rng, field));
        return;
    case GG_FIELD_BLOB: /* Never empty: then it is absent, and has no place. */
        *slice = any_bytes(arena, rng, 1 + any_length(rng, field));
        return;
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        *(struct gg_list *)member = any_list(arena, rng, field);
        return;
    }
    GG_BUG("unknown kind of field");
}

static bool must_be_there(const struct gg_field *field)
{
    return field->least > 0 && field->fallback < field->least;
}

void gg_any_fill(struct gg_arena *arena, struct gg_rng *rng, enum gg_record_id id,
                 void *record)
{
    const struct gg_record *type = gg_record_of(id);
    gg_record_default(id, record);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        if (must_be_there(field) || gg_rng_below(rng, 2) == 0) {
            any_value(arena, rng, field, (char *)record + field->offset);
        }
    }
}

void gg_any_fill_least(struct gg_arena *arena, enum gg_record_id id, void *record)
{
    const struct gg_record *type = gg_record_of(id);
    struct gg_rng rng = {.state = 1};
    gg_record_default(id, record);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        if (must_be_there(field)) {
            any_value(arena, &rng, field, (char *)record + field->offset);
        }
    }
}

static struct gg_list full_texts(struct gg_arena *arena, const struct gg_field *field)
{
    uint8_t *raw = gg_arena_take(arena, field->most * 2);
    for (uint64_t i = 0; i < field->most; i++) {
        memcpy(raw + i * 2, "\xa1t", 2);
    }
    return (struct gg_list){.raw = gg_slice_of(raw, field->most * 2),
                            .count = (uint32_t)field->most};
}

void gg_any_fill_most(struct gg_arena *arena, struct gg_rng *rng, enum gg_record_id id,
                      void *record)
{
    const struct gg_record *type = gg_record_of(id);
    gg_record_default(id, record);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        void *member = (char *)record + field->offset;
        if (field->kind == GG_FIELD_TEXTS) {
            *(struct gg_list *)member = full_texts(arena, field);
        } else if (field->kind >= GG_FIELD_TEXT && field->kind <= GG_FIELD_BLOB) {
            *(struct gg_slice *)member = gg_slice_text("t");
        } else if (field->kind < GG_FIELD_NUMS) {
            any_value(arena, rng, field, member);
        }
    }
}

/* ---- comparing ---- */

static bool equal(const struct gg_field *field, const void *a, const void *b)
{
    const struct gg_list *list_a = a;
    const struct gg_list *list_b = b;
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case GG_FIELD_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case GG_FIELD_ID:
        return gg_id_equal(a, b);
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
    case GG_FIELD_BYTES:
    case GG_FIELD_BLOB:
        return gg_slice_equal(*(const struct gg_slice *)a, *(const struct gg_slice *)b);
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        return list_a->count == list_b->count &&
               gg_slice_equal(list_a->raw, list_b->raw);
    }
    GG_BUG("unknown kind of field");
}

const struct gg_field *gg_any_differ(enum gg_record_id id, const void *a, const void *b)
{
    const struct gg_record *type = gg_record_of(id);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        if (!equal(field, (const char *)a + field->offset,
                   (const char *)b + field->offset)) {
            return field;
        }
    }
    return NULL;
}

/* ---- one field by hand ---- */

static void copy_others(struct gg_buf *out, struct gg_slice packed, uint64_t number)
{
    struct gg_reader reader = gg_reader_of(packed);
    struct gg_token map;
    GG_ASSERT(gg_reader_next(&reader, &map));
    for (uint64_t i = 0; i < map.value; i++) {
        const uint8_t *start = reader.at;
        struct gg_token key;
        GG_ASSERT(gg_reader_next(&reader, &key) && gg_reader_skip(&reader));
        if (key.value != number) {
            gg_buf_append(out, start, (size_t)(reader.at - start));
        }
    }
}

/* How many fields of the packed record are not `number`. */
static uint32_t count_others(struct gg_slice packed, uint64_t number)
{
    struct gg_reader reader = gg_reader_of(packed);
    struct gg_token map;
    uint32_t count = 0;
    GG_ASSERT(gg_reader_next(&reader, &map));
    for (uint64_t i = 0; i < map.value; i++) {
        struct gg_token key;
        GG_ASSERT(gg_reader_next(&reader, &key) && gg_reader_skip(&reader));
        count += key.value != number;
    }
    return count;
}

void gg_any_write_with(struct gg_buf *out, enum gg_record_id id, const void *record,
                       uint64_t number, struct gg_slice raw)
{
    struct gg_buf packed;
    gg_buf_init(&packed, SIZE_MAX / 2);
    gg_record_write(&packed, id, record, NULL);
    uint32_t count = count_others(gg_buf_slice(&packed), number) + (raw.len > 0);
    const uint8_t head[] = {0xde, (uint8_t)(count >> 8), (uint8_t)count};
    gg_buf_append(out, head, sizeof head);
    copy_others(out, gg_buf_slice(&packed), number);
    if (raw.len > 0) {
        gg_num_write(out, number);
        gg_buf_append(out, raw.data, raw.len);
    }
    gg_buf_fini(&packed);
}
