/* test_settings_table.c - settings and INI files, as any program's table says. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ini.h"
#include "common/settings.h"

struct values {
    uint64_t count;
    uint64_t wait_ms;
    uint64_t room_bytes;
    bool loud;
    char *title;
    char *greeting;
};

static const struct gg_setting table[] = {
    {"count", GG_SETTING_NUMBER, "3", 1, 10, offsetof(struct values, count),
     "How many."},
    {"wait", GG_SETTING_DURATION, "2s", 1000, 60000, offsetof(struct values, wait_ms),
     "How long."},
    {"room", GG_SETTING_BYTES, "64K", 1024, UINT64_C(1) << 40,
     offsetof(struct values, room_bytes), "How large."},
    {"loud", GG_SETTING_BOOL, "no", 0, 1, offsetof(struct values, loud), "How loud."},
    {"title", GG_SETTING_TEXT, NULL, 0, 0, offsetof(struct values, title), "What."},
    {"greeting", GG_SETTING_TEXT, "hello", 0, 0, offsetof(struct values, greeting),
     "What is said."},
    {0},
};

struct fixture {
    struct values values;
    struct gg_settings_fault fault;
    int fd; /* A file that is in memory only. */
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    memset(&f->values, 0xa5, sizeof f->values);
    assert_int_equal(gg_settings_init(table, &f->values), GG_OK);
    f->fd = memfd_create("settings", MFD_CLOEXEC);
    assert_true(f->fd >= 0);
    (void)snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_settings_fini(table, &f->values);
    (void)close(f->fd);
    free(f);
    return 0;
}

static enum gg_err set(struct fixture *f, const char *name, const char *value)
{
    f->fault.text[0] = '\0';
    return gg_settings_set(table, &f->values, name, value, &f->fault);
}

static enum gg_err load(struct fixture *f, const char *text)
{
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(pwrite(f->fd, text, strlen(text), 0), (ssize_t)strlen(text));
    f->fault.text[0] = '\0';
    return gg_settings_load(table, &f->values, f->path, &f->fault);
}

static void fallbacks_hold_until_something_is_said(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->values.count, 3);
    assert_int_equal(f->values.wait_ms, 2000);
    assert_int_equal(f->values.room_bytes, 65536);
    assert_false(f->values.loud);
    assert_null(f->values.title);
    assert_string_equal(f->values.greeting, "hello");
}

static void values_are_taken_to_their_bounds(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "count", "1"), GG_OK);
    assert_int_equal(set(f, "count", "10"), GG_OK);
    assert_int_equal(f->values.count, 10);
    assert_int_equal(set(f, "wait", "1000ms"), GG_OK);
    assert_int_equal(set(f, "wait", "1m"), GG_OK);
    assert_int_equal(f->values.wait_ms, 60000);
    assert_int_equal(set(f, "room", "1024"), GG_OK);
    assert_int_equal(set(f, "room", "1024G"), GG_OK);
    assert_int_equal(f->values.room_bytes, UINT64_C(1) << 40);
    assert_int_equal(set(f, "room", "2M"), GG_OK);
    assert_int_equal(f->values.room_bytes, 2097152);
    assert_int_equal(set(f, "loud", "yes"), GG_OK);
    assert_true(f->values.loud);
    assert_int_equal(set(f, "title", "a b c"), GG_OK);
    assert_string_equal(f->values.title, "a b c");
    assert_int_equal(set(f, "title", ""), GG_OK); /* Empty: not said. */
    assert_null(f->values.title);
}

static void wrong_value_is_named_and_changes_nothing(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } rows[] = {
        {"count", "0", "out of bounds (1 to 10)"},
        {"count", "11", "out of bounds (1 to 10)"},
        {"count", "", "a whole number"},
        {"count", "-1", "a whole number"},
        {"count", "3x", "a whole number"},
        {"count", "18446744073709551617", "a whole number"},
        {"wait", "999ms", "out of bounds"},
        {"wait", "61s", "out of bounds"},
        {"wait", "5", "a duration"},
        {"room", "1023", "out of bounds"},
        {"room", "2T", "a size"},
        {"room", "2k", "a size"},
        {"room", "17179869184G", "a size"},
        {"room", "18446744073709551616", "a size"},
        {"loud", "true", "yes or no"},
        {"loud", "", "yes or no"},
        {"volume", "1", "there is no setting 'volume'"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(set(f, rows[i].name, rows[i].value), GG_ERR_CONFIG);
        if (strstr(f->fault.text, rows[i].says) == NULL ||
            strstr(f->fault.text, rows[i].name) == NULL) {
            fail_msg("%s=%s: %s", rows[i].name, rows[i].value, f->fault.text);
        }
        fallbacks_hold_until_something_is_said(state);
    }
}

static void long_wrong_value_is_cut_in_the_message(void **state)
{
    struct fixture *f = *state;
    char value[2000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    assert_int_equal(set(f, "count", value), GG_ERR_CONFIG);
    assert_true(strlen(f->fault.text) < 300);
    assert_int_equal(set(f, value, "1"), GG_ERR_CONFIG);
    assert_true(strlen(f->fault.text) < 300);
}

static void file_is_read_over_the_fallbacks(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, "# a comment\n\n  \ncount = 7\nloud=yes\r\n"
                             "title = with spaces inside   \n; another comment\n"),
                     GG_OK);
    assert_int_equal(f->values.count, 7);
    assert_true(f->values.loud);
    assert_string_equal(f->values.title, "with spaces inside");
    assert_int_equal(f->values.wait_ms, 2000);
    assert_int_equal(load(f, ""), GG_OK);
    assert_int_equal(f->values.count, 7);
}

static void wrong_line_of_a_file_is_named(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(load(f, "count = 7\nwait = 1h\ncount = 8\n"), GG_ERR_CONFIG);
    assert_non_null(strstr(f->fault.text, ":2: wait: 1h is out of bounds"));
    assert_int_equal(load(f, "count = 7\n\nnonsense\n"), GG_ERR_CONFIG);
    assert_non_null(strstr(f->fault.text, ":3: the line is not 'name = value'"));
    assert_int_equal(load(f, "volume = 7\n"), GG_ERR_CONFIG);
    assert_non_null(strstr(f->fault.text, ":1: there is no setting 'volume'"));
    assert_int_equal(load(f, "[part]\ncount = 7\n"), GG_ERR_CONFIG);
    assert_non_null(strstr(f->fault.text, "sections are not known here"));
}

static void what_is_no_plain_file_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/no/such/file", "/dev/null", "/", ""};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(gg_settings_load(table, &f->values, paths[i], &f->fault),
                         GG_ERR_CONFIG);
        assert_true(strlen(f->fault.text) > 0);
    }
    assert_int_equal(ftruncate(f->fd, (1 << 20) + 1), 0);
    assert_int_equal(gg_settings_load(table, &f->values, f->path, &f->fault),
                     GG_ERR_CONFIG);
    assert_non_null(strstr(f->fault.text, "1 MiB"));
}

/* The example file names every setting, and is itself a file that can be read. */
static void printed_table_is_an_example_file(void **state)
{
    struct fixture *f = *state;
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    gg_settings_print(table, to);
    assert_int_equal(fclose(to), 0);

    assert_non_null(strstr(text, "# How long.\n# wait = 2s\n"));
    assert_non_null(strstr(text, "# What.\n# title = \n"));
    assert_int_equal(load(f, text), GG_OK);
    fallbacks_hold_until_something_is_said(state);
    free(text);
}

/* ---- INI files with sections ---- */

struct lines {
    char text[512];
    const char *refuse;
};

static bool remember(void *ctx, const char *section, const char *name,
                     const char *value)
{
    struct lines *lines = ctx;
    size_t len = strlen(lines->text);
    (void)snprintf(lines->text + len, sizeof lines->text - len, "[%s]%s=%s;", section,
                   name, value);
    return lines->refuse == NULL || strcmp(lines->refuse, name) != 0;
}

static int read_ini(const char *text, struct lines *lines)
{
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", text);
    FILE *file = fmemopen(copy, strlen(copy) + (copy[0] == '\0'), "r");
    assert_non_null(file);
    int line = gg_ini_read(file, remember, lines);
    assert_int_equal(fclose(file), 0);
    return line;
}

static void ini_lines_are_told_with_their_section(void **state)
{
    (void)state;
    struct lines lines = {0};
    assert_int_equal(
        read_ini("a = 1\n[one]\na = 2\nb =\n# no\n[two]\na = x y\n", &lines), 0);
    assert_string_equal(lines.text, "[]a=1;[one]a=2;[one]b=;[two]a=x y;");
}

static void ini_line_that_is_refused_is_the_last_one_told(void **state)
{
    (void)state;
    struct lines lines = {.refuse = "b"};
    assert_int_equal(read_ini("a = 1\nb = 2\nc = 3\nb = 4\n", &lines), 2);
    assert_string_equal(lines.text, "[]a=1;[]b=2;");
}

static void ini_line_that_is_none_is_numbered(void **state)
{
    (void)state;
    struct lines lines = {0};
    assert_int_equal(read_ini("a = 1\n\nnonsense\nb = 2\n", &lines), 3);
    lines = (struct lines){0};
    assert_int_equal(read_ini("[open\na = 1\n", &lines), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fallbacks_hold_until_something_is_said),
        TEST(values_are_taken_to_their_bounds),
        TEST(wrong_value_is_named_and_changes_nothing),
        TEST(long_wrong_value_is_cut_in_the_message),
        TEST(file_is_read_over_the_fallbacks),
        TEST(wrong_line_of_a_file_is_named),
        TEST(what_is_no_plain_file_is_refused),
        TEST(printed_table_is_an_example_file),
        TEST(ini_lines_are_told_with_their_section),
        TEST(ini_line_that_is_refused_is_the_last_one_told),
        TEST(ini_line_that_is_none_is_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
