/* test_client_calls.c - each call that waits, against a broker that answers. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

#include "tests/integration/client/fake.h"

enum { WITHIN_MS = 5000 };

struct fixture {
    struct fake fake;
    pthread_t thread;
    atomic_bool stop;
    atomic_llong clock_ahead_ms; /* Of the broker. */
    atomic_llong many_at_ms;     /* Of the id of the last list's first job. */
    ganger *handle;
};

/* ---- the broker ---- */

static void append_job(struct gg_buf *list, uint8_t id, enum gg_job_state state)
{
    struct gg_job_info job;
    gg_record_default(GG_RECORD_JOB, &job);
    job.id.bytes[0] = id;
    job.state = (uint64_t)state;
    job.queue = gg_slice_text("q");
    gg_record_write(list, GG_RECORD_JOB, &job, NULL);
}

static void send_full_job(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf tags;
    struct gg_buf why;
    struct gg_job_info job;
    const struct gg_reason reason = {.code = GG_WHY_NO_WORKER,
                                     .text = gg_slice_text("nobody serves q")};
    gg_buf_init(&tags, 1000);
    gg_buf_init(&why, 1000);
    gg_text_write(&tags, gg_slice_text("nightly"));
    gg_text_write(&tags, gg_slice_text("big"));
    gg_record_write(&why, GG_RECORD_REASON, &reason, NULL);
    gg_record_default(GG_RECORD_JOB, &job);
    job.id = command->as.target.id;
    if (gg_id_is_none(&job.id)) {
        job.id.bytes[0] = 9; /* Asked for by its key. */
    }
    job.state = GG_JOB_READY;
    job.realm = gg_slice_text("default");
    job.queue = gg_slice_text("q");
    job.key = gg_slice_text("k");
    job.worker = gg_slice_text("w1");
    job.submitted_at = 1700000000000;
    job.progress_ppm = 500000;
    job.tags = (struct gg_list){gg_buf_slice(&tags), 2};
    job.why = (struct gg_list){gg_buf_slice(&why), 1};
    fake_send(fake, GG_CMD_JOB, command->request, &job);
    gg_buf_fini(&tags);
    gg_buf_fini(&why);
}

static void send_jobs(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf list;
    gg_buf_init(&list, 100000);
    struct gg_jobs jobs = {0};
    if (command->code == GG_CMD_SUBMIT_MANY) {
        struct gg_list asked = command->as.submit_many.jobs;
        struct gg_submit submit;
        struct gg_fault fault;
        while (gg_list_next_record(&asked, GG_RECORD_SUBMIT, &submit, &fault)) {
            append_job(&list, (uint8_t)submit.payload.len, GG_JOB_READY);
            jobs.jobs.count++;
        }
    } else {
        uint8_t page = (uint8_t)command->as.list_jobs.after;
        append_job(&list, (uint8_t)(page * 2 + 1), GG_JOB_RUNNING);
        append_job(&list, (uint8_t)(page * 2 + 2), GG_JOB_FAILED);
        jobs.jobs.count = 2;
        jobs.next = page < 2 ? page + 1 : 0;
    }
    jobs.jobs.raw = gg_buf_slice(&list);
    fake_send(fake, GG_CMD_JOBS, command->request, &jobs);
    gg_buf_fini(&list);
}

static void send_moments(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf list;
    gg_buf_init(&list, 1000);
    struct gg_moment_info moment;
    gg_record_default(GG_RECORD_MOMENT, &moment);
    moment.kind = GG_MOMENT_ACCEPTED;
    gg_record_write(&list, GG_RECORD_MOMENT, &moment, NULL);
    moment.kind = GG_MOMENT_LEASE_LOST;
    moment.worker = gg_slice_text("w1");
    gg_record_write(&list, GG_RECORD_MOMENT, &moment, NULL);
    const struct gg_history history = {.moments = {gg_buf_slice(&list), 2}};
    fake_send(fake, GG_CMD_MOMENTS, command->request, &history);
    gg_buf_fini(&list);
}

static void send_queues(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf list;
    gg_buf_init(&list, 1000);
    bool second = command->as.scope.after.len > 0;
    const struct gg_queue_info queue = {
        .queue = gg_slice_text(second ? "b" : "a"), .ready = 3, .paused = second};
    gg_record_write(&list, GG_RECORD_QUEUE, &queue, NULL);
    const struct gg_queues queues = {.queues = {gg_buf_slice(&list), 1},
                                     .next = gg_slice_text(second ? "" : "default/a")};
    fake_send(fake, GG_CMD_QUEUES, command->request, &queues);
    gg_buf_fini(&list);
}

static void send_workers(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf list;
    struct gg_buf pools;
    struct gg_buf runs;
    struct gg_buf patterns;
    gg_buf_init(&list, 1000);
    gg_buf_init(&pools, 1000);
    gg_buf_init(&runs, 1000);
    gg_buf_init(&patterns, 1000);
    gg_text_write(&patterns, gg_slice_text("a.*"));
    gg_text_write(&patterns, gg_slice_text("b"));
    const struct gg_pool_info pool = {
        .pool = 1, .slots = 4, .queues = {gg_buf_slice(&patterns), 2}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    const struct gg_run_info run = {
        .id = {{9}}, .queue = gg_slice_text("b"), .started = true};
    gg_record_write(&runs, GG_RECORD_RUN, &run, NULL);
    const struct gg_worker_info worker = {
        .name = gg_slice_text("w1"),
        .state = 2,
        .pools = {gg_buf_slice(&pools), 1},
        .runs = {gg_buf_slice(&runs), 1},
    };
    gg_record_write(&list, GG_RECORD_WORKER, &worker, NULL);
    const struct gg_workers workers = {.workers = {gg_buf_slice(&list), 1}};
    fake_send(fake, GG_CMD_WORKERS, command->request, &workers);
    gg_buf_fini(&list);
    gg_buf_fini(&pools);
    gg_buf_fini(&runs);
    gg_buf_fini(&patterns);
}

static void send_stats(struct fake *fake, const struct gg_command *command)
{
    struct gg_buf list;
    gg_buf_init(&list, 1000);
    const struct gg_stat_info stat = {
        .name = gg_slice_text("jobs_total"), .value = 42, .counter = true};
    gg_record_write(&list, GG_RECORD_STAT, &stat, NULL);
    const struct gg_list all = {gg_buf_slice(&list), 1};
    if (command->code == GG_CMD_GET_STATS) {
        const struct gg_stats stats = {.stats = all};
        fake_send(fake, GG_CMD_STATS, command->request, &stats);
    } else {
        const struct gg_broker_info broker = {
            .program = gg_slice_text("gangerd 9"), .epoch = 7, .limits = all};
        fake_send(fake, GG_CMD_BROKER, command->request, &broker);
    }
    gg_buf_fini(&list);
}

/* More than a handle keeps memory for from one call to the next. */
static const char *large_result(void)
{
    static char text[200001];
    if (text[0] == '\0') {
        memset(text, 'x', sizeof text - 1);
    }
    return text;
}

/* A flat switch: each command as a broker would answer it. */
static void answer(struct fake *fake, const struct gg_command *command)
{
    const struct gg_cancelled cancelled = {
        .verdict = GG_VERDICT_CANCELLING, .waiters = 3, .id = command->as.target.id};
    const struct gg_error busy = {.error = GG_ERR_QUEUE_FULL,
                                  .text = gg_slice_text("q holds 10 of 10 jobs"),
                                  .retry_ms = 250};
    const struct gg_done done = {.count = 5, .unsettled = 1};
    switch (command->code) {
    case GG_CMD_SUBMIT:
        if (gg_slice_equal(command->as.submit.queue, gg_slice_text("full"))) {
            fake_send(fake, GG_CMD_ERROR, command->request, &busy);
            return;
        }
        fake_send_job(fake, command->request, &command->as.submit.id, GG_JOB_READY,
                      NULL);
        if (command->as.submit.wait && command->as.submit.payload.len > 0) {
            bool large = gg_slice_equal(command->as.submit.queue,
                                        gg_slice_text("large"));
            fake_send_job(fake, command->request, &command->as.submit.id,
                          GG_JOB_SUCCEEDED, large ? large_result() : "fine");
        }
        return;
    case GG_CMD_SUBMIT_MANY:
    case GG_CMD_LIST_JOBS:
        send_jobs(fake, command);
        return;
    case GG_CMD_GET:
        send_full_job(fake, command);
        return;
    case GG_CMD_WAIT:
    case GG_CMD_RETRY:
        fake_send_job(fake, command->request, &command->as.target.id,
                      command->code == GG_CMD_WAIT ? GG_JOB_FAILED : GG_JOB_READY,
                      NULL);
        return;
    case GG_CMD_CANCEL:
        fake_send(fake, GG_CMD_CANCELLED, command->request, &cancelled);
        return;
    case GG_CMD_HISTORY:
        send_moments(fake, command);
        return;
    case GG_CMD_LIST_QUEUES:
        send_queues(fake, command);
        return;
    case GG_CMD_LIST_WORKERS:
        send_workers(fake, command);
        return;
    case GG_CMD_GET_STATS:
    case GG_CMD_GET_BROKER:
        send_stats(fake, command);
        return;
    case GG_CMD_PAUSE:
    case GG_CMD_RESUME:
    case GG_CMD_PURGE:
        fake_send(fake, GG_CMD_DONE, command->request, &done);
        return;
    default:
        return;
    }
}

static void *serve(void *ctx)
{
    struct fixture *f = ctx;
    while (!atomic_load(&f->stop)) {
        zmq_pollitem_t item = {.socket = f->fake.router, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 20);
        f->fake.clock_ahead_ms = atomic_load(&f->clock_ahead_ms);
        fake_step(&f->fake);
        const struct fake_seen *many = fake_last(&f->fake, GG_CMD_SUBMIT_MANY);
        if (many != NULL) {
            atomic_store(&f->many_at_ms, gg_id_time(&many->id).ms);
        }
    }
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->fake.answer = answer;
    fake_start(&f->fake);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    const ganger_options options = {.endpoint = f->fake.endpoint};
    assert_int_equal(ganger_open(&options, &f->handle), GANGER_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ganger_close(&f->handle);
    atomic_store(&f->stop, true);
    (void)pthread_join(f->thread, NULL);
    fake_stop(&f->fake);
    free(f);
    return 0;
}

/* ---- the calls ---- */

static ganger_submission to(const char *queue, const char *payload)
{
    ganger_submission submission = GANGER_SUBMIT_INIT;
    submission.queue = queue;
    submission.payload = (ganger_bytes){payload, strlen(payload)};
    return submission;
}

static void submit_and_run_return_the_job(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = to("q", "x");
    submission.id = ganger_id_new(f->handle);
    ganger_job job;

    assert_int_equal(ganger_connect(f->handle, WITHIN_MS), GANGER_OK);
    assert_int_equal(ganger_submit(f->handle, &submission, WITHIN_MS, &job), GANGER_OK);
    assert_memory_equal(job.id.bytes, submission.id.bytes, GANGER_ID_BYTES);
    assert_int_equal(job.state, GANGER_READY);
    assert_string_equal(job.realm, "default");
    assert_string_equal(job.worker, "");
    assert_int_equal(job.exit_status, -1);
    assert_int_equal(job.epoch, 1);
    assert_int_equal(ganger_run(f->handle, &submission, WITHIN_MS, &job), GANGER_OK);
    assert_int_equal(job.state, GANGER_SUCCEEDED);
    assert_true(job.has_result);
    assert_memory_equal(job.result.data, "fine", 4);
    assert_int_equal(ganger_submit(f->handle, &submission, -1, NULL), GANGER_OK);
}

/* A result is the next job's payload, a key the next question: nobody copies first. */
static void what_a_call_returned_may_be_passed_to_the_next(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = to("large", "x");
    ganger_job job;
    ganger_job next;
    assert_int_equal(ganger_run(f->handle, &submission, WITHIN_MS, &job), GANGER_OK);
    assert_int_equal(job.result.len, 200000);

    submission.payload = job.result;
    assert_int_equal(ganger_run(f->handle, &submission, WITHIN_MS, &next), GANGER_OK);
    assert_int_equal(next.result.len, 200000);

    ganger_target target = {.id = next.id};
    assert_int_equal(ganger_get(f->handle, &target, false, false, WITHIN_MS, &job),
                     GANGER_OK);
    target = (ganger_target){.realm = job.realm, .queue = job.queue, .key = job.key};
    assert_int_equal(ganger_get(f->handle, &target, false, false, WITHIN_MS, &next),
                     GANGER_OK);
    assert_string_equal(job.queue,
                        "q"); /* What the one before has returned is there. */
    assert_string_equal(next.queue, "q");
}

static void run_that_is_given_up_says_which_job_goes_on(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = to("q", "");
    submission.id = ganger_id_new(f->handle);
    ganger_job job = {.state = GANGER_NONE};

    assert_int_equal(ganger_run(f->handle, &submission, 200, &job), GANGER_TIMED_OUT);

    assert_memory_equal(job.id.bytes, submission.id.bytes, GANGER_ID_BYTES);
    assert_int_equal(job.epoch, 1);
    assert_string_equal(ganger_last_error(f->handle),
                        ganger_err_text(GANGER_TIMED_OUT));
}

static void refusal_brings_sentence_and_time(void **state)
{
    struct fixture *f = *state;
    ganger_submission submission = to("full", "x");
    ganger_job job = {.attempt = 77};

    assert_int_equal(ganger_submit(f->handle, &submission, WITHIN_MS, &job), 5);

    assert_string_equal(ganger_last_error(f->handle), "q holds 10 of 10 jobs");
    assert_int_equal(ganger_retry_ms(f->handle), 250);
    assert_int_equal(job.attempt, 77);
}

static void submit_many_returns_all_in_order(void **state)
{
    enum { COUNT = 1000 };
    struct fixture *f = *state;
    static ganger_submission submissions[COUNT + 1];
    static ganger_job jobs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        submissions[i] = to("q", &"abcdefghij"[i % 10]);
    }

    assert_int_equal(ganger_submit_many(f->handle, submissions, COUNT, WITHIN_MS, jobs),
                     GANGER_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(jobs[i].id.bytes[0], 10 - i % 10);
        assert_string_equal(jobs[i].queue, "q");
    }
    assert_int_equal(
        ganger_submit_many(f->handle, submissions, COUNT + 1, WITHIN_MS, jobs),
        GANGER_USAGE);
}

/* Whose clock is wrong could submit nothing: its ids would be out of the window. */
static void ids_are_of_the_brokers_time_from_the_first_on(void **state)
{
    struct fixture *f = *state;
    const ganger_options options = {.endpoint = f->fake.endpoint};
    const ganger_submission submission = to("q", "x");
    atomic_store(&f->clock_ahead_ms, -3600000);
    ganger_close(&f->handle);
    assert_int_equal(ganger_open(&options, &f->handle), GANGER_OK);
    assert_int_equal(ganger_submit_many(f->handle, &submission, 1, WITHIN_MS, NULL),
                     GANGER_OK);
    ganger_close(&f->handle);
    assert_int_equal(ganger_open(&options, &f->handle), GANGER_OK);
    ganger_job job;

    assert_int_equal(ganger_submit(f->handle, &submission, WITHIN_MS, &job), GANGER_OK);

    struct gg_id id;
    memcpy(id.bytes, job.id.bytes, sizeof id.bytes);
    int64_t age_ms = gg_wall_now().ms - gg_id_time(&id).ms;
    assert_in_range(age_ms, 3590000, 3610000);
    age_ms = gg_wall_now().ms - atomic_load(&f->many_at_ms);
    assert_in_range(age_ms, 3590000, 3610000);
}

static void get_returns_everything(void **state)
{
    struct fixture *f = *state;
    const ganger_target target = {.id = {{5}}};
    ganger_job job;

    assert_int_equal(ganger_get(f->handle, &target, false, true, WITHIN_MS, &job),
                     GANGER_OK);

    assert_string_equal(job.realm, "default");
    assert_memory_equal(job.key.data, "k", 1);
    assert_string_equal(job.worker, "w1");
    assert_int_equal(job.tag_count, 2);
    assert_string_equal(job.tags[1], "big");
    assert_int_equal(job.why_count, 1);
    assert_string_equal(job.why[0].name, "no_worker");
    assert_string_equal(job.why[0].text, "nobody serves q");
    assert_true(job.progress > 0.49 && job.progress < 0.51);
    assert_int_equal(job.submitted_at, 1700000000000);
}

static void wait_cancel_and_retry_return_what_came_of_it(void **state)
{
    struct fixture *f = *state;
    const ganger_target by_id = {.id = {{5}}};
    const ganger_target nothing = {.queue = "q"};
    ganger_job job;
    ganger_verdict verdict;
    unsigned waiters = 0;

    assert_int_equal(ganger_wait(f->handle, &by_id, WITHIN_MS, &job), GANGER_OK);
    assert_int_equal(job.state, GANGER_FAILED);
    assert_int_equal(
        ganger_cancel(f->handle, &by_id, "why not", WITHIN_MS, &verdict, &waiters),
        GANGER_OK);
    assert_int_equal(verdict, GANGER_VERDICT_CANCELLING);
    assert_int_equal(waiters, 3);
    assert_int_equal(ganger_retry(f->handle, &by_id, NULL, WITHIN_MS, &job), GANGER_OK);
    assert_int_equal(job.state, GANGER_READY);
    assert_int_equal(ganger_get(f->handle, &nothing, false, false, WITHIN_MS, &job),
                     GANGER_USAGE);
}

struct counted {
    size_t count;
    size_t most;
    ganger *handle;
    ganger_err nested;
    uint64_t sum;
    char last[64];
};

static bool count_each(void *ctx, size_t index, const ganger_job *job)
{
    struct counted *counted = ctx;
    counted->count++;
    counted->sum += index;
    assert_int_equal(job->state, GANGER_FAILED);
    return counted->count < counted->most;
}

static void wait_many_brings_each_and_can_be_stopped(void **state)
{
    enum { COUNT = 6000 };
    struct fixture *f = *state;
    static ganger_target targets[COUNT];
    for (int i = 0; i < COUNT; i++) {
        memcpy(targets[i].id.bytes, &(int){i + 1}, sizeof(int));
    }
    struct counted counted = {.most = SIZE_MAX};

    assert_int_equal(
        ganger_wait_many(f->handle, targets, 2000, WITHIN_MS, count_each, &counted),
        GANGER_OK);
    assert_int_equal(counted.count, 2000);
    assert_int_equal(counted.sum, 2000 * 1999 / 2);
    counted = (struct counted){.most = 10};
    assert_int_equal(
        ganger_wait_many(f->handle, targets, 1000, WITHIN_MS, count_each, &counted),
        GANGER_OK);
    assert_int_equal(counted.count, 10);
    assert_int_equal(ganger_in_flight(f->handle), 0);
    assert_int_equal(
        ganger_wait_many(f->handle, NULL, 0, WITHIN_MS, count_each, &counted),
        GANGER_OK);
}

static bool count_job(void *ctx, const ganger_job *job)
{
    struct counted *counted = ctx;
    counted->count++;
    counted->sum = counted->sum * 10 + job->id.bytes[0];
    counted->nested = ganger_get(counted->handle, NULL, false, false, 0, NULL);
    return counted->count < counted->most;
}

static void list_visits_page_by_page(void **state)
{
    struct fixture *f = *state;
    struct counted counted = {.most = SIZE_MAX, .handle = f->handle};

    assert_int_equal(ganger_list(f->handle, NULL, WITHIN_MS, count_job, &counted),
                     GANGER_OK);
    assert_int_equal(counted.sum, 123456);
    assert_int_equal(counted.nested, GANGER_USAGE); /* No waiting in a callback. */
    counted = (struct counted){.most = 3, .handle = f->handle};
    assert_int_equal(ganger_list(f->handle, NULL, WITHIN_MS, count_job, &counted),
                     GANGER_OK);
    assert_int_equal(counted.sum, 123);
}

static bool name_moment(void *ctx, const ganger_moment *moment)
{
    struct counted *counted = ctx;
    counted->count++;
    (void)snprintf(counted->last, sizeof counted->last, "%s %s", moment->name,
                   moment->worker);
    return true;
}

static bool name_queue(void *ctx, const ganger_queue *queue)
{
    struct counted *counted = ctx;
    counted->count++;
    (void)snprintf(counted->last, sizeof counted->last, "%s %d", queue->queue,
                   queue->paused);
    return true;
}

static bool name_worker(void *ctx, const ganger_worker *worker)
{
    struct counted *counted = ctx;
    counted->count += worker->pool_count + worker->running_count;
    (void)snprintf(counted->last, sizeof counted->last, "%s %s %s %s", worker->name,
                   worker->state, worker->pools[0].queues, worker->running[0].queue);
    return true;
}

static bool name_stat(void *ctx, const ganger_stat *stat)
{
    struct counted *counted = ctx;
    counted->sum = stat->value;
    (void)snprintf(counted->last, sizeof counted->last, "%s", stat->name);
    return true;
}

static void operators_calls_bring_what_they_name(void **state)
{
    struct fixture *f = *state;
    struct counted counted = {0};
    const ganger_target target = {.id = {{5}}};
    ganger_broker broker;

    assert_int_equal(
        ganger_history(f->handle, &target, true, WITHIN_MS, name_moment, &counted),
        GANGER_OK);
    assert_string_equal(counted.last, "lease_lost w1");
    assert_int_equal(
        ganger_queues(f->handle, NULL, "*", WITHIN_MS, name_queue, &counted),
        GANGER_OK);
    assert_string_equal(counted.last, "b 1");
    assert_int_equal(
        ganger_workers(f->handle, NULL, true, WITHIN_MS, name_worker, &counted),
        GANGER_OK);
    assert_string_equal(counted.last, "w1 suspect a.* b b");
    assert_int_equal(counted.count, 2 + 2 + 2);
    assert_int_equal(ganger_stats(f->handle, WITHIN_MS, name_stat, &counted),
                     GANGER_OK);
    assert_int_equal(counted.sum, 42);
    assert_int_equal(ganger_broker_status(f->handle, WITHIN_MS, &broker), GANGER_OK);
    assert_string_equal(broker.program, "gangerd 9");
    assert_int_equal(broker.limit_count, 1);
    assert_string_equal(broker.limits[0].name, "jobs_total");
}

static void pause_resume_and_purge_count(void **state)
{
    struct fixture *f = *state;
    const ganger_scope scope = {.pattern = "q*", .reason = "night"};
    ganger_touched touched = {0};

    assert_int_equal(ganger_pause(f->handle, &scope, WITHIN_MS, &touched), GANGER_OK);
    assert_int_equal(touched.count, 5);
    assert_int_equal(touched.unsettled, 1);
    assert_int_equal(ganger_resume(f->handle, &scope, WITHIN_MS, NULL), GANGER_OK);
    assert_int_equal(ganger_purge(f->handle, &scope, WITHIN_MS, &touched), GANGER_OK);
    assert_int_equal(ganger_purge(f->handle, NULL, WITHIN_MS, &touched), GANGER_USAGE);
}

static void note_answer(void *ctx, const ganger_answer *answer)
{
    bool *answered = ctx;
    *answered = answer->err == GANGER_OK;
}

/* First to wait, then to process: libzmq gives no signal to who never asked. */
static void loop_may_wait_before_it_ever_processed(void **state)
{
    struct fixture *f = *state;
    const ganger_options options = {.endpoint = f->fake.endpoint};
    for (int i = 0; i < 10; i++) {
        ganger *handle = NULL;
        bool answered = false;
        ganger_submission submission = to("q", "x");
        assert_int_equal(ganger_open(&options, &handle), GANGER_OK);
        assert_true(ganger_submit_start(handle, &submission, false, 1000, note_answer,
                                        &answered) != 0);
        struct pollfd ready = {.fd = ganger_fd(handle), .events = POLLIN};
        /* Meanwhile libzmq connects: one that was opened later has been answered. */
        ganger *later = NULL;
        assert_int_equal(ganger_open(&options, &later), GANGER_OK);
        assert_int_equal(ganger_submit(later, &submission, WITHIN_MS, NULL), GANGER_OK);
        ganger_close(&later);
        while (ganger_in_flight(handle) > 0) {
            int wait_ms = ganger_wait_ms(handle);
            (void)poll(&ready, 1, wait_ms);
            assert_int_equal(ganger_process(handle), GANGER_OK);
        }
        assert_true(answered);
        ganger_close(&handle);
    }
}

static void nothing_is_done_on_no_handle(void **state)
{
    (void)state;
    ganger *none = NULL;
    ganger_close(&none);
    assert_int_equal(ganger_submit(NULL, NULL, 0, NULL), GANGER_USAGE);
    assert_int_equal(ganger_process(NULL), GANGER_USAGE);
    assert_int_equal(ganger_in_flight(NULL), 0);
    assert_int_equal(ganger_open(NULL, NULL), GANGER_USAGE);
    assert_string_not_equal(ganger_last_error(NULL), "");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(submit_and_run_return_the_job),
        TEST(what_a_call_returned_may_be_passed_to_the_next),
        TEST(run_that_is_given_up_says_which_job_goes_on),
        TEST(refusal_brings_sentence_and_time),
        TEST(submit_many_returns_all_in_order),
        TEST(ids_are_of_the_brokers_time_from_the_first_on),
        TEST(get_returns_everything),
        TEST(wait_cancel_and_retry_return_what_came_of_it),
        TEST(wait_many_brings_each_and_can_be_stopped),
        TEST(list_visits_page_by_page),
        TEST(operators_calls_bring_what_they_name),
        TEST(pause_resume_and_purge_count),
        TEST(loop_may_wait_before_it_ever_processed),
        TEST(nothing_is_done_on_no_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
