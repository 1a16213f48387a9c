/* model.h - what the broker's core must do, said a second time and as plainly as can
 * be: arrays, loops over all of them, no hash, no heap, no list.
 *
 * It takes the same operations as the core and answers what the core must answer. One
 * thing it does not foresee but judges: to which agent a job goes. Whoever runs both
 * hands in the assignments that the core made; the model says whether each was due.
 */
#ifndef GG_TESTS_SIM_MODEL_H
#define GG_TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/record.h"

enum {
    MODEL_JOBS_MAX = 256,
    MODEL_QUEUES = 2,
    MODEL_AGENTS = 2,
    MODEL_GIVEN_MAX = 64,
    MODEL_NEVER = INT32_MAX,
    MODEL_KEEP_MS = 5000, /* What every submission of the test asks for. */
    MODEL_KEEP_FAILED_MS = 8000,
    MODEL_BACKOFF_MS = 3000,
    MODEL_SNOOZE_MS = 2000,
};

/* Times are ms since the beginning of the test. */
struct model_job {
    int state; /* enum gg_job_state */
    int queue;
    int key; /* 0: none */
    int payload;
    int priority;
    int attempts; /* As asked. */
    int attempt;
    int attempt_max;
    int crashes;
    int agent; /* Of the newest attempt; -1 none. */
    int agent_life;
    int line; /* Place in its queue: lower goes first. */
    int result;
    int at; /* Its id's time. */
    int due;
    int expires;
    int lease_end;
    int start_by;
    uint64_t fence;
    bool key_held;
    bool started;
    bool cancelling;
    bool lost;
};

struct model_agent {
    bool here;
    bool known;
    int life; /* Grows each time the broker has forgotten it. */
    int incarnation;
    int slots;
    int seen;
    int gone;
};

struct model_bounds {
    int lease_ms;
    int silent_ms;
    int grace_ms;
    int start_within_ms;
    int adrift_ms; /* What was given up may be counted for so much too long. */
    int forget_ms;
    int window_ms;
    int crashes_max;
    int queue_jobs_max;
};

/* An assignment that the core made. */
struct model_given {
    int job;
    int agent;
    int attempt;
    uint64_t fence;
};

struct model {
    struct model_bounds bounds;
    struct model_job jobs[MODEL_JOBS_MAX];
    int job_count;
    struct model_agent agents[MODEL_AGENTS];
    bool paused[MODEL_QUEUES];
    int adrift[MODEL_QUEUES]; /* Till then something may start whose lease is over. */
    int now;
    int first_line;
    int last_line;
    uint64_t last_fence;
    struct model_given
        given[MODEL_GIVEN_MAX]; /* By the core in the step that follows. */
    int given_count;
    int given_used;
    const char *fault; /* What the core did and must not; NULL: nothing. */
};

/* What a request is answered with. */
struct model_answer {
    enum gg_err err;
    int job;
    int state;
    int verdict;
    bool existing;
};

/* It is `now`: what is due is done. Called for each time at which something is due. */
void model_pass(struct model *model, int now);

/* A submission that was made before, at place `again`, or a new one (-1) that is like
 * `ask` in all that is asked for. */
struct model_answer model_submit(struct model *model, const struct model_job *ask,
                                 int again);
struct model_answer model_get(const struct model *model, int job);
struct model_answer model_cancel(struct model *model, int job);
struct model_answer model_retry(struct model *model, int job);

/* True: answered at once, because nothing can start; a resumption always is. `answered`
 * is what the core did, for when it may do either. */
bool model_pause(struct model *model, int queue, bool paused, bool answered);

/* `held` lists `count` fences. */
void model_hello(struct model *model, int agent, int incarnation, int slots,
                 const uint64_t *held, const bool *started, int count);
void model_heartbeat(struct model *model, int agent, int slots, const uint64_t *held,
                     int count);
void model_closed(struct model *model, int agent, bool bye);
void model_started(struct model *model, int agent, uint64_t fence);
enum gg_err model_outcome(struct model *model, int agent, uint64_t fence,
                          enum gg_outcome kind, bool never_started, int result);

/* After each step: all that the core gave was due, and nothing waits that can start. */
void model_check(struct model *model);

#endif
