#include "client/cli/command.h"

#include <string.h>

#define ONE_JOB (GG_SET_GLOBAL | GG_SET_TARGET)
#define MANY    64
#define WAITING                                                                        \
    "Without --wait=D it waits 5 s, then says that the job goes on and exits with 4."
#define BULK                                                                           \
    "With a filter it says first how many jobs fit, and asks; without a terminal it "  \
    "does nothing unless --yes is given."

/* clang-format off */
const struct gg_command gg_command_table[] = {
    {"submit", NULL, "QUEUE [PAYLOAD|@FILE|-]", 1, 2,
     GG_SET_GLOBAL | GG_SET_SUBMIT | GG_SET_LINES | GG_SET_WAIT, GG_WRITES_IDS, GG_GROUP_DAILY,
     gg_submit_run, "Submit a job; print its id and state",
     "The payload is the argument itself, the contents of FILE, or (-) standard input. "
     "Submitting the same --key or --id again makes no second job."},
    {"run", NULL, "QUEUE [PAYLOAD|@FILE|-]", 1, 2,
     GG_SET_GLOBAL | GG_SET_SUBMIT | GG_SET_WAIT | GG_SET_PARTIAL, GG_WRITES_JSON, GG_GROUP_DAILY,
     gg_submit_and_wait, "Submit a job, wait, print its result",
     "Exits with 1, and says the stored error, if the job did not succeed. " WAITING},
    {"status", NULL, "ID...", 0, MANY, ONE_JOB, GG_WRITES_IDS, GG_GROUP_DAILY,
     gg_job_status, "Show a job as it stands", NULL},
    {"result", NULL, "ID", 0, 1, ONE_JOB, GG_WRITES_JSON, GG_GROUP_DAILY,
     gg_job_result, "Print a finished job's result", NULL},
    {"wait", NULL, "ID...", 0, MANY, ONE_JOB | GG_SET_WAIT, GG_WRITES_IDS, GG_GROUP_DAILY,
     gg_job_wait, "Wait for the end of jobs",
     "Exits with 0 if all succeeded, 1 if one did not. " WAITING},
    {"why", NULL, "ID...", 0, MANY, ONE_JOB, GG_WRITES_LIST, GG_GROUP_DAILY,
     gg_job_why, "Say why a job is not running", NULL},
    {"history", NULL, "ID", 0, 1, ONE_JOB, GG_WRITES_LIST, GG_GROUP_DAILY,
     gg_job_history, "Show what happened to a job, attempt by attempt", NULL},
    {"logs", NULL, "ID", 0, 1, ONE_JOB, GG_WRITES_JSON, GG_GROUP_DAILY,
     gg_job_logs, "Print the kept ends of a job's standard error", NULL},
    {"cancel", NULL, "ID...", 0, MANY, ONE_JOB | GG_SET_FILTER | GG_SET_BULK, GG_WRITES_IDS, GG_GROUP_DAILY,
     gg_act_cancel, "Cancel jobs, running ones too", BULK},
    {"retry", NULL, "ID...", 0, MANY, ONE_JOB | GG_SET_FILTER | GG_SET_BULK, GG_WRITES_IDS, GG_GROUP_DAILY,
     gg_act_retry, "Put jobs that did not succeed back in line", BULK},

    {"tree", NULL, "", 0, 0, GG_SET_GLOBAL, GG_WRITES_LIST, GG_GROUP_FLEET,
     gg_worker_tree, "Show agents, their pools and what they run", NULL},
    {"events", NULL, "", 0, 0, GG_SET_GLOBAL | GG_SET_EVENTS, GG_WRITES_LIST, GG_GROUP_FLEET,
     gg_events_follow, "Show what happens, as it happens", "Until interrupted."},
    {"stats", NULL, "", 0, 0, GG_SET_GLOBAL, GG_WRITES_LIST | GG_WRITES_PROM, GG_GROUP_FLEET,
     gg_stats_show, "Show counters and gauges", "-o prom writes Prometheus' text format."},
    {"doctor", NULL, "[DATA-DIR]", 0, 1, GG_SET_GLOBAL | GG_SET_KEYS, GG_WRITES_LIST, GG_GROUP_FLEET,
     gg_doctor_run, "Look for what is wrong, and say what to do",
     "With DATA-DIR it reads everything in a data folder that no broker has open, and says "
     "what is damaged and where. Exits with 1 if a check failed."},

    {"job", "list", "", 0, 0, GG_SET_GLOBAL | GG_SET_FILTER | GG_SET_LIMIT | GG_SET_REALM, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_job_list, "List jobs, oldest first", NULL},
    {"job", "show", "ID...", 0, MANY, ONE_JOB, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_job_status, "Show a job as it stands", NULL},
    {"job", "cancel", "ID...", 0, MANY, ONE_JOB | GG_SET_FILTER | GG_SET_BULK, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_act_cancel, "Cancel jobs, running ones too", BULK},
    {"job", "retry", "ID...", 0, MANY, ONE_JOB | GG_SET_FILTER | GG_SET_BULK, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_act_retry, "Put jobs that did not succeed back in line", BULK},
    {"job", "release", "ID", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_GRACE, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_release, "Stop a job's executor; the job runs again, uncounted", NULL},
    {"queue", "list", "[PATTERN]", 0, 1, GG_SET_GLOBAL | GG_SET_REALM, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_queue_list, "List queues", NULL},
    {"queue", "show", "QUEUE", 1, 1, GG_SET_GLOBAL | GG_SET_REALM, GG_WRITES_LIST, GG_GROUP_NOUN,
     gg_queue_show, "Show a queue", NULL},
    {"queue", "pause", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_REALM | GG_SET_BULK | GG_SET_PAUSE, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_queue_pause, "Start no attempt of these queues any more",
     "It has taken effect when the command returns. A queue that is named in full and not "
     "known yet is made, and said to be new; a pattern makes none."},
    {"queue", "resume", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_REALM | GG_SET_BULK, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_queue_resume, "Let paused queues go on", NULL},
    {"queue", "purge", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_REALM | GG_SET_BULK | GG_SET_FILTER, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_queue_purge, "Forget the waiting jobs of these queues",
     "--filter may name other states: 'state:failed'. It says first how many jobs, and asks."},
    {"worker", "list", "[PATTERN]", 0, 1, GG_SET_GLOBAL, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_worker_list, "List agents", NULL},
    {"worker", "show", "NAME", 1, 1, GG_SET_GLOBAL, GG_WRITES_LIST, GG_GROUP_NOUN,
     gg_worker_show, "Show an agent and what it runs", NULL},
    {"worker", "quiet", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_BULK, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_quiet, "Let agents take no new work; what runs goes on", NULL},
    {"worker", "resume", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_BULK, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_resume, "Let quiet agents take work again", NULL},
    {"worker", "stop", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_GRACE, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_stop, "Drain agents and end them", "As TERM does: what does not end in time goes back."},
    {"worker", "restart", "PATTERN", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_GRACE, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_restart, "Drain agents and start them anew",
     "The same process becomes the program that is in its place by then: a new binary, and "
     "its file of pools read again."},
    {"pool", "list", "[PATTERN]", 0, 1, GG_SET_GLOBAL | GG_SET_AGENT, GG_WRITES_IDS, GG_GROUP_NOUN,
     gg_pool_list, "List the pools of all agents", "PATTERN is over the pools' names."},
    {"pool", "scale", "NAME=N", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_POOL, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_scale, "Give a pool another size", "Idle executors go first; what runs goes on."},
    {"pool", "add", "NAME", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_POOL | GG_SET_DEFINE, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_add, "Begin a pool at run time",
     "One that the agent's file has with enabled = no; or, with --set, a new one, where the "
     "file allows that (remote_pools = yes)."},
    {"pool", "remove", "NAME", 1, 1, GG_SET_GLOBAL | GG_SET_BULK | GG_SET_POOL, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_steer_remove, "Let a pool go at run time", "What runs may end; nothing new begins."},
    {"broker", "status", "", 0, 0, GG_SET_GLOBAL, GG_WRITES_LIST, GG_GROUP_NOUN,
     gg_broker_show, "Show the broker, its store and its limits", NULL},
    {"broker", "backup", "FILE", 1, 1, GG_SET_GLOBAL | GG_SET_REASON, 0, GG_GROUP_NOUN,
     gg_broker_backup, "Copy all that the broker keeps into a new file",
     "The broker writes the file, on its host, as of one moment, and goes on meanwhile."},
    {"broker", "restore", "FILE DATA-DIR", 2, 2, GG_SET_GLOBAL, 0, GG_GROUP_NOUN,
     gg_broker_restore, "Make a data folder from a backup",
     "DATA-DIR is missing or empty. It needs no broker, and gangerd beside this program."},
    {"key", "new", "FILE", 1, 1, GG_SET_GLOBAL, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_key_new, "Make a key pair: FILE and FILE.pub", NULL},
    {"key", "allow", "PUBLIC_KEY|FILE.pub", 1, 1, GG_SET_GLOBAL | GG_SET_KEYS | GG_SET_ALLOW, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_key_allow, "Let a key in, with roles",
     "--name and --role are needed; --realm and --queue take patterns [default, *]. The broker "
     "reads the file again within a second."},
    {"key", "list", "", 0, 0, GG_SET_GLOBAL | GG_SET_KEYS, GG_WRITES_LIST, GG_GROUP_NOUN,
     gg_key_list, "List the keys that are let in", NULL},
    {"key", "revoke", "NAME|PUBLIC_KEY", 1, 1, GG_SET_GLOBAL | GG_SET_KEYS, GG_WRITES_JSON, GG_GROUP_NOUN,
     gg_key_revoke, "Let a key in no more; its sessions are cut within a second", NULL},

    {"dev", NULL, "[-- COMMAND ARG...]", 0, MANY, GG_SET_GLOBAL | GG_SET_DEV, 0, GG_GROUP_TOOL,
     gg_dev_run, "A broker and an agent, to try things out",
     "The broker forgets all when it ends. "
     "COMMAND gets each job's payload on its standard input and writes the result [cat]. "
     "Ctrl-C stops both. The web page is not part of this version."},
    {"bench", NULL, "", 0, 0, GG_SET_GLOBAL | GG_SET_BENCH, GG_WRITES_JSON, GG_GROUP_TOOL,
     gg_bench_run, "Measure jobs a second and the time of a round trip", NULL},
    {"completion", NULL, "bash", 1, 1, GG_SET_GLOBAL, 0, GG_GROUP_TOOL,
     gg_completion_run, "Print the completion for a shell", NULL},
    {"help", NULL, "[COMMAND|errors]", 0, 2, GG_SET_GLOBAL, GG_WRITES_LIST, GG_GROUP_TOOL,
     gg_help_run, "Help on a command, or the table of errors", NULL},
};
/* clang-format on */

const size_t gg_command_count = sizeof gg_command_table / sizeof gg_command_table[0];

const struct gg_command *gg_command_find(char **words, size_t count, size_t *out_used)
{
    for (size_t i = 0; count > 0 && i < gg_command_count; i++) {
        const struct gg_command *command = &gg_command_table[i];
        if (strcmp(words[0], command->noun) != 0) {
            continue;
        }
        if (command->verb == NULL) {
            *out_used = 1;
            return command;
        }
        if (count > 1 && strcmp(words[1], command->verb) == 0) {
            *out_used = 2;
            return command;
        }
    }
    return NULL;
}
