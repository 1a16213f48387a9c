/* heartbeats.c - an idle fleet, and the least that its heartbeats can cost.
 *
 *   heartbeats relay BYTES           a ROUTER on a port that the kernel chooses: prints
 *                                    its endpoint, answers each message with as many
 *                                    bytes of it
 *   heartbeats fleet ENDPOINT N MS   N agents without work: each says hello, then sends
 *                                    an agent's heartbeat every MS, evenly spread, and
 *                                    acknowledges what has come
 *
 * Both go on until their standard input ends. The fleet takes a broker and a relay
 * alike: the same connections, the same bytes at the same moments. Answers it counts
 * and does not look at; it prints "ready" once every hello has its answer, and at the
 * end what went to and fro. The relay takes each heartbeat and sends a message of the
 * size of the broker's answer back; it keeps no session, reads nothing, knows no
 * time: what a broker costs beyond that is what being a broker costs.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/codec.h"

enum {
    PEERS_MAX = 4096,
    ENDPOINT_BYTES = 64,
    WRITE_BYTES_MAX = 4096,
    PATIENCE_MS = 10000,
};

_Noreturn static void stop(const char *what)
{
    (void)fprintf(stderr, "heartbeats: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

/* ---- the relay ---- */

/* Answer the message whose first frame is `route`. */
static void answer(void *router, zmq_msg_t *route, size_t bytes)
{
    zmq_msg_t in;
    zmq_msg_t out;
    (void)zmq_msg_init(&in);
    if (!zmq_msg_more(route) || zmq_msg_recv(&in, router, 0) < 0) {
        stop("receive");
    }
    size_t len = zmq_msg_size(&in) < bytes ? zmq_msg_size(&in) : bytes;
    if (zmq_msg_init_size(&out, len) != 0) {
        stop("memory");
    }
    if (len > 0) {
        memcpy(zmq_msg_data(&out), zmq_msg_data(&in), len);
    }
    (void)zmq_msg_close(&in);
    if (zmq_msg_send(route, router, ZMQ_SNDMORE) < 0 ||
        zmq_msg_send(&out, router, 0) < 0) {
        stop("answer");
    }
}

static void relay(void *context, size_t bytes)
{
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    void *router = zmq_socket(context, ZMQ_ROUTER);
    int backlog = PEERS_MAX; /* They come all at once. */
    if (router == NULL ||
        zmq_setsockopt(router, ZMQ_BACKLOG, &backlog, sizeof backlog) != 0 ||
        zmq_bind(router, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &len) != 0) {
        stop("bind");
    }
    (void)puts(endpoint);
    (void)fflush(stdout);
    zmq_pollitem_t items[2] = {{.socket = router, .events = ZMQ_POLLIN},
                               {.fd = STDIN_FILENO, .events = ZMQ_POLLIN}};
    while (zmq_poll(items, 2, -1) >= 0 && items[1].revents == 0) {
        for (;;) {
            zmq_msg_t route;
            (void)zmq_msg_init(&route);
            if (zmq_msg_recv(&route, router, ZMQ_DONTWAIT) < 0) {
                break;
            }
            answer(router, &route, bytes);
        }
    }
    (void)zmq_close(router);
}

/* ---- the fleet ---- */

struct peer {
    void *socket;
    uint64_t sent;
    uint64_t heard;
};

struct fleet {
    struct peer peers[PEERS_MAX];
    int count;
    uint64_t beats;
    uint64_t answers;
    size_t beat_bytes;
    size_t answer_bytes;
    struct gg_buf frame;
};

/* What an agent of one pool with 64 slots says; with its queues in a hello only. */
static struct gg_list pools(struct gg_buf *scratch, bool with_queues)
{
    struct gg_pool_info info;
    gg_record_default(GG_RECORD_POOL, &info);
    gg_buf_clear(scratch);
    info.pool = 1;
    info.slots = 64;
    if (with_queues) {
        gg_text_write(scratch, gg_slice_text("*"));
        info.queues = (struct gg_list){.raw = gg_buf_slice(scratch), .count = 1};
    }
    size_t start = scratch->len;
    if (gg_buf_reserve(scratch, WRITE_BYTES_MAX)) { /* `info` lends from it. */
        info.queues.raw.data = scratch->data;
        gg_record_write(scratch, GG_RECORD_POOL, &info, NULL);
    }
    return (struct gg_list){
        .raw = gg_slice_of(scratch->data + start, scratch->len - start), .count = 1};
}

static void write_hello(struct gg_buf *out, struct gg_buf *scratch, int number)
{
    struct gg_hello hello;
    char name[32];
    gg_record_default(GG_RECORD_HELLO, &hello);
    (void)snprintf(name, sizeof name, "idle-%d-%d", (int)getpid(), number);
    hello.version_min = GG_PROTOCOL_VERSION;
    hello.version_max = GG_PROTOCOL_VERSION;
    hello.kind = GG_PEER_AGENT;
    hello.name = gg_slice_text(name);
    hello.incarnation = 1;
    hello.pid = (uint64_t)getpid();
    hello.pools = pools(scratch, true);
    gg_command_write(out, GG_CMD_HELLO, 0, &hello, NULL);
}

static void write_beat(struct gg_buf *out, struct gg_buf *scratch)
{
    struct gg_heartbeat beat;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    beat.pools = pools(scratch, false);
    gg_command_write(out, GG_CMD_HEARTBEAT, 0, &beat, NULL);
}

/* The first message of a peer is its hello, every other one a heartbeat. */
static void say(struct fleet *fleet, int number)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    struct peer *peer = &fleet->peers[number];
    struct gg_buf scratch;
    gg_buf_init(&scratch, 2 * WRITE_BYTES_MAX);
    gg_buf_clear(&fleet->frame);
    gg_buf_append(&fleet->frame, prefix, sizeof prefix);
    bool hello = peer->sent == 0;
    if (hello) {
        write_hello(&fleet->frame, &scratch, number);
    } else {
        write_beat(&fleet->frame, &scratch);
        fleet->beats++;
        fleet->beat_bytes = fleet->frame.len;
    }
    const struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = hello ? GG_MESSAGE_HELLO : GG_MESSAGE_COMMANDS,
        .session = (uint64_t)getpid() << 32 | (uint64_t)(number + 1),
        .sequence = ++peer->sent,
        .acked = peer->heard,
    };
    gg_prefix_write(&header, 1, fleet->frame.data);
    if (fleet->frame.failed || scratch.failed ||
        zmq_send(peer->socket, fleet->frame.data, fleet->frame.len, 0) < 0) {
        stop("send");
    }
    gg_buf_fini(&scratch);
}

/* Take what has come; `patiently`: all that is still to come. Each message of a peer
 * has one answer. */
static void listen_to(struct fleet *fleet, int number, bool patiently)
{
    struct peer *peer = &fleet->peers[number];
    uint8_t in[WRITE_BYTES_MAX];
    int flags = patiently ? 0 : ZMQ_DONTWAIT;
    while (peer->heard < peer->sent) {
        int len = zmq_recv(peer->socket, in, sizeof in, flags);
        if (len < 0 && patiently) {
            stop("no answer");
        }
        if (len < 0) {
            return;
        }
        if (++peer->heard > 1) {
            fleet->answers++;
            fleet->answer_bytes = (size_t)len;
        }
    }
}

static void muster(struct fleet *fleet, void *context, const char *endpoint)
{
    int patience_ms = PATIENCE_MS;
    for (int i = 0; i < fleet->count; i++) {
        void *socket = zmq_socket(context, ZMQ_DEALER);
        if (socket == NULL ||
            zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms) !=
                0 ||
            zmq_connect(socket, endpoint) != 0) {
            stop("connect");
        }
        fleet->peers[i].socket = socket;
        say(fleet, i);
    }
    for (int i = 0; i < fleet->count; i++) {
        listen_to(fleet, i, true);
    }
    (void)puts("ready");
    (void)fflush(stdout);
}

static void beat(struct fleet *fleet, int64_t every_ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t start = gg_mono_now().ms;
    for (int64_t turn = 0; input.revents == 0; turn++) {
        int number = (int)(turn % fleet->count);
        listen_to(fleet, number, false);
        say(fleet, number);
        int64_t wait = start + (turn + 1) * every_ms / fleet->count - gg_mono_now().ms;
        (void)poll(&input, 1, wait > 0 ? (int)wait : 0);
    }
}

static void be_fleet(void *context, const char *endpoint, int count, int64_t every_ms)
{
    static struct fleet fleet;
    fleet.count = count;
    gg_buf_init(&fleet.frame, WRITE_BYTES_MAX);
    muster(&fleet, context, endpoint);
    beat(&fleet, every_ms);
    for (int i = 0; i < count; i++) {
        listen_to(&fleet, i, true);
        (void)zmq_close(fleet.peers[i].socket);
    }
    gg_buf_fini(&fleet.frame);
    (void)printf("beats=%" PRIu64 " answers=%" PRIu64
                 " beat_bytes=%zu answer_bytes=%zu\n",
                 fleet.beats, fleet.answers, fleet.beat_bytes, fleet.answer_bytes);
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    (void)zmq_ctx_set(context, ZMQ_MAX_SOCKETS, PEERS_MAX + 16);
    (void)zmq_ctx_set(context, ZMQ_BLOCKY, 0);
    int count = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;
    int64_t every_ms = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
    if (argc == 3 && strcmp(argv[1], "relay") == 0) {
        relay(context, strtoul(argv[2], NULL, 10));
    } else if (argc == 5 && strcmp(argv[1], "fleet") == 0 && count > 0 &&
               count <= PEERS_MAX && every_ms > 0) {
        be_fleet(context, argv[2], count, every_ms);
    } else {
        (void)fprintf(stderr, "usage: heartbeats relay BYTES | fleet ENDPOINT N MS\n");
        return 64;
    }
    (void)zmq_ctx_term(context);
    return 0;
}
