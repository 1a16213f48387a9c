/* steer.h - what operators order: carried out on the staff, answered to the broker.
 *
 * Scale, add, remove, quiet, resume and release are done here. Stop and restart are the
 * whole agent's affair: they are left for the loop, as `leave`.
 */
#ifndef GG_WORKER_STEER_H
#define GG_WORKER_STEER_H

#include "worker/saved.h"
#include "worker/settings.h"
#include "worker/staff.h"

enum gg_leave { GG_LEAVE_NOT = 0, GG_LEAVE_STOP, GG_LEAVE_RESTART };

struct gg_steering_state {
    const struct gg_worker_settings *settings;
    struct gg_staff *staff;
    struct gg_saved *saved;
    enum gg_leave leave;
    uint64_t leave_grace_ms;
};

/* Carry out what has been ordered. */
void gg_steer_turn(struct gg_steering_state *state, struct gg_mono now);

/* Take the pools as `file` says them now: add, remove, scale; what runs goes on. A pool
 * that has changed otherwise is let go and begun anew. */
void gg_steer_reload(struct gg_steering_state *state, const struct gg_worker_file *file,
                     struct gg_mono now);

#endif
