/* run.h - one seed from its beginning to its verdict. */
#ifndef GG_TESTS_SIM_RUN_H
#define GG_TESTS_SIM_RUN_H

#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

/* What of a seed is carried out; shrinking makes it less. */
struct sim_limits {
    uint64_t faults;  /* At most so many strike. */
    uint64_t acts;    /* Clients do at most so much. */
    uint32_t without; /* Bit n: source of faults n is switched off. */
    int64_t chaos_ms; /* At most so long. */
    bool canary;      /* Must fail, whatever happens. */
};

struct sim_result {
    bool failed;
    enum oracle_check check;
    char verdict[256];
    uint64_t events;
    int64_t virtual_ms;
    uint64_t hash;
    uint64_t faults;
    uint64_t acts;
    int64_t chaos_ms;
    uint64_t kills; /* Of processes, pauses included. */
};

/* Everything: no limit. */
void sim_limits_none(struct sim_limits *limits);

struct sim_result sim_run(uint64_t seed, const struct sim_limits *limits, bool trace);

#endif
