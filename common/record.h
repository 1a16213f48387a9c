/* record.h - every record of protocol version 1, field by field: the one truth.
 *
 * A record is a MessagePack map from field number to value. A field that is absent has
 * its default, so a sender leaves out what is default. From each list below come the
 * struct that holds a record in memory, the table that the codec works by (record.c),
 * and the check of PROTOCOL.md.
 *
 * Columns: number, kind, name, default, least, most, meaning.
 *   U      unsigned integer, from least to most
 *   BOOL   true or false
 *   ID     16 bytes; least 1 means it must be there
 *   TEXT   UTF-8, least to most bytes
 *   NAME   a name (common/name.h); may be empty when least is 0
 *   GLOB   a pattern over names; may be empty when least is 0
 *   BYTES  bytes, least to most
 *   BLOB   bytes of any length that the limits in `welcome` allow, or the value true,
 *          which stands for the second frame of the message
 *   NUMS   array of unsigned integers, least to most entries
 *   TEXTS  array of texts
 *   <name> array of records of that name
 * Times: _ms is a duration in milliseconds; _at is milliseconds since 1970 UTC, 0 none.
 *
 * To add a field: the next free number at the end of its list, a default that means "as
 * before", PROTOCOL.md, a golden vector. A number is never given a second meaning. A
 * number from 64 up is one that a receiver must understand or refuse.
 */
#ifndef GG_COMMON_RECORD_H
#define GG_COMMON_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/id.h"

enum {
    GG_MUST_UNDERSTAND = 64,  /* First field number that must be understood. */
    GG_TEXT_BYTES_MAX = 4096, /* Error texts, progress texts, reasons. */
    GG_TAIL_BYTES_MAX = 8192, /* Kept end of a job's output. */
    GG_CHECKPOINT_BYTES_MAX = 4096,
    GG_PARTIAL_BYTES_MAX = 16384, /* One piece of partial output. */
    GG_TAGS_MAX = 16,
    GG_POOLS_MAX = 64,     /* Pools of one agent. */
    GG_PATTERNS_MAX = 64,  /* Queues of one pool. */
    GG_SLOTS_MAX = 65536,  /* Attempts in hand of one pool. */
    GG_SUBMITS_MAX = 1000, /* Jobs in one submit_many. */
    GG_PAGE_MAX = 1000,    /* Records in one page of a list. */
    GG_BACKOFFS_MAX = 32,  /* Entries of a back-off list. */
    GG_ATTEMPTS_MAX = 1000,
};

#define GG_DAY_MS         UINT64_C(86400000)
#define GG_YEAR_MS        (UINT64_C(366) * GG_DAY_MS)
#define GG_ANY            UINT64_MAX /* No bound but the field's own width. */
#define GG_UNSAID         UINT64_MAX /* "Not said": the default applies. */
#define GG_BLOB_BYTES_MAX UINT32_MAX /* The real bound is in welcome. */

/* Entries of an array field, still packed, one after the other. */
struct gg_list {
    struct gg_slice raw;
    uint32_t count;
};

/* Values of enumerated fields. 0 is never sent but as a default. */
enum gg_peer_kind { GG_PEER_CLIENT = 1, GG_PEER_AGENT = 2 };

enum gg_role {
    GG_ROLE_SUBMIT = 1,
    GG_ROLE_WORK = 2,
    GG_ROLE_OBSERVE = 4,
    GG_ROLE_OPERATE = 8,
    GG_ROLE_ALL = 15,
};

enum gg_durability {
    GG_DURABILITY_DEFAULT = 0,
    GG_DURABILITY_NONE,
    GG_DURABILITY_FSYNC
};

enum gg_unique_until {
    GG_UNIQUE_EVICTED = 0, /* The key is held until the job is evicted. */
    GG_UNIQUE_STARTED,
    GG_UNIQUE_FINISHED,
};

enum gg_backoff {
    GG_BACKOFF_DEFAULT = 0,
    GG_BACKOFF_FIXED,
    GG_BACKOFF_EXPONENTIAL,
    GG_BACKOFF_LIST
};

enum gg_job_state {
    GG_JOB_NONE = 0,
    GG_JOB_SCHEDULED,
    GG_JOB_BLOCKED,
    GG_JOB_READY,
    GG_JOB_RUNNING,
    GG_JOB_SUCCEEDED,
    GG_JOB_FAILED,
    GG_JOB_CANCELLED,
    GG_JOB_EXPIRED,
    GG_JOB_EVICTED, /* Only its id is remembered: a resend makes no second job. */
    GG_JOB_STATE_COUNT
};

enum gg_outcome {
    GG_OUTCOME_SUCCEEDED = 1,
    GG_OUTCOME_FAILED,    /* Non-zero exit, or a handler's failure: retry by policy. */
    GG_OUTCOME_REJECTED,  /* The job refuses its input: no retry. */
    GG_OUTCOME_SNOOZED,   /* Again after snooze_ms; the attempt is not counted. */
    GG_OUTCOME_CRASHED,   /* Ended by a signal that nobody of ours sent. */
    GG_OUTCOME_TIMED_OUT, /* Stopped at its run timeout. */
    GG_OUTCOME_CANCELLED, /* Stopped because it was cancelled. */
    GG_OUTCOME_HANDED_BACK, /* Stopped by drain or withdrawal: ready again. */
    GG_OUTCOME_LOST,        /* Killed because its lease could not be renewed. */
    GG_OUTCOME_NOT_STARTED, /* The program could not be started. */
    GG_OUTCOME_COUNT
};

enum gg_stop {
    GG_STOP_CANCELLED = 1,
    GG_STOP_TIMED_OUT,
    GG_STOP_WITHDRAWN,
    GG_STOP_STALE,
    GG_STOP_LOST_WITH_BROKER
};

enum gg_verdict {
    GG_VERDICT_CANCELLED = 1,
    GG_VERDICT_CANCELLING,
    GG_VERDICT_TOO_LATE
};

enum gg_steering {
    GG_STEER_SCALE = 1,
    GG_STEER_ADD,
    GG_STEER_REMOVE,
    GG_STEER_QUIET,
    GG_STEER_RESUME,
    GG_STEER_STOP,
    GG_STEER_RESTART,
    GG_STEER_RELEASE,
    GG_STEER_COUNT
};

enum gg_pool_condition { GG_POOL_OPEN = 1, GG_POOL_DOWN, GG_POOL_REMOVING };

/* What an entry of a job's history, or an event, says. */
enum gg_moment {
    GG_MOMENT_ACCEPTED = 1,
    GG_MOMENT_READY,
    GG_MOMENT_ASSIGNED,
    GG_MOMENT_STARTED,
    GG_MOMENT_OUTCOME, /* How an attempt ended; `error` and `text` say why. */
    GG_MOMENT_LEASE_LOST,
    GG_MOMENT_RETRY,   /* Waits for its back-off; `until_at` says until when. */
    GG_MOMENT_CANCEL,  /* Someone asked to cancel it. */
    GG_MOMENT_RETRIED, /* Someone put it back in line by hand. */
    GG_MOMENT_ENDED,   /* Reached a terminal state. */
    GG_MOMENT_EVICTED,
    GG_MOMENT_GAP,    /* `count` entries are missing here. */
    GG_MOMENT_PAUSED, /* Of a queue. */
    GG_MOMENT_RESUMED,
    GG_MOMENT_WORKER_UP, /* Of an agent. */
    GG_MOMENT_WORKER_SUSPECT,
    GG_MOMENT_WORKER_DOWN,
    GG_MOMENT_PURGED,
    GG_MOMENT_RESUBMITTED, /* A submission met the job under its key. */
    GG_MOMENT_COUNT
};

enum gg_why {
    GG_WHY_RUNNING = 1, /* It is running; since when, where. */
    GG_WHY_ENDED,
    GG_WHY_PAUSED,    /* Its queue is paused. */
    GG_WHY_NO_WORKER, /* No agent subscribes to its queue. */
    GG_WHY_NO_CREDIT, /* Agents subscribe, all slots are taken. */
    GG_WHY_SCHEDULED, /* It waits for a time. */
    GG_WHY_BACKOFF,   /* It waits to be tried again. */
    GG_WHY_BEHIND,    /* Others are before it in line. */
    GG_WHY_SUSPECT,   /* The agents that serve the queue are silent. */
    GG_WHY_CANCELLING,
    GG_WHY_LEASE,     /* Its agent is silent; it waits for the lease to end. */
    GG_WHY_NO_MEMORY, /* The broker's memory bound is reached: no attempt starts. */
    GG_WHY_COUNT
};

/* clang-format off */

/* ---- parts of commands ---- */

#define GG_POOL_FIELDS(F) \
    F(1, U,     pool,      0, 1, GG_POOLS_MAX,    "number of the pool, chosen by the agent") \
    F(2, U,     slots,     0, 0, GG_SLOTS_MAX,    "attempts it will have in hand in all") \
    F(3, TEXTS, queues,    0, 0, GG_PATTERNS_MAX, "patterns of the queues it takes work from") \
    F(4, NAME,  realm,     0, 0, 64,              "realm of the queues; absent: default") \
    F(5, NAME,  name,      0, 0, 64,              "what people call the pool") \
    F(6, U,     busy,      0, 0, GG_ANY,          "attempts in hand (in answers)")

#define GG_HELD_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "the attempt's fence") \
    F(3, U,     pool,      0, 0, GG_POOLS_MAX,    "pool that runs it") \
    F(4, BOOL,  started,   0, 0, 1,               "its executor runs")

#define GG_REASON_FIELDS(F) \
    F(1, U,     code,      0, 1, GG_ANY,          "kind of reason (table of reasons)") \
    F(2, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "a sentence for people") \
    F(3, U,     since_at,  0, 0, GG_ANY,          "since when, where that is known") \
    F(4, TEXT,  object,    0, 0, 256,             "what it waits for: a queue, an agent, a time") \
    F(5, U,     count,     0, 0, GG_ANY,          "how many, where that says something")

#define GG_MOMENT_FIELDS(F) \
    F(1, U,     at,        0, 0, GG_ANY,          "when, by the broker's clock") \
    F(2, U,     kind,      0, 1, GG_ANY,          "what happened (table of moments)") \
    F(3, U,     state,     0, 0, GG_ANY,          "the job's state after it") \
    F(4, U,     attempt,   0, 0, GG_ANY,          "attempt it is about") \
    F(5, U,     fence,     0, 0, GG_ANY,          "fence of that attempt") \
    F(6, TEXT,  worker,    0, 0, 64,              "agent it is about") \
    F(7, U,     error,     0, 0, GG_ANY,          "why, as an error number") \
    F(8, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "why, as a sentence") \
    F(9, U,     exit_status, GG_UNSAID, 0, GG_ANY, "exit status of the program, where it exited") \
    F(10, U,    signal,    0, 0, 255,             "signal that ended the program") \
    F(11, BYTES, output,   0, 0, GG_TAIL_BYTES_MAX, "end of its standard error") \
    F(12, U,    until_at,  0, 0, GG_ANY,          "when it goes on") \
    F(13, U,    count,     0, 0, GG_ANY,          "how many, for a gap or a purge") \
    F(14, ID,   id,        0, 0, 1,               "job, in events") \
    F(15, NAME, realm,     0, 0, 64,              "realm, in events") \
    F(16, NAME, queue,     0, 0, 64,              "queue, in events") \
    F(17, U,    seq,       0, 0, GG_ANY,          "number of the event in its subscription")

#define GG_QUEUE_FIELDS(F) \
    F(1, NAME,  queue,     0, 1, 64,              "name") \
    F(2, NAME,  realm,     0, 0, 64,              "realm") \
    F(3, BOOL,  paused,    0, 0, 1,               "no attempt starts") \
    F(4, U,     ready,     0, 0, GG_ANY,          "jobs that wait for a worker") \
    F(5, U,     scheduled, 0, 0, GG_ANY,          "jobs that wait for a time") \
    F(6, U,     blocked,   0, 0, GG_ANY,          "jobs that wait for others") \
    F(7, U,     running,   0, 0, GG_ANY,          "jobs leased") \
    F(8, U,     failed,    0, 0, GG_ANY,          "jobs on the dead-letter list") \
    F(9, U,     workers,   0, 0, GG_ANY,          "agents that serve it") \
    F(10, U,    slots,     0, 0, GG_ANY,          "slots that serve it") \
    F(11, U,    oldest_ms, 0, 0, GG_ANY,          "age of the job first in line") \
    F(12, U,    succeeded_total, 0, 0, GG_ANY,    "jobs ended well since the start") \
    F(13, U,    failed_total, 0, 0, GG_ANY,       "jobs ended badly since the start") \
    F(14, U,    bytes,     0, 0, GG_ANY,          "payload and result bytes in memory") \
    F(15, U,    paused_at, 0, 0, GG_ANY,          "paused since") \
    F(16, TEXT, reason,    0, 0, GG_TEXT_BYTES_MAX, "why it was paused")

#define GG_RUN_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, NAME,  queue,     0, 0, 64,              "its queue") \
    F(3, U,     attempt,   0, 0, GG_ANY,          "attempt") \
    F(4, U,     started_at, 0, 0, GG_ANY,         "since when") \
    F(5, U,     progress_ppm, 0, 0, 1000000,      "progress, in millionths") \
    F(6, TEXT,  progress_text, 0, 0, GG_TEXT_BYTES_MAX, "what it says of itself") \
    F(7, U,     pool,      0, 0, GG_ANY,          "pool that runs it") \
    F(8, NAME,  realm,     0, 0, 64,              "its realm") \
    F(9, BOOL,  started,   0, 0, 1,               "its executor runs")

#define GG_POOL_STATE_FIELDS(F) \
    F(1, U,     pool,      0, 1, GG_POOLS_MAX,    "number of the pool") \
    F(2, U,     state,     0, 1, GG_ANY,          "1 open, 2 down, 3 being removed") \
    F(3, U,     kind,      0, 1, GG_ANY,          "1 program, 2 coprocess, 3 handler, 4 builtin") \
    F(4, U,     size,      0, 0, GG_SLOTS_MAX,    "jobs at once") \
    F(5, U,     overflow,  0, 0, GG_SLOTS_MAX,    "more of them while work waits") \
    F(6, U,     executors, 0, 0, GG_SLOTS_MAX,    "processes that stay, now") \
    F(7, U,     restarts,  0, 0, GG_ANY,          "restarts of the budget that are used") \
    F(8, U,     restarts_max, 0, 0, GG_ANY,       "and how many it has") \
    F(9, U,     window_ms, 0, 0, GG_ANY,          "in this time") \
    F(10, U,    restarts_count, 0, 0, GG_ANY,     "restarts since the agent's start") \
    F(11, U,    opens_at,  0, 0, GG_ANY,          "down: when it is tried again") \
    F(12, TEXT, cause,     0, 0, GG_TEXT_BYTES_MAX, "of the last death or start that failed") \
    F(13, NAME, group,     0, 0, 64,              "group of pools it belongs to") \
    F(14, TEXT, source,    0, 0, GG_TEXT_BYTES_MAX, "what brings its jobs, and why no other")

#define GG_WORKER_FIELDS(F) \
    F(1, NAME,  name,      0, 1, 64,              "name") \
    F(2, TEXT,  host,      0, 0, 255,             "host it runs on") \
    F(3, U,     pid,       0, 0, GG_ANY,          "process id there") \
    F(4, TEXT,  version,   0, 0, 64,              "program and version") \
    F(5, U,     state,     0, 0, GG_ANY,          "1 up, 2 suspect, 3 draining, 4 gone") \
    F(6, U,     slots,     0, 0, GG_ANY,          "slots in all") \
    F(7, U,     busy,      0, 0, GG_ANY,          "attempts in hand") \
    F(8, POOL, pools,   0, 0, GG_POOLS_MAX,    "its pools") \
    F(9, U,     last_seen_ms, 0, 0, GG_ANY,       "since its last message") \
    F(10, RUN, runs,    0, 0, GG_PAGE_MAX,     "what it runs, where asked for") \
    F(11, U,    connected_at, 0, 0, GG_ANY,       "session open since") \
    F(12, POOL_STATE, states, 0, 0, GG_POOLS_MAX, "how its pools are")

#define GG_STAT_FIELDS(F) \
    F(1, TEXT,  name,      0, 1, 64,              "name, with its unit") \
    F(2, U,     value,     0, 0, GG_ANY,          "value") \
    F(3, BOOL,  counter,   0, 0, 1,               "only grows; else a gauge") \
    F(4, TEXT,  meaning,   0, 0, 256,             "a sentence") \
    F(5, U,     most,      0, 0, GG_ANY,          "its limit, where it has one") \
    F(6, TEXT,  label,     0, 0, 256,             "what it is of: a queue, an error") \
    F(7, TEXT,  label_name, 0, 0, 64,             "kind of label: queue, error, …")

/* ---- session ---- */

#define GG_HELLO_FIELDS(F) \
    F(1, U,     version_min, 0, 1, 255,           "lowest protocol version it speaks") \
    F(2, U,     version_max, 0, 1, 255,           "highest protocol version it speaks") \
    F(3, U,     kind,      0, 1, 2,               "1 client, 2 agent") \
    F(4, NAME,  name,      0, 0, 64,              "name of the agent; a client may have one") \
    F(5, TEXT,  host,      0, 0, 255,             "host it runs on") \
    F(6, U,     pid,       0, 0, GG_ANY,          "process id there") \
    F(7, TEXT,  program,   0, 0, 64,              "program and version") \
    F(8, U,     incarnation, 0, 0, GG_ANY,        "an agent's start, growing with each start of that name") \
    F(9, POOL, pools,   0, 0, GG_POOLS_MAX,    "an agent's pools with their windows") \
    F(10, HELD, held,   0, 0, GG_SLOTS_MAX,    "attempts it has in hand") \
    F(11, U,    epoch,     0, 0, GG_ANY,          "epoch of the broker it knew last, 0 none") \
    F(12, U,    outcomes,  0, 0, GG_ANY,          "outcomes it will send again") \
    F(13, U,    now_at,    0, 0, GG_ANY,          "its wall clock") \
    F(14, BOOL, draining,  0, 0, 1,               "it takes no new work")

#define GG_WELCOME_FIELDS(F) \
    F(1, U,     version,   0, 1, 255,             "protocol version of this session") \
    F(2, U,     epoch,     0, 1, GG_ANY,          "epoch of the broker; grows with each start") \
    F(3, TEXT,  program,   0, 0, 64,              "program and version") \
    F(4, U,     heartbeat_ms, 0, 1, GG_ANY,       "send a heartbeat this often") \
    F(5, U,     dead_after_ms, 0, 1, GG_ANY,      "silence after which the other side is given up") \
    F(6, U,     lease_ms,  0, 0, GG_ANY,          "a lease, from the heartbeat that renews it") \
    F(7, U,     frame_bytes_max, 0, 1, GG_ANY,    "largest frame the broker takes") \
    F(8, U,     payload_bytes_max, 0, 0, GG_ANY,  "largest payload") \
    F(9, U,     result_bytes_max, 0, 0, GG_ANY,   "largest result") \
    F(10, U,    inline_bytes_max, 0, 0, GG_ANY,   "larger BLOBs travel in a frame of their own") \
    F(11, U,    requests_max, 0, 1, GG_ANY,       "requests in flight") \
    F(12, U,    now_at,    0, 0, GG_ANY,          "the broker's wall clock: make ids by it") \
    F(13, U,    durability, 0, 1, 2,              "best durability: 1 none, 2 fsync") \
    F(14, U,    roles,     0, 0, GG_ANY,          "roles of this key: 1 submit, 2 work, 4 observe, 8 operate") \
    F(15, U,    id_window_ms, 0, 0, GG_ANY,       "an id is remembered at least this long") \
    F(16, TEXT, client_endpoint, 0, 0, 255,       "where clients connect") \
    F(17, TEXT, agent_endpoint, 0, 0, 255,        "where agents connect") \
    F(18, U,    grace_ms,  0, 0, GG_ANY,          "time between TERM and KILL for a stopped job")

#define GG_RESET_FIELDS(F) \
    F(1, U,     error,     0, 1, GG_ANY,          "why, as an error number") \
    F(2, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "why, as a sentence") \
    F(3, U,     version_min, 0, 0, 255,           "lowest protocol version the broker speaks") \
    F(4, U,     version_max, 0, 0, 255,           "highest protocol version the broker speaks") \
    F(5, U,     retry_ms,  0, 0, GG_ANY,          "say hello again after this time at the earliest")

#define GG_BYE_FIELDS(F) \
    F(1, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "why")

#define GG_HEARTBEAT_FIELDS(F) \
    F(1, POOL, pools,   0, 0, GG_POOLS_MAX,    "windows of an agent's pools, in full") \
    F(2, NUMS,  held,      0, 0, GG_SLOTS_MAX,    "fences of the attempts in hand, rising: these leases are renewed") \
    F(3, BOOL,  draining,  0, 0, 1,               "the agent takes no new work")

#define GG_ERROR_FIELDS(F) \
    F(1, U,     error,     0, 1, GG_ANY,          "which (table of errors)") \
    F(2, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "what, with the values") \
    F(3, U,     retry_ms,  0, 0, GG_ANY,          "try again after this time, where that helps") \
    F(4, TEXT,  object,    0, 0, 256,             "the field or thing it is about")

#define GG_DONE_FIELDS(F) \
    F(1, U,     count,     0, 0, GG_ANY,          "how many were touched") \
    F(2, U,     unsettled, 0, 0, GG_ANY,          "assignments at silent agents that may yet start until their start-by time") \
    F(3, BOOL,  dry_run,   0, 0, 1,               "nothing was changed")

/* ---- clients ask ---- */

#define GG_SUBMIT_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "made by the client; the same again is a resend") \
    F(2, NAME,  queue,     0, 1, 64,              "queue") \
    F(3, BLOB,  payload,   0, 0, GG_BLOB_BYTES_MAX, "handed to the job as it is") \
    F(4, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(5, BYTES, key,       0, 0, 255,             "idempotency key, unique in realm and queue") \
    F(6, U,     priority, 128, 0, 255,            "0 goes first") \
    F(7, U,     delay_ms,  0, 0, GG_YEAR_MS,      "not before this time has passed") \
    F(8, U,     run_at,    0, 0, GG_ANY,          "not before this time") \
    F(9, U,     expires_ms, 0, 0, GG_YEAR_MS,     "start deadline, from acceptance; 0 none") \
    F(10, U,    run_timeout_ms, 0, 0, GG_YEAR_MS, "longest run of an attempt; 0 none") \
    F(11, U,    attempts,  0, 0, GG_ATTEMPTS_MAX, "attempts at most; 0: default; 1: at most once") \
    F(12, U,    backoff,   0, 0, 3,               "1 fixed, 2 exponential, 3 list; 0: default") \
    F(13, U,    backoff_ms, 0, 0, GG_YEAR_MS,     "fixed: the delay; exponential: the first") \
    F(14, U,    backoff_max_ms, 0, 0, GG_YEAR_MS, "exponential: the longest; 0: default") \
    F(15, NUMS, backoff_list, 0, 0, GG_BACKOFFS_MAX, "list: delays in ms, the last one repeats") \
    F(16, U,    keep_ms,   GG_UNSAID, 0, GG_YEAR_MS, "retention of a success; absent: default") \
    F(17, U,    keep_failed_ms, GG_UNSAID, 0, GG_YEAR_MS, "retention of a failure; absent: default") \
    F(18, U,    unique_until, 0, 0, 2,            "key is held until 0 evicted, 1 started, 2 finished") \
    F(19, U,    durability, 0, 0, 2,              "1 none, 2 fsync; 0: default") \
    F(20, BOOL, wait,      0, 0, 1,               "answer a second time when the job has ended") \
    F(21, TEXTS, tags,     0, 0, GG_TAGS_MAX,     "labels to find it by, names each") \
    F(22, BOOL, end_only,  0, 0, 1,               "with wait: no answer before the end, and a success in brief")

#define GG_SUBMIT_MANY_FIELDS(F) \
    F(1, SUBMIT, jobs,  0, 1, GG_SUBMITS_MAX,  "accepted whole or refused whole; payloads inline") \
    F(2, U,     results,   0, 0, GG_ANY,          "reserved")

#define GG_TARGET_FIELDS(F) \
    F(1, ID,    id,        0, 0, 1,               "job by id") \
    F(2, NAME,  realm,     0, 0, 64,              "or by key: realm; absent: default") \
    F(3, NAME,  queue,     0, 0, 64,              "queue") \
    F(4, BYTES, key,       0, 0, 255,             "key") \
    F(5, U,     epoch,     0, 0, GG_ANY,          "broker epoch that accepted it, where known") \
    F(6, BOOL,  want_result, 0, 0, 1,             "with the result's bytes") \
    F(7, BOOL,  want_why,  0, 0, 1,               "with the reasons why it is not running") \
    F(8, U,     timeout_ms, 0, 0, GG_YEAR_MS,     "wait: at most; 0 no limit") \
    F(9, BOOL,  want_progress, 0, 0, 1,           "wait: with progress as it comes") \
    F(10, BOOL, want_partial, 0, 0, 1,            "wait: with partial output as it comes") \
    F(11, U,    offset,    0, 0, GG_ANY,          "wait: partial output from this byte on") \
    F(12, TEXT, reason,    0, 0, GG_TEXT_BYTES_MAX, "cancel, retry: why, for the audit log") \
    F(13, BOOL, want_output, 0, 0, 1,             "history: with the ends of standard error") \
    F(14, BOOL, dry_run,   0, 0, 1,               "cancel, retry: say what would happen, do nothing") \
    F(15, U,    durability, 0, 0, 2,              "with which it was accepted, where known: 1 none, 2 fsync")

#define GG_LIST_JOBS_FIELDS(F) \
    F(1, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(2, GLOB,  queue,     0, 0, 64,              "queues; absent: all") \
    F(3, U,     states,    0, 0, GG_ANY,          "bit 1 << state for each state wanted; 0 all") \
    F(4, NAME,  tag,       0, 0, 64,              "has this tag") \
    F(5, U,     older_ms,  0, 0, GG_ANY,          "accepted at least this long ago") \
    F(6, U,     younger_ms, 0, 0, GG_ANY,         "accepted at most this long ago; 0 no bound") \
    F(7, TEXT,  error_has, 0, 0, 256,             "error text contains this") \
    F(8, U,     after,     0, 0, GG_ANY,          "cursor: the `next` of the page before") \
    F(9, U,     limit,   100, 1, GG_PAGE_MAX,     "jobs at most in this page") \
    F(10, BYTES, key,      0, 0, 255,             "has this key")

#define GG_SCOPE_FIELDS(F) \
    F(1, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(2, GLOB,  queue,     0, 0, 64,              "queues, or agents where agents are asked for; absent: all") \
    F(3, BOOL,  cancel_running, 0, 0, 1,          "pause: stop also what runs") \
    F(4, TEXT,  reason,    0, 0, GG_TEXT_BYTES_MAX, "pause, resume, purge: why, for the audit log") \
    F(5, BOOL,  dry_run,   0, 0, 1,               "pause, resume, purge: count, do nothing") \
    F(6, BOOL,  want_runs, 0, 0, 1,               "workers: with what they run") \
    F(7, U,     states,    0, 0, GG_ANY,          "purge: states as in list_jobs; 0: waiting ones") \
    F(8, TEXT,  after,     0, 0, 129,             "cursor: the `next` of the page before") \
    F(9, U,     limit,   100, 1, GG_PAGE_MAX,     "entries at most in this page")

#define GG_EVENTS_FIELDS(F) \
    F(1, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(2, GLOB,  queue,     0, 0, 64,              "queues; absent: all") \
    F(3, ID,    id,        0, 0, 1,               "only of this job") \
    F(4, U,     kinds,     0, 0, GG_ANY,          "bit 1 << moment for each kind wanted; 0 all")

#define GG_UNSUBSCRIBE_FIELDS(F) \
    F(1, U,     request,   0, 0, GG_ANY,          "the request that began it")

#define GG_EMPTY_FIELDS(F) \
    F(1, BOOL,  unused,    0, 0, 1,               "reserved")

#define GG_BACKUP_FIELDS(F) \
    F(1, TEXT,  path,      0, 1, 4096,            "new file on the broker's host, as the broker names it; absolute") \
    F(2, TEXT,  reason,    0, 0, GG_TEXT_BYTES_MAX, "why, for the audit log")

/* ---- answers ---- */

#define GG_JOB_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "id; another than the one submitted where a key was met") \
    F(2, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(3, NAME,  queue,     0, 0, 64,              "queue") \
    F(4, BYTES, key,       0, 0, 255,             "key") \
    F(5, BOOL,  existing,  0, 0, 1,               "the job of another submission, met under the key") \
    F(6, U,     state,     0, 1, GG_ANY,          "state (table of states)") \
    F(7, U,     durability, 0, 0, 2,              "reached: 1 none, 2 fsync") \
    F(8, U,     attempt,   0, 0, GG_ANY,          "attempts begun") \
    F(9, U,     attempts_max, 0, 0, GG_ANY,       "attempts at most") \
    F(10, U,    progress_ppm, 0, 0, 1000000,      "progress, in millionths") \
    F(11, TEXT, progress_text, 0, 0, GG_TEXT_BYTES_MAX, "what it says of itself") \
    F(12, TEXT, worker,    0, 0, 64,              "agent of the newest attempt") \
    F(13, U,    submitted_at, 0, 0, GG_ANY,       "accepted") \
    F(14, U,    started_at, 0, 0, GG_ANY,         "newest attempt assigned") \
    F(15, U,    finished_at, 0, 0, GG_ANY,        "ended") \
    F(16, U,    run_at,    0, 0, GG_ANY,          "not before") \
    F(17, U,    expires_at, 0, 0, GG_ANY,         "start deadline") \
    F(18, U,    evicts_at, 0, 0, GG_ANY,          "retention ends") \
    F(19, U,    error,     0, 0, GG_ANY,          "why it did not succeed (table of errors)") \
    F(20, TEXT, error_text, 0, 0, GG_TEXT_BYTES_MAX, "why, as a sentence") \
    F(21, BLOB, result,    0, 0, GG_BLOB_BYTES_MAX, "result") \
    F(22, U,    result_bytes, 0, 0, GG_ANY,       "its length, also where it is not sent along") \
    F(23, U,    priority, 128, 0, 255,            "priority") \
    F(24, TEXTS, tags,     0, 0, GG_TAGS_MAX,     "tags") \
    F(25, U,    waiters,   0, 0, GG_ANY,          "who wait for it") \
    F(26, REASON, why,  0, 0, 64,              "why it is not running, where asked for") \
    F(27, BOOL, cancelling, 0, 0, 1,              "it runs and has been told to stop") \
    F(28, BOOL, result_gone, 0, 0, 1,             "it succeeded and its result is no longer kept") \
    F(29, U,    exit_status, GG_UNSAID, 0, GG_ANY, "exit status of the newest attempt, where it exited") \
    F(30, U,    signal,    0, 0, 255,             "signal that ended the newest attempt") \
    F(31, U,    fence,     0, 0, GG_ANY,          "newest fence") \
    F(32, U,    epoch,     0, 0, GG_ANY,          "broker epoch that accepted it")

#define GG_JOBS_FIELDS(F) \
    F(1, JOB, jobs,     0, 0, GG_PAGE_MAX,     "jobs, in the order of the request; never with results") \
    F(2, U,     next,      0, 0, GG_ANY,          "cursor of the next page; 0: this was the last") \
    F(3, U,     scanned,   0, 0, GG_ANY,          "jobs looked at for this page")

#define GG_CANCELLED_FIELDS(F) \
    F(1, U,     verdict,   0, 1, 3,               "1 cancelled, 2 cancelling, 3 too late") \
    F(2, U,     waiters,   0, 0, GG_ANY,          "who wait for it") \
    F(3, U,     state,     0, 0, GG_ANY,          "the job's state now") \
    F(4, ID,    id,        0, 1, 1,               "the job")

#define GG_HISTORY_FIELDS(F) \
    F(1, MOMENT, moments, 0, 0, 64,            "oldest first; a gap mark where some were dropped") \
    F(2, ID,    id,        0, 0, 1,               "the job")

#define GG_REASONS_FIELDS(F) \
    F(1, REASON, reasons, 0, 0, 64,            "the most telling first") \
    F(2, U,     state,     0, 0, GG_ANY,          "the job's state") \
    F(3, ID,    id,        0, 0, 1,               "the job")

#define GG_QUEUES_FIELDS(F) \
    F(1, QUEUE, queues, 0, 0, GG_PAGE_MAX,     "by name") \
    F(2, TEXT,  next,      0, 0, 129,             "cursor of the next page; absent: this was the last")

#define GG_WORKERS_FIELDS(F) \
    F(1, WORKER, workers, 0, 0, GG_PAGE_MAX,   "by name") \
    F(2, TEXT,  next,      0, 0, 129,             "cursor of the next page; absent: this was the last")

#define GG_STATS_FIELDS(F) \
    F(1, STAT, stats,   0, 0, GG_PAGE_MAX,     "counters and gauges")

#define GG_BROKER_FIELDS(F) \
    F(1, TEXT,  program,   0, 0, 64,              "program and version") \
    F(2, U,     epoch,     0, 0, GG_ANY,          "epoch") \
    F(3, U,     pid,       0, 0, GG_ANY,          "process id") \
    F(4, U,     started_at, 0, 0, GG_ANY,         "serving since") \
    F(5, U,     durability, 0, 0, 2,              "best durability: 1 none, 2 fsync") \
    F(6, TEXT,  store,     0, 0, 255,             "kind of store") \
    F(7, STAT, limits,  0, 0, GG_PAGE_MAX,     "each limit with what is used of it") \
    F(8, TEXT,  state,     0, 0, 32,              "serving or closing") \
    F(9, TEXT,  client_endpoint, 0, 0, 255,       "where clients connect") \
    F(10, TEXT, agent_endpoint, 0, 0, 255,        "where agents connect") \
    F(11, BOOL, curve,     0, 0, 1,               "keys are required") \
    F(12, U,    now_at,    0, 0, GG_ANY,          "the broker's wall clock") \
    F(13, TEXT, store_path, 0, 0, 4096,           "the data folder; absent: in memory") \
    F(14, U,    committed_at, 0, 0, GG_ANY,       "end of the last commit") \
    F(15, U,    commit_p50_us, 0, 0, GG_ANY,      "half of the commits took at most this long") \
    F(16, U,    commit_p99_us, 0, 0, GG_ANY,      "99 of 100 commits took at most this long") \
    F(17, U,    commits,   0, 0, GG_ANY,          "commits since the start") \
    F(18, U,    disk_bytes, 0, 0, GG_ANY,         "what the store takes on its disk") \
    F(19, U,    free_bytes, 0, 0, GG_ANY,         "free on that disk") \
    F(20, U,    records,   0, 0, GG_ANY,          "live records") \
    F(21, U,    record_bytes, 0, 0, GG_ANY,       "their bytes") \
    F(22, U,    blobs,     0, 0, GG_ANY,          "large payloads and results kept apart") \
    F(23, U,    blob_bytes, 0, 0, GG_ANY,         "their bytes") \
    F(24, U,    waiting_bytes, 0, 0, GG_ANY,      "written and not yet durable") \
    F(25, U,    space,     0, 0, GG_ANY,          "0 there is room; 1 nearly full: no new durable work; 2 the store is behind") \
    F(26, U,    clock_behind_ms, 0, 0, GG_ANY,    "by how much the wall clock is behind one it knew before: dates wait")

#define GG_EVENT_FIELDS(F) \
    F(1, MOMENT, moments, 0, 1, GG_PAGE_MAX,   "what happened, in order; a gap mark where some were dropped")

/* ---- work ---- */

#define GG_ASSIGN_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of this attempt") \
    F(3, U,     pool,      0, 1, GG_POOLS_MAX,    "pool that shall run it") \
    F(4, U,     attempt,   0, 1, GG_ANY,          "attempt, from 1") \
    F(5, NAME,  queue,     0, 1, 64,              "queue") \
    F(6, BLOB,  payload,   0, 0, GG_BLOB_BYTES_MAX, "payload") \
    F(7, NAME,  realm,     0, 0, 64,              "realm; absent: default") \
    F(8, BYTES, key,       0, 0, 255,             "key") \
    F(9, U,     run_timeout_ms, 0, 0, GG_YEAR_MS, "longest run; 0 none") \
    F(10, U,    start_within_ms, 0, 0, GG_ANY,    "do not start it later than this; give it back") \
    F(11, BYTES, checkpoint, 0, 0, GG_CHECKPOINT_BYTES_MAX, "what an earlier attempt stored") \
    F(12, U,    attempts_max, 0, 0, GG_ANY,       "attempts at most")

#define GG_STOP_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of the attempt") \
    F(3, U,     reason,    0, 1, GG_ANY,          "1 cancelled, 2 timed out, 3 withdrawn, 4 stale, 5 lost with broker") \
    F(4, U,     grace_ms,  0, 0, GG_ANY,          "time between TERM and KILL")

#define GG_CONFIRM_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of the outcome") \
    F(3, U,     error,     0, 0, GG_ANY,          "0 taken; stale or lost_with_broker: of no use; forget it either way")

#define GG_STARTED_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of the attempt")

#define GG_PROGRESS_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 0, GG_ANY,          "fence of the attempt") \
    F(3, U,     progress_ppm, 0, 0, 1000000,      "progress, in millionths; the last one counts") \
    F(4, TEXT,  progress_text, 0, 0, GG_TEXT_BYTES_MAX, "a line of text") \
    F(5, U,     attempt,   0, 0, GG_ANY,          "attempt (to clients)") \
    F(6, U,     state,     0, 0, GG_ANY,          "the job's state (to clients)")

#define GG_PARTIAL_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 0, GG_ANY,          "fence of the attempt") \
    F(3, U,     offset,    0, 0, GG_ANY,          "place of the first byte in this attempt's output") \
    F(4, BYTES, data,      0, 0, GG_PARTIAL_BYTES_MAX, "the piece") \
    F(5, U,     gap,       0, 0, GG_ANY,          "bytes before it that are no longer kept (to clients)")

#define GG_CHECKPOINT_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of the attempt") \
    F(3, BYTES, data,      0, 0, GG_CHECKPOINT_BYTES_MAX, "given to the next attempt")

#define GG_OUTCOME_FIELDS(F) \
    F(1, ID,    id,        0, 1, 1,               "job") \
    F(2, U,     fence,     0, 1, GG_ANY,          "fence of the attempt") \
    F(3, U,     kind,      0, 1, 10,              "how it ended (table of outcomes)") \
    F(4, BLOB,  result,    0, 0, GG_BLOB_BYTES_MAX, "result of a success") \
    F(5, U,     exit_status, GG_UNSAID, 0, 255,   "exit status, where the program exited") \
    F(6, U,     signal,    0, 0, 255,             "signal that ended it") \
    F(7, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "why it did not succeed") \
    F(8, BYTES, output,    0, 0, GG_TAIL_BYTES_MAX, "end of its standard error") \
    F(9, U,     snooze_ms, 0, 0, GG_YEAR_MS,      "again after this time") \
    F(10, BOOL, never_started, 0, 0, 1,           "handed back without having been started") \
    F(11, U,    run_ms,    0, 0, GG_ANY,          "how long it ran")

#define GG_STEER_FIELDS(F) \
    F(1, GLOB,  worker,    0, 0, 64,              "agents; for `release` the one that has the job") \
    F(2, U,     action,    0, 1, GG_ANY,          "1 scale, 2 add, 3 remove, 4 quiet, 5 resume, 6 stop, 7 restart, 8 release") \
    F(3, NAME,  pool,      0, 0, 64,              "scale, add, remove: the pool") \
    F(4, U,     size,      GG_UNSAID, 0, GG_ANY,  "scale, add: its size") \
    F(5, TEXT,  definition, 0, 0, GG_TEXT_BYTES_MAX, "add: its settings, a line each; absent: as in the agent's file") \
    F(6, BOOL,  save,      0, 0, 1,               "scale, add, remove: also after the agent's next start") \
    F(7, U,     grace_ms,  GG_UNSAID, 0, GG_ANY,  "stop, restart, release: time for what runs; absent: the agent's own") \
    F(8, ID,    id,        0, 0, 1,               "release: the job whose executor is stopped") \
    F(9, TEXT,  reason,    0, 0, GG_TEXT_BYTES_MAX, "why, for the audit log") \
    F(10, BOOL, dry_run,   0, 0, 1,               "count the agents, do nothing")

#define GG_STEERED_FIELDS(F) \
    F(1, U,     error,     0, 0, GG_ANY,          "0 done; else why not (table of errors)") \
    F(2, TEXT,  text,      0, 0, GG_TEXT_BYTES_MAX, "why not, as a sentence")

#define GG_REPORT_FIELDS(F) \
    F(1, POOL_STATE, pools, 0, 0, GG_POOLS_MAX,   "all its pools")

/* clang-format on */

/* Every record: X(symbol, fields, name on paper). */
/* clang-format off */
#define GG_RECORD_LIST(X) \
    X(POOL, gg_pool_info, GG_POOL_FIELDS) \
    X(HELD, gg_held, GG_HELD_FIELDS) \
    X(REASON, gg_reason, GG_REASON_FIELDS) \
    X(MOMENT, gg_moment_info, GG_MOMENT_FIELDS) \
    X(QUEUE, gg_queue_info, GG_QUEUE_FIELDS) \
    X(RUN, gg_run_info, GG_RUN_FIELDS) \
    X(POOL_STATE, gg_pool_state, GG_POOL_STATE_FIELDS) \
    X(WORKER, gg_worker_info, GG_WORKER_FIELDS) \
    X(STAT, gg_stat_info, GG_STAT_FIELDS) \
    X(HELLO, gg_hello, GG_HELLO_FIELDS) \
    X(WELCOME, gg_welcome, GG_WELCOME_FIELDS) \
    X(RESET, gg_reset, GG_RESET_FIELDS) \
    X(BYE, gg_bye, GG_BYE_FIELDS) \
    X(HEARTBEAT, gg_heartbeat, GG_HEARTBEAT_FIELDS) \
    X(ERROR, gg_error, GG_ERROR_FIELDS) \
    X(DONE, gg_done, GG_DONE_FIELDS) \
    X(SUBMIT, gg_submit, GG_SUBMIT_FIELDS) \
    X(SUBMIT_MANY, gg_submit_many, GG_SUBMIT_MANY_FIELDS) \
    X(TARGET, gg_target, GG_TARGET_FIELDS) \
    X(LIST_JOBS, gg_list_jobs, GG_LIST_JOBS_FIELDS) \
    X(SCOPE, gg_scope, GG_SCOPE_FIELDS) \
    X(EVENTS, gg_events, GG_EVENTS_FIELDS) \
    X(UNSUBSCRIBE, gg_unsubscribe, GG_UNSUBSCRIBE_FIELDS) \
    X(EMPTY, gg_empty, GG_EMPTY_FIELDS) \
    X(BACKUP, gg_backup, GG_BACKUP_FIELDS) \
    X(JOB, gg_job_info, GG_JOB_FIELDS) \
    X(JOBS, gg_jobs, GG_JOBS_FIELDS) \
    X(CANCELLED, gg_cancelled, GG_CANCELLED_FIELDS) \
    X(HISTORY, gg_history, GG_HISTORY_FIELDS) \
    X(REASONS, gg_reasons, GG_REASONS_FIELDS) \
    X(QUEUES, gg_queues, GG_QUEUES_FIELDS) \
    X(WORKERS, gg_workers, GG_WORKERS_FIELDS) \
    X(STATS, gg_stats, GG_STATS_FIELDS) \
    X(BROKER, gg_broker_info, GG_BROKER_FIELDS) \
    X(EVENT, gg_event_info, GG_EVENT_FIELDS) \
    X(ASSIGN, gg_assign, GG_ASSIGN_FIELDS) \
    X(STOP, gg_stop_info, GG_STOP_FIELDS) \
    X(CONFIRM, gg_confirm, GG_CONFIRM_FIELDS) \
    X(STARTED, gg_started, GG_STARTED_FIELDS) \
    X(PROGRESS, gg_progress, GG_PROGRESS_FIELDS) \
    X(PARTIAL, gg_partial, GG_PARTIAL_FIELDS) \
    X(CHECKPOINT, gg_checkpoint, GG_CHECKPOINT_FIELDS) \
    X(OUTCOME, gg_outcome_info, GG_OUTCOME_FIELDS) \
    X(STEER, gg_steer, GG_STEER_FIELDS) \
    X(STEERED, gg_steered, GG_STEERED_FIELDS) \
    X(REPORT, gg_report, GG_REPORT_FIELDS)
/* clang-format on */

/* The members of a record's struct. */
#define GG_MEMBER_U(name)          uint64_t name;
#define GG_MEMBER_BOOL(name)       bool name;
#define GG_MEMBER_ID(name)         struct gg_id name;
#define GG_MEMBER_TEXT(name)       struct gg_slice name;
#define GG_MEMBER_NAME(name)       struct gg_slice name;
#define GG_MEMBER_GLOB(name)       struct gg_slice name;
#define GG_MEMBER_BYTES(name)      struct gg_slice name;
#define GG_MEMBER_BLOB(name)       struct gg_slice name;
#define GG_MEMBER_NUMS(name)       struct gg_list name;
#define GG_MEMBER_TEXTS(name)      struct gg_list name;
#define GG_MEMBER_POOL(name)       struct gg_list name;
#define GG_MEMBER_HELD(name)       struct gg_list name;
#define GG_MEMBER_REASON(name)     struct gg_list name;
#define GG_MEMBER_MOMENT(name)     struct gg_list name;
#define GG_MEMBER_QUEUE(name)      struct gg_list name;
#define GG_MEMBER_RUN(name)        struct gg_list name;
#define GG_MEMBER_POOL_STATE(name) struct gg_list name;
#define GG_MEMBER_WORKER(name)     struct gg_list name;
#define GG_MEMBER_STAT(name)       struct gg_list name;
#define GG_MEMBER_SUBMIT(name)     struct gg_list name;
#define GG_MEMBER_JOB(name)        struct gg_list name;

#define GG_MEMBER(number, kind, name, fallback, least, most, meaning)                  \
    GG_MEMBER_##kind(name)
#define X(symbol, tag, fields)                                                         \
    struct tag {                                                                       \
        fields(GG_MEMBER)                                                              \
    };
GG_RECORD_LIST(X)
#undef X

enum gg_record_id {
#define X(symbol, tag, fields) GG_RECORD_##symbol,
    GG_RECORD_LIST(X)
#undef X
        GG_RECORD_COUNT
};

enum gg_field_kind {
    GG_FIELD_U,
    GG_FIELD_BOOL,
    GG_FIELD_ID,
    GG_FIELD_TEXT,
    GG_FIELD_NAME,
    GG_FIELD_GLOB,
    GG_FIELD_BYTES,
    GG_FIELD_BLOB,
    GG_FIELD_NUMS,
    GG_FIELD_TEXTS,
    GG_FIELD_RECORDS,
};

/* One row of the lists above. */
struct gg_field {
    uint8_t number;
    uint8_t kind;   /* enum gg_field_kind */
    uint8_t record; /* Of RECORDS: enum gg_record_id of the entries. */
    uint16_t offset;
    uint64_t fallback;
    uint64_t least;
    uint64_t most;
    const char *name;
    const char *meaning;
};

/* One list above; field number n stands at fields[n - 1]. */
struct gg_record {
    const char *name;
    const struct gg_field *fields;
    const void *defaults; /* Its struct with every field at its default. */
    uint64_t required;    /* Bit 1 << number of each field that must be there. */
    uint16_t count;
    uint16_t bytes; /* Of its struct. */
};

/* The table of record `id`. */
const struct gg_record *gg_record_of(enum gg_record_id id);

#endif
