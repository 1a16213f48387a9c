/* test_core_view.c - what can be looked at and in which pieces: filters, pages, realms,
 * figures of others; and the submissions whose marks are looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { CLIENT = 1, AGENT = 2, OTHER_AGENT = 3, LATER_MS = 5000 };

static void durable(struct gg_bounds *bounds)
{
    bounds->durable = true;
    bounds->realm_jobs_max = 3;
    bounds->queue_bytes_max = 4000;
}

static int setup(void **state)
{
    struct stage *stage = walked_open(state, durable);
    stage_client(stage, CLIENT);
    return 0;
}

static void tell_core(struct stage *stage, const struct gg_event *what)
{
    struct gg_event ev = *what;
    ev.now = stage->now;
    gg_effects_clear(&stage->fx);
    gg_core_step(stage->core, &ev, &stage->fx);
}

static enum gg_err refusal(struct stage *stage)
{
    const struct said *said = stage_heard(stage, CLIENT, GG_CMD_ERROR, 0);
    return said == NULL ? GG_OK : (enum gg_err)said->command.as.error.error;
}

static struct gg_list list_of(struct gg_buf *buf, const char *first, const char *second)
{
    gg_buf_init(buf, 256);
    gg_text_write(buf, gg_slice_text(first));
    gg_text_write(buf, gg_slice_text(second));
    return (struct gg_list){gg_buf_slice(buf), 2};
}

/* How many jobs the filter finds; *wanted is what it is without cursor and limit. */
static uint32_t found(struct stage *stage, const struct gg_list_jobs *wanted)
{
    stage_say(stage, CLIENT, GG_CMD_LIST_JOBS, 5, wanted);
    const struct said *said = stage_heard(stage, CLIENT, GG_CMD_JOBS, 0);
    assert_non_null(said);
    return said->command.as.jobs.jobs.count;
}

static struct gg_list_jobs everything(void)
{
    struct gg_list_jobs wanted;
    gg_record_default(GG_RECORD_LIST_JOBS, &wanted);
    return wanted;
}

/* ---- what is looked for ---- */

static void job_is_found_by_each_of_its_marks_and_by_no_other(void **state)
{
    struct stage *stage = *state;
    struct gg_buf tags;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.tags = list_of(&tags, "nightly", "big");
    submit.key = gg_slice_text("k");
    submit.attempts = 1;
    stage_agent(stage, AGENT, "w", "q", 1);
    (void)stage_submit(stage, CLIENT, 1, &submit);
    struct gg_assign assign = stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0)
                                  ->command.as.assign;
    stage_outcome(stage, AGENT, &assign, GG_OUTCOME_FAILED, "no such file");
    gg_buf_fini(&tags);
    stage_wait(stage, LATER_MS);
    struct gg_list_jobs wanted = everything();
    assert_int_equal(found(stage, &wanted), 1);

#define FINDS(field, yes, no)                                                          \
    do {                                                                               \
        wanted = everything();                                                         \
        wanted.field = yes;                                                            \
        assert_int_equal(found(stage, &wanted), 1);                                    \
        wanted.field = no;                                                             \
        assert_int_equal(found(stage, &wanted), 0);                                    \
    } while (0)
    FINDS(tag, gg_slice_text("big"), gg_slice_text("small"));
    FINDS(key, gg_slice_text("k"), gg_slice_text("other"));
    FINDS(queue, gg_slice_text("q*"), gg_slice_text("r*"));
    FINDS(states, UINT64_C(1) << GG_JOB_FAILED, UINT64_C(1) << GG_JOB_READY);
    FINDS(error_has, gg_slice_text("such"), gg_slice_text("disk full"));
    FINDS(older_ms, LATER_MS - 1, LATER_MS + 1);
    FINDS(younger_ms, LATER_MS + 1, LATER_MS - 1);
    FINDS(realm, gg_slice_text("default"), gg_slice_text("elsewhere"));
#undef FINDS
}

static void tags_are_shown_with_their_job_and_kept(void **state)
{
    struct stage *stage = *state;
    struct gg_buf tags;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.tags = list_of(&tags, "nightly", "big");
    struct gg_id id = stage_submit(stage, CLIENT, 1, &submit);
    gg_buf_fini(&tags);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = id;

    stage_crash(stage, stage_written(stage), 100);
    stage_client(stage, CLIENT);
    stage_say(stage, CLIENT, GG_CMD_GET, 6, &target);

    struct gg_list shown = stage_heard(stage, CLIENT, GG_CMD_JOB, 0)
                               ->command.as.job.tags;
    struct gg_slice tag;
    assert_true(gg_list_next_text(&shown, &tag));
    assert_true(gg_slice_equal(tag, gg_slice_text("nightly")));
    assert_true(gg_list_next_text(&shown, &tag));
    assert_true(gg_slice_equal(tag, gg_slice_text("big")));
    assert_int_equal(shown.count, 0);
}

static void tags_that_are_no_names_are_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_buf tags;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.tags = list_of(&tags, "nightly", "not a name");

    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);

    assert_int_equal(refusal(stage), GG_ERR_BAD_FIELD);
    assert_int_equal(stage->core->jobs, 0);
    gg_buf_fini(&tags);
}

/* ---- back-off by list ---- */

static void list_of_delays_is_followed_and_its_last_repeated(void **state)
{
    static const uint64_t expected[] = {100, 300, 300};
    struct stage *stage = *state;
    struct gg_buf delays;
    gg_buf_init(&delays, 64);
    gg_num_write(&delays, 100);
    gg_num_write(&delays, 300);
    struct gg_submit submit = stage_submission(stage, "q");
    submit.attempts = 4;
    submit.backoff = GG_BACKOFF_LIST;
    submit.backoff_list = (struct gg_list){gg_buf_slice(&delays), 2};
    stage_agent(stage, AGENT, "w", "q", 1);
    (void)stage_submit(stage, CLIENT, 1, &submit);
    gg_buf_fini(&delays);

    for (int i = 0; i < 3; i++) {
        struct gg_assign assign = stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0)
                                      ->command.as.assign;
        stage_outcome(stage, AGENT, &assign, GG_OUTCOME_FAILED, "again");
        stage_wait(stage, (int64_t)expected[i] - 1);
        assert_null(stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0));
        stage_wait(stage, 1);
        assert_non_null(stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0));
    }
}

static void list_of_delays_that_is_none_is_refused(void **state)
{
    struct stage *stage = *state;
    struct gg_buf delays;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.backoff = GG_BACKOFF_LIST;
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);
    assert_int_equal(refusal(stage), GG_ERR_BAD_FIELD);

    gg_buf_init(&delays, 64);
    gg_num_write(&delays, UINT64_C(366) * 86400000 + 1);
    submit.backoff_list = (struct gg_list){gg_buf_slice(&delays), 1};
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);

    assert_int_equal(refusal(stage), GG_ERR_BAD_FIELD);
    gg_buf_fini(&delays);
}

/* ---- realms ---- */

static void stage_agent_of(struct stage *stage, uint32_t peer, const char *name,
                           const char *realm)
{
    struct gg_buf patterns;
    struct gg_buf pools;
    struct gg_hello hello;
    struct gg_command command = {.code = GG_CMD_HELLO};
    gg_buf_init(&patterns, 64);
    gg_buf_init(&pools, 256);
    gg_text_write(&patterns, gg_slice_text("q"));
    struct gg_pool_info pool = {.pool = 1,
                                .slots = 1,
                                .realm = gg_slice_text(realm),
                                .queues = {gg_buf_slice(&patterns), 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.kind = GG_PEER_AGENT;
    hello.name = gg_slice_text(name);
    hello.incarnation = 1;
    hello.pools = (struct gg_list){gg_buf_slice(&pools), 1};
    command.as.hello = hello;
    tell_core(stage, &(struct gg_event){.type = GG_EV_HELLO,
                                        .peer = peer,
                                        .grant = &stage->grant,
                                        .command = &command});
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

static void job_of_a_realm_is_run_and_seen_there_alone(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");
    submit.realm = gg_slice_text("lab");
    stage_agent(stage, AGENT, "w", "q", 1);
    stage_agent_of(stage, OTHER_AGENT, "x", "lab");

    (void)stage_submit(stage, CLIENT, 1, &submit);

    assert_null(stage_heard(stage, AGENT, GG_CMD_ASSIGN, 0));
    const struct said *said = stage_heard(stage, OTHER_AGENT, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    assert_true(gg_slice_equal(said->command.as.assign.realm, gg_slice_text("lab")));
    struct gg_list_jobs wanted = everything();
    assert_int_equal(found(stage, &wanted), 0);
    wanted.realm = gg_slice_text("lab");
    assert_int_equal(found(stage, &wanted), 1);
}

/* ---- limits ---- */

static void full_realm_and_large_queue_refuse_by_name(void **state)
{
    struct stage *stage = *state;
    static char bytes[3900];
    struct gg_submit large = stage_submission(stage, "big");
    large.payload = gg_slice_of(bytes, sizeof bytes);
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &large);
    assert_int_equal(refusal(stage), GG_ERR_QUEUE_FULL);

    for (int i = 0; i < 3; i++) {
        struct gg_submit submit = stage_submission(stage, "q");
        (void)stage_submit(stage, CLIENT, 1, &submit);
        assert_int_equal(refusal(stage), GG_OK);
    }
    struct gg_submit fourth = stage_submission(stage, "q");
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &fourth);

    assert_int_equal(refusal(stage), GG_ERR_REALM_FULL);
}

static void disk_without_room_refuses_what_is_to_be_safe(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = stage_submission(stage, "q");

    tell_core(stage,
              &(struct gg_event){.type = GG_EV_SPACE, .space = GG_CORE_SPACE_LOW});
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);
    assert_int_equal(refusal(stage), GG_ERR_STORE_FULL);
    tell_core(stage,
              &(struct gg_event){.type = GG_EV_SPACE, .space = GG_CORE_SPACE_BEHIND});
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);
    assert_int_equal(refusal(stage), GG_ERR_BUSY);
    submit.durability = GG_DURABILITY_NONE;
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);
    assert_int_equal(refusal(stage), GG_OK);
    tell_core(stage,
              &(struct gg_event){.type = GG_EV_SPACE, .space = GG_CORE_SPACE_OK});
    submit = stage_submission(stage, "q");
    stage_say(stage, CLIENT, GG_CMD_SUBMIT, 1, &submit);

    assert_int_equal(refusal(stage), GG_OK);
}

/* ---- pages ---- */

static void pages_go_on_where_the_one_before_ended(void **state)
{
    struct stage *stage = *state;
    struct gg_list_jobs wanted = everything();
    struct gg_scope scope;
    for (int i = 0; i < 2; i++) {
        struct gg_submit submit = stage_submission(stage, i == 0 ? "a" : "b");
        (void)stage_submit(stage, CLIENT, 1, &submit);
    }
    stage_agent(stage, AGENT, "w1", "z", 1);
    stage_agent(stage, OTHER_AGENT, "w2", "z", 1);

    wanted.limit = 1;
    assert_int_equal(found(stage, &wanted), 1);
    wanted.after = stage_heard(stage, CLIENT, GG_CMD_JOBS, 0)->command.as.jobs.next;
    assert_int_not_equal(wanted.after, 0);
    assert_int_equal(found(stage, &wanted), 1);

    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.limit = 1;
    stage_say(stage, CLIENT, GG_CMD_LIST_QUEUES, 6, &scope);
    struct gg_queues queues = stage_heard(stage, CLIENT, GG_CMD_QUEUES, 0)
                                  ->command.as.queues;
    assert_int_equal(queues.queues.count, 1);
    assert_true(gg_slice_equal(queues.next, gg_slice_text("a")));
    scope.after = gg_slice_text("a");
    stage_say(stage, CLIENT, GG_CMD_LIST_QUEUES, 6, &scope);
    queues = stage_heard(stage, CLIENT, GG_CMD_QUEUES, 0)->command.as.queues;
    assert_true(gg_slice_equal(queues.next, gg_slice_text("b")));

    scope.after = gg_slice_text("");
    stage_say(stage, CLIENT, GG_CMD_LIST_WORKERS, 6, &scope);
    struct gg_workers workers = stage_heard(stage, CLIENT, GG_CMD_WORKERS, 0)
                                    ->command.as.workers;
    assert_int_equal(workers.workers.count, 1);
    assert_true(gg_slice_equal(workers.next, gg_slice_text("w1")));
}

/* ---- figures of others ---- */

static uint32_t one_figure(void *ctx, struct gg_buf *out)
{
    struct gg_stat_info stat;
    gg_record_default(GG_RECORD_STAT, &stat);
    stat.name = gg_slice_text("shell_figure");
    stat.value = *(const uint64_t *)ctx;
    gg_record_write(out, GG_RECORD_STAT, &stat, NULL);
    return 1;
}

static void store_words(void *ctx, struct gg_broker_info *out)
{
    out->store = gg_slice_text(ctx);
}

static void figures_of_shell_and_store_are_shown_with_the_cores(void **state)
{
    struct stage *stage = *state;
    uint64_t value = 42;
    char words[] = "on a disk";
    struct gg_stat_info stat = {0};
    struct gg_fault fault;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    gg_core_set_stats(stage->core, one_figure, &value);
    gg_core_set_store(stage->core, store_words, words);

    stage_say(stage, CLIENT, GG_CMD_GET_STATS, 6, &scope);
    struct gg_list stats = stage_heard(stage, CLIENT, GG_CMD_STATS, 0)
                               ->command.as.stats.stats;
    while (gg_list_next_record(&stats, GG_RECORD_STAT, &stat, &fault)) {
    }
    stage_say(stage, CLIENT, GG_CMD_GET_BROKER, 6, &scope);

    assert_true(gg_slice_equal(stat.name, gg_slice_text("shell_figure")));
    assert_int_equal(stat.value, 42);
    assert_true(gg_slice_equal(
        stage_heard(stage, CLIENT, GG_CMD_BROKER, 0)->command.as.broker.store,
        gg_slice_text("on a disk")));
}

static void clock_that_was_set_back_is_shown(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    stage_crash(stage, stage_written(stage), -60000);
    stage_client(stage, CLIENT);

    stage_say(stage, CLIENT, GG_CMD_GET_BROKER, 6, &scope);

    uint64_t behind = stage_heard(stage, CLIENT, GG_CMD_BROKER, 0)
                          ->command.as.broker.clock_behind_ms;
    assert_true(behind >= 59000 && behind <= 60000);
}

/* ---- backup ---- */

static void backup_is_made_once_at_a_time_and_answered(void **state)
{
    struct stage *stage = *state;
    struct gg_backup backup = {.path = gg_slice_text("not/absolute")};
    stage_say(stage, CLIENT, GG_CMD_BACKUP, 6, &backup);
    assert_int_equal(refusal(stage), GG_ERR_BAD_FIELD);
    backup.path = gg_slice_text("/srv/copy");
    stage_say(stage, CLIENT, GG_CMD_BACKUP, 7, &backup);
    assert_int_equal(stage_effects(stage, GG_FX_BACKUP), 1);
    uint64_t token = 0;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        token = stage->said[i].effect.type == GG_FX_BACKUP ? stage->said[i].effect.token
                                                           : token;
    }
    stage_say(stage, CLIENT, GG_CMD_BACKUP, 8, &backup);
    assert_int_equal(refusal(stage), GG_ERR_BUSY);

    struct gg_event done = {.type = GG_EV_ANSWERED, .token = token + 1};
    tell_core(stage, &done); /* Another's. */
    assert_int_equal(stage->fx.count, 0);
    done.token = token;
    done.err = GG_ERR_STORE;
    done.text = "no such folder";
    tell_core(stage, &done);
    assert_int_equal(stage->fx.count, 1);
    tell_core(stage, &done);
    assert_int_equal(stage->fx.count, 0);

    stage_say(stage, CLIENT, GG_CMD_BACKUP, 9, &backup); /* Its asker goes away. */
    stage_close(stage, CLIENT, false);
    done.token = token + 1;
    done.err = GG_OK;
    tell_core(stage, &done);
    assert_int_equal(stage->fx.count, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(job_is_found_by_each_of_its_marks_and_by_no_other),
        TEST(tags_are_shown_with_their_job_and_kept),
        TEST(tags_that_are_no_names_are_refused),
        TEST(list_of_delays_is_followed_and_its_last_repeated),
        TEST(list_of_delays_that_is_none_is_refused),
        TEST(job_of_a_realm_is_run_and_seen_there_alone),
        TEST(full_realm_and_large_queue_refuse_by_name),
        TEST(disk_without_room_refuses_what_is_to_be_safe),
        TEST(pages_go_on_where_the_one_before_ended),
        TEST(figures_of_shell_and_store_are_shown_with_the_cores),
        TEST(clock_that_was_set_back_is_shown),
        TEST(backup_is_made_once_at_a_time_and_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
