/* option.h - every option of the command line, in one table, and what was said.
 *
 * An option has one name and one meaning wherever it may stand; a command says which
 * sets of options it takes. Parser (argp), --help and completion all read the table.
 */
#ifndef GG_CLIENT_CLI_OPTION_H
#define GG_CLIENT_CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/backoff.h"

/* Sets of options that a command takes. */
enum {
    GG_SET_GLOBAL = 1 << 0, /* Every command. */
    GG_SET_TARGET = 1 << 1, /* A job by its key. */
    GG_SET_SUBMIT = 1 << 2,
    GG_SET_LINES = 1 << 3,
    GG_SET_WAIT = 1 << 4,
    GG_SET_PARTIAL = 1 << 5,
    GG_SET_FILTER = 1 << 6,
    GG_SET_BULK = 1 << 7, /* Acts on many: --yes, --dry-run, --reason. */
    GG_SET_LIMIT = 1 << 8,
    GG_SET_REALM = 1 << 9,
    GG_SET_PAUSE = 1 << 10,
    GG_SET_EVENTS = 1 << 11,
    GG_SET_KEYS = 1 << 12,
    GG_SET_ALLOW = 1 << 13,
    GG_SET_BENCH = 1 << 14,
    GG_SET_DEV = 1 << 15,
    GG_SET_GRACE = 1 << 16,
    GG_SET_POOL = 1 << 17, /* Changes a pool: --worker, --save. */
    GG_SET_DEFINE = 1 << 18,
    GG_SET_REASON = 1 << 19, /* Acts on the broker: --reason. */
    GG_SET_AGENT = 1 << 20,  /* Looks at agents: --worker. */
};

enum gg_format {
    GG_FORMAT_DEFAULT = 0, /* What the command finds best for people. */
    GG_FORMAT_TABLE,
    GG_FORMAT_WIDE,
    GG_FORMAT_JSON,
    GG_FORMAT_JSONL,
    GG_FORMAT_ID,
    GG_FORMAT_PROM,
    GG_FORMAT_COUNT
};

/* The name of a format, as after -o; "" for the default. */
const char *gg_format_name(enum gg_format format);

enum { GG_TEXTS_MAX = 32 };

/* An option that may be given many times. */
struct gg_texts {
    const char *items[GG_TEXTS_MAX];
    size_t count;
};

/* The last one given; NULL: none. */
const char *gg_texts_last(const struct gg_texts *texts);

#define GG_OPTION_UNSAID UINT64_MAX /* Of numbers and durations. */

/* What was said. Texts are lent from argv; NULL: not said. */
struct gg_options {
    bool help;
    bool version;
    const char *broker;
    const char *key_file;
    const char *server_key;
    uint64_t timeout_ms;
    enum gg_format format;

    const char *key;
    struct gg_texts queues;
    struct gg_texts realms;
    const char *id;

    bool unique;
    uint64_t priority;
    uint64_t delay_ms;
    int64_t run_at;
    uint64_t run_timeout_ms;
    uint64_t expires_ms;
    uint64_t attempts;
    struct gg_backoff_policy backoff;
    uint64_t keep_ms;
    uint64_t keep_failed_ms;
    int unique_until;
    struct gg_texts tags;
    int durability;
    const char *lines;
    bool wait;
    uint64_t wait_ms; /* UNSAID: the default; FOREVER: no end. */
    bool partial;

    const char *filter;
    bool yes;
    bool dry_run;
    const char *reason;
    uint64_t limit;
    bool cancel_running;
    bool follow;

    const char *worker;
    bool save;
    uint64_t grace_ms;
    struct gg_texts settings;

    const char *keys;
    const char *name;
    struct gg_texts roles;

    uint64_t jobs;
    uint64_t run_for_ms;
    uint64_t size;
    uint64_t window;
    uint64_t submitters;
    uint64_t spawn_workers;
    uint64_t slots;
    const char *listen;
};

#define GG_OPTION_FOREVER (UINT64_MAX - 1) /* --wait=forever */

enum gg_option_kind {
    GG_OPTION_FLAG,
    GG_OPTION_TEXT,
    GG_OPTION_TEXTS,
    GG_OPTION_NUMBER,   /* uint64_t, within bounds */
    GG_OPTION_DURATION, /* uint64_t, in ms */
    GG_OPTION_WAIT,     /* wait, and wait_ms if a value is given */
    GG_OPTION_TIME,     /* int64_t, RFC 3339 */
    GG_OPTION_CHOICE,   /* int: place in `choices` */
    GG_OPTION_BACKOFF
};

struct gg_option {
    const char *name;
    char letter; /* 0: none */
    enum gg_option_kind kind;
    const char *arg; /* NULL: a flag */
    unsigned sets;
    size_t offset;
    uint64_t least;
    uint64_t most;
    const char *choices; /* Of CHOICE: words separated by |. */
    bool hidden;         /* Works, but is not in the help. */
    const char *help;
};

extern const struct gg_option gg_option_table[];
extern const size_t gg_option_count;

/* Set `options` to "nothing said". */
void gg_options_init(struct gg_options *options);

/* Take the value of one option. False: it was refused, and the reason was said. */
bool gg_option_take(const struct gg_option *option, const char *value,
                    struct gg_options *options);

#endif
