/* test_auth_table.c - the file of authorised keys: what is taken, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/io/keys.h"

/* Public keys of the CURVE examples in zmq_curve(7), and a third. */
#define KEY_A "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_B "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_C "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hIC"

#define ALICE "[alice]\nkey = " KEY_A "\nroles = submit,observe\n"
#define REACH "realms = default\nqueues = reports* mail\n"

static struct gg_keys_fault fault;

static enum gg_err read_text(const char *text, struct gg_keys **out_keys)
{
    char copy[4096];
    (void)snprintf(copy, sizeof copy, "%s", text);
    FILE *file = fmemopen(copy, strlen(copy), "r");
    assert_non_null(file);
    enum gg_err err = gg_keys_read(file, "keys", out_keys, &fault);
    (void)fclose(file);
    return err;
}

static void assert_refused(const char *text, const char *because)
{
    struct gg_keys *keys = NULL;

    assert_int_equal(read_text(text, &keys), GG_ERR_CONFIG);

    assert_null(keys);
    if (strstr(fault.text, because) == NULL) {
        print_error("'%s' does not say '%s'\n", fault.text, because);
        fail();
    }
}

static void section_becomes_grant(void **state)
{
    (void)state;
    struct gg_keys *keys = NULL;

    assert_int_equal(read_text("# people\n" ALICE REACH, &keys), GG_OK);

    assert_int_equal(keys->count, 1);
    const struct gg_authorised_key *alice = gg_keys_by_name(keys,
                                                            gg_slice_text("alice"));
    assert_non_null(alice);
    assert_string_equal(alice->text, KEY_A);
    assert_string_equal(alice->grant.name.text, "alice");
    assert_int_equal(alice->grant.roles, GG_ROLE_SUBMIT | GG_ROLE_OBSERVE);
    assert_int_equal(alice->grant.realm_count, 1);
    assert_int_equal(alice->grant.queue_count, 2);
    assert_string_equal(alice->grant.queues[1].text, "mail");
    gg_keys_unref(&keys);
}

static void keys_are_found_by_name_and_by_bytes(void **state)
{
    (void)state;
    struct gg_keys *keys = NULL;
    static const char text[] = ALICE REACH
        "[bob]\nkey = " KEY_B "\nroles = work operate\nrealms = *\nqueues = *\n";

    assert_int_equal(read_text(text, &keys), GG_OK);

    struct gg_authorised_key *alice = gg_keys_by_name(keys, gg_slice_text("alice"));
    struct gg_authorised_key *bob = gg_keys_by_name(keys, gg_slice_text("bob"));
    assert_non_null(alice);
    assert_non_null(bob);
    assert_ptr_equal(gg_keys_by_public(keys, alice->public_key), alice);
    assert_ptr_equal(gg_keys_by_public(keys, bob->public_key), bob);
    assert_null(gg_keys_by_name(keys, gg_slice_text("carol")));
    uint8_t unknown[GG_KEY_PUBLIC_BYTES] = {0};
    assert_null(gg_keys_by_public(keys, unknown));
    assert_int_equal(bob->grant.roles, GG_ROLE_WORK | GG_ROLE_OPERATE);
    gg_keys_unref(&keys);
}

static void empty_file_admits_nobody(void **state)
{
    (void)state;
    struct gg_keys *keys = NULL;
    uint8_t unknown[GG_KEY_PUBLIC_BYTES] = {0};

    assert_int_equal(read_text("# nobody yet\n", &keys), GG_OK);

    assert_null(gg_keys_by_public(keys, unknown));
    assert_null(gg_keys_by_name(keys, gg_slice_text("alice")));
    gg_keys_unref(&keys);
}

static void every_part_is_needed(void **state)
{
    (void)state;
    assert_refused("[alice]\nroles = submit\n" REACH, "lacks");
    assert_refused("[alice]\nkey = " KEY_A "\n" REACH, "lacks");
    assert_refused(ALICE "realms = *\n", "lacks");
    assert_refused(ALICE "queues = *\n", "lacks");
}

static void faults_are_named(void **state)
{
    (void)state;
    assert_refused("key = " KEY_A "\n", "keys:1: the section's name");
    assert_refused("[alice smith]\nkey = " KEY_A "\n", "keys:2: the section's name");
    assert_refused("[alice]\nkey = short\n", "keys:2: key must be");
    assert_refused("[alice]\nkey = " KEY_A "\nkey = " KEY_B "\n", "keys:3: key must");
    assert_refused(ALICE "roles = root\n", "keys:4: roles are");
    assert_refused(ALICE "queues = a/b\n", "keys:4: a pattern");
    assert_refused(ALICE "colour = blue\n", "keys:4: a key has");
    assert_refused(ALICE "nonsense\n", "keys:4: the line");
    assert_refused(ALICE "queues = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
                   "at most 16");
}

static void names_and_keys_stand_once(void **state)
{
    (void)state;
    static const char bob[] = "[bob]\nkey = " KEY_B "\nroles = work\n" REACH;
    char text[1024];
    (void)snprintf(text, sizeof text, "%s%s%s", ALICE REACH, bob,
                   "[alice]\nkey = " KEY_C "\nroles = work\n" REACH);
    assert_refused(text, "stands twice");
    (void)snprintf(text, sizeof text, "%s%s", ALICE REACH,
                   "[bob]\nkey = " KEY_A "\nroles = work\n" REACH);
    assert_refused(text, "has the key of another section");
}

static void change_of_key_or_right_is_seen(void **state)
{
    (void)state;
    static const char *const texts[] = {
        ALICE REACH,
        ALICE REACH,
        "[alice]\nkey = " KEY_C "\nroles = submit,observe\n" REACH,
        "[alice]\nkey = " KEY_A "\nroles = submit\n" REACH,
        ALICE "realms = other\nqueues = reports* mail\n",
        ALICE "realms = default\nqueues = reports*\n",
    };
    struct gg_keys *tables[6] = {0};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(read_text(texts[i], &tables[i]), GG_OK);
    }

    assert_true(gg_authorised_same(tables[0]->by_name[0], tables[1]->by_name[0]));
    for (int i = 2; i < 6; i++) {
        assert_false(gg_authorised_same(tables[0]->by_name[0], tables[i]->by_name[0]));
    }

    for (int i = 0; i < 6; i++) {
        gg_keys_unref(&tables[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(section_becomes_grant),
        cmocka_unit_test(keys_are_found_by_name_and_by_bytes),
        cmocka_unit_test(empty_file_admits_nobody),
        cmocka_unit_test(every_part_is_needed),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(names_and_keys_stand_once),
        cmocka_unit_test(change_of_key_or_right_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
