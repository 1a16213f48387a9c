#include "common/context.h"

#include <sched.h>

#include <zmq.h>

void *gg_batch_context_new(void)
{
    void *context = zmq_ctx_new();
    if (context != NULL && sched_getscheduler(0) == SCHED_OTHER) {
        (void)zmq_ctx_set(context, ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH);
    }
    return context;
}
