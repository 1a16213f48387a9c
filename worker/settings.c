#include "worker/settings.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/name.h"
#include "common/version.h"
#include "worker/attempts.h"

enum { EXIT_USAGE = 64, GRACE_MS = 25000, HOST_IN_NAME_MAX = 50 };

enum option_key {
    OPTION_QUEUE = 'q',
    OPTION_SLOTS = 's',
    OPTION_NAME = 'n',
    OPTION_REALM = 'r',
    OPTION_BROKER = 'b',
    OPTION_VERBOSE = 'v',
    OPTION_KEY = 256,
    OPTION_SERVER_KEY,
    OPTION_HANDLER,
    OPTION_BUILTIN,
    OPTION_COPROCESS,
    OPTION_GRACE,
    OPTION_MARGIN,
    OPTION_AGENT_ENDPOINT,
};

/* clang-format off */
static const struct argp_option options[] = {
    {"queue", OPTION_QUEUE, "PATTERN", 0, "Take jobs of these queues; again for more", 0},
    {"slots", OPTION_SLOTS, "N", 0, "Jobs at once (default: 1)", 0},
    {"name", OPTION_NAME, "NAME", 0, "Name of the agent (default: host and pid)", 0},
    {"realm", OPTION_REALM, "REALM", 0, "Realm of the queues (default: default)", 0},
    {"broker", OPTION_BROKER, "ENDPOINT", 0, "Where the broker is (default: $GANGER_BROKER or tcp://127.0.0.1:7440)", 0},
    {"agent-endpoint", OPTION_AGENT_ENDPOINT, "ENDPOINT", 0, "Go straight to this endpoint for agents", 0},
    {"key", OPTION_KEY, "FILE", 0, "Key pair, as `ganger key new' writes it (default: $GANGER_KEY_FILE)", 0},
    {"key-file", OPTION_KEY, NULL, OPTION_ALIAS, NULL, 0},
    {"server-key", OPTION_SERVER_KEY, "Z85", 0, "The broker's public key (default: $GANGER_SERVER_KEY or in the key file)", 0},
    {"handler", OPTION_HANDLER, "FILE.so", 0, "Run jobs in this C handler instead of a command", 0},
    {"coprocess", OPTION_COPROCESS, NULL, 0, "COMMAND stays, and takes one job after another as framed lines (COPROCESS.md)", 0},
    {"builtin", OPTION_BUILTIN, "NAME", 0, "Run jobs in a built-in handler: noop gives the payload back", 0},
    {"grace", OPTION_GRACE, "D", 0, "On TERM, let running jobs go on this long (default: 25s)", 0},
    {"lease-margin", OPTION_MARGIN, "D", 0, "Kill a job this long before its lease ends (default: an eighth)", 0},
    {"verbose", OPTION_VERBOSE, NULL, 0, "Pass the jobs' standard error on, and log more", 0},
    {0},
};
/* clang-format on */

static const char doc[] =
    "Make COMMAND a worker: payload on its standard input, result from its standard "
    "output.\vExit status of COMMAND: 0 succeeded, 65 rejected (not tried again), "
    "anything else failed. Durations: 500ms, 30s, 5m, 2h.\n\n"
    "Example: ganger-worker --queue upper --slots 4 -- tr a-z A-Z";

static void parse_number(struct argp_state *state, const char *what, const char *text,
                         uint32_t most, uint32_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < 1 ||
        value > most) {
        argp_error(state, "%s: %s is not a number from 1 to %u", what, text, most);
    }
    *out = (uint32_t)value;
}

static void parse_duration(struct argp_state *state, const char *what, const char *text,
                           uint64_t *out_ms)
{
    if (!gg_duration_parse(text, out_ms)) {
        argp_error(state, "%s: %s is not a duration, as 500ms or 30s", what, text);
    }
}

static void add_queue(struct argp_state *state, struct gg_worker_settings *settings,
                      const char *text)
{
    if (!gg_pattern_valid(gg_slice_text(text))) {
        argp_error(state, "--queue: %s is not a name or pattern of a queue", text);
    }
    if (settings->queue_count == GG_WORKER_QUEUES_MAX) {
        argp_error(state, "--queue: more than %d patterns", GG_WORKER_QUEUES_MAX);
    }
    settings->queues[settings->queue_count++] = text;
}

static const char *check_name(struct argp_state *state, const char *what,
                              const char *text)
{
    if (!gg_name_valid(gg_slice_text(text))) {
        argp_error(state, "%s: %s is not a name (1 to 64 of A-Z a-z 0-9 . _ -)", what,
                   text);
    }
    return text;
}

static void check_whole(struct argp_state *state,
                        const struct gg_worker_settings *settings)
{
    int ways = (settings->command != NULL ? 1 : 0) +
               (settings->handler != NULL ? 1 : 0) + (settings->noop ? 1 : 0);
    if (settings->queue_count == 0) {
        argp_error(state, "no queue: say --queue PATTERN");
    }
    if (ways == 0) {
        argp_error(state, "nothing to run: give a COMMAND, or --handler FILE.so");
    }
    if (settings->coprocess && settings->command == NULL) {
        argp_error(state, "--coprocess needs a COMMAND");
    }
    if (ways > 1) {
        argp_error(state, "a COMMAND, --handler and --builtin exclude each other");
    }
}

/* A flat switch over the options. */
static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct gg_worker_settings *out = state->input;
    switch (key) {
    case OPTION_QUEUE:
        add_queue(state, out, arg);
        break;
    case OPTION_SLOTS:
        parse_number(state, "--slots", arg, GG_WORKER_SLOTS_MAX, &out->slots);
        break;
    case OPTION_NAME:
        (void)snprintf(out->name, sizeof out->name, "%s",
                       check_name(state, "--name", arg));
        out->name_given = true;
        break;
    case OPTION_REALM:
        out->realm = check_name(state, "--realm", arg);
        break;
    case OPTION_BROKER:
        out->broker = arg;
        break;
    case OPTION_AGENT_ENDPOINT:
        out->agent_endpoint = arg;
        break;
    case OPTION_KEY:
        out->key_file = arg;
        break;
    case OPTION_SERVER_KEY:
        out->server_key = arg;
        break;
    case OPTION_HANDLER:
        out->handler = arg;
        break;
    case OPTION_COPROCESS:
        out->coprocess = true;
        break;
    case OPTION_BUILTIN:
        if (strcmp(arg, "noop") != 0) {
            argp_error(state, "--builtin: there is no %s; there is noop", arg);
        }
        out->noop = true;
        break;
    case OPTION_GRACE:
        parse_duration(state, "--grace", arg, &out->grace_ms);
        break;
    case OPTION_MARGIN:
        parse_duration(state, "--lease-margin", arg, &out->margin_ms);
        break;
    case OPTION_VERBOSE:
        out->verbose = true;
        break;
    case ARGP_KEY_ARG:
        out->command = &state->argv[state->next - 1];
        state->next = state->argc; /* The rest is the command's own. */
        break;
    case ARGP_KEY_END:
        check_whole(state, out);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* The host's name, and as much of it as a name may hold with the pid behind it. */
static void set_names(struct gg_worker_settings *out)
{
    if (gethostname(out->host, sizeof out->host - 1) != 0 || out->host[0] == '\0') {
        (void)snprintf(out->host, sizeof out->host, "localhost");
    }
    char host[HOST_IN_NAME_MAX + 1];
    (void)snprintf(host, sizeof host, "%.*s", HOST_IN_NAME_MAX, out->host);
    for (char *at = host; *at != '\0'; at++) {
        bool good = isalnum((unsigned char)*at) ||
                    (at != host && strchr("._-", *at) != NULL);
        if (!good) {
            *at = 'x';
        }
    }
    (void)snprintf(out->name, sizeof out->name, "%s-%d", host, (int)getpid());
}

void gg_worker_settings_parse(int argc, char **argv, struct gg_worker_settings *out)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "-- COMMAND [ARG...]\n--coprocess -- COMMAND [ARG...]\n"
                    "--handler FILE.so\n--builtin noop",
        .doc = doc,
    };
    *out = (struct gg_worker_settings){.slots = 1, .realm = "", .grace_ms = GRACE_MS};
    set_names(out);
    out->broker = getenv("GANGER_BROKER");
    out->key_file = getenv("GANGER_KEY_FILE");
    out->server_key = getenv("GANGER_SERVER_KEY");
    if (out->broker == NULL || out->broker[0] == '\0') {
        out->broker = "tcp://127.0.0.1:7440";
    }
    if (out->key_file != NULL && out->key_file[0] == '\0') {
        out->key_file = NULL;
    }
    if (out->server_key != NULL && out->server_key[0] == '\0') {
        out->server_key = NULL;
    }
    argp_program_version = "ganger-worker " GG_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, out) != 0) {
        exit(EXIT_USAGE);
    }
}
