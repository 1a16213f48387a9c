/* protocol_tables.c - print the tables of the protocol as the programs have them, in
 * Markdown, for common/PROTOCOL.md.
 *
 *    protocol_tables commands|records|errors
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/core/grant.h"
#include "common/command.h"
#include "common/err.h"

/* The name of a record on paper: its symbol in small letters. */
static void print_record_name(enum gg_record_id id)
{
    for (const char *c = gg_record_of(id)->name; *c != '\0'; c++) {
        (void)putchar(tolower((unsigned char)*c));
    }
}

/* ---- commands ---- */

static void print_names(unsigned mask, const char *const *names, unsigned all,
                        const char *when_all)
{
    if ((mask & all) == all) {
        (void)printf("%s", when_all);
        return;
    }
    const char *between = "";
    for (unsigned bit = 0; names[bit] != NULL; bit++) {
        if ((mask >> bit & 1) != 0) {
            (void)printf("%s%s", between, names[bit]);
            between = ", ";
        }
    }
}

static void print_command(enum gg_command_code code, const struct gg_command_type *type)
{
    static const char *const senders[] = {"client", "agent", "broker", NULL};
    static const char *const roles[] = {"submit", "work", "observe", "operate", NULL};
    unsigned allowed = gg_grant_roles_for(code);
    (void)printf("| %d | %s | ", (int)code, type->name);
    print_names(type->senders, senders, 7, "all");
    (void)printf(" | ");
    if ((type->senders & (GG_FROM_CLIENT | GG_FROM_AGENT)) == 0) {
        (void)printf("–");
    } else if (allowed == 0) {
        (void)printf("any");
    } else {
        print_names(allowed, roles, GG_ROLE_ALL, "any");
    }
    (void)printf(" | ");
    print_record_name((enum gg_record_id)type->record);
    (void)printf(" | %s |\n", type->meaning);
}

static void print_commands(void)
{
    (void)printf(
        "| code | name | sent by | role | record | what it says, what answers |\n"
        "|---:|---|---|---|---|---|\n");
    for (int code = 0; code <= GG_CMD_CODE_MAX; code++) {
        const struct gg_command_type *type = gg_command_type_of((uint64_t)code);
        if (type != NULL) {
            print_command((enum gg_command_code)code, type);
        }
    }
}

/* ---- records ---- */

static void print_kind(const struct gg_field *field)
{
    static const char *const kinds[] = {
        [GG_FIELD_U] = "U",         [GG_FIELD_BOOL] = "BOOL", [GG_FIELD_ID] = "ID",
        [GG_FIELD_TEXT] = "TEXT",   [GG_FIELD_NAME] = "NAME", [GG_FIELD_GLOB] = "GLOB",
        [GG_FIELD_BYTES] = "BYTES", [GG_FIELD_BLOB] = "BLOB", [GG_FIELD_NUMS] = "NUMS",
        [GG_FIELD_TEXTS] = "TEXTS",
    };
    if (field->kind != GG_FIELD_RECORDS) {
        (void)printf("%s", kinds[field->kind]);
        return;
    }
    (void)printf("array of ");
    print_record_name((enum gg_record_id)field->record);
}

static void print_default(const struct gg_field *field)
{
    if (field->least > 0 && field->fallback < field->least) {
        (void)printf("required");
    } else if (field->fallback == GG_UNSAID && field->kind == GG_FIELD_U) {
        (void)printf("not said");
    } else if (field->kind == GG_FIELD_U) {
        (void)printf("%" PRIu64, field->fallback);
    } else if (field->kind == GG_FIELD_BOOL) {
        (void)printf("false");
    } else {
        (void)printf("empty");
    }
}

static void print_bounds(const struct gg_field *field)
{
    bool plain = field->kind == GG_FIELD_BOOL || field->kind == GG_FIELD_ID ||
                 field->kind == GG_FIELD_BLOB;
    if (plain) {
        (void)printf(" | – | –");
    } else if (field->most == GG_ANY) {
        (void)printf(" | %" PRIu64 " | –", field->least);
    } else {
        (void)printf(" | %" PRIu64 " | %" PRIu64, field->least, field->most);
    }
}

static void print_record(enum gg_record_id id)
{
    const struct gg_record *type = gg_record_of(id);
    (void)printf("\n**");
    print_record_name(id);
    (void)printf("**\n\n| no | name | kind | default | least | most | meaning |\n"
                 "|---:|---|---|---|---:|---:|---|\n");
    for (uint16_t i = 0; i < type->count; i++) {
        const struct gg_field *field = &type->fields[i];
        (void)printf("| %d | %s | ", field->number, field->name);
        print_kind(field);
        (void)printf(" | ");
        print_default(field);
        print_bounds(field);
        (void)printf(" | %s |\n", field->meaning);
    }
}

/* ---- errors ---- */

static void print_errors(void)
{
    (void)printf("| no | name | sentence | exit code of the command line |\n"
                 "|---:|---|---|---:|\n");
#define X(symbol, number, name, exit, text)                                            \
    (void)printf("| %d | %s | %s | %d |\n", number, name, text, exit);
    GG_ERR_LIST(X)
#undef X
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "commands") == 0) {
        print_commands();
    } else if (strcmp(what, "records") == 0) {
        for (int id = 0; id < GG_RECORD_COUNT; id++) {
            print_record((enum gg_record_id)id);
        }
    } else if (strcmp(what, "errors") == 0) {
        print_errors();
    } else {
        (void)fprintf(stderr, "usage: protocol_tables commands|records|errors\n");
        return 64;
    }
    return 0;
}
