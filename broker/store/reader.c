/* reader.c - the threads beside the writer's: loads and the witness; backups. */
#include <errno.h>
#include <stdio.h>

#include "broker/store/backup.h"
#include "broker/store/sqlite_state.h"

enum { WITNESS_MS = 1000 };

static void load(struct gg_sqlite *sqlite, struct gg_question *question)
{
    struct gg_store_report report = {.fault = ""};
    struct gg_store_answer *answer = &question->answer;
    answer->err = gg_blobs_read(sqlite->files, sqlite->folder.path, &question->row,
                                &answer->blob, &report);
    (void)snprintf(answer->text, sizeof answer->text, "%s", report.fault);
    gg_sqlite_answer(sqlite, question);
}

static void sync_witness(struct gg_sqlite *sqlite)
{
    struct gg_store_report report = {.fault = ""};
    atomic_store(&sqlite->witness_dirty, false);
    if (gg_witness_sync(&sqlite->witness) != 0) {
        (void)gg_report_system(&report, "sync", sqlite->folder.witness, errno);
        gg_sqlite_fail(sqlite, report.fault);
    }
}

void *gg_sqlite_read(void *ctx)
{
    struct gg_sqlite *sqlite = ctx;
    struct timespec sync_at = {0};
    bool dirty = false;
    (void)pthread_mutex_lock(&sqlite->lock);
    while (!sqlite->stopping) {
        struct gg_link *link = gg_list_first(&sqlite->loads);
        if (link != NULL) {
            gg_list_remove(link);
            (void)pthread_mutex_unlock(&sqlite->lock);
            load(sqlite, GG_CONTAINER(link, struct gg_question, link));
            (void)pthread_mutex_lock(&sqlite->lock);
            continue;
        }
        if (!dirty && atomic_load(&sqlite->witness_dirty)) {
            dirty = true;
            sync_at = gg_mono_timespec(WITNESS_MS);
        }
        int result = dirty ? pthread_cond_timedwait(&sqlite->wake_reader, &sqlite->lock,
                                                    &sync_at)
                           : pthread_cond_wait(&sqlite->wake_reader, &sqlite->lock);
        if (result == ETIMEDOUT) {
            dirty = false;
            (void)pthread_mutex_unlock(&sqlite->lock);
            sync_witness(sqlite);
            (void)pthread_mutex_lock(&sqlite->lock);
        }
    }
    (void)pthread_mutex_unlock(&sqlite->lock);
    return NULL;
}

void *gg_sqlite_back_up(void *ctx)
{
    struct gg_sqlite *sqlite = ctx;
    struct gg_question *question = sqlite->backup_question;
    struct gg_store_report report = {.fault = ""};
    question->answer.err = gg_backup_make(sqlite->files, sqlite->vfs, &sqlite->folder,
                                          sqlite->backup_path, &report);
    (void)snprintf(question->answer.text, sizeof question->answer.text, "%s",
                   report.fault);
    sqlite->backup_question = NULL;
    atomic_store(&sqlite->backup_running, false);
    gg_sqlite_answer(sqlite, question);
    return NULL;
}
