/* wal.h - reading SQLite's log before SQLite does.
 *
 * SQLite ends its log at the first frame whose checksum does not fit and drops the rest
 * in silence. That is right for a commit that the power cut off, and wrong for a bit
 * that has flipped in one that was synced. The two are told apart: only the last commit
 * can have been cut off, so a bad frame that the frames of a later commit follow is
 * damage. What a bad frame in the last commit is, only the witness can say.
 *
 * The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
#ifndef GG_BROKER_STORE_WAL_H
#define GG_BROKER_STORE_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/store/files.h"
#include "broker/store/report.h"

struct gg_wal_scan {
    uint64_t bytes;      /* Of the file; 0: there is none. */
    uint64_t good_bytes; /* Up to the end of the last whole commit. */
    uint64_t commit_count;
    uint32_t page_count;  /* Of the database after the last commit; 0: no commit. */
    uint64_t bad_at;      /* Offset of the first bad frame, 0: none. */
    bool torn;            /* It is of this log, not a leftover of an older one. */
    bool damaged;         /* Whole commits follow it. */
    uint8_t *pages;       /* A bit for each page that a whole commit holds. */
    uint32_t pages_count; /* Bits there. */
};

/* Read the log `path`, if it is there. GG_OK also for a damaged one: look at `damaged`.
 * Errors: GG_ERR_STORE (cannot be read, or its header is damaged), GG_ERR_NO_MEMORY. */
GG_MUST_USE enum gg_err gg_wal_read(struct gg_files *files, const char *path,
                                    struct gg_wal_scan *out_scan,
                                    struct gg_store_report *report);

void gg_wal_fini(struct gg_wal_scan *scan);

static inline bool gg_wal_has_page(const struct gg_wal_scan *scan, uint32_t page)
{
    return page < scan->pages_count && (scan->pages[page / 8] >> (page % 8) & 1) != 0;
}

#endif
