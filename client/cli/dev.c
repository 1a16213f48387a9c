/* dev.c - `ganger dev`: a volatile broker and one agent in the foreground. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/say.h"

enum { GRACE_MS = 30000, LINE_BYTES = 4096, ENDPOINT_BYTES = 256, ARGS_MAX = 80 };

struct dev {
    struct gg_call *call;
    pid_t broker;
    pid_t worker;
    int log; /* The broker's standard error; -1 once it has ended. */
    int signals;
    char line[LINE_BYTES];
    size_t line_len;
    char endpoint[ENDPOINT_BYTES]; /* "" until the broker is ready. */
};

static int start_broker(struct dev *dev)
{
    char program[] = "gangerd";
    char is_volatile[] = "--volatile";
    char listen_option[] = "--listen";
    char listen[ENDPOINT_BYTES];
    const char *said = dev->call->options.listen;
    int ends[2];
    (void)snprintf(listen, sizeof listen, "%s",
                   said != NULL ? said : "tcp://127.0.0.1:7440");
    if (pipe(ends) != 0) {
        gg_say("cannot make a pipe: %s", strerror(errno));
        return GG_EXIT_FAULT;
    }
    char *argv[] = {program, is_volatile, listen_option, listen, NULL};
    dev->broker = gg_child_start(argv, ends[1]);
    (void)close(ends[1]);
    dev->log = ends[0];
    if (dev->broker < 0) {
        gg_say("cannot start gangerd: %s", strerror(errno));
        return GG_EXIT_FAULT;
    }
    return GG_EXIT_DONE;
}

static int start_worker(struct dev *dev)
{
    char program[] = "ganger-worker";
    char queue_option[] = "--queue";
    char all[] = "*";
    char slots_option[] = "--slots";
    char slots[24];
    char dashes[] = "--";
    char cat[] = "cat";
    uint64_t said = dev->call->options.slots;
    char *argv[ARGS_MAX] = {program, queue_option, all, slots_option, slots, dashes};
    size_t count = 6;
    (void)snprintf(slots, sizeof slots, "%" PRIu64,
                   said == GG_OPTION_UNSAID ? UINT64_C(2) : said);
    if (dev->call->arg_count == 0) {
        argv[count++] = cat;
    }
    for (size_t i = 0; i < dev->call->arg_count && count + 1 < ARGS_MAX; i++) {
        argv[count++] = dev->call->args[i];
    }
    argv[count] = NULL;
    (void)setenv("GANGER_BROKER", dev->endpoint, 1);
    dev->worker = gg_child_start(argv, -1);
    if (dev->worker < 0) {
        gg_say("cannot start ganger-worker: %s", strerror(errno));
        return GG_EXIT_FAULT;
    }
    return GG_EXIT_DONE;
}

static void invite(const struct dev *dev)
{
    const char *set = strcmp(dev->endpoint, "tcp://127.0.0.1:7440") == 0
                          ? ""
                          : "GANGER_BROKER=";
    const char *endpoint = set[0] != '\0' ? dev->endpoint : "";
    const char *space = set[0] != '\0' ? " " : "";
    gg_say("a broker and an agent are up; in another terminal:");
    (void)printf("%s%s%sganger run hello 'good morning'\n", set, endpoint, space);
    (void)printf("%s%s%sganger job list\n", set, endpoint, space);
    (void)printf("%s%s%sganger tree\n", set, endpoint, space);
    (void)fflush(stdout);
}

/* The broker's log goes on to ours; its `ready` line says where it listens. */
static int on_line(struct dev *dev, const char *line)
{
    (void)fprintf(stderr, "%s\n", line);
    const char *client = strstr(line, " client=");
    if (dev->endpoint[0] != '\0' || strstr(line, "event=ready") == NULL ||
        client == NULL) {
        return GG_EXIT_DONE;
    }
    client += strlen(" client=");
    (void)snprintf(dev->endpoint, sizeof dev->endpoint, "%.*s",
                   (int)strcspn(client, " "), client);
    int status = start_worker(dev);
    if (status == GG_EXIT_DONE) {
        invite(dev);
    }
    return status;
}

static int read_log(struct dev *dev)
{
    size_t room = sizeof dev->line - 1 - dev->line_len;
    ssize_t got = read(dev->log, dev->line + dev->line_len, room);
    if (got <= 0) {
        (void)close(dev->log);
        dev->log = -1;
        return GG_EXIT_DONE;
    }
    dev->line_len += (size_t)got;
    dev->line[dev->line_len] = '\0';
    char *start = dev->line;
    int status = GG_EXIT_DONE;
    for (char *end; status == GG_EXIT_DONE && (end = strchr(start, '\n')) != NULL;) {
        *end = '\0';
        status = on_line(dev, start);
        start = end + 1;
    }
    dev->line_len = strlen(start);
    memmove(dev->line, start, dev->line_len + 1);
    if (dev->line_len == sizeof dev->line - 1) {
        dev->line_len = 0; /* No line of ours is that long. */
    }
    return status;
}

/* One of the two has ended by itself: so do we. */
static int on_child(struct dev *dev)
{
    int how = 0;
    pid_t pid = waitpid(-1, &how, WNOHANG);
    if (pid <= 0 || (pid != dev->broker && pid != dev->worker)) {
        return GG_EXIT_DONE;
    }
    const char *name = pid == dev->broker ? "gangerd" : "ganger-worker";
    while (dev->log >= 0 && pid == dev->broker) {
        (void)read_log(dev);
    }
    *(pid == dev->broker ? &dev->broker : &dev->worker) = 0;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127) {
        gg_say("%s cannot be started: it is neither beside ganger nor in PATH", name);
        return GG_EXIT_FAULT;
    }
    gg_say("%s has ended with %s %d", name, WIFEXITED(how) ? "status" : "signal",
           WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
    bool said = WIFEXITED(how) && WEXITSTATUS(how) != 0;
    return said ? WEXITSTATUS(how) : GG_EXIT_FAULT;
}

static int on_signal(struct dev *dev)
{
    struct signalfd_siginfo info;
    if (read(dev->signals, &info, sizeof info) != sizeof info) {
        return GG_EXIT_DONE;
    }
    return info.ssi_signo == SIGCHLD ? on_child(dev) : GG_EXIT_INTERRUPTED;
}

static int serve(struct dev *dev)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = dev->signals, .events = POLLIN},
            {.fd = dev->log, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return GG_EXIT_FAULT;
        }
        int status = GG_EXIT_DONE;
        if (fds[1].revents != 0) {
            status = read_log(dev);
        }
        if (status == GG_EXIT_DONE && fds[0].revents != 0) {
            status = on_signal(dev);
        }
        if (status != GG_EXIT_DONE) {
            return status;
        }
    }
}

int gg_dev_run(struct gg_call *call)
{
    struct dev dev = {.call = call, .log = -1};
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    dev.signals = signalfd(-1, &mask, SFD_CLOEXEC);
    int status = dev.signals < 0 ? GG_EXIT_FAULT : start_broker(&dev);
    if (status == GG_EXIT_DONE) {
        status = serve(&dev);
    }
    gg_child_stop(&dev.worker, GRACE_MS);
    gg_child_stop(&dev.broker, GRACE_MS);
    if (status == GG_EXIT_INTERRUPTED) {
        gg_say("stopped");
        return GG_EXIT_DONE;
    }
    return status;
}
