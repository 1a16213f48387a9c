#include "common/codec.h"

#include "common/assert.h"
#include "common/name.h"

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put64(uint8_t *at, uint64_t value)
{
    uint64_t big = __builtin_bswap64(value);
    memcpy(at, &big, sizeof big);
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t big = 0;
    memcpy(&big, at, sizeof big);
    return __builtin_bswap64(big);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "put64 and get64 swap bytes");

void gg_header_write(const struct gg_header *header, uint8_t out[GG_HEADER_BYTES])
{
    put16(out, GG_HEADER_MAGIC);
    out[2] = header->version;
    out[3] = header->type;
    put16(out + 4, header->flags);
    put16(out + 6, 0);
    put64(out + 8, header->session);
    put64(out + 16, header->sequence);
    put64(out + 24, header->acked);
}

void gg_prefix_write(const struct gg_header *header, uint32_t count,
                     uint8_t out[GG_PREFIX_BYTES])
{
    gg_header_write(header, out);
    out[GG_HEADER_BYTES] = 0xdd; /* array 32 */
    put16(out + GG_HEADER_BYTES + 1, (uint16_t)(count >> 16));
    put16(out + GG_HEADER_BYTES + 3, (uint16_t)count);
}

enum gg_err gg_header_read(struct gg_slice frame, struct gg_header *out)
{
    if (frame.len < GG_HEADER_BYTES || frame.data[0] != GG_HEADER_MAGIC >> 8 ||
        frame.data[1] != (GG_HEADER_MAGIC & 0xff)) {
        return GG_ERR_BAD_MESSAGE;
    }
    *out = (struct gg_header){
        .version = frame.data[2],
        .type = frame.data[3],
        .flags = (uint16_t)(frame.data[4] << 8 | frame.data[5]),
        .session = get64(frame.data + 8),
        .sequence = get64(frame.data + 16),
        .acked = get64(frame.data + 24),
    };
    return GG_OK;
}

static enum gg_err fault(struct gg_fault *out, enum gg_err err, const char *what,
                         const char *field)
{
    out->err = err;
    out->what = what;
    out->field = field;
    return err;
}

static enum gg_err bad(struct gg_fault *out, const char *what, const char *field)
{
    return fault(out, GG_ERR_BAD_MESSAGE, what, field);
}

/* ---- reading ---- */

/* Number, and its bounds. */
static enum gg_err take_number(const struct gg_field *field,
                               const struct gg_token *token, uint64_t *out,
                               struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_UINT) {
        return bad(out_fault, "the field is not an unsigned integer", field->name);
    }
    if (token->value < field->least || token->value > field->most) {
        return fault(out_fault, GG_ERR_BAD_FIELD, "the number is out of bounds",
                     field->name);
    }
    *out = token->value;
    return GG_OK;
}

static enum gg_err check_length(const struct gg_field *field, struct gg_slice bytes,
                                struct gg_fault *out_fault)
{
    if (bytes.len > field->most) {
        return fault(out_fault, GG_ERR_TOO_LARGE, "the field is too long", field->name);
    }
    if (bytes.len < field->least) {
        return bad(out_fault, "the field is empty", field->name);
    }
    return GG_OK;
}

static enum gg_err take_text(const struct gg_field *field, const struct gg_token *token,
                             struct gg_slice *out, struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_STR) {
        return bad(out_fault, "the field is not a string", field->name);
    }
    enum gg_err err = check_length(field, token->raw, out_fault);
    if (err != GG_OK) {
        return err;
    }
    bool valid = field->kind == GG_FIELD_TEXT   ? gg_utf8_valid(token->raw)
                 : field->kind == GG_FIELD_NAME ? gg_name_valid(token->raw)
                                                : gg_pattern_valid(token->raw);
    if (!valid && (token->raw.len > 0 || field->least > 0)) {
        return fault(out_fault, GG_ERR_BAD_NAME, "the text is not valid here",
                     field->name);
    }
    *out = token->raw;
    return GG_OK;
}

static enum gg_err take_bytes(const struct gg_field *field,
                              const struct gg_token *token, struct gg_slice *out,
                              struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BIN) {
        return bad(out_fault, "the field is not a byte string", field->name);
    }
    *out = token->raw;
    return check_length(field, token->raw, out_fault);
}

static enum gg_err take_id(const struct gg_field *field, const struct gg_token *token,
                           struct gg_id *out, struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BIN || token->raw.len != GG_ID_BYTES) {
        return bad(out_fault, "the field is not an id of 16 bytes", field->name);
    }
    memcpy(out->bytes, token->raw.data, GG_ID_BYTES);
    if (field->least > 0 && gg_id_is_none(out)) {
        return fault(out_fault, GG_ERR_BAD_FIELD, "the id is all zeros", field->name);
    }
    return GG_OK;
}

/* An array stays packed; its entries are looked at when they are taken. */
static enum gg_err take_list(const struct gg_field *field, const struct gg_token *token,
                             struct gg_reader *reader, struct gg_list *out,
                             struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_ARRAY) {
        return bad(out_fault, "the field is not an array", field->name);
    }
    if (token->value > field->most || token->value < field->least) {
        return fault(out_fault, GG_ERR_TOO_MANY, "the array has a wrong length",
                     field->name);
    }
    const uint8_t *start = reader->at;
    for (uint64_t i = 0; i < token->value; i++) {
        if (!gg_reader_skip(reader)) {
            return bad(out_fault, "the array ends early", field->name);
        }
    }
    out->raw = gg_slice_of(start, (size_t)(reader->at - start));
    out->count = (uint32_t)token->value;
    return GG_OK;
}

/* Where a BLOB that is written as `true` comes from. */
struct source {
    struct gg_slice attachment;
    bool taken;
};

static enum gg_err take_blob(const struct gg_field *field, const struct gg_token *token,
                             struct source *source, struct gg_slice *out,
                             struct gg_fault *out_fault)
{
    if (token->kind != GG_WIRE_BOOL) {
        return take_bytes(field, token, out, out_fault);
    }
    if (token->value == 0 || source->attachment.data == NULL || source->taken) {
        return bad(out_fault, "there is no second frame for the field", field->name);
    }
    source->taken = true;
    *out = source->attachment;
    return GG_OK;
}

/* One value into its member: a flat switch over the kinds. */
static enum gg_err take_value(const struct gg_field *field, struct gg_reader *reader,
                              struct source *source, void *member,
                              struct gg_fault *out_fault)
{
    struct gg_token token;
    if (!gg_reader_next(reader, &token)) {
        return bad(out_fault, "the record ends early", field->name);
    }
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_U:
        return take_number(field, &token, member, out_fault);
    case GG_FIELD_BOOL:
        if (token.kind != GG_WIRE_BOOL) {
            return bad(out_fault, "the field is not a boolean", field->name);
        }
        *(bool *)member = token.value != 0;
        return GG_OK;
    case GG_FIELD_ID:
        return take_id(field, &token, member, out_fault);
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
        return take_text(field, &token, member, out_fault);
    case GG_FIELD_BYTES:
        return take_bytes(field, &token, member, out_fault);
    case GG_FIELD_BLOB:
        return take_blob(field, &token, source, member, out_fault);
    case GG_FIELD_NUMS:
    case GG_FIELD_TEXTS:
    case GG_FIELD_RECORDS:
        return take_list(field, &token, reader, member, out_fault);
    }
    GG_BUG("unknown kind of field");
}

void gg_record_default(enum gg_record_id id, void *record)
{
    const struct gg_record *type = gg_record_of(id);
    memcpy(record, type->defaults, type->bytes);
}

/* One entry of the map: a field of ours, one to skip, or one to refuse. */
static enum gg_err read_field(const struct gg_record *type, struct gg_reader *reader,
                              struct source *source, uint64_t *seen, void *record,
                              struct gg_fault *out_fault)
{
    struct gg_token number;
    if (!gg_reader_next(reader, &number) || number.kind != GG_WIRE_UINT ||
        number.value == 0) {
        return bad(out_fault, "a field number is not a positive integer", NULL);
    }
    if (number.value > type->count) {
        if (number.value >= GG_MUST_UNDERSTAND) {
            return fault(out_fault, GG_ERR_NOT_UNDERSTOOD,
                         "a field that must be understood is not known", NULL);
        }
        return gg_reader_skip(reader) ? GG_OK
                                      : bad(out_fault, "the record ends early", NULL);
    }
    const struct gg_field *field = &type->fields[number.value - 1];
    uint64_t bit = UINT64_C(1) << number.value;
    if ((*seen & bit) != 0) {
        return bad(out_fault, "the field is there twice", field->name);
    }
    *seen |= bit;
    return take_value(field, reader, source, (char *)record + field->offset, out_fault);
}

static enum gg_err read_record(enum gg_record_id id, struct gg_reader *reader,
                               struct source *source, void *record,
                               struct gg_fault *out_fault)
{
    const struct gg_record *type = gg_record_of(id);
    memcpy(record, type->defaults, type->bytes);
    struct gg_token map;
    if (!gg_reader_next(reader, &map) || map.kind != GG_WIRE_MAP) {
        return bad(out_fault, "the record is not a map", NULL);
    }
    uint64_t seen = 0;
    for (uint64_t i = 0; i < map.value; i++) {
        enum gg_err err = read_field(type, reader, source, &seen, record, out_fault);
        if (err != GG_OK) {
            return err;
        }
    }
    uint64_t missing = type->required & ~seen;
    if (missing != 0) {
        return bad(out_fault, "the field is missing",
                   type->fields[__builtin_ctzll(missing) - 1].name);
    }
    return GG_OK;
}

enum gg_err gg_message_open(struct gg_slice frame, struct gg_slice attachment,
                            struct gg_message *out_message, struct gg_fault *out_fault)
{
    struct gg_message message = {.attachment = attachment};
    *out_fault = (struct gg_fault){.err = GG_OK};
    if (gg_header_read(frame, &message.header) != GG_OK) {
        return bad(out_fault, "the frame does not begin with a Ganger header", NULL);
    }
    if (message.header.version != GG_PROTOCOL_VERSION) {
        return fault(out_fault, GG_ERR_VERSION, "the protocol version is not 1", NULL);
    }
    if ((message.header.flags & GG_FLAGS_MUST_UNDERSTAND) != 0) {
        return fault(out_fault, GG_ERR_NOT_UNDERSTOOD,
                     "a flag that must be understood is not known", NULL);
    }
    struct gg_slice body = gg_slice_of(frame.data + GG_HEADER_BYTES,
                                       frame.len - GG_HEADER_BYTES);
    message.reader = gg_reader_of(body);
    struct gg_token array;
    if (!gg_wire_check(body) || !gg_reader_next(&message.reader, &array) ||
        array.kind != GG_WIRE_ARRAY) {
        return bad(out_fault, "the body is not a bounded array of commands", NULL);
    }
    if (array.value > GG_COMMANDS_MAX) {
        return fault(out_fault, GG_ERR_TOO_MANY, "too many commands in a message",
                     NULL);
    }
    message.left = (uint32_t)array.value;
    *out_message = message;
    return GG_OK;
}

/* The command at the reader, which ends up anywhere inside it when it is bad. */
static enum gg_err read_command(struct gg_message *message, struct gg_command *out,
                                struct gg_fault *out_fault)
{
    struct gg_token array;
    struct gg_token code;
    struct gg_token request;
    struct gg_reader *reader = &message->reader;
    if (!gg_reader_next(reader, &array) || array.kind != GG_WIRE_ARRAY ||
        array.value != 3 || !gg_reader_next(reader, &code) ||
        code.kind != GG_WIRE_UINT || !gg_reader_next(reader, &request) ||
        request.kind != GG_WIRE_UINT) {
        return bad(out_fault, "a command is not [code, request, record]", NULL);
    }
    out_fault->request = request.value;
    out_fault->code = code.value;
    const struct gg_command_type *type = gg_command_type_of(code.value);
    if (type == NULL) {
        return fault(out_fault, GG_ERR_UNKNOWN_COMMAND, "there is no such command",
                     NULL);
    }
    out->code = (uint16_t)code.value;
    out->request = request.value;
    struct source source = {.attachment = message->attachment,
                            .taken = message->attachment_taken};
    enum gg_err err = read_record(type->record, reader, &source, &out->as, out_fault);
    message->attachment_taken = source.taken;
    return err;
}

bool gg_message_next(struct gg_message *message, struct gg_command *out_command,
                     struct gg_fault *out_fault)
{
    if (message->left == 0) {
        return false;
    }
    message->left--;
    *out_fault = (struct gg_fault){.err = GG_OK};
    struct gg_reader start = message->reader;
    if (read_command(message, out_command, out_fault) != GG_OK) {
        /* One bad command never fails its neighbours: go to where the next begins. */
        message->reader = start;
        if (!gg_reader_skip(&message->reader)) {
            message->left = 0;
        }
    }
    return true;
}

/* ---- lists ---- */

static struct gg_reader list_reader(const struct gg_list *list)
{
    return gg_reader_of(list->raw);
}

static void list_advance(struct gg_list *list, const struct gg_reader *reader)
{
    list->raw = gg_slice_of(reader->at, (size_t)(reader->end - reader->at));
    list->count--;
}

bool gg_list_next_record(struct gg_list *list, enum gg_record_id id, void *out_record,
                         struct gg_fault *out_fault)
{
    *out_fault = (struct gg_fault){.err = GG_OK};
    if (list->count == 0) {
        return false;
    }
    struct gg_reader reader = list_reader(list);
    struct source source = {0};
    if (read_record(id, &reader, &source, out_record, out_fault) != GG_OK) {
        return false;
    }
    list_advance(list, &reader);
    return true;
}

bool gg_list_next_num(struct gg_list *list, uint64_t *out_value)
{
    struct gg_token token;
    struct gg_reader reader = list_reader(list);
    if (list->count == 0 || !gg_reader_next(&reader, &token) ||
        token.kind != GG_WIRE_UINT) {
        return false;
    }
    *out_value = token.value;
    list_advance(list, &reader);
    return true;
}

bool gg_list_next_text(struct gg_list *list, struct gg_slice *out_text)
{
    struct gg_token token;
    struct gg_reader reader = list_reader(list);
    if (list->count == 0 || !gg_reader_next(&reader, &token) ||
        token.kind != GG_WIRE_STR || !gg_utf8_valid(token.raw)) {
        return false;
    }
    *out_text = token.raw;
    list_advance(list, &reader);
    return true;
}

enum gg_err gg_record_read(struct gg_slice bytes, enum gg_record_id id,
                           void *out_record, struct gg_fault *out_fault)
{
    *out_fault = (struct gg_fault){.err = GG_OK};
    struct gg_reader reader = gg_reader_of(bytes);
    struct source source = {0};
    if (!gg_wire_check(bytes)) {
        return bad(out_fault, "the bytes are not one bounded value", NULL);
    }
    return read_record(id, &reader, &source, out_record, out_fault);
}
