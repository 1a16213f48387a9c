/* auth.h - who may connect: our own ZAP handler, in a thread of its own.
 *
 * libzmq asks it at each handshake (https://rfc.zeromq.org/spec/27/). It answers from a
 * table that is swapped whole: 200 with the key's name as User-Id, 300 "not now" beyond
 * a cap (the peer tries again by itself), 400 "never" for what no later try will
 * change. Without keys it admits peers without keys, and only where it was told to.
 */
#ifndef GG_BROKER_IO_AUTH_H
#define GG_BROKER_IO_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/io/keys.h"

/* ZAP domains, one an endpoint. The agents' endpoint needs the role work. */
#define GG_DOMAIN_CLIENT "client"
#define GG_DOMAIN_AGENT  "agent"

/* User-Id of everyone where no keys are required. */
#define GG_USER_LOCAL "local"

/* Message property that holds the public key that was admitted, as Z85. */
#define GG_PROPERTY_KEY "X-Key"

struct gg_auth; /* auth.c */

struct gg_auth_config {
    void *context;        /* libzmq's. */
    struct gg_keys *keys; /* NULL: no keys are required. Lent; it is referenced. */
    uint32_t connections_max;
    uint32_t key_sessions_max;
};

/* Start the thread. Call it before any socket is bound, and gg_auth_stop() after they
 * are closed. GG_ERR_SYSTEM or GG_ERR_NO_MEMORY: *out_auth is untouched. */
GG_MUST_USE enum gg_err gg_auth_start(const struct gg_auth_config *config,
                                      struct gg_auth **out_auth);

/* Use another table from now on; it is referenced. */
void gg_auth_swap(struct gg_auth *auth, struct gg_keys *keys);

/* Say how many connections there are, for the cap. */
void gg_auth_set_connections(struct gg_auth *auth, uint32_t count);

/* Handshakes admitted and refused so far. */
void gg_auth_counts(const struct gg_auth *auth, uint64_t *out_admitted,
                    uint64_t *out_refused);

/* End the thread; *auth_p becomes NULL. Safe on NULL. */
void gg_auth_stop(struct gg_auth **auth_p);

#endif
