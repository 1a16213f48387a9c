/* replay.c - runs a fuzz target without libFuzzer: over its kept corpus, and over some
 * thousand mutations of it that are the same in every run.
 *
 *   fuzz_X CORPUS.hex [MUTATIONS [SEED]]    every line of the file is an input, in hex
 *   fuzz_X - <INPUT                         one input, as libFuzzer left it
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "tests/fuzz/fuzz.h"

enum { INPUTS_MAX = 4096, INPUT_BYTES_MAX = 65536, ROOM_BYTES = 4096 };

struct input {
    uint8_t *data;
    size_t len;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t seed = 1;
static uint64_t runs;

static int bad_file(const char *path, size_t line)
{
    (void)fprintf(stderr, "%s:%zu: not a line of hex, or too many\n", path, line);
    return 2;
}

static int nibble(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static int read_corpus(const char *path)
{
    static char line[2 * INPUT_BYTES_MAX + 2];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    for (size_t n = 1; fgets(line, sizeof line, file) != NULL; n++) {
        size_t digits = strcspn(line, "\n");
        if (line[0] == '#') {
            continue;
        }
        struct input *input = &inputs[input_count];
        input->len = digits / 2;
        input->data = malloc(input->len + 1);
        if (digits % 2 != 0 || input_count == INPUTS_MAX - 1 || input->data == NULL) {
            return bad_file(path, n);
        }
        for (size_t i = 0; i < input->len; i++) {
            int high = nibble(line[2 * i]);
            int low = nibble(line[2 * i + 1]);
            if (high < 0 || low < 0) {
                return bad_file(path, n);
            }
            input->data[i] = (uint8_t)(high * 16 + low);
        }
        input_count++;
    }
    (void)fclose(file);
    return 0;
}

/* On a copy of exactly its size: a byte read behind the end is seen. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    if (copy == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(copy, data, len);
    }
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
    runs++;
}

static void change_byte(struct gg_rng *rng, uint8_t *at)
{
    static const uint8_t telling[] = {0,    1,    0x7f, 0x80, 0x8f, 0x90, 0xa0,
                                      0xc0, 0xc4, 0xcf, 0xdc, 0xdf, 0xff, '\n'};
    uint64_t how = gg_rng_below(rng, 3);
    if (how == 0) {
        *at ^= (uint8_t)(1U << gg_rng_below(rng, 8));
    } else if (how == 1) {
        *at = telling[gg_rng_below(rng, sizeof telling)];
    } else {
        *at = (uint8_t)gg_rng_next(rng);
    }
}

static void mutate(struct gg_rng *rng)
{
    static uint8_t room[ROOM_BYTES];
    const struct input *one = &inputs[gg_rng_below(rng, input_count)];
    const struct input *other = &inputs[gg_rng_below(rng, input_count)];
    size_t len = one->len < ROOM_BYTES ? one->len : ROOM_BYTES;
    if (len > 0) {
        memcpy(room, one->data, len);
    }
    if (gg_rng_below(rng, 3) == 0) { /* The front of one, the rest of another. */
        size_t cut = len == 0 ? 0 : gg_rng_below(rng, len);
        size_t from = other->len == 0 ? 0 : gg_rng_below(rng, other->len);
        size_t more = other->len - from;
        more = more < ROOM_BYTES - cut ? more : ROOM_BYTES - cut;
        memmove(room + cut, other->data + from, more);
        len = cut + more;
    }
    for (uint64_t n = gg_rng_below(rng, 6); n > 0 && len > 0; n--) {
        change_byte(rng, &room[gg_rng_below(rng, len)]);
    }
    if (len > 0 && gg_rng_below(rng, 8) == 0) {
        len = gg_rng_below(rng, len);
    }
    run(room, len);
}

static int run_one(void)
{
    static uint8_t room[1 << 20];
    size_t len = fread(room, 1, sizeof room, stdin);
    run(room, len);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        (void)fprintf(stderr, "usage: %s CORPUS.hex [MUTATIONS [SEED]], or -\n",
                      argv[0]);
        return 64;
    }
    if (strcmp(argv[1], "-") == 0) {
        return run_one();
    }
    uint64_t mutations = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    int status = read_corpus(argv[1]);
    for (size_t i = 0; status == 0 && i < input_count; i++) {
        run(inputs[i].data, inputs[i].len);
    }
    struct gg_rng rng = {.state = seed};
    for (uint64_t i = 0; status == 0 && input_count > 0 && i < mutations; i++) {
        mutate(&rng);
    }
    if (status == 0 && input_count == 0) {
        (void)fprintf(stderr, "%s: there is no input in it\n", argv[1]);
        status = 2;
    }
    (void)printf("%" PRIu64 " runs of %zu inputs, seed %" PRIu64 "\n", runs,
                 input_count, seed);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].data);
    }
    return status;
}
