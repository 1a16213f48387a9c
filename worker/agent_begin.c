/* agent_begin.c - an attempt that an executor has: it begins now, or after others. */
#include "worker/agent_say.h"

void gg_worker_behind(struct gg_worker *agent, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt != NULL && attempt->state == GG_ATTEMPT_STARTING) {
        attempt->behind = true;
        gg_attempt_set_timer(&agent->attempts, attempt);
    }
}

void gg_worker_admit(struct gg_worker *agent, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt != NULL && gg_attempt_has_executor(attempt) && !attempt->told) {
        gg_say_started(agent, attempt);
    }
}

void gg_worker_started(struct gg_worker *agent, struct gg_mono now, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt == NULL || !gg_attempt_has_executor(attempt) ||
        attempt->started_ms != 0) {
        return;
    }
    attempt->started_ms = now.ms;
    if (attempt->state == GG_ATTEMPT_STARTING) {
        if (attempt->work->run_timeout_ms > 0) {
            attempt->run_until_ms = gg_mono_add(now, attempt->work->run_timeout_ms).ms;
        }
        gg_attempt_set_state(&agent->attempts, attempt, GG_ATTEMPT_RUNNING);
    }
    if (!attempt->told) {
        gg_say_started(agent, attempt);
    }
}
