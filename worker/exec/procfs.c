#include "worker/exec/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 64, FILE_BYTES = 65536 };

void gg_pids_fini(struct gg_pids *pids)
{
    free(pids->pids);
    *pids = (struct gg_pids){0};
}

static void add(struct gg_pids *pids, pid_t pid)
{
    if (pids->count == pids->room) {
        size_t room = pids->room == 0 ? 64 : pids->room * 2;
        pid_t *grown = room > GG_PIDS_MAX ? NULL
                                          : realloc(pids->pids, room * sizeof *grown);
        if (grown == NULL) {
            pids->truncated = true;
            return;
        }
        pids->pids = grown;
        pids->room = room;
    }
    pids->pids[pids->count++] = pid;
}

/* Read a file of /proc whole, as far as it fits; returns its length, NUL behind it. */
static size_t read_file(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (fd < 0) {
        text[0] = '\0';
        return 0;
    }
    for (;;) {
        ssize_t got = read(fd, text + len, room - 1 - len);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    (void)close(fd);
    text[len] = '\0';
    return len;
}

/* The kernel lists children by the thread that forked them. */
static void add_children_of_thread(pid_t pid, const char *tid, struct gg_pids *out)
{
    char path[PATH_BYTES];
    char *text = malloc(FILE_BYTES);
    if (text == NULL) {
        out->truncated = true;
        return;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/task/%.16s/children", (int)pid, tid);
    (void)read_file(path, text, FILE_BYTES);
    char *at = text;
    for (;;) {
        char *end = NULL;
        long child = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        add(out, (pid_t)child);
        at = end;
    }
    free(text);
}

void gg_proc_children(pid_t parent, struct gg_pids *out)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(tasks); entry != NULL;
         entry = readdir(tasks)) {
        if (entry->d_name[0] != '.') {
            add_children_of_thread(parent, entry->d_name, out);
        }
    }
    (void)closedir(tasks);
}

static void descend(pid_t root, pid_t spared, struct gg_pids *out)
{
    size_t next = out->count;
    gg_proc_children(root, out);
    for (; next < out->count; next++) {
        if (out->pids[next] != spared) {
            gg_proc_children(out->pids[next], out);
        }
    }
}

void gg_proc_descendants(pid_t root, struct gg_pids *out)
{
    descend(root, 0, out);
}

size_t gg_proc_kill_descendants(pid_t root, pid_t spared, int signal)
{
    struct gg_pids found = {0};
    size_t count = 0;
    descend(root, spared, &found);
    for (size_t i = 0; i < found.count; i++) {
        if (found.pids[i] != spared) {
            (void)kill(found.pids[i], signal);
            count++;
        }
    }
    gg_pids_fini(&found);
    return count;
}

bool gg_proc_variable(pid_t pid, const char *name, char *out_value, size_t room)
{
    char path[PATH_BYTES];
    char *text = malloc(FILE_BYTES);
    bool found = false;
    if (text == NULL) {
        return false;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    size_t len = read_file(path, text, FILE_BYTES);
    size_t name_len = strlen(name);
    for (size_t at = 0; at < len && !found; at += strlen(text + at) + 1) {
        if (strncmp(text + at, name, name_len) == 0 && text[at + name_len] == '=') {
            (void)snprintf(out_value, room, "%s", text + at + name_len + 1);
            found = true;
        }
    }
    free(text);
    return found;
}

uint64_t gg_proc_started(pid_t pid)
{
    enum { FIELDS_AFTER_NAME = 20 }; /* Start time is field 22; the name is field 2. */
    char path[PATH_BYTES];
    char text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    (void)read_file(path, text, sizeof text);
    const char *at = strrchr(text, ')'); /* A name may hold spaces and brackets. */
    for (int i = 0; at != NULL && i < FIELDS_AFTER_NAME; i++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

uint64_t gg_proc_memory(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %lu", &pages) != 1) {
        pages = 0;
    }
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
