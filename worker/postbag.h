/* postbag.h - commands on their way out, gathered into messages. Pure.
 *
 * What a pass of the loop has to say goes into as few messages as possible: a command
 * is appended to the last message until that is full. At most one large BLOB a message,
 * as its second frame. Buffers of messages that have left are used again.
 */
#ifndef GG_WORKER_POSTBAG_H
#define GG_WORKER_POSTBAG_H

#include "common/codec.h"
#include "common/list.h"

enum {
    GG_POSTBAG_MESSAGE_BYTES = 131072,       /* A message is full at this size. */
    GG_POSTBAG_BYTES_MAX = 1 << 30,          /* Beyond this a command is not taken. */
    GG_POSTBAG_OPTIONAL_BYTES_MAX = 4 << 20, /* Progress and partial output: less. */
};

struct gg_postbag {
    struct gg_link messages;
    struct gg_link spare;
    uint32_t spare_count;
    uint64_t session;
    uint64_t next_sequence;
    size_t bytes; /* In all messages, attachments included. */
    bool failed;  /* Something did not fit: the session is not whole any more. */
};

void gg_postbag_init(struct gg_postbag *postbag);
void gg_postbag_fini(struct gg_postbag *postbag);

/* Forget everything and number messages from 1, for a new session. */
void gg_postbag_reset(struct gg_postbag *postbag, uint64_t session);

/* Append a command. `blob` is what the record's BLOB field lends from, or NULL; a
 * reference is kept where it becomes the second frame. Returns the sequence number of
 * the message it went into; 0 without memory (then postbag->failed). */
uint64_t gg_postbag_add(struct gg_postbag *postbag, enum gg_command_code code,
                        uint64_t request, const void *record, struct gg_blob *blob);

/* May something that can be left out still be added? */
static inline bool gg_postbag_has_room(const struct gg_postbag *postbag)
{
    return postbag->bytes < GG_POSTBAG_OPTIONAL_BYTES_MAX;
}

/* The message to send next, its header filled in; false when there is none. Valid until
 * the next call on the postbag. `out_attachment->data` is NULL for one frame. */
bool gg_postbag_front(struct gg_postbag *postbag, uint64_t acked,
                      struct gg_slice *out_frame, struct gg_blob **out_attachment);

/* The message of gg_postbag_front() has been sent. */
void gg_postbag_pop(struct gg_postbag *postbag);

#endif
