/* hand.h - the attempts that an executor has in hand: one in work, others behind it.
 * Pure.
 *
 *   put ──▶ [behind] [behind] [in work] ──▶ pop, once its outcome has come
 *
 * What is behind is on its way, and cannot be taken back. So it is put there only where
 * it will be begun soon, by what those before it took. And of attempts that are done
 * without a pause nobody can tell who wrote to standard error, or left a file: an
 * executor whose attempts do so, and one that is new, is given one at a time.
 */
#ifndef GG_WORKER_EXEC_HAND_H
#define GG_WORKER_EXEC_HAND_H

#include <stdbool.h>
#include <stdint.h>

enum { GG_HAND_MAX = 64 };

struct gg_in_hand {
    uint64_t fence;
    int64_t lease_ms;    /* Its end; 0 none. */
    int64_t start_by_ms; /* It comes back if it is not begun before; 0 none. */
    uint64_t grace_ms;   /* Of the stop. */
    bool stop;           /* It shall be given up when it comes to be in work. */
    bool withdrawn;      /* It shall come back, unless it has begun. */
};

struct gg_hand {
    struct gg_in_hand items[GG_HAND_MAX]; /* A ring. */
    uint32_t first;
    uint32_t count;
    uint32_t wary_count; /* So many are given one at a time before more are. */
    int64_t began_us;    /* The one in work. */
    int64_t mean_us;     /* Of the last ones. */
};

void gg_hand_init(struct gg_hand *hand);

/* How many more may be put now. */
uint32_t gg_hand_room(const struct gg_hand *hand, int64_t now_us);

/* Put one behind the others; there must be a place. */
void gg_hand_put(struct gg_hand *hand, uint64_t fence, int64_t lease_ms,
                 int64_t now_us);

/* The one at place `index`, 0 is in work; it must be there. */
struct gg_in_hand *gg_hand_at(struct gg_hand *hand, uint32_t index);

/* Its place; `count` where it is not in hand. */
uint32_t gg_hand_find(struct gg_hand *hand, uint64_t fence);

/* The one in work is over; the next is in work now. */
struct gg_in_hand gg_hand_pop(struct gg_hand *hand, int64_t now_us);

/* One has written to standard error, or left a file. */
void gg_hand_be_wary(struct gg_hand *hand);

/* The first end of a lease; 0: none has one. */
int64_t gg_hand_lease(struct gg_hand *hand);

#endif
