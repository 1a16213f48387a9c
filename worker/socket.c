#include "worker/socket.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/frame.h"

enum {
    LINGER_MS = 2000,
    RECONNECT_MS = 10,
    RECONNECT_MS_MAX = 2000,
    CONNECT_MS = 5000,
    MAXRT_MS = 30000,
    FRAMES_MAX = 2,
    EVENTS_A_LOOK = 256,
};

_Static_assert(sizeof(zmq_msg_t) <= 64, "gg_received has room for a message");

static void set(void *socket, int option, int value)
{
    (void)zmq_setsockopt(socket, option, &value, sizeof value);
}

enum gg_err gg_socket_init(struct gg_socket *socket, uint32_t slots,
                           const struct gg_worker_keys *keys)
{
    unsigned seed = 0;
    *socket = (struct gg_socket){.keys = keys,
                                 .water_mark = slots < 512 ? 1024 : (int)slots * 2};
    (void)!getrandom(&seed, sizeof seed, 0);
    srand(seed); /* libzmq's jitter uses it and never seeds it. */
    socket->context = zmq_ctx_new();
    return socket->context == NULL ? GG_ERR_SYSTEM : GG_OK;
}

void gg_socket_close(struct gg_socket *socket)
{
    if (socket->monitor != NULL) {
        (void)zmq_socket_monitor(socket->socket, NULL, 0);
        set(socket->monitor, ZMQ_LINGER, 0);
        (void)zmq_close(socket->monitor);
        socket->monitor = NULL;
    }
    if (socket->socket != NULL) {
        (void)zmq_close(socket->socket);
        socket->socket = NULL;
    }
    socket->blocked = false;
}

void gg_socket_fini(struct gg_socket *socket)
{
    gg_socket_close(socket);
    if (socket->context != NULL) {
        (void)zmq_ctx_term(socket->context);
        socket->context = NULL;
    }
}

static void set_options(struct gg_socket *socket)
{
    void *dealer = socket->socket;
    set(dealer, ZMQ_IMMEDIATE, 1);
    set(dealer, ZMQ_LINGER, LINGER_MS);
    set(dealer, ZMQ_SNDHWM, socket->water_mark);
    set(dealer, ZMQ_RCVHWM, socket->water_mark);
    set(dealer, ZMQ_HEARTBEAT_IVL, 0);
    set(dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set(dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX);
    set(dealer, ZMQ_HANDSHAKE_IVL, GG_SOCKET_HANDSHAKE_MS);
    set(dealer, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    set(dealer, ZMQ_TCP_MAXRT, MAXRT_MS);
    set(dealer, ZMQ_TCP_KEEPALIVE, 1);
    set(dealer, ZMQ_TCP_KEEPALIVE_IDLE, 15);
    set(dealer, ZMQ_TCP_KEEPALIVE_INTVL, 5);
    set(dealer, ZMQ_TCP_KEEPALIVE_CNT, 3);
    set(dealer, ZMQ_IPV6, 1);
    if (socket->keys != NULL) {
        (void)zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, socket->keys->server_key,
                             GG_KEY_TEXT_BYTES);
        (void)zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, socket->keys->public_key,
                             GG_KEY_TEXT_BYTES);
        (void)zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, socket->keys->secret_key,
                             GG_KEY_TEXT_BYTES);
    }
}

/* Hear what happens to the connection. Its reader is never full, or it would stop
 * libzmq's own thread. The name is a new one each time: that of the socket before is
 * taken until libzmq's reaper has ended it. */
static bool open_monitor(struct gg_socket *socket)
{
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://agent-monitor-%u", socket->serial++);
    if (zmq_socket_monitor(socket->socket, name, events) != 0) {
        return false;
    }
    socket->monitor = zmq_socket(socket->context, ZMQ_PAIR);
    if (socket->monitor == NULL) {
        return false;
    }
    set(socket->monitor, ZMQ_RCVHWM, 0);
    set(socket->monitor, ZMQ_LINGER, 0);
    return zmq_connect(socket->monitor, name) == 0;
}

enum gg_err gg_socket_open(struct gg_socket *socket, const char *endpoint)
{
    GG_ASSERT(socket->socket == NULL);

    socket->socket = zmq_socket(socket->context, ZMQ_DEALER);
    if (socket->socket == NULL) {
        return GG_ERR_SYSTEM;
    }
    socket->connected = false;
    set_options(socket);
    (void)snprintf(socket->endpoint, sizeof socket->endpoint, "%s", endpoint);
    if (!open_monitor(socket)) {
        gg_socket_close(socket);
        return GG_ERR_SYSTEM;
    }
    if (zmq_connect(socket->socket, endpoint) != 0) {
        gg_socket_close(socket);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

static unsigned meaning_of(uint16_t event)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return GG_SOCKET_CONNECTED;
    case ZMQ_EVENT_DISCONNECTED:
        return GG_SOCKET_DISCONNECTED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return GG_SOCKET_REFUSED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return GG_SOCKET_NO_GANGER;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return GG_SOCKET_MUTE;
    default:
        return 0;
    }
}

unsigned gg_socket_events(struct gg_socket *socket)
{
    unsigned events = 0;
    for (int i = 0; socket->monitor != NULL && i < EVENTS_A_LOOK; i++) {
        uint8_t event[6]; /* Number (16 bits) and value (32 bits), then a frame. */
        char address[256];
        if (zmq_recv(socket->monitor, event, sizeof event, ZMQ_DONTWAIT) < 2) {
            break;
        }
        (void)zmq_recv(socket->monitor, address, sizeof address, ZMQ_DONTWAIT);
        uint16_t number = 0;
        memcpy(&number, event, sizeof number);
        unsigned meaning = meaning_of(number);
        if (meaning == GG_SOCKET_CONNECTED || meaning == GG_SOCKET_DISCONNECTED) {
            socket->connected = meaning == GG_SOCKET_CONNECTED;
        }
        events |= meaning;
    }
    return events;
}

bool gg_socket_is_writable(struct gg_socket *socket)
{
    int events = 0;
    size_t len = sizeof events;
    return socket->socket != NULL &&
           zmq_getsockopt(socket->socket, ZMQ_EVENTS, &events, &len) == 0 &&
           (events & ZMQ_POLLOUT) != 0;
}

/* Copy a frame into a message and send it. */
static bool send_frame(struct gg_socket *socket, struct gg_slice frame, int flags)
{
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, frame.len) != 0) {
        return false;
    }
    if (frame.len > 0) {
        memcpy(zmq_msg_data(&message), frame.data, frame.len);
    }
    if (zmq_msg_send(&message, socket->socket, flags | ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&message);
        return false;
    }
    return true;
}

bool gg_socket_send(struct gg_socket *socket, struct gg_slice frame,
                    struct gg_blob *attachment)
{
    bool two = attachment != NULL;
    socket->blocked = true;
    if (socket->socket == NULL || !send_frame(socket, frame, two ? ZMQ_SNDMORE : 0)) {
        return false;
    }
    socket->blocked = false;
    /* The rest of a message that has begun is always taken. */
    return !two || gg_frame_send(socket->socket, attachment, 0);
}

static zmq_msg_t *message_at(struct gg_received *received, int index)
{
    return (zmq_msg_t *)(void *)received->messages[index];
}

bool gg_socket_receive(struct gg_socket *socket, struct gg_received *out)
{
    out->count = 0;
    out->attachment = (struct gg_slice){0};
    out->holder = NULL;
    bool more = true;
    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *message = out->count < FRAMES_MAX ? message_at(out, out->count)
                                                     : &extra;
        (void)zmq_msg_init(message);
        if (zmq_msg_recv(message, socket->socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(message);
            break;
        }
        more = zmq_msg_more(message) != 0;
        if (message == &extra) {
            (void)zmq_msg_close(message); /* A third frame means nothing. */
        } else {
            out->count++;
        }
    }
    if (out->count == 0) {
        return false;
    }
    out->frame = gg_slice_of(zmq_msg_data(message_at(out, 0)),
                             zmq_msg_size(message_at(out, 0)));
    if (out->count == FRAMES_MAX) {
        out->holder = gg_frame_take(message_at(out, 1));
        out->attachment = out->holder != NULL
                              ? gg_blob_slice(out->holder)
                              : gg_slice_of(zmq_msg_data(message_at(out, 1)),
                                            zmq_msg_size(message_at(out, 1)));
    }
    return true;
}

void gg_socket_release(struct gg_received *received)
{
    for (int i = 0; i < received->count; i++) {
        (void)zmq_msg_close(message_at(received, i));
    }
    received->count = 0;
    gg_blob_unref(&received->holder);
}

/* Where the host of "tcp://host:port" begins and how long it is; false without one. */
static bool find_host(const char *endpoint, size_t *out_at, size_t *out_len)
{
    const char *host = strstr(endpoint, "://");
    const char *port = strrchr(endpoint, ':');
    if (host == NULL || port == NULL || strncmp(endpoint, "tcp://", 6) != 0 ||
        port < host + 3) {
        return false;
    }
    *out_at = (size_t)(host + 3 - endpoint);
    *out_len = (size_t)(port - host - 3);
    return true;
}

bool gg_endpoint_resolve(const char *told, const char *used, char *out, size_t room)
{
    static const char *const anys[] = {"*", "0.0.0.0", "[::]"};
    size_t at = 0;
    size_t len = 0;
    size_t used_at = 0;
    size_t used_len = 0;
    bool any = false;
    if (find_host(told, &at, &len) && find_host(used, &used_at, &used_len)) {
        for (size_t i = 0; i < sizeof anys / sizeof anys[0]; i++) {
            any = any ||
                  (strlen(anys[i]) == len && memcmp(told + at, anys[i], len) == 0);
        }
    }
    int wrote = any ? snprintf(out, room, "%.*s%.*s%s", (int)at, told, (int)used_len,
                               used + used_at, told + at + len)
                    : snprintf(out, room, "%s", told);
    return wrote >= 0 && (size_t)wrote < room;
}
