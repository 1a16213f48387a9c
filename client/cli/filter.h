/* filter.h - which jobs, as people write it:
 *
 *   state:failed queue:reports tag:nightly age>1h error~"timed out"
 *
 * Conditions are separated by spaces and all must hold; each kind stands at most once.
 *
 *   state:A,B     in one of these states
 *   queue:P       queue that fits the pattern P (* and ?)
 *   realm:R  tag:T  key:K
 *   age>D  age<D  accepted longer ago, or more lately, than D
 *   error~TEXT    the error's text contains TEXT
 *
 * A value with spaces stands in double quotes; \" and \\ inside them stand for " and \.
 */
#ifndef GG_CLIENT_CLI_FILTER_H
#define GG_CLIENT_CLI_FILTER_H

#include <ganger/client.h>
#include <stdbool.h>
#include <stddef.h>

enum { GG_FILTER_BYTES_MAX = 1024, GG_FILTER_VALUE_MAX = 256 };

/* A filter; `what` points into the rest, so it is not to be copied. */
struct gg_filter {
    ganger_filter what;
    char realm[GG_FILTER_VALUE_MAX + 1];
    char queue[GG_FILTER_VALUE_MAX + 1];
    char tag[GG_FILTER_VALUE_MAX + 1];
    char key[GG_FILTER_VALUE_MAX + 1];
    char error[GG_FILTER_VALUE_MAX + 1];
};

struct gg_filter_fault {
    size_t column; /* From 1. */
    char text[160];
};

/* Read `text` into *out. False: *out_fault says where and why, *out is not usable. */
bool gg_filter_parse(const char *text, struct gg_filter *out,
                     struct gg_filter_fault *out_fault);

#endif
