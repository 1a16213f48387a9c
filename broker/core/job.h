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
 * What few jobs have (texts, tags, history, partial output) is in `extra`, made when it
 * is first needed, so that the common job stays small.
 */
#ifndef GG_BROKER_CORE_JOB_H
#define GG_BROKER_CORE_JOB_H

#include <stdbool.h>
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

/* Which of the core's two orders of time a job's timer stands in. */
enum gg_timer_kind { GG_TIMER_NONE = 0, GG_TIMER_MONO, GG_TIMER_WALL };

struct gg_job {
    struct gg_id id;
    uint64_t id_hash;
    uint64_t number; /* Order of acceptance. */
    uint32_t index;  /* Place in the core's table of jobs. */
    uint32_t generation;

    struct gg_queue *queue;
    struct gg_link line;  /* In the queue's line while READY, in its `running` then. */
    struct gg_link lease; /* In the agent's leases while RUNNING. */
    struct gg_link waiters; /* struct gg_waiter.of_job */
    struct gg_link unkept;  /* In core->unkept: its record is to be written. */
    struct gg_heap_node timer;
    uint8_t timer_kind; /* enum gg_timer_kind */

    uint8_t state; /* enum gg_job_state; written only by gg_job_set_state(). */
    uint8_t priority;
    uint8_t durability;   /* enum gg_durability: NONE or FSYNC. */
    uint8_t unique_until; /* enum gg_unique_until */
    uint8_t backoff;      /* enum gg_backoff; DEFAULT: as the bounds say. */
    uint8_t pool;         /* Of the newest attempt. */
    uint8_t crashes;
    uint8_t signal;       /* That ended the newest attempt; 0 none. */
    bool key_held;        /* It stands in the key table. */
    bool plain;           /* No key, default retention: no history unless it fails. */
    bool until_delivered; /* A success goes as soon as a waiter has got it. */
    bool answer_acked;    /* The submitter has acknowledged the accepted answer. */
    bool started;         /* The agent reported the newest attempt as started. */
    bool cancelling;      /* RUNNING: told to stop; ends as CANCELLED. */
    bool at_most_once;
    bool lost;            /* READY: its lease ended without an outcome. */
    bool in_backoff;      /* SCHEDULED: waits to be tried again. */
    bool answering;       /* In core->answering: waiters are still to be told. */
    bool settled;         /* While a hello is dealt with: the agent has it in hand. */
    bool kept_running;    /* Its record says RUNNING. */
    bool payload_apart;   /* The payload is a blob on disk; it may be here too. */
    bool result_apart;    /* The same of the result. */
    bool payload_loading; /* It is being read. */
    bool result_loading;
    bool unsent;           /* RUNNING: its agent is told once the payload is read. */
    bool recovered;        /* Since a restart no newer attempt of it was given. */
    uint16_t attempt;      /* Attempts begun. */
    uint16_t attempts_max; /* Attempt number after which it fails; a retry raises it. */
    uint16_t attempts;     /* As asked: how many a retry by hand grants anew. */
    int16_t exit_status;   /* Of the newest attempt; -1: it did not exit. */
    uint16_t error;        /* enum gg_err: why it did not succeed, or last failed. */
    uint32_t progress_ppm;
    uint32_t waiter_count;

    uint64_t fence;         /* Newest; 0: never assigned. */
    struct gg_agent *agent; /* Of the newest attempt; holds a reference. */
    uint64_t seq;           /* Number of its last record. */

    struct gg_blob *payload;
    struct gg_blob *result;
    struct gg_blob *key; /* NULL: none. */
    uint64_t key_hash;
    uint64_t payload_digest; /* Stays when the payload is dropped. */
    uint64_t result_bytes;
    uint64_t payload_bytes; /* Of a payload that is apart. */
    size_t charged;         /* Bytes accounted for it. */
    size_t dead_charged;    /* Of them, those counted to the dead-letter list. */
    struct gg_extra *extra;

    uint64_t run_timeout_ms;
    uint64_t keep_ms; /* GG_UNSAID: default */
    uint64_t keep_failed_ms;
    uint64_t backoff_ms;
    uint64_t backoff_max_ms;
    struct gg_mono due;         /* SCHEDULED: wakes, unless run_at says. */
    struct gg_mono expires;     /* Start deadline; INT64_MAX: none. */
    struct gg_mono lease_until; /* RUNNING */
    struct gg_mono start_by;    /* RUNNING and not started: may not start later. */
    struct gg_mono ready_since;
    struct gg_wall run_at; /* SCHEDULED by date; 0: not. */
    struct gg_wall submitted_at;
    struct gg_wall started_at;
    struct gg_wall finished_at;
    struct gg_wall until_at; /* For people: when it goes on, or is evicted. */
};

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

/* Free what the job points to, its references excepted that others count. */
void gg_job_release(struct gg_job *job);

/* Replace *blob_p by a copy of `text`, cut to `max` bytes; empty: none. Without
 * memory the old text goes all the same: a text is never worth a failure. */
void gg_text_replace(struct gg_blob **blob_p, struct gg_slice text, size_t max);

#endif
