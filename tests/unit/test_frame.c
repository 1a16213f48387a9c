/* test_frame.c - large payloads go through sockets as they are. Sockets inside this
 * process: what libzmq hands over there is the very memory that was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/frame.h"

struct fixture {
    void *context;
    void *from;
    void *to;
    zmq_msg_t message;
};

static int setup(void **state)
{
    static struct fixture f;
    f.context = zmq_ctx_new();
    f.from = zmq_socket(f.context, ZMQ_PAIR);
    f.to = zmq_socket(f.context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(f.to, "inproc://frames"), 0);
    assert_int_equal(zmq_connect(f.from, "inproc://frames"), 0);
    assert_int_equal(zmq_msg_init(&f.message), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)zmq_msg_close(&f->message);
    (void)zmq_close(f->from);
    (void)zmq_close(f->to);
    return zmq_ctx_term(f->context);
}

static struct gg_blob *payload(size_t len)
{
    uint8_t *data = NULL;
    struct gg_blob *blob = gg_blob_room(len, &data);
    assert_non_null(blob);
    memset(data, 'p', len);
    return blob;
}

static void receive(struct fixture *f)
{
    assert_true(zmq_msg_recv(&f->message, f->to, 0) >= 0);
}

static void large_payload_arrives_as_the_same_memory(void **state)
{
    struct fixture *f = *state;
    struct gg_blob *sent = payload(GG_BLOB_LARGE_BYTES);
    const uint8_t *data = gg_blob_slice(sent).data;

    assert_true(gg_frame_send(f->from, sent, 0));
    gg_blob_unref(&sent); /* The frame holds it now. */
    receive(f);
    struct gg_blob *taken = gg_frame_take(&f->message);

    assert_non_null(taken);
    assert_int_equal(zmq_msg_size(&f->message), 0);
    assert_ptr_equal(gg_blob_slice(taken).data, data);
    assert_int_equal(gg_blob_slice(taken).len, GG_BLOB_LARGE_BYTES);
    assert_int_equal(data[GG_BLOB_LARGE_BYTES - 1], 'p');
    gg_blob_unref(&taken);
}

static void payload_taken_over_is_sent_on_and_sent_again(void **state)
{
    struct fixture *f = *state;
    struct gg_blob *sent = payload(GG_BLOB_LARGE_BYTES + 1);
    assert_true(gg_frame_send(f->from, sent, 0));
    gg_blob_unref(&sent);
    receive(f);
    struct gg_blob *taken = gg_frame_take(&f->message);
    assert_non_null(taken);
    const uint8_t *data = gg_blob_slice(taken).data;

    assert_true(gg_frame_send(f->from, taken, ZMQ_SNDMORE));
    assert_true(gg_frame_send(f->from, taken, 0));
    gg_blob_unref(&taken);

    for (int i = 0; i < 2; i++) {
        receive(f);
        assert_ptr_equal(zmq_msg_data(&f->message), data);
        assert_int_equal(zmq_msg_size(&f->message), GG_BLOB_LARGE_BYTES + 1);
    }
}

/* Over a connection libzmq's own thread gives the references up. */
static void payloads_go_through_a_connection_and_back(void **state)
{
    struct fixture *f = *state;
    enum { TURNS = 200, LEN = 100000 };
    char endpoint[64];
    size_t size = sizeof endpoint;
    void *near = zmq_socket(f->context, ZMQ_PAIR);
    void *far = zmq_socket(f->context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(far, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(far, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    assert_int_equal(zmq_connect(near, endpoint), 0);
    for (int i = 0; i < TURNS; i++) {
        struct gg_blob *sent = payload(LEN);
        while (!gg_frame_send(near, sent, 0)) {
            assert_int_equal(
                zmq_poll(&(zmq_pollitem_t){near, 0, ZMQ_POLLOUT, 0}, 1, -1), 1);
        }
        gg_blob_unref(&sent);
        assert_int_equal(zmq_msg_recv(&f->message, far, 0), LEN);
        struct gg_blob *taken = gg_frame_take(&f->message);
        assert_non_null(taken);
        assert_true(gg_frame_send(far, taken, 0));
        gg_blob_unref(&taken);
        assert_int_equal(zmq_msg_recv(&f->message, near, 0), LEN);
        assert_int_equal(((char *)zmq_msg_data(&f->message))[LEN - 1], 'p');
    }
    (void)zmq_close(near);
    (void)zmq_close(far);
}

static void small_payload_is_copied_and_a_small_frame_not_taken(void **state)
{
    struct fixture *f = *state;
    struct gg_blob *sent = payload(GG_BLOB_LARGE_BYTES - 1);

    assert_true(gg_frame_send(f->from, sent, 0));
    assert_int_equal(atomic_load(&sent->refs), 1);
    receive(f);

    assert_null(gg_frame_take(&f->message));
    assert_int_equal(zmq_msg_size(&f->message), GG_BLOB_LARGE_BYTES - 1);
    gg_blob_unref(&sent);
}

static void payload_that_cannot_be_sent_stays_with_its_holder(void **state)
{
    struct fixture *f = *state;
    struct gg_blob *blob = payload(GG_BLOB_LARGE_BYTES);
    assert_int_equal(zmq_close(f->to), 0);
    f->to = zmq_socket(f->context, ZMQ_PAIR); /* For teardown; nobody is connected. */

    assert_false(gg_frame_send(f->to, blob, 0));

    assert_int_equal(atomic_load(&blob->refs), 1);
    gg_blob_unref(&blob);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(large_payload_arrives_as_the_same_memory),
        TEST(payload_taken_over_is_sent_on_and_sent_again),
        TEST(payloads_go_through_a_connection_and_back),
        TEST(small_payload_is_copied_and_a_small_frame_not_taken),
        TEST(payload_that_cannot_be_sent_stays_with_its_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
