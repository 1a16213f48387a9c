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

struct gg_wall gg_wall_tick(void)
{
    return (struct gg_wall){read_ms(CLOCK_REALTIME_COARSE)};
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

/* Exactly `count` digits as a number from `least` to `most`, moving *text past them. */
static bool parse_digits(const char **text, int count, int least, int most, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (!isdigit((unsigned char)**text)) {
            return false;
        }
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= least && value <= most;
}

/* One of the characters of `any`, moving *text past it. */
static bool parse_mark(const char **text, const char *any)
{
    return **text != '\0' && strchr(any, *(*text)++) != NULL;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Date and time of day up to the whole second; 60 is a leap second. */
static bool parse_seconds(const char **text, struct tm *out)
{
    int year = 0;
    int month = 0;
    *out = (struct tm){0};
    if (!parse_digits(text, 4, 0, 9999, &year) || !parse_mark(text, "-") ||
        !parse_digits(text, 2, 1, 12, &month) || !parse_mark(text, "-") ||
        !parse_digits(text, 2, 1, days_of_month(year, month), &out->tm_mday) ||
        !parse_mark(text, "Tt ") || !parse_digits(text, 2, 0, 23, &out->tm_hour) ||
        !parse_mark(text, ":") || !parse_digits(text, 2, 0, 59, &out->tm_min) ||
        !parse_mark(text, ":") || !parse_digits(text, 2, 0, 60, &out->tm_sec)) {
        return false;
    }
    out->tm_year = year - 1900;
    out->tm_mon = month - 1;
    return true;
}

/* Milliseconds of a fraction ".123456", moving *text past it; 0 when there is none. */
static bool parse_fraction(const char **text, int64_t *out_ms)
{
    *out_ms = 0;
    if (**text != '.') {
        return true;
    }
    int64_t weight = 100;
    const char *first = ++*text;
    for (; isdigit((unsigned char)**text); (*text)++) {
        *out_ms += (**text - '0') * weight;
        weight /= 10;
    }
    return *text != first;
}

/* Minutes east of UTC from "Z", "+02:00" or "-0530"; false for anything else. */
static bool parse_offset(const char *text, int *out_minutes)
{
    int hours = 0;
    int minutes = 0;
    bool west = *text == '-';
    *out_minutes = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
        return true;
    }
    if (!parse_mark(&text, "+-") || !parse_digits(&text, 2, 0, 23, &hours)) {
        return false;
    }
    if (*text == ':') {
        text++;
    }
    if (!parse_digits(&text, 2, 0, 59, &minutes) || *text != '\0') {
        return false;
    }
    *out_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool gg_wall_parse(const char *text, struct gg_wall *out_at)
{
    struct tm tm;
    int64_t fraction_ms = 0;
    int offset = 0;
    if (!parse_seconds(&text, &tm) || !parse_fraction(&text, &fraction_ms) ||
        !parse_offset(text, &offset)) {
        return false;
    }
    *out_at = (struct gg_wall){((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 +
                               fraction_ms};
    return true;
}
