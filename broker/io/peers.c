#include "broker/io/peers.h"

#include <stdlib.h>

#include "common/assert.h"

enum { FIRST_ROOM = 64, FIRST_RECEIPTS = 16 };

void gg_peers_init(struct gg_peers *peers, uint32_t sessions_max, uint64_t seed)
{
    *peers = (struct gg_peers){.sessions_max = sessions_max, .seed = seed};
    gg_list_init(&peers->by_silence);
}

void gg_peers_fini(struct gg_peers *peers)
{
    GG_ASSERT(peers->open_count == 0);

    for (uint32_t i = 0; i < peers->count; i++) {
        free(peers->items[i]->receipts.ring);
        free(peers->items[i]);
    }
    free(peers->items);
    free(peers->spare);
    gg_map_fini(&peers->by_route);
    *peers = (struct gg_peers){0};
}

bool gg_route_set(struct gg_route *out, enum gg_endpoint endpoint, struct gg_slice id)
{
    if (id.len > GG_ROUTE_BYTES_MAX) {
        return false;
    }
    *out = (struct gg_route){.endpoint = (uint8_t)endpoint, .len = (uint8_t)id.len};
    if (id.len > 0) {
        memcpy(out->id, id.data, id.len);
    }
    return true;
}

static uint64_t hash_of(const struct gg_peers *peers, const struct gg_route *route)
{
    return gg_hash(gg_slice_of(route->id, route->len), peers->seed + route->endpoint);
}

static bool has_route(const void *item, const void *key)
{
    const struct gg_route *own = &((const struct gg_peer *)item)->route;
    const struct gg_route *asked = key;
    return own->endpoint == asked->endpoint && own->len == asked->len &&
           memcmp(own->id, asked->id, own->len) == 0;
}

struct gg_peer *gg_peers_find(const struct gg_peers *peers,
                              const struct gg_route *route)
{
    return gg_map_find(&peers->by_route, hash_of(peers, route), has_route, route);
}

struct gg_peer *gg_peers_at(const struct gg_peers *peers, uint32_t number)
{
    if (number >= peers->count || !peers->items[number]->open) {
        return NULL;
    }
    return peers->items[number];
}

static enum gg_err grow(struct gg_peers *peers)
{
    uint32_t room = peers->room == 0 ? FIRST_ROOM : peers->room * 2;
    struct gg_peer **items = realloc(peers->items, room * sizeof *items);
    if (items == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    peers->items = items;
    uint32_t *spare = realloc(peers->spare, room * sizeof *spare);
    if (spare == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    peers->spare = spare;
    peers->room = room;
    return GG_OK;
}

/* A record that is not in use, its number set; NULL without memory. */
static struct gg_peer *take_spare(struct gg_peers *peers)
{
    if (peers->spare_count > 0) {
        return peers->items[peers->spare[--peers->spare_count]];
    }
    if (peers->count == peers->room && grow(peers) != GG_OK) {
        return NULL;
    }
    struct gg_peer *peer = calloc(1, sizeof *peer);
    if (peer != NULL) {
        peer->number = peers->count;
        peers->items[peers->count++] = peer;
    }
    return peer;
}

enum gg_err gg_peers_open(struct gg_peers *peers, const struct gg_route *route,
                          uint64_t session, struct gg_mono now,
                          struct gg_peer **out_peer)
{
    GG_ASSERT(gg_peers_find(peers, route) == NULL);

    if (peers->open_count >= peers->sessions_max) {
        return GG_ERR_TOO_MANY;
    }
    if (gg_map_reserve(&peers->by_route) != GG_OK) {
        return GG_ERR_NO_MEMORY;
    }
    struct gg_peer *peer = take_spare(peers);
    if (peer == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    *peer = (struct gg_peer){
        .route = *route,
        .open = true,
        .number = peer->number,
        .serial = ++peers->serial,
        .session = session,
        .fd = -1,
        .heard = 1, /* The hello. */
        .heard_at = now,
    };
    gg_list_init(&peer->out);
    gg_list_push_back(&peers->by_silence, &peer->by_silence);
    gg_map_put(&peers->by_route, hash_of(peers, route), peer);
    peers->open_count++;
    *out_peer = peer;
    return GG_OK;
}

void gg_peers_close(struct gg_peers *peers, struct gg_peer *peer)
{
    GG_ASSERT(peer->open);
    GG_ASSERT(gg_list_empty(&peer->out));
    GG_ASSERT(peer->keys == NULL);

    bool known = gg_map_remove(&peers->by_route, hash_of(peers, &peer->route), peer);
    GG_ASSERT(known);
    gg_list_remove(&peer->by_silence);
    gg_list_remove(&peer->leaving);
    free(peer->receipts.ring);
    peer->receipts = (struct gg_receipts){0};
    peer->open = false;
    peers->spare[peers->spare_count++] = peer->number;
    peers->open_count--;
}

enum gg_hearing gg_peers_hear(struct gg_peers *peers, struct gg_peer *peer,
                              const struct gg_header *header, struct gg_mono now)
{
    if (header->session != peer->session) {
        return GG_HEARD_FOREIGN;
    }
    if (header->sequence != peer->heard + 1) {
        return GG_HEARD_GAP;
    }
    if (header->acked > peer->sent) {
        return GG_HEARD_FUTURE;
    }
    peer->heard = header->sequence;
    if (header->acked > peer->acked) {
        peer->acked = header->acked;
    }
    peer->heard_at = now;
    if (!peer->agent) {
        gg_list_remove(&peer->by_silence);
        gg_list_push_back(&peers->by_silence, &peer->by_silence);
    }
    return GG_HEARD;
}

void gg_peers_greet(struct gg_peers *peers, struct gg_peer *peer, bool agent)
{
    (void)peers;
    peer->agent = agent;
    if (agent) {
        gg_list_remove(&peer->by_silence);
    }
}

static bool receipts_grow(struct gg_receipts *receipts)
{
    uint32_t room = receipts->room == 0 ? FIRST_RECEIPTS : receipts->room * 2;
    if (room > GG_RECEIPTS_MAX) {
        return false;
    }
    struct gg_receipt *ring = malloc(room * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < receipts->count; i++) {
        ring[i] = receipts->ring[(receipts->first + i) & (receipts->room - 1)];
    }
    free(receipts->ring);
    *receipts = (struct gg_receipts){
        .ring = ring,
        .count = receipts->count,
        .room = room,
    };
    return true;
}

bool gg_peer_owe(struct gg_peer *peer, const struct gg_receipt *receipt)
{
    struct gg_receipts *receipts = &peer->receipts;
    if (receipts->count == receipts->room && !receipts_grow(receipts)) {
        return false;
    }
    uint32_t place = (receipts->first + receipts->count) & (receipts->room - 1);
    receipts->ring[place] = *receipt;
    receipts->count++;
    return true;
}

bool gg_peer_receipt(struct gg_peer *peer, uint64_t *out_token)
{
    struct gg_receipts *receipts = &peer->receipts;
    while (receipts->count > 0) {
        const struct gg_receipt *oldest = &receipts->ring[receipts->first];
        if (oldest->sequence > peer->acked) {
            return false;
        }
        receipts->first = (receipts->first + 1) & (receipts->room - 1);
        receipts->count--;
        peer->in_flight_bytes -= oldest->bytes;
        if (oldest->token != 0) {
            *out_token = oldest->token;
            return true;
        }
    }
    return false;
}

struct gg_peer *gg_peers_silent(const struct gg_peers *peers, struct gg_mono limit)
{
    struct gg_link *first = gg_list_first(&peers->by_silence);
    if (first == NULL) {
        return NULL;
    }
    struct gg_peer *peer = GG_CONTAINER(first, struct gg_peer, by_silence);
    return peer->heard_at.ms < limit.ms ? peer : NULL;
}

void gg_peers_forgive(struct gg_peers *peers, struct gg_mono now)
{
    GG_LIST_EACH(&peers->by_silence, link)
    {
        GG_CONTAINER(link, struct gg_peer, by_silence)->heard_at = now;
    }
}
