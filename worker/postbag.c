#include "worker/postbag.h"

#include <stdlib.h>

#include "common/assert.h"

enum { SPARES_MAX = 8 };

struct message {
    struct gg_link link;
    struct gg_buf body;
    uint32_t count;
    uint64_t sequence;
    uint8_t type; /* enum gg_message_type */
    struct gg_blob *attachment;
};

static struct message *last_of(struct gg_postbag *postbag)
{
    return gg_list_empty(&postbag->messages)
               ? NULL
               : GG_CONTAINER(postbag->messages.prev, struct message, link);
}

void gg_postbag_init(struct gg_postbag *postbag)
{
    *postbag = (struct gg_postbag){.next_sequence = 1};
    gg_list_init(&postbag->messages);
    gg_list_init(&postbag->spare);
}

static void free_message(struct message *message)
{
    gg_list_remove(&message->link);
    gg_buf_fini(&message->body);
    gg_blob_unref(&message->attachment);
    free(message);
}

/* Keep the buffer for the next message, or free it where there are enough. */
static void retire(struct gg_postbag *postbag, struct message *message)
{
    size_t attached = gg_blob_slice(message->attachment).len;
    postbag->bytes -= message->body.len + attached;
    if (postbag->spare_count == SPARES_MAX) {
        free_message(message);
        return;
    }
    gg_list_remove(&message->link);
    gg_blob_unref(&message->attachment);
    gg_list_push_back(&postbag->spare, &message->link);
    postbag->spare_count++;
}

void gg_postbag_fini(struct gg_postbag *postbag)
{
    GG_LIST_EACH(&postbag->messages, it)
    {
        free_message(GG_CONTAINER(it, struct message, link));
    }
    GG_LIST_EACH(&postbag->spare, at)
    {
        free_message(GG_CONTAINER(at, struct message, link));
    }
}

void gg_postbag_reset(struct gg_postbag *postbag, uint64_t session)
{
    GG_LIST_EACH(&postbag->messages, it)
    {
        retire(postbag, GG_CONTAINER(it, struct message, link));
    }
    postbag->session = session;
    postbag->next_sequence = 1;
    postbag->failed = false;
}

static struct message *new_message(struct gg_postbag *postbag)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_link *spare = gg_list_first(&postbag->spare);
    struct message *message = NULL;
    if (spare != NULL) {
        message = GG_CONTAINER(spare, struct message, link);
        gg_list_remove(spare);
        postbag->spare_count--;
        gg_buf_clear(&message->body);
    } else {
        message = calloc(1, sizeof *message);
        if (message == NULL) {
            return NULL;
        }
        gg_buf_init(&message->body, GG_POSTBAG_BYTES_MAX);
    }
    message->count = 0;
    message->type = GG_MESSAGE_COMMANDS;
    gg_buf_append(&message->body, prefix, sizeof prefix);
    if (message->body.failed) {
        gg_buf_fini(&message->body);
        free(message);
        return NULL;
    }
    message->sequence = postbag->next_sequence++;
    postbag->bytes += message->body.len;
    gg_list_push_back(&postbag->messages, &message->link);
    return message;
}

/* The message that the next command goes into. */
static struct message *open_message(struct gg_postbag *postbag,
                                    enum gg_command_code code)
{
    struct message *message = last_of(postbag);
    bool full = message == NULL || message->type != GG_MESSAGE_COMMANDS ||
                message->attachment != NULL || message->count == GG_COMMANDS_MAX ||
                message->body.len >= GG_POSTBAG_MESSAGE_BYTES || code == GG_CMD_HELLO;
    if (!full) {
        return message;
    }
    message = new_message(postbag);
    if (message != NULL && code == GG_CMD_HELLO) {
        message->type = GG_MESSAGE_HELLO;
    }
    return message;
}

uint64_t gg_postbag_add(struct gg_postbag *postbag, enum gg_command_code code,
                        uint64_t request, const void *record, struct gg_blob *blob)
{
    if (postbag->bytes > GG_POSTBAG_BYTES_MAX) {
        postbag->failed = true;
        return 0;
    }
    struct message *message = open_message(postbag, code);
    if (message == NULL) {
        postbag->failed = true;
        return 0;
    }
    struct gg_slice lent = {0};
    size_t before = message->body.len;
    gg_command_write(&message->body, code, request, record,
                     blob != NULL ? &lent : NULL);
    if (message->body.failed) {
        gg_buf_cut(&message->body, before);
        postbag->failed = true;
        return 0;
    }
    message->count++;
    postbag->bytes += message->body.len - before;
    if (lent.data != NULL) {
        message->attachment = gg_blob_ref(blob);
        postbag->bytes += blob->len;
    }
    return message->sequence;
}

bool gg_postbag_front(struct gg_postbag *postbag, uint64_t acked,
                      struct gg_slice *out_frame, struct gg_blob **out_attachment)
{
    struct gg_link *first = gg_list_first(&postbag->messages);
    if (first == NULL) {
        return false;
    }
    struct message *message = GG_CONTAINER(first, struct message, link);
    struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                               .type = message->type,
                               .session = postbag->session,
                               .sequence = message->sequence,
                               .acked = acked};
    gg_prefix_write(&header, message->count, message->body.data);
    *out_frame = gg_buf_slice(&message->body);
    *out_attachment = message->attachment;
    return true;
}

void gg_postbag_pop(struct gg_postbag *postbag)
{
    struct gg_link *first = gg_list_first(&postbag->messages);
    GG_ASSERT(first != NULL);
    retire(postbag, GG_CONTAINER(first, struct message, link));
}
