#include "client/src/handle.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/name.h"
#include "common/version.h"

enum {
    MESSAGES_PER_PASS = 200,
    NEWS_PER_PASS = 64,
    WAIT_MS_MAX = 60000,
    BYE_LINGER_MS = 1000,
};

static const char default_endpoint[] = "tcp://127.0.0.1:7440";

/* ---- errors ---- */

ganger_err gg_handle_fail(ganger *handle, enum gg_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(handle->error, sizeof handle->error, format, args);
    va_end(args);
    return (ganger_err)err;
}

ganger_err gg_handle_fail_slice(ganger *handle, enum gg_err err, struct gg_slice text)
{
    if (text.len == 0) {
        text = gg_slice_text(gg_err_text(err));
    }
    gg_slice_copy(text, handle->error, sizeof handle->error);
    return (ganger_err)err;
}

bool gg_handle_enter(ganger *handle)
{
    if (handle == NULL) {
        return false;
    }
    if (handle->depth > 0) {
        (void)gg_handle_fail(
            handle, GG_ERR_USAGE,
            "a call that waits cannot be made from a callback; use the "
            "one that ends in _start");
        return false;
    }
    handle->error[0] = '\0';
    handle->retry_ms = 0;
    struct gg_arena older = handle->older;
    handle->older = handle->kept;
    handle->kept = older;
    gg_arena_clear(&handle->kept);
    return true;
}

/* The last error of a call without a handle, that is of ganger_open(): one a thread. */
static _Thread_local char open_error[GG_SENTENCE_BYTES];

const char *ganger_last_error(const ganger *handle)
{
    return handle == NULL ? open_error : handle->error;
}

unsigned ganger_retry_ms(const ganger *handle)
{
    return handle == NULL ? 0 : handle->retry_ms;
}

/* ---- the connection's state ---- */

/* Lost, refused, shut down: to who waits it is one state, the broker is away. */
static enum gg_err kind_of(enum gg_err why)
{
    return why == GG_ERR_CONNECTION_REFUSED || why == GG_ERR_CLOSING ? GG_ERR_NO_BROKER
                                                                     : why;
}

static void set_state(ganger *handle, bool connected, enum gg_err why,
                      const char *sentence)
{
    uint64_t bit = UINT64_C(1) << ((unsigned)kind_of(why) & 63);
    bool changed = connected != handle->connected || (handle->told & bit) == 0;
    handle->connected = connected;
    handle->told = connected ? bit : handle->told | bit;
    handle->why = why;
    (void)snprintf(handle->why_text, sizeof handle->why_text, "%s", sentence);
    if (changed && handle->on_state != NULL) {
        gg_handle_call(handle);
        handle->on_state(handle->on_state_ctx, connected, (ganger_err)why,
                         handle->why_text);
        gg_handle_return(handle);
    }
}

static void set_lost(ganger *handle, enum gg_err why, const char *text)
{
    char sentence[GG_SENTENCE_BYTES];
    if (why == GG_ERR_NOT_GANGER && gg_session_met(handle->session)) {
        why =
            GG_ERR_NO_BROKER; /* It was one before: it hangs, or it is being started. */
        text = "it does not answer";
    }
    (void)snprintf(sentence, sizeof sentence, "cannot reach a broker at %s: %s",
                   handle->endpoint, text);
    set_state(handle, false, why, sentence);
}

static void on_session_news(void *owner, bool opened, enum gg_err why,
                            struct gg_slice text)
{
    ganger *handle = owner;
    char sentence[GG_SENTENCE_BYTES];
    if (opened) {
        gg_transport_settled(handle->transport);
        (void)snprintf(sentence, sizeof sentence, "connected to the broker at %s",
                       handle->endpoint);
        set_state(handle, true, GG_OK, sentence);
        return;
    }
    (void)snprintf(sentence, sizeof sentence, "the broker at %s: %.*s",
                   handle->endpoint, text.len > 0 ? (int)text.len : INT_MAX,
                   text.len > 0 ? (const char *)text.data : gg_err_text(why));
    set_state(handle, false, why, sentence);
}

static void on_transport_news(ganger *handle, const struct gg_transport_news *news,
                              struct gg_mono now)
{
    if (news->link == GG_LINK_UP) {
        gg_session_link_up(handle->session, now);
        return;
    }
    gg_session_link_down(handle->session);
    set_lost(handle, news->why, news->text);
}

/* ---- the loop ---- */

static void flush(ganger *handle, struct gg_now now)
{
    struct gg_outgoing out;
    while (gg_session_next(handle->session, now, &out) &&
           gg_transport_send(handle->transport, out.frame, out.large)) {
        gg_session_sent(handle->session, now.mono);
    }
}

static void lose(ganger *handle, struct gg_mono now, enum gg_err why, const char *text)
{
    gg_session_link_down(handle->session);
    gg_transport_rebuild(handle->transport, now);
    set_lost(handle, why, text);
}

static bool receive_all(ganger *handle, struct gg_now now)
{
    struct gg_slice frame;
    struct gg_slice attachment;
    for (int i = 0; i < MESSAGES_PER_PASS; i++) {
        if (!gg_transport_receive(handle->transport, &frame, &attachment)) {
            return true;
        }
        enum gg_err err = gg_session_receive(handle->session, now, frame, attachment);
        if (err == GG_ERR_BAD_MESSAGE) {
            lose(handle, now.mono, GG_ERR_NOT_GANGER,
                 "what it says is not Ganger's protocol");
        } else if (err != GG_OK) {
            lose(handle, now.mono, err, gg_err_text(err));
        }
        flush(handle, now); /* What came of it goes while the next is on its way. */
    }
    return false;
}

static bool take_news(ganger *handle, struct gg_mono now)
{
    struct gg_transport_news news;
    for (int i = 0; i < NEWS_PER_PASS; i++) {
        if (!gg_transport_news(handle->transport, now, &news)) {
            return true;
        }
        on_transport_news(handle, &news, now);
    }
    return false;
}

/* One pass. What has come is read before anyone is judged to be late. */
static ganger_err process(ganger *handle)
{
    struct gg_now now = gg_now();
    flush(handle, now);
    bool read_all = receive_all(handle, now);
    bool told_all = take_news(handle, now.mono);
    if (read_all) {
        gg_session_tick(handle->session, now.mono,
                        handle->why == GG_OK ? GG_ERR_NO_BROKER : handle->why,
                        gg_slice_text(handle->why_text));
    }
    if (read_all && gg_session_is_dead(handle->session, now.mono)) {
        bool stranger = gg_session_state_of(handle->session) == GG_SESSION_GREETED &&
                        !gg_session_met(handle->session);
        lose(handle, now.mono, stranger ? GG_ERR_NOT_GANGER : GG_ERR_NO_BROKER,
             stranger ? "it does not answer a greeting: it is not a Ganger broker, or "
                        "it hangs"
                      : "it does not answer");
    }
    flush(handle, now);
    handle->more = !read_all || !told_all;
    return GANGER_OK;
}

ganger_err ganger_process(ganger *handle)
{
    if (handle == NULL || handle->depth > 0) {
        return GANGER_USAGE;
    }
    return process(handle);
}

int ganger_fd(const ganger *handle)
{
    return handle == NULL ? -1 : gg_transport_fd(handle->transport);
}

static int until(struct gg_mono at, struct gg_mono now)
{
    if (gg_mono_reached(at, now)) {
        return 0;
    }
    int64_t left = at.ms - now.ms;
    return left > WAIT_MS_MAX ? WAIT_MS_MAX : (int)left;
}

int ganger_wait_ms(ganger *handle)
{
    if (handle == NULL) {
        return WAIT_MS_MAX;
    }
    bool input = false;
    bool output = false;
    gg_transport_ready(handle->transport, &input, &output);
    if (handle->more || input || (output && gg_session_has_output(handle->session))) {
        return 0;
    }
    struct gg_mono now = gg_mono_now();
    struct gg_mono at;
    int wait_ms = WAIT_MS_MAX;
    if (gg_session_wake(handle->session, &at)) {
        wait_ms = until(at, now);
    }
    if (gg_transport_wake(handle->transport, &at)) {
        int other = until(at, now);
        wait_ms = other < wait_ms ? other : wait_ms;
    }
    return wait_ms;
}

ganger_err gg_handle_turn(ganger *handle, int timeout_ms)
{
    int wait_ms = ganger_wait_ms(handle);
    if (timeout_ms >= 0 && timeout_ms < wait_ms) {
        wait_ms = timeout_ms;
    }
    if (wait_ms > 0) {
        struct pollfd ready = {.fd = gg_transport_fd(handle->transport),
                               .events = POLLIN};
        if (poll(&ready, 1, wait_ms) < 0 && errno != EINTR) {
            return gg_handle_fail(handle, GG_ERR_SYSTEM, "poll: %s", strerror(errno));
        }
    }
    return process(handle);
}

ganger_err ganger_poll(ganger *handle, int timeout_ms)
{
    if (handle == NULL || handle->depth > 0) {
        return GANGER_USAGE;
    }
    /* What has been begun since the last pass goes out before any wait. */
    (void)process(handle);
    return handle->more ? GANGER_OK : gg_handle_turn(handle, timeout_ms);
}

/* ---- open and close ---- */

static const char *or_env(const char *value, const char *name)
{
    if (value != NULL) {
        return value;
    }
    const char *set = getenv(name);
    return set != NULL && set[0] != '\0' ? set : NULL;
}

/* Whose fault an unusable setting is: the caller's, or the environment's that it was
 * taken from. */
static enum gg_err blame(const char *option)
{
    return option != NULL ? GG_ERR_USAGE : GG_ERR_CONFIG;
}

/* The three keys, from the options, the environment and the key file. */
static enum gg_err read_keys(const ganger_options *options, struct gg_keys *out,
                             bool *out_curve)
{
    const char *path = or_env(options->key_file, "GANGER_KEY_FILE");
    const char *server = or_env(options->server_key, "GANGER_SERVER_KEY");
    *out_curve = path != NULL;
    if (path == NULL && server == NULL) {
        return GG_OK;
    }
    if (path == NULL) {
        (void)snprintf(open_error, sizeof open_error,
                       "the broker's key is set%s and no key file of your own; name "
                       "one in GANGER_KEY_FILE (ganger key new makes it), or unset the "
                       "broker's key if it works without",
                       options->server_key != NULL ? "" : " in GANGER_SERVER_KEY");
        return blame(options->server_key);
    }
    if (gg_keyfile_read(path, out, open_error, sizeof open_error) != GG_OK) {
        return blame(options->key_file);
    }
    if (server != NULL && !gg_key_valid(server)) {
        (void)snprintf(open_error, sizeof open_error,
                       "the broker's key \"%.60s\" is not 40 characters of Z85",
                       server);
        return blame(options->server_key);
    }
    if (server != NULL) {
        memcpy(out->server_key, server, GG_KEY_TEXT_BYTES);
    }
    if (out->server_key[0] == '\0') {
        (void)snprintf(
            open_error, sizeof open_error,
            "the broker's public key is not known; set GANGER_SERVER_KEY, or "
            "server-key under metadata in %.200s",
            path);
        return blame(options->key_file);
    }
    return GG_OK;
}

static enum gg_err open_session(ganger *handle, const ganger_options *options,
                                uint64_t seed)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    const struct gg_session_setup setup = {
        .seed = seed,
        .name = options->name,
        .host = gg_utf8_valid(gg_slice_text(host)) ? host : "",
        .program = options->program != NULL ? options->program
                                            : "libganger " GG_VERSION,
        .pid = (uint64_t)getpid(),
        .owner = handle,
        .news = on_session_news,
    };
    return gg_session_new(&setup, &handle->session);
}

static enum gg_err check_texts(const ganger_options *options)
{
    if (options->name != NULL && !gg_name_valid(gg_slice_text(options->name))) {
        (void)snprintf(open_error, sizeof open_error,
                       "the name \"%.80s\" is not 1 to 64 of A-Z a-z 0-9 . _ -",
                       options->name);
        return GG_ERR_USAGE;
    }
    if (options->program != NULL && (strlen(options->program) > 64 ||
                                     !gg_utf8_valid(gg_slice_text(options->program)))) {
        (void)snprintf(open_error, sizeof open_error,
                       "the program's name is longer than 64 bytes, or not UTF-8");
        return GG_ERR_USAGE;
    }
    return GG_OK;
}

static enum gg_err open_parts(ganger *handle, const ganger_options *options)
{
    const char *endpoint = or_env(options->endpoint, "GANGER_BROKER");
    struct gg_keys keys = {0};
    bool curve = false;
    enum gg_err err = gg_endpoint_read(endpoint == NULL ? default_endpoint : endpoint,
                                       handle->endpoint, open_error, sizeof open_error);
    err = err == GG_OK ? err : blame(options->endpoint);
    err = err != GG_OK ? err : check_texts(options);
    err = err != GG_OK ? err : read_keys(options, &keys, &curve);
    if (err != GG_OK) {
        return err;
    }
    struct gg_rng rng;
    gg_rng_seed(&rng);
    err = open_session(handle, options, gg_rng_next(&rng));
    if (err != GG_OK) {
        return err;
    }
    const struct gg_transport_setup setup = {
        .endpoint = handle->endpoint,
        .keys = curve ? &keys : NULL,
        .seed = gg_rng_next(&rng),
    };
    err = gg_transport_open(&setup, gg_mono_now(), &handle->transport);
    if (err == GG_ERR_USAGE) {
        (void)snprintf(open_error, sizeof open_error,
                       "the endpoint %.200s cannot be connected to", handle->endpoint);
        err = blame(options->endpoint);
    } else if (err != GG_OK) {
        (void)snprintf(open_error, sizeof open_error, "no socket could be made: %s",
                       strerror(errno));
    }
    return err;
}

ganger_err ganger_open(const ganger_options *options, ganger **out)
{
    static const ganger_options none;
    (void)snprintf(open_error, sizeof open_error,
                   "out of memory"); /* Else it is said. */
    if (out == NULL) {
        (void)snprintf(open_error, sizeof open_error,
                       "there is no place for the handle");
        return GANGER_USAGE;
    }
    ganger *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        return GANGER_NO_MEMORY;
    }
    gg_buf_init(&handle->lists, INT_MAX);
    gg_buf_init(&handle->entries, INT_MAX);
    enum gg_err err = open_parts(handle, options == NULL ? &none : options);
    if (err != GG_OK) {
        ganger_close(&handle);
        return (ganger_err)err;
    }
    open_error[0] = '\0';
    handle->why = GG_ERR_NO_BROKER;
    (void)snprintf(handle->why_text, sizeof handle->why_text,
                   "cannot reach a broker at %s: there is no answer", handle->endpoint);
    *out = handle;
    return GANGER_OK;
}

void ganger_close(ganger **handle_p)
{
    ganger *handle = handle_p == NULL ? NULL : *handle_p;
    if (handle == NULL || handle->depth > 0) {
        return;
    }
    *handle_p = NULL;
    struct gg_outgoing out;
    int linger_ms = 0;
    if (handle->transport != NULL && handle->session != NULL &&
        gg_session_bye(handle->session, &out) &&
        gg_transport_send(handle->transport, out.frame, out.large)) {
        linger_ms = BYE_LINGER_MS;
    }
    gg_transport_close(&handle->transport, linger_ms);
    gg_session_destroy(&handle->session);
    gg_arena_fini(&handle->shown);
    gg_arena_fini(&handle->kept);
    gg_arena_fini(&handle->older);
    gg_buf_fini(&handle->lists);
    gg_buf_fini(&handle->entries);
    free(handle);
}

const char *ganger_endpoint(const ganger *handle)
{
    return handle == NULL ? "" : handle->endpoint;
}

void ganger_on_state(ganger *handle, ganger_state_fn *fn, void *ctx)
{
    if (handle != NULL) {
        handle->on_state = fn;
        handle->on_state_ctx = ctx;
    }
}

/* Will waiting not mend it? Once a broker was met there, it is being restarted. */
static bool is_hopeless(const ganger *handle)
{
    return !gg_session_met(handle->session) &&
           (handle->why == GG_ERR_KEY_REFUSED || handle->why == GG_ERR_NO_HOST ||
            handle->why == GG_ERR_NOT_GANGER || handle->why == GG_ERR_VERSION ||
            handle->why == GG_ERR_NOT_ALLOWED);
}

ganger_err ganger_connect(ganger *handle, int timeout_ms)
{
    if (!gg_handle_enter(handle)) {
        return GANGER_USAGE;
    }
    struct gg_mono now = gg_mono_now();
    struct gg_mono end = gg_mono_add(now, timeout_ms < 0 ? 0 : (uint64_t)timeout_ms);
    for (;;) {
        ganger_err err = process(handle);
        if (err != GANGER_OK) {
            return err;
        }
        if (gg_session_state_of(handle->session) == GG_SESSION_OPEN) {
            return GANGER_OK;
        }
        now = gg_mono_now();
        if (is_hopeless(handle) || (timeout_ms >= 0 && gg_mono_reached(end, now))) {
            break;
        }
        err = gg_handle_turn(handle, timeout_ms < 0 ? -1 : until(end, now));
        if (err != GANGER_OK) {
            return err;
        }
    }
    return gg_handle_fail(handle, handle->why == GG_OK ? GG_ERR_NO_BROKER : handle->why,
                          "%s", handle->why_text);
}
