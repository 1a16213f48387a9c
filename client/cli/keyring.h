/* keyring.h - the broker's file of authorised keys: who may come in, and do what.
 *
 * INI, one section a key; the broker watches the file and reads it again when it
 * changes:
 *
 *   [alice]
 *   key = 40 characters of Z85
 *   roles = submit,observe
 *   realms = default
 *   queues = reports* mail
 *
 * Changes are atomic (a new file takes the old one's place, on disk before it does),
 * and leave comments and other sections as they were. The file's mode is 0600.
 */
#ifndef GG_CLIENT_CLI_KEYRING_H
#define GG_CLIENT_CLI_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

enum {
    GG_KEYRING_MAX = 10000,         /* Keys in one file. */
    GG_KEYRING_VALUE_BYTES = 192,   /* A line of inih's has at most 200. */
    GG_KEYRING_FILE_BYTES = 1 << 24 /* Larger files are refused. */
};

struct gg_keyring_entry {
    char name[65];
    char key[41];
    char roles[GG_KEYRING_VALUE_BYTES];
    char realms[GG_KEYRING_VALUE_BYTES];
    char queues[GG_KEYRING_VALUE_BYTES];
};

struct gg_keyring {
    struct gg_keyring_entry *entries;
    size_t count;
};

struct gg_keyring_fault {
    char text[400];
};

/* Read `path`; a file that is not there is an empty ring. False: *out_fault says why.
 * The caller ends *out with gg_keyring_fini() either way. */
bool gg_keyring_read(const char *path, struct gg_keyring *out,
                     struct gg_keyring_fault *out_fault);
void gg_keyring_fini(struct gg_keyring *ring);

/* The entry of that name, or with that key; NULL: none. */
const struct gg_keyring_entry *gg_keyring_find(const struct gg_keyring *ring,
                                               const char *name_or_key);

/* Put `entry` in, in place of one of its name. */
bool gg_keyring_put(const char *path, const struct gg_keyring_entry *entry,
                    struct gg_keyring_fault *out_fault);

/* Take the section of that name out. */
bool gg_keyring_remove(const char *path, const char *name,
                       struct gg_keyring_fault *out_fault);

#endif
