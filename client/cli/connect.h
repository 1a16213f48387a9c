/* connect.h - the connection of a call, and how its failures are told. */
#ifndef GG_CLIENT_CLI_CONNECT_H
#define GG_CLIENT_CLI_CONNECT_H

#include <stdbool.h>

#include "client/cli/command.h"

/* Open call->broker and wait until a broker has answered, 3 s unless --timeout says
 * otherwise. Returns 0, or the exit status after having said why. */
int gg_connect(struct gg_call *call);

/* Say goodbye, if there is a connection. Safe to call twice. */
void gg_disconnect(struct gg_call *call);

/* How long one answer may take, in ms. */
int gg_answer_ms(const struct gg_call *call);

/* How long to wait for the end of a job, in ms; -1: for ever. */
int gg_wait_ms(const struct gg_call *call);

/* Say why `what` failed ("cannot cancel 01J…"), with the broker's own sentence, and
 * return the exit status. */
int gg_failed(const struct gg_call *call, ganger_err err, const char *what);

/* The same for an error that came with its own sentence. */
int gg_failed_text(const struct gg_call *call, ganger_err err, const char *what,
                   const char *text);

#endif
