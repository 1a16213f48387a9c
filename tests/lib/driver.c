#include "tests/lib/driver.h"

#include "common/assert.h"

enum { HOUR_MS = 3600000, COMMAND_BYTES_MAX = 32 << 20 };

void gg_driver_tiny_bounds(struct gg_bounds *bounds)
{
    gg_bounds_default(bounds);
    bounds->jobs_max = 40;
    bounds->memory_bytes_max = 60000;
    bounds->reserve_bytes = 12000;
    bounds->queue_jobs_max = 8;
    bounds->realm_jobs_max = 30;
    bounds->realms_max = 2;
    bounds->queues_max = 3;
    bounds->agents_max = 2;
    bounds->result_bytes_max = 10;
    bounds->waiters_max = 2;
    bounds->dead_jobs_max = 3;
    bounds->assign_window_max = 4;
    bounds->partial_bytes_max = 12;
    bounds->subscriptions_max = 2;
    bounds->id_window_ms = 20000;
    bounds->keep_failed_ms = 60000;
    bounds->crashes_max = 2;
}

void gg_driver_init(struct gg_driver *driver, const struct gg_bounds *bounds,
                    uint64_t epoch, uint64_t seed)
{
    *driver = (struct gg_driver){
        .now = {{HOUR_MS}, {INT64_C(1800000000000)}},
        .about = {.program = "gangerd test",
                  .store = "memory",
                  .client_endpoint = "tcp://127.0.0.1:7440",
                  .agent_endpoint = "tcp://127.0.0.1:7441",
                  .frame_bytes_max = 1 << 20},
    };
    driver->about.started = driver->now;
    gg_grant_all(&driver->grant, "local");
    gg_effects_init(&driver->fx);
    gg_buf_init(&driver->bytes, COMMAND_BYTES_MAX);
    driver->core = gg_core_new(bounds, &driver->about, epoch, seed);
    GG_ASSERT(driver->core != NULL);
}

void gg_driver_fini(struct gg_driver *driver)
{
    gg_core_destroy(&driver->core);
    gg_effects_fini(&driver->fx);
    gg_buf_fini(&driver->bytes);
}

static void step(struct gg_driver *driver, struct gg_event ev)
{
    ev.now = driver->now;
    gg_effects_clear(&driver->fx);
    gg_core_step(driver->core, &ev, &driver->fx);
    GG_ASSERT(driver->fx.dropped == 0);
}

static void open_session(struct gg_driver *driver, uint32_t peer,
                         const struct gg_hello *hello)
{
    struct gg_command command = {.code = GG_CMD_HELLO, .as.hello = *hello};
    step(driver, (struct gg_event){.type = GG_EV_HELLO,
                                   .peer = peer,
                                   .grant = &driver->grant,
                                   .command = &command});
}

void gg_driver_hello_client(struct gg_driver *driver, uint32_t peer)
{
    struct gg_hello hello;
    gg_record_default(GG_RECORD_HELLO, &hello);
    hello.version_min = GG_PROTOCOL_VERSION;
    hello.version_max = GG_PROTOCOL_VERSION;
    hello.kind = GG_PEER_CLIENT;
    open_session(driver, peer, &hello);
}

void gg_driver_hello_agent(struct gg_driver *driver, uint32_t peer,
                           const struct gg_hello *hello)
{
    open_session(driver, peer, hello);
}

void gg_driver_say(struct gg_driver *driver, uint32_t peer, enum gg_command_code code,
                   uint64_t request, const void *record)
{
    gg_buf_clear(&driver->bytes);
    gg_command_write(&driver->bytes, code, request, record, NULL);
    GG_ASSERT(!driver->bytes.failed);
    struct gg_message message = {.reader = gg_reader_of(gg_buf_slice(&driver->bytes)),
                                 .left = 1};
    struct gg_command command;
    struct gg_fault fault;
    bool one = gg_message_next(&message, &command, &fault);
    GG_ASSERT(one && fault.err == GG_OK);
    step(driver,
         (struct gg_event){.type = GG_EV_COMMAND, .peer = peer, .command = &command});
}

void gg_driver_close(struct gg_driver *driver, uint32_t peer, bool bye)
{
    step(driver, (struct gg_event){.type = GG_EV_CLOSED, .peer = peer, .bye = bye});
}

void gg_driver_receipt(struct gg_driver *driver, uint64_t token)
{
    step(driver, (struct gg_event){.type = GG_EV_RECEIPT, .token = token});
}

void gg_driver_tick(struct gg_driver *driver)
{
    step(driver, (struct gg_event){.type = GG_EV_TICK});
}

void gg_driver_space(struct gg_driver *driver, enum gg_core_space space)
{
    step(driver, (struct gg_event){.type = GG_EV_SPACE, .space = space});
}

static void pass(struct gg_driver *driver, int64_t ms)
{
    driver->now.mono.ms += ms;
    driver->now.wall.ms += ms;
}

void gg_driver_wait(struct gg_driver *driver, int64_t ms,
                    void (*visit)(void *ctx, struct gg_driver *driver), void *ctx)
{
    int64_t end = driver->now.mono.ms + ms;
    struct gg_mono at;
    while (gg_core_next_wake(driver->core, &at) && at.ms <= end) {
        if (at.ms > driver->now.mono.ms) {
            pass(driver, at.ms - driver->now.mono.ms);
        }
        gg_driver_tick(driver);
        if (visit != NULL) {
            visit(ctx, driver);
        }
    }
    gg_effects_clear(&driver->fx);
    pass(driver, end - driver->now.mono.ms);
}

bool gg_driver_heard(const struct gg_driver *driver, uint32_t i,
                     struct gg_command *out_command)
{
    const struct gg_effect *effect = &driver->fx.items[i];
    if (effect->type != GG_FX_WELCOME && effect->type != GG_FX_RESET &&
        effect->type != GG_FX_SEND) {
        return false;
    }
    struct gg_message message = {
        .reader = gg_reader_of(gg_effect_bytes(&driver->fx, effect)),
        .attachment = gg_blob_slice(effect->attachment),
        .left = 1,
    };
    struct gg_fault fault;
    bool one = gg_message_next(&message, out_command, &fault);
    GG_ASSERT(one && fault.err == GG_OK && message.left == 0);
    return true;
}
