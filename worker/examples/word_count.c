/* word_count.c - a handler: counts the words of its payload, a thousand at a time.
 *
 *   cc -shared -fPIC word_count.c -o word_count.so \
 *       $(pkg-config --cflags --libs ganger-worker)
 *   ganger-worker --queue words --slots 4 --handler ./word_count.so
 */
#include <ctype.h>
#include <ganger/worker.h>
#include <stdio.h>

enum { PIECE_BYTES = 1000, RESULT_BYTES = 32 };

/* Words that begin in `text`, given whether the byte before it was inside one. */
static size_t count_piece(const char *text, size_t len, int *inside)
{
    size_t words = 0;
    for (size_t i = 0; i < len; i++) {
        int is_space = isspace((unsigned char)text[i]);
        words += !*inside && !is_space ? 1 : 0;
        *inside = !is_space;
    }
    return words;
}

static int count_words(ganger_job *job)
{
    size_t len = 0;
    const char *text = ganger_job_payload(job, &len);
    size_t words = 0;
    int inside = 0;
    for (size_t at = 0; at < len; at += PIECE_BYTES) {
        if (ganger_job_cancelled(job)) {
            return ganger_job_fail(job, "stopped half way");
        }
        (void)ganger_job_progress(job, (double)at / (double)len, "counting");
        size_t piece = len - at < PIECE_BYTES ? len - at : PIECE_BYTES;
        words += count_piece(text + at, piece, &inside);
    }
    if (words == 0) {
        return ganger_job_reject(job, "there is no word in it");
    }
    char result[RESULT_BYTES];
    int used = snprintf(result, sizeof result, "%zu\n", words);
    return ganger_job_succeed(job, result, (size_t)used);
}

GANGER_HANDLER(count_words);
