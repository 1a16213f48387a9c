/* test_socket.c - the agent's socket, opened and closed; nobody listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/socket.h"

enum { TIMES = 200 };

/* libzmq ends the socket before it on a thread of its own, some time later. */
static void socket_opens_again_right_after_it_was_closed(void **state)
{
    struct gg_socket socket;
    (void)state;
    assert_int_equal(gg_socket_init(&socket, 1, NULL), GG_OK);
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(gg_socket_open(&socket, "tcp://127.0.0.1:1"), GG_OK);
        gg_socket_close(&socket);
    }
    gg_socket_fini(&socket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_opens_again_right_after_it_was_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
