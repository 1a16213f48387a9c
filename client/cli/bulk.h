/* bulk.h - `ganger submit QUEUE --lines FILE`: each line is a job. */
#ifndef GG_CLIENT_CLI_BULK_H
#define GG_CLIENT_CLI_BULK_H

#include "client/cli/command.h"

int gg_bulk_submit(struct gg_call *call);

#endif
