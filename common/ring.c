#include "common/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Without these a writer could cut the file, and the next look of its reader would be
 * its last. */
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static enum gg_err map(struct gg_ring *ring, int fd, uint32_t at)
{
    void *page = mmap(NULL, sizeof *ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      0);
    if (page == MAP_FAILED) {
        return GG_ERR_SYSTEM;
    }
    *ring = (struct gg_ring){.page = page, .at = at};
    return GG_OK;
}

enum gg_err gg_ring_new(struct gg_ring *ring, int *out_fd)
{
    int fd = memfd_create("ganger-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return GG_ERR_SYSTEM;
    }
    if (ftruncate(fd, (off_t)sizeof *ring->page) != 0 ||
        fcntl(fd, F_ADD_SEALS, SEALS) != 0 || map(ring, fd, 0) != GG_OK) {
        int kept = errno;
        (void)close(fd);
        errno = kept;
        return GG_ERR_SYSTEM;
    }
    atomic_store(&ring->page->sleeps, 1);
    *out_fd = fd;
    return GG_OK;
}

enum gg_err gg_ring_open(struct gg_ring *ring, int fd, uint32_t at)
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &stat) != 0 ||
        stat.st_size != (off_t)sizeof *ring->page) {
        return GG_ERR_SYSTEM;
    }
    return map(ring, fd, at);
}

void gg_ring_close(struct gg_ring *ring)
{
    if (ring->page != NULL) {
        (void)munmap(ring->page, sizeof *ring->page);
        ring->page = NULL;
    }
}

/* ---- the writer's ---- */

/* Our count is `at`; the other side's says how far ahead of it we are. */
static size_t room_of(const struct gg_ring *ring)
{
    uint32_t used = ring->at - atomic_load(&ring->page->taken);
    return used > GG_RING_BYTES ? 0 : GG_RING_BYTES - used;
}

size_t gg_ring_put(struct gg_ring *ring, struct gg_slice bytes, bool *out_wake)
{
    struct gg_ring_page *page = ring->page;
    size_t room = room_of(ring);
    size_t count = bytes.len < room ? bytes.len : room;
    size_t start = ring->at % GG_RING_BYTES;
    size_t before_end = GG_RING_BYTES - start;
    size_t first = count < before_end ? count : before_end;
    if (count > 0) {
        memcpy(page->bytes + start, bytes.data, first);
        memcpy(page->bytes, bytes.data + first, count - first);
    }
    ring->at += (uint32_t)count;
    atomic_store(&page->put, ring->at);
    *out_wake = atomic_load(&page->sleeps) != 0 &&
                atomic_exchange(&page->sleeps, 0) != 0;
    return count;
}

/* Both processes map it: the futex is not private. */
static void futex(_Atomic uint32_t *word, int what, uint32_t value,
                  const struct timespec *wait)
{
    (void)syscall(SYS_futex, word, what, value, wait, NULL, 0);
}

void gg_ring_wait(struct gg_ring *ring, uint32_t wait_ms)
{
    struct gg_ring_page *page = ring->page;
    const struct timespec wait = {.tv_sec = wait_ms / 1000,
                                  .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    atomic_store(&page->is_full, 1);
    uint32_t seen = atomic_load(&page->taken);
    if (ring->at - seen >= GG_RING_BYTES) {
        futex(&page->taken, FUTEX_WAIT, seen, &wait);
    }
}

/* ---- the reader's ---- */

bool gg_ring_take(struct gg_ring *ring, struct gg_buf *out)
{
    struct gg_ring_page *page = ring->page;
    uint32_t count = atomic_load(&page->put) - ring->at;
    size_t start = ring->at % GG_RING_BYTES;
    size_t before_end = GG_RING_BYTES - start;
    size_t first = count < before_end ? count : before_end;
    if (count > GG_RING_BYTES) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    gg_buf_append(out, page->bytes + start, first);
    gg_buf_append(out, page->bytes, count - first);
    ring->at += count;
    atomic_store(&page->taken, ring->at);
    if (atomic_load(&page->is_full) != 0 && atomic_exchange(&page->is_full, 0) != 0) {
        futex(&page->taken, FUTEX_WAKE, 1, NULL);
    }
    return true;
}

bool gg_ring_sleep(struct gg_ring *ring)
{
    struct gg_ring_page *page = ring->page;
    atomic_store(&page->sleeps, 1);
    bool nothing = atomic_load(&page->put) == ring->at;
    if (!nothing) {
        atomic_store(&page->sleeps, 0);
    }
    return nothing;
}
