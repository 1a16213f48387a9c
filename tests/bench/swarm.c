/* swarm.c - many peers in one process: idle clients, or agents that do nothing.
 *
 *   swarm idle ENDPOINT N      N clients that have said hello and then say nothing
 *   swarm agents ENDPOINT N    N agents, each SLOTS wide, that serve every queue and
 *                              give each job its payload back
 *
 * Prints "ready" once all sessions are open, and ends when its standard input does. The
 * agents are the product's own (worker/agent.c); their sockets share one context.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/codec.h"
#include "common/frame.h"
#include "worker/agent.h"

enum {
    PEERS_MAX = 20000,
    SLOTS = 64,
    IN_DOUBT = 100, /* Connections that are being made at once. */
    WELCOME_MS = 10000,
    TURN_MS = 100,
    DRAIN = 64,
};

_Noreturn static void stop(const char *what)
{
    (void)fprintf(stderr, "swarm: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void *connected(void *context, const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int none = 0;
    if (socket == NULL || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) != 0 ||
        zmq_connect(socket, endpoint) != 0) {
        stop("connect");
    }
    return socket;
}

static bool is_over(void)
{
    struct pollfd item = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&item, 1, 0) > 0;
}

/* ---- idle clients ---- */

static void greet(void *socket, uint64_t session)
{
    struct gg_buf frame;
    struct gg_hello hello;
    static const uint8_t prefix[GG_PREFIX_BYTES];
    const struct gg_header header = {.version = GG_PROTOCOL_VERSION,
                                     .type = GG_MESSAGE_HELLO,
                                     .session = session,
                                     .sequence = 1};
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.version_min = GG_PROTOCOL_VERSION;
    hello.version_max = GG_PROTOCOL_VERSION;
    hello.kind = GG_PEER_CLIENT;
    hello.name = gg_slice_text("idle");
    gg_buf_init(&frame, 4096);
    gg_buf_append(&frame, prefix, sizeof prefix);
    gg_command_write(&frame, GG_CMD_HELLO, 0, &hello, NULL);
    gg_prefix_write(&header, 1, frame.data);
    if (frame.failed || zmq_send(socket, frame.data, frame.len, 0) < 0) {
        stop("hello");
    }
    gg_buf_fini(&frame);
}

static void await_welcome(void *socket)
{
    uint8_t head[GG_HEADER_BYTES];
    int patience_ms = WELCOME_MS;
    struct gg_header header;
    (void)zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    if (zmq_recv(socket, head, sizeof head, 0) < (int)sizeof head ||
        gg_header_read(gg_slice_of(head, sizeof head), &header) != GG_OK ||
        header.type != GG_MESSAGE_WELCOME) {
        stop("no welcome");
    }
}

static void be_idle(void *context, const char *endpoint, void **sockets, uint32_t count)
{
    for (uint32_t at = 0; at < count; at += IN_DOUBT) {
        uint32_t end = at + IN_DOUBT < count ? at + IN_DOUBT : count;
        for (uint32_t i = at; i < end; i++) {
            sockets[i] = connected(context, endpoint);
            greet(sockets[i], i + 1);
        }
        for (uint32_t i = at; i < end; i++) {
            await_welcome(sockets[i]);
        }
    }
    (void)puts("ready");
    (void)fflush(stdout);
    while (!is_over()) {
        (void)poll(NULL, 0, TURN_MS);
    }
}

/* ---- agents ---- */

struct member {
    struct gg_worker *agent;
    void *socket;
    char name[32];
};

static void write_out(struct member *member)
{
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    while (gg_worker_front(member->agent, &frame, &attachment)) {
        int flags = ZMQ_DONTWAIT | (attachment != NULL ? ZMQ_SNDMORE : 0);
        if (zmq_send(member->socket, frame.data, frame.len, flags) < 0 ||
            (attachment != NULL && !gg_frame_send(member->socket, attachment, 0))) {
            return;
        }
        gg_worker_sent(member->agent);
    }
}

static void read_in(struct member *member)
{
    zmq_msg_t frame;
    zmq_msg_t second;
    (void)zmq_msg_init(&frame);
    (void)zmq_msg_init(&second);
    for (int i = 0;
         i < DRAIN && zmq_msg_recv(&frame, member->socket, ZMQ_DONTWAIT) >= 0; i++) {
        struct gg_slice attachment = {0};
        if (zmq_msg_more(&frame) && zmq_msg_recv(&second, member->socket, 0) >= 0) {
            attachment = gg_slice_of(zmq_msg_data(&second), zmq_msg_size(&second));
        }
        (void)gg_worker_receive(member->agent, gg_mono_now(),
                                gg_slice_of(zmq_msg_data(&frame), zmq_msg_size(&frame)),
                                attachment, NULL);
        write_out(member);
    }
    (void)zmq_msg_close(&frame);
    (void)zmq_msg_close(&second);
}

static void join(struct member *member, void *context, const char *endpoint, uint32_t i)
{
    static const char *const queues[] = {"*"};
    const struct gg_worker_pool pool = {
        .slots = SLOTS, .queues = queues, .queue_count = 1, .echo = true};
    int len = snprintf(member->name, sizeof member->name, "swarm-%d-%u", (int)getpid(),
                       i);
    const struct gg_worker_config config = {
        .name = gg_slice_of(member->name, (size_t)len),
        .pid = (uint64_t)getpid(),
        .incarnation = i + 1,
        .seed = i + 1,
        .pools = &pool,
        .pool_count = 1};
    if (gg_worker_new(&config, &member->agent) != GG_OK) {
        stop("agent");
    }
    member->socket = connected(context, endpoint);
    gg_worker_hello(member->agent, gg_now(), (uint64_t)getpid() << 32 | (i + 1));
}

static void serve(void *context, const char *endpoint, struct member *members,
                  uint32_t count)
{
    zmq_pollitem_t *items = calloc(count, sizeof *items);
    bool told = false;
    if (items == NULL) {
        stop("memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        join(&members[i], context, endpoint, i);
        items[i] = (zmq_pollitem_t){.socket = members[i].socket, .events = ZMQ_POLLIN};
    }
    while (!is_over()) {
        uint32_t up = 0;
        (void)zmq_poll(items, (int)count, TURN_MS);
        struct gg_mono now = gg_mono_now();
        for (uint32_t i = 0; i < count; i++) {
            read_in(&members[i]);
            gg_worker_tick(members[i].agent, now);
            write_out(&members[i]);
            up += members[i].agent->state == GG_WORKER_UP;
        }
        if (up == count && !told) {
            told = true;
            (void)puts("ready");
            (void)fflush(stdout);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        gg_worker_destroy(&members[i].agent);
        (void)zmq_close(members[i].socket);
    }
    free(items);
}

int main(int argc, char **argv)
{
    bool idle = argc == 4 && strcmp(argv[1], "idle") == 0;
    bool agents = argc == 4 && strcmp(argv[1], "agents") == 0;
    unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if ((!idle && !agents) || count == 0 || count > PEERS_MAX) {
        (void)fprintf(stderr, "usage: swarm idle|agents ENDPOINT N\n");
        return 64;
    }
    void *context = zmq_ctx_new();
    if (context == NULL || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, PEERS_MAX * 2) != 0) {
        stop("context");
    }
    if (idle) {
        void **sockets = calloc(count, sizeof *sockets);
        if (sockets == NULL) {
            stop("memory");
        }
        be_idle(context, argv[2], sockets, (uint32_t)count);
        _exit(0); /* Thousands of orderly good-byes would take their time. */
    }
    struct member *members = calloc(count, sizeof *members);
    if (members == NULL) {
        stop("memory");
    }
    serve(context, argv[2], members, (uint32_t)count);
    free(members);
    (void)zmq_ctx_term(context);
    return 0;
}
