/* tale.h - a history made by hand, told to the oracle: what the broker hears and says,
 * what runs and what people read, without a broker behind it. tales_*.c have the
 * histories, test_oracle.c asks for a verdict on each.
 *
 * A step is what the broker hears, then all that it says about that:
 *
 *   tale_hears(t, PEER, command)   or tale_time(), tale_hello(), tale_closed()
 *   tale_says(t, PEER, command)    as often as it answers
 *   tale_step_ends(t)
 */
#ifndef GG_TESTS_SIM_TALE_H
#define GG_TESTS_SIM_TALE_H

#include "tests/sim/facts.h"

enum {
    ALICE = 1, /* Peers. */
    BOB,
    A0 = 10,
    A1,
    FENCE = 1 << 24, /* The first one of the first epoch is one more. */
};

struct tale {
    struct sim sim;
    struct gg_event ev; /* The step under way, and what it lends. */
    struct gg_command heard;
    struct gg_grant grants[FACT_PEERS_MAX];
    struct gg_buf lists[4];
    uint32_t list_count;
    uint64_t last_fence;
    bool fine;
};

/* A history: told up to where all is fine, then with what must be found. */
struct tale_row {
    enum oracle_check check;
    const char *name;
    void (*tell)(struct tale *t);
};

/* clang-format off */
#define TALE(check, fn) {ORACLE_##check, #fn, fn}
/* clang-format on */

/* The rows of the two files, each with its count behind `out_count`. */
const struct tale_row *tales_of_broker(size_t *out_count);
const struct tale_row *tales_of_world(size_t *out_count);

/* Nothing is wrong so far: without what follows nobody is convicted. */
void tale_fine(struct tale *t);

/* ---- steps ---- */

void tale_hears(struct tale *t, uint32_t peer, struct gg_command command);
void tale_hello(struct tale *t, uint32_t peer, const char *agent);
void tale_time(struct tale *t, int64_t ms);
void tale_closed(struct tale *t, uint32_t peer);
void tale_says(struct tale *t, uint32_t peer, struct gg_command command);
void tale_step_ends(struct tale *t);

/* The broker's account to the oracle's own subscription, of job `n`. */
void tale_moment(struct tale *t, int n, struct gg_moment_info moment);

/* One record as a list; lent until the tale is over. */
struct gg_list tale_list(struct tale *t, enum gg_record_id id, const void *record);

/* ---- whole steps that are often needed ---- */

struct gg_id tale_id(int n);
/* Job `n` for queue q0 with nothing special. */
struct gg_submit tale_job(int n);
/* A client with these roles, which reaches these queues; an agent with these slots in
 * each of its two pools. Agents are honest. */
void tale_client(struct tale *t, uint32_t peer, uint8_t roles, const char *queues);
void tale_agent(struct tale *t, uint32_t peer, const char *name);
/* Alice asks, and is told that it is accepted. */
void tale_accepted(struct tale *t, const struct gg_submit *job);
/* Assigned under the next fence; which that is. */
uint64_t tale_assigned(struct tale *t, int n, uint32_t agent);
struct gg_command tale_assign(int n, uint64_t fence);
struct gg_command tale_outcome(int n, uint64_t fence, enum gg_outcome kind);
struct gg_command tale_ask(enum gg_command_code code, int n);
struct gg_command tale_shown(int n, enum gg_job_state state);
struct gg_command tale_error(enum gg_err err);
struct gg_command tale_done(uint64_t unsettled);
struct gg_command tale_pause(const char *queue);
struct gg_command tale_verdict(int n, enum gg_verdict verdict);
/* Its success is heard, counts and is confirmed; its result is "42". */
void tale_succeeded(struct tale *t, int n, uint32_t agent, uint64_t fence);
/* Alice cancels a job that waits, or runs, and is told what came of it. */
void tale_cancelled(struct tale *t, int n);
void tale_cancelling(struct tale *t, int n);
/* Alice submits, and is refused. */
void tale_refused(struct tale *t, int n);
/* Bob reads what Alice's request of job `n` has brought. */
void tale_read(struct tale *t, enum gg_command_code asked, int n,
               struct gg_command answer);

#endif
