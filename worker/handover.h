/* handover.h - a new program in the same process: what is handed over, and how.
 *
 *   probe ──▶ pack into a memory file ──▶ exec, its descriptor inherited ──▶ unpack
 *
 * The new program is asked first whether it starts at all and reads what we write: one
 * that does not is not become. An exec that fails leaves everything as it was.
 */
#ifndef GG_WORKER_HANDOVER_H
#define GG_WORKER_HANDOVER_H

#include "worker/exec/pack.h"

/* The argument by which a program is asked, before GG_HANDOVER_FORMAT as a number. */
#define GG_HANDOVER_ROLE "--role=handover"

/* Exit status of the program that is asked. */
int gg_handover_answer(const char *format);

/* Would `program` take over what we write? */
bool gg_handover_probe(const char *program);

/* Become `program` with `argv`, and hand it the pack. Returns only where that fails:
 * everything is then as it was, and errno says why. */
void gg_handover_exec(const char *program, char **argv, const struct gg_pack *pack);

/* What the program before us has handed over, if it has; false: nothing. A pack that
 * cannot be read is bad. */
bool gg_handover_take(struct gg_pack *out);

#endif
