/* relay.c - the bare relay to compare Ganger with: one job a message, no state.
 *
 *   relay relay              binds two ROUTERs on ports that the kernel chooses,
 *                            prints their endpoints, and passes messages on
 *   relay worker ENDPOINT    a DEALER that sends back what it gets
 *   relay load ENDPOINT [--jobs N] [--size BYTES] [--window N] [--idle N]
 *                            a DEALER that submits; prints its figures
 *   relay all [options]      all three as processes; prints the load's figures, and
 *                            the CPU time of the relay; with --rate N the load submits
 *                            N jobs a second whatever comes back; with --loaders N so
 *                            many loads run without end while another connection makes
 *                            `idle` round trips
 *
 * Load DEALER to ROUTER, relay, ROUTER to worker DEALER, and back. Each side reads at
 * most 200 messages a pass and polls once a pass. The relay remembers nothing but the
 * one worker: the client's routing id travels with the job.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"

enum {
    DRAIN = 200,
    ENDPOINT_BYTES = 64,
    LINE_BYTES = 256,
    PAYLOAD_MAX = 1 << 20,
    LOADERS_MAX = 64,
    BURST_US = 100, /* Between two bursts of a steady rate, as in drive.c. */
};

struct options {
    uint64_t jobs;
    uint64_t size;
    uint64_t window;
    uint64_t idle;
    uint64_t rate;
    uint64_t loaders;
};

_Noreturn static void stop(const char *what)
{
    (void)fprintf(stderr, "relay: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void *socket_new(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int none = 0;
    if (socket == NULL || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) != 0 ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) != 0 ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) != 0) {
        stop("socket");
    }
    return socket;
}

static void *connected(void *context, const char *endpoint)
{
    void *socket = socket_new(context, ZMQ_DEALER);
    if (zmq_connect(socket, endpoint) != 0) {
        stop(endpoint);
    }
    return socket;
}

static void *bound(void *context, char endpoint[ENDPOINT_BYTES])
{
    void *socket = socket_new(context, ZMQ_ROUTER);
    size_t len = ENDPOINT_BYTES;
    if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &len) != 0) {
        stop("bind");
    }
    return socket;
}

/* The next part of a message, or false when nothing waits. */
static bool receive(void *socket, zmq_msg_t *part)
{
    (void)zmq_msg_init(part);
    if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) >= 0) {
        return true;
    }
    if (errno != EAGAIN && errno != EINTR) {
        stop("receive");
    }
    return false;
}

static void pass_on(void *socket, zmq_msg_t *part, bool more)
{
    if (zmq_msg_send(part, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0) {
        stop("send");
    }
}

/* Who the worker is: its first message says so. */
static zmq_msg_t worker_id;

/* From clients: [client, payload] goes on as [worker, client, payload]. */
static bool submit_one(void *clients, void *workers)
{
    zmq_msg_t client;
    zmq_msg_t payload;
    zmq_msg_t worker;
    if (zmq_msg_size(&worker_id) == 0 || !receive(clients, &client)) {
        return false;
    }
    (void)receive(clients, &payload);
    (void)zmq_msg_init(&worker);
    (void)zmq_msg_copy(&worker, &worker_id);
    pass_on(workers, &worker, true);
    pass_on(workers, &client, true);
    pass_on(workers, &payload, false);
    return true;
}

/* From workers: [worker, client, result] goes on as [client, result]. */
static bool answer_one(void *clients, void *workers)
{
    zmq_msg_t worker;
    zmq_msg_t client;
    zmq_msg_t result;
    if (!receive(workers, &worker)) {
        return false;
    }
    (void)receive(workers, &client);
    if (!zmq_msg_more(&client)) {
        (void)zmq_msg_move(&worker_id, &worker);
        (void)zmq_msg_close(&client);
        return true;
    }
    (void)receive(workers, &result);
    (void)zmq_msg_close(&worker);
    pass_on(clients, &client, true);
    pass_on(clients, &result, false);
    return true;
}

_Noreturn static void run_relay(void)
{
    char client_end[ENDPOINT_BYTES];
    char worker_end[ENDPOINT_BYTES];
    void *context = zmq_ctx_new();
    void *clients = bound(context, client_end);
    void *workers = bound(context, worker_end);
    (void)zmq_msg_init(&worker_id);
    (void)printf("%s %s\n", client_end, worker_end);
    (void)fflush(stdout);
    for (;;) {
        bool ready = zmq_msg_size(&worker_id) > 0;
        zmq_pollitem_t items[2] = {
            {.socket = workers, .events = ZMQ_POLLIN},
            {.socket = clients, .events = ZMQ_POLLIN},
        };
        if (zmq_poll(items, ready ? 2 : 1, -1) < 0 && errno != EINTR) {
            stop("poll");
        }
        for (int i = 0; i < DRAIN && answer_one(clients, workers); i++) {
        }
        for (int i = 0; i < DRAIN && submit_one(clients, workers); i++) {
        }
    }
}

static void wait_for(void *socket)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, -1) < 0 && errno != EINTR) {
        stop("poll");
    }
}

_Noreturn static void run_worker(const char *endpoint)
{
    void *context = zmq_ctx_new();
    void *socket = connected(context, endpoint);
    zmq_msg_t part;
    (void)zmq_msg_init(&part);
    pass_on(socket, &part, false); /* Here I am. */
    for (;;) {
        wait_for(socket);
        for (int i = 0; i < DRAIN && receive(socket, &part); i++) {
            pass_on(socket, &part, true);
            (void)receive(socket, &part);
            pass_on(socket, &part, false);
        }
    }
}

static void submit(void *socket, uint64_t size)
{
    zmq_msg_t payload;
    if (zmq_msg_init_size(&payload, size) != 0) {
        stop("message");
    }
    memset(zmq_msg_data(&payload), 'x', size);
    pass_on(socket, &payload, false);
}

static double run_jobs(void *socket, uint64_t jobs, uint64_t window, uint64_t size)
{
    uint64_t sent = 0;
    uint64_t done = 0;
    int64_t start = gg_mono_us();
    while (done < jobs) {
        while (sent < jobs && sent - done < window) {
            submit(socket, size);
            sent++;
        }
        wait_for(socket);
        zmq_msg_t result;
        for (int i = 0; i < DRAIN && receive(socket, &result); i++) {
            (void)zmq_msg_close(&result);
            done++;
        }
    }
    return (double)(gg_mono_us() - start);
}

static int compare_us(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void print_times(double *us, uint64_t count)
{
    qsort(us, count, sizeof *us, compare_us);
    (void)printf("p50_us=%.0f p99_us=%.0f max_us=%.0f\n", us[count / 2],
                 us[count * 99 / 100], us[count - 1]);
}

static double *times_new(uint64_t count)
{
    double *us = calloc(count + 1, sizeof *us);
    if (us == NULL) {
        stop("memory");
    }
    return us;
}

/* Results come in the order of the jobs: there is one way and one worker. */
static void take_results(void *socket, double *us, uint64_t *done)
{
    zmq_msg_t result;
    for (int i = 0; i < DRAIN && receive(socket, &result); i++) {
        (void)zmq_msg_close(&result);
        us[*done] = (double)gg_mono_us() - us[*done];
        (*done)++;
    }
}

/* A burst every BURST_US holds the jobs that are due by then; what each takes counts
 * from when it was due. */
static void run_pace(void *socket, const struct options *options)
{
    double *us = times_new(options->jobs);
    uint64_t sent = 0;
    uint64_t done = 0;
    int64_t start_us = gg_mono_us();
    int64_t burst_us = start_us;
    int fd = -1;
    size_t size = sizeof fd;
    (void)zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    while (done < options->jobs) {
        int64_t now_us = gg_mono_us();
        for (; burst_us <= now_us && sent < options->jobs; burst_us += BURST_US) {
            uint64_t due = (uint64_t)(burst_us - start_us + BURST_US) * options->rate /
                           1000000;
            for (; sent < due && sent < options->jobs; sent++) {
                us[sent] = (double)burst_us;
                submit(socket, options->size);
            }
        }
        uint64_t before = done;
        take_results(socket, us, &done);
        if (done == before) {
            struct timespec wait = {.tv_nsec = BURST_US * 1000};
            struct pollfd item = {.fd = fd, .events = POLLIN};
            (void)ppoll(&item, 1, &wait, NULL);
        }
    }
    (void)printf("jobs_per_second=%.0f ",
                 (double)done * 1e6 / (double)(gg_mono_us() - start_us));
    print_times(us, done);
    free(us);
}

/* Round trips beside the load of others. */
static int run_probe(const char *endpoint, const struct options *options)
{
    void *context = zmq_ctx_new();
    void *socket = connected(context, endpoint);
    double *us = times_new(options->idle);
    (void)run_jobs(socket, 1, 1, options->size);
    for (uint64_t i = 0; i < options->idle; i++) {
        us[i] = run_jobs(socket, 1, 1, options->size);
    }
    print_times(us, options->idle);
    free(us);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    return 0;
}

static int run_load(const char *endpoint, const struct options *options)
{
    void *context = zmq_ctx_new();
    void *socket = connected(context, endpoint);
    double *trips = times_new(options->idle);
    (void)run_jobs(socket, 1, 1, options->size); /* Until the worker is there. */
    for (uint64_t i = 0; i < options->idle; i++) {
        trips[i] = run_jobs(socket, 1, 1, options->size);
    }
    if (options->rate > 0) {
        run_pace(socket, options);
        return 0;
    }
    double us = run_jobs(socket, options->jobs, options->window, options->size);
    qsort(trips, options->idle, sizeof *trips, compare_us);
    (void)printf("jobs_per_second=%.0f idle_us=%.0f\n",
                 (double)options->jobs * 1e6 / us, trips[options->idle / 2]);
    free(trips);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    return 0;
}

/* A process of this program with these words; its standard output goes to `out`. */
static pid_t start(char *program, char *mode, char *endpoint, int out)
{
    char *argv[] = {program, mode, endpoint, NULL};
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (out >= 0) {
        (void)dup2(out, STDOUT_FILENO);
    }
    (void)execv("/proc/self/exe", argv);
    _exit(127);
}

/* Loads that go on until they are killed. */
static void start_loaders(char *program, char *endpoint, const struct options *options,
                          pid_t *out)
{
    char mode[] = "load";
    for (uint64_t i = 0; i < options->loaders; i++) {
        out[i] = fork();
        if (out[i] == 0) {
            char jobs_option[] = "--jobs";
            char jobs[] = "1000000000";
            char window_option[] = "--window";
            char window[24];
            char *argv[] = {program, mode,          endpoint, jobs_option,
                            jobs,    window_option, window,   NULL};
            (void)snprintf(window, sizeof window, "%" PRIu64, options->window);
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)execv("/proc/self/exe", argv);
            _exit(127);
        }
    }
}

static int run_all(char *program, const struct options *options)
{
    char line[LINE_BYTES];
    char client_end[ENDPOINT_BYTES];
    char worker_end[ENDPOINT_BYTES];
    char relay_mode[] = "relay";
    char worker_mode[] = "worker";
    int ends[2];
    if (pipe(ends) != 0) {
        stop("pipe");
    }
    pid_t relay = start(program, relay_mode, NULL, ends[1]);
    (void)close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    if (from == NULL || fgets(line, sizeof line, from) == NULL ||
        sscanf(line, "%63s %63s", client_end, worker_end) != 2) {
        stop("the relay says nothing");
    }
    pid_t worker = start(program, worker_mode, worker_end, -1);
    pid_t loaders[LOADERS_MAX];
    start_loaders(program, client_end, options, loaders);
    int status = options->loaders > 0 ? run_probe(client_end, options)
                                      : run_load(client_end, options);
    for (uint64_t i = 0; i < options->loaders; i++) {
        (void)kill(loaders[i], SIGKILL);
        (void)waitpid(loaders[i], NULL, 0);
    }
    (void)kill(worker, SIGKILL);
    (void)kill(relay, SIGKILL);
    (void)waitpid(worker, NULL, 0);
    struct rusage used = {0};
    (void)wait4(relay, NULL, 0, &used);
    (void)fclose(from);
    double cpu_us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    (void)printf("cpu_seconds_per_million=%.2f\n", cpu_us / (double)options->jobs);
    return status;
}

static bool read_options(char **words, struct options *out)
{
    *out = (struct options){.jobs = 1000000, .size = 100, .window = 1000, .idle = 500};
    const struct {
        const char *name;
        uint64_t *value;
    } names[] = {
        {"--jobs", &out->jobs}, {"--size", &out->size}, {"--window", &out->window},
        {"--idle", &out->idle}, {"--rate", &out->rate}, {"--loaders", &out->loaders},
    };
    for (; words[0] != NULL; words += 2) {
        bool known = false;
        for (size_t i = 0; words[1] != NULL && i < sizeof names / sizeof *names; i++) {
            if (strcmp(words[0], names[i].name) == 0) {
                *names[i].value = strtoull(words[1], NULL, 10);
                known = true;
            }
        }
        if (!known) {
            return false;
        }
    }
    return out->jobs > 0 && out->window > 0 && out->size <= PAYLOAD_MAX &&
           out->loaders <= LOADERS_MAX;
}

int main(int argc, char **argv)
{
    struct options options;
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "relay") == 0) {
        run_relay();
    }
    if (strcmp(mode, "worker") == 0 && argc == 3) {
        run_worker(argv[2]);
    }
    if (strcmp(mode, "load") == 0 && argc > 2 && read_options(argv + 3, &options)) {
        return run_load(argv[2], &options);
    }
    if (strcmp(mode, "all") == 0 && read_options(argv + 2, &options)) {
        return run_all(argv[0], &options);
    }
    (void)fprintf(stderr,
                  "usage: relay relay | worker ENDPOINT | load ENDPOINT [options]"
                  " | all [--jobs N] [--size BYTES] [--window N] [--idle N]"
                  " [--rate N] [--loaders N]\n");
    return 64;
}
