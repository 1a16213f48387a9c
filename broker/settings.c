#include "broker/settings.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "common/record.h"

#define AT(member)    offsetof(struct gg_broker_settings, member)
#define BOUND(member) offsetof(struct gg_broker_settings, bounds.member)

#define MINUTE_MS UINT64_C(60000)
#define GIB       (UINT64_C(1) << 30)
#define COUNT_MAX UINT64_C(1000000000)

/* clang-format off */
const struct gg_setting gg_broker_settings_table[] = {
    {"listen", GG_SETTING_TEXT, "tcp://127.0.0.1:7440", 0, 0, AT(listen),
     "Where clients and operators connect; several are separated by blanks."},
    {"agent_listen", GG_SETTING_TEXT, NULL, 0, 0, AT(agent_listen),
     "Where agents connect; the port after the first of listen when not said."},
    {"client_address", GG_SETTING_TEXT, NULL, 0, 0, AT(client_address),
     "What peers are told of where clients connect, when it is not what is bound (0.0.0.0, a proxy)."},
    {"agent_address", GG_SETTING_TEXT, NULL, 0, 0, AT(agent_address),
     "What peers are told of where agents connect, when it is not what is bound."},
    {"server_key_file", GG_SETTING_TEXT, NULL, 0, 0, AT(server_key_file),
     "The broker's own key, made by 'ganger key new'; needed beyond this machine."},
    {"keys_file", GG_SETTING_TEXT, NULL, 0, 0, AT(keys_file),
     "Who may connect, written by 'ganger key allow'; a change counts within a second."},
    {"data", GG_SETTING_TEXT, NULL, 0, 0, AT(data),
     "Folder in which jobs are kept; $XDG_STATE_HOME/ganger when not said."},
    {"volatile_queues", GG_SETTING_TEXT, NULL, 0, 0, AT(volatile_queues),
     "Patterns of queues whose jobs are kept in memory only, unless a submit says fsync."},
    {"ballast_bytes", GG_SETTING_BYTES, "16M", 65536, GIB, AT(ballast_bytes),
     "Disk held in reserve, so that running jobs can end when the disk is full."},
    {"store_waiting_bytes_max", GG_SETTING_BYTES, "64M", 1048576, GIB * 64, AT(store_waiting_bytes_max),
     "Records that wait to be written; beyond it durable submits are refused."},
    {"log_level", GG_SETTING_TEXT, "info", 0, 0, AT(log_level),
     "What is logged: error, warn, info or debug."},

    {"connections_max", GG_SETTING_NUMBER, "10000", 1, 1000000, AT(connections_max),
     "Connections at once; each takes a descriptor and about 30 KB."},
    {"key_sessions_max", GG_SETTING_NUMBER, "1000", 1, 1000000, AT(key_sessions_max),
     "Sessions of one key at once."},
    {"hello_within_ms", GG_SETTING_DURATION, "5s", 10, MINUTE_MS, AT(hello_within_ms),
     "A connection that has not said hello by then is cut."},
    {"backlog_bytes_max", GG_SETTING_BYTES, "32M", 65536, GIB, AT(backlog_bytes_max),
     "Messages kept for a peer that does not read; beyond it the session ends."},
    {"in_flight_bytes_max", GG_SETTING_BYTES, "64M", 65536, GIB, AT(in_flight_bytes_max),
     "Large payloads and results sent to a peer before it acknowledges any."},
    {"spin_us", GG_SETTING_NUMBER, "50", 0, 1000, AT(spin_us),
     "Longest look for more work before sleeping, in microseconds, while it pays; 0: never."},

    {"jobs_max", GG_SETTING_NUMBER, "10000000", 1, COUNT_MAX, BOUND(jobs_max),
     "Jobs known at once, finished ones included."},
    {"memory_bytes_max", GG_SETTING_BYTES, "2G", 1048576, GIB * 1024, BOUND(memory_bytes_max),
     "Memory for jobs, payloads, results and history; beyond it submits are refused."},
    {"reserve_bytes", GG_SETTING_BYTES, "64M", 0, GIB * 1024, BOUND(reserve_bytes),
     "Part of memory_bytes_max kept free for the outcomes of running jobs."},
    {"realm_jobs_max", GG_SETTING_NUMBER, "10000000", 1, COUNT_MAX, BOUND(realm_jobs_max),
     "Jobs of one realm."},
    {"realm_bytes_max", GG_SETTING_BYTES, "2G", 1024, GIB * 1024, BOUND(realm_bytes_max),
     "Memory of one realm."},
    {"queue_jobs_max", GG_SETTING_NUMBER, "5000000", 1, COUNT_MAX, BOUND(queue_jobs_max),
     "Jobs that wait in one queue."},
    {"queue_bytes_max", GG_SETTING_BYTES, "1G", 1024, GIB * 1024, BOUND(queue_bytes_max),
     "Memory of one queue."},
    {"realms_max", GG_SETTING_NUMBER, "100", 1, 1000000, BOUND(realms_max),
     "Realms at once."},
    {"queues_max", GG_SETTING_NUMBER, "1000", 1, 1000000, BOUND(queues_max),
     "Queues at once, in all realms."},
    {"agents_max", GG_SETTING_NUMBER, "4096", 1, 1000000, BOUND(agents_max),
     "Agents at once."},
    {"payload_bytes_max", GG_SETTING_BYTES, "1M", 0, GIB, BOUND(payload_bytes_max),
     "Largest payload; a larger one is refused."},
    {"result_bytes_max", GG_SETTING_BYTES, "16M", 0, GIB, BOUND(result_bytes_max),
     "Largest result; a job with a larger one fails."},
    {"waiters_max", GG_SETTING_NUMBER, "10000", 1, COUNT_MAX, BOUND(waiters_max),
     "Clients that wait for one job."},
    {"dead_jobs_max", GG_SETTING_NUMBER, "100000", 0, COUNT_MAX, BOUND(dead_jobs_max),
     "Failed jobs kept; beyond it the oldest is evicted."},
    {"dead_bytes_max", GG_SETTING_BYTES, "1G", 0, GIB * 1024, BOUND(dead_bytes_max),
     "Memory of failed jobs kept; beyond it the oldest is evicted."},
    {"payload_memory_bytes_max", GG_SETTING_BYTES, "256M", 0, GIB * 1024, BOUND(payload_memory_bytes_max),
     "Memory for payloads and results above 16 KiB; beyond it they are only on disk, and read when needed."},
    {"assign_window_max", GG_SETTING_NUMBER, "8192", 1, 65536, BOUND(assign_window_max),
     "Attempts in hand of one agent, whatever windows it states."},
    {"partial_bytes_max", GG_SETTING_BYTES, "64K", 0, GIB, BOUND(partial_bytes_max),
     "Partial output kept of a running job."},
    {"requests_max", GG_SETTING_NUMBER, "65536", 1, COUNT_MAX, BOUND(requests_max),
     "Requests of one client in flight."},
    {"subscriptions_max", GG_SETTING_NUMBER, "256", 0, 1000000, BOUND(subscriptions_max),
     "Event subscriptions at once."},

    {"attempts", GG_SETTING_NUMBER, "5", 1, GG_ATTEMPTS_MAX, BOUND(attempts),
     "Attempts of a job that does not say."},
    {"backoff_ms", GG_SETTING_DURATION, "2s", 0, GG_YEAR_MS, BOUND(backoff_ms),
     "First wait before a job is tried again; it doubles each time."},
    {"backoff_max_ms", GG_SETTING_DURATION, "10m", 0, GG_YEAR_MS, BOUND(backoff_max_ms),
     "Longest wait before a job is tried again."},
    {"keep_keyed_ms", GG_SETTING_DURATION, "10m", 0, GG_YEAR_MS, BOUND(keep_keyed_ms),
     "How long the result of a job with a key is kept."},
    {"keep_unkeyed_ms", GG_SETTING_DURATION, "1m", 0, GG_YEAR_MS, BOUND(keep_unkeyed_ms),
     "How long the result of a job without a key waits to be delivered."},
    {"keep_failed_ms", GG_SETTING_DURATION, "30d", 0, GG_YEAR_MS, BOUND(keep_failed_ms),
     "How long a failed job is kept for a look or a retry."},
    {"crashes_max", GG_SETTING_NUMBER, "3", 1, GG_ATTEMPTS_MAX, BOUND(crashes_max),
     "Crashes after which a job is not tried again."},

    {"lease_ms", GG_SETTING_DURATION, "15s", 100, GG_DAY_MS, BOUND(lease_ms),
     "How long an agent holds a job after its last heartbeat."},
    {"heartbeat_ms", GG_SETTING_DURATION, "1s", 10, GG_DAY_MS, BOUND(heartbeat_ms),
     "How often agents send a heartbeat."},
    {"dead_after_ms", GG_SETTING_DURATION, "3s", 20, GG_DAY_MS, BOUND(dead_after_ms),
     "Silence after which an agent gets no new work."},
    {"client_heartbeat_ms", GG_SETTING_DURATION, "10s", 10, GG_DAY_MS, BOUND(client_heartbeat_ms),
     "How often clients that wait for something send a heartbeat."},
    {"client_dead_after_ms", GG_SETTING_DURATION, "30s", 20, GG_DAY_MS, BOUND(client_dead_after_ms),
     "Silence after which a client's session ends."},
    {"gone_grace_ms", GG_SETTING_DURATION, "3s", 0, GG_DAY_MS, BOUND(gone_grace_ms),
     "How long the jobs of an agent whose connection closed wait for its return."},
    {"start_within_ms", GG_SETTING_DURATION, "10s", 10, GG_DAY_MS, BOUND(start_within_ms),
     "An agent that has not started an assignment by then gives it back."},
    {"pause_settle_ms", GG_SETTING_DURATION, "2s", 0, GG_DAY_MS, BOUND(pause_settle_ms),
     "How long the answer to a pause waits for agents that are silent."},
    {"grace_ms", GG_SETTING_DURATION, "25s", 0, GG_DAY_MS, BOUND(grace_ms),
     "Time between TERM and KILL for a job that is stopped."},
    {"id_window_ms", GG_SETTING_DURATION, "2m", 1000, GG_DAY_MS, BOUND(id_window_ms),
     "How long a submit may be sent again; ids of evicted jobs are remembered so long."},
    {"stall_ms", GG_SETTING_DURATION, "1s", 10, GG_DAY_MS, BOUND(stall_ms),
     "A broker that was held up for longer judges nobody's silence by it."},
    {"retry_hint_ms", GG_SETTING_DURATION, "200ms", 1, GG_DAY_MS, BOUND(retry_hint_ms),
     "How long a client that was refused for a limit is told to wait."},
    {NULL, GG_SETTING_NUMBER, NULL, 0, 0, 0, NULL},
};
/* clang-format on */

enum gg_err gg_log_level_read(const char *name, enum gg_log_level *out_level)
{
    static const char *const names[] = {
        [GG_LOG_ERROR] = "error",
        [GG_LOG_WARN] = "warn",
        [GG_LOG_INFO] = "info",
        [GG_LOG_DEBUG] = "debug",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *out_level = (enum gg_log_level)i;
            return GG_OK;
        }
    }
    return GG_ERR_CONFIG;
}

/* Cut a list of addresses at its blanks. Returns how many; -1: more than allowed. */
static int split(char *list, const char *addresses[GG_ADDRESSES_MAX])
{
    int count = 0;
    char *rest = NULL;
    if (list == NULL) {
        return 0;
    }
    for (char *word = strtok_r(list, " \t,", &rest); word != NULL;
         word = strtok_r(NULL, " \t,", &rest)) {
        if (count == GG_ADDRESSES_MAX) {
            return -1;
        }
        addresses[count++] = word;
    }
    return count;
}

static enum gg_err check(const struct gg_bounds *bounds,
                         struct gg_settings_fault *out_fault)
{
    if (bounds->dead_after_ms <= bounds->heartbeat_ms) {
        return gg_settings_refuse(out_fault,
                                  "dead_after_ms must be longer than heartbeat_ms", "");
    }
    if (bounds->client_dead_after_ms <= bounds->client_heartbeat_ms) {
        return gg_settings_refuse(
            out_fault, "client_dead_after_ms must be longer than client_heartbeat_ms",
            "");
    }
    if (bounds->lease_ms <= bounds->heartbeat_ms) {
        return gg_settings_refuse(out_fault,
                                  "lease_ms must be longer than heartbeat_ms", "");
    }
    if (bounds->reserve_bytes >= bounds->memory_bytes_max) {
        return gg_settings_refuse(
            out_fault, "reserve_bytes must be smaller than memory_bytes_max", "");
    }
    if (bounds->backoff_max_ms < bounds->backoff_ms) {
        return gg_settings_refuse(out_fault,
                                  "backoff_max_ms must be at least backoff_ms", "");
    }
    return GG_OK;
}

static enum gg_err read_volatile_queues(const char *list, struct gg_bounds *bounds,
                                        struct gg_settings_fault *out_fault)
{
    const char *at = list == NULL ? "" : list + strspn(list, " \t,");
    while (*at != '\0') {
        struct gg_slice pattern = gg_slice_of(at, strcspn(at, " \t,"));
        if (!gg_pattern_valid(pattern) ||
            bounds->volatile_count == GG_VOLATILE_QUEUES_MAX) {
            return gg_settings_refuse(
                out_fault, "volatile_queues takes at most 16 patterns of queues", "");
        }
        gg_name_set(&bounds->volatile_queues[bounds->volatile_count++], pattern);
        at += pattern.len;
        at += strspn(at, " \t,");
    }
    return GG_OK;
}

enum gg_err gg_broker_settings_apply(struct gg_broker_settings *settings,
                                     struct gg_shell_config *out_config,
                                     struct gg_settings_fault *out_fault)
{
    enum gg_err err = check(&settings->bounds, out_fault);
    if (err != GG_OK) {
        return err;
    }
    struct gg_shell_config config = {
        .bounds = settings->bounds,
        .client_fd = -1,
        .agent_fd = -1,
        .client_said = settings->client_address,
        .agent_said = settings->agent_address,
        .server_key_file = settings->server_key_file,
        .keys_file = settings->keys_file,
        .spin_us = settings->spin_us,
        .connections_max = settings->connections_max,
        .key_sessions_max = settings->key_sessions_max,
        .hello_within_ms = settings->hello_within_ms,
        .backlog_bytes_max = settings->backlog_bytes_max,
        .in_flight_bytes_max = settings->in_flight_bytes_max,
    };
    err = read_volatile_queues(settings->volatile_queues, &config.bounds, out_fault);
    if (err != GG_OK) {
        return err;
    }
    config.client_count = split(settings->listen, config.client_addresses);
    config.agent_count = split(settings->agent_listen, config.agent_addresses);
    if (config.client_count < 1 || config.agent_count < 0) {
        return gg_settings_refuse(out_fault,
                                  "listen takes 1 to 8 addresses, agent_listen at "
                                  "most 8",
                                  "");
    }
    *out_config = config;
    return GG_OK;
}
