/* keep.h - what the broker keeps on disk: each kind of record, field by field, and its
 * bytes.
 *
 *   0  format, one byte   1  check, 4 bytes, little-endian   5  fields
 *
 * A field is its tag (number * 2, and 1 more for bytes) and its value: a number, or a
 * length and that many bytes. Numbers are written 7 bits a byte, the lowest first, the
 * top bit set on all but the last. A field that has its default is left out. The check
 * is over kind, id and fields, so that a record under a wrong id is seen too.
 *
 * To change a record:
 *   1. A new field takes the next free number at the end of its list, with a default
 *      that means "as before": older records are read as if they said so, and older
 *      brokers skip it. A number is never given a second meaning.
 *   2. A field that an older broker must not skip takes a number from
 *      GG_KEEP_MUST_UNDERSTAND up: it refuses the record by name instead.
 *   3. Anything else, the fields' bytes too, is a new GG_KEEP_FORMAT: then keep.c goes
 *      on to read every older one, and writes the newest. An older broker refuses it.
 *   4. Run tests/golden/golden_keep, and add the bytes of the new form to tests/golden/
 *      keep; files that are there are never edited.
 *
 * Columns: number, kind, name, default, least, most, meaning.
 *   U      unsigned number, from least to most
 *   BYTES  least to most bytes
 * Times: _ms is a duration; _at is milliseconds since 1970 UTC; _on is milliseconds on
 * the broker's own clock, which goes on over restarts: META holds its mark.
 */
#ifndef GG_BROKER_CORE_KEEP_H
#define GG_BROKER_CORE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/id.h"
#include "common/record.h"

enum {
    GG_KEEP_FORMAT = 1,
    GG_KEEP_HEAD_BYTES = 5,
    GG_KEEP_MUST_UNDERSTAND = 56, /* A tag is one byte: numbers end at 63. */
    GG_KEEP_BYTES_MAX = 64 << 20, /* Far above what the limits allow one record. */
};

/* The kinds; the numbers are those of broker/store/store.h, and never change. */
enum gg_keep_kind {
    GG_KEEP_META = 1, /* One, with the id of all zeros. */
    GG_KEEP_JOB,      /* A job, or the id of one that has been evicted. */
    GG_KEEP_QUEUE,    /* A queue that was paused; the id is made from its name. */
    GG_KEEP_AGENT,    /* An agent's session; the id is made from its name. */
    GG_KEEP_KIND_COUNT
};

#define GG_KEEP_TEXT_MAX GG_TEXT_BYTES_MAX
#define GG_KEEP_LIST_MAX (UINT64_C(8) << 20)
#define GG_KEEP_TIME_MAX (UINT64_C(1) << 62)
#define GG_KEEP_BLOB_MAX (UINT64_C(1) << 40)

/* clang-format off */
#define GG_KEEP_META_FIELDS(F) \
    F(1, U,     epoch,     0, 1, UINT64_C(1) << 40, "highest that fences may have been given under") \
    F(2, U,     mark_on,   0, 0, GG_KEEP_TIME_MAX, "the broker's clock, when this was written") \
    F(3, U,     mark_at,   0, 0, GG_KEEP_TIME_MAX, "the wall clock then") \
    F(4, U,     job_number, 0, 0, GG_ANY,          "jobs accepted so far, at least")

#define GG_KEEP_QUEUE_FIELDS(F) \
    F(1, BYTES, realm,     0, 1, 64,               "its realm") \
    F(2, BYTES, queue,     0, 1, 64,               "its name") \
    F(3, U,     paused,    0, 0, 1,                "no attempt starts") \
    F(4, U,     paused_at, 0, 0, GG_KEEP_TIME_MAX, "since when") \
    F(5, BYTES, reason,    0, 0, GG_KEEP_TEXT_MAX, "why")

#define GG_KEEP_AGENT_FIELDS(F) \
    F(1, BYTES, name,      0, 1, 64,               "its name") \
    F(2, U,     incarnation, 0, 0, GG_ANY,         "which start of it") \
    F(3, BYTES, host,      0, 0, 255,              "host it runs on") \
    F(4, U,     pid,       0, 0, GG_ANY,           "process id there") \
    F(5, BYTES, program,   0, 0, 64,               "program and version") \
    F(6, BYTES, pools,     0, 0, GG_KEEP_LIST_MAX, "list of POOL: what it serves")

#define GG_KEEP_POOL_FIELDS(F) \
    F(1, BYTES, realm,     0, 1, 64,               "realm of its queues") \
    F(2, BYTES, patterns,  0, 0, GG_KEEP_LIST_MAX, "list of patterns of queues")

#define GG_KEEP_JOB_FIELDS(F) \
    F(1, U,     state,     0, 1, GG_JOB_EVICTED,   "enum gg_job_state; EVICTED: the id is remembered") \
    F(2, BYTES, queue,     0, 1, 64,               "its queue") \
    F(3, BYTES, realm,     0, 0, 64,               "its realm; absent: default") \
    F(4, U,     number,    0, 1, GG_ANY,           "order of acceptance") \
    F(5, BYTES, payload,   0, 0, GG_KEEP_BLOB_MAX, "payload, unless it is kept apart") \
    F(6, U,     payload_digest, 0, 0, GG_ANY,      "of the payload; stays when that is dropped") \
    F(7, U,     payload_apart, 0, 0, GG_KEEP_BLOB_MAX, "bytes of a payload that is kept apart") \
    F(8, BYTES, key,       0, 0, 255,              "its key") \
    F(9, U,     key_held,  0, 0, 1,                "it holds its key") \
    F(10, U,    priority, 128, 0, 255,             "priority") \
    F(11, U,    attempt,   0, 0, GG_ATTEMPTS_MAX * 64, "attempts begun") \
    F(12, U,    attempts_max, 5, 0, GG_ATTEMPTS_MAX * 64, "attempt after which it fails") \
    F(13, U,    attempts,  5, 0, GG_ATTEMPTS_MAX,  "as asked; 1: at most once") \
    F(14, U,    unique_until, 0, 0, 2,             "enum gg_unique_until") \
    F(15, U,    run_timeout_ms, 0, 0, GG_YEAR_MS,  "longest run of an attempt") \
    F(16, U,    keep_ms,   GG_UNSAID, 0, GG_YEAR_MS, "retention of a success") \
    F(17, U,    keep_failed_ms, GG_UNSAID, 0, GG_YEAR_MS, "retention of a failure") \
    F(18, U,    backoff,   0, 0, 3,                "enum gg_backoff") \
    F(19, U,    backoff_ms, 0, 0, GG_YEAR_MS,      "first or fixed delay") \
    F(20, U,    backoff_max_ms, 0, 0, GG_YEAR_MS,  "longest delay") \
    F(21, BYTES, backoff_list, 0, 0, 10 * GG_BACKOFFS_MAX, "delays, as numbers one after the other") \
    F(22, U,    due_on,    0, 0, GG_KEEP_TIME_MAX, "wakes, is evicted or forgotten") \
    F(23, U,    expires_on, 0, 0, GG_KEEP_TIME_MAX, "start deadline; 0 none") \
    F(24, U,    run_at,    0, 0, GG_KEEP_TIME_MAX, "waits for this date") \
    F(25, U,    submitted_at, 0, 0, GG_KEEP_TIME_MAX, "accepted") \
    F(26, U,    started_at, 0, 0, GG_KEEP_TIME_MAX, "newest attempt assigned") \
    F(27, U,    finished_at, 0, 0, GG_KEEP_TIME_MAX, "ended") \
    F(28, U,    fence,     0, 0, GG_ANY,           "newest") \
    F(29, BYTES, agent,    0, 0, 64,               "of the newest attempt") \
    F(30, U,    pool,      0, 0, GG_POOLS_MAX,     "of the newest attempt") \
    F(31, U,    started,   0, 0, 1,                "the newest attempt was reported as started") \
    F(32, U,    cancelling, 0, 0, 1,               "it runs and has been told to stop") \
    F(33, U,    lost,      0, 0, 1,                "its lease ended without an outcome") \
    F(34, U,    in_backoff, 0, 0, 1,               "it waits to be tried again") \
    F(35, U,    crashes,   0, 0, 255,              "attempts that crashed") \
    F(36, U,    error,     0, 0, 65535,            "enum gg_err: why it did not succeed") \
    F(37, BYTES, error_text, 0, 0, GG_KEEP_TEXT_MAX, "why, as a sentence") \
    F(38, U,    exit_status, 0, 0, 256,            "of the newest attempt, and 1; 0: it did not exit") \
    F(39, U,    signal,    0, 0, 255,              "that ended the newest attempt") \
    F(40, BYTES, result,   0, 0, GG_KEEP_BLOB_MAX, "result, unless it is kept apart") \
    F(41, U,    result_bytes, 0, 0, GG_KEEP_BLOB_MAX, "its length") \
    F(42, U,    result_apart, 0, 0, 1,             "the result is kept apart") \
    F(43, BYTES, checkpoint, 0, 0, GG_CHECKPOINT_BYTES_MAX, "given to the next attempt") \
    F(44, BYTES, tags,     0, 0, GG_KEEP_LIST_MAX, "list of labels") \
    F(45, BYTES, history,  0, 0, GG_KEEP_LIST_MAX, "list of MOMENT: the first ones, then the last") \
    F(46, U,    history_dropped, 0, 0, GG_ANY,     "moments that fell out between them")

#define GG_KEEP_MOMENT_FIELDS(F) \
    F(1, U,     at,        0, 0, GG_KEEP_TIME_MAX, "when") \
    F(2, U,     kind,      0, 1, 255,              "enum gg_moment") \
    F(3, U,     state,     0, 0, GG_JOB_EVICTED,   "after it") \
    F(4, U,     attempt,   0, 0, 65535,            "attempt it is about") \
    F(5, U,     fence,     0, 0, GG_ANY,           "of that attempt") \
    F(6, BYTES, worker,    0, 0, 64,               "agent it is about") \
    F(7, U,     error,     0, 0, 65535,            "enum gg_err") \
    F(8, BYTES, text,      0, 0, GG_KEEP_TEXT_MAX, "why") \
    F(9, U,     exit_status, 0, 0, 256,            "and 1; 0: none") \
    F(10, U,    signal,    0, 0, 255,              "that ended the program") \
    F(11, BYTES, output,   0, 0, GG_TAIL_BYTES_MAX, "end of its standard error") \
    F(12, U,    until_at,  0, 0, GG_KEEP_TIME_MAX, "when it goes on")

/* Every form: X(symbol, struct, fields). The first ones are those of enum gg_keep_kind;
 * the others stand inside them. */
#define GG_KEEP_FORM_LIST(X) \
    X(META, gg_keep_meta, GG_KEEP_META_FIELDS) \
    X(JOB, gg_keep_job, GG_KEEP_JOB_FIELDS) \
    X(QUEUE, gg_keep_queue, GG_KEEP_QUEUE_FIELDS) \
    X(AGENT, gg_keep_agent, GG_KEEP_AGENT_FIELDS) \
    X(POOL, gg_keep_pool, GG_KEEP_POOL_FIELDS) \
    X(MOMENT, gg_keep_moment, GG_KEEP_MOMENT_FIELDS)
/* clang-format on */

#define GG_KEEP_MEMBER_U(name)     uint64_t name;
#define GG_KEEP_MEMBER_BYTES(name) struct gg_slice name;
#define GG_KEEP_MEMBER(number, kind, name, fallback, least, most, meaning)             \
    GG_KEEP_MEMBER_##kind(name)
#define X(symbol, tag, fields)                                                         \
    struct tag {                                                                       \
        fields(GG_KEEP_MEMBER)                                                         \
    };
GG_KEEP_FORM_LIST(X)
#undef X

/* GG_FORM_META is GG_KEEP_META, and so on. */
enum gg_keep_form {
    GG_FORM_NONE = 0,
#define X(symbol, tag, fields) GG_FORM_##symbol,
    GG_KEEP_FORM_LIST(X)
#undef X
        GG_FORM_COUNT
};

/* One row of the lists above; field number n stands at fields[n - 1]. */
struct gg_keep_field {
    uint8_t number;
    bool bytes;
    uint16_t offset;
    uint64_t fallback;
    uint64_t least;
    uint64_t most;
    const char *name;
    const char *meaning;
};

struct gg_keep_form_info {
    const char *name;
    const struct gg_keep_field *fields;
    uint16_t count;
    uint16_t size; /* Of its struct. */
};

/* The table of a form. */
const struct gg_keep_form_info *gg_keep_form_of(enum gg_keep_form form);

/* Why a record cannot be read; all texts are static. */
struct gg_keep_fault {
    const char *what;
    const char *field; /* NULL where it is none. */
};

/* Append the record of `kind` under `id`; look at out->failed at the end. */
void gg_keep_write(struct gg_buf *out, enum gg_keep_kind kind, const struct gg_id *id,
                   const void *from);

/* Read a record. It lends from `bytes`.
 *   GG_ERR_NOT_UNDERSTOOD  it was written by a newer broker
 *   GG_ERR_STORE           it is damaged, or never was a record; *out_fault */
GG_MUST_USE enum gg_err gg_keep_read(struct gg_slice bytes, enum gg_keep_kind kind,
                                     const struct gg_id *id, void *out_record,
                                     struct gg_keep_fault *out_fault);

/* Fill *record with the defaults of its form. */
void gg_keep_default(enum gg_keep_form form, void *record);

/* Lists: entries one after the other, each with its length before it. */
void gg_keep_list_add(struct gg_buf *list, struct gg_slice entry);
void gg_keep_list_add_form(struct gg_buf *list, enum gg_keep_form form,
                           const void *from);

/* Take the next entry off the front. False at the end, or where it is cut. */
bool gg_keep_list_next(struct gg_slice *list, struct gg_slice *out_entry);

/* Read an entry that is a form. False: it is none. */
bool gg_keep_form_read(struct gg_slice bytes, enum gg_keep_form form, void *out_record,
                       struct gg_keep_fault *out_fault);

/* Numbers one after the other. */
void gg_keep_number_add(struct gg_buf *out, uint64_t value);
bool gg_keep_number_next(struct gg_slice *from, uint64_t *out_value);

#endif
