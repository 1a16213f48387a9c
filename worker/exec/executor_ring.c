/* executor_ring.c - what an executor says through memory that it shares with us.
 *
 *   asleep ──a bell──▶ talking ──nothing more, and we are about to sleep──▶ asleep
 *
 * One that talks is heard in each turn, and makes no call of the kernel to be. All it
 * can do with its memory is to say something that is not understood.
 */
#include <unistd.h>

#include "common/handler_wire.h"
#include "worker/exec/executor_own.h"

void gg_executor_close_ring(struct gg_executor *executor)
{
    gg_ring_close(&executor->ring);
    if (executor->ring_fd >= 0) {
        (void)close(executor->ring_fd);
        executor->ring_fd = -1;
    }
}

bool gg_executor_rang(struct gg_executor *executor, struct gg_slice bells)
{
    for (size_t i = 0; i < bells.len; i++) {
        if (bells.data[i] != GG_HANDLER_BELL) {
            executor->broken = true;
            gg_executor_hang_up(executor);
            return false;
        }
    }
    if (!gg_list_linked(&executor->talking)) {
        gg_list_push_back(executor->world->talking, &executor->talking);
    }
    return true;
}

void gg_executor_hear(struct gg_executor *executor)
{
    size_t before = executor->in.len;
    if (executor->broken || executor->result_too_large) {
        return; /* Nothing it says counts any more. */
    }
    if (!gg_ring_take(&executor->ring, &executor->in)) {
        executor->broken = true;
        gg_executor_hang_up(executor);
        return;
    }
    if (executor->in.failed || executor->in.len > before) {
        (void)gg_executor_heard(executor);
        gg_executor_begin_first(executor);
    }
}

void gg_executor_hear_all(const struct gg_run_world *world)
{
    GG_LIST_EACH(world->talking, it)
    {
        gg_executor_hear(GG_CONTAINER(it, struct gg_executor, talking));
    }
}

bool gg_executor_any_more(const struct gg_run_world *world)
{
    GG_LIST_EACH(world->talking, it)
    {
        if (gg_ring_has(&GG_CONTAINER(it, struct gg_executor, talking)->ring)) {
            return true;
        }
    }
    return false;
}

bool gg_executor_all_heard(const struct gg_run_world *world)
{
    bool all = true;
    GG_LIST_EACH(world->talking, it)
    {
        struct gg_executor *executor = GG_CONTAINER(it, struct gg_executor, talking);
        if (gg_ring_sleep(&executor->ring)) {
            gg_list_remove(it);
        } else {
            all = false;
        }
    }
    return all;
}
