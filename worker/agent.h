/* agent.h - every decision of the agent, and no I/O.
 *
 * Messages, time and the ends of processes come in; messages and things to do come out.
 * The shell (worker/io.[ch]) carries bytes and starts and stops what it is told to.
 *
 *   DOWN ──hello()──▶ HELLO_SENT ──welcome──▶ UP ──bye()──▶ LEFT
 *    ▲                     │                  │
 *    └──── lost(), reset ──┴──────────────────┘
 *
 * Called gg_worker in code: the broker has a struct gg_agent of its own.
 *
 * Promises kept here:
 * - An outcome is kept, and sent in every session, until it is confirmed.
 * - An attempt whose lease could not be renewed is killed before the lease ends. Time
 *   runs from the sending of the last heartbeat that the broker is known to have seen:
 *   that is never later than what the broker counts from.
 * - No attempt is started under a fence that is not above the highest taken for its
 *   job, none later than the broker allowed, beyond the window, or while draining.
 */
#ifndef GG_WORKER_AGENT_H
#define GG_WORKER_AGENT_H

#include "worker/attempts.h"
#include "worker/exec/ending.h"
#include "worker/exec/lines.h"
#include "worker/postbag.h"

enum { GG_BEATS_MAX = 64 };

/* One pool as configured; the texts must outlive the agent. */
struct gg_worker_pool {
    uint32_t slots;
    struct gg_slice name;
    struct gg_slice realm; /* Empty: default. */
    const char *const *queues;
    uint32_t queue_count;
    bool echo; /* The built-in no-op: it succeeds at once with its payload. */
};

struct gg_worker_config {
    struct gg_slice name;
    struct gg_slice host;
    struct gg_slice program;
    uint64_t pid;
    uint64_t incarnation;
    uint64_t margin_ms; /* Kill this long before a lease ends; 0: an eighth of it. */
    uint64_t seed;
    const struct gg_worker_pool *pools; /* Copied, but for their texts. */
    uint32_t pool_count;
    uint32_t slots_max; /* Of all pools that there will ever be; 0: of these. */
};

enum gg_worker_state {
    GG_WORKER_DOWN = 0,
    GG_WORKER_HELLO_SENT,
    GG_WORKER_UP,
    GG_WORKER_LEFT,
};

/* What the shell should know of a message. */
enum gg_worker_news {
    GG_NEWS_NONE = 0,
    GG_NEWS_WELCOME, /* The session is open. */
    GG_NEWS_RESET,   /* It is not, or not any more: agent->reset_* say why. */
    GG_NEWS_ERROR,   /* The broker refused something: agent->error_* say what. */
};

/* An order of an operator's, for the shell to carry out. */
struct gg_worker_order {
    struct gg_link link;
    uint64_t request; /* The broker's number of it. */
    enum gg_steering action;
    uint64_t size;     /* GG_UNSAID: not said. */
    uint64_t grace_ms; /* The same. */
    bool save;
    struct gg_id id;
    struct gg_name pool;
    struct gg_blob *definition; /* NULL: none. */
};

struct gg_beat {
    uint64_t sequence;
    int64_t sent_ms;
};

/* Pool i of the agent has the number i + 1 on the wire. */
struct gg_pool_now {
    bool used;
    bool told; /* In this session the broker has been told what it serves. */
    struct gg_worker_pool config;
    uint32_t window;     /* Slots offered now. */
    uint32_t in_hand;    /* Assigned and not yet confirmed. */
    uint32_t open;       /* Of these, not yet ended: what the window counts. */
    struct gg_link line; /* Attempts that wait for an executor. */
    uint32_t waiting;    /* How many those are. */
};

/* Read by the shell, written here only. */
struct gg_worker {
    enum gg_worker_state state;
    struct gg_worker_config config;
    struct gg_pool_now pools[GG_POOLS_MAX];
    uint32_t slots;     /* Of all pools. */
    uint32_t slots_max; /* There is room for so many. */
    struct gg_attempts attempts;
    struct gg_postbag postbag;
    struct gg_link todo;
    struct gg_link orders; /* struct gg_worker_order.link */
    uint32_t order_count;
    struct gg_link said;
    struct gg_buf scratch;
    struct gg_blob *holder; /* Of the attachment of the message being read; lent. */

    uint64_t session;
    uint64_t received; /* Highest sequence of the broker's in this session. */
    uint64_t epoch;
    int64_t heard_ms;
    int64_t beat_at_ms; /* When the next heartbeat is due. */
    int64_t base_ms;    /* Sending time of the newest heartbeat known to be seen. */
    int64_t ticked_ms;
    struct gg_beat beats[GG_BEATS_MAX];
    uint32_t beat_count;

    /* From welcome; before it, defaults. */
    uint64_t heartbeat_ms;
    uint64_t dead_after_ms;
    uint64_t lease_ms;
    uint64_t grace_ms;
    uint64_t result_bytes_max;
    char agent_endpoint[256];
    char broker_program[65];

    enum gg_err reset_err;
    uint64_t reset_retry_ms;
    char reset_text[256];
    enum gg_err error_err;
    char error_text[256];

    bool draining;
    int64_t drain_until_ms; /* INT64_MAX: its end has been dealt with. */

    uint64_t taken_count;   /* Attempts taken since the start. */
    uint64_t dropped_count; /* Assignments there was no room for. */
};

/* GG_ERR_TOO_MANY: more than GG_WORKER_SLOTS_MAX slots in all. */
GG_MUST_USE enum gg_err gg_worker_new(const struct gg_worker_config *config,
                                      struct gg_worker **out_agent);
void gg_worker_destroy(struct gg_worker **agent_p);

/* ---- pools ---- */

/* One more pool, at a place that is free. GG_ERR_TOO_MANY: its slots are more than
 * there is room for, or all GG_POOLS_MAX places are taken. */
GG_MUST_USE enum gg_err gg_worker_add_pool(struct gg_worker *agent, struct gg_mono now,
                                           const struct gg_worker_pool *pool,
                                           uint32_t *out_index);

/* Another number of slots. GG_ERR_TOO_MANY as above. */
GG_MUST_USE enum gg_err gg_worker_resize_pool(struct gg_worker *agent, uint32_t pool,
                                              uint32_t slots);

/* Forget a pool whose window is 0; false: it has attempts in hand yet. */
bool gg_worker_drop_pool(struct gg_worker *agent, struct gg_mono now, uint32_t pool);

/* ---- the connection ---- */

/* There is a connection: open session number `session`, which is new and random. */
void gg_worker_hello(struct gg_worker *agent, struct gg_now now, uint64_t session);

/* The connection, or the session, is gone. Attempts go on. */
void gg_worker_lost(struct gg_worker *agent);

/* A message has arrived; all is lent for the call. `holder`, where it is not NULL, has
 * the bytes of the attachment: who keeps them needs no copy. */
enum gg_worker_news gg_worker_receive(struct gg_worker *agent, struct gg_mono now,
                                      struct gg_slice frame, struct gg_slice attachment,
                                      struct gg_blob *holder);

/* The message to send next, lent until the next call; false when there is none.
 * *out_attachment is NULL where it has one frame. */
bool gg_worker_front(struct gg_worker *agent, struct gg_slice *out_frame,
                     struct gg_blob **out_attachment);
void gg_worker_sent(struct gg_worker *agent);

/* The broker has been silent for longer than it may be. */
bool gg_worker_is_silent(const struct gg_worker *agent, struct gg_mono now);

/* ---- attempts ---- */

/* The attempt of pool index `pool` that has waited longest for an executor; NULL none.
 * It stays in line until gg_worker_starting(). */
struct gg_attempt *gg_worker_next_start(struct gg_worker *agent, uint32_t pool);
void gg_worker_starting(struct gg_worker *agent, struct gg_attempt *attempt);

/* Stop an attempt and give it back to the broker, where it is not counted. */
void gg_worker_give_back(struct gg_worker *agent, uint64_t fence, uint64_t grace_ms);

/* Something to do about an attempt, taken off the list; *out_mask has bits of enum
 * gg_attempt_todo. NULL: nothing. */
struct gg_attempt *gg_worker_next_todo(struct gg_worker *agent, unsigned *out_mask);

/* What becomes of attempts; unknown fences are ignored. `behind`: it is with one that
 * does others first, and comes back if it is asked to or late. `admit`: the same, but
 * nothing keeps it from starting any more, so it counts as started. `returned`: it was,
 * and is not any more; it was not begun. */
void gg_worker_behind(struct gg_worker *agent, uint64_t fence);
void gg_worker_returned(struct gg_worker *agent, uint64_t fence);
void gg_worker_admit(struct gg_worker *agent, uint64_t fence);
void gg_worker_started(struct gg_worker *agent, struct gg_mono now, uint64_t fence);
void gg_worker_said(struct gg_worker *agent, uint64_t fence,
                    const struct gg_line *line);
void gg_worker_ended(struct gg_worker *agent, struct gg_mono now, uint64_t fence,
                     const struct gg_ending *ending);

/* ---- time and will ---- */

/* Do what is due. */
void gg_worker_tick(struct gg_worker *agent, struct gg_mono now);

/* When to call gg_worker_tick() at the latest. */
struct gg_mono gg_worker_next_wake(const struct gg_worker *agent);

/* Offer `slots` in the pool from now on: at most its configured ones. */
void gg_worker_set_window(struct gg_worker *agent, struct gg_mono now, uint32_t pool,
                          uint32_t slots);

/* The order that has waited longest; NULL none. Answer it: that frees it. */
struct gg_worker_order *gg_worker_next_order(struct gg_worker *agent);
void gg_worker_answer(struct gg_worker *agent, struct gg_worker_order *order,
                      enum gg_err err, const char *text);

/* Say how the pools are. */
void gg_worker_report(struct gg_worker *agent, const struct gg_pool_state *states,
                      uint32_t count);

/* Take no new work, or take some again; what runs goes on. */
void gg_worker_quiet(struct gg_worker *agent, struct gg_mono now, bool quiet);

/* Fence of the attempt of that job that is in hand and has not ended; 0 none. */
uint64_t gg_worker_fence_of(const struct gg_worker *agent, const struct gg_id *id);

/* Take no new work, let run what runs for `grace_ms`, then stop it and hand it back. */
void gg_worker_drain(struct gg_worker *agent, struct gg_mono now, uint64_t grace_ms);

/* Draining, and nothing is in hand any more. */
bool gg_worker_is_drained(const struct gg_worker *agent);

/* End the session politely. */
void gg_worker_bye(struct gg_worker *agent, const char *text);

#endif
