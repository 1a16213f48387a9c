/* saved.h - what operators have changed with --save: a file beside the configuration.
 *
 * It has a section for each pool that was changed: its size, whether it runs, and its
 * definition where it was added from outside. It is read after the configuration, and
 * written whole, by renaming, at each change.
 */
#ifndef GG_WORKER_SAVED_H
#define GG_WORKER_SAVED_H

#include "worker/pools.h"

struct gg_saved_pool {
    char name[GG_NAME_BYTES];
    bool enabled;
    uint64_t size;    /* UINT64_MAX: as configured. */
    char *definition; /* Lines; NULL: the one of the configuration. */
};

struct gg_saved {
    char path[512]; /* "": there is no configuration to save beside. */
    uint32_t count;
    struct gg_saved_pool pools[GG_SUP_POOLS_MAX];
};

/* Read what was saved in `path` ("": nothing ever is). GG_ERR_CONFIG:
 * *out_fault says what is wrong with it. */
GG_MUST_USE enum gg_err gg_saved_load(struct gg_saved *saved, const char *path,
                                      struct gg_settings_fault *out_fault);
void gg_saved_fini(struct gg_saved *saved);

/* The pool of that name; NULL: nothing was saved of it. */
const struct gg_saved_pool *gg_saved_find(const struct gg_saved *saved,
                                          const char *name);

/* Change what is saved of a pool, and write the file. `size` and `definition` as above.
 * On an error the file is as before, and *out_fault says why. */
GG_MUST_USE enum gg_err gg_saved_set(struct gg_saved *saved, const char *name,
                                     bool enabled, uint64_t size,
                                     const char *definition,
                                     struct gg_settings_fault *out_fault);

/* Lay it over the pools of a file: sizes, pools that do not run, pools that were added.
 * GG_ERR_CONFIG: a definition is not valid (any more). */
GG_MUST_USE enum gg_err gg_saved_apply(const struct gg_saved *saved,
                                       struct gg_worker_file *file,
                                       struct gg_settings_fault *out_fault);

#endif
