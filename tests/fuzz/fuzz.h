/* fuzz.h - what a fuzz target is: one function that must survive any bytes, and asserts
 * more than that. libFuzzer calls it, or replay.c with the kept corpus.
 */
#ifndef GG_TESTS_FUZZ_FUZZ_H
#define GG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The name is libFuzzer's. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
