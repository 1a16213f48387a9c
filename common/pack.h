/* pack.h - msgpack-c's packer, writing in line to where there is room for it.
 *
 * msgpack-c's packing functions are a template over what they append to; its own header
 * makes them call a function for each value. Here they copy to a place and move it on:
 * whoever calls them has made room for the longest form before (write.c).
 */
#ifndef GG_COMMON_PACK_H
#define GG_COMMON_PACK_H

#include <limits.h>
#include <string.h>

#include <msgpack/sysdep.h>
#include <msgpack/timestamp.h>

#include "common/bytes.h"

#define msgpack_pack_inline_func(name)        static inline void msgpack_pack##name
#define msgpack_pack_inline_func_cint(name)   static inline void msgpack_pack##name
#define msgpack_pack_inline_func_fixint(name) static inline void msgpack_pack_fix##name
#define msgpack_pack_user                     uint8_t **
#define msgpack_pack_append_buffer(at, bytes, len)                                     \
    do {                                                                               \
        memcpy(*(at), bytes, len);                                                     \
        *(at) += (len);                                                                \
        return;                                                                        \
    } while (0)

/* The template's local variables and casts are not held to our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <msgpack/pack_template.h>
#pragma GCC diagnostic pop

#endif
