#include "worker/exec/poller.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH_MAX = 64 };

enum gg_err gg_poller_init(struct gg_poller *poller)
{
    *poller = (struct gg_poller){.fd = epoll_create1(EPOLL_CLOEXEC)};
    return poller->fd < 0 ? GG_ERR_SYSTEM : GG_OK;
}

void gg_poller_fini(struct gg_poller *poller)
{
    if (poller->fd >= 0) {
        (void)close(poller->fd);
        poller->fd = -1;
    }
}

enum gg_err gg_listener_open(struct gg_poller *poller, struct gg_listener *watch,
                             int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    watch->fd = fd;
    watch->events = events;
    if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
        watch->fd = -1;
        return GG_ERR_SYSTEM;
    }
    return GG_OK;
}

void gg_listener_change(struct gg_poller *poller, struct gg_listener *watch,
                        uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch->fd >= 0 && watch->events != events) {
        watch->events = events;
        (void)epoll_ctl(poller->fd, EPOLL_CTL_MOD, watch->fd, &event);
    }
}

void gg_listener_close(struct gg_poller *poller, struct gg_listener *watch)
{
    for (int i = 0; i < poller->batch_count; i++) {
        if (poller->batch[i] == watch) {
            poller->batch[i] = NULL;
        }
    }
    if (watch->fd >= 0) {
        (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, watch->fd, NULL);
        (void)close(watch->fd);
        watch->fd = -1;
    }
}

void gg_poller_dispatch(struct gg_poller *poller)
{
    struct epoll_event events[BATCH_MAX];
    int count = epoll_wait(poller->fd, events, BATCH_MAX, 0);
    poller->batch_count = count > 0 ? count : 0;
    for (int i = 0; i < poller->batch_count; i++) {
        poller->batch[i] = events[i].data.ptr;
    }
    for (int i = 0; i < poller->batch_count; i++) {
        if (poller->batch[i] != NULL) {
            poller->batch[i]->ready(poller->batch[i], events[i].events);
        }
    }
    poller->batch_count = 0;
}
