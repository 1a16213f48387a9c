/* test_pools.c - the pools of an agent, as a file says them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "worker/pools.h"
#include "worker/words.h"

#include <cmocka.h>

struct fixture {
    struct gg_worker_file file;
    struct gg_settings_fault fault;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_worker_file_fini(&f->file);
    free(f);
    return 0;
}

static enum gg_err load(struct fixture *f, const char *text)
{
    char copy[4096];
    gg_worker_file_fini(&f->file);
    gg_slice_copy(gg_slice_text(text), copy, sizeof copy);
    FILE *file = fmemopen(copy, strlen(copy), "r");
    enum gg_err err = gg_worker_file_read(file, "test.conf", &f->file, &f->fault);
    (void)fclose(file);
    return err;
}

/* The file is refused with a sentence that has `why` in it. */
static void assert_refused(struct fixture *f, const char *text, const char *why)
{
    assert_int_equal(load(f, text), GG_ERR_CONFIG);
    if (strstr(f->fault.text, why) == NULL) {
        fail_msg("not about \"%s\": %s", why, f->fault.text);
    }
}

static void file_says_agent_groups_and_pools(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "name = build-1\n"
                             "grace = 5s\n"
                             "[group media]\n"
                             "strategy = rest_for_one\n"
                             "[pool encode]\n"
                             "queues = video.* audio\n"
                             "queues = extra\n"
                             "coprocess = python3 'my file.py' --fast\n"
                             "size = 4\n"
                             "overflow = 2\n"
                             "order = fifo\n"
                             "restart = transient\n"
                             "shutdown = 0\n"
                             "group = media\n"
                             "[pool mail]\n"
                             "queues = mail\n"
                             "program = /usr/sbin/sendmail\n"),
                     GG_OK);

    const struct gg_pool_settings *encode = &f->file.pools[0];
    assert_int_equal(f->file.pool_count, 2);
    assert_string_equal(f->file.name, "build-1");
    assert_int_equal(f->file.grace_ms, 5000);
    assert_string_equal(encode->name, "encode");
    assert_int_equal(encode->queue_count, 3);
    assert_string_equal(encode->queue_list[2], "extra");
    assert_int_equal(encode->kind, GG_POOL_COPROCESS);
    assert_string_equal(encode->words[1], "my file.py");
    assert_null(encode->words[3]);
    assert_int_equal(encode->sup.size, 4);
    assert_int_equal(encode->sup.overflow, 2);
    assert_true(encode->sup.fifo);
    assert_int_equal(encode->sup.restart, GG_RESTART_TRANSIENT);
    assert_int_equal(encode->sup.strategy, GG_REST_FOR_ONE);
    assert_int_equal(encode->shutdown_ms, 0);
    assert_int_not_equal(encode->sup.group, GG_SUP_NO_GROUP);
    assert_int_equal(f->file.pools[1].sup.group, GG_SUP_NO_GROUP);
    assert_int_equal(f->file.pools[1].sup.restarts_max, 3);
    assert_int_equal(f->file.pools[1].sup.window_ms, 5000);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "", "no [pool NAME]");
    assert_refused(f, "[pool a]\nqueues = x\nprogram = y\nsiez = 2\n",
                   "test.conf:4: there is no setting 'siez'");
    assert_refused(f, "nmae = x\n", "there is no setting 'nmae'");
    assert_refused(f, "[pool a]\nprogram = y\n", "[pool a] queues");
    assert_refused(f, "[pool a]\nqueues = x\n", "say one of");
    assert_refused(f, "[pool a]\nqueues = x\nprogram = y\nhandler = z\n", "say one of");
    assert_refused(f, "[pool a]\nqueues = x\nprogram = 'y\n", "quote without its end");
    assert_refused(f, "[pool a]\nqueues = x y/z\nprogram = p\n", "pattern of a queue");
    assert_refused(f, "[pool a]\nqueues = x\nbuiltin = echo\n", "only noop");
    assert_refused(f, "[pool a]\nqueues = x\nbuiltin = noop\nbatch = 2\n",
                   "a builtin has no executors");
    assert_refused(f, "[pool a]\nqueues = x\ncoprocess = p\norder = random\n",
                   "lifo or fifo");
    assert_refused(f, "[pool a]\nqueues = x\ncoprocess = p\nrestart = always\n",
                   "permanent, transient or temporary");
    assert_refused(f, "[pool a]\nqueues = x\nprogram = p\nsize = 8000\n",
                   "out of bounds");
    assert_refused(f, "[pool a/b]\nqueues = x\n", "not a name");
    assert_refused(f, "[pools]\nqueues = x\n", "a section is");
    assert_refused(f, "[pool a]\nqueues\n", "test.conf:2");
}

static void group_must_be_there_with_a_strategy(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "[pool a]\nqueues = x\nprogram = p\ngroup = g\n",
                   "there is no [group] g");
    assert_refused(f, "[group g]\nstrategy = all\n[pool a]\nqueues = x\nprogram = p\n",
                   "one_for_one, one_for_all or rest_for_one");
    assert_refused(f, "[group g]\nsize = 3\n", "no setting size");
}

static void what_only_executors_can_do_is_refused_of_programs(void **state)
{
    static const char *const settings[] = {"overflow = 1",      "restart = transient",
                                           "order = fifo",      "partitions = 4",
                                           "recycle_jobs = 1",  "recycle_memory = 1M",
                                           "recycle_after = 1s"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "[pool a]\nqueues = x\nprogram = p\n%s\n",
                       settings[i]);
        assert_refused(f, text, "nothing else stays");
        (void)snprintf(text, sizeof text, "[pool a]\nqueues = x\ncoprocess = p\n%s\n",
                       settings[i]);
        assert_int_equal(load(f, text), GG_OK);
    }
}

static void partitions_take_the_place_of_size(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "[pool a]\nqueues = x\ncoprocess = p\npartitions = 8\n"),
                     GG_OK);
    assert_int_equal(f->file.pools[0].sup.size, 8);
    assert_int_equal(f->file.pools[0].sup.ahead_each, 1);
    assert_int_equal(gg_sup_room(&f->file.pools[0].sup), 16);
    assert_refused(f, "[pool a]\nqueues = x\ncoprocess = p\npartitions = 8\nsize = 3\n",
                   "partitions: no size");
    assert_refused(
        f, "[pool a]\nqueues = x\ncoprocess = p\npartitions = 8\noverflow = 1\n",
        "partitions: no size");
}

static void copy_stands_alone_and_is_equal_but_for_the_size(void **state)
{
    struct fixture *f = *state;
    struct gg_pool_settings copy;
    assert_int_equal(load(f, "[pool a]\nqueues = x y\nprogram = p 'q r'\n"), GG_OK);

    assert_int_equal(gg_pool_settings_copy(&f->file.pools[0], &copy), GG_OK);
    assert_int_equal(load(f, "[pool a]\nqueues = x y\nprogram = p 'q r'\nsize = 5\n"),
                     GG_OK);

    assert_string_equal(copy.words[1], "q r");
    assert_true(gg_pool_settings_equal(&copy, &f->file.pools[0]));
    assert_int_equal(load(f, "[pool a]\nqueues = x\nprogram = p 'q r'\n"), GG_OK);
    assert_false(gg_pool_settings_equal(&copy, &f->file.pools[0]));
    gg_pool_settings_fini(&copy);
}

static void words_are_split_as_written(void **state)
{
    static const struct {
        const char *text;
        const char *words[4];
    } rows[] = {
        {"", {NULL}},
        {"  a  b ", {"a", "b", NULL}},
        {"'a b' \"c d\"", {"a b", "c d", NULL}},
        {"a\\ b 'c'\\''d'", {"a b", "c'd", NULL}},
        {"\"a \\\" \\\\ \\n\" $x", {"a \" \\ \\n", "$x", NULL}},
        {"''", {"", NULL}},
    };
    char *words[5];
    uint32_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        gg_slice_copy(gg_slice_text(rows[i].text), text, sizeof text);
        assert_true(gg_words_split(text, words, 4, &count));
        for (uint32_t j = 0; j < count; j++) {
            assert_string_equal(words[j], rows[i].words[j]);
        }
        assert_null(rows[i].words[count]);
    }
    char many[] = "a b c";
    char open[] = "a 'b";
    assert_false(gg_words_split(many, words, 2, &count));
    assert_false(gg_words_split(open, words, 4, &count));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(file_says_agent_groups_and_pools),
        TEST(what_is_wrong_is_named_with_its_place),
        TEST(group_must_be_there_with_a_strategy),
        TEST(what_only_executors_can_do_is_refused_of_programs),
        TEST(partitions_take_the_place_of_size),
        TEST(copy_stands_alone_and_is_equal_but_for_the_size),
        TEST(words_are_split_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
