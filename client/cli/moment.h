/* moment.h - an entry of a history, or an event, in words. */
#ifndef GG_CLIENT_CLI_MOMENT_H
#define GG_CLIENT_CLI_MOMENT_H

#include <ganger/client.h>

enum { GG_MOMENT_DETAIL_BYTES = 4400 };

/* Why, how and until when, as far as the entry says; "" where it says nothing. */
void gg_moment_detail(const ganger_moment *moment, char text[GG_MOMENT_DETAIL_BYTES]);

#endif
