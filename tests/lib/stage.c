#include "tests/lib/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/core/state.h"

enum { HOUR_MS = 3600000, STATE_REQUEST = 987654 };

/* ---- the disk ---- */

static void keep(struct stage *stage, const struct gg_effect *effect)
{
    bool blob = effect->type == GG_FX_PERSIST_BLOB || effect->type == GG_FX_ERASE_BLOB;
    bool record = effect->type == GG_FX_PERSIST || effect->type == GG_FX_ERASE;
    if (!record && !blob) {
        return;
    }
    assert_true(effect->after >= stage_written(stage)); /* As the store demands. */
    if (stage->kept_count == stage->kept_room) {
        stage->kept_room = stage->kept_room == 0 ? 1024 : stage->kept_room * 2;
        stage->kept = realloc(stage->kept, stage->kept_room * sizeof *stage->kept);
        assert_non_null(stage->kept);
    }
    struct kept *kept = &stage->kept[stage->kept_count++];
    *kept = (struct kept){.number = effect->after,
                          .kind = blob ? KEPT_BLOB : effect->kind,
                          .part = effect->part,
                          .erased = effect->type == GG_FX_ERASE ||
                                    effect->type == GG_FX_ERASE_BLOB,
                          .id = effect->id};
    if (blob && !kept->erased) {
        kept->bytes = gg_blob_ref(effect->attachment);
    } else if (!kept->erased) {
        kept->bytes = gg_blob_new(gg_effect_bytes(&stage->fx, effect));
        assert_non_null(kept->bytes);
    }
}

uint64_t stage_written(const struct stage *stage)
{
    return stage->kept_count == 0 ? 0 : stage->kept[stage->kept_count - 1].number;
}

static void restored(struct stage *stage, uint64_t number)
{
    gg_effects_clear(&stage->fx);
    assert_int_equal(gg_core_restored(stage->core, stage->now, number, &stage->fx),
                     GG_OK);
    for (uint32_t i = 0; i < stage->fx.count; i++) {
        keep(stage, &stage->fx.items[i]);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct kept *left = a;
    const struct kept *right = b;
    int order = (int)left->kind - (int)right->kind;
    order = order != 0 ? order : memcmp(left->id.bytes, right->id.bytes, GG_ID_BYTES);
    order = order != 0 ? order
                       : (left->part > right->part) - (left->part < right->part);
    return order != 0 ? order
                      : (left->number > right->number) - (left->number < right->number);
}

/* Only the last word on each key up to `durable` is on disk. */
static void compact(struct stage *stage, uint64_t durable)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        if (stage->kept[i].number <= durable) {
            stage->kept[count++] = stage->kept[i];
        } else {
            gg_blob_unref(&stage->kept[i].bytes);
        }
    }
    qsort(stage->kept, count, sizeof *stage->kept, by_key);
    stage->kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool last = i + 1 == count || stage->kept[i].kind != stage->kept[i + 1].kind ||
                    stage->kept[i].part != stage->kept[i + 1].part ||
                    !gg_id_equal(&stage->kept[i].id, &stage->kept[i + 1].id);
        if (last && !stage->kept[i].erased) {
            stage->kept[stage->kept_count++] = stage->kept[i];
        } else {
            gg_blob_unref(&stage->kept[i].bytes);
        }
    }
}

static void restore(struct stage *stage, enum gg_keep_kind kind)
{
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        const struct kept *kept = &stage->kept[i];
        const char *what = NULL;
        if (kept->kind == kind) {
            assert_int_equal(gg_core_restore(stage->core, kind, &kept->id,
                                             gg_blob_slice(kept->bytes), &what),
                             GG_OK);
        }
    }
}

/* Its ids change their table after a few, not after thousands. */
static void make_core(struct stage *stage, uint64_t seed)
{
    stage->core = gg_core_new(&stage->bounds, &stage->about, 1000, seed);
    assert_non_null(stage->core);
    stage->core->ids.late_max = 4;
}

void stage_crash(struct stage *stage, uint64_t durable, int64_t down_ms)
{
    gg_core_destroy(&stage->core);
    compact(stage, durable);
    stage->said_count = 0;
    /* The machine may have been started anew, too: what was due is before its time. */
    stage->now.mono.ms = (int64_t)gg_rng_below(&stage->rng, HOUR_MS);
    stage->now.wall.ms += down_ms;
    stage->about.started = stage->now;
    make_core(stage, gg_rng_next(&stage->rng));
    restore(stage, GG_KEEP_META);
    restore(stage, GG_KEEP_QUEUE);
    restore(stage, GG_KEEP_AGENT);
    restore(stage, GG_KEEP_JOB);
    restored(stage, durable);
}

/* ---- the stage ---- */

void stage_init(struct stage *stage, void (*change)(struct gg_bounds *bounds))
{
    *stage = (struct stage){.rng = {42}};
    gg_bounds_default(&stage->bounds);
    if (change != NULL) {
        change(&stage->bounds);
    }
    stage->now = (struct gg_now){{HOUR_MS}, {INT64_C(1800000000000)}};
    stage->about = (struct gg_core_about){
        .program = "gangerd test",
        .store = "memory",
        .client_endpoint = "tcp://127.0.0.1:7440",
        .agent_endpoint = "tcp://127.0.0.1:7441",
        .frame_bytes_max = 1 << 20,
        .started = stage->now,
    };
    gg_grant_all(&stage->grant, "local");
    gg_effects_init(&stage->fx);
    make_core(stage, 7);
    if (stage->bounds.durable) {
        restored(stage, 0);
    }
}

void stage_fini(struct stage *stage)
{
    gg_core_destroy(&stage->core);
    gg_effects_fini(&stage->fx);
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        gg_blob_unref(&stage->kept[i].bytes);
    }
    free(stage->kept);
}

/* Decode the bytes of a command effect, as the peer would. */
static void decode(struct stage *stage, struct said *said)
{
    struct gg_slice bytes = gg_effect_bytes(&stage->fx, &said->effect);
    struct gg_message message = {
        .reader = gg_reader_of(bytes),
        .attachment = gg_blob_slice(said->effect.attachment),
        .left = 1,
    };
    struct gg_fault fault;
    assert_true(gg_message_next(&message, &said->command, &fault));
    assert_int_equal(fault.err, GG_OK);
    assert_int_equal(message.left, 0);
}

static void listen(struct stage *stage, uint32_t from)
{
    assert_int_equal(stage->fx.dropped, 0);
    for (uint32_t i = from; i < stage->fx.count; i++) {
        assert_true(i < SAID_MAX);
        stage->said[i].effect = stage->fx.items[i];
        keep(stage, &stage->fx.items[i]);
    }
    stage->said_count = stage->fx.count;
    for (uint32_t i = 0; i < stage->fx.count; i++) {
        uint8_t type = stage->said[i].effect.type;
        if (type == GG_FX_WELCOME || type == GG_FX_RESET || type == GG_FX_SEND) {
            decode(stage, &stage->said[i]); /* Anew: the arena may have moved. */
        }
    }
}

static void step_on(struct stage *stage, struct gg_event ev)
{
    uint32_t from = stage->fx.count;
    ev.now = stage->now;
    gg_core_step(stage->core, &ev, &stage->fx);
    listen(stage, from);
}

static void step(struct stage *stage, struct gg_event ev)
{
    gg_effects_clear(&stage->fx);
    step_on(stage, ev);
}

static void pass(struct stage *stage, int64_t ms)
{
    stage->now.mono.ms += ms;
    stage->now.wall.ms += ms;
}

static struct gg_blob *find_blob(const struct stage *stage, const struct gg_effect *of)
{
    struct gg_blob *found = NULL;
    for (uint32_t i = 0; i < stage->kept_count; i++) {
        const struct kept *kept = &stage->kept[i];
        if (kept->kind == KEPT_BLOB && kept->part == of->part &&
            gg_id_equal(&kept->id, &of->id)) {
            found = kept->erased ? NULL : kept->bytes;
        }
    }
    return found;
}

uint32_t stage_load(struct stage *stage)
{
    struct gg_effect loads[16];
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        if (stage->said[i].effect.type == GG_FX_LOAD && count < 16) {
            loads[count++] = stage->said[i].effect;
        }
    }
    gg_effects_clear(&stage->fx);
    for (uint32_t i = 0; i < count; i++) {
        struct gg_blob *blob = find_blob(stage, &loads[i]);
        step_on(stage, (struct gg_event){.type = GG_EV_ANSWERED,
                                         .token = loads[i].token,
                                         .err = blob == NULL ? GG_ERR_NOT_FOUND : GG_OK,
                                         .text = blob == NULL ? "no such blob" : "",
                                         .blob = blob});
    }
    return count;
}

void stage_wait(struct stage *stage, int64_t ms)
{
    int64_t end = stage->now.mono.ms + ms;
    gg_effects_clear(&stage->fx);
    stage->said_count = 0;
    struct gg_mono at;
    while (gg_core_next_wake(stage->core, &at) && at.ms <= end) {
        if (at.ms > stage->now.mono.ms) {
            pass(stage, at.ms - stage->now.mono.ms);
        }
        step_on(stage, (struct gg_event){.type = GG_EV_TICK});
        stage->ticks++;
    }
    pass(stage, end - stage->now.mono.ms);
}

void stage_client_as(struct stage *stage, uint32_t peer, const struct gg_grant *grant)
{
    struct gg_command hello = {.code = GG_CMD_HELLO};
    gg_record_default(GG_RECORD_HELLO, &hello.as.hello);
    hello.as.hello.version_min = 1;
    hello.as.hello.version_max = 1;
    hello.as.hello.kind = GG_PEER_CLIENT;
    step(stage,
         (struct gg_event){
             .type = GG_EV_HELLO, .peer = peer, .grant = grant, .command = &hello});
}

void stage_client(struct stage *stage, uint32_t peer)
{
    stage_client_as(stage, peer, &stage->grant);
    assert_non_null(stage_heard(stage, peer, GG_CMD_WELCOME, 0));
}

void stage_agent_again(struct stage *stage, uint32_t peer, const char *name,
                       uint64_t incarnation, const char *pattern, uint32_t slots,
                       const struct gg_held *held, uint32_t held_count)
{
    struct gg_buf patterns;
    struct gg_buf pools;
    struct gg_buf attempts;
    gg_buf_init(&patterns, 4096);
    gg_buf_init(&pools, 4096);
    gg_buf_init(&attempts, 65536);
    gg_text_write(&patterns, gg_slice_text(pattern));
    struct gg_pool_info pool = {.pool = 1,
                                .slots = slots,
                                .queues = {.raw = gg_buf_slice(&patterns), .count = 1}};
    gg_record_write(&pools, GG_RECORD_POOL, &pool, NULL);
    for (uint32_t i = 0; i < held_count; i++) {
        gg_record_write(&attempts, GG_RECORD_HELD, &held[i], NULL);
    }
    struct gg_command hello = {.code = GG_CMD_HELLO};
    gg_record_default(GG_RECORD_HELLO, &hello.as.hello);
    hello.as.hello.version_min = 1;
    hello.as.hello.version_max = 1;
    hello.as.hello.kind = GG_PEER_AGENT;
    hello.as.hello.name = gg_slice_text(name);
    hello.as.hello.incarnation = incarnation;
    hello.as.hello.pools = (struct gg_list){.raw = gg_buf_slice(&pools), .count = 1};
    hello.as.hello.held = (struct gg_list){.raw = gg_buf_slice(&attempts),
                                           .count = held_count};
    step(stage, (struct gg_event){.type = GG_EV_HELLO,
                                  .peer = peer,
                                  .grant = &stage->grant,
                                  .command = &hello});
    gg_buf_fini(&attempts);
    gg_buf_fini(&pools);
    gg_buf_fini(&patterns);
}

void stage_agent(struct stage *stage, uint32_t peer, const char *name,
                 const char *pattern, uint32_t slots)
{
    stage_agent_again(stage, peer, name, 1, pattern, slots, NULL, 0);
    assert_non_null(stage_heard(stage, peer, GG_CMD_WELCOME, 0));
}

/* The command goes over the wire, so that the codec is part of every test. */
void stage_say(struct stage *stage, uint32_t peer, enum gg_command_code code,
               uint64_t request, const void *record)
{
    struct gg_buf bytes;
    gg_buf_init(&bytes, 32 << 20);
    gg_command_write(&bytes, code, request, record, NULL);
    assert_false(bytes.failed);
    struct gg_message message = {.reader = gg_reader_of(gg_buf_slice(&bytes)),
                                 .left = 1};
    struct gg_command command;
    struct gg_fault fault;
    assert_true(gg_message_next(&message, &command, &fault));
    assert_int_equal(fault.err, GG_OK);
    step(stage,
         (struct gg_event){.type = GG_EV_COMMAND, .peer = peer, .command = &command});
    gg_buf_fini(&bytes);
}

void stage_close(struct stage *stage, uint32_t peer, bool bye)
{
    step(stage, (struct gg_event){.type = GG_EV_CLOSED, .peer = peer, .bye = bye});
}

void stage_receipt(struct stage *stage, uint64_t token)
{
    step(stage, (struct gg_event){.type = GG_EV_RECEIPT, .token = token});
}

void stage_heartbeat(struct stage *stage, uint32_t peer, const uint64_t *fences,
                     uint32_t count)
{
    struct gg_buf held;
    gg_buf_init(&held, 65536);
    for (uint32_t i = 0; i < count; i++) {
        gg_num_write(&held, fences[i]);
    }
    struct gg_heartbeat heartbeat = {
        .held = {.raw = gg_buf_slice(&held), .count = count}};
    stage_say(stage, peer, GG_CMD_HEARTBEAT, 0, &heartbeat);
    gg_buf_fini(&held);
}

struct gg_submit stage_submission(struct stage *stage, const char *queue)
{
    struct gg_submit submit;
    gg_record_default(GG_RECORD_SUBMIT, &submit);
    submit.id = gg_id_new(stage->now.wall, &stage->rng);
    submit.queue = gg_slice_text(queue);
    return submit;
}

struct gg_id stage_submit(struct stage *stage, uint32_t peer, uint64_t request,
                          const struct gg_submit *submit)
{
    stage_say(stage, peer, GG_CMD_SUBMIT, request, submit);
    const struct said *answer = stage_heard(stage, peer, GG_CMD_JOB, 0);
    return answer == NULL ? (struct gg_id){{0}} : answer->command.as.job.id;
}

void stage_outcome(struct stage *stage, uint32_t peer, const struct gg_assign *assign,
                   enum gg_outcome kind, const char *result_or_text)
{
    struct gg_outcome_info outcome;
    gg_record_default(GG_RECORD_OUTCOME, &outcome);
    outcome.id = assign->id;
    outcome.fence = assign->fence;
    outcome.kind = kind;
    if (kind == GG_OUTCOME_SUCCEEDED) {
        outcome.result = gg_slice_text(result_or_text);
        outcome.exit_status = 0;
    } else {
        outcome.text = gg_slice_text(result_or_text);
    }
    stage_say(stage, peer, GG_CMD_OUTCOME, 0, &outcome);
}

void stage_started(struct stage *stage, uint32_t peer, const struct gg_assign *assign)
{
    struct gg_started started = {.id = assign->id, .fence = assign->fence};
    stage_say(stage, peer, GG_CMD_STARTED, 0, &started);
}

static bool is_command(const struct said *said)
{
    return said->effect.type == GG_FX_WELCOME || said->effect.type == GG_FX_RESET ||
           said->effect.type == GG_FX_SEND;
}

const struct said *stage_heard(const struct stage *stage, uint32_t peer,
                               enum gg_command_code code, uint32_t n)
{
    for (uint32_t i = 0; i < stage->said_count; i++) {
        const struct said *said = &stage->said[i];
        if (is_command(said) && said->effect.peer == peer &&
            said->command.code == code && n-- == 0) {
            return said;
        }
    }
    return NULL;
}

uint32_t stage_count(const struct stage *stage, enum gg_command_code code)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        count += is_command(&stage->said[i]) && stage->said[i].command.code == code;
    }
    return count;
}

uint32_t stage_effects(const struct stage *stage, enum gg_effect_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->said_count; i++) {
        count += stage->said[i].effect.type == type;
    }
    return count;
}

enum gg_job_state stage_state(struct stage *stage, uint32_t peer,
                              const struct gg_id *id)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = *id;
    stage_say(stage, peer, GG_CMD_GET, STATE_REQUEST, &target);
    const struct said *answer = stage_heard(stage, peer, GG_CMD_JOB, 0);
    return answer == NULL ? GG_JOB_NONE
                          : (enum gg_job_state)answer->command.as.job.state;
}
