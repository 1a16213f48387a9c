#include "broker/io/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium/utils.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/ini.h"

enum { FIRST_ROOM = 16, CERTIFICATE_BYTES_MAX = 65536 };

/* ---- the file ---- */

/* A table while its file is read. */
struct reading {
    struct gg_authorised_key *items;
    uint32_t count;
    uint32_t room;
    bool no_memory;
    const char *why; /* What is wrong with the line; static. */
};

static bool wrong(struct reading *reading, const char *why)
{
    reading->why = why;
    return false;
}

static struct gg_authorised_key *new_entry(struct reading *reading, const char *name)
{
    if (reading->count == reading->room) {
        uint32_t room = reading->room == 0 ? FIRST_ROOM : reading->room * 2;
        struct gg_authorised_key *items = realloc(reading->items, room * sizeof *items);
        if (items == NULL) {
            reading->no_memory = true;
            return NULL;
        }
        reading->items = items;
        reading->room = room;
    }
    struct gg_authorised_key *entry = &reading->items[reading->count++];
    memset(entry, 0, sizeof *entry);
    gg_name_set(&entry->grant.name, gg_slice_text(name));
    return entry;
}

/* The entry of a section: its lines stand together. */
static struct gg_authorised_key *entry_of(struct reading *reading, const char *section)
{
    struct gg_slice name = gg_slice_text(section);
    if (reading->count > 0) {
        struct gg_authorised_key *last = &reading->items[reading->count - 1];
        if (gg_slice_equal(gg_name_slice(&last->grant.name), name)) {
            return last;
        }
    }
    if (!gg_name_valid(name)) {
        (void)wrong(reading, "the section's name is not a name (A-Z a-z 0-9 . _ -)");
        return NULL;
    }
    if (reading->count == GG_KEYS_MAX) {
        (void)wrong(reading, "too many keys");
        return NULL;
    }
    return new_entry(reading, section);
}

static bool set_public(struct reading *reading, struct gg_authorised_key *entry,
                       const char *value)
{
    if (strlen(value) != GG_KEY_TEXT_BYTES - 1 || entry->text[0] != '\0' ||
        zmq_z85_decode(entry->public_key, value) == NULL) {
        return wrong(reading, "key must be one public key of 40 characters");
    }
    memcpy(entry->text, value, GG_KEY_TEXT_BYTES);
    return true;
}

/* The next word of a list separated by blanks or commas; empty at its end. */
static struct gg_slice next_word(const char **rest)
{
    *rest += strspn(*rest, " \t,");
    struct gg_slice word = gg_slice_of(*rest, strcspn(*rest, " \t,"));
    *rest += word.len;
    return word;
}

static bool set_roles(struct reading *reading, struct gg_authorised_key *entry,
                      const char *value)
{
    static const struct {
        const char *name;
        uint8_t role;
    } roles[] = {
        {"submit", GG_ROLE_SUBMIT},
        {"work", GG_ROLE_WORK},
        {"observe", GG_ROLE_OBSERVE},
        {"operate", GG_ROLE_OPERATE},
    };
    for (struct gg_slice word; (word = next_word(&value)).len > 0;) {
        uint8_t role = 0;
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
            if (gg_slice_equal(word, gg_slice_text(roles[i].name))) {
                role = roles[i].role;
            }
        }
        if (role == 0) {
            return wrong(reading, "roles are submit, work, observe, operate");
        }
        entry->grant.roles |= role;
    }
    return true;
}

static bool set_patterns(struct reading *reading, struct gg_name *patterns,
                         uint8_t *count, const char *value)
{
    for (struct gg_slice word; (word = next_word(&value)).len > 0;) {
        if (*count == GG_GRANT_PATTERNS_MAX) {
            return wrong(reading, "at most 16 patterns");
        }
        if (!gg_pattern_valid(word)) {
            return wrong(reading, "a pattern is a name with * and ?");
        }
        gg_name_set(&patterns[(*count)++], word);
    }
    return true;
}

static bool on_line(void *ctx, const char *section, const char *name, const char *value)
{
    struct reading *reading = ctx;
    struct gg_authorised_key *entry = entry_of(reading, section);
    if (entry == NULL) {
        return false;
    }
    struct gg_grant *grant = &entry->grant;
    if (strcmp(name, "key") == 0) {
        return set_public(reading, entry, value);
    }
    if (strcmp(name, "roles") == 0) {
        return set_roles(reading, entry, value);
    }
    if (strcmp(name, "realms") == 0) {
        return set_patterns(reading, grant->realms, &grant->realm_count, value);
    }
    if (strcmp(name, "queues") == 0) {
        return set_patterns(reading, grant->queues, &grant->queue_count, value);
    }
    return wrong(reading, "a key has key, roles, realms and queues");
}

/* ---- the table ---- */

static int compare_public(const void *a, const void *b)
{
    return memcmp(((const struct gg_authorised_key *)a)->public_key,
                  ((const struct gg_authorised_key *)b)->public_key,
                  GG_KEY_PUBLIC_BYTES);
}

static int compare_name(const void *a, const void *b)
{
    const struct gg_authorised_key *const *left = a;
    const struct gg_authorised_key *const *right = b;
    return strcmp((*left)->grant.name.text, (*right)->grant.name.text);
}

static enum gg_err say(struct gg_keys_fault *out, const char *path, const char *name,
                       const char *what)
{
    (void)snprintf(out->text, sizeof out->text, "%.200s: [%.64s] %s", path, name, what);
    return GG_ERR_CONFIG;
}

/* No entry may lack anything, and no name or key may stand twice. */
static enum gg_err check(const struct gg_keys *keys, const char *path,
                         struct gg_keys_fault *out_fault)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct gg_authorised_key *entry = keys->by_name[i];
        const struct gg_grant *grant = &entry->grant;
        const char *name = grant->name.text;
        if (entry->text[0] == '\0' || grant->roles == 0 || grant->realm_count == 0 ||
            grant->queue_count == 0) {
            return say(out_fault, path, name, "lacks key, roles, realms or queues");
        }
        if (i > 0 && strcmp(keys->by_name[i - 1]->grant.name.text, name) == 0) {
            return say(out_fault, path, name, "stands twice");
        }
        if (i > 0 &&
            compare_public(&keys->by_public[i - 1], &keys->by_public[i]) == 0) {
            return say(out_fault, path, keys->by_public[i].grant.name.text,
                       "has the key of another section");
        }
    }
    return GG_OK;
}

/* Make the table of what was read; the items change hands on success. */
static enum gg_err build(struct reading *reading, const char *path,
                         struct gg_keys **out_keys, struct gg_keys_fault *out_fault)
{
    struct gg_keys *keys = calloc(1, sizeof *keys);
    struct gg_authorised_key **by_name = calloc(reading->count + 1,
                                                sizeof(struct gg_authorised_key *));
    if (keys == NULL || by_name == NULL) {
        free(keys);
        free(by_name);
        return GG_ERR_NO_MEMORY;
    }
    atomic_init(&keys->refs, 1);
    keys->count = reading->count;
    keys->by_public = reading->items;
    keys->by_name = by_name;
    if (keys->count > 0) {
        qsort(keys->by_public, keys->count, sizeof *keys->by_public, compare_public);
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        by_name[i] = &keys->by_public[i];
    }
    qsort(by_name, keys->count, sizeof(struct gg_authorised_key *), compare_name);
    enum gg_err err = check(keys, path, out_fault);
    if (err != GG_OK) {
        free(by_name);
        free(keys);
        return err;
    }
    *out_keys = keys;
    return GG_OK;
}

enum gg_err gg_keys_read(FILE *file, const char *path, struct gg_keys **out_keys,
                         struct gg_keys_fault *out_fault)
{
    struct reading reading = {0};
    int line = gg_ini_read(file, on_line, &reading);
    enum gg_err err = GG_OK;
    if (reading.no_memory) {
        err = GG_ERR_NO_MEMORY;
    } else if (line != 0) {
        (void)snprintf(
            out_fault->text, sizeof out_fault->text, "%.200s:%d: %s", path, line,
            reading.why != NULL ? reading.why : "the line is not 'name = value'");
        err = GG_ERR_CONFIG;
    } else {
        err = build(&reading, path, out_keys, out_fault);
    }
    if (err == GG_ERR_NO_MEMORY) {
        (void)snprintf(out_fault->text, sizeof out_fault->text, "%.200s: no memory",
                       path);
    }
    if (err != GG_OK) {
        free(reading.items);
    }
    return err;
}

FILE *gg_private_open(const char *path, long bytes_max, struct gg_keys_fault *out_fault)
{
    char *text = out_fault->text;
    size_t room = sizeof out_fault->text;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)snprintf(text, room, "%.200s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size > bytes_max) {
        (void)snprintf(text, room, "%.200s: not a plain file of at most %ld bytes",
                       path, bytes_max);
    } else if ((st.st_mode & 077) != 0) {
        (void)snprintf(text, room,
                       "%.200s: others may read it (mode %04o); chmod 600 '%.200s'",
                       path, (unsigned)st.st_mode & 07777, path);
    } else {
        FILE *file = fdopen(fd, "r");
        if (file != NULL) {
            return file;
        }
        (void)snprintf(text, room, "%.200s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return NULL;
}

enum gg_err gg_keys_load(const char *path, struct gg_keys **out_keys,
                         struct gg_keys_fault *out_fault)
{
    FILE *file = gg_private_open(path, GG_KEYS_FILE_BYTES_MAX, out_fault);
    if (file == NULL) {
        return GG_ERR_CONFIG;
    }
    enum gg_err err = gg_keys_read(file, path, out_keys, out_fault);
    (void)fclose(file);
    return err;
}

struct gg_keys *gg_keys_ref(struct gg_keys *keys)
{
    (void)atomic_fetch_add(&keys->refs, 1);
    return keys;
}

void gg_keys_unref(struct gg_keys **keys_p)
{
    struct gg_keys *keys = *keys_p;
    *keys_p = NULL;
    if (keys == NULL) {
        return;
    }
    uint32_t refs = atomic_fetch_sub(&keys->refs, 1);
    GG_ASSERT(refs > 0);
    if (refs == 1) {
        free(keys->by_public);
        free(keys->by_name);
        free(keys);
    }
}

struct gg_authorised_key *gg_keys_by_public(const struct gg_keys *keys,
                                            const uint8_t *public_key)
{
    uint32_t low = 0;
    uint32_t high = keys->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct gg_authorised_key *entry = &keys->by_public[middle];
        int order = memcmp(public_key, entry->public_key, GG_KEY_PUBLIC_BYTES);
        if (order == 0) {
            return entry;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

struct gg_authorised_key *gg_keys_by_name(const struct gg_keys *keys,
                                          struct gg_slice name)
{
    char text[GG_NAME_BYTES_MAX + 1];
    if (name.len > GG_NAME_BYTES_MAX) {
        return NULL;
    }
    gg_slice_copy(name, text, sizeof text);
    uint32_t low = 0;
    uint32_t high = keys->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(text, keys->by_name[middle]->grant.name.text);
        if (order == 0) {
            return keys->by_name[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool same_patterns(const struct gg_name *a, uint8_t a_count,
                          const struct gg_name *b, uint8_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (uint8_t i = 0; i < a_count; i++) {
        if (!gg_slice_equal(gg_name_slice(&a[i]), gg_name_slice(&b[i]))) {
            return false;
        }
    }
    return true;
}

bool gg_authorised_same(const struct gg_authorised_key *a,
                        const struct gg_authorised_key *b)
{
    const struct gg_grant *left = &a->grant;
    const struct gg_grant *right = &b->grant;
    return compare_public(a, b) == 0 && left->roles == right->roles &&
           gg_slice_equal(gg_name_slice(&left->name), gg_name_slice(&right->name)) &&
           same_patterns(left->realms, left->realm_count, right->realms,
                         right->realm_count) &&
           same_patterns(left->queues, left->queue_count, right->queues,
                         right->queue_count);
}

/* ---- the server's own key ---- */

/* Take the 40 characters out of a line such as `    secret-key = "…"`. */
static bool secret_of_line(const char *line, char out_secret[GG_KEY_TEXT_BYTES])
{
    static const char name[] = "secret-key";
    line += strspn(line, " \t");
    if (strncmp(line, name, sizeof name - 1) != 0) {
        return false;
    }
    line += sizeof name - 1;
    line += strspn(line, " \t=");
    if (*line++ != '"' || strcspn(line, "\"") != GG_KEY_TEXT_BYTES - 1) {
        return false;
    }
    memcpy(out_secret, line, GG_KEY_TEXT_BYTES - 1);
    out_secret[GG_KEY_TEXT_BYTES - 1] = '\0';
    uint8_t bytes[GG_KEY_PUBLIC_BYTES];
    bool valid = zmq_z85_decode(bytes, out_secret) != NULL;
    sodium_memzero(bytes, sizeof bytes);
    return valid;
}

enum gg_err gg_server_key_load(const char *path, char out_secret[GG_KEY_TEXT_BYTES],
                               struct gg_keys_fault *out_fault)
{
    FILE *file = gg_private_open(path, CERTIFICATE_BYTES_MAX, out_fault);
    if (file == NULL) {
        return GG_ERR_CONFIG;
    }
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = secret_of_line(line, out_secret);
    }
    sodium_memzero(line, sizeof line);
    (void)fclose(file);
    if (!found) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.200s: no secret-key in it; make one with: ganger key new",
                       path);
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}
