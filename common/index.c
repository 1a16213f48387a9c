#include "common/index.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "common/assert.h"

enum { FIRST_SLOTS = 64, MOVES_PER_PUT = 16, PAGE_BYTES = 2 << 20 };

static uint32_t table_find(const struct gg_index_table *table, uint32_t hash,
                           const void *key, gg_index_match_fn *match, void *ctx)
{
    if (table->count == 0) {
        return GG_INDEX_NONE;
    }
    for (size_t i = hash & table->mask; table->slots[i].taken != 0;
         i = (i + 1) & table->mask) {
        uint32_t number = table->slots[i].taken - 1;
        if (table->slots[i].hash == hash && match(ctx, number, key)) {
            return number;
        }
    }
    return GG_INDEX_NONE;
}

static void table_put(struct gg_index_table *table, struct gg_index_slot slot)
{
    size_t i = slot.hash & table->mask;
    while (table->slots[i].taken != 0) {
        i = (i + 1) & table->mask;
    }
    table->slots[i] = slot;
    table->count++;
}

/* Empty slot `gap` and close the hole behind it (Knuth, TAOCP 6.4, algorithm R). */
static void table_cut(struct gg_index_table *table, size_t gap)
{
    size_t i = gap;
    for (;;) {
        i = (i + 1) & table->mask;
        if (table->slots[i].taken == 0) {
            break;
        }
        size_t home = table->slots[i].hash & table->mask;
        if (((i - home) & table->mask) >= ((i - gap) & table->mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct gg_index_slot){0};
    table->count--;
}

static bool table_remove(struct gg_index_table *table, uint32_t hash, uint32_t number)
{
    if (table->count == 0) {
        return false;
    }
    for (size_t i = hash & table->mask; table->slots[i].taken != 0;
         i = (i + 1) & table->mask) {
        if (table->slots[i].taken == number + 1) {
            table_cut(table, i);
            return true;
        }
    }
    return false;
}

/* Move a few numbers of the old table over. A hole closed in the old table can bring a
 * number into a slot already passed, so a slot is left only once it is empty. */
static void move_some(struct gg_index *index)
{
    struct gg_index_table *old = &index->old;
    for (int n = 0; n < MOVES_PER_PUT && old->slots != NULL; n++) {
        if (old->count == 0) {
            free(old->slots);
            *old = (struct gg_index_table){0};
            index->moved = 0;
            return;
        }
        struct gg_index_slot slot = old->slots[index->moved];
        if (slot.taken == 0) {
            index->moved = (index->moved + 1) & old->mask;
            continue;
        }
        table_cut(old, index->moved);
        table_put(&index->now, slot);
    }
}

uint32_t gg_index_find(const struct gg_index *index, uint64_t hash, const void *key,
                       gg_index_match_fn *match, void *ctx)
{
    uint32_t number = table_find(&index->now, (uint32_t)hash, key, match, ctx);
    return number != GG_INDEX_NONE
               ? number
               : table_find(&index->old, (uint32_t)hash, key, match, ctx);
}

/* Each look into a table of many megabytes is on another page, and to find where that
 * lies costs more than the look: fewer and larger pages, where there are any. */
static void ask_for_large_pages(struct gg_index_slot *slots, size_t bytes)
{
    size_t skip = (PAGE_BYTES - (uintptr_t)slots % PAGE_BYTES) % PAGE_BYTES;
    if (bytes >= skip + PAGE_BYTES) {
        size_t whole = (bytes - skip) / PAGE_BYTES * PAGE_BYTES;
        (void)madvise((char *)slots + skip, whole, MADV_HUGEPAGE);
    }
}

enum gg_err gg_index_grow(struct gg_index *index)
{
    struct gg_index_table *now = &index->now;
    size_t slots = now->slots == NULL ? 0 : now->mask + 1;
    while (index->old.slots != NULL) {
        move_some(index);
    }
    size_t bigger = slots == 0 ? FIRST_SLOTS : slots * 2;
    struct gg_index_slot *fresh = calloc(bigger, sizeof *fresh);
    if (fresh == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    ask_for_large_pages(fresh, bigger * sizeof *fresh);
    index->old = *now;
    index->moved = 0;
    index->room = bigger / 8 * 5;
    *now = (struct gg_index_table){.slots = fresh, .mask = bigger - 1};
    return GG_OK;
}

size_t gg_index_take(struct gg_index *index, uint32_t *numbers, size_t max,
                     size_t looks)
{
    move_some(index);
    struct gg_index_table *now = &index->now;
    size_t count = 0;
    for (; looks > 0 && count < max && index->old.slots == NULL && now->count > 0;
         looks--) {
        if (now->slots[index->moved].taken == 0) {
            index->moved = (index->moved + 1) & now->mask;
        } else {
            numbers[count++] = now->slots[index->moved].taken - 1;
            table_cut(now, index->moved);
        }
    }
    return count;
}

void gg_index_put(struct gg_index *index, uint64_t hash, uint32_t number)
{
    GG_ASSERT(index->now.slots != NULL && index->now.count <= index->now.mask);
    GG_ASSERT(number < GG_INDEX_NONE);
    table_put(&index->now, (struct gg_index_slot){(uint32_t)hash, number + 1});
    move_some(index);
}

bool gg_index_remove(struct gg_index *index, uint64_t hash, uint32_t number)
{
    return table_remove(&index->now, (uint32_t)hash, number) ||
           table_remove(&index->old, (uint32_t)hash, number);
}

void gg_index_fini(struct gg_index *index)
{
    free(index->now.slots);
    free(index->old.slots);
    *index = (struct gg_index){0};
}
