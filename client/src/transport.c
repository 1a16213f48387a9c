#include "client/src/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/frame.h"
#include "common/rng.h"

enum {
    HANDSHAKE_MS = 2500,     /* Connected, and then silent: it is no broker. */
    REFUSED_MS_MAX = 1000,   /* Who refuses does so at once; later, nobody answered. */
    FAILING_MS = 800,        /* Handshakes that fail for this long have a reason. */
    FAILING_PLAIN_MS = 2000, /* Without keys: a broker with keys may close so fast that
                                only one in many tries shows which it is. */
    FAILING_COUNT = 3,       /* … and at least this often. */
    STUCK_MS = 10000,        /* Not connected and no news: libzmq has given up. */
    BACKOFF_MS_MIN = 50,
    BACKOFF_MS_MAX = 2000,
    DESCRIPTORS = 16, /* That a context with its threads and sockets takes, and some. */
    EVENTS_MASK = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED |
                  ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED |
                  ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                  ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                  ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

/* How far the connection is. */
enum stage {
    STAGE_NONE = 0,   /* No socket; a new one at `next_at`. */
    STAGE_CONNECTING, /* libzmq tries. */
    STAGE_CONNECTED,  /* TCP is there, the handshake is not. */
    STAGE_UP,
};

struct gg_transport {
    void *context;
    void *socket;
    void *monitor;
    int epoll;
    char endpoint[GG_ENDPOINT_BYTES];
    struct gg_keys keys;
    bool curve;
    struct gg_rng rng;
    unsigned serial; /* Of sockets, to name their monitors. */

    enum stage stage;
    struct gg_mono since;   /* The stage, or the last news while connecting. */
    struct gg_mono next_at; /* STAGE_NONE: when to make the next socket. */
    uint32_t failures;      /* Sockets thrown away in a row. */
    bool tried;             /* Something came between two retries: it was resolved. */
    bool delayed;           /* The connection was on its way, before it failed. */
    uint32_t bad_handshakes;
    struct gg_mono bad_since;
    bool handshake_failed; /* Of this connection. */

    zmq_msg_t frames[2]; /* The message lent out. */
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static int reconnect_ms(struct gg_transport *transport, int least)
{
    return least + (int)gg_rng_below(&transport->rng, (uint64_t)least / 2 + 1);
}

/* The options of a peer's DEALER; all before it connects, none later. */
static bool set_options(struct gg_transport *transport, void *socket)
{
    const struct {
        int option;
        int value;
    } options[] = {
        {ZMQ_IMMEDIATE, 1}, /* Nothing goes to a connection that is not there. */
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, 256},
        {ZMQ_RCVHWM, 1024},
        {ZMQ_RECONNECT_IVL, reconnect_ms(transport, 10)},
        {ZMQ_RECONNECT_IVL_MAX, 2000},
        {ZMQ_CONNECT_TIMEOUT, 5000},
        {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 15},
        {ZMQ_TCP_KEEPALIVE_INTVL, 5},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 30000},
        /* A name could mean ::1 first, where nothing listens: IPv6 only if said. */
        {ZMQ_IPV6, strchr(transport->endpoint, '[') != NULL},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!set_int(socket, options[i].option, options[i].value)) {
            return false;
        }
    }
    if (!transport->curve) {
        return true;
    }
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, transport->keys.server_key,
                          GG_KEY_TEXT_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, transport->keys.public_key,
                          GG_KEY_TEXT_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, transport->keys.secret_key,
                          GG_KEY_TEXT_BYTES) == 0;
}

static int fd_of(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

static int events_of(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

static bool watch(struct gg_transport *transport, void *socket)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = fd_of(socket);
    return fd >= 0 && epoll_ctl(transport->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_socket(struct gg_transport *transport, void **socket, int linger_ms)
{
    if (*socket == NULL) {
        return;
    }
    int fd = fd_of(*socket);
    if (fd >= 0) {
        (void)epoll_ctl(transport->epoll, EPOLL_CTL_DEL, fd, NULL);
    }
    (void)set_int(*socket, ZMQ_LINGER, linger_ms);
    (void)zmq_close(*socket);
    *socket = NULL;
}

static void close_sockets(struct gg_transport *transport, int linger_ms)
{
    if (transport->socket != NULL) {
        (void)zmq_socket_monitor(transport->socket, NULL, 0);
    }
    close_socket(transport, &transport->monitor, 0);
    close_socket(transport, &transport->socket, linger_ms);
}

/* The reader of the monitor never holds up libzmq's thread: it takes without limit. */
static bool open_monitor(struct gg_transport *transport)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://ganger-monitor-%u",
                   ++transport->serial);
    if (zmq_socket_monitor(transport->socket, name, EVENTS_MASK) != 0) {
        return false;
    }
    transport->monitor = zmq_socket(transport->context, ZMQ_PAIR);
    return transport->monitor != NULL && set_int(transport->monitor, ZMQ_RCVHWM, 0) &&
           set_int(transport->monitor, ZMQ_LINGER, 0) &&
           zmq_connect(transport->monitor, name) == 0 &&
           watch(transport, transport->monitor);
}

static enum gg_err make_socket(struct gg_transport *transport, struct gg_mono now)
{
    transport->socket = zmq_socket(transport->context, ZMQ_DEALER);
    if (transport->socket == NULL || !set_options(transport, transport->socket) ||
        !watch(transport, transport->socket) || !open_monitor(transport)) {
        return errno == ENOMEM ? GG_ERR_NO_MEMORY : GG_ERR_SYSTEM;
    }
    transport->stage = STAGE_CONNECTING;
    transport->since = now;
    transport->tried = false;
    transport->delayed = false;
    transport->handshake_failed = false;
    if (zmq_connect(transport->socket, transport->endpoint) != 0) {
        return errno == EINVAL ? GG_ERR_USAGE : GG_ERR_SYSTEM;
    }
    return GG_OK;
}

/* libzmq ends the process where the system refuses it a descriptor for a thread: so
 * many are there now. Others in this process may still be faster. */
static bool has_descriptors(int any)
{
    int spare[DESCRIPTORS];
    int count = 0;
    while (count < DESCRIPTORS &&
           (spare[count] = fcntl(any, F_DUPFD_CLOEXEC, 0)) >= 0) {
        count++;
    }
    int kept = errno;
    for (int i = 0; i < count; i++) {
        (void)close(spare[i]);
    }
    errno = kept;
    return count == DESCRIPTORS;
}

static enum gg_err open_sockets(struct gg_transport *transport, struct gg_mono now)
{
    transport->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (transport->epoll < 0 || !has_descriptors(transport->epoll)) {
        return GG_ERR_SYSTEM;
    }
    transport->context = zmq_ctx_new();
    return transport->context == NULL ? GG_ERR_SYSTEM : make_socket(transport, now);
}

enum gg_err gg_transport_open(const struct gg_transport_setup *setup,
                              struct gg_mono now, struct gg_transport **out)
{
    struct gg_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    (void)snprintf(transport->endpoint, sizeof transport->endpoint, "%s",
                   setup->endpoint);
    transport->curve = setup->keys != NULL;
    if (transport->curve) {
        transport->keys = *setup->keys;
    }
    transport->rng.state = setup->seed;
    (void)zmq_msg_init(&transport->frames[0]);
    (void)zmq_msg_init(&transport->frames[1]);
    enum gg_err err = open_sockets(transport, now);
    if (err != GG_OK) {
        int kept = errno;
        gg_transport_close(&transport, 0);
        errno = kept;
        return err;
    }
    *out = transport;
    return GG_OK;
}

void gg_transport_close(struct gg_transport **transport_p, int linger_ms)
{
    struct gg_transport *transport = *transport_p;
    *transport_p = NULL;
    if (transport == NULL) {
        return;
    }
    close_sockets(transport, linger_ms);
    (void)zmq_msg_close(&transport->frames[0]);
    (void)zmq_msg_close(&transport->frames[1]);
    if (transport->context != NULL) {
        while (zmq_ctx_term(transport->context) != 0 && errno == EINTR) {
        }
    }
    if (transport->epoll >= 0) {
        (void)close(transport->epoll);
    }
    free(transport);
}

int gg_transport_fd(const struct gg_transport *transport)
{
    return transport->epoll;
}

/* ---- news ---- */

void gg_transport_rebuild(struct gg_transport *transport, struct gg_mono now)
{
    close_sockets(transport, 0);
    uint32_t doublings = transport->failures < 6 ? transport->failures : 6;
    uint64_t wait_ms = (uint64_t)BACKOFF_MS_MIN << doublings;
    if (wait_ms > BACKOFF_MS_MAX) {
        wait_ms = BACKOFF_MS_MAX;
    }
    wait_ms = wait_ms / 2 + gg_rng_below(&transport->rng, wait_ms / 2 + 1);
    transport->failures++;
    transport->stage = STAGE_NONE;
    transport->next_at = gg_mono_add(now, wait_ms);
}

void gg_transport_settled(struct gg_transport *transport)
{
    transport->failures = 0;
    transport->bad_handshakes = 0;
}

static struct gg_transport_news fault(enum gg_err why, const char *text)
{
    return (struct gg_transport_news){GG_LINK_FAULT, why, text};
}

/* A handshake that failed for a reason that only shows after a few more. */
static bool on_bad_handshake(struct gg_transport *transport, struct gg_mono now,
                             struct gg_transport_news *out)
{
    transport->handshake_failed = true;
    if (transport->bad_handshakes++ == 0) {
        transport->bad_since = now;
    }
    uint64_t failing_ms = transport->curve ? FAILING_MS : FAILING_PLAIN_MS;
    if (transport->bad_handshakes < FAILING_COUNT ||
        !gg_mono_reached(gg_mono_add(transport->bad_since, failing_ms), now)) {
        return false;
    }
    *out = transport->curve
               ? fault(GG_ERR_KEY_REFUSED,
                       "it ends the handshake: its public key is not the one "
                       "expected, or it is not a Ganger broker")
               : fault(GG_ERR_NOT_GANGER,
                       "it ends the handshake: it is not a Ganger broker, or one that "
                       "takes only connections with a key");
    return true;
}

static bool on_refused_handshake(struct gg_transport *transport, struct gg_mono now,
                                 uint16_t event, uint32_t value,
                                 struct gg_transport_news *out)
{
    gg_transport_rebuild(transport, now);
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        *out = fault(GG_ERR_KEY_REFUSED, "the broker does not accept this key");
    } else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        *out = fault(GG_ERR_KEY_REFUSED,
                     transport->curve ? "the broker works without keys, and a key file "
                                        "is set"
                                      : "the broker takes only connections with a key, "
                                        "and no key file is set");
    } else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
        *out = fault(GG_ERR_KEY_REFUSED,
                     "the broker's public key is not the one expected");
    } else {
        *out = fault(GG_ERR_NOT_GANGER, "it does not speak ZeroMQ's protocol");
    }
    return true;
}

static bool on_disconnected(struct gg_transport *transport, struct gg_mono now,
                            struct gg_transport_news *out)
{
    enum stage before = transport->stage;
    bool failed = transport->handshake_failed;
    transport->stage = STAGE_CONNECTING;
    transport->since = now;
    transport->tried = true;
    transport->handshake_failed = false;
    if (before == STAGE_UP) {
        *out = (struct gg_transport_news){GG_LINK_DOWN, GG_ERR_NO_BROKER,
                                          "the connection was lost"};
        return true;
    }
    if (failed) {
        return false; /* Told already; libzmq tries again. */
    }
    gg_transport_rebuild(transport, now);
    *out = fault(GG_ERR_NOT_GANGER, "it does not speak ZeroMQ's protocol");
    return true;
}

/* An attempt to connect has failed; the event does not say why. */
static struct gg_transport_news on_closed(struct gg_transport *transport,
                                          struct gg_mono began, struct gg_mono now)
{
    bool delayed = transport->delayed;
    transport->tried = true;
    transport->delayed = false;
    transport->stage = STAGE_CONNECTING;
    if (delayed && gg_mono_reached(gg_mono_add(began, REFUSED_MS_MAX), now)) {
        return fault(GG_ERR_NO_BROKER, "the host does not answer");
    }
    if (!delayed && strncmp(transport->endpoint, "tcp:", 4) == 0) {
        return fault(GG_ERR_NO_BROKER, "there is no way to that host from here");
    }
    return fault(GG_ERR_CONNECTION_REFUSED,
                 "connection refused, nothing listens there");
}

static bool on_retried(struct gg_transport *transport, struct gg_transport_news *out)
{
    bool tried = transport->tried;
    transport->tried = false;
    if (!tried) {
        *out = fault(GG_ERR_NO_HOST, "the host name cannot be resolved");
    }
    return !tried;
}

/* One event of the monitor; false when it is no news. A flat switch over the events. */
static bool on_event(struct gg_transport *transport, struct gg_mono now, uint16_t event,
                     uint32_t value, struct gg_transport_news *out)
{
    struct gg_mono before = transport->since;
    transport->since = now;
    switch (event) {
    case ZMQ_EVENT_CONNECT_DELAYED:
        transport->tried = true;
        transport->delayed = true;
        return false;
    case ZMQ_EVENT_CONNECTED:
        transport->tried = true;
        transport->delayed = false;
        transport->handshake_failed = false;
        transport->stage = STAGE_CONNECTED;
        return false;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        transport->stage = STAGE_UP;
        transport->bad_handshakes = 0;
        *out = (struct gg_transport_news){GG_LINK_UP, GG_OK, ""};
        return true;
    case ZMQ_EVENT_CLOSED:
        *out = on_closed(transport, before, now);
        return true;
    case ZMQ_EVENT_CONNECT_RETRIED:
        return on_retried(transport, out);
    case ZMQ_EVENT_DISCONNECTED:
        return on_disconnected(transport, now, out);
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return on_bad_handshake(transport, now, out);
    default:
        return on_refused_handshake(transport, now, event, value, out);
    }
}

/* The next event of the monitor: a frame of event and value, and one of the address. */
static bool read_event(struct gg_transport *transport, uint16_t *out_event,
                       uint32_t *out_value)
{
    uint8_t head[6];
    char address[GG_ENDPOINT_BYTES];
    if (transport->monitor == NULL || zmq_recv(transport->monitor, head, sizeof head,
                                               ZMQ_DONTWAIT) != (int)sizeof head) {
        return false;
    }
    memcpy(out_event, head, sizeof *out_event);
    memcpy(out_value, head + 2, sizeof *out_value);
    (void)zmq_recv(transport->monitor, address, sizeof address, ZMQ_DONTWAIT);
    return true;
}

static bool stage_over(struct gg_transport *transport, struct gg_mono now)
{
    struct gg_mono at;
    return gg_transport_wake(transport, &at) && gg_mono_reached(at, now);
}

bool gg_transport_news(struct gg_transport *transport, struct gg_mono now,
                       struct gg_transport_news *out)
{
    uint16_t event = 0;
    uint32_t value = 0;
    while (read_event(transport, &event, &value)) {
        if (on_event(transport, now, event, value, out)) {
            return true;
        }
    }
    if (!stage_over(transport, now)) {
        return false;
    }
    if (transport->stage == STAGE_CONNECTED) {
        gg_transport_rebuild(transport, now);
        *out = fault(GG_ERR_NOT_GANGER,
                     "it accepts the connection and then says nothing: it is not a "
                     "Ganger broker, or it hangs");
        return true;
    }
    if (transport->stage == STAGE_CONNECTING) {
        gg_transport_rebuild(transport, now);
        return false;
    }
    if (make_socket(transport, now) != GG_OK) {
        gg_transport_rebuild(transport, now);
        *out = fault(GG_ERR_SYSTEM, "the system refuses another socket");
        return true;
    }
    return false;
}

bool gg_transport_wake(const struct gg_transport *transport, struct gg_mono *out_at)
{
    switch (transport->stage) {
    case STAGE_NONE:
        *out_at = transport->next_at;
        return true;
    case STAGE_CONNECTING:
        *out_at = gg_mono_add(transport->since, STUCK_MS);
        return true;
    case STAGE_CONNECTED:
        *out_at = gg_mono_add(transport->since, HANDSHAKE_MS);
        return true;
    case STAGE_UP:
        break;
    }
    return false;
}

/* ---- messages ---- */

bool gg_transport_send(struct gg_transport *transport, struct gg_slice frame,
                       struct gg_blob *attachment)
{
    if (transport->socket == NULL) {
        return false;
    }
    bool two = attachment != NULL;
    int flags = ZMQ_DONTWAIT | (two ? ZMQ_SNDMORE : 0);
    int rc = 0;
    do {
        rc = zmq_send(transport->socket, frame.data, frame.len, flags);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        return false;
    }
    /* Once the first frame is taken, so are the others of its message. */
    return !two || gg_frame_send(transport->socket, attachment, 0);
}

static bool receive_frame(struct gg_transport *transport, int i)
{
    int rc = 0;
    do {
        rc = zmq_msg_recv(&transport->frames[i], transport->socket, ZMQ_DONTWAIT);
    } while (rc < 0 && errno == EINTR);
    return rc >= 0;
}

static struct gg_slice slice_of(zmq_msg_t *frame)
{
    return gg_slice_of(zmq_msg_data(frame), zmq_msg_size(frame));
}

bool gg_transport_receive(struct gg_transport *transport, struct gg_slice *out_frame,
                          struct gg_slice *out_attachment)
{
    for (;;) {
        if (transport->socket == NULL || !receive_frame(transport, 0)) {
            return false;
        }
        bool two = zmq_msg_more(&transport->frames[0]) != 0;
        if (two && !receive_frame(transport, 1)) {
            return false;
        }
        bool dropped = false;
        while (two && zmq_msg_more(&transport->frames[1]) != 0) {
            dropped = true;
            if (!receive_frame(transport, 1)) {
                return false;
            }
        }
        if (!dropped) {
            *out_frame = slice_of(&transport->frames[0]);
            *out_attachment = two ? slice_of(&transport->frames[1])
                                  : (struct gg_slice){0};
            return true;
        }
    }
}

void gg_transport_ready(struct gg_transport *transport, bool *out_input,
                        bool *out_output)
{
    int events = transport->socket == NULL ? 0 : events_of(transport->socket);
    int news = transport->monitor == NULL ? 0 : events_of(transport->monitor);
    *out_input = ((events | news) & ZMQ_POLLIN) != 0;
    *out_output = (events & ZMQ_POLLOUT) != 0;
}
