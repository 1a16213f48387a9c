#include "tests/sim/model.h"

#include <string.h>

static void wrong(struct model *model, const char *what)
{
    if (model->fault == NULL) {
        model->fault = what;
    }
}

void model_init(struct model *model, const struct model_bounds *bounds)
{
    memset(model, 0, sizeof *model);
    model->bounds = *bounds;
}

/* ---- states ---- */

static bool waits(const struct model_job *job)
{
    return job->state == GG_JOB_SCHEDULED || job->state == GG_JOB_READY;
}

static bool ended(const struct model_job *job)
{
    return job->state >= GG_JOB_SUCCEEDED && job->state <= GG_JOB_EXPIRED;
}

static void finish(struct model *model, struct model_job *job, int state)
{
    bool success = state == GG_JOB_SUCCEEDED;
    job->state = state;
    job->cancelling = false;
    job->lost = false;
    job->key_held = job->key_held && success;
    job->due = model->now + (success ? MODEL_KEEP_MS : MODEL_KEEP_FAILED_MS);
}

static void schedule(struct model *model, struct model_job *job, int ms)
{
    job->state = GG_JOB_SCHEDULED;
    job->due = model->now + ms;
}

/* ---- dispatch ---- */

static int busy(const struct model *model, int agent)
{
    int count = 0;
    for (int i = 0; i < model->job_count; i++) {
        count += model->jobs[i].state == GG_JOB_RUNNING &&
                 model->jobs[i].agent == agent;
    }
    return count;
}

static bool has_credit(const struct model *model, int agent)
{
    const struct model_agent *it = &model->agents[agent];
    return it->here && !it->suspect && busy(model, agent) < it->slots;
}

/* The job of a queue that must start before all others, or NULL. */
static struct model_job *head(struct model *model, int queue)
{
    struct model_job *best = NULL;
    for (int i = 0; i < model->job_count; i++) {
        struct model_job *job = &model->jobs[i];
        if (job->state == GG_JOB_READY && job->queue == queue &&
            (best == NULL || job->priority < best->priority ||
             (job->priority == best->priority && job->line < best->line))) {
            best = job;
        }
    }
    return best;
}

static bool can_start(struct model *model)
{
    bool credit = false;
    bool work = false;
    for (int i = 0; i < MODEL_AGENTS; i++) {
        credit = credit || has_credit(model, i);
    }
    for (int i = 0; i < MODEL_QUEUES; i++) {
        work = work || (!model->paused[i] && head(model, i) != NULL);
    }
    return credit && work;
}

/* The start deadline of a job that stands in line may have passed. */
static void expire(struct model *model)
{
    for (int i = 0; i < model->job_count; i++) {
        if (waits(&model->jobs[i]) && model->jobs[i].expires <= model->now) {
            finish(model, &model->jobs[i], GG_JOB_EXPIRED);
        }
    }
}

/* While something can start, the core has started something, and the right thing. */
static void dispatch(struct model *model)
{
    expire(model);
    while (can_start(model) && model->fault == NULL) {
        if (model->given_used == model->given_count) {
            wrong(model, "a job waits while an agent has credit for it");
            return;
        }
        const struct model_given *given = &model->given[model->given_used++];
        struct model_job *job = &model->jobs[given->job];
        if (model->paused[job->queue] || head(model, job->queue) != job) {
            wrong(model, "a job was started before its turn, or in a paused queue");
        } else if (!has_credit(model, given->agent)) {
            wrong(model, "an agent was given more than it has room for");
        } else if (given->fence <= model->last_fence) {
            wrong(model, "a fence did not grow");
        } else if (given->attempt != job->attempt + 1) {
            wrong(model, "an attempt was miscounted");
        }
        model->last_fence = given->fence;
        job->state = GG_JOB_RUNNING;
        job->fence = given->fence;
        job->attempt++;
        job->agent = given->agent;
        job->agent_life = model->agents[given->agent].life;
        job->started = false;
        job->lost = false;
        job->lease_end = model->now + model->bounds.lease_ms;
    }
}

static void ready(struct model *model, struct model_job *job, bool front)
{
    job->state = GG_JOB_READY;
    job->line = front ? --model->first_line : ++model->last_line;
    dispatch(model);
}

/* ---- how attempts end ---- */

static void fail(struct model *model, struct model_job *job)
{
    if (job->attempt >= job->attempt_max) {
        finish(model, job, GG_JOB_FAILED);
    } else {
        schedule(model, job, MODEL_BACKOFF_MS);
    }
}

/* Nobody knows what became of the attempt. */
static void lose(struct model *model, struct model_job *job, bool by_lease)
{
    if (job->attempts == 1 || job->attempt >= job->attempt_max) {
        finish(model, job, GG_JOB_FAILED);
    } else {
        job->lost = by_lease;
        ready(model, job, true);
    }
}

static void lease_ends(struct model *model, struct model_job *job, bool given_back)
{
    if (job->cancelling) {
        finish(model, job, GG_JOB_CANCELLED);
        dispatch(model);
    } else if (given_back && !(job->attempts == 1 && job->started)) {
        job->attempt--;
        ready(model, job, true);
    } else {
        lose(model, job, true);
        dispatch(model);
    }
}

/* All leases of an agent, oldest first; those marked in `keep` excepted. */
static void leases_end(struct model *model, int agent, const bool *keep, int given_back)
{
    bool done[MODEL_JOBS_MAX] = {false};
    for (;;) {
        int first = -1;
        for (int i = 0; i < model->job_count; i++) {
            const struct model_job *job = &model->jobs[i];
            bool its = job->state == GG_JOB_RUNNING && job->agent == agent;
            if (its && !done[i] && (keep == NULL || !keep[i]) &&
                (first < 0 || job->fence < model->jobs[first].fence)) {
                first = i;
            }
        }
        if (first < 0) {
            return;
        }
        done[first] = true;
        bool back = given_back < 0 ? !model->jobs[first].started : given_back == 1;
        lease_ends(model, &model->jobs[first], back);
    }
}

/* ---- time ---- */

static void agent_due(struct model *model, int i, int now)
{
    struct model_agent *agent = &model->agents[i];
    if (agent->here && now - agent->seen >= model->bounds.silent_ms) {
        agent->suspect = true;
    }
    if (agent->known && !agent->here && now - agent->gone >= model->bounds.grace_ms) {
        leases_end(model, i, NULL, 0);
    }
    if (agent->known && !agent->here && busy(model, i) == 0 &&
        now - agent->gone >= model->bounds.forget_ms) {
        agent->known = false;
        agent->life++;
    }
}

static void job_due(struct model *model, struct model_job *job)
{
    if (waits(job) && job->expires <= model->now) {
        finish(model, job, GG_JOB_EXPIRED);
    } else if (job->state == GG_JOB_SCHEDULED && job->due <= model->now) {
        ready(model, job, false);
    } else if (job->state == GG_JOB_RUNNING && job->lease_end <= model->now) {
        lease_ends(model, job, false);
    } else if (ended(job) && job->due <= model->now) {
        job->state = GG_JOB_EVICTED; /* Its id is remembered for the window. */
        job->key_held = false;
        job->due = job->at + model->bounds.window_ms;
    }
    if (job->state == GG_JOB_EVICTED && job->due <= model->now) {
        job->state = GG_JOB_NONE;
    }
}

void model_pass(struct model *model, int now)
{
    model->now = now;
    for (int i = 0; i < MODEL_AGENTS; i++) {
        agent_due(model, i, now);
    }
    for (int i = 0; i < model->job_count; i++) {
        job_due(model, &model->jobs[i]);
    }
}

/* ---- clients ---- */

static struct model_answer answer(const struct model *model, int i)
{
    return (struct model_answer){.job = i, .state = model->jobs[i].state};
}

static int key_holder(const struct model *model, int queue, int key)
{
    for (int i = 0; i < model->job_count && key != 0; i++) {
        const struct model_job *job = &model->jobs[i];
        if (job->key_held && job->queue == queue && job->key == key) {
            return i;
        }
    }
    return -1;
}

struct model_answer model_submit(struct model *model, const struct model_job *ask,
                                 int again)
{
    if (again >= 0 && model->jobs[again].state != GG_JOB_NONE) {
        return answer(model, again);
    }
    int holder = key_holder(model, ask->queue, ask->key);
    if (holder >= 0) {
        struct model_answer met = answer(model, holder);
        met.existing = true;
        met.err = model->jobs[holder].payload == ask->payload ? GG_OK
                                                              : GG_ERR_KEY_CONFLICT;
        return met;
    }
    if (model->now - ask->at > model->bounds.window_ms) {
        return (struct model_answer){.err = GG_ERR_ID_TOO_OLD};
    }
    int waiting = 0;
    for (int i = 0; i < model->job_count; i++) {
        waiting += waits(&model->jobs[i]) && model->jobs[i].queue == ask->queue;
    }
    if (waiting >= model->bounds.queue_jobs_max) {
        return (struct model_answer){.err = GG_ERR_QUEUE_FULL};
    }
    int place = again >= 0 ? again : model->job_count++;
    struct model_job *job = &model->jobs[place];
    *job = *ask;
    job->agent = -1;
    job->attempt_max = job->attempts;
    job->key_held = job->key != 0;
    if (job->due > model->now) {
        job->state = GG_JOB_SCHEDULED;
    } else {
        ready(model, job, false);
    }
    return answer(model, place);
}

struct model_answer model_get(const struct model *model, int job)
{
    struct model_answer got = answer(model, job);
    got.err = got.state == GG_JOB_NONE ? GG_ERR_NOT_FOUND : GG_OK;
    return got;
}

struct model_answer model_cancel(struct model *model, int i)
{
    struct model_job *job = &model->jobs[i];
    struct model_answer got = model_get(model, i);
    if (got.err != GG_OK) {
        return got;
    }
    got.verdict = GG_VERDICT_TOO_LATE;
    if (waits(job)) {
        got.verdict = GG_VERDICT_CANCELLED;
        finish(model, job, GG_JOB_CANCELLED);
    } else if (job->state == GG_JOB_RUNNING) {
        got.verdict = GG_VERDICT_CANCELLING;
        job->cancelling = true;
    }
    got.state = job->state;
    return got;
}

struct model_answer model_retry(struct model *model, int i)
{
    struct model_job *job = &model->jobs[i];
    struct model_answer got = model_get(model, i);
    if (got.err != GG_OK) {
        return got;
    }
    if (!ended(job) || job->state == GG_JOB_SUCCEEDED) {
        got.err = GG_ERR_BAD_STATE;
    } else if (key_holder(model, job->queue, job->key) >= 0) {
        got.err = GG_ERR_KEY_TAKEN;
    } else {
        job->key_held = job->key != 0;
        job->attempt_max = job->attempt + job->attempts;
        job->crashes = 0;
        job->expires = MODEL_NEVER;
        got.state = GG_JOB_READY; /* Told before it is given to anyone. */
        ready(model, job, false);
    }
    return got;
}

bool model_pause(struct model *model, int queue)
{
    bool settled = true;
    model->paused[queue] = true;
    for (int i = 0; i < model->job_count; i++) {
        const struct model_job *job = &model->jobs[i];
        settled = settled && !(job->state == GG_JOB_RUNNING && job->queue == queue &&
                               !job->started);
    }
    return settled;
}

void model_resume(struct model *model, int queue)
{
    model->paused[queue] = false;
    dispatch(model);
}

/* ---- agents ---- */

static int lease_of(const struct model *model, int agent, uint64_t fence)
{
    for (int i = 0; i < model->job_count; i++) {
        const struct model_job *job = &model->jobs[i];
        if (job->state == GG_JOB_RUNNING && job->agent == agent &&
            job->fence == fence) {
            return i;
        }
    }
    return -1;
}

/* The attempt goes on although its lease was thought to be over. */
static int take_back(struct model *model, int agent, uint64_t fence)
{
    for (int i = 0; i < model->job_count; i++) {
        struct model_job *job = &model->jobs[i];
        if (job->state == GG_JOB_READY && job->lost && job->attempts != 1 &&
            job->agent == agent && job->agent_life == model->agents[agent].life &&
            job->fence == fence) {
            job->state = GG_JOB_RUNNING;
            job->lost = false;
            job->started = false;
            return i;
        }
    }
    return -1;
}

/* Anything it says shows that it is there. */
static void heard(struct model *model, int agent)
{
    model->agents[agent].seen = model->now;
    model->agents[agent].suspect = false;
}

void model_hello(struct model *model, int i, int incarnation, int slots,
                 const uint64_t *held, const bool *started, int count)
{
    struct model_agent *agent = &model->agents[i];
    bool keep[MODEL_JOBS_MAX] = {false};
    agent->here = false;
    agent->known = true;
    if (incarnation != agent->incarnation) {
        leases_end(model, i, NULL, 0);
    }
    agent->incarnation = incarnation;
    for (int n = 0; n < count; n++) {
        int job = lease_of(model, i, held[n]);
        job = job >= 0 ? job : take_back(model, i, held[n]);
        if (job >= 0) {
            keep[job] = true;
            model->jobs[job].started = model->jobs[job].started || started[n];
            model->jobs[job].lease_end = model->now + model->bounds.lease_ms;
        }
    }
    leases_end(model, i, keep, -1);
    agent->here = true;
    agent->slots = slots;
    heard(model, i);
    dispatch(model);
}

void model_heartbeat(struct model *model, int agent, int slots, const uint64_t *held,
                     int count)
{
    for (int n = 0; n < count; n++) {
        int job = lease_of(model, agent, held[n]);
        if (job >= 0) {
            model->jobs[job].lease_end = model->now + model->bounds.lease_ms;
        }
    }
    heard(model, agent);
    model->agents[agent].slots = slots;
    dispatch(model);
}

void model_closed(struct model *model, int agent, bool bye)
{
    model->agents[agent].here = false;
    model->agents[agent].suspect = false;
    model->agents[agent].gone = model->now;
    if (bye) {
        leases_end(model, agent, NULL, 1);
    }
}

void model_started(struct model *model, int agent, int job, uint64_t fence)
{
    if (lease_of(model, agent, fence) == job) {
        model->jobs[job].started = true;
    }
    heard(model, agent);
    dispatch(model);
}

static void apply(struct model *model, struct model_job *job, enum gg_outcome kind,
                  bool never_started, int result)
{
    if (job->cancelling) {
        finish(model, job, GG_JOB_CANCELLED);
    } else if (kind == GG_OUTCOME_SUCCEEDED) {
        job->result = result;
        finish(model, job, GG_JOB_SUCCEEDED);
    } else if (kind == GG_OUTCOME_REJECTED) {
        finish(model, job, GG_JOB_FAILED);
    } else if (kind == GG_OUTCOME_SNOOZED) {
        job->attempt--;
        schedule(model, job, MODEL_SNOOZE_MS);
    } else if (kind == GG_OUTCOME_CRASHED &&
               ++job->crashes >= model->bounds.crashes_max) {
        finish(model, job, GG_JOB_FAILED);
    } else if (kind == GG_OUTCOME_HANDED_BACK &&
               !(job->attempts == 1 && (job->started || !never_started))) {
        job->attempt--;
        ready(model, job, true);
    } else if (kind == GG_OUTCOME_HANDED_BACK || kind == GG_OUTCOME_LOST) {
        lose(model, job, false);
    } else {
        fail(model, job);
    }
}

enum gg_err model_outcome(struct model *model, int agent, int i, uint64_t fence,
                          enum gg_outcome kind, bool never_started, int result)
{
    struct model_job *job = &model->jobs[i];
    bool newest = job->fence == fence && job->agent == agent &&
                  job->agent_life == model->agents[agent].life;
    bool final = kind == GG_OUTCOME_SUCCEEDED || kind == GG_OUTCOME_REJECTED;
    enum gg_err err = GG_OK;
    heard(model, agent);
    if (lease_of(model, agent, fence) == i) {
        apply(model, job, kind, never_started, result);
    } else if (newest && waits(job) && kind != GG_OUTCOME_HANDED_BACK) {
        if (final) { /* Late, but nothing finished is thrown away for that. */
            apply(model, job, kind, never_started, result);
        }
    } else if (!newest || !ended(job)) {
        err = GG_ERR_STALE;
    }
    dispatch(model);
    return err;
}

/* ---- after a step ---- */

void model_given(struct model *model, const struct model_given *given)
{
    if (model->given_count == MODEL_GIVEN_MAX) {
        wrong(model, "too much was given at once for this test");
        return;
    }
    model->given[model->given_count++] = *given;
}

void model_check(struct model *model)
{
    if (model->given_used != model->given_count) {
        wrong(model, "a job was started that was not due");
    }
    if (can_start(model)) {
        wrong(model, "a job waits while an agent has credit for it");
    }
    if (model->fault == NULL) {
        model->given_used = 0;
        model->given_count = 0;
    }
}
