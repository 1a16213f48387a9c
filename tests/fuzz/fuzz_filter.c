/* fuzz_filter.c - what people type: filters, back-off policies, durations, ids. What is
 * accepted can be written down again in its plainest form and then says the same.
 *
 * Input: which language, then the text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/backoff.h"
#include "client/cli/filter.h"
#include "common/assert.h"
#include "common/duration.h"
#include "common/id.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_BYTES_MAX = 4096, AGAIN_BYTES_MAX = 8192 };

/* ---- filters ---- */

static void quote(FILE *to, const char *name, const char *value, size_t len)
{
    (void)fprintf(to, " %s\"", name);
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '"' || value[i] == '\\') {
            (void)fputc('\\', to);
        }
        (void)fputc(value[i], to);
    }
    (void)fputc('"', to);
}

static void write_states(FILE *to, unsigned states)
{
    const char *before = " state:";
    for (int state = 0; state < 16; state++) {
        if ((states >> state & 1) != 0) {
            (void)fprintf(to, "%s%s", before, ganger_state_name((ganger_state)state));
            before = ",";
        }
    }
}

static void write_filter(FILE *to, const ganger_filter *what)
{
    write_states(to, what->states);
    if (what->queue != NULL) {
        quote(to, "queue:", what->queue, strlen(what->queue));
    }
    if (what->realm != NULL) {
        quote(to, "realm:", what->realm, strlen(what->realm));
    }
    if (what->tag != NULL) {
        quote(to, "tag:", what->tag, strlen(what->tag));
    }
    if (what->key.len > 0) {
        quote(to, "key:", what->key.data, what->key.len);
    }
    if (what->error_has != NULL) {
        quote(to, "error~", what->error_has, strlen(what->error_has));
    }
    if (what->older_ms != 0) {
        (void)fprintf(to, " age>%" PRIu64 "ms", what->older_ms);
    }
    if (what->younger_ms != 0) {
        (void)fprintf(to, " age<%" PRIu64 "ms", what->younger_ms);
    }
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_filter(const ganger_filter *a, const ganger_filter *b)
{
    return a->states == b->states && a->older_ms == b->older_ms &&
           a->younger_ms == b->younger_ms && same_text(a->queue, b->queue) &&
           same_text(a->realm, b->realm) && same_text(a->tag, b->tag) &&
           same_text(a->error_has, b->error_has) && a->key.len == b->key.len &&
           (a->key.len == 0 || memcmp(a->key.data, b->key.data, a->key.len) == 0);
}

static void try_filter(const char *text)
{
    struct gg_filter filter;
    struct gg_filter again;
    struct gg_filter_fault fault = {0};
    char plain[AGAIN_BYTES_MAX] = "";
    if (!gg_filter_parse(text, &filter, &fault)) {
        GG_ASSERT(fault.column >= 1 && fault.column <= strlen(text) + 1);
        GG_ASSERT(fault.text[0] != '\0');
        return;
    }
    FILE *to = fmemopen(plain, sizeof plain, "w");
    GG_ASSERT(to != NULL);
    write_filter(to, &filter.what);
    int closed = fclose(to);
    GG_ASSERT(closed == 0);
    if (strlen(plain) <= GG_FILTER_BYTES_MAX) {
        bool taken = gg_filter_parse(plain, &again, &fault);
        GG_ASSERT(taken && same_filter(&filter.what, &again.what));
    }
}

/* ---- the others ---- */

static void try_backoff(const char *text)
{
    struct gg_backoff_policy policy = {0};
    if (gg_backoff_parse(text, &policy)) {
        GG_ASSERT(policy.kind >= 1 && policy.kind <= 3);
        GG_ASSERT(policy.list_count <= GG_BACKOFF_LIST_MAX);
        GG_ASSERT(policy.kind != 3 || policy.list_count > 0);
    } else {
        GG_ASSERT(policy.kind == 0 && policy.list_count == 0);
    }
}

static void try_duration(const char *text)
{
    char shown[GG_DURATION_TEXT_BYTES];
    uint64_t ms = UINT64_MAX;
    if (gg_duration_parse(text, &ms)) {
        GG_ASSERT(ms <= UINT64_C(100) * 366 * 86400000);
        gg_duration_format(ms, shown);
        GG_ASSERT(strlen(shown) > 0 && strlen(shown) < sizeof shown);
    } else {
        GG_ASSERT(ms == UINT64_MAX);
    }
}

static void try_id(const char *text)
{
    char again[GG_ID_TEXT_BYTES];
    struct gg_id id = {{0}};
    struct gg_id same = {{0}};
    if (gg_id_parse(text, &id)) {
        gg_id_format(&id, again);
        GG_ASSERT(strcasecmp(text, again) == 0 ||
                  strpbrk(text, "oOiIlL") != NULL); /* Read as 0 and 1. */
        bool read = gg_id_parse(again, &same);
        GG_ASSERT(read && gg_id_equal(&id, &same));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const tries[])(const char *text) = {try_filter, try_backoff,
                                                      try_duration, try_id};
    if (len == 0 || len > TEXT_BYTES_MAX) {
        return 0;
    }
    /* Memory of its own, so that a byte read behind the end is seen. */
    char *text = malloc(len);
    GG_ASSERT(text != NULL);
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    tries[data[0] % 4](text);
    free(text);
    return 0;
}
