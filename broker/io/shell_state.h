/* shell_state.h - what the files of the shell share. Not for others. */
#ifndef GG_BROKER_IO_SHELL_STATE_H
#define GG_BROKER_IO_SHELL_STATE_H

#include <sys/stat.h>

#include <zmq.h>

#include "broker/core/core.h"
#include "broker/io/auth.h"
#include "broker/io/connections.h"
#include "broker/io/keys.h"
#include "broker/io/metrics.h"
#include "broker/io/outbox.h"
#include "broker/io/peers.h"
#include "broker/io/shell.h"
#include "broker/io/sockets.h"
#include "common/spin.h"

struct gg_shell {
    const struct gg_shell_config *config;
    struct gg_core *core;
    struct gg_core_about about;
    struct gg_effects fx;
    struct gg_store *store;
    uint64_t epoch;

    struct gg_peers peers;
    struct gg_connections connections;
    struct gg_outbox outbox;
    struct gg_metrics metrics;
    struct gg_link leaving; /* Peers whose connection is closed, until all is read. */

    struct gg_grant everyone; /* Of everybody where no keys are required. */
    struct gg_auth *auth;
    struct gg_keys *keys; /* The table of today; NULL: no keys are required. */
    struct stat keys_stat;
    uint32_t connections_max;

    void *context;
    struct gg_router routers[GG_ENDPOINT_COUNT];
    bool drained[GG_ENDPOINT_COUNT]; /* Nothing is known to wait there. */
    bool monitors_quiet;             /* The same of all monitors. */
    int signal_fd;
    int wake_fd; /* epoll: of all that the loop sleeps on. */

    zmq_msg_t route;
    zmq_msg_t frame;
    zmq_msg_t attachment;
    struct gg_blob *holder; /* Of a large attachment, in its place. */
    struct gg_buf scratch;  /* Commands of our own. */

    struct gg_now now; /* Of this pass. */
    struct gg_mono housekeeping_at;
    uint64_t sent_alone; /* Messages outside the outbox. */
    struct gg_spin spin;
    uint32_t looks; /* In a row that took the place of a full wait. */
    bool uncommitted;
    enum gg_store_space space; /* As the core was told. */
    uint64_t backup_token;     /* Of a backup still to be begun; 0: none. */
    char backup_path[4097];
    bool closing;
    enum gg_err failed; /* The store is gone, or memory: end. */
};

/* shell.c: make wake_fd, once all is open that the loop sleeps on. */
GG_MUST_USE bool gg_shell_watch(struct gg_shell *shell);

/* inbound.c: read at most `budget` messages of an endpoint. */
void gg_shell_drain(struct gg_shell *shell, enum gg_endpoint endpoint, int budget);

/* session.c */

/* Let the core decide, and carry out what it asks for. */
void gg_shell_step(struct gg_shell *shell, const struct gg_event *ev);

/* Carry out the effects that the core has left in shell->fx. */
void gg_shell_carry_out(struct gg_shell *shell);

/* End a session and tell the core. */
void gg_shell_end(struct gg_shell *shell, struct gg_peer *peer, bool bye);

/* Cut a connection; harmless where the descriptor is another thing by now. */
void gg_shell_kick(struct gg_shell *shell, int fd);

/* Answer with reset; no session is needed for it. */
void gg_shell_reset(struct gg_shell *shell, const struct gg_route *route,
                    uint64_t session, enum gg_err err, const char *what);

/* Answer with error inside a session. */
void gg_shell_refuse(struct gg_shell *shell, struct gg_peer *peer,
                     const struct gg_fault *fault);

/* Answer a hello; the message's one command has been read. `user` and `key` are what
 * the handshake proved; `key` is NULL where no keys are required. */
void gg_shell_hello(struct gg_shell *shell, const struct gg_route *route, int fd,
                    const struct gg_header *header, const struct gg_command *command,
                    const char *user, const char *key);

/* disk.c: the store. */
GG_MUST_USE enum gg_err gg_shell_recover(struct gg_shell *shell,
                                         struct gg_shell_fault *out_fault);
void gg_shell_record(struct gg_shell *shell, const struct gg_effect *effect);
void gg_shell_backup(struct gg_shell *shell, const struct gg_effect *effect);
void gg_shell_ask_store(struct gg_shell *shell);
void gg_shell_store_status(void *ctx, struct gg_broker_info *out);

/* watch.c: what comes from beside the peers. */
void gg_shell_monitors(struct gg_shell *shell);
void gg_shell_housekeeping(struct gg_shell *shell);
void gg_shell_reload_keys(struct gg_shell *shell, bool asked);

#endif
