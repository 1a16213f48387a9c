/* test_core_walk.h - what must hold in a broker core between any two steps. */
#ifndef GG_TESTS_UNIT_TEST_CORE_WALK_H
#define GG_TESTS_UNIT_TEST_CORE_WALK_H

#include "broker/core/state.h"

/* Walk everything the core holds and count it anew. Returns NULL when all is sound,
 * else a sentence that says what is not. */
const char *core_walk(struct gg_core *core);

#endif
