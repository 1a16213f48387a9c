/* slow_store.h - a store with knobs, for tests: it answers when told to, or fails. */
#ifndef GG_TESTS_LIB_SLOW_STORE_H
#define GG_TESTS_LIB_SLOW_STORE_H

#include <stdbool.h>

#include "broker/store/store.h"

/* A memory store behind which commits wait for slow_store_answer(). */
struct gg_store *slow_store_open(void);

/* From now on commits are durable at once (true), or wait to be answered (false). May
 * be called from any thread, as may slow_store_break() and slow_store_set_space(). */
void slow_store_set_prompt(struct gg_store *store, bool prompt);

/* Let the oldest commit that waits become durable; false when none waits. */
bool slow_store_answer(struct gg_store *store);

/* From now on every call fails, as after a disk error. */
void slow_store_break(struct gg_store *store);

/* What gg_store_space() says from now on. */
void slow_store_set_space(struct gg_store *store, enum gg_store_space space);

#endif
