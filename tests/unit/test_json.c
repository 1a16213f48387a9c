/* test_json.c - the shapes of JSON that others build on: names, nulls, bytes, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/json.h"

static const ganger_job quiet_job = {
    .realm = "default",
    .queue = "reports",
    .state = GANGER_READY,
    .durability = 1,
    .max_attempts = 5,
    .progress_text = "",
    .worker = "",
    .error_text = "",
    .exit_status = -1,
    .submitted_at = 1795248930123,
};

static void assert_member(const json_t *object, const char *name, const char *expected)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL) {
        fail_msg("there is no member '%s'", name);
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
}

static void a_submission_answers_with_the_promised_members(void **state)
{
    (void)state;
    ganger_job job = quiet_job;
    job.key = (ganger_bytes){.data = "k", .len = 1};
    job.existing = true;

    json_t *object = gg_json_submitted(&job);

    assert_int_equal(json_object_size(object), 7);
    assert_member(object, "id", "\"00000000000000000000000000\"");
    assert_member(object, "realm", "\"default\"");
    assert_member(object, "queue", "\"reports\"");
    assert_member(object, "key", "\"k\"");
    assert_member(object, "existing", "true");
    assert_member(object, "state", "\"ready\"");
    assert_member(object, "durability", "\"none\"");
    json_decref(object);
}

static void a_submission_that_met_a_result_has_it(void **state)
{
    (void)state;
    ganger_job job = quiet_job;
    job.state = GANGER_SUCCEEDED;
    job.has_result = true;

    json_t *object = gg_json_submitted(&job);

    assert_member(object, "result", "\"\"");
    assert_member(object, "key", "null");
    json_decref(object);
}

static void what_is_not_known_is_null_and_never_absent(void **state)
{
    (void)state;
    static const char *const nulls[] = {
        "key",        "worker",        "started_at", "finished_at", "run_at",
        "expires_at", "signal",        "evicts_at",  "exit_status", "error",
        "result",     "progress_text", "error_code",
    };
    json_t *object = gg_json_job(&quiet_job);

    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++) {
        assert_member(object, nulls[i], "null");
    }
    assert_member(object, "submitted_at", "\"2026-11-21T08:15:30.123Z\"");
    assert_member(object, "attempt", "0");
    assert_member(object, "max_attempts", "5");
    assert_member(object, "progress", "0.0");
    assert_member(object, "why", "[]");
    json_decref(object);
}

static void an_error_has_its_sentence_and_its_code(void **state)
{
    (void)state;
    ganger_job job = quiet_job;
    job.state = GANGER_FAILED;
    job.error = 28;
    job.exit_status = 3;

    json_t *object = gg_json_job(&job);
    assert_member(object, "error", "\"the job failed\"");
    assert_member(object, "error_code", "\"failed\"");
    assert_member(object, "exit_status", "3");
    json_decref(object);

    job.error_text = "no such section: games";
    object = gg_json_job(&job);
    assert_member(object, "error", "\"no such section: games\"");
    json_decref(object);
}

static void reasons_come_as_code_text_since_object(void **state)
{
    (void)state;
    const ganger_reason reason = {
        .code = 4,
        .name = "no_worker",
        .text = "no agent serves queue reports",
        .object = "reports",
    };
    ganger_job job = quiet_job;
    job.why = &reason;
    job.why_count = 1;

    json_t *object = gg_json_job(&job);

    assert_member(object, "why",
                  "[{\"code\":\"no_worker\",\"text\":\"no agent serves queue reports\","
                  "\"since\":null,\"object\":\"reports\"}]");
    json_decref(object);
}

static void bytes_are_a_string_where_they_are_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         7,
         "\"Gr\xc3\xbc\xc3\x9f"
         "e\""},
        {"\xff\xfe", 2, "{\"base64\":\"//4=\"}"},
        {"\xc3", 1, "{\"base64\":\"ww==\"}"},
        {"\xed\xa0\x80", 3, "{\"base64\":\"7aCA\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ganger_bytes bytes = {.data = cases[i].bytes, .len = cases[i].len};
        json_t *value = gg_json_bytes(bytes);
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        assert_string_equal(text, cases[i].expected);
        free(text);
        json_decref(value);
    }
}

static void integers_are_exact(void **state)
{
    (void)state;
    ganger_job job = quiet_job;
    job.fence = (UINT64_C(1) << 53) + 1;

    json_t *object = gg_json_job(&job);

    assert_member(object, "fence", "9007199254740993");
    json_decref(object);
}

static void queues_have_the_promised_members(void **state)
{
    (void)state;
    static const char *const names[] = {
        "queue",   "state",  "ready",   "scheduled", "blocked",
        "running", "failed", "workers", "slots",     "oldest_ms",
    };
    const ganger_queue queue = {.realm = "default", .queue = "mail", .reason = ""};

    json_t *object = gg_json_queue(&queue);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_non_null(json_object_get(object, names[i]));
    }
    assert_member(object, "state", "\"open\"");
    json_decref(object);
}

static void workers_have_the_promised_members(void **state)
{
    (void)state;
    const ganger_pool pools[] = {
        {.pool = 1, .name = "", .realm = "default", .queues = "reports* mail"},
        {.pool = 2, .name = "", .realm = "default", .queues = "slow"},
    };
    const ganger_worker worker = {
        .name = "w1",
        .host = "h",
        .pid = 7,
        .version = "ganger-worker 0.1.0",
        .state = "up",
        .slots = 2,
        .pools = pools,
        .pool_count = 2,
    };

    json_t *object = gg_json_worker(&worker, false);

    assert_member(object, "name", "\"w1\"");
    assert_member(object, "host", "\"h\"");
    assert_member(object, "pid", "7");
    assert_member(object, "version", "\"ganger-worker 0.1.0\"");
    assert_member(object, "state", "\"up\"");
    assert_member(object, "slots", "2");
    assert_member(object, "busy", "0");
    assert_member(object, "queues", "[\"reports*\",\"mail\",\"slow\"]");
    assert_member(object, "last_seen_ms", "0");
    assert_null(json_object_get(object, "running"));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_answers_with_the_promised_members),
        cmocka_unit_test(a_submission_that_met_a_result_has_it),
        cmocka_unit_test(what_is_not_known_is_null_and_never_absent),
        cmocka_unit_test(an_error_has_its_sentence_and_its_code),
        cmocka_unit_test(reasons_come_as_code_text_since_object),
        cmocka_unit_test(bytes_are_a_string_where_they_are_utf8),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(queues_have_the_promised_members),
        cmocka_unit_test(workers_have_the_promised_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
