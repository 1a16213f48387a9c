/* grant.h - who may do what: the table of role and command, and the reach of a key.
 *
 * The shell finds out who a peer is (by its CURVE key; on loopback without keys
 * everyone is GG_GRANT_ALL) and hands the grant in with hello. Every command is held
 * against it.
 */
#ifndef GG_BROKER_CORE_GRANT_H
#define GG_BROKER_CORE_GRANT_H

#include <stdbool.h>

#include "common/command.h"
#include "common/name.h"

enum { GG_GRANT_PATTERNS_MAX = 16 };

/* What one key may do. Kept by the shell, lent to the core for the length of a session;
 * when a key is revoked or changed its sessions are closed first. */
struct gg_grant {
    struct gg_name name; /* Of the key, for audit lines. */
    uint8_t roles;       /* Mask of enum gg_role. */
    uint8_t realm_count;
    uint8_t queue_count;
    struct gg_name realms[GG_GRANT_PATTERNS_MAX]; /* Patterns. */
    struct gg_name queues[GG_GRANT_PATTERNS_MAX]; /* Patterns. */
};

/* Everything everywhere, under `name`. */
void gg_grant_all(struct gg_grant *out, const char *name);

/* Is there a role among `roles` that may send the command? Unknown commands: false. */
bool gg_grant_command(const struct gg_grant *grant, enum gg_command_code code);

/* Does the key reach this realm; this queue of this realm? */
bool gg_grant_realm(const struct gg_grant *grant, struct gg_slice realm);
bool gg_grant_queue(const struct gg_grant *grant, struct gg_slice realm,
                    struct gg_slice queue);

/* The roles, any of which suffices for a command; 0 where every peer may send it. */
uint8_t gg_grant_roles_for(enum gg_command_code code);

#endif
