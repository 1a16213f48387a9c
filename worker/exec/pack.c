#include "worker/exec/pack.h"

#include <fcntl.h>

enum { BLOB_NONE = 0, BLOB_THERE = 1 };

void gg_pack_init(struct gg_pack *pack)
{
    *pack = (struct gg_pack){.at = 0};
    gg_buf_init(&pack->buf, GG_PACK_BYTES_MAX);
    gg_buf_init(&pack->fds, GG_PACK_FDS_MAX * sizeof(int));
}

void gg_pack_fini(struct gg_pack *pack)
{
    gg_buf_fini(&pack->buf);
    gg_buf_fini(&pack->fds);
}

bool gg_pack_is_whole(const struct gg_pack *pack)
{
    return !pack->buf.failed && !pack->fds.failed;
}

void gg_pack_number(struct gg_pack *pack, uint64_t value)
{
    gg_buf_append(&pack->buf, &value, sizeof value);
}

void gg_pack_bytes(struct gg_pack *pack, struct gg_slice bytes)
{
    gg_pack_number(pack, bytes.len);
    gg_buf_append(&pack->buf, bytes.data, bytes.len);
}

void gg_pack_blob(struct gg_pack *pack, const struct gg_blob *blob)
{
    gg_pack_number(pack, blob == NULL ? BLOB_NONE : BLOB_THERE);
    if (blob != NULL) {
        gg_pack_bytes(pack, gg_blob_slice(blob));
    }
}

void gg_pack_fd(struct gg_pack *pack, int fd)
{
    gg_pack_number(pack, (uint64_t)(int64_t)fd);
    if (fd >= 0) {
        gg_buf_append(&pack->fds, &fd, sizeof fd);
    }
}

/* `len` bytes from where we are; NULL, and bad, beyond the end. */
static const uint8_t *take(struct gg_pack *pack, size_t len)
{
    if (pack->bad || pack->buf.len - pack->at < len) {
        pack->bad = true;
        return NULL;
    }
    const uint8_t *from = pack->buf.data + pack->at;
    pack->at += len;
    return from;
}

uint64_t gg_unpack_number(struct gg_pack *pack)
{
    uint64_t value = 0;
    const uint8_t *from = take(pack, sizeof value);
    if (from != NULL) {
        memcpy(&value, from, sizeof value);
    }
    return value;
}

struct gg_slice gg_unpack_bytes(struct gg_pack *pack)
{
    uint64_t len = gg_unpack_number(pack);
    const uint8_t *from = take(pack, (size_t)len);
    return from == NULL ? (struct gg_slice){0} : gg_slice_of(from, (size_t)len);
}

struct gg_blob *gg_unpack_blob(struct gg_pack *pack)
{
    if (gg_unpack_number(pack) == BLOB_NONE) {
        return NULL;
    }
    struct gg_blob *blob = gg_blob_new(gg_unpack_bytes(pack));
    pack->bad = pack->bad || blob == NULL;
    return blob;
}

int gg_unpack_fd(struct gg_pack *pack)
{
    int64_t fd = (int64_t)gg_unpack_number(pack);
    if (pack->bad || fd < 0) {
        return -1;
    }
    (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

void gg_pack_keep_fds(const struct gg_pack *pack, bool keep)
{
    for (size_t at = 0; at + sizeof(int) <= pack->fds.len; at += sizeof(int)) {
        int fd = -1;
        memcpy(&fd, pack->fds.data + at, sizeof fd);
        (void)fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
    }
}
