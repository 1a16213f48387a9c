/* pools.h - the pools of an agent as they are configured: one table, one file.
 *
 *   name = build-host                 # of the agent; also broker, key_file, grace, ...
 *   [group media]
 *   strategy = rest_for_one
 *   [pool encode]
 *   queues = video.* audio.*
 *   coprocess = python3 encode.py --fast
 *   size = 4
 *   group = media
 *
 * The order of the file is the order of the pools. What a pool asks for that cannot be
 * had together is refused here, by name.
 */
#ifndef GG_WORKER_POOLS_H
#define GG_WORKER_POOLS_H

#include <stdio.h>

#include "common/settings.h"
#include "worker/exec/cage.h"
#include "worker/source_settings.h"
#include "worker/sup/sup.h"

enum {
    GG_WORKER_QUEUES_MAX = 64,
    GG_POOL_WORDS_MAX = 500, /* Words of a command. */
    GG_POOL_VARIABLES_MAX = 64,
    GG_NAME_BYTES = 65,
};

/* How a pool runs its jobs. */
enum gg_pool_kind {
    GG_POOL_PROGRAM = 1, /* A program per attempt. */
    GG_POOL_COPROCESS,
    GG_POOL_HANDLER, /* In C. */
    GG_POOL_NOOP,    /* The built-in handler that does nothing. */
};

struct gg_pool_settings {
    char name[GG_NAME_BYTES];
    bool given; /* Said in the file, and not only named. */

    /* From the table; texts are owned. */
    bool enabled;
    char *queues;
    char *realm;
    char *program;
    char *coprocess;
    char *handler;
    char *builtin;
    uint64_t size;
    uint64_t overflow;
    uint64_t overflow_idle_ms;
    uint64_t batch;
    char *order;
    char *restart;
    uint64_t max_restarts;
    uint64_t max_seconds;
    uint64_t backoff_ms_min;
    uint64_t backoff_ms_max;
    uint64_t shutdown_ms;
    char *group;
    uint64_t recycle_jobs;
    uint64_t recycle_bytes;
    uint64_t recycle_ms;
    uint64_t partitions;
    char *environment;
    bool clean_environment;
    bool no_new_privileges;
    char *user;
    char *user_group;
    uint64_t nice;
    char *io_priority;
    uint64_t limit_memory_bytes;
    uint64_t limit_cpu_ms;
    uint64_t limit_files;
    uint64_t limit_processes;
    uint64_t limit_output_bytes;
    uint64_t cgroup_memory_bytes;
    uint64_t cgroup_pids;
    char *sources;

    /* Worked out by gg_pool_settings_check(). */
    enum gg_pool_kind kind;
    uint32_t queue_count;
    char *queue_list[GG_WORKER_QUEUES_MAX + 1]; /* Ended by NULL; into `queue_text`. */
    char *queue_text;
    char *words[GG_POOL_WORDS_MAX + 1]; /* Of the command; ended by NULL. */
    char *word_text;
    char *variables[GG_POOL_VARIABLES_MAX + 1]; /* Ended by NULL. */
    char *variable_text;
    struct gg_sup_config sup;
    struct gg_cage cage; /* But for where its cgroup is: that is the agent's to find. */

    /* Its sources in order, owned; found in the file by gg_worker_file_check(). */
    struct gg_source_settings *source_list;
    uint32_t source_count;
};

extern const struct gg_setting gg_pool_settings_table[];

/* A pool with every setting at its default. */
GG_MUST_USE enum gg_err gg_pool_settings_init(struct gg_pool_settings *pool,
                                              const char *name);
void gg_pool_settings_fini(struct gg_pool_settings *pool);

/* One setting; lists that are said again grow. GG_ERR_CONFIG: *out_fault says why. */
GG_MUST_USE enum gg_err gg_pool_settings_set(struct gg_pool_settings *pool,
                                             const char *name, const char *value,
                                             struct gg_settings_fault *out_fault);

/* Take settings from `text`, lines of "name = value" without a section. GG_ERR_CONFIG:
 * *out_fault says what is wrong. */
GG_MUST_USE enum gg_err gg_pool_settings_define(struct gg_pool_settings *pool,
                                                const char *text,
                                                struct gg_settings_fault *out_fault);

/* Work out what follows from the settings. GG_ERR_CONFIG: they do not go together;
 * *out_fault says which. May be called again after a change. */
GG_MUST_USE enum gg_err gg_pool_settings_check(struct gg_pool_settings *pool,
                                               struct gg_settings_fault *out_fault);

/* A copy that stands alone. */
GG_MUST_USE enum gg_err gg_pool_settings_copy(const struct gg_pool_settings *from,
                                              struct gg_pool_settings *out);

/* Copies of these sources, in place of those it has. */
GG_MUST_USE enum gg_err gg_pool_settings_give_sources(
    struct gg_pool_settings *pool, const struct gg_source_settings *const *list,
    uint32_t count);

/* Do both ask for the same, but for the size? */
bool gg_pool_settings_equal(const struct gg_pool_settings *a,
                            const struct gg_pool_settings *b);

struct gg_group_settings {
    char name[GG_NAME_BYTES];
    enum gg_strategy strategy;
};

/* A whole file. Texts of the agent are NULL where it does not say. */
struct gg_worker_file {
    char *name;
    char *broker;
    char *agent_endpoint;
    char *key_file;
    char *server_key;
    uint64_t grace_ms;
    uint64_t margin_ms;
    char *save_file;
    bool remote_pools;
    uint32_t pool_count;
    uint32_t group_count;
    struct gg_pool_settings pools[GG_SUP_POOLS_MAX];
    struct gg_group_settings groups[GG_SUP_POOLS_MAX];
    uint32_t source_count;
    struct gg_source_settings sources[GG_SUP_POOLS_MAX];
};

extern const struct gg_setting gg_worker_file_table[];

/* Read `path`, and check every pool. GG_ERR_CONFIG: *out_fault says what and where; the
 * file is then to be freed like one that was read. */
GG_MUST_USE enum gg_err gg_worker_file_load(const char *path,
                                            struct gg_worker_file *out,
                                            struct gg_settings_fault *out_fault);

/* The same of an open file, that messages call `path`. */
GG_MUST_USE enum gg_err gg_worker_file_read(FILE *file, const char *path,
                                            struct gg_worker_file *out,
                                            struct gg_settings_fault *out_fault);

/* The pool of that name; NULL: none. */
struct gg_pool_settings *gg_worker_file_find(struct gg_worker_file *file,
                                             const char *name);

/* Check a pool, let it join the group that it names, and find its sources. */
GG_MUST_USE enum gg_err gg_worker_file_check(const struct gg_worker_file *file,
                                             struct gg_pool_settings *pool,
                                             struct gg_settings_fault *out_fault);

void gg_worker_file_fini(struct gg_worker_file *file);

/* Write the tables as an example. */
void gg_worker_file_print(FILE *to);

#endif
