/* io.h - the agent's loop: the only place where it touches the world.
 *
 * One turn: wait; tell the owners of descriptors that are ready; read the socket, at
 * most some hundred messages; let the agent decide; start and stop what it says; send
 * what has gathered, as few messages as possible.
 */
#ifndef GG_WORKER_IO_H
#define GG_WORKER_IO_H

#include "worker/settings.h"

/* Be an agent until it is told to end and has drained. Returns the exit status. */
int gg_io_run(struct gg_worker_settings *settings, char **argv);

#endif
