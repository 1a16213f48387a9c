#include "client/src/session_state.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/name.h"

static void copy_text(char *out, size_t room, const char *text)
{
    gg_slice_copy(gg_slice_text(text == NULL ? "" : text), out, room);
}

enum gg_err gg_session_new(const struct gg_session_setup *setup,
                           struct gg_session **out)
{
    struct gg_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    session->accepted = calloc(ACCEPTED_KEPT, sizeof *session->accepted);
    if (session->accepted == NULL || gg_requests_init(&session->requests) != GG_OK) {
        free(session->accepted);
        free(session);
        return GG_ERR_NO_MEMORY;
    }
    session->owner = setup->owner;
    session->news = setup->news;
    session->rng.state = setup->seed;
    session->pid = setup->pid;
    copy_text(session->name, sizeof session->name, setup->name);
    copy_text(session->host, sizeof session->host, setup->host);
    copy_text(session->program, sizeof session->program, setup->program);
    session->limits = (struct gg_session_limits){
        .frame_bytes = UINT32_MAX,
        .payload_bytes = UINT32_MAX,
        .requests = 1,
        .heartbeat_ms = 10000,
        .dead_after_ms = 30000,
    };
    gg_list_init(&session->queued);
    gg_list_init(&session->sent);
    gg_buf_init(&session->out, UINT32_MAX);
    gg_buf_init(&session->control, UINT32_MAX);
    *out = session;
    return GG_OK;
}

void gg_session_destroy(struct gg_session **session_p)
{
    struct gg_session *session = *session_p;
    *session_p = NULL;
    if (session == NULL) {
        return;
    }
    gg_requests_fini(&session->requests);
    gg_heap_fini(&session->deadlines);
    gg_buf_fini(&session->out);
    gg_buf_fini(&session->control);
    gg_blob_unref(&session->out_large);
    free(session->accepted);
    free(session);
}

/* ---- requests ---- */

struct gg_request *gg_session_begin(struct gg_session *session,
                                    enum gg_command_code code,
                                    const struct gg_asker *asker)
{
    struct gg_request *request = gg_requests_take(&session->requests);
    if (request != NULL) {
        request->code = (uint8_t)code;
        request->asker = *asker;
    }
    return request;
}

enum gg_err gg_session_write(struct gg_request *request, const void *record,
                             struct gg_blob *holder)
{
    enum gg_command_code code = (enum gg_command_code)request->code;
    struct gg_slice large = {0};
    gg_buf_clear(&request->bytes);
    gg_command_write(&request->bytes, code, request->number, record, &large);
    if (large.data != NULL) {
        request->large = gg_blob_keep(large, holder);
    }
    if (code == GG_CMD_SUBMIT) {
        const struct gg_submit *submit = record;
        request->payload_bytes = (uint32_t)submit->payload.len;
        request->until_end = submit->wait;
        request->end_only = submit->wait && submit->end_only;
        request->durability = (uint8_t)submit->durability;
        request->id = submit->id;
    }
    bool complete = !request->bytes.failed &&
                    (large.data == NULL || request->large != NULL);
    return complete ? GG_OK : GG_ERR_NO_MEMORY;
}

enum gg_err gg_session_put(struct gg_session *session, struct gg_request *request,
                           struct gg_mono now, const struct gg_mono *deadline)
{
    if (deadline != NULL) {
        if (gg_heap_reserve(&session->deadlines, session->requests.count) != GG_OK) {
            gg_session_abandon(session, request);
            return GG_ERR_NO_MEMORY;
        }
        gg_heap_set(&session->deadlines, &request->deadline, deadline->ms);
    }
    if (session->requests.count == 1) {
        session->quiet_since = now; /* Only now is the broker expected to speak. */
    }
    request->state = GG_REQUEST_QUEUED;
    gg_list_push_back(&session->queued, &request->link);
    return GG_OK;
}

void gg_session_abandon(struct gg_session *session, struct gg_request *request)
{
    gg_requests_give(&session->requests, request);
}

void gg_session_release(struct gg_session *session, struct gg_request *request)
{
    if (request->state == GG_REQUEST_SENT) {
        session->sent_count--;
    }
    gg_list_remove(&request->link);
    gg_heap_remove(&session->deadlines, &request->deadline);
    gg_requests_give(&session->requests, request);
}

void gg_session_unwait(struct gg_session *session, const struct gg_request *request)
{
    bool waits = request->code == GG_CMD_WAIT || request->until_end;
    bool subscribed = request->code == GG_CMD_SUBSCRIBE;
    if (request->state != GG_REQUEST_SENT || session->state != GG_SESSION_OPEN ||
        (!waits && !subscribed)) {
        return;
    }
    struct gg_unsubscribe gone = {.request = request->number};
    size_t before = session->control.len;
    gg_command_write(&session->control, waits ? GG_CMD_UNWAIT : GG_CMD_UNSUBSCRIBE, 0,
                     &gone, NULL);
    if (session->control.failed) {
        gg_buf_cut(&session->control, before); /* The broker answers into the void. */
    }
}

void gg_session_forget(struct gg_session *session, uint64_t number)
{
    struct gg_request *request = gg_requests_find(&session->requests, number);
    if (request != NULL && request->state != GG_REQUEST_FREE) {
        gg_session_unwait(session, request);
        gg_session_release(session, request);
    }
}

void gg_session_end(struct gg_session *session, struct gg_request *request,
                    enum gg_err err, struct gg_slice text)
{
    struct gg_asker asker = request->asker;
    struct gg_id id = request->id;
    struct gg_reply reply = {
        .owner = session->owner,
        .request = request->number,
        .hook = asker.hook,
        .err = err,
        .text = text,
        .epoch = request->epoch,
        .accepted = request->accepted ? &id : NULL,
        .final = true,
    };
    gg_session_unwait(session, request);
    gg_session_release(session, request);
    asker.fn(asker.ctx, &reply);
}

/* What a request becomes when the session that carried it is over. */
static void revise(struct gg_session *session, struct gg_request *request)
{
    if (request->until_end && request->accepted && request->code == GG_CMD_SUBMIT) {
        request->doom = (uint8_t)gg_request_become_wait(request);
    } else if (request->end_only && request->sequence <= session->peer_acked) {
        request->taken = true;
        request->epoch = session->epoch;
    } else if (request->code == GG_CMD_WAIT &&
               request->sequence <= session->peer_acked) {
        /* The broker took it and did not answer "not found": it knew the job. */
        request->doom = (uint8_t)gg_request_set_epoch(request, session->epoch);
    }
}

void gg_session_requeue(struct gg_session *session)
{
    session->out_ready = false;
    session->ack_due = false;
    gg_blob_unref(&session->out_large);
    gg_buf_clear(&session->control);
    session->control_at = 0;
    /* All go to the front of the line, the last one first: their order stays. */
    while (!gg_list_empty(&session->sent)) {
        struct gg_request *request = GG_CONTAINER(session->sent.prev, struct gg_request,
                                                  link);
        gg_list_remove(&request->link);
        session->sent_count--;
        request->state = GG_REQUEST_QUEUED;
        revise(session, request);
        gg_list_push_front(&session->queued, &request->link);
    }
    GG_ASSERT(session->sent_count == 0);
}

bool gg_session_has(const struct gg_session *session, uint64_t number)
{
    return gg_requests_find(&session->requests, number) != NULL;
}

/* ---- what is known ---- */

enum gg_session_state gg_session_state_of(const struct gg_session *session)
{
    return session->state;
}

uint32_t gg_session_in_flight(const struct gg_session *session)
{
    return session->requests.count;
}

const struct gg_session_limits *gg_session_limits_of(const struct gg_session *session)
{
    return &session->limits;
}

bool gg_session_met(const struct gg_session *session)
{
    return session->met;
}

struct gg_id gg_session_new_id(struct gg_session *session, struct gg_wall now)
{
    struct gg_wall there = {now.ms + session->clock_ahead_ms};
    return gg_id_new(there, &session->rng);
}

struct gg_accepted *gg_session_accepted_slot(const struct gg_session *session,
                                             const struct gg_id *id)
{
    uint16_t place = 0;
    memcpy(&place, id->bytes + 6, sizeof place); /* Random bits. */
    return &session->accepted[place % ACCEPTED_KEPT];
}

uint64_t gg_session_epoch_of(const struct gg_session *session, const struct gg_id *id,
                             uint8_t *out_durability)
{
    const struct gg_accepted *slot = gg_session_accepted_slot(session, id);
    bool known = gg_id_equal(&slot->id, id);
    *out_durability = known ? slot->durability : 0;
    return known ? slot->epoch : 0;
}
