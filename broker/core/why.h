/* why.h - why a job is not running, from the same facts that dispatch decides by. */
#ifndef GG_BROKER_CORE_WHY_H
#define GG_BROKER_CORE_WHY_H

#include "broker/core/state.h"

/* Pack the reasons into `out`, the most telling first; the list lends `out`. */
struct gg_list gg_why_list(const struct gg_core *core, const struct gg_job *job,
                           struct gg_buf *out);

#endif
