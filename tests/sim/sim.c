/* sim.c - the simulator's command line.
 *
 *   sim [--seeds N] [--first S] [--events N] [--marks]    run seeds, until N events too
 *   sim --seed S [--trace]                                one of them, what happened
 *   sim --seed S --shrink                                 its smallest failing form
 *   sim … --faults N --acts N --without MASK --chaos MS   a shrunk form, as printed
 *   sim … --plant N, --canary                             a bug (plants.py); to fail
 *   sim --hashes N                                        seed and state hash, by line
 *
 * Exit status 0: no promise was broken; 1: one was, and the line says how to see it
 * again; 64: usage.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/run.h"

/* Which planted bug is switched on; only a build with plants looks at it. */
extern int gg_plant;
int gg_plant;

struct options {
    uint64_t seeds;
    uint64_t first;
    uint64_t events;
    uint64_t hashes;
    bool one;
    bool trace;
    bool shrink;
    bool marks;
    struct sim_limits limits;
};

struct totals {
    uint64_t seeds;
    uint64_t events;
    uint64_t faults;
    uint64_t kills;
    uint64_t violations;
    int64_t virtual_ms;
};

static const char *program;

/* ---- shrinking: fewer faults, sources, acts, less time ---- */

static bool still_fails(uint64_t seed, const struct sim_limits *limits,
                        enum oracle_check check, struct sim_result *out)
{
    *out = sim_run(seed, limits, false);
    return out->failed && out->check == check;
}

static void shrink_number(uint64_t seed, struct sim_limits *limits, uint64_t *number,
                          uint64_t used, struct sim_result *best)
{
    uint64_t low = 0;
    uint64_t high = used;
    while (low < high) {
        struct sim_result result;
        uint64_t middle = low + (high - low) / 2;
        *number = middle;
        if (still_fails(seed, limits, best->check, &result)) {
            *best = result;
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *number = high;
}

static struct sim_result shrink(uint64_t seed, struct sim_limits *limits,
                                struct sim_result best)
{
    struct sim_result result;
    for (uint32_t source = 0; source < 9; source++) {
        limits->without |= 1U << source;
        if (still_fails(seed, limits, best.check, &result)) {
            best = result;
        } else {
            limits->without &= ~(1U << source);
        }
    }
    shrink_number(seed, limits, &limits->faults, best.faults, &best);
    shrink_number(seed, limits, &limits->acts, best.acts, &best);
    uint64_t chaos = (uint64_t)best.chaos_ms;
    uint64_t low = 100;
    while (low < chaos) {
        limits->chaos_ms = (int64_t)(low + (chaos - low) / 2);
        if (still_fails(seed, limits, best.check, &result)) {
            best = result;
            chaos = (uint64_t)limits->chaos_ms;
        } else {
            low = (uint64_t)limits->chaos_ms + 1;
        }
    }
    limits->chaos_ms = (int64_t)chaos;
    return best;
}

/* ---- telling ---- */

static void print_limits(const struct sim_limits *limits)
{
    struct sim_limits none;
    sim_limits_none(&none);
    if (limits->faults != none.faults) {
        (void)printf(" --faults %" PRIu64, limits->faults);
    }
    if (limits->acts != none.acts) {
        (void)printf(" --acts %" PRIu64, limits->acts);
    }
    if (limits->without != 0) {
        (void)printf(" --without %" PRIu32, limits->without);
    }
    if (limits->chaos_ms != none.chaos_ms) {
        (void)printf(" --chaos %" PRId64, limits->chaos_ms);
    }
}

static void tell(uint64_t seed, const struct sim_limits *limits,
                 const struct sim_result *result)
{
    (void)printf("seed %" PRIu64 ": %s\n  again: %s --seed %" PRIu64, seed,
                 result->verdict, program, seed);
    print_limits(limits);
    (void)printf(" --trace\n");
    (void)fflush(stdout);
}

static int print_marks(bool all)
{
    static const char *const meanings[SIM_MARK_COUNT] = {
#define X(symbol, meaning) meaning,
        SIM_MARK_LIST(X)
#undef X
    };
    int never = 0;
    for (int i = 0; i < SIM_MARK_COUNT; i++) {
        if (all || sim_marks[i] == 0) {
            (void)printf("  %10" PRIu64 "  %s\n", sim_marks[i], meanings[i]);
        }
        never += sim_marks[i] == 0;
    }
    return never;
}

/* ---- running ---- */

static int run_one(const struct options *options)
{
    struct sim_limits limits = options->limits;
    struct sim_result result = sim_run(options->first, &limits, options->trace);
    if (result.failed && options->shrink) {
        result = shrink(options->first, &limits, result);
    }
    if (result.failed) {
        tell(options->first, &limits, &result);
        return 1;
    }
    (void)printf("seed %" PRIu64 ": %" PRIu64 " events, %.1f s, hash %016" PRIx64 "\n",
                 options->first, result.events, (double)result.virtual_ms / 1000.0,
                 result.hash);
    return 0;
}

static int print_hashes(const struct options *options)
{
    int failed = 0;
    for (uint64_t n = 0; n < options->hashes; n++) {
        struct sim_result result = sim_run(options->first + n, &options->limits, false);
        (void)printf("%" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", options->first + n,
                     result.hash, result.events);
        failed += result.failed;
    }
    return failed > 0;
}

static void add(struct totals *totals, const struct sim_result *result)
{
    totals->seeds++;
    totals->events += result->events;
    totals->faults += result->faults;
    totals->kills += result->kills;
    totals->virtual_ms += result->virtual_ms;
    totals->violations += result->failed;
}

static int run_many(const struct options *options)
{
    struct totals totals = {0};
    clock_t start = clock();
    uint64_t seed = options->first;
    for (; totals.seeds < options->seeds && totals.events < options->events; seed++) {
        struct sim_result result = sim_run(seed, &options->limits, false);
        add(&totals, &result);
        if (result.failed) {
            tell(seed, &options->limits, &result);
            break;
        }
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    (void)printf("seeds=%" PRIu64 " first=%" PRIu64 " events=%" PRIu64
                 " virtual_hours=%.1f faults=%" PRIu64 " kills=%" PRIu64
                 " violations=%" PRIu64 " cpu_s=%.1f events_per_s=%.0f\n",
                 totals.seeds, options->first, totals.events,
                 (double)totals.virtual_ms / 3600000.0, totals.faults, totals.kills,
                 totals.violations, seconds,
                 seconds > 0 ? (double)totals.events / seconds : 0.0);
    int never = 0;
    if (options->marks) {
        never = print_marks(true);
        (void)printf("%d marks were never hit\n", never);
    }
    return totals.violations > 0 || never > 0;
}

static bool read_options(int argc, char **argv, struct options *out)
{
    static const struct option known[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"events", required_argument, NULL, 'e'},
        {"seed", required_argument, NULL, 's'},
        {"hashes", required_argument, NULL, 'h'},
        {"faults", required_argument, NULL, 'F'},
        {"acts", required_argument, NULL, 'A'},
        {"without", required_argument, NULL, 'W'},
        {"chaos", required_argument, NULL, 'C'},
        {"trace", no_argument, NULL, 't'},
        {"shrink", no_argument, NULL, 'k'},
        {"marks", no_argument, NULL, 'm'},
        {"plant", required_argument, NULL, 'p'},
        {"canary", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    *out = (struct options){.seeds = UINT64_MAX, .first = 1, .events = UINT64_MAX};
    sim_limits_none(&out->limits);
    int got;
    while ((got = getopt_long(argc, argv, "", known, NULL)) != -1) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        out->seeds = got == 'n' ? number : out->seeds;
        out->first = got == 'f' || got == 's' ? number : out->first;
        out->one = out->one || got == 's';
        out->events = got == 'e' ? number : out->events;
        out->hashes = got == 'h' ? number : out->hashes;
        out->limits.faults = got == 'F' ? number : out->limits.faults;
        out->limits.acts = got == 'A' ? number : out->limits.acts;
        out->limits.without = got == 'W' ? (uint32_t)number : out->limits.without;
        out->limits.chaos_ms = got == 'C' ? (int64_t)number : out->limits.chaos_ms;
        out->trace = out->trace || got == 't';
        out->shrink = out->shrink || got == 'k';
        out->marks = out->marks || got == 'm';
        gg_plant = got == 'p' ? (int)number : gg_plant;
        out->limits.canary = out->limits.canary || got == 'c';
        if (got == '?') {
            return false;
        }
    }
    return optind == argc && (out->one || out->hashes > 0 || out->seeds != UINT64_MAX ||
                              out->events != UINT64_MAX);
}

int main(int argc, char **argv)
{
    struct options options;
    program = argv[0];
    if (!read_options(argc, argv, &options)) {
        (void)fprintf(stderr,
                      "usage: %s --seeds N | --events N | --seed S | --hashes N"
                      " [--first S] [--trace] [--shrink] [--marks]\n",
                      argv[0]);
        return 64;
    }
    int status = options.one          ? run_one(&options)
                 : options.hashes > 0 ? print_hashes(&options)
                                      : run_many(&options);
    oracle_end();
    return status;
}
