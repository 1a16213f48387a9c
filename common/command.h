/* command.h - every command of protocol version 1: the one table, and one as a struct.
 *
 * A command is the MessagePack array [code, request, record]. `request` is a number
 * that the asker chooses, unique among its requests in flight; answers repeat it. 0
 * stands for "no answer is expected".
 *
 * To add a command: a row here, its record in record.h, PROTOCOL.md, a golden vector, a
 * row in the role table of broker/core/grant.c (it does not compile without), a
 * handler.
 */
#ifndef GG_COMMON_COMMAND_H
#define GG_COMMON_COMMAND_H

#include "common/record.h"

/* Who sends it, as a bit mask. */
enum gg_sender { GG_FROM_CLIENT = 1, GG_FROM_AGENT = 2, GG_FROM_BROKER = 4 };

/* clang-format off */
/*    symbol        code  record       member       senders  name              answered by / meaning */
#define GG_COMMAND_LIST(X) \
    X(HELLO,           1, HELLO,       hello,       3, "hello",       "opens a session; welcome or reset answers") \
    X(WELCOME,         2, WELCOME,     welcome,     4, "welcome",     "the session is open; limits and intervals") \
    X(RESET,           3, RESET,       reset,       4, "reset",       "the session is not open; say hello, or give up") \
    X(BYE,             4, BYE,         bye,         7, "bye",         "the session is over; nothing answers") \
    X(HEARTBEAT,       5, HEARTBEAT,   heartbeat,   7, "heartbeat",   "alive; from an agent: windows and leases; a heartbeat answers") \
    X(ERROR,           6, ERROR,       error,       4, "error",       "the request was refused; nothing of it was kept") \
    X(DONE,            7, DONE,        done,        4, "done",        "the request was carried out") \
    X(SUBMIT,         16, SUBMIT,      submit,      1, "submit",      "job answers; with wait, job again at its end") \
    X(SUBMIT_MANY,    17, SUBMIT_MANY, submit_many, 1, "submit_many", "jobs answers, in the same order") \
    X(GET,            18, TARGET,      target,      1, "get",         "job answers") \
    X(WAIT,           19, TARGET,      target,      1, "wait",        "progress and partial may come; job answers at its end") \
    X(CANCEL,         20, TARGET,      target,      1, "cancel",      "cancelled answers") \
    X(RETRY,          21, TARGET,      target,      1, "retry",       "job answers") \
    X(LIST_JOBS,      22, LIST_JOBS,   list_jobs,   1, "list_jobs",   "jobs answers, a page") \
    X(HISTORY,        23, TARGET,      target,      1, "history",     "moments answers") \
    X(WHY,            24, TARGET,      target,      1, "why",         "reasons answers") \
    X(LIST_QUEUES,    25, SCOPE,       scope,       1, "list_queues", "queues answers, a page") \
    X(PAUSE,          26, SCOPE,       scope,       1, "pause",       "done answers once no attempt can start") \
    X(RESUME,         27, SCOPE,       scope,       1, "resume",      "done answers") \
    X(PURGE,          28, SCOPE,       scope,       1, "purge",       "done answers") \
    X(LIST_WORKERS,   29, SCOPE,       scope,       1, "list_workers","workers answers, a page") \
    X(GET_STATS,      30, SCOPE,       scope,       1, "get_stats",   "stats answers") \
    X(GET_BROKER,     31, EMPTY,       empty,       1, "get_broker",  "broker answers") \
    X(SUBSCRIBE,      32, EVENTS,      events,      1, "subscribe",   "events come until unsubscribe") \
    X(UNSUBSCRIBE,    33, UNSUBSCRIBE, unsubscribe, 1, "unsubscribe", "done answers") \
    X(UNWAIT,         34, UNSUBSCRIBE, unsubscribe, 1, "unwait",      "the waiter of that request has gone; nothing answers") \
    X(BACKUP,         35, BACKUP,      backup,      1, "backup",      "done answers once the copy is on disk") \
    X(STEER,          36, STEER,       steer,       5, "steer",       "an order to agents: done answers; passed on to them, steered") \
    X(JOB,            48, JOB,         job,         4, "job",         "a job as it stands") \
    X(JOBS,           49, JOBS,        jobs,        4, "jobs",        "a page of jobs") \
    X(CANCELLED,      50, CANCELLED,   cancelled,   4, "cancelled",   "what became of a cancel") \
    X(MOMENTS,        51, HISTORY,     history,     4, "moments",     "a job's history") \
    X(REASONS,        52, REASONS,     reasons,     4, "reasons",     "why a job is not running") \
    X(QUEUES,         53, QUEUES,      queues,      4, "queues",      "a page of queues") \
    X(WORKERS,        54, WORKERS,     workers,     4, "workers",     "a page of agents") \
    X(STATS,          55, STATS,       stats,       4, "stats",       "counters and gauges") \
    X(BROKER,         56, BROKER,      broker,      4, "broker",      "the broker and its limits") \
    X(EVENT,          57, EVENT,       event,       4, "event",       "what happened, to a subscriber") \
    X(ASSIGN,         64, ASSIGN,      assign,      4, "assign",      "run this; started and outcome follow") \
    X(STOP,           65, STOP,        stop,        4, "stop",        "stop that attempt; its outcome follows") \
    X(CONFIRM,        66, CONFIRM,     confirm,     4, "confirm",     "the outcome is safe, or of no use; forget it") \
    X(STARTED,        72, STARTED,     started,     2, "started",     "the executor runs; nothing answers") \
    X(PROGRESS,       73, PROGRESS,    progress,    6, "progress",    "how far it is; nothing answers") \
    X(PARTIAL,        74, PARTIAL,     partial,     6, "partial",     "a piece of output; nothing answers") \
    X(CHECKPOINT,     75, CHECKPOINT,  checkpoint,  2, "checkpoint",  "for the next attempt; nothing answers") \
    X(OUTCOME,        76, OUTCOME,     outcome,     2, "outcome",     "how the attempt ended; confirm answers") \
    X(STEERED,        77, STEERED,     steered,     2, "steered",     "what became of a steer; nothing answers") \
    X(REPORT,         78, REPORT,      report,      2, "report",      "how its pools are, when that has changed; nothing answers")
/* clang-format on */

enum gg_command_code {
#define X(symbol, code, record, member, senders, name, meaning) GG_CMD_##symbol = code,
    GG_COMMAND_LIST(X)
#undef X
        GG_CMD_CODE_MAX = 127 /* No command has a higher code in version 1. */
};

/* One row of the table. */
struct gg_command_type {
    const char *name; /* NULL: no such command. */
    uint8_t record;   /* enum gg_record_id */
    uint8_t senders;  /* Mask of enum gg_sender. */
    const char *meaning;
};

/* The row of `code`, or NULL when there is no such command. */
const struct gg_command_type *gg_command_type_of(uint64_t code);

/* A command as read; slices and lists point into the message it came from. */
struct gg_command {
    uint16_t code; /* enum gg_command_code: says which member of `as` is valid. */
    uint64_t request;
    union {
        struct gg_hello hello;
        struct gg_welcome welcome;
        struct gg_reset reset;
        struct gg_bye bye;
        struct gg_heartbeat heartbeat;
        struct gg_error error;
        struct gg_done done;
        struct gg_submit submit;
        struct gg_submit_many submit_many;
        struct gg_target target;
        struct gg_list_jobs list_jobs;
        struct gg_scope scope;
        struct gg_events events;
        struct gg_unsubscribe unsubscribe;
        struct gg_empty empty;
        struct gg_backup backup;
        struct gg_job_info job;
        struct gg_jobs jobs;
        struct gg_cancelled cancelled;
        struct gg_history history;
        struct gg_reasons reasons;
        struct gg_queues queues;
        struct gg_workers workers;
        struct gg_stats stats;
        struct gg_broker_info broker;
        struct gg_event_info event;
        struct gg_assign assign;
        struct gg_stop_info stop;
        struct gg_confirm confirm;
        struct gg_started started;
        struct gg_progress progress;
        struct gg_partial partial;
        struct gg_checkpoint checkpoint;
        struct gg_outcome_info outcome;
        struct gg_steer steer;
        struct gg_steered steered;
        struct gg_report report;
    } as;
};

#endif
