#include "tests/sim/disk.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"

void sim_disk_write(struct sim_disk *disk, const struct gg_effects *fx,
                    const struct gg_effect *effect)
{
    GG_ASSERT(effect->after >= disk->written);
    if (disk->count == disk->room) {
        disk->room = disk->room == 0 ? 256 : disk->room * 2;
        disk->items = realloc(disk->items, disk->room * sizeof *disk->items);
        GG_ASSERT(disk->items != NULL);
    }
    struct sim_record *record = &disk->items[disk->count++];
    *record = (struct sim_record){.number = effect->after,
                                  .kind = effect->kind,
                                  .erased = effect->type == GG_FX_ERASE,
                                  .id = effect->id};
    if (!record->erased) {
        record->bytes = gg_blob_new(gg_effect_bytes(fx, effect));
        GG_ASSERT(record->bytes != NULL);
    }
    disk->written = effect->after;
}

static int by_thing(const void *a, const void *b)
{
    const struct sim_record *left = a;
    const struct sim_record *right = b;
    int order = (int)left->kind - (int)right->kind;
    order = order != 0 ? order : memcmp(left->id.bytes, right->id.bytes, GG_ID_BYTES);
    return order != 0 ? order
                      : (left->number > right->number) - (left->number < right->number);
}

void sim_disk_crash(struct sim_disk *disk, uint64_t number)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->items[i].number <= number) {
            disk->items[count++] = disk->items[i];
        } else {
            gg_blob_unref(&disk->items[i].bytes);
        }
    }
    disk->count = 0;
    if (count == 0) {
        return;
    }
    qsort(disk->items, count, sizeof *disk->items, by_thing);
    for (uint32_t i = 0; i < count; i++) {
        struct sim_record *record = &disk->items[i];
        bool last = i + 1 == count || record->kind != record[1].kind ||
                    !gg_id_equal(&record->id, &record[1].id);
        if (last && !record->erased) {
            disk->items[disk->count++] = *record;
        } else {
            gg_blob_unref(&record->bytes);
        }
    }
    disk->written = number;
    disk->synced = number;
}

void sim_disk_restore(const struct sim_disk *disk, struct gg_core *core)
{
    static const enum gg_keep_kind kinds[] = {GG_KEEP_META, GG_KEEP_QUEUE,
                                              GG_KEEP_AGENT, GG_KEEP_JOB};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint32_t i = 0; i < disk->count; i++) {
            const struct sim_record *record = &disk->items[i];
            const char *what = NULL;
            if (record->kind == kinds[k]) {
                enum gg_err err = gg_core_restore(core, kinds[k], &record->id,
                                                  gg_blob_slice(record->bytes), &what);
                if (err != GG_OK) {
                    (void)fprintf(stderr, "record %llu of kind %d: %s\n",
                                  (unsigned long long)record->number, (int)kinds[k],
                                  what);
                }
                GG_ASSERT(err == GG_OK);
            }
        }
    }
}

void sim_disk_fini(struct sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->count; i++) {
        gg_blob_unref(&disk->items[i].bytes);
    }
    free(disk->items);
    *disk = (struct sim_disk){0};
}
