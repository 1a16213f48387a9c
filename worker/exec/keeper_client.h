/* keeper_client.h - the agent's side of the keeper: start it, give orders, hear
 * reports. */
#ifndef GG_WORKER_EXEC_KEEPER_CLIENT_H
#define GG_WORKER_EXEC_KEEPER_CLIENT_H

#include <sys/types.h>

#include "common/clock.h"
#include "common/map.h"
#include "worker/exec/keeper_wire.h"
#include "worker/exec/pack.h"
#include "worker/exec/poller.h"

struct gg_child;

/* Called with each report about a child; a report of ENDED or FAILED is the last. */
typedef void gg_child_fn(struct gg_child *child, const struct gg_keeper_report *report);

/* One process that the keeper runs for us; embedded in whoever cares for it. */
struct gg_child {
    uint64_t number; /* 0 while the keeper does not know it. */
    pid_t pid;       /* 0 until it has been started. */
    gg_child_fn *on_report;
    void *ctx;
};

struct gg_keeper_client {
    struct gg_poller *poller;
    struct gg_listener watch;
    pid_t pid;
    uint64_t next_number;
    struct gg_map children;
    int lock_fd;             /* Lent; -1 none. */
    const char *temp_folder; /* Lent. */
    uint64_t starts_count;
};

/* What to start; all lent for the call. */
struct gg_child_spec {
    const char *folder;                /* "" for the agent's own. */
    const char *const *arguments;      /* Ended by NULL. */
    const char *const *variables;      /* "NAME=value" to set, ended by NULL. */
    int fds[GG_KEEPER_FDS_MAX];        /* -1: none. Lent: close them after the call. */
    int64_t deadline_ms;               /* On CLOCK_BOOTTIME; 0 none. */
    const struct gg_cage *cage;        /* NULL: none. */
    const char *const *more_variables; /* Beside `variables`; NULL: none. */
};

/* What of a start has failed, as ": its folder"; "" where it was the program. */
const char *gg_keeper_stage_text(int stage);

/* Start the keeper. Before any ZeroMQ context exists. GG_ERR_SYSTEM: errno says why. */
GG_MUST_USE enum gg_err gg_keeper_start(struct gg_keeper_client *keeper,
                                        struct gg_poller *poller, int lock_fd,
                                        const char *temp_folder);

/* Close the socket: the keeper ends all it has. Waits for the keeper's end, at most
 * `wait_ms`; what is left after that is killed here. */
void gg_keeper_end(struct gg_keeper_client *keeper, uint64_t wait_ms);

/* Ask for a child. GG_OK: on_report will be called. GG_ERR_TOO_LARGE: the texts do not
 * fit; GG_ERR_NO_MEMORY, GG_ERR_SYSTEM: nothing was asked for. */
GG_MUST_USE enum gg_err gg_child_start(struct gg_keeper_client *keeper,
                                       struct gg_child *child,
                                       const struct gg_child_spec *spec);

/* Kill it at `deadline` whatever becomes of us; 0 ms: never. */
void gg_child_lease(struct gg_keeper_client *keeper, const struct gg_child *child,
                    int64_t deadline_ms);

/* Send `signal` to its group now (0: nothing), KILL to all of it after `grace_ms`. */
void gg_child_stop(struct gg_keeper_client *keeper, const struct gg_child *child,
                   int signal, uint64_t grace_ms);

/* Take the announced KILL back. */
void gg_child_spare(struct gg_keeper_client *keeper, const struct gg_child *child);

/* Hand the keeper over to the next agent, and take it from the one before. On
 * GG_ERR_SYSTEM or GG_ERR_NO_MEMORY there is no keeper. */
void gg_keeper_save(const struct gg_keeper_client *keeper, struct gg_pack *pack);
GG_MUST_USE enum gg_err gg_keeper_restore(struct gg_keeper_client *keeper,
                                          struct gg_poller *poller, int lock_fd,
                                          const char *temp_folder,
                                          struct gg_pack *pack);

/* Write a child's number and pid, in this order. */
void gg_child_save(const struct gg_child *child, struct gg_pack *pack);

/* A child with its number and pid is ours from here on; false: no memory. */
GG_MUST_USE bool gg_child_adopt(struct gg_keeper_client *keeper,
                                struct gg_child *child);

/* Nobody waits for that child any more, nothing is reported of it: TERM, and KILL after
 * `grace_ms`. */
void gg_child_disown(struct gg_keeper_client *keeper, uint64_t number,
                     uint64_t grace_ms);

#endif
