/* core.h - every decision the broker takes, and no I/O.
 *
 * The core is a value. The same events in the same order give the same effects, on any
 * machine, today or in a replay of last week's trace. So it never reads a clock, a
 * socket, a file, the environment or a random source, and never logs: time comes with
 * each event, randomness from a seed. The shell (broker/io/) turns the world into
 * events and effects into the world; the simulator does the same with a world of its
 * own.
 *
 * Durable before visible: a SEND effect carries in `after` the number of the record
 * that must be safe before anyone may see it. The shell holds it until then; effects
 * with a higher `after` never overtake ones with a lower of the same peer's objects
 * because the shell releases them in the order of (after, emission). 0: it waits for
 * nothing.
 */
#ifndef GG_BROKER_CORE_CORE_H
#define GG_BROKER_CORE_CORE_H

#include "broker/core/bounds.h"
#include "broker/core/grant.h"
#include "broker/core/keep.h"
#include "common/bytes.h"
#include "common/clock.h"
#include "common/command.h"

struct gg_core; /* Opaque; see state.h. */

/* A peer is the shell's number for one open session: below 2^24, reused only after the
 * core was told GG_EV_CLOSED for it. */
#define GG_PEER_NONE UINT32_MAX

enum gg_event_type {
    GG_EV_HELLO = 1, /* A session is opened. `command` is the hello. */
    GG_EV_COMMAND,   /* A command of an open session. */
    GG_EV_RECEIPT,   /* The peer acknowledged the message that carried `token`. */
    GG_EV_CLOSED,   /* The session is over: the connection closed, or bye, or a kick. */
    GG_EV_TICK,     /* The time asked for by gg_core_next_wake() has come. */
    GG_EV_CLOSING,  /* The broker shuts down: refuse new work from now on. */
    GG_EV_SPACE,    /* Whether the store can take new work has changed. */
    GG_EV_ANSWERED, /* What became of GG_FX_BACKUP or GG_FX_LOAD. */
};

/* May new durable work be taken? */
enum gg_core_space {
    GG_CORE_SPACE_OK = 0,
    GG_CORE_SPACE_LOW,    /* The disk is nearly full. */
    GG_CORE_SPACE_BEHIND, /* More waits to be written than may. */
};

struct gg_event {
    enum gg_event_type type;
    struct gg_now now; /* Monotonic time never goes back from event to event. */
    uint32_t peer;
    const struct gg_grant *grant; /* HELLO: what the peer may do; lent until CLOSED. */
    const struct gg_command *command; /* HELLO, COMMAND; lent for the step. */
    bool bye;       /* CLOSED: the peer said goodbye: an agent has nothing in hand. */
    uint64_t token; /* RECEIPT, ANSWERED */
    enum gg_core_space space; /* SPACE */
    enum gg_err err;          /* ANSWERED */
    const char *text;         /* ANSWERED: why not; lent for the step. */
    struct gg_blob *blob;     /* ANSWERED: what was read. COMMAND: what holds the bytes
                                 of a field that came as second frame; NULL: nothing
                                 does. Lent for the step. */
};

enum gg_effect_type {
    GG_FX_WELCOME = 1, /* Send `bytes`, one welcome command, as a welcome message. */
    GG_FX_RESET,       /* Send `bytes`, one reset command; then forget the session (the
                          core knows it no longer). */
    GG_FX_SEND,        /* Send `bytes`, one command, in the session. */
    GG_FX_PERSIST, /* Store `bytes` under `kind` and `id` as record number `after`. */
    GG_FX_ERASE,   /* Remove `kind` and `id` from the store as number `after`. */
    GG_FX_PERSIST_BLOB, /* Store `attachment` under `id` and `part`, before record
                           `after` is durable. */
    GG_FX_ERASE_BLOB,   /* Remove it, with record `after`. */
    GG_FX_LOAD,         /* Read the blob under `id` and `part`; GG_EV_ANSWERED with this
                          `token` brings it. */
    GG_FX_LOG,          /* Log `bytes`, a text "event=… key=…", at info. */
    GG_FX_AUDIT,        /* The same for the audit log. */
    GG_FX_BACKUP,       /* Copy the store to the file named by `bytes`; GG_EV_ANSWERED
                          with this `token` says what came of it. */
};

struct gg_effect {
    uint8_t type; /* enum gg_effect_type */
    uint8_t kind; /* PERSIST, ERASE: enum gg_keep_kind */
    bool patient; /* SEND: nobody hurries for it; it may wait for company. */
    uint32_t peer;
    uint64_t
        after; /* Record that must be safe first; of PERSIST and ERASE: its number. */
    uint64_t
        token; /* Not 0: give it back in GG_EV_RECEIPT once the peer has acknowledged
                       the message this went in, unless the session ends before. */
    uint32_t offset; /* Of the bytes in the arena. */
    uint32_t len;
    struct gg_blob
        *attachment; /* Second frame, or NULL. The effects hold a reference. */
    struct gg_id id; /* PERSIST, ERASE, and of blobs. */
    uint32_t part;   /* PERSIST_BLOB, ERASE_BLOB, LOAD */
};

/* What a step asks for, in order. The caller owns it and clears it before each step. */
struct gg_effects {
    struct gg_effect *items;
    uint32_t count;
    uint32_t room;
    struct gg_buf arena;
    uint64_t dropped; /* Effects lost for lack of memory, since the start. */
};

void gg_effects_init(struct gg_effects *fx);
void gg_effects_clear(struct gg_effects *fx); /* Gives up references; keeps memory. */
void gg_effects_fini(struct gg_effects *fx);

static inline struct gg_slice gg_effect_bytes(const struct gg_effects *fx,
                                              const struct gg_effect *effect)
{
    return gg_slice_of(fx->arena.data + effect->offset, effect->len);
}

/* What the shell knows and the core repeats in `welcome` and `broker`. Lent for
 * ever. */
struct gg_core_about {
    const char *program;    /* "gangerd 0.1.0" */
    const char *store;      /* "memory" */
    const char *store_path; /* The data folder; "" in memory. */
    const char *client_endpoint;
    const char *agent_endpoint;
    uint64_t pid;
    uint64_t frame_bytes_max;
    bool curve;
    struct gg_now started;
};

/* Create a core. `epoch` is larger than that of every broker before, as far as its
 * caller can know (records may raise it), and below 2^40; `seed` is for hashing and
 * jitter. Returns NULL without memory. The caller owns the result. */
struct gg_core *gg_core_new(const struct gg_bounds *bounds,
                            const struct gg_core_about *about, uint64_t epoch,
                            uint64_t seed);

/* Free *core_p and set it to NULL. Safe on NULL. */
void gg_core_destroy(struct gg_core **core_p);

/* After a restart, before the first event: one call for each record, the kinds in the
 * order META, QUEUE, AGENT, JOB; then gg_core_restored(), also where there were none.
 *   GG_ERR_STORE, GG_ERR_NOT_UNDERSTOOD  the record is damaged, or of a newer broker;
 *                                        from the second: two of one agent's running
 *                                        jobs have one fence
 *   GG_ERR_TOO_MANY                      the limits are below what is kept
 *   GG_ERR_NO_MEMORY                     as it says
 * `out_what` is a sentence about it; static. */
GG_MUST_USE enum gg_err gg_core_restore(struct gg_core *core, enum gg_keep_kind kind,
                                        const struct gg_id *id, struct gg_slice record,
                                        const char **out_what);

/* All records have been read; the next is numbered above `record_number`. Appends the
 * records that must be durable before the broker serves: its epoch is above all before
 * it then. GG_ERR_NO_MEMORY: it cannot serve. */
GG_MUST_USE enum gg_err gg_core_restored(struct gg_core *core, struct gg_now now,
                                         uint64_t record_number, struct gg_effects *fx);

/* The broker's epoch; grows with gg_core_restored(). */
uint64_t gg_core_epoch(const struct gg_core *core);

/* The command will be stepped on soon. Changes nothing: what the step will look for is
 * on its way into the cache meanwhile, where millions of jobs are known. */
void gg_core_foresee(const struct gg_core *core, const struct gg_command *command);

/* Apply one event; append to `fx` what is to be done. Cannot fail: a refusal is a
 * SEND of an error. Work per step is bounded; what does not fit waits for the next
 * TICK, which is then due at once. */
void gg_core_step(struct gg_core *core, const struct gg_event *ev,
                  struct gg_effects *fx);

/* When the shell must send the next TICK; false if nothing waits for a time. */
bool gg_core_next_wake(const struct gg_core *core, struct gg_mono *out_at);

/* How the store is, for `ganger broker status`: fill in those fields of *out that are
 * about the store. May be NULL. */
typedef void gg_core_store_fn(void *ctx, struct gg_broker_info *out);
void gg_core_set_store(struct gg_core *core, gg_core_store_fn *fn, void *ctx);

/* The shell's own figures, shown among the statistics: called while answering. Append
 * STAT records to `out` and return how many. May be NULL. */
typedef uint32_t gg_core_stats_fn(void *ctx, struct gg_buf *out);
void gg_core_set_stats(struct gg_core *core, gg_core_stats_fn *fn, void *ctx);

#endif
