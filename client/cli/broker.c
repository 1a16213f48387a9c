/* broker.c - `ganger broker`: how it is, and copies of what it keeps. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/json.h"
#include "client/cli/say.h"
#include "client/cli/stats.h"
#include "common/duration.h"

enum { BACKUP_MS = 3600000 };

/* ---- status ---- */

static void print_store(struct gg_table *table, const ganger_broker *broker)
{
    static const double mib = 1024.0 * 1024.0;
    gg_table_pair(table, "store", "%s, best durability %s", broker->store,
                  broker->durability == 2 ? "fsync" : "none");
    if (broker->store_path[0] == '\0') {
        return;
    }
    gg_table_pair(table, "data", "%s", broker->store_path);
    gg_table_pair_time(table, "last commit", broker->committed_at);
    gg_table_pair(table, "commits", "%" PRIu64 ", p50 %.2f ms, p99 %.2f ms",
                  broker->commits, (double)broker->commit_p50_us / 1000.0,
                  (double)broker->commit_p99_us / 1000.0);
    gg_table_pair(table, "live records", "%" PRIu64 ", %.1f MiB", broker->records,
                  (double)broker->record_bytes / mib);
    gg_table_pair(table, "blobs", "%" PRIu64 ", %.1f MiB", broker->blobs,
                  (double)broker->blob_bytes / mib);
    gg_table_pair(table, "disk", "%.1f MiB used, %.1f MiB free, %s",
                  (double)broker->disk_bytes / mib, (double)broker->free_bytes / mib,
                  gg_space_text(broker->space));
    gg_table_pair(table, "not yet durable", "%.1f MiB",
                  (double)broker->waiting_bytes / mib);
    if (broker->clock_behind_ms > 0) {
        char text[GG_DURATION_TEXT_BYTES];
        gg_duration_format(broker->clock_behind_ms, text);
        gg_table_pair(table, "clock", "%s behind one it knew before: dates wait", text);
    }
}

const char *gg_space_name(int space)
{
    static const char *const names[] = {"ok", "low", "behind"};
    return space >= 0 && space < 3 ? names[space] : "?";
}

const char *gg_space_text(int space)
{
    static const char *const texts[] = {
        "new work is taken",
        "nearly full: no new durable work is taken",
        "too slow: new durable work is refused",
    };
    return space >= 0 && space < 3 ? texts[space] : "?";
}

static void print_broker(const ganger_broker *broker)
{
    static const struct gg_column columns[] = {{NULL, 0}, {NULL, 0}};
    struct gg_table *table = gg_table_new(columns, 2, false);
    gg_table_pair(table, "program", "%s", broker->program);
    gg_table_pair(table, "state", "%s", broker->state);
    gg_table_pair(table, "pid", "%" PRIu64, broker->pid);
    gg_table_pair(table, "epoch", "%" PRIu64, broker->epoch);
    gg_table_pair_time(table, "serving since", broker->started_at);
    print_store(table, broker);
    gg_table_pair(table, "clients", "%s", broker->client_endpoint);
    gg_table_pair(table, "agents", "%s", broker->agent_endpoint);
    gg_table_pair(table, "keys", "%s",
                  broker->curve ? "required" : "not required (loopback)");
    gg_table_finish(&table);
    if (broker->limit_count > 0) {
        (void)putchar('\n');
        table = gg_stat_table();
        for (size_t i = 0; i < broker->limit_count; i++) {
            gg_stat_row(table, &broker->limits[i]);
        }
        gg_table_finish(&table);
    }
}

int gg_broker_show(struct gg_call *call)
{
    ganger_broker broker;
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_broker_status(call->broker, gg_answer_ms(call), &broker);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot look at the broker");
    }
    if (gg_json_wanted(call->options.format)) {
        gg_json_print(gg_json_broker(&broker), call->options.format == GG_FORMAT_JSONL);
    } else {
        print_broker(&broker);
    }
    return GG_EXIT_DONE;
}

/* ---- copies ---- */

int gg_broker_backup(struct gg_call *call)
{
    char path[PATH_MAX];
    char here[PATH_MAX] = "";
    const char *said = call->args[0];
    if (said[0] != '/' && getcwd(here, sizeof here) == NULL) {
        gg_say("the working folder has no name: %s", strerror(errno));
        return GG_EXIT_FAULT;
    }
    int len = snprintf(path, sizeof path, "%s%s%s", here, here[0] == '\0' ? "" : "/",
                       said);
    if (len < 0 || (size_t)len >= sizeof path) {
        gg_say("the file's name is too long");
        return GG_EXIT_USAGE;
    }
    int status = gg_connect(call);
    if (status != GG_EXIT_DONE) {
        return status;
    }
    ganger_err err = ganger_broker_backup(call->broker, path, call->options.reason,
                                          BACKUP_MS);
    if (err != GANGER_OK) {
        return gg_failed(call, err, "cannot make the backup");
    }
    (void)puts(path);
    return GG_EXIT_DONE;
}

int gg_broker_restore(struct gg_call *call)
{
    char program[] = "gangerd";
    char restore[] = "--restore";
    char data[] = "--data";
    char *argv[] = {program, restore, call->args[0], data, call->args[1], NULL};
    return gg_child_run(argv);
}

int gg_doctor_folder(struct gg_call *call)
{
    char program[] = "gangerd";
    char check[] = "--check";
    char data[] = "--data";
    char *argv[] = {program, check, data, call->args[0], NULL};
    int status = gg_child_run(argv);
    if (status == GG_EXIT_NO) {
        (void)printf("try: gangerd --data %s --repair NEW-DIR\n", call->args[0]);
    }
    return status;
}
