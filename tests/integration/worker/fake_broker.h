/* fake_broker.h - a broker as small as a test needs it, and the agent it plays with.
 *
 * A ROUTER that speaks the codec: it welcomes, answers heartbeats, assigns what a test
 * says, and records what the agent reports. Each wait turns the socket until what is
 * waited for has happened, and fails the test when it does not within 20 seconds.
 */
#ifndef GG_TESTS_INTEGRATION_WORKER_FAKE_BROKER_H
#define GG_TESTS_INTEGRATION_WORKER_FAKE_BROKER_H

#include <sys/types.h>

#include "common/codec.h"
#include "common/rng.h"

enum { FAKE_JOBS_MAX = 512, FAKE_WAIT_MS = 20000 };

/* What the agent has said of one attempt. */
struct fake_job {
    struct gg_id id;
    uint64_t fence;
    bool started;
    uint32_t outcomes; /* How often it came. */
    uint64_t kind;
    uint64_t exit_status;
    uint64_t signal;
    uint64_t snooze_ms;
    bool never_started;
    char text[512];
    char result[512];
    size_t result_len;
    char output[512];
    uint64_t ppm;
    char progress[128];
    char partial[512];
    char checkpoint[128];
    int64_t ended_ms;
};

struct fake_broker {
    void *context;
    void *router;
    char endpoint[64];
    const char *folder; /* For files of the test; it goes with the broker. */
    char config[256];   /* Where a test writes its agent's file of pools. */
    char gate[256];     /* A file in it, for which jobs wait. */
    uint32_t gates;
    char script[1024]; /* Of fake_gated(). */
    uint8_t peer[256]; /* Routing id of the agent's newest session; 0 bytes: none. */
    size_t peer_len;
    uint64_t session;
    uint64_t received;
    uint64_t sent;
    uint32_t hellos;
    uint32_t hello_held;
    uint32_t heartbeats;
    uint64_t slots;
    bool draining;
    bool bye;
    bool confirms; /* Confirm each outcome at once. */
    bool answers;  /* Answer at all; false: deaf and mute. */
    bool beats;    /* Answer heartbeats. */
    bool welcomes; /* Answer a hello. */
    struct gg_welcome welcome;
    struct gg_rng rng;
    uint64_t next_fence;
    struct fake_job jobs[FAKE_JOBS_MAX];
    uint32_t job_count;
    pid_t agent;
    int agent_log; /* Its standard error. */
    char log[65536];
    size_t log_len;
};

void fake_open(struct fake_broker *broker);
void fake_close(struct fake_broker *broker);

/* For cmocka: *state is an open broker. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* A gate is a file for which jobs wait. From now on it is another one, which is not
 * there yet, as after fake_open(). */
void fake_close_gate(struct fake_broker *broker);
void fake_open_gate(const struct fake_broker *broker);

/* A script that does `first`, waits at the gate, and does `then`; valid until the next
 * one. */
const char *fake_gated(struct fake_broker *broker, const char *first, const char *then);

/* Start bin/ganger-worker against the broker, with these further arguments (ended by
 * NULL), and wait until it is welcomed. */
void fake_start_agent(struct fake_broker *broker, const char *const *arguments);

/* Wait for the agent's end; returns its wait status. */
int fake_wait_agent(struct fake_broker *broker);

/* Let messages come and go for at most `ms`, or until one has come. */
void fake_turn(struct fake_broker *broker, int ms);

/* Turn until `condition` holds; fails the test otherwise. */
#define fake_until(broker, condition)                                                  \
    for (int64_t fake_limit_ = gg_mono_now().ms + FAKE_WAIT_MS; !(condition);          \
         fake_wait(broker, fake_limit_, #condition)) {                                 \
    }
void fake_wait(struct fake_broker *broker, int64_t limit_ms, const char *condition);

/* What the agent has logged so far. */
const char *fake_log(struct fake_broker *broker);

/* Assign a job; `assign` may be NULL or say more (id and fence are filled in). */
struct fake_job *fake_assign(struct fake_broker *broker, const char *payload,
                             const struct gg_assign *more);

/* Send one command to the agent. */
void fake_send(struct fake_broker *broker, enum gg_command_code code,
               const void *record);

void fake_stop(struct fake_broker *broker, const struct fake_job *job,
               enum gg_stop reason, uint64_t grace_ms);
void fake_confirm(struct fake_broker *broker, const struct fake_job *job);

/* Drop the session: the agent's next message is answered with reset. */
void fake_forget_session(struct fake_broker *broker);

/* Processes that have `mark` in their arguments (beside this one). */
uint32_t fake_count_processes(const char *mark);

#endif
