/* start.c - how the shell comes up and goes down. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <sodium/utils.h>

#include "broker/io/shell_state.h"
#include "common/rng.h"

enum {
    FRAME_OVERHEAD_BYTES = 65536,
    OWN_DESCRIPTORS = 64, /* What the broker needs beside its connections. */
    SCRATCH_BYTES_MAX = 1 << 16,
    LINGER_MS = 500, /* What has been sent may leave; a stuck peer does not hold us. */
};

static enum gg_err fault(struct gg_shell_fault *out, enum gg_err err, const char *what)
{
    (void)snprintf(out->text, sizeof out->text, "%s", what);
    return err;
}

/* ---- the shell's figures, for the core's statistics ---- */

static uint32_t write_stats(void *ctx, struct gg_buf *out)
{
    struct gg_shell *shell = ctx;
    struct gg_metrics *metrics = &shell->metrics;
    uint64_t admitted = 0;
    uint64_t refused = 0;
    gg_auth_counts(shell->auth, &admitted, &refused);
    gg_metrics_set(metrics, GG_METRIC_ADMITTED, admitted);
    gg_metrics_set(metrics, GG_METRIC_TURNED_AWAY, refused);
    gg_metrics_set(metrics, GG_METRIC_CONNECTIONS, shell->connections.count);
    gg_metrics_set(metrics, GG_METRIC_SESSIONS, shell->peers.open_count);
    gg_metrics_set(metrics, GG_METRIC_STUCK, shell->outbox.stuck_count);
    gg_metrics_set(metrics, GG_METRIC_HELD, shell->outbox.held_count);
    gg_metrics_set(metrics, GG_METRIC_HELD_BYTES, shell->outbox.held_bytes);
    gg_metrics_set(metrics, GG_METRIC_MESSAGES_OUT,
                   shell->outbox.sent_messages + shell->sent_alone);
    gg_metrics_set(metrics, GG_METRIC_BYTES_OUT, shell->outbox.sent_bytes);
    gg_metrics_set(metrics, GG_METRIC_DROPPED, shell->fx.dropped);
    return gg_metrics_write(metrics, out);
}

/* ---- before the sockets ---- */

/* One descriptor a connection: never accept so many that none is left, or libzmq's
 * thread spins on accept. */
static uint32_t connections_within_limits(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return (uint32_t)wanted;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur <= OWN_DESCRIPTORS) {
        return 1;
    }
    uint64_t most = limit.rlim_cur - OWN_DESCRIPTORS;
    return (uint32_t)(wanted < most ? wanted : most);
}

/* The first address for which `judge` is false, or NULL. */
static const char *first_not(const struct gg_shell_config *config,
                             bool (*judge)(const char *address))
{
    for (int i = 0; i < config->client_count; i++) {
        if (!judge(config->client_addresses[i])) {
            return config->client_addresses[i];
        }
    }
    for (int i = 0; i < config->agent_count; i++) {
        if (!judge(config->agent_addresses[i])) {
            return config->agent_addresses[i];
        }
    }
    return NULL;
}

/* No keys beyond this machine is refused; keys without a list of them, too. */
static enum gg_err load_keys(struct gg_shell *shell, char secret[GG_KEY_TEXT_BYTES],
                             struct gg_shell_fault *out_fault)
{
    const struct gg_shell_config *config = shell->config;
    struct gg_keys_fault keys_fault;
    const char *far = first_not(config, gg_address_local);
    const char *bad = first_not(config, gg_address_valid);
    if (bad != NULL) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "'%.100s' is not an address; write it like "
                       "tcp://127.0.0.1:7440 or ipc:///run/ganger/broker",
                       bad);
        return GG_ERR_CONFIG;
    }
    if (config->server_key_file == NULL) {
        if (config->keys_file != NULL) {
            return fault(out_fault, GG_ERR_CONFIG,
                         "keys_file is set without server_key_file; make a key with "
                         "'ganger key new' and set both");
        }
        if (far == NULL) {
            return GG_OK;
        }
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.100s is reachable from other machines, and no keys are set; "
                       "make one with 'ganger key new' and set server_key_file and "
                       "keys_file, or listen on 127.0.0.1",
                       far);
        return GG_ERR_CONFIG;
    }
    if (config->keys_file == NULL) {
        return fault(out_fault, GG_ERR_CONFIG,
                     "server_key_file is set without keys_file: nobody could connect; "
                     "write one with 'ganger key allow' and set keys_file");
    }
    if (gg_server_key_load(config->server_key_file, secret, &keys_fault) != GG_OK) {
        return fault(out_fault, GG_ERR_CONFIG, keys_fault.text);
    }
    (void)stat(config->keys_file, &shell->keys_stat);
    if (gg_keys_load(config->keys_file, &shell->keys, &keys_fault) != GG_OK) {
        return fault(out_fault, GG_ERR_CONFIG, keys_fault.text);
    }
    gg_metrics_add(&shell->metrics, GG_METRIC_KEYS_LOADED, 1);
    return GG_OK;
}

/* ---- the sockets ---- */

/* A socket handed over by the service manager listens where that one was told to. */
static enum gg_err check_handed_over(const struct gg_shell *shell,
                                     const struct gg_router *router, int fd,
                                     struct gg_fault_text *out_fault)
{
    if (fd < 0 || shell->keys != NULL || gg_address_local(router->address)) {
        return GG_OK;
    }
    (void)snprintf(out_fault->text, sizeof out_fault->text,
                   "the service manager's socket at %.100s is reachable from other "
                   "machines, and no keys are set; set server_key_file and keys_file, "
                   "or let it listen on 127.0.0.1",
                   router->address);
    return GG_ERR_CONFIG;
}

static enum gg_err bind_list(const struct gg_shell *shell, struct gg_router *router,
                             const char *const *addresses, int count, int fd,
                             struct gg_fault_text *out_fault)
{
    enum gg_err err = GG_OK;
    for (int i = 0; i < count && err == GG_OK; i++) {
        int handed_over = i == 0 ? fd : -1;
        err = gg_router_bind(router, addresses[i], handed_over, out_fault);
        if (err == GG_OK) {
            err = check_handed_over(shell, router, handed_over, out_fault);
        }
    }
    return err;
}

static enum gg_err bind_all(struct gg_shell *shell, struct gg_fault_text *out_fault)
{
    const struct gg_shell_config *config = shell->config;
    struct gg_router *agents = &shell->routers[GG_ENDPOINT_AGENT];
    enum gg_err err = bind_list(shell, &shell->routers[GG_ENDPOINT_CLIENT],
                                config->client_addresses, config->client_count,
                                config->client_fd, out_fault);
    if (err != GG_OK) {
        return err;
    }
    if (config->agent_count > 0) {
        return bind_list(shell, agents, config->agent_addresses, config->agent_count,
                         config->agent_fd, out_fault);
    }
    char next[GG_ADDRESS_BYTES];
    if (!gg_address_next(config->client_addresses[0], next)) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "%.100s has no next port for agents; give one with "
                       "--agent-listen",
                       config->client_addresses[0]);
        return GG_ERR_CONFIG;
    }
    const char *address = next;
    return bind_list(shell, agents, &address, 1, config->agent_fd, out_fault);
}

static enum gg_err open_sockets(struct gg_shell *shell, const char *secret,
                                struct gg_fault_text *out_fault)
{
    struct gg_auth_config auth = {
        .context = shell->context,
        .keys = shell->keys,
        .connections_max = shell->connections_max,
        .key_sessions_max = (uint32_t)shell->config->key_sessions_max,
    };
    enum gg_err err = gg_auth_start(&auth, &shell->auth);
    if (err != GG_OK) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       "the thread that checks keys cannot start");
        return err;
    }
    struct gg_router_config router = {
        .endpoint = GG_ENDPOINT_CLIENT,
        .domain = GG_DOMAIN_CLIENT,
        .secret = shell->keys == NULL ? NULL : secret,
        .frame_bytes_max = shell->about.frame_bytes_max,
    };
    err = gg_router_open(shell->context, &router, &shell->routers[GG_ENDPOINT_CLIENT],
                         out_fault);
    if (err == GG_OK) {
        router.endpoint = GG_ENDPOINT_AGENT;
        router.domain = GG_DOMAIN_AGENT;
        err = gg_router_open(shell->context, &router,
                             &shell->routers[GG_ENDPOINT_AGENT], out_fault);
    }
    return err == GG_OK ? bind_all(shell, out_fault) : err;
}

/* ---- the core ---- */

static int open_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static enum gg_sent send_message(void *ctx, const struct gg_route *route,
                                 struct gg_slice frame, struct gg_blob *attachment)
{
    struct gg_shell *shell = ctx;
    return gg_router_send(&shell->routers[route->endpoint], route, frame, attachment);
}

static void describe(struct gg_shell *shell)
{
    const struct gg_shell_config *config = shell->config;
    const struct gg_bounds *bounds = &config->bounds;
    uint64_t largest = bounds->payload_bytes_max > bounds->result_bytes_max
                           ? bounds->payload_bytes_max
                           : bounds->result_bytes_max;
    shell->about = (struct gg_core_about){
        .program = config->program,
        .store = shell->store == NULL ? "" : shell->store->ops->name,
        .store_path = config->data == NULL ? "" : config->data,
        .pid = (uint64_t)getpid(),
        .frame_bytes_max = largest + FRAME_OVERHEAD_BYTES,
        .curve = config->server_key_file != NULL,
        .started = shell->now,
    };
}

static enum gg_err start_core(struct gg_shell *shell)
{
    const struct gg_shell_config *config = shell->config;
    shell->about.client_endpoint = config->client_said != NULL
                                       ? config->client_said
                                       : shell->routers[GG_ENDPOINT_CLIENT].address;
    shell->about.agent_endpoint = config->agent_said != NULL
                                      ? config->agent_said
                                      : shell->routers[GG_ENDPOINT_AGENT].address;
    struct gg_rng rng;
    gg_rng_seed(&rng);
    gg_peers_init(&shell->peers, shell->connections_max, gg_rng_next(&rng));
    gg_outbox_init(&shell->outbox, &shell->peers, send_message, shell);
    shell->outbox.backlog_bytes_max = config->backlog_bytes_max;
    shell->outbox.in_flight_bytes_max = config->in_flight_bytes_max;
    shell->core = gg_core_new(&config->bounds, &shell->about, shell->epoch,
                              gg_rng_next(&rng));
    if (shell->core == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    gg_core_set_stats(shell->core, write_stats, shell);
    gg_core_set_store(shell->core, gg_shell_store_status, shell);
    return GG_OK;
}

/* ---- up ---- */

static struct gg_shell *new_shell(const struct gg_shell_config *config)
{
    struct gg_shell *shell = calloc(1, sizeof *shell);
    if (shell == NULL) {
        return NULL;
    }
    shell->config = config;
    shell->epoch = config->epoch;
    shell->now = gg_now();
    shell->signal_fd = -1;
    shell->wake_fd = -1;
    shell->connections_max = connections_within_limits(config->connections_max);
    gg_list_init(&shell->leaving);
    gg_list_init(&shell->outbox.flushing);
    gg_list_init(&shell->outbox.pool);
    gg_connections_init(&shell->connections);
    gg_effects_init(&shell->fx);
    gg_buf_init(&shell->scratch, SCRATCH_BYTES_MAX);
    gg_grant_all(&shell->everyone, GG_USER_LOCAL);
    (void)zmq_msg_init(&shell->route);
    (void)zmq_msg_init(&shell->frame);
    (void)zmq_msg_init(&shell->attachment);
    return shell;
}

static enum gg_err bring_up(struct gg_shell *shell, struct gg_shell_fault *out_fault)
{
    char secret[GG_KEY_TEXT_BYTES] = "";
    struct gg_fault_text socket_fault = {.text = ""};
    enum gg_err err = load_keys(shell, secret, out_fault);
    if (err != GG_OK) {
        return err;
    }
    shell->signal_fd = open_signals();
    shell->context = gg_context_new();
    if (shell->signal_fd < 0 || shell->context == NULL) {
        err = fault(out_fault, GG_ERR_SYSTEM,
                    "the system refuses a descriptor or a socket context");
    } else {
        err = open_sockets(shell, secret, &socket_fault);
        if (err != GG_OK) {
            (void)fault(out_fault, err, socket_fault.text);
        }
    }
    sodium_memzero(secret, sizeof secret);
    return err;
}

enum gg_err gg_shell_open(const struct gg_shell_config *config,
                          struct gg_store **store_p, struct gg_shell **out_shell,
                          struct gg_shell_fault *out_fault)
{
    out_fault->text[0] = '\0';
    struct gg_shell *shell = new_shell(config);
    if (shell == NULL) {
        return fault(out_fault, GG_ERR_NO_MEMORY, "no memory");
    }
    shell->store = *store_p; /* Only lent until all has gone well. */
    describe(shell);
    enum gg_err err = bring_up(shell, out_fault);
    if (err == GG_OK) {
        err = start_core(shell);
        if (err != GG_OK) {
            (void)fault(out_fault, err, "no memory for the registry");
        }
    }
    if (err == GG_OK) {
        err = gg_shell_recover(shell, out_fault);
    }
    if (err == GG_OK && !gg_shell_watch(shell)) {
        err = fault(out_fault, GG_ERR_SYSTEM, "the system refuses a descriptor");
    }
    if (err != GG_OK) {
        shell->store = NULL;
        gg_shell_close(&shell);
        return err;
    }
    *store_p = NULL;
    *out_shell = shell;
    return GG_OK;
}

uint64_t gg_shell_epoch(const struct gg_shell *shell)
{
    return shell->epoch;
}

const char *gg_shell_client_address(const struct gg_shell *shell)
{
    return shell->routers[GG_ENDPOINT_CLIENT].address;
}

const char *gg_shell_agent_address(const struct gg_shell *shell)
{
    return shell->routers[GG_ENDPOINT_AGENT].address;
}

/* ---- down ---- */

static void close_peers(struct gg_shell *shell)
{
    for (uint32_t i = 0; i < shell->peers.count; i++) {
        struct gg_peer *peer = gg_peers_at(&shell->peers, i);
        if (peer != NULL) {
            gg_keys_unref(&peer->keys);
            gg_outbox_drop(&shell->outbox, peer);
            gg_peers_close(&shell->peers, peer);
        }
    }
}

void gg_shell_close(struct gg_shell **shell_p)
{
    struct gg_shell *shell = *shell_p;
    *shell_p = NULL;
    if (shell == NULL) {
        return;
    }
    for (int i = 0; i < GG_ENDPOINT_COUNT; i++) {
        gg_router_close(&shell->routers[i], LINGER_MS);
    }
    gg_auth_stop(&shell->auth);
    gg_core_destroy(&shell->core);
    close_peers(shell);
    gg_outbox_fini(&shell->outbox);
    gg_peers_fini(&shell->peers);
    gg_connections_fini(&shell->connections);
    gg_effects_fini(&shell->fx);
    gg_buf_fini(&shell->scratch);
    gg_keys_unref(&shell->keys);
    gg_store_close(&shell->store);
    (void)zmq_msg_close(&shell->route);
    (void)zmq_msg_close(&shell->frame);
    (void)zmq_msg_close(&shell->attachment);
    if (shell->context != NULL) {
        (void)zmq_ctx_term(shell->context);
    }
    if (shell->signal_fd >= 0) {
        (void)close(shell->signal_fd);
    }
    if (shell->wake_fd >= 0) {
        (void)close(shell->wake_fd);
    }
    free(shell);
}
