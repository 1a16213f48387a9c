#include "worker/exec/talk.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "common/duration.h"

/* The longest line there is: a partial of the largest size, its word and newline. */
enum { LINE_BYTES_MAX = GG_PARTIAL_BYTES_MAX + 16, NUMBER_BYTES_MAX = 20 };

/* ---- to it ---- */

static void put_text(struct gg_buf *out, const char *text)
{
    gg_buf_append(out, text, strlen(text));
}

/* "name=value\n"; nothing at all for an empty value. What is not printable ASCII, and
 * '%', is written as %XX: a line stays a line. */
static void put_bytes(struct gg_buf *out, const char *name, struct gg_slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    if (value.len == 0) {
        return;
    }
    put_text(out, name);
    put_text(out, "=");
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];
        if (byte < 0x20 || byte >= 0x7f || byte == '%') {
            char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            gg_buf_append(out, escape, sizeof escape);
        } else {
            gg_buf_append(out, &byte, 1);
        }
    }
    put_text(out, "\n");
}

static void put_number(struct gg_buf *out, const char *name, uint64_t value)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s=%" PRIu64 "\n", name, value);
    put_text(out, text);
}

static void write_job(struct gg_buf *out, const struct gg_run_spec *spec,
                      const char *folder)
{
    char id[GG_ID_TEXT_BYTES];
    char deadline[GG_WALL_TEXT_BYTES] = "";
    char first[48];
    struct gg_slice payload = gg_blob_slice(spec->payload);
    gg_id_format(&spec->id, id);
    if (spec->run_timeout_ms > 0) {
        gg_wall_format((struct gg_wall){spec->now.ms + (int64_t)spec->run_timeout_ms},
                       deadline);
    }
    (void)snprintf(first, sizeof first, "job %zu\n", payload.len);
    put_text(out, first);
    put_bytes(out, "id", gg_slice_text(id));
    put_bytes(out, "realm", spec->realm);
    put_bytes(out, "queue", spec->queue);
    put_bytes(out, "key", spec->key);
    put_number(out, "attempt", spec->attempt);
    put_number(out, "attempts", spec->attempts_max);
    put_number(out, "fence", spec->fence);
    put_bytes(out, "deadline", gg_slice_text(deadline));
    put_bytes(out, "checkpoint", spec->checkpoint);
    put_bytes(out, "folder", gg_slice_text(folder));
    put_text(out, "\n");
    gg_buf_append(out, payload.data, payload.len);
    put_text(out, "\n");
}

/* A program that computes does not read: the signal tells it. */
static void write_stop(struct gg_buf *out, uint64_t fence, uint64_t grace_ms)
{
    (void)out;
    (void)fence;
    (void)grace_ms;
}

/* ---- from it ---- */

/* If `line` begins with `word` and a space (or is the word), leave the rest in it. */
static bool take_word(struct gg_slice *line, const char *word)
{
    size_t len = strlen(word);
    if (line->len < len || memcmp(line->data, word, len) != 0 ||
        (line->len > len && line->data[len] != ' ')) {
        return false;
    }
    size_t used = line->len > len ? len + 1 : len;
    *line = gg_slice_of(line->data + used, line->len - used);
    return true;
}

static bool parse_size(struct gg_slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *out > UINT32_MAX) {
            return false;
        }
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.len > 0 && text.len < NUMBER_BYTES_MAX;
}

/* "ok N", its line of `line_len` bytes, then N bytes and a newline. */
static size_t read_result(struct gg_slice bytes, size_t line_len, struct gg_slice size,
                          uint64_t result_bytes_max, struct gg_said *said)
{
    uint64_t len = 0;
    if (!parse_size(size, &len)) {
        return GG_TALK_BAD;
    }
    if (len > result_bytes_max) {
        said->kind = GG_SAID_TOO_LARGE;
        return line_len;
    }
    if (bytes.len - line_len <= len) {
        return 0;
    }
    if (bytes.data[line_len + len] != '\n') {
        return GG_TALK_BAD;
    }
    said->outcome = GG_OUTCOME_SUCCEEDED;
    said->result = gg_slice_of(bytes.data + line_len, (size_t)len);
    return line_len + (size_t)len + 1;
}

/* Words that end the attempt, but for ok. False: it is none of them. */
static bool read_refusal(struct gg_slice line, struct gg_said *said)
{
    struct gg_line snooze;
    said->outcome = GG_OUTCOME_FAILED;
    said->text = line;
    if (take_word(&said->text, "fail")) {
        return true;
    }
    if (take_word(&said->text, "reject")) {
        said->outcome = GG_OUTCOME_REJECTED;
        return true;
    }
    if (gg_line_parse(line, &snooze) && snooze.kind == GG_LINE_SNOOZE) {
        said->outcome = GG_OUTCOME_SNOOZED;
        said->snooze_ms = snooze.ms;
        said->text = (struct gg_slice){0};
        return true;
    }
    return false;
}

static bool is_ready(struct gg_slice line)
{
    return gg_slice_equal(line, gg_slice_text("ready 1"));
}

static size_t read_line(struct gg_slice bytes, uint64_t result_bytes_max,
                        gg_said_fn *visit, void *ctx)
{
    struct gg_said said = {.kind = GG_SAID_OUTCOME};
    size_t look = bytes.len < LINE_BYTES_MAX ? bytes.len : LINE_BYTES_MAX;
    const uint8_t *end = look == 0 ? NULL : memchr(bytes.data, '\n', look);
    if (end == NULL) {
        return look == LINE_BYTES_MAX ? GG_TALK_BAD : 0;
    }
    struct gg_slice line = gg_slice_of(bytes.data, (size_t)(end - bytes.data));
    size_t used = line.len + 1;
    struct gg_slice size = line;
    if (take_word(&size, "ok")) {
        used = read_result(bytes, used, size, result_bytes_max, &said);
    } else if (is_ready(line)) {
        said.kind = GG_SAID_READY;
    } else if (!read_refusal(line, &said)) {
        said.kind = GG_SAID_LINE;
        if (!gg_line_parse(line, &said.line)) {
            return GG_TALK_BAD;
        }
    }
    if (used == 0 || used == GG_TALK_BAD) {
        return used;
    }
    return visit(ctx, &said) ? used : GG_TALK_BAD;
}

const struct gg_talk gg_talk_coprocess = {
    .stop_signal = SIGTERM,
    .write_job = write_job,
    .write_stop = write_stop,
    .read = read_line,
};
