/* name.h - names of realms, queues, agents and tags, and patterns over them.
 *
 * A name is 1 to 64 characters of A-Z a-z 0-9 . _ - and begins with a letter or a
 * digit. A pattern may hold * (any run of characters) and ? (any one) besides.
 */
#ifndef GG_COMMON_NAME_H
#define GG_COMMON_NAME_H

#include <stdbool.h>

#include "common/bytes.h"

enum { GG_NAME_BYTES_MAX = 64, GG_KEY_BYTES_MAX = 255 };

/* A name kept by value. */
struct gg_name {
    uint8_t len;
    char text[GG_NAME_BYTES_MAX + 1]; /* Ended by NUL, so that it prints. */
};

bool gg_name_valid(struct gg_slice name);
bool gg_pattern_valid(struct gg_slice pattern);

/* Does all of `name` fit `pattern`? Takes at most len(pattern) * len(name) steps. */
bool gg_pattern_match(struct gg_slice pattern, struct gg_slice name);

/* Keep `name`, which must be at most GG_NAME_BYTES_MAX bytes. */
void gg_name_set(struct gg_name *out, struct gg_slice name);

static inline struct gg_slice gg_name_slice(const struct gg_name *name)
{
    return gg_slice_of(name->text, name->len);
}

#endif
