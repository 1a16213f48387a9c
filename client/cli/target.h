/* target.h - which jobs a command is about: ID…, or --queue Q --key K. */
#ifndef GG_CLIENT_CLI_TARGET_H
#define GG_CLIENT_CLI_TARGET_H

#include <ganger/client.h>

#include "client/cli/command.h"

enum { GG_TARGETS_MAX = 64, GG_TARGET_TEXT_BYTES = 400 };

struct gg_targets {
    ganger_target items[GG_TARGETS_MAX];
    size_t count;
};

/* Read them from the call. False: what was typed is not valid, and that was said. */
bool gg_targets_read(const struct gg_call *call, struct gg_targets *out);

/* As people know it: the id, or "key K of queue Q". */
void gg_target_text(const ganger_target *target, char text[GG_TARGET_TEXT_BYTES]);

#endif
