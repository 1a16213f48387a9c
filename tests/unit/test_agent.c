/* test_agent.c - the agent's decisions, event by event; no clock, socket or sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/rng.h"
#include "worker/agent.h"

#include <cmocka.h>

enum { SLOTS = 4, SAID_MAX = 64, LEASE_MS = 8000, MARGIN_MS = 1000, FENCE = 1000 };

struct fixture {
    struct gg_worker *agent;
    struct gg_now now;
    struct gg_rng rng;
    uint64_t session;
    uint64_t sequence; /* Of the broker's messages. */
    uint64_t heard;    /* Highest sequence of the agent's. */
    struct gg_command said[SAID_MAX];
    struct gg_buf frames[SAID_MAX]; /* What `said` points into. */
    uint32_t said_count;
    uint32_t frame_count;
    size_t attachment_len;
};

static const char *const queues[] = {"reports", "mail*"};

static void forget_said(struct fixture *f)
{
    for (uint32_t i = 0; i < f->frame_count; i++) {
        gg_buf_fini(&f->frames[i]);
    }
    f->said_count = 0;
    f->frame_count = 0;
    f->attachment_len = 0;
}

/* Take all that the agent has to say. */
static void listen_to(struct fixture *f)
{
    struct gg_slice frame;
    struct gg_slice attachment;
    forget_said(f);
    while (gg_worker_front(f->agent, &frame, &attachment)) {
        struct gg_message message;
        struct gg_fault fault;
        struct gg_buf *kept = &f->frames[f->frame_count++];
        gg_buf_init(kept, frame.len);
        gg_buf_append(kept, frame.data, frame.len);
        f->attachment_len = attachment.len > 0 ? attachment.len : f->attachment_len;
        assert_int_equal(
            gg_message_open(gg_buf_slice(kept), attachment, &message, &fault), GG_OK);
        assert_int_equal(message.header.session, f->session);
        assert_int_equal(message.header.sequence, ++f->heard);
        while (gg_message_next(&message, &f->said[f->said_count], &fault)) {
            assert_int_equal(fault.err, GG_OK);
            f->said_count++;
        }
        gg_worker_sent(f->agent);
    }
}

/* The n-th command of that code that was said, from 0; NULL when there is none. */
static const struct gg_command *heard(const struct fixture *f,
                                      enum gg_command_code code, uint32_t n)
{
    for (uint32_t i = 0; i < f->said_count; i++) {
        if (f->said[i].code == code && n-- == 0) {
            return &f->said[i];
        }
    }
    return NULL;
}

static uint32_t count(const struct fixture *f, enum gg_command_code code)
{
    uint32_t n = 0;
    while (heard(f, code, n) != NULL) {
        n++;
    }
    return n;
}

/* A message of the broker's with one command; it has dealt with `acked` of ours. */
static enum gg_worker_news tell_acked(struct fixture *f, enum gg_message_type type,
                                      enum gg_command_code code, const void *record,
                                      uint64_t acked)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_buf buf;
    struct gg_slice lent = {0};
    gg_buf_init(&buf, 1 << 20);
    gg_buf_append(&buf, prefix, sizeof prefix);
    gg_command_write(&buf, code, 0, record, &lent);
    struct gg_header header = {.version = 1,
                               .type = (uint8_t)type,
                               .session = f->session,
                               .sequence = ++f->sequence,
                               .acked = acked};
    gg_prefix_write(&header, 1, buf.data);
    enum gg_worker_news news = gg_worker_receive(f->agent, f->now.mono,
                                                 gg_buf_slice(&buf), lent);
    gg_buf_fini(&buf);
    return news;
}

static enum gg_worker_news tell(struct fixture *f, enum gg_command_code code,
                                const void *record)
{
    return tell_acked(f, GG_MESSAGE_COMMANDS, code, record, 0);
}

static void say_hello(struct fixture *f)
{
    f->session = gg_rng_next(&f->rng) | 1;
    f->sequence = 0;
    f->heard = 0;
    gg_worker_hello(f->agent, f->now, f->session);
    listen_to(f);
}

static void welcome(struct fixture *f)
{
    struct gg_welcome record;
    gg_record_default(GG_RECORD_WELCOME, &record);
    record.version = 1;
    record.epoch = 5;
    record.heartbeat_ms = 1000;
    record.dead_after_ms = 3000;
    record.lease_ms = LEASE_MS;
    record.frame_bytes_max = 1 << 26;
    record.requests_max = 100;
    record.durability = 1;
    record.grace_ms = 500;
    record.result_bytes_max = 1 << 20;
    assert_int_equal(tell_acked(f, GG_MESSAGE_WELCOME, GG_CMD_WELCOME, &record, 1),
                     GG_NEWS_WELCOME);
    listen_to(f);
}

static void pass(struct fixture *f, int64_t ms)
{
    f->now.mono.ms += ms;
    f->now.wall.ms += ms;
    gg_worker_tick(f->agent, f->now.mono);
    listen_to(f);
}

/* Answer the agent's heartbeats as they come, for `ms`. */
static void pass_alive(struct fixture *f, int64_t ms)
{
    struct gg_heartbeat beat;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    for (int64_t done = 0; done < ms; done += 1000) {
        pass(f, 1000);
        (void)tell_acked(f, GG_MESSAGE_COMMANDS, GG_CMD_HEARTBEAT, &beat, f->heard);
    }
}

static struct gg_assign assignment(struct fixture *f, uint64_t fence)
{
    struct gg_assign assign;
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    assign.id = gg_id_new(f->now.wall, &f->rng);
    assign.fence = fence;
    assign.pool = 1;
    assign.attempt = 1;
    assign.queue = gg_slice_text("reports");
    assign.payload = gg_slice_text("payload");
    return assign;
}

/* Assign it, and start it as the shell would. */
static struct gg_attempt *start(struct fixture *f, const struct gg_assign *assign)
{
    (void)tell(f, GG_CMD_ASSIGN, assign);
    struct gg_attempt *attempt = gg_worker_next_start(f->agent, 0);
    assert_non_null(attempt);
    gg_worker_starting(f->agent, attempt);
    gg_worker_started(f->agent, f->now.mono, assign->fence);
    return attempt;
}

static void end(struct fixture *f, uint64_t fence, enum gg_outcome kind)
{
    struct gg_ending ending = {.kind = kind, .exit_status = 0};
    gg_worker_ended(f->agent, f->now.mono, fence, &ending);
    listen_to(f);
}

static void confirm(struct fixture *f, const struct gg_assign *assign)
{
    struct gg_confirm record = {.id = assign->id, .fence = assign->fence};
    (void)tell(f, GG_CMD_CONFIRM, &record);
}

static void order_stop(struct fixture *f, const struct gg_assign *assign,
                       enum gg_stop reason)
{
    struct gg_stop_info stop = {
        .id = assign->id, .fence = assign->fence, .reason = reason};
    (void)tell(f, GG_CMD_STOP, &stop);
    listen_to(f);
}

static int open_fixture(void **state, bool echo)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct gg_worker_pool pool = {
        .slots = SLOTS, .queues = queues, .queue_count = 2, .echo = echo};
    struct gg_worker_config config = {.name = gg_slice_text("tester"),
                                      .host = gg_slice_text("here"),
                                      .program = gg_slice_text("test"),
                                      .pid = 42,
                                      .incarnation = 9,
                                      .margin_ms = MARGIN_MS,
                                      .pools = &pool,
                                      .pool_count = 1};
    f->now = (struct gg_now){.mono = {5000}, .wall = {1700000000000}};
    f->rng.state = 1;
    assert_int_equal(gg_worker_new(&config, &f->agent), GG_OK);
    say_hello(f);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    (void)open_fixture(state, false);
    welcome(*state);
    return 0;
}

static int setup_echo(void **state)
{
    (void)open_fixture(state, true);
    welcome(*state);
    return 0;
}

static int setup_without_welcome(void **state)
{
    return open_fixture(state, false);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    forget_said(f);
    gg_worker_destroy(&f->agent);
    free(f);
    return 0;
}

/* ---- sessions ---- */

static void hello_names_pools_windows_and_attempts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->said_count, 1);
    const struct gg_hello *hello = &f->said[0].as.hello;
    struct gg_list pools = hello->pools;
    struct gg_pool_info pool;
    struct gg_slice text;
    struct gg_fault fault;

    assert_true(gg_list_next_record(&pools, GG_RECORD_POOL, &pool, &fault));

    assert_int_equal(hello->kind, GG_PEER_AGENT);
    assert_int_equal(hello->incarnation, 9);
    assert_int_equal(pool.pool, 1);
    assert_int_equal(pool.slots, SLOTS);
    assert_true(gg_list_next_text(&pool.queues, &text));
    assert_true(gg_slice_equal(text, gg_slice_text("reports")));
    assert_true(gg_list_next_text(&pool.queues, &text));
    assert_true(gg_slice_equal(text, gg_slice_text("mail*")));
    assert_int_equal(hello->held.count, 0);
}

static void welcome_is_followed_by_heartbeat_with_windows(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(count(f, GG_CMD_HEARTBEAT), 1);
    assert_int_equal(heard(f, GG_CMD_HEARTBEAT, 0)->as.heartbeat.pools.count, 1);
    assert_int_equal(f->agent->state, GG_WORKER_UP);
}

static void messages_of_another_session_are_not_for_us(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    f->session++;

    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void gap_in_the_brokers_messages_ends_the_session(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    f->sequence++;

    assert_int_equal(tell(f, GG_CMD_ASSIGN, &assign), GG_NEWS_RESET);

    assert_int_equal(f->agent->state, GG_WORKER_DOWN);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void reset_ends_the_session_and_attempts_go_on(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_reset reset = {.error = GG_ERR_NO_SESSION};
    const struct gg_attempt *attempt = start(f, &assign);

    enum gg_worker_news news = tell_acked(f, GG_MESSAGE_RESET, GG_CMD_RESET, &reset, 0);
    say_hello(f);

    assert_int_equal(news, GG_NEWS_RESET);
    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    struct gg_list list = f->said[0].as.hello.held;
    struct gg_held held;
    struct gg_fault fault;
    assert_true(gg_list_next_record(&list, GG_RECORD_HELD, &held, &fault));
    assert_int_equal(held.fence, FENCE);
    assert_true(held.started);
}

static void silence_is_judged_after_dead_after(void **state)
{
    struct fixture *f = *state;

    pass(f, 1500);
    pass(f, 1500);
    assert_false(gg_worker_is_silent(f->agent, f->now.mono));
    pass(f, 1);

    assert_true(gg_worker_is_silent(f->agent, f->now.mono));
}

/* After a stop of our own the broker is given its time again. */
static void own_stop_is_not_the_brokers_silence(void **state)
{
    struct fixture *f = *state;

    pass(f, 60000);

    assert_false(gg_worker_is_silent(f->agent, f->now.mono));
}

/* ---- attempts ---- */

static void assignment_waits_for_an_executor_and_is_told_as_started(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);

    const struct gg_attempt *attempt = start(f, &assign);
    listen_to(f);

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_true(gg_slice_equal(gg_blob_slice(attempt->work->payload),
                               gg_slice_text("payload")));
    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void outcome_is_kept_until_confirmed(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);

    gg_worker_lost(f->agent);
    say_hello(f);
    assert_int_equal(f->said[0].as.hello.outcomes, 1);
    welcome(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    confirm(f, &assign);
    gg_worker_lost(f->agent);
    say_hello(f);
    welcome(f);

    assert_int_equal(count(f, GG_CMD_OUTCOME), 0);
    assert_int_equal(f->agent->attempts.count, 0);
}

static void same_assignment_twice_is_one_attempt(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    assert_null(gg_worker_next_start(f->agent, 0));
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    (void)tell(f, GG_CMD_ASSIGN, &assign); /* Ended: the outcome again. */
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    confirm(f, &assign);
    (void)tell(f, GG_CMD_ASSIGN, &assign); /* Confirmed: nothing. */
    listen_to(f);

    assert_int_equal(f->said_count, 0);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void older_fence_of_a_job_is_never_run(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)start(f, &assign);
    end(f, FENCE, GG_OUTCOME_FAILED);
    confirm(f, &assign);
    assign.fence = FENCE - 1;

    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void newer_attempt_does_not_run_beside_the_older(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_attempt *older = start(f, &assign);
    unsigned mask = 0;
    listen_to(f);
    assign.fence = FENCE + 1;

    (void)tell(f, GG_CMD_ASSIGN, &assign);
    listen_to(f);

    const struct gg_command *back = heard(f, GG_CMD_OUTCOME, 0);
    assert_int_equal(back->as.outcome.fence, FENCE + 1);
    assert_int_equal(back->as.outcome.kind, GG_OUTCOME_HANDED_BACK);
    assert_true(back->as.outcome.never_started);
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), older);
    assert_int_equal(mask & GG_TODO_STOP, GG_TODO_STOP);
}

static void assignment_over_the_window_goes_back(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        (void)start(f, &assign);
    }
    listen_to(f);

    struct gg_assign more = assignment(f, FENCE + SLOTS);
    (void)tell(f, GG_CMD_ASSIGN, &more);
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void assignment_that_waited_too_long_goes_back(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    assign.start_within_ms = 500;
    (void)tell(f, GG_CMD_ASSIGN, &assign);
    assert_non_null(gg_worker_next_start(f->agent, 0));

    pass(f, 500);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
    assert_null(gg_worker_next_start(f->agent, 0));
}

static void large_result_travels_as_second_frame(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    static const uint8_t bytes[GG_INLINE_BYTES_MAX + 1];
    struct gg_ending ending = {.kind = GG_OUTCOME_SUCCEEDED, .exit_status = 0};
    ending.result = gg_blob_new(gg_slice_of(bytes, sizeof bytes));
    (void)start(f, &assign);

    gg_worker_ended(f->agent, f->now.mono, FENCE, &ending);
    gg_blob_unref(&ending.result);
    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result.len, sizeof bytes);
    assert_int_equal(f->attachment_len, sizeof bytes);
}

/* ---- what it says ---- */

static void only_the_last_progress_of_a_pass_is_sent(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line line = {.kind = GG_LINE_PROGRESS, .ppm = 1};
    (void)start(f, &assign);
    listen_to(f);

    gg_worker_said(f->agent, FENCE, &line);
    line.ppm = 2;
    gg_worker_said(f->agent, FENCE, &line);
    listen_to(f);

    assert_int_equal(count(f, GG_CMD_PROGRESS), 1);
    assert_int_equal(heard(f, GG_CMD_PROGRESS, 0)->as.progress.progress_ppm, 2);
}

static void checkpoint_and_progress_are_told_again_in_a_new_session(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line progress = {.kind = GG_LINE_PROGRESS, .ppm = 7};
    struct gg_line point = {.kind = GG_LINE_CHECKPOINT, .text = gg_slice_text("p")};
    (void)start(f, &assign);
    gg_worker_said(f->agent, FENCE, &progress);
    gg_worker_said(f->agent, FENCE, &point);
    listen_to(f);

    gg_worker_lost(f->agent);
    say_hello(f);
    welcome(f);

    assert_int_equal(count(f, GG_CMD_PROGRESS), 1);
    assert_int_equal(count(f, GG_CMD_CHECKPOINT), 1);
}

static void partial_output_carries_its_place(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    struct gg_line line = {.kind = GG_LINE_PARTIAL, .text = gg_slice_text("four")};
    (void)start(f, &assign);
    gg_worker_said(f->agent, FENCE, &line);
    gg_worker_said(f->agent, FENCE, &line);

    listen_to(f);

    assert_int_equal(heard(f, GG_CMD_PARTIAL, 0)->as.partial.offset, 0);
    assert_int_equal(heard(f, GG_CMD_PARTIAL, 1)->as.partial.offset, 4);
}

/* ---- stops ---- */

static void stop_reason_decides_the_outcome(void **state)
{
    static const struct {
        enum gg_stop reason;
        enum gg_outcome outcome;
    } rows[] = {
        {GG_STOP_CANCELLED, GG_OUTCOME_CANCELLED},
        {GG_STOP_TIMED_OUT, GG_OUTCOME_TIMED_OUT},
        {GG_STOP_STALE, GG_OUTCOME_LOST},
        {GG_STOP_LOST_WITH_BROKER, GG_OUTCOME_LOST},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        unsigned mask = 0;
        struct gg_attempt *attempt = start(f, &assign);

        order_stop(f, &assign, rows[i].reason);
        assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
        assert_int_equal(attempt->grace_ms, 500);
        end(f, FENCE + i, GG_OUTCOME_SUCCEEDED); /* It may say what it likes. */

        assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind, rows[i].outcome);
    }
}

static void withdrawal_takes_only_what_has_not_started(void **state)
{
    struct fixture *f = *state;
    struct gg_assign waiting = assignment(f, FENCE);
    struct gg_assign running = assignment(f, FENCE + 1);
    (void)start(f, &running);
    (void)tell(f, GG_CMD_ASSIGN, &waiting);
    listen_to(f);

    order_stop(f, &waiting, GG_STOP_WITHDRAWN);
    const struct gg_command *back = heard(f, GG_CMD_OUTCOME, 0);
    assert_int_equal(back->as.outcome.kind, GG_OUTCOME_HANDED_BACK);
    assert_true(back->as.outcome.never_started);
    order_stop(f, &running, GG_STOP_WITHDRAWN);

    assert_int_equal(count(f, GG_CMD_STARTED), 1);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 0);
}

/* The stop has overtaken the assignment: it is answered, and what comes late not run. */
static void withdrawal_of_what_never_came_is_answered(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);

    order_stop(f, &assign, GG_STOP_WITHDRAWN);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    (void)tell(f, GG_CMD_ASSIGN, &assign);

    assert_null(gg_worker_next_start(f->agent, 0));
}

static void run_timeout_stops_the_attempt(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    assign.run_timeout_ms = 700;
    struct gg_attempt *attempt = start(f, &assign);

    pass(f, 699);
    assert_null(gg_worker_next_todo(f->agent, &mask));
    pass(f, 1);

    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    end(f, FENCE, GG_OUTCOME_CRASHED);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_TIMED_OUT);
}

/* ---- leases ---- */

static void heartbeats_that_are_acknowledged_renew_the_lease(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    const struct gg_attempt *attempt = start(f, &assign);
    int64_t before = attempt->lease_ms;

    pass_alive(f, 4 * LEASE_MS);

    assert_int_equal(attempt->state, GG_ATTEMPT_RUNNING);
    assert_int_equal(attempt->lease_ms, before + 4 * LEASE_MS);
}

/* The lease runs from the sending of the last heartbeat that was seen, not from its
 * answer, and the attempt dies a margin before its end. */
static void lost_contact_kills_a_margin_before_the_lease_ends(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    unsigned mask = 0;
    struct gg_attempt *attempt = start(f, &assign);
    pass_alive(f, 2000);
    while (gg_worker_next_todo(f->agent, &mask) != NULL) {
    }

    int64_t sent = f->now.mono.ms;
    gg_worker_lost(f->agent);
    pass(f, LEASE_MS - MARGIN_MS - 1);
    assert_null(gg_worker_next_todo(f->agent, &mask));
    pass(f, 1);

    assert_int_equal(f->now.mono.ms, sent + LEASE_MS - MARGIN_MS);
    assert_ptr_equal(gg_worker_next_todo(f->agent, &mask), attempt);
    assert_int_equal(attempt->grace_ms, 0);
    end(f, FENCE, GG_OUTCOME_CRASHED);
    say_hello(f);
    welcome(f);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind, GG_OUTCOME_LOST);
}

/* What was assigned after the heartbeat is not renewed by its acknowledgement. */
static void heartbeat_renews_only_what_it_listed(void **state)
{
    struct fixture *f = *state;
    struct gg_heartbeat beat;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    pass(f, 1000);
    uint64_t listed_nothing = f->heard;
    struct gg_assign assign = assignment(f, FENCE);
    const struct gg_attempt *attempt = start(f, &assign);
    int64_t before = attempt->lease_ms;

    (void)tell_acked(f, GG_MESSAGE_COMMANDS, GG_CMD_HEARTBEAT, &beat, listed_nothing);

    assert_int_equal(attempt->lease_ms, before);
}

/* ---- drain ---- */

static void drain_takes_nothing_new_and_lets_run_what_runs(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    struct gg_assign waiting = assignment(f, FENCE + 1);
    struct gg_assign late = assignment(f, FENCE + 2);
    unsigned mask = 0;
    (void)start(f, &running);
    (void)tell(f, GG_CMD_ASSIGN, &waiting);
    listen_to(f);

    gg_worker_drain(f->agent, f->now.mono, 10000);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_true(heard(f, GG_CMD_HEARTBEAT, 0)->as.heartbeat.draining);
    (void)tell(f, GG_CMD_ASSIGN, &late);
    listen_to(f);
    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    end(f, FENCE, GG_OUTCOME_SUCCEEDED);
    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_SUCCEEDED);
    assert_false(gg_worker_is_drained(f->agent));
    confirm(f, &running);
    confirm(f, &waiting);
    confirm(f, &late);

    assert_true(gg_worker_is_drained(f->agent));
    assert_null(gg_worker_next_todo(f->agent, &mask));
}

static void drain_hands_back_what_does_not_end_in_time(void **state)
{
    struct fixture *f = *state;
    struct gg_assign running = assignment(f, FENCE);
    unsigned mask = 0;
    struct gg_attempt *attempt = start(f, &running);

    gg_worker_drain(f->agent, f->now.mono, 2000);
    pass_alive(f, 2000);
    while (gg_worker_next_todo(f->agent, &mask) == attempt &&
           (mask & GG_TODO_STOP) == 0) {
    }
    assert_int_equal(attempt->state, GG_ATTEMPT_STOPPING);
    end(f, FENCE, GG_OUTCOME_CRASHED);

    assert_int_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.kind,
                     GG_OUTCOME_HANDED_BACK);
}

static void window_of_zero_hands_back_what_waits(void **state)
{
    struct fixture *f = *state;
    struct gg_assign assign = assignment(f, FENCE);
    (void)tell(f, GG_CMD_ASSIGN, &assign);

    gg_worker_set_window(f->agent, f->now.mono, 0, 0);
    listen_to(f);

    assert_int_equal(count(f, GG_CMD_OUTCOME), 1);
    assert_int_equal(count(f, GG_CMD_HEARTBEAT), 1);
}

/* ---- the built-in no-op ---- */

static void echo_answers_at_once_in_one_message(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        struct gg_assign assign = assignment(f, FENCE + i);
        (void)tell(f, GG_CMD_ASSIGN, &assign);
    }

    listen_to(f);

    assert_int_equal(f->frame_count, 1);
    assert_int_equal(count(f, GG_CMD_OUTCOME), SLOTS);
    assert_int_equal(count(f, GG_CMD_STARTED), 0);
    assert_true(gg_slice_equal(heard(f, GG_CMD_OUTCOME, 0)->as.outcome.result,
                               gg_slice_text("payload")));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hello_names_pools_windows_and_attempts,
                                        setup_without_welcome, teardown),
        TEST(welcome_is_followed_by_heartbeat_with_windows),
        TEST(messages_of_another_session_are_not_for_us),
        TEST(gap_in_the_brokers_messages_ends_the_session),
        TEST(reset_ends_the_session_and_attempts_go_on),
        TEST(silence_is_judged_after_dead_after),
        TEST(own_stop_is_not_the_brokers_silence),
        TEST(assignment_waits_for_an_executor_and_is_told_as_started),
        TEST(outcome_is_kept_until_confirmed),
        TEST(same_assignment_twice_is_one_attempt),
        TEST(older_fence_of_a_job_is_never_run),
        TEST(newer_attempt_does_not_run_beside_the_older),
        TEST(assignment_over_the_window_goes_back),
        TEST(assignment_that_waited_too_long_goes_back),
        TEST(large_result_travels_as_second_frame),
        TEST(only_the_last_progress_of_a_pass_is_sent),
        TEST(checkpoint_and_progress_are_told_again_in_a_new_session),
        TEST(partial_output_carries_its_place),
        TEST(stop_reason_decides_the_outcome),
        TEST(withdrawal_takes_only_what_has_not_started),
        TEST(withdrawal_of_what_never_came_is_answered),
        TEST(run_timeout_stops_the_attempt),
        TEST(heartbeats_that_are_acknowledged_renew_the_lease),
        TEST(lost_contact_kills_a_margin_before_the_lease_ends),
        TEST(heartbeat_renews_only_what_it_listed),
        TEST(drain_takes_nothing_new_and_lets_run_what_runs),
        TEST(drain_hands_back_what_does_not_end_in_time),
        TEST(window_of_zero_hands_back_what_waits),
        cmocka_unit_test_setup_teardown(echo_answers_at_once_in_one_message, setup_echo,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
