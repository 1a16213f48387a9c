#include "broker/io/metrics.h"

#include <inttypes.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/map.h"

enum { LOG_EVERY_MS = 1000 };

static const struct row {
    const char *name;
    const char *meaning;
    bool counter;
} rows[GG_METRIC_COUNT] = {
#define X(symbol, counter, name, meaning) {name, meaning, counter},
    GG_METRIC_LIST(X)
#undef X
};

void gg_metrics_refuse(struct gg_metrics *metrics, enum gg_err err, const char *what,
                       struct gg_mono now)
{
    unsigned kind = (unsigned)err < GG_REFUSALS_MAX ? (unsigned)err : 0;
    metrics->refused[kind]++;
    if (metrics->logged_at[kind].ms != 0 &&
        now.ms - metrics->logged_at[kind].ms < LOG_EVERY_MS) {
        metrics->unlogged[kind]++;
        return;
    }
    gg_log(GG_LOG_WARN, "refused", "error=%s what=\"%s\" more=%" PRIu64,
           gg_err_name(err), what, metrics->unlogged[kind]);
    metrics->logged_at[kind] = now;
    metrics->unlogged[kind] = 0;
}

bool gg_metrics_may_log(struct gg_metrics *metrics, const char *event,
                        struct gg_mono now)
{
    uint64_t hash = gg_hash(gg_slice_text(event), 1) | 1;
    struct gg_log_kind *kind = &metrics->log_kinds[hash >> 32 & (GG_LOG_KINDS_MAX - 1)];
    if (kind->hash != hash || now.ms - kind->since.ms >= LOG_EVERY_MS) {
        if (kind->unwritten > 0) {
            gg_log(GG_LOG_WARN, "log_limited", "what=%s more=%" PRIu32,
                   kind->hash == hash ? event : "another", kind->unwritten);
        }
        *kind = (struct gg_log_kind){.hash = hash, .since = now};
    }
    bool may = kind->written < GG_LOG_BURST;
    kind->written += may;
    kind->unwritten += !may;
    return may;
}

uint32_t gg_metrics_write(const struct gg_metrics *metrics, struct gg_buf *out)
{
    uint32_t count = 0;
    for (int i = 0; i < GG_METRIC_COUNT; i++) {
        struct gg_stat_info stat = {
            .name = gg_slice_text(rows[i].name),
            .value = metrics->value[i],
            .counter = rows[i].counter,
            .meaning = gg_slice_text(rows[i].meaning),
        };
        gg_record_write(out, GG_RECORD_STAT, &stat, NULL);
        count++;
    }
    for (unsigned i = 0; i < GG_REFUSALS_MAX; i++) {
        if (metrics->refused[i] == 0) {
            continue;
        }
        struct gg_stat_info stat = {
            .name = gg_slice_text("refused_total"),
            .value = metrics->refused[i],
            .counter = true,
            .meaning = gg_slice_text("messages and commands refused by the shell"),
            .label = gg_slice_text(gg_err_name((enum gg_err)i)),
            .label_name = gg_slice_text("error"),
        };
        gg_record_write(out, GG_RECORD_STAT, &stat, NULL);
        count++;
    }
    return count;
}
