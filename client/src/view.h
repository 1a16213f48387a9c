/* view.h - records of the protocol as the structs of the public header. Texts are
 * copied into the arena and ended by NUL; byte fields are lent from the message, unless
 * `keep`. */
#ifndef GG_CLIENT_SRC_VIEW_H
#define GG_CLIENT_SRC_VIEW_H

#include <ganger/client.h>

#include "client/src/arena.h"
#include "common/codec.h"

struct gg_view {
    struct gg_arena *arena; /* `failed` says that something is missing. */
    bool keep;              /* Copy bytes too: they outlive the message. */
    uint64_t epoch;         /* Of the broker that speaks, for jobs that do not say. */
};

void gg_view_job(const struct gg_view *view, const struct gg_job_info *job,
                 ganger_job *out);

/* A job of which only the id is known; texts are "". */
void gg_view_blank(const struct gg_id *id, uint64_t epoch, ganger_job *out);

/* A job of which an answer to a wait says how far it is. */
void gg_view_progress(const struct gg_view *view, const struct gg_progress *progress,
                      ganger_job *out);

void gg_view_moment(const struct gg_view *view, const struct gg_moment_info *moment,
                    ganger_moment *out);
void gg_view_queue(const struct gg_view *view, const struct gg_queue_info *queue,
                   ganger_queue *out);
void gg_view_worker(const struct gg_view *view, const struct gg_worker_info *worker,
                    ganger_worker *out);
void gg_view_stat(const struct gg_view *view, const struct gg_stat_info *stat,
                  ganger_stat *out);
void gg_view_broker(const struct gg_view *view, const struct gg_broker_info *broker,
                    ganger_broker *out);

#endif
