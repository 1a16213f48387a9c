/* ganger/client.h - submit jobs to a Ganger broker, wait for them, look at them.
 *
 * Two ways to use it, on the same handle:
 *
 *   synchronous   each call waits for its answer, at most `timeout_ms`
 *   asynchronous  ganger_*_start() sends a request and returns; put ganger_fd() into
 *                 your event loop, call ganger_process() when it is readable and at the
 *                 latest after ganger_wait_ms(): each answer comes to your callback
 *
 * Threads: a handle belongs to one thread at a time; several handles may live in
 * several threads. The library starts no threads of its own besides libzmq's, installs
 * no signal handlers and keeps no state outside handles, but for the sentence of a
 * thread's last ganger_open() that failed. Do not use a handle in a forked child.
 *
 * Callbacks run inside ganger_process(), ganger_poll() and the calls that wait. In one,
 * the calls that end in _start, ganger_forget() and what only looks may be used; a call
 * that waits returns GANGER_USAGE there, and ganger_close() does nothing.
 *
 * Answers: every call ends in one of three ways: done (GANGER_OK), refused (the broker
 * said no: nothing of it was kept), or unknown (GANGER_TIMED_OUT, GANGER_NO_BROKER: ask
 * again; a submission with the same id is safe to repeat, as often as you like).
 *
 * The library reconnects and sends again what was not answered, by itself.
 */
#ifndef GANGER_CLIENT_H
#define GANGER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GANGER_API __attribute__((visibility("default")))
#else
#define GANGER_API
#endif

/* ---- errors ---- */

/* A code: 0 is success; the others are the protocol's error numbers, the same in every
 * program (see `ganger help errors` or PROTOCOL.md). The ones a caller acts on: */
typedef int ganger_err;
enum {
    GANGER_OK = 0,
    GANGER_NOT_FOUND = 1,
    GANGER_KEY_CONFLICT = 2,
    GANGER_BUSY = 4, /* Also 5, 6, 7: a limit; try again after ganger_retry_ms(). */
    GANGER_NO_MEMORY = 7,
    GANGER_TOO_LARGE = 8,
    GANGER_BAD_FIELD = 12,
    GANGER_NOT_ALLOWED = 19,
    GANGER_TIMED_OUT = 20, /* Unknown: the answer did not come in time. */
    GANGER_NO_BROKER = 21, /* Unknown: no broker in reach in time. */
    GANGER_LOST_WITH_BROKER = 22,
    GANGER_CONFIG = 40,             /* What the environment says cannot be. */
    GANGER_CONNECTION_REFUSED = 41, /* Reasons for "no broker", where they are known: */
    GANGER_NOT_GANGER = 42,
    GANGER_KEY_REFUSED = 43,
    GANGER_NO_HOST = 44,
    GANGER_USAGE =
        46, /* The call itself is wrong: a NULL, a bad name, a closed handle. */
};

/* A sentence for a code, without a full stop; never NULL, static. */
GANGER_API const char *ganger_err_text(ganger_err err);

/* The stable name of a code ("queue_full"); never NULL, static. */
GANGER_API const char *ganger_err_name(ganger_err err);

/* What a command line tool should exit with for a code. */
GANGER_API int ganger_err_exit(ganger_err err);

/* ---- the handle ---- */

typedef struct ganger ganger;

/* How to connect. Zero means the default everywhere. Everything is copied. */
typedef struct ganger_options {
    const char *endpoint;   /* NULL: $GANGER_BROKER, else tcp://127.0.0.1:7440 */
    const char *name;       /* shown to operators; NULL: none */
    const char *key_file;   /* CURVE key pair; NULL: $GANGER_KEY_FILE, else no CURVE */
    const char *server_key; /* the broker's public key, 40 characters of Z85; NULL:
                               $GANGER_SERVER_KEY, else the one in the key file */
    const char *program;    /* name and version for logs; NULL: "libganger" */
} ganger_options;

/* Make a handle; connecting goes on in the background. The caller owns *out and ends it
 * with ganger_close(). GANGER_USAGE: an endpoint, name or key that cannot be;
 * GANGER_CONFIG: the same, of what the environment names; GANGER_NO_MEMORY. The
 * sentence is ganger_last_error(NULL). On failure *out is untouched. `options` may be
 * NULL. */
GANGER_API ganger_err ganger_open(const ganger_options *options, ganger **out);

/* Say goodbye, free everything, set *handle to NULL. Safe on NULL and twice.
 * Requests in flight are forgotten; their callbacks are not called. Takes at most a
 * second. */
GANGER_API void ganger_close(ganger **handle);

/* Wait until a broker has answered. GANGER_OK, or after `timeout_ms` (-1: for ever)
 * the truest reason known: CONNECTION_REFUSED, NOT_GANGER, KEY_REFUSED, NO_HOST,
 * NO_BROKER. A reason that time will not mend (KEY_REFUSED, NO_HOST, NOT_GANGER) is
 * returned early. */
GANGER_API ganger_err ganger_connect(ganger *handle, int timeout_ms);

/* What the last call that failed has to say: the broker's own sentence with its values,
 * or the reason for the connection's state. Never NULL; valid until the next call. Of
 * NULL: why this thread's last ganger_open() failed. */
GANGER_API const char *ganger_last_error(const ganger *handle);

/* When to try again after a BUSY, in ms; 0 when the broker did not say. */
GANGER_API unsigned ganger_retry_ms(const ganger *handle);

/* The endpoint in use; valid until ganger_close(). */
GANGER_API const char *ganger_endpoint(const ganger *handle);

/* Told of each change of the connection's state, once a change: connected or not, and a
 * sentence why. Called from within this library's calls. */
typedef void ganger_state_fn(void *ctx, bool connected, ganger_err why,
                             const char *sentence);
GANGER_API void ganger_on_state(ganger *handle, ganger_state_fn *fn, void *ctx);

/* ---- ids ---- */

enum { GANGER_ID_BYTES = 16, GANGER_ID_TEXT_BYTES = 27 };

typedef struct ganger_id {
    uint8_t bytes[GANGER_ID_BYTES];
} ganger_id;

/* A fresh id, by the broker's clock where a broker has been met. */
GANGER_API ganger_id ganger_id_new(ganger *handle);
GANGER_API void ganger_id_format(const ganger_id *id, char text[GANGER_ID_TEXT_BYTES]);
/* False, leaving *out alone, when `text` is not an id. */
GANGER_API bool ganger_id_parse(const char *text, ganger_id *out);

/* ---- jobs ---- */

typedef struct ganger_bytes {
    const void *data;
    size_t len;
} ganger_bytes;

typedef enum ganger_state {
    GANGER_NONE = 0,
    GANGER_SCHEDULED,
    GANGER_BLOCKED,
    GANGER_READY,
    GANGER_RUNNING,
    GANGER_SUCCEEDED,
    GANGER_FAILED,
    GANGER_CANCELLED,
    GANGER_EXPIRED,
    GANGER_EVICTED,
} ganger_state;

/* "ready", "running" …; never NULL, static. */
GANGER_API const char *ganger_state_name(ganger_state state);

/* True for succeeded, failed, cancelled, expired and evicted. */
GANGER_API bool ganger_state_final(ganger_state state);

#define GANGER_DEFAULT UINT64_MAX /* "Not said": the queue's or the broker's default. */

/* A submission. Begin with GANGER_SUBMIT_INIT and set what you need. All is lent for
 * the length of the call, but for a payload with `payload_done`. Times in ms. */
typedef struct ganger_submission {
    ganger_id id;      /* all zeros: the library makes one, when it is sent */
    const char *queue; /* required: 1 to 64 of A-Z a-z 0-9 . _ - */
    const char *realm; /* NULL: default */
    ganger_bytes payload;
    ganger_bytes key;  /* at most 255 bytes; empty: none */
    bool unique;       /* key := XXH3-128 of the payload, 32 hex digits; not with key */
    unsigned priority; /* 0 first … 255; 128 */
    uint64_t delay_ms;
    int64_t run_at;          /* ms since 1970; 0: now */
    uint64_t expires_ms;     /* start deadline; 0: none */
    uint64_t run_timeout_ms; /* 0: none */
    unsigned attempts;       /* 0: default; 1: at most once */
    int backoff;             /* 0 default, 1 fixed, 2 exponential, 3 list */
    uint64_t backoff_ms;
    uint64_t backoff_max_ms;
    const uint64_t *backoff_list; /* ms, one for each retry; at most 32 */
    size_t backoff_count;
    uint64_t keep_ms;        /* GANGER_DEFAULT, or how long to keep a success */
    uint64_t keep_failed_ms; /* GANGER_DEFAULT, or how long to keep a failure */
    int unique_until;        /* key held until 0 evicted, 1 started, 2 finished */
    int durability;          /* 0 default, 1 none, 2 fsync */
    const char *const *tags; /* names; at most 16 */
    size_t tag_count;
    bool
        end_only; /* of a wait for the end: one answer, and of a success only id, names,
                      state, durability, attempt, exit status and result: less to send
                      where jobs are many and short */
    void (*payload_done)(
        void *ctx); /* NULL: a payload that is needed longer is copied. Else it is not,
                       and must not change until this is called: once for each call
                       with this submission, by any thread, before it returns or later,
                       also where the call fails. It may only free or count. */
    void *payload_ctx;
} ganger_submission;

#ifdef __cplusplus
#define GANGER_SUBMIT_INIT ganger_submit_init()
static inline ganger_submission ganger_submit_init()
{
    ganger_submission submission = ganger_submission();
    submission.priority = 128;
    submission.keep_ms = GANGER_DEFAULT;
    submission.keep_failed_ms = GANGER_DEFAULT;
    return submission;
}
#else
#define GANGER_SUBMIT_INIT                                                             \
    {                                                                                  \
        .priority = 128, .keep_ms = GANGER_DEFAULT, .keep_failed_ms = GANGER_DEFAULT   \
    }
#endif

/* Why a job is not running. */
typedef struct ganger_reason {
    int code;         /* table of reasons in PROTOCOL.md */
    const char *name; /* "paused", "no_worker" … */
    const char *text;
    int64_t since_at; /* ms since 1970; 0 unknown */
    const char *object;
} ganger_reason;

/* A job as the broker sees it. Everything it points to belongs to the library and is
 * valid until the next call that waits returns, which may be asked with it; in a
 * callback until that returns. Texts are never NULL. Times are ms since 1970, 0 for
 * none. */
typedef struct ganger_job {
    ganger_id id;
    const char *realm;
    const char *queue;
    ganger_bytes key;
    bool existing; /* known before this submission */
    bool cancelling;
    ganger_state state;
    int durability; /* reached: 1 none, 2 fsync */
    unsigned attempt;
    unsigned max_attempts;
    unsigned priority;
    double progress; /* 0 to 1 */
    const char *progress_text;
    const char *worker;
    int64_t submitted_at, started_at, finished_at, run_at, expires_at, evicts_at;
    ganger_err error; /* why it did not succeed; 0 if it did, or has not ended */
    const char *error_text;
    int exit_status; /* of the newest attempt; -1 if it did not exit */
    int signal;
    bool has_result; /* result holds it; else it was not asked for, or is gone */
    bool result_gone;
    ganger_bytes result;
    uint64_t result_bytes;
    unsigned waiters;
    uint64_t fence;
    uint64_t epoch; /* of the broker that accepted it: pass it on in a target */
    const char *const *tags;
    size_t tag_count;
    const ganger_reason *why; /* where asked for */
    size_t why_count;
} ganger_job;

/* Which job: an id, or realm, queue and key. Zero the rest. Lent for the call. */
typedef struct ganger_target {
    ganger_id id;
    const char *realm; /* NULL: default */
    const char *queue;
    ganger_bytes key;
    uint64_t epoch; /* from ganger_job, 0 unknown: lets a restarted volatile broker say
                       GANGER_LOST_WITH_BROKER instead of GANGER_NOT_FOUND */
} ganger_target;

/* ---- synchronous calls ----
 *
 * `timeout_ms` -1 waits for ever. When the time is over while a broker is connected,
 * the call returns GANGER_TIMED_OUT; while none is, GANGER_NO_BROKER or, where it is
 * known, the reason for that. `out` pointers may be NULL and are written on GANGER_OK
 * only. Every call may also return GANGER_USAGE (an argument that cannot be),
 * GANGER_NOT_ALLOWED, GANGER_NO_MEMORY and GANGER_TOO_LARGE (above the broker's largest
 * frame or payload: nothing was sent); what it returns besides stands with it, by the
 * names of ganger_err_name() where there is no constant. */

/* Submit a job, or find the one already submitted under the same key. Returns when
 * the broker has accepted it, not when it has run. GANGER_KEY_CONFLICT: the key is
 * that of a job with another payload. GANGER_BUSY and its like, store_full: try
 * again later. GANGER_BAD_FIELD: an option out of its bounds. not_durable: this
 * broker cannot keep it as was asked. id_too_old: an id that is not known and older
 * than the resend window. */
GANGER_API ganger_err ganger_submit(ganger *handle, const ganger_submission *submission,
                                    int timeout_ms, ganger_job *out);

/* Submit up to 1,000 jobs, accepted whole or refused whole. out_jobs: room for `count`;
 * out_jobs[i].id, state and existing are filled in. They travel as one piece, so all of
 * them together must fit the broker's largest frame: GANGER_TOO_LARGE otherwise. */
GANGER_API ganger_err ganger_submit_many(ganger *handle,
                                         const ganger_submission *submissions,
                                         size_t count, int timeout_ms,
                                         ganger_job *out_jobs);

/* Submit and wait for the end. GANGER_OK means that it ended: look at out->state. On
 * GANGER_TIMED_OUT, or without a broker, it may go on; out->id and epoch are filled in
 * if it was accepted. Another call with the same id goes on waiting. */
GANGER_API ganger_err ganger_run(ganger *handle, const ganger_submission *submission,
                                 int timeout_ms, ganger_job *out);

/* A job as it stands. GANGER_NOT_FOUND, GANGER_LOST_WITH_BROKER: there is none. */
GANGER_API ganger_err ganger_get(ganger *handle, const ganger_target *target,
                                 bool with_result, bool with_why, int timeout_ms,
                                 ganger_job *out);

/* Wait for the end of one job; out->state says which it was. GANGER_NOT_FOUND,
 * GANGER_LOST_WITH_BROKER: there is no such job. */
GANGER_API ganger_err ganger_wait(ganger *handle, const ganger_target *target,
                                  int timeout_ms, ganger_job *out);

/* Wait for the ends of `count` jobs; each comes to `fn` as it ends (return false
 * from it to stop waiting), refusals with job->state GANGER_NONE and job->error set.
 * GANGER_OK when all have ended. `index` is the target's. */
typedef bool ganger_each_fn(void *ctx, size_t index, const ganger_job *job);
GANGER_API ganger_err ganger_wait_many(ganger *handle, const ganger_target *targets,
                                       size_t count, int timeout_ms, ganger_each_fn *fn,
                                       void *ctx);

typedef enum ganger_verdict {
    GANGER_VERDICT_CANCELLED = 1, /* it waited; it never starts */
    GANGER_VERDICT_CANCELLING,    /* it runs, or may yet, and is being stopped */
    GANGER_VERDICT_TOO_LATE,      /* it had ended; the result stays */
} ganger_verdict;

/* Cancel a job, for all who share its key. *out_waiters: how many wait for it. `reason`
 * goes to the audit log; NULL: none. GANGER_NOT_FOUND. */
GANGER_API ganger_err ganger_cancel(ganger *handle, const ganger_target *target,
                                    const char *reason, int timeout_ms,
                                    ganger_verdict *out, unsigned *out_waiters);

/* Put a job that failed, expired or was cancelled back in line, with a fresh count of
 * attempts. bad_state: it has not ended, or well; key_taken: another job has its key by
 * now; GANGER_NOT_FOUND. Sent again after a lost answer it may say bad_state: look. */
GANGER_API ganger_err ganger_retry(ganger *handle, const ganger_target *target,
                                   const char *reason, int timeout_ms, ganger_job *out);

/* Which jobs. Zero means no condition. */
typedef struct ganger_filter {
    const char *realm; /* NULL: default */
    const char *queue; /* pattern with * and ?; NULL: all */
    unsigned states;   /* bit 1 << state */
    const char *tag;
    ganger_bytes key;
    uint64_t older_ms, younger_ms; /* accepted at least, at most, this long ago */
    const char *error_has;
} ganger_filter;

/* Visit the jobs that fit, in no certain order, page by page; return false to stop. */
typedef bool ganger_job_fn(void *ctx, const ganger_job *job);
GANGER_API ganger_err ganger_list(ganger *handle, const ganger_filter *filter,
                                  int timeout_ms, ganger_job_fn *fn, void *ctx);

/* ---- history, queues, workers, events, statistics ---- */

/* An entry of a history, or an event. Texts are never NULL. */
typedef struct ganger_moment {
    int64_t at;
    int kind;         /* table of moments in PROTOCOL.md */
    const char *name; /* "accepted", "assigned", "outcome" … */
    ganger_state state;
    unsigned attempt;
    uint64_t fence;
    const char *worker;
    ganger_err error;
    const char *text;
    int exit_status; /* -1: none */
    int signal;
    ganger_bytes output; /* end of standard error, where asked for */
    int64_t until_at;
    uint64_t count;
    ganger_id id;
    const char *realm;
    const char *queue;
    uint64_t seq;
} ganger_moment;

typedef bool ganger_moment_fn(void *ctx, const ganger_moment *moment);

/* Visit a job's history, oldest first. */
GANGER_API ganger_err ganger_history(ganger *handle, const ganger_target *target,
                                     bool with_output, int timeout_ms,
                                     ganger_moment_fn *fn, void *ctx);

typedef struct ganger_queue {
    const char *realm;
    const char *queue;
    bool paused;
    int64_t paused_at;
    const char *reason;
    uint64_t ready, scheduled, blocked, running, failed; /* jobs in each state */
    uint64_t workers, slots;                             /* that serve it */
    uint64_t oldest_ms;                     /* age of the job first in line; 0: none */
    uint64_t succeeded_total, failed_total; /* since the broker's start */
    uint64_t bytes;                         /* of its jobs, in memory */
} ganger_queue;

/* Visit the queues that fit `pattern` (NULL: all), page by page; return false to
 * stop. */
typedef bool ganger_queue_fn(void *ctx, const ganger_queue *queue);
GANGER_API ganger_err ganger_queues(ganger *handle, const char *realm,
                                    const char *pattern, int timeout_ms,
                                    ganger_queue_fn *fn, void *ctx);

/* Pause, resume or purge the queues that fit `pattern`. `pause` returns once no attempt
 * can start any more; a queue that is named in full and not known is made. `dry_run`
 * only counts. GANGER_NOT_ALLOWED: the key does not reach the one that is named. */
typedef struct ganger_scope {
    const char *realm;
    const char *pattern;
    const char *reason;
    bool cancel_running; /* pause: stop also what runs */
    bool dry_run;
    unsigned states; /* purge: bit 1 << state; 0: those that wait */
} ganger_scope;

typedef struct ganger_touched {
    uint64_t count;     /* queues paused or resumed, jobs purged */
    uint64_t unsettled; /* assignments at agents that do not answer */
} ganger_touched;

GANGER_API ganger_err ganger_pause(ganger *handle, const ganger_scope *scope,
                                   int timeout_ms, ganger_touched *out);
GANGER_API ganger_err ganger_resume(ganger *handle, const ganger_scope *scope,
                                    int timeout_ms, ganger_touched *out);
GANGER_API ganger_err ganger_purge(ganger *handle, const ganger_scope *scope,
                                   int timeout_ms, ganger_touched *out);

typedef struct ganger_running {
    ganger_id id;
    const char *realm;
    const char *queue;
    unsigned attempt;
    unsigned pool;
    int64_t started_at;
    double progress;
    const char *progress_text;
    bool started;
} ganger_running;

typedef struct ganger_pool {
    unsigned pool;
    const char *name;
    const char *realm;
    unsigned slots, busy;
    const char *queues; /* patterns, separated by a space */
    /* As its agent reports it; "" and 0 from one that does not. */
    const char *state; /* "open", "down", "removing" */
    const char *kind;  /* "program", "coprocess", "handler", "builtin" */
    const char *group;
    const char *cause;           /* of the last death or start that failed */
    unsigned size, overflow;     /* as configured */
    unsigned executors;          /* processes that stay, now */
    unsigned restarts;           /* used of the budget */
    unsigned restarts_max;       /* what the budget is */
    uint64_t restarts_window_ms; /* in this time */
    uint64_t restarts_total;     /* since the agent's start */
    int64_t opens_at;            /* down: when it is tried again; 0: not */
    const char *source; /* what brings its jobs, and why no other; "": unsaid */
} ganger_pool;

typedef struct ganger_worker {
    const char *name;
    const char *host;
    uint64_t pid;
    const char *version;
    const char *state; /* "up", "suspect", "draining", "gone" */
    unsigned slots, busy;
    uint64_t last_seen_ms; /* ago */
    int64_t connected_at;  /* ms since 1970; 0: not known */
    const ganger_pool *pools;
    size_t pool_count;
    const ganger_running *running; /* where asked for */
    size_t running_count;
} ganger_worker;

/* Visit the agents whose names fit `pattern` (NULL: all); return false to stop. */
typedef bool ganger_worker_fn(void *ctx, const ganger_worker *worker);
GANGER_API ganger_err ganger_workers(ganger *handle, const char *pattern,
                                     bool with_running, int timeout_ms,
                                     ganger_worker_fn *fn, void *ctx);

/* Orders to agents. `worker` is a pattern over their names; the answer comes when all
 * of them have carried it out, or says why one did not. */
enum {
    GANGER_STEER_SCALE = 1, /* `pool` gets `size` */
    GANGER_STEER_ADD,       /* begin `pool`, as in its file or by `definition` */
    GANGER_STEER_REMOVE,    /* let `pool` go; what runs may end */
    GANGER_STEER_QUIET,     /* take no new work */
    GANGER_STEER_RESUME,    /* take work again */
    GANGER_STEER_STOP,      /* drain, and end */
    GANGER_STEER_RESTART,   /* drain, and start anew from its program's file */
    GANGER_STEER_RELEASE /* stop the executor of job `id`: it runs again, uncounted */
};

typedef struct ganger_order {
    int action;
    const char *worker;
    const char *pool;
    uint64_t size;          /* GANGER_DEFAULT: as configured */
    const char *definition; /* lines "name = value"; NULL: as in the agent's file */
    uint64_t grace_ms;      /* GANGER_DEFAULT: the agent's own */
    ganger_id id;
    bool save; /* also after the agent's next start */
    bool dry_run;
    const char *reason;
} ganger_order;

/* out->count: agents that did it. GANGER_NOT_FOUND: none fits, or none knows the pool;
 * else the first reason that one gave. */
GANGER_API ganger_err ganger_steer(ganger *handle, const ganger_order *order,
                                   int timeout_ms, ganger_touched *out);

typedef struct ganger_stat {
    const char *name;
    uint64_t value;
    uint64_t most; /* its limit; 0: none */
    bool counter;
    const char *meaning;
    const char *label_name; /* "" where it has no label */
    const char *label;
} ganger_stat;

/* Visit the broker's counters and gauges; return false to stop. */
typedef bool ganger_stat_fn(void *ctx, const ganger_stat *stat);
GANGER_API ganger_err ganger_stats(ganger *handle, int timeout_ms, ganger_stat_fn *fn,
                                   void *ctx);

typedef struct ganger_broker {
    const char *program;
    const char *state;
    const char *store;
    const char *client_endpoint;
    const char *agent_endpoint;
    uint64_t epoch, pid;
    int64_t started_at, now_at;
    int durability;
    bool curve;
    const ganger_stat *limits;
    size_t limit_count;
    const char *store_path; /* its data folder; "" in memory */
    int64_t committed_at;   /* end of the last commit; 0: none yet */
    uint64_t commits;       /* since it was started */
    uint64_t commit_p50_us; /* how long half of them took at most */
    uint64_t commit_p99_us;
    uint64_t disk_bytes; /* of the data folder */
    uint64_t free_bytes; /* on its disk */
    uint64_t records, record_bytes;
    uint64_t blobs, blob_bytes; /* large payloads and results, kept apart */
    uint64_t waiting_bytes;     /* written and not yet durable */
    int space;                  /* 0 ok; 1 the disk is nearly full; 2 it is behind */
    uint64_t clock_behind_ms;   /* its clock is behind one it knew before: dates wait */
} ganger_broker;

GANGER_API ganger_err ganger_broker_status(ganger *handle, int timeout_ms,
                                           ganger_broker *out);

/* Copy all that the broker keeps, as of one moment, into the new file `path` on the
 * broker's host; `path` begins with '/'. Waits until the copy is on disk. `reason`
 * is for the audit log, or NULL. not_durable: the broker keeps nothing;
 * GANGER_BAD_FIELD: a path that cannot be; GANGER_BUSY: another backup is being
 * made; store, store_full: its disk. */
GANGER_API ganger_err ganger_broker_backup(ganger *handle, const char *path,
                                           const char *reason, int timeout_ms);

/* ---- asynchronous side ---- */

/* A descriptor that is readable when ganger_process() has something to do. It stays the
 * same for the life of the handle, over reconnects. Do not read or close it. It is
 * edge-triggered, so it is not enough alone: before each wait on it ask
 * ganger_wait_ms(), and process instead of waiting while that says 0. */
GANGER_API int ganger_fd(const ganger *handle);

/* Milliseconds until ganger_process() must be called even if the descriptor stays
 * quiet; 0: now. At most 60,000. */
GANGER_API int ganger_wait_ms(ganger *handle);

/* Send what has gathered, read what has come, call callbacks, keep the session alive.
 * Never blocks. GANGER_OK, or GANGER_NO_MEMORY. */
GANGER_API ganger_err ganger_process(ganger *handle);

/* What comes of a request. `final` is false for progress, partial output and the
 * accepted answer of a run; after a final call the request is forgotten. `job` is
 * NULL on errors, but for a run that is given up after it was accepted: then its id and
 * epoch are there. `partial` holds a piece of output, or nothing. */
typedef struct ganger_answer {
    uint64_t request;
    ganger_err err;
    const char *text; /* the sentence to err; never NULL */
    bool final;
    const ganger_job *job;
    ganger_bytes partial;
    uint64_t partial_offset;
    uint64_t partial_gap;        /* bytes before it that are no longer kept */
    ganger_verdict verdict;      /* of a cancel */
    const ganger_moment *moment; /* of a subscription */
} ganger_answer;

typedef void ganger_answer_fn(void *ctx, const ganger_answer *answer);

/* Each returns a request number, or 0 with ganger_last_error() set when the request
 * could not be taken (a bad argument, no memory, or 65,536 in flight). A `timeout_ms`
 * of 0 or below waits for ever; when it has passed the callback gets GANGER_TIMED_OUT,
 * or while there is no broker GANGER_NO_BROKER or the reason for that.
 *
 * What is begun between two calls of ganger_process() leaves in one message: begin
 * all there is, then process. */
GANGER_API uint64_t ganger_submit_start(ganger *handle,
                                        const ganger_submission *submission,
                                        bool until_end, int timeout_ms,
                                        ganger_answer_fn *fn, void *ctx);
GANGER_API uint64_t ganger_get_start(ganger *handle, const ganger_target *target,
                                     bool with_result, int timeout_ms,
                                     ganger_answer_fn *fn, void *ctx);
GANGER_API uint64_t ganger_wait_start(ganger *handle, const ganger_target *target,
                                      bool progress, bool partial, int timeout_ms,
                                      ganger_answer_fn *fn, void *ctx);
GANGER_API uint64_t ganger_cancel_start(ganger *handle, const ganger_target *target,
                                        const char *reason, int timeout_ms,
                                        ganger_answer_fn *fn, void *ctx);
/* Events of `realm` in queues that fit `pattern`, or of one job; until
 * ganger_forget(). */
GANGER_API uint64_t ganger_events_start(ganger *handle, const char *realm,
                                        const char *pattern, const ganger_id *id,
                                        ganger_answer_fn *fn, void *ctx);

/* Drop a request: its callback is not called any more. The job, if any, goes on. */
GANGER_API void ganger_forget(ganger *handle, uint64_t request);

/* Requests in flight. */
GANGER_API size_t ganger_in_flight(const ganger *handle);

/* Wait until something came or `timeout_ms` passed, then process it: a loop for
 * programs without one of their own. */
GANGER_API ganger_err ganger_poll(ganger *handle, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
