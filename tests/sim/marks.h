/* marks.h - what must happen sometimes: a world in which it never does proves little.
 * Counted by the simulator from what is said and done; a mark that no seed of a long
 * run hits makes the run fail.
 */
#ifndef GG_TESTS_SIM_MARKS_H
#define GG_TESTS_SIM_MARKS_H

#include <stdint.h>

/* clang-format off */
#define SIM_MARK_LIST(X) \
    X(ACCEPTED,        "a job was accepted") \
    X(RESENT,          "an id was sent again") \
    X(KEY_MET,         "a submission met the holder of its key") \
    X(KEY_CONFLICT,    "a key came with another payload") \
    X(QUEUE_FULL,      "a queue was full") \
    X(BUSY,            "as many jobs were known as may be") \
    X(NO_MEMORY,       "the memory bound was reached") \
    X(TOO_MANY,        "too many waited for one job") \
    X(ID_TOO_OLD,      "an id came after its window") \
    X(EXPIRED,         "a job was not started in time") \
    X(BACKOFF,         "an attempt failed and waited to be tried again") \
    X(POISON,          "a job crashed too often") \
    X(SNOOZED,         "a job asked to be run later") \
    X(REJECTED,        "a job refused its input") \
    X(TIMED_OUT,       "an attempt ran too long") \
    X(LEASE_LOST,      "a lease ended without an outcome") \
    X(LEASE_DUE,       "a lease ran out at its deadline") \
    X(GIVEN_BACK,      "an assignment was handed back") \
    X(TAKEN_BACK,      "an attempt went on after its lease was thought over") \
    X(LATE_SUCCESS,    "a success came after its lease, and counted") \
    X(STALE,           "an outcome was refused as stale") \
    X(SAID_AGAIN,      "an outcome came twice and was confirmed twice") \
    X(LOST_WITH_BROKER, "a job died with its broker, and its asker was told") \
    X(SUSPECT,         "an agent was silent and came back") \
    X(NAME_TAKEN,      "a second agent asked for a name in use") \
    X(NEW_LIFE,        "an agent came back as another incarnation") \
    X(STOPPED,         "an attempt was told to stop") \
    X(KEEPER,          "the keeper killed a job at the end of its lease") \
    X(SELF_FENCED,     "an agent killed a job before its lease ended") \
    X(KILLED,          "a job ignored TERM and was killed") \
    X(DRAINED,         "an agent drained and said bye") \
    X(CANCELLED,       "a waiting job was cancelled") \
    X(CANCELLING,      "a running job was cancelled") \
    X(TOO_LATE,        "a cancel came too late") \
    X(RETRIED,         "a job was put back by hand") \
    X(KEY_TAKEN,       "a retry found its key taken") \
    X(PAUSED,          "a pause was answered with nothing unsettled") \
    X(UNSETTLED,       "a pause was answered with something unsettled") \
    X(PURGED,          "jobs were purged") \
    X(EVICTED,         "a job's retention ended") \
    X(DEAD_CAPPED,     "the dead-letter list was full") \
    X(GAP,             "a message was missing and the session began anew") \
    X(STALL,           "the broker was late and judged nobody") \
    X(HELD,            "something waited for the disk") \
    X(RIVAL,           "a cut-off agent still ran what another had begun") \
    X(WAIT_ENDED,      "a wait was answered with the end") \
    X(RESULT_READ,     "a result was read a second time") \
    X(NOT_ALLOWED,     "a key could not do what was asked") \
    X(MANY,            "several were accepted at once") \
    X(MANY_REFUSED,    "several were refused whole") \
    X(PROGRESS,        "progress was shown") \
    X(PARTIAL,         "partial output was shown") \
    X(CHECKPOINT,      "a checkpoint was handed on") \
    X(VOLATILE_LOST,   "a volatile job died with a durable broker") \
    X(BEHIND,          "an attempt began that had stood behind others") \
    X(RETURNED,        "an executor died before it began an attempt it had") \
    X(ASKED_BACK,      "an attempt that stood behind others was had back") \
    X(ADMITTED,        "an attempt that stood behind others was sure to begin") \
    X(SECOND_POOL,     "an agent's second pool was given a job") \
    X(RESTORED,        "a broker began with what an earlier one had left")
/* clang-format on */

enum sim_mark {
#define X(symbol, meaning) SIM_MARK_##symbol,
    SIM_MARK_LIST(X)
#undef X
        SIM_MARK_COUNT
};

extern uint64_t sim_marks[SIM_MARK_COUNT];

static inline void sim_mark(enum sim_mark mark)
{
    sim_marks[mark]++;
}

#endif
