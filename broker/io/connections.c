#include "broker/io/connections.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64, FD_MAX = 1 << 24 };

void gg_connections_init(struct gg_connections *connections)
{
    *connections = (struct gg_connections){0};
    gg_list_init(&connections->mute);
}

void gg_connections_fini(struct gg_connections *connections)
{
    for (int endpoint = 0; endpoint < GG_ENDPOINT_COUNT; endpoint++) {
        for (uint32_t i = 0; i < connections->room[endpoint]; i++) {
            free(connections->by_fd[endpoint][i]);
        }
        free(connections->by_fd[endpoint]);
    }
    gg_connections_init(connections);
}

static bool make_room(struct gg_connections *connections, enum gg_endpoint endpoint,
                      int fd)
{
    uint32_t old = connections->room[endpoint];
    uint32_t room = old == 0 ? FIRST_ROOM : old;
    while (room <= (uint32_t)fd) {
        room *= 2;
    }
    if (room == old) {
        return true;
    }
    struct gg_connection **table = realloc(connections->by_fd[endpoint],
                                           room * sizeof(struct gg_connection *));
    if (table == NULL) {
        return false;
    }
    for (uint32_t i = old; i < room; i++) {
        table[i] = NULL;
    }
    connections->by_fd[endpoint] = table;
    connections->room[endpoint] = room;
    return true;
}

static struct gg_connection *find(const struct gg_connections *connections,
                                  enum gg_endpoint endpoint, int fd)
{
    if (fd < 0 || (uint32_t)fd >= connections->room[endpoint]) {
        return NULL;
    }
    struct gg_connection *connection = connections->by_fd[endpoint][fd];
    return connection != NULL && connection->connected ? connection : NULL;
}

bool gg_connections_opened(struct gg_connections *connections,
                           enum gg_endpoint endpoint, int fd, struct gg_mono now)
{
    if (fd < 0 || fd > FD_MAX || !make_room(connections, endpoint, fd)) {
        return false;
    }
    (void)gg_connections_closed(connections, endpoint, fd); /* Its event was lost. */
    struct gg_connection **slot = &connections->by_fd[endpoint][fd];
    if (*slot == NULL) {
        *slot = malloc(sizeof **slot);
        if (*slot == NULL) {
            return false;
        }
    }
    **slot = (struct gg_connection){
        .connected = true,
        .fd = fd,
        .endpoint = (uint8_t)endpoint,
        .since = now,
    };
    gg_list_push_back(&connections->mute, &(*slot)->mute);
    connections->count++;
    return true;
}

const struct gg_connection *gg_connections_closed(struct gg_connections *connections,
                                                  enum gg_endpoint endpoint, int fd)
{
    struct gg_connection *connection = find(connections, endpoint, fd);
    if (connection != NULL) {
        gg_list_remove(&connection->mute);
        connection->connected = false;
        connections->count--;
    }
    return connection;
}

bool gg_connections_greet(struct gg_connections *connections, enum gg_endpoint endpoint,
                          int fd, const struct gg_peer *peer)
{
    struct gg_connection *connection = find(connections, endpoint, fd);
    if (connection == NULL) {
        return false;
    }
    if (peer != NULL) {
        gg_list_remove(&connection->mute);
        connection->serial = peer->serial;
        connection->peer = peer->number;
    }
    return true;
}

const struct gg_connection *gg_connections_mute(struct gg_connections *connections,
                                                struct gg_mono limit)
{
    struct gg_link *first = gg_list_first(&connections->mute);
    if (first == NULL) {
        return NULL;
    }
    struct gg_connection *oldest = GG_CONTAINER(first, struct gg_connection, mute);
    if (oldest->since.ms >= limit.ms) {
        return NULL;
    }
    gg_list_remove(&oldest->mute);
    return oldest;
}
