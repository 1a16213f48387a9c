/* pages.h - the pages of ganger.db and their checksums.
 *
 * SQLite has none. Eight reserved bytes at the end of each page hold XXH3 of the rest,
 * seeded with the page's number: put there when a page is written to ganger.db (log
 * frames have SQLite's own), checked when it is read, and for the whole file when it is
 * opened. */
#ifndef GG_BROKER_STORE_PAGES_H
#define GG_BROKER_STORE_PAGES_H

#include <sqlite3.h>

#include "broker/store/files.h"
#include "broker/store/report.h"
#include "broker/store/wal.h"

enum { GG_PAGE_BYTES = 4096, GG_PAGE_RESERVED = 8 };

struct gg_page_vfs; /* A layer between SQLite and its files. */

/* Register a layer above the one called `under` (NULL: the default). */
GG_MUST_USE enum gg_err gg_page_vfs_new(const char *under, struct gg_page_vfs **out);

/* Safe on NULL; no file may be open through it. */
void gg_page_vfs_destroy(struct gg_page_vfs **vfs_p);

/* For sqlite3_open_v2(). */
const char *gg_page_vfs_name(const struct gg_page_vfs *vfs);

/* The page that failed its check last; 0: none. */
uint32_t gg_page_vfs_damaged(const struct gg_page_vfs *vfs);

/* Check every page of the database `path` but those that the log holds anew. Calls
 * `found` for each bad one. The file must be as long as its header or the log says. */
GG_MUST_USE enum gg_err gg_pages_check(struct gg_files *files, const char *path,
                                       const struct gg_wal_scan *wal,
                                       gg_store_finding_fn *found, void *ctx,
                                       struct gg_store_report *report);

#endif
