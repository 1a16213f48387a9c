/* key.c - `ganger key new|allow|list|revoke`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/keypair.h"
#include "client/cli/keyring.h"
#include "client/cli/nearest.h"
#include "client/cli/say.h"
#include "client/cli/table.h"
#include "common/bytes.h"
#include "common/name.h"

static const char *const role_names[] = {"submit", "work", "observe", "operate"};
enum {
    ROLE_COUNT = sizeof role_names / sizeof role_names[0],
    PATTERNS_MAX = 16, /* As many as the broker takes. */
};

static const char *keys_path(const struct gg_call *call)
{
    const char *path = call->options.keys;
    path = path != NULL ? path : getenv("GANGER_KEYS");
    return path != NULL && path[0] != '\0' ? path : "/etc/ganger/keys";
}

int gg_key_new(struct gg_call *call)
{
    const char *path = call->args[0];
    struct gg_keypair pair;
    if (!gg_keypair_new(&pair)) {
        gg_say("this libzmq is built without CURVE [system]");
        return GG_EXIT_FAULT;
    }
    if (!gg_keypair_write(&pair, path)) {
        int why = errno;
        if (why == EEXIST) {
            gg_say("%s or %s.pub is there already; keys are never written over", path,
                   path);
            return GG_EXIT_STATE;
        }
        gg_say("cannot write %s: %s", path, strerror(why));
        return GG_EXIT_CONFIG;
    }
    if (call->options.format == GG_FORMAT_JSON) {
        gg_json_print(gg_json_key(path, pair.public_key, NULL, NULL, NULL), false);
    } else {
        (void)puts(pair.public_key);
    }
    gg_say("%s is secret; %s.pub is for the broker: ganger key allow %s.pub --name … "
           "--role …",
           path, path, path);
    return GG_EXIT_DONE;
}

/* One role into the set; false when it is none. */
static bool add_role(bool roles[ROLE_COUNT], const char *word)
{
    struct gg_nearest nearest = {.typed = word};
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(role_names[i], word) == 0) {
            roles[i] = true;
            return true;
        }
        gg_nearest_offer(&nearest, role_names[i]);
    }
    if (nearest.best != NULL) {
        (void)gg_say_usage("there is no role '%s'; did you mean '%s'?", word,
                           nearest.best);
    } else {
        (void)gg_say_usage("there is no role '%s': submit, work, observe or operate",
                           word);
    }
    return false;
}

/* Roles separated by commas. */
static bool add_roles(bool roles[ROLE_COUNT], const char *said)
{
    char words[128];
    char *rest = words;
    (void)snprintf(words, sizeof words, "%s", said);
    for (char *word = strsep(&rest, ", "); word; word = strsep(&rest, ", ")) {
        if (word[0] != '\0' && !add_role(roles, word)) {
            return false;
        }
    }
    return true;
}

static bool read_roles(const struct gg_texts *said, struct gg_keyring_entry *entry)
{
    bool roles[ROLE_COUNT] = {false};
    for (size_t i = 0; i < said->count; i++) {
        if (!add_roles(roles, said->items[i])) {
            return false;
        }
    }
    size_t len = 0;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (roles[i]) {
            len += (size_t)snprintf(entry->roles + len, sizeof entry->roles - len,
                                    "%s%s", len > 0 ? "," : "", role_names[i]);
        }
    }
    if (len == 0) {
        (void)gg_say_usage("which roles? --role submit,work,observe,operate");
    }
    return len > 0;
}

static bool read_patterns(const char *option, const struct gg_texts *said,
                          char room[GG_KEYRING_VALUE_BYTES])
{
    size_t len = 0;
    if (said->count > PATTERNS_MAX) {
        (void)gg_say_usage("--%s may be given at most %d times", option, PATTERNS_MAX);
        return false;
    }
    for (size_t i = 0; i < said->count; i++) {
        const char *pattern = said->items[i];
        if (!gg_pattern_valid(gg_slice_text(pattern))) {
            (void)gg_say_usage("--%s takes a name or a pattern with * and ?, not '%s'",
                               option, pattern);
            return false;
        }
        int more = snprintf(room + len, GG_KEYRING_VALUE_BYTES - len, "%s%s",
                            len > 0 ? " " : "", pattern);
        if (more < 0 || len + (size_t)more + 16 >= GG_KEYRING_VALUE_BYTES) {
            (void)gg_say_usage("the patterns of --%s take more than %d characters",
                               option, GG_KEYRING_VALUE_BYTES - 16);
            return false;
        }
        len += (size_t)more;
    }
    return true;
}

static bool read_entry(const struct gg_call *call, struct gg_keyring_entry *out)
{
    const struct gg_options *said = &call->options;
    *out = (struct gg_keyring_entry){.realms = "default", .queues = "*"};
    if (said->name == NULL || !gg_name_valid(gg_slice_text(said->name))) {
        (void)gg_say_usage(
            "whose key is it? --name takes 1 to 64 of A-Z a-z 0-9 . _ -");
        return false;
    }
    (void)snprintf(out->name, sizeof out->name, "%s", said->name);
    /* The file first: its name can be 40 characters of Z85, too. */
    bool read = gg_keypair_read_public(call->args[0], out->key);
    if (!read && gg_keypair_valid(call->args[0])) {
        memcpy(out->key, call->args[0], sizeof out->key);
    } else if (!read) {
        (void)gg_say_usage("'%s' is neither a public key (40 characters) nor a file "
                           "with one",
                           call->args[0]);
        return false;
    }
    return read_roles(&said->roles, out) &&
           read_patterns("realm", &said->realms, out->realms) &&
           read_patterns("queue", &said->queues, out->queues);
}

/* The ring must be readable before it is changed, and not hold the key already. */
static int check_ring(const char *path, const struct gg_keyring_entry *entry)
{
    struct gg_keyring ring;
    struct gg_keyring_fault fault;
    int status = GG_EXIT_DONE;
    if (!gg_keyring_read(path, &ring, &fault)) {
        gg_say("%s [config]", fault.text);
        status = GG_EXIT_CONFIG;
    } else {
        const struct gg_keyring_entry *same = gg_keyring_find(&ring, entry->key);
        if (same != NULL && strcmp(same->name, entry->name) != 0) {
            gg_say("this key is already let in as %s", same->name);
            gg_say_try("ganger key revoke %s", same->name);
            status = GG_EXIT_STATE;
        }
    }
    gg_keyring_fini(&ring);
    return status;
}

static int put_failed(const struct gg_keyring_fault *fault)
{
    gg_say("%s [config]", fault->text);
    return GG_EXIT_CONFIG;
}

static void print_entry(const struct gg_call *call,
                        const struct gg_keyring_entry *entry, const char *done)
{
    if (call->options.format == GG_FORMAT_JSON) {
        gg_json_print(gg_json_key(entry->name, entry->key, entry->roles, entry->realms,
                                  entry->queues),
                      false);
    } else {
        (void)printf("%s %s %s\n", entry->name, entry->key, done);
    }
}

int gg_key_allow(struct gg_call *call)
{
    struct gg_keyring_entry entry;
    struct gg_keyring_fault fault;
    const char *path = keys_path(call);
    if (!read_entry(call, &entry)) {
        return GG_EXIT_USAGE;
    }
    int status = check_ring(path, &entry);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    if (!gg_keyring_put(path, &entry, &fault)) {
        return put_failed(&fault);
    }
    print_entry(call, &entry, "allowed");
    return GG_EXIT_DONE;
}

int gg_key_revoke(struct gg_call *call)
{
    const char *path = keys_path(call);
    struct gg_keyring ring;
    struct gg_keyring_fault fault;
    int status = GG_EXIT_DONE;
    if (!gg_keyring_read(path, &ring, &fault)) {
        gg_keyring_fini(&ring);
        return put_failed(&fault);
    }
    const struct gg_keyring_entry *entry = gg_keyring_find(&ring, call->args[0]);
    if (entry == NULL) {
        gg_say("%s knows no key of that name [not_found]", path);
        gg_say_try("ganger key list --keys %s", path);
        status = GG_EXIT_UNKNOWN;
    } else if (!gg_keyring_remove(path, entry->name, &fault)) {
        status = put_failed(&fault);
    } else {
        print_entry(call, entry, "revoked");
    }
    gg_keyring_fini(&ring);
    return status;
}

static void print_ring(const struct gg_call *call, const struct gg_keyring *ring)
{
    static const struct gg_column columns[] = {
        {"NAME", 0}, {"ROLES", 0}, {"REALMS", 0}, {"QUEUES", 0}, {"KEY", 0},
    };
    struct gg_json_list list = {.format = call->options.format};
    bool as_json = gg_json_wanted(list.format);
    struct gg_table *table = NULL;
    if (!as_json) {
        table = gg_table_new(columns, sizeof columns / sizeof columns[0], true);
    }
    for (size_t i = 0; i < ring->count; i++) {
        const struct gg_keyring_entry *entry = &ring->entries[i];
        if (as_json) {
            gg_json_list_add(&list, gg_json_key(entry->name, entry->key, entry->roles,
                                                entry->realms, entry->queues));
            continue;
        }
        struct gg_row *row = gg_table_row(table, NULL);
        gg_row_text(table, row, 0, entry->name);
        gg_row_text(table, row, 1, entry->roles);
        gg_row_text(table, row, 2, entry->realms);
        gg_row_text(table, row, 3, entry->queues);
        gg_row_text(table, row, 4, entry->key);
    }
    gg_table_finish(&table);
    gg_json_list_end(&list);
}

int gg_key_list(struct gg_call *call)
{
    const char *path = keys_path(call);
    struct gg_keyring ring;
    struct gg_keyring_fault fault;
    int status = GG_EXIT_DONE;
    if (access(path, F_OK) != 0) {
        gg_say("there is no file of keys %s", path);
        gg_say_try("ganger key allow FILE.pub --keys %s --name NAME --role ROLE", path);
        return GG_EXIT_UNKNOWN;
    }
    if (gg_keyring_read(path, &ring, &fault)) {
        print_ring(call, &ring);
    } else {
        status = put_failed(&fault);
    }
    gg_keyring_fini(&ring);
    return status;
}
