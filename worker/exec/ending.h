/* ending.h - how an attempt ended, as its executor tells it.
 *
 * It knows the process only. What the attempt was stopped for (a cancel, a time limit,
 * a drain, the end of the lease) is the agent's affair and goes above it.
 */
#ifndef GG_WORKER_EXEC_ENDING_H
#define GG_WORKER_EXEC_ENDING_H

#include "common/bytes.h"
#include "common/record.h"

enum { GG_ENDING_TEXT_BYTES = 512 };

struct gg_ending {
    enum gg_outcome kind;
    uint64_t exit_status;            /* GG_UNSAID where it did not exit. */
    uint64_t signal;                 /* 0 where no signal ended it. */
    uint64_t snooze_ms;              /* SNOOZED only. */
    struct gg_blob *result;          /* Lent; NULL is an empty result. */
    struct gg_slice output;          /* End of its standard error, lent. */
    bool keeper_killed;              /* The keeper ended it, at the end of its lease. */
    char text[GG_ENDING_TEXT_BYTES]; /* Why it did not succeed, UTF-8. */
};

/* What is known when a program's process has ended. */
struct gg_process_facts {
    int wait_status;           /* As waitpid() gives it. */
    uint64_t ran_out_bytes;    /* The kernel killed at this much memory; 0: no. */
    bool keeper_killed;        /* Its lease was over, or the keeper was lost. */
    bool keeper_lost;          /* The latter. */
    bool result_too_large;     /* More than result_bytes_max on standard output. */
    uint64_t result_bytes_max; /* For the text. */
    bool snoozed;              /* It asked for `snooze_ms` on descriptor 3. */
    uint64_t snooze_ms;
    struct gg_slice output; /* End of its standard error. */
};

/* Judge a process by what is known of it: exit 0 is a success (or a snooze), 65 a
 * rejection, anything else a failure; a signal is a crash. `result` and `output` of the
 * ending are left for the caller. */
void gg_ending_judge(const struct gg_process_facts *facts, struct gg_ending *out);

/* The program could not be started: `error` is an errno, `stage` what was tried. */
void gg_ending_not_started(const char *stage, int error, struct gg_ending *out);

/* Copy `text` into the ending, cut at a character, with what is not UTF-8 or not
 * printable replaced by '?'. */
void gg_ending_set_text(struct gg_ending *ending, struct gg_slice text);

#endif
