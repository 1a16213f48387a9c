/* job.h - one job: what was asked, where it stands, when to look at it again.
 *
 *              .------------------ retry, snooze ------------------.
 *              v                                                   |
 *   NONE -> SCHEDULED -> READY --assign--> RUNNING ----------------+
 *     |        |          | ^                |  |                  |
 *     |        |          | '--lease lost,---'  '--> SUCCEEDED     |
 *     |        |          |    handed back      '--> FAILED        |
 *     |        |          |                     '--> CANCELLED     |
 *     '--------+--> READY '--> CANCELLED, EXPIRED, SUCCEEDED (late outcome)
 *
 *   SUCCEEDED, FAILED, CANCELLED, EXPIRED --retention over-> EVICTED --forgotten-> NONE
 *   FAILED, CANCELLED, EXPIRED --retried by hand--> READY
 *
 * Most jobs known wait in a line, and there may be ten million of them: a job has only
 * what every one of them needs, and the rest in blocks that others need not have:
 *
 *   bytes  what                        a job has it
 *     184  struct gg_job               always; in chunks, by index (registry.c)
 *          64 of them: what who gives work reads first; 64: where it stands
 *      48  struct gg_terms             always, shared by all that were asked for alike
 *      88  struct gg_job_attempt           from its first assignment on
 *      16  struct gg_key, and the key  when it has a key
 *     504  struct gg_extra             when it has texts, tags, a history, partial
 *                                      output, many waiters, or a large payload
 *      16  struct gg_blob, and bytes   payload; result
 *
 * Beside these the maps by id and key, and the timers, have a few bytes of each.
 */
#ifndef GG_BROKER_CORE_JOB_H
#define GG_BROKER_CORE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/heap.h"
#include "common/id.h"
#include "common/list.h"
#include "common/record.h"

struct gg_queue;
struct gg_agent;
struct gg_timeline;

/* Partial output of the newest attempt: its last bytes. */
struct gg_partial_buf {
    struct gg_buf bytes;
    uint64_t offset; /* Of the first byte kept. */
};

/* What few jobs have. */
struct gg_extra {
    struct gg_job *job;
    struct gg_link answering; /* In core->answering: ended, waiters still to be told. */
    uint64_t payload_bytes;   /* Of a payload that is apart. */
    struct gg_blob *error_text;
    struct gg_blob *progress_text;
    struct gg_blob *checkpoint;
    struct gg_timeline *history;
    struct gg_partial_buf partial;
    uint64_t backoff_list[GG_BACKOFFS_MAX];
    uint8_t backoff_count;
    uint8_t tag_count;
    struct gg_blob *tags[GG_TAGS_MAX];
};

/* How a job is to be run, tried again and kept: as asked. Shared (terms.h), so it never
 * changes. */
struct gg_terms {
    uint64_t run_timeout_ms;
    uint64_t keep_ms; /* GG_UNSAID: default */
    uint64_t keep_failed_ms;
    uint64_t backoff_ms;
    uint64_t backoff_max_ms;
    uint16_t attempts;    /* How many, and how many a retry by hand grants anew. */
    uint8_t backoff;      /* enum gg_backoff; DEFAULT: as the bounds say. */
    uint8_t unique_until; /* enum gg_unique_until */
    uint32_t refs;        /* Last: all before it is compared. */
};

/* The newest attempt, and what came of it. */
struct gg_job_attempt {
    union {
        struct gg_job *job;
        struct gg_job_attempt *next_spare; /* Of one that is no job's. */
    };
    struct gg_link lease; /* In the agent's leases while RUNNING. */
    uint64_t fence;
    struct gg_agent *agent;     /* Holds a reference; NULL once evicted. */
    struct gg_mono lease_until; /* RUNNING */
    union {
        struct gg_mono start_by; /* Not started: nor later. */
        size_t dead_charged; /* FAILED: its bytes counted to the dead-letter list. */
    };
    struct gg_wall started_at;
    struct gg_blob *result;
    uint64_t result_bytes;
    uint32_t progress_ppm;
    int16_t exit_status; /* -1: it did not exit. */
    uint8_t signal;      /* That ended it; 0 none. */
    uint8_t pool;
};

/* A key, and what stands for the payload once that is dropped. */
struct gg_key {
    uint64_t payload_digest;
    uint8_t len;
    uint8_t bytes[];
};

/* Which of the core's orders of time a job's timer stands in. Delayed jobs, of which
 * there may be millions, have their own: the others' come and go quickly. */
enum gg_timer_kind {
    GG_TIMER_NONE = 0,
    GG_TIMER_MONO,
    GG_TIMER_DELAY,
    GG_TIMER_WALL,
    GG_TIMER_KIND_COUNT
};

struct gg_job {
    /* What is read first of a job in line. */
    struct gg_link line; /* READY, RUNNING: of its queue. Ended: core->dead, leaving. */
    struct gg_queue *queue;
    struct gg_id id;
    struct gg_blob *payload;
    uint64_t number; /* Order of acceptance. */
    union {
        struct gg_mono expires;     /* Until it ends: start deadline; INT64_MAX none. */
        struct gg_wall finished_at; /* Then; 0: not known. */
    };

    /* Where it stands. */
    uint8_t state; /* enum gg_job_state; written only by gg_job_set_state(). */
    uint8_t priority;
    uint8_t durability; /* enum gg_durability: NONE or FSYNC. */
    uint8_t timer_kind; /* enum gg_timer_kind */
    uint8_t crashes;
    bool key_held : 1;        /* It stands in the key table. */
    bool plain : 1;           /* No key, default retention: no history till it fails. */
    bool until_delivered : 1; /* A success goes as soon as a waiter has got it. */
    bool answer_acked : 1;    /* The submitter has acknowledged the accepted answer. */
    bool started : 1;         /* The agent reported the newest attempt as started. */
    bool cancelling : 1;      /* RUNNING: told to stop; ends as CANCELLED. */
    bool lost : 1;            /* READY: its lease ended without an outcome. */
    bool in_backoff : 1;      /* SCHEDULED: waits to be tried again. */
    bool by_date : 1;         /* SCHEDULED: by run_at, not by due. */
    bool answering : 1;       /* In core->answering. */
    bool settled : 1;         /* While a hello is dealt with: the agent has it. */
    bool kept_running : 1;    /* Its record says RUNNING. */
    bool payload_apart : 1;   /* The payload is a blob on disk; it may be here too. */
    bool result_apart : 1;    /* The same of the result. */
    bool payload_loading : 1; /* It is being read. */
    bool result_loading : 1;
    bool unsent : 1;       /* RUNNING: its agent is told once the payload is read. */
    bool recovered : 1;    /* Since a restart no newer attempt of it was given. */
    uint16_t attempt;      /* Attempts begun. */
    uint16_t attempts_max; /* Attempt number after which it fails; a retry raises it. */
    uint16_t error;        /* enum gg_err: why it did not succeed, or last failed. */
    struct gg_heap_node timer;
    uint32_t waiter_count;
    union {
        struct gg_mono ready_since; /* READY */
        struct gg_mono due;         /* SCHEDULED: wakes. Ended: goes. */
        struct gg_wall run_at;      /* SCHEDULED by date. */
    };
    struct gg_terms *terms;
    struct gg_job_attempt *newest; /* NULL: never assigned. */
    uint32_t index;                /* Place in the core's table of jobs. */
    uint32_t generation;
    uint32_t unkept;    /* The next to be written, its index + 1; 0: none. */
    struct gg_key *key; /* NULL: none. */

    struct gg_extra *extra;
    struct gg_link waiters; /* struct gg_waiter.of_job */
    uint64_t seq;           /* Number of its last record. */
    size_t charged;         /* Bytes accounted for it. */
    struct gg_wall submitted_at;
};

/* A larger job is felt in every backlog: then the table above is to be thought over. */
_Static_assert(sizeof(struct gg_job) <= 184, "a job has become larger");
_Static_assert(sizeof(struct gg_job_attempt) <= 88, "an attempt has become larger");
_Static_assert(offsetof(struct gg_job, state) == 64, "the first line is full");

/* What is accounted for each job beside its bytes, whether it has an attempt yet or not
 * and with whom it shares its terms: what is accepted can also be run. */
enum {
    GG_JOB_BYTES = sizeof(struct gg_job) + sizeof(struct gg_job_attempt) +
                   sizeof(struct gg_terms)
};

/* The newest attempt to read from; of a job never assigned one in which all is none. */
extern const struct gg_job_attempt gg_job_attempt_none;

static inline const struct gg_job_attempt *gg_job_newest(const struct gg_job *job)
{
    return job->newest == NULL ? &gg_job_attempt_none : job->newest;
}

/* The key; empty: none. */
static inline struct gg_slice gg_job_key(const struct gg_job *job)
{
    return job->key == NULL ? (struct gg_slice){0}
                            : gg_slice_of(job->key->bytes, job->key->len);
}

/* A key of 1 to 255 bytes for a job; NULL without memory. */
struct gg_key *gg_key_new(struct gg_slice key, uint64_t payload_digest);

static inline bool gg_job_at_most_once(const struct gg_job *job)
{
    return job->terms->attempts == 1;
}

/* When it ended; 0: it has not, or that is not known any more. */
struct gg_wall gg_job_finished_at(const struct gg_job *job);

/* For people: when a SCHEDULED job goes on, or one that ended is evicted. */
struct gg_wall gg_job_until(const struct gg_job *job, struct gg_now now);

/* From what was asked: is a success kept until it is delivered only, and does the job
 * leave no history? */
void gg_job_set_retention(struct gg_job *job);

/* When the job may no longer start. A job held after a restart may have started in
 * time, and is judged only when it is let go. INT64_MAX: never. */
struct gg_mono gg_job_expiry(const struct gg_job *job);

/* Move `job` to `next`. The only function that writes job->state: moves that are not in
 * the drawing above are bugs and stop the process. */
void gg_job_set_state(struct gg_job *job, enum gg_job_state next);

/* Put a job in state NONE where its record says that it was. */
void gg_job_restore_state(struct gg_job *job, enum gg_job_state state);

/* By priority, then by age; smaller is more urgent. */
static inline int64_t gg_job_urgency(const struct gg_job *job)
{
    return (int64_t)((uint64_t)job->priority << 55 | job->number);
}

/* succeeded, failed, cancelled or expired. */
static inline bool gg_job_ended(const struct gg_job *job)
{
    return job->state >= GG_JOB_SUCCEEDED && job->state <= GG_JOB_EXPIRED;
}

/* scheduled, blocked or ready: no attempt is out. */
static inline bool gg_job_waits(const struct gg_job *job)
{
    return job->state >= GG_JOB_SCHEDULED && job->state <= GG_JOB_READY;
}

/* Free what the job points to, its terms and its newest attempt excepted. */
void gg_job_release(struct gg_job *job);

/* Replace *blob_p by a copy of `text`, cut to `max` bytes; empty: none. Without
 * memory the old text goes all the same: a text is never worth a failure. */
void gg_text_replace(struct gg_blob **blob_p, struct gg_slice text, size_t max);

#endif
