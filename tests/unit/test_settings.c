/* test_settings.c - each row of the broker's table sets what its name says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/settings.h"

/* Where each number must arrive: the second opinion on the table. */
/* clang-format off */
#define NUMBERS(X) \
    X("connections_max", connections_max) X("key_sessions_max", key_sessions_max) \
    X("hello_within_ms", hello_within_ms) X("backlog_bytes_max", backlog_bytes_max) \
    X("in_flight_bytes_max", in_flight_bytes_max) X("spin_us", spin_us) \
    X("jobs_max", bounds.jobs_max) X("memory_bytes_max", bounds.memory_bytes_max) \
    X("reserve_bytes", bounds.reserve_bytes) X("realm_jobs_max", bounds.realm_jobs_max) \
    X("realm_bytes_max", bounds.realm_bytes_max) X("queue_jobs_max", bounds.queue_jobs_max) \
    X("queue_bytes_max", bounds.queue_bytes_max) X("realms_max", bounds.realms_max) \
    X("queues_max", bounds.queues_max) X("agents_max", bounds.agents_max) \
    X("payload_bytes_max", bounds.payload_bytes_max) \
    X("result_bytes_max", bounds.result_bytes_max) X("waiters_max", bounds.waiters_max) \
    X("dead_jobs_max", bounds.dead_jobs_max) X("dead_bytes_max", bounds.dead_bytes_max) \
    X("assign_window_max", bounds.assign_window_max) \
    X("partial_bytes_max", bounds.partial_bytes_max) \
    X("requests_max", bounds.requests_max) \
    X("subscriptions_max", bounds.subscriptions_max) X("attempts", bounds.attempts) \
    X("backoff_ms", bounds.backoff_ms) X("backoff_max_ms", bounds.backoff_max_ms) \
    X("keep_keyed_ms", bounds.keep_keyed_ms) X("keep_unkeyed_ms", bounds.keep_unkeyed_ms) \
    X("keep_failed_ms", bounds.keep_failed_ms) X("crashes_max", bounds.crashes_max) \
    X("lease_ms", bounds.lease_ms) X("heartbeat_ms", bounds.heartbeat_ms) \
    X("dead_after_ms", bounds.dead_after_ms) \
    X("client_heartbeat_ms", bounds.client_heartbeat_ms) \
    X("client_dead_after_ms", bounds.client_dead_after_ms) \
    X("gone_grace_ms", bounds.gone_grace_ms) X("start_within_ms", bounds.start_within_ms) \
    X("pause_settle_ms", bounds.pause_settle_ms) X("grace_ms", bounds.grace_ms) \
    X("id_window_ms", bounds.id_window_ms) X("stall_ms", bounds.stall_ms) \
    X("retry_hint_ms", bounds.retry_hint_ms) X("ballast_bytes", ballast_bytes) \
    X("store_waiting_bytes_max", store_waiting_bytes_max) \
    X("payload_memory_bytes_max", bounds.payload_memory_bytes_max)
#define TEXTS(X) \
    X("listen", listen) X("agent_listen", agent_listen) \
    X("client_address", client_address) X("agent_address", agent_address) \
    X("server_key_file", server_key_file) X("keys_file", keys_file) \
    X("log_level", log_level) X("data", data) X("volatile_queues", volatile_queues)
/* clang-format on */

static struct gg_settings_fault fault;

static int setup(void **state)
{
    struct gg_broker_settings *settings = calloc(1, sizeof *settings);
    assert_non_null(settings);
    assert_int_equal(gg_settings_init(gg_broker_settings_table, settings), GG_OK);
    *state = settings;
    return 0;
}

static int teardown(void **state)
{
    gg_settings_fini(gg_broker_settings_table, *state);
    free(*state);
    return 0;
}

static enum gg_err set(struct gg_broker_settings *settings, const char *name,
                       const char *value)
{
    return gg_settings_set(gg_broker_settings_table, settings, name, value, &fault);
}

static const struct gg_setting *row_of(const char *name)
{
    for (const struct gg_setting *row = gg_broker_settings_table; row->name != NULL;
         row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    fail_msg("no row for %s", name);
    return NULL;
}

static void assert_row_sets(struct gg_broker_settings *settings, const char *name,
                            const uint64_t *member)
{
    const struct gg_setting *row = row_of(name);
    const uint64_t values[] = {row->least, row->most};
    for (int i = 0; i < 2; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%llu%s", (unsigned long long)values[i],
                       row->kind == GG_SETTING_DURATION ? "ms" : "");
        assert_int_equal(set(settings, name, text), GG_OK);
        assert_int_equal(*member, values[i]);
    }
}

static void each_row_sets_its_member_within_its_bounds(void **state)
{
    struct gg_broker_settings *settings = *state;
    size_t rows = 0;
    size_t checked = 0;
#define X(name, member)                                                                \
    assert_row_sets(settings, name, &settings->member);                                \
    checked++;
    NUMBERS(X)
#undef X
#define X(name, member)                                                                \
    assert_int_equal(set(settings, name, "a text"), GG_OK);                            \
    assert_string_equal(settings->member, "a text");                                   \
    checked++;
    TEXTS(X)
#undef X

    while (gg_broker_settings_table[rows].name != NULL) {
        rows++;
    }
    assert_int_equal(checked, rows); /* A new row needs a line above. */
}

static void defaults_are_those_of_the_core(void **state)
{
    struct gg_broker_settings *settings = *state;
    struct gg_bounds bounds;
    gg_bounds_default(&bounds);

    assert_memory_equal(&settings->bounds, &bounds,
                        offsetof(struct gg_bounds, durable));
    assert_false(settings->bounds.durable);
}

static void each_row_has_a_sentence(void **state)
{
    (void)state;
    for (const struct gg_setting *row = gg_broker_settings_table; row->name != NULL;
         row++) {
        size_t len = strlen(row->help);
        assert_true(len > 10);
        assert_int_equal(row->help[len - 1], '.');
    }
}

static void addresses_are_split_at_blanks(void **state)
{
    struct gg_shell_config config;
    assert_int_equal(set(*state, "listen", "tcp://127.0.0.1:1 ipc:///a/b"), GG_OK);

    assert_int_equal(gg_broker_settings_apply(*state, &config, &fault), GG_OK);

    assert_int_equal(config.client_count, 2);
    assert_string_equal(config.client_addresses[0], "tcp://127.0.0.1:1");
    assert_string_equal(config.client_addresses[1], "ipc:///a/b");
    assert_int_equal(config.agent_count, 0);
}

static void assert_contradiction(struct gg_broker_settings *settings, const char *name,
                                 const char *value, const char *says)
{
    struct gg_shell_config config;
    assert_int_equal(set(settings, name, value), GG_OK);

    assert_int_equal(gg_broker_settings_apply(settings, &config, &fault),
                     GG_ERR_CONFIG);

    assert_non_null(strstr(fault.text, says));
    assert_int_equal(set(settings, name, row_of(name)->fallback), GG_OK);
}

static void contradictions_are_refused(void **state)
{
    assert_contradiction(*state, "dead_after_ms", "1s", "dead_after_ms");
    assert_contradiction(*state, "client_dead_after_ms", "10s", "client_dead");
    assert_contradiction(*state, "lease_ms", "1s", "lease_ms");
    assert_contradiction(*state, "reserve_bytes", "2G", "reserve_bytes");
    assert_contradiction(*state, "backoff_max_ms", "1s", "backoff_max_ms");
    assert_contradiction(*state, "listen", "", "listen");
    assert_contradiction(*state, "listen", "1 2 3 4 5 6 7 8 9", "listen");
}

static void log_levels_have_names(void **state)
{
    (void)state;
    enum gg_log_level level = GG_LOG_INFO;

    assert_int_equal(gg_log_level_read("debug", &level), GG_OK);
    assert_int_equal(level, GG_LOG_DEBUG);
    assert_int_equal(gg_log_level_read("loud", &level), GG_ERR_CONFIG);
    assert_int_equal(level, GG_LOG_DEBUG);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_row_sets_its_member_within_its_bounds),
        TEST(defaults_are_those_of_the_core),
        TEST(each_row_has_a_sentence),
        TEST(addresses_are_split_at_blanks),
        TEST(contradictions_are_refused),
        TEST(log_levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
