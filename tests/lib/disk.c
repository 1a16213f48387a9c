#include "tests/lib/disk_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/rng.h"

enum { FDS_MAX = 1024, SECTOR_BYTES = 512 };

/* ---- what the disk holds ---- */

/* Something written since the last sync of its file; `len` < 0: cut to `at` bytes. */
struct change {
    struct change *next;
    int64_t at;
    int64_t len;
    uint8_t data[];
};

/* The contents of a file, whatever its name. */
struct node {
    struct node *next;
    uint8_t *safe; /* As of the last sync. */
    int64_t safe_len;
    struct change *changes;
    struct change **changes_end;
};

/* A name that came or went since the last sync of its folder. */
struct renaming {
    struct renaming *next;
    char path[DISK_PATH_BYTES];
    struct node *node; /* NULL: the name went. */
};

struct name {
    struct name *next;
    char path[DISK_PATH_BYTES];
    struct node *now;  /* NULL: there is none. */
    struct node *safe; /* As of the last sync of the folder. */
};

static struct disk {
    pthread_mutex_t lock;
    struct node *nodes;
    struct name *names;
    struct renaming *renamings;
    struct renaming **renamings_end;
    uint64_t calls;
    uint64_t nth;
    enum disk_fault fault;
    bool for_good;
    bool struck;
    bool dead;
    int sync_ms;
    uint64_t free_bytes;
    int last_errno;
    struct {
        bool used;
        char path[DISK_PATH_BYTES];
    } fds[FDS_MAX];
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .free_bytes = UINT64_MAX};

static void *must(void *memory)
{
    GG_ASSERT(memory != NULL);
    return memory;
}

static struct name *name_of(const char *path)
{
    struct name *name = disk.names;
    while (name != NULL && strcmp(name->path, path) != 0) {
        name = name->next;
    }
    if (name == NULL) {
        name = must(calloc(1, sizeof *name));
        (void)snprintf(name->path, sizeof name->path, "%s", path);
        name->next = disk.names;
        disk.names = name;
    }
    return name;
}

void disk_set_name(const char *path, struct node *node)
{
    struct renaming *renaming = must(calloc(1, sizeof *renaming));
    (void)snprintf(renaming->path, sizeof renaming->path, "%s", path);
    renaming->node = node;
    *disk.renamings_end = renaming;
    disk.renamings_end = &renaming->next;
    name_of(path)->now = node;
}

struct node *disk_node_of(const char *path)
{
    struct name *name = name_of(path);
    if (name->now == NULL) {
        struct node *node = must(calloc(1, sizeof *node));
        node->changes_end = &node->changes;
        node->next = disk.nodes;
        disk.nodes = node;
        disk_set_name(path, node);
    }
    return name->now;
}

void disk_change(const char *path, int64_t at, int64_t len, const void *data)
{
    struct node *node = disk_node_of(path);
    struct change *change = must(malloc(sizeof *change + (len > 0 ? (size_t)len : 0)));
    *change = (struct change){.at = at, .len = len};
    if (len > 0) {
        memcpy(change->data, data, (size_t)len);
    }
    *node->changes_end = change;
    node->changes_end = &change->next;
}

/* ---- applying changes to bytes ---- */

struct bytes {
    uint8_t *data;
    int64_t len;
};

static void resize(struct bytes *bytes, int64_t len)
{
    bytes->data = must(realloc(bytes->data, (size_t)len + 1));
    if (len > bytes->len) {
        memset(bytes->data + bytes->len, 0, (size_t)(len - bytes->len));
    }
    bytes->len = len;
}

static void apply_piece(struct bytes *bytes, const struct change *change, int64_t from,
                        int64_t len)
{
    if (change->at + from + len > bytes->len) {
        resize(bytes, change->at + from + len);
    }
    memcpy(bytes->data + change->at + from, change->data + from, (size_t)len);
}

/* `rng` NULL: all of it. Otherwise each sector by chance. */
static void apply(struct bytes *bytes, const struct change *change, struct gg_rng *rng)
{
    if (change->len < 0) {
        if (rng == NULL || gg_rng_below(rng, 2) == 0) {
            resize(bytes, change->at);
        }
        return;
    }
    bool whole = rng == NULL || gg_rng_below(rng, 2) == 0;
    bool any = rng == NULL || gg_rng_below(rng, 3) > 0;
    for (int64_t from = 0; from < change->len && any;) {
        int64_t sector_end = ((change->at + from) / SECTOR_BYTES + 1) * SECTOR_BYTES -
                             change->at;
        int64_t end = sector_end < change->len ? sector_end : change->len;
        if (whole || gg_rng_below(rng, 2) == 0) {
            apply_piece(bytes, change, from, end - from);
        }
        from = end;
    }
}

void disk_sync_node(struct node *node)
{
    struct bytes bytes = {.data = node->safe, .len = node->safe_len};
    struct change *next = NULL;
    for (struct change *change = node->changes; change != NULL; change = next) {
        next = change->next;
        apply(&bytes, change, NULL);
        free(change);
    }
    node->safe = bytes.data;
    node->safe_len = bytes.len;
    node->changes = NULL;
    node->changes_end = &node->changes;
}

static bool is_in(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

static void sync_folder(const char *folder)
{
    struct renaming **at = &disk.renamings;
    while (*at != NULL) {
        struct renaming *renaming = *at;
        if (is_in(renaming->path, folder)) {
            name_of(renaming->path)->safe = renaming->node;
            *at = renaming->next;
            free(renaming);
        } else {
            at = &renaming->next;
        }
    }
    disk.renamings_end = at;
}

void disk_sync_folder_of(const char *path)
{
    char folder[DISK_PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        sync_folder(folder);
    }
}

/* A file from before: what it holds is safe. */
void disk_take_in(const char *path)
{
    struct stat stat_of;
    struct name *name = name_of(path);
    if (name->now != NULL || stat(path, &stat_of) != 0 || !S_ISREG(stat_of.st_mode)) {
        return;
    }
    struct node *node = must(calloc(1, sizeof *node));
    node->changes_end = &node->changes;
    node->next = disk.nodes;
    disk.nodes = node;
    node->safe_len = stat_of.st_size;
    node->safe = must(malloc((size_t)stat_of.st_size + 1));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    GG_ASSERT(fd >= 0);
    ssize_t done = read(fd, node->safe, (size_t)stat_of.st_size);
    GG_ASSERT(done == stat_of.st_size);
    (void)close(fd);
    name->now = node;
    name->safe = node;
}

/* ---- faults ---- */

void disk_lock(void)
{
    (void)pthread_mutex_lock(&disk.lock);
}

void disk_unlock(void)
{
    (void)pthread_mutex_unlock(&disk.lock);
}

/* Count a call that changes something, and say how it fails. */
enum disk_fault disk_count(bool is_sync)
{
    enum disk_fault fault = DISK_SOUND;
    disk.calls++;
    if (disk.nth != 0 &&
        (disk.calls == disk.nth || (disk.for_good && disk.calls > disk.nth))) {
        fault = disk.fault;
    }
    if (is_sync && (fault == DISK_FULL || fault == DISK_SHORT)) {
        fault = DISK_SOUND;
    }
    if (fault != DISK_SOUND) {
        disk.struck = true;
    }
    if (fault == DISK_DEAD) {
        disk.dead = true;
    }
    if (disk.dead) {
        fault = DISK_DEAD;
    }
    disk.last_errno = fault == DISK_FULL || fault == DISK_SHORT ? ENOSPC : EIO;
    return fault;
}

int disk_last_errno(void)
{
    return disk.last_errno;
}

static int fail(enum disk_fault fault)
{
    errno = fault == DISK_FULL || fault == DISK_SHORT ? ENOSPC : EIO;
    return -1;
}

void disk_wait_for_sync(void)
{
    if (disk.sync_ms > 0) {
        struct timespec wait = {.tv_sec = disk.sync_ms / 1000,
                                .tv_nsec = (long)(disk.sync_ms % 1000) * 1000000};
        (void)nanosleep(&wait, NULL);
    }
}

/* ---- the store's own calls ---- */

static int disk_open(struct gg_files *self, const char *path, int flags, mode_t mode)
{
    (void)self;
    disk_lock();
    disk_take_in(path);
    bool creates = (flags & O_CREAT) != 0;
    enum disk_fault fault = creates ? disk_count(false) : DISK_SOUND;
    int fd = fault == DISK_SOUND ? open(path, flags, mode) : fail(fault);
    if (fd >= 0) {
        GG_ASSERT(fd < FDS_MAX);
        disk.fds[fd].used = true;
        (void)snprintf(disk.fds[fd].path, DISK_PATH_BYTES, "%s", path);
        if (creates) {
            (void)disk_node_of(path);
        }
        if ((flags & O_TRUNC) != 0) {
            disk_change(path, 0, -1, NULL);
        }
    }
    disk_unlock();
    return fd;
}

static int disk_close(struct gg_files *self, int fd)
{
    (void)self;
    disk_lock();
    disk.fds[fd].used = false;
    disk_unlock();
    return close(fd);
}

static ssize_t disk_pread(struct gg_files *self, int fd, void *data, size_t len,
                          off_t at)
{
    (void)self;
    return pread(fd, data, len, at);
}

static ssize_t disk_pwrite(struct gg_files *self, int fd, const void *data, size_t len,
                           off_t at)
{
    (void)self;
    disk_lock();
    enum disk_fault fault = disk_count(false);
    if (fault == DISK_SHORT && len > 1) {
        len /= 2; /* The caller sees how much; its next try finds the disk full. */
        fault = DISK_SOUND;
    }
    ssize_t done = fault == DISK_SOUND ? pwrite(fd, data, len, at) : fail(fault);
    if (done > 0) {
        disk_change(disk.fds[fd].path, at, done, data);
    }
    disk_unlock();
    return done;
}

static int disk_fsync(struct gg_files *self, int fd)
{
    (void)self;
    struct stat stat_of;
    disk_wait_for_sync();
    disk_lock();
    enum disk_fault fault = disk_count(true);
    int result = fault == DISK_SOUND ? fstat(fd, &stat_of) : fail(fault);
    if (result == 0 && S_ISDIR(stat_of.st_mode)) {
        sync_folder(disk.fds[fd].path);
    } else if (result == 0) {
        disk_sync_node(disk_node_of(disk.fds[fd].path));
    }
    disk_unlock();
    return result;
}

static int disk_allocate(struct gg_files *self, int fd, off_t len)
{
    (void)self;
    disk_lock();
    enum disk_fault fault = disk_count(false);
    int result = fault == DISK_SOUND ? ftruncate(fd, len) : fail(fault);
    if (result == 0) {
        disk_change(disk.fds[fd].path, len, -1, NULL);
    }
    disk_unlock();
    return result;
}

static int disk_rename(struct gg_files *self, const char *from, const char *to)
{
    (void)self;
    disk_lock();
    enum disk_fault fault = disk_count(false);
    int result = fault == DISK_SOUND ? rename(from, to) : fail(fault);
    if (result == 0) {
        struct node *node = disk_node_of(from);
        disk_set_name(to, node);
        disk_set_name(from, NULL);
    }
    disk_unlock();
    return result;
}

static int disk_unlink(struct gg_files *self, const char *path)
{
    (void)self;
    disk_lock();
    disk_take_in(path);
    enum disk_fault fault = disk_count(false);
    int result = fault == DISK_SOUND ? unlink(path) : fail(fault);
    if (result == 0) {
        disk_set_name(path, NULL);
    }
    disk_unlock();
    return result;
}

static int disk_mkdir(struct gg_files *self, const char *path, mode_t mode)
{
    (void)self;
    struct stat stat_of;
    disk_lock();
    int result = 0;
    if (stat(path, &stat_of) == 0) {
        errno = EEXIST;
        result = -1;
    } else {
        enum disk_fault fault = disk_count(false);
        result = fault == DISK_SOUND ? mkdir(path, mode) : fail(fault);
    }
    disk_unlock();
    return result;
}

static int disk_statvfs(struct gg_files *self, const char *path, struct statvfs *out)
{
    (void)self;
    int result = statvfs(path, out);
    disk_lock();
    if (result == 0 && disk.free_bytes != UINT64_MAX) {
        out->f_bavail = disk.free_bytes / out->f_frsize;
    }
    disk_unlock();
    return result;
}

struct gg_files *disk_files(void)
{
    static struct gg_files files = {
        .open = disk_open,
        .close = disk_close,
        .pread = disk_pread,
        .pwrite = disk_pwrite,
        .fsync = disk_fsync,
        .allocate = disk_allocate,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .mkdir = disk_mkdir,
        .statvfs = disk_statvfs,
    };
    return &files;
}

/* ---- for the test ---- */

void disk_adopt(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char inside[DISK_PATH_BYTES + 300];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        disk_adopt(inside);
    }
    if (folder != NULL) {
        (void)closedir(folder);
        return;
    }
    disk_lock();
    disk_take_in(path);
    disk_unlock();
}

void disk_plan(uint64_t nth, enum disk_fault fault, bool for_good)
{
    disk_lock();
    disk.calls = 0;
    disk.nth = nth;
    disk.fault = fault;
    disk.for_good = for_good;
    disk.struck = false;
    disk.dead = false;
    disk_unlock();
}

uint64_t disk_calls(void)
{
    disk_lock();
    uint64_t calls = disk.calls;
    disk_unlock();
    return calls;
}

bool disk_struck(void)
{
    disk_lock();
    bool struck = disk.struck;
    disk_unlock();
    return struck;
}

void disk_set_sync_ms(int ms)
{
    disk_lock();
    disk.sync_ms = ms;
    disk_unlock();
}

void disk_set_free(uint64_t bytes)
{
    disk_lock();
    disk.free_bytes = bytes;
    disk_unlock();
}

void disk_reset(void)
{
    disk_lock();
    while (disk.names != NULL) {
        struct name *name = disk.names;
        disk.names = name->next;
        free(name);
    }
    while (disk.renamings != NULL) {
        struct renaming *renaming = disk.renamings;
        disk.renamings = renaming->next;
        free(renaming);
    }
    disk.renamings_end = &disk.renamings;
    while (disk.nodes != NULL) {
        struct node *node = disk.nodes;
        disk.nodes = node->next;
        disk_sync_node(node);
        free(node->safe);
        free(node);
    }
    disk.sync_ms = 0;
    disk.free_bytes = UINT64_MAX;
    disk_unlock();
    disk_plan(0, DISK_SOUND, false);
}

/* ---- the power is cut ---- */

static void make_folders(const char *path)
{
    char folder[DISK_PATH_BYTES * 2];
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (char *at = strchr(folder + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(folder, 0700) != 0) {
            GG_ASSERT(errno == EEXIST);
        }
        *at = '/';
    }
}

static void write_out(const char *path, const struct node *node,
                      enum disk_survival survival, struct gg_rng *rng)
{
    struct bytes bytes = {0};
    resize(&bytes, node->safe_len);
    if (node->safe_len > 0) {
        memcpy(bytes.data, node->safe, (size_t)node->safe_len);
    }
    for (const struct change *change = node->changes;
         change != NULL && survival != DISK_NOTHING; change = change->next) {
        apply(&bytes, change, survival == DISK_SOME ? rng : NULL);
    }
    make_folders(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    GG_ASSERT(fd >= 0);
    ssize_t done = write(fd, bytes.data, (size_t)bytes.len);
    GG_ASSERT(done == bytes.len);
    (void)close(fd);
    free(bytes.data);
}

/* Names come and go in order, as a journal writes them: some first part survives. */
static void settle_names(enum disk_survival survival, struct gg_rng *rng)
{
    for (struct renaming *renaming = disk.renamings; renaming != NULL;
         renaming = renaming->next) {
        if (survival == DISK_NOTHING ||
            (survival == DISK_SOME && gg_rng_below(rng, 4) == 0)) {
            return;
        }
        name_of(renaming->path)->safe = renaming->node;
    }
}

void disk_cut(const char *from, const char *to, enum disk_survival survival,
              uint64_t seed)
{
    struct gg_rng rng = {.state = seed};
    size_t len = strlen(from);
    disk_lock();
    settle_names(survival, &rng);
    for (const struct name *name = disk.names; name != NULL; name = name->next) {
        char path[DISK_PATH_BYTES * 2];
        if (name->safe == NULL || strncmp(name->path, from, len) != 0 ||
            name->path[len] != '/') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s%s", to, name->path + len);
        write_out(path, name->safe, survival, &rng);
    }
    disk_unlock();
    char blobs[DISK_PATH_BYTES * 2];
    (void)snprintf(blobs, sizeof blobs, "%s/blobs/", to);
    make_folders(blobs);
}
