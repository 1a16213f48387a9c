/* sim_agent.c - an agent's process: the production agent; contact, staff and keeper as
 * worker/ has them, with jobs that are random numbers. The keeper and the jobs live on
 * while the agent is stopped; when the agent dies the keeper ends them all. */
#include <stdio.h>

#include "common/assert.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

enum {
    BACKOFF_MS_MIN = 10,
    BACKOFF_MS_MAX = 2000,
    DRAIN_MS = 2000,
    SENDS_MAX = 50,
    KILL_DELAY_MS = 2,
    DIES_PPM = 200000,
    STUCK_PPM = 100000, /* Behind one that takes long. */
    STUCK_MS_MAX = 30000,
};

static void turn(struct sim *sim, uint32_t i);

/* ---- processes ---- */

static struct sim_run *find_run(struct sim_agent *agent, uint64_t serial)
{
    for (int i = 0; i < SIM_RUNS_MAX; i++) {
        if (agent->runs[i].used && agent->runs[i].serial == serial) {
            return &agent->runs[i];
        }
    }
    return NULL;
}

static struct sim_run *run_of(struct sim_agent *agent, uint64_t fence)
{
    for (int i = 0; i < SIM_RUNS_MAX; i++) {
        if (agent->runs[i].used && agent->runs[i].fence == fence) {
            return &agent->runs[i];
        }
    }
    return NULL;
}

static uint8_t draw_outcome(struct sim *sim)
{
    static const uint8_t bad[] = {GG_OUTCOME_FAILED,     GG_OUTCOME_FAILED,
                                  GG_OUTCOME_REJECTED,   GG_OUTCOME_SNOOZED,
                                  GG_OUTCOME_CRASHED,    GG_OUTCOME_CRASHED,
                                  GG_OUTCOME_NOT_STARTED};
    return sim_chance(&sim->job_rng, sim->swarm.fail_ppm)
               ? bad[gg_rng_below(&sim->job_rng, sizeof bad)]
               : GG_OUTCOME_SUCCEEDED;
}

/* Its executor may have others to do first, as in worker/exec/executor.c. */
static void stand_behind(struct sim *sim, uint16_t node, struct sim_run *run,
                         const struct gg_attempt *attempt)
{
    run->behind = sim->swarm.behind_ppm > 0 && attempt->work->attempts_max != 1 &&
                  sim_chance(&sim->job_rng, sim->swarm.behind_ppm);
    if (run->behind) {
        run->dies = sim_chance(&sim->job_rng, DIES_PPM);
        run->outcome = run->outcome == GG_OUTCOME_NOT_STARTED ? GG_OUTCOME_FAILED
                                                              : run->outcome;
        run->start_by = sim_world_time(sim, node,
                                       (struct gg_mono){attempt->start_by_ms});
    }
}

/* Half of them are handlers, the others co-processes, which cannot be asked. */
static bool gives_back(const struct sim_run *run)
{
    return (run->serial & 1) != 0;
}

/* What does not come back counts as started, although its turn is yet to come. */
static void hand_over(struct sim *sim, uint32_t i, struct sim_run *run)
{
    struct gg_worker *worker = sim->agents[i].worker;
    oracle_run_given(sim, &run->id);
    if (run->behind && gives_back(run)) {
        gg_worker_behind(worker, run->fence);
        return;
    }
    oracle_run_begins_late(sim, i, &run->id, run->fence);
    if (run->behind) {
        sim_mark(SIM_MARK_ADMITTED);
        run->behind = false;
        oracle_run_since(i, &run->id, run->fence, INT64_MAX);
        gg_worker_admit(worker, run->fence);
    }
}

static void begin(struct sim *sim, uint32_t i, struct gg_attempt *attempt)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    struct sim_run *run = NULL;
    for (int n = 0; n < SIM_RUNS_MAX && run == NULL; n++) {
        run = agent->runs[n].used ? NULL : &agent->runs[n];
    }
    GG_ASSERT(run != NULL);
    *run = (struct sim_run){
        .used = true,
        .id = attempt->id,
        .fence = attempt->fence,
        .deadline = sim_world_time(sim, node, (struct gg_mono){attempt->lease_ms}),
        .serial = ++agent->serial,
    };
    run->stubborn = sim_chance(&sim->job_rng, sim->swarm.stubborn_ppm);
    run->outcome = draw_outcome(sim);
    gg_worker_starting(agent->worker, attempt);
    stand_behind(sim, node, run, attempt);
    bool stuck = run->behind && sim_chance(&sim->job_rng, STUCK_PPM);
    hand_over(sim, i, run);
    SIM_TRACE(sim, "%-8s starts %02x%02x fence %llu", agent->name, run->id.bytes[14],
              run->id.bytes[15], (unsigned long long)run->fence);
    int64_t spawn = (int64_t)gg_rng_below(&sim->job_rng,
                                          (uint64_t)sim->swarm.spawn_ms + 1);
    if (stuck) {
        spawn += (int64_t)gg_rng_below(&sim->job_rng, STUCK_MS_MAX);
    }
    sim_after(sim, spawn, SIM_EV_SPAWNED, node, run->serial);
    int64_t length = sim_about(&sim->job_rng, sim->swarm.run_ms);
    bool runs = run->outcome != GG_OUTCOME_NOT_STARTED;
    sim_after(sim, spawn + (runs ? length : 0), SIM_EV_DONE, node, run->serial);
    if (run->deadline != INT64_MAX) {
        sim_after(sim, run->deadline - sim->now, SIM_EV_DEADLINE, node, run->serial);
    }
}

/* Its executor has not begun it, and will not. */
static void return_run(struct sim *sim, uint32_t i, struct sim_run *run)
{
    struct sim_agent *agent = &sim->agents[i];
    SIM_TRACE(sim, "%-8s has fence %llu back", agent->name,
              (unsigned long long)run->fence);
    sim_mark(run->asked_back ? SIM_MARK_ASKED_BACK : SIM_MARK_RETURNED);
    uint64_t fence = run->fence;
    run->used = false;
    gg_worker_returned(agent->worker, fence);
}

/* The process is gone. Whoever looks after it is told once he runs. */
static void end_run(struct sim *sim, uint32_t i, struct sim_run *run, uint8_t outcome,
                    bool by_keeper)
{
    struct sim_agent *agent = &sim->agents[i];
    char text[32];
    struct gg_ending ending = {.kind = (enum gg_outcome)outcome,
                               .exit_status = GG_UNSAID,
                               .keeper_killed = by_keeper,
                               .snooze_ms = 700};
    struct gg_blob *result = NULL;
    if (run->behind) {
        return_run(sim, i, run);
        return;
    }
    if (outcome == GG_OUTCOME_SUCCEEDED) {
        int len = snprintf(text, sizeof text, "result of %llu",
                           (unsigned long long)run->fence);
        result = gg_blob_new(gg_slice_of(text, (size_t)len));
        ending.exit_status = 0;
        ending.result = result;
    } else {
        gg_ending_set_text(&ending, gg_slice_text("it did not go well"));
    }
    oracle_run_ends(sim, i, &run->id, run->fence);
    SIM_TRACE(sim, "%-8s ends fence %llu as %u%s", agent->name,
              (unsigned long long)run->fence, outcome, by_keeper ? ", by keeper" : "");
    uint64_t fence = run->fence;
    run->used = false;
    gg_worker_ended(agent->worker, sim_now(sim, sim_agent_node(sim, i)).mono, fence,
                    &ending);
    gg_blob_unref(&result);
}

/* What a job says on its way tells its fence in each word, so that nobody can take it
 * for another's. */
static void talk(struct sim *sim, uint32_t i, const struct sim_run *run)
{
    char fence[32];
    char piece[8];
    struct gg_worker *worker = sim->agents[i].worker;
    if (!sim->swarm.talks) {
        return;
    }
    (void)snprintf(fence, sizeof fence, "%llu", (unsigned long long)run->fence);
    memset(piece, SIM_LETTER(run->fence), sizeof piece);
    struct gg_line lines[] = {
        {.kind = GG_LINE_PROGRESS, .ppm = 1, .text = gg_slice_text(fence)},
        {.kind = GG_LINE_PARTIAL, .text = gg_slice_of(piece, 1 + run->fence % 7)},
        {.kind = GG_LINE_CHECKPOINT, .text = gg_slice_text(fence)},
    };
    for (size_t n = 0; n < sizeof lines / sizeof lines[0]; n++) {
        gg_worker_said(worker, run->fence, &lines[n]);
    }
}

static void stop_run(struct sim *sim, uint32_t i, struct sim_run *run,
                     uint64_t grace_ms)
{
    bool obeys = !run->stubborn && grace_ms > 0;
    int64_t after = obeys ? 1 + (int64_t)gg_rng_below(&sim->job_rng, 30)
                          : (int64_t)grace_ms + KILL_DELAY_MS;
    if (run->stubborn && grace_ms > 0) {
        sim_mark(SIM_MARK_KILLED);
    }
    sim_after(sim, after, SIM_EV_KILL, sim_agent_node(sim, i), run->serial);
}

/* The keeper looks: the lease may have been renewed since. */
static void on_deadline(struct sim *sim, uint32_t i, struct sim_run *run)
{
    if (run->deadline > sim->now) {
        sim_after(sim, run->deadline - sim->now, SIM_EV_DEADLINE,
                  sim_agent_node(sim, i), run->serial);
        return;
    }
    sim_mark(SIM_MARK_KEEPER);
    end_run(sim, i, run, GG_OUTCOME_LOST, true);
}

static void do_todos(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    unsigned mask = 0;
    struct gg_attempt *attempt;
    while ((attempt = gg_worker_next_todo(agent->worker, &mask)) != NULL) {
        struct sim_run *run = run_of(agent, attempt->fence);
        if (run == NULL) {
            continue;
        }
        if ((mask & GG_TODO_LEASE) != 0) {
            run->deadline = sim_world_time(sim, sim_agent_node(sim, i),
                                           (struct gg_mono){attempt->lease_ms});
        }
        if ((mask & GG_TODO_WITHDRAW) != 0) {
            run->asked_back = run->behind;
        }
        if ((mask & GG_TODO_STOP) != 0) {
            run->asked_back = run->asked_back || run->behind;
            sim_mark(SIM_MARK_STOPPED);
            if (attempt->why == GG_WHY_STOP_LEASE) {
                sim_mark(SIM_MARK_SELF_FENCED);
            }
            stop_run(sim, i, run, attempt->grace_ms);
        }
    }
}

/* ---- contact ---- */

static uint64_t next_backoff(struct sim *sim, struct sim_agent *agent)
{
    uint64_t ms = agent->backoff_ms;
    agent->backoff_ms = ms * 2 < BACKOFF_MS_MAX ? ms * 2 : BACKOFF_MS_MAX;
    return ms / 2 + gg_rng_below(&sim->net_rng, ms / 2 + 1);
}

static void rebuild(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    gg_worker_lost(agent->worker);
    sim_disconnect(sim, sim_agent_node(sim, i));
    agent->connecting = false;
    agent->open_at = sim->now + (int64_t)next_backoff(sim, agent);
}

static void connect_or_greet(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    if (sim->nodes[node].conn == 0) {
        if (!agent->connecting && agent->open_at <= sim->now) {
            agent->connecting = true;
            sim_connect(sim, node);
        }
        return;
    }
    if (!agent->connecting && agent->worker->state == GG_WORKER_DOWN &&
        agent->hello_at <= sim->now) {
        uint64_t session = gg_rng_next(&sim->net_rng) | 1;
        SIM_TRACE(sim, "%-8s says hello, %u in hand", agent->name,
                  agent->worker->attempts.count);
        gg_worker_hello(agent->worker, sim_now(sim, node), session);
    }
}

static void write_out(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint32_t conn = sim->nodes[sim_agent_node(sim, i)].conn;
    struct gg_slice frame;
    struct gg_blob *attachment = NULL;
    for (int n = 0; n < SENDS_MAX && conn != 0 && !agent->connecting &&
                    gg_worker_front(agent->worker, &frame, &attachment);
         n++) {
        sim_send(sim, conn, true, frame, gg_blob_slice(attachment));
        gg_worker_sent(agent->worker);
    }
}

static void on_news(struct sim *sim, uint32_t i, enum gg_worker_news news)
{
    struct sim_agent *agent = &sim->agents[i];
    if (news == GG_NEWS_WELCOME) {
        agent->backoff_ms = BACKOFF_MS_MIN;
    } else if (news == GG_NEWS_RESET) {
        uint64_t wait = next_backoff(sim, agent);
        wait = agent->worker->reset_retry_ms > wait ? agent->worker->reset_retry_ms
                                                    : wait;
        agent->hello_at = sim->now + (int64_t)wait;
        if (agent->worker->reset_err == GG_ERR_NAME_TAKEN) {
            sim_mark(SIM_MARK_NAME_TAKEN);
        }
        SIM_TRACE(sim, "%-8s is reset: %s", agent->name,
                  gg_err_name(agent->worker->reset_err));
    }
}

/* ---- the loop ---- */

static void set_wake(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    int64_t at = sim_world_time(sim, node, gg_worker_next_wake(agent->worker));
    if (sim->nodes[node].conn == 0 && !agent->connecting && agent->open_at < at) {
        at = agent->open_at;
    }
    if (agent->worker->state == GG_WORKER_DOWN && !agent->connecting &&
        sim->nodes[node].conn != 0 && agent->hello_at < at) {
        at = agent->hello_at;
    }
    if (at != INT64_MAX) {
        sim_wake(sim, node, at);
    }
}

static void leave_if_drained(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    if (agent->leaving && gg_worker_is_drained(agent->worker)) {
        sim_mark(SIM_MARK_DRAINED);
        gg_worker_bye(agent->worker, "drained");
        write_out(sim, i);
        sim_agent_stop(sim, i);
        sim_after(sim, 50, SIM_EV_BACK, sim_agent_node(sim, i), 0);
    }
}

static void turn(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    struct gg_mono now = sim_now(sim, node).mono;
    connect_or_greet(sim, i);
    gg_worker_tick(agent->worker, now);
    if (gg_worker_is_silent(agent->worker, now)) {
        rebuild(sim, i);
    }
    struct gg_attempt *attempt;
    for (uint32_t pool = 0; pool <= sim->swarm.pools; pool++) {
        while ((attempt = gg_worker_next_start(agent->worker, pool)) != NULL) {
            begin(sim, i, attempt);
        }
    }
    do_todos(sim, i);
    write_out(sim, i);
    if (sim->nodes[node].up) {
        set_wake(sim, i);
        leave_if_drained(sim, i);
    }
}

/* The oracle reads along: what an agent knows to be safe must stay so. */
static void read_confirms(struct sim *sim, const struct sim_packet *packet)
{
    struct gg_message message;
    struct gg_command command;
    struct gg_fault fault;
    if (sim->swarm.durable &&
        gg_message_open(sim_packet_frame(packet), sim_packet_attachment(packet),
                        &message, &fault) == GG_OK) {
        while (gg_message_next(&message, &command, &fault)) {
            if (fault.err == GG_OK && command.code == GG_CMD_CONFIRM) {
                oracle_confirmed(sim, &command.as.confirm);
            }
        }
    }
}

static void on_arrival(struct sim *sim, uint32_t i, const struct sim_packet *packet)
{
    uint16_t node = sim_agent_node(sim, i);
    uint32_t conn = sim_packet_conn(packet);
    if (sim->nodes[node].conn != conn || sim->conns[conn].broken) {
        return;
    }
    read_confirms(sim, packet);
    enum gg_worker_news news = gg_worker_receive(
        sim->agents[i].worker, sim_now(sim, node).mono, sim_packet_frame(packet),
        sim_packet_attachment(packet), NULL);
    on_news(sim, i, news);
}

static void on_connected(struct sim *sim, uint32_t i, uint32_t conn)
{
    struct sim_agent *agent = &sim->agents[i];
    if (conn == 0) {
        sim_connect(sim, sim_agent_node(sim, i)); /* Refused: once more. */
    } else if (sim->conns[conn].broken) {
        sim->nodes[sim_agent_node(sim, i)].conn = 0;
        sim_connect(sim, sim_agent_node(sim, i));
    } else {
        agent->connecting = false;
        agent->hello_at = sim->now;
    }
}

/* libzmq connects again by itself. */
static void on_lost(struct sim *sim, uint32_t i, uint32_t conn)
{
    uint16_t node = sim_agent_node(sim, i);
    if (sim->nodes[node].conn == conn) {
        gg_worker_lost(sim->agents[i].worker);
        sim_disconnect(sim, node);
        sim->agents[i].connecting = true;
        sim_connect(sim, node);
    }
}

static void on_process(struct sim *sim, uint32_t i, const struct sim_event *ev)
{
    struct sim_agent *agent = &sim->agents[i];
    struct sim_run *run = find_run(agent, ev->a);
    if (run == NULL) {
        return;
    }
    bool late = run->behind && run->start_by <= sim->now;
    if (ev->kind == SIM_EV_SPAWNED && run->behind &&
        (run->dies || run->asked_back || late)) {
        return_run(sim, i, run);
    } else if (ev->kind == SIM_EV_SPAWNED) {
        if (run->behind) {
            run->behind = false;
            sim_mark(SIM_MARK_BEHIND);
            oracle_run_begins_late(sim, i, &run->id, run->fence);
        }
        if (run->outcome != GG_OUTCOME_NOT_STARTED) {
            oracle_run_since(i, &run->id, run->fence, sim->now);
            gg_worker_started(agent->worker, sim_now(sim, ev->node).mono, run->fence);
            talk(sim, i, run);
        }
    } else if (ev->kind == SIM_EV_DONE) {
        talk(sim, i, run);
        end_run(sim, i, run, run->outcome, false);
    } else if (ev->kind == SIM_EV_KILL) {
        end_run(sim, i, run, GG_OUTCOME_CRASHED, false);
    } else {
        on_deadline(sim, i, run);
    }
}

void sim_agent_on(struct sim *sim, uint32_t i, const struct sim_event *ev)
{
    uint16_t node = sim_agent_node(sim, i);
    if (ev->kind == SIM_EV_BACK) {
        sim_agent_start(sim, i);
        return;
    }
    if (!sim->nodes[node].up) {
        return;
    }
    switch ((enum sim_event_kind)ev->kind) {
    case SIM_EV_ARRIVE:
        on_arrival(sim, i, ev->packet);
        break;
    case SIM_EV_CONNECTED:
        on_connected(sim, i, (uint32_t)ev->a);
        break;
    case SIM_EV_LOST:
        on_lost(sim, i, (uint32_t)ev->a);
        break;
    case SIM_EV_SPAWNED:
    case SIM_EV_DONE:
    case SIM_EV_KILL:
    case SIM_EV_DEADLINE:
        on_process(sim, i, ev);
        break;
    case SIM_EV_WAKE:
        sim->nodes[node].wake_at = INT64_MAX;
        break;
    case SIM_EV_RESUME:
    case SIM_EV_NONE:
    case SIM_EV_LEFT:
    case SIM_EV_PASS:
    case SIM_EV_SYNCED:
    case SIM_EV_ACT:
    case SIM_EV_BACK:
    case SIM_EV_FAULT:
    case SIM_EV_MEND:
        break;
    }
    if (sim->nodes[node].stopped_until <= sim->now) {
        turn(sim, i); /* Else it learns of it when it goes on. */
    }
}

/* ---- life ---- */

void sim_agent_start(struct sim *sim, uint32_t i)
{
    static const char *const queues[] = {"q*", "q0"};
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    uint64_t serial = agent->serial;
    *agent = (struct sim_agent){
        .backoff_ms = BACKOFF_MS_MIN,
        .open_at = sim->now,
        .serial = serial,
        .incarnation = (uint64_t)sim->now + 1,
        .pools = {{.slots = sim->swarm.slots, .queues = queues, .queue_count = 1},
                  {.slots = 1, .queues = queues + 1, .queue_count = 1}}};
    (void)snprintf(agent->name, sizeof agent->name, "agent%u", i);
    struct gg_worker_config config = {.name = gg_slice_text(agent->name),
                                      .host = gg_slice_text("sim"),
                                      .program = gg_slice_text("sim"),
                                      .pid = 1,
                                      .incarnation = agent->incarnation,
                                      .seed = sim->seed,
                                      .pools = agent->pools,
                                      .pool_count = 1 + sim->swarm.pools};
    enum gg_err err = gg_worker_new(&config, &agent->worker);
    GG_ASSERT(err == GG_OK);
    sim->nodes[node].up = true;
    sim->nodes[node].conn = 0;
    sim->nodes[node].wake_at = INT64_MAX;
    SIM_TRACE(sim, "%-8s starts", agent->name);
    turn(sim, i);
}

/* kill -9 (or the end after a drain): the keeper ends what it ran. */
void sim_agent_stop(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    if (!sim->nodes[node].up) {
        return;
    }
    SIM_TRACE(sim, "%-8s ends", agent->name);
    for (int n = 0; n < SIM_RUNS_MAX; n++) {
        if (agent->runs[n].used && !agent->runs[n].behind) {
            oracle_run_ends(sim, i, &agent->runs[n].id, agent->runs[n].fence);
        }
        agent->runs[n].used = false;
    }
    sim->nodes[node].up = false;
    sim->nodes[node].stopped_until = 0;
    sim->nodes[node].life++;
    sim_disconnect(sim, node);
    gg_worker_destroy(&agent->worker);
}

void sim_agent_drain(struct sim *sim, uint32_t i)
{
    struct sim_agent *agent = &sim->agents[i];
    uint16_t node = sim_agent_node(sim, i);
    if (sim->nodes[node].up && !agent->leaving) {
        agent->leaving = true;
        gg_worker_drain(agent->worker, sim_now(sim, node).mono, DRAIN_MS);
        turn(sim, i);
    }
}
