/* golden_keep.c - are the records on disk what they were? Each file of tests/golden/
 * keep has a record's bytes and what they say; old files are never edited.
 *
 *   kind JOB            the kind under which it is stored
 *   id 0123…            32 hex digits
 *   bytes 01ab…         the record; may go on in further lines of that name
 *   reads ok            or the name of the error with which it is refused
 *   field NAME VALUE    each field that is not default: a number, or hex digits
 *   decode only         a newer broker wrote it: the same fields give other bytes here
 *
 * golden_keep --show FILE prints what the bytes of FILE say, to make a new file of.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/core/keep.h"

enum { BYTES_MAX = 4096, TEXT_MAX = 16384, LINE_MAX_BYTES = 9000 };

struct golden {
    enum gg_keep_kind kind;
    struct gg_id id;
    uint8_t bytes[BYTES_MAX];
    size_t len;
    char reads[32];
    char fields[TEXT_MAX]; /* The lines "field …", as they stand in the file. */
    bool decode_only;
};

union any {
    struct gg_keep_meta meta;
    struct gg_keep_job job;
    struct gg_keep_queue queue;
    struct gg_keep_agent agent;
};

static size_t from_hex(const char *hex, uint8_t *out, size_t room)
{
    size_t len = 0;
    unsigned byte = 0;
    while (sscanf(hex + 2 * len, "%2x", &byte) == 1) {
        assert_true(len < room);
        out[len++] = (uint8_t)byte;
    }
    return len;
}

static enum gg_keep_kind kind_of(const char *name)
{
    for (int form = GG_KEEP_META; form < GG_KEEP_KIND_COUNT; form++) {
        if (strcmp(gg_keep_form_of((enum gg_keep_form)form)->name, name) == 0) {
            return (enum gg_keep_kind)form;
        }
    }
    fail_msg("no kind %s", name);
    return GG_KEEP_META;
}

static void take_line(struct golden *golden, char *line)
{
    char *value = strchr(line, ' ');
    line[strcspn(line, "\n")] = '\0';
    if (value == NULL || line[0] == '#') {
        return;
    }
    value++;
    if (strncmp(line, "kind ", 5) == 0) {
        golden->kind = kind_of(value);
    } else if (strncmp(line, "id ", 3) == 0) {
        assert_int_equal(from_hex(value, golden->id.bytes, GG_ID_BYTES), GG_ID_BYTES);
    } else if (strncmp(line, "bytes ", 6) == 0) {
        golden->len += from_hex(value, golden->bytes + golden->len,
                                BYTES_MAX - golden->len);
    } else if (strncmp(line, "reads ", 6) == 0) {
        (void)snprintf(golden->reads, sizeof golden->reads, "%s", value);
    } else if (strncmp(line, "field ", 6) == 0) {
        strncat(golden->fields, line, TEXT_MAX - strlen(golden->fields) - 2);
        strncat(golden->fields, "\n", 2);
    } else {
        assert_string_equal(line, "decode only");
        golden->decode_only = true;
    }
}

static void load(const char *path, struct golden *out)
{
    static char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    *out = (struct golden){.kind = GG_KEEP_META};
    while (fgets(line, sizeof line, file) != NULL) {
        take_line(out, line);
    }
    (void)fclose(file);
}

/* The lines "field …" of what has been read. */
static void print_fields(enum gg_keep_kind kind, const union any *record, char *out)
{
    const struct gg_keep_form_info *form = gg_keep_form_of((enum gg_keep_form)kind);
    size_t at = 0;
    out[0] = '\0';
    for (uint16_t i = 0; i < form->count; i++) {
        const struct gg_keep_field *field = &form->fields[i];
        const void *member = (const char *)record + field->offset;
        if (!field->bytes) {
            uint64_t value = *(const uint64_t *)member;
            if (value != field->fallback) {
                at += (size_t)snprintf(out + at, TEXT_MAX - at, "field %s %llu\n",
                                       field->name, (unsigned long long)value);
            }
            continue;
        }
        const struct gg_slice *bytes = member;
        if (bytes->len == 0) {
            continue;
        }
        at += (size_t)snprintf(out + at, TEXT_MAX - at, "field %s ", field->name);
        for (size_t j = 0; j < bytes->len; j++) {
            at += (size_t)snprintf(out + at, TEXT_MAX - at, "%02x", bytes->data[j]);
        }
        at += (size_t)snprintf(out + at, TEXT_MAX - at, "\n");
    }
}

static void check(const char *path)
{
    static struct golden golden;
    static char said[TEXT_MAX];
    union any record;
    struct gg_keep_fault fault;
    load(path, &golden);
    print_message("%s\n", path);

    enum gg_err err = gg_keep_read(gg_slice_of(golden.bytes, golden.len), golden.kind,
                                   &golden.id, &record, &fault);

    assert_string_equal(gg_err_name(err), golden.reads);
    if (err != GG_OK) {
        return;
    }
    print_fields(golden.kind, &record, said);
    assert_string_equal(said, golden.fields);
    if (!golden.decode_only) {
        struct gg_buf out;
        gg_buf_init(&out, BYTES_MAX);
        gg_keep_write(&out, golden.kind, &golden.id, &record);
        assert_int_equal(out.len, golden.len);
        assert_memory_equal(out.data, golden.bytes, golden.len);
        gg_buf_fini(&out);
    }
}

static void records_are_what_they_were(void **state)
{
    (void)state;
    const char *folder = getenv("GG_GOLDEN_DIR");
    assert_non_null(folder);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[1024];
        if (strstr(entry->d_name, ".txt") != NULL) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            check(path);
            count++;
        }
    }
    (void)closedir(dir);
    assert_true(count >= 7);
}

static int show(const char *path)
{
    static struct golden golden;
    static char said[TEXT_MAX];
    union any record;
    struct gg_keep_fault fault = {0};
    load(path, &golden);
    enum gg_err err = gg_keep_read(gg_slice_of(golden.bytes, golden.len), golden.kind,
                                   &golden.id, &record, &fault);
    if (err == GG_OK) {
        print_fields(golden.kind, &record, said);
    }
    (void)printf("reads %s\n%s", gg_err_name(err), said);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--show") == 0) {
        return show(argv[2]);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_what_they_were)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
