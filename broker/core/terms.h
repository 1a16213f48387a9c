/* terms.h - how jobs are to be run, tried again and kept: one block for all that were
 * asked for alike.
 *
 * Submitters ask for nearly all their jobs on the same few terms. A small table holds
 * those seen last, each in the place that its hash says; who finds his terms there
 * shares them, anybody else has his own. It holds no reference: terms go with their
 * last job.
 */
#ifndef GG_BROKER_CORE_TERMS_H
#define GG_BROKER_CORE_TERMS_H

#include "broker/core/state.h"

/* A reference to terms that say the same as `wanted`, owned by the caller; NULL without
 * memory. */
struct gg_terms *gg_terms_get(struct gg_core *core, const struct gg_terms *wanted);

/* Give up a reference; *terms_p becomes NULL. Safe on NULL. */
void gg_terms_unref(struct gg_core *core, struct gg_terms **terms_p);

#endif
