/* ids.h - which job has this id? Ids made of late in a table of their own.
 *
 * Nearly all that is asked is about an id that was made a moment ago. Among those of
 * millions of jobs that wait or are kept, each look would be at memory that is in no
 * cache. So the ids made since some moment have a table for themselves; once it has
 * more than it should, the moment moves on, and those that are older now go over to
 * the table of all others, a few with each id that is added. An id's own time (id.h)
 * says where it is: whoever makes ids with a wrong clock only has them among the
 * others, or keeps the table of late ones large. Nothing is wrong then, only slower.
 *
 * Jobs go by their number, as in index.h; whose id that is, the owner says.
 */
#ifndef GG_BROKER_CORE_IDS_H
#define GG_BROKER_CORE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/index.h"

/* Late ids that are few enough: their table has 128 KiB then, a part of what a
 * processor has for itself. A build for fuzzing has few, so that they change often. */
#ifndef GG_IDS_LATE_MAX
#define GG_IDS_LATE_MAX 8192
#endif

/* The id of a job that is in the table, by its number. */
typedef const struct gg_id *gg_ids_id_fn(const void *owner, uint32_t number);

struct gg_ids {
    gg_ids_id_fn *id_of;
    const void *owner;
    uint64_t seed; /* Of the hashes. */

    struct gg_index late;     /* Ids made at `since` or after it. */
    struct gg_index others;   /* Ids made before. */
    struct gg_index changing; /* Was `late` until `since` moved on: being emptied. */
    struct gg_wall since;
    size_t late_max; /* With so many late ones `since` moves on: GG_IDS_LATE_MAX. */
    size_t rest;     /* So many are put in before it may move on again. */
};

/* `owner` is given to `id_of`; both outlive the table. */
void gg_ids_init(struct gg_ids *ids, uint64_t seed, gg_ids_id_fn *id_of,
                 const void *owner);

/* The number of the job with this id, or GG_INDEX_NONE. */
uint32_t gg_ids_find(struct gg_ids *ids, const struct gg_id *id);

/* Somebody will soon ask for this id: have its place on its way into the cache. */
void gg_ids_foresee(const struct gg_ids *ids, const struct gg_id *id);

/* Make sure that the next gg_ids_put() cannot fail; `id` is to be put in, at `now`.
 * GG_ERR_NO_MEMORY changes nothing that a caller could see. */
GG_MUST_USE enum gg_err gg_ids_reserve(struct gg_ids *ids, const struct gg_id *id,
                                       struct gg_wall now);

/* Add the job `number`, whose id is not in yet; gg_ids_reserve() has been called since
 * the last gg_ids_put(). */
void gg_ids_put(struct gg_ids *ids, const struct gg_id *id, uint32_t number);

/* Take the job `number` out, which is in with this id. */
void gg_ids_remove(struct gg_ids *ids, const struct gg_id *id, uint32_t number);

size_t gg_ids_count(const struct gg_ids *ids);

/* Free the tables. */
void gg_ids_fini(struct gg_ids *ids);

#endif
