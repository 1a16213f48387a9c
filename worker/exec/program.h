/* program.h - a program per attempt: payload on its standard input, result from its
 * standard output, log from its standard error, lines on descriptor 3.
 *
 * The end of the main process ends the attempt: whoever holds a pipe open after that is
 * killed by the keeper and not waited for. A job that writes more than the limit is
 * killed at once. Nothing a job does with its pipes can hold up the agent: all four are
 * non-blocking, and each turn reads a bounded piece.
 */
#ifndef GG_WORKER_EXEC_PROGRAM_H
#define GG_WORKER_EXEC_PROGRAM_H

#include "worker/exec/run.h"

struct gg_program;

/* Begin the attempt `spec` as `arguments` (ended by NULL). GG_OK: `ended` will be
 * called, and *out_program stays valid until then. On error nothing was begun, and
 * *out_ending says why it was not started. */
GG_MUST_USE enum gg_err gg_program_begin(const struct gg_run_world *world,
                                         const char *const *arguments,
                                         const struct gg_run_spec *spec,
                                         struct gg_program **out_program,
                                         struct gg_ending *out_ending);

/* TERM to its group, KILL to all of it after `grace_ms`; 0: KILL now. */
void gg_program_stop(struct gg_program *program, uint64_t grace_ms);

/* Its lease lasts until `deadline_ms` on CLOCK_BOOTTIME: then the keeper kills it. */
void gg_program_lease(struct gg_program *program, int64_t deadline_ms);

/* Give the program up without a call to `ended`: the agent itself ends. */
void gg_program_drop(struct gg_program **program_p);

/* Hand it over to the next agent, and take it from the one before: it runs on. NULL: it
 * could not be taken, and is killed. */
uint64_t gg_program_number(const struct gg_program *program); /* To the keeper. */
void gg_program_save(const struct gg_program *program, struct gg_pack *pack);
struct gg_program *gg_program_restore(const struct gg_run_world *world, uint64_t fence,
                                      struct gg_pack *pack);

#endif
