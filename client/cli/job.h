/* job.h - jobs as tables and lines. */
#ifndef GG_CLIENT_CLI_JOB_H
#define GG_CLIENT_CLI_JOB_H

#include <ganger/client.h>

#include "client/cli/table.h"

/* A table of jobs, one a line. */
struct gg_table *gg_job_table(bool wide);
void gg_job_row(struct gg_table *table, const ganger_job *job);

#endif
