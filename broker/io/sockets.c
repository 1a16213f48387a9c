#include "broker/io/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "common/clock.h"
#include "common/frame.h"

enum {
    OPTION_ZERO_COPY_RECV = 10,     /* Context; hidden in this libzmq's header. */
    OPTION_ZAP_ENFORCE_DOMAIN = 93, /* Likewise. */
    SOCKETS_MAX = 64,
    AGENT_SNDHWM =
        256, /* A message is a batch: what one peer can pin is this times it. */
    CLIENT_SNDHWM = 64,
    AGENT_RCVHWM = 512,
    CLIENT_RCVHWM = 128,
    CLIENT_SNDBUF = 65536,
};

void *gg_context_new(void)
{
    unsigned seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (long)sizeof seed) {
        seed = (unsigned)gg_mono_us();
    }
    srand(seed); /* libzmq numbers routing ids from rand() and never seeds it. */
    void *context = zmq_ctx_new();
    if (context == NULL) {
        return NULL;
    }
    bool ready = zmq_ctx_set(context, ZMQ_IO_THREADS, 2) == 0 &&
                 zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) == 0 &&
                 zmq_ctx_set(context, ZMQ_BLOCKY, 0) == 0 &&
                 zmq_ctx_set(context, OPTION_ZERO_COPY_RECV, 0) == 0;
    if (!ready) {
        (void)zmq_ctx_term(context);
        return NULL;
    }
    return context;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_text(void *socket, int option, const char *value)
{
    return zmq_setsockopt(socket, option, value, strlen(value)) == 0;
}

static bool set_options(void *socket, const struct gg_router_config *config)
{
    bool agent = config->endpoint == GG_ENDPOINT_AGENT;
    int64_t frame_bytes_max = (int64_t)config->frame_bytes_max;
    uint64_t affinity = agent ? 2 : 1; /* A storm of clients never delays agents. */
    return set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(socket, ZMQ_ROUTER_HANDOVER, 0) &&
           set_int(socket, ZMQ_SNDHWM, agent ? AGENT_SNDHWM : CLIENT_SNDHWM) &&
           set_int(socket, ZMQ_RCVHWM, agent ? AGENT_RCVHWM : CLIENT_RCVHWM) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max,
                          sizeof frame_bytes_max) == 0 &&
           zmq_setsockopt(socket, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0 &&
           set_int(socket, ZMQ_SNDTIMEO, 0) && set_int(socket, ZMQ_RCVTIMEO, 0) &&
           set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_HEARTBEAT_IVL, 0) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 15) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 5) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3) &&
           set_int(socket, ZMQ_TCP_MAXRT, 30000) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, 5000) &&
           set_int(socket, ZMQ_BACKLOG, 4096) &&
           (agent || set_int(socket, ZMQ_SNDBUF, CLIENT_SNDBUF)) &&
           set_text(socket, ZMQ_ZAP_DOMAIN, config->domain) &&
           set_int(socket, OPTION_ZAP_ENFORCE_DOMAIN, 1);
}

static bool set_keys(void *socket, const char *secret)
{
    return secret == NULL || (set_int(socket, ZMQ_CURVE_SERVER, 1) &&
                              set_text(socket, ZMQ_CURVE_SECRETKEY, secret));
}

/* The monitor's sender blocks libzmq's I/O thread when its reader is full: no limit. */
static void *open_monitor(void *context, void *socket, enum gg_endpoint endpoint)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://ganger.monitor.%d", (int)endpoint);
    if (zmq_socket_monitor(socket, name, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) !=
        0) {
        return NULL;
    }
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    if (monitor == NULL) {
        return NULL;
    }
    if (!set_int(monitor, ZMQ_RCVHWM, 0) || !set_int(monitor, ZMQ_LINGER, 0) ||
        zmq_connect(monitor, name) != 0) {
        (void)zmq_close(monitor);
        return NULL;
    }
    return monitor;
}

static bool get_fd(void *socket, int *out_fd)
{
    size_t size = sizeof *out_fd;
    return zmq_getsockopt(socket, ZMQ_FD, out_fd, &size) == 0;
}

enum gg_err gg_router_open(void *context, const struct gg_router_config *config,
                           struct gg_router *out_router,
                           struct gg_fault_text *out_fault)
{
    struct gg_router router = {.socket = zmq_socket(context, ZMQ_ROUTER),
                               .touched = true};
    if (router.socket == NULL || !set_options(router.socket, config) ||
        !set_keys(router.socket, config->secret)) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "libzmq refuses a socket option: %s", zmq_strerror(errno));
        gg_router_close(&router, 0);
        return GG_ERR_SYSTEM;
    }
    router.monitor = open_monitor(context, router.socket, config->endpoint);
    if (router.monitor == NULL || !get_fd(router.socket, &router.fd) ||
        !get_fd(router.monitor, &router.monitor_fd)) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "libzmq refuses a socket monitor: %s", zmq_strerror(errno));
        gg_router_close(&router, 0);
        return GG_ERR_SYSTEM;
    }
    *out_router = router;
    return GG_OK;
}

static enum gg_err config_fault(struct gg_fault_text *out, const char *address,
                                const char *why)
{
    (void)snprintf(out->text, sizeof out->text, "%.200s: %.250s", address, why);
    return GG_ERR_CONFIG;
}

/* A second process that binds an ipc path would steal it without a word: lock it. */
static enum gg_err lock_path(struct gg_router *router, const char *address,
                             const char *path, struct gg_fault_text *out_fault)
{
    char folder[GG_ADDRESS_BYTES];
    char lock[GG_ADDRESS_BYTES + 8];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (path[0] != '/' || slash == NULL) {
        return config_fault(out_fault, address, "give the full path of the socket");
    }
    *slash = '\0';
    struct stat st;
    if (stat(slash == folder ? "/" : folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return config_fault(out_fault, address,
                            "its folder does not exist; make it "
                            "with mode 0700");
    }
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        return config_fault(out_fault, address,
                            "its folder must be ours alone; chmod "
                            "0700 it, or take another");
    }
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return config_fault(out_fault, address, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return config_fault(out_fault, address, "another gangerd listens there");
    }
    router->locks[router->lock_count++] = fd;
    return GG_OK;
}

static enum gg_err bind_fault(struct gg_fault_text *out, const char *address, int error)
{
    const char *why = zmq_strerror(error);
    if (error == EADDRINUSE) {
        why = "the address is in use; stop the program that listens there, or give "
              "another with --listen and --agent-listen";
    } else if (error == EACCES) {
        why = "not permitted; take a port above 1023";
    } else if (error == ENODEV || error == EADDRNOTAVAIL) {
        why = "this machine has no such address";
    } else if (error == EINVAL) {
        why = "not an address; write it like tcp://127.0.0.1:7440";
    }
    return config_fault(out, address, why);
}

enum gg_err gg_router_bind(struct gg_router *router, const char *address, int fd,
                           struct gg_fault_text *out_fault)
{
    if (!gg_address_valid(address) || router->lock_count == GG_ADDRESSES_MAX) {
        return bind_fault(out_fault, address, EINVAL);
    }
    const char *path = gg_address_path(address);
    if (path != NULL) {
        enum gg_err err = lock_path(router, address, path, out_fault);
        if (err != GG_OK) {
            return err;
        }
    }
    char plain[GG_ADDRESS_BYTES];
    const char *port = strrchr(address, ':');
    bool by_name = strncmp(address, "tcp://localhost:", 16) == 0;
    (void)snprintf(plain, sizeof plain, "%s%s", by_name ? "tcp://127.0.0.1" : address,
                   by_name ? port : "");
    if (fd >= 0 && !set_int(router->socket, ZMQ_USE_FD, fd)) {
        return bind_fault(out_fault, address, errno);
    }
    /* Only where it is asked for: with it IPv4 addresses are told as [::ffff:…]. */
    (void)set_int(router->socket, ZMQ_IPV6, strchr(plain, '[') != NULL);
    mode_t mask = umask(0077);
    int rc = zmq_bind(router->socket, plain);
    int error = errno;
    (void)umask(mask);
    if (fd >= 0) {
        (void)set_int(router->socket, ZMQ_USE_FD, -1);
    }
    if (rc != 0) {
        return bind_fault(out_fault, address, error);
    }
    size_t size = sizeof router->address;
    if (router->address[0] == '\0' && zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT,
                                                     router->address, &size) != 0) {
        return bind_fault(out_fault, address, errno);
    }
    return GG_OK;
}

void gg_router_close(struct gg_router *router, int linger_ms)
{
    if (router->socket != NULL) {
        (void)zmq_socket_monitor(router->socket, NULL, 0);
        (void)set_int(router->socket, ZMQ_LINGER, linger_ms);
        (void)zmq_close(router->socket);
    }
    if (router->monitor != NULL) {
        (void)zmq_close(router->monitor);
    }
    for (int i = 0; i < router->lock_count; i++) {
        (void)close(router->locks[i]);
    }
    *router = (struct gg_router){0};
}

bool gg_router_pending(struct gg_router *router)
{
    int events = 0;
    size_t size = sizeof events;
    router->touched = zmq_getsockopt(router->socket, ZMQ_EVENTS, &events, &size) != 0 ||
                      (events & ZMQ_POLLIN) != 0;
    return router->touched;
}

/* An event is two frames: number and value, then the address, which is not needed. */
bool gg_router_event(struct gg_router *router, struct gg_socket_event *out_event)
{
    uint8_t head[6];
    char address[GG_ADDRESS_BYTES];
    for (;;) {
        int len = zmq_recv(router->monitor, head, sizeof head, ZMQ_DONTWAIT);
        if (len < 0) {
            return false;
        }
        (void)zmq_recv(router->monitor, address, sizeof address, ZMQ_DONTWAIT);
        uint16_t number = 0;
        int32_t value = 0;
        memcpy(&number, head, sizeof number);
        memcpy(&value, head + sizeof number, sizeof value);
        if (len == sizeof head &&
            (number == ZMQ_EVENT_ACCEPTED || number == ZMQ_EVENT_DISCONNECTED)) {
            *out_event = (struct gg_socket_event){
                .accepted = number == ZMQ_EVENT_ACCEPTED,
                .fd = value,
            };
            return true;
        }
    }
}

static bool send_copy(void *socket, struct gg_slice bytes, int flags)
{
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, bytes.len) != 0) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(zmq_msg_data(&message), bytes.data, bytes.len);
    }
    if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT | flags) < 0) {
        (void)zmq_msg_close(&message);
        return false;
    }
    return true;
}

/* Only the routing-id frame is held against the peer's limit; once it is taken the rest
 * of the message goes through, so that only memory can fail there. */
enum gg_sent gg_router_send(struct gg_router *router, const struct gg_route *route,
                            struct gg_slice frame, struct gg_blob *attachment)
{
    void *socket = router->socket;
    router->touched = true;
    if (zmq_send(socket, route->id, route->len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        return errno == EAGAIN || errno == EINTR ? GG_SENT_STUCK : GG_SENT_GONE;
    }
    bool whole = attachment == NULL;
    if (!send_copy(socket, frame, whole ? 0 : ZMQ_SNDMORE)) {
        (void)zmq_send(socket, "", 0, ZMQ_DONTWAIT); /* Never leave a message open. */
        return GG_SENT_GONE;
    }
    if (!whole && !gg_frame_send(socket, attachment, 0)) {
        (void)zmq_send(socket, "", 0, ZMQ_DONTWAIT);
        return GG_SENT_GONE;
    }
    return GG_SENT;
}
