#include "worker/exec/talk.h"

#include <stdio.h>

#include "common/codec.h"
#include "common/handler_wire.h"

enum { LENGTH_BYTES = GG_HANDLER_LENGTH_BYTES, MESSAGE_SPARE_BYTES = 65536 };

/* Append one command as a message of its own. `mark` is the first bit of its length. */
static void write_command(struct gg_buf *out, enum gg_command_code code,
                          const void *record, uint8_t mark)
{
    static const uint8_t room[LENGTH_BYTES + GG_PREFIX_BYTES];
    const struct gg_header header = {
        .version = GG_PROTOCOL_VERSION, .type = GG_MESSAGE_COMMANDS, .session = 1};
    size_t start = out->len;
    gg_buf_append(out, room, sizeof room);
    gg_command_write(out, code, 0, record, NULL);
    if (out->failed) {
        return;
    }
    size_t len = out->len - start - LENGTH_BYTES;
    uint8_t *at = out->data + start;
    for (int i = 0; i < LENGTH_BYTES; i++) {
        at[i] = (uint8_t)(len >> (8 * (LENGTH_BYTES - 1 - i)));
    }
    at[0] = (uint8_t)(at[0] | mark);
    gg_prefix_write(&header, 1, at + LENGTH_BYTES);
}

static void write_job(struct gg_buf *out, const struct gg_run_spec *spec,
                      const char *folder)
{
    struct gg_assign assign;
    (void)folder; /* It is in the environment of the process. */
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    assign.id = spec->id;
    assign.fence = spec->fence;
    assign.pool = 1;
    assign.attempt = spec->attempt;
    assign.queue = spec->queue;
    assign.payload = gg_blob_slice(spec->payload);
    assign.realm = spec->realm;
    assign.key = spec->key;
    assign.run_timeout_ms = spec->run_timeout_ms;
    assign.start_within_ms = (uint64_t)spec->start_by_ms; /* Here: of the clock. */
    assign.checkpoint = spec->checkpoint;
    assign.attempts_max = spec->attempts_max;
    write_command(out, GG_CMD_ASSIGN, &assign, 0);
}

static void write_order(struct gg_buf *out, uint64_t fence, enum gg_stop reason,
                        uint64_t grace_ms)
{
    struct gg_stop_info stop = {.fence = fence, .reason = reason, .grace_ms = grace_ms};
    memset(stop.id.bytes, 0xff, sizeof stop.id.bytes);
    write_command(out, GG_CMD_STOP, &stop, GG_HANDLER_STOP_MARK);
}

static void write_stop(struct gg_buf *out, uint64_t fence, uint64_t grace_ms)
{
    write_order(out, fence, GG_STOP_CANCELLED, grace_ms);
}

static void write_withdraw(struct gg_buf *out, uint64_t fence)
{
    write_order(out, fence, GG_STOP_WITHDRAWN, 0);
}

static bool is_handlers_own(uint64_t kind)
{
    return kind == GG_OUTCOME_SUCCEEDED || kind == GG_OUTCOME_FAILED ||
           kind == GG_OUTCOME_REJECTED || kind == GG_OUTCOME_SNOOZED;
}

/* False: an executor does not say this. */
static bool translate(const struct gg_command *command, struct gg_said *said)
{
    *said = (struct gg_said){.kind = GG_SAID_LINE};
    switch (command->code) {
    case GG_CMD_HEARTBEAT:
        said->kind = GG_SAID_READY;
        return true;
    case GG_CMD_PROGRESS:
        said->line = (struct gg_line){.kind = GG_LINE_PROGRESS,
                                      .text = command->as.progress.progress_text,
                                      .ppm = command->as.progress.progress_ppm};
        return true;
    case GG_CMD_PARTIAL:
        said->line = (struct gg_line){.kind = GG_LINE_PARTIAL,
                                      .text = command->as.partial.data};
        return true;
    case GG_CMD_CHECKPOINT:
        said->line = (struct gg_line){.kind = GG_LINE_CHECKPOINT,
                                      .text = command->as.checkpoint.data};
        return true;
    case GG_CMD_OUTCOME:
        said->kind = GG_SAID_OUTCOME;
        said->outcome = (enum gg_outcome)command->as.outcome.kind;
        said->fence = command->as.outcome.fence;
        said->snooze_ms = command->as.outcome.snooze_ms;
        said->text = command->as.outcome.text;
        said->result = command->as.outcome.result;
        if (command->as.outcome.kind == GG_OUTCOME_HANDED_BACK) {
            said->kind = GG_SAID_RETURNED;
            return true;
        }
        return is_handlers_own(command->as.outcome.kind);
    default:
        return false;
    }
}

static bool read_frame(struct gg_slice frame, gg_said_fn *visit, void *ctx)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    struct gg_said said;
    if (gg_message_open(frame, (struct gg_slice){0}, &message, &fault) != GG_OK) {
        return false;
    }
    while (gg_message_next(&message, &command, &fault)) {
        if (fault.err != GG_OK || !translate(&command, &said) || !visit(ctx, &said)) {
            return false;
        }
    }
    return true;
}

static size_t read_message(struct gg_slice bytes, uint64_t result_bytes_max,
                           gg_said_fn *visit, void *ctx)
{
    const uint8_t *head = bytes.data;
    if (bytes.len < LENGTH_BYTES) {
        return 0;
    }
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 |
                 (size_t)head[3];
    if (len > result_bytes_max * 2 + MESSAGE_SPARE_BYTES) {
        return GG_TALK_BAD;
    }
    if (bytes.len - LENGTH_BYTES < len) {
        return 0;
    }
    bool good = read_frame(gg_slice_of(head + LENGTH_BYTES, len), visit, ctx);
    return good ? LENGTH_BYTES + len : GG_TALK_BAD;
}

const struct gg_talk gg_talk_handler = {
    .stop_signal = 0,
    .write_job = write_job,
    .write_stop = write_stop,
    .write_withdraw = write_withdraw,
    .read = read_message,
};
