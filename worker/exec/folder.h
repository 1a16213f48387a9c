/* folder.h - the temporary folders of attempts and executors. */
#ifndef GG_WORKER_EXEC_FOLDER_H
#define GG_WORKER_EXEC_FOLDER_H

#include "worker/exec/run.h"

enum { GG_FOLDER_BYTES = 4096, GG_SPARE_FOLDERS_MAX = 16 };

/* Folders of attempts that have ended and left them empty, as they were made: to make
 * and remove one costs more than all else the agent does for a program. */
struct gg_spare_folders {
    uint32_t count;
    struct gg_mono drop_at; /* They go when nobody has wanted one until then. */
    struct {
        uint64_t number;
        uint32_t uid;
        uint32_t gid;
    } items[GG_SPARE_FOLDERS_MAX];
};

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

/* The folder of an attempt: one that is spare, or a new one of that number, which is
 * above 0 and never used twice. *out_number is that of the folder. */
GG_MUST_USE enum gg_err gg_folder_take(const struct gg_run_world *world,
                                       const struct gg_cage *cage, uint64_t number,
                                       char out[GG_FOLDER_BYTES], uint64_t *out_number);

/* The attempt has ended: keep its folder where it is as it was made, else remove it.
 * 0: it is of nobody else from here on. */
void gg_folder_leave(const struct gg_run_world *world, const char *folder,
                     uint64_t number, struct gg_mono now);

/* Remove spare ones that are not wanted; when to call again, false: not yet. */
void gg_folder_trim(const struct gg_run_world *world, struct gg_mono now);
bool gg_folder_next_trim(const struct gg_run_world *world, struct gg_mono *out_at);

/* Is there nothing in the folder open at `fd`? */
bool gg_folder_is_empty(int fd);

#endif
