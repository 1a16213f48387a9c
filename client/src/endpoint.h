/* endpoint.h - where the broker is, as users write it. */
#ifndef GG_CLIENT_SRC_ENDPOINT_H
#define GG_CLIENT_SRC_ENDPOINT_H

#include <stddef.h>

#include "common/err.h"

enum { GG_ENDPOINT_BYTES = 320 };

/* Write `text` as tcp://host:port or ipc://path into `out`; host:port alone means tcp.
 * GG_ERR_USAGE: `why` says what is wrong with it and what to write instead; `out` is
 * untouched. */
GG_MUST_USE enum gg_err gg_endpoint_read(const char *text, char out[GG_ENDPOINT_BYTES],
                                         char *why, size_t why_room);

#endif
