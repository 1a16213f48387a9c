/* facts.h - what the oracle knows of each job, agent and queue; for its own files. */
#ifndef GG_TESTS_SIM_FACTS_H
#define GG_TESTS_SIM_FACTS_H

#include "tests/sim/oracle.h"

enum {
    FACT_RESULT_BYTES = 64,
    FACT_AGENTS_MAX = 12,
    FACT_HELD_MAX = 64,
    FACT_PAUSES_MAX = 64,
    FACT_RUNS_MAX = 8,
    FACT_POOLS = 2,
    FACT_PEERS_MAX = SIM_OBSERVER + 1,
};

struct fact_run {
    bool used;
    uint32_t agent;
    uint64_t fence;
    int64_t since;
    bool orphan; /* Its job died with the broker; it may have another life beside it. */
};

/* A job, from the moment somebody first asks for it. */
struct fact {
    struct gg_submit ask; /* Its texts are constants of the program. */
    uint8_t queue;
    uint64_t epoch; /* Of the broker that accepted it. */

    bool accepted;
    bool refused;
    uint64_t order; /* Of acceptance. */
    int64_t accepted_at;
    uint8_t state; /* enum gg_job_state, as far as it has been told. */
    uint32_t attempt;
    uint32_t attempts_max;
    uint64_t fence;      /* Newest; while unsure, that of the outcome heard last. */
    uint64_t fence_most; /* Newest that was ever given out. */
    bool assigned_before;
    bool by_hand; /* Retried by hand. */
    bool snoozed;
    uint64_t checkpoint; /* Fence of the attempt that said the newest; 0 none. */
    int64_t not_before;
    bool shown_not_before; /* … outlives the broker: what led to it has been read. */

    bool lease_open;
    uint8_t pool;    /* Of its holder: its place there. */
    uint32_t holder; /* Place in the agents' table. */
    int64_t lease_until;
    int64_t begins_until; /* Whose lease was given up early may begin so long. */
    bool lost;   /* Its lease ended without an outcome, and no newer one was given. */
    bool unsure; /* The broker was restarted since: who holds it is not known here. */

    bool cancel_asked;
    bool cancelling;
    bool never_again; /* Somebody was told "cancelled". */

    int64_t ended_at;
    bool ended_by_outcome;
    uint8_t result[FACT_RESULT_BYTES];
    uint8_t result_len;

    struct fact_run runs[FACT_RUNS_MAX]; /* Processes of it that run now. */
    uint32_t starts;

    bool again;    /* Its id had a life before, whose end is all that may be kept. */
    bool received; /* An answer about it came to a client, who acknowledges it. */
    uint8_t shown_durable; /* How safe it is, as a client has read. */
    uint8_t shown_state;   /* A terminal state that somebody has read, or 0. */
    bool shown_cancelling;
};

struct fact_agent {
    char name[16];
    bool here;
    uint32_t peer;
    uint64_t incarnation;
    uint32_t slots[FACT_POOLS];
    uint32_t open; /* Leases. */
    uint32_t open_in[FACT_POOLS];
    int64_t closed_at;
    bool honest;
};

/* A pause that has been asked for and not been answered. */
struct fact_pause {
    uint32_t peer;
    uint64_t request;
    uint8_t queue;
};

struct facts {
    struct fact *items;
    uint32_t count;
    uint32_t room;
    uint32_t *places; /* By hash of the id. */
    uint32_t place_room;
    uint64_t accept_order;
    uint64_t begun; /* Jobs that were accepted, or put back by hand. */
    uint64_t last_fence;
    struct fact_agent agents[FACT_AGENTS_MAX];
    uint32_t agent_count;
    uint64_t assigned_order[SIM_QUEUES_MAX][2]; /* By priority: newest first start. */
    bool paused[SIM_QUEUES_MAX];                /* Answered, and not resumed since. */
    bool shown_paused[SIM_QUEUES_MAX];          /* … and the answer was read. */
    int64_t resumed_at[SIM_QUEUES_MAX]; /* Answers to older requests say little. */
    int64_t may_start_until[SIM_QUEUES_MAX];
    struct fact_pause pauses[FACT_PAUSES_MAX];
    uint32_t pause_count;
    const struct gg_grant *keys[FACT_PEERS_MAX]; /* Of open sessions. */

    /* The step under way. */
    const struct gg_event *ev;
    bool welcomed;
    bool forbidden; /* The peer's key may not do what it asks for. */
    bool said_so;   /* … and it has been told. */
    uint64_t step_begun;
    uint64_t step_fence; /* Newest when the step began. */
    bool ended_in_step;
    bool accepted_in_step;
    bool newest;   /* The outcome that came in is of the newest fence, by its holder. */
    bool must_end; /* The outcome that came in has to count. */
    struct gg_id step_id;
    uint64_t held[FACT_HELD_MAX];
    uint32_t held_count;

    enum oracle_check broken;
    char verdict[256];
};

extern struct facts facts;

/* A place where the oracle judges. The linker makes an array of them: a test can ask of
 * each whether it has ever convicted anybody. */
struct fact_site {
    const char *file;
    int line;
    bool convicted;
};

/* Judge: say it once, the first time. */
#define facts_fail(sim, check, ...)                                                    \
    do {                                                                               \
        static struct fact_site site = {__FILE__, __LINE__, false};                    \
        static struct fact_site *const at                                              \
            __attribute__((section("fact_sites"), used)) = &site;                      \
        facts_convict(at, sim, check, __VA_ARGS__);                                    \
    } while (0)

void facts_convict(struct fact_site *site, struct sim *sim, enum oracle_check check,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

struct fact *facts_find(const struct gg_id *id);
struct fact_agent *facts_agent(const char *name, size_t len);
struct fact_agent *facts_agent_at(uint32_t peer);

/* Moments of jobs and agents, in order. */
void facts_on_event(struct sim *sim, const struct gg_event_info *event);

/* Rights, and requests for many: what comes in, what goes out, the end of the step. */
void facts_rights_in(const struct gg_event *ev);
void facts_rights_out(struct sim *sim, uint32_t peer, const struct gg_command *command);
void facts_rights_end(struct sim *sim);
/* Does the peer's key reach the queue? Else it is not there for it. */
bool facts_reaches(uint32_t peer, struct gg_slice queue);

/* The step ends or renews leases by what came in. */
bool facts_may_end(const struct sim *sim, const struct fact *fact);
void facts_close_lease(struct fact *fact);
void facts_open_lease(const struct sim *sim, struct fact *fact);

/* The windows of the pools as the agent states them. */
void facts_read_pools(struct fact_agent *agent, struct gg_list pools);

static inline bool fact_ended(const struct fact *fact)
{
    return fact->state >= GG_JOB_SUCCEEDED && fact->state <= GG_JOB_EXPIRED;
}

/* For people: the end of an id. */
#define FACT_NAME(fact) (fact)->ask.id.bytes[14], (fact)->ask.id.bytes[15]

#endif
