/* lines.h - what a program says on file descriptor 3, a line at a time.
 *
 *   progress 0.42 TEXT    how far it is, from 0 to 1, with a line of text
 *   partial TEXT          a piece of output; its newline belongs to the piece
 *   checkpoint TEXT       given to the next attempt in GANGER_CHECKPOINT
 *   snooze 30s            run me again later, if I exit with 0
 *
 * Pure: bytes in, lines out. A line that is too long, or says something else, is
 * counted and skipped; it never ends the attempt.
 */
#ifndef GG_WORKER_EXEC_LINES_H
#define GG_WORKER_EXEC_LINES_H

#include "common/bytes.h"

enum gg_line_kind {
    GG_LINE_PROGRESS = 1,
    GG_LINE_PARTIAL,
    GG_LINE_CHECKPOINT,
    GG_LINE_SNOOZE,
};

struct gg_line {
    enum gg_line_kind kind;
    uint64_t ppm;         /* PROGRESS, in millionths. */
    uint64_t ms;          /* SNOOZE. */
    struct gg_slice text; /* Valid during the call it is given to. */
};

typedef void gg_line_fn(void *ctx, const struct gg_line *line);

struct gg_lines {
    struct gg_buf held; /* The line that has not ended yet. */
    bool skipping;      /* It is too long: wait for its end. */
    uint64_t bad_count;
};

void gg_lines_init(struct gg_lines *lines);
void gg_lines_fini(struct gg_lines *lines);

/* Take bytes as they come and call `visit` for each good line that has ended. */
void gg_lines_push(struct gg_lines *lines, struct gg_slice bytes, gg_line_fn *visit,
                   void *ctx);

/* Read one line: without its newline, but with that byte behind it in memory. False: it
 * says nothing that is known. */
GG_MUST_USE bool gg_line_parse(struct gg_slice line, struct gg_line *out);

/* The stream has ended: its last line may lack the newline. */
void gg_lines_end(struct gg_lines *lines, gg_line_fn *visit, void *ctx);

#endif
