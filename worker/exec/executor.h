/* executor.h - a process that stays and runs attempts, one after another: a C handler,
 * or a co-process.
 *
 * The keeper starts it; it speaks over one stream socket, in the language of its
 * gg_talk (worker/exec/talk.h). A handler is our own program with a role argument,
 * exec'ed anew, with the socket at its descriptor 3 (the other side is
 * worker/lib/executor.c); what it says comes through a ring in shared memory
 * (common/handler_wire.h). A co-process has the socket as standard input and output.
 *
 * It has at most one attempt in work; others may be on their way to it already, behind
 * that one (worker/exec/hand.h). When it dies, those were not begun, and come back.
 *
 * Which executor gets the next attempt, and whether a dead one is replaced, is
 * worker/sup's affair.
 */
#ifndef GG_WORKER_EXEC_EXECUTOR_H
#define GG_WORKER_EXEC_EXECUTOR_H

#include "worker/exec/talk.h"

struct gg_executor;

/* How an executor ended. */
struct gg_death {
    const char *reason; /* A sentence; lent. */
    int wait_status;    /* As waitpid() gives it; -1: it could not be started. */
    bool asked;         /* We ended it, or its lease did: no fault of its own. */
};

/* What its owner is told. After `died` the executor is gone; attempts it had in hand
 * have been reported as ended, or as returned, before. */
struct gg_executor_hooks {
    void *ctx;
    void (*ready)(void *ctx, uint32_t index); /* Started, or done with an attempt. */
    void (*died)(void *ctx, uint32_t index, const struct gg_death *death);
};

/* How to start one; all lent for the call. */
struct gg_executor_spec {
    const struct gg_talk *talk;
    const char *const *arguments; /* Ended by NULL. */
    uint32_t index;               /* What its owner calls it. */
    struct gg_run_style style;    /* Its cage must outlive the executor. */
};

/* Start one. GG_OK: `ready` or `died` follows. */
GG_MUST_USE enum gg_err gg_executor_start(const struct gg_run_world *world,
                                          const struct gg_executor_hooks *hooks,
                                          const struct gg_executor_spec *spec,
                                          struct gg_executor **out_executor);

/* How many attempts it may be given now: 1 where it is idle, more only where they will
 * be begun soon. */
uint32_t gg_executor_room(const struct gg_executor *executor, int64_t now_us);

/* Give it an attempt; there must be room. It leaves with gg_executor_send_all(). GG_OK:
 * `ended` or `returned` of the world's hooks follows, `started` when it is in work. On
 * GG_ERR_NO_MEMORY nothing was given. */
GG_MUST_USE enum gg_err gg_executor_give(struct gg_executor *executor,
                                         const struct gg_run_spec *spec,
                                         int64_t now_us);

/* Send what executors have been given: one message for each of them. */
void gg_executor_send_all(const struct gg_run_world *world);

/* Hear what executors that talk have said: without a call of the kernel. */
void gg_executor_hear_all(const struct gg_run_world *world);

/* Has one of them said more? */
bool gg_executor_any_more(const struct gg_run_world *world);

/* Before sleeping: who talks shall wake us. False: one has said more meanwhile, and is
 * to be heard first. */
bool gg_executor_all_heard(const struct gg_run_world *world);

/* Does one that is behind others come back, when it is asked to or is late? Else it
 * will be begun, whatever happens but the executor's end. */
bool gg_executor_gives_back(const struct gg_executor *executor);

/* An attempt that is behind others shall come back unless it has begun. */
void gg_executor_withdraw(struct gg_executor *executor, uint64_t fence);

/* Tell it that an attempt it has is to be given up: now, or when it would begin it;
 * `grace_ms` after that the whole executor is killed. 0: now. */
void gg_executor_stop(struct gg_executor *executor, uint64_t fence, uint64_t grace_ms);

/* Let it end: it sees the end of its input, and is killed after `grace_ms`. */
void gg_executor_end(struct gg_executor *executor, uint64_t grace_ms);

/* The lease of an attempt it has ends at `deadline_ms`. */
void gg_executor_lease(struct gg_executor *executor, uint64_t fence,
                       int64_t deadline_ms);

/* How many attempts it has in hand, and the fence of each; 0 is the one in work. */
uint32_t gg_executor_in_hand(const struct gg_executor *executor);
uint64_t gg_executor_fence(struct gg_executor *executor, uint32_t index);

/* Its process id; 0 before it has been started. */
pid_t gg_executor_pid(const struct gg_executor *executor);

/* Close it; an idle one ends by itself then. */
void gg_executor_drop(struct gg_executor **executor_p);

/* The keeper holds the lease of an attempt for a while after its end, so that a busy
 * executor does not cost two orders a job. Take back those that have rested; the second
 * says when to call again, false: not before something else happens. */
void gg_executor_rest(const struct gg_run_world *world, struct gg_mono now);
bool gg_executor_next_rest(const struct gg_run_world *world, struct gg_mono *out_at);

/* Hand one that has attempts in hand over to the next agent, and take it from the one
 * before. NULL: it could not be taken, and is killed. `spec` as for a start. */
void gg_executor_save(struct gg_executor *executor, struct gg_pack *pack);
struct gg_executor *gg_executor_restore(const struct gg_run_world *world,
                                        const struct gg_executor_hooks *hooks,
                                        const struct gg_executor_spec *spec,
                                        struct gg_pack *pack);

/* What the keeper calls it. */
uint64_t gg_executor_number(const struct gg_executor *executor);

#endif
