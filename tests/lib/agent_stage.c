#include "tests/lib/agent_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const queues[] = {"reports", "mail*"};

static void forget_said(struct fixture *f)
{
    for (uint32_t i = 0; i < f->frame_count; i++) {
        gg_buf_fini(&f->frames[i]);
    }
    f->said_count = 0;
    f->frame_count = 0;
    f->attachment_len = 0;
}

void listen_to(struct fixture *f)
{
    struct gg_slice frame;
    struct gg_blob *attached = NULL;
    forget_said(f);
    while (gg_worker_front(f->agent, &frame, &attached)) {
        struct gg_slice attachment = gg_blob_slice(attached);
        struct gg_message message;
        struct gg_fault fault;
        struct gg_buf *kept = &f->frames[f->frame_count++];
        gg_buf_init(kept, frame.len);
        gg_buf_append(kept, frame.data, frame.len);
        f->attachment_len = attachment.len > 0 ? attachment.len : f->attachment_len;
        assert_int_equal(
            gg_message_open(gg_buf_slice(kept), attachment, &message, &fault), GG_OK);
        assert_int_equal(message.header.session, f->session);
        assert_int_equal(message.header.sequence, ++f->heard);
        while (gg_message_next(&message, &f->said[f->said_count], &fault)) {
            assert_int_equal(fault.err, GG_OK);
            f->said_count++;
        }
        gg_worker_sent(f->agent);
    }
}

const struct gg_command *heard(const struct fixture *f, enum gg_command_code code,
                               uint32_t n)
{
    for (uint32_t i = 0; i < f->said_count; i++) {
        if (f->said[i].code == code && n-- == 0) {
            return &f->said[i];
        }
    }
    return NULL;
}

uint32_t count(const struct fixture *f, enum gg_command_code code)
{
    uint32_t n = 0;
    while (heard(f, code, n) != NULL) {
        n++;
    }
    return n;
}

enum gg_worker_news tell_acked(struct fixture *f, enum gg_message_type type,
                               enum gg_command_code code, const void *record,
                               uint64_t acked)
{
    static const uint8_t prefix[GG_PREFIX_BYTES];
    struct gg_buf buf;
    struct gg_slice lent = {0};
    gg_buf_init(&buf, 1 << 20);
    gg_buf_append(&buf, prefix, sizeof prefix);
    gg_command_write(&buf, code, 0, record, &lent);
    struct gg_header header = {.version = 1,
                               .type = (uint8_t)type,
                               .session = f->session,
                               .sequence = ++f->sequence,
                               .acked = acked};
    gg_prefix_write(&header, 1, buf.data);
    enum gg_worker_news news = gg_worker_receive(f->agent, f->now.mono,
                                                 gg_buf_slice(&buf), lent, NULL);
    gg_buf_fini(&buf);
    return news;
}

enum gg_worker_news tell(struct fixture *f, enum gg_command_code code,
                         const void *record)
{
    return tell_acked(f, GG_MESSAGE_COMMANDS, code, record, 0);
}

void say_hello(struct fixture *f)
{
    f->session = gg_rng_next(&f->rng) | 1;
    f->sequence = 0;
    f->heard = 0;
    gg_worker_hello(f->agent, f->now, f->session);
    listen_to(f);
}

void welcome(struct fixture *f)
{
    struct gg_welcome record;
    gg_record_default(GG_RECORD_WELCOME, &record);
    record.version = 1;
    record.epoch = 5;
    record.heartbeat_ms = 1000;
    record.dead_after_ms = 3000;
    record.lease_ms = LEASE_MS;
    record.frame_bytes_max = 1 << 26;
    record.requests_max = 100;
    record.durability = 1;
    record.grace_ms = 500;
    record.result_bytes_max = 1 << 20;
    assert_int_equal(tell_acked(f, GG_MESSAGE_WELCOME, GG_CMD_WELCOME, &record, 1),
                     GG_NEWS_WELCOME);
    listen_to(f);
}

void pass(struct fixture *f, int64_t ms)
{
    f->now.mono.ms += ms;
    f->now.wall.ms += ms;
    gg_worker_tick(f->agent, f->now.mono);
    listen_to(f);
}

void pass_alive(struct fixture *f, int64_t ms)
{
    struct gg_heartbeat beat;
    gg_record_default(GG_RECORD_HEARTBEAT, &beat);
    for (int64_t done = 0; done < ms; done += 1000) {
        pass(f, 1000);
        (void)tell_acked(f, GG_MESSAGE_COMMANDS, GG_CMD_HEARTBEAT, &beat, f->heard);
    }
}

struct gg_assign assignment(struct fixture *f, uint64_t fence)
{
    struct gg_assign assign;
    gg_record_default(GG_RECORD_ASSIGN, &assign);
    assign.id = gg_id_new(f->now.wall, &f->rng);
    assign.fence = fence;
    assign.pool = 1;
    assign.attempt = 1;
    assign.queue = gg_slice_text("reports");
    assign.payload = gg_slice_text("payload");
    return assign;
}

struct gg_attempt *start(struct fixture *f, const struct gg_assign *assign)
{
    (void)tell(f, GG_CMD_ASSIGN, assign);
    struct gg_attempt *attempt = gg_worker_next_start(f->agent, 0);
    assert_non_null(attempt);
    gg_worker_starting(f->agent, attempt);
    gg_worker_started(f->agent, f->now.mono, assign->fence);
    return attempt;
}

void end(struct fixture *f, uint64_t fence, enum gg_outcome kind)
{
    struct gg_ending ending = {.kind = kind, .exit_status = 0};
    gg_worker_ended(f->agent, f->now.mono, fence, &ending);
    listen_to(f);
}

void confirm(struct fixture *f, const struct gg_assign *assign)
{
    struct gg_confirm record = {.id = assign->id, .fence = assign->fence};
    (void)tell(f, GG_CMD_CONFIRM, &record);
}

void order_stop(struct fixture *f, const struct gg_assign *assign, enum gg_stop reason)
{
    struct gg_stop_info stop = {
        .id = assign->id, .fence = assign->fence, .reason = reason};
    (void)tell(f, GG_CMD_STOP, &stop);
    listen_to(f);
}

int open_fixture(void **state, bool echo)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct gg_worker_pool pool = {
        .slots = SLOTS, .queues = queues, .queue_count = 2, .echo = echo};
    struct gg_worker_config config = {.name = gg_slice_text("tester"),
                                      .host = gg_slice_text("here"),
                                      .program = gg_slice_text("test"),
                                      .pid = 42,
                                      .incarnation = 9,
                                      .margin_ms = MARGIN_MS,
                                      .pools = &pool,
                                      .pool_count = 1};
    f->now = (struct gg_now){.mono = {5000}, .wall = {1700000000000}};
    f->rng.state = 1;
    assert_int_equal(gg_worker_new(&config, &f->agent), GG_OK);
    say_hello(f);
    *state = f;
    return 0;
}

int setup(void **state)
{
    (void)open_fixture(state, false);
    welcome(*state);
    return 0;
}

int setup_echo(void **state)
{
    (void)open_fixture(state, true);
    welcome(*state);
    return 0;
}

int setup_without_welcome(void **state)
{
    return open_fixture(state, false);
}

int teardown(void **state)
{
    struct fixture *f = *state;
    forget_said(f);
    gg_worker_destroy(&f->agent);
    free(f);
    return 0;
}
