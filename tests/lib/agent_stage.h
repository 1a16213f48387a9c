/* agent_stage.h - an agent on a stage: a broker that is a few calls, a clock that is a
 * variable, and all that the agent says, decoded.
 */
#ifndef GG_TESTS_LIB_AGENT_STAGE_H
#define GG_TESTS_LIB_AGENT_STAGE_H

#include "common/rng.h"
#include "worker/agent.h"

enum { SLOTS = 4, SAID_MAX = 64, FENCE = 1000 };
enum { LEASE_MS = 8000, MARGIN_MS = 1000, RENEWED_MS = 32000 };

struct fixture {
    struct gg_worker *agent;
    struct gg_now now;
    struct gg_rng rng;
    uint64_t session;
    uint64_t sequence; /* Of the broker's messages. */
    uint64_t heard;    /* Highest sequence of the agent's. */
    struct gg_command said[SAID_MAX];
    struct gg_buf frames[SAID_MAX]; /* What `said` points into. */
    uint32_t said_count;
    uint32_t frame_count;
    size_t attachment_len;
};

/* Take all that the agent has to say. */
void listen_to(struct fixture *f);

/* The n-th command of that code that was said, from 0; NULL when there is none. */
const struct gg_command *heard(const struct fixture *f, enum gg_command_code code,
                               uint32_t n);

uint32_t count(const struct fixture *f, enum gg_command_code code);

/* A message of the broker's with one command; it has dealt with `acked` of ours. */
enum gg_worker_news tell_acked(struct fixture *f, enum gg_message_type type,
                               enum gg_command_code code, const void *record,
                               uint64_t acked);

enum gg_worker_news tell(struct fixture *f, enum gg_command_code code,
                         const void *record);

void say_hello(struct fixture *f);

void welcome(struct fixture *f);

void pass(struct fixture *f, int64_t ms);

/* Answer the agent's heartbeats as they come, for `ms`. */
void pass_alive(struct fixture *f, int64_t ms);

struct gg_assign assignment(struct fixture *f, uint64_t fence);

/* Assign it, and start it as the shell would. */
struct gg_attempt *start(struct fixture *f, const struct gg_assign *assign);

void end(struct fixture *f, uint64_t fence, enum gg_outcome kind);

void confirm(struct fixture *f, const struct gg_assign *assign);

void order_stop(struct fixture *f, const struct gg_assign *assign, enum gg_stop reason);

int open_fixture(void **state, bool echo);

int setup(void **state);

int setup_echo(void **state);

int setup_without_welcome(void **state);

int teardown(void **state);

#endif
