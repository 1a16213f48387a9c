/* driver.h - a broker core that is driven without a test framework: by fuzzers, the
 * reference model and whoever else runs millions of steps. Commands go through the
 * codec both ways; what does not decode is a bug and stops the process.
 */
#ifndef GG_TESTS_LIB_DRIVER_H
#define GG_TESTS_LIB_DRIVER_H

#include "broker/core/core.h"
#include "common/codec.h"
#include "common/rng.h"

struct gg_driver {
    struct gg_core *core;
    struct gg_core_about about;
    struct gg_now now;
    struct gg_grant grant;
    struct gg_effects fx; /* Of the last step. */
    struct gg_buf bytes;  /* Scratch: the command as it went over the wire. */
};

/* Bounds so small that every limit is met soon. */
void gg_driver_tiny_bounds(struct gg_bounds *bounds);

void gg_driver_init(struct gg_driver *driver, const struct gg_bounds *bounds,
                    uint64_t epoch, uint64_t seed);
void gg_driver_fini(struct gg_driver *driver);

/* One step each; the effects of the step before are forgotten. */
void gg_driver_hello_client(struct gg_driver *driver, uint32_t peer);
void gg_driver_hello_agent(struct gg_driver *driver, uint32_t peer,
                           const struct gg_hello *hello);
void gg_driver_say(struct gg_driver *driver, uint32_t peer, enum gg_command_code code,
                   uint64_t request, const void *record);
void gg_driver_close(struct gg_driver *driver, uint32_t peer, bool bye);
void gg_driver_receipt(struct gg_driver *driver, uint64_t token);
void gg_driver_tick(struct gg_driver *driver);
void gg_driver_space(struct gg_driver *driver, enum gg_core_space space);

/* Let `ms` pass with every tick that the core asks for; `visit` (or NULL) sees the
 * effects of each. */
void gg_driver_wait(struct gg_driver *driver, int64_t ms,
                    void (*visit)(void *ctx, struct gg_driver *driver), void *ctx);

/* Is effect `i` a command? Then it is decoded; slices point into the effects. */
bool gg_driver_heard(const struct gg_driver *driver, uint32_t i,
                     struct gg_command *out_command);

#endif
