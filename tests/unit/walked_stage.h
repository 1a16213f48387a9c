/* walked_stage.h - a stage for each test, and a look at its whole core at the end. */
#ifndef GG_TESTS_UNIT_WALKED_STAGE_H
#define GG_TESTS_UNIT_WALKED_STAGE_H

#include "tests/lib/stage.h"

/* For a setup of cmocka: *state is the stage, as stage_init() leaves it. */
struct stage *walked_open(void **state, void (*change)(struct gg_bounds *bounds));

/* For cmocka: fails the test where the core is not sound. */
int walked_teardown(void **state);

#endif
