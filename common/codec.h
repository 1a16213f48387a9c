/* codec.h - messages and commands to bytes and back: bounded, in place, no allocation.
 *
 * A message is one frame, or two: a header of 32 bytes, then a MessagePack array of
 * commands; a BLOB too large to stand inline is the second frame.
 *
 *   0  magic 0x4747   2  version   3  type   4  flags (u16)   6  reserved (u16)
 *   8  session (u64)  16  sequence (u64)    24  acknowledged (u64)      big-endian
 *
 * Rules of growth: a flag from bit 8 up, and a field number from GG_MUST_UNDERSTAND up,
 * must be understood or the message, or command, is refused; lower ones are skipped.
 */
#ifndef GG_COMMON_CODEC_H
#define GG_COMMON_CODEC_H

#include "common/command.h"
#include "common/wire.h"

enum {
    GG_PROTOCOL_VERSION = 1,
    GG_HEADER_BYTES = 32,
    GG_HEADER_MAGIC = 0x4747,
    GG_INLINE_BYTES_MAX = 16384, /* A longer BLOB travels as the second frame. */
    GG_COMMANDS_MAX = 4096,      /* Commands in one message. */
    GG_FLAGS_MUST_UNDERSTAND = 0xff00,
};

enum gg_message_type {
    GG_MESSAGE_HELLO = 1,    /* Its one command is hello. */
    GG_MESSAGE_WELCOME = 2,  /* … welcome. */
    GG_MESSAGE_RESET = 3,    /* … reset. */
    GG_MESSAGE_COMMANDS = 4, /* Any other commands, in a session. */
};

struct gg_header {
    uint8_t version;
    uint8_t type; /* enum gg_message_type */
    uint16_t flags;
    uint64_t session;  /* Chosen at random by the peer in its hello; never 0. */
    uint64_t sequence; /* Messages sent in this session, this one included. */
    uint64_t acked;    /* Highest sequence received and dealt with. */
};

/* What is wrong with something received, for the `error` that answers it. */
struct gg_fault {
    enum gg_err err;
    const char *what;  /* A sentence, static. */
    const char *field; /* Name of the field, static; NULL where it is none. */
    uint64_t request;  /* Of the command, where it could be read. */
    uint64_t code;     /* Of the command, where it could be read. */
};

/* Write a header into the first 32 bytes of `out`. */
void gg_header_write(const struct gg_header *header, uint8_t out[GG_HEADER_BYTES]);

/* Read a header. GG_ERR_BAD_MESSAGE: too short or not ours; the version is not
 * judged. */
GG_MUST_USE enum gg_err gg_header_read(struct gg_slice frame, struct gg_header *out);

/* A message being read. */
struct gg_message {
    struct gg_header header;
    struct gg_reader reader;
    struct gg_slice attachment; /* Second frame; data NULL when there is none. */
    uint32_t left;              /* Commands still to be read. */
    bool attachment_taken;
};

/* Begin to read a message. `attachment.data` is NULL when there is one frame only.
 * Checks the header and that the body is an array; the commands in it are checked,
 * within the bounds of wire.h, as they are read. Everything read points into `frame`
 * and `attachment`. On error *out_fault says what. */
GG_MUST_USE enum gg_err gg_message_open(struct gg_slice frame,
                                        struct gg_slice attachment,
                                        struct gg_message *out_message,
                                        struct gg_fault *out_fault);

/* Read the next command. True: *out_fault.err is GG_OK and *out_command is filled
 * in, or the fault says why that one command is refused; go on either way. False: no
 * more. The last one is refused where bytes follow it, and one whose end cannot be
 * found is the last. */
bool gg_message_next(struct gg_message *message, struct gg_command *out_command,
                     struct gg_fault *out_fault);

/* What stands before the commands of a message: the header and the array's head, always
 * in its longest form, so that room can be left for it and filled in at the end. */
enum { GG_PREFIX_BYTES = GG_HEADER_BYTES + 5 };
void gg_prefix_write(const struct gg_header *header, uint32_t count,
                     uint8_t out[GG_PREFIX_BYTES]);

/* Append one command; `record` is the struct of the code's record. A BLOB longer
 * than GG_INLINE_BYTES_MAX is written as true and lent in *out_attachment, unless
 * that is NULL or in use (data not NULL): then it stands inline. Look at out->failed
 * at the end. */
void gg_command_write(struct gg_buf *out, enum gg_command_code code, uint64_t request,
                      const void *record, struct gg_slice *out_attachment);

/* Fill *record with the defaults of its fields. */
void gg_record_default(enum gg_record_id id, void *record);

/* Append one record as an entry of an array field. */
void gg_record_write(struct gg_buf *out, enum gg_record_id id, const void *record,
                     struct gg_slice *out_attachment);

/* Append an entry of a NUMS or TEXTS field. */
void gg_num_write(struct gg_buf *out, uint64_t value);
void gg_text_write(struct gg_buf *out, struct gg_slice text);

/* Take the next entry of an array field off the front of `list`. False at its end,
 * or where the entry is not what the field's kind says; for records *out_fault says
 * what. */
bool gg_list_next_record(struct gg_list *list, enum gg_record_id id, void *out_record,
                         struct gg_fault *out_fault);
bool gg_list_next_num(struct gg_list *list, uint64_t *out_value);
bool gg_list_next_text(struct gg_list *list, struct gg_slice *out_text);

/* Read one record that fills all of `bytes`, as written by gg_record_write(). */
GG_MUST_USE enum gg_err gg_record_read(struct gg_slice bytes, enum gg_record_id id,
                                       void *out_record, struct gg_fault *out_fault);

#endif
