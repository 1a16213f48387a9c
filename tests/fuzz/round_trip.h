/* round_trip.h - what the decoder took, the encoder can say, and it reads the same. */
#ifndef GG_TESTS_FUZZ_ROUND_TRIP_H
#define GG_TESTS_FUZZ_ROUND_TRIP_H

#include "common/codec.h"

/* Write a record that was read, read it again, compare; entries of its lists too. */
void round_trip_record(enum gg_record_id id, const void *record);

/* The same for a command, with its BLOB where the encoder puts it. */
void round_trip_command(const struct gg_command *command);

#endif
