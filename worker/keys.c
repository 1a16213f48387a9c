/* keys.c - the agent's key file: the one place here that uses czmq. */
#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/settings.h"

enum { KEY_CHARACTERS = 40 };

/* A key as text of 40 characters that Z85 can decode. */
static bool take_key(const char *text, char out[GG_KEY_TEXT_BYTES])
{
    uint8_t raw[32];
    if (text == NULL || strlen(text) != KEY_CHARACTERS ||
        zmq_z85_decode(raw, text) == NULL) {
        return false;
    }
    memcpy(out, text, GG_KEY_TEXT_BYTES);
    return true;
}

static enum gg_err check_file(const char *path, char *out_why, size_t room)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        (void)snprintf(out_why, room, "cannot read the key file %s: %s", path,
                       strerror(errno));
        return GG_ERR_CONFIG;
    }
    if ((info.st_mode & 077) != 0) {
        (void)snprintf(
            out_why, room,
            "the key file %s may be read by others (mode %03o): chmod 600 it", path,
            (unsigned)(info.st_mode & 0777));
        return GG_ERR_CONFIG;
    }
    return GG_OK;
}

enum gg_err gg_worker_keys_load(const struct gg_worker_settings *settings,
                                struct gg_worker_keys *out, char *out_why, size_t room)
{
    const char *path = settings->key_file;
    struct gg_worker_keys keys = {.public_key = ""};
    enum gg_err err = check_file(path, out_why, room);
    if (err != GG_OK) {
        return err;
    }
    zconfig_t *root = zconfig_load(path);
    if (root == NULL) {
        (void)snprintf(out_why, room, "the key file %s is not a key file", path);
        return GG_ERR_CONFIG;
    }
    const char *server = settings->server_key != NULL
                             ? settings->server_key
                             : zconfig_get(root, "metadata/server-key", NULL);
    if (!take_key(zconfig_get(root, "curve/public-key", NULL), keys.public_key) ||
        !take_key(zconfig_get(root, "curve/secret-key", NULL), keys.secret_key)) {
        (void)snprintf(out_why, room,
                       "the key file %s lacks a public-key or secret-key of 40 "
                       "characters in its section curve",
                       path);
        err = GG_ERR_CONFIG;
    } else if (!take_key(server, keys.server_key)) {
        (void)snprintf(out_why, room,
                       "the broker's public key is not known: say --server-key Z85, or "
                       "put server-key into the metadata of %s",
                       path);
        err = GG_ERR_CONFIG;
    } else {
        *out = keys;
    }
    zconfig_destroy(&root);
    return err;
}
