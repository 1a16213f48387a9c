/* peers.h - the sessions that are open, by routing id and by number.
 *
 *            hello                    message, in sequence
 *   (none) ────────▶ open ───────────────────┐
 *     ▲               ▲ └────────────────────┘
 *     └───────────────┘
 *       bye, gap, silence, closed connection, kick, hello again
 *
 * A session belongs to the routing id and to the user that opened it: its number is
 * taken from nobody else. The shell's number for a session (what the core calls a peer)
 * is used again only after the session is closed; `serial` never is, so that what was
 * meant for an earlier session does not reach a later one.
 *
 * No sockets here: what is received comes in as headers, what is sent goes out through
 * broker/io/outbox.h.
 */
#ifndef GG_BROKER_IO_PEERS_H
#define GG_BROKER_IO_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/grant.h"
#include "common/bytes.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/err.h"
#include "common/list.h"
#include "common/map.h"

enum gg_endpoint { GG_ENDPOINT_CLIENT, GG_ENDPOINT_AGENT, GG_ENDPOINT_COUNT };

enum {
    GG_ROUTE_BYTES_MAX = 30,   /* libzmq's own ids have 5; longer ones are claimed. */
    GG_RECEIPTS_MAX = 1 << 17, /* Unacknowledged tokens of one peer. */
};

/* Whom a ROUTER sends to. Never shown to anyone, never stored. */
struct gg_route {
    uint8_t endpoint; /* enum gg_endpoint */
    uint8_t len;
    uint8_t id[GG_ROUTE_BYTES_MAX];
};

/* Something sent that waits for the peer's acknowledgement. */
struct gg_receipt {
    uint64_t sequence; /* Of the message it went in. */
    uint64_t token;    /* For the core; 0: none. */
    uint64_t bytes;    /* Of the attachment; 0: none. */
};

struct gg_receipts {
    struct gg_receipt *ring;
    uint32_t first;
    uint32_t count;
    uint32_t room; /* A power of two, or 0. */
};

struct gg_keys; /* broker/io/keys.h */
struct gg_authorised_key;

struct gg_peer {
    struct gg_route route;
    bool open;
    bool agent;
    const char *doomed; /* Why it is closed at the end of the pass, or NULL. */
    uint32_t number;
    uint64_t serial;
    uint64_t session; /* The peer's own number for it. */
    int fd;           /* Of its connection; -1: not known. */

    uint64_t heard;   /* Highest sequence received. */
    uint64_t written; /* Highest sequence given to a message for it. */
    uint64_t sent;    /* Highest sequence sent. */
    uint64_t acked;   /* Highest sequence it has acknowledged. */
    struct gg_receipts receipts;

    struct gg_mono heard_at;
    struct gg_mono left_at;    /* When its connection was seen to be closed. */
    struct gg_link leaving;    /* In the shell's list from then on. */
    struct gg_link by_silence; /* Clients only, the most silent first. */

    struct gg_name user;
    const struct gg_grant *grant; /* Lives in `keys`, or for ever. */
    struct gg_keys *keys;         /* Held for the length of the session; may be NULL. */
    const struct gg_authorised_key *key; /* In `keys`. */

    struct gg_link out;       /* Messages on their way, oldest first. */
    bool urgent;              /* Something in `out` is not patient. */
    struct gg_link flushing;  /* In the outbox's list while `out` is not empty. */
    struct gg_link dooming;   /* In the outbox's list while doomed. */
    uint64_t backlog_bytes;   /* Of the frames in `out`. */
    uint64_t shared_bytes;    /* Of the attachments in `out`. */
    uint64_t in_flight_bytes; /* Of attachments sent and not acknowledged. */
};

struct gg_peers {
    struct gg_peer **items; /* By number. */
    uint32_t count;         /* Items ever used. */
    uint32_t room;
    uint32_t sessions_max;
    uint32_t open_count;
    uint32_t *spare; /* Numbers free to be used again. */
    uint32_t spare_count;
    uint64_t serial;
    uint64_t seed;
    struct gg_map by_route;
    struct gg_link by_silence;
};

/* What a header says to its session. */
enum gg_hearing {
    GG_HEARD,         /* In sequence: go on. */
    GG_HEARD_FOREIGN, /* Not this session's number; the session is untouched. */
    GG_HEARD_GAP,     /* A message is missing, or came twice. */
    GG_HEARD_FUTURE,  /* It acknowledges what was never sent. */
};

void gg_peers_init(struct gg_peers *peers, uint32_t sessions_max, uint64_t seed);

/* Free all memory. Every session must have been closed. */
void gg_peers_fini(struct gg_peers *peers);

/* Fill in a route; false when the id is longer than any that libzmq makes. */
bool gg_route_set(struct gg_route *out, enum gg_endpoint endpoint, struct gg_slice id);

/* The open session of a route, or NULL. */
struct gg_peer *gg_peers_find(const struct gg_peers *peers,
                              const struct gg_route *route);

/* The open session of a number, or NULL. */
struct gg_peer *gg_peers_at(const struct gg_peers *peers, uint32_t number);

/* Open a session for a route that has none; lent until gg_peers_close().
 *   GG_ERR_TOO_MANY   as many sessions as allowed are open
 *   GG_ERR_NO_MEMORY  nothing changed */
GG_MUST_USE enum gg_err gg_peers_open(struct gg_peers *peers,
                                      const struct gg_route *route, uint64_t session,
                                      struct gg_mono now, struct gg_peer **out_peer);

/* Forget a session; its number is free. What is on its way must be gone already. */
void gg_peers_close(struct gg_peers *peers, struct gg_peer *peer);

/* Judge the header of a message that came on the session's route; on GG_HEARD it counts
 * as received, at `now`. */
enum gg_hearing gg_peers_hear(struct gg_peers *peers, struct gg_peer *peer,
                              const struct gg_header *header, struct gg_mono now);

/* The session's first message is its hello, sequence 1. Agents' silence is not ours to
 * judge: they leave the list of the silent. */
void gg_peers_greet(struct gg_peers *peers, struct gg_peer *peer, bool agent);

/* Remember that message `sequence` carries a token or an attachment. False: too many
 * wait already, or no memory; the session cannot go on. */
bool gg_peer_owe(struct gg_peer *peer, const struct gg_receipt *receipt);

/* Take the next token that the peer's acknowledgement covers; false when there is none.
 */
bool gg_peer_receipt(struct gg_peer *peer, uint64_t *out_token);

/* The client that has been silent longest, if it was heard last before `limit`. */
struct gg_peer *gg_peers_silent(const struct gg_peers *peers, struct gg_mono limit);

/* We were not listening: nobody's silence before `now` counts. */
void gg_peers_forgive(struct gg_peers *peers, struct gg_mono now);

#endif
