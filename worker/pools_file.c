#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ini.h"
#include "common/name.h"
#include "worker/attempts.h"
#include "worker/pools.h"
#include "worker/words.h"

#define ALL(member) offsetof(struct gg_worker_file, member)

/* clang-format off */
const struct gg_setting gg_worker_file_table[] = {
    {"name", GG_SETTING_TEXT, NULL, 0, 0, ALL(name),
     "Name of the agent; without it: host and process id."},
    {"broker", GG_SETTING_TEXT, NULL, 0, 0, ALL(broker),
     "Where clients reach the broker; it says where agents connect."},
    {"agent_endpoint", GG_SETTING_TEXT, NULL, 0, 0, ALL(agent_endpoint),
     "Go straight to this endpoint for agents."},
    {"key_file", GG_SETTING_TEXT, NULL, 0, 0, ALL(key_file),
     "CURVE key pair, as `ganger key new` writes it."},
    {"server_key", GG_SETTING_TEXT, NULL, 0, 0, ALL(server_key),
     "The broker's public key, where it is not in the key file."},
    {"grace", GG_SETTING_DURATION, "25s", 0, GG_DAY_MS, ALL(grace_ms),
     "On TERM, running jobs may go on for this long."},
    {"lease_margin", GG_SETTING_DURATION, "0", 0, GG_DAY_MS, ALL(margin_ms),
     "Kill a job this long before its lease ends; 0: an eighth of the lease."},
    {"save_file", GG_SETTING_TEXT, NULL, 0, 0, ALL(save_file),
     "Where `ganger pool ... --save` is kept; without it beside this file, as "
     "FILE.saved."},
    {"remote_pools", GG_SETTING_BOOL, "no", 0, 0, ALL(remote_pools),
     "Let operators define new pools, and with them programs, through the broker."},
    {NULL, GG_SETTING_NUMBER, NULL, 0, 0, 0, NULL},
};
/* clang-format on */

struct loading {
    struct gg_worker_file *file;
    struct gg_settings_fault *fault;
    enum gg_err err;
};

struct gg_pool_settings *gg_worker_file_find(struct gg_worker_file *file,
                                             const char *name)
{
    for (uint32_t i = 0; i < file->pool_count; i++) {
        if (strcmp(file->pools[i].name, name) == 0) {
            return &file->pools[i];
        }
    }
    return NULL;
}

static struct gg_pool_settings *pool_named(struct loading *loading, const char *name)
{
    struct gg_worker_file *file = loading->file;
    struct gg_pool_settings *known = gg_worker_file_find(file, name);
    if (known != NULL) {
        return known;
    }
    if (!gg_name_valid(gg_slice_text(name))) {
        loading->err = gg_settings_refuse(loading->fault, "[pool]: not a name: ", name);
    } else if (file->pool_count == GG_SUP_POOLS_MAX) {
        loading->err = gg_settings_refuse(loading->fault, "more than 64 pools", "");
    } else {
        loading->err = gg_pool_settings_init(&file->pools[file->pool_count], name);
    }
    return loading->err == GG_OK ? &file->pools[file->pool_count++] : NULL;
}

static void set_group(struct loading *loading, const char *group, const char *name,
                      const char *value)
{
    static const char *const strategies[] = {"one_for_one", "one_for_all",
                                             "rest_for_one", NULL};
    struct gg_worker_file *file = loading->file;
    int strategy = gg_word_choice(value, strategies);
    if (strcmp(name, "strategy") != 0) {
        loading->err = gg_settings_refuse(
            loading->fault, "a group has a strategy, and no setting ", name);
    } else if (strategy < 0) {
        loading->err = gg_settings_refuse(
            loading->fault, "strategy: one_for_one, one_for_all or rest_for_one, not ",
            value);
    } else if (!gg_name_valid(gg_slice_text(group)) ||
               file->group_count == GG_SUP_POOLS_MAX) {
        loading->err = gg_settings_refuse(loading->fault,
                                          "[group]: not a name, or too many: ", group);
    } else {
        struct gg_group_settings *it = &file->groups[file->group_count++];
        (void)snprintf(it->name, sizeof it->name, "%s", group);
        it->strategy = (enum gg_strategy)strategy;
    }
}

/* The place of the source of that name; their count: there is none. */
static uint32_t find_source(const struct gg_worker_file *file, const char *name)
{
    uint32_t i = 0;
    while (i < file->source_count && strcmp(file->sources[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void set_source(struct loading *loading, const char *source, const char *name,
                       const char *value)
{
    struct gg_worker_file *file = loading->file;
    uint32_t at = find_source(file, source);
    bool is_new = at == file->source_count;
    if (is_new && (!gg_name_valid(gg_slice_text(source)) || at == GG_SUP_POOLS_MAX)) {
        loading->err = gg_settings_refuse(
            loading->fault, "[source]: not a name, or too many: ", source);
        return;
    }
    if (is_new) {
        loading->err = gg_source_settings_init(&file->sources[at], source);
        if (loading->err != GG_OK) {
            return;
        }
        file->source_count++;
    }
    loading->err = gg_source_settings_set(&file->sources[at], name, value,
                                          loading->fault);
}

/* The name behind `word` in a section's title; NULL: it does not begin so. */
static const char *title(const char *section, const char *word)
{
    size_t len = strlen(word);
    return strncmp(section, word, len) == 0 && section[len] == ' ' ? section + len + 1
                                                                   : NULL;
}

static bool on_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct loading *loading = ctx;
    const char *pool_name = title(section, "pool");
    const char *group_name = title(section, "group");
    const char *source_name = title(section, "source");
    if (section[0] == '\0') {
        loading->err = gg_settings_set(gg_worker_file_table, loading->file, name, value,
                                       loading->fault);
    } else if (pool_name != NULL) {
        struct gg_pool_settings *pool = pool_named(loading, pool_name);
        if (pool != NULL) {
            loading->err = gg_pool_settings_set(pool, name, value, loading->fault);
        }
    } else if (group_name != NULL) {
        set_group(loading, group_name, name, value);
    } else if (source_name != NULL) {
        set_source(loading, source_name, name, value);
    } else {
        loading->err = gg_settings_refuse(
            loading->fault,
            "a section is [pool NAME], [group NAME] or [source NAME], not ", section);
    }
    return loading->err == GG_OK;
}

static enum gg_err join_group(const struct gg_worker_file *file,
                              struct gg_pool_settings *pool,
                              struct gg_settings_fault *out_fault)
{
    pool->sup.group = GG_SUP_NO_GROUP;
    pool->sup.strategy = GG_ONE_FOR_ONE;
    if (pool->group == NULL) {
        return GG_OK;
    }
    for (uint32_t i = 0; i < file->group_count; i++) {
        if (strcmp(file->groups[i].name, pool->group) == 0) {
            pool->sup.group = i + 1;
            pool->sup.strategy = file->groups[i].strategy;
            return GG_OK;
        }
    }
    return gg_settings_refuse(out_fault, "group: there is no [group] ", pool->group);
}

/* A queue that is followed by another source and never silent would hide it. */
static enum gg_err check_source(const struct gg_source_settings *source, bool last,
                                struct gg_settings_fault *out_fault)
{
    struct gg_settings_fault inner = {.text = ""};
    enum gg_err err = gg_source_settings_check(source, &inner);
    if (err == GG_OK && !last && source->queue != NULL && source->silence_ms == 0) {
        err = gg_settings_refuse(
            &inner, "silence: say when a queue with sources behind it has failed", "");
    }
    if (err != GG_OK) {
        (void)snprintf(out_fault->text, sizeof out_fault->text, "[source %s] %.400s",
                       source->name, inner.text);
    }
    return err;
}

static enum gg_err find_sources(const struct gg_worker_file *file,
                                struct gg_pool_settings *pool,
                                struct gg_settings_fault *out_fault)
{
    const struct gg_source_settings *list[GG_SOURCES_MAX];
    char *words[GG_SOURCES_MAX + 1];
    uint32_t count = 0;
    char *text = strdup(pool->sources == NULL ? "" : pool->sources);
    if (text == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    enum gg_err err = gg_words_split(text, words, GG_SOURCES_MAX, &count)
                          ? GG_OK
                          : gg_settings_refuse(out_fault, "sources: more than 8", "");
    if (err == GG_OK && count > 0 && pool->kind == GG_POOL_NOOP) {
        err = gg_settings_refuse(out_fault, "sources: not of a builtin", "");
    }
    for (uint32_t i = 0; err == GG_OK && i < count; i++) {
        uint32_t at = find_source(file, words[i]);
        list[i] = &file->sources[at];
        err = at == file->source_count
                  ? gg_settings_refuse(out_fault, "sources: there is no [source] ",
                                       words[i])
                  : check_source(list[i], i + 1 == count, out_fault);
    }
    free(text);
    return err == GG_OK ? gg_pool_settings_give_sources(pool, list, count) : err;
}

enum gg_err gg_worker_file_check(const struct gg_worker_file *file,
                                 struct gg_pool_settings *pool,
                                 struct gg_settings_fault *out_fault)
{
    enum gg_err err = gg_pool_settings_check(pool, out_fault);
    err = err == GG_OK ? join_group(file, pool, out_fault) : err;
    return err == GG_OK ? find_sources(file, pool, out_fault) : err;
}

static enum gg_err check_file(struct gg_worker_file *file, const char *path,
                              struct gg_settings_fault *out_fault)
{
    uint64_t slots = 0;
    for (uint32_t i = 0; i < file->pool_count; i++) {
        struct gg_pool_settings *pool = &file->pools[i];
        struct gg_settings_fault inner = {.text = ""};
        enum gg_err err = gg_worker_file_check(file, pool, &inner);
        if (err != GG_OK) {
            (void)snprintf(out_fault->text, sizeof out_fault->text,
                           "%.100s: [pool %s] %.300s", path, pool->name, inner.text);
            return err;
        }
        slots += gg_sup_room(&pool->sup);
    }
    if (file->pool_count == 0) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s: there is no [pool NAME] in it", path);
        return GG_ERR_CONFIG;
    }
    if (slots > GG_WORKER_SLOTS_MAX) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s: more than %d slots in all", path, GG_WORKER_SLOTS_MAX);
        return GG_ERR_CONFIG;
    }
    if (file->name != NULL && !gg_name_valid(gg_slice_text(file->name))) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s: name: %.64s is not a name", path, file->name);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

enum gg_err gg_worker_file_read(FILE *file, const char *path,
                                struct gg_worker_file *out,
                                struct gg_settings_fault *out_fault)
{
    struct gg_settings_fault inner = {.text = ""};
    struct loading loading = {.file = out, .fault = &inner};
    *out = (struct gg_worker_file){.pool_count = 0};
    enum gg_err err = gg_settings_init(gg_worker_file_table, out);
    if (err != GG_OK) {
        return err;
    }
    int line = gg_ini_read(file, on_line, &loading);
    if (line != 0 || loading.err != GG_OK) {
        (void)snprintf(
            out_fault->text, sizeof out_fault->text, "%.100s:%d: %.350s", path, line,
            inner.text[0] == '\0' ? "the line is not 'name = value'" : inner.text);
        return loading.err == GG_OK ? GG_ERR_CONFIG : loading.err;
    }
    return check_file(out, path, out_fault);
}

enum gg_err gg_worker_file_load(const char *path, struct gg_worker_file *out,
                                struct gg_settings_fault *out_fault)
{
    *out = (struct gg_worker_file){.pool_count = 0};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(out_fault->text, sizeof out_fault->text, "%.200s: %s", path,
                       strerror(errno));
        return GG_ERR_CONFIG;
    }
    enum gg_err err = gg_worker_file_read(file, path, out, out_fault);
    (void)fclose(file);
    return err;
}

void gg_worker_file_fini(struct gg_worker_file *file)
{
    for (uint32_t i = 0; i < file->pool_count; i++) {
        gg_pool_settings_fini(&file->pools[i]);
    }
    for (uint32_t i = 0; i < file->source_count; i++) {
        gg_source_settings_fini(&file->sources[i]);
    }
    file->pool_count = 0;
    file->source_count = 0;
    gg_settings_fini(gg_worker_file_table, file);
}

void gg_worker_file_print(FILE *to)
{
    gg_settings_print(gg_worker_file_table, to);
    (void)fputs("# One [group NAME] with strategy = one_for_one, one_for_all or "
                "rest_for_one;\n# pools name it with group = NAME.\n\n"
                "[pool NAME]\n\n",
                to);
    gg_settings_print(gg_pool_settings_table, to);
    (void)fputs("# [source NAME]: what brings the jobs of the pools that name it.\n\n"
                "# [source NAME]\n\n",
                to);
    gg_settings_print(gg_source_settings_table, to);
}
