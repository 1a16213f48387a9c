/* talk.h - how the agent and an executor that stays speak: one interface, two
 * ways. Pure.
 *
 *   gg_talk_handler    a C handler: messages of common/codec.h behind their length
 *   gg_talk_coprocess  any program: framed lines (worker/COPROCESS.md)
 *
 * Bytes and structs only; the process and its socket are executor.c's.
 */
#ifndef GG_WORKER_EXEC_TALK_H
#define GG_WORKER_EXEC_TALK_H

#include "worker/exec/run.h"

enum gg_said_kind {
    GG_SAID_READY = 1, /* It can take work. */
    GG_SAID_LINE,      /* Progress, partial output, a checkpoint: `line`. */
    GG_SAID_OUTCOME,   /* Its attempt is over: `outcome`, `text`, `result`. */
    GG_SAID_TOO_LARGE, /* A result above the limit is coming. */
    GG_SAID_RETURNED,  /* Its attempt was stopped before it was begun. */
};

/* What an executor has said; slices are lent for the call. */
struct gg_said {
    enum gg_said_kind kind;
    struct gg_line line;
    enum gg_outcome outcome;
    uint64_t fence; /* 0: not said. */
    uint64_t snooze_ms;
    struct gg_slice text;
    struct gg_slice result;
};

/* False: it may not say this now; what follows is not read. */
typedef bool gg_said_fn(void *ctx, const struct gg_said *said);

#define GG_TALK_BAD SIZE_MAX /* Not in this language. */

struct gg_talk {
    int stop_signal; /* That tells it to give its attempt up; 0: write_stop does. */

    /* Append the attempt, or the wish that it stops, to what is sent. */
    void (*write_job)(struct gg_buf *out, const struct gg_run_spec *spec,
                      const char *folder);
    void (*write_stop)(struct gg_buf *out, uint64_t fence, uint64_t grace_ms);

    /* Append the wish that an attempt comes back if it has not begun; NULL: it cannot
     * be asked for that. */
    void (*write_withdraw)(struct gg_buf *out, uint64_t fence);

    /* Read one message from the front of `bytes`, when it is there whole, and tell
     * `visit`. Returns the bytes used; 0: more are needed; GG_TALK_BAD. */
    size_t (*read)(struct gg_slice bytes, uint64_t result_bytes_max, gg_said_fn *visit,
                   void *ctx);
};

extern const struct gg_talk gg_talk_handler;
extern const struct gg_talk gg_talk_coprocess;

#endif
