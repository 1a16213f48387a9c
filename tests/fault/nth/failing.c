/* failing.c - preloaded into a real program: its n-th call of a class fails, once or
 * from then on, as it would without memory, descriptors, room or a working disk.
 *
 *   GG_FAIL=memory|files|writes|syncs|processes  GG_FAIL_AT=N  [GG_FAIL_ON=yes]
 *   GG_FAIL_TOLD=FILE    a byte is written there when a call has failed
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long fail_at;
static bool fail_on;
static const char *fail_class = "";
static const char *told = "";

__attribute__((constructor)) static void read_orders(void)
{
    const char *at = getenv("GG_FAIL_AT");
    const char *class = getenv("GG_FAIL");
    const char *file = getenv("GG_FAIL_TOLD");
    fail_on = getenv("GG_FAIL_ON") != NULL;
    told = file == NULL ? "" : file;
    fail_class = class == NULL ? "" : class;
    fail_at = at == NULL ? 0 : strtol(at, NULL, 10);
    (void)unsetenv("LD_PRELOAD"); /* Not in what the program starts. */
}

/* Say that it has happened, without memory and without ourselves. */
static void tell(void)
{
    long fd = syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        (void)syscall(SYS_write, fd, "x", 1);
        (void)syscall(SYS_close, fd);
    }
}

static bool fails(const char *class, int error)
{
    if (fail_at == 0 || strcmp(class, fail_class) != 0) {
        return false;
    }
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (call != fail_at && !(fail_on && call > fail_at)) {
        return false;
    }
    tell();
    errno = error;
    return true;
}

/* ---- memory: glibc's own entries, so that nothing has to be looked up ---- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

void *malloc(size_t bytes)
{
    return fails("memory", ENOMEM) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails("memory", ENOMEM) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails("memory", ENOMEM) ? NULL : __libc_realloc(old, bytes);
}

/* ---- system calls ---- */

ssize_t write(int fd, const void *bytes, size_t len)
{
    return fails("writes", ENOSPC) ? -1 : syscall(SYS_write, fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return fails("writes", ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return fails("writes", ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

int fsync(int fd)
{
    return fails("syncs", EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails("syncs", EIO) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int socket(int domain, int type, int protocol)
{
    return fails("files", EMFILE) ? -1
                                  : (int)syscall(SYS_socket, domain, type, protocol);
}

int epoll_create1(int flags)
{
    return fails("files", EMFILE) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int eventfd(unsigned count, int flags)
{
    return fails("files", EMFILE) ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

int pipe2(int fds[2], int flags)
{
    return fails("files", EMFILE) ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int open(const char *path, int flags, ...)
{
    return fails("files", EMFILE)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int open64(const char *path, int flags, ...)
{
    return fails("files", EMFILE)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

pid_t fork(void)
{
    static pid_t (*real)(void);
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "fork");
        memcpy(&real, &found, sizeof real);
    }
    return fails("processes", EAGAIN) ? -1 : real();
}
