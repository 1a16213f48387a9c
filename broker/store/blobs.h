/* blobs.h - the files of large payloads and results: blobs/xx/<32 hex digits>.
 *
 * The name is the id of the blob's row, the folder its first two digits. A file is
 * written once: a head with the key, length and checksum, and the bytes. It counts only
 * with its row (sqlite.h says why), so a torn one needs no special care. */
#ifndef GG_BROKER_STORE_BLOBS_H
#define GG_BROKER_STORE_BLOBS_H

#include "broker/store/files.h"
#include "broker/store/group.h"
#include "broker/store/report.h"

enum { GG_PATH_BYTES = 1024, GG_BLOB_HEAD_BYTES = 64 };

struct gg_blobs {
    struct gg_files *files;
    const char *folder;  /* The data folder; lent. */
    uint8_t made[32];    /* A bit for each sub-folder that is there. */
    uint8_t touched[32]; /* Those that must be synced. */
    bool root_touched;   /* A sub-folder was made. */
};

void gg_blobs_init(struct gg_blobs *blobs, struct gg_files *files, const char *folder);

/* Where the blob with the row `id` is. */
void gg_blobs_path(const char *folder, const struct gg_id *id,
                   char path[GG_PATH_BYTES]);

/* Write and sync its file; the name is safe after gg_blobs_sync(). 0, or -1 with errno;
 * out_path is what failed. */
int gg_blobs_write(struct gg_blobs *blobs, const struct gg_id *row,
                   const struct gg_store_blob_key *key, struct gg_slice bytes,
                   uint64_t sum, char out_path[GG_PATH_BYTES]);
int gg_blobs_sync(struct gg_blobs *blobs, char out_path[GG_PATH_BYTES]);

/* The checksum of a blob's bytes. */
uint64_t gg_blob_sum(struct gg_slice bytes);

/* Read and verify one. GG_ERR_NOT_FOUND, GG_ERR_STORE (damaged, or cannot be read),
 * GG_ERR_NO_MEMORY; the report says why. */
GG_MUST_USE enum gg_err gg_blobs_read(struct gg_files *files, const char *folder,
                                      const struct gg_id *row,
                                      struct gg_blob **out_blob,
                                      struct gg_store_report *report);

/* What a blob's row says. False: its value has not the length it must have. */
bool gg_blob_row_open(struct gg_slice value, struct gg_store_blob_key *out_key,
                      uint64_t *out_len, uint64_t *out_sum);

/* Fill in the checksum, which is not known when the row is appended. */
void gg_blob_row_set_sum(uint8_t *value, uint64_t sum);

/* Is the file of a row there, and as long as it must be? GG_ERR_STORE: no. */
GG_MUST_USE enum gg_err gg_blobs_expect(struct gg_blobs *blobs, const struct gg_id *row,
                                        uint64_t len, struct gg_store_report *report);

/* Remove every file that `live` has no row for. */
GG_MUST_USE enum gg_err gg_blobs_sweep(struct gg_blobs *blobs,
                                       const struct gg_live *live,
                                       uint64_t *out_removed,
                                       struct gg_store_report *report);

#endif
