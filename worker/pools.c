#include "worker/pools.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/ini.h"
#include "common/name.h"
#include "worker/attempts.h"
#include "worker/words.h"

enum { FILES_MIN = 16 };

#define AT(member) offsetof(struct gg_pool_settings, member)

/* clang-format off */
const struct gg_setting gg_pool_settings_table[] = {
    {"enabled", GG_SETTING_BOOL, "yes", 0, 0, AT(enabled),
     "no: known by its name only, until it is added with `ganger pool add`."},
    {"queues", GG_SETTING_TEXT, NULL, 0, 0, AT(queues),
     "Names or patterns of the queues it takes jobs from, by blanks; may be said "
     "again for more."},
    {"realm", GG_SETTING_TEXT, NULL, 0, 0, AT(realm),
     "Realm of the queues; without it: default."},
    {"program", GG_SETTING_TEXT, NULL, 0, 0, AT(program),
     "Run this program for each attempt; words as in a shell, with quotes, and "
     "nothing else of one."},
    {"coprocess", GG_SETTING_TEXT, NULL, 0, 0, AT(coprocess),
     "Run this program once for each executor; it takes job after job as framed "
     "lines (COPROCESS.md)."},
    {"handler", GG_SETTING_TEXT, NULL, 0, 0, AT(handler),
     "Run this C handler, a shared object, in executors that stay."},
    {"builtin", GG_SETTING_TEXT, NULL, 0, 0, AT(builtin),
     "Run a built-in handler: noop gives the payload back."},
    {"size", GG_SETTING_NUMBER, "1", 0, GG_WORKER_SLOTS_MAX, AT(size),
     "Jobs at once; executors that stay are started ahead."},
    {"overflow", GG_SETTING_NUMBER, "0", 0, GG_WORKER_SLOTS_MAX, AT(overflow),
     "Executors beyond size, started while jobs wait for one."},
    {"overflow_idle", GG_SETTING_DURATION, "10s", 0, GG_YEAR_MS, AT(overflow_idle_ms),
     "An executor beyond size ends when it has been idle for this long."},
    {"batch", GG_SETTING_NUMBER, "1", 1, 64, AT(batch),
     "Jobs that an executor, or each place for a program, has in hand: one after "
     "another, and what waits is nobody else's. More than 1 saves short jobs a trip."},
    {"order", GG_SETTING_TEXT, "lifo", 0, 0, AT(order),
     "Which idle executor gets the next job: lifo the one used last, fifo the one "
     "idle for longest."},
    {"restart", GG_SETTING_TEXT, "permanent", 0, 0, AT(restart),
     "Executors that end by themselves are replaced: permanent always, transient "
     "unless with status 0, temporary never."},
    {"max_restarts", GG_SETTING_NUMBER, "3", 0, GG_RESTARTS_MAX, AT(max_restarts),
     "More restarts than this in max_seconds close the pool; a death with a job in "
     "hand does not count."},
    {"max_seconds", GG_SETTING_NUMBER, "5", 1, 86400, AT(max_seconds),
     "The time in which restarts are counted."},
    {"backoff_min", GG_SETTING_DURATION, "1s", 10, GG_DAY_MS, AT(backoff_ms_min),
     "A closed pool opens again after this long; each further close doubles it."},
    {"backoff_max", GG_SETTING_DURATION, "60s", 10, GG_DAY_MS, AT(backoff_ms_max),
     "The longest time that a pool stays closed before it is tried again."},
    {"shutdown", GG_SETTING_DURATION, "25s", 0, GG_DAY_MS, AT(shutdown_ms),
     "From TERM to KILL where an executor is stopped; 0: KILL at once."},
    {"group", GG_SETTING_TEXT, NULL, 0, 0, AT(group),
     "Group of pools that it belongs to; the group has the strategy."},
    {"recycle_jobs", GG_SETTING_NUMBER, "0", 0, UINT32_MAX, AT(recycle_jobs),
     "Replace an executor after so many jobs; 0: never."},
    {"recycle_memory", GG_SETTING_BYTES, "0", 0, UINT64_MAX, AT(recycle_bytes),
     "Replace an executor that holds so much memory after a job; 0: never."},
    {"recycle_after", GG_SETTING_DURATION, "0", 0, GG_YEAR_MS, AT(recycle_ms),
     "Replace an executor, once idle, after this long; 0: never."},
    {"partitions", GG_SETTING_NUMBER, "0", 0, GG_WORKER_SLOTS_MAX / 2, AT(partitions),
     "So many executors, each for the jobs whose keys fall to it: jobs of one key run "
     "one after another, in order, within this agent; takes the place of size."},
    {"environment", GG_SETTING_TEXT, NULL, 0, 0, AT(environment),
     "Variables for its processes, as NAME=value words; may be said again for more."},
    {"clean_environment", GG_SETTING_BOOL, "no", 0, 0, AT(clean_environment),
     "Pass on nothing of the agent's own environment but PATH, TZ, TERM and the "
     "language."},
    {"no_new_privileges", GG_SETTING_BOOL, "no", 0, 0, AT(no_new_privileges),
     "No program it runs can gain rights, by setuid or otherwise."},
    {"user", GG_SETTING_TEXT, NULL, 0, 0, AT(user),
     "Run its processes as this user; only an agent that is root can."},
    {"user_group", GG_SETTING_TEXT, NULL, 0, 0, AT(user_group),
     "And as this group; without it the user's own."},
    {"nice", GG_SETTING_NUMBER, "0", 0, 19, AT(nice),
     "How much its processes stand back for others on the CPU."},
    {"io_priority", GG_SETTING_TEXT, NULL, 0, 0, AT(io_priority),
     "Of its processes on disks: idle, or best-effort:0 (first) to best-effort:7."},
    {"limit_memory", GG_SETTING_BYTES, "0", 0, UINT64_MAX, AT(limit_memory_bytes),
     "Address space of each process; 0: no limit."},
    {"limit_cpu", GG_SETTING_DURATION, "0", 0, GG_YEAR_MS, AT(limit_cpu_ms),
     "CPU time of each process, in whole seconds: XCPU then, KILL 5 s later; 0: no "
     "limit."},
    {"limit_files", GG_SETTING_NUMBER, "0", 0, UINT32_MAX, AT(limit_files),
     "Open descriptors of each process, 16 at least; 0: the agent's own limit."},
    {"limit_processes", GG_SETTING_NUMBER, "0", 0, UINT32_MAX, AT(limit_processes),
     "Processes of the user it runs as, all together; 0: no limit."},
    {"limit_output", GG_SETTING_BYTES, "0", 0, UINT64_MAX, AT(limit_output_bytes),
     "Largest file that a process may write: XFSZ beyond; 0: no limit."},
    {"cgroup_memory", GG_SETTING_BYTES, "0", 0, UINT64_MAX, AT(cgroup_memory_bytes),
     "Memory of an attempt, or executor, with all that it forks; 0: no limit."},
    {"cgroup_pids", GG_SETTING_NUMBER, "0", 0, UINT32_MAX, AT(cgroup_pids),
     "Processes of an attempt, or executor, at once; 0: no limit."},
    {"sources", GG_SETTING_TEXT, NULL, 0, 0, AT(sources),
     "Names of [source] sections in order: the first healthy one brings the pool's "
     "jobs, those behind it take its place when it fails."},
    {NULL, GG_SETTING_NUMBER, NULL, 0, 0, 0, NULL},
};
/* clang-format on */

/* ---- one pool ---- */

enum gg_err gg_pool_settings_init(struct gg_pool_settings *pool, const char *name)
{
    *pool = (struct gg_pool_settings){.given = false};
    (void)snprintf(pool->name, sizeof pool->name, "%s", name);
    return gg_settings_init(gg_pool_settings_table, pool);
}

static void forget_sources(struct gg_pool_settings *pool)
{
    for (uint32_t i = 0; i < pool->source_count; i++) {
        gg_source_settings_fini(&pool->source_list[i]);
    }
    free(pool->source_list);
    pool->source_list = NULL;
    pool->source_count = 0;
}

enum gg_err gg_pool_settings_give_sources(struct gg_pool_settings *pool,
                                          const struct gg_source_settings *const *list,
                                          uint32_t count)
{
    forget_sources(pool);
    pool->source_list = count == 0 ? NULL : calloc(count, sizeof *pool->source_list);
    if (count > 0 && pool->source_list == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (gg_source_settings_copy(list[i], &pool->source_list[i]) != GG_OK) {
            return GG_ERR_NO_MEMORY;
        }
        pool->source_count++;
    }
    return GG_OK;
}

void gg_pool_settings_fini(struct gg_pool_settings *pool)
{
    forget_sources(pool);
    gg_settings_fini(gg_pool_settings_table, pool);
    free(pool->queue_text);
    free(pool->word_text);
    free(pool->variable_text);
    pool->queue_text = NULL;
    pool->word_text = NULL;
    pool->variable_text = NULL;
}

static char **text_of(const struct gg_setting *row, const struct gg_pool_settings *pool)
{
    return (char **)(void *)((char *)(uintptr_t)pool + row->offset);
}

enum gg_err gg_pool_settings_copy(const struct gg_pool_settings *from,
                                  struct gg_pool_settings *out)
{
    struct gg_settings_fault fault;
    *out = *from;
    out->queue_text = NULL;
    out->word_text = NULL;
    out->variable_text = NULL;
    out->source_list = NULL;
    out->source_count = 0;
    bool whole = true;
    for (const struct gg_setting *row = gg_pool_settings_table; row->name; row++) {
        if (row->kind == GG_SETTING_TEXT && *text_of(row, from) != NULL) {
            *text_of(row, out) = strdup(*text_of(row, from));
            whole = whole && *text_of(row, out) != NULL;
        }
    }
    enum gg_strategy strategy = out->sup.strategy;
    uint32_t group = out->sup.group;
    enum gg_err err = whole ? gg_pool_settings_check(out, &fault) : GG_ERR_NO_MEMORY;
    out->sup.strategy = strategy;
    out->sup.group = group;
    const struct gg_source_settings *sources[GG_SOURCES_MAX];
    for (uint32_t i = 0; i < from->source_count; i++) {
        sources[i] = &from->source_list[i];
    }
    err = err == GG_OK ? gg_pool_settings_give_sources(out, sources, from->source_count)
                       : err;
    if (err != GG_OK) {
        gg_pool_settings_fini(out);
    }
    return err;
}

bool gg_pool_settings_equal(const struct gg_pool_settings *a,
                            const struct gg_pool_settings *b)
{
    for (const struct gg_setting *row = gg_pool_settings_table; row->name; row++) {
        const char *at_a = (const char *)a + row->offset;
        const char *at_b = (const char *)b + row->offset;
        if (row->kind == GG_SETTING_TEXT) {
            const char *one = *text_of(row, a);
            const char *two = *text_of(row, b);
            if ((one == NULL) != (two == NULL) ||
                (one != NULL && strcmp(one, two) != 0)) {
                return false;
            }
        } else if (row->kind == GG_SETTING_BOOL) {
            if (*(const bool *)at_a != *(const bool *)at_b) {
                return false;
            }
        } else if (row->offset != AT(size) &&
                   memcmp(at_a, at_b, sizeof(uint64_t)) != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->source_count; i++) {
        if (b->source_count <= i ||
            !gg_source_settings_equal(&a->source_list[i], &b->source_list[i])) {
            return false;
        }
    }
    return strcmp(a->name, b->name) == 0 && a->sup.strategy == b->sup.strategy &&
           a->source_count == b->source_count;
}

static enum gg_err check_queues(struct gg_pool_settings *pool,
                                struct gg_settings_fault *out_fault)
{
    free(pool->queue_text);
    pool->queue_text = strdup(pool->queues == NULL ? "" : pool->queues);
    if (pool->queue_text == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    if (!gg_words_split(pool->queue_text, pool->queue_list, GG_WORKER_QUEUES_MAX,
                        &pool->queue_count)) {
        return gg_settings_refuse(
            out_fault, "queues: more than 64, or a quote without its end", "");
    }
    for (uint32_t i = 0; i < pool->queue_count; i++) {
        if (!gg_pattern_valid(gg_slice_text(pool->queue_list[i]))) {
            return gg_settings_refuse(
                out_fault,
                "queues: not a name or pattern of a queue: ", pool->queue_list[i]);
        }
    }
    return pool->queue_count > 0
               ? GG_OK
               : gg_settings_refuse(out_fault, "queues: it serves none", "");
}

/* Exactly one way to run a job, and its command as words. */
static enum gg_err check_command(struct gg_pool_settings *pool,
                                 struct gg_settings_fault *out_fault)
{
    const char *texts[] = {pool->program, pool->coprocess, pool->handler,
                           pool->builtin};
    const char *command = NULL;
    uint32_t count = 0;
    for (int i = 0; i < 4; i++) {
        if (texts[i] != NULL) {
            pool->kind = (enum gg_pool_kind)(GG_POOL_PROGRAM + i);
            command = texts[i];
            count++;
        }
    }
    if (count != 1) {
        return gg_settings_refuse(
            out_fault, "say one of program, coprocess, handler and builtin", "");
    }
    if (pool->kind == GG_POOL_NOOP && strcmp(pool->builtin, "noop") != 0) {
        return gg_settings_refuse(out_fault, "builtin: there is only noop, not ",
                                  pool->builtin);
    }
    free(pool->word_text);
    pool->word_text = strdup(command);
    if (pool->word_text == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    if (pool->kind == GG_POOL_HANDLER) {
        pool->words[0] = pool->word_text;
        pool->words[1] = NULL;
        return GG_OK;
    }
    if (!gg_words_split(pool->word_text, pool->words, GG_POOL_WORDS_MAX, &count) ||
        count == 0) {
        return gg_settings_refuse(
            out_fault,
            "the command has more than 500 words, none, or a quote without "
            "its end: ",
            command);
    }
    return GG_OK;
}

/* What only executors that stay can do is refused of others, not ignored. */
static enum gg_err check_stays(const struct gg_pool_settings *pool,
                               struct gg_settings_fault *out_fault)
{
    bool noop = pool->kind == GG_POOL_NOOP;
    bool said = pool->overflow > 0 || (noop && pool->batch > 1) ||
                pool->partitions > 0 || pool->recycle_jobs > 0 ||
                pool->recycle_bytes > 0 || pool->recycle_ms > 0 || pool->sup.fifo ||
                pool->sup.restart != GG_RESTART_PERMANENT;
    return said
               ? gg_settings_refuse(
                     out_fault,
                     noop ? "overflow, batch, order, restart, partitions and recycle_: "
                            "a builtin has no executors"
                          : "overflow, order, restart, partitions and recycle_ are for "
                            "a coprocess or a handler: nothing else stays",
                     "")
               : GG_OK;
}

/* An executor is its partition: none may be missing for good, or have a substitute. */
static enum gg_err check_partitions(struct gg_pool_settings *pool,
                                    struct gg_settings_fault *out_fault)
{
    bool size_said = pool->size != 1 && pool->size != pool->partitions;
    if (size_said || pool->overflow > 0 || pool->sup.fifo ||
        pool->sup.restart != GG_RESTART_PERMANENT) {
        return gg_settings_refuse(
            out_fault,
            "partitions: no size, overflow, order or restart beside it: each "
            "partition has one executor that is always replaced",
            "");
    }
    pool->size = pool->partitions;
    pool->sup.size = (uint32_t)pool->partitions;
    pool->sup.ahead_each = (uint32_t)(pool->batch > 1 ? pool->batch - 1 : 1);
    return GG_OK;
}

static enum gg_err check_sup(struct gg_pool_settings *pool,
                             struct gg_settings_fault *out_fault)
{
    static const char *const orders[] = {"lifo", "fifo", NULL};
    static const char *const restarts[] = {"permanent", "transient", "temporary", NULL};
    int order = gg_word_choice(pool->order, orders);
    int restart = gg_word_choice(pool->restart, restarts);
    if (order < 0) {
        return gg_settings_refuse(out_fault, "order: lifo or fifo, not ", pool->order);
    }
    if (restart < 0) {
        return gg_settings_refuse(out_fault,
                                  "restart: permanent, transient or temporary, not ",
                                  pool->restart);
    }
    if (pool->backoff_ms_max < pool->backoff_ms_min) {
        return gg_settings_refuse(out_fault, "backoff_max is less than backoff_min",
                                  "");
    }
    if (pool->size * pool->batch + pool->overflow > GG_WORKER_SLOTS_MAX) {
        return gg_settings_refuse(
            out_fault, "size, times batch, and overflow: more than 7000", "");
    }
    struct gg_sup_config was = pool->sup;
    pool->sup = (struct gg_sup_config){
        .stays = pool->kind == GG_POOL_COPROCESS || pool->kind == GG_POOL_HANDLER,
        .size = (uint32_t)pool->size,
        .overflow = (uint32_t)pool->overflow,
        .ahead_each = (uint32_t)(pool->batch - 1),
        .overflow_idle_ms = pool->overflow_idle_ms,
        .fifo = order == 1,
        .restart = (enum gg_restart)restart,
        .restarts_max = (uint32_t)pool->max_restarts,
        .window_ms = pool->max_seconds * 1000,
        .backoff_ms_min = pool->backoff_ms_min,
        .backoff_ms_max = pool->backoff_ms_max,
        .recycle_jobs = pool->recycle_jobs,
        .recycle_bytes = pool->recycle_bytes,
        .recycle_ms = pool->recycle_ms,
        .group = was.group,
        .strategy = was.strategy,
    };
    if (!pool->sup.stays) {
        return check_stays(pool, out_fault);
    }
    return pool->partitions > 0 ? check_partitions(pool, out_fault) : GG_OK;
}

static enum gg_err check_variables(struct gg_pool_settings *pool,
                                   struct gg_settings_fault *out_fault)
{
    uint32_t count = 0;
    free(pool->variable_text);
    pool->variable_text = strdup(pool->environment == NULL ? "" : pool->environment);
    if (pool->variable_text == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    if (!gg_words_split(pool->variable_text, pool->variables, GG_POOL_VARIABLES_MAX,
                        &count)) {
        return gg_settings_refuse(
            out_fault, "environment: more than 64, or a quote without its end", "");
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *end = strchr(pool->variables[i], '=');
        if (end == NULL || end == pool->variables[i]) {
            return gg_settings_refuse(
                out_fault, "environment: not NAME=value: ", pool->variables[i]);
        }
    }
    return GG_OK;
}

static enum gg_err find_user(const struct gg_pool_settings *pool, struct gg_cage *cage,
                             struct gg_settings_fault *out_fault)
{
    if (pool->user == NULL) {
        return pool->user_group == NULL
                   ? GG_OK
                   : gg_settings_refuse(out_fault, "user_group: say user too", "");
    }
    const struct passwd *user = getpwnam(pool->user);
    const struct group *group = pool->user_group == NULL ? NULL
                                                         : getgrnam(pool->user_group);
    if (user == NULL) {
        return gg_settings_refuse(out_fault, "user: there is none called ", pool->user);
    }
    if (pool->user_group != NULL && group == NULL) {
        return gg_settings_refuse(out_fault, "user_group: there is none called ",
                                  pool->user_group);
    }
    cage->has_user = true;
    cage->uid = user->pw_uid;
    cage->gid = group == NULL ? user->pw_gid : group->gr_gid;
    return GG_OK;
}

static enum gg_err find_io_priority(const struct gg_pool_settings *pool,
                                    struct gg_cage *cage,
                                    struct gg_settings_fault *out_fault)
{
    static const char word[] = "best-effort:";
    const char *text = pool->io_priority;
    if (text == NULL) {
        return GG_OK;
    }
    if (strcmp(text, "idle") == 0) {
        cage->io_class = 3;
        return GG_OK;
    }
    const char *level = strncmp(text, word, sizeof word - 1) == 0
                            ? text + sizeof word - 1
                            : "";
    if (level[0] < '0' || level[0] > '7' || level[1] != '\0') {
        return gg_settings_refuse(
            out_fault, "io_priority: idle or best-effort:0 to 7, not ", text);
    }
    cage->io_class = 2;
    cage->io_level = (uint32_t)(level[0] - '0');
    return GG_OK;
}

/* Does it say anything about its processes? */
static bool is_caged(const struct gg_pool_settings *pool)
{
    return pool->limit_memory_bytes > 0 || pool->limit_cpu_ms > 0 ||
           pool->limit_files > 0 || pool->limit_processes > 0 ||
           pool->limit_output_bytes > 0 || pool->nice > 0 ||
           pool->cgroup_memory_bytes > 0 || pool->cgroup_pids > 0 ||
           pool->no_new_privileges || pool->clean_environment || pool->user != NULL ||
           pool->io_priority != NULL || pool->environment != NULL;
}

static enum gg_err check_cage(struct gg_pool_settings *pool,
                              struct gg_settings_fault *out_fault)
{
    struct gg_cage cage = {
        .memory_bytes = pool->limit_memory_bytes,
        .cpu_s = (pool->limit_cpu_ms + 999) / 1000,
        .files = pool->limit_files,
        .processes = pool->limit_processes,
        .output_bytes = pool->limit_output_bytes,
        .nice = (int32_t)pool->nice,
        .no_new_privileges = pool->no_new_privileges,
        .clean_environment = pool->clean_environment,
        .cgroup_memory_bytes = pool->cgroup_memory_bytes,
        .cgroup_pids = pool->cgroup_pids,
    };
    if (pool->limit_files > 0 && pool->limit_files < FILES_MIN) {
        return gg_settings_refuse(out_fault, "limit_files: less than 16", "");
    }
    enum gg_err err = find_user(pool, &cage, out_fault);
    err = err == GG_OK ? find_io_priority(pool, &cage, out_fault) : err;
    if (err == GG_OK) {
        err = gg_cage_check(&cage, out_fault->text, sizeof out_fault->text);
    }
    if (err == GG_OK && pool->kind == GG_POOL_NOOP && is_caged(pool)) {
        err = gg_settings_refuse(out_fault,
                                 "builtin: it has no process to put limits on", "");
    }
    pool->cage = cage;
    return err;
}

enum gg_err gg_pool_settings_check(struct gg_pool_settings *pool,
                                   struct gg_settings_fault *out_fault)
{
    enum gg_err err = check_queues(pool, out_fault);
    if (err == GG_OK && pool->realm != NULL &&
        !gg_name_valid(gg_slice_text(pool->realm))) {
        err = gg_settings_refuse(out_fault, "realm: not a name: ", pool->realm);
    }
    err = err == GG_OK ? check_command(pool, out_fault) : err;
    err = err == GG_OK ? check_sup(pool, out_fault) : err;
    err = err == GG_OK ? check_variables(pool, out_fault) : err;
    return err == GG_OK ? check_cage(pool, out_fault) : err;
}

/* ---- from outside ---- */

static bool is_list(const char *name)
{
    static const char *const lists[] = {"queues",      "program", "coprocess",
                                        "environment", "sources", NULL};
    return gg_word_choice(name, lists) >= 0;
}

enum gg_err gg_pool_settings_set(struct gg_pool_settings *pool, const char *name,
                                 const char *value, struct gg_settings_fault *out_fault)
{
    char *joined = NULL;
    for (const struct gg_setting *row = gg_pool_settings_table; row->name; row++) {
        if (strcmp(row->name, name) == 0 && is_list(name) &&
            *text_of(row, pool) != NULL &&
            asprintf(&joined, "%s %s", *text_of(row, pool), value) < 0) {
            return GG_ERR_NO_MEMORY;
        }
    }
    enum gg_err err = gg_settings_set(gg_pool_settings_table, pool, name,
                                      joined == NULL ? value : joined, out_fault);
    free(joined);
    return err;
}

struct defining {
    struct gg_pool_settings *pool;
    struct gg_settings_fault *fault;
    enum gg_err err;
};

/* One line of a definition. */
static bool on_definition(void *ctx, const char *section, const char *name,
                          const char *value)
{
    struct defining *defining = ctx;
    defining->err = section[0] != '\0'
                        ? gg_settings_refuse(defining->fault,
                                             "a definition has no sections: ", section)
                        : gg_pool_settings_set(defining->pool, name, value,
                                               defining->fault);
    return defining->err == GG_OK;
}

enum gg_err gg_pool_settings_define(struct gg_pool_settings *pool, const char *text,
                                    struct gg_settings_fault *out_fault)
{
    struct defining defining = {.pool = pool, .fault = out_fault};
    char *copy = strdup(text);
    FILE *file = copy == NULL ? NULL : fmemopen(copy, strlen(copy) + 1, "r");
    out_fault->text[0] = '\0';
    if (file == NULL) {
        free(copy);
        return GG_ERR_NO_MEMORY;
    }
    int line = gg_ini_read(file, on_definition, &defining);
    (void)fclose(file);
    free(copy);
    if (defining.err != GG_OK) {
        return defining.err;
    }
    return line == 0
               ? GG_OK
               : gg_settings_refuse(out_fault, "a line is not 'name = value'", "");
}
