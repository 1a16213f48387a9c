/* it_cage.c - limits of jobs: each is there, and bad jobs end with their true reason.
 *
 * What only root, or a writable cgroup, can have is left out where it is not there, and
 * said so.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/worker/fake_broker.h"

#include <cmocka.h>

/* An agent with one pool that runs its payloads as scripts, under `limits`, and one
 * without any. */
static void start_agent(struct fake_broker *broker, const char *limits)
{
    const char *const arguments[] = {"--config", broker->config, "--grace", "2s", NULL};
    FILE *file = fopen(broker->config, "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "[pool caged]\nqueues = caged\nsize = 4\n"
                  "program = bash -c 'eval \"$(cat)\"' job\n%s\n"
                  "[pool free]\nqueues = free\nsize = 4\n"
                  "program = bash -c 'eval \"$(cat)\"' job\n",
                  limits);
    (void)fclose(file);
    fake_start_agent(broker, arguments);
}

static struct fake_job *assign(struct fake_broker *broker, uint64_t pool,
                               const char *script)
{
    struct gg_assign more;
    gg_record_default(GG_RECORD_ASSIGN, &more);
    more.pool = pool;
    return fake_assign(broker, script, &more);
}

static struct fake_job *run(struct fake_broker *broker, const char *script)
{
    struct fake_job *job = assign(broker, 1, script);
    fake_until(broker, job->outcomes > 0);
    return job;
}

static bool is_root(void)
{
    if (geteuid() != 0) {
        print_message("left out: only root can do this\n");
    }
    return geteuid() == 0;
}

/* May cgroups be made here? As the agent finds out: by trying. */
static bool has_cgroups(struct fake_broker *broker)
{
    char command[600];
    FILE *file = fopen(broker->config, "we");
    (void)fprintf(file, "[pool a]\nqueues = a\nprogram = true\ncgroup_pids = 10\n");
    (void)fclose(file);
    (void)snprintf(command, sizeof command,
                   "timeout -s TERM 1 %s/ganger-worker --config %s --grace 0 --broker "
                   "tcp://127.0.0.1:9 2>&1 | grep -q agent_started",
                   getenv("GG_BIN_DIR"), broker->config);
    FILE *out = popen(command, "r");
    bool has = pclose(out) == 0;
    if (!has) {
        print_message("left out: no cgroup with memory and pids may be written here\n");
    }
    return has;
}

/* ---- limits are there ---- */

static void limits_are_set_in_the_job(void **state)
{
    struct fake_broker *broker = *state;
    start_agent(broker, "limit_memory = 512M\nlimit_cpu = 7s\nlimit_files = 50\n"
                        "limit_output = 2M\nnice = 5\nio_priority = best-effort:6\n"
                        "no_new_privileges = yes\n");

    const struct fake_job *job = run(
        broker, "echo $(ulimit -v) $(ulimit -t) $(ulimit -n) $(ulimit -f) $(nice) "
                "$(grep NoNewPrivs /proc/self/status)");

    assert_string_equal(job->result, "524288 7 50 2048 5 NoNewPrivs: 1\n");
}

static void environment_can_be_clean_and_added_to(void **state)
{
    struct fake_broker *broker = *state;
    (void)setenv("IT_CAGE_SECRET", "x", 1);
    start_agent(broker,
                "clean_environment = yes\nenvironment = COLOUR=red 'TWO=a b'\n");

    const struct fake_job *job = run(broker,
                                     "echo $COLOUR, $TWO, ${IT_CAGE_SECRET-none}, "
                                     "${HOME-none}, $GANGER_QUEUE, ${PATH:+path}");
    struct fake_job *other = assign(broker, 2, "echo $IT_CAGE_SECRET");
    fake_until(broker, other->outcomes > 0);

    assert_string_equal(job->result, "red, a b, none, none, reports, path\n");
    assert_string_equal(other->result, "x\n");
}

static void only_the_own_descriptors_are_open(void **state)
{
    struct fake_broker *broker = *state;
    start_agent(broker, "");

    const struct fake_job *job = run(broker, "exec ls /proc/$$/fd");

    assert_string_equal(job->result, "0\n1\n2\n3\n4\n"); /* 4 is the folder ls reads. */
}

static void user_is_another_one_with_a_folder_of_its_own(void **state)
{
    struct fake_broker *broker = *state;
    if (!is_root()) {
        return;
    }
    start_agent(broker, "user = nobody\nlimit_processes = 40\n");

    const struct fake_job *job = run(
        broker, "id -un; id -G | wc -w; echo x >$TMPDIR/x && cat $TMPDIR/x; ulimit -u;"
                "kill -9 $PPID 2>/dev/null || echo spared");

    assert_string_equal(job->result, "nobody\n1\nx\n40\nspared\n");
}

/* ---- what cannot be had is refused, by name ---- */

static void assert_refused(struct fake_broker *broker, const char *setting,
                           const char *why)
{
    char command[512];
    char said[1024] = "";
    FILE *file = fopen(broker->config, "we");
    (void)fprintf(file, "[pool a]\nqueues = a\nprogram = true\n%s\n", setting);
    (void)fclose(file);
    (void)snprintf(command, sizeof command, "%s/ganger-worker --config %s 2>&1",
                   getenv("GG_BIN_DIR"), broker->config);
    FILE *out = popen(command, "r");
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    assert_int_equal(WEXITSTATUS(pclose(out)), 78);
    if (strstr(said, why) == NULL) {
        fail_msg("not about \"%s\": %s", why, said);
    }
}

static void what_the_system_does_not_allow_is_refused(void **state)
{
    struct fake_broker *broker = *state;

    assert_refused(broker, "user = no-such-user",
                   "user: there is none called no-such-user");
    assert_refused(broker, "user_group = nogroup", "user_group: say user too");
    assert_refused(broker, "io_priority = realtime",
                   "io_priority: idle or best-effort");
    assert_refused(broker, "limit_files = 5", "limit_files");
    assert_refused(broker, "nice = 20", "nice: 20 is out of bounds");
    assert_refused(broker, "environment = novalue", "environment: not NAME=value");
    if (geteuid() == 0) {
        assert_refused(broker, "limit_processes = 10", "root is not held to it");
    } else {
        assert_refused(broker, "user = root", "only root can run jobs as another user");
    }
}

/* ---- the zoo ---- */

/* How many entries a folder has. */
static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *folder = opendir(path);
    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return count;
}

/* What the agent holds: descriptors, and its own memory in pages. */
struct holding {
    size_t descriptors;
    unsigned long pages;
};

static struct holding look_at(pid_t agent)
{
    struct holding holding = {0};
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)agent);
    holding.descriptors = entries(path);
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)agent);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %lu", &holding.pages), 1);
    (void)fclose(file);
    return holding;
}

static const struct animal {
    const char *name;
    const char *script;
    enum gg_outcome kind;
    uint64_t signal;
    const char *text;
} zoo[] = {
    {"memory eater", "x=$(head -c 400000000 /dev/zero | tr '\\0' x)", GG_OUTCOME_FAILED,
     0, "cannot allocate"},
    {"eats CPU", "while :; do :; done", GG_OUTCOME_CRASHED, SIGXCPU, "SIGXCPU"},
    {"leaks descriptors",
     "for i in $(seq 200); do eval \"exec $((i + 10))</dev/null\" || exit 9; done",
     GG_OUTCOME_FAILED, 0, "Bad file descriptor"},
    {"fills its folder", "head -c 90000000 /dev/zero >$TMPDIR/big; exit $?",
     GG_OUTCOME_FAILED, 0, "File size limit"},
    {"daemonised grandchild",
     "setsid sleep 6030 </dev/null >/dev/null 2>&1 3>&- & "
     "disown; exit 0",
     GG_OUTCOME_SUCCEEDED, 0, ""},
    {"floods its output", "yes", GG_OUTCOME_FAILED, 0, "result_bytes_max"},
    {"floods its log", "yes >&2 & sleep 0.2; kill $!; exit 4", GG_OUTCOME_FAILED, 0,
     "exit status 4"},
};

static void zoo_ends_with_true_reasons_beside_200_good_jobs(void **state)
{
    enum { GOOD = 200, AHEAD = 4, ZOO = sizeof zoo / sizeof zoo[0] };
    struct fake_broker *broker = *state;
    static struct fake_job *good[GOOD];
    struct fake_job *bad[ZOO];
    int given = 0;
    broker->welcome.result_bytes_max = 1 << 20;
    start_agent(broker, "limit_memory = 200M\nlimit_cpu = 1s\nlimit_files = 64\n"
                        "limit_output = 1M\n");
    assert_int_equal(run(broker, "true")->kind, GG_OUTCOME_SUCCEEDED);
    struct holding before = look_at(broker->agent);

    for (int i = 0; i < ZOO; i++) {
        bad[i] = assign(broker, 1, zoo[i].script);
        while (bad[i]->outcomes == 0 || (i == ZOO - 1 && given < GOOD)) {
            while (given < GOOD &&
                   (given < AHEAD || good[given - AHEAD]->outcomes > 0)) {
                good[given++] = assign(broker, 2, "echo good");
            }
            fake_turn(broker, 20);
        }
    }

    for (int i = 0; i < ZOO; i++) {
        if (bad[i]->kind != zoo[i].kind || bad[i]->signal != zoo[i].signal ||
            strstr(bad[i]->text, zoo[i].text) == NULL) {
            fail_msg("%s: outcome %d, signal %d, \"%s\"", zoo[i].name,
                     (int)bad[i]->kind, (int)bad[i]->signal, bad[i]->text);
        }
    }
    for (int i = 0; i < GOOD; i++) {
        fake_until(broker, good[i]->outcomes > 0);
        assert_int_equal(good[i]->kind, GG_OUTCOME_SUCCEEDED);
    }
    fake_until(broker, fake_count_processes("6030") == 0);
    fake_until(broker, look_at(broker->agent).descriptors == before.descriptors);
#ifndef __SANITIZE_ADDRESS__
    assert_true(look_at(broker->agent).pages < before.pages + 2048);
#endif
}

/* With a cgroup, or as a user of its own: else the whole machine would be its prey. */
static void fork_bomb_is_held_and_all_of_it_killed(void **state)
{
    struct fake_broker *broker = *state;
    static const char bomb[] = "b() { b | b & }; b 2>/dev/null; sleep 6031; b";
    struct gg_assign more;
    gg_record_default(GG_RECORD_ASSIGN, &more);
    more.run_timeout_ms = 1500;
    more.pool = 1;
    if (has_cgroups(broker)) {
        start_agent(broker, "cgroup_pids = 30\n");
    } else if (is_root()) {
        start_agent(broker, "user = games\nlimit_processes = 30\n");
    } else {
        return;
    }

    struct fake_job *job = fake_assign(broker, bomb, &more);
    struct fake_job *good[20];
    for (int i = 0; i < 20; i++) {
        good[i] = assign(broker, 2, "echo good");
        fake_until(broker, good[i]->outcomes > 0);
        assert_int_equal(good[i]->kind, GG_OUTCOME_SUCCEEDED);
    }
    fake_until(broker, job->outcomes > 0);

    assert_int_equal(job->kind, GG_OUTCOME_TIMED_OUT);
    fake_until(broker, fake_count_processes("6031") == 0);
}

static void cgroup_bounds_memory_of_all_that_a_job_forks(void **state)
{
    struct fake_broker *broker = *state;
    if (!has_cgroups(broker)) {
        return;
    }
    start_agent(broker, "cgroup_memory = 64M\n");

    const struct fake_job *eater = run(
        broker, "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}");
    const struct fake_job *good = run(broker, "echo good");

    assert_int_equal(eater->kind, GG_OUTCOME_CRASHED);
    assert_non_null(strstr(eater->text, "memory limit of 67108864 bytes"));
    assert_string_equal(good->result, "good\n");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(limits_are_set_in_the_job),
        TEST(environment_can_be_clean_and_added_to),
        TEST(only_the_own_descriptors_are_open),
        TEST(user_is_another_one_with_a_folder_of_its_own),
        TEST(what_the_system_does_not_allow_is_refused),
        TEST(zoo_ends_with_true_reasons_beside_200_good_jobs),
        TEST(fork_bomb_is_held_and_all_of_it_killed),
        TEST(cgroup_bounds_memory_of_all_that_a_job_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
