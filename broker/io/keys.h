/* keys.h - the authorised keys: who may connect, and what each may do.
 *
 * An INI file, one section a key; `ganger key allow` writes it:
 *
 *   [alice]
 *   key = Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID
 *   roles = submit,observe
 *   realms = default
 *   queues = reports* mail
 *
 * A table is built whole and never changes, so that the thread that admits connections
 * and the loop can share it; a new file makes a new table. References are counted
 * atomically.
 */
#ifndef GG_BROKER_IO_KEYS_H
#define GG_BROKER_IO_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "broker/core/grant.h"
#include "common/err.h"

enum {
    GG_KEY_PUBLIC_BYTES = 32,
    GG_KEY_TEXT_BYTES = 41, /* Z85, with its NUL. */
    GG_KEYS_FILE_BYTES_MAX = 1 << 24,
    GG_KEYS_MAX = 100000,
};

struct gg_authorised_key {
    uint8_t public_key[GG_KEY_PUBLIC_BYTES];
    char text[GG_KEY_TEXT_BYTES];
    struct gg_grant grant; /* Its name is the section's. */
    _Atomic uint32_t sessions;
};

struct gg_keys {
    _Atomic uint32_t refs;
    uint32_t count;
    struct gg_authorised_key *by_public; /* Sorted by public key. */
    struct gg_authorised_key **by_name;  /* Sorted by name. */
};

/* What is wrong with a file, as a sentence that names the mend. */
struct gg_keys_fault {
    char text[512];
};

/* Build a table from an open file. GG_ERR_CONFIG: *out_fault says where and what.
 * The caller owns one reference of *out_keys. */
GG_MUST_USE enum gg_err gg_keys_read(FILE *file, const char *path,
                                     struct gg_keys **out_keys,
                                     struct gg_keys_fault *out_fault);

/* Build a table from a file that only its owner may read. */
GG_MUST_USE enum gg_err gg_keys_load(const char *path, struct gg_keys **out_keys,
                                     struct gg_keys_fault *out_fault);

/* Open a plain file of ours that group and world may not read; NULL, and a fault. */
FILE *gg_private_open(const char *path, long bytes_max,
                      struct gg_keys_fault *out_fault);

struct gg_keys *gg_keys_ref(struct gg_keys *keys);

/* Give up one reference; *keys_p becomes NULL. Safe on NULL. */
void gg_keys_unref(struct gg_keys **keys_p);

/* The entry, lent as long as the table; NULL when there is none. */
struct gg_authorised_key *gg_keys_by_public(const struct gg_keys *keys,
                                            const uint8_t *public_key);
struct gg_authorised_key *gg_keys_by_name(const struct gg_keys *keys,
                                          struct gg_slice name);

/* Same key bytes, same name and exactly the same rights? */
bool gg_authorised_same(const struct gg_authorised_key *a,
                        const struct gg_authorised_key *b);

/* Read the secret key of a certificate file as `ganger key new` writes it (the format
 * of czmq's zcert), which only its owner may read. GG_ERR_CONFIG: *out_fault. */
GG_MUST_USE enum gg_err gg_server_key_load(const char *path,
                                           char out_secret[GG_KEY_TEXT_BYTES],
                                           struct gg_keys_fault *out_fault);

#endif
