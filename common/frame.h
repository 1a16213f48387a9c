/* frame.h - blobs as libzmq's frames, and frames as blobs: large payloads go through
 * without a copy. For whoever owns sockets.
 *
 * A blob of GG_BLOB_LARGE_BYTES and more is lent to libzmq when it is sent: the frame
 * holds a reference, and libzmq's thread gives it up once the bytes have left. A large
 * frame that came in is taken over as it is. What is smaller is copied: a small frame
 * that is kept would keep all of libzmq's read buffer.
 */
#ifndef GG_COMMON_FRAME_H
#define GG_COMMON_FRAME_H

#include <zmq.h>

#include "common/bytes.h"

/* Send `blob` as a frame without waiting. False: errno says why, nothing was sent. */
bool gg_frame_send(void *socket, struct gg_blob *blob, int flags);

/* Take over the bytes of a large frame: the blob holds them, *message is empty then.
 * NULL, and nothing has changed: the frame is small, or there is no memory. */
struct gg_blob *gg_frame_take(zmq_msg_t *message);

#endif
