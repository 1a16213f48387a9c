#include "client/src/endpoint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The kernel's limit on a socket's path, less the byte at its end. */
enum { IPC_PATH_BYTES_MAX = 107 };

static bool is_port(const char *text)
{
    unsigned value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= 65535; at++) {
        value = value * 10 + (unsigned)(*at - '0');
    }
    return at != text && *at == '\0' && value > 0 && value <= 65535;
}

static bool is_host(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_:[]%";
    if (len == 0 || len > 255) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (strchr(allowed, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static enum gg_err read_tcp(const char *whole, const char *text, char *out, char *why,
                            size_t why_room)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1)) {
        (void)snprintf(why, why_room,
                       "the endpoint \"%.200s\" has no port from 1 to 65535; write "
                       "tcp://host:port, such as tcp://127.0.0.1:7440",
                       whole);
        return GG_ERR_USAGE;
    }
    if (!is_host(text, (size_t)(colon - text))) {
        (void)snprintf(why, why_room,
                       "the endpoint \"%.200s\" has no usable host; write "
                       "tcp://host:port, such as tcp://127.0.0.1:7440",
                       whole);
        return GG_ERR_USAGE;
    }
    (void)snprintf(out, GG_ENDPOINT_BYTES, "tcp://%s", text);
    return GG_OK;
}

enum gg_err gg_endpoint_read(const char *text, char out[GG_ENDPOINT_BYTES], char *why,
                             size_t why_room)
{
    const char *scheme_end = strstr(text, "://");
    if (scheme_end == NULL || strncmp(text, "tcp://", 6) == 0) {
        return read_tcp(text, scheme_end == NULL ? text : text + 6, out, why, why_room);
    }
    if (strncmp(text, "ipc://", 6) != 0) {
        (void)snprintf(why, why_room,
                       "the endpoint \"%.200s\" is neither tcp://host:port nor "
                       "ipc:///path/of/socket",
                       text);
        return GG_ERR_USAGE;
    }
    size_t len = strlen(text + 6);
    if (len == 0 || len > IPC_PATH_BYTES_MAX) {
        (void)snprintf(why, why_room,
                       "the path in the endpoint \"%.200s\" has %zu bytes; 1 to %d fit",
                       text, len, IPC_PATH_BYTES_MAX);
        return GG_ERR_USAGE;
    }
    (void)snprintf(out, GG_ENDPOINT_BYTES, "%s", text);
    return GG_OK;
}
