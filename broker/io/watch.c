/* watch.c - what does not come from peers' messages: connections, silence, key files.
 */
#include <string.h>

#include "broker/io/shell_state.h"
#include "common/log.h"

static void on_accepted(struct gg_shell *shell, enum gg_endpoint endpoint, int fd)
{
    gg_metrics_add(&shell->metrics, GG_METRIC_CONNECTIONS_OPENED, 1);
    if (!gg_connections_opened(&shell->connections, endpoint, fd, shell->now.mono) ||
        shell->connections.count > shell->connections_max) {
        gg_metrics_refuse(&shell->metrics, GG_ERR_TOO_MANY, "too many connections",
                          shell->now.mono);
        gg_shell_kick(shell, fd);
    }
}

/* The event may come before the last messages are read: the session is closed once its
 * endpoint has been drained. */
static void on_disconnected(struct gg_shell *shell, enum gg_endpoint endpoint, int fd)
{
    const struct gg_connection *connection = gg_connections_closed(&shell->connections,
                                                                   endpoint, fd);
    if (connection == NULL || connection->serial == 0) {
        return;
    }
    struct gg_peer *peer = gg_peers_at(&shell->peers, connection->peer);
    if (peer != NULL && peer->serial == connection->serial) {
        peer->fd = -1;
        peer->left_at = shell->now.mono;
        shell->drained[endpoint] = false;
        gg_list_remove(&peer->leaving);
        gg_list_push_back(&shell->leaving, &peer->leaving);
    }
}

void gg_shell_monitors(struct gg_shell *shell)
{
    shell->monitors_quiet = true;
    for (int i = 0; i < GG_ENDPOINT_COUNT; i++) {
        struct gg_socket_event event;
        while (gg_router_event(&shell->routers[i], &event)) {
            if (event.accepted) {
                on_accepted(shell, (enum gg_endpoint)i, event.fd);
            } else {
                on_disconnected(shell, (enum gg_endpoint)i, event.fd);
            }
        }
    }
    gg_auth_set_connections(shell->auth, shell->connections.count);
}

/* ---- each second ---- */

static struct gg_mono ago(const struct gg_shell *shell, uint64_t ms)
{
    return (struct gg_mono){shell->now.mono.ms - (int64_t)ms};
}

static void cut_mute_connections(struct gg_shell *shell)
{
    const struct gg_connection *mute = NULL;
    while ((mute = gg_connections_mute(&shell->connections,
                                       ago(shell, shell->config->hello_within_ms))) !=
           NULL) {
        gg_shell_kick(shell, mute->fd);
    }
}

static void close_silent_clients(struct gg_shell *shell)
{
    uint64_t limit_ms = shell->config->bounds.client_dead_after_ms;
    struct gg_peer *peer = NULL;
    while (shell->failed == GG_OK &&
           (peer = gg_peers_silent(&shell->peers, ago(shell, limit_ms))) != NULL) {
        gg_shell_end(shell, peer, false);
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Sessions whose key is gone or has other rights now end, and their connections. */
static void apply_keys(struct gg_shell *shell)
{
    uint32_t cut = 0;
    for (uint32_t i = 0; i < shell->peers.count && shell->failed == GG_OK; i++) {
        struct gg_peer *peer = gg_peers_at(&shell->peers, i);
        if (peer == NULL || peer->key == NULL) {
            continue;
        }
        struct gg_authorised_key *entry = gg_keys_by_name(shell->keys,
                                                          gg_name_slice(&peer->user));
        if (entry != NULL && gg_authorised_same(entry, peer->key)) {
            atomic_fetch_add(&entry->sessions, 1);
            continue;
        }
        int fd = peer->fd;
        gg_log(GG_LOG_INFO, "session_cut", "user=%s why=\"key revoked or changed\"",
               peer->user.text);
        if (entry != NULL) {
            atomic_fetch_add(&entry->sessions, 1); /* Taken off again by the end. */
        }
        gg_shell_end(shell, peer, false);
        gg_shell_kick(shell, fd);
        cut++;
    }
    gg_log(GG_LOG_INFO, "keys_loaded", "keys=%u sessions_cut=%u", shell->keys->count,
           cut);
}

void gg_shell_reload_keys(struct gg_shell *shell, bool asked)
{
    struct stat st;
    const char *path = shell->config->keys_file;
    if (shell->keys == NULL) {
        return;
    }
    if (stat(path, &st) != 0) {
        memset(&st, 0, sizeof st); /* Gone: said once, the old table stays. */
    }
    if (!asked && same_file(&st, &shell->keys_stat)) {
        return;
    }
    shell->keys_stat = st;
    struct gg_keys *keys = NULL;
    struct gg_keys_fault fault;
    if (gg_keys_load(path, &keys, &fault) != GG_OK) {
        gg_log(GG_LOG_ERROR, "keys_refused", "what=\"%s\" now=\"the old keys hold\"",
               fault.text);
        return;
    }
    gg_auth_swap(shell->auth, keys);
    gg_keys_unref(&shell->keys);
    shell->keys = keys;
    gg_metrics_add(&shell->metrics, GG_METRIC_KEYS_LOADED, 1);
    apply_keys(shell);
}

void gg_shell_housekeeping(struct gg_shell *shell)
{
    cut_mute_connections(shell);
    close_silent_clients(shell);
    gg_shell_reload_keys(shell, false);
}
