/* staff_report.h - what the broker is told of the pools, for `ganger tree`. */
#ifndef GG_WORKER_STAFF_REPORT_H
#define GG_WORKER_STAFF_REPORT_H

#include "worker/staff.h"

/* Tell it of all pools where that has changed, at most once a second, and anew in each
 * session. */
void gg_staff_report(struct gg_staff *staff, struct gg_now now);

#endif
