/* settings.h - what an operator can set: one table, one row a setting.
 *
 * The file, `--set`, `--help` and deploy/config/gangerd.conf all come from the table.
 * To add a setting: a member, a row with a sentence, a line in
 * tests/unit/test_settings.c.
 */
#ifndef GG_BROKER_SETTINGS_H
#define GG_BROKER_SETTINGS_H

#include <stdint.h>

#include "broker/core/bounds.h"
#include "broker/io/shell.h"
#include "common/log.h"
#include "common/settings.h"

struct gg_broker_settings {
    char *listen; /* Addresses, separated by blanks. */
    char *agent_listen;
    char *client_address;
    char *agent_address;
    char *server_key_file;
    char *keys_file;
    char *log_level;
    char *data; /* NULL: gg_data_default(). */
    char *volatile_queues;
    uint64_t ballast_bytes;
    uint64_t store_waiting_bytes_max;
    uint64_t connections_max;
    uint64_t key_sessions_max;
    uint64_t hello_within_ms;
    uint64_t backlog_bytes_max;
    uint64_t in_flight_bytes_max;
    uint64_t spin_us;
    struct gg_bounds bounds;
};

extern const struct gg_setting gg_broker_settings_table[];

/* Translate into what the shell takes; lent by `settings` and, for the lists of
 * addresses, cut up in place. GG_ERR_CONFIG: two settings contradict each other;
 * *out_fault. */
GG_MUST_USE enum gg_err gg_broker_settings_apply(struct gg_broker_settings *settings,
                                                 struct gg_shell_config *out_config,
                                                 struct gg_settings_fault *out_fault);

/* The level of a name: error, warn, info or debug. GG_ERR_CONFIG for any other. */
GG_MUST_USE enum gg_err gg_log_level_read(const char *name,
                                          enum gg_log_level *out_level);

#endif
