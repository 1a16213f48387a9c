/* sqlite_state.h - what the files of the SQLite backend share. Not for others.
 *
 *   loop's thread          writer's thread                 reader's thread
 *   put, del ─► open       takes the whole queue,          loads blobs,
 *   commit ─► queue ─────► one transaction, one sync,      syncs the witness
 *   durable ◄─ done ◄───── durable, descriptor             about once a second
 *
 * A backup has a thread of its own. What is under a thread's heading belongs to it;
 * what several use is atomic or under the lock. */
#ifndef GG_BROKER_STORE_SQLITE_STATE_H
#define GG_BROKER_STORE_SQLITE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/store/blobs.h"
#include "broker/store/database.h"
#include "broker/store/folder.h"
#include "broker/store/space.h"
#include "broker/store/witness.h"
#include "common/list.h"

enum { GG_LATENCY_BUCKETS = 40 * 8 };

/* A question and, later, its answer. */
struct gg_question {
    struct gg_link link;
    struct gg_store_answer answer;
    struct gg_id row; /* Of the blob. */
};

/* What the writer tells about itself, under the lock. */
struct gg_writer_stats {
    uint64_t record_count;
    uint64_t record_bytes;
    uint64_t blob_count;
    uint64_t blob_bytes;
    uint64_t group_count;
    struct gg_wall committed_at;
    uint64_t latency[GG_LATENCY_BUCKETS];
};

struct gg_sqlite {
    struct gg_store base; /* First: the interface hands out its address. */
    struct gg_files *files;
    struct gg_page_vfs *vfs;
    struct gg_folder folder;
    uint64_t waiting_bytes_max;
    int event_fd;

    /* The loop's. */
    struct gg_group *open; /* NULL: nothing appended since the last commit. */
    struct gg_group *spare;
    uint32_t spare_count;
    struct gg_group *flying_first; /* Closed, and not known to be durable. */
    struct gg_group *flying_last;
    uint64_t waiting_bytes;
    pthread_t backup_thread;
    bool backup_started; /* And not joined. */

    /* Of all. */
    _Atomic uint64_t durable;
    atomic_bool failed;
    atomic_bool news;           /* The descriptor is readable. */
    atomic_bool witness_dirty;  /* Written since the last sync. */
    atomic_bool backup_running; /* Deleted blobs keep their files. */
    pthread_mutex_t lock;
    pthread_cond_t wake_writer;
    pthread_cond_t wake_reader;
    pthread_cond_t settled; /* `durable` or `failed` has changed. */
    struct gg_group *queue_first;
    struct gg_group *queue_last;
    struct gg_group *done;
    struct gg_link loads;   /* Questions. */
    struct gg_link answers; /* Answered ones. */
    struct gg_writer_stats stats;
    bool stopping;
    char error[GG_STORE_TEXT_BYTES];

    /* The writer's. */
    pthread_t writer;
    bool writer_started;
    struct gg_database database;
    struct gg_live live;
    struct gg_census census;
    struct gg_batch batch;
    struct gg_blobs blobs;
    struct gg_space space;
    struct gg_witness witness;
    uint64_t next_row;
    uint64_t blob_bytes;
    int log_frames;      /* In the log, set by SQLite's hook. */
    int checkpoint_from; /* Frames from which it is worth while. */
    int unlooked;        /* Commits since the free pages were counted. */
    bool shrinking;
    struct gg_id *deferred; /* Blobs to remove after the backup. */
    size_t deferred_count;
    size_t deferred_room;

    /* The reader's. */
    pthread_t reader;
    bool reader_started;

    /* The backup's. */
    struct gg_question *backup_question;
    char backup_path[GG_PATH_BYTES];
};

/* `ms` from now, for pthread_cond_timedwait() on CLOCK_MONOTONIC. */
static inline struct timespec gg_mono_timespec(int64_t ms)
{
    int64_t at_us = gg_mono_us() + ms * 1000;
    return (struct timespec){.tv_sec = at_us / 1000000,
                             .tv_nsec = at_us % 1000000 * 1000};
}

/* sqlite_open.c: read and verify everything; fills in what is the writer's. */
GG_MUST_USE enum gg_err gg_sqlite_recover(struct gg_sqlite *sqlite,
                                          struct gg_store_report *report);

/* writer.c */
void *gg_sqlite_write(void *sqlite);

/* reader.c */
void *gg_sqlite_read(void *sqlite);
void *gg_sqlite_back_up(void *sqlite);

/* sqlite.c: from any thread. */

/* Make the descriptor readable. */
void gg_sqlite_signal(struct gg_sqlite *sqlite);

/* The end: nothing becomes durable any more. The first reason stays. */
void gg_sqlite_fail(struct gg_sqlite *sqlite, const char *text);

/* Put an answered question where gg_store_answered() finds it. */
void gg_sqlite_answer(struct gg_sqlite *sqlite, struct gg_question *question);

#endif
