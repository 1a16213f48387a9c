#include "broker/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/sqlite.h"
#include "common/log.h"

/* Make every folder above the last part of `path`. */
static bool make_parents(const char *path)
{
    char part[GG_DATA_PATH_BYTES];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return true;
}

bool gg_data_default(char path[GG_DATA_PATH_BYTES])
{
    const char *service = getenv("STATE_DIRECTORY");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    errno = 0;
    int len = -1;
    if (service != NULL && service[0] == '/') {
        size_t first = strcspn(service, ":"); /* systemd may list several. */
        len = snprintf(path, GG_DATA_PATH_BYTES, "%.*s/data", (int)first, service);
    } else if (state != NULL && state[0] == '/') {
        len = snprintf(path, GG_DATA_PATH_BYTES, "%s/ganger", state);
    } else if (home != NULL && home[0] == '/') {
        len = snprintf(path, GG_DATA_PATH_BYTES, "%s/.local/state/ganger", home);
    }
    return len > 0 && len < GG_DATA_PATH_BYTES && make_parents(path);
}

bool gg_data_absolute(const char *said, char path[GG_DATA_PATH_BYTES])
{
    char here[GG_DATA_PATH_BYTES] = "";
    if (said[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return false;
    }
    int len = snprintf(path, GG_DATA_PATH_BYTES, "%s%s%s", here,
                       here[0] == '\0' ? "" : "/", said);
    return len > 0 && len < GG_DATA_PATH_BYTES;
}

enum gg_err gg_data_open(const char *path, const struct gg_broker_settings *settings,
                         struct gg_store **out_store)
{
    struct gg_store_options options;
    struct gg_store_report report;
    gg_store_options_default(&options);
    options.ballast_bytes = settings->ballast_bytes;
    options.waiting_bytes_max = settings->store_waiting_bytes_max;
    enum gg_err err = gg_store_open_sqlite(path, &options, out_store, &report);
    if (err != GG_OK) {
        gg_log(GG_LOG_ERROR, "store", "what=\"%s\"", report.fault);
    } else if (report.notice[0] != '\0') {
        gg_log(GG_LOG_WARN, "store", "what=\"%s\"", report.notice);
    }
    return err;
}

/* ---- while no broker has it open ---- */

static void print_finding(void *ctx, const char *text)
{
    (void)ctx;
    (void)printf("damaged: %s\n", text);
}

static int print_end(const char *what, enum gg_err err,
                     const struct gg_store_report *report,
                     const struct gg_store_census *census)
{
    if (report->notice[0] != '\0') {
        (void)printf("notice: %s\n", report->notice);
    }
    if (err != GG_OK) {
        (void)fprintf(stderr, "gangerd: %s\n", report->fault);
        return gg_err_exit(err);
    }
    (void)printf("%s: %" PRIu64 " records, %" PRIu64 " blobs, %" PRIu64 " damaged\n",
                 what, census->record_count, census->blob_count, census->damaged_count);
    if (fflush(stdout) != 0) {
        return gg_err_exit(GG_ERR_SYSTEM);
    }
    return census->damaged_count == 0 ? 0 : 1;
}

int gg_data_check(const char *path)
{
    struct gg_store_options options;
    struct gg_store_report report = {.fault = ""};
    struct gg_store_census census = {0};
    gg_store_options_default(&options);
    enum gg_err err = gg_store_check(path, &options, print_finding, NULL, &census,
                                     &report);
    return print_end(census.damaged_count == 0 ? "sound" : "not sound", err, &report,
                     &census);
}

int gg_data_repair(const char *path, const char *into)
{
    struct gg_store_options options;
    struct gg_store_report report = {.fault = ""};
    struct gg_store_census census = {0};
    gg_store_options_default(&options);
    enum gg_err err = gg_store_repair(path, into, &options, print_finding, NULL,
                                      &census, &report);
    return print_end("repaired", err, &report, &census);
}

int gg_data_restore(const char *file, const char *path)
{
    struct gg_store_options options;
    struct gg_store_report report = {.fault = ""};
    gg_store_options_default(&options);
    enum gg_err err = gg_store_restore(file, path, &options, &report);
    if (err != GG_OK) {
        (void)fprintf(stderr, "gangerd: %s\n", report.fault);
        return gg_err_exit(err);
    }
    (void)printf("restored: %s\n", path);
    return fflush(stdout) == 0 ? 0 : gg_err_exit(GG_ERR_SYSTEM);
}
