/* test_core_operate.c - cancel, retry, pause, resume, purge, events, why; and who may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/core/state.h"
#include "tests/unit/walked_stage.h"

enum { ALICE, BOB, WORKER, STRANGER };

static int setup(void **state)
{
    struct stage *stage = walked_open(state, NULL);
    stage_client(stage, ALICE);
    stage_client(stage, BOB);
    return 0;
}

static struct gg_submit submitted(struct stage *stage, const char *queue)
{
    struct gg_submit submit = stage_submission(stage, queue);
    submit.wait = true;
    (void)stage_submit(stage, ALICE, 1, &submit);
    return submit;
}

static struct gg_target target_of(const struct gg_id *id)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = *id;
    return target;
}

static struct gg_scope scope_of(const char *queue)
{
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    scope.queue = gg_slice_text(queue);
    return scope;
}

static uint64_t verdict_of_cancel(struct stage *stage, const struct gg_id *id)
{
    struct gg_target target = target_of(id);
    stage_say(stage, BOB, GG_CMD_CANCEL, 3, &target);
    const struct said *said = stage_heard(stage, BOB, GG_CMD_CANCELLED, 0);
    assert_non_null(said);
    return said->command.as.cancelled.verdict;
}

static struct gg_assign assigned(const struct stage *stage)
{
    const struct said *said = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0);
    assert_non_null(said);
    return said->command.as.assign;
}

static void waiting_job_is_cancelled_and_never_starts(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = submitted(stage, "reports");

    assert_int_equal(verdict_of_cancel(stage, &submit.id), GG_VERDICT_CANCELLED);
    const struct said *told = stage_heard(stage, ALICE, GG_CMD_JOB, 0);
    assert_non_null(told);
    assert_int_equal(told->command.as.job.state, GG_JOB_CANCELLED);
    stage_agent(stage, WORKER, "w", "reports", 1);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
}

static void running_job_is_stopped_and_ends_as_cancelled_whatever_comes(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = submitted(stage, "reports");
    struct gg_assign assign = assigned(stage);

    assert_int_equal(verdict_of_cancel(stage, &submit.id), GG_VERDICT_CANCELLING);
    assert_non_null(stage_heard(stage, WORKER, GG_CMD_STOP, 0));
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "too late to matter");

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_CANCELLED);
}

static void ended_job_is_too_late_to_cancel_and_keeps_its_result(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = submitted(stage, "reports");
    struct gg_assign assign = assigned(stage);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_SUCCEEDED, "ok");

    assert_int_equal(verdict_of_cancel(stage, &submit.id), GG_VERDICT_TOO_LATE);

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_SUCCEEDED);
}

static void cancelling_job_whose_agent_dies_is_not_run_again(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = submitted(stage, "reports");
    (void)verdict_of_cancel(stage, &submit.id);
    stage_close(stage, WORKER, false);

    stage_wait(stage, 5000);

    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_CANCELLED);
}

static void failed_job_is_retried_by_hand_with_fresh_attempts(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = submitted(stage, "reports");
    struct gg_assign assign = assigned(stage);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_REJECTED, "no");
    struct gg_target target = target_of(&submit.id);

    stage_say(stage, BOB, GG_CMD_RETRY, 3, &target);

    struct gg_assign again = assigned(stage);
    assert_int_equal(again.attempt, 2);
    assert_int_equal(again.attempts_max, 6);
    stage_outcome(stage, WORKER, &again, GG_OUTCOME_SUCCEEDED, "ok");
    assert_int_equal(stage_state(stage, ALICE, &submit.id), GG_JOB_SUCCEEDED);
}

static void retry_is_refused_when_another_job_has_the_key(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 2);
    struct gg_submit submit = stage_submission(stage, "reports");
    submit.key = gg_slice_text("k");
    (void)stage_submit(stage, ALICE, 1, &submit);
    struct gg_assign assign = assigned(stage);
    stage_outcome(stage, WORKER, &assign, GG_OUTCOME_REJECTED, "no");
    struct gg_submit other = stage_submission(stage, "reports");
    other.key = submit.key;
    (void)stage_submit(stage, ALICE, 2, &other);
    struct gg_target target = target_of(&submit.id);

    stage_say(stage, BOB, GG_CMD_RETRY, 3, &target);

    const struct said *said = stage_heard(stage, BOB, GG_CMD_ERROR, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.error.error, GG_ERR_KEY_TAKEN);
}

static void paused_queue_starts_nothing_until_it_is_resumed(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_scope scope = scope_of("reports");

    stage_say(stage, BOB, GG_CMD_PAUSE, 3, &scope);
    assert_non_null(stage_heard(stage, BOB, GG_CMD_DONE, 0));
    assert_int_equal(stage_effects(stage, GG_FX_AUDIT), 1);
    (void)submitted(stage, "reports");
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    stage_say(stage, BOB, GG_CMD_RESUME, 4, &scope);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

/* P21: the reply comes when no assignment can start any more. */
static void pause_answers_after_what_has_not_started_is_taken_back(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 2);
    struct gg_submit one = submitted(stage, "reports");
    struct gg_assign started = assigned(stage);
    stage_started(stage, WORKER, &started);
    struct gg_submit two = submitted(stage, "reports");
    struct gg_assign waiting = assigned(stage);
    struct gg_scope scope = scope_of("reports");

    stage_say(stage, BOB, GG_CMD_PAUSE, 3, &scope);
    assert_int_equal(stage_count(stage, GG_CMD_DONE), 0);
    const struct said *stop = stage_heard(stage, WORKER, GG_CMD_STOP, 0);
    assert_non_null(stop);
    assert_int_equal(stop->command.as.stop.reason, GG_STOP_WITHDRAWN);
    assert_int_equal(stop->command.as.stop.fence, waiting.fence);
    assert_int_equal(stage_count(stage, GG_CMD_STOP), 1);
    stage_outcome(stage, WORKER, &waiting, GG_OUTCOME_HANDED_BACK, "");

    const struct said *done = stage_heard(stage, BOB, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.unsettled, 0);
    assert_int_equal(stage_state(stage, ALICE, &one.id), GG_JOB_RUNNING);
    assert_int_equal(stage_state(stage, ALICE, &two.id), GG_JOB_READY);
}

static void pause_counts_what_hangs_at_a_silent_agent(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    (void)submitted(stage, "reports");
    struct gg_scope scope = scope_of("reports");
    stage_say(stage, BOB, GG_CMD_PAUSE, 3, &scope);

    stage_wait(stage, (int64_t)stage->bounds.pause_settle_ms);

    const struct said *done = stage_heard(stage, BOB, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.unsettled, 1);
}

static void dry_run_of_a_pause_pauses_nothing(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_scope scope = scope_of("reports");
    scope.dry_run = true;

    stage_say(stage, BOB, GG_CMD_PAUSE, 3, &scope);
    assert_int_equal(stage_heard(stage, BOB, GG_CMD_DONE, 0)->command.as.done.count, 1);
    (void)submitted(stage, "reports");

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static uint64_t count_of(struct stage *stage, enum gg_command_code verb,
                         const struct gg_scope *scope)
{
    stage_say(stage, BOB, verb, 3, scope);
    const struct said *said = stage_heard(stage, BOB, GG_CMD_DONE, 0);
    assert_non_null(said);
    return said->command.as.done.count;
}

static void pause_makes_queue_that_is_named_in_full_and_dry_run_counts_it(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "*", 1);
    struct gg_scope early = scope_of("early");
    struct gg_scope pattern = scope_of("earl*");
    early.dry_run = true;
    assert_int_equal(count_of(stage, GG_CMD_PAUSE, &early), 1);
    early.dry_run = false;
    assert_int_equal(count_of(stage, GG_CMD_PAUSE, &pattern), 0); /* None is made. */
    assert_int_equal(count_of(stage, GG_CMD_RESUME, &early), 0);

    assert_int_equal(count_of(stage, GG_CMD_PAUSE, &early), 1);
    (void)submitted(stage, "early");
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);

    assert_int_equal(count_of(stage, GG_CMD_RESUME, &early), 1);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void queue_out_of_a_keys_reach_is_refused_by_name(void **state)
{
    static const enum gg_command_code verbs[] = {GG_CMD_PAUSE, GG_CMD_RESUME,
                                                 GG_CMD_PURGE};
    struct stage *stage = *state;
    struct gg_grant narrow;
    gg_grant_all(&narrow, "narrow");
    gg_name_set(&narrow.queues[0], gg_slice_text("mine*"));
    stage_client_as(stage, STRANGER, &narrow);
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_scope scope = scope_of("reports");
    for (uint32_t i = 0; i < 2 * sizeof verbs / sizeof verbs[0]; i++) {
        scope.dry_run = i % 2 == 1;
        stage_say(stage, STRANGER, verbs[i / 2], 10 + i, &scope);
        const struct said *said = stage_heard(stage, STRANGER, GG_CMD_ERROR, 0);
        assert_non_null(said);
        assert_int_equal(said->command.as.error.error, GG_ERR_NOT_ALLOWED);
    }

    (void)submitted(stage, "reports");
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void reason_cannot_forge_the_audit_line(void **state)
{
    struct stage *stage = *state;
    struct gg_scope scope = scope_of("reports");
    scope.reason = gg_slice_text("tired\" who=root count=\"9");

    stage_say(stage, BOB, GG_CMD_PAUSE, 3, &scope);

    const struct said *audit = NULL;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        audit = stage->said[i].effect.type == GG_FX_AUDIT ? &stage->said[i] : audit;
    }
    assert_non_null(audit);
    struct gg_slice line = gg_effect_bytes(&stage->fx, &audit->effect);
    int quotes = 0;
    for (size_t i = 0; i < line.len; i++) {
        quotes += line.data[i] == '"';
    }
    assert_int_equal(quotes, 2);
}

static void purge_ends_what_waits_and_says_how_many(void **state)
{
    struct stage *stage = *state;
    for (int i = 0; i < 5; i++) {
        (void)submitted(stage, "reports");
    }
    struct gg_submit other = submitted(stage, "mail");
    struct gg_scope scope = scope_of("reports");

    stage_say(stage, BOB, GG_CMD_PURGE, 3, &scope);
    stage_wait(stage, 0);

    const struct said *done = stage_heard(stage, BOB, GG_CMD_DONE, 0);
    assert_non_null(done);
    assert_int_equal(done->command.as.done.count, 5);
    assert_int_equal(stage_count(stage, GG_CMD_JOB), 5); /* Their waiters are told. */
    assert_int_equal(stage_state(stage, ALICE, &other.id), GG_JOB_READY);
}

/* They end and go in one step, each once. */
static void purge_of_what_is_not_kept_forgets_it(void **state)
{
    struct stage *stage = *state;
    for (int i = 0; i < 3; i++) {
        struct gg_submit submit = stage_submission(stage, "reports");
        submit.keep_failed_ms = 0;
        (void)stage_submit(stage, ALICE, 1, &submit);
        stage_receipt(stage, stage_heard(stage, ALICE, GG_CMD_JOB, 0)->effect.token);
    }
    struct gg_scope scope = scope_of("reports");

    stage_say(stage, BOB, GG_CMD_PURGE, 3, &scope);
    stage_wait(stage, 0);

    assert_int_equal(stage_heard(stage, BOB, GG_CMD_DONE, 0)->command.as.done.count, 3);
    assert_int_equal(stage->core->jobs, 0);
}

static void why_names_what_is_missing(void **state)
{
    struct stage *stage = *state;
    struct gg_submit submit = submitted(stage, "reports");
    struct gg_target target = target_of(&submit.id);
    struct gg_scope scope = scope_of("reports");
    struct gg_reason reason;
    struct gg_fault fault;

    stage_say(stage, BOB, GG_CMD_WHY, 3, &target);
    struct gg_list list = stage_heard(stage, BOB, GG_CMD_REASONS, 0)
                              ->command.as.reasons.reasons;
    assert_true(gg_list_next_record(&list, GG_RECORD_REASON, &reason, &fault));
    assert_int_equal(reason.code, GG_WHY_NO_WORKER);

    stage_say(stage, BOB, GG_CMD_PAUSE, 4, &scope);
    stage_say(stage, BOB, GG_CMD_WHY, 5, &target);
    list = stage_heard(stage, BOB, GG_CMD_REASONS, 0)->command.as.reasons.reasons;
    assert_true(gg_list_next_record(&list, GG_RECORD_REASON, &reason, &fault));
    assert_int_equal(reason.code, GG_WHY_PAUSED);
}

static void events_come_in_order_and_a_slow_reader_sees_the_gap(void **state)
{
    struct stage *stage = *state;
    struct gg_events events;
    gg_record_default(GG_RECORD_EVENTS, &events);
    stage_say(stage, BOB, GG_CMD_SUBSCRIBE, 77, &events);
    uint64_t token = 0;
    for (int i = 0; i < 1010; i++) {
        (void)submitted(stage, "reports");
        const struct said *said = stage_heard(stage, BOB, GG_CMD_EVENT, 0);
        token = said != NULL ? said->effect.token : token;
    }
    assert_null(stage_heard(stage, BOB, GG_CMD_EVENT, 0));
    stage_receipt(stage, token);

    (void)submitted(stage, "reports");

    const struct said *said = stage_heard(stage, BOB, GG_CMD_EVENT, 0);
    assert_non_null(said);
    struct gg_list list = said->command.as.event.moments;
    struct gg_moment_info moment;
    struct gg_fault fault;
    assert_true(gg_list_next_record(&list, GG_RECORD_MOMENT, &moment, &fault));
    assert_int_equal(moment.kind, GG_MOMENT_GAP);
    assert_int_equal(moment.count, 10);
    assert_true(gg_list_next_record(&list, GG_RECORD_MOMENT, &moment, &fault));
    assert_int_equal(moment.seq, 1011);
}

/* ---- who may ---- */

union gg_record_any {
    struct gg_target target;
    struct gg_scope scope;
    struct gg_submit submit;
    struct gg_list_jobs list_jobs;
    struct gg_outcome_info outcome;
    uint8_t bytes[4096];
};

/* A record that is valid for the command and about this job and queue. */
static void fill(enum gg_command_code code, const struct gg_id *id, const char *queue,
                 union gg_record_any *record)
{
    enum gg_record_id type = (enum gg_record_id)gg_command_type_of(code)->record;
    gg_record_default(type, record);
    const struct gg_record *rows = gg_record_of(type);
    for (uint16_t i = 0; i < rows->count; i++) {
        const struct gg_field *field = &rows->fields[i];
        void *member = (char *)record + field->offset;
        if (field->kind == GG_FIELD_ID && (field->least > 0 || field->number == 1)) {
            memcpy(member, id, sizeof *id);
        } else if (field->kind == GG_FIELD_U && field->least > field->fallback) {
            memcpy(member, &field->least, sizeof field->least);
        } else if ((field->kind == GG_FIELD_NAME || field->kind == GG_FIELD_TEXT) &&
                   field->least > 0) {
            *(struct gg_slice *)member = gg_slice_text(queue);
        }
    }
}

/* Every role against every command a peer can send: what the table does not allow is
 * refused as not allowed, and changes nothing. */
static void role_table_is_kept_for_every_command(void **state)
{
    struct stage *stage = *state;
    static const uint8_t roles[] = {0, GG_ROLE_SUBMIT, GG_ROLE_WORK, GG_ROLE_OBSERVE,
                                    GG_ROLE_OPERATE};
    struct gg_grant grant = stage->grant;
    for (size_t r = 0; r < sizeof roles; r++) {
        for (uint64_t code = 0; code <= GG_CMD_CODE_MAX; code++) {
            const struct gg_command_type *type = gg_command_type_of(code);
            if (type == NULL || (type->senders & GG_FROM_CLIENT) == 0 ||
                code == GG_CMD_HELLO || code == GG_CMD_SUBMIT_MANY) {
                continue; /* submit_many has its own test below. */
            }
            struct gg_submit fresh = submitted(stage, "reports");
            grant.roles = roles[r];
            stage_client_as(stage, STRANGER, &grant);
            union gg_record_any record;
            struct gg_id id = code == GG_CMD_SUBMIT
                                  ? gg_id_new(stage->now.wall, &stage->rng)
                                  : fresh.id;
            fill((enum gg_command_code)code, &id, "reports", &record);

            stage_say(stage, STRANGER, (enum gg_command_code)code, 5, &record);

            const struct said *error = stage_heard(stage, STRANGER, GG_CMD_ERROR, 0);
            bool refused = error != NULL &&
                           error->command.as.error.error == GG_ERR_NOT_ALLOWED;
            bool allowed = gg_grant_roles_for((enum gg_command_code)code) == 0 ||
                           (gg_grant_roles_for((enum gg_command_code)code) & roles[r]);
            if (refused == allowed) {
                fail_msg("role %u, command %s", roles[r], type->name);
            }
            if (refused) {
                assert_int_equal(stage->said_count, 1);
                assert_int_equal(stage_state(stage, ALICE, &fresh.id), GG_JOB_READY);
            }
            stage_close(stage, STRANGER, true);
        }
    }
}

static void agent_needs_the_role_work(void **state)
{
    struct stage *stage = *state;
    stage->grant.roles = GG_ROLE_SUBMIT | GG_ROLE_OPERATE;

    stage_agent_again(stage, WORKER, "w", 1, "reports", 1, NULL, 0);

    const struct said *said = stage_heard(stage, WORKER, GG_CMD_RESET, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.reset.error, GG_ERR_NOT_ALLOWED);
}

static void key_reaches_only_its_queues(void **state)
{
    struct stage *stage = *state;
    struct gg_grant narrow = stage->grant;
    gg_name_set(&narrow.queues[0], gg_slice_text("mail*"));
    struct gg_submit foreign = submitted(stage, "reports");
    stage_client_as(stage, STRANGER, &narrow);
    struct gg_submit submit = stage_submission(stage, "reports");

    (void)stage_submit(stage, STRANGER, 1, &submit);
    assert_int_equal(
        stage_heard(stage, STRANGER, GG_CMD_ERROR, 0)->command.as.error.error,
        GG_ERR_NOT_ALLOWED);
    struct gg_target target = target_of(&foreign.id);
    stage_say(stage, STRANGER, GG_CMD_CANCEL, 2, &target);
    assert_int_equal(
        stage_heard(stage, STRANGER, GG_CMD_ERROR, 0)->command.as.error.error,
        GG_ERR_NOT_FOUND);

    struct gg_submit own = stage_submission(stage, "mailing");
    (void)stage_submit(stage, STRANGER, 3, &own);
    assert_non_null(stage_heard(stage, STRANGER, GG_CMD_JOB, 0));
}

static void agents_of_a_foreign_realm_are_not_shown(void **state)
{
    struct stage *stage = *state;
    struct gg_grant elsewhere = stage->grant;
    gg_name_set(&elsewhere.realms[0], gg_slice_text("other"));
    stage_client_as(stage, STRANGER, &elsewhere);
    struct gg_events events;
    gg_record_default(GG_RECORD_EVENTS, &events);
    stage_say(stage, STRANGER, GG_CMD_SUBSCRIBE, 7, &events);
    struct gg_scope scope = scope_of("");

    stage_agent(stage, WORKER, "w", "reports", 1);
    assert_null(stage_heard(stage, STRANGER, GG_CMD_EVENT, 0));
    stage_say(stage, STRANGER, GG_CMD_LIST_WORKERS, 8, &scope);
    const struct said *foreign = stage_heard(stage, STRANGER, GG_CMD_WORKERS, 0);
    assert_non_null(foreign);
    assert_int_equal(foreign->command.as.workers.workers.count, 0);
    stage_say(stage, ALICE, GG_CMD_LIST_WORKERS, 9, &scope);

    const struct said *own = stage_heard(stage, ALICE, GG_CMD_WORKERS, 0);
    assert_non_null(own);
    assert_int_equal(own->command.as.workers.workers.count, 1);
}

static void agent_gets_work_only_from_queues_its_key_reaches(void **state)
{
    struct stage *stage = *state;
    gg_name_set(&stage->grant.queues[0], gg_slice_text("mail"));
    stage_agent(stage, WORKER, "w", "*", 4);
    gg_name_set(&stage->grant.queues[0], gg_slice_text("*"));
    struct gg_submit submit = stage_submission(stage, "reports");
    gg_name_set(&stage->grant.queues[0], gg_slice_text("*"));
    struct gg_grant all;
    gg_grant_all(&all, "boss");
    stage_client_as(stage, STRANGER, &all);
    gg_name_set(&stage->grant.queues[0], gg_slice_text("mail"));

    (void)stage_submit(stage, STRANGER, 1, &submit);
    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 0);
    struct gg_submit mail = stage_submission(stage, "mail");
    (void)stage_submit(stage, STRANGER, 2, &mail);

    assert_int_equal(stage_count(stage, GG_CMD_ASSIGN), 1);
}

static void pause_does_not_wait_for_queues_it_does_not_reach(void **state)
{
    struct stage *stage = *state;
    struct gg_grant narrow;
    gg_grant_all(&narrow, "narrow");
    gg_name_set(&narrow.queues[0], gg_slice_text("mine*"));
    stage_client_as(stage, STRANGER, &narrow);
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);

    stage_say(stage, STRANGER, GG_CMD_PAUSE, 5, &scope);

    const struct said *said = stage_heard(stage, STRANGER, GG_CMD_DONE, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.done.unsettled, 0);
}

static void attempt_that_was_away_during_a_pause_is_withdrawn(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_submit submit = stage_submission(stage, "reports");
    (void)stage_submit(stage, ALICE, 1, &submit);
    const struct gg_assign assign = stage_heard(stage, WORKER, GG_CMD_ASSIGN, 0)
                                        ->command.as.assign;
    stage_close(stage, WORKER, false);
    struct gg_scope scope;
    gg_record_default(GG_RECORD_SCOPE, &scope);
    stage_say(stage, ALICE, GG_CMD_PAUSE, 5, &scope);
    struct gg_held held = {.id = assign.id, .fence = assign.fence, .pool = 1};

    stage_agent_again(stage, WORKER, "w", 1, "reports", 1, &held, 1);

    const struct said *said = stage_heard(stage, WORKER, GG_CMD_STOP, 0);
    assert_non_null(said);
    assert_int_equal(said->command.as.stop.reason, GG_STOP_WITHDRAWN);
}

static void new_waiter_does_not_repeat_progress_to_the_others(void **state)
{
    struct stage *stage = *state;
    stage_agent(stage, WORKER, "w", "reports", 1);
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    struct gg_submit submit = stage_submission(stage, "reports");
    target.id = stage_submit(stage, ALICE, 1, &submit);
    target.want_progress = true;
    stage_say(stage, ALICE, GG_CMD_WAIT, 2, &target);

    stage_say(stage, ALICE, GG_CMD_WAIT, 3, &target);

    assert_int_equal(stage_count(stage, GG_CMD_PROGRESS), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, walked_teardown)
    const struct CMUnitTest tests[] = {
        TEST(waiting_job_is_cancelled_and_never_starts),
        TEST(running_job_is_stopped_and_ends_as_cancelled_whatever_comes),
        TEST(ended_job_is_too_late_to_cancel_and_keeps_its_result),
        TEST(cancelling_job_whose_agent_dies_is_not_run_again),
        TEST(failed_job_is_retried_by_hand_with_fresh_attempts),
        TEST(retry_is_refused_when_another_job_has_the_key),
        TEST(paused_queue_starts_nothing_until_it_is_resumed),
        TEST(pause_answers_after_what_has_not_started_is_taken_back),
        TEST(pause_counts_what_hangs_at_a_silent_agent),
        TEST(dry_run_of_a_pause_pauses_nothing),
        TEST(pause_makes_queue_that_is_named_in_full_and_dry_run_counts_it),
        TEST(queue_out_of_a_keys_reach_is_refused_by_name),
        TEST(reason_cannot_forge_the_audit_line),
        TEST(purge_ends_what_waits_and_says_how_many),
        TEST(purge_of_what_is_not_kept_forgets_it),
        TEST(why_names_what_is_missing),
        TEST(events_come_in_order_and_a_slow_reader_sees_the_gap),
        TEST(role_table_is_kept_for_every_command),
        TEST(agent_needs_the_role_work),
        TEST(key_reaches_only_its_queues),
        TEST(agents_of_a_foreign_realm_are_not_shown),
        TEST(agent_gets_work_only_from_queues_its_key_reaches),
        TEST(pause_does_not_wait_for_queues_it_does_not_reach),
        TEST(attempt_that_was_away_during_a_pause_is_withdrawn),
        TEST(new_waiter_does_not_repeat_progress_to_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
