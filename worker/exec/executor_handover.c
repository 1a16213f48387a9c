#include <fcntl.h>
#include <sys/epoll.h>

#include "worker/exec/executor_own.h"

/* ---- writing ---- */

static void save_hand(struct gg_executor *executor, struct gg_pack *pack)
{
    gg_pack_number(pack, executor->hand.count);
    for (uint32_t i = 0; i < executor->hand.count; i++) {
        const struct gg_in_hand *item = gg_hand_at(&executor->hand, i);
        gg_pack_number(pack, item->fence);
        gg_pack_number(pack, (uint64_t)item->lease_ms);
        gg_pack_number(pack, (uint64_t)item->start_by_ms);
        gg_pack_number(pack, item->grace_ms);
        gg_pack_number(pack, item->stop);
        gg_pack_number(pack, item->withdrawn);
    }
}

void gg_executor_save(struct gg_executor *executor, struct gg_pack *pack)
{
    gg_child_save(&executor->child, pack);
    gg_pack_fd(pack, executor->socket.fd);
    gg_pack_fd(pack, executor->errors.fd);
    gg_pack_fd(pack, executor->ring_fd);
    gg_pack_number(pack, executor->ring.at);
    gg_pack_number(pack, executor->rings);
    gg_pack_bytes(pack, gg_slice_text(executor->folder));
    gg_pack_bytes(pack, gg_buf_slice(&executor->in));
    gg_pack_bytes(pack, gg_slice_of(executor->out.data + executor->sent,
                                    executor->out.len - executor->sent));
    gg_pack_bytes(pack, gg_tail_slice(&executor->tail));
    gg_pack_number(pack, (uint64_t)executor->told_lease_ms);
    gg_pack_number(pack, executor->mixed);
    save_hand(executor, pack);
    gg_pack_number(pack, executor->begun);
    gg_pack_number(pack, executor->result_bytes_max);
    gg_pack_number(pack, executor->broken);
    gg_pack_number(pack, executor->stopping);
    gg_pack_number(pack, executor->disturbed);
    gg_pack_number(pack, executor->asked);
    gg_pack_number(pack, executor->result_too_large);
}

/* ---- reading ---- */

static void take_hand(struct gg_executor *executor, struct gg_pack *pack)
{
    uint64_t count = gg_unpack_number(pack);
    pack->bad = pack->bad || count > GG_HAND_MAX;
    for (uint64_t i = 0; i < count && !pack->bad; i++) {
        uint64_t fence = gg_unpack_number(pack);
        int64_t lease_ms = (int64_t)gg_unpack_number(pack);
        gg_hand_put(&executor->hand, fence, lease_ms, gg_mono_us());
        struct gg_in_hand *item = gg_hand_at(&executor->hand, (uint32_t)i);
        item->start_by_ms = (int64_t)gg_unpack_number(pack);
        item->grace_ms = gg_unpack_number(pack);
        item->stop = gg_unpack_number(pack) != 0;
        item->withdrawn = gg_unpack_number(pack) != 0;
    }
}

/* What is in it is heard in the first turn. */
static bool take_ring(struct gg_executor *executor, struct gg_pack *pack)
{
    executor->ring_fd = gg_unpack_fd(pack);
    uint32_t at = (uint32_t)gg_unpack_number(pack);
    executor->rings = gg_unpack_number(pack) != 0;
    if (executor->ring_fd < 0) {
        return true;
    }
    gg_list_push_back(executor->world->talking, &executor->talking);
    return gg_ring_open(&executor->ring, executor->ring_fd, at) == GG_OK;
}

static void take_state(struct gg_executor *executor, struct gg_pack *pack)
{
    gg_slice_copy(gg_unpack_bytes(pack), executor->folder, sizeof executor->folder);
    struct gg_slice in = gg_unpack_bytes(pack);
    struct gg_slice out = gg_unpack_bytes(pack);
    executor->in.max = in.len + GG_EXECUTOR_SPARE_BYTES;
    gg_buf_append(&executor->in, in.data, in.len);
    gg_buf_append(&executor->out, out.data, out.len);
    gg_tail_push(&executor->tail, gg_unpack_bytes(pack));
    executor->told_lease_ms = (int64_t)gg_unpack_number(pack);
    executor->mixed = gg_unpack_number(pack) != 0;
    take_hand(executor, pack);
    executor->begun = gg_unpack_number(pack);
    executor->result_bytes_max = gg_unpack_number(pack);
    executor->in.max = (size_t)executor->result_bytes_max * 2 +
                       GG_EXECUTOR_SPARE_BYTES * 2;
    executor->broken = gg_unpack_number(pack) != 0;
    executor->stopping = gg_unpack_number(pack) != 0;
    executor->disturbed = gg_unpack_number(pack) != 0;
    executor->asked = gg_unpack_number(pack) != 0;
    executor->result_too_large = gg_unpack_number(pack) != 0;
    executor->is_ready = true;
}

struct gg_executor *gg_executor_restore(const struct gg_run_world *world,
                                        const struct gg_executor_hooks *hooks,
                                        const struct gg_executor_spec *spec,
                                        struct gg_pack *pack)
{
    struct gg_executor *executor = gg_executor_make(world, hooks, spec);
    if (executor == NULL) {
        pack->bad = true;
        return NULL;
    }
    executor->child.number = gg_unpack_number(pack);
    executor->child.pid = (pid_t)gg_unpack_number(pack);
    int socket = gg_unpack_fd(pack);
    int errors = gg_unpack_fd(pack);
    bool good = take_ring(executor, pack);
    take_state(executor, pack);
    executor->folder_fd = open(executor->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool unsent = executor->out.len > 0;
    good = (socket < 0 || gg_listener_open(world->poller, &executor->socket, socket,
                                           EPOLLIN) == GG_OK) &&
           good && !pack->bad;
    good = (errors < 0 || gg_listener_open(world->poller, &executor->errors, errors,
                                           EPOLLIN) == GG_OK) &&
           good;
    if (!good || !gg_child_adopt(world->keeper, &executor->child)) {
        gg_child_disown(world->keeper, executor->child.number, 0);
        gg_executor_drop(&executor);
        return NULL;
    }
    if (unsent && executor->socket.fd >= 0) {
        gg_listener_change(world->poller, &executor->socket, EPOLLIN | EPOLLOUT);
    }
    return executor;
}
