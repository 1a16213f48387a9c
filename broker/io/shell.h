/* shell.h - the loop that owns the sockets, the core and the store.
 *
 *   wait ─▶ drain agents, then clients ─▶ decode ─▶ gg_core_step ─▶ effects
 *     ▲                                                               │
 *     └── send each peer's batch ◀── release what is durable ◀── one commit
 *
 * One thread; it decides nothing and waits in one place only. Everything it reads is
 * from strangers: it is checked, refused with a name, counted, and never asserted on.
 */
#ifndef GG_BROKER_IO_SHELL_H
#define GG_BROKER_IO_SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/bounds.h"
#include "broker/io/address.h"
#include "broker/store/store.h"
#include "common/err.h"

struct gg_shell; /* shell_state.h */

/* All texts are lent until gg_shell_close(). */
struct gg_shell_config {
    struct gg_bounds bounds;
    const char *program; /* "gangerd 0.1.0" */
    uint64_t epoch;

    const char *client_addresses[GG_ADDRESSES_MAX]; /* Where to listen. */
    int client_count;
    const char *agent_addresses[GG_ADDRESSES_MAX]; /* None: next to the clients'. */
    int agent_count;
    int client_fd; /* Listening socket of the service manager, or -1. */
    int agent_fd;
    const char *client_said; /* What welcome says instead of what was bound, or NULL. */
    const char *agent_said;

    const char *data; /* The data folder; NULL: jobs are kept in memory. */

    const char *server_key_file; /* NULL: no keys. */
    const char *keys_file;       /* Who may connect; needed with a server key. */

    uint64_t spin_us;             /* Longest wait by looking again before sleeping. */
    uint64_t connections_max;     /* In all. */
    uint64_t key_sessions_max;    /* Of one key. */
    uint64_t hello_within_ms;     /* Then a connection without hello is cut. */
    uint64_t backlog_bytes_max;   /* Of a peer that does not read. */
    uint64_t in_flight_bytes_max; /* Of attachments sent to a peer, unacknowledged. */
};

/* What was wrong, as one sentence that says what to try. */
struct gg_shell_fault {
    char text[512];
};

/* Bind, and make ready to serve. The store is taken over on success (*store_p becomes
 * NULL). Signals TERM, INT and HUP must have been blocked before the first thread.
 *   GG_ERR_CONFIG                     what was asked for cannot be used
 *   GG_ERR_SYSTEM, GG_ERR_NO_MEMORY   the machine refuses */
GG_MUST_USE enum gg_err gg_shell_open(const struct gg_shell_config *config,
                                      struct gg_store **store_p,
                                      struct gg_shell **out_shell,
                                      struct gg_shell_fault *out_fault);

/* The epoch under which it serves. */
uint64_t gg_shell_epoch(const struct gg_shell *shell);

/* Where it listens, as text; lent. */
const char *gg_shell_client_address(const struct gg_shell *shell);
const char *gg_shell_agent_address(const struct gg_shell *shell);

/* Serve until TERM or INT. GG_OK: ended in order, all is committed. GG_ERR_STORE: the
 * store failed, and nothing that was not durable has been shown. */
GG_MUST_USE enum gg_err gg_shell_run(struct gg_shell *shell);

/* Close the sockets, end the threads, free everything. *shell_p becomes NULL. */
void gg_shell_close(struct gg_shell **shell_p);

#endif
