/* steer.c - orders to agents, through the broker. */
#include <ganger/client.h>

#include "client/src/sync.h"
#include "common/name.h"

_Static_assert((int)GANGER_STEER_SCALE == (int)GG_STEER_SCALE, "steer");
_Static_assert((int)GANGER_STEER_RELEASE == (int)GG_STEER_RELEASE, "steer");

static void take_done(struct gg_call *call, const struct gg_command *command)
{
    ganger_touched *out = call->out;
    if (out != NULL) {
        out->count = command->as.done.count;
        out->unsettled = 0;
    }
}

/* An empty or missing text is "not said". */
static struct gg_slice said(const char *text)
{
    return gg_slice_text(text == NULL ? "" : text);
}

ganger_err ganger_steer(ganger *handle, const ganger_order *order, int timeout_ms,
                        ganger_touched *out)
{
    struct gg_steer record;
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    if (order == NULL || order->action < GANGER_STEER_SCALE ||
        order->action > GANGER_STEER_RELEASE) {
        return gg_handle_fail(handle, GG_ERR_USAGE, "it is not said what to do");
    }
    gg_record_default(GG_RECORD_STEER, &record);
    ganger_err err = gg_ask_pattern(handle, order->worker, &record.worker);
    err = err != GANGER_OK ? err : gg_ask_reason(handle, order->reason, &record.reason);
    if (err != GANGER_OK) {
        return err;
    }
    record.action = (uint64_t)order->action;
    record.pool = said(order->pool);
    record.definition = said(order->definition);
    record.size = order->size;
    record.grace_ms = order->grace_ms;
    record.save = order->save;
    record.dry_run = order->dry_run;
    memcpy(record.id.bytes, order->id.bytes, sizeof record.id.bytes);
    if ((record.pool.len > 0 && !gg_name_valid(record.pool)) ||
        record.definition.len > GG_TEXT_BYTES_MAX) {
        return gg_handle_fail(handle, GG_ERR_BAD_FIELD,
                              "not a name of a pool, or a definition above 4 KiB");
    }
    struct gg_call call = {.handle = handle, .take = take_done, .out = out};
    return gg_call_run(&call, GG_CMD_STEER, &record, timeout_ms);
}
