/* folder.h - the temporary folders of attempts and executors. */
#ifndef GG_WORKER_EXEC_FOLDER_H
#define GG_WORKER_EXEC_FOLDER_H

#include "worker/exec/run.h"

enum { GG_FOLDER_BYTES = 4096 };

/* Make `<temp_folder>/<prefix><number>`, for nobody but the user of the cage (NULL:
 * none), and write its path. GG_ERR_SYSTEM: errno says why. */
GG_MUST_USE enum gg_err gg_folder_make(const struct gg_run_world *world,
                                       const struct gg_cage *cage, const char *prefix,
                                       uint64_t number, char out[GG_FOLDER_BYTES]);

/* The same at a given path. False: errno says why. */
bool gg_folder_make_at(const char *path, const struct gg_cage *cage);

/* Remove it with all that is in it; "" is none. A large tree is removed by a child of
 * the keeper's, which nobody waits for. */
void gg_folder_remove(const struct gg_run_world *world, const char *folder);

/* Is there nothing in the folder open at `fd`? */
bool gg_folder_is_empty(int fd);

#endif
