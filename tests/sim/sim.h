/* sim.h - a world on one thread from one seed: the production core with the broker's
 * sessions and outbox, production agents, production client sessions; around them a
 * network, clocks, processes and people that are made of random numbers.
 *
 *   client ──┐                        ┌── agent ── jobs (executors, and the keeper)
 *   client ──┼── net ── broker ── net ┼── agent
 *   operator ┘    (core, peers,       └── liar
 *                  outbox, disk)
 *
 * Everything that happens is an event with a time in milliseconds; events of one time
 * happen in the order in which they were made. Chaos lasts for a while, then the world
 * heals and all that was accepted must end. What is promised is judged by the oracle.
 */
#ifndef GG_TESTS_SIM_SIM_H
#define GG_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/core.h"
#include "broker/io/outbox.h"
#include "broker/io/peers.h"
#include "client/src/session.h"
#include "common/codec.h"
#include "common/rng.h"
#include "tests/sim/disk.h"
#include "tests/sim/marks.h"
#include "worker/agent.h"

enum {
    SIM_CLIENTS_MAX = 6,
    SIM_AGENTS_MAX = 6,
    SIM_LIARS_MAX = 2,
    SIM_SLOTS_MAX = 4,
    SIM_QUEUES_MAX = 3,
    SIM_KEYS_MAX = 4,
    SIM_NODES_MAX = 1 + SIM_CLIENTS_MAX + SIM_AGENTS_MAX + SIM_LIARS_MAX,
    SIM_BROKER = 0,     /* Node number. */
    SIM_OBSERVER = 100, /* The core's peer number of the oracle's own subscription. */
    SIM_RECEIPTS_MAX = 4096,
    SIM_RUNS_MAX = 64,  /* Processes of one agent. */
    SIM_ASKED_MAX = 64, /* Requests of one client in flight. */
};

/* ---- what a seed draws ---- */

/* Mean time between faults in ms (0: never), and chances in millionths. */
struct sim_swarm {
    uint32_t clients;
    uint32_t agents;
    uint32_t liars;
    uint32_t slots;
    uint32_t queues;
    uint32_t keys;
    bool tiny;
    bool durable;
    bool patient_cut; /* A cut connection gives no lease up before its time. */
    uint64_t lease_ms;
    uint64_t grace_ms;
    int64_t chaos_ms;

    uint32_t loss_ppm;
    uint32_t twice_ppm;
    uint32_t reorder_ppm;
    int64_t latency_ms;
    int64_t pass_ms; /* The broker is that slow to send what has gathered. */
    int64_t sync_ms; /* The disk is that slow. */
    int64_t cut_ms;
    uint32_t half_open_ppm; /* Of cuts: nobody is told. */
    int64_t deaf_ms;        /* One direction of one node is lost for a while. */
    int64_t apart_ms;       /* A node can reach nobody for a while. */
    int64_t pause_ms;       /* A process is stopped for a while. */
    int64_t pause_len_ms;
    int64_t broker_pause_ms;
    int64_t broker_crash_ms;
    int64_t agent_crash_ms;
    int64_t client_crash_ms;
    int64_t wall_jump_ms;

    int64_t submit_ms; /* Between the requests of one client. */
    int64_t run_ms;    /* Mean length of a run. */
    int64_t spawn_ms;
    uint32_t fail_ppm;
    uint32_t stubborn_ppm; /* Of jobs: they do not end for TERM. */
    uint32_t behind_ppm;   /* Of attempts: their executor does others first. */
    bool operators;
    bool purges;
    bool delays;
    bool expiries;
    bool priorities;
    bool cancels;
    bool drains;
    bool pools; /* Agents have a second one, for the first queue. */
    bool mixed; /* A durable broker with volatile jobs, and a volatile queue, too. */
    bool talks; /* Jobs say how far they are, and more. */
    bool many;  /* Several submissions in one request. */
    uint8_t roles[SIM_CLIENTS_MAX];    /* Of each client's key: mask of enum gg_role. */
    bool first_queue[SIM_CLIENTS_MAX]; /* It reaches this one only. */
};

/* ---- events ---- */

enum sim_event_kind {
    SIM_EV_NONE = 0,
    SIM_EV_ARRIVE,    /* A packet arrives. */
    SIM_EV_CONNECTED, /* At the peer. */
    SIM_EV_LOST,      /* The peer is told that its connection is gone. */
    SIM_EV_LEFT,      /* The broker is told. */
    SIM_EV_WAKE,      /* The node's own timer. */
    SIM_EV_PASS,      /* The broker's loop comes round. */
    SIM_EV_SYNCED,    /* The disk has it. */
    SIM_EV_SPAWNED,   /* A process of an agent runs. */
    SIM_EV_DONE,      /* … has come to its end by itself. */
    SIM_EV_KILL,      /* … is killed: after TERM and its grace. */
    SIM_EV_DEADLINE,  /* … is looked at by the keeper. */
    SIM_EV_ACT,       /* A client does something. */
    SIM_EV_BACK,      /* A process that crashed is started again. */
    SIM_EV_RESUME,    /* A stopped process goes on. */
    SIM_EV_FAULT,     /* A source of faults strikes; `a` says which. */
    SIM_EV_MEND,      /* … and is over. */
};

struct sim_packet;

struct sim_event {
    int64_t at;
    uint64_t order;
    uint8_t kind; /* enum sim_event_kind */
    uint16_t node;
    uint32_t life; /* Of the node; an event of an earlier life is nothing. */
    uint64_t a;
    struct sim_packet *packet;
};

/* ---- nodes ---- */

struct sim_node {
    uint32_t life; /* Counts starts. */
    bool up;
    int64_t stopped_until; /* SIGSTOP; 0 it runs. */
    int64_t ahead_ms;      /* Of its monotonic clock. */
    int64_t wall_ahead_ms; /* Of its wall clock. */
    int64_t wake_at;       /* When its next wake event is; INT64_MAX none. */
    int64_t woken_for;     /* … and when the last one was to be. */
    bool deaf;             /* Nothing reaches it. */
    bool mute;             /* Nothing of it gets out. */
    bool apart;            /* No connection. */
    uint32_t conn;         /* Its connection; 0 none. */
};

struct sim_conn {
    uint16_t node;
    bool peer_open;
    bool broker_open;
    bool broken;     /* Nothing passes any more. */
    int64_t last_up; /* When the last packet arrives, so that order is kept. */
    int64_t last_down;
};

/* One process that an agent has started. */
struct sim_run {
    bool used;
    struct gg_id id;
    uint64_t fence;
    int64_t deadline; /* World time at which the keeper kills it; INT64_MAX none. */
    int64_t start_by; /* World time from which it comes back instead of beginning. */
    bool stubborn;
    bool spawned;
    bool behind;     /* It has not begun: others are done first. */
    bool dies;       /* So does its executor, before it has begun. */
    bool asked_back; /* It shall come back instead. */
    uint8_t outcome; /* enum gg_outcome that it comes to by itself. */
    uint64_t serial;
};

struct sim_agent {
    struct gg_worker *worker;
    struct gg_worker_pool pools[2];
    uint64_t incarnation;
    char name[16];
    int64_t open_at; /* To connect again. */
    int64_t hello_at;
    uint64_t backoff_ms;
    bool connecting;
    bool leaving; /* Drains, then says bye and starts anew. */
    struct sim_run runs[SIM_RUNS_MAX];
    uint64_t serial;
};

struct sim_asked {
    bool used;
    uint8_t code; /* enum gg_command_code */
    uint8_t queue;
    bool reaches;    /* … by the key of who asks. */
    uint64_t number; /* Of the session's request. */
    struct gg_id id;
    int64_t at;
    uint32_t epoch_life; /* Life of the broker when it was asked. */
};

struct sim_client {
    struct gg_session *session;
    struct sim_asked asked[SIM_ASKED_MAX];
    uint32_t in_flight;
};

struct sim_liar {
    uint64_t session;
    uint64_t sequence;
    uint64_t heard;
    bool up;
    struct gg_id ids[32]; /* What it was given, and what others were. */
    uint64_t fences[32];
    uint32_t count;
};

struct sim_broker {
    struct gg_core *core;
    struct gg_core_about about;
    struct gg_bounds bounds;
    struct gg_peers peers;
    struct gg_outbox box;
    struct gg_effects fx;
    struct gg_grant grant;
    struct gg_grant keys[SIM_CLIENTS_MAX];
    struct gg_buf scratch;
    uint64_t epoch;
    uint64_t written; /* Number of the last record given to the disk. */
    bool pass_due;
    int64_t resume_at;
    int64_t passed_at;
    uint64_t receipts[SIM_RECEIPTS_MAX]; /* Of the observer's events. */
    uint32_t receipt_count;
};

/* ---- the world ---- */

struct sim {
    uint64_t seed;
    struct sim_swarm swarm;
    int64_t now;
    uint64_t order;
    struct sim_event *heap;
    uint32_t heap_count;
    uint32_t heap_room;
    struct gg_rng net_rng; /* One generator a subsystem: faults do not shift work. */
    struct gg_rng fault_rng;
    struct gg_rng work_rng;
    struct gg_rng job_rng;
    struct sim_node nodes[SIM_NODES_MAX];
    uint32_t node_count;
    struct sim_conn *conns; /* Number 0 is never used. */
    uint32_t conn_count;
    uint32_t conn_room;
    struct sim_broker broker;
    struct sim_disk disk;
    struct sim_agent agents[SIM_AGENTS_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_liar liars[SIM_LIARS_MAX];
    bool healing;
    bool quiet; /* No new work. */
    bool trace;
    uint64_t events;
    uint64_t hash; /* Of all that the broker said, and when. */
    uint64_t fault_count[16];
    uint64_t faults_left; /* Shrinking: this many faults may strike. */
    uint64_t acts_left;   /* … and clients may do this much. */
    struct gg_buf scratch;
};

/* Where the nodes stand. */
static inline uint16_t sim_client_node(uint32_t i)
{
    return (uint16_t)(1 + i);
}
static inline uint16_t sim_agent_node(const struct sim *sim, uint32_t i)
{
    return (uint16_t)(1 + sim->swarm.clients + i);
}
static inline uint16_t sim_liar_node(const struct sim *sim, uint32_t i)
{
    return (uint16_t)(1 + sim->swarm.clients + sim->swarm.agents + i);
}

/* Of what is a job's partial output under this fence. */
#define SIM_LETTER(fence) ('a' + (int)((fence) % 26))

/* ---- world.c ---- */

void sim_say(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define SIM_TRACE(sim, ...)                                                            \
    do {                                                                               \
        if ((sim)->trace) {                                                            \
            sim_say(sim, __VA_ARGS__);                                                 \
        }                                                                              \
    } while (0)

void sim_after(struct sim *sim, int64_t ms, enum sim_event_kind kind, uint16_t node,
               uint64_t a);
bool sim_next(struct sim *sim, struct sim_event *out);
void sim_wake(struct sim *sim, uint16_t node, int64_t at);
struct gg_now sim_now(const struct sim *sim, uint16_t node);
int64_t sim_world_time(const struct sim *sim, uint16_t node, struct gg_mono at);
bool sim_chance(struct gg_rng *rng, uint32_t ppm);
/* A random length with this mean, never 0 and never above ten times the mean. */
int64_t sim_about(struct gg_rng *rng, int64_t mean_ms);

void sim_connect(struct sim *sim, uint16_t node);
/* The node throws its connection away. */
void sim_disconnect(struct sim *sim, uint16_t node);
/* The network cuts it; one or both sides may never be told. */
void sim_cut(struct sim *sim, uint32_t conn, bool tell_peer, bool tell_broker);
void sim_send(struct sim *sim, uint32_t conn, bool up, struct gg_slice frame,
              struct gg_slice attachment);
struct gg_slice sim_packet_frame(const struct sim_packet *packet);
struct gg_slice sim_packet_attachment(const struct sim_packet *packet);
uint32_t sim_packet_conn(const struct sim_packet *packet);
bool sim_packet_up(const struct sim_packet *packet);
void sim_packet_free(struct sim_packet **packet_p);

/* ---- the nodes ---- */

void sim_broker_start(struct sim *sim);
void sim_broker_stop(struct sim *sim); /* kill -9 */
void sim_broker_on(struct sim *sim, const struct sim_event *ev);

void sim_agent_start(struct sim *sim, uint32_t i);
void sim_agent_stop(struct sim *sim, uint32_t i);
void sim_agent_on(struct sim *sim, uint32_t i, const struct sim_event *ev);
void sim_agent_drain(struct sim *sim, uint32_t i);

void sim_client_start(struct sim *sim, uint32_t i);
void sim_client_stop(struct sim *sim, uint32_t i);
void sim_client_on(struct sim *sim, uint32_t i, const struct sim_event *ev);

void sim_liar_start(struct sim *sim, uint32_t i);
void sim_liar_on(struct sim *sim, uint32_t i, const struct sim_event *ev);

#endif
