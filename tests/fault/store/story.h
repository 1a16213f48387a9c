/* story.h - what happens to a store, by chance from a seed, and what must be in it.
 *
 * Every step is written down with its number, so that a store that has come back can be
 * held against what it must hold as of the number that it says. */
#ifndef GG_TESTS_FAULT_STORE_STORY_H
#define GG_TESTS_FAULT_STORE_STORY_H

#include "broker/store/sqlite.h"
#include "common/rng.h"

enum { STORY_OPS_MAX = 20000 };

struct story_op {
    uint64_t number;
    uint64_t serial; /* Of the contents; 0: removed. */
    uint32_t key;    /* Of a record; of a blob: which, each only once. */
    bool blob;
    uint8_t kind;
};

struct story {
    struct gg_rng rng;
    struct gg_store *store;
    uint64_t serial;
    uint64_t told; /* The highest number that the store said was durable. */
    uint32_t blob_count;
    bool records_only;
    uint32_t op_count;
    struct story_op ops[STORY_OPS_MAX];
    char why[GG_STORE_TEXT_BYTES]; /* Of the last thing that was not right. */
};

/* True while this thread makes up contents: its allocations are not the store's. */
extern _Thread_local bool story_making_up;

struct story *story_new(uint64_t seed);

/* Do something: some records, some blobs, a commit, perhaps a wait. Returns what the
 * store says. */
enum gg_err story_step(struct story *story);

/* Ask how far the store is. */
enum gg_err story_listen(struct story *story);

/* Does `store` hold what it must as of its number, and is that at least what was told?
 * False, and `why`, if not. */
bool story_holds(struct story *story, struct gg_store *store);

/* What came after `number` never was: the store that has come back does not know it. */
void story_forget_after(struct story *story, uint64_t number);

#endif
