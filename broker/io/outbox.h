/* outbox.h - what leaves the broker: durable before visible, and in batches.
 *
 *   effect ──after > durable──▶ held ──gg_outbox_release()──┐
 *      └───────after ≤ durable──────────────────────────────┴▶ open message of the peer
 *                                                                  │ gg_outbox_flush()
 *                                                                  ▼ one send a message
 *
 * An effect names the record that must be safe before anyone may see it. Until then its
 * bytes are held here, and released in the order of (after, emission). What is released
 * is put together with what else has gathered for the peer: one command when it is
 * quiet, hundreds when it is busy. This is the only place where the rule is kept.
 *
 * A peer that does not take its messages never makes anyone wait: they stay here, up to
 * a bound in bytes of frames; attachments are shared with the core and only counted
 * once they are sent. Beyond the bound the session is lost.
 */
#ifndef GG_BROKER_IO_OUTBOX_H
#define GG_BROKER_IO_OUTBOX_H

#include "broker/core/core.h"
#include "broker/io/peers.h"

enum {
    /* A message is closed beyond this. A value takes a byte at least, so a receiver
     * that takes 65,536 values takes every message of several commands. */
    GG_OUT_BYTES_MAX = 60000,
};

enum gg_sent {
    GG_SENT,       /* On its way. */
    GG_SENT_STUCK, /* The peer's pipe is full: keep it. */
    GG_SENT_GONE,  /* There is no such peer any more. */
};

/* Send one message without waiting; `attachment` is NULL where there is none. */
typedef enum gg_sent gg_outbox_send_fn(void *ctx, const struct gg_route *route,
                                       struct gg_slice frame,
                                       struct gg_blob *attachment);

struct gg_withheld; /* outbox.c */

struct gg_outbox {
    struct gg_peers *peers;
    gg_outbox_send_fn *send;
    void *ctx;
    uint64_t backlog_bytes_max; /* Of frames, a peer. */
    uint64_t
        in_flight_bytes_max; /* Of attachments sent and not acknowledged, a peer. */
    uint64_t durable;

    struct gg_withheld **held; /* Binary heap by (after, emission). */
    uint32_t held_count;
    uint32_t held_room;
    uint64_t held_bytes;
    uint64_t emission;

    struct gg_link flushing; /* Peers with messages on their way. */
    struct gg_link pool;     /* Empty messages with their memory. */
    uint32_t pool_count;
    uint32_t stuck_count; /* Peers that could not take all in the last flush. */
    struct gg_link
        doomed; /* Peers whose session cannot go on; the shell closes them. */

    uint64_t sent_messages;
    uint64_t sent_bytes;
};

void gg_outbox_init(struct gg_outbox *box, struct gg_peers *peers,
                    gg_outbox_send_fn *send, void *ctx);
void gg_outbox_fini(struct gg_outbox *box);

/* Take over one SEND or WELCOME effect for an open session; its bytes are copied. Where
 * that cannot be done the session is doomed. */
void gg_outbox_add(struct gg_outbox *box, struct gg_peer *peer,
                   const struct gg_effects *fx, const struct gg_effect *effect);

/* One command of the shell's own that waits for no record. */
void gg_outbox_say(struct gg_outbox *box, struct gg_peer *peer,
                   struct gg_slice command);

/* Everything up to record `durable` is safe: let out what waited for it. */
void gg_outbox_release(struct gg_outbox *box, uint64_t durable);

/* Send what has gathered, each peer's open message included. Peers for whom only
 * patient commands have gathered are left out unless `patient_too`: whoever sleeps next
 * flushes those, so that they wait for company, never for time. */
void gg_outbox_flush(struct gg_outbox *box, bool patient_too);

/* The session cannot go on: nothing more is sent in it, and the shell closes it at the
 * end of the pass. `why` is static, for the log. */
void gg_outbox_doom(struct gg_outbox *box, struct gg_peer *peer, const char *why);

/* Throw away what is on its way to a session that ends. What is held for it is thrown
 * away when its time comes. */
void gg_outbox_drop(struct gg_outbox *box, struct gg_peer *peer);

#endif
