#include "common/codec.h"

#include "common/read.h"

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

enum gg_err gg_message_open(struct gg_slice frame, struct gg_slice attachment,
                            struct gg_message *out_message, struct gg_fault *out_fault)
{
    struct gg_message message = {.attachment = attachment};
    *out_fault = (struct gg_fault){.err = GG_OK};
    if (gg_header_read(frame, &message.header) != GG_OK) {
        return gg_fault_bad(out_fault, "the frame does not begin with a Ganger header",
                            NULL);
    }
    if (message.header.version != GG_PROTOCOL_VERSION) {
        return gg_fault_say(out_fault, GG_ERR_VERSION, "the protocol version is not 1",
                            NULL);
    }
    if ((message.header.flags & GG_FLAGS_MUST_UNDERSTAND) != 0) {
        return gg_fault_say(out_fault, GG_ERR_NOT_UNDERSTOOD,
                            "a flag that must be understood is not known", NULL);
    }
    struct gg_slice body = gg_slice_of(frame.data + GG_HEADER_BYTES,
                                       frame.len - GG_HEADER_BYTES);
    message.reader = gg_reader_of(body);
    uint64_t commands = 0;
    if (!gg_reader_open(&message.reader, GG_WIRE_ARRAY, &commands)) {
        return gg_fault_bad(out_fault, "the body is not an array of commands", NULL);
    }
    if (commands > GG_COMMANDS_MAX) {
        return gg_fault_say(out_fault, GG_ERR_TOO_MANY,
                            "too many commands in a message", NULL);
    }
    size_t room = (size_t)(message.reader.end - message.reader.at);
    if (commands > room || (commands == 0 && room > 0)) {
        return gg_fault_bad(out_fault, "the array of commands is not the whole body",
                            NULL);
    }
    message.left = (uint32_t)commands;
    *out_message = message;
    return GG_OK;
}

/* The command at the reader, which ends up anywhere inside it when it is bad. */
static enum gg_err read_command(struct gg_message *message, struct gg_command *out,
                                struct gg_fault *out_fault)
{
    uint64_t entries = 0;
    struct gg_token code;
    struct gg_token request;
    struct gg_reader *reader = &message->reader;
    if (!gg_reader_open(reader, GG_WIRE_ARRAY, &entries) || entries != 3 ||
        !gg_reader_next(reader, &code) || code.kind != GG_WIRE_UINT ||
        !gg_reader_next(reader, &request) || request.kind != GG_WIRE_UINT) {
        return gg_fault_bad(out_fault, "a command is not [code, request, record]",
                            NULL);
    }
    out_fault->request = request.value;
    out_fault->code = code.value;
    const struct gg_command_type *type = gg_command_type_of(code.value);
    if (type == NULL) {
        return gg_fault_say(out_fault, GG_ERR_UNKNOWN_COMMAND,
                            "there is no such command", NULL);
    }
    out->code = (uint16_t)code.value;
    out->request = request.value;
    struct gg_source source = {.attachment = message->attachment,
                               .taken = message->attachment_taken};
    enum gg_err err = gg_read_record(type->record, reader, &source, &out->as,
                                     out_fault);
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
    struct gg_reader *reader = &message->reader;
    struct gg_reader start = *reader;
    enum gg_err err = read_command(message, out_command, out_fault);
    if (err == GG_OK && message->left == 0 && reader->at != reader->end) {
        err = gg_fault_bad(out_fault, "there are bytes behind the last command", NULL);
    }
    if (err != GG_OK) {
        /* One bad command never fails its neighbours: go to where the next begins.
         * Where that cannot be found, what is behind is lost with it. */
        *reader = start;
        if (!gg_reader_skip(reader) || message->left == 0) {
            reader->at = reader->end;
            message->left = 0;
        }
    }
    return true;
}
