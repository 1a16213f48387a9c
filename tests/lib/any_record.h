/* any_record.h - records of any kind from the tables of common/record.h, for tests. */
#ifndef GG_TESTS_LIB_ANY_RECORD_H
#define GG_TESTS_LIB_ANY_RECORD_H

#include "common/codec.h"
#include "common/rng.h"

/* Room for a record of any kind. */
union gg_any_record {
    struct gg_command command;
#define X(symbol, tag, fields) struct tag symbol;
    GG_RECORD_LIST(X)
#undef X
};

/* Memory that filled records point into; freed whole. */
struct gg_arena {
    struct gg_arena_block *blocks;
};
void *gg_arena_take(struct gg_arena *arena, size_t bytes);
void gg_arena_fini(struct gg_arena *arena);

/* Fill `record` with random values that are valid. Each field that may be absent is
 * absent in half of the cases. */
void gg_any_fill(struct gg_arena *arena, struct gg_rng *rng, enum gg_record_id id,
                 void *record);

/* Fill in only what must be there. */
void gg_any_fill_least(struct gg_arena *arena, enum gg_record_id id, void *record);

/* Fill in every field but arrays of numbers and of records: texts of one letter, arrays
 * of texts to their limit. */
void gg_any_fill_most(struct gg_arena *arena, struct gg_rng *rng, enum gg_record_id id,
                      void *record);

/* Do two records say the same? The first field that differs, or NULL. */
const struct gg_field *gg_any_differ(enum gg_record_id id, const void *a,
                                     const void *b);

/* Append `record` as gg_record_write() would, but with the bytes `raw` as the value of
 * field `number`, whether the record has it or not. With `raw.len` 0 the field is left
 * out. */
void gg_any_write_with(struct gg_buf *out, enum gg_record_id id, const void *record,
                       uint64_t number, struct gg_slice raw);

#endif
