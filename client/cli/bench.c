/* bench.c - `ganger bench`: jobs a second, the broker's CPU time, and the time of a
 * round trip, measured with processes that submit and agents that do nothing.
 *
 * Submitters are forked before this process opens a connection, connect by themselves
 * and wait at a barrier, so that all start together.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/load.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "common/clock.h"

enum {
    SUBMITTERS_MAX = 256,
    WORKERS_MAX = 64,
    IDLE_TRIPS = 500,
    SLOTS = 1024,
    WORKER_WAIT_MS = 10000,
    LOOK_MS = 20,
    GRACE_MS = 5000,
    USER_FIELD = 14, /* Of /proc/PID/stat: user time; kernel time follows. */
};

struct submitter {
    pid_t pid;
    int to;   /* Our end: 'g' starts it. */
    int from; /* Its reports: idle, then load. */
};

struct bench {
    struct gg_call *call;
    struct gg_load load;
    struct submitter submitters[SUBMITTERS_MAX];
    uint64_t submitter_count;
    pid_t workers[WORKERS_MAX];
    uint64_t worker_count;
    uint64_t broker_pid; /* 0: not on this host. */
    struct gg_load_report idle;
    struct gg_load_report all;
    double broker_cpu_s; /* Below 0: not known. */
};

static bool write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t done = write(fd, at, len);
        if (done <= 0) {
            return false;
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len)
{
    char *at = data;
    while (len > 0) {
        ssize_t done = read(fd, at, len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

/* The life of a submitter: connect, measure idle round trips (the first one only), wait
 * at the barrier, load, report. */
static int submit(struct gg_call *call, const struct gg_load *load, bool first, int in,
                  int out)
{
    static struct gg_load_report report;
    char start = 0;
    if (!read_all(in, &start, 1)) {
        return GG_EXIT_NO;
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    if (first) {
        struct gg_load idle = *load;
        idle.window = 1;
        idle.run_for_ms = 0;
        idle.jobs = load->jobs < IDLE_TRIPS ? load->jobs : IDLE_TRIPS;
        gg_load_run(call->broker, &idle, &report);
    }
    if (!write_all(out, &report, sizeof report) || !read_all(in, &start, 1)) {
        return GG_EXIT_NO;
    }
    gg_load_run(call->broker, load, &report);
    bool told = write_all(out, &report, sizeof report);
    gg_disconnect(call);
    return told ? GG_EXIT_DONE : GG_EXIT_NO;
}

static bool fork_submitter(struct bench *bench, uint64_t index)
{
    int down[2];
    int up[2];
    pid_t parent = getpid();
    if (pipe(down) != 0 || pipe(up) != 0) {
        return false;
    }
    struct submitter *submitter = &bench->submitters[index];
    submitter->pid = fork();
    if (submitter->pid < 0) {
        return false;
    }
    if (submitter->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(GG_EXIT_NO);
        }
        (void)close(down[1]);
        (void)close(up[0]);
        struct gg_load load = bench->load;
        uint64_t count = bench->submitter_count;
        if (load.jobs != UINT64_MAX) {
            load.jobs = load.jobs / count + (index < load.jobs % count ? 1 : 0);
        }
        _exit(submit(bench->call, &load, index == 0, down[0], up[1]));
    }
    (void)close(down[0]);
    (void)close(up[1]);
    submitter->to = down[1];
    submitter->from = up[0];
    return true;
}

static bool start_worker(struct bench *bench, uint64_t index)
{
    char slots[24];
    char name[64];
    char program[] = "ganger-worker";
    char builtin[] = "--builtin";
    char noop[] = "noop";
    char queue[] = "--queue";
    char slots_option[] = "--slots";
    char name_option[] = "--name";
    char queue_name[80];
    uint64_t said = bench->call->options.slots;
    (void)snprintf(slots, sizeof slots, "%" PRIu64,
                   said == GG_OPTION_UNSAID ? (uint64_t)SLOTS : said);
    (void)snprintf(name, sizeof name, "bench-%d-%" PRIu64, (int)getpid(), index);
    (void)snprintf(queue_name, sizeof queue_name, "%s", bench->load.queue);
    char *argv[] = {program,      builtin, noop,        queue, queue_name,
                    slots_option, slots,   name_option, name,  NULL};
    bench->workers[index] = gg_child_start(argv, -1);
    return bench->workers[index] > 0;
}

struct count {
    char prefix[64];
    uint64_t up;
};

static bool on_worker(void *ctx, const ganger_worker *worker)
{
    struct count *count = ctx;
    if (strncmp(worker->name, count->prefix, strlen(count->prefix)) == 0 &&
        strcmp(worker->state, "up") == 0) {
        count->up++;
    }
    return true;
}

/* Until the broker lists all agents that were started here. */
static int wait_for_workers(struct bench *bench)
{
    ganger *broker = bench->call->broker;
    int64_t end = gg_mono_now().ms + WORKER_WAIT_MS;
    while (gg_mono_now().ms < end) {
        struct count count = {.up = 0};
        (void)snprintf(count.prefix, sizeof count.prefix, "bench-%d-", (int)getpid());
        ganger_err err = ganger_workers(broker, NULL, false, gg_answer_ms(bench->call),
                                        on_worker, &count);
        if (err != GANGER_OK) {
            return gg_failed(bench->call, err, "cannot list agents");
        }
        if (count.up == bench->worker_count) {
            return GG_EXIT_DONE;
        }
        (void)ganger_poll(broker, LOOK_MS);
    }
    gg_say("the agents have not come up within 10 s [timed_out]");
    return GG_EXIT_TIME;
}

static int start_workers(struct bench *bench)
{
    uint64_t wanted = bench->call->options.spawn_workers;
    if (wanted > 0) {
        (void)setenv("GANGER_BROKER", ganger_endpoint(bench->call->broker), 1);
    }
    for (uint64_t i = 0; i < wanted; i++) {
        if (!start_worker(bench, i)) {
            gg_say("cannot start ganger-worker: %s", strerror(errno));
            return GG_EXIT_FAULT;
        }
        bench->worker_count++;
    }
    return wanted > 0 ? wait_for_workers(bench) : GG_EXIT_DONE;
}

/* CPU seconds that a process of this host has used; below 0: not known. */
static double cpu_seconds(uint64_t pid)
{
    char path[64];
    char line[1024];
    (void)snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return -1.0;
    }
    bool good = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    char *at = good ? strrchr(line, ')') : NULL; /* Behind the name. */
    for (int field = 2; at != NULL && field < USER_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return -1.0;
    }
    unsigned long user = strtoul(at + 1, &at, 10);
    unsigned long kernel = strtoul(at, NULL, 10);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* Is `pid` a broker on this host? Its id alone does not say. */
static uint64_t local_broker(const struct gg_call *call)
{
    ganger_broker broker;
    char path[64];
    char name[32] = "";
    if (ganger_broker_status(call->broker, gg_answer_ms(call), &broker) != GANGER_OK) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "/proc/%" PRIu64 "/comm", broker.pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        bool read = fgets(name, sizeof name, file) != NULL;
        (void)fclose(file);
        return read && strncmp(name, "gangerd", 7) == 0 ? broker.pid : 0;
    }
    return 0;
}

static void add_report(struct gg_load_report *all, const struct gg_load_report *one)
{
    bool first = all->start_us == 0;
    all->start_us = first || one->start_us < all->start_us ? one->start_us
                                                           : all->start_us;
    all->end_us = one->end_us > all->end_us ? one->end_us : all->end_us;
    all->succeeded += one->succeeded;
    all->failed += one->failed;
    if (all->err == GANGER_OK && all->text[0] == '\0') {
        all->err = one->err;
        (void)snprintf(all->text, sizeof all->text, "%s", one->text);
    }
    gg_histogram_merge(&all->latency_us, &one->latency_us);
}

static bool go(struct bench *bench)
{
    bool good = true;
    for (uint64_t i = 0; i < bench->submitter_count; i++) {
        good = write_all(bench->submitters[i].to, "g", 1) && good;
    }
    return good;
}

/* The reports of one phase; false when a submitter ended without one. */
static bool gather(struct bench *bench, struct gg_load_report *into)
{
    static struct gg_load_report one;
    for (uint64_t i = 0; i < bench->submitter_count; i++) {
        if (!read_all(bench->submitters[i].from, &one, sizeof one)) {
            return false;
        }
        add_report(into, &one);
    }
    return true;
}

static int measure(struct bench *bench)
{
    bool good = go(bench) && gather(bench, &bench->idle);
    double before = cpu_seconds(bench->broker_pid);
    good = good && go(bench) && gather(bench, &bench->all);
    double after = cpu_seconds(bench->broker_pid);
    bench->broker_cpu_s = before >= 0 && after >= 0 ? after - before : -1.0;
    if (!good) {
        gg_say("a submitter ended early");
        return GG_EXIT_NO;
    }
    const struct gg_load_report *bad = bench->idle.err != GANGER_OK ? &bench->idle
                                                                    : &bench->all;
    if (bad->err != GANGER_OK) {
        gg_say("%s", bad->text);
        return ganger_err_exit(bad->err);
    }
    if (bench->all.failed > 0) {
        gg_say("%" PRIu64 " jobs did not succeed; the first: %s", bench->all.failed,
               bench->all.text);
        return GG_EXIT_NO;
    }
    return GG_EXIT_DONE;
}

static void print_table(const struct bench *bench, double seconds, double rate,
                        double cpu)
{
    static const struct gg_column columns[] = {{NULL, 0}, {NULL, GG_COLUMN_RIGHT}};
    const struct gg_histogram *latency = &bench->all.latency_us;
    struct gg_table *table = gg_table_new(columns, 2, false);
    gg_table_pair(table, "jobs", "%" PRIu64, bench->all.succeeded);
    gg_table_pair(table, "seconds", "%.3f", seconds);
    gg_table_pair(table, "jobs a second", "%.0f", rate);
    if (cpu >= 0) {
        gg_table_pair(table, "broker CPU seconds for a million jobs", "%.2f", cpu);
    }
    gg_table_pair(table, "latency p50 us", "%" PRIu64, gg_histogram_at(latency, 0.5));
    gg_table_pair(table, "latency p99 us", "%" PRIu64, gg_histogram_at(latency, 0.99));
    gg_table_pair(table, "latency p999 us", "%" PRIu64,
                  gg_histogram_at(latency, 0.999));
    gg_table_pair(table, "idle round trip p50 us", "%" PRIu64,
                  gg_histogram_at(&bench->idle.latency_us, 0.5));
    gg_table_finish(&table);
}

static void print_report(const struct bench *bench)
{
    const struct gg_load_report *all = &bench->all;
    double seconds = (double)(all->end_us - all->start_us) / 1e6;
    double rate = seconds > 0 ? (double)all->succeeded / seconds : 0;
    double cpu = bench->broker_cpu_s >= 0 && all->succeeded > 0
                     ? bench->broker_cpu_s * 1e6 / (double)all->succeeded
                     : -1.0;
    if (bench->call->options.format != GG_FORMAT_JSON) {
        print_table(bench, seconds, rate, cpu);
        return;
    }
    const struct gg_json_measure measures[] = {
        {"jobs", (double)all->succeeded, true},
        {"failed", (double)all->failed, true},
        {"seconds", seconds, false},
        {"jobs_per_second", rate, false},
        {"broker_cpu_seconds_per_million", cpu, false},
        {"latency_us_p50", (double)gg_histogram_at(&all->latency_us, 0.5), true},
        {"latency_us_p99", (double)gg_histogram_at(&all->latency_us, 0.99), true},
        {"latency_us_p999", (double)gg_histogram_at(&all->latency_us, 0.999), true},
        {"idle_round_trip_us_p50",
         (double)gg_histogram_at(&bench->idle.latency_us, 0.5), true},
        {"size", (double)bench->load.size, true},
        {"window", (double)bench->load.window, true},
        {"submitters", (double)bench->submitter_count, true},
    };
    gg_json_print(gg_json_measures(measures, sizeof measures / sizeof measures[0]),
                  false);
}

static uint64_t or_default(uint64_t said, uint64_t fallback)
{
    return said == GG_OPTION_UNSAID ? fallback : said;
}

static void stop_all(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->submitter_count; i++) {
        if (bench->submitters[i].pid > 0) {
            (void)close(bench->submitters[i].to);
            (void)close(bench->submitters[i].from);
            gg_child_stop(&bench->submitters[i].pid, GRACE_MS);
        }
    }
    for (uint64_t i = 0; i < bench->worker_count; i++) {
        gg_child_stop(&bench->workers[i], GRACE_MS);
    }
}

int gg_bench_run(struct gg_call *call)
{
    static struct bench bench;
    const struct gg_options *said = &call->options;
    bool by_time = said->run_for_ms != GG_OPTION_UNSAID;
    const char *queue = gg_texts_last(&said->queues);
    bench.call = call;
    bench.submitter_count = or_default(said->submitters, 1);
    bench.load = (struct gg_load){
        .queue = queue != NULL ? queue : "bench",
        .jobs = by_time ? UINT64_MAX : or_default(said->jobs, 100000),
        .run_for_ms = by_time ? said->run_for_ms : 0,
        .size = or_default(said->size, 100),
        .window = or_default(said->window, 1000),
        .keep_ms = or_default(said->keep_ms, GANGER_DEFAULT),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    for (uint64_t i = 0; i < bench.submitter_count; i++) {
        if (!fork_submitter(&bench, i)) {
            gg_say("cannot start a submitter: %s", strerror(errno));
            stop_all(&bench);
            return GG_EXIT_FAULT;
        }
    }
    int status = gg_connect(call);
    if (status == GG_EXIT_DONE) {
        bench.broker_pid = local_broker(call);
        status = start_workers(&bench);
    }
    if (status == GG_EXIT_DONE) {
        status = measure(&bench);
        print_report(&bench);
    }
    stop_all(&bench);
    return status;
}
