#include "broker/io/outbox.h"

#include <stdlib.h>

#include "common/assert.h"

enum {
    POOL_MAX = 64,
    POOLED_BYTES_MAX = 1 << 17, /* A message that grew beyond gives its memory back. */
    FRAME_BYTES_MAX = 1 << 30,
    /* So many commands that somebody waits for leave at once: larger messages save
     * nothing more, and while the peer works on these the broker works on the next.
     * Everything in one lump would have each side wait for the other. */
    EARLY_COMMANDS = 250,
    PATIENT_COMMANDS = 1000, /* So many, though nobody waits for them. */
    EARLY_BYTES = 1 << 20, /* Flush a peer at once when so much has gathered for it. */
    FIRST_HELD = 64,
};

/* One message on its way. */
struct out {
    struct gg_link link;
    struct gg_buf bytes; /* GG_PREFIX_BYTES of room, then the commands. */
    uint32_t count;
    uint32_t awaited; /* Of them, those that are not patient. */
    uint8_t type;
    bool closed; /* Nothing may be added. */
    uint64_t sequence;
    struct gg_blob *attachment;
};

/* One effect that waits for its record. */
struct gg_withheld {
    uint64_t after;
    uint64_t emission;
    uint64_t token;
    uint64_t serial; /* Of the session it is for. */
    uint32_t peer;
    uint32_t len;
    uint8_t type;
    bool patient;
    struct gg_blob *attachment;
    uint8_t bytes[];
};

void gg_outbox_init(struct gg_outbox *box, struct gg_peers *peers,
                    gg_outbox_send_fn *send, void *ctx)
{
    *box = (struct gg_outbox){
        .peers = peers,
        .send = send,
        .ctx = ctx,
        .backlog_bytes_max = UINT64_MAX,
        .in_flight_bytes_max = UINT64_MAX,
    };
    gg_list_init(&box->flushing);
    gg_list_init(&box->doomed);
    gg_list_init(&box->pool);
}

/* ---- messages ---- */

void gg_outbox_doom(struct gg_outbox *box, struct gg_peer *peer, const char *why)
{
    if (peer->doomed == NULL) {
        peer->doomed = why;
        gg_list_push_back(&box->doomed, &peer->dooming);
    }
}

static void recycle(struct gg_outbox *box, struct out *out)
{
    gg_blob_unref(&out->attachment);
    if (box->pool_count >= POOL_MAX || out->bytes.room > POOLED_BYTES_MAX) {
        gg_buf_fini(&out->bytes);
        free(out);
        return;
    }
    gg_list_push_front(&box->pool, &out->link);
    box->pool_count++;
}

static struct out *fresh(struct gg_outbox *box)
{
    struct gg_link *link = gg_list_first(&box->pool);
    struct out *out = NULL;
    if (link != NULL) {
        gg_list_remove(link);
        box->pool_count--;
        out = GG_CONTAINER(link, struct out, link);
        struct gg_buf kept = out->bytes;
        *out = (struct out){.bytes = kept};
    } else {
        out = calloc(1, sizeof *out);
        if (out == NULL) {
            return NULL;
        }
        gg_buf_init(&out->bytes, FRAME_BYTES_MAX);
    }
    static const uint8_t prefix[GG_PREFIX_BYTES];
    gg_buf_clear(&out->bytes);
    gg_buf_append(&out->bytes, prefix, sizeof prefix);
    return out;
}

/* The message that `len` more bytes go into; NULL without memory. */
static struct out *open_message(struct gg_outbox *box, struct gg_peer *peer,
                                uint8_t type, bool has_attachment, size_t len)
{
    if (!gg_list_empty(&peer->out)) {
        struct out *last = GG_CONTAINER(peer->out.prev, struct out, link);
        bool fits = !last->closed && last->type == type &&
                    last->bytes.len + len <= GG_OUT_BYTES_MAX &&
                    last->count < GG_COMMANDS_MAX &&
                    !(has_attachment && last->attachment != NULL);
        if (fits) {
            return last;
        }
        last->closed = true;
    }
    struct out *out = fresh(box);
    if (out == NULL) {
        return NULL;
    }
    out->type = type;
    out->sequence = ++peer->written;
    gg_list_push_back(&peer->out, &out->link);
    peer->backlog_bytes += out->bytes.len;
    if (!gg_list_linked(&peer->flushing)) {
        gg_list_push_back(&box->flushing, &peer->flushing);
    }
    return out;
}

static void flush_peer(struct gg_outbox *box, struct gg_peer *peer);

/* Put one command into the peer's open message. */
static void put(struct gg_outbox *box, struct gg_peer *peer, uint8_t type, bool patient,
                struct gg_slice command, uint64_t token, struct gg_blob *attachment)
{
    peer->urgent = peer->urgent || !patient;
    if (peer->doomed != NULL) {
        return;
    }
    struct out *out = open_message(box, peer, type, attachment != NULL, command.len);
    if (out == NULL) {
        gg_outbox_doom(box, peer, "no_memory");
        return;
    }
    gg_buf_append(&out->bytes, command.data, command.len);
    struct gg_receipt receipt = {
        .sequence = out->sequence,
        .token = token,
        .bytes = attachment == NULL ? 0 : attachment->len,
    };
    if (out->bytes.failed ||
        ((token != 0 || attachment != NULL) && !gg_peer_owe(peer, &receipt))) {
        gg_outbox_doom(box, peer, "receipts");
        return;
    }
    out->count++;
    out->awaited += !patient;
    peer->backlog_bytes += command.len;
    if (attachment != NULL) {
        out->attachment = gg_blob_ref(attachment);
        out->closed = true;
        peer->shared_bytes += attachment->len;
    }
    if (peer->backlog_bytes + peer->shared_bytes > EARLY_BYTES ||
        out->awaited >= EARLY_COMMANDS || out->count >= PATIENT_COMMANDS) {
        flush_peer(box, peer);
    }
    if (peer->backlog_bytes > box->backlog_bytes_max) {
        gg_outbox_doom(box, peer, "backlog");
    }
}

/* May the next message go? Attachments that are sent and not acknowledged may be held
 * by libzmq's pipe, whatever becomes of their jobs: a peer that reads nothing shall not
 * pile them up there. */
static bool may_send(const struct gg_outbox *box, const struct gg_peer *peer,
                     const struct out *out)
{
    return out->attachment == NULL || peer->in_flight_bytes == 0 ||
           peer->in_flight_bytes + out->attachment->len <= box->in_flight_bytes_max;
}

static enum gg_sent send_one(struct gg_outbox *box, struct gg_peer *peer,
                             struct out *out)
{
    struct gg_header header = {
        .version = GG_PROTOCOL_VERSION,
        .type = out->type,
        .session = peer->session,
        .sequence = out->sequence,
        .acked = peer->heard,
    };
    gg_prefix_write(&header, out->count, out->bytes.data);
    enum gg_sent sent = box->send(box->ctx, &peer->route, gg_buf_slice(&out->bytes),
                                  out->attachment);
    if (sent == GG_SENT) {
        size_t shared = gg_blob_slice(out->attachment).len;
        peer->sent = out->sequence;
        peer->in_flight_bytes += shared;
        peer->shared_bytes -= shared;
        peer->backlog_bytes -= out->bytes.len;
        box->sent_messages++;
        box->sent_bytes += out->bytes.len + shared;
    }
    return sent;
}

/* Send what the peer takes. It stays in the list of flushing while something is left.
 */
static void flush_peer(struct gg_outbox *box, struct gg_peer *peer)
{
    GG_LIST_EACH(&peer->out, link)
    {
        struct out *out = GG_CONTAINER(link, struct out, link);
        enum gg_sent sent = may_send(box, peer, out) ? send_one(box, peer, out)
                                                     : GG_SENT_STUCK;
        if (sent == GG_SENT_STUCK) {
            return;
        }
        if (sent == GG_SENT_GONE) {
            gg_outbox_doom(box, peer, "gone");
            return;
        }
        gg_list_remove(link);
        recycle(box, out);
    }
    gg_list_remove(&peer->flushing);
    peer->urgent = false;
}

void gg_outbox_flush(struct gg_outbox *box, bool patient_too)
{
    box->stuck_count = 0;
    GG_LIST_EACH(&box->flushing, link)
    {
        struct gg_peer *peer = GG_CONTAINER(link, struct gg_peer, flushing);
        if (peer->doomed == NULL && (patient_too || peer->urgent)) {
            flush_peer(box, peer);
            box->stuck_count += gg_list_linked(&peer->flushing) && peer->doomed == NULL;
        }
    }
}

void gg_outbox_drop(struct gg_outbox *box, struct gg_peer *peer)
{
    GG_LIST_EACH(&peer->out, link)
    {
        gg_list_remove(link);
        recycle(box, GG_CONTAINER(link, struct out, link));
    }
    gg_list_remove(&peer->flushing);
    peer->backlog_bytes = 0;
    peer->shared_bytes = 0;
    gg_list_remove(&peer->dooming);
    peer->doomed = NULL;
}

void gg_outbox_say(struct gg_outbox *box, struct gg_peer *peer, struct gg_slice command)
{
    put(box, peer, GG_MESSAGE_COMMANDS, false, command, 0, NULL);
}

/* ---- held until durable ---- */

static bool goes_before(const struct gg_withheld *a, const struct gg_withheld *b)
{
    return a->after < b->after || (a->after == b->after && a->emission < b->emission);
}

static bool heap_push(struct gg_outbox *box, struct gg_withheld *held)
{
    if (box->held_count == box->held_room) {
        uint32_t room = box->held_room == 0 ? FIRST_HELD : box->held_room * 2;
        struct gg_withheld **table = realloc(box->held,
                                             room * sizeof(struct gg_withheld *));
        if (table == NULL) {
            return false;
        }
        box->held = table;
        box->held_room = room;
    }
    uint32_t i = box->held_count++;
    for (; i > 0 && goes_before(held, box->held[(i - 1) / 2]); i = (i - 1) / 2) {
        box->held[i] = box->held[(i - 1) / 2];
    }
    box->held[i] = held;
    return true;
}

static struct gg_withheld *heap_pop(struct gg_outbox *box)
{
    struct gg_withheld *first = box->held[0];
    struct gg_withheld *last = box->held[--box->held_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= box->held_count) {
            break;
        }
        if (child + 1 < box->held_count &&
            goes_before(box->held[child + 1], box->held[child])) {
            child++;
        }
        if (!goes_before(box->held[child], last)) {
            break;
        }
        box->held[i] = box->held[child];
        i = child;
    }
    if (box->held_count > 0) {
        box->held[i] = last;
    }
    return first;
}

static bool hold(struct gg_outbox *box, const struct gg_peer *peer, uint8_t type,
                 struct gg_slice bytes, const struct gg_effect *effect)
{
    struct gg_withheld *held = malloc(sizeof *held + bytes.len);
    if (held == NULL) {
        return false;
    }
    *held = (struct gg_withheld){
        .after = effect->after,
        .emission = ++box->emission,
        .token = effect->token,
        .serial = peer->serial,
        .peer = peer->number,
        .len = (uint32_t)bytes.len,
        .type = type,
        .patient = effect->patient,
    };
    if (bytes.len > 0) {
        memcpy(held->bytes, bytes.data, bytes.len);
    }
    if (!heap_push(box, held)) {
        free(held);
        return false;
    }
    if (effect->attachment != NULL) {
        held->attachment = gg_blob_ref(effect->attachment);
    }
    box->held_bytes += sizeof *held + bytes.len;
    return true;
}

static void free_held(struct gg_outbox *box, struct gg_withheld *held)
{
    box->held_bytes -= sizeof *held + held->len;
    gg_blob_unref(&held->attachment);
    free(held);
}

void gg_outbox_add(struct gg_outbox *box, struct gg_peer *peer,
                   const struct gg_effects *fx, const struct gg_effect *effect)
{
    GG_ASSERT(effect->type == GG_FX_SEND || effect->type == GG_FX_WELCOME);

    struct gg_slice bytes = gg_effect_bytes(fx, effect);
    uint8_t type = effect->type == GG_FX_WELCOME ? (uint8_t)GG_MESSAGE_WELCOME
                                                 : (uint8_t)GG_MESSAGE_COMMANDS;
    if (effect->after <= box->durable) {
        put(box, peer, type, effect->patient, bytes, effect->token, effect->attachment);
    } else if (!hold(box, peer, type, bytes, effect)) {
        gg_outbox_doom(box, peer, "no_memory");
    }
}

void gg_outbox_release(struct gg_outbox *box, uint64_t durable)
{
    GG_ASSERT(durable >= box->durable);

    box->durable = durable;
    while (box->held_count > 0 && box->held[0]->after <= durable) {
        struct gg_withheld *held = heap_pop(box);
        struct gg_peer *peer = gg_peers_at(box->peers, held->peer);
        if (peer != NULL && peer->serial == held->serial) {
            put(box, peer, held->type, held->patient,
                gg_slice_of(held->bytes, held->len), held->token, held->attachment);
        }
        free_held(box, held);
    }
}

void gg_outbox_fini(struct gg_outbox *box)
{
    while (box->held_count > 0) {
        free_held(box, heap_pop(box));
    }
    free(box->held);
    GG_LIST_EACH(&box->pool, link)
    {
        struct out *out = GG_CONTAINER(link, struct out, link);
        gg_buf_fini(&out->bytes);
        free(out);
    }
    *box = (struct gg_outbox){0};
}
