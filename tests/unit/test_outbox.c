/* test_outbox.c - durable before visible, batches, and peers that do not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/io/outbox.h"
#include "tests/lib/slow_store.h"

enum { SENT_MAX = 64 };

/* A transport that keeps what it is given, or refuses. */
struct wire {
    enum gg_sent answer;
    int calls;
    struct {
        uint8_t first_id; /* Of the route. */
        struct gg_header header;
        uint32_t count;
        char text[256]; /* The commands: in these tests printable bytes. */
        size_t attachment_bytes;
    } sent[SENT_MAX];
    int sent_count;
};

struct fixture {
    struct gg_peers peers;
    struct gg_outbox box;
    struct wire wire;
    struct gg_store *store;
    struct gg_peer *a;
    struct gg_peer *b;
    struct gg_effects fx;
};

static enum gg_sent keep(void *ctx, const struct gg_route *route, struct gg_slice frame,
                         struct gg_blob *attachment)
{
    struct wire *wire = ctx;
    wire->calls++;
    if (wire->answer != GG_SENT) {
        return wire->answer;
    }
    assert_true(wire->sent_count < SENT_MAX);
    assert_true(frame.len >= GG_PREFIX_BYTES);
    int i = wire->sent_count++;
    wire->sent[i].first_id = route->id[0];
    assert_int_equal(gg_header_read(frame, &wire->sent[i].header), GG_OK);
    wire->sent[i].count = frame.data[GG_PREFIX_BYTES - 1];
    gg_slice_copy(
        gg_slice_of(frame.data + GG_PREFIX_BYTES, frame.len - GG_PREFIX_BYTES),
        wire->sent[i].text, sizeof wire->sent[i].text);
    wire->sent[i].attachment_bytes = gg_blob_slice(attachment).len;
    return GG_SENT;
}

static struct gg_peer *open_peer(struct fixture *f, uint8_t id)
{
    struct gg_route route;
    struct gg_peer *peer = NULL;
    assert_true(gg_route_set(&route, GG_ENDPOINT_CLIENT, gg_slice_of(&id, 1)));
    assert_int_equal(
        gg_peers_open(&f->peers, &route, 100 + id, (struct gg_mono){0}, &peer), GG_OK);
    return peer;
}

static void close_peer(struct fixture *f, struct gg_peer *peer)
{
    gg_outbox_drop(&f->box, peer);
    gg_peers_close(&f->peers, peer);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->store = slow_store_open();
    gg_peers_init(&f->peers, 16, 7);
    gg_outbox_init(&f->box, &f->peers, keep, &f->wire);
    gg_buf_init(&f->fx.arena, 1 << 24);
    f->a = open_peer(f, 'A');
    f->b = open_peer(f, 'B');
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->a != NULL) {
        close_peer(f, f->a);
    }
    close_peer(f, f->b);
    gg_outbox_fini(&f->box);
    gg_peers_fini(&f->peers);
    gg_store_close(&f->store);
    gg_buf_fini(&f->fx.arena);
    free(f);
    return 0;
}

/* An effect whose command is `text`. */
static void emit(struct fixture *f, struct gg_peer *peer, uint64_t after,
                 const char *text, uint64_t token, struct gg_blob *attachment)
{
    gg_buf_clear(&f->fx.arena);
    gg_buf_append(&f->fx.arena, text, strlen(text));
    struct gg_effect effect = {
        .type = GG_FX_SEND,
        .peer = peer->number,
        .after = after,
        .token = token,
        .len = (uint32_t)strlen(text),
        .attachment = attachment,
    };
    gg_outbox_add(&f->box, peer, &f->fx, &effect);
}

static void say(struct fixture *f, struct gg_peer *peer, uint64_t after,
                const char *text)
{
    emit(f, peer, after, text, 0, NULL);
}

static void say_patiently(struct fixture *f, struct gg_peer *peer)
{
    struct gg_effect effect = {
        .type = GG_FX_SEND, .peer = peer->number, .len = 1, .patient = true};
    gg_buf_clear(&f->fx.arena);
    gg_buf_append(&f->fx.arena, "p", 1);
    gg_outbox_add(&f->box, peer, &f->fx, &effect);
}

static void put(struct fixture *f, uint64_t number)
{
    struct gg_store_key key = {.kind = GG_STORE_JOB, .id = {.bytes = {1}}};
    assert_int_equal(gg_store_put(f->store, number, &key, gg_slice_text("r")), GG_OK);
}

/* What the shell does at the end of a pass. */
static void end_pass(struct fixture *f)
{
    uint64_t durable = 0;
    assert_int_equal(gg_store_commit(f->store), GG_OK);
    assert_int_equal(gg_store_durable(f->store, &durable), GG_OK);
    gg_outbox_release(&f->box, durable);
    gg_outbox_flush(&f->box, true);
}

static void commands_of_one_pass_travel_in_one_message(void **state)
{
    struct fixture *f = *state;
    f->a->heard = 9;
    say(f, f->a, 0, "one");
    say(f, f->b, 0, "other");
    say(f, f->a, 0, "two");

    end_pass(f);

    assert_int_equal(f->wire.sent_count, 2);
    assert_string_equal(f->wire.sent[0].text, "onetwo");
    assert_int_equal(f->wire.sent[0].count, 2);
    assert_int_equal(f->wire.sent[0].header.type, GG_MESSAGE_COMMANDS);
    assert_int_equal(f->wire.sent[0].header.session, 100 + 'A');
    assert_int_equal(f->wire.sent[0].header.sequence, 1);
    assert_int_equal(f->wire.sent[0].header.acked, 9);
    assert_string_equal(f->wire.sent[1].text, "other");
}

/* The rule of the house: what a record says is shown only once the record is safe. */
static void nothing_is_shown_before_its_record_is_durable(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    say(f, f->a, 1, "accepted");

    end_pass(f);
    assert_int_equal(f->wire.sent_count, 0);
    assert_true(f->box.held_bytes > 0);

    assert_true(slow_store_answer(f->store));
    end_pass(f);
    assert_int_equal(f->wire.sent_count, 1);
    assert_string_equal(f->wire.sent[0].text, "accepted");
    assert_int_equal(f->box.held_bytes, 0);
}

static void effect_that_waits_for_nothing_passes_one_that_waits(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    say(f, f->a, 1, "later");
    say(f, f->a, 0, "now");

    end_pass(f);

    assert_int_equal(f->wire.sent_count, 1);
    assert_string_equal(f->wire.sent[0].text, "now");
}

static void held_effects_leave_by_record_then_by_emission(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    put(f, 2);
    put(f, 3);
    say(f, f->a, 3, "e");
    say(f, f->a, 1, "a");
    say(f, f->a, 2, "c");
    say(f, f->a, 1, "b");
    say(f, f->a, 2, "d");
    say(f, f->a, 3, "f");
    end_pass(f);

    assert_true(slow_store_answer(f->store));
    end_pass(f);

    assert_string_equal(f->wire.sent[0].text, "abcdef");
}

static void commit_releases_only_what_it_covers(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    say(f, f->a, 1, "first");
    end_pass(f);
    put(f, 2);
    say(f, f->a, 2, "second");
    end_pass(f);

    assert_true(slow_store_answer(f->store));
    end_pass(f);

    assert_int_equal(f->wire.sent_count, 1);
    assert_string_equal(f->wire.sent[0].text, "first");
}

/* The number of a peer is used again; what was held for the session before is not. */
static void held_effect_of_closed_session_reaches_nobody(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    say(f, f->a, 1, "secret");
    uint32_t number = f->a->number;
    close_peer(f, f->a);
    f->a = open_peer(f, 'C');
    assert_int_equal(f->a->number, number);

    assert_int_equal(gg_store_sync(f->store), GG_OK);
    end_pass(f);

    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->box.held_bytes, 0);
}

static void attachment_ends_message_and_follows_its_command(void **state)
{
    struct fixture *f = *state;
    struct gg_blob *blob = gg_blob_new(gg_slice_text("large"));
    say(f, f->a, 0, "x");
    emit(f, f->a, 0, "y", 0, blob);
    emit(f, f->a, 0, "z", 0, blob);
    say(f, f->a, 0, "w");
    gg_blob_unref(&blob);

    end_pass(f);

    assert_int_equal(f->wire.sent_count, 3);
    assert_string_equal(f->wire.sent[0].text, "xy");
    assert_int_equal(f->wire.sent[0].attachment_bytes, 5);
    assert_string_equal(f->wire.sent[1].text, "z");
    assert_int_equal(f->wire.sent[1].attachment_bytes, 5);
    assert_string_equal(f->wire.sent[2].text, "w");
    assert_int_equal(f->wire.sent[2].attachment_bytes, 0);
}

static void tokens_come_back_once_acknowledged(void **state)
{
    struct fixture *f = *state;
    uint64_t token = 0;
    emit(f, f->a, 0, "one", 11, NULL);
    emit(f, f->a, 0, "two", 12, NULL);
    end_pass(f);
    emit(f, f->a, 0, "three", 13, NULL);
    end_pass(f);
    assert_false(gg_peer_receipt(f->a, &token));

    f->a->acked = 1;

    assert_true(gg_peer_receipt(f->a, &token));
    assert_int_equal(token, 11);
    assert_true(gg_peer_receipt(f->a, &token));
    assert_int_equal(token, 12);
    assert_false(gg_peer_receipt(f->a, &token));
}

static void stuck_peer_keeps_its_batch_and_hurts_nobody(void **state)
{
    struct fixture *f = *state;
    f->wire.answer = GG_SENT_STUCK;
    say(f, f->a, 0, "one");
    end_pass(f);
    assert_int_equal(f->box.stuck_count, 1);

    f->wire.answer = GG_SENT;
    say(f, f->a, 0, "two");
    say(f, f->b, 0, "other");
    end_pass(f);

    assert_int_equal(f->box.stuck_count, 0);
    assert_int_equal(f->wire.sent_count, 2);
    assert_string_equal(f->wire.sent[0].text, "onetwo");
    assert_int_equal(f->wire.sent[0].header.sequence, 1);
    assert_int_equal(f->a->backlog_bytes, 0);
}

static void backlog_beyond_bound_dooms_session(void **state)
{
    struct fixture *f = *state;
    f->box.backlog_bytes_max = 100;
    f->wire.answer = GG_SENT_STUCK;
    say(f, f->a, 0, "0123456789012345678901234567890123456789");
    assert_null(f->a->doomed);

    say(f, f->a, 0, "0123456789012345678901234567890123456789");

    assert_string_equal(f->a->doomed, "backlog");
    assert_ptr_equal(gg_list_first(&f->box.doomed), &f->a->dooming);
    say(f, f->a, 0, "ignored");
    assert_null(f->b->doomed);
}

/* Confirmations of many outcomes and the jobs that come in their place are one message,
 * unless there are too many of them. */
static void what_nobody_waits_for_goes_with_what_somebody_does(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        say_patiently(f, f->a);
    }
    gg_outbox_flush(&f->box, false);
    assert_int_equal(f->wire.sent_count, 0);
    for (int i = 0; i < 250; i++) {
        say(f, f->a, 0, "u");
    }
    assert_int_equal(f->wire.sent_count, 1);
    assert_int_equal(f->wire.sent[0].count, (300 + 250) & 0xff); /* Its last byte. */

    for (int i = 0; i < 999; i++) {
        say_patiently(f, f->b);
    }
    assert_int_equal(f->wire.sent_count, 1);
    say_patiently(f, f->b);
    assert_int_equal(f->wire.sent_count, 2);
    assert_int_equal(f->wire.sent[1].count, 1000 & 0xff);
}

static void vanished_peer_is_doomed(void **state)
{
    struct fixture *f = *state;
    f->wire.answer = GG_SENT_GONE;
    say(f, f->a, 0, "one");

    end_pass(f);

    assert_string_equal(f->a->doomed, "gone");
}

/* A receiver takes 65,536 values a message; each is a byte at least. */
static void message_stays_below_what_receivers_take(void **state)
{
    struct fixture *f = *state;
    char text[20001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        say(f, f->a, 0, text);
    }

    end_pass(f);

    assert_int_equal(f->wire.sent_count, 2);
    assert_int_equal(f->wire.sent[0].count, 2);
    assert_int_equal(f->wire.sent[1].header.sequence, 2);
}

static void unacknowledged_attachments_hold_the_next_back(void **state)
{
    struct fixture *f = *state;
    uint64_t token = 0;
    f->box.in_flight_bytes_max = 8;
    struct gg_blob *blob = gg_blob_new(gg_slice_text("large"));
    emit(f, f->a, 0, "y", 0, blob);
    emit(f, f->a, 0, "z", 5, blob);
    gg_blob_unref(&blob);
    end_pass(f);
    assert_int_equal(f->wire.sent_count, 1);

    f->a->acked = 1;
    assert_false(gg_peer_receipt(f->a, &token));
    end_pass(f);

    assert_int_equal(f->wire.sent_count, 2);
    assert_string_equal(f->wire.sent[1].text, "z");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(commands_of_one_pass_travel_in_one_message),
        TEST(nothing_is_shown_before_its_record_is_durable),
        TEST(effect_that_waits_for_nothing_passes_one_that_waits),
        TEST(held_effects_leave_by_record_then_by_emission),
        TEST(commit_releases_only_what_it_covers),
        TEST(held_effect_of_closed_session_reaches_nobody),
        TEST(attachment_ends_message_and_follows_its_command),
        TEST(tokens_come_back_once_acknowledged),
        TEST(stuck_peer_keeps_its_batch_and_hurts_nobody),
        TEST(backlog_beyond_bound_dooms_session),
        TEST(what_nobody_waits_for_goes_with_what_somebody_does),
        TEST(vanished_peer_is_doomed),
        TEST(message_stays_below_what_receivers_take),
        TEST(unacknowledged_attachments_hold_the_next_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
