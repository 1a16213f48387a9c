/* fuzz_record.c - records both ways: what is read can be written and reads the same;
 * whatever the encoder says, the decoder takes.
 *
 * Input: which record; then its bytes, which are also the seed of a random one.
 */
#include "common/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/round_trip.h"
#include "tests/lib/any_record.h"

static void say_any(enum gg_record_id id, struct gg_slice seed)
{
    struct gg_rng rng = {.state = 1};
    for (size_t i = 0; i < seed.len; i++) {
        rng.state = rng.state * 31 + seed.data[i];
    }
    struct gg_arena arena = {0};
    union gg_any_record record;
    gg_any_fill(&arena, &rng, id, &record);
    round_trip_record(id, &record);
    gg_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    union gg_any_record record;
    struct gg_fault fault;
    if (len == 0) {
        return 0;
    }
    enum gg_record_id id = (enum gg_record_id)(data[0] % GG_RECORD_COUNT);
    struct gg_slice bytes = gg_slice_of(data + 1, len - 1);
    if (gg_record_read(bytes, id, &record, &fault) == GG_OK) {
        round_trip_record(id, &record);
    } else {
        GG_ASSERT(fault.err != GG_OK && fault.what != NULL);
    }
    say_any(id, bytes);
    return 0;
}
