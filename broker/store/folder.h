/* folder.h - the data folder: whose it is, whether it can be used, and the lock. */
#ifndef GG_BROKER_STORE_FOLDER_H
#define GG_BROKER_STORE_FOLDER_H

#include <stdbool.h>

#include "broker/store/files.h"
#include "broker/store/report.h"

struct gg_folder {
    int lock_fd; /* -1: not locked. */
    char path[900];
    char database[1024];
    char log[1024];
    char index[1024];  /* SQLite's, of the log. */
    char making[1024]; /* A database that is being made; left by a crash. */
    char witness[1024];
    bool has_database;
    bool has_witness;
};

/* Fill in the paths. GG_ERR_CONFIG: `path` is too long. */
GG_MUST_USE enum gg_err gg_folder_name(struct gg_folder *folder, const char *path,
                                       struct gg_store_report *report);

/* Create the folder if it is not there, lock it, and look at what is in it: refuse what
 * is not ours, what cannot be written, what cannot be synced. */
GG_MUST_USE enum gg_err gg_folder_open(struct gg_folder *folder, const char *path,
                                       struct gg_files *files,
                                       struct gg_store_report *report);

/* Lock a folder that must be there, changing nothing else: for checks. */
GG_MUST_USE enum gg_err gg_folder_lock(struct gg_folder *folder, const char *path,
                                       struct gg_store_report *report);

/* The database's own head: ours, and of a format that this program knows? `mark` is
 * what it must be. GG_ERR_CONFIG: the format is newer; GG_ERR_STORE: it is damaged, or
 * not ours; GG_ERR_BAD_FIELD: the same, where a backup is asked for, and
 * GG_ERR_NOT_FOUND: there is none. */
GG_MUST_USE enum gg_err gg_folder_check_format(const char *database, uint32_t mark,
                                               struct gg_files *files,
                                               struct gg_store_report *report);

void gg_folder_close(struct gg_folder *folder);

#endif
