/* disk.h - what the broker has written down, record after record. A crash leaves a
 * prefix of it: all that was synced, and of the rest as much as had got there. */
#ifndef GG_TESTS_SIM_DISK_H
#define GG_TESTS_SIM_DISK_H

#include "broker/core/core.h"

struct sim_record {
    uint64_t number;
    uint8_t kind; /* enum gg_keep_kind */
    bool erased;
    struct gg_id id;
    struct gg_blob *bytes;
};

struct sim_disk {
    struct sim_record *items;
    uint32_t count;
    uint32_t room;
    uint64_t written; /* Number of the newest record. */
    uint64_t synced;  /* … of the newest that is safe. */
};

/* A PERSIST or ERASE effect. */
void sim_disk_write(struct sim_disk *disk, const struct gg_effects *fx,
                    const struct gg_effect *effect);

/* Keep the records up to `number`; of each thing its newest word only. */
void sim_disk_crash(struct sim_disk *disk, uint64_t number);

/* Give all records to a new core, in the order that it wants. */
void sim_disk_restore(const struct sim_disk *disk, struct gg_core *core);

void sim_disk_fini(struct sim_disk *disk);

#endif
