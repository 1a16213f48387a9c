/* pack.h - what one agent hands to the next over a re-exec: numbers, bytes and
 * descriptors in an agreed order. Both are on the same host; GG_HANDOVER_FORMAT says
 * whether they agree.
 */
#ifndef GG_WORKER_EXEC_PACK_H
#define GG_WORKER_EXEC_PACK_H

#include "common/bytes.h"

/* Changes with what is packed, and with worker/exec/keeper_wire.h. */
enum { GG_HANDOVER_FORMAT = 3, GG_PACK_BYTES_MAX = 1 << 30, GG_PACK_FDS_MAX = 65536 };

struct gg_pack {
    struct gg_buf buf;
    struct gg_buf fds; /* Written: ints, in order. */
    size_t at;         /* Read up to here. */
    bool bad;          /* Read beyond its end, or without memory. */
};

void gg_pack_init(struct gg_pack *pack);
void gg_pack_fini(struct gg_pack *pack);

/* Did all that was written fit? */
bool gg_pack_is_whole(const struct gg_pack *pack);

void gg_pack_number(struct gg_pack *pack, uint64_t value);
void gg_pack_bytes(struct gg_pack *pack, struct gg_slice bytes);
void gg_pack_blob(struct gg_pack *pack, const struct gg_blob *blob); /* NULL too. */
void gg_pack_fd(struct gg_pack *pack, int fd);                       /* -1 too. */

/* In the order in which they were written. After a fault all are 0 or empty. */
uint64_t gg_unpack_number(struct gg_pack *pack);
struct gg_slice gg_unpack_bytes(struct gg_pack *pack); /* Lent by the pack. */
struct gg_blob *gg_unpack_blob(struct gg_pack *pack);  /* A reference; NULL: none. */
int gg_unpack_fd(struct gg_pack *pack);                /* Closed at the next exec. */

/* Shall the descriptors outlive an exec? */
void gg_pack_keep_fds(const struct gg_pack *pack, bool keep);

#endif
