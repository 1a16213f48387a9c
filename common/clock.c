#include "common/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts); /* Cannot fail for the clocks used here. */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct gg_mono gg_mono_now(void)
{
    return (struct gg_mono){read_ms(CLOCK_BOOTTIME)};
}

struct gg_wall gg_wall_now(void)
{
    return (struct gg_wall){read_ms(CLOCK_REALTIME)};
}

struct gg_now gg_now(void)
{
    return (struct gg_now){.mono = gg_mono_now(), .wall = gg_wall_now()};
}

int64_t gg_mono_us(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void gg_wall_format(struct gg_wall at, char text[GG_WALL_TEXT_BYTES])
{
    int64_t ms = at.ms % 1000;
    time_t seconds = (time_t)(at.ms / 1000);
    struct tm tm;
    if (at.ms < 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099) {
        (void)snprintf(text, GG_WALL_TEXT_BYTES, "-");
        return;
    }
    char day[GG_WALL_TEXT_BYTES];
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, GG_WALL_TEXT_BYTES, "%.19s.%03dZ", day, (int)ms);
}

/* Milliseconds of a fraction ".123456", moving *text past it; 0 when there is none. */
static int64_t parse_fraction(const char **text)
{
    if (**text != '.') {
        return 0;
    }
    int64_t ms = 0;
    int64_t weight = 100;
    for ((*text)++; isdigit((unsigned char)**text); (*text)++) {
        ms += (**text - '0') * weight;
        weight /= 10;
    }
    return ms;
}

/* Minutes east of UTC from "Z", "+02:00" or "-0530"; false for anything else. */
static bool parse_offset(const char *text, int *out_minutes)
{
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
        *out_minutes = 0;
        return true;
    }
    int hours = 0;
    int minutes = 0;
    int used = 0;
    if ((text[0] != '+' && text[0] != '-') ||
        (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
         sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) ||
        text[1 + used] != '\0' || hours > 23 || minutes > 59) {
        return false;
    }
    *out_minutes = (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool gg_wall_parse(const char *text, struct gg_wall *out_at)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        rest = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    }
    if (rest == NULL) {
        return false;
    }
    int64_t fraction_ms = parse_fraction(&rest);
    int offset = 0;
    if (!parse_offset(rest, &offset)) {
        return false;
    }
    *out_at = (struct gg_wall){((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 +
                               fraction_ms};
    return true;
}
