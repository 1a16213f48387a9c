/* store_bench.c - the store beside bare SQLite that writes the same records in the same
 * groups, on one disk, in turn.
 *
 *   store_bench [--seconds N | --lives N] [--group N] [--keep N] [--pairs N]
 *               [--accepted BYTES] [--ended BYTES] [--bare] [--smoke]
 *
 * A job life is three records of a hot table: accepted (put), ended (put again),
 * evicted (deleted). Each group holds N of each, of jobs that came `keep` groups apart,
 * so that nothing comes and goes within one commit. "bare" is a loop of prepared
 * statements on a table (id, record), WAL, synchronous=FULL, one transaction a group,
 * in one thread; with --bare only this one runs, once. "store" appends and commits
 * groups while at most two are on their way.
 * "lone" is one record, committed and waited for, against one append and fdatasync. */
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/store/sqlite.h"
#include "common/assert.h"
#include "tests/lib/scratch.h"

enum { RECORD_BYTES_MAX = 4096, LONE_MAX = 2000, FLIGHT_GROUPS = 2 };

struct plan {
    uint64_t seconds; /* Of each run, or until … */
    uint64_t lives;   /* … so many are over; 0: by time. */
    uint64_t group;
    uint64_t keep;
    uint64_t pairs;
    uint64_t lone;
    uint64_t accepted; /* Bytes of a record. */
    uint64_t ended;
    bool bare;
};

struct figure {
    double lives_s;
    double cpu_us; /* Of a life. */
};

static const uint8_t filler[RECORD_BYTES_MAX] = {1, 2, 3};

static int64_t cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Ids as clients make them: the time first, then random. */
static struct gg_id id_of(uint64_t job)
{
    struct gg_id id;
    uint64_t ms = job / 60;
    uint64_t random = job * 0x9e3779b97f4a7c15U;
    for (int i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    }
    memcpy(id.bytes + 6, &random, 8);
    memcpy(id.bytes + 14, &job, 2);
    return id;
}

static bool goes_on(const struct plan *plan, uint64_t groups, int64_t begun_us)
{
    return plan->lives > 0 ? groups * plan->group < plan->lives
                           : gg_mono_us() - begun_us < (int64_t)plan->seconds * 1000000;
}

static struct figure figure_of(uint64_t lives, int64_t wall_us, int64_t spent_us)
{
    return (struct figure){.lives_s = (double)lives * 1e6 / (double)wall_us,
                           .cpu_us = (double)spent_us / (double)lives};
}

/* ---- bare SQLite ---- */

static void must(int rc, int wanted, sqlite3 *sqlite)
{
    if (rc != wanted) {
        (void)fprintf(stderr, "store_bench: %s\n", sqlite3_errmsg(sqlite));
        exit(1);
    }
}

static void run(sqlite3 *sqlite, const char *sql)
{
    must(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK, sqlite);
}

static sqlite3_stmt *prepare(sqlite3 *sqlite, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    must(sqlite3_prepare_v3(sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                            NULL),
         SQLITE_OK, sqlite);
    return statement;
}

static void write_bare(sqlite3 *sqlite, sqlite3_stmt *statement, uint64_t job, int len)
{
    struct gg_id id = id_of(job);
    must(sqlite3_bind_blob(statement, 1, id.bytes, GG_ID_BYTES, SQLITE_STATIC),
         SQLITE_OK, sqlite);
    if (len > 0) {
        must(sqlite3_bind_blob(statement, 2, filler, len, SQLITE_STATIC), SQLITE_OK,
             sqlite);
    }
    must(sqlite3_step(statement), SQLITE_DONE, sqlite);
    (void)sqlite3_reset(statement);
}

static struct figure bench_bare(const struct plan *plan)
{
    char path[4096];
    sqlite3 *sqlite = NULL;
    (void)snprintf(path, sizeof path, "%s", scratch_new());
    must(sqlite3_open(path, &sqlite), SQLITE_OK, sqlite);
    run(sqlite, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "CREATE TABLE job(id BLOB PRIMARY KEY, record BLOB) WITHOUT ROWID");
    sqlite3_stmt *put = prepare(sqlite, "INSERT OR REPLACE INTO job VALUES(?1,?2)");
    sqlite3_stmt *del = prepare(sqlite, "DELETE FROM job WHERE id=?1");
    uint64_t groups = 0;
    int64_t begun_us = gg_mono_us();
    int64_t begun_cpu_us = cpu_us();
    for (; goes_on(plan, groups, begun_us); groups++) {
        uint64_t first = groups * plan->group;
        run(sqlite, "BEGIN");
        for (uint64_t i = 0; i < plan->group; i++) {
            write_bare(sqlite, put, first + i, (int)plan->accepted);
        }
        for (uint64_t i = 0; i < plan->group && groups >= plan->keep; i++) {
            write_bare(sqlite, put, first + i - plan->keep * plan->group,
                       (int)plan->ended);
        }
        for (uint64_t i = 0; i < plan->group && groups >= 2 * plan->keep; i++) {
            write_bare(sqlite, del, first + i - 2 * plan->keep * plan->group, 0);
        }
        run(sqlite, "COMMIT");
    }
    struct figure figure = figure_of(groups * plan->group, gg_mono_us() - begun_us,
                                     cpu_us() - begun_cpu_us);
    (void)sqlite3_finalize(put);
    (void)sqlite3_finalize(del);
    (void)sqlite3_close(sqlite);
    scratch_remove();
    return figure;
}

/* ---- the store ---- */

static struct gg_store *open_store(void)
{
    struct gg_store *store = NULL;
    struct gg_store_options options;
    struct gg_store_report report;
    gg_store_options_default(&options);
    if (gg_store_open_sqlite(scratch_new(), &options, &store, &report) != GG_OK) {
        (void)fprintf(stderr, "store_bench: %s\n", report.fault);
        exit(1);
    }
    return store;
}

static void expect(struct gg_store *store, enum gg_err err)
{
    if (err != GG_OK) {
        char text[GG_STORE_TEXT_BYTES];
        gg_store_error(store, text);
        (void)fprintf(stderr, "store_bench: %s: %s\n", gg_err_text(err), text);
        exit(1);
    }
}

static void put_job(struct gg_store *store, uint64_t *number, uint64_t job, size_t len)
{
    struct gg_id id = id_of(job);
    struct gg_store_key key = gg_store_key_of(GG_STORE_JOB, &id);
    expect(store, gg_store_put(store, ++*number, &key, gg_slice_of(filler, len)));
}

static void del_job(struct gg_store *store, uint64_t *number, uint64_t job)
{
    struct gg_id id = id_of(job);
    struct gg_store_key key = gg_store_key_of(GG_STORE_JOB, &id);
    expect(store, gg_store_del(store, ++*number, &key));
}

/* Wait until all up to `number` is durable. */
static void wait_for(struct gg_store *store, uint64_t number)
{
    uint64_t durable = 0;
    expect(store, gg_store_durable(store, &durable));
    while (durable < number) {
        struct pollfd fd = {.fd = gg_store_descriptor(store), .events = POLLIN};
        (void)poll(&fd, 1, 1000);
        expect(store, gg_store_durable(store, &durable));
    }
}

static void append_group(struct gg_store *store, const struct plan *plan,
                         uint64_t groups, uint64_t *number)
{
    uint64_t first = groups * plan->group;
    for (uint64_t i = 0; i < plan->group; i++) {
        put_job(store, number, first + i, plan->accepted);
    }
    for (uint64_t i = 0; i < plan->group && groups >= plan->keep; i++) {
        put_job(store, number, first + i - plan->keep * plan->group, plan->ended);
    }
    for (uint64_t i = 0; i < plan->group && groups >= 2 * plan->keep; i++) {
        del_job(store, number, first + i - 2 * plan->keep * plan->group);
    }
}

static struct figure bench_store(const struct plan *plan,
                                 struct gg_store_status *out_status)
{
    struct gg_store *store = open_store();
    uint64_t number = 0;
    uint64_t ends[FLIGHT_GROUPS] = {0};
    uint64_t groups = 0;
    int64_t begun_us = gg_mono_us();
    int64_t begun_cpu_us = cpu_us();
    for (; goes_on(plan, groups, begun_us); groups++) {
        wait_for(store, ends[groups % FLIGHT_GROUPS]);
        append_group(store, plan, groups, &number);
        expect(store, gg_store_commit(store));
        ends[groups % FLIGHT_GROUPS] = number;
    }
    expect(store, gg_store_sync(store));
    struct figure figure = figure_of(groups * plan->group, gg_mono_us() - begun_us,
                                     cpu_us() - begun_cpu_us);
    gg_store_status(store, out_status);
    gg_store_close(&store);
    scratch_remove();
    return figure;
}

/* ---- one alone ---- */

static int by_size(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static int64_t median(int64_t *values, uint64_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

static int64_t lone_append(const struct plan *plan)
{
    static int64_t us[LONE_MAX];
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", scratch_new());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    GG_ASSERT(fd >= 0);
    for (uint64_t i = 0; i < plan->lone; i++) {
        int64_t begun_us = gg_mono_us();
        ssize_t done = write(fd, filler, plan->accepted);
        GG_ASSERT(done == (ssize_t)plan->accepted);
        int synced = fdatasync(fd);
        GG_ASSERT(synced == 0);
        us[i] = gg_mono_us() - begun_us;
    }
    (void)close(fd);
    scratch_remove();
    return median(us, plan->lone);
}

static int64_t lone_record(const struct plan *plan)
{
    static int64_t us[LONE_MAX];
    struct gg_store *store = open_store();
    uint64_t number = 0;
    for (uint64_t i = 0; i < plan->lone; i++) {
        int64_t begun_us = gg_mono_us();
        put_job(store, &number, i, plan->accepted);
        expect(store, gg_store_commit(store));
        wait_for(store, number);
        us[i] = gg_mono_us() - begun_us;
    }
    gg_store_close(&store);
    scratch_remove();
    return median(us, plan->lone);
}

/* ---- */

static _Noreturn void usage(void)
{
    (void)fprintf(stderr, "usage: store_bench [--seconds N | --lives N] [--group N] "
                          "[--keep N] [--pairs N] [--accepted BYTES] [--ended BYTES] "
                          "[--bare] [--smoke]\n");
    exit(64);
}

static struct plan read_plan(int argc, char **argv)
{
    struct plan plan = {.seconds = 5,
                        .group = 100,
                        .keep = 4,
                        .pairs = 3,
                        .lone = 1000,
                        .accepted = 300,
                        .ended = 250};
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {
        {"--seconds", &plan.seconds}, {"--lives", &plan.lives},
        {"--group", &plan.group},     {"--keep", &plan.keep},
        {"--pairs", &plan.pairs},     {"--accepted", &plan.accepted},
        {"--ended", &plan.ended},
    };
    enum { COUNT = sizeof options / sizeof options[0] };
    for (int i = 1; i < argc; i++) {
        size_t option = 0;
        while (option < COUNT && strcmp(argv[i], options[option].name) != 0) {
            option++;
        }
        if (option < COUNT && i + 1 < argc) {
            *options[option].value = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--smoke") == 0) {
            plan.lives = 2000;
            plan.pairs = 1;
            plan.lone = 20;
        } else if (strcmp(argv[i], "--bare") == 0) {
            plan.bare = true;
        } else {
            usage();
        }
    }
    if (plan.group == 0 || plan.accepted > RECORD_BYTES_MAX ||
        plan.ended > RECORD_BYTES_MAX) {
        usage();
    }
    return plan;
}

static void compare(const struct plan *plan)
{
    struct gg_store_status status;
    struct figure bare = bench_bare(plan);
    struct figure store = bench_store(plan, &status);
    (void)printf(
        "groups of %llu lives: bare %.0f lives/s (%.1f us CPU each), store "
        "%.0f lives/s (%.1f us), ratio %.2f; commit p50 %llu us, p99 %llu us\n",
        (unsigned long long)plan->group, bare.lives_s, bare.cpu_us, store.lives_s,
        store.cpu_us, store.lives_s / bare.lives_s,
        (unsigned long long)status.commit_p50_us,
        (unsigned long long)status.commit_p99_us);
}

int main(int argc, char **argv)
{
    struct plan plan = read_plan(argc, argv);
    if (plan.bare) {
        struct figure bare = bench_bare(&plan);
        (void)printf("lives_s=%.0f cpu_us=%.2f\n", bare.lives_s, bare.cpu_us);
        return 0;
    }
    for (uint64_t i = 0; i < plan.pairs; i++) {
        compare(&plan);
    }
    int64_t append_us = lone_append(&plan);
    int64_t record_us = lone_record(&plan);
    (void)printf("lone record: p50 %lld us; append and fdatasync: p50 %lld us; ratio "
                 "%.2f\n",
                 (long long)record_us, (long long)append_us,
                 (double)record_us / (double)append_us);
    return 0;
}
