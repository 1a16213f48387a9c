#include "broker/store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/pages.h"
#include "broker/store/sum.h"

enum {
    HEADER_BYTES = 32,
    FRAME_HEADER_BYTES = 24,
    FRAME_BYTES = FRAME_HEADER_BYTES + GG_PAGE_BYTES,
    FRAMES_PER_READ = 64,
    FORMAT = 3007000,
};
static const uint32_t MAGIC = 0x377f0682; /* Its last bit: sums of big-endian words. */

struct sums {
    uint32_t a;
    uint32_t b;
};

struct reader {
    struct gg_files *files;
    const char *path;
    struct gg_store_report *report;
    struct gg_wal_scan *scan;
    int fd;
    uint8_t *buffer;
    bool big_endian;
    uint8_t salts[8];
    struct sums expected; /* Of the frame before, as computed. */
    struct sums told;     /* Of the frame before, as its header says. */
    bool commit_follows;  /* A whole commit was seen behind the bad frame. */
    uint32_t *open_pages; /* Pages of frames whose commit has not come yet. */
    size_t open_count;
    size_t open_room;
};

static uint32_t word(const uint8_t *at, bool big_endian)
{
    if (big_endian) {
        return gg_be32_get(at);
    }
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static struct sums add(struct sums sums, const uint8_t *data, size_t len, bool big)
{
    for (size_t i = 0; i < len; i += 8) {
        sums.a += word(data + i, big) + sums.b;
        sums.b += word(data + i + 4, big) + sums.a;
    }
    return sums;
}

static struct sums sums_at(const uint8_t *at)
{
    return (struct sums){.a = gg_be32_get(at), .b = gg_be32_get(at + 4)};
}

static bool same(struct sums left, struct sums right)
{
    return left.a == right.a && left.b == right.b;
}

/* ---- the pages of whole commits ---- */

static enum gg_err remember_page(struct reader *reader, uint32_t page)
{
    if (reader->open_count == reader->open_room) {
        size_t room = reader->open_room == 0 ? 256 : reader->open_room * 2;
        uint32_t *grown = realloc(reader->open_pages, room * sizeof *grown);
        if (grown == NULL) {
            return gg_report_fault(reader->report, GG_ERR_NO_MEMORY, "no memory");
        }
        reader->open_pages = grown;
        reader->open_room = room;
    }
    reader->open_pages[reader->open_count++] = page;
    return GG_OK;
}

static enum gg_err settle_pages(struct reader *reader, uint32_t page_count)
{
    struct gg_wal_scan *scan = reader->scan;
    if (page_count + 1 > scan->pages_count) {
        uint32_t bits = (page_count + 1 + 4095) / 4096 * 4096;
        uint8_t *grown = realloc(scan->pages, bits / 8);
        if (grown == NULL) {
            return gg_report_fault(reader->report, GG_ERR_NO_MEMORY, "no memory");
        }
        memset(grown + scan->pages_count / 8, 0, (bits - scan->pages_count) / 8);
        scan->pages = grown;
        scan->pages_count = bits;
    }
    for (size_t i = 0; i < reader->open_count; i++) {
        uint32_t page = reader->open_pages[i];
        if (page < scan->pages_count) {
            scan->pages[page / 8] |= (uint8_t)(1U << (page % 8));
        }
    }
    reader->open_count = 0;
    return GG_OK;
}

/* ---- frames ---- */

/* A frame that follows one that fits. False: it is the first bad one. */
static bool fits(struct reader *reader, const uint8_t *frame)
{
    struct sums sums = add(reader->expected, frame, 8, reader->big_endian);
    sums = add(sums, frame + FRAME_HEADER_BYTES, GG_PAGE_BYTES, reader->big_endian);
    reader->expected = sums;
    return gg_be32_get(frame) != 0 && memcmp(frame + 8, reader->salts, 8) == 0 &&
           same(sums, sums_at(frame + 16));
}

static enum gg_err take_good(struct reader *reader, const uint8_t *frame, uint64_t end)
{
    enum gg_err err = remember_page(reader, gg_be32_get(frame));
    uint32_t page_count = gg_be32_get(frame + 4);
    if (err == GG_OK && page_count != 0) {
        reader->scan->good_bytes = end;
        reader->scan->commit_count++;
        reader->scan->page_count = page_count;
        err = settle_pages(reader, page_count);
    }
    return err;
}

/* A frame somewhere behind the first bad one: is it of this log, and does it continue
 * the frame before it, whatever that one's own contents are worth? Then it was written
 * after it. What comes behind such a frame that ends a commit is of a later commit, and
 * that was begun after the one with the bad frame had been synced. */
static void judge_after_bad(struct reader *reader, const uint8_t *frame)
{
    bool genuine = false;
    const struct sums seeds[] = {reader->told, reader->expected};
    for (int i = 0; i < 2 && !genuine; i++) {
        struct sums sums = add(seeds[i], frame, 8, reader->big_endian);
        sums = add(sums, frame + FRAME_HEADER_BYTES, GG_PAGE_BYTES, reader->big_endian);
        genuine = memcmp(frame + 8, reader->salts, 8) == 0 &&
                  same(sums, sums_at(frame + 16));
    }
    if (genuine && reader->commit_follows) {
        reader->scan->damaged = true;
    }
    reader->scan->torn = reader->scan->torn || genuine;
    if (genuine && gg_be32_get(frame + 4) != 0) {
        reader->commit_follows = true;
    }
    reader->expected = sums_at(frame + 16);
    reader->told = reader->expected;
}

static enum gg_err take_frame(struct reader *reader, const uint8_t *frame, uint64_t at)
{
    struct gg_wal_scan *scan = reader->scan;
    if (scan->bad_at != 0) {
        judge_after_bad(reader, frame);
        return GG_OK;
    }
    if (fits(reader, frame)) {
        reader->told = reader->expected;
        return take_good(reader, frame, at + FRAME_BYTES);
    }
    scan->bad_at = at;
    scan->torn = memcmp(frame + 8, reader->salts, 8) == 0;
    /* A commit mark in the bad frame itself: what follows is of a later commit. */
    reader->commit_follows = scan->torn && gg_be32_get(frame + 4) != 0;
    reader->told = sums_at(frame + 16);
    return GG_OK;
}

static enum gg_err take_frames(struct reader *reader)
{
    uint64_t at = HEADER_BYTES;
    for (;;) {
        ssize_t len = gg_files_read(reader->files, reader->fd, reader->buffer,
                                    (size_t)FRAME_BYTES * FRAMES_PER_READ, (off_t)at);
        if (len < 0) {
            return gg_report_system(reader->report, "read", reader->path, errno);
        }
        ssize_t frames = len / FRAME_BYTES;
        for (ssize_t i = 0; i < frames; i++) {
            enum gg_err err = take_frame(reader, reader->buffer + i * FRAME_BYTES, at);
            if (err != GG_OK) {
                return err;
            }
            at += FRAME_BYTES;
        }
        if (frames < FRAMES_PER_READ) {
            return GG_OK;
        }
    }
}

/* ---- the header ---- */

static bool all_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* *out_empty: SQLite has created the file, and nothing in it was ever synced. */
static enum gg_err take_header(struct reader *reader, bool *out_empty)
{
    uint8_t header[HEADER_BYTES];
    ssize_t len = gg_files_read(reader->files, reader->fd, header, sizeof header, 0);
    if (len < 0) {
        return gg_report_system(reader->report, "read", reader->path, errno);
    }
    *out_empty = len < HEADER_BYTES || all_zero(header, sizeof header);
    if (*out_empty) {
        return GG_OK;
    }
    reader->big_endian = (header[3] & 1) != 0;
    reader->expected = add((struct sums){0}, header, 24, reader->big_endian);
    if ((gg_be32_get(header) & 0xfffffffe) != MAGIC ||
        gg_be32_get(header + 4) != FORMAT || gg_be32_get(header + 8) != GG_PAGE_BYTES ||
        !same(reader->expected, sums_at(header + 24))) {
        return gg_report_fault(
            reader->report, GG_ERR_STORE,
            "%s: damaged at byte 0: the log's header does not fit its "
            "checksum; repair the folder or restore a backup",
            reader->path);
    }
    memcpy(reader->salts, header + 16, sizeof reader->salts);
    reader->told = reader->expected;
    return GG_OK;
}

static enum gg_err read_open(struct reader *reader)
{
    bool empty = false;
    enum gg_err err = take_header(reader, &empty);
    if (err != GG_OK || empty) {
        return err;
    }
    reader->buffer = malloc((size_t)FRAME_BYTES * FRAMES_PER_READ);
    if (reader->buffer == NULL) {
        return gg_report_fault(reader->report, GG_ERR_NO_MEMORY, "no memory");
    }
    err = take_frames(reader);
    free(reader->buffer);
    free(reader->open_pages);
    return err;
}

enum gg_err gg_wal_read(struct gg_files *files, const char *path,
                        struct gg_wal_scan *out_scan, struct gg_store_report *report)
{
    struct reader reader = {
        .files = files, .path = path, .report = report, .scan = out_scan};
    *out_scan = (struct gg_wal_scan){0};
    reader.fd = files->open(files, path, O_RDONLY | O_CLOEXEC, 0);
    if (reader.fd < 0) {
        return errno == ENOENT ? GG_OK : gg_report_system(report, "open", path, errno);
    }
    struct stat stat;
    if (fstat(reader.fd, &stat) == 0) {
        out_scan->bytes = (uint64_t)stat.st_size;
    }
    enum gg_err err = read_open(&reader);
    (void)files->close(files, reader.fd);
    if (err != GG_OK) {
        gg_wal_fini(out_scan);
    }
    return err;
}

void gg_wal_fini(struct gg_wal_scan *scan)
{
    free(scan->pages);
    scan->pages = NULL;
    scan->pages_count = 0;
}
