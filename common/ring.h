/* ring.h - a stream of bytes from one process to another through memory they share.
 *
 *   writer ──put──▶ [ bytes ] ──take──▶ reader
 *      ▲                                  │
 *      └──── wake, when it has waited ────┘
 *
 * While both are busy no call of the kernel is made. What was put before a writer died
 * is there to be taken, as from a socket. Neither side trusts the other: each keeps its
 * own count to itself, what it reads of the other's is checked, bytes are copied before
 * they are looked at, and the memory cannot be made smaller under its reader.
 *
 * A reader that goes to sleep says so; the put after that tells its caller to wake it,
 * by whatever way there is beside the ring.
 */
#ifndef GG_COMMON_RING_H
#define GG_COMMON_RING_H

#include "common/bytes.h"

enum { GG_RING_BYTES = 32768, GG_RING_LINE_BYTES = 64 };

/* As it stands in memory. Both counts are of all bytes ever, modulo 2^32. */
struct gg_ring_page {
    _Alignas(GG_RING_LINE_BYTES) _Atomic uint32_t put; /* The writer's. */
    _Atomic uint32_t is_full;                          /* The writer waits for room. */
    _Alignas(GG_RING_LINE_BYTES) _Atomic uint32_t taken; /* The reader's. */
    _Atomic uint32_t sleeps; /* The reader wants to be woken. */
    _Alignas(GG_RING_LINE_BYTES) uint8_t bytes[GG_RING_BYTES];
};

/* One end. */
struct gg_ring {
    struct gg_ring_page *page; /* NULL: closed. */
    uint32_t at;               /* Our own count. */
};

/* A new one, empty, whose reader sleeps; *out_fd, which the caller owns, lets others
 * open it. GG_ERR_SYSTEM: errno says why. */
GG_MUST_USE enum gg_err gg_ring_new(struct gg_ring *ring, int *out_fd);

/* The end that has reached `at`. GG_ERR_SYSTEM: that descriptor is no ring, or cannot
 * be mapped. */
GG_MUST_USE enum gg_err gg_ring_open(struct gg_ring *ring, int fd, uint32_t at);
void gg_ring_close(struct gg_ring *ring);

/* ---- the writer's ---- */

/* Put as much as there is room for; returns how much. *out_wake: the reader sleeps. */
size_t gg_ring_put(struct gg_ring *ring, struct gg_slice bytes, bool *out_wake);

/* Wait until there is room, at most `wait_ms`. */
void gg_ring_wait(struct gg_ring *ring, uint32_t wait_ms);

/* ---- the reader's ---- */

/* Append all that is there to `out`; a writer that waited goes on. False: what the
 * writer has counted cannot be. */
GG_MUST_USE bool gg_ring_take(struct gg_ring *ring, struct gg_buf *out);

/* Is something there? */
static inline bool gg_ring_has(const struct gg_ring *ring)
{
    return atomic_load_explicit(&ring->page->put, memory_order_relaxed) != ring->at;
}

/* It is about to sleep. True: nothing is there, and the next put tells to wake it.
 * False: take first what is there. */
bool gg_ring_sleep(struct gg_ring *ring);

#endif
