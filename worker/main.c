/* main.c - ganger-worker: the agent, and the roles it starts itself in.
 *
 *   ganger-worker OPTIONS...           the agent
 *   ganger-worker --role=keeper DIR    the keeper beside it (worker/exec/keeper.h)
 *   ganger-worker --role=executor SO   an executor of a C handler
 *   ganger-worker --role=handover N    asked by an agent: see worker/handover.h
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "worker/exec/keeper.h"
#include "worker/handover.h"
#include "worker/io.h"
#include "worker/settings.h"

enum { EXIT_CONFIG_FAULT = 78, EXECUTOR_FD = 3 };

/* Of ganger/worker.h: found in the library that the handler is linked with, so that
 * both are always of one version. */
typedef int executor_main_fn(int fd, const void *handler);

static int fail(const char *path, const char *why)
{
    (void)fprintf(stderr, "cannot load the handler %s: %s\n", path, why);
    return EXIT_CONFIG_FAULT;
}

static int run_executor(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        return fail(path, dlerror());
    }
    const void *handler = dlsym(object, "ganger_handler");
    if (handler == NULL) {
        return fail(path, "it exports no ganger_handler (see GANGER_HANDLER)");
    }
    void *symbol = dlsym(object, "ganger_executor_main");
    if (symbol == NULL) {
        void *library = dlopen("libganger-worker.so.0", RTLD_NOW | RTLD_LOCAL);
        symbol = library == NULL ? NULL : dlsym(library, "ganger_executor_main");
    }
    if (symbol == NULL) {
        return fail(path, "it is not linked with libganger-worker");
    }
    executor_main_fn *run = NULL;
    memcpy(&run, &symbol, sizeof run); /* ISO C has no cast for this. */
    return run(EXECUTOR_FD, handler);
}

int main(int argc, char **argv)
{
    static struct gg_worker_settings settings; /* Too large for the stack. */
    if (argc == 3 && strcmp(argv[1], "--role=keeper") == 0) {
        return gg_keeper_main(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], GG_HANDOVER_ROLE) == 0) {
        return gg_handover_answer(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "--role=executor") == 0) {
        return run_executor(argv[2]);
    }
    gg_worker_settings_parse(argc, argv, &settings);
    int status = gg_io_run(&settings, argv);
    gg_worker_settings_fini(&settings);
    return status;
}
