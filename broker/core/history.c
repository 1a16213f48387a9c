#include "broker/core/history.h"

#include <stdlib.h>

#include "common/codec.h"

enum { FIRST_ROOM = 4, ENTRIES_MAX = GG_HISTORY_FIRST + GG_HISTORY_LAST };

void gg_entry_release(struct gg_entry *entry)
{
    gg_blob_unref(&entry->worker);
    gg_blob_unref(&entry->text);
    gg_blob_unref(&entry->output);
}

static int64_t entry_bytes(const struct gg_entry *entry)
{
    return (int64_t)(gg_blob_slice(entry->text).len + gg_blob_slice(entry->output).len);
}

/* Make room for one more; false without memory. */
static bool grow(struct gg_timeline **history_p, int64_t *grown)
{
    struct gg_timeline *old = *history_p;
    uint16_t room = old == NULL ? FIRST_ROOM : (uint16_t)(old->room * 2);
    room = room < ENTRIES_MAX ? room : ENTRIES_MAX;
    size_t bytes = sizeof *old + room * sizeof old->entries[0];
    struct gg_timeline *history = realloc(old, bytes);
    if (history == NULL) {
        return false;
    }
    if (old == NULL) {
        *history = (struct gg_timeline){0};
        *grown += (int64_t)sizeof *history;
    }
    *grown += (int64_t)((size_t)(room - history->room) * sizeof history->entries[0]);
    history->room = room;
    *history_p = history;
    return true;
}

/* Drop the oldest of the last entries; returns its bytes. */
static int64_t drop_one(struct gg_timeline *history)
{
    int64_t bytes = entry_bytes(&history->entries[GG_HISTORY_FIRST]);
    gg_entry_release(&history->entries[GG_HISTORY_FIRST]);
    memmove(&history->entries[GG_HISTORY_FIRST],
            &history->entries[GG_HISTORY_FIRST + 1],
            (GG_HISTORY_LAST - 1) * sizeof history->entries[0]);
    history->count--;
    history->dropped++;
    return bytes;
}

int64_t gg_history_add(struct gg_timeline **history_p, const struct gg_entry *entry)
{
    int64_t grown = entry_bytes(entry);
    if ((*history_p == NULL || (*history_p)->count == (*history_p)->room) &&
        (*history_p == NULL || (*history_p)->room < ENTRIES_MAX) &&
        !grow(history_p, &grown)) {
        struct gg_entry lost = *entry;
        gg_entry_release(&lost);
        if (*history_p != NULL) {
            (*history_p)->dropped++;
        }
        return 0;
    }
    struct gg_timeline *history = *history_p;
    if (history->count == ENTRIES_MAX) {
        grown -= drop_one(history);
    }
    history->entries[history->count++] = *entry;
    return grown;
}

void gg_history_destroy(struct gg_timeline **history_p)
{
    struct gg_timeline *history = *history_p;
    *history_p = NULL;
    if (history == NULL) {
        return;
    }
    for (uint16_t i = 0; i < history->count; i++) {
        gg_entry_release(&history->entries[i]);
    }
    free(history);
}

void gg_entry_info(const struct gg_entry *entry, bool with_output,
                   struct gg_moment_info *out)
{
    gg_record_default(GG_RECORD_MOMENT, out);
    out->at = (uint64_t)entry->at.ms;
    out->kind = entry->kind;
    out->state = entry->state;
    out->attempt = entry->attempt;
    out->fence = entry->fence;
    out->worker = gg_blob_slice(entry->worker);
    out->error = entry->error;
    out->text = gg_blob_slice(entry->text);
    out->exit_status = entry->exit_status < 0 ? GG_UNSAID
                                              : (uint64_t)entry->exit_status;
    out->signal = entry->signal;
    out->until_at = (uint64_t)entry->until.ms;
    if (with_output) {
        out->output = gg_blob_slice(entry->output);
    }
}
