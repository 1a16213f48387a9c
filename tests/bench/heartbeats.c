/* heartbeats.c - what an idle fleet costs at the least: a bare relay of heartbeats.
 *
 *   heartbeats relay                       a ROUTER on a port that the kernel chooses;
 *                                          prints its endpoint, sends back what comes
 *   heartbeats peers ENDPOINT N MS BYTES   N DEALERs that each send BYTES every MS,
 *                                          evenly spread, and read what comes back
 *
 * Both go on until their standard input ends. The relay does what every broker has to:
 * take each heartbeat, and answer it.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"

enum { PEERS_MAX = 4096, BYTES_MAX = 4096, ENDPOINT_BYTES = 64 };

_Noreturn static void stop(const char *what)
{
    (void)fprintf(stderr, "heartbeats: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

/* Send one message of the ROUTER back where it came from. */
static void answer(void *router, zmq_msg_t *first)
{
    zmq_msg_t part;
    bool more = zmq_msg_more(first) != 0;
    if (zmq_msg_send(first, router, more ? ZMQ_SNDMORE : 0) < 0) {
        (void)zmq_msg_close(first); /* The peer has gone. */
    }
    while (more) {
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, router, 0) < 0) {
            stop("receive");
        }
        more = zmq_msg_more(&part) != 0;
        if (zmq_msg_send(&part, router, more ? ZMQ_SNDMORE : 0) < 0) {
            (void)zmq_msg_close(&part);
        }
    }
}

static void relay(void *context)
{
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    void *router = zmq_socket(context, ZMQ_ROUTER);
    if (router == NULL || zmq_bind(router, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &len) != 0) {
        stop("bind");
    }
    (void)puts(endpoint);
    (void)fflush(stdout);
    zmq_pollitem_t items[2] = {{.socket = router, .events = ZMQ_POLLIN},
                               {.fd = STDIN_FILENO, .events = ZMQ_POLLIN}};
    while (zmq_poll(items, 2, -1) >= 0 && items[1].revents == 0) {
        for (;;) {
            zmq_msg_t part;
            (void)zmq_msg_init(&part);
            if (zmq_msg_recv(&part, router, ZMQ_DONTWAIT) < 0) {
                break;
            }
            answer(router, &part);
        }
    }
    (void)zmq_close(router);
}

static void peers(void *context, const char *endpoint, int count, int64_t every_ms,
                  size_t bytes)
{
    static void *sockets[PEERS_MAX];
    static char beat[BYTES_MAX];
    char in[BYTES_MAX];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 0; i < count; i++) {
        sockets[i] = zmq_socket(context, ZMQ_DEALER);
        if (sockets[i] == NULL || zmq_connect(sockets[i], endpoint) != 0) {
            stop("connect");
        }
    }
    (void)puts("ready");
    (void)fflush(stdout);
    int64_t start = gg_mono_now().ms;
    for (int64_t turn = 0; input.revents == 0; turn++) {
        void *socket = sockets[turn % count];
        while (zmq_recv(socket, in, sizeof in, ZMQ_DONTWAIT) >= 0) {
        }
        if (zmq_send(socket, beat, bytes, ZMQ_DONTWAIT) < 0) {
            stop("send");
        }
        int64_t wait = start + (turn + 1) * every_ms / count - gg_mono_now().ms;
        (void)poll(&input, 1, wait > 0 ? (int)wait : 0);
    }
    for (int i = 0; i < count; i++) {
        (void)zmq_close(sockets[i]);
    }
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    (void)zmq_ctx_set(context, ZMQ_MAX_SOCKETS, PEERS_MAX + 16);
    (void)zmq_ctx_set(context, ZMQ_BLOCKY, 0);
    int count = argc == 6 ? (int)strtol(argv[3], NULL, 10) : 0;
    size_t bytes = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
    if (argc == 2 && strcmp(argv[1], "relay") == 0) {
        relay(context);
    } else if (argc == 6 && strcmp(argv[1], "peers") == 0 && count > 0 &&
               count <= PEERS_MAX && bytes <= BYTES_MAX) {
        peers(context, argv[2], count, strtol(argv[4], NULL, 10), bytes);
    } else {
        (void)fprintf(stderr, "usage: heartbeats relay | peers ENDPOINT N MS BYTES\n");
        return 64;
    }
    (void)zmq_ctx_term(context);
    return 0;
}
