/* test_peers.c - sessions by route and number, sequences, silence, connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/io/connections.h"
#include "broker/io/peers.h"

enum { SESSIONS_MAX = 3 };

static struct gg_mono at(int64_t ms)
{
    return (struct gg_mono){ms};
}

static struct gg_route route_of(enum gg_endpoint endpoint, uint8_t id)
{
    struct gg_route route;
    assert_true(gg_route_set(&route, endpoint, gg_slice_of(&id, 1)));
    return route;
}

static struct gg_peer *open_at(struct gg_peers *peers, uint8_t id, int64_t ms)
{
    struct gg_route route = route_of(GG_ENDPOINT_CLIENT, id);
    struct gg_peer *peer = NULL;
    assert_int_equal(gg_peers_open(peers, &route, 40U + id, at(ms), &peer), GG_OK);
    return peer;
}

static enum gg_hearing hear(struct gg_peers *peers, struct gg_peer *peer,
                            uint64_t session, uint64_t sequence, uint64_t acked)
{
    struct gg_header header = {
        .session = session, .sequence = sequence, .acked = acked};
    return gg_peers_hear(peers, peer, &header, at(50));
}

static int setup(void **state)
{
    struct gg_peers *peers = malloc(sizeof *peers);
    assert_non_null(peers);
    gg_peers_init(peers, SESSIONS_MAX, 3);
    *state = peers;
    return 0;
}

static int teardown(void **state)
{
    struct gg_peers *peers = *state;
    for (uint32_t i = 0; i < peers->count; i++) {
        if (gg_peers_at(peers, i) != NULL) {
            gg_peers_close(peers, gg_peers_at(peers, i));
        }
    }
    gg_peers_fini(peers);
    free(peers);
    return 0;
}

static void session_is_found_by_its_route_and_endpoint_only(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 'A', 0);
    struct gg_route same = route_of(GG_ENDPOINT_CLIENT, 'A');
    struct gg_route other = route_of(GG_ENDPOINT_CLIENT, 'B');
    struct gg_route elsewhere = route_of(GG_ENDPOINT_AGENT, 'A');

    assert_ptr_equal(gg_peers_find(peers, &same), peer);
    assert_ptr_equal(gg_peers_at(peers, peer->number), peer);
    assert_null(gg_peers_find(peers, &other));
    assert_null(gg_peers_find(peers, &elsewhere));
    assert_null(gg_peers_at(peers, 99));
}

static void sessions_are_capped(void **state)
{
    struct gg_peers *peers = *state;
    for (uint8_t i = 0; i < SESSIONS_MAX; i++) {
        (void)open_at(peers, i, 0);
    }
    struct gg_route route = route_of(GG_ENDPOINT_CLIENT, 9);
    struct gg_peer *peer = NULL;

    assert_int_equal(gg_peers_open(peers, &route, 1, at(0), &peer), GG_ERR_TOO_MANY);

    assert_null(peer);
}

static void number_is_used_again_and_serial_is_not(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *first = open_at(peers, 'A', 0);
    uint32_t number = first->number;
    uint64_t serial = first->serial;
    gg_peers_close(peers, first);
    assert_null(gg_peers_at(peers, number));

    struct gg_peer *second = open_at(peers, 'B', 0);

    assert_int_equal(second->number, number);
    assert_true(second->serial > serial);
}

static void over_long_route_is_refused(void **state)
{
    (void)state;
    uint8_t id[GG_ROUTE_BYTES_MAX + 1] = {0};
    struct gg_route route;

    assert_true(gg_route_set(&route, 0, gg_slice_of(id, sizeof id - 1)));
    assert_false(gg_route_set(&route, 0, gg_slice_of(id, sizeof id)));
}

static void messages_count_in_sequence(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 2, 0);
    peer->sent = 5;

    assert_int_equal(hear(peers, peer, 42, 2, 1), GG_HEARD);
    assert_int_equal(hear(peers, peer, 42, 3, 5), GG_HEARD);

    assert_int_equal(peer->heard, 3);
    assert_int_equal(peer->acked, 5);
}

static void wrong_headers_leave_session_as_it_was(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 2, 0);
    peer->sent = 5;

    assert_int_equal(hear(peers, peer, 43, 2, 0), GG_HEARD_FOREIGN);
    assert_int_equal(hear(peers, peer, 42, 1, 0), GG_HEARD_GAP);
    assert_int_equal(hear(peers, peer, 42, 3, 0), GG_HEARD_GAP);
    assert_int_equal(hear(peers, peer, 42, 0, 0), GG_HEARD_GAP);
    assert_int_equal(hear(peers, peer, 42, 2, 6), GG_HEARD_FUTURE);

    assert_int_equal(peer->heard, 1);
    assert_int_equal(peer->acked, 0);
    assert_int_equal(peer->heard_at.ms, 0);
}

static void acknowledgement_never_goes_back(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 2, 0);
    peer->sent = 5;
    assert_int_equal(hear(peers, peer, 42, 2, 5), GG_HEARD);

    assert_int_equal(hear(peers, peer, 42, 3, 4), GG_HEARD);

    assert_int_equal(peer->acked, 5);
}

static void receipts_come_in_order_through_growth_and_wrap(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 1, 0);
    uint64_t next = 1;
    uint64_t expected = 1;
    for (uint64_t round = 1; round <= 20; round++) {
        for (uint64_t i = 0; i < round; i++, next++) {
            struct gg_receipt receipt = {.sequence = next, .token = next};
            assert_true(gg_peer_owe(peer, &receipt));
        }
        peer->acked = next - 1 - round / 2;
        uint64_t token = 0;
        while (gg_peer_receipt(peer, &token)) {
            assert_int_equal(token, expected);
            expected++;
        }
        assert_int_equal(expected, peer->acked + 1);
    }
}

static void receipts_are_bounded(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *peer = open_at(peers, 1, 0);
    struct gg_receipt receipt = {.sequence = 1, .token = 1};
    for (int i = 0; i < GG_RECEIPTS_MAX; i++) {
        assert_true(gg_peer_owe(peer, &receipt));
    }

    assert_false(gg_peer_owe(peer, &receipt));
}

static void most_silent_client_is_found_and_agents_are_not(void **state)
{
    struct gg_peers *peers = *state;
    struct gg_peer *old = open_at(peers, 1, 10);
    struct gg_peer *agent = open_at(peers, 2, 5);
    struct gg_peer *young = open_at(peers, 3, 40);
    gg_peers_greet(peers, agent, true);

    assert_null(gg_peers_silent(peers, at(10)));
    assert_ptr_equal(gg_peers_silent(peers, at(11)), old);

    assert_int_equal(hear(peers, old, 41, 2, 0), GG_HEARD);
    assert_null(gg_peers_silent(peers, at(40)));
    assert_ptr_equal(gg_peers_silent(peers, at(41)), young);

    gg_peers_forgive(peers, at(100));
    assert_null(gg_peers_silent(peers, at(100)));
}

static void connection_without_hello_is_noticed_once(void **state)
{
    (void)state;
    struct gg_connections connections;
    gg_connections_init(&connections);
    assert_true(gg_connections_opened(&connections, GG_ENDPOINT_CLIENT, 70, at(10)));
    assert_true(gg_connections_opened(&connections, GG_ENDPOINT_AGENT, 70, at(20)));
    struct gg_peer peer = {.serial = 4, .number = 2};

    assert_true(gg_connections_greet(&connections, GG_ENDPOINT_CLIENT, 70, &peer));

    const struct gg_connection *mute = gg_connections_mute(&connections, at(21));
    assert_non_null(mute);
    assert_int_equal(mute->endpoint, GG_ENDPOINT_AGENT);
    assert_null(gg_connections_mute(&connections, at(21)));
    assert_int_equal(connections.count, 2);
    gg_connections_fini(&connections);
}

static void end_of_connection_names_its_session(void **state)
{
    (void)state;
    struct gg_connections connections;
    gg_connections_init(&connections);
    struct gg_peer peer = {.serial = 4, .number = 2};
    assert_true(gg_connections_opened(&connections, GG_ENDPOINT_CLIENT, 7, at(0)));
    assert_true(gg_connections_greet(&connections, GG_ENDPOINT_CLIENT, 7, &peer));

    const struct gg_connection *was = gg_connections_closed(&connections,
                                                            GG_ENDPOINT_CLIENT, 7);

    assert_non_null(was);
    assert_int_equal(was->serial, 4);
    assert_int_equal(was->peer, 2);
    assert_int_equal(connections.count, 0);
    assert_null(gg_connections_closed(&connections, GG_ENDPOINT_CLIENT, 7));
    assert_false(gg_connections_greet(&connections, GG_ENDPOINT_CLIENT, 7, &peer));
    gg_connections_fini(&connections);
}

static void descriptor_used_again_is_a_new_connection(void **state)
{
    (void)state;
    struct gg_connections connections;
    gg_connections_init(&connections);
    struct gg_peer peer = {.serial = 4, .number = 2};
    assert_true(gg_connections_opened(&connections, GG_ENDPOINT_CLIENT, 7, at(0)));
    assert_true(gg_connections_greet(&connections, GG_ENDPOINT_CLIENT, 7, &peer));

    assert_true(gg_connections_opened(&connections, GG_ENDPOINT_CLIENT, 7, at(9)));

    const struct gg_connection *mute = gg_connections_mute(&connections, at(10));
    assert_non_null(mute);
    assert_int_equal(mute->serial, 0);
    assert_int_equal(connections.count, 1);
    gg_connections_fini(&connections);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(session_is_found_by_its_route_and_endpoint_only),
        TEST(sessions_are_capped),
        TEST(number_is_used_again_and_serial_is_not),
        TEST(over_long_route_is_refused),
        TEST(messages_count_in_sequence),
        TEST(wrong_headers_leave_session_as_it_was),
        TEST(acknowledgement_never_goes_back),
        TEST(receipts_come_in_order_through_growth_and_wrap),
        TEST(receipts_are_bounded),
        TEST(most_silent_client_is_found_and_agents_are_not),
        TEST(connection_without_hello_is_noticed_once),
        TEST(end_of_connection_names_its_session),
        TEST(descriptor_used_again_is_a_new_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
