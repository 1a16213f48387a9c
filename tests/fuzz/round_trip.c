#include "tests/fuzz/round_trip.h"

#include <stdio.h>

#include "common/assert.h"
#include "tests/lib/any_record.h"

enum { BYTES_MAX = 64 << 20 };

/* Entries of a list are read one by one until the first that is not valid. */
static void walk_list(const struct gg_field *field, struct gg_list list)
{
    union gg_any_record entry;
    struct gg_fault fault;
    uint64_t number = 0;
    struct gg_slice text;
    switch ((enum gg_field_kind)field->kind) {
    case GG_FIELD_NUMS:
        while (gg_list_next_num(&list, &number)) {
        }
        return;
    case GG_FIELD_TEXTS:
        while (gg_list_next_text(&list, &text)) {
            GG_ASSERT(gg_utf8_valid(text));
        }
        return;
    case GG_FIELD_RECORDS:
        while (gg_list_next_record(&list, (enum gg_record_id)field->record, &entry,
                                   &fault)) {
            round_trip_record((enum gg_record_id)field->record, &entry);
        }
        return;
    case GG_FIELD_U:
    case GG_FIELD_BOOL:
    case GG_FIELD_ID:
    case GG_FIELD_TEXT:
    case GG_FIELD_NAME:
    case GG_FIELD_GLOB:
    case GG_FIELD_BYTES:
    case GG_FIELD_BLOB:
        return;
    }
}

static void walk_lists(enum gg_record_id id, const void *record)
{
    const struct gg_record *type = gg_record_of(id);
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        if (field->kind >= GG_FIELD_NUMS) {
            const void *member = (const char *)record + field->offset;
            walk_list(field, *(const struct gg_list *)member);
        }
    }
}

void round_trip_record(enum gg_record_id id, const void *record)
{
    struct gg_buf bytes;
    struct gg_fault fault;
    union gg_any_record again;
    gg_buf_init(&bytes, BYTES_MAX);
    gg_record_write(&bytes, id, record, NULL);
    GG_ASSERT(!bytes.failed);
    enum gg_err err = gg_record_read(gg_buf_slice(&bytes), id, &again, &fault);
    if (err != GG_OK) {
        (void)fprintf(stderr, "%s: %s: %s\n", gg_record_of(id)->name,
                      fault.field == NULL ? "-" : fault.field, fault.what);
    }
    GG_ASSERT(err == GG_OK);
    GG_ASSERT(gg_any_differ(id, record, &again) == NULL);
    walk_lists(id, record);
    gg_buf_fini(&bytes);
}

void round_trip_command(const struct gg_command *command)
{
    const struct gg_command_type *type = gg_command_type_of(command->code);
    struct gg_slice attachment = {0};
    struct gg_buf bytes;
    gg_buf_init(&bytes, BYTES_MAX);
    gg_command_write(&bytes, (enum gg_command_code)command->code, command->request,
                     &command->as, &attachment);
    GG_ASSERT(!bytes.failed);
    struct gg_message message = {.reader = gg_reader_of(gg_buf_slice(&bytes)),
                                 .attachment = attachment,
                                 .left = 1};
    struct gg_command again;
    struct gg_fault fault;
    bool one = gg_message_next(&message, &again, &fault);
    GG_ASSERT(one && fault.err == GG_OK);
    GG_ASSERT(again.code == command->code && again.request == command->request);
    GG_ASSERT(gg_any_differ((enum gg_record_id)type->record, &command->as, &again.as) ==
              NULL);
    GG_ASSERT(message.attachment_taken == (attachment.data != NULL));
    walk_lists((enum gg_record_id)type->record, &command->as);
    gg_buf_fini(&bytes);
}
