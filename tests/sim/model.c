#include "tests/sim/model.h"

#define EACH_JOB(job)                                                                  \
    for (struct model_job *job = model->jobs; job < model->jobs + model->job_count;    \
         job++)

static void must(struct model *model, bool holds, const char *otherwise)
{
    model->fault = holds || model->fault != NULL ? model->fault : otherwise;
}

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
    int keep_ms = state == GG_JOB_SUCCEEDED ? MODEL_KEEP_MS : MODEL_KEEP_FAILED_MS;
    job->state = state;
    job->cancelling = job->lost = false;
    job->key_held = job->key_held && state == GG_JOB_SUCCEEDED;
    job->due = model->now + keep_ms;
}

static int busy(struct model *model, int agent)
{
    int count = 0;
    EACH_JOB(job) {
        count += job->state == GG_JOB_RUNNING && job->agent == agent;
    }
    return count;
}

static bool has_credit(struct model *model, int agent)
{
    const struct model_agent *it = &model->agents[agent];
    return it->here && model->now - it->seen < model->bounds.silent_ms &&
           busy(model, agent) < it->slots;
}

/* The job of a queue that must start before all others, or NULL. */
static struct model_job *head(struct model *model, int queue)
{
    struct model_job *best = NULL;
    EACH_JOB(job) {
        if (job->state == GG_JOB_READY && job->queue == queue &&
            (best == NULL || job->priority < best->priority ||
             (job->priority == best->priority && job->line < best->line))) {
            best = job;
        }
    }
    return model->paused[queue] ? NULL : best;
}

static bool can_start(struct model *model)
{
    return (has_credit(model, 0) || has_credit(model, 1)) &&
           (head(model, 0) != NULL || head(model, 1) != NULL);
}

static void start(struct model *model, const struct model_given *given)
{
    struct model_job *job = &model->jobs[given->job];
    must(model, head(model, job->queue) == job, "a job was started before its turn");
    must(model, has_credit(model, given->agent), "an agent was given too much");
    must(model, given->fence > model->last_fence, "a fence did not grow");
    must(model, given->attempt == job->attempt + 1, "an attempt was miscounted");
    model->last_fence = given->fence;
    job->state = GG_JOB_RUNNING;
    job->fence = given->fence;
    job->attempt++;
    job->agent = given->agent;
    job->agent_life = model->agents[given->agent].life;
    job->started = job->lost = false;
    job->lease_end = model->now + model->bounds.lease_ms;
    job->start_by = model->now + model->bounds.start_within_ms;
}

/* While something can start, the core has started something, and the right thing. */
static void dispatch(struct model *model)
{
    EACH_JOB(job) {
        if (waits(job) && job->expires <= model->now) {
            finish(model, job, GG_JOB_EXPIRED);
        }
    }
    while (can_start(model) && model->given_used < model->given_count) {
        start(model, &model->given[model->given_used++]);
    }
    must(model, !can_start(model), "a job waits while an agent has credit for it");
}

static void ready(struct model *model, struct model_job *job, bool front)
{
    job->state = GG_JOB_READY;
    job->line = front ? --model->first_line : ++model->last_line;
    dispatch(model);
}

static void lease_ends(struct model *model, struct model_job *job, bool given_back)
{
    bool free = given_back && !(job->attempts == 1 && job->started);
    if (job->cancelling) {
        finish(model, job, GG_JOB_CANCELLED);
    } else if (!free && (job->attempts == 1 || job->attempt >= job->attempt_max)) {
        finish(model, job, GG_JOB_FAILED);
    } else {
        job->lost = !free;
        job->attempt -= free;
        ready(model, job, true);
    }
}

enum why { CUT_OFF, DEAD, BYE, NOT_IN_HAND };
/* All leases of an agent that is not here, oldest first, but those marked in `keep`.
 * One that is cut off may begin what it has all the same. */
static void leases_end(struct model *model, int agent, const bool *keep, enum why why)
{
    struct model_job *first = NULL;
    EACH_JOB(job) {
        if (job->state == GG_JOB_RUNNING && job->agent == agent &&
            (keep == NULL || !keep[job - model->jobs]) &&
            (first == NULL || job->fence < first->fence)) {
            first = job;
        }
    }
    if (first != NULL) {
        int *adrift = &model->adrift[first->queue];
        bool may = why == CUT_OFF && !first->started && first->start_by > *adrift;
        *adrift = may ? first->start_by : *adrift;
        first->start_by = why == CUT_OFF ? first->start_by : 0;
        lease_ends(model, first, why == BYE || (why == NOT_IN_HAND && !first->started));
        leases_end(model, agent, keep, why);
    }
}

static void agent_due(struct model *model, int i)
{
    struct model_agent *agent = &model->agents[i];
    int away = agent->known && !agent->here ? model->now - agent->gone : 0;
    if (away >= model->bounds.grace_ms) {
        leases_end(model, i, NULL, CUT_OFF);
    }
    if (away >= model->bounds.forget_ms && busy(model, i) == 0) {
        agent->known = false;
        agent->life++;
    }
}

static void job_due(struct model *model, struct model_job *job)
{
    if (job->state == GG_JOB_SCHEDULED && job->due <= model->now) {
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
    agent_due(model, 0);
    agent_due(model, 1);
    EACH_JOB(job) {
        job_due(model, job);
    }
}

static int key_holder(struct model *model, int queue, int key)
{
    EACH_JOB(job) {
        if (key != 0 && job->key_held && job->queue == queue && job->key == key) {
            return (int)(job - model->jobs);
        }
    }
    return -1;
}

struct model_answer model_submit(struct model *model, const struct model_job *ask,
                                 int again)
{
    if (again >= 0 && model->jobs[again].state != GG_JOB_NONE) {
        return model_get(model, again);
    }
    int holder = key_holder(model, ask->queue, ask->key);
    struct model_answer got = {.err = GG_OK};
    int waiting = 0;
    EACH_JOB(job) {
        waiting += waits(job) && job->queue == ask->queue;
    }
    if (holder >= 0) {
        got = model_get(model, holder);
        got.existing = true;
        got.err = model->jobs[holder].payload == ask->payload ? GG_OK
                                                              : GG_ERR_KEY_CONFLICT;
    } else if (model->now - ask->at >= model->bounds.window_ms) {
        got.err = GG_ERR_ID_TOO_OLD;
    } else if (waiting >= model->bounds.queue_jobs_max) {
        got.err = GG_ERR_QUEUE_FULL;
    }
    if (holder >= 0 || got.err != GG_OK) {
        return got;
    }
    int place = again >= 0 ? again : model->job_count++;
    struct model_job *job = &model->jobs[place];
    *job = *ask;
    job->attempt_max = job->attempts;
    job->key_held = job->key != 0;
    job->state = GG_JOB_SCHEDULED;
    if (job->due <= model->now) {
        ready(model, job, false);
    }
    return model_get(model, place);
}

struct model_answer model_get(const struct model *model, int job)
{
    struct model_answer got = {.job = job, .state = model->jobs[job].state};
    got.err = got.state == GG_JOB_NONE ? GG_ERR_NOT_FOUND : GG_OK;
    return got;
}

struct model_answer model_cancel(struct model *model, int i)
{
    struct model_job *job = &model->jobs[i];
    struct model_answer got = model_get(model, i);
    bool adrift = job->lost && !job->started && job->start_by > model->now;
    job->cancelling = job->state == GG_JOB_RUNNING;
    got.verdict = waits(job) && !adrift           ? GG_VERDICT_CANCELLED
                  : waits(job) || job->cancelling ? GG_VERDICT_CANCELLING
                                                  : GG_VERDICT_TOO_LATE;
    if (waits(job)) {
        finish(model, job, GG_JOB_CANCELLED);
    }
    return got;
}

struct model_answer model_retry(struct model *model, int i)
{
    struct model_job *job = &model->jobs[i];
    struct model_answer got = model_get(model, i);
    if (got.err == GG_OK && (!ended(job) || job->state == GG_JOB_SUCCEEDED)) {
        got.err = GG_ERR_BAD_STATE;
    } else if (got.err == GG_OK && key_holder(model, job->queue, job->key) >= 0) {
        got.err = GG_ERR_KEY_TAKEN;
    } else if (got.err == GG_OK) {
        job->key_held = job->key != 0;
        job->attempt_max = job->attempt + job->attempts;
        job->crashes = 0;
        job->expires = MODEL_NEVER;
        got.state = GG_JOB_READY; /* Told before it is given to anyone. */
        ready(model, job, false);
    }
    return got;
}

bool model_pause(struct model *model, int queue, bool paused, bool answered)
{
    int over = model->now - model->adrift[queue];
    bool settled = over >= model->bounds.adrift_ms || (over >= 0 && answered);
    model->paused[queue] = paused;
    EACH_JOB(job) {
        settled = settled &&
                  (job->state != GG_JOB_RUNNING || job->queue != queue || job->started);
    }
    return settled || !paused;
}

/* The job whose newest attempt has this fence and was this agent's; or NULL. */
static struct model_job *newest(struct model *model, int agent, uint64_t fence)
{
    EACH_JOB(job) {
        if (job->fence == fence && job->agent == agent &&
            job->agent_life == model->agents[agent].life) {
            return job;
        }
    }
    return NULL;
}

/* Anything an agent says shows that it is there; what it says it holds is renewed. */
void model_heartbeat(struct model *model, int agent, int slots, const uint64_t *held,
                     int count)
{
    model->agents[agent].seen = model->now;
    model->agents[agent].slots = slots;
    for (int n = 0; n < count; n++) {
        struct model_job *job = newest(model, agent, held[n]);
        if (job != NULL) {
            job->lease_end = model->now + model->bounds.lease_ms;
        }
    }
}

void model_hello(struct model *model, int i, int incarnation, int slots,
                 const uint64_t *held, const bool *started, int count)
{
    struct model_agent *agent = &model->agents[i];
    bool keep[MODEL_JOBS_MAX] = {false};
    agent->here = false;
    agent->known = true;
    if (incarnation != agent->incarnation) {
        leases_end(model, i, NULL, DEAD);
    }
    for (int n = 0; n < count; n++) {
        struct model_job *job = newest(model, i, held[n]);
        if (job != NULL && job->state == GG_JOB_READY && job->lost) {
            job->state = GG_JOB_RUNNING; /* It goes on, though thought to be over. */
            job->started = job->lost = false;
        }
        if (job != NULL) {
            keep[job - model->jobs] = true;
            job->started = job->started || started[n];
        }
    }
    leases_end(model, i, keep, NOT_IN_HAND);
    agent->incarnation = incarnation;
    agent->here = true;
    model_heartbeat(model, i, slots, held, count);
}

void model_closed(struct model *model, int agent, bool bye)
{
    model->agents[agent].here = false;
    model->agents[agent].gone = model->now;
    if (bye) {
        leases_end(model, agent, NULL, BYE);
    }
}

void model_started(struct model *model, int agent, uint64_t fence)
{
    struct model_job *job = newest(model, agent, fence);
    if (job != NULL && job->state == GG_JOB_RUNNING) {
        job->started = true;
    }
    model->agents[agent].seen = model->now;
}

static void apply(struct model *model, struct model_job *job, enum gg_outcome kind,
                  bool never_started, int result)
{
    job->crashes += kind == GG_OUTCOME_CRASHED;
    if (job->cancelling) {
        finish(model, job, GG_JOB_CANCELLED);
    } else if (kind == GG_OUTCOME_SUCCEEDED) {
        job->result = result;
        finish(model, job, GG_JOB_SUCCEEDED);
    } else if (kind == GG_OUTCOME_HANDED_BACK || kind == GG_OUTCOME_LOST) {
        job->started = job->started || !never_started;
        lease_ends(model, job, kind == GG_OUTCOME_HANDED_BACK);
        job->lost = false;
    } else if (kind != GG_OUTCOME_SNOOZED &&
               (kind == GG_OUTCOME_REJECTED || job->attempt >= job->attempt_max ||
                (kind == GG_OUTCOME_CRASHED &&
                 job->crashes >= model->bounds.crashes_max))) {
        finish(model, job, GG_JOB_FAILED);
    } else {
        bool snoozed = kind == GG_OUTCOME_SNOOZED;
        job->attempt -= snoozed;
        job->state = GG_JOB_SCHEDULED;
        job->due = model->now + (snoozed ? MODEL_SNOOZE_MS : MODEL_BACKOFF_MS);
    }
}

enum gg_err model_outcome(struct model *model, int agent, uint64_t fence,
                          enum gg_outcome kind, bool never_started, int result)
{
    struct model_job *job = newest(model, agent, fence);
    bool final = kind == GG_OUTCOME_SUCCEEDED || kind == GG_OUTCOME_REJECTED;
    model->agents[agent].seen = model->now;
    if (job == NULL || job->state == GG_JOB_EVICTED || job->state == GG_JOB_NONE ||
        (waits(job) && kind == GG_OUTCOME_HANDED_BACK)) {
        return GG_ERR_STALE;
    }
    /* What is final counts even when it comes late: nothing finished is thrown away. */
    if (job->state == GG_JOB_RUNNING || (waits(job) && final)) {
        apply(model, job, kind, never_started, result);
    }
    return GG_OK;
}

void model_check(struct model *model)
{
    dispatch(model);
    must(model, model->given_used == model->given_count, "a start was not due");
}
