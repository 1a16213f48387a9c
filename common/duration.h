/* duration.h - lengths of time as people write them: 500ms 30s 5m 2h 7d. */
#ifndef GG_COMMON_DURATION_H
#define GG_COMMON_DURATION_H

#include <stdbool.h>
#include <stdint.h>

enum { GG_DURATION_TEXT_BYTES = 24 };

/* Read a whole number and a unit (ms, s, m, h, d; "0" needs none). Returns false,
 * leaving *out_ms alone, for anything else or a length above 100 years. */
bool gg_duration_parse(const char *text, uint64_t *out_ms);

/* Write `ms` in the two largest units that say it best: "1h 5m", "2.5s", "40ms". */
void gg_duration_format(uint64_t ms, char text[GG_DURATION_TEXT_BYTES]);

#endif
