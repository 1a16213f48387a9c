#include "tests/sim/tale.h"

#include "common/assert.h"

enum { REQUEST = 7, LIST_BYTES_MAX = 4096 };

void tale_fine(struct tale *t)
{
    GG_ASSERT(oracle_verdict() == NULL);
    t->fine = true;
}

/* ---- steps ---- */

static void begin(struct tale *t, struct gg_event ev)
{
    t->ev = ev;
    if (ev.command != NULL) {
        t->heard = *ev.command;
        t->ev.command = &t->heard;
    }
    oracle_in(&t->sim, &t->ev);
}

void tale_hears(struct tale *t, uint32_t peer, struct gg_command command)
{
    command.request = REQUEST;
    begin(t,
          (struct gg_event){.type = GG_EV_COMMAND, .peer = peer, .command = &command});
}

void tale_hello(struct tale *t, uint32_t peer, const char *agent)
{
    struct gg_command command = {.code = GG_CMD_HELLO};
    gg_record_default(GG_RECORD_HELLO, &command.as.hello);
    command.as.hello.kind = agent == NULL ? GG_PEER_CLIENT : GG_PEER_AGENT;
    if (agent != NULL) {
        struct gg_pool_info pool = {.pool = 1, .slots = 2};
        command.as.hello.name = gg_slice_text(agent);
        command.as.hello.incarnation = 1;
        command.as.hello.pools = tale_list(t, GG_RECORD_POOL, &pool);
    }
    begin(t, (struct gg_event){.type = GG_EV_HELLO,
                               .peer = peer,
                               .grant = &t->grants[peer],
                               .command = &command});
}

void tale_time(struct tale *t, int64_t ms)
{
    t->sim.now += ms;
    begin(t, (struct gg_event){.type = GG_EV_TICK});
}

void tale_closed(struct tale *t, uint32_t peer)
{
    begin(t, (struct gg_event){.type = GG_EV_CLOSED, .peer = peer});
}

void tale_says(struct tale *t, uint32_t peer, struct gg_command command)
{
    command.request = REQUEST;
    oracle_out(&t->sim, peer, &command);
}

void tale_step_ends(struct tale *t)
{
    oracle_step_end(&t->sim);
}

struct gg_list tale_list(struct tale *t, enum gg_record_id id, const void *record)
{
    struct gg_buf *bytes = &t->lists[t->list_count++ % 4];
    gg_buf_clear(bytes);
    gg_record_write(bytes, id, record, NULL);
    GG_ASSERT(!bytes->failed && bytes->len <= LIST_BYTES_MAX);
    return (struct gg_list){gg_buf_slice(bytes), 1};
}

void tale_moment(struct tale *t, int n, struct gg_moment_info moment)
{
    struct gg_command event = {.code = GG_CMD_EVENT};
    moment.id = tale_id(n);
    event.as.event.moments = tale_list(t, GG_RECORD_MOMENT, &moment);
    tale_says(t, SIM_OBSERVER, event);
}

/* ---- what is said ---- */

struct gg_id tale_id(int n)
{
    return (struct gg_id){.bytes = {[0] = 1, [15] = (uint8_t)n}};
}

struct gg_submit tale_job(int n)
{
    struct gg_submit job;
    gg_record_default(GG_RECORD_SUBMIT, &job);
    job.id = tale_id(n);
    job.queue = gg_slice_text("q0");
    job.attempts = 3;
    return job;
}

struct gg_command tale_assign(int n, uint64_t fence)
{
    return (struct gg_command){
        .code = GG_CMD_ASSIGN,
        .as.assign = {.id = tale_id(n), .fence = fence, .attempt = 1, .pool = 1}};
}

struct gg_command tale_outcome(int n, uint64_t fence, enum gg_outcome kind)
{
    struct gg_command command = {.code = GG_CMD_OUTCOME};
    gg_record_default(GG_RECORD_OUTCOME, &command.as.outcome);
    command.as.outcome.id = tale_id(n);
    command.as.outcome.fence = fence;
    command.as.outcome.kind = kind;
    if (kind == GG_OUTCOME_SUCCEEDED) {
        command.as.outcome.result = gg_slice_text("42");
    }
    return command;
}

struct gg_command tale_ask(enum gg_command_code code, int n)
{
    return (struct gg_command){.code = (uint16_t)code, .as.target.id = tale_id(n)};
}

struct gg_command tale_shown(int n, enum gg_job_state state)
{
    return (struct gg_command){.code = GG_CMD_JOB,
                               .as.job = {.id = tale_id(n), .state = state}};
}

struct gg_command tale_error(enum gg_err err)
{
    return (struct gg_command){.code = GG_CMD_ERROR, .as.error.error = err};
}

struct gg_command tale_done(uint64_t unsettled)
{
    return (struct gg_command){.code = GG_CMD_DONE, .as.done.unsettled = unsettled};
}

struct gg_command tale_pause(const char *queue)
{
    return (struct gg_command){.code = GG_CMD_PAUSE,
                               .as.scope.queue = gg_slice_text(queue)};
}

struct gg_command tale_verdict(int n, enum gg_verdict verdict)
{
    return (struct gg_command){.code = GG_CMD_CANCELLED,
                               .as.cancelled = {.id = tale_id(n), .verdict = verdict}};
}

/* ---- whole steps ---- */

void tale_client(struct tale *t, uint32_t peer, uint8_t roles, const char *queues)
{
    struct gg_grant *grant = &t->grants[peer];
    gg_grant_all(grant, "key");
    grant->roles = roles;
    gg_name_set(&grant->queues[0], gg_slice_text(queues));
    tale_hello(t, peer, NULL);
    tale_says(t, peer, (struct gg_command){.code = GG_CMD_WELCOME});
    tale_step_ends(t);
}

void tale_agent(struct tale *t, uint32_t peer, const char *name)
{
    gg_grant_all(&t->grants[peer], name);
    tale_hello(t, peer, name);
    tale_says(t, peer, (struct gg_command){.code = GG_CMD_WELCOME});
    tale_step_ends(t);
}

static void hears_submit(struct tale *t, const struct gg_submit *job)
{
    struct gg_id id = job->id;
    if (facts_find(&id) == NULL) {
        oracle_asked(&t->sim, job);
    }
    tale_hears(t, ALICE, (struct gg_command){.code = GG_CMD_SUBMIT, .as.submit = *job});
}

void tale_accepted(struct tale *t, const struct gg_submit *job)
{
    int n = job->id.bytes[15];
    enum gg_job_state state = job->delay_ms > 0 ? GG_JOB_SCHEDULED : GG_JOB_READY;
    hears_submit(t, job);
    tale_moment(t, n,
                (struct gg_moment_info){.kind = GG_MOMENT_ACCEPTED, .state = state});
    tale_says(t, ALICE, tale_shown(n, state));
    tale_step_ends(t);
}

void tale_refused(struct tale *t, int n)
{
    struct gg_submit job = tale_job(n);
    hears_submit(t, &job);
    tale_says(t, ALICE, tale_error(GG_ERR_QUEUE_FULL));
    tale_step_ends(t);
}

uint64_t tale_assigned(struct tale *t, int n, uint32_t agent)
{
    uint64_t fence = ++t->last_fence;
    tale_time(t, 1);
    tale_says(t, agent, tale_assign(n, fence));
    tale_moment(t, n,
                (struct gg_moment_info){.kind = GG_MOMENT_ASSIGNED,
                                        .state = GG_JOB_RUNNING,
                                        .attempt = 1,
                                        .fence = fence});
    tale_step_ends(t);
    return fence;
}

static void ended(struct tale *t, int n, enum gg_job_state state)
{
    tale_moment(t, n, (struct gg_moment_info){.kind = GG_MOMENT_ENDED, .state = state});
}

void tale_succeeded(struct tale *t, int n, uint32_t agent, uint64_t fence)
{
    tale_hears(t, agent, tale_outcome(n, fence, GG_OUTCOME_SUCCEEDED));
    ended(t, n, GG_JOB_SUCCEEDED);
    tale_says(t, agent,
              (struct gg_command){.code = GG_CMD_CONFIRM,
                                  .as.confirm = {.id = tale_id(n), .fence = fence}});
    tale_step_ends(t);
}

void tale_cancelled(struct tale *t, int n)
{
    tale_hears(t, ALICE, tale_ask(GG_CMD_CANCEL, n));
    tale_moment(t, n, (struct gg_moment_info){.kind = GG_MOMENT_CANCEL});
    ended(t, n, GG_JOB_CANCELLED);
    tale_says(t, ALICE, tale_verdict(n, GG_VERDICT_CANCELLED));
    tale_step_ends(t);
}

void tale_cancelling(struct tale *t, int n)
{
    tale_hears(t, ALICE, tale_ask(GG_CMD_CANCEL, n));
    tale_moment(t, n, (struct gg_moment_info){.kind = GG_MOMENT_CANCEL});
    tale_says(t, ALICE, tale_verdict(n, GG_VERDICT_CANCELLING));
    tale_step_ends(t);
}

void tale_read(struct tale *t, enum gg_command_code asked, int n,
               struct gg_command answer)
{
    struct sim_asked request = {
        .used = true, .code = (uint8_t)asked, .id = tale_id(n), .reaches = true};
    struct gg_reply reply = {.request = REQUEST, .final = true, .command = &answer};
    request.at = t->sim.now;
    oracle_reply(&t->sim, &request, &reply);
}
