#include "worker/exec/lines.h"

#include "common/duration.h"
#include "common/record.h"

/* The longest line there is: a partial of the largest size, its word and newline. */
enum { LINE_BYTES_MAX = GG_PARTIAL_BYTES_MAX + 16, DURATION_BYTES_MAX = 31 };

void gg_lines_init(struct gg_lines *lines)
{
    *lines = (struct gg_lines){.skipping = false};
    gg_buf_init(&lines->held, LINE_BYTES_MAX);
}

void gg_lines_fini(struct gg_lines *lines)
{
    gg_buf_fini(&lines->held);
}

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

/* "0.42" or "1" to millionths; the rest of the line is left in *rest. */
static bool take_fraction(struct gg_slice *rest, uint64_t *out_ppm)
{
    size_t i = 0;
    uint64_t ppm = 0;
    uint64_t weight = 100000;
    size_t digits = 0;
    for (; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++) {
        ppm = ppm * 10 + (uint64_t)(rest->data[i] - '0') * 1000000;
        digits++;
        if (ppm > 1000000) {
            return false;
        }
    }
    if (i < rest->len && rest->data[i] == '.') {
        for (i++; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++) {
            ppm += (uint64_t)(rest->data[i] - '0') * weight;
            weight /= 10;
            digits++;
        }
    }
    if (digits == 0 || ppm > 1000000 || (i < rest->len && rest->data[i] != ' ')) {
        return false;
    }
    i += i < rest->len ? 1 : 0;
    *rest = gg_slice_of(rest->data + i, rest->len - i);
    *out_ppm = ppm;
    return true;
}

static bool parse_progress(struct gg_slice rest, struct gg_line *out)
{
    *out = (struct gg_line){.kind = GG_LINE_PROGRESS};
    if (!take_fraction(&rest, &out->ppm) || rest.len > GG_TEXT_BYTES_MAX ||
        !gg_utf8_valid(rest)) {
        return false;
    }
    out->text = rest;
    return true;
}

static bool parse_snooze(struct gg_slice rest, struct gg_line *out)
{
    char text[DURATION_BYTES_MAX + 1];
    *out = (struct gg_line){.kind = GG_LINE_SNOOZE};
    if (rest.len == 0 || rest.len > DURATION_BYTES_MAX) {
        return false;
    }
    gg_slice_copy(rest, text, sizeof text);
    return gg_duration_parse(text, &out->ms) && out->ms <= GG_YEAR_MS;
}

bool gg_line_parse(struct gg_slice line, struct gg_line *out)
{
    if (take_word(&line, "progress")) {
        return parse_progress(line, out);
    }
    if (take_word(&line, "snooze")) {
        return parse_snooze(line, out);
    }
    if (take_word(&line, "checkpoint")) {
        *out = (struct gg_line){.kind = GG_LINE_CHECKPOINT, .text = line};
        return line.len <= GG_CHECKPOINT_BYTES_MAX;
    }
    if (take_word(&line, "partial")) {
        *out = (struct gg_line){.kind = GG_LINE_PARTIAL,
                                .text = gg_slice_of(line.data, line.len + 1)};
        return line.len + 1 <= GG_PARTIAL_BYTES_MAX;
    }
    return false;
}

/* The held line, newline included, is whole. */
static void finish_line(struct gg_lines *lines, gg_line_fn *visit, void *ctx)
{
    struct gg_line line;
    bool whole = !lines->skipping && !lines->held.failed;
    if (whole &&
        gg_line_parse(gg_slice_of(lines->held.data, lines->held.len - 1), &line)) {
        visit(ctx, &line);
    } else if (!whole || lines->held.len > 1) {
        lines->bad_count++; /* An empty line is nobody's fault. */
    }
    gg_buf_clear(&lines->held);
    lines->skipping = false;
}

void gg_lines_push(struct gg_lines *lines, struct gg_slice bytes, gg_line_fn *visit,
                   void *ctx)
{
    while (bytes.len > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.data) + 1;
        if (!lines->skipping) {
            gg_buf_append(&lines->held, bytes.data, len);
            lines->skipping = lines->held.failed;
        }
        if (end != NULL) {
            finish_line(lines, visit, ctx);
        }
        bytes = gg_slice_of(bytes.data + len, bytes.len - len);
    }
}

void gg_lines_end(struct gg_lines *lines, gg_line_fn *visit, void *ctx)
{
    if (lines->held.len > 0 || lines->skipping) {
        gg_lines_push(lines, gg_slice_text("\n"), visit, ctx);
    }
}
