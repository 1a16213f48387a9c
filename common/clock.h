/* clock.h - time as types: what counts on, and what the calendar says.
 *
 * The only file that calls clock_gettime. Pure code gets both as arguments.
 */
#ifndef GG_COMMON_CLOCK_H
#define GG_COMMON_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since an unknown start, suspended time included (CLOCK_BOOTTIME), for
 * durations inside one process. Never stored, never sent: it means nothing
 * elsewhere. */
struct gg_mono {
    int64_t ms;
};

/* Milliseconds since 1970-01-01 UTC, for what people see and what outlives the process.
 * It can jump, so never subtract two of them to get a timeout. */
struct gg_wall {
    int64_t ms;
};

/* Both clocks, read together: what every event carries. */
struct gg_now {
    struct gg_mono mono;
    struct gg_wall wall;
};

struct gg_mono gg_mono_now(void);
struct gg_wall gg_wall_now(void);
struct gg_now gg_now(void);

/* The calendar as of the kernel's last tick, at most 10 ms old, for a third of the
 * cost: for what is done for each job and needs no more, such as the time in an id. */
struct gg_wall gg_wall_tick(void);

/* Microseconds on the monotonic clock, for measuring. */
int64_t gg_mono_us(void);

static inline bool gg_mono_reached(struct gg_mono at, struct gg_mono now)
{
    return now.ms >= at.ms;
}

/* `at` plus `ms`, staying at the largest time instead of running over. */
static inline struct gg_mono gg_mono_add(struct gg_mono at, uint64_t ms)
{
    /* Unsigned: a time before the machine's start is below zero. */
    uint64_t room = (uint64_t)INT64_MAX - (uint64_t)at.ms;
    return (struct gg_mono){ms > room ? INT64_MAX : (int64_t)((uint64_t)at.ms + ms)};
}

/* RFC 3339 in UTC with milliseconds, "2026-11-21T08:15:30.123Z". */
enum { GG_WALL_TEXT_BYTES = 32 };
void gg_wall_format(struct gg_wall at, char text[GG_WALL_TEXT_BYTES]);

/* Read RFC 3339 with "Z" or a numeric offset; fractions of a second are optional.
 * Returns false, leaving *out_at alone, for anything else. */
bool gg_wall_parse(const char *text, struct gg_wall *out_at);

#endif
