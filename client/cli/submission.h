/* submission.h - a submission from the options of a call. */
#ifndef GG_CLIENT_CLI_SUBMISSION_H
#define GG_CLIENT_CLI_SUBMISSION_H

#include <ganger/client.h>

#include "client/cli/command.h"

/* Fill in everything but the payload; lent from the call. Returns 0, or the exit status
 * after having said what is wrong. */
int gg_submission_read(const struct gg_call *call, ganger_submission *out);

/* The payload that the argument stands for: the argument itself, the contents of @FILE,
 * or (-) standard input; NULL: empty. *out_memory is what the caller frees, or NULL. */
int gg_submission_payload(const char *arg, ganger_bytes *out, void **out_memory);

#endif
