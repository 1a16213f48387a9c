/* sqlite.h - the store on disk: a folder with an SQLite database in WAL mode.
 *
 *   ganger.db       the records; every page and every record has a checksum
 *   ganger.db-wal   SQLite's log: what is committed and not yet in ganger.db
 *   blobs/xx/…      one file for each large payload or result
 *   witness         the last durable number, so that lost commits are noticed
 *   ballast         room held in reserve for when the disk is full
 *   lock            held by the broker that has the folder open; its process id
 *
 * One writer thread owns the connection and commits all that has gathered since its
 * last commit began, with one sync. Loads and backups have threads of their own and
 * never hold it up.
 *
 * Blobs are files and not rows: SQLite would write each byte twice, log and database,
 * the hot log would be full of them, and a freed megabyte would come back as scattered
 * pages; a file is written and synced once, and deleting it gives the room back to the
 * disk. Its row, which is committed with the record that names it, has the truth: a
 * file without a row was cut off by a crash and is removed at start, so no renaming
 * is needed; a row without its file, or with one of another length, is damage.
 *
 * What damage is seen: any change to a page of ganger.db (checksum, with the page's
 * number in it), to a record (checksum, with its key in it), to the log (read whole
 * before SQLite sees it: a bad frame that complete commits follow is refused, SQLite
 * alone would drop those in silence), to a blob (length at start, checksum when it is
 * loaded); records that are missing, or back from the past, though every checksum fits
 * (each commit stores the number of live records and the sum of their checksums, and
 * the start counts again); a whole folder, database or log that is older than the
 * witness. What is not seen: a forger, who can compute checksums; a folder that was
 * replaced whole, witness included, by an older copy of itself; and after a power cut
 * the loss of synced commits younger than the witness's last sync, about a second: a
 * start after anything but an orderly end says up to where the witness vouches.
 *
 * Format version 1. To change what is on disk: raise GG_STORE_FORMAT, teach
 * sqlite_open.c to read the older one, write a folder of the new one beside the older
 * ones in tests/golden/store, describe it here. A newer one is refused by name.
 */
#ifndef GG_BROKER_STORE_SQLITE_H
#define GG_BROKER_STORE_SQLITE_H

#include "broker/store/store.h"

enum { GG_STORE_FORMAT = 1 };

struct gg_files; /* broker/store/files.h */

struct gg_store_options {
    uint64_t ballast_bytes;     /* Held in reserve; a small disk: an eighth of it. */
    uint64_t waiting_bytes_max; /* GG_STORE_SPACE_BEHIND above it. */
    struct gg_files *files;     /* For tests: what does our file calls; NULL: libc. */
    const char *vfs;            /* For tests: SQLite's file layer; NULL: its own. */
};

/* What opening, checking, restoring have to say to people. */
struct gg_store_report {
    char fault[GG_STORE_TEXT_BYTES];  /* Why not: the path, the reason, what to do. */
    char notice[GG_STORE_TEXT_BYTES]; /* All went well, but somebody should know. */
};

/* The defaults: 16 MiB ballast, 64 MiB waiting. */
void gg_store_options_default(struct gg_store_options *out_options);

/* Open the folder `path`, creating it (mode 0700) and what is in it if it is not there;
 * its parent must be. Reads everything once and verifies it. On success the caller owns
 * *out_store. *out_report is always filled in.
 *   GG_ERR_CONFIG     no folder, not ours, newer than this program, locked by another
 *                     broker, read-only, on a file system that cannot sync
 *   GG_ERR_STORE      damaged (the report says where), or the disk fails
 *   GG_ERR_NO_MEMORY */
GG_MUST_USE enum gg_err gg_store_open_sqlite(const char *path,
                                             const struct gg_store_options *options,
                                             struct gg_store **out_store,
                                             struct gg_store_report *out_report);

/* Make the folder `path`, which must be missing or empty, from the backup `file`,
 * verifying all of it.
 *   GG_ERR_NOT_FOUND  there is no such file
 *   GG_ERR_BAD_FIELD  `file` is no backup, or was damaged since
 * The other errors as gg_store_open_sqlite(). */
GG_MUST_USE enum gg_err gg_store_restore(const char *file, const char *path,
                                         const struct gg_store_options *options,
                                         struct gg_store_report *out_report);

/* One line of a check: what is damaged, and where. `ctx` is the caller's. */
typedef void gg_store_finding_fn(void *ctx, const char *text);

/* What a check has counted. */
struct gg_store_census {
    uint64_t record_count; /* Readable ones. */
    uint64_t blob_count;
    uint64_t damaged_count; /* Findings. */
};

/* Look at everything in the folder `path`, which no broker may have open, and change
 * nothing. GG_OK: the check was made; it is sound when damaged_count is 0. */
GG_MUST_USE enum gg_err gg_store_check(const char *path,
                                       const struct gg_store_options *options,
                                       gg_store_finding_fn *found, void *ctx,
                                       struct gg_store_census *out_census,
                                       struct gg_store_report *out_report);

/* Write what is readable in the folder `path` into the new folder `into`, and tell of
 * everything that is lost. Changes nothing in `path`. */
GG_MUST_USE enum gg_err gg_store_repair(const char *path, const char *into,
                                        const struct gg_store_options *options,
                                        gg_store_finding_fn *found, void *ctx,
                                        struct gg_store_census *out_census,
                                        struct gg_store_report *out_report);

#endif
