/* ahead.h - reading all records of a kind, ahead of who visits them.
 *
 *   another thread                        the caller's
 *   rows, pages and sums verified ─► pieces of about 256 KiB ─► visit
 *
 * A start has a million records to read and verify, and to make jobs of: both at the
 * same time take two thirds of the time. */
#ifndef GG_BROKER_STORE_AHEAD_H
#define GG_BROKER_STORE_AHEAD_H

#include "broker/store/database.h"
#include "broker/store/store.h"

/* Visit every record of `kind` in the caller's thread; another one uses `database`
 * meanwhile. Errors as gg_database_rows(), or what `visit` returned. */
GG_MUST_USE enum gg_err gg_ahead_visit(struct gg_database *database, uint8_t kind,
                                       gg_store_visit_fn *visit, void *ctx,
                                       struct gg_store_report *report);

#endif
