/* ganger/worker.h - write a job handler in C.
 *
 * A handler is a shared object with one exported variable, `ganger_handler`:
 *
 *     #include <ganger/worker.h>
 *
 *     static int run(ganger_job *job)
 *     {
 *         size_t len;
 *         const void *payload = ganger_job_payload(job, &len);
 *         return ganger_job_succeed(job, payload, len);
 *     }
 *
 *     GANGER_HANDLER(run);
 *
 *     cc -shared -fPIC echo.c -o echo.so $(pkg-config --cflags --libs ganger-worker)
 *     ganger-worker --queue echo --slots 4 --handler ./echo.so
 *
 * Each slot is a process of its own: a handler that crashes, leaks or hangs harms no
 * other job. A process runs one job at a time and many after each other, so what is set
 * up once (a connection, a table) may be kept between jobs. With the pool's setting
 * `batch` several jobs may be sent to it at once; they still run one after the other,
 * and the outcome of each leaves before the next begins.
 *
 * Threads: all calls below belong to the thread that `run` was called on. A handler may
 * start threads of its own; they must have ended, or touch no job, when `run` returns.
 */
#ifndef GANGER_WORKER_H
#define GANGER_WORKER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GANGER_API __attribute__((visibility("default")))

/* Version of the struct below; the agent refuses a handler with another one. */
#define GANGER_HANDLER_ABI 1U

/* One attempt of a job. Valid until `run` returns. */
typedef struct ganger_job ganger_job;

/* What a handler exports, under the name `ganger_handler`. */
struct ganger_handler {
    uint32_t abi; /* GANGER_HANDLER_ABI */

    /* Run one attempt. Report its outcome with one of the four calls below and return
     * 0. 0 without a report is a success with an empty result; another value without a
     * report is a failure, retried by the job's policy. Required. */
    int (*run)(ganger_job *job);

    /* Called once in each process, before the first job. Not 0: the process ends, and
     * is started again within the restart budget. May be NULL. */
    int (*open)(void);

    /* Called once in each process that ends in order. May be NULL. */
    void (*close)(void);
};

#define GANGER_HANDLER(run_function)                                                   \
    GANGER_API extern const struct ganger_handler ganger_handler;                      \
    const struct ganger_handler ganger_handler = {GANGER_HANDLER_ABI, (run_function),  \
                                                  NULL, NULL}

/* ---- what the job is ---- */

/* The payload, lent; NULL when it is empty. *out_len is its length in bytes. */
GANGER_API const void *ganger_job_payload(const ganger_job *job, size_t *out_len);

/* The idempotency key, lent; NULL when the job has none. Bytes, not a string. */
GANGER_API const void *ganger_job_key(const ganger_job *job, size_t *out_len);

/* What an earlier attempt stored with ganger_job_checkpoint(), lent; NULL when there is
 * nothing. At most 4096 bytes. */
GANGER_API const void *ganger_job_checkpoint_get(const ganger_job *job,
                                                 size_t *out_len);

/* The id (26 characters), queue and realm; lent, never NULL. */
GANGER_API const char *ganger_job_id(const ganger_job *job);
GANGER_API const char *ganger_job_queue(const ganger_job *job);
GANGER_API const char *ganger_job_realm(const ganger_job *job);

/* Which attempt this is, from 1, and how many there are at most (0: not known). */
GANGER_API uint64_t ganger_job_attempt(const ganger_job *job);
GANGER_API uint64_t ganger_job_attempts_max(const ganger_job *job);

/* The attempt's fence. It only grows from attempt to attempt: hand it to a store that
 * compares it, and an attempt that was given up can no longer write there. */
GANGER_API uint64_t ganger_job_fence(const ganger_job *job);

/* Milliseconds the attempt may run in all, from its start; 0 is no limit. */
GANGER_API uint64_t ganger_job_run_timeout_ms(const ganger_job *job);

/* ---- while it runs ---- */

/* Has the job been told to stop (cancelled, over its time, the agent is draining)?
 * Cheap enough for an inner loop. Return soon once it says 1: after the grace period
 * the process is killed. What a cancelled job reports does not count any more. */
GANGER_API int ganger_job_cancelled(ganger_job *job);

/* Say how far it is: `fraction` from 0 to 1, `text` a line of at most 4096 bytes of
 * UTF-8, lent, may be NULL. The last one counts; say it as often as you like.
 *
 * Returns 0, or -1 when a value is out of bounds or the agent has gone. */
GANGER_API int ganger_job_progress(ganger_job *job, double fraction, const char *text);

/* Send a piece of output to whoever watches the job, of any length; lent.
 * Returns 0, or -1 when the agent has gone. */
GANGER_API int ganger_job_partial(ganger_job *job, const void *data, size_t len);

/* Store at most 4096 bytes for the next attempt of the job; the last one counts; lent.
 * Returns 0, or -1 when it is too long or the agent has gone. */
GANGER_API int ganger_job_checkpoint(ganger_job *job, const void *data, size_t len);

/* ---- how it ended: one of these, once ---- */

/* It succeeded with `len` bytes of result; lent, copied before the call returns. A
 * result larger than the broker's result_bytes_max makes the attempt a failure that
 * says so. The outcome leaves when `run` returns; a crash before that is a crash.
 *
 * All four return 0, or -1 when an outcome was reported before or an argument is not
 * valid. */
GANGER_API int ganger_job_succeed(ganger_job *job, const void *result, size_t len);

/* It failed; tried again by the job's policy. `why` is at most 4096 bytes of UTF-8. */
GANGER_API int ganger_job_fail(ganger_job *job, const char *why);

/* It refuses its payload: never tried again. */
GANGER_API int ganger_job_reject(ganger_job *job, const char *why);

/* Run it again after `delay_ms` (at most 366 days); the attempt is not counted. `why`
 * may be NULL. */
GANGER_API int ganger_job_snooze(ganger_job *job, uint64_t delay_ms, const char *why);

/* ---- not for handlers ---- */

/* Serve the agent at the other end of `fd` until it closes: what ganger-worker calls in
 * an executor once it has loaded the handler. Returns the exit status. */
GANGER_API int ganger_executor_main(int fd, const struct ganger_handler *handler);

#ifdef __cplusplus
}
#endif

#endif
