/* session.c - sessions begin and end here; effects of the core are carried out. */
#include <string.h>
#include <sys/socket.h>

#include "broker/io/shell_state.h"
#include "common/assert.h"
#include "common/log.h"

/* ---- answers of the shell's own ---- */

static void write_reset(struct gg_shell *shell, enum gg_err err, const char *what)
{
    struct gg_reset reset = {
        .error = err,
        .text = gg_slice_text(what),
        .version_min = GG_PROTOCOL_VERSION,
        .version_max = GG_PROTOCOL_VERSION,
        .retry_ms = shell->config->bounds.retry_hint_ms,
    };
    gg_buf_clear(&shell->scratch);
    gg_command_write(&shell->scratch, GG_CMD_RESET, 0, &reset, NULL);
}

/* A message outside the outbox: nothing of it may be lost that matters. */
static void send_alone(struct gg_shell *shell, const struct gg_route *route,
                       const struct gg_header *header, struct gg_slice command)
{
    uint8_t frame[GG_PREFIX_BYTES + GG_TEXT_BYTES_MAX];
    if (command.len > GG_TEXT_BYTES_MAX) {
        return;
    }
    gg_prefix_write(header, 1, frame);
    memcpy(frame + GG_PREFIX_BYTES, command.data, command.len);
    (void)gg_router_send(&shell->routers[route->endpoint], route,
                         gg_slice_of(frame, GG_PREFIX_BYTES + command.len), NULL);
    shell->sent_alone++;
}

void gg_shell_reset(struct gg_shell *shell, const struct gg_route *route,
                    uint64_t session, enum gg_err err, const char *what)
{
    struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = GG_MESSAGE_RESET,
        .session = session,
        .sequence = 1,
    };
    gg_metrics_add(&shell->metrics, GG_METRIC_RESETS, 1);
    gg_metrics_refuse(&shell->metrics, err, what, shell->now.mono);
    write_reset(shell, err, what);
    send_alone(shell, route, &header, gg_buf_slice(&shell->scratch));
}

void gg_shell_refuse(struct gg_shell *shell, struct gg_peer *peer,
                     const struct gg_fault *fault)
{
    struct gg_error error = {
        .error = fault->err,
        .text = gg_slice_text(fault->what),
    };
    if (fault->field != NULL) {
        error.object = gg_slice_text(fault->field);
    }
    gg_metrics_refuse(&shell->metrics, fault->err, fault->what, shell->now.mono);
    gg_buf_clear(&shell->scratch);
    gg_command_write(&shell->scratch, GG_CMD_ERROR, fault->request, &error, NULL);
    gg_outbox_say(&shell->outbox, peer, gg_buf_slice(&shell->scratch));
}

/* ---- the end of a session ---- */

void gg_shell_kick(struct gg_shell *shell, int fd)
{
    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR); /* libzmq sees a closed connection. */
        gg_metrics_add(&shell->metrics, GG_METRIC_KICKED, 1);
    }
}

static void count_key(struct gg_shell *shell, const struct gg_peer *peer, bool more)
{
    if (shell->keys == NULL) {
        return;
    }
    struct gg_authorised_key *key = gg_keys_by_name(shell->keys,
                                                    gg_name_slice(&peer->user));
    if (key == NULL) {
        return;
    }
    if (more) {
        atomic_fetch_add(&key->sessions, 1);
    } else if (atomic_load(&key->sessions) > 0) {
        atomic_fetch_sub(&key->sessions, 1);
    }
}

/* Forget a session here; the core knows already. */
static void forget(struct gg_shell *shell, struct gg_peer *peer)
{
    count_key(shell, peer, false);
    gg_keys_unref(&peer->keys);
    gg_outbox_drop(&shell->outbox, peer);
    gg_peers_close(&shell->peers, peer);
    gg_metrics_add(&shell->metrics, GG_METRIC_SESSIONS_CLOSED, 1);
}

void gg_shell_end(struct gg_shell *shell, struct gg_peer *peer, bool bye)
{
    struct gg_event ev = {
        .type = GG_EV_CLOSED,
        .now = shell->now,
        .peer = peer->number,
        .bye = bye,
    };
    struct gg_keys *keys = peer->keys; /* The core may look at the grant once more. */
    peer->keys = NULL;
    forget(shell, peer);
    gg_shell_step(shell, &ev);
    gg_keys_unref(&keys);
}

/* ---- effects ---- */

/* Audit lines are always written. */
static void log_effect(struct gg_shell *shell, struct gg_slice text, bool always)
{
    static const char prefix[] = "event=";
    char event[64];
    if (text.len > sizeof prefix - 1 &&
        memcmp(text.data, prefix, sizeof prefix - 1) == 0) {
        text.data += sizeof prefix - 1;
        text.len -= sizeof prefix - 1;
    }
    const uint8_t *space = text.len == 0 ? NULL : memchr(text.data, ' ', text.len);
    size_t name_len = space == NULL ? text.len : (size_t)(space - text.data);
    gg_slice_copy(gg_slice_of(text.data, name_len), event, sizeof event);
    if (!always && !gg_metrics_may_log(&shell->metrics, event, shell->now.mono)) {
        return;
    }
    struct gg_slice rest = {0};
    if (space != NULL) {
        rest = gg_slice_of(space + 1, text.len - name_len - 1);
    }
    gg_log(GG_LOG_INFO, event, "%.*s", (int)rest.len,
           rest.len == 0 ? "" : (const char *)rest.data);
}

/* The core has forgotten the session already. */
static void carry_out_reset(struct gg_shell *shell, struct gg_peer *peer,
                            const struct gg_effect *effect)
{
    struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = GG_MESSAGE_RESET,
        .session = peer->session,
        .sequence = peer->written + 1,
        .acked = peer->heard,
    };
    gg_metrics_add(&shell->metrics, GG_METRIC_RESETS, 1);
    send_alone(shell, &peer->route, &header, gg_effect_bytes(&shell->fx, effect));
    forget(shell, peer);
}

static void carry_out(struct gg_shell *shell, const struct gg_effect *effect)
{
    struct gg_peer *peer = NULL;
    switch ((enum gg_effect_type)effect->type) {
    case GG_FX_WELCOME:
    case GG_FX_SEND:
        peer = gg_peers_at(&shell->peers, effect->peer);
        if (peer != NULL) {
            gg_outbox_add(&shell->outbox, peer, &shell->fx, effect);
        }
        return;
    case GG_FX_RESET:
        peer = gg_peers_at(&shell->peers, effect->peer);
        if (peer != NULL) {
            carry_out_reset(shell, peer, effect);
        }
        return;
    case GG_FX_PERSIST:
    case GG_FX_ERASE:
    case GG_FX_PERSIST_BLOB:
    case GG_FX_ERASE_BLOB:
    case GG_FX_LOAD:
        gg_shell_record(shell, effect);
        return;
    case GG_FX_BACKUP:
        gg_shell_backup(shell, effect);
        return;
    case GG_FX_LOG:
    case GG_FX_AUDIT:
        log_effect(shell, gg_effect_bytes(&shell->fx, effect),
                   effect->type == GG_FX_AUDIT);
        return;
    }
    GG_BUG("unknown effect");
}

void gg_shell_step(struct gg_shell *shell, const struct gg_event *ev)
{
    gg_effects_clear(&shell->fx);
    gg_core_step(shell->core, ev, &shell->fx);
    gg_shell_carry_out(shell);
}

void gg_shell_carry_out(struct gg_shell *shell)
{
    for (uint32_t i = 0; i < shell->fx.count && shell->failed == GG_OK; i++) {
        carry_out(shell, &shell->fx.items[i]);
    }
}

/* ---- the beginning of a session ---- */

/* Why a hello cannot open a session here, or GG_OK. */
static enum gg_err judge_hello(const struct gg_route *route,
                               const struct gg_header *header,
                               const struct gg_hello *hello, const char **out_what)
{
    if (header->session == 0 || header->sequence != 1 || header->acked != 0) {
        *out_what = "a hello has a session number and sequence 1";
        return GG_ERR_BAD_MESSAGE;
    }
    if (hello->version_min > GG_PROTOCOL_VERSION ||
        hello->version_max < GG_PROTOCOL_VERSION) {
        *out_what = "this broker speaks protocol version 1";
        return GG_ERR_VERSION;
    }
    if (route->endpoint == GG_ENDPOINT_AGENT && hello->kind != GG_PEER_AGENT) {
        *out_what = "this is the agents' endpoint; clients have their own";
        return GG_ERR_NOT_ALLOWED;
    }
    return GG_OK;
}

/* An agent that knows only the clients' endpoint learns its own from the welcome; no
 * session comes of it. */
static void point_agent_elsewhere(struct gg_shell *shell, const struct gg_route *route,
                                  const struct gg_header *header, uint8_t roles)
{
    const struct gg_bounds *bounds = &shell->config->bounds;
    struct gg_welcome welcome = {
        .version = GG_PROTOCOL_VERSION,
        .epoch = shell->epoch,
        .program = gg_slice_text(shell->about.program),
        .heartbeat_ms = bounds->heartbeat_ms,
        .dead_after_ms = bounds->dead_after_ms,
        .lease_ms = bounds->lease_ms,
        .frame_bytes_max = shell->about.frame_bytes_max,
        .payload_bytes_max = bounds->payload_bytes_max,
        .result_bytes_max = bounds->result_bytes_max,
        .inline_bytes_max = GG_INLINE_BYTES_MAX,
        .requests_max = 1,
        .now_at = (uint64_t)shell->now.wall.ms,
        .durability = bounds->durable ? GG_DURABILITY_FSYNC : GG_DURABILITY_NONE,
        .roles = roles,
        .id_window_ms = bounds->id_window_ms,
        .client_endpoint = gg_slice_text(shell->about.client_endpoint),
        .agent_endpoint = gg_slice_text(shell->about.agent_endpoint),
        .grace_ms = bounds->grace_ms,
    };
    struct gg_header answer = {
        .version = GG_PROTOCOL_VERSION,
        .type = GG_MESSAGE_WELCOME,
        .session = header->session,
        .sequence = 1,
        .acked = 1,
    };
    gg_buf_clear(&shell->scratch);
    gg_command_write(&shell->scratch, GG_CMD_WELCOME, 0, &welcome, NULL);
    send_alone(shell, route, &answer, gg_buf_slice(&shell->scratch));
}

/* The entry of the key that the handshake proved, if it is still good. */
static struct gg_authorised_key *current_key(const struct gg_shell *shell,
                                             const char *user, const char *key)
{
    struct gg_authorised_key *entry = gg_keys_by_name(shell->keys, gg_slice_text(user));
    return entry != NULL && key != NULL && strcmp(key, entry->text) == 0 ? entry : NULL;
}

static enum gg_err open_session(struct gg_shell *shell, const struct gg_route *route,
                                int fd, const struct gg_header *header,
                                struct gg_authorised_key *key, const char *user,
                                struct gg_peer **out_peer)
{
    struct gg_peer *peer = gg_peers_find(&shell->peers, route);
    if (peer != NULL) {
        gg_shell_end(shell, peer, false);
    }
    enum gg_err err = gg_peers_open(&shell->peers, route, header->session,
                                    shell->now.mono, &peer);
    if (err != GG_OK) {
        return err;
    }
    peer->grant = &shell->everyone;
    if (key != NULL) {
        peer->keys = gg_keys_ref(shell->keys);
        peer->key = key;
        peer->grant = &key->grant;
    }
    gg_name_set(&peer->user, gg_slice_text(user));
    count_key(shell, peer, true);
    if (gg_connections_greet(&shell->connections, route->endpoint, fd, peer)) {
        peer->fd = fd;
    }
    gg_metrics_add(&shell->metrics, GG_METRIC_SESSIONS_OPENED, 1);
    *out_peer = peer;
    return GG_OK;
}

void gg_shell_hello(struct gg_shell *shell, const struct gg_route *route, int fd,
                    const struct gg_header *header, const struct gg_command *command,
                    const char *user, const char *key)
{
    const struct gg_hello *hello = &command->as.hello;
    const char *what = NULL;
    enum gg_err err = judge_hello(route, header, hello, &what);
    if (err != GG_OK) {
        gg_shell_reset(shell, route, header->session, err, what);
        return;
    }
    struct gg_peer *before = gg_peers_find(&shell->peers, route);
    if (before != NULL && before->session == header->session) {
        /* The same hello again: what it says may be older than what came since. */
        gg_shell_end(shell, before, false);
        gg_shell_reset(shell, route, header->session, GG_ERR_NO_SESSION,
                       "that session number has been used");
        return;
    }
    struct gg_authorised_key *entry = NULL;
    if (shell->keys != NULL) {
        entry = current_key(shell, user, key);
        if (entry == NULL) {
            gg_shell_reset(shell, route, header->session, GG_ERR_NOT_ALLOWED,
                           "the key has been revoked or changed");
            gg_shell_kick(shell, fd);
            return;
        }
        if (atomic_load(&entry->sessions) >= shell->config->key_sessions_max) {
            gg_shell_reset(shell, route, header->session, GG_ERR_TOO_MANY,
                           "too many sessions of this key");
            return;
        }
    }
    if (route->endpoint == GG_ENDPOINT_CLIENT && hello->kind == GG_PEER_AGENT) {
        point_agent_elsewhere(shell, route, header,
                              entry == NULL ? GG_ROLE_ALL : entry->grant.roles);
        return;
    }
    struct gg_peer *peer = NULL;
    err = open_session(shell, route, fd, header, entry, user, &peer);
    if (err != GG_OK) {
        gg_shell_reset(shell, route, header->session, err, gg_err_text(err));
        return;
    }
    gg_peers_greet(&shell->peers, peer, hello->kind == GG_PEER_AGENT);
    struct gg_event ev = {
        .type = GG_EV_HELLO,
        .now = shell->now,
        .peer = peer->number,
        .grant = peer->grant,
        .command = command,
    };
    gg_shell_step(shell, &ev);
}
