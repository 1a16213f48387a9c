/* err.h - the one list of things that can go wrong.
 *
 * A code means the same in a return value, an `error` command on the wire, a job's
 * stored error, a log line and the CLI's exit status, so the numbers are part of the
 * protocol: add at the end, never renumber, never reuse. Codes are for operating errors
 * only. A bug is not an error code; it is a GG_ASSERT (common/assert.h).
 *
 * If you add a code: this table is all there is to change; PROTOCOL.md lists it, and a
 * test holds the two together.
 */
#ifndef GG_COMMON_ERR_H
#define GG_COMMON_ERR_H

#define GG_MUST_USE __attribute__((warn_unused_result))

/* clang-format off */
/*    symbol                    number  name on the wire     exit  sentence */
#define GG_ERR_LIST(X) \
    X(GG_OK,                      0, "ok",                     0, "done") \
    X(GG_ERR_NOT_FOUND,           1, "not_found",              2, "nothing is known by that name") \
    X(GG_ERR_KEY_CONFLICT,        2, "key_conflict",           3, "the key is in use for a job with another payload") \
    X(GG_ERR_KEY_TAKEN,           3, "key_taken",              3, "another job holds the key by now") \
    X(GG_ERR_BUSY,                4, "busy",                   7, "the broker is at a limit; try again later") \
    X(GG_ERR_QUEUE_FULL,          5, "queue_full",             7, "the queue is full; try again later") \
    X(GG_ERR_REALM_FULL,          6, "realm_full",             7, "the realm is full; try again later") \
    X(GG_ERR_NO_MEMORY,           7, "no_memory",              7, "the memory bound is reached; try again later") \
    X(GG_ERR_TOO_LARGE,           8, "too_large",             65, "it is larger than the limit") \
    X(GG_ERR_TOO_MANY,            9, "too_many",               7, "there are too many of them") \
    X(GG_ERR_BAD_MESSAGE,        10, "bad_message",           65, "the message does not follow the protocol") \
    X(GG_ERR_BAD_NAME,           11, "bad_name",              65, "the name is not allowed") \
    X(GG_ERR_BAD_FIELD,          12, "bad_field",             65, "a field has a value that is not allowed") \
    X(GG_ERR_UNKNOWN_COMMAND,    13, "unknown_command",       64, "the command is not known here") \
    X(GG_ERR_NOT_UNDERSTOOD,     14, "not_understood",        64, "an option that must be understood is not known here") \
    X(GG_ERR_VERSION,            15, "version",               70, "there is no common protocol version") \
    X(GG_ERR_BAD_STATE,          16, "bad_state",              3, "that cannot be done in this state") \
    X(GG_ERR_NO_SESSION,         17, "no_session",            70, "the session is not known; say hello again") \
    X(GG_ERR_STALE,              18, "stale",                  3, "a newer attempt exists, or the job has ended") \
    X(GG_ERR_NOT_ALLOWED,        19, "not_allowed",            6, "this key's roles do not cover that") \
    X(GG_ERR_TIMED_OUT,          20, "timed_out",              4, "the time to wait is over; the job goes on") \
    X(GG_ERR_NO_BROKER,          21, "no_broker",              5, "no broker is in reach") \
    X(GG_ERR_LOST_WITH_BROKER,   22, "lost_with_broker",       1, "the job was volatile and died with its broker") \
    X(GG_ERR_ID_TOO_OLD,         23, "id_too_old",             3, "the id is not known and older than the resend window") \
    X(GG_ERR_NOT_DURABLE,        24, "not_durable",            3, "the durability asked for cannot be reached here") \
    X(GG_ERR_STORE,              25, "store",                 70, "the store cannot read or write") \
    X(GG_ERR_CLOSING,            26, "closing",                7, "the broker is shutting down") \
    X(GG_ERR_NAME_TAKEN,         27, "name_taken",             3, "an agent of that name is connected") \
    X(GG_ERR_FAILED,             28, "failed",                 1, "the job failed") \
    X(GG_ERR_REJECTED,           29, "rejected",               1, "the job rejected its input") \
    X(GG_ERR_CRASHED,            30, "crashed",                1, "the job was ended by a signal") \
    X(GG_ERR_RUN_TIMEOUT,        31, "run_timeout",            1, "the job ran longer than its limit") \
    X(GG_ERR_LEASE_LOST,         32, "lease_lost",             1, "the agent that ran the job was lost") \
    X(GG_ERR_POISON,             33, "poison",                 1, "the job crashed too often") \
    X(GG_ERR_EXPIRED,            34, "expired",                1, "the job was not started in time") \
    X(GG_ERR_CANCELLED,          35, "cancelled",              1, "the job was cancelled") \
    X(GG_ERR_NOT_STARTED,        36, "not_started",            1, "the program could not be started") \
    X(GG_ERR_WITHDRAWN,          37, "withdrawn",              1, "the assignment was given back before it started") \
    X(GG_ERR_SNOOZED,            38, "snoozed",                1, "the job asked to be run again later") \
    X(GG_ERR_SYSTEM,             39, "system",                70, "the system refused a call") \
    X(GG_ERR_CONFIG,             40, "config",                78, "the configuration is not usable") \
    X(GG_ERR_CONNECTION_REFUSED, 41, "connection_refused",     5, "nothing listens there") \
    X(GG_ERR_NOT_GANGER,         42, "not_ganger",             5, "what answers there is not a Ganger broker, or it hangs") \
    X(GG_ERR_KEY_REFUSED,        43, "key_refused",            6, "the broker does not accept this key") \
    X(GG_ERR_NO_HOST,            44, "no_host",                5, "the host name cannot be resolved") \
    X(GG_ERR_RESULT_GONE,        45, "result_gone",            2, "the job has ended and its result is no longer kept") \
    X(GG_ERR_USAGE,              46, "usage",                 64, "the call is not valid") \
    X(GG_ERR_STORE_FULL,         47, "store_full",             7, "the store's disk is full; try again when there is room")
/* clang-format on */

enum gg_err {
#define X(symbol, number, name, exit, text)                                            \
    symbol = number, /* NOLINT(bugprone-macro-parentheses) */
    GG_ERR_LIST(X)
#undef X
};

/* Sentence for `err`, in English, without a full stop. Never NULL: a number from a
 * newer peer gives "unknown error". The string is static; do not free it. */
const char *gg_err_text(enum gg_err err);

/* Stable name on the wire, in logs and metrics, e.g. "busy". Never NULL, static. */
const char *gg_err_name(enum gg_err err);

/* What the command line exits with when this is why it ends (sysexits where they
 * fit). */
int gg_err_exit(enum gg_err err);

#endif
