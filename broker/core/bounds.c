#include "broker/core/bounds.h"

#include "common/record.h"

void gg_bounds_default(struct gg_bounds *out)
{
    *out = (struct gg_bounds){
        .jobs_max = 10000000,
        .memory_bytes_max = UINT64_C(2) << 30,
        .reserve_bytes = UINT64_C(64) << 20,
        .realm_jobs_max = 10000000,
        .realm_bytes_max = UINT64_C(2) << 30,
        .queue_jobs_max = 5000000,
        .queue_bytes_max = UINT64_C(1) << 30,
        .realms_max = 100,
        .queues_max = 1000,
        .agents_max = 4096,
        .payload_bytes_max = 1 << 20,
        .result_bytes_max = 16 << 20,
        .waiters_max = 10000,
        .dead_jobs_max = 100000,
        .dead_bytes_max = UINT64_C(1) << 30,
        .payload_memory_bytes_max = UINT64_C(256) << 20,
        .assign_window_max = 8192,
        .partial_bytes_max = 65536,
        .requests_max = 65536,
        .subscriptions_max = 256,
        .attempts = 5,
        .backoff_ms = 2000,
        .backoff_max_ms = 600000,
        .keep_keyed_ms = 600000,
        .keep_unkeyed_ms = 60000,
        .keep_failed_ms = 30 * GG_DAY_MS,
        .crashes_max = 3,
        .lease_ms = 15000,
        .heartbeat_ms = 1000,
        .dead_after_ms = 3000,
        .client_heartbeat_ms = 10000,
        .client_dead_after_ms = 30000,
        .gone_grace_ms = 3000,
        .start_within_ms = 10000,
        .pause_settle_ms = 2000,
        .grace_ms = 25000,
        .id_window_ms = 120000,
        .stall_ms = 1000,
        .retry_hint_ms = 200,
        .durable = false,
    };
}
