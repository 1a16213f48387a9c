/* history.h - the timeline of one job: its first entries and its last, with a gap mark
 * between them once there are too many.
 */
#ifndef GG_BROKER_CORE_HISTORY_H
#define GG_BROKER_CORE_HISTORY_H

#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/record.h"

enum { GG_HISTORY_FIRST = 4, GG_HISTORY_LAST = 28 };

/* One entry. Blobs are counted references, NULL for none. */
struct gg_entry {
    struct gg_wall at;
    struct gg_wall until;
    uint64_t fence;
    uint16_t attempt;
    uint16_t error; /* enum gg_err */
    int16_t exit_status;
    uint8_t signal;
    uint8_t kind;  /* enum gg_moment */
    uint8_t state; /* enum gg_job_state, after it. */
    struct gg_blob *worker;
    struct gg_blob *text;
    struct gg_blob *output;
};

struct gg_timeline {
    uint16_t count; /* Entries kept. */
    uint16_t room;
    uint32_t dropped; /* Between the first and the last ones. */
    struct gg_entry entries[];
};

/* Append `entry`, taking over its references whatever happens. Returns the bytes by
 * which the history grew: less than none when a larger entry fell out of it; without
 * memory the entry is lost and counted as dropped. */
int64_t gg_history_add(struct gg_timeline **history_p, const struct gg_entry *entry);

/* Free *history_p and set it to NULL. Safe on NULL. */
void gg_history_destroy(struct gg_timeline **history_p);

/* Give up the references of an entry that is not in a history. */
void gg_entry_release(struct gg_entry *entry);

/* Fill in the wire form of an entry; it lends the entry's texts. */
void gg_entry_info(const struct gg_entry *entry, bool with_output,
                   struct gg_moment_info *out);

#endif
