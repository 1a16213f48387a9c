/* fuzz_lines.c - what a job says on descriptor 3. The same bytes in one piece, and cut
 * anywhere, say the same; what is told is within its limits.
 *
 * Input: two bytes that say where to cut, then what the job writes.
 */
#include "common/assert.h"
#include "common/record.h"
#include "tests/fuzz/fuzz.h"
#include "worker/exec/lines.h"

struct told {
    uint64_t hash;
    uint64_t count;
};

static void hear(void *ctx, const struct gg_line *line)
{
    struct told *told = ctx;
    GG_ASSERT(line->ppm <= 1000000 && line->ms <= GG_YEAR_MS);
    switch (line->kind) {
    case GG_LINE_PROGRESS:
        GG_ASSERT(line->text.len <= GG_TEXT_BYTES_MAX && gg_utf8_valid(line->text));
        break;
    case GG_LINE_PARTIAL:
        GG_ASSERT(line->text.len <= GG_PARTIAL_BYTES_MAX);
        break;
    case GG_LINE_CHECKPOINT:
        GG_ASSERT(line->text.len <= GG_CHECKPOINT_BYTES_MAX);
        break;
    case GG_LINE_SNOOZE:
        GG_ASSERT(line->text.len == 0);
        break;
    }
    told->hash = told->hash * 31 + (uint64_t)line->kind + line->ppm + line->ms;
    for (size_t i = 0; i < line->text.len; i++) {
        told->hash = told->hash * 31 + line->text.data[i];
    }
    told->count++;
}

static uint64_t listen_to(struct gg_slice bytes, size_t piece, struct told *told)
{
    struct gg_lines lines;
    gg_lines_init(&lines);
    while (bytes.len > 0) {
        size_t len = piece < bytes.len ? piece : bytes.len;
        gg_lines_push(&lines, gg_slice_of(bytes.data, len), hear, told);
        bytes = gg_slice_of(bytes.data + len, bytes.len - len);
    }
    gg_lines_end(&lines, hear, told);
    uint64_t bad = lines.bad_count;
    gg_lines_fini(&lines);
    return bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2) {
        return 0;
    }
    struct gg_slice bytes = gg_slice_of(data + 2, len - 2);
    struct told whole = {0};
    struct told pieces = {0};
    uint64_t bad = listen_to(bytes, SIZE_MAX, &whole);
    uint64_t bad_pieces = listen_to(bytes, 1 + data[0] + (size_t)data[1] * 64, &pieces);
    GG_ASSERT(whole.hash == pieces.hash && whole.count == pieces.count);
    GG_ASSERT(bad == bad_pieces);
    return 0;
}
