#include "worker/settings.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/duration.h"
#include "common/name.h"
#include "common/version.h"
#include "worker/attempts.h"

enum {
    EXIT_USAGE = 64,
    EXIT_CONFIG_FAULT = 78,
    HOST_IN_NAME_MAX = 50,
    COMMAND_BYTES_MAX = 1 << 20,
};

/* What the command line says of its one pool. */
struct line {
    struct gg_worker_settings *out;
    struct gg_buf queues; /* By blanks. */
    uint32_t queue_count;
    uint32_t slots;
    const char *realm;
    const char *handler;
    bool noop;
    bool coprocess;
    bool grace_given;
    bool margin_given;
    uint64_t grace_ms;
    uint64_t margin_ms;
    const char *broker;
    const char *key_file;
    const char *server_key;
    char **command; /* Ended by NULL. */
};

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
    OPTION_CONFIG,
    OPTION_PRINT_CONFIG,
};

/* clang-format off */
static const struct argp_option options[] = {
    {"config", OPTION_CONFIG, "FILE", 0, "Run the pools of this file, instead of one said here", 0},
    {"print-config", OPTION_PRINT_CONFIG, NULL, 0, "Print an example of such a file, with every setting, and exit", 0},
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

static void add_queue(struct argp_state *state, struct line *line, const char *text)
{
    if (!gg_pattern_valid(gg_slice_text(text))) {
        argp_error(state, "--queue: %s is not a name or pattern of a queue", text);
    }
    if (line->queue_count++ == GG_WORKER_QUEUES_MAX) {
        argp_error(state, "--queue: more than %d patterns", GG_WORKER_QUEUES_MAX);
    }
    gg_buf_append(&line->queues, text, strlen(text));
    gg_buf_append(&line->queues, " ", 1);
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

static void check_whole(struct argp_state *state, const struct line *line)
{
    int ways = (line->command != NULL ? 1 : 0) + (line->handler != NULL ? 1 : 0) +
               (line->noop ? 1 : 0);
    if (line->out->config_file != NULL) {
        if (ways > 0 || line->queue_count > 0 || line->slots > 0 ||
            line->realm != NULL || line->coprocess) {
            argp_error(state, "--config says the pools: no COMMAND, --queue, --slots, "
                              "--realm, --handler, --builtin or --coprocess with it");
        }
        return;
    }
    if (line->queue_count == 0) {
        argp_error(state, "no queue: say --queue PATTERN, or --config FILE");
    }
    if (ways == 0) {
        argp_error(state, "nothing to run: give a COMMAND, or --handler FILE.so");
    }
    if (line->coprocess && line->command == NULL) {
        argp_error(state, "--coprocess needs a COMMAND");
    }
    if (ways > 1) {
        argp_error(state, "a COMMAND, --handler and --builtin exclude each other");
    }
}

/* A flat switch over the options. */
static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct line *line = state->input;
    struct gg_worker_settings *out = line->out;
    switch (key) {
    case OPTION_CONFIG:
        out->config_file = arg;
        break;
    case OPTION_PRINT_CONFIG:
        gg_worker_file_print(stdout);
        exit(0);
    case OPTION_QUEUE:
        add_queue(state, line, arg);
        break;
    case OPTION_SLOTS:
        parse_number(state, "--slots", arg, GG_WORKER_SLOTS_MAX, &line->slots);
        break;
    case OPTION_NAME:
        (void)snprintf(out->name, sizeof out->name, "%s",
                       check_name(state, "--name", arg));
        out->name_given = true;
        break;
    case OPTION_REALM:
        line->realm = check_name(state, "--realm", arg);
        break;
    case OPTION_BROKER:
        line->broker = arg;
        break;
    case OPTION_AGENT_ENDPOINT:
        out->agent_endpoint = arg;
        break;
    case OPTION_KEY:
        line->key_file = arg;
        break;
    case OPTION_SERVER_KEY:
        line->server_key = arg;
        break;
    case OPTION_HANDLER:
        line->handler = arg;
        break;
    case OPTION_COPROCESS:
        line->coprocess = true;
        break;
    case OPTION_BUILTIN:
        if (strcmp(arg, "noop") != 0) {
            argp_error(state, "--builtin: there is no %s; there is noop", arg);
        }
        line->noop = true;
        break;
    case OPTION_GRACE:
        parse_duration(state, "--grace", arg, &line->grace_ms);
        line->grace_given = true;
        break;
    case OPTION_MARGIN:
        parse_duration(state, "--lease-margin", arg, &line->margin_ms);
        line->margin_given = true;
        break;
    case OPTION_VERBOSE:
        out->verbose = true;
        break;
    case ARGP_KEY_ARG:
        line->command = &state->argv[state->next - 1];
        state->next = state->argc; /* The rest is the command's own. */
        break;
    case ARGP_KEY_END:
        check_whole(state, line);
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

/* ---- the one pool of a command line ---- */

static _Noreturn void refuse(const char *what)
{
    (void)fprintf(stderr, "ganger-worker: %s\n", what);
    exit(EXIT_CONFIG_FAULT);
}

/* The words of the command as one text, quoted, as it would stand in a file. */
static void write_command(char *const *words, struct gg_buf *out)
{
    for (; *words != NULL; words++) {
        gg_buf_append(out, "'", 1);
        for (const char *at = *words; *at != '\0'; at++) {
            const char *text = *at == '\'' ? "'\\''" : at;
            gg_buf_append(out, text, *at == '\'' ? strlen(text) : 1);
        }
        gg_buf_append(out, "' ", 2);
    }
    gg_buf_append(out, "", 1);
}

static void set(struct gg_pool_settings *pool, const char *name, const char *value)
{
    struct gg_settings_fault fault;
    if (gg_settings_set(gg_pool_settings_table, pool, name, value, &fault) != GG_OK) {
        refuse(fault.text);
    }
}

static void make_pool(struct line *line, struct gg_worker_file *file)
{
    struct gg_pool_settings *pool = &file->pools[0];
    struct gg_settings_fault fault = {.text = "no memory"};
    struct gg_buf command;
    char slots[16];
    gg_buf_init(&command, COMMAND_BYTES_MAX);
    if (gg_pool_settings_init(pool, "main") != GG_OK ||
        gg_settings_init(gg_worker_file_table, file) != GG_OK) {
        refuse(fault.text);
    }
    file->pool_count = 1;
    if (line->command != NULL) {
        write_command(line->command, &command);
    }
    if (command.failed || line->queues.failed) {
        refuse("the command line is too long");
    }
    (void)snprintf(slots, sizeof slots, "%u", line->slots == 0 ? 1 : line->slots);
    set(pool, "size", slots);
    set(pool, "queues", (const char *)line->queues.data);
    set(pool, "realm", line->realm == NULL ? "" : line->realm);
    if (line->command != NULL) {
        set(pool, line->coprocess ? "coprocess" : "program",
            (const char *)command.data);
    } else {
        set(pool, line->noop ? "builtin" : "handler",
            line->noop ? "noop" : line->handler);
    }
    gg_buf_fini(&command);
    if (gg_pool_settings_check(pool, &fault) != GG_OK) {
        refuse(fault.text);
    }
}

/* ---- all together ---- */

/* The first of them that says something. */
static const char *first_of(const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        if (texts[i] != NULL && texts[i][0] != '\0') {
            return texts[i];
        }
    }
    return NULL;
}

/* The command line goes above the file, the file above the environment. */
static void join(const struct line *line, struct gg_worker_settings *out)
{
    const struct gg_worker_file *file = &out->file;
    out->broker = first_of(line->broker, file->broker, getenv("GANGER_BROKER"));
    out->broker = out->broker == NULL ? "tcp://127.0.0.1:7440" : out->broker;
    out->key_file = first_of(line->key_file, file->key_file, getenv("GANGER_KEY_FILE"));
    out->server_key = first_of(line->server_key, file->server_key,
                               getenv("GANGER_SERVER_KEY"));
    out->agent_endpoint = first_of(out->agent_endpoint, file->agent_endpoint, NULL);
    out->grace_ms = line->grace_given ? line->grace_ms : file->grace_ms;
    out->margin_ms = line->margin_given ? line->margin_ms : file->margin_ms;
    if (!out->name_given && file->name != NULL) {
        (void)snprintf(out->name, sizeof out->name, "%s", file->name);
        out->name_given = true;
    }
}

static enum gg_err load_saved(struct gg_worker_settings *out,
                              struct gg_settings_fault *out_fault)
{
    char path[sizeof out->saved.path];
    (void)snprintf(path, sizeof path, "%s%s",
                   out->file.save_file == NULL ? out->config_file : out->file.save_file,
                   out->file.save_file == NULL ? ".saved" : "");
    enum gg_err err = gg_saved_load(&out->saved, path, out_fault);
    return err == GG_OK ? gg_saved_apply(&out->saved, &out->file, out_fault) : err;
}

void gg_worker_settings_parse(int argc, char **argv, struct gg_worker_settings *out)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "-- COMMAND [ARG...]\n--coprocess -- COMMAND [ARG...]\n"
                    "--handler FILE.so\n--builtin noop\n--config FILE",
        .doc = doc,
    };
    struct line line = {.out = out};
    struct gg_settings_fault fault = {.text = "no memory"};
    *out = (struct gg_worker_settings){.verbose = false};
    gg_buf_init(&line.queues, COMMAND_BYTES_MAX);
    set_names(out);
    argp_program_version = "ganger-worker " GG_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line) != 0) {
        exit(EXIT_USAGE);
    }
    gg_buf_append(&line.queues, "", 1);
    if (out->config_file == NULL) {
        make_pool(&line, &out->file);
    } else if (gg_worker_file_load(out->config_file, &out->file, &fault) != GG_OK ||
               load_saved(out, &fault) != GG_OK) {
        refuse(fault.text);
    }
    gg_buf_fini(&line.queues);
    join(&line, out);
}

void gg_worker_settings_fini(struct gg_worker_settings *settings)
{
    gg_worker_file_fini(&settings->file);
    gg_saved_fini(&settings->saved);
}
