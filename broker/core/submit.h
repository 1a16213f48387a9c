/* submit.h - taking jobs in: by id, by key, within the limits, whole or not at all. */
#ifndef GG_BROKER_CORE_SUBMIT_H
#define GG_BROKER_CORE_SUBMIT_H

#include "broker/core/state.h"

void gg_on_submit(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                  uint64_t request, const struct gg_submit *submit);

void gg_on_submit_many(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                       uint64_t request, const struct gg_submit_many *many);

#endif
