/* names.c - what codes and ids are called; needs no handle. */
#include <ganger/client.h>

#include "client/src/names.h"
#include "common/err.h"
#include "common/id.h"
#include "common/record.h"

/* The public names of what both sides of the header know must be the same numbers. */
_Static_assert((int)GANGER_NOT_FOUND == (int)GG_ERR_NOT_FOUND, "err");
_Static_assert((int)GANGER_KEY_CONFLICT == (int)GG_ERR_KEY_CONFLICT, "err");
_Static_assert((int)GANGER_BUSY == (int)GG_ERR_BUSY, "err");
_Static_assert((int)GANGER_NO_MEMORY == (int)GG_ERR_NO_MEMORY, "err");
_Static_assert((int)GANGER_TOO_LARGE == (int)GG_ERR_TOO_LARGE, "err");
_Static_assert((int)GANGER_BAD_FIELD == (int)GG_ERR_BAD_FIELD, "err");
_Static_assert((int)GANGER_NOT_ALLOWED == (int)GG_ERR_NOT_ALLOWED, "err");
_Static_assert((int)GANGER_TIMED_OUT == (int)GG_ERR_TIMED_OUT, "err");
_Static_assert((int)GANGER_NO_BROKER == (int)GG_ERR_NO_BROKER, "err");
_Static_assert((int)GANGER_LOST_WITH_BROKER == (int)GG_ERR_LOST_WITH_BROKER, "err");
_Static_assert((int)GANGER_CONNECTION_REFUSED == (int)GG_ERR_CONNECTION_REFUSED, "err");
_Static_assert((int)GANGER_NOT_GANGER == (int)GG_ERR_NOT_GANGER, "err");
_Static_assert((int)GANGER_KEY_REFUSED == (int)GG_ERR_KEY_REFUSED, "err");
_Static_assert((int)GANGER_NO_HOST == (int)GG_ERR_NO_HOST, "err");
_Static_assert((int)GANGER_USAGE == (int)GG_ERR_USAGE, "err");
_Static_assert((int)GANGER_SUCCEEDED == (int)GG_JOB_SUCCEEDED, "state");
_Static_assert((int)GANGER_EVICTED == (int)GG_JOB_EVICTED, "state");
_Static_assert((int)GANGER_VERDICT_TOO_LATE == (int)GG_VERDICT_TOO_LATE, "verdict");
_Static_assert(GANGER_DEFAULT == GG_UNSAID, "default");
_Static_assert((int)GANGER_ID_BYTES == (int)GG_ID_BYTES, "id");
_Static_assert((int)GANGER_ID_TEXT_BYTES == (int)GG_ID_TEXT_BYTES, "id");

static const char *const state_names[] = {
    [GG_JOB_NONE] = "none",       [GG_JOB_SCHEDULED] = "scheduled",
    [GG_JOB_BLOCKED] = "blocked", [GG_JOB_READY] = "ready",
    [GG_JOB_RUNNING] = "running", [GG_JOB_SUCCEEDED] = "succeeded",
    [GG_JOB_FAILED] = "failed",   [GG_JOB_CANCELLED] = "cancelled",
    [GG_JOB_EXPIRED] = "expired", [GG_JOB_EVICTED] = "evicted",
};

static const char *const moment_names[] = {
    [GG_MOMENT_ACCEPTED] = "accepted",
    [GG_MOMENT_READY] = "ready",
    [GG_MOMENT_ASSIGNED] = "assigned",
    [GG_MOMENT_STARTED] = "started",
    [GG_MOMENT_OUTCOME] = "outcome",
    [GG_MOMENT_LEASE_LOST] = "lease_lost",
    [GG_MOMENT_RETRY] = "retry",
    [GG_MOMENT_CANCEL] = "cancel",
    [GG_MOMENT_RETRIED] = "retried",
    [GG_MOMENT_ENDED] = "ended",
    [GG_MOMENT_EVICTED] = "evicted",
    [GG_MOMENT_GAP] = "gap",
    [GG_MOMENT_PAUSED] = "paused",
    [GG_MOMENT_RESUMED] = "resumed",
    [GG_MOMENT_WORKER_UP] = "worker_up",
    [GG_MOMENT_WORKER_SUSPECT] = "worker_suspect",
    [GG_MOMENT_WORKER_DOWN] = "worker_down",
    [GG_MOMENT_PURGED] = "purged",
    [GG_MOMENT_RESUBMITTED] = "resubmitted",
};

static const char *const why_names[] = {
    [GG_WHY_RUNNING] = "running",     [GG_WHY_ENDED] = "ended",
    [GG_WHY_PAUSED] = "paused",       [GG_WHY_NO_WORKER] = "no_worker",
    [GG_WHY_NO_CREDIT] = "no_credit", [GG_WHY_SCHEDULED] = "scheduled",
    [GG_WHY_BACKOFF] = "backoff",     [GG_WHY_BEHIND] = "behind",
    [GG_WHY_SUSPECT] = "suspect",     [GG_WHY_CANCELLING] = "cancelling",
    [GG_WHY_LEASE] = "lease",
};

static const char *const worker_names[] = {
    "unknown", "up", "suspect", "draining", "gone",
};

#define NAME_OF(names, code)                                                           \
    ((code) < sizeof(names) / sizeof *(names) && (names)[code] != NULL                 \
         ? (names)[code]                                                               \
         : "unknown") /* A newer broker. */

const char *gg_moment_name(uint64_t kind)
{
    return NAME_OF(moment_names, kind);
}

const char *gg_why_name(uint64_t code)
{
    return NAME_OF(why_names, code);
}

const char *gg_worker_state_name(uint64_t state)
{
    return NAME_OF(worker_names, state);
}

const char *gg_pool_state_name(uint64_t state)
{
    static const char *const names[] = {"", "open", "down", "removing"};
    return NAME_OF(names, state);
}

const char *gg_pool_kind_name(uint64_t kind)
{
    static const char *const names[] = {"", "program", "coprocess", "handler",
                                        "builtin"};
    return NAME_OF(names, kind);
}

const char *ganger_state_name(ganger_state state)
{
    return NAME_OF(state_names, (unsigned)state);
}

bool ganger_state_final(ganger_state state)
{
    return state >= GANGER_SUCCEEDED && state <= GANGER_EVICTED;
}

const char *ganger_err_text(ganger_err err)
{
    return gg_err_text((enum gg_err)err);
}

const char *ganger_err_name(ganger_err err)
{
    return gg_err_name((enum gg_err)err);
}

int ganger_err_exit(ganger_err err)
{
    return gg_err_exit((enum gg_err)err);
}

void ganger_id_format(const ganger_id *id, char text[GANGER_ID_TEXT_BYTES])
{
    struct gg_id inner;
    memcpy(inner.bytes, id->bytes, sizeof inner.bytes);
    gg_id_format(&inner, text);
}

bool ganger_id_parse(const char *text, ganger_id *out)
{
    struct gg_id inner;
    if (text == NULL || !gg_id_parse(text, &inner)) {
        return false;
    }
    memcpy(out->bytes, inner.bytes, sizeof inner.bytes);
    return true;
}
