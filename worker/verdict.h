/* verdict.h - the outcome of an attempt, from why it was stopped and how it ended.
 * Pure. */
#ifndef GG_WORKER_VERDICT_H
#define GG_WORKER_VERDICT_H

#include "worker/attempts.h"
#include "worker/exec/ending.h"

/* What it was stopped for goes above what its process says of itself. */
enum gg_outcome gg_verdict_kind(const struct gg_attempt *attempt,
                                const struct gg_ending *ending);

/* The sentence that goes with it. */
void gg_verdict_text(const struct gg_attempt *attempt, const struct gg_ending *ending,
                     char *text, size_t room);

#endif
