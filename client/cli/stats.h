/* stats.h - figures of the broker in rows. */
#ifndef GG_CLIENT_CLI_STATS_H
#define GG_CLIENT_CLI_STATS_H

#include <ganger/client.h>

#include "client/cli/table.h"

struct gg_table *gg_stat_table(void);
void gg_stat_row(struct gg_table *table, const ganger_stat *stat);

#endif
