/* inbound.c - what peers send: received, checked against its session, decoded, handed
 * to the core command by command. Nothing here trusts a byte. */
#include <errno.h>

#include "broker/io/shell_state.h"
#include "common/frame.h"
#include "common/log.h"

/* A message as it came: who really sent it, and its frames. */
struct arrival {
    enum gg_endpoint endpoint;
    struct gg_slice route_id;
    struct gg_slice frame;
    struct gg_slice attachment;
    bool too_many; /* Frames. */
};

static struct gg_slice slice_of(zmq_msg_t *message)
{
    return gg_slice_of(zmq_msg_data(message), zmq_msg_size(message));
}

/* Frames of one message come together: what is left of it can be read at once. */
static void throw_rest_away(void *socket)
{
    zmq_msg_t spare;
    (void)zmq_msg_init(&spare);
    while (zmq_msg_recv(&spare, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&spare)) {
    }
    (void)zmq_msg_close(&spare);
}

/* Receive one message. False: none is there. */
static bool receive(struct gg_shell *shell, enum gg_endpoint endpoint,
                    struct arrival *out)
{
    void *socket = shell->routers[endpoint].socket;
    *out = (struct arrival){.endpoint = endpoint};
    int len = zmq_msg_recv(&shell->route, socket, ZMQ_DONTWAIT);
    if (len < 0 && errno == EINTR) {
        len = zmq_msg_recv(&shell->route, socket, ZMQ_DONTWAIT);
    }
    if (len < 0) {
        return false;
    }
    out->route_id = slice_of(&shell->route);
    if (!zmq_msg_more(&shell->route) ||
        zmq_msg_recv(&shell->frame, socket, ZMQ_DONTWAIT) < 0) {
        return true;
    }
    out->frame = slice_of(&shell->frame);
    if (zmq_msg_more(&shell->frame)) {
        if (zmq_msg_recv(&shell->attachment, socket, ZMQ_DONTWAIT) < 0) {
            return true;
        }
        static const uint8_t empty;
        out->too_many = zmq_msg_more(&shell->attachment);
        shell->holder = gg_frame_take(&shell->attachment);
        out->attachment = shell->holder != NULL ? gg_blob_slice(shell->holder)
                                                : slice_of(&shell->attachment);
        if (out->attachment.data == NULL) {
            out->attachment.data = &empty; /* There is a second frame, without bytes. */
        }
        if (out->too_many) {
            throw_rest_away(socket);
        }
    }
    gg_metrics_add(&shell->metrics, GG_METRIC_MESSAGES_IN, 1);
    gg_metrics_add(&shell->metrics, GG_METRIC_BYTES_IN,
                   out->frame.len + out->attachment.len);
    return true;
}

/* The descriptor that the frame came through; -1 when it is not known. */
static int fd_of(struct gg_shell *shell)
{
    int fd = zmq_msg_get(&shell->frame, ZMQ_SRCFD);
    return fd > 2 ? fd : -1;
}

static void refuse_and_kick(struct gg_shell *shell, const struct arrival *arrival,
                            enum gg_err err, const char *what)
{
    gg_metrics_refuse(&shell->metrics, err, what, shell->now.mono);
    if (arrival->frame.data != NULL) {
        gg_shell_kick(shell, fd_of(shell));
    }
}

/* ---- messages of a session ---- */

static void give_receipts(struct gg_shell *shell, struct gg_peer *peer, uint64_t serial)
{
    struct gg_event ev = {
        .type = GG_EV_RECEIPT, .now = shell->now, .peer = peer->number};
    while (peer->open && peer->serial == serial && gg_peer_receipt(peer, &ev.token)) {
        gg_shell_step(shell, &ev);
    }
}

/* One command. False: the session is over. */
static bool on_command(struct gg_shell *shell, struct gg_peer *peer,
                       const struct gg_command *command)
{
    gg_metrics_add(&shell->metrics, GG_METRIC_COMMANDS_IN, 1);
    if (command->code == GG_CMD_BYE) {
        gg_shell_end(shell, peer, true);
        return false;
    }
    struct gg_event ev = {
        .type = GG_EV_COMMAND,
        .now = shell->now,
        .peer = peer->number,
        .command = command,
        .blob = shell->holder,
    };
    uint64_t serial = peer->serial;
    gg_shell_step(shell, &ev);
    return peer->open && peer->serial == serial;
}

/* The next commands of a message, read before it is their turn. */
enum { AHEAD = 8 };
struct ahead {
    struct gg_command commands[AHEAD];
    struct gg_fault faults[AHEAD];
    uint32_t next; /* Whose turn it is. */
    uint32_t count;
};

/* All places are asked for before the first is needed: the memory of many is looked up
 * in the time of one. */
static void read_ahead(const struct gg_shell *shell, struct gg_message *message,
                       struct ahead *ahead)
{
    ahead->next = ahead->count = 0;
    while (ahead->count < AHEAD &&
           gg_message_next(message, &ahead->commands[ahead->count],
                           &ahead->faults[ahead->count])) {
        ahead->count++;
    }
    for (uint32_t i = 0; i < ahead->count; i++) {
        if (ahead->faults[i].err == GG_OK) {
            gg_core_foresee(shell->core, &ahead->commands[i]);
        }
    }
}

/* The header has been found good: the session goes on with this message. */
static void on_commands(struct gg_shell *shell, struct gg_peer *peer,
                        struct gg_message *message)
{
    uint64_t serial = peer->serial;
    give_receipts(shell, peer, serial);
    struct ahead ahead;
    ahead.next = ahead.count = 0;
    while (peer->open && peer->serial == serial && peer->doomed == NULL &&
           shell->failed == GG_OK) {
        if (ahead.next == ahead.count) {
            read_ahead(shell, message, &ahead);
        }
        if (ahead.next == ahead.count) {
            break;
        }
        uint32_t place = ahead.next++;
        if (ahead.faults[place].err != GG_OK) {
            gg_shell_refuse(shell, peer, &ahead.faults[place]);
        } else if (!on_command(shell, peer, &ahead.commands[place])) {
            return;
        }
    }
    if (message->left == 0 && ahead.next == ahead.count &&
        message->attachment.data != NULL && !message->attachment_taken && peer->open &&
        peer->serial == serial) {
        struct gg_fault fault = {.err = GG_ERR_BAD_MESSAGE,
                                 .what = "no field names the second frame"};
        gg_shell_refuse(shell, peer, &fault);
    }
}

static void end_with_reset(struct gg_shell *shell, struct gg_peer *peer,
                           enum gg_err err, const char *what)
{
    struct gg_route route = peer->route;
    uint64_t session = peer->session;
    gg_shell_end(shell, peer, false);
    gg_shell_reset(shell, &route, session, err, what);
}

/* Does the header belong to the peer's session, in sequence? Answers where it does not.
 */
static bool goes_on(struct gg_shell *shell, const struct gg_route *route,
                    struct gg_peer *peer, const struct gg_header *header)
{
    if (peer == NULL) {
        gg_shell_reset(shell, route, header->session, GG_ERR_NO_SESSION,
                       "no session is open; say hello");
        return false;
    }
    switch (gg_peers_hear(&shell->peers, peer, header, shell->now.mono)) {
    case GG_HEARD:
        return true;
    case GG_HEARD_FOREIGN:
        gg_shell_reset(shell, route, header->session, GG_ERR_NO_SESSION,
                       "that session is not open on this connection");
        return false;
    case GG_HEARD_GAP:
        end_with_reset(shell, peer, GG_ERR_NO_SESSION,
                       "messages are missing or came twice; say hello");
        return false;
    case GG_HEARD_FUTURE:
        end_with_reset(shell, peer, GG_ERR_BAD_MESSAGE,
                       "it acknowledges what was never sent");
        return false;
    }
    return false;
}

/* ---- messages of any kind ---- */

/* A message that cannot be opened. In a session whose header is sound it is one refused
 * message; everything else is answered with reset. */
static void on_bad_message(struct gg_shell *shell, const struct gg_route *route,
                           struct gg_peer *peer, struct gg_slice frame,
                           const struct gg_fault *fault)
{
    struct gg_header header = {0};
    bool readable = gg_header_read(frame, &header) == GG_OK;
    bool sound = readable && header.version == GG_PROTOCOL_VERSION &&
                 header.type == GG_MESSAGE_COMMANDS;
    if (sound) {
        if (goes_on(shell, route, peer, &header)) {
            gg_shell_refuse(shell, peer, fault);
        }
        return;
    }
    if (peer != NULL) {
        end_with_reset(shell, peer, fault->err, fault->what);
        return;
    }
    gg_shell_reset(shell, route, header.session, fault->err, fault->what);
}

static void on_hello(struct gg_shell *shell, const struct gg_route *route,
                     struct gg_message *message, const char *user)
{
    static const struct gg_fault alone = {.err = GG_ERR_BAD_MESSAGE,
                                          .what = "a hello message holds one hello"};
    struct gg_command command;
    struct gg_fault fault = alone;
    uint64_t session = message->header.session;
    bool one = message->left == 1 && message->attachment.data == NULL &&
               gg_message_next(message, &command, &fault);
    if (one && fault.err == GG_OK && command.code != GG_CMD_HELLO) {
        fault = alone;
    }
    if (!one || fault.err != GG_OK) {
        gg_shell_reset(shell, route, session, fault.err, fault.what);
        return;
    }
    const char *identity = zmq_msg_gets(&shell->frame, "Identity");
    if (identity != NULL && identity[0] != '\0') {
        gg_shell_reset(shell, route, session, GG_ERR_NOT_ALLOWED,
                       "a peer must not set a routing id");
        gg_shell_kick(shell, fd_of(shell));
        return;
    }
    /* A descriptor is used again at once: that the connection which had it before is
     * closed must be known first. It was said before this one could say anything. */
    gg_shell_monitors(shell);
    gg_shell_hello(shell, route, fd_of(shell), &message->header, &command, user,
                   zmq_msg_gets(&shell->frame, GG_PROPERTY_KEY));
}

static void on_arrival(struct gg_shell *shell, const struct arrival *arrival)
{
    struct gg_route route;
    if (arrival->frame.data == NULL || arrival->too_many) {
        refuse_and_kick(shell, arrival, GG_ERR_BAD_MESSAGE,
                        "a message has one frame or two");
        return;
    }
    if (!gg_route_set(&route, arrival->endpoint, arrival->route_id)) {
        refuse_and_kick(shell, arrival, GG_ERR_NOT_ALLOWED,
                        "a peer must not set a routing id");
        return;
    }
    /* The first frame lacks it in libzmq 4.3.4; without it nobody has let them in. */
    const char *user = zmq_msg_gets(&shell->frame, "User-Id");
    struct gg_peer *peer = gg_peers_find(&shell->peers, &route);
    if (user == NULL || strlen(user) > GG_NAME_BYTES_MAX ||
        (peer != NULL && strcmp(user, peer->user.text) != 0)) {
        refuse_and_kick(shell, arrival, GG_ERR_NOT_ALLOWED,
                        "the connection is not authenticated");
        return;
    }
    struct gg_message message;
    struct gg_fault fault;
    if (gg_message_open(arrival->frame, arrival->attachment, &message, &fault) !=
        GG_OK) {
        on_bad_message(shell, &route, peer, arrival->frame, &fault);
    } else if (message.header.type == GG_MESSAGE_HELLO) {
        on_hello(shell, &route, &message, user);
    } else if (message.header.type != GG_MESSAGE_COMMANDS) {
        fault = (struct gg_fault){.err = GG_ERR_BAD_MESSAGE,
                                  .what = "a peer sends hello and commands"};
        on_bad_message(shell, &route, peer, arrival->frame, &fault);
    } else if (goes_on(shell, &route, peer, &message.header)) {
        on_commands(shell, peer, &message);
    }
}

void gg_shell_drain(struct gg_shell *shell, enum gg_endpoint endpoint, int budget)
{
    struct arrival arrival;
    shell->drained[endpoint] = false;
    for (int i = 0; i < budget && shell->failed == GG_OK; i++) {
        if (!receive(shell, endpoint, &arrival)) {
            shell->drained[endpoint] = true;
            shell->routers[endpoint].touched = false;
            return;
        }
        on_arrival(shell, &arrival);
        gg_blob_unref(&shell->holder);
    }
}
