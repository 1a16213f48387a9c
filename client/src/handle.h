/* handle.h - what a handle holds: a session that decides, a transport that acts, and
 * the loop between them. Everything else of the library stands on this. */
#ifndef GG_CLIENT_SRC_HANDLE_H
#define GG_CLIENT_SRC_HANDLE_H

#include <ganger/client.h>

#include "client/src/arena.h"
#include "client/src/session.h"
#include "client/src/transport.h"

enum { GG_SENTENCE_BYTES = 1024, GG_UNIQUE_KEY_BYTES = 32 };

struct ganger {
    struct gg_session *session;
    struct gg_transport *transport;
    char endpoint[GG_ENDPOINT_BYTES];

    ganger_state_fn *on_state;
    void *on_state_ctx;
    bool connected;
    uint64_t told; /* Bit 1 << err: said since the connection was lost. */
    enum gg_err
        why; /* Why there is no broker; GG_ERR_NO_BROKER while it is not known. */
    char why_text[GG_SENTENCE_BYTES];

    bool more;             /* The last pass left something to be read. */
    int depth;             /* Above 0 inside a callback. */
    struct gg_arena shown; /* What callbacks look at: until they return. */
    struct gg_arena kept;  /* What a call has returned … */
    struct gg_arena older; /* … until the next one, which may be asked with it, ends. */
    struct gg_buf lists;   /* Array fields of the command being made. */
    struct gg_buf entries; /* Submissions of a submit_many being made. */
    struct gg_blob *lent;  /* Payload of a submission being made; NULL: to be copied. */
    bool own_id;           /* Its id is of our own making. */
    char unique_key[GG_UNIQUE_KEY_BYTES]; /* Its key, made from its payload. */

    char error[GG_SENTENCE_BYTES];
    unsigned retry_ms;
};

/* Begin a call: forget what the last one said, and what the one before that returned.
 * False (and the sentence is set) from within a callback or on no handle, where no call
 * may wait. */
bool gg_handle_enter(ganger *handle);

/* Set the sentence of the last error; return `err`. An empty text: that of `err`. */
ganger_err gg_handle_fail(ganger *handle, enum gg_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
ganger_err gg_handle_fail_slice(ganger *handle, enum gg_err err, struct gg_slice text);

/* Wait, at most `timeout_ms` (-1: no limit), until there is something to do; do it. */
ganger_err gg_handle_turn(ganger *handle, int timeout_ms);

/* Call a user's function between these two. */
static inline void gg_handle_call(ganger *handle)
{
    handle->depth++;
}
static inline void gg_handle_return(ganger *handle)
{
    handle->depth--;
}

#endif
