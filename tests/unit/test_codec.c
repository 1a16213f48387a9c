/* test_codec.c - messages: header, commands beside each other, second frame, limits.
 * What single fields do is in test_codec_fields.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "tests/lib/any_record.h"

enum { BYTES_MAX = 1 << 22 };

struct fixture {
    struct gg_arena arena;
    struct gg_rng rng;
    struct gg_buf body; /* Commands, as they are written. */
    struct gg_buf frame;
    uint32_t count;
    struct gg_header header;
    struct gg_slice attachment;
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    union gg_any_record record;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->rng.state = 42;
    f->header = (struct gg_header){.version = GG_PROTOCOL_VERSION,
                                   .type = GG_MESSAGE_COMMANDS,
                                   .session = UINT64_C(0x0123456789abcdef),
                                   .sequence = UINT64_C(0xfedcba9876543210),
                                   .acked = 3};
    gg_buf_init(&f->body, BYTES_MAX);
    gg_buf_init(&f->frame, BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gg_arena_fini(&f->arena);
    gg_buf_fini(&f->body);
    gg_buf_fini(&f->frame);
    free(f);
    return 0;
}

static void say(struct fixture *f, enum gg_command_code code, uint64_t request,
                const void *record)
{
    gg_command_write(&f->body, code, request, record, &f->attachment);
    assert_false(f->body.failed);
    f->count++;
}

static void say_raw(struct fixture *f, const char *bytes, size_t len)
{
    gg_buf_append(&f->body, bytes, len);
    f->count++;
}
#define SAY_RAW(f, text) say_raw(f, text, sizeof(text) - 1)

static enum gg_err open_message(struct fixture *f)
{
    uint8_t prefix[GG_PREFIX_BYTES];
    gg_prefix_write(&f->header, f->count, prefix);
    gg_buf_clear(&f->frame);
    gg_buf_append(&f->frame, prefix, sizeof prefix);
    gg_buf_append(&f->frame, f->body.data, f->body.len);
    assert_false(f->frame.failed);
    return gg_message_open(gg_buf_slice(&f->frame), f->attachment, &f->message,
                           &f->fault);
}

static bool next(struct fixture *f)
{
    return gg_message_next(&f->message, &f->command, &f->fault);
}

static void heartbeat(struct fixture *f, uint64_t request)
{
    struct gg_heartbeat beat = {.draining = true};
    say(f, GG_CMD_HEARTBEAT, request, &beat);
}

static void expect_heartbeat(struct fixture *f, uint64_t request)
{
    assert_true(next(f));
    assert_int_equal(f->fault.err, GG_OK);
    assert_int_equal(f->command.code, GG_CMD_HEARTBEAT);
    assert_int_equal(f->command.request, request);
    assert_true(f->command.as.heartbeat.draining);
}

static void expect_fault(struct fixture *f, enum gg_err err, uint64_t request)
{
    assert_true(next(f));
    assert_int_equal(f->fault.err, err);
    assert_non_null(f->fault.what);
    assert_int_equal(f->fault.request, request);
}

/* ---- header ---- */

static void header_is_read_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    f->header.flags = 0x00ff;
    assert_int_equal(open_message(f), GG_OK);
    assert_memory_equal(f->frame.data,
                        "GG\x01\x04\x00\xff\x00\x00"
                        "\x01\x23\x45\x67\x89\xab\xcd\xef"
                        "\xfe\xdc\xba\x98\x76\x54\x32\x10"
                        "\x00\x00\x00\x00\x00\x00\x00\x03",
                        GG_HEADER_BYTES);
    assert_int_equal(f->message.header.version, f->header.version);
    assert_int_equal(f->message.header.type, f->header.type);
    assert_int_equal(f->message.header.flags, f->header.flags);
    assert_int_equal(f->message.header.session, f->header.session);
    assert_int_equal(f->message.header.sequence, f->header.sequence);
    assert_int_equal(f->message.header.acked, f->header.acked);
    assert_false(next(f));
}

static void reserved_bytes_of_header_are_ignored(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_message(f), GG_OK);
    f->frame.data[6] = 0xff;
    f->frame.data[7] = 0xff;

    assert_int_equal(gg_message_open(gg_buf_slice(&f->frame), (struct gg_slice){0},
                                     &f->message, &f->fault),
                     GG_OK);
}

static void frame_that_is_too_short_or_not_ours_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gg_header header;
    assert_int_equal(open_message(f), GG_OK);
    for (size_t len = 0; len < f->frame.len; len++) {
        struct gg_slice cut = gg_slice_of(f->frame.data, len);
        assert_int_equal(gg_header_read(cut, &header),
                         len < GG_HEADER_BYTES ? GG_ERR_BAD_MESSAGE : GG_OK);
        assert_int_equal(
            gg_message_open(cut, (struct gg_slice){0}, &f->message, &f->fault),
            GG_ERR_BAD_MESSAGE);
        assert_non_null(f->fault.what);
    }
    f->frame.data[1] = 'g';
    assert_int_equal(gg_header_read(gg_buf_slice(&f->frame), &header),
                     GG_ERR_BAD_MESSAGE);
    assert_int_equal(gg_header_read((struct gg_slice){0}, &header), GG_ERR_BAD_MESSAGE);
}

static void other_version_is_refused_and_its_header_can_be_read(void **state)
{
    struct fixture *f = *state;
    struct gg_header header;
    f->header.version = 2;
    assert_int_equal(open_message(f), GG_ERR_VERSION);
    assert_int_equal(f->fault.err, GG_ERR_VERSION);
    assert_int_equal(gg_header_read(gg_buf_slice(&f->frame), &header), GG_OK);
    assert_int_equal(header.version, 2);

    f->header.version = 0;
    assert_int_equal(open_message(f), GG_ERR_VERSION);
}

static void low_flags_are_skipped_and_high_ones_refused(void **state)
{
    struct fixture *f = *state;
    for (int bit = 0; bit < 16; bit++) {
        f->header.flags = (uint16_t)(1U << bit);
        assert_int_equal(open_message(f), bit < 8 ? GG_OK : GG_ERR_NOT_UNDERSTOOD);
    }
}

/* ---- body ---- */

static void body_is_one_array_and_nothing_behind_it(void **state)
{
    static const struct {
        const char *body;
        size_t len;
    } bad[] = {{"", 0},         {"\xc0", 1}, {"\x01", 1}, {"\x80", 1},
               {"\x90\x00", 2}, {"\x91", 1}, {"\xc1", 1}, {"\xa3\x93\x05\x00", 4}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(open_message(f), GG_OK);
        gg_buf_cut(&f->frame, GG_HEADER_BYTES);
        gg_buf_append(&f->frame, bad[i].body, bad[i].len);
        assert_int_equal(gg_message_open(gg_buf_slice(&f->frame), (struct gg_slice){0},
                                         &f->message, &f->fault),
                         GG_ERR_BAD_MESSAGE);
    }
}

static enum gg_err open_again(struct fixture *f)
{
    return gg_message_open(gg_buf_slice(&f->frame), f->attachment, &f->message,
                           &f->fault);
}

static void commands_before_an_early_end_are_read(void **state)
{
    struct fixture *f = *state;
    heartbeat(f, 1);
    heartbeat(f, 2);
    heartbeat(f, 300);
    size_t whole = f->body.len;
    heartbeat(f, 400);
    size_t last = f->body.len - whole;
    for (size_t cut = 1; cut <= last; cut++) {
        assert_int_equal(open_message(f), GG_OK);
        gg_buf_cut(&f->frame, f->frame.len - cut);
        assert_int_equal(open_again(f), GG_OK);
        expect_heartbeat(f, 1);
        expect_heartbeat(f, 2);
        expect_heartbeat(f, 300);
        assert_true(next(f));
        assert_int_equal(f->fault.err, GG_ERR_BAD_MESSAGE);
        assert_false(next(f));
    }
}

static void what_is_behind_a_command_without_an_end_is_lost(void **state)
{
    struct fixture *f = *state;
    heartbeat(f, 1);
    SAY_RAW(f, "\x93\x05\x02\x81\x3f\x91\x91\x91\x91\x91\x91\x91\x91\x90");
    heartbeat(f, 3);
    assert_int_equal(open_message(f), GG_OK);
    expect_heartbeat(f, 1);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 2);
    assert_false(next(f));
}

static void bytes_behind_the_last_command_make_it_a_bad_one(void **state)
{
    struct fixture *f = *state;
    heartbeat(f, 1);
    heartbeat(f, 2);
    assert_int_equal(open_message(f), GG_OK);
    gg_buf_append(&f->frame, "", 1);
    assert_int_equal(open_again(f), GG_OK);
    expect_heartbeat(f, 1);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 2);
    assert_false(next(f));
}

/* Others may write the array's head in any of its three lengths. */
static void head_of_body_may_have_any_length(void **state)
{
    static const struct {
        const char *head;
        size_t len;
    } heads[] = {{"\x91", 1}, {"\xdc\x00\x01", 3}, {"\xdd\x00\x00\x00\x01", 5}};
    struct fixture *f = *state;
    heartbeat(f, 9);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        assert_int_equal(open_message(f), GG_OK);
        gg_buf_cut(&f->frame, GG_HEADER_BYTES);
        gg_buf_append(&f->frame, heads[i].head, heads[i].len);
        gg_buf_append(&f->frame, f->body.data, f->body.len);
        assert_int_equal(gg_message_open(gg_buf_slice(&f->frame), (struct gg_slice){0},
                                         &f->message, &f->fault),
                         GG_OK);
        expect_heartbeat(f, 9);
        assert_false(next(f));
    }
}

static void commands_are_taken_to_their_limit_and_no_further(void **state)
{
    struct fixture *f = *state;
    while (f->count < GG_COMMANDS_MAX) {
        heartbeat(f, f->count);
    }
    assert_int_equal(open_message(f), GG_OK);
    for (uint32_t i = 0; i < GG_COMMANDS_MAX; i++) {
        expect_heartbeat(f, i);
    }
    assert_false(next(f));

    heartbeat(f, 1);
    assert_int_equal(open_message(f), GG_ERR_TOO_MANY);
}

static void every_command_is_read_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    for (uint64_t code = 0; code <= GG_CMD_CODE_MAX; code++) {
        const struct gg_command_type *type = gg_command_type_of(code);
        if (type == NULL) {
            continue;
        }
        for (int round = 0; round < 10; round++) {
            f->attachment = (struct gg_slice){0};
            f->count = 0;
            gg_buf_clear(&f->body);
            gg_any_fill(&f->arena, &f->rng, (enum gg_record_id)type->record,
                        &f->record);
            uint64_t request = gg_rng_next(&f->rng) >> gg_rng_below(&f->rng, 64);
            say(f, (enum gg_command_code)code, request, &f->record);

            assert_int_equal(open_message(f), GG_OK);
            assert_true(next(f));

            assert_int_equal(f->fault.err, GG_OK);
            assert_int_equal(f->command.code, code);
            assert_int_equal(f->command.request, request);
            assert_null(gg_any_differ((enum gg_record_id)type->record, &f->record,
                                      &f->command.as));
        }
        gg_arena_fini(&f->arena);
    }
}

static void msgpack_reads_what_we_write(void **state)
{
    struct fixture *f = *state;
    for (uint64_t code = 0; code <= GG_CMD_CODE_MAX; code++) {
        const struct gg_command_type *type = gg_command_type_of(code);
        if (type != NULL) {
            gg_any_fill(&f->arena, &f->rng, (enum gg_record_id)type->record,
                        &f->record);
            say(f, (enum gg_command_code)code, code, &f->record);
        }
    }
    assert_int_equal(open_message(f), GG_OK);
    msgpack_unpacked result;
    msgpack_unpacked_init(&result);
    size_t used = GG_HEADER_BYTES;

    msgpack_unpack_return got = msgpack_unpack_next(
        &result, (const char *)f->frame.data, f->frame.len, &used);

    assert_int_equal(got, MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(used, f->frame.len);
    assert_int_equal(result.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(result.data.via.array.size, f->count);
    msgpack_unpacked_destroy(&result);
}

/* ---- one bad command among good ones ---- */

static void bad_command_does_not_fail_its_neighbours(void **state)
{
    struct fixture *f = *state;
    heartbeat(f, 1);
    SAY_RAW(f, "\x93\x05\x02\x81\x03\x07");          /* draining is a number */
    SAY_RAW(f, "\x93\x05\x03\x81\x40\xc0");          /* field 64 */
    SAY_RAW(f, "\x93\x7f\x04\x80");                  /* no such command */
    SAY_RAW(f, "\x93\xcd\x01\x05\x05\x80");          /* 261: not 5 when cut to 8 bits */
    SAY_RAW(f, "\x92\x05\x06");                      /* no record */
    SAY_RAW(f, "\x94\x05\x07\x80\xc0");              /* one too many */
    SAY_RAW(f, "\x93\x05\xff\x80");                  /* request -1 */
    SAY_RAW(f, "\x93\xa1\x05\x08\x80");              /* code "\x05" */
    SAY_RAW(f, "\xc0");                              /* nil */
    SAY_RAW(f, "\x81\x05\x09");                      /* a map */
    SAY_RAW(f, "\x93\x05\x0a\x92\xc3\xc3");          /* the record is an array */
    SAY_RAW(f, "\x93\x05\x0b\x82\xa1x\xc3\x03\xc3"); /* a field number is text */
    SAY_RAW(f, "\x93\x10\x0c\x80");                  /* submit without id and queue */
    heartbeat(f, 13);

    assert_int_equal(open_message(f), GG_OK);

    expect_heartbeat(f, 1);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 2);
    assert_string_equal(f->fault.field, "draining");
    assert_int_equal(f->fault.code, GG_CMD_HEARTBEAT);
    expect_fault(f, GG_ERR_NOT_UNDERSTOOD, 3);
    expect_fault(f, GG_ERR_UNKNOWN_COMMAND, 4);
    assert_int_equal(f->fault.code, 127);
    expect_fault(f, GG_ERR_UNKNOWN_COMMAND, 5);
    for (int i = 0; i < 5; i++) { /* The request could not be read. */
        expect_fault(f, GG_ERR_BAD_MESSAGE, 0);
    }
    expect_fault(f, GG_ERR_BAD_MESSAGE, 0);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 10);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 11);
    expect_fault(f, GG_ERR_BAD_MESSAGE, 12);
    assert_string_equal(f->fault.field, "id");
    expect_heartbeat(f, 13);
    assert_false(next(f));
    assert_false(next(f));
}

/* ---- the second frame ---- */

static struct gg_submit submission(struct fixture *f, size_t payload_bytes)
{
    struct gg_submit submit;
    gg_any_fill_least(&f->arena, GG_RECORD_SUBMIT, &submit);
    submit.payload = gg_slice_of(gg_arena_take(&f->arena, payload_bytes + 1),
                                 payload_bytes);
    return submit;
}

static void blob_at_inline_limit_stays_inline(void **state)
{
    struct fixture *f = *state;
    struct gg_submit submit = submission(f, GG_INLINE_BYTES_MAX);
    say(f, GG_CMD_SUBMIT, 1, &submit);
    assert_null(f->attachment.data);

    assert_int_equal(open_message(f), GG_OK);
    assert_true(next(f));

    assert_int_equal(f->fault.err, GG_OK);
    assert_int_equal(f->command.as.submit.payload.len, GG_INLINE_BYTES_MAX);
    assert_ptr_not_equal(f->command.as.submit.payload.data, submit.payload.data);
}

static void larger_blob_is_lent_as_second_frame(void **state)
{
    struct fixture *f = *state;
    struct gg_submit submit = submission(f, GG_INLINE_BYTES_MAX + 1);
    say(f, GG_CMD_SUBMIT, 1, &submit);
    assert_ptr_equal(f->attachment.data, submit.payload.data);
    assert_true(f->body.len < 100);

    assert_int_equal(open_message(f), GG_OK);
    assert_true(next(f));

    assert_int_equal(f->fault.err, GG_OK);
    assert_ptr_equal(f->command.as.submit.payload.data, submit.payload.data);
    assert_int_equal(f->command.as.submit.payload.len, GG_INLINE_BYTES_MAX + 1);
}

static void second_large_blob_of_a_message_stays_inline(void **state)
{
    struct fixture *f = *state;
    struct gg_submit first = submission(f, GG_INLINE_BYTES_MAX + 1);
    struct gg_submit second = submission(f, GG_INLINE_BYTES_MAX + 2);
    say(f, GG_CMD_SUBMIT, 1, &first);
    say(f, GG_CMD_SUBMIT, 2, &second);
    assert_ptr_equal(f->attachment.data, first.payload.data);

    assert_int_equal(open_message(f), GG_OK);

    assert_true(next(f));
    assert_int_equal(f->command.as.submit.payload.len, GG_INLINE_BYTES_MAX + 1);
    assert_true(next(f));
    assert_int_equal(f->fault.err, GG_OK);
    assert_int_equal(f->command.as.submit.payload.len, GG_INLINE_BYTES_MAX + 2);
}

#define ID_AND_QUEUE                                                                   \
    "\x01\xc4\x10"                                                                     \
    "0123456789abcdef"                                                                 \
    "\x02\xa1q"

static void blob_that_names_a_missing_second_frame_is_refused(void **state)
{
    struct fixture *f = *state;
    SAY_RAW(f, "\x93\x10\x07\x83" ID_AND_QUEUE "\x03\xc3");
    assert_int_equal(open_message(f), GG_OK);

    expect_fault(f, GG_ERR_BAD_MESSAGE, 7);

    assert_string_equal(f->fault.field, "payload");
}

static void second_frame_serves_one_blob_only(void **state)
{
    struct fixture *f = *state;
    SAY_RAW(f, "\x93\x10\x01\x83" ID_AND_QUEUE "\x03\xc2"); /* false: not a BLOB */
    SAY_RAW(f, "\x93\x10\x02\x83" ID_AND_QUEUE "\x03\xc3");
    SAY_RAW(f, "\x93\x10\x03\x83" ID_AND_QUEUE "\x03\xc3");
    heartbeat(f, 4);
    f->attachment = gg_slice_text("second frame");
    assert_int_equal(open_message(f), GG_OK);

    expect_fault(f, GG_ERR_BAD_MESSAGE, 1);
    assert_true(next(f));
    assert_int_equal(f->fault.err, GG_OK);
    assert_true(gg_slice_equal(f->command.as.submit.payload, f->attachment));
    expect_fault(f, GG_ERR_BAD_MESSAGE, 3);
    expect_heartbeat(f, 4);
}

static void empty_second_frame_is_an_empty_blob(void **state)
{
    struct fixture *f = *state;
    SAY_RAW(f, "\x93\x10\x02\x83" ID_AND_QUEUE "\x03\xc3");
    f->attachment = gg_slice_of("", 0);
    assert_int_equal(open_message(f), GG_OK);

    assert_true(next(f));

    assert_int_equal(f->fault.err, GG_OK);
    assert_int_equal(f->command.as.submit.payload.len, 0);
}

static void second_frame_that_nothing_names_is_ignored(void **state)
{
    struct fixture *f = *state;
    heartbeat(f, 4);
    f->attachment = gg_slice_text("second frame");

    assert_int_equal(open_message(f), GG_OK);

    expect_heartbeat(f, 4);
    assert_false(next(f));
}

/* Entries of arrays never reach the second frame: there is one, and many entries. */
static void blob_of_an_entry_must_be_inline(void **state)
{
    struct fixture *f = *state;
    SAY_RAW(f, "\x93\x11\x01\x81\x01\x91\x83" ID_AND_QUEUE "\x03\xc3");
    f->attachment = gg_slice_text("second frame");
    assert_int_equal(open_message(f), GG_OK);
    assert_true(next(f));
    assert_int_equal(f->fault.err, GG_OK);
    struct gg_submit submit;
    struct gg_list jobs = f->command.as.submit_many.jobs;

    assert_false(gg_list_next_record(&jobs, GG_RECORD_SUBMIT, &submit, &f->fault));

    assert_int_equal(f->fault.err, GG_ERR_BAD_MESSAGE);
    assert_int_equal(jobs.count, 1);
}

/* ---- entries of arrays ---- */

static void entry_of_a_wrong_kind_is_not_taken(void **state)
{
    struct fixture *f = *state;
    uint64_t number = 7;
    struct gg_slice text = gg_slice_text("before");
    struct gg_list list = {.raw = gg_slice_text("\xa1x"), .count = 1};
    assert_false(gg_list_next_num(&list, &number));
    list.raw = gg_slice_text("\x01");
    assert_false(gg_list_next_text(&list, &text));
    list.raw = gg_slice_text("\xa2\xc3\x28"); /* Not UTF-8. */
    assert_false(gg_list_next_text(&list, &text));
    assert_false(gg_list_next_record(&list, GG_RECORD_POOL, &f->record, &f->fault));
    assert_int_equal(f->fault.err, GG_ERR_BAD_MESSAGE);

    assert_int_equal(list.count, 1);
    assert_int_equal(number, 7);
    assert_int_equal(text.len, 6);
}

static void list_without_entries_gives_none(void **state)
{
    struct fixture *f = *state;
    struct gg_list list = {0};
    uint64_t number;
    struct gg_slice text;

    assert_false(gg_list_next_num(&list, &number));
    assert_false(gg_list_next_text(&list, &text));
    assert_false(gg_list_next_record(&list, GG_RECORD_POOL, &f->record, &f->fault));
    assert_int_equal(f->fault.err, GG_OK);
}

/* ---- hostile bytes and full buffers ---- */

static void mutated_message_gives_commands_or_faults_and_ends(void **state)
{
    struct fixture *f = *state;
    uint32_t opened = 0;
    uint32_t faults = 0;
    for (int round = 0; round < 5000; round++) {
        gg_buf_clear(&f->body);
        f->count = 0;
        for (int n = 0; n < 3; n++) {
            gg_any_fill_least(&f->arena, GG_RECORD_SUBMIT, &f->record);
            say(f, GG_CMD_SUBMIT, gg_rng_below(&f->rng, 100), &f->record);
            heartbeat(f, 5);
        }
        (void)open_message(f);
        for (uint64_t n = 1 + gg_rng_below(&f->rng, 3); n > 0; n--) {
            size_t at = GG_HEADER_BYTES +
                        gg_rng_below(&f->rng, f->frame.len - GG_HEADER_BYTES);
            f->frame.data[at] = (uint8_t)gg_rng_next(&f->rng);
        }
        if (gg_message_open(gg_buf_slice(&f->frame), f->attachment, &f->message,
                            &f->fault) == GG_OK) {
            uint32_t commands = 0;
            opened++;
            while (next(f)) {
                assert_true(f->fault.err == GG_OK || f->fault.what != NULL);
                faults += f->fault.err != GG_OK;
                commands++;
            }
            assert_true(commands <= GG_COMMANDS_MAX);
        }
        gg_arena_fini(&f->arena);
    }
    assert_true(opened > 500 && faults > 500);
}

static void full_buffer_is_remembered_to_the_end(void **state)
{
    struct fixture *f = *state;
    gg_buf_fini(&f->body);
    gg_buf_init(&f->body, 40);
    gg_any_fill_least(&f->arena, GG_RECORD_SUBMIT, &f->record);

    gg_command_write(&f->body, GG_CMD_SUBMIT, 1, &f->record, NULL);
    gg_command_write(&f->body, GG_CMD_SUBMIT, 2, &f->record, NULL);

    assert_true(f->body.failed);
    assert_true(f->body.len <= 40);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(header_is_read_as_it_was_written),
        TEST(reserved_bytes_of_header_are_ignored),
        TEST(frame_that_is_too_short_or_not_ours_is_refused),
        TEST(other_version_is_refused_and_its_header_can_be_read),
        TEST(low_flags_are_skipped_and_high_ones_refused),
        TEST(body_is_one_array_and_nothing_behind_it),
        TEST(commands_before_an_early_end_are_read),
        TEST(what_is_behind_a_command_without_an_end_is_lost),
        TEST(bytes_behind_the_last_command_make_it_a_bad_one),
        TEST(head_of_body_may_have_any_length),
        TEST(commands_are_taken_to_their_limit_and_no_further),
        TEST(every_command_is_read_as_it_was_written),
        TEST(msgpack_reads_what_we_write),
        TEST(bad_command_does_not_fail_its_neighbours),
        TEST(blob_at_inline_limit_stays_inline),
        TEST(larger_blob_is_lent_as_second_frame),
        TEST(second_large_blob_of_a_message_stays_inline),
        TEST(blob_that_names_a_missing_second_frame_is_refused),
        TEST(second_frame_serves_one_blob_only),
        TEST(empty_second_frame_is_an_empty_blob),
        TEST(second_frame_that_nothing_names_is_ignored),
        TEST(blob_of_an_entry_must_be_inline),
        TEST(entry_of_a_wrong_kind_is_not_taken),
        TEST(list_without_entries_gives_none),
        TEST(mutated_message_gives_commands_or_faults_and_ends),
        TEST(full_buffer_is_remembered_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
