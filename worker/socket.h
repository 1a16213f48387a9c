/* socket.h - the agent's ZeroMQ socket, made anew when it is of no more use.
 *
 * A DEALER whose handshake was refused stays dead for ever, and one whose broker is
 * silent may: so whoever uses it closes and opens it again. libzmq reconnects by itself
 * where only the TCP connection was cut (10 ms growing to 2 s); what happened is told
 * by the socket's monitor. Right after a connection is lost its pipe still takes what
 * nobody will read: only a connection that has been told of is worth writing to.
 */
#ifndef GG_WORKER_SOCKET_H
#define GG_WORKER_SOCKET_H

#include <stdbool.h>

#include "common/bytes.h"
#include "common/err.h"
#include "worker/settings.h"

enum { GG_SOCKET_HANDSHAKE_MS = 5000 }; /* Longest handshake. */

/* What the monitor has told since the last look, as a bit mask. */
enum gg_socket_event {
    GG_SOCKET_CONNECTED = 1,
    GG_SOCKET_DISCONNECTED = 2,
    GG_SOCKET_REFUSED = 4,   /* The other side refused our key: the socket is dead. */
    GG_SOCKET_NO_GANGER = 8, /* What is there does not speak as a broker does. */
    GG_SOCKET_MUTE = 16, /* The handshake ended without a word: silence, or closed. */
};

struct gg_socket {
    void *context;
    void *socket;                      /* NULL while closed. */
    void *monitor;                     /* PAIR that hears what happens to it. */
    const struct gg_worker_keys *keys; /* NULL: no CURVE. */
    int water_mark;
    unsigned serial; /* Of monitors, to name them. */
    bool blocked;    /* The last send found no room. */
    bool connected;  /* As far as gg_socket_events() has told. */
    char endpoint[256];
};

/* One received message; slices are valid until gg_socket_release(). */
struct gg_received {
    struct gg_slice frame;
    struct gg_slice attachment; /* data NULL: one frame. */
    struct gg_blob *holder;     /* Of a large attachment, or NULL. */
    _Alignas(void *) unsigned char messages[2][64];
    int count;
};

/* After the keeper has been started: this makes the context and its thread. */
GG_MUST_USE enum gg_err gg_socket_init(struct gg_socket *socket, uint32_t slots,
                                       const struct gg_worker_keys *keys);

/* Close, waiting up to two seconds for what has not left. */
void gg_socket_fini(struct gg_socket *socket);

/* Begin to connect. GG_ERR_CONFIG: the endpoint is not one. */
GG_MUST_USE enum gg_err gg_socket_open(struct gg_socket *socket, const char *endpoint);
void gg_socket_close(struct gg_socket *socket);

/* What has happened to the connection: enum gg_socket_event bits. */
unsigned gg_socket_events(struct gg_socket *socket);

/* Could a message leave now? */
bool gg_socket_is_writable(struct gg_socket *socket);

/* Send one message of one frame or two. False: there is no room now. */
bool gg_socket_send(struct gg_socket *socket, struct gg_slice frame,
                    struct gg_blob *attachment);

/* Take the next message that is there; false when there is none. */
bool gg_socket_receive(struct gg_socket *socket, struct gg_received *out);
void gg_socket_release(struct gg_received *received);

/* The endpoint `told` by a broker that was reached at `used`: where it names no host
 * (*, 0.0.0.0, [::]) the host that was used. Returns false when it does not fit. */
bool gg_endpoint_resolve(const char *told, const char *used, char *out, size_t room);

#endif
