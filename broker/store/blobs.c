#include "broker/store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/store/sum.h"

/* Head: "GGBLOB" and format, id, part, length, sum of the bytes, sum of the head. */
enum { FORMAT = 1, HEAD_SUM_AT = 48, FOLDER_COUNT = 256 };
static const uint8_t magic[8] = {'G', 'G', 'B', 'L', 'O', 'B', 0, FORMAT};

void gg_blobs_init(struct gg_blobs *blobs, struct gg_files *files, const char *folder)
{
    *blobs = (struct gg_blobs){.files = files, .folder = folder};
}

static void root_path(const char *folder, char path[GG_PATH_BYTES])
{
    (void)snprintf(path, GG_PATH_BYTES, "%s/blobs", folder);
}

static void sub_path(const char *folder, unsigned sub, char path[GG_PATH_BYTES])
{
    (void)snprintf(path, GG_PATH_BYTES, "%s/blobs/%02x", folder, sub);
}

void gg_blobs_path(const char *folder, const struct gg_id *id, char path[GG_PATH_BYTES])
{
    int len = snprintf(path, GG_PATH_BYTES, "%s/blobs/%02x/", folder, id->bytes[0]);
    for (int i = 0; i < GG_ID_BYTES && len > 0 && len < GG_PATH_BYTES - 2; i++) {
        len += snprintf(path + len, (size_t)(GG_PATH_BYTES - len), "%02x",
                        id->bytes[i]);
    }
}

static bool bit(const uint8_t *bits, unsigned index)
{
    return (bits[index / 8] >> (index % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, unsigned index)
{
    bits[index / 8] |= (uint8_t)(1U << (index % 8));
}

/* ---- writing ---- */

static int make_folder(struct gg_blobs *blobs, unsigned sub,
                       char out_path[GG_PATH_BYTES])
{
    if (bit(blobs->made, sub)) {
        return 0;
    }
    sub_path(blobs->folder, sub, out_path);
    if (blobs->files->mkdir(blobs->files, out_path, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    set_bit(blobs->made, sub);
    blobs->root_touched = true;
    return 0;
}

uint64_t gg_blob_sum(struct gg_slice bytes)
{
    return gg_sum(bytes.data, bytes.len, 0);
}

static void fill_head(uint8_t head[GG_BLOB_HEAD_BYTES],
                      const struct gg_store_blob_key *key, uint64_t len, uint64_t sum)
{
    memset(head, 0, GG_BLOB_HEAD_BYTES);
    memcpy(head, magic, sizeof magic);
    memcpy(head + 8, key->id.bytes, GG_ID_BYTES);
    gg_le64_put(head + 24, key->part);
    gg_le64_put(head + 32, len);
    gg_le64_put(head + 40, sum);
    gg_le64_put(head + HEAD_SUM_AT, gg_sum(head, HEAD_SUM_AT, 0));
}

int gg_blobs_write(struct gg_blobs *blobs, const struct gg_id *row,
                   const struct gg_store_blob_key *key, struct gg_slice bytes,
                   uint64_t sum, char out_path[GG_PATH_BYTES])
{
    struct gg_files *files = blobs->files;
    uint8_t head[GG_BLOB_HEAD_BYTES];
    if (make_folder(blobs, row->bytes[0], out_path) != 0) {
        return -1;
    }
    gg_blobs_path(blobs->folder, row, out_path);
    int fd = files->open(files, out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                         0600);
    if (fd < 0) {
        return -1;
    }
    fill_head(head, key, bytes.len, sum);
    int result = gg_files_write(files, fd, head, sizeof head, 0);
    if (result == 0) {
        result = gg_files_write(files, fd, bytes.data, bytes.len, sizeof head);
    }
    if (result == 0) {
        result = files->fsync(files, fd);
    }
    int saved = errno;
    (void)files->close(files, fd);
    set_bit(blobs->touched, row->bytes[0]);
    errno = saved;
    return result;
}

int gg_blobs_sync(struct gg_blobs *blobs, char out_path[GG_PATH_BYTES])
{
    for (unsigned sub = 0; sub < FOLDER_COUNT; sub++) {
        if (!bit(blobs->touched, sub)) {
            continue;
        }
        sub_path(blobs->folder, sub, out_path);
        if (gg_files_sync_folder(blobs->files, out_path) != 0) {
            return -1;
        }
    }
    if (blobs->root_touched) {
        root_path(blobs->folder, out_path);
        if (gg_files_sync_folder(blobs->files, out_path) != 0) {
            return -1;
        }
    }
    memset(blobs->touched, 0, sizeof blobs->touched);
    blobs->root_touched = false;
    return 0;
}

/* ---- reading ---- */

static enum gg_err damaged(struct gg_store_report *report, const char *path,
                           const char *what)
{
    return gg_report_fault(report, GG_ERR_STORE, "%s: damaged: %s", path, what);
}

static enum gg_err read_open(struct gg_files *files, int fd, const char *path,
                             const struct gg_id *row, struct gg_blob **out_blob,
                             struct gg_store_report *report)
{
    uint8_t head[GG_BLOB_HEAD_BYTES];
    struct stat stat;
    ssize_t got = gg_files_read(files, fd, head, sizeof head, 0);
    if (got < 0 || fstat(fd, &stat) != 0) {
        return gg_report_system(report, "read", path, errno);
    }
    struct gg_store_blob_key key = {0};
    memcpy(key.id.bytes, head + 8, GG_ID_BYTES);
    key.part = (uint32_t)gg_le64_get(head + 24);
    struct gg_id named = gg_blob_row_id(&key);
    uint64_t len = gg_le64_get(head + 32);
    if (got < GG_BLOB_HEAD_BYTES || memcmp(head, magic, sizeof magic) != 0 ||
        gg_le64_get(head + HEAD_SUM_AT) != gg_sum(head, HEAD_SUM_AT, 0) ||
        !gg_id_equal(&named, row)) {
        return damaged(report, path, "its head does not fit its checksum (byte 0)");
    }
    if ((uint64_t)stat.st_size != len + GG_BLOB_HEAD_BYTES) {
        return damaged(report, path, "it is not as long as its head says");
    }
    uint8_t *data = NULL;
    struct gg_blob *blob = gg_blob_room(len, &data);
    if (blob == NULL) {
        return gg_report_fault(report, GG_ERR_NO_MEMORY, "no memory");
    }
    got = gg_files_read(files, fd, data, len, GG_BLOB_HEAD_BYTES);
    enum gg_err err = GG_OK;
    if (got < 0) {
        err = gg_report_system(report, "read", path, errno);
    } else if ((uint64_t)got != len ||
               gg_blob_sum(gg_blob_slice(blob)) != gg_le64_get(head + 40)) {
        err = damaged(report, path, "its bytes do not fit their checksum (byte 64 on)");
    }
    if (err != GG_OK) {
        gg_blob_unref(&blob);
        return err;
    }
    *out_blob = blob;
    return GG_OK;
}

enum gg_err gg_blobs_read(struct gg_files *files, const char *folder,
                          const struct gg_id *row, struct gg_blob **out_blob,
                          struct gg_store_report *report)
{
    char path[GG_PATH_BYTES];
    gg_blobs_path(folder, row, path);
    int fd = files->open(files, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 && errno == ENOENT) {
        return gg_report_fault(report, GG_ERR_NOT_FOUND, "%s: there is no such blob",
                               path);
    }
    if (fd < 0) {
        return gg_report_system(report, "open", path, errno);
    }
    enum gg_err err = read_open(files, fd, path, row, out_blob, report);
    (void)files->close(files, fd);
    return err;
}

bool gg_blob_row_open(struct gg_slice value, struct gg_store_blob_key *out_key,
                      uint64_t *out_len, uint64_t *out_sum)
{
    if (value.len != GG_BLOB_ROW_BYTES) {
        return false;
    }
    memcpy(out_key->id.bytes, value.data, GG_ID_BYTES);
    out_key->part = (uint32_t)gg_le64_get(value.data + GG_ID_BYTES);
    *out_len = gg_le64_get(value.data + GG_ID_BYTES + 8);
    *out_sum = gg_le64_get(value.data + GG_ID_BYTES + 16);
    return true;
}

void gg_blob_row_set_sum(uint8_t *value, uint64_t sum)
{
    gg_le64_put(value + GG_ID_BYTES + 16, sum);
}

/* ---- at start ---- */

enum gg_err gg_blobs_expect(struct gg_blobs *blobs, const struct gg_id *row,
                            uint64_t len, struct gg_store_report *report)
{
    char path[GG_PATH_BYTES];
    struct stat stat_of;
    gg_blobs_path(blobs->folder, row, path);
    if (stat(path, &stat_of) != 0) {
        if (errno != ENOENT) {
            return gg_report_system(report, "stat", path, errno);
        }
        return damaged(report, path,
                       "it is missing; repair the folder or restore a backup");
    }
    if ((uint64_t)stat_of.st_size != len + GG_BLOB_HEAD_BYTES) {
        return damaged(report, path,
                       "it has not its length; repair the folder or restore a backup");
    }
    return GG_OK;
}

static bool parse_name(const char *name, struct gg_id *out_id)
{
    for (int i = 0; i < GG_ID_BYTES * 2; i++) {
        const char *digits = "0123456789abcdef";
        const char *at = name[i] == '\0' ? NULL : strchr(digits, name[i]);
        if (at == NULL) {
            return false;
        }
        uint8_t digit = (uint8_t)(at - digits);
        uint8_t *byte = &out_id->bytes[i / 2];
        *byte = (uint8_t)(i % 2 == 0 ? digit << 4 : *byte | digit);
    }
    return name[GG_ID_BYTES * 2] == '\0';
}

static enum gg_err sweep_folder(struct gg_blobs *blobs, DIR *folder, const char *path,
                                const struct gg_live *live, uint64_t *removed,
                                struct gg_store_report *report)
{
    struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        char file[2 * GG_PATH_BYTES];
        struct gg_id id;
        if (!parse_name(entry->d_name, &id) ||
            gg_live_find(live, GG_LIVE_BLOB, &id) != NULL) {
            continue;
        }
        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (blobs->files->unlink(blobs->files, file) != 0 && errno != ENOENT) {
            return gg_report_system(report, "unlink", file, errno);
        }
        (*removed)++;
    }
    return GG_OK;
}

enum gg_err gg_blobs_sweep(struct gg_blobs *blobs, const struct gg_live *live,
                           uint64_t *out_removed, struct gg_store_report *report)
{
    char path[GG_PATH_BYTES];
    enum gg_err err = GG_OK;
    *out_removed = 0;
    root_path(blobs->folder, path);
    if (blobs->files->mkdir(blobs->files, path, 0700) == 0) {
        blobs->root_touched = true;
        if (gg_files_sync_folder(blobs->files, blobs->folder) != 0) {
            return gg_report_system(report, "sync", blobs->folder, errno);
        }
    } else if (errno != EEXIST) {
        return gg_report_system(report, "mkdir", path, errno);
    }
    for (unsigned sub = 0; sub < FOLDER_COUNT && err == GG_OK; sub++) {
        sub_path(blobs->folder, sub, path);
        DIR *folder = opendir(path);
        if (folder != NULL) {
            set_bit(blobs->made, sub);
            err = sweep_folder(blobs, folder, path, live, out_removed, report);
            (void)closedir(folder);
        } else if (errno != ENOENT) {
            err = gg_report_system(report, "open", path, errno);
        }
    }
    return err;
}
