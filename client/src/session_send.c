/* session_send.c - what goes out, and when. */
#include <inttypes.h>
#include <stdio.h>

#include "client/src/session_state.h"
#include "common/assert.h"

/* ---- making a message: room for the prefix, commands, then the prefix ---- */

static void begin_message(struct gg_session *session)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    gg_buf_clear(&session->out);
    gg_buf_append(&session->out, prefix, sizeof prefix);
    gg_blob_unref(&session->out_large);
}

static void end_message(struct gg_session *session, enum gg_message_type type,
                        uint32_t count)
{
    const struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = (uint8_t)type,
        .session = session->number,
        .sequence = ++session->sent_sequence,
        .acked = session->seen_sequence,
    };
    gg_prefix_write(&header, count, session->out.data);
    session->out_ready = true;
    session->out_hello = type == GG_MESSAGE_HELLO;
    session->out_acked = session->seen_sequence;
}

static void make_hello(struct gg_session *session, struct gg_wall now)
{
    do {
        session->number = gg_rng_next(&session->rng);
    } while (session->number == 0);
    session->sent_sequence = 0;
    session->seen_sequence = 0;
    session->peer_acked = 0;
    struct gg_hello hello = {
        .version_min = GG_PROTOCOL_VERSION,
        .version_max = GG_PROTOCOL_VERSION,
        .kind = GG_PEER_CLIENT,
        .name = gg_slice_text(session->name),
        .host = gg_slice_text(session->host),
        .program = gg_slice_text(session->program),
        .pid = session->pid,
        .epoch = session->epoch,
        .now_at = (uint64_t)now.ms,
    };
    begin_message(session);
    gg_command_write(&session->out, GG_CMD_HELLO, 0, &hello, NULL);
    if (!session->out.failed) {
        end_message(session, GG_MESSAGE_HELLO, 1);
    }
}

/* Why the request can never be sent to this broker; GG_OK if it can. */
static enum gg_err refuse(struct gg_session *session, const struct gg_request *request)
{
    const struct gg_session_limits *limits = &session->limits;
    size_t large = request->large == NULL ? 0 : request->large->len;
    session->refusal[0] = '\0';
    if (request->doom != GG_OK) {
        return (enum gg_err)request->doom;
    }
    size_t frame = request->bytes.len + GG_PREFIX_BYTES;
    frame = frame > large ? frame : large;
    if (request->payload_bytes > limits->payload_bytes) {
        (void)snprintf(session->refusal, sizeof session->refusal,
                       "the payload has %" PRIu32 " bytes; the broker takes at most "
                       "%" PRIu64,
                       request->payload_bytes, limits->payload_bytes);
        return GG_ERR_TOO_LARGE;
    }
    if (frame > limits->frame_bytes) {
        (void)snprintf(session->refusal, sizeof session->refusal,
                       "the request has %zu bytes; the broker takes at most %" PRIu64,
                       frame, limits->frame_bytes);
        return GG_ERR_TOO_LARGE;
    }
    return GG_OK;
}

/* May `request` go into the message that already holds `count` commands? */
static bool joins(const struct gg_session *session, const struct gg_request *request,
                  uint32_t count)
{
    if (count == 0) {
        return true;
    }
    /* A list of submissions may hold nearly all the values that a message may. */
    bool alone = request->code == GG_CMD_SUBMIT_MANY;
    size_t bytes = session->out.len + request->bytes.len;
    return !alone && count < BATCH_COMMANDS && bytes <= BATCH_BYTES &&
           bytes <= session->limits.frame_bytes;
}

/* An id that we made when there was no broker may be too old by now, or of a clock that
 * is wrong. Once it has been sent it stays: it may be known. */
static void renew_id(struct gg_session *session, struct gg_request *request,
                     struct gg_wall now)
{
    if (request->own_id_at == 0 || request->sequence != 0) {
        return;
    }
    int64_t age = now.ms + session->clock_ahead_ms - gg_id_time(&request->id).ms;
    if (age > ID_AGE_MS || age < -ID_AGE_MS) {
        request->id = gg_session_new_id(session, now);
        memcpy(request->bytes.data + request->own_id_at, request->id.bytes,
               sizeof request->id.bytes);
    }
}

/* False without memory: nothing has changed. */
static bool append_request(struct gg_session *session, struct gg_request *request)
{
    size_t before = session->out.len;
    gg_buf_append(&session->out, request->bytes.data, request->bytes.len);
    if (session->out.failed) {
        gg_buf_cut(&session->out, before);
        return false;
    }
    if (request->large != NULL) {
        session->out_large = gg_blob_ref(request->large);
    }
    request->sequence = session->sent_sequence + 1;
    request->state = GG_REQUEST_SENT;
    gg_list_remove(&request->link);
    gg_list_push_back(&session->sent, &request->link);
    session->sent_count++;
    return true;
}

/* As many of the commands that nobody waits for as a message takes; none, for now,
 * without memory. */
static uint32_t append_control(struct gg_session *session)
{
    uint32_t count = 0;
    size_t before = session->out.len;
    struct gg_slice left = gg_slice_of(session->control.data + session->control_at,
                                       session->control.len - session->control_at);
    struct gg_reader reader = gg_reader_of(left);
    while (count < BATCH_COMMANDS && reader.at != reader.end) {
        if (!gg_reader_skip(&reader)) {
            GG_BUG("a command of our own cannot be read");
        }
        count++;
    }
    gg_buf_append(&session->out, left.data, (size_t)(reader.at - left.data));
    if (session->out.failed) {
        gg_buf_cut(&session->out, before);
        return 0;
    }
    session->control_at = (size_t)(reader.at - session->control.data);
    if (reader.at == reader.end) {
        gg_buf_clear(&session->control);
        session->control_at = 0;
    }
    return count;
}

static void make_batch(struct gg_session *session, struct gg_wall now)
{
    begin_message(session);
    if (session->out.failed) {
        return;
    }
    uint32_t count = session->control.len > 0 ? append_control(session) : 0;
    while (session->sent_count < session->limits.requests &&
           !gg_list_empty(&session->queued) && session->out_large == NULL) {
        struct gg_request *request = GG_CONTAINER(gg_list_first(&session->queued),
                                                  struct gg_request, link);
        enum gg_err err = refuse(session, request);
        if (err != GG_OK) {
            gg_session_end(session, request, err, gg_slice_text(session->refusal));
            continue;
        }
        if (!joins(session, request, count)) {
            break;
        }
        bool alone = request->code == GG_CMD_SUBMIT_MANY;
        renew_id(session, request, now);
        if (!append_request(session, request)) {
            if (count == 0) {
                gg_session_end(session, request, GG_ERR_NO_MEMORY,
                               (struct gg_slice){0});
            }
            break; /* What has room goes. */
        }
        count++;
        if (alone) {
            break;
        }
    }
    if (count > 0) {
        end_message(session, GG_MESSAGE_COMMANDS, count);
    }
}

static void make_heartbeat(struct gg_session *session)
{
    const struct gg_heartbeat heartbeat = {0};
    begin_message(session);
    gg_command_write(&session->out, GG_CMD_HEARTBEAT, 0, &heartbeat, NULL);
    if (!session->out.failed) {
        end_message(session, GG_MESSAGE_COMMANDS, 1);
    }
}

static bool heartbeat_at(const struct gg_session *session, struct gg_mono *out_at)
{
    if (session->ack_due) {
        *out_at = session->ack_at;
        return true;
    }
    if (session->requests.count > 0) {
        *out_at = gg_mono_add(session->sent_at, session->limits.heartbeat_ms);
        return true;
    }
    return false;
}

bool gg_session_has_output(const struct gg_session *session)
{
    return session->out_ready || session->state == GG_SESSION_GREET ||
           (session->state == GG_SESSION_OPEN &&
            (session->control.len > 0 ||
             (session->sent_count < session->limits.requests &&
              !gg_list_empty(&session->queued))));
}

bool gg_session_next(struct gg_session *session, struct gg_now now,
                     struct gg_outgoing *out)
{
    struct gg_mono at;
    if (!session->out_ready && session->state == GG_SESSION_GREET) {
        make_hello(session, now.wall);
    }
    if (!session->out_ready && session->state == GG_SESSION_OPEN) {
        if (gg_session_has_output(session)) {
            make_batch(session, now.wall);
        }
        if (!session->out_ready && heartbeat_at(session, &at) &&
            gg_mono_reached(at, now.mono)) {
            make_heartbeat(session);
        }
    }
    if (!session->out_ready) {
        return false;
    }
    out->frame = gg_buf_slice(&session->out);
    out->large = session->out_large;
    out->attachment = gg_blob_slice(session->out_large);
    return true;
}

void gg_session_sent(struct gg_session *session, struct gg_mono now)
{
    GG_ASSERT(session->out_ready);
    session->out_ready = false;
    session->sent_at = now;
    session->ack_due = session->ack_due && session->out_acked != session->seen_sequence;
    gg_blob_unref(&session->out_large);
    if (session->out_hello) {
        session->state = GG_SESSION_GREETED;
    }
}

bool gg_session_bye(struct gg_session *session, struct gg_outgoing *out)
{
    if (session->state != GG_SESSION_OPEN || session->out_ready) {
        return false;
    }
    const struct gg_bye bye = {0};
    begin_message(session);
    gg_command_write(&session->out, GG_CMD_BYE, 0, &bye, NULL);
    if (session->out.failed) {
        return false;
    }
    end_message(session, GG_MESSAGE_COMMANDS, 1);
    out->frame = gg_buf_slice(&session->out);
    out->large = NULL;
    out->attachment = (struct gg_slice){0};
    return true;
}

static void sooner(struct gg_mono *at, bool *any, struct gg_mono other)
{
    if (!*any || other.ms < at->ms) {
        *at = other;
        *any = true;
    }
}

bool gg_session_wake(const struct gg_session *session, struct gg_mono *out_at)
{
    struct gg_mono at = {0};
    struct gg_mono other;
    bool any = false;
    if (gg_heap_first(&session->deadlines) != NULL) {
        sooner(&at, &any, (struct gg_mono){gg_heap_first_at(&session->deadlines)});
    }
    if (session->state == GG_SESSION_PAUSED) {
        sooner(&at, &any, session->greet_at);
    }
    if (session->state == GG_SESSION_GREETED) {
        sooner(&at, &any, gg_session_hello_end(session));
    }
    if (session->state == GG_SESSION_OPEN) {
        if (!session->out_ready && heartbeat_at(session, &other)) {
            sooner(&at, &any, other);
        }
        if (session->requests.count > 0) {
            sooner(&at, &any,
                   gg_mono_add(session->quiet_since, session->limits.dead_after_ms));
        }
    }
    if (any) {
        *out_at = at;
    }
    return any;
}
