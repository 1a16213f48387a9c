#include "tests/lib/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"

enum { PATH_BYTES = 2048, CHUNK_BYTES = 65536 };

static char above[PATH_BYTES];
static char below[PATH_BYTES + 8];

const char *scratch_new(void)
{
    const char *folder = getenv("TMPDIR");
    GG_ASSERT(above[0] == '\0');
    (void)snprintf(above, sizeof above, "%s/ganger-XXXXXX",
                   folder == NULL ? "/tmp" : folder);
    const char *made = mkdtemp(above);
    GG_ASSERT(made != NULL);
    (void)snprintf(below, sizeof below, "%s/data", above);
    return below;
}

const char *scratch_above(void)
{
    return above;
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void scratch_remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        (void)unlink(path);
        return;
    }
    struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        char name[PATH_BYTES];
        if (!is_self_or_parent(entry->d_name)) {
            (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            scratch_remove_tree(name);
        }
    }
    (void)closedir(folder);
    (void)rmdir(path);
}

void scratch_remove(void)
{
    if (above[0] != '\0') {
        scratch_remove_tree(above);
        above[0] = '\0';
    }
}

static void copy_file(const char *from, const char *to)
{
    static char chunk[CHUNK_BYTES];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    GG_ASSERT(in >= 0 && out >= 0);
    ssize_t len = 0;
    while ((len = read(in, chunk, sizeof chunk)) > 0) {
        ssize_t written = write(out, chunk, (size_t)len);
        GG_ASSERT(written == len);
    }
    GG_ASSERT(len == 0);
    (void)close(in);
    (void)close(out);
}

void scratch_copy_tree(const char *from, const char *to)
{
    DIR *folder = opendir(from);
    if (folder == NULL) {
        copy_file(from, to);
        return;
    }
    int made = mkdir(to, 0700);
    GG_ASSERT(made == 0);
    struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        char source[PATH_BYTES];
        char target[PATH_BYTES];
        if (!is_self_or_parent(entry->d_name)) {
            (void)snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
            (void)snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
            scratch_copy_tree(source, target);
        }
    }
    (void)closedir(folder);
}
