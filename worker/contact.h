/* contact.h - keeping in touch with the broker: when to connect, where, and what to say
 * about it in the log.
 *
 *   open(broker) ──connected─▶ hello ──welcome──▶ is this the agents' endpoint?
 *        ▲                                          │ yes: up     │ no: open(that one)
 *        │ back-off, 10 ms to 2 s                   ▼             ▼
 *        └──────────── silent, refused, no contact for long ──────┘
 *
 * One line for each change of state, however long it lasts.
 */
#ifndef GG_WORKER_CONTACT_H
#define GG_WORKER_CONTACT_H

#include "common/rng.h"
#include "worker/agent.h"
#include "worker/settings.h"
#include "worker/socket.h"

struct gg_contact {
    const struct gg_worker_settings *settings;
    struct gg_worker *agent; /* Lent. */
    struct gg_socket socket;
    struct gg_rng rng;
    bool redirected;       /* Connected to what a welcome named. */
    bool is_up;            /* Welcomed where agents belong. */
    int64_t open_at_ms;    /* Closed: when to open again. */
    int64_t hello_at_ms;   /* Not before this. */
    int64_t down_since_ms; /* Not up since. */
    uint64_t backoff_ms;
    uint32_t said; /* What this outage has already been logged for, as a mask. */
};

/* GG_ERR_CONFIG: an endpoint is not one; `why` says which. */
GG_MUST_USE enum gg_err gg_contact_init(struct gg_contact *contact,
                                        const struct gg_worker_settings *settings,
                                        const struct gg_worker_keys *keys,
                                        struct gg_worker *agent, char *why,
                                        size_t room);
void gg_contact_fini(struct gg_contact *contact);

/* Connect, or say hello, where it is time to. Before the socket is read. */
void gg_contact_turn(struct gg_contact *contact, struct gg_now now);

/* What the agent made of a message. */
void gg_contact_news(struct gg_contact *contact, struct gg_mono now,
                     enum gg_worker_news news);

/* Give a silent broker up. After the socket has been read. */
void gg_contact_judge(struct gg_contact *contact, struct gg_mono now);

/* Should the loop wake when something can be sent? */
bool gg_contact_wants_out(const struct gg_contact *contact);

struct gg_mono gg_contact_next_wake(const struct gg_contact *contact);

#endif
