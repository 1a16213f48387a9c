/* slow_sync.c - preloaded into a broker: each sync of a file takes GG_SYNC_MS longer,
 * as on a busy disk. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec more;

__attribute__((constructor)) static void read_orders(void)
{
    const char *said = getenv("GG_SYNC_MS");
    long ms = said == NULL ? 0 : strtol(said, NULL, 10);
    more = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

int fsync(int fd)
{
    (void)nanosleep(&more, NULL);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    (void)nanosleep(&more, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
