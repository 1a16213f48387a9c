#include "worker/saved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ini.h"
#include "common/name.h"

static struct gg_saved_pool *find(struct gg_saved *saved, const char *name)
{
    for (uint32_t i = 0; i < saved->count; i++) {
        if (strcmp(saved->pools[i].name, name) == 0) {
            return &saved->pools[i];
        }
    }
    return NULL;
}

const struct gg_saved_pool *gg_saved_find(const struct gg_saved *saved,
                                          const char *name)
{
    for (uint32_t i = 0; i < saved->count; i++) {
        if (strcmp(saved->pools[i].name, name) == 0) {
            return &saved->pools[i];
        }
    }
    return NULL;
}

/* The pool of that name, made where there is none; NULL: there are too many. */
static struct gg_saved_pool *get(struct gg_saved *saved, const char *name)
{
    struct gg_saved_pool *pool = find(saved, name);
    if (pool == NULL && saved->count < GG_SUP_POOLS_MAX) {
        pool = &saved->pools[saved->count++];
        *pool = (struct gg_saved_pool){.enabled = true, .size = UINT64_MAX};
        (void)snprintf(pool->name, sizeof pool->name, "%s", name);
    }
    return pool;
}

/* ---- reading ---- */

static bool add_line(struct gg_saved_pool *pool, const char *name, const char *value)
{
    char *joined = NULL;
    if (asprintf(&joined, "%s%s = %s\n",
                 pool->definition == NULL ? "" : pool->definition, name, value) < 0) {
        return false;
    }
    free(pool->definition);
    pool->definition = joined;
    return true;
}

static bool on_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct gg_saved *saved = ctx;
    bool is_pool = strncmp(section, "pool ", 5) == 0 &&
                   gg_name_valid(gg_slice_text(section + 5));
    struct gg_saved_pool *pool = is_pool ? get(saved, section + 5) : NULL;
    if (pool == NULL) {
        return false;
    }
    if (strcmp(name, "enabled") == 0) {
        pool->enabled = strcmp(value, "no") != 0;
        return true;
    }
    if (strcmp(name, "size") == 0) {
        pool->size = strtoull(value, NULL, 10);
        return true;
    }
    return add_line(pool, name, value);
}

enum gg_err gg_saved_load(struct gg_saved *saved, const char *path,
                          struct gg_settings_fault *out_fault)
{
    *saved = (struct gg_saved){.count = 0};
    int len = snprintf(saved->path, sizeof saved->path, "%s", path);
    if (len <= 0 || (size_t)len >= sizeof saved->path) {
        saved->path[0] = '\0';
        return GG_OK; /* Saving is refused then. */
    }
    FILE *file = fopen(saved->path, "re");
    if (file == NULL) {
        return GG_OK;
    }
    int line = gg_ini_read(file, on_line, saved);
    (void)fclose(file);
    if (line != 0) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s:%d: not a line that was saved; repair or remove the "
                       "file",
                       saved->path, line);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

void gg_saved_fini(struct gg_saved *saved)
{
    for (uint32_t i = 0; i < saved->count; i++) {
        free(saved->pools[i].definition);
    }
    saved->count = 0;
}

/* ---- writing ---- */

static bool write_all(const struct gg_saved *saved, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    (void)fputs("# Written by ganger-worker for `--save`; read after the file of the "
                "same name without .saved.\n",
                file);
    for (uint32_t i = 0; i < saved->count; i++) {
        const struct gg_saved_pool *pool = &saved->pools[i];
        (void)fprintf(file, "[pool %s]\nenabled = %s\n", pool->name,
                      pool->enabled ? "yes" : "no");
        if (pool->size != UINT64_MAX) {
            (void)fprintf(file, "size = %" PRIu64 "\n", pool->size);
        }
        if (pool->definition != NULL) {
            (void)fprintf(file, "%s\n", pool->definition);
        }
    }
    bool good = fflush(file) == 0 && fsync(fileno(file)) == 0 && ferror(file) == 0;
    return fclose(file) == 0 && good;
}

static enum gg_err write_file(const struct gg_saved *saved,
                              struct gg_settings_fault *out_fault)
{
    char fresh[sizeof saved->path + 8];
    (void)snprintf(fresh, sizeof fresh, "%s.new", saved->path);
    if (!write_all(saved, fresh) || rename(fresh, saved->path) != 0) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "done, but not saved: %.200s: %s", saved->path, strerror(errno));
        (void)unlink(fresh);
        return GG_ERR_SYSTEM;
    }
    return GG_OK;
}

enum gg_err gg_saved_set(struct gg_saved *saved, const char *name, bool enabled,
                         uint64_t size, const char *definition,
                         struct gg_settings_fault *out_fault)
{
    struct gg_saved_pool *pool = saved->path[0] == '\0' ? NULL : get(saved, name);
    if (pool == NULL) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "done, but not saved: the agent was started without --config");
        return GG_ERR_BAD_STATE;
    }
    pool->enabled = enabled;
    pool->size = size == UINT64_MAX ? pool->size : size;
    if (definition != NULL) {
        free(pool->definition);
        pool->definition = strdup(definition);
        if (pool->definition == NULL) {
            return GG_ERR_NO_MEMORY;
        }
    }
    return write_file(saved, out_fault);
}

/* ---- at the start ---- */

static enum gg_err apply_one(const struct gg_saved_pool *saved,
                             struct gg_worker_file *file,
                             struct gg_settings_fault *out_fault)
{
    struct gg_pool_settings *pool = gg_worker_file_find(file, saved->name);
    if (pool == NULL && (saved->definition == NULL || !saved->enabled)) {
        return GG_OK; /* Its configuration is gone, and it with that. */
    }
    if (pool == NULL) {
        if (file->pool_count == GG_SUP_POOLS_MAX) {
            return GG_ERR_TOO_MANY;
        }
        pool = &file->pools[file->pool_count];
        enum gg_err err = gg_pool_settings_init(pool, saved->name);
        if (err != GG_OK) {
            return err;
        }
        file->pool_count++;
    }
    if (saved->definition != NULL) {
        enum gg_err err = gg_pool_settings_define(pool, saved->definition, out_fault);
        if (err != GG_OK) {
            return err;
        }
    }
    pool->enabled = saved->enabled;
    pool->size = saved->size == UINT64_MAX ? pool->size : saved->size;
    return gg_worker_file_check(file, pool, out_fault);
}

enum gg_err gg_saved_apply(const struct gg_saved *saved, struct gg_worker_file *file,
                           struct gg_settings_fault *out_fault)
{
    for (uint32_t i = 0; i < saved->count; i++) {
        struct gg_settings_fault inner = {.text = "too many pools"};
        enum gg_err err = apply_one(&saved->pools[i], file, &inner);
        if (err != GG_OK) {
            (void)snprintf(out_fault->text, sizeof out_fault->text,
                           "%.100s: [pool %s] %.300s", saved->path,
                           saved->pools[i].name, inner.text);
            return GG_ERR_CONFIG;
        }
    }
    return GG_OK;
}
