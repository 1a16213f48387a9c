/* it_pools.c - the real agent with a file of pools: groups, budgets, sizes. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

/* Pools of the file have the numbers 1, 2, ... on the wire. */
enum { A = 1, B, C, D };

struct fixture {
    struct fake_broker broker;
    char mark[32]; /* Of this test's processes. */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fake_open(&f->broker);
    (void)snprintf(f->mark, sizeof f->mark, "it_pools.%d.", (int)getpid());
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_close(&f->broker);
    free(f);
    return 0;
}

/* A pool of the script, named `name`; its processes can be found by the mark and it. */
static void add_pool(struct fixture *f, FILE *file, const char *name, const char *more)
{
    (void)fprintf(file,
                  "[pool %s]\nqueues = %s\ncoprocess = "
                  "'%s/tests/integration/worker/coprocess.sh' %s%s\n%s\n",
                  name, name, getenv("GG_SOURCE_DIR"), f->mark, name, more);
}

static void start_agent(struct fixture *f)
{
    const char *const arguments[] = {"--config", f->broker.config, "--grace", "2s",
                                     NULL};
    fake_start_agent(&f->broker, arguments);
}

/* Processes of pool `name`; *out_pid is one of them, 0 where there is none. */
static int find(const struct fixture *f, const char *name, pid_t *out_pid)
{
    char mark[64];
    int count = 0;
    *out_pid = 0;
    (void)snprintf(mark, sizeof mark, "%s%s", f->mark, name);
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        char path[300];
        char text[512] = "";
        (void)snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL) {
            continue;
        }
        size_t len = fread(text, 1, sizeof text - 1, file);
        (void)fclose(file);
        if (len > strlen(mark) && strncmp(text, "/bin/bash", 9) == 0 &&
            strcmp(text + len - strlen(mark) - 1, mark) == 0) {
            *out_pid = (pid_t)strtol(entry->d_name, NULL, 10);
            count++;
        }
    }
    (void)closedir(proc);
    return count;
}

static pid_t process_of(const struct fixture *f, const char *name)
{
    pid_t pid = 0;
    (void)find(f, name, &pid);
    return pid;
}

static int count_of(const struct fixture *f, const char *name)
{
    pid_t pid = 0;
    return find(f, name, &pid);
}

static struct fake_job *assign(struct fixture *f, uint64_t pool, const char *script)
{
    struct gg_assign more;
    gg_record_default(GG_RECORD_ASSIGN, &more);
    more.pool = pool;
    return fake_assign(&f->broker, script, &more);
}

static struct fake_job *run(struct fixture *f, uint64_t pool, const char *script)
{
    struct fake_job *job = assign(f, pool, script);
    fake_until(&f->broker, job->outcomes > 0);
    return job;
}

/* ---- strategy x class x way of dying ---- */

enum way { EXIT_0, EXIT_1, SIGNAL, HANG, AGENT_KILLED, WAY_COUNT };
enum { BIT_A = 1, BIT_B = 2, BIT_C = 4, ALL = 7, REST = 6 };

static const struct row {
    const char *strategy;
    const char *restart;
    unsigned restarted[WAY_COUNT]; /* In the order of enum way. */
} rows[] = {
    {"one_for_one", "permanent", {BIT_B, BIT_B, BIT_B, BIT_B, ALL}},
    {"one_for_one", "transient", {0, BIT_B, BIT_B, BIT_B, ALL}},
    {"one_for_one", "temporary", {0, 0, 0, 0, ALL}},
    {"one_for_all", "permanent", {ALL, ALL, ALL, ALL, ALL}},
    {"one_for_all", "transient", {0, ALL, ALL, ALL, ALL}},
    {"one_for_all", "temporary", {0, 0, 0, 0, ALL}},
    {"rest_for_one", "permanent", {REST, REST, REST, REST, ALL}},
    {"rest_for_one", "transient", {0, REST, REST, REST, ALL}},
    {"rest_for_one", "temporary", {0, 0, 0, 0, ALL}},
};

static void write_group(struct fixture *f, const struct row *row)
{
    static const char *const names[] = {"a", "b", "c"};
    FILE *file = fopen(f->broker.config, "we");
    assert_non_null(file);
    (void)fprintf(file, "[group g]\nstrategy = %s\n", row->strategy);
    for (int i = 0; i < 3; i++) {
        char more[128];
        (void)snprintf(more, sizeof more, "group = g\nrestart = %s\nshutdown = 1s",
                       row->restart);
        add_pool(f, file, names[i], more);
    }
    add_pool(f, file, "d", "");
    (void)fclose(file);
}

static void find_all(const struct fixture *f, pid_t pids[4])
{
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        pids[i] = process_of(f, names[i]);
    }
}

static bool all_run(const struct fixture *f, pid_t pids[4])
{
    find_all(f, pids);
    return pids[0] != 0 && pids[1] != 0 && pids[2] != 0 && pids[3] != 0;
}

/* Which of a, b and c have another process than before; one that is gone has none. */
static unsigned changed(const struct fixture *f, const pid_t before[4])
{
    pid_t now[4];
    unsigned mask = 0;
    find_all(f, now);
    for (unsigned i = 0; i < 3; i++) {
        mask |= now[i] != 0 && now[i] != before[i] ? 1U << i : 0;
    }
    return mask;
}

static void die(struct fixture *f, enum way way, pid_t victim)
{
    static const int signals[] = {
        [EXIT_0] = SIGUSR1, [EXIT_1] = SIGUSR2, [SIGNAL] = SIGSEGV};
    if (way == AGENT_KILLED) {
        (void)kill(f->broker.agent, SIGKILL);
        (void)fake_wait_agent(&f->broker);
        fake_until(&f->broker, process_of(f, "d") == 0 && process_of(f, "a") == 0);
        start_agent(f);
    } else if (way == HANG) {
        struct fake_job *job = assign(f, B,
                                      "trap '' TERM; echo partial on; sleep 6020");
        fake_until(&f->broker, job->partial[0] != '\0');
        fake_stop(&f->broker, job, GG_STOP_TIMED_OUT, 50);
        fake_until(&f->broker, job->outcomes > 0);
    } else {
        assert_int_equal(kill(victim, signals[way]), 0);
        fake_until(&f->broker, process_of(f, "b") != victim);
    }
}

static void check_cell(const struct row *row, enum way way)
{
    void *state = NULL;
    pid_t before[4];
    pid_t stranger[4];
    (void)setup(&state);
    struct fixture *f = state;
    write_group(f, row);
    start_agent(f);
    for (uint64_t pool = A; pool <= D; pool++) { /* All are ready, and trap. */
        assert_int_equal(run(f, pool, "answer $$")->kind, GG_OUTCOME_SUCCEEDED);
    }
    assert_true(all_run(f, before));

    die(f, way, before[B - 1]);

    fake_until(&f->broker, changed(f, before) == row->restarted[way]);
    /* Whatever else was to happen has: jobs go through, and it is still so. */
    assert_int_equal(run(f, D, "answer on")->kind, GG_OUTCOME_SUCCEEDED);
    for (uint64_t pool = A; pool <= C; pool++) {
        if ((row->restarted[way] >> (pool - 1) & 1) != 0) {
            assert_int_equal(run(f, pool, "answer on")->kind, GG_OUTCOME_SUCCEEDED);
        }
    }
    assert_int_equal(changed(f, before), row->restarted[way]);
    find_all(f, stranger);
    assert_true(way == AGENT_KILLED || stranger[D - 1] == before[D - 1]);
    (void)teardown(&state);
}

static void strategy_and_class_say_what_is_restarted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (enum way way = EXIT_0; way < WAY_COUNT; way++) {
            check_cell(&rows[i], way);
        }
    }
}

/* ---- the measured faults ---- */

/* One job that always kills its executor, beside ten healthy ones. */
static void job_that_kills_its_executor_harms_none_of_ten_others(void **state)
{
    struct fixture *f = *state;
    struct fake_job *good[10];
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "size = 4");
    (void)fclose(file);
    start_agent(f);

    struct fake_job *bad = assign(f, A, "kill -KILL $$");
    for (int i = 0; i < 10; i++) {
        if (i < 3) {
            good[i] = assign(f, A, fake_gated(&f->broker, ":", "answer good"));
            continue;
        }
        fake_until(&f->broker, bad->outcomes > 0);
        bad = assign(f, A, "kill -KILL $$");
        fake_until(&f->broker, bad->outcomes > 0);
        good[i] = run(f, A, "answer good");
    }
    fake_open_gate(&f->broker);

    for (int i = 0; i < 10; i++) {
        fake_until(&f->broker, good[i]->outcomes > 0);
        assert_int_equal(good[i]->kind, GG_OUTCOME_SUCCEEDED);
    }
    assert_int_equal(bad->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(bad->signal, SIGKILL);
    assert_null(strstr(fake_log(&f->broker), "pool_closed"));
}

static void crash_loop_closes_its_own_pool_and_names_the_cause(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->broker.config, "we");
    (void)fprintf(file, "[pool loop]\nqueues = loop\nsize = 2\n"
                        "coprocess = sh -c 'echo no such database >&2; exit 7'\n");
    add_pool(f, file, "good", "");
    (void)fclose(file);

    start_agent(f);

    fake_until(&f->broker, strstr(fake_log(&f->broker), "pool_closed") != NULL);
    assert_non_null(strstr(fake_log(&f->broker), "exit status 7: no such database"));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run(f, B, "answer on")->kind, GG_OUTCOME_SUCCEEDED);
    }
}

/* ---- what a file may ask for ---- */

static void overflow_starts_with_work_and_goes_again(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "size = 1\noverflow = 2\noverflow_idle = 200ms");
    (void)fclose(file);
    start_agent(f);
    fake_until(&f->broker, f->broker.slots == 3);

    struct fake_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = assign(f, A,
                         fake_gated(&f->broker, "echo partial on", "answer done"));
    }
    for (int i = 0; i < 3; i++) {
        fake_until(&f->broker, jobs[i]->partial[0] != '\0');
    }
    fake_until(&f->broker, count_of(f, "a") == 3); /* A fork looks like one more. */
    fake_open_gate(&f->broker);
    for (int i = 0; i < 3; i++) {
        fake_until(&f->broker, jobs[i]->outcomes > 0);
    }

    fake_until(&f->broker, count_of(f, "a") == 1);
    assert_string_equal(run(f, A, "answer on")->result, "on");
    assert_null(strstr(fake_log(&f->broker), "executor_died"));
}

/* What waits beside an executor can be cancelled, and outlives it. */
static void jobs_that_wait_beside_their_executor_are_jobs_of_their_own(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "size = 1\nbatch = 4");
    (void)fclose(file);
    start_agent(f);
    fake_until(&f->broker, f->broker.slots == 4);

    struct fake_job *first = assign(
        f, A, fake_gated(&f->broker, "echo partial on", "kill -KILL $$"));
    fake_until(&f->broker, first->partial[0] != '\0');
    struct fake_job *cancelled = assign(f, A, "answer ran");
    struct fake_job *good = assign(f, A, "answer $jobs");
    struct fake_job *last = assign(f, A, "answer $jobs");
    fake_stop(&f->broker, cancelled, GG_STOP_CANCELLED, 20000);

    fake_until(&f->broker, cancelled->outcomes > 0);
    assert_int_equal(cancelled->kind, GG_OUTCOME_HANDED_BACK); /* Never begun. */
    assert_int_equal(first->outcomes, 0); /* It did not wait for its turn. */
    fake_open_gate(&f->broker);
    fake_until(&f->broker, first->outcomes > 0 && last->outcomes > 0);
    assert_int_equal(first->kind, GG_OUTCOME_CRASHED);
    assert_int_equal(good->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(good->result, "1"); /* In order, in another process. */
    assert_string_equal(last->result, "2");
}

static void executor_is_replaced_after_its_jobs(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "recycle_jobs = 2");
    (void)fclose(file);
    start_agent(f);

    char first[512];
    (void)snprintf(first, sizeof first, "%s", run(f, A, "answer $$")->result);
    assert_string_equal(run(f, A, "answer $$")->result, first);
    const struct fake_job *third = run(f, A, "answer $jobs");

    assert_string_equal(third->result, "1");
    assert_null(strstr(fake_log(&f->broker), "executor_died"));
}

static void executor_that_has_grown_is_replaced(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "recycle_memory = 64M");
    (void)fclose(file);
    start_agent(f);

    assert_string_equal(run(f, A, "answer $jobs")->result, "1");
    assert_string_equal(run(f, A,
                            "big=$(head -c 90000000 /dev/zero | tr '\\0' x);"
                            "answer $jobs")
                            ->result,
                        "2");

    assert_string_equal(run(f, A, "answer $jobs")->result, "1");
}

/* Sixty jobs of six keys on three executors: of each key in order, on one process. */
static void jobs_of_one_key_run_in_order_on_one_executor(void **state)
{
    enum { KEYS = 6, EACH = 10 };
    struct fixture *f = *state;
    static struct fake_job *jobs[EACH * KEYS];
    int64_t pids[KEYS] = {0};
    int given = 0;
    FILE *file = fopen(f->broker.config, "we");
    add_pool(f, file, "a", "partitions = 3");
    (void)fclose(file);
    start_agent(f);
    fake_until(&f->broker, f->broker.slots == 6);

    for (int ended = 0; ended < EACH * KEYS; ended++) {
        for (; given < EACH * KEYS && given < ended + 6; given++) {
            char key[16];
            struct gg_assign more;
            gg_record_default(GG_RECORD_ASSIGN, &more);
            (void)snprintf(key, sizeof key, "key-%d", given / 2 % KEYS);
            more.pool = A;
            more.key = gg_slice_text(key);
            jobs[given] = fake_assign(&f->broker, "sleep 0.0$((RANDOM % 3)); answer $$",
                                      &more);
        }
        fake_until(&f->broker, jobs[ended]->outcomes > 0);
        int64_t pid = strtol(jobs[ended]->result, NULL, 10);
        int key = ended / 2 % KEYS;
        assert_true(pids[key] == 0 || pids[key] == pid);
        pids[key] = pid;
    }
    for (int i = 0; i + 1 < EACH * KEYS; i += 2) { /* Both of one key. */
        assert_true(jobs[i]->ended_ms <= jobs[i + 1]->ended_ms);
    }
}

static void bad_file_is_refused_with_78(void **state)
{
    struct fixture *f = *state;
    char command[512];
    FILE *file = fopen(f->broker.config, "we");
    (void)fprintf(file, "[pool a]\nqueues = x\nprogram = p\ncolour = red\n");
    (void)fclose(file);
    (void)snprintf(command, sizeof command, "%s/ganger-worker --config %s 2>&1",
                   getenv("GG_BIN_DIR"), f->broker.config);

    FILE *out = popen(command, "r");
    char said[512] = "";
    assert_non_null(fgets(said, sizeof said, out));

    assert_int_equal(WEXITSTATUS(pclose(out)), 78);
    assert_non_null(strstr(said, ":4: there is no setting 'colour'"));
}

/* ---- programs ---- */

/* An agent whose pool A runs its payload as a script of the shell. */
static void start_shells(struct fixture *f, const char *more)
{
    FILE *file = fopen(f->broker.config, "we");
    assert_non_null(file);
    (void)fprintf(file, "[pool a]\nqueues = a\nprogram = sh\n%s\n", more);
    (void)fclose(file);
    start_agent(f);
}

static void programs_beyond_the_size_wait_and_can_be_had_back(void **state)
{
    struct fixture *f = *state;
    start_shells(f, "size = 1\nbatch = 3");
    fake_until(&f->broker, f->broker.slots == 3);

    const struct fake_job *first = assign(f, A, "while :; do sleep 0.02; done");
    const struct fake_job *second = assign(f, A, "echo second");
    const struct fake_job *third = assign(f, A, "echo third");
    fake_until(&f->broker, first->started);
    fake_stop(&f->broker, second, GG_STOP_WITHDRAWN, 0);
    fake_until(&f->broker, second->outcomes > 0);
    assert_false(third->started);
    fake_stop(&f->broker, first, GG_STOP_CANCELLED, 100);

    fake_until(&f->broker, first->outcomes > 0 && third->outcomes > 0);
    assert_int_equal(second->kind, GG_OUTCOME_HANDED_BACK);
    assert_true(second->never_started);
    assert_int_equal(first->kind, GG_OUTCOME_CANCELLED);
    assert_string_equal(third->result, "third\n");
}

/* A name, and a list of rights that all files made in the folder would get. */
#define GIVE_ATTRIBUTES                                                                \
    "python3 -c 'import os, struct\n"                                                  \
    "os.setxattr(os.environ[\"TMPDIR\"], \"user.left\", b\"behind\")\n"                \
    "rights = ((1, 7, -1), (2, 7, 65534), (4, 0, -1), (16, 7, -1), (32, 0, -1))\n"     \
    "os.setxattr(os.environ[\"TMPDIR\"], \"system.posix_acl_default\",\n"              \
    " struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHi\", *r) for r in rights))'"
#define COUNT_ATTRIBUTES                                                               \
    "python3 -c 'import os\n"                                                          \
    "print(len([a for a in os.listxattr(os.environ[\"TMPDIR\"])\n"                     \
    "           if not a.startswith(\"security.\")]))'"

/* An empty folder serves again; whatever has been done to it, nobody finds it so. */
static void folder_of_a_program_is_as_if_new(void **state)
{
    struct fixture *f = *state;
    static const char *const misdeeds[] = {"touch $TMPDIR/a",
                                           "mkdir -p $TMPDIR/b/c",
                                           "chmod 777 $TMPDIR",
                                           "rmdir $TMPDIR",
                                           "rmdir $TMPDIR && ln -s /tmp $TMPDIR",
                                           "rmdir $TMPDIR && touch $TMPDIR",
                                           GIVE_ATTRIBUTES};
    start_shells(f, "size = 1");
    const struct fake_job *one = run(f, A, "printf %s $TMPDIR");
    const struct fake_job *two = run(f, A, "printf %s $TMPDIR");
    assert_int_equal(one->kind, GG_OUTCOME_SUCCEEDED);
    assert_string_equal(one->result, two->result);

    for (size_t i = 0; i < sizeof misdeeds / sizeof misdeeds[0]; i++) {
        (void)run(f, A, misdeeds[i]);
        const struct fake_job *next = run(
            f, A, "stat -c %F,%a $TMPDIR; ls -A $TMPDIR; " COUNT_ATTRIBUTES);
        assert_string_equal(next->result, "directory,700\n0\n");
    }

    const struct fake_job *last = run(f, A, "printf %s $TMPDIR");
    fake_until(&f->broker, access(last->result, F_OK) != 0); /* Soon it is gone. */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategy_and_class_say_what_is_restarted),
        TEST(job_that_kills_its_executor_harms_none_of_ten_others),
        TEST(crash_loop_closes_its_own_pool_and_names_the_cause),
        TEST(overflow_starts_with_work_and_goes_again),
        TEST(jobs_that_wait_beside_their_executor_are_jobs_of_their_own),
        TEST(executor_is_replaced_after_its_jobs),
        TEST(executor_that_has_grown_is_replaced),
        TEST(jobs_of_one_key_run_in_order_on_one_executor),
        TEST(programs_beyond_the_size_wait_and_can_be_had_back),
        TEST(folder_of_a_program_is_as_if_new),
        TEST(bad_file_is_refused_with_78),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
