/* fuzz_keep.c - records on disk: what is read can be written and reads the same; and a
 * broker that is made of them is sound, whatever they say. (Their check keeps damage
 * out; it is made right here, so that what is behind it is reached.)
 *
 * Input: records one after the other: a kind, a length of two bytes, the fields.
 */
#include <stdio.h>

#include "broker/core/core.h"
#include "common/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/test_core_walk.h"

enum { RECORDS_MAX = 32, WAIT_MS = 100000, TICKS_MAX = 2000 };

union any {
    struct gg_keep_meta meta;
    struct gg_keep_job job;
    struct gg_keep_queue queue;
    struct gg_keep_agent agent;
};

static struct gg_id id_of(int number)
{
    return (struct gg_id){.bytes = {[0] = 1, [15] = (uint8_t)number}};
}

static void check(struct gg_core *core)
{
    const char *fault = core_walk(core);
    if (fault != NULL) {
        (void)fprintf(stderr, "%s\n", fault);
    }
    GG_ASSERT(fault == NULL);
}

/* The record as a broker would have written it; empty when it is none. */
static void write_again(struct gg_slice fields, enum gg_keep_kind kind, int number,
                        struct gg_buf *out)
{
    union any record;
    union any again;
    struct gg_keep_fault fault;
    struct gg_id id = id_of(number);
    gg_buf_clear(out);
    if (!gg_keep_form_read(fields, (enum gg_keep_form)kind, &record, &fault)) {
        GG_ASSERT(fault.what != NULL);
        return;
    }
    gg_keep_write(out, kind, &id, &record);
    GG_ASSERT(!out->failed);
    enum gg_err err = gg_keep_read(gg_buf_slice(out), kind, &id, &again, &fault);
    GG_ASSERT(err == GG_OK);
    struct gg_buf twice;
    gg_buf_init(&twice, 1 << 20);
    gg_keep_write(&twice, kind, &id, &again);
    GG_ASSERT(gg_slice_equal(gg_buf_slice(out), gg_buf_slice(&twice)));
    gg_buf_fini(&twice);
}

/* All records of `kind` into the core. */
static void restore(struct gg_core *core, struct gg_slice input, enum gg_keep_kind kind)
{
    struct gg_buf record;
    gg_buf_init(&record, 1 << 20);
    for (int number = 1; input.len >= 3 && number <= RECORDS_MAX; number++) {
        size_t len = (size_t)input.data[1] << 8 | input.data[2];
        size_t most = input.len - 3;
        len = len < most ? len : most;
        if ((enum gg_keep_kind)(1 + input.data[0] % 4) == kind) {
            write_again(gg_slice_of(input.data + 3, len), kind, number, &record);
            struct gg_id id = id_of(number);
            const char *what = NULL;
            if (record.len > 0 &&
                gg_core_restore(core, kind, &id, gg_buf_slice(&record), &what) !=
                    GG_OK) {
                GG_ASSERT(what != NULL);
            }
        }
        input = gg_slice_of(input.data + 3 + len, most - len);
    }
    gg_buf_fini(&record);
}

static void live(struct gg_core *core, struct gg_effects *fx, struct gg_now now)
{
    struct gg_mono at;
    int64_t end = now.mono.ms + WAIT_MS;
    for (int i = 0; i < TICKS_MAX && gg_core_next_wake(core, &at) && at.ms <= end;
         i++) {
        int64_t passed = at.ms > now.mono.ms ? at.ms - now.mono.ms : 0;
        now.mono.ms += passed;
        now.wall.ms += passed;
        gg_effects_clear(fx);
        gg_core_step(core, &(struct gg_event){.type = GG_EV_TICK, .now = now}, fx);
    }
    check(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum gg_keep_kind kinds[] = {GG_KEEP_META, GG_KEEP_QUEUE,
                                              GG_KEEP_AGENT, GG_KEEP_JOB};
    struct gg_bounds bounds;
    struct gg_now now = {{1000}, {INT64_C(1800000000000)}};
    struct gg_core_about about = {.program = "",
                                  .store = "",
                                  .store_path = "",
                                  .client_endpoint = "",
                                  .agent_endpoint = "",
                                  .started = now};
    gg_bounds_default(&bounds);
    bounds.durable = true;
    bounds.queues_max = 8;
    struct gg_core *core = gg_core_new(&bounds, &about, 1000, 7);
    struct gg_effects fx;
    GG_ASSERT(core != NULL);
    gg_effects_init(&fx);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        restore(core, gg_slice_of(data, len), kinds[i]);
    }
    enum gg_err err = gg_core_restored(core, now, 100, &fx);
    if (err == GG_OK) {
        check(core);
        live(core, &fx, now);
    } else {
        GG_ASSERT(err == GG_ERR_STORE); /* Two jobs under one fence: no start. */
    }
    gg_core_destroy(&core);
    gg_effects_fini(&fx);
    return 0;
}
