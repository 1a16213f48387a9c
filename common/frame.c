#include "common/frame.h"

#include <errno.h>
#include <stdlib.h>

struct taken {
    struct gg_far_blob far;
    zmq_msg_t message;
};

/* libzmq calls it from a thread of its own. */
static void give_back(void *data, void *hint)
{
    struct gg_blob *blob = hint;
    (void)data;
    /* Pairs with the reference that the frame took: what was written before is seen,
     * also by tools that know nothing of the order in which libzmq passes frames on. */
    (void)atomic_load_explicit(&blob->refs, memory_order_acquire);
    gg_blob_unref(&blob);
}

/* libzmq takes bytes that it must not change as if it might. */
static void *lent(const uint8_t *data)
{
    return (void *)(uintptr_t)data;
}

bool gg_frame_send(void *socket, struct gg_blob *blob, int flags)
{
    zmq_msg_t message;
    struct gg_slice bytes = gg_blob_slice(blob);
    if (bytes.len < GG_BLOB_LARGE_BYTES) {
        return zmq_send(socket, bytes.data, bytes.len, ZMQ_DONTWAIT | flags) >= 0;
    }
    if (zmq_msg_init_data(&message, lent(bytes.data), bytes.len, give_back,
                          gg_blob_ref(blob)) != 0) {
        gg_blob_unref(&(struct gg_blob *){blob});
        errno = ENOMEM;
        return false;
    }
    if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT | flags) < 0) {
        int error = errno;
        (void)zmq_msg_close(&message);
        errno = error;
        return false;
    }
    return true;
}

static void release(struct gg_far_blob *far)
{
    struct taken *taken = (struct taken *)far;
    (void)zmq_msg_close(&taken->message);
    free(taken);
}

struct gg_blob *gg_frame_take(zmq_msg_t *message)
{
    if (zmq_msg_size(message) < GG_BLOB_LARGE_BYTES) {
        return NULL;
    }
    struct taken *taken = malloc(sizeof *taken);
    if (taken == NULL) {
        return NULL;
    }
    (void)zmq_msg_init(&taken->message);
    (void)zmq_msg_move(&taken->message, message);
    gg_far_blob_init(
        &taken->far,
        gg_slice_of(zmq_msg_data(&taken->message), zmq_msg_size(&taken->message)),
        release);
    return &taken->far.blob;
}
