/* durable_stage.h - a stage whose broker writes it all down, dies and comes back. */
#ifndef GG_TESTS_UNIT_DURABLE_STAGE_H
#define GG_TESTS_UNIT_DURABLE_STAGE_H

#include "tests/unit/walked_stage.h"

enum { CLIENT = 1, OTHER = 2, AGENT = 3, SECOND = 4, DOWN_MS = 500 };

/* For cmocka: *state is a struct stage with CLIENT in session; queue "memory" is
 * volatile by default. Ends with walked_teardown(). */
int durable_setup(void **state);

/* The broker dies with everything written on disk, and is back DOWN_MS later. */
void crash(struct stage *stage);

/* A job of queue "q" with that key. */
struct gg_id submit_keyed(struct stage *stage, const char *key);

/* The n-th assignment of the last step to that agent, or NULL. */
const struct gg_assign *assigned(struct stage *stage, uint32_t peer, uint32_t n);

/* The job as the broker tells it, result included; NULL: it was not told. */
const struct gg_job_info *get(struct stage *stage, const struct gg_id *id);

#endif
