#include "worker/verdict.h"

#include <stdio.h>

#include "common/assert.h"

enum gg_outcome gg_verdict_kind(const struct gg_attempt *attempt,
                                const struct gg_ending *ending)
{
    switch ((enum gg_attempt_why)attempt->why) {
    case GG_WHY_STOP_CANCELLED:
        return GG_OUTCOME_CANCELLED;
    case GG_WHY_STOP_TIMED_OUT:
        return GG_OUTCOME_TIMED_OUT;
    case GG_WHY_STOP_STALE:
    case GG_WHY_STOP_LOST_WITH_BROKER:
    case GG_WHY_STOP_LEASE:
        return GG_OUTCOME_LOST;
    case GG_WHY_STOP_DRAIN:
        /* Where it ended by itself in time, that counts. */
        return ending->kind == GG_OUTCOME_SUCCEEDED ? GG_OUTCOME_SUCCEEDED
                                                    : GG_OUTCOME_HANDED_BACK;
    case GG_WHY_STOP_NONE:
        return ending->kind;
    }
    GG_BUG("unknown reason to stop");
}

void gg_verdict_text(const struct gg_attempt *attempt, const struct gg_ending *ending,
                     char *text, size_t room)
{
    switch ((enum gg_attempt_why)attempt->why) {
    case GG_WHY_STOP_TIMED_OUT:
        (void)snprintf(text, room, "stopped at its run timeout of %llu ms",
                       (unsigned long long)(attempt->work == NULL
                                                ? 0
                                                : attempt->work->run_timeout_ms));
        return;
    case GG_WHY_STOP_CANCELLED:
        (void)snprintf(text, room, "stopped because it was cancelled");
        return;
    case GG_WHY_STOP_LEASE:
        (void)snprintf(text, room, "killed because its lease could not be renewed");
        return;
    case GG_WHY_STOP_STALE:
        (void)snprintf(text, room, "stopped because a newer attempt exists");
        return;
    case GG_WHY_STOP_LOST_WITH_BROKER:
        (void)snprintf(text, room, "stopped because its job died with its broker");
        return;
    case GG_WHY_STOP_DRAIN:
        (void)snprintf(text, room, "stopped because its agent is draining");
        return;
    case GG_WHY_STOP_NONE:
        (void)snprintf(text, room, "%s", ending->text);
        return;
    }
    GG_BUG("unknown reason to stop");
}
