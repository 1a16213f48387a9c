/* oracle.h - what the world was promised, and who breaks it.
 *
 * Written from the promises alone, apart from the core's code. It hears what goes into
 * the broker and what comes out (the order of these is the order of things), what
 * processes really run, and what clients were really told. The first broken promise
 * ends the seed.
 *
 * Each checker has a name; plants.py has bugs by which they prove themselves, tales_*.c
 * histories made by hand: one at least for every place that judges.
 */
#ifndef GG_TESTS_SIM_ORACLE_H
#define GG_TESTS_SIM_ORACLE_H

#include "tests/sim/sim.h"

/* clang-format off */
#define ORACLE_CHECK_LIST(X) \
    X(NO_LOSS,       "P1: an accepted job is neither forgotten nor left undone") \
    X(IN_TIME,       "P1: once faults stop, what was accepted ends in bounded time") \
    X(RESEND,        "P2: an id sent again makes no second job") \
    X(KEY,           "P3: one live job a key") \
    X(REFUSED,       "P5: what was refused never runs") \
    X(ATTEMPTS,      "P6: attempts are used up before a job fails, and never exceeded") \
    X(AT_MOST_ONCE,  "P6: attempts=1 starts once at most") \
    X(ONE_LEASE,     "P7: one live lease; it ends for a reason that is promised") \
    X(ONE_PROCESS,   "P7: no two processes of one job at a time") \
    X(FENCE,         "P7: fences only grow") \
    X(STALE,         "P7: what is not of the newest fence changes nothing") \
    X(KEPT_OUTCOME,  "P8: the outcome of the newest fence counts") \
    X(ORDER,         "P9: priority, then order of acceptance") \
    X(NOT_BEFORE,    "P10: no retry and no delayed job before its time") \
    X(RUN_LIMIT,     "P11: a job past its run timeout is stopped") \
    X(EXPIRY,        "P11: past its start deadline a job never starts; only then is it expired") \
    X(CANCEL,        "P12: a cancel has one of three answers and keeps it") \
    X(RETAINED,      "P15: results are kept to their deadline, the same for all") \
    X(FINAL,         "P15: what has ended stays as it ended") \
    X(WAITS_END,     "P16: every wait is answered") \
    X(CHECKPOINT,    "an attempt is given the newest checkpoint of its job") \
    X(OUTPUT,        "progress and partial output are shown of the newest attempt only") \
    X(WHOLE,         "submit_many is accepted whole or refused whole") \
    X(ROLE,          "what a key may not do is refused, and changes nothing") \
    X(PAUSE,         "P21: after the reply no attempt starts") \
    X(BOUNDED,       "P25: nothing grows beyond its limit") \
    X(WINDOW,        "a pool never has more assignments than its window") \
    X(SERVED,        "a job goes only to a pool that serves its queue") \
    X(SOUND,         "what the core counts is what it holds") \
    X(CANARY,        "every run fails when it is told to")
/* clang-format on */

enum oracle_check {
#define X(symbol, meaning) ORACLE_##symbol,
    ORACLE_CHECK_LIST(X)
#undef X
        ORACLE_CHECK_COUNT
};

void oracle_begin(const struct sim *sim);
void oracle_end(void);

/* The first promise that was broken, as a line; NULL: none. */
const char *oracle_verdict(void);
enum oracle_check oracle_broken(void);

/* ---- what the broker hears and says, in order ---- */

void oracle_in(struct sim *sim, const struct gg_event *ev);
void oracle_out(struct sim *sim, uint32_t peer, const struct gg_command *command);
void oracle_step_end(struct sim *sim);
void oracle_broker_down(struct sim *sim);

/* After a restart: how the broker shows a job that was accepted before; NULL: it does
 * not know it. */
void oracle_restored(struct sim *sim, const struct gg_id *id,
                     const struct gg_job_info *job);

/* The n-th job that was accepted; false: there are not so many. */
bool oracle_accepted(uint32_t n, struct gg_id *out);

/* ---- what really runs ---- */

/* An executor has it, and it begins; or it is given to one that begins it later. */
void oracle_run_given(struct sim *sim, const struct gg_id *id);
void oracle_run_begins_late(struct sim *sim, uint32_t agent, const struct gg_id *id,
                            uint64_t fence);
void oracle_run_begins(struct sim *sim, uint32_t agent, const struct gg_id *id,
                       uint64_t fence);
/* It counts as begun, and its time begins at `since`; INT64_MAX: not yet. */
void oracle_run_since(uint32_t agent, const struct gg_id *id, uint64_t fence,
                      int64_t since);
void oracle_run_ends(struct sim *sim, uint32_t agent, const struct gg_id *id,
                     uint64_t fence);

/* An agent has read that its outcome is safe. */
void oracle_confirmed(struct sim *sim, const struct gg_confirm *confirm);

/* ---- what people ask and are told ---- */

void oracle_asked(struct sim *sim, const struct gg_submit *submit);
void oracle_reply(struct sim *sim, const struct sim_asked *asked,
                  const struct gg_reply *reply);

/* An answer about the job has arrived, whether or not anybody still waits for it. */
void oracle_received(const struct gg_id *id);

/* A submission made lately, `back` of them ago. */
bool oracle_known(const struct sim *sim, uint64_t back, struct gg_submit *out);

/* Some attempt that is out, for those who lie about it. */
bool oracle_running(const struct sim *sim, uint64_t pick, struct gg_id *id,
                    uint64_t *out_fence);

/* ---- from outside ---- */

/* Have all that were accepted ended? */
bool oracle_all_ended(const struct sim *sim);

/* How many were accepted or put back by hand, ever. */
uint64_t oracle_begun(void);

/* How long that may take once all is well, if no more begins. */
int64_t oracle_bound_ms(const struct sim *sim);

/* The bound is over; then all that was kept has had its time. */
void oracle_judge_end(struct sim *sim);
void oracle_judge_empty(struct sim *sim);

/* Fail, to show that failing is possible. */
void oracle_canary(struct sim *sim);

/* Now and then: sizes and counts of the core itself. */
void oracle_look_inside(struct sim *sim);

#endif
