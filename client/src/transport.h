/* transport.h - the one file that talks to libzmq: a DEALER socket, the news about its
 * connection, and new sockets where the old one is no more use.
 *
 * A DEALER tells nobody that it has been disconnected, and after some faults it stays
 * dead while sends succeed (a refused handshake, an answer that is no ZMTP). So a
 * socket monitor reads along; it says when a connection is made or lost, and names the
 * cause of a fault. It is a hint: what decides in the end is the session's silence.
 *
 *   event seen                                      what it means here
 *   retried, with nothing before it                 the name cannot be resolved
 *   closed                                          nothing listens
 *   connected, then no handshake in 2.5 s           not Ganger (a web server, say)
 *   handshake failed: refused by the broker         the key is not allowed; new socket
 *   handshake failed: mechanism, protocol           keys on one side only; new socket
 *   handshake failed, again and again               with keys: not the broker's key;
 *                                                   without: not Ganger, or keys there
 *   disconnected before the handshake, no failure   not Ganger; new socket
 *   disconnected                                    the broker has gone; it reconnects
 */
#ifndef GG_CLIENT_SRC_TRANSPORT_H
#define GG_CLIENT_SRC_TRANSPORT_H

#include "client/src/endpoint.h"
#include "client/src/keyfile.h"
#include "common/bytes.h"
#include "common/clock.h"

struct gg_transport;

struct gg_transport_setup {
    const char *endpoint;       /* From gg_endpoint_read(). */
    const struct gg_keys *keys; /* NULL: no CURVE. All three are there. */
    uint64_t seed;              /* Of the jitter. */
};

enum gg_link_state { GG_LINK_UP = 1, GG_LINK_DOWN, GG_LINK_FAULT };

/* What has become of the connection. After DOWN and FAULT there is none; `text` is
 * static and says why, in few words. */
struct gg_transport_news {
    enum gg_link_state link;
    enum gg_err why;
    const char *text;
};

/* The caller owns *out. GG_ERR_USAGE: libzmq does not take the endpoint;
 * GG_ERR_NO_MEMORY; GG_ERR_SYSTEM: errno says what the system refused. */
GG_MUST_USE enum gg_err gg_transport_open(const struct gg_transport_setup *setup,
                                          struct gg_mono now,
                                          struct gg_transport **out);

/* Close the socket and wait up to `linger_ms` for what has been sent. Safe on NULL. */
void gg_transport_close(struct gg_transport **transport_p, int linger_ms);

/* Becomes readable when there may be something to do; stays the same descriptor. */
int gg_transport_fd(const struct gg_transport *transport);

/* The next piece of news; false: there is none. */
bool gg_transport_news(struct gg_transport *transport, struct gg_mono now,
                       struct gg_transport_news *out);

/* Throw the socket away and connect anew after a back-off. */
void gg_transport_rebuild(struct gg_transport *transport, struct gg_mono now);

/* The connection is of use: forget the back-off. */
void gg_transport_settled(struct gg_transport *transport);

/* When gg_transport_news() has something to do at the latest; false: no such time. */
bool gg_transport_wake(const struct gg_transport *transport, struct gg_mono *out_at);

/* Send one message of one or two frames. False: not now; the descriptor tells when. */
bool gg_transport_send(struct gg_transport *transport, struct gg_slice frame,
                       struct gg_blob *attachment);

/* Receive one message; false: none is there. Lent until the next call. Messages of more
 * than two frames are dropped. */
bool gg_transport_receive(struct gg_transport *transport, struct gg_slice *out_frame,
                          struct gg_slice *out_attachment);

/* Is there a message or news to be read, and would a message be sent? Asks the sockets
 * themselves. That may take a signal meant for the descriptor, and a socket that has
 * never been asked gives none: ask this last before waiting, each time. */
void gg_transport_ready(struct gg_transport *transport, bool *out_input,
                        bool *out_output);

#endif
