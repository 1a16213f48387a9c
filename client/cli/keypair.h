/* keypair.h - CURVE key pairs and their files: the only user of libzmq's key calls
 * here.
 *
 * The files are czmq's certificates (https://rfc.zeromq.org/spec/4/): FILE holds both
 * keys and is the owner's alone (0600), FILE.pub holds the public one (0644).
 */
#ifndef GG_CLIENT_CLI_KEYPAIR_H
#define GG_CLIENT_CLI_KEYPAIR_H

#include <stdbool.h>
#include <stddef.h>

enum { GG_KEYPAIR_TEXT_BYTES = 41 };

struct gg_keypair {
    char public_key[GG_KEYPAIR_TEXT_BYTES]; /* Z85 */
    char secret_key[GG_KEYPAIR_TEXT_BYTES];
};

/* Make a pair. False: this libzmq has no CURVE. */
bool gg_keypair_new(struct gg_keypair *out);

/* Write PATH and PATH.pub. False, with errno set: nothing new is left behind; a file
 * that is there already is not touched (EEXIST). */
bool gg_keypair_write(const struct gg_keypair *pair, const char *path);

/* Is `text` a key: 40 characters of Z85? */
bool gg_keypair_valid(const char *text);

/* Read the public key out of a FILE.pub or FILE. False: there is none. */
bool gg_keypair_read_public(const char *path, char out[GG_KEYPAIR_TEXT_BYTES]);

#endif
