/* keeper_wire.h - what agent and keeper say to each other: one SEQPACKET message each.
 *
 * Both are the same program on the same host, so the structs go as they are.
 */
#ifndef GG_WORKER_EXEC_KEEPER_WIRE_H
#define GG_WORKER_EXEC_KEEPER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GG_KEEPER_FD = 3,      /* The keeper's end of the socket. */
    GG_KEEPER_LOCK_FD = 4, /* Lock of the agent's name; held until the keeper exits. */
    GG_KEEPER_FDS_MAX = 4, /* Standard input, output, error, and descriptor 3. */
    GG_KEEPER_TEXT_BYTES_MAX = 98304, /* Folder, arguments and variables of a child. */
    GG_KEEPER_WORDS_MAX = 512,        /* Arguments, and variables, of a child. */
    GG_CGROUP_BYTES = 256,
};

/* What a child may use; all 0 is no limit (worker/exec/cage.h, cgroup.h). */
struct gg_cage {
    uint64_t memory_bytes; /* RLIMIT_AS */
    uint64_t cpu_s;        /* RLIMIT_CPU */
    uint64_t files;        /* RLIMIT_NOFILE */
    uint64_t processes;    /* RLIMIT_NPROC */
    uint64_t output_bytes; /* RLIMIT_FSIZE */
    int32_t nice;
    uint32_t io_class; /* 0 as it is, 2 best effort, 3 idle. */
    uint32_t io_level;
    uint32_t uid;
    uint32_t gid;
    bool has_user;
    bool no_new_privileges;
    bool clean_environment;
    bool cgroup_unified;
    uint64_t cgroup_memory_bytes;
    uint64_t cgroup_pids;
    char cgroup_memory[GG_CGROUP_BYTES]; /* Where its group is made. */
    char cgroup_pid[GG_CGROUP_BYTES];
};

enum gg_keeper_op {
    /* Orders, to the keeper. */
    GG_KEEPER_SPAWN = 1, /* Start a child; descriptors and texts come along. */
    GG_KEEPER_LEASE,     /* Kill the child at `deadline_ms`; 0: it has none. */
    GG_KEEPER_STOP,      /* Send `signal` (0: none) now, KILL after `grace_ms`. */
    GG_KEEPER_SPARE,     /* Take back the KILL that a stop announced. */
    /* Reports, to the agent. */
    GG_KEEPER_STARTED, /* The child runs as `pid`. */
    GG_KEEPER_FAILED,  /* It could not be started: `error`. */
    GG_KEEPER_ENDED,   /* Its main process ended with `status`. */
};

/* Followed by the folder, the arguments and the variables to set, each ended by NUL. */
struct gg_keeper_order {
    uint32_t op;
    uint32_t argument_count;
    uint32_t variable_count;
    int32_t signal;
    uint64_t child;      /* Number chosen by the agent, never used twice. */
    int64_t deadline_ms; /* On CLOCK_BOOTTIME; 0 none. */
    uint64_t grace_ms;
    struct gg_cage cage;
};

struct gg_keeper_report {
    uint32_t op;
    int32_t pid;
    uint64_t child;
    int32_t status;         /* As waitpid() gives it. */
    int32_t error;          /* errno of what failed. */
    int32_t stage;          /* FAILED: enum gg_keeper_stage. */
    uint32_t keeper_killed; /* At the end of its lease, or with the keeper. */
    uint32_t keeper_lost;   /* It ended with the keeper. */
    uint32_t ran_out;       /* Of its cgroup's memory. */
};

enum gg_keeper_stage {
    GG_STAGE_FORK = 0,
    GG_STAGE_FOLDER,
    GG_STAGE_DESCRIPTORS,
    GG_STAGE_EXEC,
    GG_STAGE_CGROUP,
    GG_STAGE_PRIORITY,
    GG_STAGE_LIMIT,
    GG_STAGE_USER,
};

#endif
