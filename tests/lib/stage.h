/* stage.h - a broker core on a stage: peers that are numbers, a clock that is a
 * variable, and all that the core says, decoded.
 */
#ifndef GG_TESTS_LIB_STAGE_H
#define GG_TESTS_LIB_STAGE_H

#include "broker/core/core.h"
#include "common/codec.h"
#include "common/rng.h"

enum { KEPT_BLOB = 200, SAID_MAX = 4096, QUEUE_PATTERN_MAX = 8 };

/* One effect of the last step. */
struct said {
    struct gg_effect effect;
    struct gg_command command; /* Of WELCOME, RESET and SEND. */
};

/* What the core had written down: the log of a disk, one entry a record. */
struct kept {
    uint64_t number;
    uint8_t kind;
    bool erased;
    uint32_t part; /* Of a blob, whose kind is KEPT_BLOB. */
    struct gg_id id;
    struct gg_blob *bytes;
};

struct stage {
    struct gg_core *core;
    struct gg_bounds bounds;
    struct gg_core_about about;
    struct gg_now now;
    uint32_t ticks; /* That the core asked for so far. */
    struct gg_effects fx;
    struct gg_grant grant;
    struct gg_rng rng;
    struct said said[SAID_MAX];
    uint32_t said_count;
    struct gg_command attached; /* Scratch. */
    struct kept *kept;          /* In the order of writing. */
    uint32_t kept_count;
    uint32_t kept_room;
};

/* Set up a core with the default bounds, changed by `change` where it is not NULL. */
void stage_init(struct stage *stage, void (*change)(struct gg_bounds *bounds));
void stage_fini(struct stage *stage);

/* Let `ms` pass without an event; and with every tick the core asks for meanwhile (the
 * last tick's effects remain in `said`, those of earlier ticks before them). */
void stage_wait(struct stage *stage, int64_t ms);

/* Steps. Each replaces `said`. */
void stage_client(struct stage *stage, uint32_t peer);
void stage_client_as(struct stage *stage, uint32_t peer, const struct gg_grant *grant);
void stage_agent(struct stage *stage, uint32_t peer, const char *name,
                 const char *pattern, uint32_t slots);
/* The same with attempts in hand: `held` has `held_count` entries. */
void stage_agent_again(struct stage *stage, uint32_t peer, const char *name,
                       uint64_t incarnation, const char *pattern, uint32_t slots,
                       const struct gg_held *held, uint32_t held_count);
void stage_say(struct stage *stage, uint32_t peer, enum gg_command_code code,
               uint64_t request, const void *record);
void stage_close(struct stage *stage, uint32_t peer, bool bye);
void stage_receipt(struct stage *stage, uint64_t token);
void stage_heartbeat(struct stage *stage, uint32_t peer, const uint64_t *fences,
                     uint32_t count);

/* The number of the last record that was written. */
uint64_t stage_written(const struct stage *stage);

/* The broker dies, and `down_ms` later a new one reads the records up to number
 * `durable`; those above were not on disk yet. Every session is gone. */
void stage_crash(struct stage *stage, uint64_t durable, int64_t down_ms);

/* Bring what GG_FX_LOAD of the last step asked for, from the disk; returns how many. */
uint32_t stage_load(struct stage *stage);

/* A submission to `queue` with everything default and a fresh id. */
struct gg_submit stage_submission(struct stage *stage, const char *queue);

/* Submit and return the id of the job that was answered; all zeros when refused. */
struct gg_id stage_submit(struct stage *stage, uint32_t peer, uint64_t request,
                          const struct gg_submit *submit);

/* Report how an attempt ended. */
void stage_outcome(struct stage *stage, uint32_t peer, const struct gg_assign *assign,
                   enum gg_outcome kind, const char *result_or_text);
void stage_started(struct stage *stage, uint32_t peer, const struct gg_assign *assign);

/* What was said: the n-th command of that code to that peer, from 0, or NULL. */
const struct said *stage_heard(const struct stage *stage, uint32_t peer,
                               enum gg_command_code code, uint32_t n);

/* How many commands of that code were said, to anyone. */
uint32_t stage_count(const struct stage *stage, enum gg_command_code code);

/* Effects of a type in the last step. */
uint32_t stage_effects(const struct stage *stage, enum gg_effect_type type);

/* Ask for a job's state. */
enum gg_job_state stage_state(struct stage *stage, uint32_t peer,
                              const struct gg_id *id);

#endif
