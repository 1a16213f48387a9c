/* fuzz_settings.c - files that people write: the broker's settings, its list of keys.
 * What is accepted keeps the bounds of the table and can be applied; what is refused
 * has a sentence.
 *
 * Input: which file, then its text.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/io/keys.h"
#include "broker/settings.h"
#include "common/assert.h"
#include "tests/fuzz/fuzz.h"

static void check_row(const struct gg_setting *row,
                      const struct gg_broker_settings *settings)
{
    const void *member = (const char *)settings + row->offset;
    if (row->kind != GG_SETTING_TEXT && row->kind != GG_SETTING_BOOL) {
        uint64_t value = *(const uint64_t *)member;
        GG_ASSERT(value >= row->least && value <= row->most);
    }
}

static void apply(struct gg_broker_settings *settings)
{
    struct gg_shell_config config;
    struct gg_settings_fault fault = {""};
    for (const struct gg_setting *row = gg_broker_settings_table; row->name != NULL;
         row++) {
        check_row(row, settings);
    }
    if (gg_broker_settings_apply(settings, &config, &fault) != GG_OK) {
        GG_ASSERT(fault.text[0] != '\0');
    }
}

static void try_settings(struct gg_slice text)
{
    char path[64];
    struct gg_broker_settings settings;
    struct gg_settings_fault fault = {""};
    int fd = memfd_create("settings", MFD_CLOEXEC);
    GG_ASSERT(fd >= 0);
    ssize_t written = write(fd, text.data, text.len);
    GG_ASSERT(written == (ssize_t)text.len);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum gg_err err = gg_settings_init(gg_broker_settings_table, &settings);
    GG_ASSERT(err == GG_OK);
    err = gg_settings_load(gg_broker_settings_table, &settings, path, &fault);
    if (err == GG_OK) {
        apply(&settings);
    } else {
        GG_ASSERT(err == GG_ERR_CONFIG && fault.text[0] != '\0');
    }
    gg_settings_fini(gg_broker_settings_table, &settings);
    (void)close(fd);
}

static void try_keys(struct gg_slice text)
{
    struct gg_keys *keys = NULL;
    struct gg_keys_fault fault = {""};
    FILE *file = fmemopen((void *)(uintptr_t)text.data, text.len, "r");
    GG_ASSERT(file != NULL);
    enum gg_err err = gg_keys_read(file, "keys", &keys, &fault);
    (void)fclose(file);
    if (err != GG_OK) {
        GG_ASSERT(keys == NULL && fault.text[0] != '\0');
        return;
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        struct gg_authorised_key *key = &keys->by_public[i];
        GG_ASSERT(gg_keys_by_public(keys, key->public_key) == key);
        GG_ASSERT(gg_keys_by_name(keys, gg_name_slice(&key->grant.name)) == key);
        GG_ASSERT((key->grant.roles & ~GG_ROLE_ALL) == 0);
    }
    gg_keys_unref(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2) {
        return 0;
    }
    struct gg_slice text = gg_slice_of(data + 1, len - 1);
    if (data[0] % 2 == 0) {
        try_settings(text);
    } else {
        try_keys(text);
    }
    return 0;
}
