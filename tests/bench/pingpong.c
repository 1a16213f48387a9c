/* pingpong.c - what two processes can do over a socketpair: the bar for C handlers.
 *
 *   pingpong JOBS PAIRS BATCH BYTES
 *
 * Each of PAIRS children answers every message of BYTES with one of the same size, one
 * write for each message. We send BATCH messages at a time to a child in one write, and
 * the next batch when the last answer has come; all children are served by one epoll
 * loop. Prints messages a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, BYTES_MAX = 4096, BATCH_MAX = 64 };

struct pair {
    int fd;
    size_t owed; /* Bytes of answers that have not come. */
};

static char outgoing[BYTES_MAX * BATCH_MAX];

/* Answer each whole message, until the other side closes. */
static void child(int fd, size_t size)
{
    static char in[BYTES_MAX * BATCH_MAX];
    size_t held = 0;
    for (;;) {
        ssize_t got = recv(fd, in + held, sizeof in - held, 0);
        if (got <= 0) {
            _exit(got == 0 ? 0 : 1);
        }
        held += (size_t)got;
        size_t at = 0;
        for (; held - at >= size; at += size) {
            if (send(fd, in + at, size, MSG_NOSIGNAL) != (ssize_t)size) {
                _exit(1);
            }
        }
        memmove(in, in + at, held - at);
        held -= at;
    }
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void open_pair(struct pair *pair, int poller, size_t size)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        fail("socketpair");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close_range(STDERR_FILENO + 1, (unsigned)ends[1] - 1, 0);
        (void)close_range((unsigned)ends[1] + 1, ~0U, 0);
        child(ends[1], size); /* With no end of another pair open. */
    }
    if (pid < 0) {
        fail("fork");
    }
    (void)close(ends[1]);
    pair->fd = ends[0];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pair};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, pair->fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

/* Send the next batch, of what is left; returns how many. */
static size_t serve(struct pair *pair, size_t left, size_t batch, size_t size)
{
    size_t count = left < batch ? left : batch;
    if (count > 0 &&
        send(pair->fd, outgoing, count * size, 0) != (ssize_t)(count * size)) {
        fail("send");
    }
    pair->owed = count * size;
    return count;
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void play(struct pair *pairs, int count, int poller, size_t jobs, size_t batch,
                 size_t size)
{
    static char in[BYTES_MAX * BATCH_MAX];
    size_t open = 0;
    for (int i = 0; i < count; i++) {
        size_t sent = serve(&pairs[i], jobs, batch, size);
        jobs -= sent;
        open += sent > 0 ? 1 : 0;
    }
    while (open > 0) {
        struct epoll_event events[PAIRS_MAX];
        int ready = epoll_wait(poller, events, PAIRS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            struct pair *pair = events[i].data.ptr;
            ssize_t got = recv(pair->fd, in, sizeof in, 0);
            if (got <= 0) {
                fail("recv");
            }
            pair->owed -= (size_t)got;
            if (pair->owed == 0) {
                size_t sent = serve(pair, jobs, batch, size);
                jobs -= sent;
                open -= sent == 0 ? 1 : 0;
            }
        }
    }
}

int main(int argc, char **argv)
{
    static struct pair pairs[PAIRS_MAX];
    if (argc != 5) {
        (void)fprintf(stderr, "usage: pingpong JOBS PAIRS BATCH BYTES\n");
        return 64;
    }
    size_t jobs = strtoul(argv[1], NULL, 10);
    int count = (int)strtoul(argv[2], NULL, 10);
    size_t batch = strtoul(argv[3], NULL, 10);
    size_t size = strtoul(argv[4], NULL, 10);
    if (count < 1 || count > PAIRS_MAX || batch < 1 || batch > BATCH_MAX || size < 1 ||
        size > BYTES_MAX) {
        (void)fprintf(stderr, "pingpong: out of bounds\n");
        return 64;
    }
    int poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        open_pair(&pairs[i], poller, size);
    }
    double start = seconds();
    play(pairs, count, poller, jobs, batch, size);
    double took = seconds() - start;
    for (int i = 0; i < count; i++) {
        (void)close(pairs[i].fd);
        (void)wait(NULL);
    }
    (void)printf("jobs_per_second=%.0f\n", (double)jobs / took);
    return 0;
}
