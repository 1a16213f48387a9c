#include "worker/agent_say.h"

#include "common/assert.h"

enum { RESERVE_BYTES = 2 << 20 };

void gg_say_started(struct gg_worker *agent, struct gg_attempt *attempt)
{
    struct gg_started started = {.id = attempt->id, .fence = attempt->fence};
    attempt->told = true;
    if (agent->state == GG_WORKER_UP) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_STARTED, 0, &started, NULL);
    }
}

void gg_say_progress(struct gg_worker *agent, struct gg_attempt *attempt)
{
    struct gg_work *work = attempt->work;
    struct gg_progress progress;
    gg_list_remove(&attempt->said);
    work->progress_is_new = false;
    if (agent->state != GG_WORKER_UP || !gg_postbag_has_room(&agent->postbag)) {
        return;
    }
    gg_record_default(GG_RECORD_PROGRESS, &progress);
    progress.id = attempt->id;
    progress.fence = attempt->fence;
    progress.progress_ppm = work->progress_ppm;
    progress.progress_text = gg_blob_slice(work->progress_text);
    (void)gg_postbag_add(&agent->postbag, GG_CMD_PROGRESS, 0, &progress, NULL);
}

void gg_say_checkpoint(struct gg_worker *agent, const struct gg_attempt *attempt)
{
    struct gg_checkpoint checkpoint = {
        .id = attempt->id,
        .fence = attempt->fence,
        .data = gg_blob_slice(attempt->work->stored_checkpoint),
    };
    if (agent->state == GG_WORKER_UP) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_CHECKPOINT, 0, &checkpoint, NULL);
    }
}

void gg_say_outcome(struct gg_worker *agent, const struct gg_attempt *attempt)
{
    struct gg_outcome_info outcome = {
        .id = attempt->id,
        .fence = attempt->fence,
        .kind = attempt->kind,
        .exit_status = attempt->exit_status,
        .signal = attempt->signal,
        .snooze_ms = attempt->snooze_ms,
        .never_started = attempt->never_started,
        .run_ms = attempt->run_ms,
        .text = gg_blob_slice(attempt->detail.text),
        .output = gg_blob_slice(attempt->detail.output),
        .result = attempt->result != NULL
                      ? gg_blob_slice(attempt->result)
                      : gg_slice_of(attempt->small, attempt->small_len),
    };
    if (agent->state == GG_WORKER_UP) {
        /* The fence as the request's number: a refusal can then be told apart. */
        (void)gg_postbag_add(&agent->postbag, GG_CMD_OUTCOME, attempt->fence, &outcome,
                             attempt->result);
    }
}

/* Hand back an assignment that there was no room to remember. */
void gg_say_unkept(struct gg_worker *agent, const struct gg_id *id, uint64_t fence)
{
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = *id;
    outcome.fence = fence;
    outcome.kind = GG_OUTCOME_HANDED_BACK;
    outcome.never_started = true;
    if (agent->state == GG_WORKER_UP) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_OUTCOME, fence, &outcome, NULL);
    }
}

static struct gg_list scratch_list(const struct gg_worker *agent, size_t from,
                                   uint32_t count)
{
    return (struct gg_list){
        .raw = gg_slice_of(agent->scratch.data + from, agent->scratch.len - from),
        .count = count};
}

/* The texts of one pool, as packed. */
struct pool_texts {
    size_t start;
    size_t end;
};

/* Pack the names of the queues of each pool that the broker does not know in this
 * session, and make room for all that will lend from them. */
static bool write_queues(struct gg_worker *agent, struct pool_texts *texts)
{
    for (uint32_t i = 0; i < GG_POOLS_MAX; i++) {
        const struct gg_pool_now *pool = &agent->pools[i];
        texts[i].start = agent->scratch.len;
        for (uint32_t j = 0; pool->used && !pool->told && j < pool->config.queue_count;
             j++) {
            gg_text_write(&agent->scratch, gg_slice_text(pool->config.queues[j]));
        }
        texts[i].end = agent->scratch.len;
    }
    /* What follows lends from the buffer it appends to: it must not move. */
    return gg_buf_reserve(&agent->scratch, RESERVE_BYTES);
}

/* Pack the pools with their windows; with what they are where that is news. */
static struct gg_list write_pools(struct gg_worker *agent,
                                  const struct pool_texts *texts)
{
    struct gg_list out = {.count = 0};
    size_t start = agent->scratch.len;
    for (uint32_t i = 0; i < GG_POOLS_MAX; i++) {
        struct gg_pool_now *pool = &agent->pools[i];
        struct gg_pool_info info;
        if (!pool->used) {
            continue;
        }
        gg_record_default(GG_RECORD_POOL, &info);
        info.pool = i + 1;
        info.slots = agent->draining ? 0 : pool->window;
        if (!pool->told) {
            info.realm = pool->config.realm;
            info.name = pool->config.name;
            info.queues.raw = gg_slice_of(agent->scratch.data + texts[i].start,
                                          texts[i].end - texts[i].start);
            info.queues.count = pool->config.queue_count;
            pool->told = true;
        }
        gg_record_write(&agent->scratch, GG_RECORD_POOL, &info, NULL);
        out.count++;
    }
    out.raw = gg_slice_of(agent->scratch.data + start, agent->scratch.len - start);
    return out;
}

void gg_say_heartbeat(struct gg_worker *agent, struct gg_mono now)
{
    struct gg_heartbeat beat;
    struct pool_texts texts[GG_POOLS_MAX];
    uint32_t held = 0;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    gg_buf_clear(&agent->scratch);
    agent->beat_at_ms = gg_mono_add(now, agent->heartbeat_ms).ms;
    if (!write_queues(agent, texts)) {
        return; /* No memory: the next one may go. */
    }
    beat.pools = write_pools(agent, texts);
    size_t fences = agent->scratch.len;
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        gg_num_write(&agent->scratch, GG_CONTAINER(it, struct gg_attempt, link)->fence);
        held++;
    }
    beat.held = scratch_list(agent, fences, held);
    beat.draining = agent->draining;
    if (agent->scratch.failed) {
        return;
    }
    uint64_t sequence = gg_postbag_add(&agent->postbag, GG_CMD_HEARTBEAT, 0, &beat,
                                       NULL);
    GG_LIST_EACH(&agent->attempts.in_hand, at)
    {
        struct gg_attempt *attempt = GG_CONTAINER(at, struct gg_attempt, link);
        attempt->first_listed = attempt->first_listed == 0 ? sequence
                                                           : attempt->first_listed;
    }
    if (agent->beat_count == GG_BEATS_MAX) {
        memmove(agent->beats, agent->beats + 1,
                (GG_BEATS_MAX - 1) * sizeof *agent->beats);
        agent->beat_count--;
    }
    agent->beats[agent->beat_count++] = (struct gg_beat){.sequence = sequence,
                                                         .sent_ms = now.ms};
}

/* One that is to end may stand behind others still. */
static bool has_started(const struct gg_attempt *attempt)
{
    return attempt->told || attempt->started_ms != 0 ||
           (attempt->state == GG_ATTEMPT_FINISHED && !attempt->never_started);
}

static bool write_hello(struct gg_worker *agent, struct gg_hello *hello)
{
    struct pool_texts texts[GG_POOLS_MAX];
    uint32_t held = 0;
    gg_buf_clear(&agent->scratch);
    for (uint32_t i = 0; i < GG_POOLS_MAX; i++) {
        agent->pools[i].told = false;
    }
    if (!write_queues(agent, texts)) {
        return false;
    }
    hello->pools = write_pools(agent, texts);
    size_t attempts = agent->scratch.len;
    GG_LIST_EACH(&agent->attempts.in_hand, it)
    {
        const struct gg_attempt *attempt = GG_CONTAINER(it, struct gg_attempt, link);
        struct gg_held entry = {
            .id = attempt->id,
            .fence = attempt->fence,
            .pool = attempt->pool + 1,
            .started = has_started(attempt),
        };
        gg_record_write(&agent->scratch, GG_RECORD_HELD, &entry, NULL);
        held++;
        hello->outcomes += attempt->state == GG_ATTEMPT_FINISHED ? 1 : 0;
    }
    hello->held = scratch_list(agent, attempts, held);
    return !agent->scratch.failed;
}

void gg_worker_hello(struct gg_worker *agent, struct gg_now now, uint64_t session)
{
    GG_ASSERT(session != 0);

    struct gg_hello hello;
    gg_record_default(GG_RECORD_HELLO, &hello);
    gg_postbag_reset(&agent->postbag, session);
    hello.version_min = GG_PROTOCOL_VERSION;
    hello.version_max = GG_PROTOCOL_VERSION;
    hello.kind = GG_PEER_AGENT;
    hello.name = agent->config.name;
    hello.host = agent->config.host;
    hello.pid = agent->config.pid;
    hello.program = agent->config.program;
    hello.incarnation = agent->config.incarnation;
    hello.epoch = agent->epoch;
    hello.now_at = (uint64_t)now.wall.ms;
    hello.draining = agent->draining;
    if (!write_hello(agent, &hello)) {
        agent->state = GG_WORKER_DOWN;
        return;
    }
    (void)gg_postbag_add(&agent->postbag, GG_CMD_HELLO, 0, &hello, NULL);
    agent->state = GG_WORKER_HELLO_SENT;
    agent->session = session;
    agent->received = 0;
    agent->heard_ms = now.mono.ms;
    agent->ticked_ms = now.mono.ms;
    agent->beats[0] = (struct gg_beat){.sequence = 1, .sent_ms = now.mono.ms};
    agent->beat_count = 1;
}

void gg_say_keep(struct gg_blob **blob_p, struct gg_slice bytes)
{
    gg_blob_unref(blob_p);
    *blob_p = bytes.len > 0 ? gg_blob_new(bytes) : NULL;
}

static void said_partial(struct gg_worker *agent, struct gg_attempt *attempt,
                         struct gg_slice data)
{
    struct gg_partial partial;
    gg_record_default(GG_RECORD_PARTIAL, &partial);
    partial.id = attempt->id;
    partial.fence = attempt->fence;
    partial.offset = attempt->work->partial_offset;
    partial.data = data;
    attempt->work->partial_offset += data.len;
    if (agent->state == GG_WORKER_UP && gg_postbag_has_room(&agent->postbag)) {
        (void)gg_postbag_add(&agent->postbag, GG_CMD_PARTIAL, 0, &partial, NULL);
    }
}

void gg_worker_said(struct gg_worker *agent, uint64_t fence, const struct gg_line *line)
{
    struct gg_attempt *attempt = gg_attempts_find(&agent->attempts, fence);
    if (attempt == NULL || attempt->work == NULL) {
        return;
    }
    switch (line->kind) {
    case GG_LINE_PROGRESS:
        attempt->work->has_progress = true;
        attempt->work->progress_is_new = true;
        attempt->work->progress_ppm = line->ppm;
        gg_say_keep(&attempt->work->progress_text, line->text);
        if (!gg_list_linked(&attempt->said)) {
            gg_list_push_back(&agent->said, &attempt->said);
        }
        return;
    case GG_LINE_PARTIAL:
        said_partial(agent, attempt, line->text);
        return;
    case GG_LINE_CHECKPOINT:
        gg_say_keep(&attempt->work->stored_checkpoint, line->text);
        gg_say_checkpoint(agent, attempt);
        return;
    case GG_LINE_SNOOZE:
        return; /* The executor's ending tells it. */
    }
    GG_BUG("unknown kind of line");
}
