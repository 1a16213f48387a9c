/* fake.h - a scripted broker in the test's own process: it speaks the codec, notes what
 * it hears, and answers as the test says. */
#ifndef GG_TESTS_INTEGRATION_CLIENT_FAKE_H
#define GG_TESTS_INTEGRATION_CLIENT_FAKE_H

#include <ganger/client.h>

#include "common/codec.h"

enum { FAKE_SEEN_MAX = 4096, FAKE_PEER_BYTES = 256 };

struct fake_seen {
    uint16_t code;
    uint64_t request;
    uint64_t session;
    uint64_t epoch;
    struct gg_id id;     /* Of a list of submissions: of the first. */
    struct gg_slice key; /* Of a submission; kept in key_bytes. */
    char key_bytes[256];
    size_t payload;
    bool wait;
};

struct fake;

/* Answer, or not, one command of a session. */
typedef void fake_answer_fn(struct fake *fake, const struct gg_command *command);

struct fake {
    void *context;
    void *router;
    char endpoint[64];
    uint64_t epoch;
    uint64_t requests_max;
    uint64_t heartbeat_ms;
    uint64_t dead_after_ms;
    int64_t clock_ahead_ms; /* Of its clock before that of the client. */
    bool deaf;              /* Reads and says nothing, not even welcome. */
    fake_answer_fn *answer;

    uint8_t peer[FAKE_PEER_BYTES]; /* Who spoke last. */
    size_t peer_len;
    uint64_t session;
    uint64_t sequence;
    uint64_t heard; /* Sequence of the last message. */
    uint64_t acked; /* What the client has acknowledged. */
    int hellos;

    struct fake_seen seen[FAKE_SEEN_MAX];
    size_t seen_count; /* Without heartbeats. */
    size_t messages;   /* … which came in so many. */
};

/* Listen on a free port, or again on the one of `fake->endpoint`. */
void fake_start(struct fake *fake);

/* Close the socket: every connection is cut. */
void fake_stop(struct fake *fake);

/* Deal with all that has come. */
void fake_step(struct fake *fake);

/* Send one command to the client. */
void fake_send(struct fake *fake, enum gg_command_code code, uint64_t request,
               const void *record);

/* Answer with a job in that state. */
void fake_send_job(struct fake *fake, uint64_t request, const struct gg_id *id,
                   enum gg_job_state state, const char *result);

/* Forget the session, as a broker does with who is silent: the next message is answered
 * with a reset. */
void fake_forget(struct fake *fake);

/* Run client and broker until `done`, which is asked after each turn; fails the test
 * after ten seconds. */
typedef bool fake_done_fn(void *ctx);
void fake_run(struct fake *fake, ganger *handle, fake_done_fn *done, void *ctx);

/* How often a command of that code has been seen, and the last one (NULL: none). */
size_t fake_count(const struct fake *fake, enum gg_command_code code);
const struct fake_seen *fake_last(const struct fake *fake, enum gg_command_code code);

#endif
