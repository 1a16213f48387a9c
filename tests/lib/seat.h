/* seat.h - a client's session at a table where the test is the broker.
 *
 * The test says what the broker sends and looks at what the session sent and replied.
 */
#ifndef GG_TESTS_LIB_SEAT_H
#define GG_TESTS_LIB_SEAT_H

#include "client/src/session.h"

enum { SEAT_SENT_MAX = 64, SEAT_REPLIES_MAX = 16 };

/* A command as the broker would see it. */
struct sent {
    uint16_t code;
    uint64_t request;
    struct gg_id id;
    uint64_t epoch;
    uint64_t durability;
    size_t payload;
};

struct seen {
    uint64_t request;
    enum gg_err err;
    uint16_t code;
    bool final;
    bool has_accepted;
    char text[128];
};

struct seat {
    struct gg_session *session;
    struct gg_now now;
    struct gg_buf bytes;
    uint64_t broker_sequence;
    uint64_t durability;     /* That the broker names in its welcome. */
    struct gg_header header; /* Of the last message of the session. */
    struct sent sent[SEAT_SENT_MAX];
    size_t sent_count; /* Commands in that message. */
    struct seen replies[SEAT_REPLIES_MAX];
    size_t reply_count;
    int opened;
    int refused;
    enum gg_err why;
};

/* For cmocka: *state is a struct seat. */
int seat_setup(void **state);
int seat_teardown(void **state);

/* Time passes; the session is told, with why there is no connection should there be
 * none. */
void seat_pass(struct seat *f, int64_t ms);

/* The next message, as sent; false when there is none. */
bool seat_take(struct seat *f);

/* The broker sends one command in a message. */
enum gg_err seat_receive(struct seat *f, enum gg_message_type type, uint64_t acked,
                         enum gg_command_code code, uint64_t request,
                         const void *record);
void seat_welcome(struct seat *f, uint64_t epoch, uint64_t requests_max);
void seat_reset(struct seat *f, enum gg_err why);
void seat_answer_job(struct seat *f, uint64_t request, const struct gg_id *id,
                     enum gg_job_state job_state);

/* Link up, hello, welcome. */
void seat_connect_as(struct seat *f, uint64_t epoch, uint64_t requests_max);

/* Notes a reply in the seat, its context. */
void seat_on_reply(void *ctx, const struct gg_reply *reply);

/* The client asks; the request's number comes back. `within_ms` 0: for ever. */
uint64_t seat_ask(struct seat *f, enum gg_command_code code, const void *record,
                  int64_t within_ms);
uint64_t seat_submit(struct seat *f, uint8_t id, bool until_end, size_t bytes,
                     int64_t within_ms);
uint64_t seat_wait_for(struct seat *f, uint8_t id, uint64_t epoch);

#endif
