/* test_address.c - who can reach an address, and where the agents' is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/io/address.h"

static void loopback_and_ipc_are_this_machine_only(void **state)
{
    (void)state;
    assert_true(gg_address_local("tcp://127.0.0.1:7440"));
    assert_true(gg_address_local("tcp://127.9.9.9:0"));
    assert_true(gg_address_local("tcp://[::1]:7440"));
    assert_true(gg_address_local("tcp://localhost:7440"));
    assert_true(gg_address_local("ipc:///run/ganger/broker"));
}

/* What is not surely local is far: it then needs keys. */
static void everything_else_is_far(void **state)
{
    (void)state;
    assert_false(gg_address_local("tcp://0.0.0.0:7440"));
    assert_false(gg_address_local("tcp://*:7440"));
    assert_false(gg_address_local("tcp://[::]:7440"));
    assert_false(gg_address_local("tcp://128.0.0.1:7440"));
    assert_false(gg_address_local("tcp://127.0.0.1.example.org:7440"));
    assert_false(gg_address_local("tcp://eth0:7440"));
    assert_false(gg_address_local("tcp://[::ffff:10.0.0.1]:7440"));
    assert_false(gg_address_local("tcp://127.0.0.1"));
    assert_false(gg_address_local("localhost:7440"));
}

static void assert_next(const char *address, const char *next)
{
    char out[GG_ADDRESS_BYTES] = "";
    assert_true(gg_address_next(address, out));
    assert_string_equal(out, next);
}

static void agents_connect_to_the_next_port(void **state)
{
    (void)state;
    char out[GG_ADDRESS_BYTES];
    assert_next("tcp://127.0.0.1:7440", "tcp://127.0.0.1:7441");
    assert_next("tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
    assert_next("tcp://127.0.0.1:*", "tcp://127.0.0.1:0");
    assert_next("tcp://[::1]:9", "tcp://[::1]:10");
    assert_next("ipc:///run/b", "ipc:///run/b.agents");
    assert_false(gg_address_next("tcp://127.0.0.1:65535", out));
    assert_false(gg_address_next("tcp://127.0.0.1:x", out));
    assert_false(gg_address_next("tcp", out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_and_ipc_are_this_machine_only),
        cmocka_unit_test(everything_else_is_far),
        cmocka_unit_test(agents_connect_to_the_next_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
