/* names.h - names of numbered things, as users see them; never NULL, static. */
#ifndef GG_CLIENT_SRC_NAMES_H
#define GG_CLIENT_SRC_NAMES_H

#include <stdint.h>

/* Of enum gg_moment, enum gg_why, and the state of an agent; "unknown" for others. */
const char *gg_moment_name(uint64_t kind);
const char *gg_why_name(uint64_t code);
const char *gg_worker_state_name(uint64_t state);

/* Of enum gg_pool_condition, and the kind of a pool. */
const char *gg_pool_state_name(uint64_t state);
const char *gg_pool_kind_name(uint64_t kind);

#endif
