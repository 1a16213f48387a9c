/* witness.h - what the store remembers beside the database: the last durable number.
 *
 * Two slots of one sector each are written in turn after each commit, without a sync,
 * so that after a kill the witness is exact; a sync about once a second, by a thread
 * that commits do not wait for, makes it at most so old after a power cut. It is
 * written after the commit's own sync: a database that knows less than the witness has
 * lost something. */
#ifndef GG_BROKER_STORE_WITNESS_H
#define GG_BROKER_STORE_WITNESS_H

#include <stdbool.h>

#include "broker/store/files.h"
#include "broker/store/report.h"

struct gg_witness {
    struct gg_files *files;
    int fd;          /* -1: not open. */
    uint64_t serial; /* Of the slot written last. */
};

struct gg_testimony {
    uint64_t number;   /* Was durable, */
    struct gg_wall at; /* at that time; */
    bool closed;       /* and the store was closed in order after it. */
};

/* Read the file `path`. *out_found: it is there and at least one slot is whole.
 * Errors: GG_ERR_STORE: it is there, and no slot is. */
GG_MUST_USE enum gg_err gg_witness_read(struct gg_files *files, const char *path,
                                        bool *out_found, struct gg_testimony *out,
                                        uint64_t *out_serial,
                                        struct gg_store_report *report);

/* Open it for writing, creating it; the first slot written is above `serial`. */
GG_MUST_USE enum gg_err gg_witness_open(struct gg_witness *witness,
                                        struct gg_files *files, const char *path,
                                        uint64_t serial,
                                        struct gg_store_report *report);

/* Write the next slot; 0 or -1 with errno. */
int gg_witness_write(struct gg_witness *witness, const struct gg_testimony *testimony);

/* 0 or -1 with errno. May be called while another thread writes. */
int gg_witness_sync(struct gg_witness *witness);

void gg_witness_close(struct gg_witness *witness);

#endif
