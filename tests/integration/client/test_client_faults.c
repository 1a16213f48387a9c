/* test_client_faults.c - wrong host, closed port, something that is not Ganger, wrong
 * key: each is named truly within three seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "tests/integration/client/fake.h"
#include "tests/lib/scratch.h"

enum { CONNECT_MS = 3000, REFUSED_MS = 500 };

/* A plain TCP server: what it says to each who connects, and whether it hangs up. */
struct server {
    int listener;
    char endpoint[64];
    const char *says;
    bool reads; /* First what comes, as a web server does. */
    bool hangs_up;
    pthread_t thread;
};

static void *serve(void *ctx)
{
    struct server *server = ctx;
    for (;;) {
        char bytes[256];
        int peer = accept(server->listener, NULL, NULL);
        if (peer < 0) {
            return NULL;
        }
        if (server->reads) {
            (void)!read(peer, bytes, sizeof bytes);
        }
        if (server->says != NULL) {
            (void)!write(peer, server->says, strlen(server->says));
        }
        if (server->hangs_up) {
            (void)close(peer);
        }
    }
}

static void listen_on(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size),
                     0);
    (void)snprintf(server->endpoint, sizeof server->endpoint, "tcp://127.0.0.1:%d",
                   ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
}

/* Connect; the error, having checked that it came in time and says where. */
static ganger_err connect_within(const ganger_options *options, int timeout_ms,
                                 char text[512])
{
    ganger *handle = NULL;
    struct gg_mono began = gg_mono_now();
    assert_int_equal(ganger_open(options, &handle), GANGER_OK);
    ganger_err err = ganger_connect(handle, timeout_ms);
    assert_true(gg_mono_now().ms - began.ms <= timeout_ms + 500);
    (void)snprintf(text, 512, "%s", ganger_last_error(handle));
    if (err != GANGER_OK) {
        assert_non_null(strstr(text, ganger_endpoint(handle)));
    }
    ganger_close(&handle);
    assert_null(handle);
    return err;
}

static ganger_err connect_to(const ganger_options *options, char text[512])
{
    return connect_within(options, CONNECT_MS, text);
}

static void closed_port_is_refused(void **state)
{
    (void)state;
    struct server server = {.says = NULL};
    char text[512];
    listen_on(&server);
    stop(&server);
    const ganger_options options = {.endpoint = server.endpoint};

    assert_int_equal(connect_within(&options, REFUSED_MS, text),
                     GANGER_CONNECTION_REFUSED);
}

static void missing_socket_file_is_refused(void **state)
{
    (void)state;
    char text[512];
    const ganger_options options = {.endpoint = "ipc:///nowhere/ganger.sock"};

    assert_int_equal(connect_within(&options, REFUSED_MS, text),
                     GANGER_CONNECTION_REFUSED);
}

static void unknown_host_is_named(void **state)
{
    (void)state;
    char text[512];
    const ganger_options options = {.endpoint = "no-such-host.invalid:7440"};

    assert_int_equal(connect_to(&options, text), GANGER_NO_HOST);
}

static void what_is_not_ganger_is_named(void **state)
{
    (void)state;
    struct server servers[] = {
        {.says = NULL},
        {.says = NULL, .hangs_up = true},
        {.says = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
         .reads = true,
         .hangs_up = true},
        {.says = "HTTP/1.1 503 Service Unavailable\r\n\r\n", .hangs_up = true},
        {.says = "SSH-2.0-OpenSSH_9.2\r\n"},
    };
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        char text[512];
        listen_on(&servers[i]);
        const ganger_options options = {.endpoint = servers[i].endpoint};

        assert_int_equal(connect_to(&options, text), GANGER_NOT_GANGER);

        stop(&servers[i]);
    }
}

/* A router that takes connections and knows nothing of our protocol. */
static void zeromq_that_is_not_ganger_is_named(void **state)
{
    (void)state;
    struct fake fake = {.deaf = true};
    char text[512];
    fake_start(&fake);
    const ganger_options options = {.endpoint = fake.endpoint};

    assert_int_equal(connect_to(&options, text), GANGER_NOT_GANGER);

    fake_stop(&fake);
}

/* ---- keys ---- */

struct keys {
    char public_key[41];
    char secret_key[41];
};

static void write_key_file(const char *path, const struct keys *keys,
                           const char *server_key, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "#   made by a test\n\nmetadata\n    server-key = \"%s\"\ncurve\n"
                  "    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                  server_key, keys->public_key, keys->secret_key);
    (void)fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* An authenticator that answers one status to all (RFC 27), and its router. */
struct guarded {
    void *context;
    void *zap;
    void *router;
    char endpoint[64];
    struct keys keys;
    const char *status;
    pthread_t thread;
};

static void *authenticate(void *ctx)
{
    struct guarded *guarded = ctx;
    for (;;) {
        char frames[8][64];
        int lens[8];
        int count = 0;
        int more = 1;
        while (more != 0) {
            size_t size = sizeof more;
            int at = count < 7 ? count : 7;
            lens[at] = zmq_recv(guarded->zap, frames[at], sizeof frames[at], 0);
            if (lens[at] < 0) {
                (void)zmq_close(guarded->zap);
                return NULL;
            }
            (void)zmq_getsockopt(guarded->zap, ZMQ_RCVMORE, &more, &size);
            count++;
        }
        const char *status = guarded->status;
        (void)zmq_send(guarded->zap, "1.0", 3, ZMQ_SNDMORE);
        (void)zmq_send(guarded->zap, frames[1], (size_t)lens[1], ZMQ_SNDMORE);
        (void)zmq_send(guarded->zap, status, strlen(status), ZMQ_SNDMORE);
        (void)zmq_send(guarded->zap, "no", 2, ZMQ_SNDMORE);
        (void)zmq_send(guarded->zap, "", 0, ZMQ_SNDMORE);
        (void)zmq_send(guarded->zap, "", 0, 0);
    }
}

static void guard(struct guarded *guarded)
{
    int yes = 1;
    int none = 0;
    size_t size = sizeof guarded->endpoint;
    guarded->context = zmq_ctx_new();
    guarded->zap = zmq_socket(guarded->context, ZMQ_REP);
    assert_int_equal(zmq_bind(guarded->zap, "inproc://zeromq.zap.01"), 0);
    guarded->router = zmq_socket(guarded->context, ZMQ_ROUTER);
    (void)zmq_setsockopt(guarded->router, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(
        zmq_curve_keypair(guarded->keys.public_key, guarded->keys.secret_key), 0);
    (void)zmq_setsockopt(guarded->router, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    (void)zmq_setsockopt(guarded->router, ZMQ_CURVE_SECRETKEY, guarded->keys.secret_key,
                         41);
    (void)zmq_setsockopt(guarded->router, ZMQ_ZAP_DOMAIN, "client", 6);
    assert_int_equal(zmq_bind(guarded->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(
        zmq_getsockopt(guarded->router, ZMQ_LAST_ENDPOINT, guarded->endpoint, &size),
        0);
    assert_int_equal(pthread_create(&guarded->thread, NULL, authenticate, guarded), 0);
}

static void unguard(struct guarded *guarded)
{
    (void)zmq_close(guarded->router);
    (void)zmq_ctx_shutdown(guarded->context);
    (void)pthread_join(guarded->thread, NULL);
    (void)zmq_ctx_term(guarded->context);
}

static void refused_keys_are_named(void **state)
{
    (void)state;
    struct guarded guarded = {.status = "400"};
    struct keys mine;
    struct keys other;
    char path[256];
    char text[512];
    guard(&guarded);
    (void)zmq_curve_keypair(mine.public_key, mine.secret_key);
    (void)zmq_curve_keypair(other.public_key, other.secret_key);
    (void)snprintf(path, sizeof path, "%s/my.key", scratch_above());
    write_key_file(path, &mine, guarded.keys.public_key, 0600);
    const ganger_options options = {.endpoint = guarded.endpoint, .key_file = path};
    const ganger_options plain = {.endpoint = guarded.endpoint};
    ganger_options wrong = options;
    wrong.server_key = other.public_key;

    assert_int_equal(connect_to(&options, text), GANGER_KEY_REFUSED);
    assert_non_null(strstr(text, "does not accept this key"));
    assert_int_equal(connect_to(&plain, text), GANGER_KEY_REFUSED);
    assert_non_null(strstr(text, "no key file is set"));
    assert_int_equal(connect_to(&wrong, text), GANGER_KEY_REFUSED);
    assert_non_null(strstr(text, "not the one expected"));
    (void)unlink(path);
    unguard(&guarded);
}

static void keys_where_the_broker_has_none_are_named(void **state)
{
    (void)state;
    struct fake fake = {.deaf = true};
    struct keys mine;
    char path[256];
    char text[512];
    fake_start(&fake);
    (void)zmq_curve_keypair(mine.public_key, mine.secret_key);
    (void)snprintf(path, sizeof path, "%s/my.key", scratch_above());
    write_key_file(path, &mine, mine.public_key, 0600);
    const ganger_options options = {.endpoint = fake.endpoint, .key_file = path};

    assert_int_equal(connect_to(&options, text), GANGER_KEY_REFUSED);

    assert_non_null(strstr(text, "works without keys"));
    (void)unlink(path);
    fake_stop(&fake);
}

/* ---- what cannot be opened ---- */

static void open_key_files_are_refused(void **state)
{
    (void)state;
    struct keys mine;
    char path[256];
    ganger *handle = NULL;
    (void)zmq_curve_keypair(mine.public_key, mine.secret_key);
    (void)snprintf(path, sizeof path, "%s/my.key", scratch_above());
    const ganger_options options = {.key_file = path};

    assert_int_equal(ganger_open(&options, &handle), GANGER_USAGE);
    assert_non_null(strstr(ganger_last_error(NULL), "No such file"));
    write_key_file(path, &mine, mine.public_key, 0640);
    assert_int_equal(ganger_open(&options, &handle), GANGER_USAGE);
    assert_non_null(strstr(ganger_last_error(NULL), "chmod 600"));
    write_key_file(path, &mine, "too short", 0600);
    assert_int_equal(ganger_open(&options, &handle), GANGER_USAGE);
    assert_non_null(strstr(ganger_last_error(NULL), "line 4"));
    mine.secret_key[10] = '\0';
    write_key_file(path, &mine, mine.public_key, 0600);
    assert_int_equal(ganger_open(&options, &handle), GANGER_USAGE);

    assert_null(handle);
    (void)unlink(path);
}

static void endpoints_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "http://127.0.0.1:7440",
        "tcp://127.0.0.1",
        "127.0.0.1",
        "tcp://:70",
        "tcp://a b:7440",
        "tcp://h:0",
        "tcp://h:70000",
        "tcp://h:x",
        "ipc://",
        "inproc://x",
    };
    ganger *handle = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const ganger_options options = {.endpoint = bad[i]};
        assert_int_equal(ganger_open(&options, &handle), GANGER_USAGE);
        assert_true(ganger_last_error(NULL)[0] != '\0');
        assert_null(handle);
    }
    const ganger_options options = {.endpoint = "127.0.0.1:7440"};

    assert_int_equal(ganger_open(&options, &handle), GANGER_OK);
    assert_string_equal(ganger_endpoint(handle), "tcp://127.0.0.1:7440");
    ganger_close(&handle);
    ganger_close(&handle);
}

static int make_folder(void **state)
{
    (void)state;
    (void)scratch_new();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    scratch_remove();
    return 0;
}

/* ---- the system ---- */

/* Descriptors open now. */
static rlim_t count_open(void)
{
    rlim_t count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* libzmq ends the program where it finds none for itself. */
static void few_descriptors_are_an_error_not_the_end(void **state)
{
    (void)state;
    enum { ENOUGH = 24 };
    struct rlimit before;
    const ganger_options options = {.endpoint = "tcp://127.0.0.1:1"};
    rlim_t count = count_open();
    bool opened = false;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t more = 0; more <= ENOUGH; more++) {
        const struct rlimit few = {count + more, before.rlim_max};
        ganger *handle = NULL;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        ganger_err err = ganger_open(&options, &handle);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        opened = err == GANGER_OK;
        if (!opened) {
            assert_string_equal(ganger_err_name(err), "system");
            assert_non_null(strstr(ganger_last_error(NULL), strerror(EMFILE)));
            assert_null(handle);
        }
        ganger_close(&handle);
        assert_int_equal(count_open(), count);
    }
    assert_true(opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_port_is_refused),
        cmocka_unit_test(missing_socket_file_is_refused),
        cmocka_unit_test(unknown_host_is_named),
        cmocka_unit_test(what_is_not_ganger_is_named),
        cmocka_unit_test(zeromq_that_is_not_ganger_is_named),
        cmocka_unit_test(refused_keys_are_named),
        cmocka_unit_test(keys_where_the_broker_has_none_are_named),
        cmocka_unit_test(open_key_files_are_refused),
        cmocka_unit_test(endpoints_are_read_as_people_write_them),
        cmocka_unit_test(few_descriptors_are_an_error_not_the_end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
