/* bounds.h - every maximum and every default of the broker core, in one struct.
 *
 * A bound is an answer: what is over it gets the named error, and nothing of it is
 * kept.
 */
#ifndef GG_BROKER_CORE_BOUNDS_H
#define GG_BROKER_CORE_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/name.h"

enum { GG_VOLATILE_QUEUES_MAX = 16 };

struct gg_bounds {
    /* Limits. Error in brackets. */
    uint64_t jobs_max;          /* Known at once, finished ones included. [busy] */
    uint64_t memory_bytes_max;  /* Records, payloads, results, history. [no_memory] */
    uint64_t reserve_bytes;     /* Of it, kept free for outcomes of leased attempts. */
    uint64_t realm_jobs_max;    /* Of one realm. [realm_full] */
    uint64_t realm_bytes_max;   /* Of one realm. [realm_full] */
    uint64_t queue_jobs_max;    /* Waiting in one queue. [queue_full] */
    uint64_t queue_bytes_max;   /* Of one queue. [queue_full] */
    uint64_t realms_max;        /* [too_many] */
    uint64_t queues_max;        /* In all realms. [too_many] */
    uint64_t agents_max;        /* [too_many] */
    uint64_t payload_bytes_max; /* [too_large] */
    uint64_t result_bytes_max;  /* The attempt fails; its text says so. */
    uint64_t waiters_max;       /* Of one job. [too_many] */
    uint64_t dead_jobs_max;     /* Dead-letter list: beyond it the oldest goes. */
    uint64_t dead_bytes_max;
    uint64_t payload_memory_bytes_max; /* Payloads, results that are on disk too; above
                                          it they are read when they are needed. */
    uint64_t assign_window_max;        /* Assignments open at one agent in all. */
    uint64_t partial_bytes_max;        /* Partial output kept of a running job. */
    uint64_t requests_max;             /* Of one client in flight, told in welcome. */
    uint64_t subscriptions_max;        /* Event subscriptions in all. [too_many] */

    /* Defaults of a job, in ms where they are times. */
    uint64_t attempts;
    uint64_t backoff_ms;
    uint64_t backoff_max_ms;
    uint64_t keep_keyed_ms;   /* Success with a key. */
    uint64_t keep_unkeyed_ms; /* Success without one: until delivered, at most this. */
    uint64_t keep_failed_ms;
    uint64_t crashes_max; /* Then a job is poison. */

    /* Intervals, in ms. */
    uint64_t lease_ms;
    uint64_t heartbeat_ms;
    uint64_t dead_after_ms; /* Silence after which an agent is suspect. */
    uint64_t client_heartbeat_ms;
    uint64_t client_dead_after_ms;
    uint64_t gone_grace_ms;   /* From a closed connection to the end of its leases. */
    uint64_t start_within_ms; /* An assignment may start this late. */
    uint64_t pause_settle_ms; /* A pause waits this long for silent agents. */
    uint64_t grace_ms;        /* From TERM to KILL. */
    uint64_t id_window_ms;    /* Resend window. */
    uint64_t stall_ms;        /* A step this late is a stall: judge nobody by it. */
    uint64_t retry_hint_ms;   /* What `busy` tells a client to wait. */

    /* What the broker is. */
    bool durable; /* Records are written; else every job has durability none. */
    uint8_t volatile_count;
    struct gg_name volatile_queues[GG_VOLATILE_QUEUES_MAX]; /* Patterns: their default
                                                               is none. */
};

/* The defaults of the product. */
void gg_bounds_default(struct gg_bounds *out);

#endif
