/* session_state.h - what a session knows; for session*.c and their unit test only. */
#ifndef GG_CLIENT_SRC_SESSION_STATE_H
#define GG_CLIENT_SRC_SESSION_STATE_H

#include "client/src/session.h"
#include "common/name.h"

enum {
    ACK_MS = 50,     /* Longest wait for a message that acknowledges by the way. */
    HELLO_MS = 2500, /* Longest wait for welcome; less than people wait to ask why. */
    HELLO_AGAIN_MS = 10000, /* … of a broker that was there before. */
    PAUSE_MS = 1000,        /* Before hello again after a refusal, at least … */
    RESET_MS_MIN = 50, /* … and after a hello that was answered with "no session", */
    RESET_MS_MAX = 2000,  /* doubling up to here. */
    BATCH_COMMANDS = 256, /* In one message: more saves nothing, and would lump. */
    BATCH_BYTES = 131072, /* In one message of more than one command. */
    ID_AGE_MS = 1000, /* An id that is sent at last may be so old, or so much ahead. */
    ACCEPTED_KEPT = 1024, /* Jobs whose epoch is remembered. */
};

struct gg_accepted {
    struct gg_id id;
    uint64_t epoch;
    uint8_t durability; /* enum gg_durability; 0: not known. */
};

struct gg_session {
    enum gg_session_state state;
    bool met;
    void *owner;
    gg_session_news_fn *news;
    struct gg_rng rng;
    struct gg_session_limits limits;
    uint64_t number;        /* Of the session; 0 before the first hello. */
    uint64_t sent_sequence; /* Of the last message made. */
    uint64_t seen_sequence; /* Of the last message dealt with. */
    uint64_t peer_acked;    /* Of ours, what the broker has dealt with. */
    uint64_t epoch;         /* Of the broker of this session, or of the last one. */
    int64_t clock_ahead_ms; /* The broker's wall clock less ours. */

    struct gg_requests requests;
    struct gg_link queued; /* In the order they were asked. */
    struct gg_link sent;   /* In the order they were sent. */
    uint32_t sent_count;
    struct gg_heap deadlines;
    struct gg_accepted *accepted; /* A table by random bits of the id; newest wins. */

    struct gg_buf out; /* The message being sent. */
    struct gg_blob *out_large;
    bool out_ready; /* `out` waits for gg_session_sent(). */
    bool out_hello; /* … and is a hello. */
    uint64_t out_acked;
    struct gg_buf control; /* Commands that nobody waits for: unwait, unsubscribe. */
    size_t control_at;     /* What of it has gone out. */

    struct gg_mono sent_at;     /* When a message left last. */
    struct gg_mono quiet_since; /* When the broker was heard last, or first missed. */
    struct gg_mono ack_at;      /* Until when to acknowledge, if ack_due. */
    struct gg_mono greet_at;    /* GREET, PAUSED: not before. */
    bool ack_due;
    uint32_t resets; /* Hellos in a row that were answered with a reset. */

    char name[GG_NAME_BYTES_MAX + 1];
    char host[256];
    char program[65];
    uint64_t pid;
    char refusal[128]; /* Why the last request was too large. */
};

/* Is the place of `id` in the table of accepted jobs. */
struct gg_accepted *gg_session_accepted_slot(const struct gg_session *session,
                                             const struct gg_id *id);

/* Take `request` out of everything and give it back. */
void gg_session_release(struct gg_session *session, struct gg_request *request);

/* Until when welcome is awaited. */
struct gg_mono gg_session_hello_end(const struct gg_session *session);

/* The session is over: put all that is unanswered back in line. */
void gg_session_requeue(struct gg_session *session);

/* End a request on the library's own account. */
void gg_session_end(struct gg_session *session, struct gg_request *request,
                    enum gg_err err, struct gg_slice text);

/* Tell the broker that nobody waits any more, where it could think so. */
void gg_session_unwait(struct gg_session *session, const struct gg_request *request);

#endif
