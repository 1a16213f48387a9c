/* test_list.c - the intrusive list, and random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/list.h"
#include "common/rng.h"

struct item {
    int number;
    struct gg_link link;
};

static void expect(const struct gg_link *head, const char *digits)
{
    GG_LIST_EACH(head, it)
    {
        const struct item *item = GG_CONTAINER(it, struct item, link);
        assert_int_equal(item->number, *digits - '0');
        assert_ptr_equal(it->next->prev, it);
        digits++;
    }
    assert_int_equal(*digits, '\0');
}

static void elements_stand_where_they_were_put(void **state)
{
    (void)state;
    struct item items[5] = {
        {.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct gg_link head;
    gg_list_init(&head);
    assert_true(gg_list_empty(&head));
    assert_null(gg_list_first(&head));
    expect(&head, "");

    gg_list_push_back(&head, &items[1].link);
    gg_list_push_back(&head, &items[2].link);
    gg_list_push_front(&head, &items[0].link);
    gg_list_insert_after(&items[1].link, &items[4].link);
    expect(&head, "0142");
    assert_false(gg_list_empty(&head));
    assert_ptr_equal(gg_list_first(&head), &items[0].link);

    gg_list_remove(&items[1].link);
    expect(&head, "042");
    gg_list_push_back(&head, &items[1].link);
    expect(&head, "0421");
}

static void removing_what_is_in_no_list_is_harmless(void **state)
{
    (void)state;
    struct item item = {.number = 1};
    struct gg_link head;
    gg_list_init(&head);
    assert_false(gg_list_linked(&item.link));
    gg_list_remove(&item.link);
    gg_list_push_back(&head, &item.link);
    assert_true(gg_list_linked(&item.link));
    gg_list_remove(&item.link);
    gg_list_remove(&item.link);
    assert_false(gg_list_linked(&item.link));
    assert_true(gg_list_empty(&head));
}

static void element_at_hand_may_leave_during_a_walk(void **state)
{
    (void)state;
    struct item items[6];
    struct gg_link head;
    gg_list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i] = (struct item){.number = i};
        gg_list_push_back(&head, &items[i].link);
    }
    GG_LIST_EACH(&head, it)
    {
        if (GG_CONTAINER(it, struct item, link)->number % 2 == 0) {
            gg_list_remove(it);
        }
    }
    expect(&head, "135");
}

static void same_seed_gives_same_numbers(void **state)
{
    (void)state;
    struct gg_rng a = {.state = 0};
    struct gg_rng b = {.state = 0};
    /* The first numbers of splitmix64 from seed 0, as its authors give them. */
    assert_true(gg_rng_next(&a) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(gg_rng_next(&a) == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(gg_rng_next(&b) == UINT64_C(0xe220a8397b1dcdaf));
    for (int i = 0; i < 1000; i++) {
        assert_true(gg_rng_below(&a, 7) < 7);
        assert_int_equal(gg_rng_below(&a, 1), 0);
    }
}

static void seeds_of_the_kernel_differ(void **state)
{
    (void)state;
    struct gg_rng a = {0};
    struct gg_rng b = {0};
    gg_rng_seed(&a);
    gg_rng_seed(&b);
    assert_true(a.state != b.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_stand_where_they_were_put),
        cmocka_unit_test(removing_what_is_in_no_list_is_harmless),
        cmocka_unit_test(element_at_hand_may_leave_during_a_walk),
        cmocka_unit_test(same_seed_gives_same_numbers),
        cmocka_unit_test(seeds_of_the_kernel_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
