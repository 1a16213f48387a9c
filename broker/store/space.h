/* space.h - room on the disk: the ballast, and how much is free beside it.
 *
 * The ballast is a file of real blocks. While it lies there, the disk is never quite
 * full: a commit that finds no room frees it and is tried once more, so that running
 * work can still finish while new work is refused. */
#ifndef GG_BROKER_STORE_SPACE_H
#define GG_BROKER_STORE_SPACE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "broker/store/files.h"
#include "broker/store/report.h"

struct gg_space {
    struct gg_files *files;
    const char *folder; /* Lent. */
    char path[1024];    /* Of the ballast. */
    uint64_t ballast_bytes;
    bool ballast_there;
    bool low;
    _Atomic uint64_t free_bytes; /* Beside the ballast; may be read by any thread. */
    atomic_bool shown_low;       /* Likewise. */
};

/* Look at the disk; `ballast_bytes` is cut to an eighth of it. Makes the ballast if it
 * finds room. GG_ERR_STORE: the disk cannot be asked. */
GG_MUST_USE enum gg_err gg_space_init(struct gg_space *space, struct gg_files *files,
                                      const char *folder, uint64_t ballast_bytes,
                                      struct gg_store_report *report);

/* Before a folder is opened: on a disk without any room the ballast goes at once, for
 * SQLite cannot even read its log without a little. */
void gg_space_make_way(struct gg_files *files, const char *folder);

/* Look again; makes the ballast anew when there is room for it. True: low or not low
 * has changed. */
bool gg_space_look(struct gg_space *space);

/* Free the ballast; false: it was not there. */
bool gg_space_free_ballast(struct gg_space *space);

#endif
