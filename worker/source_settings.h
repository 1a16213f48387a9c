/* source_settings.h - the sources of a pool's jobs as they are configured.
 *
 *   [source listen]
 *   program = python3 listen.py
 *   [source poll]
 *   program = python3 poll.py
 *   every = 5s
 *   [pool orders]
 *   sources = listen poll
 */
#ifndef GG_WORKER_SOURCE_SETTINGS_H
#define GG_WORKER_SOURCE_SETTINGS_H

#include "common/settings.h"
#include "worker/sup/sources.h"

enum { GG_SOURCE_NAME_BYTES = 65, GG_SOURCE_WORDS_MAX = 500 };

struct gg_source_settings {
    char name[GG_SOURCE_NAME_BYTES];
    char *program;
    char *queue;
    uint64_t every_ms;
    uint64_t silence_ms;
    uint64_t patience_ms;
    uint64_t retry_ms_min;
    uint64_t retry_ms_max;
    uint64_t settle_ms;
    uint64_t shutdown_ms;
    char *environment;
};

extern const struct gg_setting gg_source_settings_table[];

/* Every setting at its default. */
GG_MUST_USE enum gg_err gg_source_settings_init(struct gg_source_settings *source,
                                                const char *name);
void gg_source_settings_fini(struct gg_source_settings *source);

/* One setting; lists that are said again grow. GG_ERR_CONFIG: *out_fault says why. */
GG_MUST_USE enum gg_err gg_source_settings_set(struct gg_source_settings *source,
                                               const char *name, const char *value,
                                               struct gg_settings_fault *out_fault);

/* GG_ERR_CONFIG: what it says does not go together. */
GG_MUST_USE enum gg_err gg_source_settings_check(
    const struct gg_source_settings *source, struct gg_settings_fault *out_fault);

/* A copy that stands alone. */
GG_MUST_USE enum gg_err gg_source_settings_copy(const struct gg_source_settings *from,
                                                struct gg_source_settings *out);

bool gg_source_settings_equal(const struct gg_source_settings *a,
                              const struct gg_source_settings *b);

/* What the decisions are made by. */
struct gg_source_config gg_source_settings_config(
    const struct gg_source_settings *source);

#endif
