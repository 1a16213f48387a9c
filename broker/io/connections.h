/* connections.h - which descriptors are connected, and who speaks through them.
 *
 * Fed by the socket monitors. A hint, never the truth: an event may come before the
 * last messages of its connection are read, and numbers of descriptors are used again.
 * What it gives: a closed connection ends its session at once instead of after a
 * silence; a peer can be cut off (shutdown of its descriptor: libzmq has no other way);
 * a connection that never says hello is noticed; connections are counted and capped.
 */
#ifndef GG_BROKER_IO_CONNECTIONS_H
#define GG_BROKER_IO_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/io/peers.h"

struct gg_connection {
    bool connected;
    int fd;
    uint8_t endpoint;     /* enum gg_endpoint */
    struct gg_mono since; /* When it was accepted. */
    uint64_t serial;      /* Of the session that speaks through it; 0: none yet. */
    uint32_t peer;        /* Its number. */
    struct gg_link mute;  /* In the list while it has not said hello, oldest first. */
};

struct gg_connections {
    struct gg_connection **by_fd[GG_ENDPOINT_COUNT];
    uint32_t room[GG_ENDPOINT_COUNT];
    uint32_t count;
    struct gg_link mute;
};

void gg_connections_init(struct gg_connections *connections);
void gg_connections_fini(struct gg_connections *connections);

/* A connection was accepted. False without memory: it is then not known here. */
bool gg_connections_opened(struct gg_connections *connections,
                           enum gg_endpoint endpoint, int fd, struct gg_mono now);

/* A connection is closed. Returns what it was, lent until the next call, or NULL when
 * it was not known. */
const struct gg_connection *gg_connections_closed(struct gg_connections *connections,
                                                  enum gg_endpoint endpoint, int fd);

/* Somebody said hello through a connection; `peer` is NULL where no session came of it.
 * False when no such connection is known: the event of its end may have been first. */
bool gg_connections_greet(struct gg_connections *connections, enum gg_endpoint endpoint,
                          int fd, const struct gg_peer *peer);

/* The connection that has been mute longest, if it was accepted before `limit`; it is
 * not told again. */
const struct gg_connection *gg_connections_mute(struct gg_connections *connections,
                                                struct gg_mono limit);

#endif
