#include "client/cli/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ini.h"

struct reading {
    struct gg_keyring *ring;
    size_t room;
    bool full;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct gg_keyring_fault *fault,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return false;
}

/* The entry of a section: its lines stand together. */
static struct gg_keyring_entry *entry_of(struct reading *reading, const char *section)
{
    struct gg_keyring *ring = reading->ring;
    if (ring->count > 0 && strcmp(ring->entries[ring->count - 1].name, section) == 0) {
        return &ring->entries[ring->count - 1];
    }
    if (ring->count == reading->room && ring->count < GG_KEYRING_MAX) {
        size_t room = reading->room == 0 ? 16 : reading->room * 2;
        struct gg_keyring_entry *entries = reallocarray(ring->entries, room,
                                                        sizeof *entries);
        if (entries != NULL) {
            ring->entries = entries;
            reading->room = room;
        }
    }
    if (ring->count == reading->room) {
        reading->full = true;
        return NULL;
    }
    struct gg_keyring_entry *entry = &ring->entries[ring->count++];
    *entry = (struct gg_keyring_entry){.realms = "", .queues = ""};
    (void)snprintf(entry->name, sizeof entry->name, "%s", section);
    return entry;
}

static bool on_value(void *ctx, const char *section, const char *name,
                     const char *value)
{
    struct reading *reading = ctx;
    struct gg_keyring_entry *entry = strlen(section) < sizeof entry->name
                                         ? entry_of(reading, section)
                                         : NULL;
    if (entry == NULL) {
        return false;
    }
    const struct {
        const char *name;
        char *room;
        size_t bytes;
    } members[] = {
        {"key", entry->key, sizeof entry->key},
        {"roles", entry->roles, sizeof entry->roles},
        {"realms", entry->realms, sizeof entry->realms},
        {"queues", entry->queues, sizeof entry->queues},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].name, name) == 0 && strlen(value) < members[i].bytes) {
            (void)snprintf(members[i].room, members[i].bytes, "%s", value);
            return true;
        }
    }
    return false;
}

bool gg_keyring_read(const char *path, struct gg_keyring *out,
                     struct gg_keyring_fault *out_fault)
{
    struct stat about;
    *out = (struct gg_keyring){0};
    if (stat(path, &about) != 0) {
        return errno == ENOENT ||
               wrong(out_fault, "cannot read %.200s: %s", path, strerror(errno));
    }
    if (about.st_size > GG_KEYRING_FILE_BYTES) {
        return wrong(out_fault, "%.200s is larger than a file of keys", path);
    }
    struct reading reading = {.ring = out};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return wrong(out_fault, "cannot read %.200s: %s", path, strerror(errno));
    }
    int line = gg_ini_read(file, on_value, &reading);
    (void)fclose(file);
    if (reading.full) {
        return wrong(out_fault, "%.200s has more than %d keys", path, GG_KEYRING_MAX);
    }
    return line == 0 || wrong(out_fault,
                              "line %d of %.200s is not a value of a key: key, roles, "
                              "realms or queues, of at most %d characters",
                              line, path, GG_KEYRING_VALUE_BYTES - 1);
}

void gg_keyring_fini(struct gg_keyring *ring)
{
    free(ring->entries);
    *ring = (struct gg_keyring){0};
}

const struct gg_keyring_entry *gg_keyring_find(const struct gg_keyring *ring,
                                               const char *name_or_key)
{
    for (size_t i = 0; i < ring->count; i++) {
        const struct gg_keyring_entry *entry = &ring->entries[i];
        if (strcmp(entry->name, name_or_key) == 0 ||
            strcmp(entry->key, name_or_key) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* Copy the lines of `from`, but for those of the section `name`. */
static void copy_others(FILE *from, FILE *to, const char *name)
{
    char *line = NULL;
    size_t room = 0;
    size_t name_len = strlen(name);
    bool skipping = false;
    while (getline(&line, &room, from) >= 0) {
        const char *text = line + strspn(line, " \t");
        if (*text == '[') {
            skipping = strncmp(text + 1, name, name_len) == 0 &&
                       text[1 + name_len] == ']';
        }
        if (!skipping) {
            (void)fputs(line, to);
        }
    }
    free(line);
}

/* Make the new contents safe, and give them the name. */
static bool put_in_place(FILE *file, const char *temporary, const char *path)
{
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) {
        int saved = errno;
        (void)unlink(temporary);
        errno = saved;
        return false;
    }
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    return true;
}

/* The file without the section `name`, and with `entry` at its end if there is one. */
static bool rewrite(const char *path, const char *name,
                    const struct gg_keyring_entry *entry,
                    struct gg_keyring_fault *fault)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof temporary) {
        return wrong(fault, "the name %.200s is too long", path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC); /* Its mode is 0600. */
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    if (to == NULL) {
        int saved = errno;
        if (fd >= 0) {
            (void)close(fd);
            (void)unlink(temporary);
        }
        return wrong(fault, "cannot write beside %.200s: %s", path, strerror(saved));
    }
    FILE *from = fopen(path, "re");
    if (from != NULL) {
        copy_others(from, to, name);
        (void)fclose(from);
    } else {
        (void)fputs("# Keys that this broker lets in; see `ganger key allow --help`.\n",
                    to);
    }
    if (entry != NULL) {
        (void)fprintf(to, "[%s]\nkey = %s\nroles = %s\nrealms = %s\nqueues = %s\n",
                      entry->name, entry->key, entry->roles, entry->realms,
                      entry->queues);
    }
    if (!put_in_place(to, temporary, path)) {
        return wrong(fault, "cannot write %.200s: %s", path, strerror(errno));
    }
    return true;
}

bool gg_keyring_put(const char *path, const struct gg_keyring_entry *entry,
                    struct gg_keyring_fault *out_fault)
{
    return rewrite(path, entry->name, entry, out_fault);
}

bool gg_keyring_remove(const char *path, const char *name,
                       struct gg_keyring_fault *out_fault)
{
    return rewrite(path, name, NULL, out_fault);
}
