/* scarce_core.c - the core when memory runs out: plays of fuzz_core's corpus, in each
 * of which one allocation inside the core fails; and brokers begun from the records of
 * a play, each of whose allocations fails in turn. The core stays sound, whatever it
 * had to refuse (fuzz_core.c counts all it keeps anew); what cannot be begun says so.
 *
 *   scarce_core CORPUS.hex TRIES    so many different allocations of each play
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/scarce.h"
#include "tests/sim/disk.h"
#include "tests/unit/test_core_walk.h"

enum { INPUT_BYTES_MAX = 65536, NOT_FOUND = -1 };

/* The linker puts these in place of the core's functions (--wrap). */
void __real_gg_core_step(struct gg_core *core, const struct gg_event *ev,
                         struct gg_effects *fx);
void __wrap_gg_core_step(struct gg_core *core, const struct gg_event *ev,
                         struct gg_effects *fx);

static struct sim_disk disk; /* What the play has written down. */
static bool recording;

static void record(struct gg_effects *fx)
{
    for (uint32_t i = 0; i < fx->count; i++) {
        if (fx->items[i].type == GG_FX_PERSIST || fx->items[i].type == GG_FX_ERASE) {
            sim_disk_write(&disk, fx, &fx->items[i]);
        }
    }
}

void __wrap_gg_core_step(struct gg_core *core, const struct gg_event *ev,
                         struct gg_effects *fx)
{
    gg_scarce_look(true);
    __real_gg_core_step(core, ev, fx);
    gg_scarce_look(false);
    if (gg_scarce_has_failed()) {
        fx->dropped =
            0; /* A shell ends for that; the core must be sound all the same. */
    }
    if (recording) {
        record(fx);
    }
}

/* ---- plays ---- */

static void play(const uint8_t *data, size_t len, uint64_t n)
{
    gg_scarce_set(n);
    (void)LLVMFuzzerTestOneInput(data, len);
}

/* ---- beginnings ---- */

static enum gg_err begin(struct gg_core *core, struct gg_effects *fx, const char **what)
{
    static const enum gg_keep_kind kinds[] = {GG_KEEP_META, GG_KEEP_QUEUE,
                                              GG_KEEP_AGENT, GG_KEEP_JOB};
    enum gg_err err = GG_OK;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint32_t i = 0; i < disk.count && err == GG_OK; i++) {
            const struct sim_record *record = &disk.items[i];
            if (record->kind == kinds[k]) {
                err = gg_core_restore(core, kinds[k], &record->id,
                                      gg_blob_slice(record->bytes), what);
            }
        }
    }
    struct gg_now now = {{1000}, {INT64_C(1800000000000)}};
    return err == GG_OK ? gg_core_restored(core, now, disk.written, fx) : err;
}

/* A broker made of the records; false once no allocation failed any more. */
static bool try_to_begin(uint64_t n)
{
    struct gg_bounds bounds;
    struct gg_effects fx;
    struct gg_core_about about = {.program = "gangerd test"};
    const char *what = NULL;
    gg_bounds_default(&bounds);
    bounds.durable = true;
    gg_effects_init(&fx);
    gg_scarce_set(n);
    gg_scarce_look(true);
    struct gg_core *core = gg_core_new(&bounds, &about, 9, 7);
    enum gg_err err = core == NULL ? GG_ERR_NO_MEMORY : begin(core, &fx, &what);
    gg_scarce_look(false);
    bool failed = gg_scarce_has_failed();
    GG_ASSERT(err == GG_OK || (failed && err == GG_ERR_NO_MEMORY));
    if (err == GG_OK) {
        const char *fault = core_walk(core);
        GG_ASSERT(fault == NULL);
    }
    gg_core_destroy(&core);
    gg_effects_fini(&fx);
    return failed;
}

/* ---- the corpus ---- */

static int nibble(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? NOT_FOUND : (int)(at - digits);
}

/* The next input, in memory of exactly its size; NULL at the end. */
static uint8_t *read_input(FILE *file, size_t *out_len)
{
    static char line[2 * INPUT_BYTES_MAX + 2];
    do {
        if (fgets(line, sizeof line, file) == NULL) {
            return NULL;
        }
    } while (line[0] == '#');
    size_t len = strcspn(line, "\n") / 2;
    uint8_t *data = malloc(len + 1);
    GG_ASSERT(data != NULL);
    for (size_t i = 0; i < len; i++) {
        int high = nibble(line[2 * i]);
        int low = nibble(line[2 * i + 1]);
        GG_ASSERT(high >= 0 && low >= 0);
        data[i] = (uint8_t)(high * 16 + low);
    }
    *out_len = len;
    return data;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        (void)fprintf(stderr, "usage: %s CORPUS.hex TRIES\n", argv[0]);
        return 64;
    }
    uint64_t tries = strtoull(argv[2], NULL, 10);
    uint64_t plays = 0;
    uint64_t begun = 0;
    size_t len = 0;
    uint8_t *data;
    while ((data = read_input(file, &len)) != NULL) {
        recording = true;
        play(data, len, UINT64_MAX);
        recording = false;
        uint64_t all = gg_scarce_count();
        for (uint64_t i = 0; i < tries && i < all; i++, plays++) {
            play(data, len, all <= tries ? i : i * all / tries);
        }
        sim_disk_crash(&disk, disk.written); /* Of each thing its newest record. */
        for (uint64_t n = 0; n < tries * 4 && try_to_begin(n); n++) {
            begun++;
        }
        sim_disk_fini(&disk);
        free(data);
    }
    (void)fclose(file);
    (void)printf("%" PRIu64 " plays and %" PRIu64 " beginnings, each without one piece"
                 " of memory\n",
                 plays, begun);
    return plays == 0 || begun == 0;
}
