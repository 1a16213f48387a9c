/* test_hand.c - what an executor has in hand, and how far ahead it is given more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "worker/exec/hand.h"

#include <cmocka.h>

enum { TRIALS_MAX = 100, WARY_MAX = 100000 };

/* One attempt that takes `us`, alone; returns when it is over. */
static int64_t one(struct gg_hand *hand, int64_t now_us, int64_t us)
{
    gg_hand_put(hand, 1, 0, now_us);
    (void)gg_hand_pop(hand, now_us + us);
    return now_us + us;
}

/* So many alone until more than one at a time is given. */
static int until_trusted(struct gg_hand *hand, int64_t us, int most)
{
    int count = 0;
    for (int64_t now_us = 0; count < most; count++) {
        gg_hand_put(hand, 7, 0, now_us);
        bool trusted = gg_hand_room(hand, now_us) > 0;
        now_us += us;
        (void)gg_hand_pop(hand, now_us);
        if (trusted) {
            break;
        }
    }
    return count;
}

static void attempts_are_done_in_the_order_they_were_put(void **state)
{
    struct gg_hand hand;
    (void)state;
    gg_hand_init(&hand);

    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= GG_HAND_MAX - 5; i++) {
            gg_hand_put(&hand, i, (int64_t)(1000 - i), 0);
        }
        assert_int_equal(gg_hand_find(&hand, 3), 2);
        assert_int_equal(gg_hand_find(&hand, 99), hand.count);
        assert_int_equal(gg_hand_lease(&hand), 1000 - (GG_HAND_MAX - 5));
        for (uint64_t i = 1; i <= GG_HAND_MAX - 5; i++) {
            assert_int_equal(gg_hand_at(&hand, 0)->fence, i);
            assert_int_equal(gg_hand_pop(&hand, 1).fence, i);
        }
        assert_int_equal(hand.count, 0);
        assert_int_equal(gg_hand_lease(&hand), 0);
    }
}

static void lease_that_is_none_is_not_the_first(void **state)
{
    struct gg_hand hand;
    (void)state;
    gg_hand_init(&hand);
    gg_hand_put(&hand, 1, 0, 0);
    gg_hand_put(&hand, 2, 70, 0);
    gg_hand_put(&hand, 3, 50, 0);

    assert_int_equal(gg_hand_lease(&hand), 50);
}

static void new_one_is_given_one_at_a_time_at_first(void **state)
{
    struct gg_hand hand;
    (void)state;
    gg_hand_init(&hand);
    assert_int_equal(gg_hand_room(&hand, 0), 1);

    int trials = until_trusted(&hand, 10, TRIALS_MAX);

    assert_true(trials > 3 && trials < TRIALS_MAX);
    assert_int_equal(gg_hand_room(&hand, 0), 1); /* Idle: one, and then by that. */
    gg_hand_put(&hand, 1, 0, 5000);
    assert_int_equal(gg_hand_room(&hand, 5000), GG_HAND_MAX - 1);
    gg_hand_put(&hand, 2, 0, 5000);
    assert_int_equal(gg_hand_room(&hand, 5000), GG_HAND_MAX - 2);
}

static void long_attempts_have_nothing_behind_them(void **state)
{
    struct gg_hand hand;
    int64_t now_us = 0;
    (void)state;
    gg_hand_init(&hand);
    for (int i = 0; i < TRIALS_MAX; i++) {
        now_us = one(&hand, now_us, 4000);
    }

    gg_hand_put(&hand, 1, 0, now_us);
    uint32_t few = gg_hand_room(&hand, now_us);
    assert_true(few > 0 && few < 10);
    (void)gg_hand_pop(&hand, now_us);
    now_us = one(&hand, now_us, 10000000);
    gg_hand_put(&hand, 2, 0, now_us);

    assert_int_equal(gg_hand_room(&hand, now_us), 0); /* One long one is enough. */
}

static void nothing_is_put_behind_one_that_has_become_long(void **state)
{
    struct gg_hand hand;
    (void)state;
    gg_hand_init(&hand);
    (void)until_trusted(&hand, 10, TRIALS_MAX);

    gg_hand_put(&hand, 1, 0, 1000);
    assert_true(gg_hand_room(&hand, 1000) > 0);

    assert_int_equal(gg_hand_room(&hand, 1000000), 0);
}

static void one_that_leaves_traces_is_given_one_at_a_time_for_long(void **state)
{
    struct gg_hand hand;
    (void)state;
    gg_hand_init(&hand);
    (void)until_trusted(&hand, 10, TRIALS_MAX);

    gg_hand_be_wary(&hand);
    gg_hand_put(&hand, 1, 0, 0);
    assert_int_equal(gg_hand_room(&hand, 0), 0);
    (void)gg_hand_pop(&hand, 1);
    int trials = until_trusted(&hand, 10, WARY_MAX);

    assert_true(trials >= 100 && trials < WARY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_are_done_in_the_order_they_were_put),
        cmocka_unit_test(lease_that_is_none_is_not_the_first),
        cmocka_unit_test(new_one_is_given_one_at_a_time_at_first),
        cmocka_unit_test(long_attempts_have_nothing_behind_them),
        cmocka_unit_test(nothing_is_put_behind_one_that_has_become_long),
        cmocka_unit_test(one_that_leaves_traces_is_given_one_at_a_time_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
