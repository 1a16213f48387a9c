/* place.h - the agent's own places on this host: the lock of its name, its folder.
 *
 * The lock is held by the agent and its keeper alike, so that an agent which is started
 * again under its name begins only when nothing of the one before it runs any more.
 */
#ifndef GG_WORKER_PLACE_H
#define GG_WORKER_PLACE_H

#include <stddef.h>

#include "common/err.h"

enum { GG_PLACE_BYTES = 512 };

/* Open the lock file of `name`, in $XDG_RUNTIME_DIR or the temporary folder, not yet
 * locked. GG_ERR_CONFIG: *out_why says what is in the way. */
GG_MUST_USE enum gg_err gg_place_open_lock(const char *name, int *out_fd, char *out_why,
                                           size_t room);

/* Lock it now; GG_ERR_BUSY: somebody else holds it. */
GG_MUST_USE enum gg_err gg_place_lock(int fd);

/* Make a folder of our own for the attempts of agent `name`; its path goes into `out`.
 * GG_ERR_CONFIG as above. */
GG_MUST_USE enum gg_err gg_place_make_folder(const char *name, char out[GG_PLACE_BYTES],
                                             char *out_why, size_t room);

#endif
