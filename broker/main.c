/* main.c - gangerd: options, settings, signals; then the shell serves until TERM. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#if GG_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "broker/data.h"
#include "broker/io/shell.h"
#include "broker/settings.h"
#include "broker/store/store.h"
#include "common/err.h"
#include "common/log.h"
#include "common/version.h"

enum {
    SETS_MAX = 128,
    LISTEN_BYTES = GG_ADDRESS_BYTES * GG_ADDRESSES_MAX,
    EXIT_CONFIG = 78, /* EX_CONFIG: starting again would not mend it. */
    OPTION_LISTEN = 256,
    OPTION_AGENT_LISTEN,
    OPTION_VOLATILE,
    OPTION_DATA,
    OPTION_STORE,
    OPTION_CHECK,
    OPTION_REPAIR,
    OPTION_RESTORE,
    OPTION_SET,
    OPTION_LOG_LEVEL,
    OPTION_PRINT_CONFIG,
};

const char *argp_program_version = "gangerd " GG_VERSION;

/* What the command line says; texts are lent by it. */
struct command_line {
    const char *config;
    char listen[LISTEN_BYTES];
    char agent_listen[LISTEN_BYTES];
    const char *log_level;
    const char *sets[SETS_MAX];
    int set_count;
    bool without_disk;
    const char *data;
    bool check;
    const char *repair_into;
    const char *restore_from;
    bool print_config;
    const char *refused; /* Why an option that is not built cannot be taken. */
};

/* clang-format off */
static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Read settings from FILE", 1},
    {"listen", OPTION_LISTEN, "ENDPOINT", 0,
     "Listen for clients there; may be repeated (default tcp://127.0.0.1:7440)", 1},
    {"agent-listen", OPTION_AGENT_LISTEN, "ENDPOINT", 0,
     "Listen for agents there; may be repeated (default: the next port)", 1},
    {"data", OPTION_DATA, "DIR", 0,
     "Keep jobs in this folder (default: $XDG_STATE_HOME/ganger)", 1},
    {"volatile", OPTION_VOLATILE, NULL, 0,
     "Keep jobs in memory only: they die with the broker", 1},
    {"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warn, info or debug", 1},
    {"set", OPTION_SET, "NAME=VALUE", 0, "Set any setting of those below", 1},
    {"print-config", OPTION_PRINT_CONFIG, NULL, 0,
     "Print all settings with their defaults as a file for --config", 1},
    {"check", OPTION_CHECK, NULL, 0,
     "Look at everything in the folder of --data, say what is damaged, and end", 2},
    {"repair", OPTION_REPAIR, "NEW-DIR", 0,
     "Write what is readable in the folder of --data into NEW-DIR, and end", 2},
    {"restore", OPTION_RESTORE, "FILE", 0,
     "Make the folder of --data, missing or empty, from a backup, and end", 2},
    {"store", OPTION_STORE, "URL", OPTION_HIDDEN, NULL, 1},
    {0},
};
/* clang-format on */

static void append_word(struct argp_state *state, char *list, const char *word)
{
    size_t len = strlen(list);
    if (len + strlen(word) + 2 > LISTEN_BYTES) {
        argp_error(state, "too many endpoints");
    } else {
        (void)snprintf(list + len, LISTEN_BYTES - len, "%s%s", len == 0 ? "" : " ",
                       word);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct command_line *line = state->input;
    switch (key) {
    case 'c':
        line->config = arg;
        return 0;
    case OPTION_LISTEN:
        append_word(state, line->listen, arg);
        return 0;
    case OPTION_AGENT_LISTEN:
        append_word(state, line->agent_listen, arg);
        return 0;
    case OPTION_VOLATILE:
        line->without_disk = true;
        return 0;
    case OPTION_LOG_LEVEL:
        line->log_level = arg;
        return 0;
    case OPTION_SET:
        if (line->set_count == SETS_MAX || strchr(arg, '=') == NULL) {
            argp_error(state, "--set takes NAME=VALUE, at most %d times", SETS_MAX);
        }
        line->sets[line->set_count++] = arg;
        return 0;
    case OPTION_PRINT_CONFIG:
        line->print_config = true;
        return 0;
    case OPTION_DATA:
        line->data = arg;
        return 0;
    case OPTION_CHECK:
        line->check = true;
        return 0;
    case OPTION_REPAIR:
        line->repair_into = arg;
        return 0;
    case OPTION_RESTORE:
        line->restore_from = arg;
        return 0;
    case OPTION_STORE:
        line->refused = "--store: only the store in a folder is built; use --data DIR";
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --help ends with the table of settings. */
static char *help_text(int key, const char *text, void *input)
{
    (void)input;
    char *copy = NULL;
    size_t len = 0;
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (
            char *)(uintptr_t)text; /* argp's own signature takes it back as it is. */
    }
    FILE *to = open_memstream(&copy, &len);
    if (to == NULL) {
        return NULL;
    }
    (void)fprintf(to, "Settings, for --set and for lines of --config FILE:\n\n");
    for (const struct gg_setting *row = gg_broker_settings_table; row->name != NULL;
         row++) {
        (void)fprintf(to, "  %s = %s\n      %s\n", row->name,
                      row->fallback == NULL ? "" : row->fallback, row->help);
    }
    return fclose(to) == 0 ? copy : NULL;
}

static int config_error(const char *what)
{
    gg_log(GG_LOG_ERROR, "config", "what=\"%s\"", what);
    return EXIT_CONFIG;
}

static enum gg_err set_one(struct gg_broker_settings *settings, const char *name,
                           const char *value, struct gg_settings_fault *out_fault)
{
    return gg_settings_set(gg_broker_settings_table, settings, name, value, out_fault);
}

static enum gg_err set_pair(struct gg_broker_settings *settings, const char *pair,
                            struct gg_settings_fault *out_fault)
{
    char name[64];
    const char *equals = strchr(pair, '=');
    gg_slice_copy(gg_slice_of(pair, (size_t)(equals - pair)), name, sizeof name);
    return set_one(settings, name, equals + 1, out_fault);
}

/* Defaults, then the file, then the command line. */
static enum gg_err gather(const struct command_line *line,
                          struct gg_broker_settings *settings,
                          struct gg_settings_fault *out_fault)
{
    enum gg_err err = GG_OK;
    if (line->config != NULL) {
        err = gg_settings_load(gg_broker_settings_table, settings, line->config,
                               out_fault);
    }
    for (int i = 0; i < line->set_count && err == GG_OK; i++) {
        err = set_pair(settings, line->sets[i], out_fault);
    }
    if (err == GG_OK && line->listen[0] != '\0') {
        err = set_one(settings, "listen", line->listen, out_fault);
    }
    if (err == GG_OK && line->agent_listen[0] != '\0') {
        err = set_one(settings, "agent_listen", line->agent_listen, out_fault);
    }
    if (err == GG_OK && line->data != NULL) {
        err = set_one(settings, "data", line->data, out_fault);
    }
    if (err == GG_OK && line->log_level != NULL) {
        err = set_one(settings, "log_level", line->log_level, out_fault);
    }
    return err;
}

/* Larger than that of every broker before on this machine, unless its clock was set
 * back: 1/256 s since 2020. Two starts within 4 ms would share it; a start takes
 * longer. Where there is a data folder, what that remembers counts. */
static uint64_t epoch_of_now(void)
{
    const int64_t start_of_2020_ms = INT64_C(1577836800000);
    int64_t ms = gg_wall_now().ms - start_of_2020_ms;
    return ms <= 0 ? 1 : ((uint64_t)ms * 256 / 1000) & ((UINT64_C(1) << 40) - 1);
}

/* Sockets that the service manager has opened: the clients', then the agents'. */
static void take_sockets(struct gg_shell_config *config)
{
#if GG_HAVE_SYSTEMD
    int count = sd_listen_fds(1);
    if (count > 0) {
        config->client_fd = SD_LISTEN_FDS_START;
    }
    if (count > 1) {
        config->agent_fd = SD_LISTEN_FDS_START + 1;
    }
#else
    (void)config;
#endif
}

static void notify(const char *state)
{
#if GG_HAVE_SYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}

static int serve(const struct gg_shell_config *config,
                 const struct gg_broker_settings *settings)
{
    struct gg_store *store = NULL;
    struct gg_shell *shell = NULL;
    struct gg_shell_fault fault;
    enum gg_err err = config->data == NULL
                          ? gg_store_open_memory(&store)
                          : gg_data_open(config->data, settings, &store);
    if (err != GG_OK) {
        return gg_err_exit(err);
    }
    err = gg_shell_open(config, &store, &shell, &fault);
    if (err != GG_OK) {
        gg_log(GG_LOG_ERROR, "start", "what=\"%s\"", fault.text);
        gg_store_close(&store);
        return gg_err_exit(err);
    }
    gg_log(GG_LOG_INFO, "ready",
           "client=%s agent=%s store=%s epoch=%llu keys=%s pid=%d version=%s",
           gg_shell_client_address(shell), gg_shell_agent_address(shell),
           config->data == NULL ? "memory" : config->data,
           (unsigned long long)gg_shell_epoch(shell),
           config->server_key_file == NULL ? "no" : "yes", (int)getpid(), GG_VERSION);
    notify("READY=1\nSTATUS=serving");
    err = gg_shell_run(shell);
    notify("STOPPING=1");
    gg_shell_close(&shell);
    gg_log(GG_LOG_INFO, "stopped", "error=%s", gg_err_name(err));
    return err == GG_OK ? 0 : gg_err_exit(err);
}

/* Before the first thread: libzmq's block all signals, the loop reads them by
 * descriptor. */
static void block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool find_folder(const struct gg_broker_settings *settings,
                        char folder[GG_DATA_PATH_BYTES])
{
    if (settings->data != NULL && gg_data_absolute(settings->data, folder)) {
        return true;
    }
    if (settings->data != NULL) {
        (void)config_error(
            "the path of --data is too long, or there is no folder here");
        return false;
    }
    if (gg_data_default(folder)) {
        return true;
    }
    gg_log(GG_LOG_ERROR, "config",
           "what=\"there is no folder to keep jobs in (%s); say --data DIR, or "
           "--volatile\"",
           errno == 0 ? "HOME is not set" : strerror(errno));
    return false;
}

static bool is_offline(const struct command_line *line)
{
    return line->check || line->repair_into != NULL || line->restore_from != NULL;
}

static int work_offline(const struct command_line *line, const char *folder)
{
    if (line->without_disk ||
        line->check + (line->repair_into != NULL) + (line->restore_from != NULL) > 1) {
        return config_error(
            "--check, --repair and --restore: one of them, with --data");
    }
    if (line->check) {
        return gg_data_check(folder);
    }
    return line->repair_into != NULL ? gg_data_repair(folder, line->repair_into)
                                     : gg_data_restore(line->restore_from, folder);
}

static int run(const struct command_line *line, struct gg_broker_settings *settings)
{
    struct gg_settings_fault fault;
    struct gg_shell_config config;
    enum gg_log_level level = GG_LOG_INFO;
    if (gather(line, settings, &fault) != GG_OK) {
        return config_error(fault.text);
    }
    if (settings->log_level == NULL ||
        gg_log_level_read(settings->log_level, &level) != GG_OK) {
        return config_error("log_level is error, warn, info or debug");
    }
    gg_log_set_level(level);
    if (line->refused != NULL) {
        return config_error(line->refused);
    }
    if (line->without_disk && line->data != NULL) {
        return config_error("--volatile and --data: it is one or the other");
    }
    char folder[GG_DATA_PATH_BYTES];
    if (!line->without_disk && !find_folder(settings, folder)) {
        return EXIT_CONFIG;
    }
    if (is_offline(line)) {
        return work_offline(line, folder);
    }
    settings->bounds.durable = !line->without_disk;
    if (gg_broker_settings_apply(settings, &config, &fault) != GG_OK) {
        return config_error(fault.text);
    }
    config.program = argp_program_version;
    config.data = line->without_disk ? NULL : folder;
    config.epoch = epoch_of_now();
    take_sockets(&config);
    if (config.server_key_file != NULL) {
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* The secret key is in memory. */
    }
    return serve(&config, settings);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc =
            "gangerd is the broker of Ganger: it takes jobs from clients, hands them "
            "to agents and keeps their results. It runs in the foreground and logs "
            "to standard error."
            "\v ",
        .help_filter = help_text,
    };
    struct command_line line = {0};
    struct gg_broker_settings settings = {0}; /* `durable` has no row: it is false. */
    (void)umask(0077);                        /* What is kept is its owner's alone. */
    block_signals();
    if (argp_parse(&argp, argc, argv, 0, NULL, &line) != 0) {
        return gg_err_exit(GG_ERR_USAGE);
    }
    if (line.print_config) {
        gg_settings_print(gg_broker_settings_table, stdout);
        return fflush(stdout) == 0 ? 0 : gg_err_exit(GG_ERR_SYSTEM);
    }
    if (gg_settings_init(gg_broker_settings_table, &settings) != GG_OK) {
        return gg_err_exit(GG_ERR_NO_MEMORY);
    }
    int status = run(&line, &settings);
    gg_settings_fini(gg_broker_settings_table, &settings);
    return status;
}
