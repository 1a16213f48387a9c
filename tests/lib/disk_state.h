/* disk_state.h - what the two sides of the disk share. Not for others. Between
 * disk_lock() and disk_unlock(), all but the first three. */
#ifndef GG_TESTS_LIB_DISK_STATE_H
#define GG_TESTS_LIB_DISK_STATE_H

#include "tests/lib/disk.h"

enum { DISK_PATH_BYTES = 1024 };

struct node; /* The contents of a file, whatever its name. */

void disk_lock(void);
void disk_unlock(void);
void disk_wait_for_sync(void);

/* Count a call that changes something, and say how it fails. */
enum disk_fault disk_count(bool is_sync);

/* Of the call counted last, if it failed. */
int disk_last_errno(void);

/* A file from before: what it holds is safe. Harmless when it is known or not there. */
void disk_take_in(const char *path);

/* The contents behind a name, new if there are none. */
struct node *disk_node_of(const char *path);

/* The name is `node` from now on; NULL: it is gone. */
void disk_set_name(const char *path, struct node *node);

/* Bytes were written at `at`; `len` < 0: the file was cut or grown to `at` bytes. */
void disk_change(const char *path, int64_t at, int64_t len, const void *data);

/* All that was written to it is safe. */
void disk_sync_node(struct node *node);

/* The names in the folder of `path` are safe. */
void disk_sync_folder_of(const char *path);

#endif
