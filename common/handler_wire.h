/* handler_wire.h - how a message stands between an agent and the executor of a handler:
 * four bytes of length, the highest first, then a message of common/codec.h with one
 * command. Of both sides.
 *
 *   agent ──jobs, stops: socket──▶ executor
 *         ◀──outcomes: a ring──
 *         ◀──bells: socket──────
 *
 * What an executor says goes through a ring (common/ring.h) that it finds as its
 * standard input; in its socket are only the bells for an agent that sleeps. One that
 * knows nothing of rings says all of it in its socket: no message begins with a bell.
 *
 * `start_within_ms` of an assignment is a time here, in ms on CLOCK_BOOTTIME: a job
 * that has not begun by then is handed back, even if the agent is stopped; 0 none.
 */
#ifndef GG_COMMON_HANDLER_WIRE_H
#define GG_COMMON_HANDLER_WIRE_H

enum {
    GG_HANDLER_LENGTH_BYTES = 4,
    GG_HANDLER_STOP_MARK = 0x80, /* Of the first byte: it is a stop, and seen ahead of
                                    the jobs that came before it. */
    GG_HANDLER_RING_FD = 0,
    GG_HANDLER_BELL = 0xff, /* There is something in the ring. */
};

#endif
