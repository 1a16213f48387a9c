/* backup.h - one file that holds everything, as of one moment.
 *
 * A backup is a database like ganger.db, with checksums like its, and one more table
 * that holds the bytes of the blobs. It is read from a snapshot in a connection of its
 * own, each record verified on the way, so that damage is never backed up as if it were
 * sound. While it is made the log cannot begin anew and grows by what is written. */
#ifndef GG_BROKER_STORE_BACKUP_H
#define GG_BROKER_STORE_BACKUP_H

#include "broker/store/database.h"
#include "broker/store/folder.h"

/* Copy the folder's contents into the new file `path`; written aside, synced, renamed.
 * Blobs deleted meanwhile must keep their files until it returns. */
GG_MUST_USE enum gg_err gg_backup_make(struct gg_files *files,
                                       const struct gg_page_vfs *vfs,
                                       const struct gg_folder *folder, const char *path,
                                       struct gg_store_report *report);

/* ---- for backup, restore and repair: a database written in one go ---- */

struct gg_copy {
    struct gg_files *files;
    const char *path;            /* Of the new database; lent. */
    struct gg_database database; /* The new one. */
    struct gg_census census;     /* What has been put in; the caller sets number. */
    struct gg_store_report *report;
};

/* Create the database `path`, without a log while it is filled. */
GG_MUST_USE enum gg_err gg_copy_begin(struct gg_copy *copy, struct gg_files *files,
                                      const struct gg_page_vfs *vfs, const char *path,
                                      uint32_t mark, struct gg_store_report *report);

/* Put a row in, as it is. */
GG_MUST_USE enum gg_err gg_copy_row(struct gg_copy *copy, uint8_t kind,
                                    const struct gg_row *row);

/* Finish, sync and close it, with a log from now on if `log`. Also after a failure
 * (`err`), which it returns. */
enum gg_err gg_copy_end(struct gg_copy *copy, bool log, enum gg_err err);

/* Write the witness of a folder that is being made, and give its database its name. */
GG_MUST_USE enum gg_err gg_copy_publish(struct gg_files *files,
                                        const struct gg_folder *folder, uint64_t number,
                                        struct gg_store_report *report);

#endif
