/* address.h - endpoint texts: is it this machine only, and which is the next port. */
#ifndef GG_BROKER_IO_ADDRESS_H
#define GG_BROKER_IO_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum { GG_ADDRESS_BYTES = 256, GG_ADDRESSES_MAX = 8 };

/* Is it tcp:// or ipc://, and does it fit? */
bool gg_address_valid(const char *address);

/* Can only this machine connect? True of ipc:// and of tcp on 127.0.0.0/8, [::1] and
 * localhost; false of every name that would have to be looked up. */
bool gg_address_local(const char *address);

/* The path of an ipc address, or NULL. */
const char *gg_address_path(const char *address);

/* Where agents connect when nobody said: the next port (after 0 again 0: the kernel
 * chooses), or PATH.agents. False when there is no next port. */
bool gg_address_next(const char *address, char out[GG_ADDRESS_BYTES]);

#endif
