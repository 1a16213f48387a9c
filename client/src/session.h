/* session.h - everything a client decides, and no I/O: what to send, what an answer
 * belongs to, what to send again, when the broker is dead, which request has waited
 * long enough. Time and random numbers come in as arguments; bytes go in and out.
 *
 *            link up           hello sent           welcome
 *   DOWN ─────────────▶ GREET ────────────▶ GREETED ────────▶ OPEN
 *    ▲ ▲                  ▲  ▲                  │               │
 *    │ │                  │  └── reset, bye ────┼───────────────┤
 *    │ │                  └──── its time ── PAUSED ◀── reset: hello would not help
 *    │ └─ link lost, or silence: the transport makes a new socket (from every state)
 *
 * Nothing is done because it was sent. A request is kept, as bytes, until it is
 * answered; each session begins by putting all that is unanswered back in line, in the
 * order in which it was asked. Submissions go again under the same id, so that one job
 * comes of them; a submission whose acceptance was seen goes as a wait for that job
 * instead, with the epoch of the broker that accepted it: a volatile broker that was
 * restarted then says that the job is lost, where a second submission would run it
 * again.
 *
 * The broker keeps an answer until it is acknowledged. Every message acknowledges what
 * came before; where none is on its way within ACK_MS, a heartbeat does. A session
 * without requests in flight is silent, and may be forgotten: the next request is then
 * answered with a reset, and hello and the request go again.
 */
#ifndef GG_CLIENT_SRC_SESSION_H
#define GG_CLIENT_SRC_SESSION_H

#include "client/src/request.h"
#include "common/clock.h"
#include "common/rng.h"

enum gg_session_state {
    GG_SESSION_DOWN = 0, /* No connection. */
    GG_SESSION_GREET,    /* Connected; hello is due. */
    GG_SESSION_GREETED,  /* Hello is on its way; welcome, or reset, will answer. */
    GG_SESSION_OPEN,     /* Requests flow. */
    GG_SESSION_PAUSED,   /* Reset for a reason that hello would not mend; waits. */
};

/* What the library tells who asked: an answer of the broker, or that there is none. */
struct gg_reply {
    void *owner; /* As given to gg_session_new(). */
    uint64_t request;
    void (*hook)(void); /* The asker's. */
    enum gg_err err;
    struct gg_slice text; /* What the broker, or the library, says to err. */
    uint64_t retry_ms;
    const struct gg_command *command; /* NULL where there is no answer. */
    uint64_t epoch;                   /* Of the broker that answers. */
    const struct gg_id *accepted;     /* Of a run that is given up: its job, or NULL. */
    bool final;
};

/* Told when the session has opened, was refused, or is no longer open. `text` is the
 * broker's sentence, where it gave one. */
typedef void gg_session_news_fn(void *owner, bool opened, enum gg_err why,
                                struct gg_slice text);

struct gg_session_setup {
    uint64_t seed; /* Of session numbers and jitter. */
    const char *name;
    const char *host;
    const char *program;
    uint64_t pid;
    void *owner;
    gg_session_news_fn *news;
};

/* What the broker allows; until the first welcome, what any broker would. */
struct gg_session_limits {
    uint64_t frame_bytes;
    uint64_t payload_bytes;
    uint64_t requests;
    uint64_t heartbeat_ms;
    uint64_t dead_after_ms;
};

struct gg_session;

/* The caller owns *out. The texts are copied. GG_ERR_NO_MEMORY. */
GG_MUST_USE enum gg_err gg_session_new(const struct gg_session_setup *setup,
                                       struct gg_session **out);

/* Free *session_p and set it to NULL, calling nobody. Safe on NULL. */
void gg_session_destroy(struct gg_session **session_p);

/* ---- what happens ---- */

/* A connection has been made, or lost. Told twice is harmless. */
void gg_session_link_up(struct gg_session *session, struct gg_mono now);
void gg_session_link_down(struct gg_session *session);

/* A message has come; `attachment.data` is NULL when it has one frame. Calls the
 * askers. GG_ERR_BAD_MESSAGE: this is no Ganger broker. */
GG_MUST_USE enum gg_err gg_session_receive(struct gg_session *session,
                                           struct gg_now now, struct gg_slice frame,
                                           struct gg_slice attachment);

/* Time has passed: ends requests whose deadline is over, with `unreachable` (and
 * `text`) where no session is open and with GG_ERR_TIMED_OUT where one is. Call it
 * after what has come was received: a program that was stopped judges no one. */
void gg_session_tick(struct gg_session *session, struct gg_mono now,
                     enum gg_err unreachable, struct gg_slice text);

/* The broker has been silent for too long: make a new connection. */
bool gg_session_is_dead(const struct gg_session *session, struct gg_mono now);

/* When gg_session_tick() or gg_session_next() has something to do at the latest; false:
 * not before something else happens. */
bool gg_session_wake(const struct gg_session *session, struct gg_mono *out_at);

/* ---- what is to be sent ---- */

struct gg_outgoing {
    struct gg_slice frame;
    struct gg_slice attachment; /* data NULL: none. */
    struct gg_blob *large;      /* Holds the attachment; NULL: none. */
};

/* The next message, which stays the next until gg_session_sent(). False: nothing is to
 * be sent now. Valid until any other call on the session. */
bool gg_session_next(struct gg_session *session, struct gg_now now,
                     struct gg_outgoing *out);
void gg_session_sent(struct gg_session *session, struct gg_mono now);

/* Is there anything that gg_session_next() would send? Cheap; may say true once too
 * often. */
bool gg_session_has_output(const struct gg_session *session);

/* A polite end, to be sent as a last message; false where there is no session. */
bool gg_session_bye(struct gg_session *session, struct gg_outgoing *out);

/* ---- requests ---- */

/* Begin a request: fill in the command's record with gg_session_write() next, then
 * gg_session_put(). NULL: 65,536 are in flight, or there is no memory. */
struct gg_request *gg_session_begin(struct gg_session *session,
                                    enum gg_command_code code,
                                    const struct gg_asker *asker);

/* Write the command's record; a large payload is copied, unless `holder` holds it. */
GG_MUST_USE enum gg_err gg_session_write(struct gg_request *request, const void *record,
                                         struct gg_blob *holder);

/* Put it in line. It ends at `deadline`, if that is not NULL. `now` need not be known
 * beside other requests. GG_ERR_NO_MEMORY: it has been given up. */
GG_MUST_USE enum gg_err gg_session_put(struct gg_session *session,
                                       struct gg_request *request, struct gg_mono now,
                                       const struct gg_mono *deadline);

/* Give up a request between begin and put. */
void gg_session_abandon(struct gg_session *session, struct gg_request *request);

/* Drop a request: its asker is not called any more. Unknown numbers are ignored. */
void gg_session_forget(struct gg_session *session, uint64_t number);

/* Is that request still in flight? */
bool gg_session_has(const struct gg_session *session, uint64_t number);

/* ---- what is known ---- */

enum gg_session_state gg_session_state_of(const struct gg_session *session);
uint32_t gg_session_in_flight(const struct gg_session *session);
const struct gg_session_limits *gg_session_limits_of(const struct gg_session *session);

/* Has any broker ever said welcome? */
bool gg_session_met(const struct gg_session *session);

/* A fresh id by the broker's clock. */
struct gg_id gg_session_new_id(struct gg_session *session, struct gg_wall now);

/* The epoch under which a job was accepted by this session; 0 when it is not known
 * (only the last thousand or so are remembered). */
uint64_t gg_session_epoch_of(const struct gg_session *session, const struct gg_id *id,
                             uint8_t *out_durability);

#endif
