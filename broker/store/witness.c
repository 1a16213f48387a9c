#include "broker/store/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "broker/store/sum.h"

/* A slot: "GGWIT" and the format, serial, number, wall ms, closed, checksum. */
enum { SLOT_BYTES = 512, SLOT_COUNT = 2, FILLED_BYTES = 48, SUM_AT = 40, FORMAT = 1 };
static const uint8_t magic[8] = {'G', 'G', 'W', 'I', 'T', 0, 0, FORMAT};

static void fill(uint8_t slot[FILLED_BYTES], uint64_t serial,
                 const struct gg_testimony *testimony)
{
    memcpy(slot, magic, sizeof magic);
    gg_le64_put(slot + 8, serial);
    gg_le64_put(slot + 16, testimony->number);
    gg_le64_put(slot + 24, (uint64_t)testimony->at.ms);
    gg_le64_put(slot + 32, testimony->closed ? 1 : 0);
    gg_le64_put(slot + SUM_AT, gg_sum(slot, SUM_AT, 0));
}

static bool take(const uint8_t *slot, uint64_t *serial, struct gg_testimony *out)
{
    if (memcmp(slot, magic, sizeof magic) != 0 ||
        gg_le64_get(slot + SUM_AT) != gg_sum(slot, SUM_AT, 0) ||
        gg_le64_get(slot + 8) <= *serial) {
        return false;
    }
    *serial = gg_le64_get(slot + 8);
    *out = (struct gg_testimony){
        .number = gg_le64_get(slot + 16),
        .at = {.ms = (int64_t)gg_le64_get(slot + 24)},
        .closed = gg_le64_get(slot + 32) != 0,
    };
    return true;
}

enum gg_err gg_witness_read(struct gg_files *files, const char *path, bool *out_found,
                            struct gg_testimony *out, uint64_t *out_serial,
                            struct gg_store_report *report)
{
    uint8_t slots[SLOT_COUNT * SLOT_BYTES] = {0};
    *out_found = false;
    *out_serial = 0;
    int fd = files->open(files, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno == ENOENT ? GG_OK : gg_report_system(report, "open", path, errno);
    }
    ssize_t len = gg_files_read(files, fd, slots, sizeof slots, 0);
    int saved = errno;
    (void)files->close(files, fd);
    if (len < 0) {
        return gg_report_system(report, "read", path, saved);
    }
    for (int i = 0; i < SLOT_COUNT; i++) {
        if (take(slots + (ptrdiff_t)i * SLOT_BYTES, out_serial, out)) {
            *out_found = true;
        }
    }
    if (!*out_found && len > 0) {
        return gg_report_fault(report, GG_ERR_STORE,
                               "%s: damaged: neither of its two slots fits its "
                               "checksum; repair the folder or restore a backup",
                               path);
    }
    return GG_OK;
}

enum gg_err gg_witness_open(struct gg_witness *witness, struct gg_files *files,
                            const char *path, uint64_t serial,
                            struct gg_store_report *report)
{
    int fd = files->open(files, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        witness->fd = -1;
        return gg_report_system(report, "open", path, errno);
    }
    *witness = (struct gg_witness){.files = files, .fd = fd, .serial = serial};
    return GG_OK;
}

int gg_witness_write(struct gg_witness *witness, const struct gg_testimony *testimony)
{
    uint8_t slot[FILLED_BYTES];
    witness->serial++;
    fill(slot, witness->serial, testimony);
    return gg_files_write(witness->files, witness->fd, slot, sizeof slot,
                          (off_t)(witness->serial % SLOT_COUNT) * SLOT_BYTES);
}

int gg_witness_sync(struct gg_witness *witness)
{
    return witness->files->fsync(witness->files, witness->fd);
}

void gg_witness_close(struct gg_witness *witness)
{
    if (witness->fd >= 0) {
        (void)witness->files->close(witness->files, witness->fd);
        witness->fd = -1;
    }
}
