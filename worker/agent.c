#include "worker/agent.h"

#include <stdlib.h>

#include "common/assert.h"
#include "worker/agent_say.h"
#include "worker/verdict.h"

enum {
    HEARTBEAT_MS = 1000, /* Until a welcome says otherwise. */
    DEAD_AFTER_MS = 3000,
    GRACE_MS = 25000,
    RESULT_BYTES_MAX = 16 << 20,
    MARGIN_MS_MAX = 2000,
    DRAIN_KILL_MS = 3000, /* TERM to KILL for what a drain has to stop. */
    SCRATCH_BYTES_MAX = 4 << 20,
};

static void finish(struct gg_worker *agent, struct gg_attempt *attempt,
                   enum gg_outcome kind);

/* ---- life ---- */

static enum gg_err copy_pools(struct gg_worker *agent,
                              const struct gg_worker_config *config)
{
    for (uint32_t i = 0; i < config->pool_count; i++) {
        uint32_t index = 0;
        enum gg_err err = gg_worker_add_pool(agent, (struct gg_mono){0},
                                             &config->pools[i], &index);
        if (err != GG_OK) {
            return err;
        }
    }
    return GG_OK;
}

static uint32_t slots_of(const struct gg_worker_config *config)
{
    uint64_t slots = config->slots_max;
    for (uint32_t i = 0; config->slots_max == 0 && i < config->pool_count; i++) {
        slots += config->pools[i].slots;
    }
    return slots < UINT32_MAX ? (uint32_t)slots : UINT32_MAX;
}

enum gg_err gg_worker_new(const struct gg_worker_config *config,
                          struct gg_worker **out_agent)
{
    GG_ASSERT(config->pool_count <= GG_POOLS_MAX);

    uint32_t slots = slots_of(config);
    if (slots > GG_WORKER_SLOTS_MAX) {
        return GG_ERR_TOO_MANY;
    }
    struct gg_worker *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    agent->config = *config;
    agent->heartbeat_ms = HEARTBEAT_MS;
    agent->dead_after_ms = DEAD_AFTER_MS;
    agent->grace_ms = GRACE_MS;
    agent->result_bytes_max = RESULT_BYTES_MAX;
    agent->drain_until_ms = INT64_MAX;
    gg_list_init(&agent->todo);
    gg_list_init(&agent->orders);
    gg_list_init(&agent->said);
    gg_postbag_init(&agent->postbag);
    gg_buf_init(&agent->scratch, SCRATCH_BYTES_MAX);
    agent->slots_max = slots;
    enum gg_err err = copy_pools(agent, config);
    if (err == GG_OK) {
        err = gg_attempts_init(&agent->attempts, slots, config->seed);
    }
    if (err != GG_OK) {
        gg_worker_destroy(&agent);
        return err;
    }
    *out_agent = agent;
    return GG_OK;
}

void gg_worker_destroy(struct gg_worker **agent_p)
{
    struct gg_worker *agent = *agent_p;
    if (agent != NULL) {
        gg_orders_fini(agent);
        gg_attempts_fini(&agent->attempts);
        gg_postbag_fini(&agent->postbag);
        gg_buf_fini(&agent->scratch);
        free(agent);
        *agent_p = NULL;
    }
}

/* ---- small parts ---- */

static uint64_t margin_of(const struct gg_worker *agent)
{
    uint64_t half = agent->lease_ms / 2;
    uint64_t margin = agent->config.margin_ms;
    if (margin == 0) {
        margin = agent->lease_ms / 8 < MARGIN_MS_MAX ? agent->lease_ms / 8
                                                     : MARGIN_MS_MAX;
    }
    return margin < half ? margin : half;
}

/* When an attempt must be dead whose lease runs from `from_ms`. */
static int64_t lease_end(const struct gg_worker *agent, int64_t from_ms)
{
    if (agent->lease_ms == 0) {
        return INT64_MAX;
    }
    struct gg_mono from = {from_ms};
    return gg_mono_add(from, agent->lease_ms - margin_of(agent)).ms;
}

static void add_todo(struct gg_worker *agent, struct gg_attempt *attempt, unsigned what)
{
    attempt->todo_mask = (uint8_t)(attempt->todo_mask | what);
    if (!gg_list_linked(&attempt->todo)) {
        gg_list_push_back(&agent->todo, &attempt->todo);
    }
}

/* Begin to stop an attempt; what has not been started ends at once. */
static void stop(struct gg_worker *agent, struct gg_attempt *attempt,
                 enum gg_attempt_why why, uint64_t grace_ms)
{
    if (attempt->state == GG_ATTEMPT_FINISHED) {
        return;
    }
    if (attempt->state == GG_ATTEMPT_ASSIGNED) {
        attempt->why = (uint8_t)why;
        attempt->never_started = true;
        finish(agent, attempt, GG_OUTCOME_HANDED_BACK);
        return;
    }
    bool stronger = attempt->why == GG_WHY_STOP_NONE || why == GG_WHY_STOP_LEASE ||
                    grace_ms < attempt->grace_ms;
    if (!stronger) {
        return;
    }
    if (attempt->why == GG_WHY_STOP_NONE || attempt->why == GG_WHY_STOP_DRAIN) {
        attempt->why = (uint8_t)why; /* The first reason is the one that counts. */
    }
    if (why == GG_WHY_STOP_LEASE) {
        attempt->lease_ms = INT64_MAX; /* Over for good: nothing renews it. */
    }
    attempt->grace_ms = grace_ms;
    gg_attempt_set_state(&agent->attempts, attempt, GG_ATTEMPT_STOPPING);
    add_todo(agent, attempt, GG_TODO_STOP);
}

/* ---- the connection ---- */

void gg_worker_lost(struct gg_worker *agent)
{
    if (agent->state != GG_WORKER_LEFT) {
        agent->state = GG_WORKER_DOWN;
    }
    gg_postbag_reset(&agent->postbag, 0);
    agent->beat_count = 0;
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        GG_CONTAINER(it, struct gg_attempt, link)->first_listed = 0;
    }
}

/* The broker has dealt with all our messages up to `acked`: leases of what was listed
 * in heartbeats among them run from the newest of these. */
static void on_acked(struct gg_worker *agent, uint64_t acked)
{
    uint32_t seen = 0;
    while (seen < agent->beat_count && agent->beats[seen].sequence <= acked) {
        seen++;
    }
    if (seen == 0) {
        return;
    }
    struct gg_beat newest = agent->beats[seen - 1];
    agent->beat_count -= seen;
    memmove(agent->beats, agent->beats + seen,
            agent->beat_count * sizeof *agent->beats);
    agent->base_ms = newest.sent_ms;
    int64_t end = lease_end(agent, newest.sent_ms);
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->first_listed == 0 || attempt->first_listed > newest.sequence ||
            attempt->state == GG_ATTEMPT_FINISHED || end <= attempt->lease_ms) {
            continue;
        }
        attempt->lease_ms = end;
        gg_attempt_set_timer(&agent->attempts, attempt);
        if (gg_attempt_has_executor(attempt)) {
            add_todo(agent, attempt, GG_TODO_LEASE);
        }
    }
}

/* Say again all that the broker may not have. */
static void restate(struct gg_worker *agent)
{
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        if (attempt->state == GG_ATTEMPT_FINISHED) {
            gg_say_outcome(agent, attempt);
        } else if (attempt->work != NULL && attempt->work->stored_checkpoint != NULL) {
            gg_say_checkpoint(agent, attempt);
        }
        if (attempt->work != NULL && attempt->work->has_progress) {
            gg_say_progress(agent, attempt);
        }
    }
}

static enum gg_worker_news on_welcome(struct gg_worker *agent, struct gg_mono now,
                                      const struct gg_welcome *welcome)
{
    if (agent->state != GG_WORKER_HELLO_SENT) {
        return GG_NEWS_NONE;
    }
    agent->epoch = welcome->epoch;
    agent->heartbeat_ms = welcome->heartbeat_ms;
    agent->dead_after_ms = welcome->dead_after_ms;
    agent->lease_ms = welcome->lease_ms;
    agent->grace_ms = welcome->grace_ms > 0 ? welcome->grace_ms : GRACE_MS;
    agent->result_bytes_max = welcome->result_bytes_max > 0 ? welcome->result_bytes_max
                                                            : RESULT_BYTES_MAX;
    gg_slice_copy(welcome->agent_endpoint, agent->agent_endpoint,
                  sizeof agent->agent_endpoint);
    gg_slice_copy(welcome->program, agent->broker_program,
                  sizeof agent->broker_program);
    agent->state = GG_WORKER_UP;
    on_acked(agent, 1); /* It answers the hello. */
    gg_say_heartbeat(agent, now);
    restate(agent);
    return GG_NEWS_WELCOME;
}

static enum gg_worker_news on_reset(struct gg_worker *agent,
                                    const struct gg_reset *reset)
{
    agent->reset_err = (enum gg_err)reset->error;
    agent->reset_retry_ms = reset->retry_ms;
    gg_slice_copy(reset->text, agent->reset_text, sizeof agent->reset_text);
    gg_worker_lost(agent);
    return GG_NEWS_RESET;
}

/* ---- assignments ---- */

/* The built-in no-op: it succeeds at once, with its payload as result. */
static void finish_echo(struct gg_worker *agent, struct gg_attempt *attempt,
                        struct gg_slice payload)
{
    enum gg_outcome kind = GG_OUTCOME_SUCCEEDED;
    attempt->exit_status = 0;
    if (payload.len <= GG_ATTEMPT_SMALL_BYTES) {
        if (payload.len > 0) {
            memcpy(attempt->small, payload.data, payload.len);
        }
        attempt->small_len = (uint8_t)payload.len;
    } else {
        attempt->result = gg_blob_keep(payload, agent->holder);
        if (attempt->result == NULL) {
            attempt->never_started = true;
            attempt->exit_status = GG_UNSAID;
            kind = GG_OUTCOME_HANDED_BACK;
        }
    }
    finish(agent, attempt, kind);
}

/* An attempt that cannot be begun here and now goes back; the broker knows best. */
static void hand_back(struct gg_worker *agent, struct gg_attempt *attempt)
{
    attempt->never_started = true;
    finish(agent, attempt, GG_OUTCOME_HANDED_BACK);
}

/* Is an older attempt of the same job still running here? Then it is to end first. */
static bool older_runs(struct gg_worker *agent, uint64_t highest)
{
    struct gg_attempt *older = highest == 0
                                   ? NULL
                                   : gg_attempts_find(&agent->attempts, highest);
    if (older == NULL || older->state == GG_ATTEMPT_FINISHED) {
        return false;
    }
    stop(agent, older, GG_WHY_STOP_STALE, 0);
    return true;
}

/* An assignment that was met before. */
static void on_repeated(struct gg_worker *agent, struct gg_attempt *attempt)
{
    if (attempt->state == GG_ATTEMPT_FINISHED) {
        gg_say_outcome(agent, attempt);
    } else if (attempt->state == GG_ATTEMPT_RUNNING) {
        gg_say_started(agent, attempt);
    }
}

static void begin(struct gg_worker *agent, struct gg_attempt *attempt,
                  struct gg_mono now, const struct gg_assign *assign)
{
    struct gg_mono base = {agent->base_ms};
    if (assign->start_within_ms > 0) {
        attempt->start_by_ms = gg_mono_add(base, assign->start_within_ms).ms;
    }
    attempt->lease_ms = lease_end(agent, agent->base_ms);
    if (attempt->start_by_ms <= now.ms || attempt->lease_ms <= now.ms) {
        hand_back(agent, attempt);
        return;
    }
    if (agent->pools[attempt->pool].config.echo) {
        finish_echo(agent, attempt, assign->payload);
        return;
    }
    attempt->work = gg_work_new(assign, agent->holder);
    if (attempt->work == NULL) {
        hand_back(agent, attempt);
        return;
    }
    gg_attempt_set_timer(&agent->attempts, attempt);
    gg_list_push_back(&agent->pools[attempt->pool].line, &attempt->line);
    agent->pools[attempt->pool].waiting++;
}

static void on_assign(struct gg_worker *agent, struct gg_mono now,
                      const struct gg_assign *assign)
{
    struct gg_attempt *known = gg_attempts_find(&agent->attempts, assign->fence);
    if (known != NULL) {
        on_repeated(agent, known);
        return;
    }
    uint64_t highest = gg_attempts_highest(&agent->attempts, &assign->id);
    if (assign->fence <= highest) {
        return; /* It has been taken, ended and confirmed, or is older than that one. */
    }
    struct gg_attempt *attempt = gg_attempts_take(&agent->attempts, &assign->id,
                                                  assign->fence);
    if (attempt == NULL) {
        agent->dropped_count++;
        gg_say_unkept(agent, &assign->id, assign->fence);
        return;
    }
    gg_attempts_remember(&agent->attempts, &assign->id, assign->fence);
    agent->taken_count++;
    attempt->pool = assign->pool >= 1 && assign->pool <= GG_POOLS_MAX
                        ? (uint32_t)assign->pool - 1
                        : 0;
    struct gg_pool_now *pool = &agent->pools[attempt->pool];
    pool->in_hand++;
    pool->open++;
    bool over = pool->open > pool->config.slots || pool->window == 0;
    if (!pool->used || over || agent->draining || older_runs(agent, highest)) {
        hand_back(agent, attempt);
        return;
    }
    begin(agent, attempt, now, assign);
}

/* It is with an executor already. One behind others may come back: its return, or its
 * start, is the answer. */
static void withdraw(struct gg_worker *agent, struct gg_attempt *attempt)
{
    on_repeated(agent, attempt);
    if (attempt->state == GG_ATTEMPT_STARTING && attempt->behind) {
        attempt->withdrawn = true;
        add_todo(agent, attempt, GG_TODO_WITHDRAW);
    } else if (attempt->state == GG_ATTEMPT_STARTING) {
        gg_say_started(agent, attempt); /* The executor has been asked: too late. */
    }
}

static void on_stop(struct gg_worker *agent, const struct gg_stop_info *order)
{
    static const enum gg_attempt_why whys[] = {
        [GG_STOP_CANCELLED] = GG_WHY_STOP_CANCELLED,
        [GG_STOP_TIMED_OUT] = GG_WHY_STOP_TIMED_OUT,
        [GG_STOP_WITHDRAWN] = GG_WHY_STOP_NONE,
        [GG_STOP_STALE] = GG_WHY_STOP_STALE,
        [GG_STOP_LOST_WITH_BROKER] = GG_WHY_STOP_LOST_WITH_BROKER,
    };
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, order->fence);
    uint64_t grace_ms = order->grace_ms > 0 ? order->grace_ms : agent->grace_ms;
    if (attempt == NULL) {
        if (order->reason == GG_STOP_WITHDRAWN &&
            gg_attempts_highest(&agent->attempts, &order->id) < order->fence) {
            /* It has not arrived; should it come yet, it is known and not begun. */
            gg_attempts_remember(&agent->attempts, &order->id, order->fence);
            gg_say_unkept(agent, &order->id, order->fence);
        }
        return;
    }
    if (order->reason == GG_STOP_WITHDRAWN && attempt->state != GG_ATTEMPT_ASSIGNED) {
        withdraw(agent, attempt);
        return;
    }
    if (order->reason >= GG_STOP_CANCELLED &&
        order->reason <= GG_STOP_LOST_WITH_BROKER) {
        stop(agent, attempt, whys[order->reason], grace_ms);
    }
}

static void forget(struct gg_worker *agent, struct gg_attempt *attempt)
{
    agent->pools[attempt->pool].in_hand--;
    gg_attempts_release(&agent->attempts, attempt);
}

static void on_confirm(struct gg_worker *agent, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt == NULL) {
        return;
    }
    if (attempt->state == GG_ATTEMPT_FINISHED) {
        forget(agent, attempt);
    }
}

/* A refusal. Of an outcome: it will not be taken a second time either. */
static enum gg_worker_news on_error(struct gg_worker *agent, uint64_t request,
                                    const struct gg_error *error)
{
    agent->error_err = (enum gg_err)error->error;
    gg_slice_copy(error->text, agent->error_text, sizeof agent->error_text);
    if (request != 0 && error->retry_ms == 0) {
        on_confirm(agent, request);
    }
    return GG_NEWS_ERROR;
}

/* ---- receiving ---- */

/* Only routes. */
static enum gg_worker_news on_command(struct gg_worker *agent, struct gg_mono now,
                                      const struct gg_command *command)
{
    switch (command->code) {
    case GG_CMD_ASSIGN:
        on_assign(agent, now, &command->as.assign);
        return GG_NEWS_NONE;
    case GG_CMD_CONFIRM:
        on_confirm(agent, command->as.confirm.fence);
        return GG_NEWS_NONE;
    case GG_CMD_STOP:
        on_stop(agent, &command->as.stop);
        return GG_NEWS_NONE;
    case GG_CMD_STEER:
        gg_on_order(agent, command->request, &command->as.steer);
        return GG_NEWS_NONE;
    case GG_CMD_WELCOME:
        return on_welcome(agent, now, &command->as.welcome);
    case GG_CMD_RESET:
        return on_reset(agent, &command->as.reset);
    case GG_CMD_ERROR:
        return on_error(agent, command->request, &command->as.error);
    case GG_CMD_BYE:
        agent->reset_err = GG_ERR_CLOSING;
        agent->reset_retry_ms = 0;
        gg_slice_copy(command->as.bye.text, agent->reset_text,
                      sizeof agent->reset_text);
        gg_worker_lost(agent);
        return GG_NEWS_RESET;
    default:
        return GG_NEWS_NONE; /* A heartbeat, or a command newer than we are. */
    }
}

/* Does this message belong here, next in line? */
static bool is_expected(struct gg_worker *agent, const struct gg_header *header)
{
    if (agent->state == GG_WORKER_DOWN || agent->state == GG_WORKER_LEFT ||
        header->session != agent->session) {
        return false;
    }
    return header->type == GG_MESSAGE_RESET || header->sequence > agent->received;
}

enum gg_worker_news gg_worker_receive(struct gg_worker *agent, struct gg_mono now,
                                      struct gg_slice frame, struct gg_slice attachment,
                                      struct gg_blob *holder)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    enum gg_worker_news news = GG_NEWS_NONE;
    if (gg_message_open(frame, attachment, &message, &fault) != GG_OK ||
        !is_expected(agent, &message.header)) {
        return GG_NEWS_NONE;
    }
    agent->heard_ms = now.ms;
    if (message.header.type != GG_MESSAGE_RESET) {
        if (message.header.sequence != agent->received + 1) {
            agent->reset_err = GG_ERR_NO_SESSION;
            agent->reset_retry_ms = 0;
            gg_slice_copy(gg_slice_text("messages of the broker are missing"),
                          agent->reset_text, sizeof agent->reset_text);
            gg_worker_lost(agent);
            return GG_NEWS_RESET;
        }
        agent->received = message.header.sequence;
        on_acked(agent, message.header.acked);
    }
    uint64_t session = agent->session;
    agent->holder = holder;
    while (gg_message_next(&message, &command, &fault)) {
        if (fault.err != GG_OK) {
            continue;
        }
        enum gg_worker_news one = on_command(agent, now, &command);
        news = one != GG_NEWS_NONE ? one : news;
        if (agent->state == GG_WORKER_DOWN || agent->session != session) {
            break;
        }
    }
    agent->holder = NULL;
    return news;
}

bool gg_worker_front(struct gg_worker *agent, struct gg_slice *out_frame,
                     struct gg_blob **out_attachment)
{
    GG_LIST_EACH(&agent->said, it)
    {
        gg_say_progress(agent, GG_CONTAINER(it, struct gg_attempt, said));
    }
    return gg_postbag_front(&agent->postbag, agent->received, out_frame,
                            out_attachment);
}

void gg_worker_sent(struct gg_worker *agent)
{
    gg_postbag_pop(&agent->postbag);
}

/* ---- attempts ---- */

struct gg_attempt *gg_worker_next_start(struct gg_worker *agent, uint32_t pool)
{
    struct gg_link *first = gg_list_first(&agent->pools[pool].line);
    return first == NULL ? NULL : GG_CONTAINER(first, struct gg_attempt, line);
}

/* It does not wait for an executor any more. */
static void leave_line(struct gg_worker *agent, struct gg_attempt *attempt)
{
    if (gg_list_linked(&attempt->line)) {
        gg_list_remove(&attempt->line);
        agent->pools[attempt->pool].waiting--;
    }
}

void gg_worker_starting(struct gg_worker *agent, struct gg_attempt *attempt)
{
    leave_line(agent, attempt);
    gg_attempt_set_state(&agent->attempts, attempt, GG_ATTEMPT_STARTING);
}

void gg_worker_give_back(struct gg_worker *agent, uint64_t fence, uint64_t grace_ms)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt != NULL) {
        stop(agent, attempt, GG_WHY_STOP_DRAIN, grace_ms);
    }
}

struct gg_attempt *gg_worker_next_todo(struct gg_worker *agent, unsigned *out_mask)
{
    struct gg_link *link = gg_list_first(&agent->todo);
    if (link == NULL) {
        return NULL;
    }
    struct gg_attempt *attempt = GG_CONTAINER(link, struct gg_attempt, todo);
    gg_list_remove(link);
    *out_mask = attempt->todo_mask;
    attempt->todo_mask = 0;
    return attempt;
}

void gg_worker_returned(struct gg_worker *agent, uint64_t fence)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt == NULL || !gg_attempt_has_executor(attempt)) {
        return;
    }
    struct gg_pool_now *pool = &agent->pools[attempt->pool];
    attempt->executor = NULL;
    attempt->behind = false;
    if (attempt->state != GG_ATTEMPT_STARTING || attempt->withdrawn || attempt->told ||
        agent->draining || pool->window == 0) {
        hand_back(agent, attempt);
        return;
    }
    gg_list_remove(&attempt->todo);
    attempt->todo_mask = 0;
    gg_attempt_set_state(&agent->attempts, attempt, GG_ATTEMPT_ASSIGNED);
    gg_list_push_front(&pool->line, &attempt->line);
    pool->waiting++;
}

void gg_worker_ended(struct gg_worker *agent, struct gg_mono now, uint64_t fence,
                     const struct gg_ending *ending)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt == NULL || !gg_attempt_has_executor(attempt)) {
        return;
    }
    char text[GG_ENDING_TEXT_BYTES] = "";
    enum gg_outcome kind = gg_verdict_kind(attempt, ending);
    attempt->executor = NULL;
    attempt->exit_status = ending->exit_status;
    attempt->signal = ending->signal;
    attempt->run_ms = attempt->started_ms == 0
                          ? 0
                          : (uint64_t)(now.ms - attempt->started_ms);
    if (kind == GG_OUTCOME_SNOOZED) {
        attempt->snooze_ms = ending->snooze_ms;
    }
    if (kind == GG_OUTCOME_SUCCEEDED) {
        attempt->result = ending->result == NULL ? NULL : gg_blob_ref(ending->result);
    } else {
        gg_verdict_text(attempt, ending, text, sizeof text);
    }
    gg_say_keep(&attempt->detail.text, gg_slice_text(text));
    gg_say_keep(&attempt->detail.output, ending->output);
    finish(agent, attempt, kind);
}

/* The attempt is over: keep its outcome and send it. */
static void finish(struct gg_worker *agent, struct gg_attempt *attempt,
                   enum gg_outcome kind)
{
    if (attempt->work != NULL && attempt->work->progress_is_new) {
        gg_say_progress(agent, attempt);
    }
    leave_line(agent, attempt);
    agent->pools[attempt->pool].open--;
    gg_list_remove(&attempt->todo);
    gg_list_remove(&attempt->said);
    attempt->kind = kind;
    gg_attempt_set_state(&agent->attempts, attempt, GG_ATTEMPT_FINISHED);
    gg_attempt_drop_work(attempt);
    gg_say_outcome(agent, attempt);
}

/* ---- time and will ---- */

static struct gg_attempt *attempt_of(struct gg_heap_node *node)
{
    return (struct gg_attempt *)(void *)((char *)node -
                                         offsetof(struct gg_attempt, timer));
}

static void on_deadline(struct gg_worker *agent, struct gg_attempt *attempt,
                        struct gg_mono now)
{
    if (attempt->lease_ms <= now.ms) {
        stop(agent, attempt, GG_WHY_STOP_LEASE, 0);
    } else if (attempt->state == GG_ATTEMPT_RUNNING) {
        stop(agent, attempt, GG_WHY_STOP_TIMED_OUT, agent->grace_ms);
    } else if (attempt->state == GG_ATTEMPT_STARTING) {
        attempt->withdrawn = true;
        attempt->start_by_ms = INT64_MAX;
        gg_attempt_set_timer(&agent->attempts, attempt);
        add_todo(agent, attempt, GG_TODO_WITHDRAW);
    } else {
        stop(agent, attempt, GG_WHY_STOP_NONE, 0); /* Too late to start: goes back. */
    }
}

static void stop_all(struct gg_worker *agent, uint64_t grace_ms)
{
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        stop(agent, GG_CONTAINER(it, struct gg_attempt, link), GG_WHY_STOP_DRAIN,
             grace_ms);
    }
}

void gg_worker_tick(struct gg_worker *agent, struct gg_mono now)
{
    if (now.ms - agent->ticked_ms > (int64_t)(2 * agent->heartbeat_ms)) {
        agent->heard_ms = now.ms; /* We were stopped: the silence may be our own. */
    }
    agent->ticked_ms = now.ms;
    for (;;) {
        struct gg_heap_node *node = gg_heap_first(&agent->attempts.timers);
        if (node == NULL || gg_heap_at(&agent->attempts.timers, node) > now.ms) {
            break;
        }
        on_deadline(agent, attempt_of(node), now);
    }
    if (agent->draining && agent->drain_until_ms <= now.ms) {
        agent->drain_until_ms = INT64_MAX;
        stop_all(agent,
                 agent->grace_ms < DRAIN_KILL_MS ? agent->grace_ms : DRAIN_KILL_MS);
    }
    if (agent->state == GG_WORKER_UP && agent->beat_at_ms <= now.ms) {
        gg_say_heartbeat(agent, now);
    }
}

/* What waits for an executor of `pool` goes back. */
static void hand_back_line(struct gg_worker *agent, uint32_t pool)
{
    while (agent->pools[pool].waiting > 0) {
        hand_back(agent, gg_worker_next_start(agent, pool));
    }
}

void gg_worker_set_window(struct gg_worker *agent, struct gg_mono now, uint32_t pool,
                          uint32_t slots)
{
    GG_ASSERT(pool < GG_POOLS_MAX && agent->pools[pool].used);
    GG_ASSERT(slots <= agent->pools[pool].config.slots);

    if (agent->pools[pool].window != slots) {
        agent->pools[pool].window = slots;
        if (slots == 0) {
            hand_back_line(agent, pool);
        }
        if (agent->state == GG_WORKER_UP) {
            gg_say_heartbeat(agent, now);
        }
    }
}

void gg_worker_quiet(struct gg_worker *agent, struct gg_mono now, bool quiet)
{
    agent->draining = quiet;
    agent->drain_until_ms = INT64_MAX;
    for (uint32_t i = 0; quiet && i < GG_POOLS_MAX; i++) {
        hand_back_line(agent, i);
    }
    if (agent->state == GG_WORKER_UP) {
        gg_say_heartbeat(agent, now);
    }
}

void gg_worker_drain(struct gg_worker *agent, struct gg_mono now, uint64_t grace_ms)
{
    agent->draining = true;
    agent->drain_until_ms = gg_mono_add(now, grace_ms).ms;
    for (uint32_t i = 0; i < GG_POOLS_MAX; i++) {
        hand_back_line(agent, i);
    }
    if (grace_ms == 0) {
        agent->drain_until_ms = INT64_MAX;
        stop_all(agent, 0);
    }
    if (agent->state == GG_WORKER_UP) {
        gg_say_heartbeat(agent, now);
    }
}

bool gg_worker_is_drained(const struct gg_worker *agent)
{
    return agent->draining && agent->attempts.count == 0;
}

void gg_worker_bye(struct gg_worker *agent, const char *text)
{
    struct gg_bye bye = {.text = gg_slice_text(text)};
    if (agent->state == GG_WORKER_UP) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_BYE, 0, &bye, NULL);
        agent->state = GG_WORKER_LEFT;
    }
}
