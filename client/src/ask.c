#include "client/src/ask.h"

#include <inttypes.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/assert.h"
#include "common/name.h"

static ganger_err usage(ganger *handle, const char *what)
{
    return gg_handle_fail(handle, GG_ERR_USAGE, "%s", what);
}

static ganger_err read_name(ganger *handle, const char *what, const char *text,
                            struct gg_slice *out)
{
    if (text == NULL || !gg_name_valid(gg_slice_text(text))) {
        return gg_handle_fail(
            handle, GG_ERR_USAGE,
            "the %s \"%.80s\" is not a name: 1 to 64 of A-Z a-z 0-9 . "
            "_ -, first a letter or a digit",
            what, text == NULL ? "" : text);
    }
    *out = gg_slice_text(text);
    return GANGER_OK;
}

ganger_err gg_ask_realm(ganger *handle, const char *realm, struct gg_slice *out)
{
    *out = (struct gg_slice){0};
    return realm == NULL || realm[0] == '\0' ? GANGER_OK
                                             : read_name(handle, "realm", realm, out);
}

ganger_err gg_ask_pattern(ganger *handle, const char *pattern, struct gg_slice *out)
{
    *out = (struct gg_slice){0};
    if (pattern == NULL || pattern[0] == '\0') {
        return GANGER_OK;
    }
    if (!gg_pattern_valid(gg_slice_text(pattern))) {
        return gg_handle_fail(
            handle, GG_ERR_USAGE,
            "\"%.80s\" is not a pattern: 1 to 64 of A-Z a-z 0-9 . _ - "
            "* ?",
            pattern);
    }
    *out = gg_slice_text(pattern);
    return GANGER_OK;
}

ganger_err gg_ask_reason(ganger *handle, const char *reason, struct gg_slice *out)
{
    *out = (struct gg_slice){0};
    if (reason == NULL) {
        return GANGER_OK;
    }
    *out = gg_slice_text(reason);
    if (out->len > GG_TEXT_BYTES_MAX || !gg_utf8_valid(*out)) {
        return usage(handle, "the reason is longer than 4096 bytes, or not UTF-8");
    }
    return GANGER_OK;
}

ganger_err gg_ask_bytes(ganger *handle, const char *what, ganger_bytes from,
                        size_t most, struct gg_slice *out)
{
    if (from.len > most || (from.len > 0 && from.data == NULL)) {
        return gg_handle_fail(handle, GG_ERR_USAGE,
                              from.len > most ? "the %s has %zu bytes; at most %zu fit"
                                              : "the %s has no data for its %zu bytes",
                              what, from.len, most);
    }
    *out = gg_slice_of(from.data, from.len);
    return GANGER_OK;
}

/* The key of a payload: XXH3-128 in hexadecimal, most significant digit first, so that
 * every language makes the same. */
static struct gg_slice unique_key(ganger *handle, struct gg_slice payload)
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t hash;
    char *text = handle->unique_key;
    _Static_assert(sizeof handle->unique_key == 2 * sizeof hash.digest, "two digits");
    XXH128_canonicalFromHash(&hash, XXH3_128bits(payload.data, payload.len));
    for (size_t i = 0; i < sizeof hash.digest; i++) {
        text[2 * i] = digits[hash.digest[i] >> 4];
        text[2 * i + 1] = digits[hash.digest[i] & 15];
    }
    return gg_slice_of(text, sizeof handle->unique_key);
}

/* Tags and delays of the back-off stand one after the other in handle->lists. */
static ganger_err write_lists(ganger *handle, const ganger_submission *from,
                              struct gg_submit *out)
{
    gg_buf_clear(&handle->lists);
    if (from->tag_count > GG_TAGS_MAX || from->backoff_count > GG_BACKOFFS_MAX) {
        return usage(handle, "there are more than 16 tags, or than 32 delays");
    }
    if ((from->tag_count > 0 && from->tags == NULL) ||
        (from->backoff_count > 0 && from->backoff_list == NULL)) {
        return usage(handle, "there is a number of tags or delays, and none of them");
    }
    for (size_t i = 0; i < from->tag_count; i++) {
        struct gg_slice tag;
        ganger_err err = read_name(handle, "tag", from->tags[i], &tag);
        if (err != GANGER_OK) {
            return err;
        }
        gg_text_write(&handle->lists, tag);
    }
    size_t tags_len = handle->lists.len;
    for (size_t i = 0; i < from->backoff_count; i++) {
        gg_num_write(&handle->lists, from->backoff_list[i]);
    }
    if (handle->lists.failed) {
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    const uint8_t *data = handle->lists.data;
    out->tags = (struct gg_list){gg_slice_of(data, tags_len),
                                 (uint32_t)from->tag_count};
    out->backoff_list = (struct gg_list){
        gg_slice_of(data + tags_len, handle->lists.len - tags_len),
        (uint32_t)from->backoff_count,
    };
    return GANGER_OK;
}

static ganger_err fill_names(ganger *handle, const ganger_submission *from,
                             struct gg_submit *out)
{
    ganger_err err = read_name(handle, "queue", from->queue, &out->queue);
    err = err != GANGER_OK ? err : gg_ask_realm(handle, from->realm, &out->realm);
    err = err != GANGER_OK
              ? err
              : gg_ask_bytes(handle, "key", from->key, GG_KEY_BYTES_MAX, &out->key);
    err = err != GANGER_OK ? err
                           : gg_ask_bytes(handle, "payload", from->payload,
                                          GG_BLOB_BYTES_MAX, &out->payload);
    if (err == GANGER_OK && from->run_at < 0) {
        err = usage(handle, "the time to run at is before 1970");
    }
    return err;
}

/* Where the broker's limit is known; else it is looked at before sending. */
static ganger_err check_size(ganger *handle, struct gg_slice payload)
{
    uint64_t most = gg_session_limits_of(handle->session)->payload_bytes;
    if (!gg_session_met(handle->session) || payload.len <= most) {
        return GANGER_OK;
    }
    return gg_handle_fail(
        handle, GG_ERR_TOO_LARGE,
        "the payload has %zu bytes; the broker takes at most %" PRIu64, payload.len,
        most);
}

/* ---- payloads that are not copied ---- */

struct lent {
    struct gg_far_blob far;
    void (*done)(void *ctx);
    void *ctx;
};

static void release(struct gg_far_blob *far)
{
    struct lent *lent = (struct lent *)far;
    lent->done(lent->ctx);
    free(lent);
}

void gg_ask_give_back(const ganger_submission *from, size_t count)
{
    for (size_t i = 0; from != NULL && i < count; i++) {
        if (from[i].payload_done != NULL) {
            from[i].payload_done(from[i].payload_ctx);
        }
    }
}

static ganger_err lend(ganger *handle, const ganger_submission *from)
{
    GG_ASSERT(handle->lent == NULL);
    if (from->payload_done == NULL) {
        return GANGER_OK;
    }
    struct lent *lent = malloc(sizeof *lent);
    if (lent == NULL) {
        gg_ask_give_back(from, 1);
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    lent->done = from->payload_done;
    lent->ctx = from->payload_ctx;
    gg_far_blob_init(&lent->far, gg_slice_of(from->payload.data, from->payload.len),
                     release);
    handle->lent = &lent->far.blob;
    return GANGER_OK;
}

/* ---- submissions ---- */

static ganger_err fill_submit(ganger *handle, const ganger_submission *from,
                              struct gg_submit *out)
{
    *out = (struct gg_submit){
        .priority = from->priority,
        .delay_ms = from->delay_ms,
        .run_at = (uint64_t)from->run_at,
        .expires_ms = from->expires_ms,
        .run_timeout_ms = from->run_timeout_ms,
        .attempts = from->attempts,
        .backoff = (uint64_t)from->backoff,
        .backoff_ms = from->backoff_ms,
        .backoff_max_ms = from->backoff_max_ms,
        .keep_ms = from->keep_ms,
        .keep_failed_ms = from->keep_failed_ms,
        .unique_until = (uint64_t)from->unique_until,
        .durability = (uint64_t)from->durability,
        .end_only = from->end_only,
    };
    memcpy(out->id.bytes, from->id.bytes, sizeof out->id.bytes);
    ganger_err err = fill_names(handle, from, out);
    err = err != GANGER_OK ? err : check_size(handle, out->payload);
    if (err == GANGER_OK && (from->tag_count > 0 || from->backoff_count > 0)) {
        err = write_lists(handle, from, out);
    }
    if (err != GANGER_OK) {
        return err;
    }
    if (from->unique && out->key.len > 0) {
        return usage(handle, "unique makes the key itself: give it or a key");
    }
    if (from->unique) {
        out->key = unique_key(handle, out->payload);
    }
    handle->own_id = gg_id_is_none(&out->id);
    if (handle->own_id) {
        out->id = gg_session_new_id(handle->session, gg_wall_tick());
    }
    return GANGER_OK;
}

ganger_err gg_ask_submit(ganger *handle, const ganger_submission *from,
                         struct gg_submit *out)
{
    if (from == NULL) {
        return usage(handle, "there is no submission");
    }
    ganger_err err = lend(handle, from);
    if (err == GANGER_OK) {
        err = fill_submit(handle, from, out);
    }
    if (err != GANGER_OK) {
        gg_blob_unref(&handle->lent);
    }
    return err;
}

ganger_err gg_ask_submit_many(ganger *handle, const ganger_submission *from,
                              size_t count, struct gg_submit_many *out)
{
    if (from == NULL || count == 0 || count > GG_SUBMITS_MAX) {
        gg_ask_give_back(from, count);
        return gg_handle_fail(handle, GG_ERR_USAGE,
                              "%zu submissions in one call; 1 to %d fit", count,
                              GG_SUBMITS_MAX);
    }
    gg_buf_clear(&handle->entries);
    for (size_t i = 0; i < count; i++) {
        struct gg_submit submit;
        ganger_err err = gg_ask_submit(handle, &from[i], &submit);
        if (err != GANGER_OK) {
            gg_ask_give_back(&from[i + 1], count - i - 1);
            return err;
        }
        gg_record_write(&handle->entries, GG_RECORD_SUBMIT, &submit, NULL);
        gg_blob_unref(&handle->lent);
    }
    if (handle->entries.failed) {
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    *out = (struct gg_submit_many){
        .jobs = {gg_buf_slice(&handle->entries), (uint32_t)count},
    };
    return GANGER_OK;
}

ganger_err gg_ask_target(ganger *handle, const ganger_target *from,
                         struct gg_target *out)
{
    if (from == NULL) {
        return usage(handle, "there is no target");
    }
    gg_record_default(GG_RECORD_TARGET, out);
    out->epoch = from->epoch;
    memcpy(out->id.bytes, from->id.bytes, sizeof out->id.bytes);
    if (!gg_id_is_none(&out->id)) {
        if (out->epoch == 0) {
            uint8_t durability = 0;
            out->epoch = gg_session_epoch_of(handle->session, &out->id, &durability);
            out->durability = durability;
        }
        return GANGER_OK;
    }
    ganger_err err = gg_ask_realm(handle, from->realm, &out->realm);
    if (err == GANGER_OK && (from->queue == NULL || from->key.len == 0)) {
        return usage(handle, "a job is named by its id, or by its queue and key");
    }
    err = err != GANGER_OK ? err : read_name(handle, "queue", from->queue, &out->queue);
    return err != GANGER_OK
               ? err
               : gg_ask_bytes(handle, "key", from->key, GG_KEY_BYTES_MAX, &out->key);
}

ganger_err gg_ask(ganger *handle, enum gg_command_code code, const void *record,
                  int timeout_ms, const struct gg_asker *asker, uint64_t *out_number)
{
    struct gg_request *request = gg_session_begin(handle->session, code, asker);
    struct gg_blob *lent = handle->lent;
    handle->lent = NULL;
    if (request == NULL) {
        gg_blob_unref(&lent);
        return gg_handle_fail(handle, GG_ERR_TOO_MANY,
                              "%" PRIu32 " requests are in flight, or memory is out",
                              gg_session_in_flight(handle->session));
    }
    enum gg_err err = gg_session_write(request, record, lent);
    gg_blob_unref(&lent);
    if (err != GG_OK) {
        gg_session_abandon(handle->session, request);
        return gg_handle_fail(handle, GG_ERR_NO_MEMORY, "out of memory");
    }
    if (code == GG_CMD_SUBMIT && handle->own_id) {
        gg_request_own_id(request);
    }
    uint64_t number = request->number;
    struct gg_mono now = {0};
    struct gg_mono end = {0};
    if (timeout_ms >= 0 || gg_session_in_flight(handle->session) == 1) {
        now = gg_mono_now(); /* Nobody looks at it otherwise. */
    }
    if (timeout_ms >= 0) {
        end = gg_mono_add(now, (uint64_t)timeout_ms);
    }
    err = gg_session_put(handle->session, request, now, timeout_ms < 0 ? NULL : &end);
    if (err != GG_OK) {
        return gg_handle_fail(handle, err, "out of memory");
    }
    *out_number = number;
    return GANGER_OK;
}
