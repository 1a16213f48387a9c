#include "common/record.h"

#include "common/assert.h"

/* Kind and, for arrays of records, the record: one pair of rows for each kind. */
#define KIND_U          GG_FIELD_U, 0
#define KIND_BOOL       GG_FIELD_BOOL, 0
#define KIND_ID         GG_FIELD_ID, 0
#define KIND_TEXT       GG_FIELD_TEXT, 0
#define KIND_NAME       GG_FIELD_NAME, 0
#define KIND_GLOB       GG_FIELD_GLOB, 0
#define KIND_BYTES      GG_FIELD_BYTES, 0
#define KIND_BLOB       GG_FIELD_BLOB, 0
#define KIND_NUMS       GG_FIELD_NUMS, 0
#define KIND_TEXTS      GG_FIELD_TEXTS, 0
#define KIND_POOL       GG_FIELD_RECORDS, GG_RECORD_POOL
#define KIND_HELD       GG_FIELD_RECORDS, GG_RECORD_HELD
#define KIND_REASON     GG_FIELD_RECORDS, GG_RECORD_REASON
#define KIND_MOMENT     GG_FIELD_RECORDS, GG_RECORD_MOMENT
#define KIND_QUEUE      GG_FIELD_RECORDS, GG_RECORD_QUEUE
#define KIND_RUN        GG_FIELD_RECORDS, GG_RECORD_RUN
#define KIND_POOL_STATE GG_FIELD_RECORDS, GG_RECORD_POOL_STATE
#define KIND_WORKER     GG_FIELD_RECORDS, GG_RECORD_WORKER
#define KIND_STAT       GG_FIELD_RECORDS, GG_RECORD_STAT
#define KIND_SUBMIT     GG_FIELD_RECORDS, GG_RECORD_SUBMIT
#define KIND_JOB        GG_FIELD_RECORDS, GG_RECORD_JOB

/* clang-format off */
/* The default of a member that is not zero; only numbers have such defaults. */
#define INIT_U(name, fallback) .record.name = (fallback),
#define INIT_BOOL(name, fallback)
#define INIT_ID(name, fallback)
#define INIT_TEXT(name, fallback)
#define INIT_NAME(name, fallback)
#define INIT_GLOB(name, fallback)
#define INIT_BYTES(name, fallback)
#define INIT_BLOB(name, fallback)
#define INIT_NUMS(name, fallback)
#define INIT_TEXTS(name, fallback)
#define INIT_POOL(name, fallback)
#define INIT_HELD(name, fallback)
#define INIT_REASON(name, fallback)
#define INIT_MOMENT(name, fallback)
#define INIT_QUEUE(name, fallback)
#define INIT_RUN(name, fallback)
#define INIT_POOL_STATE(name, fallback)
#define INIT_WORKER(name, fallback)
#define INIT_STAT(name, fallback)
#define INIT_SUBMIT(name, fallback)
#define INIT_JOB(name, fallback)
#define INIT(n, kind_, name_, fallback_, least_, most_, meaning_) INIT_##kind_(name_, fallback_)

/* clang-format on */

/* A field whose default is below its least must be there. */
#define REQUIRED(n, kind_, name_, fallback_, least_, most_, meaning_)                  \
    | ((least_) > (fallback_) ? UINT64_C(1) << (n) : 0)

#define ROW(n, kind_, name_, fallback_, least_, most_, meaning_)                       \
    {n,      KIND_##kind_, offsetof(struct OWNER, name_), fallback_, least_, most_,    \
     #name_, meaning_},

#define OWNER gg_pool_info
static const struct gg_field fields_POOL[] = {GG_POOL_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_held
static const struct gg_field fields_HELD[] = {GG_HELD_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_reason
static const struct gg_field fields_REASON[] = {GG_REASON_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_moment_info
static const struct gg_field fields_MOMENT[] = {GG_MOMENT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_queue_info
static const struct gg_field fields_QUEUE[] = {GG_QUEUE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_run_info
static const struct gg_field fields_RUN[] = {GG_RUN_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_pool_state
static const struct gg_field fields_POOL_STATE[] = {GG_POOL_STATE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_worker_info
static const struct gg_field fields_WORKER[] = {GG_WORKER_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_stat_info
static const struct gg_field fields_STAT[] = {GG_STAT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_hello
static const struct gg_field fields_HELLO[] = {GG_HELLO_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_welcome
static const struct gg_field fields_WELCOME[] = {GG_WELCOME_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_reset
static const struct gg_field fields_RESET[] = {GG_RESET_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_bye
static const struct gg_field fields_BYE[] = {GG_BYE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_heartbeat
static const struct gg_field fields_HEARTBEAT[] = {GG_HEARTBEAT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_error
static const struct gg_field fields_ERROR[] = {GG_ERROR_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_done
static const struct gg_field fields_DONE[] = {GG_DONE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_submit
static const struct gg_field fields_SUBMIT[] = {GG_SUBMIT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_submit_many
static const struct gg_field fields_SUBMIT_MANY[] = {GG_SUBMIT_MANY_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_target
static const struct gg_field fields_TARGET[] = {GG_TARGET_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_list_jobs
static const struct gg_field fields_LIST_JOBS[] = {GG_LIST_JOBS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_scope
static const struct gg_field fields_SCOPE[] = {GG_SCOPE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_events
static const struct gg_field fields_EVENTS[] = {GG_EVENTS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_unsubscribe
static const struct gg_field fields_UNSUBSCRIBE[] = {GG_UNSUBSCRIBE_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_empty
static const struct gg_field fields_EMPTY[] = {GG_EMPTY_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_backup
static const struct gg_field fields_BACKUP[] = {GG_BACKUP_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_job_info
static const struct gg_field fields_JOB[] = {GG_JOB_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_jobs
static const struct gg_field fields_JOBS[] = {GG_JOBS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_cancelled
static const struct gg_field fields_CANCELLED[] = {GG_CANCELLED_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_history
static const struct gg_field fields_HISTORY[] = {GG_HISTORY_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_reasons
static const struct gg_field fields_REASONS[] = {GG_REASONS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_queues
static const struct gg_field fields_QUEUES[] = {GG_QUEUES_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_workers
static const struct gg_field fields_WORKERS[] = {GG_WORKERS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_stats
static const struct gg_field fields_STATS[] = {GG_STATS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_broker_info
static const struct gg_field fields_BROKER[] = {GG_BROKER_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_event_info
static const struct gg_field fields_EVENT[] = {GG_EVENT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_assign
static const struct gg_field fields_ASSIGN[] = {GG_ASSIGN_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_stop_info
static const struct gg_field fields_STOP[] = {GG_STOP_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_confirm
static const struct gg_field fields_CONFIRM[] = {GG_CONFIRM_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_started
static const struct gg_field fields_STARTED[] = {GG_STARTED_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_progress
static const struct gg_field fields_PROGRESS[] = {GG_PROGRESS_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_partial
static const struct gg_field fields_PARTIAL[] = {GG_PARTIAL_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_checkpoint
static const struct gg_field fields_CHECKPOINT[] = {GG_CHECKPOINT_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_outcome_info
static const struct gg_field fields_OUTCOME[] = {GG_OUTCOME_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_steer
static const struct gg_field fields_STEER[] = {GG_STEER_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_steered
static const struct gg_field fields_STEERED[] = {GG_STEERED_FIELDS(ROW)};
#undef OWNER
#define OWNER gg_report
static const struct gg_field fields_REPORT[] = {GG_REPORT_FIELDS(ROW)};
#undef OWNER

#define X(symbol, tag, list)                                                           \
    static const struct {                                                              \
        struct tag record;                                                             \
        char end; /* So that there is always something to initialise. */               \
    } default_##symbol = {.end = 0, list(INIT)};
GG_RECORD_LIST(X)
#undef X

/* REQUIRED compares constants, some of which are 0. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"
static const struct gg_record records[GG_RECORD_COUNT] = {
#define X(symbol, tag, list)                                                           \
    [GG_RECORD_##                                                                      \
        symbol] = {.name = #symbol,                                                    \
                   .fields = fields_##symbol,                                          \
                   .defaults = &default_##symbol.record,                               \
                   .required = 0 list(REQUIRED),                                       \
                   .count = sizeof fields_##symbol / sizeof fields_##symbol[0],        \
                   .bytes = sizeof(struct tag)},
    GG_RECORD_LIST(X)
#undef X
};
#pragma GCC diagnostic pop

const struct gg_record *gg_record_of(enum gg_record_id id)
{
    GG_ASSERT(id < GG_RECORD_COUNT);
    return &records[id];
}
