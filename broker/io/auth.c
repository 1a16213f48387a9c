#include "broker/io/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "common/clock.h"
#include "common/log.h"

enum { FRAMES = 7, FRAME_BYTES = 256, LOG_EVERY_MS = 1000 };

static const char zap_endpoint[] = "inproc://zeromq.zap.01";
static const char stop_endpoint[] = "inproc://ganger.auth.stop";

struct gg_auth {
    pthread_t thread;
    void *requests; /* REP, of the thread once it runs. */
    void *stopped;  /* PAIR, of the thread. */
    void *stopper;  /* PAIR, of the owner. */

    pthread_mutex_t lock; /* Of `keys`. */
    struct gg_keys *keys;
    bool keys_required;

    _Atomic uint32_t connections;
    uint32_t connections_max;
    uint32_t key_sessions_max;
    _Atomic uint64_t admitted;
    _Atomic uint64_t refused;
    int64_t logged_at_ms;
};

/* One frame of a request; longer ones are cut, and then fit nothing that is known. */
struct frame {
    size_t len;
    uint8_t bytes[FRAME_BYTES];
};

/* RFC 27: version, request id, domain, address, identity, mechanism, credentials. */
struct request {
    struct frame frames[FRAMES];
    int count;
};

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

struct verdict {
    const char *status;
    const char *text;
    const char *user;
    char key[GG_KEY_TEXT_BYTES]; /* Empty: none. */
};

static bool frame_is(const struct frame *frame, const char *text)
{
    return frame->len == strlen(text) && memcmp(frame->bytes, text, frame->len) == 0;
}

static struct verdict refuse(const char *status, const char *text)
{
    return (struct verdict){.status = status, .text = text, .user = ""};
}

/* `keys` is held by the caller; the user's name is copied into `name`. */
static struct verdict judge_key(const struct gg_auth *auth, const struct gg_keys *keys,
                                const struct request *request,
                                char name[GG_NAME_BYTES_MAX + 1])
{
    const struct frame *credentials = &request->frames[CREDENTIALS];
    if (request->count != FRAMES || credentials->len != GG_KEY_PUBLIC_BYTES) {
        return refuse("400", "no key");
    }
    const struct gg_authorised_key *entry = gg_keys_by_public(keys, credentials->bytes);
    if (entry == NULL) {
        return refuse("400", "unknown key");
    }
    if (frame_is(&request->frames[DOMAIN], GG_DOMAIN_AGENT) &&
        (entry->grant.roles & GG_ROLE_WORK) == 0) {
        return refuse("400", "the key lacks the role work");
    }
    if (atomic_load(&entry->sessions) >= auth->key_sessions_max) {
        return refuse("300", "too many sessions of this key");
    }
    memcpy(name, entry->grant.name.text, GG_NAME_BYTES_MAX + 1);
    struct verdict verdict = {.status = "200", .text = "OK", .user = name};
    memcpy(verdict.key, entry->text, sizeof verdict.key);
    return verdict;
}

static struct verdict judge(const struct gg_auth *auth, const struct gg_keys *keys,
                            const struct request *request,
                            char name[GG_NAME_BYTES_MAX + 1])
{
    const struct frame *frames = request->frames;
    if (request->count < MECHANISM + 1 || !frame_is(&frames[VERSION], "1.0")) {
        return refuse("500", "not a request of ZAP 1.0");
    }
    if (!frame_is(&frames[DOMAIN], GG_DOMAIN_CLIENT) &&
        !frame_is(&frames[DOMAIN], GG_DOMAIN_AGENT)) {
        return refuse("400", "unknown domain");
    }
    if (atomic_load(&auth->connections) > auth->connections_max) {
        return refuse("300", "too many connections");
    }
    if (auth->keys_required) {
        return frame_is(&frames[MECHANISM], "CURVE")
                   ? judge_key(auth, keys, request, name)
                   : refuse("400", "a key is required");
    }
    if (!frame_is(&frames[MECHANISM], "NULL")) {
        return refuse("400", "no keys are used here");
    }
    return (struct verdict){.status = "200", .text = "OK", .user = GG_USER_LOCAL};
}

/* Read one request whole; frames beyond those known are thrown away. */
static bool receive(void *socket, struct request *request)
{
    int more = 1;
    size_t size = sizeof more;
    request->count = 0;
    while (more != 0) {
        struct frame spare;
        struct frame *frame = request->count < FRAMES ? &request->frames[request->count]
                                                      : &spare;
        int len = zmq_recv(socket, frame->bytes, FRAME_BYTES, ZMQ_DONTWAIT);
        if (len < 0) {
            return false;
        }
        frame->len = (size_t)len;
        request->count += request->count <= FRAMES;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0) {
            return false;
        }
    }
    return true;
}

static void send_text(void *socket, const char *text, int flags)
{
    (void)zmq_send(socket, text, strlen(text), flags);
}

/* ZMTP metadata: length of the name, name, length of the value (32 bits), value. */
static size_t write_property(uint8_t *out, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    size_t value_len = strlen(value);
    uint8_t *at = out;
    *at++ = (uint8_t)name_len;
    memcpy(at, name, name_len);
    at += name_len;
    memset(at, 0, 3);
    at[3] = (uint8_t)value_len;
    at += 4;
    memcpy(at, value, value_len);
    return (size_t)(at - out) + value_len;
}

static void answer(void *socket, const struct request *request,
                   const struct verdict *verdict)
{
    uint8_t metadata[128];
    size_t metadata_len = 0;
    if (verdict->key[0] != '\0') {
        metadata_len = write_property(metadata, GG_PROPERTY_KEY, verdict->key);
    }
    const struct frame *id = &request->frames[REQUEST_ID];
    size_t id_len = request->count > REQUEST_ID && id->len <= FRAME_BYTES ? id->len : 0;
    send_text(socket, "1.0", ZMQ_SNDMORE);
    (void)zmq_send(socket, id->bytes, id_len, ZMQ_SNDMORE);
    send_text(socket, verdict->status, ZMQ_SNDMORE);
    send_text(socket, verdict->text, ZMQ_SNDMORE);
    send_text(socket, verdict->user, ZMQ_SNDMORE);
    (void)zmq_send(socket, metadata, metadata_len, 0);
}

static void note(struct gg_auth *auth, const struct request *request,
                 const struct verdict *verdict)
{
    if (verdict->status[0] == '2') {
        atomic_fetch_add(&auth->admitted, 1);
        return;
    }
    atomic_fetch_add(&auth->refused, 1);
    int64_t now_ms = gg_mono_now().ms;
    if (auth->logged_at_ms != 0 && now_ms - auth->logged_at_ms < LOG_EVERY_MS) {
        return;
    }
    auth->logged_at_ms = now_ms;
    char address[64] = "";
    if (request->count > ADDRESS) {
        const struct frame *frame = &request->frames[ADDRESS];
        size_t len = frame->len < FRAME_BYTES ? frame->len : FRAME_BYTES;
        gg_slice_copy(gg_slice_of(frame->bytes, len), address, sizeof address);
    }
    gg_log(GG_LOG_WARN, "handshake_refused", "status=%s why=\"%s\" address=\"%s\"",
           verdict->status, verdict->text, address);
}

static void serve(struct gg_auth *auth)
{
    struct request request;
    while (receive(auth->requests, &request)) {
        (void)pthread_mutex_lock(&auth->lock);
        struct gg_keys *keys = auth->keys == NULL ? NULL : gg_keys_ref(auth->keys);
        (void)pthread_mutex_unlock(&auth->lock);
        char name[GG_NAME_BYTES_MAX + 1];
        struct verdict verdict = judge(auth, keys, &request, name);
        gg_keys_unref(&keys);
        answer(auth->requests, &request, &verdict);
        note(auth, &request, &verdict);
    }
}

static void *run(void *ctx)
{
    struct gg_auth *auth = ctx;
    zmq_pollitem_t items[] = {
        {.socket = auth->requests, .events = ZMQ_POLLIN},
        {.socket = auth->stopped, .events = ZMQ_POLLIN},
    };
    while (items[1].revents == 0) {
        if (zmq_poll(items, 2, -1) >= 0 && items[0].revents != 0) {
            serve(auth);
        }
    }
    (void)zmq_close(auth->requests);
    (void)zmq_close(auth->stopped);
    return NULL;
}

static void *open_socket(void *context, int type, const char *endpoint, bool bind)
{
    void *socket = zmq_socket(context, type);
    if (socket == NULL) {
        return NULL;
    }
    int linger = 0;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    int rc = bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint);
    if (rc != 0) {
        (void)zmq_close(socket);
        return NULL;
    }
    return socket;
}

static void close_socket(void *socket)
{
    if (socket != NULL) {
        (void)zmq_close(socket);
    }
}

static void release(struct gg_auth *auth)
{
    (void)pthread_mutex_destroy(&auth->lock);
    gg_keys_unref(&auth->keys);
    free(auth);
}

enum gg_err gg_auth_start(const struct gg_auth_config *config,
                          struct gg_auth **out_auth)
{
    struct gg_auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    (void)pthread_mutex_init(&auth->lock, NULL);
    auth->keys_required = config->keys != NULL;
    auth->keys = config->keys == NULL ? NULL : gg_keys_ref(config->keys);
    auth->connections_max = config->connections_max;
    auth->key_sessions_max = config->key_sessions_max;
    auth->requests = open_socket(config->context, ZMQ_REP, zap_endpoint, true);
    auth->stopped = open_socket(config->context, ZMQ_PAIR, stop_endpoint, true);
    auth->stopper = open_socket(config->context, ZMQ_PAIR, stop_endpoint, false);
    bool ready = auth->requests != NULL && auth->stopped != NULL &&
                 auth->stopper != NULL;
    if (!ready || pthread_create(&auth->thread, NULL, run, auth) != 0) {
        close_socket(auth->requests);
        close_socket(auth->stopped);
        close_socket(auth->stopper);
        release(auth);
        return GG_ERR_SYSTEM;
    }
    *out_auth = auth;
    return GG_OK;
}

void gg_auth_swap(struct gg_auth *auth, struct gg_keys *keys)
{
    (void)pthread_mutex_lock(&auth->lock);
    struct gg_keys *old = auth->keys;
    auth->keys = gg_keys_ref(keys);
    (void)pthread_mutex_unlock(&auth->lock);
    gg_keys_unref(&old);
}

void gg_auth_set_connections(struct gg_auth *auth, uint32_t count)
{
    atomic_store(&auth->connections, count);
}

void gg_auth_counts(const struct gg_auth *auth, uint64_t *out_admitted,
                    uint64_t *out_refused)
{
    *out_admitted = atomic_load(&auth->admitted);
    *out_refused = atomic_load(&auth->refused);
}

void gg_auth_stop(struct gg_auth **auth_p)
{
    struct gg_auth *auth = *auth_p;
    *auth_p = NULL;
    if (auth == NULL) {
        return;
    }
    (void)zmq_send(auth->stopper, "", 0, 0);
    (void)pthread_join(auth->thread, NULL);
    (void)zmq_close(auth->stopper);
    release(auth);
}
