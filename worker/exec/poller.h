/* poller.h - who is told when a descriptor is ready: a thin layer over epoll.
 *
 * All descriptors but the ZeroMQ socket hang on one epoll descriptor, which the loop
 * polls beside that socket. Level-triggered: a callback does a bounded piece of work.
 */
#ifndef GG_WORKER_EXEC_POLLER_H
#define GG_WORKER_EXEC_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct gg_listener;

/* `events` are those of epoll. The callback may close any watch, its own included. */
typedef void gg_listener_fn(struct gg_listener *watch, uint32_t events);

/* Embedded in whoever owns the descriptor. */
struct gg_listener {
    int fd; /* -1 while closed. */
    uint32_t events;
    gg_listener_fn *ready;
    void *ctx;
};

struct gg_poller {
    int fd;
    struct gg_listener
        *batch[64]; /* Being told right now; NULL where closed meanwhile. */
    int batch_count;
};

GG_MUST_USE enum gg_err gg_poller_init(struct gg_poller *poller);
void gg_poller_fini(struct gg_poller *poller);

/* Watch `fd`, which the watch owns from now on, also on failure. */
GG_MUST_USE enum gg_err gg_listener_open(struct gg_poller *poller,
                                         struct gg_listener *watch, int fd,
                                         uint32_t events);

/* Wait for other events from now on. */
void gg_listener_change(struct gg_poller *poller, struct gg_listener *watch,
                        uint32_t events);

/* Stop watching and close the descriptor. Safe when closed already. */
void gg_listener_close(struct gg_poller *poller, struct gg_listener *watch);

/* Tell all that are ready now, once; never waits. */
void gg_poller_dispatch(struct gg_poller *poller);

#endif
