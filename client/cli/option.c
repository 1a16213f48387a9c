#include "client/cli/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/nearest.h"
#include "client/cli/say.h"
#include "common/clock.h"
#include "common/duration.h"

static const char *const format_names[GG_FORMAT_COUNT] = {
    [GG_FORMAT_DEFAULT] = "",  [GG_FORMAT_TABLE] = "table", [GG_FORMAT_WIDE] = "wide",
    [GG_FORMAT_JSON] = "json", [GG_FORMAT_JSONL] = "jsonl", [GG_FORMAT_ID] = "id",
    [GG_FORMAT_PROM] = "prom",
};

#define AT(member) offsetof(struct gg_options, member)
#define ANY_TARGET (GG_SET_TARGET | GG_SET_SUBMIT)
#define WITH_REALM (ANY_TARGET | GG_SET_REALM | GG_SET_ALLOW | GG_SET_EVENTS)
#define YEAR_MS    UINT64_C(31622400000)
#define FORMATS    "default|table|wide|json|jsonl|id|prom"

/* clang-format off */
const struct gg_option gg_option_table[] = {
    {"broker", 0, GG_OPTION_TEXT, "ENDPOINT", GG_SET_GLOBAL, AT(broker), 0, 0, NULL, false,
     "The broker to talk to [$GANGER_BROKER, else tcp://127.0.0.1:7440]"},
    {"key-file", 0, GG_OPTION_TEXT, "FILE", GG_SET_GLOBAL, AT(key_file), 0, 0, NULL, false,
     "Your CURVE key pair [$GANGER_KEY_FILE]"},
    {"server-key", 0, GG_OPTION_TEXT, "KEY", GG_SET_GLOBAL, AT(server_key), 0, 0, NULL, false,
     "The broker's public key [$GANGER_SERVER_KEY]"},
    {"timeout", 0, GG_OPTION_DURATION, "D", GG_SET_GLOBAL, AT(timeout_ms), 1, YEAR_MS, NULL, false,
     "How long to wait for the broker [3s]"},
    {"output", 'o', GG_OPTION_CHOICE, "FORMAT", GG_SET_GLOBAL, AT(format), 0, 0, FORMATS, false,
     "table, wide, json, jsonl or id"},
    {"help", 0, GG_OPTION_FLAG, NULL, GG_SET_GLOBAL, AT(help), 0, 0, NULL, false,
     "Show this help"},
    {"version", 0, GG_OPTION_FLAG, NULL, GG_SET_GLOBAL, AT(version), 0, 0, NULL, true,
     "Show the version"},

    {"queue", 0, GG_OPTION_TEXTS, "QUEUE",
     GG_SET_TARGET | GG_SET_EVENTS | GG_SET_ALLOW | GG_SET_BENCH, AT(queues), 0, 0, NULL, false,
     "The job's queue, where a key names it; or the queues meant"},
    {"key", 0, GG_OPTION_TEXT, "KEY", ANY_TARGET, AT(key), 0, 0, NULL, false,
     "Idempotency key: the same key again is the same job"},
    {"realm", 0, GG_OPTION_TEXTS, "REALM", WITH_REALM, AT(realms), 0, 0, NULL, false,
     "Realm [default]"},
    {"id", 0, GG_OPTION_TEXT, "ID", GG_SET_SUBMIT | GG_SET_EVENTS, AT(id), 0, 0, NULL, false,
     "The job's id, to repeat a submission or to follow one job"},

    {"unique", 0, GG_OPTION_FLAG, NULL, GG_SET_SUBMIT, AT(unique), 0, 0, NULL, false,
     "Take the hash of the payload for the key"},
    {"priority", 0, GG_OPTION_NUMBER, "N", GG_SET_SUBMIT, AT(priority), 0, 255, NULL, false,
     "0 goes first, 255 last [128]"},
    {"in", 0, GG_OPTION_DURATION, "D", GG_SET_SUBMIT, AT(delay_ms), 0, YEAR_MS, NULL, false,
     "Not before this time has passed"},
    {"at", 0, GG_OPTION_TIME, "TIME", GG_SET_SUBMIT, AT(run_at), 0, 0, NULL, false,
     "Not before this time (RFC 3339)"},
    {"run-timeout", 0, GG_OPTION_DURATION, "D", GG_SET_SUBMIT, AT(run_timeout_ms), 0, YEAR_MS, NULL, false,
     "Stop an attempt that runs longer"},
    {"expires", 0, GG_OPTION_DURATION, "D", GG_SET_SUBMIT, AT(expires_ms), 0, YEAR_MS, NULL, false,
     "Do not start it later than this"},
    {"attempts", 0, GG_OPTION_NUMBER, "N", GG_SET_SUBMIT, AT(attempts), 1, 1000, NULL, false,
     "Attempts at most; 1: at most once [5]"},
    {"backoff", 0, GG_OPTION_BACKOFF, "POLICY", GG_SET_SUBMIT, AT(backoff), 0, 0, NULL, false,
     "fixed:5s, exp:2s..10m or list:1s,5s,1m"},
    {"keep", 0, GG_OPTION_DURATION, "D", GG_SET_SUBMIT | GG_SET_BENCH, AT(keep_ms), 0, YEAR_MS, NULL, false,
     "How long to keep a success and its result"},
    {"keep-failed", 0, GG_OPTION_DURATION, "D", GG_SET_SUBMIT, AT(keep_failed_ms), 0, YEAR_MS, NULL, false,
     "How long to keep a failure"},
    {"unique-until", 0, GG_OPTION_CHOICE, "WHEN", GG_SET_SUBMIT, AT(unique_until), 0, 0, "evicted|started|finished", false,
     "Hold the key until evicted, started or finished"},
    {"tag", 0, GG_OPTION_TEXTS, "TAG", GG_SET_SUBMIT, AT(tags), 0, 16, NULL, false,
     "A label to find it by; may be repeated"},
    {"durability", 0, GG_OPTION_CHOICE, "HOW", GG_SET_SUBMIT, AT(durability), 0, 0, "default|none|fsync", false,
     "none or fsync"},
    {"lines", 0, GG_OPTION_TEXT, "FILE", GG_SET_LINES, AT(lines), 0, 0, NULL, false,
     "Submit each line of FILE (- for standard input) as a job"},
    {"wait", 0, GG_OPTION_WAIT, "D", GG_SET_WAIT, AT(wait), 0, YEAR_MS, NULL, false,
     "Wait for the end, this long [5s]; forever: without end"},
    {"partial", 0, GG_OPTION_FLAG, NULL, GG_SET_PARTIAL, AT(partial), 0, 0, NULL, false,
     "Print partial output as it comes, instead of the result"},

    {"filter", 0, GG_OPTION_TEXT, "FILTER", GG_SET_FILTER, AT(filter), 0, 0, NULL, false,
     "state:failed queue:reports tag:nightly age>1h error~\"timed out\""},
    {"limit", 0, GG_OPTION_NUMBER, "N", GG_SET_LIMIT, AT(limit), 1, UINT32_MAX, NULL, false,
     "Show at most N [1000 in a table, else all]"},
    {"dry-run", 0, GG_OPTION_FLAG, NULL, GG_SET_BULK, AT(dry_run), 0, 0, NULL, false,
     "Say what would happen, do nothing"},
    {"yes", 'y', GG_OPTION_FLAG, NULL, GG_SET_BULK, AT(yes), 0, 0, NULL, false,
     "Do not ask"},
    {"reason", 0, GG_OPTION_TEXT, "TEXT", GG_SET_BULK | GG_SET_REASON, AT(reason), 0, 0, NULL, false,
     "Why, for the audit log"},
    {"cancel-running", 0, GG_OPTION_FLAG, NULL, GG_SET_PAUSE, AT(cancel_running), 0, 0, NULL, false,
     "Stop also what runs"},
    {"follow", 'f', GG_OPTION_FLAG, NULL, GG_SET_EVENTS, AT(follow), 0, 0, NULL, false,
     "Until interrupted (as without it)"},

    {"worker", 0, GG_OPTION_TEXT, "PATTERN", GG_SET_POOL | GG_SET_AGENT, AT(worker), 0, 0, NULL, false,
     "Only at agents whose name fits [*]"},
    {"save", 0, GG_OPTION_FLAG, NULL, GG_SET_POOL, AT(save), 0, 0, NULL, false,
     "Also after the agent's next start"},
    {"grace", 0, GG_OPTION_DURATION, "D", GG_SET_GRACE, AT(grace_ms), 0, YEAR_MS, NULL, false,
     "Time that running jobs have to end [the agent's own]"},
    {"set", 0, GG_OPTION_TEXTS, "NAME=VALUE", GG_SET_DEFINE, AT(settings), 0, 0, NULL, false,
     "A setting of the pool, as in a file of pools; may be repeated"},

    {"keys", 0, GG_OPTION_TEXT, "FILE", GG_SET_KEYS, AT(keys), 0, 0, NULL, false,
     "The broker's file of keys [$GANGER_KEYS, else /etc/ganger/keys]"},
    {"name", 0, GG_OPTION_TEXT, "NAME", GG_SET_ALLOW, AT(name), 0, 0, NULL, false,
     "Whose key it is"},
    {"role", 0, GG_OPTION_TEXTS, "ROLE", GG_SET_ALLOW, AT(roles), 0, 0, NULL, false,
     "submit, work, observe, operate; many, with commas or repeated"},

    {"jobs", 0, GG_OPTION_NUMBER, "N", GG_SET_BENCH, AT(jobs), 1, UINT32_MAX, NULL, false,
     "Jobs in all [100000]"},
    {"time", 0, GG_OPTION_DURATION, "D", GG_SET_BENCH, AT(run_for_ms), 1, YEAR_MS, NULL, false,
     "For so long, instead of --jobs"},
    {"size", 0, GG_OPTION_NUMBER, "BYTES", GG_SET_BENCH, AT(size), 0, 1 << 24, NULL, false,
     "Payload of each job [100]"},
    {"window", 0, GG_OPTION_NUMBER, "N", GG_SET_BENCH, AT(window), 1, 65536, NULL, false,
     "Jobs in flight of each submitter [1000]"},
    {"submitters", 0, GG_OPTION_NUMBER, "N", GG_SET_BENCH, AT(submitters), 1, 256, NULL, false,
     "Processes that submit [1]"},
    {"spawn-workers", 0, GG_OPTION_NUMBER, "N", GG_SET_BENCH, AT(spawn_workers), 0, 64, NULL, false,
     "Start N agents with a handler that does nothing [0]"},
    {"slots", 0, GG_OPTION_NUMBER, "N", GG_SET_BENCH | GG_SET_DEV, AT(slots), 1, 65536, NULL, false,
     "Slots of each agent started here"},
    {"listen", 0, GG_OPTION_TEXT, "ENDPOINT", GG_SET_DEV, AT(listen), 0, 0, NULL, false,
     "Where the broker listens [tcp://127.0.0.1:7440]; port 0: the kernel chooses"},
};
/* clang-format on */

const size_t gg_option_count = sizeof gg_option_table / sizeof gg_option_table[0];

const char *gg_format_name(enum gg_format format)
{
    return format_names[format];
}

const char *gg_texts_last(const struct gg_texts *texts)
{
    return texts->count > 0 ? texts->items[texts->count - 1] : NULL;
}

void gg_options_init(struct gg_options *options)
{
    *options = (struct gg_options){
        .timeout_ms = GG_OPTION_UNSAID,
        .priority = GG_OPTION_UNSAID,
        .keep_ms = GG_OPTION_UNSAID,
        .keep_failed_ms = GG_OPTION_UNSAID,
        .wait_ms = GG_OPTION_UNSAID,
        .limit = GG_OPTION_UNSAID,
        .grace_ms = GG_OPTION_UNSAID,
        .jobs = GG_OPTION_UNSAID,
        .run_for_ms = GG_OPTION_UNSAID,
        .size = GG_OPTION_UNSAID,
        .window = GG_OPTION_UNSAID,
        .submitters = GG_OPTION_UNSAID,
        .slots = GG_OPTION_UNSAID,
    };
}

static bool take_number(const struct gg_option *option, const char *value,
                        uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 ||
        number < option->least || number > option->most) {
        gg_say("--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
               option->name, option->least, option->most, value);
        return false;
    }
    *out = number;
    return true;
}

static bool take_duration(const struct gg_option *option, const char *value,
                          uint64_t *out)
{
    uint64_t ms = 0;
    if (!gg_duration_parse(value, &ms) || ms < option->least || ms > option->most) {
        gg_say("--%s takes a duration like 500ms, 30s, 5m, 2h or 7d, not '%s'",
               option->name, value);
        return false;
    }
    *out = ms;
    return true;
}

static bool take_choice(const struct gg_option *option, const char *value, int *out)
{
    char words[128];
    char *rest = words;
    int place = 0;
    struct gg_nearest nearest = {.typed = value};
    (void)strncpy(words, option->choices, sizeof words - 1);
    words[sizeof words - 1] = '\0';
    for (char *word = strsep(&rest, "|"); word != NULL; word = strsep(&rest, "|")) {
        if (strcmp(word, value) == 0) {
            *out = place;
            return true;
        }
        gg_nearest_offer(&nearest, word);
        place++;
    }
    if (nearest.best != NULL) {
        gg_say("--%s does not take '%s'; did you mean '%s'?", option->name, value,
               nearest.best);
    } else {
        gg_say("--%s takes %s, not '%s'", option->name, option->choices, value);
    }
    return false;
}

static bool take_texts(const struct gg_option *option, const char *value,
                       struct gg_texts *out)
{
    size_t most = option->most > 0 ? option->most : GG_TEXTS_MAX;
    if (out->count == most) {
        gg_say("--%s may be given at most %zu times", option->name, most);
        return false;
    }
    out->items[out->count++] = value;
    return true;
}

static bool take_wait(const struct gg_option *option, const char *value,
                      struct gg_options *options)
{
    options->wait = true;
    if (value == NULL) {
        return true;
    }
    if (strcmp(value, "forever") == 0) {
        options->wait_ms = GG_OPTION_FOREVER;
        return true;
    }
    return take_duration(option, value, &options->wait_ms);
}

static bool take_time(const struct gg_option *option, const char *value, int64_t *out)
{
    struct gg_wall at;
    if (!gg_wall_parse(value, &at) || at.ms <= 0) {
        gg_say("--%s takes a time like 2026-11-21T08:15:00Z, not '%s'", option->name,
               value);
        return false;
    }
    *out = at.ms;
    return true;
}

static bool take_backoff(const char *value, struct gg_backoff_policy *out)
{
    if (!gg_backoff_parse(value, out)) {
        gg_say("--backoff takes fixed:5s, exp:2s..10m or list:1s,5s,1m, not '%s'",
               value);
        return false;
    }
    return true;
}

bool gg_option_take(const struct gg_option *option, const char *value,
                    struct gg_options *options)
{
    void *place = (char *)options + option->offset;
    switch (option->kind) {
    case GG_OPTION_FLAG:
        *(bool *)place = true;
        return true;
    case GG_OPTION_TEXT:
        *(const char **)place = value;
        return true;
    case GG_OPTION_TEXTS:
        return take_texts(option, value, place);
    case GG_OPTION_NUMBER:
        return take_number(option, value, place);
    case GG_OPTION_DURATION:
        return take_duration(option, value, place);
    case GG_OPTION_WAIT:
        return take_wait(option, value, options);
    case GG_OPTION_TIME:
        return take_time(option, value, place);
    case GG_OPTION_CHOICE:
        return take_choice(option, value, place);
    case GG_OPTION_BACKOFF:
        return take_backoff(value, place);
    }
    return false;
}
