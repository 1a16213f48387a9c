/* scarce.h - memory that runs out. A program linked with gg_scarce (see
 * tests/lib/CMakeLists.txt) asks here before each allocation; while it is armed, the
 * n-th from then on fails, and only that one.
 */
#ifndef GG_TESTS_LIB_SCARCE_H
#define GG_TESTS_LIB_SCARCE_H

#include <stdbool.h>
#include <stdint.h>

/* The `n`-th allocation that is looked at, from 0, will fail. */
void gg_scarce_set(uint64_t n);

/* Has it failed? */
bool gg_scarce_has_failed(void);

/* How many were looked at since gg_scarce_set(). */
uint64_t gg_scarce_count(void);

/* Look at allocations, or let them pass: between the calls into the product. */
void gg_scarce_look(bool look);

#endif
