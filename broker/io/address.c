#include "broker/io/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tcp[] = "tcp://";
static const char ipc[] = "ipc://";

static const char *after(const char *address, const char *scheme)
{
    size_t len = strlen(scheme);
    return strncmp(address, scheme, len) == 0 ? address + len : NULL;
}

bool gg_address_valid(const char *address)
{
    const char *rest = after(address, tcp);
    if (rest == NULL) {
        rest = after(address, ipc);
    }
    return rest != NULL && rest[0] != '\0' && strlen(address) < GG_ADDRESS_BYTES;
}

const char *gg_address_path(const char *address)
{
    return after(address, ipc);
}

/* The host of a tcp address, without the brackets of IPv6. */
static bool host_of(const char *address, char host[GG_ADDRESS_BYTES])
{
    const char *start = after(address, tcp);
    const char *colon = start == NULL ? NULL : strrchr(start, ':');
    if (colon == NULL || strlen(address) >= GG_ADDRESS_BYTES) {
        return false;
    }
    size_t len = (size_t)(colon - start);
    if (len >= 2 && start[0] == '[' && start[len - 1] == ']') {
        start++;
        len -= 2;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    return true;
}

bool gg_address_local(const char *address)
{
    if (gg_address_path(address) != NULL) {
        return true;
    }
    char host[GG_ADDRESS_BYTES];
    if (!host_of(address, host)) {
        return false;
    }
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six);
    }
    return strcmp(host, "localhost") == 0;
}

bool gg_address_next(const char *address, char out[GG_ADDRESS_BYTES])
{
    int len = 0;
    if (gg_address_path(address) != NULL) {
        len = snprintf(out, GG_ADDRESS_BYTES, "%s.agents", address);
        return len > 0 && len < GG_ADDRESS_BYTES;
    }
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return false;
    }
    char *end = NULL;
    long port = strcmp(colon, ":*") == 0 ? 0 : strtol(colon + 1, &end, 10);
    if (port < 0 || port >= 65535 || (end != NULL && *end != '\0')) {
        return false;
    }
    len = snprintf(out, GG_ADDRESS_BYTES, "%.*s:%ld", (int)(colon - address), address,
                   port == 0 ? 0 : port + 1);
    return len > 0 && len < GG_ADDRESS_BYTES;
}
