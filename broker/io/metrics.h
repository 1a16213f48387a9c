/* metrics.h - the shell's own figures: one row each, shown by `ganger stats`. */
#ifndef GG_BROKER_IO_METRICS_H
#define GG_BROKER_IO_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/err.h"

/* clang-format off */
/*    symbol            counter  name                      sentence */
#define GG_METRIC_LIST(X) \
    X(MESSAGES_IN,        true,  "messages_in_total",      "messages received from peers") \
    X(MESSAGES_OUT,       true,  "messages_out_total",     "messages sent to peers") \
    X(BYTES_IN,           true,  "bytes_in_total",         "bytes of messages received") \
    X(BYTES_OUT,          true,  "bytes_out_total",        "bytes of messages sent") \
    X(COMMANDS_IN,        true,  "commands_in_total",      "commands received in sessions") \
    X(SESSIONS_OPENED,    true,  "sessions_opened_total",  "hellos that were welcomed") \
    X(SESSIONS_CLOSED,    true,  "sessions_closed_total",  "sessions ended, for whatever reason") \
    X(RESETS,             true,  "resets_total",           "messages answered with reset") \
    X(KICKED,             true,  "kicked_total",           "connections cut by the broker") \
    X(CONNECTIONS_OPENED, true,  "connections_opened_total", "connections accepted") \
    X(CONNECTIONS,        false, "connections",            "connections open") \
    X(SESSIONS,           false, "sessions",               "sessions open") \
    X(STUCK,              false, "stuck_peers",            "peers that do not take what is sent to them") \
    X(HELD,               false, "held_effects",           "answers that wait for the store") \
    X(HELD_BYTES,         false, "held_bytes",             "bytes of answers that wait for the store") \
    X(STORE_RECORDS,      true,  "store_records_total",    "records written or erased") \
    X(STORE_COMMITS,      true,  "store_commits_total",    "groups of records committed") \
    X(PASSES,             true,  "passes_total",           "turns of the broker's loop") \
    X(STALLS,             true,  "stalls_total",           "turns that came so late that no silence was judged") \
    X(ADMITTED,           true,  "handshakes_admitted_total", "connections whose key was accepted") \
    X(TURNED_AWAY,        true,  "handshakes_refused_total", "connections whose key was refused, or over a cap") \
    X(KEYS_LOADED,        true,  "key_tables_loaded_total", "times the file of authorised keys was read") \
    X(DROPPED,            true,  "effects_dropped_total",  "effects lost for lack of memory")
/* clang-format on */

enum gg_metric {
#define X(symbol, counter, name, meaning) GG_METRIC_##symbol,
    GG_METRIC_LIST(X)
#undef X
        GG_METRIC_COUNT
};

enum {
    GG_REFUSALS_MAX = 64, /* Error numbers counted apart; above them as one. */
    GG_LOG_KINDS_MAX = 32,
    GG_LOG_BURST = 50, /* Lines of one event in one second. */
};

/* Lines of one event in the second at hand. */
struct gg_log_kind {
    uint64_t hash; /* Of the event's name; 0: not in use. */
    struct gg_mono since;
    uint32_t written;
    uint32_t unwritten;
};

struct gg_metrics {
    uint64_t value[GG_METRIC_COUNT];
    uint64_t refused[GG_REFUSALS_MAX];
    struct gg_mono
        logged_at[GG_REFUSALS_MAX];     /* Last line for a refusal of the kind. */
    uint64_t unlogged[GG_REFUSALS_MAX]; /* Refused since that line. */
    struct gg_log_kind log_kinds[GG_LOG_KINDS_MAX];
};

static inline void gg_metrics_add(struct gg_metrics *metrics, enum gg_metric which,
                                  uint64_t more)
{
    metrics->value[which] += more;
}

static inline void gg_metrics_set(struct gg_metrics *metrics, enum gg_metric which,
                                  uint64_t value)
{
    metrics->value[which] = value;
}

/* Count a refusal and log it, at most one line a second for each error. `what` is
 * static or already safe to print. */
void gg_metrics_refuse(struct gg_metrics *metrics, enum gg_err err, const char *what,
                       struct gg_mono now);

/* May one more line of this event be logged now? Peers cause events, and shall not fill
 * a disk with them: so many a second of each, then one line that says how many more. */
bool gg_metrics_may_log(struct gg_metrics *metrics, const char *event,
                        struct gg_mono now);

/* Append STAT records; returns how many. */
uint32_t gg_metrics_write(const struct gg_metrics *metrics, struct gg_buf *out);

#endif
