/* sources.h - where a pool's jobs come from: sources in order, the first healthy one in
 * use. Events and time in, actions out. Pure.
 *
 *   OFF ──start──▶ TRYING ──ready, a good run──▶ HEALTHY
 *    ▲                │ ▲                           │
 *    │            fails retry                     fails
 *    │                ▼ │                           ▼
 *    └─not wanted── FAILED ◀────────────────────────┘
 *
 * Three kinds: a program that stays (a listener), a program that runs again and again
 * (a poll), and a queue that others fill, which is healthy while jobs come.
 *
 * In use is the first that is healthy. When it fails, those behind it are started, one
 * after the other until one is healthy; those before it are tried again, after a
 * back-off that doubles. One that is healthy again takes over from one behind it after
 * it has been so for `settle_ms`; those behind it are stopped then. So two may bring
 * jobs for a moment, never none that could: what is brought has a key.
 */
#ifndef GG_WORKER_SUP_SOURCES_H
#define GG_WORKER_SUP_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

enum { GG_SOURCES_MAX = 8 };

#define GG_SOURCE_NONE UINT32_MAX

enum gg_source_kind {
    GG_SOURCE_STAYS = 0, /* It says that it is ready, and goes on. */
    GG_SOURCE_EVERY,     /* It is run again and again; status 0 is healthy. */
    GG_SOURCE_QUEUE,     /* No process: others submit. */
};

enum gg_source_state {
    GG_SOURCE_OFF = 0,
    GG_SOURCE_TRYING,
    GG_SOURCE_HEALTHY,
    GG_SOURCE_FAILED,
};

struct gg_source_config {
    enum gg_source_kind kind;
    uint64_t every_ms;    /* EVERY: from the end of a run to the next. */
    uint64_t silence_ms;  /* Not EVERY: failed when nothing came for this; 0 never. */
    uint64_t patience_ms; /* To be ready in, or to end a run in. */
    uint64_t retry_ms_min;
    uint64_t retry_ms_max;
    uint64_t settle_ms;
};

struct gg_source {
    struct gg_source_config config;
    enum gg_source_state state;
    bool runs;     /* It has a process. */
    bool stopping; /* Which has been told to end. */
    bool failed;   /* Since it was healthy last. */
    struct gg_mono started;
    struct gg_mono since;   /* HEALTHY. */
    struct gg_mono heard;   /* The last sign of life. */
    struct gg_mono next_at; /* FAILED: tried again; HEALTHY, EVERY: the next run. */
    uint64_t backoff_ms;
};

struct gg_sources {
    struct gg_source items[GG_SOURCES_MAX];
    uint32_t count;
    uint32_t active; /* In use; GG_SOURCE_NONE. */
    bool wanted;
    bool may_start;
};

enum gg_source_what {
    GG_SOURCE_DO_START = 1, /* `ended` follows, and before it perhaps `ready`. */
    GG_SOURCE_DO_STOP,      /* The same. */
    GG_SOURCE_DO_SWITCH,    /* Another one, or none, is in use: tell. */
    GG_SOURCE_DO_FAIL,      /* It was silent or slow: tell. */
};

struct gg_source_action {
    enum gg_source_what what;
    uint32_t source; /* SWITCH: may be GG_SOURCE_NONE. */
};

void gg_sources_init(struct gg_sources *sources, const struct gg_source_config *configs,
                     uint32_t count);

/* The next thing to do now; false: nothing. `wanted`: the pool takes work. `may_start`:
 * what is brought would find the broker. */
bool gg_sources_next(struct gg_sources *sources, struct gg_mono now, bool wanted,
                     bool may_start, struct gg_source_action *out);

/* A program that stays has said that it is ready, or that it lives; a job has come from
 * a queue. */
void gg_sources_ready(struct gg_sources *sources, uint32_t source, struct gg_mono now);
void gg_sources_alive(struct gg_sources *sources, uint32_t source, struct gg_mono now);

/* Its process has ended, with status 0 or otherwise, or could not be started. */
void gg_sources_ended(struct gg_sources *sources, uint32_t source, bool good,
                      struct gg_mono now);

/* When to look again; false when nothing waits for time. */
bool gg_sources_next_wake(const struct gg_sources *sources, struct gg_mono *out_at);

/* Has every process of them ended? */
bool gg_sources_are_still(const struct gg_sources *sources);

#endif
