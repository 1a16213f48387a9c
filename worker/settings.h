/* settings.h - what the command line and the environment ask of the agent. */
#ifndef GG_WORKER_SETTINGS_H
#define GG_WORKER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/saved.h"

enum { GG_KEY_TEXT_BYTES = 41 };

/* Texts are lent by argv, the environment and the file. */
struct gg_worker_settings {
    char name[GG_NAME_BYTES];
    bool name_given; /* Chosen by the user: only one agent may have it. */
    char host[256];
    const char *broker;         /* The broker's endpoint for clients. */
    const char *agent_endpoint; /* Straight to this one for agents; NULL: ask. */
    const char *key_file;       /* NULL: no CURVE. */
    const char *server_key;     /* Z85; NULL: in the key file. */
    const char *config_file;    /* NULL: one pool, said on the command line. */
    uint64_t grace_ms;          /* Of a drain. */
    uint64_t margin_ms;         /* Before the end of a lease; 0: an eighth of it. */
    bool verbose;
    struct gg_worker_file file; /* Its pools are the agent's, however they were said. */
    struct gg_saved saved;      /* Laid over it already. */
};

/* Read the command line, and the file that it names. Ends the process with 0 after
 * --help and --print-config, with 64 where the usage is wrong, with 78 where the file
 * is, having said what. */
void gg_worker_settings_parse(int argc, char **argv, struct gg_worker_settings *out);

/* Free what it owns. */
void gg_worker_settings_fini(struct gg_worker_settings *settings);

/* A CURVE key pair in Z85, and the broker's public key. */
struct gg_worker_keys {
    char public_key[GG_KEY_TEXT_BYTES];
    char secret_key[GG_KEY_TEXT_BYTES];
    char server_key[GG_KEY_TEXT_BYTES];
};

/* Read the key file (as `ganger key new` writes it) and find the broker's key in it, or
 * in the settings. GG_ERR_CONFIG: *out_why, of `room` bytes, says what is wrong. */
GG_MUST_USE enum gg_err gg_worker_keys_load(const struct gg_worker_settings *settings,
                                            struct gg_worker_keys *out, char *out_why,
                                            size_t room);

#endif
