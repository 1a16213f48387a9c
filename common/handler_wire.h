/* handler_wire.h - how a message stands between an agent and the executor of a handler:
 * four bytes of length, the highest first, then a message of common/codec.h with one
 * command. Of both sides.
 */
#ifndef GG_COMMON_HANDLER_WIRE_H
#define GG_COMMON_HANDLER_WIRE_H

enum {
    GG_HANDLER_LENGTH_BYTES = 4,
    GG_HANDLER_STOP_MARK = 0x80, /* Of the first byte: it is a stop, and seen ahead of
                                    the jobs that came before it. */
};

#endif
