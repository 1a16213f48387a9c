/* roundtrip.c - the least that a process with libzmq can take for one round trip: to
 * compare a whole `ganger submit` with.
 *
 *   roundtrip serve      a ROUTER on a port of the kernel's choice; prints its endpoint
 *                        and answers each message with itself
 *   roundtrip ENDPOINT   one message there and back, then the end
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { ENDPOINT_BYTES = 64, ANSWER_MS = 3000, MESSAGE_BYTES = 100 };

static int stop(const char *what)
{
    (void)fprintf(stderr, "roundtrip: %s: %s\n", what, zmq_strerror(errno));
    return 1;
}

static int serve(void *context)
{
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    if (socket == NULL || zmq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &len) != 0) {
        return stop("bind");
    }
    (void)puts(endpoint);
    (void)fflush(stdout);
    for (;;) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, 0) < 0) {
            return stop("receive");
        }
        if (zmq_msg_send(&part, socket, zmq_msg_more(&part) ? ZMQ_SNDMORE : 0) < 0) {
            return stop("send");
        }
    }
}

static int ask(void *context, const char *endpoint)
{
    char message[MESSAGE_BYTES];
    int answer_ms = ANSWER_MS;
    int linger = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    memset(message, 'x', sizeof message);
    if (socket == NULL ||
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &answer_ms, sizeof answer_ms) != 0 ||
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(socket, endpoint) != 0) {
        return stop("connect");
    }
    if (zmq_send(socket, message, sizeof message, 0) < 0 ||
        zmq_recv(socket, message, sizeof message, 0) < 0) {
        return stop("round trip");
    }
    (void)zmq_close(socket);
    return 0;
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    if (argc != 2 || context == NULL) {
        (void)fprintf(stderr, "usage: roundtrip serve | ENDPOINT\n");
        return 64;
    }
    int status = strcmp(argv[1], "serve") == 0 ? serve(context) : ask(context, argv[1]);
    (void)zmq_ctx_term(context);
    return status;
}
