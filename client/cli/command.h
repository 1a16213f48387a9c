/* command.h - every command of the command line, in one table.
 *
 * To add one: a row in command.c and a handler in the file of its noun. The parser, the
 * help, the completion and "did you mean" follow from the row.
 */
#ifndef GG_CLIENT_CLI_COMMAND_H
#define GG_CLIENT_CLI_COMMAND_H

#include <ganger/client.h>
#include <stddef.h>

#include "client/cli/option.h"

/* One call: what was typed, parsed, and the connection once there is one. */
struct gg_call {
    const struct gg_command *command;
    struct gg_options options;
    char **words; /* All that is no option; owned. */
    char **args;  /* Of these, those behind the command's own; ends with NULL. */
    size_t arg_count;
    ganger *broker;
};

/* Do it; returns the exit status. */
typedef int gg_command_fn(struct gg_call *call);

enum gg_command_group {
    GG_GROUP_DAILY = 1, /* Shortcuts for daily work. */
    GG_GROUP_FLEET,
    GG_GROUP_NOUN,
    GG_GROUP_TOOL
};

/* Bits for the formats that a command can write. */
#define GG_FORMAT_BIT(format) (1U << (format))
enum {
    GG_WRITES_LIST = 1 << GG_FORMAT_TABLE | 1 << GG_FORMAT_WIDE | 1 << GG_FORMAT_JSON |
                     1 << GG_FORMAT_JSONL,
    GG_WRITES_IDS = GG_WRITES_LIST | 1 << GG_FORMAT_ID,
    GG_WRITES_JSON = 1 << GG_FORMAT_JSON,
    GG_WRITES_PROM = 1 << GG_FORMAT_PROM,
};

struct gg_command {
    const char *noun;
    const char *verb; /* NULL: a shortcut, one word. */
    const char *args; /* As in the usage line. */
    size_t args_min;
    size_t args_max;
    unsigned sets;
    unsigned formats;
    enum gg_command_group group;
    gg_command_fn *run;
    const char *help; /* One line. */
    const char *more; /* NULL, or what else there is to know. */
};

extern const struct gg_command gg_command_table[];
extern const size_t gg_command_count;

/* The command that `words` begin with; *out_used is 1 or 2. NULL: there is none. */
const struct gg_command *gg_command_find(char **words, size_t count, size_t *out_used);

/* Handlers, each in the file of its noun. */
gg_command_fn gg_submit_run;
gg_command_fn gg_submit_and_wait;
gg_command_fn gg_job_status, gg_job_result, gg_job_wait, gg_job_why, gg_job_history,
    gg_job_logs, gg_job_list;
gg_command_fn gg_act_cancel, gg_act_retry;
gg_command_fn gg_queue_list, gg_queue_show, gg_queue_pause, gg_queue_resume,
    gg_queue_purge;
gg_command_fn gg_worker_list, gg_worker_show, gg_worker_tree;
gg_command_fn gg_pool_list;
gg_command_fn gg_steer_quiet, gg_steer_resume, gg_steer_stop, gg_steer_restart,
    gg_steer_scale, gg_steer_add, gg_steer_remove, gg_steer_release;
gg_command_fn gg_events_follow;
gg_command_fn gg_stats_show;
gg_command_fn gg_broker_show, gg_broker_backup, gg_broker_restore;
gg_command_fn gg_doctor_run, gg_doctor_folder;
gg_command_fn gg_key_new, gg_key_list, gg_key_allow, gg_key_revoke;
gg_command_fn gg_bench_run;
gg_command_fn gg_dev_run;
gg_command_fn gg_help_run;
gg_command_fn gg_completion_run;

#endif
