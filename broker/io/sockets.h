/* sockets.h - libzmq's context, ROUTERs and monitors, with every option that counts.
 *
 * The reasons for the options are in broker/README.md. All of them are set before the
 * bind, and never changed after it.
 */
#ifndef GG_BROKER_IO_SOCKETS_H
#define GG_BROKER_IO_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/io/address.h"
#include "broker/io/keys.h"
#include "broker/io/outbox.h"

struct gg_router_config {
    enum gg_endpoint endpoint;
    const char *domain;       /* For ZAP. */
    const char *secret;       /* The server's key as Z85, or NULL: no keys. */
    uint64_t frame_bytes_max; /* A larger frame costs its sender the connection. */
};

/* One ROUTER with its monitor. */
struct gg_router {
    void *socket;
    void *monitor;                  /* PAIR that reads its events. */
    int fd;                         /* To poll for `socket`: gg_router_pending(). */
    int monitor_fd;                 /* The same for `monitor`. */
    bool touched;                   /* Used since it was last found to hold nothing. */
    char address[GG_ADDRESS_BYTES]; /* First one bound, as the kernel has it. */
    int locks[GG_ADDRESSES_MAX];    /* Of ipc paths; -1 where there is none. */
    int lock_count;
};

/* What was wrong, as a sentence that says what to try. */
struct gg_fault_text {
    char text[512];
};

/* Something the monitor saw. */
struct gg_socket_event {
    bool accepted; /* Else it was disconnected. */
    int fd;
};

/* Seed libzmq's generator of routing ids, which it never does itself, and make the
 * context. NULL: no memory, or too few descriptors. */
void *gg_context_new(void);

/* Make a ROUTER with its monitor, not yet bound. GG_ERR_SYSTEM: *out_fault. On success
 * end it with gg_router_close(). */
GG_MUST_USE enum gg_err gg_router_open(void *context,
                                       const struct gg_router_config *config,
                                       struct gg_router *out_router,
                                       struct gg_fault_text *out_fault);

/* Bind it. For ipc the folder must be ours alone, and the path is locked. `fd` is a
 * listening socket handed over by the service manager, or -1. */
GG_MUST_USE enum gg_err gg_router_bind(struct gg_router *router, const char *address,
                                       int fd, struct gg_fault_text *out_fault);

/* Close it; what is on its way has `linger_ms` to leave. Safe on one of zeros. */
void gg_router_close(struct gg_router *router, int linger_ms);

/* The next event, without waiting. */
bool gg_router_event(struct gg_router *router, struct gg_socket_event *out_event);

/* Is a message there to be received? A descriptor of libzmq tells only of what is new
 * since its socket was last used, if only to send: before a sleep on the descriptor a
 * socket that was touched has to be asked. */
bool gg_router_pending(struct gg_router *router);

/* Send one message of ours without waiting. */
enum gg_sent gg_router_send(struct gg_router *router, const struct gg_route *route,
                            struct gg_slice frame, struct gg_blob *attachment);

#endif
