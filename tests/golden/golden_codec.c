/* golden_codec.c - the vectors beside this file: their bytes decode to their text, and
 * their text encodes to their bytes. README.md describes the files. */
#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/lib/any_record.h"

enum { FILES_MIN = 43, LINE_BYTES = 8192, FRAME_BYTES_MAX = 1 << 20 };

/* One file, as it stands. */
struct vector {
    const char *path;
    struct gg_buf frame;
    struct gg_buf second;
    bool has_second;
    bool encode;
    json_t *header;
    json_t *commands; /* Array of commands and faults, in order. */
};

static glob_t files;

/* ---- reading a file ---- */

static unsigned hex_digit(const struct vector *v, char c)
{
    if (!isxdigit((unsigned char)c)) {
        fail_msg("%s: '%c' is not a hex digit", v->path, c);
    }
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* "4747 01 61*300 ; comment": hex digits, a byte repeated, a comment. */
static void read_hex(const struct vector *v, const char *text, struct gg_buf *out)
{
    while (*text != '\0' && *text != ';') {
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        if (*text == '*') {
            char *rest = NULL;
            assert_true(out->len > 0);
            unsigned long count = strtoul(text + 1, &rest, 10);
            for (uint8_t byte = out->data[out->len - 1]; count > 1; count--) {
                gg_buf_append(out, &byte, 1);
            }
            text = rest;
            continue;
        }
        uint8_t byte = (uint8_t)(hex_digit(v, text[0]) << 4 | hex_digit(v, text[1]));
        gg_buf_append(out, &byte, 1);
        text += 2;
    }
    assert_false(out->failed);
}

static json_t *read_json(const struct vector *v, const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        fail_msg("%s: %s: %s", v->path, error.text, text);
    }
    return json;
}

/* The text after `name`, where the line begins with it; else NULL. */
static const char *after(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 ? line + len : NULL;
}

static void read_line(struct vector *v, const char *line, struct gg_buf **hex)
{
    const char *rest;
    if (line[0] == '#' || line[0] == '\n') {
        return;
    }
    if (line[0] == ' ' && *hex != NULL) {
        read_hex(v, line, *hex);
    } else if (after(line, "frame:") != NULL) {
        *hex = &v->frame;
    } else if (after(line, "second frame:") != NULL) {
        *hex = &v->second;
        v->has_second = true;
    } else if (after(line, "decode only") != NULL) {
        v->encode = false;
    } else if ((rest = after(line, "header: ")) != NULL) {
        v->header = read_json(v, rest);
    } else if ((rest = after(line, "command: ")) != NULL ||
               (rest = after(line, "fault: ")) != NULL) {
        assert_int_equal(json_array_append_new(v->commands, read_json(v, rest)), 0);
    } else {
        fail_msg("%s: what is '%s'?", v->path, line);
    }
}

static void open_vector(struct vector *v, const char *path)
{
    *v = (struct vector){.path = path, .encode = true, .commands = json_array()};
    gg_buf_init(&v->frame, FRAME_BYTES_MAX);
    gg_buf_init(&v->second, FRAME_BYTES_MAX);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct gg_buf *hex = NULL;
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, file) != NULL) {
        assert_non_null(strchr(line, '\n')); /* Else the line is too long. */
        read_line(v, line, &hex);
    }
    assert_int_equal(fclose(file), 0);
    assert_non_null(v->header);
}

static void close_vector(struct vector *v)
{
    gg_buf_fini(&v->frame);
    gg_buf_fini(&v->second);
    json_decref(v->header);
    json_decref(v->commands);
}

/* ---- bytes to text ---- */

static json_t *text_of(struct gg_slice text)
{
    return json_stringn(text.len == 0 ? "" : (const char *)text.data, text.len);
}

/* Hex, as the files write it: many equal bytes in a row as one and a count. */
static json_t *hex_of(struct gg_slice bytes)
{
    struct gg_buf text;
    gg_buf_init(&text, FRAME_BYTES_MAX * 2);
    for (size_t i = 0; i < bytes.len;) {
        size_t run = 1;
        while (i + run < bytes.len && bytes.data[i + run] == bytes.data[i]) {
            run++;
        }
        run = run < 20 ? 1 : run;
        char piece[32];
        (void)snprintf(piece, sizeof piece, run == 1 ? "%02x" : "%02x*%zu",
                       bytes.data[i], run);
        gg_buf_append(&text, piece, strlen(piece));
        i += run;
    }
    json_t *json = text_of(gg_buf_slice(&text));
    gg_buf_fini(&text);
    return json;
}

static json_t *record_to_json(enum gg_record_id id, const void *record);

static json_t *list_to_json(const struct gg_field *field, const struct gg_list *from)
{
    struct gg_list list = *from;
    json_t *array = json_array();
    for (uint32_t left = list.count; left > 0; left--) {
        union gg_any_record entry;
        struct gg_fault fault;
        struct gg_slice text;
        uint64_t number;
        if (field->kind == GG_FIELD_NUMS) {
            assert_true(gg_list_next_num(&list, &number));
            (void)json_array_append_new(array, json_integer((json_int_t)number));
        } else if (field->kind == GG_FIELD_TEXTS) {
            assert_true(gg_list_next_text(&list, &text));
            (void)json_array_append_new(array, text_of(text));
        } else {
            enum gg_record_id id = (enum gg_record_id)field->record;
            assert_true(gg_list_next_record(&list, id, &entry, &fault));
            (void)json_array_append_new(array, record_to_json(id, &entry));
        }
    }
    return array;
}

static json_t *value_to_json(const struct gg_field *field, const void *member)
{
    const struct gg_slice *slice = member;
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        return json_integer((json_int_t) * (const uint64_t *)member);
    case GG_FIELD_BOOL:
        return json_boolean(*(const bool *)member);
    case GG_FIELD_ID:
        return hex_of(gg_slice_of(member, GG_ID_BYTES));
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        return text_of(*slice);
    case GG_FIELD_BYTES:
    case GG_FIELD_BLOB:
        return hex_of(*slice);
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        return list_to_json(field, member);
    }
    fail_msg("a kind of field without a text form");
    return NULL;
}

/* Fields that have their default are left out, as they are on the wire. */
static json_t *record_to_json(enum gg_record_id id, const void *record)
{
    const struct gg_record *type = gg_record_of(id);
    json_t *json = json_object();
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        union gg_any_record plain;
        gg_record_default(id, &plain);
        const void *member = (const char *)record + field->offset;
        const void *fallback = (const char *)&plain + field->offset;
        json_t *value = value_to_json(field, member);
        json_t *unsaid = value_to_json(field, fallback);
        assert_non_null(value);
        if (!json_equal(value, unsaid)) {
            (void)json_object_set(json, field->name, value);
        }
        json_decref(value);
        json_decref(unsaid);
    }
    return json;
}

static json_t *command_to_json(const struct gg_command *command)
{
    const struct gg_command_type *type = gg_command_type_of(command->code);
    return json_pack("{s:s,s:I,s:o}", "command", type->name, "request",
                     (json_int_t)command->request, "record",
                     record_to_json((enum gg_record_id)type->record, &command->as));
}

static json_t *fault_to_json(const struct gg_fault *fault)
{
    json_t *json = json_pack("{s:s,s:I}", "error", gg_err_name(fault->err), "request",
                             (json_int_t)fault->request);
    if (fault->field != NULL) {
        (void)json_object_set_new(json, "field", json_string(fault->field));
    }
    return json;
}

static json_t *header_to_json(const struct gg_header *header)
{
    char session[17];
    (void)snprintf(session, sizeof session, "%016llx",
                   (unsigned long long)header->session);
    return json_pack("{s:i,s:i,s:i,s:s,s:I,s:I}", "version", header->version, "type",
                     header->type, "flags", header->flags, "session", session,
                     "sequence", (json_int_t)header->sequence, "acked",
                     (json_int_t)header->acked);
}

/* `got` becomes this function's. */
static void expect_same(const struct vector *v, json_t *got, const json_t *expected)
{
    if (!json_equal(got, expected)) {
        char *got_text = json_dumps(got, JSON_SORT_KEYS);
        char *text = json_dumps(expected, JSON_SORT_KEYS);
        fail_msg("%s:\n  the bytes say %s\n  the text says %s", v->path, got_text,
                 text);
    }
    json_decref(got);
}

static void decode(const struct vector *v)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    struct gg_header header;
    struct gg_slice second = {0};
    if (v->has_second) { /* A frame without bytes is a frame too. */
        second = v->second.len > 0 ? gg_buf_slice(&v->second) : gg_slice_text("");
    }
    json_t *commands = json_array();
    assert_int_equal(gg_header_read(gg_buf_slice(&v->frame), &header), GG_OK);
    expect_same(v, header_to_json(&header), v->header);
    if (gg_message_open(gg_buf_slice(&v->frame), second, &message, &fault) != GG_OK) {
        (void)json_array_append_new(commands, fault_to_json(&fault));
        message.left = 0;
    }
    while (gg_message_next(&message, &command, &fault)) {
        (void)json_array_append_new(commands, fault.err == GG_OK
                                                  ? command_to_json(&command)
                                                  : fault_to_json(&fault));
    }
    expect_same(v, commands, v->commands);
}

static void bytes_decode_to_their_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vector v;
        open_vector(&v, files.gl_pathv[i]);
        decode(&v);
        close_vector(&v);
    }
}

/* ---- text to bytes ---- */

static void record_from_json(const struct vector *v, struct gg_arena *arena,
                             enum gg_record_id id, const json_t *json, void *record);

static struct gg_slice keep(struct gg_arena *arena, const void *data, size_t len)
{
    void *copy = gg_arena_take(arena, len + 1);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return gg_slice_of(copy, len);
}

static struct gg_slice hex_from_json(const struct vector *v, struct gg_arena *arena,
                                     const json_t *json)
{
    struct gg_buf buf;
    gg_buf_init(&buf, FRAME_BYTES_MAX);
    read_hex(v, json_string_value(json), &buf);
    struct gg_slice bytes = keep(arena, buf.data, buf.len);
    gg_buf_fini(&buf);
    return bytes;
}

static struct gg_slice text_from_json(const json_t *json)
{
    return gg_slice_of(json_string_value(json), json_string_length(json));
}

static struct gg_list list_from_json(const struct vector *v, struct gg_arena *arena,
                                     const struct gg_field *field, const json_t *json)
{
    struct gg_buf buf;
    gg_buf_init(&buf, FRAME_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *entry = json_array_get(json, i);
        if (field->kind == GG_FIELD_NUMS) {
            gg_num_write(&buf, (uint64_t)json_integer_value(entry));
        } else if (field->kind == GG_FIELD_TEXTS) {
            gg_text_write(&buf, text_from_json(entry));
        } else {
            union gg_any_record record;
            enum gg_record_id id = (enum gg_record_id)field->record;
            record_from_json(v, arena, id, entry, &record);
            gg_record_write(&buf, id, &record, NULL);
        }
    }
    struct gg_list list = {.raw = keep(arena, buf.data, buf.len),
                           .count = (uint32_t)json_array_size(json)};
    gg_buf_fini(&buf);
    return list;
}

static void value_from_json(const struct vector *v, struct gg_arena *arena,
                            const struct gg_field *field, const json_t *json,
                            void *member)
{
    struct gg_slice bytes;
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        *(uint64_t *)member = (uint64_t)json_integer_value(json);
        return;
    case GG_FIELD_BOOL:
        *(bool *)member = json_is_true(json);
        return;
    case GG_FIELD_ID:
        bytes = hex_from_json(v, arena, json);
        assert_int_equal(bytes.len, GG_ID_BYTES);
        memcpy(member, bytes.data, GG_ID_BYTES);
        return;
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        *(struct gg_slice *)member = text_from_json(json);
        return;
    case GG_FIELD_BYTES:
    case GG_FIELD_BLOB:
        *(struct gg_slice *)member = hex_from_json(v, arena, json);
        return;
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        *(struct gg_list *)member = list_from_json(v, arena, field, json);
        return;
    }
    fail_msg("a kind of field without a text form");
}

static void record_from_json(const struct vector *v, struct gg_arena *arena,
                             enum gg_record_id id, const json_t *json, void *record)
{
    const struct gg_record *type = gg_record_of(id);
    size_t taken = 0;
    gg_record_default(id, record);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        const json_t *value = json_object_get(json, field->name);
        if (value != NULL) {
            value_from_json(v, arena, field, value, (char *)record + field->offset);
            taken++;
        }
    }
    if (taken != json_object_size(json)) {
        fail_msg("%s: %s has a field that is not in the table", v->path, type->name);
    }
}

static enum gg_command_code code_of(const struct vector *v, const char *name)
{
    for (uint64_t code = 0; code <= GG_CMD_CODE_MAX; code++) {
        const struct gg_command_type *type = gg_command_type_of(code);
        if (type != NULL && strcmp(type->name, name) == 0) {
            return (enum gg_command_code)code;
        }
    }
    fail_msg("%s: there is no command %s", v->path, name);
    return GG_CMD_CODE_MAX;
}

static struct gg_header header_from_json(const json_t *json)
{
    int version = 0;
    int type = 0;
    int flags = 0;
    json_int_t sequence = 0;
    json_int_t acked = 0;
    const char *session = NULL;
    assert_int_equal(json_unpack((json_t *)(uintptr_t)json,
                                 "{s:i,s:i,s:i,s:s,s:I,s:I !}", "version", &version,
                                 "type", &type, "flags", &flags, "session", &session,
                                 "sequence", &sequence, "acked", &acked),
                     0);
    return (struct gg_header){.version = (uint8_t)version,
                              .type = (uint8_t)type,
                              .flags = (uint16_t)flags,
                              .session = strtoull(session, NULL, 16),
                              .sequence = (uint64_t)sequence,
                              .acked = (uint64_t)acked};
}

static void expect_bytes(const struct vector *v, const char *what, struct gg_slice got,
                         struct gg_slice expected)
{
    for (size_t i = 0; i < got.len && i < expected.len; i++) {
        if (got.data[i] != expected.data[i]) {
            fail_msg("%s: byte %zu of the %s is encoded as %02x, not %02x", v->path, i,
                     what, got.data[i], expected.data[i]);
        }
    }
    assert_int_equal(got.len, expected.len);
}

static void encode(const struct vector *v, struct gg_arena *arena)
{
    struct gg_buf frame;
    struct gg_slice second = {0};
    uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_header header = header_from_json(v->header);
    size_t count = json_array_size(v->commands);
    gg_prefix_write(&header, (uint32_t)count, prefix);
    gg_buf_init(&frame, FRAME_BYTES_MAX);
    gg_buf_append(&frame, prefix, sizeof prefix);
    for (size_t i = 0; i < count; i++) {
        const json_t *json = json_array_get(v->commands, i);
        enum gg_command_code code = code_of(
            v, json_string_value(json_object_get(json, "command")));
        enum gg_record_id id = (enum gg_record_id)gg_command_type_of(code)->record;
        union gg_any_record record;
        record_from_json(v, arena, id, json_object_get(json, "record"), &record);
        json_int_t request = json_integer_value(json_object_get(json, "request"));
        gg_command_write(&frame, code, (uint64_t)request, &record, &second);
    }
    assert_false(frame.failed);
    expect_bytes(v, "frame", gg_buf_slice(&frame), gg_buf_slice(&v->frame));
    assert_int_equal(second.data != NULL, v->has_second);
    expect_bytes(v, "second frame", second, gg_buf_slice(&v->second));
    gg_buf_fini(&frame);
}

static void text_encodes_to_its_bytes(void **state)
{
    (void)state;
    size_t encoded = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vector v;
        struct gg_arena arena = {0};
        open_vector(&v, files.gl_pathv[i]);
        if (v.encode) {
            encode(&v, &arena);
            encoded++;
        }
        gg_arena_fini(&arena);
        close_vector(&v);
    }
    assert_true(encoded * 2 > files.gl_pathc);
}

static int find_files(void **state)
{
    (void)state;
    char pattern[4096];
    const char *folder = getenv("GG_GOLDEN_DIR");
    (void)snprintf(pattern, sizeof pattern, "%s/*.txt", folder == NULL ? "." : folder);
    return glob(pattern, 0, NULL, &files) == 0 && files.gl_pathc >= FILES_MIN ? 0 : 1;
}

static int forget_files(void **state)
{
    (void)state;
    globfree(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_decode_to_their_text),
        cmocka_unit_test(text_encodes_to_its_bytes),
    };
    return cmocka_run_group_tests(tests, find_files, forget_files);
}
