/* session_receive.c - what comes in, and what time does. */
#include "client/src/session_state.h"
#include "common/assert.h"

static void tell(struct gg_session *session, bool opened, enum gg_err why,
                 struct gg_slice text)
{
    session->news(session->owner, opened, why, text);
}

void gg_session_link_up(struct gg_session *session, struct gg_mono now)
{
    gg_session_requeue(session);
    session->state = GG_SESSION_GREET;
    session->quiet_since = now;
}

void gg_session_link_down(struct gg_session *session)
{
    gg_session_requeue(session);
    session->state = GG_SESSION_DOWN;
}

/* Hello again: at once for the first time, later and later where that does not help. */
static void greet_again(struct gg_session *session, struct gg_mono now)
{
    gg_session_requeue(session);
    session->resets++;
    if (session->resets == 1) {
        session->state = GG_SESSION_GREET;
        return;
    }
    uint32_t doublings = session->resets < 8 ? session->resets - 2 : 6;
    uint64_t wait_ms = (uint64_t)RESET_MS_MIN << doublings;
    if (wait_ms > RESET_MS_MAX) {
        wait_ms = RESET_MS_MAX;
    }
    wait_ms += gg_rng_below(&session->rng, wait_ms / 4 + 1);
    session->state = GG_SESSION_PAUSED;
    session->greet_at = gg_mono_add(now, wait_ms);
}

static void pause_for(struct gg_session *session, struct gg_mono now, uint64_t wait_ms)
{
    gg_session_requeue(session);
    wait_ms = wait_ms < PAUSE_MS ? PAUSE_MS : wait_ms;
    session->state = GG_SESSION_PAUSED;
    session->greet_at = gg_mono_add(now, wait_ms);
}

/* Another broker: what the one before had taken, and kept in memory only, may have run
 * there. It is not sent again but asked for, and the answer is that it was lost. */
static void lose_taken(struct gg_session *session, bool all)
{
    GG_LIST_EACH(&session->queued, link)
    {
        struct gg_request *request = GG_CONTAINER(link, struct gg_request, link);
        if (request->taken && (all || request->durability == GG_DURABILITY_NONE)) {
            request->accepted = true;
            request->doom = (uint8_t)gg_request_become_wait(request);
        }
    }
}

static void on_welcome(struct gg_session *session, struct gg_now now,
                       const struct gg_header *header, const struct gg_welcome *welcome)
{
    session->limits = (struct gg_session_limits){
        .frame_bytes = welcome->frame_bytes_max,
        .payload_bytes = welcome->payload_bytes_max != 0 ? welcome->payload_bytes_max
                                                         : welcome->frame_bytes_max,
        .requests = welcome->requests_max,
        .heartbeat_ms = welcome->heartbeat_ms,
        .dead_after_ms = welcome->dead_after_ms,
    };
    if (welcome->now_at != 0) {
        session->clock_ahead_ms = (int64_t)welcome->now_at - now.wall.ms;
    }
    if (welcome->epoch != session->epoch) {
        lose_taken(session, welcome->durability == GG_DURABILITY_NONE);
    }
    session->epoch = welcome->epoch;
    session->seen_sequence = header->sequence;
    session->peer_acked = header->acked;
    session->quiet_since = now.mono;
    session->state = GG_SESSION_OPEN;
    session->met = true;
    tell(session, true, GG_OK, (struct gg_slice){0});
}

static void on_reset(struct gg_session *session, struct gg_mono now,
                     const struct gg_reset *reset)
{
    enum gg_err why = (enum gg_err)reset->error;
    if (why == GG_ERR_VERSION || why == GG_ERR_NOT_ALLOWED ||
        why == GG_ERR_NAME_TAKEN || why == GG_ERR_CLOSING || why == GG_ERR_BUSY) {
        pause_for(session, now, reset->retry_ms);
        tell(session, false, why, reset->text);
        return;
    }
    greet_again(session, now);
}

/* Keep what the acceptance of a submission says. */
static void note_job(struct gg_session *session, struct gg_request *request,
                     const struct gg_job_info *job)
{
    if (request->code != GG_CMD_SUBMIT || job->state == GG_JOB_EVICTED) {
        return;
    }
    request->accepted = true;
    request->id = job->id;
    request->epoch = job->epoch != 0 ? job->epoch : session->epoch;
    struct gg_accepted *slot = gg_session_accepted_slot(session, &job->id);
    request->durability = (uint8_t)job->durability;
    *slot = (struct gg_accepted){
        .id = job->id, .epoch = request->epoch, .durability = request->durability};
}

static void reply_to(struct gg_session *session, struct gg_request *request,
                     const struct gg_command *command, bool final)
{
    struct gg_asker asker = request->asker;
    struct gg_reply reply = {
        .owner = session->owner,
        .request = request->number,
        .hook = asker.hook,
        .command = command,
        .epoch = session->epoch,
        .final = final,
    };
    if (command->code == GG_CMD_ERROR) {
        reply.err = (enum gg_err)command->as.error.error;
        reply.text = command->as.error.text;
        reply.retry_ms = command->as.error.retry_ms;
    }
    if (command->code == GG_CMD_JOB) {
        note_job(session, request, &command->as.job);
    }
    if (final) {
        gg_session_release(session, request);
    }
    asker.fn(asker.ctx, &reply);
}

static void on_command(struct gg_session *session, const struct gg_command *command,
                       const struct gg_fault *fault)
{
    uint64_t number = fault->err != GG_OK ? fault->request : command->request;
    struct gg_request *request = gg_requests_find(&session->requests, number);
    if (request == NULL || request->state != GG_REQUEST_SENT) {
        return; /* Forgotten here, or answered before. */
    }
    if (fault->err != GG_OK) {
        gg_session_end(session, request, fault->err, gg_slice_text(fault->what));
        return;
    }
    enum gg_fit fit = gg_request_fit(request, command);
    if (fit != GG_FIT_NONE) {
        reply_to(session, request, command, fit == GG_FIT_LAST);
    }
}

static void on_commands(struct gg_session *session, struct gg_mono now,
                        struct gg_message *message)
{
    const struct gg_header *header = &message->header;
    if (header->sequence <= session->seen_sequence) {
        return;
    }
    session->quiet_since = now;
    if (header->sequence != session->seen_sequence + 1) {
        greet_again(session, now); /* Something was lost: begin anew. */
        return;
    }
    session->seen_sequence = header->sequence;
    session->resets = 0;
    if (header->acked > session->peer_acked) {
        session->peer_acked = header->acked;
    }
    struct gg_command command;
    struct gg_fault fault;
    bool answers = false;
    while (session->state == GG_SESSION_OPEN &&
           gg_message_next(message, &command, &fault)) {
        if (fault.err == GG_OK && command.code == GG_CMD_BYE) {
            pause_for(session, now, 0);
            tell(session, false, GG_ERR_CLOSING, command.as.bye.text);
            return;
        }
        answers = answers || fault.err != GG_OK || command.code != GG_CMD_HEARTBEAT;
        on_command(session, &command, &fault);
    }
    /* A heartbeat is not acknowledged: two that did so would never stop. */
    if (answers && !session->ack_due) {
        session->ack_due = true;
        session->ack_at = gg_mono_add(now, ACK_MS);
    }
}

/* The one command of a welcome or a reset. */
static bool read_only(struct gg_message *message, enum gg_command_code code,
                      struct gg_command *out)
{
    struct gg_fault fault;
    return gg_message_next(message, out, &fault) && fault.err == GG_OK &&
           out->code == code;
}

enum gg_err gg_session_receive(struct gg_session *session, struct gg_now now,
                               struct gg_slice frame, struct gg_slice attachment)
{
    struct gg_message message;
    struct gg_fault fault;
    struct gg_command command;
    enum gg_err err = gg_message_open(frame, attachment, &message, &fault);
    if (err != GG_OK) {
        return err;
    }
    if (message.header.session != session->number || session->number == 0) {
        return GG_OK; /* Late, from a session that is over. */
    }
    bool greeted = session->state == GG_SESSION_GREETED;
    bool opened = session->state == GG_SESSION_OPEN;
    switch (message.header.type) {
    case GG_MESSAGE_WELCOME:
        if (greeted && read_only(&message, GG_CMD_WELCOME, &command)) {
            on_welcome(session, now, &message.header, &command.as.welcome);
        }
        return GG_OK;
    case GG_MESSAGE_RESET:
        if ((greeted || opened) && read_only(&message, GG_CMD_RESET, &command)) {
            on_reset(session, now.mono, &command.as.reset);
        }
        return GG_OK;
    case GG_MESSAGE_COMMANDS:
        if (opened) {
            on_commands(session, now.mono, &message);
        }
        return GG_OK;
    default:
        return GG_ERR_BAD_MESSAGE;
    }
}

void gg_session_tick(struct gg_session *session, struct gg_mono now,
                     enum gg_err unreachable, struct gg_slice text)
{
    if (session->state == GG_SESSION_PAUSED &&
        gg_mono_reached(session->greet_at, now)) {
        session->state = GG_SESSION_GREET;
    }
    /* At most those in flight now: a callback may begin another that is late. */
    for (uint32_t left = session->requests.count; left > 0; left--) {
        struct gg_heap_node *node = gg_heap_first(&session->deadlines);
        if (node == NULL || gg_heap_at(&session->deadlines, node) > now.ms) {
            return;
        }
        struct gg_request *request = GG_CONTAINER(node, struct gg_request, deadline);
        if (session->state == GG_SESSION_OPEN) {
            bool waits = request->accepted || request->code == GG_CMD_WAIT;
            gg_session_end(session, request, GG_ERR_TIMED_OUT,
                           waits ? (struct gg_slice){0}
                                 : gg_slice_text("the broker did not answer in time"));
        } else {
            gg_session_end(session, request, unreachable, text);
        }
    }
}

struct gg_mono gg_session_hello_end(const struct gg_session *session)
{
    /* A broker that many come back to at once may need longer to greet them all. */
    uint64_t wait_ms = HELLO_MS;
    if (session->met && session->limits.dead_after_ms > wait_ms) {
        wait_ms = session->limits.dead_after_ms < HELLO_AGAIN_MS
                      ? session->limits.dead_after_ms
                      : HELLO_AGAIN_MS;
    }
    return gg_mono_add(session->sent_at, wait_ms);
}

bool gg_session_is_dead(const struct gg_session *session, struct gg_mono now)
{
    if (session->state == GG_SESSION_GREETED) {
        return gg_mono_reached(gg_session_hello_end(session), now);
    }
    return session->state == GG_SESSION_OPEN && session->requests.count > 0 &&
           gg_mono_reached(
               gg_mono_add(session->quiet_since, session->limits.dead_after_ms), now);
}
