/* keyfile.h - a CURVE key pair from a file in the text format of czmq's certificates:
 *
 *   metadata
 *       server-key = "40 characters of Z85"       the broker's public key; optional
 *   curve
 *       public-key = "40 characters of Z85"
 *       secret-key = "40 characters of Z85"
 *
 * Indented lines belong to the section above; # begins a line that is skipped. Only
 * this much of the format (https://rfc.zeromq.org/spec/4/) is read. A file that others
 * than its owner can read is refused: whoever has read the secret key can be its owner.
 */
#ifndef GG_CLIENT_SRC_KEYFILE_H
#define GG_CLIENT_SRC_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { GG_KEY_TEXT_BYTES = 41 };

struct gg_keys {
    char public_key[GG_KEY_TEXT_BYTES];
    char secret_key[GG_KEY_TEXT_BYTES];
    char server_key[GG_KEY_TEXT_BYTES]; /* "" where the file has none. */
};

/* GG_ERR_USAGE: `why` says what is wrong and what to do; *out is untouched. */
GG_MUST_USE enum gg_err gg_keyfile_read(const char *path, struct gg_keys *out,
                                        char *why, size_t why_room);

/* Is `text` a key: 40 characters of Z85? */
bool gg_key_valid(const char *text);

#endif
