#include "client/src/keyfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool gg_key_valid(const char *text)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == GG_KEY_TEXT_BYTES - 1 &&
           strspn(text, z85) == GG_KEY_TEXT_BYTES - 1;
}

/* What a `name = "value"` of a section goes into; NULL: something else. */
static char *member_of(struct gg_keys *keys, const char *section, const char *name)
{
    if (strcmp(section, "metadata") == 0 && strcmp(name, "server-key") == 0) {
        return keys->server_key;
    }
    if (strcmp(section, "curve") == 0 && strcmp(name, "public-key") == 0) {
        return keys->public_key;
    }
    if (strcmp(section, "curve") == 0 && strcmp(name, "secret-key") == 0) {
        return keys->secret_key;
    }
    return NULL;
}

/* One line; false when a key on it is none. */
static bool read_line(char *line, char section[64], struct gg_keys *keys)
{
    char *text = line + strspn(line, " \t");
    text[strcspn(text, "\r\n")] = '\0';
    if (*text == '\0' || *text == '#') {
        return true;
    }
    if (text == line) {
        (void)snprintf(section, 64, "%.*s", (int)strcspn(text, " \t"), text);
        return true;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(text, " \t="), text);
    char *member = member_of(keys, section, name);
    if (member == NULL) {
        return true;
    }
    char *value = strchr(text, '"');
    char *end = value == NULL ? NULL : strrchr(value + 1, '"');
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    if (!gg_key_valid(value + 1)) {
        return false;
    }
    memcpy(member, value + 1, GG_KEY_TEXT_BYTES);
    return true;
}

static enum gg_err read_all(FILE *file, const char *path, struct gg_keys *keys,
                            char *why, size_t why_room)
{
    enum { LINES_MAX = 1000 };
    char line[512];
    char section[64] = "";
    int number = 0;
    while (number < LINES_MAX && fgets(line, sizeof line, file) != NULL) {
        number++;
        if (!read_line(line, section, keys)) {
            (void)snprintf(why, why_room,
                           "line %d of the key file %.200s has no key of 40 characters "
                           "in quotes",
                           number, path);
            return GG_ERR_USAGE;
        }
    }
    if (keys->public_key[0] == '\0' || keys->secret_key[0] == '\0') {
        (void)snprintf(
            why, why_room,
            "the key file %.200s has no %s-key in its section \"curve\"; make "
            "one with: ganger key new",
            path, keys->public_key[0] == '\0' ? "public" : "secret");
        return GG_ERR_USAGE;
    }
    return GG_OK;
}

enum gg_err gg_keyfile_read(const char *path, struct gg_keys *out, char *why,
                            size_t why_room)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        (void)snprintf(why, why_room, "the key file %.200s cannot be read: %s", path,
                       strerror(errno));
        if (file != NULL) {
            (void)fclose(file);
        }
        return GG_ERR_USAGE;
    }
    if ((status.st_mode & 077) != 0) {
        (void)snprintf(why, why_room,
                       "the key file %.200s can be read or written by others (mode "
                       "%04o); do: chmod 600 on it, or make a new key",
                       path, (unsigned)(status.st_mode & 07777));
        (void)fclose(file);
        return GG_ERR_USAGE;
    }
    struct gg_keys keys = {0};
    enum gg_err err = read_all(file, path, &keys, why, why_room);
    (void)fclose(file);
    if (err == GG_OK) {
        *out = keys;
    }
    return err;
}
