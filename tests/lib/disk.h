/* disk.h - a disk that fails and forgets, for tests of the store.
 *
 * It lies between the store and the real files: below SQLite as a VFS, below the
 * store's own calls as a struct gg_files. It counts the calls that change something,
 * lets the n-th fail once or for good, and keeps for each file what a sync has made
 * safe and what was written since, so that the power can be cut: what was not synced
 * survives at random, in pieces of a sector, or not at all.
 *
 * One disk at a time. Threads may use it; the functions here are for one thread. */
#ifndef GG_TESTS_LIB_DISK_H
#define GG_TESTS_LIB_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/files.h"

enum disk_fault {
    DISK_SOUND = 0,
    DISK_FULL,  /* ENOSPC */
    DISK_SHORT, /* A write that stops half way, as on a full disk. */
    DISK_ERROR, /* EIO */
    DISK_DEAD,  /* From then on nothing reaches it: EIO, and it keeps nothing. */
};

/* Forget everything that was known and planned. */
void disk_reset(void);

/* Take in a folder from before: what its files hold is safe. */
void disk_adopt(const char *path);

/* The layer, for struct gg_store_options. */
struct gg_files *disk_files(void);
const char *disk_vfs(void);

/* The n-th call (1 is the next) fails in that way: once, or that and all after it.
 * Calls that cannot fail in that way (a sync with ENOSPC) are counted and succeed. */
void disk_plan(uint64_t nth, enum disk_fault fault, bool for_good);

/* Calls counted since the last disk_plan() or disk_reset(). */
uint64_t disk_calls(void);

/* Has the planned fault come? */
bool disk_struck(void);

/* Put every sync off by so many milliseconds. */
void disk_set_sync_ms(int ms);

/* The disk says that so much is free; UINT64_MAX: what the real one says. */
void disk_set_free(uint64_t bytes);

/* How much of what was not synced survives a power cut. */
enum disk_survival { DISK_NOTHING, DISK_SOME, DISK_EVERYTHING };

/* Write the folder `from` as it is after a power cut now to the new folder `to`. `seed`
 * chooses what survives by chance. */
void disk_cut(const char *from, const char *to, enum disk_survival survival,
              uint64_t seed);

#endif
