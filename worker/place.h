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

struct gg_place_lock {
    int fd; /* -1: none. */
    char path[GG_PLACE_BYTES + 128];
};

/* Take the lock of `name`, a file in $XDG_RUNTIME_DIR or the temporary folder. Whoever
 * has a copy of its descriptor holds it too. GG_ERR_BUSY: somebody else holds it;
 * GG_ERR_CONFIG: *out_why says what is in the way. */
GG_MUST_USE enum gg_err gg_place_lock(const char *name, struct gg_place_lock *out_lock,
                                      char *out_why, size_t room);

/* Give it up and remove its file. Safe when it is not held. */
void gg_place_unlock(struct gg_place_lock *lock);

/* Make a folder of our own for the attempts of agent `name`; its path goes into `out`.
 * GG_ERR_CONFIG as above. */
GG_MUST_USE enum gg_err gg_place_make_folder(const char *name, char out[GG_PLACE_BYTES],
                                             char *out_why, size_t room);

/* Let other users pass through it to folders of their own, but not look into it. */
void gg_place_open_folder(const char *path);

#endif
